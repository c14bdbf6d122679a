// Shifts and rotates, single and double. Counts are masked to 5 bits (6 for 64-bit operands); a count of zero leaves the
// flags, which is a choice between old and new bits that disappears when nobody reads them.

import { Flag, FlagKind } from "../../ir/flags.ts";
import type { Lift, Operand, Size, Value } from "../lift.ts";
import { ins, type LiftRow, type Row } from "../table.ts";

/** The masked count as i32, and as the constant it is when it is one. */
function maskedCount(ir: Lift, size: Size, from: Operand): { count: Value; fixed: number | undefined } {
  const mask = size === 3 ? 63 : 31;
  if (from.kind === "immediate") return { count: ir.i32(from.low & mask), fixed: from.low & mask };
  return { count: ir.and(2, ir.get(0, from.number), ir.i32(mask)), fixed: undefined };
}

/** Sets the flags to `bits` unless the count is zero. */
function unlessZero(ir: Lift, count: Value, fixed: number | undefined, bits: () => Value): void {
  if (fixed === 0) return;
  const fresh = bits();
  ir.setFlagBits(fixed === undefined ? ir.select(2, count, fresh, ir.getFlagBits()) : fresh);
}

const shift =
  (kind: number, name: "shl" | "shr_u" | "shr_s"): LiftRow =>
  (ir, to, from) => {
    const { size } = to;
    const { count, fixed } = maskedCount(ir, size, from);
    const before = ir.read(to);
    const wide = ir.resize(2, size, count);
    const result = ir.binary(name, size, name === "shr_s" ? ir.signed(size, before) : before, wide);
    ir.write(to, result);
    if (fixed !== undefined && fixed !== 0) ir.setFlags(kind, size, result, before, wide);
    else unlessZero(ir, count, fixed, () => ir.flagBits(kind, size, result, before, wide));
  };

/** Bit `index` of a value as i32. */
const bit = (ir: Lift, size: Size, value: Value, index: number): Value =>
  ir.and(2, ir.resize(size, 2, ir.shrU(size, value, ir.literal(size, index, 0))), ir.i32(1));

const topBit = (size: Size): number => (8 << size) - 1;

/** The flags with CF and OF replaced; both are i32, 0 or 1. */
function carryAndOverflow(ir: Lift, carry: Value, overflow: Value): Value {
  const kept = ir.and(2, ir.getFlagBits(), ir.i32(Flag.parity | Flag.adjust | Flag.zero | Flag.sign));
  return ir.or(2, ir.or(2, kept, carry), ir.shl(2, overflow, ir.i32(11)));
}

const rotate =
  (left: boolean): LiftRow =>
  (ir, to, from) => {
    const { size } = to;
    const { count, fixed } = maskedCount(ir, size, from);
    let value = ir.read(to);
    // Copies of a narrow value in the upper bits make the 32-bit rotation come out right below.
    if (size < 2) value = ir.mul(2, value, ir.i32(size === 0 ? 0x01010101 : 0x00010001));
    const result = ir.binary(left ? "rotl" : "rotr", size, value, ir.resize(2, size, count));
    ir.write(to, result);
    unlessZero(ir, count, fixed, () => {
      const top = bit(ir, size, result, topBit(size));
      const carry = left ? bit(ir, size, result, 0) : top;
      const other = left ? carry : bit(ir, size, result, topBit(size) - 1);
      return carryAndOverflow(ir, carry, ir.xor(2, top, other));
    });
  };

/** RCL and RCR of up to 32 bits: a rotation of the value with CF above it, in an i64. */
function rotateThroughCarry(ir: Lift, size: Size, value: Value, count: Value, left: boolean): [Value, Value] {
  const bits = 8 << size;
  const wide = ir.or(3, ir.resize(2, 3, value), ir.shl(3, ir.carry(3), ir.i64(bits, 0)));
  const turns = ir.resize(2, 3, size < 2 ? ir.binary("rem_u", 2, count, ir.i32(bits + 1)) : count);
  const back = ir.sub(3, ir.i64(bits + 1, 0), turns);
  const [up, down] = left ? [turns, back] : [back, turns];
  const turned = ir.or(3, ir.shl(3, wide, up), ir.shrU(3, wide, down));
  return [ir.resize(3, 2, turned), bit(ir, 3, turned, bits)];
}

/** The same for 64 bits, where the carry has no room: the count is not zero. */
function rotateLongThroughCarry(ir: Lift, value: Value, count: Value, left: boolean): [Value, Value] {
  const one = ir.i64(1);
  const turns = ir.resize(2, 3, count);
  const back = ir.sub(3, ir.i64(64, 0), turns);
  const carry = ir.carry(3);
  if (left) {
    const low = ir.or(3, ir.shl(3, carry, ir.sub(3, turns, one)), ir.shrU(3, ir.shrU(3, value, one), back));
    return [ir.or(3, ir.shl(3, value, turns), low), bitAt(ir, value, back)];
  }
  const high = ir.or(3, ir.shl(3, carry, back), ir.shl(3, ir.shl(3, value, one), back));
  return [ir.or(3, ir.shrU(3, value, turns), high), bitAt(ir, value, ir.sub(3, turns, one))];
}

/** Bit of an i64 at a computed index, as i32. */
const bitAt = (ir: Lift, value: Value, index: Value): Value =>
  ir.and(2, ir.resize(3, 2, ir.shrU(3, value, index)), ir.i32(1));

const rotateCarry =
  (left: boolean): LiftRow =>
  (ir, to, from) => {
    const { size } = to;
    const { count, fixed } = maskedCount(ir, size, from);
    const before = ir.read(to);
    const [turned, carry] =
      size === 3 ? rotateLongThroughCarry(ir, before, count, left) : rotateThroughCarry(ir, size, before, count, left);
    const result = size === 3 ? ir.select(3, count, turned, before) : turned;
    ir.write(to, result);
    unlessZero(ir, count, fixed, () => {
      const top = bit(ir, size, result, topBit(size));
      const other = left ? carry : bit(ir, size, result, topBit(size) - 1);
      return carryAndOverflow(ir, carry, ir.xor(2, top, other));
    });
  };

/** SHLD and SHRD. A 16-bit count above 16 is undefined; processors rotate through both operands. */
const double =
  (left: boolean): LiftRow =>
  (ir, to, filler, from) => {
    const { size } = to;
    const { count, fixed } = maskedCount(ir, size, from);
    const before = ir.read(to);
    const fill = ir.read(filler);
    const turns = ir.resize(2, 3, count);
    let result: Value;
    let carry: Value;
    const back = ir.sub(3, ir.i64(64, 0), turns);
    if (size === 3) {
      const one = ir.i64(1);
      const rest = ir.xor(3, turns, ir.i64(63, 0));
      result = left
        ? ir.or(3, ir.shl(3, before, turns), ir.shrU(3, ir.shrU(3, fill, one), rest))
        : ir.or(3, ir.shrU(3, before, turns), ir.shl(3, ir.shl(3, fill, one), rest));
      carry = bitAt(ir, before, left ? back : ir.sub(3, turns, one));
    } else {
      const a = ir.resize(2, 3, before);
      const b = ir.resize(2, 3, fill);
      const k = (count: number): Value => ir.i64(count, 0);
      const joined = (parts: readonly [Value, number][]): Value =>
        parts.map(([value, at]) => (at === 0 ? value : ir.shl(3, value, k(at)))).reduce((x, y) => ir.or(3, x, y));
      // Left: operand, filler (, operand) from the top of the i64. Right: the same from the bottom.
      const both = left
        ? joined(
            size === 2
              ? [
                  [a, 32],
                  [b, 0],
                ]
              : [
                  [a, 48],
                  [b, 32],
                  [a, 16],
                ],
          )
        : joined(
            size === 2
              ? [
                  [a, 0],
                  [b, 32],
                ]
              : [
                  [a, 0],
                  [b, 16],
                  [a, 32],
                ],
          );
      const shifted = left ? ir.shrU(3, ir.shl(3, both, turns), k(64 - (8 << size))) : ir.shrU(3, both, turns);
      result = ir.resize(3, 2, shifted);
      carry = bitAt(ir, both, left ? back : ir.sub(3, turns, k(1)));
    }
    ir.write(to, result);
    unlessZero(ir, count, fixed, () => {
      const changed = bit(ir, size, ir.xor(size, before, result), topBit(size));
      const bits = ir.or(2, ir.flagBits(FlagKind.logic, size, result), carry);
      return ir.or(2, bits, ir.shl(2, changed, ir.i32(11)));
    });
  };

/** The six encodings of a shift; `digit` is ModRM.reg. AF is undefined after shifts, OF unless the count is 1. */
function shifts(name: string, digit: number, lift: LiftRow, adjust: number): Row[] {
  const once = { undefined: adjust };
  const many = { undefined: adjust | Flag.overflow };
  return [
    ins(`D0 /${digit}`, name, ["rm8", "1"], lift, once),
    ins(`D1 /${digit}`, name, ["rm", "1"], lift, once),
    ins(`D2 /${digit}`, name, ["rm8", "cl"], lift, many),
    ins(`D3 /${digit}`, name, ["rm", "cl"], lift, many),
    ins(`C0 /${digit} ib`, name, ["rm8", "imm"], lift, many),
    ins(`C1 /${digit} ib`, name, ["rm", "imm"], lift, many),
  ];
}

const doubled = { undefined: Flag.adjust | Flag.overflow };

export const shiftRows: readonly Row[] = [
  ...shifts("rol", 0, rotate(true), 0),
  ...shifts("ror", 1, rotate(false), 0),
  ...shifts("rcl", 2, rotateCarry(true), 0),
  ...shifts("rcr", 3, rotateCarry(false), 0),
  ...shifts("shl", 4, shift(FlagKind.shl, "shl"), Flag.adjust),
  ...shifts("shr", 5, shift(FlagKind.shr, "shr_u"), Flag.adjust),
  ...shifts("sal", 6, shift(FlagKind.shl, "shl"), Flag.adjust),
  ...shifts("sar", 7, shift(FlagKind.sar, "shr_s"), Flag.adjust),
  ins("0F A4 /r ib", "shld", ["rm", "r", "imm"], double(true), doubled),
  ins("0F A5 /r", "shld", ["rm", "r", "cl"], double(true), doubled),
  ins("0F AC /r ib", "shrd", ["rm", "r", "imm"], double(false), doubled),
  ins("0F AD /r", "shrd", ["rm", "r", "cl"], double(false), doubled),
];
