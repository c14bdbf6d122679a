// `cerebro`: finds the command, loads it, runs it, turns failures into exit codes.

import process from "node:process";
import { CerebroError } from "../base/errors.ts";
import { describe, parse } from "./arguments.ts";
import { codeOf, complain, type Command, exitCode, print } from "./command.ts";

/** Every command, in the order of the help. */
const commands: Readonly<Record<string, { summary: string; load: () => Promise<Command> }>> = {
  run: {
    summary: "run a program, a package or a command (the default)",
    load: async () => (await import("./run.ts")).run as unknown as Command,
  },
  shell: {
    summary: "a prompt in a root made of packages",
    load: async () => (await import("./run.ts")).shell as unknown as Command,
  },
  inspect: {
    summary: "tell what a file is and what it needs",
    load: async () => (await import("./inspect.ts")).inspect as unknown as Command,
  },
  compat: {
    summary: "list what is supported, or what a file would miss",
    load: async () => (await import("./compat.ts")).compat as unknown as Command,
  },
  model: {
    summary: "show, run, time and verify models",
    load: async () => (await import("./model.ts")).model as unknown as Command,
  },
  device: {
    summary: "settings of a running machine's model device",
    load: async () => (await import("./device.ts")).device as unknown as Command,
  },
  ps: {
    summary: "list the processes of running machines",
    load: async () => (await import("./monitor.ts")).ps as unknown as Command,
  },
  top: {
    summary: "watch the processes of running machines",
    load: async () => (await import("./monitor.ts")).top as unknown as Command,
  },
  kill: {
    summary: "send a signal to a process of a running machine",
    load: async () => (await import("./monitor.ts")).kill as unknown as Command,
  },
};

function overview(): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length)) + 2;
  const rows = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(width)}${summary}`);
  return `Cerebro runs Linux programs and Debian packages in Node: no virtual machine, no root, nothing to install.

  cerebro [run] [options] FILE|COMMAND [-- arguments]
  cerebro COMMAND [options] …

Commands:
${rows.join("\n")}

Examples:
  cerebro run hello_2.10-3_amd64.deb           a package; what it depends on is found, verified and cached
  cerebro ./a.out one two                      a program of your own, with two arguments
  cerebro run -v "$PWD:/work" -w /work ./tool  with a directory of yours; nothing else of yours is visible
  cerebro run --with jq -- jq .name < a.json   a command from a package by name
  cerebro shell --with bash --with coreutils   a prompt

Options before FILE are ours, everything after it is the program's. \`cerebro COMMAND --help\` lists the options.
The program's exit status is ours; 128 + n when signal n ended it; 125 is our own failure, 126 cannot be run,
127 not found.
`;
}

function help(name: string, { usage, summary, details, options }: Command): string {
  const more = details ? `\n${details.trim()}\n` : "";
  return `cerebro ${name}: ${summary}\n\n  cerebro ${name} ${usage}\n\nOptions:\n${describe(options)}\n${more}`;
}

async function main(words: readonly string[]): Promise<number> {
  const [first, ...rest] = words;
  if (first === undefined || first === "--help" || first === "-h" || first === "help") {
    const named = first === "help" && rest[0] !== undefined ? commands[rest[0]] : undefined;
    print(named ? help(rest[0]!, await named.load()) : overview());
    return first === undefined ? exitCode.failure : 0;
  }
  if (first === "--version") {
    const { version } = await import("./version.ts");
    print(`cerebro ${version}`);
    return 0;
  }
  const chosen = Object.hasOwn(commands, first) ? first : "run";
  const command = await commands[chosen]!.load();
  const table = { ...command.options, help: { help: "shows this" } };
  const { values, rest: operands } = parse(table, Object.hasOwn(commands, first) ? rest : words);
  if (values.help) {
    print(help(chosen, command));
    return 0;
  }
  return command.run(values as never, operands);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  complain(error instanceof RangeError ? new CerebroError("limit", error.message, { cause: error }) : error);
  process.exitCode = codeOf(error);
}
