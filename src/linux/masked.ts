// Calls that wait with another signal mask: ppoll(2), pselect(2), epoll_pwait(2).

import { setMask } from "../kernel/signals.ts";
import type { Task } from "../kernel/task.ts";
import type { Wait } from "../kernel/wait.ts";
import { checkSetSize, readSet } from "./guest.ts";

/**
 * The wait with the mask at `at` in force until it ends; the old one is back before a handler runs, so that the handler's frame
 * has it. A null address changes nothing.
 */
export function masked(task: Task, at: number, size: number, wait: Wait<number>): Wait<number> {
  if (at === 0) return wait;
  checkSetSize(size);
  const set = readSet(task, at);
  const [low, high] = task.signalMask;
  setMask(task, set[0]!, set[1]!);
  return {
    ...wait,
    finished: () => {
      setMask(task, low!, high!);
      wait.finished?.();
    },
  };
}
