// Path walking: from a text to a place in the name space, as path_resolution(7) and openat2(2) tell it.

import { ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, EXDEV } from "../errno.ts";
import type { Process } from "../process.ts";
import { nameLength } from "./names.ts";
import { needSearch } from "./permission.ts";
import type { Path } from "./path.ts";
import { Type } from "./vnode.ts";

/** What to do with a symbolic link at the end: go on, only when a slash follows it, or never. */
export type FollowLast = "always" | "beforeSlash" | "never";

/** openat2(2)'s RESOLVE_ flags. */
export const Resolve = { noMounts: 1, noMagicLinks: 2, noLinks: 4, beneath: 8, inRoot: 16, cached: 32 } as const;

/** Where a walk ended. */
export interface Found {
  /** What is there; undefined when the last name does not exist. */
  readonly path: Path | undefined;
  /** The directory that has, or would have, the last name. */
  readonly parent: Path;
  /** The last name: "." and ".." as they stand, "" for "/". */
  readonly name: string;
  /** True if slashes followed the last name. */
  readonly slash: boolean;
}

const linkLimit = 40;
const slash = 47;

/** Walks `text` from `base`. Throws when anything but the last name is missing. */
export function find(process: Process, base: Path, text: string, follow: FollowLast, resolve = 0): Found {
  if (text === "") throw ENOENT;
  const { credentials } = process;
  const root = resolve & (Resolve.inRoot | Resolve.beneath) ? base : process.fs.root;
  if ((resolve & Resolve.beneath) !== 0 && text.charCodeAt(0) === slash) throw EXDEV;
  let at = text.charCodeAt(0) === slash ? root : base;
  let rest = text;
  let i = 0;
  let links = 0;
  for (;;) {
    while (rest.charCodeAt(i) === slash) i++;
    if (i >= rest.length) return { path: at, parent: at.parent ?? at, name: "", slash: false };
    let end = rest.indexOf("/", i);
    if (end < 0) end = rest.length;
    const name = rest.slice(i, end);
    i = end;
    while (rest.charCodeAt(i) === slash) i++;
    const last = i >= rest.length;
    const trailing = last && i > end;

    if (at.vnode.type !== Type.directory) throw ENOTDIR;
    if (credentials.fsuid !== 0) needSearch(credentials, at.vnode);
    const above = at;
    if (name === ".") {
      if (last) return { path: at, parent: at.parent ?? at, name, slash: trailing };
      continue;
    }
    if (name === "..") {
      if (at === root) {
        if ((resolve & Resolve.beneath) !== 0) throw EXDEV;
      } else at = at.parent ?? at;
      if (last) return { path: at, parent: above, name, slash: trailing };
      continue;
    }
    if (name.length > 85 && (name.length > 255 || nameLength(name) > 255)) throw ENAMETOOLONG;
    const child = at.child(name);
    if (child === undefined) {
      if (last) return { path: undefined, parent: at, name, slash: trailing };
      throw ENOENT;
    }
    if ((resolve & Resolve.noMounts) !== 0 && child.mount !== at.mount) throw EXDEV;
    const type = child.vnode.type;
    if (type === Type.link && (!last || follow === "always" || (trailing && follow === "beforeSlash"))) {
      if (++links > linkLimit || (resolve & Resolve.noLinks) !== 0) throw ELOOP;
      const magic = child.vnode.follow(process);
      if (magic) {
        if ((resolve & (Resolve.noMagicLinks | Resolve.beneath | Resolve.inRoot)) !== 0) throw ELOOP;
        at = magic;
        if (!last) continue;
        if (trailing && at.vnode.type !== Type.directory) throw ENOTDIR;
        return { path: at, parent: at.parent ?? at, name: at.name, slash: trailing };
      }
      const target = child.vnode.readlink(process);
      if (target === "") throw ENOENT;
      rest = last ? (trailing ? `${target}/` : target) : `${target}/${rest.slice(i)}`;
      i = 0;
      if (target.charCodeAt(0) === slash) {
        if ((resolve & Resolve.beneath) !== 0) throw EXDEV;
        at = root;
      }
      continue;
    }
    at = child;
    if (!last) continue;
    if (trailing && type !== Type.directory && !(type === Type.link && follow === "never")) throw ENOTDIR;
    return { path: at, parent: above, name, slash: trailing };
  }
}

/** The existing place that `text` names. Throws ENOENT. */
export function walk(process: Process, base: Path, text: string, follow: FollowLast = "always", resolve = 0): Path {
  const { path } = find(process, base, text, follow, resolve);
  if (path === undefined) throw ENOENT;
  return path;
}
