// What the *at calls share: where a relative path begins, and what an empty path means (openat(2), AT_EMPTY_PATH).

import { EBADF, ENOENT, ENOTDIR } from "../kernel/errno.ts";
import type { OpenFile } from "../kernel/file.ts";
import type { Task } from "../kernel/task.ts";
import { type Target, targetOf } from "../kernel/vfs/operations.ts";
import { type Path, Type } from "../kernel/vfs/vnode.ts";
import { type FollowLast, walk } from "../kernel/vfs/walk.ts";

/** The working directory as a directory descriptor. */
export const atCwd = -100;

/** AT_ flags (openat(2), linkat(2), statx(2)). */
export const At = {
  noFollow: 0x100,
  removeDirectory: 0x200,
  effectiveAccess: 0x200,
  follow: 0x400,
  emptyPath: 0x1000,
} as const;

/** The open file of a descriptor. Throws EBADF. */
export function fileOf(task: Task, fd: number): OpenFile {
  const file = task.process.files.get(fd);
  if (!file) throw EBADF;
  return file;
}

/** Where `text` begins: the directory of `fd`, which is not looked at for absolute paths. */
export function baseOf(task: Task, fd: number, text: string): Path {
  const { process } = task;
  if (fd === atCwd || text.charCodeAt(0) === 47) return process.fs.cwd;
  const { path } = fileOf(task, fd);
  if (path === undefined || (text !== "" && path.vnode.type !== Type.directory)) throw ENOTDIR;
  return path;
}

/** The place that `fd` and `text` name; with AT_EMPTY_PATH that of `fd` itself. */
export function placeOf(task: Task, fd: number, text: string, flags: number, follow?: FollowLast): Path {
  if (text === "" && (flags & At.emptyPath) !== 0) {
    if (fd === atCwd) return task.process.fs.cwd;
    const { path } = fileOf(task, fd);
    if (path === undefined) throw ENOENT;
    return path;
  }
  const last = follow ?? ((flags & At.noFollow) !== 0 ? "beforeSlash" : "always");
  return walk(task.process, baseOf(task, fd, text), text, last);
}

/** Like `placeOf`, for calls that work on any open file with AT_EMPTY_PATH. */
export function attributesTarget(task: Task, fd: number, text: string, flags: number): Target {
  if (text === "" && (flags & At.emptyPath) !== 0 && fd !== atCwd) return fileOf(task, fd);
  return targetOf(placeOf(task, fd, text, flags));
}
