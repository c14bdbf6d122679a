// A host that exists only in memory, for tests: a scripted console, no files, no network, a clock that can be steered and
// bytes that are the same each time.

import type { Clock, Console, Host, Timers } from "../../host/host.ts";

export interface MemoryHostOptions {
  /** What the console's input holds; it ends after this. */
  readonly input?: Uint8Array;
  readonly terminal?: boolean;
  readonly size?: { rows: number; columns: number };
  /** Seed of `random`. */
  readonly seed?: number;
}

type Event = Parameters<Parameters<Console["events"]>[0]>[0];

/** The console of a MemoryHost: collects what is written, feeds what is typed. */
export class MemoryConsole implements Console {
  readonly terminal: readonly [boolean, boolean, boolean];
  readonly written: [Uint8Array[], Uint8Array[]] = [[], []];
  isRaw = false;
  private readonly dimensions: { rows: number; columns: number };
  private readonly receivers = new Set<(bytes: Uint8Array | undefined) => void>();
  private readonly listeners = new Set<(event: Event) => void>();
  private pending: (Uint8Array | undefined)[];

  constructor(options: MemoryHostOptions) {
    const terminal = options.terminal ?? false;
    this.terminal = [terminal, terminal, terminal];
    this.dimensions = options.size ?? { rows: 24, columns: 80 };
    this.pending = options.input ? [options.input, undefined] : terminal ? [] : [undefined];
  }

  size(): { rows: number; columns: number } {
    return this.dimensions;
  }
  input(receive: (bytes: Uint8Array | undefined) => void): () => void {
    this.receivers.add(receive);
    queueMicrotask(() => this.deliver());
    return () => this.receivers.delete(receive);
  }
  pause(): void {}
  write(stream: 1 | 2, bytes: Uint8Array): boolean {
    this.written[stream - 1]!.push(bytes.slice());
    return true;
  }
  raw(on: boolean): void {
    this.isRaw = on;
  }
  events(tell: (event: Event) => void): () => void {
    this.listeners.add(tell);
    return () => this.listeners.delete(tell);
  }

  /** Types these bytes; undefined ends the input. */
  type(bytes: Uint8Array | undefined): void {
    this.pending.push(bytes);
    this.deliver();
  }
  /** Raises a signal or a change of size. */
  raise(event: Event): void {
    for (const tell of this.listeners) tell(event);
  }
  /** All that was written to stdout (1) or stderr (2), as text. */
  text(stream: 1 | 2): string {
    const decoder = new TextDecoder();
    return this.written[stream - 1]!.map((part) => decoder.decode(part, { stream: true })).join("");
  }

  private deliver(): void {
    if (this.receivers.size === 0) return;
    const pending = this.pending;
    this.pending = [];
    for (const bytes of pending) for (const receive of this.receivers) receive(bytes);
  }
}

export interface MemoryHost extends Host {
  readonly console: MemoryConsole;
}

/** Makes a host of memory. Timers are the caller's (tests pass Node's), so that this file needs none. */
export function memoryHost(timers: Timers, clock: Clock, options: MemoryHostOptions = {}): MemoryHost {
  let state = options.seed ?? 1;
  return {
    clock,
    timers,
    console: new MemoryConsole(options),
    random(into) {
      for (let i = 0; i < into.length; i++) {
        state = (Math.imul(state, 1664525) + 1013904223) | 0;
        into[i] = state >>> 24;
      }
    },
  };
}
