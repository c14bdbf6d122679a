// The gate: where guest code enters the kernel. Finds the row of a system call, decodes its arguments, turns what was thrown
// into an error number, and blocks the task when the result has to be waited for.

import type { CpuView } from "../cpu/view.ts";
import { EFAULT, ENOSYS, Errno } from "../kernel/errno.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Task } from "../kernel/task.ts";
import { PageFault } from "../memory/guest.ts";
import { long, long32 } from "./kinds.ts";
import { cpu, Register } from "./registers.ts";
import { linuxTask, type Mode } from "./state.ts";
import { type CallModule, type Kind, type Result, type SystemCall, type UnsupportedCall } from "./table.ts";
import { showCall, showResult } from "./trace.ts";

/** A row made ready for one architecture. */
export interface Entry {
  readonly name: string;
  readonly call: SystemCall | UnsupportedCall;
  readonly kinds: readonly Kind<unknown>[];
  readonly handler: (task: Task, ...values: unknown[]) => Result;
}

/** Registers of the arguments, as indices of 32-bit words of the state. */
const words = {
  x86_64: [7, 6, 2, 10, 8, 9].map((register) => register * 2),
  i386: [3, 1, 2, 6, 7, 5].map((register) => register * 2),
} as const;

/** Calls after which files may have changed behind shared mappings. */
const changesFiles = new Set(
  "write pwrite64 writev pwritev pwritev2 sendfile sendfile64 copy_file_range splice ftruncate truncate ftruncate64 truncate64 fallocate read pread64 readv preadv".split(
    " ",
  ),
);

export class CallTable {
  readonly mode: Mode;
  readonly entries: (Entry | undefined)[] = [];
  private readonly registers: readonly number[];
  private readonly wide: boolean;

  constructor(mode: Mode, modules: readonly CallModule[]) {
    this.mode = mode;
    this.wide = mode === "x86_64";
    this.registers = words[mode];
    for (const module of modules) for (const [name, call] of Object.entries(module)) this.add(name, call);
  }

  private add(name: string, call: SystemCall | UnsupportedCall): void {
    const number = call.numbers[this.mode];
    if (number === undefined) return;
    if (this.entries[number])
      throw new RangeError(`${this.mode} call ${number}: ${this.entries[number]!.name} and ${name}`);
    const kinds = call.supported ? call.kinds.map((kind) => (kind === long && !this.wide ? long32 : kind)) : [];
    const handler = (
      call.supported
        ? call.handler
        : (task: Task) => {
            if (!call.quiet) task.process.kernel.logOnce(`system call ${name} is not supported: ${call.why}`);
            throw ENOSYS;
          }
    ) as Entry["handler"];
    this.entries[number] = { name, call, kinds, handler };
  }

  /** Makes the system call that the registers ask for. */
  enter(task: Task): void {
    const view = cpu(task);
    const number = view.words[0]!;
    const state = linuxTask(task);
    state.call = number;
    state.callMode = this.mode;
    const { kernel } = task.process;
    const entry = this.entries[number];
    if (entry === undefined) {
      kernel.logOnce(`system call ${number} (${this.mode}) does not exist`);
      return finish(task, view, -ENOSYS.number);
    }
    if (kernel.trace.syscalls) state.traced = showCall(task, entry, (i) => this.argument(view, i));
    if (kernel.sharedObjects.any) return this.enterWithSharedFiles(task, view, entry);
    this.call(task, view, entry);
  }

  private call(task: Task, view: CpuView, entry: Entry): void {
    let result: Result;
    try {
      result = this.dispatch(task, view.words, entry);
    } catch (error) {
      return finish(task, view, errorNumber(error));
    }
    if (typeof result === "number") finish(task, view, result);
    else if (result === undefined) finish(task, view, 0);
    else this.wait(task, result);
  }

  private wait(task: Task, result: Exclude<Result, number | void>): void {
    // Most waits can be answered at once.
    let value: number | undefined;
    try {
      value = result.attempt();
    } catch (error) {
      result.finished?.();
      return finish(task, cpu(task), errorNumber(error));
    }
    if (value === undefined) return task.process.kernel.scheduler.block(task, result);
    result.finished?.();
    finish(task, cpu(task), value);
  }

  /** One case for each count, so that no argument list is built. */
  private dispatch(task: Task, at: Int32Array, { kinds, handler }: Entry): Result {
    const r = this.registers;
    switch (kinds.length) {
      case 0:
        return handler(task);
      case 1:
        return handler(task, this.decode(task, at, kinds[0]!, r[0]!));
      case 2:
        return handler(task, this.decode(task, at, kinds[0]!, r[0]!), this.decode(task, at, kinds[1]!, r[1]!));
      case 3: {
        const a = this.decode(task, at, kinds[0]!, r[0]!);
        const b = this.decode(task, at, kinds[1]!, r[1]!);
        return handler(task, a, b, this.decode(task, at, kinds[2]!, r[2]!));
      }
      case 4: {
        const a = this.decode(task, at, kinds[0]!, r[0]!);
        const b = this.decode(task, at, kinds[1]!, r[1]!);
        const c = this.decode(task, at, kinds[2]!, r[2]!);
        return handler(task, a, b, c, this.decode(task, at, kinds[3]!, r[3]!));
      }
      case 5: {
        const a = this.decode(task, at, kinds[0]!, r[0]!);
        const b = this.decode(task, at, kinds[1]!, r[1]!);
        const c = this.decode(task, at, kinds[2]!, r[2]!);
        const d = this.decode(task, at, kinds[3]!, r[3]!);
        return handler(task, a, b, c, d, this.decode(task, at, kinds[4]!, r[4]!));
      }
      default: {
        const a = this.decode(task, at, kinds[0]!, r[0]!);
        const b = this.decode(task, at, kinds[1]!, r[1]!);
        const c = this.decode(task, at, kinds[2]!, r[2]!);
        const d = this.decode(task, at, kinds[3]!, r[3]!);
        const e = this.decode(task, at, kinds[4]!, r[4]!);
        return handler(task, a, b, c, d, e, this.decode(task, at, kinds[5]!, r[5]!));
      }
    }
  }

  private decode(task: Task, at: Int32Array, kind: Kind<unknown>, word: number): unknown {
    return kind.decode(task, at[word]!, this.wide ? at[word + 1]! : 0);
  }

  private argument(view: CpuView, i: number): [low: number, high: number] {
    const word = this.registers[i]!;
    return [view.words[word]!, this.wide ? view.words[word + 1]! : 0];
  }

  /** Keeps mappings of files and what read and write see alike (kernel/shared.ts). */
  private enterWithSharedFiles(task: Task, view: CpuView, entry: Entry): void {
    const { process } = task;
    process.memory.publish();
    this.call(task, view, entry);
    if (!changesFiles.has(entry.name)) return;
    process.kernel.sharedObjects.filesChanged();
    if (process.exitStatus === undefined) process.memory.refresh();
  }
}

/** The negative number that a failed call returns. What is no failure of the guest's is thrown on. */
export function errorNumber(error: unknown): number {
  if (error instanceof Errno) return -error.number;
  if (error instanceof PageFault) return -EFAULT.number;
  throw error;
}

/** Puts a call's result where the guest finds it. */
export function finish(task: Task, view: CpuView, result: number): void {
  const { trace } = task.process.kernel;
  if (trace.syscalls) traceResult(task, task.process.kernel, result);
  // NaN: the handler has set the registers itself.
  if (result !== result) return;
  const { words: at } = view;
  at[Register.rax] = result;
  // The usual result is small; larger ones need both halves.
  if (result >= -0x8000_0000 && result < 0x8000_0000) at[1] = result < 0 ? -1 : 0;
  else view.set(Register.rax, result);
}

function traceResult(task: Task, kernel: Kernel, result: number): void {
  const state = linuxTask(task);
  if (state.traced === "") return;
  // Without a result: an execve that worked, or a call that does not come back.
  const shown = result === result ? showResult(result) : state.traced.startsWith("execve") ? "0" : "?";
  const text = `${state.traced} = ${shown}`;
  state.traced = "";
  kernel.trace.emit({ topic: "syscall", time: kernel.now(), pid: task.process.pid, tid: task.tid, text });
}
