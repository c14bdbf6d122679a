// Sums of products of 16-bit with 8-bit integers, as TensorFlow Lite makes 16-bit activations from them: a bias of 64
// bits, then a fixed-point product with one rounding. Doubles hold everything exactly.

import type { Code } from "../../../wasm/code.ts";
import { op, type } from "../../../wasm/opcodes.ts";
import { is, type Operation, type Value } from "../../hlo/graph.ts";
import type { Tensor } from "../../hlo/tensor.ts";
import type { Access, Epilogue, Expression, Packing, Template } from "../kernel.ts";
import type { Source } from "./panels.ts";

/** A `requantize` of 64-bit sums. Operands of the epilogue by index: bias of f64, factors of f32. */
export interface WideRequantization {
  readonly input: Expression;
  readonly bias: number | undefined;
  readonly multiplier: number;
  readonly scale: number;
  readonly zeroPoint: number;
  readonly min: number;
  readonly max: number;
}

interface Tail {
  readonly covers: readonly Operation[];
  readonly requantize: Operation<"requantize">;
  readonly bias: Value | undefined;
}

const constantOf = (value: Value | undefined): Tensor | undefined => {
  const producer = value?.producer;
  return is(producer, "constant") ? producer.attributes.value : undefined;
};

/** What follows sums: conversion to i64, perhaps a constant added along the last dimension, requantize. */
function tailOf(sums: Value, users: ReadonlyMap<Value, readonly Operation[]>): Tail | undefined {
  const only = (value: Value) => {
    const list = users.get(value) ?? [];
    return list.length === 1 ? list[0] : undefined;
  };
  const covers: Operation[] = [];
  let last = sums;
  let next = only(last);
  if (sums.type.dtype === "i32") {
    if (!is(next, "convert") || next.attributes.dtype !== "i64") return undefined;
    covers.push(next as unknown as Operation);
    last = next.results[0]!;
    next = only(last);
  }
  let bias: Value | undefined;
  if (is(next, "add")) {
    const other = next.operands.find((operand) => operand !== last);
    const stretch = other?.producer;
    const rank = sums.type.shape.length;
    if (is(stretch, "broadcastInDim") && stretch.attributes.dimensions.join() === String(rank - 1)) {
      bias = stretch.operands[0];
    } else if (rank === 1 || other?.type.shape.slice(0, -1).every((n) => n === 1)) bias = other;
    if (!constantOf(bias)) return undefined;
    covers.push(next as unknown as Operation);
    last = next.results[0]!;
    next = only(last);
  }
  if (!is(next, "requantize") || next.operands[0] !== last) return undefined;
  const { dimension } = next.attributes;
  if (dimension !== undefined && dimension !== sums.type.shape.length - 1) return undefined;
  const shifts = constantOf(next.operands[2]);
  if (!shifts || !constantOf(next.operands[1])) return undefined;
  if (!Array.from(shifts.data as Int32Array).every((shift) => shift <= 14 && shift > -40)) return undefined;
  covers.push(next as unknown as Operation);
  return { covers, requantize: next, bias };
}

/** Whether sums of 16-bit elements times these weights fit in 32 bits, whatever the elements are. */
export function fitsWords({ value, batches, depth, columns, zeroPoint }: Source & { kind: "constant" }): boolean {
  const weights = constantOf(value)!.data as Int8Array;
  for (const batch of batches) {
    for (const column of columns) {
      let sum = 0;
      for (const offset of depth) sum += Math.abs(weights[batch + column + offset]! - zeroPoint);
      if (sum * 32768 >= 2 ** 31) return false;
    }
  }
  return true;
}

/** A template of sums together with the requantization that follows them; sums of 64 bits are never stored. */
export function withWideTail(
  template: Template,
  users: ReadonlyMap<Value, readonly Operation[]>,
): Template | undefined {
  const tail = tailOf(template.result, users);
  if (!tail || template.columns === undefined) return template.result.type.dtype === "i64" ? undefined : template;
  const { requantize, bias } = tail;
  const result = requantize.results[0]!;
  const access: Access = requantize.attributes.dimension === undefined ? "scalar" : "column";
  const own: Epilogue["operands"] = [
    { value: requantize.operands[1]!, access },
    { value: requantize.operands[2]!, access },
    ...(bias ? [{ value: bias, access: "column" as const }] : []),
  ];
  const leaf = (index: number): Expression => ({ kind: "operand", index, dtype: own[index]!.value.type.dtype });
  const requantized: Expression = {
    kind: "apply",
    operation: requantize as unknown as Operation,
    op: "requantize",
    inputs: [{ kind: "accumulator", dtype: "i32" }, ...own.map((_, index) => leaf(index))],
    dtype: result.type.dtype,
  };
  return {
    covers: [...template.covers, ...tail.covers],
    result,
    columns: template.columns,
    build: (epilogue) =>
      template.build({
        expression: epilogue ? after(epilogue.expression, requantized, own.length) : requantized,
        operands: [...own, ...(epilogue?.operands ?? [])],
        result: epilogue?.result ?? result,
      }),
  };
}

/** An expression with its accumulator replaced and its operands counted from `first` on. */
function after(expression: Expression, accumulator: Expression, first: number): Expression {
  const known = new Map<Expression, Expression>();
  const visit = (node: Expression): Expression => {
    let made = known.get(node);
    if (made) return made;
    if (node.kind === "accumulator") made = accumulator;
    else if (node.kind === "operand") made = { ...node, index: node.index + first };
    else if (node.kind === "apply") made = { ...node, inputs: node.inputs.map(visit) };
    else made = node;
    known.set(node, made);
    return made;
  };
  return visit(expression);
}

/** The wide requantization that a node of an epilogue is, with how its constants are laid out. */
export function wideOf(
  node: Expression & { readonly kind: "apply" },
  [input, multiplier, shift, bias]: readonly Expression[],
): { wide: WideRequantization; packs: Packing[] } | undefined {
  const operation = node.operation as Operation;
  if (!is(operation, "requantize") || operation.operands[0]!.type.dtype !== "i64") return undefined;
  const index = (leaf: Expression | undefined) => (leaf?.kind === "operand" ? leaf.index : -1);
  const { zeroPoint, min, max } = operation.attributes;
  const places = { multiplier: index(multiplier), scale: index(shift), bias: bias && index(bias) };
  return {
    wide: { input: input!, ...places, zeroPoint, min, max },
    packs: [
      { operand: places.multiplier, key: "15 bits", pack: (tensor) => floats(tensor, reduced) },
      { operand: places.scale, key: "after 15 bits", pack: (tensor) => floats(tensor, (n) => 2 ** (n - 15)) },
      ...(places.bias === undefined ? [] : [{ operand: places.bias, key: "doubles", pack: doubles }]),
    ],
  };
}

const reduced = (multiplier: number) => (multiplier < 0x7fff0000 ? (multiplier + 0x8000) >> 16 : 0x7fff);

function floats({ data, shape }: Tensor, each: (n: number) => number): Tensor {
  return { dtype: "f32", shape, data: Float32Array.from(data as Int32Array, each) };
}
/** With room for a whole vector of four at the end. */
function doubles({ data }: Tensor): Tensor {
  const numbers = new Float64Array(data.length + 3);
  numbers.set(Float64Array.from(data as BigInt64Array, Number));
  return { dtype: "f64", shape: [numbers.length], data: numbers };
}

/** Pops i32 lanes, pushes them requantized. `factor` pushes four of an operand, `bias` the address of the biases. */
export function emitWide(code: Code, r: WideRequantization, factor: (index: number) => void, bias: () => void): void {
  const vector = () => code.local(type.v128);
  const [x, multiplier, scale, low] = [vector(), vector(), vector(), vector()];
  const twice = (value: number) => {
    const words = new Uint32Array(new Float64Array([value]).buffer);
    code.v128(words[0]!, words[1]!, words[0]!, words[1]!);
  };
  code.set(x);
  factor(r.multiplier);
  code.set(multiplier);
  factor(r.scale);
  code.set(scale);
  for (const half of [0, 1]) {
    const part = (local: number) => {
      code.get(local);
      if (half === 1) code.get(local).shuffle(0x0b0a0908, 0x0f0e0d0c, 0x0b0a0908, 0x0f0e0d0c);
    };
    part(x);
    code.op(op["f64x2.convert_low_i32x4_s"]);
    if (r.bias !== undefined) {
      bias();
      code.memory(op["v128.load"], half * 16).op(op["f64x2.add"]);
    }
    for (const local of [multiplier, scale]) {
      part(local);
      code.op(op["f64x2.promote_low_f32x4"]).op(op["f64x2.mul"]);
    }
    twice(0.5);
    code.op(op["f64x2.add"]).op(op["f64x2.floor"]);
    twice(r.min - r.zeroPoint);
    code.op(op["f64x2.pmax"]);
    twice(r.max - r.zeroPoint);
    code.op(op["f64x2.pmin"]).op(op["i32x4.trunc_sat_f64x2_s_zero"]);
    if (half === 0) code.set(low);
  }
  code.set(x).get(low).get(x).shuffle(0x03020100, 0x07060504, 0x13121110, 0x17161514);
  if (r.zeroPoint !== 0) code.v128(r.zeroPoint, r.zeroPoint, r.zeroPoint, r.zeroPoint).op(op["i32x4.add"]);
}
