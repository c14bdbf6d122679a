// Where the largest or smallest element is: a reduction of values and their places that importers and JAX write alike.

import { is, type Region, type Value } from "../hlo/graph.ts";
import type { OpName } from "../hlo/ops.ts";
import type { NumberArray } from "./elements.ts";

/** Whether a value is an operation on these operands; `either` allows them in any order. */
function made(value: Value | undefined, op: OpName, a: Value, b: Value, { either = false } = {}): boolean {
  const operation = value?.producer;
  if (!is(operation, op)) return false;
  const [x, y] = operation.operands;
  return (x === a && y === b) || (either && x === b && y === a);
}
function compared(value: Value | undefined, direction: string, a: Value, b: Value): boolean {
  const operation = value?.producer;
  return is(operation, "compare") && operation.attributes.direction === direction && made(value, "compare", a, b);
}

/**
 * "GT" or "LT" when a region of (value, place, value, place) keeps the larger or smaller value, NaN before all, and of
 * equal ones that of the smaller place. Undefined for any other body.
 */
export function argumentOf(region: Region): "GT" | "LT" | undefined {
  const [a, i, b, j] = region.parameters;
  const [value, place] = region.results;
  if (region.parameters.length !== 4 || region.results.length !== 2 || !a || !i || !b || !j) return undefined;
  const [chosen, placed] = [value?.producer, place?.producer];
  if (!is(chosen, "select") || !is(placed, "select")) return undefined;
  const [takeValue, va, vb] = chosen.operands;
  const [takePlace, pi, pj] = placed.operands;
  if (va !== a || vb !== b || pi !== i || pj !== j) return undefined;
  const either = takeValue?.producer;
  const earlier = takePlace?.producer;
  if (!is(either, "or") || !is(earlier, "or") || earlier.operands[0] !== takeValue) return undefined;
  const [better, nan] = either.operands;
  const tie = earlier.operands[1]?.producer;
  if (!compared(nan, "NE", a, a) || !is(tie, "and")) return undefined;
  if (!compared(tie.operands[0], "EQ", a, b) || !compared(tie.operands[1], "LT", i, j)) return undefined;
  return compared(better, "GT", a, b) ? "GT" : compared(better, "LT", a, b) ? "LT" : undefined;
}

/** A row of elements into the values and places found so far; `step` is 0 when the row has one result. */
export function keepArguments(
  which: "GT" | "LT",
  found: { readonly values: NumberArray; readonly places: NumberArray; readonly at: number; readonly step: number },
  row: { readonly values: NumberArray; readonly places: NumberArray; readonly at: number; readonly count: number },
): void {
  const sign = which === "GT" ? 1 : -1;
  const { values: best, places: bestPlaces, step } = found;
  const { values, places } = row;
  for (let n = 0, at = found.at, from = row.at; n < row.count; n++, at += step, from++) {
    const a = best[at]!;
    const b = values[from]!;
    // Kept: what is better, NaN, and the earlier of two equal ones.
    if (a !== a || sign * a > sign * b) continue;
    if (a === b && bestPlaces[at]! < places[from]!) continue;
    best[at] = b;
    bestPlaces[at] = places[from]!;
  }
}
