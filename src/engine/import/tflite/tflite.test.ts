import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CerebroError, FormatError } from "../../../base/errors.ts";
import { sharedModels } from "../../../../test/support/models.ts";
import { difference, type Golden, patternOf, runs } from "../../../../test/models/tflite/patterns.ts";
import { evaluate } from "../../interpret/interpret.ts";
import { compile } from "../../compile/compile.ts";
import { isInteger } from "../../hlo/dtype.ts";
import { fromNumbers } from "../../hlo/tensor.ts";
import type { Model } from "../../model.ts";
import { tflite } from "./tflite.ts";
import { tfliteSupport } from "./operators.ts";

const folder = join(import.meta.dirname, "../../../../test/models/tflite");
const goldens = (name: string) => JSON.parse(readFileSync(join(folder, name), "utf8")) as Record<string, Golden>;

function open(path: string): Model {
  return tflite.open({ name: path, bytes: new Uint8Array(readFileSync(path)) });
}

/**
 * How far floats may be off, in units of the last step for integers: those whose reference kernels themselves differ
 * by more from one another.
 */
const looser: Readonly<Record<string, { relative?: number; absolute?: number; steps?: number }>> = {
  // A logarithm of energies near zero: LiteRT's own kernels differ by 3e-4.
  "basic-pitch/nmp.tflite": { relative: 3e-4, absolute: 1e-4 },
  // Ten layers of 640 and 128 sums: the order of addition shows.
  "mlperf-tiny/model_ToyCar.tflite": { relative: 5e-5, absolute: 1e-5 },
  // SUM of small integers: the reference kernel adds bytes, the others round in floats.
  "sum_i8.tflite": { steps: 1 },
  "sum_last_i8.tflite": { steps: 1 },
  "sum_last_i16.tflite": { steps: 1 },
  // One sum near a tie, a step's difference in the attention's scores.
  "models/attention_int8.tflite": { steps: 2 },
  "models/cnn_int16.tflite": { absolute: 4e-5 },
};

type Backend = "interpreter" | "wasm";

function check(base: string, name: string, golden: Golden, backend: Backend): string[] {
  const { relative = 1e-5, absolute = 1e-6, steps = 0 } = looser[name] ?? looser[`models/${name}`] ?? {};
  const model = open(join(base, name));
  const program = model.program();
  const wrong: string[] = [];
  golden.forEach((runsOf, pattern) => {
    const made = runs(program, pattern, runsOf.length, backend);
    runsOf.forEach((outputs, run) =>
      outputs.forEach((summary, i) => {
        const actual = made[run]![i]!;
        const allowed =
          isInteger(actual.dtype) && steps > 0 ? { relative: 0, absolute: steps } : { relative, absolute };
        const off = difference(actual, summary, allowed.relative, allowed.absolute);
        if (off > (steps > 0 ? 1.001 : 1)) wrong.push(`${name}: pattern ${pattern}, run ${run}, output ${i}: ${off}`);
      }),
    );
  });
  return wrong;
}

const refused = ["precompiled", "sm8750", "vela"];
/** Whose runs in the interpreter take seconds. */
const slow = ["torchaudio_conformer", "matmul_quant", "nmp", "norm.tflite", "large_"];

describe("tflite", () => {
  it.each(["interpreter", "wasm"] as const)("gives the kernels' results for single operators: %s", (backend) => {
    const wrong = Object.entries(goldens("ops.json")).flatMap(([name, golden]) =>
      check(join(folder, "ops"), name, golden, backend),
    );
    expect(wrong).toEqual([]);
  });

  it.each(["interpreter", "wasm"] as const)("gives the kernels' results for converted models: %s", (backend) => {
    const wrong = Object.entries(goldens("models.json")).flatMap(([name, golden]) =>
      check(join(folder, "models"), name, golden, backend),
    );
    expect(wrong).toEqual([]);
  });

  const shared = sharedModels();
  it.skipIf(!shared)("gives the kernels' results for the shared models", { timeout: 60_000 }, () => {
    const wrong = Object.entries(goldens("shared.json")).flatMap(([name, golden]) =>
      slow.some((part) => name.includes(part))
        ? check(shared!, name, golden.slice(0, 1), "wasm")
        : check(shared!, name, golden, "interpreter"),
    );
    expect(wrong).toEqual([]);
  });

  it.skipIf(!shared)("gives TensorFlow Lite Micro's results for the models that are its own", () => {
    const wrong = Object.entries(goldens("micro.json")).flatMap(([name, golden]) =>
      check(shared!, name, name.includes("person") ? golden.slice(0, 1) : golden, "interpreter"),
    );
    expect(wrong).toEqual([]);
  });

  it.skipIf(!shared)("refuses models compiled for chips, saying what they are", () => {
    for (const part of ["one-op-tflite", "tflite-micro"]) {
      for (const file of readdirSync(join(shared!, part))) {
        if (!refused.some((mark) => file.includes(mark))) continue;
        const model = open(join(shared!, part, file));
        expect(model.missing.map(({ reason }) => reason).join()).toMatch(/compiled/);
        expect(() => model.program()).toThrow(/compiled/);
      }
    }
  });

  it("takes other batches than the file declares", () => {
    const model = open(join(folder, "models/cnn_batch.tflite"));
    const [input] = model.signatures[0]!.inputs;
    expect(input!.shape![0]).toBe(null);
    const program = model.program(undefined, { [input!.name]: [3, 16, 16, 3] });
    const [one] = evaluate(model.program(), [patternOf("f32", [1, 16, 16, 3], 1)]);
    const [three] = evaluate(program, [patternOf("f32", [3, 16, 16, 3], 1)]);
    expect(three!.shape).toEqual([3, 10]);
    [...one!.data].forEach((value, i) => expect(Number(three!.data[i])).toBeCloseTo(Number(value), 5));
  });

  it("keeps variables from run to run, and has every signature", () => {
    const model = open(join(folder, "models/variables.tflite"));
    expect(model.signatures.map(({ name }) => name)).toEqual(["add", "scale"]);
    const executable = compile(model.program("add"), { backend: "interpreter" });
    const inputs = { x: patternOf("f32", [4], 1) };
    const first = Number(executable.run(inputs).total!.data[3]);
    const second = Number(executable.run(inputs).total!.data[3]);
    const step = Number(inputs.x.data[3]);
    expect(first).toBeCloseTo(3 + step, 5);
    expect(second).toBeCloseTo(3 + 2 * step, 5);
    executable.reset();
    expect(Number(executable.run(inputs).total!.data[3])).toBeCloseTo(first, 6);
    executable.dispose();
  });

  it.skipIf(!shared)("takes a shape that is an input by value", () => {
    const model = open(join(shared!, "one-op-tflite/transpose_conv0.tflite"));
    const [shape] = model.signatures[0]!.inputs;
    expect(shape!.byValue).toBe(true);
    expect(model.missing).toEqual([]);
    expect(() => model.program()).toThrow(/numbers of input/);
    const program = model.program(undefined, {}, { [shape!.name]: fromNumbers("i32", [4], [1, 3, 12, 64]) });
    expect(program.outputs[0]!.type.shape).toEqual([1, 3, 12, 64]);
    expect(program.inputs).toHaveLength(2);
  });

  it("reads metadata and the files in the archive at the end", () => {
    const model = open(join(folder, "models/metadata.tflite"));
    expect(model.metadata.get("name")).toBe("tiny classifier");
    expect(model.metadata.get("author")).toBe("Cerebro");
    expect(JSON.parse(model.metadata.get("input 0")!)).toMatchObject({ normalize: { mean: [127.5], std: [127.5] } });
    expect(JSON.parse(model.metadata.get("output 0")!)).toMatchObject({ files: ["labels.txt"] });
    expect(new TextDecoder().decode(model.attachments.get("labels.txt")).split("\n")[9]).toBe("label 9");
  });

  it("lists what is missing", () => {
    expect(tfliteSupport.length).toBeGreaterThan(200);
    const bytes = new Uint8Array(readFileSync(join(folder, "ops/floor_f32.tflite")));
    expect(() => tflite.open({ name: "x", bytes }).program("other")).toThrow(FormatError);
  });

  it("ends in FormatError, or runs, whatever bytes are changed", () => {
    const names = ["models/control.tflite", "ops/conv_channel_i8.tflite", "models/variables.tflite"];
    let seed = 1;
    const random = (limit: number) => (seed = (seed * 48271) % 2147483647) % limit;
    for (const name of names) {
      const original = new Uint8Array(readFileSync(join(folder, name)));
      for (let i = 0; i < 60; i++) {
        const bytes = original.slice();
        for (let n = 0; n <= i % 4; n++) bytes[random(bytes.length)] = random(256);
        try {
          const model = tflite.open({ name, bytes: i % 5 === 0 ? bytes.subarray(0, random(bytes.length)) : bytes });
          void model.missing;
          model.program();
        } catch (error) {
          expect(error).toBeInstanceOf(CerebroError);
          expect((error as CerebroError).code).toMatch(/format|unsupported|limit/);
        }
      }
    }
  });
});
