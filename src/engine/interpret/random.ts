// Random bits: Threefry-2x32 and Philox-4x32 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3"), with
// counters and states as XLA lays them out, so that programs draw the same numbers as under JAX.

import { FormatError } from "../../base/errors.ts";
import { type DType, dtypes, isFloat, isWide } from "../hlo/dtype.ts";
import type { AttributesOf } from "../hlo/ops.ts";
import { elementCount, stridesOf, type Tensor, typeText, zeros } from "../hlo/tensor.ts";
import { readerOf, writerOf } from "./elements.ts";

const rotations = [
  [13, 15, 26, 6],
  [17, 29, 16, 24],
] as const;

/** Encrypts two words; twenty rounds. */
function threefry(counter: Uint32Array, key: readonly [number, number]): void {
  const keys = [key[0], key[1], (key[0] ^ key[1] ^ 0x1bd11bda) >>> 0];
  let [x, y] = [(counter[0]! + keys[0]!) >>> 0, (counter[1]! + keys[1]!) >>> 0];
  for (let round = 0; round < 5; round++) {
    for (const by of rotations[round % 2]!) {
      x = (x + y) >>> 0;
      y = ((y << by) | (y >>> (32 - by))) ^ x;
    }
    x = (x + keys[(round + 1) % 3]!) >>> 0;
    y = (y + keys[(round + 2) % 3]! + round + 1) >>> 0;
  }
  counter[0] = x;
  counter[1] = y;
}

/** The upper word of the product of two words. */
function highProduct(a: number, b: number): number {
  const low = (a & 0xffff) * b;
  return Math.floor(((a >>> 16) * b + Math.floor(low / 65536)) / 65536);
}

/** Encrypts four words; ten rounds. */
function philox(counter: Uint32Array, key: readonly [number, number]): void {
  let [k, l] = key;
  for (let round = 0; round < 10; round++) {
    const [a, b, c, d] = counter as unknown as [number, number, number, number];
    counter[0] = highProduct(0xcd9e8d57, c) ^ b ^ k;
    counter[1] = Math.imul(0xcd9e8d57, c);
    counter[2] = highProduct(0xd2511f53, a) ^ d ^ l;
    counter[3] = Math.imul(0xd2511f53, a);
    k = (k + 0x9e3779b9) >>> 0;
    l = (l + 0xbb67ae85) >>> 0;
  }
}

const wordsOf = (value: bigint): [number, number] => [
  Number(value & 0xffffffffn),
  Number((value >> 32n) & 0xffffffffn),
];

/** New state and bits. The state is u64[2] or u64[3] (or as many u32): the key, then a counter of 64 or 128 bits. */
export function rngBitGenerator(
  state: Tensor,
  { algorithm, dtype, shape }: AttributesOf<"rngBitGenerator">,
): [Tensor, Tensor] {
  const words = new BigUint64Array(
    state.data.buffer.slice(state.data.byteOffset, state.data.byteOffset + state.data.byteLength),
  );
  const [key, low] = words;
  if (key === undefined || low === undefined || words.length > 3) {
    throw new FormatError(`rngBitGenerator: the state ${typeText(state)} is not a key and a counter`);
  }
  const pair = wordsOf(key);
  const after = words.slice();
  const threeFry = algorithm === "THREE_FRY";
  let bits: Tensor;
  if (threeFry) {
    const drawn = drawThreefry(pair, low, dtype, shape);
    after[1] = low + drawn.count;
    bits = drawn.bits;
  } else {
    // Without a third word XLA on CPU takes the key for the counter's upper half.
    const start = low | ((words[2] ?? key) << 64n);
    const drawn = drawPhilox(pair, start, dtype, shape);
    const next = start + drawn.count;
    after[1] = next;
    if (after.length > 2) after[2] = next >> 64n;
    bits = drawn.bits;
  }
  const data = new dtypes[state.dtype].array(after.buffer);
  return [{ dtype: state.dtype, shape: state.shape, data }, bits];
}

interface Drawn {
  readonly bits: Tensor;
  /** How far the counter goes on. */
  readonly count: bigint;
}

/** Puts a word or two into elements of any width. */
function bitWriter(dtype: DType, shape: readonly number[]) {
  const result = zeros(dtype, shape);
  const { bits, bytes } = dtypes[dtype];
  const mask = bits < 8 ? 2 ** bits - 1 : undefined;
  const { buffer } = result.data;
  const data = bytes === 1 ? new Uint8Array(buffer) : bytes === 2 ? new Uint16Array(buffer) : new Uint32Array(buffer);
  return {
    result,
    wide: bytes === 8,
    write(at: number, low: number, high: number) {
      if (bytes === 8) {
        data[2 * at] = low;
        data[2 * at + 1] = high;
      } else data[at] = mask === undefined ? low : low & mask;
    },
  };
}

function drawThreefry(key: readonly [number, number], start: bigint, dtype: DType, shape: readonly number[]): Drawn {
  const writer = bitWriter(dtype, shape);
  const counter = new Uint32Array(2);
  const next = (n: number) => {
    [counter[0], counter[1]] = wordsOf(start + BigInt(n));
    threefry(counter, key);
  };
  const count = elementCount(shape);
  if (writer.wide) {
    for (let i = 0; i < count; i++) {
      next(i);
      writer.write(i, counter[0]!, counter[1]!);
    }
    return { bits: writer.result, count: BigInt(count) };
  }
  // Two words a counter: they are neighbours along the first even dimension, or else along the longest.
  const even = shape.findIndex((extent) => extent % 2 === 0);
  const split = even >= 0 ? even : shape.indexOf(Math.max(...shape));
  const extents = shape.length === 0 ? [1] : shape;
  const along = Math.max(split, 0);
  const half = extents.with(along, Math.ceil(extents[along]! / 2));
  const halfStrides = stridesOf(half);
  const strides = stridesOf(extents);
  const halves = elementCount(half);
  for (let n = 0; n < halves; n++) {
    next(n);
    let place = 0;
    for (let d = 0; d < half.length; d++) {
      const index = Math.floor(n / halfStrides[d]!) % half[d]!;
      place += (d === along ? 2 * index : index) * strides[d]!;
    }
    writer.write(place, counter[0]!, 0);
    const second = 2 * (Math.floor(n / halfStrides[along]!) % half[along]!) + 1;
    if (second < extents[along]!) writer.write(place + strides[along]!, counter[1]!, 0);
  }
  return { bits: writer.result, count: BigInt(halves) };
}

function drawPhilox(key: readonly [number, number], start: bigint, dtype: DType, shape: readonly number[]): Drawn {
  const writer = bitWriter(dtype, shape);
  const counter = new Uint32Array(4);
  const count = elementCount(shape);
  const per = writer.wide ? 2 : 4;
  const calls = Math.ceil(count / per);
  for (let n = 0; n < calls; n++) {
    const at = start + BigInt(n);
    [counter[0], counter[1]] = wordsOf(at);
    [counter[2], counter[3]] = wordsOf(at >> 64n);
    philox(counter, key);
    for (let i = 0; i < per && n * per + i < count; i++) {
      if (writer.wide) writer.write(n * per + i, counter[2 * i]!, counter[2 * i + 1]!);
      else writer.write(n * per + i, counter[i]!, 0);
    }
  }
  return { bits: writer.result, count: BigInt(calls) };
}

/** Numbers between two bounds or around a mean: not reproducible, as the operation is defined. */
export function rng(low: Tensor, high: Tensor, { distribution, shape }: AttributesOf<"rng">): Tensor {
  const { dtype } = low;
  const writer = writerOf(dtype, shape);
  const [a, b] = [readerOf(low)(0), readerOf(high)(0)].map(Number) as [number, number];
  const draw = () =>
    distribution === "UNIFORM"
      ? a + (b - a) * Math.random()
      : a + b * Math.sqrt(-2 * Math.log1p(-Math.random())) * Math.cos(2 * Math.PI * Math.random());
  const count = elementCount(shape);
  for (let i = 0; i < count; i++) {
    const number = isFloat(dtype) ? draw() : Math.floor(draw());
    writer.write(i, isWide(dtype) ? BigInt(number) : number);
  }
  return writer.finish();
}
