// Speed of single kernels, one thread: `node scripts/run.js bench/kernels.ts [name]`. GFLOP/s, multiplications and
// additions counted separately; the fastest of many runs, so that a loaded machine shows what the code can do.

import { Builder } from "../src/engine/hlo/build.ts";
import type { DType } from "../src/engine/hlo/dtype.ts";
import type { Region, Value } from "../src/engine/hlo/graph.ts";
import { firstTemplate, numbers, startKernel } from "../test/support/kernels.ts";

interface Case {
  readonly name: string;
  readonly inputs: readonly (readonly number[])[];
  readonly dtype?: DType;
  /** Multiplications. */
  readonly work: number;
  readonly write: (b: Builder, weights: (...shape: number[]) => Value, ...inputs: Value[]) => Value;
}

const matmul = (m: number, k: number, n: number, constant = true): Case => ({
  name: `matmul ${m}x${k}x${n}${constant ? " const" : ""}`,
  inputs: constant
    ? [[m, k]]
    : [
        [m, k],
        [k, n],
      ],
  work: m * k * n,
  write: (b, weights, x, y) => b.matmul(x!, constant ? weights(k, n) : y!),
});
const heads = (batch: number, length: number, count: number, size: number, transposeB: boolean): Case => ({
  name: `heads ${count}x${length}x${size} ${transposeB ? "scores" : "context"}`,
  inputs: [transposeB ? [batch, length, count * size] : [batch, count, length, length], [batch, length, count * size]],
  work: batch * count * length * length * size,
  write: (b, _, x, y) => {
    const split = (value: Value) => b.transpose(b.reshape(value, [batch, length, count, size]), [0, 2, 1, 3]);
    return b.matmul(transposeB ? split(x!) : x!, split(y!), { transposeB });
  },
});

const conv = (
  x: readonly number[],
  kernel: readonly [height: number, width: number, outputs: number],
  stride: number,
  dtype: DType = "f32",
  groups = 1,
): Case => {
  const [batch, height, width, depth] = x as [number, number, number, number];
  const pad = (extent: number, size: number) => {
    const total = Math.max(0, (Math.ceil(extent / stride) - 1) * stride + size - extent);
    return [Math.floor(total / 2), Math.ceil(total / 2)] as const;
  };
  const [kh, kw, outputs] = kernel;
  const pixels = Math.ceil(height / stride) * Math.ceil(width / stride);
  return {
    name: `${dtype} ${groups > 1 ? "depthwise" : "conv"} ${kh}x${kw} s${stride} ${height}x${width}x${depth}-${outputs}`,
    inputs: [x],
    dtype,
    work: (batch * pixels * kh * kw * depth * outputs) / groups,
    write: (b, weights, input) =>
      b.convolution(input!, weights(kh, kw, depth / groups, outputs), {
        strides: [stride, stride],
        padding: [pad(height, kh), pad(width, kw)],
        groups,
        ...(dtype === "i8" && { dtype: "i32", zeroPoints: [-5, 0] }),
      }),
  };
};

/** One query against a cache of keys (values): generation. */
const cache = (count: number, length: number, size: number, transposeB: boolean): Case => ({
  name: `cache ${count}x${length}x${size} ${transposeB ? "scores" : "context"}`,
  inputs: [
    [1, count, 1, transposeB ? size : length],
    [1, count, length, size],
  ],
  work: count * length * size,
  write: (b, _, x, y) => b.matmul(x!, y!, { transposeB }),
});

export const cases: readonly Case[] = [
  matmul(512, 512, 512, false),
  matmul(512, 512, 512),
  matmul(128, 384, 384),
  matmul(128, 384, 1536),
  matmul(128, 1536, 384),
  matmul(3136, 64, 128),
  matmul(49, 1024, 1024),
  matmul(12544, 32, 64),
  matmul(2304, 8, 16),
  matmul(9, 256, 256),
  matmul(125, 64, 64),
  heads(1, 128, 12, 32, true),
  heads(1, 128, 12, 32, false),
  cache(12, 1024, 64, true),
  cache(12, 1024, 64, false),
  matmul(512, 512, 1, false),
  matmul(1, 128, 512),
  matmul(1, 768, 3072),
  matmul(1, 640, 128),
  matmul(1, 2048, 512),
  matmul(1, 512, 2048),
  matmul(1, 512, 512),
  matmul(1, 512, 32128),
  conv([1, 56, 56, 64], [3, 3, 64], 1),
  conv([1, 7, 7, 512], [3, 3, 512], 1),
  conv([1, 32, 32, 16], [3, 3, 16], 1),
  conv([1, 224, 224, 3], [3, 3, 32], 2),
  conv([1, 96, 96, 3], [3, 3, 8], 2),
  conv([1, 49, 10, 1], [10, 4, 64], 2),
  conv([1, 25, 5, 64], [1, 1, 64], 1),
  conv([1, 25, 5, 64], [3, 3, 64], 1),
  conv([1, 64, 64, 32], [7, 3, 1], 1),
  conv([1, 64, 64, 33], [3, 3, 2], 1),
  conv([1, 56, 56, 64], [1, 1, 128], 2),
  conv([1, 56, 56, 64], [3, 3, 64], 1, "i8"),
  conv([1, 112, 112, 32], [1, 1, 64], 1, "i8"),
  conv([1, 7, 7, 1024], [1, 1, 1024], 1, "i8"),
  conv([1, 24, 24, 32], [1, 1, 32], 1, "i8"),
  conv([1, 96, 96, 3], [3, 3, 8], 2, "i8"),
  ...(["f32", "i8"] as const).flatMap((dtype) => [
    conv([1, 112, 112, 32], [3, 3, 32], 1, dtype, 32),
    conv([1, 112, 112, 64], [3, 3, 64], 2, dtype, 64),
    conv([1, 14, 14, 512], [3, 3, 512], 1, dtype, 512),
    conv([1, 7, 7, 1024], [3, 3, 1024], 1, dtype, 1024),
    conv([1, 48, 48, 8], [3, 3, 8], 1, dtype, 8),
    conv([1, 25, 5, 64], [3, 3, 64], 1, dtype, 64),
    conv([1, 28, 28, 120], [5, 5, 120], 1, dtype, 120),
  ]),
];

function measure(body: Region, relaxed: boolean) {
  const template = firstTemplate(body);
  if (!template) throw new Error("no kernel");
  const kernel = template.build();
  const inputs = new Map(body.parameters.map((value, i) => [value, numbers(value.type.dtype, value.type.shape, i)]));
  const running = startKernel(kernel, inputs, { relaxed });
  let best = Infinity;
  const until = performance.now() + 300;
  let repeat = 1;
  while (performance.now() < until) {
    const start = performance.now();
    for (let i = 0; i < repeat; i++) running.run();
    const time = performance.now() - start;
    best = Math.min(best, time / repeat);
    if (time < 1) repeat *= 2;
  }
  return { best, kernel, running };
}

const filter = process.argv[2] ?? "";
for (const { name, inputs, dtype = "f32", work, write } of cases) {
  if (!name.includes(filter)) continue;
  const b = new Builder(inputs.map((shape) => ({ dtype, shape })));
  const weights = (...shape: number[]) => b.constant(numbers(dtype, shape, 0.5));
  const body = b.finish([write(b, weights, ...b.parameters)]);
  const [plain, relaxed] = [measure(body, false), measure(body, true)];
  const rate = (best: number) => ((work * 2) / best / 1e6).toFixed(1).padStart(6);
  console.log(
    `${name.padEnd(34)} ${rate(plain.best)} ${rate(relaxed.best)} GFLOP/s  ${(plain.best * 1000).toFixed(1).padStart(9)} us` +
      `  ${plain.kernel.units} units  ${plain.running.codeBytes} B  ${plain.running.compileTime.toFixed(1)} ms`,
  );
}
