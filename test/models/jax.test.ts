// Programs that jax.export wrote (jax/make.py), with the results that JAX gave.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { dtypes, kindOf } from "../../src/engine/hlo/dtype.ts";
import { type Tensor, toNumbers } from "../../src/engine/hlo/tensor.ts";
import { verify } from "../../src/engine/hlo/verify.ts";
import { tensorOfNpy } from "../../src/engine/import/arrays.ts";
import { jaxExport } from "../../src/engine/import/jax/export.ts";
import { evaluate } from "../../src/engine/interpret/interpret.ts";
import { zipContent, zipEntries } from "../../src/formats/zip.ts";
import { expectClose, sourceOf, type Tolerance } from "../support/models.ts";

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

describe("jax.export", () => {
  test.each(names)("%s", (name) => {
    const source = sourceOf(join(folder, `${name}.jaxexport`));
    expect(jaxExport.matches(source)).toBe(true);
    const model = jaxExport.open(source);
    if (name.startsWith("refused")) {
      expect(model.missing.map(({ op }) => op)).toEqual([
        "custom_call:lapack_sgesdd_ffi",
        "custom_call:lapack_ssyevd_ffi",
      ]);
      expect(() => model.program()).toThrow(/not built: .*gesdd.*syevd/);
      return;
    }
    expect(model.missing).toEqual([]);
    const { inputs, outputs } = arraysOf(join(folder, `${name}.npz`));
    const ports = model.signatures[0]!.inputs;
    const program = model.program(undefined, Object.fromEntries(ports.map((port, i) => [port.name, inputs[i]!.shape])));
    verify(program);
    const given = program.inputs.map(({ type }, i): Tensor => ({ ...inputs[i]!, dtype: type.dtype }));
    const results = evaluate(program, given);
    expect(program.outputs.length).toBe(outputs.length);
    outputs.forEach((expected, i) => {
      const { dtype } = results[i]!;
      expect(results[i]!.shape, `output ${i}`).toEqual(expected.shape);
      const numbers = toNumbers({ ...expected, dtype });
      if (kindOf(dtype) !== "float" && kindOf(dtype) !== "complex")
        expect([...toNumbers(results[i]!)]).toEqual([...numbers]);
      else expectClose(results[i]!, numbers, tolerances[dtype], `${name} output ${i}`);
    });
    expect(Object.keys(dtypes)).toContain(results[0]!.dtype);
  });
});
