// A read-only file system over the index of unpacked packages: nothing is copied before it is read.

import { anonymousDevice } from "../kernel/anonymous.ts";
import { EINVAL, ENODATA, ENOTDIR } from "../kernel/errno.ts";
import { OpenFile } from "../kernel/file.ts";
import {
  type Attributes,
  type FileSystem,
  type FileSystemStatus,
  type ListedName,
  type Path,
  Type,
  Vnode,
} from "../kernel/vfs/vnode.ts";
import { pathName } from "../kernel/vfs/path.ts";

/** A node of a tree to show; packages/archive.ts makes them. */
export interface ArchiveEntry {
  /** From the root, without a slash before or after; "" is the root itself. */
  readonly path: string;
  readonly type: "file" | "hardlink" | "symlink" | "directory" | "fifo";
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
  readonly size: number;
  /** Text of a symbolic link; path of a hard link's other name. */
  readonly linkTarget?: string;
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
  /** Reads at a position; 0 at the end. */
  read(into: Uint8Array, position: number): number;
}

const types = {
  file: Type.regular,
  hardlink: Type.regular,
  symlink: Type.link,
  directory: Type.directory,
  fifo: Type.fifo,
} as const;

const emptyDirectory: Omit<ArchiveEntry, "path"> = {
  type: "directory",
  mode: 0o755,
  uid: 0,
  gid: 0,
  mtime: 0,
  size: 0,
  read: () => 0,
};

export class ArchiveFileSystem implements FileSystem {
  readonly name = "archive";
  readonly device = anonymousDevice();
  readonly readOnly = true;
  private readonly top: ArchiveNode;
  private lastInode = 0;
  private bytes = 0;
  private readonly count: number;

  /** Entries in any order; a later one of the same path replaces the earlier. */
  constructor(entries: Iterable<ArchiveEntry>) {
    const nodes = new Map<string, ArchiveNode>();
    const links: ArchiveEntry[] = [];
    this.top = new ArchiveNode(this, { ...emptyDirectory, path: "" });
    nodes.set("", this.top);
    for (const entry of entries) {
      if (entry.type === "hardlink") links.push(entry);
      else this.add(nodes, entry);
    }
    for (const entry of links) {
      const target = nodes.get(entry.linkTarget ?? "");
      if (target && target.type !== Type.directory) this.place(nodes, entry.path, target);
    }
    this.count = nodes.size;
  }

  private add(nodes: Map<string, ArchiveNode>, entry: ArchiveEntry): void {
    const known = nodes.get(entry.path);
    if (known && known.type === Type.directory && entry.type === "directory") {
      known.entry = entry;
      return;
    }
    if (entry.path === "") return;
    this.bytes += entry.size;
    this.place(nodes, entry.path, new ArchiveNode(this, entry));
  }

  private place(nodes: Map<string, ArchiveNode>, path: string, node: ArchiveNode): void {
    const slash = path.lastIndexOf("/");
    const above = slash < 0 ? "" : path.slice(0, slash);
    let parent = nodes.get(above);
    if (!parent) {
      parent = new ArchiveNode(this, { ...emptyDirectory, path: above });
      this.place(nodes, above, parent);
    }
    if (!parent.children) return;
    const name = path.slice(slash + 1);
    const old = parent.children.get(name);
    if (old) old.links--;
    parent.children.set(name, node);
    nodes.set(path, node);
    if (node.children) parent.links += old?.children ? 0 : 1;
    else node.links++;
  }

  nextInode(): number {
    return ++this.lastInode;
  }
  root(): Vnode {
    return this.top;
  }
  status(): FileSystemStatus {
    const blocks = Math.ceil(this.bytes / 4096);
    return { type: 0x73717368, blockSize: 4096, blocks, blocksFree: 0, files: this.count, filesFree: 0, nameMax: 255 };
  }
}

class ArchiveNode extends Vnode {
  readonly fileSystem: ArchiveFileSystem;
  readonly children: Map<string, ArchiveNode> | undefined;
  entry: ArchiveEntry;
  links: number;
  private inode = 0;
  private readonly fileType: number;

  constructor(fileSystem: ArchiveFileSystem, entry: ArchiveEntry) {
    super();
    this.fileSystem = fileSystem;
    this.entry = entry;
    this.fileType = types[entry.type];
    this.links = 0;
    if (entry.type === "directory") {
      this.children = new Map();
      this.links = 2;
    }
  }

  override get type(): number {
    return this.fileType;
  }

  private get number(): number {
    return (this.inode ||= this.fileSystem.nextInode());
  }

  attributes(): Attributes {
    const { mode, uid, gid, size, mtime, linkTarget } = this.entry;
    const length = this.fileType === Type.link ? linkTarget!.length : this.children ? 4096 : size;
    const time = BigInt(Math.floor(mtime)) * 1_000_000_000n;
    return {
      device: this.fileSystem.device,
      inode: this.number,
      mode: this.fileType | (mode & 0o7777),
      links: this.links,
      uid,
      gid,
      rdev: 0,
      size: length,
      blockSize: 4096,
      blocks: Math.ceil(size / 4096) * 8,
      accessed: time,
      modified: time,
      changed: time,
    };
  }

  open(flags: number, path: Path): OpenFile {
    if (this.fileType !== Type.regular) throw EINVAL;
    return new ArchiveFile(this, flags, path);
  }
  override lookup(name: string): ArchiveNode | undefined {
    if (!this.children) throw ENOTDIR;
    return this.children.get(name);
  }
  override *list(): Iterable<ListedName> {
    if (!this.children) throw ENOTDIR;
    for (const [name, node] of this.children) yield { name, inode: node.number, type: node.fileType };
  }
  override readlink(): string {
    if (this.fileType !== Type.link) throw EINVAL;
    return this.entry.linkTarget ?? "";
  }
  override readAt(into: Uint8Array, position: number): number {
    return this.entry.read(into, position);
  }
  override getXattr(name: string): Uint8Array {
    const value = this.entry.xattrs?.get(name);
    if (!value) throw ENODATA;
    return value;
  }
  override listXattrs(): string[] {
    return this.entry.xattrs ? [...this.entry.xattrs.keys()] : [];
  }
}

class ArchiveFile extends OpenFile {
  private readonly node: ArchiveNode;
  override readonly path: Path;
  constructor(node: ArchiveNode, flags: number, path: Path) {
    super(flags, path);
    this.node = node;
    this.path = path;
  }
  get description(): string {
    return pathName(this.path, this.path.mount.root) ?? "/";
  }
  attributes(): Attributes {
    return this.node.attributes();
  }
  override read(into: Uint8Array, position?: number): number {
    const at = position ?? this.position;
    const count = this.node.readAt(into, at);
    if (position === undefined) this.position = at + count;
    return count;
  }
  override seek(offset: number, whence: number): number {
    const { size } = this.node.entry;
    const to = whence === 0 ? offset : whence === 1 ? this.position + offset : whence === 2 ? size + offset : -1;
    if (!(to >= 0)) throw EINVAL;
    return (this.position = to);
  }
}
