// The door of a running machine for `cerebro ps`, `top`, `kill` and `device`: a UNIX socket in the user's runtime directory that only the
// user may open. One line of JSON each way.

import { chmodSync, mkdirSync, readdirSync, unlinkSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { CerebroError, messageOf } from "../base/errors.ts";
import type { Machine, ProcessInfo } from "../machine/index.ts";

/** What is asked of a machine. */
export type Request =
  | { readonly ask: "processes" }
  | { readonly ask: "kill"; readonly pid: number; readonly signal: number }
  | { readonly ask: "device"; readonly set?: readonly [name: string, value: string] };

/** What it answers. */
export interface Answer {
  readonly processes?: readonly ProcessInfo[];
  /** Settings and readings of the model device. */
  readonly device?: readonly (readonly [name: string, text: string])[];
  readonly error?: string;
}

const longestLine = 4096;
const patience = 2000;

/** Where the sockets are: one a machine, named by the pid of its Node process. */
export function socketDirectory(): string {
  const runtime = process.env["XDG_RUNTIME_DIR"];
  return runtime ? join(runtime, "cerebro") : join(tmpdir(), `cerebro-${userInfo().uid}`);
}

function answer(machine: Machine, line: string): Answer {
  try {
    const request = JSON.parse(line) as Request;
    if (request.ask === "kill") machine.kill(request.pid, request.signal);
    if (request.ask === "device") {
      if (request.set) machine.setDevice(...request.set);
      return { device: [...machine.device] };
    }
    return { processes: machine.processes() };
  } catch (error) {
    return { error: messageOf(error) };
  }
}

/** Answers until the returned function is called. A machine without a socket runs all the same. */
export async function serve(machine: Machine): Promise<() => void> {
  const directory = socketDirectory();
  const path = join(directory, `${process.pid}.sock`);
  const server = createServer((socket) => {
    let text = "";
    socket.on("error", () => socket.destroy());
    socket.setEncoding("utf8");
    socket.on("data", (part: string) => {
      text += part;
      const end = text.indexOf("\n");
      if (end >= 0) socket.end(`${JSON.stringify(answer(machine, text.slice(0, end)))}\n`);
      else if (text.length > longestLine) socket.destroy();
    });
  });
  const stop = () => {
    server.close();
    try {
      unlinkSync(path);
    } catch {
      // Gone already.
    }
  };
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(path, resolve);
    });
    chmodSync(path, 0o600);
    server.unref();
  } catch {
    return () => {};
  }
  return stop;
}

/** Asks one machine. Undefined when nobody answers there, which is what a machine that was killed leaves. */
export function ask(host: number, request: Request): Promise<Answer | undefined> {
  return new Promise((resolve) => {
    const socket = connect(join(socketDirectory(), `${host}.sock`));
    let text = "";
    socket.setTimeout(patience, () => socket.destroy());
    socket.setEncoding("utf8");
    socket.on("connect", () => socket.write(`${JSON.stringify(request)}\n`));
    socket.on("data", (part: string) => (text += part));
    socket.on("error", () => resolve(undefined));
    socket.on("close", () => {
      try {
        resolve(JSON.parse(text) as Answer);
      } catch {
        resolve(undefined);
      }
    });
  });
}

/** The Node processes that have a machine's socket. */
export function machines(): number[] {
  try {
    return readdirSync(socketDirectory())
      .flatMap((name) => (/^\d+\.sock$/.test(name) ? [Number.parseInt(name, 10)] : []))
      .sort((a, b) => a - b);
  } catch {
    return [];
  }
}

/** The machine that is meant when none is named: the only one. Throws CerebroError "usage". */
export async function onlyMachine(named: string | undefined): Promise<number> {
  // A machine that was killed leaves its socket.
  const living = named === undefined ? [...(await askAll()).keys()] : [Number(named)];
  if (living.length === 1) return living[0]!;
  const problem = living.length === 0 ? "no machine is running" : `${living.length} machines are running`;
  throw new CerebroError("usage", problem, { hint: "name it as `cerebro ps` does" });
}

/** The answers of all machines that live. */
export async function askAll(): Promise<Map<number, readonly ProcessInfo[]>> {
  const found = new Map<number, readonly ProcessInfo[]>();
  for (const host of machines()) {
    const { processes, error } = (await ask(host, { ask: "processes" })) ?? {};
    if (error !== undefined) throw new CerebroError("host", `machine ${host}: ${error}`);
    if (processes) found.set(host, processes);
  }
  return found;
}
