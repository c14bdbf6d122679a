// The instruction decoder: bytes to a table row, prefixes, ModRM operand and immediates (Intel SDM volume 2, chapter 2).

import { Vector } from "../state.ts";
import type { Size } from "../ir/flags.ts";
import { Trap } from "../trap.ts";
import { decodeTable, rowKey, type DecodeTable, type Row } from "./table.ts";

/** Reads one code byte; throws PageFault where execution is refused. */
export type Fetch = (address: number) => number;

/** Segment registers in the order of their encoding. */
export const Segment = { none: -1, es: 0, cs: 1, ss: 2, ds: 3, fs: 4, gs: 5 } as const;

/** One decoded instruction. Register numbers include the REX bits. */
export interface Instruction {
  readonly row: Row;
  readonly pc: number;
  readonly length: number;
  /** True in 64-bit mode. */
  readonly long: boolean;
  /** Operand size in force, by the row's size rule. */
  readonly size: Size;
  /** REX.W was there. */
  readonly wide: boolean;
  /** A REX prefix was there: byte registers 4-7 are SPL BPL SIL DIL instead of AH CH DH BH. */
  readonly rex: boolean;
  /** log2 of the bytes of an address: 1, 2 or 3. */
  readonly addressSize: Size;
  /** 0, 0xf2 or 0xf3. */
  readonly repeat: number;
  readonly lock: boolean;
  /** Overriding segment that matters, or `Segment.none`. */
  readonly segment: number;
  readonly mod: number;
  readonly reg: number;
  readonly rm: number;
  /** Register number in the opcode's low bits. */
  readonly opcodeRegister: number;
  /** Memory operand: registers are -1 when absent. RIP-relative addresses are resolved into `displacement`. */
  readonly base: number;
  readonly index: number;
  readonly scale: number;
  readonly displacement: number;
  /** Low and high 32 bits of the immediates, sign-extended from their encoded width, two words each. */
  readonly immediates: readonly number[];
}

export const maximumLength = 15;

/** Builds decoders over a list of rows. `decode` throws Trap for what the processor refuses, PageFault from `fetch`. */
export function decoder(rows: readonly Row[]): (fetch: Fetch, pc: number, long: boolean) => Instruction {
  const tables = { long: decodeTable(rows, 64), short: decodeTable(rows, 32) };
  return (fetch, pc, long) => decodeWith(long ? tables.long : tables.short, fetch, pc, long);
}

/** Registers of the 16-bit address forms (SDM volume 2, table 2-1). */
const shortForms = [
  [3, 6],
  [3, 7],
  [5, 6],
  [5, 7],
  [6, -1],
  [7, -1],
  [5, -1],
  [3, -1],
] as const;

/** Where the decoder reads: one for all, as decoding is never interrupted. */
class Cursor {
  private fetch: Fetch = () => 0;
  private limit = 0;
  at = 0;

  start(fetch: Fetch, pc: number): void {
    this.fetch = fetch;
    this.at = pc;
    this.limit = pc + maximumLength;
  }
  byte(): number {
    if (this.at >= this.limit) throw new Trap(Vector.generalProtection);
    return this.fetch(this.at++);
  }
  signedByte(): number {
    return (this.byte() << 24) >> 24;
  }
  word(): number {
    const low = this.byte();
    return low | (this.byte() << 8);
  }
  signedWord(): number {
    return (this.word() << 16) >> 16;
  }
  dword(): number {
    const low = this.word();
    return low | (this.word() << 16);
  }
  /** An immediate, its low and high words appended to `to`. */
  immediate(bytes: number, to: number[]): void {
    const low = bytes === 1 ? this.signedByte() : bytes === 2 ? this.signedWord() : this.dword();
    to.push(low, bytes === 8 ? this.dword() : low >> 31);
  }
}
const cursor = new Cursor();
const noImmediates: readonly number[] = [];

function decodeWith(table: DecodeTable, fetch: Fetch, pc: number, long: boolean): Instruction {
  cursor.start(fetch, pc);
  let operandPrefix = false;
  let addressPrefix = false;
  let lock = false;
  let repeat = 0;
  let segment: number = Segment.none;
  let rex = 0;
  let opcode: number;
  for (;;) {
    opcode = cursor.byte();
    if (opcode === 0x66) operandPrefix = true;
    else if (opcode === 0x67) addressPrefix = true;
    else if (opcode === 0xf0) lock = true;
    else if (opcode === 0xf2 || opcode === 0xf3) repeat = opcode;
    else if (opcode === 0x64 || opcode === 0x65) segment = opcode - 0x60;
    else if ((opcode & 0xe7) === 0x26) {
      if (!long) segment = (opcode >> 3) & 3;
    } else if (long && (opcode & 0xf0) === 0x40) {
      rex = opcode;
      continue;
    } else break;
    rex = 0;
  }
  let map = 0;
  if (opcode === 0x0f) {
    opcode = cursor.byte();
    map = 1;
    if (opcode === 0x38 || opcode === 0x3a) {
      map = opcode === 0x38 ? 2 : 3;
      opcode = cursor.byte();
    }
  }
  const candidates = table[(map << 8) | opcode];
  if (!candidates) throw new Trap(Vector.invalidOpcode);
  const wide = (rex & 8) !== 0;
  let modrm = 0;
  if (candidates[0]!.modrm) modrm = cursor.byte();
  const mod = modrm >> 6;
  const memory = candidates[0]!.modrm && mod !== 3;
  const prefix = repeat === 0xf2 ? 3 : repeat === 0xf3 ? 2 : operandPrefix ? 1 : 0;
  const row = select(candidates, rowKey(prefix, wide, modrm, memory));
  if (!row || (lock && !(row.lock && memory))) throw new Trap(Vector.invalidOpcode);

  const size = operandSize(row, long, wide, operandPrefix);
  const addressSize: Size = long ? (addressPrefix ? 2 : 3) : addressPrefix ? 1 : 2;
  const reg = ((modrm >> 3) & 7) | ((rex & 4) << 1);
  let rm = modrm & 7;
  let base = -1;
  let index = -1;
  let scale = 0;
  let displacement = 0;
  let relative = false;
  if (memory) {
    if (addressSize === 1) {
      [base, index] = shortForms[rm]!;
      if (mod === 0 && rm === 6) {
        base = -1;
        displacement = cursor.word();
      } else if (mod === 1) displacement = cursor.signedByte();
      else if (mod === 2) displacement = cursor.signedWord();
    } else {
      base = rm | ((rex & 1) << 3);
      if (rm === 4) {
        const sib = cursor.byte();
        scale = sib >> 6;
        index = ((sib >> 3) & 7) | ((rex & 2) << 2);
        if (index === 4) index = -1;
        base = (sib & 7) | ((rex & 1) << 3);
        if ((sib & 7) === 5 && mod === 0) {
          base = -1;
          displacement = cursor.dword();
        }
      } else if (rm === 5 && mod === 0) {
        base = -1;
        displacement = cursor.dword();
        relative = long;
      }
      if (mod === 1) displacement = cursor.signedByte();
      else if (mod === 2) displacement = cursor.dword();
    }
  } else rm |= (rex & 1) << 3;

  if (row.offset) {
    if (addressSize === 1) displacement = cursor.word();
    else {
      displacement = cursor.dword();
      if (addressSize === 3) displacement = (displacement >>> 0) + cursor.dword() * 0x1_0000_0000;
    }
  }
  let immediates = noImmediates;
  if (row.immediates.length > 0) {
    const list: number[] = [];
    for (const width of row.immediates)
      cursor.immediate(width === "v" ? 1 << size : width === "z" ? (size === 1 ? 2 : 4) : width, list);
    immediates = list;
  }
  const { at } = cursor;
  if (relative) displacement += at;
  return {
    row,
    pc,
    length: at - pc,
    long,
    size,
    wide,
    rex: rex !== 0,
    addressSize,
    repeat,
    lock,
    segment,
    mod: memory ? mod : 3,
    reg,
    rm,
    opcodeRegister: row.opcodeRegister ? (opcode & 7) | ((rex & 1) << 3) : 0,
    base,
    index,
    scale,
    displacement,
    immediates,
  };
}

function select(candidates: readonly Row[], key: number): Row | undefined {
  for (const row of candidates) if ((key & row.mask) === row.value) return row;
  return undefined;
}

function operandSize(row: Row, long: boolean, wide: boolean, operandPrefix: boolean): Size {
  if (long) {
    if (wide || row.size === "branch") return 3;
    if (row.size === "stack") return operandPrefix ? 1 : 3;
  }
  // A mandatory 66 selects the row and says nothing about size.
  const mandatory = (row.mask & 3) === 3 && (row.value & 3) === 1;
  return operandPrefix && !mandatory ? 1 : 2;
}
