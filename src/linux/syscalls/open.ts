// Opening and closing: open(2), openat2(2), close(2), dup(2), pipe(2).

import { E2BIG, EAGAIN, EBADF, EINVAL, ENOENT } from "../../kernel/errno.ts";
import { Open, type OpenFile } from "../../kernel/file.ts";
import { descriptorLimit } from "../../kernel/filetable.ts";
import { PipeFile, pipePair } from "../../kernel/pipe.ts";
import type { Task } from "../../kernel/task.ts";
import { anyListener, Event, tellAt } from "../../kernel/vfs/notify.ts";
import { openAt, openPath, pathFlags, temporary } from "../../kernel/vfs/open.ts";
import { fileSystemsOf } from "../../kernel/vfs/filesystems.ts";
import { find, Resolve } from "../../kernel/vfs/walk.ts";
import { atCwd, baseOf, fileOf } from "../at.ts";
import { address, directory, int, mode, path, size, uint } from "../kinds.ts";
import { type Result, syscall } from "../table.ts";

/** The flags that there are; others are ignored (open(2)). */
const knownFlags = 0o37777777;

/** Gives a file its descriptor. The reference is taken over, whatever happens. */
export function install(task: Task, file: OpenFile, closeOnExec: boolean, minimum = 0): number {
  const { process } = task;
  try {
    return process.files.add(file, closeOnExec, descriptorLimit(process), minimum);
  } catch (error) {
    file.release();
    throw error;
  }
}

/** Two descriptors at once: all or none. */
export function installPair(task: Task, files: readonly [OpenFile, OpenFile], closeOnExec: boolean): [number, number] {
  let first: number;
  try {
    first = install(task, files[0], closeOnExec);
  } catch (error) {
    files[1].release();
    throw error;
  }
  try {
    return [first, install(task, files[1], closeOnExec)];
  } catch (error) {
    task.process.files.close(first, task.process);
    throw error;
  }
}

function openFile(task: Task, fd: number, text: string, flags: number, bits: number, resolve = 0): Result {
  const { process } = task;
  const base = baseOf(task, fd, text);
  if ((flags & (Open.create | temporary)) === 0) {
    // Names that do not exist are the usual failure of searches: not worth a throw.
    const follow = (flags & Open.noFollow) !== 0 ? "beforeSlash" : "always";
    const found = find(process, base, text, follow, resolve).path;
    if (!found) return -ENOENT.number;
    return finishOpen(task, openPath(process, found, pathFlags(flags & knownFlags)), flags);
  }
  // Bits that open(2) does not know are ignored; access mode 3 asks for both permissions.
  return finishOpen(task, openAt(process, base, text, flags & knownFlags, bits, resolve), flags);
}

/** Gives the opened file its descriptor, for a fifo when the other end is there. */
function finishOpen(task: Task, file: OpenFile, flags: number): Result {
  const closeOnExec = (flags & Open.closeOnExec) !== 0;
  if (!(file instanceof PipeFile) || file.connected || (flags & Open.nonBlock) !== 0)
    return install(task, file, closeOnExec);
  let taken = false;
  return {
    attempt: () => {
      if (!file.connected) return undefined;
      taken = true;
      return install(task, file, closeOnExec);
    },
    queues: [file.changed],
    onSignal: "restart",
    finished: () => {
      if (!taken) file.release();
    },
  };
}

export const open = syscall({ x86_64: 2, i386: 5 }, [path, uint, mode], (task, text, flags, bits) =>
  openFile(task, atCwd, text, flags | Open.largeFile, bits),
);
export const openat = syscall(
  { x86_64: 257, i386: 295 },
  [directory, path, uint, mode],
  (task, fd, text, flags, bits) => openFile(task, fd, text, flags | Open.largeFile, bits),
);
export const creat = syscall({ x86_64: 85, i386: 8 }, [path, mode], (task, text, bits) =>
  openFile(task, atCwd, text, Open.create | Open.writeOnly | Open.truncate | Open.largeFile, bits),
);

const openHowSize = 24;
const knownResolve =
  Resolve.noMounts | Resolve.noMagicLinks | Resolve.noLinks | Resolve.beneath | Resolve.inRoot | Resolve.cached;

export const openat2 = syscall(
  { x86_64: 437, i386: 437 },
  [directory, path, address, size],
  (task, fd, text, at, length) => {
    const { guest } = task.process.memory;
    if (length < openHowSize) throw EINVAL;
    if (length > 4096) throw E2BIG;
    for (let i = openHowSize; i < length; i++) if (guest.readU8(at + i) !== 0) throw E2BIG;
    const flags = guest.readU64(at);
    const bits = guest.readU64(at + 8);
    const resolve = guest.readU64(at + 16);
    if (flags > 0o37777777 || bits > 0o7777 || (resolve & ~knownResolve) !== 0) throw EINVAL;
    if (bits !== 0 && (flags & (Open.create | (Open.tmpFile & ~Open.directory))) === 0) throw EINVAL;
    if ((resolve & Resolve.cached) !== 0) throw EAGAIN;
    if ((resolve & Resolve.inRoot) === 0) return openFile(task, fd, text, flags | Open.largeFile, bits, resolve);
    const base = baseOf(task, fd, "");
    const file = openAt(task.process, base, text, flags | Open.largeFile, bits, resolve);
    return install(task, file, (flags & Open.closeOnExec) !== 0);
  },
);

/** Closes a descriptor, telling those who watch its file. */
function closeOne(task: Task, fd: number): void {
  const { process } = task;
  if (anyListener()) {
    const file = process.files.get(fd);
    if (file?.path) tellAt(file.path, file.writable ? Event.closeWrite : Event.closeNoWrite);
  }
  process.files.close(fd, process);
}

export const close = syscall({ x86_64: 3, i386: 6 }, [int], (task, fd) => closeOne(task, fd));

const closeRangeUnshare = 2;
const closeRangeOnExec = 4;

export const close_range = syscall({ x86_64: 436, i386: 436 }, [uint, uint, uint], (task, first, last, flags) => {
  const { process } = task;
  if ((flags & ~(closeRangeUnshare | closeRangeOnExec)) !== 0 || first > last) throw EINVAL;
  if ((flags & closeRangeUnshare) !== 0 && process.files.shared) {
    const own = process.files.clone();
    process.files.release(process);
    process.files = own;
  }
  for (const [fd] of [...process.files.descriptors()]) {
    if (fd < first || fd > last) continue;
    if ((flags & closeRangeOnExec) !== 0) process.files.setCloseOnExec(fd, true);
    else closeOne(task, fd);
  }
});

export const dup = syscall({ x86_64: 32, i386: 41 }, [int], (task, fd) =>
  install(task, fileOf(task, fd).retain(), false),
);

function duplicateTo(task: Task, from: number, to: number, closeOnExec: boolean): number {
  const { process } = task;
  const file = fileOf(task, from);
  if (to < 0 || to >= descriptorLimit(process)) throw EBADF;
  process.files.set(to, file.retain(), closeOnExec, process);
  return to;
}

export const dup2 = syscall({ x86_64: 33, i386: 63 }, [int, int], (task, from, to) => {
  if (from !== to) return duplicateTo(task, from, to, false);
  fileOf(task, from);
  return to;
});
export const dup3 = syscall({ x86_64: 292, i386: 330 }, [int, int, uint], (task, from, to, flags) => {
  if ((flags & ~Open.closeOnExec) !== 0 || from === to) throw EINVAL;
  return duplicateTo(task, from, to, flags !== 0);
});

function makePipe(task: Task, at: number, flags: number): void {
  const { guest } = task.process.memory;
  if ((flags & ~(Open.closeOnExec | Open.nonBlock | Open.direct)) !== 0) throw EINVAL;
  const pair = installPair(task, pipePair(flags & Open.nonBlock), (flags & Open.closeOnExec) !== 0);
  try {
    guest.writeU32(at, pair[0]);
    guest.writeU32(at + 4, pair[1]);
  } catch (error) {
    for (const fd of pair) task.process.files.close(fd, task.process);
    throw error;
  }
}

export const pipe = syscall({ x86_64: 22, i386: 42 }, [address], (task, at) => makePipe(task, at, 0));
export const pipe2 = syscall({ x86_64: 293, i386: 331 }, [address, uint], makePipe);

const memfdCloseOnExec = 1;
const memfdAllowSealing = 2;
const memfdNoExecSeal = 8;
const memfdExec = 16;
const sealSeal = 1;

export const memfd_create = syscall({ x86_64: 319, i386: 356 }, [path, uint], (task, name, flags) => {
  const known = memfdCloseOnExec | memfdAllowSealing | memfdNoExecSeal | memfdExec;
  if ((flags & ~known) !== 0 || name.length > 249) throw EINVAL;
  const { process } = task;
  const place = fileSystemsOf(process.kernel).unnamed(process, `memfd:${name}`);
  if ((flags & memfdNoExecSeal) !== 0) place.vnode.setAttributes({ mode: 0o666 });
  else if ((flags & memfdAllowSealing) === 0) place.vnode.addSeals(sealSeal);
  const file = place.vnode.open(Open.readWrite | Open.largeFile, place, process);
  return install(task, file, (flags & memfdCloseOnExec) !== 0);
});
