// The host's console as the program's standard streams where they are no terminal: pipes and files of the user.

import type { Console } from "../host/host.ts";
import { HostError } from "../host/host.ts";
import { anonymousAttributes, anonymousInode } from "../kernel/anonymous.ts";
import { EAGAIN, EIO, EPIPE } from "../kernel/errno.ts";
import { Open, OpenFile, Poll } from "../kernel/file.ts";
import { type Attributes, Type } from "../kernel/vfs/vnode.ts";

const enough = 1 << 17;

/** stdout or stderr of the host. */
export class ConsoleOutput extends OpenFile {
  private readonly console: Console;
  private readonly target: 1 | 2;
  private readonly inode = anonymousInode();
  private behind = false;

  constructor(console: Console, stream: 1 | 2) {
    super(Open.writeOnly);
    this.console = console;
    this.target = stream;
  }
  get description(): string {
    return `pipe:[${this.inode}]`;
  }
  attributes(): Attributes {
    return anonymousAttributes(this.inode, Type.fifo | 0o600);
  }
  override get stream(): boolean {
    return true;
  }
  override write(from: Uint8Array): number {
    if (this.behind) throw EAGAIN;
    try {
      this.behind = !this.console.write(this.target, from, () => {
        this.behind = false;
        this.changed.wake();
      });
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      throw error.code === "EPIPE" ? EPIPE : EIO;
    }
    return from.length;
  }
  override poll(): number {
    return this.behind ? 0 : Poll.out;
  }
}

/** stdin of the host. It is not touched before the program first reads or polls. */
export class ConsoleInput extends OpenFile {
  private readonly console: Console;
  private readonly inode = anonymousInode();
  private readonly parts: Uint8Array[] = [];
  private held = 0;
  private ended = false;
  private paused = false;
  private stop: (() => void) | undefined;

  constructor(console: Console) {
    super(Open.readOnly);
    this.console = console;
  }
  get description(): string {
    return `pipe:[${this.inode}]`;
  }
  attributes(): Attributes {
    return anonymousAttributes(this.inode, Type.fifo | 0o600);
  }

  override get stream(): boolean {
    return true;
  }

  private start(): void {
    this.stop ??= this.console.input((bytes) => {
      if (bytes === undefined) this.ended = true;
      else {
        this.parts.push(bytes);
        this.held += bytes.length;
        this.flow(this.held >= enough);
      }
      this.changed.wake();
    });
  }

  private flow(paused: boolean): void {
    if (this.paused === paused) return;
    this.paused = paused;
    this.console.pause(paused);
  }

  override read(into: Uint8Array): number {
    this.start();
    if (into.length === 0) return 0;
    const [part] = this.parts;
    if (!part) {
      if (this.ended) return 0;
      throw EAGAIN;
    }
    const count = Math.min(part.length, into.length);
    into.set(part.subarray(0, count));
    if (count === part.length) this.parts.shift();
    else this.parts[0] = part.subarray(count);
    this.held -= count;
    if (this.held < enough / 2) this.flow(false);
    return count;
  }
  override poll(): number {
    this.start();
    return (this.held > 0 ? Poll.in : 0) | (this.ended ? Poll.in | Poll.hup : 0);
  }
  protected override closed(): void {
    this.stop?.();
  }
}
