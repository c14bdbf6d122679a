// `cerebro model run FILE`: runs a model once on what the user gives, and shows the answer.

import { writeFileSync } from "node:fs";
import { CerebroError } from "../../base/errors.ts";
import { nested, outcomeJson, outcomeText } from "../../bridge/present.ts";
import type { Tensor } from "../../engine/hlo/tensor.ts";
import { npyOfTensor } from "../../engine/import/arrays.ts";
import type { Model, Signature, Tensors } from "../../engine/model.ts";
import type { Item, StepContext } from "../../engine/steps/step.ts";
import { print, say } from "../command.ts";
import { readUserFile } from "../inspect.ts";
import { readInput } from "./files.ts";
import { modelCommand, onlyFile, openModel, runOptions, sessionOptions } from "./options.ts";
import { runTask, taskOptions } from "./task.ts";

/** "name=value" words; a word without a known name is for the only input. */
function assignments(words: readonly string[], signature: Signature): Map<string, string> {
  const names = signature.inputs.map(({ name }) => name);
  return new Map(
    words.map((word) => {
      const name = names.find((each) => word.startsWith(`${each}=`));
      if (name !== undefined) return [name, word.slice(name.length + 1)];
      const [only, ...others] = names;
      const value = word.replace(/^\w*=/, "");
      if (only !== undefined && others.length === 0) return [only, value];
      throw new CerebroError("usage", `--input ${word}: which input?`, { hint: `inputs are ${names.join(", ")}` });
    }),
  );
}

/** Files that steps name: the user's, or what comes with the model. */
function contextOf(model: Model): StepContext {
  return { file: (path) => model.attachments.get(path) ?? readUserFile(path) };
}

async function inputTensors(
  signature: Signature,
  given: ReadonlyMap<string, string>,
  options: { preprocess: string | undefined; model: Model },
): Promise<Tensors> {
  const { before, runBefore, stepsFor } = await import("../../engine/steps/before.ts");
  const { parseSteps } = await import("../../engine/steps/step.ts");
  const found: Record<string, Tensor> = {};
  for (const port of signature.inputs) {
    const value = given.get(port.name);
    if (value === undefined)
      throw new CerebroError("usage", `input ${port.name} is missing`, { hint: `--input ${port.name}=FILE` });
    const item: Item = await readInput(value, port);
    const text = options.preprocess ?? stepsFor(item, port);
    if (options.preprocess === undefined && text !== "") say(`preprocessing of ${port.name}: ${text}`);
    found[port.name] = runBefore(item, parseSteps(text, before), { ...contextOf(options.model), port });
  }
  return found;
}

export const run = modelCommand({
  summary: "run a model on a picture, sound, text or numbers",
  usage: "FILE --input [NAME=]FILE|JSON|TEXT… [options]",
  options: {
    input: {
      value: "NAME=VALUE",
      short: "i",
      repeat: true,
      help: "a file (.png .jpg .wav .npy .json .txt), JSON or text",
    },
    output: { value: "NAME=FILE", short: "o", repeat: true, help: "writes an output as .npy or .json" },
    preprocess: {
      value: "STEPS",
      help: 'what is done to inputs: "resize size=96x96 | normalise range=-1..1", or none',
    },
    postprocess: { value: "STEPS", help: 'what is done with outputs: "softmax | top-k k=5 labels=FILE"' },
    top: { value: "K", help: "the K best classes" },
    labels: { value: "FILE", help: "names of the classes, one a line" },
    ...taskOptions,
    ...runOptions,
    json: { help: "prints JSON" },
  },
  async run(values, words) {
    const { model } = await openModel(onlyFile(words, "run"));
    const { needSupported, Session } = await import("../../engine/session.ts");
    const session = new Session(model, sessionOptions(values));
    try {
      if (values.task !== undefined) {
        await runTask(session, values);
        return 0;
      }
      const signature = session.signature(values.signature);
      if (signature === model.signatures[0]) needSupported(model);
      const given = assignments(values.input ?? [], signature);
      const inputs = await inputTensors(signature, given, { preprocess: values.preprocess, model });
      const tensors = session.run(inputs, { signature: signature.name });
      const { after, runAfter } = await import("../../engine/steps/after.ts");
      const { parseSteps } = await import("../../engine/steps/step.ts");
      const labels = values.labels === undefined ? "" : ` labels=${values.labels}`;
      const usual = values.top === undefined ? "" : `dequantise | top-k k=${values.top}${labels}`;
      const steps = parseSteps(values.postprocess ?? usual, after);
      const outcome = runAfter(tensors, steps, { ...contextOf(model), outputs: signature.outputs });
      for (const word of values.output ?? []) writeOutput(word, outcome.tensors);
      print(values.json ? outcomeJson(outcome) : outcomeText(outcome));
      return 0;
    } finally {
      session.dispose();
    }
  },
});

function writeOutput(word: string, tensors: Tensors): void {
  const [first] = Object.keys(tensors);
  const at = word.indexOf("=");
  const [name, file] = at < 0 ? [first ?? "", word] : [word.slice(0, at), word.slice(at + 1)];
  const tensor = tensors[name];
  if (!tensor) throw new CerebroError("usage", `--output ${word}: no output is called ${name}`);
  writeFileSync(file, file.endsWith(".json") ? JSON.stringify(nested(tensor)) : npyOfTensor(tensor));
}
