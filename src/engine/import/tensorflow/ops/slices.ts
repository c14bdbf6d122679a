// Slices and splits (tensorflow/core/ops/array_ops.cc; core/util/strided_slice_op.cc).

import type { Builder } from "../../../hlo/build.ts";
import type { Value } from "../../../hlo/graph.ts";
import { elementCount, toNumbers } from "../../../hlo/tensor.ts";
import { constantOf } from "../../../interpret/interpret.ts";
import type { Call, Importer } from "../call.ts";

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

export const slices: Readonly<Record<string, Importer>> = {
  Slice: slice,
  StridedSlice: stridedSlice,
  TensorStridedSliceUpdate: (c) => stridedUpdate(c, c.x(0), c.x(4)),
  StridedSliceGrad: (c) => {
    const shape = c.numbers(0);
    return stridedUpdate(c, c.b.full(c.dtype(4), shape, 0), c.x(4));
  },
  Split: split,
  SplitV: splitV,
};
