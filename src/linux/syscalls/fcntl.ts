// Descriptors and their flags, locks and device control: fcntl(2), flock(2), ioctl(2).

import { EAGAIN, EBADF, EINVAL, ENOTTY, EOPNOTSUPP, EOVERFLOW, EPERM } from "../../kernel/errno.ts";
import { Open, type OpenFile } from "../../kernel/file.ts";
import { descriptorLimit } from "../../kernel/filetable.ts";
import { PipeFile } from "../../kernel/pipe.ts";
import type { Task } from "../../kernel/task.ts";
import { locksOf, type Owner, type RecordLock } from "../../kernel/vfs/locks.ts";
import { Type } from "../../kernel/vfs/vnode.ts";
import { fileOf } from "../at.ts";
import { blocking } from "../blocking.ts";
import { address, int, long, uint } from "../kinds.ts";
import { type Result, syscall } from "../table.ts";
import { install } from "./open.ts";

const Command = {
  duplicate: 0,
  getFd: 1,
  setFd: 2,
  getFlags: 3,
  setFlags: 4,
  getLock: 5,
  setLock: 6,
  setLockWait: 7,
  setOwner: 8,
  getOwner: 9,
  setSignal: 10,
  getSignal: 11,
  getLock64: 12,
  setLock64: 13,
  setLockWait64: 14,
  setOwnerEx: 15,
  getOwnerEx: 16,
  getOpenLock: 36,
  setOpenLock: 37,
  setOpenLockWait: 38,
  setLease: 1024,
  getLease: 1025,
  notify: 1026,
  duplicateCloseOnExec: 1030,
  setPipeSize: 1031,
  getPipeSize: 1032,
  addSeals: 1033,
  getSeals: 1034,
  getHint: 1035,
  setHint: 1036,
} as const;

/** Flags that F_SETFL may change. */
const settable = Open.append | Open.nonBlock | 0o20000 | Open.direct | Open.noAccessTime;

/** Where struct flock keeps start, length and pid, and how wide the first two are. */
interface LockLayout {
  readonly start: number;
  readonly length: number;
  readonly pid: number;
  readonly wide: boolean;
}
const lock64: LockLayout = { start: 8, length: 16, pid: 24, wide: true };
const lock32: LockLayout = { start: 4, length: 8, pid: 12, wide: false };
const lock64On32: LockLayout = { start: 4, length: 12, pid: 20, wide: true };

const Lock = { read: 0, write: 1, unlock: 2 } as const;

function fcntlWith(task: Task, fd: number, command: number, argument: number, layout: LockLayout): Result {
  const file = fileOf(task, fd);
  const { process } = task;
  const { files } = process;
  const allowedOnPath = [
    Command.duplicate,
    Command.duplicateCloseOnExec,
    Command.getFd,
    Command.setFd,
    Command.getFlags,
  ];
  if ((file.flags & Open.path) !== 0 && !(allowedOnPath as number[]).includes(command)) throw EBADF;
  switch (command) {
    case Command.duplicate:
    case Command.duplicateCloseOnExec:
      if (argument < 0 || argument >= descriptorLimit(process)) throw EINVAL;
      return install(task, file.retain(), command === Command.duplicateCloseOnExec, argument);
    case Command.getFd:
      return files.closesOnExec(fd) ? 1 : 0;
    case Command.setFd:
      return files.setCloseOnExec(fd, (argument & 1) !== 0);
    case Command.getFlags:
      return file.flags;
    case Command.setFlags:
      file.flags = (file.flags & ~settable) | (argument & settable);
      return 0;
    case Command.getLock:
    case Command.getLock64:
    case Command.getOpenLock:
      return getLock(task, file, argument, layout, command === Command.getOpenLock);
    case Command.setLock:
    case Command.setLock64:
    case Command.setLockWait:
    case Command.setLockWait64:
    case Command.setOpenLock:
    case Command.setOpenLockWait: {
      const ofFile = command === Command.setOpenLock || command === Command.setOpenLockWait;
      const waits =
        command === Command.setLockWait || command === Command.setLockWait64 || command === Command.setOpenLockWait;
      return setLock(task, file, argument, layout, ofFile, waits);
    }
    case Command.setOwner:
      file.owner = argument | 0;
      return 0;
    case Command.getOwner:
      return file.owner;
    case Command.setOwnerEx: {
      const type = process.memory.guest.readU32(argument);
      const id = process.memory.guest.readI32(argument + 4);
      file.owner = type === 2 ? -id : id;
      return 0;
    }
    case Command.getOwnerEx:
      process.memory.guest.writeU32(argument, file.owner < 0 ? 2 : 1);
      process.memory.guest.writeU32(argument + 4, Math.abs(file.owner));
      return 0;
    case Command.setSignal:
    case Command.getSignal:
    case Command.getHint:
    case Command.setHint:
      return 0;
    case Command.setLease:
    case Command.notify:
      throw EINVAL;
    case Command.getLease:
      return Lock.unlock;
    case Command.setPipeSize:
      if (!(file instanceof PipeFile)) throw EBADF;
      return file.resize(argument);
    case Command.getPipeSize:
      if (!(file instanceof PipeFile)) throw EBADF;
      return file.pipe.capacity;
    case Command.addSeals:
      if (!file.writable) throw EPERM;
      if (!file.path) throw EINVAL;
      return file.path.vnode.addSeals(argument);
    case Command.getSeals:
      if (!file.path) throw EINVAL;
      return file.path.vnode.getSeals();
    default:
      throw EINVAL;
  }
}

interface LockRequest {
  readonly type: number;
  readonly start: number;
  readonly end: number;
}

function readLock(task: Task, file: OpenFile, at: number, layout: LockLayout): LockRequest {
  const { guest } = task.process.memory;
  const number = (offset: number) => (layout.wide ? guest.readI64(at + offset) : guest.readI32(at + offset));
  const type = guest.readU16(at);
  const whence = guest.readU16(at + 2);
  if (type > Lock.unlock || whence > 2) throw EINVAL;
  const from = whence === 0 ? 0 : whence === 1 ? file.position : file.attributes().size;
  let start = from + number(layout.start);
  const length = number(layout.length);
  let end = length === 0 ? Infinity : start + length;
  if (length < 0) [start, end] = [end, start];
  if (start < 0) throw EINVAL;
  return { type, start, end };
}

function lockOwner(task: Task, file: OpenFile, ofFile: boolean): { owner: Owner; pid: number } {
  return ofFile ? { owner: file, pid: -1 } : { owner: task.process, pid: task.process.pid };
}

function locksFor(file: OpenFile) {
  if (!file.path) throw EINVAL;
  return locksOf(file.path.vnode);
}

function getLock(task: Task, file: OpenFile, at: number, layout: LockLayout, ofFile: boolean): number {
  const { guest } = task.process.memory;
  const { type, start, end } = readLock(task, file, at, layout);
  if (type === Lock.unlock) throw EINVAL;
  const wanted = { ...lockOwner(task, file, ofFile), exclusive: type === Lock.write, start, end };
  const found = locksFor(file).conflict(wanted);
  if (!found) {
    guest.writeU16(at, Lock.unlock);
    return 0;
  }
  const length = found.end === Infinity ? 0 : found.end - found.start;
  if (!layout.wide && Math.max(found.start, length) > 0x7fffffff) throw EOVERFLOW;
  guest.writeU16(at, found.exclusive ? Lock.write : Lock.read);
  guest.writeU16(at + 2, 0);
  if (layout.wide) {
    guest.writeU64(at + layout.start, found.start);
    guest.writeU64(at + layout.length, length);
  } else {
    guest.writeU32(at + layout.start, found.start);
    guest.writeU32(at + layout.length, length);
  }
  guest.writeU32(at + layout.pid, found.pid);
  return 0;
}

function setLock(task: Task, file: OpenFile, at: number, layout: LockLayout, ofFile: boolean, waits: boolean): Result {
  const { type, start, end } = readLock(task, file, at, layout);
  const locks = locksFor(file);
  const who = lockOwner(task, file, ofFile);
  if (type === Lock.unlock) {
    locks.record(who.owner, start, end, undefined);
    return 0;
  }
  if (type === Lock.write ? !file.writable : !file.readable) throw EBADF;
  const wanted: RecordLock = { ...who, exclusive: type === Lock.write, start, end };
  if (locks.record(who.owner, start, end, wanted)) return 0;
  if (!waits) throw EAGAIN;
  locks.waitFor(wanted);
  return {
    attempt: () => {
      locks.stopWaiting(who.owner);
      if (locks.record(who.owner, start, end, wanted)) return 0;
      locks.waitFor(wanted);
      return undefined;
    },
    queues: [locks.changed],
    onSignal: "restart",
    finished: () => locks.stopWaiting(who.owner),
  };
}

export const fcntl = syscall({ x86_64: 72 }, [int, uint, long], (task, fd, command, argument) =>
  fcntlWith(task, fd, command, argument, lock64),
);

/** fcntl and fcntl64 of 32-bit programs; table rows in fcntl32.ts. */
export function fcntl32(task: Task, fd: number, command: number, argument: number, large: boolean): Result {
  const narrow = command === Command.getLock || command === Command.setLock || command === Command.setLockWait;
  if (!large && command >= Command.getLock64 && command <= Command.setLockWait64) throw EINVAL;
  return fcntlWith(task, fd, command, argument, narrow ? lock32 : lock64On32);
}

export const flock = syscall({ x86_64: 73, i386: 143 }, [int, uint], (task, fd, operation) => {
  const file = fileOf(task, fd);
  if ((file.flags & Open.path) !== 0) throw EBADF;
  const kind = operation & ~4;
  if (kind !== 1 && kind !== 2 && kind !== 8) throw EINVAL;
  if (!file.path) return 0;
  const locks = locksOf(file.path.vnode);
  const wanted = kind === 8 ? undefined : kind === 2;
  if (locks.flock(file, wanted)) return 0;
  if ((operation & 4) !== 0) throw EAGAIN;
  return {
    attempt: () => (locks.flock(file, wanted) ? 0 : undefined),
    queues: [locks.changed],
    onSignal: "restart",
  };
});

const Request = {
  blockSize: 2,
  clone: 0x40049409,
  cloneRange: 0x4020940d,
  setNonBlock: 0x5421,
  available: 0x541b,
  clearCloseOnExec: 0x5450,
  closeOnExec: 0x5451,
  async: 0x5452,
  fileSize: 0x5460,
} as const;

export const ioctl = syscall({ x86_64: 16, i386: 54 }, [int, uint, address], (task, fd, request, argument) => {
  const file = fileOf(task, fd);
  const { files, memory } = task.process;
  if ((file.flags & Open.path) !== 0) throw EBADF;
  switch (request) {
    case Request.clearCloseOnExec:
    case Request.closeOnExec:
      return files.setCloseOnExec(fd, request === Request.closeOnExec);
    case Request.setNonBlock:
    case Request.async: {
      const bit = request === Request.async ? 0o20000 : Open.nonBlock;
      file.flags = memory.guest.readU32(argument) !== 0 ? file.flags | bit : file.flags & ~bit;
      return 0;
    }
    case Request.available:
      if (file.path?.vnode.type !== Type.regular) return file.ioctl(task, request, argument);
      memory.guest.writeU32(argument, Math.max(0, file.attributes().size - file.position));
      return 0;
    case Request.fileSize:
      if (file.path?.vnode.type !== Type.regular) throw ENOTTY;
      memory.guest.writeU64(argument, file.attributes().size);
      return 0;
    case Request.blockSize:
      if (!file.path) throw ENOTTY;
      memory.guest.writeU32(argument, file.attributes().blockSize);
      return 0;
    case Request.clone:
    case Request.cloneRange:
      throw EOPNOTSUPP;
    default:
      // A device may take its time: it says EAGAIN and tells when to come back.
      return blocking(file, () => file.ioctl(task, request, argument));
  }
});
