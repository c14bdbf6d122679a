import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { expectClose, sourceOf } from "../../../../test/support/models.ts";
import { fromNumbers, type Tensor } from "../../hlo/tensor.ts";
import { evaluate } from "../../interpret/interpret.ts";
import { keras, kerasH5 } from "./formats.ts";
import { tfjsLayers } from "./tfjs.ts";

// Written by test/models/keras/make.py: models of every layer family, what Keras makes of three inputs each.
const folder = join(import.meta.dirname, "../../../../test/models/keras");

interface Array {
  readonly shape: number[];
  readonly numbers: number[];
}
interface Golden {
  readonly files: string[];
  readonly cases: { inputs: Array[]; outputs: Array[] }[];
  readonly tolerance?: number;
  readonly stateful?: boolean;
}
const goldens = JSON.parse(readFileSync(join(folder, "outputs.json"), "utf8")) as Record<string, Golden>;
const open = (file: string) => {
  const source = sourceOf(join(folder, "models", file));
  const format = [keras, kerasH5, tfjsLayers].filter((each) => each.matches(source));
  expect(format.length, `${file} is of one format`).toBe(1);
  return format[0]!.open(source);
};

/** Weights of fewer bits than the golden's: how far outputs may be off. */
const quantised = (file: string) =>
  file.endsWith("_u8") ? 2e-1 : file.endsWith("_u16") ? 1e-3 : file.endsWith("_f16") ? 1e-2 : undefined;

describe("models made by Keras", () => {
  for (const [name, { files, cases, tolerance, stateful }] of Object.entries(goldens)) {
    for (const file of files) {
      it(file === name ? `${name} (configuration and weights)` : file, () => {
        const model = open(file);
        expect(model.missing).toEqual([]);
        expect(model.signatures[0]!.outputs).toHaveLength(cases[0]!.outputs.length);
        let states: Tensor[] | undefined;
        for (const [n, { inputs, outputs }] of cases.entries()) {
          const shapes = Object.fromEntries(
            model.signatures[0]!.inputs.map((port, i) => [port.name, inputs[i]!.shape]),
          );
          const program = model.program(undefined, shapes);
          const given = program.inputs.map(({ type }, i) => fromNumbers(type.dtype, type.shape, inputs[i]!.numbers));
          states ??= program.states.map(({ initial }) => initial);
          const results = evaluate(program, [...given, ...states]);
          const loose = quantised(file) ?? tolerance;
          for (const [i, { shape, numbers }] of outputs.entries()) {
            expect(results[i]!.shape, `${name}, case ${n}, output ${i}`).toEqual(shape);
            const limits = loose === undefined ? {} : { relative: loose, absolute: loose };
            expectClose(results[i]!, numbers, limits, `${name}, case ${n}, output ${i}`);
          }
          if (stateful) states = results.slice(outputs.length);
        }
      });
    }
  }

  it("refuses text and Python code by name", () => {
    const strings = open("strings.keras");
    expect(strings.missing.map(({ op, reason }) => [op, reason])).toEqual([
      ["StringLookup", "string tensors"],
      ["InputLayer", "string tensors"],
    ]);
    expect(() => strings.program()).toThrow("StringLookup (StringLookup 'string_lookup': string tensors)");
    expect(open("lambda.h5").missing.map(({ op, reason }) => [op, reason])).toEqual([["Lambda", "Python code"]]);
  });
});
