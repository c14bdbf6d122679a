// Operations of the x87 unit on the parts of 80-bit values: remainder, round to integer, scale, extract and compare. Results
// are exact to the bit, with the exceptions and C1 in `environment`.

import {
  bias,
  environment,
  Exception,
  type Extended,
  invalid,
  Kind,
  kindOf,
  propagate,
  roundsUp,
  roundTo,
  setInfinity,
  setZero,
  Unpacked,
} from "./format.ts";

const x = new Unpacked();
const y = new Unpacked();

/** Quotient bits and completeness of the last `remainder`: C2 is set when the reduction is not complete. */
export const reduction = { quotient: 0, incomplete: false };

/** FPREM (towards zero) and FPREM1 (to nearest): reduces a modulo b by at most 2^63 (SDM volume 2, FPREM). */
export function remainder(r: Extended, a: Extended, b: Extended, nearest: boolean): void {
  environment.up = 0;
  reduction.quotient = 0;
  reduction.incomplete = false;
  const ka = kindOf(a);
  const kb = kindOf(b);
  if (ka >= Kind.quiet || kb >= Kind.quiet) return propagate(r, a, ka, b, kb);
  if (ka === Kind.infinity || kb === Kind.zero) return invalid(r);
  if (ka === Kind.denormal || kb === Kind.denormal) environment.flags |= Exception.denormal;
  if (ka === Kind.zero) return r.copy(a);
  let sign = a.head >>> 15;
  x.take(a, ka);
  if (kb === Kind.infinity) return r.set(a.head | (ka === Kind.denormal && a.high < 0 ? 1 : 0), a.high, a.low);
  y.take(b, kb);
  const distance = x.exponent - y.exponent;
  if (distance < -1) return (roundTo(r, sign, x.exponent, x.high, x.low, 0, 64, 1, 0x7ffe), denormalize(r));
  let high = x.high;
  let low = x.low;
  let exponent = y.exponent;
  let quotient = 0;
  let steps = distance;
  if (distance >= 64) {
    reduction.incomplete = true;
    steps = (distance & 31) | 32;
    exponent = x.exponent - steps;
  }
  if (steps < 0) {
    // a is within a factor of two below b: its significand lies one bit lower.
    exponent = x.exponent;
  } else {
    // Subtract and shift; `over` is the 65th bit.
    let over = false;
    for (let i = steps; ; i--) {
      if (over || high >>> 0 > y.high >>> 0 || (high === y.high && low >>> 0 >= y.low >>> 0)) {
        high = (high - y.high - (low >>> 0 < y.low >>> 0 ? 1 : 0)) | 0;
        low = (low - y.low) | 0;
        quotient = (quotient << 1) | 1;
      } else quotient <<= 1;
      if (i === 0) break;
      over = high < 0;
      high = (high << 1) | (low >>> 31);
      low <<= 1;
    }
  }
  if (nearest && !reduction.incomplete) {
    // Compare twice the remainder with b.
    let twice: number;
    if (steps < 0) twice = compareWords(high, low, y.high, y.low);
    else if (high < 0) twice = 1;
    else twice = compareWords((high << 1) | (low >>> 31), low << 1, y.high, y.low);
    if (twice > 0 || (twice === 0 && (quotient & 1) !== 0)) {
      quotient++;
      sign ^= 1;
      if (steps < 0) {
        // b - a with a one bit lower: 2b - a in a's units.
        const bh = (y.high << 1) | (y.low >>> 31);
        const bl = y.low << 1;
        high = (bh - high - (bl >>> 0 < low >>> 0 ? 1 : 0)) | 0;
        low = (bl - low) | 0;
      } else {
        high = (y.high - high - (y.low >>> 0 < low >>> 0 ? 1 : 0)) | 0;
        low = (y.low - low) | 0;
      }
    }
  }
  reduction.quotient = reduction.incomplete ? 0 : quotient & 7;
  if ((high | low) === 0) return setZero(r, a.head >>> 15);
  x.exponent = exponent;
  x.high = high;
  x.low = low;
  x.normalize();
  roundTo(r, sign, x.exponent, x.high, x.low, 0, 64, 1, 0x7ffe);
  denormalize(r);
}

function denormalize(r: Extended): void {
  if ((r.head & 0x7fff) === 1 && r.high >= 0) r.head &= 0x8000;
}

const compareWords = (ah: number, al: number, bh: number, bl: number): number =>
  ah !== bh ? (ah >>> 0 < bh >>> 0 ? -1 : 1) : al === bl ? 0 : al >>> 0 < bl >>> 0 ? -1 : 1;

/** FRNDINT: rounds to an integral value in the current mode. */
export function roundToInteger(r: Extended, a: Extended): void {
  environment.up = 0;
  const kind = kindOf(a);
  if (kind >= Kind.quiet) return propagate(r, a, kind, a, kind);
  if (kind === Kind.zero || kind === Kind.infinity) return r.copy(a);
  if (kind === Kind.denormal) environment.flags |= Exception.denormal;
  const exponent = (a.head & 0x7fff) - bias;
  const sign = a.head >>> 15;
  if (exponent >= 63) return r.copy(a);
  if (exponent < 0) {
    const tail = exponent === -1 ? a.high | (a.low !== 0 ? 1 : 0) : 1;
    environment.flags |= Exception.inexact;
    if (!roundsUp(sign, tail, false)) return setZero(r, sign);
    environment.up = 1;
    return r.set((sign << 15) | bias, 0x80000000 | 0, 0);
  }
  let high = a.high;
  let low = a.low;
  const drop = 63 - exponent;
  let tail: number;
  let odd: boolean;
  if (drop > 32) {
    const shift = drop - 32;
    tail = (high << (32 - shift)) | (low !== 0 ? 1 : 0);
    odd = shift < 32 && ((high >>> shift) & 1) !== 0;
    low = 0;
    high = shift < 32 ? (high >>> shift) << shift : 0;
  } else if (drop === 32) {
    tail = low;
    odd = (high & 1) !== 0;
    low = 0;
  } else {
    tail = low << (32 - drop);
    odd = ((low >>> drop) & 1) !== 0;
    low = (low >>> drop) << drop;
  }
  let head = a.head;
  if (tail !== 0) {
    environment.flags |= Exception.inexact;
    if (roundsUp(sign, tail, odd)) {
      environment.up = 1;
      if (drop >= 32) high = (high + (1 << (drop - 32))) | 0;
      else {
        low = (low + (1 << drop)) | 0;
        if (low === 0) high = (high + 1) | 0;
      }
      if (high === 0) {
        high = 0x80000000 | 0;
        head++;
      }
    }
  }
  r.set(head, high, low);
}

/** FSCALE: a * 2^trunc(b). */
export function scale(r: Extended, a: Extended, b: Extended): void {
  environment.up = 0;
  const ka = kindOf(a);
  const kb = kindOf(b);
  if (ka >= Kind.quiet || kb >= Kind.quiet) return propagate(r, a, ka, b, kb);
  const sign = a.head >>> 15;
  const down = b.head >>> 15;
  if (kb === Kind.infinity) {
    if (down ? ka === Kind.infinity : ka === Kind.zero) return invalid(r);
    if (ka === Kind.denormal) environment.flags |= Exception.denormal;
    return down ? setZero(r, sign) : setInfinity(r, sign);
  }
  if (ka === Kind.denormal || kb === Kind.denormal) environment.flags |= Exception.denormal;
  if (ka === Kind.infinity || ka === Kind.zero) return r.copy(a);
  x.take(a, ka);
  const exponent = kb === Kind.normal ? (b.head & 0x7fff) - bias : -1;
  // Beyond 2^16 every scaling over- or underflows.
  const amount = exponent < 0 ? 0 : exponent > 16 ? 0x10000 : b.high >>> (31 - exponent);
  roundTo(r, sign, x.exponent + (down ? -amount : amount), x.high, x.low, 0, 64, 1, 0x7ffe);
  denormalize(r);
}

/** FXTRACT: `r` receives the significand in [1, 2), `power` the unbiased exponent. */
export function extract(r: Extended, power: Extended, a: Extended): void {
  environment.up = 0;
  const kind = kindOf(a);
  const sign = a.head >>> 15;
  if (kind >= Kind.quiet) {
    propagate(r, a, kind, a, kind);
    return power.copy(r);
  }
  if (kind === Kind.infinity) {
    r.copy(a);
    return setInfinity(power, 0);
  }
  if (kind === Kind.zero) {
    environment.flags |= Exception.zeroDivide;
    r.copy(a);
    return setInfinity(power, 1);
  }
  x.take(a, kind);
  const value = x.exponent - bias;
  r.set((sign << 15) | bias, x.high, x.low);
  if (value === 0) return setZero(power, 0);
  const magnitude = Math.abs(value);
  const shift = Math.clz32(magnitude);
  power.set(((value < 0 ? 1 : 0) << 15) | (bias + 31 - shift), magnitude << shift, 0);
}

/** Results of `compare`. */
export const Order = { less: -1, equal: 0, greater: 1, unordered: 2 } as const;

/** Compares; a quiet NaN is invalid only for an ordered comparison (FCOM), not for FUCOM. */
export function compare(a: Extended, b: Extended, ordered: boolean): number {
  environment.up = 0;
  const ka = kindOf(a);
  const kb = kindOf(b);
  if (ka >= Kind.quiet || kb >= Kind.quiet) {
    if (ordered || ka > Kind.quiet || kb > Kind.quiet) environment.flags |= Exception.invalid;
    return Order.unordered;
  }
  if (ka === Kind.denormal || kb === Kind.denormal) environment.flags |= Exception.denormal;
  if (ka === Kind.zero && kb === Kind.zero) return Order.equal;
  const sa = ka === Kind.zero ? 0 : a.head >>> 15 ? -1 : 1;
  const sb = kb === Kind.zero ? 0 : b.head >>> 15 ? -1 : 1;
  if (sa !== sb) return sa < sb ? Order.less : Order.greater;
  // A pseudo-denormal has the value of exponent 1.
  const ea = a.head & 0x7fff || 1;
  const eb = b.head & 0x7fff || 1;
  const magnitude = ea !== eb ? (ea < eb ? -1 : 1) : compareWords(a.high, a.low, b.high, b.low);
  return magnitude * sa;
}
