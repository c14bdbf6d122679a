// Operations on the representation of floats: the neighbour of a number, and fewer exponent and mantissa bits.

import { CerebroError } from "../../base/errors.ts";
import type { DType } from "../hlo/dtype.ts";
import { bf16Bits, bf16Value, f16Bits, f16Value } from "../hlo/half.ts";

const words = new DataView(new ArrayBuffer(8));

interface Representation {
  bits(value: number): bigint;
  value(bits: bigint): number;
  readonly width: bigint;
}
const representations: Partial<Record<DType, Representation>> = {
  f64: {
    width: 64n,
    bits: (value) => (words.setFloat64(0, value), words.getBigUint64(0)),
    value: (bits) => (words.setBigUint64(0, bits), words.getFloat64(0)),
  },
  f32: {
    width: 32n,
    bits: (value) => (words.setFloat32(0, value), BigInt(words.getUint32(0))),
    value: (bits) => (words.setUint32(0, Number(bits)), words.getFloat32(0)),
  },
  f16: { width: 16n, bits: (value) => BigInt(f16Bits(value)), value: (bits) => f16Value(Number(bits)) },
  bf16: { width: 16n, bits: (value) => BigInt(bf16Bits(value)), value: (bits) => bf16Value(Number(bits)) },
};

/** The next value of the type from a towards b. */
export function nextAfter(dtype: DType): (a: number, b: number) => number {
  const representation = representations[dtype];
  if (!representation) throw new CerebroError("unsupported", `nextAfter has no meaning on ${dtype}`);
  const { bits, value, width } = representation;
  const sign = 1n << (width - 1n);
  return (a, b) => {
    if (Number.isNaN(a) || Number.isNaN(b)) return Number.NaN;
    if (a === b) return b;
    if (a === 0) return value(b > 0 ? 1n : sign | 1n);
    return value(bits(a) + (a < b === a > 0 ? 1n : -1n));
  };
}

/** Rounds to nearest even with so many bits; what is too large becomes infinite, what is too small zero. */
export function reducePrecision({
  exponentBits,
  mantissaBits,
}: {
  exponentBits: number;
  mantissaBits: number;
}): (value: number) => number {
  const bias = 2 ** (exponentBits - 1) - 1;
  const smallest = 2 ** (1 - bias);
  const largest = (2 - 2 ** -mantissaBits) * 2 ** bias;
  return (value) => {
    if (value === 0 || !Number.isFinite(value)) return value;
    words.setFloat64(0, value);
    const exponent = ((words.getUint32(0) >>> 20) & 0x7ff) - 1023;
    const unit = 2 ** (exponent - mantissaBits);
    const steps = value / unit;
    const below = Math.floor(steps);
    const rest = steps - below;
    const rounded = (rest > 0.5 || (rest === 0.5 && below % 2 !== 0) ? below + 1 : below) * unit;
    if (Math.abs(rounded) > largest) return Math.sign(value) * Infinity;
    return Math.abs(rounded) >= smallest ? rounded : value < 0 ? -0 : 0;
  };
}
