// Architectures against what Transformers computes with the same weights (test/models/flax/make.py).

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { expectClose, sourceOf } from "../../../../test/support/models.ts";
import { evaluate } from "../../interpret/interpret.ts";
import type { Tensor } from "../../hlo/tensor.ts";
import { tensorsOfNpz } from "../flax/open.ts";
import { CerebroError } from "../../../base/errors.ts";
import { compile } from "../../compile/compile.ts";
import { fromNumbers, toNumbers } from "../../hlo/tensor.ts";
import { Session } from "../../session.ts";
import { openTransformer } from "./format.ts";

const models = resolve(import.meta.dirname, "../../../../test/models/flax");

function goldenOf(name: string): { inputs: Record<string, Tensor>; outputs: Record<string, Tensor> } {
  const arrays = tensorsOfNpz(readFileSync(resolve(models, name, "golden.npz")));
  const part = (prefix: string) =>
    Object.fromEntries(
      [...arrays]
        .filter(([key]) => key.startsWith(prefix))
        .map(([key, value]) => [key.slice(prefix.length), value] as const),
    );
  return { inputs: part("in."), outputs: part("out.") };
}

const cases = [
  "bert",
  "bert-classifier",
  "bert-flax",
  "roberta",
  "roberta-classifier",
  "roberta-flax",
  "distilbert",
  "distilbert-flax",
  "electra",
  "electra-flax",
  "albert",
  "mpnet",
  "sentence",
  "gpt2",
  "gpt2-flax",
  "llama",
  "gpt-neox",
  "t5",
  "t5-flax",
  "t5-gated",
  "bart",
  "marian",
  "mbart-flax",
  "vit",
  "vit-flax",
  "resnet-basic",
  "resnet-bottleneck",
  "resnet-flax",
];

test.each(cases)("%s gives the reference's numbers", (name) => {
  const model = openTransformer(sourceOf(resolve(models, name)));
  expect(model.metadata.get("unused weights")).toBeUndefined();
  const { inputs, outputs } = goldenOf(name);
  const program = model.program(
    undefined,
    Object.fromEntries(Object.entries(inputs).map(([key, { shape }]) => [key, shape])),
  );
  const results = evaluate(
    program,
    program.inputs.map((port) => inputs[port.name]!),
  );
  program.outputs.forEach((port, i) => {
    const expected = outputs[port.name];
    expect(expected, port.name).toBeDefined();
    // Sums of some dozens of products in another order than the reference's.
    expectClose(results[i]!, [...expected!.data], { relative: 2e-5, absolute: 5e-6 }, port.name);
  });
});

test.each(cases)("%s compiled gives what the interpreter gives", (name) => {
  const model = openTransformer(sourceOf(resolve(models, name)));
  const { inputs } = goldenOf(name);
  const shapes = Object.fromEntries(Object.entries(inputs).map(([key, { shape }]) => [key, shape]));
  const program = model.program(undefined, shapes);
  const expected = evaluate(
    program,
    program.inputs.map((port) => inputs[port.name]!),
  );
  const executable = compile(program);
  const results = executable.run(Object.fromEntries(program.inputs.map((port) => [port.name, inputs[port.name]!])));
  program.outputs.forEach((port, i) => {
    expectClose(results[port.name]!, toNumbers(expected[i]!), { relative: 2e-5, absolute: 5e-6 }, port.name);
  });
  executable.dispose();
});

const tokens = (...list: number[]) => fromNumbers("i32", [1, list.length], list);
const number = (value: number) => fromNumbers("i32", [], [value]);

function likeliest(logits: Tensor): number {
  const values = toNumbers(logits);
  return values.reduce((best, value, i) => (value > values[best]! ? i : best), 0);
}

function generatedOf(name: string): { prompts: number[][]; tokens: number[][] } {
  return JSON.parse(readFileSync(resolve(models, name, "generated.json"), "utf8"));
}

test.each(["gpt2", "llama", "gpt-neox"])("%s generates the reference's tokens with its cache", (name) => {
  const session = new Session(openTransformer(sourceOf(resolve(models, name))));
  const { generation } = openTransformer(sourceOf(resolve(models, name)));
  const golden = generatedOf(name);
  golden.prompts.forEach((prompt, i) => {
    const wanted = golden.tokens[i]!;
    const text = [...prompt];
    // Padded: the length says what counts.
    const padded = [...prompt, ...Array<number>(16 - prompt.length).fill(3)];
    let { logits } = session.run(
      { input_ids: tokens(...padded), length: number(prompt.length) },
      { signature: "prefill" },
    );
    while (text.length < wanted.length) {
      text.push(likeliest(logits!));
      if (generation!.endTokens.includes(text.at(-1)!)) break;
      ({ logits } = session.run(
        { input_ids: tokens(text.at(-1)!), position: number(text.length - 1) },
        { signature: "decode" },
      ));
    }
    expect(text).toEqual(wanted);
  });
  session.dispose();
});

test("several tokens at once continue a text", () => {
  const session = new Session(openTransformer(sourceOf(resolve(models, "gpt2"))));
  const { prompts, tokens: expected } = generatedOf("gpt2");
  const text = expected[2]!;
  session.run({ input_ids: tokens(...text.slice(0, 4)), length: number(4) }, { signature: "prefill" });
  const { logits } = session.run(
    { input_ids: tokens(...text.slice(4, prompts[2]!.length)), position: number(4) },
    { signature: "decode" },
  );
  expect(likeliest(logits!)).toBe(text[prompts[2]!.length]);
  session.dispose();
});

test.each(["t5", "t5-gated", "bart", "marian"])("%s generates the reference's tokens with its caches", (name) => {
  const model = openTransformer(sourceOf(resolve(models, name)));
  const session = new Session(model);
  const golden = generatedOf(name);
  golden.prompts.forEach((prompt, i) => {
    const wanted = golden.tokens[i]!;
    const mask = [...prompt.map(() => 1), 0, 0];
    session.run({ input_ids: tokens(...prompt, 7, 7), attention_mask: tokens(...mask) }, { signature: "encode" });
    const text = [model.generation!.startToken!];
    while (text.length < wanted.length) {
      const { logits } = session.run(
        { decoder_input_ids: tokens(text.at(-1)!), position: number(text.length - 1) },
        { signature: "decode" },
      );
      text.push(likeliest(logits!));
    }
    expect(text).toEqual(wanted);
  });
  session.dispose();
});

test("damaged configurations end in an error of ours", () => {
  let seed = 3;
  const random = (limit: number) => (seed = (seed * 48271) % 2147483647) % limit;
  const values = ["-1", "0", "1e9", "null", '"x"', "[]", "{}", "true", "0.5", "3", "17"];
  for (const name of cases) {
    const source = sourceOf(resolve(models, name));
    const config = new TextDecoder().decode(source.files!.read("config.json"));
    const lines = config.split("\n");
    for (let round = 0; round < 25; round++) {
      const changed = [...lines];
      const at = random(lines.length);
      changed[at] = changed[at]!.replace(/: [^[{]+?(,?)$/, `: ${values[random(values.length)]}$1`);
      const read = (path: string) =>
        path === "config.json" ? new TextEncoder().encode(changed.join("\n")) : source.files!.read(path);
      try {
        const model = openTransformer({ name, files: { list: (path) => source.files!.list(path), read } });
        const extents = { batch: 1, sequence: 3, target: 2, tokens: 1, height: 16, width: 16 } as const;
        for (const { name: signature, inputs } of model.signatures) {
          const shape = (extent: unknown) =>
            typeof extent === "number" ? extent : extents[extent as keyof typeof extents];
          model.program(signature, Object.fromEntries(inputs.map((port) => [port.name, port.shape!.map(shape)])));
        }
      } catch (error) {
        expect(error, `${name}: ${changed[at]}: ${String(error)}`).toBeInstanceOf(CerebroError);
      }
    }
  }
});
