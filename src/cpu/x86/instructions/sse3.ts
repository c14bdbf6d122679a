// SSE3 and SSSE3: horizontal arithmetic, duplicating moves, byte shuffles.

import type { Lift, Value } from "../lift.ts";
import { ins, type LiftRow, type Row } from "../table.ts";
import { packedFloat, type FloatShape } from "./float.ts";
import {
  and,
  both,
  fill,
  join,
  low64,
  mappedRow,
  mmxEnter,
  mmxRow,
  mmxWait,
  packedRow,
  readLow,
  readMmx,
  shuffle,
  widen,
  writeMmx,
  xor,
  zero,
  type Binary,
} from "./vector.ts";

/** HADDPS and its kin: neighbours of the destination, then of the source. */
const horizontal =
  (shape: FloatShape, operation: "add" | "sub"): Binary =>
  (ir, a, b) => {
    const [bytes, even, odd] = shape === "f64x2" ? [8, [0, 2], [1, 3]] : [4, [0, 2, 4, 6], [1, 3, 5, 7]];
    const side = (lanes: readonly number[]) => shuffle(ir, bytes as number, a, b, lanes);
    return packedFloat(shape, operation)(ir, side(even as number[]), side(odd as number[]));
  };

const alternate =
  (shape: FloatShape): Binary =>
  (ir, a, b) => {
    // A lane that is left out raises no exception: it computes with zeros.
    const part = (operation: "add" | "sub", mask: readonly [number, number, number, number]) => {
      const kept = (v: Value) => (ir.directed ? and(ir, v, ir.v128(mask)) : v);
      return packedFloat(shape, operation)(ir, kept(a), kept(b));
    };
    const difference = part("sub", shape === "f64x2" ? [-1, -1, 0, 0] : [-1, 0, -1, 0]);
    const sum = part("add", shape === "f64x2" ? [0, 0, -1, -1] : [0, -1, 0, -1]);
    return shape === "f64x2" ? shuffle(ir, 8, difference, sum, [0, 3]) : shuffle(ir, 4, difference, sum, [0, 5, 2, 7]);
  };

/** PHADDW and its kin, whose MMX form takes both operands as one vector. */
function horizontalIntegers(opcode: string, name: string, bytes: 2 | 4, operation: string): Row[] {
  const lanes = (first: number, count: number) => Array.from({ length: count }, (_, i) => first + 2 * i);
  const count = 16 / bytes;
  const combine: Binary = (ir, a, b) =>
    ir.op(operation, shuffle(ir, bytes, a, b, lanes(0, count)), shuffle(ir, bytes, a, b, lanes(1, count)));
  return [
    packedRow(`66 0F 38 ${opcode} /r`, name, combine),
    mmxRow(`NP 0F 38 ${opcode} /r`, name, (ir, a, b) => {
      const pair = join(ir, a, b);
      return low64(ir, combine(ir, pair, pair));
    }),
  ];
}

/** PSIGNB and its kin: negates where the source is negative, clears where it is zero. */
const withSign =
  (shape: "i8x16" | "i16x8" | "i32x4"): Binary =>
  (ir, a, b) => {
    const negative = ir.op(`${shape}.lt_s`, b, zero(ir));
    const value = ir.op(`${shape}.sub`, xor(ir, a, negative), negative);
    return ir.op("v128.andnot", value, ir.op(`${shape}.eq`, b, zero(ir)));
  };

const multiplyAddBytes: Binary = (ir, a, b) => {
  const half = (part: "low" | "high") =>
    ir.op("i16x8.mul", ir.op(`i16x8.extend_${part}_i8x16_u`, a), ir.op(`i16x8.extend_${part}_i8x16_s`, b));
  const low = half("low");
  const high = half("high");
  const even = shuffle(ir, 2, low, high, [0, 2, 4, 6, 8, 10, 12, 14]);
  const odd = shuffle(ir, 2, low, high, [1, 3, 5, 7, 9, 11, 13, 15]);
  return ir.op("i16x8.add_sat_s", even, odd);
};

/** WebAssembly saturates -1 * -1 where x86 wraps: turn 7FFF back into 8000 there. */
const multiplyRound: Binary = (ir, a, b) => {
  const least = fill(ir, 0x80008000 | 0);
  const wraps = and(ir, ir.op("i16x8.eq", a, least), ir.op("i16x8.eq", b, least));
  return xor(ir, ir.op("i16x8.q15mulr_sat_s", a, b), wraps);
};

/** Bytes `from` onwards of a (high) : b (low). */
function align(ir: Lift, a: Value, b: Value, from: number): Value {
  const run = (first: number) => Array.from({ length: 16 }, (_, i) => first + i);
  if (from >= 32) return zero(ir);
  if (from >= 16) return ir.shuffle(a, zero(ir), run(from - 16));
  return ir.shuffle(b, a, run(from));
}

const absolute = (opcode: string, name: string, shape: string): Row[] =>
  both(`0F 38 ${opcode} /r`, name, (ir, _to, from) => ir.op(`${shape}.abs`, from));

const duplicateLow: LiftRow = (ir, to, from) => {
  const value = readLow(ir, from!, 8);
  ir.setx(to!.number, shuffle(ir, 8, value, value, [0, 0]));
};

export const sse3Rows: readonly Row[] = [
  packedRow("F2 0F D0 /r", "addsubps", alternate("f32x4")),
  packedRow("66 0F D0 /r", "addsubpd", alternate("f64x2")),
  packedRow("F2 0F 7C /r", "haddps", horizontal("f32x4", "add")),
  packedRow("66 0F 7C /r", "haddpd", horizontal("f64x2", "add")),
  packedRow("F2 0F 7D /r", "hsubps", horizontal("f32x4", "sub")),
  packedRow("66 0F 7D /r", "hsubpd", horizontal("f64x2", "sub")),
  mappedRow("F3 0F 12 /r", "movsldup", (ir, from) => shuffle(ir, 4, from, from, [0, 0, 2, 2])),
  mappedRow("F3 0F 16 /r", "movshdup", (ir, from) => shuffle(ir, 4, from, from, [1, 1, 3, 3])),
  ins("F2 0F 12 /r", "movddup", ["xmm", "xmm/m64"], duplicateLow),
  ins("F2 0F F0 /r", "lddqu", ["xmm", "m128u"], (ir, to, from) => ir.setx(to!.number, ir.read128(from!))),

  packedRow("66 0F 38 00 /r", "pshufb", (ir, to, from) =>
    ir.op("i8x16.swizzle", to, and(ir, from, fill(ir, 0x8f8f8f8f | 0))),
  ),
  mmxRow("NP 0F 38 00 /r", "pshufb", (ir, to, from) =>
    low64(ir, ir.op("i8x16.swizzle", widen(ir, to), and(ir, widen(ir, from), fill(ir, 0x87878787 | 0)))),
  ),
  ...horizontalIntegers("01", "phaddw", 2, "i16x8.add"),
  ...horizontalIntegers("02", "phaddd", 4, "i32x4.add"),
  ...horizontalIntegers("03", "phaddsw", 2, "i16x8.add_sat_s"),
  ...horizontalIntegers("05", "phsubw", 2, "i16x8.sub"),
  ...horizontalIntegers("06", "phsubd", 4, "i32x4.sub"),
  ...horizontalIntegers("07", "phsubsw", 2, "i16x8.sub_sat_s"),
  ...both("0F 38 04 /r", "pmaddubsw", multiplyAddBytes),
  ...both("0F 38 08 /r", "psignb", withSign("i8x16")),
  ...both("0F 38 09 /r", "psignw", withSign("i16x8")),
  ...both("0F 38 0A /r", "psignd", withSign("i32x4")),
  ...both("0F 38 0B /r", "pmulhrsw", multiplyRound),
  ...absolute("1C", "pabsb", "i8x16"),
  ...absolute("1D", "pabsw", "i16x8"),
  ...absolute("1E", "pabsd", "i32x4"),
  ins("66 0F 3A 0F /r ib", "palignr", ["xmm", "xmm/m128", "uimm"], (ir, to, from, imm) => {
    const value = ir.read128(from!);
    ir.setx(to!.number, align(ir, ir.getx(to!.number), value, imm!.low & 0xff));
  }),
  ins("NP 0F 3A 0F /r ib", "palignr", ["mm", "mm/m64", "uimm"], (ir, to, from, imm) => {
    mmxWait(ir);
    const value = readMmx(ir, from!);
    const result = low64(ir, align(ir, zero(ir), join(ir, value, readMmx(ir, to!)), imm!.low & 0xff));
    mmxEnter(ir);
    writeMmx(ir, to!.number, result);
  }),
];
