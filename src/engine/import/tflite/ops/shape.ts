// Operators that move elements: shapes, slices, joins, padding, gathers.

import { FormatError } from "../../../../base/errors.ts";
import { constantOf } from "../../../interpret/interpret.ts";
import type { Builder } from "../../../hlo/build.ts";
import type { Value } from "../../../hlo/graph.ts";
import { is } from "../../../hlo/graph.ts";
import { elementCount, toNumbers } from "../../../hlo/tensor.ts";
import { clamp, roundAway } from "../fixed.ts";
import { axisOf, isRagged, type Lower, type Node, type Ragged, Unsupported } from "../node.ts";
import { options } from "../options.ts";
import { affineOf, isQuantized, limits, sameScale, through } from "../quantize.ts";
import { activate } from "./elementwise.ts";

const f = Math.fround;
const productOf = (shape: readonly number[]) => shape.reduce((n, extent) => n * extent, 1);

/** One element of a vector as a scalar: of a packed one, what was packed. */
export function elementOf(b: Builder, vector: Value, i: number): Value {
  const { producer } = vector;
  if (is(producer, "concatenate")) {
    let at = i;
    for (const part of producer.operands) {
      const extent = part.type.shape[0]!;
      if (at < extent) return elementOf(b, part, at);
      at -= extent;
    }
  }
  if (is(producer, "reshape") && elementCount(vector.type.shape) === 1) {
    const [inner] = producer.operands;
    if (inner!.type.shape.length === 0) return inner!;
  }
  return b.reshape(b.slice(vector, [i], [i + 1]), []);
}
const knownScalar = (value: Value): number | undefined => {
  const tensor = constantOf(value);
  return tensor && toNumbers(tensor)[0];
};

// Shapes.

/** A shape with one -1 for what is left. */
function fillIn(shape: readonly number[], count: number, what: string): number[] {
  const rest = shape.indexOf(-1);
  if (rest < 0) return [...shape];
  const others = productOf(shape.filter((_, i) => i !== rest));
  if (others === 0 || count % others !== 0 || shape.lastIndexOf(-1) !== rest) {
    throw new FormatError(`${what}: ${count} elements do not fit [${shape}]`);
  }
  return shape.map((extent) => (extent === -1 ? count / others : extent));
}

const reshape: Lower = (node) => {
  const { b } = node;
  const x = node.input(0);
  const given = node.has(1) && node.input(1).type.shape.length === 1;
  let shape = given ? node.numbers(1, "a shape") : node.options(options.reshape).shape;
  // Old converters write [0] for a scalar.
  if (!given && shape.length === 1 && shape[0] === 0 && elementCount(x.type.shape) === 1) shape = [];
  return b.reshape(x, fillIn(shape, elementCount(x.type.shape), b.origin ?? "RESHAPE"));
};

const squeeze: Lower = (node) => {
  const x = node.input(0);
  const { shape } = x.type;
  // Files whose tensors have no known rank declare scalars.
  if (shape.length === 0) return x;
  const axes = node.options(options.squeeze).axes.map((axis) => axisOf(axis, shape.length));
  const gone = (i: number) => (axes.length > 0 ? axes.includes(i) : shape[i] === 1);
  return node.b.reshape(
    x,
    shape.filter((_, i) => !gone(i)),
  );
};

const expandDims: Lower = (node) => {
  const x = node.input(0);
  const axis = axisOf(node.number(1, "an axis"), x.type.shape.length + 1);
  return node.b.reshape(x, [...x.type.shape.slice(0, axis), 1, ...x.type.shape.slice(axis)]);
};

const shapeOf: Lower = (node) => {
  const { shape } = node.input(0).type;
  return node.b.numbers(node.dtype(), [shape.length], shape);
};

const fill: Lower = (node) => node.b.broadcast(node.input(1), node.numbers(0, "a shape"));

const range: Lower = (node) => {
  const [start, limit, step] = [0, 1, 2].map((i) => node.number(i, "a bound")) as [number, number, number];
  if (step === 0) throw new FormatError(`${node.b.origin}: steps of 0`);
  const count = Math.max(0, Math.ceil((limit - start) / step));
  if (!(count <= 1 << 24)) throw new Unsupported(`a range of ${count} numbers`);
  return node.b.numbers(
    node.dtype(),
    [count],
    Array.from({ length: count }, (_, i) => start + i * step),
  );
};

const transpose: Lower = (node) => {
  const x = node.input(0);
  const order = node.numbers(1, "an order").map((axis) => axisOf(axis, x.type.shape.length));
  return node.b.transpose(x, order);
};

const tile: Lower = (node) => {
  const { b } = node;
  const x = node.input(0);
  const times = node.numbers(1, "repetitions");
  const { shape } = x.type;
  if (times.length !== shape.length || times.some((n) => n < 0)) {
    throw new FormatError(`${b.origin}: [${times}] times [${shape}]`);
  }
  const wide = shape.flatMap((extent, i) => [times[i]!, extent]);
  const repeated = b.op("broadcastInDim", [x], { shape: wide, dimensions: shape.map((_, i) => 2 * i + 1) });
  return b.reshape(
    repeated,
    shape.map((extent, i) => extent * times[i]!),
  );
};

const broadcastTo: Lower = (node) => node.b.broadcast(node.input(0), node.numbers(1, "a shape"));
const broadcastArgs: Lower = (node) => {
  const shape = node.b.common(node.numbers(0, "a shape"), node.numbers(1, "a shape"));
  return node.b.numbers(node.dtype(), [shape.length], shape);
};

// Slices.

/** Begin, end and stride of one dimension, as Python's slices (reference/strided_slice.h, "StridedSliceLogic"). */
function bounds(
  extent: number,
  begin: number | undefined,
  end: number | undefined,
  stride: number,
): { start: number; count: number } {
  const wrap = (n: number) => (n < 0 ? n + extent : n);
  const [lowest, highest] = stride > 0 ? [0, extent] : [-1, extent - 1];
  const start = begin === undefined ? (stride > 0 ? 0 : extent - 1) : clamp(wrap(begin), lowest, highest);
  const stop = end === undefined ? (stride > 0 ? extent : -1) : clamp(wrap(end), lowest, highest);
  return { start, count: Math.max(0, Math.ceil((stop - start) / stride)) };
}

const stridedSlice: Lower = (node) => {
  const { b } = node;
  const x = node.input(0);
  const o = node.options(options.stridedSlice);
  const [begin, end] = [node.input(1), node.input(2)];
  const strides = node.numbers(3, "strides");
  const { shape } = x.type;
  const on = (mask: number, i: number) => (mask & (1 << i)) !== 0;
  // Spread the sparse specification over the dimensions: new ones, all the ones an ellipsis stands for, the rest.
  const entries = strides.length;
  const added = strides.filter((_, i) => on(o.newAxis, i) && !on(o.ellipsis, i)).length;
  const hasEllipsis = strides.some((_, i) => on(o.ellipsis, i));
  const covered = entries - added - (hasEllipsis ? 1 : 0);
  if (covered > shape.length) throw new FormatError(`${b.origin}: ${covered} slices of [${shape}]`);
  const [start, counts, steps] = [shape.map(() => 0), [...shape], shape.map(() => 1)];
  const moving = new Map<number, Value>();
  const result: (number | "dimension" | "gone")[] = [];
  let dimension = 0;
  const whole = (count: number) => {
    for (let n = 0; n < count; n++, dimension++) result.push("dimension");
  };
  for (let i = 0; i < entries; i++) {
    if (on(o.ellipsis, i)) {
      whole(shape.length - covered);
      continue;
    }
    if (on(o.newAxis, i)) {
      result.push(1);
      continue;
    }
    const extent = shape[dimension]!;
    const stride = strides[i]!;
    if (stride === 0) throw new FormatError(`${b.origin}: stride of 0`);
    const from = elementOf(b, begin, i);
    const first = on(o.begin, i) && !on(o.shrink, i) ? undefined : knownScalar(from);
    if (on(o.shrink, i)) {
      if (first === undefined) moving.set(dimension, from);
      const at = first === undefined ? 0 : first < 0 ? first + extent : first;
      if (at < 0 || at >= extent) throw new FormatError(`${b.origin}: index ${first} of ${extent}`);
      start[dimension] = at;
      counts[dimension] = 1;
      result.push("gone");
      dimension++;
      continue;
    }
    const last = on(o.end, i) ? undefined : knownScalar(elementOf(b, end, i));
    if ((first === undefined && !on(o.begin, i)) || (last === undefined && !on(o.end, i))) {
      throw new Unsupported("slices whose size depends on values");
    }
    const stop = o.offset && last !== undefined && first !== undefined ? first + last : last;
    const place = bounds(extent, first, stop, stride);
    start[dimension] = place.start;
    counts[dimension] = place.count;
    steps[dimension] = stride;
    result.push("dimension");
    dimension++;
  }
  whole(shape.length - dimension);
  let value = x;
  if (moving.size > 0) {
    const indices = shape.map((extent, i) => {
      const at = moving.get(i);
      if (!at) return b.scalar("i32", 0);
      const index = b.convert(at, "i32");
      const negative = b.compare("LT", index, b.scalar("i32", 0));
      return b.select(negative, b.with("add", index, extent), index);
    });
    const sizes = shape.map((extent, i) => (moving.has(i) ? 1 : extent));
    value = b.op("dynamicSlice", [value, ...indices], { sizes });
  }
  // Backwards: cut the range, turn it round, then step.
  const turned = steps.flatMap((step, i) => (step < 0 ? [i] : []));
  const low = start.map((from, i) =>
    counts[i] === 0 ? 0 : steps[i]! < 0 ? from + steps[i]! * (counts[i]! - 1) : from,
  );
  const high = low.map((from, i) => (counts[i] === 0 ? from : from + (counts[i]! - 1) * Math.abs(steps[i]!) + 1));
  value = b.slice(
    value,
    low,
    high,
    steps.map((step) => Math.abs(step)),
  );
  if (turned.length > 0) value = b.op("reverse", [value], { dimensions: turned });
  let at = 0;
  const final: number[] = [];
  for (const entry of result) {
    if (typeof entry === "number") final.push(entry);
    else {
      if (entry === "dimension") final.push(counts[at]!);
      at++;
    }
  }
  return b.reshape(value, final);
};

/** A slice of known size anywhere; one of unknown size along the first dimension waits for what takes it. */
const slice: Lower = (node) => {
  const { b } = node;
  const x = node.input(0);
  const [begin, size] = [node.input(1), node.input(2)];
  const { shape } = x.type;
  const starts = shape.map((_, i) => elementOf(b, begin, i));
  const sizes = shape.map((_, i) => elementOf(b, size, i));
  const at = starts.map(knownScalar);
  const counts = sizes.map(knownScalar).map((count, i) => {
    if (count !== -1) return count;
    return at[i] === undefined ? undefined : shape[i]! - at[i]!;
  });
  if (counts.some((count) => count === undefined)) {
    const others = shape.every((extent, i) => i === 0 || (at[i] === 0 && counts[i] === extent));
    if (!others) throw new Unsupported("slices whose size depends on values");
    const rest = knownScalar(sizes[0]!) === -1;
    const index = b.convert(starts[0]!, "i32");
    const left = rest ? b.subtract(b.scalar("i32", shape[0]!), index) : b.convert(sizes[0]!, "i32");
    return { source: x, begin: index, size: left } satisfies Ragged;
  }
  const extents = counts as number[];
  if (extents.some((count, i) => count < 0 || count > shape[i]!)) {
    throw new FormatError(`${b.origin}: [${extents}] of [${shape}]`);
  }
  if (at.every((from) => from !== undefined)) {
    return b.slice(
      x,
      at as number[],
      extents.map((count, i) => count + at[i]!),
    );
  }
  return b.op("dynamicSlice", [x, ...starts.map((from) => b.convert(from, "i32"))], { sizes: extents });
};

const split =
  (inputAt: number, axisAt: number): Lower =>
  (node) => {
    const { b } = node;
    const x = node.input(inputAt);
    const { shape } = x.type;
    const axis = axisOf(node.number(axisAt, "an axis"), shape.length);
    const count = node.resultCount;
    let sizes = Array.from({ length: count }, () => shape[axis]! / count);
    if (inputAt === 0) sizes = node.numbers(1, "sizes");
    const open = sizes.indexOf(-1);
    if (open >= 0) sizes[open] = shape[axis]! - sizes.reduce((total, size) => total + size, 1);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    if (total !== shape[axis] || sizes.length !== count || sizes.some((size) => !Number.isInteger(size) || size < 0)) {
      throw new FormatError(`${b.origin}: [${sizes}] of ${shape[axis]}`);
    }
    let from = 0;
    return sizes.map((size) => {
      const [start, limit] = [shape.map(() => 0), [...shape]];
      start[axis] = from;
      limit[axis] = from += size;
      return b.slice(x, start, limit);
    });
  };

const unpack: Lower = (node) => {
  const { b } = node;
  const x = node.input(0);
  const { shape } = x.type;
  const axis = axisOf(node.options(options.unpack).axis, shape.length);
  if (node.resultCount > shape[axis]!) throw new FormatError(`${b.origin}: ${node.resultCount} of ${shape[axis]}`);
  return Array.from({ length: node.resultCount }, (_, i) => {
    const [start, limit] = [shape.map(() => 0), [...shape]];
    start[axis] = i;
    limit[axis] = i + 1;
    return b.reshape(
      b.slice(x, start, limit),
      shape.filter((_extent, at) => at !== axis),
    );
  });
};

const pack: Lower = (node) => {
  const { b } = node;
  const inputs = node.inputs();
  const rank = inputs[0]!.type.shape.length + 1;
  const axis = axisOf(node.options(options.pack).axis, rank);
  const parts = inputs.map((x) => b.reshape(x, [...x.type.shape.slice(0, axis), 1, ...x.type.shape.slice(axis)]));
  return b.concatenate(parts, axis);
};

/** A list with one element written: [:i], the element, [i + 1:]. */
function writeElement(node: Node): Value | undefined {
  const { b } = node;
  if (node.count !== 3) return undefined;
  const [before, middle, after] = [node.bound(0), node.bound(1), node.bound(2)];
  if (!isRagged(before) || !isRagged(after) || before.source !== after.source || !("type" in middle)) return undefined;
  const { source } = before;
  const zero = b.scalar("i32", 0);
  return b.op("dynamicUpdateSlice", [source, middle, before.size, ...source.type.shape.slice(1).map(() => zero)], {});
}

const concatenation: Lower = (node) => {
  const { b } = node;
  const { axis, activation } = node.options(options.concatenation);
  const written = writeElement(node);
  if (written) return written;
  const inputs = node.inputs();
  const at = axisOf(axis, inputs[0]!.type.shape.length);
  const parts = inputs
    .filter((x) => x.type.shape[at] !== 0)
    .map((x, i) => {
      const info = node.info(inputs.indexOf(x));
      if (!isQuantized(info) || sameScale(info, node.result()) || x.type.dtype === "i16") return x;
      const [p, r] = [affineOf(node.info(i)), affineOf(node.result())];
      const scale = f(p.scale * f(1 / r.scale));
      const bias = f(-p.zero * scale);
      return through(b, x, x.type.dtype, (element) =>
        clamp(roundAway(f(f(element * scale) + bias)) + r.zero, ...limits(x.type.dtype)),
      );
    });
  if (parts.length === 0) return inputs[0]!;
  return activate(b, b.concatenate(parts, at), activation);
};

// Padding and blocks.

function pairs(node: Node, i: number, what: string): [low: number[], high: number[]] {
  const numbers = node.numbers(i, what);
  return [numbers.filter((_, at) => at % 2 === 0), numbers.filter((_, at) => at % 2 === 1)];
}

const pad: Lower = (node) => {
  const { b } = node;
  const x = node.input(0);
  const [low, high] = pairs(node, 1, "padding");
  if (low.length !== x.type.shape.length) throw new FormatError(`${b.origin}: padding of rank ${low.length}`);
  if (node.has(2)) return b.pad(x, low, high, b.reshape(node.input(2), []));
  const zero = isQuantized(node.result()) ? affineOf(node.result()).zero : 0;
  return b.pad(x, low, high, b.scalar(x.type.dtype, zero));
};

const mirrorPad: Lower = (node) => {
  const { b } = node;
  const [low, high] = pairs(node, 1, "padding");
  const skip = node.options(options.mirrorPad).mode === 0 ? 1 : 0;
  return node.input(0).type.shape.reduce<Value>((x, extent, axis) => {
    const [before, after] = [low[axis] ?? 0, high[axis] ?? 0];
    if (before + skip > extent || after + skip > extent) {
      throw new FormatError(`${b.origin}: ${Math.max(before, after)} mirrored elements of ${extent}`);
    }
    const part = (from: number, to: number) => {
      const [start, limit] = [x.type.shape.map(() => 0), [...x.type.shape]];
      start[axis] = from;
      limit[axis] = to;
      return b.op("reverse", [b.slice(x, start, limit)], { dimensions: [axis] });
    };
    const parts = [x];
    if (before > 0) parts.unshift(part(skip, skip + before));
    if (after > 0) parts.push(part(extent - skip - after, extent - skip));
    return b.concatenate(parts, axis);
  }, node.input(0));
};

const spaceToDepth: Lower = (node) => {
  const { b } = node;
  const x = node.input(0);
  const { size } = node.options(options.block);
  const [n, h, w, c] = x.type.shape as [number, number, number, number];
  const parts = b.reshape(x, [n, h / size, size, w / size, size, c]);
  return b.reshape(b.transpose(parts, [0, 1, 3, 2, 4, 5]), [n, h / size, w / size, size * size * c]);
};

const depthToSpace: Lower = (node) => {
  const { b } = node;
  const x = node.input(0);
  const { size } = node.options(options.block);
  const [n, h, w, c] = x.type.shape as [number, number, number, number];
  const depth = c / (size * size);
  const parts = b.reshape(x, [n, h, w, size, size, depth]);
  return b.reshape(b.transpose(parts, [0, 1, 3, 2, 4, 5]), [n, h * size, w * size, depth]);
};

const spaceToBatch: Lower = (node) => {
  const { b } = node;
  const x = node.input(0);
  const blocks = node.numbers(1, "block sizes");
  const [low, high] = pairs(node, 2, "padding");
  const m = blocks.length;
  const tail = x.type.shape.slice(m + 1);
  const zero = isQuantized(node.result()) ? affineOf(node.result()).zero : 0;
  const zeros = tail.map(() => 0);
  const padded = b.pad(x, [0, ...low, ...zeros], [0, ...high, ...zeros], b.scalar(x.type.dtype, zero));
  const [n, ...spatial] = padded.type.shape;
  const counts = blocks.map((block, i) => spatial[i]! / block);
  const parts = b.reshape(padded, [n!, ...blocks.flatMap((block, i) => [counts[i]!, block]), ...tail]);
  const places = blocks.map((_, i) => i);
  const order = [
    ...places.map((i) => 2 * i + 2),
    0,
    ...places.map((i) => 2 * i + 1),
    ...tail.map((_, i) => 2 * m + 1 + i),
  ];
  return b.reshape(b.transpose(parts, order), [n! * productOf(blocks), ...counts, ...tail]);
};

const batchToSpace: Lower = (node) => {
  const { b } = node;
  const x = node.input(0);
  const blocks = node.numbers(1, "block sizes");
  const [low, high] = pairs(node, 2, "crops");
  const m = blocks.length;
  const [n, ...rest] = x.type.shape;
  const [spatial, tail] = [rest.slice(0, m), rest.slice(m)];
  const batch = n! / productOf(blocks);
  const parts = b.reshape(x, [...blocks, batch, ...spatial, ...tail]);
  const places = blocks.map((_, i) => i);
  const order = [m, ...places.flatMap((i) => [m + 1 + i, i]), ...tail.map((_, i) => 2 * m + 1 + i)];
  const extents = spatial.map((extent, i) => extent * blocks[i]!);
  const joined = b.reshape(b.transpose(parts, order), [batch, ...extents, ...tail]);
  return b.slice(
    joined,
    [0, ...low, ...tail.map(() => 0)],
    [batch, ...extents.map((extent, i) => extent - high[i]!), ...tail],
  );
};

const dilate: Lower = (node) => {
  const { b } = node;
  const x = node.input(0);
  const zeros = x.type.shape.map(() => 0);
  const interior = node.numbers(1, "dilations").map((n) => n - 1);
  return b.op("pad", [x, b.reshape(node.input(2), [])], { low: zeros, high: zeros, interior });
};

const identity: Lower = (node) => node.input(0);

export const shapes: Readonly<Record<string, Lower>> = {
  RESHAPE: reshape,
  SQUEEZE: squeeze,
  EXPAND_DIMS: expandDims,
  SHAPE: shapeOf,
  RANK: (node) => node.b.scalar(node.dtype(), node.input(0).type.shape.length),
  FILL: fill,
  ZEROS_LIKE: (node) => node.b.full(node.dtype(), node.input(0).type.shape, 0),
  RANGE: range,
  TRANSPOSE: transpose,
  TILE: tile,
  BROADCAST_TO: broadcastTo,
  BROADCAST_ARGS: broadcastArgs,
  STRIDED_SLICE: stridedSlice,
  SLICE: slice,
  SPLIT: split(1, 0),
  SPLIT_V: split(0, 2),
  UNPACK: unpack,
  PACK: pack,
  CONCATENATION: concatenation,
  PAD: pad,
  PADV2: pad,
  MIRROR_PAD: mirrorPad,
  SPACE_TO_DEPTH: spaceToDepth,
  DEPTH_TO_SPACE: depthToSpace,
  SPACE_TO_BATCH_ND: spaceToBatch,
  BATCH_TO_SPACE_ND: batchToSpace,
  DILATE: dilate,
  DENSIFY: identity,
};
