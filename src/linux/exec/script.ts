// Scripts: a first line "#!interpreter argument" (execve(2), "Interpreter scripts").

import { parseShebang, shebangSize } from "../../formats/shebang.ts";
import { ENOEXEC } from "../../kernel/errno.ts";
import type { ProgramHandler } from "../../kernel/personality.ts";
import { execute, openProgram, readAt } from "../../kernel/program.ts";
import { encodeName } from "../../kernel/vfs/names.ts";
import { walk } from "../../kernel/vfs/walk.ts";

export const script: ProgramHandler = {
  name: "script",
  matches: (head) => head[0] === 0x23 && head[1] === 0x21,
  execute(task, program) {
    const { process } = task;
    const file = openProgram(process, program.path);
    const line = parseShebang(readAt(file, 0, shebangSize));
    file.release();
    if (!line) throw ENOEXEC;
    const { interpreter: name, argument } = line;
    const prefix = argument === undefined ? [name] : [name, argument];
    execute(task, {
      path: walk(process, process.fs.cwd, name),
      name,
      arguments: [...[...prefix, program.name].map(encodeName), ...program.arguments.slice(1)],
      environment: program.environment,
      depth: program.depth + 1,
    });
  },
};
