// Keras layers: dense ones, embeddings, activations, masking, and those that change nothing at inference.

import type { Builder } from "../../../hlo/build.ts";
import { isFloat } from "../../../hlo/dtype.ts";
import type { Value } from "../../../hlo/graph.ts";
import { activate, elu, leakyRelu, parametricRelu, unknownActivation } from "../activation.ts";
import { axisOf, type Config } from "../config.ts";
import { einsum } from "../einsum.ts";
import { type Call, type Row } from "../layer.ts";
import { isQuantized, quantizationMode, quantizedEinsum, refuseQuantization } from "../quantization.ts";

/** Rows of a table by index, along the first dimension. */
function takeRows(b: Builder, table: Value, indices: Value): Value {
  const { shape } = table.type;
  const rank = indices.type.shape.length;
  return b.op("gather", [table, b.convert(indices, "i32")], {
    offsetDims: shape.slice(1).map((_, i) => rank + i),
    collapsedSliceDims: [0],
    operandBatchingDims: [],
    startIndicesBatchingDims: [],
    startIndexMap: [0],
    indexVectorDim: rank,
    sliceSizes: [1, ...shape.slice(1)],
  });
}

/** The reason why a layer with this activation cannot be built. */
export function refuseActivation(config: Config, ...keys: string[]): string | undefined {
  for (const key of keys) {
    const unknown = unknownActivation(config.get(key));
    if (unknown !== undefined) return `activation ${unknown}`;
  }
  return undefined;
}

/** The layer's own activation. */
export function activated(call: Call, x: Value, key = "activation"): Value {
  return activate(call.b, x, call.config.get(key), call.config, call.layer.keras);
}

export const withBias =
  (...names: string[]) =>
  (config: Config) =>
    config.flag("use_bias", true) ? [...names, "bias"] : names;

/** Layers that pass their input on. */
export const identity: Row = { mask: "keep", call: (_, x) => x };
/** Variables of a layer, with the scale of the first one last when it is quantised. */
const scaled = (variables: (config: Config) => readonly string[], scale: string) => (config: Config) =>
  isQuantized(config) ? [...variables(config), `-${scale}`] : variables(config);

const Dense: Row = {
  variables: scaled(withBias("kernel"), "kernel_scale"),
  refuse: (config) => refuseQuantization(config) ?? refuseActivation(config, "activation"),
  mask: "keep",
  call: (call, inputs) => {
    const x = call.cast(call.one(inputs));
    const bias = call.optional("bias");
    const given = isFloat(x.type.dtype) ? x : call.b.convert(x, call.dtype);
    const product = isQuantized(call.config)
      ? quantizedEinsum(call, "...i,io->...o", given)
      : call.b.matmul(given, call.weight("kernel"));
    return activated(call, bias ? call.b.add(product, bias) : product);
  },
};

const EinsumDense: Row = {
  variables: scaled((config) => (config.has("bias_axes") ? ["kernel", "bias"] : ["kernel"]), "kernel_scale"),
  refuse: (config) => refuseQuantization(config) ?? refuseActivation(config, "activation"),
  mask: "keep",
  call: (call, inputs) => {
    const { b, config } = call;
    const equation = config.text("equation");
    const product = isQuantized(config)
      ? quantizedEinsum(call, equation, call.one(inputs))
      : einsum(b, equation, [call.one(inputs), call.weight("kernel")], config.what);
    const bias = call.optional("bias");
    return activated(call, bias ? b.add(product, bias) : product);
  },
};

/** Rows of bytes divided by the scale of each. */
function dequantizedRows(call: Call, rows: Value, indices: Value): Value {
  const { b } = call;
  const scales = takeRows(b, call.weight("embeddings_scale"), indices);
  return b.divide(b.convert(rows, call.dtype), b.reshape(scales, [...scales.type.shape, 1]));
}

const Embedding: Row = {
  variables: scaled(() => ["embeddings"], "embeddings_scale"),
  refuse: refuseQuantization,
  mask: "own",
  call: (call, inputs) => {
    const { b, config } = call;
    const x = call.one(inputs);
    const indices = b.convert(x, "i32");
    const rows = takeRows(b, call.weight("embeddings"), indices);
    const result = isQuantized(config) ? dequantizedRows(call, rows, indices) : rows;
    if (!config.flag("mask_zero", false)) return result;
    return call.setMask(result, b.compare("NE", indices, b.scalar("i32", 0)));
  },
};

const ReversibleEmbedding: Row = {
  variables: (config) => (config.flag("tie_weights", true) ? ["embeddings"] : ["embeddings", "reverse_embeddings"]),
  refuse: (config) => (quantizationMode(config) === undefined ? undefined : "quantised weights"),
  mask: "own",
  call: (call, inputs, kwargs, rest) => {
    if ((kwargs["reverse"] ?? rest[0]) !== true) return Embedding.call(call, inputs, kwargs, rest);
    const { b, config } = call;
    const tied = config.flag("tie_weights", true);
    const table = call.weight(tied ? "embeddings" : "reverse_embeddings");
    const product = b.matmul(call.one(inputs), table, { transposeB: tied });
    const cap = config.get("logit_soft_cap");
    if (typeof cap !== "number") return product;
    return b.with("multiply", b.plain("tanh", b.with("divide", product, cap)), cap);
  },
};

const PReLU: Row = {
  variables: () => ["alpha"],
  mask: "keep",
  call: (call, inputs) => {
    const { b } = call;
    const x = call.one(inputs);
    const alpha = call.weight("alpha");
    return b.select(b.compare("GT", x, b.scalar(x.type.dtype, 0)), x, b.multiply(x, alpha));
  },
};

const Softmax: Row = {
  mask: "keep",
  call: (call, inputs, kwargs) => {
    const { config } = call;
    const x = call.one(inputs);
    const mask = kwargs["mask"] ?? call.maskOf(inputs);
    const shape = x.type.shape;
    const axes = (config.has("axis") ? config.integers("axis") : [-1]).map((axis) =>
      axisOf(axis, shape.length, config.what),
    );
    const given = mask === null || mask === undefined ? undefined : call.one(mask, "mask");
    return maskedSoftmax(call, x, axes, given);
  },
};

/** Softmax over some dimensions, 0 where the mask is false. */
export function maskedSoftmax(call: Call, x: Value, axes: readonly number[], mask: Value | undefined): Value {
  const { b } = call;
  const { dtype } = x.type;
  const predicate =
    mask &&
    (mask.type.dtype === "i1"
      ? mask
      : b.compare("GT", mask, b.scalar(mask.type.dtype, isFloat(mask.type.dtype) ? 0.5 : 0)));
  const large = b.scalar(dtype, dtype === "f16" ? -3e4 : -1e9);
  const shown = predicate ? b.select(predicate, x, large) : x;
  let result: Value;
  if (axes.length === 1) result = b.softmax(shown, axes[0]!);
  else {
    const shifted = b.subtract(shown, b.reduce("maximum", shown, axes, { keep: true }));
    const powers = b.plain("exponential", shifted);
    result = b.divide(powers, b.reduce("add", powers, axes, { keep: true }));
  }
  return predicate ? b.select(predicate, result, b.scalar(dtype, 0)) : result;
}

const Masking: Row = {
  mask: "own",
  call: (call, inputs) => {
    const { b, config } = call;
    const x = call.one(inputs);
    const rank = x.type.shape.length;
    const differs = b.compare("NE", x, b.scalar(x.type.dtype, config.number("mask_value", 0)));
    const kept = b.reduce("or", differs, [rank - 1]);
    const wide = b.reshape(kept, [...kept.type.shape, 1]);
    return call.setMask(b.multiply(x, b.convert(wide, x.type.dtype)), kept);
  },
};

const Lambda: Row = {
  refuse: () => "Python code",
  note: "refused: Python code",
  call: (call) => {
    throw call.unsupported("is Python code");
  },
};

const elementwise = (write: (call: Call, x: Value) => Value): Row => ({
  mask: "keep",
  call: (call, inputs) => write(call, call.one(inputs)),
});

export const coreLayers: Readonly<Record<string, Row>> = {
  Dense,
  EinsumDense,
  Embedding,
  ReversibleEmbedding,
  PReLU,
  Softmax,
  Masking,
  Lambda,
  Activation: {
    refuse: (config) => refuseActivation(config, "activation"),
    mask: "keep",
    call: (call, inputs) => activated(call, call.one(inputs)),
  },
  ReLU: elementwise((call, x) => parametricRelu(call.b, x, call.config)),
  LeakyReLU: elementwise((call, x) => {
    const { config } = call;
    return leakyRelu(call.b, x, config.number("negative_slope", config.number("alpha", 0.3)));
  }),
  ELU: elementwise((call, x) => elu(call.b, x, call.config.number("alpha", 1))),
  ThresholdedReLU: elementwise(({ b, config }, x) => {
    const passes = b.compare("GT", x, b.scalar(x.type.dtype, config.number("theta", 1)));
    return b.select(passes, x, b.scalar(x.type.dtype, 0));
  }),
  Identity: identity,
  Dropout: identity,
  SpatialDropout1D: identity,
  SpatialDropout2D: identity,
  SpatialDropout3D: identity,
  GaussianDropout: identity,
  GaussianNoise: identity,
  AlphaDropout: identity,
  ActivityRegularization: identity,
  StopGradient: identity,
};
