// Programs that jax.export wrote (jax/make.py), with the results that JAX gave.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { kindOf } from "../../src/engine/hlo/dtype.ts";
import { compile } from "../../src/engine/compile/compile.ts";
import { bindInputs } from "../../src/engine/hlo/bind.ts";
import { fromNumbers, type Tensor, toNumbers } from "../../src/engine/hlo/tensor.ts";
import { verify } from "../../src/engine/hlo/verify.ts";
import { tensorOfNpy } from "../../src/engine/import/arrays.ts";
import { jaxExport } from "../../src/engine/import/jax/export.ts";
import { stablehlo } from "../../src/engine/import/jax/format.ts";
import { hloProto } from "../../src/engine/import/jax/hlo/format.ts";
import { evaluate } from "../../src/engine/interpret/interpret.ts";
import type { Model, Signature } from "../../src/engine/model.ts";
import { zipContent, zipEntries } from "../../src/formats/zip.ts";
import { expectClose, openModel, sourceOf, type Tolerance } from "../support/models.ts";

const folder = join(import.meta.dirname, "jax");
const names = readdirSync(folder)
  .filter((name) => name.endsWith(".jaxexport"))
  .map((name) => name.replace(/\.jaxexport$/, ""));

/** How close results of a type are. Half precision: two units in the last place, results may be rounded on the way. */
const tolerances: Readonly<Partial<Record<string, Tolerance>>> = {
  f64: { relative: 1e-12, absolute: 1e-13 },
  f16: { relative: 2e-3, absolute: 1e-3 },
  bf16: { relative: 1.6e-2, absolute: 8e-3 },
};

/** The arrays of an .npz in the order of their numbers: "in_0", "in_1"; "out_0". */
function arraysOf(path: string): { inputs: Tensor[]; outputs: Tensor[] } {
  const bytes = new Uint8Array(readFileSync(path));
  const inputs: Tensor[] = [];
  const outputs: Tensor[] = [];
  for (const entry of zipEntries(bytes)!) {
    const [, kind, number] = /^(in|out)_(\d+)\.npy$/.exec(entry.name)!;
    (kind === "in" ? inputs : outputs)[Number(number)] = tensorOfNpy(zipContent(bytes, entry, 1 << 24));
  }
  return { inputs, outputs };
}

/** Runs a model and compares its results with those of the framework. */
function compare(model: Model, name: string): void {
  const { inputs, outputs } = arraysOf(join(folder, `${name}.npz`));
  const ports = model.signatures[0]!.inputs;
  const program = model.program(undefined, Object.fromEntries(ports.map((port, i) => [port.name, inputs[i]!.shape])));
  verify(program);
  const given = program.inputs.map(({ type }, i): Tensor => ({ ...inputs[i]!, dtype: type.dtype }));
  const executable = compile(program);
  const computed = executable.run(Object.fromEntries(program.inputs.map((port, i) => [port.name, given[i]!])));
  expect(program.outputs.length).toBe(outputs.length);
  for (const results of [evaluate(program, given), program.outputs.map((port) => computed[port.name]!)]) {
    outputs.forEach((expected, i) => {
      const { dtype, shape } = results[i]!;
      expect(shape, `output ${i}`).toEqual(expected.shape);
      const numbers = toNumbers({ ...expected, dtype });
      const whole = kindOf(dtype) !== "float" && kindOf(dtype) !== "complex";
      if (whole) expect([...toNumbers(results[i]!)]).toEqual([...numbers]);
      else expectClose(results[i]!, numbers, tolerances[dtype], `${name} output ${i}`);
    });
  }
  executable.dispose();
}

describe("jax.export", () => {
  test.each(names)("%s", (name) => {
    const source = sourceOf(join(folder, `${name}.jaxexport`));
    expect(jaxExport.matches(source)).toBe(true);
    expect(hloProto.matches(source)).toBe(false);
    const model = jaxExport.open(source);
    if (name.startsWith("refused")) {
      expect(model.missing.map(({ op }) => op).sort()).toEqual([
        "custom_call:lapack_sgeev_ffi",
        "custom_call:lapack_sgesdd_ffi",
      ]);
      expect(() => model.program()).toThrow(/not built: .*lapack_sge(?:ev|sdd)_ffi.*lapack_sge(?:ev|sdd)_ffi/);
      return;
    }
    expect(model.missing).toEqual([]);
    compare(model, name);
  });
});

describe("HLO protocol buffers", () => {
  test.each(names.filter((name) => existsSync(join(folder, `${name}.hlo`))))("%s", (name) => {
    const source = sourceOf(join(folder, `${name}.hlo`));
    expect(hloProto.matches(source)).toBe(true);
    expect(jaxExport.matches(source)).toBe(false);
    const model = hloProto.open(source);
    expect(model.missing).toEqual([]);
    compare(model, name);
  });
});

describe("MLIR", () => {
  const files = readdirSync(folder).filter((name) => /\.mlir(?:bc)?$/.test(name));
  test.each(files)("%s", (file) => {
    const source = sourceOf(join(folder, file));
    expect(stablehlo.matches(source)).toBe(true);
    const model = stablehlo.open(source);
    expect(model.missing).toEqual([]);
    compare(model, file.replace(/\..*$/, ""));
  });
});

describe("ports", () => {
  const open = (name: string) => jaxExport.open(sourceOf(join(folder, `${name}.jaxexport`)));

  test("have the names of the tracer and of the trees", () => {
    const [{ inputs, outputs }] = open("mlp_batch").signatures as [Signature];
    expect(inputs.map(({ name }) => name)).toEqual([
      "params.hidden.bias",
      "params.hidden.kernel",
      "params.out.bias",
      "params.out.kernel",
      "x",
    ]);
    expect(inputs.at(-1)!.shape).toEqual(["b", 6]);
    expect(outputs.map(({ name }) => name)).toEqual(["logits", "probabilities"]);
  });

  test("of unused arguments are left out", () => {
    expect(open("unused_arguments").signatures[0]!.inputs.map(({ name }) => name)).toEqual(["x", "n"]);
    expect(open("unused_arguments").signatures[0]!.outputs.map(({ name }) => name)).toEqual(["answer.0", "answer.1.0"]);
  });

  test("may be bound to weights", () => {
    const { inputs, outputs } = arraysOf(join(folder, "mlp_batch.npz"));
    const program = open("mlp_batch").program("main", { x: [4, 6] });
    const weights = Object.fromEntries(program.inputs.slice(0, 4).map(({ name }, i) => [name, inputs[i]!]));
    const joined = bindInputs(program, weights);
    verify(joined);
    expect(joined.inputs.map(({ name }) => name)).toEqual(["x"]);
    expectClose(evaluate(joined, [inputs[4]!])[0]!, toNumbers(outputs[0]!));
    expect(() => bindInputs(program, { "params.out.bias": inputs[4]! })).toThrow(/params.out.bias/);
  });

  test("with symbolic extents have to agree", () => {
    const model = open("symbolic_shapes");
    expect(model.signatures[0]!.inputs[0]!.shape).toEqual(["2*b", 4]);
    expect(model.program("main", { y: [5, 4] }).inputs[0]!.type.shape).toEqual([10, 4]);
    expect(() => model.program("main", { x: [7, 4], y: [3, 4] })).toThrow(/shapes/i);
  });
});

test("modules within a SavedModel (jax2tf)", async () => {
  const model = await openModel(sourceOf(join(folder, "xla_call")));
  expect(model.missing).toEqual([]);
  const golden = JSON.parse(readFileSync(join(folder, "xla_call/golden.json"), "utf8"));
  const program = model.program(undefined, { x: [3, 3] });
  verify(program);
  const inputs = [fromNumbers("f32", [3, 3], golden.x), ...program.states.map(({ initial }) => initial)];
  const results = evaluate(program, inputs);
  program.outputs.forEach(({ name }, i) => expectClose(results[i]!, golden[name], {}, name));
  expect(program.outputs.map(({ name }) => name).sort()).toEqual(["sums", "y", "z"]);
});
