// What the user of the API says: how a machine is made, and how a program is run in it.

import type { TranslationStore } from "../linux/executor.ts";
import type { ArchiveEntry } from "../fs/archive.ts";
import type { EngineHost } from "../host/engine.ts";
import type { Host } from "../host/host.ts";
import type { PackageHost } from "../host/packages.ts";
import type { Limits } from "../kernel/contract.ts";
import type { Topic, TraceEvent } from "../kernel/trace.ts";
import type { Progress } from "../packages/source.ts";

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
  /** Finds, fetches and keeps packages; needed to run a .deb. */
  readonly packages?: PackageHost;
  /** What the root holds at first, beside what packages bring. */
  readonly root?: Iterable<ArchiveEntry>;
  /** A directory of the host as the root, read-only under a writable layer in memory. */
  readonly rootDirectory?: string;
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
  /** Threads and a compiler for models (`nodeEngineHost`); without it /dev/cerebro runs them on the machine's own thread. */
  readonly engine?: EngineHost;
  /** Where translated code is kept from one machine to the next. */
  readonly translations?: TranslationStore;
}

/** Packages for a machine's root, and where they come from: the first that has what is asked for wins. */
export interface PackageRequest {
  /** Paths of .deb files, or names and relations such as "bash" and "jq (>= 1.6)". */
  readonly with?: readonly string[];
  /** Directories of .deb files. */
  readonly pools?: readonly string[];
  /** URLs of APT-style repositories, as "URL SUITE COMPONENT…". */
  readonly mirrors?: readonly string[];
  /** Asks the host's own APT configuration when nothing else has it; true when absent. */
  readonly hostApt?: boolean;
  readonly architecture?: "amd64" | "i386";
  /** Essential packages: those that programs show a need for (the default), all, or none. */
  readonly essential?: "needed" | "all" | "none";
  /** Runs the packages' maintainer scripts in the machine, with all Essential packages there unless `essential` says otherwise. */
  readonly scripts?: boolean;
  /** Asks the sources even for what is remembered. */
  readonly refresh?: boolean;
  readonly progress?: Progress;
}

/** Where a standard stream leads. "inherit" is the host's console. */
export type StandardInput = "inherit" | "pipe" | "empty" | string | Uint8Array | AsyncIterable<Uint8Array | string>;

/** How a file is turned into a program of the machine. */
export interface LoadOptions extends PackageRequest {
  /** Which program of a package: a name or a path. */
  readonly exec?: string;
}

export interface RunOptions extends LoadOptions {
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

export type { ArchiveEntry, EngineHost, Host, Limits, PackageHost, Progress, Topic, TraceEvent };
