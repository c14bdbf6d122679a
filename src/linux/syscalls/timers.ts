// Timers that send signals: alarm(2), setitimer(2), timer_create(2).

import { EAGAIN, EINVAL } from "../../kernel/errno.ts";
import { Limit } from "../../kernel/kernel.ts";
import type { Process } from "../../kernel/process.ts";
import { Code, SIGALRM, SIGKILL, signalCount, SIGPROF, SIGVTALRM, SIGXCPU } from "../../kernel/signal.ts";
import { sendToProcess, sendToTask } from "../../kernel/signals.ts";
import type { Task } from "../../kernel/task.ts";
import { Clock, cpuTimeOf, deadlineOn, readClock } from "../clocks.ts";
import { widthOf } from "../guest.ts";
import { address, int, uint } from "../kinds.ts";
import { type IntervalTimer, linuxProcess, type PosixTimer } from "../state.ts";
import { syscall } from "../table.ts";
import { readTimespec, readTimeval, writeTimespec, writeTimeval } from "../timespec.ts";

const Which = { real: 0, virtual: 1, prof: 2 } as const;
const signals = [SIGALRM, SIGVTALRM, SIGPROF];

/** Arms ITIMER_REAL; a fired one is armed again by its interval. */
function armReal(process: Process, timer: IntervalTimer): void {
  const { kernel } = process;
  timer.cancel = kernel.timers.at(timer.expires, () => {
    if (process.exitStatus !== undefined) return;
    sendToProcess(process, { signo: SIGALRM, code: Code.kernel });
    if (timer.interval === 0) {
      linuxProcess(process).intervals[Which.real] = undefined;
      return;
    }
    timer.expires = Math.max(timer.expires + timer.interval, kernel.now());
    armReal(process, timer);
  });
}

/** Looks at what depends on processor time; set while there is any (Process.cpuTimeUsed). */
export function watchCpuTime(process: Process): void {
  process.cpuTimeUsed = () => {
    const state = linuxProcess(process);
    const used = cpuTimeOf(process);
    for (const which of [Which.virtual, Which.prof]) {
      const timer = state.intervals[which];
      if (!timer || used < timer.expires) continue;
      sendToProcess(process, { signo: signals[which]!, code: Code.kernel });
      if (timer.interval === 0) state.intervals[which] = undefined;
      else timer.expires = used + timer.interval;
    }
    for (const timer of state.timers.values())
      if (timer.clock === Clock.processCpu && timer.expires !== 0 && used >= timer.expires) fire(process, timer, used);
    const [soft, hard] = process.limits[Limit.cpu]!;
    if (used >= hard * 1e9) sendToProcess(process, { signo: SIGKILL, code: Code.kernel });
    else if (used >= Math.max(soft * 1e9, state.cpuWarning)) {
      state.cpuWarning = used + 1e9;
      sendToProcess(process, { signo: SIGXCPU, code: Code.kernel });
    }
  };
}

function nowOf(process: Process, which: number): number {
  return which === Which.real ? process.kernel.now() : cpuTimeOf(process);
}

/** What a timer shows: time left and interval, nanoseconds. */
function setting(process: Process, which: number): { value: number; interval: number } {
  const timer = linuxProcess(process).intervals[which];
  if (!timer) return { value: 0, interval: 0 };
  return { value: Math.max(1000, timer.expires - nowOf(process, which)), interval: timer.interval };
}

function setTimer(process: Process, which: number, value: number, interval: number): void {
  const state = linuxProcess(process);
  state.intervals[which]?.cancel?.();
  state.intervals[which] = undefined;
  if (value === 0) return;
  const timer: IntervalTimer = { expires: nowOf(process, which) + value, interval, cancel: undefined };
  state.intervals[which] = timer;
  if (which === Which.real) armReal(process, timer);
  else watchCpuTime(process);
}

export const getitimer = syscall({ x86_64: 36, i386: 105 }, [int, address], (task, which, at) => {
  if (which < 0 || which > 2) throw EINVAL;
  writeSetting(task, at, setting(task.process, which));
});

function writeSetting(task: Task, at: number, { value, interval }: { value: number; interval: number }): void {
  const width = widthOf(task);
  writeTimeval(task, at, interval, width);
  writeTimeval(task, at + width / 4, value, width);
}

export const setitimer = syscall({ x86_64: 38, i386: 104 }, [int, address, address], (task, which, at, oldAt) => {
  if (which < 0 || which > 2) throw EINVAL;
  const width = widthOf(task);
  const old = setting(task.process, which);
  let [interval, value] = [0, 0];
  if (at !== 0) {
    interval = readTimeval(task, at, width);
    value = readTimeval(task, at + width / 4, width);
  }
  setTimer(task.process, which, value, interval);
  if (oldAt !== 0) writeSetting(task, oldAt, old);
});

export const alarm = syscall({ x86_64: 37, i386: 27 }, [uint], (task, seconds) => {
  const { value } = setting(task.process, Which.real);
  setTimer(task.process, Which.real, seconds * 1e9, 0);
  // Rounded, but a timer that runs is never said to be off.
  return value === 0 ? 0 : Math.max(1, Math.round(value / 1e9));
});

const Notify = { signal: 0, none: 1, thread: 2, threadId: 4 } as const;
const mostTimers = 4096;

export const timer_create = syscall({ x86_64: 222, i386: 259 }, [int, address, address], (task, clock, at, idAt) => {
  const { process } = task;
  const { guest } = process.memory;
  readClock(task, clock);
  const state = linuxProcess(process);
  if (state.timers.size >= mostTimers) throw EAGAIN;
  const id = state.nextTimer++;
  let [signo, notify, thread]: [number, number, number] = [SIGALRM, Notify.signal, 0];
  let value = BigInt(id);
  if (at !== 0) {
    const wide = widthOf(task) === 64;
    value = wide ? guest.readBig64(at) : BigInt(guest.readU32(at));
    const rest = at + (wide ? 8 : 4);
    signo = guest.readI32(rest);
    notify = guest.readI32(rest + 4);
    if (notify === Notify.threadId) thread = guest.readI32(rest + 8);
    if (notify !== Notify.none && (signo < 1 || signo > signalCount)) throw EINVAL;
    if (notify === Notify.threadId && process.kernel.tasks.get(thread)?.process !== process) throw EINVAL;
    if (notify !== Notify.none && notify !== Notify.signal && notify !== Notify.threadId) throw EINVAL;
  }
  guest.writeU32(idAt, id);
  const base = { id, clock, notify, signo, value, thread };
  state.timers.set(id, { ...base, expires: 0, interval: 0, overrun: 0, cancel: undefined });
});

function timerOf(task: Task, id: number): PosixTimer {
  const timer = linuxProcess(task.process).timers.get(id);
  if (!timer) throw EINVAL;
  return timer;
}

/** Sends a timer's signal and arms it for the next time after `now`; what was missed counts as overrun. */
function fire(process: Process, timer: PosixTimer, now: number): void {
  let missed = 0;
  if (timer.interval > 0) {
    const periods = Math.floor((now - timer.expires) / timer.interval) + 1;
    missed = periods - 1;
    timer.expires += periods * timer.interval;
  } else timer.expires = 0;
  if (timer.notify === Notify.none) return;
  const target = timer.notify === Notify.threadId ? process.kernel.tasks.get(timer.thread) : undefined;
  const waiting = (target ? target.pending : process.pending).has(timer.signo);
  timer.overrun = waiting ? timer.overrun + missed + 1 : missed;
  const { signo, value, id, overrun } = timer;
  const info = { signo, code: Code.timer, value, timer: id, overrun };
  if (waiting) return;
  if (target) sendToTask(target, info);
  else if (timer.notify !== Notify.threadId) sendToProcess(process, info);
}

function armTimer(process: Process, timer: PosixTimer): void {
  timer.cancel = process.kernel.timers.at(timer.expires, () => {
    if (process.exitStatus !== undefined || timer.expires === 0) return;
    fire(process, timer, process.kernel.now());
    if (timer.expires !== 0) armTimer(process, timer);
  });
}

function onCpu(timer: PosixTimer): boolean {
  return timer.clock === Clock.processCpu || timer.clock === Clock.threadCpu || timer.clock < 0;
}

function settime(task: Task, id: number, flags: number, at: number, oldAt: number, width: 32 | 64): void {
  const timer = timerOf(task, id);
  const { process } = task;
  const interval = readTimespec(task, at, width);
  const value = readTimespec(task, at + width / 4, width);
  const old = timerSetting(task, timer);
  timer.cancel?.();
  timer.cancel = undefined;
  timer.interval = interval;
  timer.expires = 0;
  timer.overrun = 0;
  if (value !== 0) {
    const absolute = (flags & 1) !== 0;
    if (onCpu(timer)) {
      timer.expires = Math.max(1, absolute ? value : cpuTimeOf(process) + value);
      watchCpuTime(process);
    } else {
      timer.expires = Math.max(1, deadlineOn(task, timer.clock, value, absolute));
      armTimer(process, timer);
    }
  }
  if (oldAt !== 0) writeTimer(task, oldAt, old, width);
}

function timerSetting(task: Task, timer: PosixTimer): { value: number; interval: number } {
  if (timer.expires === 0) return { value: 0, interval: timer.interval };
  const now = onCpu(timer) ? cpuTimeOf(task.process) : task.process.kernel.now();
  return { value: Math.max(1, timer.expires - now), interval: timer.interval };
}

function writeTimer(task: Task, at: number, { value, interval }: { value: number; interval: number }, width: 32 | 64) {
  writeTimespec(task, at, interval, width);
  writeTimespec(task, at + width / 4, value, width);
}

export const timer_settime = syscall(
  { x86_64: 223, i386: 260 },
  [int, int, address, address],
  (task, id, flags, at, oldAt) => settime(task, id, flags, at, oldAt, widthOf(task)),
);
export const timer_settime64 = syscall({ i386: 409 }, [int, int, address, address], (task, id, flags, at, oldAt) =>
  settime(task, id, flags, at, oldAt, 64),
);
export const timer_gettime = syscall({ x86_64: 224, i386: 261 }, [int, address], (task, id, at) =>
  writeTimer(task, at, timerSetting(task, timerOf(task, id)), widthOf(task)),
);
export const timer_gettime64 = syscall({ i386: 408 }, [int, address], (task, id, at) =>
  writeTimer(task, at, timerSetting(task, timerOf(task, id)), 64),
);
export const timer_getoverrun = syscall({ x86_64: 225, i386: 262 }, [int], (task, id) => timerOf(task, id).overrun);
export const timer_delete = syscall({ x86_64: 226, i386: 263 }, [int], (task, id) => {
  timerOf(task, id).cancel?.();
  linuxProcess(task.process).timers.delete(id);
});
