// Why a file that is there cannot be started: the interpreter that it names is not.

import { CerebroError, FormatError } from "../base/errors.ts";
import { isElf, parseElf } from "../formats/elf.ts";
import { parseShebang } from "../formats/shebang.ts";
import type { GuestFiles } from "./files.ts";

/** Debian's packages of common interpreters, by the beginning of their names. */
const packages: readonly (readonly [name: string, owner: string])[] = [
  ["ld-linux", "libc6"],
  ["ld-musl", "musl"],
  ["env", "coreutils"],
  ["sh", "dash"],
  ["python3", "python3"],
  ["perl", "perl-base"],
  ["awk", "mawk"],
];

/** The interpreter of a script or a dynamic program. */
function interpreterOf(bytes: Uint8Array): string | undefined {
  try {
    return isElf(bytes) ? parseElf(bytes).interpreter : parseShebang(bytes)?.interpreter;
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

/** The error for a program at `path` whose interpreter is missing; undefined when that is not the reason. */
export function missingInterpreter(files: GuestFiles, path: string, shown: string): CerebroError | undefined {
  if (files.stat(path)?.type !== "file") return undefined;
  const interpreter = interpreterOf(files.read(path));
  if (interpreter === undefined || files.stat(interpreter)) return undefined;
  const name = interpreter.slice(interpreter.lastIndexOf("/") + 1);
  const owner = packages.find(([start]) => name.startsWith(start))?.[1] ?? name;
  return new CerebroError("not-found", `${shown}: needs ${interpreter}, which is not in the root`, {
    hint: `--with ${owner} brings it`,
  });
}
