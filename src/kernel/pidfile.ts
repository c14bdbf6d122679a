// The file behind a pidfd: readable once the process has ended (pidfd_open(2)).

import { anonymousAttributes, anonymousInode } from "./anonymous.ts";
import { Open, OpenFile, Poll } from "./file.ts";
import type { Process } from "./process.ts";
import type { Attributes } from "./vfs/vnode.ts";

export class PidFile extends OpenFile {
  readonly process: Process;
  private readonly inode = anonymousInode();
  private readonly unsubscribe: () => void;

  constructor(process: Process, flags: number) {
    super(Open.readWrite | flags);
    this.process = process;
    this.unsubscribe = process.ended.subscribe(() => this.changed.wake());
  }

  get description(): string {
    return "anon_inode:[pidfd]";
  }
  attributes(): Attributes {
    return anonymousAttributes(this.inode, 0o600);
  }
  override poll(): number {
    return this.process.exitStatus === undefined ? 0 : Poll.in;
  }
  protected override closed(): void {
    this.unsubscribe();
  }
}
