// Self-checking StableHLO programs that were exported from JAX (openxla/stablehlo's testdata): each has inputs and
// expected results inside.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { disagreement } from "../../src/engine/hlo/agree.ts";
import { stablehlo } from "../../src/engine/import/jax/format.ts";
import { evaluate } from "../../src/engine/interpret/interpret.ts";
import { sharedModels } from "../support/models.ts";

const folder = sharedModels("stablehlo/testdata");
const files = folder ? readdirSync(folder).filter((name) => name.endsWith(".mlir")) : [];

describe.skipIf(!folder)("self-checking programs", () => {
  test.each(files)("%s", (name) => {
    const source = { name, bytes: new Uint8Array(readFileSync(join(folder!, name))) };
    expect(stablehlo.matches(source)).toBe(true);
    const model = stablehlo.open(source);
    expect(model.missing).toEqual([]);
    const program = model.program();
    const results = evaluate(program, []);
    expect(program.checks?.length).toBeGreaterThan(0);
    for (const check of program.checks!) {
      expect(disagreement(check, results[check.actual]!, results[check.expected]!)).toBeUndefined();
    }
  });
});
