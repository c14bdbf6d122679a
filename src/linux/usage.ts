// struct rusage (getrusage(2)).

import type { Process } from "../kernel/process.ts";
import type { Task } from "../kernel/task.ts";
import { widthOf, writeWord } from "./guest.ts";
import { writeTimeval } from "./timespec.ts";

/** What is counted: the process, one task, its reaped children, or process and children (wait4). */
export type Counted = "self" | "children" | "all" | { readonly task: Task };

const words = 14;

/** Writes the usage of a process. Times are nanoseconds, memory is in KiB. */
export function writeUsage(task: Task, at: number, process: Process, counted: Counted): void {
  const width = widthOf(task);
  const { usage } = process;
  const own = process.cpuTime();
  let [user, system, peak, voluntary, involuntary] = [0, 0, 0, 0, 0];
  if (typeof counted === "object") {
    user = counted.task.userTime;
    system = counted.task.systemTime;
    voluntary = counted.task.voluntarySwitches;
    involuntary = counted.task.involuntarySwitches;
    peak = process.memory.peak4k;
  }
  if (counted === "self" || counted === "all") {
    user += own.user;
    system += own.system;
    peak = Math.max(usage.peakMemory, process.memory.peak4k);
    voluntary = usage.voluntarySwitches;
    involuntary = usage.involuntarySwitches;
    for (const each of process.tasks) {
      voluntary += each.voluntarySwitches;
      involuntary += each.involuntarySwitches;
    }
  }
  if (counted === "children" || counted === "all") {
    user += usage.childUserTime;
    system += usage.childSystemTime;
    peak = Math.max(peak, usage.childPeakMemory);
  }
  const size = width / 8;
  writeTimeval(task, at, user, width);
  writeTimeval(task, at + 2 * size, system, width);
  for (let i = 0; i < words; i++) writeWord(task, at + (4 + i) * size, 0);
  writeWord(task, at + 4 * size, peak * 4);
  writeWord(task, at + 16 * size, voluntary);
  writeWord(task, at + 17 * size, involuntary);
}
