import { describe, expect, it } from "vitest";
import { compiledEngine, interpreterEngine, straightEngine } from "./execute.ts";
import { compareRows } from "./instructions.ts";
import { available, native } from "./native.ts";

// A sample of what `npm run test:instructions` does with 500,000 cases.
describe.runIf(available())("instructions against the processor", () => {
  it.each([
    { mode: 64, long: true },
    { mode: 32, long: false },
  ])("$mode-bit mode", ({ long }) => {
    const machine = native(long);
    const engines = [straightEngine(long), interpreterEngine(long), compiledEngine(long)];
    const outcome = compareRows(machine, engines, { each: 12, seed: 20261122, long });
    machine.dispose();
    expect(outcome.missed).toEqual([]);
    expect(outcome.differences.slice(0, 10).map(({ text }) => text)).toEqual([]);
    expect(outcome.cases).toBeGreaterThan(5000);
  });
});
