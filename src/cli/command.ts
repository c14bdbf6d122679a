// What a command of the command line is, and how our own words reach the user.

import process from "node:process";
import { CerebroError, messageOf } from "../base/errors.ts";
import type { Options, Values } from "./arguments.ts";

/** One of `cerebro NAME`: its module is loaded when it is called. */
export interface Command<T extends Options = Options> {
  readonly summary: string;
  /** What follows the name in the usage line. */
  readonly usage: string;
  /** More help: examples, notes. */
  readonly details?: string;
  readonly options: T;
  /** Does it; the result is the exit code. */
  run(values: Values<T>, rest: readonly string[]): Promise<number>;
}

/** Lets the types of options flow into `run`. */
export function command<const T extends Options>(definition: Command<T>): Command<T> {
  return definition;
}

/** Exit codes of our own, as env(1) and podman-run(1) have them. */
export const exitCode = { failure: 125, notRunnable: 126, notFound: 127, signal: 128 } as const;

export function codeOf(error: unknown): number {
  if (!(error instanceof CerebroError)) return exitCode.failure;
  if (error.code === "not-runnable") return exitCode.notRunnable;
  return error.code === "not-found" ? exitCode.notFound : exitCode.failure;
}

let asJson = false;

/** From now on our own words are lines of JSON. */
export function speakJson(): void {
  asJson = true;
}

/** Says something to the user, on stderr. */
export function say(text: string, event: Readonly<Record<string, unknown>> = { event: "message", text }): void {
  process.stderr.write(asJson ? `${JSON.stringify(event)}\n` : `cerebro: ${text}\n`);
}

/** Tells of a failure: what happened, and what to try. */
export function complain(error: unknown): void {
  const hint = error instanceof CerebroError ? error.hint : undefined;
  const code = error instanceof CerebroError ? error.code : "internal";
  say(`${messageOf(error)}${hint ? `\n  ${hint}` : ""}`, { event: "error", code, message: messageOf(error), hint });
  if (!(error instanceof CerebroError) && error instanceof Error && process.env["CEREBRO_DEBUG"])
    process.stderr.write(`${error.stack}\n`);
}

/** Prints a result on stdout: JSON when asked for. */
export function print(text: string): void {
  process.stdout.write(text.endsWith("\n") ? text : `${text}\n`);
}
