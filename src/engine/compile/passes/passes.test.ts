import { expect, test } from "vitest";
import { expectClose } from "../../../../test/support/models.ts";
import { Builder } from "../../hlo/build.ts";
import { operationsOf, type Program, type Value } from "../../hlo/graph.ts";
import { elementCount, fromNumbers, type Tensor, type TensorType, toNumbers } from "../../hlo/tensor.ts";
import { evaluate } from "../../interpret/interpret.ts";
import { compile } from "../compile.ts";
import { optimise } from "./passes.ts";

const f32 = (...shape: number[]): TensorType => ({ dtype: "f32", shape });

function program(types: readonly TensorType[], write: (b: Builder, ...inputs: Value[]) => readonly Value[]): Program {
  const builder = new Builder(types);
  const results = write(builder, ...builder.parameters);
  return {
    name: "test",
    inputs: types.map((type, i) => ({ name: `x${i}`, type })),
    outputs: results.map(({ type }, i) => ({ name: `y${i}`, type })),
    states: [],
    body: builder.finish(results),
  };
}

function numbers({ dtype, shape }: TensorType, seed = 1): Tensor {
  return fromNumbers(
    dtype,
    shape,
    Array.from({ length: elementCount(shape) }, (_, i) => Math.sin((i + 1) * 78.233 * seed)),
  );
}

/** Names of the operations that are left; expects the results to be the same, on the interpreter and compiled. */
function left(made: Program, tolerance = 1e-5): string[] {
  const inputs = made.inputs.map(({ type }, i) => numbers(type, i + 1));
  const simpler = optimise(made);
  const wanted = evaluate(made, inputs);
  const compiled = compile(made).run(Object.fromEntries(inputs.map((tensor, i) => [`x${i}`, tensor])));
  evaluate(simpler, inputs).forEach((tensor, i) => {
    const close = { relative: tolerance, absolute: tolerance };
    expectClose(tensor, toNumbers(wanted[i]!), close, `simplified ${i}`);
    expectClose(compiled[`y${i}`]!, toNumbers(wanted[i]!), close, `compiled ${i}`);
  });
  return [...operationsOf(simpler.body)].map(({ op }) => op).filter((op) => op !== "constant");
}

test("constants are folded, but not made larger", () => {
  const ops = left(
    program([f32(2, 3)], (b, x) => {
      const weights = b.transpose(b.constant(numbers(f32(3, 2))), [1, 0]);
      return [b.add(b.multiply(x!, b.plain("exponential", weights)), b.full("f32", [2, 3], 2))];
    }),
  );
  expect(ops).toEqual(["multiply", "broadcastInDim", "add"]);
});

test("what changes nothing or undoes itself goes", () => {
  const ops = left(
    program([f32(2, 3)], (b, x) => {
      const there = b.transpose(b.reshape(b.with("add", x!, 0), [3, 2]), [1, 0]);
      const back = b.reshape(b.transpose(b.with("multiply", there, 1), [1, 0]), [2, 3]);
      return [b.with("divide", back, 4), b.convert(b.convert(back, "f64"), "f32")];
    }),
  );
  expect(ops).toEqual(["broadcastInDim", "multiply"]);
});

test("equal operations are done once, unused ones not at all", () => {
  const ops = left(
    program([f32(4)], (b, x) => {
      b.plain("tanh", x!);
      return [b.add(b.plain("exponential", x!), b.plain("exponential", x!))];
    }),
  );
  expect(ops).toEqual(["exponential", "add"]);
});

test("batch normalisation goes into a convolution's weights", () => {
  const ops = left(
    program([f32(1, 5, 5, 3)], (b, x) => {
      const column = (seed: number) => b.constant(numbers(f32(4), seed));
      const kernel = b.constant(numbers(f32(3, 3, 3, 4), 5));
      const made = b.convolution(x!, kernel, {
        strides: [1, 1],
        padding: [
          [1, 1],
          [1, 1],
        ],
      });
      const scale = b.multiply(b.plain("rsqrt", b.with("add", b.multiply(column(1), column(1)), 0.1)), column(2));
      return [b.add(b.multiply(b.subtract(made, column(3)), scale), column(4))];
    }),
  );
  expect(ops.filter((op) => op === "multiply")).toEqual([]);
  expect(ops).toContain("convolution");
});

test("a network with features first becomes one with features last", () => {
  const made = program([f32(2, 3, 9, 8)], (b, x) => {
    const conv = (input: Value, outputs: number, seed: number) =>
      b.op("convolution", [input, b.constant(numbers(f32(outputs, input.type.shape[1]!, 3, 3), seed))], {
        strides: [1, 1],
        padding: [
          [1, 1],
          [1, 1],
        ],
        lhsDilation: [1, 1],
        rhsDilation: [1, 1],
        inputBatch: 0,
        inputFeature: 1,
        inputSpatial: [2, 3],
        kernelInputFeature: 1,
        kernelOutputFeature: 0,
        kernelSpatial: [2, 3],
        outputBatch: 0,
        outputFeature: 1,
        outputSpatial: [2, 3],
        featureGroups: 1,
        batchGroups: 1,
      });
    const bias = (value: Value, seed: number) =>
      b.add(value, b.along(b.constant(numbers(f32(value.type.shape[1]!), seed)), value.type.shape, 1));
    const first = b.relu(bias(conv(x!, 8, 2), 3));
    const pooled = b.window("maximum", first, {
      size: [1, 1, 2, 2],
      strides: [1, 1, 2, 2],
      padding: [
        [0, 0],
        [0, 0],
        [0, 0],
        [0, 0],
      ],
    });
    const second = b.relu(bias(conv(pooled, 4, 4), 5));
    return [b.mean(second, [2, 3]), second];
  });
  const ops = left(made, 1e-4);
  expect(ops.filter((op) => op === "transpose").length).toBeLessThanOrEqual(2);
  const steps = compile(made).profile({ x0: numbers(f32(2, 3, 9, 8)) });
  expect(steps.filter(({ kind }) => kind === "interpret")).toEqual([]);
});

test("cumulative sums need no windows", () => {
  const made = program([f32(3, 20, 2)], (b, x) => {
    const cumulative = (before: number, after: number) =>
      b.window("add", x!, {
        size: [1, 20, 1],
        strides: [1, 1, 1],
        padding: [
          [0, 0],
          [before, after],
          [0, 0],
        ],
      });
    return [cumulative(19, 0), cumulative(0, 19)];
  });
  expect(left(made)).not.toContain("reduceWindow");
});

test("convolutions by weights that are inputs have kernels", () => {
  const attributes = {
    strides: [2, 1],
    padding: [
      [1, 0],
      [2, 1],
    ],
    lhsDilation: [1, 2],
    rhsDilation: [2, 1],
    inputBatch: 0,
    inputFeature: 3,
    inputSpatial: [1, 2],
    kernelInputFeature: 2,
    kernelOutputFeature: 3,
    kernelSpatial: [0, 1],
    outputBatch: 0,
    outputFeature: 1,
    outputSpatial: [2, 3],
    batchGroups: 1,
  } as const;
  for (const groups of [1, 5]) {
    const made = program([f32(2, 9, 8, 5), f32(3, 2, 5 / groups, 5)], (b, x, w) => [
      b.op("convolution", [x!, w!], { ...attributes, reversal: [true, false], featureGroups: groups }),
    ]);
    left(made);
    expect(compile(made).stats.steps["interpreter"]).toBeUndefined();
  }
});

test("products of half floats are done in f32", () => {
  for (const dtype of ["bf16", "f16"] as const) {
    const made = program([{ dtype, shape: [3, 8] }], (b, x) => [
      b.matmul(x!, b.convert(b.constant(numbers(f32(8, 5), 2)), dtype)),
    ]);
    expect(left(made, 2 ** -7)).toContain("dotGeneral");
    expect(compile(made).stats.steps["interpreter"] ?? 0).toBe(0);
  }
});
