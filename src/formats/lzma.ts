// The LZMA decoder proper: range coder, probabilities and the match loop, decoding chunk by chunk into an Output.
// Source: LZMA SDK's specification (lzma-specification.txt), and the LZMA2 rules of the .xz format's reference decoder.

import { FormatError } from "../base/errors.ts";
import type { Output } from "./output.ts";

const half = 0x400;
const top = 0x1000000;

/** Range decoder: `code` and `range` are kept as unsigned 32-bit numbers. */
class RangeDecoder {
  input: Uint8Array = new Uint8Array(0);
  at = 0;
  end = 0;
  range = 0;
  code = 0;

  begin(input: Uint8Array, at: number, end: number): void {
    if (end - at < 5 || input[at] !== 0)
      throw new FormatError("xz: LZMA data does not begin with a range coder's zero byte");
    this.input = input;
    this.at = at + 5;
    this.end = end;
    this.range = 0xffffffff;
    this.code = ((input[at + 1]! << 24) | (input[at + 2]! << 16) | (input[at + 3]! << 8) | input[at + 4]!) >>> 0;
  }

  normalize(): void {
    if (this.at >= this.end) throw new FormatError("xz: LZMA chunk ends inside a symbol");
    this.range = (this.range << 8) >>> 0;
    this.code = ((this.code << 8) | this.input[this.at++]!) >>> 0;
  }

  bit(probabilities: Uint16Array, index: number): number {
    if (this.range < top) this.normalize();
    const probability = probabilities[index]!;
    const bound = (this.range >>> 11) * probability;
    if (this.code < bound) {
      this.range = bound;
      probabilities[index] = probability + ((2048 - probability) >>> 5);
      return 0;
    }
    this.range -= bound;
    this.code -= bound;
    probabilities[index] = probability - (probability >>> 5);
    return 1;
  }

  /** Checks that the chunk was used up exactly, as its encoder leaves it. */
  finish(): void {
    if (this.range < top) this.normalize();
    if (this.at !== this.end || this.code !== 0)
      throw new FormatError("xz: LZMA chunk does not end where its size says");
  }

  /** `count` bits of equal probability, most significant first. */
  direct(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) {
      if (this.range < top) this.normalize();
      this.range >>>= 1;
      const bit = this.code >= this.range ? 1 : 0;
      if (bit) this.code -= this.range;
      value = (value << 1) | bit;
    }
    return value >>> 0;
  }

  tree(probabilities: Uint16Array, base: number, bits: number): number {
    let symbol = 1;
    for (let i = 0; i < bits; i++) symbol = (symbol << 1) | this.bit(probabilities, base + symbol);
    return symbol - (1 << bits);
  }

  reverseTree(probabilities: Uint16Array, base: number, bits: number): number {
    let symbol = 1;
    let value = 0;
    for (let i = 0; i < bits; i++) {
      const bit = this.bit(probabilities, base + symbol);
      symbol = (symbol << 1) | bit;
      value |= bit << i;
    }
    return value;
  }
}

/** Match lengths: two choices, then trees of 3, 3 and 8 bits. */
class LengthDecoder {
  readonly choice = new Uint16Array(2);
  readonly low = new Uint16Array(16 << 3);
  readonly middle = new Uint16Array(16 << 3);
  readonly high = new Uint16Array(256);

  reset(): void {
    for (const table of [this.choice, this.low, this.middle, this.high]) table.fill(half);
  }

  decode(coder: RangeDecoder, positionState: number): number {
    if (coder.bit(this.choice, 0) === 0) return 2 + coder.tree(this.low, positionState << 3, 3);
    if (coder.bit(this.choice, 1) === 0) return 10 + coder.tree(this.middle, positionState << 3, 3);
    return 18 + coder.tree(this.high, 0, 8);
  }
}

/** Decodes LZMA chunks into an Output that is also the dictionary. */
export class LzmaDecoder {
  readonly #out: Output;
  readonly #dictionarySize: number;
  readonly #coder = new RangeDecoder();
  readonly #isMatch = new Uint16Array(12 << 4);
  readonly #isRep = new Uint16Array(12);
  readonly #isRepG0 = new Uint16Array(12);
  readonly #isRepG1 = new Uint16Array(12);
  readonly #isRepG2 = new Uint16Array(12);
  readonly #isRep0Long = new Uint16Array(12 << 4);
  readonly #slots = new Uint16Array(4 << 6);
  readonly #special = new Uint16Array(128);
  readonly #align = new Uint16Array(16);
  readonly #length = new LengthDecoder();
  readonly #repLength = new LengthDecoder();
  #literals = new Uint16Array(0);
  #literalContext = 0;
  #literalMask = 0;
  #positionMask = 0;
  /** Where in the output the dictionary begins: no match reaches further back. */
  #dictionaryStart = 0;
  #state = 0;
  readonly #reps = new Uint32Array(4);

  constructor(out: Output, dictionarySize: number) {
    this.#out = out;
    this.#dictionarySize = dictionarySize;
  }

  resetDictionary(): void {
    this.#dictionaryStart = this.#out.length;
  }

  /** The properties byte: (pb * 5 + lp) * 9 + lc. LZMA2 allows lc + lp up to 4. */
  setProperties(byte: number): void {
    const context = byte % 9;
    const literalPositions = Math.floor(byte / 9) % 5;
    const positions = Math.floor(byte / 45);
    if (positions > 4 || context + literalPositions > 4) {
      throw new FormatError(`xz: LZMA properties are 0x${byte.toString(16)}, allowed is lc + lp <= 4 and pb <= 4`);
    }
    this.#literalContext = context;
    this.#literalMask = (1 << literalPositions) - 1;
    this.#positionMask = (1 << positions) - 1;
    this.#literals = new Uint16Array(0x300 << (context + literalPositions));
  }

  resetState(): void {
    this.#state = 0;
    this.#reps.fill(0);
    const tables = [
      this.#isMatch,
      this.#isRep,
      this.#isRepG0,
      this.#isRepG1,
      this.#isRepG2,
      this.#isRep0Long,
      this.#slots,
      this.#special,
      this.#align,
      this.#literals,
    ];
    for (const table of tables) table.fill(half);
    this.#length.reset();
    this.#repLength.reset();
  }

  /** Decodes input[start, end) to exactly `size` bytes. */
  chunk(input: Uint8Array, start: number, end: number, size: number): void {
    const coder = this.#coder;
    coder.begin(input, start, end);
    this.#out.reserve(size);
    const bytes = this.#out.bytes;
    const target = this.#out.length + size;
    const { 0: r0, 1: r1, 2: r2, 3: r3 } = this.#reps;
    let [rep0, rep1, rep2, rep3] = [r0!, r1!, r2!, r3!];
    let state = this.#state;
    let at = this.#out.length;
    const base = this.#dictionaryStart;
    while (at < target) {
      const position = at - base;
      const positionState = position & this.#positionMask;
      const row = (state << 4) + positionState;
      if (coder.bit(this.#isMatch, row) === 0) {
        const before = position > 0 ? bytes[at - 1]! : 0;
        const context =
          ((position & this.#literalMask) << this.#literalContext) | (before >>> (8 - this.#literalContext));
        if (state >= 7 && rep0 >= position) throw tooFar(rep0, position);
        bytes[at] = this.#literal(context * 0x300, state < 7 ? -1 : bytes[at - rep0 - 1]!);
        at++;
        state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
        continue;
      }
      let length: number;
      if (coder.bit(this.#isRep, state) === 0) {
        rep3 = rep2;
        rep2 = rep1;
        rep1 = rep0;
        length = this.#length.decode(coder, positionState);
        rep0 = this.#distance(length);
        state = state < 7 ? 7 : 10;
      } else {
        let short = false;
        if (coder.bit(this.#isRepG0, state) === 0) {
          short = coder.bit(this.#isRep0Long, row) === 0;
        } else {
          // One of the older distances: it moves to the front.
          let distance = rep1;
          if (coder.bit(this.#isRepG1, state) !== 0) {
            distance = rep2;
            if (coder.bit(this.#isRepG2, state) !== 0) {
              distance = rep3;
              rep3 = rep2;
            }
            rep2 = rep1;
          }
          rep1 = rep0;
          rep0 = distance;
        }
        length = short ? 1 : this.#repLength.decode(coder, positionState);
        state = short ? (state < 7 ? 9 : 11) : state < 7 ? 8 : 11;
      }
      if (rep0 >= position || rep0 >= this.#dictionarySize)
        throw tooFar(rep0, Math.min(position, this.#dictionarySize));
      if (length > target - at)
        throw new FormatError(`xz: a match of ${length} bytes passes the end of its LZMA chunk`);
      copyMatch(bytes, at, rep0 + 1, length);
      at += length;
    }
    this.#out.length = at;
    this.#state = state;
    this.#reps.set([rep0, rep1, rep2, rep3]);
    coder.finish();
  }

  #literal(base: number, matched: number): number {
    const coder = this.#coder;
    const literals = this.#literals;
    let symbol = 1;
    if (matched >= 0) {
      // While the bits agree with the byte at rep0, that byte's bits choose the probabilities.
      let rest = matched;
      do {
        const expected = (rest >>> 7) & 1;
        rest <<= 1;
        const bit = coder.bit(literals, base + ((1 + expected) << 8) + symbol);
        symbol = (symbol << 1) | bit;
        if (bit !== expected) break;
      } while (symbol < 0x100);
    }
    while (symbol < 0x100) symbol = (symbol << 1) | coder.bit(literals, base + symbol);
    return symbol & 255;
  }

  #distance(length: number): number {
    const coder = this.#coder;
    const slot = coder.tree(this.#slots, Math.min(length - 2, 3) << 6, 6);
    if (slot < 4) return slot;
    const bits = (slot >>> 1) - 1;
    const base = ((2 | (slot & 1)) << bits) >>> 0;
    if (slot < 14) return base + coder.reverseTree(this.#special, base - slot, bits);
    return base + coder.direct(bits - 4) * 16 + coder.reverseTree(this.#align, 0, 4);
  }
}

function tooFar(distance: number, available: number): FormatError {
  return new FormatError(`xz: a match reaches ${distance + 1} bytes back, there are ${available}`);
}

/** Copies within `bytes`; source and target overlap when the distance is shorter than the length. */
function copyMatch(bytes: Uint8Array, at: number, distance: number, length: number): void {
  if (distance >= length && length > 16) {
    bytes.copyWithin(at, at - distance, at - distance + length);
    return;
  }
  for (let i = at; i < at + length; i++) bytes[i] = bytes[i - distance]!;
}
