// Callouts of AES-NI, PCLMULQDQ and CRC32 (FIPS 197; Intel SDM volume 2).

import { offsets } from "../state.ts";
import type { CpuView } from "../view.ts";

export const AesOp = { encrypt: 0, encryptLast: 1, decrypt: 2, decryptLast: 3, inverseMix: 4, keyAssist: 5 } as const;

const scratch = offsets.scratch / 4;

/** Doubles in the field of AES. */
const double = (x: number): number => ((x << 1) ^ (x & 0x80 ? 0x11b : 0)) & 0xff;

/** The S-box and its inverse: the multiplicative inverse, then an affine map. */
function boxes(): { box: Uint8Array; inverse: Uint8Array } {
  const box = new Uint8Array(256);
  const inverse = new Uint8Array(256);
  // 3 generates the field: x runs through the powers of 3, y through those of its inverse.
  let x = 1;
  let y = 1;
  do {
    x ^= double(x);
    y ^= y << 1;
    y ^= y << 2;
    y ^= y << 4;
    y &= 0xff;
    if (y & 0x80) y ^= 0x09;
    let value = y;
    for (let i = 1; i < 5; i++) value ^= ((y << i) | (y >> (8 - i))) & 0xff;
    box[x] = value ^ 0x63;
  } while (x !== 1);
  box[0] = 0x63;
  for (let i = 0; i < 256; i++) inverse[box[i]!] = i;
  return { box, inverse };
}
const { box, inverse } = boxes();

/** Columns of the mix matrices for the first row's byte: other rows are rotations. */
const mix = new Int32Array(256);
const unmix = new Int32Array(256);
for (let i = 0; i < 256; i++) {
  const two = double(i);
  const four = double(two);
  const eight = double(four);
  mix[i] = two | (i << 8) | (i << 16) | ((two ^ i) << 24);
  unmix[i] = (eight ^ four ^ two) | ((eight ^ i) << 8) | ((eight ^ four ^ i) << 16) | ((eight ^ two ^ i) << 24);
}

const rotate = (x: number, bits: number): number => (x << bits) | (x >>> (32 - bits));
const column = (table: Int32Array, a: number, b: number, c: number, d: number): number =>
  table[a]! ^ rotate(table[b]!, 8) ^ rotate(table[c]!, 16) ^ rotate(table[d]!, 24);

const result = new Int32Array(4);
const state = new Uint8Array(16);
const key = new Int32Array(4);

/** One round: rows shift, bytes are substituted, columns are mixed (not in the last round), the key is added. */
function round(forward: boolean, last: boolean): void {
  const step = forward ? 5 : 13;
  const table = forward ? mix : unmix;
  const substitute = forward ? box : inverse;
  for (let c = 0; c < 4; c++) {
    const byte = (row: number) => substitute[state[(4 * c + step * row) & 15]!]!;
    const [a, b, d, e] = [byte(0), byte(1), byte(2), byte(3)];
    result[c] = (last ? a | (b << 8) | (d << 16) | (e << 24) : column(table, a, b, d, e)) ^ key[c]!;
  }
}

const substituteWord = (x: number): number =>
  box[x & 0xff]! | (box[(x >>> 8) & 0xff]! << 8) | (box[(x >>> 16) & 0xff]! << 16) | (box[x >>> 24]! << 24);

/** CRC-32C, reflected polynomial 82F63B78. */
const crcTable = Int32Array.from({ length: 256 }, (_, i) => {
  for (let bit = 0; bit < 8; bit++) i = (i >>> 1) ^ (i & 1 ? 0x82f63b78 : 0);
  return i;
});

export const cryptoCallouts = {
  /** (operation | register << 4 | immediate << 8, source): writes the register. */
  aes(cpu: CpuView): void {
    const w = cpu.words;
    const request = w[scratch]!;
    const operation = request & 15;
    const to = offsets.xmm / 4 + ((request >> 4) & 15) * 4;
    for (let i = 0; i < 4; i++) key[i] = w[scratch + 2 + i]!;
    if (operation === AesOp.inverseMix) {
      for (let c = 0; c < 4; c++) {
        const x = key[c]!;
        result[c] = column(unmix, x & 0xff, (x >>> 8) & 0xff, (x >>> 16) & 0xff, x >>> 24);
      }
    } else if (operation === AesOp.keyAssist) {
      for (let half = 0; half < 2; half++) {
        const word = substituteWord(key[half * 2 + 1]!);
        result[half * 2] = word;
        result[half * 2 + 1] = rotate(word, 24) ^ ((request >> 8) & 0xff);
      }
    } else {
      state.set(cpu.bytes.subarray(to * 4, to * 4 + 16));
      round(operation <= AesOp.encryptLast, (operation & 1) !== 0);
    }
    w.set(result, to);
  },

  /** (register, a, b): writes the 128-bit product to the register. */
  carrylessMultiply(cpu: CpuView): void {
    const w = cpu.words;
    let [r0, r1, r2, r3] = [0, 0, 0, 0];
    const bl = w[scratch + 4]!;
    const bh = w[scratch + 5]!;
    // b shifted left by 0 to 31, added for each set bit of either half of a.
    for (let bit = 0; bit < 32; bit++) {
      const low = bl << bit;
      const middle = bit === 0 ? bh : (bh << bit) | (bl >>> (32 - bit));
      const high = bit === 0 ? 0 : bh >>> (32 - bit);
      if ((w[scratch + 2]! >>> bit) & 1) {
        r0 ^= low;
        r1 ^= middle;
        r2 ^= high;
      }
      if ((w[scratch + 3]! >>> bit) & 1) {
        r1 ^= low;
        r2 ^= middle;
        r3 ^= high;
      }
    }
    w.set([r0, r1, r2, r3], offsets.xmm / 4 + w[scratch]! * 4);
  },

  /** (crc, value, bytes): the new CRC. */
  crc32c(cpu: CpuView): void {
    const w = cpu.words;
    let crc = w[scratch]!;
    const bytes = w[scratch + 4]!;
    for (let i = 0; i < bytes; i++) {
      const byte = (w[scratch + 2 + (i >> 2)]! >>> ((i & 3) * 8)) & 0xff;
      crc = crcTable[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
    }
    w[scratch + 6] = crc;
    w[scratch + 7] = 0;
  },
};
