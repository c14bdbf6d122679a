// Moving data: MOV and its extensions, LEA, XCHG, CMOVcc, SETcc, byte order, the stack.

import { Register } from "../../state.ts";
import type { Lift, Size, Value } from "../lift.ts";
import { ins, type LiftRow, type Row } from "../table.ts";

const move: LiftRow = (ir, to, from) => ir.write(to, ir.read(from));

const extend =
  (signed: boolean): LiftRow =>
  (ir, to, from) =>
    ir.write(to, ir.resize(from.size, to.size, ir.read(from), signed));

const loadAddress: LiftRow = (ir, to) => {
  const address = ir.effectiveAddress();
  ir.write(to, to.size === 3 ? address : ir.fromWord(address));
};

const exchange: LiftRow = (ir, a, b) => {
  // 90 is NOP: it does not even clear the upper half of RAX.
  if (a.kind === "register" && a.number === b.number && a.high === b.high && ir.current.row.opcode === 0x90) return;
  const first = ir.read(a);
  const second = ir.read(b);
  ir.write(a, second);
  ir.write(b, first);
};

const conditionalMove =
  (condition: number): LiftRow =>
  (ir, to, from) => {
    const value = ir.read(from);
    ir.write(to, ir.select(to.size, ir.test(condition), value, ir.read(to)));
  };

const conditions = ["o", "no", "b", "nb", "z", "nz", "be", "nbe", "s", "ns", "p", "np", "l", "nl", "le", "nle"];

/** One row for each of the sixteen condition codes, at consecutive opcodes. */
export function conditional(
  first: number,
  notation: (opcode: string) => string,
  name: string,
  kinds: readonly string[],
  lift: (condition: number) => LiftRow,
  options: Parameters<typeof ins>[4] = {},
): Row[] {
  return conditions.map((suffix, i) =>
    ins(notation((first + i).toString(16).toUpperCase()), name + suffix, kinds, lift(i), options),
  );
}

/** Reverses the bytes of a value of 16, 32 or 64 bits. */
export function reverseBytes(ir: Lift, size: Size, value: Value): Value {
  const k = (low: number, high = low) => ir.literal(size, low, high);
  if (size === 1) return ir.or(1, ir.shl(1, value, k(8)), ir.shrU(1, value, k(8)));
  const mask = k(0x00ff00ff);
  const bytes = ir.or(
    size,
    ir.shl(size, ir.and(size, value, mask), k(8, 0)),
    ir.and(size, ir.shrU(size, value, k(8, 0)), mask),
  );
  if (size === 2) return ir.binary("rotl", 2, bytes, k(16));
  const half = k(0x0000ffff);
  const pairs = ir.or(3, ir.shl(3, ir.and(3, bytes, half), k(16, 0)), ir.and(3, ir.shrU(3, bytes, k(16, 0)), half));
  return ir.binary("rotl", 3, pairs, k(32, 0));
}

const moveReversed: LiftRow = (ir, to, from) => ir.write(to, reverseBytes(ir, to.size, ir.read(from)));

/** BSWAP of 16 bits is undefined; processors give zero. */
const swapBytes: LiftRow = (ir, to) => ir.write(to, to.size === 1 ? ir.i32(0) : reverseBytes(ir, to.size, ir.read(to)));

/** Address of the next slot of a push, and the stack pointer after it: the same value. */
const below = (ir: Lift, bytes: number): Value => ir.offset(ir.getWord(Register.rsp), -bytes);

/** Pushes a value of a size: store, then stack pointer. */
export function push(ir: Lift, size: Size, value: Value): void {
  const top = below(ir, 1 << size);
  ir.store(size, top, value);
  ir.setWord(Register.rsp, top);
}

const pushOperand: LiftRow = (ir, from) => push(ir, ir.size, ir.read(from));

const popOperand: LiftRow = (ir, to) => {
  const bytes = 1 << ir.size;
  const top = ir.getWord(Register.rsp);
  const value = ir.load(ir.size, top);
  if (to.kind === "memory") {
    const address = ir.segmented(ir.effectiveAddress(bytes), ir.current.segment);
    ir.store(ir.size, address, value);
  }
  ir.setWord(Register.rsp, ir.offset(top, bytes));
  if (to.kind === "register") ir.write(to, value);
};

const pushAll: LiftRow = (ir) => {
  const bytes = 1 << ir.size;
  const top = ir.getWord(Register.rsp);
  // All or nothing: the lowest and the highest slot are checked before the first store.
  ir.probeWrite(ir.offset(top, -8 * bytes), 8 * bytes);
  for (let i = 0; i < 8; i++) ir.store(ir.size, ir.offset(top, -(i + 1) * bytes), ir.get(ir.size, i));
  ir.setWord(Register.rsp, ir.offset(top, -8 * bytes));
};

const popAll: LiftRow = (ir) => {
  const bytes = 1 << ir.size;
  const top = ir.getWord(Register.rsp);
  const values: Value[] = [];
  for (let i = 0; i < 8; i++) values.push(i === 4 ? -1 : ir.load(ir.size, ir.offset(top, (7 - i) * bytes)));
  for (let i = 0; i < 8; i++) if (i !== 4) ir.set(ir.size, i, values[i]!);
  ir.setWord(Register.rsp, ir.offset(top, 8 * bytes));
};

const enter: LiftRow = (ir, frame, nesting) => {
  const { size } = ir;
  const bytes = 1 << size;
  const level = nesting.low & 31;
  const top = ir.getWord(Register.rsp);
  const old = ir.getWord(Register.rbp);
  const pointer = ir.offset(top, -bytes);
  ir.probeWrite(ir.offset(top, -(level + 1) * bytes - (frame.low & 0xffff)), 1);
  ir.store(size, pointer, ir.get(size, Register.rbp));
  for (let i = 1; i < level; i++)
    ir.store(size, ir.offset(top, -(i + 1) * bytes), ir.load(size, ir.offset(old, -i * bytes)));
  if (level > 0) ir.store(size, ir.offset(top, -(level + 1) * bytes), size === 3 ? pointer : ir.fromWord(pointer));
  ir.set(size, Register.rbp, size === 3 ? pointer : ir.fromWord(pointer));
  ir.setWord(Register.rsp, ir.offset(top, -(level + 1) * bytes - (frame.low & 0xffff)));
};

const leave: LiftRow = (ir) => {
  const frame = ir.getWord(Register.rbp);
  const old = ir.load(ir.size, frame);
  ir.setWord(Register.rsp, ir.offset(frame, 1 << ir.size));
  ir.set(ir.size, Register.rbp, old);
};

const translate: LiftRow = (ir) => {
  const size: Size = ir.current.addressSize === 1 ? 2 : ir.current.addressSize;
  let at = ir.add(size, ir.get(size, Register.rbx), ir.resize(0, size, ir.get(0, Register.rax)));
  if (ir.current.addressSize === 1) at = ir.trim(1, at);
  const address = ir.long && size === 2 ? ir.toWord(at) : at;
  ir.set(0, Register.rax, ir.load(0, ir.segmented(address, ir.current.segment)));
};

/** CBW CWDE CDQE, CWD CDQ CQO. */
const widen: LiftRow = (ir) => {
  const half = (ir.size - 1) as Size;
  ir.set(ir.size, Register.rax, ir.resize(half, ir.size, ir.get(half, Register.rax), true));
};
const spread: LiftRow = (ir) => {
  const value = ir.signed(ir.size, ir.get(ir.size, Register.rax));
  ir.set(ir.size, Register.rdx, ir.shrS(ir.size, value, ir.literal(ir.size, ir.size === 3 ? 63 : 31)));
};

const stack = { size: "stack" } as const;
const only32 = { mode: 32 } as const;

export const dataRows: readonly Row[] = [
  ins("88 /r", "mov", ["rm8", "r8"], move),
  ins("89 /r", "mov", ["rm", "r"], move),
  ins("8A /r", "mov", ["r8", "rm8"], move),
  ins("8B /r", "mov", ["r", "rm"], move),
  ins("A0", "mov", ["al", "moffs8"], move),
  ins("A1", "mov", ["a", "moffs"], move),
  ins("A2", "mov", ["moffs8", "al"], move),
  ins("A3", "mov", ["moffs", "a"], move),
  ins("B0+r ib", "mov", ["r8", "imm"], move),
  ins("B8+r iv", "mov", ["r", "imm"], move),
  ins("C6 /0 ib", "mov", ["rm8", "imm"], move),
  ins("C7 /0 iz", "mov", ["rm", "imm"], move),
  ins("0F B6 /r", "movzx", ["r", "rm8"], extend(false)),
  ins("0F B7 /r", "movzx", ["r", "rm16"], extend(false)),
  ins("0F BE /r", "movsx", ["r", "rm8"], extend(true)),
  ins("0F BF /r", "movsx", ["r", "rm16"], extend(true)),
  ins("63 /r", "movsxd", ["r", "rm32"], extend(true), { mode: 64 }),
  ins("8D /r", "lea", ["r", "m"], loadAddress),
  ins("86 /r", "xchg", ["rm8", "r8"], exchange, { lock: true }),
  ins("87 /r", "xchg", ["rm", "r"], exchange, { lock: true }),
  ins("90+r", "xchg", ["r", "a"], exchange),
  ...conditional(0x40, (opcode) => `0F ${opcode} /r`, "cmov", ["r", "rm"], conditionalMove),
  ...conditional(
    0x90,
    (opcode) => `0F ${opcode} /r`,
    "set",
    ["rm8"],
    (condition) => (ir, to) => ir.write(to, ir.test(condition)),
  ),
  ins("0F C8+r", "bswap", ["r"], swapBytes),
  // With F2 the opcodes are CRC32, with F3 nothing; 66 gives way to REX.W.
  ...["NP ", "66 ", "66 REX.W + "].flatMap((prefix, i) => {
    const bits = ["", "16", "64"][i]!;
    return [
      ins(`${prefix}0F 38 F0 /r`, "movbe", [`r${bits}`, `m${bits}`], moveReversed),
      ins(`${prefix}0F 38 F1 /r`, "movbe", [`m${bits}`, `r${bits}`], moveReversed),
    ];
  }),
  ins("98", "cbw", [], widen),
  ins("99", "cwd", [], spread),
  ins("D7", "xlat", [], translate),
  ins("50+r", "push", ["r"], pushOperand, stack),
  ins("58+r", "pop", ["r"], popOperand, stack),
  ins("FF /6", "push", ["rm"], pushOperand, stack),
  ins("8F /0", "pop", ["rm"], popOperand, stack),
  ins("68 iz", "push", ["imm"], pushOperand, stack),
  ins("6A ib", "push", ["imm"], pushOperand, stack),
  ins("60", "pusha", [], pushAll, only32),
  ins("61", "popa", [], popAll, only32),
  ins("C8 iw ib", "enter", ["uimm", "uimm"], enter, stack),
  ins("C9", "leave", [], leave, stack),
];
