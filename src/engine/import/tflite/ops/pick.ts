// Operators that pick elements: gathers, selections, diagonals, and what is found in constants.

import { FormatError } from "../../../../base/errors.ts";
import { constantOf } from "../../../interpret/interpret.ts";
import type { Builder } from "../../../hlo/build.ts";
import type { Value } from "../../../hlo/graph.ts";
import { fromNumbers, toNumbers } from "../../../hlo/tensor.ts";
import { axisOf, type Lower, Unsupported } from "../node.ts";
import { options } from "../options.ts";
import { elementOf } from "./shape.ts";

/** Elements of a dimension by constant index: as a slice, a repetition or a gather, whichever is simplest. */
export function takeAlong(b: Builder, x: Value, axis: number, indices: readonly number[]): Value {
  const { shape } = x.type;
  const extent = shape[axis]!;
  const step = indices.length > 1 ? indices[1]! - indices[0]! : 1;
  if (indices.length > 0 && step > 0 && indices.every((n, i) => n === indices[0]! + i * step)) {
    const [start, limit, strides] = [shape.map(() => 0), [...shape], shape.map(() => 1)];
    start[axis] = indices[0]!;
    limit[axis] = indices.at(-1)! + 1;
    strides[axis] = step;
    return b.slice(x, start, limit, strides);
  }
  const times = indices.length / extent;
  if (Number.isInteger(times) && indices.every((n, i) => n === Math.floor(i / times))) {
    const wide = [...shape.slice(0, axis + 1), times, ...shape.slice(axis + 1)];
    const repeated = b.op("broadcastInDim", [x], {
      shape: wide,
      dimensions: shape.map((_, i) => (i > axis ? i + 1 : i)),
    });
    return b.reshape(
      repeated,
      shape.map((n, i) => (i === axis ? n * times : n)),
    );
  }
  return gatherAlong(b, x, b.numbers("i32", [indices.length], indices), axis, 0);
}

/** Slices of a dimension by index: x[:axis] + indices[batch:] + x[axis + 1:]. */
export function gatherAlong(b: Builder, x: Value, indices: Value, axis: number, batch: number): Value {
  const { shape } = x.type;
  const places = indices.type.shape.length - batch;
  const batching = Array.from({ length: batch }, (_, i) => i);
  const before = Array.from({ length: axis - batch }, (_, i) => batch + i);
  const after = Array.from({ length: shape.length - axis - 1 }, (_, i) => axis + places + i);
  return b.op("gather", [x, b.reshape(indices, [...indices.type.shape, 1])], {
    offsetDims: [...before, ...after],
    collapsedSliceDims: [axis],
    operandBatchingDims: batching,
    startIndicesBatchingDims: batching,
    startIndexMap: [axis],
    indexVectorDim: indices.type.shape.length,
    sliceSizes: shape.map((extent, i) => (i === axis || i < batch ? 1 : extent)),
  });
}

const gather: Lower = (node) => {
  const { b } = node;
  const [x, indices] = [node.input(0), node.input(1)];
  const o = node.options(options.gather);
  const axis = axisOf(o.axis, x.type.shape.length);
  const batch = o.batchDims < 0 ? o.batchDims + indices.type.shape.length : o.batchDims;
  if (!(batch >= 0 && batch <= axis && batch <= indices.type.shape.length)) {
    throw new FormatError(`${b.origin}: ${o.batchDims} batch dimensions`);
  }
  const known = constantOf(indices, 4096);
  if (known && batch === 0 && indices.type.shape.length === 1) {
    const list = [...toNumbers(known)];
    if (list.every((i) => i >= 0 && i < x.type.shape[axis]!)) return takeAlong(b, x, axis, list);
  }
  return gatherAlong(b, x, indices, axis, batch);
};

const gatherNd: Lower = (node) => {
  const { b } = node;
  const [x, indices] = [node.input(0), node.input(1)];
  const depth = indices.type.shape.at(-1) ?? 0;
  const outer = indices.type.shape.length - 1;
  const places = Array.from({ length: depth }, (_, i) => i);
  const tail = x.type.shape.slice(depth);
  return b.op("gather", [x, indices], {
    offsetDims: tail.map((_, i) => outer + i),
    collapsedSliceDims: places,
    operandBatchingDims: [],
    startIndicesBatchingDims: [],
    startIndexMap: places,
    indexVectorDim: outer,
    sliceSizes: [...places.map(() => 1), ...tail],
  });
};

const select: Lower = (node) => {
  const { b } = node;
  const [which, yes, no] = [node.input(0), node.input(1), node.input(2)];
  // SELECT's condition may be a vector that goes with the first dimension.
  const { shape } = which.type;
  const rows = node.operator.name === "SELECT" && shape.length === 1 && yes.type.shape.length > 1;
  return b.select(rows ? b.along(which, yes.type.shape, 0) : which, yes, no);
};

const oneHot: Lower = (node) => {
  const { b } = node;
  const indices = node.input(0);
  const depth = node.number(1, "a depth");
  const rank = indices.type.shape.length + 1;
  const axis = axisOf(node.options(options.oneHot).axis, rank);
  const shape = [...indices.type.shape.slice(0, axis), depth, ...indices.type.shape.slice(axis)];
  const places = b.op("iota", [], { dtype: indices.type.dtype, shape, dimension: axis });
  const wide = b.op("broadcastInDim", [indices], {
    shape,
    dimensions: indices.type.shape.map((_, i) => (i < axis ? i : i + 1)),
  });
  return b.select(b.compare("EQ", places, wide), b.reshape(node.input(2), []), b.reshape(node.input(3), []));
};

const reverse: Lower = (node) => {
  const x = node.input(0);
  const dimensions = node.numbers(1, "an axis").map((axis) => axisOf(axis, x.type.shape.length));
  return node.b.op("reverse", [x], { dimensions });
};

const reverseSequence: Lower = (node) => {
  const { b } = node;
  const [x, lengths] = [node.input(0), node.input(1)];
  const o = node.options(options.reverseSequence);
  const rank = x.type.shape.length;
  const [sequence, batch] = [axisOf(o.sequence, rank), axisOf(o.batch, rank)];
  const order = [batch, sequence, ...x.type.shape.map((_, i) => i).filter((i) => i !== batch && i !== sequence)];
  const moved = b.transpose(x, order);
  const shape = moved.type.shape.slice(0, 2);
  const places = b.op("iota", [], { dtype: "i32", shape, dimension: 1 });
  const length = b.reshape(b.convert(lengths, "i32"), [shape[0]!, 1]);
  const backwards = b.subtract(b.with("subtract", length, 1), places);
  const indices = b.select(b.compare("LT", places, length), backwards, places);
  const turned = gatherAlong(b, moved, indices, 1, 1);
  return b.transpose(
    turned,
    order.map((_, i) => order.indexOf(i)),
  );
};

const updateSlice: Lower = (node) => {
  const { b } = node;
  const [x, update, at] = [node.input(0), node.input(1), node.input(2)];
  const indices = x.type.shape.map((_, i) => elementOf(b, at, i));
  return b.op("dynamicUpdateSlice", [x, update, ...indices], {});
};

/** Where two indices agree: a diagonal of the last two dimensions. */
function diagonal(b: Builder, shape: readonly number[]): Value {
  const rank = shape.length;
  const iota = (dimension: number) => b.op("iota", [], { dtype: "i32", shape, dimension });
  return b.compare("EQ", iota(rank - 2), iota(rank - 1));
}
const matrixDiagonal: Lower = (node) => {
  const { b } = node;
  const x = node.input(0);
  const shape = [...x.type.shape, x.type.shape.at(-1)!];
  const rows = b.op("broadcastInDim", [x], { shape, dimensions: x.type.shape.map((_, i) => i) });
  return b.select(diagonal(b, shape), rows, b.scalar(x.type.dtype, 0));
};
const setDiagonal: Lower = (node) => {
  const { b } = node;
  const [x, values] = [node.input(0), node.input(1)];
  const { shape } = x.type;
  const rank = shape.length;
  const wide = [...shape.slice(0, -2), Math.max(shape[rank - 2]!, shape[rank - 1]!)];
  const least = values.type.shape.at(-1)!;
  const padded = b.pad(
    values,
    wide.map(() => 0),
    wide.map((extent, i) => (i === rank - 2 ? extent - least : 0)),
  );
  const rows = b.slice(
    padded,
    wide.map(() => 0),
    [...wide.slice(0, -1), shape[rank - 2]!],
  );
  const spread = b.op("broadcastInDim", [rows], { shape, dimensions: rows.type.shape.map((_, i) => i) });
  return b.select(diagonal(b, shape), spread, x);
};

/** Where a condition holds: only of constants, as the number of results depends on the values. */
const where: Lower = (node) => {
  const known = node.known(0);
  if (!known) throw new Unsupported("a number of results that depends on values");
  const { shape } = known;
  const found: number[] = [];
  let count = 0;
  toNumbers(known).forEach((value, flat) => {
    if (value === 0) return;
    count++;
    const at: number[] = [];
    for (let i = shape.length - 1, rest = flat; i >= 0; i--) {
      at.unshift(rest % shape[i]!);
      rest = Math.floor(rest / shape[i]!);
    }
    found.push(...at);
  });
  return node.b.constant(fromNumbers(node.dtype(), [count, shape.length], found));
};

const unique: Lower = (node) => {
  const known = node.known(0);
  if (!known) throw new Unsupported("a number of results that depends on values");
  const places = new Map<number, number>();
  const indices = [...toNumbers(known)].map((value) => {
    if (!places.has(value)) places.set(value, places.size);
    return places.get(value)!;
  });
  return [
    node.b.numbers(known.dtype, [places.size], [...places.keys()]),
    node.b.numbers(node.dtype(1), [indices.length], indices),
  ];
};

/** How many boundaries are at or below each element. */
const bucketize: Lower = (node) => {
  const { b } = node;
  const x = node.input(0);
  const { boundaries } = node.options(options.bucketize);
  if (boundaries.length === 0) return b.full("i32", x.type.shape, 0);
  const limit = b.numbers(x.type.dtype, [boundaries.length], boundaries);
  const above = b.compare("GE", b.reshape(x, [...x.type.shape, 1]), limit);
  return b.reduce("add", b.convert(above, "i32"), [x.type.shape.length]);
};

export const picks: Readonly<Record<string, Lower>> = {
  GATHER: gather,
  GATHER_ND: gatherNd,
  SELECT: select,
  SELECT_V2: select,
  ONE_HOT: oneHot,
  REVERSE_V2: reverse,
  REVERSE_SEQUENCE: reverseSequence,
  DYNAMIC_UPDATE_SLICE: updateSlice,
  MATRIX_DIAG: matrixDiagonal,
  MATRIX_SET_DIAG: setDiagonal,
  WHERE: where,
  UNIQUE: unique,
  BUCKETIZE: bucketize,
};
