// What a file system gives the kernel: vnodes (files, directories, links, devices) and the operations on them.

import { EACCES, EINVAL, ENODATA, ENOTDIR, EOPNOTSUPP, EPERM, EROFS } from "../errno.ts";
import type { OpenFile } from "../file.ts";
import type { Process } from "../process.ts";
import type { Path } from "./path.ts";

export type { Path } from "./path.ts";

/** File types in st_mode (inode(7)). */
export const Type = {
  mask: 0o170000,
  socket: 0o140000,
  link: 0o120000,
  regular: 0o100000,
  block: 0o60000,
  directory: 0o40000,
  character: 0o20000,
  fifo: 0o10000,
} as const;

/** What stat shows. Times are nanoseconds since the epoch. */
export interface Attributes {
  device: number;
  inode: number;
  /** Type and permission bits. */
  mode: number;
  links: number;
  uid: number;
  gid: number;
  /** Device number of a device node. */
  rdev: number;
  size: number;
  blockSize: number;
  /** 512-byte blocks in use. */
  blocks: number;
  accessed: bigint;
  modified: bigint;
  changed: bigint;
}

export interface FileSystemStatus {
  type: number;
  blockSize: number;
  blocks: number;
  blocksFree: number;
  files: number;
  filesFree: number;
  nameMax: number;
}

/** One name in a directory. */
export interface ListedName {
  readonly name: string;
  readonly inode: number;
  /** File type bits of the mode. */
  readonly type: number;
}

/** What fallocate(2) does to the range. */
export type Allocation = "reserve" | "reserveKeepSize" | "punch" | "zero" | "zeroKeepSize";

/** A mounted file system. */
export interface FileSystem {
  readonly name: string;
  readonly device: number;
  readonly readOnly: boolean;
  root(): Vnode;
  status(): FileSystemStatus;
  sync?(): void;
}

/**
 * A node of a file system. Path walking, permission checks, mounts and symlink limits are the VFS's work (kernel/vfs):
 * a vnode only does its own operation and throws an Errno. Names are JavaScript strings; a byte that is not valid UTF-8 is
 * kept as the code unit 0xdc00 + byte (as Python's surrogateescape does), see vfs/names.ts.
 */
export abstract class Vnode {
  abstract readonly fileSystem: FileSystem;
  abstract attributes(): Attributes;
  /** File type bits of the mode; cheaper than `attributes` where the file system overrides it. */
  get type(): number {
    return this.attributes().mode & Type.mask;
  }
  /** True if only the VFS changes this directory, so that found names may be remembered (false: proc, host directories). */
  get stable(): boolean {
    return true;
  }
  /** Opens it. The VFS has checked permissions; `flags` are Open bits. Devices, fifos and sockets are opened by the VFS. */
  abstract open(flags: number, path: Path, process: Process): OpenFile;

  /** What is in a directory, without "." and "..". */
  list(_process: Process): Iterable<ListedName> {
    throw ENOTDIR;
  }
  /** The child of this name; undefined when there is none. Never "." or "..". */
  lookup(_name: string): Vnode | undefined {
    throw ENOTDIR;
  }
  /** Makes a regular file, fifo, socket or device node: `mode` has the type. EEXIST is the VFS's work. */
  create(_name: string, _mode: number, _uid: number, _gid: number, _rdev?: number): Vnode {
    throw EROFS;
  }
  makeDirectory(_name: string, _mode: number, _uid: number, _gid: number): Vnode {
    throw EROFS;
  }
  symlink(_name: string, _target: string, _uid: number, _gid: number): Vnode {
    throw EROFS;
  }
  link(_name: string, _target: Vnode): void {
    throw EPERM;
  }
  unlink(_name: string): void {
    throw EROFS;
  }
  removeDirectory(_name: string): void {
    throw EROFS;
  }
  /** Moves `name` of this directory to `newName` of `to` (same file system), replacing what is there. */
  rename(_name: string, _to: Vnode, _newName: string): void {
    throw EROFS;
  }
  /** Swaps two names (RENAME_EXCHANGE). */
  exchange(_name: string, _to: Vnode, _newName: string): void {
    throw EINVAL;
  }
  /** A file without a name (O_TMPFILE), linked later or never. */
  createUnnamed(_mode: number, _uid: number, _gid: number): Vnode {
    throw EOPNOTSUPP;
  }
  /** Reserves room, or frees it (punch); returns nothing, throws EOPNOTSUPP. See fallocate(2). */
  allocate(_offset: number, _length: number, _how: Allocation): void {
    throw EOPNOTSUPP;
  }
  readlink(_process?: Process): string {
    throw EINVAL;
  }
  /**
   * For links that are not text (/proc/self/fd/N, /proc/self/exe): where they lead. Takes the place of `readlink` in a walk.
   */
  follow(_process: Process): Path | undefined {
    return undefined;
  }
  /** For what stands for an open file that has no path (a pipe in /proc/self/fd): the open file that opening it gives. */
  reopen(_flags: number): OpenFile | undefined {
    return undefined;
  }
  setAttributes(_change: Partial<Attributes>): void {
    throw EROFS;
  }
  truncate(_length: number): void {
    throw EACCES;
  }
  /** Reads a regular file's bytes without opening it; 0 at the end. What layers above a file system use. */
  readAt(_into: Uint8Array, _position: number): number {
    throw EINVAL;
  }
  /** fcntl(2) F_GET_SEALS and F_ADD_SEALS, for files in memory. */
  getSeals(): number {
    throw EINVAL;
  }
  addSeals(_seals: number): void {
    throw EINVAL;
  }
  getXattr(_name: string): Uint8Array {
    throw ENODATA;
  }
  setXattr(_name: string, _value: Uint8Array, _flags: number): void {
    throw EOPNOTSUPP;
  }
  listXattrs(): string[] {
    return [];
  }
  removeXattr(_name: string): void {
    throw ENODATA;
  }
}
