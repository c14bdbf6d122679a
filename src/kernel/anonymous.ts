// Files without a name: what fstat says of pipes, sockets and event descriptors.

import type { Attributes } from "./vfs/vnode.ts";

let lastInode = 0;

/** A number for a file that lives outside of any file system. */
export function anonymousInode(): number {
  return ++lastInode;
}

/** Attributes of such a file. */
export function anonymousAttributes(inode: number, mode: number, device = 1): Attributes {
  return {
    device,
    inode,
    mode,
    links: 1,
    uid: 0,
    gid: 0,
    rdev: 0,
    size: 0,
    blockSize: 4096,
    blocks: 0,
    accessed: 0n,
    modified: 0n,
    changed: 0n,
  };
}

let lastDevice = 32;

/** A device number for a mounted file system that is on no disk: major 0, as Linux gives them. */
export function anonymousDevice(): number {
  return ++lastDevice;
}
