// Depthwise convolutions: every channel by itself, four or eight side by side, a few pixels of a row at a time.

import type { Code } from "../../../wasm/code.ts";
import { op, type } from "../../../wasm/opcodes.ts";
import { is, type Value } from "../../hlo/graph.ts";
import type { Tensor } from "../../hlo/tensor.ts";
import type { Kernel, KernelContext, Template, TemplateRule } from "../kernel.ts";
import { emitBounds, tapsWithin } from "./bounds.ts";
import { increase, loadSome, loopWhileBelow, minimum, scaled, split } from "./emit.ts";
import { type Destination, emitStore, operandsOf, type Output, outputKey, packsOf, spillBytes } from "./output.ts";
import { arithmeticFor, passedBy } from "./product.ts";
import { type Axis, type Window, windowOf } from "./window.ts";

interface Depthwise {
  readonly window: Window;
  readonly output: Output;
  readonly arithmetic: Arithmetic;
  /** Type of the input's elements, and what is subtracted from them and from the kernel's. */
  readonly from: "f32" | "i8" | "u8";
  readonly zeroPoints: readonly [number, number];
}

/** How the taps of a line of the window are added up for a few pixels and a block of channels. */
interface Arithmetic {
  readonly name: "f32" | "i16";
  /** Pixels at a time. */
  readonly pixels: number;
  /** Channels of a block, in vectors of four. */
  readonly vectors: number;
  /** Bytes of the weights of a block for a line of taps. */
  lineBytes(taps: number): number;
  /** Adds the taps `present[p]` of every pixel p. */
  line(code: Code, context: KernelContext, d: Depthwise, at: Line): void;
}

interface Line {
  /** Address of the first pixel's first tap that is there. */
  readonly x: number;
  /** Address of the line's first weight. */
  readonly w: number;
  readonly sums: readonly number[];
  readonly present: readonly (readonly [number, number])[];
  /** Channels that exist. */
  readonly channels: number;
  /** Locals for vectors. */
  readonly spare: readonly number[];
}

/** Distance from the first of a few pixels' present taps to a pixel's tap, in elements. */
const distance = ({ input, stride, dilation }: Axis, present: Line["present"], pixel: number, tap: number) =>
  (pixel * stride + (tap - present[0]![0]) * dilation) * input;

const floats: Arithmetic = {
  name: "f32",
  pixels: 4,
  vectors: 1,
  lineBytes: (taps) => taps * 16,
  line(code, context, { window: { xAxis } }, { x, w, sums, present, channels, spare }) {
    // Inputs in order of place, each used by all pixels that it is a tap of.
    const uses = new Map<number, { pixel: number; tap: number }[]>();
    present.forEach(([first, last], pixel) => {
      for (let tap = first; tap < last; tap++) {
        const at = distance(xAxis, present, pixel, tap);
        uses.set(at, [...(uses.get(at) ?? []), { pixel, tap }]);
      }
    });
    // A few weights stay in registers; of wide windows each is loaded where it is used.
    const kept = xAxis.taps <= 7;
    const [value, other, ...weights] = spare as [number, number, ...number[]];
    const wanted = new Set(present.flatMap(([first, last]) => range(first, last)));
    if (kept)
      for (const tap of wanted)
        code
          .get(w)
          .memory(op["v128.load"], tap * 16)
          .set(weights[tap]!);
    for (const at of [...uses.keys()].sort((a, b) => a - b)) {
      loadSome(code, "f32", x, at * 4, channels);
      code.set(value);
      for (const { pixel, tap } of uses.get(at)!) {
        const sum = sums[pixel]!;
        const weight = kept ? weights[tap]! : other;
        if (!kept)
          code
            .get(w)
            .memory(op["v128.load"], tap * 16)
            .set(other);
        if (context.relaxed) code.get(value).get(weight).get(sum).op(op["f32x4.relaxed_madd"]).set(sum);
        else code.get(sum).get(value).get(weight).op(op["f32x4.mul"]).op(op["f32x4.add"]).set(sum);
      }
    }
  },
};

const integers: Arithmetic = {
  name: "i16",
  pixels: 2,
  vectors: 2,
  lineBytes: (taps) => Math.ceil(taps / 2) * 32,
  line(code, _, { window: { xAxis }, from, zeroPoints }, { x, w, sums, present, channels, spare }) {
    const zero = zeroPoints[0] & 0xffff;
    const zeros = zero | (zero << 16);
    const [low, high, ...inputs] = spare as [number, number, ...number[]];
    const loaded = new Map<number, number>();
    let turn = 0;
    const input = (pixel: number, tap: number) => {
      const [first, last] = present[pixel]!;
      if (tap < first || tap >= last) return undefined;
      const at = distance(xAxis, present, pixel, tap);
      let local = loaded.get(at);
      if (local === undefined) {
        local = inputs[turn++ % inputs.length]!;
        // A register that is taken again is no longer known.
        for (const [key, known] of loaded) if (known === local) loaded.delete(key);
        loaded.set(at, local);
        loadEight(code, from, x, at, channels);
        if (zero !== 0) code.v128(zeros, zeros, zeros, zeros).op(op["i16x8.sub"]);
        code.set(local);
      }
      return local;
    };
    // Two taps at a time: their elements side by side, as the weights are.
    for (let pair = 0; pair < Math.ceil(xAxis.taps / 2); pair++) {
      const pixels = present.flatMap((_range, pixel) => {
        const [a, b] = [input(pixel, pair * 2), input(pixel, pair * 2 + 1)];
        return a === undefined && b === undefined ? [] : [{ pixel, a, b }];
      });
      if (pixels.length === 0) continue;
      code
        .get(w)
        .memory(op["v128.load"], pair * 32)
        .set(low);
      code
        .get(w)
        .memory(op["v128.load"], pair * 32 + 16)
        .set(high);
      for (const { pixel, a, b } of pixels) {
        for (const half of [0, 1]) {
          const sum = sums[pixel * 2 + half]!;
          code.get(sum);
          for (const part of [a, b]) {
            if (part === undefined) code.v128(0, 0, 0, 0);
            else code.get(part);
          }
          if (half === 0) code.shuffle(0x11100100, 0x13120302, 0x15140504, 0x17160706);
          else code.shuffle(0x19180908, 0x1b1a0b0a, 0x1d1c0d0c, 0x1f1e0f0e);
          code
            .get(half === 0 ? low : high)
            .op(op["i32x4.dot_i16x8_s"])
            .op(op["i32x4.add"])
            .set(sum);
        }
      }
    }
  },
};

const range = (first: number, last: number) => Array.from({ length: Math.max(0, last - first) }, (_, i) => first + i);

/** Pushes up to eight small integers as 16 bits each. */
function loadEight(code: Code, from: "f32" | "i8" | "u8", address: number, offset: number, count: number): void {
  if (count === 8) {
    code.get(address).memory(from === "i8" ? op["v128.load8x8_s"] : op["v128.load8x8_u"], offset);
    return;
  }
  for (let i = 0; i < count; i++) code.get(address);
  code.v128(0, 0, 0, 0);
  for (let i = 0; i < count; i++) code.memory(op["v128.load8_lane"], offset + i).byte(i);
  code.op(from === "i8" ? op["i16x8.extend_low_i8x16_s"] : op["i16x8.extend_low_i8x16_u"]);
}

/** Weights as [block][line][tap][channel], or in pairs of taps. */
function pack(tensor: Tensor, { window, arithmetic, zeroPoints }: Depthwise): Tensor {
  const { y, xAxis, features, kernelOffset } = window;
  const data = tensor.data as Float32Array;
  const width = arithmetic.vectors * 4;
  const blocks = Math.ceil(features.extent / width);
  const step = arithmetic.name === "f32" ? 1 : 2;
  const perLine = Math.ceil(xAxis.taps / step) * step;
  const size = blocks * y.taps * perLine * width;
  const packed = step === 1 ? new Float32Array(size) : new Int16Array(size);
  for (let c = 0; c < features.extent; c++) {
    const [block, lane] = [Math.floor(c / width), c % width];
    for (let ty = 0; ty < y.taps; ty++) {
      for (let tx = 0; tx < xAxis.taps; tx++) {
        const from = kernelOffset + c * features.kernel + ty * y.kernel + tx * xAxis.kernel;
        const line = (block * y.taps + ty) * perLine * width;
        packed[line + Math.floor(tx / step) * width * step + lane * step + (tx % step)] = data[from]! - zeroPoints[1];
      }
    }
  }
  return { dtype: step === 1 ? "f32" : "i16", shape: [size], data: packed };
}

/** Multiplications of a unit. */
const unitWork = 1 << 18;

function depthwiseKernel(d: Depthwise): Kernel {
  const { window, output, arithmetic } = d;
  const { y, xAxis, batch, features, depth } = window;
  const rowWork = xAxis.count * features.extent * y.taps * xAxis.taps;
  const rows = Math.max(1, Math.min(y.count, Math.round(unitWork / rowWork)));
  const shape = [y, xAxis, batch, features.extent, depth.input, window.x.offset, d.from, d.zeroPoints];
  return {
    key: `depthwise ${JSON.stringify(shape)} ${outputKey(output)}`,
    name: `depthwise ${y.taps}x${xAxis.taps}${y.stride > 1 ? ` s${y.stride}` : ""} ${features.extent}`,
    units: batch.extent * Math.ceil(y.count / rows),
    unitCost: 50 + Math.ceil((rows * rowWork) / 8),
    operands: [window.x.base, window.w.base, ...operandsOf(output)],
    results: [output.epilogue?.result ?? output.result],
    packs: [
      {
        operand: 1,
        key: `depthwise ${arithmetic.name} ${JSON.stringify([window.kernelOffset, y, xAxis, features, d.zeroPoints[1]])}`,
        pack: (tensor) => pack(tensor, d),
      },
      ...packsOf(output, 2),
    ],
    scratch: spillBytes(output),
    emit: (code, context) => emitDepthwise(code, context, d, rows),
  };
}

function emitDepthwise(code: Code, context: KernelContext, d: Depthwise, blockRows: number): void {
  const { window, output, arithmetic, from } = d;
  const { y: yAxis, xAxis, batch, features } = window;
  const integer = () => code.local(type.i32);
  const [unit, end, input, weights] = [0, 1, 2, 3];
  const extra = operandsOf(output).length;
  const destination: Destination = {
    ...output,
    result: output.epilogue?.result ?? output.result,
    address: 4 + extra,
    operands: Array.from({ length: extra }, (_, i) => 4 + i),
    spill: 5 + extra,
  };
  const bytes = from === "f32" ? 4 : 1;
  const blocks = Math.ceil(yAxis.count / blockRows);
  const [rest, y, last, line, firstTap, taps, resultRow] = Array.from({ length: 7 }, integer) as [
    number, number, number, number, number, number, number,
  ]; // prettier-ignore
  const [c, x, w, xAt, wAt, counter, row] = Array.from({ length: 7 }, integer) as [
    number, number, number, number, number, number, number,
  ]; // prettier-ignore
  const sums = Array.from({ length: arithmetic.pixels * arithmetic.vectors }, () => code.local(type.v128));
  const spare = Array.from({ length: 9 }, () => code.local(type.v128));
  const width = arithmetic.vectors * 4;
  const lineBytes = arithmetic.lineBytes(xAxis.taps);

  /** All channels of some pixels of a row; `first` is a local or a number, `present` their taps within the line. */
  const pixels = (first: { local: number } | number, present: readonly (readonly [number, number])[]) => {
    const offset = (present[0]![0] * xAxis.dilation - xAxis.low) * xAxis.input * bytes;
    code.get(line);
    if (typeof first === "number") code.i32(first * xAxis.stride * xAxis.input * bytes + offset);
    else {
      scaled(code, first.local, xAxis.stride * xAxis.input * bytes);
      code.i32(offset).op(op["i32.add"]);
    }
    code.op(op["i32.add"]).set(x);
    code.get(resultRow);
    if (typeof first === "number") code.i32(first);
    else code.get(first.local);
    code.op(op["i32.add"]).set(row);
    code.get(weights);
    scaled(code, firstTap, lineBytes);
    code.op(op["i32.add"]).set(w);
    const block = (channels: number) => {
      for (let i = 0; i < present.length * arithmetic.vectors; i++) code.v128(0, 0, 0, 0).set(sums[i]!);
      code.get(x).set(xAt).get(w).set(wAt);
      code.get(taps).tee(counter).if();
      const again = code.loop();
      arithmetic.line(code, context, d, { x: xAt, w: wAt, sums, present, channels, spare });
      increase(code, xAt, yAxis.dilation * yAxis.input * bytes);
      increase(code, wAt, lineBytes);
      code.get(counter).i32(1).op(op["i32.sub"]).tee(counter).brIf(again);
      code.end().end();
      const vectors = Math.ceil(channels / 4);
      const stored = present.flatMap((_, pixel) =>
        Array.from({ length: vectors }, (_v, v) => sums[pixel * arithmetic.vectors + v]!),
      );
      const lastLanes = channels - (vectors - 1) * 4;
      const region = { row, column: c, rows: present.length, rowStep: 1, vectors, lastLanes };
      emitStore(code, context, destination, region, stored);
    };
    const whole = features.extent - (features.extent % width);
    code.i32(0).set(c);
    if (whole > 0) {
      loopWhileBelow(code, c, whole, width, () => {
        block(width);
        increase(code, x, width * bytes);
        increase(code, w, lineBytes * yAxis.taps);
      });
    }
    if (whole < features.extent) block(features.extent - whole);
  };

  // Pixels whose windows reach over the edges one by one, those between a few at a time.
  const bounds = { stride: xAxis.stride, dilation: xAxis.dilation, low: xAxis.low, extent: xAxis.extent };
  const present = range(0, xAxis.count).map((pixel) => tapsWithin(bounds, xAxis.taps, pixel));
  const isWhole = ([first, below]: readonly [number, number]) => first === 0 && below === xAxis.taps;
  const begin = present.findIndex(isWhole);
  const inner = begin < 0 ? 0 : present.filter(isWhole).length;
  const left = begin < 0 ? xAxis.count : begin;
  const full = (count: number) => Array.from({ length: count }, () => [0, xAxis.taps] as const);

  loopWhileBelow(code, unit, { local: end }, 1, () => {
    code.get(unit).set(rest);
    const [n, block] = split(code, rest, [batch.extent, blocks]) as [number, number];
    scaled(code, block, blockRows);
    code.tee(y).i32(blockRows).op(op["i32.add"]).set(last);
    minimum(code, { local: last }, yAxis.count);
    code.set(last);
    loopWhileBelow(code, y, { local: last }, 1, () => {
      emitBounds(code, { ...yAxis }, yAxis.taps, y, firstTap, taps);
      // The line of the first tap that is there.
      scaled(code, y, yAxis.stride);
      scaled(code, firstTap, yAxis.dilation);
      code
        .op(op["i32.add"])
        .i32(yAxis.low)
        .op(op["i32.sub"])
        .i32(yAxis.input * bytes)
        .op(op["i32.mul"]);
      code
        .get(input)
        .op(op["i32.add"])
        .i32(window.x.offset * bytes)
        .op(op["i32.add"]);
      scaled(code, n, batch.input * bytes);
      code.op(op["i32.add"]).set(line);
      scaled(code, n, yAxis.count);
      code.get(y).op(op["i32.add"]).i32(xAxis.count).op(op["i32.mul"]).set(resultRow);
      for (let pixel = 0; pixel < left; pixel++) pixels(pixel, [present[pixel]!]);
      const tail = inner % arithmetic.pixels;
      if (inner - tail > 0) {
        const at = integer();
        code.i32(left).set(at);
        loopWhileBelow(code, at, left + inner - tail, arithmetic.pixels, () => {
          pixels({ local: at }, full(arithmetic.pixels));
        });
      }
      if (tail > 0) pixels(left + inner - tail, full(tail));
      for (let pixel = left + inner; pixel < xAxis.count; pixel++) pixels(pixel, [present[pixel]!]);
    });
  });
}

/** Most pixels at the edges of a row that get code of their own. */
const mostEdges = 16;

export const depthwise: TemplateRule = (operation, users): Template | undefined => {
  if (!is(operation, "convolution")) return undefined;
  const [x, w] = operation.operands as [Value, Value];
  const result = operation.results[0]!;
  const arithmetic = arithmeticFor(x, w, result);
  const window = windowOf(operation);
  if (!arithmetic || x.type.dtype === "i16" || !window || window.w.base.producer?.op !== "constant") return undefined;
  const { groups, depth, features, xAxis } = window;
  if (groups === 1 || depth.extent !== 1 || features.extent !== groups) return undefined;
  if (window.spread.some((spread) => spread > 1) || depth.input !== 1) return undefined;
  if (window.y.low < 0 || xAxis.low < 0) return undefined;
  if (Math.ceil(xAxis.low / xAxis.stride) + Math.ceil(xAxis.high / xAxis.stride) > mostEdges) return undefined;
  const from = arithmetic === "f32" ? "f32" : x.type.dtype === "u8" ? "u8" : "i8";
  return {
    covers: [...passedBy([window.x, window.w], users, operation), operation],
    result,
    columns: features.extent,
    build: (epilogue) =>
      depthwiseKernel({
        window,
        output: { columns: features.extent, result, epilogue },
        arithmetic: arithmetic === "f32" ? floats : integers,
        from,
        zeroPoints: operation.attributes.zeroPoints ?? [0, 0],
      }),
  };
};
