// Signals: sigaction(2), sigprocmask(2), kill(2), sigaltstack(2), sigtimedwait(2) and their kin.

import { EAGAIN, EBADF, EINVAL, ENOMEM, EPERM, ESRCH } from "../../kernel/errno.ts";
import { endProcess } from "../../kernel/life.ts";
import { PidFile } from "../../kernel/pidfile.ts";
import type { Process } from "../../kernel/process.ts";
import {
  Code,
  removeSignal,
  SIGCONT,
  SIGKILL,
  signalCount,
  type SignalInfo,
  type SignalSet,
  SIGSEGV,
  SIGSTOP,
} from "../../kernel/signal.ts";
import { discardIgnored, refreshSignaled, sendToProcess, sendToTask, setMask } from "../../kernel/signals.ts";
import type { Task } from "../../kernel/task.ts";
import { PageFault } from "../../memory/guest.ts";
import { isOnStack, return64, returnRealtime32, StackFlag, stackFlags } from "../frames.ts";
import { checkSetSize, readSet, readWord, widthOf, writeSet, writeWord } from "../guest.ts";
import { address, int, size, uint } from "../kinds.ts";
import { cpu, Register } from "../registers.ts";
import { decodeSiginfo, encodeSiginfo, siginfoSize } from "../siginfo.ts";
import { noResult, type Result, syscall } from "../table.ts";
import { readTimespec } from "../timespec.ts";
import { whileMasked } from "../mask.ts";

/** sa_flags that mean something on x86; others read back as zero. */
const knownActionFlags = 0xfc00_0007 | 0x0c00_0000;

function checkSignal(signo: number): void {
  if (signo < 1 || signo > signalCount) throw EINVAL;
}

export const rt_sigaction = syscall(
  { x86_64: 13, i386: 174 },
  [int, address, address, size],
  (task, signo, newAt, oldAt, setSize) => {
    checkSetSize(setSize);
    checkSignal(signo);
    if (newAt !== 0 && (signo === SIGKILL || signo === SIGSTOP)) throw EINVAL;
    const { actions } = task.process;
    const word = widthOf(task) / 8;
    const old = actions.get(signo);
    if (newAt !== 0) {
      const mask = readSet(task, newAt + 3 * word);
      removeSignal(mask, SIGKILL);
      removeSignal(mask, SIGSTOP);
      actions.set(signo, {
        handler: readWord(task, newAt),
        flags: (readWord(task, newAt + word) & knownActionFlags) >>> 0,
        restorer: readWord(task, newAt + 2 * word),
        mask,
      });
      discardIgnored(task.process, signo);
    }
    if (oldAt === 0) return;
    writeWord(task, oldAt, old.handler);
    writeWord(task, oldAt + word, old.flags);
    writeWord(task, oldAt + 2 * word, old.restorer);
    writeSet(task, oldAt + 3 * word, old.mask);
  },
);

/** How sigprocmask(2) combines. */
export const How = { block: 0, unblock: 1, set: 2 } as const;

export function combineMask(task: Task, how: number, low: number, high: number): void {
  const [oldLow, oldHigh] = [task.signalMask[0]!, task.signalMask[1]!];
  if (how === How.block) setMask(task, oldLow | low, oldHigh | high);
  else if (how === How.unblock) setMask(task, oldLow & ~low, oldHigh & ~high);
  else if (how === How.set) setMask(task, low, high);
  else throw EINVAL;
}

export const rt_sigprocmask = syscall(
  { x86_64: 14, i386: 175 },
  [int, address, address, size],
  (task, how, newAt, oldAt, setSize) => {
    checkSetSize(setSize);
    const old = task.signalMask.slice();
    if (newAt !== 0) {
      const [low, high] = readSet(task, newAt);
      combineMask(task, how, low!, high!);
    }
    if (oldAt !== 0) writeSet(task, oldAt, old);
  },
);

export const rt_sigpending = syscall({ x86_64: 127, i386: 176 }, [address, size], (task, at, setSize) => {
  if (setSize > 8) throw EINVAL;
  const pending = pendingAndBlocked(task);
  task.process.memory.guest.write(at, new Uint8Array(pending.buffer, 0, setSize));
});

export function pendingAndBlocked(task: Task): Uint32Array<ArrayBuffer> {
  const both = (i: number) => (task.pending.set[i]! | task.process.pending.set[i]!) & task.signalMask[i]!;
  return Uint32Array.of(both(0), both(1));
}

/** Waits for a handler to run. */
const forHandler = { attempt: () => undefined, queues: [], onSignal: "interrupt" } as const;

export const pause = syscall({ x86_64: 34, i386: 29 }, [], (): Result => forHandler);

export const rt_sigsuspend = syscall({ x86_64: 130, i386: 179 }, [address, size], (task, at, setSize) => {
  checkSetSize(setSize);
  return whileMasked(task, readSet(task, at), () => forHandler);
});

/** What a frame that cannot be read leads to. */
function badFrame(task: Task, error: unknown): number {
  if (!(error instanceof PageFault)) throw error;
  endProcess(task.process, SIGSEGV);
  return noResult;
}

export const rt_sigreturn = syscall(
  { x86_64: 15, i386: 173 },
  [],
  (task) => {
    try {
      if (widthOf(task) === 64) return64(task);
      else returnRealtime32(task);
    } catch (error) {
      return badFrame(task, error);
    }
    return noResult;
  },
  "none",
);

/** MINSIGSTKSZ. */
const leastStack = 2048;

export const sigaltstack = syscall({ x86_64: 131, i386: 186 }, [address, address], (task, newAt, oldAt) => {
  const { guest } = task.process.memory;
  const word = widthOf(task) / 8;
  const old = { ...task.signalStack, flags: stackFlags(task) };
  if (newAt !== 0) {
    const base = readWord(task, newAt);
    const flags = guest.readU32(newAt + word);
    const length = readWord(task, newAt + 2 * word);
    if (isOnStack(task, cpu(task).get(Register.rsp))) throw EPERM;
    const kind = (flags & ~StackFlag.autoDisarm) >>> 0;
    if (kind !== 0 && kind !== StackFlag.onStack && kind !== StackFlag.disable) throw EINVAL;
    if (kind === StackFlag.disable) task.signalStack = { base: 0, size: 0, flags };
    else if (length < leastStack) throw ENOMEM;
    else task.signalStack = { base, size: length, flags: (flags & StackFlag.autoDisarm) >>> 0 };
  }
  if (oldAt === 0) return;
  writeWord(task, oldAt, old.base);
  guest.writeU32(oldAt + word, old.flags);
  writeWord(task, oldAt + 2 * word, old.size);
});

/** Whether `task` may signal `target` (kill(2)). */
export function maySignal(task: Task, target: Process, signo: number): boolean {
  const { credentials, session } = task.process;
  if (credentials.euid === 0 || target === task.process) return true;
  if (signo === SIGCONT && target.session === session) return true;
  const { uid, suid } = target.credentials;
  return credentials.euid === uid || credentials.euid === suid || credentials.uid === uid || credentials.uid === suid;
}

/** Sender's identity for a siginfo. */
function sentBy(task: Task, signo: number, code: number): SignalInfo {
  return { signo, code, pid: task.process.pid, uid: task.process.credentials.uid };
}

function checkNumber(signo: number): void {
  if (signo < 0 || signo > signalCount) throw EINVAL;
}

export const kill = syscall({ x86_64: 62, i386: 37 }, [int, int], (task, pid, signo) => {
  checkNumber(signo);
  const { process } = task;
  const { kernel } = process;
  const info = sentBy(task, signo, Code.user);
  if (pid > 0) {
    const target = kernel.processes.get(pid) ?? kernel.tasks.get(pid)?.process;
    if (!target) throw ESRCH;
    if (!maySignal(task, target, signo)) throw EPERM;
    if (signo !== 0) sendToProcess(target, info);
    return;
  }
  const group = pid === 0 ? process.group : -pid;
  const chosen = [...kernel.processes.values()].filter((target) =>
    pid === -1 ? target !== process && target !== process.root : target.group === group,
  );
  if (chosen.length === 0) throw ESRCH;
  const allowed = chosen.filter((target) => maySignal(task, target, signo));
  if (allowed.length === 0) throw EPERM;
  if (signo !== 0) for (const target of allowed) sendToProcess(target, info);
});

function killTask(task: Task, tid: number, signo: number, pid?: number): void {
  checkNumber(signo);
  if (tid <= 0) throw EINVAL;
  const target = task.process.kernel.tasks.get(tid);
  if (!target || (pid !== undefined && target.process.pid !== pid)) throw ESRCH;
  if (!maySignal(task, target.process, signo)) throw EPERM;
  if (signo !== 0) sendToTask(target, sentBy(task, signo, Code.tkill));
}

export const tkill = syscall({ x86_64: 200, i386: 238 }, [int, int], (task, tid, signo) => killTask(task, tid, signo));
export const tgkill = syscall({ x86_64: 234, i386: 270 }, [int, int, int], (task, pid, tid, signo) => {
  if (pid <= 0) throw EINVAL;
  killTask(task, tid, signo, pid);
});

function queuedInfo(task: Task, at: number, signo: number, pid: number): SignalInfo {
  const bytes = task.process.memory.guest.bytes(at, siginfoSize, 1).slice();
  const info = decodeSiginfo(bytes, signo, widthOf(task));
  // Only to oneself may one pretend to be the kernel or kill(2).
  if ((info.code >= 0 || info.code === Code.tkill) && pid !== task.process.pid) throw EPERM;
  return info;
}

export const rt_sigqueueinfo = syscall({ x86_64: 129, i386: 178 }, [int, int, address], (task, pid, signo, at) => {
  const info = queuedInfo(task, at, signo, pid);
  checkNumber(signo);
  const target = task.process.kernel.processes.get(pid);
  if (!target) throw ESRCH;
  if (!maySignal(task, target, signo)) throw EPERM;
  if (signo !== 0) sendToProcess(target, info);
});

export const rt_tgsigqueueinfo = syscall(
  { x86_64: 297, i386: 335 },
  [int, int, int, address],
  (task, pid, tid, signo, at) => {
    if (pid <= 0 || tid <= 0) throw EINVAL;
    const info = queuedInfo(task, at, signo, pid);
    checkNumber(signo);
    const target = task.process.kernel.tasks.get(tid);
    if (!target || target.process.pid !== pid) throw ESRCH;
    if (!maySignal(task, target.process, signo)) throw EPERM;
    if (signo !== 0) sendToTask(target, info);
  },
);

export const pidfd_send_signal = syscall(
  { x86_64: 424, i386: 424 },
  [int, int, address, uint],
  (task, fd, signo, at, flags) => {
    if (flags !== 0) throw EINVAL;
    const file = task.process.files.get(fd);
    if (!(file instanceof PidFile)) throw EBADF;
    checkNumber(signo);
    const target = file.process;
    const info = at === 0 ? sentBy(task, signo, Code.user) : queuedInfo(task, at, signo, target.pid);
    if (target.exitStatus !== undefined && !task.process.kernel.processes.has(target.pid)) throw ESRCH;
    if (!maySignal(task, target, signo)) throw EPERM;
    if (signo !== 0) sendToProcess(target, info);
  },
);

/** Takes a pending signal of the set, the task's own first. */
export function takeOf(task: Task, wanted: SignalSet): SignalInfo | undefined {
  const others = Uint32Array.of(~wanted[0]!, ~wanted[1]!);
  const { pending, process } = task;
  const own = pending.next(others);
  const common = process.pending.next(others);
  const info = own !== 0 ? pending.take(own) : common !== 0 ? process.pending.take(common) : undefined;
  refreshSignaled(task);
  return info;
}

function timedWait(task: Task, setAt: number, infoAt: number, timeAt: number, setSize: number, width: 32 | 64): Result {
  checkSetSize(setSize);
  const wanted = readSet(task, setAt);
  removeSignal(wanted, SIGKILL);
  removeSignal(wanted, SIGSTOP);
  const { process } = task;
  const timeout = timeAt === 0 ? undefined : readTimespec(task, timeAt, width);
  const attempt = () => {
    const info = takeOf(task, wanted);
    if (!info) return undefined;
    if (infoAt !== 0) process.memory.guest.write(infoAt, encodeSiginfo(info, widthOf(task)));
    return info.signo;
  };
  const first = attempt();
  if (first !== undefined) return first;
  if (timeout === 0) throw EAGAIN;
  // While it waits, the signals count as unblocked for whoever sends them, but no handler takes them.
  return {
    attempt,
    queues: [process.signalArrived],
    ...(timeout === undefined ? {} : { deadline: process.kernel.now() + timeout }),
    expired: () => {
      throw EAGAIN;
    },
    onSignal: "interrupt",
  };
}

export const rt_sigtimedwait = syscall(
  { x86_64: 128, i386: 177 },
  [address, address, address, size],
  (task, set, info, time, length) => timedWait(task, set, info, time, length, widthOf(task)),
);
export const rt_sigtimedwait_time64 = syscall(
  { i386: 421 },
  [address, address, address, size],
  (task, set, info, time, length) => timedWait(task, set, info, time, length, 64),
);
