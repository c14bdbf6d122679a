// What the goldens of single operations do not reach: regions, orders, edges, fixed point.

import { expect, test } from "vitest";
import { Builder } from "../hlo/build.ts";
import type { DType } from "../hlo/dtype.ts";
import type { Value } from "../hlo/graph.ts";
import { fromNumbers, type Tensor, toNumbers } from "../hlo/tensor.ts";
import { evaluate } from "./interpret.ts";
import { multiplyByQuantized, multiplyWideByQuantized } from "./quantised.ts";

type Write = (builder: Builder, ...values: Value[]) => readonly Value[];
function run(inputs: readonly Tensor[], write: Write): Tensor[] {
  const builder = new Builder(inputs.map(({ dtype, shape }) => ({ dtype, shape })));
  const body = builder.finish(write(builder, ...builder.parameters));
  return evaluate({ name: "test", inputs: [], outputs: [], states: [], body }, inputs);
}
const list = (tensor: Tensor | undefined) => [...toNumbers(tensor!)];
const scalarType = (dtype: DType) => ({ dtype, shape: [] });

/** JAX's comparator: zeros and NaNs made equal, then total order. */
function canonical(inner: Builder, x: Value): Value {
  const zero = inner.scalar("f32", 0);
  const same = inner.plain("select", inner.compare("EQ", x, zero), zero, x);
  return inner.plain("select", inner.compare("NE", x, x), inner.scalar("f32", Number.NaN), same);
}

test.each([20, 2000])("sorting %i elements by two keys is the same by keys and by comparing", (count) => {
  const first = fromNumbers(
    "f32",
    [count],
    Array.from({ length: count }, (_, i) => [0, -0, Number.NaN, -3, i % 7][i % 5]!),
  );
  const second = fromNumbers(
    "i32",
    [count],
    Array.from({ length: count }, (_, i) => ((i * 7919) % 11) - 5),
  );
  const place = fromNumbers(
    "i32",
    [count],
    Array.from({ length: count }, (_, i) => i),
  );
  const sorted = ({ known }: { known: boolean }) =>
    run([first, second, place], (builder, ...xs) => {
      const types = xs.flatMap(({ type }) => [scalarType(type.dtype), scalarType(type.dtype)]);
      const region = builder.region(types, (inner, a, b, c, d) => {
        const [x, y] = [canonical(inner, a!), canonical(inner, b!)];
        const less = inner.op("compare", [x, y], { direction: "LT", total: true });
        const equal = inner.op("compare", [x, y], { direction: "EQ", total: true });
        const verdict = inner.plain("or", less, inner.plain("and", equal, inner.compare("GT", c!, d!)));
        return [known ? verdict : inner.plain("not", inner.plain("not", verdict))];
      });
      return builder.all("sort", xs, { dimension: 0, stable: true }, [region]);
    }).map(list);
  expect(sorted({ known: true })).toEqual(sorted({ known: false }));
});

test("total order tells zeros and NaNs apart by their bits", () => {
  const bits = fromNumbers("u32", [5], [0xffc00000, 0xff800000, 0x80000000, 0, 0x7fc00000]);
  const [rising] = run([bits], (builder, x) => {
    const floats = builder.op("bitcastConvert", [x!], { dtype: "f32" });
    const left = builder.slice(floats, [0], [4]);
    const right = builder.slice(floats, [1], [5]);
    return [builder.op("compare", [left, right], { direction: "LT", total: true })];
  });
  expect(list(rising)).toEqual([1, 1, 1, 1]);
});

test("running sums are those of the windows", () => {
  const x = fromNumbers("i32", [2, 4], [1, 2, 3, 4, 5, 6, 7, 8]);
  const ones = [1, 1];
  const sum =
    (padding: readonly (readonly [number, number])[]): Write =>
    (builder, value) => [
      builder.op(
        "reduceWindow",
        [value!, builder.scalar("i32", 0)],
        { windowDimensions: [1, 4], windowStrides: ones, baseDilations: ones, windowDilations: ones, padding },
        [builder.region([scalarType("i32"), scalarType("i32")], (inner, a, b) => [inner.add(a!, b!)])],
      ),
    ];
  expect(
    list(
      run(
        [x],
        sum([
          [0, 0],
          [3, 0],
        ]),
      )[0],
    ),
  ).toEqual([1, 3, 6, 10, 5, 11, 18, 26]);
  expect(
    list(
      run(
        [x],
        sum([
          [0, 0],
          [0, 3],
        ]),
      )[0],
    ),
  ).toEqual([10, 9, 7, 4, 26, 21, 15, 8]);
  expect(
    list(
      run(
        [x],
        sum([
          [0, 0],
          [1, 2],
        ]),
      )[0],
    ),
  ).toEqual([6, 10, 9, 7, 18, 26, 21, 15]);
});

test("the gradient of max pooling", () => {
  const x = fromNumbers("f32", [1, 6], [1, 9, 3, 4, 9, 2]);
  const source = fromNumbers("f32", [1, 2], [10, 20]);
  const [result] = run([x, source], (builder, value, gradient) => {
    const pair = [scalarType("f32"), scalarType("f32")];
    return builder.all(
      "selectAndScatter",
      [value!, gradient!, builder.scalar("f32", 0)],
      {
        windowDimensions: [1, 3],
        windowStrides: [1, 3],
        padding: [
          [0, 0],
          [0, 0],
        ],
      },
      [
        builder.region(pair, (inner, a, b) => [inner.compare("GE", a!, b!)]),
        builder.region(pair, (inner, a, b) => [inner.add(a!, b!)]),
      ],
    );
  });
  expect(list(result)).toEqual([0, 10, 0, 0, 20, 0]);
});

test("gather moves windows inside, scatter leaves out those that are not", () => {
  const x = fromNumbers("i32", [4, 2], [0, 1, 2, 3, 4, 5, 6, 7]);
  const at = fromNumbers("i32", [3], [-1, 2, 9]);
  const [rows] = run([x, at], (builder, value, places) =>
    builder.all("gather", [value!, places!], {
      offsetDims: [1],
      collapsedSliceDims: [0],
      operandBatchingDims: [],
      startIndicesBatchingDims: [],
      startIndexMap: [0],
      indexVectorDim: 1,
      sliceSizes: [1, 2],
    }),
  );
  expect(list(rows)).toEqual([0, 1, 4, 5, 6, 7]);
  const updates = fromNumbers("i32", [3, 2], [10, 20, 30, 40, 50, 60]);
  const scattered = (body: (inner: Builder, a: Value, b: Value) => Value) =>
    list(
      run([x, at, updates], (builder, value, places, more) =>
        builder.all(
          "scatter",
          [value!, places!, more!],
          {
            updateWindowDims: [1],
            insertedWindowDims: [0],
            inputBatchingDims: [],
            scatterIndicesBatchingDims: [],
            scatterDimsToOperandDims: [0],
            indexVectorDim: 1,
          },
          [builder.region([scalarType("i32"), scalarType("i32")], (inner, a, b) => [body(inner, a!, b!)])],
        ),
      )[0],
    );
  expect(scattered((inner, a, b) => inner.add(a, b))).toEqual([0, 1, 2, 3, 34, 45, 6, 7]);
  expect(scattered((_, _a, b) => b)).toEqual([0, 1, 2, 3, 30, 40, 6, 7]);
  expect(scattered((inner, a, b) => inner.subtract(a, b))).toEqual([0, 1, 2, 3, -26, -35, 6, 7]);
});

test("a region that sees values around it, and one with control flow inside", () => {
  const x = fromNumbers("f32", [3], [1, 2, 3]);
  const [mapped] = run([x], (builder, value) => {
    const factor = builder.reduce("maximum", value!, [0]);
    const region = builder.region([scalarType("f32")], (inner, a) => {
      const large = inner.region([], (branch) => [branch.multiply(a!, factor)]);
      const small = inner.region([], (branch) => [branch.plain("negate", a!)]);
      return [inner.op("if", [inner.compare("GE", a!, inner.scalar("f32", 2))], {}, [large, small])];
    });
    return builder.all("map", [value!], { dimensions: [0] }, [region]);
  });
  expect(list(mapped)).toEqual([-1, 6, 9]);
});

test("booleans and integer powers", () => {
  const [a, b] = [fromNumbers("i1", [4], [0, 0, 1, 1]), fromNumbers("i1", [4], [0, 1, 0, 1])];
  const both = run([a, b], (builder, x, y) => [builder.add(x!, y!), builder.multiply(x!, y!)]);
  expect(both.map(list)).toEqual([
    [0, 1, 1, 1],
    [0, 0, 0, 1],
  ]);
  const [base, exponent] = [fromNumbers("i32", [5], [3, 2, -1, 7, 0]), fromNumbers("i32", [5], [5, 31, -3, -2, 0])];
  const [powers] = run([base, exponent], (builder, x, y) => [builder.binary("power", x!, y!)]);
  expect(list(powers)).toEqual([243, -(2 ** 31), -1, 0, 1]);
  const wide = run([fromNumbers("i64", [2], [3n, -2n]), fromNumbers("i64", [2], [40n, 63n])], (builder, x, y) => [
    builder.binary("power", x!, y!),
  ]);
  expect([...wide[0]!.data]).toEqual([BigInt.asIntN(64, 3n ** 40n), -(2n ** 63n)]);
});

test.each(["GT", "LT"] as const)("places of the %s are the same by the fast loop and by the region", (which) => {
  const numbers = [3, 5, Number.NaN, 5, 1, 1, -0, 0, 0, -0, 7, 7, Number.NaN, 1, Number.NaN];
  const x = fromNumbers("f32", [3, 5], numbers);
  for (const dimension of [0, 1]) {
    const places = (index: DType) =>
      list(run([x], (builder, value) => [builder.argument(which, value!, dimension, index)])[0]);
    // Places of 64 bits are not for the fast loop.
    expect(places("i32")).toEqual(places("i64"));
  }
  const [rows] = run([x], (builder, value) => [builder.argument(which, value!, 1)]);
  expect(list(rows)).toEqual(which === "GT" ? [2, 0, 2] : [2, 1, 2]);
});

/** gemmlowp's arithmetic, in bigints: a saturating doubling high product, then a rounding shift to the right. */
function reference(x: number, multiplier: number, shift: number): number {
  const shifted = BigInt.asIntN(32, BigInt(x) << BigInt(Math.max(shift, 0)));
  const product = shifted * BigInt(multiplier);
  const nudge = product >= 0n ? 1n << 30n : 1n - (1n << 30n);
  const high = (product + nudge) / (1n << 31n);
  const right = BigInt(Math.max(-shift, 0));
  const mask = (1n << right) - 1n;
  const threshold = (mask >> 1n) + (high < 0n ? 1n : 0n);
  return Number((high >> right) + ((high & mask) > threshold ? 1n : 0n));
}

test("fixed-point scaling", () => {
  const sums = [0, 1, -1, 5, -5, 12345, -12345, 2 ** 30 + 7, -(2 ** 30) - 7, 2 ** 31 - 1, -(2 ** 31), 3, -3, 6, -6];
  for (const multiplier of [0, 1 << 30, (1 << 30) + 12345, 0x7fffffff, 1717986918]) {
    for (const shift of [-31, -12, -7, -2, -1, 0, 1, 3]) {
      for (const sum of sums) {
        const what = `${sum} * ${multiplier} << ${shift}`;
        expect(`${what} = ${multiplyByQuantized(sum, multiplier, shift)}`).toBe(
          `${what} = ${reference(sum, multiplier, shift)}`,
        );
      }
    }
  }
  // 15 bits of multiplier: 1000000 * 0.5 * 2^-3, and a half rounds up.
  expect(multiplyWideByQuantized(1000000n, 1 << 30, -3)).toBe(62500);
  expect(multiplyWideByQuantized(-5n, 1 << 30, 0)).toBe(-2);
  const sum = fromNumbers("i32", [2, 2], [100, -100, 1000, 7]);
  const [out] = run(
    [sum, fromNumbers("i32", [2], [1 << 30, 1 << 30]), fromNumbers("i32", [2], [0, -1])],
    (builder, x, multiplier, shift) =>
      builder.all("requantize", [x!, multiplier!, shift!], {
        dtype: "i8",
        dimension: 1,
        zeroPoint: 3,
        min: -20,
        max: 90,
      }),
  );
  expect(list(out)).toEqual([53, -20, 90, 5]);
});

test("complex numbers at their edges", () => {
  const x = fromNumbers("c128", [4], [-4, -0, 0, 3, Infinity, 1, -1, 0]);
  const [roots, logs] = run([x], (builder, value) => [builder.plain("sqrt", value!), builder.plain("log", value!)]);
  const [a, b] = [list(roots), list(logs)];
  expect(a.slice(0, 2)).toEqual([0, -2]);
  expect(a.slice(4, 6)).toEqual([Infinity, 0]);
  expect(b.slice(0, 2)).toEqual([Math.log(4), -Math.PI]);
  expect(b.slice(6)).toEqual([0, Math.PI]);
});
