// The file system types that can be mounted from inside, by name (mount(2), /proc/filesystems).

import { attached } from "../attached.ts";
import { ENODEV } from "../errno.ts";
import type { Process } from "../process.ts";
import { nameSpace } from "./mount.ts";
import { Path } from "./path.ts";
import { Type, type FileSystem } from "./vnode.ts";

/** Makes an instance; `options` is the text after `-o` (Throws EINVAL for what it does not know). */
export type FileSystemMaker = (process: Process, source: string, options: string) => FileSystem;

export class FileSystemTypes {
  private readonly makers = new Map<string, FileSystemMaker>();
  private hidden: Path | undefined;

  register(name: string, maker: FileSystemMaker): void {
    this.makers.set(name, maker);
  }
  get names(): string[] {
    return [...this.makers.keys()];
  }
  /** Throws ENODEV for an unknown type. */
  make(name: string, process: Process, source: string, options: string): FileSystem {
    const maker = this.makers.get(name);
    if (!maker) throw ENODEV;
    return maker(process, source, options);
  }

  /** A file in memory without a place in the name space (memfd_create(2)). Needs a "tmpfs". */
  unnamed(process: Process, label: string): Path {
    this.hidden ??= nameSpace(this.make("tmpfs", process, "tmpfs", ""));
    const { fsuid, fsgid } = process.credentials;
    const path = new Path(
      this.hidden.vnode.createUnnamed(Type.regular | 0o777, fsuid, fsgid),
      this.hidden,
      label,
      this.hidden.mount,
    );
    path.removed = true;
    return path;
  }
}

/** The file system types of a kernel. */
export const fileSystemsOf = attached(() => new FileSystemTypes());
