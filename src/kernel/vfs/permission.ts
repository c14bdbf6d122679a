// Who may do what to a file: classic owner, group and other bits, with user 0 in the place of capabilities (inode(7), path_resolution(7)).

import { EACCES, EPERM, EROFS } from "../errno.ts";
import type { Credentials } from "../process.ts";
import type { Path } from "./path.ts";
import { type Attributes, Type, type Vnode } from "./vnode.ts";

/** What is wanted of a file, as access(2) counts. */
export const Want = { execute: 1, write: 2, read: 4 } as const;

/** True if `gid` is one of the caller's groups. */
export function inGroup(credentials: Credentials, gid: number): boolean {
  return credentials.fsgid === gid || credentials.groups.includes(gid);
}

/** True if the permission bits allow what is wanted. */
export function permits(credentials: Credentials, { mode, uid, gid }: Attributes, want: number): boolean {
  if (credentials.fsuid === 0)
    return (want & Want.execute) === 0 || (mode & 0o111) !== 0 || (mode & Type.mask) === Type.directory;
  const shift = credentials.fsuid === uid ? 6 : inGroup(credentials, gid) ? 3 : 0;
  return ((mode >>> shift) & want) === want;
}

/** Throws EACCES unless the caller may. */
export function need(credentials: Credentials, vnode: Vnode, want: number): void {
  if (credentials.fsuid === 0 && (want & Want.execute) === 0) return;
  if (!permits(credentials, vnode.attributes(), want)) throw EACCES;
}

/** Throws EACCES unless the caller may pass through the directory. */
export function needSearch(credentials: Credentials, directory: Vnode): void {
  if (credentials.fsuid !== 0 && !permits(credentials, directory.attributes(), Want.execute)) throw EACCES;
}

/** Throws EROFS when the path is in a read-only mount. */
export function needWritable(path: Path): void {
  if (path.mount.readOnly || path.mount.fileSystem.readOnly) throw EROFS;
}

/** Throws unless names of the directory may be added or removed. */
export function needDirectoryWrite(credentials: Credentials, directory: Path): void {
  needWritable(directory);
  if (credentials.fsuid !== 0 && !permits(credentials, directory.vnode.attributes(), Want.write | Want.execute))
    throw EACCES;
}

/** Throws EPERM when a sticky directory keeps the caller from removing another's file. */
export function needRemovable(credentials: Credentials, directory: Vnode, child: Vnode): void {
  if (credentials.fsuid === 0) return;
  const above = directory.attributes();
  if ((above.mode & 0o1000) === 0 || above.uid === credentials.fsuid) return;
  if (child.attributes().uid !== credentials.fsuid) throw EPERM;
}

/** True if the caller owns the file or is user 0. */
export function owns(credentials: Credentials, vnode: Vnode): boolean {
  return credentials.fsuid === 0 || credentials.fsuid === vnode.attributes().uid;
}
