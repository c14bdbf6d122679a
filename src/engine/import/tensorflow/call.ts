// What the table's rows are given: one node with its inputs and attributes, and the builder to write with.

import { CerebroError, FormatError } from "../../../base/errors.ts";
import { utf8 } from "../../../base/text.ts";
import type { Builder } from "../../hlo/build.ts";
import type { DType } from "../../hlo/dtype.ts";
import type { Value } from "../../hlo/graph.ts";
import { type Tensor, toNumbers } from "../../hlo/tensor.ts";
import { constantOf } from "../../interpret/interpret.ts";
import type { Node } from "./graph.ts";
import type { AttrFields, AttrKind, NameAttrList, ShapeProto } from "./messages.ts";
import type { Strings } from "./tensors.ts";
import { dtypeOf, typeName } from "./types.ts";

/** A variable, by the name of its state. */
export interface Variable {
  readonly kind: "variable";
  readonly name: string;
  /** One of TensorFlow 1, whose nodes stand for the value too. */
  readonly reference?: boolean;
}

/** A list of equally shaped tensors (TensorList, TensorArray): its elements stacked; lists are never changed. */
export interface List {
  readonly kind: "list";
  readonly dtype: DType;
  /** Of an element; undefined as long as none was put in. */
  readonly shape: readonly number[] | undefined;
  readonly length: number;
  /** [length, ...shape]; undefined when all elements are zeros. */
  readonly elements: Value | undefined;
}

/** Something that only names itself: a lookup table, a TensorArray's handle. */
export interface Handle {
  readonly kind: "handle";
  readonly op: string;
  readonly node: Node;
}

/** What flows along an edge. */
export type Item = Value | Strings | Variable | List | Handle;
export type Special = Exclude<Item, Value>;

export const isSpecial = (item: Item): item is Special => "kind" in item;

/** A value is needed while the model is built, but depends on what it is run with. */
export class NotConstant extends CerebroError {
  constructor(message: string) {
    super("unsupported", message, { hint: "give the shapes of all inputs, or a model without data-dependent shapes" });
    this.name = "NotConstant";
  }
}

/** What rows may ask of the tracer. */
export interface Services {
  /** The value a variable has now. */
  read(variable: Variable): Value;
  assign(variable: Variable, value: Value): void;
  /** A constant that all regions share. */
  constant(value: Tensor): Value;
  /** The results of a function of the library. */
  call(target: NameAttrList, inputs: readonly Item[]): readonly Item[];
  /** Which results of a function are its arguments of the same number. */
  passedThrough(target: NameAttrList): boolean[];
  /** Writes a region: what assigns to variables is undone after it. */
  region(
    parameters: readonly Value["type"][],
    write: (parameters: readonly Value[]) => readonly Value[],
  ): ReturnType<Builder["region"]>;
  /** Variables that were assigned since, and what they hold. */
  readonly environment: Map<string, Value>;
  readonly builder: Builder;
}

/** Writes one node; gives its outputs. */
export type Importer = (call: Call) => Item | readonly Item[];

/** One node being imported. */
export class Call {
  readonly node: Node;
  readonly inputs: readonly Item[];
  readonly services: Services;

  constructor(node: Node, inputs: readonly Item[], services: Services) {
    this.node = node;
    this.inputs = inputs;
    this.services = services;
  }

  get b(): Builder {
    return this.services.builder;
  }
  get count(): number {
    return this.inputs.length;
  }
  get origin(): string {
    return `${this.node.op} '${this.node.name}'`;
  }

  fail(problem: string): never {
    throw new FormatError(`${this.origin}: ${problem}`);
  }
  unsupported(what: string): never {
    throw new CerebroError("unsupported", `${this.origin}: ${what} is not supported`);
  }

  // Inputs.

  item(i: number): Item {
    return this.inputs[i] ?? this.fail(`input ${i} is missing, there are ${this.inputs.length}`);
  }
  /** An input that is a tensor. */
  x(i: number): Value {
    const item = this.item(i);
    if (!isSpecial(item)) return item;
    if (item.kind === "variable") return this.services.read(item);
    if (item.kind === "strings") return this.unsupported("computing with string tensors");
    return this.fail(`input ${i} is a ${item.kind}, not a tensor`);
  }
  /** Inputs from `first` up to the last but `rest`. */
  xs(first = 0, rest = 0): Value[] {
    return this.inputs.slice(first, this.inputs.length - rest).map((_, i) => this.x(first + i));
  }
  shape(i: number): readonly number[] {
    return this.x(i).type.shape;
  }
  rank(i: number): number {
    return this.shape(i).length;
  }
  dtype(i: number): DType {
    return this.x(i).type.dtype;
  }
  variable(i: number): Variable {
    const item = this.item(i);
    if (isSpecial(item) && item.kind === "variable") return item;
    return this.fail(`input ${i} is no variable`);
  }
  list(i: number): List {
    const item = this.item(i);
    if (isSpecial(item) && item.kind === "list") return item;
    return this.fail(`input ${i} is no list of tensors`);
  }

  /** The tensor an input always is, or undefined. */
  known(i: number): Tensor | undefined {
    return constantOf(this.x(i));
  }
  constant(i: number): Tensor {
    const value = this.known(i);
    if (!value) {
      throw new NotConstant(
        `${this.origin}: input ${i} has to be known before the model runs, but is computed from its inputs`,
      );
    }
    return value;
  }
  /** The numbers of an input that has to be constant. */
  numbers(i: number): number[] {
    return Array.from(toNumbers(this.constant(i)));
  }
  number(i: number): number {
    return this.numbers(i)[0] ?? this.fail(`input ${i} is empty`);
  }
  /** An axis given as an input, counted from the front. */
  axisAt(i: number, rank: number): number {
    return this.axis(this.number(i), rank);
  }
  axis(axis: number, rank: number): number {
    const positive = axis < 0 ? axis + rank : axis;
    if (!(positive >= 0 && positive < rank)) this.fail(`axis ${axis} does not fit rank ${rank}`);
    return positive;
  }
  /** Axes given as an input: sorted, without repetition. */
  axesAt(i: number, rank: number): number[] {
    return [...new Set(this.numbers(i).map((axis) => this.axis(axis, rank)))].sort((a, b) => a - b);
  }

  // Attributes.

  attribute<K extends AttrKind>(name: string, which: K): AttrFields[K] | undefined {
    const attribute = this.node.attributes.get(name);
    if (attribute === undefined) return undefined;
    if (attribute.which !== which) return this.fail(`attribute ${name} is a ${attribute.which}, not a ${which}`);
    return attribute.value as AttrFields[K];
  }
  has(name: string): boolean {
    return this.node.attributes.get(name) !== undefined;
  }
  integer(name: string, missing?: number): number {
    const value = this.attribute(name, "i");
    return value === undefined ? (missing ?? this.fail(`attribute ${name} is missing`)) : Number(value);
  }
  float(name: string, missing?: number): number {
    return this.attribute(name, "f") ?? missing ?? this.fail(`attribute ${name} is missing`);
  }
  flag(name: string, missing = false): boolean {
    return this.attribute(name, "b") ?? missing;
  }
  text(name: string, missing = ""): string {
    const value = this.attribute(name, "s");
    return value === undefined ? missing : utf8(value);
  }
  integers(name: string, missing: readonly number[] = []): number[] {
    const list = this.attribute(name, "list");
    return list === undefined ? [...missing] : list.i.map(Number);
  }
  floats(name: string): readonly number[] {
    return this.attribute(name, "list")?.f ?? [];
  }
  texts(name: string): string[] {
    return (this.attribute(name, "list")?.s ?? []).map(utf8);
  }
  shapeOf(name: string): ShapeProto | undefined {
    return this.attribute(name, "shape");
  }
  type(name: string, missing?: DType): DType {
    const value = this.attribute(name, "type");
    if (value === undefined) return missing ?? this.fail(`attribute ${name} is missing`);
    return dtypeOf(value) ?? this.unsupported(`the type ${typeName(value)}`);
  }
  target(name: string): NameAttrList {
    return this.attribute(name, "func") ?? this.fail(`attribute ${name} is missing`);
  }
}
