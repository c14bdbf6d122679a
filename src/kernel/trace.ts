// What the kernel tells of itself: events by topic, for --trace, the API and tests. Nothing is made when nobody listens.

export type Topic = "syscall" | "signal" | "fault" | "exec" | "process" | "grant" | "refusal";

export interface TraceEvent {
  readonly topic: Topic;
  /** Nanoseconds since boot. */
  readonly time: number;
  readonly pid: number;
  readonly tid: number;
  /** The event in one line: 'openat(AT_FDCWD, "/etc/passwd", 0x0) = 3'. */
  readonly text: string;
}

export class Trace {
  /** Checked on the path of every system call. */
  syscalls = false;
  private readonly topics = new Set<Topic>();
  private readonly listeners = new Set<(event: TraceEvent) => void>();

  /** Listens to the given topics; returns a function that ends it. Topics stay on for other listeners. */
  listen(topics: Iterable<Topic>, listener: (event: TraceEvent) => void): () => void {
    const wanted = new Set(topics);
    const filter = (event: TraceEvent) => {
      if (wanted.has(event.topic)) listener(event);
    };
    for (const topic of wanted) this.topics.add(topic);
    this.syscalls = this.topics.has("syscall");
    this.listeners.add(filter);
    return () => this.listeners.delete(filter);
  }

  /** True if someone listens, so that making the text is worth it. */
  wants(topic: Topic): boolean {
    return this.topics.has(topic) && this.listeners.size > 0;
  }

  emit(event: TraceEvent): void {
    for (const listener of this.listeners) listener(event);
  }
}
