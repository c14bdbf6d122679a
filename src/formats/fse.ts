// Finite state entropy tables of zstd: their description, their construction, and the weights of Huffman trees coded by them.
// Source: RFC 8878 section 4.1.

import type { Cursor } from "../base/cursor.ts";
import { FormatError } from "../base/errors.ts";
import { BackwardBits } from "./huffman.ts";

/** For each state: the symbol it stands for, and how the next state follows. */
export interface FseTable {
  accuracy: number;
  symbols: Uint8Array;
  bits: Uint8Array;
  bases: Uint16Array;
}

const weightsMaxAccuracy = 6;
const weightsMaxSymbol = 11;
const mostWeights = 255;

/** A table of one state, which takes no bits. */
export function rleTable(symbol: number): FseTable {
  return { accuracy: 0, symbols: Uint8Array.of(symbol), bits: new Uint8Array(1), bases: new Uint16Array(1) };
}

/** Builds a table from the counts of its symbols; -1 is a count of less than one. They add up to 2^accuracy. */
export function fseTable(counts: readonly number[], accuracy: number): FseTable {
  const size = 1 << accuracy;
  const symbols = new Uint8Array(size);
  const next = counts.map((count) => Math.abs(count));
  let high = size;
  for (const [symbol, count] of counts.entries()) if (count === -1) symbols[--high] = symbol;
  const step = (size >> 1) + (size >> 3) + 3;
  let at = 0;
  for (const [symbol, count] of counts.entries()) {
    for (let i = 0; i < count; i++) {
      symbols[at] = symbol;
      do at = (at + step) & (size - 1);
      while (at >= high);
    }
  }
  const bits = new Uint8Array(size);
  const nextBases = new Uint16Array(size);
  for (let state = 0; state < size; state++) {
    const count = next[symbols[state]!]!++;
    const taken = accuracy - (31 - Math.clz32(count));
    bits[state] = taken;
    nextBases[state] = (count << taken) - size;
  }
  return { accuracy, symbols, bits, bases: nextBases };
}

/** Reads the counts of a table; the cursor ends at the next whole byte. */
export function readFseCounts(
  cursor: Cursor,
  maxAccuracy: number,
  maxSymbol: number,
): { counts: number[]; accuracy: number } {
  const { bytes } = cursor;
  const first = cursor.position * 8;
  const last = bytes.length * 8;
  let at = first;
  const peek = (count: number) => {
    if (at + count > last + 32) throw new FormatError("zstd: an FSE table's description ends early");
    let value = 0;
    for (let i = 0; i < count; i++) value |= (((bytes[(at + i) >> 3] ?? 0) >> ((at + i) & 7)) & 1) << i;
    return value;
  };
  const accuracy = peek(4) + 5;
  at += 4;
  if (accuracy > maxAccuracy) throw new FormatError(`zstd: FSE table has accuracy ${accuracy}, at most ${maxAccuracy}`);
  const counts: number[] = [];
  let remaining = 1 << accuracy;
  while (remaining > 0) {
    if (counts.length > maxSymbol) throw new FormatError(`zstd: FSE table has more than ${maxSymbol + 1} symbols`);
    const width = 32 - Math.clz32(remaining + 1);
    const mask = (1 << (width - 1)) - 1;
    // The smallest values have one bit less: there are as many as the range is short of a power of two.
    const short = (1 << width) - 1 - (remaining + 1);
    let value = peek(width);
    if ((value & mask) < short) {
      value &= mask;
      at += width - 1;
    } else {
      if (value > mask) value -= short;
      at += width;
    }
    const count = value - 1;
    remaining -= Math.abs(count);
    counts.push(count);
    if (count !== 0) continue;
    for (let zeros = 3; zeros === 3;) {
      zeros = peek(2);
      at += 2;
      for (let i = 0; i < zeros; i++) counts.push(0);
      if (counts.length > maxSymbol + 1)
        throw new FormatError(`zstd: FSE table has more than ${maxSymbol + 1} symbols`);
    }
  }
  if (remaining < 0) throw new FormatError("zstd: FSE table's counts pass its size");
  if (at > last) throw new FormatError("zstd: an FSE table's description ends early");
  cursor.seek(Math.ceil(at / 8));
  return { counts, accuracy };
}

/** The weights of a Huffman tree's symbols but the last (section 4.2.1). */
export function decodeWeights(cursor: Cursor): number[] {
  const header = cursor.u8();
  if (header >= 128) {
    const count = header - 127;
    const packed = cursor.take(Math.ceil(count / 2));
    return Array.from({ length: count }, (_, i) => (i % 2 === 0 ? packed[i >> 1]! >> 4 : packed[i >> 1]! & 15));
  }
  const end = cursor.position + header;
  if (end > cursor.bytes.length)
    throw new FormatError(`zstd: Huffman weights of ${header} bytes pass the end of the literals`);
  const { counts, accuracy } = readFseCounts(cursor, weightsMaxAccuracy, weightsMaxSymbol);
  if (cursor.position >= end) throw new FormatError("zstd: Huffman weights have no bits behind their table");
  const table = fseTable(counts, accuracy);
  const bits = new BackwardBits(cursor.take(end - cursor.position));
  // Two states take turns; the first that would need bits that are not there ends it, and the other has the last word.
  const states = [bits.read(accuracy), bits.read(accuracy)];
  const weights: number[] = [];
  for (let turn = 0; ; turn ^= 1) {
    const state = states[turn]!;
    weights.push(table.symbols[state]!);
    if (weights.length > mostWeights) throw new FormatError(`zstd: more than ${mostWeights} Huffman weights`);
    const needed = table.bits[state]!;
    if (needed > bits.left) {
      weights.push(table.symbols[states[turn ^ 1]!]!);
      return weights;
    }
    states[turn] = table.bases[state]! + bits.read(needed);
  }
}
