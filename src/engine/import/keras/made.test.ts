import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expectClose, sourceOf } from "../../../../test/support/models.ts";
import type { Executable } from "../../executable.ts";
import { fromNumbers, type Tensor } from "../../hlo/tensor.ts";
import { CerebroError } from "../../../base/errors.ts";
import { encodeUtf8, utf8 } from "../../../base/text.ts";
import { compile } from "../../compile/compile.ts";
import type { Model } from "../../model.ts";
import { keras, kerasH5, openPair } from "./formats.ts";
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

/** Runs every case of a model; states stay from one to the next where it has any. */
function check(model: Model, golden: Golden, what: string, backend: "interpreter" | "wasm"): void {
  const executables = new Map<string, Executable>();
  const loose = quantised(what.split(" ")[0]!) ?? golden.tolerance;
  const limits = loose === undefined ? {} : { relative: loose, absolute: loose };
  for (const [n, { inputs, outputs }] of golden.cases.entries()) {
    const names = model.signatures[0]!.inputs.map((port) => port.name);
    const shapes = Object.fromEntries(names.map((name, i) => [name, inputs[i]!.shape]));
    const key = JSON.stringify(shapes);
    const executable = executables.get(key) ?? compile(model.program(undefined, shapes), { backend });
    executables.set(key, executable);
    const { program } = executable;
    const given = program.inputs.map(({ name, type }, i): [string, Tensor] => {
      return [name, fromNumbers(type.dtype, type.shape, inputs[i]!.numbers)];
    });
    const results = executable.run(Object.fromEntries(given));
    for (const [i, { shape, numbers }] of outputs.entries()) {
      const result = results[program.outputs[i]!.name]!;
      expect(result.shape, `${what}, case ${n}, output ${i}`).toEqual(shape);
      expectClose(result, numbers, limits, `${what}, case ${n}, output ${i}`);
    }
  }
  for (const executable of executables.values()) executable.dispose();
}

describe("models made by Keras", () => {
  for (const [name, { files, cases }] of Object.entries(goldens)) {
    for (const file of files) {
      it(file === name ? `${name} (configuration and weights)` : file, () => {
        const model = open(file);
        expect(model.missing).toEqual([]);
        expect(model.signatures[0]!.outputs).toHaveLength(cases[0]!.outputs.length);
        // The interpreter takes its time: one format of each model is enough for it.
        const backends = file === files[0] ? (["interpreter", "wasm"] as const) : (["wasm"] as const);
        for (const backend of backends) check(model, goldens[name]!, `${file} (${backend})`, backend);
      });
    }
  }

  it("what TensorFlow.js saved itself", () => {
    const source = sourceOf(join(folder, "js"));
    expect(tfjsLayers.matches(source)).toBe(true);
    const golden = JSON.parse(readFileSync(join(folder, "js/outputs.json"), "utf8")) as Golden;
    for (const backend of ["interpreter", "wasm"] as const)
      check(tfjsLayers.open(source), golden, `js (${backend})`, backend);
  });

  it("refuses text and Python code by name", () => {
    const strings = open("strings.keras");
    expect(strings.missing.map(({ op, reason }) => [op, reason])).toEqual([
      ["StringLookup", "string tensors"],
      ["InputLayer", "string tensors"],
    ]);
    expect(() => strings.program()).toThrow("StringLookup (StringLookup 'string_lookup': string tensors)");
    expect(open("lambda.h5").missing.map(({ op, reason }) => [op, reason])).toEqual([["Lambda", "Python code"]]);
  });

  it("opens models that are Python code, with what is missing", () => {
    const config = { class_name: "Mine", registered_name: "pack>Mine", config: { name: "m" } };
    const weights = sourceOf(join(folder, "models/unbuilt.h5")).bytes!;
    const model = openPair(encodeUtf8(JSON.stringify(config)), weights, "mine");
    expect(model.missing.map(({ op }) => op)).toEqual(["pack>Mine"]);
    expect(model.signatures[0]!.outputs).toEqual([]);
  });

  it("throws only errors of ours, whatever the configuration", () => {
    const weights = sourceOf(join(folder, "models/nested.h5")).bytes!;
    const attempt = (text: string) => {
      try {
        const model = openPair(encodeUtf8(text), weights, "hostile");
        void model.signatures;
        model.program();
      } catch (error) {
        if (!(error instanceof CerebroError)) throw error;
      }
    };
    attempt("[".repeat(100_000));
    attempt('{"class_name":"Bidirectional","config":{"layer":'.repeat(5000) + "1" + "}}".repeat(5000));
    const text = utf8(sourceOf(join(folder, "models/nested/nested.json")).bytes!);
    const values = ["null", "-1", "1e9", "[]", "{}", '"x"', "true", "[[1]]"];
    const pieces = text.split(/(?<=[:,[])(?=[^ ])|(?<=: )/);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(pieces.length - 1), fc.nat(7)), { minLength: 1, maxLength: 3 }),
        (changes) => {
          const copy = [...pieces];
          for (const [at, value] of changes)
            copy[at] = copy[at]!.replace(/^("[^"]*"|[\w.-]+|\[\]|\{\})/, values[value]!);
          attempt(copy.join(""));
        },
      ),
      { numRuns: 150 },
    );
  });
});
