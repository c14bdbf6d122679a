// Algebra: operations that change nothing, that undo each other, or that a cheaper one replaces exactly.

import type { Builder } from "../../hlo/build.ts";
import { type DType, dtypes, isComplex, isFloat } from "../../hlo/dtype.ts";
import { is, type Operation, type Value } from "../../hlo/graph.ts";
import { elementCount, sameShape } from "../../hlo/tensor.ts";
import { tensorOf } from "./fold.ts";
import type { Rule } from "./rewrite.ts";

/** The number that every element of a value is, when it is one constant; halves and complex numbers are left alone. */
export function uniformOf(value: Value | undefined): number | bigint | undefined {
  const producer = value?.producer;
  if (is(producer, "broadcastInDim") || is(producer, "reshape")) return uniformOf(producer.operands[0]);
  const tensor = tensorOf(value);
  if (!tensor || elementCount(tensor.shape) !== 1) return undefined;
  if (tensor.dtype === "f16" || tensor.dtype === "bf16" || isComplex(tensor.dtype)) return undefined;
  return tensor.data[0];
}

const isNumber = (value: Value | undefined, number: number): boolean => {
  const uniform = uniformOf(value);
  return uniform !== undefined && Number(uniform) === number && !Object.is(uniform, -0);
};

/** Whether every element of the first type is in the second and comes back from it. */
function contains(inner: DType, outer: DType): boolean {
  const [a, b] = [dtypes[inner], dtypes[outer]];
  if (inner === outer) return true;
  if (a.kind === "boolean") return b.kind !== "complex";
  if (a.kind === "float" && b.kind === "float") return b.bits > a.bits && inner !== "f64";
  if (a.kind === "complex" || b.kind === "complex") return false;
  if (b.kind === "float") return a.kind !== "float" && a.bits <= { f64: 32, f32: 16, f16: 8, bf16: 8 }[outer as "f64"]!;
  if (a.kind === "float") return false;
  return a.kind === b.kind ? b.bits > a.bits : b.kind === "signed" && b.bits > a.bits;
}

function arithmetic(operation: Operation, to: Builder): Value | undefined {
  const [x, y] = operation.operands as [Value, Value];
  const { dtype, shape } = x.type;
  switch (operation.op) {
    case "add":
      if (dtype === "i1") return undefined;
      if (isNumber(y, 0)) return x;
      return isNumber(x, 0) ? y : undefined;
    case "subtract":
      return isNumber(y, 0) ? x : undefined;
    case "multiply":
      if (dtype === "i1") return undefined;
      if (isNumber(y, 1)) return x;
      return isNumber(x, 1) ? y : undefined;
    case "divide": {
      if (isNumber(y, 1)) return x;
      // The reciprocal of a power of two is exact.
      const by = uniformOf(y);
      if (dtype !== "f32" || typeof by !== "number" || by === 0) return undefined;
      const exponent = Math.log2(Math.abs(by));
      if (!Number.isInteger(exponent) || Math.abs(exponent) > 100) return undefined;
      return to.plain("multiply", x, to.full(dtype, shape, 1 / by));
    }
    case "power": {
      if (dtype !== "f32" && dtype !== "f64") return undefined;
      const by = uniformOf(y);
      if (by === 1) return x;
      if (by === 2) return to.plain("multiply", x, x);
      if (by === 3) return to.plain("multiply", to.plain("multiply", x, x), x);
      if (by === -1) return to.plain("divide", to.full(dtype, shape, 1), x);
      // pow(-0, 0.5) and pow(-Infinity, 0.5) differ from the root's; numbers that are squares or sums of them have none.
      return by === 0.5 && is(x.producer, "multiply") && x.producer.operands[0] === x.producer.operands[1]
        ? to.plain("sqrt", x)
        : undefined;
    }
    default:
      return undefined;
  }
}

/** Dimensions that have more than one element, in order. */
const wide = (shape: readonly number[], order: readonly number[]) => order.filter((i) => shape[i] !== 1);

function movement(operation: Operation, to: Builder): Value | undefined {
  const [x] = operation.operands as [Value];
  const { producer } = x;
  if (is(operation, "reshape")) {
    const { shape } = operation.attributes;
    if (sameShape(shape, x.type.shape)) return x;
    if (is(producer, "reshape")) return to.reshape(producer.operands[0]!, shape);
    // One element repeated is that in any shape.
    if (is(producer, "broadcastInDim") && elementCount(producer.operands[0]!.type.shape) === 1) {
      const scalar = to.reshape(producer.operands[0]!, []);
      return to.op("broadcastInDim", [scalar], { shape, dimensions: [] });
    }
    return undefined;
  }
  if (is(operation, "transpose")) {
    const { permutation } = operation.attributes;
    if (permutation.every((from, i) => from === i)) return x;
    if (is(producer, "transpose")) {
      const inner = producer.attributes.permutation;
      return to.transpose(
        producer.operands[0]!,
        permutation.map((from) => inner[from]!),
      );
    }
    // Only dimensions of one element move.
    const order = wide(x.type.shape, permutation);
    return order.every((from, i) => i === 0 || from > order[i - 1]!)
      ? to.reshape(x, operation.results[0]!.type.shape)
      : undefined;
  }
  if (is(operation, "broadcastInDim")) {
    const { shape, dimensions } = operation.attributes;
    if (sameShape(shape, x.type.shape) && dimensions.every((d, i) => d === i)) return x;
    if (is(producer, "broadcastInDim")) {
      const inner = producer.attributes.dimensions.map((d) => dimensions[d]!);
      return to.op("broadcastInDim", [producer.operands[0]!], { shape, dimensions: inner });
    }
    return undefined;
  }
  if (is(operation, "slice")) {
    const { start, strides } = operation.attributes;
    const same = sameShape(operation.results[0]!.type.shape, x.type.shape);
    if (same && start.every((n) => n === 0) && strides.every((n) => n === 1)) return x;
    if (!is(producer, "slice")) return undefined;
    const inner = producer.attributes;
    const from = start.map((n, i) => inner.start[i]! + n * inner.strides[i]!);
    const extents = operation.results[0]!.type.shape;
    const steps = strides.map((n, i) => n * inner.strides[i]!);
    const limit = from.map((n, i) => n + Math.max(0, extents[i]! - 1) * steps[i]! + Math.min(1, extents[i]!));
    return to.op("slice", [producer.operands[0]!], { start: from, limit, strides: steps });
  }
  if (is(operation, "pad")) {
    const { low, high, interior } = operation.attributes;
    return [...low, ...high, ...interior].every((n) => n === 0) ? x : undefined;
  }
  if (is(operation, "concatenate")) return operation.operands.length === 1 ? x : undefined;
  if (is(operation, "reverse")) return operation.attributes.dimensions.length === 0 ? x : undefined;
  return undefined;
}

function conversion(operation: Operation<"convert">): Value | undefined {
  const [x] = operation.operands as [Value];
  const { dtype } = operation.attributes;
  if (x.type.dtype === dtype) return x;
  const { producer } = x;
  if (!is(producer, "convert")) return undefined;
  const [source] = producer.operands as [Value];
  return source.type.dtype === dtype && contains(dtype, x.type.dtype) ? source : undefined;
}

/** An operation that can be done without, or by a simpler one. */
export const simplify: Rule = (operation, { to }) => {
  if (operation.results.length !== 1 || operation.operands.length === 0) return undefined;
  let value: Value | undefined;
  if (is(operation, "convert")) value = conversion(operation);
  else if (is(operation, "select")) {
    const [predicate, yes, no] = operation.operands as [Value, Value, Value];
    const uniform = uniformOf(predicate);
    value = uniform === undefined ? (yes === no ? yes : undefined) : uniform ? yes : no;
  } else if (operation.operands.length === 2 && isNumeric(operation)) value = arithmetic(operation, to);
  value ??= movement(operation, to);
  return value && [value];
};

const isNumeric = ({ operands: [x] }: Operation): boolean => isFloat(x!.type.dtype) || !isComplex(x!.type.dtype);
