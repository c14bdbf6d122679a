// Frozen graphs, MetaGraphs and TensorFlow.js graph models of test/models/tensorflow/make.py; what has to be refused.

import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkAll, goldens } from "../../../../test/models/tensorflow/cases.ts";
import { sourceOf } from "../../../../test/support/models.ts";
import type { ModelFormat } from "../../model.ts";
import { graphDef } from "./frozen.ts";
import { metaGraph } from "./meta.ts";
import { savedModel } from "./saved.ts";
import { tfjsGraph } from "./tfjs.ts";

const folder = join(import.meta.dirname, "../../../../test/models/tensorflow");
const cases = goldens("cases.json");
const formats = [savedModel, graphDef, metaGraph, tfjsGraph];

function open(format: ModelFormat, path: string) {
  const source = sourceOf(join(folder, path));
  expect(formats.filter((each) => each.matches(source))).toEqual([format]);
  return format.open(source);
}

describe("other formats of graphs", () => {
  it("reads a frozen graph with loops and choices of TensorFlow 1", () => {
    const model = open(graphDef, "frozen.pb");
    expect(model.signatures[0]!.outputs.map(({ name }) => name).sort()).toEqual(["chosen", "stacked"]);
    checkAll(model, cases["frozen"]!);
  });

  it("reads the same graph as text", () => {
    checkAll(open(graphDef, "frozen.pbtxt"), cases["frozen"]!);
  });

  it("reads a MetaGraph with its checkpoint, sharded and with a variable in parts", () => {
    const model = open(metaGraph, "checkpoint");
    const [signature] = model.signatures;
    expect(signature!.outputs.map(({ name }) => name)).toEqual(["y"]);
    checkAll(
      model,
      cases["session"]!.map(({ inputs, outputs }) => ({ inputs, outputs })),
    );
  });

  it("reads TensorFlow.js graph models", () => {
    checkAll(open(tfjsGraph, "graphjs"), cases["graphjs"]!);
    // Weights of 11 bits, and of 8.
    checkAll(open(tfjsGraph, "graphjs-f16"), cases["graphjs"]!, { absolute: 1e-3 });
    checkAll(open(tfjsGraph, "graphjs-u8"), cases["graphjs"]!, { absolute: 3e-2 });
  });

  it("opens a model that looks words up, and says why it does not run", () => {
    const model = open(savedModel, "words");
    expect(model.missing.map(({ op }) => op)).toContain("LookupTableFindV2");
    expect(model.missing.find(({ op }) => op.startsWith("port"))?.reason).toBe("string tensors");
    expect(() => model.program()).toThrow(/LookupTableFindV2.*lookup tables/);
  });
});
