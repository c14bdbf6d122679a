// Matrix products: fully connected layers, batched products, embeddings; float, quantised, and float times 8-bit weights.

import { FormatError } from "../../../../base/errors.ts";
import type { Builder } from "../../../hlo/build.ts";
import type { Value } from "../../../hlo/graph.ts";
import { type Multiplier, quantizeMultiplier } from "../fixed.ts";
import { dynamicRows } from "../hybrid.ts";
import { type Lower, type Node, Unsupported } from "../node.ts";
import { options } from "../options.ts";
import { affineOf, isQuantized, quantizedRange, rescale } from "../quantize.ts";
import type { TensorInfo } from "../schema.ts";
import { activate } from "./elementwise.ts";

/** x [rows, in] times weights [out, in]. */
function product(
  b: Builder,
  x: Value,
  weights: Value,
  extra: { dtype?: "i32" | "i64"; zeroPoints?: [number, number] } = {},
) {
  return b.op("dotGeneral", [x, weights], {
    lhsBatching: [],
    rhsBatching: [],
    lhsContracting: [x.type.shape.length - 1],
    rhsContracting: [1],
    ...extra,
  });
}

/** Scales of weights as a scalar or along a dimension of a shape. */
export function weightScales(b: Builder, info: TensorInfo, shape: readonly number[], dimension: number): Value {
  const { scales } = info.quantization ?? { scales: [] };
  if (scales.length === 0) throw new Unsupported(`${info.type} weights without a scale`);
  return scales.length === 1
    ? b.scalar("f32", scales[0]!)
    : b.along(b.numbers("f32", [scales.length], scales), shape, dimension);
}

/**
 * Float rows times i8 weights [out, in], in floats: sums of quantised rows times both scales. A row's zero point counts
 * through the sums of the weights' rows.
 */
export function hybridProduct(b: Builder, x: Value, weights: Value, info: TensorInfo): Value {
  const rank = x.type.shape.length;
  const rows = dynamicRows(b, x, [rank - 1]);
  const rowSums = b.reduce("add", b.convert(weights, "i32"), [1]);
  const sums = b.subtract(product(b, rows.values, weights, { dtype: "i32" }), b.multiply(rows.zero, rowSums));
  const { scales } = info.quantization ?? { scales: [] };
  if (scales.length === 0) throw new Unsupported("8-bit weights without a scale");
  const scale =
    scales.length === 1
      ? b.with("multiply", rows.scale, scales[0]!)
      : b.multiply(rows.scale, b.numbers("f32", [scales.length], scales));
  return b.multiply(b.convert(sums, "f32"), scale);
}

/** Factors of sums of quantised products: one, or one per output. */
export function outputFactors(node: Node, weights: TensorInfo, input = 0) {
  const [p, r] = [affineOf(node.info(input)), affineOf(node.result())];
  const { scales } = weights.quantization ?? { scales: [] };
  if (scales.length === 0) throw new Unsupported("weights without a scale");
  return scales.map((scale) => quantizeMultiplier((p.scale * scale) / r.scale));
}

/**
 * The type that sums of products of 16-bit and 8-bit elements fit: i32 when `depth` of them cannot overflow it. The
 * kernels add in i64, which gives the same sums.
 */
export const sumType = (x: Value, depth: number): "i32" | "i64" =>
  x.type.dtype === "i16" && depth * 32768 * 128 >= 2 ** 31 ? "i64" : "i32";

/** Adds a bias of i32 or i64 and brings the sums to the result's scale. 16-bit sums are scaled as i64 with a 64-bit bias. */
export function finishSums(
  node: Node,
  sums: Value,
  bias: Value | undefined,
  factors: readonly Multiplier[],
  dimension: number,
  activation: number,
): Value {
  const { b } = node;
  const dtype = node.dtype();
  const wide = dtype === "i16" && (bias === undefined || bias.type.dtype === "i64");
  const type = wide ? "i64" : sums.type.dtype;
  let total = b.convert(sums, type);
  if (bias) total = b.add(total, b.along(b.convert(bias, type), total.type.shape, dimension));
  const range = quantizedRange(activation, node.result(), dtype);
  return rescale(b, total, factors, dimension, { dtype, zero: affineOf(node.result()).zero, range });
}

/**
 * The reference kernel of 8-bit layers rounds once. So does a multiplier that needs no shift to the right: the bits it
 * loses are below what results of 8 bits show.
 */
const roundedOnce = ({ multiplier, shift }: Multiplier): Multiplier =>
  shift < 0 ? { multiplier: Math.round(multiplier * 2 ** shift), shift: 0 } : { multiplier, shift };

const fullyConnected: Lower = (node) => {
  const { b } = node;
  const { activation, format, keepDims } = node.options(options.fullyConnected);
  if (format !== 0) throw new Unsupported("shuffled weights");
  const weights = node.input(1);
  const [outputs, depth] = weights.type.shape;
  if (weights.type.shape.length !== 2 || !outputs || !depth) throw new Unsupported("weights that are no matrix");
  const original = node.input(0);
  const count = original.type.shape.reduce((n, extent) => n * extent, 1);
  if (count % depth !== 0) {
    throw new FormatError(`${b.origin}: input [${original.type.shape}] is no rows of ${depth}`);
  }
  const shape = keepDims ? [...original.type.shape.slice(0, -1), outputs] : [count / depth, outputs];
  const x = b.reshape(original, [count / depth, depth]);
  const bias = node.optional(2);
  const info = node.info(1);
  let result: Value;
  if (isQuantized(node.info(0)) && x.type.dtype !== "f32") {
    const zeroPoints: [number, number] = [affineOf(node.info(0)).zero, affineOf(info).zero];
    const sums = product(b, x, weights, { dtype: sumType(x, depth), zeroPoints });
    const factors = outputFactors(node, info);
    result = finishSums(node, sums, bias, x.type.dtype === "i16" ? factors : factors.map(roundedOnce), 1, activation);
  } else {
    const sums = weights.type.dtype === "f32" ? product(b, x, weights) : hybridProduct(b, x, weights, info);
    result = activate(b, bias ? b.add(sums, bias) : sums, activation);
  }
  return b.reshape(result, shape);
};

const batchMatMul: Lower = (node) => {
  const { b } = node;
  const { adjointX, adjointY } = node.options(options.batchMatMul);
  const [x, y] = [node.input(0), node.input(1)];
  const flip = (value: Value, flipped: boolean) => {
    const rank = value.type.shape.length;
    const order = value.type.shape.map((_, i) => i);
    return flipped ? b.transpose(value, [...order.slice(0, -2), rank - 1, rank - 2]) : value;
  };
  if (x.type.shape.length < 2 || y.type.shape.length < 2) throw new Unsupported("vectors");
  if (isQuantized(node.info(0)) && x.type.dtype !== "f32") {
    const depth = x.type.shape.at(adjointX ? -2 : -1)!;
    const zeroPoints: [number, number] = [affineOf(node.info(0)).zero, affineOf(node.info(1)).zero];
    const outer = b.common(x.type.shape.slice(0, -2), y.type.shape.slice(0, -2));
    const stretch = (value: Value) => b.broadcast(value, [...outer, ...value.type.shape.slice(-2)]);
    const batching = outer.map((_, i) => i);
    const rank = outer.length + 2;
    const shorts = y.type.dtype === "i16";
    const sums = b.op("dotGeneral", [stretch(x), stretch(y)], {
      lhsBatching: batching,
      rhsBatching: batching,
      lhsContracting: [rank - (adjointX ? 2 : 1)],
      rhsContracting: [rank - (adjointY ? 1 : 2)],
      dtype: shorts ? "i64" : sumType(x, depth),
      zeroPoints,
    });
    const total = node.dtype() === "i16" ? b.convert(sums, "i64") : sums;
    const { zero } = affineOf(node.result());
    const factors = outputFactors(node, node.info(1));
    // The kernel knows scales of whole tensors only: it takes those of channels for 0 and gives zeros.
    const whole = factors.length === 1 ? factors : [quantizeMultiplier(0)];
    return rescale(b, total, whole, undefined, { dtype: node.dtype(), zero });
  }
  if (y.type.dtype === "i8" && x.type.dtype === "f32") {
    // Rows of x are quantised; the weights' columns are summed for their zero points.
    const rows = dynamicRows(b, flip(x, adjointX), [x.type.shape.length - 1]);
    const right = flip(y, adjointY);
    const columns = b.reduce("add", b.convert(right, "i32"), [right.type.shape.length - 2], { keep: true });
    const products = b.matmul(rows.values, right, { dtype: "i32" });
    const sums = b.subtract(products, b.multiply(rows.zero, columns));
    return b.multiply(b.convert(sums, "f32"), b.with("multiply", rows.scale, affineOf(node.info(1)).scale));
  }
  // One matrix for all of x's: rows of x in one product, which compilers do better than batches.
  if (y.type.shape.length === 2 || y.type.shape.slice(0, -2).every((extent) => extent === 1)) {
    const right = b.reshape(y, y.type.shape.slice(-2));
    if (!adjointX && y.type.shape.length <= x.type.shape.length) return b.matmul(x, right, { transposeB: adjointY });
  }
  return b.matmul(x, y, { transposeA: adjointX, transposeB: adjointY });
};

const embedding: Lower = (node) => {
  const { b } = node;
  const [ids, rows] = [node.input(0), node.input(1)];
  const { shape } = rows.type;
  const picked = b.op("gather", [rows, b.reshape(ids, [...ids.type.shape, 1])], {
    offsetDims: shape.slice(1).map((_, i) => ids.type.shape.length + i),
    collapsedSliceDims: [0],
    operandBatchingDims: [],
    startIndicesBatchingDims: [],
    startIndexMap: [0],
    indexVectorDim: ids.type.shape.length,
    sliceSizes: [1, ...shape.slice(1)],
  });
  if (picked.type.dtype === node.dtype()) return picked;
  const { quantization } = node.info(1);
  if (!quantization) throw new Unsupported(`${rows.type.dtype} rows without a scale`);
  const { scales } = quantization;
  const scale =
    scales.length === 1
      ? b.scalar("f32", scales[0]!)
      : b.op("gather", [b.numbers("f32", [scales.length], scales), b.reshape(ids, [...ids.type.shape, 1])], {
          offsetDims: [],
          collapsedSliceDims: [0],
          operandBatchingDims: [],
          startIndicesBatchingDims: [],
          startIndexMap: [0],
          indexVectorDim: ids.type.shape.length,
          sliceSizes: [1],
        });
  const column = scales.length === 1 ? scale : b.reshape(scale, [...ids.type.shape, ...shape.slice(1).map(() => 1)]);
  return b.multiply(b.convert(picked, "f32"), column);
};

export const dense: Readonly<Record<string, Lower>> = {
  FULLY_CONNECTED: fullyConnected,
  BATCH_MATMUL: batchMatMul,
  EMBEDDING_LOOKUP: embedding,
};
