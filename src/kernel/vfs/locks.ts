// Locks on files: records of POSIX (fcntl(2) F_SETLK) and of open file descriptions (F_OFD_SETLK), whole files by flock(2).

import { EDEADLK, ENOLCK } from "../errno.ts";
import type { OpenFile } from "../file.ts";
import type { Process } from "../process.ts";
import { WaitQueue } from "../wait.ts";
import type { Vnode } from "./vnode.ts";

export type Owner = Process | OpenFile;

/** A locked range; `end` is exclusive, Infinity up to the end however the file grows. */
export interface RecordLock {
  readonly owner: Owner;
  readonly exclusive: boolean;
  readonly start: number;
  readonly end: number;
  /** Process that took it, -1 for open file description locks. */
  readonly pid: number;
}

/** Ranges of one file that may be locked at once. */
const mostRecords = 1 << 14;

/** Who waits for whom, to find circles. */
const waiting = new Map<Owner, Owner>();

export class FileLocks {
  readonly changed = new WaitQueue();
  private records: RecordLock[] = [];
  private readonly whole = new Map<OpenFile, boolean>();

  /** A lock of another owner that stands in the way. */
  conflict(wanted: RecordLock): RecordLock | undefined {
    return this.records.find(
      (held) =>
        held.owner !== wanted.owner &&
        (held.exclusive || wanted.exclusive) &&
        held.start < wanted.end &&
        wanted.start < held.end,
    );
  }

  /** Takes the range, or frees it when `wanted` is undefined; the owner's locks there are replaced. True when it was possible. */
  record(owner: Owner, start: number, end: number, wanted: RecordLock | undefined): boolean {
    if (wanted && this.conflict(wanted)) return false;
    const kept: RecordLock[] = [];
    for (const held of this.records) {
      if (held.owner !== owner || held.end <= start || end <= held.start) {
        kept.push(held);
        continue;
      }
      if (held.start < start) kept.push({ ...held, end: start });
      if (end < held.end) kept.push({ ...held, start: end });
    }
    if (kept.length >= mostRecords) throw ENOLCK;
    if (wanted) kept.push(wanted);
    this.records = kept;
    this.changed.wake();
    return true;
  }

  /** Notes that the owner now waits for a conflicting one. Throws EDEADLK when that closes a circle. */
  waitFor(wanted: RecordLock): void {
    const first = this.conflict(wanted)?.owner;
    for (let owner = first; owner !== undefined; owner = waiting.get(owner)) if (owner === wanted.owner) throw EDEADLK;
    if (first !== undefined) waiting.set(wanted.owner, first);
  }
  stopWaiting(owner: Owner): void {
    waiting.delete(owner);
  }

  /** Takes, changes or frees (undefined) a flock. True when it was possible. */
  flock(file: OpenFile, exclusive: boolean | undefined): boolean {
    if (exclusive === undefined) {
      if (this.whole.delete(file)) this.changed.wake();
      return true;
    }
    for (const [other, held] of this.whole) if (other !== file && (held || exclusive)) return false;
    const before = this.whole.get(file);
    this.whole.set(file, exclusive);
    if (before && !exclusive) this.changed.wake();
    return true;
  }

  /** Frees everything of an owner: a process closed a descriptor of the file, or the open file is gone. */
  releaseAll(owner: Owner): void {
    const before = this.records.length;
    this.records = this.records.filter((held) => held.owner !== owner);
    if (this.whole.delete(owner as OpenFile) || this.records.length !== before) this.changed.wake();
  }
}

const locks = new WeakMap<Vnode, FileLocks>();

/** The locks of a file, if anyone ever took one. */
export function existingLocks(vnode: Vnode | undefined): FileLocks | undefined {
  return vnode && locks.get(vnode);
}

export function locksOf(vnode: Vnode): FileLocks {
  let found = locks.get(vnode);
  if (!found) locks.set(vnode, (found = new FileLocks()));
  return found;
}
