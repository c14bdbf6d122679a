// Reading and writing: read(2), write(2), their vectored and positioned forms, lseek(2).

import { EBADF, EINVAL, ESPIPE } from "../../kernel/errno.ts";
import type { OpenFile } from "../../kernel/file.ts";
import type { Task } from "../../kernel/task.ts";
import { anyListener, Event, tellAt } from "../../kernel/vfs/notify.ts";
import { Access } from "../../memory/layout.ts";
import { fileOf } from "../at.ts";
import { blocking, blockingWrite } from "../blocking.ts";
import { address, file, int, long, size, uint } from "../kinds.ts";
import { type Result, syscall } from "../table.ts";
import { mostBytes, type Piece, readVectors, totalLength, type Width } from "../vectors.ts";

function needReadable(file: OpenFile): void {
  if (!file.readable) throw EBADF;
}
function needWritable(file: OpenFile): void {
  if (!file.writable) throw EBADF;
}
/** Throws unless the file has positions of its own. */
function needPosition(file: OpenFile, position: number): void {
  if (position < 0) throw EINVAL;
  if (file.path === undefined && file.stream) throw ESPIPE;
  file.seek(0, 1);
}

/** Reads into one piece of memory. */
export function readInto(task: Task, file: OpenFile, at: number, count: number, position?: number): Result {
  needReadable(file);
  const { guest } = task.process.memory;
  const length = Math.min(count, mostBytes);
  if (file.path !== undefined && anyListener()) tellAt(file.path, Event.access);
  return blocking(file, () => file.read(guest.bytes(at, length, Access.write), position));
}

/** Writes one piece of memory. */
export function writeFrom(task: Task, file: OpenFile, at: number, count: number, position?: number): Result {
  needWritable(file);
  const { guest } = task.process.memory;
  const length = Math.min(count, mostBytes);
  if (file.path !== undefined && anyListener()) tellAt(file.path, Event.modify);
  return blockingWrite(task, file, length, (done) =>
    file.write(
      guest.bytes(at + done, length - done, Access.read),
      position === undefined ? undefined : position + done,
    ),
  );
}

export const read = syscall({ x86_64: 0, i386: 3 }, [file, address, size], (task, from, at, count) =>
  readInto(task, from, at, count),
);
export const write = syscall({ x86_64: 1, i386: 4 }, [file, address, size], (task, to, at, count) =>
  writeFrom(task, to, at, count),
);

/** Reads into pieces in turn until one comes short. */
function readPieces(task: Task, file: OpenFile, pieces: readonly Piece[], position?: number): Result {
  needReadable(file);
  const { guest } = task.process.memory;
  return blocking(file, () => {
    let done = 0;
    for (const piece of pieces) {
      let count: number;
      try {
        const into = guest.bytes(piece.address, piece.length, Access.write);
        // What would block after the first piece has come short.
        if (done > 0 && file.stream && (file.poll() & 1) === 0) break;
        count = file.read(into, position === undefined ? undefined : position + done);
      } catch (error) {
        if (done > 0) break;
        throw error;
      }
      done += count;
      if (count < piece.length) break;
    }
    if (pieces.length === 0) return file.read(new Uint8Array(0), position);
    return done;
  });
}

/** Writes pieces as one: atomically to a pipe when they fit. */
function writePieces(task: Task, file: OpenFile, pieces: readonly Piece[], position?: number): Result {
  needWritable(file);
  const { guest } = task.process.memory;
  const total = totalLength(pieces);
  if (file.path !== undefined && anyListener()) tellAt(file.path, Event.modify);
  const whole = file.stream || file.path === undefined;
  return blockingWrite(task, file, total, (done) => {
    if (whole || pieces.length <= 1) return file.write(joined(task, pieces, done), shifted(position, done));
    let written = 0;
    for (const piece of pieces) {
      const bytes = guest.bytes(piece.address, piece.length, Access.read);
      const count = file.write(bytes, shifted(position, written));
      written += count;
      if (count < piece.length) break;
    }
    return written;
  });
}

const shifted = (position: number | undefined, by: number) => (position === undefined ? undefined : position + by);

/** The bytes of the pieces from `skip` on, as one buffer. */
function joined(task: Task, pieces: readonly Piece[], skip: number): Uint8Array {
  const { guest } = task.process.memory;
  const [first] = pieces;
  if (pieces.length === 1 && first) return guest.bytes(first.address + skip, first.length - skip, Access.read);
  const bytes = new Uint8Array(totalLength(pieces) - skip);
  let at = -skip;
  for (const { address: from, length } of pieces) {
    const cut = Math.max(0, -at);
    if (cut < length) bytes.set(guest.bytes(from + cut, length - cut, Access.read), Math.max(0, at));
    at += length;
  }
  return bytes;
}

const vectored = (width: Width) => ({
  readv: (task: Task, from: OpenFile, at: number, count: number) =>
    readPieces(task, from, readVectors(task, at, count, width)),
  writev: (task: Task, to: OpenFile, at: number, count: number) =>
    writePieces(task, to, readVectors(task, at, count, width)),
  preadv: (task: Task, from: OpenFile, at: number, count: number, position: number) => {
    needPosition(from, position);
    return readPieces(task, from, readVectors(task, at, count, width), position);
  },
  pwritev: (task: Task, to: OpenFile, at: number, count: number, position: number) => {
    needPosition(to, position);
    return writePieces(task, to, readVectors(task, at, count, width), position);
  },
});
const wide = vectored(64);

/** The same for 32-bit callers; their rows are in io32.ts. */
export const narrow = vectored(32);

export const readv = syscall({ x86_64: 19 }, [file, address, int], wide.readv);
export const writev = syscall({ x86_64: 20 }, [file, address, int], wide.writev);

export const pread64 = syscall({ x86_64: 17 }, [file, address, size, long], (task, from, at, count, position) => {
  needPosition(from, position);
  return readInto(task, from, at, count, position);
});
export const pwrite64 = syscall({ x86_64: 18 }, [file, address, size, long], (task, to, at, count, position) => {
  needPosition(to, position);
  return writeFrom(task, to, at, count, position);
});
export const preadv = syscall({ x86_64: 295 }, [file, address, int, long], wide.preadv);
export const pwritev = syscall({ x86_64: 296 }, [file, address, int, long], wide.pwritev);

/** preadv2's flags: RWF_HIPRI, DSYNC, SYNC, NOWAIT change nothing here; RWF_APPEND does. */
export const vectorFlags = 0x1f;

export const preadv2 = syscall(
  { x86_64: 327 },
  [file, address, int, long, long, uint],
  (task, from, at, count, position, _high, flags) => preadvWith(task, from, at, count, position, flags, 64),
);
export const pwritev2 = syscall(
  { x86_64: 328 },
  [file, address, int, long, long, uint],
  (task, to, at, count, position, _high, flags) => pwritevWith(task, to, at, count, position, flags, 64),
);

/** A position of -1 is the file's own. */
export function preadvWith(
  task: Task,
  from: OpenFile,
  at: number,
  count: number,
  position: number,
  flags: number,
  width: Width,
): Result {
  if ((flags & ~vectorFlags) !== 0) throw EINVAL;
  const calls = width === 64 ? wide : narrow;
  return position === -1 ? calls.readv(task, from, at, count) : calls.preadv(task, from, at, count, position);
}
export function pwritevWith(
  task: Task,
  to: OpenFile,
  at: number,
  count: number,
  position: number,
  flags: number,
  width: Width,
): Result {
  if ((flags & ~vectorFlags) !== 0) throw EINVAL;
  const calls = width === 64 ? wide : narrow;
  const end = (flags & 0x10) !== 0 ? to.attributes().size : position;
  return end === -1 ? calls.writev(task, to, at, count) : calls.pwritev(task, to, at, count, end);
}

export const lseek = syscall({ x86_64: 8 }, [int, long, int], (task, fd, offset, whence) =>
  fileOf(task, fd).seek(offset, whence),
);
