// What a function needs: its operations with those of the functions that it calls, and which of them are not built.

import { elementCount } from "../../hlo/tensor.ts";
import type { Missing } from "../../model.ts";
import { knowsCall, refusal } from "./customcall.ts";
import { type Operation, operationsIn, showType } from "./mlir/module.ts";
import { ruleOf } from "./ops.ts";
import { elementType, originOf } from "./site.ts";

export interface Survey {
  /** Operations by name, the most frequent first. */
  readonly operations: ReadonlyMap<string, number>;
  readonly missing: readonly Missing[];
  /** Numbers in constants. */
  readonly parameters: number;
}

/** Operations that can be reached from main, and what of them is not built. */
export function survey(functions: ReadonlyMap<string, Operation>, main: Operation): Survey {
  const counts = new Map<string, number>();
  const missing = new Map<string, { count: number; where: string; reason?: string }>();
  const lacks = (op: string, operation: Operation, reason?: string) => {
    const known = missing.get(op);
    if (known) known.count++;
    else missing.set(op, { count: 1, where: originOf(operation), ...(reason !== undefined && { reason }) });
  };
  const seen = new Set<Operation>();
  const queue = [main];
  let parameters = 0;
  for (let next = queue.pop(); next; next = queue.pop()) {
    if (seen.has(next)) continue;
    seen.add(next);
    for (const region of next.regions) {
      for (const operation of operationsIn(region)) {
        const { name, attributes } = operation;
        if (name.endsWith(".return")) continue;
        counts.set(name, (counts.get(name) ?? 0) + 1);
        for (const key of ["callee", "decomposition"]) {
          const target = attributes.get(key);
          const called = target?.kind === "symbol" ? functions.get(target.value) : undefined;
          if (called) queue.push(called);
        }
        const value = attributes.get("value");
        if (name.endsWith(".constant") && value?.kind === "dense" && !value.splat) {
          parameters += elementCount(value.type.shape.map((n) => n ?? 0));
        }
        const quantizing = /\.uniform_(?:de)?quantize$/.test(name);
        if (!ruleOf(name) && !quantizing) lacks(name, operation);
        const target = attributes.get("call_target_name");
        if (name.endsWith(".custom_call") && target?.kind === "string") {
          const reason = refusal(target.value, attributes);
          if (!knowsCall(target.value) || reason !== undefined) {
            lacks(`custom_call:${target.value}`, operation, reason);
          }
        }
        for (const { type } of operation.results) {
          const element = type.kind === "tensor" ? type.element : undefined;
          if (element && !elementType(element)) lacks(`type:${showType(element)}`, operation, "element type");
        }
      }
    }
  }
  const list: Missing[] = [...missing].map(([op, found]) => ({ op, ...found }));
  const sorted = [...counts].sort((a, b) => b[1] - a[1]);
  return { operations: new Map(sorted), missing: list, parameters };
}
