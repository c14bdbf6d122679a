// npm run fuzz -- [--count N] [--seed N] [FORMAT…]: fuzzes formats in workers that are watched for hangs and memory.

import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { fuzzCase, hangLimit, targets } from "./formats.ts";

interface Task {
  name: string;
  first: number;
  count: number;
  /** The seed being run, for the watcher. */
  current: Int32Array<SharedArrayBuffer>;
}

function work({ name, first, count, current }: Task): void {
  const seeds = targets[name]!.seeds();
  let longest = 0;
  for (let seed = first; seed < first + count; seed++) {
    Atomics.store(current, 0, seed);
    const start = performance.now();
    fuzzCase(name, seeds, seed);
    longest = Math.max(longest, performance.now() - start);
  }
  parentPort!.postMessage(longest);
}

/** Fuzzes one format in a worker; gives the longest case in milliseconds. */
function watched(name: string, first: number, count: number): Promise<number> {
  const current = new Int32Array(new SharedArrayBuffer(4));
  return new Promise((resolve, reject) => {
    const workerData: Task = { name, first, count, current };
    const worker = new Worker(new URL(import.meta.url), {
      workerData,
      resourceLimits: { maxOldGenerationSizeMb: 512 },
    });
    let seen = -1;
    const timer = setInterval(() => {
      const seed = Atomics.load(current, 0);
      if (seed === seen && seed !== 0) {
        void worker.terminate();
        reject(new Error(`${name} seed ${seed}: no end after ${hangLimit} ms`));
      }
      seen = seed;
    }, hangLimit);
    worker.on("message", resolve);
    worker.on("error", reject);
    worker.on("exit", () => clearInterval(timer));
  });
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { count: { type: "string", default: "20000" }, seed: { type: "string", default: "1" } },
    allowPositionals: true,
  });
  const names = positionals.length > 0 ? positionals : Object.keys(targets);
  let failed = 0;
  for (const name of names) {
    try {
      const start = performance.now();
      const longest = await watched(name, Number(values.seed), Number(values.count));
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      console.log(`${name}: ${values.count} mutations in ${seconds} s, longest ${longest.toFixed(1)} ms`);
    } catch (error) {
      failed++;
      console.log(`${name}: FAILED: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  console.log(`${names.length - failed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

if (isMainThread) await main();
else work(workerData as Task);
