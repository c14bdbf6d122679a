// Times in guest memory: struct timespec and timeval in both widths (time(7)).

import { EINVAL } from "../kernel/errno.ts";
import type { Task } from "../kernel/task.ts";
import type { Width } from "./vectors.ts";

const billion = 1e9;

/** A timespec as nanoseconds; 0x7fff... seconds are as good as for ever. Throws EINVAL for what is no time. */
export function readTimespec(task: Task, at: number, width: Width): number {
  const { guest } = task.process.memory;
  const seconds = width === 64 ? guest.readI64(at) : guest.readI32(at);
  const nanoseconds = width === 64 ? guest.readI64(at + 8) : guest.readI32(at + 4);
  if (seconds < 0 || nanoseconds < 0 || nanoseconds >= billion) throw EINVAL;
  return seconds * billion + nanoseconds;
}

/** A timeval as nanoseconds. */
export function readTimeval(task: Task, at: number, width: Width): number {
  const { guest } = task.process.memory;
  const seconds = width === 64 ? guest.readI64(at) : guest.readI32(at);
  const microseconds = width === 64 ? guest.readI64(at + 8) : guest.readI32(at + 4);
  if (seconds < 0 || microseconds < 0) throw EINVAL;
  return seconds * billion + microseconds * 1000;
}

/** Writes nanoseconds as a timespec. */
export function writeTimespec(task: Task, at: number, time: number, width: Width): void {
  const { guest } = task.process.memory;
  const seconds = Math.floor(time / billion);
  const rest = Math.floor(time - seconds * billion);
  if (width === 64) {
    guest.writeU64(at, seconds);
    guest.writeU64(at + 8, rest);
  } else {
    guest.writeU32(at, seconds);
    guest.writeU32(at + 4, rest);
  }
}

/** Writes nanoseconds as a timeval. */
export function writeTimeval(task: Task, at: number, time: number, width: Width): void {
  const { guest } = task.process.memory;
  const seconds = Math.floor(time / billion);
  const rest = Math.floor((time - seconds * billion) / 1000);
  if (width === 64) {
    guest.writeU64(at, seconds);
    guest.writeU64(at + 8, rest);
  } else {
    guest.writeU32(at, seconds);
    guest.writeU32(at + 4, rest);
  }
}
