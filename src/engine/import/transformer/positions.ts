// Positions: T5's buckets of relative ones, and the angles of rotary ones.

import { UnsupportedFormat } from "../../../base/errors.ts";
import { type Tensor, zeros } from "../../hlo/tensor.ts";
import type { Config } from "./config.ts";

const { fround } = Math;

/**
 * The bucket of a distance (key - query): half of the buckets for single steps, the rest for logarithmically longer
 * ones. With the reference's roundings to f32: distances at a bucket's border depend on them.
 */
export function bucketOf(
  distance: number,
  { bidirectional, count, farthest }: { bidirectional: boolean; count: number; farthest: number },
): number {
  let first = 0;
  let buckets = count;
  let steps = -distance;
  if (bidirectional) {
    buckets = Math.floor(count / 2);
    if (distance > 0) first = buckets;
    steps = Math.abs(distance);
  } else steps = Math.max(0, steps);
  const exact = Math.floor(buckets / 2);
  if (steps < exact) return first + steps;
  const ratio = fround(fround(Math.log(fround(steps / exact))) / fround(Math.log(farthest / exact)));
  const large = exact + Math.trunc(fround(ratio * (buckets - exact)));
  return first + Math.min(large, buckets - 1);
}

/** Cosines and sines [length, width / 2] of the rotary angles, as the configuration scales them. */
export function rotaryTables(
  config: Config,
  width: number,
  length: number,
): { readonly cosine: Tensor; readonly sine: Tensor } {
  const base = config.number(["rope_theta", "rotary_emb_base"], 10000);
  const half = width / 2;
  const scaling = config.within("rope_scaling");
  const kind = scaling?.text(["rope_type", "type"], "default") ?? "default";
  let frequencies = Array.from({ length: half }, (_, i) => fround(1 / fround(base ** fround((2 * i) / width))));
  if (scaling && kind === "linear") frequencies = frequencies.map((f) => fround(f / scaling.number("factor")));
  else if (scaling && kind === "llama3") frequencies = frequencies.map((f) => llama3(f, scaling));
  else if (kind !== "default") throw new UnsupportedFormat(`config.json: rope scaling "${kind}" is not built`);
  const [cosine, sine] = [zeros("f32", [length, half]), zeros("f32", [length, half])];
  for (let position = 0; position < length; position++) {
    frequencies.forEach((frequency, i) => {
      const angle = fround(position * frequency);
      cosine.data[position * half + i] = Math.cos(angle);
      sine.data[position * half + i] = Math.sin(angle);
    });
  }
  return { cosine, sine };
}

/** Llama 3.1: long waves are stretched, short ones kept, those between are mixed. */
function llama3(frequency: number, scaling: Config): number {
  const factor = scaling.number("factor");
  const [low, high] = [scaling.number("low_freq_factor"), scaling.number("high_freq_factor")];
  const context = scaling.number("original_max_position_embeddings");
  const wave = (2 * Math.PI) / frequency;
  if (wave > context / low) return fround(frequency / factor);
  if (wave < context / high) return frequency;
  const smooth = (context / wave - low) / (high - low);
  return fround((1 - smooth) * (frequency / factor) + smooth * frequency);
}

/** Positions as sines, then cosines, of angles that fall with the place in the vector: Marian's and Pegasus's order. */
export function sinusoids(length: number, width: number): Tensor {
  const table = zeros("f32", [length, width]);
  const half = Math.ceil(width / 2);
  for (let position = 0; position < length; position++) {
    for (let i = 0; i < width; i++) {
      const pair = i < half ? i : i - half;
      const angle = position / 10000 ** ((2 * pair) / width);
      table.data[position * width + i] = i < half ? Math.sin(angle) : Math.cos(angle);
    }
  }
  return table;
}
