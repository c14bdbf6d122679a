// Inotify: a queue of what happened to watched files (inotify(7)).

import { anonymousAttributes, anonymousInode } from "./anonymous.ts";
import { EAGAIN, EEXIST, EINVAL, EMFILE, ENOSPC, ENOTTY } from "./errno.ts";
import { Open, OpenFile, Poll } from "./file.ts";
import type { Task } from "./task.ts";
import { encodeName } from "./vfs/names.ts";
import { Event, listen } from "./vfs/notify.ts";
import type { Attributes, Vnode } from "./vfs/vnode.ts";

/** Bits of a watch beside the events. */
export const Watch = {
  onlyDirectory: 0x0100_0000,
  dontFollow: 0x0200_0000,
  excludeUnlinked: 0x0400_0000,
  maskCreate: 0x1000_0000,
  maskAdd: 0x2000_0000,
  oneShot: 0x8000_0000,
} as const;
const overflow = 0x4000;
const ignored = 0x8000;
const allEvents = 0xfff;
const mostQueued = 16384;
const mostInstances = 128;
const mostWatches = 65536;
const header = 16;
let instances = 0;
const FIONREAD = 0x541b;

interface Watched {
  readonly vnode: Vnode;
  mask: number;
  end(): void;
}

interface Queued {
  readonly watch: number;
  readonly mask: number;
  readonly cookie: number;
  readonly name: string;
  readonly bytes: Uint8Array;
}

export class InotifyFile extends OpenFile {
  private readonly inode = anonymousInode();
  private readonly watches = new Map<number, Watched>();
  private queue: Queued[] = [];
  private last = 0;

  constructor(flags: number) {
    if (instances >= mostInstances) throw EMFILE;
    super(Open.readOnly | flags);
    instances++;
  }
  get description(): string {
    return "anon_inode:inotify";
  }
  attributes(): Attributes {
    return anonymousAttributes(this.inode, 0o600, 14);
  }

  /** Adds a watch, or changes the one that is there; returns its number. */
  watch(vnode: Vnode, mask: number): number {
    for (const [number, watched] of this.watches) {
      if (watched.vnode !== vnode) continue;
      if ((mask & Watch.maskCreate) !== 0) throw EEXIST;
      watched.mask = (mask & Watch.maskAdd) !== 0 ? watched.mask | mask : mask;
      return number;
    }
    if (this.watches.size >= mostWatches) throw ENOSPC;
    const number = ++this.last;
    const end = listen(vnode, (event, name, cookie) => this.hear(number, event, name, cookie));
    this.watches.set(number, { vnode, mask, end });
    return number;
  }

  /** Removes a watch. Throws EINVAL. */
  unwatch(number: number): void {
    const watched = this.watches.get(number);
    if (!watched) throw EINVAL;
    watched.end();
    this.watches.delete(number);
    this.add(number, ignored, "", 0);
  }

  private hear(number: number, event: number, name: string, cookie: number): void {
    const watched = this.watches.get(number);
    if (!watched) return;
    if ((event & watched.mask & allEvents) !== 0) {
      this.add(number, event & (allEvents | Event.directory), name, cookie);
      if ((watched.mask & Watch.oneShot) !== 0) return this.unwatch(number);
    }
    if ((event & Event.deleteSelf) !== 0) this.unwatch(number);
  }

  private add(watch: number, mask: number, name: string, cookie: number): void {
    const last = this.queue.at(-1);
    if (last && last.watch === watch && last.mask === mask && last.cookie === cookie && last.name === name) return;
    if (this.queue.length === mostQueued)
      this.queue.push({ watch: -1, mask: overflow, cookie: 0, name: "", bytes: new Uint8Array(0) });
    if (this.queue.length > mostQueued) return;
    const encoded = encodeName(name);
    const bytes = new Uint8Array(name === "" ? 0 : Math.ceil((encoded.length + 1) / header) * header);
    if (name !== "") bytes.set(encoded);
    this.queue.push({ watch, mask, cookie, name, bytes });
    this.changed.wake();
  }

  override read(into: Uint8Array): number {
    let at = 0;
    const view = new DataView(into.buffer, into.byteOffset, into.length);
    while (this.queue.length > 0) {
      const { watch, mask, cookie, bytes } = this.queue[0]!;
      if (at + header + bytes.length > into.length) break;
      view.setInt32(at, watch, true);
      view.setUint32(at + 4, mask, true);
      view.setUint32(at + 8, cookie, true);
      view.setUint32(at + 12, bytes.length, true);
      into.set(bytes, at + header);
      at += header + bytes.length;
      this.queue.shift();
    }
    if (at === 0) throw this.queue.length > 0 ? EINVAL : EAGAIN;
    return at;
  }
  override poll(): number {
    return this.queue.length > 0 ? Poll.in : 0;
  }
  override ioctl(task: Task, request: number, argument: number): number {
    if (request !== FIONREAD) throw ENOTTY;
    const size = this.queue.reduce((sum, { bytes }) => sum + header + bytes.length, 0);
    task.process.memory.guest.writeU32(argument, size);
    return 0;
  }
  protected override closed(): void {
    instances--;
    for (const watched of this.watches.values()) watched.end();
    this.watches.clear();
  }
}
