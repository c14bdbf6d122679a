// Quantised arithmetic as builder calls: how TensorFlow Lite's kernels scale, clamp and look up small integers.

import type { Builder } from "../../hlo/build.ts";
import { type DType, dtypes, integerRange } from "../../hlo/dtype.ts";
import type { Value } from "../../hlo/graph.ts";
import { fromNumbers, sameShape, type Tensor } from "../../hlo/tensor.ts";
import { clamp, type Multiplier, quantizeMultiplier, roundAway } from "./fixed.ts";
import { Unsupported } from "./node.ts";
import type { TensorInfo } from "./schema.ts";

const f = Math.fround;

/** Scale and zero point of a whole tensor. */
export interface Affine {
  readonly scale: number;
  readonly zero: number;
}

const small: ReadonlySet<string> = new Set(["i8", "u8", "i16"]);

/** Whether a tensor holds quantised numbers. */
export const isQuantized = (info: TensorInfo): boolean => small.has(info.type) && info.quantization !== undefined;

export function affineOf(info: TensorInfo): Affine {
  const { quantization } = info;
  if (!quantization) throw new Unsupported(`${info.type} without a scale`);
  return { scale: quantization.scales[0]!, zero: quantization.zeroPoints[0]! };
}

/** Smallest and largest number of an integer type. */
export function limits(dtype: DType): readonly [min: number, max: number] {
  const { min, max } = integerRange(dtype);
  return [Number(min), Number(max)];
}

/** Values that a fused activation leaves, as floats. */
export function activationRange(activation: number): readonly [min: number, max: number] {
  switch (activation) {
    case 0:
      return [-Infinity, Infinity];
    case 1:
      return [0, Infinity];
    case 2:
      return [-1, 1];
    case 3:
      return [0, 6];
    default:
      throw new Unsupported(`fused activation ${activation} on integers`);
  }
}

/** The same in a result's small integers (CalculateActivationRangeQuantized). */
export function quantizedRange(activation: number, result: TensorInfo, dtype: DType): readonly [number, number] {
  const [min, max] = limits(dtype);
  const [from, to] = activationRange(activation);
  const { scale, zero } = affineOf(result);
  const quantize = (value: number) => zero + roundAway(f(value / scale));
  return [
    from === -Infinity ? min : Math.max(min, quantize(from)),
    to === Infinity ? max : Math.min(max, quantize(to)),
  ];
}

/** Elements less their zero point, as i32. */
export function centred(b: Builder, x: Value, zero: number): Value {
  const wide = b.convert(x, "i32");
  return zero === 0 ? wide : b.with("subtract", wide, zero);
}

export interface Target {
  readonly dtype: DType;
  readonly zero?: number;
  readonly range?: readonly [min: number, max: number];
}

/** Sums times real factors (one, or one per index of a dimension), plus the zero point, clamped. */
export function rescale(
  b: Builder,
  sums: Value,
  factors: readonly Multiplier[],
  dimension: number | undefined,
  { dtype, zero = 0, range = limits(dtype) }: Target,
): Value {
  const along = factors.length > 1 ? dimension : undefined;
  const shape = along === undefined ? [] : [factors.length];
  const list = along === undefined ? factors.slice(0, 1) : factors;
  return b.op(
    "requantize",
    [
      sums,
      b.numbers(
        "i32",
        shape,
        list.map(({ multiplier }) => multiplier),
      ),
      b.numbers(
        "i32",
        shape,
        list.map(({ shift }) => shift),
      ),
    ],
    { dtype, dimension: along, zeroPoint: zero, min: range[0], max: range[1] },
  );
}

/** Sums times one real factor. */
export const scaleBy = (b: Builder, sums: Value, factor: number, target: Target): Value =>
  rescale(b, sums, [quantizeMultiplier(factor)], undefined, target);

/** A result element for each element of an 8-bit type, by its bits: `each` takes and gives plain integers. */
function table(from: DType, to: DType, each: (element: number) => number): Tensor {
  const [, max] = limits(from);
  return fromNumbers(
    to,
    [256],
    Array.from({ length: 256 }, (_, bits) => each(bits > max ? bits - 256 : bits)),
  );
}

/** x through a table of all its elements: 256 of an 8-bit type, 65,536 of a 16-bit one. */
export function through(b: Builder, x: Value, to: DType, each: (element: number) => number): Value {
  const from = x.type.dtype;
  // By bits: unsigned indices need no offset.
  if (dtypes[from].bits === 8) return b.plain("lookup", b.convert(x, "u8"), b.constant(table(from, to, each)));
  const numbers = new dtypes[to].array(65536) as { [index: number]: number };
  for (let i = 0; i < 65536; i++) numbers[i] = each(i - 32768);
  const values = b.constant({ dtype: to, shape: [65536], data: numbers as unknown as Tensor["data"] });
  return pick(b, values, b.with("add", b.convert(x, "i32"), 32768));
}

/** Elements of a list by index, in any shape. */
export function pick(b: Builder, list: Value, indices: Value): Value {
  const { shape } = indices.type;
  return b.op("gather", [list, b.reshape(indices, [...shape, 1])], {
    offsetDims: [],
    collapsedSliceDims: [0],
    operandBatchingDims: [],
    startIndicesBatchingDims: [],
    startIndexMap: [0],
    indexVectorDim: shape.length,
    sliceSizes: [1],
  });
}

/** The table of a float function between two affine types, all in f32 (LUTPopulate, PopulateLookupTable). */
export function affineTable(input: Affine, output: Affine, to: DType, each: (value: number) => number) {
  const [min, max] = limits(to);
  const inverse = f(1 / output.scale);
  return (element: number): number => {
    const value = f(each(f(input.scale * (element - input.zero))));
    return clamp(roundAway(f(value * inverse)) + output.zero, min, max);
  };
}

/**
 * The 513 entries and the interpolation between them that 16-bit tables use (LUTPopulate for int16, LUTLookup):
 * `each` on [from, to], as multiples of the output's step.
 */
export function interpolated(
  from: number,
  to: number,
  outputMin: number,
  outputMax: number,
  each: (value: number) => number,
  rounding: (value: number) => number = (value) => value,
): (element: number) => number {
  const steps = 512;
  const step = rounding((to - from) / steps);
  const half = rounding(step / 2);
  const invert = rounding(65536 / rounding(outputMax - outputMin));
  const entries = new Int16Array(steps + 1);
  for (let i = 0; i < steps; i++) {
    const value = rounding(each(rounding(from + rounding(i * step))));
    const middle = rounding(each(rounding(rounding(from + rounding(i * step)) + half)));
    const next = rounding(each(rounding(from + rounding((i + 1) * step))));
    const sample = roundAway(rounding(value * invert));
    const between = roundAway(
      rounding(rounding(rounding(rounding(next * invert) + roundAway(rounding(value * invert))) / 2)),
    );
    const midpoint = roundAway(rounding(middle * invert));
    const bias = roundAway(rounding((between - midpoint) / 2));
    entries[i] = clamp(sample - bias, -32768, 32767);
  }
  entries[steps] = clamp(roundAway(rounding(rounding(each(to)) * invert)), -32768, 32767);
  return (element) => {
    const index = 256 + (element >> 7);
    const base = entries[index]!;
    const slope = entries[index + 1]! - base;
    return base + ((slope * (element & 0x7f) + 64) >> 7);
  };
}

/** Whether two tensors stand for numbers in the same way. */
export function sameScale(a: TensorInfo, b: TensorInfo): boolean {
  const [p, q] = [a.quantization, b.quantization];
  if (!p || !q) return p === q;
  return sameShape(p.scales, q.scales) && sameShape(p.zeroPoints, q.zeroPoints);
}
