// Every output of the graph of test/models/tensorflow/zoo.py against TensorFlow: operations with their attributes.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "vitest";
import { checkAll, zoo } from "../../../../test/models/tensorflow/cases.ts";
import type { Tolerance } from "../../../../test/support/models.ts";
import { decode } from "../../../formats/protobuf.ts";
import { edgeOfName, libraryOf } from "./graph.ts";
import { GraphDef } from "./messages.ts";
import { GraphModel } from "./model.ts";
import { planOfOutputs } from "./signatures.ts";
import { GraphVariables } from "./variables.ts";

const file = join(import.meta.dirname, "../../../../test/models/tensorflow/ops.pb");

/** Where TensorFlow itself is rougher than the interpreter. */
const rougher: Readonly<Record<string, Tolerance>> = {};

describe("operations", () => {
  const library = libraryOf(decode(GraphDef, new Uint8Array(readFileSync(file)), "ops"), "ops");
  const { inputs, outputs } = zoo();
  for (const [name, output] of Object.entries(outputs)) {
    it(name, () => {
      const edge = edgeOfName(output.tensor, name);
      const plan = planOfOutputs(library.graph, [{ name, dtype: "f32", shape: null, edge }]);
      const model = new GraphModel({
        format: "graph-def",
        name,
        library,
        variables: new GraphVariables(library, undefined, []),
        plans: [plan],
        metadata: new Map(),
      });
      const needed = Object.fromEntries(plan.inputs.map((port) => [port.name, inputs[port.name]!]));
      checkAll(model, [{ inputs: needed, outputs: { [name]: output } }], rougher[name.replace(/[/.].*/, "")]);
    });
  }
});
