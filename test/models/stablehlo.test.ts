// Self-checking StableHLO programs that were exported from JAX (openxla/stablehlo's testdata): each has inputs and
// expected results inside.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { disagreement } from "../../src/engine/hlo/agree.ts";
import { stablehlo } from "../../src/engine/import/jax/format.ts";
import { toNumbers } from "../../src/engine/hlo/tensor.ts";
import { evaluate } from "../../src/engine/interpret/interpret.ts";
import { expectClose, sharedModels } from "../support/models.ts";

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
      const [actual, expected] = [results[check.actual]!, results[check.expected]!];
      const different = disagreement(check, actual, expected);
      // The results were made by adding in single precision, ours are added in double: where terms cancel, the error is
      // relative to the terms.
      const sums = ["stablehlo.dot_general", "stablehlo.reduce_window", "stablehlo.convolution"];
      if (different !== undefined && expected.dtype !== "f64" && sums.some((op) => model.operations.has(op))) {
        const largest = toNumbers(expected).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        expectClose(actual, toNumbers(expected), { relative: 0, absolute: 1e-6 * largest }, name);
      } else expect(different).toBeUndefined();
    }
  });
});
