// Models of Keras: sequences and graphs of calls, and writing them.

import { FormatError } from "../../../base/errors.ts";
import { Config, isList, isObject, type Json } from "./config.ts";
import {
  type Call,
  callLayer,
  type Child,
  isValue,
  type Item,
  type Layer,
  type Make,
  type Row,
  type Run,
} from "./layer.ts";
import { isOperation } from "./operations.ts";

/** A class's name as Keras 3 names attributes after it. */
const snakeCase = (name: string): string =>
  name
    .replaceAll(/\W+/g, "")
    .replaceAll(/(.)([A-Z][a-z]+)/g, "$1_$2")
    .replaceAll(/([a-z])([A-Z])/g, "$1_$2")
    .toLowerCase();

const isInput = (layer: Json) => isObject(layer) && layer["class_name"] === "InputLayer";

/** The list of layers of a model's configuration; that of Keras 1's sequences is the configuration itself. */
function layerList(config: Config): readonly Json[] {
  return config.list("layers");
}

/** The layers of a model as children; paths count those of one class. */
function modelChildren(config: Config, make: Make, sequence: boolean): Child[] {
  const used = new Map<string, number>();
  return layerList(config).flatMap((json, i): Child[] => {
    if (sequence && isInput(json)) return [];
    const layer = make(json, `layer ${i}`);
    if (isOperation(json)) return [{ attribute: "-", layer }];
    const snake = snakeCase(layer.className);
    const count = used.get(snake) ?? 0;
    used.set(snake, count + 1);
    const name = count === 0 ? snake : `${snake}_${count}`;
    // This class has another name in Python than in configurations.
    const names = snake === "group_query_attention" ? [name, name.replace("group_", "grouped_")] : [name];
    const folders = ["layers", "_layer_checkpoint_dependencies"];
    return [{ attribute: folders.flatMap((folder) => names.map((each) => `${folder}/${each}`)).join("|"), layer }];
  });
}

export const Sequential: Row = {
  model: true,
  mask: "own",
  children: (config, make) => modelChildren(config, make, true),
  call: (call, inputs) => {
    let item = inputs;
    for (const { layer } of call.layer.children) item = callLayer(call.run, layer, item, {}, []);
    return item;
  },
};

/** A tensor of a graph: which call of which layer, and which of its results. */
interface Reference {
  readonly name: string;
  readonly node: number;
  readonly index: number;
}
const keyOf = ({ name, node }: Reference) => `${name}\n${node}`;

/** [name, node, tensor] of Keras 2 and of `input_layers`. */
function reference(json: Json | undefined, what: string): Reference {
  if (isList(json) && typeof json[0] === "string" && Number.isInteger(json[1] ?? 0) && Number.isInteger(json[2] ?? 0)) {
    return { name: json[0], node: Number(json[1] ?? 0), index: Number(json[2] ?? 0) };
  }
  throw new FormatError(`${what}: ${JSON.stringify(json)?.slice(0, 80)} names no tensor`);
}

/** The references of `input_layers` or `output_layers`, which may be one, a list or a dictionary, with their structure. */
export type Structure = Reference | readonly Structure[] | { readonly [key: string]: Structure };
function structure(json: Json | undefined, what: string): Structure {
  if (isList(json) && typeof json[0] === "string") return reference(json, what);
  if (isList(json)) return json.map((each) => structure(each, what));
  if (isObject(json))
    return Object.fromEntries(Object.entries(json).map(([key, each]) => [key, structure(each, what)]));
  return reference(json, what);
}
const isReference = (each: Structure): each is Reference =>
  !Array.isArray(each) && typeof (each as Reference).name === "string" && typeof (each as Reference).node === "number";

/** References in order. */
export function flat(each: Structure): Reference[] {
  if (isReference(each)) return [each];
  if (Array.isArray(each)) return (each as readonly Structure[]).flatMap(flat);
  return Object.entries(each)
    .toSorted(([p], [q]) => (p < q ? -1 : 1))
    .flatMap(([, inner]) => flat(inner));
}

export const inputsOf = (config: Config): Structure => structure(config.get("input_layers"), config.what);
export const outputsOf = (config: Config): Structure => structure(config.get("output_layers"), config.what);

/** One call of a layer, as the configuration has it. */
interface GraphNode {
  readonly layer: Layer;
  readonly json: Json;
}

/** Whether a call is written as Keras 2 does. */
const isLegacyNode = (json: Json) => isList(json) || (isObject(json) && !("args" in json));

const isTensorObject = (json: Json) => isObject(json) && json["class_name"] === "__keras_tensor__";

/** The tensors that a call's arguments name. */
function referencesIn(json: Json, what: string, legacy: boolean, depth = 0): Reference[] {
  if (depth > 60) throw new FormatError(`${what}: arguments are nested too deeply`);
  const within = (list: readonly Json[]) => list.flatMap((each) => referencesIn(each, what, legacy, depth + 1));
  if (isObject(json)) {
    if (isTensorObject(json)) return [historyOf(json, what)];
    return within(Object.values(json));
  }
  if (!isList(json)) return [];
  if (legacy && isLegacyTensor(json)) {
    const extra = isObject(json[3]) ? within(Object.values(json[3])) : [];
    return [reference(json, what), ...extra];
  }
  if (legacy && json[0] === "_CONSTANT_VALUE") return isObject(json[3]) ? within(Object.values(json[3])) : [];
  return within(json);
}

const isLegacyTensor = (json: readonly Json[]) =>
  json.length >= 3 &&
  json.length <= 4 &&
  typeof json[0] === "string" &&
  typeof json[1] === "number" &&
  json[1] >= 0 &&
  typeof json[2] === "number" &&
  (json.length === 3 || isObject(json[3]));

function historyOf(json: Json, what: string): Reference {
  const config = isObject(json) && isObject(json["config"]) ? json["config"] : {};
  return reference(config["keras_history"], what);
}

/** The node's results, one of them picked. */
function pick(results: ReadonlyMap<string, Item>, at: Reference, what: string): Item {
  const item = results.get(keyOf(at));
  if (item === undefined) throw new FormatError(`${what}: there is no tensor ${at.name}[${at.node}]`);
  if (isValue(item) && at.index === 0) return item;
  const list = flattened(item);
  const found = list[at.index];
  if (found === undefined) throw new FormatError(`${what}: ${at.name}[${at.node}] has no result ${at.index}`);
  return found;
}
function flattened(item: Item): Item[] {
  if (isValue(item) || typeof item !== "object" || item === null) return [item];
  if (Array.isArray(item)) return (item as readonly Item[]).flatMap(flattened);
  return Object.entries(item as { [key: string]: Item })
    .toSorted(([p], [q]) => (p < q ? -1 : 1))
    .flatMap(([, inner]) => flattened(inner));
}

interface Arguments {
  readonly first: Item;
  readonly rest: readonly Item[];
  readonly kwargs: { readonly [key: string]: Item };
}

/** Arguments of a Keras 3 node: tensors are objects, everything else stands for itself. */
function newArguments(json: Json, at: (reference: Reference) => Item, what: string): Arguments {
  const convert = (each: Json): Item => {
    if (isTensorObject(each)) return at(historyOf(each, what));
    if (isList(each)) return each.map(convert);
    if (isObject(each)) {
      // slice(a, b, c) is written as an object; so are tuples and constants.
      if (each["class_name"] === "__slice__" || each["class_name"] === "__ellipsis__") {
        return Object.fromEntries(Object.entries(each).map(([key, inner]) => [key, convert(inner)]));
      }
      if (each["class_name"] === "__tuple__" && isObject(each["config"])) return convert(each["config"]["value"] ?? []);
      if (each["class_name"] === "__numpy__" && isObject(each["config"]))
        return convert(each["config"]["value"] ?? null);
      if (each["class_name"] === "__tensor__" && isObject(each["config"]))
        return convert(each["config"]["value"] ?? null);
      return Object.fromEntries(Object.entries(each).map(([key, inner]) => [key, convert(inner)]));
    }
    return each;
  };
  const node = new Config(json, what);
  const args = (node.get("args") ?? []) as Json;
  if (!isList(args)) throw new FormatError(`${what}: args is no list`);
  const [first = null, ...rest] = args.map(convert);
  const kwargs = convert(node.get("kwargs") ?? {});
  return { first, rest, kwargs: kwargs as { [key: string]: Item } };
}

/** Arguments of a Keras 2 node: lists of [name, node, tensor, keywords]. */
function oldArguments(json: Json, at: (reference: Reference) => Item, what: string): Arguments {
  let kwargs: { [key: string]: Item } = {};
  const keyword = (each: Json): Item => {
    if (isList(each)) {
      if (isLegacyTensor(each)) return at(reference(each, what));
      if (each[0] === "_CONSTANT_VALUE" && each.length <= 3) return (each[2] ?? null) as Item;
      return each.map(keyword);
    }
    if (isObject(each)) return Object.fromEntries(Object.entries(each).map(([key, inner]) => [key, keyword(inner)]));
    return each;
  };
  const argument = (each: Json): Item => {
    if (isList(each)) {
      if (isObject(each[3])) kwargs = { ...kwargs, ...(keyword(each[3]) as { [key: string]: Item }) };
      if (each[0] === "_CONSTANT_VALUE") return keyword(each[2] ?? null);
      if (isLegacyTensor(each)) return at(reference(each, what));
      return each.map(argument);
    }
    if (isObject(each)) return Object.fromEntries(Object.entries(each).map(([key, inner]) => [key, argument(inner)]));
    return each;
  };
  const items = argument(json);
  // A list of one tensor is that tensor.
  const first = Array.isArray(items) && items.length === 1 ? (items[0] as Item) : items;
  return { first, rest: [], kwargs };
}

export const Functional: Row = {
  model: true,
  mask: "own",
  children: (config, make) => modelChildren(config, make, false),
  call: (call, inputs) => runGraph(call, inputs),
};

/** How the inputs of a graph are given: by place, or by name in a dictionary. */
function bindInputs(call: Call, inputs: Item, results: Map<string, Item>): void {
  const wanted = inputsOf(call.config);
  const list = flat(wanted);
  if (!isValue(inputs) && typeof inputs === "object" && inputs !== null && !Array.isArray(inputs)) {
    const given = inputs as { [key: string]: Item };
    const keys = isReference(wanted) || Array.isArray(wanted) ? undefined : (wanted as { [key: string]: Structure });
    for (const [key, item] of Object.entries(given)) {
      const at = keys?.[key];
      const target = at && isReference(at) ? at : list.find(({ name }) => name === key);
      if (target) results.set(keyOf(target), item);
    }
  } else {
    const items = flattened(inputs);
    for (const [i, at] of list.entries()) if (items[i] !== undefined) results.set(keyOf(at), items[i]);
  }
  for (const at of list) {
    if (results.has(keyOf(at))) continue;
    throw call.fail(`input ${at.name} is not given`);
  }
}

function runGraph(call: Call, inputs: Item): Item {
  const results = new Map<string, Item>();
  bindInputs(call, inputs, results);
  const nodes = new Map<string, GraphNode>();
  // Keras 3 counts the call that graphs begin with in the outputs' references alone.
  const shifted = new Set<string>();
  for (const [i, json] of layerList(call.config).entries()) {
    const layer = call.layer.children[i]!.layer;
    const list = isObject(json) ? json["inbound_nodes"] : undefined;
    if (!isList(list)) continue;
    // In Keras 2 models begin with a call of their own, which links their inputs to their outputs.
    const first = layer.row?.model && list.every(isLegacyNode) ? 1 : 0;
    for (const [at, node] of list.entries()) nodes.set(`${layer.name}\n${at + first}`, { layer, json: node });
    if (layer.row === Functional && first === 0) shifted.add(layer.name);
    const [only] = list;
    if (first === 1 && only !== undefined) nodes.set(`${layer.name}\n0`, { layer, json: only });
  }
  const outputs = outputsOf(call.config);
  const meant = (at: Reference) => (shifted.has(at.name) && at.node > 0 ? { ...at, node: at.node - 1 } : at);
  for (const output of flat(outputs)) compute(call.run, nodes, results, keyOf(meant(output)), call.layer.what);
  const collect = (each: Structure): Item => {
    if (isReference(each)) return pick(results, meant(each), call.layer.what);
    if (Array.isArray(each)) return (each as readonly Structure[]).map(collect);
    return Object.fromEntries(Object.entries(each).map(([key, inner]) => [key, collect(inner)]));
  };
  const item = collect(outputs);
  return Array.isArray(item) && item.length === 1 ? (item[0] as Item) : item;
}

/** Computes a node and what it needs, without recursion: graphs may be thousands of calls deep. */
function compute(
  run: Run,
  nodes: ReadonlyMap<string, GraphNode>,
  results: Map<string, Item>,
  wanted: string,
  what: string,
): void {
  const stack = [{ key: wanted, opened: false }];
  const open = new Set<string>();
  for (let top = stack.at(-1); top; top = stack.at(-1)) {
    if (results.has(top.key)) {
      stack.pop();
      continue;
    }
    const node = nodes.get(top.key);
    if (!node) throw new FormatError(`${what}: there is no call ${top.key.replace("\n", "[")}]`);
    const legacy = isLegacyNode(node.json);
    if (!top.opened) {
      top.opened = true;
      open.add(top.key);
      for (const each of referencesIn(node.json, node.layer.what, legacy)) {
        const key = keyOf(each);
        if (results.has(key)) continue;
        if (open.has(key)) throw new FormatError(`${what}: ${each.name} needs its own result`);
        stack.push({ key, opened: false });
      }
      continue;
    }
    const at = (each: Reference) => pick(results, each, node.layer.what);
    const { first, rest, kwargs } = legacy
      ? oldArguments(node.json, at, node.layer.what)
      : newArguments(node.json, at, node.layer.what);
    results.set(top.key, callLayer(run, node.layer, first, kwargs, rest));
    open.delete(top.key);
    stack.pop();
  }
}

/** Every layer of a model, those within included. */
export function* allLayers(layer: Layer): Generator<Layer> {
  yield layer;
  for (const child of layer.children) yield* allLayers(child.layer);
}
