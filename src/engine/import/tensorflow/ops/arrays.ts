// Shapes, slices, gathers and rearrangements (tensorflow/core/ops/array_ops.cc, data_flow_ops.cc).

import type { Builder } from "../../../hlo/build.ts";
import type { DType } from "../../../hlo/dtype.ts";
import type { Value } from "../../../hlo/graph.ts";
import { elementCount, fromNumbers, sameShape, type Tensor, toNumbers } from "../../../hlo/tensor.ts";
import { constantOf } from "../../../interpret/interpret.ts";
import { type Call, type Importer, isSpecial, type Item } from "../call.ts";
import { knownShape, readTensor } from "../tensors.ts";

const product = (list: readonly number[]) => list.reduce((a, n) => a * n, 1);
const range = (n: number, from = 0) => Array.from({ length: n }, (_, i) => from + i);
/** x with the extent of one axis cut. */
export function part(b: Builder, x: Value, axis: number, from: number, to: number): Value {
  const { shape } = x.type;
  return b.slice(
    x,
    shape.map((_, i) => (i === axis ? from : 0)),
    shape.map((n, i) => (i === axis ? to : n)),
  );
}

function constantNode(c: Call): Item {
  if (c.node.tensor) return c.services.constant(c.node.tensor);
  const proto = c.attribute("value", "tensor") ?? c.fail("attribute value is missing");
  const value = readTensor(proto, c.origin);
  return "kind" in value ? value : c.services.constant(value);
}

/** The shape of an input, strings and lists included. */
function shapeOfItem(c: Call, i: number): readonly number[] {
  const item = c.item(i);
  return isSpecial(item) && item.kind === "strings" ? item.shape : c.shape(i);
}
const shapeNumbers = (c: Call, i: number) =>
  c.b.numbers(c.type("out_type", "i32"), [shapeOfItem(c, i).length], shapeOfItem(c, i));

function reshape(c: Call): Value {
  const x = c.x(0);
  const wanted = c.numbers(1);
  const count = elementCount(x.type.shape);
  const open = wanted.indexOf(-1);
  const known = product(wanted.filter((_, i) => i !== open));
  if (open >= 0) wanted[open] = known === 0 ? 0 : count / known;
  if (wanted.some((n) => !Number.isInteger(n) || n < 0) || product(wanted) !== count) {
    c.fail(`[${x.type.shape}] does not become [${wanted}]`);
  }
  return c.b.reshape(x, wanted);
}

// Slices.

interface Range {
  readonly start: number;
  readonly limit: number;
  readonly stride: number;
}
interface SliceSpec {
  /** One a dimension of the operand; where the start is not known, its place among the inputs. */
  readonly ranges: (Range & { readonly dynamic?: number })[];
  /** The shape after new axes and dropped ones. */
  readonly shape: number[];
}

/** The bounds of a slice with all masks (tensorflow/core/util/strided_slice_op.cc). */
function stridedSpec(
  c: Call,
  shape: readonly number[],
  inputs: { begin: number; end: number; strides: number },
): SliceSpec {
  const strides = c.numbers(inputs.strides);
  const begin = c.known(inputs.begin);
  const end = c.known(inputs.end);
  const starts = begin ? toNumbers(begin) : undefined;
  const limits = end ? toNumbers(end) : undefined;
  const mask = (name: string) => c.integer(name, 0);
  const [beginMask, endMask, ellipsisMask, newMask, shrinkMask] = [
    mask("begin_mask"),
    mask("end_mask"),
    mask("ellipsis_mask"),
    mask("new_axis_mask"),
    mask("shrink_axis_mask"),
  ];
  const on = (bits: number, i: number) => ((bits >> i) & 1) === 1;
  const ranges: SliceSpec["ranges"] = [];
  const result: number[] = [];
  const given = range(strides.length).filter((i) => !on(newMask, i) && !on(ellipsisMask, i)).length;
  const whole = (extent: number) => {
    ranges.push({ start: 0, limit: extent, stride: 1 });
    result.push(extent);
  };
  const ellipsis = range(strides.length).find((i) => on(ellipsisMask, i));
  for (let i = 0; i < strides.length; i++) {
    if (i === ellipsis) {
      for (let k = shape.length - given; k > 0; k--) whole(shape[ranges.length] ?? c.fail("too many dimensions"));
      continue;
    }
    if (on(newMask, i)) {
      result.push(1);
      continue;
    }
    const extent = shape[ranges.length] ?? c.fail(`takes ${strides.length} dimensions of [${shape}]`);
    const stride = strides[i]!;
    if (stride === 0) c.fail("a stride is 0");
    if (on(shrinkMask, i)) {
      if (!starts) ranges.push({ start: 0, limit: 1, stride: 1, dynamic: i });
      else {
        const at = starts[i]! < 0 ? starts[i]! + extent : starts[i]!;
        if (!(at >= 0 && at < extent)) c.fail(`index ${starts[i]} does not fit [${shape}]`);
        ranges.push({ start: at, limit: at + 1, stride: 1 });
      }
      continue;
    }
    const [low, high] = stride > 0 ? [0, extent] : [-1, extent - 1];
    const bound = (value: number) => Math.min(high, Math.max(low, value < 0 ? value + extent : value));
    const from = on(beginMask, i) ? (stride > 0 ? 0 : extent - 1) : starts ? bound(starts[i]!) : undefined;
    const to = on(endMask, i) ? (stride > 0 ? extent : -1) : limits ? bound(limits[i]!) : undefined;
    if (from === undefined || to === undefined) {
      const size = from === undefined && to === undefined ? windowSize(c, inputs, i) : undefined;
      if (size === undefined || stride !== 1) {
        c.numbers(inputs.begin);
        c.numbers(inputs.end);
      }
      ranges.push({ start: 0, limit: size!, stride: 1, dynamic: i });
      result.push(size!);
      continue;
    }
    ranges.push({ start: from, limit: to, stride });
    result.push(Math.max(0, Math.ceil((to - from) / stride)));
  }
  while (ranges.length < shape.length) whole(shape[ranges.length]!);
  return { ranges, shape: result };
}

/** How far apart begin and end are, when both move together: end = begin + size. */
function windowSize(c: Call, inputs: { begin: number; end: number }, i: number): number | undefined {
  const origin = (value: Value): { base: Value; offset: number } | undefined => {
    const known = constantOf(value);
    if (known) return { base: value, offset: 0 };
    const { producer } = value;
    if (producer?.op === "reshape" || producer?.op === "convert" || producer?.op === "broadcastInDim") {
      return origin(producer.operands[0]!);
    }
    if (producer?.op !== "add") return { base: value, offset: 0 };
    const [x, y] = producer.operands as [Value, Value];
    const [a, z] = [constantOf(x), constantOf(y)];
    if (z && z.data.length === 1) {
      const inner = origin(x);
      return inner && { base: inner.base, offset: inner.offset + Number(z.data[0]) };
    }
    if (a && a.data.length === 1) {
      const inner = origin(y);
      return inner && { base: inner.base, offset: inner.offset + Number(a.data[0]) };
    }
    return { base: value, offset: 0 };
  };
  const element = (value: Value): Value | undefined => {
    if (elementCount(value.type.shape) === 1) return value;
    const { producer } = value;
    // Pack writes one part an element.
    return producer?.op === "concatenate" ? producer.operands[i] : undefined;
  };
  const [begin, end] = [element(c.x(inputs.begin)), element(c.x(inputs.end))];
  if (!begin || !end) return undefined;
  const [from, to] = [origin(begin), origin(end)];
  return from && to && from.base === to.base ? to.offset - from.offset : undefined;
}

/** The part of x that ranges say; negative strides go backwards. */
function applyRanges(c: Call, x: Value, ranges: SliceSpec["ranges"], beginInput: number): Value {
  const { b } = c;
  const { shape } = x.type;
  const backwards = ranges.flatMap(({ stride }, i) => (stride < 0 ? [i] : []));
  let value = x;
  if (ranges.some(({ dynamic }) => dynamic !== undefined)) {
    const zero = b.scalar("i32", 0);
    const begins = b.convert(c.x(beginInput), "i32");
    const indices = ranges.map(({ dynamic }, i) => {
      if (dynamic === undefined) return zero;
      const index = b.reshape(part(b, begins, 0, dynamic, dynamic + 1), []);
      return b.select(b.compare("LT", index, zero), b.with("add", index, shape[i]!), index);
    });
    const sizes = ranges.map(({ dynamic, limit, start }, i) => (dynamic === undefined ? shape[i]! : limit - start));
    value = b.op("dynamicSlice", [value, ...indices], { sizes });
  }
  const forward = ranges.map(({ start, limit, stride, dynamic }, i) => {
    if (dynamic !== undefined) return { start: 0, limit: value.type.shape[i]!, stride: 1 };
    if (stride > 0) return { start, limit: Math.max(start, limit), stride };
    // Counted from the end of the reversed dimension.
    const from = shape[i]! - 1 - start;
    return { start: from, limit: Math.max(from, shape[i]! - 1 - limit), stride: -stride };
  });
  if (backwards.length > 0) value = b.op("reverse", [value], { dimensions: backwards });
  return b.slice(
    value,
    forward.map(({ start }) => start),
    forward.map(({ limit }) => limit),
    forward.map(({ stride }) => stride),
  );
}

function stridedSlice(c: Call): Value {
  const spec = stridedSpec(c, c.shape(0), { begin: 1, end: 2, strides: 3 });
  return c.b.reshape(applyRanges(c, c.x(0), spec.ranges, 1), spec.shape);
}

/** Writes a value into a strided slice. Inputs: x, begin, end, strides, value. */
function stridedUpdate(c: Call, x: Value, value: Value): Value {
  const { b } = c;
  const { ranges } = stridedSpec(c, x.type.shape, { begin: 1, end: 2, strides: 3 });
  const extents = ranges.map(({ start, limit, stride }) => Math.max(0, Math.ceil((limit - start) / stride)));
  const spec = stridedSpec(c, x.type.shape, { begin: 1, end: 2, strides: 3 });
  const stretched = b.reshape(b.broadcast(value, spec.shape), extents);
  const dynamic = ranges.some((each) => each.dynamic !== undefined);
  if (!dynamic && ranges.some(({ stride }) => stride !== 1)) {
    // Spread with gaps, and a mask that says where.
    const back = ranges.flatMap(({ stride }, i) => (stride < 0 ? [i] : []));
    const ordered = back.length > 0 ? b.op("reverse", [stretched], { dimensions: back }) : stretched;
    const lows = ranges.map(({ start, stride }, i) => (stride > 0 ? start : start + (extents[i]! - 1) * stride));
    const interior = ranges.map(({ stride }) => Math.abs(stride) - 1);
    const spread = (what: Value, fill: Value) =>
      b.op("pad", [what, fill], {
        low: lows,
        high: x.type.shape.map((n, i) => n - lows[i]! - Math.max(0, (extents[i]! - 1) * (interior[i]! + 1) + 1)),
        interior,
      });
    const mask = spread(b.full("i1", extents, 1), b.scalar("i1", 0));
    return b.select(mask, spread(ordered, b.scalar(x.type.dtype, 0)), x);
  }
  const begins = dynamic ? b.convert(c.x(1), "i32") : undefined;
  const indices = ranges.map(({ start, dynamic: at }, i) => {
    if (at === undefined) return b.scalar("i32", start);
    const index = b.reshape(part(b, begins!, 0, at, at + 1), []);
    return b.select(b.compare("LT", index, b.scalar("i32", 0)), b.with("add", index, x.type.shape[i]!), index);
  });
  return b.op("dynamicUpdateSlice", [x, stretched, ...indices], {} as never);
}

function slice(c: Call): Value {
  const { b } = c;
  const x = c.x(0);
  const { shape } = x.type;
  const sizes = c.numbers(2);
  const begin = c.known(1);
  if (sizes.length !== shape.length) c.fail(`${sizes.length} sizes for [${shape}]`);
  if (begin) {
    const start = Array.from(toNumbers(begin));
    const limit = start.map((from, i) => (sizes[i] === -1 ? shape[i]! : from + sizes[i]!));
    return b.slice(x, start, limit);
  }
  if (sizes.includes(-1)) c.numbers(1);
  const begins = b.convert(c.x(1), "i32");
  const indices = shape.map((_, i) => b.reshape(part(b, begins, 0, i, i + 1), []));
  return b.op("dynamicSlice", [x, ...indices], { sizes });
}

function pack(c: Call): Item {
  const items = c.inputs;
  // File names are packed; nothing is computed with them.
  const first = items[0];
  if (first && isSpecial(first) && first.kind === "strings") {
    return { kind: "strings", shape: [items.length, ...first.shape], values: [] };
  }
  const values = c.xs();
  const { shape } = values[0]?.type ?? c.fail("nothing to pack");
  const axis = c.axis(c.integer("axis", 0), shape.length + 1);
  const wide = [...shape.slice(0, axis), 1, ...shape.slice(axis)];
  return c.b.concatenate(
    values.map((value) => c.b.reshape(value, wide)),
    axis,
  );
}
function unpack(c: Call): Value[] {
  const x = c.x(0);
  const axis = c.axis(c.integer("axis", 0), x.type.shape.length);
  const shape = x.type.shape.filter((_, i) => i !== axis);
  return range(x.type.shape[axis]!).map((i) => c.b.reshape(part(c.b, x, axis, i, i + 1), shape));
}
/** Consecutive parts of the given sizes. */
export function splitSizes(b: Builder, x: Value, axis: number, sizes: readonly number[]): Value[] {
  let at = 0;
  return sizes.map((size) => part(b, x, axis, at, (at += size)));
}
function split(c: Call): Value[] {
  const x = c.x(1);
  const axis = c.axisAt(0, x.type.shape.length);
  const count = c.integer("num_split");
  const extent = x.type.shape[axis]!;
  if (count < 1 || extent % count !== 0) c.fail(`${extent} elements do not split in ${count}`);
  return splitSizes(
    c.b,
    x,
    axis,
    range(count).map(() => extent / count),
  );
}
function splitV(c: Call): Value[] {
  const x = c.x(0);
  const axis = c.axisAt(2, x.type.shape.length);
  const sizes = c.numbers(1);
  const open = sizes.indexOf(-1);
  if (open >= 0) sizes[open] = x.type.shape[axis]! - (sizes.reduce((a, n) => a + n, 0) + 1);
  return splitSizes(c.b, x, axis, sizes);
}

function tile(c: Call): Value {
  const x = c.x(0);
  const times = c.numbers(1);
  const { shape } = x.type;
  // [a, b] -> [1, a, 1, b] -> [m, a, n, b] -> [ma, nb]
  const wide = shape.flatMap((n, i) => [times[i]!, n]);
  const stretched = c.b.op("broadcastInDim", [x], { shape: wide, dimensions: shape.map((_, i) => 2 * i + 1) });
  return c.b.reshape(
    stretched,
    shape.map((n, i) => n * times[i]!),
  );
}

function squeeze(c: Call): Value {
  const x = c.x(0);
  const { shape } = x.type;
  const list = c.has("squeeze_dims") ? c.integers("squeeze_dims") : c.integers("axis");
  const axes = list.map((axis) => c.axis(axis, shape.length));
  if (axes.some((axis) => shape[axis] !== 1)) c.fail(`[${shape}] is not 1 along [${axes}]`);
  return c.b.reshape(
    x,
    shape.filter((n, i) => (axes.length === 0 ? n !== 1 : !axes.includes(i))),
  );
}
function expandDims(c: Call): Item {
  const item = c.item(0);
  const shape = shapeOfItem(c, 0);
  const axis = c.axisAt(1, shape.length + 1);
  const wide = [...shape.slice(0, axis), 1, ...shape.slice(axis)];
  return isSpecial(item) && item.kind === "strings" ? { ...item, shape: wide } : c.b.reshape(c.x(0), wide);
}

function rangeNode(c: Call): Value {
  const dtype = c.dtype(0);
  const [start, limit, delta] = [c.number(0), c.number(1), c.number(2)];
  if (delta === 0) c.fail("the step is 0");
  const count = Math.max(0, Math.ceil((limit - start) / delta));
  const f = dtype === "f32" ? Math.fround : (n: number) => n;
  return c.b.constant(
    fromNumbers(
      dtype,
      [elementCount([count], c.origin)],
      count === 0 ? [] : range(count).map((i) => f(start + f(i * delta))),
    ),
  );
}

// Gathers.

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

// Padding.

function pairsOf(c: Call, i: number): { low: number[]; high: number[] } {
  const numbers = c.numbers(i);
  return { low: numbers.filter((_, k) => k % 2 === 0), high: numbers.filter((_, k) => k % 2 === 1) };
}
function mirrorPad(c: Call): Value {
  const { b } = c;
  const { low, high } = pairsOf(c, 1);
  const edge = c.text("mode") === "SYMMETRIC" ? 0 : 1;
  let x = c.x(0);
  low.forEach((before, axis) => {
    const after = high[axis]!;
    const extent = x.type.shape[axis]!;
    if (before === 0 && after === 0) return;
    if (Math.max(before, after) > extent - edge) c.fail(`${Math.max(before, after)} of ${extent} elements mirrored`);
    const mirrored = (from: number, to: number) =>
      b.op("reverse", [part(b, x, axis, from, to)], { dimensions: [axis] });
    const parts = [x];
    if (before > 0) parts.unshift(mirrored(edge, edge + before));
    if (after > 0) parts.push(mirrored(extent - edge - after, extent - edge));
    x = b.concatenate(parts, axis);
  });
  return x;
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

function oneHot(c: Call): Value {
  const { b } = c;
  const indices = c.x(0);
  const depth = c.number(1);
  const rank = indices.type.shape.length;
  const at = c.integer("axis", -1);
  const axis = at === -1 ? rank : at;
  const shape = [...indices.type.shape.slice(0, axis), depth, ...indices.type.shape.slice(axis)];
  const places = b.op("iota", [], { dtype: indices.type.dtype, shape, dimension: axis });
  const dimensions = range(rank).map((i) => (i < axis ? i : i + 1));
  const given = b.op("broadcastInDim", [indices], { shape, dimensions });
  return b.select(b.compare("EQ", places, given), c.x(2), c.x(3));
}

function topK(c: Call): Value[] {
  const k = c.count > 1 ? c.number(1) : c.integer("k");
  const [values, places] = c.b.all("topK", [c.x(0)], { k });
  return [values!, c.b.convert(places!, c.type("index_type", "i32"))];
}

// Blocks.

/** Moves blocks of space into the batch, or back. */
function spaceToBatch(c: Call, x: Value, block: readonly number[], pads: { low: number[]; high: number[] }): Value {
  const { b } = c;
  const rest = x.type.shape.length - 1 - block.length;
  const padded = b.pad(
    x,
    [0, ...pads.low, ...range(rest).map(() => 0)],
    [0, ...pads.high, ...range(rest).map(() => 0)],
  );
  const [batch, ...shape] = padded.type.shape;
  if (block.some((n, i) => shape[i]! % n !== 0)) c.fail(`[${shape}] is not made of blocks of [${block}]`);
  const outer = block.map((n, i) => shape[i]! / n);
  const inner = shape.slice(block.length);
  const wide = b.reshape(padded, [batch!, ...block.flatMap((n, i) => [outer[i]!, n]), ...inner]);
  const n = block.length;
  const permutation = [
    ...range(n).map((i) => 2 * i + 2),
    0,
    ...range(n).map((i) => 2 * i + 1),
    ...range(inner.length, 2 * n + 1),
  ];
  return b.reshape(b.transpose(wide, permutation), [batch! * product(block), ...outer, ...inner]);
}
function batchToSpace(c: Call, x: Value, block: readonly number[], crops: { low: number[]; high: number[] }): Value {
  const { b } = c;
  const [batch, ...shape] = x.type.shape;
  const n = block.length;
  const rest = batch! / product(block);
  if (!Number.isInteger(rest)) c.fail(`a batch of ${batch} is not made of blocks of [${block}]`);
  const inner = shape.slice(n);
  const wide = b.reshape(x, [...block, rest, ...shape]);
  const permutation = [n, ...range(n).flatMap((i) => [n + 1 + i, i]), ...range(inner.length, 2 * n + 1)];
  const outer = block.map((size, i) => size * shape[i]!);
  const whole = b.reshape(b.transpose(wide, permutation), [rest, ...outer, ...inner]);
  return b.slice(
    whole,
    [0, ...crops.low, ...inner.map(() => 0)],
    [rest, ...outer.map((size, i) => size - crops.high[i]!), ...inner],
  );
}

/** Runs in NHWC what may be given in NCHW. */
export function inNhwc(c: Call, x: Value, write: (x: Value) => Value): Value {
  const format = c.text("data_format", "NHWC");
  if (format === "NHWC") return write(x);
  if (format !== "NCHW") return c.unsupported(`data_format ${format}`);
  return c.b.transpose(write(c.b.transpose(x, [0, 2, 3, 1])), [0, 3, 1, 2]);
}
function depthToSpace(c: Call): Value {
  const n = c.integer("block_size");
  return inNhwc(c, c.x(0), (x) => {
    const [batch, height, width, depth] = x.type.shape as [number, number, number, number];
    const rest = depth / (n * n);
    const wide = c.b.reshape(x, [batch, height, width, n, n, rest]);
    return c.b.reshape(c.b.transpose(wide, [0, 1, 3, 2, 4, 5]), [batch, height * n, width * n, rest]);
  });
}
function spaceToDepth(c: Call): Value {
  const n = c.integer("block_size");
  return inNhwc(c, c.x(0), (x) => {
    const [batch, height, width, depth] = x.type.shape as [number, number, number, number];
    const wide = c.b.reshape(x, [batch, height / n, n, width / n, n, depth]);
    return c.b.reshape(c.b.transpose(wide, [0, 1, 3, 2, 4, 5]), [batch, height / n, width / n, n * n * depth]);
  });
}

function dynamicStitch(c: Call): Value {
  const half = c.count / 2;
  const indices = range(half).map((i) => c.numbers(i));
  const data = range(half).map((i) => c.x(half + i));
  const inner = data[0]!.type.shape.slice(c.rank(0));
  const size = Math.max(-1, ...indices.flat()) + 1;
  const rows = indices.map((list, i) => c.b.reshape(data[i]!, [list.length, ...inner]));
  const all = c.b.concatenate(rows, 0);
  const source = range(size).map(() => 0);
  indices.flat().forEach((to, from) => (source[to] = from));
  return take(c.b, all, c.b.numbers("i32", [size], source), 0);
}

function unique(c: Call): Value[] {
  const given = c.constant(0);
  const numbers = Array.from(toNumbers(given));
  const list = [...new Set(numbers)];
  const index = c.type("out_idx", "i32");
  const places = new Map(list.map((value, i) => [value, i]));
  const counts = list.map((value) => numbers.filter((each) => each === value).length);
  return [
    c.b.numbers(given.dtype, [list.length], list),
    c.b.numbers(
      index,
      [numbers.length],
      numbers.map((value) => places.get(value)!),
    ),
    c.b.numbers(index, [list.length], counts),
  ];
}
function listDiff(c: Call): Value[] {
  const [x, without] = [c.numbers(0), new Set(c.numbers(1))];
  const kept = range(x.length).filter((i) => !without.has(x[i]!));
  const values = kept.map((i) => x[i]!);
  return [c.b.numbers(c.dtype(0), [kept.length], values), c.b.numbers(c.type("out_idx", "i32"), [kept.length], kept)];
}
function where(c: Call): Value {
  const { shape, data }: Tensor = c.constant(0);
  const found: number[] = [];
  for (let i = 0; i < data.length; i++) {
    if (Number(data[i]) === 0) continue;
    let rest = i;
    const place = shape.map(() => 0);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      place[axis] = rest % shape[axis]!;
      rest = Math.floor(rest / shape[axis]!);
    }
    found.push(...place);
  }
  const rows = shape.length === 0 ? 0 : found.length / shape.length;
  return c.b.numbers("i64", [rows, shape.length], found);
}

function roll(c: Call): Value {
  const shifts = c.numbers(1);
  const axes = c.numbers(2).map((axis) => c.axis(axis, c.rank(0)));
  return axes.reduce((x, axis, i) => {
    const extent = x.type.shape[axis]!;
    const by = extent === 0 ? 0 : ((shifts[i]! % extent) + extent) % extent;
    if (by === 0) return x;
    return c.b.concatenate([part(c.b, x, axis, extent - by, extent), part(c.b, x, axis, 0, extent - by)], axis);
  }, c.x(0));
}

function broadcastGradientArguments(c: Call): Value[] {
  const [a, z] = [c.numbers(0), c.numbers(1)];
  const rank = Math.max(a.length, z.length);
  const at = (list: number[], i: number) => list[list.length - rank + i] ?? 1;
  const reduced = (list: number[], other: number[]) =>
    range(rank).filter((i) => at(list, i) === 1 && (at(other, i) !== 1 || list.length < rank - i));
  return [reduced(a, z), reduced(z, a)].map((list) => c.b.numbers(c.dtype(0), [list.length], list));
}

/** How many boundaries are below (or not above) each value; rows are sorted. */
const bound =
  (direction: "LT" | "LE"): Importer =>
  (c) => {
    const { b } = c;
    const [sorted, values] = [c.x(0), c.x(1)];
    const [rows, length] = sorted.type.shape as [number, number];
    const shape = [rows, values.type.shape[1]!, length];
    const wide = (x: Value, dimensions: number[]) => b.op("broadcastInDim", [x], { shape, dimensions });
    const below = b.compare(direction, wide(sorted, [0, 2]), wide(values, [0, 1]));
    return b.reduce("add", b.convert(below, c.type("out_type", "i32")), [2]);
  };

export const arrays: Readonly<Record<string, Importer>> = {
  Const: constantNode,
  HostConst: constantNode,
  Shape: (c) => shapeNumbers(c, 0),
  ShapeN: (c) => range(c.count).map((i) => shapeNumbers(c, i)),
  Size: (c) => c.b.scalar(c.type("out_type", "i32"), elementCount(shapeOfItem(c, 0))),
  Rank: (c) => c.b.scalar("i32", shapeOfItem(c, 0).length),
  Reshape: reshape,
  Squeeze: squeeze,
  ExpandDims: expandDims,
  Slice: slice,
  StridedSlice: stridedSlice,
  TensorStridedSliceUpdate: (c) => stridedUpdate(c, c.x(0), c.x(4)),
  StridedSliceGrad: (c) => {
    const shape = c.numbers(0);
    return stridedUpdate(c, c.b.full(c.dtype(4), shape, 0), c.x(4));
  },
  Pack: pack,
  Unpack: unpack,
  Concat: (c) => c.b.concatenate(c.xs(1), c.axisAt(0, c.rank(1))),
  ConcatV2: (c) => c.b.concatenate(c.xs(0, 1), c.axisAt(c.count - 1, c.rank(0))),
  ParallelConcat: (c) => c.b.concatenate(c.xs(), 0),
  ConcatOffset: (c) => {
    const axis = c.number(0);
    let at = 0;
    return range(c.count - 1, 1).map((i) => {
      const shape = c.numbers(i);
      const offset = shape.map((_, k) => (k === axis ? at : 0));
      at += shape[axis] ?? c.fail(`axis ${axis} does not fit`);
      return c.b.numbers(c.dtype(i), [shape.length], offset);
    });
  },
  Split: split,
  SplitV: splitV,
  Tile: tile,
  Fill: (c) => c.b.broadcast(c.x(1), c.numbers(0)),
  Empty: (c) => c.b.full(c.type("dtype"), c.numbers(0), 0),
  Range: rangeNode,
  LinSpace: (c) => {
    const [from, to, count] = [c.number(0), c.number(1), c.number(2)];
    const step = (to - from) / (count - 1);
    return c.b.numbers(
      c.dtype(0),
      [count],
      range(count).map((i) => (i === count - 1 && count > 1 ? to : from + (count > 1 ? i * step : 0))),
    );
  },
  BroadcastTo: (c) => c.b.broadcast(c.x(0), c.numbers(1)),
  BroadcastArgs: (c) => {
    const shape = c.b.common(c.numbers(0), c.numbers(1));
    return c.b.numbers(c.dtype(0), [shape.length], shape);
  },
  BroadcastGradientArgs: broadcastGradientArguments,
  Transpose: (c) =>
    c.b.transpose(
      c.x(0),
      c.numbers(1).map((axis) => c.axis(axis, c.rank(0))),
    ),
  ConjugateTranspose: (c) => {
    const turned = c.b.transpose(c.x(0), c.numbers(1));
    if (!turned.type.dtype.startsWith("c")) return turned;
    return c.b.plain("complex", c.b.plain("real", turned), c.b.plain("negate", c.b.plain("imag", turned)));
  },
  InvertPermutation: (c) => {
    const forward = c.numbers(0);
    return c.b.numbers(
      c.dtype(0),
      [forward.length],
      range(forward.length).map((i) => forward.indexOf(i)),
    );
  },
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
  UnsortedSegmentSum: segments("add", zero, false),
  UnsortedSegmentProd: segments("multiply", (dtype, b) => b.scalar(dtype, 1), false),
  UnsortedSegmentMax: segments("maximum", (dtype, b) => lowestFinite(dtype, b), false),
  UnsortedSegmentMin: segments("minimum", (dtype, b) => b.plain("negate", lowestFinite(dtype, b)), false),
  Pad: (c) => c.b.pad(c.x(0), pairsOf(c, 1).low, pairsOf(c, 1).high),
  PadV2: (c) => c.b.pad(c.x(0), pairsOf(c, 1).low, pairsOf(c, 1).high, c.x(2)),
  MirrorPad: mirrorPad,
  Reverse: (c) => {
    const dimensions = c.numbers(1).flatMap((flag, i) => (flag ? [i] : []));
    return dimensions.length === 0 ? c.x(0) : c.b.op("reverse", [c.x(0)], { dimensions });
  },
  ReverseV2: (c) => {
    const dimensions = c.axesAt(1, c.rank(0));
    return dimensions.length === 0 ? c.x(0) : c.b.op("reverse", [c.x(0)], { dimensions });
  },
  ReverseSequence: reverseSequence,
  Roll: roll,
  Where: where,
  OneHot: oneHot,
  TopK: topK,
  TopKV2: topK,
  Unique: unique,
  UniqueV2: unique,
  UniqueWithCounts: unique,
  ListDiff: listDiff,
  LowerBound: bound("LT"),
  UpperBound: bound("LE"),
  DynamicStitch: dynamicStitch,
  ParallelDynamicStitch: dynamicStitch,
  SpaceToBatchND: (c) => spaceToBatch(c, c.x(0), c.numbers(1), pairsOf(c, 2)),
  BatchToSpaceND: (c) => batchToSpace(c, c.x(0), c.numbers(1), pairsOf(c, 2)),
  SpaceToBatch: (c) => {
    const n = c.integer("block_size");
    return spaceToBatch(c, c.x(0), [n, n], pairsOf(c, 1));
  },
  BatchToSpace: (c) => {
    const n = c.integer("block_size");
    return batchToSpace(c, c.x(0), [n, n], pairsOf(c, 1));
  },
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
  Bitcast: (c) => c.b.op("bitcastConvert", [c.x(0)], { dtype: c.type("type") }),
  EnsureShape: (c) => {
    const wanted = c.shapeOf("shape");
    if (!wanted?.unknownRank && wanted && wanted.dim.every(({ size }) => size >= 0)) {
      const shape = knownShape(wanted, c.origin);
      if (!sameShape(shape, c.shape(0))) c.fail(`[${c.shape(0)}] is not [${shape}]`);
    }
    return c.x(0);
  },
};

function lowestFinite(dtype: DType, b: Builder): Value {
  if (dtype === "f32") return b.scalar(dtype, -3.4028234663852886e38);
  if (dtype === "f64") return b.scalar(dtype, -Number.MAX_VALUE);
  return b.lowest(dtype);
}
