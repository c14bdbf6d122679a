// Random bytes, and pieces of real code with changes, run as programs in both modes: whatever they do, the kernel goes on.
//
//   npm run fuzz:code -- [seconds] [first seed] [runs]
//
// Each program is some pieces of code with random registers before each. Handlers of all faults, and of a timer for what
// loops, lead to the next piece. Time is virtual, so that a seed always does the same.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseElf } from "../../src/formats/elf.ts";
import { Random } from "./formats.ts";
import { Bytes, dataStart, elf, fuzzMachine, limits, type Mode, type Style, styles, textStart } from "./guest.ts";
import { type Case, main } from "./watch.ts";

const pieces = 48;
/** Data: the number of the next piece, the action, stack and timer given to the kernel, where pieces start, and room. */
const at = { next: 0, action: 64, stack: 128, timer: 192, table: 0x400, room: 0x1000 } as const;
const dataSize = 0x9000;

/** Code of a real program to take pieces from; without a compiler that of this very Node. */
function realCode(mode: Mode): Uint8Array {
  const directory = mkdtempSync(join(tmpdir(), "fuzz-code-"));
  try {
    const file = join(directory, "program");
    const flags = ["-O2", "-static", "-x", "c", ...(mode === "i386" ? ["-m32"] : [])];
    const source = '#include <stdio.h>\n#include <math.h>\nint main(int c,char**v){printf("%f %Lf",sin(c),sinl(c));}';
    execFileSync("gcc", [...flags, "-o", file, "-", "-lm"], { input: source, stdio: ["pipe", "ignore", "ignore"] });
    return textOf(readFileSync(file));
  } catch {
    return textOf(readFileSync(process.execPath)).subarray(0, 8 << 20);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function textOf(file: Uint8Array): Uint8Array {
  const { sections } = parseElf(file);
  const text = sections.find(({ name }) => name === ".text")!;
  return file.slice(Number(text.offset), Number(text.offset) + Number(text.size));
}

const known: { [M in Mode]?: Uint8Array } = {};
const realText = (mode: Mode): Uint8Array => (known[mode] ??= realCode(mode));

/** Bytes that begin many instructions of SSE and x87, which uniformly random ones seldom do. */
const starts = [
  [0x0f],
  [0x66, 0x0f],
  [0xf3, 0x0f],
  [0xf2, 0x0f],
  [0x66, 0x0f, 0x38],
  [0x66, 0x0f, 0x3a],
  [0xf0],
  [0xf3],
  [0xd9],
];

function randomPiece(random: Random, mode: Mode): number[] {
  const length = 4 + random.below(60);
  const bytes: number[] = [];
  switch (random.below(4)) {
    case 0:
      while (bytes.length < length) bytes.push(random.below(256));
      return bytes;
    case 1:
      // One instruction of a family, then others: registers only, or memory.
      while (bytes.length < length) {
        bytes.push(...random.of(starts));
        for (let i = random.below(7); i >= 0; i--) bytes.push(random.below(256));
      }
      return bytes;
    default: {
      const text = realText(mode);
      const from = random.below(text.length - 300);
      for (let i = 0; i < length * 3; i++) bytes.push(text[from + i]!);
      for (let i = random.below(6); i > 0; i--) bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
      return bytes;
    }
  }
}

/** Values that registers begin with: places of all kinds, edges, and anything. */
function randomValue(random: Random, wide: boolean): bigint {
  const room = BigInt(dataStart + at.room + random.below(dataSize - at.room));
  switch (random.below(10)) {
    case 0:
      return BigInt(random.below(64));
    case 1:
      return BigInt(random.of([0xffff_ffff, 0x7fff_ffff, 0x8000_0000, 0xffff_f000, 0xfff]));
    case 2:
      return BigInt(textStart + random.below(0x4000));
    case 3:
      return BigInt(dataStart + dataSize - random.below(40));
    case 4:
      return wide ? BigInt.asUintN(64, BigInt(random.next()) << BigInt(random.below(33))) : BigInt(random.next());
    case 5:
      return wide ? random.of([-1n, -8n, 1n << 47n, (1n << 47n) - 8n, 1n << 63n, room | (1n << 32n)]) : 0xffff_fff8n;
    default:
      return room;
  }
}

/** Puts `value` into a register. */
function load(code: Bytes, wide: boolean, register: number, value: bigint): void {
  if (wide) code.u8(register < 8 ? 0x48 : 0x49, 0xb8 + (register & 7)).u64(value);
  else code.u8(0xb8 + register).u32(Number(BigInt.asUintN(32, value)));
}

const rsp = 4;

/** A program of a seed. */
export function randomProgram(random: Random, mode: Mode): Uint8Array {
  const wide = mode === "x86_64";
  const code = new Bytes();
  const call = (numbers: [number, number], ...values: number[]) => {
    load(code, wide, 0, BigInt(numbers[wide ? 0 : 1]));
    const registers = wide ? [7, 6, 2, 10] : [3, 1, 2, 6];
    values.forEach((value, i) => load(code, wide, registers[i]!, BigInt(value)));
    if (wide) code.u8(0x0f, 0x05);
    else code.u8(0xcd, 0x80);
  };
  call([131, 186], dataStart + at.stack, 0);
  for (const signal of [4, 5, 7, 8, 11, 14, 31]) call([13, 174], signal, dataStart + at.action, 0, 8);
  call([38, 104], 0, dataStart + at.timer, 0);
  // Whatever happens leads here: the next piece, or the end.
  const dispatch = textStart + code.length;
  const absolute = (address: number) => (wide ? code.u8(0x25) : code).u32(address);
  code.u8(0x8b, wide ? 0x04 : 0x05);
  absolute(dataStart + at.next);
  code
    .u8(0x3d)
    .u32(pieces)
    .u8(0x0f, 0x83)
    .u32(wide ? 14 : 13);
  code.u8(0xff, wide ? 0x04 : 0x05);
  absolute(dataStart + at.next);
  code.u8(0xff, 0x24, wide ? 0xc5 : 0x85).u32(dataStart + at.table);
  call([231, 252], 0);

  const data = new DataView(new ArrayBuffer(dataSize));
  for (let i = at.room; i < dataSize; i += 4) data.setUint32(i, random.next(), true);
  const word = wide ? 8 : 4;
  const put = (from: number, ...values: number[]) =>
    values.forEach((value, i) => data.setUint32(from + i * word, value, true));
  const [siginfo, onStack, nodefer] = [4, 0x0800_0000, 0x4000_0000];
  put(at.action, dispatch, siginfo | onStack | nodefer, 0);
  put(at.stack, dataStart + at.room + 0x4000);
  data.setUint32(at.stack + word * 2, 0x4000, true);
  // Every millisecond.
  put(at.timer, 0, 1000, 0, 1000);
  for (let i = 0; i < pieces; i++) {
    put(at.table + i * word, textStart + code.length);
    const count = wide ? 16 : 8;
    for (let register = 0; register < count; register++) {
      const value =
        register === rsp && random.below(8) > 0
          ? BigInt(dataStart + at.room + 0x1000 + random.below(0x2000))
          : randomValue(random, wide);
      load(code, wide, register, value);
    }
    code.add(randomPiece(random, mode)).u8(0x0f, 0x0b);
  }
  const options = { writableText: random.below(3) === 0 };
  return elf(mode, code.take(), new Uint8Array(data.buffer), options);
}

/** Programs that one machine runs before another is made. */
const perMachine = 40;

/** Runs seeds one after another; throws what no guest may cause. */
export function codeCases(): Case {
  let machine: ReturnType<typeof fuzzMachine> | undefined;
  let left = 0;
  let style: Style = "hot";
  return async (seed) => {
    const random = new Random(seed);
    if (left-- <= 0) {
      machine?.dispose();
      style = styles[seed % styles.length]!;
      machine = fuzzMachine(style, seed);
      left = perMachine;
    }
    const mode: Mode = random.below(2) === 0 ? "x86_64" : "i386";
    const program = await machine!.run(randomProgram(random, mode), { args: ["one", "two"], contract: limits });
    const [exit] = await Promise.all([program.exited, program.stdout.text(), program.stderr.text()]);
    for (const { pid } of machine!.processes()) if (pid > 1 && pid !== program.pid) machine!.kill(pid, 9);
    return `${mode} ${style} ${exit.signal ?? exit.status}`;
  };
}

await main("code", codeCases, import.meta.url);
