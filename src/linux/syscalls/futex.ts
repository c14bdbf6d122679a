// Futexes and robust lists: futex(2), set_robust_list(2).

import { EAGAIN, EDEADLK, EINVAL, ENOSYS, EPERM, ESRCH, ETIMEDOUT } from "../../kernel/errno.ts";
import { anyBits } from "../../kernel/futex.ts";
import type { Task } from "../../kernel/task.ts";
import { Clock, deadlineOn } from "../clocks.ts";
import { widthOf, writeWord } from "../guest.ts";
import { address, int, size, uint } from "../kinds.ts";
import { Owner } from "../robust.ts";
import { type Result, syscall, unsupported } from "../table.ts";
import { readTimespec } from "../timespec.ts";

const Op = {
  wait: 0,
  wake: 1,
  requeue: 3,
  cmpRequeue: 4,
  wakeOp: 5,
  lockPi: 6,
  unlockPi: 7,
  tryLockPi: 8,
  waitBitset: 9,
  wakeBitset: 10,
  lockPi2: 13,
} as const;
const commandMask = 0x7f;
const realtimeFlag = 0x100;

function keyOf(task: Task, at: number): number {
  if (at % 4 !== 0) throw EINVAL;
  const { memory } = task.process;
  memory.guest.check(at, 4, 1);
  return memory.futexKey(at);
}

function wait(task: Task, at: number, expected: number, deadline: number | undefined, bits: number): Result {
  if (bits === 0) throw EINVAL;
  const { kernel, memory } = task.process;
  const key = keyOf(task, at);
  if (memory.guest.readU32(at) !== expected) throw EAGAIN;
  if (deadline !== undefined && deadline <= kernel.now()) throw ETIMEDOUT;
  return kernel.futexes.wait(kernel.futexes.add(key, task.tid, bits), deadline);
}

/** FUTEX_WAKE_OP: changes the second word, wakes at the first, and at the second if its old value says so. */
function wakeOp(task: Task, at: number, count: number, secondAt: number, secondCount: number, encoded: number): number {
  const { kernel, memory } = task.process;
  const { guest } = memory;
  const [first, second] = [keyOf(task, at), keyOf(task, secondAt)];
  guest.check(secondAt, 4, 2);
  let argument = (encoded << 8) >> 20;
  const comparand = (encoded << 20) >> 20;
  if (encoded & 0x8000_0000) argument = 1 << (argument & 31);
  const old = guest.readI32(secondAt);
  guest.writeU32(secondAt, changed(old, (encoded >>> 28) & 7, argument) >>> 0);
  let woken = kernel.futexes.wake(first, count);
  if (holds(old, (encoded >>> 24) & 15, comparand)) woken += kernel.futexes.wake(second, secondCount);
  return woken;
}

function changed(old: number, operation: number, argument: number): number {
  switch (operation) {
    case 0:
      return argument;
    case 1:
      return old + argument;
    case 2:
      return old | argument;
    case 3:
      return old & ~argument;
    case 4:
      return old ^ argument;
    default:
      throw ENOSYS;
  }
}

function holds(old: number, comparison: number, comparand: number): boolean {
  switch (comparison) {
    case 0:
      return old === comparand;
    case 1:
      return old !== comparand;
    case 2:
      return old < comparand;
    case 3:
      return old <= comparand;
    case 4:
      return old > comparand;
    case 5:
      return old >= comparand;
    default:
      throw ENOSYS;
  }
}

/** FUTEX_LOCK_PI: the word holds the owner's tid; there are no priorities to inherit, the rest is as told. */
function lockPi(task: Task, at: number, deadline: number | undefined, tryOnly: boolean): Result {
  const { kernel, memory } = task.process;
  const key = keyOf(task, at);
  const { guest } = memory;
  const word = guest.readU32(at);
  const owner = word & Owner.tid;
  if (owner === 0) {
    guest.writeU32(at, ((word & Owner.waiters) | task.tid) >>> 0);
    return 0;
  }
  if (owner === task.tid) throw EDEADLK;
  if (tryOnly) throw EAGAIN;
  if (!kernel.tasks.has(owner)) throw ESRCH;
  guest.writeU32(at, (word | Owner.waiters) >>> 0);
  return kernel.futexes.wait(kernel.futexes.add(key, task.tid, anyBits, true), deadline);
}

function unlockPi(task: Task, at: number): void {
  const { kernel, memory } = task.process;
  const key = keyOf(task, at);
  const { guest } = memory;
  if ((guest.readU32(at) & Owner.tid) !== task.tid) throw EPERM;
  const { waiter, more } = kernel.futexes.firstForLock(key);
  if (!waiter) return guest.writeU32(at, 0);
  guest.writeU32(at, (waiter.tid | (more ? Owner.waiters : 0)) >>> 0);
  kernel.futexes.wakeOne(waiter);
}

function futexWith(
  task: Task,
  at: number,
  operation: number,
  value: number,
  timeOrCount: number,
  secondAt: number,
  third: number,
  width: 32 | 64,
): Result {
  const { kernel } = task.process;
  const command = operation & commandMask;
  const clock = operation & realtimeFlag ? Clock.realtime : Clock.monotonic;
  const deadline = (absolute: boolean, on: number = clock) =>
    timeOrCount === 0 ? undefined : deadlineOn(task, on, readTimespec(task, timeOrCount, width), absolute);
  const count = value | 0;
  switch (command) {
    case Op.wait:
      return wait(task, at, value, deadline(false), anyBits);
    case Op.waitBitset:
      return wait(task, at, value, deadline(true), third);
    case Op.wake:
      return kernel.futexes.wake(keyOf(task, at), Math.max(count, 1));
    case Op.wakeBitset:
      if (third === 0) throw EINVAL;
      return kernel.futexes.wake(keyOf(task, at), Math.max(count, 1), third);
    case Op.requeue:
    case Op.cmpRequeue: {
      const [from, to] = [keyOf(task, at), keyOf(task, secondAt)];
      const most = timeOrCount | 0;
      if (count < 0 || most < 0) throw EINVAL;
      if (command === Op.cmpRequeue && task.process.memory.guest.readU32(at) !== third) throw EAGAIN;
      const woken = kernel.futexes.wake(from, count);
      return woken + kernel.futexes.requeue(from, to, most);
    }
    case Op.wakeOp:
      return wakeOp(task, at, count, secondAt, timeOrCount | 0, third);
    case Op.lockPi:
      return lockPi(task, at, deadline(true, Clock.realtime), false);
    case Op.lockPi2:
      return lockPi(task, at, deadline(true), false);
    case Op.tryLockPi:
      return lockPi(task, at, undefined, true);
    case Op.unlockPi:
      return unlockPi(task, at);
    default:
      kernel.logOnce(`futex operation ${command} is not supported`);
      throw ENOSYS;
  }
}

export const futex = syscall(
  { x86_64: 202, i386: 240 },
  [address, int, uint, address, address, uint],
  (task, at, operation, value, time, second, third) =>
    futexWith(task, at, operation, value, time, second, third, widthOf(task)),
);
export const futex_time64 = syscall(
  { i386: 422 },
  [address, int, uint, address, address, uint],
  (task, at, operation, value, time, second, third) => futexWith(task, at, operation, value, time, second, third, 64),
);

export const set_robust_list = syscall({ x86_64: 273, i386: 311 }, [address, size], (task, at, length) => {
  if (length !== (3 * widthOf(task)) / 8) throw EINVAL;
  task.robustList = at;
});

export const get_robust_list = syscall(
  { x86_64: 274, i386: 312 },
  [int, address, address],
  (task, tid, headAt, sizeAt) => {
    const target = tid === 0 ? task : task.process.kernel.tasks.get(tid);
    if (!target) throw ESRCH;
    if (target.process !== task.process && task.process.credentials.euid !== 0) throw EPERM;
    writeWord(task, sizeAt, (3 * widthOf(task)) / 8);
    writeWord(task, headAt, target.robustList);
  },
);

export const futex_waitv = unsupported({ x86_64: 449, i386: 449 }, "waiting at several futexes at once");
export const futex_wake = unsupported({ x86_64: 454, i386: 454 }, "use futex");
export const futex_wait = unsupported({ x86_64: 455, i386: 455 }, "use futex");
export const futex_requeue = unsupported({ x86_64: 456, i386: 456 }, "use futex");
