// Keras's convolutions of one to three dimensions: plain, depthwise, separable, transposed.

import type { Value } from "../../../hlo/graph.ts";
import type { Config } from "../config.ts";
import type { Call, Row } from "../layer.ts";
import { activated, refuseActivation, withBias } from "./core.ts";
import { paddingMode, paddingOf, spatially } from "./spatial.ts";

const refuse = (config: Config) => refuseActivation(config, "activation");

/** How a window moves, from the configuration; TensorFlow.js and Keras 2 may leave members out. */
function windowOf(call: Call, rank: number) {
  const { config } = call;
  return {
    size: config.sizes("kernel_size", rank),
    strides: config.sizes("strides", rank, 1),
    dilations: config.sizes("dilation_rate", rank, 1),
  };
}

export function convolve(
  call: Call,
  x: Value,
  kernel: Value,
  options: {
    strides: readonly number[];
    dilations: readonly number[];
    mode: string;
    groups?: number;
  },
): Value {
  const rank = options.strides.length;
  if (x.type.shape.length !== rank + 2 || kernel.type.shape.length !== rank + 2) {
    throw call.fail(`input has rank ${x.type.shape.length}, kernel ${kernel.type.shape.length}, must be ${rank + 2}`);
  }
  const size = kernel.type.shape.slice(0, rank);
  const padding = paddingOf(options.mode, x.type.shape.slice(1, 1 + rank), { size, ...options });
  return call.b.convolution(x, kernel, {
    strides: options.strides,
    dilations: options.dilations,
    padding,
    groups: options.groups ?? 1,
  });
}

function finish(call: Call, product: Value): Value {
  const bias = call.optional("bias");
  return activated(call, bias ? call.b.add(product, bias) : product);
}

const conv = (rank: number): Row => ({
  variables: withBias("kernel"),
  refuse,
  call: (call, inputs) =>
    spatially(call, call.one(inputs), (x) => {
      const { strides, dilations } = windowOf(call, rank);
      const groups = call.config.integer("groups", 1);
      return finish(
        call,
        convolve(call, x, call.weight("kernel"), { strides, dilations, mode: paddingMode(call), groups }),
      );
    }),
});

/** [...size, inputs, multiplier] as a kernel of as many groups as inputs. */
function depthwise(call: Call, x: Value, kernel: Value, rank: number): Value {
  const { strides, dilations } = windowOf(call, rank);
  const shape = kernel.type.shape;
  const [inputs, multiplier] = [shape[rank] ?? 1, shape[rank + 1] ?? 1];
  const grouped = call.b.reshape(kernel, [...shape.slice(0, rank), 1, inputs * multiplier]);
  return convolve(call, x, grouped, { strides, dilations, mode: paddingMode(call), groups: inputs });
}

const depthwiseConv = (rank: number): Row => ({
  variables: withBias("depthwise_kernel"),
  refuse,
  call: (call, inputs) =>
    spatially(call, call.one(inputs), (x) => finish(call, depthwise(call, x, call.weight("depthwise_kernel"), rank))),
});

const separableConv = (rank: number): Row => ({
  variables: withBias("depthwise_kernel", "pointwise_kernel"),
  refuse,
  call: (call, inputs) =>
    spatially(call, call.one(inputs), (x) => {
      const ones = Array.from({ length: rank }, () => 1);
      const first = depthwise(call, x, call.weight("depthwise_kernel"), rank);
      const pointwise = call.weight("pointwise_kernel");
      return finish(call, convolve(call, first, pointwise, { strides: ones, dilations: ones, mode: "valid" }));
    }),
});

/** The extent that a transposed convolution gives. */
function transposedExtent(
  extent: number,
  {
    reach,
    size,
    stride,
    mode,
    extra,
  }: { reach: number; size: number; stride: number; mode: string; extra: number | undefined },
): number {
  if (extra === undefined) return mode === "same" ? extent * stride : extent * stride + Math.max(reach - stride, 0);
  const cut = mode === "same" ? Math.floor(size / 2) : 0;
  return (extent - 1) * stride + reach - 2 * cut + extra;
}

const convTranspose = (rank: number): Row => ({
  variables: withBias("kernel"),
  refuse,
  call: (call, inputs) =>
    spatially(call, call.one(inputs), (x) => {
      const { b, config } = call;
      const { strides, dilations } = windowOf(call, rank);
      const mode = paddingMode(call);
      const kernel = call.weight("kernel");
      const spatial = strides.map((_, i) => i);
      const extra = config.has("output_padding") ? config.integers("output_padding") : undefined;
      const size = kernel.type.shape.slice(0, rank);
      // The gradient of a convolution: strides become gaps in the input, the kernel [...size, outputs, inputs] is flipped.
      const flipped = b.transpose(b.op("reverse", [kernel], { dimensions: spatial }), [...spatial, rank + 1, rank]);
      const padding = strides.map((stride, i) => {
        const extent = x.type.shape[i + 1]!;
        const reach = (size[i]! - 1) * dilations[i]! + 1;
        const given = extra && (extra[i] ?? extra[0]);
        const wanted = transposedExtent(extent, { reach, size: size[i]!, stride, mode, extra: given });
        const total = mode === "same" ? Math.max((extent - 1) * stride + reach - wanted, 0) : 0;
        const low = reach - 1 - Math.floor(total / 2);
        return [low, wanted - ((extent - 1) * stride + 1) - low + reach - 1] as const;
      });
      const product = b.op("convolution", [x, flipped], {
        strides: spatial.map(() => 1),
        padding,
        lhsDilation: strides,
        rhsDilation: dilations,
        inputBatch: 0,
        inputFeature: rank + 1,
        inputSpatial: spatial.map((i) => i + 1),
        kernelInputFeature: rank,
        kernelOutputFeature: rank + 1,
        kernelSpatial: spatial,
        outputBatch: 0,
        outputFeature: rank + 1,
        outputSpatial: spatial.map((i) => i + 1),
        featureGroups: 1,
        batchGroups: 1,
      });
      return finish(call, product);
    }),
});

export const convolutionLayers: Readonly<Record<string, Row>> = {
  Conv1D: conv(1),
  Conv2D: conv(2),
  Conv3D: conv(3),
  Convolution1D: conv(1),
  Convolution2D: conv(2),
  Convolution3D: conv(3),
  DepthwiseConv1D: depthwiseConv(1),
  DepthwiseConv2D: depthwiseConv(2),
  SeparableConv1D: separableConv(1),
  SeparableConv2D: separableConv(2),
  Conv1DTranspose: convTranspose(1),
  Conv2DTranspose: convTranspose(2),
  Conv3DTranspose: convTranspose(3),
};
