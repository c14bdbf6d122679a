// Addition, subtraction, logic, comparison, increment and negation.

import { Flag, FlagKind } from "../../ir/flags.ts";
import type { Operand } from "../lift.ts";
import { ins, type LiftRow, type Row, type RowOptions } from "../table.ts";

/** The nine encodings of a two-operand family; `digit` is its number in the opcode and in ModRM.reg. */
function arithmetic(name: string, digit: number, lift: LiftRow, options: RowOptions = {}): Row[] {
  const at = (low: number): string => ((digit << 3) | low).toString(16).toUpperCase().padStart(2, "0");
  const memory = { lock: name !== "cmp", ...options };
  return [
    ins(`${at(0)} /r`, name, ["rm8", "r8"], lift, memory),
    ins(`${at(1)} /r`, name, ["rm", "r"], lift, memory),
    ins(`${at(2)} /r`, name, ["r8", "rm8"], lift, options),
    ins(`${at(3)} /r`, name, ["r", "rm"], lift, options),
    ins(`${at(4)} ib`, name, ["al", "imm"], lift, options),
    ins(`${at(5)} iz`, name, ["a", "imm"], lift, options),
    ins(`80 /${digit} ib`, name, ["rm8", "imm"], lift, memory),
    ins(`81 /${digit} iz`, name, ["rm", "imm"], lift, memory),
    ins(`82 /${digit} ib`, name, ["rm8", "imm"], lift, { ...memory, mode: 32 }),
    ins(`83 /${digit} ib`, name, ["rm", "imm"], lift, memory),
  ];
}

/** to = to + from + CF, or to - from - CF. */
const withCarry =
  (kind: number): LiftRow =>
  (ir, to, from) => {
    const { size } = to;
    const a = ir.read(to);
    const b = ir.read(from);
    const c = ir.carry(size);
    const combine = kind === FlagKind.adc ? "add" : "sub";
    ir.write(to, ir.binary(combine, size, ir.binary(combine, size, a, b), c));
    ir.setFlags(kind, size, a, b, c);
  };

const sameRegister = (a: Operand, b: Operand): boolean =>
  a.kind === "register" && b.kind === "register" && a.number === b.number && a.high === b.high;

const logic =
  (name: "and" | "or" | "xor"): LiftRow =>
  (ir, to, from) => {
    const cleared = name === "xor" && sameRegister(to, from);
    const result = cleared ? ir.literal(to.size, 0) : ir.binary(name, to.size, ir.read(to), ir.read(from));
    ir.write(to, result);
    ir.setFlags(FlagKind.logic, to.size, result);
  };

const compare: LiftRow = (ir, to, from) => {
  ir.setFlags(FlagKind.sub, to.size, ir.read(to), ir.read(from));
};

const test: LiftRow = (ir, to, from) => {
  const a = ir.read(to);
  ir.setFlags(FlagKind.logic, to.size, sameRegister(to, from) ? a : ir.and(to.size, a, ir.read(from)));
};

/** INC and DEC: CF stays. */
const step =
  (kind: number): LiftRow =>
  (ir, to) => {
    const { size } = to;
    const a = ir.read(to);
    const carry = ir.carry(size);
    const result = ir.binary(kind === FlagKind.inc ? "add" : "sub", size, a, ir.literal(size, 1));
    ir.write(to, result);
    ir.setFlags(kind, size, result, carry);
  };

const negate: LiftRow = (ir, to) => {
  const a = ir.read(to);
  const zero = ir.literal(to.size, 0);
  ir.write(to, ir.sub(to.size, zero, a));
  ir.setFlags(FlagKind.sub, to.size, zero, a);
};

const invert: LiftRow = (ir, to) => ir.write(to, ir.not(to.size, ir.read(to)));

const lock = { lock: true };
const noAdjust = { undefined: Flag.adjust };

export const arithmeticRows: readonly Row[] = [
  ...arithmetic("add", 0, (ir, to, from) => ir.addWithFlags(to, from)),
  ...arithmetic("or", 1, logic("or"), noAdjust),
  ...arithmetic("adc", 2, withCarry(FlagKind.adc)),
  ...arithmetic("sbb", 3, withCarry(FlagKind.sbb)),
  ...arithmetic("and", 4, logic("and"), noAdjust),
  ...arithmetic("sub", 5, (ir, to, from) => ir.subWithFlags(to, from)),
  ...arithmetic("xor", 6, logic("xor"), noAdjust),
  ...arithmetic("cmp", 7, compare),
  ins("84 /r", "test", ["rm8", "r8"], test, noAdjust),
  ins("85 /r", "test", ["rm", "r"], test, noAdjust),
  ins("A8 ib", "test", ["al", "imm"], test, noAdjust),
  ins("A9 iz", "test", ["a", "imm"], test, noAdjust),
  ins("F6 /0 ib", "test", ["rm8", "imm"], test, noAdjust),
  ins("F7 /0 iz", "test", ["rm", "imm"], test, noAdjust),
  ins("F6 /1 ib", "test", ["rm8", "imm"], test, noAdjust),
  ins("F7 /1 iz", "test", ["rm", "imm"], test, noAdjust),
  ins("FE /0", "inc", ["rm8"], step(FlagKind.inc), lock),
  ins("FF /0", "inc", ["rm"], step(FlagKind.inc), lock),
  ins("FE /1", "dec", ["rm8"], step(FlagKind.dec), lock),
  ins("FF /1", "dec", ["rm"], step(FlagKind.dec), lock),
  ins("40+r", "inc", ["r"], step(FlagKind.inc), { mode: 32 }),
  ins("48+r", "dec", ["r"], step(FlagKind.dec), { mode: 32 }),
  ins("F6 /2", "not", ["rm8"], invert, lock),
  ins("F7 /2", "not", ["rm"], invert, lock),
  ins("F6 /3", "neg", ["rm8"], negate, lock),
  ins("F7 /3", "neg", ["rm"], negate, lock),
];
