// Cumulative sums: a window that reaches back to the first element is taken apart into steps that double what each
// element has of those before it.

import { is, type Operation, type Value } from "../../hlo/graph.ts";
import type { OpName } from "../../hlo/ops.ts";
import { isFloat } from "../../hlo/dtype.ts";
import { scalarOf } from "../cluster.ts";
import type { Rule } from "./rewrite.ts";

/** Operations that may be done in any grouping, and the number that changes nothing. */
const neutral: { readonly [N in OpName]?: number } = { add: 0, multiply: 1, maximum: -Infinity, minimum: Infinity };
/** Shorter ones are done as windows. */
const shortest = 16;

/** The one operation of a window's region. */
function combinerOf(operation: Operation): "add" | "multiply" | "maximum" | "minimum" | undefined {
  const [region] = operation.regions;
  const [only] = region!.operations;
  if (region!.operations.length !== 1 || region!.results[0] !== only!.results[0]) return undefined;
  if (!region!.parameters.every((parameter) => only!.operands.includes(parameter))) return undefined;
  return only!.op in neutral ? (only!.op as "add") : undefined;
}

/** A reduceWindow over all elements before each one (or after it), along one dimension. */
export const scan: Rule = (operation, { to }) => {
  if (!is(operation, "reduceWindow") || operation.operands.length !== 2) return undefined;
  const [x, start] = operation.operands as [Value, Value];
  const { shape, dtype } = x.type;
  const { windowDimensions, windowStrides, baseDilations, windowDilations, padding } = operation.attributes;
  const wide = windowDimensions.map((_, i) => i).filter((i) => windowDimensions[i]! > 1);
  if (wide.length !== 1 || ![...windowStrides, ...baseDilations, ...windowDilations].every((n) => n === 1))
    return undefined;
  const axis = wide[0]!;
  const extent = shape[axis]!;
  const [before, after] = padding[axis]!;
  const backwards = before > 0;
  if (extent < shortest || windowDimensions[axis] !== extent || before + after !== extent - 1) return undefined;
  if ((before > 0 && after > 0) || padding.some(([low, high], i) => i !== axis && (low !== 0 || high !== 0)))
    return undefined;
  const combiner = combinerOf(operation);
  const number = scalarOf(start);
  if (
    !combiner ||
    number === undefined ||
    Number(number) !== neutral[combiner] ||
    (!isFloat(dtype) && combiner !== "add")
  ) {
    return undefined;
  }
  const at = (n: number, other: number) => shape.map((_, i) => (i === axis ? n : other));
  let sum = x;
  for (let step = 1; step < extent; step *= 2) {
    const low = at(backwards ? 0 : step, 0);
    const limit = shape.map((n, i) => (i === axis && backwards ? n - step : n));
    const part = to.slice(sum, low, limit);
    const shifted = to.pad(part, at(backwards ? step : 0, 0), at(backwards ? 0 : step, 0), start);
    sum = to.plain(combiner, sum, shifted);
  }
  return [sum];
};
