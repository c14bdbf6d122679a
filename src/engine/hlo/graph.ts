// The graph that importers build and the compiler takes: values in static single assignment, regions for control flow.

import type { AttributesOf, OpName } from "./ops.ts";
import type { Tensor, TensorType } from "./tensor.ts";

/** The result of an operation or the parameter of a region. Made once, never changed. */
export interface Value {
  readonly type: TensorType;
  /** Unique within a program. */
  readonly id: number;
  /** The operation that makes it; undefined for parameters. */
  readonly producer: Operation | undefined;
  /** Which result or parameter it is. */
  readonly index: number;
}

/** One operation. `N` narrows the attributes: after `is(operation, "pad")` they are those of pad. */
export interface Operation<N extends OpName = OpName> {
  readonly op: N;
  readonly operands: readonly Value[];
  readonly attributes: AttributesOf<N>;
  readonly regions: readonly Region[];
  readonly results: readonly Value[];
  /** Where it came from, for messages: "Conv2D 'block1/conv'". */
  readonly origin: string | undefined;
}

/**
 * A list of operations with parameters and results. Operations may use values of regions around theirs (as StableHLO's
 * do), and only those that come before them.
 */
export interface Region {
  readonly parameters: readonly Value[];
  readonly operations: readonly Operation[];
  readonly results: readonly Value[];
}

/** A named input or output of a program, with the numbers that a quantised one stands for. */
export interface Port {
  readonly name: string;
  readonly type: TensorType;
  /** Real value = (element - zeroPoint) * scale. */
  readonly quantization?: Quantization;
}

export interface Quantization {
  readonly scale: number;
  readonly zeroPoint: number;
}

/** A value that stays from one run to the next: a variable. */
export interface State {
  readonly name: string;
  readonly initial: Tensor;
}

/** Two results that have to agree: what self-checking programs say of themselves. */
export interface Check {
  readonly actual: number;
  readonly expected: number;
  /** Equal in every bit, or close as floats are. */
  readonly exact: boolean;
  /** How close, where the program says so: at most that far apart, or that many representable numbers. */
  readonly tolerance?: { readonly absolute: number } | { readonly ulps: number };
}

/**
 * A whole computation with static shapes. The body's parameters are the inputs, then the states; its results are the
 * outputs, then the new states, then what `checks` refer to by index among all results.
 */
export interface Program {
  readonly name: string;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly states: readonly State[];
  readonly body: Region;
  readonly checks?: readonly Check[];
}

/** Whether an operation is of this name; narrows its attributes. */
export function is<N extends OpName>(operation: Operation | undefined, name: N): operation is Operation<N> {
  return operation?.op === name;
}

/** Every operation of a region and of the regions within, outermost first. */
export function* operationsOf(region: Region): Generator<Operation> {
  for (const operation of region.operations) {
    yield operation;
    for (const inner of operation.regions) yield* operationsOf(inner);
  }
}

/** The operations that use each value, regions within included. */
export function usersOf(region: Region): Map<Value, Operation[]> {
  const users = new Map<Value, Operation[]>();
  for (const operation of operationsOf(region)) {
    for (const operand of operation.operands) {
      const list = users.get(operand);
      if (list) list.push(operation);
      else users.set(operand, [operation]);
    }
  }
  return users;
}
