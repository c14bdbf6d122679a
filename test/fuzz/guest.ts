// Small programs built in memory, and machines to run them in that see nothing of the host: what the fuzzers of code and of system
// calls share.

import { regionCompiler } from "../../src/cpu/translate/compiler.ts";
import { Translations, X86Machine } from "../../src/cpu/executor.ts";
import { CpuView } from "../../src/cpu/view.ts";
import { memoryHost } from "../../src/hosts/memory/index.ts";
import { offsets } from "../../src/cpu/state.ts";
import { clock, timers } from "../../src/hosts/node/clock.ts";
import { files } from "../../src/hosts/node/files.ts";
import type { Executor, ExecutorFactory } from "../../src/kernel/executor.ts";
import { createMachine, type Machine } from "../../src/machine/index.ts";

export type Mode = "x86_64" | "i386";

/** Addresses of the programs' segments. */
export const textStart = 0x1000_0000;
export const dataStart = 0x1100_0000;

/** Little-endian bytes. */
export class Bytes {
  private bytes = new Uint8Array(1 << 12);
  length = 0;

  u8(...values: readonly number[]): this {
    return this.add(values);
  }
  u32(value: number): this {
    return this.u8(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24);
  }
  u64(value: number | bigint): this {
    const wide = BigInt(value);
    return this.u32(Number(wide & 0xffff_ffffn)).u32(Number((wide >> 32n) & 0xffff_ffffn));
  }
  add(values: ArrayLike<number>): this {
    while (this.length + values.length > this.bytes.length) {
      const larger = new Uint8Array(this.bytes.length * 2);
      larger.set(this.bytes);
      this.bytes = larger;
    }
    this.bytes.set(values, this.length);
    this.length += values.length;
    return this;
  }
  take(): Uint8Array<ArrayBuffer> {
    return this.bytes.slice(0, this.length);
  }
}

/** A static program: `text` starts running at its first byte, `data` is writable. */
export function elf(
  mode: Mode,
  text: Uint8Array,
  data: Uint8Array,
  options: { writableText?: boolean } = {},
): Uint8Array {
  const wide = mode === "x86_64";
  const header = wide ? 64 : 52;
  const entry = wide ? 56 : 32;
  const textAt = 0x1000;
  const dataAt = (textAt + text.length + 0xfff) & ~0xfff;
  const out = new Bytes();
  const word = (value: number) => (wide ? out.u64(value) : out.u32(value));
  out.u8(0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, 1, 1, 0).u64(0);
  out.u8(2, 0, wide ? 62 : 3, 0).u32(1);
  word(textStart);
  word(header);
  word(0);
  out.u32(0).u8(header, 0, entry, 0, 2, 0, 0, 0, 0, 0, 0, 0);
  const segment = (flags: number, at: number, address: number, size: number) => {
    out.u32(1);
    if (wide) out.u32(flags);
    for (const value of [at, address, address, size, size]) word(value);
    if (!wide) out.u32(flags);
    word(0x1000);
  };
  segment(options.writableText ? 7 : 5, textAt, textStart, text.length);
  segment(6, dataAt, dataStart, data.length);
  out.add(new Uint8Array(textAt - out.length)).add(text);
  return out
    .add(new Uint8Array(dataAt - out.length))
    .add(data)
    .take();
}

/** How code is run: interpreted, compiled when hot, or compiled as soon as it is reached. */
export const styles = ["interpreted", "hot", "eager"] as const;
export type Style = (typeof styles)[number];

const pc = offsets.pc / 4;

/** Blocks that run between two looks at the clock, so that little work is much virtual time. */
const fuel = { interpreted: 1000, hot: 1000, eager: 4 } as const;

/** Executors that look at the clock often, and compile early. */
function executors(style: Style): ExecutorFactory {
  const known: { [M in Mode]?: Translations } = {};
  const translations = (mode: Mode): Translations =>
    (known[mode] ??= new Translations({
      long: mode === "x86_64",
      threshold: 1,
      ...(style !== "interpreted" && { compiler: regionCompiler() }),
    }));
  const around = (machine: X86Machine): Executor => {
    let compiled = 0;
    return {
      run(task, given) {
        const view = task.context as CpuView;
        // Compiling all that a program makes of itself would take all the time there is.
        if (style === "eager" && compiled++ < 200) machine.compileAt(view, view.words[pc]! >>> 0);
        return machine.run(view, Math.min(given, fuel[style]));
      },
      release() {},
      fork: (memory) => around(machine.fork(memory)),
      dispose: () => machine.dispose(),
    };
  };
  return {
    create: (memory, mode) => around(new X86Machine(memory, translations(mode as Mode))),
    context: (memory) => new CpuView(memory),
  };
}

/** Nanoseconds of virtual time that a program has. */
const lifetime = 100e6;

/** A machine without a host behind it, in virtual time. */
export function fuzzMachine(style: Style, seed: number, mounts: { host: string; guest: string }[] = []): Machine {
  const machine = createMachine({
    host: { ...memoryHost(timers, clock), ...(mounts.length > 0 && { files }) },
    seed,
    mounts,
    contract: limits,
  });
  Object.assign(machine.kernel, { executors: executors(style) });
  return machine;
}

export const limits = {
  memory: 64 << 20,
  mapped: 2 ** 32,
  tasks: 12,
  files: 64,
  disk: 16 << 20,
  cpuTime: lifetime,
  deadline: lifetime * 10,
};
