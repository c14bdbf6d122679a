// Goldens of the TensorFlow importers: inputs by formula, outputs as golden.py writes them, and how a model is checked.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { type DType, dtypes } from "../../../src/engine/hlo/dtype.ts";
import { elementCount, fromNumbers, type Tensor, toNumbers } from "../../../src/engine/hlo/tensor.ts";
import { compile } from "../../../src/engine/compile/compile.ts";
import type { Model, Tensors } from "../../../src/engine/model.ts";
import { expectClose, type Tolerance } from "../../support/models.ts";

type Spelled = number | string;
interface GoldenInput {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly seed?: number;
  readonly values?: readonly Spelled[];
}
interface GoldenOutput {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly stride: number;
  readonly values: readonly Spelled[];
}
export interface Case {
  readonly signature?: string;
  readonly inputs: Readonly<Record<string, GoldenInput>>;
  readonly outputs: Readonly<Record<string, GoldenOutput>>;
}

const names: Readonly<Record<string, DType>> = {
  float64: "f64",
  float32: "f32",
  float16: "f16",
  bfloat16: "bf16",
  bool: "i1",
  int8: "i8",
  int16: "i16",
  int32: "i32",
  int64: "i64",
  uint8: "u8",
  uint16: "u16",
  uint32: "u32",
  uint64: "u64",
  complex64: "c64",
  complex128: "c128",
};

const parse = (value: Spelled): number =>
  value === "inf" ? Infinity : value === "-inf" ? -Infinity : value === "nan" ? NaN : Number(value);

/** The numbers that fill() of golden.py gives. */
export function fill(dtype: DType, shape: readonly number[], seed: number): Tensor {
  const count = elementCount(shape);
  const { kind } = dtypes[dtype];
  const numbers: number[] = [];
  for (let k = 0; k < count; k++) {
    if (kind === "float") numbers.push(Math.sin(0.7 * k + seed) * 0.5);
    else if (kind === "boolean") numbers.push(Number((k * 37 + seed) % 3 === 0));
    else if (kind === "complex") numbers.push(Math.sin(0.7 * k + seed) * 0.5, Math.cos(0.3 * k + seed) * 0.5);
    else numbers.push((k * 37 + seed) % 64);
  }
  return fromNumbers(dtype, shape, numbers);
}

const read = (file: string): unknown => JSON.parse(readFileSync(join(import.meta.dirname, file), "utf8"));

export const goldens = (file: string) => read(file) as Readonly<Record<string, readonly Case[]>>;

/** Many outputs of one graph for one set of inputs. */
export interface Zoo {
  readonly inputs: Case["inputs"];
  readonly outputs: Readonly<Record<string, GoldenOutput & { readonly tensor: string }>>;
}
export const zoo = () => read("ops.json") as Zoo;

export function inputTensor({ dtype, shape, seed, values }: GoldenInput): Tensor {
  const type = names[dtype]!;
  if (seed !== undefined) return fill(type, shape, seed);
  return fromNumbers(type, shape, values!.map(parse));
}

/** What runs a program: the oracle, or the compiler's code. */
export type Backend = "interpreter" | "wasm";

/** Runs cases one after the other, as one session did it: variables keep their values. */
export function checkAll(
  model: Model,
  cases: readonly Case[],
  tolerance?: Tolerance,
  backends: readonly Backend[] = ["interpreter", "wasm"],
): void {
  for (const backend of backends) {
    const states = new Map<string, Tensor>();
    for (const each of cases) check(model, each, { tolerance, states, backend });
  }
}

/** Runs a case and compares what is kept of the outputs. */
function check(
  model: Model,
  { signature, inputs, outputs }: Case,
  { tolerance, states, backend }: { tolerance: Tolerance | undefined; states: Map<string, Tensor>; backend: Backend },
): void {
  const tensors = Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, inputTensor(input)]));
  const shapes = Object.fromEntries(Object.entries(tensors).map(([name, { shape }]) => [name, shape]));
  const ports = model.signatures.find(({ name }) => name === (signature ?? model.signatures[0]!.name))!.inputs;
  const valued = ports.filter(({ byValue }) => byValue).map(({ name }) => [name, tensors[name]!]);
  const program = model.program(signature, shapes, Object.fromEntries(valued) as Tensors);
  const executable = compile(program, { backend });
  executable.restore(Object.fromEntries(states));
  const given = executable.run(tensors);
  for (const [name, value] of Object.entries(executable.states())) states.set(name, value);
  executable.dispose();
  const seen: string[] = [];
  program.outputs.forEach(({ name }) => {
    const expected = outputs[name];
    if (!expected) return;
    seen.push(name);
    const actual = given[name]!;
    expect([name, actual.dtype, actual.shape]).toEqual([name, names[expected.dtype], expected.shape]);
    const numbers = Array.from(toNumbers(actual)).filter((_, k) => k % expected.stride === 0);
    const kept = fromNumbers("f64", [numbers.length], numbers);
    expectClose(kept, expected.values.map(parse), tolerance, `${backend} ${model.name} ${signature ?? ""} ${name}`);
  });
  expect(seen.sort()).toEqual(Object.keys(outputs).sort());
}
