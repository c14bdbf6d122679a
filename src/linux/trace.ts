// System calls as text, from the same rows that dispatch them: the style of strace(1).

import { errnoFromNumber } from "../kernel/errno.ts";
import type { Task } from "../kernel/task.ts";
import type { Entry } from "./gate.ts";

/** 'openat(-100, "/etc/passwd", 0x0, 00)'. */
export function showCall(task: Task, entry: Entry, argument: (i: number) => [low: number, high: number]): string {
  const shown = entry.kinds.map((kind, i) => {
    const [low, high] = argument(i);
    return kind.show(task, low, high);
  });
  return `${entry.name}(${shown.join(", ")})`;
}

/** "3", "-1 ENOENT (No such file or directory)", "0x7f001000". */
export function showResult(result: number): string {
  if (result < 0 && result > -4096) {
    const errno = errnoFromNumber(-result);
    if (errno) return `-1 ${errno.name} (${errno.message})`;
  }
  return Math.abs(result) >= 0x10000 ? `0x${result.toString(16)}` : String(result);
}
