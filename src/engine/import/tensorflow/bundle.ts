// Checkpoints: a sorted table of entries beside files of raw tensors (tensorflow/core/util/tensor_bundle).

import { FormatError, UnsupportedFormat } from "../../../base/errors.ts";
import { encodeUtf8, latin1, utf8 } from "../../../base/text.ts";
import { decode } from "../../../formats/protobuf.ts";
import { readTable } from "../../../formats/sstable.ts";
import { dtypes } from "../../hlo/dtype.ts";
import { elementCount, fromBytes, stridesOf, type Tensor, zeros } from "../../hlo/tensor.ts";
import type { ModelFiles } from "../../model.ts";
import { BundleEntry, BundleHeader, ObjectGraph } from "./messages.ts";
import { knownShape } from "./tensors.ts";
import { dtypeOf, isStringType, typeName } from "./types.ts";

/** A part of a variable, as partitioned ones are saved and restored: from where, how much; undefined for all. */
export type Slice = readonly { readonly start: number; readonly length: number | undefined }[];

/** The tensors of one checkpoint by their keys. */
export class Bundle {
  private readonly prefix: string;
  private readonly files: ModelFiles;
  private readonly entries: ReadonlyMap<string, Uint8Array>;
  private readonly shards: number;
  private readonly whole = new Map<string, Uint8Array>();
  private names: ReadonlyMap<string, string> | undefined;

  /** `prefix` is what the files begin with: "variables/variables". Throws FormatError. */
  constructor(files: ModelFiles, prefix: string) {
    const index = files.read(`${prefix}.index`);
    if (!index) throw new FormatError(`checkpoint ${prefix}: there is no ${prefix}.index`);
    this.prefix = prefix;
    this.files = files;
    this.entries = readTable(index, `${prefix}.index`);
    const header = decode(BundleHeader, this.entries.get("") ?? new Uint8Array(0), `${prefix}.index header`);
    this.shards = header.shards;
    if (header.endianness !== 0) throw new UnsupportedFormat(`checkpoint ${prefix}: big-endian tensors`);
  }

  has(key: string): boolean {
    return this.entries.has(latin1(encodeUtf8(key)));
  }

  /** The key of a variable by the name it has in graphs, for checkpoints of objects. */
  keyOfName(name: string): string | undefined {
    if (this.has(name)) return name;
    this.names ??= this.readNames();
    return this.names.get(name);
  }

  private readNames(): Map<string, string> {
    const names = new Map<string, string>();
    const key = "_CHECKPOINTABLE_OBJECT_GRAPH";
    if (!this.has(key)) return names;
    const what = `checkpoint ${this.prefix}: object graph`;
    const entry = this.entry(key);
    // One string: its length, the checksum of that, the bytes.
    const bytes = this.bytes(entry, key);
    let at = 0;
    while (at < bytes.length && bytes[at]! >= 0x80) at++;
    const graph = decode(ObjectGraph, bytes.subarray(at + 5), what);
    for (const { attributes } of graph.nodes) {
      for (const { fullName, checkpointKey } of attributes) names.set(fullName, checkpointKey);
    }
    return names;
  }

  private entry(key: string): BundleEntry {
    const bytes = this.entries.get(latin1(encodeUtf8(key)));
    if (!bytes) throw new FormatError(`checkpoint ${this.prefix}: there is no tensor ${key}`);
    return decode(BundleEntry, bytes, `${this.prefix}.index: ${key}`);
  }

  /** A whole file of tensors, read once. */
  private shard(path: string): Uint8Array | undefined {
    const read = this.whole.get(path) ?? this.files.read(path);
    if (read) this.whole.set(path, read);
    return read;
  }

  private bytes({ shard, offset, size }: BundleEntry, key: string): Uint8Array {
    const padded = (n: number) => String(n).padStart(5, "0");
    const path = `${this.prefix}.data-${padded(shard)}-of-${padded(this.shards)}`;
    if (offset < 0 || size < 0) throw new FormatError(`${path}: ${key} is ${size} bytes at ${offset}`);
    const part = this.files.readPart?.(path, offset, size) ?? this.shard(path)?.subarray(offset, offset + size);
    if (!part) throw new FormatError(`checkpoint ${this.prefix}: there is no ${path}`);
    if (part.length !== size) {
      throw new FormatError(`${path}: ${key} is ${size} bytes at ${offset}, the file ends after ${part.length}`);
    }
    return part;
  }

  /** How many elements a tensor has; nothing is read for it. */
  size(key: string): number {
    return elementCount(knownShape(this.entry(key).shape, `checkpoint tensor ${key}`));
  }

  /** A tensor, whole or a part of it. Throws FormatError. */
  read(key: string, slice?: Slice): Tensor {
    const entry = this.entry(key);
    const what = `checkpoint tensor ${key}`;
    const shape = knownShape(entry.shape, what);
    const dtype = dtypeOf(entry.dtype);
    if (!dtype || isStringType(entry.dtype)) {
      throw new UnsupportedFormat(`${what}: elements of ${typeName(entry.dtype)} are not supported`);
    }
    const whole =
      entry.slices.length > 0
        ? this.join(key, zeros(dtype, shape), entry.slices)
        : fromBytes(dtype, shape, this.bytes(entry, key), what);
    return slice ? cut(whole, slice, what) : whole;
  }

  /** A variable that was saved in parts: each has its own entry under a key made of the name and the part. */
  private join(key: string, whole: Tensor, slices: BundleEntry["slices"]): Tensor {
    for (const { extent } of slices) {
      const part = extent.map(({ start, length }) => ({
        start,
        length: length === 0 && start === 0 ? undefined : length,
      }));
      const place = fullSlice(whole, part, key);
      const entry = this.entries.get(sliceKey(key, extent));
      if (!entry) throw new FormatError(`checkpoint tensor ${key}: a part of it is missing`);
      const decoded = decode(BundleEntry, entry, `${this.prefix}.index: ${key}`);
      const piece = fromBytes(
        whole.dtype,
        place.map(({ length }) => length),
        this.bytes(decoded, key),
        key,
      );
      copyPart(piece, whole, place, "into");
    }
    return whole;
  }
}

/** The key of a part (tensorflow/core/util/saved_tensor_slice_util): ordered codes of name, rank and extents. */
function sliceKey(name: string, extent: readonly { start: number; length: number }[]): string {
  // Strings: 0 and 255 are escaped, the end is 0 1. Numbers: a byte of length, then big-endian. Signed ones: see below.
  const escaped = latin1(encodeUtf8(name)).replaceAll("\xff", "\xff\x00").replaceAll("\x00", "\x00\xff");
  let key = `${orderedNumber(0)}${escaped}\x00\x01${orderedNumber(extent.length)}`;
  for (const { start, length } of extent) {
    const full = start === 0 && length === 0;
    key += orderedSigned(start) + orderedSigned(full ? -1 : length);
  }
  return key;
}
function orderedNumber(value: number): string {
  let digits = "";
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) digits = String.fromCharCode(rest % 256) + digits;
  return String.fromCharCode(digits.length) + digits;
}
/** Small numbers in one byte with the sign bit flipped; longer ones have as many leading ones as they have bytes. */
function orderedSigned(value: number): string {
  const positive = value < 0 ? ~BigInt(value) : BigInt(value);
  let length = 1;
  while (positive >> BigInt(7 * length - 1) > 0n) length++;
  const bits = BigInt.asUintN(8 * length, BigInt(value) ^ (((1n << BigInt(length)) - 1n) << BigInt(7 * length)));
  let text = "";
  for (let i = length - 1; i >= 0; i--) text += String.fromCharCode(Number((bits >> BigInt(8 * i)) & 0xffn));
  return text;
}

interface Extent {
  readonly start: number;
  readonly length: number;
}

function fullSlice({ shape }: Tensor, slice: Slice, what: string): Extent[] {
  const place = slice.map(({ start, length }, i) => ({ start, length: length ?? (shape[i] ?? 0) - start }));
  const fits = place.every(({ start, length }, i) => start >= 0 && length >= 0 && start + length <= (shape[i] ?? -1));
  if (place.length !== shape.length || !fits) {
    throw new FormatError(`${what}: a part at [${place.map(({ start }) => start)}] of [${shape}]`);
  }
  return place;
}

function cut(whole: Tensor, slice: Slice, what: string): Tensor {
  const place = fullSlice(whole, slice, what);
  const piece = zeros(
    whole.dtype,
    place.map(({ length }) => length),
  );
  copyPart(piece, whole, place, "from");
  return piece;
}

/** Copies a piece into its place in the whole, or from it. */
function copyPart(piece: Tensor, whole: Tensor, place: readonly Extent[], direction: "into" | "from"): void {
  const { entries } = dtypes[whole.dtype];
  const rank = place.length;
  const row = (rank === 0 ? 1 : place[rank - 1]!.length) * entries;
  const rows = row === 0 ? 0 : (elementCount(piece.shape) * entries) / row;
  const strides = stridesOf(whole.shape);
  const outer = place.slice(0, -1);
  const at = outer.map(() => 0);
  for (let r = 0; r < rows; r++) {
    let offset = rank === 0 ? 0 : place[rank - 1]!.start;
    outer.forEach(({ start }, i) => (offset += (start + at[i]!) * strides[i]!));
    offset *= entries;
    const [source, target] = direction === "into" ? [piece, whole] : [whole, piece];
    const [from, to] = direction === "into" ? [r * row, offset] : [offset, r * row];
    (target.data as Float32Array).set((source.data as Float32Array).subarray(from, from + row), to);
    for (let i = outer.length - 1; i >= 0 && ++at[i]! === outer[i]!.length; i--) at[i] = 0;
  }
}

/** A slice as RestoreV2 spells it: "10 4 0,5:-"; the shape, then a start and length (or all) a dimension. */
export function parseSlice(text: Uint8Array | undefined, what: string): Slice | undefined {
  const spelled = text ? utf8(text).trim() : "";
  if (spelled === "") return undefined;
  const last = spelled.split(" ").at(-1)!;
  return last.split(":").map((part) => {
    if (part === "-") return { start: 0, length: undefined };
    const [start, length] = part.split(",").map(Number);
    if (!Number.isSafeInteger(start) || !Number.isSafeInteger(length)) {
      throw new FormatError(`${what}: ${spelled} is no part of a tensor`);
    }
    return { start: start!, length: length! };
  });
}
