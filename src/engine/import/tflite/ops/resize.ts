// Resizing pictures: the exact places and weights of the kernels, in floats and in integers.

import { FormatError } from "../../../../base/errors.ts";
import type { Builder } from "../../../hlo/build.ts";
import type { Value } from "../../../hlo/graph.ts";
import type { Lower, Node } from "../node.ts";
import { options } from "../options.ts";
import { isQuantized } from "../quantize.ts";
import { takeAlong } from "./pick.ts";

const f = Math.fround;

interface Settings {
  readonly alignCorners: boolean;
  readonly halfPixel: boolean;
}

function sizeOf(node: Node, x: Value): [height: number, width: number] {
  const [height, width] = node.numbers(1, "a size");
  if (x.type.shape.length !== 4 || !(height! > 0) || !(width! > 0) || height! > 1 << 16 || width! > 1 << 16) {
    throw new FormatError(`${node.b.origin}: [${x.type.shape}] to ${height} x ${width}`);
  }
  return [height!, width!];
}

const nearest: Lower = (node) => {
  const { b } = node;
  const x = node.input(0);
  const { alignCorners, halfPixel } = node.options(options.resizeNearest);
  return sizeOf(node, x).reduce<Value>((value, size, i) => {
    const extent = x.type.shape[i + 1]!;
    const scale = f(alignCorners && size > 1 ? (extent - 1) / (size - 1) : extent / size);
    const places = Array.from({ length: size }, (_, at) => {
      const place = f(f(at + (halfPixel ? 0.5 : 0)) * scale);
      const whole = Math.min(alignCorners ? Math.round(place) : Math.floor(place), extent - 1);
      return Math.max(0, whole);
    });
    return takeAlong(b, value, i + 1, places);
  }, x);
};

interface Places {
  readonly low: readonly number[];
  readonly high: readonly number[];
  /** How far from the low neighbour, of its distance to the high one. */
  readonly shares: readonly number[];
}
function placesOf(extent: number, size: number, { alignCorners, halfPixel }: Settings): Places {
  const scale = f(alignCorners && size > 1 ? (extent - 1) / (size - 1) : extent / size);
  const places = Array.from({ length: size }, (_, at) => (halfPixel ? f(f(f(at + 0.5) * scale) - 0.5) : f(at * scale)));
  const low = places.map((place) => Math.min(Math.max(Math.floor(place), 0), extent - 1));
  const high = places.map((place) => Math.max(Math.min(Math.ceil(place), extent - 1), 0));
  return { low, high, shares: places.map((place, i) => f(place - low[i]!)) };
}

/** Two neighbours of each place along an axis, weighted by what is between. */
function linear(b: Builder, x: Value, axis: number, size: number, settings: Settings): Value {
  const { low, high, shares } = placesOf(x.type.shape[axis]!, size, settings);
  if (shares.every((share) => share === 0)) return takeAlong(b, x, axis, low);
  const shape = x.type.shape.map((n, i) => (i === axis ? size : n));
  const weights = (each: (share: number) => number) => b.along(b.numbers("f32", [size], shares.map(each)), shape, axis);
  const near = b.multiply(
    takeAlong(b, x, axis, low),
    weights((share) => f(1 - share)),
  );
  return b.add(
    near,
    b.multiply(
      takeAlong(b, x, axis, high),
      weights((share) => share),
    ),
  );
}

/** The four neighbours at once, added in the kernel's order: what bytes are rounded from has to be the same. */
function corners(b: Builder, x: Value, sizes: readonly [number, number], settings: Settings): Value {
  const [batch, height, width, channels] = x.type.shape as [number, number, number, number];
  const [rows, columns] = [placesOf(height, sizes[0], settings), placesOf(width, sizes[1], settings)];
  const shape = [batch, ...sizes, channels];
  const part = (row: "low" | "high", col: "low" | "high") => {
    const rowWeights = rows.shares.map((share) => (row === "low" ? f(1 - share) : share));
    const columnWeights = columns.shares.map((share) => (col === "low" ? f(1 - share) : share));
    const value = takeAlong(b, takeAlong(b, x, 1, rows[row]), 2, columns[col]);
    const down = b.along(b.numbers("f32", [sizes[0]], rowWeights), shape, 1);
    return b.multiply(b.multiply(value, down), b.along(b.numbers("f32", [sizes[1]], columnWeights), shape, 2));
  };
  return b.add(b.add(b.add(part("low", "low"), part("high", "low")), part("low", "high")), part("high", "high"));
}

/** The same with ten fractional bits, exact until the division at the end (ResizeBilinearInteger). */
function integerLinear(b: Builder, x: Value, axis: number, size: number, { alignCorners, halfPixel }: Settings): Value {
  const extent = x.type.shape[axis]!;
  const scale =
    alignCorners && size > 1
      ? Math.floor((1024 * (extent - 1) + Math.floor((size - 1) / 2)) / (size - 1))
      : Math.floor((1024 * extent + Math.floor(size / 2)) / size);
  const places = Array.from({ length: size }, (_, at) => at * scale + (halfPixel ? Math.trunc(scale / 2) - 512 : 0));
  const low = places.map((place) => Math.max(Math.trunc(place / 1024), 0));
  const high = places.map((place) => Math.min(Math.trunc((place + 1023) / 1024), extent - 1));
  const { dtype } = x.type;
  const shape = x.type.shape.map((n, i) => (i === axis ? size : n));
  const weights = (each: (share: number) => number) =>
    b.along(
      b.numbers(
        dtype,
        [size],
        places.map((place, i) => each(place - 1024 * low[i]!)),
      ),
      shape,
      axis,
    );
  return b.add(
    b.multiply(
      takeAlong(b, x, axis, low),
      weights((share) => 1024 - share),
    ),
    b.multiply(
      takeAlong(b, x, axis, high),
      weights((share) => share),
    ),
  );
}

const bilinear: Lower = (node) => {
  const { b } = node;
  const x = node.input(0);
  const settings = node.options(options.resizeBilinear);
  const [height, width] = sizeOf(node, x);
  if (!isQuantized(node.info(0))) return linear(b, linear(b, x, 1, height, settings), 2, width, settings);
  if (x.type.dtype === "u8") {
    const sums = corners(b, b.convert(x, "f32"), [height, width], settings);
    return b.convert(b.plain("floor", b.with("add", sums, 0.5)), "u8");
  }
  const wide = x.type.dtype === "i16" ? "i64" : "i32";
  const rows = integerLinear(b, b.convert(x, wide), 1, height, settings);
  const sums = integerLinear(b, rows, 2, width, settings);
  const half = b.scalar(wide, 2 ** 19);
  const positive = b.compare("GT", sums, b.scalar(wide, 0));
  const nudged = b.select(positive, b.add(sums, half), b.subtract(sums, half));
  return b.convert(b.divide(nudged, b.scalar(wide, 2 ** 20)), node.dtype());
};

export const resizes: Readonly<Record<string, Lower>> = {
  RESIZE_BILINEAR: bilinear,
  RESIZE_NEAREST_NEIGHBOR: nearest,
};
