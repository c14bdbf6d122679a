// Operations become steps: kernels where there are some, the interpreter elsewhere; control flow becomes blocks.

import { is, type Operation, type Region, type Value } from "../hlo/graph.ts";
import type { Tensor } from "../hlo/tensor.ts";
import { Aliases } from "./memory.ts";
import type { Block, Step } from "./step.ts";

/** What lowering leaves: steps, and where values are views or constants. */
export interface Lowered {
  readonly block: Block;
  readonly aliases: Aliases;
  readonly constants: Map<Value, Tensor>;
}

/** Lowers a program's body. */
export function lower(body: Region): Lowered {
  const lowered = { aliases: new Aliases(), constants: new Map<Value, Tensor>() };
  return { ...lowered, block: lowerRegion(body, lowered) };
}

function lowerRegion(region: Region, to: Omit<Lowered, "block">): Block {
  const steps: Step[] = [];
  for (const operation of region.operations) {
    const step = lowerOperation(operation, to);
    if (step) steps.push(step);
  }
  return { region, steps };
}

function lowerOperation(operation: Operation, to: Omit<Lowered, "block">): Step | undefined {
  const { aliases, constants } = to;
  const { operands, results } = operation;
  if (is(operation, "constant")) {
    constants.set(results[0]!, operation.attributes.value);
    return undefined;
  }
  if (is(operation, "reshape")) {
    aliases.set(results[0]!, operands[0]!);
    return undefined;
  }
  if (is(operation, "while")) {
    const [condition, body] = operation.regions as readonly [Region, Region];
    results.forEach((result, i) => {
      aliases.set(condition.parameters[i]!, result);
      aliases.set(body.parameters[i]!, result);
    });
    return { kind: "while", operation, condition: lowerRegion(condition, to), body: lowerRegion(body, to) };
  }
  if (is(operation, "if") || is(operation, "case")) {
    return { kind: "branch", operation, blocks: operation.regions.map((region) => lowerRegion(region, to)) };
  }
  return { kind: "interpret", operation };
}
