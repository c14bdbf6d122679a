// The seam between the kernel and whatever runs guest code: the x86 translator, the DEX virtual machine, later KVM.

import type { GuestMemory } from "../memory/guest.ts";
import type { Task } from "./task.ts";

/** A task's registers. They are in the address space's memory ("entered") while the task is the last that ran in it. */
export interface Context {
  enter(): void;
  leave(): void;
  /** A copy for another task, in the same or another memory. */
  clone(memory: GuestMemory): Context;
}

/** Runs the tasks of one address space. */
export interface Executor {
  /**
   * Runs the task's guest code until it needs the kernel or `fuel` (about one unit a loop iteration or block) is spent.
   * Returns the executor's exit kind, which its personality reads; 0 is always "fuel spent, run me again".
   */
  run(task: Task, fuel: number): number;
  /** The task will not run again: release what is kept for it. */
  release(task: Task): void;
  /** An executor for a copy of the address space (fork): may share what it has translated. */
  fork(memory: GuestMemory): Executor;
  /** The address space is gone. */
  dispose(): void;
}

/** Makes executors: one for each new address space (execve). `mode` is the personality's word, such as "x86_64". */
export interface ExecutorFactory {
  create(memory: GuestMemory, mode: string): Executor;
  /** Zeroed registers. */
  context(memory: GuestMemory): Context;
}
