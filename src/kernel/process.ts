// A process: tasks that share an address space, descriptors and identity.

import type { AddressSpace } from "./addressspace.ts";
import type { Contract } from "./contract.ts";
import type { FileTable } from "./filetable.ts";
import type { Kernel } from "./kernel.ts";
import type { Personality } from "./personality.ts";
import type { PendingSignals, SignalActions } from "./signal.ts";
import type { Task } from "./task.ts";
import type { Path } from "./vfs/vnode.ts";
import { WaitQueue } from "./wait.ts";

/** User and group identity (credentials(7)). */
export interface Credentials {
  uid: number;
  euid: number;
  suid: number;
  fsuid: number;
  gid: number;
  egid: number;
  sgid: number;
  fsgid: number;
  groups: number[];
}

/** Root, working directory and umask: shared by clone(CLONE_FS). */
export interface FileSystemContext {
  root: Path;
  cwd: Path;
  umask: number;
}

/** Everything a process is made of; made by the kernel (boot, fork), changed by execve. */
export interface ProcessParts {
  kernel: Kernel;
  pid: number;
  parent: Process | undefined;
  personality: Personality;
  memory: AddressSpace;
  files: FileTable;
  fs: FileSystemContext;
  credentials: Credentials;
  actions: SignalActions;
  pending: PendingSignals;
  contract: Contract;
}

export class Process {
  readonly kernel: Kernel;
  readonly pid: number;
  parent: Process | undefined;
  readonly children = new Set<Process>();
  readonly tasks = new Set<Task>();
  personality: Personality;
  memory: AddressSpace;
  files: FileTable;
  fs: FileSystemContext;
  credentials: Credentials;
  actions: SignalActions;
  /** Signals sent to the process as a whole. */
  pending: PendingSignals;
  contract: Contract;
  /** Process group and session leader's pid. */
  group: number;
  session: number;
  name = "";
  executable: Path | undefined;
  arguments: Uint8Array[] = [];
  environment: Uint8Array[] = [];
  /** Soft and hard limits by RLIMIT_ number; Infinity is RLIM_INFINITY (getrlimit(2)). */
  limits: [soft: number, hard: number][];
  /** Wait status (wait(2)) once it has ended, while it is a zombie. */
  exitStatus: number | undefined;
  /** Told when a child stops, continues or ends. */
  readonly childChanged = new WaitQueue();
  /** Told when this process ends, for pidfds and the machine. */
  readonly ended = new WaitQueue();
  /** Nanoseconds since boot. */
  startTime = 0;
  /** Data a personality keeps for the process. */
  personal: unknown;

  constructor(parts: ProcessParts) {
    this.kernel = parts.kernel;
    this.pid = parts.pid;
    this.parent = parts.parent;
    this.personality = parts.personality;
    this.memory = parts.memory;
    this.files = parts.files;
    this.fs = parts.fs;
    this.credentials = parts.credentials;
    this.actions = parts.actions;
    this.pending = parts.pending;
    this.contract = parts.contract;
    this.group = parts.parent?.group ?? parts.pid;
    this.session = parts.parent?.session ?? parts.pid;
    this.limits = parts.parent?.limits.map(([soft, hard]) => [soft, hard]) ?? [];
  }
}
