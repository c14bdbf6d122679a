import { expect, test } from "vitest";
import { Timers } from "./timers.ts";

test("timers go off in order, equal ones first come first served, cancelled ones never", () => {
  const timers = new Timers();
  const seen: number[] = [];
  const random = (i: number) => (i * 7919) % 101;
  const cancels = Array.from({ length: 500 }, (_, i) => timers.at(random(i), () => seen.push(random(i))));
  for (let i = 0; i < 500; i += 3) cancels[i]!();
  timers.expire(50);
  expect(Math.max(...seen)).toBe(50);
  timers.expire(1000);
  expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  expect(seen).toHaveLength(500 - 167);
  expect(timers.next).toBe(Infinity);
});

test("a callback may set and cancel timers", () => {
  const timers = new Timers();
  const seen: string[] = [];
  const never = timers.at(2, () => seen.push("never"));
  timers.at(1, () => {
    seen.push("first");
    never();
    timers.at(1.5, () => seen.push("second"));
  });
  timers.expire(3);
  expect(seen).toEqual(["first", "second"]);
});
