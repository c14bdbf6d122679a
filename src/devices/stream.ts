// Standard streams that are no terminal: bytes pushed in from outside, bytes handed out, with back-pressure both ways.

import { HostError } from "../host/host.ts";
import { anonymousAttributes, anonymousInode } from "../kernel/anonymous.ts";
import { EAGAIN, ENOTTY, EPIPE } from "../kernel/errno.ts";
import { Open, OpenFile, Poll } from "../kernel/file.ts";
import type { Task } from "../kernel/task.ts";
import { type Attributes, Type } from "../kernel/vfs/vnode.ts";

const FIONREAD = 0x541b;
/** Bytes kept for a reader before the source is asked to pause. */
const highWater = 1 << 18;

/** Input: the outside pushes, the guest reads. Looks like the reading end of a pipe. */
export class InputStream extends OpenFile {
  private readonly inode = anonymousInode();
  private parts: Uint8Array[] = [];
  private count = 0;
  private ended = false;
  private paused = false;
  private readonly pause: (paused: boolean) => void;
  private start: (() => void) | undefined;

  /** `pause` is told when the guest falls behind and when it caught up; `start` once, at the first sign of interest. */
  constructor(options: { pause?: (paused: boolean) => void; start?: () => void } = {}) {
    super(Open.readOnly);
    this.pause = options.pause ?? (() => {});
    this.start = options.start;
  }

  /** Adds bytes; undefined is the end. The bytes are kept, not copied. */
  push(bytes: Uint8Array | undefined): void {
    if (bytes === undefined) this.ended = true;
    else if (bytes.length > 0 && !this.ended) {
      this.parts.push(bytes);
      this.count += bytes.length;
    }
    if (this.count >= highWater && !this.paused) this.pause((this.paused = true));
    this.changed.wake();
  }

  private begin(): void {
    const { start } = this;
    this.start = undefined;
    start?.();
  }

  get description(): string {
    return `pipe:[${this.inode}]`;
  }
  attributes(): Attributes {
    return anonymousAttributes(this.inode, Type.fifo | 0o600, 15);
  }
  override get stream(): boolean {
    return true;
  }
  override read(into: Uint8Array): number {
    this.begin();
    let done = 0;
    while (done < into.length && this.parts.length > 0) {
      const first = this.parts[0]!;
      const part = first.subarray(0, into.length - done);
      into.set(part, done);
      done += part.length;
      if (part.length === first.length) this.parts.shift();
      else this.parts[0] = first.subarray(part.length);
    }
    this.count -= done;
    if (this.paused && this.count < highWater / 2) this.pause((this.paused = false));
    if (done === 0 && !this.ended && into.length > 0) throw EAGAIN;
    return done;
  }
  override poll(): number {
    this.begin();
    return (this.count > 0 ? Poll.in : 0) | (this.ended ? Poll.hup | (this.count > 0 ? 0 : Poll.in) : 0);
  }
  override ioctl(task: Task, request: number, argument: number): number {
    if (request !== FIONREAD) throw ENOTTY;
    task.process.memory.guest.writeU32(argument, this.count);
    return 0;
  }
}

/** Takes a guest's output. Returns false when its reader is behind and then calls `drained` once; throws a HostError when it is gone. */
export type Sink = (bytes: Uint8Array, drained: () => void) => boolean;

/** Output: the guest writes, the outside takes. Looks like the writing end of a pipe. */
export class OutputStream extends OpenFile {
  private readonly inode = anonymousInode();
  private readonly sink: Sink;
  private full = false;
  private broken = false;
  private readonly onClose: (() => void) | undefined;

  /** The bytes that `sink` gets are its own. `onClose` is told when nobody can write any more. */
  constructor(sink: Sink, onClose?: () => void) {
    super(Open.writeOnly);
    this.sink = sink;
    this.onClose = onClose;
  }

  /** The outside reads no more: writes fail with EPIPE from now on. */
  break(): void {
    this.broken = true;
    this.changed.wake();
  }

  get description(): string {
    return `pipe:[${this.inode}]`;
  }
  attributes(): Attributes {
    return anonymousAttributes(this.inode, Type.fifo | 0o600, 15);
  }
  override get stream(): boolean {
    return true;
  }
  override write(from: Uint8Array): number {
    if (this.broken) throw EPIPE;
    if (from.length === 0) return 0;
    if (this.full) throw EAGAIN;
    const part = from.slice(0, 65536);
    try {
      this.full = !this.sink(part, () => {
        this.full = false;
        this.changed.wake();
      });
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      this.break();
      throw EPIPE;
    }
    return part.length;
  }
  override poll(): number {
    return (this.full ? 0 : Poll.out) | (this.broken ? Poll.err : 0);
  }
  protected override closed(): void {
    this.onClose?.();
  }
}
