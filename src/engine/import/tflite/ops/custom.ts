// Custom operators that models in the wild have: MediaPipe's and the detection models'.

import { FormatError } from "../../../../base/errors.ts";
import { Cursor } from "../../../../base/cursor.ts";
import { type FlexValue, readFlexMap } from "../../../../formats/flexbuffers.ts";
import type { Builder } from "../../../hlo/build.ts";
import type { Value } from "../../../hlo/graph.ts";
import type { Pair } from "../../../hlo/ops.ts";
import { isQuantized } from "../quantize.ts";
import { type Lower, type Node, Unsupported } from "../node.ts";
import { paddingOf, transposedConvolution } from "./convolution.ts";
import { suppress } from "./detection.ts";
import { activations } from "./activations.ts";
import { scatterRows } from "./reduce.ts";
import { gatherAlong } from "./pick.ts";

/** Options that are a C struct of ints. */
function ints(node: Node, count: number): number[] {
  const cursor = new Cursor(node.operator.custom, node.operator.name);
  return Array.from({ length: count }, () => cursor.i32());
}
/** TfLitePadding: 1 is SAME, 2 VALID; one more than in the schema. */
function paddingKind(value: number): number {
  if (value !== 1 && value !== 2) throw new FormatError(`TFLite: padding ${value}`);
  return value - 1;
}

/** Inputs: picture, weights [out, height, width, in], bias. */
const transposeBias: Lower = (node) => {
  const [kind, strideW, strideH] = ints(node, 3) as [number, number, number];
  const [x, weights] = [node.input(0), node.input(1)];
  if (x.type.dtype !== "f32" || x.type.shape.length !== 4) throw new Unsupported(`${x.type.dtype} of this rank`);
  const padding = paddingKind(kind);
  const strides = [strideH, strideW];
  const extents = strides.map((stride, i) => {
    const [extent, size] = [x.type.shape[i + 1]!, weights.type.shape[i + 1]!];
    return padding === 0 ? extent * stride : (extent - 1) * stride + size;
  });
  return transposedConvolution(node, x, weights, node.input(2), { extents, strides, padding, activation: 0 });
};

interface Pool {
  readonly padding: number;
  readonly strides: readonly [number, number];
  readonly size: readonly [number, number];
}
function poolOf(node: Node): Pool {
  const [kind, strideW, strideH, width, height] = ints(node, 5) as [number, number, number, number, number];
  if ([strideW, strideH, width, height].some((n) => n < 1) || width * height > 1024) {
    throw new FormatError(`${node.b.origin}: window ${height} x ${width} by ${strideH} x ${strideW}`);
  }
  return { padding: paddingKind(kind), strides: [strideH, strideW], size: [height, width] };
}

/** The largest of each window and which of the window's elements it was. */
const maxPoolArgument: Lower = (node) => {
  const { b } = node;
  const x = node.input(0);
  const pool = poolOf(node);
  if (x.type.dtype !== "f32" || x.type.shape.length !== 4) throw new Unsupported(`${x.type.dtype} of this rank`);
  const [batch, , , channels] = x.type.shape as [number, number, number, number];
  const pads = pool.size.map((size, i): Pair => paddingOf(pool.padding, x.type.shape[i + 1]!, size, pool.strides[i]!));
  const padded = b.pad(
    x,
    [0, pads[0]![0], pads[1]![0], 0],
    [0, pads[0]![1], pads[1]![1], 0],
    b.scalar("f32", -Infinity),
  );
  const counts = pool.size.map((size, i) => Math.floor((padded.type.shape[i + 1]! - size) / pool.strides[i]!) + 1);
  let best: Value | undefined;
  let places: Value | undefined;
  for (let at = 0; at < pool.size[0] * pool.size[1]; at++) {
    const start = [Math.floor(at / pool.size[1]), at % pool.size[1]];
    const limit = start.map((from, i) => from + (counts[i]! - 1) * pool.strides[i]! + 1);
    const part = b.slice(padded, [0, ...start, 0], [batch, ...limit, channels], [1, ...pool.strides, 1]);
    const place = b.full(node.dtype(1), part.type.shape, at);
    const larger = best && b.compare("GT", part, best);
    places = larger ? b.select(larger, place, places!) : place;
    best = larger ? b.select(larger, part, best!) : part;
  }
  return [best!, places!];
};

/** Each element goes to one place of its window; the others are zero. */
const maxUnpool: Lower = (node) => {
  const { b } = node;
  const [x, places] = [node.input(0), b.convert(node.input(1), "i32")];
  const pool = poolOf(node);
  if (x.type.dtype !== "f32" || x.type.shape.length !== 4) throw new Unsupported(`${x.type.dtype} of this rank`);
  const { shape } = x.type;
  const [batch, , , channels] = shape as [number, number, number, number];
  const extents = pool.strides.map((stride, i) =>
    pool.padding === 0 ? shape[i + 1]! * stride : (shape[i + 1]! - 1) * stride + pool.size[i]!,
  );
  const low = extents.map((extent, i) => paddingOf(pool.padding, extent, pool.size[i]!, pool.strides[i]!)[0]);
  const iota = (dimension: number) => b.op("iota", [], { dtype: "i32", shape, dimension });
  const origin = (i: number) => b.with("subtract", b.with("multiply", iota(i + 1), pool.strides[i]!), low[i]!);
  const y = b.add(origin(0), b.with("divide", places, pool.size[1]));
  const column = b.add(origin(1), b.with("remainder", places, pool.size[1]));
  const row = b.add(b.with("multiply", iota(0), extents[0]!), y);
  const flat = b.add(b.with("multiply", b.add(b.with("multiply", row, extents[1]!), column), channels), iota(3));
  const total = batch * extents[0]! * extents[1]! * channels;
  const count = shape.reduce((n, extent) => n * extent, 1);
  // Places outside (which padding can give) are dropped.
  const inside = (value: Value, extent: number) =>
    b.plain("and", b.compare("GE", value, b.scalar("i32", 0)), b.compare("LT", value, b.scalar("i32", extent)));
  const valid = b.plain("and", inside(y, extents[0]!), inside(column, extents[1]!));
  const indices = b.reshape(b.select(valid, flat, b.scalar("i32", -1)), [count, 1]);
  const written = scatterRows(b, b.full("f32", [total], 0), indices, b.reshape(x, [count]), "replace");
  return b.reshape(written, [batch, ...extents, channels]);
};

function asFloat(node: Node, i: number): Value {
  if (!isQuantized(node.info(i))) return node.input(i);
  const { b } = node;
  const { scales, zeroPoints } = node.info(i).quantization!;
  return b.with(
    "multiply",
    b.convert(b.with("subtract", b.convert(node.input(i), "i32"), zeroPoints[0]!), "f32"),
    scales[0]!,
  );
}

/** Rows by index. */
const rows = (b: Builder, matrix: Value, indices: Value) => gatherAlong(b, matrix, indices, 0, 0);

/** Inputs: box encodings [1, n, 4], class scores [1, n, classes], anchors [n, 4] (detection_postprocess.cc). */
const detections: Lower = (node) => {
  const { b } = node;
  const map = readFlexMap(node.operator.custom, node.operator.name);
  const number = (name: string, otherwise?: number): number => {
    const value: FlexValue | undefined = map.get(name);
    if (typeof value === "number") return value;
    if (otherwise === undefined) throw new FormatError(`${b.origin}: option ${name} is missing`);
    return otherwise;
  };
  const most = number("max_detections");
  const each = number("max_classes_per_detection", 1);
  const classes = number("num_classes");
  const [encodings, scores] = [asFloat(node, 0), asFloat(node, 1)];
  const [, count, width] = scores.type.shape as [number, number, number];
  if (scores.type.shape.length !== 3 || !(most > 0) || !(each > 0) || classes > width || most > 1 << 16) {
    throw new FormatError(`${b.origin}: ${most} detections of ${classes} classes from [${scores.type.shape}]`);
  }
  const part = (matrix: Value, i: number) => b.slice(matrix, [0, i], [count, i + 1]);
  const boxes = b.reshape(encodings, [count, encodings.type.shape.at(-1)!]);
  const anchors = asFloat(node, 2);
  // Both are (y, x, height, width) of a centre.
  const centre = (i: number, scale: number) =>
    b.add(b.multiply(b.with("divide", part(boxes, i), scale), part(anchors, i + 2)), part(anchors, i));
  const half = (i: number, scale: number) =>
    b.with(
      "multiply",
      b.multiply(b.plain("exponential", b.with("divide", part(boxes, i), scale)), part(anchors, i)),
      0.5,
    );
  const [y, x] = [centre(0, number("y_scale")), centre(1, number("x_scale"))];
  const [h, w] = [half(2, number("h_scale")), half(3, number("w_scale"))];
  const decoded = b.concatenate([b.subtract(y, h), b.subtract(x, w), b.add(y, h), b.add(x, w)], 1);
  const thresholds = {
    overlap: b.scalar("f32", number("nms_iou_threshold")),
    score: b.scalar("f32", number("nms_score_threshold")),
    inclusive: true,
  };
  const background = width - classes;
  const shown = b.slice(b.reshape(scores, [count, width]), [0, background], [count, width]);
  const isThere = (found: Value, length: number) =>
    b.compare("LT", b.op("iota", [], { dtype: "i32", shape: [length], dimension: 0 }), found);
  const finish = (picked: Value, kinds: Value, values: Value, found: Value, length: number) => {
    const there = isThere(found, length);
    const column = b.reshape(there, [length, 1]);
    const zero = b.scalar("f32", 0);
    return [
      b.reshape(b.select(column, picked, zero), [1, length, 4]),
      b.reshape(b.select(there, b.convert(kinds, "f32"), zero), [1, length]),
      b.reshape(b.select(there, values, zero), [1, length]),
    ];
  };
  const total = (found: Value) => b.reshape(b.convert(found, "f32"), [1]);
  if (map.get("use_regular_nms") === true) {
    const perClass = number("detections_per_class", 100);
    if (!(perClass > 0) || perClass > 1 << 16) throw new FormatError(`${b.origin}: ${perClass} boxes of a class`);
    const never = b.scalar("f32", -3.4028234663852886e38);
    const operands = [b.scalar("i32", 0), b.broadcast(never, [most]), b.full("i32", [most], 0), b.scalar("i32", 0)];
    const types = operands.map(({ type }) => type);
    const condition = b.region(types, (inner, at) => [inner.compare("LT", at!, inner.scalar("i32", classes))]);
    const body = b.region(types, (inner, at, best, codes, found) => {
      const zero = inner.scalar("i32", 0);
      const column = inner.op("dynamicSlice", [shown, zero, at!], { sizes: [count, 1] });
      const chosen = suppress(inner, decoded, inner.reshape(column, [count]), perClass, thresholds);
      const places = inner.op("iota", [], { dtype: "i32", shape: [perClass], dimension: 0 });
      const fresh = inner.select(inner.compare("LT", places, chosen.count), chosen.scores, never);
      const freshCodes = inner.add(inner.with("multiply", chosen.indices, classes), at!);
      const element = { dtype: "f32", shape: [] } as const;
      const code = { dtype: "i32", shape: [] } as const;
      const order = inner.region([element, element, code, code], (deep, p, q) => [deep.compare("GT", p!, q!)]);
      const [values, sorted] = inner.all(
        "sort",
        [inner.concatenate([best!, fresh], 0), inner.concatenate([codes!, freshCodes], 0)],
        { dimension: 0, stable: true },
        [order],
      );
      const sum = inner.add(found!, chosen.count);
      return [
        inner.with("add", at!, 1),
        inner.slice(values!, [0], [most]),
        inner.slice(sorted!, [0], [most]),
        inner.with("minimum", sum, most),
      ];
    });
    const [, values, codes, found] = b.all("while", operands, {}, [condition, body]);
    const picked = rows(b, decoded, b.with("divide", codes!, classes));
    return [...finish(picked, b.with("remainder", codes!, classes), values!, found!, most), total(found!)];
  }
  // Each box stands for its best classes; the very best decides.
  const kinds = Math.min(each, classes);
  const [top, which] = b.all("topK", [shown], { k: kinds });
  const first = b.reshape(b.slice(top!, [0, 0], [count, 1]), [count]);
  const chosen = suppress(b, decoded, first, most, thresholds);
  const length = most * kinds;
  const repeated = b.reshape(b.op("broadcastInDim", [chosen.indices], { shape: [most, kinds], dimensions: [0] }), [
    length,
  ]);
  const results = finish(
    rows(b, decoded, repeated),
    b.reshape(rows(b, which!, chosen.indices), [length]),
    b.reshape(rows(b, top!, chosen.indices), [length]),
    b.with("multiply", chosen.count, kinds),
    length,
  );
  return [...results, total(chosen.count)];
};

export const customs: Readonly<Record<string, Lower>> = {
  Convolution2DTransposeBias: transposeBias,
  MaxPoolingWithArgmax2D: maxPoolArgument,
  MaxUnpooling2D: maxUnpool,
  LiteRtMaxUnpooling2D: maxUnpool,
  LiteRtMaxPoolingWithArgmax2D: maxPoolArgument,
  TFLite_Detection_PostProcess: detections,
  // What old converters wrote before these were builtins.
  HardSwish: activations.HARD_SWISH!,
};
