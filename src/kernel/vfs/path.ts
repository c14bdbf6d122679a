// Paths: the nodes of a name space. Each is a vnode under a name in a parent, in a mount; walks remember them, renames move
// them, so that getcwd and ".." are right whatever happened since (Linux's dentries do the same).

import type { FileSystem, Vnode } from "./vnode.ts";

/** A file system, or part of one, at a place in the name space. */
export interface Mount {
  readonly id: number;
  readonly space: NameSpace;
  readonly fileSystem: FileSystem;
  /** What was mounted, as /proc/mounts shows it. */
  readonly source: string;
  readonly root: Path;
  /** The mount below and the directory it covers; undefined for the root. */
  readonly covers: Path | undefined;
  readOnly: boolean;
  /** Where the mounted part begins in its file system, for bind mounts; "/" otherwise. */
  readonly subtree: string;
}

/** A tree of mounts. */
export interface NameSpace {
  readonly mounts: Mount[];
  nextId: number;
}

export class Path {
  readonly vnode: Vnode;
  /** Undefined at the root of the name space. */
  parent: Path | undefined;
  /** Name in the parent; "" at the root. */
  name: string;
  readonly mount: Mount;
  /** True once the name is gone from its directory. */
  removed = false;
  /** What is mounted here, in the way of the vnode. */
  mounted: Mount | undefined;
  private children: Map<string, Path> | undefined;

  constructor(vnode: Vnode, parent: Path | undefined, name: string, mount: Mount) {
    this.vnode = vnode;
    this.parent = parent;
    this.name = name;
    this.mount = mount;
  }

  /** The child of this name, with what is mounted on it; undefined when there is none. Throws ENOTDIR. */
  child(name: string): Path | undefined {
    const known = this.children?.get(name);
    if (known) return known.mounted === undefined ? known : known.top;
    const vnode = this.vnode.lookup(name);
    return vnode && this.adopt(name, vnode);
  }

  /** The path of a child just found or made. */
  adopt(name: string, vnode: Vnode): Path {
    const path = new Path(vnode, this, name, this.mount);
    if (this.vnode.stable && this.mount.subtree === "/") this.remember(path);
    return path;
  }

  private remember(child: Path): void {
    (this.children ??= new Map()).set(child.name, child);
  }

  /** The root of the topmost mount here, or the path itself. */
  get top(): Path {
    let path: Path = this;
    while (path.mounted) path = path.mounted.root;
    return path;
  }

  /** True if something is mounted on this name. */
  get covered(): boolean {
    return this.mounted !== undefined;
  }

  /** The root of a mount, or "/". */
  get isMountRoot(): boolean {
    return this.mount.root === this;
  }

  /** Keeps the path alive and findable under its parent, as what is mounted on it hangs there. */
  cover(mount: Mount | undefined): void {
    this.mounted = mount;
    if (mount) this.parent?.remember(this);
    else if (this.parent && !this.parent.vnode.stable) this.parent.children?.delete(this.name);
  }

  /** The name was removed from this directory. */
  forget(name: string): void {
    const child = this.children?.get(name);
    if (!child) return;
    child.removed = true;
    this.children!.delete(name);
  }

  /** The child `name` is now `to`'s child `newName`. */
  move(name: string, to: Path, newName: string): void {
    const child = this.children?.get(name);
    to.forget(newName);
    if (!child) return;
    this.children!.delete(name);
    child.parent = to;
    child.name = newName;
    to.remember(child);
  }

  /** Two names changed places. */
  swap(name: string, to: Path, newName: string): void {
    const one = this.children?.get(name);
    const other = to.children?.get(newName);
    this.children?.delete(name);
    to.children?.delete(newName);
    for (const [child, parent, label] of [
      [one, to, newName],
      [other, this, name],
    ] as const) {
      if (!child) continue;
      child.parent = parent;
      child.name = label;
      parent.remember(child);
    }
  }

  /** True if `ancestor` is this path or above it. */
  isUnder(ancestor: Path): boolean {
    for (let path: Path | undefined = this; path; path = path.parent) if (path === ancestor) return true;
    return false;
  }
}

/** The absolute name of a path as seen from `root`; undefined when it is not under it (getcwd shows "(unreachable)"). */
export function pathName(path: Path, root: Path): string | undefined {
  let text = "";
  let at: Path | undefined = path;
  for (; at !== undefined && at !== root; at = at.parent) if (at.name !== "") text = `/${at.name}${text}`;
  if (at === undefined && root.parent !== undefined) return undefined;
  return text === "" ? "/" : text;
}

/** True if the path or a directory above it was removed. */
export function isRemoved(path: Path): boolean {
  for (let at: Path | undefined = path; at; at = at.parent) if (at.removed) return true;
  return false;
}
