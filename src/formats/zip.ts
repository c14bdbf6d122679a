// ZIP archives (PKWARE APPNOTE 6.3.10): central directory, ZIP64, stored and deflated entries, archives appended to other data.
// Sizes and checksums are those of the central directory, so entries with data descriptors need nothing special.

import { Inflate } from "fflate";
import { Cursor, range } from "../base/cursor.ts";
import { FormatError, messageOf, UnsupportedFormat } from "../base/errors.ts";
import { decodeName, hex } from "../base/text.ts";
import { crc32 } from "./crc.ts";
import { Output } from "./output.ts";

const localSignature = 0x04034b50;
const centralSignature = 0x02014b50;
const end64Signature = 0x06064b50;
const locatorSignature = 0x07064b50;
const endSize = 22;
const centralSize = 46;
const localSize = 30;
/** Input pieces: small enough that a bomb is noticed before much of it is unpacked. */
const piece = 1 << 16;

export interface ZipEntry {
  /** As the archive spells it, with "/"; directories end with one. */
  readonly name: string;
  readonly method: number;
  readonly encrypted: boolean;
  readonly crc: number;
  /** Bytes in the archive. */
  readonly packedSize: number;
  /** Bytes of the content. */
  readonly size: number;
  /** Where the local header is in the bytes given. */
  readonly offset: number;
}

/** Whether bytes are a ZIP archive by their first bytes. Archives appended to other data have a directory all the same. */
export function isZip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && bytes[1] === 0x4b && (bytes[2] === 3 || bytes[2] === 5) && bytes[3] === bytes[2] + 1;
}

/** The position of the end record (section 4.3.16), the last one whose comment fits; undefined when there is none. */
function findEnd(bytes: Uint8Array): number | undefined {
  const lowest = Math.max(0, bytes.length - endSize - 0xffff);
  for (let at = bytes.length - endSize; at >= lowest; at--) {
    if (bytes[at] !== 0x50 || bytes[at + 1] !== 0x4b || bytes[at + 2] !== 5 || bytes[at + 3] !== 6) continue;
    const comment = bytes[at + 20]! | (bytes[at + 21]! << 8);
    if (at + endSize + comment <= bytes.length) return at;
  }
  return undefined;
}

interface Directory {
  readonly count: number;
  /** Where it is in the bytes. */
  readonly start: number;
  readonly size: number;
  /** How far every offset of the archive is off: the data in front of an appended archive. */
  readonly shift: number;
}

function readDirectory(bytes: Uint8Array, end: number): Directory {
  const cursor = new Cursor(bytes, "zip", { position: end + 4 });
  const [disk, directoryDisk] = [cursor.u16(), cursor.u16()];
  cursor.skip(2);
  let count = cursor.u16();
  let size = cursor.u32();
  let offset = cursor.u32();
  let after = end;
  const locator = end - 20;
  const is64 = locator >= 0 && new Cursor(bytes, "zip", { position: locator }).u32() === locatorSignature;
  if (is64) {
    // The locator's offset is that of the archive alone: when other data is in front, the record is right before it.
    const said = new Cursor(bytes, "zip64", { position: locator + 8 }).size64();
    const places = [said, locator - 56];
    const place = places.find((at) => {
      return (
        at >= 0 && at + 56 <= bytes.length && new Cursor(bytes, "zip64", { position: at }).u32() === end64Signature
      );
    });
    if (place === undefined) throw new FormatError(`zip: no ZIP64 end record at ${hex(said)}`);
    const record = new Cursor(bytes, "zip64", { position: place + 32 });
    count = record.size64();
    size = record.size64();
    offset = record.size64();
    after = place;
  } else if (disk !== directoryDisk) {
    throw new UnsupportedFormat(`zip: archive in parts (disk ${disk} of ${directoryDisk})`);
  }
  const start = after - size;
  const shift = start - offset;
  if (start < 0 || shift < 0) {
    throw new FormatError(`zip: directory of ${hex(size)} bytes at ${hex(offset)} does not fit before ${hex(after)}`);
  }
  if (count * centralSize > size) throw new FormatError(`zip: ${count} entries do not fit ${size} bytes of directory`);
  return { count, start, size, shift };
}

/** Sizes and offset of a ZIP64 extra field (section 4.5.3), those that are 0xffffffff in the entry, in this order. */
function widen(extra: Uint8Array, name: string, sizes: { size: number; packedSize: number; offset: number }): void {
  const wide = (["size", "packedSize", "offset"] as const).filter((key) => sizes[key] === 0xffffffff);
  if (wide.length === 0) return;
  const cursor = new Cursor(extra, `zip: extra fields of ${name}`);
  while (cursor.remaining >= 4) {
    const [id, length] = [cursor.u16(), cursor.u16()];
    const field = new Cursor(cursor.take(length), `zip: ZIP64 field of ${name}`);
    if (id !== 1) continue;
    for (const key of wide) sizes[key] = field.size64();
    return;
  }
}

/** The entries of the archive at the end of `bytes`, in the directory's order; undefined when there is no archive. */
export function zipEntries(bytes: Uint8Array): ZipEntry[] | undefined {
  const end = findEnd(bytes);
  if (end === undefined) return undefined;
  const { count, start, size, shift } = readDirectory(bytes, end);
  const cursor = new Cursor(range(bytes, start, size, "zip", "directory"), "zip directory");
  const entries: ZipEntry[] = [];
  for (let i = 0; i < count; i++) {
    const at = cursor.position;
    const signature = cursor.u32();
    if (signature !== centralSignature) {
      throw new FormatError(`zip: entry ${i} at ${hex(start + at)} begins with ${hex(signature)}`);
    }
    cursor.skip(4);
    const [flags, method] = [cursor.u16(), cursor.u16()];
    cursor.skip(4);
    const [crc, packedSize, fullSize] = [cursor.u32(), cursor.u32(), cursor.u32()];
    const [nameLength, extraLength, commentLength] = [cursor.u16(), cursor.u16(), cursor.u16()];
    cursor.skip(8);
    const offset = cursor.u32();
    const name = decodeName(cursor.take(nameLength));
    const sizes = { size: fullSize, packedSize, offset };
    widen(cursor.take(extraLength), name, sizes);
    cursor.skip(commentLength);
    entries.push({ name, method, encrypted: (flags & 1) !== 0, crc, ...sizes, offset: sizes.offset + shift });
  }
  return entries;
}

/**
 * The content of an entry, its CRC-32 checked: a view when it is stored. More than `limit` bytes are refused before
 * anything is unpacked, and so is content that is larger than the directory says.
 */
export function zipContent(bytes: Uint8Array, entry: ZipEntry, limit: number): Uint8Array {
  const { name, size, packedSize } = entry;
  const what = `zip: ${name}`;
  if (entry.encrypted) throw new UnsupportedFormat(`${what} is encrypted`);
  if (size > limit) throw new FormatError(`${what} has ${size} bytes, the limit is ${limit}`);
  const header = new Cursor(range(bytes, entry.offset, localSize, "zip", `header of ${name}`), what);
  if (header.u32() !== localSignature) throw new FormatError(`${what}: no local header at ${hex(entry.offset)}`);
  header.skip(22);
  const start = entry.offset + localSize + header.u16() + header.u16();
  const packed = range(bytes, start, packedSize, "zip", `content of ${name}`);
  let content: Uint8Array;
  if (entry.method === 0) content = packed;
  else if (entry.method === 8) content = inflated(packed, what, size);
  else throw new UnsupportedFormat(`${what}: compression method ${entry.method}, only 0 and 8 are read`);
  if (content.length !== size) throw new FormatError(`${what} has ${content.length} bytes, the directory says ${size}`);
  const crc = crc32(content);
  if (crc !== entry.crc) throw new FormatError(`${what} has CRC-32 ${hex(crc)}, expected ${hex(entry.crc)}`);
  return content;
}

/** Inflates a deflate stream (RFC 1951) of a known size. */
function inflated(packed: Uint8Array, what: string, size: number): Uint8Array {
  // Deflate makes at most 1,032 bytes of one: a larger promise reserves nothing.
  const out = new Output(what, size, Math.min(size, packed.length * 1032));
  let ended = packed.length === 0 && size === 0;
  try {
    const stream = new Inflate((chunk, final) => {
      out.append(chunk);
      ended ||= final;
    });
    for (let at = 0; at < packed.length; at += piece) {
      stream.push(packed.subarray(at, at + piece), at + piece >= packed.length);
    }
  } catch (error) {
    if (error instanceof FormatError) throw error;
    throw new FormatError(`${what}: ${messageOf(error)}`, { cause: error });
  }
  if (!ended) throw new FormatError(`${what}: ends inside its compressed data`);
  return out.finish();
}
