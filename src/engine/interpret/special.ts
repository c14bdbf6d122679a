// Special functions in double precision, from their series, recurrences and continued fractions
// (NIST Digital Library of Mathematical Functions, chapters 5, 7, 10 and 25).

const rootPi = Math.sqrt(Math.PI);

/** Scaled so that the series has only positive terms (DLMF 7.6.2). */
function erfSeries(x: number): number {
  const square = x * x;
  let term = x;
  let sum = x;
  for (let n = 1; n < 200; n++) {
    term *= square / (n + 0.5);
    sum += term;
    if (term < sum * 1e-17) break;
  }
  return (2 / rootPi) * Math.exp(-square) * sum;
}
/** For x of 1.5 and more: the continued fraction (DLMF 7.9.1), from the far end. */
function erfcFraction(x: number): number {
  let tail = 0;
  for (let n = x > 6 ? 40 : x > 3 ? 80 : 200; n > 0; n--) tail = (n * 0.5) / (x + tail);
  return Math.exp(-x * x) / (rootPi * (x + tail));
}

export function erf(x: number): number {
  if (Number.isNaN(x)) return x;
  const size = Math.abs(x);
  if (size > 6) return Math.sign(x);
  if (size < 2) return x === 0 ? x : Math.sign(x) * erfSeries(size);
  return Math.sign(x) * (1 - erfcFraction(size));
}
export function erfc(x: number): number {
  if (x > 27) return 0;
  if (x < -6) return 2;
  if (x < 0.75) return 1 - erf(x);
  return x < 1.5 ? erfcMiddle(x) : erfcFraction(x);
}
/** Between 0.75 and 1.5, where 1 - erf loses bits and the fraction is slow: Taylor's series around 1 by recurrence. */
function erfcMiddle(x: number): number {
  // The derivatives of erfc are Hermite polynomials times exp(-x^2): h(n+1) = -2 t h(n) - 2 n h(n-1) at t = 1.
  const step = x - 1;
  let before = 0;
  let derivative = (-2 / rootPi) * Math.exp(-1);
  let scale = step;
  let sum = 0.15729920705028513;
  for (let n = 1; n < 60; n++) {
    const term = derivative * scale;
    sum += term;
    [before, derivative] = [derivative, -2 * derivative - 2 * (n - 1) * before];
    scale *= step / (n + 1);
  }
  return sum;
}

/** Inverse of erf: a start from Winitzki's approximation, then Halley's steps. */
export function erfInv(y: number): number {
  if (y === 0 || Number.isNaN(y)) return y;
  if (Math.abs(y) >= 1) return Math.abs(y) === 1 ? y * Infinity : Number.NaN;
  const size = Math.abs(y);
  const log = Math.log1p(-size * size);
  const half = 2 / (Math.PI * 0.147) + log / 2;
  let x = Math.sqrt(Math.sqrt(half * half - log / 0.147) - half);
  for (let i = 0; i < 4; i++) {
    const error = size > 0.5 ? 1 - size - erfc(x) : erf(x) - size;
    const slope = (2 / rootPi) * Math.exp(-x * x);
    const step = (size > 0.5 ? error : error) / slope;
    x -= step / (1 + x * step);
  }
  return Math.sign(y) * x;
}

// Lanczos' approximation with g = 7 and nine coefficients.
const lanczos = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

/** Logarithm of the absolute value of the gamma function. */
export function lgamma(x: number): number {
  if (x === Infinity || x === -Infinity) return Infinity;
  if (x <= 0 && Number.isInteger(x)) return Infinity;
  if (x < 0.5) return Math.log(Math.PI / Math.abs(sinPi(x))) - lgamma(1 - x);
  if (x === 1 || x === 2) return 0;
  // Stirling's series is better for large numbers.
  if (x > 16) {
    const inverse = 1 / (x * x);
    const series =
      (1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse * (1 / 1680 - inverse * (1 / 1188))))) / x;
    return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + series;
  }
  let sum = lanczos[0]!;
  for (let i = 1; i < lanczos.length; i++) sum += lanczos[i]! / (x - 1 + i);
  const t = x + 6.5;
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(sum);
}

function sinPi(x: number): number {
  const rest = x - 2 * Math.round(x / 2);
  return Math.sin(Math.PI * rest);
}
function cotPi(x: number): number {
  const rest = x - Math.round(x);
  return Math.abs(rest) === 0.5 ? 0 : 1 / Math.tan(Math.PI * rest);
}

export function digamma(x: number): number {
  if (x === Infinity) return x;
  if (x <= 0) {
    if (Number.isInteger(x) || x === -Infinity) return Number.NaN;
    return digamma(1 - x) - Math.PI * cotPi(x);
  }
  let shift = 0;
  let at = x;
  for (; at < 10; at++) shift -= 1 / at;
  const inverse = 1 / (at * at);
  const series =
    inverse *
    (1 / 12 -
      inverse * (1 / 120 - inverse * (1 / 252 - inverse * (1 / 240 - inverse * (1 / 132 - inverse * (691 / 32760))))));
  return shift + Math.log(at) - 0.5 / at - series;
}

/** B(2k) / (2k)! for the Euler-Maclaurin formula. */
const bernoulli = [
  1 / 12,
  -1 / 720,
  1 / 30240,
  -1 / 1209600,
  1 / 47900160,
  -691 / 1307674368000,
  1 / 74724249600,
  -3617 / 10670622842880000,
  43867 / 5109094217170944000,
];

/** Hurwitz' zeta function (DLMF 25.11.5), as SciPy and XLA extend it. */
export function zeta(x: number, q: number): number {
  if (x === 1) return Infinity;
  if (!(x > 1) || Number.isNaN(q)) return Number.NaN;
  if (q <= 0) {
    if (Number.isInteger(q)) return x % 2 === 0 ? Infinity : Number.NaN;
    if (!Number.isInteger(x)) return Number.NaN;
  }
  if (q === Infinity) return 0;
  let sum = 0;
  let at = q;
  for (let n = 0; n < 10 || at <= 9; n++, at++) sum += at ** -x;
  sum += at ** (1 - x) / (x - 1) + 0.5 * at ** -x;
  let factor = x;
  let power = at ** (-x - 1);
  for (let k = 0; k < bernoulli.length; k++) {
    sum += bernoulli[k]! * factor * power;
    factor *= (x + 2 * k + 1) * (x + 2 * k + 2);
    power /= at * at;
  }
  return sum;
}

/** The n-th derivative of digamma. */
export function polygamma(n: number, x: number): number {
  if (!(n >= 0) || !Number.isInteger(n)) return Number.NaN;
  if (n === 0) return digamma(x);
  const factorial = Math.exp(lgamma(n + 1));
  return (n % 2 === 0 ? -1 : 1) * factorial * zeta(n + 1, x);
}

/** The modified Bessel function I1, scaled by exp(-|x|): its power series, or for large x its expansion (DLMF 10.40.1). */
export function besselI1e(x: number): number {
  const size = Math.abs(x);
  if (Number.isNaN(x)) return x;
  if (size === Infinity) return 0;
  let value: number;
  if (size < 30) {
    const quarter = (size * size) / 4;
    let term = size / 2;
    let sum = term;
    for (let k = 1; k < 400 && term > sum * 1e-18; k++) {
      term *= quarter / (k * (k + 1));
      sum += term;
    }
    value = sum * Math.exp(-size);
  } else {
    let term = 1;
    let sum = 1;
    for (let k = 1; k < 30; k++) {
      const next = (-term * (4 - (2 * k - 1) ** 2)) / (8 * k * size);
      if (Math.abs(next) > Math.abs(term)) break;
      term = next;
      sum += term;
    }
    value = sum / Math.sqrt(2 * Math.PI * size);
  }
  return x < 0 ? -value : value;
}
