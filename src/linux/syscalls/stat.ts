// What files are: stat(2), statx(2), access(2), statfs(2).

import { EACCES, EINVAL, ENOENT, EROFS } from "../../kernel/errno.ts";
import type { Credentials } from "../../kernel/process.ts";
import type { Task } from "../../kernel/task.ts";
import { permits, Want } from "../../kernel/vfs/permission.ts";
import { type Attributes, type Path, Type } from "../../kernel/vfs/vnode.ts";
import { find, walk } from "../../kernel/vfs/walk.ts";
import { At, atCwd, attributesTarget, baseOf, fileOf, placeOf } from "../at.ts";
import { address, directory, int, mode, path, size, uint } from "../kinds.ts";
import {
  type StatfsPlace,
  writeStat,
  writeStat32,
  writeStat64,
  writeStatfs,
  writeStatfs32,
  writeStatfs64,
  writeStatx,
} from "../stat.ts";
import { syscall } from "../table.ts";

type Writer = (task: Task, at: number, file: Attributes) => void;

/** Result for names that do not exist: the usual failure, too frequent to be thrown. */
const missing = -ENOENT.number;

const byName = (write: Writer, follow: boolean) => (task: Task, text: string, at: number) => {
  const { process } = task;
  const found = find(process, process.fs.cwd, text, follow ? "always" : "beforeSlash").path;
  if (!found) return missing;
  write(task, at, found.vnode.attributes());
  return 0;
};
const byDescriptor = (write: Writer) => (task: Task, fd: number, at: number) => {
  write(task, at, fileOf(task, fd).attributes());
};
const statFlags = At.noFollow | At.emptyPath | 0x800;
const byPlace = (write: Writer) => (task: Task, fd: number, text: string, at: number, flags: number) => {
  if ((flags & ~statFlags) !== 0) throw EINVAL;
  if (text === "") {
    write(task, at, attributesTarget(task, fd, text, flags).attributes());
    return 0;
  }
  const follow = (flags & At.noFollow) !== 0 ? "beforeSlash" : "always";
  const found = find(task.process, baseOf(task, fd, text), text, follow).path;
  if (!found) return missing;
  write(task, at, found.vnode.attributes());
  return 0;
};

export const stat = syscall({ x86_64: 4 }, [path, address], byName(writeStat, true));
export const lstat = syscall({ x86_64: 6 }, [path, address], byName(writeStat, false));
export const fstat = syscall({ x86_64: 5 }, [int, address], byDescriptor(writeStat));
export const newfstatat = syscall({ x86_64: 262 }, [directory, path, address, uint], byPlace(writeStat));
export const stat64 = syscall({ i386: 195 }, [path, address], byName(writeStat64, true));
export const lstat64 = syscall({ i386: 196 }, [path, address], byName(writeStat64, false));
export const fstat64 = syscall({ i386: 197 }, [int, address], byDescriptor(writeStat64));
export const fstatat64 = syscall({ i386: 300 }, [directory, path, address, uint], byPlace(writeStat64));

/** The i386 calls with 32-bit sizes; exported under their own names by stat32.ts. */
export const narrowStat = {
  stat: byName(writeStat32, true),
  lstat: byName(writeStat32, false),
  fstat: byDescriptor(writeStat32),
};

export const statx = syscall(
  { x86_64: 332, i386: 383 },
  [directory, path, uint, uint, address],
  (task, fd, text, flags, mask, at) => {
    if ((flags & ~(statFlags | 0x6000)) !== 0 || (flags & 0x6000) === 0x6000 || mask >>> 31 !== 0) throw EINVAL;
    const target = attributesTarget(task, fd, text, flags);
    writeStatx(task, at, target.attributes(), target.path?.mount.id ?? 0, target.path?.isMountRoot ?? false);
  },
);

const accessModes = Want.read | Want.write | Want.execute;

/** The caller's real identity, which access(2) asks about. */
function realIdentity(credentials: Credentials): Credentials {
  return { ...credentials, fsuid: credentials.uid, fsgid: credentials.gid };
}

function checkAccess(task: Task, fd: number, text: string, wanted: number, flags: number): void {
  if ((wanted & ~accessModes) !== 0) throw EINVAL;
  if ((flags & ~(At.effectiveAccess | At.noFollow | At.emptyPath)) !== 0) throw EINVAL;
  const found = placeOf(task, fd, text, flags);
  if (wanted === 0) return;
  const { credentials } = task.process;
  const attributes = found.vnode.attributes();
  const type = attributes.mode & Type.mask;
  const special = type === Type.character || type === Type.block || type === Type.fifo || type === Type.socket;
  if ((wanted & Want.write) !== 0 && !special && (found.mount.readOnly || found.mount.fileSystem.readOnly)) throw EROFS;
  const identity = (flags & At.effectiveAccess) !== 0 ? credentials : realIdentity(credentials);
  if (!permits(identity, attributes, wanted)) throw EACCES;
}

export const access = syscall({ x86_64: 21, i386: 33 }, [path, mode], (task, text, wanted) =>
  checkAccess(task, atCwd, text, wanted, 0),
);
export const faccessat = syscall({ x86_64: 269, i386: 307 }, [directory, path, mode], (task, fd, text, wanted) =>
  checkAccess(task, fd, text, wanted, 0),
);
export const faccessat2 = syscall({ x86_64: 439, i386: 439 }, [directory, path, mode, uint], checkAccess);

const placeOfMount = ({ mount }: Path): StatfsPlace => ({
  device: mount.fileSystem.device,
  readOnly: mount.readOnly || mount.fileSystem.readOnly,
});
const anonymousStatus = {
  type: 0x50495045,
  blockSize: 4096,
  blocks: 0,
  blocksFree: 0,
  files: 0,
  filesFree: 0,
  nameMax: 255,
};

type StatfsWriter = typeof writeStatfs;

function statfsByName(task: Task, text: string, at: number, write: StatfsWriter): void {
  const found = walk(task.process, task.process.fs.cwd, text);
  write(task, at, found.mount.fileSystem.status(), placeOfMount(found));
}
function statfsByDescriptor(task: Task, fd: number, at: number, write: StatfsWriter): void {
  const { path: found } = fileOf(task, fd);
  if (found) write(task, at, found.mount.fileSystem.status(), placeOfMount(found));
  else write(task, at, anonymousStatus, { device: 0, readOnly: false });
}

export const statfs = syscall({ x86_64: 137 }, [path, address], (task, text, at) =>
  statfsByName(task, text, at, writeStatfs),
);
export const fstatfs = syscall({ x86_64: 138 }, [int, address], (task, fd, at) =>
  statfsByDescriptor(task, fd, at, writeStatfs),
);
/** Size of i386's struct statfs64, which callers pass along. */
const statfs64Size = 84;
export const statfs64 = syscall({ i386: 268 }, [path, size, address], (task, text, length, at) => {
  if (length !== statfs64Size) throw EINVAL;
  statfsByName(task, text, at, writeStatfs64);
});
export const fstatfs64 = syscall({ i386: 269 }, [int, size, address], (task, fd, length, at) => {
  if (length !== statfs64Size) throw EINVAL;
  statfsByDescriptor(task, fd, at, writeStatfs64);
});

/** The i386 calls with 32-bit counts. */
export const narrowStatfs = {
  statfs: (task: Task, text: string, at: number) => statfsByName(task, text, at, writeStatfs32),
  fstatfs: (task: Task, fd: number, at: number) => statfsByDescriptor(task, fd, at, writeStatfs32),
};
