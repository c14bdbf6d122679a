// SSE4.1 and SSE4.2: blends, lane insertion and extraction, widening moves, dot products, rounding, string comparison
// and CRC-32C.

import { DirectedOp } from "../directed.ts";
import type { Lift, Value } from "../lift.ts";
import { compareInPlace, isInPlace } from "./compare.ts";
import { ins, type LiftRow, type Row } from "../table.ts";
import { directedPacked, directedLow, packedFloat, type FloatShape } from "./float.ts";
import { byteDistance, evenProducts } from "./integer.ts";
import {
  and,
  choose,
  lane,
  lowLane,
  mapped,
  packed,
  packedRow,
  readLow,
  setZeroAndCarry,
  shuffle,
  two,
  unsignedLane,
  withLane,
  zero,
  type Binary,
  type Shape,
  type Unary,
} from "./vector.ts";

const three = (opcode: string, name: string, operation: Binary): Row =>
  packedRow(`66 0F 38 ${opcode} /r`, name, operation);

/** Blends by immediate: lane i comes from the source when bit i is set. */
const blend = (opcode: string, name: string, bytes: number): Row =>
  ins(`66 0F 3A ${opcode} /r ib`, name, ["xmm", "xmm/m128", "uimm"], (ir, to, from, imm) => {
    const count = 16 / bytes;
    const lanes = Array.from({ length: count }, (_, i) => i + ((imm!.low >> i) & 1 ? count : 0));
    packed((_, a, b) => shuffle(ir, bytes, a, b, lanes))(ir, to!, from!);
  });

/** Blends by the sign bits of XMM0. */
const blendBySign = (opcode: string, name: string, shape: Shape): Row =>
  ins(`66 0F 38 ${opcode} /r`, name, ["xmm", "xmm/m128", "xmm0"], (ir, to, from) =>
    packed((_, a, b) => choose(ir, ir.op(`${shape}.lt_s`, ir.getx(0), zero(ir)), b, a))(ir, to!, from!),
  );

/** PMOVSX and PMOVZX: `bytes` of memory, widened step by step. */
function widening(opcode: string, name: string, bytes: 2 | 4 | 8, steps: readonly string[]): Row[] {
  return [
    [2, "s", "pmovsx"],
    [3, "u", "pmovzx"],
  ].map(([digit, sign, prefix]) =>
    ins(`66 0F 38 ${digit}${opcode} /r`, prefix + name, ["xmm", `xmm/m${bytes * 8}`], (ir, to, from) => {
      let value: Value;
      if (bytes === 2 && from!.kind === "memory") value = withLane(ir, "i16x8", zero(ir), 0, ir.load(1, ir.address()));
      else value = readLow(ir, from!, bytes === 2 ? 4 : bytes);
      for (const step of steps) value = ir.op(`${step}_${sign}`, value);
      ir.setx(to!.number, value);
    }),
  );
}
const toWords = "i16x8.extend_low_i8x16";
const toDoubles = "i32x4.extend_low_i16x8";
const toQuads = "i64x2.extend_low_i32x4";

const testBits: LiftRow = (ir, to, from) => {
  const b = ir.read128(from!);
  const a = ir.getx(to!.number);
  const none = (value: Value) => ir.isZero(2, ir.op("v128.any_true", value));
  setZeroAndCarry(ir, none(and(ir, a, b)), none(ir.op("v128.andnot", b, a)));
};

/** The least unsigned word and its place. */
const minimumPosition: Unary = (ir, from) => {
  let least = from;
  for (const distance of [4, 2, 1]) {
    const lanes = Array.from({ length: 8 }, (_, i) => (i + distance) & 7);
    least = ir.op("i16x8.min_u", least, shuffle(ir, 2, least, least, lanes));
  }
  const place = ir.unary("ctz", 2, ir.op("i16x8.bitmask", ir.op("i16x8.eq", from, least)));
  const value = withLane(ir, "i16x8", zero(ir), 0, unsignedLane(ir, "i16x8", least, 0));
  return withLane(ir, "i16x8", value, 1, place);
};

const roundings = ["nearest", "floor", "ceil", "trunc"] as const;

/** What ROUNDPS and its kin do in the ordinary environment, where MXCSR's own mode is nearest. */
const rounding = (imm: number): string => roundings[imm & 4 ? 0 : imm & 3]!;

const roundPacked =
  (shape: FloatShape): LiftRow =>
  (ir, to, from, imm) =>
    mapped((_, value) =>
      ir.directed
        ? directedPacked(ir, shape, DirectedOp.round + (imm!.low & 15), value, value)
        : ir.op(`${shape}.${rounding(imm!.low)}`, value),
    )(ir, to!, from!);

const roundScalar =
  (shape: FloatShape): LiftRow =>
  (ir, to, from, imm) => {
    const double = shape === "f64x2";
    if (ir.directed) {
      const value = readLow(ir, from!, double ? 8 : 4);
      const result = directedLow(ir, shape, DirectedOp.round + (imm!.low & 15), value, value);
      return ir.setx(to!.number, lowLane(ir, shape, result, ir.getx(to!.number)));
    }
    const value = double ? ir.readF64(from!) : ir.readF32(from!);
    const result = ir.op(`${double ? "f64" : "f32"}.${rounding(imm!.low)}`, value);
    ir.setx(to!.number, withLane(ir, shape, ir.getx(to!.number), 0, result));
  };

const insertSingle: LiftRow = (ir, to, from, imm) => {
  const selected = from!.kind === "register" ? (imm!.low >> 6) & 3 : 0;
  const value = readLow(ir, from!, 4);
  const place = (imm!.low >> 4) & 3;
  const lanes = [0, 1, 2, 3].map((i) => (i === place ? 4 + selected : i));
  const merged = shuffle(ir, 4, ir.getx(to!.number), value, lanes);
  const kept = [0, 1, 2, 3].map((i) => ((imm!.low >> i) & 1 ? 0 : -1)) as [number, number, number, number];
  ir.setx(to!.number, imm!.low & 15 ? and(ir, merged, ir.v128(kept)) : merged);
};

/** A mask of `count` lanes from the low bits of a number. */
function laneMask(ir: Lift, bits: number, count: 2 | 4): Value {
  const words = [0, 1, 2, 3].map((i) => ((bits >> (count === 2 ? i >> 1 : i)) & 1 ? -1 : 0));
  return ir.v128(words as [number, number, number, number]);
}

const dotProduct =
  (shape: FloatShape): LiftRow =>
  (ir, to, from, imm) => {
    const count = shape === "f64x2" ? 2 : 4;
    const bytes = 16 / count;
    const add = packedFloat(shape, "add");
    packed((_, a, b) => {
      // Lanes that are left out raise no exceptions: they multiply zeros.
      const mask = laneMask(ir, imm!.low >> 4, count);
      const multiply = packedFloat(shape, "mul");
      const products = ir.directed
        ? multiply(ir, and(ir, a, mask), and(ir, b, mask))
        : and(ir, multiply(ir, a, b), mask);
      const side = (v: Value, lanes: readonly number[]) => shuffle(ir, bytes, v, v, lanes);
      // The order decides which of two NaNs a lane keeps; this is the processor's.
      let sum: Value;
      if (count === 2) sum = add(ir, products, side(products, [1, 0]));
      else {
        const pairs = add(ir, side(products, [1, 0, 3, 2]), products);
        sum = add(ir, pairs, side(pairs, [2, 3, 0, 1]));
      }
      return and(ir, sum, laneMask(ir, imm!.low, count));
    })(ir, to!, from!);
  };

const slidingDistances: LiftRow = (ir, to, from, imm) => {
  const start = imm!.low & 4;
  const other = (imm!.low & 3) * 4;
  packed((_, a, b) => {
    let sum: Value | undefined;
    for (let k = 0; k < 4; k++) {
      const window = shuffle(
        ir,
        1,
        a,
        a,
        Array.from({ length: 16 }, (_, i) => (i < 8 ? start + k + i : 0)),
      );
      const byte = shuffle(
        ir,
        1,
        b,
        b,
        Array.from({ length: 16 }, () => other + k),
      );
      const distances = ir.op("i16x8.extend_low_i8x16_u", byteDistance(ir, window, byte));
      sum = sum === undefined ? distances : ir.op("i16x8.add", sum, distances);
    }
    return sum!;
  })(ir, to!, from!);
};

/** PEXTR: a lane to a register, zero-extended, or to memory. */
const extractLane = (opcode: string, name: string, to: string, shape: "i8x16" | "i16x8" | "i32x4" | "i64x2"): Row[] => {
  const lift: LiftRow = (ir, place, from, imm) => {
    const wide = shape === "i32x4" && place!.size === 3;
    const count = wide ? 2 : { i8x16: 16, i16x8: 8, i32x4: 4, i64x2: 2 }[shape];
    const at = imm!.low & (count - 1);
    const vector = ir.getx(from!.number);
    const value =
      shape === "i8x16" || shape === "i16x8"
        ? unsignedLane(ir, shape, vector, at)
        : lane(ir, wide ? "i64x2" : shape, vector, at);
    ir.write(place!, value);
  };
  return [ins(`66 0F 3A ${opcode} /r ib`, name, [to, "xmm", "uimm"], lift)];
};

const insertLane = (opcode: string, name: string, from: string, shape: "i8x16" | "i32x4"): Row =>
  ins(`66 0F 3A ${opcode} /r ib`, name, ["xmm", from, "uimm"], (ir, to, source, imm) => {
    const wide = source!.size === 3;
    const value = shape === "i8x16" && source!.kind === "register" ? ir.get(2, source!.number) : ir.read(source!);
    const at = imm!.low & (shape === "i8x16" ? 15 : wide ? 1 : 3);
    ir.setx(to!.number, withLane(ir, wide ? "i64x2" : shape, ir.getx(to!.number), at, value));
  });

/** PCMPxSTRx: the comparison itself is a callout; `index` forms write ECX, the others XMM0. */
const compareStrings = (opcode: string, name: string, explicit: boolean, index: boolean): Row =>
  ins(`66 0F 3A ${opcode} /r ib`, name, ["xmm", "xmm/m128u", "uimm"], (ir, a, b, imm) => {
    const value = ir.read128(b!);
    if (index && !explicit && isInPlace(imm!.low)) return compareInPlace(ir, a!, value, imm!.low);
    const request =
      (imm!.low & 0xff) |
      (a!.number << 8) |
      (explicit ? 0x1000 : 0) |
      (index ? 0x2000 : 0) |
      (ir.current.wide ? 0x4000 : 0);
    const result = ir.callout(
      "compareStrings",
      ir.i64(request),
      lane(ir, "i64x2", value, 0),
      lane(ir, "i64x2", value, 1),
    );
    ir.setFlagBits(ir.resize(3, 2, result));
    if (index) ir.set(2, 1, ir.resize(3, 2, ir.shrU(3, result, ir.i64(32))));
  });

/** CRC32: accumulates 1 to 8 bytes. */
const crc: LiftRow = (ir, to, from) => {
  const value: Value = ir.resize(from!.size, 3, ir.read(from!));
  const old = ir.resize(2, 3, ir.get(2, to!.number));
  ir.set(2, to!.number, ir.resize(3, 2, ir.callout("crc32c", old, value, ir.i64(1 << from!.size))));
};

export const sse4Rows: readonly Row[] = [
  blend("0C", "blendps", 4),
  blend("0D", "blendpd", 8),
  blend("0E", "pblendw", 2),
  blendBySign("10", "pblendvb", "i8x16"),
  blendBySign("14", "blendvps", "i32x4"),
  blendBySign("15", "blendvpd", "i64x2"),
  ins("66 0F 38 17 /r", "ptest", ["xmm", "xmm/m128"], testBits),
  ...widening("0", "bw", 8, [toWords]),
  ...widening("1", "bd", 4, [toWords, toDoubles]),
  ...widening("2", "bq", 2, [toWords, toDoubles, toQuads]),
  ...widening("3", "wd", 8, [toDoubles]),
  ...widening("4", "wq", 4, [toDoubles, toQuads]),
  ...widening("5", "dq", 8, [toQuads]),
  three("28", "pmuldq", evenProducts("s")),
  three("29", "pcmpeqq", two("i64x2.eq")),
  ins("66 0F 38 2A /r", "movntdqa", ["xmm", "m128"], (ir, to, from) => ir.setx(to!.number, ir.read128(from!))),
  three("2B", "packusdw", two("i16x8.narrow_i32x4_u")),
  three("37", "pcmpgtq", two("i64x2.gt_s")),
  three("38", "pminsb", two("i8x16.min_s")),
  three("39", "pminsd", two("i32x4.min_s")),
  three("3A", "pminuw", two("i16x8.min_u")),
  three("3B", "pminud", two("i32x4.min_u")),
  three("3C", "pmaxsb", two("i8x16.max_s")),
  three("3D", "pmaxsd", two("i32x4.max_s")),
  three("3E", "pmaxuw", two("i16x8.max_u")),
  three("3F", "pmaxud", two("i32x4.max_u")),
  three("40", "pmulld", two("i32x4.mul")),
  ins("66 0F 38 41 /r", "phminposuw", ["xmm", "xmm/m128"], mapped(minimumPosition)),

  ins("66 0F 3A 08 /r ib", "roundps", ["xmm", "xmm/m128", "uimm"], roundPacked("f32x4")),
  ins("66 0F 3A 09 /r ib", "roundpd", ["xmm", "xmm/m128", "uimm"], roundPacked("f64x2")),
  ins("66 0F 3A 0A /r ib", "roundss", ["xmm", "xmm/m32", "uimm"], roundScalar("f32x4")),
  ins("66 0F 3A 0B /r ib", "roundsd", ["xmm", "xmm/m64", "uimm"], roundScalar("f64x2")),
  ...extractLane("14", "pextrb", "r32/m8", "i8x16"),
  ...extractLane("15", "pextrw", "r32/m16", "i16x8"),
  ...extractLane("16", "pextrd", "rmy", "i32x4"),
  ...extractLane("17", "extractps", "r32/m32", "i32x4"),
  insertLane("20", "pinsrb", "r32/m8", "i8x16"),
  insertLane("22", "pinsrd", "rmy", "i32x4"),
  ins("66 0F 3A 21 /r ib", "insertps", ["xmm", "xmm/m32", "uimm"], insertSingle),
  ins("66 0F 3A 40 /r ib", "dpps", ["xmm", "xmm/m128", "uimm"], dotProduct("f32x4")),
  ins("66 0F 3A 41 /r ib", "dppd", ["xmm", "xmm/m128", "uimm"], dotProduct("f64x2")),
  ins("66 0F 3A 42 /r ib", "mpsadbw", ["xmm", "xmm/m128", "uimm"], slidingDistances),

  compareStrings("60", "pcmpestrm", true, false),
  compareStrings("61", "pcmpestri", true, true),
  compareStrings("62", "pcmpistrm", false, false),
  compareStrings("63", "pcmpistri", false, true),
  // Memory forms apart: they share their opcodes with MOVBE.
  ins("F2 0F 38 F0 /r", "crc32", ["r32", "m8"], crc),
  ins("F2 0F 38 F0 /r", "crc32", ["r32", "r8:rm"], crc),
  ins("F2 0F 38 F1 /r", "crc32", ["r32", "m"], crc),
  ins("F2 0F 38 F1 /r", "crc32", ["r32", "r:rm"], crc),
];
