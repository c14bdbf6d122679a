// A generic MLIR module (MLIR language reference): operations with attributes, types, regions and blocks, whatever the
// dialect. Text and bytecode are both read into this.

import { FormatError } from "../../../../base/errors.ts";
import type { DType } from "../../../hlo/dtype.ts";

export type Type =
  | { readonly kind: "integer"; readonly width: number; readonly sign: "" | "s" | "u" }
  /** By MLIR's names: "f32", "bf16", "f8E4M3FN". */
  | { readonly kind: "float"; readonly name: string }
  | { readonly kind: "index" }
  | { readonly kind: "none" }
  | { readonly kind: "token" }
  | { readonly kind: "complex"; readonly element: Type }
  | RankedType
  | { readonly kind: "unranked"; readonly element: Type }
  | { readonly kind: "tuple"; readonly elements: readonly Type[] }
  | { readonly kind: "function"; readonly inputs: readonly Type[]; readonly results: readonly Type[] }
  | QuantizedType
  /** Types that nothing here looks into, as they are written. */
  | { readonly kind: "opaque"; readonly text: string; readonly elements?: readonly Type[] };

export interface RankedType {
  readonly kind: "tensor";
  /** null: not known. */
  readonly shape: readonly (number | null)[];
  readonly element: Type;
  readonly encoding?: Attribute;
}

/** `!quant.uniform`: expressed = (stored - zeroPoint) * scale; several scales run along `dimension`. */
export interface QuantizedType {
  readonly kind: "quantized";
  readonly storage: Type;
  readonly expressed: Type;
  readonly min: bigint;
  readonly max: bigint;
  readonly dimension: number | undefined;
  readonly scales: readonly number[];
  readonly zeroPoints: readonly bigint[];
}

export type Attribute =
  | { readonly kind: "unit" }
  | { readonly kind: "boolean"; readonly value: boolean }
  | { readonly kind: "integer"; readonly value: bigint; readonly type: Type }
  | { readonly kind: "float"; readonly value: number; readonly type: Type }
  | { readonly kind: "string"; readonly value: string }
  /** "a" of @a, "a::b" of @a::@b. */
  | { readonly kind: "symbol"; readonly value: string }
  | { readonly kind: "array"; readonly elements: readonly Attribute[] }
  | { readonly kind: "dictionary"; readonly entries: Attributes }
  | { readonly kind: "type"; readonly type: Type }
  /** `array<i64: 1, 2>`; booleans are 0 and 1. */
  | { readonly kind: "list"; readonly element: Type; readonly values: readonly (bigint | number)[] }
  | DenseAttribute
  /** An attribute of a dialect with named parts: `#stablehlo.gather<offset_dims = [1]>`. */
  | { readonly kind: "record"; readonly name: string; readonly fields: Attributes }
  /** One of a few words: `#stablehlo<precision HIGH>`. */
  | { readonly kind: "enum"; readonly name: string; readonly value: string }
  /** Attributes that nothing here looks into, as they are written. */
  | { readonly kind: "opaque"; readonly text: string };

export type Attributes = ReadonlyMap<string, Attribute>;

/** The elements of a tensor: little-endian, row-major, i1 and narrower one per byte; one element when `splat`. */
export interface DenseAttribute {
  readonly kind: "dense";
  readonly type: RankedType;
  readonly splat: boolean;
  readonly bytes: Uint8Array;
}

/** Where something came from: a name that the tracer gave, or a line of a file. */
export interface Location {
  readonly name?: string;
  readonly file?: string;
}

export interface Value {
  readonly type: Type;
  readonly location: Location | undefined;
}

export interface Operation {
  /** With its dialect: "stablehlo.add". */
  readonly name: string;
  readonly operands: readonly Value[];
  readonly results: readonly Value[];
  /** Inherent and other attributes together. */
  readonly attributes: Attributes;
  readonly regions: readonly Region[];
  readonly location: Location | undefined;
}

export interface Block {
  readonly parameters: readonly Value[];
  readonly operations: readonly Operation[];
}

export interface Region {
  readonly blocks: readonly Block[];
}

/** Types within a type: files may share parts, so that a few lines would say billions. */
const weights = new WeakMap<Type, number>();
const maximumWeight = 1 << 16;

function weighed<T extends Type>(type: T, parts: readonly Type[]): T {
  const weight = parts.reduce((sum, part) => sum + (weights.get(part) ?? 1), 1);
  if (weight > maximumWeight) throw new FormatError(`MLIR: a type of more than ${maximumWeight} parts`);
  weights.set(type, weight);
  return type;
}

export const tupleType = (elements: readonly Type[]): Type => weighed({ kind: "tuple", elements }, elements);

export const functionType = (inputs: readonly Type[], results: readonly Type[]): Type =>
  weighed({ kind: "function", inputs, results }, [...inputs, ...results]);

/** Deepest nesting of types, attributes and regions. */
export const maximumDepth = 200;

const floats: Readonly<Record<string, DType>> = { f16: "f16", bf16: "bf16", f32: "f32", f64: "f64" };

/** Our element type of an MLIR scalar type; undefined for those we have not (8-bit floats). `index` is i64. */
export function dtypeOf(type: Type): DType | undefined {
  switch (type.kind) {
    case "float":
      return floats[type.name];
    case "index":
      return "i64";
    case "complex": {
      const part = dtypeOf(type.element);
      return part === "f32" ? "c64" : part === "f64" ? "c128" : undefined;
    }
    case "integer":
      if (type.width === 1) return "i1";
      if (![2, 4, 8, 16, 32, 64].includes(type.width)) return undefined;
      return `${type.sign === "u" ? "u" : "i"}${type.width as 2 | 4 | 8 | 16 | 32 | 64}`;
    default:
      return undefined;
  }
}

/** Bytes of an element of dense attributes; undefined for types that have none. */
export function elementBytes(type: Type): number | undefined {
  switch (type.kind) {
    case "float":
      return /^f[468]E/.test(type.name) ? 1 : type.name === "tf32" ? 4 : (Number(/\d+$/.exec(type.name)?.[0]) || 0) / 8;
    case "integer":
      return Math.max(1, Math.ceil(type.width / 8));
    case "index":
      return 8;
    case "complex": {
      const part = elementBytes(type.element);
      return part === undefined ? undefined : 2 * part;
    }
    default:
      return undefined;
  }
}

export const i64: Type = { kind: "integer", width: 64, sign: "" };
export const i32: Type = { kind: "integer", width: 32, sign: "" };
export const i1: Type = { kind: "integer", width: 1, sign: "" };

/** A type as MLIR writes it. */
export function showType(type: Type): string {
  switch (type.kind) {
    case "integer":
      return `${type.sign}i${type.width}`;
    case "float":
      return type.name;
    case "complex":
      return `complex<${showType(type.element)}>`;
    case "tensor":
      return `tensor<${type.shape.map((n) => `${n ?? "?"}x`).join("")}${showType(type.element)}>`;
    case "unranked":
      return `tensor<*x${showType(type.element)}>`;
    case "tuple":
      return `tuple<${type.elements.map(showType).join(", ")}>`;
    case "function":
      return `(${type.inputs.map(showType).join(", ")}) -> (${type.results.map(showType).join(", ")})`;
    case "quantized":
      return `!quant.uniform<${showType(type.storage)}:${showType(type.expressed)}>`;
    case "opaque":
      return type.text;
    default:
      return type.kind;
  }
}

/** Every operation of a region and of the regions within, outermost first. */
export function* operationsIn(region: Region): Generator<Operation> {
  for (const { operations } of region.blocks) {
    for (const operation of operations) {
      yield operation;
      for (const inner of operation.regions) yield* operationsIn(inner);
    }
  }
}
