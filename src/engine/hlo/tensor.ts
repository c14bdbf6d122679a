// Tensors: an element type, a shape and the elements in row-major order.

import { CerebroError, FormatError } from "../../base/errors.ts";
import { type DType, dtypes, integerRange, isFloat, isWide, type TensorData } from "./dtype.ts";
import { bf16Bits, bf16Value, f16Bits, f16Value } from "./half.ts";

export interface TensorType {
  readonly dtype: DType;
  /** Extents, outermost first; [] is a scalar. */
  readonly shape: readonly number[];
}

export interface Tensor extends TensorType {
  /** Elements in row-major order, as `dtypes` says they are held. Never changed once a graph has it. */
  readonly data: TensorData;
}

/** Most bytes one tensor may have. */
export const maximumBytes = 2 ** 31;

/** How many elements a shape has. Throws FormatError for extents that are no sizes, or more elements than can be held. */
export function elementCount(shape: readonly number[], what = "tensor"): number {
  let count = 1;
  let zero = false;
  for (const extent of shape) {
    if (!Number.isSafeInteger(extent) || extent < 0)
      throw new FormatError(`${what}: shape [${shape}] has extent ${extent}`);
    if (extent === 0) zero = true;
    else count *= extent;
    if (count > maximumBytes) throw new FormatError(`${what}: shape [${shape}] has more elements than can be held`);
  }
  return zero ? 0 : count;
}

/** Bytes of a tensor's data. */
export function byteSize(type: TensorType): number {
  return elementCount(type.shape) * dtypes[type.dtype].bytes;
}

/** "f32[2,3]": how types are written in messages. */
export function typeText({ dtype, shape }: TensorType): string {
  return `${dtype}[${shape.join(",")}]`;
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((extent, i) => extent === b[i]);
}

export function sameType(a: TensorType, b: TensorType): boolean {
  return a.dtype === b.dtype && sameShape(a.shape, b.shape);
}

/** A tensor over existing data. Throws when the length does not fit the shape. */
export function tensor(dtype: DType, shape: readonly number[], data: TensorData): Tensor {
  const wanted = elementCount(shape) * dtypes[dtype].entries;
  if (data.length !== wanted || data.BYTES_PER_ELEMENT !== dtypes[dtype].array.BYTES_PER_ELEMENT) {
    throw new FormatError(`tensor ${typeText({ dtype, shape })}: needs ${wanted} entries, data has ${data.length}`);
  }
  return { dtype, shape, data };
}

/** A tensor of zeros. */
export function zeros(dtype: DType, shape: readonly number[]): Tensor {
  if (byteSize({ dtype, shape }) > maximumBytes) {
    throw new CerebroError("limit", `tensor ${typeText({ dtype, shape })} has more than ${maximumBytes} bytes`);
  }
  return { dtype, shape, data: new dtypes[dtype].array(elementCount(shape) * dtypes[dtype].entries) };
}

/** A tensor from little-endian bytes, copied only when they are not aligned. Elements of under 8 bits are one a byte. */
export function fromBytes(dtype: DType, shape: readonly number[], bytes: Uint8Array, what = "tensor"): Tensor {
  const size = elementCount(shape, what) * dtypes[dtype].bytes;
  if (bytes.length !== size) {
    throw new FormatError(`${what}: ${typeText({ dtype, shape })} needs ${size} bytes, there are ${bytes.length}`);
  }
  const { array } = dtypes[dtype];
  const aligned = bytes.byteOffset % array.BYTES_PER_ELEMENT === 0 ? bytes : new Uint8Array(bytes);
  return { dtype, shape, data: new array(aligned.buffer, aligned.byteOffset, size / array.BYTES_PER_ELEMENT) };
}

/** The bytes of a tensor's data, as a view. */
export function bytesOf({ data }: Tensor): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** The entry that holds a number: rounded and wrapped as the type does. */
export function entryOf(dtype: DType, value: number | bigint): number | bigint {
  if (isWide(dtype)) return typeof value === "bigint" ? value : BigInt(Math.trunc(value));
  const number = Number(value);
  return dtype === "f16" ? f16Bits(number) : dtype === "bf16" ? bf16Bits(number) : number;
}

/** A tensor from numbers: as many as elements, or one for all; complex numbers as pairs. */
export function fromNumbers(dtype: DType, shape: readonly number[], numbers: readonly (number | bigint)[]): Tensor {
  const result = zeros(dtype, shape);
  const data = result.data as { [index: number]: number | bigint; readonly length: number };
  if (numbers.length !== data.length && numbers.length !== 1) {
    throw new FormatError(`tensor ${typeText({ dtype, shape })}: needs ${data.length} numbers, got ${numbers.length}`);
  }
  for (let i = 0; i < data.length; i++) data[i] = entryOf(dtype, numbers[numbers.length === 1 ? 0 : i]!);
  return result;
}

/** A scalar. */
export const scalar = (dtype: DType, value: number | bigint): Tensor => fromNumbers(dtype, [], [value]);

/** The entries as numbers (64-bit integers may lose their last bits); complex numbers as pairs. */
export function toNumbers({ dtype, data }: Tensor): Float64Array {
  const numbers = new Float64Array(data.length);
  const decode = dtype === "f16" ? f16Value : dtype === "bf16" ? bf16Value : Number;
  for (let i = 0; i < numbers.length; i++) numbers[i] = decode(data[i] as number);
  return numbers;
}

/**
 * The same numbers in another type, for data on its way into or out of a model: integers are rounded and clamped to
 * their range. With `quantization`, real numbers become the integers that stand for them.
 */
export function convertTensor(
  from: Tensor,
  dtype: DType,
  quantization?: { readonly scale: number; readonly zeroPoint: number },
): Tensor {
  if (from.dtype === dtype) return from;
  const result = zeros(dtype, from.shape);
  const data = result.data as { [index: number]: number | bigint };
  const { entries } = dtypes[dtype];
  const step = dtypes[from.dtype].entries;
  const exact = isWide(from.dtype) && isWide(dtype);
  const numbers = exact ? from.data : toNumbers(from);
  const real = isFloat(dtype) || entries === 2;
  const range = real ? undefined : integerRange(dtype);
  const [min, max] = [Number(range?.min), Number(range?.max)];
  for (let i = 0; i < from.data.length / step; i++) {
    const number = numbers[i * step]!;
    if (exact) data[i] = number;
    else if (real) data[i * entries] = entryOf(dtype, number);
    else {
      const scaled = quantization
        ? roundEven(Number(number) / quantization.scale) + quantization.zeroPoint
        : Number(number);
      data[i] = entryOf(dtype, Math.min(max, Math.max(min, Number.isNaN(scaled) ? 0 : Math.trunc(scaled))));
    }
  }
  return result;
}

/** To the nearest integer, ties to the even one. */
export function roundEven(number: number): number {
  const floor = Math.floor(number);
  const rest = number - floor;
  return rest < 0.5 || (rest === 0.5 && floor % 2 === 0) ? floor : floor + 1;
}

/** The real numbers that quantised elements stand for. */
export function dequantized(
  from: Tensor,
  quantization: { readonly scale: number; readonly zeroPoint: number },
): Tensor {
  const numbers = toNumbers(from);
  const data = new Float32Array(numbers.length);
  for (let i = 0; i < data.length; i++) data[i] = (numbers[i]! - quantization.zeroPoint) * quantization.scale;
  return { dtype: "f32", shape: from.shape, data };
}

/** Row-major strides of a shape, in elements. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = Array.from(shape, () => 1);
  for (let i = shape.length - 2; i >= 0; i--) strides[i] = strides[i + 1]! * shape[i + 1]!;
  return strides;
}
