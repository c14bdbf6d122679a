// Constant folding: what is made of constants alone is computed now, unless it would take more room than they do.

import { CerebroError } from "../../../base/errors.ts";
import { is, type Operation, type Value } from "../../hlo/graph.ts";
import type { Builder } from "../../hlo/build.ts";
import { isElementwise, type OpName } from "../../hlo/ops.ts";
import { elementCount, type Tensor } from "../../hlo/tensor.ts";
import { evaluateOperation } from "../../interpret/interpret.ts";
import { capturesOf } from "../step.ts";
import type { Rule } from "./rewrite.ts";

/** A constant's tensor. */
export function tensorOf(value: Value | undefined): Tensor | undefined {
  const producer = value?.producer;
  return is(producer, "constant") ? producer.attributes.value : undefined;
}

/** Never folded: results that differ each time, loops of unknown length, what is a constant already, or larger than it. */
const kept = new Set<OpName>([
  "constant",
  "broadcastInDim",
  "iota",
  "rng",
  "rngBitGenerator",
  "while",
  "if",
  "case",
  "sort",
]);
/** Elements that a folded constant may have even when it is made of a few. */
const small = 64;
/** Work, in elements, that is done while compiling. */
const most = 1 << 24;
/** Operations and turns of loops (in the regions of reductions) that are computed for one constant. */
const longest = 1 << 20;

/** A constant, or one that is repeated: both are known, but only the first is as large as its shape says. */
function known(value: Value): Tensor | undefined {
  const { producer } = value;
  if (!is(producer, "broadcastInDim")) return tensorOf(value);
  const source = tensorOf(producer.operands[0]);
  return source && evaluateOperation(producer, new Map([[producer.operands[0]!, source]]))[0];
}

/** An elementwise operation on single elements that are repeated, done on one of them. */
function uniform(operation: Operation, to: Builder): Value | undefined {
  const result = operation.results[0]!;
  const elements = operation.operands.map((value) => {
    const { producer } = value;
    const source = is(producer, "broadcastInDim") ? producer.operands[0]! : value;
    const tensor = elementCount(source.type.shape) === 1 ? tensorOf(source) : undefined;
    return tensor && { ...tensor, shape: [] };
  });
  if (!elements.every((tensor) => tensor !== undefined) || is(operation, "requantize")) return undefined;
  const [made] = to.all(
    operation.op,
    elements.map((tensor) => to.constant(tensor)),
    operation.attributes,
  );
  return to.broadcast(made!, result.type.shape);
}

/** The results of an operation on constants. */
export const fold: Rule = (operation: Operation, { to }) => {
  const { op, operands } = operation;
  if (kept.has(op) || operands.length === 0) return undefined;
  const size = (value: Value) => elementCount(value.type.shape);
  const repeated = operands.some(({ producer }) => is(producer, "broadcastInDim"));
  if (repeated) {
    if (!isElementwise(op) || op === "lookup") return undefined;
    const made = uniform(operation, to);
    if (made) return [made];
  }
  const whole = operands.filter((value) => tensorOf(value));
  if (whole.length === 0 || (!repeated && whole.length < operands.length)) return undefined;
  const before = whole.reduce((sum, value) => sum + size(value), 0);
  const after = operation.results.reduce((sum, value) => sum + size(value), 0);
  if (after > Math.max(small, 2 * before) || before + after > most) return undefined;
  if (op === "convolution" || op === "dotGeneral") {
    if (size(operands[0]!) * size(operands[1]!) > most) return undefined;
  }
  if (capturesOf(operation).length > 0) return undefined;
  const environment = new Map<Value, Tensor>();
  for (const value of operands) {
    const tensor = known(value);
    if (!tensor) return undefined;
    environment.set(value, tensor);
  }
  return evaluated(operation, environment)?.map((tensor) => to.constant(tensor));
};

/** The results of an operation; undefined for loops that are not worth waiting for, or never end. */
function evaluated(operation: Operation, environment: ReadonlyMap<Value, Tensor>): Tensor[] | undefined {
  try {
    return evaluateOperation(operation, new Map(environment), { steps: longest });
  } catch (error) {
    if (error instanceof CerebroError && error.code === "limit") return undefined;
    throw error;
  }
}
