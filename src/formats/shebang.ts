// The first line of a script: which interpreter runs it. Source: execve(2), "Interpreter scripts", and fs/binfmt_script.c's rules.

import { decodeName } from "../base/text.ts";

/** Linux looks at no more than this (BINPRM_BUF_SIZE). */
export const shebangSize = 256;

export interface Shebang {
  interpreter: string;
  /** Everything after the interpreter, as one argument. */
  argument: string | undefined;
}

/** Reads "#!interpreter argument"; undefined when it is none, or when the interpreter's path does not end in the first 256 bytes. */
export function parseShebang(bytes: Uint8Array): Shebang | undefined {
  if (bytes[0] !== 0x23 || bytes[1] !== 0x21) return undefined;
  const newline = bytes.subarray(0, shebangSize).findIndex((byte) => byte === 0x0a || byte === 0);
  // Without a line's end in the head its last byte is lost, and the interpreter's own name has to have ended before.
  const line = decodeName(bytes.subarray(2, newline < 0 ? shebangSize - 1 : newline)).replace(/^[ \t]+/, "");
  const [, interpreter, rest] = /^([^ \t]*)(.*)$/s.exec(line)!;
  if (!interpreter) return undefined;
  if (newline < 0 && bytes.length >= shebangSize && rest === "") return undefined;
  const argument = rest!.replace(/^[ \t]+|[ \t]+$/g, "");
  return { interpreter, argument: argument === "" ? undefined : argument };
}
