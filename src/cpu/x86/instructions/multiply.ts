// Multiplication, division and decimal adjustment.

import { Flag, FlagKind } from "../../ir/flags.ts";
import { Register, Vector } from "../../state.ts";
import { Condition, type Lift, type Operand, type Size, type Value } from "../lift.ts";
import { ins, type LiftRow, type Row } from "../table.ts";

const { rax, rdx } = Register;
const multiplied = { undefined: Flag.sign | Flag.zero | Flag.adjust | Flag.parity };
const divided = { undefined: multiplied.undefined | Flag.carry | Flag.overflow };

/** Low and high half of a product, each of the operand size, and whether the high half says anything (i32). */
function product(ir: Lift, size: Size, a: Value, b: Value, signed: boolean): { low: Value; high: Value; more: Value } {
  if (size === 3) {
    const low = ir.mul(3, a, b);
    const high = ir.op(signed ? "i64.mulhi_s" : "i64.mulhi_u", a, b);
    const expected = signed ? ir.shrS(3, low, ir.i64(63, 0)) : ir.i64(0);
    return { low, high, more: ir.binary("ne", 3, high, expected) };
  }
  const wide: Size = size === 2 ? 3 : 2;
  const bits = ir.literal(wide, 8 << size, 0);
  const full = ir.mul(wide, ir.resize(size, wide, a, signed), ir.resize(size, wide, b, signed));
  const low = ir.resize(wide, 2, full);
  const high = ir.resize(wide, 2, ir.shrU(wide, full, bits));
  const fits = size === 2 ? ir.resize(2, 3, low, signed) : signed ? ir.signed(size, full) : ir.trim(size, full);
  return { low, high, more: ir.binary("ne", wide, full, fits) };
}

/** Sets the flags of a product: CF and OF when the high half says anything. */
const productFlags = (ir: Lift, size: Size, low: Value, more: Value): void =>
  ir.setFlags(FlagKind.mul, size, low, ir.resize(2, size, more));

const multiply =
  (signed: boolean): LiftRow =>
  (ir, from) => {
    const { size } = from;
    const { low, high, more } = product(ir, size, ir.get(size, rax), ir.read(from), signed);
    if (size === 0) ir.set(1, rax, ir.or(1, ir.trim(0, low), ir.shl(1, high, ir.i32(8))));
    else {
      ir.set(size, rax, low);
      ir.set(size, rdx, high);
    }
    productFlags(ir, size, low, more);
  };

/** IMUL with a destination: `to` = a * b. */
const multiplyInto = (ir: Lift, to: Operand, a: Operand, b: Operand): void => {
  const first = ir.read(a);
  const second = ir.read(b);
  // The full product is for the flags, which mostly nobody reads.
  const low = ir.mul(to.size, first, second);
  const { more } = product(ir, to.size, first, second, true);
  ir.write(to, low);
  productFlags(ir, to.size, low, more);
};

/** Writes quotient and remainder, of the operand size in an i32 or i64 that may be wider. */
function results(ir: Lift, size: Size, wide: Size, quotient: Value, remainder: Value): void {
  const q = size < 3 ? ir.resize(wide, 2, quotient) : quotient;
  const r = size < 3 ? ir.resize(wide, 2, remainder) : remainder;
  if (size === 0) ir.set(1, rax, ir.or(1, ir.trim(0, q), ir.shl(1, r, ir.i32(8))));
  else {
    ir.set(size, rax, q);
    ir.set(size, rdx, r);
  }
}

/** The dividend of a division by up to 32 bits, zero-extended: AX, DX:AX as i32, EDX:EAX as i64. */
function dividend(ir: Lift, size: Size): Value {
  if (size === 0) return ir.get(1, rax);
  if (size === 1) return ir.or(2, ir.get(1, rax), ir.shl(2, ir.get(1, rdx), ir.i32(16)));
  const high = ir.shl(3, ir.resize(2, 3, ir.get(2, rdx)), ir.i64(32, 0));
  return ir.or(3, high, ir.resize(2, 3, ir.get(2, rax)));
}

const divide: LiftRow = (ir, from) => {
  const { size } = from;
  const divisor = ir.read(from);
  const high = size === 0 ? ir.op("get8h") : ir.get(size, rdx);
  // The quotient fits exactly when the high half is below the divisor; a divisor of zero fails it too.
  ir.trapIf(ir.binary("ge_u", size, high, divisor), Vector.divide);
  if (size === 3) {
    const low = ir.get(3, rax);
    const quotient = ir.op("i64.div128_u", high, low, divisor);
    return results(ir, 3, 3, quotient, ir.sub(3, low, ir.mul(3, quotient, divisor)));
  }
  const wide: Size = size === 2 ? 3 : 2;
  const by = ir.resize(2, wide, divisor);
  const value = dividend(ir, size);
  const quotient = ir.binary("div_u", wide, value, by);
  results(ir, size, wide, quotient, ir.sub(wide, value, ir.mul(wide, quotient, by)));
};

const divideSigned: LiftRow = (ir, from) => {
  const { size } = from;
  const divisor = ir.read(from);
  ir.trapIf(ir.isZero(size, divisor), Vector.divide);
  if (size === 3) return divideSignedLong(ir, divisor);
  let value = dividend(ir, size);
  if (size === 0) value = ir.resize(2, 3, ir.signed(1, value), true);
  else if (size === 1) value = ir.resize(2, 3, value, true);
  const by = ir.resize(size, 3, divisor, true);
  if (size === 2) {
    const lowest = ir.binary("eq", 3, value, ir.i64(0, 0x8000_0000 | 0));
    ir.trapIf(ir.and(2, lowest, ir.binary("eq", 3, by, ir.i64(-1))), Vector.divide);
  }
  const quotient = ir.binary("div_s", 3, value, by);
  const truncated = ir.resize(size, 3, ir.resize(3, 2, quotient), true);
  ir.trapIf(ir.binary("ne", 3, quotient, truncated), Vector.divide);
  results(ir, size, 3, quotient, ir.sub(3, value, ir.mul(3, quotient, by)));
};

/** RDX:RAX by 64 bits: on magnitudes, then the signs. */
function divideSignedLong(ir: Lift, divisor: Value): void {
  const low = ir.get(3, rax);
  const high = ir.get(3, rdx);
  const zero = ir.i64(0);
  const negative = ir.binary("lt_s", 3, high, zero);
  const opposite = ir.binary("lt_s", 3, ir.xor(3, high, divisor), zero);
  const negate = (condition: Value, value: Value): Value => ir.select(3, condition, ir.sub(3, zero, value), value);
  const by = negate(ir.binary("lt_s", 3, divisor, zero), divisor);
  const magnitude = negate(negative, low);
  const borrow = ir.resize(2, 3, ir.binary("ne", 3, low, zero));
  const top = ir.select(3, negative, ir.sub(3, ir.sub(3, zero, high), borrow), high);
  ir.trapIf(ir.binary("ge_u", 3, top, by), Vector.divide);
  const quotient = ir.op("i64.div128_u", top, magnitude, by);
  const limit = ir.add(3, ir.i64(-1, 0x7fff_ffff), ir.resize(2, 3, opposite));
  ir.trapIf(ir.binary("gt_u", 3, quotient, limit), Vector.divide);
  const remainder = ir.sub(3, magnitude, ir.mul(3, quotient, by));
  results(ir, 3, 3, negate(opposite, quotient), negate(negative, remainder));
}

// Decimal adjustment (SDM volume 2, DAA and its neighbours).

const flag = (ir: Lift, bit: number): Value => ir.binary("ne", 2, ir.and(2, ir.getFlagBits(), ir.i32(bit)), ir.i32(0));

/** Low digit above 9, or AF: i32, 0 or 1. */
const digitOverflow = (ir: Lift, al: Value): Value =>
  ir.or(2, ir.binary("gt_u", 2, ir.and(2, al, ir.i32(15)), ir.i32(9)), flag(ir, Flag.adjust));

const packedAdjust =
  (name: "add" | "sub"): LiftRow =>
  (ir) => {
    const al = ir.get(0, rax);
    const adjust = digitOverflow(ir, al);
    const carry = ir.or(2, ir.binary("gt_u", 2, al, ir.i32(0x99)), ir.test(Condition.carry));
    const low = ir.binary(name, 2, al, ir.mul(2, adjust, ir.i32(6)));
    const result = ir.binary(name, 2, low, ir.mul(2, carry, ir.i32(0x60)));
    let out = carry;
    if (name === "sub") out = ir.or(2, out, ir.and(2, adjust, ir.binary("lt_u", 2, al, ir.i32(6))));
    const bits = ir.or(2, ir.flagBits(FlagKind.logic, 0, result), ir.or(2, out, ir.shl(2, adjust, ir.i32(4))));
    ir.set(0, rax, result);
    ir.setFlagBits(bits);
  };

const unpackedAdjust =
  (name: "add" | "sub"): LiftRow =>
  (ir) => {
    const ax = ir.get(1, rax);
    const adjust = digitOverflow(ir, ax);
    const result = ir.binary(name, 2, ax, ir.mul(2, adjust, ir.i32(0x106)));
    const bits = ir.mul(2, adjust, ir.i32(Flag.adjust | Flag.carry));
    ir.set(1, rax, ir.and(2, result, ir.i32(0xff0f)));
    ir.setFlagBits(bits);
  };

const adjustAfterMultiply: LiftRow = (ir, base) => {
  const by = base.low & 0xff;
  if (by === 0) return ir.trap(Vector.divide);
  const al = ir.get(0, rax);
  const low = ir.binary("rem_u", 2, al, ir.i32(by));
  ir.set(1, rax, ir.or(2, low, ir.shl(2, ir.binary("div_u", 2, al, ir.i32(by)), ir.i32(8))));
  ir.setFlags(FlagKind.logic, 0, low);
};

const adjustBeforeDivide: LiftRow = (ir, base) => {
  const high = ir.mul(2, ir.op("get8h"), ir.i32(base.low & 0xff));
  const result = ir.trim(0, ir.add(2, ir.get(0, rax), high));
  ir.set(1, rax, result);
  ir.setFlags(FlagKind.logic, 0, result);
};

const only32 = (flags: number) => ({ mode: 32, undefined: flags }) as const;
const afterDecimal = Flag.overflow | Flag.adjust | Flag.carry;
const afterUnpacked = Flag.overflow | Flag.sign | Flag.zero | Flag.parity;

export const multiplyRows: readonly Row[] = [
  ins("F6 /4", "mul", ["rm8"], multiply(false), multiplied),
  ins("F7 /4", "mul", ["rm"], multiply(false), multiplied),
  ins("F6 /5", "imul", ["rm8"], multiply(true), multiplied),
  ins("F7 /5", "imul", ["rm"], multiply(true), multiplied),
  ins("0F AF /r", "imul", ["r", "rm"], (ir, to, from) => multiplyInto(ir, to, to, from), multiplied),
  ins("69 /r iz", "imul", ["r", "rm", "imm"], multiplyInto, multiplied),
  ins("6B /r ib", "imul", ["r", "rm", "imm"], multiplyInto, multiplied),
  ins("F6 /6", "div", ["rm8"], divide, divided),
  ins("F7 /6", "div", ["rm"], divide, divided),
  ins("F6 /7", "idiv", ["rm8"], divideSigned, divided),
  ins("F7 /7", "idiv", ["rm"], divideSigned, divided),
  ins("27", "daa", [], packedAdjust("add"), only32(Flag.overflow)),
  ins("2F", "das", [], packedAdjust("sub"), only32(Flag.overflow)),
  ins("37", "aaa", [], unpackedAdjust("add"), only32(afterUnpacked)),
  ins("3F", "aas", [], unpackedAdjust("sub"), only32(afterUnpacked)),
  ins("D4 ib", "aam", ["uimm"], adjustAfterMultiply, only32(afterDecimal)),
  ins("D5 ib", "aad", ["uimm"], adjustBeforeDivide, only32(afterDecimal)),
];
