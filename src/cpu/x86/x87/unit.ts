// The x87 unit's registers in the CPU state: the stack, tags, status and control words, and what every instruction does
// before and after its work (Intel SDM volume 1, chapter 8).

import { offsets, Vector } from "../../state.ts";
import { Trap } from "../../trap.ts";
import type { CpuView } from "../../view.ts";
import { environment, Exception, type Extended, setIndefinite } from "../softfloat/format.ts";

/** Bits of the status word beyond the exceptions. */
export const Status = {
  stackFault: 0x40,
  summary: 0x80,
  c0: 0x100,
  c1: 0x200,
  c2: 0x400,
  c3: 0x4000,
  busy: 0x8000,
} as const;
const codes = Status.c0 | Status.c1 | Status.c2 | Status.c3;

/** Control word of FNINIT: everything masked, 64 bits of precision, round to nearest. */
export const initialControl = 0x37f;
export const initialMxcsr = 0x1f80;

// Control is the low half of its word and status the high half; so are tags and opcode.
const controlWord = offsets.x87Control / 4;
const tagWord = offsets.x87Tags / 4;
const registers = offsets.x87 / 4;

export const getControl = (cpu: CpuView): number => cpu.words[controlWord]! & 0xffff;
export const getStatus = (cpu: CpuView): number => cpu.words[controlWord]! >>> 16;
/** Bits 6, 7 and 13-15 of the control word: bit 6 reads as one, the others as zero. */
export function setControl(cpu: CpuView, value: number): void {
  cpu.words[controlWord] = (cpu.words[controlWord]! & ~0xffff) | (value & 0x1f3f) | 0x40;
  summarize(cpu);
}
export function setStatus(cpu: CpuView, value: number): void {
  cpu.words[controlWord] = (cpu.words[controlWord]! & 0xffff) | (value << 16);
}
/** Sets the exception summary and busy bits from the exceptions and masks. */
export function summarize(cpu: CpuView): void {
  const status = getStatus(cpu);
  const pending = (status & ~getControl(cpu) & 0x3f) !== 0;
  setStatus(cpu, pending ? status | Status.summary | Status.busy : status & ~(Status.summary | Status.busy));
}

export const topOf = (cpu: CpuView): number => (cpu.words[controlWord]! >>> 27) & 7;
export function setTop(cpu: CpuView, top: number): void {
  cpu.words[controlWord] = (cpu.words[controlWord]! & ~(7 << 27)) | ((top & 7) << 27);
}
const physical = (cpu: CpuView, i: number): number => ((cpu.words[controlWord]! >>> 27) + i) & 7;

/** Whether ST(i) is empty. Only empty (3) and not empty count; stores of the environment compute the rest. */
export const isEmpty = (cpu: CpuView, i: number): boolean =>
  ((cpu.words[tagWord]! >>> (physical(cpu, i) * 2)) & 3) === 3;
export function setEmpty(cpu: CpuView, i: number, empty: boolean): void {
  const bits = 3 << (physical(cpu, i) * 2);
  cpu.words[tagWord] = empty ? cpu.words[tagWord]! | bits : cpu.words[tagWord]! & ~bits;
}

export function read(cpu: CpuView, i: number, to: Extended): void {
  const at = registers + physical(cpu, i) * 4;
  const { words } = cpu;
  to.low = words[at]!;
  to.high = words[at + 1]!;
  to.head = words[at + 2]! & 0xffff;
}

/** Writes ST(i) and marks it as in use. */
export function write(cpu: CpuView, i: number, from: Extended): void {
  const number = physical(cpu, i);
  const at = registers + number * 4;
  const { words } = cpu;
  words[at] = from.low;
  words[at + 1] = from.high;
  words[at + 2] = from.head;
  words[tagWord] = words[tagWord]! & ~(3 << (number * 2));
}

export function pop(cpu: CpuView): void {
  setEmpty(cpu, 0, true);
  setTop(cpu, topOf(cpu) + 1);
}

const precisions = [24, 64, 53, 64] as const;

/** Starts an instruction: raises what is pending, sets the environment from the control word. */
export function begin(cpu: CpuView): void {
  const word = cpu.words[controlWord]!;
  if (word & (Status.summary << 16)) throw new Trap(Vector.x87);
  environment.rounding = (word >> 10) & 3;
  environment.precision = precisions[(word >> 8) & 3]!;
  environment.masked = word & 0x3f;
  environment.flags = 0;
  environment.up = 0;
}

/** True when an exception raised so far keeps the instruction from storing its result. */
export const refused = (): boolean =>
  (environment.flags & ~environment.masked & (Exception.invalid | Exception.denormal | Exception.zeroDivide)) !== 0;

/** Ends an instruction: exceptions and C1, which is clear unless something was rounded up. */
export function finish(cpu: CpuView): void {
  finishWith(cpu, environment.up ? Status.c1 : 0, Status.c1);
}

/** Ends an instruction that sets condition codes: the bits in `mask` become `bits`. */
export function finishWith(cpu: CpuView, bits: number, mask: number = codes): void {
  const { words } = cpu;
  const { flags } = environment;
  let status = (words[controlWord]! >>> 16) & ~mask;
  status |= bits | flags;
  if ((flags & ~words[controlWord]! & 0x3f) !== 0) status |= Status.summary | Status.busy;
  words[controlWord] = (words[controlWord]! & 0xffff) | (status << 16);
}

/** Exceptions of a refused instruction: those found before it computed anything. */
export function refuse(cpu: CpuView): void {
  environment.flags &= Status.stackFault | Exception.invalid | Exception.denormal | Exception.zeroDivide;
  environment.up = 0;
  finish(cpu);
}

/** A read of an empty register: true when the masked response, an indefinite operand, is to be used. */
export function underflowed(r: Extended): boolean {
  environment.flags |= Exception.invalid | Status.stackFault;
  environment.up = 0;
  setIndefinite(r);
  return (environment.masked & Exception.invalid) !== 0;
}

/** A push onto a full stack: the same, with C1 set. */
export function overflowed(r: Extended): boolean {
  const masked = underflowed(r);
  environment.up = 1;
  return masked;
}

/**
 * Ends an instruction by pushing a result. When ST(7) is in use the stack overflows, whatever the result was.
 * The caller has not changed the stack yet.
 */
export function push(cpu: CpuView, r: Extended): void {
  if (!isEmpty(cpu, 7)) {
    environment.flags = 0;
    if (!overflowed(r)) return finish(cpu);
  } else if (refused()) return refuse(cpu);
  setTop(cpu, topOf(cpu) - 1);
  write(cpu, 0, r);
  finish(cpu);
}

/** Puts the x87 unit, MMX and SSE into the state that a new program and a signal handler find. */
export function resetFloatingPoint(cpu: CpuView): void {
  initialize(cpu);
  cpu.bytes.fill(0, offsets.x87, offsets.x87 + 128);
  cpu.bytes.fill(0, offsets.xmm, offsets.xmm + 256);
  cpu.words[offsets.mxcsr / 4] = initialMxcsr;
}

/** FNINIT: the registers keep their contents and are empty. */
export function initialize(cpu: CpuView): void {
  cpu.words[controlWord] = initialControl;
  cpu.words[tagWord] = 0xffff;
  cpu.bytes.fill(0, offsets.x87Pc, offsets.x87Data + 8);
}
