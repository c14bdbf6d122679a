// Scales and offsets after a product or convolution with constant weights go into the weights: batch normalisation at
// inference costs nothing.

import type { Builder } from "../../hlo/build.ts";
import { is, type Operation, type Value } from "../../hlo/graph.ts";
import { elementCount, type Tensor } from "../../hlo/tensor.ts";
import { tensorOf } from "./fold.ts";
import { uniformOf } from "./simplify.ts";
import type { Rewriting, Rule } from "./rewrite.ts";

/** Numbers along one dimension of a value: a constant that is repeated along the others. */
function columnOf(value: Value, dimension: number): Float32Array | undefined {
  const { shape, dtype } = value.type;
  if (dtype !== "f32") return undefined;
  const extent = shape[dimension]!;
  const uniform = uniformOf(value);
  if (typeof uniform === "number") return new Float32Array(extent).fill(uniform);
  const { producer } = value;
  if (is(producer, "reshape")) {
    // Extents of 1 come and go.
    const inner = producer.operands[0]!;
    return elementCount(inner.type.shape) === extent ? (tensorOf(inner)?.data as Float32Array | undefined) : undefined;
  }
  if (!is(producer, "broadcastInDim")) return undefined;
  const [source] = producer.operands as [Value];
  const tensor = tensorOf(source);
  if (!tensor || elementCount(tensor.shape) !== extent) return undefined;
  const from = source.type.shape.findIndex((n) => n === extent);
  return producer.attributes.dimensions[from] === dimension ? (tensor.data as Float32Array) : undefined;
}

/** The dimension of a product's result that runs along its constant weights, and the one of the weights. */
function weightsOf(operation: Operation | undefined): { weights: Tensor; result: number; along: number } | undefined {
  const weights = tensorOf(operation?.operands[1]);
  if (!operation || !weights || weights.dtype !== "f32" || operation.results[0]!.type.dtype !== "f32") return undefined;
  if (is(operation, "convolution")) {
    const { outputFeature, kernelOutputFeature } = operation.attributes;
    return { weights, result: outputFeature, along: kernelOutputFeature };
  }
  if (!is(operation, "dotGeneral")) return undefined;
  const { rhsBatching, rhsContracting } = operation.attributes;
  const free = weights.shape.map((_, i) => i).filter((i) => !rhsBatching.includes(i) && !rhsContracting.includes(i));
  return free.length === 1
    ? { weights, result: operation.results[0]!.type.shape.length - 1, along: free[0]! }
    : undefined;
}

/** The weights with each output feature scaled. */
function scaled({ shape, data }: Tensor, along: number, by: Float32Array): Tensor {
  const inner = shape.slice(along + 1).reduce((product, n) => product * n, 1);
  const extent = shape[along]!;
  const result = new Float32Array(data.length);
  for (let i = 0; i < result.length; i++) result[i] = (data[i] as number) * by[Math.floor(i / inner) % extent]!;
  return { dtype: "f32", shape, data: result };
}

const finite = (numbers: Float32Array) => numbers.every((n) => Number.isFinite(n));

/** `product * column` becomes a product with other weights; `(product + column) * column` is multiplied out. */
export const affine: Rule = (operation, rewriting) => {
  const { to } = rewriting;
  if (operation.op !== "multiply" && operation.op !== "divide") return undefined;
  const [a, b] = operation.operands as [Value, Value];
  const sides: [Value, Value][] =
    operation.op === "multiply"
      ? [
          [a, b],
          [b, a],
        ]
      : [[a, b]];
  for (const [x, factor] of sides) {
    const { producer } = x;
    if (!producer || rewriting.usesOf(x) !== 1) continue;
    const product = weightsOf(producer);
    if (product) {
      const by = factorOf(factor, product.result, operation.op);
      if (by) return [again(producer, product, by, to)];
    }
    const made = distributed(producer, factor, operation.op, rewriting);
    if (made) return [made];
  }
  return undefined;
};

function factorOf(value: Value, dimension: number, op: "multiply" | "divide"): Float32Array | undefined {
  const column = columnOf(value, dimension);
  if (!column || !finite(column)) return undefined;
  const by = op === "divide" ? column.map((n) => 1 / n) : column;
  return finite(by) ? by : undefined;
}

function again(
  producer: Operation,
  { weights, along }: { weights: Tensor; along: number },
  by: Float32Array,
  to: Builder,
): Value {
  const kernel = to.constant(scaled(weights, along, by));
  return to.op(producer.op, [producer.operands[0]!, kernel], producer.attributes);
}

/** (product ± offset) * factor = product * factor ± offset * factor. */
function distributed(
  sum: Operation,
  factor: Value,
  op: "multiply" | "divide",
  { to, usesOf }: Rewriting,
): Value | undefined {
  if (sum.op !== "add" && sum.op !== "subtract") return undefined;
  const [x, y] = sum.operands as [Value, Value];
  const places: [Value, Value, boolean][] = [[x, y, true]];
  if (sum.op === "add") places.push([y, x, true]);
  for (const [inner, offset] of places) {
    const product = weightsOf(inner.producer);
    if (!product || usesOf(inner) !== 1) continue;
    const by = factorOf(factor, product.result, op);
    const column = by && columnOf(offset, product.result);
    if (!by || !column) continue;
    const { shape } = inner.type;
    const moved = to.constant({ dtype: "f32", shape: [column.length], data: column.map((n, i) => n * by[i]!) });
    return to.plain(sum.op, again(inner.producer!, product, by, to), to.along(moved, shape, product.result));
  }
  return undefined;
}
