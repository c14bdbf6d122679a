// Calls of functions in Keras graphs as rows: `keras.ops` of Keras 3, TensorFlow's functions in graphs of tf_keras.

import { type Config, isList, isObject, type Json } from "./config.ts";
import { functions } from "./functions.ts";
import { Invocation } from "./invocation.ts";
import type { Call, Row } from "./layer.ts";

/** Whether a configuration is that of a function: an operation of Keras 3. */
export function isOperation(json: Json): boolean {
  if (!isObject(json)) return false;
  if (typeof json["module"] === "string") return /^keras\.(?:src\.)?ops\b/.test(json["module"]);
  // HDF5 files leave the module out: operations have nothing of a layer but a name (and Cast a type).
  const [node] = isList(json["inbound_nodes"]) ? json["inbound_nodes"] : [];
  const config = json["config"];
  const plain = isObject(config) && !("trainable" in config) && (!("dtype" in config) || json["class_name"] === "Cast");
  return plain && isObject(node) && "args" in node;
}

const snake = (name: string) =>
  name
    .replaceAll(/(.)([A-Z][a-z]+)/g, "$1_$2")
    .replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2")
    .toLowerCase();

/** Operations of Keras 3 whose class is not called after their function. */
const classNames: Readonly<Record<string, string>> = {
  GetItem: "get_item",
  Argmax: "argmax",
  Argmin: "argmin",
  Logsumexp: "logsumexp",
  LogSumExp: "logsumexp",
  NotEqual: "not_equal",
  Var: "var",
};

/** The row of an operation; undefined when its function is not built. */
export function operationRow(json: Json): Row | undefined {
  const className = isObject(json) && typeof json["class_name"] === "string" ? json["class_name"] : "";
  const name = classNames[className] ?? snake(className);
  const write = Object.hasOwn(functions, name) ? functions[name] : undefined;
  if (!write) return undefined;
  return {
    plain: true,
    mask: "stop",
    call: (call, first, kwargs, rest) => write(new Invocation(call, name, [first, ...rest], kwargs)),
  };
}

/** TensorFlow's functions by ours; their module is left out. */
const tensorflow: Readonly<Record<string, string>> = {
  __getitem__: "get_item",
  getitem: "get_item",
  truediv: "divide",
  divide: "divide",
  realdiv: "divide",
  floordiv: "floor_divide",
  sub: "subtract",
  mul: "multiply",
  pow: "power",
  neg: "negative",
  reduce_sum: "sum",
  reduce_mean: "mean",
  reduce_max: "max",
  reduce_min: "min",
  reduce_prod: "prod",
  reduce_any: "any",
  reduce_all: "all",
  reduce_variance: "var",
  reduce_std: "std",
  reduce_logsumexp: "logsumexp",
  concat: "concatenate",
  clip_by_value: "clip",
  l2_normalize: "normalize",
  gather: "take",
  swish: "silu",
  conv2d: "conv",
  conv1d: "conv",
  max_pool2d: "max_pool",
  avg_pool2d: "average_pool",
  avg_pool: "average_pool",
  asin: "arcsin",
  acos: "arccos",
  atan: "arctan",
  asinh: "arcsinh",
  acosh: "arccosh",
  atanh: "arctanh",
  atan2: "arctan2",
  is_nan: "isnan",
  is_finite: "isfinite",
  is_inf: "isinf",
  reverse: "flip",
};

function functionNamed(config: Config): string {
  const path = config.text("function", "");
  const last = path.split(".").at(-1)!;
  return tensorflow[last] ?? last;
}

/** A function of TensorFlow as a layer of tf_keras. */
function tensorflowCall(call: Call, first: Parameters<Row["call"]>[1], kwargs: Parameters<Row["call"]>[2]) {
  const name = functionNamed(call.config);
  const write = Object.hasOwn(functions, name) ? functions[name] : undefined;
  if (!write) throw call.unsupported(`function ${call.config.text("function", "")} is not built`);
  return write(new Invocation(call, `tf.${name}`, [first], kwargs));
}

const tensorflowRow: Row = {
  plain: true,
  refuse: (config) => {
    const known = Object.hasOwn(functions, functionNamed(config));
    return known ? undefined : `function tf.${config.text("function", "?")}`;
  },
  call: tensorflowCall,
};

export const operationLayers: Readonly<Record<string, Row>> = {
  TFOpLambda: tensorflowRow,
  SlicingOpLambda: tensorflowRow,
};
