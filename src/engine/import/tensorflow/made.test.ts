// Models that TensorFlow and Keras saved (test/models/tensorflow/make.py) against what they gave there.

import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkAll, goldens } from "../../../../test/models/tensorflow/cases.ts";
import { sourceOf } from "../../../../test/support/models.ts";
import { savedModel } from "./saved.ts";

const folder = join(import.meta.dirname, "../../../../test/models/tensorflow");
const saved = (name: string) => savedModel.open(sourceOf(join(folder, name)));

describe("models of make.py", () => {
  const models = Object.entries(goldens("cases.json"));
  for (const [name, cases] of models) {
    if (["ops", "frozen", "graphjs"].includes(name)) continue;
    it(name, () => {
      const model = saved(name);
      expect(model.missing).toEqual([]);
      checkAll(model, cases);
    });
  }
});
