// Conversions between the 80-bit format and everything a program may load or store: single and double precision,
// integers, packed decimal. Word results are left in `words`.

import {
  bias,
  environment,
  Exception,
  Extended,
  Kind,
  kindOf,
  roundsUp,
  roundTo,
  setZero,
  Unpacked,
} from "./format.ts";

/** Where conversions to memory formats leave their result. */
export const words = { low: 0, high: 0 };

const x = new Unpacked();

/**
 * From a double's two halves. A denormal raises the denormal exception, a signaling NaN becomes quiet and raises the invalid
 * one; as the operand of an arithmetic instruction (`load` false) it stays signaling for the operation to see.
 */
export function fromDouble(r: Extended, low: number, high: number, load = true): void {
  const exponent = (high >>> 20) & 0x7ff;
  const sign = (high >>> 16) & 0x8000;
  const top = (high << 11) | (low >>> 21);
  if (exponent !== 0 && exponent !== 0x7ff) {
    r.head = sign | (exponent + (bias - 1023));
    r.high = top | 0x80000000;
    r.low = low << 11;
    return;
  }
  special(r, sign, exponent !== 0, top & 0x7fffffff, low << 11, bias - 1022, load);
}

/** From a single's bits; see `fromDouble`. */
export function fromSingle(r: Extended, bits: number, _high = 0, load = true): void {
  const exponent = (bits >>> 23) & 0xff;
  const sign = (bits >>> 16) & 0x8000;
  if (exponent !== 0 && exponent !== 0xff) {
    r.head = sign | (exponent + (bias - 127));
    r.high = (bits << 8) | 0x80000000;
    r.low = 0;
    return;
  }
  special(r, sign, exponent !== 0, (bits << 8) & 0x7fffffff, 0, bias - 126, load);
}

/** Zero, denormal, infinity or NaN, with the fraction left-aligned below the integer bit. */
function special(
  r: Extended,
  sign: number,
  full: boolean,
  high: number,
  low: number,
  least: number,
  load: boolean,
): void {
  if (full) {
    const nan = (high | low) !== 0;
    let top = high | 0x80000000;
    if (nan && load) {
      if ((high & 0x40000000) === 0) environment.flags |= Exception.invalid;
      top |= 0x40000000;
    }
    return r.set(sign | 0x7fff, top, low);
  }
  if ((high | low) === 0) return r.set(sign, 0, 0);
  environment.flags |= Exception.denormal;
  x.exponent = least;
  x.high = high;
  x.low = low;
  x.normalize();
  r.set(sign | x.exponent, x.high, x.low);
}

const rounded = new Extended();

/** To a double, in the current rounding mode. */
export function toDouble(a: Extended): void {
  environment.up = 0;
  const kind = kindOf(a);
  const sign = a.head & 0x8000 ? 0x80000000 : 0;
  if (kind === Kind.normal || kind === Kind.denormal) {
    // The denormal exception is not raised by stores.
    x.exponent = a.head & 0x7fff || 1;
    x.high = a.high;
    x.low = a.low;
    if (x.high >= 0) x.normalize();
    packDouble(a.head >>> 15);
    return;
  }
  words.low = 0;
  words.high = sign | (kind === Kind.zero ? 0 : 0x7ff00000);
  if (kind < Kind.quiet) return;
  if (kind !== Kind.quiet) environment.flags |= Exception.invalid;
  if (kind === Kind.unsupported) {
    words.high = 0xfff80000 | 0;
    return;
  }
  words.high |= 0x80000 | ((a.high & 0x7fffffff) >>> 11);
  words.low = (a.high << 21) | (a.low >>> 11);
}

/** A store whose overflow or underflow is not masked does not happen: it reports neither rounding nor C1. */
function refuseStore(): void {
  if ((environment.flags & ~environment.masked & (Exception.overflow | Exception.underflow)) === 0) return;
  environment.flags &= ~Exception.inexact;
  environment.up = 0;
}

function packDouble(negative: number): void {
  roundTo(rounded, negative, x.exponent, x.high, x.low, 0, 53, bias - 1022, bias + 1023);
  refuseStore();
  encodeDouble(rounded);
}

/** A value that `roundTo` has put into a double's bounds, or zero, infinity or NaN, as a double in `words`. */
export function encodeDouble({ head, high, low }: Extended): void {
  const exponent = head & 0x7fff;
  const field = exponent === 0x7fff ? 0x7ff : high >= 0 ? 0 : exponent - (bias - 1023);
  words.low = (low >>> 11) | (high << 21);
  words.high = ((head & 0x8000) << 16) | (field << 20) | ((high & 0x7fffffff) >>> 11);
}

/** The same as a single. */
export function encodeSingle({ head, high }: Extended): void {
  const exponent = head & 0x7fff;
  const field = exponent === 0x7fff ? 0xff : high >= 0 ? 0 : exponent - (bias - 127);
  words.low = ((head & 0x8000) << 16) | (field << 23) | ((high & 0x7fffffff) >>> 8);
}

/** To a single, in the current rounding mode: the bits are left in `words.low`. */
export function toSingle(a: Extended): void {
  environment.up = 0;
  const kind = kindOf(a);
  const sign = a.head & 0x8000 ? 0x80000000 : 0;
  if (kind === Kind.normal || kind === Kind.denormal) {
    x.exponent = a.head & 0x7fff || 1;
    x.high = a.high;
    x.low = a.low;
    if (x.high >= 0) x.normalize();
    roundTo(rounded, a.head >>> 15, x.exponent, x.high, x.low, 0, 24, bias - 126, bias + 127);
    refuseStore();
    encodeSingle(rounded);
    return;
  }
  words.low = sign | (kind === Kind.zero ? 0 : 0x7f800000);
  if (kind < Kind.quiet) return;
  if (kind !== Kind.quiet) environment.flags |= Exception.invalid;
  if (kind === Kind.unsupported) words.low = 0xffc00000 | 0;
  else words.low |= 0x400000 | ((a.high & 0x7fffffff) >>> 8);
}

/** From a signed 64-bit integer's halves: always exact. */
export function fromInteger(r: Extended, low: number, high: number): void {
  const sign = high < 0 ? 0x8000 : 0;
  if (sign) {
    low = -low | 0;
    high = low === 0 ? -high | 0 : ~high;
  }
  if ((high | low) === 0) return r.set(0, 0, 0);
  x.exponent = bias + 63;
  x.high = high;
  x.low = low;
  x.normalize();
  r.set(sign | x.exponent, x.high, x.low);
}

/** The magnitude of a finite value rounded to an integer, in `words`; false when it needs more than 64 bits. */
function magnitude(a: Extended, kind: number, truncate: boolean): boolean {
  words.low = words.high = 0;
  if (kind === Kind.zero) return true;
  const exponent = (a.head & 0x7fff) - bias;
  if (exponent > 63) return false;
  const shift = 63 - exponent;
  let { high, low } = a;
  let tail = 0;
  if (shift > 65) {
    tail = 1;
    high = low = 0;
  } else if (shift >= 64) {
    tail = (shift === 64 ? high | 0 : high >>> 1) | (low !== 0 || (shift === 65 && high & 1) ? 1 : 0);
    high = low = 0;
  } else if (shift >= 32) {
    const by = shift & 31;
    tail = by === 0 ? low : (high << (32 - by)) | (low >>> by) | (low << (32 - by) !== 0 ? 1 : 0);
    low = high >>> by;
    high = 0;
  } else if (shift > 0) {
    tail = low << (32 - shift);
    low = (low >>> shift) | (high << (32 - shift));
    high >>>= shift;
  }
  if (tail !== 0) {
    environment.flags |= Exception.inexact;
    if (!truncate && roundsUp(a.head >>> 15, tail, (low & 1) !== 0)) {
      environment.up = 1;
      low = (low + 1) | 0;
      if (low === 0) {
        high = (high + 1) | 0;
        if (high === 0) return false;
      }
    }
  }
  words.low = low | 0;
  words.high = high | 0;
  return true;
}

/**
 * To a signed integer of 16, 32 or 64 bits, in `words`; what does not fit becomes the integer indefinite and raises
 * the invalid exception.
 */
export function toInteger(a: Extended, bits: 16 | 32 | 64, truncate: boolean): void {
  environment.up = 0;
  const before = environment.flags;
  const kind = kindOf(a);
  const negative = a.head >>> 15 !== 0;
  let fits = kind <= Kind.denormal && magnitude(a, kind, truncate);
  if (fits) {
    if (bits === 64) {
      const edge = negative && words.high === (0x80000000 | 0) && words.low === 0;
      fits = words.high >= 0 || edge;
    } else {
      const limit = bits === 32 ? 0x80000000 : 0x8000;
      fits = words.high === 0 && (words.low >>> 0 < limit || (negative && words.low >>> 0 === limit));
    }
  }
  if (!fits) {
    environment.flags = before | Exception.invalid;
    environment.up = 0;
    words.low = bits === 64 ? 0 : bits === 32 ? 0x80000000 | 0 : 0xffff8000 | 0;
    words.high = 0x80000000 | 0;
  } else if (negative) {
    words.low = -words.low | 0;
    words.high = words.low === 0 ? -words.high | 0 : ~words.high;
  }
}

/** FBLD: eighteen decimal digits in nine bytes, then a sign byte. Digits above nine count as their value. */
export function fromDecimal(r: Extended, bytes: Uint8Array): void {
  let high = 0;
  let low = 0;
  // Nine digits at a time stay within a double.
  const digits = (first: number, count: number): number => {
    let value = 0;
    for (let i = first; i > first - count; i--) {
      const pair = bytes[i >> 1]!;
      value = value * 10 + (i & 1 ? pair >> 4 : pair & 15);
    }
    return value;
  };
  const value = BigInt(digits(17, 9)) * 1_000_000_000n + BigInt(digits(8, 9));
  low = Number(value & 0xffff_ffffn) | 0;
  high = Number(value >> 32n) | 0;
  const sign = (bytes[9]! & 0x80) << 8;
  if (value === 0n) return setZero(r, sign >>> 15);
  fromInteger(r, low, high);
  r.head |= sign;
}

/** FBSTP: rounds to an integer of at most eighteen decimal digits and writes ten bytes. */
export function toDecimal(a: Extended, bytes: Uint8Array): void {
  environment.up = 0;
  const before = environment.flags;
  const kind = kindOf(a);
  if (kind <= Kind.denormal && magnitude(a, kind, false)) {
    let value = BigInt(words.low >>> 0) | (BigInt(words.high >>> 0) << 32n);
    if (value < 1_000_000_000_000_000_000n) {
      for (let i = 0; i < 9; i++) {
        const pair = Number(value % 100n);
        value /= 100n;
        bytes[i] = (Math.floor(pair / 10) << 4) | (pair % 10);
      }
      bytes[9] = (a.head >>> 8) & 0x80;
      return;
    }
  }
  environment.flags = before | Exception.invalid;
  environment.up = 0;
  bytes.fill(0, 0, 7);
  bytes[7] = 0xc0;
  bytes[8] = bytes[9] = 0xff;
}
