// Huffman coding as zstd uses it: a bit stream that is read from its end, and a table looked up by as many bits as the longest
// code has. Source: RFC 8878 sections 4.1 and 4.2.

import { FormatError } from "../base/errors.ts";

/** Bits from the end of a stream towards its beginning; the highest set bit of the last byte marks the start. */
export class BackwardBits {
  readonly #bytes: Uint8Array;
  /** Bits not read yet. */
  left: number;

  constructor(bytes: Uint8Array) {
    const last = bytes[bytes.length - 1];
    if (!last) throw new FormatError("zstd: a bit stream does not end in a marker bit");
    this.#bytes = bytes;
    this.left = bytes.length * 8 - 8 + (31 - Math.clz32(last));
  }

  /** At most 25 bits. */
  read(count: number): number {
    const at = this.left - count;
    if (at < 0) throw new FormatError(`zstd: a bit stream ends ${-at} bits early`);
    this.left = at;
    return (window(this.#bytes, at >>> 3) >>> (at & 7)) & ((1 << count) - 1);
  }

  /** At most 31 bits. */
  readLong(count: number): number {
    if (count <= 25) return this.read(count);
    const high = this.read(count - 16);
    return high * 65536 + this.read(16);
  }
}

/** 32 bits from a byte on, zeros beyond the end. */
function window(bytes: Uint8Array, at: number): number {
  if (at + 4 <= bytes.length)
    return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
  let value = 0;
  for (let i = 0; at + i < bytes.length; i++) value |= bytes[at + i]! << (8 * i);
  return value;
}

export interface HuffmanTable {
  /** Bits of the longest code, at most 11. */
  depth: number;
  symbols: Uint8Array;
  bits: Uint8Array;
}

/** Builds a table from the weights of all symbols but the last, whose weight makes the sum a power of two. */
export function huffmanTable(given: readonly number[]): HuffmanTable {
  const sum = given.reduce((total, weight) => total + (weight > 0 ? 2 ** (weight - 1) : 0), 0);
  if (sum === 0) throw new FormatError("zstd: Huffman weights are all zero");
  const depth = Math.floor(Math.log2(sum)) + 1;
  const rest = Math.log2(2 ** depth - sum);
  if (depth > 11 || !Number.isInteger(rest))
    throw new FormatError(`zstd: Huffman weights add up to ${sum}, which no code has`);
  const weights = [...given, rest + 1];
  if (weights.length > 256) throw new FormatError(`zstd: ${weights.length} Huffman weights, at most 256`);
  const size = 1 << depth;
  const table: HuffmanTable = { depth, symbols: new Uint8Array(size), bits: new Uint8Array(size) };
  let at = 0;
  for (let weight = 1; weight <= depth; weight++) {
    for (const [symbol, own] of weights.entries()) {
      if (own !== weight) continue;
      const end = at + (1 << (weight - 1));
      table.symbols.fill(symbol, at, end);
      table.bits.fill(depth + 1 - weight, at, end);
      at = end;
    }
  }
  return table;
}

/** Decodes a stream that holds exactly the symbols that fill `out`. */
export function decodeHuffman(stream: Uint8Array, { depth, symbols, bits }: HuffmanTable, out: Uint8Array): void {
  let left = new BackwardBits(stream).left;
  const mask = (1 << depth) - 1;
  for (let i = 0; i < out.length; i++) {
    const at = left - depth;
    // At the start of the stream fewer bits are there than the longest code has: zeros stand in for them.
    const index = at >= 0 ? (window(stream, at >>> 3) >>> (at & 7)) & mask : (window(stream, 0) << -at) & mask;
    out[i] = symbols[index]!;
    left -= bits[index]!;
    if (left < 0) throw new FormatError(`zstd: a Huffman stream ends before its ${out.length} symbols`);
  }
  if (left !== 0) throw new FormatError(`zstd: ${left} bits are left over in a Huffman stream`);
}
