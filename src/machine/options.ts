// What the user of the API says: how a machine is made, and how a program is run in it.

import type { Host } from "../host/host.ts";
import type { Limits } from "../kernel/contract.ts";
import type { Topic, TraceEvent } from "../kernel/trace.ts";

/** A node of the root file system, as packages and archives describe it (see packages/archive.ts). */
export interface RootEntry {
  /** Without a slash before or after; "" is the root itself. Parents come before their children. */
  readonly path: string;
  readonly type: "file" | "hardlink" | "symlink" | "directory" | "fifo";
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
  readonly size: number;
  readonly linkTarget?: string;
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
  content(): Uint8Array;
  read(into: Uint8Array, position: number): number;
}

/** A directory of the host that the guest may use. Nothing else of the host can be seen. */
export interface HostMount {
  /** A directory of the host, or a file. */
  readonly host: string;
  /** Where the guest finds it; absolute. */
  readonly guest: string;
  readonly readOnly?: boolean;
}

export interface MachineOptions {
  readonly host: Host;
  /** What the root holds at first; an almost empty one when absent. */
  readonly root?: Iterable<RootEntry>;
  readonly mounts?: readonly HostMount[];
  /** Limits of each program that is run and all its descendants, unless `run` says otherwise. */
  readonly contract?: Partial<Limits>;
  /** Connections to outside: true for all, or "host:port" patterns. None when absent. */
  readonly network?: boolean | readonly string[];
  /** Makes randomness and time the same in every run. */
  readonly seed?: number;
  readonly hostname?: string;
  /** The kernel's words to the user: limits reached, what is not supported. */
  readonly log?: (message: string) => void;
  /** Translate hot code to WebAssembly (the default); otherwise everything is interpreted. */
  readonly compile?: boolean;
}

/** Where a standard stream leads. "inherit" is the host's console. */
export type StandardInput = "inherit" | "pipe" | "empty" | string | Uint8Array | AsyncIterable<Uint8Array | string>;

export interface RunOptions {
  /** The program's arguments, without its name. */
  readonly args?: readonly string[];
  /** argv[0]; the program's name when absent. */
  readonly name?: string;
  /** Added to PATH, HOME, TERM and LANG; undefined takes one away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  readonly user?: { readonly uid: number; readonly gid: number; readonly groups?: readonly number[] };
  /** Text and bytes are what the program reads; "pipe" gives `stdin` to write to. Default: nothing to read. */
  readonly stdin?: StandardInput;
  /** Default "pipe": read from the handle. */
  readonly stdout?: "inherit" | "pipe";
  readonly stderr?: "inherit" | "pipe";
  readonly contract?: Partial<Limits>;
}

/** How a program ended. */
export interface Exit {
  /** What a shell would show: the exit status, or 128 + signal. */
  readonly status: number;
  /** "SIGSEGV" when a signal ended it. */
  readonly signal?: string;
  /** Seconds of processor time, of the program and the children it waited for. */
  readonly cpuTime: number;
  /** Seconds from start to end. */
  readonly wallTime: number;
  /** Most bytes of memory in use by the program at one time. */
  readonly peakMemory: number;
}

/** A row of `processes()`. */
export interface ProcessInfo {
  readonly pid: number;
  readonly parent: number;
  readonly user: number;
  readonly name: string;
  readonly state: "running" | "waiting" | "stopped" | "zombie";
  readonly threads: number;
  /** Seconds. */
  readonly cpuTime: number;
  /** Bytes in use. */
  readonly memory: number;
  readonly command: string;
}

export type { Host, Limits, Topic, TraceEvent };
