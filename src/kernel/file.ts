// Open files: what a descriptor refers to. Operations never block: they throw EAGAIN, and `changed` tells when to retry.

import { EBADF, EINVAL, ENOTDIR, ENOTTY, ESPIPE } from "./errno.ts";
import type { Process } from "./process.ts";
import type { Task } from "./task.ts";
import { existingLocks } from "./vfs/locks.ts";
import type { Attributes, Path } from "./vfs/vnode.ts";
import { WaitQueue } from "./wait.ts";

/** Readiness bits (poll(2)). */
export const Poll = { in: 0x1, pri: 0x2, out: 0x4, err: 0x8, hup: 0x10, nval: 0x20, rdhup: 0x2000 } as const;

/** Open flags as the kernel keeps them (Linux x86 numbers, open(2)). */
export const Open = {
  accessMask: 3,
  readOnly: 0,
  writeOnly: 1,
  readWrite: 2,
  create: 0o100,
  exclusive: 0o200,
  noControllingTty: 0o400,
  truncate: 0o1000,
  append: 0o2000,
  nonBlock: 0o4000,
  direct: 0o40000,
  largeFile: 0o100000,
  directory: 0o200000,
  noFollow: 0o400000,
  noAccessTime: 0o1000000,
  closeOnExec: 0o2000000,
  path: 0o10000000,
  tmpFile: 0o20000000,
} as const;

/** One entry of a directory listing. `next` is the cookie to continue after it. */
export interface DirectoryEntry {
  readonly name: string;
  readonly inode: number;
  /** File type bits of st_mode (S_IFMT). */
  readonly type: number;
  readonly next: number;
}

let openFiles = 0;
/** Open files in all machines, for the limit of all together (fs.file-max). */
export function openFileCount(): number {
  return openFiles;
}

/**
 * An open file description (open(2)): shared by duplicated descriptors and forked processes, counted by `references`.
 * Subclasses override what they support; the defaults are the errors of a file without that operation.
 */
export abstract class OpenFile {
  /** Open flags that fcntl(F_GETFL) shows; append and nonBlock may change. */
  flags: number;
  /** Where it was opened, for /proc/self/fd and *at calls; undefined for pipes, sockets and the like. */
  readonly path: Path | undefined;
  /** Told whenever `poll()` may have gained bits. */
  readonly changed = new WaitQueue();
  /** Position of read and write for seekable files, in bytes. */
  position = 0;
  private references = 1;
  /** Receives SIGIO; F_SETOWN. */
  owner = 0;

  constructor(flags: number, path?: Path) {
    openFiles++;
    this.flags = flags;
    this.path = path;
  }

  /** What readlink of /proc/self/fd/N shows when there is no path, e.g. "pipe:[12]". */
  abstract get description(): string;
  abstract attributes(): Attributes;

  /** Reads at `position`, or at the file's own position (which advances) when undefined. 0 at the end. Throws EAGAIN. */
  read(_into: Uint8Array, _position?: number): number {
    throw EINVAL;
  }
  /** Writes like `read`; may be partial. Throws EAGAIN, EPIPE, ENOSPC. */
  write(_from: Uint8Array, _position?: number): number {
    throw EINVAL;
  }
  /** Current readiness, `Poll` bits. */
  poll(): number {
    return Poll.in | Poll.out;
  }
  /** Sets the position from SEEK_SET 0, CUR 1, END 2, DATA 3, HOLE 4; returns the new one. */
  seek(_offset: number, _whence: number): number {
    throw ESPIPE;
  }
  truncate(_length: number): void {
    throw EINVAL;
  }
  setAttributes(_change: Partial<Attributes>): void {
    throw EINVAL;
  }
  /** Entries from cookie `from` (0 = start) on. */
  entries(_from: number): Iterable<DirectoryEntry> {
    throw ENOTDIR;
  }
  /** Device control; `argument` is the raw third argument, guest structures through task.process.memory. */
  ioctl(_task: Task, _request: number, _argument: number): number {
    throw ENOTTY;
  }
  /** Flushes to stable storage. */
  sync(): void {}
  /**
   * Fills `into` with the bytes at `offset` for a private or shared mapping; short at the end of file (rest stays zero).
   * Throws ENODEV when it can't be mapped.
   */
  mapRead(into: Uint8Array, offset: number): number {
    return this.read(into, offset);
  }
  /** Called when the last reference goes. */
  protected closed(): void {}
  /** Called for every descriptor closed: POSIX locks of the process go (fcntl(2)). */
  descriptorClosed(process: Process): void {
    existingLocks(this.path?.vnode)?.releaseAll(process);
  }

  get readable(): boolean {
    return (this.flags & Open.accessMask) !== Open.writeOnly && (this.flags & Open.path) === 0;
  }
  get writable(): boolean {
    return (this.flags & Open.accessMask) !== Open.readOnly && (this.flags & Open.path) === 0;
  }
  private endings: Set<() => void> | undefined;
  /** Calls back once when the last reference goes, until the returned function is called. */
  whenClosed(tell: () => void): () => void {
    (this.endings ??= new Set()).add(tell);
    return () => this.endings?.delete(tell);
  }
  /** True if a blocking write goes on until all bytes are taken (pipes, stream sockets, terminals). */
  get stream(): boolean {
    return false;
  }
  retain(): this {
    if (this.references <= 0) throw EBADF;
    this.references++;
    return this;
  }
  release(): void {
    if (--this.references !== 0) return;
    openFiles--;
    existingLocks(this.path?.vnode)?.releaseAll(this);
    if (this.endings) for (const tell of [...this.endings]) tell();
    this.closed();
  }
}
