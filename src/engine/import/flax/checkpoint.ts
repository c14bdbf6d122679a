// Flax checkpoints: a MessagePack tree whose leaves are arrays. Source: flax.serialization.

import { FormatError, UnsupportedFormat } from "../../../base/errors.ts";
import { arraySize, elementNames, elementSizes, rawArray, type RawArray } from "../../../formats/array.ts";
import { Extension, type Packed, type PackedMap, readMsgpack } from "../../../formats/msgpack.ts";
import { tensorOf } from "../arrays.ts";
import { type Weight, type Weights, weightsOf } from "./weights.ts";

/** Extension codes of flax.serialization. */
const Code = { array: 1, complex: 2, scalar: 3 } as const;
const chunkedMark = "__msgpack_chunked_array__";
const what = "flax checkpoint";

/** Whether bytes begin as a MessagePack map with a text for its first key. */
export function isFlaxCheckpoint(bytes: Uint8Array): boolean {
  const code = bytes[0] ?? 0;
  const key = bytes[code === 0xde ? 3 : code === 0xdf ? 5 : 1] ?? 0;
  const isMap = (code > 0x80 && code < 0x90) || code === 0xde || code === 0xdf;
  return isMap && ((key >= 0xa0 && key < 0xc0) || key === 0xd9 || key === 0xda);
}

/** Reads a checkpoint. Throws FormatError. */
export function readFlaxCheckpoint(bytes: Uint8Array): Weights {
  const tree = readMsgpack(bytes, what);
  if (!(tree instanceof Map)) throw new FormatError(`${what}: is no tree`);
  const list: Weight[] = [];
  const metadata = new Map<string, string>();
  collect(tree, "", list, metadata);
  return weightsOf("flax msgpack", list, metadata);
}

/** MessagePack's reader bounds the depth. */
function collect(value: Packed, name: string, list: Weight[], metadata: Map<string, string>): void {
  if (value instanceof Extension) {
    if (value.type === Code.complex) metadata.set(name, "a complex number");
    else list.push(weight(name, arrayOfExtension(value, name)));
  } else if (value instanceof Map) {
    if (value.has(chunkedMark)) list.push(chunked(name, value));
    else for (const [key, each] of value) collect(each, name === "" ? key : `${name}/${key}`, list, metadata);
  } else if (Array.isArray(value)) {
    value.forEach((each, i) => collect(each, `${name}/${i}`, list, metadata));
  } else if (!(value instanceof Uint8Array)) {
    metadata.set(name, String(value));
  }
}

function weight(name: string, array: RawArray): Weight {
  return { name, dtype: array.dtype, shape: array.shape, read: () => tensorOf(array, name) };
}

function isNumbers(value: Packed | undefined): value is number[] {
  return Array.isArray(value) && value.every((each) => typeof each === "number");
}

/** An array is [shape, name of its type, bytes], packed again; a NumPy number is one without dimensions. */
function arrayOfExtension({ type, bytes }: Extension, name: string): RawArray {
  if (type !== Code.array && type !== Code.scalar) {
    throw new UnsupportedFormat(`${what}: "${name}" is of extension type ${type}`);
  }
  const parts = readMsgpack(bytes, `${what}: "${name}"`);
  const [shape, typeName, data] = Array.isArray(parts) ? parts : [];
  if (!isNumbers(shape) || typeof typeName !== "string" || !(data instanceof Uint8Array)) {
    throw new FormatError(`${what}: "${name}" is no [shape, type, bytes]`);
  }
  const dtype = Object.hasOwn(elementNames, typeName) ? elementNames[typeName] : undefined;
  if (!dtype) throw new UnsupportedFormat(`${what}: "${name}" has elements of type "${typeName}"`);
  return rawArray(dtype, shape, data, `${what}: "${name}"`);
}

/** The values under "0", "1", …: how Flax writes tuples. */
function tuple(value: Packed | undefined): Packed[] | undefined {
  if (!(value instanceof Map)) return undefined;
  return Array.from({ length: value.size }, (_, i) => value.get(String(i)) ?? null);
}

/** An array that was larger than a MessagePack value may be: its shape, and pieces of it laid flat. */
function chunked(name: string, value: PackedMap): Weight {
  const shape = tuple(value.get("shape"));
  const pieces = tuple(value.get("chunks"))?.map((piece) => {
    if (!(piece instanceof Extension)) throw new FormatError(`${what}: "${name}" has a piece that is no array`);
    return arrayOfExtension(piece, name);
  });
  const first = pieces?.[0];
  if (!isNumbers(shape) || !pieces || !first) throw new FormatError(`${what}: "${name}" is no chunked array`);
  const { dtype } = first;
  const size = arraySize(dtype, shape, `${what}: "${name}"`);
  const there = pieces.reduce((sum, { bytes }) => sum + bytes.length, 0);
  if (there !== size || pieces.some((piece) => piece.dtype !== dtype)) {
    throw new FormatError(`${what}: "${name}" ${dtype}[${shape}] needs ${size} bytes, its pieces have ${there}`);
  }
  const read = () => {
    const bytes = new Uint8Array(Math.ceil(size / elementSizes[dtype]) * elementSizes[dtype]);
    let at = 0;
    for (const piece of pieces) {
      bytes.set(piece.bytes, at);
      at += piece.bytes.length;
    }
    return tensorOf({ dtype, shape, bytes }, name);
  };
  return { name, dtype, shape, read };
}
