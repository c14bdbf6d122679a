// A task: one thread of a guest program, the unit that the scheduler runs.

import type { Context, Executor } from "./executor.ts";
import type { Process } from "./process.ts";
import { emptySet, type PendingSignals, type SignalSet, type SignalStack } from "./signal.ts";
import type { Wait } from "./wait.ts";

export type TaskState = "ready" | "running" | "waiting" | "stopped" | "dead";

/** A wait in progress. */
export interface Blocked {
  readonly wait: Wait<number>;
  readonly unsubscribe: (() => void)[];
  /** The deadline has passed. */
  expired: boolean;
}

export class Task {
  /** Thread id; the first task of a process has tid == pid. execve gives the surviving task the pid. */
  tid: number;
  process: Process;
  /** The executor's registers for this task (x86: a CpuView of cpu/view.ts, through linux/registers.ts). */
  context: Context;
  state: TaskState = "ready";
  /** What it waits for: set while it is waiting, and until the result is delivered. */
  blocked: Blocked | undefined;
  /** Blocked signals. Assign through kernel/signals.ts `setMask`. */
  signalMask: SignalSet = emptySet();
  /** Signals sent to this task alone. */
  pending: PendingSignals;
  /** Some pending signal is not blocked: looked at before guest code runs on. */
  signaled = false;
  signalStack: SignalStack = { base: 0, size: 0, flags: 2 };
  name: string;
  /** set_tid_address(2): written with 0 and futex-woken when the task ends. 0 = none. */
  clearChildTid = 0;
  /** set_robust_list(2). */
  robustList = 0;
  /** CPU time used, nanoseconds. */
  userTime = 0;
  systemTime = 0;
  /** -20 (first) to 19 (last): setpriority(2). */
  nice = 0;
  /** The scheduler's measure: time used, weighted by niceness. */
  virtualTime = 0;
  /** sched_setscheduler(2) as told; only niceness is heeded. */
  policy = { policy: 0, priority: 0 };
  voluntarySwitches = 0;
  involuntarySwitches = 0;
  /** Nanoseconds since boot. */
  startTime = 0;
  /** Data a personality keeps for the task. */
  personal: unknown;

  constructor(tid: number, process: Process, context: Context, pending: PendingSignals) {
    this.tid = tid;
    this.process = process;
    this.context = context;
    this.pending = pending;
    this.name = process.name;
  }

  /** What runs its code. */
  get executor(): Executor {
    return this.process.memory.executor!;
  }
}
