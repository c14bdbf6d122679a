// The system as a whole and limits: uname(2), sysinfo(2), getrandom(2), prlimit(2), getrusage(2), prctl(2).

import { encodeUtf8 } from "../../base/text.ts";
import { EINVAL, EPERM, ESRCH } from "../../kernel/errno.ts";
import { Limit } from "../../kernel/kernel.ts";
import type { Process } from "../../kernel/process.ts";
import { signalCount } from "../../kernel/signal.ts";
import type { Task } from "../../kernel/task.ts";
import { decodeName } from "../../kernel/vfs/names.ts";
import { Access } from "../../memory/layout.ts";
import { readWord, widthOf, writeWord } from "../guest.ts";
import { address, int, size, uint } from "../kinds.ts";
import { linuxProcess } from "../state.ts";
import { type Result, syscall, unsupported } from "../table.ts";
import { writeUsage } from "../usage.ts";
import { watchCpuTime } from "./timers.ts";

/** What uname(2) says. The release is one that every C library of the last ten years accepts. */
export const systemName = {
  system: "Linux",
  release: "6.1.0-cerebro",
  version: "#1 SMP PREEMPT_DYNAMIC Cerebro",
} as const;
const nameField = 65;
const persona32 = 8;

/** "x86_64", or "i686" for programs under PER_LINUX32 and i386 ones. */
function machineName(task: Task): string {
  if ((linuxProcess(task.process).persona & 0xff) === persona32) return "i686";
  return "x86_64";
}

function writeNames(task: Task, at: number, names: readonly string[], field: number): void {
  const bytes = new Uint8Array(names.length * field);
  for (const [i, name] of names.entries()) bytes.set(encodeUtf8(name).subarray(0, field - 1), i * field);
  task.process.memory.guest.write(at, bytes);
}

export const uname = syscall({ x86_64: 63, i386: 122 }, [address], (task, at) => {
  const { host, domain } = task.process.kernel.names;
  const { system, release, version } = systemName;
  writeNames(task, at, [system, host, release, version, machineName(task), domain], nameField);
});
/** The first form has no domain name; the very first had fields of nine bytes. */
export const olduname = syscall({ i386: 109 }, [address], (task, at) => {
  const { system, release, version } = systemName;
  writeNames(task, at, [system, task.process.kernel.names.host, release, version, machineName(task)], nameField);
});
export const oldolduname = syscall({ i386: 59 }, [address], (task, at) => {
  const { system, release, version } = systemName;
  writeNames(task, at, [system, task.process.kernel.names.host, release, version, machineName(task)], 9);
});

function readHostName(task: Task, at: number, length: number): string {
  if (task.process.credentials.euid !== 0) throw EPERM;
  if (length < 0 || length > 64) throw EINVAL;
  return decodeName(task.process.memory.guest.bytes(at, length, Access.read).slice());
}
export const sethostname = syscall({ x86_64: 170, i386: 74 }, [address, int], (task, at, length) => {
  task.process.kernel.names.host = readHostName(task, at, length);
});
export const setdomainname = syscall({ x86_64: 171, i386: 121 }, [address, int], (task, at, length) => {
  task.process.kernel.names.domain = readHostName(task, at, length);
});

/** Memory that the machine shows, bytes: what the contract allows. */
export function memorySize(process: Process): { total: number; free: number } {
  const { limits, used } = process.contract;
  const total = Math.min(limits.memory, 2 ** 40);
  return { total, free: Math.max(0, total - used.memory) };
}

export const sysinfo = syscall({ x86_64: 99, i386: 116 }, [address], (task, at) => {
  const { process } = task;
  const { kernel, memory } = process;
  const { total, free } = memorySize(process);
  const word = widthOf(task) / 8;
  // On i386 sizes are in pages, since they may not fit in bytes.
  const unit = word === 8 ? 1 : 4096;
  const load = Math.round(Math.min(kernel.scheduler.load, 100) * 65536);
  const values = [Math.floor(kernel.now() / 1e9), load, load, load, total / unit, free / unit, 0, 0, 0, 0];
  const tail = at + 10 * word;
  memory.guest.write(at, new Uint8Array(word === 8 ? 112 : 64));
  for (const [i, value] of values.entries()) writeWord(task, at + i * word, Math.floor(value));
  memory.guest.writeU16(tail, Math.min(kernel.tasks.size, 0xffff));
  writeWord(task, tail + word, 0);
  writeWord(task, tail + 2 * word, 0);
  memory.guest.writeU32(tail + 3 * word, unit);
});

export const getrandom = syscall({ x86_64: 318, i386: 355 }, [address, size, uint], (task, at, length, flags) => {
  if ((flags & ~7) !== 0 || (flags & 6) === 6) throw EINVAL;
  const count = Math.min(length, 0x1ff_ffff);
  task.process.kernel.random(task.process.memory.guest.bytes(at, count, Access.write));
  return count;
});

const limitCount = 16;
const infinity64 = 0xffff_ffff_ffff_ffffn;

type Pair = [soft: number, hard: number];

function limitOf(process: Process, resource: number): Pair {
  if (resource >= limitCount) throw EINVAL;
  return process.limits[resource]!;
}

function changeLimit(task: Task, process: Process, resource: number, [soft, hard]: Pair): void {
  if (soft > hard) throw EINVAL;
  const old = limitOf(process, resource);
  if (hard > old[1] && task.process.credentials.euid !== 0) throw EPERM;
  // Even the guest's user 0 stays within the contract.
  if (resource === Limit.files && hard > process.contract.limits.files) throw EPERM;
  process.limits[resource] = [soft, hard];
  if (resource === Limit.cpu) watchCpuTime(process);
}

const fromBig = (value: bigint): number => (value === infinity64 ? Infinity : Number(value));
const toBig = (value: number): bigint => (value === Infinity ? infinity64 : BigInt(value));

export const prlimit64 = syscall(
  { x86_64: 302, i386: 340 },
  [int, uint, address, address],
  (task, pid, resource, newAt, oldAt) => {
    const target = pid === 0 ? task.process : task.process.kernel.tasks.get(pid)?.process;
    if (!target) throw ESRCH;
    const { euid } = task.process.credentials;
    if (target !== task.process && euid !== 0 && euid !== target.credentials.uid) throw EPERM;
    const { guest } = task.process.memory;
    const [soft, hard] = limitOf(target, resource);
    if (newAt !== 0)
      changeLimit(task, target, resource, [fromBig(guest.readBig64(newAt)), fromBig(guest.readBig64(newAt + 8))]);
    if (oldAt === 0) return;
    guest.writeBig64(oldAt, toBig(soft));
    guest.writeBig64(oldAt + 8, toBig(hard));
  },
);

/** A limit of the calls that have it as unsigned long. */
function readLimit(task: Task, at: number): number {
  if (widthOf(task) === 64) return fromBig(task.process.memory.guest.readBig64(at));
  const value = readWord(task, at);
  return value === 0xffff_ffff ? Infinity : value;
}
function writeLimit(task: Task, at: number, value: number, most = 0xffff_ffff): void {
  const { guest } = task.process.memory;
  if (widthOf(task) === 64) guest.writeBig64(at, toBig(value));
  else guest.writeU32(at, Math.min(value, most));
}
function getLimit(task: Task, resource: number, at: number, most?: number): void {
  const [soft, hard] = limitOf(task.process, resource);
  writeLimit(task, at, soft, most);
  writeLimit(task, at + widthOf(task) / 8, hard, most);
}
export const getrlimit = syscall({ x86_64: 97, i386: 191 }, [uint, address], (task, resource, at) =>
  getLimit(task, resource, at),
);
/** The i386 call from when limits were signed. */
export const old_getrlimit = syscall({ i386: 76 }, [uint, address], (task, resource, at) =>
  getLimit(task, resource, at, 0x7fff_ffff),
);
export const setrlimit = syscall({ x86_64: 160, i386: 75 }, [uint, address], (task, resource, at) =>
  changeLimit(task, task.process, resource, [readLimit(task, at), readLimit(task, at + widthOf(task) / 8)]),
);

export const getrusage = syscall({ x86_64: 98, i386: 77 }, [int, address], (task, who, at) => {
  if (who === 0) writeUsage(task, at, task.process, "self");
  else if (who === -1) writeUsage(task, at, task.process, "children");
  else if (who === 1) writeUsage(task, at, task.process, { task });
  else throw EINVAL;
});

const Prctl = {
  setParentDeathSignal: 1,
  getParentDeathSignal: 2,
  getDumpable: 3,
  setDumpable: 4,
  getKeepCaps: 7,
  setKeepCaps: 8,
  getTiming: 13,
  setTiming: 14,
  setName: 15,
  getName: 16,
  getSeccomp: 21,
  setSeccomp: 22,
  capBoundRead: 23,
  capBoundDrop: 24,
  getTsc: 25,
  setTsc: 26,
  getSecureBits: 27,
  setSecureBits: 28,
  setTimerSlack: 29,
  getTimerSlack: 30,
  setMm: 35,
  setSubreaper: 36,
  getSubreaper: 37,
  setNoNewPrivileges: 38,
  getNoNewPrivileges: 39,
  getTidAddress: 40,
  setTransparentHugePages: 41,
  getTransparentHugePages: 42,
  capAmbient: 47,
  getSpeculation: 52,
  setVma: 0x53564d41,
} as const;
const highestCapability = 40;
const commandSize = 16;

export const prctl = syscall(
  { x86_64: 157, i386: 172 },
  [int, size, size, size, size],
  (task, option, a, b, c): Result => {
    const { process } = task;
    const { flags, memory } = process;
    const { guest } = memory;
    const state = linuxProcess(process);
    switch (option) {
      case Prctl.setParentDeathSignal:
        if (a > signalCount) throw EINVAL;
        flags.parentDeathSignal = a;
        return 0;
      case Prctl.getParentDeathSignal:
        return void guest.writeU32(a, flags.parentDeathSignal);
      case Prctl.getDumpable:
        return flags.dumpable;
      case Prctl.setDumpable:
        if (a > 1) throw EINVAL;
        flags.dumpable = a;
        return 0;
      case Prctl.getKeepCaps:
        return state.keepCapabilities ? 1 : 0;
      case Prctl.setKeepCaps:
        if (a > 1) throw EINVAL;
        state.keepCapabilities = a === 1;
        return 0;
      case Prctl.setName: {
        let length = 0;
        while (length < commandSize - 1 && guest.readU8(a + length) !== 0) length++;
        task.name = decodeName(guest.bytes(a, length, Access.read).slice());
        if (task.tid === process.pid) process.name = task.name;
        return 0;
      }
      case Prctl.getName: {
        const bytes = new Uint8Array(commandSize);
        bytes.set(encodeUtf8(task.name).subarray(0, commandSize - 1));
        return void guest.write(a, bytes);
      }
      case Prctl.capBoundRead:
      case Prctl.capBoundDrop:
        if (a > highestCapability) throw EINVAL;
        if (option === Prctl.capBoundRead) return 1;
        if (process.credentials.euid !== 0) throw EPERM;
        return 0;
      case Prctl.capAmbient:
        return 0;
      case Prctl.getTsc:
        return void guest.writeU32(a, 1);
      case Prctl.setTimerSlack:
        state.timerSlack = a === 0 ? 50_000 : a;
        return 0;
      case Prctl.getTimerSlack:
        return state.timerSlack;
      case Prctl.setSubreaper:
        flags.subreaper = a !== 0;
        return 0;
      case Prctl.getSubreaper:
        return void guest.writeU32(a, flags.subreaper ? 1 : 0);
      case Prctl.setNoNewPrivileges:
        if (a !== 1 || b !== 0 || c !== 0) throw EINVAL;
        flags.noNewPrivileges = true;
        return 0;
      case Prctl.getNoNewPrivileges:
        return flags.noNewPrivileges ? 1 : 0;
      case Prctl.getTidAddress:
        return writeWord(task, a, task.clearChildTid);
      case Prctl.setVma:
        return nameMapping(task, a, b, c);
      case Prctl.getSeccomp:
      case Prctl.getSecureBits:
      case Prctl.getTiming:
      case Prctl.getTransparentHugePages:
      case Prctl.setTransparentHugePages:
        return 0;
      case Prctl.setSeccomp:
      case Prctl.setSecureBits:
      case Prctl.setMm:
      case Prctl.setTsc:
      case Prctl.setTiming:
      default:
        process.kernel.logOnce(`prctl option ${option} is not supported`);
        throw EINVAL;
    }
  },
);

/** PR_SET_VMA_ANON_NAME: names of malloc arenas and the like. */
function nameMapping(task: Task, kind: number, start: number, length: number): number {
  if (kind !== 0) throw EINVAL;
  // The name is the fifth argument, which only shows in /proc/self/maps; the range has to be right all the same.
  if (start % 4096 !== 0 || !task.process.memory.covers(start, start + length)) throw EINVAL;
  return 0;
}

const queryPersona = 0xffff_ffff;

export const personality = syscall({ x86_64: 135, i386: 136 }, [uint], (task, persona) => {
  const state = linuxProcess(task.process);
  const old = state.persona;
  if (persona !== queryPersona) state.persona = persona;
  return old;
});

/** kcmp(2): 0 the same, 1 or 2 by some order. */
export const kcmp = syscall({ x86_64: 312, i386: 349 }, [int, int, int, size, size], (task, one, other, type, a, b) => {
  const { kernel } = task.process;
  const [first, second] = [kernel.tasks.get(one)?.process, kernel.tasks.get(other)?.process];
  if (!first || !second) throw ESRCH;
  const same = (x: unknown, y: unknown) => (x === y ? 0 : one < other ? 1 : 2);
  switch (type) {
    case 0: {
      const [x, y] = [first.files.get(a), second.files.get(b)];
      if (!x || !y) throw EINVAL;
      return x === y ? 0 : a < b ? 1 : 2;
    }
    case 1:
      return same(first.memory, second.memory);
    case 2:
      return same(first.files, second.files);
    case 3:
      return same(first.fs, second.fs);
    case 4:
      return same(first.actions, second.actions);
    default:
      throw EINVAL;
  }
});

/** The kernel's log is the host's business: it is empty. */
export const syslog = syscall({ x86_64: 103, i386: 103 }, [int, address, int], (task, type) => {
  if (type < 0 || type > 10) throw EINVAL;
  if (task.process.credentials.euid !== 0 && type !== 3 && type !== 10) throw EPERM;
  return 0;
});

/** New name spaces need a kernel below; unsharing what is not shared is nothing. */
export const unshare = syscall({ x86_64: 272, i386: 310 }, [uint], (task, flags) => {
  const { process } = task;
  const [filesFlag, fsFlag, sysvsem] = [0x400, 0x200, 0x40000];
  if ((flags & ~(filesFlag | fsFlag | sysvsem)) !== 0) throw EPERM;
  if (flags & filesFlag && process.files.shared) {
    const own = process.files.clone();
    process.files.release(process);
    process.files = own;
  }
  if (flags & fsFlag) process.fs = { ...process.fs };
});
export const setns = syscall({ x86_64: 308, i386: 346 }, [int, int], () => {
  throw EPERM;
});

/** vm.overcommit aside, what only a system's administrator does to the real machine is refused. */
function refuse(): never {
  throw EPERM;
}
export const reboot = syscall({ x86_64: 169, i386: 88 }, [int, int, uint, address], refuse);
export const iopl = syscall({ x86_64: 172, i386: 110 }, [int], refuse);
export const ioperm = syscall({ x86_64: 173, i386: 101 }, [size, size, int], refuse);
export const acct = syscall({ x86_64: 163, i386: 51 }, [address], refuse);
export const swapon = syscall({ x86_64: 167, i386: 87 }, [address, int], refuse);
export const swapoff = syscall({ x86_64: 168, i386: 115 }, [address], refuse);
export const vhangup = syscall({ x86_64: 153, i386: 111 }, [], refuse);
export const init_module = syscall({ x86_64: 175, i386: 128 }, [address, size, address], refuse);
export const finit_module = syscall({ x86_64: 313, i386: 350 }, [int, address, int], refuse);
export const delete_module = syscall({ x86_64: 176, i386: 129 }, [address, uint], refuse);
export const kexec_load = syscall({ x86_64: 246, i386: 283 }, [size, size, address, size], refuse);
export const perf_event_open = unsupported({ x86_64: 298, i386: 336 }, "there are no performance counters");
