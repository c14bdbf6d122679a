// What a rule of the table sees of one operation: its operands, attributes, types and regions.

import { UnsupportedFormat } from "../../../base/errors.ts";
import type { Builder } from "../../hlo/build.ts";
import type { DType } from "../../hlo/dtype.ts";
import type { Region, Value } from "../../hlo/graph.ts";
import { type Tensor, type TensorType } from "../../hlo/tensor.ts";
import { constantOf } from "../../interpret/interpret.ts";
import { denseIntegers, denseTensor } from "./mlir/dense.ts";
import { type Attribute, type Attributes, dtypeOf, type Operation, showType, type Type } from "./mlir/module.ts";

/** What an MLIR value becomes: a value, the parts of a tuple, or nothing (tokens). */
export type Lowered = Value | readonly Lowered[] | undefined;

/** What the walker over functions offers to rules. */
export interface Walker {
  readonly build: Builder;
  /** The region of an operation, as one of ours; parameter types are those given. */
  region(operation: Operation, index: number, parameters: readonly TensorType[]): Region;
  /** A function as a region. */
  computation(name: string, parameters: readonly TensorType[]): Region;
  /** The operations of a region without parameters, here. */
  inline(operation: Operation, index: number): readonly Lowered[];
  /** Inlines a function. */
  call(name: string, operands: readonly Lowered[]): readonly Lowered[];
  /** Notes that two values have to agree. */
  check(actual: Value, expected: Value, agreement: Agreement): void;
}

export interface Agreement {
  readonly exact: boolean;
  readonly tolerance?: { readonly absolute: number } | { readonly ulps: number };
}

/** Most numbers of a shape or of indices that have to be known while loading. */
const maximumKnown = 4096;

/** Most integers of one attribute. */
const maximumIntegers = 1 << 16;

export function isValue(lowered: Lowered): lowered is Value {
  return lowered !== undefined && "type" in lowered;
}

/** The values that something consists of, tuples taken apart. */
export function partsOf(lowered: Lowered): Value[] {
  return isValue(lowered) ? [lowered] : (lowered ?? []).flatMap(partsOf);
}

/** Values in the places of another's: tuples and tokens as there. */
export function likewise(pattern: readonly Lowered[], values: readonly Value[]): Lowered[] {
  let next = 0;
  const place = (each: Lowered): Lowered =>
    each === undefined ? undefined : isValue(each) ? values[next++] : each.map(place);
  return pattern.map(place);
}

/** Integers of any attribute that holds some: array<i64: …>, dense<…>, [1, 2], 1. */
export function integersOf(attribute: Attribute, depth = 0): number[] | undefined {
  switch (attribute.kind) {
    case "list":
      return attribute.values.map(Number);
    case "dense":
      return denseIntegers(attribute);
    case "integer":
      return [Number(attribute.value)];
    case "boolean":
      return [attribute.value ? 1 : 0];
    case "array": {
      const numbers: number[] = [];
      for (const element of attribute.elements) {
        const part = element.kind === "array" && depth > 2 ? undefined : integersOf(element, depth + 1);
        if (!part || numbers.length + part.length > maximumIntegers) return undefined;
        numbers.push(...part);
      }
      return numbers;
    }
    default:
      return undefined;
  }
}

export class Site {
  readonly operation: Operation;
  readonly lowered: readonly Lowered[];
  readonly walker: Walker;

  constructor(operation: Operation, lowered: readonly Lowered[], walker: Walker) {
    this.operation = operation;
    this.lowered = lowered;
    this.walker = walker;
  }

  get build(): Builder {
    return this.walker.build;
  }

  /** "stablehlo.add 'jit(f)/add'": what messages begin with. */
  get title(): string {
    return originOf(this.operation);
  }

  fail(message: string): never {
    throw new UnsupportedFormat(`${this.title}: ${message}`);
  }

  /** An operand that has to be a tensor. */
  operand(index: number): Value {
    const value = this.lowered[index];
    return isValue(value) ? value : this.fail(`operand ${index} is no tensor`);
  }

  /** All operands that are tensors: tuples taken apart, tokens left out. */
  get operands(): Value[] {
    return this.lowered.flatMap(partsOf);
  }

  // Attributes.

  get attributes(): Attributes {
    return this.operation.attributes;
  }

  integers(name: string, otherwise?: readonly number[], attributes: Attributes = this.attributes): readonly number[] {
    const attribute = attributes.get(name);
    if (attribute === undefined) return otherwise ?? this.fail(`attribute '${name}' is missing`);
    return integersOf(attribute) ?? this.fail(`attribute '${name}' is no list of integers`);
  }

  integer(name: string, otherwise?: number, attributes: Attributes = this.attributes): number {
    const values = this.integers(name, otherwise === undefined ? undefined : [otherwise], attributes);
    return values.length === 1 ? values[0]! : this.fail(`attribute '${name}' is no integer`);
  }

  flag(name: string, otherwise = false): boolean {
    const attribute = this.attributes.get(name);
    return attribute === undefined ? otherwise : attribute.kind === "unit" || integersOf(attribute)?.[0] === 1;
  }

  float(name: string): number {
    const attribute = this.attributes.get(name);
    return attribute?.kind === "float" ? attribute.value : this.fail(`attribute '${name}' is no float`);
  }

  /** A string, a symbol or a word of an enumeration. */
  word(name: string, otherwise?: string): string {
    const attribute = this.attributes.get(name);
    if (attribute === undefined) return otherwise ?? this.fail(`attribute '${name}' is missing`);
    if (attribute.kind === "string" || attribute.kind === "symbol" || attribute.kind === "enum") return attribute.value;
    return this.fail(`attribute '${name}' is no word`);
  }

  /** A word that has to be one of some. */
  choice<const T extends string>(name: string, words: readonly T[], otherwise?: T): T {
    const word = this.word(name, otherwise);
    return words.find((each) => each === word) ?? this.fail(`attribute '${name}' is '${word.slice(0, 40)}'`);
  }

  /** The named parts of an attribute. */
  fields(name: string): Attributes {
    const attribute = this.attributes.get(name);
    if (attribute?.kind === "record") return attribute.fields;
    if (attribute?.kind === "dictionary") return attribute.entries;
    return this.fail(`attribute '${name}' is missing`);
  }

  tensor(name: string): { tensor: Tensor; splat: boolean } {
    const attribute = this.attributes.get(name);
    if (attribute?.kind !== "dense") return this.fail(`attribute '${name}' is no tensor`);
    return { tensor: denseTensor(attribute), splat: attribute.splat };
  }

  // Types.

  resultType(index = 0): Type {
    return this.operation.results[index]?.type ?? this.fail(`has no result ${index}`);
  }

  dtype(index = 0): DType {
    const type = this.resultType(index);
    const element = type.kind === "tensor" || type.kind === "unranked" ? type.element : type;
    return elementType(element) ?? this.fail(`results of type ${showType(type)}`);
  }

  /** The shape of a result that the operands do not determine. */
  shape(index = 0): readonly number[] {
    const type = this.resultType(index);
    if (type.kind !== "tensor") return this.fail(`results of type ${showType(type)}`);
    return type.shape.map((extent) => extent ?? this.fail(`result of type ${showType(type)} is not static`));
  }

  // Values that have to be known.

  /** The integers that an operand always has: shapes and indices. */
  known(index: number): number[] {
    const tensor = constantOf(this.operand(index), maximumKnown);
    if (tensor) return Array.from(tensor.data as ArrayLike<number | bigint>, Number);
    return this.fail(`operand ${index} has to be known while loading: shapes that depend on data`);
  }

  /** The first of the functions that a custom call names, as a region. */
  called(parameters: readonly TensorType[]): Region {
    const list = this.attributes.get("called_computations");
    const first = list?.kind === "array" ? list.elements[0] : undefined;
    return this.walker.computation(first?.kind === "symbol" ? first.value : this.fail("calls no function"), parameters);
  }

  /** A region whose parameters are tensors. */
  region(index: number, parameters: readonly TensorType[] = []): Region {
    return this.walker.region(this.operation, index, parameters);
  }
}

/** Our element type; quantised ones by how they are stored. */
export function elementType(type: Type): DType | undefined {
  return dtypeOf(type.kind === "quantized" ? type.storage : type);
}

/** What messages say of where an operation came from. */
export function originOf({ name, location }: Operation): string {
  const place = location?.name ?? location?.file;
  return place === undefined ? name : `${name} '${place}'`;
}
