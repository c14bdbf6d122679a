// Typed access to the CPU state, wherever it lives: in the linear memory while its task runs, in a buffer of the task's
// own otherwise. What callouts, signal frames, system calls and debuggers use.

import type { GuestMemory } from "../memory/guest.ts";
import { layout } from "../memory/layout.ts";
import { offsets } from "./state.ts";

/** What instructions ask of the surroundings of their machine. */
export interface CpuServices {
  /** The time-stamp counter: nanoseconds since some start, below 2^53. */
  timestamp(): number;
  /** Base of the segment that a selector names, when user code may load it into a segment register. */
  segmentBase(selector: number): number | undefined;
}

/** Services for a CPU outside any machine: the host's clock, null selectors only. */
const plainServices: CpuServices = {
  timestamp: () => Date.now() * 1e6,
  segmentBase: (selector) => (selector < 4 ? 0 : undefined),
};

export class CpuView {
  /** Set by the kernel; a clone shares it. */
  services: CpuServices = plainServices;
  /** The guest's memory, for callouts that access it with checks. */
  memory: GuestMemory;
  /** Bytes that string instructions have moved since the executor began to run: they cost no fuel. */
  effort = 0;
  private home = new ArrayBuffer(offsets.size);
  private resident = false;
  private detach: (() => void) | undefined;
  /** All fields, at the byte offsets of cpu/state.ts; replaced when the state moves or memory grows. */
  view!: DataView;
  /** The same as signed 32-bit words (offset / 4). */
  words!: Int32Array;
  bytes!: Uint8Array;

  constructor(memory: GuestMemory) {
    this.memory = memory;
    this.point();
  }

  private point(): void {
    const [buffer, at] = this.resident ? [this.memory.wasm.buffer, layout.state] : [this.home, 0];
    this.view = new DataView(buffer, at, offsets.size);
    this.words = new Int32Array(buffer, at, offsets.size / 4);
    this.bytes = new Uint8Array(buffer, at, offsets.size);
  }

  /** Moves the state into linear memory, where compiled code uses it. The caller has moved any other task's out. */
  enter(): void {
    if (this.resident) return;
    this.memory.u8.set(this.bytes, layout.state);
    this.resident = true;
    const refresh = () => this.point();
    this.memory.grown.push(refresh);
    this.detach = () => this.memory.grown.splice(this.memory.grown.indexOf(refresh), 1);
    this.point();
  }

  /** Moves the state back to the task's own buffer. */
  leave(): void {
    if (!this.resident) return;
    new Uint8Array(this.home).set(this.bytes);
    this.resident = false;
    this.detach?.();
    this.point();
  }

  /** A copy of the state for another task, in the same or another memory. */
  clone(memory: GuestMemory): CpuView {
    const copy = new CpuView(memory);
    copy.bytes.set(this.bytes);
    copy.services = this.services;
    return copy;
  }

  /** Low 32 bits of a register, signed. */
  low(register: number): number {
    return this.words[register * 2]!;
  }
  high(register: number): number {
    return this.words[register * 2 + 1]!;
  }
  /** A register as an unsigned number; exact below 2^53. */
  get(register: number): number {
    return (this.words[register * 2]! >>> 0) + (this.words[register * 2 + 1]! >>> 0) * 0x1_0000_0000;
  }
  /** A register as a signed number; exact within 2^53. */
  getSigned(register: number): number {
    return (this.words[register * 2]! >>> 0) + this.words[register * 2 + 1]! * 0x1_0000_0000;
  }
  getBig(register: number): bigint {
    return this.view.getBigUint64(register * 8, true);
  }
  /** Sets all 64 bits from a number, negative or not; exact within 2^53. */
  set(register: number, value: number): void {
    this.words[register * 2] = value % 0x1_0000_0000;
    this.words[register * 2 + 1] = Math.floor(value / 0x1_0000_0000);
  }
  setBig(register: number, value: bigint): void {
    this.view.setBigInt64(register * 8, BigInt.asIntN(64, value), true);
  }
  get pc(): number {
    return this.view.getUint32(offsets.pc, true) + this.view.getUint32(offsets.pc + 4, true) * 0x1_0000_0000;
  }
  set pc(value: number) {
    this.view.setUint32(offsets.pc, value % 0x1_0000_0000, true);
    this.view.setUint32(offsets.pc + 4, Math.floor(value / 0x1_0000_0000), true);
  }
}
