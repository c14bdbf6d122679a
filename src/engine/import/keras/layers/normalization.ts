// Keras's normalisation layers.

import type { DType } from "../../../hlo/dtype.ts";
import type { Value } from "../../../hlo/graph.ts";
import { axisOf, type Config } from "../config.ts";
import type { Call, Row } from "../layer.ts";

/** Half-precision numbers are normalised in f32. */
const wide = (dtype: DType): DType => (dtype === "f16" || dtype === "bf16" ? "f32" : dtype);

const scaleAndOffset = (config: Config) => [
  ...(config.flag("scale", true) ? ["gamma"] : []),
  ...(config.flag("center", true) ? ["beta"] : []),
];

function axesOf(call: Call, rank: number, otherwise = -1): number[] {
  return call.config.integers("axis", [otherwise]).map((axis) => axisOf(axis, rank, call.layer.what));
}

/** A weight in its own precision or f32's, whichever is more. */
function wideWeight(call: Call, name: string, dtype: DType): Value | undefined {
  const value = call.variable(name);
  return value && call.b.convert(value, dtype);
}

const BatchNormalization: Row = {
  variables: (config) => [
    ...scaleAndOffset(config),
    "-moving_mean",
    "-moving_variance",
    ...(config.flag("renorm", false) ? ["-renorm_mean", "-renorm_stddev"] : []),
  ],
  mask: "keep",
  call: (call, inputs) => {
    const { b, config } = call;
    const given = call.one(inputs);
    const dtype = wide(given.type.dtype);
    const x = b.convert(given, dtype);
    const axes = axesOf(call, x.type.shape.length);
    if (axes.length !== 1) throw call.unsupported(`normalises along ${axes.length} axes`);
    const mean = wideWeight(call, "moving_mean", dtype);
    const variance = wideWeight(call, "moving_variance", dtype);
    if (!mean || !variance) throw call.fail("has no statistics");
    // Everything about the weights comes first: it folds to one factor and one offset a channel.
    const spread = b.plain("rsqrt", b.with("add", variance, config.number("epsilon", 1e-3)));
    const gamma = wideWeight(call, "gamma", dtype);
    const beta = wideWeight(call, "beta", dtype);
    const factor = gamma ? b.multiply(spread, gamma) : spread;
    const shifted = b.multiply(mean, factor);
    const offset = beta ? b.subtract(beta, shifted) : b.plain("negate", shifted);
    const [axis] = axes as [number];
    const along = (value: Value) => b.along(value, x.type.shape, axis);
    return b.convert(b.add(b.multiply(x, along(factor)), along(offset)), given.type.dtype);
  },
};

/** A weight over some dimensions, spread over the others. */
function spreadOver(call: Call, weight: Value, shape: readonly number[], axes: readonly number[]): Value {
  return call.b.op("broadcastInDim", [weight], { shape, dimensions: axes });
}

const LayerNormalization: Row = {
  variables: (config) => (config.flag("rms_scaling", false) ? ["gamma"] : scaleAndOffset(config)),
  mask: "keep",
  call: (call, inputs) => {
    const { b, config } = call;
    const given = call.one(inputs);
    const dtype = wide(given.type.dtype);
    const x = b.convert(given, dtype);
    const { shape } = x.type;
    const axes = axesOf(call, shape.length).toSorted((p, q) => p - q);
    const epsilon = config.number("epsilon", 1e-3);
    const gamma = wideWeight(call, "gamma", dtype);
    const beta = wideWeight(call, "beta", dtype);
    if (config.flag("rms_scaling", false)) {
      const variance = moments(call, x, axes).variance;
      const normal = b.multiply(x, b.plain("rsqrt", b.with("add", variance, epsilon)));
      return b.convert(gamma ? b.multiply(normal, spreadOver(call, gamma, shape, axes)) : normal, given.type.dtype);
    }
    if (axes.length === 1 && axes[0] === shape.length - 1) {
      return b.convert(b.layerNorm(x, gamma, beta, epsilon), given.type.dtype);
    }
    const { centred, variance } = moments(call, x, axes);
    const normal = b.multiply(centred, b.plain("rsqrt", b.with("add", variance, epsilon)));
    const scaled = gamma ? b.multiply(normal, spreadOver(call, gamma, shape, axes)) : normal;
    return b.convert(beta ? b.add(scaled, spreadOver(call, beta, shape, axes)) : scaled, given.type.dtype);
  },
};

function moments(call: Call, x: Value, axes: readonly number[]): { centred: Value; variance: Value } {
  const { b } = call;
  const centred = b.subtract(x, b.mean(x, axes, { keep: true }));
  return { centred, variance: b.mean(b.multiply(centred, centred), axes, { keep: true }) };
}

const GroupNormalization: Row = {
  variables: scaleAndOffset,
  mask: "keep",
  call: (call, inputs) => {
    const { b, config } = call;
    const given = call.one(inputs);
    const dtype = wide(given.type.dtype);
    const x = b.convert(given, dtype);
    const { shape } = x.type;
    const [axis] = axesOf(call, shape.length) as [number];
    const channels = shape[axis]!;
    const wanted = config.integer("groups", 32);
    const groups = wanted === -1 ? channels : wanted;
    if (groups < 1 || channels % groups !== 0)
      throw call.fail(`${channels} channels do not divide into ${groups} groups`);
    const grouped = [...shape.slice(0, axis), groups, channels / groups, ...shape.slice(axis + 1)];
    const split = b.reshape(x, grouped);
    const axes = grouped.map((_, i) => i).filter((i) => i !== 0 && i !== axis);
    const { centred, variance } = moments(call, split, axes);
    const normal = b.multiply(centred, b.plain("rsqrt", b.with("add", variance, config.number("epsilon", 1e-3))));
    const joined = b.reshape(normal, shape);
    const gamma = wideWeight(call, "gamma", dtype);
    const beta = wideWeight(call, "beta", dtype);
    const scaled = gamma ? b.multiply(joined, b.along(gamma, shape, axis)) : joined;
    return b.convert(beta ? b.add(scaled, b.along(beta, shape, axis)) : scaled, given.type.dtype);
  },
};

const RMSNormalization: Row = {
  variables: () => ["scale"],
  mask: "keep",
  call: (call, inputs) => {
    const { b, config } = call;
    const given = call.one(inputs);
    const dtype = wide(given.type.dtype);
    const x = b.convert(given, dtype);
    const axes = axesOf(call, x.type.shape.length);
    const power = b.mean(b.multiply(x, x), axes, { keep: true });
    const normal = b.multiply(x, b.plain("rsqrt", b.with("add", power, config.number("epsilon", 1e-6))));
    const scale = wideWeight(call, "scale", dtype);
    const scaled = scale ? b.multiply(normal, spreadOver(call, scale, x.type.shape, axes)) : normal;
    return b.convert(scaled, given.type.dtype);
  },
};

const UnitNormalization: Row = {
  mask: "keep",
  call: (call, inputs) => {
    const { b } = call;
    const x = call.one(inputs);
    const axes = axesOf(call, x.type.shape.length);
    const power = b.reduce("add", b.multiply(x, x), axes, { keep: true });
    return b.multiply(x, b.plain("rsqrt", b.with("maximum", power, 1e-12)));
  },
};

/** Changes its layer's kernel in training only. */
const SpectralNormalization: Row = {
  variables: () => ["-vector_u"],
  children: (config, make) => [{ attribute: "layer", layer: make(config.get("layer"), "layer") }],
  mask: "own",
  call: (call, inputs, kwargs, rest) => call.invoke(call.child("layer"), inputs, kwargs, rest),
};

export const normalizationLayers: Readonly<Record<string, Row>> = {
  BatchNormalization,
  BatchNormalizationV1: BatchNormalization,
  SyncBatchNormalization: BatchNormalization,
  LayerNormalization,
  GroupNormalization,
  RMSNormalization,
  UnitNormalization,
  SpectralNormalization,
};
