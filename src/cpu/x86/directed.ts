// SSE arithmetic in full: any rounding mode, flush to zero, denormals as zeros, exception flags and unmasked exceptions.
// Blocks translated while MXCSR asks for any of that call these; in the ordinary environment WebAssembly's own
// operations do.

import { offsets, Vector } from "../state.ts";
import { Trap } from "../trap.ts";
import type { CpuView } from "../view.ts";
import { add, divide, multiply, squareRoot, subtract } from "./softfloat/arithmetic.ts";
import { roundToInteger } from "./softfloat/parts.ts";
import {
  encodeDouble,
  encodeSingle,
  fromDouble,
  fromInteger,
  fromSingle,
  toDouble,
  toInteger,
  toSingle,
  words,
} from "./softfloat/convert.ts";
import { bias, environment, Exception, Extended, roundTo } from "./softfloat/format.ts";

/** Numbers of the operations, the first operand of each callout. */
export const DirectedOp = {
  add: 0,
  sub: 1,
  mul: 2,
  div: 3,
  sqrt: 4,
  min: 5,
  max: 6,
  /** Plus the predicate of CMPPS: eq lt le unord neq nlt nle ord. */
  compare: 8,
  /** Give EFLAGS bits. */
  orderedFlags: 16,
  unorderedFlags: 17,
  /** Plus the immediate of ROUNDPS. */
  round: 32,
  // Conversions. To integer: plus 1 to truncate, plus 2 for 64 bits.
  doubleToInteger: 64,
  singleToInteger: 68,
  singlesToIntegers: 72,
  doubleFromInteger: 74,
  singleFromInteger: 75,
  singlesFromIntegers: 76,
  doubleToSingle: 77,
  singleToDouble: 78,
} as const;

const ordinary = 0x1f80;
/** Bits of MXCSR that make a difference to translation: all but the sticky flags. */
export const environmentMask = 0xffc0;

/** Whether code must be translated with `directed` set for this MXCSR. */
export const needsDirected = (mxcsr: number): boolean => (mxcsr & environmentMask) !== ordinary;

const a = new Extended();
const b = new Extended();
const r = new Extended();
const scratch = offsets.scratch / 4;
let denormalsAreZero = false;

function begin(cpu: CpuView): number {
  const mxcsr = cpu.words[offsets.mxcsr / 4]!;
  environment.rounding = (mxcsr >> 13) & 3;
  environment.masked = (mxcsr >> 7) & 0x3f;
  environment.flushToZero = (mxcsr & 0x8000) !== 0;
  environment.flags = 0;
  denormalsAreZero = (mxcsr & 0x40) !== 0;
  return cpu.words[scratch]!;
}

function finish(cpu: CpuView): void {
  environment.flushToZero = false;
  cpu.words[offsets.mxcsr / 4]! |= environment.flags;
  if ((environment.flags & ~environment.masked) !== 0) throw new Trap(Vector.simd);
}

/** The two formats, as the operations below see them. Bits are in `low` and `high`; singles use `low` only. */
interface Format {
  readonly isNaN: (low: number, high: number) => boolean;
  readonly isSignaling: (low: number, high: number) => boolean;
  readonly isDenormal: (low: number, high: number) => boolean;
  readonly value: (low: number, high: number) => number;
  readonly unpack: (to: Extended, low: number, high: number) => void;
  readonly round: typeof roundDouble;
  readonly encode: (from: Extended) => void;
  /** Leaves a NaN, made quiet, in `words`. */
  readonly quiet: (low: number, high: number) => void;
}

const cast = new DataView(new ArrayBuffer(8));

const roundDouble = (to: Extended, sign: number, exponent: number, high: number, low: number, rest: number): void =>
  roundTo(to, sign, exponent, high, low, rest, 53, bias - 1022, bias + 1023);
const roundSingle = (to: Extended, sign: number, exponent: number, high: number, low: number, rest: number): void =>
  roundTo(to, sign, exponent, high, low, rest, 24, bias - 126, bias + 127);

const double: Format = {
  isNaN: (low, high) => (high & 0x7ff00000) === 0x7ff00000 && ((high & 0xfffff) | low) !== 0,
  isSignaling: (low, high) => double.isNaN(low, high) && (high & 0x80000) === 0,
  isDenormal: (low, high) => (high & 0x7ff00000) === 0 && ((high & 0xfffff) | low) !== 0,
  value(low, high) {
    cast.setInt32(0, high);
    cast.setInt32(4, low);
    return cast.getFloat64(0);
  },
  unpack: fromDouble,
  round: roundDouble,
  encode: encodeDouble,
  quiet(low, high) {
    words.low = low;
    words.high = high | 0x80000;
  },
};

const single: Format = {
  isNaN: (bits) => (bits & 0x7f800000) === 0x7f800000 && (bits & 0x7fffff) !== 0,
  isSignaling: (bits) => single.isNaN(bits, 0) && (bits & 0x400000) === 0,
  isDenormal: (bits) => (bits & 0x7f800000) === 0 && (bits & 0x7fffff) !== 0,
  value(bits) {
    cast.setInt32(0, bits);
    return cast.getFloat32(0);
  },
  unpack: fromSingle,
  round: roundSingle,
  encode: encodeSingle,
  quiet(bits) {
    words.low = bits | 0x400000;
  },
};

/** One lane of an operation: result in `words`. */
function operate(format: Format, op: number, al: number, ah: number, bl: number, bh: number): void {
  if (op >= DirectedOp.round && op < DirectedOp.round + 16) return roundLane(format, op - DirectedOp.round, bl, bh);
  const nanA = op !== DirectedOp.sqrt && format.isNaN(al, ah);
  const nanB = format.isNaN(bl, bh);
  if (denormalsAreZero) {
    if (format.isDenormal(al, ah)) [al, ah] = signOnly(format, al, ah);
    if (format.isDenormal(bl, bh)) [bl, bh] = signOnly(format, bl, bh);
  }
  const denormal =
    !nanA && !nanB && ((op !== DirectedOp.sqrt && format.isDenormal(al, ah)) || format.isDenormal(bl, bh));
  const signaling = (nanA && format.isSignaling(al, ah)) || (nanB && format.isSignaling(bl, bh));
  if (signaling) environment.flags |= Exception.invalid;
  if (denormal && op >= DirectedOp.min) environment.flags |= Exception.denormal;
  if (op >= DirectedOp.min) return compareLane(format, op, al, ah, bl, bh, nanA || nanB);
  if (nanA) return format.quiet(al, ah);
  if (nanB) return format.quiet(bl, bh);
  let kept = environment.flags;
  format.unpack(a, al, ah);
  format.unpack(b, bl, bh);
  // Only real operands count, and they have been looked at. Lanes before this one keep their flags.
  environment.flags = 0;
  switch (op) {
    case DirectedOp.add:
      add(r, a, b, format.round);
      break;
    case DirectedOp.sub:
      subtract(r, a, b, format.round);
      break;
    case DirectedOp.mul:
      multiply(r, a, b, format.round);
      break;
    case DirectedOp.div:
      divide(r, a, b, format.round);
      break;
    default:
      squareRoot(r, b, format.round);
  }
  // Invalid operations and divisions by zero report no denormal operand.
  const computed = environment.flags;
  if (denormal && (computed & (Exception.invalid | Exception.zeroDivide)) === 0) kept |= Exception.denormal;
  environment.flags = kept | computed;
  format.encode(r);
}

const signOnly = (format: Format, low: number, high: number): [number, number] =>
  format === double ? [0, high & 0x80000000] : [low & 0x80000000, 0];

/** MIN, MAX, the predicates and the flag comparisons. */
function compareLane(
  format: Format,
  op: number,
  al: number,
  ah: number,
  bl: number,
  bh: number,
  unordered: boolean,
): void {
  const x = format.value(al, ah);
  const y = format.value(bl, bh);
  if (op === DirectedOp.min || op === DirectedOp.max) {
    if (unordered) environment.flags |= Exception.invalid;
    const first = op === DirectedOp.min ? x < y : x > y;
    words.low = first ? al : bl;
    words.high = first ? ah : bh;
    return;
  }
  if (op === DirectedOp.orderedFlags || op === DirectedOp.unorderedFlags) {
    if (unordered && op === DirectedOp.orderedFlags) environment.flags |= Exception.invalid;
    words.low = unordered ? 0x45 : x < y ? 1 : x === y ? 0x40 : 0;
    words.high = 0;
    return;
  }
  const predicate = op & 3;
  if (unordered && (predicate === 1 || predicate === 2)) environment.flags |= Exception.invalid;
  const holds = predicate === 0 ? x === y : predicate === 1 ? x < y : predicate === 2 ? x <= y : unordered;
  words.low = words.high = holds !== ((op & 4) !== 0) ? -1 : 0;
}

/** ROUNDPS and its kin: immediate bits 0-1 the mode, 2 take MXCSR's, 3 do not report inexactness. */
function roundLane(format: Format, immediate: number, low: number, high: number): void {
  if (format.isNaN(low, high)) {
    if (format.isSignaling(low, high)) environment.flags |= Exception.invalid;
    return format.quiet(low, high);
  }
  if (denormalsAreZero && format.isDenormal(low, high)) [low, high] = signOnly(format, low, high);
  const kept = environment.flags;
  const mode = environment.rounding;
  if ((immediate & 4) === 0) environment.rounding = immediate & 3;
  format.unpack(b, low, high);
  environment.flags = kept;
  roundToInteger(r, b);
  environment.rounding = mode;
  if (immediate & 8) environment.flags = kept;
  format.encode(r);
}

/** Converts one value; integers in and out are 64 bits in `words`. */
function convert(op: number, low: number, high: number): void {
  if (op >= DirectedOp.doubleToInteger && op < DirectedOp.singlesToIntegers) {
    const format = op < DirectedOp.singleToInteger ? double : single;
    if (denormalsAreZero && format.isDenormal(low, high)) [low, high] = signOnly(format, low, high);
    format.unpack(a, low, high);
    // Only conversions between floating formats report denormal operands.
    environment.flags &= ~Exception.denormal;
    return toInteger(a, op & 2 ? 64 : 32, (op & 1) !== 0);
  }
  switch (op) {
    case DirectedOp.doubleFromInteger:
      fromInteger(a, low, high);
      return toDouble(a);
    case DirectedOp.singleFromInteger:
      fromInteger(a, low, high);
      return toSingle(a);
    case DirectedOp.doubleToSingle:
      if (denormalsAreZero && double.isDenormal(low, high)) [low, high] = signOnly(double, low, high);
      fromDouble(a, low, high);
      return toSingle(a);
    case DirectedOp.singleToDouble:
      if (denormalsAreZero && single.isDenormal(low, high)) [low, high] = signOnly(single, low, high);
      fromSingle(a, low);
      return toDouble(a);
    default:
      throw new RangeError(`no directed conversion has the number ${op}`);
  }
}

/** Applies a one-lane operation to both 32-bit halves. */
function eachHalf(cpu: CpuView, lane: (at: number) => void): void {
  lane(0);
  const low = words.low;
  lane(1);
  cpu.words[scratch + 7] = words.low;
  cpu.words[scratch + 6] = low;
}

export const directedCallouts = {
  /** (operation, a, b): doubles. */
  directedDouble(cpu: CpuView): void {
    const op = begin(cpu);
    const w = cpu.words;
    operate(double, op, w[scratch + 2]!, w[scratch + 3]!, w[scratch + 4]!, w[scratch + 5]!);
    w[scratch + 6] = words.low;
    w[scratch + 7] = words.high;
    finish(cpu);
  },
  /** (operation, a, b): a single in the low half. */
  directedSingle(cpu: CpuView): void {
    const op = begin(cpu);
    const w = cpu.words;
    operate(single, op, w[scratch + 2]!, 0, w[scratch + 4]!, 0);
    w[scratch + 6] = words.low;
    w[scratch + 7] = 0;
    finish(cpu);
  },
  /** (operation, a, b): a single in each half. */
  directedSingles(cpu: CpuView): void {
    const op = begin(cpu);
    const w = cpu.words;
    eachHalf(cpu, (i) => operate(single, op, w[scratch + 2 + i]!, 0, w[scratch + 4 + i]!, 0));
    finish(cpu);
  },
  /** (operation, bits): conversions. */
  directedConvert(cpu: CpuView): void {
    const op = begin(cpu);
    const w = cpu.words;
    const low = w[scratch + 2]!;
    const high = w[scratch + 3]!;
    if (op === DirectedOp.singlesToIntegers || op === DirectedOp.singlesToIntegers + 1)
      eachHalf(cpu, (i) => convert(DirectedOp.singleToInteger + (op & 1), i ? high : low, 0));
    else if (op === DirectedOp.singlesFromIntegers)
      eachHalf(cpu, (i) => {
        const value = i ? high : low;
        convert(DirectedOp.singleFromInteger, value, value >> 31);
      });
    else {
      convert(op, low, high);
      w[scratch + 6] = words.low;
      w[scratch + 7] = words.high;
    }
    finish(cpu);
  },
};
