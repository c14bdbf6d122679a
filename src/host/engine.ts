// What the model engine asks of the host: threads, the best compiler, a clock.

/** Threads and a compiler as the host has them; without one the engine runs on its own thread. */
export interface EngineHost {
  /** Compiles a module with the host's best compiler at once, where it can be told to. */
  compileModule?(bytes: Uint8Array<ArrayBuffer>): WebAssembly.Module;
  /** Processors of the machine. */
  readonly processors: number;
  /** Starts a thread that runs `engineWorker` (engine/compile/worker.ts) with this message; undefined when hosts have none. */
  startWorker?(message: unknown): { stop(): void } | undefined;
  /** Nanoseconds, for statistics. */
  now(): number;
}
