// Keras's activation functions by their registered names.

import { CerebroError } from "../../../base/errors.ts";
import type { Builder } from "../../hlo/build.ts";
import type { Value } from "../../hlo/graph.ts";
import { axisOf, type Config, isObject, type Json } from "./config.ts";

/** `axis` is that of softmax and its like. */
export type Activation = (b: Builder, x: Value, keras: 2 | 3, axis?: number) => Value;

const times = (b: Builder, x: Value, number: number) => b.with("multiply", x, number);
const plus = (b: Builder, x: Value, number: number) => b.with("add", x, number);

/** x where it is positive, elsewhere x times slope. */
export function leakyRelu(b: Builder, x: Value, slope: number): Value {
  return b.select(b.compare("GE", x, b.scalar(x.type.dtype, 0)), x, times(b, x, slope));
}
export function elu(b: Builder, x: Value, alpha = 1): Value {
  const negative = times(b, b.plain("exponentialMinusOne", x), alpha);
  return b.select(b.compare("GT", x, b.scalar(x.type.dtype, 0)), x, negative);
}
/** log(1 + exp(x)), without overflow. */
export function softplus(b: Builder, x: Value): Value {
  const magnitude = b.plain("negate", b.plain("abs", x));
  return b.add(b.relu(x), b.plain("logPlusOne", b.plain("exponential", magnitude)));
}
function hardSigmoid(b: Builder, x: Value, keras: 2 | 3): Value {
  // Keras 2's slope is 0.2, Keras 3's a sixth.
  return b.clamp(keras === 2 ? plus(b, times(b, x, 0.2), 0.5) : times(b, b.clamp(plus(b, x, 3), 0, 6), 1 / 6), 0, 1);
}
/** Where |x| is larger than the threshold: `outside`; elsewhere 0. */
function shrink(b: Builder, x: Value, threshold: number, outside: (x: Value) => Value): Value {
  const large = b.compare("GT", b.plain("abs", x), b.scalar(x.type.dtype, threshold));
  return b.select(large, outside(x), b.scalar(x.type.dtype, 0));
}
export function logSoftmax(b: Builder, x: Value, axis: number): Value {
  const shifted = b.subtract(x, b.reduce("maximum", x, [axis], { keep: true }));
  const sum = b.reduce("add", b.plain("exponential", shifted), [axis], { keep: true });
  return b.subtract(shifted, b.plain("log", sum));
}
/** Projection on the simplex (Martins and Astudillo, 2016), as Keras has it: its threshold adds up the running sums. */
function sparsemax(b: Builder, x: Value, axis: number): Value {
  const { dtype, shape } = x.type;
  const rank = shape.length;
  const order = shape.map((_, i) => i).filter((i) => i !== axis);
  const moved = b.transpose(x, [...order, axis]);
  const count = shape[axis]!;
  const element = { dtype, shape: [] };
  const falling = b.region([element, element], (inner, left, right) => [inner.compare("GT", left!, right!)]);
  const sorted = b.op("sort", [moved], { dimension: rank - 1, stable: false }, [falling]);
  const places = plus(b, b.op("iota", [], { dtype, shape: [count], dimension: 0 }), 1);
  const rows = b.op("iota", [], { dtype: "i32", shape: [count, count], dimension: 0 });
  const columns = b.op("iota", [], { dtype: "i32", shape: [count, count], dimension: 1 });
  const sums = b.matmul(sorted, b.convert(b.compare("LE", rows, columns), dtype));
  const inside = b.compare("GT", b.add(b.multiply(sorted, places), b.scalar(dtype, 1)), sums);
  const size = b.reduce("add", b.convert(inside, dtype), [rank - 1], { keep: true });
  const kept = b.select(inside, sums, b.scalar(dtype, 0));
  const total = b.reduce("add", kept, [rank - 1], { keep: true });
  const result = b.relu(b.subtract(moved, b.divide(plus(b, total, -1), size)));
  const back = shape.map((_, i) => (i === axis ? rank - 1 : order.indexOf(i)));
  return b.transpose(result, back);
}

const silu: Activation = (b, x) => b.multiply(x, b.plain("logistic", x));
const hardSilu: Activation = (b, x, keras) => b.multiply(x, hardSigmoid(b, x, keras));
const last = (x: Value, axis: number | undefined) => axis ?? x.type.shape.length - 1;

export const activations: Readonly<Record<string, Activation>> = {
  linear: (_, x) => x,
  relu: (b, x) => b.relu(x),
  relu6: (b, x) => b.clamp(x, 0, 6),
  leaky_relu: (b, x) => leakyRelu(b, x, 0.2),
  elu: (b, x) => elu(b, x),
  celu: (b, x) => elu(b, x),
  selu: (b, x) => times(b, elu(b, x, 1.6732632423543772), 1.0507009873554805),
  softmax: (b, x, _, axis) => b.softmax(x, last(x, axis)),
  log_softmax: (b, x, _, axis) => logSoftmax(b, x, last(x, axis)),
  sparsemax: (b, x, _, axis) => sparsemax(b, x, last(x, axis)),
  softplus: (b, x) => softplus(b, x),
  softsign: (b, x) => b.divide(x, plus(b, b.plain("abs", x), 1)),
  squareplus: (b, x) => times(b, b.add(x, b.plain("sqrt", plus(b, b.multiply(x, x), 4))), 0.5),
  soft_shrink: (b, x) => shrink(b, x, 0.5, (y) => b.subtract(y, times(b, b.plain("sign", y), 0.5))),
  hard_shrink: (b, x) => shrink(b, x, 0.5, (y) => y),
  tanh_shrink: (b, x) => b.subtract(x, b.plain("tanh", x)),
  threshold: (b, x) => x && b.select(b.compare("GT", x, b.scalar(x.type.dtype, 0)), x, b.scalar(x.type.dtype, 0)),
  sparse_plus: (b, x) => {
    const middle = times(b, b.multiply(plus(b, x, 1), plus(b, x, 1)), 0.25);
    const { dtype } = x.type;
    const above = b.select(b.compare("LT", x, b.scalar(dtype, 1)), middle, x);
    return b.select(b.compare("LE", x, b.scalar(dtype, -1)), b.scalar(dtype, 0), above);
  },
  sparse_sigmoid: (b, x) => b.clamp(times(b, plus(b, x, 1), 0.5), 0, 1),
  silu,
  swish: silu,
  gelu: (b, x) => b.gelu(x),
  glu: (b, x, _, axis) => {
    const at = last(x, axis);
    const { shape } = x.type;
    const half = shape[at]! / 2;
    const start = shape.map(() => 0);
    const first = b.slice(
      x,
      start,
      shape.map((n, i) => (i === at ? half : n)),
    );
    const second = b.slice(
      x,
      start.map((_n, i) => (i === at ? half : 0)),
      shape,
    );
    return b.multiply(first, b.plain("logistic", second));
  },
  tanh: (b, x) => b.plain("tanh", x),
  sigmoid: (b, x) => b.plain("logistic", x),
  log_sigmoid: (b, x) => b.plain("negate", softplus(b, b.plain("negate", x))),
  exponential: (b, x) => b.plain("exponential", x),
  exp: (b, x) => b.plain("exponential", x),
  hard_sigmoid: hardSigmoid,
  hard_silu: hardSilu,
  hard_swish: hardSilu,
  hard_tanh: (b, x) => b.clamp(x, -1, 1),
  mish: (b, x) => b.multiply(x, b.plain("tanh", softplus(b, x))),
};

/** TensorFlow.js spells them in camel case. */
const snake = (name: string) => name.replaceAll(/([a-z])([A-Z])/g, "$1_$2").toLowerCase();

/**
 * The name of an activation in a configuration: a name, a serialised function, or a layer ("layer"). Undefined when it
 * is something else.
 */
function activationName(json: Json | undefined): string | undefined {
  if (json === undefined || json === null) return "linear";
  if (typeof json === "string") return snake(json.replace(/^.*>/, ""));
  if (!isObject(json)) return undefined;
  if (typeof json["config"] === "string") return snake(json["config"].replace(/^.*>/, ""));
  return typeof json["class_name"] === "string" ? snake(json["class_name"]) : undefined;
}

/** What layers whose activation is a layer of its own are made of. */
const layerActivations: Readonly<Record<string, (b: Builder, x: Value, config: Config) => Value>> = {
  re_lu: (b, x, config) => parametricRelu(b, x, config),
  leaky_re_lu: (b, x, config) => leakyRelu(b, x, config.number("negative_slope", config.number("alpha", 0.3))),
  elu: (b, x, config) => elu(b, x, config.number("alpha", 1)),
  softmax: (b, x, config) => b.softmax(x, axisOf(config.integer("axis", -1), x.type.shape.length, config.what)),
};

/** The ReLU layer: a slope below the threshold, a largest value. */
export function parametricRelu(b: Builder, x: Value, config: Config): Value {
  const slope = config.number("negative_slope", 0);
  const threshold = config.number("threshold", 0);
  const most = config.get("max_value");
  const { dtype } = x.type;
  let result: Value;
  if (threshold === 0) result = slope === 0 ? b.relu(x) : leakyRelu(b, x, slope);
  else {
    const below = times(b, plus(b, x, -threshold), slope);
    result = b.select(b.compare("GE", x, b.scalar(dtype, threshold)), x, below);
  }
  return typeof most === "number" ? b.with("minimum", result, most) : result;
}

/** Whether an activation of a configuration is built; else its name. */
export function unknownActivation(json: Json | undefined): string | undefined {
  const name = activationName(json);
  if (name !== undefined && (name in activations || (isObject(json) && name in layerActivations))) return undefined;
  return name ?? JSON.stringify(json)?.slice(0, 60);
}

/** Applies the activation of a configuration. */
export function activate(b: Builder, x: Value, json: Json | undefined, config: Config, keras: 2 | 3): Value {
  const name = activationName(json);
  if (name !== undefined && isObject(json) && isObject(json["config"])) {
    const layer = layerActivations[name];
    if (layer) return layer(b, x, new (config.constructor as typeof Config)(json["config"], config.what));
  }
  const activation = name === undefined ? undefined : activations[name];
  if (!activation)
    throw new CerebroError("unsupported", `${config.what}: activation ${name ?? "of a custom function"}`);
  return activation(b, x, keras);
}
