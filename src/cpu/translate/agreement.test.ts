// Random programs give the same state compiled as interpreted.

import fc from "fast-check";
import { expect, test } from "vitest";
import { GuestMemory } from "../../memory/guest.ts";
import { Access } from "../../memory/layout.ts";
import { Translations, X86Machine } from "../executor.ts";
import { ExitKind, Register, offsets } from "../state.ts";
import { CpuView } from "../view.ts";
import { regionCompiler } from "./compiler.ts";

const code = 0x40_0000;
const data = 0x50_0000;
const stack = 0x60_0000;
const threshold = 100;
const rounds = 400;

/** Numbers from a seed (xorshift32). */
function random(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** A loop of random instructions, with inner branches and calls; RSI points to the data, R15 (EBP) counts. */
function program(seed: number, long: boolean): Uint8Array {
  const pick = random(seed);
  const out: number[] = [];
  const registers = long ? [0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14] : [0, 1, 2, 3];
  const register = () => registers[pick(registers.length)]!;
  const byteRegister = () => (long ? register() : pick(8));
  const condition = () => pick(16);

  /** Opcode with ModRM: `reg` field and a register or memory operand. */
  const modrm = (
    opcode: number[],
    reg: number,
    rm: number | "memory",
    options: { wide?: boolean; prefix?: number; byte?: boolean } = {},
  ) => {
    const { wide = false, prefix, byte = false } = options;
    if (prefix !== undefined) out.push(prefix);
    const high = typeof rm === "number" && rm >= 8 ? 1 : 0;
    if (long) {
      const rex = 0x40 | (wide ? 8 : 0) | (reg >= 8 ? 4 : 0) | high;
      if (rex !== 0x40 || (byte && pick(2) === 0)) out.push(rex);
    }
    out.push(...opcode);
    if (rm !== "memory") out.push(0xc0 | ((reg & 7) << 3) | (rm & 7));
    else if (pick(3) === 0) {
      // [rsp - 64 .. ] through a SIB byte.
      out.push(0x44 | ((reg & 7) << 3), 0x24, 0x80 + 8 * pick(8));
    } else if (pick(2) === 0) out.push(0x46 | ((reg & 7) << 3), pick(128));
    else {
      const at = pick(4) === 0 ? 0xff0 + pick(32) : pick(0x1800);
      out.push(0x86 | ((reg & 7) << 3), at & 0xff, at >> 8, 0, 0);
    }
  };
  const operand = () => (pick(3) === 0 ? "memory" : register());
  const wide = () => long && pick(2) === 0;
  const size = () => (pick(4) === 0 ? { prefix: 0x66 } : { wide: wide() });

  const instruction = (depth: number): void => {
    switch (pick(24)) {
      case 0:
      case 1:
      case 2: {
        const base = pick(8) * 8;
        return modrm([base + (pick(2) === 0 ? 1 : 3)], register(), operand(), size());
      }
      case 3: {
        const base = pick(8) * 8;
        return modrm([base + (pick(2) === 0 ? 0 : 2)], byteRegister(), pick(3) === 0 ? "memory" : byteRegister(), {
          byte: true,
        });
      }
      case 4: {
        modrm([0x83], pick(8), operand(), size());
        out.push(pick(256));
        return;
      }
      case 5: {
        modrm([0xc1], [4, 5, 7, 0, 1][pick(5)]!, operand(), size());
        out.push(pick(40));
        return;
      }
      case 6:
        return modrm([0xd3], [4, 5, 7][pick(3)]!, register(), size());
      case 7:
        return modrm([0x0f, 0x90 + condition()], 0, pick(3) === 0 ? "memory" : byteRegister(), { byte: true });
      case 8:
        return modrm([0x0f, 0x40 + condition()], register(), operand(), { wide: wide() });
      case 9:
        return modrm([0x0f, [0xb6, 0xb7, 0xbe, 0xbf][pick(4)]!], register(), "memory", { wide: wide() });
      case 10:
        return modrm([0x0f, 0xaf], register(), operand(), { wide: wide() });
      case 11:
        return (modrm([pick(2) === 0 ? 0xff : 0xf7], pick(2) === 0 ? 0 : 1, register(), { wide: wide() }), fix());
      case 12:
        return modrm([0x8d], register(), "memory", { wide: wide() });
      case 13:
        return modrm([pick(2) === 0 ? 0x89 : 0x8b], register(), operand(), size());
      case 14:
        return modrm([pick(2) === 0 ? 0x88 : 0x8a], byteRegister(), "memory", { byte: true });
      case 15: {
        // push, something, pop.
        const [a, b] = [register(), register()];
        if (a >= 8) out.push(0x41);
        out.push(0x50 | (a & 7));
        instruction(depth + 1);
        if (b >= 8) out.push(0x41);
        out.push(0x58 | (b & 7));
        return;
      }
      case 16:
      case 17: {
        // A branch over a few instructions.
        out.push(0x70 + condition(), 0);
        const from = out.length;
        if (depth < 3) for (let i = pick(4); i >= 0; i--) instruction(depth + 1);
        if (out.length - from < 128) out[from - 1] = out.length - from;
        return;
      }
      case 18:
        return modrm([0x85], register(), operand(), size());
      case 19:
        return modrm([0x87], register(), operand(), size());
      case 20: {
        const opcode = [0xfe, 0xd4, 0xef, 0xdb, 0x60, 0x72 - 1, 0xf4, 0x74][pick(8)]!;
        out.push(0x66);
        return modrm([0x0f, opcode === 0x71 ? 0xfa : opcode], pick(8), pick(8));
      }
      case 21:
        return modrm([0x0f, pick(2) === 0 ? 0x10 : 0x11], pick(8), "memory");
      case 22: {
        // A call of a few instructions that are skipped otherwise.
        if (depth > 1) return;
        out.push(0xeb, 0);
        const from = out.length;
        for (let i = pick(4); i >= 0; i--) instruction(2);
        out.push(0xc3);
        if (out.length - from >= 120) return;
        out[from - 1] = out.length - from;
        const back = from - (out.length + 5);
        out.push(0xe8, back & 0xff, (back >> 8) & 0xff, (back >> 16) & 0xff, (back >> 24) & 0xff);
        return;
      }
      default:
        return modrm([0xf7], [2, 3, 4, 5][pick(4)]!, register(), { wide: wide() });
    }
  };
  const fix = (): void => undefined;

  for (let i = 6 + pick(14); i > 0; i--) instruction(0);
  // dec r15 (ebp); jnz start; syscall (int 0x80).
  if (long) out.push(0x49, 0xff, 0xcf);
  else out.push(0x4d);
  const back = -(out.length + 6);
  out.push(0x0f, 0x85, back & 0xff, (back >> 8) & 0xff, (back >> 16) & 0xff, (back >> 24) & 0xff);
  out.push(...(long ? [0x0f, 0x05] : [0xcd, 0x80]));
  return Uint8Array.from(out);
}

function run(bytes: Uint8Array, long: boolean, seed: number, compiled: boolean) {
  const memory = new GuestMemory();
  memory.reach(stack + 0x10000);
  memory.allow(code, code + 0x4000, Access.read | Access.execute);
  memory.allow(data, data + 0x4000, Access.read | Access.write);
  memory.allow(stack, stack + 0x10000, Access.read | Access.write);
  memory.u8.set(bytes, code);
  const pick = random(seed ^ 0x5bd1e995);
  for (let i = 0; i < 0x4000; i += 4) memory.i32[(data + i) >> 2] = pick(0xffffffff);
  const cpu = new CpuView(memory);
  for (let r = 0; r < 16; r++) {
    cpu.words[r * 2] = pick(0xffffffff);
    cpu.words[r * 2 + 1] = long ? pick(0xffffffff) : 0;
  }
  for (let i = 0; i < 64; i++) cpu.words[offsets.xmm / 4 + i] = pick(0xffffffff);
  cpu.set(Register.rsi, data);
  cpu.set(Register.rsp, stack + 0x8000);
  cpu.set(long ? Register.r15 : Register.rbp, rounds);
  cpu.view.setUint32(offsets.mxcsr, 0x1f80, true);
  cpu.pc = code;
  cpu.enter();
  const translations = new Translations(compiled ? { long, compiler: regionCompiler(), threshold } : { long });
  const machine = new X86Machine(memory, translations);
  let kind: number = ExitKind.budget;
  // A return to somewhere else can make a program that does not end: it is left out.
  for (let turns = 0; kind === ExitKind.budget; turns++) {
    if (turns === 400) return undefined;
    kind = machine.run(cpu, 313);
  }
  const words = [...cpu.words.subarray(0, 32), ...cpu.words.subarray(offsets.xmm / 4, offsets.xmm / 4 + 64)];
  // At a fault the flags are only right as far as the code that follows reads them.
  const flags = kind === ExitKind.trap ? [] : [...cpu.words.subarray(offsets.flagKind / 4, offsets.flagKind / 4 + 1)];
  let sum = 0;
  for (let i = 0; i < 0x4000; i += 4) sum = (Math.imul(sum, 31) + memory.i32[(data + i) >> 2]!) | 0;
  let below = 0;
  for (let i = 0x7000; i < 0x9000; i += 4) below = (Math.imul(below, 31) + memory.i32[(stack + i) >> 2]!) | 0;
  return { result: { kind, words, pc: cpu.pc, sum, below, flags }, regions: translations.counts.regions };
}

for (const long of [true, false])
  test(`random programs of ${long ? 64 : 32} bits`, () => {
    let compiled = 0;
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 0x7fffffff }), (seed) => {
        const bytes = program(seed, long);
        const plain = run(bytes, long, seed, false);
        if (plain === undefined) return;
        const fast = run(bytes, long, seed, true);
        if (fast === undefined) throw new Error("the compiled program does not end");
        compiled += fast.regions;
        expect(fast.result).toEqual(plain.result);
      }),
      { numRuns: Number(process.env["RUNS"] ?? 60) },
    );
    expect(compiled).toBeGreaterThan(0);
  });
