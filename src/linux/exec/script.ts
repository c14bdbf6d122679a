// Scripts: a first line "#!interpreter argument" (execve(2), "Interpreter scripts").

import { ENOEXEC } from "../../kernel/errno.ts";
import type { ProgramHandler } from "../../kernel/personality.ts";
import { execute, openProgram, readAt } from "../../kernel/program.ts";
import { decodeName, encodeName } from "../../kernel/vfs/names.ts";
import { walk } from "../../kernel/vfs/walk.ts";

/** Longest first line that Linux reads (BINPRM_BUF_SIZE). */
const lineLimit = 255;
const blank = (byte: number | undefined) => byte === 0x20 || byte === 0x09;

/** The interpreter and its one argument. Throws ENOEXEC. */
export function parseShebang(head: Uint8Array): { interpreter: Uint8Array; argument: Uint8Array | undefined } {
  const line = head.subarray(2, Math.min(head.length, lineLimit + 1));
  let end = line.findIndex((byte) => byte === 0x0a || byte === 0);
  if (end < 0) {
    // A line cut off within the interpreter's name would run another program.
    end = line.length;
    let at = 0;
    while (blank(line[at])) at++;
    while (at < end && !blank(line[at])) at++;
    if (at >= end && head.length > lineLimit) throw ENOEXEC;
  }
  let start = 0;
  while (start < end && blank(line[start])) start++;
  while (end > start && blank(line[end - 1])) end--;
  if (start === end) throw ENOEXEC;
  let stop = start;
  while (stop < end && !blank(line[stop])) stop++;
  const interpreter = line.slice(start, stop);
  let rest = stop;
  while (rest < end && blank(line[rest])) rest++;
  return { interpreter, argument: rest < end ? line.slice(rest, end) : undefined };
}

export const script: ProgramHandler = {
  name: "script",
  matches: (head) => head[0] === 0x23 && head[1] === 0x21,
  execute(task, program) {
    const { process } = task;
    const file = openProgram(process, program.path);
    const head = readAt(file, 0, lineLimit + 1);
    file.release();
    const { interpreter, argument } = parseShebang(head);
    const name = decodeName(interpreter);
    const prefix = argument ? [interpreter, argument] : [interpreter];
    execute(task, {
      path: walk(process, process.fs.cwd, name),
      name,
      arguments: [...prefix, encodeName(program.name), ...program.arguments.slice(1)],
      environment: program.environment,
      depth: program.depth + 1,
    });
  },
};
