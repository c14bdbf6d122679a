// Resizing of pictures [batch, height, width, channels] as Keras and TensorFlow 2 do it: pixel centres at halves.

import { CerebroError } from "../../../base/errors.ts";
import { fromNumbers } from "../../hlo/tensor.ts";
import type { Value } from "../../hlo/graph.ts";
import { countOf } from "./config.ts";
import type { Call } from "./layer.ts";

/** Elements of one dimension by constant indices. */
function take(call: Call, x: Value, axis: number, indices: readonly number[]): Value {
  const { b } = call;
  const { shape } = x.type;
  const from = indices[0] ?? 0;
  if (indices.every((index, i) => index === from + i)) {
    const start = shape.map((_, i) => (i === axis ? from : 0));
    return b.slice(
      x,
      start,
      shape.map((extent, i) => (i === axis ? from + indices.length : extent)),
    );
  }
  return b.op("gather", [x, b.constant(fromNumbers("i32", [indices.length], indices))], {
    offsetDims: shape.map((_, i) => i).filter((i) => i !== axis),
    collapsedSliceDims: [axis],
    operandBatchingDims: [],
    startIndicesBatchingDims: [],
    startIndexMap: [axis],
    indexVectorDim: 1,
    sliceSizes: shape.map((extent, i) => (i === axis ? 1 : extent)),
  });
}

/** The taps of a cubic kernel at a fraction, Keys' with a = -0.5. */
function cubic(fraction: number): number[] {
  const a = -0.5;
  const near = (t: number) => ((a + 2) * t - (a + 3)) * t * t + 1;
  const far = (t: number) => ((a * t - 5 * a) * t + 8 * a) * t - 4 * a;
  return [far(1 + fraction), near(fraction), near(1 - fraction), far(2 - fraction)];
}

function along(call: Call, x: Value, axis: number, count: number, method: string): Value {
  const { b } = call;
  const extent = x.type.shape[axis]!;
  if (extent === count && method !== "bicubic") return x;
  const scale = Math.fround(extent / countOf(count, call.layer.what));
  const inside = (index: number) => Math.min(Math.max(index, 0), extent - 1);
  const places = Array.from({ length: count }, (_, i) => Math.fround((i + 0.5) * scale));
  if (method === "nearest")
    return take(
      call,
      x,
      axis,
      places.map((at) => inside(Math.floor(at))),
    );
  const shape = x.type.shape.map((_, i) => (i === axis ? count : 1));
  const factor = (numbers: readonly number[]) => b.constant(fromNumbers(x.type.dtype, shape, numbers));
  const centres = places.map((at) => Math.fround(at - 0.5));
  if (method === "bilinear") {
    const low = take(
      call,
      x,
      axis,
      centres.map((at) => inside(Math.floor(at))),
    );
    const high = take(
      call,
      x,
      axis,
      centres.map((at) => inside(Math.ceil(at))),
    );
    const fractions = factor(centres.map((at) => at - Math.floor(at)));
    return b.add(low, b.multiply(b.subtract(high, low), fractions));
  }
  // Taps outside do not count, the others are weighed up to 1.
  const taps = centres.map((at) => {
    const from = Math.floor(at) - 1;
    // TensorFlow looks the weights up in a table of 1,024 fractions.
    const fraction = Math.round((at - Math.floor(at)) * 1024) / 1024;
    const weights = cubic(fraction).map((weight, i) => (from + i === inside(from + i) ? weight : 0));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return { from, weights: weights.map((weight) => weight / sum) };
  });
  let result: Value | undefined;
  for (let tap = 0; tap < 4; tap++) {
    const part = b.multiply(
      take(
        call,
        x,
        axis,
        taps.map(({ from }) => inside(from + tap)),
      ),
      factor(taps.map(({ weights }) => weights[tap]!)),
    );
    result = result ? b.add(result, part) : part;
  }
  return result!;
}

export const resizeMethods: readonly string[] = ["nearest", "bilinear", "bicubic"];

/** The picture in a new size; channels last. */
export function resize(
  call: Call,
  x: Value,
  [height, width]: readonly [number, number],
  { method }: { method: string },
): Value {
  if (!resizeMethods.includes(method)) {
    throw new CerebroError("unsupported", `${call.layer.what}: interpolation "${method}"`);
  }
  return along(call, along(call, x, 1, height, method), 2, width, method);
}
