// Pseudo-terminals: /dev/ptmx makes a pair, /dev/pts has the programs' sides (pts(4)).

import { anonymousDevice } from "../kernel/anonymous.ts";
import { attached } from "../kernel/attached.ts";
import { EAGAIN, EIO, ENOTTY, ENXIO } from "../kernel/errno.ts";
import { Open, OpenFile, Poll } from "../kernel/file.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Process } from "../kernel/process.ts";
import type { Task } from "../kernel/task.ts";
import { descriptorLimit } from "../kernel/filetable.ts";
import { deviceNumber, devicesOf, minorOf } from "../kernel/vfs/devices.ts";
import {
  type Attributes,
  type FileSystem,
  type FileSystemStatus,
  type ListedName,
  type Path,
  Type,
  Vnode,
} from "../kernel/vfs/vnode.ts";

import { WaitQueue } from "../kernel/wait.ts";
import { DirectoryFile } from "../kernel/vfs/directory.ts";
import { Terminal, type Screen } from "./terminal.ts";
import { openTerminal, terminalControl } from "./tty.ts";

const slaveMajor = 136;
const bufferLimit = 16384;
const Request = {
  packet: 0x5420,
  getNumber: 0x80045430,
  setLock: 0x40045431,
  getLock: 0x80045439,
  getPeer: 0x5441,
  available: 0x541b,
} as const;

/** One pair. */
class Pair implements Screen {
  readonly index: number;
  readonly terminal: Terminal;
  readonly changed = new WaitQueue();
  readonly created: bigint;
  locked = true;
  masters = 0;
  slaves = 0;
  /** A program has been there: when none is left the master reads EIO. */
  wasOpened = false;
  mode = 0o620;
  uid: number;
  gid = 5;
  private parts: Uint8Array[] = [];
  count = 0;

  constructor(kernel: Kernel, index: number, uid: number) {
    this.index = index;
    this.uid = uid;
    this.created = kernel.realtime();
    this.terminal = new Terminal(kernel, deviceNumber(slaveMajor, index), `/dev/pts/${index}`, this);
    this.terminal.size = { rows: 0, columns: 0, width: 0, height: 0 };
  }

  room(): number {
    return bufferLimit - this.count;
  }
  output(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.parts.push(bytes);
    this.count += bytes.length;
    this.changed.wake();
  }
  take(into: Uint8Array): number {
    let done = 0;
    while (done < into.length && this.parts.length > 0) {
      const [first] = this.parts;
      const part = first!.subarray(0, into.length - done);
      into.set(part, done);
      done += part.length;
      if (part.length === first!.length) this.parts.shift();
      else this.parts[0] = first!.subarray(part.length);
    }
    this.count -= done;
    this.terminal.changed.wake();
    return done;
  }
}

export class Ptys {
  readonly pairs = new Map<number, Pair>();
  readonly kernel: Kernel;
  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  openMaster(flags: number, path: Path, process: Process): MasterFile {
    let index = 0;
    while (this.pairs.has(index)) index++;
    const pair = new Pair(this.kernel, index, process.credentials.fsuid);
    this.pairs.set(index, pair);
    return new MasterFile(this, pair, flags, path);
  }

  openSlave(index: number, flags: number, path: Path, process: Process): OpenFile {
    const pair = this.pairs.get(index);
    if (!pair) throw ENXIO;
    if (pair.locked || pair.terminal.hungUp) throw EIO;
    const file = openTerminal(pair.terminal, flags, path, process, () => {
      if (--pair.slaves === 0) pair.changed.wake();
    });
    pair.slaves++;
    pair.wasOpened = true;
    return file;
  }
}

/** The pseudo-terminals of a kernel. */
export const ptysOf = attached((kernel) => new Ptys(kernel));

class MasterFile extends OpenFile {
  override readonly changed: WaitQueue;
  override readonly path: Path;
  private readonly ptys: Ptys;
  private readonly pair: Pair;
  private packet = false;

  constructor(ptys: Ptys, pair: Pair, flags: number, path: Path) {
    super(flags, path);
    this.ptys = ptys;
    this.pair = pair;
    this.path = path;
    this.changed = pair.changed;
    pair.masters++;
  }

  get description(): string {
    return "/dev/ptmx";
  }
  attributes(): Attributes {
    return this.path.vnode.attributes();
  }
  override get stream(): boolean {
    return true;
  }

  override read(into: Uint8Array): number {
    const { pair } = this;
    if (pair.count === 0) {
      if (pair.wasOpened && pair.slaves === 0) throw EIO;
      throw EAGAIN;
    }
    if (!this.packet) return pair.take(into);
    // TIOCPKT: every read begins with a control byte, 0 for data.
    if (into.length === 0) return 0;
    into[0] = 0;
    return 1 + pair.take(into.subarray(1));
  }

  override write(from: Uint8Array): number {
    this.pair.terminal.receive(from);
    return from.length;
  }

  override poll(): number {
    const { pair } = this;
    const gone = pair.wasOpened && pair.slaves === 0;
    return (pair.count > 0 ? Poll.in : 0) | Poll.out | (gone ? Poll.hup : 0);
  }

  override ioctl(task: Task, request: number, argument: number): number {
    const { guest } = task.process.memory;
    const { pair } = this;
    switch (request) {
      case Request.getNumber:
        guest.writeU32(argument, pair.index);
        return 0;
      case Request.setLock:
        pair.locked = guest.readU32(argument) !== 0;
        return 0;
      case Request.getLock:
        guest.writeU32(argument, pair.locked ? 1 : 0);
        return 0;
      case Request.packet:
        this.packet = guest.readU32(argument) !== 0;
        return 0;
      case Request.available:
        guest.writeU32(argument, pair.count);
        return 0;
      case Request.getPeer: {
        const { process } = task;
        const peer = slavePath(this.path, pair.index);
        if (!peer) throw EIO;
        const file = this.ptys.openSlave(pair.index, argument & ~Open.closeOnExec, peer, process);
        return process.files.add(file, (argument & Open.closeOnExec) !== 0, descriptorLimit(process));
      }
      default:
        if ((request >>> 8) % 0x100 !== 0x54) throw ENOTTY;
        return terminalControl(pair.terminal, task, request, argument, true);
    }
  }

  protected override closed(): void {
    const { pair } = this;
    pair.masters--;
    this.ptys.pairs.delete(pair.index);
    pair.terminal.hangUp();
  }
}

/** The programs' side beside a /dev/ptmx or /dev/pts/ptmx. */
function slavePath(master: Path, index: number): Path | undefined {
  const directory = master.parent;
  return directory?.child(String(index)) ?? directory?.child("pts")?.child(String(index));
}

/** devpts: a directory with a node for each pair. */
export class PtsFileSystem implements FileSystem {
  readonly name = "devpts";
  readonly device = anonymousDevice();
  readonly readOnly = false;
  readonly ptys: Ptys;
  private readonly top: Vnode = new PtsDirectory(this);

  constructor(kernel: Kernel) {
    this.ptys = ptysOf(kernel);
    devicesOf(kernel).register("character", slaveMajor, "all", (flags, path, process, number) =>
      this.ptys.openSlave(minorOf(number), flags, path, process),
    );
    devicesOf(kernel).register("character", 5, 2, (flags, path, process) => this.ptys.openMaster(flags, path, process));
  }
  root(): Vnode {
    return this.top;
  }
  status(): FileSystemStatus {
    return { type: 0x1cd1, blockSize: 4096, blocks: 0, blocksFree: 0, files: 0, filesFree: 0, nameMax: 255 };
  }
}

class PtsDirectory extends Vnode {
  readonly fileSystem: PtsFileSystem;
  private readonly nodes = new WeakMap<Pair, PtsNode>();
  private master: PtsNode | undefined;

  constructor(fileSystem: PtsFileSystem) {
    super();
    this.fileSystem = fileSystem;
  }
  override get stable(): boolean {
    return false;
  }
  override get type(): number {
    return Type.directory;
  }
  attributes(): Attributes {
    return attributesOf(this.fileSystem.device, 1, Type.directory | 0o755, 0, 0, 0, 0n);
  }
  open(flags: number, path: Path, process: Process): OpenFile {
    return new DirectoryFile(flags, path, process);
  }
  override lookup(name: string): Vnode | undefined {
    if (name === "ptmx") return (this.master ??= new PtsNode(this.fileSystem, undefined));
    const pair = /^(0|[1-9]\d*)$/.test(name) ? this.fileSystem.ptys.pairs.get(Number(name)) : undefined;
    if (!pair) return undefined;
    let node = this.nodes.get(pair);
    if (!node) this.nodes.set(pair, (node = new PtsNode(this.fileSystem, pair)));
    return node;
  }
  override *list(): Iterable<ListedName> {
    for (const index of this.fileSystem.ptys.pairs.keys())
      yield { name: String(index), inode: index + 3, type: Type.character };
    yield { name: "ptmx", inode: 2, type: Type.character };
  }
}

class PtsNode extends Vnode {
  readonly fileSystem: PtsFileSystem;
  private readonly pair: Pair | undefined;
  constructor(fileSystem: PtsFileSystem, pair: Pair | undefined) {
    super();
    this.fileSystem = fileSystem;
    this.pair = pair;
  }
  override get type(): number {
    return Type.character;
  }
  attributes(): Attributes {
    const { pair } = this;
    const { device } = this.fileSystem;
    if (!pair) return attributesOf(device, 2, Type.character | 0o666, 0, 0, deviceNumber(5, 2), 0n);
    const number = deviceNumber(slaveMajor, pair.index);
    return attributesOf(device, pair.index + 3, Type.character | pair.mode, pair.uid, pair.gid, number, pair.created);
  }
  open(): OpenFile {
    throw ENXIO;
  }
  override setAttributes({ mode, uid, gid }: Partial<Attributes>): void {
    if (!this.pair) return;
    if (mode !== undefined) this.pair.mode = mode & 0o7777;
    if (uid !== undefined) this.pair.uid = uid;
    if (gid !== undefined) this.pair.gid = gid;
  }
}

function attributesOf(
  device: number,
  inode: number,
  mode: number,
  uid: number,
  gid: number,
  rdev: number,
  time: bigint,
): Attributes {
  return {
    device,
    inode,
    mode,
    links: 1,
    uid,
    gid,
    rdev,
    size: 0,
    blockSize: 1024,
    blocks: 0,
    accessed: time,
    modified: time,
    changed: time,
  };
}
