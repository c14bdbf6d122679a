// XZ decompression: streams, blocks, LZMA2 chunks, and the checks over them. Source: the .xz file format, version 1.2.0.

import { Cursor } from "../base/cursor.ts";
import { FormatError, UnsupportedFormat } from "../base/errors.ts";
import { Sha256 } from "../base/sha256.ts";
import { hex, hexBytes } from "../base/text.ts";
import { crc32, crc64 } from "./crc.ts";
import { LzmaDecoder } from "./lzma.ts";
import { Output, defaultOutputLimit } from "./output.ts";

const magic = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00];
const headerSize = 12;
const filterLzma2 = 0x21;
const filterNames: Readonly<Record<number, string>> = {
  0x03: "Delta",
  0x04: "BCJ x86",
  0x05: "BCJ PowerPC",
  0x06: "BCJ IA-64",
  0x07: "BCJ ARM",
  0x08: "BCJ ARM-Thumb",
  0x09: "BCJ SPARC",
  0x0a: "BCJ ARM64",
  0x0b: "BCJ RISC-V",
};
/** Bytes of a check by its id (section 2.1.1.2). */
const checkSizes = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64];
const Check = { none: 0, crc32: 1, crc64: 4, sha256: 10 } as const;

export function isXz(bytes: Uint8Array): boolean {
  return magic.every((byte, i) => bytes[i] === byte);
}

/** Unpacks all streams of `bytes`. More than `limit` bytes of output are refused. */
export function xz(bytes: Uint8Array, limit = defaultOutputLimit): Uint8Array {
  if (!isXz(bytes)) throw new FormatError(`xz: begins with ${hexBytes(bytes.subarray(0, 6))}, not fd377a585a00`);
  const out = new Output("xz", limit, Math.min(promisedSize(bytes), bytes.length * 32));
  const cursor = new Cursor(bytes, "xz");
  do readStream(cursor, out);
  while (skipPadding(cursor));
  return out.finish();
}

/** What the last stream's index says it holds: only a guess for reserving memory. */
function promisedSize(bytes: Uint8Array): number {
  try {
    const footer = new Cursor(bytes, "xz").seek(Math.max(0, bytes.length - headerSize));
    const indexSize = (footer.skip(4).u32() + 1) * 4;
    const index = new Cursor(bytes, "xz").seek(Math.max(0, bytes.length - headerSize - indexSize)).skip(1);
    let total = 0;
    for (let records = variableInteger(index); records > 0; records--) {
      variableInteger(index);
      total += variableInteger(index);
    }
    return total;
  } catch {
    return 0;
  }
}

/** Zero bytes between streams, in fours; true when another stream follows. */
function skipPadding(cursor: Cursor): boolean {
  while (!cursor.atEnd) {
    if (cursor.bytes[cursor.position] !== 0) return true;
    if (cursor.u32() !== 0) throw new FormatError(`xz: padding before ${hex(cursor.position)} is not zero`);
  }
  return false;
}

function readStream(cursor: Cursor, out: Output): void {
  const header = cursor.take(headerSize);
  if (!isXz(header)) throw new FormatError(`xz: no stream header at ${hex(cursor.position - headerSize)}`);
  const flags = header.subarray(6, 8);
  verifyCrc(flags, new Cursor(header, "xz", { position: 8 }).u32(), "stream header");
  if (flags[0] !== 0 || flags[1]! > 15) throw new UnsupportedFormat(`xz: stream flags ${hexBytes(flags)} are reserved`);
  const check = flags[1]!;

  const blocks: [unpadded: number, size: number][] = [];
  for (;;) {
    const start = cursor.position;
    const size = cursor.u8();
    if (size === 0) {
      readIndex(cursor, start, blocks);
      break;
    }
    const written = out.length;
    cursor.seek(start);
    const dataEnd = readBlock(cursor, out, check);
    blocks.push([dataEnd - start + checkSizes[check]!, out.length - written]);
  }
  readFooter(cursor, flags);
}

function readIndex(cursor: Cursor, start: number, blocks: [number, number][]): void {
  const count = variableInteger(cursor);
  if (count !== blocks.length) throw new FormatError(`xz: index lists ${count} blocks, there are ${blocks.length}`);
  for (const [i, [unpadded, size]] of blocks.entries()) {
    const listed = [variableInteger(cursor), variableInteger(cursor)];
    if (listed[0] !== unpadded || listed[1] !== size) {
      throw new FormatError(`xz: index says block ${i} is ${listed.join(" -> ")} bytes, it is ${unpadded} -> ${size}`);
    }
  }
  while ((cursor.position - start) % 4 !== 0) {
    if (cursor.u8() !== 0) throw new FormatError("xz: padding of the index is not zero");
  }
  verifyCrc(cursor.bytes.subarray(start, cursor.position), cursor.u32(), "index");
}

function readFooter(cursor: Cursor, flags: Uint8Array): void {
  const crc = cursor.u32();
  const rest = cursor.take(8);
  verifyCrc(rest.subarray(0, 6), crc, "stream footer");
  if (rest[4] !== flags[0] || rest[5] !== flags[1] || rest[6] !== 0x59 || rest[7] !== 0x5a) {
    throw new FormatError(`xz: stream footer ends in ${hexBytes(rest.subarray(4))}, expected ${hexBytes(flags)}595a`);
  }
}

/** Decodes one block and verifies its check; gives the offset where its compressed data ended, before padding. */
function readBlock(cursor: Cursor, out: Output, check: number): number {
  const start = cursor.position;
  const header = cursor.take((cursor.bytes[start]! + 1) * 4);
  const dictionarySize = readBlockHeader(header);
  const dataStart = cursor.position;
  const written = out.length;
  lzma2(cursor, out, dictionarySize.dictionary);
  const dataEnd = cursor.position;
  expectSize("compressed", dictionarySize.compressed, dataEnd - dataStart);
  expectSize("unpacked", dictionarySize.unpacked, out.length - written);
  while ((cursor.position - start) % 4 !== 0) {
    if (cursor.u8() !== 0) throw new FormatError("xz: padding of a block is not zero");
  }
  verifyCheck(out.bytes.subarray(written, out.length), check, cursor.take(checkSizes[check]!));
  return dataEnd;
}

interface BlockHeader {
  dictionary: number;
  compressed: number | undefined;
  unpacked: number | undefined;
}

function readBlockHeader(header: Uint8Array): BlockHeader {
  const end = header.length - 4;
  verifyCrc(header.subarray(0, end), new Cursor(header, "xz", { position: end }).u32(), "block header");
  const cursor = new Cursor(header.subarray(0, end), "xz block header", { position: 1 });
  const flags = cursor.u8();
  if (flags & 0x3c) throw new UnsupportedFormat(`xz: block flags ${hex(flags)} are reserved`);
  const compressed = flags & 0x40 ? variableInteger(cursor) : undefined;
  const unpacked = flags & 0x80 ? variableInteger(cursor) : undefined;
  const filters = (flags & 3) + 1;
  const id = variableInteger(cursor);
  if (id !== filterLzma2 || filters !== 1) {
    const name = filterNames[id] ?? (id === filterLzma2 ? `LZMA2 before ${filters - 1} more` : hex(id));
    throw new UnsupportedFormat(`xz: filter ${name} is not built, only LZMA2 alone`);
  }
  const propertiesSize = variableInteger(cursor);
  const bits = cursor.u8();
  if (propertiesSize !== 1 || bits > 40)
    throw new FormatError(`xz: LZMA2 dictionary size is coded as ${bits}, at most 40`);
  const dictionary = bits === 40 ? 0xffffffff : (2 | (bits & 1)) * 2 ** ((bits >> 1) + 11);
  while (!cursor.atEnd) if (cursor.u8() !== 0) throw new FormatError("xz: padding of a block header is not zero");
  return { dictionary, compressed, unpacked };
}

/** The LZMA2 chunks of one block. */
function lzma2(cursor: Cursor, out: Output, dictionarySize: number): void {
  const decoder = new LzmaDecoder(out, dictionarySize);
  let needDictionary = true;
  let needProperties = true;
  for (;;) {
    const at = cursor.position;
    const control = cursor.u8();
    if (control === 0) return;
    if (control === 1 || control >= 0xe0) {
      decoder.resetDictionary();
      needDictionary = false;
    } else if (needDictionary) {
      throw new FormatError(`xz: LZMA2 chunk ${hex(control)} at ${hex(at)} comes before a dictionary reset`);
    }
    const low = bigEndian16(cursor);
    if (control < 0x80) {
      if (control > 2) throw new FormatError(`xz: LZMA2 control byte at ${hex(at)} is ${hex(control)}`);
      out.append(cursor.take(low + 1));
      continue;
    }
    const size = ((control & 0x1f) << 16) + low + 1;
    const packed = bigEndian16(cursor) + 1;
    if (control >= 0xc0) {
      decoder.setProperties(cursor.u8());
      needProperties = false;
    } else if (needProperties) {
      throw new FormatError(`xz: LZMA2 chunk ${hex(control)} at ${hex(at)} comes before its properties`);
    }
    if (control >= 0xa0) decoder.resetState();
    const start = cursor.position;
    cursor.skip(packed);
    decoder.chunk(cursor.bytes, start, start + packed, size);
  }
}

function bigEndian16(cursor: Cursor): number {
  const high = cursor.u8();
  return (high << 8) | cursor.u8();
}

/** Up to nine bytes of seven bits, least significant first (section 1.2). */
function variableInteger(cursor: Cursor): number {
  const at = cursor.position;
  let value = 0;
  for (let shift = 1, i = 0; i < 9; i++, shift *= 128) {
    const byte = cursor.u8();
    value += (byte & 0x7f) * shift;
    if (byte < 0x80) {
      if (!Number.isSafeInteger(value)) break;
      return value;
    }
  }
  throw new FormatError(`xz: the number at ${hex(at)} is too long`);
}

function expectSize(kind: string, said: number | undefined, got: number): void {
  if (said !== undefined && said !== got) throw new FormatError(`xz: block says ${said} ${kind} bytes, has ${got}`);
}

function verifyCrc(bytes: Uint8Array, expected: number, part: string): void {
  const got = crc32(bytes);
  if (got !== expected) throw new FormatError(`xz: ${part} has CRC-32 ${hex(got)}, expected ${hex(expected)}`);
}

/** Checks of unknown kinds are passed over, as the format allows. */
function verifyCheck(bytes: Uint8Array, check: number, stored: Uint8Array): void {
  const cursor = new Cursor(stored, "xz");
  if (check === Check.crc32) verifyCrc(bytes, cursor.u32(), "block");
  if (check === Check.crc64 && crc64(bytes) !== cursor.u64())
    throw new FormatError("xz: a block's CRC-64 does not match");
  if (check === Check.sha256 && hexBytes(new Sha256().update(bytes).digest()) !== hexBytes(stored)) {
    throw new FormatError("xz: a block's SHA-256 does not match");
  }
}
