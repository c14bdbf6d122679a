// The seam between the kernel and whatever runs guest code: the x86 translator, the DEX virtual machine, later KVM.

import type { Task } from "./task.ts";

/** Why an executor gave control back. `kind` and `detail` are the executor's own numbers; its personality reads them. */
export interface Executor {
  /**
   * Runs the task's guest code until it needs the kernel or `fuel` (about one unit a loop iteration or block) is spent.
   * Returns the executor's exit kind; 0 is always "fuel spent, run me again".
   */
  run(task: Task, fuel: number): number;
  /** The task will not run again: release what is kept for it. */
  release(task: Task): void;
}
