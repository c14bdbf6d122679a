// A directory of the host that was granted: the only way to host files. The host never resolves a symbolic link for the guest:
// links are read and walked in the guest's own name space, and a path is used only when the host agrees that it has none.

import type { HostFile, HostFiles, HostStat } from "../host/host.ts";
import { HostError } from "../host/host.ts";
import { anonymousDevice } from "../kernel/anonymous.ts";
import {
  EACCES,
  EINVAL,
  EIO,
  ENOENT,
  ENOTDIR,
  ENXIO,
  EPERM,
  EROFS,
  errnoFromName,
  ESTALE,
  EXDEV,
} from "../kernel/errno.ts";
import { Open, OpenFile } from "../kernel/file.ts";
import type { Process } from "../kernel/process.ts";
import { DirectoryFile } from "../kernel/vfs/directory.ts";
import { pathName } from "../kernel/vfs/path.ts";
import {
  type Attributes,
  type FileSystem,
  type FileSystemStatus,
  type ListedName,
  type Path,
  Type,
  Vnode,
} from "../kernel/vfs/vnode.ts";

/** Runs a call of the host's; its failure becomes the guest's. */
function host<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof HostError) throw errnoFromName(error.code) ?? EIO;
    throw error;
  }
}

const types = { file: Type.regular, directory: Type.directory, link: Type.link, other: Type.socket } as const;

export interface HostDirectoryOptions {
  readonly readOnly?: boolean;
}

export class HostDirectoryFileSystem implements FileSystem {
  readonly name = "hostdir";
  readonly device = anonymousDevice();
  readonly readOnly: boolean;
  readonly files: HostFiles;
  /** The granted directory, without links. */
  readonly base: string;
  private readonly top: HostNode;
  /** Nodes by inode, so that one file is one node whatever its names. */
  private readonly nodes = new Map<string, WeakRef<HostNode>>();
  private sweepAt = 1024;

  /** `directory` is resolved once, here; it must be there. */
  constructor(files: HostFiles, directory: string, options: HostDirectoryOptions = {}) {
    this.files = files;
    this.readOnly = options.readOnly ?? false;
    this.base = files.realpath(directory).replace(/\/+$/, "");
    if (files.stat(this.base === "" ? "/" : this.base, false).type !== "directory")
      throw new HostError("ENOTDIR", `${directory}: not a directory`);
    this.top = new HostNode(this, undefined, "");
  }

  root(): Vnode {
    return this.top;
  }
  status(): FileSystemStatus {
    return {
      type: 0x0104_2004,
      blockSize: 4096,
      blocks: 1 << 20,
      blocksFree: 1 << 19,
      files: 0,
      filesFree: 0,
      nameMax: 255,
    };
  }

  /** The node of a file under its present name. */
  node(parent: HostNode, name: string, stat: HostStat): HostNode {
    const key = `${stat.device}:${stat.inode}`;
    const known = this.nodes.get(key)?.deref();
    if (known && known.type === types[stat.type]) {
      known.place(parent, name);
      return known;
    }
    const made = new HostNode(this, parent, name, types[stat.type]);
    this.nodes.set(key, new WeakRef(made));
    if (this.nodes.size > this.sweepAt) {
      for (const [other, reference] of this.nodes) if (!reference.deref()) this.nodes.delete(other);
      this.sweepAt = Math.max(1024, this.nodes.size * 2);
    }
    return made;
  }
}

class HostNode extends Vnode {
  readonly fileSystem: HostDirectoryFileSystem;
  private parent: HostNode | undefined;
  private name: string;
  private readonly fileType: number;

  constructor(
    fileSystem: HostDirectoryFileSystem,
    parent: HostNode | undefined,
    name: string,
    fileType: number = Type.directory,
  ) {
    super();
    this.fileSystem = fileSystem;
    this.parent = parent;
    this.name = name;
    this.fileType = fileType;
  }

  place(parent: HostNode, name: string): void {
    this.parent = parent;
    this.name = name;
  }

  override get stable(): boolean {
    return false;
  }
  override get type(): number {
    return this.fileType;
  }

  /** Host path, not checked. */
  private get location(): string {
    if (!this.parent) return this.fileSystem.base;
    return `${this.parent.location}/${this.name}`;
  }

  /**
   * Host path of this directory, checked: if the host finds a link on the way, someone has put it there since, and it might lead
   * out. ESTALE then.
   */
  private get directory(): string {
    const { location } = this;
    const real = host(() => this.fileSystem.files.realpath(location === "" ? "/" : location));
    if (real !== location && !(location === "" && real === "/")) throw ESTALE;
    return location;
  }

  /** Host path of a name in this directory. */
  private at(name: string): string {
    if (name === "" || name === "." || name === ".." || name.includes("/") || name.includes("\0")) throw EINVAL;
    return `${this.directory}/${name}`;
  }

  /** Host path of this node itself. */
  private get path(): string {
    return this.parent ? this.parent.at(this.name) : this.directory || "/";
  }

  private get files(): HostFiles {
    return this.fileSystem.files;
  }
  private needWritable(): void {
    if (this.fileSystem.readOnly) throw EROFS;
  }

  attributes(): Attributes {
    const { path } = this;
    return this.shown(host(() => this.files.stat(path, false)));
  }

  /** What the guest sees: its root owns everything; modes and times are the host's. */
  shown(stat: HostStat): Attributes {
    return {
      device: this.fileSystem.device,
      inode: stat.inode,
      mode: types[stat.type] | (stat.mode & 0o7777),
      links: stat.links,
      uid: 0,
      gid: 0,
      rdev: 0,
      size: stat.size,
      blockSize: 4096,
      blocks: Math.ceil(stat.size / 4096) * 8,
      accessed: stat.accessed,
      modified: stat.modified,
      changed: stat.changed,
    };
  }

  /** Opens the host's file; after that it has to be the one that the checked path names. */
  private openHost(path: string, mode: Parameters<HostFiles["open"]>[1]): HostFile {
    const file = host(() => this.files.open(path, mode));
    try {
      const opened = file.stat();
      const named = host(() => this.files.stat(path, false));
      if (opened.type !== "file" || opened.inode !== named.inode || opened.device !== named.device) throw EACCES;
      if (this.parent && this.parent.at(this.name) !== path) throw ESTALE;
      return file;
    } catch (error) {
      file.close();
      throw error instanceof HostError ? EIO : error;
    }
  }

  open(flags: number, path: Path, process: Process): OpenFile {
    if (this.fileType === Type.directory) return new DirectoryFile(flags, path, process);
    if (this.fileType !== Type.regular) throw ENXIO;
    const write = (flags & Open.accessMask) !== Open.readOnly;
    if (write) this.needWritable();
    return new HostOpenFile(this, this.openHost(this.path, { write }), flags, path);
  }

  override readAt(into: Uint8Array, position: number): number {
    const file = this.openHost(this.path, { write: false });
    try {
      return host(() => file.read(into, position));
    } finally {
      file.close();
    }
  }

  private needDirectory(): void {
    if (this.fileType !== Type.directory) throw ENOTDIR;
  }

  override lookup(name: string): Vnode | undefined {
    this.needDirectory();
    const path = this.at(name);
    let stat: HostStat;
    try {
      stat = this.files.stat(path, false);
    } catch (error) {
      if (error instanceof HostError && error.code === "ENOENT") return undefined;
      throw error instanceof HostError ? (errnoFromName(error.code) ?? EIO) : error;
    }
    return this.fileSystem.node(this, name, stat);
  }

  override *list(): Iterable<ListedName> {
    this.needDirectory();
    const { directory } = this;
    for (const name of host(() => this.files.list(directory === "" ? "/" : directory))) {
      let stat: HostStat;
      try {
        stat = this.files.stat(`${directory}/${name}`, false);
      } catch {
        // Gone since it was listed.
        continue;
      }
      yield { name, inode: stat.inode, type: types[stat.type] };
    }
  }

  private found(name: string): HostNode {
    const node = this.lookup(name);
    if (!node) throw ENOENT;
    return node as HostNode;
  }

  override create(name: string, mode: number): Vnode {
    this.needWritable();
    if ((mode & Type.mask) !== Type.regular) throw EPERM;
    const path = this.at(name);
    const bits = mode & 0o777;
    host(() => this.files.open(path, { write: true, create: bits, exclusive: true })).close();
    // The host's own umask has taken bits away that the guest's left.
    host(() => this.files.chmod(path, bits));
    return this.found(name);
  }
  override makeDirectory(name: string, mode: number): Vnode {
    this.needWritable();
    const path = this.at(name);
    host(() => this.files.makeDirectory(path, mode & 0o777));
    host(() => this.files.chmod(path, mode & 0o1777));
    return this.found(name);
  }
  override symlink(name: string, target: string): Vnode {
    this.needWritable();
    const path = this.at(name);
    host(() => this.files.symlink(target, path));
    return this.found(name);
  }
  override link(name: string, target: Vnode): void {
    this.needWritable();
    if (!(target instanceof HostNode) || target.fileSystem !== this.fileSystem) throw EXDEV;
    if (target.fileType !== Type.regular) throw EPERM;
    const path = this.at(name);
    const existing = target.path;
    host(() => this.files.link(existing, path));
  }
  override unlink(name: string): void {
    this.needWritable();
    const path = this.at(name);
    host(() => this.files.remove(path));
  }
  override removeDirectory(name: string): void {
    this.needWritable();
    const path = this.at(name);
    host(() => this.files.removeDirectory(path));
  }
  override rename(name: string, to: Vnode, newName: string): void {
    this.needWritable();
    if (!(to instanceof HostNode) || to.fileSystem !== this.fileSystem) throw EXDEV;
    const moved = this.found(name);
    const from = this.at(name);
    const path = to.at(newName);
    host(() => this.files.rename(from, path));
    moved.place(to, newName);
  }

  override readlink(): string {
    if (this.fileType !== Type.link) throw EINVAL;
    const { path } = this;
    return host(() => this.files.readlink(path));
  }

  override setAttributes({ mode, uid, gid, accessed, modified }: Partial<Attributes>): void {
    this.needWritable();
    // Owners are not the guest's to change: all files are its root's.
    if ((uid ?? 0) !== 0 || (gid ?? 0) !== 0) throw EPERM;
    const { path } = this;
    if (mode !== undefined) {
      // chmod of the host follows links; set-ID bits have no business on the host.
      if (this.fileType !== Type.regular && this.fileType !== Type.directory) throw EPERM;
      host(() => this.files.chmod(path, mode & 0o1777));
    }
    if (accessed === undefined && modified === undefined) return;
    const now = host(() => this.files.stat(path, false));
    host(() => this.files.utimes(path, accessed ?? now.accessed, modified ?? now.modified));
  }

  override truncate(length: number): void {
    this.needWritable();
    const file = this.openHost(this.path, { write: true });
    try {
      host(() => file.truncate(length));
    } finally {
      file.close();
    }
  }
}

class HostOpenFile extends OpenFile {
  override readonly path: Path;
  private readonly node: HostNode;
  private readonly file: HostFile;

  constructor(node: HostNode, file: HostFile, flags: number, path: Path) {
    super(flags, path);
    this.node = node;
    this.file = file;
    this.path = path;
  }
  get description(): string {
    let top = this.path;
    while (top.parent) top = top.parent;
    return pathName(this.path, top) ?? "/";
  }
  attributes(): Attributes {
    return this.node.shown(host(() => this.file.stat()));
  }
  override setAttributes(change: Partial<Attributes>): void {
    this.node.setAttributes(change);
  }
  override read(into: Uint8Array, position?: number): number {
    const at = position ?? this.position;
    const count = into.length === 0 ? 0 : host(() => this.file.read(into, at));
    if (position === undefined) this.position = at + count;
    return count;
  }
  override write(from: Uint8Array, position?: number): number {
    const append = (this.flags & Open.append) !== 0;
    const at = append ? host(() => this.file.stat()).size : (position ?? this.position);
    const count = from.length === 0 ? 0 : host(() => this.file.write(from, at));
    if (position === undefined) this.position = at + count;
    return count;
  }
  override mapRead(into: Uint8Array, offset: number): number {
    return host(() => this.file.read(into, offset));
  }
  override seek(offset: number, whence: number): number {
    const size = () => host(() => this.file.stat()).size;
    let to: number;
    if (whence === 0) to = offset;
    else if (whence === 1) to = this.position + offset;
    else if (whence === 2) to = size() + offset;
    else if (whence === 3 || whence === 4) {
      // The host's holes are not known: all is data, with the one hole at the end.
      const end = size();
      if (offset < 0 || offset >= end) throw ENXIO;
      to = whence === 3 ? offset : end;
    } else throw EINVAL;
    if (!(to >= 0 && to <= Number.MAX_SAFE_INTEGER)) throw EINVAL;
    return (this.position = to);
  }
  override truncate(length: number): void {
    host(() => this.file.truncate(length));
  }
  override sync(): void {
    host(() => this.file.sync());
  }
  protected override closed(): void {
    this.file.close();
  }
}
