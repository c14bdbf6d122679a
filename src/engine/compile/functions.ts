// Functions on four f32 lanes, shared by the kernels of a module: polynomials of our own, errors of 1 to 3 units in the
// last place. What has no polynomial is Math's, lane by lane (engines compile imported Math functions in place).

import type { Code } from "../../wasm/code.ts";
import { ModuleBuilder } from "../../wasm/module.ts";
import { op, type } from "../../wasm/opcodes.ts";
import type { KernelContext } from "./kernel.ts";
import { splatF32, splatI32 } from "./lanes.ts";

/** What modules import from JavaScript, in this order. */
export const unaryImports = [
  ...["acos", "acosh", "asin", "asinh", "atan", "atanh", "cbrt", "cos", "cosh", "sin", "sinh", "tan"],
] as const;
export const binaryImports = ["atan2", "pow", "remainder"] as const;

/** The imports of every module but its memory. */
export function importedFunctions(): Record<string, unknown> {
  const math = Math as unknown as Record<string, unknown>;
  const functions: Record<string, unknown> = { remainder: (x: number, y: number) => x % y };
  for (const name of [...unaryImports, ...binaryImports]) functions[name] ??= math[name];
  return functions;
}

/** A module with its memory and functions imported, and the context for kernels in it. */
export function moduleContext(options: { relaxed: boolean; shared?: { initial: number; maximum: number } }): {
  module: ModuleBuilder;
  context: KernelContext;
} {
  const module = new ModuleBuilder();
  const functions = new Map<string, number>();
  const unary = module.type([type.f64], [type.f64]);
  const binary = module.type([type.f64, type.f64], [type.f64]);
  for (const name of unaryImports) functions.set(`math.${name}`, module.importFunction("math", name, unary));
  for (const name of binaryImports) functions.set(`math.${name}`, module.importFunction("math", name, binary));
  module.importMemory("env", "memory", options.shared ? { ...options.shared, shared: true } : { initial: 0 });
  const context: KernelContext = {
    module,
    relaxed: options.relaxed,
    shared(name, define) {
      let index = functions.get(name);
      if (index === undefined) functions.set(name, (index = define(module)));
      return index;
    },
  };
  return { module, context };
}

/** Writes a function's body from the vector in a local, which it leaves as it is, to its result. */
type Body = (code: Code, context: KernelContext, x: number) => void;

/** Index of a shared function on vectors. */
function vectorFunction(
  context: KernelContext,
  name: string,
  parameters: number,
  body: (code: Code, context: KernelContext) => void,
): number {
  return context.shared(name, (module) => {
    const vectors = Array.from({ length: parameters }, () => type.v128);
    const { index, code } = module.function(module.type(vectors, [type.v128]), name);
    body(code, context);
    return index;
  });
}

/** Pushes a polynomial in the vector local `x`, coefficients from the constant one on. */
function polynomial(code: Code, x: number, coefficients: readonly number[]): void {
  splatF32(code, coefficients.at(-1)!);
  for (let i = coefficients.length - 2; i >= 0; i--) {
    code.get(x).op(op["f32x4.mul"]);
    splatF32(code, coefficients[i]!).op(op["f32x4.add"]);
  }
}

// ln 2 in two parts: the first has few bits, so that its products with small integers are exact.
const ln2High = 0.693359375;
const ln2Low = -2.1219444e-4;
const expTail = [0.50000000682, 0.16666665862, 0.041666292987, 0.0083334979654, 0.0013944807315, 0.00019790197555];

/** Sets n = nearest(x / ln 2) and r = x - n ln 2. */
function reduceByLn2(code: Code, x: number, n: number, r: number): void {
  code.get(x);
  splatF32(code, Math.LOG2E).op(op["f32x4.mul"]).op(op["f32x4.nearest"]).set(n);
  code.get(x).get(n);
  splatF32(code, ln2High).op(op["f32x4.mul"]).op(op["f32x4.sub"]).get(n);
  splatF32(code, ln2Low).op(op["f32x4.mul"]).op(op["f32x4.sub"]).set(r);
}

/** 1.5 * 2^23: an f32 that a small integer was added to has it in its lowest bits. */
const magic = 12582912;

/** Makes whole f32 lanes below 2^22 in size i32 lanes. */
function toInteger(code: Code, n: number): void {
  code.get(n);
  splatF32(code, magic).op(op["f32x4.add"]);
  splatI32(code, 0x4b400000).op(op["i32x4.sub"]).set(n);
}

/** Pushes 2^n for integers n (i32 lanes) from -126 to 127 in the local. */
function powerOfTwo(code: Code, n: number): void {
  code.get(n);
  splatI32(code, 127).op(op["i32x4.add"]).i32(23).op(op["i32x4.shl"]);
}

/**
 * Below it, exp is 0 here: results that are no normal numbers take processors a hundred times as long, and the masks of
 * attention would make many.
 */
const smallestExponent = -87.33654;

const exp: Body = (code, _, given) => {
  const [x, n, r, half] = [0, 0, 0, 0].map(() => code.local(type.v128)) as [number, number, number, number];
  code.get(given);
  splatF32(code, smallestExponent).op(op["f32x4.pmax"]);
  splatF32(code, 89).op(op["f32x4.pmin"]).set(x);
  reduceByLn2(code, x, n, r);
  polynomial(code, r, expTail);
  code.get(r).get(r).op(op["f32x4.mul"]).op(op["f32x4.mul"]).get(r).op(op["f32x4.add"]);
  splatF32(code, 1).op(op["f32x4.add"]);
  // Scaled in two steps: n goes beyond the exponents at both ends.
  toInteger(code, n);
  code.get(n).i32(1).op(op["i32x4.shr_s"]).set(half);
  powerOfTwo(code, half);
  code.op(op["f32x4.mul"]);
  code.get(n).get(half).op(op["i32x4.sub"]).set(n);
  powerOfTwo(code, n);
  code.op(op["f32x4.mul"]);
  code.get(given);
  splatF32(code, smallestExponent).op(op["f32x4.lt"]).op(op["v128.andnot"]);
};

const expm1: Body = (code, _, x) => {
  const [n, r, p, scale] = [0, 0, 0, 0].map(() => code.local(type.v128)) as [number, number, number, number];
  const within = code.local(type.v128);
  code.get(x);
  splatF32(code, -25).op(op["f32x4.pmax"]);
  splatF32(code, 89).op(op["f32x4.pmin"]).set(within);
  reduceByLn2(code, within, n, r);
  polynomial(
    code,
    r,
    [0.50000000468, 0.16666666818, 0.041666352985, 0.0083332727243, 0.0013941148469, 0.00019914366524],
  );
  code.get(r).get(r).op(op["f32x4.mul"]).op(op["f32x4.mul"]).get(r).op(op["f32x4.add"]).set(p);
  // (2^n p + 2^n - 1), at half the size because n may be 128.
  toInteger(code, n);
  code.get(n);
  splatI32(code, 1).op(op["i32x4.sub"]).set(n);
  powerOfTwo(code, n);
  code.set(scale);
  code.get(p).get(scale).op(op["f32x4.mul"]).get(scale);
  splatF32(code, 0.5).op(op["f32x4.sub"]).op(op["f32x4.add"]);
  splatF32(code, 2).op(op["f32x4.mul"]).set(p);
  // Tiny and zero arguments are their own results, sign included.
  code.get(x).get(p).get(x).op(op["f32x4.abs"]);
  splatF32(code, 1e-8).op(op["f32x4.lt"]).op(op["v128.bitselect"]);
};

const log: Body = (code, _, x) => {
  const local = () => code.local(type.v128);
  const [normal, e, f, s, z, tiny] = [local(), local(), local(), local(), local(), local()];
  code.get(x);
  splatF32(code, 2 ** -126)
    .op(op["f32x4.lt"])
    .set(tiny);
  code.get(x);
  splatF32(code, 2 ** 23)
    .op(op["f32x4.mul"])
    .get(x)
    .get(tiny)
    .op(op["v128.bitselect"])
    .set(normal);
  // x = 2^e m with m from sqrt(1/2) to sqrt(2).
  code.get(normal);
  splatI32(code, 0x3f3504f3).op(op["i32x4.sub"]).tee(e);
  splatI32(code, 0x7fffff).op(op["v128.and"]);
  splatI32(code, 0x3f3504f3).op(op["i32x4.add"]);
  splatF32(code, 1).op(op["f32x4.sub"]).set(f);
  code.get(e).i32(23).op(op["i32x4.shr_s"]).get(tiny);
  splatI32(code, 23).op(op["v128.and"]).op(op["i32x4.sub"]).op(op["f32x4.convert_i32x4_s"]).set(e);
  // log m = log((1 + s) / (1 - s)) with s = f / (2 + f).
  code.get(f).get(f);
  splatF32(code, 2).op(op["f32x4.add"]).op(op["f32x4.div"]).tee(s).get(s).op(op["f32x4.mul"]).set(z);
  polynomial(code, z, [0.66666666551, 0.40000124159, 0.28550578608, 0.23336676725]);
  code.get(z).op(op["f32x4.mul"]).set(z);
  const half = local();
  code.get(f).get(f).op(op["f32x4.mul"]);
  splatF32(code, 0.5).op(op["f32x4.mul"]).set(half);
  // e ln 2 + (f - (f^2/2 - s (f^2/2 + R)))
  code.get(s).get(half).get(z).op(op["f32x4.add"]).op(op["f32x4.mul"]).get(e);
  splatF32(code, ln2Low).op(op["f32x4.mul"]).op(op["f32x4.add"]).get(half).op(op["f32x4.sub"]);
  code.get(f).op(op["f32x4.add"]).get(e);
  splatF32(code, ln2High).op(op["f32x4.mul"]).op(op["f32x4.add"]).set(s);
  // Infinity and NaN are their own logarithms; 0 gives minus infinity, less gives NaN.
  code.get(x).get(s).get(x);
  splatF32(code, 3.4028234663852886e38).op(op["f32x4.le"]).op(op["v128.not"]).op(op["v128.bitselect"]).set(s);
  splatF32(code, -Infinity);
  splatF32(code, NaN);
  code.get(x);
  splatF32(code, 0).op(op["f32x4.eq"]).op(op["v128.bitselect"]);
  code.get(s).get(x);
  splatF32(code, 0).op(op["f32x4.le"]).op(op["v128.bitselect"]);
};

const log1p: Body = (code, context, x) => {
  const [u, l] = [code.local(type.v128), code.local(type.v128)];
  code.get(x);
  splatF32(code, 1).op(op["f32x4.add"]).set(u);
  log(code, context, u);
  code.set(l);
  // log(u) plus what the addition lost; not where u is 0 or infinite.
  code.get(l).get(l).get(x).get(u);
  splatF32(code, 1).op(op["f32x4.sub"]).op(op["f32x4.sub"]).get(u).op(op["f32x4.div"]).op(op["f32x4.add"]);
  code.get(u);
  splatF32(code, 0).op(op["f32x4.eq"]).get(u);
  splatF32(code, Infinity).op(op["f32x4.eq"]).op(op["v128.or"]).op(op["v128.bitselect"]).set(l);
  code.get(x).get(l).get(x).op(op["f32x4.abs"]);
  splatF32(code, 1e-8).op(op["f32x4.lt"]).op(op["v128.bitselect"]);
};

/** Pushes the magnitude on the stack with the sign of the local. */
function withSign(code: Code, of: number): void {
  code.get(of);
  splatI32(code, -0x80000000).op(op["v128.and"]).op(op["v128.or"]);
}

const tanh: Body = (code, context, x) => {
  const t = code.local(type.v128);
  // t / (t + 2) with t = e^2|x| - 1.
  code.get(x).op(op["f32x4.abs"]);
  splatF32(code, 10).op(op["f32x4.pmin"]);
  splatF32(code, 2).op(op["f32x4.mul"]).set(t);
  expm1(code, context, t);
  code.tee(t).get(t);
  splatF32(code, 2).op(op["f32x4.add"]).op(op["f32x4.div"]);
  withSign(code, x);
};

const logistic: Body = (code, context, x) => {
  const t = code.local(type.v128);
  splatF32(code, 1);
  code.get(x).op(op["f32x4.neg"]).set(t);
  exp(code, context, t);
  splatF32(code, 1).op(op["f32x4.add"]).op(op["f32x4.div"]);
};

// erf(x) / x as a quotient of polynomials in x^2, up to where the function is 1.
const erfAbove = [1.128379147, 0.1903425096, 0.05274000612, 0.003762774153, 0.0002848031483, 2.050394162e-6];
const erfBelow = [1, 0.5020194155, 0.1140824316, 0.01496357495, 0.001161814596, 3.809068619e-5];

const erf: Body = (code, _, x) => {
  const [bounded, z] = [code.local(type.v128), code.local(type.v128)];
  code.get(x);
  splatF32(code, 3.92).op(op["f32x4.pmin"]);
  splatF32(code, -3.92).op(op["f32x4.pmax"]).tee(bounded).get(bounded).op(op["f32x4.mul"]).set(z);
  polynomial(code, z, erfAbove);
  code.get(bounded).op(op["f32x4.mul"]);
  polynomial(code, z, erfBelow);
  code.op(op["f32x4.div"]);
  splatF32(code, 1).op(op["f32x4.pmin"]);
  splatF32(code, -1).op(op["f32x4.pmax"]);
};

const erfcTail = [
  ...[-1.2654508901, 0.99868309508, 0.38627607131, 0.036051976085, -0.0022384277949],
  ...[-0.07490751569, -0.70148453985, 1.1598630108, -0.68187049894, 0.14507776633],
];

const erfc: Body = (code, context, x) => {
  const local = () => code.local(type.v128);
  const [a, t, high, result] = [local(), local(), local(), local()];
  code.get(x).op(op["f32x4.abs"]);
  splatF32(code, 10.4).op(op["f32x4.pmin"]).set(a);
  splatF32(code, 1);
  splatF32(code, 1);
  code.get(a);
  splatF32(code, 0.5).op(op["f32x4.mul"]).op(op["f32x4.add"]).op(op["f32x4.div"]).set(t);
  // e^-a^2 in two factors: the square of the upper bits of a is exact.
  code.get(a);
  splatI32(code, -4096).op(op["v128.and"]).set(high);
  code.get(t).get(high).get(high).op(op["f32x4.mul"]).op(op["f32x4.neg"]).set(result);
  exp(code, context, result);
  code.op(op["f32x4.mul"]);
  polynomial(code, t, erfcTail);
  code.get(a).get(high).op(op["f32x4.sub"]).get(a).get(high).op(op["f32x4.add"]).op(op["f32x4.mul"]);
  code.op(op["f32x4.sub"]).set(result);
  exp(code, context, result);
  code.op(op["f32x4.mul"]).set(result);
  splatF32(code, 2);
  code.get(result).op(op["f32x4.sub"]).get(result).get(x);
  splatF32(code, 0).op(op["f32x4.lt"]).op(op["v128.bitselect"]);
};

/** Pushes an f64 in both lanes. */
function splatF64(code: Code, value: number): Code {
  const [low, high] = new Uint32Array(new Float64Array([value]).buffer) as unknown as [number, number];
  return code.v128(low, high, low, high);
}

// pi / 2 in two parts: the first has 33 bits, so that its products with integers of 20 bits are exact.
const halfPi = { high: 1.5707963267341256, low: 6.07710050651e-11 };
/** Beyond this the quotient by pi / 2 has too many bits. */
const largestAngle = 1e6;

/** Sine and cosine: a quarter turn found in f64, polynomials on what is left of it. */
const trigonometric =
  (name: "sin" | "cos"): Body =>
  (code, context, x) => {
    const local = () => code.local(type.v128);
    const [wide, turns, r, n, z] = [local(), local(), local(), local(), local()];
    code.get(x).op(op["f32x4.abs"]);
    splatF32(code, largestAngle).op(op["f32x4.lt"]).op(op["i32x4.all_true"]).if(type.v128);
    const halves = ["low", "high"].map((half) => {
      const [rest, turn] = [local(), local()];
      code.get(x);
      if (half === "high") code.get(x).shuffle(0x0b0a0908, 0x0f0e0d0c, 0x0b0a0908, 0x0f0e0d0c);
      code.op(op["f64x2.promote_low_f32x4"]).tee(wide);
      splatF64(code, 2 / Math.PI)
        .op(op["f64x2.mul"])
        .op(op["f64x2.nearest"])
        .set(turns);
      code.get(wide).get(turns);
      splatF64(code, halfPi.high).op(op["f64x2.mul"]).op(op["f64x2.sub"]).get(turns);
      splatF64(code, halfPi.low).op(op["f64x2.mul"]).op(op["f64x2.sub"]);
      code.op(op["f32x4.demote_f64x2_zero"]).set(rest);
      code.get(turns).op(op["i32x4.trunc_sat_f64x2_s_zero"]).set(turn);
      return { rest, turn };
    });
    const [low, high] = halves as [(typeof halves)[0], (typeof halves)[0]];
    code.get(low.rest).get(high.rest).shuffle(0x03020100, 0x07060504, 0x13121110, 0x17161514).set(r);
    code.get(low.turn).get(high.turn).shuffle(0x03020100, 0x07060504, 0x13121110, 0x17161514);
    if (name === "cos") splatI32(code, 1).op(op["i32x4.add"]);
    code.set(n).get(r).get(r).op(op["f32x4.mul"]).set(z);
    // Odd quarters: 1 - z/2 + z^2 C(z); even ones: r + r z S(z).
    polynomial(code, z, [0.04166665483, -0.0013887725772, 2.4476371586e-5]);
    code.get(z).op(op["f32x4.mul"]);
    splatF32(code, 0.5).op(op["f32x4.sub"]).get(z).op(op["f32x4.mul"]);
    splatF32(code, 1).op(op["f32x4.add"]);
    polynomial(code, z, [-0.16666654854, 0.0083321722852, -0.00019516480187]);
    code.get(z).op(op["f32x4.mul"]).get(r).op(op["f32x4.mul"]).get(r).op(op["f32x4.add"]);
    code.get(n);
    splatI32(code, 1).op(op["v128.and"]);
    splatI32(code, 1).op(op["i32x4.eq"]).op(op["v128.bitselect"]);
    // The second half of a turn has the other sign.
    code.get(n);
    splatI32(code, 2).op(op["v128.and"]).i32(30).op(op["i32x4.shl"]).op(op["v128.xor"]);
    code
      .else()
      .get(x)
      .call(eachLane(context, name, 1))
      .end();
  };
const sin = trigonometric("sin");
const cos = trigonometric("cos");

const bodies = { exp, expm1, log, log1p, tanh, logistic, erf, erfc, sin, cos } satisfies Record<string, Body>;

export type FunctionName = keyof typeof bodies;

/**
 * Pushes a function of the vector in a local. Its constants cost more than its arithmetic when they are made each time:
 * it belongs into loops, which keep them.
 */
export function emitFunction(code: Code, context: KernelContext, name: FunctionName, x: number): void {
  bodies[name](code, context, x);
}

/** Index of a shared function on one vector of f32 lanes. */
export function shared(context: KernelContext, name: FunctionName): number {
  return vectorFunction(context, name, 1, (code) => bodies[name](code, context, 0));
}

/** Index of a shared function on the vectors of f32 lanes from one address to another: (from, to) -> nothing. */
export function sharedBlock(context: KernelContext, name: FunctionName): number {
  return context.shared(`${name} of a block`, (module) => {
    const { index, code } = module.function(module.type([type.i32, type.i32]), `${name} of a block`);
    const x = code.local(type.v128);
    const again = code.loop();
    code.get(0).memory(op["v128.load"]).set(x).get(0);
    bodies[name](code, context, x);
    code.memory(op["v128.store"]).get(0).i32(16).op(op["i32.add"]).tee(0).get(1).op(op["i32.lt_u"]).brIf(again).end();
    return index;
  });
}

/** Index of a shared function that applies an imported one to each lane. */
export function eachLane(context: KernelContext, name: string, operands: 1 | 2): number {
  return vectorFunction(context, `each ${name}`, operands, (code) => {
    const imported = context.shared(`math.${name}`, () => {
      throw new Error(`no import ${name}`);
    });
    for (let lane = 0; lane < 4; lane++) {
      if (lane === 0) splatI32(code, 0);
      for (let i = 0; i < operands; i++) {
        code.get(i).lane(op["f32x4.extract_lane"], lane).op(op["f64.promote_f32"]);
      }
      code.call(imported).op(op["f32.demote_f64"]).lane(op["f32x4.replace_lane"], lane);
    }
  });
}

/** Index of a shared function on two vectors of i32 lanes, done lane by lane: `scalar` leaves an i32 from locals a, b. */
export function eachInteger(
  context: KernelContext,
  name: string,
  operands: 1 | 2,
  scalar: (code: Code, a: number, b: number) => void,
): number {
  return vectorFunction(context, name, operands, (code) => {
    const [a, b, result] = [code.local(type.i32), code.local(type.i32), code.local(type.v128)];
    for (let lane = 0; lane < 4; lane++) {
      code.get(0).lane(op["i32x4.extract_lane"], lane).set(a);
      if (operands === 2) code.get(1).lane(op["i32x4.extract_lane"], lane).set(b);
      code.get(result);
      scalar(code, a, b);
      code.lane(op["i32x4.replace_lane"], lane).set(result);
    }
    code.get(result);
  });
}

/** Index of the fixed-point product of TensorFlow Lite's kernels: (sums, multiplier, shift) -> sums, all i32 lanes. */
export function fixedProduct(context: KernelContext): number {
  return vectorFunction(context, "fixed product", 3, (code) => {
    const local = () => code.local(type.v128);
    const [left, right, x, halves, sign] = [local(), local(), local(), local(), local()];
    const power = (n: number): void => {
      powerOfTwo(code, n);
      code.op(op["i32x4.trunc_sat_f32x4_s"]);
    };
    code.get(2);
    splatI32(code, 0).op(op["i32x4.max_s"]).set(left);
    // 2^(30 - e) for a shift of e to the right.
    code.get(2);
    splatI32(code, 0).op(op["i32x4.min_s"]);
    splatI32(code, 30).op(op["i32x4.add"]);
    splatI32(code, 0).op(op["i32x4.max_s"]).set(right);
    code.get(0);
    power(left);
    code.op(op["i32x4.mul"]).set(x);
    // The upper half of the doubled product, rounded to nearest.
    for (const part of ["low", "high"] as const) {
      code.get(x).get(1).op(op[`i64x2.extmul_${part}_i32x4_s`]);
      code
        .v128(1 << 30, 0, 1 << 30, 0)
        .op(op["i64x2.add"])
        .i32(31)
        .op(op["i64x2.shr_u"]);
      if (part === "low") code.set(halves);
    }
    code.set(sign).get(halves).get(sign).shuffle(0x03020100, 0x0b0a0908, 0x13121110, 0x1b1a1918).set(x);
    power(right);
    code.set(right);
    // Divided by 2^e, halves away from zero.
    for (const part of ["low", "high"] as const) {
      code.get(x).get(right).op(op[`i64x2.extmul_${part}_i32x4_s`]);
      code.get(x).i32(31).op(op["i32x4.shr_s"]).op(op[`i64x2.extend_${part}_i32x4_s`]).op(op["i64x2.add"]);
      code
        .v128(1 << 29, 0, 1 << 29, 0)
        .op(op["i64x2.add"])
        .i32(30)
        .op(op["i64x2.shr_u"]);
      if (part === "low") code.set(halves);
    }
    code.set(sign).get(halves).get(sign).shuffle(0x03020100, 0x0b0a0908, 0x13121110, 0x1b1a1918);
  });
}
