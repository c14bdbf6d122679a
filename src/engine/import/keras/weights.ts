// Where the weights of a Keras model are: the stores of Keras 3 (by path), old HDF5 files and TensorFlow.js (by order and name).

import { FormatError } from "../../../base/errors.ts";
import type { HdfArray, HdfDataset, HdfFile, HdfObject } from "../../../formats/hdf5/file.ts";
import type { DType } from "../../hlo/dtype.ts";
import { fromBytes, maximumBytes } from "../../hlo/tensor.ts";
import type { Layer, Weight } from "./layer.ts";

/** The element type of an HDF5 dataset in ours; undefined when there is none. */
function dtypeOf({ type }: HdfDataset, bfloat16: boolean): DType | undefined {
  switch (type.kind) {
    case "float": {
      if (type.size === 2) return type.exponentBits === 8 ? "bf16" : "f16";
      return type.size === 4 ? "f32" : type.size === 8 ? "f64" : undefined;
    }
    case "integer": {
      const bits = type.size * 8;
      if (bits !== 8 && bits !== 16 && bits !== 32 && bits !== 64) return undefined;
      return `${type.signed ? "i" : "u"}${bits}`;
    }
    case "enumeration":
      return type.size === 1 && type.names.includes("TRUE") ? "i1" : undefined;
    case "opaque":
      return type.size === 2 && bfloat16 ? "bf16" : undefined;
    default:
      return undefined;
  }
}

/** Little-endian bytes of elements. */
function littleEndian({ type, bytes }: HdfArray): Uint8Array {
  if (!("bigEndian" in type) || !type.bigEndian || type.size === 1) return bytes;
  const swapped = new Uint8Array(bytes.length);
  for (let at = 0; at < bytes.length; at += type.size) {
    for (let i = 0; i < type.size; i++) swapped[at + i] = bytes[at + type.size - 1 - i]!;
  }
  return swapped;
}

/** A dataset as a weight. */
function weightOf(file: HdfFile, object: HdfObject, name: string): Weight {
  const { dataset } = object;
  if (!dataset?.shape) throw new FormatError(`weight ${name} is no dataset`);
  const { shape } = dataset;
  return {
    name,
    shape,
    load: () => {
      const attribute = object.attributes.get("dtype");
      const bfloat16 = attribute !== undefined && file.texts(attribute)?.[0] === "bfloat16";
      const dtype = dtypeOf(dataset, bfloat16);
      if (!dtype) throw new FormatError(`weight ${name} has elements of kind ${dataset.type.kind}`);
      return fromBytes(dtype, shape, littleEndian(dataset.read(maximumBytes)), `weight ${name}`);
    },
  };
}

/** Binds the weights of a layer and those within it; `path` is where it is in the file. */
export type Binder = (root: Layer) => void;

/** Weights of Keras 3 ("layers/dense/vars/0"); TensorFlow 2.12 and 2.13 wrote "_layer_checkpoint_dependencies". */
export function bindPaths(files: readonly HdfFile[]): Binder {
  const bind = (layer: Layer, place: string): void => {
    const groups = files.flatMap((file) => {
      const group = file.root.get(`${place}/vars`);
      return group?.names ? [{ file, group }] : [];
    });
    layer.weights = layer.variables.map((name, i) => {
      const path = `${place}/vars/${i}`;
      for (const { file, group } of groups) {
        const object = group.get(String(i));
        if (object) return weightOf(file, object, path);
      }
      throw new FormatError(`${layer.what}: weight ${name} (${path}) is not in the file`);
    });
    for (const { attribute, layer: inner } of layer.children) {
      const places = attribute.split("|").map((name) => (place === "" ? name : `${place}/${name}`));
      bind(inner, places.find((each) => files.some((file) => file.root.get(each) !== undefined)) ?? places[0]!);
    }
  };
  return (root) => bind(root, "");
}

/** One variable of one layer, in the order that old files and TensorFlow.js keep them. */
interface Slot {
  readonly layer: Layer;
  readonly index: number;
  readonly trained: boolean;
}

/** The variables of a layer and those within: its own first, then those of its layers. */
function slotsOf(layer: Layer, trained = true): Slot[] {
  const trains = trained && layer.config.flag("trainable", true);
  return [
    ...layer.variables.map((name, index) => ({ layer, index, trained: trains && !name.startsWith("-") })),
    ...layer.children.flatMap((child) => slotsOf(child.layer, trains)),
  ];
}

/** What Keras's random layers keep besides weights. */
const isSeed = (name: string) => /(?:StateVar|seed_generator_state|state_var)(?::\d+)?$/i.test(name);

/** Gives the weights of a list, in their order, to the variables of a layer: trained ones first. */
export function assign(layer: Layer, given: readonly Weight[]): void {
  const slots = slotsOf(layer);
  const weights = given.filter(({ name }) => !isSeed(name));
  if (slots.length !== weights.length) {
    throw new FormatError(`${layer.what} has ${slots.length} weights, the file has ${weights.length}`);
  }
  const found = new Map<Layer, Weight[]>();
  const order = [...slots.filter(({ trained }) => trained), ...slots.filter(({ trained }) => !trained)];
  for (const [i, { layer: owner, index }] of order.entries()) {
    const list = found.get(owner) ?? [];
    list[index] = weights[i]!;
    found.set(owner, list);
  }
  for (const [owner, list] of found) owner.weights = list;
}

/** Texts of an attribute that may be parted because of its size: names, names0, names1 … */
function textsOf(file: HdfFile, object: HdfObject, name: string): string[] | undefined {
  const whole = object.attributes.get(name);
  if (whole) return file.texts(whole);
  const parts: string[] = [];
  for (let i = 0; object.attributes.has(`${name}${i}`); i++) {
    parts.push(...(file.texts(object.attributes.get(`${name}${i}`)!) ?? []));
  }
  return parts.length > 0 ? parts : undefined;
}

/** Weights of whole models of Keras 1 and 2 and of old weight files: groups by layer, datasets by `weight_names`. */
export function bindLegacy(file: HdfFile): Binder {
  const group = file.root.get("model_weights") ?? file.root;
  return (root) => {
    const top = root.children.length > 0 && root.row?.children ? root.children.map(({ layer }) => layer) : [root];
    for (const layer of top) {
      const object = group.get(layer.name);
      const names = object && textsOf(file, object, "weight_names");
      if (!object || !names) {
        if (slotsOf(layer).length === 0) continue;
        throw new FormatError(`${layer.what}: its weights are not in the file`);
      }
      const weights = names.map((name) => {
        const found = object.get(name);
        if (!found) throw new FormatError(`${layer.what}: weight ${name} is not in the file`);
        return weightOf(file, found, name);
      });
      if (slotsOf(layer).length > 0) assign(layer, weights);
    }
  };
}

/** Weights with names and nothing else, as TensorFlow.js has them: "dense/kernel". */
export function bindNames(all: readonly Weight[]): Binder {
  return (root) => {
    const left = new Set(all.filter(({ name }) => !isSeed(name)));
    const claim = (layer: Layer): void => {
      const slots = slotsOf(layer);
      if (slots.length === 0) return;
      const own = [...left].filter(({ name }) => name.split("/").slice(0, -1).includes(layer.name));
      if (own.length === slots.length) {
        assign(layer, own);
        for (const weight of own) left.delete(weight);
      } else if (layer.children.length > 0 && layer.variables.length === 0) {
        for (const child of layer.children) claim(child.layer);
      } else {
        throw new FormatError(`${layer.what} has ${slots.length} weights, the file has ${own.length}`);
      }
    };
    for (const { layer } of root.children) claim(layer);
  };
}
