// Timers of the kernel's clock: a binary heap of deadlines in nanoseconds since boot.

interface Timer {
  readonly deadline: number;
  readonly order: number;
  call: (() => void) | undefined;
}

const before = (one: Timer, other: Timer) =>
  one.deadline < other.deadline || (one.deadline === other.deadline && one.order < other.order);

export class Timers {
  private readonly heap: Timer[] = [];
  private order = 0;
  private cancelled = 0;
  /** Told when a timer becomes the first one, so that a sleeping kernel can sleep less. */
  earlier: (() => void) | undefined;

  /** Calls back once when the clock has reached `deadline`; returns a function that cancels. */
  at(deadline: number, call: () => void): () => void {
    const timer: Timer = { deadline, order: this.order++, call };
    this.heap.push(timer);
    this.rise(this.heap.length - 1);
    if (this.heap[0] === timer) this.earlier?.();
    return () => {
      if (timer.call === undefined) return;
      timer.call = undefined;
      if (++this.cancelled > 64 && this.cancelled * 2 > this.heap.length) this.compact();
    };
  }

  /** Deadline of the first timer; Infinity without any. */
  get next(): number {
    while (this.heap[0] && this.heap[0].call === undefined) {
      this.cancelled--;
      this.pop();
    }
    return this.heap[0]?.deadline ?? Infinity;
  }

  /** Calls everything due at `now`. */
  expire(now: number): void {
    while (this.next <= now) {
      const timer = this.pop();
      const { call } = timer;
      timer.call = undefined;
      call?.();
    }
  }

  private compact(): void {
    const live = this.heap.filter(({ call }) => call !== undefined);
    live.sort((one, other) => (before(one, other) ? -1 : 1));
    this.heap.splice(0, this.heap.length, ...live);
    this.cancelled = 0;
  }

  private rise(from: number): void {
    const { heap } = this;
    const timer = heap[from]!;
    let i = from;
    while (i > 0) {
      const up = (i - 1) >>> 1;
      if (!before(timer, heap[up]!)) break;
      heap[i] = heap[up]!;
      i = up;
    }
    heap[i] = timer;
  }

  private pop(): Timer {
    const { heap } = this;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let i = 0;
    for (;;) {
      let down = 2 * i + 1;
      if (down >= heap.length) break;
      if (down + 1 < heap.length && before(heap[down + 1]!, heap[down]!)) down++;
      if (!before(heap[down]!, last)) break;
      heap[i] = heap[down]!;
      i = down;
    }
    heap[i] = last;
    return first;
  }
}
