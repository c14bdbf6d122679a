// XXH64, the checksum of zstd frames, in pairs of 32-bit halves: BigInt would be ten times slower. Source: xxhash_spec.md 0.1.1.

/** 64-bit numbers as [low, high] halves. */
type Pair = Int32Array;

const prime1 = [0x85ebca87, 0x9e3779b1] as const;
const prime2 = [0x27d4eb4f, 0xc2b2ae3d] as const;
const prime3 = [0x9e3779f9, 0x165667b1] as const;
const prime4 = [0xc2b2ae63, 0x85ebca77] as const;
const prime5 = [0x165667c5, 0x27d4eb2f] as const;

function pair(low: number, high: number): Pair {
  return Int32Array.of(low, high);
}

function add(a: Pair, low: number, high: number): void {
  const sum = (a[0]! >>> 0) + (low >>> 0);
  a[1] = a[1]! + high + (sum > 0xffffffff ? 1 : 0);
  a[0] = sum;
}

/** a *= b, modulo 2^64. */
function multiply(a: Pair, [low, high]: readonly [number, number]): void {
  const [a0, a1] = [a[0]! & 0xffff, a[0]! >>> 16];
  const [b0, b1] = [low & 0xffff, low >>> 16];
  const middle = a1 * b0 + ((a0 * b0) >>> 16);
  // The carries of the four partial products of the low halves make up the low half of `a`'s new high half.
  const upper = a1 * b1 + Math.floor(middle / 0x10000) + (((a0 * b1 + (middle % 0x10000)) / 0x10000) >>> 0);
  a[1] = (upper | 0) + Math.imul(a[0]!, high) + Math.imul(a[1]!, low);
  a[0] = Math.imul(a[0]!, low);
}

function rotate(a: Pair, count: number): void {
  const [low, high] = count < 32 ? [a[0]!, a[1]!] : [a[1]!, a[0]!];
  const bits = count % 32;
  a[0] = bits === 0 ? low : (low << bits) | (high >>> (32 - bits));
  a[1] = bits === 0 ? high : (high << bits) | (low >>> (32 - bits));
}

function shiftXor(a: Pair, count: number): void {
  const low = count < 32 ? (a[0]! >>> count) | (a[1]! << (32 - count)) : a[1]! >>> (count - 32);
  const high = count < 32 ? a[1]! >>> count : 0;
  a[0]! ^= low;
  a[1]! ^= high;
}

function round(accumulator: Pair, low: number, high: number, scratch: Pair): void {
  scratch[0] = low;
  scratch[1] = high;
  multiply(scratch, prime2);
  add(accumulator, scratch[0]!, scratch[1]!);
  rotate(accumulator, 31);
  multiply(accumulator, prime1);
}

/** XXH64 with seed 0; the low 32 bits, which are what zstd stores. */
export function xxh64low(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const scratch = pair(0, 0);
  let hash = pair(prime5[0], prime5[1]);
  let at = 0;
  if (bytes.length >= 32) {
    const lanes = [pair(prime1[0], prime1[1]), pair(prime2[0], prime2[1]), pair(0, 0), pair(0, 0)];
    add(lanes[0]!, prime2[0], prime2[1]);
    add(lanes[3]!, ~prime1[0], ~prime1[1]);
    add(lanes[3]!, 1, 0);
    for (; at + 32 <= bytes.length; at += 32) {
      for (let i = 0; i < 4; i++)
        round(lanes[i]!, view.getInt32(at + i * 8, true), view.getInt32(at + i * 8 + 4, true), scratch);
    }
    hash = pair(0, 0);
    for (const [i, count] of [1, 7, 12, 18].entries()) {
      const lane = Int32Array.from(lanes[i]!);
      rotate(lane, count);
      add(hash, lane[0]!, lane[1]!);
    }
    for (const lane of lanes) {
      const merged = pair(0, 0);
      round(merged, lane[0]!, lane[1]!, scratch);
      hash[0]! ^= merged[0]!;
      hash[1]! ^= merged[1]!;
      multiply(hash, prime1);
      add(hash, prime4[0], prime4[1]);
    }
  }
  add(hash, bytes.length, 0);
  for (; at + 8 <= bytes.length; at += 8) {
    const merged = pair(0, 0);
    round(merged, view.getInt32(at, true), view.getInt32(at + 4, true), scratch);
    hash[0]! ^= merged[0]!;
    hash[1]! ^= merged[1]!;
    rotate(hash, 27);
    multiply(hash, prime1);
    add(hash, prime4[0], prime4[1]);
  }
  if (at + 4 <= bytes.length) {
    mix(hash, view.getInt32(at, true), prime1);
    rotate(hash, 23);
    multiply(hash, prime2);
    add(hash, prime3[0], prime3[1]);
    at += 4;
  }
  for (; at < bytes.length; at++) {
    mix(hash, bytes[at]!, prime5);
    rotate(hash, 11);
    multiply(hash, prime1);
  }
  shiftXor(hash, 33);
  multiply(hash, prime2);
  shiftXor(hash, 29);
  multiply(hash, prime3);
  shiftXor(hash, 32);
  return hash[0]! >>> 0;
}

/** hash ^= value * prime, of a value of at most 32 bits. */
function mix(hash: Pair, value: number, prime: readonly [number, number]): void {
  const product = pair(value, 0);
  multiply(product, prime);
  hash[0]! ^= product[0]!;
  hash[1]! ^= product[1]!;
}
