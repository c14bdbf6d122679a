import fc from "fast-check";
import { expect, test } from "vitest";
import { evaluate } from "../interpret/interpret.ts";
import { Builder } from "./build.ts";
import type { Operation, Program, Value } from "./graph.ts";
import { print } from "./print.ts";
import { sameType, type TensorType, typeText, zeros } from "./tensor.ts";
import { verify } from "./verify.ts";

function programOf(builder: Builder, results: readonly Value[]): Program {
  const inputs = builder.parameters.map(({ type }, i) => ({ name: `in${i}`, type }));
  const outputs = results.map(({ type }, i) => ({ name: `out${i}`, type }));
  return { name: "test", inputs, outputs, states: [], body: builder.finish(results) };
}

/** A program of operations picked by numbers, each on values picked by numbers. */
function randomProgram(picks: readonly (readonly [number, number, number])[]): Program {
  const builder = new Builder([
    { dtype: "f32", shape: [2, 3] },
    { dtype: "i32", shape: [3] },
  ]);
  const values: Value[] = [...builder.parameters];
  const at = (n: number) => values[n % values.length]!;
  const makers: readonly ((a: Value, b: Value) => Value)[] = [
    (a) => builder.plain("negate", a),
    (a, b) => (a.type.dtype === b.type.dtype ? builder.add(a, builder.broadcast(b, b.type.shape)) : a),
    (a) => builder.convert(a, "f32"),
    (a) => builder.convert(a, "i8"),
    (a) => builder.transpose(a, a.type.shape.map((_, i) => i).reverse()),
    (a) => builder.reduce("add", a, [0], { keep: true }),
    (a) => builder.reduce("maximum", a, [a.type.shape.length - 1], { keep: true }),
    (a) =>
      builder.pad(
        a,
        a.type.shape.map(() => 1),
        a.type.shape.map(() => 0),
      ),
    (a, b) => builder.select(builder.compare("LT", a, a), a, sameType(a.type, b.type) ? b : a),
    (a) => (a.type.dtype === "f32" ? builder.softmax(a, a.type.shape.length - 1) : a),
    (a) => {
      const { type } = a;
      const end = builder.scalar("i32", 3);
      const index: TensorType = { dtype: "i32", shape: [] };
      return builder.all("while", [builder.scalar("i32", 0), a], {}, [
        builder.region([index, type], (inner, i) => [inner.compare("LT", i!, end)]),
        builder.region([index, type], (inner, i, x) => [inner.with("add", i!, 1), inner.add(x!, a)]),
      ])[1]!;
    },
  ];
  for (const [which, first, second] of picks) {
    const [a, b] = [at(first), at(second)];
    try {
      values.push(makers[which % makers.length]!(a, b));
    } catch {
      // Shapes that do not stretch to each other: the builder refuses, and the graph stays as it was.
    }
  }
  return programOf(builder, values.slice(-2));
}

test("whatever the builder makes is accepted, can be printed, and gives results of the types it says", () => {
  const pick = fc.tuple(fc.nat(100), fc.nat(100), fc.nat(100));
  fc.assert(
    fc.property(fc.array(pick, { maxLength: 12 }), (picks) => {
      const program = randomProgram(picks);
      verify(program);
      expect(print(program)).toContain("return");
      const results = evaluate(
        program,
        program.inputs.map(({ type }) => zeros(type.dtype, type.shape)),
      );
      expect(results.map(typeText)).toEqual(program.body.results.map(({ type }) => typeText(type)));
    }),
    { numRuns: 150 },
  );
});

function small(): { builder: Builder; x: Value; sum: Value; program: Program } {
  const builder = new Builder([{ dtype: "f32", shape: [2] }]);
  const [x] = builder.parameters as [Value];
  builder.origin = "Add 'top/add'";
  const sum = builder.add(x, builder.numbers("f32", [2], [1, -0]));
  return { builder, x, sum, program: programOf(builder, [sum]) };
}

test("what is wrong is named", () => {
  const { program, sum, x } = small();
  const { body } = program;
  const [constant, add] = body.operations as [Operation, Operation];
  const verified = (changes: Partial<Program>) => () => verify({ ...program, ...changes });
  const withBody = (changes: Partial<Program["body"]>) => verified({ body: { ...body, ...changes } });
  expect(verified({})).not.toThrow();
  expect(withBody({ operations: [add, constant] })).toThrow("operand 1 is not made before it");
  expect(withBody({ operations: [add, constant] })).toThrow("add %2 (Add 'top/add')");
  expect(withBody({ operations: [constant] })).toThrow("result 2 of a region is not made");
  expect(withBody({ operations: [constant, add, add] })).toThrow("value 2 is made twice");
  expect(withBody({ parameters: [] })).toThrow("0 parameters for 1 inputs");
  expect(verified({ outputs: [{ name: "y", type: { dtype: "f32", shape: [3] } }] })).toThrow("output 'y' is f32[3]");
  expect(verified({ states: [{ name: "s", initial: zeros("f32", [2]) }] })).toThrow("for 1 inputs, 1 states");
  expect(verified({ checks: [{ actual: 0, expected: 4, exact: true }] })).toThrow("result 4 of 1");
  const lies: Operation = { ...add, results: [{ ...sum, type: { dtype: "f32", shape: [4] } }] };
  expect(withBody({ operations: [constant, lies] })).toThrow("results are f32[4], must be f32[2]");
  const mixed: Operation = { ...add, operands: [x] };
  expect(withBody({ operations: [constant, mixed] })).toThrow("takes 2 operands, got 1");
});

test("regions are checked for what they take and give", () => {
  const builder = new Builder([{ dtype: "i32", shape: [] }]);
  const [x] = builder.parameters as [Value];
  const type = x.type;
  const condition = builder.region([type], (inner, i) => [inner.compare("LT", i!, x)]);
  const wrong = builder.region([type], (inner, i) => [inner.convert(i!, "f32")]);
  const [result] = builder.all("while", [x], {}, [condition, wrong]);
  expect(() => verify(programOf(builder, [result!]))).toThrow("region 1 gives (f32[]), must be (i32[])");
});

test("printed text", () => {
  const { builder, sum } = small();
  const total = builder.reduce("add", sum, [0]);
  expect(print(programOf(builder, [total]))).toBe(
    [
      'func @test(%0: tensor<2xf32> "in0") {',
      "  %1 = constant() {value = [1, -0]} : tensor<2xf32> // Add 'top/add'",
      "  %2 = add(%0, %1) : tensor<2xf32> // Add 'top/add'",
      "  %3 = constant() {value = [0]} : tensor<f32> // Add 'top/add'",
      "  %7 = reduce(%2, %3) {dimensions = [0]} ({ (%4: tensor<f32>, %5: tensor<f32>)",
      "    %6 = add(%4, %5) : tensor<f32> // Add 'top/add'",
      "    yield %6",
      "  }) : tensor<f32> // Add 'top/add'",
      '  return %7 "out0"',
      "}",
      "",
    ].join("\n"),
  );
});
