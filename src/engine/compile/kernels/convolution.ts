// Convolutions as contractions: every tap of the window is a matrix product on a shifted view of the input.

import { is, type Value } from "../../hlo/graph.ts";
import type { Template, TemplateRule } from "../kernel.ts";
import { type Batch, type Contraction, contractionKernel } from "./contraction.ts";
import type { Source } from "./panels.ts";
import { arithmeticFor, offsetsOf, passedBy, stageFrom } from "./product.ts";
import type { Stage } from "./stage.ts";
import { merged } from "./view.ts";
import { fitsWords, withWideTail } from "./wide.ts";
import { phasesOf, type Window, windowOf } from "./window.ts";

/** Whether the features of a pixel, and pixels of a line, are side by side. */
const dense = ({ depth, xAxis, groups }: Window) =>
  (depth.input === 1 || depth.extent * groups === 1) && xAxis.input === depth.extent * groups;

/** The kernel as the right side; undefined for one that is no constant and has its elements in no simple order. */
function weights(window: Window, zeroPoint: number): Source | undefined {
  const { y, xAxis, depth, features, groups } = window;
  const perGroup = features.extent / groups;
  const steps = [
    { extent: y.taps, stride: y.kernel },
    { extent: xAxis.taps, stride: xAxis.kernel },
    { extent: depth.extent, stride: depth.kernel },
  ];
  if (!isConstant(window)) {
    const [below, ...more] = merged(steps.map(({ extent, stride }) => ({ extent, strides: [stride] })));
    if (more.length > 0) return undefined;
    return {
      kind: "strided",
      value: window.w.base,
      offset: window.kernelOffset,
      depth: { extent: below?.extent ?? 1, stride: below?.strides[0] ?? 1 },
      column: features.kernel,
    };
  }
  return {
    kind: "constant",
    value: window.w.base,
    key: JSON.stringify([window.kernelOffset, groups, steps, features]),
    batches: Array.from({ length: groups }, (_, group) => window.kernelOffset + group * perGroup * features.kernel),
    depth: offsetsOf(steps),
    columns: offsetsOf([{ extent: perGroup, stride: features.kernel }]),
    zeroPoint,
  };
}

const isConstant = ({ w }: Window) => w.base.producer?.op === "constant";

/** A convolution without a window is a matrix product of its pixels. */
function pointwise(window: Window, arithmetic: "f32" | "i16"): Geometry | undefined {
  const { x, batch, y, xAxis, depth, groups, rows } = window;
  if (groups > 1 || y.taps * xAxis.taps > 1 || y.low + y.high + xAxis.low + xAxis.high > 0) return undefined;
  const dimensions = merged([
    { extent: batch.extent, strides: [batch.input, rows.image] },
    { extent: y.count, strides: [y.stride * y.input, rows.y] },
    { extent: xAxis.count, strides: [xAxis.stride * xAxis.input, rows.x] },
  ]).map(({ extent, strides }) => ({ extent, a: strides[0]!, row: strides[1]! }));
  const none = { extent: 1, a: 0, row: 0 };
  const inner = dimensions.pop() ?? none;
  if (arithmetic === "i16" && (dimensions.length > 0 || depth.input !== 1)) return undefined;
  const outer = dimensions.pop() ?? none;
  return {
    offset: x.offset,
    batches: dimensions.map((dimension) => ({ ...dimension, b: 0, column: 0 })),
    outer,
    inner: arithmetic === "f32" ? inner : { ...inner, a: depth.extent },
    blocked: outer.extent > 1 ? "outer" : "inner",
    taps: [],
    depth: { extent: depth.extent, a: depth.input },
    ...(arithmetic === "i16" && {
      lines: { elements: depth.extent, stride: inner.a, pitch: depth.extent, low: 0 },
    }),
  };
}

/** Which elements of the input a contraction meets: all of one but what they are. */
type Geometry = Pick<
  Contraction,
  "offset" | "batches" | "outer" | "inner" | "blocked" | "taps" | "bounds" | "depth"
> & { readonly lines?: Omit<Stage, "from" | "zeroPoint"> };

/** A convolution line by line. Lines are copied when zeros are wanted beside them, or elements of 16 bits. */
function windowed(window: Window, arithmetic: "f32" | "i16"): Geometry | undefined {
  const { x, batch, y, xAxis, depth, groups, features, rows } = window;
  const copied = arithmetic === "i16" || xAxis.low > 0 || xAxis.high > 0;
  if (copied && !dense(window)) return undefined;
  const pixel = copied ? depth.extent * groups : xAxis.input;
  const pitch = (xAxis.low + xAxis.extent + xAxis.high) * pixel;
  const line = copied ? pitch : y.input;
  const merge = mergesTaps(window);
  const bounded = copied || y.low > 0 || y.high > 0;
  const group: Batch = {
    extent: groups,
    a: copied ? 0 : depth.extent * depth.input,
    staged: copied ? depth.extent : 0,
    b: isConstant(window) ? 1 : (features.extent / groups) * features.kernel,
    row: 0,
    column: features.extent / groups,
  };
  return {
    offset: copied ? x.offset : x.offset - y.low * y.input,
    batches: [
      { extent: batch.extent, a: batch.input, b: 0, row: rows.image, column: 0 },
      ...(groups > 1 ? [group] : []),
    ],
    outer: { extent: y.count, a: y.stride * line, row: rows.y },
    inner: { extent: xAxis.count, a: xAxis.stride * pixel, row: rows.x },
    blocked: y.count === 1 && !bounded ? "inner" : "outer",
    taps: [
      { count: y.taps, a: y.dilation * line },
      ...(merge ? [] : [{ count: xAxis.taps, a: xAxis.dilation * pixel }]),
    ],
    ...(bounded && { bounds: { stride: y.stride, dilation: y.dilation, low: y.low, extent: y.extent } }),
    depth: merge ? { extent: xAxis.taps * depth.extent, a: 1 } : { extent: depth.extent, a: copied ? 1 : depth.input },
    ...(copied && {
      lines: { elements: xAxis.extent * pixel, stride: y.input, pitch, low: xAxis.low * pixel },
    }),
  };
}

/** Whether the taps of a line and their features lie side by side. */
const mergesTaps = (window: Window) => dense(window) && window.groups === 1 && window.xAxis.dilation === 1;

export const convolution: TemplateRule = (operation, users): Template | undefined => {
  if (!is(operation, "convolution")) return undefined;
  const [x, w] = operation.operands as [Value, Value];
  const result = operation.results[0]!;
  const arithmetic = arithmeticFor(x, w, result);
  const whole = windowOf(operation);
  if (!arithmetic || !whole || (arithmetic === "i16" && !isConstant(whole))) return undefined;
  const [zeroX, zeroW] = operation.attributes.zeroPoints ?? [0, 0];
  const { y, xAxis, depth, groups, features, spread } = whole;
  const size = `${y.taps}x${xAxis.taps}${y.stride > 1 ? ` s${y.stride}` : ""}`;
  const parts: Omit<Contraction, "output">[] = [];
  for (const window of phasesOf(whole) ?? []) {
    const geometry = pointwise(window, arithmetic) ?? windowed(window, arithmetic);
    const b = weights(window, zeroW);
    if (!geometry || !b) return undefined;
    if (result.type.dtype === "i64" && !(b.kind === "constant" && fitsWords(b))) return undefined;
    const { lines, ...rest } = geometry;
    parts.push({
      name: `${spread[0] * spread[1] > 1 ? "transposed " : ""}conv ${size} ${depth.extent * groups}-${features.extent}`,
      arithmetic,
      a: window.x.base,
      columns: features.extent / groups,
      b,
      firstRow: window.rows.first,
      ...rest,
      ...(lines && { stage: { ...lines, from: stageFrom(x), zeroPoint: zeroX } }),
    });
  }
  if (parts.length === 0) return undefined;
  if (x.type.dtype === "i16" && zeroX !== 0) return undefined;
  const template: Template = {
    covers: [...passedBy([whole.x, whole.w], users, operation), operation],
    result,
    columns: features.extent,
    build: (epilogue) => {
      const output = { columns: features.extent, result, epilogue };
      return contractionKernel(parts.map((part) => ({ ...part, output })));
    },
  };
  return x.type.dtype === "i16" ? withWideTail(template, users) : template;
};
