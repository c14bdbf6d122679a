// Custom layers of published models whose configuration says all they compute: Keras's ConvNeXt, UpscalerJS's ESRGAN.

import { depthToSpace } from "../functions.ts";
import type { Row } from "../layer.ts";
import { identity } from "./core.ts";

const MultiplyBeta: Row = {
  note: "UpscalerJS",
  call: (call, inputs) => call.b.with("multiply", call.one(inputs), call.config.number("beta", 0.2)),
};
const pixelShuffle = (scale: number): Row => ({
  note: "UpscalerJS",
  call: (call, inputs) => depthToSpace(call.b, call.one(inputs), call.config.integer("scale", scale)),
});

/** One factor a channel. */
const LayerScale: Row = {
  variables: () => ["gamma"],
  note: "ConvNeXt",
  call: (call, inputs) => call.b.multiply(call.one(inputs), call.weight("gamma")),
};

export const knownLayers: Readonly<Record<string, Row>> = {
  LayerScale,
  StochasticDepth: { ...identity, note: "ConvNeXt" },
  MultiplyBeta,
  ...Object.fromEntries([2, 3, 4, 8].map((scale) => [`PixelShuffle${scale}x`, pixelShuffle(scale)])),
};
