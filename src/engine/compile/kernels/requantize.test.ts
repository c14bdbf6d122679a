import { expect, test } from "vitest";
import { compile } from "../compile.ts";
import { Builder } from "../../hlo/build.ts";
import { fromNumbers, toNumbers } from "../../hlo/tensor.ts";
import { evaluate } from "../../interpret/interpret.ts";

const random = (() => {
  let state = 12345;
  return (below: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
})();

/** x * w of one by one elements plus a bias that is any i32: the sums that are requantized. */
function check(
  shifts: readonly number[],
  range: { dtype: "i8" | "i32"; min: number; max: number },
  size: number,
  rows = 64,
): void {
  const b = new Builder([
    { dtype: "i8", shape: [rows, 4] },
    { dtype: "i32", shape: [rows, shifts.length] },
  ]);
  const w = b.constant(fromNumbers("i8", [4, shifts.length], Array(4 * shifts.length).fill(0)));
  const product = b.op("dotGeneral", [b.parameters[0]!, w], {
    lhsBatching: [],
    rhsBatching: [],
    lhsContracting: [1],
    rhsContracting: [0],
    dtype: "i32",
  });
  const sums = b.add(product, b.parameters[1]!);
  const multiplier = b.numbers("i32", [shifts.length], shifts.map(() => 2 ** 30 + random(2 ** 30))); // prettier-ignore
  const shift = b.numbers("i32", [shifts.length], shifts);
  const result = b.op("requantize", [sums, multiplier, shift], { ...range, dimension: 1, zeroPoint: -3 });
  const body = b.finish([result]);
  const inputs = [
    fromNumbers("i8", [rows, 4], [1]),
    fromNumbers(
      "i32",
      [rows, shifts.length],
      Array.from({ length: rows * shifts.length }, () => random(2 * size) - size),
    ),
  ];
  const ports = body.parameters.map(({ type }, i) => ({ name: `x${i}`, type }));
  const program = { name: "test", inputs: ports, outputs: [{ name: "y", type: result.type }], states: [], body };
  const [expected] = evaluate(program, inputs);
  const executable = compile(program);
  const { y } = executable.run({ x0: inputs[0]!, x1: inputs[1]! });
  executable.dispose();
  expect([...toNumbers(y!)]).toEqual([...toNumbers(expected!)]);
}

test.each([2 ** 9, 2 ** 12, 2 ** 17, 2 ** 31])("fixed-point products of sums below %d", (size) => {
  for (let shift = -14; shift <= 0; shift++) {
    const varied = Array.from({ length: 12 }, (_, i) => Math.max(-14, shift - i));
    check(varied, { dtype: "i8", min: -128, max: 127 }, size);
    check(varied, { dtype: "i8", min: -128, max: 127 }, size, 1);
    check([shift, shift, shift, shift, shift], { dtype: "i8", min: -100, max: 127 }, size);
    check([shift, shift, shift], { dtype: "i32", min: -(2 ** 31), max: 2 ** 31 - 1 }, size);
  }
  check([-31, -31], { dtype: "i32", min: -(2 ** 31), max: 2 ** 31 - 1 }, size);
});

test.each(["i32", "i64"] as const)("16-bit activations, sums of %s: a bias of 64 bits and one rounding", (dtype) => {
  const [rows, depth, columns] = [9, 33, 14];
  const b = new Builder([{ dtype: "i16", shape: [rows, depth] }]);
  const weights = b.numbers(
    "i8",
    [depth, columns],
    Array.from({ length: depth * columns }, () => random(255) - 127),
  );
  const product = b.op("dotGeneral", [b.parameters[0]!, weights], {
    lhsBatching: [],
    rhsBatching: [],
    lhsContracting: [1],
    rhsContracting: [0],
    dtype,
  });
  const bias = b.numbers(
    "i64",
    [columns],
    Array.from({ length: columns }, () => BigInt(random(2 ** 24) - 2 ** 23)),
  );
  const sums = b.add(b.convert(product, "i64"), bias);
  const multiplier = b.numbers(
    "i32",
    [columns],
    Array.from({ length: columns }, () => 2 ** 30 + random(2 ** 30)),
  );
  const shift = b.numbers(
    "i32",
    [columns],
    Array.from({ length: columns }, () => -4 - random(6)),
  );
  const result = b.op("requantize", [sums, multiplier, shift], {
    dtype: "i16",
    dimension: 1,
    zeroPoint: 0,
    min: -32768,
    max: 32767,
  });
  const body = b.finish([result]);
  const input = fromNumbers(
    "i16",
    [rows, depth],
    Array.from({ length: rows * depth }, () => random(65536) - 32768),
  );
  const inputs = [{ name: "x", type: input }];
  const program = { name: "test", inputs, outputs: [{ name: "y", type: result.type }], states: [], body };
  const [expected] = evaluate(program, [input]);
  const executable = compile(program);
  expect(executable.stats.steps["interpreter"]).toBeUndefined();
  expect([...toNumbers(executable.run({ x: input })["y"]!)]).toEqual([...toNumbers(expected!)]);
});
