// The name space: mkdir(2), rename(2), link(2), unlink(2), symlink(2), readlink(2), directories and the working one.

import { EINVAL, ENOENT, ENOTDIR, EPERM, ERANGE } from "../../kernel/errno.ts";
import { Open, type OpenFile } from "../../kernel/file.ts";
import type { Task } from "../../kernel/task.ts";
import { encodeName } from "../../kernel/vfs/names.ts";
import {
  linkPath,
  makeDirectory,
  makeLink,
  makeNode,
  removeDirectory,
  rename as renamePath,
  unlink as unlinkPath,
} from "../../kernel/vfs/operations.ts";
import { isRemoved, type Path, pathName } from "../../kernel/vfs/path.ts";
import { needSearch } from "../../kernel/vfs/permission.ts";
import { Type } from "../../kernel/vfs/vnode.ts";
import { walk } from "../../kernel/vfs/walk.ts";
import { Access } from "../../memory/layout.ts";
import { At, atCwd, baseOf, fileOf } from "../at.ts";
import { address, directory, file, int, mode, path, size, uint } from "../kinds.ts";
import { syscall } from "../table.ts";

export const mkdir = syscall({ x86_64: 83, i386: 39 }, [path, mode], (task, text, bits) => {
  makeDirectory(task.process, task.process.fs.cwd, text, bits);
});
export const mkdirat = syscall({ x86_64: 258, i386: 296 }, [directory, path, mode], (task, fd, text, bits) => {
  makeDirectory(task.process, baseOf(task, fd, text), text, bits);
});
export const mknod = syscall({ x86_64: 133, i386: 14 }, [path, mode, uint], (task, text, bits, device) => {
  makeNode(task.process, task.process.fs.cwd, text, bits, device);
});
export const mknodat = syscall(
  { x86_64: 259, i386: 297 },
  [directory, path, mode, uint],
  (task, fd, text, bits, device) => {
    makeNode(task.process, baseOf(task, fd, text), text, bits, device);
  },
);

export const rmdir = syscall({ x86_64: 84, i386: 40 }, [path], (task, text) => {
  removeDirectory(task.process, task.process.fs.cwd, text);
});
export const unlink = syscall({ x86_64: 87, i386: 10 }, [path], (task, text) => {
  unlinkPath(task.process, task.process.fs.cwd, text);
});
export const unlinkat = syscall({ x86_64: 263, i386: 301 }, [directory, path, uint], (task, fd, text, flags) => {
  if ((flags & ~At.removeDirectory) !== 0) throw EINVAL;
  const remove = flags !== 0 ? removeDirectory : unlinkPath;
  remove(task.process, baseOf(task, fd, text), text);
});

export const rename = syscall({ x86_64: 82, i386: 38 }, [path, path], (task, from, to) => {
  const { cwd } = task.process.fs;
  renamePath(task.process, cwd, from, cwd, to);
});
export const renameat = syscall(
  { x86_64: 264, i386: 302 },
  [directory, path, directory, path],
  (task, fd, from, newFd, to) => {
    renamePath(task.process, baseOf(task, fd, from), from, baseOf(task, newFd, to), to);
  },
);
export const renameat2 = syscall(
  { x86_64: 316, i386: 353 },
  [directory, path, directory, path, uint],
  (task, fd, from, newFd, to, flags) => {
    renamePath(task.process, baseOf(task, fd, from), from, baseOf(task, newFd, to), to, flags);
  },
);

function linkWith(task: Task, fd: number, from: string, newFd: number, to: string, flags: number): void {
  if ((flags & ~(At.follow | At.emptyPath)) !== 0) throw EINVAL;
  const { process } = task;
  let existing: Path;
  if (from === "" && (flags & At.emptyPath) !== 0) {
    const { path: opened } = fileOf(task, fd);
    if (!opened) throw ENOENT;
    existing = opened;
  } else existing = walk(process, baseOf(task, fd, from), from, (flags & At.follow) !== 0 ? "always" : "beforeSlash");
  linkPath(process, existing, baseOf(task, newFd, to), to);
}

export const link = syscall({ x86_64: 86, i386: 9 }, [path, path], (task, from, to) =>
  linkWith(task, atCwd, from, atCwd, to, 0),
);
export const linkat = syscall({ x86_64: 265, i386: 303 }, [directory, path, directory, path, uint], linkWith);

export const symlink = syscall({ x86_64: 88, i386: 83 }, [path, path], (task, target, text) => {
  makeLink(task.process, target, task.process.fs.cwd, text);
});
export const symlinkat = syscall({ x86_64: 266, i386: 304 }, [path, directory, path], (task, target, fd, text) => {
  makeLink(task.process, target, baseOf(task, fd, text), text);
});

function readLink(task: Task, fd: number, text: string, at: number, room: number): number {
  const { process } = task;
  if (room === 0 || room > 0x7fffffff) throw EINVAL;
  let found: Path;
  if (text === "") {
    const { path: opened } = fileOf(task, fd);
    if (!opened || opened.vnode.type !== Type.link) throw ENOENT;
    found = opened;
  } else found = walk(process, baseOf(task, fd, text), text, "beforeSlash");
  if (found.vnode.type !== Type.link) throw EINVAL;
  const bytes = encodeName(found.vnode.readlink(process)).subarray(0, room);
  process.memory.guest.write(at, bytes);
  return bytes.length;
}

export const readlink = syscall({ x86_64: 89, i386: 85 }, [path, address, size], (task, text, at, room) => {
  if (text === "") throw ENOENT;
  return readLink(task, atCwd, text, at, room);
});
export const readlinkat = syscall({ x86_64: 267, i386: 305 }, [directory, path, address, size], readLink);

// The working directory and the root.

function enter(task: Task, place: Path): Path {
  if (place.vnode.type !== Type.directory) throw ENOTDIR;
  needSearch(task.process.credentials, place.vnode);
  return place;
}

export const chdir = syscall({ x86_64: 80, i386: 12 }, [path], (task, text) => {
  const { fs } = task.process;
  fs.cwd = enter(task, walk(task.process, fs.cwd, text));
});
export const fchdir = syscall({ x86_64: 81, i386: 133 }, [int], (task, fd) => {
  const { path: place } = fileOf(task, fd);
  if (!place) throw ENOTDIR;
  task.process.fs.cwd = enter(task, place);
});
export const chroot = syscall({ x86_64: 161, i386: 61 }, [path], (task, text) => {
  const { fs, credentials } = task.process;
  const place = enter(task, walk(task.process, fs.cwd, text));
  if (credentials.euid !== 0) throw EPERM;
  fs.root = place;
});
export const getcwd = syscall({ x86_64: 79, i386: 183 }, [address, size], (task, at, room) => {
  const { cwd, root } = task.process.fs;
  if (isRemoved(cwd)) throw ENOENT;
  const bytes = encodeName(pathName(cwd, root) ?? `(unreachable)${pathName(cwd, cwd)}`);
  if (bytes.length + 1 > room) throw ERANGE;
  const { guest } = task.process.memory;
  guest.write(at, bytes);
  guest.writeU8(at + bytes.length, 0);
  return bytes.length + 1;
});
export const umask = syscall({ x86_64: 95, i386: 60 }, [mode], (task, bits) => {
  const { fs } = task.process;
  const before = fs.umask;
  fs.umask = bits & 0o777;
  return before;
});

// Listing.

interface EntryLayout {
  /** Bytes before the name, and how inode and offset are written. */
  readonly header: number;
  readonly align: number;
  readonly wide: boolean;
  /** The type follows the header (getdents64) or ends the record. */
  readonly typeFirst: boolean;
}
const entries64: EntryLayout = { header: 19, align: 8, wide: true, typeFirst: true };
const entriesOld64: EntryLayout = { header: 18, align: 8, wide: true, typeFirst: false };
const entriesOld32: EntryLayout = { header: 10, align: 4, wide: false, typeFirst: false };

/** Most bytes of entries that one call gives. */
const listingRoom = 1 << 16;

const listing = (layout: EntryLayout) => (task: Task, from: OpenFile, at: number, room: number) => {
  const { guest } = task.process.memory;
  if ((from.flags & Open.path) !== 0) throw EINVAL;
  const entries = from.entries(from.position);
  const out = guest.bytes(at, Math.min(room, listingRoom), Access.write);
  const view = new DataView(out.buffer, out.byteOffset, out.length);
  const word = layout.wide ? 8 : 4;
  let used = 0;
  for (const { name, inode, type, next } of entries) {
    const bytes = encodeName(name);
    const length = Math.ceil((layout.header + bytes.length + (layout.typeFirst ? 1 : 2)) / layout.align) * layout.align;
    if (used + length > out.length) {
      if (used === 0) throw EINVAL;
      break;
    }
    out.fill(0, used, used + length);
    view.setUint32(used, inode, true);
    view.setUint32(used + word, next, true);
    view.setUint16(used + 2 * word, length, true);
    out[layout.typeFirst ? used + 18 : used + length - 1] = type >>> 12;
    out.set(bytes, used + layout.header);
    used += length;
    from.position = next;
  }
  return used;
};

export const getdents64 = syscall({ x86_64: 217, i386: 220 }, [file, address, uint], listing(entries64));
export const getdents = syscall({ x86_64: 78 }, [file, address, uint], listing(entriesOld64));

/** getdents of 32-bit programs. */
export const narrowListing = listing(entriesOld32);
