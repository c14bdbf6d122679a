// Moving bytes between files without the program seeing them: sendfile(2), splice(2), tee(2), vmsplice(2), copy_file_range(2).

import { EAGAIN, EBADF, EINVAL, EISDIR, EOVERFLOW, EPIPE, ESPIPE, EXDEV } from "../../kernel/errno.ts";
import { Open, type OpenFile } from "../../kernel/file.ts";
import { PipeFile } from "../../kernel/pipe.ts";
import type { Task } from "../../kernel/task.ts";
import { Event, tellAt } from "../../kernel/vfs/notify.ts";
import { Type } from "../../kernel/vfs/vnode.ts";
import { Access } from "../../memory/layout.ts";
import { blockingWrite, brokenPipe } from "../blocking.ts";
import { address, file, size, uint } from "../kinds.ts";
import { type Result, syscall } from "../table.ts";
import { mostBytes, readVectors, type Width } from "../vectors.ts";

const part = 65536;
const nonBlock = 2;
const spliceFlags = 15;

function needReadable(from: OpenFile): void {
  if (!from.readable) throw EBADF;
}
function needWritable(to: OpenFile): void {
  if (!to.writable) throw EBADF;
}

/** A position that the caller keeps in memory, or the file's own when the address is 0. */
function positionAt(task: Task, at: number, width: Width): number | undefined {
  if (at === 0) return undefined;
  const { guest } = task.process.memory;
  const position = width === 64 ? guest.readI64(at) : guest.readI32(at);
  if (position < 0) throw EINVAL;
  return position;
}

/** Reads ahead without losing what cannot be written on. */
interface Source {
  /** Bytes from here on; none at the end. Throws EAGAIN. */
  peek(most: number): Uint8Array;
  skip(count: number): void;
}

const buffer = new Uint8Array(part);

function sourceOf(from: OpenFile, start: number | undefined): Source & { position: number | undefined } {
  if (from instanceof PipeFile) {
    const { pipe } = from;
    return {
      position: undefined,
      peek(most) {
        if (pipe.count === 0 && pipe.writers > 0) throw EAGAIN;
        return buffer.subarray(0, pipe.peek(buffer.subarray(0, Math.min(most, part))));
      },
      skip: (count) => pipe.skip(count),
    };
  }
  if (from.path?.vnode.type === Type.regular || start !== undefined) {
    let at = start ?? from.position;
    return {
      get position() {
        return at;
      },
      peek: (most) => buffer.subarray(0, from.read(buffer.subarray(0, Math.min(most, part)), at)),
      skip(count) {
        at += count;
        if (start === undefined) from.position = at;
      },
    };
  }
  // A socket or device: what was read is kept until it is written.
  let kept = new Uint8Array(0);
  return {
    position: undefined,
    peek(most) {
      if (kept.length === 0) kept = buffer.slice(0, from.read(buffer.subarray(0, Math.min(most, part))));
      return kept;
    },
    skip: (count) => {
      kept = kept.subarray(count);
    },
  };
}

interface Transfer {
  readonly from: OpenFile;
  readonly to: OpenFile;
  readonly fromPosition?: number | undefined;
  readonly toPosition?: number | undefined;
  readonly length: number;
  readonly nonBlock?: boolean;
  /** Told of the positions when it is over. */
  finished?(from: number | undefined, to: number | undefined): void;
}

/** Most bytes of one call, so that other tasks and the host have their turn; all callers have to expect less than they asked for. */
const mostAtOnce = 1 << 22;

/** Moves bytes until `length` are over, the source is at its end, or something would block after the first ones. */
function transfer(task: Task, { from, to, ...options }: Transfer): Result {
  const length = Math.min(options.length, mostAtOnce);
  const source = sourceOf(from, options.fromPosition);
  let toPosition = options.toPosition;
  let done = 0;
  const finish = (): number => {
    if (done > 0) tellAt(to.path, Event.modify);
    options.finished?.(source.position, toPosition);
    return done;
  };
  const attempt = (): number | undefined => {
    try {
      while (done < length) {
        const bytes = source.peek(length - done);
        if (bytes.length === 0) break;
        const count = to.write(bytes, toPosition);
        source.skip(count);
        done += count;
        if (toPosition !== undefined) toPosition += count;
      }
      return finish();
    } catch (error) {
      if (done > 0) return finish();
      if (error === EAGAIN) {
        const mayWait = options.nonBlock !== true && ((from.flags | to.flags) & Open.nonBlock) === 0;
        if (mayWait) return undefined;
      }
      throw brokenPipe(task, error);
    }
  };
  const first = attempt();
  if (first !== undefined) return first;
  return { attempt, queues: [from.changed, to.changed], onSignal: "restart" };
}

const sendfileWith = (width: Width) => (task: Task, to: OpenFile, from: OpenFile, at: number, count: number) => {
  needReadable(from);
  needWritable(to);
  if ((to.flags & Open.append) !== 0) throw EINVAL;
  const type = from.path?.vnode.type;
  if (type !== Type.regular && type !== Type.character && type !== Type.block) throw EINVAL;
  return transfer(task, {
    from,
    to,
    fromPosition: positionAt(task, at, width),
    length: Math.min(count, mostBytes),
    finished: (position) => {
      if (at === 0 || position === undefined) return;
      const { guest } = task.process.memory;
      if (width === 64) guest.writeU64(at, position);
      else if (position > 0x7fffffff) throw EOVERFLOW;
      else guest.writeU32(at, position);
    },
  });
};
export const sendfile = syscall({ x86_64: 40 }, [file, file, address, size], sendfileWith(64));
export const sendfile64 = syscall({ i386: 239 }, [file, file, address, size], sendfileWith(64));
/** The i386 call with a 32-bit position. */
export const narrowSendfile = sendfileWith(32);

export const copy_file_range = syscall(
  { x86_64: 326, i386: 377 },
  [file, address, file, address, size, uint],
  (task, from, fromAt, to, toAt, count, flags) => {
    if (flags !== 0) throw EINVAL;
    needReadable(from);
    needWritable(to);
    if ((to.flags & Open.append) !== 0) throw EBADF;
    for (const one of [from, to]) {
      const type = one.path?.vnode.type;
      if (type === Type.directory) throw EISDIR;
      if (type !== Type.regular) throw EINVAL;
    }
    if (from.path!.mount.fileSystem.name === "proc") throw EXDEV;
    const fromPosition = positionAt(task, fromAt, 64);
    const toPosition = positionAt(task, toAt, 64);
    if (from.path!.vnode === to.path!.vnode) {
      const a = fromPosition ?? from.position;
      const b = toPosition ?? to.position;
      if (a < b + count && b < a + count) throw EINVAL;
    }
    const { guest } = task.process.memory;
    return transfer(task, {
      from,
      to,
      fromPosition,
      toPosition,
      length: Math.min(count, mostBytes),
      finished: (position, newPosition) => {
        if (fromAt !== 0 && position !== undefined) guest.writeU64(fromAt, position);
        if (toAt !== 0 && newPosition !== undefined) guest.writeU64(toAt, newPosition);
      },
    });
  },
);

export const splice = syscall(
  { x86_64: 275, i386: 313 },
  [file, address, file, address, size, uint],
  (task, from, fromAt, to, toAt, count, flags) => {
    if ((flags & ~spliceFlags) !== 0) throw EINVAL;
    needReadable(from);
    needWritable(to);
    const pipes = [from instanceof PipeFile, to instanceof PipeFile];
    if (!pipes[0] && !pipes[1]) throw EINVAL;
    if ((pipes[0] && fromAt !== 0) || (pipes[1] && toAt !== 0)) throw ESPIPE;
    if (from instanceof PipeFile && to instanceof PipeFile && from.pipe === to.pipe) throw EINVAL;
    if ((to.flags & Open.append) !== 0) throw EINVAL;
    const { guest } = task.process.memory;
    return transfer(task, {
      from,
      to,
      fromPosition: positionAt(task, fromAt, 64),
      toPosition: positionAt(task, toAt, 64),
      length: Math.min(count, mostBytes),
      nonBlock: (flags & nonBlock) !== 0,
      finished: (position, newPosition) => {
        if (fromAt !== 0 && position !== undefined) guest.writeU64(fromAt, position);
        if (toAt !== 0 && newPosition !== undefined) guest.writeU64(toAt, newPosition);
      },
    });
  },
);

export const tee = syscall({ x86_64: 276, i386: 315 }, [file, file, size, uint], (task, from, to, count, flags) => {
  if ((flags & ~spliceFlags) !== 0) throw EINVAL;
  needReadable(from);
  needWritable(to);
  if (!(from instanceof PipeFile) || !(to instanceof PipeFile) || from.pipe === to.pipe) throw EINVAL;
  const attempt = (): number | undefined => {
    const { pipe } = from;
    if (to.pipe.readers === 0) throw brokenPipe(task, EPIPE);
    if (pipe.count === 0 && pipe.writers === 0) return 0;
    if (pipe.count > 0 && to.pipe.space > 0) {
      const bytes = new Uint8Array(Math.min(count, pipe.count));
      return to.pipe.write(bytes.subarray(0, pipe.peek(bytes)));
    }
    if ((flags & nonBlock) !== 0) throw EAGAIN;
    return undefined;
  };
  return { attempt, queues: [from.changed, to.changed], onSignal: "restart" };
});

const vmspliceWith =
  (width: Width) =>
  (task: Task, pipe: OpenFile, at: number, count: number, flags: number): Result => {
    if ((flags & ~spliceFlags) !== 0) throw EINVAL;
    if (!(pipe instanceof PipeFile)) throw EBADF;
    const pieces = readVectors(task, at, count, width);
    const { guest } = task.process.memory;
    const nonBlocking = (flags & nonBlock) !== 0;
    if (!pipe.writable) {
      let done = 0;
      for (const piece of pieces) {
        try {
          done += pipe.read(guest.bytes(piece.address, piece.length, Access.write));
        } catch (error) {
          if (done > 0) break;
          throw error;
        }
      }
      return done;
    }
    const total = pieces.reduce((sum, piece) => sum + piece.length, 0);
    return blockingWrite(
      task,
      pipe,
      total,
      (done) => {
        let skip = done;
        for (const piece of pieces) {
          if (skip >= piece.length) {
            skip -= piece.length;
            continue;
          }
          return pipe.write(guest.bytes(piece.address + skip, piece.length - skip, Access.read));
        }
        return 0;
      },
      { nonBlock: nonBlocking },
    );
  };
export const vmsplice = syscall({ x86_64: 278 }, [file, address, size, uint], vmspliceWith(64));
export const narrowVmsplice = vmspliceWith(32);
