// Descriptors for events: eventfd(2), timerfd_create(2), signalfd(2), inotify(7).

import { EINVAL, ENOTDIR } from "../../kernel/errno.ts";
import { CounterFile, SignalFile, TimerFile } from "../../kernel/events.ts";
import { Open } from "../../kernel/file.ts";
import { InotifyFile, Watch } from "../../kernel/inotify.ts";
import { SIGKILL, SIGSTOP, removeSignal } from "../../kernel/signal.ts";
import type { Task } from "../../kernel/task.ts";
import { need, Want } from "../../kernel/vfs/permission.ts";
import { Type } from "../../kernel/vfs/vnode.ts";
import { walk } from "../../kernel/vfs/walk.ts";
import { fileOf } from "../at.ts";
import { Clock, deadlineOn } from "../clocks.ts";
import { checkSetSize, readSet } from "../guest.ts";
import { address, int, path, size, uint } from "../kinds.ts";
import { syscall, unsupported } from "../table.ts";
import { readTimespec, writeTimespec } from "../timespec.ts";
import type { Width } from "../vectors.ts";
import { install } from "./open.ts";

const common = Open.closeOnExec | Open.nonBlock;
const closes = (flags: number) => (flags & Open.closeOnExec) !== 0;

const semaphore = 1;

function makeCounter(task: Task, initial: number, flags: number): number {
  if ((flags & ~(common | semaphore)) !== 0) throw EINVAL;
  const file = new CounterFile(initial, flags & Open.nonBlock, { semaphore: (flags & semaphore) !== 0 });
  return install(task, file, closes(flags));
}
export const eventfd = syscall({ x86_64: 284, i386: 323 }, [uint], (task, initial) => makeCounter(task, initial, 0));
export const eventfd2 = syscall({ x86_64: 290, i386: 328 }, [uint, uint], makeCounter);

// Timers.

const clocks: readonly number[] = [
  Clock.realtime,
  Clock.monotonic,
  Clock.boottime,
  Clock.realtimeAlarm,
  Clock.boottimeAlarm,
];
const absolute = 1;
const cancelOnSet = 2;

export const timerfd_create = syscall({ x86_64: 283, i386: 322 }, [int, uint], (task, clock, flags) => {
  if (!clocks.includes(clock) || (flags & ~common) !== 0) throw EINVAL;
  return install(task, new TimerFile(task.process.kernel, clock, flags & Open.nonBlock), closes(flags));
});

function timerOf(task: Task, fd: number): TimerFile {
  const file = fileOf(task, fd);
  if (!(file instanceof TimerFile)) throw EINVAL;
  return file;
}

function writeSetting(task: Task, at: number, timer: TimerFile, width: Width): void {
  const { value, interval } = timer.setting;
  writeTimespec(task, at, interval, width);
  writeTimespec(task, at + width / 4, value, width);
}

const setTimer = (width: Width) => (task: Task, fd: number, flags: number, at: number, old: number) => {
  if ((flags & ~(absolute | cancelOnSet)) !== 0) throw EINVAL;
  const timer = timerOf(task, fd);
  const interval = readTimespec(task, at, width);
  const value = readTimespec(task, at + width / 4, width);
  if (old !== 0) writeSetting(task, old, timer, width);
  timer.set(value === 0 ? undefined : deadlineOn(task, timer.clock, value, (flags & absolute) !== 0), interval);
};
const getTimer = (width: Width) => (task: Task, fd: number, at: number) =>
  writeSetting(task, at, timerOf(task, fd), width);

export const timerfd_settime = syscall({ x86_64: 286 }, [int, uint, address, address], setTimer(64));
export const timerfd_gettime = syscall({ x86_64: 287 }, [int, address], getTimer(64));
export const timerfd_settime64 = syscall({ i386: 411 }, [int, uint, address, address], setTimer(64));
export const timerfd_gettime64 = syscall({ i386: 410 }, [int, address], getTimer(64));
/** The i386 calls with 32-bit times. */
export const narrowTimer = { set: setTimer(32), get: getTimer(32) };

// Signals.

function makeSignalFile(task: Task, fd: number, at: number, length: number, flags: number): number {
  if ((flags & ~common) !== 0) throw EINVAL;
  checkSetSize(length);
  const mask = readSet(task, at);
  removeSignal(mask, SIGKILL);
  removeSignal(mask, SIGSTOP);
  if (fd === -1) return install(task, new SignalFile(task.process, mask, flags & Open.nonBlock), closes(flags));
  const file = fileOf(task, fd);
  if (!(file instanceof SignalFile)) throw EINVAL;
  file.mask = mask;
  return fd;
}
export const signalfd = syscall({ x86_64: 282, i386: 321 }, [int, address, size], (task, fd, at, length) =>
  makeSignalFile(task, fd, at, length, 0),
);
export const signalfd4 = syscall({ x86_64: 289, i386: 327 }, [int, address, size, uint], makeSignalFile);

// Inotify.

function makeInotify(task: Task, flags: number): number {
  if ((flags & ~common) !== 0) throw EINVAL;
  return install(task, new InotifyFile(flags & Open.nonBlock), closes(flags));
}
export const inotify_init = syscall({ x86_64: 253, i386: 291 }, [], (task) => makeInotify(task, 0));
export const inotify_init1 = syscall({ x86_64: 294, i386: 332 }, [uint], makeInotify);

function inotifyOf(task: Task, fd: number): InotifyFile {
  const file = fileOf(task, fd);
  if (!(file instanceof InotifyFile)) throw EINVAL;
  return file;
}
export const inotify_add_watch = syscall({ x86_64: 254, i386: 292 }, [int, path, uint], (task, fd, text, mask) => {
  const { process } = task;
  if ((mask & 0xfff) === 0) throw EINVAL;
  const inotify = inotifyOf(task, fd);
  const found = walk(process, process.fs.cwd, text, (mask & Watch.dontFollow) !== 0 ? "beforeSlash" : "always");
  if ((mask & Watch.onlyDirectory) !== 0 && found.vnode.type !== Type.directory) throw ENOTDIR;
  need(process.credentials, found.vnode, Want.read);
  return inotify.watch(found.vnode, mask);
});
export const inotify_rm_watch = syscall({ x86_64: 255, i386: 293 }, [int, int], (task, fd, watch) =>
  inotifyOf(task, fd).unwatch(watch),
);

export const fanotify_init = unsupported({ x86_64: 300, i386: 338 }, "events of whole mounts are not kept");
export const fanotify_mark = unsupported({ x86_64: 301, i386: 339 }, "events of whole mounts are not kept");
