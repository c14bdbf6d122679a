// `cerebro model run DIR --task NAME`: text in, the task's answer out; generated text is shown as it comes.

import { existsSync } from "node:fs";
import process from "node:process";
import { CerebroError } from "../../base/errors.ts";
import { utf8 } from "../../base/text.ts";
import { answerText } from "../../bridge/present.ts";
import type { Answer, Filling, TaskInput, TaskOptions } from "../../engine/nlp/index.ts";
import type { Session } from "../../engine/session.ts";
import type { Options, Values } from "../arguments.ts";
import { print } from "../command.ts";
import { readUserFile } from "../inspect.ts";

/** Options of `model run` that are for tasks of texts. */
export const taskOptions = {
  task: {
    value: "NAME",
    help: "classify, ner, qa, fill-mask, embed, summarize, translate, text-generation, or auto: what the model is for",
  },
  "max-tokens": { value: "N", help: "most tokens of a generated text; 64 when absent" },
  temperature: { value: "T", help: "above 0: tokens are drawn at random, flatter above 1" },
  "top-k": { value: "K", help: "draws of the K likeliest tokens only" },
  "top-p": { value: "P", help: "draws of the likeliest tokens with this probability together" },
  "repetition-penalty": { value: "X", help: "above 1: tokens that were there become less likely" },
  "no-repeat-ngram": { value: "N", help: "no N tokens in a row twice" },
  stop: { value: "TEXT", repeat: true, help: "ends a generated text" },
  seed: { value: "N", help: "where random numbers begin; 0 when absent" },
  aggregation: { value: "HOW", help: "ner: none, simple, first, max or average" },
  from: { value: "LANGUAGE", help: "translate: from which language" },
  to: { value: "LANGUAGE", help: "translate: to which language" },
} as const satisfies Options;

export type TaskValues = Values<typeof taskOptions> & {
  readonly input?: readonly string[] | undefined;
  readonly top?: string | undefined;
  readonly json?: boolean | undefined;
};

function numberOf(text: string | undefined, name: string, least = 0): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value < least) {
    throw new CerebroError("usage", `--${name} ${text}: must be a number of at least ${least}`);
  }
  return value;
}

function wholeOf(text: string | undefined, name: string, least = 1): number | undefined {
  const value = numberOf(text, name, least);
  if (value !== undefined && !Number.isSafeInteger(value)) {
    throw new CerebroError("usage", `--${name} ${text}: must be a whole number`);
  }
  return value;
}

/** Text as the user gave it: itself, or a .txt file's. */
const textOf = (given: string) => (/\.txt$/i.test(given) && existsSync(given) ? utf8(readUserFile(given)) : given);

/** "question=…", "context=…", "text=…"; words without a name are the text and then the context. */
function inputOf(words: readonly string[]): TaskInput {
  let text: string | undefined;
  let context: string | undefined;
  for (const word of words) {
    const named = /^(text|question|context|pair)=(.*)$/s.exec(word);
    const value = textOf(named?.[2] ?? word);
    const second = named ? named[1] === "context" || named[1] === "pair" : text !== undefined;
    if (second) context = value;
    else text = value;
  }
  if (text === undefined) throw new CerebroError("usage", "which text?", { hint: '--input "…"' });
  return { text, ...(context !== undefined && { context }) };
}

/** An options object without what is undefined. */
function given<T extends object>(options: { readonly [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}

/** Runs a task and shows its answer. */
export async function runTask(session: Session, values: TaskValues): Promise<void> {
  const { aggregations, createTask } = await import("../../engine/nlp/index.ts");
  const task = createTask(values.task === "auto" ? undefined : values.task, session);
  const aggregation = aggregations.find((each) => each === values.aggregation);
  if (values.aggregation !== undefined && aggregation === undefined) {
    throw new CerebroError("usage", `--aggregation ${values.aggregation}: is one of ${aggregations.join(", ")}`);
  }
  const streams = !values.json;
  let streamed = false;
  const options = given<TaskOptions>({
    maxTokens: wholeOf(values["max-tokens"], "max-tokens"),
    temperature: numberOf(values.temperature, "temperature"),
    topK: wholeOf(values["top-k"], "top-k"),
    topP: numberOf(values["top-p"], "top-p"),
    repetitionPenalty: numberOf(values["repetition-penalty"], "repetition-penalty", 1e-6),
    noRepeatNgram: wholeOf(values["no-repeat-ngram"], "no-repeat-ngram"),
    stop: values.stop,
    seed: wholeOf(values.seed, "seed", 0),
    top: wholeOf(values.top, "top"),
    aggregation,
    from: values.from,
    to: values.to,
    onText: streams
      ? (piece: string) => {
          streamed = true;
          process.stdout.write(piece);
        }
      : undefined,
  });
  const answer = task.run(inputOf(values.input ?? []), options);
  if (values.json) print(JSON.stringify(answer));
  else if (streamed) print("");
  else print(readable(task.name, answer));
}

const rounded = (value: number) => value.toFixed(4);

/** An answer for people. */
function readable(task: string, answer: unknown): string {
  if (task === "qa") return (answer as Answer[]).map((each) => `${rounded(each.score)}  ${each.answer}`).join("\n");
  if (task === "ner") {
    const found = answer as { label: string; score: number; text: string; start: number; end: number }[];
    const lines = found.map(
      (each) => `${rounded(each.score)}  ${each.label.padEnd(8)} ${each.text}  [${each.start},${each.end})`,
    );
    return lines.length > 0 ? lines.join("\n") : "nothing is tagged";
  }
  if (task === "fill-mask") {
    const places = (answer as Filling[][]).map((fillings) =>
      fillings.map((each) => `${rounded(each.score)}  ${each.token.padEnd(12)} ${each.text}`).join("\n"),
    );
    return places.join("\n\n");
  }
  if (task === "embed") return (answer as number[]).map((value) => Number(value.toPrecision(7))).join(" ");
  if (typeof answer === "object" && answer !== null && "text" in answer) return String(answer.text);
  return answerText(answer);
}
