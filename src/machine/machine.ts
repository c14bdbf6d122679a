// A machine: one booted kernel with its files, in which programs are run.

import { CerebroError, messageOf } from "../base/errors.ts";
import { encodeUtf8 } from "../base/text.ts";
import { regionCompiler } from "../cpu/translate/compiler.ts";
import { Contract } from "../kernel/contract.ts";
import { Errno } from "../kernel/errno.ts";
import { Open, type OpenFile } from "../kernel/file.ts";
import { FileTable } from "../kernel/filetable.ts";
import { Kernel } from "../kernel/kernel.ts";
import { endProcess } from "../kernel/life.ts";
import { pipePair } from "../kernel/pipe.ts";
import type { Process } from "../kernel/process.ts";
import { execute } from "../kernel/program.ts";
import { SIGKILL } from "../kernel/signal.ts";
import type { Task } from "../kernel/task.ts";
import { openAt } from "../kernel/vfs/open.ts";
import { walk } from "../kernel/vfs/walk.ts";
import { x86Executors } from "../linux/executor.ts";
import { LinuxPersonality } from "../linux/personality.ts";
import { handlers, systemCalls } from "./linux.ts";
import { ConsoleInput, ConsoleOutput } from "./console.ts";
import { GuestFiles } from "./files.ts";
import type { MachineOptions, ProcessInfo, RunOptions, Topic, TraceEvent } from "./options.ts";
import { GuestProcess, processInfo } from "./process.ts";
import { makeRoot } from "./root.ts";
import { Input, Output } from "./streams.ts";

/** The environment of every program: nothing of the host's. */
const environment: Readonly<Record<string, string>> = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/root",
  TERM: "xterm-256color",
  LANG: "C.UTF-8",
};

const root = { uid: 0, euid: 0, suid: 0, fsuid: 0, gid: 0, egid: 0, sgid: 0, fsgid: 0, groups: [0] };
const defaultMask = 0o022;

/** Makes and boots a machine. */
export function createMachine(options: MachineOptions): Machine {
  return new Machine(options);
}

export class Machine {
  readonly kernel: Kernel;
  /** The machine's files, from outside. */
  readonly files: GuestFiles;
  private readonly options: MachineOptions;
  private readonly personality: LinuxPersonality;
  /** Process 1: does nothing, owns what belongs to no program. */
  private readonly init: Process;
  private readonly running = new Set<GuestProcess>();
  private disposed = false;

  constructor(options: MachineOptions) {
    this.options = options;
    const { host, seed, log } = options;
    const compilers = options.compile === false ? {} : { x86_64: regionCompiler(), i386: regionCompiler() };
    this.kernel = new Kernel({
      host,
      executors: x86Executors(compilers),
      handlers,
      ...(seed !== undefined && { seed }),
      ...(log && { log }),
    });
    if (options.hostname !== undefined) this.kernel.names.host = options.hostname;
    this.personality = new LinuxPersonality(systemCalls);
    const account = new Contract(options.contract ?? {}, (message) => this.kernel.log(message));
    const top = makeRoot(this.kernel, account, options.root);
    this.init = this.kernel.createRoot({
      personality: this.personality,
      fs: { root: top, cwd: top, umask: 0 },
      files: new FileTable(),
      credentials: { ...root },
    }).process;
    this.init.name = "init";
    this.files = new GuestFiles(this.init);
  }

  /**
   * Runs a program of the machine: an absolute path, a path relative to `cwd`, or a name that is looked for in PATH.
   * Throws `not-found` and `not-runnable`.
   */
  run(program: string, options: RunOptions = {}): GuestProcess {
    if (this.disposed) throw new CerebroError("usage", "the machine was disposed");
    const variables = Object.entries({ ...environment, ...options.env }).flatMap(([key, value]) =>
      value === undefined ? [] : [`${key}=${value}`],
    );
    const files = new FileTable();
    const { task, process } = this.createProcess(options, files);
    try {
      const streams = this.connect(process, files, options);
      this.start(task, program, options, variables);
      const started = new GuestProcess(this.kernel, process, streams);
      this.running.add(started);
      void started.exited.finally(() => this.running.delete(started)).catch(() => {});
      this.kernel.scheduler.enqueue(task);
      return started;
    } catch (error) {
      endProcess(process, SIGKILL);
      throw error;
    }
  }

  private createProcess(options: RunOptions, files: FileTable): { task: Task; process: Process } {
    const { uid, gid, groups } = { uid: 0, gid: 0, groups: [0], ...options.user };
    const top = this.init.fs.root;
    const limits = { ...this.options.contract, ...options.contract };
    const task = this.kernel.createRoot({
      personality: this.personality,
      fs: { root: top, cwd: top, umask: defaultMask },
      files,
      credentials: {
        uid,
        euid: uid,
        suid: uid,
        fsuid: uid,
        gid,
        egid: gid,
        sgid: gid,
        fsgid: gid,
        groups: [...groups],
      },
      limits,
    });
    const { process } = task;
    const cwd = options.cwd ?? "/";
    try {
      process.fs.cwd = walk(process, top, cwd);
    } catch (error) {
      endProcess(process, SIGKILL);
      throw refused(error, cwd);
    }
    return { task, process };
  }

  /** Opens the standard streams. */
  private connect(
    process: Process,
    files: FileTable,
    options: RunOptions,
  ): { stdin?: Input; stdout?: Output; stderr?: Output } {
    const { console } = this.options.host;
    const put = (file: OpenFile) => files.add(file, false, 3);
    const { stdin: source = "empty" } = options;
    let stdin: Input | undefined;
    if (source === "inherit") put(new ConsoleInput(console));
    else {
      const [reader, writer] = pipePair(0);
      put(reader);
      const input = new Input(writer);
      if (source === "pipe") stdin = input;
      else if (source === "empty") input.end();
      else input.feed(source);
    }
    const output = (stream: 1 | 2, where: "inherit" | "pipe" = "pipe"): Output | undefined => {
      if (where === "inherit") {
        put(new ConsoleOutput(console, stream));
        return undefined;
      }
      const [reader, writer] = pipePair(0);
      put(writer);
      return new Output(reader);
    };
    const stdout = output(1, options.stdout);
    const stderr = output(2, options.stderr);
    return { ...(stdin && { stdin }), ...(stdout && { stdout }), ...(stderr && { stderr }) };
  }

  private start(task: Task, program: string, options: RunOptions, variables: readonly string[]): void {
    const { process } = task;
    const path = this.find(process, program, variables);
    try {
      execute(task, {
        path: walk(process, process.fs.cwd, path),
        name: path,
        arguments: [options.name ?? program, ...(options.args ?? [])].map(encodeUtf8),
        environment: variables.map(encodeUtf8),
        depth: 0,
      });
    } catch (error) {
      throw refused(error, program);
    }
  }

  /** The path of a program that may be only a name. */
  private find(process: Process, program: string, variables: readonly string[]): string {
    if (program.includes("/")) return program;
    const path = variables.find((variable) => variable.startsWith("PATH="))?.slice(5) ?? "";
    for (const directory of path.split(":")) {
      const candidate = `${directory || "."}/${program}`;
      try {
        openAt(process, process.fs.cwd, candidate, Open.readOnly).release();
        return candidate;
      } catch (error) {
        if (!(error instanceof Errno)) throw error;
      }
    }
    throw new CerebroError("not-found", `${program}: not found in the machine's PATH (${path})`);
  }

  /** All processes of the machine, like ps(1). */
  processes(): ProcessInfo[] {
    return Array.from(this.kernel.processes.values(), processInfo);
  }

  /** Sends a signal, by number. Throws `not-found`. */
  kill(pid: number, signal: number): void {
    const process = this.kernel.processes.get(pid);
    if (!process || process === this.init) throw new CerebroError("not-found", `no process ${pid}`);
    GuestProcess.signal(process, signal);
  }

  /** Listens to what the kernel tells; returns a function that ends it. */
  trace(topics: Iterable<Topic>, listener: (event: TraceEvent) => void): () => void {
    return this.kernel.trace.listen(topics, listener);
  }

  /** Ends every program and gives memory back. */
  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    for (const process of [...this.kernel.processes.values()])
      if (process.exitStatus === undefined) endProcess(process, SIGKILL);
  }
}

/** A refusal to start a program, as the API's error. */
function refused(error: unknown, program: string): unknown {
  if (!(error instanceof Errno)) return error;
  const notFound = error.name === "ENOENT" || error.name === "ENOTDIR";
  return new CerebroError(notFound ? "not-found" : "not-runnable", `${program}: ${messageOf(error)}`, {
    cause: error,
    ...(error.name === "ENOEXEC" && { hint: "it is no ELF program for x86-64 or i386, and no script" }),
    ...(error.name === "ENOMEM" && { hint: "--contract memory=SIZE raises the limit" }),
  });
}
