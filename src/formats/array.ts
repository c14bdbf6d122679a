// Arrays as the weight formats hold them: an element type, a shape and little-endian bytes in row-major order.

import { FormatError } from "../base/errors.ts";

/** Bytes of an element as files hold it; the names are those of the engine's element types. */
export const elementSizes = {
  f64: 8,
  f32: 4,
  f16: 2,
  bf16: 2,
  i1: 1,
  i2: 1,
  i4: 1,
  i8: 1,
  i16: 2,
  i32: 4,
  i64: 8,
  u2: 1,
  u4: 1,
  u8: 1,
  u16: 2,
  u32: 4,
  u64: 8,
  c64: 8,
  c128: 16,
} as const;

export type ElementType = keyof typeof elementSizes;

/** Element types by the names that NumPy, zarr and ml_dtypes give them. */
export const elementNames: Readonly<Record<string, ElementType>> = {
  bool: "i1",
  int2: "i2",
  int4: "i4",
  int8: "i8",
  int16: "i16",
  int32: "i32",
  int64: "i64",
  uint2: "u2",
  uint4: "u4",
  uint8: "u8",
  uint16: "u16",
  uint32: "u32",
  uint64: "u64",
  float16: "f16",
  bfloat16: "bf16",
  float32: "f32",
  float64: "f64",
  complex64: "c64",
  complex128: "c128",
};

/** An array from a file. `bytes` may be a view of the file and need not be aligned. */
export interface RawArray {
  readonly dtype: ElementType;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** Most dimensions that any of the formats may have: NumPy's limit. */
export const maximumRank = 64;

/** How many bytes an array of this type has; FormatError for extents that are no sizes. */
export function arraySize(dtype: ElementType, shape: readonly number[], what: string): number {
  if (shape.length > maximumRank) throw new FormatError(`${what}: ${shape.length} dimensions, at most ${maximumRank}`);
  let size: number = elementSizes[dtype];
  for (const extent of shape) {
    if (!Number.isSafeInteger(extent) || extent < 0)
      throw new FormatError(`${what}: shape [${shape}] has extent ${extent}`);
    size *= extent;
    // 0 later in the shape does not make a nonsensical product before it sensible.
    if (!Number.isSafeInteger(size)) throw new FormatError(`${what}: shape [${shape}] is larger than any file`);
  }
  return size;
}

/** An array whose bytes have to be as many as its type says. */
export function rawArray(dtype: ElementType, shape: readonly number[], bytes: Uint8Array, what: string): RawArray {
  const size = arraySize(dtype, shape, what);
  if (bytes.length !== size) {
    throw new FormatError(`${what}: ${dtype}[${shape}] needs ${size} bytes, there are ${bytes.length}`);
  }
  return { dtype, shape, bytes };
}

/** Bytes with each group of `width` turned round: from big-endian, or to it. */
export function swapped(bytes: Uint8Array, width: number): Uint8Array {
  const result = new Uint8Array(bytes);
  for (let at = 0; at + width <= result.length; at += width) result.subarray(at, at + width).reverse();
  return result;
}

/** Elements in row-major order, from where they are `strides` bytes apart along each dimension. */
export function gathered(
  bytes: Uint8Array,
  shape: readonly number[],
  strides: readonly number[],
  width: number,
): Uint8Array {
  const result = new Uint8Array(bytes.length);
  const index = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < result.length; to += width) {
    for (let k = 0; k < width; k++) result[to + k] = bytes[from + k]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      from -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return result;
}

/** Elements in row-major order from column-major order (Fortran's). */
export function rowMajor(bytes: Uint8Array, shape: readonly number[], width: number): Uint8Array {
  if (shape.length < 2 || bytes.length === 0) return bytes;
  const strides: number[] = [];
  let stride = width;
  for (const extent of shape) {
    strides.push(stride);
    stride *= extent;
  }
  return gathered(bytes, shape, strides, width);
}
