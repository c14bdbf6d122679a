// The callouts of the x87 instructions: each does the whole of its instruction's work on the CPU state.

import { Flag } from "../../ir/flags.ts";
import { Access } from "../../../memory/layout.ts";
import { offsets } from "../../state.ts";
import type { CpuView } from "../../view.ts";
import * as arithmetic from "../softfloat/arithmetic.ts";
import * as parts from "../softfloat/parts.ts";
import * as convert from "../softfloat/convert.ts";
import { environment, Exception, Extended, Kind, kindOf, Rounding } from "../softfloat/format.ts";
import * as functions from "../softfloat/functions.ts";
import {
  begin,
  finish,
  finishWith,
  isEmpty,
  overflowed,
  pop,
  push,
  read,
  refuse,
  refused,
  setEmpty,
  setTop,
  Status,
  topOf,
  underflowed,
  write,
} from "./unit.ts";

/** Where an arithmetic instruction's second operand comes from. */
export const Source = { register: 0, single: 1, double: 2, word: 3, dword: 4 } as const;

/** Fields of an arithmetic request: operation in bits 0-2, destination and source 4-6 and 8-10, then these. */
export const Arithmetic = { pop: 0x1000, sourceShift: 16 } as const;

/** Formats of loads and stores. */
export const Format = {
  single: 0,
  double: 1,
  extended: 2,
  word: 3,
  dword: 4,
  quad: 5,
  decimal: 6,
  truncatedWord: 7,
  truncatedDword: 8,
  truncatedQuad: 9,
} as const;
/** Bit of a store request: pop afterwards. */
export const storePop = 0x10;
/** Bit of a register store request: an empty ST(0) is no fault (D9 D8+i). */
export const storeQuietly = 0x20;

/** What `x87Unary` does; those from `prem` on read ST(1) as well, those from `yl2x` on pop it. */
export const Unary = {
  chs: 0,
  abs: 1,
  sqrt: 2,
  rint: 3,
  f2xm1: 4,
  sin: 5,
  cos: 6,
  prem: 7,
  prem1: 8,
  scale: 9,
  yl2x: 10,
  yl2xp1: 11,
  patan: 12,
} as const;

/** Bits of a comparison request besides ST(i) in bits 0-2. */
export const Compare = { unordered: 0x10, pops: 0x20, popsTwice: 0x60, flags: 0x80, zero: 0x100 } as const;

const a = new Extended();
const b = new Extended();
const r = new Extended();
const second = new Extended();
const scratch = offsets.scratch / 4;
const buffer = new Uint8Array(10);

/** Reads the operand of an arithmetic or comparison instruction into `b`; false when it is an empty register. */
function operand(cpu: CpuView, source: number, i: number): boolean {
  const w = cpu.words;
  const low = w[scratch + 2]!;
  switch (source) {
    case Source.register:
      read(cpu, i, b);
      return !isEmpty(cpu, i);
    case Source.single:
      convert.fromSingle(b, low, 0, false);
      break;
    case Source.double:
      convert.fromDouble(b, low, w[scratch + 3]!, false);
      break;
    default:
      convert.fromInteger(b, low, low >> 31);
  }
  return true;
}

/** Condition codes of a comparison: C3 C2 C0. */
const orderCodes = (order: number): number =>
  order === parts.Order.unordered
    ? Status.c0 | Status.c2 | Status.c3
    : order < 0
      ? Status.c0
      : order === 0
        ? Status.c3
        : 0;

const comparisonCodes = Status.c0 | Status.c1 | Status.c2 | Status.c3;

/** Constants in the order of their opcodes; the last significand bit differs by rounding mode. */
const constants: readonly (readonly [head: number, high: number, low: number, cut: number])[] = [
  [0x3fff, 0x80000000, 0, 0],
  [0x4000, 0xd49a784b, 0xcd1b8afe, 0],
  [0x3fff, 0xb8aa3b29, 0x5c17f0bc, 1],
  [0x4000, 0xc90fdaa2, 0x2168c235, 1],
  [0x3ffd, 0x9a209a84, 0xfbcff799, 1],
  [0x3ffe, 0xb17217f7, 0xd1cf79ac, 1],
  [0, 0, 0, 0],
];

export const x87Callouts = {
  /** (request, memory operand): ST(0) op source, to ST(destination); operations by the opcode's digit. */
  x87Arithmetic(cpu: CpuView): void {
    begin(cpu);
    const request = cpu.words[scratch]!;
    const filled = operand(cpu, request >>> Arithmetic.sourceShift, (request >> 8) & 7);
    read(cpu, 0, a);
    if (!filled || isEmpty(cpu, 0)) {
      environment.flags = 0;
      if (!underflowed(r)) return finish(cpu);
    } else {
      if (environment.flags & Exception.denormal && kindOf(a) >= Kind.quiet) environment.flags = 0;
      switch (request & 7) {
        case 0:
          arithmetic.add(r, a, b);
          break;
        case 1:
          arithmetic.multiply(r, a, b);
          break;
        case 4:
          arithmetic.subtract(r, a, b);
          break;
        case 5:
          arithmetic.subtract(r, b, a);
          break;
        case 6:
          arithmetic.divide(r, a, b);
          break;
        default:
          arithmetic.divide(r, b, a);
      }
      if (environment.flags !== 0 && refused()) return refuse(cpu);
    }
    write(cpu, (request >> 4) & 7, r);
    finish(cpu);
    if (request & Arithmetic.pop) pop(cpu);
  },

  /** (request, memory operand, source): FCOM and its kin. Gives EFLAGS bits for the forms that set them. */
  x87Compare(cpu: CpuView): void {
    begin(cpu);
    const request = cpu.words[scratch]!;
    let filled = true;
    if (request & Compare.zero) b.set(0, 0, 0);
    else filled = operand(cpu, cpu.words[scratch + 4]!, request & 7);
    read(cpu, 0, a);
    let order: number = parts.Order.unordered;
    if (!filled || isEmpty(cpu, 0)) {
      environment.flags = 0;
      underflowed(r);
    } else {
      if (environment.flags & Exception.denormal && kindOf(a) >= Kind.quiet) environment.flags = 0;
      order = parts.compare(a, b, (request & Compare.unordered) === 0);
    }
    const bits = orderCodes(order);
    if (request & Compare.flags) {
      cpu.words[scratch + 6] =
        (bits & Status.c0 ? Flag.carry : 0) | (bits & Status.c2 ? Flag.parity : 0) | (bits & Status.c3 ? Flag.zero : 0);
      cpu.words[scratch + 7] = 0;
    }
    // The codes are set even when an exception is not masked; the stack is not popped then.
    const faulted = (environment.flags & Status.stackFault) !== 0;
    if (request & Compare.flags) finishWith(cpu, 0, faulted ? Status.c1 : 0);
    else finishWith(cpu, bits, comparisonCodes);
    if (refused()) return;
    if (request & Compare.pops) pop(cpu);
    if ((request & Compare.popsTwice) === Compare.popsTwice) pop(cpu);
  },

  /** (format, value, upper 16 bits of an 80-bit value): FLD, FILD, FBLD of a memory operand. */
  x87Load(cpu: CpuView): void {
    begin(cpu);
    const w = cpu.words;
    const low = w[scratch + 2]!;
    const high = w[scratch + 3]!;
    switch (w[scratch]!) {
      case Format.single:
        convert.fromSingle(r, low);
        break;
      case Format.double:
        convert.fromDouble(r, low, high);
        break;
      case Format.extended:
        r.set(w[scratch + 4]! & 0xffff, high, low);
        break;
      case Format.decimal:
        convert.fromDecimal(r, cpu.bytes.subarray(offsets.scratch + 8, offsets.scratch + 18));
        break;
      default:
        convert.fromInteger(r, low, high);
    }
    // A denormal is loaded even when its exception is not masked.
    environment.masked |= Exception.denormal;
    push(cpu, r);
  },

  /** (constant): FLD1 to FLDZ. */
  x87Constant(cpu: CpuView): void {
    begin(cpu);
    const number = cpu.words[scratch]!;
    const [head, high, low, cut] = constants[number]!;
    const mode = environment.rounding;
    const down = mode === Rounding.down || mode === Rounding.zero;
    // FLDL2T alone is rounded down to nearest.
    const step = number === 1 ? (mode === Rounding.up ? 1 : 0) : down ? -cut : 0;
    r.set(head, high | 0, (low + step) | 0);
    push(cpu, r);
  },

  /** (i): FLD ST(i). */
  x87Duplicate(cpu: CpuView): void {
    begin(cpu);
    const i = cpu.words[scratch]!;
    read(cpu, i, r);
    if (isEmpty(cpu, i)) {
      if (!underflowed(r)) return finish(cpu);
      setTop(cpu, topOf(cpu) - 1);
      write(cpu, 0, r);
      return finish(cpu);
    }
    push(cpu, r);
  },

  /** (format and `storePop`, address): FST, FIST, FISTTP, FBSTP. Memory is touched only when something is stored. */
  x87Store(cpu: CpuView): void {
    begin(cpu);
    const request = cpu.words[scratch]!;
    const format = request & 15;
    const address = (cpu.words[scratch + 2]! >>> 0) + (cpu.words[scratch + 3]! >>> 0) * 0x1_0000_0000;
    read(cpu, 0, a);
    if (isEmpty(cpu, 0)) {
      if (!underflowed(a)) return finish(cpu);
      // The indefinite as the format has it; what its conversion raises has been raised.
      storeValue(cpu, format, address);
      environment.flags = Exception.invalid | Status.stackFault;
      environment.up = 0;
    } else if (!storeValue(cpu, format, address)) return finish(cpu);
    finish(cpu);
    if (request & storePop) pop(cpu);
  },

  /** (i | pop << 4): FST ST(i). */
  x87StoreRegister(cpu: CpuView): void {
    begin(cpu);
    const request = cpu.words[scratch]!;
    read(cpu, 0, r);
    if (!isEmpty(cpu, 0)) write(cpu, request & 7, r);
    else if ((request & storeQuietly) === 0) {
      if (!underflowed(r)) return finish(cpu);
      write(cpu, request & 7, r);
    }
    finish(cpu);
    if (request & storePop) pop(cpu);
  },

  /** (i): FXCH. */
  x87Exchange(cpu: CpuView): void {
    begin(cpu);
    const i = cpu.words[scratch]!;
    read(cpu, 0, a);
    read(cpu, i, b);
    const [emptyA, emptyB] = [isEmpty(cpu, 0), isEmpty(cpu, i)];
    if (emptyA || emptyB) {
      if (emptyA && !underflowed(a)) return finish(cpu);
      if (emptyB && !underflowed(b)) return finish(cpu);
    }
    write(cpu, 0, b);
    write(cpu, i, a);
    finish(cpu);
  },

  /** (i, condition): FCMOVcc. */
  x87Move(cpu: CpuView): void {
    begin(cpu);
    const i = cpu.words[scratch]!;
    const moves = cpu.words[scratch + 2]! !== 0;
    read(cpu, i, r);
    if (isEmpty(cpu, 0) || isEmpty(cpu, i)) {
      if (!underflowed(r)) return finish(cpu);
      write(cpu, 0, r);
    } else {
      // C1 stays as it was.
      if (moves) write(cpu, 0, r);
      return;
    }
    finish(cpu);
  },

  /** (operation): instructions on ST(0), or ST(0) and ST(1). */
  x87Unary(cpu: CpuView): void {
    begin(cpu);
    const operation = cpu.words[scratch]!;
    const two = operation >= Unary.prem;
    read(cpu, 0, a);
    if (two) read(cpu, 1, b);
    let bits = 0;
    const reduces =
      operation === Unary.sin || operation === Unary.cos || operation === Unary.prem || operation === Unary.prem1;
    let mask = reduces ? Status.c1 | Status.c2 : Status.c1;
    if (isEmpty(cpu, 0) || (two && isEmpty(cpu, 1))) {
      if (!underflowed(r)) return finishWith(cpu, 0, mask);
    } else {
      switch (operation) {
        case Unary.chs:
          r.set(a.head ^ 0x8000, a.high, a.low);
          break;
        case Unary.abs:
          r.set(a.head & 0x7fff, a.high, a.low);
          break;
        case Unary.sqrt:
          arithmetic.squareRoot(r, a);
          break;
        case Unary.rint:
          parts.roundToInteger(r, a);
          break;
        case Unary.f2xm1:
          functions.powerMinusOne(r, a);
          break;
        case Unary.sin:
        case Unary.cos:
          if (!(operation === Unary.sin ? functions.sine(r, a) : functions.cosine(r, a)))
            return finishWith(cpu, Status.c2, mask);
          break;
        case Unary.prem:
        case Unary.prem1: {
          parts.remainder(r, a, b, operation === Unary.prem1);
          const { quotient, incomplete } = parts.reduction;
          if (kindOf(r) === Kind.quiet) break;
          mask = comparisonCodes;
          bits =
            (quotient & 1 ? Status.c1 : 0) |
            (quotient & 2 ? Status.c3 : 0) |
            (quotient & 4 ? Status.c0 : 0) |
            (incomplete ? Status.c2 : 0);
          environment.up = 0;
          break;
        }
        case Unary.scale:
          parts.scale(r, a, b);
          break;
        case Unary.yl2x:
          functions.logarithm(r, a, b);
          break;
        case Unary.yl2xp1:
          functions.logarithmPlusOne(r, a, b);
          break;
        default:
          functions.arctangent(r, a, b);
      }
      if (environment.flags !== 0 && refused()) {
        refuse(cpu);
        return finishWith(cpu, 0, reduces ? Status.c1 | Status.c2 : Status.c1);
      }
    }
    write(cpu, operation >= Unary.yl2x ? 1 : 0, r);
    finishWith(cpu, bits | (environment.up ? Status.c1 : 0), mask);
    if (operation >= Unary.yl2x) pop(cpu);
  },

  /** FXTRACT: the exponent in place, the significand on top. */
  x87Extract(cpu: CpuView): void {
    begin(cpu);
    read(cpu, 0, a);
    if (isEmpty(cpu, 0)) {
      if (!underflowed(r)) return finish(cpu);
      second.copy(r);
    } else if (!isEmpty(cpu, 7)) {
      if (!overflowed(r)) return finish(cpu);
      second.copy(r);
    } else {
      parts.extract(r, second, a);
      if (refused()) return refuse(cpu);
    }
    write(cpu, 0, second);
    setTop(cpu, topOf(cpu) - 1);
    write(cpu, 0, r);
    finish(cpu);
  },

  /** (0 FPTAN, 1 FSINCOS): replaces ST(0) and pushes 1 or the cosine. */
  x87Pair(cpu: CpuView): void {
    begin(cpu);
    const sineCosine = cpu.words[scratch]! !== 0;
    const mask = Status.c1 | Status.c2;
    read(cpu, 0, a);
    if (isEmpty(cpu, 0)) {
      if (!underflowed(r)) return finishWith(cpu, 0, mask);
      second.copy(r);
    } else if (!isEmpty(cpu, 7)) {
      if (!overflowed(r)) return finishWith(cpu, Status.c1, mask);
      second.copy(r);
    } else {
      if (sineCosine) {
        if (!functions.cosine(second, a)) return finishWith(cpu, Status.c2, mask);
        functions.sine(r, a);
      } else {
        if (!functions.tangent(r, a)) return finishWith(cpu, Status.c2, mask);
        if (kindOf(r) === Kind.quiet) second.copy(r);
        else second.set(0x3fff, 0x80000000 | 0, 0);
      }
      if (refused()) return refuse(cpu);
    }
    write(cpu, 0, r);
    setTop(cpu, topOf(cpu) - 1);
    write(cpu, 0, second);
    finishWith(cpu, environment.up ? Status.c1 : 0, mask);
  },

  /** FXAM: classifies ST(0). */
  x87Examine(cpu: CpuView): void {
    begin(cpu);
    read(cpu, 0, a);
    const { c0, c2, c3 } = Status;
    const classes = [c2, c3, c2 | c3, c0 | c2, c0, c0, 0];
    const bits = isEmpty(cpu, 0) ? c0 | c3 : classes[kindOf(a)]!;
    finishWith(cpu, bits | (a.head >>> 15 ? Status.c1 : 0), comparisonCodes);
  },

  /** (operation | i << 4): 0 FINCSTP, 1 FDECSTP, 2 FFREE, 3 FFREEP, 4 FNOP. */
  x87Stack(cpu: CpuView): void {
    begin(cpu);
    const request = cpu.words[scratch]!;
    const operation = request & 15;
    if (operation < 2) {
      setTop(cpu, topOf(cpu) + (operation === 0 ? 1 : -1));
      finish(cpu);
    } else if (operation < 4) {
      setEmpty(cpu, request >> 4, true);
      if (operation === 3) pop(cpu);
      finish(cpu);
    }
  },
};

/** Converts `a` and writes it to memory; false when an unmasked exception prevents the store. */
function storeValue(cpu: CpuView, format: number, address: number): boolean {
  const { words } = convert;
  const { memory } = cpu;
  const prevented = (): boolean =>
    (environment.flags & ~environment.masked & (Exception.invalid | Exception.overflow | Exception.underflow)) !== 0;
  switch (format) {
    case Format.single:
      convert.toSingle(a);
      if (environment.flags !== 0 && prevented()) return false;
      memory.writeU32(address, words.low);
      return true;
    case Format.double:
      convert.toDouble(a);
      if (environment.flags !== 0 && prevented()) return false;
      memory.check(address, 8, Access.write);
      memory.view.setInt32(address, words.low, true);
      memory.view.setInt32(address + 4, words.high, true);
      return true;
    case Format.extended:
      memory.check(address, 10, Access.write);
      memory.view.setInt32(address, a.low, true);
      memory.view.setInt32(address + 4, a.high, true);
      memory.view.setUint16(address + 8, a.head, true);
      return true;
    case Format.decimal:
      convert.toDecimal(a, buffer);
      if (prevented()) return false;
      memory.write(address, buffer);
      return true;
  }
  const truncates = format >= Format.truncatedWord;
  const size = truncates ? format - Format.truncatedWord : format - Format.word;
  convert.toInteger(a, size === 0 ? 16 : size === 1 ? 32 : 64, truncates);
  if (prevented()) return false;
  if (size === 0) memory.writeU16(address, words.low);
  else if (size === 1) memory.writeU32(address, words.low);
  else {
    memory.check(address, 8, Access.write);
    memory.view.setInt32(address, words.low, true);
    memory.view.setInt32(address + 4, words.high, true);
  }
  return true;
}
