import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { expectClose, openModel, sharedModels, sourceOf } from "../../../../test/support/models.ts";
import { compile } from "../../compile/compile.ts";
import type { Executable } from "../../executable.ts";
import { fromNumbers, toNumbers } from "../../hlo/tensor.ts";
import { kerasH5 } from "./formats.ts";

const folder = join(import.meta.dirname, "../../../../test/models/keras");
const tiny = sharedModels("mlperf-tiny");
const mlperf = JSON.parse(readFileSync(join(folder, "mlperf.json"), "utf8")) as Record<
  string,
  { input: number[]; outputs: number[][] }
>;

/** The same weights as TensorFlow Lite has them; the other files are quantised or hold other weights. */
const lite: Readonly<Record<string, string>> = {
  "pretrainedResnet.h5": "pretrainedResnet.tflite",
  "vww_96.h5": "vww_96_float.tflite",
};

const inputOf = (shape: readonly number[], n: number) => {
  const count = shape.reduce((product, extent) => product * extent, 1);
  return fromNumbers(
    "f32",
    shape,
    Array.from({ length: count }, (_, k) => Math.fround(Math.sin(0.7 * k + n) * 0.5)),
  );
};

describe.skipIf(!tiny)("mlperf-tiny's HDF5 models", () => {
  for (const [name, { input, outputs }] of Object.entries(mlperf)) {
    // The autoencoder's outputs go to 42 with errors of Keras's own of 1.3e-5 (against f64): that much, not more.
    const limits = name === "model_ToyCar.hdf5" ? { absolute: 2e-5 } : {};
    const run = (executable: Executable, n: number) => {
      const { program } = executable;
      return executable.run({ [program.inputs[0]!.name]: inputOf(input, n) })[program.outputs[0]!.name]!;
    };

    it(name, () => {
      const source = sourceOf(join(tiny!, name));
      expect(kerasH5.matches(source)).toBe(true);
      const model = kerasH5.open(source);
      expect(model.missing).toEqual([]);
      expect(model.parameters).toBeGreaterThan(10_000);
      for (const backend of ["interpreter", "wasm"] as const) {
        const executable = compile(model.program(), { backend });
        for (const [n, expected] of outputs.entries())
          expectClose(run(executable, n), expected, limits, `${name} (${backend})`);
        executable.dispose();
      }
    });

    it.skipIf(!lite[name])(`${name} agrees with TensorFlow Lite's`, () => {
      const executables = [openModel(sourceOf(join(tiny!, name))), openModel(sourceOf(join(tiny!, lite[name]!)))].map(
        (model) => compile(model.program()),
      );
      for (let n = 0; n < 3; n++) {
        const [ours, theirs] = executables.map((executable) => run(executable, n));
        expectClose(ours!, toNumbers(theirs!), limits, `${name} and ${lite[name]!}`);
      }
      for (const executable of executables) executable.dispose();
    });
  }
});
