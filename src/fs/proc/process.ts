// /proc/PID: what there is to know of a process and its tasks (proc_pid(5)).

import { EACCES, EINVAL, EIO, ENOENT, ESRCH } from "../../kernel/errno.ts";
import { Open, OpenFile } from "../../kernel/file.ts";
import { PipeFile } from "../../kernel/pipe.ts";
import type { Process } from "../../kernel/process.ts";
import type { Task } from "../../kernel/task.ts";
import { controllingTerminals } from "../../kernel/terminals.ts";
import { majorOf, minorOf } from "../../kernel/vfs/devices.ts";
import { isRemoved, Path, pathName } from "../../kernel/vfs/path.ts";
import { type Attributes, Type, Vnode } from "../../kernel/vfs/vnode.ts";
import { PageFault } from "../../memory/guest.ts";
import { Access, pageSize } from "../../memory/layout.ts";
import { Directory, type Identity, LinkNode, table, textNode } from "./nodes.ts";
import { mountInfo, mountTable } from "./mounts.ts";

const ticksPerSecond = 100;
const ticks = (nanoseconds: number) => Math.floor((nanoseconds / 1e9) * ticksPerSecond);
const unlimited = "18446744073709551615";

/** Name of a path for a reader, with the mark of removed files. */
function shown(path: Path, reader: Process | undefined): string {
  const root = reader?.fs.root;
  let top = path;
  while (top.parent) top = top.parent;
  const name = (root && pathName(path, root)) ?? pathName(path, top) ?? "/";
  return isRemoved(path) ? `${name} (deleted)` : name;
}

function isReadable(process: Process, reader: Process): boolean {
  const { credentials } = reader;
  return process === reader || credentials.euid === 0 || credentials.euid === process.credentials.euid;
}

/** Bytes of a process's memory; as many as are mapped. */
function memoryBytes(process: Process, start: number, end: number): Uint8Array {
  if (start === 0 || end <= start || process.exitStatus !== undefined) return new Uint8Array(0);
  try {
    return process.memory.guest.bytes(start, Math.min(end - start, 1 << 20), Access.read).slice();
  } catch (error) {
    if (error instanceof PageFault) return new Uint8Array(0);
    throw error;
  }
}

/** The letter of a task's state. */
function stateOf(process: Process, task: Task | undefined): string {
  if (process.exitStatus !== undefined || !task) return "Z";
  if (process.stopSignal !== 0) return "T";
  return task.state === "waiting" ? "S" : "R";
}
const stateNames: Record<string, string> = { R: "running", S: "sleeping", T: "stopped", Z: "zombie" };

/** Directory of the process with this id, or undefined. */
export function processDirectory(identity: Identity, process: Process): Directory {
  const { euid: uid, egid: gid } = process.credentials;
  const mine: Identity = { ...identity, uid, gid };
  return table(mine, {
    ...common(process, () => process.mainTask),
    task: (at) => taskDirectory(at, process),
    oom_score: textNode(() => "0\n"),
    oom_adj: textNode(() => "0\n", { accept: () => {} }),
    oom_score_adj: textNode(() => "0\n", { accept: () => {} }),
    loginuid: textNode(() => "4294967295", { accept: () => {} }),
    sessionid: textNode(() => "4294967295"),
    coredump_filter: textNode(() => "00000033\n", { accept: () => {} }),
    autogroup: textNode(() => "/autogroup-1 nice 0\n"),
    setgroups: textNode(() => "allow\n"),
    uid_map: textNode(() => "         0          0 4294967295\n"),
    gid_map: textNode(() => "         0          0 4294967295\n"),
    mounts: textNode((reader) => mountTable(process, reader)),
    mountinfo: textNode((reader) => mountInfo(process, reader)),
    net: (at) => new LinkNode(at, () => "../net"),
  });
}

/** What processes and tasks have alike. */
function common(process: Process, task: () => Task | undefined): Record<string, (identity: Identity) => Vnode> {
  const { memory } = process;
  const { image } = memory;
  const cmdline = () => {
    const bytes = memoryBytes(process, image.argStart, image.argEnd);
    return bytes.length > 0 || process.exitStatus !== undefined ? bytes : joined(process.arguments);
  };
  const environ = (reader: Process) => {
    if (!isReadable(process, reader)) throw EACCES;
    const bytes = memoryBytes(process, image.envStart, image.envEnd);
    return bytes.length > 0 ? bytes : joined(process.environment);
  };
  const place = (find: () => Path | undefined) => (at: Identity) =>
    new LinkNode(
      at,
      (reader) => {
        const path = find();
        if (!path) throw ENOENT;
        if (reader && !isReadable(process, reader)) throw EACCES;
        return shown(path, reader);
      },
      (reader) => {
        if (!isReadable(process, reader)) throw EACCES;
        const path = find();
        if (!path) throw ENOENT;
        return path;
      },
    );
  return {
    cmdline: textNode(cmdline),
    comm: textNode(() => `${task()?.name ?? process.name}\n`, {
      accept: (_, text) => {
        const one = task();
        if (!one) throw ESRCH;
        one.name = text.replace(/\n.*$/s, "").slice(0, 15);
        if (one.tid === process.pid) process.name = one.name;
      },
    }),
    environ: textNode(environ, { mode: 0o400 }),
    auxv: textNode(() => memory.auxiliary, { mode: 0o400 }),
    exe: place(() => process.executable),
    cwd: place(() => process.fs.cwd),
    root: place(() => process.fs.root),
    fd: (at) => descriptorDirectory(at, process),
    fdinfo: (at) => descriptorInfo(at, process),
    maps: textNode((reader) => maps(process, reader)),
    smaps: textNode((reader) => maps(process, reader, true)),
    mem: (at) => new MemoryNode(at, process),
    stat: textNode(() => stat(process, task())),
    statm: textNode(() => statm(process)),
    status: textNode(() => status(process, task())),
    limits: textNode(() => limits(process)),
    cgroup: textNode(() => "0::/\n"),
    wchan: textNode(() => "0"),
    personality: textNode(() => "00000000\n", { mode: 0o400 }),
    schedstat: textNode(() => `${Math.floor(process.cpuTime().user)} 0 0\n`),
    io: textNode(
      () => "rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n",
      {
        mode: 0o400,
      },
    ),
  };
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length + 1, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length + 1;
  }
  return bytes;
}

function taskDirectory(identity: Identity, process: Process): Directory {
  const byId = (name: string) => {
    for (const task of process.tasks) if (String(task.tid) === name) return task;
    return undefined;
  };
  return new Directory(identity, {
    find: (name) => {
      const task = byId(name);
      return (
        task &&
        table(
          { ...identity, at: `${identity.at}/${name}` },
          common(process, () => byId(name)),
        )
      );
    },
    *names() {
      for (const task of process.tasks) yield [String(task.tid), Type.directory];
    },
  });
}

// Descriptors.

function descriptorOf(process: Process, name: string): OpenFile | undefined {
  return /^(0|[1-9]\d*)$/.test(name) ? process.files.get(Number(name)) : undefined;
}

function descriptorDirectory(identity: Identity, process: Process): Directory {
  const contents = {
    find(name: string): Vnode | undefined {
      const file = descriptorOf(process, name);
      if (!file) return undefined;
      const at = { ...identity, at: `${identity.at}/${name}` };
      const mode = (file.readable ? 0o500 : 0) | (file.writable ? 0o300 : 0);
      return new LinkNode(
        at,
        (reader) => (file.path ? shown(file.path, reader) : file.description),
        () => file.path ?? new Path(new OpenFileNode(at, file), undefined, file.description, procMount(process)),
        mode,
      );
    },
    *names(): Iterable<readonly [string, number]> {
      for (const [fd] of process.files.descriptors()) yield [String(fd), Type.link];
    },
  };
  return new Directory(identity, contents, 0o500);
}

const procMount = (process: Process) => process.fs.root.mount;

/** A file without a path, reached through /proc/self/fd: opening it opens the same thing again. */
class OpenFileNode extends Vnode {
  readonly fileSystem;
  private readonly file: OpenFile;
  constructor(identity: Identity, file: OpenFile) {
    super();
    this.fileSystem = identity.fileSystem;
    this.file = file;
  }
  attributes(): Attributes {
    return this.file.attributes();
  }
  open(): OpenFile {
    return this.file.retain();
  }
  override reopen(flags: number): OpenFile {
    return this.file instanceof PipeFile ? new PipeFile(this.file.pipe, flags) : this.file.retain();
  }
  override setAttributes(change: Partial<Attributes>): void {
    this.file.setAttributes(change);
  }
}

function descriptorInfo(identity: Identity, process: Process): Directory {
  return new Directory(
    identity,
    {
      find(name) {
        const file = descriptorOf(process, name);
        if (!file) return undefined;
        const flags = file.flags | (process.files.closesOnExec(Number(name)) ? Open.closeOnExec : 0);
        const mount = file.path?.mount.id ?? 0;
        const text = `pos:\t${file.position}\nflags:\t0${flags.toString(8)}\nmnt_id:\t${mount}\nino:\t${file.attributes().inode}\n`;
        return textNode(() => text)({ ...identity, at: `${identity.at}/${name}` });
      },
      *names() {
        for (const [fd] of process.files.descriptors()) yield [String(fd), Type.regular];
      },
    },
    0o500,
  );
}

// Memory.

function maps(process: Process, reader: Process, detailed = false): string {
  if (!isReadable(process, reader)) throw EACCES;
  if (process.exitStatus !== undefined) return "";
  const hex = (value: number, digits: number) => value.toString(16).padStart(digits, "0");
  let text = "";
  for (const mapping of process.memory.mappings) {
    const { start, end, access, shared, file, name } = mapping;
    const letters = `${access & Access.read ? "r" : "-"}${access & Access.write ? "w" : "-"}${access & Access.execute ? "x" : "-"}${shared ? "s" : "p"}`;
    const attributes = file?.attributes();
    const device = attributes?.device ?? 0;
    const offset = file ? mapping.offset : 0;
    const line = `${hex(start, 8)}-${hex(end, 8)} ${letters} ${hex(offset, 8)} ${hex(majorOf(device), 2)}:${hex(minorOf(device), 2)} ${attributes?.inode ?? 0} `;
    const label = file?.path ? shown(file.path, reader) : (file?.description ?? name);
    text += label === "" ? `${line}\n` : `${line.padEnd(73)}${label}\n`;
    if (!detailed) continue;
    const size = (end - start) / 1024;
    text += `Size: ${size} kB\nKernelPageSize: 4 kB\nMMUPageSize: 4 kB\nRss: ${size} kB\nPss: ${size} kB\n`;
    text += `Shared_Clean: 0 kB\nShared_Dirty: 0 kB\nPrivate_Clean: 0 kB\nPrivate_Dirty: ${size} kB\nSwap: 0 kB\n`;
  }
  return text;
}

/** The memory of a process as a file. */
class MemoryNode extends Vnode {
  readonly fileSystem;
  private readonly identity: Identity;
  readonly process: Process;
  constructor(identity: Identity, process: Process) {
    super();
    this.identity = identity;
    this.fileSystem = identity.fileSystem;
    this.process = process;
  }
  attributes(): Attributes {
    const text = textNode(() => "", { mode: 0o600 })(this.identity);
    return text.attributes();
  }
  open(flags: number, path: Path, reader: Process): OpenFile {
    if (!isReadable(this.process, reader)) throw EACCES;
    return new MemoryFile(this, flags, path);
  }
  override truncate(): void {}
}

class MemoryFile extends OpenFile {
  private readonly node: MemoryNode;
  override readonly path: Path;
  constructor(node: MemoryNode, flags: number, path: Path) {
    super(flags, path);
    this.node = node;
    this.path = path;
  }
  get description(): string {
    return `/proc/${this.node.process.pid}/mem`;
  }
  attributes(): Attributes {
    return this.node.attributes();
  }
  private transfer(bytes: Uint8Array, position: number | undefined, write: boolean): number {
    const { guest } = this.node.process.memory;
    const start = position ?? this.position;
    let done = 0;
    try {
      while (done < bytes.length) {
        const at = start + done;
        const length = Math.min(bytes.length - done, pageSize - (at % pageSize));
        const page = guest.bytes(at, length, write ? Access.write : Access.read);
        const part = bytes.subarray(done, done + length);
        if (write) page.set(part);
        else part.set(page);
        done += length;
      }
    } catch (error) {
      if (!(error instanceof PageFault)) throw error;
      if (done === 0) throw EIO;
    }
    if (position === undefined) this.position = start + done;
    return done;
  }
  override read(into: Uint8Array, position?: number): number {
    return this.transfer(into, position, false);
  }
  override write(from: Uint8Array, position?: number): number {
    return this.transfer(from, position, true);
  }
  override seek(offset: number, whence: number): number {
    const to = whence === 0 ? offset : whence === 1 ? this.position + offset : -1;
    if (to < 0) throw EINVAL;
    return (this.position = to);
  }
}

// Figures.

function stat(process: Process, task: Task | undefined): string {
  const { kernel, memory, usage } = process;
  const { user, system } = process.cpuTime();
  const terminal = controllingTerminals(kernel).get(process.session);
  const { image } = memory;
  const residentLimit = process.limits[5]?.[0] ?? Infinity;
  const nice = task?.nice ?? 0;
  const fields = [
    process.pid,
    `(${task?.name || process.name})`,
    stateOf(process, task),
    process.parent?.pid ?? 0,
    process.group,
    process.session,
    terminal?.device ?? 0,
    terminal?.foreground || -1,
    4194304,
    0,
    0,
    0,
    0,
    ticks(user),
    ticks(system),
    ticks(usage.childUserTime),
    ticks(usage.childSystemTime),
    20 + nice,
    nice,
    process.tasks.size,
    0,
    ticks(process.startTime),
    memory.mapped,
    memory.resident4k,
    residentLimit === Infinity ? unlimited : residentLimit,
    image.codeStart,
    image.codeEnd,
    image.stack,
    0,
    0,
    0,
    task?.signalMask[0] ?? 0,
    0,
    0,
    0,
    0,
    0,
    process.exitSignal,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    memory.brkStart,
    image.argStart,
    image.argEnd,
    image.envStart,
    image.envEnd,
    process.exitStatus ?? 0,
  ];
  fields[0] = task && task.tid !== process.pid ? task.tid : process.pid;
  return `${fields.join(" ")}\n`;
}

function statm(process: Process): string {
  const { memory } = process;
  const pages = Math.floor(memory.mapped / pageSize);
  return `${pages} ${memory.resident4k} 0 ${Math.ceil((memory.image.codeEnd - memory.image.codeStart) / pageSize)} 0 ${memory.resident4k} 0\n`;
}

function signalSet(low: number, high: number): string {
  return (high >>> 0).toString(16).padStart(8, "0") + (low >>> 0).toString(16).padStart(8, "0");
}

function status(process: Process, task: Task | undefined): string {
  const { credentials, memory, pending, actions } = process;
  const state = stateOf(process, task);
  const kilobytes = (bytes: number) => `${String(Math.floor(bytes / 1024)).padStart(8)} kB`;
  const caught = new Uint32Array(2);
  const ignored = new Uint32Array(2);
  for (let signo = 1; signo <= 64; signo++) {
    const { handler } = actions.get(signo);
    if (handler !== 0) (handler === 1 ? ignored : caught)[(signo - 1) >>> 5]! |= 1 << ((signo - 1) & 31);
  }
  const capabilities = credentials.euid === 0 ? "000001ffffffffff" : "0000000000000000";
  const own = task?.pending.set ?? pending.set;
  const rows: [string, string | number][] = [
    ["Name", task?.name || process.name],
    ["Umask", `0${process.fs.umask.toString(8).padStart(3, "0")}`],
    ["State", `${state} (${stateNames[state]})`],
    ["Tgid", process.pid],
    ["Ngid", 0],
    ["Pid", task?.tid ?? process.pid],
    ["PPid", process.parent?.pid ?? 0],
    ["TracerPid", 0],
    ["Uid", `${credentials.uid}\t${credentials.euid}\t${credentials.suid}\t${credentials.fsuid}`],
    ["Gid", `${credentials.gid}\t${credentials.egid}\t${credentials.sgid}\t${credentials.fsgid}`],
    ["FDSize", Math.max(64, process.files.end)],
    ["Groups", `${credentials.groups.join(" ")} `],
    ["VmPeak", kilobytes(memory.mapped)],
    ["VmSize", kilobytes(memory.mapped)],
    ["VmLck", kilobytes(0)],
    ["VmPin", kilobytes(0)],
    ["VmHWM", kilobytes(memory.peak4k * pageSize)],
    ["VmRSS", kilobytes(memory.resident4k * pageSize)],
    ["VmSwap", kilobytes(0)],
    ["Threads", process.tasks.size],
    ["SigQ", "0/4096"],
    ["SigPnd", signalSet(own[0]!, own[1]!)],
    ["ShdPnd", signalSet(pending.set[0]!, pending.set[1]!)],
    ["SigBlk", signalSet(task?.signalMask[0] ?? 0, task?.signalMask[1] ?? 0)],
    ["SigIgn", signalSet(ignored[0]!, ignored[1]!)],
    ["SigCgt", signalSet(caught[0]!, caught[1]!)],
    ["CapInh", "0000000000000000"],
    ["CapPrm", capabilities],
    ["CapEff", capabilities],
    ["CapBnd", "000001ffffffffff"],
    ["CapAmb", "0000000000000000"],
    ["NoNewPrivs", process.flags.noNewPrivileges ? 1 : 0],
    ["Seccomp", 0],
    ["Cpus_allowed", "1"],
    ["Cpus_allowed_list", "0"],
    ["voluntary_ctxt_switches", task?.voluntarySwitches ?? 0],
    ["nonvoluntary_ctxt_switches", task?.involuntarySwitches ?? 0],
  ];
  return rows.map(([key, value]) => `${key}:\t${value}\n`).join("");
}

const limitRows = [
  ["Max cpu time", "seconds"],
  ["Max file size", "bytes"],
  ["Max data size", "bytes"],
  ["Max stack size", "bytes"],
  ["Max core file size", "bytes"],
  ["Max resident set", "bytes"],
  ["Max processes", "processes"],
  ["Max open files", "files"],
  ["Max locked memory", "bytes"],
  ["Max address space", "bytes"],
  ["Max file locks", "locks"],
  ["Max pending signals", "signals"],
  ["Max msgqueue size", "bytes"],
  ["Max nice priority", ""],
  ["Max realtime priority", ""],
  ["Max realtime timeout", "us"],
] as const;

function limits(process: Process): string {
  const show = (value: number | undefined) => (value === undefined || value === Infinity ? "unlimited" : String(value));
  const row = (name: string, soft: string, hard: string, unit: string) =>
    `${name.padEnd(26)}${soft.padEnd(21)}${hard.padEnd(21)}${unit.padEnd(10)}\n`;
  let text = row("Limit", "Soft Limit", "Hard Limit", "Units");
  limitRows.forEach(([name, unit], i) => {
    text += row(name, show(process.limits[i]?.[0]), show(process.limits[i]?.[1]), unit);
  });
  return text;
}
