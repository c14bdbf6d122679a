// Constant folding: what is made of constants alone is computed now, unless it would take more room than they do.

import { is, type Operation, type Value } from "../../hlo/graph.ts";
import type { OpName } from "../../hlo/ops.ts";
import { elementCount, type Tensor } from "../../hlo/tensor.ts";
import { evaluateOperation } from "../../interpret/interpret.ts";
import { capturesOf } from "../step.ts";
import type { Rule } from "./rewrite.ts";

/** A constant's tensor. */
export function tensorOf(value: Value | undefined): Tensor | undefined {
  const producer = value?.producer;
  return is(producer, "constant") ? producer.attributes.value : undefined;
}

/** Never folded: results that differ each time, loops of unknown length, what is a constant already. */
const kept = new Set<OpName>(["constant", "iota", "rng", "rngBitGenerator", "while", "if", "case", "sort"]);
/** Elements that a folded constant may have even when it is made of a few. */
const small = 64;
/** Work, in elements, that is done while compiling. */
const most = 1 << 24;

/** The results of an operation on constants. */
export const fold: Rule = (operation: Operation, { to }) => {
  const { op, operands } = operation;
  if (kept.has(op) || operands.length === 0) return undefined;
  const tensors = operands.map(tensorOf);
  if (tensors.some((tensor) => !tensor)) return undefined;
  const size = (value: Value) => elementCount(value.type.shape);
  const before = operands.reduce((sum, value) => sum + size(value), 0);
  const after = operation.results.reduce((sum, value) => sum + size(value), 0);
  if (after > Math.max(small, 2 * before) || before + after > most) return undefined;
  if (op === "convolution" || op === "dotGeneral") {
    if (size(operands[0]!) * size(operands[1]!) > most) return undefined;
  }
  if (capturesOf(operation).length > 0) return undefined;
  const environment = new Map<Value, Tensor>();
  operands.forEach((value, i) => environment.set(value, tensors[i]!));
  return evaluateOperation(operation, environment).map((tensor) => to.constant(tensor));
};
