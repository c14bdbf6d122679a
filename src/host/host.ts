// The surroundings as the kernel sees them. hosts/node, hosts/browser and hosts/memory implement this; nothing above asks
// an operating system for anything in another way.

export interface Clock {
  /** Nanoseconds since the epoch. */
  realtime(): bigint;
  /** Nanoseconds since an arbitrary start, as a number (exact for 104 days). */
  monotonic(): number;
}

export interface Timers {
  /** Calls back once, about `milliseconds` later; returns a function that cancels. */
  after(milliseconds: number, call: () => void): () => void;
  /** Calls back after pending host events were handled: yields to the event loop. */
  soon(call: () => void): void;
}

/** The user's console. Bytes in, bytes out. */
export interface Console {
  /** Whether each of stdin, stdout, stderr is a terminal. */
  readonly terminal: readonly [boolean, boolean, boolean];
  size(): { rows: number; columns: number };
  /** Tells of input; undefined is its end. Input is not read before the first call. Returns a function that stops. */
  input(receive: (bytes: Uint8Array | undefined) => void): () => void;
  /** Ends or resumes the flow of input, for a reader that is behind. */
  pause(paused: boolean): void;
  /** Writes to stdout (1) or stderr (2); returns false when the reader is behind, and then calls `drained` once. */
  write(stream: 1 | 2, bytes: Uint8Array, drained: () => void): boolean;
  /** Raw mode: no line editing or signals by the host's terminal. */
  raw(on: boolean): void;
  /** Tells of a change of size, and of interrupts (Ctrl-C and termination requests) by name. */
  events(
    tell: (event: "resize" | "SIGINT" | "SIGTERM" | "SIGHUP" | "SIGQUIT" | "SIGTSTP" | "SIGCONT") => void,
  ): () => void;
}

/** What stat says of a host file. Times in nanoseconds. */
export interface HostStat {
  type: "file" | "directory" | "link" | "other";
  mode: number;
  uid: number;
  gid: number;
  size: number;
  links: number;
  inode: number;
  device: number;
  accessed: bigint;
  modified: bigint;
  changed: bigint;
}

/** The host's files, for granted directories only. Synchronous. Throws HostError with a POSIX code ("ENOENT"). */
export interface HostFiles {
  stat(path: string, followLinks: boolean): HostStat;
  list(path: string): string[];
  readlink(path: string): string;
  /** Opens without following a final symbolic link. */
  open(path: string, mode: { write: boolean; create?: number; exclusive?: boolean; truncate?: boolean }): HostFile;
  makeDirectory(path: string, mode: number): void;
  symlink(target: string, path: string): void;
  link(existing: string, path: string): void;
  remove(path: string): void;
  removeDirectory(path: string): void;
  rename(from: string, to: string): void;
  chmod(path: string, mode: number): void;
  utimes(path: string, accessed: bigint, modified: bigint): void;
  truncate(path: string, length: number): void;
  realpath(path: string): string;
}

export interface HostFile {
  read(into: Uint8Array, position: number): number;
  write(from: Uint8Array, position: number): number;
  stat(): HostStat;
  truncate(length: number): void;
  sync(): void;
  close(): void;
}

/** A failure of the host, by POSIX code. */
export class HostError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.name = "HostError";
    this.code = code;
  }
}

/** A TCP connection to outside, for grants of `--allow net`. Event-driven. */
export interface HostSocket {
  write(bytes: Uint8Array): boolean;
  end(): void;
  destroy(): void;
  pause(paused: boolean): void;
}
export interface HostSocketEvents {
  connected(local: { address: string; port: number }): void;
  data(bytes: Uint8Array): void;
  drained(): void;
  ended(): void;
  closed(error?: HostError): void;
}
export interface HostNetwork {
  connect(address: string, port: number, events: HostSocketEvents): HostSocket;
  resolve(name: string): Promise<string[]>;
}

export interface Host {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly console: Console;
  readonly files?: HostFiles;
  readonly network?: HostNetwork;
  /** Fills with cryptographically secure random bytes. */
  random(into: Uint8Array): void;
}
