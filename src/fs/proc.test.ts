// /proc and /sys: every file can be read, links lead where they say, and nothing leads out.

import { describe, expect, it } from "vitest";
import { call, scratch, take, text, world } from "../../test/support/world.ts";
import { deviceFileSystem } from "../devices/dev.ts";
import * as errno from "../kernel/errno.ts";
import { Open } from "../kernel/file.ts";
import type { Task } from "../kernel/task.ts";
import { mount } from "../kernel/vfs/mount.ts";
import { Type } from "../kernel/vfs/vnode.ts";
import { walk } from "../kernel/vfs/walk.ts";
import * as io from "../linux/syscalls/io.ts";
import * as names from "../linux/syscalls/names.ts";
import * as opens from "../linux/syscalls/open.ts";
import { ProcFileSystem } from "./proc.ts";
import { SysFileSystem } from "./sys.ts";

function booted() {
  const made = world();
  const task = made.process();
  for (const [name, fileSystem] of [
    ["/proc", new ProcFileSystem(made.kernel)],
    ["/sys", new SysFileSystem(made.kernel)],
    ["/dev", deviceFileSystem(made.kernel)],
  ] as const) {
    call(names.mkdir, task, name, 0o755);
    mount(walk(task.process, made.root, name), fileSystem);
  }
  return { ...made, task };
}
const fail = (error: { number: number }) => -error.number;

function read(task: Task, path: string): string | number {
  const fd = call(opens.open, task, path, Open.readOnly, 0);
  if (fd < 0) return fd;
  const count = call(io.read, task, task.process.files.get(fd), scratch, 65536);
  call(opens.close, task, fd);
  return count < 0 ? count : text(take(task, count));
}
function link(task: Task, path: string): string | number {
  const count = call(names.readlink, task, path, scratch, 4096);
  return count < 0 ? count : text(take(task, count));
}

/** Reads everything below a directory; returns what failed. */
function readAll(task: Task, path: string, depth = 0): string[] {
  const failed: string[] = [];
  const place = walk(task.process, task.process.fs.root, path);
  for (const { name, type } of place.vnode.list(task.process)) {
    const below = `${path}/${name}`;
    if (type === Type.directory && depth < 6) failed.push(...readAll(task, below, depth + 1));
    else if (type === Type.regular && name !== "mem" && typeof read(task, below) === "number") failed.push(below);
    else if (type === Type.link && typeof link(task, below) === "number" && name !== "exe") failed.push(below);
  }
  return failed;
}

describe("/proc", () => {
  it("can be read from end to end, and /sys too", () => {
    const { task } = booted();
    expect(readAll(task, "/proc")).toEqual([]);
    expect(readAll(task, "/sys")).toEqual([]);
  });

  it("knows the reader and its files", () => {
    const { task } = booted();
    expect(link(task, "/proc/self")).toBe(String(task.process.pid));
    const fd = call(opens.open, task, "/f", Open.create | Open.readWrite, 0o644);
    expect(link(task, `/proc/self/fd/${fd}`)).toBe("/f");
    call(names.unlink, task, "/f");
    expect(link(task, `/proc/self/fd/${fd}`)).toBe("/f (deleted)");
    expect(read(task, `/proc/self/fd/${fd}`)).toBe("");
    expect(link(task, "/proc/self/cwd")).toBe("/");
    expect(read(task, "/proc/self/status")).toMatch(/^Name:.*\nUmask:\t0022\n/);
    expect(String(read(task, "/proc/self/stat")).trim().split(" ").length).toBe(52);
    expect(read(task, "/proc/mounts")).toContain("proc /proc proc rw,relatime 0 0");
  });

  it("opens a pipe again by its descriptor", () => {
    const { task } = booted();
    call(opens.pipe2, task, scratch, 0);
    const again = call(opens.open, task, "/proc/self/fd/1", Open.writeOnly, 0);
    expect(again).toBe(2);
    expect(call(io.write, task, task.process.files.get(again), scratch, 3)).toBe(3);
    expect(call(io.read, task, task.process.files.get(0), scratch, 10)).toBe(3);
  });

  it("does not lead out, and keeps the secrets of other users", () => {
    const { task, process } = booted();
    expect(read(task, "/proc/self/root/../../etc/hostname")).toBe(fail(errno.ENOENT));
    expect(read(task, `/proc/${globalThis.process.pid}/environ`)).toSatisfy(
      (result) => result === fail(errno.ENOENT) || task.process.kernel.processes.has(globalThis.process.pid),
    );
    const user = process(1000);
    expect(read(user, `/proc/${task.process.pid}/environ`)).toBe(fail(errno.EACCES));
    expect(link(user, `/proc/${task.process.pid}/cwd`)).toBe(fail(errno.EACCES));
    expect(call(opens.open, user, `/proc/${task.process.pid}/mem`, Open.readWrite, 0)).toBe(fail(errno.EACCES));
    expect(call(names.mkdir, task, "/proc/x", 0o755)).toBe(fail(errno.EROFS));
    expect(call(names.unlink, task, "/proc/version")).toBe(fail(errno.EROFS));
  });

  it("opens only devices of the machine", () => {
    const { task } = booted();
    expect(call(names.mknod, task, "/sda", Type.block | 0o666, 0x800)).toBe(0);
    expect(call(opens.open, task, "/sda", Open.readOnly, 0)).toBe(fail(errno.ENXIO));
    expect(call(names.mknod, task, "/mem", Type.character | 0o666, 0x101)).toBe(0);
    expect(call(opens.open, task, "/mem", Open.readOnly, 0)).toBe(fail(errno.ENXIO));
    expect(call(names.mknod, task, "/null", Type.character | 0o666, 0x103)).toBe(0);
    expect(call(opens.open, task, "/null", Open.readWrite, 0)).toBeGreaterThanOrEqual(0);
  });
});
