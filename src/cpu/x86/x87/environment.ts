// Saving and restoring the x87 unit, MMX and SSE state: FNSTENV, FNSAVE and FXSAVE with their opposites, the control words
// (Intel SDM volume 1, 8.1.10 and 10.5.1). Signal frames use `saveFx` and `restoreFx`.

import { Access } from "../../../memory/layout.ts";
import { offsets, Vector } from "../../state.ts";
import { Trap } from "../../trap.ts";
import type { CpuView } from "../../view.ts";
import { Extended, Kind, kindOf } from "../softfloat/format.ts";
import {
  begin,
  getControl,
  getStatus,
  initialize,
  isEmpty,
  read,
  setControl,
  setStatus,
  Status,
  topOf,
} from "./unit.ts";

const scratch = offsets.scratch / 4;
const value = new Extended();
/** Bits that MXCSR has. */
export const mxcsrMask = 0xffff;

/** The tag word as stored: 0 valid, 1 zero, 2 special, 3 empty for each physical register. */
export function tagsOf(cpu: CpuView): number {
  let tags = 0;
  for (let i = 0; i < 8; i++) {
    let tag = 3;
    if (!isEmpty(cpu, i)) {
      read(cpu, i, value);
      const kind = kindOf(value);
      tag = kind === Kind.normal ? 0 : kind === Kind.zero ? 1 : 2;
    }
    tags |= tag << (((topOf(cpu) + i) & 7) * 2);
  }
  return tags;
}

/** Keeps of a tag word what the unit keeps: empty or not. */
function setTags(cpu: CpuView, tags: number): void {
  let kept = 0;
  for (let i = 0; i < 16; i += 2) if (((tags >> i) & 3) === 3) kept |= 3 << i;
  cpu.view.setUint16(offsets.x87Tags, kept, true);
}

/** Bytes of the environment in the two formats. */
const environmentSize = (short: boolean): number => (short ? 14 : 28);

function storeEnvironment(cpu: CpuView, address: number, short: boolean): void {
  const { view } = cpu;
  const to = cpu.memory.view;
  const opcode = view.getUint16(offsets.x87Opcode, true) & 0x7ff;
  const fields = [
    getControl(cpu) | 0xffff0000,
    getStatus(cpu) | 0xffff0000,
    tagsOf(cpu) | 0xffff0000,
    view.getUint32(offsets.x87Pc, true),
    opcode << 16,
    view.getUint32(offsets.x87Data, true),
    0xffff0000,
  ];
  if (short) fields[4] = fields[6] = 0;
  for (const [i, field] of fields.entries())
    if (short) to.setUint16(address + 2 * i, field & 0xffff, true);
    else to.setUint32(address + 4 * i, field >>> 0, true);
}

function loadEnvironment(cpu: CpuView, address: number, short: boolean): void {
  const from = cpu.memory.view;
  const field = (i: number): number =>
    short ? from.getUint16(address + 2 * i, true) : from.getUint32(address + 4 * i, true);
  cpu.bytes.fill(0, offsets.x87Pc, offsets.x87Data + 8);
  cpu.view.setUint32(offsets.x87Pc, field(3), true);
  cpu.view.setUint32(offsets.x87Data, field(5), true);
  cpu.view.setUint16(offsets.x87Opcode, short ? 0 : (field(4) >>> 16) & 0x7ff, true);
  setStatus(cpu, field(1) & 0xffff);
  setTags(cpu, field(2));
  setControl(cpu, field(0) & 0xffff);
}

/** Writes the 512-byte FXSAVE image, but for the part that the processor leaves alone; see the SDM's table 10-2. */
export function saveFx(cpu: CpuView, to: Uint8Array, options: { long: boolean; wide: boolean }): void {
  const view = new DataView(to.buffer, to.byteOffset, 512);
  to.fill(0, 0, 160);
  view.setUint16(0, getControl(cpu), true);
  view.setUint16(2, getStatus(cpu), true);
  let used = 0;
  for (let i = 0; i < 8; i++) if (!isEmpty(cpu, i)) used |= 1 << ((topOf(cpu) + i) & 7);
  to[4] = used;
  view.setUint16(6, cpu.view.getUint16(offsets.x87Opcode, true) & 0x7ff, true);
  const pointer = (at: number, from: number): void => {
    view.setUint32(at, cpu.view.getUint32(from, true), true);
    if (options.wide) view.setUint32(at + 4, cpu.view.getUint32(from + 4, true), true);
  };
  pointer(8, offsets.x87Pc);
  pointer(16, offsets.x87Data);
  view.setUint32(24, cpu.view.getUint32(offsets.mxcsr, true), true);
  view.setUint32(28, mxcsrMask, true);
  for (let i = 0; i < 8; i++) {
    const from = offsets.x87 + ((topOf(cpu) + i) & 7) * 16;
    to.set(cpu.bytes.subarray(from, from + 10), 32 + 16 * i);
  }
  to.set(cpu.bytes.subarray(offsets.xmm, offsets.xmm + (options.long ? 256 : 128)), 160);
}

/** Restores an FXSAVE image. Throws #GP for reserved MXCSR bits, having changed nothing. */
export function restoreFx(cpu: CpuView, from: Uint8Array, options: { long: boolean; wide: boolean }): void {
  const view = new DataView(from.buffer, from.byteOffset, 512);
  setMxcsr(cpu, view.getUint32(24, true));
  cpu.bytes.fill(0, offsets.x87Pc, offsets.x87Data + 8);
  setStatus(cpu, view.getUint16(2, true));
  const used = from[4]!;
  let tags = 0;
  for (let i = 0; i < 8; i++) if (!((used >> i) & 1)) tags |= 3 << (2 * i);
  cpu.view.setUint16(offsets.x87Tags, tags, true);
  cpu.view.setUint16(offsets.x87Opcode, view.getUint16(6, true) & 0x7ff, true);
  cpu.view.setUint32(offsets.x87Pc, view.getUint32(8, true), true);
  cpu.view.setUint32(offsets.x87Data, view.getUint32(16, true), true);
  if (options.wide) {
    cpu.view.setUint32(offsets.x87Pc + 4, view.getUint32(12, true), true);
    cpu.view.setUint32(offsets.x87Data + 4, view.getUint32(20, true), true);
  }
  for (let i = 0; i < 8; i++) {
    const to = offsets.x87 + ((topOf(cpu) + i) & 7) * 16;
    cpu.bytes.set(from.subarray(32 + 16 * i, 42 + 16 * i), to);
  }
  setControl(cpu, view.getUint16(0, true));
  cpu.bytes.set(from.subarray(160, options.long ? 416 : 288), offsets.xmm);
}

function setMxcsr(cpu: CpuView, mxcsr: number): void {
  if (mxcsr & ~mxcsrMask) throw new Trap(Vector.generalProtection);
  cpu.view.setUint32(offsets.mxcsr, mxcsr, true);
}

/** Bits of a save or restore request. */
export const Save = { short: 1, registers: 2, long: 4, wide: 8 } as const;

export const environmentCallouts = {
  /** Raises a pending exception: FWAIT and the waiting control instructions. */
  x87Wait(cpu: CpuView): void {
    begin(cpu);
  },
  /** (value): FLDCW. */
  x87SetControl(cpu: CpuView): void {
    begin(cpu);
    setControl(cpu, cpu.words[scratch]! & 0xffff);
  },
  /** FNCLEX. */
  x87Clear(cpu: CpuView): void {
    setStatus(cpu, getStatus(cpu) & ~(0x3f | Status.stackFault | Status.summary | Status.busy));
  },
  /** FNINIT. */
  x87Initialize(cpu: CpuView): void {
    initialize(cpu);
  },
  /** (request, address): FNSTENV, FNSAVE; the place has been probed. */
  x87Save(cpu: CpuView): void {
    const request = cpu.words[scratch]!;
    const address = cpu.words[scratch + 2]! >>> 0;
    const short = (request & Save.short) !== 0;
    const size = environmentSize(short);
    const registers = (request & Save.registers) !== 0;
    cpu.memory.check(address, size + (registers ? 80 : 0), Access.write);
    storeEnvironment(cpu, address, short);
    if (registers) {
      for (let i = 0; i < 8; i++) {
        const from = offsets.x87 + ((topOf(cpu) + i) & 7) * 16;
        cpu.memory.u8.set(cpu.bytes.subarray(from, from + 10), address + size + 10 * i);
      }
      initialize(cpu);
    } else {
      setControl(cpu, getControl(cpu) | 0x3f);
    }
  },
  /** (request, address): FLDENV, FRSTOR. */
  x87Restore(cpu: CpuView): void {
    const request = cpu.words[scratch]!;
    const address = cpu.words[scratch + 2]! >>> 0;
    const short = (request & Save.short) !== 0;
    const size = environmentSize(short);
    const registers = (request & Save.registers) !== 0;
    begin(cpu);
    cpu.memory.check(address, size + (registers ? 80 : 0), Access.read);
    loadEnvironment(cpu, address, short);
    if (!registers) return;
    for (let i = 0; i < 8; i++) {
      const from = address + size + 10 * i;
      cpu.bytes.set(cpu.memory.u8.subarray(from, from + 10), offsets.x87 + ((topOf(cpu) + i) & 7) * 16);
    }
  },
  /** (request, address): FXSAVE; aligned and probed. */
  fxsave(cpu: CpuView): void {
    const request = cpu.words[scratch]!;
    const to = cpu.memory.bytes(cpu.words[scratch + 2]! >>> 0, 512, Access.write);
    saveFx(cpu, to, { long: (request & Save.long) !== 0, wide: (request & Save.wide) !== 0 });
  },
  /** (request, address): FXRSTOR; aligned. */
  fxrstor(cpu: CpuView): void {
    const request = cpu.words[scratch]!;
    const from = cpu.memory.bytes(cpu.words[scratch + 2]! >>> 0, 512, Access.read);
    restoreFx(cpu, from, { long: (request & Save.long) !== 0, wide: (request & Save.wide) !== 0 });
  },
  /** (value): LDMXCSR. */
  loadMxcsr(cpu: CpuView): void {
    setMxcsr(cpu, cpu.words[scratch]! >>> 0);
  },
};
