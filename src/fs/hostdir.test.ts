// A granted host directory: what works in it, and that nothing leads out of it.

import { linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execFileSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { call, put, scratch, take, text, world } from "../../test/support/world.ts";
import { files } from "../hosts/node/files.ts";
import * as errno from "../kernel/errno.ts";
import { Open } from "../kernel/file.ts";
import type { Task } from "../kernel/task.ts";
import { mount } from "../kernel/vfs/mount.ts";
import { walk } from "../kernel/vfs/walk.ts";
import * as attributes from "../linux/syscalls/attributes.ts";
import * as io from "../linux/syscalls/io.ts";
import * as names from "../linux/syscalls/names.ts";
import * as opens from "../linux/syscalls/open.ts";
import { HostDirectoryFileSystem } from "./hostdir.ts";

const fail = (error: { number: number }) => -error.number;
let outside: string;
let granted: string;
let task: Task;

function guest(readOnly = false): Task {
  const made = world();
  const root = made.process();
  call(names.mkdir, root, "/mnt", 0o755);
  mount(walk(root.process, made.root, "/mnt"), new HostDirectoryFileSystem(files, granted, { readOnly }));
  return root;
}

function read(path: string, at = -100): string | number {
  const fd = call(opens.openat, task, at, path, Open.readOnly, 0);
  if (fd < 0) return fd;
  const count = call(io.read, task, task.process.files.get(fd), scratch, 65536);
  call(opens.close, task, fd);
  return count < 0 ? count : text(take(task, count));
}
function write(path: string, content: string): number {
  const fd = call(opens.open, task, path, Open.writeOnly | Open.create | Open.truncate, 0o640);
  if (fd < 0) return fd;
  put(task, content);
  call(io.write, task, task.process.files.get(fd), scratch, content.length);
  return call(opens.close, task, fd);
}

beforeEach(() => {
  outside = mkdtempSync(join(tmpdir(), "outside-"));
  granted = join(outside, "granted");
  mkdirSync(join(granted, "sub"), { recursive: true });
  writeFileSync(join(outside, "secret"), "secret");
  writeFileSync(join(granted, "file"), "content");
  writeFileSync(join(granted, "sub/deep"), "deep");
  task = guest();
});
afterEach(() => rmSync(outside, { recursive: true, force: true }));

describe("a granted directory", () => {
  it("reads, writes, makes, moves and removes on the host", () => {
    expect(read("/mnt/file")).toBe("content");
    expect(write("/mnt/new", "hello")).toBe(0);
    expect(readFileSync(join(granted, "new"), "utf8")).toBe("hello");
    expect(statSync(join(granted, "new")).mode & 0o777).toBe(0o640);
    expect(call(names.rename, task, "/mnt/sub", "/mnt/other")).toBe(0);
    expect(read("/mnt/other/deep")).toBe("deep");
    expect(call(names.link, task, "/mnt/new", "/mnt/second")).toBe(0);
    expect(call(attributes.chmod, task, "/mnt/second", 0o600)).toBe(0);
    expect(statSync(join(granted, "new")).mode & 0o777).toBe(0o600);
    expect(call(attributes.truncate, task, "/mnt/new", 2)).toBe(0);
    expect(read("/mnt/second")).toBe("he");
    expect(call(names.unlink, task, "/mnt/other/deep")).toBe(0);
    expect(call(names.rmdir, task, "/mnt/other")).toBe(0);
    expect(call(names.mkdir, task, "/mnt/d", 0o700)).toBe(0);
    expect(call(names.rename, task, "/mnt/file", "/elsewhere")).toBe(fail(errno.EXDEV));
  });

  it("can be read-only", () => {
    task = guest(true);
    expect(read("/mnt/file")).toBe("content");
    expect(write("/mnt/file", "x")).toBe(fail(errno.EROFS));
    expect(call(names.unlink, task, "/mnt/file")).toBe(fail(errno.EROFS));
    expect(call(names.mkdir, task, "/mnt/d", 0o755)).toBe(fail(errno.EROFS));
    expect(call(attributes.chmod, task, "/mnt/file", 0o777)).toBe(fail(errno.EROFS));
    expect(readFileSync(join(granted, "file"), "utf8")).toBe("content");
  });

  it("keeps .. inside the guest", () => {
    expect(read("/mnt/../secret")).toBe(fail(errno.ENOENT));
    expect(read("/mnt/sub/../../secret")).toBe(fail(errno.ENOENT));
    call(names.chdir, task, "/mnt/sub");
    expect(read("../../secret")).toBe(fail(errno.ENOENT));
    expect(read("../file")).toBe("content");
  });

  it("resolves links in the guest's name space, never in the host's", () => {
    symlinkSync(join(outside, "secret"), join(granted, "absolute"));
    symlinkSync("../secret", join(granted, "relative"));
    symlinkSync("..", join(granted, "up"));
    symlinkSync("/etc", join(granted, "etc"));
    symlinkSync("sub/deep", join(granted, "fine"));
    expect(read("/mnt/absolute")).toBe(fail(errno.ENOENT));
    expect(read("/mnt/relative")).toBe(fail(errno.ENOENT));
    expect(read("/mnt/up/secret")).toBe(fail(errno.ENOENT));
    expect(read("/mnt/etc/passwd")).toBe(fail(errno.ENOENT));
    expect(read("/mnt/fine")).toBe("deep");
    expect(write("/mnt/absolute", "x")).toBe(fail(errno.ENOENT));
    expect(write("/mnt/relative", "x")).toBe(0);
    expect(readFileSync(join(outside, "secret"), "utf8")).toBe("secret");
    // What the guest's own root has at the link's target is what it sees.
    expect(read("/secret")).toBe("x");
  });

  it("does not follow a link that took the place of a directory it holds", () => {
    mkdirSync(join(outside, "trap"));
    writeFileSync(join(outside, "trap/deep"), "outside");
    const fd = call(opens.open, task, "/mnt/sub", Open.directory, 0);
    call(names.chdir, task, "/mnt/sub");
    call(names.rename, task, "/mnt/sub", "/mnt/gone");
    // The directory that is held goes with its name.
    expect(read("deep", fd)).toBe("deep");
    // Someone outside puts a link where the directory was.
    rmSync(join(granted, "gone"), { recursive: true });
    symlinkSync(join(outside, "trap"), join(granted, "gone"));
    expect(read("deep", fd)).toBe(fail(errno.ESTALE));
    expect(read("deep")).toBe(fail(errno.ESTALE));
    expect(write("new", "x")).toBe(fail(errno.ESTALE));
    expect(call(names.unlink, task, "deep")).toBe(fail(errno.ESTALE));
    expect(readFileSync(join(outside, "trap/deep"), "utf8")).toBe("outside");
  });

  it("does not open devices, fifos or sockets, and makes none", () => {
    execFileSync("mkfifo", [join(granted, "fifo")]);
    expect(read("/mnt/fifo")).toBe(fail(errno.ENXIO));
    expect(call(names.mknod, task, "/mnt/null", 0o20666, 0x103)).toBe(fail(errno.EPERM));
    expect(call(names.mknod, task, "/mnt/pipe", 0o10666, 0)).toBe(fail(errno.EPERM));
    expect(call(attributes.chown, task, "/mnt/file", 1000, -1)).toBe(fail(errno.EPERM));
    expect(call(attributes.chmod, task, "/mnt/file", 0o4755)).toBe(0);
    expect(statSync(join(granted, "file")).mode & 0o7000).toBe(0);
  });

  it("shows one file under two names as one, with its locks", () => {
    linkSync(join(granted, "file"), join(granted, "twin"));
    const one = walk(task.process, task.process.fs.root, "/mnt/file");
    const two = walk(task.process, task.process.fs.root, "/mnt/twin");
    expect(one.vnode).toBe(two.vnode);
  });
});
