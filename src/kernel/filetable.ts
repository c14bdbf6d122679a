// The descriptors of a process: small numbers for open files (open(2), dup(2)), shared by clone(CLONE_FILES).

import { EBADF, EMFILE, ENFILE } from "./errno.ts";
import { openFileCount, type OpenFile } from "./file.ts";
import type { Process } from "./process.ts";

const noFileLimit = 7;
/** Most descriptors a table may ever have, whatever the limit says (fs.nr_open). */
const mostDescriptors = 1 << 20;
/** Most open files in all tables. */
const mostOpenFiles = 1 << 17;

/** The soft RLIMIT_NOFILE of a process. */
export function descriptorLimit(process: Process): number {
  return Math.min(process.limits[noFileLimit]?.[0] ?? 1024, mostDescriptors);
}

export class FileTable {
  private readonly files: (OpenFile | undefined)[] = [];
  private readonly closing: boolean[] = [];
  /** Every descriptor below is in use. */
  private firstFree = 0;
  private holders = 1;

  get(fd: number): OpenFile | undefined {
    return this.files[fd];
  }

  /** Puts a file at the lowest free descriptor from `minimum` on and takes over the caller's reference. Throws EMFILE. */
  add(file: OpenFile, closeOnExec: boolean, limit: number, minimum = 0): number {
    let fd = Math.max(minimum, this.firstFree);
    while (this.files[fd] !== undefined) fd++;
    if (fd >= limit) throw EMFILE;
    if (openFileCount() > mostOpenFiles) throw ENFILE;
    if (minimum <= this.firstFree) this.firstFree = fd + 1;
    this.put(fd, file, closeOnExec);
    return fd;
  }

  /** Puts a file at `fd`, closing what was there; takes over the caller's reference (dup2). */
  set(fd: number, file: OpenFile, closeOnExec: boolean, process: Process): void {
    const old = this.files[fd];
    this.put(fd, file, closeOnExec);
    if (!old) return;
    old.descriptorClosed(process);
    old.release();
  }

  private put(fd: number, file: OpenFile, closeOnExec: boolean): void {
    while (this.files.length < fd) {
      this.files.push(undefined);
      this.closing.push(false);
    }
    this.files[fd] = file;
    this.closing[fd] = closeOnExec;
  }

  /** Closes a descriptor. Throws EBADF. */
  close(fd: number, process: Process): void {
    const file = this.files[fd];
    if (!file) throw EBADF;
    this.files[fd] = undefined;
    if (fd < this.firstFree) this.firstFree = fd;
    file.descriptorClosed(process);
    file.release();
  }

  closesOnExec(fd: number): boolean {
    return this.closing[fd] === true;
  }
  setCloseOnExec(fd: number, on: boolean): void {
    if (!this.files[fd]) throw EBADF;
    this.closing[fd] = on;
  }

  /** One past the highest descriptor in use. */
  get end(): number {
    let end = this.files.length;
    while (end > 0 && this.files[end - 1] === undefined) end--;
    return end;
  }

  /** Descriptors in use, in order. */
  *descriptors(): Generator<[fd: number, file: OpenFile]> {
    for (let fd = 0; fd < this.files.length; fd++) {
      const file = this.files[fd];
      if (file) yield [fd, file];
    }
  }

  /** A copy for a forked process: the same open files at the same descriptors. */
  clone(): FileTable {
    const copy = new FileTable();
    for (let fd = 0; fd < this.files.length; fd++) {
      copy.files.push(this.files[fd]?.retain());
      copy.closing.push(this.closing[fd]!);
    }
    copy.firstFree = this.firstFree;
    return copy;
  }

  /** Another process uses this table too (CLONE_FILES). */
  retain(): this {
    this.holders++;
    return this;
  }

  get shared(): boolean {
    return this.holders > 1;
  }

  /** A process ended or left the table; the last one closes everything. */
  release(process: Process): void {
    if (--this.holders === 0) for (const [fd] of [...this.descriptors()]) this.close(fd, process);
  }

  /** execve: closes what is marked FD_CLOEXEC. The table must not be shared (see `clone`). */
  closeForExec(process: Process): void {
    for (const [fd] of [...this.descriptors()]) if (this.closing[fd]) this.close(fd, process);
  }
}
