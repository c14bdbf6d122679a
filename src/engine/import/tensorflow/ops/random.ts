// Random numbers (tensorflow/core/ops/stateless_random_ops.cc, random_ops.cc): Philox where a seed is given.

import type { Builder } from "../../../hlo/build.ts";
import type { DType } from "../../../hlo/dtype.ts";
import type { Value } from "../../../hlo/graph.ts";
import { elementCount } from "../../../hlo/tensor.ts";
import type { Call, Importer } from "../call.ts";
import { part } from "./slices.ts";

const range = (n: number) => Array.from({ length: n }, (_, i) => i);

/** The two words of a product of u32 with a constant. */
function multiplyWords(b: Builder, x: Value, factor: number): { low: Value; high: Value } {
  const product = b.multiply(b.convert(x, "u64"), b.scalar("u64", factor));
  return {
    low: b.convert(product, "u32"),
    high: b.convert(b.binary("shiftRightLogical", product, b.scalar("u64", 32)), "u32"),
  };
}
/** Ten rounds of Philox 4x32 (Salmon et al. 2011) on counters and keys of any shape. */
function philox(b: Builder, counter: readonly Value[], key: readonly Value[]): Value[] {
  let [c0, c1, c2, c3] = counter as [Value, Value, Value, Value];
  let [k0, k1] = key as [Value, Value];
  for (let round = 0; round < 10; round++) {
    const [first, second] = [multiplyWords(b, c0, 0xd2511f53), multiplyWords(b, c2, 0xcd9e8d57)];
    [c0, c1, c2, c3] = [
      b.binary("xor", b.binary("xor", second.high, c1), k0),
      second.low,
      b.binary("xor", b.binary("xor", first.high, c3), k1),
      first.low,
    ];
    k0 = b.add(k0, b.scalar("u32", 0x9e3779b9));
    k1 = b.add(k1, b.scalar("u32", 0xbb67ae85));
  }
  return [c0, c1, c2, c3];
}

/** The words of a 64-bit vector, low ones first. */
function words(b: Builder, x: Value): Value[] {
  const wide = x.type.dtype === "u64" ? x : b.op("bitcastConvert", [b.convert(x, "i64")], { dtype: "u64" });
  return range(x.type.shape[0] ?? 0).flatMap((i) => {
    const one = b.reshape(part(b, wide, 0, i, i + 1), []);
    return [b.convert(one, "u32"), b.convert(b.binary("shiftRightLogical", one, b.scalar("u64", 32)), "u32")];
  });
}
interface State {
  readonly key: readonly Value[];
  readonly counter: readonly Value[];
}
/** How a seed becomes a key and a counter (tensorflow/core/kernels/stateless_random_ops.cc, GenerateKey). */
function stateOfSeed(b: Builder, seed: Value): State {
  const scramble = [b.scalar("u32", 0x3ec8f720), b.scalar("u32", 0x02461e29)];
  const mixed = philox(b, words(b, seed), scramble);
  const zero = b.scalar("u32", 0);
  return { key: mixed.slice(0, 2), counter: [zero, zero, mixed[2]!, mixed[3]!] };
}
/** So many words of the stream: groups of four for counters that count up. */
function bits(b: Builder, { key, counter }: State, count: number): Value {
  const groups = Math.ceil(count / 4);
  const steps = b.op("iota", [], { dtype: "u64", shape: [groups], dimension: 0 });
  const [low, high] = [counter[0]!, counter[1]!];
  const shifted = b.binary("shiftLeft", b.convert(high, "u64"), b.scalar("u64", 32));
  const start = b.binary("or", b.convert(low, "u64"), shifted);
  const at = b.add(steps, start);
  const spread = (x: Value) => b.broadcast(x, [groups]);
  const counters = [
    b.convert(at, "u32"),
    b.convert(b.binary("shiftRightLogical", at, b.scalar("u64", 32)), "u32"),
    spread(counter[2]!),
    spread(counter[3]!),
  ];
  const results = philox(b, counters, key.map(spread));
  const columns = results.map((x) => b.reshape(x, [groups, 1]));
  return part(b, b.reshape(b.concatenate(columns, 1), [groups * 4]), 0, 0, count);
}
/** [0, 1) from 23 bits of a word, as TensorFlow makes it. */
function unit(b: Builder, x: Value): Value {
  const mantissa = b.binary("and", x, b.scalar("u32", 0x7fffff));
  const floats = b.op("bitcastConvert", [b.binary("or", mantissa, b.scalar("u32", 127 << 23))], { dtype: "f32" });
  return b.with("subtract", floats, 1);
}
/** Normal numbers by pairs (Box and Muller). */
function normal(b: Builder, x: Value): Value {
  const half = x.type.shape[0]! / 2;
  const pairs = b.reshape(x, [half, 2]);
  const u1 = b.with("maximum", unit(b, b.reshape(part(b, pairs, 1, 0, 1), [half])), 1e-7);
  const angle = b.with("multiply", unit(b, b.reshape(part(b, pairs, 1, 1, 2), [half])), Math.fround(2 * Math.PI));
  const radius = b.plain("sqrt", b.with("multiply", b.plain("log", u1), -2));
  const two = [b.plain("sine", angle), b.plain("cosine", angle)];
  const columns = two.map((each) => b.reshape(b.multiply(each, radius), [half, 1]));
  return b.reshape(b.concatenate(columns, 1), [half * 2]);
}

type Draw = (c: Call, state: State, shape: readonly number[]) => Value;

const floatOnly = (c: Call, missing: DType = "f32"): DType => {
  const dtype = c.type("dtype", missing);
  return dtype === "f32" || dtype === "f64" ? dtype : c.unsupported(`random ${dtype}`);
};
const uniform: Draw = (c, state, shape) => {
  if (floatOnly(c) !== "f32") return c.unsupported("random f64");
  return c.b.reshape(unit(c.b, bits(c.b, state, elementCount(shape))), shape);
};
const standardNormal: Draw = (c, state, shape) => {
  if (floatOnly(c) !== "f32") return c.unsupported("random f64");
  const count = elementCount(shape);
  const numbers = normal(c.b, bits(c.b, state, Math.ceil(count / 4) * 4));
  return c.b.reshape(part(c.b, numbers, 0, 0, count), shape);
};
/** low + word modulo the range. */
const uniformInteger =
  (low: number, high: number): Draw =>
  (c, state, shape) => {
    const { b } = c;
    const [from, to] = [c.x(low), c.x(high)];
    if (from.type.dtype !== "i32") return c.unsupported(`random ${from.type.dtype}`);
    const width = b.op("bitcastConvert", [b.subtract(to, from)], { dtype: "u32" });
    const rest = b.binary("remainder", bits(b, state, elementCount(shape)), width);
    return b.reshape(b.add(b.op("bitcastConvert", [rest], { dtype: "i32" }), from), shape);
  };
const fullInteger: Draw = (c, state, shape) => {
  const dtype = c.type("dtype", "u64");
  if (dtype !== "i32" && dtype !== "u32") return c.unsupported(`random ${dtype}`);
  const drawn = bits(c.b, state, elementCount(shape));
  return c.b.reshape(dtype === "u32" ? drawn : c.b.op("bitcastConvert", [drawn], { dtype }), shape);
};

/** Inputs: shape, seed. */
const seeded =
  (draw: Draw): Importer =>
  (c) =>
    draw(c, stateOfSeed(c.b, c.x(1)), c.numbers(0));
/** Inputs: shape, key, counter, algorithm (1 is Philox, 3 whatever is best: Philox). */
const keyed =
  (draw: Draw): Importer =>
  (c) => {
    const algorithm = c.number(3);
    if (algorithm !== 1 && algorithm !== 3) c.unsupported(`random algorithm ${algorithm}`);
    return draw(c, { key: words(c.b, c.x(1)), counter: words(c.b, c.x(2)) }, c.numbers(0));
  };

/** A seed's key and counter as 64-bit vectors. */
function keyAndCounter(c: Call): Value[] {
  const { b } = c;
  const { key, counter } = stateOfSeed(b, c.x(0));
  const join = (low: Value, high: Value) =>
    b.reshape(
      b.binary("or", b.convert(low, "u64"), b.binary("shiftLeft", b.convert(high, "u64"), b.scalar("u64", 32))),
      [1],
    );
  return [
    join(key[0]!, key[1]!),
    b.concatenate([join(counter[0]!, counter[1]!), join(counter[2]!, counter[3]!)], 0),
    b.scalar("i32", 1),
  ];
}

/** Without a seed of their own: different in each run, as in TensorFlow. */
const unseeded =
  (distribution: "UNIFORM" | "NORMAL"): Importer =>
  (c) => {
    const { b } = c;
    const dtype = floatOnly(c);
    return b.op("rng", [b.scalar(dtype, 0), b.scalar(dtype, 1)], { distribution, shape: c.numbers(0) });
  };

/** The numbers that a generator gives first for its own seeds: what variables start with. */
const firstDraw =
  (draw: Draw): Importer =>
  (c) => {
    const word = (name: string, shift: bigint) =>
      c.b.scalar("u32", Number((BigInt.asUintN(64, c.attribute(name, "i") ?? 0n) >> shift) & 0xffffffffn));
    const key = [word("seed", 0n), word("seed", 32n)];
    const zero = c.b.scalar("u32", 0);
    const counter = [zero, zero, word("seed2", 0n), word("seed2", 32n)];
    return draw(c, { key, counter }, c.numbers(0));
  };
export const initialisers: Readonly<Record<string, Importer>> = {
  RandomUniform: firstDraw(uniform),
  RandomStandardNormal: firstDraw(standardNormal),
};

export const random: Readonly<Record<string, Importer>> = {
  StatelessRandomGetAlg: (c) => c.b.scalar("i32", 1),
  StatelessRandomGetKeyCounter: (c) => keyAndCounter(c).slice(0, 2),
  StatelessRandomGetKeyCounterAlg: keyAndCounter,
  StatelessRandomUniform: seeded(uniform),
  StatelessRandomNormal: seeded(standardNormal),
  StatelessRandomUniformInt: seeded(uniformInteger(2, 3)),
  StatelessRandomUniformFullInt: seeded(fullInteger),
  StatelessRandomUniformV2: keyed(uniform),
  StatelessRandomNormalV2: keyed(standardNormal),
  StatelessRandomUniformIntV2: keyed(uniformInteger(4, 5)),
  StatelessRandomUniformFullIntV2: keyed(fullInteger),
  RandomUniform: unseeded("UNIFORM"),
  RandomStandardNormal: unseeded("NORMAL"),
  RandomUniformInt: (c) => {
    const { b } = c;
    const [low, high] = [c.x(1), c.x(2)];
    const drawn = b.op("rng", [b.scalar("f64", 0), b.scalar("f64", 1)], {
      distribution: "UNIFORM",
      shape: c.numbers(0),
    });
    const width = b.convert(b.subtract(high, low), "f64");
    return b.add(b.convert(b.plain("floor", b.multiply(drawn, width)), low.type.dtype), low);
  },
  TruncatedNormal: (c) => {
    const { b } = c;
    const dtype = floatOnly(c);
    // Uniform between the two ends of the distribution, then back through it.
    const edge = 0.9544997361036416;
    const drawn = b.op("rng", [b.scalar(dtype, -edge), b.scalar(dtype, edge)], {
      distribution: "UNIFORM",
      shape: c.numbers(0),
    });
    return b.with("multiply", b.plain("erfInv", drawn), Math.SQRT2);
  },
};
