// Operations on complex numbers, as pairs of doubles; branch cuts as C's and NumPy's.

import type { OpName } from "../hlo/ops.ts";
import type { Complex } from "./elements.ts";

export type ComplexFunction = (a: Complex, b: Complex, c: Complex) => Complex | number;

const add = ([a, b]: Complex, [c, d]: Complex): Complex => [a + c, b + d];
const subtract = ([a, b]: Complex, [c, d]: Complex): Complex => [a - c, b - d];
export const multiply = ([a, b]: Complex, [c, d]: Complex): Complex => [a * c - b * d, a * d + b * c];
const scale = ([a, b]: Complex, by: number): Complex => [a * by, b * by];
const timesI = ([a, b]: Complex): Complex => [-b, a];
const overI = ([a, b]: Complex): Complex => [b, -a];
const negate = ([a, b]: Complex): Complex => [-a, -b];
const conjugate = ([a, b]: Complex): Complex => [a, -b];

/** Smith's method: no overflow between. */
export function divide([a, b]: Complex, [c, d]: Complex): Complex {
  if (Math.abs(c) >= Math.abs(d)) {
    if (c === 0 && d === 0) return [a / Math.abs(c), b / Math.abs(c)];
    const ratio = d / c;
    const below = c + d * ratio;
    return [(a + b * ratio) / below, (b - a * ratio) / below];
  }
  const ratio = c / d;
  const below = c * ratio + d;
  return [(a * ratio + b) / below, (b * ratio - a) / below];
}
const magnitude = ([a, b]: Complex): number => Math.hypot(a, b);

function exponential([a, b]: Complex): Complex {
  const size = Math.exp(a);
  return b === 0 ? [size, b] : [size * Math.cos(b), size * Math.sin(b)];
}
function exponentialMinusOne([a, b]: Complex): Complex {
  // exp(a) cos(b) - 1 without cancelling: expm1(a) cos(b) + (cos(b) - 1).
  const half = Math.sin(b / 2);
  return [Math.expm1(a) * Math.cos(b) - 2 * half * half, Math.exp(a) * Math.sin(b)];
}
const log = (z: Complex): Complex => [Math.log(magnitude(z)), Math.atan2(z[1], z[0])];
function logPlusOne([a, b]: Complex): Complex {
  // log |1 + z| = log1p(a (2 + a) + b^2) / 2, good near zero.
  const near = Math.abs(a) < 0.5 && Math.abs(b) < 0.5;
  const real = near ? 0.5 * Math.log1p(a * (2 + a) + b * b) : Math.log(Math.hypot(1 + a, b));
  return [real, Math.atan2(b, 1 + a)];
}
export function sqrt(z: Complex): Complex {
  const [a, b] = z;
  if (a === 0 && b === 0) return [0, b];
  if (Math.abs(b) === Infinity) return [Infinity, b];
  if (a === Infinity) return [a, Number.isNaN(b) ? b : b < 0 || Object.is(b, -0) ? -0 : 0];
  const size = Math.sqrt((Math.abs(a) + magnitude(z)) / 2);
  const other = b / (2 * size);
  return a >= 0 ? [size, other] : [Math.abs(other), b < 0 || Object.is(b, -0) ? -size : size];
}
const reciprocal = (z: Complex): Complex => divide([1, 0], z);
function power(x: Complex, y: Complex): Complex {
  if (y[0] === 0 && y[1] === 0) return [1, 0];
  if (x[0] === 0 && x[1] === 0) return y[0] > 0 && y[1] === 0 ? [0, 0] : [Number.NaN, Number.NaN];
  return exponential(multiply(y, log(x)));
}
const sinh = ([a, b]: Complex): Complex => [Math.sinh(a) * Math.cos(b), Math.cosh(a) * Math.sin(b)];
const cosh = ([a, b]: Complex): Complex => [Math.cosh(a) * Math.cos(b), Math.sinh(a) * Math.sin(b)];
function tanh([a, b]: Complex): Complex {
  // Beyond 20 the hyperbolic tangent is 1 in double precision, and cosh overflows later on.
  if (Math.abs(a) > 20) return [Math.sign(a), 4 * Math.sin(b) * Math.cos(b) * Math.exp(-2 * Math.abs(a))];
  const t = Math.tan(b);
  const s = Math.sinh(a);
  const c = Math.cosh(a);
  const beta = 1 + t * t;
  const below = 1 + beta * s * s;
  if (Math.abs(t) > 1e150) return [c / s, 1 / t / (s * s)];
  return [(beta * c * s) / below, t / below];
}
// Of the inverse functions, asinh and atanh; the others by rotation. Kahan, "Branch cuts for complex elementary functions".
function asin([a, b]: Complex): Complex {
  const left = sqrt([1 - a, -b]);
  const right = sqrt([1 + a, b]);
  return [Math.atan2(a, left[0] * right[0] - left[1] * right[1]), Math.asinh(imagOf(conjugate(left), right))];
}
const imagOf = (x: Complex, y: Complex): number => multiply(x, y)[1];
function acos([a, b]: Complex): Complex {
  const left = sqrt([1 - a, -b]);
  const right = sqrt([1 + a, b]);
  return [2 * Math.atan2(left[0], right[0]), Math.asinh(imagOf(conjugate(right), left))];
}
function acosh(z: Complex): Complex {
  const [a, b] = z;
  const left = sqrt([a - 1, b]);
  const right = sqrt([a + 1, b]);
  const real = Math.asinh(multiply(conjugate(left), right)[0]);
  return [real, 2 * Math.atan2(left[1], right[0])];
}
function atanh([a, b]: Complex): Complex {
  const real = 0.25 * Math.log1p((4 * a) / ((1 - a) * (1 - a) + b * b));
  const imaginary = 0.5 * Math.atan2(2 * b, (1 - a) * (1 + a) - b * b);
  return [real, imaginary];
}
const tan = (z: Complex): Complex => overI(tanh(timesI(z)));

function sign(z: Complex): Complex {
  const size = magnitude(z);
  if (Number.isNaN(size)) return [Number.NaN, Number.NaN];
  return size === 0 ? z : scale(z, 1 / size);
}

/** Whether a is the larger: by the real parts, then by the imaginary ones; NaN is above all, so that it is kept. */
function above(a: Complex, b: Complex): boolean {
  if (Number.isNaN(a[0]) || Number.isNaN(a[1])) return true;
  if (Number.isNaN(b[0]) || Number.isNaN(b[1])) return false;
  return a[0] === b[0] ? a[1] > b[1] : a[0] > b[0];
}
/** -i log((x + i y) / sqrt(x^2 + y^2)) */
function atan2(y: Complex, x: Complex): Complex {
  const size = sqrt(add(multiply(x, x), multiply(y, y)));
  return overI(log(divide(add(x, timesI(y)), size)));
}

export const complexes: Partial<Record<OpName, ComplexFunction>> = {
  abs: magnitude,
  acos,
  acosh,
  asin,
  asinh: (z) => overI(asin(timesI(z))),
  atan: (z) => overI(atanh(timesI(z))),
  atanh,
  cbrt: (z) => (magnitude(z) === 0 ? z : exponential(scale(log(z), 1 / 3))),
  cosine: ([a, b]) => [Math.cos(a) * Math.cosh(b), -Math.sin(a) * Math.sinh(b)],
  cosh,
  exponential,
  exponentialMinusOne,
  imag: ([, b]) => b,
  log,
  logPlusOne,
  logistic: (z) => reciprocal(add([1, 0], exponential(negate(z)))),
  negate,
  real: ([a]) => a,
  rsqrt: (z) => reciprocal(sqrt(z)),
  sign,
  sine: ([a, b]) => [Math.sin(a) * Math.cosh(b), Math.cos(a) * Math.sinh(b)],
  sinh,
  sqrt,
  tan,
  tanh,
  add,
  atan2,
  divide,
  maximum: (a, b) => (above(a, b) ? a : b),
  minimum: (a, b) => (Number.isNaN(a[0]) || Number.isNaN(a[1]) || !above(a, b) ? a : b),
  multiply,
  power,
  subtract,
};
