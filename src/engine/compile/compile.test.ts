import { expect, test } from "vitest";
import { expectClose } from "../../../test/support/models.ts";
import { Builder } from "../hlo/build.ts";
import type { Port, Program, State, Value } from "../hlo/graph.ts";
import { convertTensor, fromNumbers, type Tensor, type TensorType, toNumbers } from "../hlo/tensor.ts";
import { compile } from "./compile.ts";

const f32 = (...shape: number[]): TensorType => ({ dtype: "f32", shape });
const i32 = (...shape: number[]): TensorType => ({ dtype: "i32", shape });

/** A program from a function on the Builder. */
function program(
  inputs: readonly TensorType[],
  write: (builder: Builder, ...inputs: Value[]) => readonly Value[],
  states: readonly State[] = [],
): Program {
  const builder = new Builder([...inputs, ...states.map(({ initial }) => initial)]);
  const results = write(builder, ...builder.parameters);
  const port = (name: string, type: TensorType): Port => ({ name, type });
  return {
    name: "test",
    inputs: inputs.map((type, i) => port(`x${i}`, type)),
    outputs: results.slice(0, results.length - states.length).map(({ type }, i) => port(`y${i}`, type)),
    states,
    body: builder.finish(results),
  };
}

/** Numbers without pattern, the same each time. */
function sample({ dtype, shape }: TensorType, seed = 1): Tensor {
  const count = shape.reduce((product, extent) => product * extent, 1);
  const numbers = Array.from({ length: count }, (_, i) => Math.sin((i + 1) * 12.9898 * seed) * 4);
  return fromNumbers(
    dtype,
    shape,
    dtype === "i1"
      ? numbers.map((n) => Number(n > 0))
      : dtype === "f32"
        ? numbers
        : numbers.map((n) => Math.trunc(n * 8)),
  );
}

/** Runs compiled and interpreted; expects the same. */
function compare(made: Program, given?: readonly Tensor[]): void {
  const inputs = Object.fromEntries(made.inputs.map(({ name, type }, i) => [name, given?.[i] ?? sample(type, i + 1)]));
  const [compiled, oracle] = [compile(made), compile(made, { backend: "interpreter" })];
  for (let run = 0; run < 2; run++) {
    const [got, wanted] = [compiled.run(inputs), oracle.run(inputs)];
    for (const [name, tensor] of Object.entries(wanted)) {
      const exact = tensor.dtype === "f32" ? {} : { relative: 0, absolute: 0 };
      expectClose(got[name]!, toNumbers(tensor), exact, `run ${run}, ${name}`);
    }
  }
}

test("operations, views and constants", () => {
  compare(
    program([f32(2, 3), f32(3)], (b, x, y) => {
      const sum = b.add(x!, y!);
      return [b.reshape(b.with("multiply", sum, 2), [3, 2]), b.reduce("add", sum, [1]), x!];
    }),
  );
});

test("a loop with captures, swaps and a counter", () => {
  compare(
    program([f32(4), f32(4)], (b, x, y) => {
      const zero = b.scalar("i32", 0);
      const types = [i32(), f32(4), f32(4)];
      const condition = b.region(types, (inner, i) => [inner.compare("LT", i!, inner.scalar("i32", 5))]);
      const body = b.region(types, (inner, i, p, q) => [inner.with("add", i!, 1), inner.add(q!, x!), p!]);
      return b.all("while", [zero, x!, y!], {}, [condition, body]);
    }),
  );
});

test("places of the largest and smallest elements", () => {
  const numbers = [3, 1, 3, -2, NaN, 7, NaN, 7, -Infinity, -Infinity, -Infinity, -Infinity];
  for (const dimension of [0, 1]) {
    for (const index of ["i32", "i64"] as const) {
      const made = program([f32(3, 4), i32(5, 6)], (b, x, y) => [
        b.argument("GT", x!, dimension, index),
        b.argument("LT", x!, dimension, index),
        b.argument("GT", y!, dimension, index),
        b.argument("LT", b.convert(y!, "i8"), dimension),
      ]);
      compare(made, [fromNumbers("f32", [3, 4], numbers), sample(i32(5, 6))]);
      expect(compile(made).stats.steps["interpreter"]).toBeUndefined();
    }
  }
});

test("transpositions in tiles, with what is left at the edges", () => {
  compare(
    program([f32(3, 21, 2, 19), i32(33, 16)], (b, x, y) => [
      b.transpose(x!, [0, 3, 2, 1]),
      b.transpose(x!, [3, 2, 1, 0]),
      b.transpose(b.slice(x!, [1, 3, 0, 1], [3, 20, 2, 18]), [2, 3, 0, 1]),
      b.transpose(y!, [1, 0]),
      b.concatenate([b.transpose(y!, [1, 0]), b.transpose(y!, [1, 0])], 1),
    ]),
  );
});

test("tables are found wherever they lie", () => {
  const table = fromNumbers(
    "i8",
    [256],
    Array.from({ length: 256 }, (_, i) => ((i * 7) % 256) - 128),
  );
  const numbers = fromNumbers(
    "i8",
    [3, 5],
    Array.from({ length: 15 }, (_, i) => i * 18 - 128),
  );
  const made = program([{ dtype: "i8", shape: [3, 5] }], (b, x) => [b.plain("lookup", x!, b.constant(table))]);
  compare(made, [numbers]);
});

test("bits of another type are the same bytes", () => {
  const made = program([f32(2, 3)], (b, x) => {
    const bits = b.op("bitcastConvert", [x!], { dtype: "u32" });
    const high = b.plain("shiftRightLogical", bits, b.full("u32", [2, 3], 23));
    return [
      b.op("bitcastConvert", [b.plain("and", bits, high)], { dtype: "f32" }),
      b.op("bitcastConvert", [x!], { dtype: "u8" }),
    ];
  });
  compare(made);
});

test("loops that write into what they carry", () => {
  compare(
    program([f32(6, 3), f32(3)], (b, x, h) => {
      const zero = b.scalar("i32", 0);
      const types = [i32(), f32(3), f32(6, 3), f32(6, 3)];
      const condition = b.region(types, (inner, i) => [inner.compare("LT", i!, inner.scalar("i32", 6))]);
      const body = b.region(types, (inner, i, state, out, all) => {
        const at = inner.op("dynamicSlice", [x!, i!, zero], { sizes: [1, 3] });
        const next = inner.plain("tanh", inner.add(inner.reshape(at, [3]), state!));
        const row = inner.reshape(next, [1, 3]);
        // One is read before it is written, the other one after that too.
        const written = inner.op("dynamicUpdateSlice", [out!, row, i!, zero], {});
        const other = inner.op("dynamicUpdateSlice", [all!, row, i!, zero], {});
        return [
          inner.with("add", i!, 1),
          inner.add(next, inner.reduce("add", out!, [0])),
          written,
          inner.add(other, all!),
        ];
      });
      const start = b.full("f32", [6, 3], 0);
      return b.all("while", [zero, h!, start, start], {}, [condition, body]).slice(1);
    }),
  );
});

test("branches choose, with values from outside", () => {
  for (const which of [-1, 0, 1, 7]) {
    const made = program([i32(), f32(3)], (b, index, x) => {
      const branch = (number: number) => b.region([], (inner) => [inner.with("multiply", x!, number), x!]);
      const chosen = b.all("case", [index!], {}, [branch(2), branch(3), b.region([], () => [x!, x!])]);
      const positive = b.compare("GT", b.reduce("add", x!, [0]), b.scalar("f32", 0));
      const either = b.all("if", [positive], {}, [branch(5), branch(7)]);
      return [...chosen, ...either];
    });
    compare(made, [fromNumbers("i32", [], [which]), sample(f32(3))]);
  }
});

test("states are kept, reset, given away and taken", () => {
  const initial = fromNumbers("f32", [2], [1, 2]);
  const made = program([f32(2)], (b, x, a, c) => [b.add(a!, c!), b.add(a!, x!), a!], [
    { name: "a", initial },
    { name: "c", initial },
  ]);
  const run = compile(made);
  const x = { x0: fromNumbers("f32", [2], [10, 20]) };
  expect(toNumbers(run.run(x)["y0"]!)).toEqual(new Float64Array([2, 4]));
  expect(toNumbers(run.run(x)["y0"]!)).toEqual(new Float64Array([12, 24]));
  const states = run.states();
  expect(toNumbers(states["a"]!)).toEqual(new Float64Array([21, 42]));
  expect(toNumbers(states["c"]!)).toEqual(new Float64Array([11, 22]));
  const other = compile(made);
  other.restore(states);
  expect(toNumbers(other.run(x)["y0"]!)).toEqual(new Float64Array([32, 64]));
  run.reset();
  expect(toNumbers(run.run(x)["y0"]!)).toEqual(new Float64Array([2, 4]));
  run.dispose();
  expect(() => run.run(x)).toThrow("after dispose");
});

test("states are updated in place when nothing reads the old one later", () => {
  const initial = fromNumbers("f32", [4, 2], [1, 2, 3, 4, 5, 6, 7, 8]);
  compare(
    program(
      [f32(1, 2), i32()],
      (b, x, at, a, c, d) => {
        const zero = b.scalar("i32", 0);
        const next = b.op("dynamicUpdateSlice", [a!, x!, at!, zero], {});
        const late = b.op("dynamicUpdateSlice", [c!, x!, at!, zero], {});
        const added = b.with("add", d!, 1);
        return [b.reduce("add", next, [0]), b.add(late, c!), next, late, added];
      },
      [
        { name: "a", initial },
        { name: "c", initial },
        { name: "d", initial },
      ],
    ),
    [sample(f32(1, 2)), fromNumbers("i32", [], [2])],
  );
});

test("a sum over everything that everything uses is done once", () => {
  const made = program([f32(3, 50, 40)], (b, x) => {
    const all = [0, 1, 2];
    return [b.reshape(b.subtract(x!, b.reduce("maximum", b.add(x!, b.reduce("add", x!, all)), all)), [50, 120])];
  });
  compare(made);
  const times = compile(made).profile({ x0: sample(f32(3, 50, 40)) });
  expect(times.map(({ name }) => name).join()).not.toMatch(/6000:6000/);
});

test("a missing input, a wrong one, and too little memory are errors", () => {
  const made = program([f32(2)], (b, x) => [b.relu(x!)]);
  expect(() => compile(made).run({})).toThrow('input "x0" is missing, takes f32[2]');
  expect(() => compile(made).run({ x0: fromNumbers("i32", [2], [1, 2]) })).toThrow("takes f32[2], got i32[2]");
  expect(() => compile(made, { memoryLimit: 100 })).toThrow("the limit is 100");
});

test("weights of 16 bits are held as such where they are multiplied", () => {
  for (const dtype of ["f16", "bf16"] as const) {
    const [inner, outer] = [
      [1024, 512],
      [512, 1024],
    ] as const;
    const held = (shape: readonly number[], seed: number) => {
      const numbers = toNumbers(sample(f32(...shape), seed)).map((n) => n / 256);
      return convertTensor(fromNumbers("f32", shape, [...numbers]), dtype);
    };
    for (const rows of [1, 5]) {
      const made = program([f32(rows, inner[0])], (b, x) => {
        const [first, second] = [b.constant(held(inner, 3)), b.constant(held(outer, 5))];
        const hidden = b.plain("tanh", b.matmul(x!, b.convert(first, "f32")));
        // Products in the type itself are made f32 by the compiler.
        const result = b.matmul(b.convert(hidden, dtype), second);
        return [b.convert(result, "f32"), hidden];
      });
      const inputs = { x0: sample(f32(rows, inner[0])) };
      const compiled = compile(made);
      const [got, wanted] = [compiled.run(inputs), compile(made, { backend: "interpreter" }).run(inputs)];
      // Hidden numbers are rounded to the type, now and then to the next one, and so is the result.
      const step = dtype === "f16" ? 2 ** -10 : 2 ** -7;
      expectClose(got["y0"]!, toNumbers(wanted["y0"]!), { relative: step, absolute: step });
      expectClose(got["y1"]!, toNumbers(wanted["y1"]!));
      // Columns are whole vectors: nothing is added but what fills the last panel.
      const { weightBytes } = compiled.stats;
      const bytes = 2 * 1024 * 512 * 2;
      expect(weightBytes).toBeGreaterThanOrEqual(bytes);
      expect(weightBytes).toBeLessThan(bytes + 16384);
    }
  }
});
