// `cerebro device ls|get|set`: the model device of a running machine.

import { CerebroError } from "../base/errors.ts";
import { parseAnywhere } from "./model/options.ts";
import { command, print } from "./command.ts";
import { ask, onlyMachine } from "./control.ts";

const options = {
  machine: { value: "MACHINE", help: "which one, when several are running" },
  json: { help: "prints JSON" },
} as const;

export const device = command({
  summary: "settings of a running machine's model device",
  usage: "ls | get NAME | set NAME VALUE",
  details:
    "The names are those of /sys/class/cerebro/cerebro0 in the machine: model_path, preprocessing, postprocessing, threads,\nbackend, cache_size, and the readings models, stats, version.",
  options,
  async run(before, words) {
    const [after, [action, name, value, ...more]] = parseAnywhere(options, words);
    const { machine, json } = { ...before, ...after };
    const needed = { ls: [false, false], get: [true, false], set: [true, true] }[action ?? ""];
    const given = [name !== undefined, value !== undefined];
    if (!needed || more.length > 0 || given.some((has, i) => has !== needed[i])) {
      throw new CerebroError("usage", "usage: cerebro device ls | get NAME | set NAME VALUE");
    }
    const host = await onlyMachine(machine);
    const answer = await ask(host, { ask: "device", ...(value !== undefined && { set: [name!, value] as const }) });
    if (!answer) throw new CerebroError("not-found", `machine ${host} does not answer`);
    if (answer.error !== undefined || !answer.device) throw new CerebroError("usage", answer.error ?? "no answer");
    const texts = new Map(answer.device);
    if (action === "ls") {
      if (json) print(JSON.stringify(Object.fromEntries(texts)));
      else for (const [key, text] of texts) print(`${key.padEnd(16)}${text.replaceAll("\n", ", ")}`);
    } else if (action === "get") {
      const text = texts.get(name!);
      if (text === undefined) throw new CerebroError("not-found", `no setting is called ${name}`);
      print(json ? JSON.stringify(text) : text);
    }
    return 0;
  },
});
