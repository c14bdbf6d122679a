// The name space of a machine: what is mounted where when it starts.

import { CerebroError } from "../base/errors.ts";
import { deviceFileSystem } from "../devices/dev.ts";
import { registerFileSystems } from "../devices/filesystems.ts";
import { PtsFileSystem } from "../devices/pty.ts";
import { ArchiveFileSystem, type ArchiveEntry } from "../fs/archive.ts";
import { HostDirectoryFileSystem } from "../fs/hostdir.ts";
import { MemoryFileSystem } from "../fs/memory.ts";
import { OverlayFileSystem } from "../fs/overlay.ts";
import { ProcFileSystem } from "../fs/proc.ts";
import { SysFileSystem } from "../fs/sys.ts";
import { HostError } from "../host/host.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Process } from "../kernel/process.ts";
import { makeDirectory } from "../kernel/vfs/operations.ts";
import { mount, nameSpace } from "../kernel/vfs/mount.ts";
import type { DiskAccount } from "../kernel/vfs/storage.ts";
import type { FileSystem, Path } from "../kernel/vfs/vnode.ts";
import { find } from "../kernel/vfs/walk.ts";
import type { HostMount } from "./options.ts";

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

/** What is below the writable layer of the root. */
export type Below = { readonly entries?: Iterable<ArchiveEntry> } | { readonly directory: string };

/** A new name space: a tree that is only read, below a writable layer in memory. */
export function makeRoot(kernel: Kernel, account: DiskAccount, below: Below): Path {
  const fileSystem =
    "directory" in below
      ? granted(kernel, { host: below.directory, guest: "/", readOnly: true })
      : new ArchiveFileSystem(below.entries ?? emptyRoot());
  return nameSpace(new OverlayFileSystem({ now: () => kernel.realtime(), account, lower: fileSystem.root() }));
}

/** The file system of a grant. The grant is told to those who listen. */
function granted(kernel: Kernel, { host, guest, readOnly = false }: HostMount): FileSystem {
  const { files } = kernel.host;
  if (!files) throw new CerebroError("unsupported", `${host}: this host has no files to show`);
  try {
    const fileSystem = new HostDirectoryFileSystem(files, host, { readOnly });
    const text = `${fileSystem.base || "/"} at ${guest}, ${readOnly ? "to read" : "to read and write"}`;
    kernel.trace.emit({ topic: "grant", time: kernel.now(), pid: 1, tid: 1, text });
    return fileSystem;
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    const hint = error.code === "ENOTDIR" ? { hint: "grant the directory that the file is in" } : {};
    throw new CerebroError(error.code === "ENOENT" ? "not-found" : "host", `${host}: ${error.message}`, {
      cause: error,
      ...hint,
    });
  }
}

/** Mounts at a path, making directories on the way. */
function mountAt(init: Process, path: string, fileSystem: FileSystem): void {
  const { root } = init.fs;
  let at = "";
  for (const name of path.split("/")) {
    if (name === "") continue;
    at += `/${name}`;
    if (!find(init, root, at, "always").path) makeDirectory(init, root, at, 0o755);
  }
  mount(find(init, root, path, "always").path!, fileSystem);
}

/** Mounts what every Linux has, and what was granted. `init` lends its root and its rights, `account` pays for what
 * is kept in memory. */
export function mountAll(init: Process, mounts: readonly HostMount[], account: DiskAccount): void {
  const { kernel } = init;
  const memory = (mode: number) => new MemoryFileSystem({ now: () => kernel.realtime(), account, mode });
  registerFileSystems(kernel, account);
  mountAt(init, "/dev", deviceFileSystem(kernel));
  mountAt(init, "/dev/pts", new PtsFileSystem(kernel));
  mountAt(init, "/dev/shm", memory(0o1777));
  mountAt(init, "/proc", new ProcFileSystem(kernel));
  mountAt(init, "/sys", new SysFileSystem(kernel));
  for (const grant of mounts) mountAt(init, grant.guest, granted(kernel, grant));
}
