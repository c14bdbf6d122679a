// Preprocessing: the steps that make a model's input of a picture, of sound or of numbers.

import { CerebroError } from "../../base/errors.ts";
import type { Image } from "../../formats/image.ts";
import { dtypes, type DType } from "../hlo/dtype.ts";
import { fromNumbers, stridesOf, type Tensor, toNumbers } from "../hlo/tensor.ts";
import type { ModelPort } from "../model.ts";
import { tokenizerFile } from "../nlp/tokenizer/open.ts";
import type { Tokenizer } from "../nlp/tokenizer/tokenizer.ts";
import { contain, cover, crop, pictureTensor, resize, withChannels } from "./picture.ts";
import { melSpectrogram, mono, resample } from "./sound.ts";
import {
  count,
  flag,
  type Item,
  oneOf,
  path,
  range,
  real,
  reals,
  size,
  type Step,
  type StepContext,
  stepOf,
} from "./step.ts";

const step = stepOf<Item, Item>();

function imageOf(item: Item, name: string): Image {
  if (item.kind !== "image") throw new CerebroError("usage", `step ${name}: takes a picture, got ${item.kind}`);
  return item.image;
}
const picture = (image: Image): Item => ({ kind: "image", image });
const array = (tensor: Tensor): Item => ({ kind: "tensor", tensor });

/** The item as numbers: a picture's pixels, sound's samples as f32[1, samples]. */
export function tensorOf(item: Item): Tensor {
  if (item.kind === "tensor") return item.tensor;
  if (item.kind === "image") return pictureTensor(item.image);
  if (item.kind === "text") throw new CerebroError("usage", "text has to be tokenised before a model takes it");
  const samples = mono(item.sound);
  return { dtype: "f32", shape: [1, samples.length], data: samples };
}

/** Applies a function of the element and its index in the last dimension. */
function mapped(item: Item, change: (value: number, channel: number) => number): Item {
  const tensor = tensorOf(item);
  const channels = Math.max(1, tensor.shape.at(-1) ?? 1);
  const data = Float32Array.from(toNumbers(tensor), (value, i) => change(value, i % channels));
  return array({ dtype: "f32", shape: tensor.shape, data });
}

function permuted(tensor: Tensor, permutation: readonly number[]): Tensor {
  const strides = stridesOf(tensor.shape);
  const shape = permutation.map((from) => tensor.shape[from]!);
  const to = stridesOf(shape);
  const data = new dtypes[tensor.dtype].array(tensor.data.length) as Float32Array;
  for (let i = 0; i < data.length; i++) {
    let from = 0;
    for (let axis = 0; axis < shape.length; axis++)
      from += (Math.floor(i / to[axis]!) % shape[axis]!) * strides[permutation[axis]!]!;
    data[i] = tensor.data[from] as number;
  }
  return { dtype: tensor.dtype, shape, data };
}

/** Every step before a model. */
export const before = {
  resize: step({
    help: "resamples a picture to a size",
    options: {
      size,
      method: oneOf("bilinear", "nearest", "bicubic", "area"),
      fit: oneOf("stretch", "cover", "contain"),
      fill: real,
    },
    apply(item, { size: wanted, method = "bilinear", fit = "stretch", fill = 0 }, { port }) {
      const image = imageOf(item, "resize");
      const [width, height] = wanted ?? pictureSize(port);
      if (fit === "cover") return picture(cover(image, width, height, method));
      return picture(
        fit === "contain" ? contain(image, width, height, method, fill) : resize(image, width, height, method),
      );
    },
  }),
  crop: step({
    help: "cuts a part out of a picture: its middle, or at x, y",
    options: { size, x: real, y: real },
    apply(item, { size: wanted, x, y }, { port }) {
      const image = imageOf(item, "crop");
      const [width, height] = wanted ?? pictureSize(port);
      return picture(crop(image, x ?? (image.width - width) >> 1, y ?? (image.height - height) >> 1, width, height));
    },
  }),
  channels: step({
    help: "grey (1) or colour (3)",
    options: { count },
    apply: (item, { count: wanted = 3 }) => picture(withChannels(imageOf(item, "channels"), wanted === 1 ? 1 : 3)),
  }),
  normalise: step({
    help: "(x - mean) / std for each channel, or 0 to 255 stretched to a range",
    options: { mean: reals, std: reals, range },
    apply(item, { mean = [0], std = [1], range: wanted }) {
      if (wanted) return mapped(item, (value) => wanted[0] + (value / 255) * (wanted[1] - wanted[0]));
      return mapped(item, (value, c) => (value - mean[c % mean.length]!) / std[c % std.length]!);
    },
  }),
  scale: step({
    help: "multiplies by a number",
    options: { by: real },
    apply: (item, { by = 1 }) => mapped(item, (value) => value * by),
  }),
  layout: step({
    help: "the order of a picture's dimensions",
    options: { order: oneOf("NHWC", "NCHW") },
    apply(item, { order = "NHWC" }) {
      const tensor = tensorOf(item);
      return array(order === "NCHW" && tensor.shape.length === 4 ? permuted(tensor, [0, 3, 1, 2]) : tensor);
    },
  }),
  resample: step({
    help: "changes the rate of sound",
    options: { rate: count },
    apply(item, { rate = 16000 }) {
      if (item.kind !== "sound") throw new CerebroError("usage", `step resample: takes sound, got ${item.kind}`);
      return { kind: "sound", sound: { rate, channels: [resample(mono(item.sound), item.sound.rate, rate)] } };
    },
  }),
  mel: step({
    help: "spectrogram on the mel scale: [1, frames, bins]",
    options: {
      bins: count,
      window: count,
      hop: count,
      low: real,
      high: real,
      log: oneOf("none", "natural", "decibel"),
      power: oneOf("1", "2"),
    },
    apply(item, { bins = 40, window = 400, hop = 160, low = 20, high, log = "natural", power = "2" }) {
      if (item.kind !== "sound") throw new CerebroError("usage", `step mel: takes sound, got ${item.kind}`);
      const { rate } = item.sound;
      const exponent = power === "1" ? 1 : 2;
      const options = { rate, bins, window, hop, low, high: high ?? rate / 2, log, power: exponent } as const;
      return array(melSpectrogram(mono(item.sound), options));
    },
  }),
  fit: step({
    help: "cuts or pads the last dimension to a length",
    options: { length: count, value: real, left: flag },
    apply(item, { length = 1, value = 0, left = false }) {
      const tensor = tensorOf(item);
      const from = tensor.shape.at(-1) ?? 1;
      const rows = tensor.data.length / Math.max(1, from);
      const data = new Float32Array(rows * length).fill(value);
      const numbers = toNumbers(tensor);
      const kept = Math.min(from, length);
      for (let row = 0; row < rows; row++)
        data.set(numbers.subarray(row * from, row * from + kept), row * length + (left ? length - kept : 0));
      return array({ dtype: "f32", shape: [...tensor.shape.slice(0, -1), length], data });
    },
  }),
  tokenise: step({
    help: "text to a tokenizer's ids, or to the mask or types that an input of such a name wants",
    options: { tokenizer: path, max: count, special: flag },
    apply(item, { tokenizer: file = "tokenizer.json", max, special = true }, context) {
      if (item.kind !== "text") throw new CerebroError("usage", `step tokenise: takes text, got ${item.kind}`);
      return array(tokenised(item.text, tokenizerFile(context.file(file), file), { max, special, port: context.port }));
    },
  }),
} as const satisfies Record<string, Step<Item, Item>>;

/** Tokens as an input wants them: [1, tokens], filled up with zeros where its length is fixed. */
function tokenised(
  text: string,
  tokenizer: Tokenizer,
  { max, special, port }: { max: number | undefined; special: boolean; port: ModelPort | undefined },
): Tensor {
  const extent = port?.shape?.at(-1);
  const fixed = typeof extent === "number" && extent > 1 ? extent : undefined;
  const limit = max ?? fixed;
  const encoding = tokenizer.encode(text, { special, ...(limit !== undefined && { truncation: { length: limit } }) });
  const name = port?.name ?? "";
  const list = /mask/i.test(name) ? encoding.mask : /type|segment/i.test(name) ? encoding.typeIds : encoding.ids;
  const length = Math.max(fixed ?? 0, list.length);
  return fromNumbers(
    "i32",
    [1, length],
    Array.from({ length }, (_, i) => list[i] ?? 0),
  );
}

/** How an input takes pictures: [1, height, width, channels] or [1, channels, height, width]. */
export function pictureLayout(
  port: ModelPort | undefined,
): { order: "NHWC" | "NCHW"; width: number; height: number; channels: 1 | 3 } | undefined {
  const shape = port?.shape;
  if (!shape || shape.length < 3 || shape.length > 4) return undefined;
  const [a, b, c] = shape.slice(-3) as [number, number, number];
  const known = [a, b, c].every((extent) => typeof extent === "number");
  if (known && (c === 1 || c === 3)) return { order: "NHWC", height: a, width: b, channels: c };
  return known && (a === 1 || a === 3) ? { order: "NCHW", height: b, width: c, channels: a } : undefined;
}

function pictureSize(port: ModelPort | undefined): readonly [number, number] {
  const layout = pictureLayout(port);
  if (!layout)
    throw new CerebroError("usage", "the model does not say what size its pictures are", { hint: "give size=WxH" });
  return [layout.width, layout.height];
}

const isSmall = (dtype: DType | "string") => dtype === "u8" || dtype === "i8";

/**
 * The steps a picture goes through when nobody says otherwise: the model's size and channels; bytes stay 0 to 255 where
 * the input takes bytes; real numbers are 0 to 1, or as the input's quantisation says.
 */
export function usualSteps(port: ModelPort): string {
  const layout = pictureLayout(port);
  if (!layout) return "";
  const steps = [`channels count=${layout.channels}`, `resize size=${layout.width}x${layout.height}`];
  if (isSmall(port.dtype) && port.quantization) {
    // What 0 and 255 stand for tells which range the model was trained on.
    const { scale, zeroPoint } = port.quantization;
    const lowest = ((port.dtype === "i8" ? -128 : 0) - zeroPoint) * scale;
    if (scale * 255 < 16) steps.push(lowest < -0.25 ? "normalise range=-1..1" : "normalise range=0..1");
  } else if (!isSmall(port.dtype)) steps.push("normalise range=0..1");
  if (layout.order === "NCHW") steps.push("layout order=NCHW");
  return steps.join(" | ");
}

/** What an item goes through when nobody says otherwise: pictures are fitted to the input, arrays are taken as they are. */
export const stepsFor = (item: Item, port: ModelPort): string => (item.kind === "image" ? usualSteps(port) : "");

/** Runs a chain of steps. */
export function runBefore(
  item: Item,
  steps: readonly { readonly row: Step<Item, Item>; readonly options: Readonly<Record<string, unknown>> }[],
  context: StepContext,
): Tensor {
  return tensorOf(steps.reduce((current, { row, options }) => row.apply(current, options, context), item));
}
