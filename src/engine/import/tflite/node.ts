// One operator while it is imported: its inputs as values, its options, and what its tensors declare.

import { FormatError, UnsupportedFormat } from "../../../base/errors.ts";
import { constantOf } from "../../interpret/interpret.ts";
import type { Builder } from "../../hlo/build.ts";
import type { DType } from "../../hlo/dtype.ts";
import type { Value } from "../../hlo/graph.ts";
import { toNumbers, type Tensor } from "../../hlo/tensor.ts";
import type { Importer, Scope } from "./importer.ts";
import { type Fields, readOptions, type Record } from "./options.ts";
import type { OperatorInfo, TensorInfo } from "./schema.ts";

/** Something of an operator that is not built: types or sizes it is not made for. */
export class Unsupported extends UnsupportedFormat {
  readonly reason: string;
  constructor(reason: string) {
    super(reason);
    this.name = "Unsupported";
    this.reason = reason;
  }
}

/** A shape or axis that comes from the numbers of the model's inputs: those have to be known while importing. */
export class NeedsValue extends Unsupported {
  readonly inputs: readonly Value[];
  constructor(what: string, inputs: readonly Value[]) {
    super(`${what} computed from the model's inputs`);
    this.name = "NeedsValue";
    this.inputs = inputs;
  }
}

/** The parameters that a value is made from. */
function parametersOf(value: Value): Value[] {
  const seen = new Set<Value>();
  const found: Value[] = [];
  const open = [value];
  for (let at = open.pop(); at; at = open.pop()) {
    if (seen.has(at)) continue;
    seen.add(at);
    if (at.producer) open.push(...at.producer.operands);
    else found.push(at);
  }
  return found;
}

/** A variable by its key: what resource tensors hold. */
export interface Resource {
  readonly resource: string;
}

/**
 * A slice whose place and size depend on values. It has no static shape, so it only exists until an operator takes it
 * that can do without: the concatenation by which older converters write one element of a list.
 */
export interface Ragged {
  readonly source: Value;
  readonly begin: Value;
  readonly size: Value;
}

export type Bound = Value | Resource | Ragged;

export const isResource = (bound: Bound): bound is Resource => "resource" in bound;
export const isRagged = (bound: Bound): bound is Ragged => "source" in bound;

/** What an operator's row does: adds operations and gives the results. */
export type Lower = (node: Node) => Bound | readonly Bound[];

export class Node {
  readonly b: Builder;
  readonly operator: OperatorInfo;
  readonly scope: Scope;
  readonly importer: Importer;

  constructor(importer: Importer, scope: Scope, b: Builder, operator: OperatorInfo) {
    this.importer = importer;
    this.scope = scope;
    this.b = b;
    this.operator = operator;
  }

  get count(): number {
    return this.operator.inputs.length;
  }
  get resultCount(): number {
    return this.operator.outputs.length;
  }

  /** What an input is, value or not. */
  bound(i: number): Bound {
    const index = this.operator.inputs[i];
    if (index === undefined || index < 0) throw new FormatError(`${this.b.origin}: input ${i} is missing`);
    return this.importer.boundOf(this.scope, this.b, index);
  }
  input(i: number): Value {
    const bound = this.bound(i);
    if (isResource(bound)) throw new FormatError(`${this.b.origin}: input ${i} is a variable's handle`);
    if (isRagged(bound)) throw new Unsupported("a slice whose size depends on values");
    return bound;
  }
  optional(i: number): Value | undefined {
    return this.has(i) ? this.input(i) : undefined;
  }
  has(i: number): boolean {
    return (this.operator.inputs[i] ?? -1) >= 0;
  }
  /** All inputs. */
  inputs(from = 0): Value[] {
    if (from === 0 && this.count === 0) throw new FormatError(`${this.b.origin}: has no inputs`);
    return this.operator.inputs.slice(from).map((_, i) => this.input(from + i));
  }

  /** What the file says of an input. */
  info(i: number): TensorInfo {
    const info = this.scope.subgraph.tensors[this.operator.inputs[i] ?? -1];
    if (!info) throw new FormatError(`${this.b.origin}: input ${i} is missing`);
    return info;
  }
  /** What the file says of a result. */
  result(i = 0): TensorInfo {
    const info = this.scope.subgraph.tensors[this.operator.outputs[i] ?? -1];
    if (!info) throw new FormatError(`${this.b.origin}: result ${i} is missing`);
    return info;
  }
  /** The result's element type. */
  dtype(i = 0): DType {
    return this.importer.dtypeOf(this.result(i));
  }

  options<F extends Fields>(fields: F): Record<F> {
    return readOptions(fields, this.operator.options);
  }

  /** An input's tensor when it is always the same; undefined when it depends on what the model is given. */
  known(i: number): Tensor | undefined {
    return constantOf(this.input(i));
  }
  /** An input's numbers, which have to be known while importing: shapes, axes. */
  numbers(i: number, what: string): number[] {
    const tensor = this.known(i);
    if (!tensor) {
      const parameters = parametersOf(this.input(i));
      const small = parameters.every((value) => this.importer.isSmallInput(value));
      throw small ? new NeedsValue(what, parameters) : new Unsupported(`${what} computed from the model's inputs`);
    }
    return [...toNumbers(tensor)];
  }
  number(i: number, what: string): number {
    const [number] = this.numbers(i, what);
    if (number === undefined) throw new FormatError(`${this.b.origin}: ${what} is empty`);
    return number;
  }
}

/** An axis counted from the end when negative. */
export function axisOf(axis: number, rank: number, what = "axis"): number {
  const from = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(from) || from < 0 || from >= Math.max(rank, 1)) {
    throw new FormatError(`TFLite: ${what} ${axis} does not fit rank ${rank}`);
  }
  return from;
}
