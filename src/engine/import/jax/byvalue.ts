// Which parameters of a function decide shapes: their numbers have to be known while a program is built.

import { type Operation, operationsIn, type Value } from "./mlir/module.ts";

/** Operands that are sizes, by operation. */
const sizes: Readonly<Record<string, readonly number[]>> = {
  dynamic_broadcast_in_dim: [1],
  dynamic_conv: [2],
  dynamic_gather: [2],
  dynamic_iota: [0],
  dynamic_pad: [2, 3, 4],
  dynamic_reshape: [1],
  real_dynamic_slice: [3],
  rng: [2],
};

/** The numbers of the parameters whose values are needed. Extents of parameters are known by their shapes. */
export function parametersByValue(
  functions: ReadonlyMap<string, Operation>,
  target: Operation,
  known: Map<Operation, ReadonlySet<number>> = new Map(),
): ReadonlySet<number> {
  const done = known.get(target);
  if (done) return done;
  known.set(target, new Set());
  const [region] = target.regions;
  if (!region) return new Set();
  const needed = new Set<Value>();
  for (const operation of [...operationsIn(region)].reverse()) {
    const { name, operands, results, attributes } = operation;
    const short = name.slice(name.indexOf(".") + 1);
    const wanted = new Set(Object.hasOwn(sizes, short) ? sizes[short] : []);
    const callee = attributes.get(name === "func.call" ? "callee" : "decomposition");
    const called = callee?.kind === "symbol" ? functions.get(callee.value) : undefined;
    if (called) for (const index of parametersByValue(functions, called, known)) wanted.add(index);
    const all = short !== "get_dimension_size" && results.some((value) => needed.has(value));
    operands.forEach((value, i) => {
      if (all || wanted.has(i)) needed.add(value);
    });
  }
  const parameters = region.blocks[0]?.parameters ?? [];
  const found = new Set(parameters.flatMap((value, i) => (needed.has(value) ? [i] : [])));
  known.set(target, found);
  return found;
}
