import { expect, test } from "vitest";
import {
  Code,
  emptySet,
  PendingSignals,
  setOf,
  SIGINT,
  SIGRTMIN,
  SIGSEGV,
  SIGTERM,
  SIGUSR1,
  signalName,
} from "./signal.ts";

test("standard signals are kept once, real-time ones queue in order", () => {
  const pending = new PendingSignals();
  for (const pid of [1, 2]) pending.add({ signo: SIGUSR1, code: Code.user, pid });
  for (const value of [1n, 2n, 3n]) pending.add({ signo: SIGRTMIN + 1, code: Code.queue, value });
  expect(pending.take(SIGUSR1)).toMatchObject({ pid: 1 });
  expect(pending.has(SIGUSR1)).toBe(false);
  expect([1, 2, 3].map(() => pending.take(SIGRTMIN + 1)?.value)).toEqual([1n, 2n, 3n]);
  expect(pending.next(emptySet())).toBe(0);
});

test("faults come first, then the lowest number that is not blocked", () => {
  const pending = new PendingSignals();
  for (const signo of [SIGTERM, SIGSEGV, SIGINT, 64]) pending.add({ signo, code: Code.user });
  expect(pending.next(emptySet())).toBe(SIGSEGV);
  expect(pending.next(setOf(SIGSEGV))).toBe(SIGINT);
  expect(pending.next(setOf(SIGSEGV, SIGINT, SIGTERM))).toBe(64);
  pending.discard(setOf(SIGINT, 64));
  expect(pending.next(setOf(SIGSEGV, SIGTERM))).toBe(0);
});

test("names", () => {
  expect([SIGSEGV, 31, 34].map(signalName)).toEqual(["SIGSEGV", "SIGSYS", "SIGRT_2"]);
});
