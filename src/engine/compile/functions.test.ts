import { expect, test } from "vitest";
import { op, type } from "../../wasm/opcodes.ts";
import { fixedProduct, importedFunctions, moduleContext, shared } from "./functions.ts";

type Name = Parameters<typeof shared>[1];

/** Runs a shared function on numbers. */
function apply(name: Name, numbers: Float32Array): Float32Array {
  const { module, context } = moduleContext({ relaxed: false });
  const index = shared(context, name);
  const main = module.function(module.type([type.i32, type.i32]), "main");
  const { code } = main;
  const top = code.loop();
  code.get(0).get(0).memory(op["v128.load"]).call(index).memory(op["v128.store"]);
  code.get(0).i32(16).op(op["i32.add"]).tee(0).get(1).op(op["i32.lt_u"]).brIf(top).end();
  module.exportFunction("main", main.index);
  const memory = new WebAssembly.Memory({ initial: Math.ceil(numbers.byteLength / 65536) });
  const imports = { env: { memory }, math: importedFunctions() };
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.finish()), imports);
  const data = new Float32Array(memory.buffer, 0, numbers.length);
  data.set(numbers);
  (instance.exports["main"] as (from: number, to: number) => void)(0, numbers.byteLength);
  return data;
}

/** erfc by its continued fraction and series, in doubles. */
function erfc(x: number): number {
  if (x < 0) return 2 - erfc(-x);
  if (x < 2.5) {
    let [term, sum] = [x, x];
    for (let n = 1; n < 80; n++) sum += (term *= -(x * x) / n) / (2 * n + 1);
    return 1 - (2 / Math.sqrt(Math.PI)) * sum;
  }
  let f = 0;
  for (let k = 120; k > 0; k--) f = k / 2 / (x + f);
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + f);
}
function erf(x: number): number {
  if (Math.abs(x) > 0.5) return 1 - erfc(x);
  let [term, sum] = [x, x];
  for (let n = 1; n < 40; n++) sum += (term *= -(x * x) / n) / (2 * n + 1);
  return (2 / Math.sqrt(Math.PI)) * sum;
}

const references: readonly [Name, (x: number) => number, number, number, number][] = [
  ["exp", Math.exp, -110, 95, 2],
  ["expm1", Math.expm1, -30, 95, 3],
  ["log", Math.log, 0, 100, 2],
  ["log1p", Math.log1p, -1, 10, 3],
  ["tanh", Math.tanh, -12, 12, 4],
  ["logistic", (x) => 1 / (1 + Math.exp(-x)), -85, 40, 4],
  ["erf", erf, -5, 5, 6],
  ["erfc", erfc, -5, 9, 8],
  ["sin", Math.sin, -1000, 1000, 3],
  ["cos", Math.cos, -1000, 1000, 3],
  ["sin", Math.sin, -3e6, 3e6, 3],
];

test.each(references)("%s is within a few units in the last place", (name, reference, from, to, units) => {
  const numbers = new Float32Array(40_000);
  for (let i = 0; i < numbers.length; i++) {
    // Evenly, and close to zero.
    numbers[i] =
      i % 2 === 0
        ? from + ((to - from) * i) / numbers.length
        : (i % 4 === 1 ? 1 : from < 0 ? -1 : 1) * 2 ** (-(i % 997) / 9);
  }
  if (from < 0) numbers.set([0, -0, -Infinity, Infinity, NaN]);
  else numbers.set([0, -1, 1e-42, Infinity, NaN]);
  const results = apply(name, numbers.slice());
  let worst = 0;
  for (let i = 0; i < numbers.length; i++) {
    // What is no normal number any more counts as 0.
    const exact = Math.fround(reference(numbers[i]!));
    const wanted = Math.abs(exact) < 2 ** -126 ? 0 : exact;
    const got = results[i]!;
    if (!Number.isFinite(wanted) || Number.isNaN(got)) {
      expect([name, numbers[i], got]).toEqual([name, numbers[i], wanted]);
      continue;
    }
    const unit = Math.max(2 ** -126, 2 ** Math.floor(Math.log2(Math.abs(wanted) || 2 ** -126))) * 2 ** -23;
    const error = Math.abs(got - wanted) / unit;
    if (error > worst) worst = error;
    if (error > units) expect.fail(`${name}(${numbers[i]}) is ${got}, should be ${wanted}: ${error} units`);
  }
  expect(worst).toBeLessThanOrEqual(units);
});

test("fixed-point products round as TensorFlow Lite's", () => {
  const { module, context } = moduleContext({ relaxed: false });
  const product = fixedProduct(context);
  const main = module.function(module.type([type.i32, type.i32, type.i32], [type.i32]), "main");
  for (const i of [0, 1, 2]) main.code.get(i).op(op["i32x4.splat"]);
  main.code.call(product).lane(op["i32x4.extract_lane"], 3);
  module.exportFunction("main", main.index);
  const memory = new WebAssembly.Memory({ initial: 1 });
  const imports = { env: { memory }, math: importedFunctions() };
  const run = new WebAssembly.Instance(new WebAssembly.Module(module.finish()), imports).exports["main"] as (
    ...numbers: number[]
  ) => number;
  const exact = (x: number, multiplier: number, shift: number): number => {
    const left = BigInt.asIntN(32, BigInt(x) << BigInt(Math.max(shift, 0)));
    const doubled = left * BigInt(multiplier);
    const high = (doubled + (doubled >= 0n ? 1n << 30n : 1n - (1n << 30n))) / (1n << 31n);
    const by = BigInt(Math.max(-shift, 0));
    const rest = high & ((1n << by) - 1n);
    const threshold = (((1n << by) - 1n) >> 1n) + (high < 0n ? 1n : 0n);
    return Number((high >> by) + (rest > threshold ? 1n : 0n));
  };
  let seed = 1;
  const random = () => (seed = (Math.imul(seed, 1103515245) + 12345) | 0);
  for (let i = 0; i < 20_000; i++) {
    const [x, multiplier, shift] = [random() >> (i % 24), (random() >>> 2) | (1 << 30), -(i % 20)];
    expect([x, multiplier, shift, run(x, multiplier, shift)]).toEqual([
      x,
      multiplier,
      shift,
      exact(x, multiplier, shift),
    ]);
  }
  for (const x of [-3, 5, 1000]) expect(run(x, 1 << 30, 3)).toBe(exact(x, 1 << 30, 3));
});
