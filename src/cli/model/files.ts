// Models, inputs and outputs as files of the host.

import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { CerebroError, FormatError } from "../../base/errors.ts";
import { utf8 } from "../../base/text.ts";
import { isNpy } from "../../formats/npy.ts";
import { isWav, decodeWav } from "../../formats/wav.ts";
import { elementCount, fromNumbers, type Tensor } from "../../engine/hlo/tensor.ts";
import { tensorOfNpy } from "../../engine/import/arrays.ts";
import type { ModelFiles, ModelPort, Source } from "../../engine/model.ts";
import type { Item } from "../../engine/steps/step.ts";
import { readUserFile } from "../inspect.ts";

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
      return at !== undefined && existsSync(at) && statSync(at).isFile() ? readFileSync(at) : undefined;
    },
    readPart(path, offset, length) {
      const at = full(path);
      if (at === undefined || !existsSync(at)) return undefined;
      const file = openSync(at, "r");
      try {
        const part = new Uint8Array(length);
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
  if (existsSync(path) && statSync(path).isDirectory()) return { name, files: filesOf(path) };
  return { name, bytes: readUserFile(path) };
}

/** Nested lists of numbers (or booleans) as a tensor of the port's type. Throws FormatError when they are ragged. */
export function fromJson(value: unknown, port: ModelPort): Tensor {
  const shape: number[] = [];
  for (let level = value; Array.isArray(level); level = level[0]) shape.push(level.length);
  const numbers: number[] = [];
  const collect = (part: unknown, depth: number): void => {
    if (depth < shape.length) {
      if (!Array.isArray(part) || part.length !== shape[depth]) {
        throw new FormatError(`input ${port.name}: the lists are not all of one length`);
      }
      for (const each of part) collect(each, depth + 1);
    } else if (typeof part === "number" || typeof part === "boolean") numbers.push(Number(part));
    else throw new FormatError(`input ${port.name}: ${JSON.stringify(part)} is no number`);
  };
  collect(value, 0);
  const whole = port.dtype !== "string" && !numbers.every(Number.isInteger) && /^[iu]\d/.test(port.dtype);
  const dtype = port.dtype === "string" || whole || port.dtype === "c64" || port.dtype === "c128" ? "f32" : port.dtype;
  return elementCount(shape) === 0 ? fromNumbers(dtype, shape, [0]) : fromNumbers(dtype, shape, numbers);
}

/** What the user gave for an input: a file (picture, sound, array, JSON, text), or JSON or text itself. */
export async function readInput(given: string, port: ModelPort): Promise<Item> {
  if (!existsSync(given)) {
    if (/^\s*[[\d-]/.test(given)) return { kind: "tensor", tensor: fromJson(parseJson(given, port.name), port) };
    if (/\.(?:png|jpe?g|wav|npy|json|txt)$/i.test(given)) throw new CerebroError("not-found", `${given}: no such file`);
    return { kind: "text", text: given };
  }
  const bytes = readUserFile(given);
  if (isNpy(bytes)) return { kind: "tensor", tensor: tensorOfNpy(bytes, given) };
  if (isWav(bytes)) return { kind: "sound", sound: decodeWav(bytes) };
  const { isImage, decodeImage } = await import("../../formats/image.ts");
  if (isImage(bytes)) return { kind: "image", image: decodeImage(bytes, given) };
  const text = utf8(bytes);
  if (given.endsWith(".json")) return { kind: "tensor", tensor: fromJson(parseJson(text, given), port) };
  if (text.includes("\0") || text.includes("\ufffd"))
    throw new FormatError(`${given}: is no picture, sound, array or text`);
  return { kind: "text", text: text.trimEnd() };
}

function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new FormatError(`${what}: ${(error as Error).message}`, { cause: error });
  }
}
