// The inputs that golden.py gives to models, and how its outputs are compared.

import { expect } from "vitest";
import { dtypes, isFloat, type DType } from "../../../src/engine/hlo/dtype.ts";
import type { Program } from "../../../src/engine/hlo/graph.ts";
import { bytesOf, elementCount, fromNumbers, type Tensor, toNumbers } from "../../../src/engine/hlo/tensor.ts";
import { compile } from "../../../src/engine/compile/compile.ts";

export interface Summary {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly first: readonly (number | string)[];
  readonly sum?: number;
  readonly l2?: number;
  readonly argmax?: number;
  readonly hash?: number;
}
/** By pattern, run, output. */
export type Golden = readonly (readonly (readonly Summary[])[])[];

/** The numbers of a pattern: the same as `values` in golden.py. */
export function patternOf(dtype: DType, shape: readonly number[], pattern: number): Tensor {
  const { bits, kind } = dtypes[dtype];
  const span = 2 ** bits;
  const low = kind === "unsigned" ? 0 : -span / 2;
  const each = (k: number): number => {
    if (isFloat(dtype))
      return [Math.sin(0.7 * k) * 0.5, Math.cos(0.3 * k) * 1.5, ((k * 40503) % 65536) / 16384 - 2][pattern]!;
    if (kind === "boolean") return Number([k % 2 === 0, k % 3 === 0, k % 5 < 2][pattern]!);
    if (bits <= 16)
      return [(37 * k) & 63, ((91 * k + 7) % span) + low, (((40503 * k + 12345) % 65521) % span) + low][pattern]!;
    return [(37 * k) & 63, (5 * k + 1) & 7, (11 * k + 3) % 17][pattern]!;
  };
  const count = elementCount(shape);
  return fromNumbers(
    dtype,
    shape,
    Array.from({ length: count }, (_, k) => each(k)),
  );
}

function digest(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

/** The largest difference of a tensor from its summary, as a multiple of the tolerance; 0 when it is the same. */
export function difference(actual: Tensor, golden: Summary, relative = 1e-5, absolute = 1e-6): number {
  // Complex numbers are pairs there.
  const pairs = golden.dtype.startsWith("complex") ? 2 : 1;
  expect(actual.shape.map((extent, i, all) => (i === all.length - 1 ? extent * pairs : extent))).toEqual(golden.shape);
  const numbers = toNumbers(actual);
  const off = (got: number, wanted: number, scale = 1) =>
    Object.is(got, wanted) || got === wanted || (Number.isNaN(got) && Number.isNaN(wanted))
      ? 0
      : Math.abs(got - wanted) / (scale * absolute + relative * Math.max(Math.abs(wanted), 0));
  let worst = 0;
  golden.first.forEach((wanted, i) => (worst = Math.max(worst, off(numbers[i]!, Number(wanted)))));
  if (golden.sum === undefined) return worst;
  if (golden.hash !== undefined && digest(bytesOf(actual)) === golden.hash) return worst;
  let [sum, squares] = [0, 0];
  for (const n of numbers) {
    if (!Number.isFinite(n)) continue;
    sum += n;
    squares += n * n;
  }
  if (golden.hash !== undefined && worst === 0) worst = Math.max(1.0001, off(sum, golden.sum));
  const size = Math.sqrt(numbers.length);
  return Math.max(
    worst,
    off(Math.sqrt(squares), golden.l2!, size),
    off(sum, golden.sum, size * Math.max(1, golden.l2!)),
  );
}

/** Runs a program on a pattern, as often as the golden did; gives the outputs of each run. */
export function runs(program: Program, pattern: number, count: number, backend: "interpreter" | "wasm"): Tensor[][] {
  const executable = compile(program, { backend });
  const inputs = Object.fromEntries(
    program.inputs.map(({ name, type }) => [name, patternOf(type.dtype, type.shape, pattern)]),
  );
  const results = Array.from({ length: count }, () => {
    const outputs = executable.run(inputs);
    return program.outputs.map(({ name }) => outputs[name]!);
  });
  executable.dispose();
  return results;
}
