// `cerebro model show|run|bench|verify FILE`: finds the command; its options may stand before and after the file.

import { CerebroError } from "../base/errors.ts";
import { describe } from "./arguments.ts";
import { command, print } from "./command.ts";
import { type ModelCommand, parseAnywhere } from "./model/options.ts";

const commands: Readonly<Record<string, { summary: string; load: () => Promise<ModelCommand> }>> = {
  show: {
    summary: "what a model takes, gives and needs",
    load: async () => (await import("./model/show.ts")).show as unknown as ModelCommand,
  },
  run: {
    summary: "run a model on a picture, sound, text or numbers",
    load: async () => (await import("./model/run.ts")).run as unknown as ModelCommand,
  },
  bench: {
    summary: "how long a model takes to load, compile and run",
    load: async () => (await import("./model/bench.ts")).bench as unknown as ModelCommand,
  },
  verify: {
    summary: "compare a model's outputs with recorded ones",
    load: async () => (await import("./model/verify.ts")).verify as unknown as ModelCommand,
  },
};

const rows = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(8)} ${summary}`);

export const model = command({
  summary: "show, run, time and verify models",
  usage: "show|run|bench|verify FILE [options]",
  details: `Commands:
${rows.join("\n")}

\`cerebro model COMMAND --help\` lists the options. FILE is a TensorFlow SavedModel, frozen graph, checkpoint or .tflite, a
Keras .keras or .h5, a TensorFlow.js model, a jax.export artifact, StableHLO, or a directory of weights with config.json.`,
  options: {},
  async run(_values, [name, ...words]) {
    const chosen = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (!chosen)
      throw new CerebroError("usage", `model ${name ?? ""}: commands are ${Object.keys(commands).join(", ")}`);
    const found = await chosen.load();
    const [values, operands] = parseAnywhere({ ...found.options, help: { help: "shows this" } }, words);
    if (values.help) {
      print(
        `cerebro model ${name}: ${found.summary}\n\n  cerebro model ${name} ${found.usage}\n\nOptions:\n${describe(found.options)}\n`,
      );
      return 0;
    }
    return found.run(values as never, operands);
  },
});
