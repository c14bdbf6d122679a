// A small world for tests of files: a kernel without a processor, a process, and system calls made by name.

import { type Clock, type Timers } from "../../src/host/host.ts";
import { memoryHost, type MemoryHostOptions } from "../../src/hosts/memory/index.ts";
import { Errno } from "../../src/kernel/errno.ts";
import { FileTable } from "../../src/kernel/filetable.ts";
import { Kernel } from "../../src/kernel/kernel.ts";
import type { Context, Executor, ExecutorFactory } from "../../src/kernel/executor.ts";
import type { Personality } from "../../src/kernel/personality.ts";
import type { Task } from "../../src/kernel/task.ts";
import { nameSpace } from "../../src/kernel/vfs/mount.ts";
import { encodeName } from "../../src/kernel/vfs/names.ts";
import type { FileSystem, Path } from "../../src/kernel/vfs/vnode.ts";
import { isWait, type Wait } from "../../src/kernel/wait.ts";
import { fileSystemsOf } from "../../src/kernel/vfs/filesystems.ts";
import { MemoryFileSystem } from "../../src/fs/memory.ts";
import { Access } from "../../src/memory/layout.ts";

const timers: Timers = {
  after(milliseconds, call) {
    const timer = setTimeout(call, milliseconds);
    return () => clearTimeout(timer);
  },
  soon: (call) => void setImmediate(call),
};
const clock: Clock = {
  realtime: () => BigInt(Date.now()) * 1_000_000n,
  monotonic: () => performance.now() * 1e6,
};

const executor: Executor = { run: () => 0, release() {}, fork: () => executor, dispose() {} };
const context: Context = { enter() {}, leave() {}, clone: () => context };
const executors: ExecutorFactory = { create: () => executor, context: () => context };

const personality: Personality = {
  name: "none",
  exit() {},
  resume() {},
  fail() {},
  deliverSignals() {},
  taskEnded() {},
  cloneTask() {},
};

/** Address of scratch memory in every world's processes, and how much there is. */
export const scratch = 0x400000;
const scratchSize = 1 << 20;

export interface World {
  readonly kernel: Kernel;
  readonly root: Path;
  /** A new process at the root, as this user. */
  process(uid?: number): Task;
}

export const now = () => BigInt(Date.now()) * 1_000_000n;

/** A kernel with this file system, or memory, at its root. */
export function world(fileSystem: FileSystem = new MemoryFileSystem({ now }), options: MemoryHostOptions = {}): World {
  const host = memoryHost(timers, clock, options);
  const kernel = new Kernel({ host, executors, handlers: [] });
  const root = nameSpace(fileSystem);
  fileSystemsOf(kernel).register("tmpfs", () => new MemoryFileSystem({ now }));
  return {
    kernel,
    root,
    process(uid = 0) {
      const task = kernel.createRoot({
        personality,
        fs: { root, cwd: root, umask: 0o022 },
        files: new FileTable(),
        credentials: { uid, euid: uid, suid: uid, fsuid: uid, gid: uid, egid: uid, sgid: uid, fsgid: uid, groups: [] },
      });
      task.process.memory.map({
        address: scratch,
        length: scratchSize,
        access: Access.read | Access.write,
        fixed: "replace",
      });
      return task;
    },
  };
}

/** A row of a table as a test calls it. */
interface Row {
  readonly supported: boolean;
  readonly handler?: unknown;
}

/** Calls a row's handler with decoded values; a wait is tried once and comes back when it is not done. */
export function callOrWait(row: Row, task: Task, ...values: unknown[]): number | Wait<number> {
  try {
    const handler = row.handler as (task: Task, ...values: unknown[]) => number | undefined | Wait<number>;
    const result = handler(task, ...values) ?? 0;
    if (!isWait(result)) return result;
    const value = result.attempt();
    if (value === undefined) return result;
    result.finished?.();
    return value;
  } catch (error) {
    if (error instanceof Errno) return -error.number;
    throw error;
  }
}

/** Calls a row that has to end at once; a failure is a negative number. */
export function call(row: Row, task: Task, ...values: unknown[]): number {
  const result = callOrWait(row, task, ...values);
  if (typeof result !== "number") throw new Error("the call blocks");
  return result;
}

/** Puts bytes or text (NUL-terminated) into scratch memory and gives the address. */
export function put(task: Task, value: string | Uint8Array, at = scratch): number {
  const bytes = typeof value === "string" ? encodeName(`${value}\0`) : value;
  task.process.memory.guest.write(at, bytes);
  return at;
}

/** Takes bytes from memory. */
export function take(task: Task, length: number, at = scratch): Uint8Array {
  return task.process.memory.guest.bytes(at, length, Access.read).slice();
}

export function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
