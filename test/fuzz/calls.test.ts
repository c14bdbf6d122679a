// Random system calls: each ends in a number, a wait or the end of the task, and never in a crash of the kernel.

import { expect, test } from "vitest";
import { MemoryFileSystem } from "../../src/fs/memory.ts";
import { memoryHost } from "../../src/hosts/memory/index.ts";
import { Errno } from "../../src/kernel/errno.ts";
import { Open } from "../../src/kernel/file.ts";
import { FileTable } from "../../src/kernel/filetable.ts";
import { Kernel } from "../../src/kernel/kernel.ts";
import { pipePair } from "../../src/kernel/pipe.ts";
import type { Task } from "../../src/kernel/task.ts";
import { nameSpace } from "../../src/kernel/vfs/mount.ts";
import { openAt } from "../../src/kernel/vfs/open.ts";
import { systemCalls } from "../../src/linux/calls.ts";
import { elf } from "../../src/linux/exec/elf.ts";
import { script } from "../../src/linux/exec/script.ts";
import { x86Executors } from "../../src/linux/executor.ts";
import { LinuxPersonality } from "../../src/linux/personality.ts";
import { cpu, Register } from "../../src/linux/registers.ts";
import { LinuxTask, type Mode } from "../../src/linux/state.ts";
import { connectProcessor } from "../../src/linux/tls.ts";
import { Access } from "../../src/memory/layout.ts";

const calls = 20_000;
/** A fresh kernel after so many, so that what they leave behind does not pile up. */
const callsPerKernel = 1000;
const scratch = 0x400000;
const scratchSize = 0x40000;
const personality = new LinuxPersonality(systemCalls);
const order = { x86_64: [7, 6, 2, 10, 8, 9], i386: [3, 1, 2, 6, 7, 5] } as const;
const special = [0, 1, 2, 3, 4, 8, 16, 0x1000, 0x7fffffff, 0x80000000, 0xfffff000, 0xffffffff, 2 ** 40, 2 ** 53];
const texts = ["/f1", "f2", "/", "..", "/f1/x", "#!/f1\n"];

/** Numbers below a bound: a linear congruential generator's upper bits. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function boot(): { kernel: Kernel; newTask(mode: Mode, fill: () => number): Task } {
  const clock = { realtime: () => 0n, monotonic: () => 0 };
  const host = memoryHost({ after: () => () => {}, soon: () => {} }, clock, {});
  const kernel = new Kernel({ host, executors: x86Executors(), handlers: [elf, script], seed: 3 });
  const root = nameSpace(new MemoryFileSystem({ now: () => 0n }));
  const newTask = (mode: Mode, fill: () => number): Task => {
    const files = new FileTable();
    for (const end of pipePair(0)) files.add(end, false, 8);
    const task = kernel.createRoot({
      personality,
      fs: { root, cwd: root, umask: 0o022 },
      files,
      credentials: { uid: 0, euid: 0, suid: 0, fsuid: 0, gid: 0, egid: 0, sgid: 0, fsgid: 0, groups: [] },
      limits: { memory: 2 ** 26, tasks: 50, disk: 2 ** 24 },
    });
    task.personal = new LinuxTask(mode);
    connectProcessor(task);
    const { memory } = task.process;
    memory.map({ address: scratch, length: scratchSize, access: Access.read | Access.write, fixed: "replace" });
    memory.startHeap(0x500000);
    for (let at = 0; at < 0x1000; at += 4) memory.guest.writeU32(scratch + at, fill() % 2 ** 32);
    for (const [i, text] of texts.entries())
      memory.guest.write(scratch + 0x1000 + 16 * i, new TextEncoder().encode(`${text}\0`));
    // Calls before may have left a root that is read-only or full.
    try {
      files.add(openAt(task.process, root, "/f1", Open.readWrite | Open.create, 0o755), false, 8);
      files.add(openAt(task.process, root, "/", Open.readOnly), false, 8);
    } catch (error) {
      if (!(error instanceof Errno)) throw error;
    }
    task.context.enter();
    memory.resident = task.context;
    task.state = "running";
    kernel.scheduler.current = task;
    return task;
  };
  return { kernel, newTask };
}

test(`${calls} random system calls`, { timeout: 120_000 }, () => {
  const random = generator(20221122);
  const value = (): number => {
    switch (random(5)) {
      case 0:
        return special[random(special.length)]!;
      case 1:
        return scratch + random(0x1000);
      case 2:
        return scratch + 0x1000 + 16 * random(texts.length);
      case 3:
        return random(16);
      default:
        return random(2 ** 32);
    }
  };
  let { kernel, newTask } = boot();
  let task: Task | undefined;
  let mode: Mode = "x86_64";
  for (let i = 0; i < calls; i++) {
    if (i % callsPerKernel === 0) {
      ({ kernel, newTask } = boot());
      task = undefined;
    }
    if (!task || task.state !== "running" || random(100) === 0) {
      mode = random(2) === 0 ? "x86_64" : "i386";
      task = newTask(mode, value);
    }
    const { entries } = personality.tables[mode];
    const view = cpu(task);
    const values = Array.from({ length: 6 }, () => (mode === "i386" ? value() % 2 ** 32 : value()));
    for (const [at, register] of order[mode].entries()) view.set(register, values[at]!);
    view.set(Register.rsp, scratch + 0x30000);
    const number = random(entries.length);
    view.set(Register.rax, number);
    try {
      personality.tables[mode].enter(task);
    } catch (error) {
      throw new Error(`${mode} ${entries[number]?.name}(${values.map((word) => word.toString(16)).join(", ")})`, {
        cause: error,
      });
    }
    if ((task.state as string) !== "waiting") continue;
    kernel.scheduler.unblock(task);
    task.state = "running";
  }
  expect(kernel.processes.size).toBeGreaterThan(0);
});
