// Activations: floats, and the tables and fixed-point formulas of the quantised kernels.

import type { Builder } from "../../../hlo/build.ts";
import type { Value } from "../../../hlo/graph.ts";
import { clamp, divideByPower, highMultiply16, multiplyBy, type Multiplier, quantizeMultiplier } from "../fixed.ts";
import { type Lower, type Node, Unsupported } from "../node.ts";
import { options } from "../options.ts";
import {
  affineOf,
  affineTable,
  centred,
  interpolated,
  isQuantized,
  limits,
  quantizedRange,
  scaleBy,
  through,
} from "../quantize.ts";
import { activate } from "./elementwise.ts";

const f = Math.fround;

/** RELU and its kin are a change of scale between bounds. */
function rectifier(activation: number): Lower {
  return (node) => {
    const { b } = node;
    const x = node.input(0);
    if (!isQuantized(node.info(0))) return activate(b, x, activation);
    const [p, r] = [affineOf(node.info(0)), affineOf(node.result())];
    const dtype = node.dtype();
    const factor = quantizeMultiplier(f(p.scale / r.scale));
    const range = quantizedRange(activation, node.result(), dtype);
    if (dtype === "i16") return scaleBy(b, centred(b, x, p.zero), f(p.scale / r.scale), { dtype, zero: r.zero, range });
    return through(b, x, dtype, (element) => clamp(r.zero + multiplyBy(element - p.zero, factor), ...range));
  };
}

/** A float function by table; 16 bits by `wide`. */
function tabled(
  each: (value: number) => number,
  whole: (b: Builder, x: Value) => Value,
  wide?: (node: Node) => (element: number) => number,
): Lower {
  return (node) => {
    const { b } = node;
    const x = node.input(0);
    if (!isQuantized(node.info(0))) return whole(b, x);
    const [p, r] = [affineOf(node.info(0)), affineOf(node.result())];
    const dtype = node.dtype();
    if (dtype === "i16") {
      if (wide) return through(b, x, dtype, wide(node));
      const real = (element: number) => f(p.scale * (element - p.zero));
      const [low, high] = [-32768, 32767].map((element) => f(r.scale * (element - r.zero))) as [number, number];
      const entries = interpolated(real(-32768), real(32767), low, high, (value) => f(each(value)), f);
      return through(b, x, dtype, entries);
    }
    return through(b, x, dtype, affineTable(p, r, dtype, each));
  };
}

const sigmoid = (value: number) => 1 / (1 + Math.exp(-value));
/** Entries of the kernels' table that are one more than what rounding gives. */
const raised = new Set([
  4, 8, 12, 14, 15, 16, 17, 19, 20, 21, 22, 25, 27, 28, 29, 30, 31, 33, 34, 35, 37, 39, 40, 41, 43, 44, 45, 46, 49, 50,
  54, 62, 63, 64, 66, 82, 86, 93, 100, 103, 112, 116, 135,
]);
/** 65536 * sigmoid(i / 24): what the 16-bit kernels of LOGISTIC and TANH interpolate. */
const sigmoids = Array.from({ length: 256 }, (_, i) => Math.round(65536 * sigmoid(i / 24)) + Number(raised.has(i)));

/** The factor that brings 16-bit inputs to the table's scale of 1 / (3 * 4096). */
function tableScale(node: Node, powers: readonly number[]): { factor: number; shift: number } {
  const { scale, zero } = affineOf(node.info(0));
  if (zero !== 0) throw new Unsupported("int16 with a zero point");
  const log = Math.log2(scale);
  const left = 12 + Math.round(log);
  if (Math.abs(log - Math.round(log)) < 1e-3 && powers.includes(left)) return { factor: 3 << left, shift: 0 };
  let multiplier = scale * 4096 * 3;
  let shift = 0;
  while (multiplier <= 32767 / 2 && shift <= 30) {
    shift++;
    multiplier *= 2;
  }
  return { factor: Math.trunc(multiplier), shift };
}

function sigmoid16(node: Node): (element: number) => number {
  const { factor, shift } = tableScale(node, [0]);
  const round = shift > 0 ? 2 ** (shift - 1) : 0;
  return (element) => {
    const input = Math.floor((element * factor + round) / 2 ** shift);
    const size = Math.abs(input);
    const index = size >> 9;
    const [from, to] = [sigmoids[index]!, sigmoids[index + 1]!];
    const result = index >= 255 ? 0x7fff << 10 : (from << 9) + (size & 0x1ff) * (to - from);
    return (input >= 0 ? result + (1 << 9) : (1 << 25) - result + (1 << 9) - 1) >> 10;
  };
}
function tanh16(node: Node): (element: number) => number {
  const { factor, shift } = tableScale(node, [0, 1]);
  const round = shift > 0 ? 2 ** (shift - 1) : 0;
  return (element) => {
    const input = Math.floor((element * factor + round) / 2 ** shift);
    const size = Math.abs(input);
    const index = size >> 8;
    const [from, to] = [sigmoids[index]!, sigmoids[index + 1]!];
    const result = index >= 255 ? 0xffff << 8 : (from << 8) + (size & 0xff) * (to - from);
    return (input >= 0 ? result - (1 << 23) + (1 << 7) : -result + (1 << 23) + (1 << 7) - 1) >> 8;
  };
}

/** MobileNet v3's x * relu6(x + 3) / 6; in small integers by 16-bit fixed point (reference/hard_swish.h). */
const hardSwish: Lower = (node) => {
  const { b } = node;
  const x = node.input(0);
  if (!isQuantized(node.info(0))) {
    return b.with("divide", b.multiply(x, b.clamp(b.with("add", x, 3), 0, 6)), 6);
  }
  const [p, r] = [affineOf(node.info(0)), affineOf(node.result())];
  const dtype = node.dtype();
  const short = ({ multiplier }: Multiplier) =>
    multiplier >= 2 ** 31 - 1 - 32768 ? 32767 : (multiplier + 32768) >> 16;
  const fine = f(f(1 / 128) * p.scale);
  const output = quantizeMultiplier(f(fine / r.scale));
  const reluish = quantizeMultiplier(f(fine / f(3 / 32768)));
  const wrap = (value: number) => (value << 16) >> 16;
  const saturate = (value: number) => clamp(value, -32768, 32767);
  return through(b, x, dtype, (element) => {
    const hires = wrap((element - p.zero) * 128);
    const preshift = highMultiply16(hires, short(output));
    let gate = hires;
    if (reluish.shift > 0) gate = saturate(gate * 2 ** (reluish.shift - 1));
    gate = highMultiply16(gate, short(reluish));
    if (reluish.shift > 0) gate = saturate(gate * 2);
    if (reluish.shift < 0) gate = divideByPower(gate, -reluish.shift);
    gate = (gate + 32768) >> 1;
    const product = Math.trunc((gate * preshift) / 32768);
    return clamp(divideByPower(product, -output.shift) + r.zero, ...limits(dtype));
  });
};

const leaky: Lower = (node) => {
  const { b } = node;
  const x = node.input(0);
  const { alpha } = node.options(options.leakyRelu);
  if (!isQuantized(node.info(0))) {
    const positive = b.compare("GT", x, b.scalar(x.type.dtype, 0));
    return b.select(positive, x, b.with("multiply", x, alpha));
  }
  const [p, r] = [affineOf(node.info(0)), affineOf(node.result())];
  const dtype = node.dtype();
  const [same, leak] = [f(p.scale / r.scale), f(f(p.scale * alpha) / r.scale)];
  if (dtype === "i16") {
    const value = centred(b, x, p.zero);
    const scaled = (factor: number) => scaleBy(b, value, factor, { dtype, zero: r.zero });
    return b.select(b.compare("GE", value, b.scalar("i32", 0)), scaled(same), scaled(leak));
  }
  const [identity, slope] = [quantizeMultiplier(same), quantizeMultiplier(leak)];
  return through(b, x, dtype, (element) => {
    const value = element - p.zero;
    return clamp(r.zero + multiplyBy(value, value >= 0 ? identity : slope), ...limits(dtype));
  });
};

const parametric: Lower = (node) => {
  const { b } = node;
  const [x, alpha] = [node.input(0), node.input(1)];
  if (!isQuantized(node.info(0))) {
    const positive = b.compare("GE", x, b.scalar(x.type.dtype, 0));
    return b.select(positive, x, b.multiply(x, alpha));
  }
  const [p, q, r] = [affineOf(node.info(0)), affineOf(node.info(1)), affineOf(node.result())];
  const dtype = node.dtype();
  const value = centred(b, x, p.zero);
  const scaled = (from: Value, factor: number) => scaleBy(b, from, factor, { dtype, zero: r.zero });
  return b.select(
    b.compare("GE", value, b.scalar("i32", 0)),
    scaled(value, f(p.scale / r.scale)),
    scaled(b.multiply(value, centred(b, alpha, q.zero)), f(f(p.scale * q.scale) / r.scale)),
  );
};

const elu: Lower = tabled(
  (value) => (value < 0 ? Math.expm1(value) : value),
  (b, x) => b.select(b.compare("LT", x, b.scalar(x.type.dtype, 0)), b.plain("exponentialMinusOne", x), x),
);

/** Error function to f32's precision (W. J. Cody's rational approximations would do; a series is enough for tables). */
function erf(x: number): number {
  const size = Math.abs(x);
  if (size > 6) return Math.sign(x);
  if (size < 2.5) {
    let term = x;
    let sum = x;
    for (let n = 1; n < 60; n++) {
      term *= (-x * x) / n;
      sum += term / (2 * n + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * sum;
  }
  // Continued fraction of erfc.
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (size + fraction);
  return Math.sign(x) * (1 - Math.exp(-size * size) / (Math.sqrt(Math.PI) * (size + fraction)));
}

const gelu: Lower = (node) => {
  const { approximate } = node.options(options.gelu);
  const lower = tabled(
    approximate
      ? (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))
      : (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2)),
    (b, x) => b.gelu(x, { approximate }),
  );
  return lower(node);
};

/** Along the last dimension. 8 bits: exponentials by table, the rest in floats. */
function softmax8(node: Node, beta: number): Value {
  const { b } = node;
  const x = node.input(0);
  const [p, r] = [affineOf(node.info(0)), affineOf(node.result())];
  const dtype = node.dtype();
  const last = x.type.shape.length - 1;
  const wide = b.convert(x, "i32");
  const below = b.subtract(b.reduce("maximum", wide, [last], { keep: true }), wide);
  const scale = f(-p.scale * beta);
  const exponentials = b.numbers(
    "f32",
    [256],
    Array.from({ length: 256 }, (_, i) => Math.exp(f(scale * i))),
  );
  const powers = b.plain("lookup", b.convert(below, "u8"), exponentials);
  const total = b.with("multiply", b.reduce("add", powers, [last], { keep: true }), r.scale);
  const inverse = b.divide(b.scalar("f32", 1), total);
  const rounded = b.plain("roundNearestAfz", b.multiply(powers, inverse));
  const shifted = r.zero === 0 ? rounded : b.with("add", rounded, r.zero);
  return b.convert(b.clamp(shifted, ...limits(dtype)), dtype);
}

/** 16 bits: exponentials and the reciprocal by interpolated tables (reference/softmax.h, "SoftmaxInt16"). */
function softmax16(node: Node, beta: number): Value {
  const { b } = node;
  const x = node.input(0);
  const { scale } = affineOf(node.info(0));
  const last = x.type.shape.length - 1;
  const wide = b.convert(x, "i32");
  const below = b.subtract(wide, b.reduce("maximum", wide, [last], { keep: true }));
  const scaled = scaleBy(b, below, f(scale * beta) / (10 / 65535), { dtype: "i32" });
  const centre = b.clamp(b.with("add", scaled, 32767), -32768, 32767);
  const exponential = interpolated(-10, 0, -1, 1, Math.exp);
  const powers = b.convert(through(b, b.convert(centre, "i16"), "i16", exponential), "i32");
  const total = b.reduce("add", powers, [last], { keep: true });
  const zeros = b.plain("countLeadingZeros", total);
  const up = b.binary("shiftLeft", b.convert(total, "i64"), b.convert(b.with("subtract", zeros, 1), "i64"));
  const sum = b.convert(b.with("shiftRightArithmetic", b.with("add", up, 1 << 13), 14), "i32");
  const place = b.clamp(b.with("subtract", sum, (1 << 15) + (1 << 16)), -32768, 32767);
  const reciprocal = interpolated(0, 1, -1, 1, (value) => 1 / (1 + value));
  const inverse = b.convert(through(b, b.convert(place, "i16"), "i16", reciprocal), "i32");
  const right = b.subtract(b.scalar("i32", 31), zeros);
  const round = b.binary("shiftLeft", b.scalar("i32", 1), b.with("subtract", right, 1));
  const product = b.add(b.multiply(powers, inverse), round);
  return b.convert(b.clamp(b.binary("shiftRightArithmetic", product, right), 0, 32767), "i16");
}

const softmax: Lower = (node) => {
  const { b } = node;
  const x = node.input(0);
  const { beta } = node.options(options.softmax);
  if (x.type.shape.length === 0) throw new Unsupported("scalar");
  if (!isQuantized(node.info(0)))
    return b.softmax(beta === 1 ? x : b.with("multiply", x, beta), x.type.shape.length - 1);
  return x.type.dtype === "i16" ? softmax16(node, beta) : softmax8(node, beta);
};

const logSoftmax: Lower = (node) => {
  const { b } = node;
  const x = node.input(0);
  const last = x.type.shape.length - 1;
  if (!isQuantized(node.info(0))) {
    const shifted = b.subtract(x, b.reduce("maximum", x, [last], { keep: true }));
    const total = b.reduce("add", b.plain("exponential", shifted), [last], { keep: true });
    return b.subtract(shifted, b.plain("log", total));
  }
  // In floats: off by one from the fixed-point kernel at most.
  const [p, r] = [affineOf(node.info(0)), affineOf(node.result())];
  const wide = b.convert(x, "i32");
  const below = b.subtract(wide, b.reduce("maximum", wide, [last], { keep: true }));
  const real = b.with("multiply", b.convert(below, "f32"), p.scale);
  const total = b.plain("log", b.reduce("add", b.plain("exponential", real), [last], { keep: true }));
  const steps = b.plain("roundNearestAfz", b.with("divide", b.subtract(real, total), r.scale));
  return b.convert(b.clamp(b.with("add", steps, r.zero), ...limits(node.dtype())), node.dtype());
};

/** Along the last dimension. */
const l2Normalization: Lower = (node) => {
  const { b } = node;
  const x = node.input(0);
  const last = x.type.shape.length - 1;
  const { activation } = node.options(options.fused);
  if (!isQuantized(node.info(0))) {
    const squares = b.reduce("add", b.multiply(x, x), [last], { keep: true });
    const norm = b.with("maximum", b.plain("sqrt", squares), 1e-6);
    return activate(b, b.divide(x, norm), activation);
  }
  // The kernel's 1/sqrt is fixed point of 31 bits; f64 has more. Results have a scale of 1/128.
  const { zero } = affineOf(node.info(0));
  const dtype = node.dtype();
  const value = centred(b, x, zero);
  const squares = b.convert(b.reduce("add", b.multiply(value, value), [last], { keep: true }), "f64");
  const root = b.plain("rsqrt", b.with("maximum", squares, 1));
  const steps = b.plain("roundNearestAfz", b.with("multiply", b.multiply(b.convert(value, "f64"), root), 128));
  const offset = dtype === "u8" ? b.with("add", steps, 128) : steps;
  return b.convert(b.convert(b.clamp(offset, ...limits(dtype)), "i32"), dtype);
};

const localResponse: Lower = (node) => {
  const { b } = node;
  const x = node.input(0);
  const { radius, bias, alpha, beta } = node.options(options.localResponse);
  const last = x.type.shape.length - 1;
  if (radius < 1) throw new Unsupported(`radius ${radius}`);
  const ones = x.type.shape.map(() => 1);
  // The kernel leaves out the last element of a window.
  const sums = b.window("add", b.multiply(x, x), {
    size: ones.map((n, i) => (i === last ? 2 * radius : n)),
    strides: ones,
    padding: ones.map((_, i) => (i === last ? ([radius, radius - 1] as const) : ([0, 0] as const))),
  });
  const base = b.with("add", b.with("multiply", sums, alpha), bias);
  return b.multiply(x, b.binary("power", base, b.scalar(x.type.dtype, -beta)));
};

/** QUANTIZE: floats to small integers, or one scale to another. */
const quantize: Lower = (node) => {
  const { b } = node;
  const x = node.input(0);
  const dtype = node.dtype();
  const info = node.result();
  if (!info.quantization) throw new Unsupported("result without a scale");
  if (x.type.dtype === "f32") {
    const [min, max] = limits(dtype);
    const { scales, zeroPoints, axis } = info.quantization;
    const along = (values: readonly number[]) =>
      values.length === 1
        ? b.scalar("f32", values[0]!)
        : b.along(b.numbers("f32", [values.length], values), x.type.shape, axis);
    const steps = b.plain("roundNearestAfz", b.divide(x, along(scales)));
    const zeroed = zeroPoints.every((zero) => zero === 0) ? steps : b.add(steps, along(zeroPoints));
    const low = info.packed === 4 ? -8 : min;
    const high = info.packed === 4 ? 7 : max;
    return b.convert(b.clamp(zeroed, low, high), dtype);
  }
  const [p, r] = [affineOf(node.info(0)), affineOf(info)];
  const from = x.type.dtype;
  if (from === dtype && p.scale === r.scale && p.zero === r.zero) return x;
  const sameStep = p.scale === r.scale && from !== "i16" && dtype !== "i16" && from !== "i32";
  const factor = quantizeMultiplier(p.scale / r.scale);
  if (from === "i8" || from === "u8") {
    return through(b, x, dtype, (element) => {
      const value = element - p.zero;
      return clamp((sameStep ? value : multiplyBy(value, factor)) + r.zero, ...limits(dtype));
    });
  }
  return scaleBy(b, centred(b, x, p.zero), p.scale / r.scale, { dtype, zero: r.zero });
};

/** DEQUANTIZE: also of f16 constants, which stay f16 until they are used. */
const dequantize: Lower = (node) => {
  const { b } = node;
  const x = node.input(0);
  const { quantization } = node.info(0);
  if (!quantization) return b.convert(x, "f32");
  const { scales, zeroPoints, axis } = quantization;
  const { shape } = x.type;
  const along = (dtype: "i32" | "f32", values: readonly number[]) =>
    values.length === 1 ? b.scalar(dtype, values[0]!) : b.along(b.numbers(dtype, [values.length], values), shape, axis);
  const wide = b.convert(x, "i32");
  const value = zeroPoints.every((zero) => zero === 0) ? wide : b.subtract(wide, along("i32", zeroPoints));
  return b.multiply(b.convert(value, "f32"), along("f32", scales));
};

export const activations: Readonly<Record<string, Lower>> = {
  RELU: rectifier(1),
  RELU_N1_TO_1: rectifier(2),
  RELU6: rectifier(3),
  RELU_0_TO_1: (node) => {
    if (isQuantized(node.info(0))) throw new Unsupported("quantised");
    return node.b.clamp(node.input(0), 0, 1);
  },
  LOGISTIC: tabled(sigmoid, (b, x) => b.plain("logistic", x), sigmoid16),
  TANH: tabled(Math.tanh, (b, x) => b.plain("tanh", x), tanh16),
  HARD_SWISH: hardSwish,
  LEAKY_RELU: leaky,
  PRELU: parametric,
  ELU: elu,
  GELU: gelu,
  SOFTMAX: softmax,
  LOG_SOFTMAX: logSoftmax,
  L2_NORMALIZATION: l2Normalization,
  LOCAL_RESPONSE_NORMALIZATION: localResponse,
  QUANTIZE: quantize,
  DEQUANTIZE: dequantize,
};
