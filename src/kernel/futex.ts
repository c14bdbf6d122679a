// Futexes: tasks that wait at an address until another wakes them (futex(2)).

import { ETIMEDOUT } from "./errno.ts";
import { type Wait, WaitQueue } from "./wait.ts";

/** A waiter at a word. */
export interface Waiter {
  key: number;
  readonly bits: number;
  readonly tid: number;
  woken: boolean;
  readonly queue: WaitQueue;
  /** Set while it waits for a priority-inheriting lock. */
  readonly lock: boolean;
}

/** FUTEX_BITSET_MATCH_ANY. */
export const anyBits = 0xffff_ffff;

export class Futexes {
  private readonly waiters = new Map<number, Waiter[]>();

  /** Adds a waiter at the end of the queue of its key (AddressSpace.futexKey). */
  add(key: number, tid: number, bits: number, lock = false): Waiter {
    const waiter = { key, bits, tid, woken: false, queue: new WaitQueue(), lock };
    this.put(waiter);
    return waiter;
  }

  private put(waiter: Waiter): void {
    const list = this.waiters.get(waiter.key);
    if (list) list.push(waiter);
    else this.waiters.set(waiter.key, [waiter]);
  }

  remove(waiter: Waiter): void {
    const list = this.waiters.get(waiter.key);
    const at = list?.indexOf(waiter) ?? -1;
    if (!list || at < 0) return;
    list.splice(at, 1);
    if (list.length === 0) this.waiters.delete(waiter.key);
  }

  /** Wakes up to `count` waiters whose bits match; returns how many. */
  wake(key: number, count: number, bits: number = anyBits): number {
    const list = this.waiters.get(key);
    if (!list) return 0;
    let woken = 0;
    for (const waiter of list.slice()) {
      if (woken >= count) break;
      if ((waiter.bits & bits) === 0 || waiter.lock) continue;
      this.wakeOne(waiter);
      woken++;
    }
    return woken;
  }

  wakeOne(waiter: Waiter): void {
    this.remove(waiter);
    waiter.woken = true;
    waiter.queue.wake();
  }

  /** Moves up to `count` waiters to another key; returns how many. */
  requeue(from: number, to: number, count: number): number {
    const list = this.waiters.get(from);
    if (!list || from === to) return Math.min(count, list?.length ?? 0);
    const moved = list.splice(0, count);
    if (list.length === 0) this.waiters.delete(from);
    for (const waiter of moved) {
      waiter.key = to;
      this.put(waiter);
    }
    return moved.length;
  }

  /** The first waiter for a priority-inheriting lock, and whether there are more. */
  firstForLock(key: number): { waiter: Waiter | undefined; more: boolean } {
    const locks = this.waiters.get(key)?.filter(({ lock }) => lock) ?? [];
    return { waiter: locks[0], more: locks.length > 1 };
  }

  /** The wait of a waiter. */
  wait(waiter: Waiter, deadline: number | undefined): Wait<number> {
    return {
      attempt: () => (waiter.woken ? 0 : undefined),
      queues: [waiter.queue],
      ...(deadline === undefined ? {} : { deadline }),
      expired: () => {
        throw ETIMEDOUT;
      },
      // With a timeout a handler always interrupts (signal(7)).
      onSignal: deadline === undefined ? "restart" : "interrupt",
      finished: () => this.remove(waiter),
    };
  }
}
