import { describe, expect, test } from "vitest";
import { checkKernel, firstTemplate, numbers } from "../../../../test/support/kernels.ts";
import { Builder } from "../../hlo/build.ts";
import type { Value } from "../../hlo/graph.ts";
import type { AttributesOf } from "../../hlo/ops.ts";

/** A program of one product: parameters and constants with numbers that depend on the place. */
function program(
  write: (b: Builder, parameter: (...shape: number[]) => Value, constant: (...shape: number[]) => Value) => Value,
  shapes: number[][],
) {
  const b = new Builder(shapes.map((shape) => ({ dtype: "f32", shape })));
  let next = 0;
  const result = write(
    b,
    () => b.parameters[next++]!,
    (...shape) => b.constant(numbers("f32", shape, 0.37)),
  );
  return b.finish([result]);
}

describe("matrix products", () => {
  const sizes = [1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17, 33];
  test("a constant right side, sizes around the tile's", () => {
    for (const m of sizes) {
      for (const n of sizes) {
        const body = program((b, x, w) => b.matmul(x(), w(11, n)), [[m, 11]]);
        checkKernel(body, firstTemplate(body)!.build());
      }
    }
  });
  test("right sides that are not constant, plain and transposed", () => {
    for (const m of [1, 4, 7]) {
      for (const n of [1, 3, 8, 13]) {
        for (const k of [1, 4, 11]) {
          for (const transposeB of [false, true]) {
            for (const transposeA of [false, true]) {
              const shapes = [transposeA ? [k, m] : [m, k], transposeB ? [n, k] : [k, n]];
              const body = program((b, x) => b.matmul(x(), x(), { transposeA, transposeB }), shapes);
              checkKernel(body, firstTemplate(body)!.build());
            }
          }
        }
      }
    }
  });
  test("heads of attention are read where they are", () => {
    const body = program(
      (b, x) => {
        const heads = (value: Value) => b.transpose(b.reshape(value, [2, 9, 3, 5]), [0, 2, 1, 3]);
        return b.matmul(heads(x()), heads(x()), { transposeB: true });
      },
      [
        [2, 9, 15],
        [2, 9, 15],
      ],
    );
    const template = firstTemplate(body)!;
    expect(template.covers.length).toBe(5);
    checkKernel(body, template.build());
  });
  test("small integers", () => {
    for (const [m, k, n] of [
      [1, 7, 5],
      [1, 64, 33],
      [9, 10, 12],
      [5, 33, 40],
    ] as const) {
      for (const dtype of ["i8", "u8"] as const) {
        const b = new Builder([{ dtype, shape: [m, k] }]);
        const result = b.op("dotGeneral", [b.parameters[0]!, b.constant(numbers(dtype, [n, k], 3))], {
          lhsBatching: [],
          rhsBatching: [],
          lhsContracting: [1],
          rhsContracting: [1],
          dtype: "i32",
          zeroPoints: [3, dtype === "u8" ? 17 : 0],
        });
        const body = b.finish([result]);
        checkKernel(body, firstTemplate(body)!.build());
      }
    }
  });
  test("several summed, free and batch dimensions in any order", () => {
    const dot = (shapes: number[][], attributes: AttributesOf<"dotGeneral">, constant: boolean, turn?: number[]) => {
      const body = program((b, x, w) => {
        const left = turn ? b.transpose(x(), turn) : x();
        return b.op("dotGeneral", [left, constant ? w(...shapes[1]!) : x()], attributes);
      }, constant ? [shapes[0]!] : shapes); // prettier-ignore
      checkKernel(body, firstTemplate(body)!.build());
    };
    const none = { lhsBatching: [], rhsBatching: [] };
    for (const constant of [true, false]) {
      // Heads joined by the product: [b, s, h, d] turned from [b, h, s, d], times [h, d, o].
      const heads = { ...none, lhsContracting: [2, 3], rhsContracting: [0, 1] };
      dot([[2, 3, 9, 5], [3, 5, 10]], heads, constant, [0, 2, 1, 3]); // prettier-ignore
      dot([[2, 9, 3, 5], [3, 5, 2, 7]], heads, constant); // prettier-ignore
      dot([[1, 3, 2, 5], [10, 3, 5]], { ...heads, rhsContracting: [1, 2] }, constant, [0, 2, 1, 3]); // prettier-ignore
      dot([[4, 6, 5], [5, 3, 7]], { ...none, lhsContracting: [2], rhsContracting: [0] }, constant); // prettier-ignore
      dot([[4, 6, 5], [3, 6, 7]], { ...none, lhsContracting: [1], rhsContracting: [1] }, constant); // prettier-ignore
      const batched = { lhsBatching: [2], rhsBatching: [0], lhsContracting: [1], rhsContracting: [2] };
      dot([[4, 6, 5], [5, 7, 6]], batched, constant); // prettier-ignore
    }
  });
  test("a block at a time gives the same bits", () => {
    const body = program((b, x, w) => b.matmul(x(), w(70, 203)), [[601, 70]]);
    checkKernel(body, firstTemplate(body)!.build());
  });
});
