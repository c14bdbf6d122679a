// Scheduling: niceness is heeded, policies are remembered, there is one processor (sched(7)).

import { EINVAL, EPERM, ESRCH } from "../../kernel/errno.ts";
import type { Process } from "../../kernel/process.ts";
import type { Task } from "../../kernel/task.ts";
import { widthOf } from "../guest.ts";
import { address, int, size, uint } from "../kinds.ts";
import { type Result, syscall, unsupported } from "../table.ts";
import { writeTimespec } from "../timespec.ts";

/** Gives way once to whoever is ready. */
export const sched_yield = syscall({ x86_64: 24, i386: 158 }, [], (task): Result => {
  const { scheduler } = task.process.kernel;
  if (scheduler.load < 2) return 0;
  scheduler.yieldNow();
  return 0;
});

function taskOf(task: Task, tid: number): Task {
  if (tid < 0) throw EINVAL;
  const found = tid === 0 ? task : task.process.kernel.tasks.get(tid);
  if (!found) throw ESRCH;
  return found;
}

const clampNice = (nice: number) => Math.max(-20, Math.min(19, nice));

/** Whether the caller may change how `target` is scheduled. */
function mayChange(task: Task, target: Task): boolean {
  const { euid } = task.process.credentials;
  const { uid, euid: other } = target.process.credentials;
  return euid === 0 || euid === uid || euid === other;
}

function renice(task: Task, target: Task, wanted: number): void {
  const nice = clampNice(wanted);
  if (!mayChange(task, target)) throw EPERM;
  if (nice < target.nice && task.process.credentials.euid !== 0) throw EPERM;
  target.nice = nice;
}

export const nice = syscall({ i386: 34 }, [int], (task, step) => {
  renice(task, task, task.nice + step);
});

const Who = { process: 0, group: 1, user: 2 } as const;

function prioritized(task: Task, which: number, who: number): Task[] {
  const { process } = task;
  const { kernel } = process;
  if (which === Who.process) {
    const found = who === 0 ? task : kernel.tasks.get(who);
    return found ? [found] : [];
  }
  let matches: (target: Process) => boolean;
  if (which === Who.group) matches = ({ group }) => group === (who === 0 ? process.group : who);
  else if (which === Who.user)
    matches = ({ credentials }) => credentials.uid === (who === 0 ? process.credentials.uid : who);
  else throw EINVAL;
  return [...kernel.tasks.values()].filter((target) => matches(target.process));
}

/** The raw call returns 20 minus the niceness, so that no result looks like an error. */
export const getpriority = syscall({ x86_64: 140, i386: 96 }, [int, int], (task, which, who) => {
  const found = prioritized(task, which, who);
  if (found.length === 0) throw ESRCH;
  return 20 - Math.min(...found.map((target) => target.nice));
});

export const setpriority = syscall({ x86_64: 141, i386: 97 }, [int, int, int], (task, which, who, wanted) => {
  const found = prioritized(task, which, who);
  if (found.length === 0) throw ESRCH;
  for (const target of found) renice(task, target, wanted);
});

const Policy = { other: 0, fifo: 1, roundRobin: 2, batch: 3, idle: 5, deadline: 6, resetOnFork: 0x4000_0000 } as const;
const isRealtime = (policy: number) => policy === Policy.fifo || policy === Policy.roundRobin;

function setPolicy(task: Task, target: Task, wanted: number, priority: number): void {
  const policy = wanted & ~Policy.resetOnFork;
  if (![Policy.other, Policy.fifo, Policy.roundRobin, Policy.batch, Policy.idle].includes(policy as never))
    throw EINVAL;
  if (isRealtime(policy) ? priority < 1 || priority > 99 : priority !== 0) throw EINVAL;
  if (!mayChange(task, target)) throw EPERM;
  if (isRealtime(policy) && task.process.credentials.euid !== 0) throw EPERM;
  target.policy = { policy, priority };
}

export const sched_setscheduler = syscall({ x86_64: 144, i386: 156 }, [int, int, address], (task, tid, policy, at) => {
  if (at === 0) throw EINVAL;
  setPolicy(task, taskOf(task, tid), policy, task.process.memory.guest.readI32(at));
});
export const sched_getscheduler = syscall(
  { x86_64: 145, i386: 157 },
  [int],
  (task, tid) => taskOf(task, tid).policy.policy,
);
export const sched_setparam = syscall({ x86_64: 142, i386: 154 }, [int, address], (task, tid, at) => {
  if (at === 0) throw EINVAL;
  const target = taskOf(task, tid);
  setPolicy(task, target, target.policy.policy, task.process.memory.guest.readI32(at));
});
export const sched_getparam = syscall({ x86_64: 143, i386: 155 }, [int, address], (task, tid, at) => {
  if (at === 0) throw EINVAL;
  task.process.memory.guest.writeU32(at, taskOf(task, tid).policy.priority);
});
export const sched_get_priority_max = syscall({ x86_64: 146, i386: 159 }, [int], (_task, policy) =>
  priorityEnd(policy, 99),
);
export const sched_get_priority_min = syscall({ x86_64: 147, i386: 160 }, [int], (_task, policy) =>
  priorityEnd(policy, 1),
);

function priorityEnd(policy: number, realtime: number): number {
  if (isRealtime(policy)) return realtime;
  if (policy === Policy.other || policy === Policy.batch || policy === Policy.idle || policy === Policy.deadline)
    return 0;
  throw EINVAL;
}

/** Length of a slice, as shown for round robin. */
const roundRobinInterval = 100_000_000;

export const sched_rr_get_interval = syscall({ x86_64: 148, i386: 161 }, [int, address], (task, tid, at) => {
  taskOf(task, tid);
  writeTimespec(task, at, roundRobinInterval, widthOf(task));
});
export const sched_rr_get_interval_time64 = syscall({ i386: 423 }, [int, address], (task, tid, at) => {
  taskOf(task, tid);
  writeTimespec(task, at, roundRobinInterval, 64);
});

const attributesSize = 48;

export const sched_setattr = syscall({ x86_64: 314, i386: 351 }, [int, address, uint], (task, tid, at, flags) => {
  if (flags !== 0 || at === 0) throw EINVAL;
  const { guest } = task.process.memory;
  const target = taskOf(task, tid);
  const policy = guest.readU32(at + 4);
  setPolicy(task, target, policy, guest.readU32(at + 20));
  if (!isRealtime(policy)) renice(task, target, guest.readI32(at + 16));
});
export const sched_getattr = syscall(
  { x86_64: 315, i386: 352 },
  [int, address, uint, uint],
  (task, tid, at, length, flags) => {
    if (flags !== 0 || at === 0 || length < attributesSize || length > 4096) throw EINVAL;
    const { guest } = task.process.memory;
    const { policy, nice: niceness } = taskOf(task, tid);
    guest.write(at, new Uint8Array(attributesSize));
    guest.writeU32(at, attributesSize);
    guest.writeU32(at + 4, policy.policy);
    guest.writeU32(at + 16, niceness);
    guest.writeU32(at + 20, policy.priority);
  },
);

/** One processor, number 0. */
export const sched_setaffinity = syscall({ x86_64: 203, i386: 241 }, [int, size, address], (task, tid, length, at) => {
  taskOf(task, tid);
  if (length === 0 || (task.process.memory.guest.readU8(at) & 1) === 0) throw EINVAL;
});
export const sched_getaffinity = syscall({ x86_64: 204, i386: 242 }, [int, size, address], (task, tid, length, at) => {
  taskOf(task, tid);
  const word = widthOf(task) / 8;
  if (length < word || length % word !== 0) throw EINVAL;
  const mask = new Uint8Array(word);
  mask[0] = 1;
  task.process.memory.guest.write(at, mask);
  return word;
});
export const getcpu = syscall({ x86_64: 309, i386: 318 }, [address, address, address], (task, cpuAt, nodeAt) => {
  const { guest } = task.process.memory;
  if (cpuAt !== 0) guest.writeU32(cpuAt, 0);
  if (nodeAt !== 0) guest.writeU32(nodeAt, 0);
});

const IoWho = { process: 1, group: 2, user: 3 } as const;

export const ioprio_get = syscall({ x86_64: 252, i386: 290 }, [int, int], (task, which, who) => {
  if (which < IoWho.process || which > IoWho.user) throw EINVAL;
  if (which === IoWho.process) taskOf(task, who);
  return 0;
});
export const ioprio_set = syscall({ x86_64: 251, i386: 289 }, [int, int, int], (task, which, who) => {
  if (which < IoWho.process || which > IoWho.user) throw EINVAL;
  if (which === IoWho.process) taskOf(task, who);
});

export const rseq = unsupported({ x86_64: 334, i386: 386 }, "restartable sequences", { quiet: true });
