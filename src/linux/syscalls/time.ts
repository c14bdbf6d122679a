// Clocks and sleeping: clock_gettime(2), nanosleep(2), gettimeofday(2), times(2).

import { EINVAL, EOPNOTSUPP, EPERM } from "../../kernel/errno.ts";
import type { Task } from "../../kernel/task.ts";
import { Clock, cpuTimeOf, deadlineOn, type Moment, readClock } from "../clocks.ts";
import { widthOf, writeWord } from "../guest.ts";
import { address, int } from "../kinds.ts";
import { type Result, syscall, unsupported } from "../table.ts";
import { readTimespec, writeTimespec } from "../timespec.ts";

function writeMoment(task: Task, at: number, { seconds, nanoseconds }: Moment, width: 32 | 64): void {
  const { guest } = task.process.memory;
  if (width === 64) {
    guest.check(at, 16, 2);
    guest.writeU64(at, seconds);
    guest.writeU64(at + 8, nanoseconds);
  } else {
    guest.check(at, 8, 2);
    guest.writeU32(at, seconds);
    guest.writeU32(at + 4, nanoseconds);
  }
}

export const clock_gettime = syscall({ x86_64: 228, i386: 265 }, [int, address], (task, clock, at) =>
  writeMoment(task, at, readClock(task, clock), widthOf(task)),
);
export const clock_gettime64 = syscall({ i386: 403 }, [int, address], (task, clock, at) =>
  writeMoment(task, at, readClock(task, clock), 64),
);

function resolution(task: Task, clock: number, at: number, width: 32 | 64): void {
  readClock(task, clock);
  const coarse = clock === Clock.realtimeCoarse || clock === Clock.monotonicCoarse;
  if (at !== 0) writeMoment(task, at, { seconds: 0, nanoseconds: coarse ? 4_000_000 : 1 }, width);
}

export const clock_getres = syscall({ x86_64: 229, i386: 266 }, [int, address], (task, clock, at) =>
  resolution(task, clock, at, widthOf(task)),
);
export const clock_getres_time64 = syscall({ i386: 406 }, [int, address], (task, clock, at) =>
  resolution(task, clock, at, 64),
);

/** Time is the host's: no program may set it, whatever its user. */
function refuse(): never {
  throw EPERM;
}
export const clock_settime = syscall({ x86_64: 227, i386: 264 }, [int, address], refuse);
export const clock_settime64 = syscall({ i386: 404 }, [int, address], refuse);
export const settimeofday = syscall({ x86_64: 164, i386: 79 }, [address, address], refuse);
export const stime = syscall({ i386: 25 }, [address], refuse);
export const adjtimex = unsupported({ x86_64: 159, i386: 124 }, "the clock is the host's");
export const clock_adjtime = unsupported({ x86_64: 305, i386: 343 }, "the clock is the host's");
export const clock_adjtime64 = unsupported({ i386: 405 }, "the clock is the host's");

const timerAbsolute = 1;

/** Sleeps until a deadline; a handler that interrupts a relative sleep is told what remains. */
function sleep(task: Task, deadline: number, remainAt: number, width: 32 | 64): Result {
  const { kernel } = task.process;
  const remaining = () => {
    if (remainAt !== 0) writeTimespec(task, remainAt, Math.max(0, deadline - kernel.now()), width);
    return undefined;
  };
  return {
    attempt: () => (kernel.now() >= deadline ? 0 : undefined),
    queues: [],
    deadline,
    expired: () => 0,
    onSignal: "interrupt",
    interrupted: remaining,
  };
}

export const nanosleep = syscall({ x86_64: 35, i386: 162 }, [address, address], (task, at, remainAt) => {
  const width = widthOf(task);
  return sleep(task, task.process.kernel.now() + readTimespec(task, at, width), remainAt, width);
});

function clockSleep(task: Task, clock: number, flags: number, at: number, remainAt: number, width: 32 | 64): Result {
  readClock(task, clock);
  if (clock === Clock.threadCpu) throw EINVAL;
  const time = readTimespec(task, at, width);
  const absolute = (flags & timerAbsolute) !== 0;
  if (clock === Clock.processCpu || clock < 0) throw EOPNOTSUPP;
  return sleep(task, deadlineOn(task, clock, time, absolute), absolute ? 0 : remainAt, width);
}

export const clock_nanosleep = syscall(
  { x86_64: 230, i386: 267 },
  [int, int, address, address],
  (task, clock, flags, at, remainAt) => clockSleep(task, clock, flags, at, remainAt, widthOf(task)),
);
export const clock_nanosleep_time64 = syscall(
  { i386: 407 },
  [int, int, address, address],
  (task, clock, flags, at, remainAt) => clockSleep(task, clock, flags, at, remainAt, 64),
);

export const gettimeofday = syscall({ x86_64: 96, i386: 78 }, [address, address], (task, at, zoneAt) => {
  const { guest } = task.process.memory;
  const { seconds, nanoseconds } = readClock(task, Clock.realtime);
  const micros = Math.floor(nanoseconds / 1000);
  if (at !== 0) writeMoment(task, at, { seconds, nanoseconds: micros }, widthOf(task));
  if (zoneAt !== 0) guest.writeU64(zoneAt, 0);
});

export const time = syscall({ x86_64: 201, i386: 13 }, [address], (task, at) => {
  const { seconds } = readClock(task, Clock.realtime);
  if (at !== 0) writeWord(task, at, seconds);
  return seconds;
});

/** Nanoseconds of a clock tick: sysconf(_SC_CLK_TCK) is 100. */
const tick = 1e7;

export const times = syscall({ x86_64: 100, i386: 43 }, [address], (task, at) => {
  const { process } = task;
  if (at !== 0) {
    const size = widthOf(task) / 8;
    const { system } = process.cpuTime();
    const { childUserTime, childSystemTime } = process.usage;
    const parts = [cpuTimeOf(process) - system, system, childUserTime, childSystemTime];
    for (const [i, part] of parts.entries()) writeWord(task, at + i * size, Math.floor(part / tick));
  }
  return Math.floor(process.kernel.now() / tick);
});
