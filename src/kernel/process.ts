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
  /** The process at the top of the tree: when it ends, so does the rest (pid_namespaces(7) says this of init). */
  readonly root: Process;
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
  /** Signal that stopped the process, 0 while it is not stopped. */
  stopSignal = 0;
  /** What waitid may still report of a stop or continuation. */
  news: "stopped" | "continued" | undefined;
  /** Sent to the parent when this process ends; 0 for none (clone(2)). */
  exitSignal = 17;
  /** Told of every signal that arrives, blocked or not: sigtimedwait, signalfd. */
  readonly signalArrived = new WaitQueue();
  /** Told when a vforked child has called execve or ended. */
  readonly released = new WaitQueue();
  /** Whether it still runs in its parent's memory, which waits. */
  borrowing = false;
  /** PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_SET_DUMPABLE, PR_SET_PDEATHSIG. */
  readonly flags = { subreaper: false, noNewPrivileges: false, dumpable: 1, parentDeathSignal: 0 };
  /** execve was called since it was made: setpgid(2) then refuses. */
  executed = false;
  /** Usage of reaped children and of ended tasks, nanoseconds and counts. */
  readonly usage = {
    userTime: 0,
    systemTime: 0,
    childUserTime: 0,
    childSystemTime: 0,
    voluntarySwitches: 0,
    involuntarySwitches: 0,
    peakMemory: 0,
    childPeakMemory: 0,
  };
  /** Told when a child stops, continues or ends. */
  readonly childChanged = new WaitQueue();
  /** Told when this process ends, for pidfds and the machine. */
  readonly ended = new WaitQueue();
  /** Nanoseconds since boot. */
  startTime: number;
  /** Looks at timers and limits of processor time after one of its tasks has run; set while there are any. */
  cpuTimeUsed: (() => void) | undefined;
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
    this.root = parts.parent?.root ?? this;
    this.group = parts.parent?.group ?? parts.pid;
    this.session = parts.parent?.session ?? parts.pid;
    this.startTime = parts.kernel.now();
    this.limits = parts.parent?.limits.map(([soft, hard]) => [soft, hard]) ?? [];
  }

  /** The first task, or any that is left when that one has ended before the others. */
  get mainTask(): Task | undefined {
    for (const task of this.tasks) if (task.tid === this.pid) return task;
    const [first] = this.tasks;
    return first;
  }

  /** CPU time of all its tasks, living and ended, nanoseconds. */
  cpuTime(): { user: number; system: number } {
    let { userTime: user, systemTime: system } = this.usage;
    for (const task of this.tasks) {
      user += task.userTime;
      system += task.systemTime;
    }
    return { user, system };
  }
}
