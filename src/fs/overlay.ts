// A writable layer in memory over a read-only tree: nodes begin as what is below and become their own when they change.

import type { Process } from "../kernel/process.ts";
import { type Attributes, type ListedName, Type, Vnode } from "../kernel/vfs/vnode.ts";
import type { Storage } from "../kernel/vfs/storage.ts";
import { MemoryFileSystem, MemoryNode, type MemoryOptions } from "./memory.ts";

export interface OverlayOptions extends MemoryOptions {
  /** The root of the tree below. It is only read, and must not change. */
  readonly lower: Vnode;
}

export class OverlayFileSystem extends MemoryFileSystem {
  /** Nodes over files with several names below, so that these stay one file. */
  private readonly shared = new Map<Vnode, OverlayNode>();

  constructor(options: OverlayOptions) {
    super({ name: "overlay", ...options });
    this.top = new OverlayNode(this, Type.directory | 0o755, 0, 0, options.lower);
  }

  /** The node over one below. */
  over(lower: Vnode): OverlayNode {
    const known = this.shared.get(lower);
    if (known) return known;
    const attributes = lower.attributes();
    const node = new OverlayNode(this, attributes.mode, attributes.uid, attributes.gid, lower, attributes);
    if (attributes.links > 1 && node.type !== Type.directory) this.shared.set(lower, node);
    return node;
  }
}

export class OverlayNode extends MemoryNode {
  declare readonly fileSystem: OverlayFileSystem;
  /** A directory's or a link's node below, for good; a file's until its bytes change. */
  private below: Vnode | undefined;
  private belowSize = 0;
  /** Names below that are gone or in the way of others (whiteouts). */
  private hidden: Set<string> | undefined;
  /** Every name below has its node here. */
  private complete = false;

  constructor(
    fileSystem: OverlayFileSystem,
    mode: number,
    uid: number,
    gid: number,
    lower?: Vnode,
    attributes: Attributes | undefined = lower?.attributes(),
  ) {
    super(fileSystem, mode, uid, gid);
    this.below = lower;
    if (!lower || !attributes) return;
    this.mode = attributes.mode;
    this.uid = attributes.uid;
    this.gid = attributes.gid;
    this.rdev = attributes.rdev;
    this.links = attributes.links;
    this.accessed = attributes.accessed;
    this.modified = attributes.modified;
    this.changed = attributes.changed;
    if (this.type === Type.regular) this.belowSize = attributes.size;
    else if (this.type === Type.link) this.target = lower.readlink();
    for (const name of lower.listXattrs()) (this.xattrs ??= new Map()).set(name, lower.getXattr(name));
  }

  protected override child(mode: number, uid: number, gid: number): OverlayNode {
    return new OverlayNode(this.fileSystem, mode, uid, gid);
  }

  // Names.

  override lookup(name: string): MemoryNode | undefined {
    const known = this.names.get(name);
    if (known || !this.below || this.complete || this.hidden?.has(name)) return known;
    const lower = this.below.lookup(name);
    if (!lower) return undefined;
    const node = this.fileSystem.over(lower);
    this.names.set(name, node);
    return node;
  }

  /** Makes the nodes of all names below. */
  private load(process: Process | undefined): void {
    if (!this.below || this.complete) return;
    for (const { name } of this.below.list(process as Process)) this.lookup(name);
    this.complete = true;
    this.hidden = undefined;
  }

  override list(process: Process): Iterable<ListedName> {
    this.load(process);
    return super.list(process);
  }
  protected override get isEmpty(): boolean {
    this.load(undefined);
    return super.isEmpty;
  }
  protected override take(name: string, node: MemoryNode): void {
    super.take(name, node);
    if (this.below && !this.complete) (this.hidden ??= new Set()).add(name);
  }

  // Bytes.

  override get size(): number {
    return this.belowSize === 0 ? super.size : this.belowSize;
  }
  protected override get held(): number {
    return this.belowSize === 0 ? super.held : this.belowSize;
  }

  override readAt(into: Uint8Array, position: number): number {
    return this.belowSize === 0 ? super.readAt(into, position) : this.below!.readAt(into, position);
  }

  /** Copies the bytes up before the first change. */
  protected override get writableStorage(): Storage {
    const storage = super.writableStorage;
    if (this.belowSize === 0) return storage;
    const buffer = new Uint8Array(Math.min(this.belowSize, 1 << 20));
    for (let at = 0; at < this.belowSize;) {
      const count = this.below!.readAt(buffer, at);
      if (count === 0) break;
      if (storage.write(buffer.subarray(0, count), at) < count) storage.reserve(at, count);
      at += count;
    }
    this.belowSize = 0;
    return storage;
  }

  override truncate(length: number): void {
    // What is cut to nothing need not be copied.
    if (length === 0) this.belowSize = 0;
    super.truncate(length);
  }

  override seekData(from: number, what: "data" | "hole"): number | undefined {
    if (this.belowSize === 0) return super.seekData(from, what);
    if (from >= this.belowSize) return undefined;
    return what === "data" ? from : this.belowSize;
  }
}
