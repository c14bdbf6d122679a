// Rewriting: a program is built again operation by operation; rules say what becomes of each.

import { Builder } from "../../hlo/build.ts";
import { type Operation, operationsOf, type Program, type Region, usersOf, type Value } from "../../hlo/graph.ts";

/** What rules may ask of the program under construction. */
export interface Rewriting {
  readonly to: Builder;
  /** How often a new value's old one is used. */
  usesOf(value: Value): number;
}

/**
 * Gives the values that stand for an operation's results, or undefined when it stays as it is. The operation has its
 * operands rewritten already; its regions are the old ones.
 */
export type Rule = (operation: Operation, rewriting: Rewriting) => readonly Value[] | undefined;

/** Operations whose results are used, or that a loop or branch in use contains. */
function liveOf(body: Region): Set<Operation> {
  const live = new Set<Operation>();
  const wanted: Value[] = [...body.results];
  for (let value = wanted.pop(); value; value = wanted.pop()) {
    const { producer } = value;
    if (!producer || live.has(producer)) continue;
    live.add(producer);
    wanted.push(...producer.operands);
    for (const region of producer.regions) {
      wanted.push(...region.results);
      // Inside a used operation only what its results need is used; captured values are reached from there.
    }
  }
  return live;
}

/** Builds a program again under rules; what nobody uses is left out. */
export function rewrite(program: Program, rules: readonly Rule[]): { program: Program; changed: boolean } {
  const { body } = program;
  const users = usersOf(body);
  const live = liveOf(body);
  const ends = new Map<Value, number>();
  const countEnds = (region: Region) => region.results.forEach((value) => ends.set(value, (ends.get(value) ?? 0) + 1));
  countEnds(body);
  for (const operation of operationsOf(body)) operation.regions.forEach(countEnds);
  const values = new Map<Value, Value>();
  const uses = new Map<Value, number>();
  let changed = false;

  const link = (old: Value, made: Value): void => {
    values.set(old, made);
    uses.set(made, (uses.get(made) ?? 0) + (users.get(old)?.length ?? 0) + (ends.get(old) ?? 0));
  };
  const region = (old: Region, to: Builder): Region => {
    return to.region(
      old.parameters.map(({ type }) => type),
      (inner, ...parameters) => {
        old.parameters.forEach((parameter, i) => link(parameter, parameters[i]!));
        return write(old, inner);
      },
    );
  };
  const write = (old: Region, to: Builder): Value[] => {
    const rewriting: Rewriting = { to, usesOf: (value) => uses.get(value) ?? 0 };
    for (const operation of old.operations) {
      if (!live.has(operation)) {
        changed = true;
        continue;
      }
      to.origin = operation.origin;
      const operands = operation.operands.map((operand) => values.get(operand)!);
      const current = { ...operation, operands };
      let results: readonly Value[] | undefined;
      for (const rule of rules) {
        results = rule(current, rewriting);
        if (results) break;
      }
      if (results) changed = true;
      else {
        const regions = operation.regions.map((inner) => region(inner, to));
        results = to.all(operation.op, operands, operation.attributes, regions);
      }
      operation.results.forEach((result, i) => link(result, results[i]!));
    }
    return old.results.map((value) => values.get(value)!);
  };

  const builder = new Builder(body.parameters.map(({ type }) => type));
  body.parameters.forEach((parameter, i) => link(parameter, builder.parameters[i]!));
  const results = write(body, builder);
  return { program: { ...program, body: builder.finish(results) }, changed };
}
