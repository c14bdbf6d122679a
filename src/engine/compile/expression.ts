// Code for elementwise expressions: four lanes at a time, or one.

import type { Code } from "../../wasm/code.ts";
import type { Expression, KernelContext } from "./kernel.ts";

/** Pushes the value of a leaf: a v128 for four lanes, a scalar for one. */
export type Leaf = (leaf: Expression & { kind: "accumulator" | "operand" }) => void;

/** Whether there is code for every operation of an expression on its types. */
export function canEmit(_expression: Expression): boolean {
  return false;
}

/** Pushes an expression's value. Types of 32 bits have four lanes; the smaller ones are widened to them when loaded. */
export function emitExpression(
  _code: Code,
  _context: KernelContext,
  _expression: Expression,
  _lanes: 1 | 4,
  _leaf: Leaf,
): void {
  throw new Error("written by the pipeline's owner");
}
