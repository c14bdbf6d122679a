// Values that are always the same: computed once, when everything they are made from is constant.

import { CerebroError } from "../../base/errors.ts";
import { is, type Operation, type Region, type Value } from "../hlo/graph.ts";
import { elementCount, type Tensor } from "../hlo/tensor.ts";
import { evaluateOperation } from "./evaluate.ts";
import { type Environment, usesOf } from "./run.ts";

/** Most elements that are computed when nothing else is said. */
const foldingLimit = 1 << 16;

/** Most operations and turns of loops that are computed for one value. */
const stepLimit = 1 << 17;

const folded = new WeakMap<Value, Tensor>();
/** The largest limit under which a value was found not to be constant: infinite when it depends on a parameter. */
const varying = new WeakMap<Value, number>();

/**
 * The tensor that a value always has, when everything it is made from is constant and has at most `limit` elements;
 * undefined otherwise. Remembered per value.
 */
export function constantOf(value: Value, limit = foldingLimit): Tensor | undefined {
  const known = folded.get(value);
  if (known) return known;
  for (const operation of makersOf(value, limit) ?? []) {
    const environment = new Map(captures(operation).map((use) => [use, folded.get(use)!]));
    const results = evaluated(operation, environment);
    if (!results) {
      for (const result of [...operation.results, value]) varying.set(result, Infinity);
      return undefined;
    }
    operation.results.forEach((result, i) => folded.set(result, results[i]!));
  }
  return folded.get(value);
}

/** The results of an operation; undefined for loops that are not worth waiting for, or never end. */
function evaluated(operation: Operation, environment: Environment): Tensor[] | undefined {
  try {
    return evaluateOperation(operation, environment, { steps: stepLimit });
  } catch (error) {
    if (error instanceof CerebroError && error.code === "limit") return undefined;
    throw error;
  }
}

interface Frame {
  readonly operation: Operation;
  readonly uses: readonly Value[];
  next: number;
}

/** The operations that still have to be evaluated for a value, in order; undefined when it is not constant. */
function makersOf(value: Value, limit: number): Operation[] | undefined {
  const order: Operation[] = [];
  const done = new Set<Operation>();
  const path: Frame[] = [];
  /** Begins with a value's operation; gives the limit under which it fails, or undefined. */
  const enter = (use: Value): number | undefined => {
    const failed = varying.get(use);
    if (failed !== undefined && limit <= failed) return failed;
    const operation = use.producer;
    if (folded.has(use) || (operation && done.has(operation))) return undefined;
    if (!operation || operation.op === "rng") return Infinity;
    if (!is(operation, "constant") && operation.results.some(({ type }) => elementCount(type.shape) > limit)) {
      return limit;
    }
    path.push({ operation, uses: captures(operation), next: 0 });
    return undefined;
  };
  let failure = enter(value);
  while (failure === undefined && path.length > 0) {
    const frame = path.at(-1)!;
    if (frame.next < frame.uses.length) failure = enter(frame.uses[frame.next++]!);
    else {
      done.add(frame.operation);
      order.push(frame.operation);
      path.pop();
    }
  }
  if (failure === undefined) return order;
  varying.set(value, failure);
  for (const { operation } of path) for (const result of operation.results) varying.set(result, failure);
  return undefined;
}

/** What an operation needs from around it: its operands and what its regions use of the outside. */
function captures(operation: Operation): readonly Value[] {
  if (operation.regions.length === 0) return operation.operands;
  const inside = new Set<Value>();
  const collect = (region: Region) => {
    for (const parameter of region.parameters) inside.add(parameter);
    for (const inner of region.operations) {
      for (const result of inner.results) inside.add(result);
      inner.regions.forEach(collect);
    }
  };
  operation.regions.forEach(collect);
  return usesOf(operation).filter((value) => !inside.has(value));
}
