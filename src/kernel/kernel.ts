// The kernel: the tables of processes and tasks, the clock, the scheduler, and how the first process of a tree is made.

import { messageOf } from "../base/errors.ts";
import type { Host } from "../host/host.ts";
import { AddressSpace } from "./addressspace.ts";
import { type Clock, hostClock, seededRandom, virtualClock } from "./clock.ts";
import { Contract, type Limits } from "./contract.ts";
import { EAGAIN } from "./errno.ts";
import type { ExecutorFactory } from "./executor.ts";
import type { FileTable } from "./filetable.ts";
import { Futexes } from "./futex.ts";
import { killContract } from "./life.ts";
import type { Personality, ProcessObserver, ProgramHandler } from "./personality.ts";
import { type Credentials, type FileSystemContext, Process } from "./process.ts";
import { Scheduler } from "./scheduler.ts";
import { SharedObjects } from "./shared.ts";
import { MemoryPool } from "./pool.ts";
import { PendingSignals, SIGKILL, SignalActions } from "./signal.ts";
import { Task } from "./task.ts";
import { Timers } from "./timers.ts";
import { Trace } from "./trace.ts";

export interface KernelOptions {
  readonly host: Host;
  readonly executors: ExecutorFactory;
  /** Program types, in order of asking. */
  readonly handlers: readonly ProgramHandler[];
  /** Seeds the guest's randomness and makes time virtual: the same run every time. */
  readonly seed?: number;
  /** The kernel's words to the user: limits reached, calls that are not supported. */
  readonly log?: (message: string) => void;
}

/** What the first process of a tree starts with. Its image comes by `execute` (program.ts). */
export interface RootProcess {
  readonly personality: Personality;
  readonly fs: FileSystemContext;
  readonly files: FileTable;
  readonly credentials: Credentials;
  readonly limits?: Partial<Limits>;
}

/** Ids are given out below this, as pid_max says by default. */
const pidLimit = 32768;

/** A guest may not fill the user's screen with what it lacks. */
const mostWords = 100;

/** Numbers of resource limits (getrlimit(2)). */
export const Limit = {
  cpu: 0,
  fileSize: 1,
  data: 2,
  stack: 3,
  core: 4,
  residentSet: 5,
  processes: 6,
  files: 7,
  lockedMemory: 8,
  addressSpace: 9,
  locks: 10,
  pendingSignals: 11,
  messageQueue: 12,
  nice: 13,
  realtimePriority: 14,
  realtimeTime: 15,
} as const;

export class Kernel {
  readonly host: Host;
  readonly executors: ExecutorFactory;
  readonly handlers: ProgramHandler[];
  readonly clock: Clock;
  readonly timers = new Timers();
  readonly scheduler: Scheduler;
  readonly trace = new Trace();
  readonly futexes = new Futexes();
  readonly sharedObjects = new SharedObjects();
  readonly memories = new MemoryPool();
  readonly processes = new Map<number, Process>();
  readonly tasks = new Map<number, Task>();
  /** Told when a process ends, before its files are closed: terminals, personalities. */
  readonly observers: ProcessObserver[] = [];
  /** sethostname(2), setdomainname(2). */
  readonly names = { host: "cerebro", domain: "(none)" };
  /** Processes made since boot, for /proc/stat. */
  forks = 0;
  /** Fills with random bytes: the host's, or the seed's. */
  readonly random: (into: Uint8Array) => void;
  private readonly say: (message: string) => void;
  private readonly said = new Set<string>();
  private lastPid = 0;
  private failure: ((error: unknown) => void) | undefined;

  constructor(options: KernelOptions) {
    this.host = options.host;
    this.executors = options.executors;
    this.handlers = [...options.handlers];
    this.say = options.log ?? (() => {});
    const { seed } = options;
    this.clock = seed === undefined ? hostClock(options.host.clock) : virtualClock(1_700_000_000_000_000_000n);
    this.random = seed === undefined ? (into) => options.host.random(into) : seededRandom(seed);
    this.scheduler = new Scheduler(this);
  }

  /** Nanoseconds since boot. */
  now(): number {
    return this.clock.now();
  }
  /** Nanoseconds since the epoch. */
  realtime(): bigint {
    return this.clock.realtime();
  }

  /** Says something to the user. */
  log(message: string): void {
    this.say(message);
  }
  /** Says something the first time only. */
  logOnce(message: string): void {
    if (this.said.has(message) || this.said.size > mostWords) return;
    this.said.add(message);
    this.say(this.said.size > mostWords ? "further messages of this kind are left out" : message);
  }

  /** An unused id. Throws EAGAIN. */
  allocatePid(): number {
    for (let tries = 0; tries < pidLimit; tries++) {
      this.lastPid = this.lastPid + 1 >= pidLimit ? 2 : this.lastPid + 1;
      const id = this.lastPid;
      if (!this.processes.has(id) && !this.tasks.has(id) && !this.isGroup(id)) return id;
    }
    throw EAGAIN;
  }

  private isGroup(id: number): boolean {
    for (const process of this.processes.values()) if (process.group === id || process.session === id) return true;
    return false;
  }

  /** The last id given out, for /proc/loadavg. */
  get newestPid(): number {
    return this.lastPid;
  }

  /** Makes the first process of a new tree, with one task that is not yet running. */
  createRoot(parts: RootProcess): Task {
    const contract = new Contract(parts.limits ?? {}, (message) => this.refused(message));
    const process = new Process({
      kernel: this,
      pid: this.allocatePid(),
      parent: undefined,
      personality: parts.personality,
      memory: new AddressSpace(contract, this.memories),
      files: parts.files,
      fs: parts.fs,
      credentials: parts.credentials,
      actions: new SignalActions(),
      pending: new PendingSignals(),
      contract,
    });
    process.limits = defaultLimits(contract);
    const { deadline } = contract.limits;
    if (deadline !== Infinity) this.timers.at(this.now() + deadline, () => killContract(this, contract, "deadline"));
    return this.addTask(
      process,
      new Task(process.pid, process, this.executors.context(process.memory.guest), new PendingSignals()),
    );
  }

  /** A contract has refused something. */
  private refused(text: string): void {
    this.log(text);
    if (!this.trace.wants("refusal")) return;
    const { current } = this.scheduler;
    this.trace.emit({
      topic: "refusal",
      time: this.now(),
      pid: current?.process.pid ?? 0,
      tid: current?.tid ?? 0,
      text,
    });
  }

  /** Registers a new process's or thread's task. */
  addTask(process: Process, task: Task): Task {
    process.contract.used.tasks++;
    process.tasks.add(task);
    task.startTime = this.now();
    this.tasks.set(task.tid, task);
    this.processes.set(process.pid, process);
    return task;
  }

  /** True if the process is to be killed, which even a stopped one heeds. */
  isKilled(process: Process): boolean {
    if (process.pending.has(SIGKILL)) return true;
    for (const task of process.tasks) if (task.pending.has(SIGKILL)) return true;
    return false;
  }

  /** Looks at limits of processor time after a task has run. */
  checkTime(process: Process): void {
    const { contract } = process;
    if (contract.used.cpuTime > contract.limits.cpuTime) killContract(this, contract, "cpuTime");
    process.cpuTimeUsed?.();
  }

  /** Resolves with the wait status (wait(2)) of a process when it has ended. Rejects when the kernel itself fails. */
  exited(process: Process): Promise<number> {
    return new Promise((resolve, reject) => {
      if (process.exitStatus !== undefined) return resolve(process.exitStatus);
      const before = this.failure;
      this.failure = (error) => {
        before?.(error);
        reject(error);
      };
      const end = process.ended.subscribe(() => {
        if (process.exitStatus === undefined) return;
        end();
        resolve(process.exitStatus);
      });
    });
  }

  /** A mistake of ours has thrown through the scheduler: nothing runs on. */
  crashed(error: unknown): void {
    this.log(`kernel: ${messageOf(error)}`);
    if (!this.failure) throw error;
    this.failure(error);
  }
}

function defaultLimits(contract: Contract): [number, number][] {
  const limits: [number, number][] = Array.from({ length: 16 }, () => [Infinity, Infinity]);
  const { files, tasks } = contract.limits;
  limits[Limit.stack] = [8 * 2 ** 20, Infinity];
  limits[Limit.core] = [0, Infinity];
  limits[Limit.processes] = [tasks, tasks];
  limits[Limit.files] = [Math.min(1024, files), files];
  limits[Limit.lockedMemory] = [8 * 2 ** 20, 8 * 2 ** 20];
  limits[Limit.pendingSignals] = [4096, 4096];
  limits[Limit.messageQueue] = [819200, 819200];
  limits[Limit.nice] = [0, 0];
  limits[Limit.realtimePriority] = [0, 0];
  return limits;
}
