// Reductions, scans, sorting and scatters.

import { FormatError } from "../../../../base/errors.ts";
import type { Builder } from "../../../hlo/build.ts";
import { type DType, isFloat } from "../../../hlo/dtype.ts";
import type { Value } from "../../../hlo/graph.ts";
import { quantizeMultiplier } from "../fixed.ts";
import { axisOf, type Lower, type Node, Unsupported } from "../node.ts";
import { options } from "../options.ts";
import { affineOf, centred, isQuantized, rescale, scaleBy } from "../quantize.ts";

type Combine = "add" | "multiply" | "maximum" | "minimum" | "and" | "or";

/** The axes of a reduction, each once. */
function axesOf(node: Node, rank: number): number[] {
  if (rank === 0) return [];
  return [...new Set(node.numbers(1, "axes").map((axis) => axisOf(axis, rank)))].sort((a, c) => a - c);
}
const countOf = (x: Value, axes: readonly number[]) => axes.reduce((n, axis) => n * x.type.shape[axis]!, 1);

function reduction(name: Combine): Lower {
  return (node) => {
    const x = node.input(0);
    const { keepDims } = node.options(options.reducer);
    const axes = axesOf(node, x.type.shape.length);
    if (axes.length === 0) return x;
    if (name === "multiply" && isQuantized(node.info(0))) throw new Unsupported("quantised");
    return node.b.reduce(name, x, axes, { keep: keepDims });
  };
}

const sum: Lower = (node) => {
  const { b } = node;
  const x = node.input(0);
  if (!isQuantized(node.info(0))) return reduction("add")(node);
  const axes = axesOf(node, x.type.shape.length);
  const { keepDims } = node.options(options.reducer);
  const [p, r] = [affineOf(node.info(0)), affineOf(node.result())];
  const total = b.reduce("add", centred(b, x, p.zero), axes, { keep: keepDims });
  return scaleBy(b, total, p.scale / r.scale, { dtype: node.dtype(), zero: r.zero });
};

/** The kernels divide by the count through the multiplier (integer_ops/mean.h). */
const mean: Lower = (node) => {
  const { b } = node;
  const x = node.input(0);
  const { keepDims } = node.options(options.reducer);
  const axes = axesOf(node, x.type.shape.length);
  if (axes.length === 0) return x;
  const count = countOf(x, axes);
  if (!isQuantized(node.info(0))) {
    if (isFloat(x.type.dtype)) return b.mean(x, axes, { keep: keepDims });
    const total = b.reduce("add", b.convert(x, "i64"), axes, { keep: keepDims });
    return b.convert(b.with("divide", total, count), x.type.dtype);
  }
  const [p, r] = [affineOf(node.info(0)), affineOf(node.result())];
  const total = b.reduce("add", centred(b, x, p.zero), axes, { keep: keepDims });
  const whole = quantizeMultiplier(p.scale / r.scale);
  let bits = Math.min(Math.floor(Math.log2(Math.max(count, 1))), 32);
  bits = Math.min(bits, 31 + whole.shift);
  const multiplier = Number((BigInt(whole.multiplier) << BigInt(bits)) / BigInt(Math.max(count, 1)));
  const factor = { multiplier, shift: whole.shift - bits };
  return rescale(b, total, [factor], undefined, { dtype: node.dtype(), zero: r.zero });
};

const argument =
  (which: "GT" | "LT"): Lower =>
  (node) => {
    const x = node.input(0);
    const axis = axisOf(node.number(1, "an axis"), x.type.shape.length);
    const places = node.b.argument(which, x, axis, "i32");
    return node.b.convert(places, node.dtype());
  };

/** Sums so far, in as many steps as the extent has bits. */
const cumulate: Lower = (node) => {
  const { b } = node;
  const o = node.options(options.cumsum);
  const { shape, dtype } = node.input(0).type;
  const axis = axisOf(node.number(1, "an axis"), shape.length);
  const extent = shape[axis]!;
  const shift = (x: Value, by: number) => {
    const [low, high] = [shape.map(() => 0), shape.map(() => 0)];
    low[axis] = o.reverse ? -by : by;
    high[axis] = o.reverse ? by : -by;
    return b.pad(x, low, high, b.scalar(dtype, 0));
  };
  let total = node.input(0);
  for (let by = 1; by < extent; by *= 2) total = b.add(total, shift(total, by));
  return o.exclusive && extent > 0 ? shift(total, 1) : total;
};

const topK: Lower = (node) => {
  const { b } = node;
  const k = node.number(1, "k");
  const [values, indices] = b.all("topK", [node.input(0)], { k });
  return [values!, b.convert(indices!, node.dtype(1))];
};

// Scatters.

/** Combines updates into rows of a tensor: `depth` leading dimensions are indexed. */
export function scatterRows(b: Builder, x: Value, indices: Value, updates: Value, combine: Combine | "replace"): Value {
  const depth = indices.type.shape.at(-1) ?? 0;
  const outer = indices.type.shape.length - 1;
  const places = Array.from({ length: depth }, (_, i) => i);
  const element = { dtype: x.type.dtype, shape: [] };
  const region = b.region([element, element], (inner, old, fresh) => [
    combine === "replace" ? fresh! : inner.plain(combine, old!, fresh!),
  ]);
  return b.op(
    "scatter",
    [x, indices, updates],
    {
      updateWindowDims: x.type.shape.slice(depth).map((_, i) => outer + i),
      insertedWindowDims: places,
      inputBatchingDims: [],
      scatterIndicesBatchingDims: [],
      scatterDimsToOperandDims: places,
      indexVectorDim: outer,
    },
    [region],
  );
}

const scatterNd: Lower = (node) => {
  const { b } = node;
  const shape = node.numbers(2, "a shape");
  return scatterRows(b, b.full(node.dtype(), shape, 0), node.input(0), node.input(1), "add");
};

const sparseToDense: Lower = (node) => {
  const { b } = node;
  const indices = node.input(0);
  const shape = node.numbers(1, "a shape");
  const rank = indices.type.shape.length;
  const count = rank === 0 ? 1 : indices.type.shape[0]!;
  const rows = rank === 2 ? indices : b.reshape(indices, [count, 1]);
  const updates = b.broadcast(node.input(2), [count]);
  return scatterRows(b, b.broadcast(b.reshape(node.input(3), []), shape), rows, updates, "replace");
};

function start(b: Builder, combine: Combine, dtype: DType): Value {
  if (combine === "add") return b.scalar(dtype, 0);
  if (combine === "multiply") return b.scalar(dtype, 1);
  if (!isFloat(dtype)) return combine === "maximum" ? b.lowest(dtype) : b.highest(dtype);
  // Empty segments hold the type's limit, not an infinity.
  return b.scalar(dtype, (combine === "maximum" ? -1 : 1) * 3.4028234663852886e38);
}

/** Negative segments are left out. */
const segments =
  (combine: Combine): Lower =>
  (node) => {
    const { b } = node;
    const [x, ids] = [node.input(0), node.input(1)];
    const count =
      node.operator.name === "SEGMENT_SUM"
        ? Math.max(0, ...node.numbers(1, "segments")) + 1
        : node.number(2, "a count");
    const shape = [count, ...x.type.shape.slice(ids.type.shape.length)];
    const base = b.broadcast(start(b, combine, x.type.dtype), shape);
    return scatterRows(b, base, b.reshape(ids, [...ids.type.shape, 1]), x, combine);
  };

const windowKinds = ["", "add", "multiply", "minimum", "maximum", "and", "or"] as const;

/** Inputs: operand, starting value, window, strides, base dilations, window dilations. */
const reduceWindow: Lower = (node) => {
  const { b } = node;
  const x = node.input(0);
  const kind = windowKinds[node.options(options.reduceWindow).kind];
  if (!kind) throw new FormatError(`${b.origin}: unknown reduction`);
  const element = { dtype: x.type.dtype, shape: [] };
  const list = (i: number) => node.numbers(i, "a window");
  const shape = list(2);
  return b.op(
    "reduceWindow",
    [x, b.reshape(node.input(1), [])],
    {
      windowDimensions: shape,
      windowStrides: list(3),
      baseDilations: list(4),
      windowDilations: list(5),
      padding: shape.map(() => [0, 0] as const),
    },
    [b.region([element, element], (inner, p, q) => [inner.plain(kind, p!, q!)])],
  );
};

/** Real Fourier transform of the last two dimensions, cut or padded to a size. */
const rfft2d: Lower = (node) => {
  const { b } = node;
  const x = node.input(0);
  const [rows, columns] = node.numbers(1, "a length") as [number, number];
  const { shape } = x.type;
  const rank = shape.length;
  if (rank < 2 || !(rows > 0) || !(columns > 0))
    throw new FormatError(`${b.origin}: [${shape}] to [${rows}, ${columns}]`);
  const high = shape.map((n, i) => (i === rank - 2 ? rows - n : i === rank - 1 ? columns - n : 0));
  const sized = b.pad(
    x,
    shape.map(() => 0),
    high,
  );
  return b.op("fft", [sized], { kind: "RFFT", length: [rows, columns] });
};

export const reductions: Readonly<Record<string, Lower>> = {
  SUM: sum,
  MEAN: mean,
  REDUCE_PROD: reduction("multiply"),
  REDUCE_MAX: reduction("maximum"),
  REDUCE_MIN: reduction("minimum"),
  REDUCE_ANY: reduction("or"),
  REDUCE_ALL: reduction("and"),
  ARG_MAX: argument("GT"),
  ARG_MIN: argument("LT"),
  CUMSUM: cumulate,
  TOPK_V2: topK,
  SCATTER_ND: scatterNd,
  SPARSE_TO_DENSE: sparseToDense,
  SEGMENT_SUM: segments("add"),
  UNSORTED_SEGMENT_SUM: segments("add"),
  UNSORTED_SEGMENT_PROD: segments("multiply"),
  UNSORTED_SEGMENT_MAX: segments("maximum"),
  UNSORTED_SEGMENT_MIN: segments("minimum"),
  REDUCE_WINDOW: reduceWindow,
  RFFT2D: rfft2d,
};
