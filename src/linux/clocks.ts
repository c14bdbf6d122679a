// The clocks that programs can name (clock_gettime(2)).

import { EINVAL } from "../kernel/errno.ts";
import type { Process } from "../kernel/process.ts";
import type { Task } from "../kernel/task.ts";

export const Clock = {
  realtime: 0,
  monotonic: 1,
  processCpu: 2,
  threadCpu: 3,
  monotonicRaw: 4,
  realtimeCoarse: 5,
  monotonicCoarse: 6,
  boottime: 7,
  realtimeAlarm: 8,
  boottimeAlarm: 9,
  tai: 11,
} as const;

const billion = 1_000_000_000n;

/** A point in time, in whole seconds and nanoseconds: the real time's nanoseconds do not fit into a number. */
export interface Moment {
  readonly seconds: number;
  readonly nanoseconds: number;
}

export function momentOf(time: number): Moment {
  const seconds = Math.floor(time / 1e9);
  return { seconds, nanoseconds: Math.floor(time - seconds * 1e9) };
}

/** The process or task that a negative clock id names (clock_getcpuclockid(3)). Throws EINVAL. */
function cpuClock(task: Task, id: number): number {
  const { kernel } = task.process;
  const pid = ~(id >> 3);
  if ((id & 3) === 3) throw EINVAL;
  if (id & 4) {
    const thread = pid === 0 ? task : kernel.tasks.get(pid);
    if (!thread || thread.process !== task.process) throw EINVAL;
    return cpuTimeOfTask(thread);
  }
  const process = pid === 0 ? task.process : kernel.processes.get(pid);
  if (!process) throw EINVAL;
  return cpuTimeOf(process);
}

/** CPU time of a process up to now, nanoseconds. */
export function cpuTimeOf(process: Process): number {
  const { user, system } = process.cpuTime();
  const { scheduler } = process.kernel;
  return user + system + (scheduler.current?.process === process ? scheduler.elapsed : 0);
}
export function cpuTimeOfTask(task: Task): number {
  const { scheduler } = task.process.kernel;
  return task.userTime + task.systemTime + (scheduler.current === task ? scheduler.elapsed : 0);
}

/** Time of a clock. Throws EINVAL for one that does not exist. */
export function readClock(task: Task, id: number): Moment {
  const { kernel } = task.process;
  switch (id) {
    case Clock.realtime:
    case Clock.realtimeCoarse:
    case Clock.realtimeAlarm:
    case Clock.tai: {
      const now = kernel.realtime();
      return { seconds: Number(now / billion), nanoseconds: Number(now % billion) };
    }
    case Clock.monotonic:
    case Clock.monotonicRaw:
    case Clock.monotonicCoarse:
    case Clock.boottime:
    case Clock.boottimeAlarm:
      return momentOf(kernel.now() + monotonicStart);
    case Clock.processCpu:
      return momentOf(cpuTimeOf(task.process));
    case Clock.threadCpu:
      return momentOf(cpuTimeOfTask(task));
    default:
      if (id >= 0) throw EINVAL;
      return momentOf(cpuClock(task, id));
  }
}

/**
 * The kernel's time (Kernel.now) at which a clock will show `time` nanoseconds, or have gone `time` on. CPU clocks have no
 * such time. Throws EINVAL.
 */
export function deadlineOn(task: Task, id: number, time: number, absolute: boolean): number {
  const { kernel } = task.process;
  const now = kernel.now();
  if (!absolute) return now + time;
  switch (id) {
    case Clock.realtime:
    case Clock.realtimeAlarm:
    case Clock.tai:
      return now + (time - Number(kernel.realtime()));
    case Clock.monotonic:
    case Clock.boottime:
    case Clock.boottimeAlarm:
      return time - monotonicStart;
    default:
      throw EINVAL;
  }
}

/** CLOCK_MONOTONIC shows this much when the kernel boots, so that no program finds it zero. */
export const monotonicStart = 1e9;
