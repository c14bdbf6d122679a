// Random system calls with hostile arguments, in sequence, from programs of both modes: every call comes back with a number, and
// whatever is left when the program is gone is nothing.
//
//   npm run fuzz:calls -- [seconds] [first seed] [runs]
//
// Each program takes its calls from a table of numbers and arguments. Arguments fit their kind mostly, at the edges of what
// is possible. A timer interrupts what waits.

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemCalls } from "../../src/linux/calls.ts";
import * as kinds from "../../src/linux/kinds.ts";
import { LinuxPersonality } from "../../src/linux/personality.ts";
import type { Entry } from "../../src/linux/gate.ts";
import { CerebroError, type Machine } from "../../src/machine/index.ts";
import { Random } from "./formats.ts";
import { Bytes, dataStart, elf, fuzzMachine, limits, type Mode, textStart } from "./guest.ts";
import { type Case, main } from "./watch.ts";

const calls = 150;
/** Data: where the next call is, the action, stack and timer given to the kernel, names, calls, and room. */
const at = { next: 0, action: 64, stack: 128, timer: 192, names: 0x200, table: 0x1000, room: 0x4000 } as const;
const dataSize = 0x14000;
const nameSize = 64;

const names = [
  "/", ".", "..", "", "/tmp", "/tmp/a", "/tmp/b", "/tmp/dir", "/tmp/dir/c", "/mnt", "/mnt/a", "/mnt/up/secret", "/mnt/new",
  "/mnt/../secret", "/proc/self/mem", "/proc/self/maps", "/proc/self/fd", "/proc/self/fd/3", "/proc/self/exe", "/proc/1/root",
  "/proc/self/status", "/proc/meminfo", "/dev/zero", "/dev/null", "/dev/full", "/dev/urandom", "/dev/tty", "/dev/ptmx",
  "/dev/pts/0", "/dev/shm/x", "/sys", "tmpfs", "proc", "user.name", "security.x", "/tmp/a/../../..", "a", "/proc/self/task",
  "/proc/sys/kernel/hostname", "/etc/passwd",
] as const; // prettier-ignore

const tables = new LinuxPersonality(systemCalls).tables;
const entries: { readonly [M in Mode]: readonly Entry[] } = {
  x86_64: tables.x86_64.entries.filter((entry) => entry !== undefined),
  i386: tables.i386.entries.filter((entry) => entry !== undefined),
};
/** Calls that end a program or make another: seldom, or little else would be tried. */
const rare =
  /^(exit|exit_group|rt_sigreturn|sigreturn|fork|vfork|clone3?|execveat|execve|kill|tkill|tgkill|rt_.*sigqueueinfo|munmap|reboot|chroot|pivot_root)$/;

const edges = [
  0,
  1,
  2,
  7,
  8,
  16,
  28,
  64,
  127,
  128,
  4095,
  4096,
  4097,
  65535,
  65536,
  1 << 20,
  1 << 24,
  0x7fff_f000,
  0x7fff_ffff,
] as const;
const wideEdges = [
  -1n,
  -2n,
  -4096n,
  1n << 31n,
  (1n << 32n) - 1n,
  1n << 32n,
  1n << 40n,
  (1n << 47n) - 4096n,
  1n << 63n,
  (1n << 63n) - 1n,
  1n << 53n,
] as const;

function randomAddress(random: Random): bigint {
  switch (random.below(12)) {
    case 0:
      return 0n;
    case 1:
      return BigInt(dataStart + dataSize - random.below(64));
    case 2:
      return random.of([...wideEdges, 1n, 0xffff_f000n, 0x1_1000_4000n]);
    case 3:
      return BigInt(textStart + random.below(64));
    default:
      return BigInt(dataStart + at.room + (random.below(0x10000 - 64) & ~(random.below(4) === 0 ? 0 : 15)));
  }
}

function randomNumber(random: Random): bigint {
  switch (random.below(6)) {
    case 0:
      return random.of(wideEdges);
    case 1:
      return 1n << BigInt(random.below(64));
    case 2:
      return BigInt(random.next());
    case 3:
      return BigInt(random.below(40));
    default:
      return BigInt(random.of(edges));
  }
}

function randomArgument(random: Random, kind: unknown): bigint {
  if (random.below(12) === 0) return randomNumber(random);
  switch (kind) {
    case kinds.file:
      return BigInt(random.below(14) === 0 ? random.of([-1, 1000, 0x7fffffff]) : random.below(24));
    case kinds.directory:
      return BigInt(random.below(2) === 0 ? -100 : random.below(24));
    case kinds.path:
      return random.below(10) === 0
        ? randomAddress(random)
        : BigInt(dataStart + at.names + random.below(names.length) * nameSize);
    case kinds.address:
      return randomAddress(random);
    case kinds.size:
      return random.below(3) === 0 ? randomNumber(random) : BigInt(random.of(edges));
    default:
      return random.below(5) === 0 ? randomAddress(random) : randomNumber(random);
  }
}

/** Room holds what calls may take for a structure: small numbers, descriptors, addresses, lengths. */
function randomWord(random: Random): number {
  switch (random.below(6)) {
    case 0:
      return dataStart + at.room + random.below(0x10000);
    case 1:
      return random.next();
    case 2:
      return random.of(edges);
    case 3:
      return dataStart + at.names + random.below(names.length) * nameSize;
    default:
      return random.below(24);
  }
}

/** A program of a seed. */
function randomProgram(random: Random, mode: Mode): Uint8Array {
  const wide = mode === "x86_64";
  const word = wide ? 8 : 4;
  const code = new Bytes();
  const trap = () => (wide ? code.u8(0x0f, 0x05) : code.u8(0xcd, 0x80));
  const load = (register: number, value: number) => code.u8(0xb8 + register).u32(value);
  const call = (numbers: [number, number], ...values: number[]) => {
    load(0, numbers[wide ? 0 : 1]);
    values.forEach((value, i) => {
      if (wide && i === 3) code.u8(0x41, 0xba).u32(value);
      else load((wide ? [7, 6, 2] : [3, 1, 2, 6])[i]!, value);
    });
    trap();
  };
  // Handlers return at once.
  code.u8(0xeb, wide ? 8 : 8, 0xc3);
  load(0, wide ? 15 : 173);
  trap();
  call([131, 186], dataStart + at.stack, 0);
  for (const signal of [1, 2, 10, 12, 13, 14, 15, 17, 20, 21, 22, 27, 29, 35])
    call([13, 174], signal, dataStart + at.action, 0, 8);
  call([38, 104], 0, dataStart + at.timer, 0);
  const loop = code.length;
  const end = dataStart + at.table + calls * 7 * word;
  const next = (prefix: number[], opcode: number[]) => {
    if (wide) code.u8(...prefix);
    code.u8(...opcode);
    if (wide) code.u8(0x25);
    code.u32(dataStart + at.next);
  };
  // rsp = next; next += size of a call; past the end?
  next([0x48], [0x8b, wide ? 0x24 : 0x25]);
  next([], [0x83, wide ? 0x04 : 0x05]);
  code.u8(7 * word);
  code.u8(0x81, 0xfc).u32(end);
  const behind = wide
    ? [0x58, 0x5f, 0x5e, 0x5a, 0x41, 0x5a, 0x41, 0x58, 0x41, 0x59]
    : [0x58, 0x5b, 0x59, 0x5a, 0x5e, 0x5f, 0x5d];
  code.u8(0x73, behind.length + 9).u8(...behind);
  load(4, dataStart + dataSize - 64);
  trap();
  code.u8(0xeb, (loop - code.length - 2) & 0xff);
  call([231, 252], 0);

  const data = new DataView(new ArrayBuffer(dataSize));
  const put = (from: number, ...values: number[]) =>
    values.forEach((value, i) => data.setUint32(from + i * word, value, true));
  const [siginfo, restorer, onStack] = [4, 0x0400_0000, 0x0800_0000];
  put(at.next, dataStart + at.table);
  put(at.action, textStart + 2, siginfo | restorer | onStack, textStart + 3);
  put(at.stack, dataStart + at.room);
  data.setUint32(at.stack + word * 2, 0x4000, true);
  put(at.timer, 0, 1000, 0, 1000);
  names.forEach((name, i) => new TextEncoder().encodeInto(name, new Uint8Array(data.buffer, at.names + i * nameSize)));
  for (let i = at.room; i < dataSize; i += 4) data.setUint32(i, randomWord(random), true);
  for (let i = 0; i < calls; i++) {
    let entry = random.of(entries[mode]);
    if (rare.test(entry.name) && random.below(20) > 0)
      entry = random.of(entries[mode].filter(({ name }) => !rare.test(name)));
    // Some descriptors to begin with.
    const opens = i < 12 || random.below(12) === 0;
    if (opens) entry = entries[mode].find(({ name }) => name === "open")!;
    const number = tables[mode].entries.indexOf(entry);
    const values = opens
      ? [
          BigInt(dataStart + at.names + random.below(names.length) * nameSize),
          BigInt(random.of([0, 1, 2, 0x42, 0x442, 0x10000, 0x200000])),
          0o644n,
        ]
      : entry.kinds.map((kind) => randomArgument(random, kind));
    [BigInt(random.below(500) === 0 ? random.below(600) : number), ...values].forEach((value, j) => {
      const place = at.table + (i * 7 + j) * word;
      if (wide) data.setBigUint64(place, BigInt.asUintN(64, value), true);
      else data.setUint32(place, Number(BigInt.asUintN(32, value)), true);
    });
  }
  return elf(mode, code.take(), new Uint8Array(data.buffer));
}

const secret = "what no guest may see";

/** A directory of the host with something beside what is granted of it. */
class Granted {
  readonly top = mkdtempSync(join(tmpdir(), "fuzz-calls-"));
  readonly granted = join(this.top, "granted");
  constructor() {
    mkdirSync(this.granted);
    writeFileSync(join(this.top, "secret"), secret);
    symlinkSync("..", join(this.granted, "up"));
  }
  check(): void {
    const found = readdirSync(this.top).toSorted().join();
    if (found !== "granted,secret") throw new Error(`beside the granted directory: ${found}`);
    if (readFileSync(join(this.top, "secret"), "utf8") !== secret) throw new Error("the secret was changed");
  }
  remove(): void {
    rmSync(this.top, { recursive: true, force: true });
  }
}

/** Programs that one machine runs before another is made. */
const perMachine = 20;

/** Runs seeds one after another; throws what no guest may cause. */
export function callCases(): Case {
  let machine: Machine | undefined;
  let granted: Granted | undefined;
  const renew = (seed: number): Machine => {
    machine?.dispose();
    granted?.remove();
    granted = new Granted();
    machine = fuzzMachine("interpreted", seed, [{ host: granted.granted, guest: "/mnt" }]);
    if ((seed / perMachine) % 2 < 1) machine.trace(["syscall", "fault", "process"], () => {});
    return machine;
  };
  return async (seed) => {
    if (!machine || seed % perMachine === 0) machine = renew(seed);
    const random = new Random(seed);
    const mode: Mode = random.below(2) === 0 ? "x86_64" : "i386";
    const bytes = randomProgram(random, mode);
    try {
      machine.files.write(`/program-${seed}`, bytes, { mode: 0o755 });
    } catch (error) {
      // Earlier programs have filled the disk, or made it read-only.
      if (!(error instanceof CerebroError)) throw error;
      machine = renew(seed);
      machine.files.write(`/program-${seed}`, bytes, { mode: 0o755 });
    }
    const program = machine.start(`/program-${seed}`, { contract: limits });
    const { contract } = machine.kernel.processes.get(program.pid)!;
    const [exit] = await Promise.all([program.exited, program.stdout.text(), program.stderr.text()]);
    for (const { pid } of machine.processes()) if (pid > 1) machine.kill(pid, 9);
    for (let turns = 0; contract.used.tasks > 0 && turns < 100; turns++)
      await new Promise((done) => setImmediate(done));
    const { tasks, memory, mapped } = contract.used;
    if (tasks !== 0 || memory !== 0 || mapped !== 0)
      throw new Error(`left behind: ${tasks} tasks, ${memory} bytes of memory, ${mapped} mapped`);
    granted!.check();
    return `${mode} ${exit.signal ?? exit.status}`;
  };
}

await main("calls", callCases, import.meta.url);
