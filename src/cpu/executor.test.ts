import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { compileC, runProgram, start } from "../../test/cpu/program.ts";
import { GuestMemory } from "../memory/guest.ts";
import { Access, layout } from "../memory/layout.ts";
import { Translations, X86Machine } from "./executor.ts";
import { ExitKind, Register, Vector, offsets } from "./state.ts";
import { regionCompiler } from "./translate/compiler.ts";
import { CpuView } from "./view.ts";

const bare = ["-nostdlib", "-fno-stack-protector", "-fno-builtin"];

const programs = {
  hello: `int main(void) { put("hello\\n"); return 7; }`,
  integers: `
int main(void) {
  unsigned long long h = 1; int neg = 0; unsigned char bytes[256]; short s = 3;
  for (int i = 0; i < 3000; i++) {
    h = h * 6364136223846793005ull + i; h ^= h >> 29; h = h << 7 | h >> 57;
    if ((long long)h < 0) neg++; if ((int)h < i) s += 5; if ((short)h > s) s -= h;
    bytes[i & 255] = h; h += bytes[(i * 7) & 255] / 3 + (unsigned)h % 1000 + (long long)h / 12345;
  }
  number(h); number(neg); number((unsigned short)s); return 0;
}`,
  recursion: `
__attribute__((noinline)) int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
int (*volatile f)(int) = fib;
int main(void) { number(f(18)); return 0; }`,
  switches: `
__attribute__((noinline)) int step(int op, int x) {
  switch (op) { case 0: return x + 1; case 1: return x * 3; case 2: return x ^ 0x55; case 3: return x - 9;
    case 4: return x << 2; case 5: return x >> 1; case 6: return -x; case 7: return ~x; default: return x; }
}
int main(void) { int x = 1; for (int i = 0; i < 4000; i++) x = step((i * 7 + (x & 3)) % 9, x); number((unsigned)x); return 0; }`,
  floats: `
int main(void) {
  double x = 1, y = 0; float z = 2;
  for (int i = 1; i < 2000; i++) { y += x / i; x = x * 1.0001 - y * 0.001; z = z * 0.5f + (float)i; if (y > 3) y -= 1; }
  number((long long)(x * 1e9) & 0xffffffffffff); number((unsigned)(y * 1e6)); number((unsigned)z); return 0;
}`,
  selfmodifying: `
__attribute__((section(".text#"), aligned(4096))) unsigned char page[8192] = { 0xb8, 1, 0, 0, 0, 0xc3 };
int main(void) {
  int sum = 0;
  for (int i = 0; i < 300; i++) { ((volatile unsigned char *)page)[1] = i; sum += ((int (*)(void))page)(); }
  number(sum); return 0;
}`,
};

for (const bits of [64, 32])
  for (const [name, body] of Object.entries(programs)) {
    test(`${name} (${bits} bits) runs as it does natively`, () => {
      const flags = [...bare, `-m${bits}`];
      if (name === "floats" && bits === 32) flags.push("-msse2", "-mfpmath=sse");
      if (name === "selfmodifying") flags.push("-Wl,-N");
      const path = compileC(start + body, flags);
      let status = 0;
      let output = "";
      try {
        output = execFileSync(path, { encoding: "utf8" });
      } catch (failed) {
        ({ status, stdout: output } = failed as { status: number; stdout: string });
      }
      const long = bits === 64;
      for (const translations of [
        new Translations({ long }),
        new Translations({ long, compiler: regionCompiler(), threshold: 100 }),
      ]) {
        const result = runProgram(path, translations);
        expect({ status: result.status, output: result.output }).toEqual({ status, output });
      }
    });
  }

const code = 0x400000;

/** A machine with machine code at `code`, one writable page behind a hole, and a stack. */
function machineWith(bytes: readonly number[], translations = new Translations({ long: true })) {
  const memory = new GuestMemory();
  memory.reach(0x600000);
  memory.u8.set(bytes, code);
  memory.allow(code, code + 0x1000, Access.read | Access.write | Access.execute);
  memory.allow(0x500000, 0x501000, Access.read | Access.write);
  memory.allow(0x501000, 0x502000, Access.read);
  const cpu = new CpuView(memory);
  cpu.view.setUint32(offsets.mxcsr, 0x1f80, true);
  cpu.pc = code;
  cpu.enter();
  return { memory, cpu, machine: new X86Machine(memory, translations) };
}

const fault = (cpu: CpuView) => ({
  pc: cpu.pc,
  vector: cpu.words[offsets.exitDetail / 4],
  address: Number(cpu.view.getBigUint64(offsets.faultAddress, true)),
  access: cpu.words[offsets.faultAccess / 4],
});

test("a refused access stops at its instruction with nothing of it done", () => {
  // inc eax; push rax to a hole; inc eax
  const { cpu, machine } = machineWith([0xff, 0xc0, 0x50, 0xff, 0xc0]);
  cpu.set(Register.rsp, 0x503000);
  expect(machine.run(cpu, 100)).toBe(ExitKind.trap);
  expect(fault(cpu)).toEqual({ pc: code + 2, vector: Vector.page, address: 0x502ff8, access: Access.write });
  expect([cpu.get(Register.rax), cpu.get(Register.rsp)]).toEqual([1, 0x503000]);
});

test("an access that begins well and ends in a refused page names the first refused byte", () => {
  // mov [rdi], rax
  const { memory, cpu, machine } = machineWith([0x48, 0x89, 0x07]);
  cpu.set(Register.rdi, 0x500ffc);
  cpu.set(Register.rax, -1);
  expect(machine.run(cpu, 100)).toBe(ExitKind.trap);
  expect(fault(cpu)).toMatchObject({ pc: code, address: 0x501000 });
  expect(memory.readU32(0x500ffc)).toBe(0);
  cpu.setBig(Register.rdi, 0x1234_0050_0000n);
  expect(machine.run(cpu, 100)).toBe(ExitKind.trap);
  expect(fault(cpu)).toMatchObject({ pc: code, address: 0x1234_0050_0000 });
});

test("division by zero and jumps to nowhere trap", () => {
  // mov ecx, 0; div ecx
  const division = machineWith([0xb9, 0, 0, 0, 0, 0xf7, 0xf1]);
  expect(division.machine.run(division.cpu, 100)).toBe(ExitKind.trap);
  expect(fault(division.cpu)).toMatchObject({ pc: code + 5, vector: Vector.divide });
  // jmp rax
  const jump = machineWith([0xff, 0xe0]);
  jump.cpu.set(Register.rax, 0x500000);
  expect(jump.machine.run(jump.cpu, 100)).toBe(ExitKind.trap);
  expect(fault(jump.cpu)).toEqual({ pc: 0x500000, vector: Vector.page, address: 0x500000, access: Access.execute });
});

test("fuel ends an endless loop, interpreted and compiled", () => {
  for (const compiler of [undefined, regionCompiler()]) {
    // inc rax; jmp back
    const translations = new Translations({ long: true, threshold: 100, ...(compiler && { compiler }) });
    const { cpu, machine } = machineWith([0x48, 0xff, 0xc0, 0xeb, 0xfb], translations);
    for (let i = 0; i < 20; i++) expect(machine.run(cpu, 2000)).toBe(ExitKind.budget);
    expect(cpu.pc).toBe(code);
    expect(cpu.get(Register.rax)).toBeGreaterThan(30_000);
    expect(translations.counts.regions).toBe(compiler ? 1 : 0);
  }
});

test("an instruction that rewrites the next one in its block is honoured", () => {
  // mov byte [rip+2], 2 (the immediate below); mov eax, 1; syscall
  const { cpu, machine } = machineWith([0xc6, 0x05, 1, 0, 0, 0, 2, 0xb8, 1, 0, 0, 0, 0x0f, 0x05]);
  for (let i = 0; i < 3; i++) {
    cpu.pc = code;
    expect(machine.run(cpu, 100)).toBe(ExitKind.syscall);
    expect(cpu.get(Register.rax)).toBe(2);
    expect(cpu.pc).toBe(code + 14);
  }
});

test("a forked address space has its own code and shares translations", () => {
  const compiler = regionCompiler();
  const translations = new Translations({ long: true, threshold: 100, compiler });
  // mov eax, 5; dec ebx; jnz back; syscall
  const { memory, cpu, machine } = machineWith([0xb8, 5, 0, 0, 0, 0xff, 0xcb, 0x75, 0xf7, 0x0f, 0x05], translations);
  const rounds = (of: X86Machine, view: CpuView) => {
    view.pc = code;
    view.set(Register.rbx, 50_000);
    let kind: number;
    while ((kind = of.run(view, 100_000)) === ExitKind.budget);
    expect(kind).toBe(ExitKind.syscall);
    return view.get(Register.rax);
  };
  expect(rounds(machine, cpu)).toBe(5);
  expect(translations.counts.regions).toBe(1);
  const copy = new GuestMemory();
  copy.reach(0x600000);
  copy.u8.set(memory.u8.subarray(0x200000, 0x600000), 0x200000);
  copy.allow(code, code + 0x1000, Access.read | Access.write | Access.execute);
  const child = machine.fork(copy);
  const childCpu = cpu.clone(copy);
  childCpu.enter();
  expect(rounds(child, childCpu)).toBe(5);
  expect(translations.counts).toMatchObject({ regions: 1, blocks: 2 });
  copy.writeU8(code + 1, 7);
  expect([rounds(child, childCpu), rounds(machine, cpu)]).toEqual([7, 5]);
});

test("translations are saved and used again where the code is the same", () => {
  const long = true;
  const compiler = regionCompiler();
  const path = compileC(start + programs.integers, [...bare, "-m64"]);
  const first = new Translations({ long, compiler, threshold: 100 });
  const { output } = runProgram(path, first);
  const saved = first.save("1")!;
  expect(new Translations({ long }).load(saved, "2")).toBe(false);
  expect(new Translations({ long: false }).load(saved, "1")).toBe(false);
  const damaged = saved.slice();
  damaged[damaged.length - 100]! ^= 1;
  expect(new Translations({ long }).load(damaged, "1")).toBe(false);
  const second = new Translations({ long, compiler, threshold: 100 });
  expect(second.load(saved, "1")).toBe(true);
  expect(runProgram(path, second).output).toBe(output);
  expect(second.counts).toMatchObject({ blocks: 0, regions: 0 });
  expect(second.save("1")).toBeUndefined();
  // Another program at the same addresses.
  const other = compileC(start + programs.switches, [...bare, "-m64"]);
  const third = new Translations({ long, compiler, threshold: 100 });
  third.load(saved, "1");
  expect(runProgram(other, third).output).toBe(execFileSync(other, { encoding: "utf8" }));
  expect(third.counts.blocks).toBeGreaterThan(0);
  expect(third.save("1")!.length).toBeGreaterThan(saved.length);
});

test("the interpreter makes room for a mapping where its code is", () => {
  // inc eax; syscall
  const { memory, cpu, machine } = machineWith([0xff, 0xc0, 0x0f, 0x05]);
  const round = () => {
    cpu.pc = code;
    expect(machine.run(cpu, 100)).toBe(ExitKind.syscall);
    return cpu.get(Register.rax);
  };
  expect(round()).toBe(1);
  expect(memory.reserved).toBeDefined();
  memory.allow(layout.arena, layout.arenaEnd, Access.read);
  expect(memory.u8.subarray(layout.arena, layout.arenaEnd).every((byte) => byte === 0)).toBe(true);
  expect([round(), memory.reserved]).toEqual([2, undefined]);
});
