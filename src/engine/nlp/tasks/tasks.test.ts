// Tasks against Transformers' pipelines (test/models/nlp/tasks.py) and its greedy generation (test/models/flax/make.py).

import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterEach, expect, test } from "vitest";
import { openModel, sourceOf } from "../../../../test/support/models.ts";
import { isTransformer } from "../../import/transformer/contract.ts";
import { Session } from "../../session.ts";
import { type Tokenizer, tokenizerOf } from "../tokenizer/tokenizer.ts";
import { answeringTokens, causalTokens } from "./generation.ts";
import { forbidRepeatedNgrams, keepTopK, keepTopP, penalizeRepetition, randomNumbers, sampler } from "./sampling.ts";
import { TextStream } from "./stream.ts";
import { createTask } from "./task.ts";
import { TextModel } from "./textmodel.ts";
import { aggregations, answer, classify, embed, type Entity, fillMask, type Scored, tag } from "./understanding.ts";

const root = resolve(import.meta.dirname, "../../../..");
const folder = resolve(root, "test/models/nlp");
const tokenizerNamed = (name: string): Tokenizer =>
  tokenizerOf(JSON.parse(gunzipSync(readFileSync(resolve(folder, `${name}.json.gz`))).toString()));

interface Golden {
  readonly classify: Scored[][];
  readonly classifyPair: Scored[];
  readonly classifyMany: Scored[][];
  readonly qa: {
    question: string;
    context: string;
    answers: { score: number; start: number; end: number; answer: string }[];
  }[];
  readonly fillMask: { text: string; fillings: { score: number; token_str: string; sequence: string }[] }[];
  readonly tag: ({ text: string } & Record<
    string,
    { entity?: string; entity_group?: string; score: number; start: number; end: number }[]
  >)[];
  readonly processors: { scores: number[][]; tokens: number[][] } & Record<string, (number | null)[][]>;
}
const golden: Golden = JSON.parse(readFileSync(resolve(folder, "tasks.json"), "utf8"));

const sessions: Session[] = [];
afterEach(() => {
  for (const session of sessions.splice(0)) session.dispose();
});

function sessionOf(path: string): Session {
  const session = new Session(openModel(sourceOf(path)));
  sessions.push(session);
  return session;
}
const modelNamed = (name: string) => new TextModel(sessionOf(resolve(folder, name)), tokenizerNamed("wordpiece"));
const tagger = () => new TextModel(sessionOf(resolve(root, "examples/models/tagger")));

const texts = ["the people can look at the water", "Größer als 42, e.g. über 3.14!", "find"] as const;

function expectScored(actual: readonly Scored[], expected: readonly Scored[]): void {
  expect(actual.map(({ label }) => label)).toEqual(expected.map(({ label }) => label));
  actual.forEach(({ score }, i) => expect(score).toBeCloseTo(expected[i]!.score, 5));
}

test("classes of texts", () => {
  const model = modelNamed("classifier");
  texts.forEach((text, i) => expectScored(classify(model, text), golden.classify[i]!));
  expectScored(classify(model, [texts[0], texts[2]]), golden.classifyPair);
  const config = { ...JSON.parse(readFileSync(resolve(folder, "classifier/config.json"), "utf8")) };
  const source = sourceOf(resolve(folder, "classifier"));
  const several = new TextEncoder().encode(JSON.stringify({ ...config, problem_type: "multi_label_classification" }));
  const files = {
    ...source.files!,
    read: (path: string) => (path === "config.json" ? several : source.files!.read(path)),
  };
  const session = new Session(openModel({ ...source, files }));
  sessions.push(session);
  const many = new TextModel(session, tokenizerNamed("wordpiece"));
  texts.forEach((text, i) => expectScored(classify(many, text), golden.classifyMany[i]!));
});

test("answers within a context, also a long one", () => {
  const model = modelNamed("answering");
  for (const { question, context, answers } of golden.qa) {
    // The reference's windows are 128 tokens with 64 of the one before.
    const found = answer(model, question, context, { top: 3, stride: 64 });
    expect(found.map(({ answer: text }) => text)).toEqual(answers.map(({ answer: text }) => text));
    found.forEach(({ score }, i) => expect(score).toBeCloseTo(answers[i]!.score, 5));
  }
});

test("missing words", () => {
  const model = modelNamed("masked");
  for (const { text, fillings } of golden.fillMask) {
    const [found] = fillMask(model, text, { top: 4 });
    expect(found!.map(({ token }) => token)).toEqual(fillings.map(({ token_str: token }) => token));
    expect(found!.map(({ text: whole }) => whole)).toEqual(fillings.map(({ sequence }) => sequence));
    found!.forEach(({ score }, i) => expect(score).toBeCloseTo(fillings[i]!.score, 5));
  }
});

test.each(aggregations)("tagged parts, aggregation %s", (aggregation) => {
  const model = tagger();
  for (const each of golden.tag) {
    const expected = each[aggregation]!;
    const found: Entity[] = tag(model, each.text, { aggregation });
    expect(found.map(({ label, start, end }) => ({ label, start, end }))).toEqual(
      expected.map(({ entity, entity_group: group, start, end }) => ({ label: entity ?? group, start, end })),
    );
    found.forEach(({ score }, i) => expect(score).toBeCloseTo(expected[i]!.score, 3));
  }
});

test("a long text is tagged in windows", () => {
  const sentence = "Ada Lovelace met Charles Babbage in London in 1833. ";
  const found = tag(tagger(), sentence.repeat(20), { aggregation: "first" });
  const names = found.filter(({ label }) => label === "PER").map(({ text }) => text);
  const right = names.filter((name) => name === "Ada Lovelace" || name === "Charles Babbage");
  // It is a small tagger: some are missed, far from the beginning of a window.
  expect(right.length).toBeGreaterThanOrEqual(36);
  expect(right.length).toBeLessThanOrEqual(40);
});

test("embeddings of any encoder", () => {
  const model = modelNamed("classifier");
  for (const pooling of ["mean", "cls", "max"] as const) {
    const [alone] = embed(model, [texts[0]], { pooling });
    const [together] = embed(model, [texts[0], texts[1]], { pooling });
    expect(Math.hypot(...alone!)).toBeCloseTo(1, 5);
    alone!.forEach((value, i) => expect(together![i]).toBeCloseTo(value, 5));
  }
});

const minilm = resolve(root, ".cache/models/minilm");
test.skipIf(!existsSync(resolve(minilm, "model.safetensors")))("MiniLM's embeddings of texts equal PyTorch's", () => {
  const model = new TextModel(sessionOf(minilm));
  interface Sentences {
    readonly sentences: string[];
    readonly sentence_embedding: number[][];
  }
  const expected: Sentences[] = JSON.parse(readFileSync(resolve(root, "test/models/minilm/golden.json"), "utf8"));
  for (const { sentences, sentence_embedding: rows } of expected) {
    // The last text was cut to 128 tokens there, as its tokenizer says; the model itself takes 256.
    const short = sentences.filter((text) => text.length < 200);
    embed(model, short).forEach((vector, i) => {
      vector.forEach((value, k) => expect(Math.abs(value - rows[i]![k]!)).toBeLessThan(2e-6));
    });
  }
});

test("a task is chosen by what the model is for", () => {
  const session = sessionOf(resolve(folder, "classifier"));
  const tokenizer = tokenizerNamed("wordpiece");
  expect(createTask(undefined, session, { tokenizer }).name).toBe("classify");
  expect(() => createTask("qa", session, { tokenizer })).toThrow("not for qa");
  expect(() => createTask("sing", session, { tokenizer })).toThrow('no task is called "sing"');
});

const flax = resolve(root, "test/models/flax");
const generatedOf = (name: string): { prompts: number[][]; tokens: number[][] } =>
  JSON.parse(readFileSync(resolve(flax, name, "generated.json"), "utf8"));

test.each(["gpt2", "llama", "gpt-neox", "t5", "t5-gated", "bart", "marian"])(
  "%s generates the reference's tokens",
  (name) => {
    const session = sessionOf(resolve(flax, name));
    const { model } = session;
    if (!isTransformer(model) || !model.generation) throw new Error(`${name} generates nothing`);
    const { prompts, tokens } = generatedOf(name);
    for (const [i, prompt] of prompts.entries()) {
      const wanted = tokens[i]!;
      const causal = model.generation.kind === "causal";
      const maxTokens = wanted.length - (causal ? prompt.length : 1);
      const made =
        model.generation.kind === "causal"
          ? causalTokens(session, model.generation, prompt, { maxTokens })
          : answeringTokens(session, model.generation, prompt, { maxTokens });
      expect([...(causal ? prompt : [model.generation.startToken!]), ...made]).toEqual(wanted);
    }
  },
);

test("a network's own words stream as whole characters", () => {
  const session = sessionOf(resolve(flax, "gpt2"));
  const { model } = session;
  if (!isTransformer(model) || !model.generation) throw new Error("gpt2 generates nothing");
  const size = model.generation.vocabulary;
  // As many tokens as the network has, in the manner of GPT-2.
  const json = JSON.parse(gunzipSync(readFileSync(resolve(folder, "bpe-gpt2.json.gz"))).toString());
  const vocab = Object.fromEntries(Object.entries<number>(json.model.vocab).filter(([, id]) => id < size));
  const tokenizer = tokenizerOf({ ...json, model: { ...json.model, vocab, merges: [] } });
  const options = { maxTokens: 12, temperature: 1.5, seed: 4, endTokens: [] };
  const pieces: string[] = [];
  const first = createTask(undefined, session, { tokenizer }).run("HELLO", {
    ...options,
    onText: (piece) => pieces.push(piece),
  });
  expect(pieces.join("")).toBe((first as { text: string }).text);
  expect(createTask(undefined, session, { tokenizer }).run("HELLO", options)).toEqual(first);
  expect((first as { tokens: number[] }).tokens.length).toBe(12);
});

const processors: Record<string, (scores: Float32Array, tokens: readonly number[]) => void> = {
  topK: (scores) => keepTopK(scores, 5),
  topP: (scores) => keepTopP(scores, 0.8),
  temperature: (scores) => scores.forEach((score, i) => (scores[i] = score / 0.7)),
  repetitionPenalty: (scores, tokens) => penalizeRepetition(scores, tokens, 1.3),
  noRepeatNgram: (scores, tokens) => forbidRepeatedNgrams(scores, tokens, 2),
};

test.each(Object.keys(processors))("%s changes scores as the reference does", (name) => {
  golden.processors.scores.forEach((row, i) => {
    const scores = Float32Array.from(row);
    processors[name]!(scores, golden.processors.tokens[i]!);
    scores.forEach((score, j) => {
      const wanted = golden.processors[name]![i]![j];
      if (wanted === null) expect(score).toBe(-Infinity);
      else expect(score).toBeCloseTo(wanted as number, 4);
    });
  });
});

test("tokens are drawn as often as they are likely", () => {
  const logits = Float32Array.from([Math.log(0.5), Math.log(0.3), Math.log(0.15), Math.log(0.05)]);
  const count = (options: object) => {
    const choose = sampler({ temperature: 1, seed: 11, ...options });
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 20_000; i++) counts[choose(logits, [])]!++;
    return counts.map((each) => each / 20_000);
  };
  count({}).forEach((share, i) => expect(Math.abs(share - [0.5, 0.3, 0.15, 0.05][i]!)).toBeLessThan(0.015));
  const cut = count({ topK: 2 });
  expect(Math.abs(cut[0]! - 0.625)).toBeLessThan(0.015);
  expect(cut[2]! + cut[3]!).toBe(0);
  expect(count({ topP: 0.79 })[2]).toBe(0);
  const random = randomNumbers(1);
  const numbers = Array.from({ length: 10_000 }, random);
  expect(numbers.every((each) => each >= 0 && each < 1)).toBe(true);
  expect(numbers.reduce((sum, each) => sum + each, 0) / 10_000).toBeCloseTo(0.5, 1);
});

test("streams hold back half characters and stop words", () => {
  const tokenizer = tokenizerNamed("bpe-gpt2");
  const text = "naïve 👩‍👩‍👧‍👦 日本語 and so on STOP here";
  const { ids } = tokenizer.encode(text);
  const whole = new TextStream(tokenizer);
  const pieces = [...ids.map((id) => whole.push(id)), whole.end()];
  expect(pieces.join("")).toBe(text);
  expect(pieces.every((piece) => !piece.includes("\ufffd"))).toBe(true);
  const stopped = new TextStream(tokenizer, ["STOP", "never"]);
  const shown = ids.map((id) => stopped.push(id)).join("");
  expect(shown).toBe("naïve 👩‍👩‍👧‍👦 日本語 and so on ");
  expect(stopped.stopped).toBe(true);
  const open = new TextStream(tokenizer, ["here and"]);
  expect([...ids.map((id) => open.push(id)), open.end()].join("")).toBe(text);
});
