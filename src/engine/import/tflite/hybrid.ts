// Float activations times 8-bit weights ("dynamic range"): the activations are quantised where they are used, by rows.
// Products and convolutions do it as interpreters do by default (XNNPACK's qd8), recurrent layers as TensorFlow Lite's
// hybrid kernels (portable_tensor_utils.cc), which no delegate takes over.

import type { Builder } from "../../hlo/build.ts";
import type { Value } from "../../hlo/graph.ts";

export interface Rows {
  /** The elements as i8. */
  readonly values: Value;
  /** What a step is worth, per row: dimensions other than the row's are 1. */
  readonly scale: Value;
  /** The zero point per row, i32; undefined when it is 0. */
  readonly zero: Value | undefined;
}

/** Symmetric: the largest magnitude of a row becomes 127 (PortableSymmetricQuantizeFloats). */
function symmetric(b: Builder, x: Value, along: readonly number[]): Rows {
  const range = b.reduce("maximum", b.plain("abs", x), along, { keep: true });
  const zero = b.compare("EQ", range, b.scalar("f32", 0));
  const one = b.scalar("f32", 1);
  const scale = b.select(zero, one, b.with("divide", range, 127));
  const inverse = b.select(zero, one, b.divide(b.scalar("f32", 127), range));
  const steps = b.plain("roundNearestAfz", b.multiply(x, inverse));
  return { values: b.convert(b.clamp(steps, -127, 127), "i8"), scale, zero: undefined };
}

/** Asymmetric: the row's range, widened to hold 0, becomes -128 to 127 (PortableAsymmetricQuantizeFloats). */
function asymmetric(b: Builder, x: Value, along: readonly number[]): Rows {
  const wide = (value: Value) => b.convert(value, "f64");
  const low = wide(b.with("minimum", b.reduce("minimum", x, along, { keep: true }), 0));
  const high = wide(b.with("maximum", b.reduce("maximum", x, along, { keep: true }), 0));
  const flat = b.compare("EQ", low, high);
  const one = b.scalar("f64", 1);
  const scale = b.select(flat, one, b.with("divide", b.subtract(high, low), 255));
  const [fromLow, fromHigh] = [b.divide(low, scale), b.divide(high, scale)];
  const lowError = b.with("add", b.plain("abs", fromLow), 128);
  const highError = b.with("add", b.plain("abs", fromHigh), 127);
  const exact = b.select(
    b.compare("LT", lowError, highError),
    b.subtract(b.scalar("f64", -128), fromLow),
    b.subtract(b.scalar("f64", 127), fromHigh),
  );
  const zero = b.plain("roundNearestAfz", b.clamp(exact, -128, 127));
  const zeroOrFlat = b.select(flat, b.scalar("f64", 0), zero);
  const step = b.convert(scale, "f32");
  const inverse = b.convert(b.divide(one, b.convert(step, "f64")), "f32");
  const offset = b.convert(zeroOrFlat, "f32");
  const steps = b.plain("roundNearestAfz", b.add(offset, b.multiply(x, inverse)));
  return { values: b.convert(b.clamp(steps, -128, 127), "i8"), scale: step, zero: b.convert(offset, "i32") };
}

/** Quantises x by rows: all elements that differ only along these dimensions share a scale. */
export const quantizeRows = (b: Builder, x: Value, along: readonly number[], options: { asymmetric: boolean }): Rows =>
  options.asymmetric ? asymmetric(b, x, along) : symmetric(b, x, along);

/** Asymmetric in floats alone: XNNPACK's parameters, and rounding to even. */
export function dynamicRows(b: Builder, x: Value, along: readonly number[]): Rows & { readonly zero: Value } {
  const low = b.with("minimum", b.reduce("minimum", x, along, { keep: true }), 0);
  const high = b.with("maximum", b.reduce("maximum", x, along, { keep: true }), 0);
  const one = b.scalar("f32", 1);
  const inverse = b.select(b.compare("EQ", low, high), one, b.divide(b.scalar("f32", 255), b.subtract(high, low)));
  const [fromLow, fromHigh] = [b.multiply(low, inverse), b.multiply(high, inverse)];
  const errors = b.add(b.with("add", fromLow, -128), b.with("add", fromHigh, 127));
  const exact = b.select(
    b.compare("GT", errors, b.scalar("f32", 0)),
    b.subtract(b.scalar("f32", -128), fromLow),
    b.subtract(b.scalar("f32", 127), fromHigh),
  );
  const zero = b.plain("roundNearestEven", b.clamp(exact, -128, 127));
  const steps = b.add(b.plain("roundNearestEven", b.multiply(x, inverse)), zero);
  return {
    values: b.convert(b.clamp(steps, -128, 127), "i8"),
    scale: b.divide(one, inverse),
    zero: b.convert(zero, "i32"),
  };
}
