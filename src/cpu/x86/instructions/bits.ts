// Bit tests, bit scans and counts.

import { Flag, FlagKind } from "../../ir/flags.ts";
import type { Lift, Operand, Size, Value } from "../lift.ts";
import { ins, type LiftRow, type Row } from "../table.ts";

type Change = (ir: Lift, size: Size, value: Value, bit: Value) => Value;

/** Where a bit string in memory has the operand that a register's bit offset reaches, as a linear address. */
function bitStringAddress(ir: Lift, size: Size, offset: Value): Value {
  const { addressSize, segment } = ir.current;
  const units = ir.shrS(size, ir.signed(size, offset), ir.literal(size, size + 3, 0));
  const bytes = ir.shl(size, units, ir.literal(size, size, 0));
  const distance = ir.long ? ir.resize(size === 3 ? 3 : 2, 3, bytes, true) : bytes;
  let address = ir.add(ir.wordSize, ir.effectiveAddress(), distance);
  if (addressSize === 1) address = ir.trim(1, address);
  else if (addressSize < ir.wordSize) address = ir.toWord(ir.fromWord(address));
  return ir.segmented(address, segment);
}

const bitTest =
  (change?: Change): LiftRow =>
  (ir, to, from) => {
    const { size } = to;
    const offset = ir.read(from);
    const bit = ir.and(size, offset, ir.literal(size, (8 << size) - 1, 0));
    const address =
      to.kind !== "memory" ? undefined : from.kind === "immediate" ? ir.address() : bitStringAddress(ir, size, offset);
    const value = address === undefined ? ir.read(to) : ir.load(size, address);
    if (change) {
      const changed = change(ir, size, value, ir.shl(size, ir.literal(size, 1), bit));
      if (address === undefined) ir.write(to, changed);
      else ir.store(size, address, changed);
    }
    const carry = ir.and(2, ir.resize(size, 2, ir.shrU(size, value, bit)), ir.i32(1));
    ir.mergeFlags(Flag.carry, carry);
  };

/** The four encodings of one bit test; all flags but CF stay. */
function bitTests(name: string, digit: number, opcode: string, change?: Change): Row[] {
  const options = {
    lock: change !== undefined,
    undefined: Flag.overflow | Flag.sign | Flag.adjust | Flag.parity,
  };
  return [
    ins(`0F ${opcode} /r`, name, ["rm", "r"], bitTest(change), options),
    ins(`0F BA /${digit} ib`, name, ["rm", "imm"], bitTest(change), options),
  ];
}

const scanned = { undefined: Flag.carry | Flag.overflow | Flag.sign | Flag.adjust | Flag.parity };

/** BSF and BSR: the destination stays when the source is zero. */
const scan =
  (find: (ir: Lift, size: Size, value: Value) => Value): LiftRow =>
  (ir, to, from) => {
    const { size } = to;
    const value = ir.read(from);
    const found = find(ir, size, value);
    const condition = ir.binary("ne", size, value, ir.literal(size, 0));
    if (size === 2 && ir.long && to.kind === "register")
      ir.set(3, to.number, ir.select(3, condition, ir.resize(2, 3, found), ir.get(3, to.number)));
    else ir.write(to, ir.select(size, condition, found, ir.read(to)));
    ir.setFlags(FlagKind.logic, size, value);
  };

const trailing = (ir: Lift, size: Size, value: Value): Value =>
  ir.unary("ctz", size, size === 1 ? ir.or(1, value, ir.i32(0x10000)) : value);
const leading = (ir: Lift, size: Size, value: Value): Value => {
  const zeros = ir.unary("clz", size, value);
  return size === 1 ? ir.sub(1, zeros, ir.i32(16)) : zeros;
};
const highest = (ir: Lift, size: Size, value: Value): Value =>
  ir.sub(size, ir.literal(size, size === 3 ? 63 : 31, 0), ir.unary("clz", size, value));

const counted = { undefined: Flag.overflow | Flag.sign | Flag.adjust | Flag.parity };

/** TZCNT and LZCNT: CF when the source is zero, ZF when the result is. */
const count =
  (find: typeof trailing): LiftRow =>
  (ir, to: Operand, from: Operand) => {
    const { size } = to;
    const value = ir.read(from);
    const result = find(ir, size, value);
    const zero = ir.shl(2, ir.isZero(size, result), ir.i32(6));
    const bits = ir.or(2, zero, ir.isZero(size, value));
    ir.write(to, result);
    ir.setFlagBits(bits);
  };

const population: LiftRow = (ir, to, from) => {
  const value = ir.read(from);
  ir.write(to, ir.unary("popcnt", to.size, value));
  ir.setFlagBits(ir.shl(2, ir.isZero(to.size, value), ir.i32(6)));
};

export const bitRows: readonly Row[] = [
  ...bitTests("bt", 4, "A3"),
  ...bitTests("bts", 5, "AB", (ir, size, value, bit) => ir.or(size, value, bit)),
  ...bitTests("btr", 6, "B3", (ir, size, value, bit) => ir.and(size, value, ir.not(size, bit))),
  ...bitTests("btc", 7, "BB", (ir, size, value, bit) => ir.xor(size, value, bit)),
  ins("0F BC /r", "bsf", ["r", "rm"], scan(trailing), scanned),
  ins("0F BD /r", "bsr", ["r", "rm"], scan(highest), scanned),
  ins("F3 0F BC /r", "tzcnt", ["r", "rm"], count(trailing), counted),
  ins("F3 0F BD /r", "lzcnt", ["r", "rm"], count(leading), counted),
  ins("F3 0F B8 /r", "popcnt", ["r", "rm"], population),
];
