// The registers of a task as the Linux personality uses them: flags, floating-point images, segment selectors.

import { arithmeticFlags, Flag, FlagKind } from "../cpu/ir/flags.ts";
import { offsets, Register } from "../cpu/state.ts";
import type { CpuView } from "../cpu/view.ts";
import type { Task } from "../kernel/task.ts";

export { offsets, Register };

/** The processor state of an x86 task. */
export function cpu(task: Task): CpuView {
  return task.context as CpuView;
}

/** Selectors that Linux gives user programs on x86-64. */
export const Selector = { code64: 0x33, code32: 0x23, data: 0x2b } as const;

const fixed = 0x202;
const otherFlags = 0x100 | 0x4000 | 0x40000 | 0x200000;
const direction = 0x400;

/** EFLAGS, with the lazily kept arithmetic flags worked out. */
export function readFlags(view: CpuView): number {
  const { view: state } = view;
  const other = state.getUint32(offsets.otherFlags, true) & otherFlags;
  const down = state.getUint32(offsets.direction, true) === 0 ? 0 : direction;
  return fixed | other | down | arithmetic(state);
}

export function writeFlags(view: CpuView, flags: number): void {
  const { view: state } = view;
  state.setUint32(offsets.flagKind, FlagKind.bits, true);
  state.setBigUint64(offsets.flagA, BigInt(flags & arithmeticFlags), true);
  state.setUint32(offsets.direction, (flags & direction) === 0 ? 0 : 1, true);
  state.setUint32(offsets.otherFlags, flags & otherFlags, true);
}

/** The arithmetic flags by kind and operands (cpu/ir/flags.ts). Rare, so plain big integers do. */
function arithmetic(state: DataView): number {
  const word = state.getUint32(offsets.flagKind, true);
  const kind = word & 0xff;
  const bits = 8n << BigInt((word >>> 8) & 3);
  const mask = (1n << bits) - 1n;
  const raw = state.getBigUint64(offsets.flagA, true);
  if (kind === FlagKind.bits) return Number(raw) & arithmeticFlags;
  const a = raw & mask;
  const b = state.getBigUint64(offsets.flagB, true) & mask;
  const c = state.getBigUint64(offsets.flagC, true) & mask;
  const top = 1n << (bits - 1n);
  let result = a;
  let carry = false;
  let overflow = false;
  let adjust = false;
  switch (kind) {
    case FlagKind.add:
    case FlagKind.adc: {
      const full = a + b + (kind === FlagKind.adc ? c & 1n : 0n);
      result = full & mask;
      carry = full > mask;
      overflow = ((a ^ result) & (b ^ result) & top) !== 0n;
      adjust = ((a ^ b ^ result) & 16n) !== 0n;
      break;
    }
    case FlagKind.sub:
    case FlagKind.sbb: {
      const taken = b + (kind === FlagKind.sbb ? c & 1n : 0n);
      result = (a - taken) & mask;
      carry = a < taken;
      overflow = ((a ^ b) & (a ^ result) & top) !== 0n;
      adjust = ((a ^ b ^ result) & 16n) !== 0n;
      break;
    }
    case FlagKind.inc:
    case FlagKind.dec:
      carry = (b & 1n) !== 0n;
      overflow = kind === FlagKind.inc ? a === top : a === top - 1n;
      adjust = (a & 15n) === (kind === FlagKind.inc ? 0n : 15n);
      break;
    case FlagKind.shl:
      carry = ((b >> (bits - (c % (bits + 1n)))) & 1n) !== 0n;
      overflow = ((a & top) !== 0n) !== carry;
      break;
    case FlagKind.shr:
      carry = c !== 0n && ((b >> (c - 1n)) & 1n) !== 0n;
      overflow = (b & top) !== 0n;
      break;
    case FlagKind.sar:
      carry = c !== 0n && ((BigInt.asIntN(Number(bits), b) >> (c - 1n)) & 1n) !== 0n;
      break;
    case FlagKind.mul:
      carry = overflow = (b & 1n) !== 0n;
      break;
    default:
      break;
  }
  let parity = Number(result & 0xffn);
  parity ^= parity >>> 4;
  parity ^= parity >>> 2;
  parity ^= parity >>> 1;
  return (
    (carry ? Flag.carry : 0) |
    ((parity & 1) === 0 ? Flag.parity : 0) |
    (adjust ? Flag.adjust : 0) |
    (result === 0n ? Flag.zero : 0) |
    ((result & top) === 0n ? 0 : Flag.sign) |
    (overflow ? Flag.overflow : 0)
  );
}

/** Size of an FXSAVE image. */
export const fxsaveSize = 512;
const mxcsrMask = 0xffff;

/** Writes the FXSAVE image (SDM volume 1, table 10-2): in 64-bit mode with 64-bit pointers. */
export function storeFxsave(view: CpuView, into: DataView): void {
  const { view: state } = view;
  const status = state.getUint16(offsets.x87Status, true);
  const tags = state.getUint16(offsets.x87Tags, true);
  into.setUint16(0, state.getUint16(offsets.x87Control, true), true);
  into.setUint16(2, status, true);
  into.setUint8(4, abridge(tags));
  into.setUint16(6, state.getUint16(offsets.x87Opcode, true), true);
  into.setBigUint64(8, state.getBigUint64(offsets.x87Pc, true), true);
  into.setBigUint64(16, state.getBigUint64(offsets.x87Data, true), true);
  into.setUint32(24, state.getUint32(offsets.mxcsr, true), true);
  into.setUint32(28, mxcsrMask, true);
  const top = (status >>> 11) & 7;
  for (let i = 0; i < 8; i++) {
    const from = offsets.x87 + 16 * ((top + i) & 7);
    into.setBigUint64(32 + 16 * i, state.getBigUint64(from, true), true);
    into.setUint16(40 + 16 * i, state.getUint16(from + 8, true), true);
  }
  for (let i = 0; i < 256; i += 8) into.setBigUint64(160 + i, state.getBigUint64(offsets.xmm + i, true), true);
}

/** Loads an FXSAVE image. */
export function loadFxsave(view: CpuView, from: DataView): void {
  const { view: state } = view;
  const status = from.getUint16(2, true);
  state.setUint16(offsets.x87Control, from.getUint16(0, true), true);
  state.setUint16(offsets.x87Status, status, true);
  state.setUint16(offsets.x87Opcode, from.getUint16(6, true), true);
  state.setBigUint64(offsets.x87Pc, from.getBigUint64(8, true), true);
  state.setBigUint64(offsets.x87Data, from.getBigUint64(16, true), true);
  state.setUint32(offsets.mxcsr, from.getUint32(24, true) & mxcsrMask, true);
  const top = (status >>> 11) & 7;
  const used = from.getUint8(4);
  let tags = 0;
  for (let i = 0; i < 8; i++) {
    const physical = (top + i) & 7;
    const to = offsets.x87 + 16 * physical;
    const significand = from.getBigUint64(32 + 16 * i, true);
    const exponent = from.getUint16(40 + 16 * i, true);
    state.setBigUint64(to, significand, true);
    state.setUint16(to + 8, exponent, true);
    tags |= ((used >>> physical) & 1 ? tagOf(significand, exponent) : 3) << (2 * physical);
  }
  state.setUint16(offsets.x87Tags, tags, true);
  for (let i = 0; i < 256; i += 8) state.setBigUint64(offsets.xmm + i, from.getBigUint64(160 + i, true), true);
}

/** Tag word of FSAVE to the one bit a register of FXSAVE. */
function abridge(tags: number): number {
  let used = 0;
  for (let i = 0; i < 8; i++) if (((tags >>> (2 * i)) & 3) !== 3) used |= 1 << i;
  return used;
}

/** 0 valid, 1 zero, 2 special (SDM volume 1, 8.1.7). */
function tagOf(significand: bigint, exponent: number): number {
  const biased = exponent & 0x7fff;
  if (biased === 0x7fff) return 2;
  if (biased === 0) return significand === 0n ? 1 : 2;
  return significand >> 63n === 0n ? 2 : 0;
}

/** State of a new program: FINIT's control word, all exceptions masked (fpu__clear). */
export function initializeRegisters(view: CpuView, mode: "x86_64" | "i386"): void {
  const { view: state } = view;
  state.setUint16(offsets.x87Control, 0x37f, true);
  state.setUint16(offsets.x87Tags, 0xffff, true);
  state.setUint32(offsets.mxcsr, 0x1f80, true);
  const code = mode === "x86_64" ? Selector.code64 : Selector.code32;
  const data = mode === "x86_64" ? 0 : Selector.data;
  setSelectors(view, { es: data, cs: code, ss: Selector.data, ds: data, fs: 0, gs: 0 });
}

export interface Selectors {
  es: number;
  cs: number;
  ss: number;
  ds: number;
  fs: number;
  gs: number;
}

export function setSelectors({ view: state }: CpuView, selectors: Selectors): void {
  const { es, cs, ss, ds, fs, gs } = selectors;
  for (const [i, selector] of [es, cs, ss, ds, fs, gs].entries())
    state.setUint16(offsets.selectors + 2 * i, selector, true);
}

export function selectors({ view: state }: CpuView): Selectors {
  const at = (i: number) => state.getUint16(offsets.selectors + 2 * i, true);
  return { es: at(0), cs: at(1), ss: at(2), ds: at(3), fs: at(4), gs: at(5) };
}

/** A 64-bit field of the state as a number; exact below 2^53. */
export function stateWord({ view: state }: CpuView, offset: number): number {
  return state.getUint32(offset, true) + state.getUint32(offset + 4, true) * 0x1_0000_0000;
}
export function setStateWord({ view: state }: CpuView, offset: number, value: number): void {
  state.setBigUint64(offset, BigInt(value), true);
}
