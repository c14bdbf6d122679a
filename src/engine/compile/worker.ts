// What a thread of the engine runs: the same module on the same memory, chunk by chunk.

import { importsOf, type KernelFunction } from "./module.ts";
import { serve, type TeamMessage } from "./team.ts";

/** Serves the program that a message of `Team.start` describes until it is stopped. */
export function engineWorker(message: unknown): void {
  const { module, memory, control, steps, scratch } = message as TeamMessage;
  const { exports } = new WebAssembly.Instance(module, importsOf(memory));
  const functions = steps.map(({ name }) => exports[name] as KernelFunction);
  const addresses = steps.map((step) => (step.scratch ? [...step.addresses, scratch] : step.addresses));
  serve(new Int32Array(control), steps, (step, begin, end) => functions[step]!(begin, end, ...addresses[step]!));
}
