// TensorFlow.js graph models: a GraphDef as JSON, weights in files beside it (tfjs-converter, tfjs-core/src/io).

import { CerebroError, FormatError } from "../../../base/errors.ts";
import { utf8 } from "../../../base/text.ts";
import { decodeJson } from "../../../formats/prototext.ts";
import { type DType, dtypes } from "../../hlo/dtype.ts";
import { elementCount, fromBytes, maximumBytes, type Tensor, zeros } from "../../hlo/tensor.ts";
import { f16Value } from "../../hlo/half.ts";
import type { Model, ModelFiles, ModelFormat, Source } from "../../model.ts";
import { type Graph, libraryOf, type Node } from "./graph.ts";
import { GraphDef, SignatureDef } from "./messages.ts";
import { GraphModel } from "./model.ts";
import { plansOf, planOfGraph } from "./signatures.ts";
import { GraphVariables } from "./variables.ts";

interface Weight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly quantization?: {
    readonly dtype: string;
    readonly scale?: number;
    readonly min?: number;
    readonly original_dtype?: string;
  };
}
interface WeightGroup {
  readonly paths: readonly string[];
  readonly weights: readonly Weight[];
}
interface Manifest {
  readonly format?: string;
  readonly generatedBy?: string;
  readonly convertedBy?: string;
  readonly signature?: unknown;
  readonly userDefinedMetadata?: { readonly signature?: unknown };
  readonly modelTopology: { readonly node?: unknown; readonly library?: unknown };
  readonly weightsManifest?: readonly WeightGroup[];
}

const types: Readonly<Record<string, DType>> = {
  float32: "f32",
  int32: "i32",
  bool: "i1",
  uint8: "u8",
  uint16: "u16",
  int16: "i16",
  int8: "i8",
  float16: "f16",
  complex64: "c64",
};

/** The parsed model.json when the text is a graph model's; undefined when it is something else. */
function parse(bytes: Uint8Array | undefined): Manifest | undefined {
  if (!bytes || !/^\s*\{/.test(utf8(bytes.subarray(0, 64)))) return undefined;
  try {
    const json = JSON.parse(utf8(bytes)) as Manifest | null;
    const topology = json?.modelTopology;
    return typeof topology === "object" && topology !== null && Array.isArray(topology.node) ? json! : undefined;
  } catch {
    return undefined;
  }
}

/** Where the model.json is: at the top of a directory or in the first folder that has one. */
function locate(files: ModelFiles): { directory: string; manifest: Manifest } | undefined {
  const directories = ["", ...(files.list("") ?? []).filter((name) => files.list(name) !== undefined)];
  for (const folder of directories) {
    const directory = folder === "" ? "" : `${folder}/`;
    const names = (files.list(folder) ?? []).filter((name) => name.endsWith(".json"));
    // Usually it is called so.
    for (const name of names.sort((a, b) => Number(b === "model.json") - Number(a === "model.json"))) {
      const manifest = parse(files.read(directory + name));
      if (manifest) return { directory, manifest };
    }
  }
  return undefined;
}

function checked(group: unknown, what: string): WeightGroup {
  const { paths, weights } = (group ?? {}) as Partial<WeightGroup>;
  const fine =
    Array.isArray(paths) &&
    Array.isArray(weights) &&
    paths.every((path) => typeof path === "string") &&
    weights.every(
      (weight: Partial<Weight> | null) =>
        typeof weight?.name === "string" &&
        typeof weight.dtype === "string" &&
        Array.isArray(weight.shape) &&
        weight.shape.every((n) => typeof n === "number"),
    );
  if (!fine) throw new FormatError(`${what}: the weights manifest has a group without paths and weights`);
  return { paths, weights };
}

/** Weights by the names of their nodes. */
function readWeights(
  manifest: Manifest,
  files: ModelFiles | undefined,
  directory: string,
  what: string,
): Map<string, Tensor> {
  const result = new Map<string, Tensor>();
  const groups = manifest.weightsManifest ?? [];
  if (!Array.isArray(groups)) throw new FormatError(`${what}: the weights manifest is no list`);
  for (const each of groups) {
    const { paths, weights } = checked(each, what);
    const parts = paths.map((path) => {
      const bytes = files?.read(directory + path);
      if (!bytes) {
        throw new CerebroError("not-found", `${what}: the weights ${path} are missing`, {
          hint: "give the directory that has model.json and the files beside it",
        });
      }
      return bytes;
    });
    const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
    let end = 0;
    for (const part of parts) {
      whole.set(part, end);
      end += part.length;
    }
    let at = 0;
    for (const weight of weights) {
      const { tensor, size } = readWeight(weight, whole.subarray(at), `${what}: weight ${weight.name}`);
      at += size;
      if (tensor) result.set(weight.name, tensor);
    }
  }
  return result;
}

function readWeight(weight: Weight, bytes: Uint8Array, what: string): { tensor: Tensor | undefined; size: number } {
  const { shape, dtype: name, quantization } = weight;
  const count = elementCount(shape, what);
  if (name === "string") {
    // Each has its length in front.
    let at = 0;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let i = 0; i < count; i++) {
      if (at + 4 > bytes.length) throw new FormatError(`${what}: ${count} strings, the file ends after ${i}`);
      at += 4 + view.getUint32(at, true);
    }
    return { tensor: undefined, size: at };
  }
  const dtype = types[name] ?? unknownType(name, what);
  const stored = quantization ? (types[quantization.dtype] ?? unknownType(quantization.dtype, what)) : dtype;
  const size = count * dtypes[stored].bytes;
  if (size > bytes.length) throw new FormatError(`${what}: needs ${size} bytes, the files have ${bytes.length} left`);
  const raw = fromBytes(stored, shape, bytes.subarray(0, size), what);
  if (!quantization) return { tensor: raw, size };
  if (count * dtypes[dtype].bytes > maximumBytes) throw new FormatError(`${what}: is too large`);
  const result = zeros(dtype, shape);
  const [from, to] = [raw.data as Uint8Array, result.data as Float32Array];
  const { scale = 1, min = 0 } = quantization;
  for (let i = 0; i < to.length; i++) {
    const value = stored === "f16" ? f16Value(from[i]!) : from[i]! * scale + min;
    to[i] = dtype === "i32" ? Math.round(value) : value;
  }
  return { tensor: result, size };
}
function unknownType(name: string, what: string): never {
  throw new FormatError(`${what}: elements of ${name} are not supported`);
}

/** The graph with constants whose values are the weights. */
function withWeights(graph: Graph, weights: ReadonlyMap<string, Tensor>): Graph {
  const nodes = new Map<string, Node>();
  for (const [name, node] of graph.nodes) {
    const tensor = node.op === "Const" ? weights.get(name) : undefined;
    nodes.set(name, tensor ? { ...node, tensor } : node);
  }
  return { ...graph, nodes };
}

export const tfjsGraph: ModelFormat = {
  name: "tfjs-graph",
  title: "TensorFlow.js graph model",
  matches: ({ bytes, files }: Source) => (files ? locate(files) !== undefined : parse(bytes) !== undefined),
  open({ name, bytes, files }: Source): Model {
    const found = files ? locate(files) : { directory: "", manifest: parse(bytes) };
    const manifest = found?.manifest;
    if (!manifest) throw new FormatError(`${name}: there is no model.json of a graph model`);
    const library = libraryOf(decodeJson(GraphDef, manifest.modelTopology, name), name);
    const weights = readWeights(manifest, files, found.directory, name);
    const graph = withWeights(library.graph, weights);
    const filled = { graph, function: (each: string) => library.function(each) };
    const spelled = manifest.signature ?? manifest.userDefinedMetadata?.signature;
    const signature = spelled === undefined ? undefined : decodeJson(SignatureDef, spelled, `${name}: signature`);
    const byGraph = planOfGraph(filled);
    const signatures = new Map(signature && signature.outputs.size > 0 ? [["serving_default", signature]] : []);
    const [plan] = plansOf(signatures);
    return new GraphModel({
      format: "tfjs-graph",
      name,
      library: filled,
      variables: new GraphVariables(filled, undefined, []),
      // A signature need not name the inputs, nor the types of its ports.
      plans: [plan ? { ...plan, inputs: plan.inputs.length > 0 ? plan.inputs : byGraph.inputs } : byGraph],
      metadata: new Map(
        [
          ["producer", manifest.generatedBy ?? ""],
          ["converter", manifest.convertedBy ?? ""],
        ].filter(([, text]) => text !== "") as [string, string][],
      ),
    });
  },
};
