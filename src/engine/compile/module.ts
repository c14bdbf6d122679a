// The WebAssembly module of a program: every kernel once, however many steps use it.

import { type } from "../../wasm/opcodes.ts";
import { importedFunctions, moduleContext } from "./functions.ts";
import type { Kernel } from "./kernel.ts";

/** Does units [begin, end) with operands, results and scratch memory at the addresses. */
export type KernelFunction = (begin: number, end: number, ...addresses: number[]) => void;

/** The bytes of a module with all kernels; each is exported by its number in `names`. */
export interface KernelModule {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Export names by kernel key. */
  readonly names: ReadonlyMap<string, string>;
}

/** Puts kernels into a module. */
export function emitModule(
  kernels: Iterable<Kernel>,
  options: { relaxed: boolean; shared?: { initial: number; maximum: number } },
): KernelModule {
  const { module, context } = moduleContext(options);
  const names = new Map<string, string>();
  for (const kernel of kernels) {
    if (names.has(kernel.key)) continue;
    const count = 2 + kernel.operands.length + kernel.results.length + (kernel.scratch > 0 ? 1 : 0);
    const parameters = Array.from({ length: count }, () => type.i32);
    const { index, code } = module.function(module.type(parameters), kernel.name, 1024);
    kernel.emit(code, context);
    const name = `k${names.size}`;
    names.set(kernel.key, name);
    module.exportFunction(name, index);
  }
  return { bytes: module.finish(), names };
}

/** The imports of a kernel module. */
export function importsOf(memory: WebAssembly.Memory): Record<string, Record<string, unknown>> {
  return { env: { memory }, math: importedFunctions() };
}
