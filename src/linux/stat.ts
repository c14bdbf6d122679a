// The many shapes of struct stat and struct statfs (stat(2), statfs(2), asm/stat.h).

import { EOVERFLOW } from "../kernel/errno.ts";
import type { Task } from "../kernel/task.ts";
import { majorOf, minorOf } from "../kernel/vfs/devices.ts";
import type { Attributes, FileSystemStatus } from "../kernel/vfs/vnode.ts";
import { Access } from "../memory/layout.ts";

const second = 1_000_000_000n;
const wide = 0x1_0000_0000;

/** Checked room for a structure, zeroed; returns the memory's view. */
function room(task: Task, at: number, size: number): DataView {
  const { guest } = task.process.memory;
  guest.bytes(at, size, Access.write).fill(0);
  return guest.view;
}

function setU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % wide, true);
  view.setUint32(at + 4, Math.floor(value / wide), true);
}

/** Seconds as 64 bits and nanoseconds after them. */
function setTime64(view: DataView, at: number, time: bigint): void {
  let seconds = time / second;
  let rest = time % second;
  if (rest < 0n) {
    rest += second;
    seconds--;
  }
  view.setBigInt64(at, seconds, true);
  view.setUint32(at + 8, Number(rest), true);
}

/** Seconds as 32 bits and nanoseconds after them. */
function setTime32(view: DataView, at: number, time: bigint): void {
  let seconds = time / second;
  let rest = time % second;
  if (rest < 0n) {
    rest += second;
    seconds--;
  }
  view.setInt32(at, Number(BigInt.asIntN(32, seconds)), true);
  view.setUint32(at + 4, Number(rest), true);
}

/** struct stat of x86-64. */
export function writeStat(task: Task, at: number, file: Attributes): void {
  const view = room(task, at, 144);
  setU64(view, at, file.device);
  setU64(view, at + 8, file.inode);
  setU64(view, at + 16, file.links);
  view.setUint32(at + 24, file.mode, true);
  view.setUint32(at + 28, file.uid, true);
  view.setUint32(at + 32, file.gid, true);
  setU64(view, at + 40, file.rdev);
  setU64(view, at + 48, file.size);
  setU64(view, at + 56, file.blockSize);
  setU64(view, at + 64, file.blocks);
  setTime64(view, at + 72, file.accessed);
  setTime64(view, at + 88, file.modified);
  setTime64(view, at + 104, file.changed);
}

/** struct stat64 of i386. */
export function writeStat64(task: Task, at: number, file: Attributes): void {
  const view = room(task, at, 96);
  setU64(view, at, file.device);
  view.setUint32(at + 12, file.inode, true);
  view.setUint32(at + 16, file.mode, true);
  view.setUint32(at + 20, file.links, true);
  view.setUint32(at + 24, file.uid, true);
  view.setUint32(at + 28, file.gid, true);
  setU64(view, at + 32, file.rdev);
  setU64(view, at + 44, file.size);
  view.setUint32(at + 52, file.blockSize, true);
  setU64(view, at + 56, file.blocks);
  setTime32(view, at + 64, file.accessed);
  setTime32(view, at + 72, file.modified);
  setTime32(view, at + 80, file.changed);
  setU64(view, at + 88, file.inode);
}

/** struct stat of i386. Throws EOVERFLOW when the size does not fit. */
export function writeStat32(task: Task, at: number, file: Attributes): void {
  if (file.size > 0x7fffffff) throw EOVERFLOW;
  const view = room(task, at, 64);
  view.setUint32(at, file.device, true);
  view.setUint32(at + 4, file.inode, true);
  view.setUint16(at + 8, file.mode, true);
  view.setUint16(at + 10, file.links, true);
  view.setUint16(at + 12, Math.min(file.uid, 0xfffe), true);
  view.setUint16(at + 14, Math.min(file.gid, 0xfffe), true);
  view.setUint32(at + 16, file.rdev, true);
  view.setUint32(at + 20, file.size, true);
  view.setUint32(at + 24, file.blockSize, true);
  view.setUint32(at + 28, file.blocks, true);
  setTime32(view, at + 32, file.accessed);
  setTime32(view, at + 40, file.modified);
  setTime32(view, at + 48, file.changed);
}

/** STATX_BASIC_STATS and STATX_MNT_ID. */
const statxMask = 0x7ff | 0x1000;
const attributeMountRoot = 0x2000;

/** struct statx. */
export function writeStatx(task: Task, at: number, file: Attributes, mountId: number, isMountRoot: boolean): void {
  const view = room(task, at, 256);
  view.setUint32(at, statxMask, true);
  view.setUint32(at + 4, file.blockSize, true);
  view.setUint32(at + 8, isMountRoot ? attributeMountRoot : 0, true);
  view.setUint32(at + 16, file.links, true);
  view.setUint32(at + 20, file.uid, true);
  view.setUint32(at + 24, file.gid, true);
  view.setUint16(at + 28, file.mode, true);
  setU64(view, at + 32, file.inode);
  setU64(view, at + 40, file.size);
  setU64(view, at + 48, file.blocks);
  setU64(view, at + 56, attributeMountRoot);
  setTime64(view, at + 64, file.accessed);
  setTime64(view, at + 96, file.changed);
  setTime64(view, at + 112, file.modified);
  view.setUint32(at + 128, majorOf(file.rdev), true);
  view.setUint32(at + 132, minorOf(file.rdev), true);
  view.setUint32(at + 136, majorOf(file.device), true);
  view.setUint32(at + 140, minorOf(file.device), true);
  setU64(view, at + 144, mountId);
}

const fileSystemValid = 0x20;
const fileSystemReadOnly = 1;
/** ST_RELATIME. */
const relativeAccessTimes = 0x1000;

/** Device and flags of the file system, beside what it says itself. */
export interface StatfsPlace {
  readonly device: number;
  readonly readOnly: boolean;
}

const flagsOf = ({ readOnly }: StatfsPlace) =>
  fileSystemValid | relativeAccessTimes | (readOnly ? fileSystemReadOnly : 0);

/** struct statfs of x86-64. */
export function writeStatfs(task: Task, at: number, status: FileSystemStatus, place: StatfsPlace): void {
  const view = room(task, at, 120);
  const { type, blockSize, blocks, blocksFree, files, filesFree } = status;
  [type, blockSize, blocks, blocksFree, blocksFree, files, filesFree].forEach((value, i) =>
    setU64(view, at + i * 8, value),
  );
  view.setUint32(at + 56, place.device, true);
  setU64(view, at + 64, status.nameMax);
  setU64(view, at + 72, blockSize);
  setU64(view, at + 80, flagsOf(place));
}

/** struct statfs64 of i386. */
export function writeStatfs64(task: Task, at: number, status: FileSystemStatus, place: StatfsPlace): void {
  const view = room(task, at, 84);
  const { type, blockSize, blocks, blocksFree, files, filesFree } = status;
  view.setUint32(at, type, true);
  view.setUint32(at + 4, blockSize, true);
  [blocks, blocksFree, blocksFree, files, filesFree].forEach((value, i) => setU64(view, at + 8 + i * 8, value));
  view.setUint32(at + 48, place.device, true);
  view.setUint32(at + 56, status.nameMax, true);
  view.setUint32(at + 60, blockSize, true);
  view.setUint32(at + 64, flagsOf(place), true);
}

/** struct statfs of i386. */
export function writeStatfs32(task: Task, at: number, status: FileSystemStatus, place: StatfsPlace): void {
  const view = room(task, at, 64);
  const { type, blockSize, blocks, blocksFree, files, filesFree } = status;
  const words = [type, blockSize, blocks, blocksFree, blocksFree, files, filesFree, place.device, 0];
  words.push(status.nameMax, blockSize, flagsOf(place));
  words.forEach((value, i) => view.setUint32(at + i * 4, Math.min(value, 0xffffffff), true));
}
