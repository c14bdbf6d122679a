// What every writable file system does, asked through the system calls: memory, overlay.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { call, now, put, scratch, take, text, world } from "../../test/support/world.ts";
import * as errno from "../kernel/errno.ts";
import { Open } from "../kernel/file.ts";
import type { Task } from "../kernel/task.ts";
import type { FileSystem } from "../kernel/vfs/vnode.ts";
import * as attributes from "../linux/syscalls/attributes.ts";
import * as io from "../linux/syscalls/io.ts";
import * as names from "../linux/syscalls/names.ts";
import * as opens from "../linux/syscalls/open.ts";
import * as stats from "../linux/syscalls/stat.ts";
import { files } from "../hosts/node/files.ts";
import { ArchiveFileSystem } from "./archive.ts";
import { HostDirectoryFileSystem } from "./hostdir.ts";
import { MemoryFileSystem } from "./memory.ts";
import { OverlayFileSystem } from "./overlay.ts";

const entry = (path: string, type: "file" | "directory" | "symlink" | "hardlink", content = "", mode = 0o644) => {
  const bytes = new TextEncoder().encode(content);
  return {
    path,
    type,
    mode: type === "directory" ? 0o755 : mode,
    uid: 0,
    gid: 0,
    mtime: 1_700_000_000,
    size: bytes.length,
    ...(type === "symlink" || type === "hardlink" ? { linkTarget: content } : {}),
    read(into: Uint8Array, position: number) {
      const part = bytes.subarray(position, position + into.length);
      into.set(part);
      return part.length;
    },
  };
};

/** Content that the overlay has below; the memory file system gets the same by system calls. */
const lower = [
  entry("etc/passwd", "file", "root:x:0:0\n"),
  entry("etc/alias", "symlink", "passwd"),
  entry("usr/bin/one", "file", "#!one", 0o755),
  entry("usr/bin/two", "hardlink", "usr/bin/one"),
  entry("empty", "directory"),
];

const work = mkdtempSync(join(tmpdir(), "contract-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const systems: Record<string, () => FileSystem> = {
  memory: () => new MemoryFileSystem({ now }),
  hostdir: () => new HostDirectoryFileSystem(files, mkdtempSync(join(work, "root-"))),
  overlay: () => new OverlayFileSystem({ now, lower: new ArchiveFileSystem(lower).root() }),
};

/** What a file system cannot do, with the reason. */
const cannot: Record<string, Record<string, string>> = {
  hostdir: {
    exchange: "the host's interface has no exchange of two names",
    cwd: "names of directories are the host's and can change under it",
    owners: "owners and extended attributes are not the guest's to change",
    users: "everything belongs to the guest's root",
  },
};
const able = (system: string, what: string) => cannot[system]?.[what] === undefined;

const fail = (error: { number: number }) => -error.number;

function write(task: Task, path: string, content: string, flags = Open.create | Open.truncate): void {
  const fd = call(opens.open, task, path, Open.writeOnly | flags, 0o644);
  expect(fd).toBeGreaterThanOrEqual(0);
  const bytes = new TextEncoder().encode(content);
  put(task, bytes);
  expect(call(io.write, task, task.process.files.get(fd), scratch, bytes.length)).toBe(bytes.length);
  call(opens.close, task, fd);
}

function read(task: Task, path: string): string | number {
  const fd = call(opens.open, task, path, Open.readOnly, 0);
  if (fd < 0) return fd;
  const count = call(io.read, task, task.process.files.get(fd), scratch, 65536);
  call(opens.close, task, fd);
  return text(take(task, count));
}

function stat(task: Task, path: string, follow = true) {
  const result = call(follow ? stats.stat : stats.lstat, task, path, scratch);
  if (result < 0) throw new Error(`stat ${path}: ${result}`);
  const view = new DataView(take(task, 144).buffer);
  return {
    inode: Number(view.getBigUint64(8, true)),
    links: Number(view.getBigUint64(16, true)),
    mode: view.getUint32(24, true),
    uid: view.getUint32(28, true),
    size: Number(view.getBigUint64(48, true)),
    modified: view.getBigInt64(88, true),
  };
}

function list(task: Task, path: string): string[] {
  const fd = call(opens.open, task, path, Open.readOnly | Open.directory, 0);
  const found: string[] = [];
  for (;;) {
    const count = call(names.getdents64, task, task.process.files.get(fd), scratch, 200);
    if (count <= 0) break;
    const bytes = take(task, count);
    const view = new DataView(bytes.buffer);
    for (let at = 0; at < count; at += view.getUint16(at + 16, true)) {
      const end = bytes.indexOf(0, at + 19);
      found.push(text(bytes.subarray(at + 19, end)));
    }
  }
  call(opens.close, task, fd);
  return found.filter((name) => name !== "." && name !== "..").toSorted();
}

describe.each(Object.keys(systems))("%s", (name) => {
  const fresh = () => {
    const task = world(systems[name]!()).process();
    if (name !== "overlay") {
      for (const path of ["etc", "usr", "usr/bin", "empty"]) call(names.mkdir, task, path, 0o755);
      write(task, "etc/passwd", "root:x:0:0\n");
      call(names.symlink, task, "passwd", "etc/alias");
      write(task, "usr/bin/one", "#!one");
      call(attributes.chmod, task, "usr/bin/one", 0o755);
      call(names.link, task, "usr/bin/one", "usr/bin/two");
    }
    return task;
  };

  it("reads and lists what is there", () => {
    const task = fresh();
    expect(read(task, "/etc/passwd")).toBe("root:x:0:0\n");
    expect(read(task, "/etc/alias")).toBe("root:x:0:0\n");
    expect(list(task, "/")).toEqual(["empty", "etc", "usr"]);
    expect(list(task, "/usr/bin")).toEqual(["one", "two"]);
    expect(stat(task, "/usr/bin/one").links).toBe(2);
    expect(stat(task, "/usr/bin/one").inode).toBe(stat(task, "/usr/bin/two").inode);
    expect(read(task, "/nothing")).toBe(fail(errno.ENOENT));
  });

  it("writes, appends, truncates, and keeps hard links one file", () => {
    const task = fresh();
    const before = stat(task, "/usr/bin/two").inode;
    write(task, "/usr/bin/one", "+", Open.append);
    expect(read(task, "/usr/bin/two")).toBe("#!one+");
    expect(stat(task, "/usr/bin/two")).toMatchObject({ inode: before, size: 6 });
    expect(call(attributes.truncate, task, "/usr/bin/two", 3)).toBe(0);
    expect(read(task, "/usr/bin/one")).toBe("#!o");
    call(attributes.truncate, task, "/usr/bin/one", 5);
    expect(read(task, "/usr/bin/one")).toBe("#!o\0\0");
    write(task, "/etc/passwd", "new");
    expect(read(task, "/etc/alias")).toBe("new");
  });

  it("removes for good, and makes again", () => {
    const task = fresh();
    expect(call(names.unlink, task, "/etc/passwd")).toBe(0);
    expect(read(task, "/etc/passwd")).toBe(fail(errno.ENOENT));
    expect(list(task, "/etc")).toEqual(["alias"]);
    write(task, "/etc/passwd", "again");
    expect(list(task, "/etc")).toEqual(["alias", "passwd"]);
    expect(call(names.rmdir, task, "/etc")).toBe(fail(errno.ENOTEMPTY));
    expect(call(names.rmdir, task, "/empty")).toBe(0);
    expect(call(names.mkdir, task, "/empty", 0o755)).toBe(0);
    expect(list(task, "/empty")).toEqual([]);
    expect(call(names.mkdir, task, "/usr", 0o755)).toBe(fail(errno.EEXIST));
    expect(call(names.unlink, task, "/usr")).toBe(fail(errno.EISDIR));
    expect(call(names.rmdir, task, "/etc/alias")).toBe(fail(errno.ENOTDIR));
  });

  it("renames files and whole directories", () => {
    const task = fresh();
    expect(call(names.rename, task, "/usr", "/etc/moved")).toBe(0);
    expect(read(task, "/etc/moved/bin/one")).toBe("#!one");
    expect(read(task, "/usr/bin/one")).toBe(fail(errno.ENOENT));
    expect(call(names.rename, task, "/etc", "/etc/moved/in")).toBe(fail(errno.EINVAL));
    expect(call(names.rename, task, "/etc/passwd", "/empty")).toBe(fail(errno.EISDIR));
    expect(call(names.rename, task, "/etc/moved", "/empty")).toBe(0);
    expect(list(task, "/empty/bin")).toEqual(["one", "two"]);
    expect(call(names.rename, task, "/empty/bin/one", "/empty/bin/two")).toBe(0);
    expect(list(task, "/empty/bin")).toEqual(["one", "two"]);
    write(task, "/b", "b");
    if (able(name, "exchange")) {
      expect(call(names.renameat2, task, -100, "/b", -100, "/etc/passwd", 2)).toBe(0);
      expect([read(task, "/b"), read(task, "/etc/passwd")]).toEqual(["root:x:0:0\n", "b"]);
      expect(call(names.renameat2, task, -100, "/b", -100, "/etc/passwd", 2)).toBe(0);
    }
    expect(call(names.renameat2, task, -100, "/b", -100, "/etc/passwd", 1)).toBe(fail(errno.EEXIST));
    expect(call(names.rename, task, "/b", "/etc/passwd")).toBe(0);
    expect(read(task, "/etc/passwd")).toBe("b");
  });

  it.runIf(able(name, "cwd"))("keeps the working directory's name through renames", () => {
    const task = fresh();
    expect(call(names.chdir, task, "/usr/bin")).toBe(0);
    call(names.rename, task, "/usr", "/opt");
    const count = call(names.getcwd, task, scratch, 100);
    expect(text(take(task, count))).toBe("/opt/bin\0");
    expect(read(task, "../bin/one")).toBe("#!one");
    call(names.unlink, task, "one");
    call(names.unlink, task, "two");
    expect(call(names.rmdir, task, "/opt/bin")).toBe(0);
    expect(call(names.getcwd, task, scratch, 100)).toBe(fail(errno.ENOENT));
    expect(call(opens.open, task, "x", Open.create | Open.writeOnly, 0o644)).toBe(fail(errno.ENOENT));
  });

  it("keeps an unlinked file while it is open", () => {
    const task = fresh();
    const fd = call(opens.open, task, "/etc/passwd", Open.readWrite, 0);
    call(names.unlink, task, "/etc/passwd");
    put(task, new TextEncoder().encode("ROOT"));
    expect(call(io.pwrite64, task, task.process.files.get(fd), scratch, 4, 0)).toBe(4);
    expect(call(io.pread64, task, task.process.files.get(fd), scratch, 100, 0)).toBe(11);
    expect(text(take(task, 11))).toBe("ROOT:x:0:0\n");
    call(opens.close, task, fd);
  });

  it.runIf(able(name, "owners"))("stores modes, owners, times, attributes and large sparse files", () => {
    const task = fresh();
    expect(call(attributes.chmod, task, "/etc/alias", 0o4711)).toBe(0);
    expect(stat(task, "/etc/passwd").mode).toBe(0o104711);
    expect(call(attributes.chown, task, "/etc/passwd", 7, -1)).toBe(0);
    expect(stat(task, "/etc/passwd")).toMatchObject({ uid: 7, mode: 0o100711 });
    const times = new DataView(new ArrayBuffer(32));
    times.setBigInt64(0, 5n, true);
    times.setBigInt64(16, 1234567n, true);
    put(task, new Uint8Array(times.buffer));
    const path = put(task, "/etc/passwd", scratch + 100);
    expect(call(attributes.utimensat, task, -100, path, scratch, 0)).toBe(0);
    expect(stat(task, "/etc/passwd").modified).toBe(1234567n);
    put(task, "user.note", scratch + 500);
    put(task, "value", scratch + 600);
    expect(call(attributes.setxattr, task, "/etc/passwd", scratch + 500, scratch + 600, 5, 0)).toBe(0);
    expect(call(attributes.getxattr, task, "/etc/passwd", scratch + 500, scratch + 700, 100)).toBe(5);
    expect(call(attributes.listxattr, task, "/etc/passwd", scratch + 700, 100)).toBe(10);
    const fd = call(opens.open, task, "/etc/passwd", Open.readWrite, 0);
    const file = task.process.files.get(fd);
    put(task, "end");
    expect(call(io.pwrite64, task, file, scratch, 3, 5_000_000_000)).toBe(3);
    expect(stat(task, "/etc/passwd").size).toBe(5_000_000_003);
    expect(call(io.lseek, task, fd, 100_000, 3)).toBeGreaterThan(4_900_000_000);
    expect(call(io.lseek, task, fd, 0, 4)).toBe(65536);
    expect(call(io.pread64, task, file, scratch, 20, 4_999_999_995)).toBe(8);
    expect(text(take(task, 8))).toBe("\0\0\0\0\0end");
  });

  it.runIf(able(name, "users"))("refuses what the modes forbid", () => {
    const made = world(systems[name]!());
    const root = made.process();
    call(names.mkdir, root, "/box", 0o700);
    write(root, "/box/secret", "s");
    call(names.mkdir, root, "/tmp", 0o777);
    call(attributes.chmod, root, "/tmp", 0o1777);
    write(root, "/tmp/roots", "r");
    const user = made.process(1000);
    expect(read(user, "/box/secret")).toBe(fail(errno.EACCES));
    expect(read(user, "/tmp/roots")).toBe("r");
    expect(call(names.unlink, user, "/tmp/roots")).toBe(fail(errno.EPERM));
    expect(call(opens.open, user, "/tmp/roots", Open.writeOnly, 0)).toBe(fail(errno.EACCES));
    expect(call(opens.open, user, "/new", Open.create | Open.writeOnly, 0o644)).toBe(fail(errno.EACCES));
    write(user, "/tmp/mine", "m");
    expect(stat(user, "/tmp/mine").uid).toBe(1000);
    expect(call(attributes.chown, user, "/tmp/mine", 0, -1)).toBe(fail(errno.EPERM));
    expect(call(names.mknod, user, "/tmp/null", 0o20666, 0x103)).toBe(fail(errno.EPERM));
    expect(call(stats.access, user, "/tmp/mine", 2)).toBe(0);
    expect(call(stats.access, user, "/tmp/roots", 2)).toBe(fail(errno.EACCES));
    expect(call(names.rename, user, "/tmp/roots", "/tmp/x")).toBe(fail(errno.EPERM));
  });
});

describe("limits", () => {
  it("ENOSPC when the account is empty, and room again after removal", () => {
    let left = 300_000;
    const account = {
      takeDisk(bytes: number) {
        if (bytes > left) throw errno.ENOSPC;
        left -= bytes;
      },
      giveDisk: (bytes: number) => void (left += bytes),
    };
    const task = world(new MemoryFileSystem({ now, account })).process();
    const fd = call(opens.open, task, "/big", Open.create | Open.readWrite, 0o644);
    const file = task.process.files.get(fd);
    let total = 0;
    for (;;) {
      const count = call(io.write, task, file, scratch, 65536);
      if (count < 0) {
        expect(count).toBe(fail(errno.ENOSPC));
        break;
      }
      total += count;
    }
    expect(total).toBe(4 * 65536);
    call(opens.close, task, fd);
    call(names.unlink, task, "/big");
    expect(left).toBe(300_000);
  });
});
