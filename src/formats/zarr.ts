// zarr arrays, versions 2 and 3: a JSON description and compressed chunks by key. Sources: the zarr specifications,
// version 2 and version 3 with its "regular" grid and the codecs bytes, transpose, gzip, zstd, blosc, crc32c, sharding_indexed.

import { Cursor, range } from "../base/cursor.ts";
import { isObject, type JsonObject as Json, parseObject } from "../base/json.ts";
import { FormatError, UnsupportedFormat } from "../base/errors.ts";
import { hex } from "../base/text.ts";
import { arraySize, elementNames, type ElementType, elementSizes, gathered, type RawArray, swapped } from "./array.ts";
import { blosc } from "./blosc.ts";
import { gunzip } from "./compress.ts";
import { crc32c } from "./crc.ts";
import { elementOf } from "./npy.ts";
import { zlib } from "./zlib.ts";
import { zstd } from "./zstd.ts";

/** Bytes of the largest array, of one without any chunk, and the most chunks of one. */
const arrayLimit = 2 ** 31;
const emptyLimit = 1 << 26;
const chunkLimit = 1 << 20;

/** Reads a value by its key below the array. */
export type ReadKey = (key: string) => Uint8Array | undefined;

/** An array that is described but not yet read. */
export interface ZarrArray {
  readonly dtype: ElementType;
  readonly shape: readonly number[];
  read(): RawArray;
}

/** Takes bytes as stored to those of a chunk in row-major order. */
type Decode = (bytes: Uint8Array, shape: readonly number[]) => Uint8Array;

interface Layout {
  readonly what: string;
  readonly dtype: ElementType;
  readonly shape: readonly number[];
  readonly chunk: readonly number[];
  readonly fill: Uint8Array;
  readonly key: (index: readonly number[]) => string;
  readonly decode: Decode;
}

function extents(value: unknown, what: string): number[] {
  if (!Array.isArray(value) || !value.every((each) => Number.isSafeInteger(each) && each >= 0)) {
    throw new FormatError(`${what}: ${JSON.stringify(value)} is no shape`);
  }
  return value as number[];
}

/** Opens the array whose description is under ".zarray" or "zarr.json"; undefined when there is neither. */
export function openZarr(read: ReadKey, name: string): ZarrArray | undefined {
  const what = `zarr "${name}"`;
  const old = read(".zarray");
  const current = old ? undefined : read("zarr.json");
  if (!old && !current) return undefined;
  const layout = old ? version2(parseObject(old, what), what) : version3(parseObject(current!, what), what);
  const { dtype, shape } = layout;
  return { dtype, shape, read: () => ({ dtype, shape, bytes: readChunks(layout, read) }) };
}

/** How many chunks there are along each dimension, after the extents have been checked. */
function gridOf(shape: readonly number[], chunk: readonly number[], what: string): number[] {
  if (chunk.length !== shape.length || chunk.some((extent) => extent < 1)) {
    throw new FormatError(`${what}: chunks [${chunk}] do not fit shape [${shape}]`);
  }
  const grid = shape.map((extent, i) => Math.ceil(extent / chunk[i]!));
  const count = grid.reduce((product, n) => product * n, 1);
  if (count > chunkLimit) throw new FormatError(`${what}: has ${count} chunks, at most ${chunkLimit} are read`);
  return grid;
}

function* indicesOf(grid: readonly number[]): Generator<readonly number[]> {
  if (grid.some((n) => n === 0)) return;
  const index = grid.map(() => 0);
  for (;;) {
    yield [...index];
    let axis = grid.length - 1;
    while (axis >= 0 && ++index[axis]! === grid[axis]) index[axis--] = 0;
    if (axis < 0) return;
  }
}

function readChunks(layout: Layout, read: ReadKey): Uint8Array {
  const { what, dtype, shape, chunk, decode, fill } = layout;
  const size = arraySize(dtype, shape, what);
  if (size > arrayLimit) throw new FormatError(`${what}: has ${size} bytes, at most ${arrayLimit} are read`);
  const chunkSize = arraySize(dtype, chunk, what);
  // Chunks may reach over an array's edges, but not by any amount.
  const largest = Math.min(arrayLimit, Math.max(4 * size, emptyLimit));
  if (chunkSize > largest) throw new FormatError(`${what}: chunks have ${chunkSize} bytes, at most ${largest}`);
  const grid = gridOf(shape, chunk, what);
  let result: Uint8Array | undefined;
  for (const index of indicesOf(grid)) {
    const stored = read(layout.key(index));
    if (!stored) continue;
    const bytes = decode(stored, chunk);
    if (bytes.length !== chunkSize) {
      throw new FormatError(`${what}: chunk ${layout.key(index)} has ${bytes.length} bytes, expected ${chunkSize}`);
    }
    if (chunkSize === size && grid.every((n) => n === 1)) return bytes;
    result ??= filled(size, fill);
    place(result, shape, bytes, chunk, index, elementSizes[dtype]);
  }
  if (!result && size > emptyLimit) throw new FormatError(`${what}: not one chunk of an array of ${size} bytes`);
  return result ?? filled(size, fill);
}

function filled(size: number, fill: Uint8Array): Uint8Array {
  const result = new Uint8Array(size);
  if (fill.some((byte) => byte !== 0)) for (let at = 0; at < size; at += fill.length) result.set(fill, at);
  return result;
}

/** Copies a chunk to its place; what reaches over the array's edge is left out. */
function place(
  to: Uint8Array,
  shape: readonly number[],
  from: Uint8Array,
  chunk: readonly number[],
  index: readonly number[],
  width: number,
): void {
  if (shape.length === 0) {
    to.set(from);
    return;
  }
  const last = shape.length - 1;
  const copied = chunk.map((extent, i) => Math.min(extent, shape[i]! - index[i]! * extent));
  const row = copied[last]! * width;
  const within = chunk.map(() => 0);
  for (;;) {
    let [source, target] = [0, 0];
    for (let axis = 0; axis <= last; axis++) {
      source = source * chunk[axis]! + within[axis]!;
      target = target * shape[axis]! + index[axis]! * chunk[axis]! + within[axis]!;
    }
    to.set(from.subarray(source * width, source * width + row), target * width);
    let axis = last - 1;
    while (axis >= 0 && ++within[axis]! === copied[axis]) within[axis--] = 0;
    if (axis < 0) return;
  }
}

/** Elements of an array whose dimensions are stored in another order: stored dimension i is dimension order[i]. */
function transposed(bytes: Uint8Array, shape: readonly number[], order: readonly number[], width: number): Uint8Array {
  const strides = shape.map(() => 0);
  let stride = width;
  for (let i = order.length - 1; i >= 0; i--) {
    strides[order[i]!] = stride;
    stride *= shape[order[i]!]!;
  }
  return gathered(bytes, shape, strides, width);
}

// Version 2.

function version2(meta: Json, what: string): Layout {
  if (meta["zarr_format"] !== 2) {
    throw new UnsupportedFormat(`${what}: .zarray of format ${String(meta["zarr_format"])}`);
  }
  const descr = meta["dtype"];
  if (typeof descr !== "string") throw new UnsupportedFormat(`${what}: records of several fields`);
  const { dtype, bigEndian } =
    descr === "bfloat16" ? { dtype: "bf16" as const, bigEndian: false } : elementOf(descr, what);
  const filters = meta["filters"];
  if (Array.isArray(filters) && filters.length > 0) throw new UnsupportedFormat(`${what}: filters are not built`);
  const shape = extents(meta["shape"], what);
  const separator = meta["dimension_separator"] ?? ".";
  const unpack = compressor(meta["compressor"], what);
  const width = elementSizes[dtype];
  const fortran = meta["order"] === "F";
  return {
    what,
    dtype,
    shape,
    chunk: extents(meta["chunks"], what),
    fill: fillOf(meta["fill_value"], dtype, what),
    key: (index) => (index.length === 0 ? "0" : index.join(String(separator))),
    decode: (bytes, chunk) => {
      const size = arraySize(dtype, chunk, what);
      const plain = ordered(unpack(bytes, size), dtype, bigEndian);
      if (!fortran || plain.length !== size) return plain;
      return transposed(plain, chunk, chunk.map((_, i) => i).toReversed(), width);
    },
  };
}

const ordered = (bytes: Uint8Array, dtype: ElementType, bigEndian: boolean): Uint8Array => {
  const width = dtype === "c64" || dtype === "c128" ? elementSizes[dtype] / 2 : elementSizes[dtype];
  return bigEndian && width > 1 ? swapped(bytes, width) : bytes;
};

function compressor(value: unknown, what: string): (bytes: Uint8Array, limit: number) => Uint8Array {
  if (value === null || value === undefined) return (bytes) => bytes;
  const id = isObject(value) ? value["id"] : undefined;
  if (id === "zstd") return zstd;
  if (id === "gzip") return gunzip;
  if (id === "zlib") return zlib;
  if (id === "blosc") return blosc;
  throw new UnsupportedFormat(
    `${what}: compressor ${JSON.stringify(id)} is not built (zstd, gzip, zlib and blosc are)`,
  );
}

const fillNumbers: Readonly<Record<string, number>> = { NaN: NaN, Infinity: Infinity, "-Infinity": -Infinity };

function fillOf(value: unknown, dtype: ElementType, what: string): Uint8Array {
  const fill = new Uint8Array(elementSizes[dtype]);
  const number = typeof value === "string" ? fillNumbers[value] : value === null || value === undefined ? 0 : value;
  if (number === 0 || number === false || (Array.isArray(number) && number.every((part) => part === 0))) return fill;
  const view = new DataView(fill.buffer);
  if (typeof number === "boolean") fill[0] = 1;
  else if (typeof number !== "number") {
    throw new UnsupportedFormat(`${what}: fill value ${JSON.stringify(value)} of ${dtype}`);
  } else if (dtype === "f32") view.setFloat32(0, number, true);
  else if (dtype === "f64") view.setFloat64(0, number, true);
  else if (dtype === "bf16") {
    const wide = new DataView(new ArrayBuffer(4));
    wide.setFloat32(0, number);
    view.setUint16(0, wide.getUint16(0), true);
  } else if (/^[iu]\d+$/.test(dtype) && Number.isInteger(number)) {
    let rest = BigInt.asUintN(fill.length * 8, BigInt(number));
    for (let i = 0; i < fill.length; i++, rest >>= 8n) fill[i] = Number(rest & 255n);
  } else throw new UnsupportedFormat(`${what}: fill value ${number} of ${dtype}`);
  return fill;
}

// Version 3.

/** The name and configuration of an extension point: {"name", "configuration"} or a name alone. */
function named(value: unknown, what: string): { name: string; options: Json } {
  if (typeof value === "string") return { name: value, options: {} };
  if (!isObject(value) || typeof value["name"] !== "string") {
    throw new FormatError(`${what}: ${JSON.stringify(value)} has no name`);
  }
  const options = value["configuration"];
  return { name: value["name"], options: isObject(options) ? options : {} };
}

function version3(meta: Json, what: string): Layout {
  if (meta["zarr_format"] !== 3 || meta["node_type"] !== "array") {
    throw new UnsupportedFormat(`${what}: zarr.json of format ${String(meta["zarr_format"])}, ${meta["node_type"]}`);
  }
  const type = meta["data_type"];
  const dtype = typeof type === "string" && Object.hasOwn(elementNames, type) ? elementNames[type] : undefined;
  if (!dtype) throw new UnsupportedFormat(`${what}: elements of type ${JSON.stringify(type)}`);
  const grid = named(meta["chunk_grid"], what);
  if (grid.name !== "regular") throw new UnsupportedFormat(`${what}: chunk grid "${grid.name}"`);
  const keys = named(meta["chunk_key_encoding"] ?? "default", what);
  if (keys.name !== "default" && keys.name !== "v2") throw new UnsupportedFormat(`${what}: chunk keys "${keys.name}"`);
  const plain = keys.name === "v2";
  const separator = String(keys.options["separator"] ?? (plain ? "." : "/"));
  const fill = fillOf(meta["fill_value"], dtype, what);
  return {
    what,
    dtype,
    shape: extents(meta["shape"], what),
    chunk: extents(grid.options["chunk_shape"], what),
    fill,
    key: (index) =>
      plain ? (index.length === 0 ? "0" : index.join(separator)) : ["c", ...index.map(String)].join(separator),
    decode: codecs(meta["codecs"], { dtype, fill, what, depth: 0 }),
  };
}

/** What codecs need to know of the array they are for. */
interface CodecContext {
  readonly dtype: ElementType;
  readonly fill: Uint8Array;
  readonly what: string;
  /** Shards within shards. */
  readonly depth: number;
}

/** A chain of codecs, applied backwards: the last one's output is what is stored. */
function codecs(value: unknown, context: CodecContext): Decode {
  const { what, depth } = context;
  if (!Array.isArray(value) || value.length > 16 || depth > 4) throw new FormatError(`${what}: codecs cannot be read`);
  const chain = value.map((each) => codec(named(each, what), context)).toReversed();
  return (bytes, shape) => chain.reduce((stored, decode) => decode(stored, shape), bytes);
}

function codec({ name, options }: { name: string; options: Json }, context: CodecContext): Decode {
  const { dtype, what } = context;
  const size = (shape: readonly number[]) => arraySize(dtype, shape, what);
  const decoders: Readonly<Record<string, () => Decode>> = {
    bytes: () => (bytes) => ordered(bytes, dtype, options["endian"] === "big"),
    // What is inside may carry a checksum.
    zstd: () => (bytes, shape) => zstd(bytes, size(shape) + 4),
    gzip: () => (bytes, shape) => gunzip(bytes, size(shape) + 4),
    blosc: () => (bytes, shape) => blosc(bytes, size(shape) + 4),
    crc32c: () => (bytes) => checked(bytes, what),
    transpose: () => {
      const order = extents(options["order"], what);
      return (bytes, shape) => {
        if (
          order.length !== shape.length ||
          new Set(order).size !== order.length ||
          Math.max(...order) >= order.length
        ) {
          throw new FormatError(`${what}: dimensions [${order}] do not fit [${shape}]`);
        }
        return bytes.length === size(shape) ? transposed(bytes, shape, order, elementSizes[dtype]) : bytes;
      };
    },
    sharding_indexed: () => sharded(options, context),
  };
  const decoder = Object.hasOwn(decoders, name) ? decoders[name] : undefined;
  if (!decoder) throw new UnsupportedFormat(`${what}: codec "${name}" is not built`);
  return decoder();
}

function checked(bytes: Uint8Array, what: string): Uint8Array {
  const data = range(bytes, 0, bytes.length - 4, what, "data before its checksum");
  const [crc, expected] = [crc32c(data), new Cursor(bytes, what, { position: data.length }).u32()];
  if (crc !== expected) throw new FormatError(`${what}: CRC-32C is ${hex(crc)}, expected ${hex(expected)}`);
  return data;
}

/** A shard: chunks one after another, and an index of where each begins and how long it is. */
function sharded(options: Json, context: CodecContext): Decode {
  const { dtype, fill, what, depth } = context;
  const inner = extents(options["chunk_shape"], what);
  const decode = codecs(options["codecs"], { ...context, depth: depth + 1 });
  const indexCodecs = Array.isArray(options["index_codecs"]) ? options["index_codecs"] : [];
  const decodeIndex = codecs(indexCodecs, { dtype: "u64", fill: new Uint8Array(8), what, depth: depth + 1 });
  const trailer = indexCodecs.some((each) => named(each, what).name === "crc32c") ? 4 : 0;
  const atStart = options["index_location"] === "start";
  return (bytes, shape) => {
    const grid = gridOf(shape, inner, what);
    const indexSize = grid.reduce((product, n) => product * n, 16) + trailer;
    const stored = range(bytes, atStart ? 0 : bytes.length - indexSize, indexSize, what, "shard index");
    const index = new Cursor(decodeIndex(stored, [indexSize >> 4, 2]), what);
    const result = filled(arraySize(dtype, shape, what), fill);
    for (const at of indicesOf(grid)) {
      const [offset, length] = [index.u64(), index.u64()];
      // All bits set: this chunk is left out.
      if (offset === 2n ** 64n - 1n && length === offset) continue;
      const chunk = decode(range(bytes, Number(offset), Number(length), what, "chunk of a shard"), inner);
      if (chunk.length !== arraySize(dtype, inner, what)) {
        throw new FormatError(`${what}: chunk of a shard has ${chunk.length} bytes`);
      }
      place(result, shape, chunk, inner, at, elementSizes[dtype]);
    }
    return result;
  };
}
