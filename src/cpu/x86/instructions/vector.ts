// What the rows of all vector extensions share: operations on 128-bit values, and the forms in which an operation comes
// (XMM register and XMM or memory, and the MMX twin).

import { Flag } from "../../ir/flags.ts";
import { offsets, Vector as Trap } from "../../state.ts";
import type { Lift, Operand, Value } from "../lift.ts";
import { ins, type LiftRow, type Row, type RowOptions } from "../table.ts";

/** An operation on two vectors: the destination's old value and the source. */
export type Binary = (ir: Lift, to: Value, from: Value) => Value;
export type Unary = (ir: Lift, from: Value) => Value;

/** The IR operation of this name. */
export const two =
  (name: string): Binary =>
  (ir, to, from) =>
    ir.op(name, to, from);
export const one =
  (name: string): Unary =>
  (ir, from) =>
    ir.op(name, from);

export const zero = (ir: Lift): Value => ir.v128([0, 0, 0, 0]);
/** A vector with the same 32-bit word in every lane. */
export const fill = (ir: Lift, word: number): Value => ir.v128([word, word, word, word]);
export const not = (ir: Lift, a: Value): Value => ir.op("v128.not", a);
export const and = two("v128.and");
export const or = two("v128.or");
export const xor = two("v128.xor");
/** Bits of `a` where the mask is set, of `b` elsewhere. */
export const choose = (ir: Lift, mask: Value, a: Value, b: Value): Value => ir.op("v128.bitselect", a, b, mask);

export type Shape = "i8x16" | "i16x8" | "i32x4" | "i64x2" | "f32x4" | "f64x2";
export const lane = (ir: Lift, shape: Shape, a: Value, number: number): Value =>
  ir.op(`${shape}.extract_lane`, a, undefined, undefined, number);
export const unsignedLane = (ir: Lift, shape: "i8x16" | "i16x8", a: Value, number: number): Value =>
  ir.op(`${shape}.extract_lane_u`, a, undefined, undefined, number);
export const withLane = (ir: Lift, shape: Shape, a: Value, number: number, value: Value): Value =>
  ir.op(`${shape}.replace_lane`, a, value, undefined, number);

/** The 16 byte numbers of a shuffle given lane numbers of wider lanes. */
export const wide = (bytes: number, lanes: readonly number[]): number[] =>
  lanes.flatMap((n) => Array.from({ length: bytes }, (_, i) => n * bytes + i));
/** Shuffles lanes of `bytes` bytes: numbers below 16 / bytes are of `a`, the others of `b`. */
export const shuffle = (ir: Lift, bytes: number, a: Value, b: Value, lanes: readonly number[]): Value =>
  ir.shuffle(a, b, wide(bytes, lanes));

/** Low lanes of `low` (bytes of a lane) joined with the others of `high`. */
export const lowLane = (ir: Lift, shape: "f32x4" | "f64x2", low: Value, high: Value): Value =>
  withLane(ir, shape, high, 0, lane(ir, shape, low, 0));

/** A 32- or 64-bit memory operand, or a register's, as a vector of which only the low lane counts. */
export function readLow(ir: Lift, from: Operand, bytes: 4 | 8): Value {
  if (from.kind === "register") return ir.getx(from.number);
  return ir.op(bytes === 4 ? "load32_zero" : "load64_zero", ir.address());
}

/** `to = operation(to, from)` on whole registers. */
export const packed =
  (operation: Binary): LiftRow =>
  (ir, to, from) => {
    const value = ir.read128(from!);
    ir.setx(to!.number, operation(ir, ir.getx(to!.number), value));
  };
/** `to = operation(from)`. */
export const mapped =
  (operation: Unary): LiftRow =>
  (ir, to, from) =>
    ir.setx(to!.number, operation(ir, ir.read128(from!)));

export const packedRow = (notation: string, name: string, operation: Binary): Row =>
  ins(notation, name, ["xmm", "xmm/m128"], packed(operation));
export const mappedRow = (notation: string, name: string, operation: Unary): Row =>
  ins(notation, name, ["xmm", "xmm/m128"], mapped(operation));

// MMX: register i is the significand of physical x87 register i.

export const mmxOffset = (register: number): number => offsets.x87 + 16 * register;
const topMask = 0x3800;

/** An MMX instruction waits for a pending x87 exception, like every x87 instruction. */
export function mmxWait(ir: Lift): void {
  const status = ir.stateLoad(1, offsets.x87Status);
  ir.trapIf(ir.and(2, status, ir.i32(0x80)), Trap.x87);
}

/** Marks all registers as in use and TOP as 0, as every MMX instruction but EMMS does. After loads, before writes. */
export function mmxEnter(ir: Lift): void {
  const status = ir.stateLoad(1, offsets.x87Status);
  ir.stateStore(1, offsets.x87Status, ir.and(2, status, ir.i32(0xffff & ~topMask)));
  ir.stateStore(1, offsets.x87Tags, ir.i32(0));
}

/** Reads an MMX register or 8 bytes of memory as i64. */
export const readMmx = (ir: Lift, operand: Operand): Value =>
  operand.kind === "register" ? ir.stateLoad(3, mmxOffset(operand.number)) : ir.load(3, ir.address());

/** Writes an MMX register: the exponent becomes all ones. */
export function writeMmx(ir: Lift, register: number, value: Value): void {
  ir.stateStore(3, mmxOffset(register), value);
  ir.stateStore(1, mmxOffset(register) + 8, ir.i32(0xffff));
}

/** An i64 as the low half of a vector; the high half repeats it. */
export const widen = (ir: Lift, value: Value): Value => ir.op("i64x2.splat", value);
export const low64 = (ir: Lift, value: Value): Value => lane(ir, "i64x2", value, 0);
/** Two i64 halves as a vector. */
export const join = (ir: Lift, low: Value, high: Value): Value => withLane(ir, "i64x2", widen(ir, low), 1, high);

/** An MMX row from an operation on i64 values. */
export const mmxRow = (notation: string, name: string, operation: Binary, options?: RowOptions): Row =>
  ins(
    notation,
    name,
    ["mm", "mm/m64"],
    (ir, to, from) => {
      mmxWait(ir);
      const value = readMmx(ir, from!);
      const result = operation(ir, readMmx(ir, to!), value);
      mmxEnter(ir);
      writeMmx(ir, to!.number, result);
    },
    options,
  );

/** The XMM row and its MMX twin, of an operation whose low half depends on the low halves only. */
export const both = (opcode: string, name: string, operation: Binary): Row[] => [
  packedRow(`66 ${opcode}`, name, operation),
  mmxRow(`NP ${opcode}`, name, (ir, to, from) => low64(ir, operation(ir, widen(ir, to), widen(ir, from)))),
];

/** The flags PTEST and its kin leave: ZF and CF from 0 or 1, the others clear. */
export function setZeroAndCarry(ir: Lift, isZero: Value, isCarry: Value): void {
  ir.setFlagBits(ir.or(2, ir.shl(2, isZero, ir.i32(Math.log2(Flag.zero))), isCarry));
}
