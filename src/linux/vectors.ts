// Scattered buffers: struct iovec of readv(2), sendmsg(2) and the like, in both widths.

import { EFAULT, EINVAL } from "../kernel/errno.ts";
import type { Task } from "../kernel/task.ts";
import { Access } from "../memory/layout.ts";

/** One piece of guest memory. */
export interface Piece {
  readonly address: number;
  readonly length: number;
}

export type Width = 32 | 64;

const mostPieces = 1024;
/** Most bytes that one call moves (read(2)). */
export const mostBytes = 0x7ffff000;
/** Most bytes of scattered buffers in one call: they may all be the same memory, but what they are gathered into is not. */
const mostScattered = 1 << 26;

/** Reads an iovec array. Throws EINVAL for too many pieces or lengths that overflow. */
export function readVectors(task: Task, at: number, count: number, width: Width): Piece[] {
  const { guest } = task.process.memory;
  if (count < 0 || count > mostPieces) throw EINVAL;
  const pieces: Piece[] = [];
  let total = 0;
  for (let i = 0; i < count; i++) {
    const address = width === 64 ? guest.readU64(at + i * 16) : guest.readU32(at + i * 8);
    let length = width === 64 ? guest.readU64(at + i * 16 + 8) : guest.readU32(at + i * 8 + 4);
    if (length > (width === 64 ? Number.MAX_SAFE_INTEGER : 0x7fffffff)) throw EINVAL;
    length = Math.min(length, mostScattered - total);
    total += length;
    if (length > 0) pieces.push({ address, length });
  }
  return pieces;
}

export function totalLength(pieces: readonly Piece[]): number {
  let total = 0;
  for (const { length } of pieces) total += length;
  return total;
}

/** Gathers all pieces into one buffer. */
export function gather(task: Task, pieces: readonly Piece[]): Uint8Array {
  const { guest } = task.process.memory;
  const [only] = pieces;
  if (pieces.length === 1 && only) return guest.bytes(only.address, only.length, Access.read);
  const bytes = new Uint8Array(totalLength(pieces));
  let at = 0;
  for (const { address, length } of pieces) {
    bytes.set(guest.bytes(address, length, Access.read), at);
    at += length;
  }
  return bytes;
}

/** Spreads `bytes` over the pieces. Throws EFAULT when they are too short. */
export function scatter(task: Task, pieces: readonly Piece[], bytes: Uint8Array): void {
  let at = 0;
  for (const { address, length } of pieces) {
    if (at >= bytes.length) return;
    const part = bytes.subarray(at, at + length);
    task.process.memory.guest.write(address, part);
    at += part.length;
  }
  if (at < bytes.length) throw EFAULT;
}
