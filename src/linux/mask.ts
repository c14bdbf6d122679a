// A signal mask for the time of one call: sigsuspend, ppoll, pselect, epoll_pwait.

import { setMask } from "../kernel/signals.ts";
import type { SignalSet } from "../kernel/signal.ts";
import type { Task } from "../kernel/task.ts";
import { isWait } from "../kernel/wait.ts";
import { checkSetSize, readSet } from "./guest.ts";
import type { Result } from "./table.ts";

/** Makes a call with other signals blocked. The old mask is back before a handler's frame is made or the result is given. */
export function whileMasked(task: Task, mask: SignalSet, call: () => Result): Result {
  const [low, high] = task.signalMask;
  const restore = () => setMask(task, low!, high!);
  setMask(task, mask[0]!, mask[1]!);
  let result: Result;
  try {
    result = call();
  } catch (error) {
    restore();
    throw error;
  }
  if (typeof result !== "object" || !isWait(result)) {
    restore();
    return result;
  }
  const wait = result;
  return {
    ...wait,
    attempt: () => wait.attempt(),
    ...(wait.expired ? { expired: () => wait.expired!() } : {}),
    ...(wait.interrupted ? { interrupted: () => wait.interrupted!() } : {}),
    finished: () => {
      wait.finished?.();
      restore();
    },
  };
}

/** The same with a mask in guest memory; none when the address is 0 (ppoll(2)). */
export function whileMaskedAt(task: Task, at: number, size: number, call: () => Result): Result {
  if (at === 0) return call();
  checkSetSize(size);
  return whileMasked(task, readSet(task, at), call);
}
