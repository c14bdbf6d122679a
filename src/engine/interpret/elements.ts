// Elements as the interpreter computes with them: numbers, bigints for 64-bit integers, pairs for complex numbers.

import { type DType, dtypes, isComplex, isWide, type TensorData } from "../hlo/dtype.ts";
import { bf16Bits, bf16Value, f16Bits, f16Value } from "../hlo/half.ts";
import { elementCount, type Tensor } from "../hlo/tensor.ts";

export type Complex = readonly [real: number, imaginary: number];
export type Scalar = number | bigint | Complex;

export type WideArray = BigInt64Array | BigUint64Array;
export type NumberArray = Exclude<TensorData, WideArray>;

/** How elements of a type are computed with. */
export type Domain = "number" | "wide" | "complex";

export function domainOf(dtype: DType): Domain {
  return isWide(dtype) ? "wide" : isComplex(dtype) ? "complex" : "number";
}

/** The elements as numbers: f16 and bf16 decoded, complex numbers in pairs. Not for 64-bit integers. */
export function numbersOf({ dtype, data }: Tensor): NumberArray {
  if (dtype !== "f16" && dtype !== "bf16") return data as NumberArray;
  const numbers = new Float32Array(data.length);
  const bits = data as Uint16Array;
  if (dtype === "f16") for (let i = 0; i < bits.length; i++) numbers[i] = f16Value(bits[i]!);
  else for (let i = 0; i < bits.length; i++) numbers[i] = bf16Value(bits[i]!);
  return numbers;
}

export const widesOf = ({ data }: Tensor): WideArray => data as WideArray;

/** An array to compute a result's numbers into; `finish` makes the tensor of it. */
export function numbersFor(dtype: DType, shape: readonly number[]): NumberArray {
  const length = elementCount(shape) * dtypes[dtype].entries;
  if (dtype === "f16" || dtype === "bf16") return new Float64Array(length);
  return new dtypes[dtype].array(length) as NumberArray;
}

/** The tensor of numbers in an array of `numbersFor`: rounded and wrapped where storing has not done it. */
export function finish(dtype: DType, shape: readonly number[], numbers: NumberArray): Tensor {
  if (dtype === "f16" || dtype === "bf16") {
    const data = new Uint16Array(numbers.length);
    if (dtype === "f16") for (let i = 0; i < data.length; i++) data[i] = f16Bits(numbers[i]!);
    else for (let i = 0; i < data.length; i++) data[i] = bf16Bits(numbers[i]!);
    return { dtype, shape, data };
  }
  if (dtypes[dtype].bits < 8) {
    const wrap = normalise[dtype] as (value: number) => number;
    for (let i = 0; i < numbers.length; i++) numbers[i] = wrap(numbers[i]!);
  }
  return { dtype, shape, data: numbers };
}

/** Rounds or wraps what an operation computed to the type's values. */
export const normalise: Record<DType, (value: never) => Scalar> = {
  f64: (value: number) => value,
  f32: Math.fround,
  f16: (value: number) => f16Value(f16Bits(value)),
  bf16: (value: number) => bf16Value(bf16Bits(value)),
  i1: (value: number) => value & 1,
  i2: (value: number) => (value << 30) >> 30,
  i4: (value: number) => (value << 28) >> 28,
  i8: (value: number) => (value << 24) >> 24,
  i16: (value: number) => (value << 16) >> 16,
  i32: (value: number) => value | 0,
  i64: (value: bigint) => BigInt.asIntN(64, value),
  u2: (value: number) => value & 3,
  u4: (value: number) => value & 15,
  u8: (value: number) => value & 255,
  u16: (value: number) => value & 65535,
  u32: (value: number) => value >>> 0,
  u64: (value: bigint) => BigInt.asUintN(64, value),
  c64: ([real, imaginary]: Complex) => [Math.fround(real), Math.fround(imaginary)],
  c128: (value: Complex) => value,
};

/** A function that reads elements. */
export function readerOf(tensor: Tensor): (at: number) => Scalar {
  switch (domainOf(tensor.dtype)) {
    case "wide": {
      const wides = widesOf(tensor);
      return (at) => wides[at]!;
    }
    case "complex": {
      const pairs = numbersOf(tensor);
      return (at) => [pairs[2 * at]!, pairs[2 * at + 1]!];
    }
    case "number": {
      const numbers = numbersOf(tensor);
      return (at) => numbers[at]!;
    }
  }
}

/** A result that is written element by element. */
export interface Writer {
  write(at: number, value: Scalar): void;
  finish(): Tensor;
}

export function writerOf(dtype: DType, shape: readonly number[]): Writer {
  switch (domainOf(dtype)) {
    case "wide": {
      const data = new dtypes[dtype].array(elementCount(shape)) as WideArray;
      return { write: (at, value) => void (data[at] = value as bigint), finish: () => ({ dtype, shape, data }) };
    }
    case "complex": {
      const pairs = numbersFor(dtype, shape);
      return {
        write: (at, value) => {
          [pairs[2 * at], pairs[2 * at + 1]] = value as Complex;
        },
        finish: () => finish(dtype, shape, pairs),
      };
    }
    case "number": {
      const numbers = numbersFor(dtype, shape);
      return {
        write: (at, value) => void (numbers[at] = value as number),
        finish: () => finish(dtype, shape, numbers),
      };
    }
  }
}

/** A scalar of integer type as a number (indices). */
export const indexOf = (tensor: Tensor, at = 0): number => Number(tensor.data[at]);
