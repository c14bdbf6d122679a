import { beforeEach, describe, expect, test } from "vitest";
import { placement } from "../kernel/addressspace.ts";
import { Kernel } from "../kernel/kernel.ts";
import { FileTable } from "../kernel/filetable.ts";
import type { Host } from "../host/host.ts";
import type { FileSystemContext } from "../kernel/process.ts";
import type { Task } from "../kernel/task.ts";
import { Access } from "../memory/layout.ts";
import { systemCalls } from "./calls.ts";
import { x86Executors } from "./executor.ts";
import { LinuxPersonality } from "./personality.ts";
import { cpu, readFlags, Register, writeFlags } from "./registers.ts";
import { offsets } from "../cpu/state.ts";
import { FlagKind, type Size } from "../cpu/ir/flags.ts";
import { LinuxTask, type Mode } from "./state.ts";
import { connectProcessor } from "./tls.ts";

const scratch = 0x400000;
let kernel: Kernel;
let words: string[];
const personality = new LinuxPersonality(systemCalls);

function host(): Host {
  return {
    clock: { realtime: () => 0n, monotonic: () => 0 },
    timers: { after: () => () => {}, soon: () => {} },
    console: undefined as never,
    random: (into) => into.fill(1),
  };
}

beforeEach(() => {
  words = [];
  kernel = new Kernel({
    host: host(),
    executors: x86Executors(),
    handlers: [],
    seed: 3,
    log: (message) => words.push(message),
  });
});

function makeTask(mode: Mode): Task {
  const task = kernel.createRoot({
    personality,
    fs: { root: undefined, cwd: undefined, umask: 0 } as unknown as FileSystemContext,
    files: new FileTable(),
    credentials: { uid: 0, euid: 0, suid: 0, fsuid: 0, gid: 0, egid: 0, sgid: 0, fsgid: 0, groups: [] },
  });
  task.personal = new LinuxTask(mode);
  connectProcessor(task);
  const { memory } = task.process;
  memory.map({ address: scratch, length: 0x40000, access: Access.read | Access.write, fixed: "replace" });
  memory.startHeap(0x500000);
  task.context.enter();
  memory.resident = task.context;
  task.state = "running";
  kernel.scheduler.current = task;
  return task;
}

const order = { x86_64: [7, 6, 2, 10, 8, 9], i386: [3, 1, 2, 6, 7, 5] } as const;

/** Makes a call as a program would; the result as a signed number. */
function call(task: Task, mode: Mode, number: number, ...values: number[]): number {
  const view = cpu(task);
  for (const [i, value] of values.entries()) view.set(order[mode][i]!, value);
  view.set(Register.rax, number);
  personality.tables[mode].enter(task);
  return mode === "x86_64" ? view.getSigned(Register.rax) : view.low(Register.rax);
}

describe("the gate", () => {
  test("decodes by architecture and returns 64 or 32 bits", () => {
    const wide = makeTask("x86_64");
    expect(call(wide, "x86_64", 39)).toBe(wide.process.pid);
    expect(call(wide, "x86_64", 12, 0)).toBe(0x500000);
    const narrow = makeTask("i386");
    expect(call(narrow, "i386", 20)).toBe(narrow.process.pid);
    expect(call(narrow, "i386", 45, 0x510000)).toBe(0x510000);
  });

  test("failures are negative numbers: bad pointers, unknown and unsupported calls, which are named once", () => {
    const task = makeTask("x86_64");
    expect(call(task, "x86_64", 63, 16)).toBe(-14);
    expect(call(task, "x86_64", 5000)).toBe(-38);
    expect(call(task, "x86_64", 101, 0)).toBe(-38);
    expect(call(task, "x86_64", 101, 0)).toBe(-38);
    expect(call(task, "x86_64", 334)).toBe(-38);
    expect(words).toEqual([
      "system call 5000 (x86_64) does not exist",
      "system call ptrace is not supported: tracing other processes is not built",
    ]);
  });

  test("calls that are traced show their arguments and result", () => {
    const seen: string[] = [];
    kernel.trace.listen(["syscall"], ({ text }) => seen.push(text));
    const task = makeTask("x86_64");
    call(task, "x86_64", 62, 29999, 10);
    call(task, "x86_64", 9, 0, 4096, 3, 0x22, -1, 0);
    expect(seen).toEqual([
      "kill(29999, 10) = -1 ESRCH (No such process)",
      `mmap(NULL, 4096, 0x3, 0x22, -1, 0) = 0x${placement.maps.toString(16)}`,
    ]);
  });
});

test("lazy flags are worked out as the processor would", () => {
  const task = makeTask("x86_64");
  const view = cpu(task);
  const lazily = (kind: number, size: Size, a: bigint, b = 0n, c = 0n) => {
    view.view.setUint32(offsets.flagKind, kind | (size << 8), true);
    for (const [i, operand] of [a, b, c].entries()) view.view.setBigUint64(offsets.flagA + 8 * i, operand, true);
    return readFlags(view) & 0x8d5;
  };
  const [cf, pf, af, zf, sf, of] = [1, 4, 0x10, 0x40, 0x80, 0x800];
  expect(lazily(FlagKind.add, 0, 0xffn, 1n)).toBe(cf | pf | af | zf);
  expect(lazily(FlagKind.add, 3, 0x7fffffffffffffffn, 1n)).toBe(pf | af | sf | of);
  expect(lazily(FlagKind.sub, 2, 0n, 1n)).toBe(cf | pf | af | sf);
  expect(lazily(FlagKind.sbb, 1, 5n, 4n, 1n)).toBe(pf | zf);
  expect(lazily(FlagKind.logic, 2, 0x80000000n)).toBe(pf | sf);
  expect(lazily(FlagKind.inc, 2, 0x80000000n, 1n)).toBe(cf | pf | af | sf | of);
  expect(lazily(FlagKind.shl, 2, 2n, 0x80000001n, 1n)).toBe(cf | of);
  writeFlags(view, 0x246 | 0x400);
  expect(readFlags(view)).toBe(0x246 | 0x400);
});
