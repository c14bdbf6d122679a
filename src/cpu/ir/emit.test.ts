import { expect, test } from "vitest";
import { ModuleBuilder } from "../../wasm/module.ts";
import { op, type } from "../../wasm/opcodes.ts";
import { defineHelper, emitBits, emitCondition, emitConditionOfBits, emitPure, type EmitContext } from "./emit.ts";
import { FlagKind, flagImmediate, type Size } from "./flags.ts";
import { opNumber } from "./ops.ts";

type Fn = (...args: unknown[]) => unknown;

/** Builds a module of functions whose parameters are the operands. */
function build(functions: Record<string, { args: number[]; result: number; body: (context: EmitContext) => void }>) {
  const to = new ModuleBuilder();
  const helpers = new Map<string, number>();
  const helper: EmitContext["helper"] = (name) => {
    let index = helpers.get(name);
    if (index === undefined) helpers.set(name, (index = defineHelper(to, name, helper)));
    return index;
  };
  for (const name of ["div128_u", "div128_s", "cc_bits"] as const) to.exportFunction(name, helper(name));
  for (const [name, { args, result, body }] of Object.entries(functions)) {
    const { index, code } = to.function(to.type(args, [result]));
    body({
      code,
      operand: (i) => void code.get(i),
      scratch: (valueType) => code.local(valueType),
      helper,
    });
    to.exportFunction(name, index);
  }
  return new WebAssembly.Instance(new WebAssembly.Module(to.finish()), {}).exports as Record<string, Fn>;
}

const samples = [
  0n,
  1n,
  2n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0x8000n,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  0x100000000n,
];
const numbers = [...samples, 0x7fffffffffffffffn, 0x8000000000000000n, 0xffffffffffffffffn, 0x123456789abcdef0n];
const unsigned = (value: unknown) => BigInt.asUintN(64, value as bigint);

test("products and quotients of 128 bits agree with BigInt", () => {
  const names = ["i64.mulhi_u", "i64.mulhi_s", "i64.div128_u", "i64.rem128_u", "i64.div128_s", "i64.rem128_s"];
  const wasm = build(
    Object.fromEntries(
      names.map((name) => [
        name,
        {
          args: [type.i64, type.i64, ...(name.includes("mul") ? [] : [type.i64])],
          result: type.i64,
          body: (context: EmitContext) => emitPure(context, opNumber(name), 0),
        },
      ]),
    ),
  );
  const signed = (n: bigint) => BigInt.asIntN(64, n);
  for (const a of numbers)
    for (const b of numbers) {
      expect(unsigned(wasm["i64.mulhi_u"]!(a, b))).toBe((a * b) >> 64n);
      expect(wasm["i64.mulhi_s"]!(a, b)).toBe((signed(a) * signed(b)) >> 64n);
      for (const divisor of numbers) {
        if (divisor === 0n) continue;
        const dividend = (a << 64n) | b;
        if (a < divisor) {
          expect(unsigned(wasm["i64.div128_u"]!(a, b, divisor))).toBe(dividend / divisor);
          expect(unsigned(wasm["i64.rem128_u"]!(a, b, divisor))).toBe(dividend % divisor);
        }
        const [n, d] = [BigInt.asIntN(128, dividend), signed(divisor)];
        if (n / d === signed(n / d)) {
          expect(wasm["i64.div128_s"]!(a, b, divisor)).toBe(n / d);
          expect(wasm["i64.rem128_s"]!(a, b, divisor)).toBe(n % d);
        }
      }
    }
});

/** EFLAGS of an operation by the manual's words, in BigInt. */
function reference(kind: number, size: Size, rawA: bigint, rawB: bigint, c: bigint): number {
  const width = BigInt(8 << size);
  const cut = (n: bigint) => BigInt.asUintN(Number(width), n);
  const sign = (n: bigint) => (cut(n) >> (width - 1n)) & 1n;
  const signed = (n: bigint) => BigInt.asIntN(Number(width), n);
  const [a, b] = [cut(rawA), cut(rawB)];
  let [result, carry, overflow, adjust] = [a, 0n, 0n, 0n];
  const over = (exact: bigint) => BigInt(exact !== signed(exact));
  const { add, sub, adc, sbb, inc, dec, shl, shr, sar, mul } = FlagKind;
  if (kind === add || kind === adc) {
    const extra = kind === adc ? c : 0n;
    result = cut(a + b + extra);
    carry = BigInt(a + b + extra !== result);
    overflow = over(signed(a) + signed(b) + extra);
    adjust = BigInt((a & 15n) + (b & 15n) + extra > 15n);
  } else if (kind === sub || kind === sbb) {
    const extra = kind === sbb ? c : 0n;
    result = cut(a - b - extra);
    carry = BigInt(a - b - extra < 0n);
    overflow = over(signed(a) - signed(b) - extra);
    adjust = BigInt((a & 15n) - (b & 15n) - extra < 0n);
  } else if (kind === inc || kind === dec) {
    carry = b & 1n;
    const before = kind === inc ? a - 1n : a + 1n;
    overflow = over(kind === inc ? signed(before) + 1n : signed(before) - 1n);
    adjust = kind === inc ? BigInt((a & 15n) === 0n) : BigInt((a & 15n) === 15n);
  } else if (kind === shl) {
    carry = ((b << c) >> width) & 1n;
    overflow = carry ^ sign(a);
  } else if (kind === shr || kind === sar) {
    carry = ((kind === shr ? b : signed(b)) >> (c - 1n)) & 1n;
    overflow = sign(a) ^ sign(b);
  } else if (kind === mul) overflow = carry = b & 1n;
  const ones = [...(result & 0xffn).toString(2)].filter((digit) => digit === "1").length;
  const parity = BigInt(ones % 2 === 0);
  return Number(
    carry | (parity << 2n) | (adjust << 4n) | (BigInt(result === 0n) << 6n) | (sign(result) << 7n) | (overflow << 11n),
  );
}

function condition(bits: number, code: number): number {
  const [cf, pf, zf, sf, of] = [1, 4, 0x40, 0x80, 0x800].map((bit) => (bits & bit) !== 0) as [
    boolean,
    boolean,
    boolean,
    boolean,
    boolean,
  ];
  const truth = [of, cf, zf, cf || zf, sf, pf, sf !== of, zf || sf !== of][code >> 1]!;
  return Number(truth) ^ (code & 1);
}

test("flags and conditions of every kind and size are what the manual says", () => {
  const kinds = Object.values(FlagKind).filter((kind) => kind !== FlagKind.bits);
  const sizes: Size[] = [0, 1, 2, 3];
  const functions: Parameters<typeof build>[0] = {};
  for (const kind of kinds)
    for (const size of sizes) {
      const args = Array<number>(3).fill(size === 3 ? type.i64 : type.i32);
      functions[`bits ${kind} ${size}`] = {
        args,
        result: type.i32,
        body: (context) => emitBits(context, kind, size),
      };
      for (let code = 0; code < 16; code++)
        functions[`${kind} ${size} ${code}`] = {
          args,
          result: type.i32,
          body: (context) => emitCondition(context, kind, size, code),
        };
    }
  for (let code = 0; code < 16; code++)
    functions[`of bits ${code}`] = {
      args: [type.i32],
      result: type.i32,
      body: ({ code: to }) => emitConditionOfBits(to, 0, code),
    };
  const wasm = build(functions);
  for (const kind of kinds)
    for (const size of sizes)
      for (const a of numbers)
        for (const b of numbers) {
          const shift = kind >= FlagKind.shl && kind <= FlagKind.sar;
          const third = shift ? [1n, 3n, BigInt(8 << size) - 1n] : [0n, 1n];
          for (const c of third) {
            // inc, dec and mul keep a carry in b.
            const second = kind === FlagKind.inc || kind === FlagKind.dec || kind === FlagKind.mul ? b & 1n : b;
            const operands = size === 3 ? [a, second, c] : [a, second, c].map((n) => Number(BigInt.asIntN(32, n)));
            const expected = reference(kind, size, a, second, c);
            const where = `kind ${kind} size ${size} a ${a.toString(16)} b ${second.toString(16)} c ${c}`;
            const known = wasm[`bits ${kind} ${size}`]!(...operands);
            if (known !== expected) expect.fail(`${where}: flags ${known}, not ${expected}`);
            const generic = wasm["cc_bits"]!(flagImmediate(kind, size), a, second, c);
            if (generic !== expected) expect.fail(`${where}: cc_bits ${generic}, not ${expected}`);
            for (let code = 0; code < 16; code++) {
              const truth = condition(expected, code);
              const one = wasm[`${kind} ${size} ${code}`]!(...operands);
              const other = wasm[`of bits ${code}`]!(expected);
              if (one !== truth || other !== truth) expect.fail(`${where}: condition ${code} ${one} ${other}`);
            }
          }
        }
});

test("shuffles, lanes and choices are emitted", () => {
  const wasm = build({
    lane: {
      args: [type.i32],
      result: type.i32,
      body: ({ code }) =>
        emitPure(
          {
            code,
            operand: () => void code.get(0).op(op["i32x4.splat"]),
            scratch: (valueType) => code.local(valueType),
            helper: () => 0,
          },
          opNumber("i8x16.extract_lane_u"),
          6,
        ),
    },
    select: {
      args: [type.i32, type.i32, type.i32],
      result: type.i32,
      body: (context) => emitPure(context, opNumber("i32.select"), 0),
    },
  });
  expect(wasm["lane"]!(0x11223344)).toBe(0x22);
  expect([wasm["select"]!(1, 7, 8), wasm["select"]!(0, 7, 8)]).toEqual([7, 8]);
});
