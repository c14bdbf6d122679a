// Keras's preprocessing layers: numbers and pictures. Those that work on text are refused, random ones change nothing.

import { isFloat } from "../../../hlo/dtype.ts";
import type { Value } from "../../../hlo/graph.ts";
import { fromNumbers } from "../../../hlo/tensor.ts";
import { axisOf, type Config, isList } from "../config.ts";
import type { Call, Row } from "../layer.ts";
import { resize, resizeMethods } from "../resize.ts";
import { identity } from "./core.ts";
import { backFirst, channelsFirst, channelsLast } from "./spatial.ts";

const floats = (call: Call, x: Value): Value => (isFloat(x.type.dtype) ? x : call.b.convert(x, call.dtype));

/** A number or numbers along the last dimension. */
function factors(call: Call, key: string, otherwise: number): Value {
  const value = call.config.get(key) ?? otherwise;
  const numbers = isList(value) || typeof value === "object" ? call.config.numbers(key) : [Number(value)];
  return call.b.constant(fromNumbers(call.dtype, numbers.length === 1 ? [] : [numbers.length], numbers));
}

const Rescaling: Row = {
  mask: "keep",
  call: (call, inputs) => {
    const x = floats(call, call.one(inputs));
    return call.b.add(call.b.multiply(x, factors(call, "scale", 1)), factors(call, "offset", 0));
  },
};

const Normalization: Row = {
  variables: (config) => (config.has("mean") ? [] : ["-mean", "-variance", "-count"]),
  call: (call, inputs) => {
    const { b, config } = call;
    const x = floats(call, call.one(inputs));
    const { shape } = x.type;
    const axes = (config.has("axis") ? config.integers("axis") : Object.hasOwn(config.json, "axis") ? [] : [-1])
      .map((axis) => axisOf(axis, shape.length, config.what))
      .toSorted((p, q) => p - q);
    const kept = shape.map((extent, i) => (axes.includes(i) ? extent : 1));
    const statistic = (key: string): Value => {
      const weight = call.optional(key);
      if (weight) return b.reshape(weight, weight.type.shape.length === 0 ? kept.map(() => 1) : kept);
      const numbers = config.numbers(key);
      const count = kept.reduce((product, extent) => product * extent, 1);
      const constant = b.constant(fromNumbers(x.type.dtype, [numbers.length], numbers));
      return numbers.length === count ? b.reshape(constant, kept) : b.broadcast(constant, kept);
    };
    const [mean, variance] = [statistic("mean"), statistic("variance")];
    // The smallest divisor is Keras's epsilon.
    const deviation = b.with("maximum", b.plain("sqrt", variance), 1e-7);
    if (config.flag("invert", false)) return b.add(mean, b.multiply(x, deviation));
    return b.divide(b.subtract(x, mean), deviation);
  },
};

const Discretization: Row = {
  refuse: (config) => {
    if (!config.has("bin_boundaries")) return "bins that are not in its configuration";
    return config.flag("sparse", false) ? "sparse output" : undefined;
  },
  call: (call, inputs) => {
    const { b, config } = call;
    const x = floats(call, call.one(inputs));
    const edges = config.numbers("bin_boundaries");
    const bounds = b.constant(fromNumbers(x.type.dtype, [edges.length], edges));
    const wide = b.reshape(x, [...x.type.shape, 1]);
    const above = b.convert(b.compare("GE", wide, bounds), "i32");
    const places = b.reduce("add", above, [x.type.shape.length]);
    return encoded(call, places, edges.length + 1, config.text("output_mode", "int"));
  },
};

/** Indices as they are, as rows of one, several or counted. */
function encoded(call: Call, indices: Value, count: number, mode: string, weights?: Value): Value {
  const { b } = call;
  if (mode === "int") return indices;
  const { shape } = indices.type;
  const numbers = b.op("iota", [], { dtype: "i32", shape: [count], dimension: 0 });
  // A last dimension of 1 is what one-hot rows replace.
  const single = mode === "one_hot" && shape.length > 1 && shape.at(-1) === 1;
  const given = single ? b.reshape(indices, shape.slice(0, -1)) : indices;
  const equal = b.compare("EQ", b.reshape(given, [...given.type.shape, 1]), numbers);
  const hot = b.convert(equal, call.dtype);
  if (mode === "one_hot") return hot;
  const last = hot.type.shape.length - 2;
  if (mode === "multi_hot") return last < 0 || shape.length === 0 ? hot : b.reduce("maximum", hot, [last]);
  const weighed = weights ? b.multiply(hot, b.reshape(weights, [...weights.type.shape, 1])) : hot;
  return b.reduce("add", weighed, [last]);
}

const CategoryEncoding: Row = {
  refuse: (config) => (config.flag("sparse", false) ? "sparse output" : undefined),
  call: (call, inputs, kwargs, rest) => {
    const { b, config } = call;
    const x = b.convert(call.one(inputs), "i32");
    const mode = config.text("output_mode", "multi_hot");
    const weights = kwargs["count_weights"] ?? rest[0];
    const given = weights === undefined || weights === null ? undefined : call.one(weights, "count_weights");
    return encoded(call, x, config.integer("num_tokens"), mode, given && floats(call, given));
  },
};

/** Integers by their place in a vocabulary; what is not in it has a place of its own in front. */
const IntegerLookup: Row = {
  refuse: (config) => {
    if (!isList(config.get("vocabulary"))) return "a vocabulary that is not in its configuration";
    if (config.flag("invert", false)) return "inverted lookups";
    if (config.integer("num_oov_indices", 1) !== 1) return "another number of places for unknown ones than 1";
    if (config.flag("sparse", false)) return "sparse output";
    const mode = config.text("output_mode", "int");
    if (mode === "tf_idf" || (mode !== "int" && config.has("mask_token"))) return `output_mode ${mode}`;
    return undefined;
  },
  call: (call, inputs) => {
    const { b, config } = call;
    const x = b.convert(call.one(inputs), "i64");
    const vocabulary = config.numbers("vocabulary");
    const mask = config.get("mask_token");
    // Unknown ones are at 0, or at 1 after the mask.
    const unknown = typeof mask === "number" ? 1 : 0;
    const words = b.constant(fromNumbers("i64", [vocabulary.length], vocabulary.map(BigInt)));
    const equal = b.convert(b.compare("EQ", b.reshape(x, [...x.type.shape, 1]), words), "i64");
    const numbers = vocabulary.map((_, i) => BigInt(i + 1));
    const places = b.multiply(equal, b.constant(fromNumbers("i64", [numbers.length], numbers)));
    const found = b.with("add", b.reduce("add", places, [x.type.shape.length]), unknown);
    const masked =
      typeof mask === "number"
        ? b.select(b.compare("EQ", x, b.scalar("i64", BigInt(mask))), b.scalar("i64", 0n), found)
        : found;
    const mode = config.text("output_mode", "int");
    const most = config.get("max_tokens");
    const padded = config.flag("pad_to_max_tokens", false) && typeof most === "number";
    const count = padded ? most : vocabulary.length + 1;
    return mode === "int" ? masked : encoded(call, b.convert(masked, "i32"), count, mode);
  },
};

/** Writes a layer over pictures of rank 3 or 4, channels last. */
function overPictures(call: Call, x: Value, write: (x: Value) => Value): Value {
  const { b } = call;
  const single = x.type.shape.length === 3;
  const four = single ? b.reshape(x, [1, ...x.type.shape]) : x;
  if (four.type.shape.length !== 4) throw call.fail(`input has rank ${x.type.shape.length}`);
  const first = channelsFirst(call.config);
  const result = write(first ? channelsLast(call, four) : four);
  const back = first ? backFirst(call, result) : result;
  return single ? b.reshape(back, back.type.shape.slice(1)) : back;
}

const sizeOf = (config: Config): readonly [number, number] => [config.integer("height"), config.integer("width")];

const Resizing: Row = {
  refuse: (config) => {
    const method = config.text("interpolation", "bilinear");
    if (!resizeMethods.includes(method)) return `interpolation ${method}`;
    if (config.flag("antialias", false)) return "antialias";
    return config.flag("pad_to_aspect_ratio", false) ? "pad_to_aspect_ratio" : undefined;
  },
  call: (call, inputs) =>
    overPictures(call, call.one(inputs), (given) => {
      const { b, config } = call;
      const method = config.text("interpolation", "bilinear");
      const dtype = given.type.dtype;
      const x = floats(call, given);
      const [height, width] = sizeOf(config);
      const shown = config.flag("crop_to_aspect_ratio", false) ? cropToRatio(call, x, height / width) : x;
      const result = resize(call, shown, [height, width], { method });
      return method === "nearest" ? b.convert(result, dtype) : result;
    }),
};

/** The middle of a picture with the ratio of height to width given. */
function cropToRatio(call: Call, x: Value, ratio: number): Value {
  const [, height = 1, width = 1] = x.type.shape;
  const wanted = {
    height: Math.min(height, Math.max(1, Math.trunc(width * ratio))),
    width: Math.min(width, Math.max(1, Math.trunc(height / ratio))),
  };
  return middle(call, x, wanted.height, wanted.width);
}

function middle(call: Call, x: Value, height: number, width: number): Value {
  const [batch = 1, h = 1, w = 1, channels = 1] = x.type.shape;
  const [top, left] = [Math.trunc((h - height) / 2), Math.trunc((w - width) / 2)];
  return call.b.slice(x, [0, top, left, 0], [batch, top + height, left + width, channels]);
}

const CenterCrop: Row = {
  call: (call, inputs) =>
    overPictures(call, call.one(inputs), (given) => {
      const x = floats(call, given);
      const [height, width] = sizeOf(call.config);
      const [, h = 1, w = 1] = x.type.shape;
      if (h >= height && w >= width) return middle(call, x, height, width);
      // Pictures that are too small are cut to the ratio and enlarged.
      const cut = cropToRatio(call, x, height / width);
      return resize(call, cut, [height, width], { method: "bilinear" });
    }),
};

const refused = (reason: string): Row => ({
  refuse: () => reason,
  note: `refused: ${reason}`,
  call: (call) => {
    throw call.unsupported(reason);
  },
});

const random = [
  "AugMix",
  "CutMix",
  "MixUp",
  "RandAugment",
  "RandomBrightness",
  "RandomColorDegeneration",
  "RandomColorJitter",
  "RandomContrast",
  "RandomElasticTransform",
  "RandomErasing",
  "RandomFlip",
  "RandomGaussianBlur",
  "RandomGrayscale",
  "RandomHeight",
  "RandomHue",
  "RandomInvert",
  "RandomPerspective",
  "RandomPosterization",
  "RandomRotation",
  "RandomSaturation",
  "RandomSharpness",
  "RandomShear",
  "RandomTranslation",
  "RandomWidth",
  "RandomZoom",
];

export const preprocessingLayers: Readonly<Record<string, Row>> = {
  Rescaling,
  Normalization,
  Discretization,
  CategoryEncoding,
  Resizing,
  CenterCrop,
  ...Object.fromEntries(random.map((name) => [name, identity])),
  StringLookup: refused("string tensors"),
  TextVectorization: refused("string tensors"),
  IntegerLookup,
  Hashing: refused("hashes of strings"),
  HashedCrossing: refused("hashes of strings"),
};
