// Common subexpressions: equal operations on equal operands are done once.

import type { OpName } from "../../hlo/ops.ts";
import type { Value } from "../../hlo/graph.ts";
import type { Builder } from "../../hlo/build.ts";
import type { Rule } from "./rewrite.ts";

const impure = new Set<OpName>(["rng", "rngBitGenerator"]);

/** A rule that remembers what it has seen; for one rewriting only. */
export function common(): Rule {
  // By the region under construction: values of one region are not seen in its neighbours.
  const seen = new WeakMap<Builder, Map<string, readonly Value[]>>();
  const tensors = new Map<object, number>();
  return (operation, { to }) => {
    if (operation.regions.length > 0 || impure.has(operation.op)) return undefined;
    const attributes = JSON.stringify(operation.attributes, (_, value: unknown) => {
      if (ArrayBuffer.isView(value)) {
        const known = tensors.get(value) ?? tensors.size;
        tensors.set(value, known);
        return `data ${known}`;
      }
      return typeof value === "bigint" ? String(value) : value;
    });
    const key = `${operation.op} ${operation.operands.map(({ id }) => id).join()} ${attributes}`;
    let known = seen.get(to);
    if (!known) seen.set(to, (known = new Map()));
    const found = known.get(key);
    if (found) return found;
    const made = to.all(operation.op, operation.operands, operation.attributes);
    known.set(key, made);
    return made;
  };
}
