// Convolutions and pooling of [batch, height, width, channels]: float, quantised, and float with 8-bit weights.

import { FormatError } from "../../../../base/errors.ts";
import type { Builder } from "../../../hlo/build.ts";
import type { Value } from "../../../hlo/graph.ts";
import type { ConvolutionAttributes, Pair } from "../../../hlo/ops.ts";
import { fromNumbers } from "../../../hlo/tensor.ts";
import { dynamicRows } from "../hybrid.ts";
import { type Lower, type Node, Unsupported } from "../node.ts";
import { options } from "../options.ts";
import { affineOf, isQuantized, quantizedRange } from "../quantize.ts";
import { finishSums, hybridProduct, outputFactors, sumType, weightScales } from "./dense.ts";
import { activate } from "./elementwise.ts";

/** Elements added on both sides: SAME covers ceil(extent / stride) places, VALID adds none. */
export function paddingOf(kind: number, extent: number, size: number, stride: number, dilation = 1): Pair {
  if (stride < 1 || dilation < 1 || size < 1) {
    throw new FormatError(`TFLite: window of ${size} by stride ${stride}, dilation ${dilation}`);
  }
  if (kind === 1) return [0, 0];
  const reach = (size - 1) * dilation + 1;
  const total = Math.max((Math.ceil(extent / stride) - 1) * stride + reach - extent, 0);
  const low = Math.floor(total / 2);
  return [low, total - low];
}

/** Dimensions of TFLite's layouts: input and output with the features last, kernels [out, ...spatial, in]. */
function layout(spatial: number, kernel: { input: number; output: number; first: number }) {
  const places = Array.from({ length: spatial }, (_, i) => i + 1);
  return {
    inputBatch: 0,
    inputFeature: spatial + 1,
    inputSpatial: places,
    kernelInputFeature: kernel.input,
    kernelOutputFeature: kernel.output,
    kernelSpatial: places.map((place) => place - 1 + kernel.first),
    outputBatch: 0,
    outputFeature: spatial + 1,
    outputSpatial: places,
    lhsDilation: places.map(() => 1),
    batchGroups: 1,
  };
}

/** The convolution with whatever its types ask for, then bias, scale and activation. */
function convolve(
  node: Node,
  x: Value,
  weights: Value,
  attributes: ConvolutionAttributes,
  settings: { bias: Value | undefined; activation: number; depth: number },
): Value {
  const { b } = node;
  const { bias, activation, depth } = settings;
  const info = node.info(1);
  const feature = attributes.outputFeature;
  if (x.type.dtype !== "f32") {
    if (!isQuantized(node.info(0))) throw new Unsupported(`${x.type.dtype} without a scale`);
    const zeroPoints: Pair = [affineOf(node.info(0)).zero, affineOf(info).zero];
    const sums = b.op("convolution", [x, weights], { ...attributes, dtype: sumType(x, depth), zeroPoints });
    return finishSums(node, sums, bias, outputFactors(node, info), feature, activation);
  }
  let result: Value;
  if (weights.type.dtype === "f32") {
    result = b.op("convolution", [x, weights], attributes);
  } else {
    result = hybrid(node, x, weights, attributes);
  }
  if (bias) result = b.add(result, b.along(bias, result.type.shape, feature));
  return activate(b, result, activation);
}

/**
 * Float inputs are quantised by batch; those of kernels of one element by pixel, as the product they are. Padding has to
 * be the zero point: what is subtracted leaves zeros around.
 */
function hybrid(node: Node, x: Value, weights: Value, attributes: ConvolutionAttributes): Value {
  const { b } = node;
  const { strides, padding, lhsDilation, featureGroups } = attributes;
  const [outputs, , , inputs] = weights.type.shape;
  const pointwise =
    featureGroups === 1 &&
    [...strides, ...lhsDilation, ...attributes.kernelSpatial.map((axis) => weights.type.shape[axis]!)].every(
      (n) => n === 1,
    ) &&
    padding.flat().every((n) => n === 0);
  if (pointwise && attributes.kernelOutputFeature === 0) {
    return hybridProduct(b, x, b.reshape(weights, [outputs!, inputs!]), node.info(1));
  }
  const rows = dynamicRows(b, x, x.type.shape.map((_, i) => i).slice(1));
  const shifted = b.subtract(b.convert(rows.values, "i16"), b.convert(rows.zero, "i16"));
  const sums = b.op("convolution", [shifted, weights], { ...attributes, dtype: "i32" });
  const scales = weightScales(b, node.info(1), sums.type.shape, attributes.outputFeature);
  return b.multiply(b.multiply(b.convert(sums, "f32"), rows.scale), scales);
}

const conv2d: Lower = (node) => {
  const o = node.options(options.conv2d);
  const [x, weights] = [node.input(0), node.input(1)];
  const [, height, width, channels] = x.type.shape;
  const [, kernelHeight, kernelWidth, depth] = weights.type.shape;
  if (x.type.shape.length !== 4 || weights.type.shape.length !== 4 || !depth || channels! % depth !== 0) {
    throw new FormatError(`${node.b.origin}: input [${x.type.shape}] and kernel [${weights.type.shape}] do not fit`);
  }
  return convolve(
    node,
    x,
    weights,
    {
      ...layout(2, { input: 3, output: 0, first: 1 }),
      strides: [o.strideH, o.strideW],
      padding: [
        paddingOf(o.padding, height!, kernelHeight!, o.strideH, o.dilationH),
        paddingOf(o.padding, width!, kernelWidth!, o.strideW, o.dilationW),
      ],
      rhsDilation: [o.dilationH, o.dilationW],
      featureGroups: channels! / depth,
    },
    { bias: node.optional(2), activation: o.activation, depth: depth * kernelHeight! * kernelWidth! },
  );
};

const depthwise: Lower = (node) => {
  const o = node.options(options.depthwise);
  const [x, weights] = [node.input(0), node.input(1)];
  const [, height, width, channels] = x.type.shape;
  const [one, kernelHeight, kernelWidth] = weights.type.shape;
  if (x.type.shape.length !== 4 || weights.type.shape.length !== 4 || one !== 1) {
    throw new FormatError(`${node.b.origin}: input [${x.type.shape}] and kernel [${weights.type.shape}] do not fit`);
  }
  return convolve(
    node,
    x,
    weights,
    {
      ...layout(2, { input: 0, output: 3, first: 1 }),
      strides: [o.strideH, o.strideW],
      padding: [
        paddingOf(o.padding, height!, kernelHeight!, o.strideH, o.dilationH),
        paddingOf(o.padding, width!, kernelWidth!, o.strideW, o.dilationW),
      ],
      rhsDilation: [o.dilationH, o.dilationW],
      featureGroups: channels!,
    },
    { bias: node.optional(2), activation: o.activation, depth: kernelHeight! * kernelWidth! },
  );
};

/** Kernels are [depth, height, width, in, out]. */
const conv3d: Lower = (node) => {
  const o = node.options(options.conv3d);
  const [x, weights] = [node.input(0), node.input(1)];
  const strides = [o.strideD, o.strideH, o.strideW];
  const dilations = [o.dilationD, o.dilationH, o.dilationW];
  if (x.type.shape.length !== 5 || weights.type.shape.length !== 5) throw new FormatError(`${node.b.origin}: rank`);
  if (x.type.dtype !== "f32") throw new Unsupported("quantised");
  return convolve(
    node,
    x,
    weights,
    {
      ...layout(3, { input: 3, output: 4, first: 0 }),
      strides,
      padding: strides.map((stride, i) =>
        paddingOf(o.padding, x.type.shape[i + 1]!, weights.type.shape[i]!, stride, dilations[i]),
      ),
      rhsDilation: dilations,
      featureGroups: x.type.shape[4]! / weights.type.shape[3]!,
    },
    { bias: node.optional(2), activation: o.activation, depth: 0 },
  );
};

/** Padding of a transposed convolution: what the forward one of the output's extent would add, seen from behind. */
function transposed(kind: number, output: number, input: number, size: number, stride: number, dilation = 1): Pair {
  const reach = (size - 1) * dilation + 1;
  const total = Math.max((input - 1) * stride + reach - output, 0);
  const before = kind === 1 ? 0 : Math.floor(total / 2);
  const low = reach - 1 - before;
  return [low, output - ((input - 1) * stride + 1) - low + reach - 1];
}

/** Inputs: output shape, weights [out, height, width, in], input, bias. */
const transposeConv: Lower = (node) => {
  const o = node.options(options.transposeConv);
  const [, height, width] = node.numbers(0, "the output's shape");
  const [weights, x] = [node.input(1), node.input(2)];
  return transposedConvolution(node, x, weights, node.optional(3), {
    extents: [height!, width!],
    strides: [o.strideH, o.strideW],
    padding: o.padding,
    activation: o.activation,
  });
};

/** A convolution of the input spread by the strides with the kernel reversed. */
export function transposedConvolution(
  node: Node,
  x: Value,
  weights: Value,
  bias: Value | undefined,
  o: {
    extents: readonly number[];
    strides: readonly number[];
    padding: number;
    activation: number;
  },
): Value {
  const { b } = node;
  if (x.type.shape.length !== 4 || weights.type.shape.length !== 4) throw new FormatError(`${b.origin}: rank`);
  const attributes: ConvolutionAttributes = {
    ...layout(2, { input: 3, output: 0, first: 1 }),
    strides: [1, 1],
    padding: o.extents.map((extent, i) =>
      transposed(o.padding, extent, x.type.shape[i + 1]!, weights.type.shape[i + 1]!, o.strides[i]!),
    ),
    lhsDilation: o.strides,
    rhsDilation: [1, 1],
    reversal: [true, true],
    featureGroups: 1,
  };
  if (x.type.dtype === "f32") {
    let result: Value;
    if (weights.type.dtype === "f32") result = b.op("convolution", [x, weights], attributes);
    else result = hybrid(node, x, weights, attributes);
    return activate(b, bias ? b.add(result, bias) : result, o.activation);
  }
  const zeroPoints: Pair = [affineOf(node.info(2)).zero, affineOf(node.info(1)).zero];
  const depth = weights.type.shape.slice(1).reduce((n, extent) => n * extent, 1);
  const sums = b.op("convolution", [x, weights], { ...attributes, dtype: sumType(x, depth), zeroPoints });
  return finishSums(node, sums, bias, outputFactors(node, node.info(1), 2), 3, o.activation);
}

/** Inputs: output shape, weights [depth, height, width, out, in], input, bias. */
const conv3dTranspose: Lower = (node) => {
  const { b } = node;
  const o = node.options(options.conv3d);
  const extents = node.numbers(0, "the output's shape").slice(1, 4);
  const [weights, x] = [node.input(1), node.input(2)];
  const strides = [o.strideD, o.strideH, o.strideW];
  const dilations = [o.dilationD, o.dilationH, o.dilationW];
  const result = b.op("convolution", [x, weights], {
    ...layout(3, { input: 4, output: 3, first: 0 }),
    strides: [1, 1, 1],
    padding: extents.map((extent, i) =>
      transposed(o.padding, extent, x.type.shape[i + 1]!, weights.type.shape[i]!, strides[i]!, dilations[i]),
    ),
    lhsDilation: strides,
    rhsDilation: dilations,
    reversal: [true, true, true],
    featureGroups: 1,
  });
  const bias = node.optional(3);
  return activate(b, bias ? b.add(result, bias) : result, o.activation);
};

// Pooling.

interface Window {
  readonly size: readonly number[];
  readonly strides: readonly number[];
  readonly padding: readonly Pair[];
  readonly activation: number;
}
function windowOf(node: Node, x: Value): Window {
  const o = node.options(options.pool);
  if (x.type.shape.length !== 4) throw new FormatError(`${node.b.origin}: input [${x.type.shape}] is not of rank 4`);
  const none: Pair = [0, 0];
  return {
    size: [1, o.filterH, o.filterW, 1],
    strides: [1, o.strideH, o.strideW, 1],
    padding: [
      none,
      paddingOf(o.padding, x.type.shape[1]!, o.filterH, o.strideH),
      paddingOf(o.padding, x.type.shape[2]!, o.filterW, o.strideW),
      none,
    ],
    activation: o.activation,
  };
}

/** How many elements of the input each window has: a number when all have as many. */
function windowCounts(x: Value, out: Value, { size, strides, padding }: Window): number | number[] {
  const along = (dimension: number) =>
    Array.from({ length: out.type.shape[dimension]! }, (_, i) => {
      const from = i * strides[dimension]! - padding[dimension]![0];
      const to = Math.min(from + size[dimension]!, x.type.shape[dimension]!);
      return to - Math.max(from, 0);
    });
  const [rows, columns] = [along(1), along(2)];
  const same = (list: readonly number[]) => list.every((count) => count === list[0]);
  if (same(rows) && same(columns)) return (rows[0] ?? 1) * (columns[0] ?? 1);
  if (rows.length * columns.length > 1 << 22) throw new Unsupported(`${rows.length} x ${columns.length} windows`);
  return rows.flatMap((row) => columns.map((column) => row * column));
}
function countsValue(b: Builder, counts: number | number[], dtype: "f32" | "i32", out: Value): Value {
  if (typeof counts === "number") return b.scalar(dtype, counts);
  return b.constant(fromNumbers(dtype, [1, out.type.shape[1]!, out.type.shape[2]!, 1], counts));
}

const averagePool: Lower = (node) => {
  const { b } = node;
  const x = node.input(0);
  const window = windowOf(node, x);
  if (!isQuantized(node.info(0))) {
    const sums = b.window("add", x, window);
    const counts = windowCounts(x, sums, window);
    return activate(b, b.divide(sums, countsValue(b, counts, "f32", sums)), window.activation);
  }
  const dtype = node.dtype();
  const sums = b.window("add", b.convert(x, "i32"), window);
  const counts = windowCounts(x, sums, window);
  const divisor = countsValue(b, counts, "i32", sums);
  const half =
    typeof counts === "number"
      ? b.scalar("i32", Math.floor(counts / 2))
      : countsValue(
          b,
          counts.map((count) => Math.floor(count / 2)),
          "i32",
          sums,
        );
  const positive = b.compare("GT", sums, b.scalar("i32", 0));
  const average = b.divide(b.select(positive, b.add(sums, half), b.subtract(sums, half)), divisor);
  return b.convert(b.clamp(average, ...quantizedRange(window.activation, node.result(), dtype)), dtype);
};

const maxPool: Lower = (node) => {
  const { b } = node;
  const x = node.input(0);
  const window = windowOf(node, x);
  const result = b.window("maximum", x, window);
  if (!isQuantized(node.info(0))) return activate(b, result, window.activation);
  if (window.activation === 0) return result;
  return b.clamp(result, ...quantizedRange(window.activation, node.result(), node.dtype()));
};

const l2Pool: Lower = (node) => {
  const { b } = node;
  const x = node.input(0);
  const window = windowOf(node, x);
  const sums = b.window("add", b.multiply(x, x), window);
  const counts = countsValue(b, windowCounts(x, sums, window), "f32", sums);
  return activate(b, b.plain("sqrt", b.divide(sums, counts)), window.activation);
};

export const convolutions: Readonly<Record<string, Lower>> = {
  CONV_2D: conv2d,
  DEPTHWISE_CONV_2D: depthwise,
  CONV_3D: conv3d,
  TRANSPOSE_CONV: transposeConv,
  CONV_3D_TRANSPOSE: conv3dTranspose,
  AVERAGE_POOL_2D: averagePool,
  MAX_POOL_2D: maxPool,
  L2_POOL_2D: l2Pool,
};
