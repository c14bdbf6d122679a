// Changing what files are: chmod(2), chown(2), utimensat(2), truncate(2), fallocate(2), extended attributes, sync(2).

import { E2BIG, EBADF, EINVAL, ENODEV, EOPNOTSUPP, ERANGE, ESPIPE } from "../../kernel/errno.ts";
import { Open, type OpenFile } from "../../kernel/file.ts";
import type { Task } from "../../kernel/task.ts";
import { decodeName, encodeName } from "../../kernel/vfs/names.ts";
import { Event, tellAt } from "../../kernel/vfs/notify.ts";
import {
  changeMode,
  changeOwner,
  changeTimes,
  needXattr,
  type Target,
  targetOf,
  truncatePath,
} from "../../kernel/vfs/operations.ts";
import { type Allocation, type Path, Type } from "../../kernel/vfs/vnode.ts";
import { walk } from "../../kernel/vfs/walk.ts";
import { Access } from "../../memory/layout.ts";
import { At, atCwd, attributesTarget, fileOf } from "../at.ts";
import { address, directory, int, long, mode, path, size, uint } from "../kinds.ts";
import { syscall } from "../table.ts";
import type { Width } from "../vectors.ts";

function named(task: Task, text: string, follow = true): Path {
  return walk(task.process, task.process.fs.cwd, text, follow ? "always" : "beforeSlash");
}

/** The open file of a call that O_PATH descriptors may not make. */
function opened(task: Task, fd: number): OpenFile {
  const file = fileOf(task, fd);
  if ((file.flags & Open.path) !== 0) throw EBADF;
  return file;
}

export const chmod = syscall({ x86_64: 90, i386: 15 }, [path, mode], (task, text, bits) => {
  changeMode(task.process, targetOf(named(task, text)), bits);
});
export const fchmod = syscall({ x86_64: 91, i386: 94 }, [int, mode], (task, fd, bits) => {
  changeMode(task.process, opened(task, fd), bits);
});
export const fchmodat = syscall({ x86_64: 268, i386: 306 }, [directory, path, mode], (task, fd, text, bits) => {
  changeMode(task.process, attributesTarget(task, fd, text, 0), bits);
});
export const fchmodat2 = syscall(
  { x86_64: 452, i386: 452 },
  [directory, path, mode, uint],
  (task, fd, text, bits, flags) => {
    if ((flags & ~(At.noFollow | At.emptyPath)) !== 0) throw EINVAL;
    const target = attributesTarget(task, fd, text, flags);
    if ((target.attributes().mode & Type.mask) === Type.link) throw EOPNOTSUPP;
    changeMode(task.process, target, bits);
  },
);

export const chown = syscall({ x86_64: 92, i386: 212 }, [path, int, int], (task, text, uid, gid) => {
  changeOwner(task.process, targetOf(named(task, text)), uid, gid);
});
export const lchown = syscall({ x86_64: 94, i386: 198 }, [path, int, int], (task, text, uid, gid) => {
  changeOwner(task.process, targetOf(named(task, text, false)), uid, gid);
});
export const fchown = syscall({ x86_64: 93, i386: 207 }, [int, int, int], (task, fd, uid, gid) => {
  changeOwner(task.process, opened(task, fd), uid, gid);
});
export const fchownat = syscall(
  { x86_64: 260, i386: 298 },
  [directory, path, int, int, uint],
  (task, fd, text, uid, gid, flags) => {
    if ((flags & ~(At.noFollow | At.emptyPath)) !== 0) throw EINVAL;
    changeOwner(task.process, attributesTarget(task, fd, text, flags), uid, gid);
  },
);

// Times.

const timeNow = 0x3fffffff;
const timeOmit = 0x3ffffffe;
const second = 1_000_000_000n;

/** A time as utimensat(2) gives it: nanoseconds, "now", or undefined to leave it. */
type GivenTime = bigint | "now" | undefined;

function readTimes(task: Task, at: number, width: Width): [GivenTime, GivenTime] {
  if (at === 0) return ["now", "now"];
  const { guest } = task.process.memory;
  const step = width / 4;
  const one = (from: number): GivenTime => {
    const nanoseconds = guest.readU32(from + step / 2);
    if (nanoseconds === timeNow) return "now";
    if (nanoseconds === timeOmit) return undefined;
    if (nanoseconds >= 1_000_000_000) throw EINVAL;
    const seconds = width === 64 ? BigInt.asIntN(64, guest.readBig64(from)) : BigInt(guest.readI32(from));
    return seconds * second + BigInt(nanoseconds);
  };
  return [one(at), one(at + step)];
}

function readTimevals(task: Task, at: number, width: Width): [GivenTime, GivenTime] {
  if (at === 0) return ["now", "now"];
  const { guest } = task.process.memory;
  const step = width / 4;
  const one = (from: number): GivenTime => {
    const microseconds = width === 64 ? guest.readI64(from + 8) : guest.readI32(from + 4);
    if (microseconds < 0 || microseconds >= 1_000_000) throw EINVAL;
    const seconds = width === 64 ? guest.readI64(from) : guest.readI32(from);
    return BigInt(seconds) * second + BigInt(microseconds) * 1000n;
  };
  return [one(at), one(at + step)];
}

function setTimes(task: Task, target: Target, [accessed, modified]: [GivenTime, GivenTime]): void {
  changeTimes(task.process, target, accessed, modified, task.process.kernel.realtime());
}

/** utimensat(2) with either width of timespec; a null path means the descriptor itself. */
const utimensatWith = (width: Width) => (task: Task, fd: number, at: number, times: number, flags: number) => {
  if ((flags & ~(At.noFollow | At.emptyPath)) !== 0) throw EINVAL;
  const given = readTimes(task, times, width);
  if (given[0] === undefined && given[1] === undefined) return;
  if (at === 0) {
    if (flags !== 0) throw EINVAL;
    return setTimes(task, opened(task, fd), given);
  }
  setTimes(task, attributesTarget(task, fd, path.decode(task, at, 0), flags), given);
};

export const utimensat = syscall({ x86_64: 280 }, [directory, address, address, uint], utimensatWith(64));
export const utimensat_time64 = syscall({ i386: 412 }, [directory, address, address, uint], utimensatWith(64));
/** The i386 call with 32-bit times. */
export const narrowUtimensat = utimensatWith(32);

const futimesatWith = (width: Width) => (task: Task, fd: number, at: number, times: number) => {
  const given = readTimevals(task, times, width);
  if (at === 0) return setTimes(task, opened(task, fd), given);
  setTimes(task, attributesTarget(task, fd, path.decode(task, at, 0), 0), given);
};
export const futimesat = syscall({ x86_64: 261 }, [directory, address, address], futimesatWith(64));
export const narrowFutimesat = futimesatWith(32);

const utimesWith = (width: Width) => (task: Task, text: string, times: number) =>
  setTimes(task, attributesTarget(task, atCwd, text, 0), readTimevals(task, times, width));
export const utimes = syscall({ x86_64: 235 }, [path, address], utimesWith(64));
export const narrowUtimes = utimesWith(32);

const utimeWith = (width: Width) => (task: Task, text: string, at: number) => {
  const { guest } = task.process.memory;
  const one = (from: number): GivenTime =>
    at === 0 ? "now" : BigInt(width === 64 ? guest.readI64(from) : guest.readI32(from)) * second;
  setTimes(task, attributesTarget(task, atCwd, text, 0), [one(at), one(at + width / 8)]);
};
export const utime = syscall({ x86_64: 132 }, [path, address], utimeWith(64));
export const narrowUtime = utimeWith(32);

// Size.

/** truncate(2) by name. */
export function truncateNamed(task: Task, text: string, length: number): void {
  if (length < 0) throw EINVAL;
  truncatePath(task.process, named(task, text), length);
}

/** ftruncate(2). */
export function truncateOpen(task: Task, fd: number, length: number): void {
  const file = opened(task, fd);
  if (length < 0 || !file.writable) throw EINVAL;
  file.truncate(length);
  tellAt(file.path, Event.modify);
}

export const truncate = syscall({ x86_64: 76, i386: 92 }, [path, long], truncateNamed);
export const ftruncate = syscall({ x86_64: 77, i386: 93 }, [int, long], truncateOpen);

const Fallocate = { keepSize: 1, punch: 2, zero: 16 } as const;

/** fallocate(2). */
export function allocate(task: Task, fd: number, how: number, offset: number, length: number): void {
  const file = opened(task, fd);
  if (!file.writable) throw EBADF;
  if (offset < 0 || length <= 0) throw EINVAL;
  if (!file.path) throw file.stream ? ESPIPE : ENODEV;
  if (file.path.vnode.type === Type.fifo) throw ESPIPE;
  if (file.path.vnode.type !== Type.regular) throw ENODEV;
  const kinds: Record<number, Allocation> = {
    0: "reserve",
    [Fallocate.keepSize]: "reserveKeepSize",
    [Fallocate.punch | Fallocate.keepSize]: "punch",
    [Fallocate.zero]: "zero",
    [Fallocate.zero | Fallocate.keepSize]: "zeroKeepSize",
  };
  const kind = kinds[how];
  if (!kind) throw EOPNOTSUPP;
  file.path.vnode.allocate(offset, length, kind);
  tellAt(file.path, Event.modify);
}

export const fallocate = syscall({ x86_64: 285 }, [int, uint, long, long], allocate);

/** posix_fadvise(2): advice is only checked. */
export function advise(task: Task, fd: number, advice: number): void {
  const file = fileOf(task, fd);
  if (!file.path || file.path.vnode.type === Type.fifo) throw ESPIPE;
  if (advice < 0 || advice > 5) throw EINVAL;
}
export const fadvise64 = syscall({ x86_64: 221 }, [int, long, long, int], (task, fd, _offset, _length, advice) =>
  advise(task, fd, advice),
);
export const readahead = syscall({ x86_64: 187 }, [int, long, size], (task, fd) => {
  if (!opened(task, fd).readable) throw EBADF;
});

// Stable storage.

export const sync = syscall({ x86_64: 162, i386: 36 }, [], (task) => {
  for (const { fileSystem } of task.process.fs.root.mount.space.mounts) fileSystem.sync?.();
});
export const syncfs = syscall({ x86_64: 306, i386: 344 }, [int], (task, fd) => {
  opened(task, fd).path?.mount.fileSystem.sync?.();
});
function syncFile(task: Task, fd: number): void {
  const file = opened(task, fd);
  if (!file.path || file.path.vnode.type === Type.fifo) throw EINVAL;
  file.sync();
}
export const fsync = syscall({ x86_64: 74, i386: 118 }, [int], syncFile);
export const fdatasync = syscall({ x86_64: 75, i386: 148 }, [int], syncFile);
export const sync_file_range = syscall({ x86_64: 277 }, [int, long, long, uint], (task, fd, offset, length, flags) => {
  if ((flags & ~7) !== 0 || offset < 0 || length < 0) throw EINVAL;
  syncFile(task, fd);
});

// Extended attributes (xattr(7)).

const nameLimit = 255;
const valueLimit = 65536;

function attributeName(task: Task, at: number): string {
  let bytes: Uint8Array;
  try {
    bytes = task.process.memory.guest.readCString(at, nameLimit + 1);
  } catch (error) {
    if (error instanceof RangeError) throw ERANGE;
    throw error;
  }
  if (bytes.length === 0) throw ERANGE;
  const name = decodeName(bytes);
  if (!/^(user|trusted|security|system)\../.test(name)) throw EOPNOTSUPP;
  return name;
}

function setXattr(task: Task, place: Path, nameAt: number, at: number, length: number, flags: number): void {
  if ((flags & ~3) !== 0 || flags === 3) throw EINVAL;
  const name = attributeName(task, nameAt);
  if (length > valueLimit) throw E2BIG;
  needXattr(task.process, place, name, true);
  place.vnode.setXattr(name, task.process.memory.guest.bytes(at, length, Access.read), flags);
  tellAt(place, Event.attributes);
}

/** Hands a value out; a room of 0 asks for its length. */
function handOut(task: Task, value: Uint8Array, at: number, room: number): number {
  if (room === 0) return value.length;
  if (value.length > room) throw ERANGE;
  task.process.memory.guest.write(at, value);
  return value.length;
}

function getXattr(task: Task, place: Path, nameAt: number, at: number, room: number): number {
  const name = attributeName(task, nameAt);
  needXattr(task.process, place, name, false);
  return handOut(task, place.vnode.getXattr(name), at, room);
}

function listXattrs(task: Task, place: Path, at: number, room: number): number {
  const names = place.vnode.listXattrs().map((name) => encodeName(`${name}\0`));
  const bytes = new Uint8Array(names.reduce((sum, name) => sum + name.length, 0));
  let end = 0;
  for (const name of names) {
    bytes.set(name, end);
    end += name.length;
  }
  return handOut(task, bytes, at, room);
}

function removeXattr(task: Task, place: Path, nameAt: number): void {
  const name = attributeName(task, nameAt);
  needXattr(task.process, place, name, true);
  place.vnode.removeXattr(name);
  tellAt(place, Event.attributes);
}

/** The place of an open file. */
function placeOf(task: Task, fd: number): Path {
  const { path: place } = opened(task, fd);
  if (!place) throw EOPNOTSUPP;
  return place;
}

export const setxattr = syscall(
  { x86_64: 188, i386: 226 },
  [path, address, address, size, uint],
  (task, text, ...rest) => setXattr(task, named(task, text), ...rest),
);
export const lsetxattr = syscall(
  { x86_64: 189, i386: 227 },
  [path, address, address, size, uint],
  (task, text, ...rest) => setXattr(task, named(task, text, false), ...rest),
);
export const fsetxattr = syscall({ x86_64: 190, i386: 228 }, [int, address, address, size, uint], (task, fd, ...rest) =>
  setXattr(task, placeOf(task, fd), ...rest),
);
export const getxattr = syscall({ x86_64: 191, i386: 229 }, [path, address, address, size], (task, text, ...rest) =>
  getXattr(task, named(task, text), ...rest),
);
export const lgetxattr = syscall({ x86_64: 192, i386: 230 }, [path, address, address, size], (task, text, ...rest) =>
  getXattr(task, named(task, text, false), ...rest),
);
export const fgetxattr = syscall({ x86_64: 193, i386: 231 }, [int, address, address, size], (task, fd, ...rest) =>
  getXattr(task, placeOf(task, fd), ...rest),
);
export const listxattr = syscall({ x86_64: 194, i386: 232 }, [path, address, size], (task, text, ...rest) =>
  listXattrs(task, named(task, text), ...rest),
);
export const llistxattr = syscall({ x86_64: 195, i386: 233 }, [path, address, size], (task, text, ...rest) =>
  listXattrs(task, named(task, text, false), ...rest),
);
export const flistxattr = syscall({ x86_64: 196, i386: 234 }, [int, address, size], (task, fd, ...rest) =>
  listXattrs(task, placeOf(task, fd), ...rest),
);
export const removexattr = syscall({ x86_64: 197, i386: 235 }, [path, address], (task, text, at) =>
  removeXattr(task, named(task, text), at),
);
export const lremovexattr = syscall({ x86_64: 198, i386: 236 }, [path, address], (task, text, at) =>
  removeXattr(task, named(task, text, false), at),
);
export const fremovexattr = syscall({ x86_64: 199, i386: 237 }, [int, address], (task, fd, at) =>
  removeXattr(task, placeOf(task, fd), at),
);
