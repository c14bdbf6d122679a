import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { rolldown } from "rolldown";
import { afterAll, beforeAll, expect, test } from "vitest";
import { nodeEngineHost } from "../../hosts/node/engine.ts";
import { Builder } from "../hlo/build.ts";
import type { Program, Value } from "../hlo/graph.ts";
import { bytesOf, elementCount, fromNumbers, type Tensor } from "../hlo/tensor.ts";
import { compile } from "./compile.ts";

let folder: string;
let worker: URL;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "cerebro-worker-"));
  const input = resolve(import.meta.dirname, "../../hosts/node/engineworker.ts");
  const bundle = await rolldown({ input, platform: "node", external: [/^node:/] });
  const file = join(folder, "worker.mjs");
  await bundle.write({ file, format: "esm" });
  await bundle.close();
  worker = pathToFileURL(file);
});
afterAll(() => rmSync(folder, { recursive: true }));

const numbers = (shape: readonly number[], scale = 1): Tensor =>
  fromNumbers(
    "f32",
    shape,
    Array.from({ length: elementCount(shape) }, (_, i) => Math.sin(i * 12.9898) * scale),
  );

/** Products, reductions and loops large enough to be shared. */
function network(): Program {
  const builder = new Builder([{ dtype: "f32", shape: [256, 128] }]);
  let x: Value = builder.parameters[0]!;
  for (let layer = 0; layer < 3; layer++) {
    const wide = builder.gelu(builder.matmul(x, builder.constant(numbers([128, 256], 0.1))));
    const back = builder.matmul(wide, builder.constant(numbers([256, 128], 0.1)));
    x = builder.softmax(builder.layerNorm(builder.add(back, x), undefined, undefined, 1e-5), 1);
    x = builder.transpose(builder.reshape(builder.plain("exponential", x), [128, 256]), [1, 0]);
  }
  return {
    name: "network",
    inputs: [{ name: "x", type: builder.parameters[0]!.type }],
    outputs: [{ name: "y", type: x.type }],
    states: [],
    body: builder.finish([x]),
  };
}

test("threads give the same bits as one alone, run after run", async () => {
  const program = network();
  const inputs = { x: numbers([256, 128]) };
  const host = nodeEngineHost({ worker });
  const wanted = bytesOf(compile(program, { host }).run(inputs)["y"]!);
  const shared = compile(program, { host, threads: 3 });
  try {
    for (let run = 0; run < 60; run++) {
      expect(Buffer.compare(bytesOf(shared.run(inputs)["y"]!), wanted), `run ${run}`).toBe(0);
      // Some runs before the workers are there, some while they work, some when they have gone to sleep.
      if (run % 20 === 0) await new Promise((done) => setTimeout(done, 60));
    }
  } finally {
    shared.dispose();
  }
});

test("without workers a program runs all the same", () => {
  const host = { ...nodeEngineHost({ worker }), startWorker: () => undefined };
  const program = network();
  const inputs = { x: numbers([256, 128]) };
  const alone = compile(program).run(inputs)["y"]!;
  expect(bytesOf(compile(program, { host, threads: 2 }).run(inputs)["y"]!)).toEqual(bytesOf(alone));
});
