// Dense attributes: literals to bytes, and bytes to tensors.

import { FormatError } from "../../../../base/errors.ts";
import { dtypes } from "../../../hlo/dtype.ts";
import { elementCount, entryOf, fromBytes, type Tensor, zeros } from "../../../hlo/tensor.ts";
import { type DenseAttribute, dtypeOf, elementBytes, type RankedType, showType, type Type } from "./module.ts";

/** A number as it is written: decimal, or its bits in hexadecimal; complex numbers give two. */
export type Literal = string;

/** The shape of a type that has to be static. */
function staticShape(type: RankedType): number[] {
  return type.shape.map((extent) => {
    if (extent === null) throw new FormatError(`dense attribute: ${showType(type)} is not static`);
    return extent;
  });
}

/** Writes the bits of a number. */
function storeNumber(element: Type, text: Literal, bytes: Uint8Array, at: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const width = elementBytes(element);
  const hexadecimal = /^-?0x/i.test(text);
  let bits: bigint;
  if (element.kind === "float" && !hexadecimal) {
    const value = Number(text);
    if (element.name === "f64") return view.setFloat64(at, value, true);
    if (element.name === "f32") return view.setFloat32(at, value, true);
    const dtype = dtypeOf(element);
    if (dtype === undefined) throw new FormatError(`dense attribute: decimal numbers of type ${element.name}`);
    bits = BigInt(entryOf(dtype, value));
  } else if (text === "true" || text === "false") {
    bits = text === "true" ? 1n : 0n;
  } else if (/^-?(?:\d+|0x[0-9a-f]+)$/i.test(text)) {
    bits = text.startsWith("-") ? -BigInt(text.slice(1)) : BigInt(text);
  } else {
    throw new FormatError(`dense attribute: '${text}' is no ${showType(element)}`);
  }
  if (width === undefined) throw new FormatError(`dense attribute: elements of type ${showType(element)}`);
  if (element.kind === "integer" && element.width === 1) bits &= 1n;
  for (let i = 0; i < width; i++) bytes[at + i] = Number((bits >> BigInt(8 * i)) & 0xffn);
}

/** A dense attribute from numbers: one for each element, or one for all. Complex ones in pairs. */
export function denseNumbers(type: RankedType, numbers: readonly Literal[], splat: boolean): DenseAttribute {
  const width = elementBytes(type.element);
  const part = type.element.kind === "complex" ? type.element.element : type.element;
  const entries = type.element.kind === "complex" ? 2 : 1;
  if (width === undefined) throw new FormatError(`dense attribute: elements of type ${showType(type.element)}`);
  const count = splat ? 1 : elementCount(staticShape(type), "dense attribute");
  if (numbers.length !== count * entries) {
    throw new FormatError(`dense attribute: ${showType(type)} needs ${count * entries} numbers, has ${numbers.length}`);
  }
  const bytes = new Uint8Array(count * width);
  const step = width / entries;
  for (let i = 0; i < numbers.length; i++) storeNumber(part, numbers[i]!, bytes, i * step);
  return { kind: "dense", type, splat, bytes };
}

/**
 * A dense attribute from its raw bytes: all elements or one. Booleans are one bit each (as MLIR held them before 2025)
 * or one byte each.
 */
export function denseBytes(type: RankedType, raw: Uint8Array): DenseAttribute {
  const width = elementBytes(type.element);
  if (width === undefined) throw new FormatError(`dense attribute: elements of type ${showType(type.element)}`);
  const count = elementCount(staticShape(type), "dense attribute");
  const boolean = type.element.kind === "integer" && type.element.width === 1;
  if (boolean) {
    if (raw.length === 1 && count !== 1 && (count > 8 || raw[0] === 0 || raw[0] === 0xff)) {
      return { kind: "dense", type, splat: true, bytes: Uint8Array.of(raw[0]! & 1) };
    }
    if (raw.length === count) return { kind: "dense", type, splat: false, bytes: raw.map((byte) => (byte ? 1 : 0)) };
    if (raw.length === Math.ceil(count / 8)) {
      const bytes = Uint8Array.from({ length: count }, (_, i) => (raw[i >> 3]! >> (i & 7)) & 1);
      return { kind: "dense", type, splat: false, bytes };
    }
  }
  if (raw.length === count * width) return { kind: "dense", type, splat: false, bytes: raw };
  if (raw.length === width) return { kind: "dense", type, splat: true, bytes: raw };
  throw new FormatError(`dense attribute: ${showType(type)} needs ${count * width} bytes, has ${raw.length}`);
}

const digitValues = Int8Array.from({ length: 256 }, (_, code) => {
  const digit = Number.parseInt(String.fromCharCode(code), 16);
  return Number.isNaN(digit) ? -1 : digit;
});

/** Bytes of the hexadecimal digits in a part of a text. Weights of 100 MB may come this way. */
export function hexadecimal(text: string, start = 0, end = text.length): Uint8Array {
  const bytes = new Uint8Array((end - start) >> 1);
  let wrong = (end - start) & 1;
  for (let i = 0, at = start; i < bytes.length; i++, at += 2) {
    const value = (digitValues[text.charCodeAt(at) & 0xff]! << 4) | digitValues[text.charCodeAt(at + 1) & 0xff]!;
    wrong |= value & ~0xff;
    bytes[i] = value;
  }
  if (wrong !== 0) throw new FormatError("dense attribute: hexadecimal digits expected, two for each byte");
  return bytes;
}

/** The elements as a tensor; with `splat`, the one element as a scalar. Throws for types that we have not. */
export function denseTensor({ type, splat, bytes }: DenseAttribute): Tensor {
  const element = type.element.kind === "quantized" ? type.element.storage : type.element;
  const dtype = dtypeOf(element);
  if (dtype === undefined) throw new FormatError(`constant of type ${showType(type)}`);
  const shape = splat ? [] : staticShape(type);
  if (dtype === "i2" || dtype === "i4") {
    const narrow = fromBytes(dtype, shape, bytes);
    const signed = zeros(dtype, shape);
    const shift = 32 - dtypes[dtype].bits;
    narrow.data.forEach((value: number | bigint, i: number) => {
      signed.data[i] = (Number(value) << shift) >> shift;
    });
    return signed;
  }
  if (dtype === "u2" || dtype === "u4") {
    const mask = (1 << dtypes[dtype].bits) - 1;
    return fromBytes(
      dtype,
      shape,
      bytes.map((byte) => byte & mask),
    );
  }
  return fromBytes(dtype, shape, bytes);
}

/** The elements as integers, the one of a splat repeated. */
export function denseIntegers(dense: DenseAttribute): number[] {
  const { data } = denseTensor(dense);
  if (!dense.splat) return Array.from(data as ArrayLike<number | bigint>, Number);
  const count = elementCount(staticShape(dense.type));
  if (count > 1 << 16) throw new FormatError(`attribute of ${count} integers`);
  return Array.from({ length: count }, () => Number(data[0]));
}
