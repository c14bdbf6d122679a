// Orbax checkpoints: a directory with a description of the tree, and its arrays as zarr in directories or in an OCDBT
// database. Source: orbax.checkpoint's files as it writes them (`_METADATA`, `checkpoint`).

import { isObject } from "../../../base/json.ts";
import { FormatError, messageOf } from "../../../base/errors.ts";
import { isOcdbt, openOcdbt } from "../../../formats/ocdbt.ts";
import { openZarr, type ReadKey } from "../../../formats/zarr.ts";
import type { ModelFiles } from "../../model.ts";
import { tensorOf } from "../arrays.ts";
import { isFlaxCheckpoint, readFlaxCheckpoint } from "./checkpoint.ts";
import { type Weight, type Weights, weightsOf } from "./weights.ts";

const what = "orbax checkpoint";
/** How a checkpoint manager nests: step, item. Deeper directories are arrays' own. */
const deepest = 3;

/** Whether a directory is one checkpoint. TensorFlow's have a "checkpoint" too, but that is text. */
function isCheckpoint(files: ModelFiles, directory: string, names: readonly string[]): boolean {
  if (names.includes("_METADATA") || isOcdbt(names)) return true;
  const tree = names.includes("checkpoint") ? files.read(`${directory}checkpoint`) : undefined;
  return tree !== undefined && isFlaxCheckpoint(tree);
}

/**
 * The directories below (and with) `directory` that are checkpoints; of a manager's numbered steps only the last.
 * Paths are "" or end with "/".
 */
export function findCheckpoints(files: ModelFiles, directory = "", depth = 0): string[] {
  const names = files.list(directory.replace(/\/$/, ""));
  if (!names) return [];
  if (isCheckpoint(files, directory, names)) return [directory];
  if (depth >= deepest) return [];
  const steps = names.filter((name) => /^\d+$/.test(name)).toSorted((a, b) => Number(a) - Number(b));
  const chosen = steps.length > 0 ? steps.slice(-1) : names.filter((name) => !name.includes("."));
  return chosen.flatMap((name) => findCheckpoints(files, `${directory}${name}/`, depth + 1));
}

/** What `_METADATA` says of one leaf. */
interface Leaf {
  /** The path in the tree, outermost first. */
  readonly path: readonly string[];
  readonly type: string;
}

function leavesOf(bytes: Uint8Array): Leaf[] {
  let meta: unknown;
  try {
    meta = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new FormatError(`${what}: _METADATA is not JSON: ${messageOf(error)}`);
  }
  const tree = isObject(meta) ? meta["tree_metadata"] : undefined;
  if (!isObject(tree)) throw new FormatError(`${what}: _METADATA has no tree`);
  return Object.entries(tree).map(([key, leaf]) => {
    const parts = isObject(leaf) ? leaf["key_metadata"] : undefined;
    const value = isObject(leaf) ? leaf["value_metadata"] : undefined;
    if (!Array.isArray(parts)) throw new FormatError(`${what}: leaf ${key} has no path`);
    const path = parts.map((part: unknown) => String(isObject(part) ? part["key"] : part));
    return { path, type: String(isObject(value) ? value["value_type"] : "") };
  });
}

/** Opens the checkpoint in a directory ("" or ending with "/"). Throws FormatError. */
export function openOrbax(files: ModelFiles, directory: string): Weights {
  const names = files.list(directory.replace(/\/$/, "")) ?? [];
  const database = isOcdbt(names) ? openOcdbt(files, directory) : undefined;
  const description = files.read(`${directory}_METADATA`);
  const list: Weight[] = [];
  const metadata = new Map<string, string>();
  const below =
    (name: string): ReadKey =>
    (key) =>
      database ? database.read(`${name}/${key}`) : files.read(`${directory}${name}/${key}`);
  const add = (path: readonly string[], key: string): boolean => {
    const array = openZarr(below(key), key);
    if (!array) return false;
    const name = path.join("/");
    list.push({ name, dtype: array.dtype, shape: array.shape, read: () => tensorOf(array.read(), name) });
    return true;
  };
  if (description) {
    for (const { path, type } of leavesOf(description)) {
      if (add(path, path.join("."))) continue;
      // Numbers and texts of the tree, and branches without leaves, are no weights.
      if (/Array$|^scalar$/.test(type)) throw new FormatError(`${what}: array "${path.join(".")}" is missing`);
      metadata.set(path.join("/"), type);
    }
  } else if (database) {
    const found = database.keys.filter((key) => /\/(\.zarray|zarr\.json)$/.test(key));
    for (const key of found) {
      const name = key.slice(0, key.lastIndexOf("/"));
      add(name.split("."), name);
    }
  } else {
    old(files, directory, add, list, metadata);
  }
  if (list.length === 0) throw new FormatError(`${what}: holds no arrays`);
  return weightsOf("orbax", list, metadata);
}

/** Before `_METADATA`: a MessagePack tree in "checkpoint" whose leaves are arrays or "PLACEHOLDER://name". */
function old(
  files: ModelFiles,
  directory: string,
  add: (path: readonly string[], key: string) => boolean,
  list: Weight[],
  metadata: Map<string, string>,
): void {
  const bytes = files.read(`${directory}checkpoint`);
  if (!bytes) return;
  // Texts are put aside as what is no array: the placeholders are among them.
  const { list: inside, metadata: others } = readFlaxCheckpoint(bytes);
  list.push(...inside);
  for (const [name, text] of others) {
    const key = /^PLACEHOLDER:\/\/(.*)$/.exec(text)?.[1];
    if (key === undefined) metadata.set(name, text);
    else if (!add(name.split("/"), key)) throw new FormatError(`${what}: array "${key}" is missing`);
  }
}
