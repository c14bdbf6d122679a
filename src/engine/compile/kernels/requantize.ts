// The fixed-point product of TensorFlow Lite's kernels when its constants are known and its results are small: the same
// bits as `requantize` in a few instructions, without a call.

import type { Code } from "../../../wasm/code.ts";
import { op, type } from "../../../wasm/opcodes.ts";
import { is, type Operation } from "../../hlo/graph.ts";
import type { Tensor } from "../../hlo/tensor.ts";
import type { Epilogue, Expression } from "../kernel.ts";
import { splatF32, splatI32 } from "../lanes.ts";

/** A multiplier or a shift: an operand of the epilogue, or a number. */
export type Factor = { readonly operand: number } | { readonly number: number };

/** A `requantize` that is done here. */
export interface Requantization {
  readonly input: Expression;
  readonly multiplier: Factor;
  /** How far to the left, when that is the same everywhere; or an operand with 2 to the shift, laid out as f32. */
  readonly shift: Factor;
  readonly zeroPoint: number;
  readonly min: number;
  readonly max: number;
}

/**
 * Farthest shift to the right. A result within 512 of zero has at most 9 bits before and 14 behind the point, so
 * f32 holds it and its half exactly; larger ones are clamped, however they are rounded.
 */
const farthest = -14;
const largest = 512;

/** Shifts as numbers to multiply by. */
export function powersOfTwo({ data, shape }: Tensor): Tensor {
  return { dtype: "f32", shape, data: Float32Array.from(data as Int32Array, (shift) => 2 ** shift) };
}

/** How a `requantize` of an epilogue, with these inputs, is done here; undefined when it is not. */
export function requantizationOf(
  epilogue: Epilogue,
  node: Expression & { readonly kind: "apply" },
  [input, multiplier, shift]: readonly Expression[],
): Requantization | undefined {
  const operation = node.operation as Operation;
  if (!is(operation, "requantize") || input?.dtype !== "i32") return undefined;
  const { zeroPoint, min, max } = operation.attributes;
  const [multipliers, shifts] = [numbersOf(epilogue, multiplier!), numbersOf(epilogue, shift!)];
  if (!multipliers || !shifts) return undefined;
  const first = shifts[0]!;
  const uniform = shifts.every((n) => n === first);
  const small = Math.abs(min - zeroPoint) <= largest && Math.abs(max - zeroPoint) <= largest;
  if (!uniform && !(small && shifts.every((n) => n <= 0 && n >= farthest))) return undefined;
  return {
    input,
    multiplier: multiplier!.kind === "operand" ? { operand: multiplier!.index } : { number: multipliers[0]! },
    shift: uniform ? { number: first } : { operand: (shift as Expression & { kind: "operand" }).index },
    zeroPoint,
    min,
    max,
  };
}

/** The numbers of a leaf that is constant. */
function numbersOf({ operands }: Epilogue, leaf: Expression): readonly number[] | undefined {
  if (leaf.kind === "constant") return [Number(leaf.value)];
  if (leaf.kind !== "operand") return undefined;
  const producer = operands[leaf.index]?.value.producer;
  return is(producer, "constant") ? Array.from(producer.attributes.value.data as Int32Array) : undefined;
}

/** 1.5 * 2^23: an f32 that small integers are added to has them in its lowest bits. */
const magic = 12582912;
const magicBits = 0x4b400000;

/** Pops i32 lanes and pushes them requantized, still as i32 lanes; `operand` pushes one of the epilogue's. */
export function emitRequantization(code: Code, r: Requantization, operand: (index: number) => void): void {
  const [x, y] = [code.local(type.v128), code.local(type.v128)];
  if ("number" in r.shift && r.shift.number > 0) code.i32(r.shift.number).op(op["i32x4.shl"]);
  code.set(x);
  // The upper half of the doubled product, rounded.
  for (const part of ["low", "high"] as const) {
    code.get(x);
    if ("operand" in r.multiplier) operand(r.multiplier.operand);
    else splatI32(code, r.multiplier.number);
    code.op(op[`i64x2.extmul_${part}_i32x4_s`]);
    code.v128(1 << 30, 0, 1 << 30, 0).op(op["i64x2.add"]);
    code.i32(31).op(op["i64x2.shr_u"]);
  }
  code.shuffle(0x03020100, 0x0b0a0908, 0x13121110, 0x1b1a1918).set(y);
  if ("number" in r.shift) {
    divided(code, y, Math.max(0, -r.shift.number));
    if (r.zeroPoint !== 0) splatI32(code, r.zeroPoint).op(op["i32x4.add"]);
    if (r.min > -(2 ** 31)) splatI32(code, r.min).op(op["i32x4.max_s"]);
    if (r.max < 2 ** 31 - 1) splatI32(code, r.max).op(op["i32x4.min_s"]);
    return;
  }
  code.get(y).op(op["f32x4.convert_i32x4_s"]);
  operand(r.shift.operand);
  code.op(op["f32x4.mul"]).tee(y);
  splatI32(code, -0x80000000).op(op["v128.and"]);
  splatF32(code, 0.5).op(op["v128.or"]).get(y).op(op["f32x4.add"]).op(op["f32x4.trunc"]);
  splatF32(code, r.min - r.zeroPoint).op(op["f32x4.pmax"]);
  splatF32(code, r.max - r.zeroPoint).op(op["f32x4.pmin"]);
  splatF32(code, magic).op(op["f32x4.add"]);
  splatI32(code, magicBits - r.zeroPoint).op(op["i32x4.sub"]);
}

/** Pushes i32 lanes divided by a power of two, halves away from zero. */
function divided(code: Code, y: number, exponent: number): void {
  code.get(y);
  if (exponent === 0) return;
  const mask = exponent === 31 ? 0x7fffffff : (1 << exponent) - 1;
  code.i32(exponent).op(op["i32x4.shr_s"]);
  // Plus one where what is cut off is more than a half, or a half of a positive number: a mask counts as -1.
  code.get(y);
  splatI32(code, mask).op(op["v128.and"]);
  splatI32(code, mask >> 1);
  code.get(y).i32(31).op(op["i32x4.shr_s"]).op(op["i32x4.sub"]);
  code.op(op["i32x4.gt_s"]).op(op["i32x4.sub"]);
}
