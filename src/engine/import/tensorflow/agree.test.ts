// The same weights as SavedModel and as TensorFlow Lite give the same numbers.

import { describe, expect, it } from "vitest";
import { fill } from "../../../../test/models/tensorflow/cases.ts";
import { expectClose, openModel, sharedModels, sourceOf } from "../../../../test/support/models.ts";
import { compile } from "../../compile/compile.ts";
import { toNumbers } from "../../hlo/tensor.ts";
import type { Tensors } from "../../model.ts";

const pairs = [["basic-pitch/saved_model", "basic-pitch/nmp.tflite"]] as const;

function run(path: string): Tensors {
  const model = openModel(sourceOf(sharedModels(path)!));
  const [input] = model.signatures[0]!.inputs;
  const program = model.program(undefined, { [input!.name]: input!.shape!.map((n) => Number(n ?? 1)) });
  const executable = compile(program);
  const results = executable.run({ [input!.name]: fill("f32", program.inputs[0]!.type.shape, 1) });
  executable.dispose();
  return results;
}

describe.skipIf(!sharedModels())("formats agree", () => {
  for (const [saved, lite] of pairs) {
    it(`${saved} and ${lite}`, async () => {
      const [expected, actual] = [await run(saved), await run(lite)];
      const only = Object.values(actual)[0]!;
      for (const [name, tensor] of Object.entries(expected)) {
        const same = actual[name] ?? only;
        expect(same.shape).toEqual(tensor.shape);
        expectClose(same, toNumbers(tensor), { absolute: 2e-6 }, name);
      }
    });
  }
});
