// The signal calls that i386 had before there were 64 signals: sets of one word (signal(2), sigaction(2)).

import { EINVAL } from "../../kernel/errno.ts";
import { endProcess } from "../../kernel/life.ts";
import { ActionFlag, emptySet, SIGKILL, signalCount, SIGSEGV, SIGSTOP } from "../../kernel/signal.ts";
import { discardIgnored } from "../../kernel/signals.ts";
import type { Task } from "../../kernel/task.ts";
import { PageFault } from "../../memory/guest.ts";
import { returnPlain32 } from "../frames.ts";
import { address, int, uint } from "../kinds.ts";
import { whileMasked } from "../mask.ts";
import { noResult, type Result, syscall } from "../table.ts";
import { combineMask, pause, pendingAndBlocked } from "./signals.ts";

function checkSettable(signo: number): void {
  if (signo < 1 || signo > signalCount || signo === SIGKILL || signo === SIGSTOP) throw EINVAL;
}

export const signal = syscall(
  { i386: 48 },
  [int, address],
  (task, signo, handler) => {
    checkSettable(signo);
    const { actions } = task.process;
    const old = actions.get(signo).handler;
    const flags = (ActionFlag.resetHandler | ActionFlag.noDefer) >>> 0;
    actions.set(signo, { handler, flags, restorer: 0, mask: emptySet() });
    discardIgnored(task.process, signo);
    return old;
  },
  "address",
);

/** struct old_sigaction: handler, mask, flags, restorer. */
export const sigaction = syscall({ i386: 67 }, [int, address, address], (task, signo, newAt, oldAt) => {
  const { guest } = task.process.memory;
  const { actions } = task.process;
  if (newAt !== 0) checkSettable(signo);
  else if (signo < 1 || signo > signalCount) throw EINVAL;
  const old = actions.get(signo);
  if (newAt !== 0) {
    const mask = Uint32Array.of(guest.readU32(newAt + 4), 0);
    const [handler, flags, restorer] = [guest.readU32(newAt), guest.readU32(newAt + 8), guest.readU32(newAt + 12)];
    actions.set(signo, { handler, flags, restorer, mask });
    discardIgnored(task.process, signo);
  }
  if (oldAt === 0) return;
  guest.writeU32(oldAt, old.handler);
  guest.writeU32(oldAt + 4, old.mask[0]!);
  guest.writeU32(oldAt + 8, old.flags);
  guest.writeU32(oldAt + 12, old.restorer);
});

export const sigprocmask = syscall({ i386: 126 }, [int, address, address], (task, how, newAt, oldAt) => {
  const { guest } = task.process.memory;
  const [old, high] = task.signalMask;
  if (newAt !== 0) combineMask(task, how, guest.readU32(newAt), how === 2 ? high! : 0);
  if (oldAt !== 0) guest.writeU32(oldAt, old!);
});

export const sigpending = syscall({ i386: 73 }, [address], (task, at) => {
  task.process.memory.guest.writeU32(at, pendingAndBlocked(task)[0]!);
});

/** sigsuspend(2): the mask is the third argument; the first two are history. */
export const sigsuspend = syscall({ i386: 72 }, [uint, uint, uint], (task: Task, _first, _second, mask): Result =>
  whileMasked(task, Uint32Array.of(mask, 0), () => pause.handler(task)),
);

export const sigreturn = syscall(
  { i386: 119 },
  [],
  (task) => {
    try {
      returnPlain32(task);
    } catch (error) {
      if (!(error instanceof PageFault)) throw error;
      endProcess(task.process, SIGSEGV);
    }
    return noResult;
  },
  "none",
);

export const sgetmask = syscall({ i386: 68 }, [], (task) => task.signalMask[0]! | 0);
export const ssetmask = syscall({ i386: 69 }, [uint], (task, mask) => {
  const old = task.signalMask[0]! | 0;
  combineMask(task, 2, mask, task.signalMask[1]!);
  return old;
});
