// Threads that share a program's memory: steps are cut into chunks that whoever is free claims. The division changes from
// run to run, the results do not.

import type { EngineHost } from "../../host/engine.ts";

/** A kernel step as every thread needs it. */
export interface TeamStep {
  /** Export of the module. */
  readonly name: string;
  readonly addresses: readonly number[];
  /** Whether the address of the thread's own memory comes last. */
  readonly scratch: boolean;
  readonly units: number;
  /** Units of a chunk, and chunks. */
  readonly chunk: number;
  readonly chunks: number;
}

/** What a worker starts with. */
export interface TeamMessage {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly control: SharedArrayBuffer;
  readonly steps: readonly TeamStep[];
  /** Address of this thread's own memory. */
  readonly scratch: number;
}

/** Words of the control block. */
export const word = {
  /** The number of the parallel step (upper half) and its next chunk (lower half; all ones: closed). */
  claim: 0,
  /** Which step it is. */
  step: 1,
  /** Chunks that are done. */
  done: 2,
  /** Changes when there is work; what sleeping workers wait for. */
  epoch: 3,
  sleepers: 4,
  stop: 5,
} as const;
const words = 16;
const closed = 0xffff;
/** Most chunks of a step. */
const mostChunks = closed - 1;

/** Nanoseconds of work that are worth a chunk, and a parallel step at all. */
const worth = { chunk: 25_000, step: 40_000 };
/** How often a thread looks for work before it sleeps: some tens of microseconds. */
const spins = 4000;

/** How a step is cut; one chunk when it is too small to share. */
export function chunksOf(units: number, unitCost: number, threads: number): { chunk: number; chunks: number } {
  const total = units * unitCost;
  if (threads < 2 || total < worth.step || units < 2) return { chunk: units, chunks: 1 };
  const wanted = Math.min(units, mostChunks, Math.max(threads * 2, Math.ceil(total / worth.chunk)), threads * 16);
  const chunk = Math.ceil(units / wanted);
  return { chunk, chunks: Math.ceil(units / chunk) };
}

type RunChunk = (step: number, begin: number, end: number) => void;

/** Claims and does chunks of the open step until there are none. */
export function work(control: Int32Array, steps: readonly TeamStep[], run: RunChunk): void {
  for (;;) {
    const claim = Atomics.load(control, word.claim);
    const next = claim & 0xffff;
    if (next === closed) return;
    const index = Atomics.load(control, word.step);
    const step = steps[index];
    if (!step || next >= step.chunks) return;
    // The claim fails when anybody else was faster, or when the step is another one by now.
    if (Atomics.compareExchange(control, word.claim, claim, (claim + 1) | 0) !== claim) continue;
    const begin = next * step.chunk;
    run(index, begin, Math.min(step.units, begin + step.chunk));
    Atomics.add(control, word.done, 1);
  }
}

/** Looks for work until told to stop: the life of a worker. */
export function serve(control: Int32Array, steps: readonly TeamStep[], run: RunChunk): void {
  while (Atomics.load(control, word.stop) === 0) {
    const epoch = Atomics.load(control, word.epoch);
    work(control, steps, run);
    let looked = 0;
    while (Atomics.load(control, word.epoch) === epoch && looked < spins) looked++;
    if (looked < spins) continue;
    Atomics.add(control, word.sleepers, 1);
    Atomics.wait(control, word.epoch, epoch);
    Atomics.sub(control, word.sleepers, 1);
  }
}

/** The main thread's side. */
export class Team {
  private readonly control: Int32Array;
  private readonly steps: readonly TeamStep[];
  private readonly run: RunChunk;
  private readonly workers: { stop(): void }[] = [];
  private number = 0;

  constructor(steps: readonly TeamStep[], run: RunChunk) {
    this.control = new Int32Array(new SharedArrayBuffer(words * 4));
    Atomics.store(this.control, word.claim, closed);
    this.steps = steps;
    this.run = run;
  }

  /** Starts workers; those that the host cannot start are done without. */
  start(
    host: EngineHost,
    count: number,
    message: Pick<TeamMessage, "module" | "memory">,
    scratchOf: (thread: number) => number,
  ): void {
    for (let thread = 1; thread <= count; thread++) {
      const full: TeamMessage = {
        ...message,
        control: this.control.buffer as SharedArrayBuffer,
        steps: this.steps,
        scratch: scratchOf(thread),
      };
      const worker = host.startWorker?.(full);
      if (worker) this.workers.push(worker);
    }
  }

  /** Does a step with everybody who is free. */
  share(index: number): void {
    const { control } = this;
    const step = this.steps[index]!;
    Atomics.store(control, word.done, 0);
    Atomics.store(control, word.step, index);
    this.number = (this.number + 1) & 0x7fff;
    Atomics.store(control, word.claim, this.number << 16);
    Atomics.add(control, word.epoch, 1);
    if (Atomics.load(control, word.sleepers) > 0) Atomics.notify(control, word.epoch);
    work(control, this.steps, this.run);
    while (Atomics.load(control, word.done) < step.chunks);
    Atomics.store(control, word.claim, (this.number << 16) | closed);
  }

  /** Ends the workers. */
  stop(): void {
    Atomics.store(this.control, word.stop, 1);
    Atomics.add(this.control, word.epoch, 1);
    Atomics.notify(this.control, word.epoch);
    for (const worker of this.workers) worker.stop();
    this.workers.length = 0;
  }
}
