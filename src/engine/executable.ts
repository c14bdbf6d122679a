// A compiled program: runs with inputs, gives outputs, keeps its states in between.

import type { EngineHost } from "../host/engine.ts";
import type { Program } from "./hlo/graph.ts";
import type { Tensors } from "./model.ts";

export type { EngineHost };

export interface CompileOptions {
  /** At most so many threads; 1 when absent. */
  readonly threads?: number;
  /** Use relaxed SIMD where the machine has it: faster, the last bits may differ. */
  readonly relaxed?: boolean;
  /** "interpreter": no WebAssembly at all, the oracle. */
  readonly backend?: "wasm" | "interpreter";
  readonly host?: EngineHost;
  /** Called at each turn of a loop of the model; throws to end the run: a hostile model's loop need not end by itself. */
  readonly check?: () => void;
  /** Most bytes of weights and activations together; an error says when a model needs more. */
  readonly memoryLimit?: number;
}

/** What a compiled program consists of, for people and for `stats`. */
export interface ExecutableStats {
  /** Steps by what does them: "wasm", "interpreter", "control". */
  readonly steps: Readonly<Record<string, number>>;
  readonly codeBytes: number;
  readonly weightBytes: number;
  /** Activations, after buffers were shared. */
  readonly activationBytes: number;
  /** Nanoseconds. */
  readonly compileTime: number;
}

/** How long one step took, in nanoseconds. */
export interface StepTime {
  readonly name: string;
  readonly kind: string;
  readonly time: number;
}

export interface Executable {
  readonly program: Program;
  readonly stats: ExecutableStats;
  /** Runs with every input given by name. Throws FormatError when one is missing or of another type. */
  run(inputs: Tensors): Tensors;
  /** Puts the states back to their first values. */
  reset(): void;
  /** The states by name, copied: for another executable of the same model. */
  states(): Tensors;
  /** Sets the states that are named; names that the program does not have are left out. */
  restore(states: Tensors): void;
  /** Runs once, single-threaded, and tells the time of each step in nanoseconds. */
  profile(inputs: Tensors): StepTime[];
  /** Gives the memory and threads back; running it again is an error. */
  dispose(): void;
}
