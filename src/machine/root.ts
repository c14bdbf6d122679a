// The name space of a machine: what is mounted where when it starts.

import { deviceFileSystem } from "../devices/dev.ts";
import { PtsFileSystem } from "../devices/pty.ts";
import { ArchiveFileSystem, type ArchiveEntry } from "../fs/archive.ts";
import { MemoryFileSystem } from "../fs/memory.ts";
import { OverlayFileSystem } from "../fs/overlay.ts";
import { ProcFileSystem } from "../fs/proc.ts";
import { SysFileSystem } from "../fs/sys.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Process } from "../kernel/process.ts";
import { makeDirectory } from "../kernel/vfs/operations.ts";
import { mount, nameSpace } from "../kernel/vfs/mount.ts";
import type { DiskAccount } from "../kernel/vfs/storage.ts";
import type { FileSystem, Path } from "../kernel/vfs/vnode.ts";
import { find } from "../kernel/vfs/walk.ts";

/** The directories that programs take for granted. */
// prettier-ignore
const directories: Readonly<Record<string, number>> = {
  "": 0o755, bin: 0o755, dev: 0o755, etc: 0o755, home: 0o755, lib: 0o755, lib64: 0o755, proc: 0o555, root: 0o700,
  run: 0o755, sys: 0o555, tmp: 0o1777, usr: 0o755, "usr/bin": 0o755, var: 0o755, "var/tmp": 0o1777,
};

function* emptyRoot(): Generator<ArchiveEntry> {
  const shared = { type: "directory", uid: 0, gid: 0, mtime: 0, size: 0, read: () => 0 } as const;
  for (const [path, mode] of Object.entries(directories)) yield { path, mode, ...shared };
}

/** A new name space with the given entries below a writable layer. */
export function makeRoot(kernel: Kernel, account: DiskAccount, entries: Iterable<ArchiveEntry> = emptyRoot()): Path {
  const lower = new ArchiveFileSystem(entries).root();
  return nameSpace(new OverlayFileSystem({ now: () => kernel.realtime(), account, lower }));
}

/** Mounts at a path, making directories on the way. */
function mountAt(init: Process, path: string, fileSystem: FileSystem): void {
  const { root } = init.fs;
  let at = "";
  for (const name of path.split("/").slice(1)) {
    at += `/${name}`;
    if (!find(init, root, at, "always").path) makeDirectory(init, root, at, 0o755);
  }
  mount(find(init, root, path, "always").path!, fileSystem);
}

/** Mounts what every Linux has. `init` lends its root and its rights. */
export function mountAll(init: Process): void {
  const { kernel } = init;
  const memory = (mode: number) => new MemoryFileSystem({ now: () => kernel.realtime(), account: init.contract, mode });
  mountAt(init, "/dev", deviceFileSystem(kernel));
  mountAt(init, "/dev/pts", new PtsFileSystem(kernel));
  mountAt(init, "/dev/shm", memory(0o1777));
  mountAt(init, "/proc", new ProcFileSystem(kernel));
  mountAt(init, "/sys", new SysFileSystem(kernel));
}
