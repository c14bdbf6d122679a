// Shapes and rearrangements (tensorflow/core/ops/array_ops.cc, data_flow_ops.cc).

import type { Value } from "../../../hlo/graph.ts";
import { elementCount, fromNumbers, sameShape, type Tensor, toNumbers } from "../../../hlo/tensor.ts";
import { type Call, type Importer, isSpecial, type Item } from "../call.ts";
import { scatterRows } from "./gathers.ts";
import { part } from "./slices.ts";
import type { TensorProto } from "../messages.ts";
import { knownShape, readTensor, type Strings } from "../tensors.ts";

const product = (list: readonly number[]) => list.reduce((a, n) => a * n, 1);
const range = (n: number, from = 0) => Array.from({ length: n }, (_, i) => from + i);
/** What was read: a loop's body is looked at more than once. */
const read = new WeakMap<TensorProto, Tensor | Strings>();

function constantNode(c: Call): Item {
  if (c.node.tensor) return c.services.constant(c.node.tensor);
  const proto = c.attribute("value", "tensor") ?? c.fail("attribute value is missing");
  let value = read.get(proto);
  if (!value) read.set(proto, (value = readTensor(proto, c.origin)));
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

/** Longest list of numbers that is written out. */
const longest = 1 << 16;

function rangeNode(c: Call): Value {
  const { b } = c;
  const dtype = c.dtype(0);
  const [start, limit, delta] = [c.number(0), c.number(1), c.number(2)];
  if (delta === 0) c.fail("the step is 0");
  const count = elementCount([Math.max(0, Math.ceil((limit - start) / delta))], c.origin);
  if (count > longest) {
    const places = b.op("iota", [], { dtype, shape: [count], dimension: 0 });
    return b.add(b.multiply(places, b.scalar(dtype, delta)), b.scalar(dtype, start));
  }
  const f = dtype === "f32" ? Math.fround : (n: number) => n;
  return b.constant(
    fromNumbers(
      dtype,
      [count],
      range(count).map((i) => f(start + f(i * delta))),
    ),
  );
}

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

function unique(c: Call): Value[] {
  const given = c.constant(0);
  const numbers = Array.from(toNumbers(given));
  const list = [...new Set(numbers)];
  const index = c.type("out_idx", "i32");
  const places = new Map(list.map((value, i) => [value, i]));
  const counts = list.map(() => 0);
  for (const value of numbers) counts[places.get(value)!]!++;
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
  Tile: tile,
  Fill: (c) => c.b.broadcast(c.x(1), c.numbers(0)),
  Empty: (c) => c.b.full(c.type("dtype"), c.numbers(0), 0),
  Range: rangeNode,
  LinSpace: (c) => {
    const [from, to, count] = [c.number(0), c.number(1), c.number(2)];
    if (!(count >= 1 && count <= longest)) c.unsupported(`a list of ${count} numbers`);
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
    const inverse = forward.map(() => 0);
    forward.forEach((to, from) => (inverse[to] = from));
    return c.b.numbers(c.dtype(0), [forward.length], inverse);
  },
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
  Roll: roll,
  Where: where,
  OneHot: oneHot,
  TopK: topK,
  TopKV2: topK,
  Unique: unique,
  UniqueV2: unique,
  UniqueWithCounts: unique,
  UniqueWithCountsV2: unique,
  ListDiff: listDiff,
  LowerBound: bound("LT"),
  UpperBound: bound("LE"),
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
  DataFormatDimMap: (c) => {
    const [from, to] = [c.text("src_format", "NHWC"), c.text("dst_format", "NCHW")];
    const order = [...from].map((letter) => to.indexOf(letter));
    const axes = c.numbers(0).map((axis) => order[axis < 0 ? axis + order.length : axis] ?? c.fail(`axis ${axis}`));
    return c.b.numbers(c.dtype(0), c.shape(0), axes);
  },
  DataFormatVecPermute: (c) => {
    const [from, to] = [c.text("src_format", "NHWC"), c.text("dst_format", "NCHW")];
    const x = c.x(0);
    const count = x.type.shape[0] ?? 0;
    // Of two numbers the spatial ones are meant.
    const kept = (format: string) => [...format].filter((letter) => count === format.length || /[HWD]/.test(letter));
    const order = kept(to).map((letter) => kept(from).indexOf(letter));
    return c.b.concatenate(
      order.map((i) => part(c.b, x, 0, i, i + 1)),
      0,
    );
  },
  InplaceUpdate: (c) => {
    const index = c.b.reshape(c.x(1), [elementCount(c.shape(1)), 1]);
    return scatterRows(c.b, c.x(0), index, c.x(2), "replace");
  },
  NthElement: (c) => {
    const { b } = c;
    const x = c.x(0);
    const last = x.type.shape.length - 1;
    const n = c.number(1);
    const at = c.flag("reverse") ? n : x.type.shape[last]! - 1 - n;
    const [sorted] = b.all("topK", [x], { k: x.type.shape[last]! });
    return b.reshape(part(b, sorted!, last, at, at + 1), x.type.shape.slice(0, -1));
  },
  EnsureShape: (c) => {
    const wanted = c.shapeOf("shape");
    if (!wanted?.unknownRank && wanted && wanted.dim.every(({ size }) => size >= 0)) {
      const shape = knownShape(wanted, c.origin);
      if (!sameShape(shape, c.shape(0))) c.fail(`[${c.shape(0)}] is not [${shape}]`);
    }
    return c.x(0);
  },
};
