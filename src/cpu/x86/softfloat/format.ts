// The 80-bit extended format of the x87 unit: its kinds of value, its environment, and the rounding every operation
// ends with (Intel SDM volume 1, chapters 4.8 and 8).

/** A value as it lies in memory: sign and biased exponent in 16 bits, then the 64-bit significand as two i32. */
export class Extended {
  head = 0;
  high = 0;
  low = 0;

  set(head: number, high: number, low: number): void {
    this.head = head;
    this.high = high;
    this.low = low;
  }
  copy(from: Extended): void {
    this.set(from.head, from.high, from.low);
  }
}

/** Exception bits, as in the x87 status word, its control word's masks, and MXCSR. */
export const Exception = {
  invalid: 1,
  denormal: 2,
  zeroDivide: 4,
  overflow: 8,
  underflow: 16,
  inexact: 32,
} as const;

/** Rounding control, as encoded in the control words. */
export const Rounding = { nearest: 0, down: 1, up: 2, zero: 3 } as const;

/**
 * The environment of the operation under way. `flags` and `up` are results: exceptions raised, and 1 when the magnitude
 * was rounded up (C1). `masked` holds the exceptions whose masked response is wanted. One object for all: the kernel
 * is single-threaded.
 */
export const environment = {
  rounding: 0,
  precision: 64,
  masked: 0x3f,
  flags: 0,
  up: 0,
  flushToZero: false,
};

export const Kind = {
  normal: 0,
  zero: 1,
  denormal: 2,
  infinity: 3,
  quiet: 4,
  signaling: 5,
  unsupported: 6,
} as const;

/** Classifies a value; pseudo-denormals count as denormal, the other formats that the 80387 dropped as unsupported. */
export function kindOf(x: Extended): number {
  const exponent = x.head & 0x7fff;
  if (exponent === 0) return (x.high | x.low) === 0 ? Kind.zero : Kind.denormal;
  if (x.high >= 0) return Kind.unsupported;
  if (exponent !== 0x7fff) return Kind.normal;
  if (((x.high << 1) | x.low) === 0) return Kind.infinity;
  return x.high & 0x40000000 ? Kind.quiet : Kind.signaling;
}

export const bias = 16383;
/** Added to or taken from the exponent when underflow or overflow is unmasked (SDM volume 1, 4.9.1.5). */
const wrap = 24576;

export const setInfinity = (r: Extended, sign: number): void => r.set((sign << 15) | 0x7fff, 0x80000000 | 0, 0);
export const setZero = (r: Extended, sign: number): void => r.set(sign << 15, 0, 0);
/** The default NaN, "real indefinite". */
export const setIndefinite = (r: Extended): void => r.set(0xffff, 0xc0000000 | 0, 0);

export function invalid(r: Extended): void {
  environment.flags |= Exception.invalid;
  setIndefinite(r);
}

/**
 * The result when at least one operand is a NaN or unsupported (SDM volume 1, table 4-7): of two NaNs the quiet one
 * wins over a signaling one, otherwise the larger significand, then the positive sign.
 */
export function propagate(r: Extended, a: Extended, ka: number, b: Extended, kb: number): void {
  if (ka === Kind.unsupported || kb === Kind.unsupported) return invalid(r);
  if (ka === Kind.signaling || kb === Kind.signaling) environment.flags |= Exception.invalid;
  let from = a;
  if (ka < Kind.quiet) from = b;
  else if (kb >= Kind.quiet) {
    if (ka !== kb) from = ka === Kind.quiet ? a : b;
    else if (a.high !== b.high) from = a.high >>> 0 > b.high >>> 0 ? a : b;
    else if (a.low !== b.low) from = a.low >>> 0 > b.low >>> 0 ? a : b;
    else from = a.head < b.head ? a : b;
  }
  r.set(from.head, from.high | 0x40000000, from.low);
}

/** A finite number taken apart for arithmetic: `exponent` has no bounds, the significand's top bit is set. */
export class Unpacked {
  sign = 0;
  exponent = 0;
  high = 0;
  low = 0;

  /** Takes a normal or denormal value; notes the denormal exception. */
  take(x: Extended, kind: number): void {
    this.sign = x.head >>> 15;
    this.exponent = x.head & 0x7fff;
    this.high = x.high;
    this.low = x.low;
    if (kind !== Kind.denormal) return;
    environment.flags |= Exception.denormal;
    this.exponent = 1;
    this.normalize();
  }

  /** Shifts a significand that is not zero until its top bit is set. */
  normalize(): void {
    if (this.high === 0) {
      this.high = this.low;
      this.low = 0;
      this.exponent -= 32;
    }
    const shift = Math.clz32(this.high);
    if (shift === 0) return;
    this.high = (this.high << shift) | (this.low >>> (32 - shift));
    this.low <<= shift;
    this.exponent -= shift;
  }
}

/** Rounds to the extended format under the precision control and stores it. See `roundTo`. */
export function round(r: Extended, sign: number, exponent: number, high: number, low: number, rest: number): void {
  if (environment.precision === 64 && environment.rounding === 0 && exponent > 0 && exponent < 0x7ffe) {
    // The ordinary case: nearest, full precision, no exponent at the edge.
    if (rest !== 0) {
      environment.flags |= Exception.inexact;
      if (rest < 0 && (rest !== (0x80000000 | 0) || (low & 1) !== 0)) {
        environment.up = 1;
        low = (low + 1) | 0;
        if (low === 0) {
          high = (high + 1) | 0;
          if (high === 0) {
            high = 0x80000000 | 0;
            exponent++;
          }
        }
      }
    }
    r.head = (sign << 15) | exponent;
    r.high = high;
    r.low = low;
    return;
  }
  roundTo(r, sign, exponent, high, low, rest, environment.precision, 1, 0x7ffe);
  if ((r.head & 0x7fff) === 1 && r.high >= 0) r.head &= 0x8000;
}

/**
 * Rounds a significand with its top bit set, continued by the 32 bits of `rest` (the last one sticky), to `precision`
 * bits (24, 53 or 64) with exponents `least` to `most`, and sets flags and `up`. A result with exponent `least` whose
 * top bit is clear is denormal. Tininess is detected after rounding.
 */
export function roundTo(
  r: Extended,
  sign: number,
  exponent: number,
  high: number,
  low: number,
  rest: number,
  precision: number,
  least: number,
  most: number,
): void {
  let tiny = false;
  if (exponent < least) {
    tiny = exponent < least - 1 || !carries(sign, high, low, rest, precision);
    if ((environment.masked & Exception.underflow) === 0) {
      if (tiny) {
        environment.flags |= Exception.underflow;
        // Stores to narrower formats do not happen then.
        if (least === 1) exponent += wrap;
        if (least === 1 && exponent <= 0) {
          // Only FSCALE gets so low.
          environment.flags |= Exception.inexact;
          return r.set(sign << 15, 0, 0);
        }
      }
    } else if (tiny && environment.flushToZero) {
      environment.flags |= Exception.underflow | Exception.inexact;
      r.set((sign << 15) | least, 0, 0);
      return;
    }
    if (exponent < least) {
      let shift = least - exponent;
      for (; shift >= 32 && (high | low | (rest & ~1)) !== 0; shift -= 32) {
        rest = low | (rest !== 0 ? 1 : 0);
        low = high;
        high = 0;
      }
      if (shift >= 32) rest = (high | low | rest) !== 0 ? 1 : 0;
      else if (shift > 0) {
        rest = (rest >>> shift) | (low << (32 - shift)) | (rest << (32 - shift) !== 0 ? 1 : 0);
        low = (low >>> shift) | (high << (32 - shift));
        high >>>= shift;
      }
      exponent = least;
    }
  }
  const tail = tailOf(high, low, rest, precision);
  if (tail !== 0) {
    environment.flags |= tiny ? Exception.inexact | Exception.underflow : Exception.inexact;
    const lastBit = precision === 64 ? low & 1 : precision === 53 ? low & 0x800 : high & 0x100;
    const carry = roundsUp(sign, tail, lastBit !== 0);
    if (precision === 53) low &= ~0x7ff;
    else if (precision === 24) {
      low = 0;
      high &= ~0xff;
    }
    if (carry) {
      environment.up = 1;
      let carried = true;
      if (precision === 24) high = (high + 0x100) | 0;
      else {
        low = (low + (precision === 53 ? 0x800 : 1)) | 0;
        if (low === 0) high = (high + 1) | 0;
        else carried = false;
      }
      if (carried && high === 0) {
        high = 0x80000000 | 0;
        exponent++;
      }
    }
  }
  if (exponent > most) {
    environment.flags |= Exception.overflow;
    if ((environment.masked & Exception.overflow) === 0) {
      exponent -= wrap;
      if (exponent > most) {
        environment.flags |= Exception.inexact;
        environment.up = 1;
        return r.set((sign << 15) | 0x7fff, 0x80000000 | 0, 0);
      }
    } else {
      environment.flags |= Exception.inexact;
      const mode = environment.rounding;
      if (mode === Rounding.nearest || mode === (sign ? Rounding.down : Rounding.up)) {
        environment.up = 1;
        return r.set((sign << 15) | 0x7fff, 0x80000000 | 0, 0);
      }
      environment.up = 0;
      exponent = most;
      high = precision === 24 ? 0xffffff00 | 0 : -1;
      low = precision === 24 ? 0 : precision === 53 ? 0xfffff800 | 0 : -1;
    }
  }
  r.head = (sign << 15) | exponent;
  r.high = high | 0;
  r.low = low | 0;
}

/** What lies below `precision` bits, left-aligned in 32 bits with a sticky last bit. */
function tailOf(high: number, low: number, rest: number, precision: number): number {
  if (precision === 64) return rest;
  if (precision === 53) return (low << 21) | (rest !== 0 ? 1 : 0);
  return (high << 24) | ((low | rest) !== 0 ? 1 : 0);
}

/** Whether a magnitude goes up, given what lies below its last bit. */
export function roundsUp(sign: number, tail: number, odd: boolean): boolean {
  switch (environment.rounding) {
    case Rounding.nearest:
      return tail < 0 && (tail !== (0x80000000 | 0) || odd);
    case Rounding.down:
      return sign !== 0 && tail !== 0;
    case Rounding.up:
      return sign === 0 && tail !== 0;
    default:
      return false;
  }
}

/** Whether rounding to `precision` bits carries into the next power of two. */
function carries(sign: number, high: number, low: number, rest: number, precision: number): boolean {
  const full =
    precision === 64
      ? (high & low) === -1
      : precision === 53
        ? high === -1 && low >>> 11 === 0x1fffff
        : high >>> 8 === 0xffffff;
  return full && roundsUp(sign, tailOf(high, low, rest, precision), true);
}
