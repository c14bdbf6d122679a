// Mounting inside the machine: tmpfs and the like, bind mounts; never anything of the host (mount(2), umount(2)).

import { EBUSY, EINVAL, ENODEV, ENOTDIR, EPERM } from "../../kernel/errno.ts";
import type { Task } from "../../kernel/task.ts";
import { decodeName } from "../../kernel/vfs/names.ts";
import { fileSystemsOf } from "../../kernel/vfs/filesystems.ts";
import { mount as mountAt, unmount } from "../../kernel/vfs/mount.ts";
import { pathName } from "../../kernel/vfs/path.ts";
import { Type } from "../../kernel/vfs/vnode.ts";
import { walk } from "../../kernel/vfs/walk.ts";
import { address, long, path, uint } from "../kinds.ts";
import { syscall, unsupported } from "../table.ts";

const Flag = {
  readOnly: 1,
  remount: 32,
  bind: 4096,
  move: 8192,
  unbindable: 1 << 17,
  private: 1 << 18,
  slave: 1 << 19,
  shared: 1 << 20,
} as const;
const propagation = Flag.unbindable | Flag.private | Flag.slave | Flag.shared;

const textAt = (task: Task, at: number): string =>
  at === 0 ? "" : decodeName(task.process.memory.guest.readCString(at, 4096));

export const mount = syscall(
  { x86_64: 165, i386: 21 },
  [address, path, address, long, address],
  (task, sourceAt, target, typeAt, flags, data) => {
    const { process } = task;
    if (process.credentials.euid !== 0) throw EPERM;
    const { cwd } = process.fs;
    const at = walk(process, cwd, target);
    const readOnly = (flags & Flag.readOnly) !== 0;
    if ((flags & Flag.remount) !== 0) {
      if (!at.isMountRoot) throw EINVAL;
      at.mount.readOnly = readOnly;
      return;
    }
    // Propagation between name spaces: there is one name space only.
    if ((flags & propagation) !== 0) return;
    if ((flags & Flag.move) !== 0) throw EINVAL;
    const source = textAt(task, sourceAt);
    if ((flags & Flag.bind) !== 0) {
      const from = walk(process, cwd, source);
      if ((from.vnode.type === Type.directory) !== (at.vnode.type === Type.directory)) throw ENOTDIR;
      const name = pathName(from, from.mount.root) ?? "/";
      mountAt(at, from.mount.fileSystem, {
        readOnly,
        source: from.mount.source,
        part: { vnode: from.vnode, name: name === "/" ? "." : name },
      });
      return;
    }
    if (at.vnode.type !== Type.directory) throw ENOTDIR;
    const type = textAt(task, typeAt);
    if (type === "") throw ENODEV;
    const fileSystem = fileSystemsOf(process.kernel).make(type, process, source, textAt(task, data));
    mountAt(at, fileSystem, { readOnly, source: source || type });
  },
);

const detach = 2;
const expire = 4;
const noFollow = 8;

function unmountAt(task: Task, text: string, flags: number): void {
  const { process } = task;
  if ((flags & ~(1 | detach | expire | noFollow)) !== 0) throw EINVAL;
  if (process.credentials.euid !== 0) throw EPERM;
  const at = walk(process, process.fs.cwd, text, (flags & noFollow) !== 0 ? "beforeSlash" : "always");
  if ((flags & detach) === 0)
    for (const other of process.kernel.processes.values()) {
      if (other.exitStatus !== undefined) continue;
      const inside = [other.fs.cwd, other.fs.root, ...[...other.files.descriptors()].map(([, file]) => file.path)];
      if (at.isMountRoot && inside.some((used) => used?.mount === at.mount)) throw EBUSY;
    }
  unmount(at);
}

export const umount2 = syscall({ x86_64: 166, i386: 52 }, [path, uint], unmountAt);
export const umount = syscall({ i386: 22 }, [path], (task, text) => unmountAt(task, text, 0));

const noMoving = "mounts are made by mount(2)";
export const pivot_root = unsupported({ x86_64: 155, i386: 217 }, "the root of a machine stays");
export const open_tree = unsupported({ x86_64: 428, i386: 428 }, noMoving);
export const move_mount = unsupported({ x86_64: 429, i386: 429 }, noMoving);
export const fsopen = unsupported({ x86_64: 430, i386: 430 }, noMoving);
export const fsconfig = unsupported({ x86_64: 431, i386: 431 }, noMoving);
export const fsmount = unsupported({ x86_64: 432, i386: 432 }, noMoving);
export const fspick = unsupported({ x86_64: 433, i386: 433 }, noMoving);
export const mount_setattr = unsupported({ x86_64: 442, i386: 442 }, noMoving);
export const name_to_handle_at = unsupported({ x86_64: 303, i386: 341 }, "files have no handles");
export const open_by_handle_at = unsupported({ x86_64: 304, i386: 342 }, "files have no handles");
export const quotactl = unsupported({ x86_64: 179, i386: 131 }, "contracts limit disk use");
export const quotactl_fd = unsupported({ x86_64: 443, i386: 443 }, "contracts limit disk use");
