// Four neighbouring elements as a vector: f32 lanes for floats of up to 32 bits, i32 lanes for integers of up to 32 bits.

import type { Code } from "../../wasm/code.ts";
import { op, type } from "../../wasm/opcodes.ts";
import { type DType, dtypes } from "../hlo/dtype.ts";

/** Whether elements of a type are computed in lanes of 32 bits. */
export function isLaneType(dtype: DType): boolean {
  return dtypes[dtype].bits <= 32 && dtypes[dtype].kind !== "complex";
}
export const isFloatLane = (dtype: DType): boolean => dtypes[dtype].kind === "float";
export const isUnsigned = (dtype: DType): boolean => dtypes[dtype].kind === "unsigned" || dtype === "i1";

const low = 0x03020100;

/** Bits of an f32. */
const view = new DataView(new ArrayBuffer(4));
export function f32Bits(value: number): number {
  view.setFloat32(0, value, true);
  return view.getUint32(0, true);
}
/** Pushes an f32 in every lane. */
export function splatF32(code: Code, value: number): Code {
  const bits = f32Bits(value);
  return code.v128(bits, bits, bits, bits);
}
/** Pushes an i32 in every lane. */
export function splatI32(code: Code, value: number): Code {
  return code.v128(value, value, value, value);
}
/**
 * Loads elements at the address on the stack plus `offset`: four, one into the first lane (the others are zero), or
 * one into all ("splat"). Sub-32-bit types are widened; i1 is 0 or 1.
 */
export function loadLanes(code: Code, dtype: DType, count: 4 | 1 | "splat", offset = 0): void {
  const { bytes } = dtypes[dtype];
  if (bytes === 4) {
    const opcode = count === 4 ? op["v128.load"] : count === 1 ? op["v128.load32_zero"] : op["v128.load32_splat"];
    code.memory(opcode, offset);
    return;
  }
  const unsigned = isUnsigned(dtype) || isFloatLane(dtype);
  if (count === 4 && bytes === 2) code.memory(op[unsigned ? "v128.load16x4_u" : "v128.load16x4_s"], offset);
  else if (count === 4) {
    code.memory(op["v128.load32_zero"], offset);
    code.op(op[unsigned ? "i16x8.extend_low_i8x16_u" : "i16x8.extend_low_i8x16_s"]);
    code.op(op[unsigned ? "i32x4.extend_low_i16x8_u" : "i32x4.extend_low_i16x8_s"]);
  } else {
    const loads = { 1: ["i32.load8_s", "i32.load8_u"], 2: ["i32.load16_s", "i32.load16_u"] } as const;
    code.memory(op[loads[bytes as 1 | 2][unsigned ? 1 : 0]], offset).op(op["i32x4.splat"]);
  }
  if (dtype === "bf16") code.i32(16).op(op["i32x4.shl"]);
  if (dtype === "f16") widenHalf(code);
}

/** f16 bits in i32 lanes become f32 lanes. */
function widenHalf(code: Code): void {
  const bits = code.local(type.v128);
  const value = code.local(type.v128);
  code.set(bits);
  // The exponent is moved to its place and corrected by a multiplication, which also makes subnormals normal.
  code.get(bits);
  splatI32(code, 0x7fff).op(op["v128.and"]).i32(13).op(op["i32x4.shl"]);
  splatF32(code, 2 ** 112)
    .op(op["f32x4.mul"])
    .set(value);
  // Infinities and NaN have an exponent that was beyond the largest.
  code.get(value);
  splatI32(code, 0x7f800000);
  code.get(bits);
  splatI32(code, 0x7c00).op(op["v128.and"]);
  splatI32(code, 0x7c00).op(op["i32x4.eq"]).op(op["v128.and"]).op(op["v128.or"]);
  code.get(bits);
  splatI32(code, 0x8000).op(op["v128.and"]).i32(16).op(op["i32x4.shl"]).op(op["v128.or"]);
}

/** Rounds f32 lanes to what f16 or bf16 can hold, still as f32 lanes; other types are left alone. */
export function roundLanes(code: Code, dtype: DType): void {
  if (dtype !== "bf16" && dtype !== "f16") return;
  const x = code.local(type.v128);
  code.set(x);
  if (dtype === "bf16") {
    // NaN stays NaN; else to nearest even by carrying into the upper half.
    code.get(x);
    splatI32(code, 0x400000).op(op["v128.or"]);
    code.get(x);
    splatI32(code, 0x7fff).op(op["i32x4.add"]);
    code.get(x).i32(16).op(op["i32x4.shr_u"]);
    splatI32(code, 1).op(op["v128.and"]).op(op["i32x4.add"]);
    splatI32(code, -65536).op(op["v128.and"]);
    code.get(x).get(x).op(op["f32x4.ne"]).op(op["v128.bitselect"]);
    return;
  }
  const size = code.local(type.v128);
  code.get(x);
  splatI32(code, 0x7fffffff).op(op["v128.and"]).set(size);
  // Normal: to nearest even at 13 bits below f32's precision.
  code.get(size);
  splatI32(code, 0xfff).op(op["i32x4.add"]);
  code.get(size).i32(13).op(op["i32x4.shr_u"]);
  splatI32(code, 1).op(op["v128.and"]).op(op["i32x4.add"]);
  splatI32(code, ~0x1fff).op(op["v128.and"]);
  // Subnormal: to multiples of 2^-24 by adding a number whose last bit is that.
  code.get(size);
  splatF32(code, 0.5).op(op["f32x4.add"]);
  splatF32(code, 0.5).op(op["f32x4.sub"]);
  code.get(size);
  splatF32(code, 2 ** -14)
    .op(op["f32x4.ge"])
    .op(op["v128.bitselect"]);
  const rounded = code.local(type.v128);
  code.set(rounded);
  // Too large: infinity; NaN stays.
  splatF32(code, Infinity);
  code.get(rounded).get(rounded);
  splatF32(code, 65520).op(op["f32x4.ge"]).op(op["v128.bitselect"]).set(rounded);
  code.get(size).get(rounded).get(x).get(x).op(op["f32x4.ne"]).op(op["v128.bitselect"]);
  code.get(x);
  splatI32(code, -0x80000000).op(op["v128.and"]).op(op["v128.or"]);
}

/** f32 lanes that f16 can hold become its bits in i32 lanes. */
function narrowHalf(code: Code): void {
  const x = code.local(type.v128);
  const size = code.local(type.v128);
  code.tee(x);
  splatI32(code, 0x7fffffff).op(op["v128.and"]).set(size);
  splatI32(code, 0x7e00);
  splatI32(code, 0x7c00);
  code.get(size);
  splatI32(code, 0x7f800000).op(op["i32x4.gt_s"]).op(op["v128.bitselect"]);
  code.get(size);
  splatF32(code, 2 ** -112)
    .op(op["f32x4.mul"])
    .i32(13)
    .op(op["i32x4.shr_u"]);
  code.get(size);
  splatI32(code, 0x7f800000).op(op["i32x4.ge_s"]).op(op["v128.bitselect"]);
  code.get(x).i32(16).op(op["i32x4.shr_u"]);
  splatI32(code, 0x8000).op(op["v128.and"]).op(op["v128.or"]);
}

/**
 * Stores the vector on the stack at the address below it plus `offset`: all four elements or the first. Integers are
 * cut to their size; f16 and bf16 must have been rounded.
 */
export function storeLanes(code: Code, dtype: DType, count: 4 | 1, offset = 0): void {
  const { bytes } = dtypes[dtype];
  if (dtype === "bf16") code.i32(16).op(op["i32x4.shr_u"]);
  if (dtype === "f16") narrowHalf(code);
  if (bytes === 4) {
    if (count === 4) code.memory(op["v128.store"], offset);
    else storeFirst(code, op["v128.store32_lane"], offset);
    return;
  }
  if (count === 1) {
    storeFirst(code, bytes === 2 ? op["v128.store16_lane"] : op["v128.store8_lane"], offset);
    return;
  }
  const first = code.local(type.v128);
  // The low half or quarter of every lane, side by side.
  code.tee(first).get(first);
  if (bytes === 2) {
    code.shuffle(0x05040100, 0x0d0c0908, low, low);
    storeFirst(code, op["v128.store64_lane"], offset);
  } else {
    code.shuffle(0x0c080400, low, low, low);
    storeFirst(code, op["v128.store32_lane"], offset);
  }
}

function storeFirst(code: Code, opcode: number, offset: number): void {
  code.memory(opcode, offset);
  code.byte(0);
}

/** Loads elements that lie `step` bytes apart, the first at the local's address plus `offset`; lanes beyond `count` are zero. */
export function gatherLanes(
  code: Code,
  dtype: DType,
  address: number,
  { step, count, offset = 0 }: { step: number; count: number; offset?: number },
): void {
  const { bytes } = dtypes[dtype];
  const lowest = Math.min(0, step * (count - 1)) + offset;
  // Offsets in instructions are not negative: the address is moved to the lowest element.
  const push = (): void => {
    code.get(address);
    if (lowest < 0) code.i32(lowest).op(op["i32.add"]);
  };
  const at = (lane: number): number => step * lane + offset - Math.min(lowest, 0);
  push();
  if (bytes === 4) {
    code.memory(op["v128.load32_zero"], at(0));
    const vector = code.local(type.v128);
    for (let lane = 1; lane < count; lane++) {
      code.set(vector);
      push();
      code.get(vector).memory(op["v128.load32_lane"], at(lane)).byte(lane);
    }
    return;
  }
  loadLanes(code, dtype, 1, at(0));
  for (let lane = 1; lane < count; lane++) {
    push();
    loadLanes(code, dtype, 1, at(lane));
    code.lane(op["i32x4.extract_lane"], 0).lane(op["i32x4.replace_lane"], lane);
  }
}

/** Stores the first `count` lanes of the vector on the stack, `step` bytes apart, at the local's address plus `offset`. */
export function scatterLanes(
  code: Code,
  dtype: DType,
  address: number,
  { step, count, offset = 0 }: { step: number; count: number; offset?: number },
): void {
  const { bytes } = dtypes[dtype];
  const vector = code.local(type.v128);
  code.set(vector);
  if (count === 4 && step === bytes) {
    code.get(address).get(vector);
    storeLanes(code, dtype, 4, offset);
    return;
  }
  for (let lane = 0; lane < count; lane++) {
    code.get(address).get(vector);
    const at = offset + lane * step;
    if (bytes === 4) code.memory(op["v128.store32_lane"], at).byte(lane);
    else {
      if (lane > 0) code.lane(op["i32x4.extract_lane"], lane).op(op["i32x4.splat"]);
      storeLanes(code, dtype, 1, at);
    }
  }
}
