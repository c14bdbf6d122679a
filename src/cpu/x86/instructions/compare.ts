// PCMPISTRI lifted in place for what C libraries use it for: bytes up to a terminator, "equal any" (strcspn, strpbrk) and
// "equal each" (strcmp). Everything else of PCMPxSTRx is a callout (Intel SDM volume 2, section 4.1).

import type { Lift, Operand, Value } from "../lift.ts";
import { zero } from "./vector.ts";

/** Fields of the immediate. */
const Control = {
  words: 0x01,
  aggregation: 0x0c,
  equalAny: 0x00,
  equalEach: 0x08,
  negate: 0x10,
  masked: 0x20,
  last: 0x40,
};

const all = 0xffff;

/** One bit a byte that equals. */
const equalBits = (ir: Lift, a: Value, b: Value): Value => ir.op("i8x16.bitmask", ir.op("i8x16.eq", a, b));

/** The bits below the lowest that is set, all 16 when none is. */
const below = (ir: Lift, bits: Value): Value => {
  const lowest = ir.and(2, bits, ir.sub(2, ir.i32(0), bits));
  return ir.and(2, ir.sub(2, lowest, ir.i32(1)), ir.i32(all));
};

/** Bytes of `b` that are one of those of `a` before its terminator: a bit each, rubbish beyond the end of `b`. */
function equalAny(ir: Lift, a: Value, b: Value, endA: Value): Value {
  // Past its end `a` repeats its first byte, which then cannot find more.
  const length = ir.unary("ctz", 2, ir.or(2, endA, ir.i32(0x10000)));
  const iota = ir.v128([0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c]);
  const inside = ir.op("i8x16.lt_u", iota, ir.op("i8x16.splat", length));
  const splat = (value: Value, i: number) => ir.shuffle(value, value, Array<number>(16).fill(i));
  const first = splat(a, 0);
  const set = ir.op("v128.bitselect", a, first, inside);
  let found = ir.op("i8x16.eq", b, first);
  for (let i = 1; i < 16; i++) found = ir.op("v128.or", found, ir.op("i8x16.eq", b, splat(set, i)));
  return ir.select(2, length, ir.op("i8x16.bitmask", found), ir.i32(0));
}

/** True when `compareInPlace` can do this immediate. */
export const isInPlace = (control: number): boolean =>
  (control & Control.words) === 0 &&
  ((control & Control.aggregation) === Control.equalAny || (control & Control.aggregation) === Control.equalEach);

/** PCMPISTRI of bytes: ECX and flags. */
export function compareInPlace(ir: Lift, first: Operand, b: Value, control: number): void {
  const a = ir.getx(first.number);
  const endA = equalBits(ir, a, zero(ir));
  const endB = equalBits(ir, b, zero(ir));
  const validB = below(ir, endB);
  let bits: Value;
  if ((control & Control.aggregation) === Control.equalAny) bits = ir.and(2, equalAny(ir, a, b, endA), validB);
  else {
    const validA = below(ir, endA);
    const both = ir.and(2, equalBits(ir, a, b), ir.and(2, validA, validB));
    bits = ir.or(2, both, ir.xor(2, ir.or(2, validA, validB), ir.i32(all)));
  }
  if (control & Control.negate) bits = ir.xor(2, bits, control & Control.masked ? validB : ir.i32(all));
  const isNot = (value: Value) => ir.binary("ne", 2, value, ir.i32(0));
  const index =
    control & Control.last
      ? ir.select(2, bits, ir.sub(2, ir.i32(31), ir.unary("clz", 2, bits)), ir.i32(16))
      : ir.unary("ctz", 2, ir.or(2, bits, ir.i32(0x10000)));
  const at = (value: Value, position: number) => ir.shl(2, value, ir.i32(position));
  const signAndZero = ir.or(2, at(isNot(endB), 6), at(isNot(endA), 7));
  const overflow = at(ir.and(2, bits, ir.i32(1)), 11);
  ir.set(2, 1, index);
  ir.setFlagBits(ir.or(2, ir.or(2, isNot(bits), signAndZero), overflow));
}
