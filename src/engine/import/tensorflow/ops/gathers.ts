// Elements chosen and put by indices (tensorflow/core/ops/array_ops.cc, state_ops.cc, data_flow_ops.cc).

import type { Builder } from "../../../hlo/build.ts";
import type { DType } from "../../../hlo/dtype.ts";
import type { Value } from "../../../hlo/graph.ts";
import { elementCount } from "../../../hlo/tensor.ts";
import type { Call, Importer } from "../call.ts";

const range = (n: number, from = 0) => Array.from({ length: n }, (_, i) => from + i);

/** Elements of x along one axis, chosen by indices of any shape. The first `batch` dimensions of both go together. */
export function take(b: Builder, x: Value, indices: Value, axis: number, batch = 0): Value {
  const { shape } = x.type;
  const rank = indices.type.shape.length;
  const before = axis;
  const after = shape.length - axis - 1;
  const inner = rank - batch;
  return b.op("gather", [x, indices], {
    offsetDims: [...range(before - batch, batch), ...range(after, before + inner)],
    collapsedSliceDims: [axis],
    operandBatchingDims: range(batch),
    startIndicesBatchingDims: range(batch),
    startIndexMap: [axis],
    indexVectorDim: rank,
    sliceSizes: shape.map((n, i) => (i === axis || i < batch ? 1 : n)),
  });
}

function gather(c: Call, x: Value, axis: number, batch: number): Value {
  const indices = c.x(1);
  // The result of gathering has the batch dimensions, those before the axis, the indices', those after.
  const result = take(c.b, x, indices, axis, batch);
  return result;
}
function gatherV2(c: Call): Value {
  const x = c.x(0);
  const rank = x.type.shape.length;
  const batch = c.integer("batch_dims", 0);
  const axis = c.count > 2 ? c.axisAt(2, rank) : 0;
  return gather(c, x, axis, batch < 0 ? batch + c.rank(1) : batch);
}
function gatherNd(c: Call): Value {
  const [x, indices] = [c.x(0), c.x(1)];
  const { shape } = x.type;
  const batch = c.integer("batch_dims", 0);
  const depth = indices.type.shape.at(-1) ?? c.fail("indices are a scalar");
  const outer = indices.type.shape.length - 1;
  const rest = shape.length - depth - batch;
  return c.b.op("gather", [x, indices], {
    offsetDims: range(rest, outer),
    collapsedSliceDims: range(depth, batch),
    operandBatchingDims: range(batch),
    startIndicesBatchingDims: range(batch),
    startIndexMap: range(depth, batch),
    indexVectorDim: outer,
    sliceSizes: shape.map((n, i) => (i < depth + batch ? 1 : n)),
  });
}

export type Combine = "add" | "subtract" | "maximum" | "minimum" | "multiply" | "replace";
/** Puts rows into x at index vectors, combined with what is there. */
export function scatterRows(b: Builder, x: Value, indices: Value, updates: Value, how: Combine): Value {
  const depth = indices.type.shape.at(-1)!;
  const outer = indices.type.shape.length - 1;
  const rest = x.type.shape.length - depth;
  const element = { dtype: x.type.dtype, shape: [] };
  const region = b.region([element, element], (inner, old, given) => [
    how === "replace" ? given! : inner.plain(how, old!, given!),
  ]);
  return b.op(
    "scatter",
    [x, indices, updates],
    {
      updateWindowDims: range(rest, outer),
      insertedWindowDims: range(depth),
      inputBatchingDims: [],
      scatterIndicesBatchingDims: [],
      scatterDimsToOperandDims: range(depth),
      indexVectorDim: outer,
    },
    [region],
  );
}
const tensorScatter =
  (how: Combine): Importer =>
  (c) =>
    scatterRows(c.b, c.x(0), c.x(1), c.x(2), how);
function scatterNd(c: Call): Value {
  const updates = c.x(1);
  return scatterRows(c.b, c.b.full(updates.type.dtype, c.numbers(2), 0), c.x(0), updates, "add");
}

/** Rows added up by the number of their group. */
function segments(how: Combine, start: (dtype: DType, b: Builder) => Value, sorted: boolean): Importer {
  return (c) => {
    const { b } = c;
    const [data, ids] = [c.x(0), c.x(1)];
    const count = sorted ? Math.max(0, ...c.numbers(1)) + 1 : c.number(2);
    const rest = data.type.shape.slice(ids.type.shape.length);
    const empty = b.broadcast(start(data.type.dtype, b), [count, ...rest]);
    const rows = elementCount(ids.type.shape);
    const result = scatterRows(b, empty, b.reshape(ids, [rows, 1]), b.reshape(data, [rows, ...rest]), how);
    return result;
  };
}
const zero = (dtype: DType, b: Builder) => b.scalar(dtype, 0);
const one = (dtype: DType, b: Builder) => b.scalar(dtype, 1);

/** How often (or with which weights) each number below a bound comes, in all or in each row. */
function bincount(c: Call, x: Value, size: number, weights: Value): Value {
  const { b } = c;
  const { shape } = x.type;
  const rank = shape.length;
  const weighted = elementCount(weights.type.shape) > 0;
  const dtype = c.type("T", weights.type.dtype);
  const wide = [...shape, size];
  const dimensions = range(rank);
  const stretch = (value: Value) => b.op("broadcastInDim", [value], { shape: wide, dimensions });
  const places = b.op("iota", [], { dtype: x.type.dtype, shape: wide, dimension: rank });
  const hit = b.compare("EQ", stretch(x), places);
  const counted = weighted ? stretch(b.convert(weights, dtype)) : b.full(dtype, wide, 1);
  const axes = c.node.op === "Bincount" ? dimensions : [rank - 1];
  if (c.flag("binary_output")) return b.convert(b.reduce("or", hit, axes), dtype);
  return b.reduce("add", b.select(hit, counted, b.scalar(dtype, 0)), axes);
}

function reverseSequence(c: Call): Value {
  const { b } = c;
  const [x, lengths] = [c.x(0), c.x(1)];
  const { shape } = x.type;
  const [along, batch] = [c.integer("seq_dim"), c.integer("batch_dim", 0)];
  // Index t becomes length - 1 - t within the length.
  const places = b.op("iota", [], { dtype: "i32", shape: [shape[batch]!, shape[along]!], dimension: 1 });
  const length = b.along(b.convert(lengths, "i32"), [shape[batch]!, shape[along]!], 0);
  const mirrored = b.with("subtract", b.subtract(length, places), 1);
  const indices = b.select(b.compare("LT", places, length), mirrored, places);
  const front = [batch, along, ...range(shape.length).filter((i) => i !== batch && i !== along)];
  const back = range(shape.length).map((i) => front.indexOf(i));
  return b.transpose(take(b, b.transpose(x, front), indices, 1, 1), back);
}

const largestStitch = 1 << 20;
function dynamicStitch(c: Call): Value {
  const half = c.count / 2;
  const indices = range(half).map((i) => c.numbers(i));
  const data = range(half).map((i) => c.x(half + i));
  const inner = data[0]!.type.shape.slice(c.rank(0));
  const size = indices.flat().reduce((most, n) => Math.max(most, n), -1) + 1;
  // Places that nothing is put to are left open; a graph has few of them.
  if (size > largestStitch) c.unsupported(`a result of ${size} rows`);
  const rows = indices.map((list, i) => c.b.reshape(data[i]!, [list.length, ...inner]));
  const all = c.b.concatenate(rows, 0);
  const source = range(size).map(() => 0);
  indices.flat().forEach((to, from) => (source[to] = from));
  return take(c.b, all, c.b.numbers("i32", [size], source), 0);
}

function lowestFinite(dtype: DType, b: Builder): Value {
  if (dtype === "f32") return b.scalar(dtype, -3.4028234663852886e38);
  if (dtype === "f64") return b.scalar(dtype, -Number.MAX_VALUE);
  return b.lowest(dtype);
}

export const gathers: Readonly<Record<string, Importer>> = {
  Gather: (c) => gather(c, c.x(0), 0, 0),
  GatherV2: gatherV2,
  ResourceGather: (c) => gather(c, c.x(0), c.integer("batch_dims", 0), c.integer("batch_dims", 0)),
  GatherNd: gatherNd,
  ResourceGatherNd: gatherNd,
  ScatterNd: scatterNd,
  TensorScatterUpdate: tensorScatter("replace"),
  TensorScatterAdd: tensorScatter("add"),
  TensorScatterSub: tensorScatter("subtract"),
  TensorScatterMax: tensorScatter("maximum"),
  TensorScatterMin: tensorScatter("minimum"),
  ScatterNdNonAliasingAdd: tensorScatter("add"),
  SegmentSum: segments("add", zero, true),
  SegmentSumV2: segments("add", zero, false),
  SegmentProd: segments("multiply", one, true),
  SegmentProdV2: segments("multiply", one, false),
  SegmentMax: segments("maximum", (dtype, b) => lowestFinite(dtype, b), true),
  SegmentMaxV2: segments("maximum", (dtype, b) => lowestFinite(dtype, b), false),
  SegmentMin: segments("minimum", (dtype, b) => highestFinite(dtype, b), true),
  SegmentMinV2: segments("minimum", (dtype, b) => highestFinite(dtype, b), false),
  SegmentMean: (c) => {
    const sum = segments("add", zero, true)(c) as Value;
    const ids = c.numbers(1);
    const counts = range(sum.type.shape[0]!).map(() => 0);
    for (const id of ids) counts[id]!++;
    const divisor = c.b.numbers(
      sum.type.dtype,
      sum.type.shape.map((n, i) => (i === 0 ? n : 1)),
      counts.map((n) => Math.max(1, n)),
    );
    return c.b.divide(sum, divisor);
  },
  DenseBincount: (c) => bincount(c, c.b.convert(c.x(0), "i32"), c.number(1), c.x(2)),
  Bincount: (c) => bincount(c, c.x(0), c.number(1), c.x(2)),
  UnravelIndex: (c) => {
    const { b } = c;
    const index = c.x(0);
    const shape = c.numbers(1);
    const { dtype } = index.type;
    let rest = index;
    const rows = [...shape].reverse().map((extent) => {
      const size = b.scalar(dtype, extent);
      const place = b.binary("remainder", rest, size);
      rest = b.divide(rest, size);
      return b.reshape(place, [1, ...index.type.shape]);
    });
    return b.concatenate(rows.reverse(), 0);
  },
  UnsortedSegmentSum: segments("add", zero, false),
  UnsortedSegmentProd: segments("multiply", one, false),
  UnsortedSegmentMax: segments("maximum", (dtype, b) => lowestFinite(dtype, b), false),
  UnsortedSegmentMin: segments("minimum", (dtype, b) => highestFinite(dtype, b), false),
  ReverseSequence: reverseSequence,
  DynamicStitch: dynamicStitch,
  ParallelDynamicStitch: dynamicStitch,
};
function highestFinite(dtype: DType, b: Builder): Value {
  if (dtype === "f32") return b.scalar(dtype, 3.4028234663852886e38);
  if (dtype === "f64") return b.scalar(dtype, Number.MAX_VALUE);
  return b.highest(dtype);
}
