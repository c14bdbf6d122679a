// The x86 processor behind the kernel's executor seam.

import { Translations, X86Machine } from "../cpu/executor.ts";
import type { RegionCompiler } from "../cpu/translate/types.ts";
import { CpuView } from "../cpu/view.ts";
import type { Context, Executor, ExecutorFactory } from "../kernel/executor.ts";
import type { Task } from "../kernel/task.ts";
import type { GuestMemory } from "../memory/guest.ts";
import type { Mode } from "./state.ts";

class X86Executor implements Executor {
  private readonly machine: X86Machine;
  constructor(machine: X86Machine) {
    this.machine = machine;
  }
  run(task: Task, fuel: number): number {
    return this.machine.run(task.context as CpuView, fuel);
  }
  /** Nothing is kept for a task: its state is in its context. */
  release(): void {}
  fork(memory: GuestMemory): Executor {
    return new X86Executor(this.machine.fork(memory));
  }
  dispose(): void {
    this.machine.dispose();
  }
}

/** Where translations outlive the machine. */
export interface TranslationStore {
  /** Names the build: what another build has translated is not used. */
  readonly version: string;
  read(mode: string): Uint8Array<ArrayBuffer> | undefined;
  write(mode: string, bytes: Uint8Array): void;
}

export interface X86Executors extends ExecutorFactory {
  /** Keeps what was translated for the next machine with the same store. */
  save(): void;
}

/** Makes executors that share what they have translated, by mode. Without a compiler everything is interpreted. */
export function x86Executors(
  compilers: { readonly [M in Mode]?: RegionCompiler } = {},
  store?: TranslationStore,
): X86Executors {
  const translations: { [M in Mode]?: Translations } = {};
  const sharedBy = (mode: Mode): Translations => {
    const known = translations[mode];
    if (known !== undefined) return known;
    const compiler = compilers[mode];
    const made = new Translations({ long: mode === "x86_64", ...(compiler ? { compiler } : {}) });
    const stored = store?.read(mode);
    if (stored !== undefined) made.load(stored, store!.version);
    return (translations[mode] = made);
  };
  return {
    save: () => {
      if (store === undefined) return;
      for (const [mode, made] of Object.entries(translations)) {
        const bytes = made.save(store.version);
        if (bytes !== undefined) store.write(mode, bytes);
      }
    },
    create: (memory, mode) => new X86Executor(new X86Machine(memory, sharedBy(mode as Mode))),
    context: (memory): Context => new CpuView(memory),
  };
}
