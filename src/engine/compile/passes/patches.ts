// Convolutions whose weights are not known when compiling: as products of patches and weights, or, one filter a
// feature, as sums over the taps of the window. Constant weights in up to two dimensions,
// and what templates take, have kernels of their own.

import type { Builder } from "../../hlo/build.ts";
import { is, type Operation, type Value } from "../../hlo/graph.ts";
import type { ConvolutionAttributes } from "../../hlo/ops.ts";
import { templates } from "../kernels/index.ts";
import { tensorOf } from "./fold.ts";
import type { Rule } from "./rewrite.ts";

/** Most taps of a window that are written out. */
const mostTaps = 256;

const product = (numbers: readonly number[]) => numbers.reduce((all, n) => all * n, 1);

/** The input with features last and all of its padding, zeros between elements included. */
function padded(x: Value, a: ConvolutionAttributes, to: Builder): Value {
  const last = to.transpose(x, [a.inputBatch, ...a.inputSpatial, a.inputFeature]);
  const low = [0, ...a.padding.map(([before]) => before), 0];
  const high = [0, ...a.padding.map(([, after]) => after), 0];
  const interior = [0, ...a.lhsDilation.map((n) => n - 1), 0];
  if ([...low, ...high, ...interior].every((n) => n === 0)) return last;
  return to.op("pad", [last, to.scalar("f32", 0)], { low, high, interior });
}

/** Every tap of the window: what of the padded input it meets. */
function tapsOf(
  input: Value,
  kernel: readonly number[],
  counts: readonly number[],
  a: ConvolutionAttributes,
  to: Builder,
): Value[] {
  const [batch, features] = [input.type.shape[0]!, input.type.shape.at(-1)!];
  return Array.from({ length: product(kernel) }, (_, tap) => {
    const start: number[] = [];
    let rest = tap;
    for (let i = kernel.length - 1; i >= 0; i--) {
      start[i] = (rest % kernel[i]!) * a.rhsDilation[i]!;
      rest = Math.floor(rest / kernel[i]!);
    }
    const limit = start.map((from, i) => from + (counts[i]! - 1) * a.strides[i]! + 1);
    return to.slice(input, [0, ...start, 0], [batch, ...limit, features], [1, ...a.strides, 1]);
  });
}

/** A convolution of f32 by weights that are computed, or in three dimensions. */
export const patches: Rule = (operation: Operation, { to }) => {
  if (!is(operation, "convolution")) return undefined;
  const [x, w] = operation.operands as [Value, Value];
  const result = operation.results[0]!;
  const a = operation.attributes;
  if (
    (tensorOf(w) && a.strides.length <= 2) ||
    x.type.dtype !== "f32" ||
    w.type.dtype !== "f32" ||
    result.type.dtype !== "f32"
  )
    return undefined;
  if (templates.some((rule) => rule(operation, new Map()))) return undefined;
  const features = x.type.shape[a.inputFeature]!;
  const outputs = w.type.shape[a.kernelOutputFeature]!;
  const kernel = a.kernelSpatial.map((axis) => w.type.shape[axis]!);
  const counts = a.outputSpatial.map((axis) => result.type.shape[axis]!);
  const depthwise = a.featureGroups > 1 && a.featureGroups === features && outputs === features;
  if ((a.featureGroups > 1 && !depthwise) || a.batchGroups > 1 || a.zeroPoints || product(kernel) > mostTaps)
    return undefined;
  if ([...x.type.shape, ...w.type.shape, ...result.type.shape].includes(0)) return undefined;
  const batch = x.type.shape[a.inputBatch]!;

  // Weights as taps, inputs, outputs.
  let weights = to.transpose(w, [...a.kernelSpatial, a.kernelInputFeature, a.kernelOutputFeature]);
  const reversed = kernel.map((_, i) => i).filter((i) => a.reversal?.[i]);
  if (reversed.length > 0) weights = to.op("reverse", [weights], { dimensions: reversed });
  const taps = tapsOf(padded(x, a, to), kernel, counts, a, to);
  let made: Value;
  if (depthwise) {
    const rows = to.reshape(weights, [taps.length, features]);
    const shape = [batch, ...counts, features];
    made = taps
      .map((tap, i) => {
        const row = to.reshape(to.slice(rows, [i, 0], [i + 1, features]), [features]);
        return to.plain("multiply", tap, to.along(row, shape, shape.length - 1));
      })
      .reduce((sum, term) => to.plain("add", sum, term));
  } else {
    const rows = taps.map((tap) => to.reshape(tap, [batch * product(counts), features]));
    const flat = to.reshape(weights, [taps.length * features, outputs]);
    made = to.reshape(to.matmul(to.concatenate(rows, 1), flat), [batch, ...counts, outputs]);
  }
  const order = [a.outputBatch, ...a.outputSpatial, a.outputFeature];
  const inverse: number[] = [];
  order.forEach((axis, i) => (inverse[axis] = i));
  return [to.transpose(made, inverse)];
};
