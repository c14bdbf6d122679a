// Elementwise operations over whole tensors.

import { is, type Operation } from "../hlo/graph.ts";
import { elementCount, type Tensor } from "../hlo/tensor.ts";
import { dtypes, isFloat } from "../hlo/dtype.ts";
import {
  domainOf,
  finish,
  type NumberArray,
  numbersFor,
  numbersOf,
  readerOf,
  widesOf,
  type WideArray,
  writerOf,
} from "./elements.ts";
import { totalOrderKeys } from "./order.ts";
import { comparisons, functionOf } from "./scalars.ts";

/** Any elementwise operation but the quantised ones. */
export function elementwise(operation: Operation, operands: readonly Tensor[]): Tensor {
  if (is(operation, "compare") && operation.attributes.total && isFloat(operands[0]!.dtype)) {
    return compareInTotalOrder(operation, operands);
  }
  const { dtype, shape } = operation.results[0]!.type;
  const count = elementCount(shape);
  const apply = functionOf(operation);
  const domains = new Set(operands.map((operand) => domainOf(operand.dtype)).concat(domainOf(dtype)));
  // Scalars beside tensors (bounds of clamp, predicate of select) do not move.
  const steps = operands.map((operand) => (operand.shape.length === 0 && shape.length > 0 ? 0 : 1));
  if (domains.size === 1 && domains.has("number")) {
    const out = numbersFor(dtype, shape);
    const inputs = operands.map(numbersOf);
    overNumbers(operation.op, out, inputs, steps, count, apply as unknown as NumberApply);
    return finish(dtype, shape, out);
  }
  if (domains.size === 1 && domains.has("wide") && operands.length < 3) {
    const out = new dtypes[dtype].array(count) as WideArray;
    overWides(out, operands.map(widesOf), apply as unknown as WideApply);
    return { dtype, shape, data: out };
  }
  const [a, b, c] = operands.map(readerOf);
  const [stepA, stepB, stepC] = steps as [number, number, number];
  const writer = writerOf(dtype, shape);
  for (let i = 0; i < count; i++) {
    writer.write(i, apply(a!(i * stepA), b ? b(i * stepB) : 0, c ? c(i * stepC) : 0));
  }
  return writer.finish();
}

type NumberApply = (a: number, b: number, c: number) => number;
type WideApply = (a: bigint, b: bigint, c: bigint) => bigint;

function overNumbers(
  op: Operation["op"],
  out: NumberArray,
  [a, b, c]: readonly NumberArray[],
  steps: readonly number[],
  count: number,
  apply: NumberApply,
): void {
  if (!a) return;
  if (!b) for (let i = 0; i < count; i++) out[i] = apply(a[i]!, 0, 0);
  else if (c) {
    const [stepA, stepB, stepC] = steps as [number, number, number];
    for (let i = 0; i < count; i++) out[i] = apply(a[i * stepA]!, b[i * stepB]!, c[i * stepC]!);
  } else if (out instanceof Float32Array && a instanceof Float32Array && b instanceof Float32Array) {
    overFloats(op, out, a, b, apply);
  } else for (let i = 0; i < count; i++) out[i] = apply(a[i]!, b[i]!, 0);
}

/** The commonest case without calls. */
function overFloats(op: Operation["op"], out: Float32Array, a: Float32Array, b: Float32Array, apply: NumberApply) {
  const count = out.length;
  switch (op) {
    case "add":
      for (let i = 0; i < count; i++) out[i] = a[i]! + b[i]!;
      break;
    case "subtract":
      for (let i = 0; i < count; i++) out[i] = a[i]! - b[i]!;
      break;
    case "multiply":
      for (let i = 0; i < count; i++) out[i] = a[i]! * b[i]!;
      break;
    case "divide":
      for (let i = 0; i < count; i++) out[i] = a[i]! / b[i]!;
      break;
    default:
      for (let i = 0; i < count; i++) out[i] = apply(a[i]!, b[i]!, 0);
  }
}

function overWides(out: WideArray, [a, b]: readonly WideArray[], apply: WideApply): void {
  if (!a) return;
  for (let i = 0; i < out.length; i++) out[i] = apply(a[i]!, b ? b[i]! : 0n, 0n);
}

/** By the bits: numbers would lose the sign of NaN. */
function compareInTotalOrder(operation: Operation<"compare">, operands: readonly Tensor[]): Tensor {
  const [a, b] = operands.map(totalOrderKeys);
  const { dtype, shape } = operation.results[0]!.type;
  const data = new Uint8Array(elementCount(shape));
  const compare = comparisons[operation.attributes.direction] as (x: number | bigint, y: number | bigint) => number;
  for (let i = 0; i < data.length; i++) data[i] = compare(a![i]!, b![i]!);
  return { dtype, shape, data };
}
