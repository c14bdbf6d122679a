// Maintainer scripts of packages, run in the machine one after another as dpkg would run them.

import { latin1 } from "../base/text.ts";
import type { MaintainerCommand } from "../packages/maintainer.ts";
import type { Timers } from "../host/host.ts";
import type { RunOptions } from "./options.ts";
import type { GuestProcess } from "./process.ts";
import type { Output } from "./streams.ts";

/** How long output is waited for after a script has ended: something it started may keep the pipe open for good. */
const grace = 200;
/** As much of a failed script's last words is told. */
const lastWords = 500;

export interface ScriptRunner {
  start(program: string, options: RunOptions): GuestProcess;
}

/** Runs the scripts. A failure is told and does not end the others: dpkg too would leave the package half-configured. */
export async function runScripts(
  machine: ScriptRunner,
  timers: Timers,
  scripts: readonly MaintainerCommand[],
  tell: (message: string) => void,
): Promise<void> {
  for (const { package: name, path, args, environment } of scripts) {
    const run = machine.start(path, { args, env: environment, stdin: "empty", stdout: "pipe", stderr: "pipe" });
    const words: string[] = [];
    const reading = Promise.all([collect(run.stdout, words), collect(run.stderr, words)]);
    const { status } = await run.exited;
    await Promise.race([reading, new Promise<void>((resolve) => void timers.after(grace, resolve))]);
    run.stdout.cancel();
    run.stderr.cancel();
    if (status === 0) continue;
    const script = path.slice(path.lastIndexOf(".") + 1);
    tell(`${script} of ${name} ended with ${status}: ${words.join("").trim().slice(-lastWords)}`);
  }
}

async function collect(output: Output, into: string[]): Promise<void> {
  for await (const part of output) into.push(latin1(part));
}
