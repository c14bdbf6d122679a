// Fixed-point arithmetic as TensorFlow Lite's and gemmlowp's kernels do it, on plain numbers: for tables made while
// importing (quantization_util.cc, common.h; gemmlowp's fixedpoint.h).

import { FormatError } from "../../../base/errors.ts";

/** A real factor as 31 fractional bits and a power of two: value = multiplier * 2^(shift - 31). */
export interface Multiplier {
  readonly multiplier: number;
  /** Positive to the left. */
  readonly shift: number;
}

/** Fraction in [0.5, 1) and exponent, as C's frexp. */
export function frexp(value: number): [fraction: number, exponent: number] {
  if (value === 0 || !Number.isFinite(value)) return [value, 0];
  let exponent = Math.max(-1023, Math.floor(Math.log2(Math.abs(value))) + 1);
  let fraction = value * 2 ** -exponent;
  while (Math.abs(fraction) < 0.5) {
    fraction *= 2;
    exponent--;
  }
  while (Math.abs(fraction) >= 1) {
    fraction /= 2;
    exponent++;
  }
  return [fraction, exponent];
}

/** Ties away from zero, as C's round. */
export const roundAway = (value: number): number => (value < 0 ? -Math.round(-value) : Math.round(value));

/** QuantizeMultiplier. Throws FormatError for scales that give no factor. */
export function quantizeMultiplier(real: number): Multiplier {
  if (!(real >= 0 && real < Infinity)) throw new FormatError(`TFLite: scales give a factor of ${real}`);
  if (real === 0) return { multiplier: 0, shift: 0 };
  const [fraction, exponent] = frexp(real);
  let shift = exponent;
  let multiplier = roundAway(fraction * 2 ** 31);
  if (multiplier === 2 ** 31) {
    multiplier /= 2;
    shift++;
  }
  if (shift < -31) return { multiplier: 0, shift: 0 };
  if (shift > 30) return { multiplier: 2 ** 31 - 1, shift: 30 };
  return { multiplier, shift };
}

export const clamp = (value: number, min: number, max: number): number => Math.min(Math.max(value, min), max);

/** SaturatingRoundingDoublingHighMul on 32 bits. */
export function highMultiply(a: number, b: number): number {
  if (a === -(2 ** 31) && b === -(2 ** 31)) return 2 ** 31 - 1;
  const product = BigInt(a) * BigInt(b);
  const nudge = product >= 0n ? 1n << 30n : 1n - (1n << 30n);
  return Number((product + nudge) / (1n << 31n));
}

/** SaturatingRoundingDoublingHighMul on 16 bits. */
export function highMultiply16(a: number, b: number): number {
  if (a === -32768 && b === -32768) return 32767;
  const product = a * b;
  return Math.trunc((product + (product >= 0 ? 1 << 14 : 1 - (1 << 14))) / (1 << 15));
}

/** RoundingDivideByPOT: ties away from zero. */
export function divideByPower(x: number, exponent: number): number {
  const mask = 2 ** exponent - 1;
  const rest = exponent === 0 ? 0 : ((x % (mask + 1)) + mask + 1) % (mask + 1);
  const threshold = Math.floor(mask / 2) + (x < 0 ? 1 : 0);
  return Math.floor(x / 2 ** exponent) + (rest > threshold ? 1 : 0);
}

/** MultiplyByQuantizedMultiplier on 32 bits. */
export function multiplyBy(x: number, { multiplier, shift }: Multiplier): number {
  const left = shift > 0 ? shift : 0;
  return divideByPower(highMultiply((x * 2 ** left) | 0, multiplier), left - shift);
}

// gemmlowp's functions on 16 bits.

const saturate16 = (x: number): number => clamp(x, -32768, 32767);
const byPower16 = (x: number, exponent: number): number =>
  exponent < 0 ? divideByPower(x, -exponent) : saturate16(x * 2 ** exponent);
/** Constants are written with 31 bits. */
const short = (x: number): number => saturate16(divideByPower(x, 16));

/** exp(a) for a in [-1/4, 0], both with 15 fractional bits. */
function expOnSmall(a: number): number {
  const x = a + 4096;
  const x2 = highMultiply16(x, x);
  const x3 = highMultiply16(x2, x);
  const x4 = highMultiply16(x2, x2);
  const rest = byPower16(highMultiply16(byPower16(x4, -2) + x3, short(715827883)) + x2, -1);
  const constant = short(1895147668);
  return saturate16(constant + highMultiply16(constant, x + rest));
}

/** exp of a negative number with so many integer bits; the result has none (exp_on_negative_values). */
function expOnNegative(a: number, integerBits: number): number {
  if (a === 0) return 32767;
  const fractionalBits = 15 - integerBits;
  const quarter = 2 ** (fractionalBits - 2);
  const inQuarter = (a & (quarter - 1)) - quarter;
  let result = expOnSmall(byPower16(inQuarter, integerBits));
  const remainder = inQuarter - a;
  const steps: readonly [number, number][] = [
    [-2, 1672461947],
    [-1, 1302514674],
    [0, 790015084],
    [1, 290630308],
    [2, 39332535],
    [3, 720401],
    [4, 242],
  ];
  for (const [exponent, factor] of steps) {
    if (integerBits > exponent && (remainder & (1 << (fractionalBits + exponent))) !== 0) {
      result = highMultiply16(result, short(factor));
    }
  }
  if (integerBits > 5 && a < short(-(2 ** (36 - integerBits)))) result = 0;
  return result;
}

/** Two over 1 + x for x in [0, 1], with two integer bits: Newton's iterations. */
function twoOverOnePlus(a: number): number {
  const half = Math.trunc((a + 32767 + 1) / 2);
  let x = saturate16(short(1515870810) + highMultiply16(half, short(-1010580540)));
  for (let i = 0; i < 3; i++) {
    const rest = 8192 - highMultiply16(half, x);
    x = saturate16(x + byPower16(highMultiply16(x, rest), 2));
  }
  return x;
}

/** The sigmoid of a number with three integer bits, with 15 fractional ones. */
export function logistic16(a: number): number {
  if (a === 0) return 16384;
  const positive = byPower16(twoOverOnePlus(expOnNegative(-Math.abs(a), 3)), 1);
  return a > 0 ? positive : 32767 - positive;
}

/** The hyperbolic tangent of a number with so many integer bits, with 15 fractional ones. */
export function tanh16(a: number, integerBits: number): number {
  if (a === 0) return 0;
  const exponential = expOnNegative(Math.max(-Math.abs(a), -32768), integerBits + 1);
  const size = byPower16(twoOverOnePlus(exponential) - 8192, 2);
  return a > 0 ? size : -size;
}
