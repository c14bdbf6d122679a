// Reading and writing what system calls point at: words of either width, arrays of strings, masks.

import { E2BIG, EINVAL } from "../kernel/errno.ts";
import type { SignalSet } from "../kernel/signal.ts";
import type { Task } from "../kernel/task.ts";
import { linuxTask } from "./state.ts";

/** Bits of a word of the call that is being made. */
export function widthOf(task: Task): 32 | 64 {
  return linuxTask(task).callMode === "x86_64" ? 64 : 32;
}

/** A pointer, size_t or unsigned long in guest memory. */
export function readWord(task: Task, at: number): number {
  const { guest } = task.process.memory;
  return widthOf(task) === 64 ? guest.readU64(at) : guest.readU32(at);
}
export function writeWord(task: Task, at: number, value: number): void {
  const { guest } = task.process.memory;
  if (widthOf(task) === 64) guest.writeU64(at, value);
  else guest.writeU32(at, value);
}

const longestString = 0x20000;
const mostStrings = 0x10_0000;

/** A vector of strings that ends with NULL, such as argv; NULL itself is an empty one. Throws E2BIG. */
export function readStrings(task: Task, at: number): Uint8Array[] {
  const { guest } = task.process.memory;
  const strings: Uint8Array[] = [];
  if (at === 0) return strings;
  const size = widthOf(task) / 8;
  for (let i = 0; ; i++) {
    if (i > mostStrings) throw E2BIG;
    const pointer = readWord(task, at + i * size);
    if (pointer === 0) return strings;
    try {
      strings.push(guest.readCString(pointer, longestString));
    } catch (error) {
      throw error instanceof RangeError ? E2BIG : error;
    }
  }
}

export function readSet(task: Task, at: number): SignalSet {
  const { guest } = task.process.memory;
  return Uint32Array.of(guest.readU32(at), guest.readU32(at + 4));
}
export function writeSet(task: Task, at: number, set: SignalSet): void {
  const { guest } = task.process.memory;
  guest.check(at, 8, 2);
  guest.writeU32(at, set[0]!);
  guest.writeU32(at + 4, set[1]!);
}

/** sigsetsize, which has to be 8. Throws EINVAL. */
export function checkSetSize(size: number): void {
  if (size !== 8) throw EINVAL;
}
