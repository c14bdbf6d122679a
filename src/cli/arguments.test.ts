import { expect, test } from "vitest";
import { describe as help, parse } from "./arguments.ts";

const table = {
  env: { value: "K=V", short: "e", repeat: true, help: "sets a variable" },
  verbose: { short: "v", help: "says more" },
  workdir: { value: "DIR", short: "w", help: "starts there" },
} as const;

test("options end at the first other word", () => {
  expect(parse(table, ["-e", "A=1", "--env=B=2", "file", "-v", "--", "x"])).toEqual({
    values: { env: ["A=1", "B=2"] },
    rest: ["file", "-v", "--", "x"],
  });
});

test("a double dash ends them too, and is dropped", () => {
  expect(parse(table, ["-v", "--", "-x", "--"]).rest).toEqual(["-x", "--"]);
});

test("unknown options and missing values are usage errors", () => {
  expect(() => parse(table, ["--wat", "file"])).toThrow(/unknown option '--wat'/);
  expect(() => parse(table, ["-w"])).toThrow(/argument missing/);
});

test("help has a line an option", () => {
  expect(help(table)).toContain("-e, --env K=V      sets a variable");
});
