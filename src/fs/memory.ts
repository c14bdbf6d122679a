// The file system in memory (tmpfs(5)): everything that a Linux file system has, charged to an account.

import { anonymousDevice } from "../kernel/anonymous.ts";
import {
  EEXIST,
  EFBIG,
  EINVAL,
  EMLINK,
  ENODATA,
  ENOENT,
  ENOSPC,
  ENOTDIR,
  ENOTEMPTY,
  ENXIO,
  EPERM,
  ERANGE,
} from "../kernel/errno.ts";
import { Open, OpenFile } from "../kernel/file.ts";
import type { Process } from "../kernel/process.ts";
import {
  type Allocation,
  type Attributes,
  type FileSystem,
  type FileSystemStatus,
  type ListedName,
  type Path,
  Type,
  Vnode,
} from "../kernel/vfs/vnode.ts";
import { pathName } from "../kernel/vfs/path.ts";
import { type DiskAccount, Storage } from "../kernel/vfs/storage.ts";

/** What a node costs beside its bytes: names, inodes and the maps that hold them. */
const nodeCost = 1024;
const nameCost = 256;
/** Nodes that even the smallest file system may have. */
const leastNodes = 4096;
const largestFile = 2 ** 43;
const day = 86_400_000_000_000n;

export interface MemoryOptions {
  /** Nanoseconds since the epoch. */
  readonly now: () => bigint;
  readonly account?: DiskAccount;
  readonly name?: string;
  /** Mode of the root directory. */
  readonly mode?: number;
  /** Bytes shown by statfs(2). */
  readonly capacity?: number;
}

const noAccount: DiskAccount = { takeDisk() {}, giveDisk() {} };

/** An account with a limit of its own inside another one, for mounts with a size. */
export function limitedAccount(limit: number, outer: DiskAccount = noAccount): DiskAccount {
  let used = 0;
  return {
    takeDisk(bytes) {
      if (used + bytes > limit) throw ENOSPC;
      outer.takeDisk(bytes);
      used += bytes;
    },
    giveDisk(bytes) {
      used -= bytes;
      outer.giveDisk(bytes);
    },
  };
}

export class MemoryFileSystem implements FileSystem {
  readonly name: string;
  readonly device = anonymousDevice();
  readonly readOnly: boolean = false;
  readonly now: () => bigint;
  readonly account: DiskAccount;
  private readonly capacity: number;
  private readonly base: DiskAccount;
  private lastInode = 0;
  private used = 0;
  private nodes = 0;
  protected top: MemoryNode | undefined;

  constructor(options: MemoryOptions) {
    this.name = options.name ?? "tmpfs";
    this.now = options.now;
    this.base = options.account ?? noAccount;
    this.capacity = options.capacity ?? 2 ** 31;
    this.account = {
      takeDisk: (bytes) => {
        this.base.takeDisk(bytes);
        this.used += bytes;
      },
      giveDisk: (bytes) => {
        this.base.giveDisk(bytes);
        this.used -= bytes;
      },
    };
    this.top = this.makeRoot(options.mode ?? 0o755);
  }

  protected makeRoot(mode: number): MemoryNode {
    const root = new MemoryNode(this, Type.directory | mode, 0, 0);
    root.links = 2;
    return root;
  }

  root(): MemoryNode {
    return this.top!;
  }

  nextInode(): number {
    this.nodes++;
    return ++this.lastInode;
  }
  /** Pays for one more node. Throws ENOSPC. */
  needNode(): void {
    if (this.nodes >= this.mostNodes) throw ENOSPC;
    this.account.takeDisk(nodeCost);
  }
  private get mostNodes(): number {
    return Math.max(leastNodes, Math.floor(this.capacity / 4096));
  }
  nodeGone(): void {
    this.nodes--;
  }

  status(): FileSystemStatus {
    const blocks = Math.floor(this.capacity / 4096);
    const blocksFree = Math.max(0, blocks - Math.ceil(this.used / 4096));
    return {
      type: 0x0102_1994,
      blockSize: 4096,
      blocks,
      blocksFree,
      files: this.mostNodes,
      filesFree: Math.max(0, this.mostNodes - this.nodes),
      nameMax: 255,
    };
  }
}

export class MemoryNode extends Vnode {
  readonly fileSystem: MemoryFileSystem;
  readonly inode: number;
  mode: number;
  uid: number;
  gid: number;
  rdev = 0;
  links = 1;
  accessed: bigint;
  modified: bigint;
  changed: bigint;
  /** Bytes of a regular file. */
  protected storage: Storage | undefined;
  protected children: Map<string, MemoryNode> | undefined;
  protected target = "";
  protected xattrs: Map<string, Uint8Array> | undefined;
  /** Open files, which keep an unlinked node's bytes. */
  private opens = 0;
  private disposed = false;
  /** Paid for: the node itself (false for one that came from a layer below), and names beyond the first. */
  private charged = false;
  private extraNames = 0;
  private seals = 0;

  constructor(fileSystem: MemoryFileSystem, mode: number, uid: number, gid: number) {
    super();
    this.fileSystem = fileSystem;
    this.inode = fileSystem.nextInode();
    this.mode = mode;
    this.uid = uid;
    this.gid = gid;
    this.accessed = this.modified = this.changed = fileSystem.now();
    const type = mode & Type.mask;
    if (type === Type.regular) this.storage = new Storage(fileSystem.account);
    else if (type === Type.directory) {
      this.children = new Map();
      this.links = 2;
    }
  }

  override get type(): number {
    return this.mode & Type.mask;
  }

  get size(): number {
    if (this.storage) return this.storage.size;
    // The same however many names there are: what is below an overlay is not counted before it is looked at.
    return this.children ? 4096 : this.target.length;
  }

  /** Bytes of room that the content takes. */
  protected get held(): number {
    return this.storage?.held ?? 0;
  }

  attributes(): Attributes {
    return {
      device: this.fileSystem.device,
      inode: this.inode,
      mode: this.mode,
      links: this.links,
      uid: this.uid,
      gid: this.gid,
      rdev: this.rdev,
      size: this.size,
      blockSize: 4096,
      blocks: Math.ceil(this.held / 4096) * 8,
      accessed: this.accessed,
      modified: this.modified,
      changed: this.changed,
    };
  }

  open(flags: number, path: Path, _process: Process): OpenFile {
    if (!this.storage) throw ENXIO;
    return new MemoryFile(this, flags, path);
  }

  // Names.

  protected get names(): Map<string, MemoryNode> {
    if (!this.children) throw ENOTDIR;
    return this.children;
  }

  override lookup(name: string): MemoryNode | undefined {
    return this.names.get(name);
  }

  override *list(_process: Process): Iterable<ListedName> {
    for (const [name, node] of this.names) yield { name, inode: node.inode, type: node.type };
  }

  private touch(): void {
    this.modified = this.changed = this.fileSystem.now();
  }

  /** Puts a child under a name that is free. */
  protected put(name: string, node: MemoryNode): void {
    this.names.set(name, node);
    if (node.type === Type.directory) this.links++;
    this.touch();
  }

  /** Takes a name away. */
  protected take(name: string, node: MemoryNode): void {
    this.names.delete(name);
    if (node.type === Type.directory) this.links--;
    this.touch();
  }

  protected child(mode: number, uid: number, gid: number): MemoryNode {
    return new MemoryNode(this.fileSystem, mode, uid, gid);
  }

  private make(name: string, mode: number, uid: number, gid: number): MemoryNode {
    if (this.lookup(name)) throw EEXIST;
    if (this.links === 0) throw ENOENT;
    this.fileSystem.needNode();
    const node = this.child(mode, uid, gid);
    node.charged = true;
    this.put(name, node);
    return node;
  }

  override create(name: string, mode: number, uid: number, gid: number, rdev = 0): MemoryNode {
    const node = this.make(name, mode, uid, gid);
    node.rdev = rdev;
    return node;
  }
  override makeDirectory(name: string, mode: number, uid: number, gid: number): MemoryNode {
    return this.make(name, mode, uid, gid);
  }
  override symlink(name: string, target: string, uid: number, gid: number): MemoryNode {
    const node = this.make(name, Type.link | 0o777, uid, gid);
    node.target = target;
    return node;
  }
  override createUnnamed(mode: number, uid: number, gid: number): MemoryNode {
    this.fileSystem.needNode();
    const node = this.child(mode, uid, gid);
    node.charged = true;
    node.links = 0;
    return node;
  }

  override link(name: string, target: Vnode): void {
    if (!(target instanceof MemoryNode) || target.type === Type.directory) throw EPERM;
    if (this.lookup(name)) throw EEXIST;
    if (target.links >= 65000) throw EMLINK;
    this.fileSystem.account.takeDisk(nameCost);
    target.extraNames++;
    target.links++;
    target.changed = this.fileSystem.now();
    this.put(name, target);
  }

  override unlink(name: string): void {
    const node = this.lookup(name);
    if (!node) throw ENOENT;
    this.take(name, node);
    node.unlinked();
  }

  /** One name fewer. */
  private unlinked(): void {
    this.links = this.type === Type.directory ? 0 : this.links - 1;
    if (this.extraNames > 0) {
      this.extraNames--;
      this.fileSystem.account.giveDisk(nameCost);
    }
    this.changed = this.fileSystem.now();
    this.disposeIfUnused();
  }

  private disposeIfUnused(): void {
    if (this.links !== 0 || this.opens !== 0 || this.disposed) return;
    this.disposed = true;
    this.storage?.dispose();
    if (this.charged) this.fileSystem.account.giveDisk(nodeCost);
    this.fileSystem.nodeGone();
  }

  protected get isEmpty(): boolean {
    return this.names.size === 0;
  }

  override removeDirectory(name: string): void {
    const node = this.lookup(name);
    if (!node) throw ENOENT;
    if (!node.isEmpty) throw ENOTEMPTY;
    this.take(name, node);
    node.unlinked();
  }

  override rename(name: string, to: Vnode, newName: string): void {
    const node = this.lookup(name);
    if (!node) throw ENOENT;
    if (!(to instanceof MemoryNode)) throw EINVAL;
    const replaced = to.lookup(newName);
    if (replaced === node) return;
    if (replaced) {
      if (replaced.type === Type.directory && !replaced.isEmpty) throw ENOTEMPTY;
      to.take(newName, replaced);
      replaced.unlinked();
    }
    this.take(name, node);
    to.put(newName, node);
    node.changed = this.fileSystem.now();
  }

  override exchange(name: string, to: Vnode, newName: string): void {
    if (!(to instanceof MemoryNode)) throw EINVAL;
    const one = this.lookup(name);
    const other = to.lookup(newName);
    if (!one || !other) throw ENOENT;
    this.take(name, one);
    to.take(newName, other);
    to.put(newName, one);
    this.put(name, other);
  }

  override readlink(): string {
    if (this.type !== Type.link) throw EINVAL;
    return this.target;
  }

  // Attributes.

  override setAttributes(change: Partial<Attributes>): void {
    if (change.mode !== undefined) this.mode = (this.mode & Type.mask) | (change.mode & 0o7777);
    if (change.uid !== undefined) this.uid = change.uid;
    if (change.gid !== undefined) this.gid = change.gid;
    if (change.accessed !== undefined) this.accessed = change.accessed;
    if (change.modified !== undefined) this.modified = change.modified;
    this.changed = this.fileSystem.now();
  }

  override getSeals(): number {
    return this.seals;
  }
  override addSeals(seals: number): void {
    if ((this.seals & Seal.seal) !== 0) throw EPERM;
    this.seals |= seals;
  }

  override getXattr(name: string): Uint8Array {
    const value = this.xattrs?.get(name);
    if (!value) throw ENODATA;
    return value;
  }
  override setXattr(name: string, value: Uint8Array, flags: number): void {
    const old = this.xattrs?.get(name);
    if (flags & 1 && old) throw EEXIST;
    if (flags & 2 && !old) throw ENODATA;
    if (value.length > 65536) throw ERANGE;
    this.fileSystem.account.takeDisk(value.length + (old ? 0 : name.length * 2 + 64));
    if (old) this.fileSystem.account.giveDisk(old.length);
    (this.xattrs ??= new Map()).set(name, value.slice());
    this.changed = this.fileSystem.now();
  }
  override listXattrs(): string[] {
    return this.xattrs ? [...this.xattrs.keys()] : [];
  }
  override removeXattr(name: string): void {
    const old = this.getXattr(name);
    this.xattrs!.delete(name);
    this.fileSystem.account.giveDisk(old.length + name.length * 2 + 64);
    this.changed = this.fileSystem.now();
  }

  // Bytes.

  /** The bytes, ready to be changed. */
  protected get writableStorage(): Storage {
    if (!this.storage) throw EINVAL;
    return this.storage;
  }

  override readAt(into: Uint8Array, position: number): number {
    if (!this.storage) throw EINVAL;
    return this.storage.read(into, position);
  }

  /** Updates the access time as relatime does (mount(8)). */
  noteAccess(): void {
    if (this.accessed > this.modified && this.accessed > this.changed) {
      if (this.fileSystem.now() - this.accessed < day) return;
    }
    this.accessed = this.fileSystem.now();
  }

  writeAt(from: Uint8Array, position: number): number {
    if (position + from.length > largestFile) throw EFBIG;
    if (this.seals !== 0) this.needUnsealed(position + from.length);
    const count = this.writableStorage.write(from, position);
    if (count > 0) {
      if ((this.mode & 0o6000) !== 0 && (this.mode & 0o111) !== 0) this.mode &= ~0o6000;
      this.touch();
    }
    return count;
  }

  private needUnsealed(end: number): void {
    if ((this.seals & (Seal.write | Seal.futureWrite)) !== 0) throw EPERM;
    if ((this.seals & Seal.grow) !== 0 && end > this.size) throw EPERM;
  }

  override truncate(length: number): void {
    if (length > largestFile) throw EFBIG;
    if (length < this.size && (this.seals & Seal.shrink) !== 0) throw EPERM;
    if (length > this.size && (this.seals & Seal.grow) !== 0) throw EPERM;
    this.writableStorage.truncate(length);
    this.touch();
  }

  override allocate(offset: number, length: number, how: Allocation): void {
    const end = offset + length;
    if (end > largestFile) throw EFBIG;
    if (this.seals !== 0) this.needUnsealed(how === "reserve" || how === "zero" ? end : 0);
    const storage = this.writableStorage;
    if (how === "punch" || how === "zero" || how === "zeroKeepSize") storage.punch(offset, length);
    else storage.reserve(offset, length);
    if ((how === "reserve" || how === "zero") && end > storage.size) storage.truncate(end);
    this.touch();
  }

  seekData(from: number, what: "data" | "hole"): number | undefined {
    return this.storage!.seek(from, what);
  }

  opened(): void {
    this.opens++;
  }
  released(): void {
    this.opens--;
    this.disposeIfUnused();
  }
}

/** F_SEAL_ bits (fcntl(2)). */
const Seal = { seal: 1, shrink: 2, grow: 4, write: 8, futureWrite: 16 } as const;

/** An open regular file of a memory file system. */
export class MemoryFile extends OpenFile {
  readonly node: MemoryNode;
  override readonly path: Path;

  constructor(node: MemoryNode, flags: number, path: Path) {
    super(flags, path);
    this.node = node;
    this.path = path;
    node.opened();
  }

  get description(): string {
    let top = this.path;
    while (top.parent) top = top.parent;
    return pathName(this.path, top) ?? "/";
  }
  attributes(): Attributes {
    return this.node.attributes();
  }
  override setAttributes(change: Partial<Attributes>): void {
    this.node.setAttributes(change);
  }

  override read(into: Uint8Array, position?: number): number {
    const at = position ?? this.position;
    const count = this.node.readAt(into, at);
    if (position === undefined) this.position = at + count;
    if ((this.flags & Open.noAccessTime) === 0) this.node.noteAccess();
    return count;
  }

  override write(from: Uint8Array, position?: number): number {
    if ((this.flags & Open.append) !== 0) {
      const end = this.node.size;
      const count = this.node.writeAt(from, end);
      if (position === undefined) this.position = end + count;
      return count;
    }
    const at = position ?? this.position;
    const count = this.node.writeAt(from, at);
    if (position === undefined) this.position = at + count;
    return count;
  }

  override mapRead(into: Uint8Array, offset: number): number {
    return this.node.readAt(into, offset);
  }

  override seek(offset: number, whence: number): number {
    let to: number;
    switch (whence) {
      case 0:
        to = offset;
        break;
      case 1:
        to = this.position + offset;
        break;
      case 2:
        to = this.node.size + offset;
        break;
      case 3:
      case 4: {
        const found = offset < 0 ? undefined : this.node.seekData(offset, whence === 3 ? "data" : "hole");
        if (found === undefined) throw ENXIO;
        to = found;
        break;
      }
      default:
        throw EINVAL;
    }
    if (!(to >= 0 && to <= Number.MAX_SAFE_INTEGER)) throw EINVAL;
    return (this.position = to);
  }

  override truncate(length: number): void {
    this.node.truncate(length);
  }

  protected override closed(): void {
    this.node.released();
  }
}
