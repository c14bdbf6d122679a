// What layers over space have in common: where the channels are, and how windows are padded.

import type { Value } from "../../../hlo/graph.ts";
import type { Pair } from "../../../hlo/ops.ts";
import type { Config } from "../config.ts";
import type { Call } from "../layer.ts";

export const channelsFirst = (config: Config): boolean =>
  config.text("data_format", "channels_last") === "channels_first";

/** x with its channels last. */
export function channelsLast(call: Call, x: Value): Value {
  const rank = x.type.shape.length;
  return call.b.transpose(x, [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1]);
}
/** The inverse. */
export function backFirst(call: Call, x: Value): Value {
  const rank = x.type.shape.length;
  return call.b.transpose(x, [0, rank - 1, ...Array.from({ length: rank - 2 }, (_, i) => i + 1)]);
}

/** Writes a layer as if the channels were last. */
export function spatially(call: Call, x: Value, write: (x: Value) => Value): Value {
  return channelsFirst(call.config) ? backFirst(call, write(channelsLast(call, x))) : write(x);
}

interface Windowing {
  readonly size: readonly number[];
  readonly strides: readonly number[];
  readonly dilations?: readonly number[];
}

/** TensorFlow's padding of each spatial dimension: "same" puts the odd one at the end, "causal" all at the start. */
export function paddingOf(mode: string, extents: readonly number[], { size, strides, dilations }: Windowing): Pair[] {
  return extents.map((extent, i): Pair => {
    const reach = (size[i]! - 1) * (dilations?.[i] ?? 1) + 1;
    if (mode === "causal") return [reach - 1, 0];
    if (mode !== "same") return [0, 0];
    const count = Math.ceil(extent / strides[i]!);
    const total = Math.max((count - 1) * strides[i]! + reach - extent, 0);
    const low = Math.floor(total / 2);
    return [low, total - low];
  });
}

/** The padding mode of a configuration. */
export function paddingMode(call: Call): string {
  const mode = call.config.text("padding", "valid").toLowerCase();
  if (mode !== "valid" && mode !== "same" && mode !== "causal") throw call.fail(`padding is "${mode}"`);
  return mode;
}
