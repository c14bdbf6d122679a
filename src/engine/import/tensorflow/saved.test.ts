// SavedModels against TensorFlow's own outputs.

import { describe, expect, it } from "vitest";
import { checkAll, goldens } from "../../../../test/models/tensorflow/cases.ts";
import { sharedModels, sourceOf } from "../../../../test/support/models.ts";
import { savedModel } from "./saved.ts";

describe.skipIf(!sharedModels())("SavedModels of the shared models", () => {
  for (const [name, cases] of Object.entries(goldens("shared.json"))) {
    it(name, () => {
      const source = sourceOf(sharedModels(name)!);
      expect(savedModel.matches(source)).toBe(true);
      const model = savedModel.open(source);
      // Logarithms of nearly nothing: TensorFlow differs from itself by 4e-4 with and without oneDNN.
      if (name.startsWith("basic-pitch")) checkAll(model, cases, { absolute: 4e-4 }, ["wasm"]);
      else checkAll(model, cases);
    });
  }
});
