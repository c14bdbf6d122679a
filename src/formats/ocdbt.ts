// OCDBT: TensorStore's key-value database of B+trees in data files, read at its newest version. Source: the
// specification in TensorStore's documentation, "ocdbt Key-Value Store driver".

import { Cursor, range } from "../base/cursor.ts";
import { FormatError, UnsupportedFormat } from "../base/errors.ts";
import { hex } from "../base/text.ts";
import { crc32c } from "./crc.ts";
import { zstd } from "./zstd.ts";

const manifestMagic = 0x0cdb3a2a;
const nodeMagic = 0x0cdb20de;
const manifestName = "manifest.ocdbt";
/** Unpacked size of a manifest or node: TensorStore writes nodes of 8 MB at most by default. */
const nodeLimit = 1 << 28;
/** Tree nodes and keys that are read: more than any checkpoint has. */
const maximumNodes = 100_000;
const maximumKeys = 4_000_000;
/** Bytes of all nodes, unpacked: nodes may be reached by several ways. */
const treeLimit = 1 << 30;
/** A length that says that there is no tree: all bits are set. */
const absent = (1n << 64n) - 1n;

/** Files below some directory; paths are relative, with "/". */
export interface FileStore {
  list(directory: string): readonly string[] | undefined;
  read(path: string): Uint8Array | undefined;
  readPart?(path: string, offset: number, length: number): Uint8Array | undefined;
}

/** Values by key. */
export interface KeyStore {
  readonly keys: readonly string[];
  read(key: string): Uint8Array | undefined;
}

interface DataFile {
  /** Relative to the database. */
  readonly path: string;
  /** What paths in nodes of this file are relative to. */
  readonly base: string;
}

interface Place {
  readonly file: DataFile;
  readonly offset: number;
  readonly length: number;
}

/** Whether a directory holds such a database. */
export const isOcdbt = (names: readonly string[]): boolean => names.includes(manifestName);

/** Opens the database in a directory ("" or ending with "/"). The tree is read at once, values when asked for. */
export function openOcdbt(files: FileStore, directory: string, what = "ocdbt"): KeyStore {
  const root = newestRoot(files, directory, what);
  const reader = new TreeReader(files, directory, what);
  if (root) reader.walk(root);
  const { values } = reader;
  return {
    keys: [...values.keys()],
    read: (key) => {
      const value = values.get(key);
      return value instanceof Uint8Array || value === undefined ? value : reader.bytes(value, `value of "${key}"`);
    },
  };
}

function varint(cursor: Cursor): bigint {
  let value = 0n;
  for (let shift = 0n; ; shift += 7n) {
    const at = cursor.position;
    const byte = cursor.u8();
    value |= BigInt(byte & 127) << shift;
    if (byte < 128) return value;
    if (shift > 56n) throw new FormatError(`${cursor.what}: number at ${hex(at)} has more than 64 bits`);
  }
}

function size(cursor: Cursor): number {
  const at = cursor.position;
  const value = varint(cursor);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new FormatError(`${cursor.what}: ${hex(value)} at ${hex(at)} is no sensible size or offset`);
  }
  return Number(value);
}

/** A column of `count` numbers, each a byte at least. */
function column(cursor: Cursor, count: number): number[] {
  if (count > cursor.remaining) {
    throw new FormatError(`${cursor.what}: ${count} entries at ${hex(cursor.position)} of ${hex(cursor.bytes.length)}`);
  }
  const result: number[] = [];
  for (let i = 0; i < count; i++) result.push(size(cursor));
  return result;
}

/** The body of a manifest or node: its header and checksum are verified, and it is unpacked. */
function body(bytes: Uint8Array, magic: number, what: string): Cursor {
  const found = new Cursor(bytes, what, { bigEndian: true }).u32();
  if (found !== magic) throw new FormatError(`${what}: begins with ${hex(found)}, expected ${hex(magic)}`);
  const cursor = new Cursor(bytes, what, { position: 4 });
  const length = cursor.size64();
  if (length !== bytes.length || length < 16) {
    throw new FormatError(`${what}: says ${length} bytes, there are ${bytes.length}`);
  }
  const end = length - 4;
  const [crc, expected] = [crc32c(bytes.subarray(0, end)), new Cursor(bytes, what, { position: end }).u32()];
  if (crc !== expected) throw new FormatError(`${what}: CRC-32C is ${hex(crc)}, expected ${hex(expected)}`);
  const version = size(cursor);
  if (version !== 0) throw new UnsupportedFormat(`${what}: version ${version} is not known`);
  const compression = size(cursor);
  if (compression > 1) throw new UnsupportedFormat(`${what}: compression ${compression} is not known`);
  const rest = bytes.subarray(cursor.position, end);
  return new Cursor(compression === 1 ? zstd(rest, nodeLimit) : rest, what);
}

/** Texts that share their beginnings with the one before ("prefix compression"). */
function sharedTexts(
  cursor: Cursor,
  prefixes: readonly number[],
  suffixes: readonly number[],
  before: () => void,
): Uint8Array[] {
  before();
  const texts: Uint8Array[] = [];
  let last = new Uint8Array(0);
  let total = 0;
  suffixes.forEach((suffix, i) => {
    const prefix = i === 0 ? 0 : prefixes[i - 1]!;
    if (prefix > last.length) {
      throw new FormatError(`${cursor.what}: entry ${i} shares ${prefix} bytes with one of ${last.length}`);
    }
    const text = new Uint8Array(prefix + suffix > 65535 ? rejectText(cursor, i, prefix + suffix) : prefix + suffix);
    total += text.length;
    if (total > nodeLimit) throw new FormatError(`${cursor.what}: keys have more than ${nodeLimit} bytes`);
    text.set(last.subarray(0, prefix));
    text.set(cursor.take(suffix), prefix);
    texts.push(text);
    last = text;
  });
  return texts;
}

function rejectText(cursor: Cursor, entry: number, length: number): never {
  throw new FormatError(`${cursor.what}: entry ${entry} has a path or key of ${length} bytes, at most 65535`);
}

const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function dataFiles(cursor: Cursor, above: string): DataFile[] {
  const count = size(cursor);
  const prefixes = column(cursor, Math.max(0, count - 1));
  const suffixes = column(cursor, count);
  let bases: number[] = [];
  const paths = sharedTexts(cursor, prefixes, suffixes, () => {
    bases = column(cursor, count);
  });
  return paths.map((path, i) => {
    const full = above + decode(path);
    if (full.startsWith("/") || full.split("/").includes("..")) {
      throw new FormatError(`${cursor.what}: data file "${full}" lies outside the database`);
    }
    return { path: full, base: above + decode(path.subarray(0, bases[i])) };
  });
}

function fileOf(files: readonly DataFile[], id: number, what: string): DataFile {
  const file = files[id];
  if (!file) throw new FormatError(`${what}: refers to data file ${id} of ${files.length}`);
  return file;
}

interface Root extends Place {
  readonly height: number;
}

/** The tree of the newest version; undefined when the database is empty. */
function newestRoot(files: FileStore, directory: string, what: string): Root | undefined {
  const read = (name: string) => {
    const bytes = files.read(directory + name);
    if (!bytes) throw new FormatError(`${what}: has no ${name}`);
    return readManifest(bytes, `${what}: ${name}`);
  };
  const manifest = read(manifestName);
  if (!manifest.numbered) return manifest.root;
  // The configuration alone is in manifest.ocdbt; every version has a file of its own.
  const names = (files.list(directory.replace(/\/$/, "")) ?? []).filter((name) => /^manifest\.[\da-f]{16}$/.test(name));
  const newest = names.toSorted().at(-1);
  return newest === undefined ? undefined : read(newest).root;
}

function readManifest(bytes: Uint8Array, what: string): { numbered: boolean; root: Root | undefined } {
  const cursor = body(bytes, manifestMagic, what);
  cursor.skip(16);
  const kind = size(cursor);
  if (kind > 1) throw new UnsupportedFormat(`${what}: manifest kind ${kind} is not known`);
  size(cursor);
  size(cursor);
  cursor.skip(1);
  if (size(cursor) === 1) cursor.skip(4);
  if (kind === 1 && cursor.atEnd) return { numbered: true, root: undefined };
  const table = dataFiles(cursor, "");
  const count = size(cursor);
  if (count === 0) return { numbered: kind === 1, root: undefined };
  column(cursor, count);
  const heights = cursor.take(count);
  const ids = column(cursor, count);
  const offsets = Array.from({ length: count }, () => varint(cursor));
  const lengths = Array.from({ length: count }, () => varint(cursor));
  const last = count - 1;
  if (lengths[last] === absent || lengths[last] === 0n) return { numbered: kind === 1, root: undefined };
  const [offset, length] = [Number(offsets[last]), Number(lengths[last])];
  const root = { file: fileOf(table, ids[last]!, what), offset, length, height: heights[last]! };
  return { numbered: kind === 1, root };
}

class TreeReader {
  readonly values = new Map<string, Uint8Array | Place>();
  private readonly files: FileStore;
  private readonly directory: string;
  private readonly what: string;
  private readonly cache = new Map<string, Uint8Array>();
  private nodes = 0;
  private unpacked = 0;

  constructor(files: FileStore, directory: string, what: string) {
    this.files = files;
    this.directory = directory;
    this.what = what;
  }

  bytes({ file, offset, length }: Place, part: string): Uint8Array {
    const path = this.directory + file.path;
    let bytes = this.cache.get(path);
    if (!bytes) {
      bytes = this.files.read(path);
      if (!bytes) throw new FormatError(`${this.what}: data file "${file.path}" is missing`);
      this.cache.set(path, bytes);
    }
    return range(bytes, offset, length, `${this.what}: ${file.path}`, part);
  }

  /** Reads a tree, deepest nodes last, from a list of what is to be done: heights fall by one each time. */
  walk(root: Root): void {
    const waiting: { place: Place; height: number; prefix: Uint8Array }[] = [
      { place: root, height: root.height, prefix: new Uint8Array(0) },
    ];
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      if (++this.nodes > maximumNodes) throw new FormatError(`${this.what}: has more than ${maximumNodes} nodes`);
      const { place, height, prefix } = next;
      const what = `${this.what}: node at ${hex(place.offset)} of ${place.file.path}`;
      const cursor = body(this.bytes(place, "node"), nodeMagic, what);
      this.unpacked += cursor.bytes.length;
      if (this.unpacked > treeLimit) throw new FormatError(`${this.what}: nodes have more than ${treeLimit} bytes`);
      const found = cursor.u8();
      if (found !== height) throw new FormatError(`${what}: has height ${found}, expected ${height}`);
      const table = dataFiles(cursor, place.file.base);
      const count = size(cursor);
      if (height === 0) this.leaf(cursor, table, count, prefix);
      else {
        const children = this.interior(cursor, table, count, prefix);
        for (const child of children.toReversed()) waiting.push({ ...child, height: height - 1 });
      }
    }
  }

  private leaf(cursor: Cursor, table: readonly DataFile[], count: number, prefix: Uint8Array): void {
    if (this.values.size + count > maximumKeys) {
      throw new FormatError(`${this.what}: has more than ${maximumKeys} keys`);
    }
    const prefixes = column(cursor, Math.max(0, count - 1));
    const suffixes = column(cursor, count);
    const keys = sharedTexts(cursor, prefixes, suffixes, () => {});
    const lengths = column(cursor, count);
    const kinds = column(cursor, count);
    const outside = kinds.filter((kind) => kind === 1).length;
    const ids = column(cursor, outside);
    const offsets = column(cursor, outside);
    let indirect = 0;
    keys.forEach((key, i) => {
      const length = lengths[i]!;
      const name = decode(prefix) + decode(key);
      if (kinds[i] === 0) {
        this.values.set(name, cursor.take(length));
        return;
      }
      if (kinds[i] !== 1) throw new FormatError(`${cursor.what}: "${name}" has kind ${kinds[i]}`);
      const file = fileOf(table, ids[indirect]!, cursor.what);
      this.values.set(name, { file, offset: offsets[indirect++]!, length });
    });
  }

  private interior(
    cursor: Cursor,
    table: readonly DataFile[],
    count: number,
    prefix: Uint8Array,
  ): { place: Place; prefix: Uint8Array }[] {
    const prefixes = column(cursor, Math.max(0, count - 1));
    const suffixes = column(cursor, count);
    let common: number[] = [];
    const keys = sharedTexts(cursor, prefixes, suffixes, () => {
      common = column(cursor, count);
    });
    const ids = column(cursor, count);
    const offsets = column(cursor, count);
    const lengths = column(cursor, count);
    return keys.map((key, i) => {
      const shared = key.subarray(0, common[i]);
      const below = new Uint8Array(prefix.length + shared.length);
      below.set(prefix);
      below.set(shared, prefix.length);
      return {
        place: { file: fileOf(table, ids[i]!, cursor.what), offset: offsets[i]!, length: lengths[i]! },
        prefix: below,
      };
    });
  }
}
