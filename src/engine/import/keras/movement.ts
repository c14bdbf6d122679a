// Functions of Keras graphs that move elements: shapes, parts, repetitions, padding, rows by index.

import type { Value } from "../../hlo/graph.ts";
import { isFloat } from "../../hlo/dtype.ts";
import { elementCount } from "../../hlo/tensor.ts";
import { axisOf, countOf } from "./config.ts";
import type { Invocation } from "./invocation.ts";
import type { Item } from "./layer.ts";
import { completeShape, repeat } from "./layers/reshaping.ts";

export type Function = (f: Invocation) => Item;

/** The first argument, whatever its function calls it. */
export const input = (f: Invocation) =>
  f.tensor(0, "x", "inputs", "input", "tensor", "a", "features", "logits", "value", "images");
export const reshape: Function = (f) => {
  const x = input(f);
  const shape = f.integers(1, "newshape", "shape");
  if (!shape) throw f.fail("has no shape");
  return f.b.reshape(x, completeShape(f.call, shape, elementCount(x.type.shape)));
};
export const transpose: Function = (f) => {
  const x = input(f);
  const rank = x.type.shape.length;
  const axes = f.integers(1, "axes", "perm") ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
  return f.b.transpose(
    x,
    axes.map((axis) => axisOf(axis, rank, f.name)),
  );
};
export const expandDims: Function = (f) => {
  const x = input(f);
  let { shape } = x.type as { shape: readonly number[] };
  const axes = f.integers(1, "axis") ?? [0];
  for (const axis of axes) {
    const at = axisOf(axis, shape.length + 1, f.name);
    shape = [...shape.slice(0, at), 1, ...shape.slice(at)];
  }
  return f.b.reshape(x, shape);
};
export const squeeze: Function = (f) => {
  const x = input(f);
  const { shape } = x.type;
  const given = f.integers(1, "axis", "squeeze_dims");
  const axes = given && given.length > 0 ? given.map((axis) => axisOf(axis, shape.length, f.name)) : undefined;
  return f.b.reshape(
    x,
    shape.filter((extent, i) => (axes ? !axes.includes(i) : extent !== 1)),
  );
};
export const concatenate: Function = (f) => {
  const list = f.list(0, "xs", "arrays", "values");
  const axis = f.axis(0, list[0]?.type.shape.length ?? 0, 1, "axis");
  const dtype = list.find(({ type }) => isFloat(type.dtype))?.type.dtype ?? list[0]!.type.dtype;
  return f.b.concatenate(
    list.map((x) => f.b.convert(x, dtype)),
    axis,
  );
};
export const stack: Function = (f) => {
  const list = f.list(0, "x", "values", "arrays");
  const axis = f.axis(0, (list[0]?.type.shape.length ?? 0) + 1, 1, "axis");
  const wide = list.map((x) => f.b.reshape(x, [...x.type.shape.slice(0, axis), 1, ...x.type.shape.slice(axis)]));
  return f.b.concatenate(wide, axis);
};

/** Parts of a tensor along a dimension, between offsets. */
function between(f: Invocation, x: Value, axis: number, offsets: readonly number[]): Value[] {
  const { shape } = x.type;
  return offsets.slice(0, -1).map((from, i) =>
    f.b.slice(
      x,
      shape.map((_n, at) => (at === axis ? from : 0)),
      shape.map((n, at) => (at === axis ? offsets[i + 1]! : n)),
    ),
  );
}
export const split: Function = (f) => {
  const x = input(f);
  const { shape } = x.type;
  const axis = f.axis(0, shape.length, 2, "axis");
  const extent = shape[axis]!;
  const item = f.item(1, "indices_or_sections", "num_or_size_splits");
  const sections = f.integers(1, "indices_or_sections", "num_or_size_splits");
  if (!sections) throw f.fail("has no sections");
  if (!Array.isArray(item)) {
    const count = sections[0]!;
    if (extent % countOf(count, f.call.layer.what) !== 0) throw f.fail(`${extent} do not divide into ${count}`);
    return between(
      f,
      x,
      axis,
      Array.from({ length: count + 1 }, (_, i) => (i * extent) / count),
    );
  }
  if (!f.name.startsWith("tf")) return between(f, x, axis, [0, ...sections, extent]);
  const rest = extent - sections.reduce((sum, size) => sum + Math.max(size, 0), 0);
  const offsets = [0];
  for (const size of sections) offsets.push(offsets.at(-1)! + (size < 0 ? rest : size));
  return between(f, x, axis, offsets);
};
export const unstack: Function = (f) => {
  const x = input(f);
  const { shape } = x.type;
  const axis = f.axis(0, shape.length, 2, "axis");
  const places = Array.from({ length: countOf(shape[axis]!, f.call.layer.what) + 1 }, (_, i) => i);
  return between(f, x, axis, places).map((part) =>
    f.b.reshape(
      part,
      shape.filter((_, i) => i !== axis),
    ),
  );
};
export const tile: Function = (f) => {
  let x = input(f);
  const counts = f.integers(1, "repeats", "multiples") ?? [];
  const rank = Math.max(counts.length, x.type.shape.length);
  x = f.b.reshape(x, [...Array.from({ length: rank - x.type.shape.length }, () => 1), ...x.type.shape]);
  const from = rank - counts.length;
  for (const [i, count] of counts.entries()) {
    if (countOf(count, f.call.layer.what) > 1)
      x = f.b.concatenate(
        Array.from({ length: count }, () => x),
        from + i,
      );
  }
  return x;
};
export const repeated: Function = (f) => {
  const x = input(f);
  const counts = f.integers(1, "repeats") ?? [];
  if (counts.length !== 1 || counts[0]! < 1) throw f.unsupported("repeats by several counts");
  const given = f.item(2, "axis");
  const flat = given === undefined ? f.b.reshape(x, [elementCount(x.type.shape)]) : x;
  return repeat(f.call, flat, f.axis(0, flat.type.shape.length, 2, "axis"), counts[0]!);
};
export const flip: Function = (f) => {
  const x = input(f);
  return f.b.op("reverse", [x], { dimensions: f.axes(x.type.shape.length, 1, "axis") });
};
export const roll: Function = (f) => {
  let x = input(f);
  const shifts = f.integers(1, "shift") ?? [];
  const axes = f.axes(x.type.shape.length, 2, "axis");
  if (f.item(2, "axis") === undefined) throw f.unsupported("rolls without an axis");
  for (const [i, axis] of axes.entries()) {
    const extent = x.type.shape[axis]!;
    const by = (((shifts[i] ?? shifts[0] ?? 0) % extent) + extent) % extent;
    if (by > 0) x = f.b.concatenate(between(f, x, axis, [0, extent - by, extent]).toReversed(), axis);
  }
  return x;
};
export const pad: Function = (f) => {
  const x = input(f);
  const { shape } = x.type;
  const given = f.item(1, "pad_width", "paddings");
  const mode = f.text("constant", 2, "mode").toLowerCase();
  const pairs =
    Array.isArray(given) && (given as readonly Item[]).every((pair) => Array.isArray(pair))
      ? (given as readonly (readonly number[])[])
      : shape.map(() => (Array.isArray(given) ? (given as readonly number[]) : [Number(given), Number(given)]));
  if (pairs.length !== shape.length || pairs.some((pair) => pair.length !== 2 || !pair.every(Number.isSafeInteger))) {
    throw f.fail(`pads by ${JSON.stringify(given)}`);
  }
  if (mode === "constant") {
    const value = f.number(0, 3, "constant_values");
    return f.b.pad(
      x,
      pairs.map(([low]) => low!),
      pairs.map(([, high]) => high!),
      f.b.scalar(x.type.dtype, value),
    );
  }
  if (mode !== "reflect" && mode !== "symmetric") throw f.unsupported(`padding "${mode}"`);
  const off = mode === "reflect" ? 1 : 0;
  let result = x;
  for (const [axis, [low, high]] of (pairs as [number, number][]).entries()) {
    const extent = shape[axis]!;
    if (low + off > extent || high + off > extent) throw f.fail(`pads [${low}, ${high}] of ${extent}`);
    const mirror = (from: number, to: number) =>
      f.b.op("reverse", [between(f, result, axis, [from, to])[0]!], { dimensions: [axis] });
    const parts = [result];
    if (low > 0) parts.unshift(mirror(off, off + low));
    if (high > 0) parts.push(mirror(extent - off - high, extent - off));
    result = f.b.concatenate(parts, axis);
  }
  return result;
};
export const broadcastTo: Function = (f) => f.b.broadcast(input(f), f.integers(1, "shape") ?? []);
export const moveaxis: Function = (f) => {
  const x = input(f);
  const rank = x.type.shape.length;
  const axes = (name: string, place: number) =>
    (f.integers(place, name) ?? []).map((axis) => axisOf(axis, rank, f.name));
  const [from, to] = [axes("source", 1), axes("destination", 2)];
  const order = Array.from({ length: rank }, (_, i) => i).filter((i) => !from.includes(i));
  for (const [at, source] of to.map((at, i) => [at, from[i]!] as const).toSorted(([p], [q]) => p - q)) {
    order.splice(at, 0, source);
  }
  return f.b.transpose(x, order);
};
export const swapaxes: Function = (f) => {
  const x = input(f);
  const rank = x.type.shape.length;
  const order = Array.from({ length: rank }, (_, i) => i);
  const [one, two] = [f.axis(0, rank, 1, "axis1"), f.axis(1, rank, 2, "axis2")];
  [order[one], order[two]] = [two, one];
  return f.b.transpose(x, order);
};
export const take: Function = (f) => {
  const { b } = f;
  const given = input(f);
  const flat = f.item(2, "axis") === undefined && !f.name.startsWith("tf");
  const x = flat ? b.reshape(given, [elementCount(given.type.shape)]) : given;
  const { shape } = x.type;
  const axis = f.axis(0, shape.length, 2, "axis");
  if (f.number(0, 3, "batch_dims") !== 0) throw f.unsupported("gathers with batch dimensions");
  const raw = b.convert(f.value(f.item(1, "indices"), "i32"), "i32");
  // Indices count from the end when they are negative.
  const wrapped = b.add(raw, b.scalar("i32", shape[axis]!));
  const indices = b.select(b.compare("LT", raw, b.scalar("i32", 0)), wrapped, raw);
  const rank = indices.type.shape.length;
  return b.op("gather", [x, indices], {
    offsetDims: shape
      .map((_, i) => i)
      .filter((i) => i !== axis)
      .map((i) => (i < axis ? i : i - 1 + rank)),
    collapsedSliceDims: [axis],
    operandBatchingDims: [],
    startIndicesBatchingDims: [],
    startIndexMap: [axis],
    indexVectorDim: rank,
    sliceSizes: shape.map((extent, i) => (i === axis ? 1 : extent)),
  });
};
export const oneHot: Function = (f) => {
  const { b } = f;
  const indices = b.convert(f.tensor(0, "x", "inputs", "indices"), "i32");
  const rank = indices.type.shape.length;
  const count = f.number(undefined, 1, "num_classes", "depth");
  const axis = f.axis(-1, rank + 1, 2, "axis");
  const given = f.item(3, "dtype");
  const numbers = b.op("iota", [], { dtype: "i32", shape: [count], dimension: 0 });
  const equal = b.compare("EQ", b.reshape(indices, [...indices.type.shape, 1]), numbers);
  const hot = b.convert(equal, typeof given === "string" && f.name.startsWith("tf") ? f.dtype(3, "dtype") : "f32");
  const order = Array.from({ length: rank }, (_, i) => i);
  order.splice(axis, 0, rank);
  return b.transpose(hot, order);
};
