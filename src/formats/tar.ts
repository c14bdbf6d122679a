// tar archives: ustar, GNU long names and base-256 numbers, pax headers with extended attributes. Source: POSIX pax(1), tar(5).
// Entries are views; nothing is copied. What a path may be is the extractor's decision (packages/paths.ts).

import { range } from "../base/cursor.ts";
import { FormatError, UnsupportedFormat } from "../base/errors.ts";
import { decodeName, hex, latin1 } from "../base/text.ts";

const blockSize = 512;
/** Long names and pax headers are held as text: a sensible archive's are small. */
const metadataLimit = 1 << 20;
const sparseFields = ["GNU.sparse.major", "GNU.sparse.map", "GNU.sparse.size", "GNU.sparse.numblocks"];

export type TarType = "file" | "hardlink" | "symlink" | "character" | "block" | "directory" | "fifo";

export interface TarEntry {
  /** As the archive spells it; bytes that are not UTF-8 are escaped as in base/text.ts. */
  path: string;
  type: TarType;
  /** Permission bits, without the type. */
  mode: number;
  uid: number;
  gid: number;
  userName: string;
  groupName: string;
  size: number;
  /** Seconds, with a fraction when a pax header has one. */
  mtime: number;
  /** Of symbolic and hard links. */
  linkTarget: string | undefined;
  deviceMajor: number;
  deviceMinor: number;
  xattrs: ReadonlyMap<string, Uint8Array> | undefined;
  /** Where the content begins in the archive. */
  offset: number;
}

const types: Readonly<Record<string, TarType>> = {
  "\0": "file",
  "0": "file",
  "7": "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "character",
  "4": "block",
  "5": "directory",
  "6": "fifo",
};

/** The content of an entry: a view of the archive. */
export function tarContent(bytes: Uint8Array, entry: TarEntry): Uint8Array {
  return bytes.subarray(entry.offset, entry.offset + entry.size);
}

/** What pax headers and GNU long names say about the next entry. */
interface Overrides {
  records: Map<string, Uint8Array>;
  path?: string;
  linkTarget?: string;
}

/** The entries in order, to the first block of zeros or the end. */
export function* tarEntries(bytes: Uint8Array): Generator<TarEntry> {
  const global = new Map<string, Uint8Array>();
  let next: Overrides = { records: new Map() };
  let at = 0;
  while (at < bytes.length) {
    const header = range(bytes, at, blockSize, "tar", `header at ${hex(at)}`);
    if (header.every((byte) => byte === 0)) return;
    verifyChecksum(header, at);
    const flag = String.fromCharCode(header[156]!);
    let size = numberField(header, 124, 12, "size", at);
    const offset = at + blockSize;
    if (flag === "x" || flag === "g" || flag === "L" || flag === "K" || flag === "V") {
      if (size > metadataLimit)
        throw new FormatError(`tar: header of type ${flag} has ${size} bytes, the limit is ${metadataLimit}`);
      const content = range(bytes, offset, size, "tar", `header of type ${flag} at ${hex(at)}`);
      if (flag === "x") for (const [key, value] of paxRecords(content)) next.records.set(key, value);
      if (flag === "g") for (const [key, value] of paxRecords(content)) global.set(key, value);
      if (flag === "L") next.path = untilNul(content);
      if (flag === "K") next.linkTarget = untilNul(content);
      at = offset + padded(size);
      continue;
    }
    const type = types[flag];
    if (!type)
      throw new UnsupportedFormat(
        `tar: entry at ${hex(at)} has type ${JSON.stringify(flag)}${flag === "S" ? " (sparse)" : ""}`,
      );
    const entry = readEntry(header, at, type, size, offset);
    applyOverrides(entry, global, next);
    // A directory is marked by a slash alone in archives older than ustar.
    if (flag !== "5" && entry.type === "file" && entry.path.endsWith("/")) entry.type = "directory";
    // Links and directories carry no content whatever their size says, as in GNU tar's and Python's readers.
    if (entry.type !== "file") entry.size = 0;
    size = entry.size;
    range(bytes, offset, size, "tar", `content of ${entry.path}`);
    yield entry;
    next = { records: new Map() };
    at = offset + padded(size);
  }
}

function padded(size: number): number {
  return Math.ceil(size / blockSize) * blockSize;
}

function untilNul(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return decodeName(end < 0 ? bytes : bytes.subarray(0, end));
}

function textField(header: Uint8Array, from: number, length: number): string {
  return untilNul(header.subarray(from, from + length));
}

function readEntry(header: Uint8Array, at: number, type: TarType, size: number, offset: number): TarEntry {
  const isUstar = latin1(header.subarray(257, 263)) === "ustar\0";
  const isGnu = latin1(header.subarray(257, 265)) === "ustar  \0";
  const prefix = isUstar ? textField(header, 345, 155) : "";
  const name = textField(header, 0, 100);
  const devices = isUstar || isGnu;
  const isLink = type === "symlink" || type === "hardlink";
  return {
    path: prefix ? `${prefix}/${name}` : name,
    type,
    mode: numberField(header, 100, 8, "mode", at) & 0o7777,
    uid: numberField(header, 108, 8, "owner", at),
    gid: numberField(header, 116, 8, "group", at),
    userName: devices ? textField(header, 265, 32) : "",
    groupName: devices ? textField(header, 297, 32) : "",
    size,
    mtime: numberField(header, 136, 12, "time", at, true),
    linkTarget: isLink ? textField(header, 157, 100) : undefined,
    deviceMajor: devices ? numberField(header, 329, 8, "device", at) : 0,
    deviceMinor: devices ? numberField(header, 337, 8, "device", at) : 0,
    xattrs: undefined,
    offset,
  };
}

function applyOverrides(entry: TarEntry, global: Map<string, Uint8Array>, next: Overrides): void {
  if (next.path !== undefined) entry.path = next.path;
  if (next.linkTarget !== undefined && entry.linkTarget !== undefined) entry.linkTarget = next.linkTarget;
  if (global.size === 0 && next.records.size === 0) return;
  const xattrs = new Map<string, Uint8Array>();
  for (const [key, value] of [...global, ...next.records]) {
    // An empty value takes back a global one; the header's own field then counts.
    if (value.length === 0 && !key.startsWith("SCHILY.xattr.")) continue;
    if (sparseFields.includes(key)) throw new UnsupportedFormat(`tar: ${entry.path} is sparse (${key})`);
    if (key.startsWith("SCHILY.xattr.")) xattrs.set(key.slice("SCHILY.xattr.".length), value);
    else if (key === "path") entry.path = decodeName(value);
    else if (key === "linkpath" && entry.linkTarget !== undefined) entry.linkTarget = decodeName(value);
    else if (key === "size") entry.size = paxNumber(key, value, true);
    else if (key === "uid" || key === "gid") entry[key] = paxNumber(key, value, true);
    else if (key === "mtime") entry.mtime = paxNumber(key, value, false);
    else if (key === "uname") entry.userName = decodeName(value);
    else if (key === "gname") entry.groupName = decodeName(value);
  }
  if (xattrs.size > 0) entry.xattrs = xattrs;
}

/** "LENGTH KEY=VALUE\n" records. */
function* paxRecords(bytes: Uint8Array): Generator<[string, Uint8Array]> {
  let at = 0;
  while (at < bytes.length) {
    const space = bytes.indexOf(0x20, at);
    const length = space > at && space - at < 8 ? Number(latin1(bytes.subarray(at, space))) : Number.NaN;
    const end = at + length;
    const equals = space < 0 ? -1 : bytes.indexOf(0x3d, space);
    if (!(end <= bytes.length && equals > space && equals < end && bytes[end - 1] === 0x0a)) {
      throw new FormatError(`tar: pax record at ${hex(at)} of ${hex(bytes.length)} is no "length key=value" line`);
    }
    yield [decodeName(bytes.subarray(space + 1, equals)), bytes.subarray(equals + 1, end - 1)];
    at = end;
  }
}

function paxNumber(key: string, value: Uint8Array, whole: boolean): number {
  const text = latin1(value);
  const number = Number(text);
  const good = whole ? /^\d+$/.test(text) && Number.isSafeInteger(number) : /^-?\d+(\.\d*)?$/.test(text);
  if (!good) throw new FormatError(`tar: pax ${key} is ${JSON.stringify(text)}`);
  return number;
}

/** Octal digits, or base-256 when the first byte's high bit is set (GNU tar). */
function numberField(
  header: Uint8Array,
  from: number,
  length: number,
  part: string,
  at: number,
  signed = false,
): number {
  const field = header.subarray(from, from + length);
  const first = field[0]!;
  if (first & 0x80) {
    // 0x80 begins a positive number, 0xff a negative one in two's complement.
    let value = first === 0xff ? -1 : first & 0x7f;
    for (let i = 1; i < length; i++) value = value * 256 + field[i]!;
    if (!Number.isSafeInteger(value) || (value < 0 && !signed)) {
      throw new FormatError(`tar: ${part} of the entry at ${hex(at)} is out of range`);
    }
    return value;
  }
  const text = latin1(field)
    .replace(/[\0 ]+$/, "")
    .replace(/^ +/, "");
  if (text === "") return 0;
  if (!/^[0-7]+$/.test(text))
    throw new FormatError(`tar: ${part} of the entry at ${hex(at)} is ${JSON.stringify(text)}`);
  return parseInt(text, 8);
}

/** The sum of the header's bytes with the checksum field as spaces; some old writers summed signed bytes. */
function verifyChecksum(header: Uint8Array, at: number): void {
  const stored = numberField(header, 148, 8, "checksum", at);
  let unsigned = 8 * 0x20;
  let signed = unsigned;
  for (let i = 0; i < blockSize; i++) {
    if (i >= 148 && i < 156) continue;
    const byte = header[i]!;
    unsigned += byte;
    signed += byte < 128 ? byte : byte - 256;
  }
  if (stored !== unsigned && stored !== signed) {
    throw new FormatError(`tar: header at ${hex(at)} has checksum ${hex(unsigned)}, says ${hex(stored)}`);
  }
}
