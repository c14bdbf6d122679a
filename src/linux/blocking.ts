// From operations that never block to system calls that do: EAGAIN becomes a wait unless the file is O_NONBLOCK.

import { EAGAIN, EPIPE } from "../kernel/errno.ts";
import { Open, type OpenFile } from "../kernel/file.ts";
import { Code, SIGPIPE } from "../kernel/signal.ts";
import { sendToTask } from "../kernel/signals.ts";
import type { Task } from "../kernel/task.ts";
import type { Wait, WaitQueue } from "../kernel/wait.ts";
import type { Result } from "./table.ts";

/** Options of a blocking call. */
export interface Blocking {
  /** Fails with EAGAIN instead of waiting, whatever the file's flags say (MSG_DONTWAIT). */
  readonly nonBlock?: boolean;
  /** Nanoseconds since boot after which EAGAIN is the result (SO_RCVTIMEO). */
  readonly deadline?: number | undefined;
  /** Further queues to listen to. */
  readonly queues?: readonly WaitQueue[];
}

/** Tries `attempt` now and, while it throws EAGAIN, whenever the file tells of a change. */
export function blocking(file: OpenFile, attempt: () => number, options: Blocking = {}): Result {
  try {
    return attempt();
  } catch (error) {
    if (error !== EAGAIN || options.nonBlock === true || (file.flags & Open.nonBlock) !== 0) throw error;
  }
  const wait: Wait<number> = {
    attempt() {
      try {
        return attempt();
      } catch (error) {
        if (error === EAGAIN) return undefined;
        throw error;
      }
    },
    queues: options.queues ? [file.changed, ...options.queues] : [file.changed],
    onSignal: options.deadline === undefined ? "restart" : "interrupt",
    ...(options.deadline === undefined
      ? {}
      : {
          deadline: options.deadline,
          expired() {
            throw EAGAIN;
          },
        }),
  };
  return wait;
}

/** Sends SIGPIPE for a write that nobody will read, and gives the error back. */
export function brokenPipe(task: Task, error: unknown): unknown {
  if (error === EPIPE) {
    const { process } = task;
    sendToTask(task, { signo: SIGPIPE, code: Code.user, pid: process.pid, uid: process.credentials.uid });
  }
  return error;
}

/**
 * Writes all of `length` bytes: `write` takes an offset and writes from there on. A stream waits for room again and again;
 * whatever stops it after the first bytes makes a short count (write(2)).
 */
export function blockingWrite(
  task: Task,
  file: OpenFile,
  length: number,
  write: (offset: number) => number,
  options: Blocking & { readonly noSignal?: boolean } = {},
): Result {
  let done = 0;
  const nonBlock = options.nonBlock === true || (file.flags & Open.nonBlock) !== 0;
  const attempt = (): number | undefined => {
    try {
      do done += write(done);
      while (done < length && file.stream);
      return done;
    } catch (error) {
      if (error === EAGAIN) {
        if (done > 0 && nonBlock) return done;
        if (!nonBlock) return undefined;
      }
      if (options.noSignal !== true) brokenPipe(task, error);
      if (done > 0) return done;
      throw error;
    }
  };
  const first = attempt();
  if (first !== undefined) return first;
  return {
    attempt,
    queues: [file.changed],
    onSignal: options.deadline === undefined ? "restart" : "interrupt",
    interrupted: () => (done > 0 ? done : undefined),
    ...(options.deadline === undefined
      ? {}
      : {
          deadline: options.deadline,
          expired() {
            if (done > 0) return done;
            throw EAGAIN;
          },
        }),
  };
}
