// What Node gives the model engine: worker threads, V8's optimising compiler at once, a clock.

import { availableParallelism } from "node:os";
import { setFlagsFromString } from "node:v8";
import { Worker } from "node:worker_threads";
import type { EngineHost } from "../../host/engine.ts";

/** Where the worker's program is: beside this file when built or bundled. */
const workerProgram = new URL("./engineworker.js", import.meta.url);

/**
 * This Node process as the engine's host. `relaxed` lets V8 take relaxed SIMD instructions, for modules compiled from
 * then on.
 */
export function nodeEngineHost(options: { relaxed?: boolean; worker?: URL } = {}): EngineHost {
  if (options.relaxed) setFlagsFromString("--experimental-wasm-relaxed-simd");
  return {
    processors: availableParallelism(),
    now: () => performance.now() * 1e6,
    compileModule(bytes) {
      // Kernels run hot from the first call, and V8 does not replace code that is running: the quick compiler's would stay.
      setFlagsFromString("--no-liftoff");
      try {
        return new WebAssembly.Module(bytes);
      } finally {
        setFlagsFromString("--liftoff");
      }
    },
    startWorker(message) {
      const worker = new Worker(options.worker ?? workerProgram, { workerData: message });
      worker.unref();
      return { stop: () => void worker.terminate() };
    },
  };
}
