// A machine: one booted kernel with its files, in which programs are run.

import { CerebroError, messageOf } from "../base/errors.ts";
import { encodeUtf8 } from "../base/text.ts";
import { type Console, type Host, HostError } from "../host/host.ts";
import { deviceTexts, modelDeviceOf, setDevice } from "../devices/model/index.ts";
import { openConsole, type OpenedConsole } from "../devices/console.ts";
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
import { systemCalls } from "../linux/calls.ts";
import { elf } from "../linux/exec/elf.ts";
import { script } from "../linux/exec/script.ts";
import { x86Executors, type X86Executors } from "../linux/executor.ts";
import { LinuxPersonality } from "../linux/personality.ts";
import { GuestFiles } from "./files.ts";
import { isPackage, prepare, type PreparedRoot, programOf } from "./packages.ts";
import type { LoadOptions, MachineOptions, ProcessInfo, RunOptions, Topic, TraceEvent } from "./options.ts";
import { GuestProcess, processInfo, type Streams } from "./process.ts";
import { missingInterpreter } from "./interpreter.ts";
import { grantedNetwork } from "./network.ts";
import { makeRoot, mountAll } from "./root.ts";
import { Input, Output } from "./streams.ts";

/** The environment of every program: nothing of the host's. */
const environment: Readonly<Record<string, string>> = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/games",
  HOME: "/root",
  TERM: "xterm-256color",
  LANG: "C.UTF-8",
};

const root = { uid: 0, euid: 0, suid: 0, fsuid: 0, gid: 0, egid: 0, sgid: 0, fsgid: 0, groups: [0] };
const defaultMask = 0o022;
/** Where files of the host are put that are run by themselves. */
const programs = "/opt/cerebro";

interface Booted {
  /** Process 1: does nothing, owns what belongs to no program. */
  readonly init: Process;
  readonly files: GuestFiles;
}

/** Enough of a file to tell what it is. */
const headSize = 256;
const isPackageName = (file: string): boolean => file.endsWith(".deb");

/** Makes and boots a machine. */
export function createMachine(options: MachineOptions): Machine {
  return new Machine(options);
}

export class Machine {
  readonly kernel: Kernel;
  private readonly options: MachineOptions;
  private readonly executors: X86Executors;
  private readonly personality: LinuxPersonality;
  private booted: Booted | undefined;
  private readonly prepared: PreparedRoot[] = [];
  private readonly running = new Set<GuestProcess>();
  private disposed = false;

  constructor(options: MachineOptions) {
    this.options = options;
    const { seed, log } = options;
    const network = grantedNetwork(options.host.network, options.network);
    const { clock, timers, console, files } = options.host;
    const host: Host = {
      clock,
      timers,
      console,
      random: (into) => options.host.random(into),
      ...(files && { files }),
      ...(network && { network }),
    };
    const compilers = options.compile === false ? {} : { x86_64: regionCompiler(), i386: regionCompiler() };
    this.executors = x86Executors(compilers, options.translations);
    this.kernel = new Kernel({
      host,
      executors: this.executors,
      handlers: [elf, script],
      ...(seed !== undefined && { seed }),
      ...(log && { log }),
    });
    modelDeviceOf(this.kernel).useHost(options.engine);
    if (options.hostname !== undefined) this.kernel.names.host = options.hostname;
    this.personality = new LinuxPersonality(systemCalls);
  }

  /** Makes the root and process 1 when they are first needed, so that packages can be below everything else. */
  private boot(entries = this.options.root): Booted {
    if (this.booted) return this.booted;
    const account = new Contract(this.options.contract ?? {}, (message) => this.kernel.log(message));
    const { rootDirectory, mounts = [] } = this.options;
    const below = rootDirectory === undefined ? { ...(entries && { entries }) } : { directory: rootDirectory };
    const top = makeRoot(this.kernel, account, below);
    const idle = this.kernel.createRoot({
      personality: this.personality,
      fs: { root: top, cwd: top, umask: 0 },
      files: new FileTable(),
      credentials: { ...root },
    });
    idle.state = "waiting";
    const { process: init } = idle;
    init.name = "init";
    mountAll(init, mounts, account);
    return (this.booted = { init, files: new GuestFiles(init) });
  }

  /** The model device's settings and readings by name, as in /sys/class/cerebro/cerebro0. */
  get device(): ReadonlyMap<string, string> {
    this.boot();
    return deviceTexts(this.kernel);
  }

  /** Changes a setting of the model device. Throws CerebroError "usage" for what is none, and then nothing has changed. */
  setDevice(name: string, value: string): void {
    setDevice(this.kernel, name, value);
  }

  /** The machine's files, from outside. */
  get files(): GuestFiles {
    return this.boot().files;
  }

  /** Puts packages and what they depend on into the root. Before anything has run only. */
  async install(request: LoadOptions, main?: string | Uint8Array): Promise<PreparedRoot> {
    if (this.booted)
      throw new CerebroError("unsupported", "packages can be put into a machine only before its first program", {
        hint: "name all packages at once, or make another machine",
      });
    const { packages, root: own = [] } = this.options;
    const prepared = await prepare(packages, main, request, (message) => this.kernel.log(message));
    this.prepared.push(prepared);
    this.boot([...prepared.image.entries, ...own]);
    if (request.scripts) {
      const { runScripts } = await import("./scripts.ts");
      await runScripts(this, this.options.host.timers, prepared.scripts, (message) => this.kernel.log(message));
    }
    return prepared;
  }

  /**
   * Makes a file a program of the machine and tells its path there: bytes or a path of the host. A .deb is put into the root
   * with all it depends on. What is no file of the host is a program of the machine, or of the packages in `with`.
   */
  async load(file: string | Uint8Array, options: LoadOptions = {}): Promise<string> {
    const found = typeof file === "string" ? this.hostFile(file) : { head: file, content: () => file };
    if (found && isPackage(found.head)) return programOf(await this.install(options, file), options.exec);
    if (options.with && options.with.length > 0 && !this.booted) await this.install(options);
    if (!found) return file as string;
    const name = typeof file === "string" ? file.slice(file.lastIndexOf("/") + 1) : "program";
    const path = `${programs}/${name}`;
    this.files.write(path, found.content(), { mode: 0o755 });
    return path;
  }

  /** A file of the host, which its being named grants; undefined when there is none. */
  private hostFile(path: string): { head: Uint8Array; content: () => Uint8Array } | undefined {
    const { files } = this.options.host;
    if (!files) return undefined;
    const read = (most: number) => {
      const file = files.open(files.realpath(path), { write: false });
      const bytes = new Uint8Array(most);
      let at = 0;
      for (let count = -1; count !== 0 && at < most; at += count) count = file.read(bytes.subarray(at), at);
      file.close();
      return bytes.subarray(0, at);
    };
    try {
      const { type, size } = files.stat(path, true);
      if (type === "directory") throw new CerebroError("not-runnable", `${path}: is a directory`);
      return { head: read(Math.min(size, headSize)), content: () => read(size) };
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
      throw new CerebroError("host", `${path}: ${error.message}`, { cause: error });
    }
  }

  /** Loads a file and starts it: see `load` and `start`. */
  async run(file: string | Uint8Array, options: RunOptions = {}): Promise<GuestProcess> {
    const program = await this.load(file, options);
    return this.start(program, { ...(typeof file === "string" && !isPackageName(file) && { name: file }), ...options });
  }

  /**
   * Starts a program of the machine: an absolute path, a path relative to `cwd`, or a name that is looked for in PATH.
   * Throws `not-found` and `not-runnable`.
   */
  start(program: string, options: RunOptions = {}): GuestProcess {
    if (this.disposed) throw new CerebroError("usage", "the machine was disposed");
    const variables = Object.entries({ ...environment, ...options.env }).flatMap(([key, value]) =>
      value === undefined ? [] : [`${key}=${value}`],
    );
    const files = new FileTable();
    const { task, process } = this.createProcess(options, files);
    try {
      const streams = this.connect(process, files, options);
      this.execute(task, program, options, variables);
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
    const top = this.boot().init.fs.root;
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
  private connect(process: Process, files: FileTable, options: RunOptions): Streams {
    const { stdin: source = "empty", stdout: first = "pipe", stderr: second = "pipe" } = options;
    const inherits = [source === "inherit", first === "inherit", second === "inherit"] as const;
    const console = inherits.includes(true) ? this.openConsole(process, inherits) : undefined;
    const put = (file: OpenFile) => files.add(file, false, 3);
    let stdin: Input | undefined;
    if (source === "inherit") put(console!.files[0]);
    else {
      const [reader, writer] = pipePair(0);
      put(reader);
      const input = new Input(writer);
      if (source === "pipe") stdin = input;
      else if (source === "empty") input.end();
      else input.feed(source);
    }
    const output = (where: "inherit" | "pipe", index: 1 | 2): Output | undefined => {
      if (where === "inherit") {
        put(console!.files[index]);
        return undefined;
      }
      const [reader, writer] = pipePair(0);
      put(writer);
      return new Output(reader);
    };
    const stdout = output(first, 1);
    const stderr = output(second, 2);
    return { ...(stdin && { stdin }), ...(stdout && { stdout }), ...(stderr && { stderr }) };
  }

  /** Opens the host's console for those streams that lead there. */
  private openConsole(process: Process, inherits: readonly [boolean, boolean, boolean]): OpenedConsole {
    const { console } = this.options.host;
    const { init } = this.boot();
    const terminal = console.terminal.map((is, stream) => is && inherits[stream]);
    const view = Object.create(console, { terminal: { value: terminal } }) as Console;
    const opened = openConsole(this.kernel, view, walk(init, init.fs.root, "/dev/console"));
    opened.control(process);
    const end = process.ended.subscribe(() => {
      end();
      opened.close();
    });
    return opened;
  }

  private execute(task: Task, program: string, options: RunOptions, variables: readonly string[]): void {
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
      const shown = options.name ?? program;
      throw missingInterpreter(this.files, path, shown) ?? refused(error, shown);
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
    throw new CerebroError("not-found", `${program}: not found in the machine's PATH (${path})`, {
      ...(program === "sh" && { hint: "--with dash or --with bash brings a shell" }),
    });
  }

  /** All processes of the machine, like ps(1). */
  processes(): ProcessInfo[] {
    return Array.from(this.kernel.processes.values(), processInfo);
  }

  /** Sends a signal, by number. Throws `not-found`. */
  kill(pid: number, signal: number): void {
    const process = this.kernel.processes.get(pid);
    if (!process || process === this.booted?.init) throw new CerebroError("not-found", `no process ${pid}`);
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
    for (const prepared of this.prepared) prepared.dispose();
    this.executors.save();
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
