// Turns a block of IR into the interpreter's code, in linear memory: leaves out what is dead, reads registers where they
// live instead of copying them, and lets results go straight into the register that they are meant for.

import { layout } from "../../memory/layout.ts";
import type { Block } from "../ir/builder.ts";
import { FlagKind } from "../ir/flags.ts";
import { opNumber, opRows } from "../ir/ops.ts";
import { offsets, stateAddress } from "../state.ts";
import { Header, copies, flagBits, map, setFlags, testBits, testKnown, testState, wordLengths } from "./format.ts";

/** Most operations a block may have: each has a slot of 16 bytes. */
export const operationLimit = (layout.branchCache - layout.slots) / 16;

/** How the encoder treats an operation. */
const Class = {
  pure: 0,
  constant: 1,
  vectorConstant: 2,
  /** Reads a whole register, which may be read in place. */
  getWhole: 3,
  /** Reads a part of a register or a field of the state. */
  copy: 4,
  setWhole: 5,
  /** Writes part of a register or a field of the state. */
  store: 6,
  setFlags: 7,
  getFlags: 8,
  testFlags: 9,
  /** Loads, stores, trapif: as they are, in order. */
  fault: 10,
  callout: 11,
  shuffle: 12,
  narrow: 13,
  widen: 14,
  flagBits: 15,
  terminator: 16,
} as const;

const count = opRows.length;
const classes = new Uint8Array(count);
const argCounts = new Uint8Array(count);
const hasResult = new Uint8Array(count);
const isVector = new Uint8Array(count);
/** The handler of a copy or store. */
const handlerOf = new Uint16Array(count);
/** Offset in the state to add to the scaled immediate, and the scale. */
const bases = new Uint16Array(count);
const scales = new Uint8Array(count);
/** Whether the operation makes a 32-bit value in the low half of a slot whose other half is zero. */
const zeroExtended = new Uint8Array(count);

opRows.forEach(({ args, result, effect }, i) => {
  argCounts[i] = args.length;
  hasResult[i] = result === "none" ? 0 : 1;
  isVector[i] = result === "v128" ? 1 : 0;
  zeroExtended[i] = result === "i32" || (result === "word" && effect === "pure") ? 1 : 0;
  classes[i] = effect === "terminator" ? Class.terminator : effect === "faults" ? Class.fault : Class.pure;
});

function classify(kind: number, ...names: string[]): void {
  for (const name of names) classes[opNumber(name)] = kind;
}
function assign(name: string, kind: number, handler: number, base: number, scale: number): void {
  const i = opNumber(name);
  classes[i] = kind;
  handlerOf[i] = handler;
  bases[i] = base;
  scales[i] = scale;
}
classify(Class.constant, "i32.const", "i64.const", "f64.const");
classify(Class.vectorConstant, "v128.const");
classify(Class.setFlags, "cc.set32", "cc.set64");
classify(Class.getFlags, "cc.get");
classify(Class.testFlags, "cc.test");
classify(Class.callout, "callout");
classify(Class.shuffle, "i8x16.shuffle");
classify(Class.narrow, "i32.wrap_i64");
classify(Class.widen, "i64.extend_i32_u");
classify(Class.flagBits, "cc.bits32", "cc.bits64");
const { copy8, copy16, copy32, copy64, copy128, store8, store16, store32 } = copies;
assign("get64", Class.getWhole, copy64, 0, 8);
assign("get32", Class.getWhole, copy32, 0, 8);
assign("getx", Class.getWhole, copy128, offsets.xmm, 16);
assign("get16", Class.copy, copy16, 0, 8);
assign("get8", Class.copy, copy8, 0, 8);
assign("get8h", Class.copy, copy8, 1, 8);
assign("state.load8", Class.copy, copy8, 0, 1);
assign("state.load16", Class.copy, copy16, 0, 1);
assign("state.load32", Class.copy, copy32, 0, 1);
assign("state.load64", Class.copy, copy64, 0, 1);
assign("state.loadf64", Class.copy, copy64, 0, 1);
assign("set64", Class.setWhole, copy64, 0, 8);
assign("set32", Class.setWhole, copy32, 0, 8);
assign("setx", Class.setWhole, copy128, offsets.xmm, 16);
assign("set16", Class.store, store16, 0, 8);
assign("set8", Class.store, store8, 0, 8);
assign("set8h", Class.store, store8, 1, 8);
assign("state.store8", Class.store, store8, 0, 1);
assign("state.store16", Class.store, store16, 0, 1);
assign("state.store32", Class.store, store32, 0, 1);
assign("state.store64", Class.store, copy64, 0, 1);
assign("state.storef64", Class.store, copy64, 0, 1);

const op = {
  jump: opNumber("jump"),
  branch: opNumber("branch"),
  call: opNumber("call"),
  exit: opNumber("exit"),
  get32: opNumber("get32"),
  wrap: opNumber("i32.wrap_i64"),
};
/** How many operands of cc.set matter, by kind. */
const flagOperands = new Uint8Array(16).fill(3);
for (const kind of [FlagKind.bits, FlagKind.logic]) flagOperands[kind] = 1;
for (const kind of [FlagKind.add, FlagKind.sub, FlagKind.inc, FlagKind.dec, FlagKind.mul]) flagOperands[kind] = 2;

// What the passes know of each operation; kept between blocks to save allocation.
const lastUse = new Int32Array(operationLimit);
/** The register index to write the result to, or -1: set by the backward pass. */
const direct = new Int32Array(operationLimit);
/** Where the value lives: set by the forward pass. */
const location = new Int32Array(operationLimit);
/** 1: leave the operation out. */
const dropped = new Uint8Array(operationLimit);
/** The set that a wanted direct result belongs to, and what came after it. */
const wantedBy = new Int32Array(operationLimit);
const afterWanted = new Int32Array(operationLimit);
/** The cc.set whose flags a cc.test or cc.get reads, or -1. */
const flagSource = new Int32Array(operationLimit);

// By register: general ones, then vector ones, then one for everything else.
const registerTotal = 33;
const nextWrite = new Int32Array(registerTotal);
const nearestGet = new Int32Array(registerTotal);

/** Register index of a whole or partial access to a register; 32 for other state. */
function registerOf(opcode: number, immediate: number): number {
  if (scales[opcode] === 8) return immediate;
  return scales[opcode] === 16 ? 16 + immediate : 32;
}

const addressOf = (opcode: number, immediate: number): number =>
  stateAddress(bases[opcode]! + immediate * scales[opcode]!);

const never = 0x7fffffff;

/** Finds out what is dead and what may live in registers; gives the bytes of constants needed. */
function analyse({ code }: Block, total: number): number {
  lastUse.fill(0, 0, total);
  direct.fill(-1, 0, total);
  dropped.fill(0, 0, total);
  wantedBy.fill(-1, 0, total);
  nextWrite.fill(never);
  nearestGet.fill(never);
  let constants = 0;
  let flagsLive = true;
  let firstPending = -1;
  let lastPending = -1;
  let nearestFault = never;
  const use = (value: number, at: number): void => {
    if (value >= 0 && lastUse[value]! < at) lastUse[value] = at;
  };
  for (let i = total - 1; i >= 0; i--) {
    const word = code[i * 4]!;
    const opcode = word & 0xffff;
    const immediate = word >>> 16;
    switch (classes[opcode]) {
      case Class.constant:
        if (lastUse[i]) constants += 8;
        else dropped[i] = 1;
        continue;
      case Class.vectorConstant:
        if (lastUse[i]) constants += 16;
        else dropped[i] = 1;
        continue;
      case Class.getWhole: {
        if (!lastUse[i]) {
          dropped[i] = 1;
          continue;
        }
        const register = registerOf(opcode, immediate);
        if (lastUse[i]! <= nextWrite[register]!) dropped[i] = 1;
        nearestGet[register] = i;
        continue;
      }
      case Class.copy: {
        if (!lastUse[i]) {
          dropped[i] = 1;
          continue;
        }
        const register = registerOf(opcode, immediate);
        nearestGet[register] = i;
        wanted(i, nearestFault);
        continue;
      }
      case Class.setWhole: {
        const value = code[i * 4 + 1]!;
        const register = registerOf(opcode, immediate);
        use(value, i);
        if (wantedBy[value] === -1) {
          wantedBy[value] = i;
          afterWanted[value] = nextWrite[register]!;
          direct[value] = register;
        }
        nextWrite[register] = i;
        nearestGet[register] = never;
        continue;
      }
      case Class.store: {
        use(code[i * 4 + 1]!, i);
        const register = registerOf(opcode, immediate);
        nextWrite[register] = i;
        nearestGet[register] = never;
        continue;
      }
      case Class.setFlags: {
        const operands = flagOperands[immediate & 0xff]!;
        if (firstPending !== -1) {
          for (let test = firstPending; test !== -1; test = flagSourceNext(test, i));
          for (let k = 1; k <= operands; k++) use(code[i * 4 + k]!, lastPending);
          firstPending = -1;
        }
        if (!flagsLive) {
          dropped[i] = 1;
          continue;
        }
        flagsLive = false;
        for (let k = 1; k <= operands; k++) use(code[i * 4 + k]!, i);
        continue;
      }
      case Class.getFlags:
      case Class.testFlags:
        if (!lastUse[i]) {
          dropped[i] = 1;
          continue;
        }
        if (firstPending === -1) lastPending = i;
        flagSource[i] = firstPending;
        firstPending = i;
        // An unknown source means the state; a known one unlinks the chain below.
        wanted(i, nearestFault);
        continue;
      case Class.callout:
        // The flags it finds and leaves are those of the state.
        for (let test = firstPending; test !== -1; test = flagSourceNext(test, -1));
        firstPending = -1;
        flagsLive = true;
        for (let k = 1; k <= 3; k++) use(code[i * 4 + k]!, i);
        nearestFault = i;
        nextWrite.fill(i);
        nearestGet.fill(never);
        direct[i] = -1;
        continue;
      case Class.fault:
        if (lastUse[i]) wanted(i, nearestFault);
        nearestFault = i;
        for (let k = argCounts[opcode]!; k > 0; k--) use(code[i * 4 + k]!, i);
        continue;
      case Class.terminator:
        for (let k = argCounts[opcode]!; k > 0; k--) use(code[i * 4 + k]!, i);
        continue;
      case Class.narrow:
      case Class.widen: {
        if (!lastUse[i]) {
          dropped[i] = 1;
          continue;
        }
        const source = code[i * 4 + 1]!;
        const from = code[source * 4]! & 0xffff;
        if (classes[opcode] === Class.narrow || (from !== op.get32 && from !== op.wrap && zeroExtended[from])) {
          // The same place, read with another type. Its own register, if it is meant for one, would be another place.
          dropped[i] = 2;
          direct[i] = -1;
          use(source, lastUse[i]!);
          continue;
        }
        wanted(i, nearestFault);
        use(source, i);
        continue;
      }
      case Class.shuffle:
        if (!lastUse[i]) {
          dropped[i] = 1;
          continue;
        }
        constants += 16;
        wanted(i, nearestFault);
        use(code[i * 4 + 1]!, i);
        use(code[i * 4 + 2]!, i);
        continue;
      default:
        if (!lastUse[i]) {
          dropped[i] = 1;
          continue;
        }
        wanted(i, nearestFault);
        for (let k = argCounts[opcode]!; k > 0; k--) use(code[i * 4 + k]!, i);
    }
  }
  for (let test = firstPending; test !== -1; test = flagSourceNext(test, -1));
  return constants;
}

/** Ends the chain of pending flag readers at their source; gives the next in the chain. */
function flagSourceNext(test: number, source: number): number {
  const next = flagSource[test]!;
  flagSource[test] = source;
  return next;
}

/** Decides whether operation `i` may write its result to the register that a later set names. */
function wanted(i: number, nearestFault: number): void {
  const set = wantedBy[i]!;
  if (set === -1) return;
  const register = direct[i]!;
  if (
    nextWrite[register] === set &&
    nearestGet[register] === never &&
    nearestFault > set &&
    lastUse[i]! <= afterWanted[i]!
  ) {
    dropped[set] = 1;
    nextWrite[register] = i;
  } else direct[i] = -1;
}

const registerAddress = (register: number): number =>
  register < 16 ? stateAddress(register * 8) : stateAddress(offsets.xmm + (register - 16) * 16);

/**
 * Encodes a block at `address` of linear memory, whose words are `memory`; gives the address behind it, or 0 when it does not
 * fit below `end`. `marks`, when given, receives pairs (address of the first operation, pc) for each guest instruction.
 */
export function encode(block: Block, memory: Int32Array, address: number, end: number, marks?: number[]): number {
  const { code, pool } = block;
  const total = code.length >>> 2;
  if (total > operationLimit)
    throw new RangeError(`interpreter: a block of ${total} operations, at most ${operationLimit}`);
  const constantBytes = analyse(block, total);
  if (address + Header.size + constantBytes + total * 24 + 32 > end) return 0;
  let constant = (address + Header.size) >>> 2;
  let at = constant + (constantBytes >>> 2);
  memory[(address + Header.pc) >>> 2] = block.pc;
  memory[(address + Header.first) >>> 2] = at * 4;
  const { instructions } = block;
  let mark = 0;
  for (let i = 0; i < total; i++) {
    if (marks !== undefined)
      while (mark < instructions.length && instructions[mark]! <= i) {
        marks.push(at * 4, instructions[mark + 1]!);
        mark += 2;
      }
    const word = code[i * 4]!;
    const opcode = word & 0xffff;
    const immediate = word >>> 16;
    const drop = dropped[i]!;
    const kind = classes[opcode]!;
    if (drop !== 0) {
      if (kind === Class.getWhole) location[i] = addressOf(opcode, immediate);
      else if (drop === 2) location[i] = location[code[i * 4 + 1]!]!;
      continue;
    }
    const a = code[i * 4 + 1]!;
    const b = code[i * 4 + 2]!;
    const c = code[i * 4 + 3]!;
    switch (kind) {
      case Class.constant:
        location[i] = constant * 4;
        memory[constant++] = a;
        memory[constant++] = opcode === 0 ? 0 : b;
        continue;
      case Class.vectorConstant:
        location[i] = constant * 4;
        for (let k = 0; k < 4; k++) memory[constant++] = pool[a + k]!;
        continue;
      case Class.getWhole:
        memory[at] = handlerOf[opcode]!;
        memory[at + 1] = addressOf(opcode, immediate);
        memory[at + 2] = location[i] = layout.slots + i * 16;
        at += 3;
        continue;
      case Class.setWhole:
      case Class.store:
        memory[at] = handlerOf[opcode]!;
        memory[at + 1] = location[a]!;
        memory[at + 2] = addressOf(opcode, immediate);
        at += 3;
        continue;
      case Class.setFlags: {
        const operands = flagOperands[immediate & 0xff]!;
        memory[at] = setFlags[operands - 1]! | (immediate << 16);
        memory[at + 1] = location[a]!;
        if (operands > 1) memory[at + 2] = location[b]!;
        if (operands > 2) memory[at + 3] = location[c]!;
        at += 1 + operands;
        continue;
      }
      case Class.terminator:
        memory[at] = word;
        if (opcode === op.jump || opcode === op.call) {
          memory[at + 1] = a;
          memory[at + 2] = map.nowhere;
        } else if (opcode === op.branch) {
          memory[at + 1] = location[a]!;
          memory[at + 2] = b;
          memory[at + 3] = map.nowhere;
          memory[at + 4] = c;
          memory[at + 5] = map.nowhere;
        } else if (opcode === op.exit) {
          memory[at + 1] = a;
          memory[at + 2] = b;
        } else {
          memory[at + 1] = location[a]!;
          memory[at + 2] = map.nowhere;
        }
        at += wordLengths[opcode]!;
        continue;
    }
    // What is left has a result or is an access.
    const result = hasResult[opcode]
      ? (location[i] = direct[i]! >= 0 ? registerAddress(direct[i]!) : layout.slots + i * 16)
      : 0;
    switch (kind) {
      case Class.copy:
        memory[at] = handlerOf[opcode]!;
        memory[at + 1] = addressOf(opcode, immediate);
        memory[at + 2] = result;
        at += 3;
        continue;
      case Class.getFlags:
      case Class.testFlags: {
        const source = flagSource[i]!;
        if (source === -1) {
          memory[at] = kind === Class.getFlags ? opcode : testState[immediate]!;
          memory[at + 1] = result;
          at += 2;
          continue;
        }
        const flags = code[source * 4]! >>> 16;
        const operands = flagOperands[flags & 0xff]!;
        const first = location[code[source * 4 + 1]!]!;
        const second = operands > 1 ? location[code[source * 4 + 2]!]! : first;
        const third = operands > 2 ? location[code[source * 4 + 3]!]! : first;
        if (kind === Class.testFlags) {
          const handler = testKnown[((flags & 0xff) << 6) | ((flags >> 8) << 4) | immediate]!;
          if (handler !== 0) {
            memory[at] = handler;
            memory[at + 1] = first;
            if (operands > 1) memory[at + 2] = second;
            memory[at + 1 + operands] = result;
            at += 2 + operands;
            continue;
          }
        }
        const bits = kind === Class.getFlags ? result : layout.slots + i * 16;
        memory[at] = flagBits | (flags << 16);
        memory[at + 1] = first;
        memory[at + 2] = second;
        memory[at + 3] = third;
        memory[at + 4] = bits;
        at += 5;
        if (kind === Class.testFlags) {
          memory[at] = testBits[immediate]!;
          memory[at + 1] = bits;
          memory[at + 2] = result;
          at += 3;
        }
        continue;
      }
      case Class.flagBits:
        memory[at] = flagBits | (immediate << 16);
        memory[at + 1] = location[a]!;
        memory[at + 2] = location[b < 0 ? a : b]!;
        memory[at + 3] = location[c < 0 ? a : c]!;
        memory[at + 4] = result;
        at += 5;
        continue;
      case Class.callout:
        memory[at] = word;
        // An absent operand is whatever stands in the nowhere header.
        memory[at + 1] = a < 0 ? map.nowhere : location[a]!;
        memory[at + 2] = b < 0 ? map.nowhere : location[b]!;
        memory[at + 3] = c < 0 ? map.nowhere : location[c]!;
        memory[at + 4] = result;
        at += 5;
        continue;
      case Class.shuffle:
        memory[at] = word;
        memory[at + 1] = location[a]!;
        memory[at + 2] = location[b]!;
        memory[at + 3] = constant * 4;
        for (let k = 0; k < 4; k++) memory[constant++] = pool[c + k]!;
        memory[at + 4] = result;
        at += 5;
        continue;
      default: {
        const args = argCounts[opcode]!;
        memory[at] = word;
        if (args > 0) memory[at + 1] = location[a]!;
        if (args > 1) memory[at + 2] = location[b]!;
        if (args > 2) memory[at + 3] = location[c]!;
        at += args + 1;
        if (hasResult[opcode]) memory[at++] = result;
      }
    }
  }
  return (at * 4 + 7) & ~7;
}

/** A block's interpreter code, to be copied to any address. */
export interface Relocatable {
  /** As it is at address 0. */
  readonly words: Int32Array;
  /** Indices of words that are addresses within the block. */
  readonly addresses: Int32Array;
}

/** Encodes a block once for many places. */
export function encodeRelocatable(block: Block): Relocatable {
  const limit = Header.size + block.code.length * 24 + 64;
  const first = new Int32Array(limit >>> 2);
  const length = encode(block, first, 0, limit) >>> 2;
  // What differs at another address is an address.
  const second = new Int32Array(first.length + 1);
  encode(block, second, 4, limit + 4);
  const addresses: number[] = [];
  for (let i = 0; i < length; i++) if (first[i] !== second[i + 1]) addresses.push(i);
  return { words: first.slice(0, length), addresses: Int32Array.from(addresses) };
}

/** Copies an encoded block to `address`; gives the address behind it, or 0 when it does not fit below `end`. */
export function place(from: Relocatable, memory: Int32Array, address: number, end: number): number {
  const { words, addresses } = from;
  if (address + words.length * 4 > end) return 0;
  const at = address >>> 2;
  memory.set(words, at);
  for (let i = 0; i < addresses.length; i++) memory[at + addresses[i]!] = words[addresses[i]!]! + address;
  return address + words.length * 4;
}
