// The table of system calls: no number twice, and enough of them.

import { describe, expect, it } from "vitest";
import { CallTable } from "./gate.ts";
import { systemCalls } from "./calls.ts";

describe("system calls", () => {
  it("have a number each", () => {
    for (const mode of ["x86_64", "i386"] as const) {
      const table = new CallTable(mode, systemCalls);
      expect(table.entries.filter((entry) => entry !== undefined).length).toBeGreaterThan(150);
    }
  });
});
