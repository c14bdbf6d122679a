// The interpreter's code: how a block looks in linear memory, and which handlers there are.
//
// A block is a header, its constants, and its operations one after another. An operation is a word with the handler's number
// and a 16-bit immediate, then one word for each operand and for the result: the absolute address where the value lives.
// That may be a constant of the block, a slot, or the guest register itself, so reading a register costs nothing.

import { layout } from "../../memory/layout.ts";
import { FlagKind } from "../ir/flags.ts";
import { opNumber, opRows, type OpRow } from "../ir/ops.ts";

/** Words of a block's header. */
export const Header = {
  /** Guest address; -1 when the block is no longer valid. */
  pc: 0,
  /** Counts down executions that came by a jump; below 0 the run stops so that the executor can compile the block. */
  countdown: 4,
  /** Number of the block in the executor's list. */
  id: 8,
  /** Address of the first operation. */
  first: 12,
  /** Slot of the address's compiled code in the process's function table, or 0. */
  slot: 16,
  size: 24,
} as const;

/** What the interpreter keeps at layout.translator. */
export const map = {
  /** The operation and block that ran when an import was called or the run stopped by a fault. */
  operation: layout.translator,
  block: layout.translator + 4,
  /** Index of the next entry in `targets`. */
  targetCount: layout.translator + 8,
  /** MXCSR's control bits that all translations are for. */
  environment: layout.translator + 12,
  /** A header that never matches: what links point to before they are known. */
  nowhere: layout.translator + 16,
  /** Ring of (block address, target pc) of indirect branches taken. */
  targets: layout.translator + 0x1000,
  /** Hash table of (pc, block address). */
  blocks: layout.translator + 0x10000,
} as const;

export const targetMask = 0xfff;
export const blockCount = 0x10000;

/** Address of the hash table entry for a guest address. */
export const blockEntry = (pc: number): number => map.blocks + (((pc ^ (pc >>> 12)) & (blockCount - 1)) << 3);

/** Why the interpreter stops beside the ExitKinds: a block's countdown ran out. */
export const exitHot = 32;

/** How many executions a start of the interpreter, coming from compiled code, counts for. */
export const startWeight = 2;

/** Added to the exit kind when the run stopped within a block: state.pc is to be found from `map.operation`. */
export const atOperation = 64;

/** Handlers by number, the IR's own operations first, and how many words an operation of each has. */
export const handlers: string[] = opRows.map(({ name }) => name);
export const lengths: number[] = opRows.map((row) => 1 + words(row));

function words({ name, args, result, effect }: OpRow): number {
  if (name === "callout") return 4;
  if (name === "i8x16.shuffle") return 4;
  if (name.startsWith("state.load")) return 2;
  if (effect === "terminator") return { branch: 5, exit: 2 }[name] ?? 2;
  return args.length + (result === "none" ? 0 : 1);
}

function extra(name: string, operands: number): number {
  handlers.push(name);
  return lengths.push(1 + operands) - 1;
}

/** Handlers that copy: state fields and registers to slots and back are all just that, at known addresses. */
export const copies = {
  copy8: opNumber("state.load8"),
  copy16: opNumber("state.load16"),
  copy32: opNumber("state.load32"),
  copy64: opNumber("state.load64"),
  copy128: extra("copy128", 2),
  store8: extra("store8 at", 2),
  store16: extra("store16 at", 2),
  store32: extra("store32 at", 2),
} as const;

/** cc.set with one, two or three operands that matter. */
export const setFlags = [extra("set flags 1", 1), extra("set flags 2", 2), extra("set flags 3", 3)] as const;

/** cc.bits of i64 or zero-extended i32 operands: kind in the immediate, three operands, the result. */
export const flagBits = extra("flag bits", 4);

/** cc.test of EFLAGS bits in an operand. */
export const testBits = Array.from({ length: 16 }, (_, condition) => extra(`test bits ${condition}`, 2));
/** cc.test of the lazy flags in the state. */
export const testState = Array.from({ length: 16 }, (_, condition) => extra(`test state ${condition}`, 1));

/** Kinds of flag operations whose conditions have handlers of their own, and the number of their operands. */
export const testedKinds = [
  [FlagKind.sub, 2],
  [FlagKind.logic, 1],
  [FlagKind.add, 2],
  [FlagKind.dec, 2],
] as const;
/** Handlers of cc.test after a known kind: at (kind << 6 | size << 4 | condition), or 0. */
export const testKnown = new Uint16Array(16 << 6);
for (const [kind, operands] of testedKinds)
  for (let i = 0; i < 64; i++)
    testKnown[(kind << 6) | i] = extra(`test kind ${kind} size ${i >> 4} condition ${i & 15}`, operands + 1);

export const wordLengths = Uint8Array.from(lengths);
