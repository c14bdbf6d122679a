import { expect, test } from "vitest";
import { expectClose } from "../../../test/support/models.ts";
import { Builder } from "../hlo/build.ts";
import type { DType } from "../hlo/dtype.ts";
import type { Program, Value } from "../hlo/graph.ts";
import type { Direction } from "../hlo/ops.ts";
import { elementCount, fromNumbers, type Tensor, type TensorType, toNumbers } from "../hlo/tensor.ts";
import { compile } from "./compile.ts";

/** Numbers from a seed. */
class Random {
  private state: number;
  constructor(seed: number) {
    this.state = (seed * 2654435761) >>> 0 || 1;
  }
  next(): number {
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return (this.state >>> 0) / 2 ** 32;
  }
  below(count: number): number {
    return Math.floor(this.next() * count);
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}

const types: readonly DType[] = ["f32", "f32", "f32", "i32", "i8", "u8", "i1", "i16", "bf16", "f16", "u32", "i64"];

function sample(random: Random, { dtype, shape }: TensorType): Tensor {
  const numbers = Array.from({ length: elementCount(shape) }, () => {
    const number = (random.next() - 0.5) * 8;
    if (dtype === "i1") return Number(number > 0);
    if (dtype === "u8" || dtype === "u32") return Math.floor(Math.abs(number) * 10);
    if (dtype === "i64") return BigInt(Math.round(number * 10));
    return dtype === "f32" || dtype === "bf16" || dtype === "f16" ? number : Math.round(number * 10);
  });
  return fromNumbers(dtype, shape, numbers);
}

/** A random program over a pool of values. */
function randomProgram(random: Random, size: number): Program {
  const shapes = [
    [],
    [4],
    ...(random.below(8) === 0 ? [[0], [2, 0, 3]] : []),
    [5],
    [3, 5],
    [2, 4, 8],
    [1, 6, 7],
    [17],
    [2, 3, 2, 9],
  ];
  const inputs = Array.from({ length: 3 }, (): TensorType => ({
    dtype: random.pick(types),
    shape: random.pick(shapes),
  }));
  const builder = new Builder(inputs);
  const pool: Value[] = [...builder.parameters];
  const add = (...values: Value[]) => pool.push(...values.filter(({ type }) => elementCount(type.shape) <= 4000));
  const permutation = (rank: number) => {
    const list = Array.from({ length: rank }, (_, i) => i);
    for (let i = rank - 1; i > 0; i--) {
      const j = random.below(i + 1);
      [list[i], list[j]] = [list[j]!, list[i]!];
    }
    return list;
  };
  const partner = (x: Value): Value => {
    const alike = pool.filter((y) => y.type.dtype === x.type.dtype && y.type.shape.join() === x.type.shape.join());
    if (random.below(3) > 0) return random.pick(alike);
    if (random.below(2) > 0) return builder.full(x.type.dtype, x.type.shape, x.type.dtype === "i1" ? 1 : 2);
    return builder.broadcast(
      builder.constant(sample(random, { dtype: x.type.dtype, shape: x.type.shape.slice(-1) })),
      x.type.shape,
    );
  };
  /** Whether the last bits of a value may differ: what jumps must not be made of it. */
  const exactness = new Map<Value, boolean>();
  const exact = (x: Value): boolean => {
    let known = exactness.get(x);
    if (known === undefined) {
      const rounds = /exponential|tanh|logistic|erf|sine|divide|rsqrt|dotGeneral|reduce|multiply/.test(
        x.producer?.op ?? "",
      );
      known = !(rounds && /f/.test(x.type.dtype)) && (x.producer?.operands ?? []).every(exact);
      exactness.set(x, known);
    }
    return known;
  };
  const float = (x: Value) =>
    x.type.dtype === "f32" ? x : builder.convert(x.type.dtype === "u32" ? builder.clamp(x, 0, 100) : x, "f32");
  while (pool.length < size) {
    const x = random.pick(random.below(2) > 0 ? pool.slice(-4) : pool);
    const { dtype, shape } = x.type;
    const isFloat = dtype === "f32" || dtype === "bf16" || dtype === "f16";
    const rank = shape.length;
    const axis = rank > 0 ? random.below(rank) : 0;
    switch (random.below(20)) {
      case 0:
      case 1:
        add(
          builder.plain(
            random.pick(
              dtype === "i1"
                ? (["and", "or", "xor"] as const)
                : (["add", "subtract", "multiply", "maximum", "minimum"] as const),
            ),
            x,
            partner(x),
          ),
        );
        break;
      case 2:
        if (dtype === "f32") {
          const jumps = exact(x) ? (["floor", "sign"] as const) : [];
          add(
            builder.plain(
              random.pick(["exponential", "tanh", "logistic", "erf", "sine", ...jumps, "negate", "abs"] as const),
              builder.clamp(x, -5, 5),
            ),
          );
        } else if (isFloat || dtype === "i32" || dtype === "i8" || dtype === "i16") {
          add(builder.plain(random.pick(["abs", "sign", "negate"] as const), x));
        }
        break;
      case 3: {
        // Values in the range of every type: what does not fit is not the same everywhere.
        const to = random.pick(exact(x) ? types : (["f32", "bf16"] as const));
        add(builder.convert(dtype === "i1" ? x : builder.clamp(x, 0, 100), to));
        break;
      }
      case 4: {
        const y = partner(x);
        if (!exact(x) || !exact(y)) break;
        add(builder.op("compare", [x, y], { direction: random.pick<Direction>(["EQ", "NE", "LT", "LE", "GT", "GE"]) }));
        break;
      }
      case 5: {
        const y = partner(x);
        if (!exact(x) || !exact(y)) break;
        add(builder.select(builder.compare("GT", x, y), y, x));
        break;
      }
      case 6:
        add(builder.transpose(x, permutation(rank)));
        break;
      case 7: {
        const count = elementCount(shape);
        const other = random.pick([
          [count],
          [1, count],
          [count, 1],
          ...(count % 2 === 0
            ? [
                [count / 2, 2],
                [2, count / 2],
              ]
            : []),
        ]);
        add(builder.reshape(x, other));
        break;
      }
      case 8:
        add(builder.broadcast(x, [random.pick([1, 2, 3]), ...shape]));
        break;
      case 9:
        if (rank > 0) {
          const start = shape.map((n) => random.below(n));
          const limit = shape.map((n, i) => Math.min(n, start[i]! + 1 + random.below(n - start[i]!)));
          add(
            builder.slice(
              x,
              start,
              limit,
              shape.map(() => random.pick([1, 1, 2])),
            ),
          );
        }
        break;
      case 10:
        if (rank > 0) add(builder.op("reverse", [x], { dimensions: [axis] }));
        break;
      case 11: {
        const value = builder.constant(sample(random, { dtype, shape: [] }));
        const some = () => shape.map(() => random.below(3));
        add(
          builder.op("pad", [x, value], {
            low: some(),
            high: some(),
            interior: shape.map(() => random.pick([0, 0, 1])),
          }),
        );
        break;
      }
      case 12:
        if (rank > 0)
          add(builder.concatenate([x, partner(x), builder.op("reverse", [x], { dimensions: [axis] })], axis));
        break;
      case 13:
      case 14:
        if (rank > 0 && elementCount(shape) > 0) {
          const dimensions = permutation(rank).slice(0, 1 + random.below(rank));
          const keep = random.below(2) > 0;
          // Sums of what sums to zero are rounding errors and nothing else.
          const name = random.pick(exact(x) ? (["add", "maximum", "minimum"] as const) : (["maximum"] as const));
          if (dtype !== "i1" && !(name === "add" && (dtype === "bf16" || dtype === "f16"))) {
            const reduced = builder.reduce(name, x, dimensions, { keep });
            add(keep ? builder.binary("subtract", x, reduced) : reduced);
          }
        }
        break;
      case 15:
        if (rank > 0 && exact(x))
          add(
            random.below(2) > 0
              ? builder.softmax(float(x), axis)
              : builder.layerNorm(float(x), undefined, undefined, 0.5),
          );
        break;
      case 17:
        if (rank > 0 && shape[0]! > 0) {
          const indices = builder.clamp(random.pick(pool.filter(exact)), 0, 100);
          if (indices.type.dtype !== "i1") {
            const taken = random.below(2);
            const at = builder.convert(indices, random.pick(["i32", "i64", "u8"] as const));
            const offsets = shape.map((_, i) => i).filter((i) => i > 0 || taken === 0);
            const outer = at.type.shape.length;
            add(
              builder.op("gather", [x, at], {
                offsetDims: offsets.map((_, i) => outer + i),
                collapsedSliceDims: taken === 1 ? [0] : [],
                operandBatchingDims: [],
                startIndicesBatchingDims: [],
                startIndexMap: [0],
                indexVectorDim: outer,
                sliceSizes: shape.map((n, i) => (i > 0 ? n : taken === 1 ? Math.min(n, 1) : Math.ceil(n / 2))),
              }),
            );
          }
        }
        break;
      case 18:
      case 19: {
        const at = shape.map(() => builder.scalar("i32", random.below(6) - 1));
        const sizes = shape.map((n) => Math.min(n, 1 + random.below(n)));
        const part = builder.op("dynamicSlice", [x, ...at], { sizes });
        add(random.below(2) > 0 ? part : builder.op("dynamicUpdateSlice", [partner(x), part, ...at.toReversed()], {}));
        break;
      }
      case 16:
        if (rank > 1)
          add(builder.matmul(builder.clamp(float(x), -3, 3), builder.clamp(float(x), -3, 3), { transposeB: true }));
        else add(builder.op("iota", [], { dtype: random.pick(["f32", "i32"] as const), shape: [3, 5], dimension: 1 }));
    }
  }
  const results = [...new Set([...pool.slice(-4), random.pick(pool)])];
  const port =
    (name: string) =>
    ({ type }: { type: TensorType }, i: number) => ({ name: `${name}${i}`, type });
  return {
    name: "random",
    inputs: builder.parameters.map(port("x")),
    outputs: results.map(port("y")),
    states: [],
    body: builder.finish(results),
  };
}

/** Fewer seeds than were tried while this was written: each takes a few milliseconds. */
const seeds = Number(process.env["SEEDS"] ?? 100);

test("random programs give the interpreter's results", () => {
  for (let seed = 1; seed <= seeds; seed++) {
    const random = new Random(seed);
    const program = randomProgram(random, 8 + random.below(24));
    const inputs = Object.fromEntries(program.inputs.map(({ name, type }) => [name, sample(random, type)]));
    const wanted = compile(program, { backend: "interpreter" }).run(inputs);
    let got: Readonly<Record<string, Tensor>>;
    try {
      got = compile(program).run(inputs);
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
    for (const [name, tensor] of Object.entries(wanted)) {
      const numbers = toNumbers(tensor);
      const largest = numbers.reduce((most, n) => (Number.isFinite(n) ? Math.max(most, Math.abs(n)) : most), 0);
      // Sums that cancel are as exact as their largest parts; half floats may round the other way.
      const precision = tensor.dtype === "bf16" ? 2 ** -7 : tensor.dtype === "f16" ? 2 ** -10 : 2e-5;
      const tolerance =
        precision >= 2e-5 && /f/.test(tensor.dtype)
          ? { relative: precision, absolute: precision * Math.max(1, largest) }
          : { relative: 0, absolute: 0 };
      expectClose(got[name]!, numbers, tolerance, `seed ${seed}, ${name}`);
    }
  }
  expect(seeds).toBeGreaterThan(0);
});
