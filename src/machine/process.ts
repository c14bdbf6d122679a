// A program that was run: its streams, its end, and what is told of processes.

import { decodeName } from "../base/text.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Process } from "../kernel/process.ts";
import { Code, signalName } from "../kernel/signal.ts";
import { sendToGroup, sendToProcess } from "../kernel/signals.ts";
import { pageSize } from "../memory/layout.ts";
import type { Exit, ProcessInfo } from "./options.ts";
import type { Input, Output } from "./streams.ts";

const second = 1e9;

export interface Streams {
  readonly stdin?: Input;
  readonly stdout?: Output;
  readonly stderr?: Output;
}

export class GuestProcess {
  readonly pid: number;
  /** Present when `stdin: "pipe"` was asked for. */
  readonly stdin: Input | undefined;
  private readonly streams: Streams;
  private readonly process: Process;
  private readonly kernel: Kernel;
  /** Resolves when the program has ended. Rejects only when the kernel itself fails. */
  readonly exited: Promise<Exit>;

  constructor(kernel: Kernel, process: Process, streams: Streams) {
    this.kernel = kernel;
    this.process = process;
    this.pid = process.pid;
    this.streams = streams;
    this.stdin = streams.stdin;
    const began = kernel.now();
    this.exited = kernel.exited(process).then((status) => {
      const { user, system } = process.cpuTime();
      const { childUserTime, childSystemTime, peakMemory } = process.usage;
      const signal = status & 0x7f;
      return {
        status: signal === 0 ? (status >> 8) & 0xff : 128 + signal,
        ...(signal !== 0 && { signal: signalName(signal) }),
        cpuTime: (user + system + childUserTime + childSystemTime) / second,
        wallTime: (kernel.now() - began) / second,
        peakMemory: peakMemory * pageSize,
      };
    });
  }

  /** What it writes to stdout. Throws when that was not piped. */
  get stdout(): Output {
    return piped(this.streams.stdout, "stdout");
  }
  get stderr(): Output {
    return piped(this.streams.stderr, "stderr");
  }

  /** Sends a signal by number; 15 (SIGTERM) by default. */
  kill(signal = 15): void {
    if (this.process.exitStatus === undefined) GuestProcess.signal(this.process, signal);
  }

  /** Sends a signal to every process of the program's group, as the terminal does for Ctrl-C. */
  interrupt(signal: number): void {
    sendToGroup(this.kernel, this.process.group, { signo: signal, code: Code.kernel, pid: 0, uid: 0 });
  }

  static signal(process: Process, signal: number): void {
    sendToProcess(process, { signo: signal, code: Code.user, pid: 0, uid: 0 });
  }
}

function piped(stream: Output | undefined, name: string): Output {
  if (!stream) throw new TypeError(`${name} is the console's, not piped`);
  return stream;
}

/** What ps(1) would show. */
export function processInfo(process: Process): ProcessInfo {
  const { user, system } = process.cpuTime();
  const states = [...process.tasks].map(({ state }) => state);
  const running = states.some((state) => state === "running" || state === "ready");
  const command = process.arguments.map(decodeName).join(" ");
  return {
    pid: process.pid,
    parent: process.parent?.pid ?? 0,
    user: process.credentials.uid,
    name: process.name,
    state:
      process.exitStatus !== undefined
        ? "zombie"
        : process.stopSignal !== 0
          ? "stopped"
          : running && process.executed
            ? "running"
            : "waiting",
    threads: process.tasks.size,
    cpuTime: (user + system) / second,
    memory: process.memory.resident4k * pageSize,
    command: command || `[${process.name}]`,
  };
}
