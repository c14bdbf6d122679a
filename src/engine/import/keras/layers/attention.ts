// Keras's attention layers: multi-head, grouped-query, dot-product, additive.

import type { Value } from "../../../hlo/graph.ts";
import { type Config, isList } from "../config.ts";
import { type Arguments, Call, type Item, isValue, type Make, type Row } from "../layer.ts";
import { quantizationMode } from "../quantization.ts";
import { maskedSoftmax } from "./core.ts";
import { repeat } from "./reshaping.ts";

/** Query [batch, heads, targets, size], key and value [batch, heads, sources, size]. */
interface Heads {
  readonly query: Value;
  readonly key: Value;
  readonly value: Value;
}

function projections(config: Config, make: Make, gated: boolean) {
  const child = (name: string) => ({
    attribute: `${name}_dense|_${name}_dense`,
    layer: make(
      {
        class_name: "EinsumDense",
        config: {
          name: name === "output" ? "attention_output" : name,
          equation: "",
          bias_axes: config.flag("use_bias", true) ? "e" : null,
          trainable: config.flag("trainable", true),
          dtype: config.get("dtype") ?? "float32",
        },
      },
      name,
    ),
  });
  return ["query", "key", ...(gated ? ["gate"] : []), "value", "output"].map(child);
}

/** x [batch, length, features] times a kernel [features, heads, size], as [batch, heads, length, size]. */
function project(call: Call, name: string, x: Value): Value {
  const { b } = call;
  const inner = new Call(call.run, call.child(`_${name}_dense`));
  const kernel = inner.weight("kernel");
  const [features = 1, heads = 1, size = 1] = kernel.type.shape;
  const [batch = 1, length = 1] = x.type.shape;
  const product = b.matmul(x, b.reshape(kernel, [features, heads * size]));
  const bias = inner.optional("bias");
  const sum = bias ? b.add(product, b.reshape(bias, [heads * size])) : product;
  return b.transpose(b.reshape(sum, [batch, length, heads, size]), [0, 2, 1, 3]);
}

/** [batch, heads, length, size] joined and projected to the output's features. */
function projectOut(call: Call, x: Value): Value {
  const { b } = call;
  const inner = new Call(call.run, call.child("_output_dense"));
  const kernel = inner.weight("kernel");
  const [batch = 1, heads = 1, length = 1, size = 1] = x.type.shape;
  const output = kernel.type.shape.slice(2);
  const features = output.reduce((product, extent) => product * extent, 1);
  const joined = b.reshape(b.transpose(x, [0, 2, 1, 3]), [batch, length, heads * size]);
  const product = b.matmul(joined, b.reshape(kernel, [heads * size, features]));
  const bias = inner.optional("bias");
  const sum = bias ? b.add(product, b.reshape(bias, [features])) : product;
  return b.reshape(sum, [batch, length, ...output]);
}

/** Which sources each target sees: sources up to its own place. */
function causal(call: Call, targets: number, sources: number): Value {
  const { b } = call;
  const shape = [1, targets, sources];
  const row = b.op("iota", [], { dtype: "i32", shape, dimension: 1 });
  return b.compare("GE", row, b.op("iota", [], { dtype: "i32", shape, dimension: 2 }));
}

function window(call: Call, targets: number, sources: number, reach: number): Value {
  const { b } = call;
  const shape = [1, targets, sources];
  const row = b.op("iota", [], { dtype: "i32", shape, dimension: 1 });
  const distance = b.plain("abs", b.subtract(row, b.op("iota", [], { dtype: "i32", shape, dimension: 2 })));
  return b.compare("LT", distance, b.scalar("i32", reach));
}

const predicate = (call: Call, mask: Value) =>
  mask.type.dtype === "i1" ? mask : call.b.compare("NE", mask, call.b.scalar(mask.type.dtype, 0));

/** An argument by name, or by its place after the first. */
function argument(kwargs: Arguments, rest: readonly Item[], name: string, place: number): Item | undefined {
  return kwargs[name] ?? rest[place] ?? undefined;
}

/** Every mask of a multi-head call together, [batch or 1, targets or 1, sources]; undefined: all is seen. */
function togetherMask(
  call: Call,
  kwargs: Arguments,
  rest: readonly Item[],
  tensors: { query: Value; value: Value; key: Value | undefined },
): Value | undefined {
  const { b, config } = call;
  const masks: Value[] = [];
  const reshaped = (mask: Value, axis: 1 | 2) => {
    const [batch = 1, length = 1] = mask.type.shape;
    masks.push(b.reshape(predicate(call, mask), axis === 2 ? [batch, length, 1] : [batch, 1, length]));
  };
  const given = (name: string, place: number, tensor: Value | undefined) => {
    const explicit = argument(kwargs, rest, name, place);
    return isValue(explicit) ? explicit : call.maskOf(tensor);
  };
  const queryMask = given("query_mask", 2, tensors.query);
  if (queryMask) reshaped(queryMask, 2);
  const valueMask = given("value_mask", 3, tensors.value);
  if (valueMask) reshaped(valueMask, 1);
  const keyMask = given("key_mask", 4, tensors.key);
  if (keyMask) reshaped(keyMask, 1);
  const [targets = 1, sources = 1] = [tensors.query.type.shape[1], tensors.value.type.shape[1]];
  if (argument(kwargs, rest, "use_causal_mask", 8) === true) masks.push(causal(call, targets, sources));
  const reach = config.get("sliding_window");
  if (typeof reach === "number") masks.push(window(call, targets, sources, reach));
  const explicit = argument(kwargs, rest, "attention_mask", 5);
  if (isValue(explicit)) masks.push(predicate(call, explicit));
  if (masks.length === 0) return undefined;
  return masks.reduce((left, right) => b.binary("and", left, right));
}

/** Attention over heads; gives the result and the weights, [batch, heads, targets, sources]. */
function attend(call: Call, { query, key, value }: Heads, scale: number, mask: Value | undefined, exact: boolean) {
  const { b } = call;
  const { dtype } = query.type;
  const scores = b.matmul(b.with("multiply", query, scale), key, { transposeB: true });
  const wide = mask && spreadMask(call, mask, scores.type.shape);
  let weights: Value;
  if (!wide) weights = b.softmax(scores, 3);
  else if (call.layer.keras === 2) {
    // Keras 2 adds a large negative number.
    const hidden = b.subtract(b.scalar(dtype, 1), b.convert(wide, dtype));
    weights = b.softmax(b.add(scores, b.with("multiply", hidden, dtype === "f16" ? -65504 : -1e9)), 3);
  } else if (exact) weights = maskedSoftmax(call, scores, [3], wide);
  else weights = b.softmax(b.select(wide, scores, b.scalar(dtype, -0.7 * (dtype === "f16" ? 65500 : 3.38e38))), 3);
  return { output: b.matmul(weights, value), weights };
}

/** A mask [batch, targets, sources] or with heads, over the scores. */
function spreadMask(call: Call, mask: Value, shape: readonly number[]): Value {
  const { b } = call;
  const own = mask.type.shape;
  const four = own.length === 3 ? [own[0]!, 1, own[1]!, own[2]!] : own;
  return b.broadcast(b.reshape(mask, four), shape);
}

interface Tensors {
  readonly query: Value;
  readonly value: Value;
  readonly key: Value | undefined;
}

/** The tensors of a call: one after another, by name, or in a list. */
function tensorsOf(call: Call, inputs: Item, kwargs: Arguments, rest: readonly Item[]): Tensors {
  const list = Array.isArray(inputs) ? (inputs as readonly Item[]) : [inputs, ...rest];
  const key = kwargs["key"] ?? (Array.isArray(inputs) ? list[2] : rest[1]);
  return {
    query: call.one(kwargs["query"] ?? list[0], "query"),
    value: call.one(kwargs["value"] ?? list[1], "value"),
    key: isValue(key) ? key : undefined,
  };
}

/** Rank 3 as it is; of more dimensions those that are attended over become one, the others belong to the batch. */
function flattenAxes(call: Call, x: Value): { flat: Value; back: (y: Value) => Value } {
  const { b, config } = call;
  const { shape } = x.type;
  const rank = shape.length;
  if (rank === 3) return { flat: x, back: (y) => y };
  const given = config.get("attention_axes");
  const inner = Array.from({ length: rank - 2 }, (_, i) => i + 1);
  // Axes count in the tensor with heads, which has one dimension more; negative ones from the features.
  const axes =
    given === undefined ? inner : config.integers("attention_axes").map((axis) => (axis < 0 ? axis + rank : axis));
  const outer = inner.filter((axis) => !axes.includes(axis));
  const permutation = [0, ...outer, ...axes, rank - 1];
  const extents = (list: readonly number[]) => list.reduce((product, axis) => product * shape[axis]!, 1);
  const flat = b.reshape(b.transpose(x, permutation), [shape[0]! * extents(outer), extents(axes), shape[rank - 1]!]);
  const back = (y: Value) => {
    const moved = permutation.slice(0, -1).map((axis) => shape[axis]!);
    const wide = b.reshape(y, [...moved, ...y.type.shape.slice(2)]);
    const order = [...permutation.slice(0, -1).keys()].map((axis) => permutation.indexOf(axis));
    return b.transpose(wide, [...order, ...y.type.shape.slice(2).map((_, i) => rank - 1 + i)]);
  };
  return { flat, back };
}

function multiHead(call: Call, inputs: Item, kwargs: Arguments, rest: readonly Item[]): Item {
  const { b, config } = call;
  const grouped = call.layer.className === "GroupQueryAttention" || call.layer.className === "GroupedQueryAttention";
  const given = tensorsOf(call, inputs, kwargs, rest);
  const query = flattenAxes(call, given.query);
  const value = flattenAxes(call, given.value).flat;
  const key = given.key ? flattenAxes(call, given.key).flat : value;
  const rank = given.query.type.shape.length;
  const mask = togetherMask(call, kwargs, rest, given);
  if (mask && rank !== 3) throw call.unsupported("masks over more than one dimension");
  const heads = {
    query: project(call, "query", query.flat),
    key: project(call, "key", key),
    value: project(call, "value", value),
  };
  const times = heads.query.type.shape[1]! / heads.key.type.shape[1]!;
  const spread = grouped
    ? { query: heads.query, key: repeat(call, heads.key, 1, times), value: repeat(call, heads.value, 1, times) }
    : heads;
  const size = config.integer(grouped ? "head_dim" : "key_dim");
  const wantsScores = argument(kwargs, rest, "return_attention_scores", 6) === true;
  const exact = wantsScores || config.number("dropout", 0) > 0 || rank !== 3;
  const { output, weights } = attend(call, spread, 1 / Math.sqrt(size), mask, exact);
  const gated = config.flag("use_gate", false);
  const passed = gated ? b.multiply(output, b.plain("logistic", project(call, "gate", query.flat))) : output;
  const result = query.back(projectOut(call, passed));
  if (!grouped) call.setMask(result, call.maskOf(given.query));
  return wantsScores ? [result, weights] : result;
}

const multiHeadRow: Row = {
  children: (config, make) => projections(config, make, config.flag("use_gate", false)),
  refuse: (config) => (quantizationMode(config) === undefined ? undefined : "quantised weights"),
  mask: "own",
  call: multiHead,
};

/** The masks of a call of (additive) attention: [query mask, value mask]. */
function pairOfMasks(call: Call, inputs: Item, kwargs: Arguments): readonly (Value | undefined)[] {
  const explicit = kwargs["mask"];
  if (Array.isArray(explicit)) return (explicit as readonly Item[]).map((mask) => (isValue(mask) ? mask : undefined));
  return (inputs as readonly Item[]).map((input) => call.maskOf(input));
}

function simpleAttention(score: (call: Call, query: Value, key: Value) => Value) {
  return (call: Call, inputs: Item, kwargs: Arguments): Item => {
    const { b, config } = call;
    const list = call.many(inputs);
    const [query, value] = list as [Value, Value];
    if (!isList(inputs as never) || !query || !value) throw call.fail("needs a query and a value");
    const key = list[2] ?? value;
    const [queryMask, valueMask] = pairOfMasks(call, inputs, kwargs);
    const scores = score(call, query, key);
    const [targets = 1, sources = 1] = scores.type.shape.slice(-2);
    const masks: Value[] = [];
    if (valueMask) masks.push(b.reshape(predicate(call, valueMask), [valueMask.type.shape[0]!, 1, sources]));
    const wantsCausal = kwargs["use_causal_mask"] === true || config.get("causal") === true;
    if (wantsCausal) masks.push(causal(call, targets, sources));
    let shown = scores;
    if (masks.length > 0) {
      const mask = masks.reduce((left, right) => b.binary("and", left, right));
      const { dtype } = scores.type;
      shown = b.select(mask, scores, b.with("subtract", scores, dtype === "f16" ? 65504 : 1e9));
    }
    const weights = b.softmax(shown, shown.type.shape.length - 1);
    const product = b.matmul(weights, value);
    const wide = queryMask && b.reshape(predicate(call, queryMask), [...queryMask.type.shape, 1]);
    const output = wide ? b.select(wide, product, b.scalar(product.type.dtype, 0)) : product;
    call.setMask(output, queryMask);
    return kwargs["return_attention_scores"] === true ? [output, weights] : output;
  };
}

/** tanh(query + key) added up over the features, for every pair. */
function additive(call: Call, query: Value, key: Value, inner: Value | undefined, outer: Value | undefined): Value {
  const { b } = call;
  const [q, k] = [query.type.shape, key.type.shape];
  const rank = q.length;
  const left = b.reshape(query, [...q.slice(0, -1), 1, q[rank - 1]!]);
  const right = b.reshape(key, [...k.slice(0, -2), 1, ...k.slice(-2)]);
  const sum = b.add(left, right);
  const bent = b.plain("tanh", inner ? b.multiply(sum, inner) : sum);
  return b.reduce("add", outer ? b.multiply(bent, outer) : bent, [rank]);
}

export const attentionLayers: Readonly<Record<string, Row>> = {
  MultiHeadAttention: multiHeadRow,
  GroupQueryAttention: multiHeadRow,
  GroupedQueryAttention: multiHeadRow,
  Attention: {
    variables: (config) => [
      ...(config.flag("use_scale", false) ? ["scale"] : []),
      ...(config.text("score_mode", "dot") === "concat" ? ["concat_score_weight"] : []),
    ],
    mask: "own",
    call: simpleAttention((call, query, key) => {
      const { b } = call;
      const scale = call.optional("scale");
      const outer = call.optional("concat_score_weight");
      if (outer) return b.multiply(additive(call, query, key, scale, undefined), outer);
      const scores = b.matmul(query, key, { transposeB: true });
      return scale ? b.multiply(scores, scale) : scores;
    }),
  },
  AdditiveAttention: {
    variables: (config) => (config.flag("use_scale", true) ? ["scale"] : []),
    mask: "own",
    call: simpleAttention((call, query, key) => additive(call, query, key, undefined, call.optional("scale"))),
  },
};
