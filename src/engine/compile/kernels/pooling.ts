// Pooling: sums, maxima and minima over windows of images whose channels come last.

import type { Code } from "../../../wasm/code.ts";
import { op, type } from "../../../wasm/opcodes.ts";
import { dtypes } from "../../hlo/dtype.ts";
import { is, type Operation, type Value } from "../../hlo/graph.ts";
import { isFloatLane, isLaneType, isUnsigned, splatF32, splatI32 } from "../lanes.ts";
import type { Kernel, KernelContext, Template, TemplateRule } from "../kernel.ts";
import { type Bounds, emitBounds } from "./bounds.ts";
import { increase, loadSome, loopWhileBelow, minimum, scaled, split } from "./emit.ts";
import { type Destination, emitStore, operandsOf, type Output, outputKey, packsOf, spillBytes } from "./output.ts";

/** One spatial dimension: taps of the window that lie within the input, and how many windows there are. */
interface Axis extends Bounds {
  readonly taps: number;
  readonly count: number;
}

interface Pooling {
  readonly x: Value;
  readonly combine: "add" | "maximum" | "minimum";
  readonly start: number;
  readonly batch: number;
  readonly y: Axis;
  readonly xAxis: Axis;
  readonly channels: number;
  readonly output: Output;
}

const unitWork = 1 << 17;
/** Vectors of channels that are combined side by side. */
const vectors = 4;

function combiner({ x, combine }: Pooling): number {
  const { dtype } = x.type;
  const short = ({ add: "add", maximum: "max", minimum: "min" } as const)[combine];
  if (isFloatLane(dtype)) return op[`f32x4.${short}`];
  return short === "add" ? op["i32x4.add"] : op[`i32x4.${short}_${isUnsigned(dtype) ? "u" : "s"}`];
}

function poolingKernel(p: Pooling): Kernel {
  const { y, xAxis, batch, channels, output } = p;
  const rowWork = xAxis.count * channels * y.taps * xAxis.taps;
  const rows = Math.max(1, Math.min(y.count, Math.round(unitWork / rowWork)));
  return {
    key: `pooling ${p.x.type.dtype} ${p.combine} ${p.start} ${JSON.stringify([y, xAxis, batch, channels])} ${outputKey(output)}`,
    name: `${p.combine} pool ${y.taps}x${xAxis.taps} ${channels}`,
    units: batch * Math.ceil(y.count / rows),
    unitCost: 50 + Math.ceil((rows * rowWork) / 4),
    operands: [p.x, ...operandsOf(output)],
    results: [output.epilogue?.result ?? output.result],
    packs: packsOf(output, 1),
    scratch: spillBytes(output),
    emit: (code, context) => emitPooling(code, context, p, rows),
  };
}

function emitPooling(code: Code, context: KernelContext, p: Pooling, blockRows: number): void {
  const { y: yAxis, xAxis, batch, channels, output } = p;
  const { dtype } = p.x.type;
  const { bytes } = dtypes[dtype];
  const integer = () => code.local(type.i32);
  const [unit, end, input] = [0, 1, 2];
  const extra = operandsOf(output).length;
  const destination: Destination = {
    ...output,
    result: output.epilogue?.result ?? output.result,
    address: 3 + extra,
    operands: Array.from({ length: extra }, (_, i) => 3 + i),
    spill: 4 + extra,
  };
  const combine = combiner(p);
  const pixelBytes = channels * bytes;
  const lineBytes = xAxis.extent * pixelBytes;
  const [rest, y, last, x, c] = [integer(), integer(), integer(), integer(), integer()];
  const [firstY, tapsY, firstX, tapsX] = [integer(), integer(), integer(), integer()];
  const [image, corner, at, down, across, row] = [integer(), integer(), integer(), integer(), integer(), integer()];
  const sums = Array.from({ length: vectors }, () => code.local(type.v128));
  const blocks = Math.ceil(yAxis.count / blockRows);

  const block = (count: number) => {
    const used = Math.ceil(count / 4);
    const lanes = (v: number) => Math.min(4, count - v * 4);
    for (let v = 0; v < used; v++) {
      if (isFloatLane(dtype)) splatF32(code, p.start);
      else splatI32(code, p.start);
      code.set(sums[v]!);
    }
    code.get(corner);
    scaled(code, c, bytes);
    code.op(op["i32.add"]).set(at).get(tapsY).set(down);
    code.get(tapsY).get(tapsX).op(op["i32.mul"]).if();
    const lines = code.loop();
    code.get(tapsX).set(across);
    const pixels = code.loop();
    for (let v = 0; v < used; v++) {
      code.get(sums[v]!);
      loadSome(code, dtype, at, v * 4 * bytes, lanes(v));
      code.op(combine).set(sums[v]!);
    }
    increase(code, at, xAxis.dilation * pixelBytes);
    code.get(across).i32(1).op(op["i32.sub"]).tee(across).brIf(pixels).end();
    code
      .get(at)
      .i32(yAxis.dilation * lineBytes)
      .op(op["i32.add"]);
    scaled(code, tapsX, xAxis.dilation * pixelBytes);
    code.op(op["i32.sub"]).set(at);
    code.get(down).i32(1).op(op["i32.sub"]).tee(down).brIf(lines).end().end();
    const region = { row, column: c, rows: 1, rowStep: 1, vectors: used, lastLanes: lanes(used - 1) };
    emitStore(code, context, destination, region, sums);
  };
  loopWhileBelow(code, unit, { local: end }, 1, () => {
    code.get(unit).set(rest);
    const [n, group] = split(code, rest, [batch, blocks]) as [number, number];
    scaled(code, group, blockRows);
    code.tee(y).i32(blockRows).op(op["i32.add"]).set(last);
    minimum(code, { local: last }, yAxis.count);
    code.set(last).get(input);
    scaled(code, n, yAxis.extent * lineBytes);
    code.op(op["i32.add"]).set(image);
    loopWhileBelow(code, y, { local: last }, 1, () => {
      emitBounds(code, yAxis, yAxis.taps, y, firstY, tapsY);
      code.i32(0).set(x);
      loopWhileBelow(code, x, xAxis.count, 1, () => {
        emitBounds(code, xAxis, xAxis.taps, x, firstX, tapsX);
        // The first tap that is there.
        code.get(image);
        for (const [index, axis, first, stride] of [
          [y, yAxis, firstY, lineBytes],
          [x, xAxis, firstX, pixelBytes],
        ] as const) {
          scaled(code, index, axis.stride);
          scaled(code, first, axis.dilation);
          code.op(op["i32.add"]).i32(axis.low).op(op["i32.sub"]).i32(stride).op(op["i32.mul"]).op(op["i32.add"]);
        }
        code.set(corner);
        scaled(code, n, yAxis.count);
        code.get(y).op(op["i32.add"]).i32(xAxis.count).op(op["i32.mul"]).get(x).op(op["i32.add"]).set(row);
        code.i32(0).set(c);
        const whole = channels - (channels % (vectors * 4));
        if (whole > 0) loopWhileBelow(code, c, whole, vectors * 4, () => block(vectors * 4));
        if (whole < channels) block(channels - whole);
      });
    });
  });
}

/** The operation by which a region combines its two parameters. */
function combinedBy({ regions }: Operation): "add" | "maximum" | "minimum" | undefined {
  const [region] = regions;
  const [only, ...more] = region!.operations;
  if (!only || more.length > 0 || region!.results[0] !== only.results[0] || region!.parameters.length !== 2)
    return undefined;
  if (!region!.parameters.every((parameter) => only.operands.includes(parameter))) return undefined;
  return only.op === "add" || only.op === "maximum" || only.op === "minimum" ? only.op : undefined;
}

export const pooling: TemplateRule = (operation): Template | undefined => {
  if (!is(operation, "reduceWindow") || operation.operands.length !== 2) return undefined;
  const [x, init] = operation.operands as [Value, Value];
  const result = operation.results[0]!;
  const combine = combinedBy(operation);
  const { dtype, shape } = x.type;
  if (!combine || !isLaneType(dtype) || dtype === "f16" || dtype === "bf16" || dtype === "i1") return undefined;
  const { windowDimensions, windowStrides, windowDilations, baseDilations, padding } = operation.attributes;
  const rank = shape.length;
  if (rank < 3 || rank > 4 || [...shape, ...result.type.shape].includes(0)) return undefined;
  const plain = (axis: number) =>
    windowDimensions[axis] === 1 && windowStrides[axis] === 1 && padding[axis]!.every((n) => n === 0);
  if (!plain(0) || !plain(rank - 1) || baseDilations.some((n) => n > 1)) return undefined;
  if (padding.flat().some((n) => n < 0)) return undefined;
  if (!is(init.producer, "constant")) return undefined;
  const start = Number(init.producer.attributes.value.data[0]);
  // What lies outside counts as the starting value: it changes nothing when that is neutral, or repeats it.
  if (combine === "add" && (start !== 0 || (dtype !== "f32" && dtype !== "i32"))) return undefined;
  const axis = (i: number): Axis => ({
    extent: shape[i]!,
    taps: windowDimensions[i]!,
    stride: windowStrides[i]!,
    dilation: windowDilations[i]!,
    low: padding[i]![0],
    count: result.type.shape[i]!,
  });
  const single: Axis = { extent: 1, taps: 1, stride: 1, dilation: 1, low: 0, count: 1 };
  const channels = shape[rank - 1]!;
  return {
    covers: [operation],
    result,
    columns: channels,
    build: (epilogue) =>
      poolingKernel({
        x,
        combine,
        start,
        batch: shape[0]!,
        y: rank === 3 ? single : axis(1),
        xAxis: axis(rank - 2),
        channels,
        output: { columns: channels, result, epilogue },
      }),
  };
};
