// Tasks by name: what the command line and the device call with a text.

import { CerebroError } from "../../../base/errors.ts";
import { isObject } from "../../../base/json.ts";
import type { TaskName, TransformerModel } from "../../import/transformer/contract.ts";
import type { Session } from "../../session.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { generate, type GenerateOptions } from "./generation.ts";
import { TextModel } from "./textmodel.ts";
import { type Aggregation, answer, classify, embed, type EmbedOptions, fillMask, tag } from "./understanding.ts";

export interface TaskInput {
  readonly text: string;
  /** The text that a question is about; the second of two texts that are classified together. */
  readonly context?: string;
}

export interface TaskOptions extends GenerateOptions, EmbedOptions {
  /** How many results. */
  readonly top?: number;
  readonly aggregation?: Aggregation;
  /** For translations: names of languages, "English" and "German". */
  readonly from?: string;
  readonly to?: string;
}

interface TaskRow {
  readonly summary: string;
  /** What models of these kinds are for. */
  readonly models: readonly TaskName[];
  run(model: TextModel, input: TaskInput, options: TaskOptions): unknown;
}

/** Words that a model wants before its text: "summarize: ". Source: task_specific_params of config.json. */
function prefixOf({ config }: TransformerModel, matches: (name: string) => boolean): string | undefined {
  const all = config["task_specific_params"];
  if (!isObject(all)) return undefined;
  const entry = Object.entries(all).find(([name]) => matches(name))?.[1];
  return isObject(entry) && typeof entry["prefix"] === "string" ? entry["prefix"] : undefined;
}

const textOrPair = ({ text, context }: TaskInput) => (context === undefined ? text : ([text, context] as const));

/** Every task. */
export const tasks = {
  classify: {
    summary: "classes of a text",
    models: ["sequence-classification"],
    run: (model, input, options) => classify(model, textOrPair(input), options),
  },
  ner: {
    summary: "names and other tagged parts of a text",
    models: ["token-classification"],
    run: (model, { text }, options) => tag(model, text, options),
  },
  qa: {
    summary: "the part of a context that answers a question",
    models: ["question-answering"],
    run(model, { text, context }, options) {
      if (context === undefined) throw new CerebroError("usage", "task qa: needs a context beside the question");
      return answer(model, text, context, options);
    },
  },
  "fill-mask": {
    summary: "words that are missing in a text",
    models: ["masked-lm"],
    run: (model, { text }, options) => fillMask(model, text, options),
  },
  embed: {
    summary: "a text as a vector",
    models: ["sentence-embedding", "features"],
    run: (model, { text }, options) => Array.from(embed(model, [text], options)[0]!),
  },
  summarize: {
    summary: "a shorter text",
    models: ["text-to-text"],
    run: (model, { text }, options) =>
      generate(model, (prefixOf(model.model, (name) => name.startsWith("summarization")) ?? "") + text, options),
  },
  translate: {
    summary: "a text in another language",
    models: ["text-to-text"],
    run(model, { text }, options) {
      const { from, to } = options;
      const prefix =
        from !== undefined && to !== undefined
          ? `translate ${from} to ${to}: `
          : prefixOf(model.model, (name) => name.startsWith("translation"));
      return generate(model, (prefix ?? "") + text, options);
    },
  },
  "text-generation": {
    summary: "goes on from a text",
    models: ["text-generation", "text-to-text"],
    run: (model, { text }, options) => generate(model, text, options),
  },
} as const satisfies Record<string, TaskRow>;

export type TextTask = keyof typeof tasks;

/** What a model is made for; undefined when it is no task of texts. */
export function usualTask(model: TransformerModel): TextTask | undefined {
  const names = Object.keys(tasks) as TextTask[];
  const rows: Record<TextTask, TaskRow> = tasks;
  const made = model.task.name === "text-to-text" ? "text-generation" : undefined;
  return made ?? names.find((name) => rows[name].models.includes(model.task.name));
}

export interface Task {
  readonly name: TextTask;
  readonly model: TextModel;
  /** Its result as the functions of this folder give it: plain data. */
  run(input: string | TaskInput, options?: TaskOptions): unknown;
}

/** A task for a model that is loaded; the one that it was made for when no name is given. Throws CerebroError "usage". */
export function createTask(
  name: string | undefined,
  session: Session,
  { tokenizer }: { tokenizer?: Tokenizer } = {},
): Task {
  const model = new TextModel(session, tokenizer);
  const made = model.model.task.name;
  const wanted = name ?? usualTask(model.model);
  const hint = `tasks are ${Object.keys(tasks).join(", ")}`;
  if (wanted === undefined || !Object.hasOwn(tasks, wanted)) {
    throw new CerebroError("usage", `no task is called "${wanted ?? made}"`, { hint });
  }
  const row: TaskRow = tasks[wanted as TextTask];
  // Embeddings come from any encoder.
  if (!row.models.includes(made) && wanted !== "embed") {
    throw new CerebroError("usage", `${model.model.name}: is made for ${made}, not for ${wanted}`, { hint });
  }
  return {
    name: wanted as TextTask,
    model,
    run: (input, options = {}) => row.run(model, typeof input === "string" ? { text: input } : input, options),
  };
}
