// The scheduler: runs ready tasks in fair slices, wakes waiting ones, sleeps when there is nothing to do.

import { assert } from "../base/errors.ts";
import type { AddressSpace } from "./addressspace.ts";
import type { Contract } from "./contract.ts";
import type { Kernel } from "./kernel.ts";
import type { Task } from "./task.ts";
import type { Wait } from "./wait.ts";

/** Nanoseconds. */
const millisecond = 1e6;
/** Units of fuel given at a time: short enough to look at the clock, long enough not to be seen. */
const fuel = 100_000;
/** A task runs so long while others are ready. */
const slice = 4 * millisecond;
/** The host's event loop gets a turn after so long. */
const turn = 10 * millisecond;
/** Most system calls between looks at the clock: fewer when they take long, up to this while as many take less than `brief`. */
const mostCalls = 64;
const brief = 0.1 * millisecond;
/** What virtual time says of a spent budget, and of a system call. */
const virtualBudget = 100_000;
const virtualCall = 500;

/** Weights of niceness -20 to 19: each step is about 1.25 times (sched(7)). */
const weights = Array.from({ length: 40 }, (_, i) => 1.25 ** -(i - 20));

/** A turn that was cut short: in virtual time it goes on where it was, so that the order of tasks does not change. */
interface CutTurn {
  readonly end: number;
  /** The task in the middle of its slice, and what its loop knew. */
  slice?: {
    readonly task: Task;
    readonly began: number;
    readonly now: number;
    readonly pause: number;
    readonly calls: number;
  };
}

export class Scheduler {
  /** The task whose guest code or system call is running, and since when (nanoseconds since boot). */
  current: Task | undefined;
  private since = 0;
  private yielded = false;
  private readonly kernel: Kernel;
  private readonly ready: Task[] = [];
  private space: AddressSpace | undefined;
  private leastVirtualTime = 0;
  private awake = false;
  private inTurn = false;
  private cut: CutTurn | undefined;
  /** Real time by which the host's event loop gets its turn when the machine's time is virtual. */
  private hostEnd = Infinity;
  private cancelSleep: (() => void) | undefined;
  /** When contracts with a share of the processor may run again. */
  private readonly throttled = new Map<Contract, number>();
  /** Tasks that were looked at since boot, for /proc/stat. */
  switches = 0;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
    kernel.timers.earlier = () => this.poke();
  }

  /** Makes a task run as soon as it is its turn. */
  enqueue(task: Task): void {
    assert(task.state !== "dead", `task ${task.tid} is dead`);
    task.state = "ready";
    // What has slept gets a little credit, not all the time it did not use.
    task.virtualTime = Math.max(task.virtualTime, this.leastVirtualTime - slice);
    this.ready.push(task);
    this.poke();
  }

  /** Takes a task out of the queue for good. */
  remove(task: Task): void {
    const at = this.ready.indexOf(task);
    if (at >= 0) this.ready.splice(at, 1);
    if (task.blocked) this.unblock(task);
    task.state = "dead";
  }

  /** sched_yield(2): the current task's slice ends with its system call, and every ready task goes first. */
  yieldNow(): void {
    this.yielded = true;
  }

  /** Nanoseconds that the current task has run in this slice. */
  get elapsed(): number {
    return this.current ? this.kernel.now() - this.since : 0;
  }

  /** How many tasks want to run. */
  get load(): number {
    return this.ready.length + (this.current ? 1 : 0);
  }

  /** Blocks the task until the wait has a result, which goes to its personality. */
  block(task: Task, wait: Wait<number>): void {
    const unsubscribe: (() => void)[] = [];
    const blocked = { wait, unsubscribe, expired: false };
    task.blocked = blocked;
    task.state = "waiting";
    task.voluntarySwitches++;
    const wake = () => {
      if (task.state === "waiting") this.enqueue(task);
    };
    for (const queue of wait.queues) unsubscribe.push(queue.subscribe(wake));
    if (wait.deadline !== undefined && wait.deadline !== Infinity) {
      unsubscribe.push(
        this.kernel.timers.at(wait.deadline, () => {
          blocked.expired = true;
          wake();
        }),
      );
    }
    // A signal that the call itself has caused (SIGTTIN of a background read) is looked at before anything else happens.
    if (task.signaled) this.enqueue(task);
  }

  /** Ends a task's wait without a result. */
  unblock(task: Task): void {
    const { blocked } = task;
    if (!blocked) return;
    task.blocked = undefined;
    for (const end of blocked.unsubscribe) end();
    blocked.wait.finished?.();
  }

  /** A signal came for a task: lets it be looked at. */
  interrupt(task: Task): void {
    if (task.state === "waiting") this.enqueue(task);
  }

  /** Tries a woken task's wait; false when it still waits. */
  private retry(task: Task): boolean {
    const { wait, expired } = task.blocked!;
    const { personality } = task.process;
    let result: number | undefined;
    try {
      result = wait.attempt();
      if (result === undefined && expired) result = wait.expired?.() ?? 0;
    } catch (error) {
      this.unblock(task);
      personality.fail(task, error);
      return true;
    }
    if (result === undefined) {
      if (task.signaled && (wait.uninterruptible !== true || this.kernel.isKilled(task.process))) return true;
      task.state = "waiting";
      return false;
    }
    this.unblock(task);
    personality.resume(task, result);
    return true;
  }

  /** Runs a task until it waits, ends, or has had its slice while others are ready. */
  private run(task: Task, end: number, from?: CutTurn["slice"]): void {
    const { kernel } = this;
    this.current = task;
    if (!from) this.switches++;
    task.state = "running";
    const began = (this.since = from?.began ?? kernel.now());
    let now = from?.now ?? began;
    let pause = from?.pause ?? 1;
    let calls = from?.calls ?? 1;
    for (;;) {
      if (task.process.stopSignal !== 0 && !kernel.isKilled(task.process)) {
        task.state = "stopped";
        break;
      }
      if (task.blocked !== undefined && !this.retry(task)) break;
      if (task.signaled) {
        task.process.personality.deliverSignals(task);
        if (task.state !== "running") break;
        if (task.blocked !== undefined) {
          task.state = "waiting";
          break;
        }
        continue;
      }
      this.enter(task);
      const kind = task.process.memory.executor!.run(task, fuel);
      if (kind !== 0) {
        kernel.clock.advance(virtualCall);
        task.process.personality.exit(task, kind);
        if (task.state !== "running") break;
        if (this.yielded) break;
        if (--calls > 0) continue;
      } else kernel.clock.advance(virtualBudget);
      const last = now;
      now = kernel.now();
      calls = pause = now - last < brief ? Math.min(pause * 2, mostCalls) : 1;
      if (now >= end || kernel.timers.next <= now || (this.ready.length > 0 && now - began >= slice)) {
        task.involuntarySwitches++;
        break;
      }
      if (this.isLate()) {
        this.cut = { end, slice: { task, began, now, pause, calls } };
        this.current = undefined;
        return;
      }
    }
    this.account(task, kernel.now() - began);
    this.current = undefined;
    if (this.yielded) {
      this.yielded = false;
      for (const other of this.ready) task.virtualTime = Math.max(task.virtualTime, other.virtualTime);
    }
    // The state may have been changed by what the task did, which the compiler's narrowing does not see.
    if ((task.state as string) === "running") {
      task.state = "ready";
      this.ready.push(task);
    }
  }

  /** Whether the host waits: only virtual time can stand still meanwhile. */
  private isLate(): boolean {
    return this.hostEnd !== Infinity && this.kernel.host.clock.monotonic() >= this.hostEnd;
  }

  private account(task: Task, elapsed: number): void {
    task.userTime += elapsed;
    task.virtualTime += elapsed / weights[task.nice + 20]!;
    const { contract } = task.process;
    contract.used.cpuTime += elapsed;
    const { cpuShare } = contract.limits;
    if (cpuShare < 1) this.throttled.set(contract, this.kernel.now() + elapsed * (1 / cpuShare - 1));
    this.kernel.checkTime(task.process);
  }

  /** Puts the task's registers and its address space's shared pages in place. */
  private enter(task: Task): void {
    const { memory } = task.process;
    if (memory !== this.space) {
      this.space?.publish();
      this.space = memory;
      memory.refresh();
    }
    if (memory.resident === task.context) return;
    memory.resident?.leave();
    task.context.enter();
    memory.resident = task.context;
  }

  /** Forgets an address space that is going away. */
  leaveSpace(space: AddressSpace): void {
    if (this.space === space) this.space = undefined;
  }

  /** The ready task that has had least; undefined when there is none, or only throttled ones. */
  private pick(): Task | undefined {
    const { ready } = this;
    let best = -1;
    for (let i = 0; i < ready.length; i++) {
      if (best >= 0 && ready[i]!.virtualTime >= ready[best]!.virtualTime) continue;
      if (this.throttled.size > 0 && this.isThrottled(ready[i]!.process.contract)) continue;
      best = i;
    }
    if (best < 0) return undefined;
    const task = ready[best]!;
    // Order is kept, so that equals take turns.
    ready.splice(best, 1);
    if (task.virtualTime > this.leastVirtualTime) this.leastVirtualTime = task.virtualTime;
    return task;
  }

  private isThrottled(contract: Contract): boolean {
    const until = this.throttled.get(contract);
    if (until === undefined) return false;
    if (until > this.kernel.now()) return true;
    this.throttled.delete(contract);
    return false;
  }

  /** Makes sure that a turn comes: called whenever there may be something to do. */
  poke(): void {
    if (this.inTurn || this.awake) return;
    this.awake = true;
    this.cancelSleep?.();
    this.cancelSleep = undefined;
    this.kernel.host.timers.soon(() => this.turn());
  }

  /** Runs tasks for a while, then arranges for the next turn. */
  private turn(): void {
    const { kernel } = this;
    this.awake = false;
    this.inTurn = true;
    try {
      const { cut } = this;
      this.cut = undefined;
      this.hostEnd = kernel.clock.virtual ? kernel.host.clock.monotonic() + turn : Infinity;
      const end = cut?.end ?? kernel.now() + turn;
      if (cut?.slice && cut.slice.task.state === "running") this.run(cut.slice.task, end, cut.slice);
      for (;;) {
        if (this.cut === undefined && this.isLate()) this.cut = { end };
        if (this.cut) break;
        if (kernel.now() >= end) break;
        kernel.timers.expire(kernel.now());
        const task = this.pick();
        if (!task) break;
        this.run(task, end);
      }
    } catch (error) {
      this.inTurn = false;
      kernel.crashed(error);
      return;
    }
    this.inTurn = false;
    if (this.cut) this.poke();
    else this.rest();
  }

  private rest(): void {
    const { kernel } = this;
    let next = kernel.timers.next;
    if (this.ready.length > 0) {
      if (this.throttled.size === 0) return this.poke();
      for (const task of this.ready) next = Math.min(next, this.throttled.get(task.process.contract) ?? 0);
    }
    const now = kernel.now();
    if (next <= now) return this.poke();
    if (next === Infinity) return;
    if (kernel.clock.skipTo(next)) return this.poke();
    this.cancelSleep = kernel.host.timers.after((next - now) / millisecond, () => this.poke());
  }
}
