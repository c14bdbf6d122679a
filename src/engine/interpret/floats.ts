// Operations on floats: the mathematical functions in double precision; the caller rounds to the type.

import type { OpName } from "../hlo/ops.ts";
import { besselI1e, digamma, erf, erfc, erfInv, lgamma, polygamma, zeta } from "./special.ts";

export type NumberFunction = (a: number, b: number, c: number) => number;

function roundEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  const rounded = rest < 0.5 ? below : rest > 0.5 ? below + 1 : below % 2 === 0 ? below : below + 1;
  return rounded === 0 ? (x < 0 || Object.is(x, -0) ? -0 : 0) : rounded;
}
function roundAway(x: number): number {
  const towards = Math.trunc(x);
  return Math.abs(x - towards) >= 0.5 ? towards + Math.sign(x) : towards;
}
/** C's pow: JavaScript's gives NaN for 1 to any power that is no number, and for -1 to infinities. */
function power(x: number, y: number): number {
  if (x === 1) return 1;
  if (x === -1 && (y === Infinity || y === -Infinity)) return 1;
  return x ** y;
}

export const floats: Partial<Record<OpName, NumberFunction>> = {
  abs: Math.abs,
  acos: Math.acos,
  acosh: Math.acosh,
  asin: Math.asin,
  asinh: Math.asinh,
  atan: Math.atan,
  atanh: Math.atanh,
  besselI1e,
  cbrt: Math.cbrt,
  ceil: Math.ceil,
  cosine: Math.cos,
  cosh: Math.cosh,
  digamma,
  erf,
  erfInv,
  erfc,
  exponential: Math.exp,
  exponentialMinusOne: Math.expm1,
  floor: Math.floor,
  imag: () => 0,
  isFinite: (x) => (Number.isFinite(x) ? 1 : 0),
  isInf: (x) => (x === Infinity || x === -Infinity ? 1 : 0),
  lgamma,
  log: Math.log,
  logPlusOne: Math.log1p,
  logistic: (x) => 1 / (1 + Math.exp(-x)),
  negate: (x) => -x,
  real: (x) => x,
  roundNearestAfz: roundAway,
  roundNearestEven: roundEven,
  rsqrt: (x) => 1 / Math.sqrt(x),
  sign: Math.sign,
  sine: Math.sin,
  sinh: Math.sinh,
  sqrt: Math.sqrt,
  tan: Math.tan,
  tanh: Math.tanh,
  add: (a, b) => a + b,
  atan2: Math.atan2,
  divide: (a, b) => a / b,
  // Math.max and Math.min propagate NaN and order zeros by sign, as XLA's do.
  maximum: (a, b) => Math.max(a, b),
  minimum: (a, b) => Math.min(a, b),
  multiply: (a, b) => a * b,
  polygamma,
  power,
  remainder: (a, b) => a % b,
  subtract: (a, b) => a - b,
  zeta,
  clamp: (low, x, high) => Math.min(Math.max(x, low), high),
};
