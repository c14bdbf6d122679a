// The string comparison of SSE4.2, PCMPESTRI and its kin, as a callout (Intel SDM volume 2, section 4.1).

import { Flag } from "../ir/flags.ts";
import { offsets, Register } from "../state.ts";
import type { CpuView } from "../view.ts";

const scratch = offsets.scratch / 4;

/** Bits of the request besides the immediate in its low byte and the first register in bits 8-11. */
const Request = { explicit: 0x1000, index: 0x2000, wide: 0x4000 } as const;

/** An explicit length: the magnitude of a register, at most the number of elements. */
function explicitLength(cpu: CpuView, register: number, wide: boolean, count: number): number {
  const length = wide ? cpu.getSigned(register) : cpu.low(register);
  return Math.min(Math.abs(length), count);
}

const first = new Int32Array(16);
const second = new Int32Array(16);

/** Spreads 16 bytes at `at` into elements; gives the number of elements before the first zero. */
function elements(cpu: CpuView, at: number, immediate: number, to: Int32Array): number {
  const { view } = cpu;
  const count = immediate & 1 ? 8 : 16;
  let length = count;
  for (let i = 0; i < count; i++) {
    let value: number;
    if (immediate & 1) value = immediate & 2 ? view.getInt16(at + 2 * i, true) : view.getUint16(at + 2 * i, true);
    else value = immediate & 2 ? view.getInt8(at + i) : view.getUint8(at + i);
    to[i] = value;
    if (value === 0 && length === count) length = i;
  }
  return length;
}

/** The result bits (IntRes1) of one of the four ways of comparing. */
function aggregate(how: number, count: number, lengthA: number, lengthB: number): number {
  let bits = 0;
  for (let j = 0; j < count; j++) {
    const inB = j < lengthB;
    let set = false;
    switch (how) {
      case 0: // equal any: b[j] is one of a
        for (let i = 0; i < lengthA && inB; i++) if (first[i] === second[j]) set = true;
        break;
      case 1: // ranges: a holds pairs of bounds
        for (let i = 0; i + 1 < lengthA && inB; i += 2)
          if (second[j]! >= first[i]! && second[j]! <= first[i + 1]!) set = true;
        break;
      case 2: // equal each: both past their ends counts as equal
        set = j < lengthA && inB ? first[j] === second[j] : j >= lengthA && !inB;
        break;
      default: // equal ordered: a begins at b[j]
        set = true;
        for (let i = 0; i < lengthA && j + i < count; i++)
          if (j + i >= lengthB || first[i] !== second[j + i]) set = false;
    }
    if (set) bits |= 1 << j;
  }
  return bits;
}

export const stringCallouts = {
  /** (request, second operand): EFLAGS bits, and for index forms the index above them; mask forms write XMM0. */
  compareStrings(cpu: CpuView): void {
    const request = cpu.words[scratch]!;
    const immediate = request & 0xff;
    const count = immediate & 1 ? 8 : 16;
    let lengthA = elements(cpu, offsets.xmm + ((request >> 8) & 15) * 16, immediate, first);
    let lengthB = elements(cpu, offsets.scratch + 8, immediate, second);
    if (request & Request.explicit) {
      const wide = (request & Request.wide) !== 0;
      lengthA = explicitLength(cpu, Register.rax, wide, count);
      lengthB = explicitLength(cpu, Register.rdx, wide, count);
    }
    const all = (1 << count) - 1;
    const plain = aggregate((immediate >> 2) & 3, count, lengthA, lengthB);
    // Polarity: bit 4 negates, bit 5 only where the second operand is valid.
    const negate = immediate & 0x10 ? (immediate & 0x20 ? (1 << lengthB) - 1 : all) : 0;
    const result = plain ^ negate;
    let flags = 0;
    if (result !== 0) flags |= Flag.carry;
    if (lengthB < count) flags |= Flag.zero;
    if (lengthA < count) flags |= Flag.sign;
    if (result & 1) flags |= Flag.overflow;
    let index = 0;
    const high = (immediate & 0x40) !== 0;
    if (request & Request.index) {
      if (result === 0) index = count;
      else index = high ? 31 - Math.clz32(result) : 31 - Math.clz32(result & -result);
    } else {
      const to = cpu.bytes.subarray(offsets.xmm, offsets.xmm + 16);
      const width = 16 / count;
      if (high) for (let i = 0; i < 16; i++) to[i] = (result >> Math.floor(i / width)) & 1 ? 0xff : 0;
      else to.fill(0).set([result & 0xff, result >> 8]);
    }
    cpu.words[scratch + 6] = flags;
    cpu.words[scratch + 7] = index;
  },
};
