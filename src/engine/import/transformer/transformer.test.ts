// Architectures against what Transformers computes with the same weights (test/models/flax/make.py).

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { expectClose, sourceOf } from "../../../../test/support/models.ts";
import { evaluate } from "../../interpret/interpret.ts";
import type { Tensor } from "../../hlo/tensor.ts";
import { tensorsOfNpz } from "../flax/open.ts";
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
