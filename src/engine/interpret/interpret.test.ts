import { expect, test } from "vitest";
import type { Program } from "../hlo/graph.ts";
import { Builder } from "../hlo/build.ts";
import { fromNumbers, toNumbers } from "../hlo/tensor.ts";
import { constantOf, evaluate, reducerOf } from "./interpret.ts";

test("a perceptron with softmax", () => {
  const builder = new Builder([{ dtype: "f32", shape: [2, 3] }]);
  const weights = builder.numbers("f32", [3, 2], [1, 2, 3, 4, 5, 6]);
  const out = builder.softmax(builder.matmul(builder.parameters[0]!, weights), 1);
  const program: Program = { name: "p", inputs: [], outputs: [], states: [], body: builder.finish([out]) };
  const [result] = evaluate(program, [fromNumbers("f32", [2, 3], [0.1, 0.2, 0.3, -1, 0, 1])]);
  expect([...toNumbers(result!)].map((x) => x.toFixed(6))).toEqual(["0.354344", "0.645656", "0.500000", "0.500000"]);
});

test("a loop counts, and an endless one ends at its limit", () => {
  const builder = new Builder([{ dtype: "i32", shape: [] }]);
  const type = builder.parameters[0]!.type;
  const end = builder.scalar("i32", 10);
  const condition = builder.region([type], (inner, i) => [inner.compare("LT", i!, end)]);
  const body = builder.region([type], (inner, i) => [inner.with("add", i!, 3)]);
  const [result] = builder.all("while", [builder.parameters[0]!], {}, [condition, body]);
  const program: Program = { name: "p", inputs: [], outputs: [], states: [], body: builder.finish([result!]) };
  expect(evaluate(program, [fromNumbers("i32", [], [-2])])[0]!.data[0]).toBe(10);
  expect(() => evaluate(program, [fromNumbers("i32", [], [-2])], { steps: 5 })).toThrow(/limit of steps/);
});

test("constants fold through producers and stop at parameters and limits", () => {
  const builder = new Builder([{ dtype: "i64", shape: [2] }]);
  let sum = builder.numbers("i64", [2], [1n, 2n]);
  for (let i = 0; i < 20000; i++) sum = builder.with("add", sum, 1);
  expect([...constantOf(sum)!.data]).toEqual([20001n, 20002n]);
  expect(constantOf(builder.add(sum, builder.parameters[0]!))).toBe(undefined);
  const large = builder.full("f32", [100], 1);
  expect(constantOf(large, 10)).toBe(undefined);
  expect(constantOf(large, 100)!.data.length).toBe(100);
});

test("reducerOf knows bodies of one commutative operation on both parameters", () => {
  const builder = new Builder();
  const type = { dtype: "f32", shape: [] } as const;
  expect(reducerOf(builder.region([type, type], (inner, a, b) => [inner.plain("add", b!, a!)]))).toBe("add");
  expect(reducerOf(builder.region([type, type], (inner, a) => [inner.plain("add", a!, a!)]))).toBe(undefined);
  expect(reducerOf(builder.region([type, type], (inner, a, b) => [inner.plain("subtract", a!, b!)]))).toBe(undefined);
});
