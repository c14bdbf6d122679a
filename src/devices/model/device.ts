// /dev/cerebro as programs open it: commands are written, answers are read, structures go through ioctl.

import { EAGAIN, EBUSY, EINVAL } from "../../kernel/errno.ts";
import { Open, OpenFile, Poll } from "../../kernel/file.ts";
import type { Process } from "../../kernel/process.ts";
import type { Task } from "../../kernel/task.ts";
import type { Attributes, Path } from "../../kernel/vfs/vnode.ts";
import { utf8 } from "../../base/text.ts";
import { control } from "./control.ts";
import { type DeviceSession, longestLine } from "./session.ts";

export class ModelFile extends OpenFile {
  override readonly path: Path;
  readonly session: DeviceSession;
  private readonly process: Process;
  /** The end of a line is still to come. */
  private unfinished = "";
  private readVersion: number;
  private readonly ended: () => void;
  private readonly unsubscribe: () => void;

  constructor(session: DeviceSession, flags: number, path: Path, process: Process, ended: () => void) {
    super(flags, path);
    this.path = path;
    this.session = session;
    this.process = process;
    this.ended = ended;
    // One that only reads wants what is there; one that writes reads the answers to its own commands.
    this.readVersion = (flags & Open.accessMask) === Open.readOnly ? -1 : session.version;
    this.unsubscribe = session.changed.subscribe(() => this.changed.wake());
  }
  get description(): string {
    return "/dev/cerebro";
  }
  attributes(): Attributes {
    return this.path.vnode.attributes();
  }
  override setAttributes(change: Partial<Attributes>): void {
    this.path.vnode.setAttributes(change);
  }

  private get waits(): boolean {
    return (this.flags & Open.nonBlock) === 0;
  }

  /**
   * Takes commands, one a line; waits for their end, unless the file does not block. The error is the first failed
   * command's, and its words can be read.
   */
  override write(from: Uint8Array): number {
    const text = this.unfinished + utf8(from);
    const end = text.lastIndexOf("\n");
    if (text.length - end > longestLine) throw EINVAL;
    if (end >= 0 && text.slice(0, end).trim() !== "") {
      const lines = text.slice(0, end);
      if (this.waits) {
        if (this.start(lines) === "running") throw EAGAIN;
      } else {
        if (this.session.busy) throw EAGAIN;
        this.start(lines);
        this.session.detach();
      }
    }
    this.unfinished = text.slice(end + 1);
    return from.length;
  }

  private start(lines: string): "running" | "done" {
    try {
      return this.session.work(lines, () => this.session.perform(lines, this.process));
    } catch (error) {
      // Someone else's command runs: a writer that can wait does.
      if (error === EBUSY && this.waits) throw EAGAIN;
      // A failed command was taken: what is written next begins a new line.
      this.unfinished = "";
      throw error;
    }
  }

  /** The answer to the last command, then the end of the file until there is another one. */
  override read(into: Uint8Array): number {
    if (this.session.busy) throw EAGAIN;
    if (this.readVersion !== this.session.version) {
      this.readVersion = this.session.version;
      this.position = 0;
    }
    const part = this.session.answer.subarray(this.position, this.position + into.length);
    into.set(part);
    this.position += part.length;
    return part.length;
  }

  override poll(): number {
    if (this.session.busy) return 0;
    const unread = this.readVersion !== this.session.version || this.position < this.session.answer.length;
    return unread && this.session.answer.length > 0 ? Poll.in | Poll.out : Poll.out;
  }

  override seek(): number {
    return (this.position = 0);
  }

  override ioctl(task: Task, request: number, argument: number): number {
    return control(this.session, task, request, argument);
  }

  protected override closed(): void {
    // What came without an end of line is a command too.
    if (this.unfinished.trim() !== "" && !this.session.busy) {
      const lines = this.unfinished;
      this.session.work(lines, () => this.session.perform(lines, this.process));
      this.session.detach();
    }
    this.unsubscribe();
    this.ended();
  }
}
