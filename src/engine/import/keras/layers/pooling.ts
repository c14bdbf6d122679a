// Keras's pooling layers: windows, global, adaptive.

import type { Value } from "../../../hlo/graph.ts";
import { countOf } from "../config.ts";
import type { Call, Row } from "../layer.ts";
import { backFirst, channelsFirst, channelsLast, paddingMode, paddingOf, spatially } from "./spatial.ts";

type Kind = "maximum" | "mean";

/** A window over the spatial dimensions, channels last; means count only what is inside. */
export function pool(
  call: Call,
  x: Value,
  kind: Kind,
  options: { size: readonly number[]; strides: readonly number[]; mode: string },
): Value {
  const { b } = call;
  const rank = options.size.length;
  if (x.type.shape.length !== rank + 2) throw call.fail(`input has rank ${x.type.shape.length}, must be ${rank + 2}`);
  const extents = x.type.shape.slice(1, 1 + rank);
  const inner = paddingOf(options.mode, extents, options);
  const outer = { size: [1, ...options.size, 1], strides: [1, ...options.strides, 1] };
  const padding = [[0, 0] as const, ...inner, [0, 0] as const];
  if (kind === "maximum") return b.window("maximum", x, { ...outer, padding });
  const sums = b.window("add", x, { ...outer, padding });
  const whole = options.size.reduce((product, size) => product * size, 1);
  if (inner.every(([low, high]) => low === 0 && high === 0)) return b.with("divide", sums, whole);
  const ones = b.full(x.type.dtype, [1, ...extents, 1], 1);
  return b.divide(sums, b.window("add", ones, { ...outer, padding }));
}

const pooling = (rank: number, kind: Kind): Row => ({
  call: (call, inputs) =>
    spatially(call, call.one(inputs), (x) => {
      const { config } = call;
      // One-dimensional layers of old files call the size pool_length or keep it in a list.
      const size = config.sizes("pool_size", rank, 2);
      const strides = config.has("strides") ? config.sizes("strides", rank) : size;
      return pool(call, x, kind, { size, strides, mode: paddingMode(call) });
    }),
});

const globalPooling = (rank: number, kind: Kind): Row => ({
  mask: "stop",
  call: (call, inputs) => {
    const { b, config } = call;
    const x = call.one(inputs);
    if (x.type.shape.length !== rank + 2) throw call.fail(`input has rank ${x.type.shape.length}, must be ${rank + 2}`);
    const from = channelsFirst(config) ? 2 : 1;
    const axes = Array.from({ length: rank }, (_, i) => from + i);
    const options = { keep: config.flag("keepdims", false) };
    const mask = rank === 1 && kind === "mean" ? call.maskOf(inputs) : undefined;
    if (kind === "maximum") return b.reduce("maximum", x, axes, options);
    if (!mask) return b.mean(x, axes, options);
    const counted = b.convert(mask, x.type.dtype);
    const shape = mask.type.shape;
    const weights = b.reshape(counted, from === 1 ? [...shape, 1] : [shape[0]!, 1, shape[1]!]);
    const sums = b.reduce("add", b.multiply(x, weights), axes, options);
    return b.divide(sums, b.reduce("add", weights, axes, options));
  },
});

/** Windows between rounded fractions of the extent, as PyTorch's and Keras's adaptive pooling. */
const adaptive = (rank: number, kind: Kind): Row => ({
  call: (call, inputs) => {
    const { b, config } = call;
    const given = call.one(inputs);
    let x = channelsFirst(config) ? channelsLast(call, given) : given;
    const output = config.sizes("output_size", rank);
    // The window is a product of intervals, so one dimension after another gives the same.
    for (let axis = 1; axis <= rank; axis++) {
      const extent = x.type.shape[axis]!;
      const count = countOf(output[axis - 1]!, config.what);
      const parts = Array.from({ length: count }, (_, i) => {
        const [from, to] = [Math.floor((i * extent) / count), Math.ceil(((i + 1) * extent) / count)];
        const start = x.type.shape.map((_n, at) => (at === axis ? from : 0));
        const limit = x.type.shape.map((n, at) => (at === axis ? to : n));
        const part = b.slice(x, start, limit);
        return kind === "mean"
          ? b.mean(part, [axis], { keep: true })
          : b.reduce("maximum", part, [axis], { keep: true });
      });
      x = b.concatenate(parts, axis);
    }
    return channelsFirst(config) ? backFirst(call, x) : x;
  },
});

const family = (name: string, row: (rank: number) => Row): Record<string, Row> =>
  Object.fromEntries([1, 2, 3].map((rank) => [`${name}${rank}D`, row(rank)]));

export const poolingLayers: Readonly<Record<string, Row>> = {
  ...family("MaxPooling", (rank) => pooling(rank, "maximum")),
  ...family("MaxPool", (rank) => pooling(rank, "maximum")),
  ...family("AveragePooling", (rank) => pooling(rank, "mean")),
  ...family("AvgPool", (rank) => pooling(rank, "mean")),
  ...family("GlobalMaxPooling", (rank) => globalPooling(rank, "maximum")),
  ...family("GlobalMaxPool", (rank) => globalPooling(rank, "maximum")),
  ...family("GlobalAveragePooling", (rank) => globalPooling(rank, "mean")),
  ...family("GlobalAvgPool", (rank) => globalPooling(rank, "mean")),
  ...family("AdaptiveAveragePooling", (rank) => adaptive(rank, "mean")),
  ...family("AdaptiveMaxPooling", (rank) => adaptive(rank, "maximum")),
};
