// Fixed-point arithmetic as TensorFlow Lite's and gemmlowp's kernels do it, on plain numbers: for tables made while
// importing (quantization_util.cc, common.h; gemmlowp's fixedpoint.h).

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

/** QuantizeMultiplier. */
export function quantizeMultiplier(real: number): Multiplier {
  if (real === 0) return { multiplier: 0, shift: 0 };
  let [fraction, shift] = frexp(real);
  let multiplier = roundAway(fraction * 2 ** 31);
  if (multiplier === 2 ** 31) {
    multiplier /= 2;
    shift++;
  }
  if (shift < -31) return { multiplier: 0, shift: 0 };
  if (shift > 30) return { multiplier: 2 ** 31 - 1, shift: 30 };
  return { multiplier, shift };
}

const low = -(2 ** 31);
const high = 2 ** 31 - 1;
export const clamp = (value: number, min: number, max: number): number => Math.min(Math.max(value, min), max);

/** SaturatingRoundingDoublingHighMul on 32 bits. */
export function highMultiply(a: number, b: number): number {
  if (a === low && b === low) return high;
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

/** SaturatingRoundingMultiplyByPOT on 32 bits. */
export function multiplyByPower(x: number, exponent: number): number {
  return exponent < 0 ? divideByPower(x, -exponent) : clamp(x * 2 ** exponent, low, high);
}

/** exp(a) for a in [-1/4, 0], both with 31 fractional bits. */
function expOnSmall(a: number): number {
  const x = a + 2 ** 28;
  const x2 = highMultiply(x, x);
  const x3 = highMultiply(x2, x);
  const x4 = highMultiply(x2, x2);
  const quarter = multiplyByPower(x4, -2);
  const rest = multiplyByPower(highMultiply(quarter + x3, 715827883) + x2, -1);
  return clamp(1895147668 + highMultiply(1895147668, x + rest), low, high);
}

/** gemmlowp's exp_on_negative_values: a has so many integer bits, the result none. */
export function expOnNegative(a: number, integerBits: number): number {
  const fractionalBits = 31 - integerBits;
  const quarter = 2 ** (fractionalBits - 2);
  const inQuarter = (a & (quarter - 1)) - quarter;
  let result = expOnSmall(multiplyByPower(inQuarter, integerBits));
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
      result = highMultiply(result, factor);
    }
  }
  if (integerBits > 5 && a < -(2 ** (36 - integerBits))) result = 0;
  return a === 0 ? high : result;
}
