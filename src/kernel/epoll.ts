// Epoll: a set of files and the events wanted of each, asked all at once (epoll(7)).

import { anonymousAttributes, anonymousInode } from "./anonymous.ts";
import { EEXIST, EINVAL, ELOOP, ENOENT, ENOSPC, EPERM } from "./errno.ts";
import { Open, OpenFile, Poll } from "./file.ts";
import { type Attributes, Type } from "./vfs/vnode.ts";

/** Bits beside those of poll(2). */
export const Epoll = { exclusive: 1 << 28, wakeUp: 1 << 29, oneShot: 1 << 30, edge: 1 << 31 } as const;

interface Item {
  readonly fd: number;
  readonly file: OpenFile;
  events: number;
  data: bigint;
  readonly end: () => void;
}

/** What epoll_wait hands out. */
export interface ReadyEvent {
  readonly events: number;
  readonly data: bigint;
}

const deepest = 5;
/** Items in all sets (fs.epoll.max_user_watches). */
const mostWatches = 1 << 18;
let watches = 0;
/** Readiness as poll(2) and epoll tell it: with the bits for normal data. */
export function withNormal(bits: number): number {
  return bits | ((bits & Poll.in) !== 0 ? 0x40 : 0) | ((bits & Poll.out) !== 0 ? 0x100 : 0);
}

export class EpollFile extends OpenFile {
  private readonly inode = anonymousInode();
  private readonly items = new Map<OpenFile, Map<number, Item>>();
  /** Items that may have something to say. */
  private ready = new Set<Item>();

  constructor() {
    super(Open.readWrite);
  }
  get description(): string {
    return "anon_inode:[eventpoll]";
  }
  attributes(): Attributes {
    return anonymousAttributes(this.inode, 0o600, 14);
  }

  private find(fd: number, file: OpenFile): Item | undefined {
    return this.items.get(file)?.get(fd);
  }

  /** EPOLL_CTL_ADD. Throws EEXIST, ELOOP for circles, EPERM for files that are always ready. */
  add(fd: number, file: OpenFile, events: number, data: bigint): void {
    if (file === this) throw EINVAL;
    if (file instanceof EpollFile && (file.depth() >= deepest - 1 || file.contains(this))) throw ELOOP;
    const type = file.path?.vnode.type;
    if (type === Type.regular || type === Type.directory) throw EPERM;
    if (this.find(fd, file)) throw EEXIST;
    if (watches >= mostWatches) throw ENOSPC;
    watches++;
    const told = () => {
      this.ready.add(item);
      this.changed.wake();
    };
    const unsubscribe = file.changed.subscribe(told);
    const forget = file.whenClosed(() => this.drop(item));
    const item: Item = {
      fd,
      file,
      events,
      data,
      end: () => {
        unsubscribe();
        forget();
      },
    };
    let byFd = this.items.get(file);
    if (!byFd) this.items.set(file, (byFd = new Map()));
    byFd.set(fd, item);
    told();
  }

  /** EPOLL_CTL_MOD. */
  modify(fd: number, file: OpenFile, events: number, data: bigint): void {
    const item = this.find(fd, file);
    if (!item) throw ENOENT;
    item.events = events;
    item.data = data;
    this.ready.add(item);
    this.changed.wake();
  }

  /** EPOLL_CTL_DEL. */
  remove(fd: number, file: OpenFile): void {
    const item = this.find(fd, file);
    if (!item) throw ENOENT;
    this.drop(item);
  }

  private drop(item: Item): void {
    watches--;
    item.end();
    this.ready.delete(item);
    const byFd = this.items.get(item.file);
    byFd?.delete(item.fd);
    if (byFd?.size === 0) this.items.delete(item.file);
  }

  private depth(): number {
    let most = 0;
    for (const file of this.items.keys()) if (file instanceof EpollFile) most = Math.max(most, file.depth());
    return most + 1;
  }
  private contains(other: EpollFile): boolean {
    for (const file of this.items.keys())
      if (file === other || (file instanceof EpollFile && file.contains(other))) return true;
    return false;
  }

  private bitsOf(item: Item): number {
    const wanted = item.events | Poll.err | Poll.hup;
    return (item.events & 0xffff) === 0 ? 0 : withNormal(item.file.poll()) & wanted & 0xffff;
  }

  /** Up to `most` events; those that stay ready come again next time, after the others. */
  collect(most: number): ReadyEvent[] {
    const events: ReadyEvent[] = [];
    const again: Item[] = [];
    for (const item of this.ready) {
      if (events.length === most) break;
      this.ready.delete(item);
      const bits = this.bitsOf(item);
      if (bits === 0) continue;
      events.push({ events: bits, data: item.data });
      if ((item.events & Epoll.oneShot) !== 0) item.events &= ~0xffff;
      else if ((item.events & Epoll.edge) === 0) again.push(item);
    }
    for (const item of again) this.ready.add(item);
    return events;
  }

  override poll(): number {
    for (const item of this.ready) {
      if (this.bitsOf(item) !== 0) return Poll.in;
      this.ready.delete(item);
    }
    return 0;
  }

  protected override closed(): void {
    for (const byFd of [...this.items.values()]) for (const item of [...byFd.values()]) this.drop(item);
  }
}
