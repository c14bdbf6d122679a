import { expect, test } from "vitest";
import { parseContract, parseVariable, parseVolume } from "./grants.ts";

test("volumes", () => {
  expect(parseVolume("/a/b:/c")).toEqual({ host: "/a/b", guest: "/c", readOnly: false });
  expect(parseVolume(".:/work:ro")).toEqual({ host: ".", guest: "/work", readOnly: true });
  expect(() => parseVolume("/a")).toThrow(/not HOST:GUEST/);
  expect(() => parseVolume("/a:relative")).toThrow(/not HOST:GUEST/);
});

test("variables", () => {
  expect(parseVariable("A=b=c", {})).toEqual(["A", "b=c"]);
  expect(parseVariable("A", { A: "mine" })).toEqual(["A", "mine"]);
  expect(parseVariable("A", {})).toEqual(["A", undefined]);
  expect(() => parseVariable("=x", {})).toThrow(/no name/);
});

test("contracts", () => {
  expect(parseContract("memory=512M,tasks=64,cpu=50%,deadline=1m")).toEqual({
    memory: 512 * 2 ** 20,
    tasks: 64,
    cpuShare: 0.5,
    deadline: 60e9,
  });
  expect(parseContract("disk=1GiB")).toEqual({ disk: 2 ** 30 });
  expect(() => parseContract("memory")).toThrow(/not NAME=AMOUNT/);
  expect(() => parseContract("constructor=1")).toThrow(/limits are|not NAME/);
  expect(() => parseContract("memory=lots")).toThrow(/no amount/);
});
