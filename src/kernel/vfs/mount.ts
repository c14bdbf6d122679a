// Mounting: putting a file system, or a part of one, over a directory (mount(2)).

import { EBUSY, EINVAL } from "../errno.ts";
import { type Mount, type NameSpace, Path } from "./path.ts";
import type { FileSystem, Vnode } from "./vnode.ts";

interface MountOptions {
  readonly readOnly?: boolean;
  readonly source?: string;
  /** Part of the file system to show, for bind mounts. */
  readonly part?: { readonly vnode: Vnode; readonly name: string };
}

function attach(space: NameSpace, fileSystem: FileSystem, covers: Path | undefined, options: MountOptions): Mount {
  const mount: Mount & { root: Path } = {
    id: space.nextId++,
    space,
    fileSystem,
    source: options.source ?? fileSystem.name,
    root: undefined as unknown as Path,
    covers,
    readOnly: options.readOnly ?? false,
    subtree: options.part?.name ?? "/",
  };
  mount.root = new Path(options.part?.vnode ?? fileSystem.root(), covers?.parent, covers?.name ?? "", mount);
  space.mounts.push(mount);
  return mount;
}

/** A new name space with this file system at its root. */
export function nameSpace(rootFileSystem: FileSystem, options: MountOptions = {}): Path {
  return attach({ mounts: [], nextId: 1 }, rootFileSystem, undefined, options).root;
}

/** Mounts over `at`, hiding what is there. */
export function mount(at: Path, fileSystem: FileSystem, options: MountOptions = {}): Mount {
  const covered = at.top;
  const made = attach(covered.mount.space, fileSystem, covered, options);
  covered.cover(made);
  return made;
}

/** Takes the mount whose root is `at` away. Throws EINVAL when it is none, EBUSY when others are mounted inside. */
export function unmount(at: Path): void {
  const { mount: gone } = at;
  if (!at.isMountRoot || gone.covers === undefined) throw EINVAL;
  const { mounts } = gone.space;
  if (mounts.some((other) => other !== gone && other.covers?.mount === gone)) throw EBUSY;
  mounts.splice(mounts.indexOf(gone), 1);
  gone.covers.cover(undefined);
}
