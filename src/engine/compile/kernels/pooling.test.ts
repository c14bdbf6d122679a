import { test } from "vitest";
import { checkKernel, firstTemplate } from "../../../../test/support/kernels.ts";
import { Builder } from "../../hlo/build.ts";
import type { DType } from "../../hlo/dtype.ts";

test.each<[DType, "maximum" | "minimum" | "add"]>([
  ["f32", "maximum"],
  ["f32", "add"],
  ["i8", "maximum"],
  ["u8", "minimum"],
  ["i32", "add"],
])("pooling of %s by %s", (dtype, combine) => {
  for (const [shape, size, strides, padding] of [
    [
      [2, 6, 7, 19],
      [2, 2],
      [2, 2],
      [0, 0],
    ],
    [
      [1, 7, 7, 16],
      [3, 3],
      [2, 2],
      [1, 1],
    ],
    [
      [1, 5, 4, 3],
      [5, 4],
      [1, 1],
      [0, 0],
    ],
    [
      [1, 5, 4, 33],
      [3, 3],
      [1, 1],
      [0, 2],
    ],
  ] as const) {
    const b = new Builder([{ dtype, shape }]);
    const result = b.window(combine, b.parameters[0]!, {
      size: [1, ...size, 1],
      strides: [1, ...strides, 1],
      padding: [[0, 0], padding, padding, [0, 0]],
    });
    const body = b.finish([result]);
    checkKernel(body, firstTemplate(body)!.build());
  }
});
