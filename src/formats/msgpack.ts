// MessagePack: a value of maps, lists, texts, numbers, bytes and extensions. Source: the MessagePack specification.

import { Cursor } from "../base/cursor.ts";
import { FormatError, UnsupportedFormat } from "../base/errors.ts";
import { hex } from "../base/text.ts";

/** A value of an application's own type. */
export class Extension {
  readonly type: number;
  readonly bytes: Uint8Array;
  constructor(type: number, bytes: Uint8Array) {
    this.type = type;
    this.bytes = bytes;
  }
}

export type Packed = null | boolean | number | bigint | string | Uint8Array | Extension | Packed[] | PackedMap;
/** Keys as text: numbers are written out. */
export type PackedMap = Map<string, Packed>;

/** Deepest nesting that is followed. */
const maximumDepth = 200;

/** Reads one value, which has to be all there is. Bytes are views of the input. */
export function readMsgpack(bytes: Uint8Array, what = "msgpack"): Packed {
  const cursor = new Cursor(bytes, what, { bigEndian: true });
  const value = readValue(cursor, 0);
  if (!cursor.atEnd) {
    throw new FormatError(`${what}: value ends at ${hex(cursor.position)}, file has ${hex(bytes.length)}`);
  }
  return value;
}

/** A 64-bit integer as a number where that is exact. */
function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function text(cursor: Cursor, length: number): string {
  const at = cursor.position;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(cursor.take(length));
  } catch (error) {
    if (error instanceof FormatError) throw error;
    throw new FormatError(`${cursor.what}: text at ${hex(at)} is not UTF-8`);
  }
}

/** Every element takes a byte at least: larger counts lie. */
function counted(cursor: Cursor, count: number, least: number): number {
  if (count * least > cursor.remaining) {
    throw new FormatError(
      `${cursor.what}: ${count} elements at ${hex(cursor.position)} in ${hex(cursor.remaining)} bytes`,
    );
  }
  return count;
}

function list(cursor: Cursor, length: number, depth: number): Packed[] {
  const result: Packed[] = [];
  for (let i = counted(cursor, length, 1); i > 0; i--) result.push(readValue(cursor, depth + 1));
  return result;
}

function map(cursor: Cursor, length: number, depth: number): PackedMap {
  const result: PackedMap = new Map();
  for (let i = counted(cursor, length, 2); i > 0; i--) {
    const at = cursor.position;
    const key = readValue(cursor, depth + 1);
    if (typeof key !== "string" && typeof key !== "number" && typeof key !== "bigint" && typeof key !== "boolean") {
      throw new UnsupportedFormat(`${cursor.what}: map key at ${hex(at)} is neither text nor number`);
    }
    result.set(String(key), readValue(cursor, depth + 1));
  }
  return result;
}

function extension(cursor: Cursor, length: number): Extension {
  const type = (cursor.u8() << 24) >> 24;
  return new Extension(type, cursor.take(length));
}

function float(cursor: Cursor, width: 4 | 8): number {
  const bytes = cursor.take(width);
  const view = new DataView(bytes.buffer, bytes.byteOffset, width);
  return width === 4 ? view.getFloat32(0) : view.getFloat64(0);
}

function readValue(cursor: Cursor, depth: number): Packed {
  if (depth > maximumDepth) {
    throw new FormatError(`${cursor.what}: more than ${maximumDepth} levels at ${hex(cursor.position)}`);
  }
  const at = cursor.position;
  const code = cursor.u8();
  if (code < 0x80) return code;
  if (code < 0x90) return map(cursor, code & 15, depth);
  if (code < 0xa0) return list(cursor, code & 15, depth);
  if (code < 0xc0) return text(cursor, code & 31);
  if (code >= 0xe0) return code - 256;
  switch (code) {
    case 0xc0:
      return null;
    case 0xc2:
      return false;
    case 0xc3:
      return true;
    case 0xc4:
      return cursor.take(cursor.u8());
    case 0xc5:
      return cursor.take(cursor.u16());
    case 0xc6:
      return cursor.take(cursor.u32());
    case 0xc7:
      return extension(cursor, cursor.u8());
    case 0xc8:
      return extension(cursor, cursor.u16());
    case 0xc9:
      return extension(cursor, cursor.u32());
    case 0xca:
      return float(cursor, 4);
    case 0xcb:
      return float(cursor, 8);
    case 0xcc:
      return cursor.u8();
    case 0xcd:
      return cursor.u16();
    case 0xce:
      return cursor.u32();
    case 0xcf:
      return narrow(cursor.u64());
    case 0xd0:
      return (cursor.u8() << 24) >> 24;
    case 0xd1:
      return (cursor.u16() << 16) >> 16;
    case 0xd2:
      return cursor.i32();
    case 0xd3:
      return narrow(cursor.i64());
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
      return extension(cursor, 1 << (code - 0xd4));
    case 0xd9:
      return text(cursor, cursor.u8());
    case 0xda:
      return text(cursor, cursor.u16());
    case 0xdb:
      return text(cursor, cursor.u32());
    case 0xdc:
      return list(cursor, cursor.u16(), depth);
    case 0xdd:
      return list(cursor, cursor.u32(), depth);
    case 0xde:
      return map(cursor, cursor.u16(), depth);
    case 0xdf:
      return map(cursor, cursor.u32(), depth);
    default:
      throw new FormatError(`${cursor.what}: byte ${hex(code)} at ${hex(at)} begins no value`);
  }
}
