// Exchange and compare in one step. The kernel runs one task at a time and switches between blocks only, so every
// instruction is atomic and LOCK asks for nothing more.

import { Flag, FlagKind } from "../../ir/flags.ts";
import { Register, Vector } from "../../state.ts";
import type { Lift, Size } from "../lift.ts";
import { ins, type LiftRow, type Row } from "../table.ts";

const exchangeAdd: LiftRow = (ir, to, from) => {
  const { size } = to;
  const a = ir.read(to);
  const b = ir.read(from);
  const sum = ir.add(size, a, b);
  if (to.kind === "memory") ir.write(to, sum);
  ir.write(from, a);
  if (to.kind === "register") ir.write(to, sum);
  ir.setFlags(FlagKind.add, size, a, b);
};

const compareExchange: LiftRow = (ir, to, from) => {
  const { size } = to;
  const expected = ir.get(size, Register.rax);
  const found = ir.read(to);
  const replacement = ir.read(from);
  const equal = ir.binary("eq", size, expected, found);
  if (to.kind === "memory") ir.write(to, ir.select(size, equal, replacement, found));
  // A 32-bit register keeps its upper half when it is not written: one of accumulator and destination.
  if (size === 2 && ir.long)
    ir.set(3, Register.rax, ir.select(3, equal, ir.get(3, Register.rax), ir.resize(2, 3, found)));
  else ir.set(size, Register.rax, ir.select(size, equal, expected, found));
  if (to.kind === "register") {
    if (size === 2 && ir.long)
      ir.set(3, to.number, ir.select(3, equal, ir.resize(2, 3, replacement), ir.get(3, to.number)));
    else ir.write(to, ir.select(size, equal, replacement, found));
  }
  ir.setFlags(FlagKind.sub, size, expected, found);
};

/** CMPXCHG8B and CMPXCHG16B: the pair RDX:RAX against memory, replaced by RCX:RBX. */
const compareExchangePair =
  (size: 2 | 3): LiftRow =>
  (ir: Lift) => {
    const half: Size = size;
    const low = ir.address();
    const high = ir.offset(low, 1 << half);
    if (half === 3) {
      const misaligned = ir.and(2, ir.fromWord(low), ir.i32(15));
      ir.trapIf(misaligned, Vector.generalProtection);
    }
    ir.probeWrite(low, 2 << half);
    const foundLow = ir.load(half, low);
    const foundHigh = ir.load(half, high);
    const { rax, rbx, rcx, rdx } = Register;
    const difference = ir.or(
      half,
      ir.xor(half, foundLow, ir.get(half, rax)),
      ir.xor(half, foundHigh, ir.get(half, rdx)),
    );
    const equal = ir.isZero(half, difference);
    ir.store(half, low, ir.select(half, equal, ir.get(half, rbx), foundLow));
    ir.store(half, high, ir.select(half, equal, ir.get(half, rcx), foundHigh));
    const flags = ir.shl(2, equal, ir.i32(6));
    for (const [register, found] of [
      [rax, foundLow],
      [rdx, foundHigh],
    ] as const) {
      const old = ir.get(ir.wordSize, register);
      ir.set(ir.wordSize, register, ir.select(ir.wordSize, equal, old, ir.resize(half, ir.wordSize, found)));
    }
    ir.mergeFlags(Flag.zero, flags);
  };

const lock = { lock: true };

export const atomicRows: readonly Row[] = [
  ins("0F B0 /r", "cmpxchg", ["rm8", "r8"], compareExchange, lock),
  ins("0F B1 /r", "cmpxchg", ["rm", "r"], compareExchange, lock),
  ins("0F C0 /r", "xadd", ["rm8", "r8"], exchangeAdd, lock),
  ins("0F C1 /r", "xadd", ["rm", "r"], exchangeAdd, lock),
  ins("0F C7 /1", "cmpxchg8b", ["m64"], compareExchangePair(2), lock),
  ins("REX.W + 0F C7 /1", "cmpxchg16b", ["m128u"], compareExchangePair(3), { ...lock, mode: 64 }),
];
