// The transcendental functions of the x87 unit, computed in fixed point with far more bits than the result has and rounded
// once. The processor's own results are within one unit of the last place, so a few in a thousand differ from these in the
// last bit. Argument reduction uses the processor's 66-bit pi, so results agree where that matters.

import {
  bias,
  environment,
  Exception,
  type Extended,
  invalid,
  Kind,
  kindOf,
  propagate,
  roundTo,
  setInfinity,
  setZero,
} from "./format.ts";

/** Fraction bits of the fixed-point numbers below; more are used for small arguments. */
const fraction = 192;

/** A finite number as integer * 2^exponent, the integer odd or of 64 bits. */
interface Big {
  readonly sign: number;
  readonly magnitude: bigint;
  readonly exponent: number;
}

function toBig(x: Extended): Big {
  const magnitude = (BigInt(x.high >>> 0) << 32n) | BigInt(x.low >>> 0);
  return { sign: x.head >>> 15, magnitude, exponent: (x.head & 0x7fff || 1) - bias - 63 };
}

const bitLength = (x: bigint): number => {
  const text = x.toString(16);
  return text.length * 4 - (Math.clz32(Number.parseInt(text[0]!, 16)) - 28);
};

/** Rounds magnitude * 2^exponent. `inexact` says that a little more than nothing is missing below the last bit. */
function finish(r: Extended, sign: number, magnitude: bigint, exponent: number, inexact = true): void {
  const length = bitLength(magnitude);
  let sticky = inexact ? 1 : 0;
  let top: bigint;
  const drop = length - 96;
  if (drop > 0) {
    top = magnitude >> BigInt(drop);
    if (top << BigInt(drop) !== magnitude) sticky = 1;
  } else top = magnitude << BigInt(-drop);
  const word = (shift: bigint) => Number((top >> shift) & 0xffff_ffffn) | 0;
  roundTo(r, sign, exponent + length - 1 + bias, word(64n), word(32n), word(0n) | sticky, 64, 1, 0x7ffe);
  if ((r.head & 0x7fff) === 1 && r.high >= 0) r.head &= 0x8000;
}

/** A number with a binary point `places` bits from the right. */
const fixed = ({ magnitude, exponent }: Big, places: number): bigint =>
  exponent + places >= 0 ? magnitude << BigInt(exponent + places) : magnitude >> BigInt(-exponent - places);

/** The sum of z^(2k+1) / (2k+1), the inverse hyperbolic tangent; with alternating signs the arctangent. */
function oddSeries(z: bigint, places: number, alternating: boolean): bigint {
  // Shifts round down, so negative powers would never get to zero.
  if (z < 0n) return -oddSeries(-z, places, alternating);
  const shift = BigInt(places);
  const square = (z * z) >> shift;
  let power = z;
  let sum = z;
  for (let n = 3n, negative = alternating; power !== 0n; n += 2n, negative = alternating && !negative) {
    power = (power * square) >> shift;
    sum += negative ? -(power / n) : power / n;
  }
  return sum;
}

const ln2 = 2n * oddSeries((1n << BigInt(fraction + 64)) / 3n, fraction + 64, false);
const ln2At = (places: number): bigint => ln2 >> BigInt(fraction + 64 - places);

/** pi by Machin's formula. */
function piAt(places: number): bigint {
  const one = 1n << BigInt(places + 8);
  return (16n * oddSeries(one / 5n, places + 8, true) - 4n * oddSeries(one / 239n, places + 8, true)) >> 8n;
}
const pi = piAt(fraction);

/** The processor's pi / 2: 66 bits, of which the last two are zero bits of C. */
const halfPi = { magnitude: 0xc90fdaa22168c234cn, exponent: -67 };

const raise = (flags: number): void => {
  environment.flags |= flags;
};

/** F2XM1: 2^x - 1 for -1 <= x <= 1; beyond, the operand itself. */
export function powerMinusOne(r: Extended, x: Extended): void {
  environment.up = 0;
  const kind = kindOf(x);
  if (kind >= Kind.quiet) return propagate(r, x, kind, x, kind);
  if (kind === Kind.zero) return r.copy(x);
  if (kind === Kind.infinity) return x.head >>> 15 ? r.set(0xbfff, 0x80000000 | 0, 0) : r.copy(x);
  if (kind === Kind.denormal) raise(Exception.denormal);
  const exponent = (x.head & 0x7fff) - bias;
  const sign = x.head >>> 15;
  if (exponent >= 0) {
    // Exactly one, or out of range.
    if (exponent === 0 && x.high === (0x80000000 | 0) && x.low === 0)
      return sign ? r.set(0xbffe, 0x80000000 | 0, 0) : r.copy(x);
    return r.copy(x);
  }
  const big = toBig(x);
  if (exponent < -80) {
    // x ln 2, a little more for positive x and less for negative.
    const product = big.magnitude * ln2At(fraction);
    return finish(r, sign, sign ? product - 1n : product, big.exponent - fraction);
  }
  const places = fraction - exponent;
  const shift = BigInt(places);
  const y = (fixed(big, places) * ln2At(fraction)) >> BigInt(fraction);
  const z = sign ? -y : y;
  let term = z;
  let sum = z;
  for (let n = 2n; term !== 0n && term !== -1n; n++) {
    term = (term * z) / (n << shift);
    sum += term;
  }
  finish(r, sign, sum < 0n ? -sum : sum, -places);
}

/** Natural logarithm of a ratio near one, (1 + z) / (1 - z), z in fixed point. */
const twiceAtanh = (z: bigint, places: number): bigint => 2n * oddSeries(z, places, false);

/** log2 of a positive number, with `places` fraction bits. */
function log2({ magnitude, exponent }: Big, places: number): { value: bigint; exact: boolean } {
  let length = bitLength(magnitude);
  let whole = exponent + length - 1;
  // m in [sqrt(1/2), sqrt(2)): compare m^2 with 2.
  const square = magnitude * magnitude;
  if (square >> BigInt(2 * length - 1) !== 0n) {
    whole++;
    length++;
  }
  const one = 1n << BigInt(length - 1);
  if (magnitude === one || magnitude << 1n === one) {
    const exact = magnitude === one ? whole : whole - 1;
    return { value: BigInt(exact) << BigInt(places), exact: true };
  }
  const z = ((magnitude - one) << BigInt(places)) / (magnitude + one);
  const logarithm = (twiceAtanh(z, places) << BigInt(places)) / ln2At(places);
  return { value: (BigInt(whole) << BigInt(places)) + logarithm, exact: false };
}

/** FYL2X: b * log2(a). */
export function logarithm(r: Extended, a: Extended, b: Extended): void {
  environment.up = 0;
  const ka = kindOf(a);
  const kb = kindOf(b);
  if (ka >= Kind.quiet || kb >= Kind.quiet) return propagate(r, a, ka, b, kb);
  const sign = b.head >>> 15;
  if (a.head >>> 15 && ka !== Kind.zero) return invalid(r);
  if (ka === Kind.zero) {
    if (kb === Kind.zero) return invalid(r);
    if (kb === Kind.infinity) return setInfinity(r, sign ^ 1);
    raise(Exception.zeroDivide);
    return setInfinity(r, sign ^ 1);
  }
  if (ka === Kind.infinity) {
    if (kb === Kind.zero) return invalid(r);
    if (kb === Kind.denormal) raise(Exception.denormal);
    return setInfinity(r, sign);
  }
  const big = toBig(a);
  const above = (a.head & 0x7fff) >= bias;
  const isOne = a.head === bias && a.high === (0x80000000 | 0) && a.low === 0;
  if (kb === Kind.infinity) {
    if (isOne) return invalid(r);
    if (ka === Kind.denormal) raise(Exception.denormal);
    return setInfinity(r, above ? sign : sign ^ 1);
  }
  if (ka === Kind.denormal || kb === Kind.denormal) raise(Exception.denormal);
  if (kb === Kind.zero || isOne) return setZero(r, above ? sign : sign ^ 1);
  const { value, exact } = log2(big, fraction);
  const factor = toBig(b);
  const product = (value < 0n ? -value : value) * factor.magnitude;
  finish(r, sign ^ (value < 0n ? 1 : 0), product, factor.exponent - fraction, !exact);
  // The processor reports even exact results as rounded.
  raise(Exception.inexact);
}

/** FYL2XP1: b * log2(1 + a) for a above -1. */
export function logarithmPlusOne(r: Extended, a: Extended, b: Extended): void {
  environment.up = 0;
  const ka = kindOf(a);
  const kb = kindOf(b);
  if (ka >= Kind.quiet || kb >= Kind.quiet) return propagate(r, a, ka, b, kb);
  const sign = (a.head ^ b.head) >>> 15;
  if (ka === Kind.infinity) {
    if (a.head >>> 15 || kb === Kind.zero) return invalid(r);
    if (kb === Kind.denormal) raise(Exception.denormal);
    return setInfinity(r, sign);
  }
  if (kb === Kind.infinity) {
    if (ka === Kind.zero) return invalid(r);
    if (ka === Kind.denormal) raise(Exception.denormal);
    return setInfinity(r, sign);
  }
  if (ka === Kind.denormal || kb === Kind.denormal) raise(Exception.denormal);
  if (ka === Kind.zero || kb === Kind.zero) return setZero(r, sign);
  const negative = a.head >>> 15 !== 0;
  const exponent = (a.head & 0x7fff) - bias;
  // The manual leaves a outside 1 - sqrt(1/2) undefined; log2 needs 1 + a above zero.
  if (negative && exponent >= 0) return r.copy(b);
  const x = toBig(a);
  const y = toBig(b);
  if (exponent < -80) {
    const product = ((x.magnitude * y.magnitude) << BigInt(fraction + 64)) / ln2At(fraction);
    return finish(r, sign, product, x.exponent + y.exponent - 64);
  }
  const places = fraction + Math.max(0, -exponent);
  const value = fixed(x, places);
  const one = 1n << BigInt(places);
  let result: bigint;
  // The series converges for small a only.
  if (exponent < -2) {
    const signed = negative ? -value : value;
    const z = (value << BigInt(places)) / (2n * one + signed);
    result = (twiceAtanh(z, places) << BigInt(fraction)) / ln2At(fraction);
  } else {
    result = log2({ sign: 0, magnitude: negative ? one - value : one + value, exponent: -places }, places).value;
    if (result < 0n) result = -result;
  }
  finish(r, sign, result * y.magnitude, y.exponent - places);
}

/** Integer square root. */
function root(x: bigint): bigint {
  if (x < 2n) return x;
  let guess = 1n << BigInt((bitLength(x) + 1) >> 1);
  for (;;) {
    const next = (guess + x / guess) >> 1n;
    if (next >= guess) return guess;
    guess = next;
  }
}

/** Arctangent of t in [0, 1], in fixed point: the argument is halved until the series is short. */
function arctangentFixed(t: bigint, places: number): bigint {
  const one = 1n << BigInt(places);
  let halvings = 0n;
  for (; t > one >> 3n; halvings++) t = (t << BigInt(places)) / (one + root(one * one + t * t));
  return oddSeries(t, places, true) << halvings;
}

/** FPATAN: the angle of the point (a, b), arctan(b / a) in the right quadrant. */
export function arctangent(r: Extended, a: Extended, b: Extended): void {
  environment.up = 0;
  const ka = kindOf(a);
  const kb = kindOf(b);
  if (ka >= Kind.quiet || kb >= Kind.quiet) return propagate(r, a, ka, b, kb);
  const sign = b.head >>> 15;
  const left = a.head >>> 15 !== 0;
  if (ka === Kind.denormal || kb === Kind.denormal) raise(Exception.denormal);
  /** A multiple of pi / 4. */
  const multiple = (quarters: bigint): void => {
    raise(Exception.inexact);
    finish(r, sign, pi * quarters, -fraction - 2);
  };
  if (kb === Kind.infinity) return multiple(ka === Kind.infinity ? (left ? 3n : 1n) : 2n);
  if (kb === Kind.zero || ka === Kind.infinity) return left ? multiple(4n) : setZero(r, sign);
  if (ka === Kind.zero) return multiple(2n);
  const x = toBig(a);
  const y = toBig(b);
  const distance = y.exponent + bitLength(y.magnitude) - x.exponent - bitLength(x.magnitude);
  if (distance > 160) return multiple(2n);
  if (distance < -160) {
    if (left) return multiple(4n);
    // The ratio, a little less.
    const extra = 128 + bitLength(x.magnitude);
    const quotient = (y.magnitude << BigInt(extra)) / x.magnitude;
    const exact = distance < -200 && quotient * x.magnitude === y.magnitude << BigInt(extra);
    return finish(r, sign, (quotient << 64n) - (exact ? 1n : 0n), y.exponent - x.exponent - extra - 64);
  }
  const places = fraction + Math.max(0, -distance, distance);
  const shift = y.exponent - x.exponent + places;
  const [top, bottom] =
    shift >= 0 ? [y.magnitude << BigInt(shift), x.magnitude] : [y.magnitude, x.magnitude << BigInt(-shift)];
  const ratio = top / bottom;
  const one = 1n << BigInt(places);
  const wide = piAt(places);
  let angle = ratio <= one ? arctangentFixed(ratio, places) : wide / 2n - arctangentFixed((one * one) / ratio, places);
  if (left) angle = wide - angle;
  finish(r, sign, angle, -places);
}

/** A reduced angle: x = quadrant * pi / 2 + rest, |rest| <= pi / 4, in fixed point. */
interface Angle {
  readonly quadrant: number;
  readonly rest: bigint;
  readonly places: number;
}

/** Reduces an operand; undefined when it is 2^63 or more. */
function reduce(x: Extended): Angle | undefined {
  const exponent = (x.head & 0x7fff) - bias;
  if (exponent >= 63) return undefined;
  const big = toBig(x);
  const places = fraction + Math.max(0, -exponent);
  let rest = fixed(big, places);
  let quadrant = 0;
  const quarter = halfPi.magnitude << BigInt(places + halfPi.exponent);
  if (2n * rest > quarter) {
    const turns = (2n * rest + quarter) / (2n * quarter);
    rest -= turns * quarter;
    quadrant = Number(turns & 3n);
  }
  return big.sign ? { quadrant: -quadrant & 3, rest: -rest, places } : { quadrant, rest, places };
}

/** Sine or cosine of a small angle. */
function series({ rest, places }: Angle, cosine: boolean): bigint {
  const shift = BigInt(places);
  const square = (rest * rest) >> shift;
  let term = cosine ? 1n << shift : rest;
  let sum = term;
  for (let n = cosine ? 1n : 2n; term !== 0n; n += 2n) {
    term = -((term * square) / ((n * (n + 1n)) << shift));
    sum += term;
  }
  return sum;
}

const sineOf = (angle: Angle, quarters: number): bigint => {
  const quadrant = (angle.quadrant + quarters) & 3;
  const value = series(angle, (quadrant & 1) !== 0);
  return quadrant & 2 ? -value : value;
};

/** Operands that need no computation; undefined for the others. */
function easy(r: Extended, x: Extended, cosine: boolean): boolean {
  environment.up = 0;
  const kind = kindOf(x);
  if (kind >= Kind.quiet) propagate(r, x, kind, x, kind);
  else if (kind === Kind.infinity) invalid(r);
  else if (kind === Kind.zero) {
    if (cosine) r.set(bias, 0x80000000 | 0, 0);
    else r.copy(x);
  } else {
    if (kind === Kind.denormal) raise(Exception.denormal);
    return false;
  }
  return true;
}

/** An angle so small that sine and tangent are the angle, a little less or more, and the cosine a little less than one. */
const tiny = (x: Extended): boolean => (x.head & 0x7fff) - bias < -80;

function signedFinish(r: Extended, value: bigint, places: number): void {
  finish(r, value < 0n ? 1 : 0, value < 0n ? -value : value, -places);
}

function nearly(r: Extended, x: Extended, less: boolean): void {
  const { sign, magnitude, exponent } = toBig(x);
  finish(r, sign, (magnitude << 64n) - (less ? 1n : 0n), exponent - 64);
}

/** FSIN, FCOS and FPTAN: false when the operand is out of range, which leaves it alone. */
export function sine(r: Extended, x: Extended): boolean {
  if (easy(r, x, false)) return true;
  if (tiny(x)) nearly(r, x, true);
  else {
    const angle = reduce(x);
    if (angle === undefined) return false;
    signedFinish(r, sineOf(angle, 0), angle.places);
  }
  return true;
}

export function cosine(r: Extended, x: Extended): boolean {
  if (easy(r, x, true)) return true;
  if (tiny(x)) finish(r, 0, (1n << 128n) - 1n, -128);
  else {
    const angle = reduce(x);
    if (angle === undefined) return false;
    signedFinish(r, sineOf(angle, 1), angle.places);
  }
  return true;
}

export function tangent(r: Extended, x: Extended): boolean {
  if (easy(r, x, false)) return true;
  if (tiny(x)) nearly(r, x, false);
  else {
    const angle = reduce(x);
    if (angle === undefined) return false;
    const [s, c] = [sineOf(angle, 0), sineOf(angle, 1)];
    signedFinish(r, (s << BigInt(angle.places)) / c, angle.places);
  }
  return true;
}
