// /dev: the nodes every program expects, and what null, zero, full and random do (null(4), full(4), random(4)).

import { MemoryFileSystem } from "../fs/memory.ts";
import { EINVAL, ENOSPC, ENXIO } from "../kernel/errno.ts";
import { OpenFile } from "../kernel/file.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Task } from "../kernel/task.ts";
import { controllingTerminals } from "../kernel/terminals.ts";
import { deviceNumber, devicesOf } from "../kernel/vfs/devices.ts";
import { type Attributes, type FileSystem, type Path, Type } from "../kernel/vfs/vnode.ts";
import { modelDevice, registerModelDevice } from "./model/index.ts";
import { Terminal } from "./terminal.ts";
import { TtyFile } from "./tty.ts";

/** What a simple device does with bytes. */
interface Behaviour {
  readonly name: string;
  read(into: Uint8Array): number;
  write(from: Uint8Array): number;
  ioctl?(task: Task, request: number, argument: number): number | undefined;
  readonly mappable?: boolean;
}

class SimpleDevice extends OpenFile {
  override readonly path: Path;
  private readonly behaviour: Behaviour;
  constructor(behaviour: Behaviour, flags: number, path: Path) {
    super(flags, path);
    this.behaviour = behaviour;
    this.path = path;
  }
  get description(): string {
    return `/dev/${this.behaviour.name}`;
  }
  attributes(): Attributes {
    return this.path.vnode.attributes();
  }
  override setAttributes(change: Partial<Attributes>): void {
    this.path.vnode.setAttributes(change);
  }
  override read(into: Uint8Array): number {
    return this.behaviour.read(into);
  }
  override write(from: Uint8Array): number {
    return this.behaviour.write(from);
  }
  override seek(): number {
    return 0;
  }
  override truncate(): void {
    throw EINVAL;
  }
  override ioctl(task: Task, request: number, argument: number): number {
    return this.behaviour.ioctl?.(task, request, argument) ?? super.ioctl(task, request, argument);
  }
  override mapRead(into: Uint8Array, offset: number): number {
    return this.behaviour.mappable ? this.behaviour.read(into) : super.mapRead(into, offset);
  }
}

const RNDGETENTCNT = 0x80045200;
/** The host's generator gives this much at a time (Web Crypto). */
const randomPart = 65536;

function behaviours(kernel: Kernel): [major: number, minor: number, behaviour: Behaviour][] {
  const swallow = (from: Uint8Array) => from.length;
  const zero = (into: Uint8Array) => {
    into.fill(0);
    return into.length;
  };
  const random = (into: Uint8Array) => {
    for (let at = 0; at < into.length; at += randomPart) kernel.random(into.subarray(at, at + randomPart));
    return into.length;
  };
  const entropy = (task: Task, request: number, argument: number) => {
    if (request !== RNDGETENTCNT) return undefined;
    task.process.memory.guest.writeU32(argument, 256);
    return 0;
  };
  const full = () => {
    throw ENOSPC;
  };
  return [
    [1, 3, { name: "null", read: () => 0, write: swallow }],
    [1, 5, { name: "zero", read: zero, write: swallow, mappable: true }],
    [1, 7, { name: "full", read: zero, write: full }],
    [1, 8, { name: "random", read: random, write: swallow, ioctl: entropy }],
    [1, 9, { name: "urandom", read: random, write: swallow, ioctl: entropy }],
  ];
}

const links: readonly (readonly [name: string, target: string])[] = [
  ["fd", "/proc/self/fd"],
  ["stdin", "/proc/self/fd/0"],
  ["stdout", "/proc/self/fd/1"],
  ["stderr", "/proc/self/fd/2"],
];

/** The file system for /dev. Its "pts" and "shm" are for mounting devpts and tmpfs on. */
export function deviceFileSystem(kernel: Kernel): FileSystem {
  const devices = devicesOf(kernel);
  const fileSystem = new MemoryFileSystem({ name: "devtmpfs", now: () => kernel.realtime(), capacity: 0 });
  const root = fileSystem.root();
  const node = (name: string, major: number, minor: number, mode: number, gid = 0) =>
    root.create(name, Type.character | mode, 0, gid, deviceNumber(major, minor));
  for (const [major, minor, behaviour] of behaviours(kernel)) {
    node(behaviour.name, major, minor, 0o666);
    devices.register("character", major, minor, (flags, path) => new SimpleDevice(behaviour, flags, path));
  }
  node(modelDevice.name, modelDevice.major, modelDevice.minor, modelDevice.mode);
  node("tty", 5, 0, 0o666, 5);
  node("console", 5, 1, 0o600);
  node("ptmx", 5, 2, 0o666, 5);
  devices.register("character", 5, 0, (flags, path, process) => {
    const terminal = controllingTerminals(kernel).get(process.session);
    if (!(terminal instanceof Terminal)) throw ENXIO;
    return new TtyFile(terminal, flags, path);
  });
  registerModelDevice(kernel);
  for (const [name, target] of links) root.symlink(name, target, 0, 0);
  root.makeDirectory("pts", Type.directory | 0o755, 0, 0);
  root.makeDirectory("shm", Type.directory | 0o1777, 0, 0);
  return fileSystem;
}
