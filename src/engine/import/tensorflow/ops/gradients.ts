// Derivatives of single operations, as graphs that were trained or that train have them (nn_ops.cc, math_ops.cc).

import type { Builder } from "../../../hlo/build.ts";
import type { Value } from "../../../hlo/graph.ts";
import type { Importer } from "../call.ts";

const of =
  (write: (b: Builder, x: Value, y: Value) => Value): Importer =>
  (c) =>
    write(c.b, c.x(0), c.x(1));
/** The gradient where a number is above a bound, otherwise what is given for it. */
const above = (b: Builder, x: Value, bound: number, yes: Value, no: Value) =>
  b.select(b.compare("GT", x, b.scalar(x.type.dtype, bound)), yes, no);
const zero = (b: Builder, x: Value) => b.scalar(x.type.dtype, 0);
const complement = (b: Builder, x: Value) => b.subtract(b.scalar(x.type.dtype, 1), x);
const scale = 1.0507009873554805;
const scaledAlpha = 1.7580993408473768;

export const gradients: Readonly<Record<string, Importer>> = {
  // Of a result and its gradient.
  SigmoidGrad: of((b, y, dy) => b.multiply(b.multiply(dy, y), complement(b, y))),
  TanhGrad: of((b, y, dy) => b.multiply(dy, complement(b, b.multiply(y, y)))),
  SqrtGrad: of((b, y, dy) => b.divide(b.with("multiply", dy, 0.5), y)),
  RsqrtGrad: of((b, y, dy) => b.multiply(b.with("multiply", dy, -0.5), b.multiply(b.multiply(y, y), y))),
  InvGrad: of((b, y, dy) => b.plain("negate", b.multiply(dy, b.multiply(y, y)))),
  ReciprocalGrad: of((b, y, dy) => b.plain("negate", b.multiply(dy, b.multiply(y, y)))),
  // Of a gradient and what went in (or came out).
  EluGrad: of((b, dy, y) => b.select(b.compare("LT", y, zero(b, y)), b.multiply(b.with("add", y, 1), dy), dy)),
  LeakyReluGrad: (c) => above(c.b, c.x(1), 0, c.x(0), c.b.with("multiply", c.x(0), c.float("alpha", 0.2))),
  Relu6Grad: of((b, dy, x) =>
    above(b, x, 0, b.select(b.compare("LT", x, b.scalar(x.type.dtype, 6)), dy, zero(b, x)), zero(b, x)),
  ),
  ReluGrad: of((b, dy, x) => above(b, x, 0, dy, zero(b, x))),
  SeluGrad: of((b, dy, y) =>
    b.select(
      b.compare("LT", y, zero(b, y)),
      b.multiply(b.with("add", y, scaledAlpha), dy),
      b.with("multiply", dy, scale),
    ),
  ),
  SoftplusGrad: of((b, dy, x) => b.multiply(dy, b.plain("logistic", x))),
  SoftsignGrad: of((b, dy, x) => {
    const root = b.with("add", b.plain("abs", x), 1);
    return b.divide(dy, b.multiply(root, root));
  }),
  BiasAddGrad: (c) => {
    const x = c.x(0);
    const feature = c.text("data_format", "NHWC") === "NCHW" ? 1 : x.type.shape.length - 1;
    return c.b.reduce(
      "add",
      x,
      x.type.shape.flatMap((_, i) => (i === feature ? [] : [i])),
    );
  },
};
