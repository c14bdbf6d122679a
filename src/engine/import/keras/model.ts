// A Keras model whose layers are made and whose weights are bound: what is missing, and programs for concrete shapes.

import { CerebroError, FormatError } from "../../../base/errors.ts";
import { Builder } from "../../hlo/build.ts";
import type { DType } from "../../hlo/dtype.ts";
import type { Port, Program, State, Value } from "../../hlo/graph.ts";
import type { Tensor, TensorType } from "../../hlo/tensor.ts";
import type { InputShapes, Missing, Model, ModelPort, Signature } from "../../model.ts";
import { Config, isList, isObject, type Json } from "./config.ts";
import { allLayers, flat, inputsOf, outputsOf } from "./graph.ts";
import { callLayer, type Item, type Layer, type Run, valuesOf, type Weight } from "./layer.ts";
import { makeLayer } from "./make.ts";
import { dtypeNamed } from "./policy.ts";
import type { Binder } from "./weights.ts";

export interface KerasParts {
  readonly format: string;
  readonly name: string;
  /** The serialised model: class_name and config. */
  readonly config: Json;
  readonly keras: 2 | 3;
  readonly bind: Binder;
  readonly metadata: ReadonlyMap<string, string>;
}

interface Input {
  readonly name: string;
  readonly dtype: DType | "string";
  readonly shape: readonly (number | null)[] | null;
  /** Sparse and ragged inputs are not built. */
  readonly kind: "sparse" | "ragged" | undefined;
}

/** A shape of a configuration; undefined when it is none. */
function shapeOf(json: Json | undefined): (number | null)[] | undefined {
  if (!isList(json)) return undefined;
  const extents = json.map((extent) => (typeof extent === "number" && extent >= 0 ? extent : null));
  return extents.length === json.length ? extents : undefined;
}

function inputOf(json: Json, name: string, what: string): Input {
  const config = new Config(isObject(json) ? json["config"] : undefined, what);
  const shape = shapeOf(config.get("batch_shape") ?? config.get("batch_input_shape"));
  const kind = config.get("sparse") === true ? "sparse" : config.get("ragged") === true ? "ragged" : undefined;
  const type = config.get("dtype") ?? "float32";
  const named = isObject(type) && isObject(type["config"]) ? type["config"]["name"] : type;
  const dtype = named === "string" ? "string" : dtypeNamed(String(named));
  return { name, dtype: dtype ?? "f32", shape: shape ?? null, kind };
}

/** The inputs of a model, in the order of its arguments. */
function modelInputs(root: Layer): Input[] {
  const list = root.config.list("layers");
  if (root.className !== "Sequential") {
    return flat(inputsOf(root.config)).map(({ name }) => {
      const json = list.find((each) => {
        if (!isObject(each)) return false;
        return (each["name"] ?? (isObject(each["config"]) ? each["config"]["name"] : undefined)) === name;
      });
      if (json === undefined) throw new FormatError(`${root.what}: there is no input ${name}`);
      return inputOf(json, name, `InputLayer '${name}'`);
    });
  }
  const first = list[0];
  const config = isObject(first) && isObject(first["config"]) ? first["config"] : {};
  const name = typeof config["name"] === "string" ? config["name"] : "input";
  if (isObject(first) && first["class_name"] === "InputLayer") return [inputOf(first, name, `InputLayer '${name}'`)];
  const own = inputOf(first ?? null, `${name}_input`, root.what);
  if (own.shape) return [own];
  // Sequences that were built by their first call keep the shape of it.
  const build = root.config.get("build_config");
  const built = shapeOf(root.config.get("build_input_shape") ?? (isObject(build) ? build["input_shape"] : undefined));
  return [
    { name: `${name}_input`, dtype: own.dtype === "string" ? "string" : "f32", shape: built ?? null, kind: undefined },
  ];
}

/** Names of the outputs: those of the layers that make them. */
function outputNames(root: Layer, count: number): string[] {
  let names: string[];
  if (root.className === "Sequential") names = [root.children.at(-1)?.layer.name ?? "output"];
  else {
    const outputs = outputsOf(root.config);
    const keyed = !Array.isArray(outputs) && typeof (outputs as { name?: Json }).name !== "string";
    names = keyed ? Object.keys(outputs).toSorted() : flat(outputs).map(({ name }) => name);
  }
  const used = new Map<string, number>();
  return Array.from({ length: count }, (_, i) => {
    const name = names[i] ?? `${names.at(-1) ?? "output"}`;
    const seen = used.get(name) ?? 0;
    used.set(name, seen + 1);
    return seen === 0 ? name : `${name}_${seen}`;
  });
}

/** What stands between a model and its execution. */
function missingOf(root: Layer, inputs: readonly Input[]): Missing[] {
  const missing = new Map<string, { op: string; count: number; where: string; reason?: string }>();
  const add = (op: string, where: string, reason: string | undefined) => {
    const key = `${op}\n${reason ?? ""}`;
    const found = missing.get(key);
    if (found) found.count++;
    else missing.set(key, { op, count: 1, where, ...(reason !== undefined && { reason }) });
  };
  for (const layer of allLayers(root)) {
    const reason = layer.row?.refuse?.(layer.config, layer.keras);
    if (!layer.row || reason !== undefined) add(layer.className, layer.what, reason);
  }
  if (root.row && !root.row.model) add(root.className, root.what, "a layer, not a model");
  for (const { name, dtype, kind } of inputs) {
    if (dtype === "string") add("InputLayer", `input ${name}`, "string tensors");
    if (kind) add("InputLayer", `input ${name}`, `${kind} tensors`);
  }
  return [...missing.values()];
}

/** Extents that are not fixed: the first is a batch of 1. */
function concrete(input: Input, shapes: InputShapes, fallback: readonly number[] | undefined): readonly number[] {
  const given = shapes[input.name];
  const { shape } = input;
  if (given) {
    const fits = !shape || (shape.length === given.length && shape.every((n, i) => n === null || n === given[i]));
    if (!fits) {
      throw new FormatError(`input ${input.name}: [${given}] does not fit [${shape.map((n) => n ?? "?").join(",")}]`);
    }
    return given;
  }
  if (!shape) throw new FormatError(`input ${input.name}: its shape is not in the file and has to be given`);
  const unknown = shape.flatMap((extent, i) => (extent === null && i > 0 ? [i] : []));
  if (unknown.length > 0 && !fallback) {
    throw new FormatError(`input ${input.name}: dimensions ${unknown.join(", ")} are not fixed and have to be given`);
  }
  return shape.map((extent, i) => extent ?? fallback?.[i === 0 ? 0 : 1] ?? 1);
}

/** Writes the program; states have to be known before it begins, so it is written twice when there are any. */
function write(root: Layer, name: string, inputs: readonly (Input & TensorType)[]): Program {
  const types = inputs.map(({ dtype, shape }): TensorType => ({ dtype, shape }));
  let states: State[] = [];
  for (let attempt = 0; ; attempt++) {
    const b = new Builder([...types, ...states.map(({ initial }) => initial)]);
    const found: State[] = [];
    const next: Value[] = [];
    const run: Run = {
      b,
      masks: new Map(),
      constants: new Map(),
      state(stateName: string, initial: Tensor) {
        const index = found.push({ name: `${stateName}_${found.length}`, initial }) - 1;
        const value = b.parameters[types.length + index] ?? b.constant(initial);
        next[index] = value;
        return {
          value,
          set: (to) => {
            next[index] = to;
          },
        };
      },
    };
    const parameters: readonly Item[] = b.parameters.slice(0, types.length);
    const result = callLayer(run, root, parameters.length === 1 ? parameters[0]! : parameters, {}, []);
    if (found.length > 0 && attempt === 0) {
      states = found;
      continue;
    }
    const results = valuesOf(result);
    if (results.length === 0) throw new FormatError(`${root.what}: has no outputs`);
    const names = outputNames(root, results.length);
    return {
      name,
      inputs: inputs.map(({ name: port, dtype, shape }): Port => ({ name: port, type: { dtype, shape } })),
      outputs: results.map(({ type }, i): Port => ({ name: names[i]!, type })),
      states,
      body: b.finish([...results, ...next]),
    };
  }
}

/** Opens a model from its parts. Throws FormatError. */
export function openParts(parts: KerasParts): Model {
  const { name } = parts;
  const root = makeLayer(normalised(parts.config), name, parts.keras);
  // What a model computes is in its configuration only when it is a graph or a sequence.
  const inputs = root.row?.model ? modelInputs(root) : [];
  const missing = missingOf(root, inputs);
  // Weights of layers that are not known cannot be told apart from others.
  if (missing.length === 0) parts.bind(root);
  const operations = new Map<string, number>();
  const weights = new Set<Weight>();
  for (const layer of allLayers(root)) {
    if (layer !== root) operations.set(layer.className, (operations.get(layer.className) ?? 0) + 1);
    for (const weight of layer.weights) weights.add(weight);
  }
  const build = (shapes: InputShapes, fallback?: readonly number[]): Program => {
    if (missing.length > 0) {
      const list = missing.map(({ op, where, reason }) => `${op} (${where}${reason ? `: ${reason}` : ""})`);
      throw new CerebroError("unsupported", `${name}: not built: ${list.join(", ")}`);
    }
    const ready = inputs.map((input) => ({
      ...input,
      dtype: input.dtype as DType,
      shape: concrete(input, shapes, fallback),
    }));
    return write(root, name, ready);
  };
  let signatures: readonly Signature[] | undefined;
  return {
    format: parts.format,
    name,
    get signatures() {
      return (signatures ??= [
        {
          name: "default",
          inputs: inputs.map(({ name: port, dtype, shape }) => ({ name: port, dtype, shape })),
          outputs: outputPorts(root, build),
        },
      ]);
    },
    operations: new Map([...operations].toSorted(([, p], [, q]) => q - p)),
    parameters: [...weights].reduce((sum, { shape }) => sum + shape.reduce((n, extent) => n * extent, 1), 0),
    missing,
    attachments: new Map(),
    metadata: parts.metadata,
    program: (_signature, shapes = {}) => build(shapes),
  };
}

/** The outputs, with null for extents that differ between two sizes of the inputs. */
function outputPorts(root: Layer, build: (shapes: InputShapes, fallback: readonly number[]) => Program): ModelPort[] {
  try {
    const [small, large] = [build({}, [1, 64]), build({}, [2, 96])];
    return small.outputs.map(({ name, type }, i) => ({
      name,
      dtype: type.dtype,
      shape: type.shape.map((extent, axis) => (extent === large.outputs[i]!.type.shape[axis] ? extent : null)),
    }));
  } catch (error) {
    if (!(error instanceof CerebroError)) throw error;
    return root.row?.model ? outputNames(root, 1).map((name) => ({ name, dtype: "f32", shape: null })) : [];
  }
}

/** Old sequences are lists of layers; TensorFlow.js may keep the model one level down. */
function normalised(json: Json): Json {
  if (isObject(json) && isObject(json["model_config"])) return normalised(json["model_config"]);
  if (isObject(json) && isList(json["config"]))
    return { ...json, config: { name: "sequential", layers: json["config"] } };
  return json;
}
