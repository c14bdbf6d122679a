// How a system call is written: one exported row with its numbers, argument kinds and handler. Dispatch, --trace=syscall,
// `cerebro compat` and docs/generated all read the same rows.

import type { Task } from "../kernel/task.ts";
import type { Wait } from "../kernel/wait.ts";

/** One argument: how it is taken from its register and how the trace shows it. */
export interface Kind<T> {
  /** From the register's low and high 32 bits (high is 0 for i386). Throws EFAULT or EINVAL for impossible values. */
  decode(task: Task, low: number, high: number): T;
  show(task: Task, low: number, high: number): string;
}

export interface Numbers {
  /** Number on x86-64; absent when that architecture lacks the call. */
  readonly x86_64?: number;
  readonly i386?: number;
}

/** Result of a handler: the return value (undefined is 0), or a wait for it. */
export type Result = number | void | Wait<number>;

/** Returned by a handler that has set the registers itself, such as rt_sigreturn and execve. */
export const noResult: number = Number.NaN;

type Values<K extends readonly Kind<unknown>[]> = { [I in keyof K]: K[I] extends Kind<infer T> ? T : never };

export interface SystemCall {
  readonly supported: true;
  readonly numbers: Numbers;
  readonly kinds: readonly Kind<unknown>[];
  readonly handler: (task: Task, ...values: never[]) => Result;
  /** How the trace shows the result. */
  readonly result: "number" | "address" | "none";
}

export interface UnsupportedCall {
  readonly supported: false;
  readonly numbers: Numbers;
  readonly why: string;
  /** Programs try it and do well without: not worth a word to the user. */
  readonly quiet: boolean;
}

/** A system call: its export's name is its name. */
export function syscall<const K extends readonly Kind<unknown>[]>(
  numbers: Numbers,
  kinds: K,
  handler: (task: Task, ...values: Values<K>) => Result,
  result: SystemCall["result"] = "number",
): SystemCall {
  return { supported: true, numbers, kinds, handler: handler as SystemCall["handler"], result };
}

/** A call that fails with ENOSYS, once logged with its name and reason. */
export function unsupported(
  numbers: Numbers,
  why: string,
  options: { readonly quiet?: boolean } = {},
): UnsupportedCall {
  return { supported: false, numbers, why, quiet: options.quiet ?? false };
}

/** The rows of one or more modules, by name. */
export type CallModule = Readonly<Record<string, SystemCall | UnsupportedCall>>;
