// Self-checking StableHLO programs that were exported from JAX (openxla/stablehlo's testdata): each has inputs and
// expected results inside. On the interpreter as they are; compiled with their constants as inputs, so that there is
// something left to compute.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { compile } from "../../src/engine/compile/compile.ts";
import { disagreement } from "../../src/engine/hlo/agree.ts";
import type { Check } from "../../src/engine/hlo/graph.ts";
import { type Tensor, toNumbers } from "../../src/engine/hlo/tensor.ts";
import { verify } from "../../src/engine/hlo/verify.ts";
import { stablehlo } from "../../src/engine/import/jax/format.ts";
import { evaluate } from "../../src/engine/interpret/interpret.ts";
import type { Model } from "../../src/engine/model.ts";
import { expectClose, sharedModels } from "../support/models.ts";
import { withoutConstants } from "../support/programs.ts";

const folder = sharedModels("stablehlo/testdata");
const files = folder ? readdirSync(folder).filter((name) => name.endsWith(".mlir")) : [];

const sums = ["stablehlo.dot_general", "stablehlo.reduce_window", "stablehlo.convolution"];

/**
 * Results were made by adding in single precision, ours are added in double or in another order: where terms cancel, the
 * error is relative to the terms.
 */
function expectAgreement(model: Model, check: Check, actual: Tensor, expected: Tensor): void {
  const different = disagreement(check, actual, expected);
  if (different !== undefined && expected.dtype !== "f64" && sums.some((op) => model.operations.has(op))) {
    const largest = toNumbers(expected).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    expectClose(actual, toNumbers(expected), { relative: 0, absolute: 1e-6 * largest }, model.name);
  } else expect(different).toBeUndefined();
}

describe.skipIf(!folder)("self-checking programs", () => {
  test.each(files)("%s", (name) => {
    const source = { name, bytes: new Uint8Array(readFileSync(join(folder!, name))) };
    expect(stablehlo.matches(source)).toBe(true);
    const model = stablehlo.open(source);
    expect(model.missing).toEqual([]);
    const program = model.program();
    verify(program);
    expect(program.checks?.length).toBeGreaterThan(0);
    const results = evaluate(program, []);
    const open = withoutConstants(program);
    const executable = compile(open.program);
    const computed = executable.run(open.inputs);
    for (const check of program.checks!) {
      expectAgreement(model, check, results[check.actual]!, results[check.expected]!);
      expectAgreement(model, check, computed[`result${check.actual}`]!, computed[`result${check.expected}`]!);
    }
    executable.dispose();
  });
});
