// Arithmetic, comparisons and reductions (tensorflow/core/ops/math_ops.cc, bitwise_ops.cc, special_math_ops.cc).

import type { Builder } from "../../../hlo/build.ts";
import { type DType, dtypes, isComplex, isFloat } from "../../../hlo/dtype.ts";
import type { Value } from "../../../hlo/graph.ts";
import type { Direction } from "../../../hlo/ops.ts";
import type { Call, Importer } from "../call.ts";

type Name = Parameters<Builder["plain"]>[0];

const unary =
  (name: Name): Importer =>
  (c) =>
    c.b.plain(name, c.x(0));
const binary =
  (name: Name): Importer =>
  (c) =>
    c.b.binary(name, c.x(0), c.x(1));
const compare =
  (direction: Direction): Importer =>
  (c) =>
    c.b.compare(direction, c.x(0), c.x(1));
const composed =
  (write: (b: Builder, x: Value) => Value): Importer =>
  (c) =>
    write(c.b, c.x(0));
const composed2 =
  (write: (b: Builder, x: Value, y: Value) => Value): Importer =>
  (c) => {
    const shape = c.b.common(c.shape(0), c.shape(1));
    return write(c.b, c.b.broadcast(c.x(0), shape), c.b.broadcast(c.x(1), shape));
  };
/** 0 where x is 0, otherwise what is computed. */
const whereNotZero = (b: Builder, x: Value, value: Value) =>
  b.select(b.compare("EQ", x, b.scalar(x.type.dtype, 0)), b.scalar(x.type.dtype, 0), value);

/** The quotient rounded down: of integers too. */
export function floorDivide(b: Builder, x: Value, y: Value): Value {
  const { dtype } = x.type;
  if (isFloat(dtype)) return b.plain("floor", b.divide(x, y));
  const quotient = b.divide(x, y);
  if (dtypes[dtype].kind === "unsigned") return quotient;
  const zero = b.scalar(dtype, 0);
  const inexact = b.compare("NE", b.multiply(quotient, y), x);
  const opposite = b.compare("NE", b.compare("LT", x, zero), b.compare("LT", y, zero));
  return b.select(b.binary("and", inexact, opposite), b.with("subtract", quotient, 1), quotient);
}
/** The remainder with the sign of the divisor. */
export function floorRemainder(b: Builder, x: Value, y: Value): Value {
  const { dtype } = x.type;
  const rest = b.binary("remainder", x, y);
  if (dtypes[dtype].kind === "unsigned") return rest;
  const zero = b.scalar(dtype, 0);
  const opposite = b.compare("NE", b.compare("LT", rest, zero), b.compare("LT", y, zero));
  const wrong = b.binary("and", b.compare("NE", rest, zero), opposite);
  return b.select(wrong, b.add(rest, y), rest);
}

export function softplus(b: Builder, x: Value): Value {
  // log(1 + exp(x)) without overflow.
  const magnitude = b.plain("negate", b.plain("abs", x));
  return b.add(b.relu(x), b.plain("logPlusOne", b.plain("exponential", magnitude)));
}
export function elu(b: Builder, x: Value, scale = 1, alpha = 1): Value {
  const negative = b.with("multiply", b.plain("exponentialMinusOne", x), alpha * scale);
  const positive = scale === 1 ? x : b.with("multiply", x, scale);
  return b.select(b.compare("GT", x, b.scalar(x.type.dtype, 0)), positive, negative);
}
export const relu6 = (b: Builder, x: Value): Value => b.clamp(x, 0, 6);
export function leakyRelu(b: Builder, x: Value, alpha: number): Value {
  return b.select(b.compare("GT", x, b.scalar(x.type.dtype, 0)), x, b.with("multiply", x, alpha));
}
/** Named activations, as fused operations spell them; undefined for others. */
export function activation(b: Builder, name: string, x: Value, alpha = 0.2): Value | undefined {
  switch (name) {
    case "Relu":
      return b.relu(x);
    case "Relu6":
      return relu6(b, x);
    case "Elu":
      return elu(b, x);
    case "LeakyRelu":
      return leakyRelu(b, x, alpha);
    case "Tanh":
      return b.plain("tanh", x);
    case "Sigmoid":
      return b.plain("logistic", x);
    case "_FusedHardSwish":
      return b.multiply(x, b.with("multiply", relu6(b, b.with("add", x, 3)), 1 / 6));
    case "GeluExact":
      return b.gelu(x);
    case "GeluApproximate":
      return b.gelu(x, { approximate: true });
    case "Prelu":
    default:
      return undefined;
  }
}

function conjugate(b: Builder, x: Value): Value {
  if (!isComplex(x.type.dtype)) return x;
  return b.plain("complex", b.plain("real", x), b.plain("negate", b.plain("imag", x)));
}

const reduction =
  (write: (c: Call, x: Value, axes: number[], keep: boolean) => Value): Importer =>
  (c) => {
    const x = c.x(0);
    const axes = c.axesAt(1, x.type.shape.length);
    return write(c, x, axes, c.flag("keep_dims"));
  };
const reduce = (name: "add" | "multiply" | "maximum" | "minimum" | "and" | "or"): Importer =>
  reduction((c, x, axes, keep) => c.b.reduce(name, x, axes, { keep }));

const argument =
  (which: "GT" | "LT"): Importer =>
  (c) =>
    c.b.argument(which, c.x(0), c.count > 1 ? c.axisAt(1, c.rank(0)) : 0, c.type("output_type", "i64"));

/** Each element combined with all before it: doubling steps, as many as the logarithm of the length. */
export function scan(
  b: Builder,
  x: Value,
  options: { axis: number; identity: number; exclusive: boolean; reverse: boolean },
  combine: (earlier: Value, later: Value) => Value,
): Value {
  const { axis, identity, exclusive, reverse } = options;
  const { shape, dtype } = x.type;
  const extent = shape[axis]!;
  const fill = b.scalar(dtype, identity);
  const shift = (value: Value, by: number) => {
    const low = shape.map((_, i) => (i === axis ? by : 0));
    const high = shape.map((_, i) => (i === axis ? -by : 0));
    return reverse ? b.pad(value, high, low, fill) : b.pad(value, low, high, fill);
  };
  let result = exclusive && extent > 0 ? shift(x, 1) : x;
  for (let by = 1; by < extent; by *= 2) result = combine(shift(result, by), result);
  return result;
}
const cumulative =
  (name: "add" | "multiply"): Importer =>
  (c) =>
    scan(
      c.b,
      c.x(0),
      {
        axis: c.axisAt(1, c.rank(0)),
        identity: name === "add" ? 0 : 1,
        exclusive: c.flag("exclusive"),
        reverse: c.flag("reverse"),
      },
      (earlier, later) => c.b.plain(name, earlier, later),
    );

function logSumExpPair(b: Builder, x: Value, y: Value): Value {
  const larger = b.plain("maximum", x, y);
  const distance = b.plain("negate", b.plain("abs", b.plain("subtract", x, y)));
  const sum = b.add(larger, b.plain("logPlusOne", b.plain("exponential", distance)));
  return b.select(b.compare("EQ", x, y), b.with("add", larger, Math.LN2), sum);
}

function cast(c: Call): Value {
  const x = c.x(0);
  const to = c.type("DstT");
  if (isComplex(x.type.dtype) && !isComplex(to)) return c.b.convert(c.b.plain("real", x), to);
  return c.b.convert(x, to);
}

/** On the leading dimensions: TensorFlow 1 stretches a vector of conditions over whole rows. */
function selectRows(c: Call): Value {
  const [predicate, yes] = [c.x(0), c.x(1)];
  const { shape } = yes.type;
  const rows = predicate.type.shape;
  if (rows.length !== 1 || shape.length <= 1) return c.b.select(predicate, yes, c.x(2));
  return c.b.select(c.b.along(predicate, shape, 0), yes, c.x(2));
}

export const math: Readonly<Record<string, Importer>> = {
  Abs: unary("abs"),
  Acos: unary("acos"),
  Acosh: unary("acosh"),
  Asin: unary("asin"),
  Asinh: unary("asinh"),
  Atan: unary("atan"),
  Atanh: unary("atanh"),
  BesselI1e: unary("besselI1e"),
  Ceil: unary("ceil"),
  ComplexAbs: unary("abs"),
  Cos: unary("cosine"),
  Cosh: unary("cosh"),
  Digamma: unary("digamma"),
  Erf: unary("erf"),
  Erfc: unary("erfc"),
  Erfinv: unary("erfInv"),
  Exp: unary("exponential"),
  Expm1: unary("exponentialMinusOne"),
  Floor: unary("floor"),
  Imag: unary("imag"),
  Invert: unary("not"),
  IsFinite: unary("isFinite"),
  IsInf: unary("isInf"),
  IsNan: composed((b, x) => b.compare("NE", x, x)),
  Lgamma: unary("lgamma"),
  Log: unary("log"),
  Log1p: unary("logPlusOne"),
  LogicalNot: unary("not"),
  Neg: unary("negate"),
  Real: unary("real"),
  Rint: unary("roundNearestEven"),
  Round: composed((b, x) => (isFloat(x.type.dtype) ? b.plain("roundNearestEven", x) : x)),
  Rsqrt: unary("rsqrt"),
  Sigmoid: unary("logistic"),
  Sign: unary("sign"),
  Sin: unary("sine"),
  Sinh: unary("sinh"),
  Sqrt: unary("sqrt"),
  Tan: unary("tan"),
  Tanh: unary("tanh"),
  Angle: composed((b, x) =>
    isComplex(x.type.dtype)
      ? b.plain("atan2", b.plain("imag", x), b.plain("real", x))
      : b.plain("atan2", b.with("multiply", x, 0), x),
  ),
  Conj: composed(conjugate),
  Elu: composed((b, x) => elu(b, x)),
  Inv: composed((b, x) => b.divide(b.scalar(x.type.dtype, 1), x)),
  LeakyRelu: (c) => leakyRelu(c.b, c.x(0), c.float("alpha", 0.2)),
  Ndtri: composed((b, x) =>
    b.with("multiply", b.plain("erfInv", b.with("subtract", b.with("multiply", x, 2), 1)), Math.SQRT2),
  ),
  OnesLike: composed((b, x) => b.full(x.type.dtype, x.type.shape, 1)),
  ZerosLike: composed((b, x) => b.full(x.type.dtype, x.type.shape, 0)),
  PopulationCount: composed((b, x) => b.convert(b.plain("populationCount", x), "u8")),
  Reciprocal: composed((b, x) => b.divide(b.scalar(x.type.dtype, 1), x)),
  Relu: composed((b, x) => b.relu(x)),
  Relu6: composed(relu6),
  Selu: composed((b, x) => elu(b, x, 1.0507009873554805, 1.6732632423543772)),
  Softplus: composed(softplus),
  Softsign: composed((b, x) => b.divide(x, b.with("add", b.plain("abs", x), 1))),
  Square: composed((b, x) => b.multiply(x, x)),

  Add: binary("add"),
  AddV2: binary("add"),
  Atan2: binary("atan2"),
  BitwiseAnd: binary("and"),
  BitwiseOr: binary("or"),
  BitwiseXor: binary("xor"),
  Complex: binary("complex"),
  Div: binary("divide"),
  LeftShift: binary("shiftLeft"),
  LogicalAnd: binary("and"),
  LogicalOr: binary("or"),
  LogicalXor: binary("xor"),
  Maximum: binary("maximum"),
  Minimum: binary("minimum"),
  Mod: binary("remainder"),
  Mul: binary("multiply"),
  NextAfter: binary("nextAfter"),
  Polygamma: binary("polygamma"),
  Pow: binary("power"),
  RealDiv: binary("divide"),
  Sub: binary("subtract"),
  TruncateDiv: binary("divide"),
  TruncateMod: binary("remainder"),
  Zeta: binary("zeta"),
  RightShift: composed2((b, x, y) =>
    b.plain(dtypes[x.type.dtype].kind === "unsigned" ? "shiftRightLogical" : "shiftRightArithmetic", x, y),
  ),
  ApproximateEqual: (c) =>
    c.b.compare(
      "LT",
      c.b.plain("abs", c.b.subtract(c.x(0), c.x(1))),
      c.b.scalar(c.dtype(0), c.float("tolerance", 1e-5)),
    ),
  DivNoNan: composed2((b, x, y) => whereNotZero(b, y, b.divide(x, y))),
  FloorDiv: composed2(floorDivide),
  FloorMod: composed2(floorRemainder),
  MulNoNan: composed2((b, x, y) => whereNotZero(b, y, b.multiply(x, y))),
  SquaredDifference: composed2((b, x, y) => {
    const difference = b.subtract(x, y);
    return b.multiply(difference, conjugate(b, difference));
  }),
  Xdivy: composed2((b, x, y) => whereNotZero(b, x, b.divide(x, y))),
  Xlog1py: composed2((b, x, y) => whereNotZero(b, x, b.multiply(x, b.plain("logPlusOne", y)))),
  Xlogy: composed2((b, x, y) => whereNotZero(b, x, b.multiply(x, b.plain("log", y)))),

  Equal: compare("EQ"),
  Greater: compare("GT"),
  GreaterEqual: compare("GE"),
  Less: compare("LT"),
  LessEqual: compare("LE"),
  NotEqual: compare("NE"),

  AddN: (c) => c.xs().reduce((sum, x) => c.b.add(sum, x)),
  AccumulateNV2: (c) => c.xs().reduce((sum, x) => c.b.add(sum, x)),
  Bucketize: (c) => {
    const x = c.x(0);
    const boundaries = c.floats("boundaries");
    const shape = [...x.type.shape, boundaries.length];
    const wide = c.b.op("broadcastInDim", [c.b.convert(x, "f32")], {
      shape,
      dimensions: x.type.shape.map((_, i) => i),
    });
    const above = c.b.compare("GE", wide, c.b.numbers("f32", [boundaries.length], boundaries));
    return c.b.reduce("add", c.b.convert(above, "i32"), [shape.length - 1]);
  },
  Cast: cast,
  ClipByValue: (c) => c.b.binary("minimum", c.b.binary("maximum", c.x(0), c.x(1)), c.x(2)),
  Cross: (c) => {
    const { b } = c;
    const [x, y] = [c.x(0), c.x(1)];
    const turn = (value: Value, by: number) => {
      const last = value.type.shape.length - 1;
      const part = (from: number, to: number) =>
        b.slice(
          value,
          value.type.shape.map((_, i) => (i === last ? from : 0)),
          value.type.shape.map((n, i) => (i === last ? to : n)),
        );
      return b.concatenate([part(by, 3), part(0, by)], last);
    };
    return b.subtract(b.multiply(turn(x, 1), turn(y, 2)), b.multiply(turn(x, 2), turn(y, 1)));
  },
  Cumprod: cumulative("multiply"),
  Cumsum: cumulative("add"),
  CumulativeLogsumexp: (c) =>
    scan(
      c.b,
      c.x(0),
      {
        axis: c.axisAt(1, c.rank(0)),
        identity: -3.4028234663852886e38,
        exclusive: c.flag("exclusive"),
        reverse: c.flag("reverse"),
      },
      (earlier, later) => logSumExpPair(c.b, earlier, later),
    ),
  Select: selectRows,
  SelectV2: (c) => c.b.select(c.x(0), c.x(1), c.x(2)),

  All: reduce("and"),
  Any: reduce("or"),
  ArgMax: argument("GT"),
  ArgMin: argument("LT"),
  EuclideanNorm: reduction((c, x, axes, keep) =>
    c.b.plain("sqrt", c.b.reduce("add", c.b.multiply(x, conjugate(c.b, x)), axes, { keep })),
  ),
  L2Loss: (c) => {
    const x = c.x(0);
    const axes = x.type.shape.map((_, i) => i);
    return c.b.with("multiply", c.b.reduce("add", c.b.multiply(x, x), axes), 0.5);
  },
  Max: reduce("maximum"),
  Mean: reduction((c, x, axes, keep) => c.b.mean(x, axes, { keep })),
  Min: reduce("minimum"),
  Prod: reduce("multiply"),
  Sum: reduce("add"),
};

/** The type that sums of a type are made in. */
export const sumType = (dtype: DType): DType => (dtype === "f16" || dtype === "bf16" ? "f32" : dtype);
