// Pipes and fifos: a bounded queue of bytes between readers and writers (pipe(7), fifo(7)).

import { anonymousAttributes, anonymousInode } from "./anonymous.ts";
import { buffersExhausted, countBuffered } from "./buffers.ts";
import { EAGAIN, EBUSY, ENOTTY, ENXIO, EPERM, EPIPE } from "./errno.ts";
import { Open, OpenFile, Poll } from "./file.ts";
import type { Task } from "./task.ts";
import { type Attributes, type Path, Type, type Vnode } from "./vfs/vnode.ts";
import { WaitQueue } from "./wait.ts";

/** Writes of up to this many bytes are never split (PIPE_BUF). */
const atomic = 4096;
const defaultCapacity = 65536;
/** fs.pipe-max-size. */
const pipeMaxSize = 1 << 20;
const FIONREAD = 0x541b;

export class Pipe {
  readonly inode = anonymousInode();
  readonly changed = new WaitQueue();
  capacity = defaultCapacity;
  readers = 0;
  writers = 0;
  /** How often an end was opened, so that a fifo's open sees a peer that came and went. */
  readerOpens = 0;
  writerOpens = 0;
  /** Bytes waiting. */
  count = 0;
  private buffer = new Uint8Array(0);
  private start = 0;

  private room(needed: number): void {
    if (needed <= this.buffer.length) return;
    let size = Math.max(1024, this.buffer.length);
    while (size < needed) size *= 2;
    this.resize(Math.min(size, this.capacity));
  }

  private resize(size: number): void {
    const next = new Uint8Array(size);
    countBuffered(size - this.buffer.length);
    this.peek(next);
    this.buffer = next;
    this.start = 0;
  }

  /** Sets the capacity. Throws EBUSY when more is waiting. */
  setCapacity(bytes: number): number {
    let size = 4096;
    while (size < bytes) size *= 2;
    if (size < this.count) throw EBUSY;
    this.capacity = size;
    if (this.buffer.length > size) this.resize(size);
    this.changed.wake();
    return size;
  }

  /** Copies what waits without taking it. */
  peek(into: Uint8Array): number {
    const count = Math.min(into.length, this.count);
    const first = Math.min(count, this.buffer.length - this.start);
    if (first > 0) into.set(this.buffer.subarray(this.start, this.start + first));
    if (count > first) into.set(this.buffer.subarray(0, count - first), first);
    return count;
  }

  /** Takes `count` bytes off the front. */
  skip(count: number): void {
    this.count -= count;
    this.start = this.count === 0 ? 0 : (this.start + count) % this.buffer.length;
    this.changed.wake();
  }

  read(into: Uint8Array): number {
    const count = this.peek(into);
    if (count > 0) this.skip(count);
    return count;
  }

  get space(): number {
    return this.count > 0 && buffersExhausted() ? 0 : this.capacity - this.count;
  }

  /** Gives the buffer back: nobody can read or write any more. */
  dispose(): void {
    this.count = 0;
    this.resize(0);
  }

  /** Adds what fits. */
  write(from: Uint8Array): number {
    const count = Math.min(from.length, this.space);
    if (count === 0) return 0;
    this.room(this.count + count);
    const at = (this.start + this.count) % this.buffer.length;
    const first = Math.min(count, this.buffer.length - at);
    this.buffer.set(first === from.length ? from : from.subarray(0, first), at);
    if (count > first) this.buffer.set(from.subarray(first, count));
    this.count += count;
    this.changed.wake();
    return count;
  }
}

/** One end of a pipe, or both for a fifo opened O_RDWR. */
export class PipeFile extends OpenFile {
  readonly pipe: Pipe;
  override readonly changed: WaitQueue;
  private readonly peerOpens: number;
  constructor(pipe: Pipe, flags: number, path?: Path) {
    super(flags, path);
    this.pipe = pipe;
    this.changed = pipe.changed;
    this.peerOpens = this.readable ? pipe.writerOpens : pipe.readerOpens;
    if (this.readable) {
      pipe.readers++;
      pipe.readerOpens++;
    }
    if (this.writable) {
      pipe.writers++;
      pipe.writerOpens++;
    }
    pipe.changed.wake();
  }

  get description(): string {
    return `pipe:[${this.pipe.inode}]`;
  }
  attributes(): Attributes {
    return this.path?.vnode.attributes() ?? anonymousAttributes(this.pipe.inode, Type.fifo | 0o600, 15);
  }
  override setAttributes(change: Partial<Attributes>): void {
    this.path?.vnode.setAttributes(change);
  }

  /** True when open(2) of this end need not wait (any more) for the other. */
  get connected(): boolean {
    // A pipe without a name, opened again through /proc/self/fd, waits for nobody (fifo_open in fs/pipe.c).
    if (this.path === undefined || (this.readable && this.writable)) return true;
    const { pipe } = this;
    return this.readable
      ? pipe.writers > 0 || pipe.writerOpens !== this.peerOpens
      : pipe.readers > 0 || pipe.readerOpens !== this.peerOpens;
  }

  override get stream(): boolean {
    return true;
  }

  override read(into: Uint8Array): number {
    const { pipe } = this;
    if (pipe.count === 0) {
      if (pipe.writers === 0 || into.length === 0) return 0;
      throw EAGAIN;
    }
    return pipe.read(into);
  }

  override write(from: Uint8Array): number {
    const { pipe } = this;
    if (from.length === 0) return 0;
    if (pipe.readers === 0) throw EPIPE;
    if (from.length <= atomic && pipe.space < from.length) throw EAGAIN;
    const count = pipe.write(from);
    if (count === 0) throw EAGAIN;
    return count;
  }

  override poll(): number {
    const { pipe } = this;
    let bits = 0;
    if (this.readable) {
      if (pipe.count > 0) bits |= Poll.in;
      if (pipe.writers === 0 && pipe.writerOpens > 0) bits |= Poll.hup;
    }
    if (this.writable) {
      if (pipe.space >= atomic) bits |= Poll.out;
      if (pipe.readers === 0) bits |= Poll.err;
    }
    return bits;
  }

  override ioctl(task: Task, request: number, argument: number): number {
    if (request !== FIONREAD) throw ENOTTY;
    task.process.memory.guest.writeU32(argument, this.pipe.count);
    return 0;
  }

  /** fcntl(F_SETPIPE_SZ). */
  resize(bytes: number): number {
    if (bytes > pipeMaxSize) throw EPERM;
    return this.pipe.setCapacity(bytes);
  }

  protected override closed(): void {
    if (this.readable) this.pipe.readers--;
    if (this.writable) this.pipe.writers--;
    if (this.pipe.readers === 0 && this.pipe.writers === 0) this.pipe.dispose();
    this.pipe.changed.wake();
  }
}

/** The two ends of a new pipe. */
export function pipePair(flags: number): [reader: PipeFile, writer: PipeFile] {
  const pipe = new Pipe();
  return [new PipeFile(pipe, Open.readOnly | flags), new PipeFile(pipe, Open.writeOnly | flags)];
}

const fifos = new WeakMap<Vnode, Pipe>();

/** Opens a fifo. The caller waits until `connected`, unless O_NONBLOCK. Throws ENXIO for a writer that need not wait. */
export function openFifo(flags: number, path: Path): PipeFile {
  let pipe = fifos.get(path.vnode);
  if (!pipe) fifos.set(path.vnode, (pipe = new Pipe()));
  if ((flags & Open.accessMask) === Open.writeOnly && flags & Open.nonBlock && pipe.readers === 0) throw ENXIO;
  return new PipeFile(pipe, flags, path);
}
