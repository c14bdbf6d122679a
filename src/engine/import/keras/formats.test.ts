import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { expectClose, sharedModels, sourceOf } from "../../../../test/support/models.ts";
import { evaluate } from "../../interpret/interpret.ts";
import { fromNumbers } from "../../hlo/tensor.ts";
import { kerasH5 } from "./formats.ts";

const folder = join(import.meta.dirname, "../../../../test/models/keras");
const tiny = sharedModels("mlperf-tiny");
const mlperf = JSON.parse(readFileSync(join(folder, "mlperf.json"), "utf8")) as Record<
  string,
  { input: number[]; outputs: number[][] }
>;

describe.skipIf(!tiny)("mlperf-tiny's HDF5 models", () => {
  for (const [name, { input, outputs }] of Object.entries(mlperf)) {
    it(name, () => {
      const source = sourceOf(join(tiny!, name));
      expect(kerasH5.matches(source)).toBe(true);
      const model = kerasH5.open(source);
      expect(model.missing).toEqual([]);
      const program = model.program();
      const count = input.reduce((product, extent) => product * extent, 1);
      for (const [n, expected] of outputs.entries()) {
        const numbers = Array.from({ length: count }, (_, k) => Math.fround(Math.sin(0.7 * k + n) * 0.5));
        const results = evaluate(program, [fromNumbers("f32", input, numbers)]);
        // The autoencoder's outputs go to 42 with errors of Keras's own of 1.3e-5 (against f64): that much, not more.
        const limits = name === "model_ToyCar.hdf5" ? { absolute: 2e-5 } : {};
        expectClose(results[0]!, expected, limits, name);
      }
    });
  }
});
