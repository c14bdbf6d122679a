// Functions that Keras graphs call, under the names of keras.ops in snake case; TensorFlow's are mapped to these.

import type { Builder } from "../../hlo/build.ts";
import { isFloat } from "../../hlo/dtype.ts";
import type { Value } from "../../hlo/graph.ts";
import type { Direction, OpName } from "../../hlo/ops.ts";
import { elementCount, fromNumbers } from "../../hlo/tensor.ts";
import { activations, elu, leakyRelu, logSoftmax } from "./activation.ts";
import { axisOf, countOf } from "./config.ts";
import { einsum } from "./einsum.ts";
import type { Invocation } from "./invocation.ts";
import { isValue, type Item } from "./layer.ts";
import { convolve } from "./layers/convolution.ts";
import { pool } from "./layers/pooling.ts";
import {
  reshape,
  transpose,
  expandDims,
  squeeze,
  concatenate,
  stack,
  split,
  unstack,
  tile,
  repeated,
  flip,
  roll,
  pad,
  broadcastTo,
  moveaxis,
  swapaxes,
  take,
  oneHot,
  type Function,
  input,
} from "./movement.ts";
import { resize } from "./resize.ts";
import { sliced } from "./slicing.ts";

const floats = (f: Invocation, x: Value) => (isFloat(x.type.dtype) ? x : f.b.convert(x, "f32"));

type Elementwise = Parameters<Builder["plain"]>[0];
const unary =
  (name: Elementwise): Function =>
  (f) =>
    f.b.plain(name, floats(f, input(f)));
const same =
  (name: Elementwise): Function =>
  (f) =>
    f.b.plain(name, input(f));

const binary =
  (name: Elementwise, options: { float?: boolean } = {}): Function =>
  (f) =>
    f.b.binary(name, ...f.pair(options));
const compare =
  (direction: Direction): Function =>
  (f) =>
    f.b.compare(direction, ...f.pair());
const logical =
  (name: "and" | "or" | "xor"): Function =>
  (f) => {
    const truth = (x: Value) => (x.type.dtype === "i1" ? x : f.b.compare("NE", x, f.b.scalar(x.type.dtype, 0)));
    const [a, b] = f.pair();
    return f.b.binary(name, truth(a), truth(b));
  };
const activation =
  (name: string): Function =>
  (f) =>
    activations[name]!(f.b, floats(f, input(f)), f.call.layer.keras);

const reduction =
  (name: "add" | "multiply" | "maximum" | "minimum" | "and" | "or"): Function =>
  (f) => {
    const x = input(f);
    const axes = f.axes(x.type.shape.length, 1, "axis");
    return f.b.reduce(name, x, axes, { keep: f.flag(false, 2, "keepdims", "keep_dims") });
  };
const mean: Function = (f) => {
  const x = floats(f, input(f));
  return f.b.mean(x, f.axes(x.type.shape.length, 1, "axis"), { keep: f.flag(false, 2, "keepdims") });
};
function variance(f: Invocation): Value {
  const { b } = f;
  const x = floats(f, input(f));
  const axes = f.axes(x.type.shape.length, 1, "axis");
  const centred = b.subtract(x, b.mean(x, axes, { keep: true }));
  return b.mean(b.multiply(centred, centred), axes, { keep: f.flag(false, 2, "keepdims") });
}
const argument =
  (which: "GT" | "LT"): Function =>
  (f) => {
    const x = input(f);
    const axis = f.axis(0, x.type.shape.length, 1, "axis", "dimension");
    const found = f.b.argument(which, x, axis, "i32");
    if (!f.flag(false, 2, "keepdims")) return found;
    return f.b.reshape(
      found,
      x.type.shape.map((extent, i) => (i === axis ? 1 : extent)),
    );
  };

const norm: Function = (f) => {
  const { b } = f;
  const x = floats(f, input(f));
  const order = f.item(1, "ord") ?? 2;
  const axes = f.axes(x.type.shape.length, 2, "axis");
  const options = { keep: f.flag(false, 3, "keepdims") };
  if (order === 1) return b.reduce("add", b.plain("abs", x), axes, options);
  if (order !== 2 && order !== "euclidean" && order !== "fro") throw f.unsupported(`norm of order ${String(order)}`);
  return b.plain("sqrt", b.reduce("add", b.multiply(x, x), axes, options));
};
/** x divided by its length, of at least epsilon. */
const normalize: Function = (f) => {
  const { b } = f;
  const x = floats(f, input(f));
  const axes = (f.integers(1, "axis") ?? [-1]).map((axis) => axisOf(axis, x.type.shape.length, f.name));
  if (f.number(2, 2, "order") !== 2) throw f.unsupported("normalises by another order than 2");
  const power = b.reduce("add", b.multiply(x, x), axes, { keep: true });
  const least = f.name.startsWith("tf") ? f.number(1e-12, 3, "epsilon") : f.number(1e-7, 3, "epsilon") ** 2;
  return b.multiply(x, b.plain("rsqrt", b.with("maximum", power, least)));
};
const logsumexp: Function = (f) => {
  const { b } = f;
  const x = floats(f, input(f));
  const axes = f.axes(x.type.shape.length, 1, "axis");
  const most = b.reduce("maximum", x, axes, { keep: true });
  const sum = b.reduce("add", b.plain("exponential", b.subtract(x, most)), axes, { keep: true });
  const result = b.add(b.plain("log", sum), most);
  return f.flag(false, 2, "keepdims")
    ? result
    : b.reshape(
        result,
        x.type.shape.filter((_, i) => !axes.includes(i)),
      );
};

const where: Function = (f) => {
  const condition = f.tensor(0, "condition");
  const [x, y] = [f.item(1, "x1", "x"), f.item(2, "x2", "y")];
  const known = [x, y].find((item) => isValue(item)) as Value | undefined;
  const dtype = known?.type.dtype ?? "f32";
  const test =
    condition.type.dtype === "i1" ? condition : f.b.compare("NE", condition, f.b.scalar(condition.type.dtype, 0));
  return f.b.select(test, f.b.convert(f.value(x, dtype), dtype), f.b.convert(f.value(y, dtype), dtype));
};
const clip: Function = (f) => {
  const x = input(f);
  const low = f.number(undefined, 1, "x_min", "clip_value_min");
  return f.b.clamp(x, low, f.number(undefined, 2, "x_max", "clip_value_max"));
};
const matmul: Function = (f) => {
  const { b } = f;
  const left = f.tensor(0, "x1", "a", "x");
  const right = b.convert(f.value(f.item(1, "x2", "b", "y"), left.type.dtype), left.type.dtype);
  const [m, n] = [left.type.shape.length, right.type.shape.length];
  const options = { transposeA: f.flag(false, 9, "transpose_a"), transposeB: f.flag(false, 9, "transpose_b") };
  if (m > 1 && n > 1) return b.matmul(left, right, options);
  const wide = b.matmul(
    m === 1 ? b.reshape(left, [1, ...left.type.shape]) : left,
    n === 1 ? b.reshape(right, [...right.type.shape, 1]) : right,
  );
  const shape = wide.type.shape.filter(
    (_, i, { length }) => !(m === 1 && i === length - 2) && !(n === 1 && i === length - 1),
  );
  return b.reshape(wide, shape);
};
const einsumOf: Function = (f) => {
  const equation = f.text("", 0, "subscripts", "equation");
  const rest = typeof f.item(0) === "string" ? [f.item(1, "inputs"), f.item(2)] : [f.item(0), f.item(1)];
  const operands = rest.filter((item) => isValue(item));
  return einsum(f.b, equation, operands as Value[], f.call.layer.what);
};
const cast: Function = (f) => f.b.convert(input(f), f.dtype(1, "dtype"));
const like =
  (number: number): Function =>
  (f) => {
    const { dtype, shape } = input(f).type;
    return f.b.full(dtype, shape, number);
  };
const cumsum: Function = (f) => {
  const { b } = f;
  const x = input(f);
  const { shape } = x.type;
  const axis = f.axis(0, shape.length, 1, "axis");
  const count = shape[axis]!;
  if (f.flag(false, 2, "exclusive") || f.flag(false, 3, "reverse")) throw f.unsupported("exclusive or reversed sums");
  const ones = shape.map(() => 1);
  const element = { dtype: x.type.dtype, shape: [] };
  return b.op(
    "reduceWindow",
    [x, b.scalar(x.type.dtype, 0)],
    {
      windowDimensions: ones.map((one, i) => (i === axis ? count : one)),
      windowStrides: ones,
      baseDilations: ones,
      windowDilations: ones,
      padding: ones.map((_, i) => (i === axis ? ([count - 1, 0] as const) : ([0, 0] as const))),
    },
    [b.region([element, element], (inner, p, q) => [inner.plain("add", p!, q!)])],
  );
};
const imageResize: Function = (f) => {
  const x = input(f);
  const [height = 0, width = 0] = f.integers(1, "size") ?? [];
  if (f.text("channels_last", 9, "data_format") !== "channels_last") throw f.unsupported("channels first");
  for (const flag of ["antialias", "crop_to_aspect_ratio", "pad_to_aspect_ratio", "preserve_aspect_ratio"]) {
    if (f.flag(false, 9, flag)) throw f.unsupported(flag);
  }
  const method = f.text("bilinear", 2, "interpolation", "method");
  const three = x.type.shape.length === 3;
  const result = resize(f.call, floats(f, three ? f.b.reshape(x, [1, ...x.type.shape]) : x), [height, width], {
    method,
  });
  return three ? f.b.reshape(result, result.type.shape.slice(1)) : result;
};
/** Blocks of channels become blocks of pixels. */
export function depthToSpace(b: Builder, x: Value, block: number): Value {
  const [n = 1, h = 1, w = 1, c = 1] = x.type.shape;
  const deep = c / (block * block);
  const split = b.reshape(x, [n, h, w, block, block, deep]);
  return b.reshape(b.transpose(split, [0, 1, 3, 2, 4, 5]), [n, h * block, w * block, deep]);
}
const depthToSpaceOf: Function = (f) => depthToSpace(f.b, input(f), f.number(undefined, 1, "block_size"));
const spaceToDepth: Function = (f) => {
  const x = input(f);
  const block = f.number(undefined, 1, "block_size");
  const [n = 1, h = 1, w = 1, c = 1] = x.type.shape;
  const split = f.b.reshape(x, [n, h / block, block, w / block, block, c]);
  return f.b.reshape(f.b.transpose(split, [0, 1, 3, 2, 4, 5]), [n, h / block, w / block, block * block * c]);
};
/** As many numbers as spatial dimensions, from one, as many, or with batch and channels around. */
function spatialSizes(f: Invocation, given: readonly number[] | undefined, rank: number): number[] {
  if (!given) return Array.from({ length: rank }, () => 1);
  if (given.length === rank + 2) return given.slice(1, -1);
  return given.length === 1 ? Array.from({ length: rank }, () => given[0]!) : [...given];
}
const pooling =
  (kind: "maximum" | "mean"): Function =>
  (f) => {
    const x = input(f);
    const rank = x.type.shape.length - 2;
    const size = spatialSizes(f, f.integers(1, "pool_size", "ksize"), rank);
    const strides = f.integers(2, "strides");
    const mode = f.text("valid", 3, "padding").toLowerCase();
    if (!/^(channels_last|NHWC|NWC)$/.test(f.text("channels_last", 4, "data_format")))
      throw f.unsupported("channels first");
    return pool(f.call, x, kind, { size, strides: strides ? spatialSizes(f, strides, rank) : size, mode });
  };
const convolution: Function = (f) => {
  const x = input(f);
  const kernel = f.tensor(1, "kernel", "filter", "filters");
  const rank = x.type.shape.length - 2;
  if (!/^(channels_last|NHWC|NWC)$/.test(f.text("channels_last", 5, "data_format")))
    throw f.unsupported("channels first");
  const strides = spatialSizes(f, f.integers(2, "strides", "stride"), rank);
  const dilations = spatialSizes(f, f.integers(4, "dilation_rate", "dilations"), rank);
  const mode = f.text("valid", 3, "padding").toLowerCase();
  const groups = x.type.shape.at(-1)! / kernel.type.shape[rank]!;
  return convolve(f.call, x, kernel, { strides, dilations, mode, groups });
};
const layerNorm: Function = (f) => {
  const x = floats(f, input(f));
  const axis = (f.integers(3, "axis") ?? [-1]).map((each) => axisOf(each, x.type.shape.length, f.name));
  if (axis.length !== 1 || axis[0] !== x.type.shape.length - 1) throw f.unsupported("another axis than the last");
  const [gamma, beta] = [f.item(1, "gamma"), f.item(2, "beta")];
  const optional = (item: Item | undefined) => (item === undefined ? undefined : f.value(item, x.type.dtype));
  return f.b.layerNorm(x, optional(gamma), optional(beta), f.number(1e-5, 4, "epsilon"));
};
const softmax: Function = (f) => {
  const x = floats(f, input(f));
  return f.b.softmax(x, f.axis(-1, x.type.shape.length, 1, "axis"));
};

const plainOps = {
  absolute: "abs",
  abs: "abs",
  negative: "negate",
  sign: "sign",
} as const satisfies Record<string, OpName>;
const floatOps = {
  exp: "exponential",
  expm1: "exponentialMinusOne",
  log: "log",
  log1p: "logPlusOne",
  sqrt: "sqrt",
  rsqrt: "rsqrt",
  sin: "sine",
  cos: "cosine",
  tan: "tan",
  sinh: "sinh",
  cosh: "cosh",
  tanh: "tanh",
  arcsin: "asin",
  arccos: "acos",
  arctan: "atan",
  arcsinh: "asinh",
  arccosh: "acosh",
  arctanh: "atanh",
  erf: "erf",
  erfinv: "erfInv",
  floor: "floor",
  ceil: "ceil",
  round: "roundNearestEven",
  isfinite: "isFinite",
  isinf: "isInf",
  sigmoid: "logistic",
} as const satisfies Record<string, OpName>;

const mapped = <T extends Record<string, Elementwise>>(table: T, make: (name: Elementwise) => Function) =>
  Object.fromEntries(Object.entries(table).map(([key, name]) => [key, make(name)]));

export const functions: Readonly<Record<string, Function>> = {
  ...Object.fromEntries(
    Object.keys(activations)
      .filter((name) => !["softmax", "log_softmax", "glu", "sparsemax"].includes(name))
      .map((name) => [name, activation(name)]),
  ),
  ...mapped(plainOps, same),
  ...mapped(floatOps, unary),
  add: binary("add"),
  subtract: binary("subtract"),
  multiply: binary("multiply"),
  divide: binary("divide", { float: true }),
  true_divide: binary("divide", { float: true }),
  divide_no_nan: (f) => {
    const [a, b] = f.pair({ float: true });
    const zero = f.b.scalar(b.type.dtype, 0);
    return f.b.select(f.b.compare("EQ", b, zero), zero, f.b.divide(a, b));
  },
  floor_divide: (f) => {
    const [x, y] = f.pair();
    const quotient = f.b.divide(x, y);
    if (isFloat(x.type.dtype)) return f.b.plain("floor", quotient);
    // Integers are cut off towards zero: one less where that was up.
    const rest = f.b.binary("remainder", x, y);
    const zero = f.b.scalar(x.type.dtype, 0);
    const differ = f.b.plain(
      "xor",
      f.b.compare("LT", rest, zero),
      f.b.broadcast(f.b.compare("LT", y, zero), rest.type.shape),
    );
    const inexact = f.b.binary("and", f.b.compare("NE", rest, zero), differ);
    return f.b.subtract(quotient, f.b.convert(inexact, x.type.dtype));
  },
  maximum: binary("maximum"),
  minimum: binary("minimum"),
  power: binary("power"),
  arctan2: binary("atan2", { float: true }),
  squared_difference: (f) => {
    const difference = f.b.subtract(...f.pair());
    return f.b.multiply(difference, difference);
  },
  square: (f) => f.b.multiply(input(f), input(f)),
  reciprocal: (f) => f.b.divide(f.b.scalar(floats(f, input(f)).type.dtype, 1), floats(f, input(f))),
  log2: (f) => f.b.with("multiply", f.b.plain("log", floats(f, input(f))), Math.LOG2E),
  log10: (f) => f.b.with("multiply", f.b.plain("log", floats(f, input(f))), Math.LOG10E),
  isnan: (f) => f.b.compare("NE", input(f), input(f)),
  logical_not: (f) => f.b.plain("not", input(f)),
  logical_and: logical("and"),
  logical_or: logical("or"),
  logical_xor: logical("xor"),
  greater: compare("GT"),
  greater_equal: compare("GE"),
  less: compare("LT"),
  less_equal: compare("LE"),
  equal: compare("EQ"),
  not_equal: compare("NE"),
  softmax,
  log_softmax: (f) => {
    const x = floats(f, input(f));
    return logSoftmax(f.b, x, f.axis(-1, x.type.shape.length, 1, "axis"));
  },
  glu: (f) => activations["glu"]!(f.b, input(f), 3, f.axis(-1, input(f).type.shape.length, 1, "axis")),
  sparsemax: (f) => activations["sparsemax"]!(f.b, input(f), 3, f.axis(-1, input(f).type.shape.length, 1, "axis")),
  leaky_relu: (f) => leakyRelu(f.b, floats(f, input(f)), f.number(0.2, 1, "negative_slope", "alpha")),
  elu: (f) => elu(f.b, floats(f, input(f)), f.number(1, 1, "alpha")),
  gelu: (f) => f.b.gelu(floats(f, input(f)), { approximate: f.flag(!f.name.startsWith("tf"), 1, "approximate") }),
  sum: reduction("add"),
  prod: reduction("multiply"),
  max: reduction("maximum"),
  amax: reduction("maximum"),
  min: reduction("minimum"),
  amin: reduction("minimum"),
  any: reduction("or"),
  all: reduction("and"),
  mean,
  average: mean,
  var: variance,
  std: (f) => f.b.plain("sqrt", variance(f)),
  argmax: argument("GT"),
  argmin: argument("LT"),
  norm,
  normalize,
  logsumexp,
  reshape,
  transpose,
  expand_dims: expandDims,
  squeeze,
  concatenate,
  stack,
  split,
  unstack,
  tile,
  repeat: repeated,
  flip,
  roll,
  pad,
  broadcast_to: broadcastTo,
  moveaxis,
  swapaxes,
  ravel: (f) => f.b.reshape(input(f), [elementCount(input(f).type.shape)]),
  flatten: (f) => f.b.reshape(input(f), [elementCount(input(f).type.shape)]),
  take,
  one_hot: oneHot,
  where,
  clip,
  matmul,
  einsum: einsumOf,
  cast,
  identity: (f) => input(f),
  stop_gradient: (f) => input(f),
  copy: (f) => input(f),
  zeros_like: like(0),
  ones_like: like(1),
  cumsum,
  get_item: (f) => sliced(f, f.item(0, "x") ?? null, f.item(1, "key", "slice_spec") ?? null),
  shape: (f) => {
    const { shape } = input(f).type;
    return f.b.constant(fromNumbers("i32", [shape.length], shape));
  },
  resize: imageResize,
  depth_to_space: depthToSpaceOf,
  space_to_depth: spaceToDepth,
  average_pool: pooling("mean"),
  max_pool: pooling("maximum"),
  conv: convolution,
  layer_normalization: layerNorm,
  bias_add: (f) => f.b.add(input(f), f.value(f.item(1, "bias"), input(f).type.dtype)),
  arange: (f) => {
    const [start, stop] =
      f.item(1, "stop") === undefined
        ? [0, f.number(undefined, 0, "start")]
        : [f.number(0, 0, "start"), f.number(undefined, 1, "stop")];
    const step = f.number(1, 2, "step");
    const count = Math.max(0, Math.ceil((stop - start) / step));
    const numbers = Array.from({ length: count && countOf(count, f.call.layer.what) }, (_, i) => start + i * step);
    return f.b.constant(fromNumbers("i32", [numbers.length], numbers));
  },
};
