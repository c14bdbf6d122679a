import { expect, test } from "vitest";
import { families, systemCalls } from "./calls.ts";
import { CallTable } from "./gate.ts";

const tables = { x86_64: new CallTable("x86_64", systemCalls), i386: new CallTable("i386", systemCalls) };

/** Numbers that the table of Linux 6.1 leaves out (arch/x86/entry/syscalls/syscall_32.tbl). */
const holes = new Set([222, 223, 251, 285, 387, 388, 389, 390, 391, 392, 415]);

/** The last number of the old ranges, and of those that all architectures number alike. */
const last = { x86_64: 334, i386: 423 };
const [firstShared, lastShared] = [424, 450];

function numbers(mode: "x86_64" | "i386"): number[] {
  const own = Array.from({ length: last[mode] + 1 }, (_, i) => i);
  const shared = Array.from({ length: lastShared - firstShared + 1 }, (_, i) => firstShared + i);
  return [...own.filter((n) => mode === "x86_64" || !holes.has(n)), ...shared];
}

for (const mode of ["x86_64", "i386"] as const)
  test(`every number of ${mode} has a row`, () => {
    const missing = numbers(mode).filter((n) => tables[mode].entries[n] === undefined);
    expect(missing).toEqual([]);
  });

test("most of them are supported, and the others say why", () => {
  const rows = Object.values(families).flatMap((module) => Object.values(module));
  const calls = rows.filter(
    (row): row is { supported: boolean; why?: string } => typeof row === "object" && "supported" in row,
  );
  expect(calls.filter(({ supported }) => supported).length).toBeGreaterThanOrEqual(220);
  for (const call of calls) if (!call.supported) expect(call.why).toMatch(/\w/);
});
