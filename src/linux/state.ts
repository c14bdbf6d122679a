// What the Linux personality keeps for a task and a process beside the kernel's own.

import type { Process } from "../kernel/process.ts";
import type { Task } from "../kernel/task.ts";

/** Which system call table and frames a program uses. */
export type Mode = "x86_64" | "i386";

/** First thread-local descriptor of the global descriptor table that set_thread_area(2) gives out (i386, on x86-64). */
export const firstTlsEntry = 12;
export const tlsEntries = 3;

export class LinuxTask {
  mode: Mode;
  /** Number and table of the call that is being made, for restarts. */
  call = 0;
  callMode: Mode;
  /** Bases and limits of the descriptors of set_thread_area(2). */
  readonly descriptors: (TlsDescriptor | undefined)[] = [undefined, undefined, undefined];
  /** What the entry of a traced call looked like. */
  traced = "";

  constructor(mode: Mode) {
    this.mode = mode;
    this.callMode = mode;
  }

  clone(): LinuxTask {
    const copy = new LinuxTask(this.mode);
    copy.call = this.call;
    copy.callMode = this.callMode;
    for (let i = 0; i < tlsEntries; i++) copy.descriptors[i] = this.descriptors[i];
    return copy;
  }
}

/** struct user_desc (set_thread_area(2)). */
export interface TlsDescriptor {
  readonly base: number;
  readonly limit: number;
  readonly flags: number;
}

export function linuxTask(task: Task): LinuxTask {
  return task.personal as LinuxTask;
}

/** A timer of timer_create(2) or setitimer(2) has its place here, and what else belongs to a process. */
export class LinuxProcess {
  /** Addresses of the signal return code for i386 handlers without a restorer; 0 on x86-64. */
  signalReturn = { plain: 0, realtime: 0 };
  /** personality(2). */
  persona = 0;
  /** setitimer(2): ITIMER_REAL, VIRTUAL, PROF. */
  readonly intervals: (IntervalTimer | undefined)[] = [undefined, undefined, undefined];
  /** timer_create(2). */
  readonly timers = new Map<number, PosixTimer>();
  nextTimer = 0;
  /** When RLIMIT_CPU next says something, nanoseconds of CPU time. */
  cpuWarning = 0;
  /** PR_SET_SECUREBITS, PR_SET_TIMERSLACK and such as told. */
  timerSlack = 50_000;
  keepCapabilities = false;

  clone(): LinuxProcess {
    const copy = new LinuxProcess();
    copy.signalReturn = { ...this.signalReturn };
    copy.persona = this.persona;
    copy.timerSlack = this.timerSlack;
    return copy;
  }
}

/** An armed timer of setitimer(2); nanoseconds on its clock. */
export interface IntervalTimer {
  expires: number;
  interval: number;
  cancel: (() => void) | undefined;
}

/** A timer of timer_create(2). */
export interface PosixTimer {
  readonly id: number;
  readonly clock: number;
  readonly notify: number;
  readonly signo: number;
  readonly value: bigint;
  readonly thread: number;
  expires: number;
  interval: number;
  overrun: number;
  cancel: (() => void) | undefined;
}

export function linuxProcess(process: Process): LinuxProcess {
  return (process.personal ??= new LinuxProcess()) as LinuxProcess;
}
