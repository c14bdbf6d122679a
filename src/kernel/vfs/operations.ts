// Changing the name space and the attributes of files: what mkdir(2), rename(2), chmod(2) and their kin check and do.

import {
  EACCES,
  EBUSY,
  EEXIST,
  EINVAL,
  EISDIR,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  EOPNOTSUPP,
  EPERM,
  EXDEV,
} from "../errno.ts";
import type { Process } from "../process.ts";
import { anyListener, Event, nextCookie, tell, tellAt } from "./notify.ts";
import { inherited, needCreatable } from "./open.ts";
import type { Path } from "./path.ts";
import { inGroup, need, needDirectoryWrite, needRemovable, needWritable, Want } from "./permission.ts";
import { type Attributes, Type } from "./vnode.ts";
import { find } from "./walk.ts";

/** Makes a directory. */
export function makeDirectory(process: Process, base: Path, text: string, mode: number): Path {
  const { path, parent, name } = find(process, base, text, "never");
  if (path) throw EEXIST;
  needCreatable(process, parent);
  const made = inherited(process, parent.vnode, Type.directory | (mode & 0o1777 & ~process.fs.umask));
  const vnode = parent.vnode.makeDirectory(name, made.mode, process.credentials.fsuid, made.gid);
  const created = parent.adopt(name, vnode);
  tellAt(created, Event.create);
  return created;
}

/** Makes a regular file, fifo, socket or device node (mknod(2)); `mode` has the type. */
export function makeNode(process: Process, base: Path, text: string, mode: number, rdev = 0): Path {
  const type = mode & Type.mask || Type.regular;
  const isDevice = type === Type.character || type === Type.block;
  if (type === Type.directory) throw EPERM;
  if (type === Type.link || (!isDevice && type !== Type.regular && type !== Type.fifo && type !== Type.socket))
    throw EINVAL;
  const { path, parent, name, slash } = find(process, base, text, "never");
  if (path) throw EEXIST;
  if (slash) throw ENOENT;
  if (isDevice && process.credentials.fsuid !== 0) throw EPERM;
  needCreatable(process, parent);
  const made = inherited(process, parent.vnode, type | (mode & 0o7777 & ~process.fs.umask));
  const vnode = parent.vnode.create(name, made.mode, process.credentials.fsuid, made.gid, rdev);
  const created = parent.adopt(name, vnode);
  tellAt(created, Event.create);
  return created;
}

/** Makes a symbolic link at `text` to `target`. */
export function makeLink(process: Process, target: string, base: Path, text: string): void {
  if (target === "") throw ENOENT;
  const { path, parent, name, slash } = find(process, base, text, "never");
  if (path) throw EEXIST;
  if (slash) throw ENOENT;
  needCreatable(process, parent);
  const { gid } = inherited(process, parent.vnode, Type.link);
  const vnode = parent.vnode.symlink(name, target, process.credentials.fsuid, gid);
  tellAt(parent.adopt(name, vnode), Event.create);
}

/** Makes another name for `existing` (link(2)). */
export function linkPath(process: Process, existing: Path, base: Path, text: string): void {
  const { path, parent, name, slash } = find(process, base, text, "never");
  if (path) throw EEXIST;
  if (slash) throw ENOENT;
  if (existing.mount !== parent.mount) throw EXDEV;
  if (existing.vnode.type === Type.directory) throw EPERM;
  needCreatable(process, parent);
  parent.vnode.link(name, existing.vnode);
  tell(existing.vnode, Event.attributes);
  tellAt(parent.adopt(name, existing.vnode), Event.create);
}

/** Throws unless `path` may be removed from `parent`. */
function needUnlinkable(process: Process, parent: Path, path: Path): void {
  needDirectoryWrite(process.credentials, parent);
  needRemovable(process.credentials, parent.vnode, path.vnode);
}

function tellRemoved(parent: Path, path: Path, name: string): void {
  const directory = path.vnode.type === Type.directory ? Event.directory : 0;
  if (anyListener()) {
    const gone = directory !== 0 || path.vnode.attributes().links === 0;
    tell(path.vnode, gone ? Event.deleteSelf : Event.attributes);
  }
  tell(parent.vnode, Event.delete | directory, name);
}

/** Removes a name that is not a directory's. */
export function unlink(process: Process, base: Path, text: string): void {
  const { path, parent, name, slash } = find(process, base, text, "never");
  if (name === "." || name === ".." || name === "") throw EISDIR;
  if (!path) throw ENOENT;
  if (path.isMountRoot && path.mount.covers) throw EBUSY;
  if (slash && path.vnode.type !== Type.directory) throw ENOTDIR;
  needUnlinkable(process, parent, path);
  if (path.vnode.type === Type.directory) throw EISDIR;
  parent.vnode.unlink(name);
  path.removed = true;
  parent.forget(name);
  tellRemoved(parent, path, name);
}

/** Removes an empty directory. */
export function removeDirectory(process: Process, base: Path, text: string): void {
  const { path, parent, name } = find(process, base, text, "never");
  if (name === ".") throw EINVAL;
  if (name === "..") throw ENOTEMPTY;
  if (name === "") throw EBUSY;
  if (!path) throw ENOENT;
  if (path.isMountRoot) throw EBUSY;
  if (path.vnode.type !== Type.directory) throw ENOTDIR;
  needUnlinkable(process, parent, path);
  parent.vnode.removeDirectory(name);
  path.removed = true;
  parent.forget(name);
  tellRemoved(parent, path, name);
}

/** renameat2(2)'s flags. */
export const Rename = { noReplace: 1, exchange: 2, whiteout: 4 } as const;

/** Moves a name, replacing what is at the new one. */
export function rename(process: Process, base: Path, text: string, newBase: Path, newText: string, flags = 0): void {
  if ((flags & ~(Rename.noReplace | Rename.exchange)) !== 0 || flags === (Rename.noReplace | Rename.exchange))
    throw EINVAL;
  const from = find(process, base, text, "never");
  const to = find(process, newBase, newText, "never");
  const special = (name: string) => name === "." || name === ".." || name === "";
  if (special(from.name) || special(to.name)) throw EBUSY;
  if (!from.path) throw ENOENT;
  if (from.parent.mount !== to.parent.mount) throw EXDEV;
  if (flags === Rename.noReplace && to.path) throw EEXIST;
  if (flags === Rename.exchange && !to.path) throw ENOENT;
  if (from.path.isMountRoot || to.path?.isMountRoot) throw EBUSY;
  const moved = from.path.vnode;
  const isDirectory = moved.type === Type.directory;
  if (!isDirectory && (from.slash || to.slash)) throw ENOTDIR;
  needUnlinkable(process, from.parent, from.path);
  if (to.path) needUnlinkable(process, to.parent, to.path);
  else needCreatable(process, to.parent);
  if (isDirectory && to.parent.isUnder(from.path)) throw EINVAL;
  if (isDirectory && from.parent !== to.parent) need(process.credentials, moved, Want.write);
  const replaced = to.path?.vnode;
  if (flags === Rename.exchange) {
    if (replaced!.type === Type.directory && from.parent.isUnder(to.path!)) throw EINVAL;
    from.parent.vnode.exchange(from.name, to.parent.vnode, to.name);
    from.parent.swap(from.name, to.parent, to.name);
    return;
  }
  if (replaced === moved) return;
  if (replaced) {
    const overDirectory = replaced.type === Type.directory;
    if (isDirectory && !overDirectory) throw ENOTDIR;
    if (!isDirectory && overDirectory) throw EISDIR;
    if (overDirectory && from.path.isUnder(to.path!)) throw ENOTEMPTY;
  }
  from.parent.vnode.rename(from.name, to.parent.vnode, to.name);
  if (to.path) to.path.removed = true;
  from.parent.move(from.name, to.parent, to.name);
  const cookie = nextCookie();
  const bit = isDirectory ? Event.directory : 0;
  tell(from.parent.vnode, Event.movedFrom | bit, from.name, cookie);
  tell(to.parent.vnode, Event.movedTo | bit, to.name, cookie);
  tell(moved, Event.moveSelf | bit);
  if (replaced) tell(replaced, Event.deleteSelf);
}

/** What an attribute change needs to know: a path by name or the file a descriptor refers to. */
export interface Target {
  readonly path?: Path | undefined;
  attributes(): Attributes;
  setAttributes(change: Partial<Attributes>): void;
}

/** A path as a target. */
export function targetOf(path: Path): Target {
  return {
    path,
    attributes: () => path.vnode.attributes(),
    setAttributes: (change) => path.vnode.setAttributes(change),
  };
}

function changed(target: Target, change: Partial<Attributes>): void {
  target.setAttributes(change);
  tellAt(target.path, Event.attributes);
}

/** chmod(2). */
export function changeMode(process: Process, target: Target, mode: number): void {
  if (target.path) needWritable(target.path);
  const now = target.attributes();
  const { credentials } = process;
  if (credentials.fsuid !== 0 && credentials.fsuid !== now.uid) throw EPERM;
  let bits = mode & 0o7777;
  if (credentials.fsuid !== 0 && !inGroup(credentials, now.gid)) bits &= ~0o2000;
  changed(target, { mode: (now.mode & Type.mask) | bits });
}

/** chown(2): -1 leaves an identity as it is. */
export function changeOwner(process: Process, target: Target, uid: number, gid: number): void {
  if (target.path) needWritable(target.path);
  const now = target.attributes();
  const { credentials } = process;
  if (credentials.fsuid !== 0) {
    if (uid !== -1 && (uid !== now.uid || credentials.fsuid !== now.uid)) throw EPERM;
    if (gid !== -1 && (credentials.fsuid !== now.uid || (gid !== now.gid && !inGroup(credentials, gid)))) throw EPERM;
  }
  const change: Partial<Attributes> = {};
  if (uid !== -1) change.uid = uid >>> 0;
  if (gid !== -1) change.gid = gid >>> 0;
  // Set-ID bits of a program do not survive a new owner; a set-group-ID bit without group execute is a lock mark.
  if ((now.mode & Type.mask) !== Type.directory && (uid !== -1 || gid !== -1)) {
    const strip = 0o4000 | ((now.mode & 0o10) !== 0 ? 0o2000 : 0);
    if ((now.mode & strip) !== 0) change.mode = now.mode & ~strip;
  }
  changed(target, change);
}

/** utimensat(2): times in nanoseconds, "now", or undefined to leave one. */
export function changeTimes(
  process: Process,
  target: Target,
  accessed: bigint | "now" | undefined,
  modified: bigint | "now" | undefined,
  now: bigint,
): void {
  if (accessed === undefined && modified === undefined) return;
  if (target.path) needWritable(target.path);
  const { uid } = target.attributes();
  const { credentials } = process;
  if (credentials.fsuid !== 0 && credentials.fsuid !== uid) {
    if (accessed !== "now" || modified !== "now") throw EPERM;
    if (target.path) need(credentials, target.path.vnode, Want.write);
  }
  const change: Partial<Attributes> = {};
  if (accessed !== undefined) change.accessed = accessed === "now" ? now : accessed;
  if (modified !== undefined) change.modified = modified === "now" ? now : modified;
  changed(target, change);
}

/** truncate(2) by name. */
export function truncatePath(process: Process, path: Path, length: number): void {
  const { type } = path.vnode;
  if (type === Type.directory) throw EISDIR;
  if (type !== Type.regular) throw EINVAL;
  needWritable(path);
  need(process.credentials, path.vnode, Want.write);
  path.vnode.truncate(length);
  tellAt(path, Event.modify);
}

/** Throws unless an extended attribute of this name may be read (or written) (xattr(7)). */
export function needXattr(process: Process, path: Path, name: string, writes: boolean): void {
  if (writes) needWritable(path);
  const [space] = name.split(".", 1);
  // Access control lists (acl(5)) are not there; programs then set the mode instead.
  if (space === "system") throw EOPNOTSUPP;
  if (space === "user") {
    const { type } = path.vnode;
    if (type !== Type.regular && type !== Type.directory) throw EPERM;
    need(process.credentials, path.vnode, writes ? Want.write : Want.read);
  } else if (writes && process.credentials.fsuid !== 0)
    throw space === "security" || space === "trusted" ? EPERM : EACCES;
}
