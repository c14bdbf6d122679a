// How a task blocks: a system call handler that cannot finish returns a Wait, and never spins or sleeps.

/** Something a Wait can be told by: a pipe has data, a child ended, a futex was woken. */
export class WaitQueue {
  private readonly waiters = new Set<() => void>();

  /** Calls `wake` on every event until the returned function is called. */
  subscribe(wake: () => void): () => void {
    this.waiters.add(wake);
    return () => this.waiters.delete(wake);
  }

  /** Tells every waiter. A waiter may unsubscribe or subscribe while being told. */
  wake(): void {
    if (this.waiters.size !== 0) for (const wake of Array.from(this.waiters)) wake();
  }

  get empty(): boolean {
    return this.waiters.size === 0;
  }
}

/** What a blocked system call waits for. `T` is its result. */
export interface Wait<T = number> {
  /** Tried again after each wake-up of a queue; undefined means still blocked. May throw an Errno. */
  attempt(): T | undefined;
  readonly queues: readonly WaitQueue[];
  /** Kernel monotonic time in nanoseconds (number) at which `expired` gives the result. */
  readonly deadline?: number;
  expired?(): T;
  /**
   * What a signal with a handler does. "restart": begin the call again when SA_RESTART is set, else EINTR (read, wait4,
   * futex ...). "interrupt": always EINTR (poll, select, nanosleep, pause, sigsuspend: signal(7)).
   */
  readonly onSignal: "restart" | "interrupt";
  /** Work done before a signal came: the call's result in place of EINTR or a restart (a write of which part is out). */
  interrupted?(): T | undefined;
  /** Only SIGKILL ends it: vfork's parent. */
  readonly uninterruptible?: boolean;
  /** Called once when the wait ends for whatever reason, before its result is delivered. */
  finished?(): void;
}

/** True if a handler's result is a Wait. */
export function isWait<T>(result: T | Wait<T>): result is Wait<T> {
  return typeof result === "object" && result !== null && "attempt" in result;
}
