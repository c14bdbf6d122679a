// SSE and SSE2 floating point: moves, arithmetic, comparisons and conversions of singles and doubles, packed and scalar.
// When MXCSR asks for more than rounding to nearest with all exceptions masked, blocks are translated with `ir.directed`
// set and arithmetic goes through the callouts of ../directed.ts.

import { DirectedOp } from "../directed.ts";
import type { Lift, Value } from "../lift.ts";
import { ins, type LiftRow, type Row } from "../table.ts";
import { fields } from "./integer.ts";
import {
  and,
  choose,
  fill,
  join,
  lane,
  low64,
  lowLane,
  mapped,
  mappedRow,
  mmxEnter,
  mmxWait,
  not,
  or,
  packed,
  packedRow,
  readLow,
  readMmx,
  shuffle,
  two,
  widen,
  withLane,
  writeMmx,
  xor,
  zero,
  type Binary,
  type Unary,
} from "./vector.ts";

export type FloatShape = "f32x4" | "f64x2";

/** A directed operation on both halves: each half is one double or two singles. */
export function directedPacked(ir: Lift, type: FloatShape, operation: number, a: Value, b: Value): Value {
  const name = type === "f64x2" ? "directedDouble" : "directedSingles";
  const half = (n: number) => ir.callout(name, ir.i64(operation), lane(ir, "i64x2", a, n), lane(ir, "i64x2", b, n));
  return join(ir, half(0), half(1));
}
/** The same on the low lane only; the rest of the result means nothing. */
export function directedLow(ir: Lift, type: FloatShape, operation: number, a: Value, b: Value): Value {
  const name = type === "f64x2" ? "directedDouble" : "directedSingle";
  return widen(ir, ir.callout(name, ir.i64(operation), low64(ir, a), low64(ir, b)));
}

type Operation = keyof typeof lowered;

/** How each operation is done in the ordinary environment. */
const lowered = {
  add: two4("add"),
  sub: two4("sub"),
  mul: two4("mul"),
  div: two4("div"),
  // x86 gives the second operand when either is a NaN or both are zeros.
  min:
    (type: FloatShape): Binary =>
    (ir, to, from) =>
      ir.op(`${type}.pmin`, from, to),
  max:
    (type: FloatShape): Binary =>
    (ir, to, from) =>
      ir.op(`${type}.pmax`, from, to),
  sqrt:
    (type: FloatShape): Binary =>
    (ir, _to, from) =>
      ir.op(`${type}.sqrt`, from),
};
function two4(name: string) {
  return (type: FloatShape): Binary => two(`${type}.${name}`);
}

export const packedFloat =
  (type: FloatShape, operation: Operation): Binary =>
  (ir, to, from) =>
    ir.directed ? directedPacked(ir, type, DirectedOp[operation], to, from) : lowered[operation](type)(ir, to, from);

/** Operations that WebAssembly has for scalars. */
const scalarOps = new Set<Operation>(["add", "sub", "mul", "div", "sqrt"]);

const scalar =
  (type: FloatShape, operation: Operation): LiftRow =>
  (ir, to, from) => {
    const bytes = type === "f64x2" ? 8 : 4;
    if (ir.directed || !scalarOps.has(operation)) {
      const value = readLow(ir, from!, bytes);
      const old = ir.getx(to!.number);
      const result = ir.directed
        ? directedLow(ir, type, DirectedOp[operation], old, value)
        : lowered[operation](type)(ir, old, value);
      return ir.setx(to!.number, lowLane(ir, type, result, old));
    }
    const value = bytes === 8 ? ir.readF64(from!) : ir.readF32(from!);
    const old = ir.getx(to!.number);
    const short = bytes === 8 ? "f64" : "f32";
    const result =
      operation === "sqrt"
        ? ir.op(`${short}.sqrt`, value)
        : ir.op(`${short}.${operation}`, lane(ir, type, old, 0), value);
    ir.setx(to!.number, withLane(ir, type, old, 0, result));
  };

/** The four forms of an arithmetic instruction: packed and scalar, single and double. */
const arithmetic = (opcode: string, operation: Operation): Row[] => [
  packedRow(`NP 0F ${opcode} /r`, `${operation}ps`, packedFloat("f32x4", operation)),
  packedRow(`66 0F ${opcode} /r`, `${operation}pd`, packedFloat("f64x2", operation)),
  ins(`F3 0F ${opcode} /r`, `${operation}ss`, ["xmm", "xmm/m32"], scalar("f32x4", operation)),
  ins(`F2 0F ${opcode} /r`, `${operation}sd`, ["xmm", "xmm/m64"], scalar("f64x2", operation)),
];

const bitwise = (opcode: string, name: string, operation: Binary): Row[] => [
  packedRow(`NP 0F ${opcode} /r`, `${name}ps`, operation),
  packedRow(`66 0F ${opcode} /r`, `${name}pd`, operation),
];

/** CMPPS and its kin: the mask of one of eight predicates. */
function predicate(ir: Lift, type: FloatShape, number: number, a: Value, b: Value): Value {
  const compare = (name: string, x = a, y = b) => ir.op(`${type}.${name}`, x, y);
  switch (number & 7) {
    case 0:
      return compare("eq");
    case 1:
      return compare("lt");
    case 2:
      return compare("le");
    case 3:
      return or(ir, compare("ne", a, a), compare("ne", b, b));
    case 4:
      return compare("ne");
    case 5:
      return not(ir, compare("lt"));
    case 6:
      return not(ir, compare("le"));
    default:
      return and(ir, compare("eq", a, a), compare("eq", b, b));
  }
}

const comparePacked =
  (type: FloatShape): LiftRow =>
  (ir, to, from, imm) => {
    const number = imm!.low & 7;
    packed((_, a, b) =>
      ir.directed ? directedPacked(ir, type, DirectedOp.compare + number, a, b) : predicate(ir, type, number, a, b),
    )(ir, to!, from!);
  };
const compareScalar =
  (type: FloatShape): LiftRow =>
  (ir, to, from, imm) => {
    const number = imm!.low & 7;
    const value = readLow(ir, from!, type === "f64x2" ? 8 : 4);
    const old = ir.getx(to!.number);
    const mask = ir.directed
      ? directedLow(ir, type, DirectedOp.compare + number, old, value)
      : predicate(ir, type, number, old, value);
    ir.setx(to!.number, lowLane(ir, type, mask, old));
  };

/** UCOMISS, COMISD and their kin. They differ in which NaNs are invalid. */
const compareFlags =
  (double: boolean, ordered: boolean): LiftRow =>
  (ir, to, from) => {
    if (ir.directed) {
      const value = readLow(ir, from!, double ? 8 : 4);
      const operation = ordered ? DirectedOp.orderedFlags : DirectedOp.unorderedFlags;
      const name = double ? "directedDouble" : "directedSingle";
      const bits = ir.callout(name, ir.i64(operation), low64(ir, ir.getx(to!.number)), low64(ir, value));
      return ir.setFlagBits(ir.resize(3, 2, bits));
    }
    const b = double ? ir.readF64(from!) : ir.readF32(from!);
    const a = double ? ir.readF64(to!) : ir.readF32(to!);
    ir.setFloatFlags(double ? "f64" : "f32", a, b);
  };

/** Operation numbers of a directed conversion in the current environment. */
const convert = (ir: Lift, operation: number, bits: Value): Value =>
  ir.callout("directedConvert", ir.i64(operation), bits);

// Integer from floating point: what does not fit becomes the integer indefinite, the least integer.

const twoTo = { 2: 2147483648, 3: 9223372036854775808 } as const;

/** A float to an integer of 32 or 64 bits, towards zero. */
function truncate(ir: Lift, short: "f32" | "f64", size: 2 | 3, value: Value): Value {
  const limit = ir.f64(twoTo[size]);
  const bound = short === "f64" ? limit : ir.op("f32.demote_f64", limit);
  const fits = ir.op(`${short}.lt`, ir.op(`${short}.abs`, value), bound);
  const result = ir.op(`${size === 3 ? "i64" : "i32"}.trunc_sat_${short}_s`, value);
  return ir.select(size, fits, result, size === 3 ? ir.i64(0, 0x80000000 | 0) : ir.i32(0x80000000 | 0));
}

const toInteger =
  (short: "f32" | "f64", truncating: boolean): LiftRow =>
  (ir, to, from) => {
    const size = to!.size === 3 ? 3 : 2;
    if (ir.directed) {
      const value = low64(ir, readLow(ir, from!, short === "f64" ? 8 : 4));
      const operation = short === "f64" ? DirectedOp.doubleToInteger : DirectedOp.singleToInteger;
      const result = convert(ir, operation + (truncating ? 1 : 0) + (size === 3 ? 2 : 0), value);
      return ir.set(size, to!.number, ir.resize(3, size, result));
    }
    let value = short === "f64" ? ir.readF64(from!) : ir.readF32(from!);
    if (!truncating) value = ir.op(`${short}.nearest`, value);
    ir.set(size, to!.number, truncate(ir, short, size, value));
  };

const fromInteger =
  (short: "f32" | "f64"): LiftRow =>
  (ir, to, from) => {
    const value = ir.read(from!);
    const wide = from!.size === 3;
    const type = short === "f64" ? "f64x2" : "f32x4";
    let result: Value;
    if (ir.directed && (wide || short === "f32")) {
      const bits = convert(
        ir,
        short === "f64" ? DirectedOp.doubleFromInteger : DirectedOp.singleFromInteger,
        ir.resize(from!.size, 3, value, true),
      );
      result =
        short === "f64" ? ir.op("f64.reinterpret_i64", bits) : ir.op("f32.reinterpret_i32", ir.resize(3, 2, bits));
    } else result = ir.op(`${short}.convert_${wide ? "i64" : "i32"}_s`, value);
    ir.setx(to!.number, withLane(ir, type, ir.getx(to!.number), 0, result));
  };

const integerIndefinite = 0x80000000 | 0;

/** Four singles to four integers. */
const singlesToIntegers =
  (truncating: boolean): Unary =>
  (ir, from) => {
    if (ir.directed) {
      const half = (n: number) =>
        convert(ir, DirectedOp.singlesToIntegers + (truncating ? 1 : 0), lane(ir, "i64x2", from, n));
      return join(ir, half(0), half(1));
    }
    const value = truncating ? from : ir.op("f32x4.nearest", from);
    const fits = ir.op("f32x4.lt", ir.op("f32x4.abs", value), fill(ir, 0x4f000000));
    return choose(ir, fits, ir.op("i32x4.trunc_sat_f32x4_s", value), fill(ir, integerIndefinite));
  };

/** Two doubles to two integers; the high half is zero. */
const doublesToIntegers =
  (truncating: boolean): Unary =>
  (ir, from) => {
    if (ir.directed) {
      const each = (n: number) =>
        ir.resize(3, 2, convert(ir, DirectedOp.doubleToInteger + (truncating ? 1 : 0), lane(ir, "i64x2", from, n)));
      return withLane(ir, "i32x4", withLane(ir, "i32x4", zero(ir), 0, each(0)), 1, each(1));
    }
    const value = truncating ? from : ir.op("f64x2.nearest", from);
    const fits = ir.op("f64x2.lt", ir.op("f64x2.abs", value), ir.v128([0, 0x41e00000, 0, 0x41e00000]));
    const mask = shuffle(ir, 4, fits, zero(ir), [0, 2, 4, 4]);
    return choose(
      ir,
      mask,
      ir.op("i32x4.trunc_sat_f64x2_s_zero", value),
      ir.v128([integerIndefinite, integerIndefinite, 0, 0]),
    );
  };

const integersToSingles: Unary = (ir, from) => {
  if (!ir.directed) return ir.op("f32x4.convert_i32x4_s", from);
  const half = (n: number) => convert(ir, DirectedOp.singlesFromIntegers, lane(ir, "i64x2", from, n));
  return join(ir, half(0), half(1));
};
const integersToDoubles: Unary = (ir, from) => ir.op("f64x2.convert_low_i32x4_s", from);

const doublesToSingles: Unary = (ir, from) => {
  if (!ir.directed) return ir.op("f32x4.demote_f64x2_zero", from);
  const each = (n: number) => ir.resize(3, 2, convert(ir, DirectedOp.doubleToSingle, lane(ir, "i64x2", from, n)));
  return withLane(ir, "i32x4", withLane(ir, "i32x4", zero(ir), 0, each(0)), 1, each(1));
};
const singlesToDoubles: Unary = (ir, from) => {
  if (!ir.directed) return ir.op("f64x2.promote_low_f32x4", from);
  const bits = low64(ir, from);
  const each = (value: Value) => convert(ir, DirectedOp.singleToDouble, value);
  return join(ir, each(bits), each(ir.shrU(3, bits, ir.i64(32))));
};

/** A conversion that reads the low 8 bytes of its source. */
const fromLow =
  (operation: Unary): LiftRow =>
  (ir, to, from) =>
    ir.setx(to!.number, operation(ir, readLow(ir, from!, 8)));

const singleToDouble: LiftRow = (ir, to, from) => {
  const result = ir.directed
    ? ir.op("f64.reinterpret_i64", convert(ir, DirectedOp.singleToDouble, low64(ir, readLow(ir, from!, 4))))
    : ir.op("f64.promote_f32", ir.readF32(from!));
  ir.setx(to!.number, withLane(ir, "f64x2", ir.getx(to!.number), 0, result));
};
const doubleToSingle: LiftRow = (ir, to, from) => {
  const result = ir.directed
    ? ir.op("f32.reinterpret_i32", ir.resize(3, 2, convert(ir, DirectedOp.doubleToSingle, ir.read64(from!))))
    : ir.op("f32.demote_f64", ir.readF64(from!));
  ir.setx(to!.number, withLane(ir, "f32x4", ir.getx(to!.number), 0, result));
};

/** Conversions with MMX operands. */
const mmxFromFloat =
  (operation: Unary, bytes: 8 | 16): LiftRow =>
  (ir, to, from) => {
    mmxWait(ir);
    let source = bytes === 8 ? readLow(ir, from!, 8) : ir.read128(from!);
    // The half that does not count must not raise exceptions.
    if (ir.directed && bytes === 8) source = widen(ir, low64(ir, source));
    const value = low64(ir, operation(ir, source));
    mmxEnter(ir);
    writeMmx(ir, to!.number, value);
  };
const floatFromMmx =
  (operation: Unary, whole: boolean): LiftRow =>
  (ir, to, from) => {
    if (from!.kind === "register") mmxWait(ir);
    const result = operation(ir, widen(ir, readMmx(ir, from!)));
    if (from!.kind === "register") mmxEnter(ir);
    ir.setx(to!.number, whole ? result : withLane(ir, "i64x2", ir.getx(to!.number), 0, low64(ir, result)));
  };

// The approximations are exact here: the manual allows any result within 1.5 * 2^-12 (relative).
const reciprocal: Unary = (ir, from) => ir.op("f32x4.div", fill(ir, 0x3f800000), from);
const reciprocalRoot: Unary = (ir, from) => reciprocal(ir, ir.op("f32x4.sqrt", from));
const approximation = (opcode: string, name: string, operation: Unary): Row[] => [
  ins(`NP 0F ${opcode} /r`, `${name}ps`, ["xmm", "xmm/m128"], mapped(operation), approximate),
  ins(
    `F3 0F ${opcode} /r`,
    `${name}ss`,
    ["xmm", "xmm/m32"],
    (ir, to, from) => {
      const result = operation(ir, readLow(ir, from!, 4));
      ir.setx(to!.number, lowLane(ir, "f32x4", result, ir.getx(to!.number)));
    },
    approximate,
  ),
];
const approximate = { untested: "an approximation that differs between processors" };

const storeLow =
  (bytes: 4 | 8): LiftRow =>
  (ir, _to, from) => {
    if (bytes === 8) ir.storeF64(ir.address(), ir.readF64(from!));
    else ir.storeF32(ir.address(), ir.readF32(from!));
  };

/** MOVSS and MOVSD between registers keep the rest, from memory clear it. */
const scalarMoves = (prefix: string, name: string, type: FloatShape, bytes: 4 | 8): Row[] => [
  ins(`${prefix} 0F 10 /r`, name, ["xmm", `m${bytes * 8}`], (ir, to, from) =>
    ir.setx(to!.number, readLow(ir, from!, bytes)),
  ),
  ins(`${prefix} 0F 10 /r`, name, ["xmm", "xmm:rm"], (ir, to, from) =>
    ir.setx(to!.number, lowLane(ir, type, ir.getx(from!.number), ir.getx(to!.number))),
  ),
  ins(`${prefix} 0F 11 /r`, name, [`m${bytes * 8}`, "xmm"], storeLow(bytes)),
  ins(`${prefix} 0F 11 /r`, name, ["xmm:rm", "xmm"], (ir, to, from) =>
    ir.setx(to!.number, lowLane(ir, type, ir.getx(from!.number), ir.getx(to!.number))),
  ),
];

const load: LiftRow = (ir, to, from) => ir.setx(to!.number, ir.read128(from!));
const store: LiftRow = (ir, to, from) => ir.write128(to!, ir.read128(from!));

/** MOVLPS, MOVHPS and the double twins: 8 bytes of memory to or from one half. */
const halfMoves = (opcode: string, back: string, name: string, half: 0 | 1): Row[] =>
  [
    ["NP", "ps"],
    ["66", "pd"],
  ].flatMap(([prefix, suffix]) => [
    ins(`${prefix} 0F ${opcode} /r`, name + suffix, ["xmm", "m64"], (ir, to, from) => {
      const value = ir.readF64(from!);
      ir.setx(to!.number, withLane(ir, "f64x2", ir.getx(to!.number), half, value));
    }),
    ins(`${prefix} 0F ${back} /r`, name + suffix, ["m64", "xmm"], (ir, _to, from) =>
      ir.storeF64(ir.address(), lane(ir, "f64x2", ir.getx(from!.number), half)),
    ),
  ]);

const maskRow = (notation: string, name: string, operation: string): Row =>
  ins(notation, name, ["r32", "xmm:rm"], (ir, to, from) =>
    ir.set(2, to!.number, ir.op(operation, ir.getx(from!.number))),
  );

export const floatRows: readonly Row[] = [
  ins("NP 0F 10 /r", "movups", ["xmm", "xmm/m128u"], load),
  ins("66 0F 10 /r", "movupd", ["xmm", "xmm/m128u"], load),
  ins("NP 0F 11 /r", "movups", ["xmm/m128u", "xmm"], store),
  ins("66 0F 11 /r", "movupd", ["xmm/m128u", "xmm"], store),
  ...scalarMoves("F3", "movss", "f32x4", 4),
  ...scalarMoves("F2", "movsd", "f64x2", 8),
  ins("NP 0F 28 /r", "movaps", ["xmm", "xmm/m128"], load),
  ins("66 0F 28 /r", "movapd", ["xmm", "xmm/m128"], load),
  ins("NP 0F 29 /r", "movaps", ["xmm/m128", "xmm"], store),
  ins("66 0F 29 /r", "movapd", ["xmm/m128", "xmm"], store),
  ins("NP 0F 2B /r", "movntps", ["m128", "xmm"], store),
  ins("66 0F 2B /r", "movntpd", ["m128", "xmm"], store),
  ...halfMoves("12", "13", "movl", 0),
  ...halfMoves("16", "17", "movh", 1),
  ins("NP 0F 12 /r", "movhlps", ["xmm", "xmm:rm"], (ir, to, from) =>
    ir.setx(to!.number, shuffle(ir, 8, ir.getx(to!.number), ir.getx(from!.number), [3, 1])),
  ),
  ins("NP 0F 16 /r", "movlhps", ["xmm", "xmm:rm"], (ir, to, from) =>
    ir.setx(to!.number, shuffle(ir, 8, ir.getx(to!.number), ir.getx(from!.number), [0, 2])),
  ),
  packedRow("NP 0F 14 /r", "unpcklps", (ir, a, b) => shuffle(ir, 4, a, b, [0, 4, 1, 5])),
  packedRow("66 0F 14 /r", "unpcklpd", (ir, a, b) => shuffle(ir, 8, a, b, [0, 2])),
  packedRow("NP 0F 15 /r", "unpckhps", (ir, a, b) => shuffle(ir, 4, a, b, [2, 6, 3, 7])),
  packedRow("66 0F 15 /r", "unpckhpd", (ir, a, b) => shuffle(ir, 8, a, b, [1, 3])),
  ins("NP 0F C6 /r ib", "shufps", ["xmm", "xmm/m128", "uimm"], (ir, to, from, imm) => {
    const [a, b, c, d] = fields(imm!.low) as [number, number, number, number];
    packed((_, x, y) => shuffle(ir, 4, x, y, [a, b, c + 4, d + 4]))(ir, to!, from!);
  }),
  ins("66 0F C6 /r ib", "shufpd", ["xmm", "xmm/m128", "uimm"], (ir, to, from, imm) =>
    packed((_, x, y) => shuffle(ir, 8, x, y, [imm!.low & 1, ((imm!.low >> 1) & 1) + 2]))(ir, to!, from!),
  ),
  maskRow("NP 0F 50 /r", "movmskps", "i32x4.bitmask"),
  maskRow("66 0F 50 /r", "movmskpd", "i64x2.bitmask"),

  ...arithmetic("51", "sqrt"),
  ...arithmetic("58", "add"),
  ...arithmetic("59", "mul"),
  ...arithmetic("5C", "sub"),
  ...arithmetic("5D", "min"),
  ...arithmetic("5E", "div"),
  ...arithmetic("5F", "max"),
  ...approximation("52", "rsqrt", reciprocalRoot),
  ...approximation("53", "rcp", reciprocal),
  ...bitwise("54", "and", and),
  ...bitwise("55", "andn", (ir, to, from) => ir.op("v128.andnot", from, to)),
  ...bitwise("56", "or", or),
  ...bitwise("57", "xor", xor),

  ins("NP 0F C2 /r ib", "cmpps", ["xmm", "xmm/m128", "uimm"], comparePacked("f32x4")),
  ins("66 0F C2 /r ib", "cmppd", ["xmm", "xmm/m128", "uimm"], comparePacked("f64x2")),
  ins("F3 0F C2 /r ib", "cmpss", ["xmm", "xmm/m32", "uimm"], compareScalar("f32x4")),
  ins("F2 0F C2 /r ib", "cmpsd", ["xmm", "xmm/m64", "uimm"], compareScalar("f64x2")),
  ins("NP 0F 2E /r", "ucomiss", ["xmm", "xmm/m32"], compareFlags(false, false)),
  ins("66 0F 2E /r", "ucomisd", ["xmm", "xmm/m64"], compareFlags(true, false)),
  ins("NP 0F 2F /r", "comiss", ["xmm", "xmm/m32"], compareFlags(false, true)),
  ins("66 0F 2F /r", "comisd", ["xmm", "xmm/m64"], compareFlags(true, true)),

  ins("F3 0F 2A /r", "cvtsi2ss", ["xmm", "rmy"], fromInteger("f32")),
  ins("F2 0F 2A /r", "cvtsi2sd", ["xmm", "rmy"], fromInteger("f64")),
  ins("F3 0F 2C /r", "cvttss2si", ["ry", "xmm/m32"], toInteger("f32", true)),
  ins("F2 0F 2C /r", "cvttsd2si", ["ry", "xmm/m64"], toInteger("f64", true)),
  ins("F3 0F 2D /r", "cvtss2si", ["ry", "xmm/m32"], toInteger("f32", false)),
  ins("F2 0F 2D /r", "cvtsd2si", ["ry", "xmm/m64"], toInteger("f64", false)),
  ins("F3 0F 5A /r", "cvtss2sd", ["xmm", "xmm/m32"], singleToDouble),
  ins("F2 0F 5A /r", "cvtsd2ss", ["xmm", "xmm/m64"], doubleToSingle),
  ins("NP 0F 5A /r", "cvtps2pd", ["xmm", "xmm/m64"], fromLow(singlesToDoubles)),
  mappedRow("66 0F 5A /r", "cvtpd2ps", doublesToSingles),
  mappedRow("NP 0F 5B /r", "cvtdq2ps", integersToSingles),
  mappedRow("66 0F 5B /r", "cvtps2dq", singlesToIntegers(false)),
  mappedRow("F3 0F 5B /r", "cvttps2dq", singlesToIntegers(true)),
  ins("F3 0F E6 /r", "cvtdq2pd", ["xmm", "xmm/m64"], fromLow(integersToDoubles)),
  mappedRow("F2 0F E6 /r", "cvtpd2dq", doublesToIntegers(false)),
  mappedRow("66 0F E6 /r", "cvttpd2dq", doublesToIntegers(true)),
  ins("NP 0F 2A /r", "cvtpi2ps", ["xmm", "mm/m64"], floatFromMmx(integersToSingles, false)),
  ins("66 0F 2A /r", "cvtpi2pd", ["xmm", "mm/m64"], floatFromMmx(integersToDoubles, true)),
  ins("NP 0F 2C /r", "cvttps2pi", ["mm", "xmm/m64"], mmxFromFloat(singlesToIntegers(true), 8)),
  ins("NP 0F 2D /r", "cvtps2pi", ["mm", "xmm/m64"], mmxFromFloat(singlesToIntegers(false), 8)),
  ins("66 0F 2C /r", "cvttpd2pi", ["mm", "xmm/m128"], mmxFromFloat(doublesToIntegers(true), 16)),
  ins("66 0F 2D /r", "cvtpd2pi", ["mm", "xmm/m128"], mmxFromFloat(doublesToIntegers(false), 16)),
];
