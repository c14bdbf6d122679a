// Operations on integers and booleans; the caller wraps to the type. Division by zero gives -1, the remainder the
// dividend, and shifts beyond the width what shifting bit by bit would: as XLA has them.

import { type DType, dtypes, kindOf } from "../hlo/dtype.ts";
import type { OpName } from "../hlo/ops.ts";
import type { NumberFunction } from "./floats.ts";

export type WideFunction = (a: bigint, b: bigint, c: bigint) => bigint;

/** Base to the power by squaring, modulo 2^32. Negative powers are 0 except of 1 and -1. */
function power(base: number, exponent: number): number {
  if (exponent < 0) return base === 1 ? 1 : base === -1 ? (exponent % 2 === 0 ? 1 : -1) : 0;
  let [result, square] = [1, base];
  for (let rest = exponent; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result = Math.imul(result, square);
    square = Math.imul(square, square);
  }
  return result;
}
function widePower(base: bigint, exponent: bigint): bigint {
  if (exponent < 0n) return base === 1n ? 1n : base === -1n ? (exponent % 2n === 0n ? 1n : -1n) : 0n;
  let [result, square] = [1n, base];
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = BigInt.asUintN(64, result * square);
    square = BigInt.asUintN(64, square * square);
  }
  return result;
}
function ones(bits: number): number {
  let count = 0;
  for (let rest = bits >>> 0; rest !== 0; rest &= rest - 1) count++;
  return count;
}
function significant(value: bigint): number {
  return value === 0n ? 0 : value.toString(2).length;
}

/** The functions of a type of at most 32 bits. */
export function integers(dtype: DType): Partial<Record<OpName, NumberFunction>> {
  const { bits } = dtypes[dtype];
  const signed = kindOf(dtype) === "signed";
  const mask = bits === 32 ? -1 : (1 << bits) - 1;
  const within = (count: number) => count >= 0 && count < bits;
  return {
    abs: Math.abs,
    countLeadingZeros: (x) => Math.clz32(x & mask) - (32 - bits),
    negate: (x) => -x,
    not: (x) => ~x,
    populationCount: (x) => ones(x & mask),
    real: (x) => x,
    sign: Math.sign,
    add: (a, b) => a + b,
    and: (a, b) => a & b,
    divide: (a, b) => (b === 0 ? -1 : Math.trunc(a / b)),
    maximum: (a, b) => (a > b ? a : b),
    minimum: (a, b) => (a < b ? a : b),
    multiply: Math.imul,
    or: (a, b) => a | b,
    power,
    remainder: (a, b) => (b === 0 ? a : a % b),
    shiftLeft: (a, b) => (within(b) ? a << b : 0),
    shiftRightArithmetic: (a, b) => {
      const value = signed ? a : (a << (32 - bits)) >> (32 - bits);
      return within(b) ? value >> b : value < 0 ? -1 : 0;
    },
    shiftRightLogical: (a, b) => (within(b) ? (a & mask) >>> b : 0),
    subtract: (a, b) => a - b,
    xor: (a, b) => a ^ b,
    clamp: (low, x, high) => Math.min(Math.max(x, low), high),
  };
}

/** The functions of i64 and u64. */
export function wides(dtype: DType): Partial<Record<OpName, WideFunction>> {
  const wrapUnsigned = (x: bigint) => BigInt.asUintN(64, x);
  const within = (count: bigint) => count >= 0n && count < 64n;
  return {
    abs: (x) => (x < 0n ? -x : x),
    countLeadingZeros: (x) => BigInt(64 - significant(wrapUnsigned(x))),
    negate: (x) => -x,
    not: (x) => ~x,
    populationCount: (x) => {
      const value = wrapUnsigned(x);
      return BigInt(ones(Number(value & 0xffffffffn)) + ones(Number(value >> 32n)));
    },
    real: (x) => x,
    sign: (x) => (x > 0n ? 1n : x < 0n ? -1n : 0n),
    add: (a, b) => a + b,
    and: (a, b) => a & b,
    divide: (a, b) => (b === 0n ? -1n : a / b),
    maximum: (a, b) => (a > b ? a : b),
    minimum: (a, b) => (a < b ? a : b),
    multiply: (a, b) => a * b,
    or: (a, b) => a | b,
    power: widePower,
    remainder: (a, b) => (b === 0n ? a : a % b),
    shiftLeft: (a, b) => (within(b) ? a << b : 0n),
    shiftRightArithmetic: (a, b) => {
      const value = dtype === "i64" ? a : BigInt.asIntN(64, a);
      return within(b) ? value >> b : value < 0n ? -1n : 0n;
    },
    shiftRightLogical: (a, b) => (within(b) ? wrapUnsigned(a) >> b : 0n),
    subtract: (a, b) => a - b,
    xor: (a, b) => a ^ b,
    clamp: (low, x, high) => {
      const raised = x < low ? low : x;
      return raised > high ? high : raised;
    },
  };
}

/** i1: add is or, multiply is and. */
export const booleans: Partial<Record<OpName, NumberFunction>> = {
  not: (x) => x ^ 1,
  real: (x) => x,
  add: (a, b) => a | b,
  and: (a, b) => a & b,
  maximum: (a, b) => a | b,
  minimum: (a, b) => a & b,
  multiply: (a, b) => a & b,
  or: (a, b) => a | b,
  subtract: (a, b) => a ^ b,
  xor: (a, b) => a ^ b,
  clamp: (low, x, high) => (x | low) & high,
};
