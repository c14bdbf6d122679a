// `cerebro run` and `cerebro shell`: a machine for one program, connected to this terminal.

import process from "node:process";
import { CerebroError } from "../base/errors.ts";
import { nodeEngineHost } from "../hosts/node/engine.ts";
import { type NodeHost, nodeHost } from "../hosts/node/index.ts";
import { nodePackageHost } from "../hosts/node/packages.ts";
import { createMachine, type GuestProcess, type Machine, type RunOptions } from "../machine/index.ts";
import type { Values } from "./arguments.ts";
import { command, say, speakJson } from "./command.ts";
import { parseContract, parseVariable, parseVolume } from "./grants.ts";
import { insisting } from "./interrupts.ts";
import { progressBar } from "./progress.ts";
import { parseTopics } from "./trace.ts";
import { translationStore } from "./translations.ts";

const options = {
  volume: { value: "HOST:GUEST[:ro]", short: "v", repeat: true, help: "shows a directory of yours to the program" },
  env: {
    value: "NAME[=VALUE]",
    short: "e",
    repeat: true,
    help: "sets a variable; without a value, yours is handed on",
  },
  workdir: { value: "DIR", short: "w", help: "the directory to start in (/)" },
  with: { value: "PACKAGE", repeat: true, help: "also puts this package into the root: a .deb, or a name" },
  pool: { value: "DIR", repeat: true, help: "looks for packages in this directory of .deb files" },
  mirror: { value: "URL", repeat: true, help: "looks for packages in this APT repository: 'URL [SUITE [COMPONENT…]]'" },
  root: { value: "DIR", help: "the root is this directory of yours, read-only under a layer in memory" },
  exec: { value: "NAME", help: "which program of the package" },
  arch: { value: "ARCHITECTURE", help: "amd64 (the default) or i386, for packages by name" },
  essential: { value: "WHICH", help: "Essential packages in the root: needed (the default), all or none" },
  scripts: { help: "runs the packages' maintainer scripts first" },
  refresh: { help: "asks for packages again, whatever is remembered" },
  offline: { help: "asks neither mirrors nor the host's APT" },
  user: { value: "UID[:GID]", short: "u", help: "runs as this user (0:0)" },
  allow: { value: "net[=HOST:PORT]", repeat: true, help: "lets the program connect to outside" },
  contract: {
    value: "LIMITS",
    help: "memory=512M,tasks=64,cpu=50%,cputime=10s,disk=1G,files=256,deadline=60s\nwhat the program and all it starts may use",
  },
  seed: { value: "NUMBER", help: "makes randomness and time the same in every run" },
  interpret: { help: "translates nothing: slow, for comparison" },
  trace: {
    value: "TOPICS",
    help: "tells what happens on stderr: syscall,signal,fault,exec,process,grant,refusal or all",
  },
  json: { help: "our own words are lines of JSON, the last one how it ended" },
  verbose: { help: "says how long things took" },
} as const;

type RunValues = Values<typeof options>;

function number(text: string, what: string): number {
  if (!/^\d+$/.test(text)) throw new CerebroError("usage", `${what} ${JSON.stringify(text)} is no number`);
  return Number(text);
}

function parseUser(text: string): { uid: number; gid: number } {
  const [uid = "", gid = uid] = text.split(":");
  return { uid: number(uid, "user"), gid: number(gid, "group") };
}

/** The machine that the options describe. */
async function machineOf(values: RunValues, name: string, host: NodeHost): Promise<Machine> {
  const allowed = values.allow ?? [];
  const outside = allowed.map((grant) => {
    if (grant === "net") return true;
    if (grant.startsWith("net=")) return grant.slice(4);
    throw new CerebroError("usage", `--allow ${grant}: what can be allowed is net and net=HOST:PORT`);
  });
  const network = outside.length > 0 ? { network: (await import("../hosts/node/network.ts")).network } : {};
  const translations = values.interpret ? undefined : translationStore(name);
  const patterns = outside.filter((grant) => typeof grant === "string");
  return createMachine({
    host: { ...host, ...network },
    packages: nodePackageHost(),
    engine: nodeEngineHost(),
    mounts: (values.volume ?? []).map(parseVolume),
    ...(values.root !== undefined && { rootDirectory: values.root }),
    ...(values.contract !== undefined && { contract: parseContract(values.contract) }),
    ...(outside.length > 0 && { network: outside.includes(true) ? true : patterns }),
    ...(values.seed !== undefined && { seed: number(values.seed, "seed") }),
    ...(values.interpret && { compile: false }),
    ...(translations && { translations }),
    log: (message) => say(message, { event: "kernel", text: message }),
  });
}

function runOptions(values: RunValues, args: readonly string[]): RunOptions {
  const architecture = values.arch;
  if (architecture !== undefined && architecture !== "amd64" && architecture !== "i386")
    throw new CerebroError("usage", `--arch ${architecture}: known are amd64 and i386`);
  const { essential } = values;
  if (essential !== undefined && essential !== "needed" && essential !== "all" && essential !== "none")
    throw new CerebroError("usage", `--essential ${essential}: known are needed, all and none`);
  return {
    args,
    env: Object.fromEntries((values.env ?? []).map((text) => parseVariable(text, process.env))),
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
    progress: progressBar(process.stderr),
    ...(values.workdir !== undefined && { cwd: values.workdir }),
    ...(values.user !== undefined && { user: parseUser(values.user) }),
    ...(values.with && { with: values.with }),
    ...(values.pool && { pools: values.pool }),
    ...(values.mirror && !values.offline && { mirrors: values.mirror }),
    ...(values.exec !== undefined && { exec: values.exec }),
    ...(values.offline && { hostApt: false }),
    ...(values.scripts && { scripts: true }),
    ...(values.refresh && { refresh: true }),
    ...(architecture && { architecture }),
    ...(essential && { essential }),
  };
}

/** Passes signals on, until the program has ended. The second Ctrl-C in two seconds ends a program that ignores the first. */
function passSignals(machine: Machine, program: GuestProcess): () => void {
  const numbers = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1, SIGQUIT: 3, SIGCONT: 18 } as const;
  let last = -Infinity;
  return machine.kernel.host.console.events((event) => {
    if (event === "resize" || event === "SIGTSTP") return;
    if (event === "SIGINT") {
      const now = performance.now();
      if (now - last < 2000) program.kill(9);
      last = now;
    }
    program.interrupt(numbers[event]);
  });
}

/** Runs it to its end; the result is our exit code. `name` is whose translated code is kept together. */
async function complete(
  values: RunValues,
  name: string,
  start: (machine: Machine) => Promise<GuestProcess>,
): Promise<number> {
  if (values.json) speakJson();
  const began = performance.now();
  const host = nodeHost();
  const started: { program?: GuestProcess } = {};
  const console = insisting(host.console, () => started.program?.kill(9));
  const machine = await machineOf(values, name, { ...host, console });
  if (values.trace !== undefined) {
    machine.trace(parseTopics(values.trace), ({ topic, time, pid, tid, text }) =>
      say(`${pid}${tid === pid ? "" : `/${tid}`} ${topic === "syscall" ? "" : `[${topic}] `}${text}`, {
        event: topic,
        time,
        pid,
        tid,
        text,
      }),
    );
  }
  const program = (started.program = await start(machine));
  const ready = performance.now();
  const stopSignals = passSignals(machine, program);
  const stopServing = await (await import("./control.ts")).serve(machine);
  // A program that waits for nothing but a signal leaves the event loop empty, which would end us.
  const alive = setInterval(() => {}, 2 ** 30);
  const exit = await program.exited;
  clearInterval(alive);
  stopSignals();
  stopServing();
  await host.console.flush();
  if (values.json) say("", { event: "exit", ...exit });
  else if (exit.signal && exit.signal !== "SIGPIPE" && exit.signal !== "SIGINT")
    say(`the program was ended by ${exit.signal}`);
  if (values.verbose) {
    const milliseconds = (from: number, to: number) => `${Math.round(to - from)} ms`;
    say(
      `ready after ${milliseconds(began, ready)}, ran ${milliseconds(ready, performance.now())} (${exit.cpuTime.toFixed(2)} s of processor time), ` +
        `at most ${Math.ceil(exit.peakMemory / 2 ** 20)} MiB`,
    );
  }
  machine.dispose();
  return exit.status;
}

/** Ends now: what is left open in the event loop (a terminal that was read, a resolver) must not keep us. */
function leave(code: number): never {
  process.exit(code);
}

const details = `
Without -v the program sees no file of yours, without --allow no network, without -e no variable. FILE is a .deb package, an
ELF program for x86-64 or i386, or a script; a COMMAND is looked for in the packages that --with names, or under --root.

  cerebro run hello_2.10-3_amd64.deb
  cerebro run --with gawk -v "$PWD:/work:ro" -w /work gawk -- -F, '{ s += $2 } END { print s }' data.csv
  cerebro run --trace=syscall --contract memory=64M,deadline=10s ./a.out`;

export const run = command({
  summary: "run a program, a package or a command",
  usage: "[options] FILE|COMMAND [--] [arguments]",
  details,
  options,
  async run(values, [file, ...rest]) {
    if (file === undefined) throw new CerebroError("usage", "run what?", { hint: "cerebro run FILE|COMMAND" });
    const args = rest[0] === "--" ? rest.slice(1) : rest;
    return leave(
      await complete(values, `${file} ${values.exec ?? ""}`, (machine) => machine.run(file, runOptions(values, args))),
    );
  },
});

export const shell = command({
  summary: "a prompt in a root made of packages",
  usage: "[options] [--] [arguments of the shell]",
  details: `
The shell is the first of bash, dash and busybox that the packages bring; bash and coreutils when --with names none.

  cerebro shell --with bash --with coreutils --with jq -v "$PWD:/work" -w /work`,
  options,
  async run(values, args) {
    const wanted = values.with ?? ["bash", "coreutils"];
    return leave(
      await complete(values, "shell", async (machine) => {
        const all = runOptions({ ...values, with: wanted }, args);
        if (values.root === undefined) await machine.install(all);
        const found = ["/bin/bash", "/bin/dash", "/bin/sh", "/bin/busybox"].find((path) => machine.files.stat(path));
        const path = values.exec ?? found;
        if (path === undefined) throw new CerebroError("not-found", "the root has no shell", { hint: "--with bash" });
        const isBusybox = path.endsWith("busybox");
        return machine.start(path, { ...all, ...(isBusybox && { args: ["sh", ...args] }) });
      }),
    );
  },
});
