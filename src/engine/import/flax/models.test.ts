// Networks in Flax: layers in a config.json, and jax.export programs, with weights beside them (test/models/flax/make.py).

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { expectClose, sourceOf } from "../../../../test/support/models.ts";
import { FormatError } from "../../../base/errors.ts";
import { compile } from "../../compile/compile.ts";
import { evaluate } from "../../interpret/interpret.ts";
import type { ModelFormat } from "../../model.ts";
import { weightsOnly } from "./format.ts";
import { flaxExport } from "./join.ts";
import { layered } from "./layers.ts";
import { tensorsOfNpz } from "./open.ts";

const models = resolve(import.meta.dirname, "../../../../test/models/flax");

function check(name: string, format: ModelFormat): void {
  const source = sourceOf(resolve(models, name));
  expect(format.matches(source)).toBe(true);
  const model = format.open(source);
  expect(model.missing).toEqual([]);
  expect(model.metadata.get("unused weights")).toBeUndefined();
  const golden = tensorsOfNpz(readFileSync(resolve(models, name, "golden.npz")));
  const [x, y] = [golden.get("in.x")!, golden.get("out.y")!];
  const program = model.program(undefined, { [model.signatures[0]!.inputs[0]!.name]: x.shape });
  expect(program.inputs).toHaveLength(1);
  const [evaluated] = evaluate(program, [x]);
  expectClose(evaluated!, [...y.data], { relative: 1e-5, absolute: 2e-6 });
  const executable = compile(program);
  const [compiled] = Object.values(executable.run({ [program.inputs[0]!.name]: x }));
  expectClose(compiled!, [...y.data], { relative: 1e-5, absolute: 2e-6 });
  executable.dispose();
}

test.each(["mlp-linen", "mlp-bf16", "mlp-nnx", "cnn-zarr", "cnn-zarr3", "cnn-nnx"])("%s: layers", (name) => {
  check(name, layered);
});

test.each(["lstm-export", "transformer-export"])("%s: a program and its weights", (name) => {
  check(name, flaxExport);
});

test("weights alone say what they lack", () => {
  for (const name of ["mlp-bf16/weights", "trees/chunked.msgpack", "trees/plain.safetensors", "trees/plain.npz"]) {
    const source = sourceOf(resolve(models, name));
    expect(weightsOnly.matches(source), name).toBe(true);
    expect(() => weightsOnly.open(source)).toThrow(FormatError);
    expect(() => weightsOnly.open(source)).toThrow("nothing says what to compute");
  }
});

test("what is missing is named", () => {
  const source = sourceOf(resolve(models, "mlp-linen"));
  const config = (change: (text: string) => string) => ({
    name: "changed",
    files: {
      list: (directory: string) => source.files!.list(directory),
      read: (path: string) => {
        const bytes = source.files!.read(path);
        if (path !== "config.json" || !bytes) return bytes;
        return new TextEncoder().encode(change(new TextDecoder().decode(bytes)));
      },
    },
  });
  const renamed = config((text) => text.replace('"features": 8', '"features": 8, "name": "Other"'));
  expect(() => layered.open(renamed)).toThrow(/2 are missing: Other\.weight \[8,16\], Other\.bias \[8\]/);
  const wider = config((text) => text.replace('"features": 8', '"features": 9'));
  expect(() => layered.open(wider)).toThrow(/"params\/Dense_1\/kernel" is f32\[16,8\], config\.json makes it \[16,9\]/);
  const fewer = layered.open(config((text) => text.replace(/,\s*\{\s*"type": "dense",\s*"features": 3\s*\}/, "")));
  expect(fewer.metadata.get("unused weights")).toBe("params/Dense_2/bias, params/Dense_2/kernel");
});
