import { describe, expect, test } from "vitest";
import { checkKernel, firstTemplate, numbers, startKernel } from "../../../../test/support/kernels.ts";
import { Builder } from "../../hlo/build.ts";
import type { Value } from "../../hlo/graph.ts";
import type { AttributesOf } from "../../hlo/ops.ts";
import { convertTensor, elementCount, type Tensor } from "../../hlo/tensor.ts";

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

  const pools = new Map<string, Tensor>();
  /** Numbers that a type of 16 bits holds, among them zeros of both signs and its smallest. */
  const halves = (dtype: "f16" | "bf16", shape: number[]): Tensor => {
    let pool = pools.get(dtype);
    if (!pool) {
      const made = numbers("f32", [2 ** 19 + 2 ** 14], 0.37);
      (made.data as Float32Array).set([0, -0, 2 ** -24, -(2 ** -24) * 3, 2 ** -14, 65504, -1 / 3]);
      pools.set(dtype, (pool = convertTensor(convertTensor(made, dtype), "f32")));
    }
    return { dtype: "f32", shape, data: pool.data.slice(0, elementCount(shape)) };
  };
  /** A product's kernel with those weights, and its result: of all units, and of one at a time. */
  const run = (shape: number[], weights: Tensor, write: (b: Builder, x: Value, w: Value) => Value) => {
    const b = new Builder([{ dtype: "f32", shape }]);
    const body = b.finish([write(b, b.parameters[0]!, b.constant(weights))]);
    const template = firstTemplate(body)!;
    const kernel = template.build();
    const running = startKernel(kernel, new Map([[body.parameters[0]!, numbers("f32", shape, 1)]]));
    running.run();
    const whole = running.result().data;
    for (let unit = kernel.units - 1; unit >= 0; unit--) running.run(unit, unit + 1);
    expect(running.result().data).toEqual(whole);
    return { covers: template.covers, packed: kernel.packs[0]!.pack(weights).dtype, data: whole };
  };
  /** Expects weights of 16 bits to give the bits that those of f32 give. */
  const same = (
    dtype: "f16" | "bf16",
    shape: number[],
    sizes: number[],
    write: (b: Builder, x: Value, w: Value) => Value,
  ) => {
    const weights = halves(dtype, sizes);
    const wide = { ...weights, data: weights.data.slice() };
    // What no half holds, and no sum shows.
    wide.data[100] = 2 ** -140;
    weights.data[100] = 0;
    const [narrow, reference] = [run(shape, weights, write), run(shape, wide, write)];
    expect([narrow.packed, reference.packed]).toEqual([dtype, "f32"]);
    expect(narrow.data).toEqual(reference.data);
    const early = run(shape, convertTensor(weights, dtype), (b, x, w) => write(b, x, b.convert(w, "f32")));
    expect(early.covers.map(({ op }) => op)).toContain("convert");
    expect(early.data).toEqual(reference.data);
  };
  test("weights of 16 bits give the bits of those of 32", () => {
    for (const m of [1, 3, 4, 17]) {
      for (const dtype of ["f16", "bf16"] as const) same(dtype, [m, 1031], [1031, 509], (b, x, w) => b.matmul(x, w));
    }
    for (const m of [1, 4]) {
      same("f16", [m, 65536], [8, 65536], (b, x, w) => b.matmul(x, w, { transposeB: true }));
      same("f16", [m, 2 ** 18], [2, 2 ** 18], (b, x, w) => b.matmul(x, b.transpose(w, [1, 0])));
    }
  });
  test("weights of 16 bits in blocks and batches", () => {
    same("f16", [301, 1031], [1031, 509], (b, x, w) => b.matmul(x, w));
    for (const m of [2, 9]) same("f16", [3, m, 400], [3, 400, 445], (b, x, w) => b.matmul(x, w));
  });
  test("what no type of 16 bits holds stays as it is", () => {
    for (const special of [Infinity, NaN, 65536, 2 ** -25, 1 + 2 ** -11]) {
      const weights = halves("f16", [1024, 512]);
      (weights.data as Float32Array)[4000] = special;
      const b = new Builder([{ dtype: "f32", shape: [1, 1024] }]);
      const body = b.finish([b.matmul(b.parameters[0]!, b.constant(weights))]);
      expect(firstTemplate(body)!.build().packs[0]!.pack(weights).dtype).toBe("f32");
    }
  });
});
