// Zstandard decompression: frames, blocks, literals and sequences, and the checksum over them. Source: RFC 8878.
// Windows and offsets refer to the output itself, so nothing is copied but what the format asks for.

import { Cursor } from "../base/cursor.ts";
import { FormatError, UnsupportedFormat } from "../base/errors.ts";
import { hex } from "../base/text.ts";
import { decodeWeights, fseTable, readFseCounts, rleTable, type FseTable } from "./fse.ts";
import { BackwardBits, huffmanTable, decodeHuffman, type HuffmanTable } from "./huffman.ts";
import { defaultOutputLimit, Output } from "./output.ts";
import { xxh64low } from "./xxhash.ts";

const magic = 0xfd2fb528;
const skippableMagic = 0x184d2a5;
/** The largest window that a frame may ask for: what `zstd -d` takes without `--long`. */
const windowLimit = 1 << 27;
const blockLimit = 1 << 17;

const BlockType = { raw: 0, rle: 1, compressed: 2 } as const;
const LiteralsType = { raw: 0, rle: 1, compressed: 2, treeless: 3 } as const;
const Mode = { predefined: 0, rle: 1, compressed: 2, repeat: 3 } as const;

/** A kind of code in sequences: how its tables may look, and what they are by default (section 3.1.1.3.2.2). */
interface CodeKind {
  name: string;
  maxAccuracy: number;
  maxSymbol: number;
  predefined: FseTable;
}

const literalLengthKind: CodeKind = {
  name: "literal length",
  maxAccuracy: 9,
  maxSymbol: 35,
  predefined: fseTable(
    [4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1],
    6,
  ),
};
const offsetKind: CodeKind = {
  name: "offset",
  maxAccuracy: 8,
  maxSymbol: 31,
  predefined: fseTable([1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1], 5),
};
const matchLengthKind: CodeKind = {
  name: "match length",
  maxAccuracy: 9,
  maxSymbol: 52,
  predefined: fseTable(
    [
      1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
      1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
    ],
    6,
  ),
};

/** Extra bits of the codes above 15 and 31; the bases follow from them. */
const literalLengthBits = [
  ...Array<number>(16).fill(0),
  1,
  1,
  1,
  1,
  2,
  2,
  3,
  3,
  4,
  6,
  7,
  8,
  9,
  10,
  11,
  12,
  13,
  14,
  15,
  16,
];
const matchLengthBits = [
  ...Array<number>(32).fill(0),
  1,
  1,
  1,
  1,
  2,
  2,
  3,
  3,
  4,
  4,
  5,
  7,
  8,
  9,
  10,
  11,
  12,
  13,
  14,
  15,
  16,
];
const literalLengthBases = bases(literalLengthBits, 0);
const matchLengthBases = bases(matchLengthBits, 3);

function bases(bits: readonly number[], first: number): number[] {
  let base = first;
  return bits.map((count) => {
    const own = base;
    base += 2 ** count;
    return own;
  });
}

export function isZstd(bytes: Uint8Array): boolean {
  return bytes[0] === 0x28 && bytes[1] === 0xb5 && bytes[2] === 0x2f && bytes[3] === 0xfd;
}

/** Unpacks all frames of `bytes`. More than `limit` bytes of output are refused. */
export function zstd(bytes: Uint8Array, limit = defaultOutputLimit): Uint8Array {
  const cursor = new Cursor(bytes, "zstd");
  const out = new Output("zstd", limit, bytes.length * 4);
  while (!cursor.atEnd) readFrame(cursor, out);
  return out.finish();
}

interface FrameHeader {
  window: number;
  size: number | undefined;
  hasChecksum: boolean;
}

function readHeader(cursor: Cursor): FrameHeader {
  const flags = cursor.u8();
  if (flags & 8) throw new UnsupportedFormat("zstd: a frame header's reserved bit is set");
  const isSingle = (flags & 0x20) !== 0;
  let window = 0;
  if (!isSingle) {
    const code = cursor.u8();
    const base = 2 ** (10 + (code >> 3));
    window = base + (base / 8) * (code & 7);
  }
  const dictionary = cursor.take([0, 1, 2, 4][flags & 3]!);
  if (dictionary.some((byte) => byte !== 0))
    throw new UnsupportedFormat("zstd: frames with a dictionary are not built");
  let size: number | undefined;
  const sizeCode = flags >> 6;
  if (sizeCode === 0) size = isSingle ? cursor.u8() : undefined;
  else size = sizeCode === 1 ? cursor.u16() + 256 : sizeCode === 2 ? cursor.u32() : cursor.size64();
  if (isSingle) window = size!;
  else if (window > windowLimit) throw new FormatError(`zstd: window of ${window} bytes, the limit is ${windowLimit}`);
  return { window, size, hasChecksum: (flags & 4) !== 0 };
}

/** What blocks of a frame hand on to later ones. */
interface FrameState {
  /** Where the frame's output begins: no match reaches further back. */
  start: number;
  window: number;
  offsets: [number, number, number];
  huffman: HuffmanTable | undefined;
  tables: { literalLength?: FseTable; offset?: FseTable; matchLength?: FseTable };
}

function readFrame(cursor: Cursor, out: Output): void {
  const at = cursor.position;
  const found = cursor.u32();
  if (found >>> 4 === skippableMagic) {
    cursor.skip(cursor.u32());
    return;
  }
  if (found !== magic) throw new FormatError(`zstd: frame at ${hex(at)} begins with ${hex(found)}, not ${hex(magic)}`);
  const { window, size, hasChecksum } = readHeader(cursor);
  const state: FrameState = { start: out.length, window, offsets: [1, 4, 8], huffman: undefined, tables: {} };
  // Only a promise, so only as much is reserved as the input could sensibly hold.
  if (size !== undefined) out.reserve(Math.min(size, cursor.remaining * 1024));
  for (let isLast = false; !isLast;) isLast = readBlock(cursor, out, state);
  const length = out.length - state.start;
  if (size !== undefined && length !== size) throw new FormatError(`zstd: frame has ${length} bytes, says ${size}`);
  if (hasChecksum) {
    const stored = cursor.u32();
    const got = xxh64low(out.bytes.subarray(state.start, out.length));
    if (got !== stored) throw new FormatError(`zstd: frame has checksum ${hex(got)}, says ${hex(stored)}`);
  }
}

function readBlock(cursor: Cursor, out: Output, state: FrameState): boolean {
  const at = cursor.position;
  const header = cursor.u8() | (cursor.u8() << 8) | (cursor.u8() << 16);
  const type = (header >> 1) & 3;
  const size = header >>> 3;
  if (size > blockLimit) throw new FormatError(`zstd: block at ${hex(at)} has ${size} bytes, at most ${blockLimit}`);
  switch (type) {
    case BlockType.raw:
      out.append(cursor.take(size));
      break;
    case BlockType.rle:
      out.reserve(size);
      out.bytes.fill(cursor.u8(), out.length, out.length + size);
      out.length += size;
      break;
    case BlockType.compressed:
      readCompressed(cursor.take(size), out, state);
      break;
    default:
      throw new FormatError(`zstd: block at ${hex(at)} has the reserved type 3`);
  }
  return (header & 1) === 1;
}

function readCompressed(block: Uint8Array, out: Output, state: FrameState): void {
  const cursor = new Cursor(block, "zstd block");
  const literals = readLiterals(cursor, state);
  const start = out.length;
  readSequences(cursor, literals, out, state);
  if (out.length - start > blockLimit) {
    throw new FormatError(`zstd: block unpacks to ${out.length - start} bytes, at most ${blockLimit}`);
  }
}

function readLiterals(cursor: Cursor, state: FrameState): Uint8Array {
  const first = cursor.bytes[cursor.position] ?? cursor.u8();
  const type = first & 3;
  const format = (first >> 2) & 3;
  if (type === LiteralsType.raw || type === LiteralsType.rle) {
    const bytes = format === 1 ? 2 : format === 3 ? 3 : 1;
    const size = littleEndian(cursor, bytes) >>> (bytes === 1 ? 3 : 4);
    if (size > blockLimit) throw new FormatError(`zstd: ${size} literals in a block, at most ${blockLimit}`);
    return type === LiteralsType.raw ? cursor.take(size) : new Uint8Array(size).fill(cursor.u8());
  }
  const bits = [10, 10, 14, 18][format]!;
  const header = littleEndian(cursor, format <= 1 ? 3 : format === 2 ? 4 : 5);
  const fields = Math.floor(header / 16);
  const size = fields % 2 ** bits;
  const packed = Math.floor(fields / 2 ** bits);
  if (size > blockLimit) throw new FormatError(`zstd: ${size} literals in a block, at most ${blockLimit}`);
  const content = new Cursor(cursor.take(packed), "zstd literals");
  if (type === LiteralsType.compressed) state.huffman = huffmanTable(decodeWeights(content));
  if (!state.huffman) throw new FormatError("zstd: literals reuse a Huffman table, but there was none before");
  return readStreams(content, format === 0 ? 1 : 4, size, state.huffman);
}

/** One Huffman stream, or four of equal length behind a table of their sizes. */
function readStreams(content: Cursor, count: 1 | 4, size: number, table: HuffmanTable): Uint8Array {
  const literals = new Uint8Array(size);
  if (count === 1) {
    decodeHuffman(content.take(content.remaining), table, literals);
    return literals;
  }
  const sizes = [content.u16(), content.u16(), content.u16()];
  const part = Math.ceil(size / 4);
  if (part * 3 > size) throw new FormatError(`zstd: ${size} literals are too few for four streams`);
  for (let i = 0; i < 4; i++) {
    const stream = content.take(sizes[i] ?? content.remaining);
    decodeHuffman(stream, table, literals.subarray(i * part, i === 3 ? size : (i + 1) * part));
  }
  return literals;
}

function readSequences(cursor: Cursor, literals: Uint8Array, out: Output, state: FrameState): void {
  let count = cursor.u8();
  if (count >= 255) count = cursor.u16() + 0x7f00;
  else if (count >= 128) count = ((count - 128) << 8) + cursor.u8();
  if (count === 0) {
    if (!cursor.atEnd) throw new FormatError(`zstd: ${cursor.remaining} bytes follow a block without sequences`);
    out.append(literals);
    return;
  }
  const modes = cursor.u8();
  if (modes & 3) throw new FormatError("zstd: reserved bits of the sequences' modes are set");
  const { tables } = state;
  tables.literalLength = readTable(cursor, modes >> 6, literalLengthKind, tables.literalLength);
  tables.offset = readTable(cursor, (modes >> 4) & 3, offsetKind, tables.offset);
  tables.matchLength = readTable(cursor, (modes >> 2) & 3, matchLengthKind, tables.matchLength);
  const used = execute(new BackwardBits(cursor.take(cursor.remaining)), count, literals, out, state);
  out.append(literals.subarray(used));
}

function readTable(cursor: Cursor, mode: number, kind: CodeKind, before: FseTable | undefined): FseTable {
  switch (mode) {
    case Mode.predefined:
      return kind.predefined;
    case Mode.rle: {
      const symbol = cursor.u8();
      if (symbol > kind.maxSymbol)
        throw new FormatError(`zstd: ${kind.name} code ${symbol}, at most ${kind.maxSymbol}`);
      return rleTable(symbol);
    }
    case Mode.compressed: {
      const { counts, accuracy } = readFseCounts(cursor, kind.maxAccuracy, kind.maxSymbol);
      return fseTable(counts, accuracy);
    }
    default:
      if (!before) throw new FormatError(`zstd: the ${kind.name} table is to be repeated, but there was none before`);
      return before;
  }
}

/** Runs the sequences: literals, then a match, again and again. Gives the number of literals used. */
function execute(bits: BackwardBits, count: number, literals: Uint8Array, out: Output, state: FrameState): number {
  const literalTable = state.tables.literalLength!;
  const offsetTable = state.tables.offset!;
  const matchTable = state.tables.matchLength!;
  let literalState = bits.read(literalTable.accuracy);
  let offsetState = bits.read(offsetTable.accuracy);
  let matchState = bits.read(matchTable.accuracy);
  let used = 0;
  for (let left = count; left > 0; left--) {
    const offsetCode = offsetTable.symbols[offsetState]!;
    const matchCode = matchTable.symbols[matchState]!;
    const literalCode = literalTable.symbols[literalState]!;
    const offsetValue = 2 ** offsetCode + bits.readLong(offsetCode);
    const matchLength = matchLengthBases[matchCode]! + bits.read(matchLengthBits[matchCode]!);
    const literalLength = literalLengthBases[literalCode]! + bits.read(literalLengthBits[literalCode]!);
    if (left > 1) {
      literalState = literalTable.bases[literalState]! + bits.read(literalTable.bits[literalState]!);
      matchState = matchTable.bases[matchState]! + bits.read(matchTable.bits[matchState]!);
      offsetState = offsetTable.bases[offsetState]! + bits.read(offsetTable.bits[offsetState]!);
    }
    if (literalLength > literals.length - used) {
      throw new FormatError(`zstd: sequence takes ${literalLength} literals, there are ${literals.length - used}`);
    }
    out.reserve(literalLength + matchLength);
    copyForward(literals, used, out.bytes, out.length, literalLength);
    used += literalLength;
    out.length += literalLength;
    copyMatch(out, offsetOf(offsetValue, literalLength, state.offsets), matchLength, state);
  }
  if (bits.left !== 0) throw new FormatError(`zstd: ${bits.left} bits are left over after the sequences`);
  return used;
}

/** Values up to 3 name one of the last three offsets, which move to the front (section 3.1.1.5). */
function offsetOf(value: number, literalLength: number, offsets: [number, number, number]): number {
  if (value > 3) {
    offsets[2] = offsets[1];
    offsets[1] = offsets[0];
    return (offsets[0] = value - 3);
  }
  const index = literalLength === 0 ? value : value - 1;
  if (index === 0) return offsets[0];
  const offset = index === 3 ? offsets[0] - 1 : offsets[index]!;
  if (offset === 0) throw new FormatError("zstd: a repeated offset is 0");
  if (index > 1) offsets[2] = offsets[1];
  offsets[1] = offsets[0];
  return (offsets[0] = offset);
}

function copyForward(from: Uint8Array, at: number, to: Uint8Array, target: number, length: number): void {
  if (length > 32) to.set(from.subarray(at, at + length), target);
  else for (let i = 0; i < length; i++) to[target + i] = from[at + i]!;
}

function copyMatch(out: Output, offset: number, length: number, { start, window }: FrameState): void {
  const available = Math.min(out.length - start, window);
  if (offset > available) throw new FormatError(`zstd: a match reaches ${offset} bytes back, there are ${available}`);
  const { bytes } = out;
  const at = out.length;
  if (offset >= length && length > 32) bytes.copyWithin(at, at - offset, at - offset + length);
  else for (let i = at; i < at + length; i++) bytes[i] = bytes[i - offset]!;
  out.length = at + length;
}

function littleEndian(cursor: Cursor, count: number): number {
  let value = 0;
  for (let i = 0, place = 1; i < count; i++, place *= 256) value += cursor.u8() * place;
  return value;
}
