// Custom layers of published models whose configuration says all they compute: those of UpscalerJS's ESRGAN.

import { depthToSpace } from "../functions.ts";
import type { Row } from "../layer.ts";

const MultiplyBeta: Row = {
  note: "UpscalerJS",
  call: (call, inputs) => call.b.with("multiply", call.one(inputs), call.config.number("beta", 0.2)),
};
const pixelShuffle = (scale: number): Row => ({
  note: "UpscalerJS",
  call: (call, inputs) => depthToSpace(call.b, call.one(inputs), call.config.integer("scale", scale)),
});

export const knownLayers: Readonly<Record<string, Row>> = {
  MultiplyBeta,
  ...Object.fromEntries([2, 3, 4, 8].map((scale) => [`PixelShuffle${scale}x`, pixelShuffle(scale)])),
};
