// Emulated quantisation (tensorflow/core/ops/array_ops.cc, math_ops.cc; kernels/fake_quant_ops_functor.h, quantize_op.cc).

import type { Builder } from "../../../hlo/build.ts";
import { integerRange } from "../../../hlo/dtype.ts";
import type { Value } from "../../../hlo/graph.ts";
import type { Call, Importer } from "../call.ts";

/** Rounds to so many steps between two bounds that are nudged until zero is one of them. */
function fakeQuantise(b: Builder, x: Value, low: Value, high: Value, bits: number, narrow: boolean): Value {
  const [first, last] = [narrow ? 1 : 0, 2 ** bits - 1];
  const scale = b.with("divide", b.subtract(high, low), last - first);
  const zeroPoint = b.subtract(b.scalar("f32", first), b.divide(low, scale));
  const floor = b.plain("floor", b.with("add", zeroPoint, 0.5));
  const nudged = b.with("minimum", b.with("maximum", floor, first), last);
  const nudgedLow = b.multiply(b.subtract(b.scalar("f32", first), nudged), scale);
  const nudgedHigh = b.multiply(b.subtract(b.scalar("f32", last), nudged), scale);
  const clamped = b.binary("minimum", b.binary("maximum", x, nudgedLow), nudgedHigh);
  const inverse = b.divide(b.scalar("f32", 1), scale);
  const steps = b.with("add", b.multiply(b.subtract(clamped, nudgedLow), inverse), 0.5);
  const result = b.add(b.multiply(b.plain("floor", steps), scale), nudgedLow);
  const empty = b.binary("and", b.compare("EQ", low, b.scalar("f32", 0)), b.compare("EQ", high, b.scalar("f32", 0)));
  return b.select(empty, b.scalar("f32", 0), result);
}
const fake =
  (low: (c: Call) => Value, high: (c: Call) => Value): Importer =>
  (c) =>
    fakeQuantise(c.b, c.x(0), low(c), high(c), c.integer("num_bits", 8), c.flag("narrow_range"));

/** Inputs: x, low, high, and later the number of bits. */
function quantiseAndBack(c: Call): Value {
  const { b } = c;
  const x = c.x(0);
  const { dtype } = x.type;
  const signed = c.flag("signed_input", true);
  const bits = c.count > 3 ? c.number(3) : c.integer("num_bits", 8);
  const narrow = c.flag("narrow_range");
  const axis = c.integer("axis", -1);
  const given = c.flag("range_given");
  const others = x.type.shape.flatMap((_, i) => (i === axis ? [] : [i]));
  const spread = (value: Value) =>
    axis < 0
      ? b.reshape(value, [])
      : b.reshape(
          value,
          x.type.shape.map((n, i) => (i === axis ? n : 1)),
        );
  const low = given
    ? spread(c.x(1))
    : spread(b.reduce("minimum", x, axis < 0 ? x.type.shape.map((_, i) => i) : others));
  const high = given
    ? spread(c.x(2))
    : spread(b.reduce("maximum", x, axis < 0 ? x.type.shape.map((_, i) => i) : others));
  const first = signed ? -(2 ** (bits - 1)) + (narrow ? 1 : 0) : narrow ? 1 : 0;
  const last = signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
  const zero = b.scalar(dtype, 0);
  const infinite = b.scalar(dtype, dtype === "f64" ? Number.MAX_VALUE : 3.4028234663852886e38);
  // The scale that fits both bounds.
  const fromLow = b.select(
    b.compare("GT", b.with("multiply", low, first), zero),
    b.divide(b.scalar(dtype, first), low),
    infinite,
  );
  const fromHigh = b.select(
    b.compare("GT", b.with("multiply", high, last), zero),
    b.divide(b.scalar(dtype, last), high),
    infinite,
  );
  const scale = b.plain("minimum", fromLow, fromHigh);
  const inverse = b.divide(b.scalar(dtype, 1), scale);
  const lower = b.with("multiply", inverse, first);
  const upper = b.with("multiply", inverse, last);
  const clamped = given ? b.binary("minimum", b.binary("maximum", x, lower), upper) : x;
  const scaled = b.multiply(clamped, scale);
  const rounded =
    c.text("round_mode", "HALF_TO_EVEN") === "HALF_UP"
      ? b.plain("floor", b.with("add", scaled, 0.5))
      : b.plain("roundNearestEven", scaled);
  const bounded = given ? rounded : b.with("minimum", b.with("maximum", rounded, first), last);
  return b.multiply(bounded, inverse);
}

/** The real numbers that integers between two bounds stand for. */
function dequantise(c: Call): Value {
  const { b } = c;
  const x = c.x(0);
  const mode = c.text("mode", "MIN_COMBINED");
  const { min, max } = integerRange(x.type.dtype);
  const axis = c.integer("axis", -1);
  const spread = (value: Value) =>
    axis < 0
      ? b.reshape(b.convert(value, "f32"), [])
      : b.reshape(
          b.convert(value, "f32"),
          x.type.shape.map((n, i) => (i === axis ? n : 1)),
        );
  const [low, high] = [spread(c.x(1)), spread(c.x(2))];
  const real = b.convert(x, "f32");
  const signed = min < 0n;
  if (mode === "MIN_COMBINED") {
    const scale = b.with("divide", b.subtract(high, low), Number(max - min));
    const shifted = signed ? b.with("add", real, Number(max - min + 1n) / 2) : real;
    return b.convert(b.add(b.multiply(shifted, scale), low), c.type("dtype", "f32"));
  }
  if (mode === "SCALED") {
    const narrow = c.flag("narrow_range");
    const first = signed ? Number(min) + (narrow ? 1 : 0) : 0;
    const fromHigh = b.with("divide", high, Number(max));
    const scale = first === 0 ? fromHigh : b.plain("maximum", b.with("divide", low, first), fromHigh);
    return b.convert(b.multiply(real, scale), c.type("dtype", "f32"));
  }
  return c.unsupported(`mode ${mode}`);
}

/** Lays scales or zero points, one or one for each channel, along the quantised dimension of x. */
function alongAxis(c: Call, x: Value): (value: Value) => Value {
  const axis = c.integer("quantization_axis", -1);
  const shape = x.type.shape.map((n, i) => (i === axis ? n : 1));
  return (value) => (axis < 0 ? value : c.b.reshape(value, shape));
}

/** Integers for real numbers by scales and zero points. */
function uniformQuantise(c: Call): Value {
  const { b } = c;
  const x = c.x(0);
  const spread = alongAxis(c, x);
  const [scale, zero] = [spread(c.x(1)), spread(b.convert(c.x(2), "f32"))];
  const inverse = b.divide(b.scalar("f32", 1), scale);
  const rounded = b.plain("roundNearestEven", b.add(b.multiply(x, inverse), zero));
  const clamped = b.with(
    "minimum",
    b.with("maximum", rounded, c.integer("quantization_min_val")),
    c.integer("quantization_max_val"),
  );
  return b.convert(clamped, c.type("Tout"));
}
function uniformDequantise(c: Call): Value {
  const { b } = c;
  const x = c.x(0);
  const spread = alongAxis(c, x);
  const centred = b.subtract(b.convert(x, "i32"), spread(b.convert(c.x(2), "i32")));
  return b.multiply(b.convert(centred, "f32"), spread(c.x(1)));
}

export const quantised: Readonly<Record<string, Importer>> = {
  FakeQuantWithMinMaxArgs: fake(
    (c) => c.b.scalar("f32", c.float("min", -6)),
    (c) => c.b.scalar("f32", c.float("max", 6)),
  ),
  FakeQuantWithMinMaxVars: fake(
    (c) => c.x(1),
    (c) => c.x(2),
  ),
  FakeQuantWithMinMaxVarsPerChannel: fake(
    (c) => c.x(1),
    (c) => c.x(2),
  ),
  QuantizeAndDequantizeV2: quantiseAndBack,
  QuantizeAndDequantizeV3: quantiseAndBack,
  QuantizeAndDequantizeV4: quantiseAndBack,
  Dequantize: dequantise,
  UniformQuantize: uniformQuantise,
  UniformDequantize: uniformDequantise,
};
