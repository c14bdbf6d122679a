// TensorFlow.js layers models: model.json and its shards of weights, which may be quantised to one or two bytes.

import { FormatError, UnsupportedFormat } from "../../../base/errors.ts";
import type { DType } from "../../hlo/dtype.ts";
import { f16Value } from "../../hlo/half.ts";
import { elementCount, fromBytes, tensor, type Tensor } from "../../hlo/tensor.ts";
import type { Model, ModelFormat, Source } from "../../model.ts";
import { Config, isList, isObject, type Json, parseJson } from "./config.ts";
import type { Weight } from "./layer.ts";
import { openParts } from "./model.ts";
import { bindNames } from "./weights.ts";

/** How weights are kept, by the name of the type in the manifest. */
const dtypes: Readonly<Record<string, DType>> = {
  float32: "f32",
  float16: "f16",
  int32: "i32",
  uint8: "u8",
  uint16: "u16",
  bool: "i1",
};

function stored(name: string, what: string): DType {
  const dtype = dtypes[name];
  if (!dtype) throw new UnsupportedFormat(`${what} has type ${name}`);
  return dtype;
}

/** The numbers that quantised elements stand for. */
function dequantized(given: Tensor, scale: number, min: number): Tensor {
  const numbers = new Float32Array(elementCount(given.shape));
  for (let i = 0; i < numbers.length; i++) {
    const element = Number(given.data[i]);
    numbers[i] = given.dtype === "f16" ? f16Value(element) : element * scale + min;
  }
  return tensor("f32", given.shape, numbers);
}

/** The weights of a group: entries of the manifest, one after another in the joined shards. */
function groupWeights(group: Config, bytes: Uint8Array): Weight[] {
  let at = 0;
  return group.list("weights").map((json, i) => {
    const entry = new Config(json, `${group.what}, weight ${i}`);
    const name = entry.text("name");
    const what = `weight ${name}`;
    const shape = entry.integers("shape");
    const quantization = entry.has("quantization") ? new Config(entry.object("quantization"), what) : undefined;
    const dtype = stored((quantization ?? entry).text("dtype"), what);
    const width = dtype === "f32" || dtype === "i32" ? 4 : dtype === "f16" || dtype === "u16" ? 2 : 1;
    const size = elementCount(shape, what) * width;
    if (at + size > bytes.length) {
      throw new FormatError(`${what} ends at ${at + size}, its shards have ${bytes.length} bytes`);
    }
    const content = bytes.subarray(at, at + size);
    at += size;
    const load = () => {
      const given = fromBytes(dtype, shape, content, what);
      if (!quantization) return given;
      return dequantized(given, quantization.number("scale", 1), quantization.number("min", 0));
    };
    return { name, shape, load };
  });
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function jsonOf({ files, bytes }: Source): Json | undefined {
  const content = files?.read("model.json") ?? bytes;
  // An object in text: nothing else is worth parsing.
  if (!content || content.length > 1 << 28 || !/^\s*\{/.test(String.fromCharCode(...content.subarray(0, 16)))) {
    return undefined;
  }
  try {
    return parseJson(content, "model.json");
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

/** Whether a manifest is that of layers; graph models have nodes instead. */
function isLayersModel(json: Json | undefined): boolean {
  if (!isObject(json)) return false;
  if (json["format"] !== undefined) return json["format"] === "layers-model";
  const topology = json["modelTopology"];
  return isObject(topology) && ("model_config" in topology || "class_name" in topology);
}

export const tfjsLayers: ModelFormat = {
  name: "tfjs-layers",
  title: "TensorFlow.js layers",
  matches: (source: Source) => isLayersModel(jsonOf(source)),
  open(source: Source): Model {
    const { name, files } = source;
    const json = jsonOf(source);
    if (!isLayersModel(json)) throw new FormatError(`${name}: model.json is no layers model`);
    if (!files) {
      throw new FormatError(`${name}: the weights are in other files`, { hint: "give the folder of model.json" });
    }
    const top = new Config(json, `${name}: model.json`);
    const topology = top.object("modelTopology");
    const weights: Weight[] = [];
    const manifest = top.get("weightsManifest") ?? [];
    if (!isList(manifest)) throw new FormatError(`${name}: weightsManifest is no list`);
    for (const [i, json] of manifest.entries()) {
      const group = new Config(json, `${name}: group ${i} of weights`);
      const shards = group.list("paths").map((path) => {
        const shard = typeof path === "string" && !path.includes("..") ? files.read(path) : undefined;
        if (!shard) throw new FormatError(`${name}: ${JSON.stringify(path)} is not there`);
        return shard;
      });
      weights.push(...groupWeights(group, joined(shards)));
    }
    const version = typeof topology["keras_version"] === "string" ? topology["keras_version"] : "";
    const metadata = new Map<string, string>();
    for (const key of ["generatedBy", "convertedBy"]) if (top.has(key)) metadata.set(key, String(top.get(key)));
    return openParts({
      format: "tfjs-layers",
      name,
      config: topology,
      keras: version.startsWith("3") ? 3 : 2,
      bind: bindNames(weights),
      metadata,
    });
  },
};
