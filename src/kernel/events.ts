// Descriptors for events: counters (eventfd(2)), timers (timerfd_create(2)), signals (signalfd(2)).

import { anonymousAttributes, anonymousInode } from "./anonymous.ts";
import { EAGAIN, EINVAL } from "./errno.ts";
import { Open, OpenFile, Poll } from "./file.ts";
import type { Kernel } from "./kernel.ts";
import type { Process } from "./process.ts";
import type { PendingSignals, SignalInfo, SignalSet } from "./signal.ts";
import { refreshSignaled } from "./signals.ts";
import type { Attributes } from "./vfs/vnode.ts";
import type { WaitQueue } from "./wait.ts";

abstract class EventFile extends OpenFile {
  private readonly inode = anonymousInode();
  private readonly name: string;
  constructor(name: string, flags: number) {
    super(Open.readWrite | flags);
    this.name = name;
  }
  get description(): string {
    return `anon_inode:[${this.name}]`;
  }
  attributes(): Attributes {
    return anonymousAttributes(this.inode, 0o600, 14);
  }
}

const mostCount = 0xffff_ffff_ffff_fffen;

function writeCount(into: Uint8Array, count: bigint): number {
  if (into.length < 8) throw EINVAL;
  new DataView(into.buffer, into.byteOffset).setBigUint64(0, count, true);
  return 8;
}

export class CounterFile extends EventFile {
  private count: bigint;
  private readonly semaphore: boolean;

  constructor(initial: number, flags: number, options: { semaphore: boolean }) {
    super("eventfd", flags);
    this.count = BigInt(initial);
    this.semaphore = options.semaphore;
  }
  override read(into: Uint8Array): number {
    if (into.length < 8) throw EINVAL;
    if (this.count === 0n) throw EAGAIN;
    const taken = this.semaphore ? 1n : this.count;
    this.count -= taken;
    this.changed.wake();
    return writeCount(into, taken);
  }
  override write(from: Uint8Array): number {
    if (from.length < 8) throw EINVAL;
    const added = new DataView(from.buffer, from.byteOffset).getBigUint64(0, true);
    if (added > mostCount) throw EINVAL;
    if (this.count + added > mostCount) throw EAGAIN;
    this.count += added;
    this.changed.wake();
    return 8;
  }
  override poll(): number {
    return (this.count > 0n ? Poll.in : 0) | (this.count < mostCount ? Poll.out : 0);
  }
}

/** A setting of a timer, in nanoseconds: until the next expiry (0: disarmed), and between those after it. */
export interface TimerSetting {
  readonly value: number;
  readonly interval: number;
}

export class TimerFile extends EventFile {
  /** Clock number of the personality. */
  readonly clock: number;
  private readonly kernel: Kernel;
  private expirations = 0;
  /** On the kernel's clock; 0 when disarmed. */
  private next = 0;
  private interval = 0;
  private cancel: (() => void) | undefined;

  constructor(kernel: Kernel, clock: number, flags: number) {
    super("timerfd", flags);
    this.kernel = kernel;
    this.clock = clock;
  }

  get setting(): TimerSetting {
    this.catchUp();
    return { value: this.next === 0 ? 0 : Math.max(1, this.next - this.kernel.now()), interval: this.interval };
  }

  /** Arms for a time of the kernel's clock, or disarms when it is undefined. */
  set(next: number | undefined, interval: number): void {
    this.cancel?.();
    this.cancel = undefined;
    this.expirations = 0;
    this.interval = interval;
    this.next = next === undefined ? 0 : Math.max(1, next);
    this.arm();
  }

  private arm(): void {
    if (this.next === 0) return;
    this.cancel = this.kernel.timers.at(this.next, () => {
      this.cancel = undefined;
      this.catchUp();
      this.arm();
      this.changed.wake();
    });
  }

  /** Counts the expiries up to now. */
  private catchUp(): void {
    const now = this.kernel.now();
    if (this.next === 0 || now < this.next) return;
    if (this.interval === 0) {
      this.expirations++;
      this.next = 0;
      return;
    }
    const passed = Math.floor((now - this.next) / this.interval) + 1;
    this.expirations += passed;
    this.next += passed * this.interval;
  }

  override read(into: Uint8Array): number {
    if (into.length < 8) throw EINVAL;
    this.catchUp();
    if (this.expirations === 0) throw EAGAIN;
    const count = BigInt(this.expirations);
    this.expirations = 0;
    return writeCount(into, count);
  }
  override poll(): number {
    this.catchUp();
    return this.expirations > 0 ? Poll.in : 0;
  }
  protected override closed(): void {
    this.cancel?.();
  }
}

const signalRecord = 128;

export class SignalFile extends EventFile {
  mask: SignalSet;
  private readonly kernel: Kernel;
  override readonly changed: WaitQueue;

  /** Its readers get their own signals; readiness is told for those of the process that made it. */
  constructor(process: Process, mask: SignalSet, flags: number) {
    super("signalfd", flags);
    this.kernel = process.kernel;
    this.mask = mask;
    this.changed = process.signalArrived;
  }

  private queues(): PendingSignals[] {
    const task = this.kernel.scheduler.current;
    return task ? [task.pending, task.process.pending] : [];
  }

  private take(): SignalInfo | undefined {
    const held = Uint32Array.of(~this.mask[0]!, ~this.mask[1]!);
    for (const queue of this.queues()) {
      const signo = queue.next(held);
      if (signo !== 0) return queue.take(signo);
    }
    return undefined;
  }

  override read(into: Uint8Array): number {
    if (into.length < signalRecord) throw EINVAL;
    let at = 0;
    while (at + signalRecord <= into.length) {
      const info = this.take();
      if (!info) break;
      describe(info, into.subarray(at, at + signalRecord));
      at += signalRecord;
    }
    if (at === 0) throw EAGAIN;
    const task = this.kernel.scheduler.current;
    if (task) refreshSignaled(task);
    return at;
  }

  override poll(): number {
    const held = Uint32Array.of(~this.mask[0]!, ~this.mask[1]!);
    return this.queues().some((queue) => queue.next(held) !== 0) ? Poll.in : 0;
  }
}

/** struct signalfd_siginfo. */
function describe(info: SignalInfo, into: Uint8Array): void {
  into.fill(0);
  const view = new DataView(into.buffer, into.byteOffset, signalRecord);
  view.setUint32(0, info.signo, true);
  view.setInt32(8, info.code, true);
  view.setUint32(12, info.pid ?? 0, true);
  view.setUint32(16, info.uid ?? 0, true);
  view.setInt32(20, info.fd ?? 0, true);
  view.setUint32(24, info.timer ?? 0, true);
  view.setUint32(28, info.band ?? 0, true);
  view.setUint32(32, info.overrun ?? 0, true);
  view.setInt32(40, info.status ?? 0, true);
  const value = info.value ?? 0n;
  view.setInt32(44, Number(BigInt.asIntN(32, value)), true);
  view.setBigUint64(48, BigInt.asUintN(64, value), true);
  view.setBigUint64(72, BigInt(info.address ?? 0), true);
}
