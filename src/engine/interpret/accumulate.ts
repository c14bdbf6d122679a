// Sums and the like over rows of elements: the inner loops of reductions, windows and scatters.

import { type DType, dtypes, isFloat, isWide } from "../hlo/dtype.ts";
import type { OpName } from "../hlo/ops.ts";
import { elementCount, type Tensor } from "../hlo/tensor.ts";
import { finish, type NumberArray, numbersFor, numbersOf, type WideArray, widesOf } from "./elements.ts";
import { booleans } from "./integers.ts";

/** Where results are accumulated: floats in double precision, integers as they are. */
export type Accumulator = NumberArray | WideArray;

/** Whether the fast loops know this operation on this type. */
export function accumulates(op: OpName | undefined, dtype: DType): op is OpName {
  return op !== undefined && dtypes[dtype].kind !== "complex" && (op !== "xor" || !isFloat(dtype));
}

export function accumulatorFor(dtype: DType, shape: readonly number[]): Accumulator {
  if (isWide(dtype)) return new dtypes[dtype].array(elementCount(shape)) as WideArray;
  return isFloat(dtype) ? new Float64Array(elementCount(shape)) : numbersFor(dtype, shape);
}

export function accumulated(dtype: DType, shape: readonly number[], sums: Accumulator): Tensor {
  if (isWide(dtype)) return { dtype, shape, data: sums };
  if (dtype === "f32") return { dtype, shape, data: Float32Array.from(sums as Float64Array) };
  return finish(dtype, shape, sums as NumberArray);
}

export const elementsOf = (tensor: Tensor): Accumulator => (isWide(tensor.dtype) ? widesOf(tensor) : numbersOf(tensor));

/** Fills with the operation's neutral element. */
export function fillNeutral(op: OpName, dtype: DType, sums: Accumulator): void {
  const { kind, bits } = dtypes[dtype];
  if (isWide(dtype)) {
    const [min, max] = dtype === "i64" ? [-(1n << 63n), (1n << 63n) - 1n] : [0n, (1n << 64n) - 1n];
    const neutral = op === "maximum" ? min : op === "minimum" ? max : op === "multiply" ? 1n : op === "and" ? -1n : 0n;
    (sums as BigInt64Array).fill(neutral);
    return;
  }
  const [min, max] =
    kind === "float"
      ? [-Infinity, Infinity]
      : kind === "signed"
        ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1]
        : [0, 2 ** bits - 1];
  const ones = kind === "signed" ? -1 : max;
  const neutral = op === "maximum" ? min : op === "minimum" ? max : op === "multiply" ? 1 : op === "and" ? ones : 0;
  (sums as NumberArray).fill(neutral);
}

/** sums[at + i * step] op= elements[from + i * stride] for i < count. */
export type Accumulate = (
  sums: Accumulator,
  at: number,
  step: number,
  elements: Accumulator,
  from: number,
  stride: number,
  count: number,
) => void;

export function accumulateFor(op: OpName, dtype: DType): Accumulate {
  if (isWide(dtype)) return wideLoop(wideSteps[op]!);
  if (dtype === "i1") return numberLoop(booleans[op] as (a: number, b: number) => number);
  if (dtypes[dtype].bits < 8) {
    const apply = numberSteps[op]!;
    const { kind, bits } = dtypes[dtype];
    return numberLoop((a, b) => {
      const value = apply(a, b) << (32 - bits);
      return kind === "signed" ? value >> (32 - bits) : value >>> (32 - bits);
    });
  }
  if (op === "multiply" && !isFloat(dtype)) return numberLoop(Math.imul);
  switch (op) {
    case "add":
      return addLoop as Accumulate;
    case "maximum":
      return maximumLoop as Accumulate;
    default:
      return numberLoop(numberSteps[op]!);
  }
}

type NumberLoop = (
  sums: NumberArray,
  at: number,
  step: number,
  elements: NumberArray,
  from: number,
  stride: number,
  count: number,
) => void;

const addLoop: NumberLoop = (sums, at, step, elements, from, stride, count) => {
  if (step === 0) {
    let sum = sums[at]!;
    for (let i = 0, f = from; i < count; i++, f += stride) sum += elements[f]!;
    sums[at] = sum;
    return;
  }
  for (let i = 0, a = at, f = from; i < count; i++, a += step, f += stride) sums[a]! += elements[f]!;
};
const maximumLoop: NumberLoop = (sums, at, step, elements, from, stride, count) => {
  for (let i = 0, a = at, f = from; i < count; i++, a += step, f += stride) {
    sums[a] = Math.max(sums[a]!, elements[f]!);
  }
};
function numberLoop(apply: (a: number, b: number) => number): Accumulate {
  const loop: NumberLoop = (sums, at, step, elements, from, stride, count) => {
    for (let i = 0, a = at, f = from; i < count; i++, a += step, f += stride) {
      sums[a] = apply(sums[a]!, elements[f]!);
    }
  };
  return loop as Accumulate;
}
const numberSteps: Partial<Record<OpName, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  and: (a, b) => a & b,
  maximum: Math.max,
  minimum: Math.min,
  multiply: (a, b) => a * b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
};
function wideLoop(apply: (a: bigint, b: bigint) => bigint): Accumulate {
  const loop = (
    sums: WideArray,
    at: number,
    step: number,
    elements: WideArray,
    from: number,
    stride: number,
    count: number,
  ) => {
    for (let i = 0, a = at, f = from; i < count; i++, a += step, f += stride) {
      sums[a] = apply(sums[a]!, elements[f]!);
    }
  };
  return loop as Accumulate;
}
const wideSteps: Partial<Record<OpName, (a: bigint, b: bigint) => bigint>> = {
  add: (a, b) => a + b,
  and: (a, b) => a & b,
  maximum: (a, b) => (a > b ? a : b),
  minimum: (a, b) => (a < b ? a : b),
  multiply: (a, b) => a * b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
};
