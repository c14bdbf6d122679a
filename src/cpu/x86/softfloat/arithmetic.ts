// The basic operations of the x87 unit on 80-bit values: add, subtract, multiply, divide and square root. Results are exact
// to the bit, with the exceptions and C1 in `environment`.

import {
  bias,
  environment,
  Exception,
  type Extended,
  invalid,
  Kind,
  kindOf,
  propagate,
  round,
  Rounding,
  setInfinity,
  setZero,
  Unpacked,
} from "./format.ts";

/** Receives a result that is not in the extended format's bounds yet: exponent, 64-bit significand, and 32 bits below. */
export type Rounder = (r: Extended, sign: number, exponent: number, high: number, low: number, rest: number) => void;

const x = new Unpacked();
const y = new Unpacked();

/** True for normal numbers: the operations' short way. */
const ordinary = (a: Extended): boolean => a.high < 0 && ((a.head + 1) & 0x7ffe) !== 0;

export function add(r: Extended, a: Extended, b: Extended, rounder: Rounder = round): void {
  sum(r, a, b, 0, rounder);
}
export function subtract(r: Extended, a: Extended, b: Extended, rounder: Rounder = round): void {
  sum(r, a, b, 1, rounder);
}

function sum(r: Extended, a: Extended, b: Extended, negate: number, rounder: Rounder): void {
  environment.up = 0;
  if (ordinary(a) && ordinary(b)) {
    const ea = a.head & 0x7fff;
    const eb = b.head & 0x7fff;
    const sa = a.head >>> 15;
    const sb = (b.head >>> 15) ^ negate;
    if (ea >= eb) addMagnitudes(r, sa, ea, a.high, a.low, sb, ea - eb, b.high, b.low, rounder);
    else addMagnitudes(r, sb, eb, b.high, b.low, sa, eb - ea, a.high, a.low, rounder);
    return;
  }
  const ka = kindOf(a);
  const kb = kindOf(b);
  if (ka >= Kind.quiet || kb >= Kind.quiet) return propagate(r, a, ka, b, kb);
  const sa = a.head >>> 15;
  const sb = (b.head >>> 15) ^ negate;
  if (ka === Kind.infinity && kb === Kind.infinity && sa !== sb) return invalid(r);
  if (ka === Kind.denormal || kb === Kind.denormal) environment.flags |= Exception.denormal;
  if (ka === Kind.infinity) return setInfinity(r, sa);
  if (kb === Kind.infinity) return setInfinity(r, sb);
  if (ka === Kind.zero && kb === Kind.zero)
    return setZero(r, sa === sb ? sa : environment.rounding === Rounding.down ? 1 : 0);
  if (ka !== Kind.zero) x.take(a, ka);
  if (kb !== Kind.zero) y.take(b, kb);
  if (kb === Kind.zero) return rounder(r, sa, x.exponent, x.high, x.low, 0);
  if (ka === Kind.zero) return rounder(r, sb, y.exponent, y.high, y.low, 0);
  if (x.exponent >= y.exponent)
    addMagnitudes(r, sa, x.exponent, x.high, x.low, sb, x.exponent - y.exponent, y.high, y.low, rounder);
  else addMagnitudes(r, sb, y.exponent, y.high, y.low, sa, y.exponent - x.exponent, x.high, x.low, rounder);
}

/** Adds a number whose exponent is less by `distance`, or subtracts it when the signs differ. */
function addMagnitudes(
  r: Extended,
  sign: number,
  exponent: number,
  ah: number,
  al: number,
  otherSign: number,
  distance: number,
  bh: number,
  bl: number,
  rounder: Rounder,
): void {
  let rest = 0;
  if (distance !== 0) {
    if (distance < 32) {
      rest = bl << (32 - distance);
      bl = (bl >>> distance) | (bh << (32 - distance));
      bh >>>= distance;
    } else if (distance < 64) {
      const shift = distance & 31;
      rest = shift === 0 ? bl : (bl >>> shift) | (bh << (32 - shift)) | (bl << (32 - shift) !== 0 ? 1 : 0);
      bl = bh >>> shift;
      bh = 0;
    } else {
      const shift = distance & 31;
      const lost = shift === 0 ? bl : bl | (bh << (32 - shift));
      rest = distance < 96 ? (bh >>> shift) | (lost !== 0 ? 1 : 0) : 1;
      bl = 0;
      bh = 0;
    }
  }
  if (sign === otherSign) {
    const low = (al + bl) | 0;
    const sum = (ah >>> 0) + (bh >>> 0) + (low >>> 0 < al >>> 0 ? 1 : 0);
    const high = sum | 0;
    if (sum >= 0x1_0000_0000) {
      rest = (low << 31) | (rest >>> 1) | (rest & 1);
      rounder(r, sign, exponent + 1, (high >>> 1) | 0x80000000, (low >>> 1) | (high << 31), rest);
    } else rounder(r, sign, exponent, high, low, rest);
    return;
  }
  if (distance === 0 && (ah >>> 0 < bh >>> 0 || (ah === bh && al >>> 0 < bl >>> 0))) {
    sign = otherSign;
    let swap = ah;
    ah = bh;
    bh = swap;
    swap = al;
    al = bl;
    bl = swap;
  }
  // 96-bit difference: borrow from the significand when anything lies below it.
  const borrow = rest !== 0 ? 1 : 0;
  rest = -rest | 0;
  const low = (al - bl - borrow) | 0;
  const under = al >>> 0 < (bl >>> 0) + borrow ? 1 : 0;
  const high = (ah - bh - under) | 0;
  if (high < 0) return rounder(r, sign, exponent, high, low, rest);
  normalizeAndRound(r, sign, exponent, high, low, rest, rounder);
}

function normalizeAndRound(
  r: Extended,
  sign: number,
  exponent: number,
  high: number,
  low: number,
  rest: number,
  rounder: Rounder,
): void {
  if ((high | low | rest) === 0) return setZero(r, environment.rounding === Rounding.down ? 1 : 0);
  while (high === 0) {
    high = low;
    low = rest;
    rest = 0;
    exponent -= 32;
  }
  const shift = Math.clz32(high);
  if (shift !== 0) {
    high = (high << shift) | (low >>> (32 - shift));
    low = (low << shift) | (rest >>> (32 - shift));
    rest <<= shift;
    exponent -= shift;
  }
  rounder(r, sign, exponent, high, low, rest);
}

/** High 32 bits of the product of two unsigned 32-bit words. */
function multiplyHigh(a: number, b: number): number {
  const al = a & 0xffff;
  const ah = a >>> 16;
  const bl = b & 0xffff;
  const bh = b >>> 16;
  const t = (Math.imul(ah, bl) >>> 0) + (Math.imul(al, bl) >>> 16);
  const u = (Math.imul(al, bh) >>> 0) + (t & 0xffff);
  return (Math.imul(ah, bh) + (t >>> 16) + (u >>> 16)) | 0;
}

export function multiply(r: Extended, a: Extended, b: Extended, rounder: Rounder = round): void {
  environment.up = 0;
  const sign = (a.head ^ b.head) >>> 15;
  if (ordinary(a) && ordinary(b)) {
    const exponent = (a.head & 0x7fff) + (b.head & 0x7fff) - (bias - 1);
    return multiplyMagnitudes(r, sign, exponent, a.high, a.low, b.high, b.low, rounder);
  }
  const ka = kindOf(a);
  const kb = kindOf(b);
  if (ka >= Kind.quiet || kb >= Kind.quiet) return propagate(r, a, ka, b, kb);
  if (ka === Kind.infinity || kb === Kind.infinity) {
    if (ka === Kind.zero || kb === Kind.zero) return invalid(r);
    if (ka === Kind.denormal || kb === Kind.denormal) environment.flags |= Exception.denormal;
    return setInfinity(r, sign);
  }
  if (ka === Kind.denormal || kb === Kind.denormal) environment.flags |= Exception.denormal;
  if (ka === Kind.zero || kb === Kind.zero) return setZero(r, sign);
  x.take(a, ka);
  y.take(b, kb);
  multiplyMagnitudes(r, sign, x.exponent + y.exponent - (bias - 1), x.high, x.low, y.high, y.low, rounder);
}

function multiplyMagnitudes(
  r: Extended,
  sign: number,
  exponent: number,
  ah: number,
  al: number,
  bh: number,
  bl: number,
  rounder: Rounder,
): void {
  let high: number;
  let low: number;
  let rest: number;
  if ((al | bl) === 0) {
    high = multiplyHigh(ah, bh);
    low = Math.imul(ah, bh);
    rest = 0;
  } else {
    // Four words from four products, lowest first; `sum` stays an exact double.
    let sum = (multiplyHigh(al, bl) >>> 0) + (Math.imul(ah, bl) >>> 0) + (Math.imul(al, bh) >>> 0);
    rest = sum | 0;
    if (Math.imul(al, bl) !== 0) rest |= 1;
    sum =
      (sum >= 0x1_0000_0000 ? (sum >= 0x2_0000_0000 ? 2 : 1) : 0) +
      (multiplyHigh(ah, bl) >>> 0) +
      (multiplyHigh(al, bh) >>> 0) +
      (Math.imul(ah, bh) >>> 0);
    low = sum | 0;
    high =
      (multiplyHigh(ah, bh) +
        (sum >= 0x1_0000_0000 ? (sum >= 0x2_0000_0000 ? (sum >= 0x3_0000_0000 ? 3 : 2) : 1) : 0)) |
      0;
  }
  if (high >= 0) {
    high = (high << 1) | (low >>> 31);
    low = (low << 1) | (rest >>> 31);
    // The last bit is sticky: it stays where it is and moves up.
    rest = (rest << 1) | (rest & 1);
    exponent--;
  }
  rounder(r, sign, exponent, high, low, rest);
}

/** One 32-bit digit of a quotient: sets `digit` and leaves the remainder in `nh`, `nl`. */
let digit = 0;
let nh = 0;
let nl = 0;
function divideDigit(bh: number, bl: number, divisor: number): void {
  // Doubles give the digit to within one; the exact remainder tells which.
  let q = Math.floor((((nh >>> 0) * 0x1_0000_0000 + (nl >>> 0)) / divisor) * 0x1_0000_0000);
  if (q > 0xffffffff) q = 0xffffffff;
  q |= 0;
  // remainder = n * 2^32 - q * b, which fits 64 bits and a sign.
  const p0 = Math.imul(q, bl);
  const p1 = (multiplyHigh(q, bl) >>> 0) + (Math.imul(q, bh) >>> 0);
  const p2 = (multiplyHigh(q, bh) >>> 0) + (p1 >= 0x1_0000_0000 ? 1 : 0);
  let low = -p0 | 0;
  let middle = (nl >>> 0) - (p1 >>> 0) - (p0 !== 0 ? 1 : 0);
  let top = (nh >>> 0) - p2 + (middle < 0 ? -1 : 0);
  middle |= 0;
  while (top < 0) {
    q--;
    const sum = (low >>> 0) + (bl >>> 0);
    low = sum | 0;
    const next = (middle >>> 0) + (bh >>> 0) + (sum >= 0x1_0000_0000 ? 1 : 0);
    middle = next | 0;
    if (next >= 0x1_0000_0000) top++;
  }
  while (top > 0 || middle >>> 0 > bh >>> 0 || (middle === bh && low >>> 0 >= bl >>> 0)) {
    q++;
    const under = low >>> 0 < bl >>> 0 ? 1 : 0;
    low = (low - bl) | 0;
    const next = (middle >>> 0) - (bh >>> 0) - under;
    middle = next | 0;
    if (next < 0) top--;
  }
  digit = q | 0;
  nh = middle;
  nl = low;
}

export function divide(r: Extended, a: Extended, b: Extended, rounder: Rounder = round): void {
  environment.up = 0;
  const sign = (a.head ^ b.head) >>> 15;
  if (ordinary(a) && ordinary(b)) {
    const exponent = (a.head & 0x7fff) - (b.head & 0x7fff) + (bias - 1);
    return divideMagnitudes(r, sign, exponent, a.high, a.low, b.high, b.low, rounder);
  }
  const ka = kindOf(a);
  const kb = kindOf(b);
  if (ka >= Kind.quiet || kb >= Kind.quiet) return propagate(r, a, ka, b, kb);
  if (ka === kb && (ka === Kind.infinity || ka === Kind.zero)) return invalid(r);
  if (kb === Kind.zero) {
    // A denormal dividend, even one that came from memory, is not reported then.
    if (ka !== Kind.infinity) environment.flags = (environment.flags & ~Exception.denormal) | Exception.zeroDivide;
    return setInfinity(r, sign);
  }
  if (ka === Kind.denormal || kb === Kind.denormal) environment.flags |= Exception.denormal;
  if (ka === Kind.infinity) return setInfinity(r, sign);
  if (ka === Kind.zero || kb === Kind.infinity) return setZero(r, sign);
  x.take(a, ka);
  y.take(b, kb);
  divideMagnitudes(r, sign, x.exponent - y.exponent + (bias - 1), x.high, x.low, y.high, y.low, rounder);
}

function divideMagnitudes(
  r: Extended,
  sign: number,
  exponent: number,
  ah: number,
  al: number,
  bh: number,
  bl: number,
  rounder: Rounder,
): void {
  const whole = ah >>> 0 > bh >>> 0 || (ah === bh && al >>> 0 >= bl >>> 0);
  if (whole) {
    nh = (ah - bh - (al >>> 0 < bl >>> 0 ? 1 : 0)) | 0;
    nl = (al - bl) | 0;
  } else {
    nh = ah;
    nl = al;
  }
  const divisor = (bh >>> 0) * 0x1_0000_0000 + (bl >>> 0);
  divideDigit(bh, bl, divisor);
  const high = digit;
  divideDigit(bh, bl, divisor);
  const low = digit;
  if (whole) {
    const rest = (low << 31) | ((nh | nl) !== 0 ? 1 : 0);
    rounder(r, sign, exponent + 1, (high >>> 1) | 0x80000000, (low >>> 1) | (high << 31), rest);
    return;
  }
  let rest = 0;
  if ((nh | nl) !== 0) {
    // Twice the remainder against the divisor tells the next bit.
    const twiceHigh = (nh << 1) | (nl >>> 31);
    const twiceLow = nl << 1;
    const above = nh < 0 || twiceHigh >>> 0 > bh >>> 0 || (twiceHigh === bh && twiceLow >>> 0 >= bl >>> 0);
    const tie = nh >= 0 && twiceHigh === bh && twiceLow === bl;
    rest = tie ? 0x80000000 | 0 : above ? 0x80000001 | 0 : 1;
  }
  rounder(r, sign, exponent, high, low, rest);
}

export function squareRoot(r: Extended, a: Extended, rounder: Rounder = round): void {
  environment.up = 0;
  const kind = kindOf(a);
  if (kind >= Kind.quiet) return propagate(r, a, kind, a, kind);
  if (kind === Kind.zero) return r.copy(a);
  if (a.head >>> 15) return invalid(r);
  if (kind === Kind.infinity) return r.copy(a);
  x.take(a, kind);
  // The radicand is significand * 2^64 or 2^63, so that the root has 64 bits and the exponent is even.
  const odd = (x.exponent - bias) & 1;
  const exponent = ((x.exponent - bias - odd) >> 1) + bias;
  const w3 = odd ? x.high : x.high >>> 1;
  const w2 = odd ? x.low : (x.high << 31) | (x.low >>> 1);
  const w1 = odd ? 0 : x.low << 31;
  // High half of the root from a double, low half by one division: s = s1 * 2^32 + remainder * 2^32 / (2 * s1).
  let s1 = Math.floor(Math.sqrt((w3 >>> 0) * 0x1_0000_0000 + (w2 >>> 0)));
  if (s1 > 0xffffffff) s1 = 0xffffffff;
  for (;;) {
    const top = multiplyHigh(s1, s1) >>> 0;
    const low = Math.imul(s1, s1) >>> 0;
    const difference = ((w3 >>> 0) - top) * 0x1_0000_0000 + ((w2 >>> 0) - low);
    if (difference < 0) {
      s1--;
      continue;
    }
    if (difference > 2 * s1) {
      s1++;
      continue;
    }
    let q = Math.floor((difference * 0x1_0000_0000 + (w1 >>> 0)) / (2 * s1));
    if (q > 0xffffffff) q = 0xffffffff;
    let high = s1 | 0;
    let s0 = q | 0;
    for (;;) {
      // remainder = radicand - s * s, four words; |remainder| is small, so its upper part is a small signed number.
      const p0 = Math.imul(s0, s0);
      const cross = multiplyHigh(high, s0) >>> 0;
      const crossLow = Math.imul(high, s0) >>> 0;
      const sum1 = (multiplyHigh(s0, s0) >>> 0) + 2 * crossLow;
      const carry1 = Math.floor(sum1 / 0x1_0000_0000);
      const sum2 = (Math.imul(high, high) >>> 0) + 2 * cross + carry1;
      const carry2 = Math.floor(sum2 / 0x1_0000_0000);
      const p3 = (multiplyHigh(high, high) >>> 0) + carry2;
      const d0 = -p0 | 0;
      const d1 = (w1 >>> 0) - (sum1 >>> 0) - (p0 !== 0 ? 1 : 0);
      const d2 = (w2 >>> 0) - (sum2 >>> 0) + (d1 < 0 ? -1 : 0);
      const upper = ((w3 >>> 0) - p3) * 0x1_0000_0000 + d2;
      const middle = d1 | 0;
      if (upper < 0) {
        if (s0 === 0) high = (high - 1) | 0;
        s0 = (s0 - 1) | 0;
        continue;
      }
      // Compare the remainder with s: more than s means the next bit is one, more than 2s that s was too small.
      const above = upper > 0 || middle >>> 0 > high >>> 0 || (middle === high && d0 >>> 0 > s0 >>> 0);
      if (above) {
        const twiceTop = high >>> 31;
        const twiceHigh = (high << 1) | (s0 >>> 31);
        const twiceLow = s0 << 1;
        const beyond =
          upper > twiceTop ||
          (upper === twiceTop &&
            (middle >>> 0 > twiceHigh >>> 0 || (middle === twiceHigh && d0 >>> 0 > twiceLow >>> 0)));
        if (beyond) {
          s0 = (s0 + 1) | 0;
          if (s0 === 0) high = (high + 1) | 0;
          continue;
        }
      }
      const rest = above ? 0xc0000000 | 0 : (middle | d0) !== 0 ? 1 : 0;
      return rounder(r, 0, exponent, high, s0, rest);
    }
  }
}
