// bzip2 decompression. The format has no written standard; this follows the published description of its block structure
// (Huffman groups, move-to-front, run lengths, Burrows-Wheeler transform).

import { FormatError, UnsupportedFormat } from "../base/errors.ts";
import { hex, latin1 } from "../base/text.ts";
import { crc32msb } from "./crc.ts";
import { Output, defaultOutputLimit } from "./output.ts";

const blockMagic = 0x314159265359;
const endMagic = 0x177245385090;
const groupSize = 50;
const maxCodeLength = 20;

export function isBzip2(bytes: Uint8Array): boolean {
  return latin1(bytes.subarray(0, 3)) === "BZh" && bytes[3]! >= 0x31 && bytes[3]! <= 0x39;
}

/** Unpacks all streams of `bytes`. More than `limit` bytes of output are refused. */
export function bzip2(bytes: Uint8Array, limit = defaultOutputLimit): Uint8Array {
  if (!isBzip2(bytes)) throw new FormatError("bzip2: does not begin with BZh1 to BZh9");
  const out = new Output("bzip2", limit, bytes.length * 4);
  const reader = new BitReader(bytes);
  while (reader.remaining >= 4) {
    if (!isBzip2(bytes.subarray(reader.byte))) throw new FormatError(`bzip2: no stream at ${hex(reader.byte)}`);
    readStream(reader, out);
  }
  return out.finish();
}

class BitReader {
  readonly bytes: Uint8Array;
  byte = 0;
  #buffer = 0;
  #count = 0;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
  get remaining(): number {
    return this.bytes.length - this.byte;
  }
  /** At most 24 bits. */
  bits(count: number): number {
    while (this.#count < count) {
      if (this.byte >= this.bytes.length)
        throw new FormatError(`bzip2: ends at ${hex(this.bytes.length)} inside a block`);
      this.#buffer = (this.#buffer << 8) | this.bytes[this.byte++]!;
      this.#count += 8;
    }
    this.#count -= count;
    const value = (this.#buffer >>> this.#count) & ((1 << count) - 1);
    this.#buffer &= (1 << this.#count) - 1;
    return value;
  }
  word(): number {
    return ((this.bits(16) << 16) | this.bits(16)) >>> 0;
  }
  alignToByte(): void {
    this.#count = 0;
    this.#buffer = 0;
  }
}

function readStream(reader: BitReader, out: Output): void {
  reader.bits(24);
  const blockSize = (reader.bits(8) - 0x30) * 100_000;
  const transform = new Uint32Array(blockSize);
  let combined = 0;
  for (;;) {
    const magic = reader.bits(24) * 0x1000000 + reader.bits(24);
    const crc = reader.word();
    if (magic === endMagic) {
      if (crc !== combined) throw new FormatError(`bzip2: stream has CRC ${hex(combined)}, expected ${hex(crc)}`);
      reader.alignToByte();
      return;
    }
    if (magic !== blockMagic) throw new FormatError(`bzip2: block begins with ${hex(magic)}, not ${hex(blockMagic)}`);
    const start = out.length;
    readBlock(reader, transform, out);
    const got = crc32msb(out.bytes.subarray(start, out.length));
    if (got !== crc) throw new FormatError(`bzip2: block has CRC ${hex(got)}, expected ${hex(crc)}`);
    combined = (((combined << 1) | (combined >>> 31)) ^ got) >>> 0;
  }
}

/** Canonical Huffman code: for each length the first code and where its symbols begin. */
interface Code {
  limits: Int32Array;
  bases: Int32Array;
  symbols: Uint16Array;
}

function readBlock(reader: BitReader, transform: Uint32Array, out: Output): void {
  if (reader.bits(1)) throw new UnsupportedFormat("bzip2: randomized blocks (of versions before 0.9.5) are not built");
  const origin = reader.bits(24);
  const used = readUsedBytes(reader);
  const groups = reader.bits(3);
  if (groups < 2 || groups > 6) throw new FormatError(`bzip2: block has ${groups} Huffman groups, allowed are 2 to 6`);
  const selectors = readSelectors(reader, groups);
  const codes = Array.from({ length: groups }, () => readCode(reader, used.length + 2));
  const count = readSymbols(reader, selectors, codes, used, transform);
  if (origin >= count) throw new FormatError(`bzip2: origin is ${origin}, block has ${count} bytes`);
  unsort(transform, count, origin, out);
}

function readUsedBytes(reader: BitReader): Uint8Array {
  const rows = reader.bits(16);
  const used: number[] = [];
  for (let row = 0; row < 16; row++) {
    if (!(rows & (0x8000 >> row))) continue;
    const columns = reader.bits(16);
    for (let column = 0; column < 16; column++) if (columns & (0x8000 >> column)) used.push(row * 16 + column);
  }
  if (used.length === 0) throw new FormatError("bzip2: block uses no bytes");
  return Uint8Array.from(used);
}

function readSelectors(reader: BitReader, groups: number): Uint8Array {
  const selectors = new Uint8Array(reader.bits(15));
  if (selectors.length === 0) throw new FormatError("bzip2: block has no selectors");
  const order = [0, 1, 2, 3, 4, 5];
  for (let i = 0; i < selectors.length; i++) {
    let steps = 0;
    while (reader.bits(1)) if (++steps >= groups) throw new FormatError(`bzip2: selector ${i} names no group`);
    const [group] = order.splice(steps, 1);
    order.unshift(group!);
    selectors[i] = group!;
  }
  return selectors;
}

function readCode(reader: BitReader, symbolCount: number): Code {
  const lengths = new Uint8Array(symbolCount);
  let length = reader.bits(5);
  for (let i = 0; i < symbolCount; i++) {
    for (;;) {
      if (length < 1 || length > maxCodeLength) throw new FormatError(`bzip2: a code has ${length} bits, at most 20`);
      if (!reader.bits(1)) break;
      length += reader.bits(1) ? -1 : 1;
    }
    lengths[i] = length;
  }
  const limits = new Int32Array(maxCodeLength + 2).fill(-1);
  const bases = new Int32Array(maxCodeLength + 2);
  const symbols = new Uint16Array(symbolCount);
  let [code, index] = [0, 0];
  for (let bits = 1; bits <= maxCodeLength; bits++) {
    bases[bits] = index - code;
    for (let symbol = 0; symbol < symbolCount; symbol++) {
      if (lengths[symbol] !== bits) continue;
      symbols[index++] = symbol;
      code++;
    }
    limits[bits] = code - 1;
    code <<= 1;
  }
  return { limits, bases, symbols };
}

function readSymbol(reader: BitReader, { limits, bases, symbols }: Code): number {
  let code = 0;
  for (let bits = 1; bits <= maxCodeLength; bits++) {
    code = (code << 1) | reader.bits(1);
    if (code <= limits[bits]!) {
      const symbol = symbols[code + bases[bits]!];
      if (symbol === undefined) break;
      return symbol;
    }
  }
  throw new FormatError("bzip2: a bit pattern is no Huffman code");
}

/** Undoes Huffman coding, run lengths of zeros and move-to-front; the bytes land in the low 8 bits of `into`. */
function readSymbols(
  reader: BitReader,
  selectors: Uint8Array,
  codes: Code[],
  used: Uint8Array,
  into: Uint32Array,
): number {
  const order = Uint8Array.from(used);
  const endOfBlock = used.length + 1;
  let [count, run, runBit, selector, left] = [0, 0, 1, 0, 0];
  let code = codes[0]!;
  for (;;) {
    if (left === 0) {
      if (selector >= selectors.length)
        throw new FormatError(`bzip2: block needs more than ${selectors.length} selectors`);
      code = codes[selectors[selector++]!]!;
      left = groupSize;
    }
    left--;
    const symbol = readSymbol(reader, code);
    if (symbol <= 1) {
      // Runs are written in bijective base two: symbols 0 and 1 add one and two times the place's value.
      run += runBit << symbol;
      runBit <<= 1;
      if (run > into.length) throw new FormatError(`bzip2: a run passes the block's ${into.length} bytes`);
      continue;
    }
    if (run > 0) {
      if (count + run > into.length) throw new FormatError(`bzip2: block passes its ${into.length} bytes`);
      into.fill(order[0]!, count, count + run);
      count += run;
      [run, runBit] = [0, 1];
    }
    if (symbol === endOfBlock) return count;
    if (count >= into.length) throw new FormatError(`bzip2: block passes its ${into.length} bytes`);
    const byte = order[symbol - 1]!;
    order.copyWithin(1, 0, symbol - 1);
    order[0] = byte;
    into[count++] = byte;
  }
}

/** Undoes the Burrows-Wheeler transform, then the outer run lengths (four equal bytes, then a count). */
function unsort(transform: Uint32Array, count: number, origin: number, out: Output): void {
  const starts = new Uint32Array(257);
  for (let i = 0; i < count; i++) starts[(transform[i]! & 255) + 1]!++;
  for (let byte = 0; byte < 256; byte++) starts[byte + 1]! += starts[byte]!;
  for (let i = 0; i < count; i++) {
    const slot = starts[transform[i]! & 255]!++;
    transform[slot] = (transform[slot]! & 255) | (i << 8);
  }
  let at = transform[origin]! >>> 8;
  let [previous, equal] = [-1, 0];
  for (let i = 0; i < count; i++) {
    const entry = transform[at]!;
    const byte = entry & 255;
    at = entry >>> 8;
    if (equal === 4) {
      out.reserve(byte);
      out.bytes.fill(previous, out.length, out.length + byte);
      out.length += byte;
      equal = 0;
      previous = -1;
      continue;
    }
    equal = byte === previous ? equal + 1 : 1;
    previous = byte;
    if (out.length === out.bytes.length) out.reserve(1);
    out.bytes[out.length++] = byte;
  }
}
