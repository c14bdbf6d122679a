// Operators of one element from one or two: arithmetic, comparisons, logic; float, integer and quantised.

import type { Builder } from "../../../hlo/build.ts";
import { isFloat } from "../../../hlo/dtype.ts";
import type { Value } from "../../../hlo/graph.ts";
import type { Direction } from "../../../hlo/ops.ts";
import { clamp, multiplyBy, quantizeMultiplier } from "../fixed.ts";
import { type Lower, type Node, Unsupported } from "../node.ts";
import { options } from "../options.ts";
import {
  activationRange,
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

const f = Math.fround;

/** A fused activation on floats (or plain integers). */
export function activate(b: Builder, x: Value, activation: number): Value {
  switch (activation) {
    case 0:
      return x;
    case 4:
      return b.plain("tanh", x);
    case 1:
      return b.relu(x);
    default: {
      const [min, max] = activationRange(activation);
      return b.clamp(x, min, max);
    }
  }
}

/** Rounds a division by a power of two, ties away from zero. */
export function divideByPower(b: Builder, x: Value, exponent: number): Value {
  if (exponent === 0) return x;
  const sign = b.with("shiftRightArithmetic", x, 31);
  const nudged = b.add(b.with("add", x, 2 ** (exponent - 1)), sign);
  return b.with("shiftRightArithmetic", nudged, exponent);
}

function powerOfTwo(scale: number): number | undefined {
  const log = Math.log2(scale);
  const rounded = Math.round(log);
  return Math.abs(log - rounded) < 1e-3 ? rounded : undefined;
}

/** ADD and SUB: 8-bit elements are brought to a common scale with 20 more bits, 16-bit ones with 15. */
function sum(name: "add" | "subtract"): Lower {
  return (node) => {
    const { b } = node;
    const [x, y] = [node.input(0), node.input(1)];
    const { activation, powerOfTwoScale } = node.options(options.add);
    if (!isQuantized(node.info(0)) || !isQuantized(node.result())) {
      return activate(b, b.binary(name, x, y), activation);
    }
    const [p, q, r] = [affineOf(node.info(0)), affineOf(node.info(1)), affineOf(node.result())];
    const dtype = node.dtype();
    const range = quantizedRange(activation, node.result(), dtype);
    if (dtype === "i16" && powerOfTwoScale) {
      const [i, j, k] = [powerOfTwo(p.scale), powerOfTwo(q.scale), powerOfTwo(r.scale)];
      if (i !== undefined && j !== undefined && k !== undefined && (i === k || j === k) && i <= k && j <= k) {
        const shifted = (value: Value, by: number) => divideByPower(b, b.convert(value, "i32"), by);
        const total = b.binary(name, shifted(x, k - i), shifted(y, k - j));
        return b.convert(b.clamp(total, ...range), dtype);
      }
    }
    const left = dtype === "i16" ? 15 : 20;
    const twice = 2 * Math.max(p.scale, q.scale);
    const part = (value: Value, { scale, zero }: { scale: number; zero: number }) =>
      scaleBy(b, b.with("shiftLeft", centred(b, value, zero), left), scale / twice, { dtype: "i32" });
    const total = b.binary(name, part(x, p), part(y, q));
    return scaleBy(b, total, twice / (2 ** left * r.scale), { dtype, zero: r.zero, range });
  };
}

const multiply: Lower = (node) => {
  const { b } = node;
  const [x, y] = [node.input(0), node.input(1)];
  const { activation } = node.options(options.fused);
  if (!isQuantized(node.info(0)) || !isQuantized(node.info(1))) return activate(b, b.multiply(x, y), activation);
  const [p, q] = [affineOf(node.info(0)), affineOf(node.info(1))];
  const product = b.multiply(centred(b, x, p.zero), centred(b, y, q.zero));
  if (node.dtype() === "i32") return product;
  const r = affineOf(node.result());
  const range = quantizedRange(activation, node.result(), node.dtype());
  return scaleBy(b, product, f(f(p.scale * q.scale) / r.scale), { dtype: node.dtype(), zero: r.zero, range });
};

const divide: Lower = (node) => {
  const { b } = node;
  if (isQuantized(node.info(0))) throw new Unsupported("quantised division");
  return activate(b, b.divide(node.input(0), node.input(1)), node.options(options.fused).activation);
};

/** Rounds towards minus infinity, of floats and integers. */
const floorDivide: Lower = (node) => {
  const { b } = node;
  const [x, y] = [node.input(0), node.input(1)];
  if (isFloat(x.type.dtype)) return b.plain("floor", b.divide(x, y));
  const quotient = b.divide(x, y);
  const rest = b.subtract(x, b.multiply(quotient, y));
  const zero = b.scalar(rest.type.dtype, 0);
  const apart = b.compare("NE", b.compare("LT", rest, zero), b.compare("LT", y, zero));
  const below = b.binary("and", b.compare("NE", rest, zero), apart);
  return b.subtract(quotient, b.convert(below, quotient.type.dtype));
};

/** The divisor's sign. */
const floorModulo: Lower = (node) => {
  const { b } = node;
  const [x, y] = [node.input(0), node.input(1)];
  const rest = b.binary("remainder", x, y);
  const zero = b.scalar(rest.type.dtype, 0);
  const apart = b.compare("NE", b.compare("LT", rest, zero), b.compare("LT", y, zero));
  const moved = b.binary("and", b.compare("NE", rest, zero), apart);
  return b.select(moved, b.add(rest, y), rest);
};

const squaredDifference: Lower = (node) => {
  const { b } = node;
  const [x, y] = [node.input(0), node.input(1)];
  if (!isQuantized(node.info(0))) {
    const difference = b.subtract(x, y);
    return b.multiply(difference, difference);
  }
  const [p, q, r] = [affineOf(node.info(0)), affineOf(node.info(1)), affineOf(node.result())];
  const twice = 2 * Math.max(p.scale, q.scale);
  const part = (value: Value, { scale, zero }: { scale: number; zero: number }) =>
    scaleBy(b, b.with("shiftLeft", centred(b, value, zero), 7), scale / twice, { dtype: "i32" });
  const difference = b.subtract(part(x, p), part(y, q));
  const factor = (twice * twice) / (2 ** 14 * r.scale);
  return scaleBy(b, b.multiply(difference, difference), factor, { dtype: node.dtype(), zero: r.zero });
};

/** MAXIMUM and MINIMUM: the scales agree, so elements compare as they are. */
const larger =
  (name: "maximum" | "minimum"): Lower =>
  (node) =>
    node.b.binary(name, node.input(0), node.input(1));

/** Comparisons bring quantised elements to real values with eight more bits. */
function compare(direction: Direction): Lower {
  return (node) => {
    const { b } = node;
    const part = (i: number): Value => {
      const info = node.info(i);
      if (!isQuantized(info)) return node.input(i);
      const { scale, zero } = affineOf(info);
      return scaleBy(b, b.with("shiftLeft", centred(b, node.input(i), zero), 8), scale, { dtype: "i32" });
    };
    return b.compare(direction, part(0), part(1));
  };
}

const logical =
  (name: "and" | "or"): Lower =>
  (node) =>
    node.b.binary(name, node.input(0), node.input(1));

/** Unary operators that have only plain kernels. */
const plain =
  (...names: Parameters<Builder["plain"]>[0][]): Lower =>
  (node) => {
    if (isQuantized(node.info(0)) && isQuantized(node.result())) throw new Unsupported(`${node.info(0).type}`);
    return names.reduce<Value>((x, name) => node.b.plain(name, x), node.input(0));
  };

/** Unary operators whose 8-bit kernels are a table of the float function and whose 16-bit kernels interpolate one. */
function tabled(
  each: (value: number, least: number, most: number) => number,
  whole: (b: Builder, x: Value) => Value,
): Lower {
  return (node) => {
    const { b } = node;
    const x = node.input(0);
    if (!isQuantized(node.info(0))) return whole(b, x);
    const [p, r] = [affineOf(node.info(0)), affineOf(node.result())];
    const dtype = node.dtype();
    const [min, max] = limits(dtype);
    const [least, most] = [f(f(min - r.zero) * r.scale), f(max * r.scale)];
    const apply = (value: number) => f(each(value, least, most));
    if (dtype !== "i16") return through(b, x, dtype, affineTable(p, r, dtype, apply));
    const real = (element: number) => f(p.scale * (element - p.zero));
    const entries = interpolated(
      real(-32768),
      real(32767),
      f(r.scale * (-32768 - r.zero)),
      f(r.scale * (32767 - r.zero)),
      apply,
      f,
    );
    return through(b, x, dtype, entries);
  };
}

const absolute: Lower = (node) => {
  const { b } = node;
  const x = node.input(0);
  if (!isQuantized(node.info(0))) return b.plain("abs", x);
  const [p, r] = [affineOf(node.info(0)), affineOf(node.result())];
  const size = b.plain("abs", centred(b, x, p.zero));
  const dtype = node.dtype();
  if (p.scale !== r.scale) return scaleBy(b, size, f(p.scale / r.scale), { dtype, zero: r.zero });
  return b.convert(b.clamp(r.zero === 0 ? size : b.with("add", size, r.zero), ...limits(dtype)), dtype);
};

const squareRoot: Lower = (node) => {
  const { b } = node;
  if (!isQuantized(node.info(0))) return b.plain("sqrt", node.input(0));
  const [p, r] = [affineOf(node.info(0)), affineOf(node.result())];
  const [min, max] = limits(node.dtype());
  return through(b, node.input(0), node.dtype(), (element) => {
    const value = f(p.scale * (element - p.zero));
    return value < 0 ? min : clamp(Math.trunc(f(f(Math.sqrt(value)) / r.scale)) + r.zero, min, max);
  });
};

/** 1/sqrt in fixed point (GetInvSqrtQuantizedMultiplierExp): Newton's iterations on three integer bits. */
function inverseRoot(input: number): { multiplier: number; shift: number } {
  if (input <= 1) return { multiplier: 2 ** 31 - 1, shift: 0 };
  const high = (a: bigint, c: bigint) => {
    const product = a * c;
    return (product + (product >= 0n ? 1n << 30n : 1n - (1n << 30n))) / (1n << 31n);
  };
  let right = 11;
  let value = input;
  while (value >= 2 ** 29) {
    value = Math.floor(value / 4);
    right++;
  }
  const spare = Math.clz32(value) - 1;
  const pairs = Math.floor(spare / 2) - 1;
  right -= pairs;
  value *= 4 ** pairs;
  const half = BigInt(((value >> 1) + 1) >> 1);
  const saturate = (x: bigint, bits: bigint) => {
    const shifted = x << bits;
    return shifted > 2147483647n ? 2147483647n : shifted < -2147483648n ? -2147483648n : shifted;
  };
  let x = 1n << 28n;
  const halfThree = (1n << 28n) + (1n << 27n);
  for (let i = 0; i < 5; i++) {
    const cubed = saturate(high(high(x, x), x), 6n);
    x = saturate(high(x, halfThree) - high(half, cubed), 3n);
  }
  x = high(x, 1518500250n);
  let multiplier = Number(x);
  if (right < 0) {
    multiplier *= 2 ** -right;
    right = 0;
  }
  return { multiplier, shift: -right };
}

const inverseSquareRoot: Lower = (node) => {
  const { b } = node;
  if (!isQuantized(node.info(0))) return b.plain("rsqrt", node.input(0));
  const [p, r] = [affineOf(node.info(0)), affineOf(node.result())];
  const dtype = node.dtype();
  if (dtype === "i16") return inverseRoots(node);
  const [min, max] = limits(dtype);
  const factor = quantizeMultiplier(1 / f(f(Math.sqrt(p.scale)) * r.scale));
  return through(b, node.input(0), dtype, (element) => {
    const value = element - p.zero;
    if (value <= 0) return max;
    const { multiplier, shift } = inverseRoot(value);
    const root = multiplyBy(1, { multiplier, shift: shift + 20 });
    return clamp(multiplyBy(root, { ...factor, shift: factor.shift - 20 }) + r.zero, min, max);
  });
};
const inverseRoots = tabled(
  (value, _, most) => (value <= 0 ? most : 1 / f(Math.sqrt(value))),
  (b, x) => b.plain("rsqrt", x),
);

const power: Lower = (node) => node.b.binary("power", node.input(0), node.input(1));

const addMany: Lower = (node) => {
  if (isQuantized(node.info(0))) throw new Unsupported("quantised");
  return node.inputs().reduce((total, x) => node.b.add(total, x));
};

/** Values of the input's range on a grid, as training with quantisation simulates it. */
const fakeQuantize: Lower = (node) => {
  const { b } = node;
  const { min, max, bits, narrow } = node.options(options.fakeQuant);
  const least = narrow ? 1 : 0;
  const most = 2 ** bits - 1;
  const scale = f(f(max - min) / (most - least));
  const zero = f(least - f(min / scale));
  const point = zero < least ? least : zero > most ? most : Math.round(zero);
  const [low, high] = [f((least - point) * scale), f((most - point) * scale)];
  const shifted = b.with("subtract", b.clamp(node.input(0), low, high), low);
  const steps = b.plain("floor", b.with("add", b.with("multiply", shifted, f(1 / scale)), 0.5));
  return b.with("add", b.with("multiply", steps, scale), low);
};

const cast: Lower = (node) => {
  const { b } = node;
  const x = node.input(0);
  const to = node.dtype();
  // Booleans are what is not zero.
  if (to === "i1") return b.compare("NE", x, b.scalar(x.type.dtype, 0));
  return b.convert(x, to);
};

export const elementwise: Readonly<Record<string, Lower>> = {
  ADD: sum("add"),
  SUB: sum("subtract"),
  MUL: multiply,
  DIV: divide,
  FLOOR_DIV: floorDivide,
  FLOOR_MOD: floorModulo,
  SQUARED_DIFFERENCE: squaredDifference,
  MAXIMUM: larger("maximum"),
  MINIMUM: larger("minimum"),
  EQUAL: compare("EQ"),
  NOT_EQUAL: compare("NE"),
  LESS: compare("LT"),
  LESS_EQUAL: compare("LE"),
  GREATER: compare("GT"),
  GREATER_EQUAL: compare("GE"),
  LOGICAL_AND: logical("and"),
  LOGICAL_OR: logical("or"),
  LOGICAL_NOT: plain("not"),
  ABS: absolute,
  /** Small integers too, as they are: the kernel takes no notice of zero points. */
  NEG: (node) => node.b.plain("negate", node.input(0)),
  SQRT: squareRoot,
  RSQRT: inverseSquareRoot,
  LOG: tabled(
    (value, least) => (value <= 0 ? least : Math.log(value)),
    (b, x) => b.plain("log", x),
  ),
  EXP: tabled(
    (value) => Math.exp(value),
    (b, x) => b.plain("exponential", x),
  ),
  SIN: plain("sine"),
  COS: plain("cosine"),
  FLOOR: plain("floor"),
  CEIL: plain("ceil"),
  ROUND: plain("roundNearestEven"),
  SIGN: plain("sign"),
  SQUARE: (node) => node.b.multiply(node.input(0), node.input(0)),
  POW: power,
  ATAN2: (node) => node.b.binary("atan2", node.input(0), node.input(1)),
  ADD_N: addMany,
  FAKE_QUANT: fakeQuantize,
  CAST: cast,
  BITCAST: (node) => node.b.op("bitcastConvert", [node.input(0)], { dtype: node.dtype() }),
  BITWISE_XOR: (node) => node.b.binary("xor", node.input(0), node.input(1)),
  RIGHT_SHIFT: (node: Node) => {
    const { b } = node;
    const unsigned = node.input(0).type.dtype.startsWith("u");
    const bits = b.clamp(node.input(1), 0, { i8: 7, u8: 7, i16: 15, u16: 15 }[node.dtype() as string] ?? 31);
    return b.binary(unsigned ? "shiftRightLogical" : "shiftRightArithmetic", node.input(0), bits);
  },
  REAL: plain("real"),
  IMAG: plain("imag"),
  COMPLEX_ABS: plain("abs"),
};
