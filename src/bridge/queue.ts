// The queue of requests to models: one at a time, in order, each from the event loop.

import type { Timers } from "../host/host.ts";

/** Work that may end later, and fail. */
export type Work<T> = () => T | Promise<T>;

/** Does work in the order it comes. Where a ring carries requests to another place, it stands here. */
export class RequestQueue {
  private readonly timers: Timers;
  private last: Promise<unknown> = Promise.resolve();
  private waiting = 0;

  constructor(timers: Timers) {
    this.timers = timers;
  }

  /** Requests that have not ended. */
  get length(): number {
    return this.waiting;
  }

  /** Puts work at the end; the promise is the work's. */
  submit<T>(work: Work<T>): Promise<T> {
    this.waiting++;
    const turn = () => new Promise<void>((resolve) => this.timers.soon(resolve));
    const result = this.last
      .then(turn)
      .then(work)
      .finally(() => this.waiting--);
    this.last = result.catch(() => undefined);
    return result;
  }
}
