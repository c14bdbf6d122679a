// Open directories and O_PATH files: what every file system opens its directories as.

import { EBADF, EINVAL, EISDIR } from "../errno.ts";
import { type DirectoryEntry, OpenFile } from "../file.ts";
import type { Process } from "../process.ts";
import { type Path, pathName } from "./path.ts";
import { type Attributes, Type } from "./vnode.ts";

/** Fixed length of the names that readlink shows for files with a path, from the root of the name space. */
function describe(path: Path): string {
  let top = path;
  while (top.parent) top = top.parent;
  return pathName(path, top) ?? "/";
}

/** A directory opened for listing. It shows a snapshot, taken at the first read and after each rewind. */
export class DirectoryFile extends OpenFile {
  private snapshot: DirectoryEntry[] | undefined;
  private readonly process: Process;
  override readonly path: Path;

  constructor(flags: number, path: Path, process: Process) {
    super(flags, path);
    this.path = path;
    this.process = process;
  }

  get description(): string {
    return describe(this.path);
  }
  attributes(): Attributes {
    return this.path.vnode.attributes();
  }
  override setAttributes(change: Partial<Attributes>): void {
    this.path.vnode.setAttributes(change);
  }
  override read(): number {
    throw EISDIR;
  }
  override write(): number {
    throw EBADF;
  }

  override entries(from: number): DirectoryEntry[] {
    if (from === 0 || this.snapshot === undefined) {
      const { vnode, parent } = this.path;
      // A removed directory has not even itself in it.
      if (this.path.removed) return (this.snapshot = []);
      const inode = vnode.attributes().inode;
      const listed: DirectoryEntry[] = [
        { name: ".", inode, type: Type.directory, next: 1 },
        { name: "..", inode: parent?.vnode.attributes().inode ?? inode, type: Type.directory, next: 2 },
      ];
      for (const { name, inode: number, type } of vnode.list(this.process))
        listed.push({ name, inode: number, type, next: listed.length + 1 });
      this.snapshot = listed;
    }
    return from === 0 ? this.snapshot : this.snapshot.slice(from);
  }

  override seek(offset: number, whence: number): number {
    const to = whence === 0 ? offset : whence === 1 ? this.position + offset : -1;
    if (to < 0) throw EINVAL;
    if (to === 0) this.snapshot = undefined;
    return (this.position = to);
  }
}

/** A file opened with O_PATH: a name to work from, not to read or write (open(2)). */
export class PathFile extends OpenFile {
  override readonly path: Path;
  constructor(flags: number, path: Path) {
    super(flags, path);
    this.path = path;
  }
  get description(): string {
    return describe(this.path);
  }
  attributes(): Attributes {
    return this.path.vnode.attributes();
  }
  override read(): number {
    throw EBADF;
  }
  override write(): number {
    throw EBADF;
  }
  override seek(): number {
    throw EBADF;
  }
  override entries(): Iterable<DirectoryEntry> {
    throw EBADF;
  }
  override ioctl(): number {
    throw EBADF;
  }
  override mapRead(): number {
    throw EBADF;
  }
  override poll(): number {
    throw EBADF;
  }
}
