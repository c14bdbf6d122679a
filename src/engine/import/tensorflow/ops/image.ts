// Resizing, cropping, boxes (tensorflow/core/ops/image_ops.cc; kernels/image).

import type { Builder } from "../../../hlo/build.ts";
import type { Value } from "../../../hlo/graph.ts";
import type { Call, Importer } from "../call.ts";
import { take } from "./gathers.ts";
import { part } from "./slices.ts";

const range = (n: number) => Array.from({ length: n }, (_, i) => i);
const f = Math.fround;

/** Largest image that is resized to, along one side. */
const largestSide = 1 << 16;
/** Height and width to resize to. */
function sizesOf(c: Call): number[] {
  const sizes = c.numbers(1);
  if (sizes.length !== 2 || sizes.some((n) => !(n > 0 && n <= largestSide))) c.fail(`sizes [${sizes}] are none`);
  if (c.rank(0) !== 4) c.fail(`[${c.shape(0)}] are no images`);
  return sizes;
}

interface Scaling {
  readonly scale: number;
  readonly halfPixel: boolean;
}
function scaling(c: Call, from: number, to: number): Scaling {
  const aligned = c.flag("align_corners");
  return {
    scale: aligned && to > 1 ? f((from - 1) / (to - 1)) : f(from / to),
    halfPixel: c.flag("half_pixel_centers"),
  };
}
/** Where a pixel of the result lies in the input. */
const source = ({ scale, halfPixel }: Scaling, i: number) =>
  halfPixel ? f(f(f(i + 0.5) * scale) - 0.5) : f(i * scale);

/** Rows or columns of an image chosen by constant numbers. */
function pick(b: Builder, x: Value, axis: number, indices: readonly number[]): Value {
  return take(b, x, b.numbers("i32", [indices.length], indices), axis);
}
/** A vector along one dimension of an image. */
function weights(b: Builder, x: Value, axis: number, numbers: readonly number[]): Value {
  return b.numbers(
    x.type.dtype,
    x.type.shape.map((_, i) => (i === axis ? numbers.length : 1)),
    numbers,
  );
}

function bilinear(c: Call): Value {
  const { b } = c;
  let x = b.convert(c.x(0), c.dtype(0) === "f64" ? "f64" : "f32");
  const sizes = sizesOf(c);
  // Columns first, as the kernel does.
  for (const axis of [2, 1]) {
    const [from, to] = [x.type.shape[axis]!, sizes[axis - 1]!];
    const scaled = scaling(c, from, to);
    const at = range(to).map((i) => source(scaled, i));
    const low = at.map((place) => Math.max(0, Math.floor(place)));
    const high = at.map((place) => Math.min(from - 1, Math.ceil(place)));
    const share = at.map((place) => f(place - Math.floor(place)));
    const [left, right] = [pick(b, x, axis, low), pick(b, x, axis, high)];
    x = b.add(left, b.multiply(b.subtract(right, left), weights(b, left, axis, share)));
  }
  return x;
}

function nearest(c: Call): Value {
  let x = c.x(0);
  const sizes = sizesOf(c);
  const aligned = c.flag("align_corners");
  for (const axis of [1, 2]) {
    const [from, to] = [x.type.shape[axis]!, sizes[axis - 1]!];
    const { scale, halfPixel } = scaling(c, from, to);
    const indices = range(to).map((i) => {
      const place = halfPixel ? f(f(i + 0.5) * scale) : f(i * scale);
      // Rounds half away from zero.
      return Math.max(0, Math.min(from - 1, aligned ? Math.floor(place + 0.5) : Math.floor(place)));
    });
    x = pick(c.b, x, axis, indices);
  }
  return x;
}

/** Keys' cubic at distances 1 + t, t, 1 - t, 2 - t, from a table of 1,024 steps as TensorFlow's. */
function cubic(a: number, share: number): number[] {
  const step = Math.round(share * 1024);
  const t = step / 1024;
  const near = (x: number) => f(((a + 2) * x - (a + 3)) * x * x + 1);
  const far = (x: number) => f(((a * x - 5 * a) * x + 8 * a) * x - 4 * a);
  return [far(1 + t), near(t), near(1 - t), far(2 - t)];
}
function bicubic(c: Call): Value {
  const { b } = c;
  let x = b.convert(c.x(0), "f32");
  const sizes = sizesOf(c);
  const halfPixel = c.flag("half_pixel_centers");
  for (const axis of [2, 1]) {
    const [from, to] = [x.type.shape[axis]!, sizes[axis - 1]!];
    const scaled = scaling(c, from, to);
    const taps = range(to).map((i) => {
      const at = source(scaled, i);
      const floor = Math.floor(at);
      const numbers = cubic(halfPixel ? -0.5 : -0.75, at - floor);
      const places = [floor - 1, floor, floor + 1, floor + 2];
      const clamped = places.map((place) => Math.max(0, Math.min(from - 1, place)));
      if (!halfPixel) return { numbers, clamped };
      // Outside does not count; the rest makes up for it.
      const inside = numbers.map((n, k) => (places[k] === clamped[k] ? n : 0));
      const sum = inside.reduce((total, n) => total + n, 0);
      return { numbers: inside.map((n) => (Math.abs(sum) >= 1000 * 1.17549435e-38 ? f(n / sum) : n)), clamped };
    });
    const before = x;
    const parts = range(4).map((k) => {
      const picked = pick(
        b,
        before,
        axis,
        taps.map(({ clamped }) => clamped[k]!),
      );
      return b.multiply(
        picked,
        weights(
          b,
          picked,
          axis,
          taps.map(({ numbers }) => numbers[k]!),
        ),
      );
    });
    x = parts.reduce((sum, each) => b.add(sum, each));
  }
  return x;
}

/** Means over the area that a pixel of the result covers. */
function area(c: Call): Value {
  const { b } = c;
  let x = b.convert(c.x(0), "f32");
  const sizes = sizesOf(c);
  for (const axis of [1, 2]) {
    const [from, to] = [x.type.shape[axis]!, sizes[axis - 1]!];
    if (from * to > 1 << 24) c.unsupported(`means of ${from} to ${to} pixels`);
    const { scale } = scaling(c, from, to);
    // One row of shares for each pixel of the result.
    const shares = range(to).flatMap((i) => {
      const [start, end] = [i * scale, (i + 1) * scale];
      const row = range(from).map(() => 0);
      for (let at = Math.floor(start); at < Math.ceil(end); at++) {
        const share = Math.min(at + 1, end) - Math.max(at, start);
        row[Math.min(from - 1, at)]! += share / scale;
      }
      return row;
    });
    const matrix = b.numbers("f32", [to, from], shares);
    const product = b.op("dotGeneral", [matrix, x], {
      lhsBatching: [],
      rhsBatching: [],
      lhsContracting: [1],
      rhsContracting: [axis],
    });
    // The new dimension stands first.
    const order = range(4).map((i) => (i === axis ? 0 : i < axis ? i + 1 : i));
    x = b.transpose(product, order);
  }
  return x;
}

function cropAndResize(c: Call): Value {
  const { b } = c;
  const image = b.convert(c.x(0), "f32");
  const [boxes, which] = [c.x(1), b.convert(c.x(2), "i32")];
  const [height, width] = c.numbers(3) as [number, number];
  const [, imageHeight, imageWidth, depth] = image.type.shape as [number, number, number, number];
  const count = boxes.type.shape[0]!;
  const method = c.text("method", "bilinear");
  const edge = (i: number) => b.reshape(part(b, boxes, 1, i, i + 1), [count, 1]);
  const along = (low: Value, high: Value, extent: number, size: number) => {
    const last = extent - 1;
    const scale = size > 1 ? b.with("divide", b.with("multiply", b.subtract(high, low), last), size - 1) : undefined;
    const steps = b.broadcast(b.numbers("f32", [1, size], range(size)), [count, size]);
    return scale
      ? b.add(b.with("multiply", low, last), b.multiply(steps, scale))
      : b.broadcast(b.with("multiply", b.add(low, high), 0.5 * last), [count, size]);
  };
  const inside = (at: Value, extent: number) => {
    const low = b.compare("GE", at, b.scalar("f32", 0));
    return b.binary("and", low, b.compare("LE", at, b.scalar("f32", extent - 1)));
  };
  const y = along(edge(0), edge(2), imageHeight, height);
  const x = along(edge(1), edge(3), imageWidth, width);
  const shape = [count, height, width];
  const grid = (value: Value, axis: number) =>
    b.op("broadcastInDim", [value], { shape: [...shape, 1], dimensions: axis < 0 ? [0] : [0, axis] });
  const pixel = (row: Value, column: Value) =>
    b.op(
      "gather",
      [image, b.concatenate([grid(which, -1), grid(b.convert(row, "i32"), 1), grid(b.convert(column, "i32"), 2)], 3)],
      {
        offsetDims: [3],
        collapsedSliceDims: [0, 1, 2],
        operandBatchingDims: [],
        startIndicesBatchingDims: [],
        startIndexMap: [0, 1, 2],
        indexVectorDim: 3,
        sliceSizes: [1, 1, 1, depth],
      },
    );
  let result: Value;
  if (method === "nearest") {
    result = pixel(b.plain("roundNearestAfz", y), b.plain("roundNearestAfz", x));
  } else {
    const [top, left] = [b.plain("floor", y), b.plain("floor", x)];
    const [bottom, right] = [b.plain("ceil", y), b.plain("ceil", x)];
    const wide = [...shape, depth];
    const spread = (value: Value, axis: number) =>
      b.op("broadcastInDim", [value], { shape: wide, dimensions: [0, axis] });
    const lerp = (from: Value, to: Value, share: Value) => b.add(from, b.multiply(b.subtract(to, from), share));
    const shareX = spread(b.subtract(x, left), 2);
    const upper = lerp(pixel(top, left), pixel(top, right), shareX);
    const lower = lerp(pixel(bottom, left), pixel(bottom, right), shareX);
    result = lerp(upper, lower, spread(b.subtract(y, top), 1));
  }
  const wide = result.type.shape;
  const on = (value: Value, axis: number) => b.op("broadcastInDim", [value], { shape: wide, dimensions: [0, axis] });
  const valid = b.binary("and", on(inside(y, imageHeight), 1), on(inside(x, imageWidth), 2));
  return b.select(valid, result, b.scalar("f32", c.float("extrapolation_value", 0)));
}

// Boxes.

interface Suppression {
  readonly boxes: Value;
  readonly scores: Value;
  readonly count: number;
  readonly overlap: Value;
  readonly threshold: Value;
  readonly sigma: Value | undefined;
}

/**
 * Picks boxes by falling score, leaving out those that overlap one already picked (or, with a sigma, lowering their
 * scores). Gives places, scores and how many; what is left of the places is 0.
 */
function suppress(b: Builder, { boxes, scores, count, overlap, threshold, sigma }: Suppression): Value[] {
  const total = scores.type.shape[0]!;
  const column = (i: number) => b.reshape(part(b, boxes, 1, i, i + 1), [total]);
  const lower = (i: number) => b.plain("minimum", column(i), column(i + 2));
  const upper = (i: number) => b.plain("maximum", column(i), column(i + 2));
  const [top, left, bottom, right] = [lower(0), lower(1), upper(0), upper(1)];
  const areas = b.multiply(b.subtract(bottom, top), b.subtract(right, left));
  const index = { dtype: "i32" as const, shape: [] };
  const types = [
    { dtype: "f32" as const, shape: [total] },
    { dtype: "i32" as const, shape: [count] },
    { dtype: "f32" as const, shape: [count] },
    index,
  ];
  const candidates = b.select(b.compare("GT", scores, threshold), scores, b.scalar("f32", -Infinity));
  const best = (inner: Builder, remaining: Value) => inner.reduce("maximum", remaining, [0]);
  const condition = b.region(types, (inner, remaining, _places, _scores, done) => {
    const more = inner.compare("LT", done!, inner.scalar("i32", count));
    return [inner.plain("and", more, inner.compare("GT", best(inner, remaining!), inner.scalar("f32", -Infinity)))];
  });
  const body = b.region(types, (inner, remaining, places, picked, done) => {
    const at = inner.argument("GT", remaining!, 0);
    const one = (x: Value) => inner.reshape(inner.op("dynamicSlice", [x, at], { sizes: [1] }), []);
    const score = one(remaining!);
    const edge = (name: "maximum" | "minimum", x: Value) => inner.binary(name, x, one(x));
    const zero = inner.scalar("f32", 0);
    const height = inner.binary("maximum", inner.subtract(edge("minimum", bottom), edge("maximum", top)), zero);
    const width = inner.binary("maximum", inner.subtract(edge("minimum", right), edge("maximum", left)), zero);
    const common = inner.multiply(height, width);
    const union = inner.subtract(inner.add(areas, one(areas)), common);
    const positive = inner.compare("GT", union, zero);
    const ratio = inner.select(positive, inner.divide(common, union), zero);
    const here = inner.compare("EQ", inner.op("iota", [], { dtype: "i32", shape: [total], dimension: 0 }), at);
    const low = inner.scalar("f32", -Infinity);
    let left_ = remaining!;
    if (sigma) {
      // exp(-ratio^2 / (2 sigma)); nothing is lowered without a sigma.
      const scale = inner.select(
        inner.compare("GT", sigma, zero),
        inner.divide(inner.scalar("f32", -0.5), sigma),
        zero,
      );
      const weight = inner.plain("exponential", inner.multiply(inner.multiply(ratio, ratio), scale));
      const soft = inner.multiply(left_, weight);
      const hard = inner.compare("GT", ratio, overlap);
      const isHard = inner.compare("EQ", scale, zero);
      const lowered = inner.select(inner.compare("GT", soft, threshold), soft, low);
      left_ = inner.select(isHard, inner.select(hard, low, left_), lowered);
    } else left_ = inner.select(inner.compare("GT", ratio, overlap), low, left_);
    left_ = inner.select(here, low, left_);
    const update = (list: Value, value: Value) =>
      inner.op("dynamicUpdateSlice", [list, inner.reshape(value, [1]), done!], {} as never);
    return [left_, update(places!, at), update(picked!, score), inner.with("add", done!, 1)];
  });
  const initial = [candidates, b.full("i32", [count], 0), b.full("f32", [count], 0), b.scalar("i32", 0)];
  const [, places, picked, done] = b.all("while", initial, {} as never, [condition, body]);
  return [places!, picked!, done!];
}
/** Most loops that one operation may become. */
const maximumSuppressions = 512;

const none = (c: Call) => c.b.scalar("f32", -3.4028234663852886e38);
const asFloat = (c: Call, i: number) => c.b.reshape(c.b.convert(c.x(i), "f32"), []);
/** Inputs: boxes, scores, how many, overlap, score, sigma. */
function suppression(c: Call, sigma: boolean): Value[] {
  const boxes = c.b.convert(c.x(0), "f32");
  const scores = c.b.convert(c.x(1), "f32");
  const padded = c.flag("pad_to_max_output_size");
  const count = padded ? c.number(2) : Math.min(c.number(2), scores.type.shape[0]!);
  return suppress(c.b, {
    boxes,
    scores,
    count,
    overlap: c.count > 3 ? asFloat(c, 3) : c.b.scalar("f32", c.float("iou_threshold", 0.5)),
    threshold: c.count > 4 ? asFloat(c, 4) : none(c),
    sigma: sigma ? asFloat(c, 5) : undefined,
  });
}

/** The best boxes of all classes together: each class on its own first. */
function combined(c: Call): Value[] {
  const { b } = c;
  const [boxes, scores] = [c.x(0), c.x(1)];
  const [batch, count, groups] = boxes.type.shape as [number, number, number];
  const classes = scores.type.shape[2]!;
  const perClass = Math.min(c.number(2), count);
  const most = c.number(3);
  const total = c.flag("pad_per_class") ? Math.min(most, c.number(2) * classes) : most;
  if (batch * classes > maximumSuppressions) c.unsupported(`${batch * classes} suppressions in one graph`);
  const [overlap, threshold] = [asFloat(c, 4), asFloat(c, 5)];
  const low = b.scalar("f32", -Infinity);
  const images = range(batch).map((i) => {
    const picked = range(classes).map((k) => {
      const group = groups === 1 ? 0 : k;
      const own = b.reshape(b.slice(boxes, [i, 0, group, 0], [i + 1, count, group + 1, 4]), [count, 4]);
      const marks = b.reshape(b.slice(scores, [i, 0, k], [i + 1, count, k + 1]), [count]);
      const found = suppress(b, { boxes: own, scores: marks, count: perClass, overlap, threshold, sigma: undefined });
      const [places, values, done] = found as [Value, Value, Value];
      const used = b.compare("LT", b.op("iota", [], { dtype: "i32", shape: [perClass], dimension: 0 }), done);
      return { values: b.select(used, values, low), boxes: take(b, own, places, 0) };
    });
    const missing = Math.max(0, total - perClass * classes);
    const pad = (x: Value, value: Value) =>
      b.pad(
        x,
        x.type.shape.map(() => 0),
        x.type.shape.map((_, axis) => (axis === 0 ? missing : 0)),
        value,
      );
    const all = pad(
      b.concatenate(
        picked.map(({ values }) => values),
        0,
      ),
      low,
    );
    const corners = pad(
      b.concatenate(
        picked.map((each) => each.boxes),
        0,
      ),
      b.scalar("f32", 0),
    );
    const [best, at] = b.all("topK", [all], { k: total }) as [Value, Value];
    const valid = b.compare("GT", best, low);
    const chosen = take(b, corners, at, 0);
    const clipped = c.flag("clip_boxes", true) ? b.clamp(chosen, 0, 1) : chosen;
    const kind = b.convert(b.divide(at, b.scalar("i32", perClass)), "f32");
    const zero = b.scalar("f32", 0);
    const wide = b.op("broadcastInDim", [valid], { shape: [total, 4], dimensions: [0] });
    return [
      b.select(wide, clipped, zero),
      b.select(valid, best, zero),
      b.select(valid, kind, zero),
      b.reduce("add", b.convert(valid, "i32"), [0]),
    ];
  });
  return range(4).map((k) =>
    b.concatenate(
      images.map((each) => b.reshape(each[k]!, [1, ...each[k]!.type.shape])),
      0,
    ),
  );
}

/** RGB of which hue and saturation are changed. */
function adjustHsv(c: Call, change: (hue: Value, saturation: Value) => [Value, Value]): Value {
  const { b } = c;
  const hsv = rgbToHsv(b, c.x(0));
  const last = hsv.type.shape.length - 1;
  const [hue, saturation, value] = range(3).map((i) => part(b, hsv, last, i, i + 1)) as [Value, Value, Value];
  return hsvToRgb(b, b.concatenate([...change(hue, saturation), value], last));
}

function rgbToHsv(b: Builder, x: Value): Value {
  const last = x.type.shape.length - 1;
  const [red, green, blue] = range(3).map((i) => part(b, x, last, i, i + 1)) as [Value, Value, Value];
  const zero = b.scalar(x.type.dtype, 0);
  const value = b.plain("maximum", b.plain("maximum", red, green), blue);
  const spread = b.subtract(value, b.plain("minimum", b.plain("minimum", red, green), blue));
  const saturation = b.select(b.compare("GT", value, zero), b.divide(spread, value), zero);
  const norm = b.divide(b.scalar(x.type.dtype, 1 / 6), spread);
  const towards = (p: Value, q: Value, offset: number) => b.with("add", b.multiply(norm, b.subtract(p, q)), offset);
  const hue = b.select(
    b.compare("EQ", red, value),
    towards(green, blue, 0),
    b.select(b.compare("EQ", green, value), towards(blue, red, 2 / 6), towards(red, green, 4 / 6)),
  );
  const safe = b.select(b.compare("GT", spread, zero), hue, zero);
  const wrapped = b.select(b.compare("LT", safe, zero), b.with("add", safe, 1), safe);
  return b.concatenate([wrapped, saturation, value], last);
}
function hsvToRgb(b: Builder, x: Value): Value {
  const last = x.type.shape.length - 1;
  const [hue, saturation, value] = range(3).map((i) => part(b, x, last, i, i + 1)) as [Value, Value, Value];
  const six = b.with("multiply", hue, 6);
  const channel = (offset: number, sign: number, shift: number) => {
    const distance = b.plain("abs", b.with("subtract", six, offset));
    return b.clamp(b.with("add", b.with("multiply", distance, sign), shift), 0, 1);
  };
  const share = b.subtract(b.scalar(x.type.dtype, 1), saturation);
  const mixed = [channel(3, 1, -1), channel(2, -1, 2), channel(4, -1, 2)].map((each) =>
    b.multiply(b.add(share, b.multiply(saturation, each)), value),
  );
  return b.concatenate(mixed, last);
}
function adjustContrast(c: Call): Value {
  const x = c.x(0);
  const rank = x.type.shape.length;
  const mean = c.b.mean(x, [rank - 3, rank - 2], { keep: true });
  return c.b.add(c.b.multiply(c.b.subtract(x, mean), c.x(1)), mean);
}

/** Coordinates outside brought inside, as the fill mode says. */
function mapped(b: Builder, at: Value, extent: number, mode: string): Value {
  const n = (value: number) => b.scalar("f32", value);
  const truncated = (x: Value) => b.convert(b.convert(x, "i32"), "f32");
  const below = b.compare("LT", at, n(0));
  const above = b.compare("GT", at, n(extent - 1));
  let result = at;
  if (mode === "CONSTANT") return at;
  if (extent <= 1) result = b.full("f32", at.type.shape, 0);
  else if (mode === "REFLECT") {
    const twice = 2 * extent;
    const turns = b.with("multiply", truncated(b.with("divide", b.plain("negate", at), twice)), twice);
    const low = b.select(b.compare("LT", at, n(twice)), b.add(turns, at), at);
    const lower = b.select(
      b.compare("LT", low, n(-extent)),
      b.with("add", low, twice),
      b.with("subtract", b.plain("negate", low), 1),
    );
    const rest = b.subtract(at, b.with("multiply", truncated(b.with("divide", at, twice)), twice));
    const upper = b.select(b.compare("GE", rest, n(extent)), b.subtract(n(twice - 1), rest), rest);
    result = b.select(below, lower, b.select(above, upper, at));
  } else if (mode === "WRAP") {
    const turns = (x: Value) => truncated(b.with("divide", x, extent - 1));
    const lower = b.add(at, b.with("multiply", b.with("add", turns(b.plain("negate", at)), 1), extent));
    const upper = b.subtract(at, b.with("multiply", turns(at), extent));
    result = b.select(below, lower, b.select(above, upper, at));
  }
  return b.clamp(result, 0, extent - 1);
}

/** Each pixel of the result from where eight numbers an image send it (kernels/image/image_ops.h). */
function projectiveTransform(c: Call): Value {
  const { b } = c;
  const images = b.convert(c.x(0), "f32");
  const [batch, height, width, depth] = images.type.shape as [number, number, number, number];
  const [rows, columns] = c.count > 2 ? (c.numbers(2) as [number, number]) : [height, width];
  const fill = c.count > 3 ? b.reshape(b.convert(c.x(3), "f32"), []) : b.scalar("f32", 0);
  const mode = c.text("fill_mode", "CONSTANT");
  const shape = [batch, rows, columns];
  const transforms = b.broadcast(c.x(1), [batch, 8]);
  const number = (i: number) =>
    b.op("broadcastInDim", [b.reshape(part(b, transforms, 1, i, i + 1), [batch])], { shape, dimensions: [0] });
  const y = b.op("iota", [], { dtype: "f32", shape, dimension: 1 });
  const x = b.op("iota", [], { dtype: "f32", shape, dimension: 2 });
  const line = (i: number) => b.add(b.multiply(number(i), x), b.multiply(number(i + 1), y));
  const projection = b.with("add", line(6), 1);
  const at = (i: number, extent: number) =>
    mapped(b, b.divide(b.add(line(i), number(i + 2)), projection), extent, mode);
  const [column, row] = [at(0, width), at(3, height)];
  const image = b.op("iota", [], { dtype: "i32", shape: [...shape, 1], dimension: 0 });
  const wide = [...shape, depth];
  const spread = (value: Value) => b.op("broadcastInDim", [value], { shape: wide, dimensions: [0, 1, 2] });
  const inside = (value: Value, extent: number) =>
    b.plain("and", b.compare("GE", value, b.scalar("f32", 0)), b.compare("LT", value, b.scalar("f32", extent)));
  const read = (r: Value, k: Value) => {
    const index = (value: Value, extent: number) =>
      b.reshape(b.convert(b.clamp(value, 0, extent - 1), "i32"), [...shape, 1]);
    const pixels = b.op("gather", [images, b.concatenate([image, index(r, height), index(k, width)], 3)], {
      offsetDims: [3],
      collapsedSliceDims: [0, 1, 2],
      operandBatchingDims: [],
      startIndicesBatchingDims: [],
      startIndexMap: [0, 1, 2],
      indexVectorDim: 3,
      sliceSizes: [1, 1, 1, depth],
    });
    return b.select(spread(b.plain("and", inside(r, height), inside(k, width))), pixels, fill);
  };
  let result: Value;
  if (c.text("interpolation") === "NEAREST") {
    result = read(b.plain("roundNearestAfz", row), b.plain("roundNearestAfz", column));
  } else {
    const [top, left] = [b.plain("floor", row), b.plain("floor", column)];
    const [bottom, right] = [b.with("add", top, 1), b.with("add", left, 1)];
    const mix = (p: Value, q: Value, place: Value, low: Value, high: Value) =>
      b.add(b.multiply(spread(b.subtract(high, place)), p), b.multiply(spread(b.subtract(place, low)), q));
    const upper = mix(read(top, left), read(top, right), column, left, right);
    const lower = mix(read(bottom, left), read(bottom, right), column, left, right);
    result = mix(upper, lower, row, top, bottom);
  }
  return b.convert(result, c.dtype(0));
}

function extractPatches(c: Call): Value {
  const { b } = c;
  const x = c.x(0);
  const [sizes, strides, rates] = ["ksizes", "strides", "rates"].map((name) => c.integers(name)) as [
    number[],
    number[],
    number[],
  ];
  const reach = sizes.map((size, i) => (size - 1) * rates[i]! + 1);
  const pads = [1, 2].map((axis) => {
    const extent = x.type.shape[axis]!;
    if (c.text("padding") === "VALID") return [0, 0];
    const total = Math.max(0, (Math.ceil(extent / strides[axis]!) - 1) * strides[axis]! + reach[axis]! - extent);
    return [Math.floor(total / 2), total - Math.floor(total / 2)];
  });
  const padded = b.pad(x, [0, pads[0]![0]!, pads[1]![0]!, 0], [0, pads[0]![1]!, pads[1]![1]!, 0]);
  const { shape } = padded.type;
  const counts = [1, 2].map((axis) => Math.floor((shape[axis]! - reach[axis]!) / strides[axis]!) + 1);
  const parts: Value[] = [];
  for (let row = 0; row < sizes[1]!; row++) {
    for (let column = 0; column < sizes[2]!; column++) {
      const from = [row * rates[1]!, column * rates[2]!];
      parts.push(
        b.slice(
          padded,
          [0, from[0]!, from[1]!, 0],
          [
            shape[0]!,
            from[0]! + (counts[0]! - 1) * strides[1]! + 1,
            from[1]! + (counts[1]! - 1) * strides[2]! + 1,
            shape[3]!,
          ],
          [1, strides[1]!, strides[2]!, 1],
        ),
      );
    }
  }
  return b.concatenate(parts, 3);
}

export const image: Readonly<Record<string, Importer>> = {
  ResizeArea: area,
  ResizeBicubic: bicubic,
  ResizeBilinear: bilinear,
  ResizeNearestNeighbor: nearest,
  CropAndResize: cropAndResize,
  ExtractImagePatches: extractPatches,
  NonMaxSuppression: (c) => suppression(c, false)[0]!,
  NonMaxSuppressionV2: (c) => suppression(c, false)[0]!,
  NonMaxSuppressionV3: (c) => suppression(c, false)[0]!,
  NonMaxSuppressionV4: (c) => {
    const [places, , count] = suppression(c, false);
    return [places!, count!];
  },
  NonMaxSuppressionV5: (c) => suppression(c, true),
  ImageProjectiveTransformV2: projectiveTransform,
  ImageProjectiveTransformV3: projectiveTransform,
  RGBToHSV: (c) => rgbToHsv(c.b, c.x(0)),
  HSVToRGB: (c) => hsvToRgb(c.b, c.x(0)),
  AdjustHue: (c) =>
    adjustHsv(c, (hue, saturation) => {
      const turned = c.b.add(hue, c.x(1));
      return [c.b.subtract(turned, c.b.plain("floor", turned)), saturation];
    }),
  AdjustSaturation: (c) => adjustHsv(c, (hue, saturation) => [hue, c.b.clamp(c.b.multiply(saturation, c.x(1)), 0, 1)]),
  CombinedNonMaxSuppression: combined,
  AdjustContrastv2: adjustContrast,
};
