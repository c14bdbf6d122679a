// Random products, convolutions and windows with what may follow them, compiled and interpreted.

import { expect, test } from "vitest";
import { expectClose } from "../../../../test/support/models.ts";
import { numbers } from "../../../../test/support/kernels.ts";
import { Builder } from "../../hlo/build.ts";
import type { DType } from "../../hlo/dtype.ts";
import type { Value } from "../../hlo/graph.ts";
import { toNumbers } from "../../hlo/tensor.ts";
import { evaluate } from "../../interpret/interpret.ts";
import { compile } from "../compile.ts";

/** A random program of one of the kinds; undefined when its result would be empty. */
function randomProgram(random: (below: number) => number) {
  const pick = <T>(...list: T[]): T => list[random(list.length)]!;
  const dtype: DType = pick("f32", "f32", "i8", "u8");
  const small = dtype !== "f32";
  const zeroX = random(200) - (dtype === "i8" ? 100 : 0);
  const sums = small && { dtype: "i32" as const, zeroPoints: [zeroX, dtype === "u8" ? random(200) : 0] as const };
  const kind = pick("convolution", "convolution", "depthwise", "product", "heads", "pool");
  let b: Builder;
  let result: Value;
  const parts: unknown[] = [kind, dtype];
  if (kind === "convolution" || kind === "depthwise") {
    const spatial = pick([1 + random(12), 1 + random(12)], [1 + random(40)]);
    const each = <T>(make: () => T) => spatial.map(make);
    const groups = kind === "depthwise" ? 1 + random(20) : pick(1, 1, 2);
    const [inputs, outputs] = kind === "depthwise" ? [1, 1] : [1 + random(9), 1 + random(20)];
    const spread = random(5) === 0;
    const window = each(() => 1 + random(5));
    const shape = [1 + random(2), ...spatial, groups * inputs];
    b = new Builder([{ dtype, shape }]);
    const weights = b.constant(numbers(dtype, [...window, inputs, groups * outputs], 5));
    const plain = b.convolution(b.parameters[0]!, weights, {
      strides: each(() => (spread ? 1 : pick(1, 2, 3))),
      padding: each(() => [random(4) - (random(6) === 0 ? 1 : 0), random(4)] as const),
      dilations: each(() => pick(1, 1, 2)),
      groups,
      ...sums,
    });
    const { operands, attributes } = plain.producer!;
    const changed = { ...(attributes as never as object), lhsDilation: each(() => (spread ? pick(1, 2) : 1)) };
    result = b.op("convolution", operands, changed as never);
    parts.push(shape, window, changed);
  } else if (kind === "product") {
    const [m, k, n] = [1 + random(40), 1 + random(50), 1 + random(60)];
    const other = !small && random(2) === 0;
    const [transposeA, transposeB] = [!small && random(3) === 0, random(2) === 0];
    const [left, right] = [transposeA ? [k, m] : [m, k], transposeB ? [n, k] : [k, n]];
    b = new Builder([{ dtype, shape: left }, ...(other ? [{ dtype, shape: right }] : [])]);
    const y = other ? b.parameters[1]! : b.constant(numbers(dtype, right, 7));
    result = b.op("dotGeneral", [b.parameters[0]!, y], {
      lhsBatching: [],
      rhsBatching: [],
      lhsContracting: [transposeA ? 0 : 1],
      rhsContracting: [transposeB ? 1 : 0],
      ...sums,
    });
    parts.push(left, right, other);
  } else if (kind === "heads") {
    const [batch, length, heads, size, keys] = [
      1 + random(3),
      1 + random(9),
      1 + random(4),
      1 + random(9),
      1 + random(12),
    ];
    const transposeB = random(2) === 0;
    const left = [batch, length, heads, transposeB ? size : keys];
    const right = [batch, keys, heads, size];
    b = new Builder([left, right].map((shape) => ({ dtype: "f32" as const, shape })));
    const [x, y] = b.parameters.map((value) => b.transpose(value, [0, 2, 1, 3]));
    result = b.matmul(x!, y!, { transposeB });
    parts.push(left, right, transposeB);
  } else {
    const shape = [1 + random(2), 1 + random(12), 1 + random(12), 1 + random(40)];
    b = new Builder([{ dtype, shape }]);
    result = b.window(small ? pick("maximum", "minimum") : pick("maximum", "add"), b.parameters[0]!, {
      size: [1, 1 + random(4), 1 + random(4), 1],
      strides: [1, 1 + random(3), 1 + random(3), 1],
      padding: [
        [0, 0],
        [random(3), random(3)],
        [random(3), random(3)],
        [0, 0],
      ],
    });
    parts.push(shape, result.producer!.attributes);
  }
  if (result.type.shape.includes(0)) return undefined;
  const n = result.type.shape.at(-1)!;
  const after = pick("nothing", "bias", "clamp", "gelu", "residual");
  parts.push(after);
  if (result.type.dtype === "f32") {
    if (after === "bias" || after === "gelu") result = b.add(result, b.constant(numbers("f32", [n], 9)));
    if (after === "clamp") result = b.clamp(result, 0, 1);
    if (after === "gelu" && kind !== "pool") result = b.gelu(result);
    if (after === "residual") result = b.add(result, b.constant(numbers("f32", result.type.shape, 4)));
  } else if (result.type.dtype === "i32" && after !== "nothing") {
    const shifts = Array.from({ length: n }, () => -6 - random(4));
    const multipliers = shifts.map(() => 2 ** 30 + random(2 ** 30));
    const shift = { dtype: "i8" as const, dimension: result.type.shape.length - 1, zeroPoint: 4, min: -128, max: 127 };
    const biased = b.add(result, b.constant(numbers("i32", [n], 9)));
    result = b.op("requantize", [biased, b.numbers("i32", [n], multipliers), b.numbers("i32", [n], shifts)], shift);
  }
  return { body: b.finish([result]), description: JSON.stringify(parts) };
}

test("random kernels give the interpreter's numbers", () => {
  let state = 20261122;
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  let checked = 0;
  for (let i = 0; i < 150; i++) {
    const made = randomProgram(random);
    if (!made) continue;
    const { body, description } = made;
    const port = ({ type }: Value, index: number) => ({ name: `port${index}`, type });
    const outputs = body.results.map(port);
    const program = { name: "random", inputs: body.parameters.map(port), outputs, states: [], body };
    const inputs = body.parameters.map(({ type }, index) => numbers(type.dtype, type.shape, index + 1));
    const executable = compile(program, { relaxed: random(2) === 0 });
    const given = Object.fromEntries(inputs.map((tensor, index) => [`port${index}`, tensor]));
    const got = executable.run(given)["port0"]!;
    executable.dispose();
    const [expected] = evaluate(program, inputs);
    const exact = got.dtype !== "f32";
    const tolerance = exact ? { absolute: 0.01, relative: 0 } : { absolute: 2e-5 };
    expectClose(got, toNumbers(expected!), tolerance, description);
    checked++;
  }
  expect(checked).toBeGreaterThan(120);
}, 60_000);
