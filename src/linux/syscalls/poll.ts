// Waiting for one of many files: poll(2), select(2), epoll(7).

import { EBADF, EINVAL } from "../../kernel/errno.ts";
import { Epoll, EpollFile, withNormal } from "../../kernel/epoll.ts";
import { Open, type OpenFile, Poll } from "../../kernel/file.ts";
import { descriptorLimit } from "../../kernel/filetable.ts";
import type { Task } from "../../kernel/task.ts";
import type { Wait, WaitQueue } from "../../kernel/wait.ts";
import { PageFault } from "../../memory/guest.ts";
import { Access } from "../../memory/layout.ts";
import { fileOf } from "../at.ts";
import { address, int, size, uint } from "../kinds.ts";
import { whileMaskedAt } from "../mask.ts";
import { syscall } from "../table.ts";
import { readTimespec, readTimeval, writeTimespec, writeTimeval } from "../timespec.ts";
import type { Width } from "../vectors.ts";
import { install } from "./open.ts";

/** A wait for the moment when `attempt` counts something, at most until the deadline. */
function waitFor(
  queues: readonly WaitQueue[],
  deadline: number | undefined,
  attempt: () => number,
  nothing: () => number,
  now: boolean,
): Wait<number> {
  return {
    attempt: () => {
      const count = attempt();
      if (count !== 0) return count;
      return now ? nothing() : undefined;
    },
    queues,
    ...(deadline === undefined ? {} : { deadline }),
    expired: () => {
      const count = attempt();
      return count !== 0 ? count : nothing();
    },
    onSignal: "interrupt",
  };
}

/** Nanoseconds since boot of a timeout; undefined for ever. */
function deadlineOf(task: Task, timeout: number | undefined): number | undefined {
  return timeout === undefined || timeout === Infinity ? undefined : task.process.kernel.now() + timeout;
}

// poll(2).

function readiness(file: OpenFile): number {
  try {
    return withNormal(file.poll());
  } catch (error) {
    if (error === EBADF) return Poll.nval;
    throw error;
  }
}

function pollWait(task: Task, at: number, count: number, timeout: number | undefined): Wait<number> {
  const { process } = task;
  const { guest } = process.memory;
  if (count > Math.max(descriptorLimit(process), 1024)) throw EINVAL;
  guest.check(at, count * 8, Access.write);
  const watched: { file: OpenFile | undefined; events: number; at: number }[] = [];
  const queues = new Set<WaitQueue>();
  for (let i = 0; i < count; i++) {
    const entry = at + i * 8;
    const fd = guest.readI32(entry);
    if (fd < 0) {
      guest.writeU16(entry + 6, 0);
      continue;
    }
    const file = process.files.get(fd);
    if (file) queues.add(file.changed);
    watched.push({ file, events: guest.readU16(entry + 4), at: entry + 6 });
  }
  const attempt = () => {
    let ready = 0;
    for (const { file, events, at: result } of watched) {
      const bits = file ? readiness(file) & (events | Poll.err | Poll.hup | Poll.nval) : Poll.nval;
      guest.writeU16(result, bits);
      if (bits !== 0) ready++;
    }
    return ready;
  };
  return waitFor([...queues], deadlineOf(task, timeout), attempt, () => 0, timeout === 0);
}

const milliseconds = (timeout: number) => (timeout < 0 ? undefined : timeout * 1e6);

export const poll = syscall({ x86_64: 7, i386: 168 }, [address, uint, int], (task, at, count, timeout) =>
  pollWait(task, at, count, milliseconds(timeout)),
);

const timeoutAt = (task: Task, at: number, width: Width) => (at === 0 ? undefined : readTimespec(task, at, width));

/** Hands back what is left of the time, as Linux does: without a word where it cannot be written (poll_select_finish). */
function withRemaining(task: Task, wait: Wait<number>, write: ((left: number) => void) | undefined): Wait<number> {
  if (!write || wait.deadline === undefined) return wait;
  const { kernel } = task.process;
  return {
    ...wait,
    finished: () => {
      wait.finished?.();
      try {
        write(Math.max(0, wait.deadline! - kernel.now()));
      } catch (error) {
        if (!(error instanceof PageFault)) throw error;
      }
    },
  };
}

const ppollWith =
  (width: Width) => (task: Task, at: number, count: number, time: number, mask: number, length: number) => {
    const wait = pollWait(task, at, count, timeoutAt(task, time, width));
    return whileMaskedAt(task, mask, length, () =>
      withRemaining(task, wait, time === 0 ? undefined : (left) => writeTimespec(task, time, left, width)),
    );
  };
export const ppoll = syscall({ x86_64: 271 }, [address, uint, address, address, size], ppollWith(64));
export const ppoll_time64 = syscall({ i386: 414 }, [address, uint, address, address, size], ppollWith(64));
export const narrowPpoll = ppollWith(32);

// select(2).

function selectWait(
  task: Task,
  count: number,
  sets: readonly [number, number, number],
  timeout: number | undefined,
): Wait<number> {
  const { process } = task;
  const { guest } = process.memory;
  if (count < 0) throw EINVAL;
  // Descriptors beyond the table's size are not looked at.
  const highest = Math.min(count, Math.max(process.files.end, 64));
  // Words of 64 bits, which is how much of a set the kernel reads and writes on x86-64; the bits are the same on i386.
  const bytes = Math.ceil(highest / 32) * 4;
  const wanted = sets.map((at) => (at === 0 ? undefined : guest.bytes(at, bytes, Access.write).slice()));
  const has = (set: Uint8Array | undefined, fd: number) =>
    set !== undefined && ((set[fd >>> 3]! >>> (fd & 7)) & 1) !== 0;
  const watched: { fd: number; file: OpenFile }[] = [];
  const queues = new Set<WaitQueue>();
  for (let fd = 0; fd < highest; fd++) {
    if (!wanted.some((set) => has(set, fd))) continue;
    const file = process.files.get(fd);
    if (!file) throw EBADF;
    watched.push({ fd, file });
    queues.add(file.changed);
  }
  const meanings = [Poll.in | Poll.hup | Poll.err, Poll.out | Poll.err, Poll.pri];
  const attempt = () => {
    const found = wanted.map((set) => set && new Uint8Array(bytes));
    let ready = 0;
    for (const { fd, file } of watched) {
      const bits = readiness(file);
      meanings.forEach((meaning, i) => {
        if ((bits & meaning) === 0 || !has(wanted[i], fd)) return;
        found[i]![fd >>> 3]! |= 1 << (fd & 7);
        ready++;
      });
    }
    if (ready > 0) found.forEach((set, i) => set && guest.write(sets[i]!, set));
    return ready;
  };
  const nothing = () => {
    sets.forEach((at) => at !== 0 && guest.write(at, new Uint8Array(bytes)));
    return 0;
  };
  return waitFor([...queues], deadlineOf(task, timeout), attempt, nothing, timeout === 0);
}

const selectWith =
  (width: Width) => (task: Task, count: number, read: number, write: number, except: number, time: number) => {
    const timeout = time === 0 ? undefined : readTimeval(task, time, width);
    const wait = selectWait(task, count, [read, write, except], timeout);
    return withRemaining(task, wait, time === 0 ? undefined : (left) => writeTimeval(task, time, left, width));
  };
export const select = syscall({ x86_64: 23 }, [int, address, address, address, address], selectWith(64));
export const narrowSelect = selectWith(32);

/** The last argument points at a mask's address and size. */
const pselectWith =
  (width: Width, word: Width) =>
  (task: Task, count: number, read: number, write: number, except: number, time: number, pair: number) => {
    const { guest } = task.process.memory;
    const wait = selectWait(task, count, [read, write, except], timeoutAt(task, time, width));
    const timed = withRemaining(task, wait, time === 0 ? undefined : (left) => writeTimespec(task, time, left, width));
    if (pair === 0) return timed;
    const [mask, length] =
      word === 64 ? [guest.readU64(pair), guest.readU64(pair + 8)] : [guest.readU32(pair), guest.readU32(pair + 4)];
    return whileMaskedAt(task, mask, length, () => timed);
  };
const pselectKinds = [int, address, address, address, address, address] as const;
export const pselect6 = syscall({ x86_64: 270 }, pselectKinds, pselectWith(64, 64));
export const pselect6_time64 = syscall({ i386: 413 }, pselectKinds, pselectWith(64, 32));
export const narrowPselect = pselectWith(32, 32);

// epoll(7).

function makeEpoll(task: Task, flags: number): number {
  if ((flags & ~Open.closeOnExec) !== 0) throw EINVAL;
  return install(task, new EpollFile(), flags !== 0);
}
export const epoll_create = syscall({ x86_64: 213, i386: 254 }, [int], (task, count) => {
  if (count <= 0) throw EINVAL;
  return makeEpoll(task, 0);
});
export const epoll_create1 = syscall({ x86_64: 291, i386: 329 }, [uint], makeEpoll);

function epollOf(task: Task, fd: number): EpollFile {
  const file = fileOf(task, fd);
  if (!(file instanceof EpollFile)) throw EINVAL;
  return file;
}

const Control = { add: 1, remove: 2, modify: 3 } as const;

export const epoll_ctl = syscall(
  { x86_64: 233, i386: 255 },
  [int, int, int, address],
  (task, epfd, operation, fd, at) => {
    const { guest } = task.process.memory;
    const target = fileOf(task, fd);
    fileOf(task, epfd);
    const epoll = epollOf(task, epfd);
    if (target === epoll) throw EINVAL;
    if (operation === Control.remove) return epoll.remove(fd, target);
    if (operation !== Control.add && operation !== Control.modify) throw EINVAL;
    const events = guest.readU32(at);
    const data = guest.readBig64(at + 4);
    if ((events & Epoll.exclusive) !== 0 && operation === Control.modify) throw EINVAL;
    if (operation === Control.add) epoll.add(fd, target, events, data);
    else epoll.modify(fd, target, events, data);
  },
);

/** struct epoll_event is packed to 12 bytes on x86-64, and has 12 on i386 anyway. */
const eventSize = 12;

function epollWait(task: Task, fd: number, at: number, most: number, timeout: number | undefined): Wait<number> {
  const epoll = epollOf(task, fd);
  const { guest } = task.process.memory;
  if (most <= 0 || most > 0x7fffffff / eventSize) throw EINVAL;
  guest.check(at, Math.min(most, 64) * eventSize, Access.write);
  const attempt = () => {
    const events = epoll.collect(most);
    events.forEach((event, i) => {
      guest.writeU32(at + i * eventSize, event.events);
      guest.writeBig64(at + i * eventSize + 4, event.data);
    });
    return events.length;
  };
  return waitFor([epoll.changed], deadlineOf(task, timeout), attempt, () => 0, timeout === 0);
}

export const epoll_wait = syscall({ x86_64: 232, i386: 256 }, [int, address, int, int], (task, fd, at, most, timeout) =>
  epollWait(task, fd, at, most, milliseconds(timeout)),
);
export const epoll_pwait = syscall(
  { x86_64: 281, i386: 319 },
  [int, address, int, int, address, size],
  (task, fd, at, most, timeout, mask, length) =>
    whileMaskedAt(task, mask, length, () => epollWait(task, fd, at, most, milliseconds(timeout))),
);
export const epoll_pwait2 = syscall(
  { x86_64: 441, i386: 441 },
  [int, address, int, address, address, size],
  (task, fd, at, most, time, mask, length) =>
    whileMaskedAt(task, mask, length, () => epollWait(task, fd, at, most, timeoutAt(task, time, 64))),
);
