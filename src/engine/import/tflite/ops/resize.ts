// Resizing pictures: the exact places and weights of the kernels, in floats and in integers.

import { FormatError } from "../../../../base/errors.ts";
import type { Builder } from "../../../hlo/build.ts";
import type { Value } from "../../../hlo/graph.ts";
import { type Lower, type Node } from "../node.ts";
import { options } from "../options.ts";
import { isQuantized } from "../quantize.ts";
import { takeAlong } from "./shape.ts";

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

/** Two neighbours of each place along an axis, weighted by what is between. */
function linear(b: Builder, x: Value, axis: number, size: number, { alignCorners, halfPixel }: Settings): Value {
  const extent = x.type.shape[axis]!;
  const scale = f(alignCorners && size > 1 ? (extent - 1) / (size - 1) : extent / size);
  const places = Array.from({ length: size }, (_, at) => (halfPixel ? f(f(f(at + 0.5) * scale) - 0.5) : f(at * scale)));
  const low = places.map((place) => Math.min(Math.max(Math.floor(place), 0), extent - 1));
  const high = places.map((place) => Math.max(Math.min(Math.ceil(place), extent - 1), 0));
  const shares = places.map((place, i) => f(place - low[i]!));
  if (shares.every((share) => share === 0)) return takeAlong(b, x, axis, low);
  const shape = x.type.shape.map((n, i) => (i === axis ? size : n));
  const share = b.along(b.numbers("f32", [size], shares), shape, axis);
  const rest = b.along(
    b.numbers(
      "f32",
      [size],
      shares.map((n) => f(1 - n)),
    ),
    shape,
    axis,
  );
  return b.add(b.multiply(takeAlong(b, x, axis, low), rest), b.multiply(takeAlong(b, x, axis, high), share));
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
