import { describe, test } from "vitest";
import { checkKernel, firstTemplate, numbers } from "../../../../test/support/kernels.ts";
import { Builder } from "../../hlo/build.ts";
import type { DType } from "../../hlo/dtype.ts";
import type { Operation } from "../../hlo/graph.ts";

interface Shape {
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly strides?: readonly number[];
  readonly padding?: readonly (readonly [number, number])[];
  readonly dilations?: readonly number[];
  readonly groups?: number;
  /** For transposed convolutions. */
  readonly spread?: readonly number[];
  readonly dtype?: DType;
  readonly zeroPoints?: readonly [number, number];
  /** The kernel is an input, not a constant. */
  readonly input?: boolean;
}

function check({ x, w, strides, padding, dilations, groups, spread, dtype = "f32", zeroPoints, input }: Shape): void {
  const b = new Builder([{ dtype, shape: x }, ...(input ? [{ dtype, shape: w }] : [])]);
  const spatial = x.slice(2);
  const result = b.convolution(b.parameters[0]!, b.parameters[1] ?? b.constant(numbers(dtype, w, 0.25)), {
    strides: strides ?? spatial.map(() => 1),
    padding: padding ?? spatial.map(() => [0, 0] as const),
    ...(dilations && { dilations }),
    ...(groups && { groups }),
    ...(dtype !== "f32" && { dtype: "i32" as const }),
    ...(zeroPoints && { zeroPoints }),
  });
  const operation = result.producer as Operation<"convolution">;
  const transposed =
    spread && b.op("convolution", operation.operands, { ...operation.attributes, lhsDilation: spread });
  const body = b.finish([transposed ?? result]);
  // Sums of hundreds of numbers that cancel.
  checkKernel(body, firstTemplate(body)!.build(), { absolute: 5e-5 });
}

const same = [
  [1, 1],
  [1, 1],
] as const;

describe.each<{ dtype: DType; zeroPoints?: readonly [number, number] }>([
  { dtype: "f32" },
  { dtype: "i8", zeroPoints: [-7, 0] },
  { dtype: "u8", zeroPoints: [128, 120] },
])("convolutions of $dtype", (types) => {
  test("one by one", () => {
    check({ x: [2, 5, 7, 6], w: [1, 1, 6, 10], ...types });
    check({ x: [2, 5, 7, 6], w: [1, 1, 6, 9], strides: [2, 2], ...types });
    check({ x: [1, 1, 1, 37], w: [1, 1, 37, 41], ...types });
  });
  test("windows, strides, padding, dilation", () => {
    check({ x: [2, 6, 7, 3], w: [3, 3, 3, 8], ...types });
    check({ x: [2, 6, 7, 3], w: [3, 3, 3, 8], padding: same, ...types });
    check({ x: [1, 9, 9, 5], w: [3, 3, 5, 13], padding: [[0, 1], [0, 1]], strides: [2, 2], ...types }); // prettier-ignore
    check({ x: [1, 9, 11, 4], w: [3, 2, 4, 9], padding: [[2, 2], [1, 2]], dilations: [2, 3], ...types }); // prettier-ignore
    check({ x: [1, 3, 3, 4], w: [5, 5, 4, 4], padding: [[4, 4], [4, 4]], ...types }); // prettier-ignore
    check({ x: [1, 3, 3, 4], w: [2, 2, 4, 4], padding: [[9, 9], [3, 8]], ...types }); // prettier-ignore
    check({ x: [1, 2, 300, 4], w: [2, 1, 4, 4], padding: [[9, 9], [0, 0]], ...types }); // prettier-ignore
    check({ x: [1, 49, 10, 1], w: [10, 4, 1, 64], padding: [[4, 5], [1, 1]], strides: [2, 2], ...types }); // prettier-ignore
  });
  test("groups", () => {
    check({ x: [1, 5, 6, 6], w: [3, 3, 3, 10], groups: 2, padding: same, ...types });
    check({ x: [1, 5, 6, 6], w: [1, 1, 2, 9], groups: 3, ...types });
  });
  test("depthwise", () => {
    check({ x: [2, 7, 9, 12], w: [3, 3, 1, 12], groups: 12, padding: same, ...types });
    check({ x: [1, 7, 9, 19], w: [3, 3, 1, 19], groups: 19, padding: same, strides: [2, 2], ...types });
    check({ x: [1, 12, 11, 5], w: [5, 5, 1, 5], groups: 5, padding: [[2, 2], [2, 2]], ...types }); // prettier-ignore
    check({ x: [1, 9, 9, 8], w: [3, 3, 1, 8], groups: 8, padding: [[2, 2], [2, 2]], dilations: [2, 2], ...types }); // prettier-ignore
    check({ x: [1, 3, 2, 8], w: [3, 3, 1, 8], groups: 8, padding: same, ...types });
    check({ x: [1, 25, 5, 8], w: [25, 5, 1, 8], groups: 8, ...types });
    check({ x: [1, 6, 6, 3], w: [3, 3, 1, 6], groups: 3, padding: same, ...types });
    check({ x: [1, 20, 6], w: [9, 1, 6], groups: 6, padding: [[4, 4]], ...types });
    check({ x: [2, 20, 1, 6], w: [9, 1, 1, 6], groups: 6, padding: [[4, 4], [0, 0]], ...types }); // prettier-ignore
  });
  test("transposed", () => {
    check({ x: [2, 5, 6, 4], w: [3, 3, 4, 9], padding: [[1, 2], [1, 2]], spread: [2, 2], ...types }); // prettier-ignore
    check({ x: [1, 5, 6, 4], w: [4, 4, 4, 3], padding: [[2, 2], [2, 2]], spread: [2, 2], ...types }); // prettier-ignore
    check({ x: [1, 4, 3, 8], w: [2, 2, 8, 8], padding: [[1, 1], [1, 1]], spread: [2, 2], ...types }); // prettier-ignore
    check({ x: [1, 4, 3, 5], w: [5, 3, 5, 8], padding: [[3, 4], [2, 0]], spread: [3, 2], ...types }); // prettier-ignore
    check({ x: [1, 20, 6], w: [8, 6, 12], padding: [[5, 5]], spread: [4], ...types });
    check({ x: [1, 6, 7, 3], w: [3, 3, 3, 8], padding: [[-1, 1], [1, -2]], ...types }); // prettier-ignore
  });
  test("one dimension", () => {
    check({ x: [2, 40, 6], w: [5, 6, 12], strides: [1], padding: [[2, 2]], ...types });
    check({ x: [1, 40, 6], w: [4, 6, 12], strides: [3], padding: [[0, 0]], ...types });
    check({ x: [2, 40, 1, 6], w: [4, 1, 6, 12], strides: [3, 1], padding: [[2, 0], [0, 0]], ...types }); // prettier-ignore
  });
});

test("kernels that are inputs", () => {
  check({ x: [2, 6, 7, 3], w: [3, 3, 3, 8], padding: same, input: true });
  check({ x: [1, 9, 9, 5], w: [3, 3, 5, 13], strides: [2, 2], padding: [[3, 1], [0, 1]], input: true }); // prettier-ignore
  check({ x: [1, 9, 2, 5], w: [3, 2, 5, 2], input: true });
  check({ x: [1, 5, 6, 6], w: [3, 3, 3, 10], groups: 2, padding: same, input: true });
  check({ x: [1, 40, 6], w: [5, 6, 12], padding: [[2, 2]], input: true });
  check({ x: [2, 5, 6, 4], w: [1, 1, 4, 9], strides: [2, 2], input: true });
});

test("many rows, many blocks", () => {
  check({ x: [1, 40, 33, 16], w: [3, 3, 16, 40], padding: same });
  check({ x: [1, 14, 14, 64], w: [3, 3, 64, 72], padding: same });
  check({ x: [1, 160, 170, 3], w: [3, 3, 3, 12], padding: [[0, 1], [0, 1]], strides: [2, 2] }); // prettier-ignore
});
