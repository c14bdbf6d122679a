// The sorted tables that hold the index of TensorFlow's checkpoints: LevelDB's table format (leveldb, doc/table_format.md).

import { Cursor, range } from "../base/cursor.ts";
import { FormatError } from "../base/errors.ts";
import { latin1 } from "../base/text.ts";
import { decompressSnappy } from "./snappy.ts";

const footerSize = 48;
const magic = 0xdb4775248b80fb57n;

interface Handle {
  readonly offset: number;
  readonly size: number;
}

/** Whether bytes end as a table does. */
export function isTable(bytes: Uint8Array): boolean {
  return bytes.length >= footerSize && new Cursor(bytes, "table").seek(bytes.length - 8).u64() === magic;
}

/** All entries in the order of the keys, which are bytes and given one character each. Throws FormatError. */
export function readTable(bytes: Uint8Array, what = "table"): Map<string, Uint8Array> {
  if (!isTable(bytes)) throw new FormatError(`${what}: ${bytes.length} bytes do not end as a table does`);
  const footer = new Cursor(bytes, what).seek(bytes.length - footerSize);
  readHandle(footer);
  const entries = new Map<string, Uint8Array>();
  for (const { value } of readBlock(bytes, readHandle(footer), what)) {
    for (const entry of readBlock(bytes, readHandle(new Cursor(value, what)), what)) {
      entries.set(entry.key, entry.value);
    }
  }
  return entries;
}

function varint(cursor: Cursor): number {
  let value = 0;
  for (let shift = 0; shift < 64; shift += 7) {
    const byte = cursor.u8();
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80 && Number.isSafeInteger(value)) return value;
    if (byte < 0x80) break;
  }
  throw new FormatError(`${cursor.what}: a number that ends at ${cursor.position} is too large`);
}

function readHandle(cursor: Cursor): Handle {
  return { offset: varint(cursor), size: varint(cursor) };
}

/** A block's entries: keys share prefixes with those before them. */
function* readBlock(
  bytes: Uint8Array,
  { offset, size }: Handle,
  what: string,
): Generator<{ key: string; value: Uint8Array }> {
  const stored = range(bytes, offset, size + 5, what, `block at ${offset}`);
  const compression = stored[size]!;
  if (compression > 1) throw new FormatError(`${what}: block at ${offset} has compression ${compression}`);
  const content = compression === 1 ? decompressSnappy(stored.subarray(0, size), what) : stored.subarray(0, size);
  const cursor = new Cursor(content, `${what}: block at ${offset}`);
  const restarts = cursor.seek(content.length - 4).u32();
  const end = content.length - 4 * (restarts + 1);
  if (end < 0) throw new FormatError(`${what}: block at ${offset} has ${restarts} restarts, ${content.length} bytes`);
  cursor.seek(0);
  let key = "";
  while (cursor.position < end) {
    const shared = varint(cursor);
    const rest = varint(cursor);
    const length = varint(cursor);
    if (shared > key.length) {
      throw new FormatError(`${what}: a key shares ${shared} bytes with one of ${key.length}`);
    }
    key = key.slice(0, shared) + latin1(cursor.take(rest));
    yield { key, value: cursor.take(length) };
  }
}
