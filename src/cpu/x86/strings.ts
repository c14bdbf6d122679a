// Repeated string instructions as callouts: a bounded number of steps each, so that a huge count gives the scheduler its
// turn. RSI, RDI and RCX say how far it came; the instruction is executed again while the result is 1.

import { PageFault } from "../../memory/guest.ts";
import { Access, Denied, layout, pageShift, pageSize } from "../../memory/layout.ts";
import { FlagKind, flagImmediate } from "../ir/flags.ts";
import type { Size } from "../ir/flags.ts";
import { offsets, Register } from "../state.ts";
import type { CpuView } from "../view.ts";

/** What the first operand of the callouts says. */
export interface RepeatControl {
  readonly size: Size;
  readonly addressSize: Size;
  /** REPE rather than REPNE. */
  readonly whileEqual: boolean;
}

export const repeatControl = ({ size, addressSize, whileEqual }: RepeatControl): number =>
  size | (addressSize << 2) | (whileEqual ? 16 : 0);

/** Steps a callout does at most: bytes when it copies or fills, elements when it compares. */
const limits = { bytes: 1 << 20, elements: 1 << 14 } as const;

/** The registers of one repeated instruction. */
class Run {
  readonly cpu: CpuView;
  readonly size: Size;
  readonly bytes: number;
  readonly whileEqual: boolean;
  /** 1 or -1. */
  readonly direction: number;
  private readonly addressSize: number;
  private readonly sourceBase: number;
  source: number;
  destination: number;
  count: number;

  constructor(cpu: CpuView) {
    const control = cpu.words[offsets.scratch / 4]!;
    this.cpu = cpu;
    this.size = (control & 3) as Size;
    this.bytes = 1 << this.size;
    this.addressSize = (control >> 2) & 3;
    this.whileEqual = (control & 16) !== 0;
    this.direction = cpu.words[offsets.direction / 4] ? -1 : 1;
    this.sourceBase =
      (cpu.words[offsets.scratch / 4 + 2]! >>> 0) + (cpu.words[offsets.scratch / 4 + 3]! >>> 0) * 0x1_0000_0000;
    this.source = this.read(Register.rsi);
    this.destination = this.read(Register.rdi);
    this.count = this.read(Register.rcx);
  }

  private read(register: number): number {
    if (this.addressSize === 3) return this.cpu.get(register);
    return this.addressSize === 2 ? this.cpu.low(register) >>> 0 : this.cpu.low(register) & 0xffff;
  }

  private write(register: number, value: number): void {
    const { cpu, addressSize } = this;
    if (addressSize === 3) cpu.set(register, value);
    else if (addressSize === 2) cpu.set(register, value >>> 0);
    else cpu.words[register * 2] = (cpu.words[register * 2]! & ~0xffff) | (value & 0xffff);
  }

  /** Linear address of the current source element. A segment base above 2 GiB wraps as addresses do. */
  get from(): number {
    if (this.sourceBase === 0) return this.source;
    const sum = this.source + this.sourceBase;
    return this.addressSize === 3 ? sum % 2 ** 64 : sum % 0x1_0000_0000;
  }

  /** Does `steps` elements: moves the registers that the instruction uses. */
  step(steps: number, useSource: boolean, useDestination: boolean): void {
    const distance = this.direction * steps * this.bytes;
    if (useSource) this.source = this.wrap(this.source + distance);
    if (useDestination) this.destination = this.wrap(this.destination + distance);
    this.count -= steps;
  }

  private wrap(value: number): number {
    if (this.addressSize === 3) return value;
    const modulus = this.addressSize === 2 ? 0x1_0000_0000 : 0x10000;
    return ((value % modulus) + modulus) % modulus;
  }

  /** Elements from `address` on that lie in its page, in the run's direction; none when the first one crosses its end. */
  within(address: number): number {
    const offset = address % pageSize;
    if (offset + this.bytes > pageSize) return 0;
    const room = this.direction > 0 ? pageSize - offset : offset + this.bytes;
    return Math.floor(room / this.bytes);
  }

  /** Bytes of a piece of `steps` elements start here when its first element is at `address`. */
  lowest(address: number, steps: number): number {
    return this.direction > 0 ? address : address - (steps - 1) * this.bytes;
  }

  /** Writes the registers and the result. `useSource` and `useDestination` say which of RSI and RDI to write. */
  finish(useSource: boolean, useDestination: boolean, more: boolean): void {
    if (useSource) this.write(Register.rsi, this.source);
    if (useDestination) this.write(Register.rdi, this.destination);
    this.write(Register.rcx, this.count);
    this.cpu.words[offsets.scratch / 4 + 6] = more ? 1 : 0;
    this.cpu.words[offsets.scratch / 4 + 7] = 0;
  }
}

/**
 * Runs `piece` over pieces within pages until the count or the limit is reached. A fault after the first piece ends the
 * run early; the instruction then meets it again with nothing else done.
 */
function inPieces(run: Run, useSource: boolean, useDestination: boolean, piece: (steps: number) => void): void {
  let budget = limits.bytes / run.bytes;
  let started = false;
  while (run.count > 0 && budget > 0) {
    let steps = Math.min(run.count, budget);
    if (useSource) steps = Math.min(steps, run.within(run.from));
    if (useDestination) steps = Math.min(steps, run.within(run.destination));
    steps = Math.max(steps, 1);
    try {
      piece(steps);
    } catch (fault) {
      if (!(fault instanceof PageFault)) throw fault;
      if (started) break;
      if (steps === 1) throw fault;
      // One element tells which address the processor would have met first.
      piece((steps = 1));
    }
    run.step(steps, useSource, useDestination);
    budget -= steps;
    run.cpu.effort += steps * run.bytes;
    started = true;
  }
  run.finish(useSource, useDestination, run.count > 0);
}

/**
 * The usual case of MOVS and STOS: upwards, no segment base, at most a page, all of it accessible. Does it and writes the
 * registers; false when the case is another one. Compilers copy short structures this way, so it must be quick.
 */
function quickly(cpu: CpuView, useSource: boolean): boolean {
  const { words, memory } = cpu;
  const control = words[offsets.scratch / 4]!;
  const long = ((control >> 2) & 3) === 3 ? 1 : 0;
  const count = words[2 * Register.rcx]! >>> 0;
  if ((count - 1) >>> 0 >= pageSize || words[offsets.direction / 4] || ((control >> 2) & 3) === 1) return false;
  if (words[offsets.scratch / 4 + 2] || words[offsets.scratch / 4 + 3]) return false;
  if (long && words[2 * Register.rcx + 1]! | words[2 * Register.rdi + 1]!) return false;
  const length = count << (control & 3);
  const to = words[2 * Register.rdi]! >>> 0;
  if (length > pageSize || to + length > layout.end) return false;
  const { table, u8 } = memory;
  if ((table[to >>> pageShift]! | table[(to + length - 1) >>> pageShift]!) & Denied.write) return false;
  if (useSource) {
    const from = words[2 * Register.rsi]! >>> 0;
    if ((long && words[2 * Register.rsi + 1]) || from + length > layout.end || (to > from && to < from + length))
      return false;
    if ((table[from >>> pageShift]! | table[(from + length - 1) >>> pageShift]!) & Denied.read) return false;
    if (length > 32) u8.copyWithin(to, from, from + length);
    else for (let i = 0; i < length; i++) u8[to + i] = u8[from + i]!;
    cpu.set(Register.rsi, from + length);
  } else {
    const bytes = 1 << (control & 3);
    if (length > 32 && bytes === 1) u8.fill(cpu.bytes[8 * Register.rax]!, to, to + length);
    else for (let i = 0; i < length; i++) u8[to + i] = cpu.bytes[8 * Register.rax + (i & (bytes - 1))]!;
  }
  cpu.effort += length;
  cpu.set(Register.rdi, to + length);
  cpu.set(Register.rcx, 0);
  words[offsets.scratch / 4 + 6] = 0;
  words[offsets.scratch / 4 + 7] = 0;
  return true;
}

function move(cpu: CpuView): void {
  if (quickly(cpu, true)) return;
  const run = new Run(cpu);
  const { memory } = cpu;
  inPieces(run, true, true, (steps) => {
    const length = steps * run.bytes;
    const from = run.lowest(run.from, steps);
    const to = run.lowest(run.destination, steps);
    memory.check(from, length, Access.read);
    memory.check(to, length, Access.write);
    const bytes = memory.u8;
    // An overlap in the direction of travel repeats what was just written.
    const chases = run.direction > 0 ? to > from && to < from + length : from > to && from < to + length;
    if (!chases) bytes.copyWithin(to, from, from + length);
    else
      for (let i = 0; i < steps; i++) {
        const at = (run.direction > 0 ? i : steps - 1 - i) * run.bytes;
        bytes.copyWithin(to + at, from + at, from + at + run.bytes);
      }
  });
}

function store(cpu: CpuView): void {
  if (quickly(cpu, false)) return;
  const run = new Run(cpu);
  const { memory } = cpu;
  const value = cpu.bytes.slice(Register.rax * 8, Register.rax * 8 + run.bytes);
  const uniform = value.every((byte) => byte === value[0]);
  inPieces(run, false, true, (steps) => {
    const length = steps * run.bytes;
    const to = run.lowest(run.destination, steps);
    memory.check(to, length, Access.write);
    if (uniform) memory.u8.fill(value[0]!, to, to + length);
    else for (let at = to; at < to + length; at += run.bytes) memory.u8.set(value, at);
  });
}

function load(cpu: CpuView): void {
  const run = new Run(cpu);
  const last = new Uint8Array(8);
  if (run.count === 0) return run.finish(false, false, false);
  inPieces(run, true, false, (steps) => {
    const from = run.lowest(run.from, steps);
    cpu.memory.check(from, steps * run.bytes, Access.read);
    const at = run.direction > 0 ? from + (steps - 1) * run.bytes : from;
    last.set(cpu.memory.u8.subarray(at, at + run.bytes));
  });
  const size = run.bytes === 4 ? 8 : run.bytes;
  cpu.bytes.set(last.subarray(0, size), Register.rax * 8);
}

/** CMPS and SCAS: stops at the first element that differs (REPE) or matches (REPNE). */
function compareWith(useSource: boolean): (cpu: CpuView) => void {
  return (cpu) => {
    const run = new Run(cpu);
    const { memory } = cpu;
    const { bytes } = run;
    const a = new Uint8Array(8);
    const b = new Uint8Array(8);
    if (!useSource) a.set(cpu.bytes.subarray(Register.rax * 8, Register.rax * 8 + bytes));
    let more = run.count > 0;
    let started = false;
    for (let budget: number = limits.elements; more && budget > 0; budget--) {
      try {
        memory.check(run.destination, bytes, Access.read);
        b.set(memory.u8.subarray(run.destination, run.destination + bytes));
        if (useSource) {
          memory.check(run.from, bytes, Access.read);
          a.set(memory.u8.subarray(run.from, run.from + bytes));
        }
      } catch (fault) {
        if (started && fault instanceof PageFault) break;
        throw fault;
      }
      started = true;
      run.step(1, useSource, true);
      let equal = true;
      for (let i = 0; i < bytes; i++) if (a[i] !== b[i]) equal = false;
      more = run.count > 0 && equal === run.whileEqual;
    }
    if (started) {
      cpu.words[offsets.flagKind / 4] = flagImmediate(FlagKind.sub, run.size);
      cpu.bytes.set(a, offsets.flagA);
      cpu.bytes.set(b, offsets.flagB);
    }
    // With a count of zero only RCX is written, which clears the upper half of a 32-bit one; MOVS and STOS write all.
    run.finish(useSource && started, started, more);
  };
}

export const stringCallouts = {
  repeatMove: move,
  repeatStore: store,
  repeatLoad: load,
  repeatCompare: compareWith(true),
  repeatScan: compareWith(false),
};
