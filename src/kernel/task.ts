// A task: one thread of a guest program, the unit that the scheduler runs.

import type { Executor } from "./executor.ts";
import type { Process } from "./process.ts";
import type { PendingSignals, SignalStack } from "./signal.ts";
import type { Wait } from "./wait.ts";

export type TaskState = "ready" | "running" | "waiting" | "stopped" | "dead";

export class Task {
  /** Thread id; the first task of a process has tid == pid. */
  readonly tid: number;
  process: Process;
  executor: Executor;
  /** The executor's registers for this task (x86: a CpuView of cpu/view.ts, through linux/registers.ts). */
  context: unknown;
  state: TaskState = "ready";
  /** What a waiting task waits for, and what to do with the result. */
  wait: { wait: Wait<number>; deliver: (result: number) => void; unsubscribe: (() => void)[] } | undefined;
  /** Blocked signals: bit n-1 is signal n, two 32-bit halves. */
  signalMask: Uint32Array = new Uint32Array(2);
  /** Signals sent to this task alone. */
  pending: PendingSignals;
  signalStack: SignalStack;
  name: string;
  /** set_tid_address(2): written with 0 and futex-woken when the task ends. 0 = none. */
  clearChildTid = 0;
  /** set_robust_list(2). */
  robustList = 0;
  /** CPU time used, nanoseconds. */
  userTime = 0;
  systemTime = 0;
  /** Data a personality keeps for the task (restart blocks, x86 TLS descriptors and the like). */
  personal: unknown;

  constructor(tid: number, process: Process, executor: Executor, context: unknown, pending: PendingSignals) {
    this.tid = tid;
    this.process = process;
    this.executor = executor;
    this.context = context;
    this.pending = pending;
    this.signalStack = { base: 0, size: 0, flags: 2 };
    this.name = process.name;
  }
}
