// Models, inputs and outputs as files of the host.

import { closeSync, existsSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import process from "node:process";
import { fromJson, itemOf, parseJson } from "../../bridge/media.ts";
import { CerebroError } from "../../base/errors.ts";
import type { ModelFiles, ModelPort, Source } from "../../engine/model.ts";
import type { Item } from "../../engine/steps/step.ts";
import { readUserFile } from "../inspect.ts";
import { progressBar } from "../progress.ts";

/** Files that are read in pieces of this many bytes, so that progress can be told. */
const piece = 16 << 20;
const progress = progressBar(process.stderr);

/** A file's bytes; large ones with a line of progress on a terminal. */
function readWhole(path: string): Uint8Array {
  const { size } = statSync(path);
  if (size <= piece) return readUserFile(path);
  const bytes = new Uint8Array(size);
  const file = openSync(path, "r");
  try {
    let at = 0;
    for (let count = -1; count !== 0 && at < size; at += count) {
      count = readSync(file, bytes, at, Math.min(piece, size - at), at);
      progress({ name: basename(path), activity: "index", bytes: at + count, total: size });
    }
    return bytes.subarray(0, at);
  } finally {
    closeSync(file);
  }
}

/** A directory of the host as a model's files. Names that lead out of it are not there. */
function filesOf(directory: string): ModelFiles {
  const full = (path: string) => (path.split("/").includes("..") ? undefined : join(directory, path));
  return {
    list(path) {
      const at = full(path);
      return at !== undefined && existsSync(at) && statSync(at).isDirectory() ? readdirSync(at).sort() : undefined;
    },
    read(path) {
      const at = full(path);
      return at !== undefined && existsSync(at) && statSync(at).isFile() ? readWhole(at) : undefined;
    },
    readPart(path, offset, length) {
      const at = full(path);
      if (at === undefined || !existsSync(at)) return undefined;
      const file = openSync(at, "r");
      try {
        const part = new Uint8Array(Math.max(0, Math.min(length, statSync(at).size - offset)));
        return part.subarray(0, readSync(file, part, 0, length, offset));
      } finally {
        closeSync(file);
      }
    },
  };
}

/** A file or directory that the user named, as something to load. */
export function sourceOf(path: string): Source {
  const name = basename(path);
  if (!existsSync(path)) throw new CerebroError("not-found", `${path}: no such file`);
  return statSync(path).isDirectory() ? { name, files: filesOf(path) } : { name, bytes: readWhole(path) };
}

/** What the user gave for an input: a file (picture, sound, array, JSON, text), or JSON or text itself. */
export async function readInput(given: string, port: ModelPort): Promise<Item> {
  if (existsSync(given)) return itemOf(readUserFile(given), given, port);
  if (/^\s*[[\d-]/.test(given)) return { kind: "tensor", tensor: fromJson(parseJson(given, port.name), port) };
  if (/\.(?:png|jpe?g|wav|npy|json|txt)$/i.test(given)) throw new CerebroError("not-found", `${given}: no such file`);
  return { kind: "text", text: given };
}
