// What the kernel asks of a personality (linux, win32, android): it interprets exits and starts programs.

import type { Process } from "./process.ts";
import type { Path } from "./vfs/vnode.ts";
import type { Task } from "./task.ts";

export interface Personality {
  readonly name: string;
  /** The executor stopped with this exit kind (not 0): a system call, a fault. Delivers results, or blocks the task. */
  exit(task: Task, kind: number): void;
  /** The wait that a system call blocked in has this result. */
  resume(task: Task, result: number): void;
  /** The wait that a system call blocked in has thrown. */
  fail(task: Task, error: unknown): void;
  /**
   * About to return to guest code, or woken from a wait, with deliverable signals pending: sets up a handler frame (ending
   * the wait by `kernel.scheduler.unblock`) or takes the default action. A wait without a handler to call goes on.
   */
  deliverSignals(task: Task): void;
  /** The task will not run again: gives up what the guest's own memory says it holds. */
  taskEnded(task: Task): void;
  /** Registers and data of a new task made by fork or clone. */
  cloneTask(parent: Task, child: Task): void;
}

/** Recognises a file type and turns it into a running image: ELF, script, later PE and DEX. Looked up by execve. */
export interface ProgramHandler {
  readonly name: string;
  /** True if the first bytes (up to 256) are of this type. */
  matches(head: Uint8Array): boolean;
  /**
   * Replaces the image of the task's process. Throws an Errno before the point of no return, kills the process after.
   */
  execute(task: Task, program: Program): void;
}

/** What is to be executed. */
export interface Program {
  readonly path: Path;
  /** Path as text, for argv of scripts and AT_EXECFN. */
  readonly name: string;
  readonly arguments: Uint8Array[];
  readonly environment: Uint8Array[];
  /** How many scripts led here (ELOOP beyond 4). */
  readonly depth: number;
}

/** The program handlers, in order of asking. */
export type Handlers = readonly ProgramHandler[];

/** Told that a process ended, for personalities that keep data of it. */
export type ProcessObserver = (process: Process) => void;
