// Convolutions seen plainly: which elements of the input and of the kernel meet, whatever their layouts.

import { is, type Operation, type Value } from "../../hlo/graph.ts";
import { plainView, type View, viewOf } from "./view.ts";

/** One spatial dimension. */
export interface Axis {
  /** Of the input, of the kernel, of the result. */
  readonly extent: number;
  readonly taps: number;
  readonly count: number;
  readonly stride: number;
  readonly dilation: number;
  /** Zeros before the input, and after it as far as windows reach. */
  readonly low: number;
  readonly high: number;
  /** Strides of the input, in elements, and of the kernel from its first tap on. */
  readonly input: number;
  readonly kernel: number;
}

/** A convolution whose result is [batch, y, x, features], dense. */
export interface Window {
  readonly x: View;
  readonly w: View;
  /** Of the kernel's first tap, in elements of its base. */
  readonly kernelOffset: number;
  readonly batch: { readonly extent: number; readonly input: number };
  readonly y: Axis;
  readonly xAxis: Axis;
  readonly groups: number;
  /** Input features of a group. */
  readonly depth: { readonly extent: number; readonly input: number; readonly kernel: number };
  /** Output features of all groups. */
  readonly features: { readonly extent: number; readonly kernel: number };
  /** How much the inputs are spread: 1 but for transposed convolutions. */
  readonly spread: readonly [y: number, x: number];
  /** Rows of the result: the first, from one to the next along y and x, and from one image to the next. */
  readonly rows: { readonly first: number; readonly y: number; readonly x: number; readonly image: number };
}

/** The same axis without padding below zero: what is cut off is not there. Gives where it begins, too. */
function withoutNegative(axis: Axis): { axis: Axis; skipped: number } {
  const cut = Math.max(0, -axis.low);
  return { axis: { ...axis, low: axis.low + cut, extent: axis.extent - cut }, skipped: cut * axis.input };
}

/** The windows of those results that lie `phase` after inputs that are spread, seen on the inputs as they are. */
function phaseOf(axis: Axis, spread: number, phase: number): { axis: Axis; tap: number } | undefined {
  const place = (tap: number) => phase + tap * axis.dilation - axis.low;
  const taps = Array.from({ length: axis.taps }, (_, tap) => tap).filter((tap) => place(tap) % spread === 0);
  const [tap, next] = taps;
  if (tap === undefined || axis.stride !== 1) return undefined;
  const step = next === undefined ? spread : next - tap;
  const count = Math.ceil((axis.count - phase) / spread);
  const low = -place(tap) / spread;
  const dilation = (step * axis.dilation) / spread;
  const high = Math.max(0, count - 1 + (taps.length - 1) * dilation + 1 - low - axis.extent);
  return { axis: { ...axis, taps: taps.length, count, dilation, low, high, kernel: axis.kernel * step }, tap };
}

/** Windows without spread inputs that do the same together, each a part of the results. */
export function phasesOf(window: Window): Window[] | undefined {
  const [sy, sx] = window.spread;
  const phases: Window[] = [];
  for (let py = 0; py < Math.min(sy, window.y.count); py++) {
    for (let px = 0; px < Math.min(sx, window.xAxis.count); px++) {
      const y = sy > 1 ? phaseOf(window.y, sy, py) : { axis: window.y, tap: 0 };
      const x = sx > 1 ? phaseOf(window.xAxis, sx, px) : { axis: window.xAxis, tap: 0 };
      if (!y || !x) return undefined;
      const [down, across] = [withoutNegative(y.axis), withoutNegative(x.axis)];
      if (down.axis.extent <= 0 || across.axis.extent <= 0) return undefined;
      phases.push({
        ...window,
        x: { ...window.x, offset: window.x.offset + down.skipped + across.skipped },
        kernelOffset: window.kernelOffset + y.tap * window.y.kernel + x.tap * window.xAxis.kernel,
        y: down.axis,
        xAxis: across.axis,
        spread: [1, 1],
        rows: {
          ...window.rows,
          first: window.rows.first + py * window.rows.y + px * window.rows.x,
          y: window.rows.y * sy,
          x: window.rows.x * sx,
        },
      });
    }
  }
  return phases;
}

/** The operation that pads a value with zeros before (and after) its dimensions, but not those in `kept`. */
function paddingOf(value: Value, zero: number, kept: readonly number[]): Operation<"pad"> | undefined {
  const operation = value.producer;
  if (!is(operation, "pad")) return undefined;
  const { low, high, interior } = operation.attributes;
  const filler = operation.operands[1]!.producer;
  if ([...low, ...high].some((n) => n < 0) || interior.some((n) => n > 0)) return undefined;
  if (kept.some((axis) => low[axis] !== 0 || high[axis] !== 0)) return undefined;
  return is(filler, "constant") && Number(filler.attributes.value.data[0]) === zero ? operation : undefined;
}

/** A convolution's window, when its result has the usual layout and it has one or two spatial dimensions. */
export function windowOf(operation: Operation<"convolution">): Window | undefined {
  const a = operation.attributes;
  const [input, kernel] = operation.operands as [Value, Value];
  const result = operation.results[0]!;
  const rank = result.type.shape.length;
  if (rank < 3 || rank > 4 || a.batchGroups !== 1) return undefined;
  if (a.outputBatch !== 0 || a.outputFeature !== rank - 1 || a.outputSpatial.some((axis, i) => axis !== i + 1))
    return undefined;
  if ([...input.type.shape, ...kernel.type.shape, ...result.type.shape].includes(0)) return undefined;
  const pad = paddingOf(input, a.zeroPoints?.[0] ?? 0, [a.inputBatch, a.inputFeature]);
  const from = pad ? pad.operands[0]! : input;
  // Windows want features side by side, even if another operation has to put them there.
  const seen = viewOf(from);
  const single = a.kernelSpatial.every((axis) => kernel.type.shape[axis] === 1);
  const together = seen.strides[a.inputFeature] === 1 || from.type.shape[a.inputFeature] === 1;
  const view = single || together ? seen : plainView(from);
  const x = pad ? { ...view, through: [pad as unknown as Operation, ...view.through] } : view;
  const w = viewOf(kernel);
  let kernelOffset = w.offset;
  const axes = a.inputSpatial.map((axis, i): Axis => {
    const kernelAxis = a.kernelSpatial[i]!;
    const taps = kernel.type.shape[kernelAxis]!;
    const step = w.strides[kernelAxis]!;
    const reversed = a.reversal?.[i] ?? false;
    if (reversed) kernelOffset += (taps - 1) * step;
    const before = a.padding[i]![0] + (pad?.attributes.low[axis] ?? 0);
    const extent = from.type.shape[axis]!;
    const count = result.type.shape[i + 1]!;
    const [stride, dilation] = [a.strides[i]!, a.rhsDilation[i]!];
    return {
      extent,
      taps,
      count,
      stride,
      dilation,
      low: before,
      high: Math.max(
        0,
        (count - 1) * stride + (taps - 1) * dilation + 1 - before - ((extent - 1) * a.lhsDilation[i]! + 1),
      ),
      input: x.strides[axis]!,
      kernel: reversed ? -step : step,
    };
  });
  const none: Axis = { extent: 1, taps: 1, count: 1, stride: 1, dilation: 1, low: 0, high: 0, input: 0, kernel: 0 };
  const isNone = ({ extent, taps, count, low, high }: Axis) =>
    extent === 1 && taps === 1 && count === 1 && low === 0 && high === 0;
  // What runs along one dimension runs along x.
  const [first, second] = axes as [Axis, Axis?];
  const flat = second === undefined || isNone(second);
  const [y, xAxis] = flat ? [none, first] : [first, second];
  const spread = flat ? [1, a.lhsDilation[0]!] : [a.lhsDilation[0]!, a.lhsDilation[1]!];
  return {
    x,
    w,
    kernelOffset,
    batch: { extent: from.type.shape[a.inputBatch]!, input: x.strides[a.inputBatch]! },
    y,
    xAxis,
    groups: a.featureGroups,
    depth: {
      extent: kernel.type.shape[a.kernelInputFeature]!,
      input: x.strides[a.inputFeature]!,
      kernel: w.strides[a.kernelInputFeature]!,
    },
    features: { extent: kernel.type.shape[a.kernelOutputFeature]!, kernel: w.strides[a.kernelOutputFeature]! },
    spread: spread as [number, number],
    rows: { first: 0, y: xAxis.count, x: 1, image: y.count * xAxis.count },
  };
}
