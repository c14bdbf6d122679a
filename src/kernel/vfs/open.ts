// Opening files by name: open(2) with everything that it checks.

import { EACCES, EEXIST, EINVAL, EISDIR, ELOOP, ENOENT, ENOTDIR, ENXIO, EPERM, ETXTBSY } from "../errno.ts";
import { Open, type OpenFile } from "../file.ts";
import type { Kernel } from "../kernel.ts";
import { openFifo } from "../pipe.ts";
import type { Process } from "../process.ts";
import { devicesOf } from "./devices.ts";
import { DirectoryFile, PathFile } from "./directory.ts";
import { Event, tellAt } from "./notify.ts";
import type { Path } from "./path.ts";
import { inGroup, need, needDirectoryWrite, needWritable, owns, Want } from "./permission.ts";
import { Type, type Vnode } from "./vnode.ts";
import { find, walk } from "./walk.ts";

/** O_TMPFILE without the O_DIRECTORY bit that open(2) defines it with. */
export const temporary = Open.tmpFile & ~Open.directory;
/** What a file keeps of the flags it was opened with (fcntl(2) F_GETFL). */
const keptFlags = ~(Open.create | Open.exclusive | Open.noControllingTty | Open.truncate | Open.closeOnExec);

/** Group of a new file, and its mode: a set-group-ID directory hands its group down (inode(7)). */
export function inherited(process: Process, directory: Vnode, mode: number): { mode: number; gid: number } {
  const above = directory.attributes();
  if ((above.mode & 0o2000) === 0) return { mode, gid: process.credentials.fsgid };
  if ((mode & Type.mask) === Type.directory) return { mode: mode | 0o2000, gid: above.gid };
  const strip =
    (mode & 0o2010) === 0o2010 && process.credentials.fsuid !== 0 && !inGroup(process.credentials, above.gid);
  return { mode: strip ? mode & ~0o2000 : mode, gid: above.gid };
}

/** What O_PATH leaves of the other flags. */
export function pathFlags(flags: number): number {
  return (flags & Open.path) === 0 ? flags : flags & (Open.path | Open.directory | Open.noFollow | Open.closeOnExec);
}

/** Opens `text` from `base`. `mode` is for files that this makes; the umask is taken off here. */
export function openAt(process: Process, base: Path, text: string, flags: number, mode = 0, resolve = 0): OpenFile {
  if ((flags & temporary) !== 0) return openUnnamed(process, base, text, flags, mode, resolve);
  flags = pathFlags(flags);
  const exclusive = (flags & (Open.create | Open.exclusive)) === (Open.create | Open.exclusive);
  if ((flags & Open.create) === 0) {
    const path = walk(process, base, text, flags & Open.noFollow ? "beforeSlash" : "always", resolve);
    return openPath(process, path, flags);
  }
  if ((flags & Open.directory) !== 0) throw EINVAL;
  const follow = exclusive ? "never" : flags & Open.noFollow ? "beforeSlash" : "always";
  const { path, parent, name, slash } = find(process, base, text, follow, resolve);
  if (path) {
    if (exclusive) throw EEXIST;
    return openPath(process, path, flags);
  }
  if (slash) throw EISDIR;
  needCreatable(process, parent);
  const made = inherited(process, parent.vnode, Type.regular | (mode & 0o7777 & ~process.fs.umask));
  const vnode = parent.vnode.create(name, made.mode, process.credentials.fsuid, made.gid);
  const created = parent.adopt(name, vnode);
  tellAt(created, Event.create);
  return openVnode(process, created, flags & ~Open.truncate);
}

/** Throws unless a name may be added to the directory. */
export function needCreatable(process: Process, directory: Path): void {
  if (directory.vnode.type !== Type.directory) throw ENOTDIR;
  if (directory.removed) throw ENOENT;
  needDirectoryWrite(process.credentials, directory);
}

function openUnnamed(
  process: Process,
  base: Path,
  text: string,
  flags: number,
  mode: number,
  resolve: number,
): OpenFile {
  if ((flags & Open.directory) === 0 || (flags & Open.accessMask) === Open.readOnly) throw EINVAL;
  const directory = walk(process, base, text, "always", resolve);
  needCreatable(process, directory);
  const made = inherited(process, directory.vnode, Type.regular | (mode & 0o7777 & ~process.fs.umask));
  const vnode = directory.vnode.createUnnamed(made.mode, process.credentials.fsuid, made.gid);
  return openVnode(process, unnamedPath(directory, vnode), flags & ~(temporary | Open.directory));
}

/** A path for a file that has no name in its directory. */
function unnamedPath(directory: Path, vnode: Vnode): Path {
  const name = `#${vnode.attributes().inode}`;
  const path = directory.adopt(name, vnode);
  directory.forget(name);
  path.removed = true;
  return path;
}

/** Opens what a walk found, or what a /proc/self/fd link leads to. */
export function openPath(process: Process, path: Path, flags: number): OpenFile {
  const { vnode } = path;
  const { type } = vnode;
  if ((flags & Open.directory) !== 0 && type !== Type.directory) throw ENOTDIR;
  if ((flags & Open.path) !== 0) return new PathFile(flags & keptFlags, path);
  if (type === Type.link) throw ELOOP;
  const access = flags & Open.accessMask;
  const writes = access !== Open.readOnly;
  const { credentials } = process;
  if (type === Type.directory && (writes || (flags & (Open.create | Open.truncate)) !== 0)) throw EISDIR;
  const wanted = access === Open.readOnly ? Want.read : access === Open.writeOnly ? Want.write : Want.read | Want.write;
  if (credentials.fsuid !== 0) need(credentials, vnode, wanted);
  const truncates = (flags & Open.truncate) !== 0 && type === Type.regular;
  if ((writes || truncates) && type === Type.regular) {
    needWritable(path);
    if (isRunning(process.kernel, vnode)) throw ETXTBSY;
  }
  if (truncates && !writes && credentials.fsuid !== 0) need(credentials, vnode, Want.write);
  if ((flags & Open.noAccessTime) !== 0 && !owns(credentials, vnode)) throw EPERM;
  if (truncates) {
    vnode.truncate(0);
    tellAt(path, Event.modify);
  }
  return openVnode(process, path, flags);
}

function openVnode(process: Process, path: Path, flags: number): OpenFile {
  const kept = flags & keptFlags;
  const again = path.vnode.reopen(kept);
  if (again) return again;
  let file: OpenFile;
  switch (path.vnode.type) {
    case Type.regular:
      file = path.vnode.open(kept, path, process);
      break;
    case Type.directory:
      file = path.vnode.stable ? new DirectoryFile(kept, path, process) : path.vnode.open(kept, path, process);
      break;
    case Type.fifo:
      file = openFifo(kept, path);
      break;
    case Type.character:
    case Type.block: {
      const kind = path.vnode.type === Type.block ? "block" : "character";
      // Drivers see O_NOCTTY, which decides whether a terminal becomes the controlling one.
      const { rdev } = path.vnode.attributes();
      file = devicesOf(process.kernel).open(kind, rdev, flags & (keptFlags | Open.noControllingTty), path, process);
      file.flags &= keptFlags;
      break;
    }
    default:
      throw path.vnode.type === Type.socket ? ENXIO : EACCES;
  }
  tellAt(path, Event.open);
  return file;
}

/** True if a process runs this file: writing it is refused with ETXTBSY meanwhile. */
function isRunning(kernel: Kernel, vnode: Vnode): boolean {
  for (const { executable, exitStatus } of kernel.processes.values())
    if (executable?.vnode === vnode && exitStatus === undefined) return true;
  return false;
}
