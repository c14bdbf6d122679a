// Packed integers: SSE2 and the MMX instructions they grew out of.

import type { Lift, Operand, Value } from "../lift.ts";
import { ins, type LiftRow, type Row } from "../table.ts";
import {
  and,
  both,
  choose,
  join,
  low64,
  mappedRow,
  mmxEnter,
  mmxRow,
  mmxWait,
  or,
  packedRow,
  readLow,
  readMmx,
  shuffle,
  two,
  unsignedLane,
  widen,
  withLane,
  writeMmx,
  xor,
  zero,
  type Binary,
  type Shape,
} from "./vector.ts";

const andNot: Binary = (ir, to, from) => ir.op("v128.andnot", from, to);

/** High 16 bits of 16-bit products. */
const highProducts =
  (sign: "s" | "u"): Binary =>
  (ir, a, b) => {
    const low = ir.op(`i32x4.extmul_low_i16x8_${sign}`, a, b);
    const high = ir.op(`i32x4.extmul_high_i16x8_${sign}`, a, b);
    return shuffle(ir, 2, low, high, [1, 3, 5, 7, 9, 11, 13, 15]);
  };

/** 64-bit products of the even 32-bit lanes. */
export const evenProducts =
  (sign: "s" | "u"): Binary =>
  (ir, a, b) => {
    const even = (v: Value) => shuffle(ir, 4, v, v, [0, 2, 0, 2]);
    return ir.op(`i64x2.extmul_low_i32x4_${sign}`, even(a), even(b));
  };

/** Absolute differences of unsigned bytes. */
export const byteDistance: Binary = (ir, a, b) =>
  or(ir, ir.op("i8x16.sub_sat_u", a, b), ir.op("i8x16.sub_sat_u", b, a));

const sumOfDistances: Binary = (ir, a, b) => {
  const words = ir.op("i16x8.extadd_pairwise_i8x16_u", byteDistance(ir, a, b));
  const doubles = ir.op("i32x4.extadd_pairwise_i16x8_u", words);
  const low = and(ir, doubles, ir.v128([-1, 0, -1, 0]));
  return ir.op("i64x2.add", low, ir.op("i64x2.shr_u", doubles, ir.i32(32)));
};

const widths: Record<"i16x8" | "i32x4" | "i64x2", number> = { i16x8: 16, i32x4: 32, i64x2: 64 };
type Shift = "shl" | "shr_u" | "shr_s";

/** A shift whose count is the low 64 bits of a vector: counts past the lane clear it, or leave only its sign. */
function shiftBy(ir: Lift, shape: keyof typeof widths, shift: Shift, value: Value, count: Value): Value {
  const most = widths[shape] - 1;
  const beyond = ir.binary("gt_u", 3, count, ir.i64(most));
  const small = ir.resize(3, 2, count);
  if (shift === "shr_s") return ir.op(`${shape}.shr_s`, value, ir.select(2, beyond, ir.i32(most), small));
  return ir.op("v128.select", beyond, zero(ir), ir.op(`${shape}.${shift}`, value, small));
}

/** The same with a constant count. */
function shiftByConstant(ir: Lift, shape: keyof typeof widths, shift: Shift, value: Value, count: number): Value {
  const most = widths[shape] - 1;
  if (count > most && shift !== "shr_s") return zero(ir);
  return ir.op(`${shape}.${shift}`, value, ir.i32(Math.min(count, most)));
}

/** Shifts by register and by immediate, in XMM and MMX. */
function shifts(opcode: string, group: string, name: string, shape: keyof typeof widths, shift: Shift): Row[] {
  const byImmediate = (prefix: string) => `${prefix} 0F ${group} ib`;
  const count = (imm: Operand) => imm.low & 0xff;
  return [
    ins(`66 0F ${opcode} /r`, name, ["xmm", "xmm/m128"], (ir, to, from) => {
      const by = low64(ir, ir.read128(from!));
      ir.setx(to!.number, shiftBy(ir, shape, shift, ir.getx(to!.number), by));
    }),
    mmxRow(`NP 0F ${opcode} /r`, name, (ir, to, from) => low64(ir, shiftBy(ir, shape, shift, widen(ir, to), from))),
    ins(byImmediate("66"), name, ["xmm:rm", "uimm"], (ir, to, imm) =>
      ir.setx(to!.number, shiftByConstant(ir, shape, shift, ir.getx(to!.number), count(imm!))),
    ),
    ins(byImmediate("NP"), name, ["mm:rm", "uimm"], (ir, to, imm) => {
      mmxWait(ir);
      const result = shiftByConstant(ir, shape, shift, widen(ir, readMmx(ir, to!)), count(imm!));
      mmxEnter(ir);
      writeMmx(ir, to!.number, low64(ir, result));
    }),
  ];
}

/** Shifts of the whole register by bytes; `left` towards the high end. */
const byteShift =
  (left: boolean): LiftRow =>
  (ir, to, imm) => {
    const bytes = Math.min(imm!.low & 0xff, 16);
    const lanes = Array.from({ length: 16 }, (_, i) => {
      const from = left ? i - bytes : i + bytes;
      return from < 0 || from > 15 ? 16 : from;
    });
    ir.setx(to!.number, ir.shuffle(ir.getx(to!.number), zero(ir), lanes));
  };

/** Interleaves lanes of the low or high halves; MMX has half as many. */
function unpack(opcode: string, name: string, bytes: number, high: boolean): Row[] {
  const count = 16 / bytes;
  const interleave = (first: number, other: number, lanes: number) =>
    Array.from({ length: lanes }, (_, i) => (i >> 1) + (i & 1 ? other : first));
  const rows = [
    packedRow(`66 0F ${opcode} /r`, name, (ir, to, from) =>
      shuffle(ir, bytes, to, from, interleave(high ? count / 2 : 0, high ? (3 * count) / 2 : count, count)),
    ),
  ];
  if (bytes < 8)
    rows.push(
      ins(`NP 0F ${opcode} /r`, name, ["mm", high ? "mm/m64" : "mm/m32"], (ir, to, from) => {
        mmxWait(ir);
        const source =
          from!.kind === "register"
            ? readMmx(ir, from!)
            : high
              ? ir.load(3, ir.address())
              : ir.resize(2, 3, ir.load(2, ir.address()));
        const start = high ? count / 4 : 0;
        const lanes = interleave(start, start + count, count / 2);
        const result = shuffle(ir, bytes, widen(ir, readMmx(ir, to!)), widen(ir, source), [...lanes, ...lanes]);
        mmxEnter(ir);
        writeMmx(ir, to!.number, low64(ir, result));
      }),
    );
  return rows;
}

/** Narrowing takes the destination's lanes, then the source's. */
const narrowing = (opcode: string, name: string, operation: string): Row[] => [
  packedRow(`66 0F ${opcode} /r`, name, two(operation)),
  mmxRow(`NP 0F ${opcode} /r`, name, (ir, to, from) => {
    const pair = join(ir, to, from);
    return low64(ir, ir.op(operation, pair, pair));
  }),
];

/** Lane numbers of a four-lane shuffle immediate. */
export const fields = (imm: number): number[] => [imm & 3, (imm >> 2) & 3, (imm >> 4) & 3, (imm >> 6) & 3];

const shuffleRow = (notation: string, name: string, lanes: (imm: number) => number[], bytes: number): Row =>
  ins(notation, name, ["xmm", "xmm/m128", "uimm"], (ir, to, from, imm) => {
    const value = ir.read128(from!);
    ir.setx(to!.number, shuffle(ir, bytes, value, value, lanes(imm!.low)));
  });

/** Bytes of `value` where the mask's top bit is set, stored at DS:rDI. */
function maskedStore(ir: Lift, value: Value, mask: Value, bytes: 8 | 16): void {
  const size = ir.current.addressSize === 1 ? 1 : ir.current.addressSize;
  const at = ir.get(size, 7);
  const address = ir.segmented(ir.long && size === 2 ? ir.toWord(at) : at, ir.current.segment);
  const set = ir.op("i8x16.lt_s", mask, zero(ir));
  if (bytes === 16) ir.probeWrite(ir.offset(address, 8), 8);
  ir.probeWrite(address, bytes);
  if (bytes === 16) return ir.store(4, address, choose(ir, set, value, ir.load(4, address)));
  ir.store(3, address, low64(ir, choose(ir, set, value, widen(ir, ir.load(3, address)))));
}

const compare = (opcode: string, name: string, operation: string): Row[] =>
  both(`0F ${opcode} /r`, name, two(operation));

/** `pinsrw`: the low 16 bits of a register or memory into a lane. */
const word = (ir: Lift, from: Operand): Value =>
  from.kind === "register" ? ir.get(2, from.number) : ir.load(1, ir.address());

export const integerRows: readonly Row[] = [
  ...unpack("60", "punpcklbw", 1, false),
  ...unpack("61", "punpcklwd", 2, false),
  ...unpack("62", "punpckldq", 4, false),
  ...unpack("6C", "punpcklqdq", 8, false),
  ...unpack("68", "punpckhbw", 1, true),
  ...unpack("69", "punpckhwd", 2, true),
  ...unpack("6A", "punpckhdq", 4, true),
  ...unpack("6D", "punpckhqdq", 8, true),
  ...narrowing("63", "packsswb", "i8x16.narrow_i16x8_s"),
  ...narrowing("67", "packuswb", "i8x16.narrow_i16x8_u"),
  ...narrowing("6B", "packssdw", "i16x8.narrow_i32x4_s"),
  ...compare("64", "pcmpgtb", "i8x16.gt_s"),
  ...compare("65", "pcmpgtw", "i16x8.gt_s"),
  ...compare("66", "pcmpgtd", "i32x4.gt_s"),
  ...compare("74", "pcmpeqb", "i8x16.eq"),
  ...compare("75", "pcmpeqw", "i16x8.eq"),
  ...compare("76", "pcmpeqd", "i32x4.eq"),

  shuffleRow("66 0F 70 /r ib", "pshufd", fields, 4),
  shuffleRow("F2 0F 70 /r ib", "pshuflw", (imm) => [...fields(imm), 4, 5, 6, 7], 2),
  shuffleRow("F3 0F 70 /r ib", "pshufhw", (imm) => [0, 1, 2, 3, ...fields(imm).map((n) => n + 4)], 2),
  ins("NP 0F 70 /r ib", "pshufw", ["mm", "mm/m64", "uimm"], (ir, to, from, imm) => {
    mmxWait(ir);
    const value = widen(ir, readMmx(ir, from!));
    const result = low64(ir, shuffle(ir, 2, value, value, [...fields(imm!.low), 4, 5, 6, 7]));
    mmxEnter(ir);
    writeMmx(ir, to!.number, result);
  }),

  ...shifts("D1", "71 /2", "psrlw", "i16x8", "shr_u"),
  ...shifts("D2", "72 /2", "psrld", "i32x4", "shr_u"),
  ...shifts("D3", "73 /2", "psrlq", "i64x2", "shr_u"),
  ...shifts("E1", "71 /4", "psraw", "i16x8", "shr_s"),
  ...shifts("E2", "72 /4", "psrad", "i32x4", "shr_s"),
  ...shifts("F1", "71 /6", "psllw", "i16x8", "shl"),
  ...shifts("F2", "72 /6", "pslld", "i32x4", "shl"),
  ...shifts("F3", "73 /6", "psllq", "i64x2", "shl"),
  ins("66 0F 73 /3 ib", "psrldq", ["xmm:rm", "uimm"], byteShift(false)),
  ins("66 0F 73 /7 ib", "pslldq", ["xmm:rm", "uimm"], byteShift(true)),

  ...both("0F FC /r", "paddb", two("i8x16.add")),
  ...both("0F FD /r", "paddw", two("i16x8.add")),
  ...both("0F FE /r", "paddd", two("i32x4.add")),
  ...both("0F D4 /r", "paddq", two("i64x2.add")),
  ...both("0F F8 /r", "psubb", two("i8x16.sub")),
  ...both("0F F9 /r", "psubw", two("i16x8.sub")),
  ...both("0F FA /r", "psubd", two("i32x4.sub")),
  ...both("0F FB /r", "psubq", two("i64x2.sub")),
  ...both("0F EC /r", "paddsb", two("i8x16.add_sat_s")),
  ...both("0F ED /r", "paddsw", two("i16x8.add_sat_s")),
  ...both("0F DC /r", "paddusb", two("i8x16.add_sat_u")),
  ...both("0F DD /r", "paddusw", two("i16x8.add_sat_u")),
  ...both("0F E8 /r", "psubsb", two("i8x16.sub_sat_s")),
  ...both("0F E9 /r", "psubsw", two("i16x8.sub_sat_s")),
  ...both("0F D8 /r", "psubusb", two("i8x16.sub_sat_u")),
  ...both("0F D9 /r", "psubusw", two("i16x8.sub_sat_u")),
  ...both("0F DA /r", "pminub", two("i8x16.min_u")),
  ...both("0F DE /r", "pmaxub", two("i8x16.max_u")),
  ...both("0F EA /r", "pminsw", two("i16x8.min_s")),
  ...both("0F EE /r", "pmaxsw", two("i16x8.max_s")),
  ...both("0F E0 /r", "pavgb", two("i8x16.avgr_u")),
  ...both("0F E3 /r", "pavgw", two("i16x8.avgr_u")),
  ...both("0F D5 /r", "pmullw", two("i16x8.mul")),
  ...both("0F E5 /r", "pmulhw", highProducts("s")),
  ...both("0F E4 /r", "pmulhuw", highProducts("u")),
  ...both("0F F4 /r", "pmuludq", evenProducts("u")),
  ...both("0F F5 /r", "pmaddwd", two("i32x4.dot_i16x8_s")),
  ...both("0F F6 /r", "psadbw", sumOfDistances),
  ...both("0F DB /r", "pand", and),
  ...both("0F DF /r", "pandn", andNot),
  ...both("0F EB /r", "por", or),
  ...both("0F EF /r", "pxor", xor),

  ins("66 0F D7 /r", "pmovmskb", ["r32", "xmm:rm"], (ir, to, from) =>
    ir.set(2, to!.number, ir.op("i8x16.bitmask", ir.getx(from!.number))),
  ),
  ins("NP 0F D7 /r", "pmovmskb", ["r32", "mm:rm"], (ir, to, from) => {
    mmxWait(ir);
    const mask = ir.op("i8x16.bitmask", widen(ir, readMmx(ir, from!)));
    mmxEnter(ir);
    ir.set(2, to!.number, ir.and(2, mask, ir.i32(0xff)));
  }),
  ins("66 0F C5 /r ib", "pextrw", ["r32", "xmm:rm", "uimm"], (ir, to, from, imm) =>
    ir.set(2, to!.number, unsignedLane(ir, "i16x8", ir.getx(from!.number), imm!.low & 7)),
  ),
  ins("NP 0F C5 /r ib", "pextrw", ["r32", "mm:rm", "uimm"], (ir, to, from, imm) => {
    mmxWait(ir);
    const value = unsignedLane(ir, "i16x8", widen(ir, readMmx(ir, from!)), imm!.low & 3);
    mmxEnter(ir);
    ir.set(2, to!.number, value);
  }),
  ins("66 0F C4 /r ib", "pinsrw", ["xmm", "r32/m16", "uimm"], (ir, to, from, imm) => {
    const value = word(ir, from!);
    ir.setx(to!.number, withLane(ir, "i16x8", ir.getx(to!.number), imm!.low & 7, value));
  }),
  ins("NP 0F C4 /r ib", "pinsrw", ["mm", "r32/m16", "uimm"], (ir, to, from, imm) => {
    mmxWait(ir);
    const value = word(ir, from!);
    const result = low64(ir, withLane(ir, "i16x8", widen(ir, readMmx(ir, to!)), imm!.low & 3, value));
    mmxEnter(ir);
    writeMmx(ir, to!.number, result);
  }),

  ins("66 0F 6E /r", "movd", ["xmm", "rmy"], (ir, to, from) => {
    if (from!.kind === "memory")
      return ir.setx(to!.number, ir.op(from!.size === 3 ? "load64_zero" : "load32_zero", ir.address()));
    const shape: Shape = from!.size === 3 ? "i64x2" : "i32x4";
    ir.setx(to!.number, withLane(ir, shape, zero(ir), 0, ir.read(from!)));
  }),
  ins("66 0F 7E /r", "movd", ["rmy", "xmm"], (ir, to, from) =>
    ir.write(to!, to!.size === 3 ? ir.read64(from!) : ir.read32(from!)),
  ),
  ins("NP 0F 6E /r", "movd", ["mm", "rmy"], (ir, to, from) => {
    mmxWait(ir);
    const value = ir.resize(from!.size, 3, ir.read(from!));
    mmxEnter(ir);
    writeMmx(ir, to!.number, value);
  }),
  ins("NP 0F 7E /r", "movd", ["rmy", "mm"], (ir, to, from) => {
    mmxWait(ir);
    const value = readMmx(ir, from!);
    if (to!.kind === "memory") ir.write(to!, ir.resize(3, to!.size, value));
    mmxEnter(ir);
    if (to!.kind === "register") ir.write(to!, ir.resize(3, to!.size, value));
  }),
  ins("F3 0F 7E /r", "movq", ["xmm", "xmm/m64"], (ir, to, from) => {
    const value = readLow(ir, from!, 8);
    ir.setx(to!.number, from!.kind === "memory" ? value : and(ir, value, ir.v128([-1, -1, 0, 0])));
  }),
  ins("66 0F D6 /r", "movq", ["xmm/m64", "xmm"], (ir, to, from) => {
    if (to!.kind === "memory") return ir.store(3, ir.address(), ir.read64(from!));
    ir.setx(to!.number, and(ir, ir.getx(from!.number), ir.v128([-1, -1, 0, 0])));
  }),
  ins("NP 0F 6F /r", "movq", ["mm", "mm/m64"], (ir, to, from) => {
    mmxWait(ir);
    const value = readMmx(ir, from!);
    mmxEnter(ir);
    writeMmx(ir, to!.number, value);
  }),
  ins("NP 0F 7F /r", "movq", ["mm/m64", "mm"], (ir, to, from) => {
    mmxWait(ir);
    const value = readMmx(ir, from!);
    if (to!.kind === "memory") ir.store(3, ir.address(), value);
    mmxEnter(ir);
    if (to!.kind === "register") writeMmx(ir, to!.number, value);
  }),
  mappedRow("66 0F 6F /r", "movdqa", (_ir, from) => from),
  ins("F3 0F 6F /r", "movdqu", ["xmm", "xmm/m128u"], (ir, to, from) => ir.setx(to!.number, ir.read128(from!))),
  ins("66 0F 7F /r", "movdqa", ["xmm/m128", "xmm"], (ir, to, from) => ir.write128(to!, ir.read128(from!))),
  ins("F3 0F 7F /r", "movdqu", ["xmm/m128u", "xmm"], (ir, to, from) => ir.write128(to!, ir.read128(from!))),
  ins("66 0F E7 /r", "movntdq", ["m128", "xmm"], (ir, to, from) => ir.write128(to!, ir.read128(from!))),
  ins("NP 0F E7 /r", "movntq", ["m64", "mm"], (ir, to, from) => {
    mmxWait(ir);
    ir.write(to!, readMmx(ir, from!));
    mmxEnter(ir);
  }),
  ins("66 0F F7 /r", "maskmovdqu", ["xmm", "xmm:rm"], (ir, value, mask) =>
    maskedStore(ir, ir.getx(value!.number), ir.getx(mask!.number), 16),
  ),
  ins("NP 0F F7 /r", "maskmovq", ["mm", "mm:rm"], (ir, value, mask) => {
    mmxWait(ir);
    maskedStore(ir, widen(ir, readMmx(ir, value!)), widen(ir, readMmx(ir, mask!)), 8);
    mmxEnter(ir);
  }),
  ins("F2 0F D6 /r", "movdq2q", ["mm", "xmm:rm"], (ir, to, from) => {
    mmxWait(ir);
    const value = ir.read64(from!);
    mmxEnter(ir);
    writeMmx(ir, to!.number, value);
  }),
  ins("F3 0F D6 /r", "movq2dq", ["xmm", "mm:rm"], (ir, to, from) => {
    mmxWait(ir);
    const value = readMmx(ir, from!);
    mmxEnter(ir);
    ir.setx(to!.number, withLane(ir, "i64x2", zero(ir), 0, value));
  }),
];
