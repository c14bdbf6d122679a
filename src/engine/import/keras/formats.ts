// The files that Keras models come in: .keras archives, HDF5, folders, and TensorFlow.js's layers models.

import { FormatError } from "../../../base/errors.ts";
import { type HdfFile, isHdf5, openHdf5 } from "../../../formats/hdf5/file.ts";
import { isZip, zipContent, zipEntries } from "../../../formats/zip.ts";
import { maximumBytes } from "../../hlo/tensor.ts";
import type { Model, ModelFiles, ModelFormat, Source } from "../../model.ts";
import { isObject, type Json, parseJson } from "./config.ts";
import { openParts } from "./model.ts";
import { bindLegacy, bindPaths, type Binder } from "./weights.ts";

/** Largest config.json: a model of 100,000 layers. */
const maximumConfig = 1 << 28;

function kerasVersion(text: string | undefined): 2 | 3 {
  return text?.startsWith("3") ? 3 : 2;
}

/** Files of an archive or a folder. */
type Read = (path: string, limit: number) => Uint8Array | undefined;

function archive(bytes: Uint8Array): Read | undefined {
  const entries = zipEntries(bytes);
  return (
    entries &&
    ((path, limit) => {
      const entry = entries.find(({ name }) => name === path);
      return entry && zipContent(bytes, entry, limit);
    })
  );
}
const folder =
  (files: ModelFiles): Read =>
  (path, limit) => {
    const bytes = files.read(path);
    if (bytes && bytes.length > limit)
      throw new FormatError(`${path} has ${bytes.length} bytes, the limit is ${limit}`);
    return bytes;
  };

/** The weights of an archive: one file, or several with a map. */
function storesOf(read: Read, name: string): HdfFile[] {
  const whole = read("model.weights.h5", maximumBytes);
  if (whole) return [openHdf5(whole)];
  const map = read("model.weights.json", maximumConfig);
  const json = map && parseJson(map, `${name}: model.weights.json`);
  const places = isObject(json) && isObject(json["weight_map"]) ? Object.values(json["weight_map"]).flat() : [];
  const files = [...new Set(places.filter((each) => typeof each === "string"))].map((file) => {
    const bytes = read(file, maximumBytes);
    if (!bytes) throw new FormatError(`${name}: ${file} is not there`);
    return openHdf5(bytes);
  });
  if (files.length === 0) throw new FormatError(`${name}: has no model.weights.h5`);
  return files;
}

function metadataOf(json: Json | undefined): Map<string, string> {
  const metadata = new Map<string, string>();
  if (isObject(json)) for (const [key, value] of Object.entries(json)) metadata.set(key, String(value));
  return metadata;
}

function openFolder(read: Read, name: string): Model {
  const config = read("config.json", maximumConfig);
  if (!config) throw new FormatError(`${name}: has no config.json`);
  const about = read("metadata.json", maximumConfig);
  const metadata = metadataOf(about && parseJson(about, `${name}: metadata.json`));
  return openParts({
    format: "keras",
    name,
    config: parseJson(config, `${name}: config.json`),
    keras: kerasVersion(metadata.get("keras_version") ?? "3"),
    bind: bindPaths(storesOf(read, name)),
    metadata,
  });
}

/** The configuration and weights of a model that are kept apart: `model.to_json()` and `save_weights("x.weights.h5")`. */
export function openPair(config: Uint8Array, weights: Uint8Array, name: string): Model {
  const json = parseJson(config, `${name}: configuration`);
  const file = openHdf5(weights);
  const version = isObject(json) && typeof json["keras_version"] === "string" ? json["keras_version"] : undefined;
  const modern = isObject(json) && typeof json["module"] === "string" && json["module"].startsWith("keras");
  const keras = version === undefined ? (modern ? 3 : 2) : kerasVersion(version);
  return openParts({ format: "keras", name, config: json, keras, bind: binderOf(file), metadata: new Map() });
}

/** Weight files of either generation. */
function binderOf(file: HdfFile): Binder {
  const legacy = file.root.attributes.has("layer_names") || file.root.get("model_weights") !== undefined;
  return legacy ? bindLegacy(file) : bindPaths([file]);
}

/** The weights and the configuration of a folder that holds a pair; undefined when it is none. */
function pairOf(files: ModelFiles): { config: string; weights: string } | undefined {
  const names = files.list("") ?? [];
  const stored = names.filter((name) => /\.(?:h5|hdf5)$/.test(name));
  const [weights, ...more] = stored.length > 1 ? stored.filter((name) => name.endsWith(".weights.h5")) : stored;
  if (weights === undefined || more.length > 0) return undefined;
  const stem = weights.replace(/(?:\.weights)?\.\w+$/, "");
  const config = [`${stem}.json`, "config.json", "model.json"].find((name) => names.includes(name));
  return config === undefined ? undefined : { config, weights };
}

function hasModelConfig(bytes: Uint8Array): boolean {
  try {
    return openHdf5(bytes).root.attributes.has("model_config");
  } catch (error) {
    if (error instanceof FormatError) return true;
    throw error;
  }
}

export const keras: ModelFormat = {
  name: "keras",
  title: "Keras",
  matches({ bytes, files }: Source): boolean {
    if (bytes) {
      if (!isZip(bytes)) return false;
      try {
        return zipEntries(bytes)?.some(({ name }) => name === "config.json") ?? false;
      } catch (error) {
        if (error instanceof FormatError) return false;
        throw error;
      }
    }
    return files !== undefined && pairOf(files) !== undefined;
  },
  open({ name, bytes, files }: Source): Model {
    if (bytes) {
      const read = archive(bytes);
      if (!read) throw new FormatError(`${name}: is no ZIP archive`);
      return openFolder(read, name);
    }
    const pair = files && pairOf(files);
    if (!files || !pair) throw new FormatError(`${name}: has no config.json and weights`);
    if (pair.config === "config.json" && pair.weights === "model.weights.h5" && files.read("metadata.json")) {
      return openFolder(folder(files), name);
    }
    return openPair(files.read(pair.config)!, files.read(pair.weights)!, name);
  },
};

export const kerasH5: ModelFormat = {
  name: "keras-h5",
  title: "Keras HDF5",
  matches: ({ bytes }: Source) => bytes !== undefined && isHdf5(bytes) && hasModelConfig(bytes),
  open({ name, bytes }: Source): Model {
    if (!bytes) throw new FormatError(`${name}: is no file`);
    const file = openHdf5(bytes);
    const text = (key: string) => {
      const attribute = file.root.attributes.get(key);
      return attribute && file.texts(attribute)?.[0];
    };
    const config = text("model_config");
    if (config === undefined) {
      throw new FormatError(`${name}: holds weights only, no model_config`, {
        hint: "put it in a folder with the model's configuration (model.to_json()) as config.json",
      });
    }
    const metadata = new Map<string, string>();
    for (const key of ["keras_version", "backend"]) if (text(key) !== undefined) metadata.set(key, text(key)!);
    return openParts({
      format: "keras",
      name,
      config: parseJson(config, `${name}: model_config`),
      keras: kerasVersion(metadata.get("keras_version")),
      bind: binderOf(file),
      metadata,
    });
  },
};
