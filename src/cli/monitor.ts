// `cerebro ps`, `top` and `kill`: the processes of running machines.

import process from "node:process";
import { CerebroError } from "../base/errors.ts";
import type { ProcessInfo } from "../machine/index.ts";
import { command, print } from "./command.ts";
import { ask, askAll, onlyMachine } from "./control.ts";

type Machines = ReadonlyMap<number, readonly ProcessInfo[]>;

const states = { running: "R", waiting: "S", stopped: "T", zombie: "Z" } as const;

function table(found: Machines, share?: (machine: number, info: ProcessInfo) => number): string {
  const rows = [["MACHINE", "PID", "PPID", "UID", "S", "THR", ...(share ? ["%CPU"] : []), "TIME", "MIB", "COMMAND"]];
  for (const [machine, processes] of found)
    for (const info of processes) {
      const time = `${Math.floor(info.cpuTime / 60)}:${(info.cpuTime % 60).toFixed(2).padStart(5, "0")}`;
      rows.push([
        ...[machine, info.pid, info.parent, info.user].map(String),
        states[info.state],
        String(info.threads),
        ...(share ? [share(machine, info).toFixed(1)] : []),
        time,
        (info.memory / 2 ** 20).toFixed(1),
        info.command,
      ]);
    }
  const last = rows[0]!.length - 1;
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]) =>
    row.map((cell, column) => (column === last ? cell : cell.padStart(widths[column]!))).join("  ");
  return rows.map(line).join("\n");
}

export const ps = command({
  summary: "list the processes of running machines",
  usage: "[--json]",
  options: { json: { help: "prints JSON" } },
  async run({ json }) {
    const found = await askAll();
    if (json)
      print(
        JSON.stringify(
          [...found].map(([machine, processes]) => ({ machine, processes })),
          undefined,
          2,
        ),
      );
    else print(table(found));
    return 0;
  },
});

export const top = command({
  summary: "watch the processes of running machines",
  usage: "[--every SECONDS]",
  options: { every: { value: "SECONDS", help: "time between looks (2)" } },
  async run({ every = "2" }) {
    const pause = Number(every) * 1000;
    if (!(pause >= 100)) throw new CerebroError("usage", `--every ${every}: at least 0.1 seconds`);
    const before = new Map<string, number>();
    let looked = performance.now();
    for (;;) {
      const found = await askAll();
      const now = performance.now();
      const share = (machine: number, { pid, cpuTime }: ProcessInfo) => {
        const used = cpuTime - (before.get(`${machine}/${pid}`) ?? cpuTime);
        return (used / Math.max((now - looked) / 1000, 0.001)) * 100;
      };
      const text = table(found, share);
      process.stdout.write(process.stdout.isTTY ? `\x1b[H\x1b[2J${text}\n` : `${text}\n\n`);
      before.clear();
      for (const [machine, processes] of found)
        for (const { pid, cpuTime } of processes) before.set(`${machine}/${pid}`, cpuTime);
      looked = now;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  },
});

const signals: Readonly<Record<string, number>> = {
  HUP: 1, INT: 2, QUIT: 3, KILL: 9, USR1: 10, SEGV: 11, USR2: 12, PIPE: 13, ALRM: 14, TERM: 15, CONT: 18, STOP: 19, TSTP: 20,
}; // prettier-ignore

function signalOf(text: string): number {
  const named = signals[text.toUpperCase().replace(/^SIG/, "")];
  const numbered = /^\d+$/.test(text) ? Number(text) : undefined;
  const signal = named ?? numbered;
  if (signal === undefined || signal < 1 || signal > 64)
    throw new CerebroError("usage", `${text}: no signal`, { hint: `names are ${Object.keys(signals).join(", ")}` });
  return signal;
}

export const kill = command({
  summary: "send a signal to a process of a running machine",
  usage: "[-s SIGNAL] [MACHINE/]PID…",
  options: { signal: { value: "SIGNAL", short: "s", help: "name or number (TERM)" } },
  async run({ signal = "TERM" }, targets) {
    const number = signalOf(signal);
    if (targets.length === 0) throw new CerebroError("usage", "kill which process?", { hint: "cerebro ps lists them" });
    for (const target of targets) {
      const [, machine, pid] = /^(?:(\d+)\/)?(\d+)$/.exec(target) ?? [];
      if (pid === undefined) throw new CerebroError("usage", `${target}: not PID or MACHINE/PID`);
      const host = await onlyMachine(machine);
      const answer = await ask(host, { ask: "kill", pid: Number(pid), signal: number });
      if (!answer) throw new CerebroError("not-found", `machine ${host} does not answer`);
      if (answer.error !== undefined) throw new CerebroError("not-found", answer.error);
    }
    return 0;
  },
});
