// The plain interpreter: every operation on every type, exact and without haste. The oracle for the compiler.

import type { Operation, Program, Value } from "../hlo/graph.ts";
import type { Tensor } from "../hlo/tensor.ts";

/** Values by the graph's values; regions see what is around them. */
export type Environment = Map<Value, Tensor>;

/** Runs a program: inputs and states in, all results of the body out. */
export function evaluate(_program: Program, _inputs: readonly Tensor[]): Tensor[] {
  throw new Error("written by the interpreter's owner");
}

/** The results of one operation whose operands (and captured values) are in the environment. */
export function evaluateOperation(_operation: Operation, _environment: Environment): Tensor[] {
  throw new Error("written by the interpreter's owner");
}

/**
 * The tensor that a value always has, when everything it is made from is constant and it has at most `limit` elements;
 * undefined otherwise. Remembered per value.
 */
export function constantOf(_value: Value, _limit?: number): Tensor | undefined {
  throw new Error("written by the interpreter's owner");
}
