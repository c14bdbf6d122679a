// Convolutions, pooling, normalisation, recurrent cells (tensorflow/core/ops/nn_ops.cc, rnn_ops.cc).

import type { Builder } from "../../../hlo/build.ts";
import type { Value } from "../../../hlo/graph.ts";
import type { Pair } from "../../../hlo/ops.ts";
import { elementCount } from "../../../hlo/tensor.ts";
import type { Call, Importer } from "../call.ts";
import { part, splitSizes } from "./slices.ts";
import { activation, sumType } from "./math.ts";

const range = (n: number, from = 0) => Array.from({ length: n }, (_, i) => from + i);

/** Where the dimensions of an image tensor are. */
interface Layout {
  readonly batch: number;
  readonly feature: number;
  readonly spatial: readonly number[];
}
function layoutOf(c: Call, rank: number): Layout {
  const format = c.text("data_format", rank === 5 ? "NDHWC" : "NHWC");
  if (format === "NHWC" || format === "NDHWC" || format === "CHANNELS_LAST") {
    return { batch: 0, feature: rank - 1, spatial: range(rank - 2, 1) };
  }
  if (format === "NCHW" || format === "NCDHW" || format === "CHANNELS_FIRST") {
    return { batch: 0, feature: 1, spatial: range(rank - 2, 2) };
  }
  return c.unsupported(`data_format ${format}`);
}

/** Padding of "SAME": as much as a result of ceil(extent / stride) takes, the odd one after. */
export function samePadding(extent: number, size: number, stride: number, dilation = 1): Pair {
  const count = Math.ceil(extent / stride);
  const total = Math.max(0, (count - 1) * stride + (size - 1) * dilation + 1 - extent);
  return [Math.floor(total / 2), total - Math.floor(total / 2)];
}

interface WindowShape {
  readonly layout: Layout;
  readonly strides: number[];
  readonly dilations: number[];
}
function paddingOf(
  c: Call,
  extents: readonly number[],
  sizes: readonly number[],
  { layout, strides, dilations }: WindowShape,
): Pair[] {
  const padding = c.text("padding");
  if (padding === "VALID") return sizes.map(() => [0, 0]);
  if (padding === "SAME") return sizes.map((size, i) => samePadding(extents[i]!, size, strides[i]!, dilations[i]));
  if (padding !== "EXPLICIT") return c.unsupported(`padding ${padding}`);
  const list = c.integers("explicit_paddings");
  return layout.spatial.map((axis) => [list[2 * axis] ?? 0, list[2 * axis + 1] ?? 0]);
}
/** The spatial entries of an attribute that has one number a dimension. */
function spatialOf(c: Call, name: string, layout: Layout, rank: number): number[] {
  const list = c.integers(
    name,
    range(rank).map(() => 1),
  );
  return list.length === layout.spatial.length
    ? list
    : layout.spatial.map((axis) => list[axis] ?? c.fail(`attribute ${name} has ${list.length} numbers`));
}

function windowShape(c: Call, rank: number): WindowShape {
  const layout = layoutOf(c, rank);
  return {
    layout,
    strides: spatialOf(c, "strides", layout, rank),
    dilations: spatialOf(c, "dilations", layout, rank),
  };
}

function convolve(c: Call, x: Value, kernel: Value, groups?: number, extra?: Pair[]): Value {
  const rank = x.type.shape.length;
  const window = windowShape(c, rank);
  const { layout, strides, dilations } = window;
  const spatial = rank - 2;
  const extents = layout.spatial.map((axis) => x.type.shape[axis]!);
  const features = x.type.shape[layout.feature]!;
  const padding = paddingOf(c, extents, kernel.type.shape.slice(0, spatial), window);
  return c.b.op("convolution", [x, kernel], {
    strides,
    padding: extra ? padding.map(([low, high], i): Pair => [low + extra[i]![0], high + extra[i]![1]]) : padding,
    lhsDilation: range(spatial).map(() => 1),
    rhsDilation: dilations,
    inputBatch: layout.batch,
    inputFeature: layout.feature,
    inputSpatial: layout.spatial,
    kernelInputFeature: rank - 2,
    kernelOutputFeature: rank - 1,
    kernelSpatial: range(spatial),
    outputBatch: layout.batch,
    outputFeature: layout.feature,
    outputSpatial: layout.spatial,
    featureGroups: groups ?? features / kernel.type.shape[rank - 2]!,
    batchGroups: 1,
  });
}

/** A depthwise kernel [..., inputs, multiplier] as a grouped one. */
function depthwise(c: Call, x: Value, kernel: Value): Value {
  const { shape } = kernel.type;
  const [inputs, multiplier] = shape.slice(-2) as [number, number];
  return convolve(c, x, c.b.reshape(kernel, [...shape.slice(0, -2), 1, inputs * multiplier]), inputs);
}

/** The gradient of a convolution in its input: a transposed convolution. */
function backpropInput(c: Call, sizes: readonly number[], kernel: Value, given: Value): Value {
  const { b } = c;
  const rank = given.type.shape.length;
  const window = windowShape(c, rank);
  const { layout, strides, dilations } = window;
  const spatial = rank - 2;
  const kernelSizes = kernel.type.shape.slice(0, spatial);
  // Some give the spatial extents only.
  const extents =
    sizes.length === spatial ? [...sizes] : layout.spatial.map((axis) => sizes[axis] ?? c.fail("sizes do not fit"));
  const padding = paddingOf(c, extents, kernelSizes, window);
  const groups =
    kernel.type.shape[spatial]! === 0
      ? 1
      : (sizes[layout.feature] ?? kernel.type.shape[spatial]!) / kernel.type.shape[spatial]!;
  if (groups !== 1 && sizes.length === rank) c.unsupported("a transposed convolution in groups");
  const pads = kernelSizes.map((size, i): Pair => {
    const reach = (size - 1) * dilations[i]! + 1;
    const low = reach - 1 - padding[i]![0];
    const dilated = (given.type.shape[layout.spatial[i]!]! - 1) * strides[i]! + 1;
    return [low, extents[i]! + reach - 1 - dilated - low];
  });
  return b.op("convolution", [given, b.op("reverse", [kernel], { dimensions: range(spatial) })], {
    strides: range(spatial).map(() => 1),
    padding: pads,
    lhsDilation: strides,
    rhsDilation: dilations,
    inputBatch: layout.batch,
    inputFeature: layout.feature,
    inputSpatial: layout.spatial,
    kernelInputFeature: rank - 1,
    kernelOutputFeature: rank - 2,
    kernelSpatial: range(spatial),
    outputBatch: layout.batch,
    outputFeature: layout.feature,
    outputSpatial: layout.spatial,
    featureGroups: 1,
    batchGroups: 1,
  });
}

/** The gradient of a depthwise convolution in its input. */
function depthwiseBackpropInput(c: Call): Value {
  const { b } = c;
  const sizes = c.numbers(0);
  const [kernel, given] = [c.x(1), c.x(2)];
  const [height, width, inputs, multiplier] = kernel.type.shape as [number, number, number, number];
  const window = windowShape(c, 4);
  const { layout, strides, dilations } = window;
  const extents = layout.spatial.map((axis) => sizes[axis]!);
  const padding = paddingOf(c, extents, [height, width], window);
  const pads = [height, width].map((size, i): Pair => {
    const reach = (size - 1) * dilations[i]! + 1;
    const low = reach - 1 - padding[i]![0];
    const dilated = (given.type.shape[layout.spatial[i]!]! - 1) * strides[i]! + 1;
    return [low, extents[i]! + reach - 1 - dilated - low];
  });
  // One group an input feature: its outputs are what comes in.
  const turned = b.transpose(b.op("reverse", [kernel], { dimensions: [0, 1] }), [0, 1, 3, 2]);
  return b.op("convolution", [given, b.reshape(turned, [height, width, multiplier, inputs])], {
    strides: [1, 1],
    padding: pads,
    lhsDilation: strides,
    rhsDilation: dilations,
    inputBatch: layout.batch,
    inputFeature: layout.feature,
    inputSpatial: layout.spatial,
    kernelInputFeature: 2,
    kernelOutputFeature: 3,
    kernelSpatial: [0, 1],
    outputBatch: layout.batch,
    outputFeature: layout.feature,
    outputSpatial: layout.spatial,
    featureGroups: inputs,
    batchGroups: 1,
  });
}

/** Adds a vector along the features. */
export function biasAdd(b: Builder, x: Value, bias: Value, feature: number): Value {
  if (feature === x.type.shape.length - 1) return b.add(x, bias);
  return b.plain("add", x, b.along(bias, x.type.shape, feature));
}

// Pooling.

interface Pool {
  readonly x: Value;
  readonly size: number[];
  readonly strides: number[];
  readonly padding: Pair[];
  readonly layout: Layout;
}
function poolOf(c: Call, x: Value, size: number[], strides: number[]): Pool {
  const rank = x.type.shape.length;
  const layout = layoutOf(c, rank);
  const at = (list: readonly number[]) => layout.spatial.map((axis) => list[axis]!);
  const window = { layout, strides: at(strides), dilations: layout.spatial.map(() => 1) };
  const spatial = paddingOf(
    c,
    layout.spatial.map((axis) => x.type.shape[axis]!),
    at(size),
    window,
  );
  const padding = range(rank).map((axis): Pair => {
    const i = layout.spatial.indexOf(axis);
    if (i >= 0) return spatial[i]!;
    // Pooling over features.
    return c.text("padding") === "SAME" ? samePadding(x.type.shape[axis]!, size[axis]!, strides[axis]!) : [0, 0];
  });
  return { x, size, strides, padding, layout };
}
function maxPool(c: Call): Value {
  const [size, strides] = c.count > 1 ? [c.numbers(1), c.numbers(2)] : [c.integers("ksize"), c.integers("strides")];
  const pool = poolOf(c, c.x(0), size, strides);
  return c.b.window("maximum", pool.x, pool);
}
/** Most places along one dimension whose windows are counted. */
const longestPool = 1 << 20;

function averagePool(c: Call): Value {
  const pool = poolOf(c, c.x(0), c.integers("ksize"), c.integers("strides"));
  const { x, size, strides, padding } = pool;
  const sums = c.b.window("add", x, pool);
  const { dtype, shape } = sums.type;
  if (padding.every(([low, high]) => low === 0 && high === 0)) {
    return c.b.with(
      "divide",
      sums,
      size.reduce((a, n) => a * n, 1),
    );
  }
  // Only what lies inside counts: along each dimension so much, together the product.
  let divisor = c.b.scalar(dtype, 1);
  shape.forEach((count, axis) => {
    if (size[axis] === 1) return;
    if (count > longestPool) c.unsupported(`pooling to ${count} places`);
    const counts = range(count).map((i) => {
      const from = i * strides[axis]! - padding[axis]![0];
      return Math.min(x.type.shape[axis]!, from + size[axis]!) - Math.max(0, from);
    });
    const along = shape.map((_, i) => (i === axis ? count : 1));
    divisor = c.b.multiply(divisor, c.b.numbers(dtype, along, counts));
  });
  return c.b.divide(sums, divisor);
}
function maxPoolWithArgmax(c: Call): Value[] {
  const { b } = c;
  const { x, size, strides, padding } = poolOf(c, c.x(0), c.integers("ksize"), c.integers("strides"));
  const { dtype, shape } = x.type;
  const whole = c.flag("include_batch_in_index");
  const flat = whole ? [elementCount(shape)] : [elementCount(shape.slice(1))];
  const index = b.op("iota", [], { dtype: "i32", shape: flat, dimension: 0 });
  const places = b.broadcast(b.reshape(index, whole ? shape : [1, ...shape.slice(1)]), shape);
  const [element, place] = [
    { dtype, shape: [] },
    { dtype: "i32" as const, shape: [] },
  ];
  const region = b.region([element, place, element, place], (inner, best, at, value, here) => {
    const better = inner.compare("GT", value!, best!);
    const unset = inner.compare("LT", at!, inner.scalar("i32", 0));
    const equal = inner.plain("and", inner.compare("EQ", value!, best!), inner.compare("LT", here!, at!));
    const valid = inner.compare("GE", here!, inner.scalar("i32", 0));
    const take = inner.plain("and", valid, inner.plain("or", inner.plain("or", better, unset), equal));
    return [inner.select(take, value!, best!), inner.select(take, here!, at!)];
  });
  const ones = shape.map(() => 1);
  const [values, where] = b.all(
    "reduceWindow",
    [x, places, b.lowest(dtype), b.scalar("i32", -1)],
    { windowDimensions: size, windowStrides: strides, padding, baseDilations: ones, windowDilations: ones },
    [region],
  );
  return [values!, b.convert(where!, c.type("Targmax", "i64"))];
}

// Normalisation.

function batchNorm(c: Call, outputs: number): Value[] {
  const { b } = c;
  const x = c.x(0);
  const rank = x.type.shape.length;
  const { feature } = layoutOf(c, rank);
  const epsilon = c.float("epsilon", 1e-4);
  const [scale, offset] = [c.x(1), c.x(2)];
  const at = (v: Value) =>
    feature === rank - 1
      ? v
      : b.reshape(
          v,
          range(rank - feature).map((i) => (i === 0 ? v.type.shape[0]! : 1)),
        );
  const wide = b.convert(x, sumType(x.type.dtype));
  const axes = range(rank).filter((axis) => axis !== feature);
  let [mean, variance] = [c.x(3), c.x(4)];
  let reported: [Value, Value] = [mean, variance];
  if (c.flag("is_training", true)) {
    mean = b.mean(wide, axes);
    const centred = b.subtract(wide, at(mean));
    variance = b.mean(b.multiply(centred, centred), axes);
    const count = axes.reduce((n, axis) => n * x.type.shape[axis]!, 1);
    reported = [mean, count > 1 ? b.with("multiply", variance, count / (count - 1)) : variance];
  }
  const factor = b.multiply(b.plain("rsqrt", b.with("add", variance, epsilon)), scale);
  const y = b.add(b.multiply(b.subtract(wide, at(mean)), at(factor)), at(offset));
  const side = c.text("activation_mode", "Identity");
  const added =
    c.node.op === "_FusedBatchNormEx" && c.count > 5
      ? b.add(b.convert(y, x.type.dtype), c.x(5))
      : b.convert(y, x.type.dtype);
  const result = side === "Identity" ? added : (activation(b, side, added) ?? c.unsupported(`activation ${side}`));
  return [result, ...reported, mean, variance, ...range(Math.max(0, outputs - 5)).map(() => mean)];
}

function localResponse(c: Call): Value {
  const { b } = c;
  const x = c.x(0);
  const radius = c.integer("depth_radius", 5);
  const squares = b.multiply(x, x);
  const last = x.type.shape.length - 1;
  const sums = b.window("add", squares, {
    size: x.type.shape.map((_, i) => (i === last ? 2 * radius + 1 : 1)),
    strides: x.type.shape.map(() => 1),
    padding: x.type.shape.map((_, i): Pair => (i === last ? [radius, radius] : [0, 0])),
  });
  const norm = b.with("add", b.with("multiply", sums, c.float("alpha", 1)), c.float("bias", 1));
  return b.multiply(x, b.with("power", norm, -c.float("beta", 0.5)));
}

function logSoftmax(b: Builder, x: Value): Value {
  const last = x.type.shape.length - 1;
  const shifted = b.subtract(x, b.reduce("maximum", x, [last], { keep: true }));
  const sum = b.reduce("add", b.plain("exponential", shifted), [last], { keep: true });
  return b.subtract(shifted, b.plain("log", sum));
}
function crossEntropy(b: Builder, logits: Value, labels: Value): Value[] {
  const last = logits.type.shape.length - 1;
  const loss = b.plain("negate", b.reduce("add", b.multiply(labels, logSoftmax(b, logits)), [last]));
  return [loss, b.subtract(b.softmax(logits, last), labels)];
}

// Recurrent cells.

/** i, c (or c, i), f, o as one product gives them. */
interface Cell {
  readonly order: "icfo" | "ifco";
  readonly forgetBias: number;
  readonly clip: number;
  readonly peephole: boolean;
}
function lstmCell(
  b: Builder,
  { order, forgetBias, clip, peephole }: Cell,
  x: Value,
  state: { cell: Value; hidden: Value },
  weights: { w: Value; wci: Value; wcf: Value; wco: Value; bias: Value },
): Record<"i" | "cs" | "f" | "o" | "ci" | "co" | "h", Value> {
  const units = state.cell.type.shape[1]!;
  const gates = b.add(b.matmul(b.concatenate([x, state.hidden], 1), weights.w), weights.bias);
  const [first, second, third, out] = splitSizes(b, gates, 1, [units, units, units, units]) as [
    Value,
    Value,
    Value,
    Value,
  ];
  const [inGate, candidate, forget] = order === "icfo" ? [first, second, third] : [first, third, second];
  const look = (gate: Value, weight: Value, cell: Value) => (peephole ? b.add(gate, b.multiply(cell, weight)) : gate);
  const i = b.plain("logistic", look(inGate, weights.wci, state.cell));
  const ci = b.plain("tanh", candidate);
  const f = b.plain("logistic", look(b.with("add", forget, forgetBias), weights.wcf, state.cell));
  const raw = b.add(b.multiply(ci, i), b.multiply(state.cell, f));
  const cs = clip > 0 ? b.clamp(raw, -clip, clip) : raw;
  const o = b.plain("logistic", look(out, weights.wco, cs));
  const co = b.plain("tanh", cs);
  return { i, cs, f, o, ci, co, h: b.multiply(co, o) };
}
const lstmOutputs = ["i", "cs", "f", "o", "ci", "co", "h"] as const;

function lstmBlockCell(c: Call): Value[] {
  const cell = lstmCell(
    c.b,
    {
      order: "icfo",
      forgetBias: c.float("forget_bias", 1),
      clip: c.float("cell_clip", 3),
      peephole: c.flag("use_peephole"),
    },
    c.x(0),
    { cell: c.x(1), hidden: c.x(2) },
    { w: c.x(3), wci: c.x(4), wcf: c.x(5), wco: c.x(6), bias: c.x(7) },
  );
  return lstmOutputs.map((name) => cell[name]);
}

/** A whole sequence, one step after the other; steps behind the given length are zeros. */
const blockLstm =
  (order: Cell["order"], forgetBias: (c: Call) => number): Importer =>
  (c) => {
    const { b } = c;
    const x = c.x(1);
    const [steps, batch, inputs] = x.type.shape as [number, number, number];
    const units = c.shape(2)[1]!;
    const length = c.known(0);
    const used = length ? Math.min(steps, Number(length.data[0])) : c.number(0);
    let state = { cell: c.x(2), hidden: c.x(3) };
    const weights = { w: c.x(4), wci: c.x(5), wcf: c.x(6), wco: c.x(7), bias: c.x(8) };
    const settings = {
      order,
      forgetBias: forgetBias(c),
      clip: c.float("cell_clip", 3),
      peephole: c.flag("use_peephole"),
    };
    const lists = lstmOutputs.map((): Value[] => []);
    for (let t = 0; t < steps; t++) {
      if (t >= used) {
        lists.forEach((list) => list.push(b.full(x.type.dtype, [1, batch, units], 0)));
        continue;
      }
      const step = b.reshape(part(b, x, 0, t, t + 1), [batch, inputs]);
      const cell = lstmCell(b, settings, step, state, weights);
      state = { cell: cell.cs, hidden: cell.h };
      lstmOutputs.forEach((name, i) => lists[i]!.push(b.reshape(cell[name], [1, batch, units])));
    }
    return lists.map((list) => b.concatenate(list, 0));
  };

function gruBlockCell(c: Call): Value[] {
  const { b } = c;
  const [x, hidden, w, wc, bias, biasC] = c.xs() as [Value, Value, Value, Value, Value, Value];
  const units = hidden.type.shape[1]!;
  const gates = b.plain("logistic", b.add(b.matmul(b.concatenate([x, hidden], 1), w), bias));
  const [r, u] = splitSizes(b, gates, 1, [units, units]) as [Value, Value];
  const candidate = b.matmul(b.concatenate([x, b.multiply(r, hidden)], 1), wc);
  const cell = b.plain("tanh", b.add(candidate, biasC));
  const h = b.add(b.multiply(u, hidden), b.multiply(b.subtract(b.scalar(u.type.dtype, 1), u), cell));
  return [r, u, cell, h];
}

/** What fused operations do after their product or convolution. */
function fused(c: Call, x: Value, first: number, feature: number): Value {
  const { b } = c;
  let value = x;
  let next = first;
  for (const name of c.texts("fused_ops")) {
    if (name === "BiasAdd") value = biasAdd(b, value, c.x(next++), feature);
    else if (name === "Add") value = b.add(value, c.x(next++));
    else if (name === "FusedBatchNorm") {
      const [scale, offset, mean, variance] = [c.x(next), c.x(next + 1), c.x(next + 2), c.x(next + 3)];
      next += 4;
      const factor = b.multiply(b.plain("rsqrt", b.with("add", variance, c.float("epsilon", 1e-4))), scale);
      value = b.add(b.multiply(b.subtract(value, mean), factor), offset);
    } else if (name === "Prelu") {
      const alpha = c.x(next++);
      const negative = b.multiply(value, alpha);
      value = b.select(b.compare("GT", value, b.scalar(value.type.dtype, 0)), value, negative);
    } else {
      value = activation(b, name, value, c.float("leakyrelu_alpha", 0.2)) ?? c.unsupported(`fused ${name}`);
    }
  }
  return value;
}

function dilation2d(c: Call): Value {
  const { b } = c;
  const [x, kernel] = [c.x(0), c.x(1)];
  const layout = { batch: 0, feature: 3, spatial: [1, 2] };
  const window = {
    layout,
    strides: spatialOf(c, "strides", layout, 4),
    dilations: spatialOf(c, "rates", layout, 4),
  };
  const [height, width] = kernel.type.shape as [number, number];
  const padding = paddingOf(c, x.type.shape.slice(1, 3), [height, width], window);
  const padded = b.pad(
    x,
    [0, padding[0]![0], padding[1]![0], 0],
    [0, padding[0]![1], padding[1]![1], 0],
    b.lowest(x.type.dtype),
  );
  const shape = padded.type.shape;
  const counts = [height, width].map(
    (size, i) => Math.floor((shape[i + 1]! - (size - 1) * window.dilations[i]! - 1) / window.strides[i]!) + 1,
  );
  let best: Value | undefined;
  for (let y = 0; y < height; y++) {
    for (let at = 0; at < width; at++) {
      const from = [y * window.dilations[0]!, at * window.dilations[1]!];
      const limit = from.map((start, i) => start + (counts[i]! - 1) * window.strides[i]! + 1);
      const piece = b.slice(
        padded,
        [0, from[0]!, from[1]!, 0],
        [shape[0]!, limit[0]!, limit[1]!, shape[3]!],
        [1, ...window.strides, 1],
      );
      const weight = b.slice(kernel, [y, at, 0], [y + 1, at + 1, shape[3]!]);
      const sum = b.add(piece, b.reshape(weight, [shape[3]!]));
      best = best ? b.plain("maximum", best, sum) : sum;
    }
  }
  return best!;
}

export const neural: Readonly<Record<string, Importer>> = {
  AvgPool: averagePool,
  AvgPool3D: averagePool,
  BiasAdd: (c) =>
    biasAdd(c.b, c.x(0), c.x(1), layoutOf(c, c.rank(0) < 3 ? 4 : c.rank(0)).feature === 1 ? 1 : c.rank(0) - 1),
  BiasAddV1: (c) => c.b.add(c.x(0), c.x(1)),
  BlockLSTM: blockLstm("icfo", (c) => c.float("forget_bias", 1)),
  BlockLSTMV2: blockLstm("ifco", () => 0),
  Conv: (c) => convolve(c, c.x(0), c.x(1)),
  Conv2D: (c) => convolve(c, c.x(0), c.x(1)),
  Conv2DBackpropInput: (c) => backpropInput(c, c.numbers(0), c.x(1), c.x(2)),
  Conv3D: (c) => convolve(c, c.x(0), c.x(1)),
  Conv3DBackpropInputV2: (c) => backpropInput(c, c.numbers(0), c.x(1), c.x(2)),
  DepthwiseConv2dNative: (c) => depthwise(c, c.x(0), c.x(1)),
  DepthwiseConv2dNativeBackpropInput: depthwiseBackpropInput,
  Dilation2D: dilation2d,
  FusedBatchNorm: (c) => batchNorm(c, 5),
  FusedBatchNormV2: (c) => batchNorm(c, 5),
  FusedBatchNormV3: (c) => batchNorm(c, 6),
  _FusedBatchNormEx: (c) => batchNorm(c, 6),
  _FusedConv2D: (c) => fused(c, convolve(c, c.x(0), c.x(1)), 2, layoutOf(c, 4).feature),
  FusedDepthwiseConv2dNative: (c) => fused(c, depthwise(c, c.x(0), c.x(1)), 2, layoutOf(c, 4).feature),
  _FusedDepthwiseConv2dNative: (c) => fused(c, depthwise(c, c.x(0), c.x(1)), 2, layoutOf(c, 4).feature),
  _FusedMatMul: (c) => fused(c, matMul(c), 2, 1),
  FusedPadConv2D: (c) => {
    const pads = c.numbers(1);
    const low = pads.filter((_, i) => i % 2 === 0);
    const high = pads.filter((_, i) => i % 2 === 1);
    const edge = c.text("mode") === "SYMMETRIC" || c.text("mode") === "REFLECT";
    if (edge) c.unsupported(`mode ${c.text("mode")}`);
    return convolve(c, c.b.pad(c.x(0), low, high), c.x(2));
  },
  GRUBlockCell: gruBlockCell,
  LRN: localResponse,
  LogSoftmax: (c) => logSoftmax(c.b, c.x(0)),
  LSTMBlockCell: lstmBlockCell,
  MatMul: (c) => matMul(c),
  MaxPool: maxPool,
  MaxPool3D: maxPool,
  MaxPoolV2: maxPool,
  MaxPoolWithArgmax: maxPoolWithArgmax,
  Softmax: (c) => c.b.softmax(c.x(0), c.rank(0) - 1),
  SoftmaxCrossEntropyWithLogits: (c) => {
    const shape = c.b.common(c.shape(0), c.shape(1));
    return crossEntropy(c.b, c.b.broadcast(c.x(0), shape), c.b.broadcast(c.x(1), shape));
  },
  SparseSoftmaxCrossEntropyWithLogits: (c) => {
    const [logits, labels] = [c.x(0), c.x(1)];
    const places = c.b.op("iota", [], { dtype: labels.type.dtype, shape: logits.type.shape, dimension: 1 });
    const chosen = c.b.compare("EQ", places, c.b.along(labels, logits.type.shape, 0));
    return crossEntropy(c.b, logits, c.b.convert(chosen, logits.type.dtype));
  },
  BatchNormWithGlobalNormalization: (c) => {
    const [x, mean, variance, offset, scale] = c.xs() as [Value, Value, Value, Value, Value];
    const root = c.b.plain("rsqrt", c.b.with("add", variance, c.float("variance_epsilon")));
    const factor = c.flag("scale_after_normalization") ? c.b.multiply(root, scale) : root;
    return c.b.add(c.b.multiply(c.b.subtract(x, mean), factor), offset);
  },
  InTopK: (c) => inTopK(c, c.x(0), c.x(1), c.integer("k")),
  InTopKV2: (c) => inTopK(c, c.x(0), c.x(1), c.number(2)),
};

/** Whether fewer than k of a row are larger than its target. */
function inTopK(c: Call, predictions: Value, targets: Value, k: number): Value {
  const { b } = c;
  const { shape } = predictions.type;
  const places = b.op("iota", [], { dtype: targets.type.dtype, shape, dimension: 1 });
  const chosen = b.compare("EQ", places, b.along(targets, shape, 0));
  const own = b.reduce("add", b.select(chosen, predictions, b.scalar(predictions.type.dtype, 0)), [1]);
  const larger = b.compare("GT", predictions, b.along(own, shape, 0));
  return b.compare("LT", b.reduce("add", b.convert(larger, "i32"), [1]), b.scalar("i32", k));
}

function matMul(c: Call): Value {
  return c.b.matmul(c.x(0), c.x(1), {
    transposeA: c.flag("transpose_a"),
    transposeB: c.flag("transpose_b"),
  });
}
