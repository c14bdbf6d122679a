// Runs small static ELF programs on an X86Machine with just enough of a system call interface, for tests and measurements
// of the processor without the kernel.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { X86Machine, type Translations } from "../../src/cpu/executor.ts";
import { ExitKind, Register, offsets } from "../../src/cpu/state.ts";
import { CpuView } from "../../src/cpu/view.ts";
import { GuestMemory } from "../../src/memory/guest.ts";
import { Access } from "../../src/memory/layout.ts";

/** Compiles C source to a static program; gives its path. Results are kept by content. */
export function compileC(source: string, flags: readonly string[] = []): string {
  const directory = join(tmpdir(), "cerebro-programs");
  mkdirSync(directory, { recursive: true });
  const hash = createHash("sha256").update(source).update(flags.join(" ")).digest("hex").slice(0, 20);
  const path = join(directory, hash);
  if (!existsSync(path)) {
    const [code, draft] = [`${path}-${process.pid}.c`, `${path}-${process.pid}`];
    writeFileSync(code, source);
    execFileSync("gcc", ["-O2", "-static", "-fno-pie", "-no-pie", "-w", ...flags, "-o", draft, code, "-lgcc"]);
    renameSync(draft, path);
  }
  return path;
}

export interface Outcome {
  readonly status: number;
  readonly output: string;
  readonly machine: X86Machine;
  readonly cpu: CpuView;
  readonly milliseconds: number;
}

/** A program in memory, ready to run at its entry. */
export function loadProgram(path: string, translations: Translations, args: readonly string[] = []) {
  const file = readFileSync(path);
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const long = file[4] === 2;
  const memory = new GuestMemory();
  const u64 = (at: number) => Number(view.getBigUint64(at, true));
  const u32 = (at: number) => view.getUint32(at, true);
  const entry = long ? u64(24) : u32(24);
  const headers = long ? u64(32) : u32(28);
  const [size, count] = long
    ? [view.getUint16(54, true), view.getUint16(56, true)]
    : [view.getUint16(42, true), view.getUint16(44, true)];
  let top = 0;
  let base = 0;
  const all = Access.read | Access.write;
  for (let i = 0; i < count; i++) {
    const at = headers + i * size;
    if (u32(at) !== 1) continue;
    const [offset, address, filled, length, flags] = long
      ? [u64(at + 8), u64(at + 16), u64(at + 32), u64(at + 40), u32(at + 4)]
      : [u32(at + 4), u32(at + 8), u32(at + 16), u32(at + 20), u32(at + 24)];
    if (base === 0) base = address - offset;
    const [start, end] = [address & ~0xfff, (address + length + 0xfff) & ~0xfff];
    memory.reach(end);
    memory.u8.set(file.subarray(offset, offset + filled), address);
    memory.allow(start, end, ((flags & 4) >> 2) | (flags & 2) | ((flags & 1) << 2));
    top = Math.max(top, end);
  }
  const stackTop = 0x7000_0000;
  const stack = stackTop - 0x80_0000;
  const heap = top + 0x1000;
  memory.reach(stackTop);
  memory.allow(heap, heap + 0x1000_0000, all);
  memory.allow(stack, stackTop, all);
  // Strings, then argc, argv, envp, auxv (System V ABI, figure 3.9).
  const word = long ? 8 : 4;
  let at = stackTop - 64;
  const place = (text: string) => {
    at -= text.length + 1;
    memory.u8.set(new TextEncoder().encode(text), at);
    return at;
  };
  const pointers = [path, ...args].map(place);
  const random = (at -= 16);
  const words = [
    pointers.length,
    ...pointers,
    0,
    0,
    6,
    4096,
    3,
    base + headers,
    4,
    size,
    5,
    count,
    9,
    entry,
    25,
    random,
  ];
  words.push(23, 0, 0, 0);
  const sp = (at - words.length * word) & ~15;
  const cpu = new CpuView(memory);
  for (let i = 0; i < words.length; i++)
    if (long) memory.writeU64(sp + i * 8, words[i]!);
    else memory.writeU32(sp + i * 4, words[i]!);
  cpu.set(Register.rsp, sp);
  cpu.pc = entry;
  cpu.view.setUint32(offsets.mxcsr, 0x1f80, true);
  cpu.view.setUint16(offsets.x87Control, 0x37f, true);
  cpu.view.setUint16(offsets.x87Tags, 0xffff, true);
  cpu.enter();
  const machine = new X86Machine(memory, translations);
  return { memory, cpu, machine, long, heap };
}

const ENOSYS = 38;

/** Runs a program to its end. */
export function runProgram(path: string, translations: Translations, args: readonly string[] = []): Outcome {
  const { memory, cpu, machine, long, heap } = loadProgram(path, translations, args);
  let output = "";
  const decoder = new TextDecoder();
  let breakAt = heap;
  let mapAt = heap + 0x800_0000;
  const began = performance.now();
  const numbers: Record<number, string> = long
    ? {
        0: "read",
        1: "write",
        9: "mmap",
        10: "ok",
        11: "ok",
        12: "brk",
        13: "ok",
        16: "ioctl",
        20: "writev",
        39: "getpid",
        60: "exit",
        231: "exit",
        158: "arch_prctl",
        218: "ok",
        228: "clock",
        273: "ok",
        302: "ok",
        318: "ok",
      }
    : { 4: "write", 1: "exit", 252: "exit", 45: "brk", 20: "getpid", 146: "writev" };
  for (;;) {
    const kind = machine.run(cpu, 1_000_000);
    if (kind === ExitKind.budget) continue;
    if (kind !== ExitKind.syscall && kind !== ExitKind.interrupt && kind !== ExitKind.sysenter)
      throw new Error(
        `exit ${kind} detail ${cpu.words[offsets.exitDetail / 4]} at ${cpu.pc.toString(16)}, ` +
          `address ${(cpu.words[offsets.faultAddress / 4]! >>> 0).toString(16)}\n${output}`,
      );
    const { rax, rbx, rcx, rdx, rdi, rsi } = Register;
    const [a, b, c] = long ? [cpu.get(rdi), cpu.get(rsi), cpu.get(rdx)] : [cpu.get(rbx), cpu.get(rcx), cpu.get(rdx)];
    let result = -ENOSYS;
    switch (numbers[cpu.low(rax)]) {
      case "exit":
        return { status: a & 0xff, output, machine, cpu, milliseconds: performance.now() - began };
      case "write":
        output += decoder.decode(memory.bytes(b, c, Access.read).slice());
        result = c;
        break;
      case "writev":
        result = 0;
        for (let i = 0; i < c; i++) {
          const at = b + i * (long ? 16 : 8);
          const length = memory.readU32(at + (long ? 8 : 4));
          output += decoder.decode(memory.bytes(memory.readU32(at), length, Access.read).slice());
          result += length;
        }
        break;
      case "brk":
        result = breakAt = a >= heap && a < heap + 0x800_0000 ? a : breakAt;
        break;
      case "mmap":
        result = mapAt;
        mapAt += (b + 0xfff) & ~0xfff;
        break;
      case "arch_prctl":
        cpu.view.setUint32(offsets.fsBase, b, true);
        result = 0;
        break;
      case "getpid":
        result = 42;
        break;
      case "clock": {
        const now = performance.now();
        memory.writeU64(b, Math.floor(now / 1000));
        memory.writeU64(b + 8, Math.floor((now % 1000) * 1e6));
        result = 0;
        break;
      }
      case "read":
        result = 0;
        break;
      case "ioctl":
        result = -25;
        break;
      case "ok":
        result = 0;
        break;
    }
    cpu.set(rax, result);
  }
}

/** Entry, write and exit without a C library. */
export const start = `
static long call(long n, long a, long b, long c) {
  long r;
#ifdef __x86_64__
  __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
#else
  __asm__ volatile("int $0x80" : "=a"(r) : "a"(n), "b"(a), "c"(b), "d"(c) : "memory");
#endif
  return r;
}
#ifdef __x86_64__
enum { WRITE = 1, EXIT = 231 };
#else
enum { WRITE = 4, EXIT = 252 };
#endif
static void put(const char *s) { long n = 0; while (s[n]) n++; call(WRITE, 1, (long)s, n); }
static void number(unsigned long long v) {
  char b[24], *p = b + 23; *p = 0;
  do { *--p = '0' + v % 10; v /= 10; } while (v);
  put(p); put("\\n");
}
int main(void);
__attribute__((force_align_arg_pointer)) void _start(void) { call(EXIT, main(), 0, 0); }
`;
