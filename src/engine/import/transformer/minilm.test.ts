// The sentence encoder all-MiniLM-L6-v2 against PyTorch (test/models/minilm); skipped where scripts/models.sh was not run.

import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { expectClose, sourceOf } from "../../../../test/support/models.ts";
import { fromNumbers } from "../../hlo/tensor.ts";
import { Session } from "../../session.ts";
import { openTransformer } from "./format.ts";

const root = resolve(import.meta.dirname, "../../../..");
const path = resolve(root, ".cache/models/minilm");

interface Golden {
  readonly input_ids: number[][];
  readonly attention_mask: number[][];
  readonly token_type_ids: number[][];
  readonly sentence_embedding: number[][];
}

test.skipIf(!existsSync(resolve(path, "model.safetensors")))("embeddings equal PyTorch's", () => {
  const model = openTransformer(sourceOf(path));
  expect(model.task).toMatchObject({ name: "sentence-embedding", maximumLength: 256 });
  expect(model.parameters).toBeGreaterThan(22e6);
  const session = new Session(model);
  const golden: Golden[] = JSON.parse(readFileSync(resolve(root, "test/models/minilm/golden.json"), "utf8"));
  for (const each of golden) {
    const ids = (list: number[][]) => fromNumbers("i32", [list.length, list[0]!.length], list.flat());
    const { sentence_embedding: embedding } = session.run({
      input_ids: ids(each.input_ids),
      attention_mask: ids(each.attention_mask),
      token_type_ids: ids(each.token_type_ids),
    });
    // Measured: 3e-7 at most.
    expectClose(embedding!, each.sentence_embedding.flat(), { relative: 0, absolute: 1e-6 });
  }
  session.dispose();
});
