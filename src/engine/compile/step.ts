// What a compiled program is made of before it has addresses: steps in order, some with blocks of steps within.

import type { Operation, Region, Value } from "../hlo/graph.ts";
import type { Kernel } from "./kernel.ts";

export type Step =
  | KernelStep
  /** What has no kernel: the interpreter's operation on views of the memory. */
  | { readonly kind: "interpret"; readonly operation: Operation }
  /** Bytes moved from one place to another, when the two have not got the same one. */
  | { readonly kind: "copy"; readonly from: Value; readonly to: Value }
  | WhileStep
  | BranchStep;

export interface KernelStep {
  readonly kind: "kernel";
  readonly kernel: Kernel;
  /** The kernel's operands, packed constants put in. */
  readonly operands: readonly Value[];
  /** Operands whose place a result may take: every element is read before it is written, by the unit that writes it. */
  readonly inPlace: readonly (readonly [operand: Value, result: Value])[];
}

export interface WhileStep {
  readonly kind: "while";
  readonly operation: Operation;
  readonly condition: Block;
  readonly body: Block;
}

export interface BranchStep {
  readonly kind: "branch";
  readonly operation: Operation;
  readonly blocks: readonly Block[];
}

/** The steps of a region. */
export interface Block {
  readonly region: Region;
  readonly steps: readonly Step[];
}

/** Every step of a block and of the blocks within. */
export function* stepsOf(block: Block): Generator<Step> {
  for (const step of block.steps) {
    yield step;
    if (step.kind === "while") {
      yield* stepsOf(step.condition);
      yield* stepsOf(step.body);
    } else if (step.kind === "branch") for (const inner of step.blocks) yield* stepsOf(inner);
  }
}

/** Values from outside that an operation's regions use. */
export function capturesOf(operation: Operation): Value[] {
  if (operation.regions.length === 0) return [];
  const own = new Set<Value>();
  const captured = new Set<Value>();
  const visit = (region: Region): void => {
    for (const parameter of region.parameters) own.add(parameter);
    for (const inner of region.operations) {
      for (const operand of inner.operands) if (!own.has(operand)) captured.add(operand);
      inner.regions.forEach(visit);
      for (const result of inner.results) own.add(result);
    }
    for (const result of region.results) if (!own.has(result)) captured.add(result);
  };
  operation.regions.forEach(visit);
  return [...captured];
}

/** What a step is called in profiles. */
export function nameOf(step: Step): string {
  if (step.kind === "kernel") return step.kernel.name;
  if (step.kind === "copy") return "copy";
  const { op, origin } = step.operation;
  return origin === undefined ? op : `${op} (${origin})`;
}
