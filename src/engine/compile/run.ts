// Runs steps in order on one thread: every step is bound to its addresses once and called without arguments.

import { dtypes } from "../hlo/dtype.ts";
import type { Value } from "../hlo/graph.ts";
import { byteSize, bytesOf, elementCount, type Tensor } from "../hlo/tensor.ts";
import { type Environment, evaluateOperation } from "../interpret/interpret.ts";
import type { MemoryPlan } from "./memory.ts";
import { type Block, capturesOf, type KernelStep, type Step } from "./step.ts";

/** A bound step. */
export type Action = () => void;

export interface Binding {
  readonly memory: WebAssembly.Memory;
  readonly plan: MemoryPlan;
  /** A kernel step's call on its addresses. */
  readonly kernel: (step: KernelStep) => Action;
  /** Called at each turn of a loop; may throw. */
  readonly check?: Action;
  /** Called around steps when a profile is being made. */
  readonly observe?: (step: Step, action: Action) => void;
}

/** A tensor over a value's place. */
export function viewOf({ memory, plan }: Binding, value: Value): Tensor {
  const { dtype, shape } = value.type;
  const { array, entries } = dtypes[dtype];
  const count = elementCount(shape) * entries;
  return { dtype, shape, data: new array(memory.buffer, count === 0 ? 0 : plan.addressOf(value), count) };
}

/** The bytes of a value's place. */
export function placeOf({ memory, plan }: Binding, value: Value): Uint8Array {
  const size = byteSize(value.type);
  return new Uint8Array(memory.buffer, size === 0 ? 0 : plan.addressOf(value), size);
}

/** Binds a block: one action does all its steps. */
export function bindBlock(binding: Binding, block: Block): Action {
  const actions = block.steps.map((step) => bindStep(binding, step));
  const { observe } = binding;
  if (observe) {
    return () => {
      for (let i = 0; i < actions.length; i++) observe(block.steps[i]!, actions[i]!);
    };
  }
  return () => {
    for (let i = 0; i < actions.length; i++) actions[i]!();
  };
}

function bindStep(binding: Binding, step: Step): Action {
  switch (step.kind) {
    case "kernel":
      return binding.kernel(step);
    case "copy":
      return copies(binding, [[step.from, step.to]]);
    case "interpret": {
      const { operation } = step;
      const environment: Environment = new Map();
      for (const value of [...operation.operands, ...capturesOf(operation)]) {
        environment.set(value, viewOf(binding, value));
      }
      const places = operation.results.map((value) => placeOf(binding, value));
      return () => evaluateOperation(operation, environment).forEach((result, i) => places[i]!.set(bytesOf(result)));
    }
    case "while": {
      const { operation } = step;
      const { results } = operation;
      const start = copies(
        binding,
        operation.operands.map((from, i) => [from, results[i]!]),
      );
      const condition = bindBlock(binding, step.condition);
      const holds = placeOf(binding, step.condition.region.results[0]!);
      const body = bindBlock(binding, step.body);
      const update = copies(
        binding,
        step.body.region.results.map((from, i) => [from, results[i]!]),
      );
      return () => {
        start();
        for (;;) {
          binding.check?.();
          condition();
          if (holds[0] === 0) return;
          body();
          update();
        }
      };
    }
    case "branch": {
      const { operation } = step;
      const which = viewOf(binding, operation.operands[0]!).data;
      const last = step.blocks.length - 1;
      const branches = step.blocks.map((block) => {
        const body = bindBlock(binding, block);
        const copy = copies(
          binding,
          block.region.results.map((from, i) => [from, operation.results[i]!]),
        );
        return () => {
          body();
          copy();
        };
      });
      if (operation.op === "if") return () => branches[which[0] ? 0 : 1]!();
      return () => {
        const index = Number(which[0]);
        branches[index < 0 || index > last ? last : index]!();
      };
    }
  }
}

/** Copies all pairs as if at once; pairs that have the same place cost nothing. */
export function copies(binding: Binding, pairs: readonly (readonly [from: Value, to: Value])[]): Action {
  const moves = pairs
    .map(([from, to]) => ({ from: placeOf(binding, from), to: placeOf(binding, to) }))
    .filter(({ from, to }) => from.length > 0 && from.byteOffset !== to.byteOffset);
  const overlap = (a: Uint8Array, b: Uint8Array) =>
    a.byteOffset < b.byteOffset + b.length && b.byteOffset < a.byteOffset + a.length;
  // What another copy overwrites is saved first.
  const saved = moves.filter(({ from }) => moves.some((other) => other.from !== from && overlap(from, other.to)));
  const direct = moves.filter((move) => !saved.includes(move));
  const kept = saved.map(({ from }) => new Uint8Array(from.length));
  return () => {
    for (let i = 0; i < saved.length; i++) kept[i]!.set(saved[i]!.from);
    for (let i = 0; i < direct.length; i++) direct[i]!.to.set(direct[i]!.from);
    for (let i = 0; i < saved.length; i++) saved[i]!.to.set(kept[i]!);
  };
}
