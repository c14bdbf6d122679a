// Thread-local storage of i386 programs: descriptors of the global descriptor table (set_thread_area(2)).

import { EFAULT, EINVAL, ESRCH } from "../kernel/errno.ts";
import type { Task } from "../kernel/task.ts";
import { cpu, offsets, Selector, selectors, setStateWord } from "./registers.ts";
import { firstTlsEntry, linuxTask, tlsEntries, type TlsDescriptor } from "./state.ts";

/** Size of struct user_desc. */
export const descriptorSize = 16;

/** A descriptor and the entry that it asks for (-1: any). */
export interface Wanted extends TlsDescriptor {
  readonly entry: number;
}

export function descriptorFromMemory(task: Task, at: number): Wanted {
  const { guest } = task.process.memory;
  if (at === 0) throw EFAULT;
  return {
    entry: guest.readI32(at),
    base: guest.readU32(at + 4),
    limit: guest.readU32(at + 8),
    flags: guest.readU32(at + 12),
  };
}

/** Flags of an empty descriptor: read_exec_only and seg_not_present, nothing else. */
const emptyFlags = 0b101000;

/** Sets a descriptor and returns its entry number. Throws EINVAL, ESRCH when all are in use. */
export function setDescriptor(task: Task, wanted: Wanted): number {
  const { descriptors } = linuxTask(task);
  let slot = wanted.entry - firstTlsEntry;
  if (wanted.entry === -1) {
    slot = descriptors.indexOf(undefined);
    if (slot < 0) throw ESRCH;
  }
  if (slot < 0 || slot >= tlsEntries) throw EINVAL;
  const empty = wanted.base === 0 && wanted.limit === 0 && (wanted.flags & 0x3f) === emptyFlags;
  descriptors[slot] = empty ? undefined : { base: wanted.base, limit: wanted.limit, flags: wanted.flags };
  reloadSegments(task, slot + firstTlsEntry);
  return slot + firstTlsEntry;
}

/** A changed descriptor takes effect at once where FS or GS names it. */
function reloadSegments(task: Task, entry: number): void {
  const view = cpu(task);
  const { fs, gs } = selectors(view);
  const base = linuxTask(task).descriptors[entry - firstTlsEntry]?.base ?? 0;
  if (fs >>> 3 === entry) setStateWord(view, offsets.fsBase, base);
  if (gs >>> 3 === entry) setStateWord(view, offsets.gsBase, base);
}

/** What selectors name: flat segments, and the task's thread-local descriptors. */
function segmentBase(task: Task, selector: number): number | undefined {
  if (selector < 4) return 0;
  if (selector === Selector.data || selector === Selector.code32 || selector === Selector.code64) return 0;
  if ((selector & 7) !== 3) return undefined;
  return linuxTask(task).descriptors[(selector >>> 3) - firstTlsEntry]?.base;
}

/** Connects a task's processor state to what instructions ask of the kernel. */
export function connectProcessor(task: Task): void {
  const { kernel } = task.process;
  cpu(task).services = {
    timestamp: () => Math.floor(kernel.now()),
    segmentBase: (selector) => segmentBase(task, selector),
  };
}
