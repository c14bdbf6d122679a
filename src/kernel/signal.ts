// Signals as data: numbers, sets, pending queues and actions (signal(7), sigaction(2)).

import { EAGAIN } from "./errno.ts";

const names =
  "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS".split(
    " ",
  );

export const SIGHUP = 1;
export const SIGINT = 2;
export const SIGQUIT = 3;
export const SIGILL = 4;
export const SIGTRAP = 5;
export const SIGABRT = 6;
export const SIGBUS = 7;
export const SIGFPE = 8;
export const SIGKILL = 9;
export const SIGUSR1 = 10;
export const SIGSEGV = 11;
export const SIGUSR2 = 12;
export const SIGPIPE = 13;
export const SIGALRM = 14;
export const SIGTERM = 15;
export const SIGCHLD = 17;
export const SIGCONT = 18;
export const SIGSTOP = 19;
export const SIGTSTP = 20;
export const SIGTTIN = 21;
export const SIGTTOU = 22;
export const SIGURG = 23;
export const SIGXCPU = 24;
export const SIGXFSZ = 25;
export const SIGVTALRM = 26;
export const SIGPROF = 27;
export const SIGWINCH = 28;
export const SIGIO = 29;
export const SIGSYS = 31;
/** First real-time signal, and the number of signals. */
export const SIGRTMIN = 32;
export const signalCount = 64;

/** "SIGSEGV", "SIGRT_3". */
export function signalName(signo: number): string {
  if (signo >= SIGRTMIN) return `SIGRT_${signo - SIGRTMIN}`;
  return signo >= 1 ? `SIG${names[signo - 1]}` : String(signo);
}

/** si_code values (sigaction(2)). */
export const Code = {
  user: 0,
  kernel: 0x80,
  queue: -1,
  timer: -2,
  mesgq: -3,
  asyncIo: -4,
  sigio: -5,
  tkill: -6,
  segvMapError: 1,
  segvAccessError: 2,
  fpeIntegerDivide: 1,
  fpeIntegerOverflow: 2,
  fpeDivide: 3,
  fpeOverflow: 4,
  fpeUnderflow: 5,
  fpeInexact: 6,
  fpeInvalid: 7,
  illegalOperand: 2,
  busAlign: 1,
  busAddress: 2,
  trapBreakpoint: 1,
  trapTrace: 2,
  childExited: 1,
  childKilled: 2,
  childDumped: 3,
  childStopped: 5,
  childContinued: 6,
} as const;

/** What a siginfo_t says; the fields that matter depend on the signal and code. */
export interface SignalInfo {
  readonly signo: number;
  readonly code: number;
  readonly pid?: number;
  readonly uid?: number;
  readonly status?: number;
  /** Fault address. */
  readonly address?: number;
  /** sigval of sigqueue(3) and timers, all 64 bits. */
  readonly value?: bigint;
  readonly timer?: number;
  readonly overrun?: number;
  /** SIGIO: poll bits and descriptor. */
  readonly band?: number;
  readonly fd?: number;
  /** Processor exception and error code of a fault, for the frame's sigcontext. */
  readonly trap?: number;
  readonly error?: number;
}

/** A set of signals: bit n-1 of 64 is signal n, as [signals 1-32, signals 33-64]. */
export type SignalSet = Uint32Array;

export function emptySet(): SignalSet {
  return new Uint32Array(2);
}
export function setOf(...signals: number[]): SignalSet {
  const set = emptySet();
  for (const signo of signals) addSignal(set, signo);
  return set;
}
export function hasSignal(set: SignalSet, signo: number): boolean {
  return ((set[(signo - 1) >>> 5]! >>> ((signo - 1) & 31)) & 1) !== 0;
}
export function addSignal(set: SignalSet, signo: number): void {
  set[(signo - 1) >>> 5]! |= 1 << ((signo - 1) & 31);
}
export function removeSignal(set: SignalSet, signo: number): void {
  set[(signo - 1) >>> 5]! &= ~(1 << ((signo - 1) & 31));
}

const synchronous = setOf(SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGSYS);
export const jobStops = setOf(SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU);
const ignoredByDefault = setOf(SIGCHLD, SIGURG, SIGWINCH, SIGCONT);
const dumping = setOf(SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGXCPU, SIGXFSZ, SIGSYS);

/** What a signal does when nobody handles it (signal(7)). SIGCONT's continuing happens when it is sent. */
export function defaultAction(signo: number): "ignore" | "stop" | "dump" | "terminate" {
  if (hasSignal(ignoredByDefault, signo)) return "ignore";
  if (hasSignal(jobStops, signo)) return "stop";
  return hasSignal(dumping, signo) ? "dump" : "terminate";
}

/** Signals sent and not yet delivered: a standard one is kept once, real-time ones queue in order. */
export class PendingSignals {
  readonly set: SignalSet = emptySet();
  private readonly queue: SignalInfo[] = [];

  /** Keeps a signal. Throws EAGAIN when more than `limit` are queued (RLIMIT_SIGPENDING). */
  add(info: SignalInfo, limit = 4096): void {
    if (info.signo < SIGRTMIN && hasSignal(this.set, info.signo)) return;
    if (this.queue.length >= limit && info.signo >= SIGRTMIN && info.code !== Code.user) throw EAGAIN;
    addSignal(this.set, info.signo);
    this.queue.push(info);
  }

  has(signo: number): boolean {
    return hasSignal(this.set, signo);
  }

  /** Lowest signal that `blocked` does not hold back, faults first; 0 when there is none. */
  next(blocked: SignalSet): number {
    const low = this.set[0]! & ~blocked[0]!;
    const high = this.set[1]! & ~blocked[1]!;
    const first = low & synchronous[0]! || low;
    if (first !== 0) return 32 - Math.clz32(first & -first);
    return high === 0 ? 0 : 64 - Math.clz32(high & -high);
  }

  /** Takes the oldest entry of a pending signal. */
  take(signo: number): SignalInfo | undefined {
    const at = this.queue.findIndex((info) => info.signo === signo);
    if (at < 0) return undefined;
    const [info] = this.queue.splice(at, 1);
    if (!this.queue.some((other) => other.signo === signo)) removeSignal(this.set, signo);
    return info;
  }

  /** Forgets every entry of the given signals. */
  discard(signals: SignalSet): void {
    if ((this.set[0]! & signals[0]!) === 0 && (this.set[1]! & signals[1]!) === 0) return;
    for (let at = this.queue.length - 1; at >= 0; at--)
      if (hasSignal(signals, this.queue[at]!.signo)) this.queue.splice(at, 1);
    this.set[0]! &= ~signals[0]!;
    this.set[1]! &= ~signals[1]!;
  }
}

/** sa_flags (sigaction(2)). */
export const ActionFlag = {
  noChildStop: 1,
  noChildWait: 2,
  signalInfo: 4,
  onStack: 0x0800_0000,
  restart: 0x1000_0000,
  noDefer: 0x4000_0000,
  resetHandler: 0x8000_0000,
  restorer: 0x0400_0000,
} as const;

/** One signal's action. `handler`: 0 default, 1 ignore, else the guest's function. */
export interface SignalAction {
  handler: number;
  flags: number;
  restorer: number;
  mask: SignalSet;
}

/** The actions of a process; one object shared by clone(CLONE_SIGHAND). */
export class SignalActions {
  private readonly rows: SignalAction[] = Array.from({ length: signalCount + 1 }, () => ({
    handler: 0,
    flags: 0,
    restorer: 0,
    mask: emptySet(),
  }));

  get(signo: number): SignalAction {
    return this.rows[signo]!;
  }
  set(signo: number, action: SignalAction): void {
    this.rows[signo] = action;
  }
  /** A copy for a forked process. */
  clone(): SignalActions {
    const copy = new SignalActions();
    for (let signo = 1; signo <= signalCount; signo++) {
      const { handler, flags, restorer, mask } = this.rows[signo]!;
      copy.rows[signo] = { handler, flags, restorer, mask: mask.slice() };
    }
    return copy;
  }
  /** What execve leaves: handlers go back to default, ignored signals stay ignored. */
  reset(): void {
    for (let signo = 1; signo <= signalCount; signo++)
      this.rows[signo] = { handler: this.rows[signo]!.handler === 1 ? 1 : 0, flags: 0, restorer: 0, mask: emptySet() };
  }
  /** True if sending the signal has no effect at all. */
  ignores(signo: number): boolean {
    const { handler } = this.rows[signo]!;
    return handler === 1 || (handler === 0 && defaultAction(signo) === "ignore");
  }
}

/** sigaltstack(2); flags SS_ONSTACK 1, SS_DISABLE 2, SS_AUTODISARM 1 << 31. */
export interface SignalStack {
  base: number;
  size: number;
  flags: number;
}
