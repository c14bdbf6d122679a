// What programs give models, by content: pictures, sound, arrays, JSON, text.

import { FormatError } from "../base/errors.ts";
import { utf8 } from "../base/text.ts";
import { isNpy } from "../formats/npy.ts";
import { decodeWav, isWav } from "../formats/wav.ts";
import { elementCount, fromNumbers, type Tensor } from "../engine/hlo/tensor.ts";
import { tensorOfNpy } from "../engine/import/arrays.ts";
import type { ModelPort } from "../engine/model.ts";
import type { Item } from "../engine/steps/step.ts";

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
  const { dtype } = port;
  const fraction = dtype !== "string" && /^[iu]\d/.test(dtype) && !numbers.every(Number.isInteger);
  const element = dtype === "string" || fraction || dtype === "c64" || dtype === "c128" ? "f32" : dtype;
  return fromNumbers(element, shape, elementCount(shape) === 0 ? [0] : numbers);
}

/** Parses JSON; `what` names it in the FormatError. */
export function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new FormatError(`${what}: ${(error as Error).message}`, { cause: error });
  }
}

/** The content of a file for an input. Throws FormatError when it is nothing that a model could take. */
export async function itemOf(bytes: Uint8Array, name: string, port: ModelPort): Promise<Item> {
  if (isNpy(bytes)) return { kind: "tensor", tensor: tensorOfNpy(bytes, name) };
  if (isWav(bytes)) return { kind: "sound", sound: decodeWav(bytes) };
  const { isImage, decodeImage } = await import("../formats/image.ts");
  if (isImage(bytes)) return { kind: "image", image: decodeImage(bytes, name) };
  const text = utf8(bytes);
  if (name.endsWith(".json")) return { kind: "tensor", tensor: fromJson(parseJson(text, name), port) };
  if (text.includes("\0") || text.includes("\ufffd"))
    throw new FormatError(`${name}: is no picture, sound, array or text`);
  return { kind: "text", text: text.trimEnd() };
}
