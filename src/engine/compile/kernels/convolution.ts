// Convolutions as contractions: every tap of the window is a matrix product on a shifted view of the input.

import { is, type Value } from "../../hlo/graph.ts";
import type { Template, TemplateRule } from "../kernel.ts";
import { type Batch, type Contraction, contractionKernel } from "./contraction.ts";
import type { Source } from "./panels.ts";
import { arithmeticFor, offsetsOf, passedBy } from "./product.ts";
import type { Stage } from "./stage.ts";
import { merged } from "./view.ts";
import { type Window, windowOf } from "./window.ts";

/** Whether the features of a pixel, and pixels of a line, are side by side. */
const dense = ({ depth, xAxis, groups }: Window) =>
  (depth.input === 1 || depth.extent * groups === 1) && xAxis.input === depth.extent * groups;

function weights(window: Window, merge: boolean, zeroPoint: number): Source {
  const { y, xAxis, depth, features, groups } = window;
  const perGroup = features.extent / groups;
  const steps = [
    { extent: y.taps, stride: y.kernel },
    { extent: xAxis.taps, stride: xAxis.kernel },
    { extent: depth.extent, stride: depth.kernel },
  ];
  return {
    kind: "constant",
    value: window.w.base,
    key: JSON.stringify([window.kernelOffset, groups, steps, features, merge]),
    batches: Array.from({ length: groups }, (_, group) => window.kernelOffset + group * perGroup * features.kernel),
    depth: offsetsOf(steps),
    columns: offsetsOf([{ extent: perGroup, stride: features.kernel }]),
    zeroPoint,
  };
}

/** A convolution without a window is a matrix product of its pixels. */
function pointwise(window: Window, arithmetic: "f32" | "i16"): Partial<Contraction> | undefined {
  const { batch, y, xAxis, depth, groups } = window;
  if (groups > 1 || y.taps * xAxis.taps > 1 || y.low + y.high + xAxis.low + xAxis.high > 0) return undefined;
  const dimensions = merged([
    { extent: batch.extent, strides: [batch.input, y.count * xAxis.count] },
    { extent: y.count, strides: [y.stride * y.input, xAxis.count] },
    { extent: xAxis.count, strides: [xAxis.stride * xAxis.input, 1] },
  ]).map(({ extent, strides }) => ({ extent, a: strides[0]!, row: strides[1]! }));
  const none = { extent: 1, a: 0, row: 0 };
  const inner = dimensions.pop() ?? none;
  if (arithmetic === "i16" && (dimensions.length > 0 || depth.input !== 1)) return undefined;
  const outer = dimensions.pop() ?? none;
  return {
    batches: dimensions.map((dimension) => ({ ...dimension, b: 0, column: 0 })),
    outer,
    inner: arithmetic === "f32" ? inner : { ...inner, a: depth.extent },
    blocked: outer.extent > 1 ? "outer" : "inner",
    taps: [],
    depth: { extent: depth.extent, a: depth.input },
  };
}

export const convolution: TemplateRule = (operation, users): Template | undefined => {
  if (!is(operation, "convolution")) return undefined;
  const [x, w] = operation.operands as [Value, Value];
  const result = operation.results[0]!;
  const arithmetic = arithmeticFor(x, w, result);
  const window = windowOf(operation);
  if (!arithmetic || !window || window.w.base.producer?.op !== "constant") return undefined;
  if (window.spread.some((spread) => spread > 1)) return undefined;
  const [zeroX, zeroW] = operation.attributes.zeroPoints ?? [0, 0];
  const { batch, y, xAxis, depth, groups, features } = window;
  const small = x.type.dtype === "u8" ? "u8" : "i8";
  const columns = features.extent / groups;
  const common = {
    name: `conv ${y.taps}x${xAxis.taps}${y.stride > 1 ? ` s${y.stride}` : ""} ${depth.extent * groups}-${features.extent}`,
    arithmetic,
    a: window.x.base,
    offset: window.x.offset,
    columns,
  };
  const simple = pointwise(window, arithmetic);
  let contraction: Omit<Contraction, "output">;
  if (simple) {
    const stage: Stage | undefined =
      arithmetic === "i16"
        ? {
            from: small,
            elements: depth.extent,
            stride: xAxis.stride * xAxis.input,
            pitch: depth.extent,
            low: 0,
            zeroPoint: zeroX,
          }
        : undefined;
    contraction = {
      ...common,
      ...(simple as Pick<Contraction, "batches" | "outer" | "inner" | "blocked" | "taps" | "depth">),
      b: weights(window, true, zeroW),
      ...(stage && { stage }),
    };
  } else {
    const copied = arithmetic === "i16" || xAxis.low > 0 || xAxis.high > 0;
    if (copied && !dense(window)) return undefined;
    const pixel = copied ? depth.extent * groups : xAxis.input;
    const pitch = (xAxis.low + xAxis.extent + xAxis.high) * pixel;
    const line = copied ? pitch : y.input;
    const merge = dense(window) && groups === 1 && xAxis.dilation === 1;
    const inside = y.low === 0 && y.high === 0;
    const bounded = copied || !inside;
    const group: Batch[] =
      groups > 1
        ? [
            {
              extent: groups,
              a: copied ? 0 : depth.extent * depth.input,
              staged: copied ? depth.extent : 0,
              b: 1,
              row: 0,
              column: columns,
            },
          ]
        : [];
    contraction = {
      ...common,
      offset: copied ? window.x.offset : window.x.offset - y.low * y.input,
      b: weights(window, merge, zeroW),
      batches: [{ extent: batch.extent, a: batch.input, b: 0, row: y.count * xAxis.count, column: 0 }, ...group],
      outer: { extent: y.count, a: y.stride * line, row: xAxis.count },
      inner: { extent: xAxis.count, a: xAxis.stride * pixel, row: 1 },
      blocked: y.count === 1 && !bounded ? "inner" : "outer",
      taps: [
        { count: y.taps, a: y.dilation * line },
        ...(merge ? [] : [{ count: xAxis.taps, a: xAxis.dilation * pixel }]),
      ],
      ...(bounded && { bounds: { stride: y.stride, dilation: y.dilation, low: y.low, extent: y.extent } }),
      depth: merge
        ? { extent: xAxis.taps * depth.extent, a: 1 }
        : { extent: depth.extent, a: copied ? 1 : depth.input },
      ...(copied && {
        stage: {
          from: arithmetic === "f32" ? "f32" : small,
          elements: xAxis.extent * pixel,
          stride: y.input,
          pitch,
          low: xAxis.low * pixel,
          zeroPoint: zeroX,
        },
      }),
    };
  }
  return {
    covers: [...passedBy([window.x, window.w], users, operation), operation],
    result,
    columns: features.extent,
    build: (epilogue) => contractionKernel({ ...contraction, output: { columns: features.extent, result, epilogue } }),
  };
};
