// Operations that move elements without looking at them, and those that make them from nothing.

import { type DType, dtypes, isComplex, isWide } from "../hlo/dtype.ts";
import type { AttributesOf } from "../hlo/ops.ts";
import { bytesOf, elementCount, stridesOf, type Tensor, type TensorType, zeros } from "../hlo/tensor.ts";
import { finish, indexOf, numbersFor } from "./elements.ts";
import { copyBlock } from "./strided.ts";

export function iota({ dtype, shape, dimension }: AttributesOf<"iota">): Tensor {
  const extent = shape[dimension]!;
  const inner = shape.slice(dimension + 1).reduce((product, n) => product * n, 1);
  const outer = elementCount(shape) === 0 ? 0 : elementCount(shape) / (extent * inner);
  if (isWide(dtype)) {
    const result = zeros(dtype, shape);
    const data = result.data as BigInt64Array;
    for (let o = 0, at = 0; o < outer; o++)
      for (let i = 0; i < extent; i++, at += inner) data.fill(BigInt(i), at, at + inner);
    return result;
  }
  const numbers = numbersFor(dtype, shape);
  const step = isComplex(dtype) ? 2 : 1;
  for (let o = 0, at = 0; o < outer; o++) {
    for (let i = 0; i < extent; i++) for (let j = 0; j < inner; j++, at += step) numbers[at] = i;
  }
  return finish(dtype, shape, numbers);
}

export function reshape(x: Tensor, shape: readonly number[]): Tensor {
  return { dtype: x.dtype, shape, data: x.data };
}

export function broadcastInDim(x: Tensor, { shape, dimensions }: AttributesOf<"broadcastInDim">): Tensor {
  const out = zeros(x.dtype, shape);
  const own = stridesOf(x.shape);
  const strides = shape.map(() => 0);
  dimensions.forEach((to, i) => (strides[to] = x.shape[i] === 1 ? 0 : own[i]!));
  copyBlock(shape, { tensor: out, at: 0, strides: stridesOf(shape) }, { tensor: x, at: 0, strides });
  return out;
}

export function transpose(x: Tensor, permutation: readonly number[]): Tensor {
  const shape = permutation.map((from) => x.shape[from]!);
  const own = stridesOf(x.shape);
  const out = zeros(x.dtype, shape);
  copyBlock(
    shape,
    { tensor: out, at: 0, strides: stridesOf(shape) },
    { tensor: x, at: 0, strides: permutation.map((from) => own[from]!) },
  );
  return out;
}

export function slice(x: Tensor, { start, strides }: AttributesOf<"slice">, { shape }: TensorType): Tensor {
  const own = stridesOf(x.shape);
  const out = zeros(x.dtype, shape);
  copyBlock(
    shape,
    { tensor: out, at: 0, strides: stridesOf(shape) },
    { tensor: x, at: placeOf(start, own), strides: own.map((stride, i) => stride * strides[i]!) },
  );
  return out;
}

export function reverse(x: Tensor, dimensions: readonly number[]): Tensor {
  const own = stridesOf(x.shape);
  const out = zeros(x.dtype, x.shape);
  const last = x.shape.map((extent, i) => (dimensions.includes(i) ? extent - 1 : 0));
  const strides = own.map((stride, i) => (dimensions.includes(i) ? -stride : stride));
  copyBlock(x.shape, { tensor: out, at: 0, strides: own }, { tensor: x, at: placeOf(last, own), strides });
  return out;
}

export function concatenate(operands: readonly Tensor[], dimension: number, { dtype, shape }: TensorType): Tensor {
  const out = zeros(dtype, shape);
  const strides = stridesOf(shape);
  let at = 0;
  for (const x of operands) {
    copyBlock(x.shape, { tensor: out, at, strides }, { tensor: x, at: 0, strides: stridesOf(x.shape) });
    at += x.shape[dimension]! * strides[dimension]!;
  }
  return out;
}

export function pad(
  x: Tensor,
  value: Tensor,
  { low, interior }: AttributesOf<"pad">,
  { dtype, shape }: TensorType,
): Tensor {
  const out = broadcastInDim(value, { shape, dimensions: [] });
  // Of each dimension, the elements that are not cut off.
  const first: number[] = [];
  const block: number[] = [];
  x.shape.forEach((extent, i) => {
    const step = interior[i]! + 1;
    const begin = Math.max(0, Math.ceil(-low[i]! / step));
    const end = Math.min(extent, Math.floor((shape[i]! - 1 - low[i]!) / step) + 1);
    first.push(begin);
    block.push(Math.max(0, end - begin));
  });
  const [own, strides] = [stridesOf(x.shape), stridesOf(shape)];
  const to = first.map((begin, i) => low[i]! + begin * (interior[i]! + 1));
  if (block.includes(0)) return { dtype, shape, data: out.data };
  copyBlock(
    block,
    { tensor: out, at: placeOf(to, strides), strides: strides.map((stride, i) => stride * (interior[i]! + 1)) },
    { tensor: x, at: placeOf(first, own), strides: own },
  );
  return out;
}

const placeOf = (index: readonly number[], strides: readonly number[]): number =>
  index.reduce((sum, n, i) => sum + n * strides[i]!, 0);

/** Start indices moved to where the whole block is inside. */
function clampedPlace(starts: readonly Tensor[], x: Tensor, sizes: readonly number[]): number {
  const strides = stridesOf(x.shape);
  return placeOf(
    starts.map((start, i) => Math.min(Math.max(indexOf(start), 0), x.shape[i]! - sizes[i]!)),
    strides,
  );
}

export function dynamicSlice(x: Tensor, starts: readonly Tensor[], sizes: readonly number[]): Tensor {
  const out = zeros(x.dtype, sizes);
  copyBlock(
    sizes,
    { tensor: out, at: 0, strides: stridesOf(sizes) },
    { tensor: x, at: clampedPlace(starts, x, sizes), strides: stridesOf(x.shape) },
  );
  return out;
}

export function dynamicUpdateSlice(x: Tensor, update: Tensor, starts: readonly Tensor[]): Tensor {
  const out: Tensor = { ...x, data: x.data.slice() };
  copyBlock(
    update.shape,
    { tensor: out, at: clampedPlace(starts, x, update.shape), strides: stridesOf(x.shape) },
    { tensor: update, at: 0, strides: stridesOf(update.shape) },
  );
  return out;
}

/** The same bits as another type, lowest first where one element becomes several. */
export function bitcastConvert(x: Tensor, dtype: DType, { shape }: TensorType): Tensor {
  const [from, to] = [dtypes[x.dtype], dtypes[dtype]];
  if (from.bits >= 8 && to.bits >= 8) {
    const bytes = bytesOf(x).slice();
    return { dtype, shape, data: new to.array(bytes.buffer) };
  }
  // Types of fewer than 8 bits are held one a byte, so their bits have to be moved.
  const result = zeros(dtype, shape);
  const [input, output] = [bytesOf(x), bytesOf(result)];
  const bit = (at: number) => {
    const byte = from.bits < 8 ? input[Math.floor(at / from.bits)]! : input[at >> 3]!;
    return (byte >> (from.bits < 8 ? at % from.bits : at & 7)) & 1;
  };
  const total = elementCount(x.shape) * from.bits;
  for (let at = 0; at < total; at++) {
    const place = to.bits < 8 ? Math.floor(at / to.bits) : at >> 3;
    output[place]! |= bit(at) << (to.bits < 8 ? at % to.bits : at & 7);
  }
  if (to.bits < 8 && to.kind === "signed") {
    const shift = 8 - to.bits;
    const signed = new Int8Array(output.buffer);
    for (let i = 0; i < signed.length; i++) signed[i] = (signed[i]! << (24 + shift)) >> (24 + shift);
  }
  return result;
}
