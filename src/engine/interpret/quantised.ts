// Fixed-point arithmetic as TensorFlow Lite's reference kernels do it.

import type { Operation } from "../hlo/graph.ts";
import { elementCount, stridesOf, type Tensor, zeros } from "../hlo/tensor.ts";
import { finish, numbersFor } from "./elements.ts";
import { copier, unitsOf } from "./strided.ts";

/** 2^-31 of a product of two 32-bit integers, rounded to nearest, halves up; the one overflow saturates. */
function doublingHighProduct(a: number, b: number): number {
  if (a === -0x80000000 && b === -0x80000000) return 0x7fffffff;
  // The product has up to 62 bits: in two parts that doubles hold.
  const high = (a >> 16) * b;
  const low = (a & 0xffff) * b;
  return Math.floor((high + Math.floor(low / 65536) + 0x4000) / 0x8000);
}
/** Divides by a power of two, rounding to nearest, halves away from zero. */
function dividedByPower(x: number, exponent: number): number {
  if (exponent === 0) return x;
  const unit = 2 ** exponent;
  return x < 0 ? -Math.floor(-x / unit + 0.5) : Math.floor(x / unit + 0.5);
}

/** x * multiplier / 2^31 * 2^shift of 32-bit sums: rounded once at 31 bits, and again when shifted to the right. */
export function multiplyByQuantized(x: number, multiplier: number, shift: number): number {
  const left = shift > 0 ? shift : 0;
  return dividedByPower(doublingHighProduct((x * 2 ** left) | 0, multiplier), left - shift);
}
/** The same of 64-bit sums (of 16-bit elements): the multiplier is cut to 15 bits, and there is one rounding. */
export function multiplyWideByQuantized(x: bigint, multiplier: number, shift: number): number {
  const reduced = multiplier < 0x7fff0000 ? (multiplier + 0x8000) >> 16 : 0x7fff;
  const total = BigInt(15 - shift);
  return Number(BigInt.asIntN(32, (x * BigInt(reduced) + (1n << (total - 1n))) >> total));
}

export function requantize({ attributes }: Operation<"requantize">, operands: readonly Tensor[]): Tensor {
  const [sums, multiplier, shift] = operands as [Tensor, Tensor, Tensor];
  const { dtype, dimension, zeroPoint, min, max } = attributes;
  const { shape } = sums;
  const out = numbersFor(dtype, shape);
  const multipliers = multiplier.data as Int32Array;
  const shifts = shift.data as Int32Array;
  const stride = dimension === undefined ? 1 : stridesOf(shape)[dimension]!;
  const extent = dimension === undefined ? 1 : shape[dimension]!;
  const count = elementCount(shape);
  const wide = sums.dtype === "i64";
  for (let i = 0; i < count; i++) {
    const channel = dimension === undefined ? 0 : Math.floor(i / stride) % extent;
    const scaled = wide
      ? multiplyWideByQuantized((sums.data as BigInt64Array)[i]!, multipliers[channel]!, shifts[channel]!)
      : multiplyByQuantized((sums.data as Int32Array)[i]!, multipliers[channel]!, shifts[channel]!);
    out[i] = Math.min(Math.max(scaled + zeroPoint, min), max);
  }
  return finish(dtype, shape, out);
}

export function lookup(x: Tensor, table: Tensor): Tensor {
  const out = zeros(table.dtype, x.shape);
  const { units, width } = unitsOf(out);
  const { units: from } = unitsOf(table);
  const copy = copier([], [], [], width);
  const smallest = x.dtype === "i8" ? -128 : 0;
  const places = x.data as Int8Array;
  for (let i = 0; i < places.length; i++) copy(units, i * width, from, (places[i]! - smallest) * width);
  return out;
}
