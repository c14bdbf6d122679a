// The name space of a machine: what is mounted where when it starts.

import { CerebroError } from "../base/errors.ts";
import { MemoryFileSystem, type MemoryNode } from "../fs/memory.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { DiskAccount } from "../kernel/vfs/storage.ts";
import { nameSpace } from "../kernel/vfs/mount.ts";
import { type Path, Type } from "../kernel/vfs/vnode.ts";
import type { RootEntry } from "./options.ts";

/** The directories that programs take for granted. */
const emptyRoot: readonly (readonly [path: string, mode: number])[] = [
  ["bin", 0o755], ["dev", 0o755], ["etc", 0o755], ["home", 0o755], ["lib", 0o755], ["lib64", 0o755], ["proc", 0o555],
  ["root", 0o700], ["run", 0o755], ["sys", 0o555], ["tmp", 0o1777], ["usr", 0o755], ["usr/bin", 0o755],
  ["var", 0o755], ["var/tmp", 0o1777],
]; // prettier-ignore

const second = 1_000_000_000n;

/** Puts entries into a memory file system. Later entries replace earlier ones. */
export function populate(fileSystem: MemoryFileSystem, entries: Iterable<RootEntry>): void {
  const root = fileSystem.root();
  const find = (path: string): MemoryNode => {
    let node = root;
    for (const name of path.split("/"))
      if (name !== "") node = node.lookup(name) ?? node.makeDirectory(name, Type.directory | 0o755, 0, 0);
    return node;
  };
  for (const entry of entries) {
    const slash = entry.path.lastIndexOf("/");
    const parent = find(slash < 0 ? "" : entry.path.slice(0, slash));
    const name = entry.path.slice(slash + 1);
    const node = entry.path === "" ? root : make(parent, name, entry, find);
    const time = BigInt(Math.round(entry.mtime * 1000)) * (second / 1000n);
    if (entry.type !== "hardlink")
      node.setAttributes({
        ...(entry.type !== "symlink" && { mode: (node.type & Type.mask) | (entry.mode & 0o7777) }),
        uid: entry.uid,
        gid: entry.gid,
        accessed: time,
        modified: time,
      });
    for (const [attribute, value] of entry.xattrs ?? []) node.setXattr(attribute, value, 0);
  }
}

function make(parent: MemoryNode, name: string, entry: RootEntry, find: (path: string) => MemoryNode): MemoryNode {
  const before = parent.lookup(name);
  if (before && entry.type === "directory" && before.type === Type.directory) return before;
  if (before) before.type === Type.directory ? parent.removeDirectory(name) : parent.unlink(name);
  switch (entry.type) {
    case "directory":
      return parent.makeDirectory(name, Type.directory | entry.mode, entry.uid, entry.gid);
    case "symlink":
      return parent.symlink(name, entry.linkTarget!, entry.uid, entry.gid);
    case "fifo":
      return parent.create(name, Type.fifo | entry.mode, entry.uid, entry.gid);
    case "hardlink": {
      const target = find(entry.linkTarget!);
      parent.link(name, target);
      return target;
    }
    case "file": {
      const node = parent.create(name, Type.regular | entry.mode, entry.uid, entry.gid);
      const bytes = entry.content();
      if (node.writeAt(bytes, 0) < bytes.length)
        throw new CerebroError("limit", `/${entry.path}: no room for ${bytes.length} bytes`, {
          hint: "--contract disk=SIZE raises the limit",
        });
      return node;
    }
  }
}

/** A new name space with the given entries at its root. */
export function makeRoot(kernel: Kernel, account: DiskAccount, entries: Iterable<RootEntry> | undefined): Path {
  const fileSystem = new MemoryFileSystem({ now: () => kernel.realtime(), account, name: "rootfs" });
  const root = fileSystem.root();
  for (const [path, mode] of emptyRoot) {
    const parts = path.split("/");
    const name = parts.pop()!;
    const parent = parts.reduce<MemoryNode>((node, part) => node.lookup(part)!, root);
    parent.makeDirectory(name, Type.directory | mode, 0, 0);
  }
  if (entries) populate(fileSystem, entries);
  return nameSpace(fileSystem);
}
