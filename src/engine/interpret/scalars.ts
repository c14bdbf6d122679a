// One element from the operands' elements: the function of every elementwise operation on its types.

import { CerebroError } from "../../base/errors.ts";
import { type DType, dtypes, integerRange, isComplex, isFloat, isWide, kindOf } from "../hlo/dtype.ts";
import { is, type Operation } from "../hlo/graph.ts";
import { type Direction, type OpName } from "../hlo/ops.ts";
import { complexes } from "./complex.ts";
import { type Complex, normalise, type Scalar } from "./elements.ts";
import { floats } from "./floats.ts";
import { booleans, integers, wides } from "./integers.ts";
import { nextAfter, reducePrecision } from "./rounding.ts";

export type ElementFunction = (a: Scalar, b: Scalar, c: Scalar) => Scalar;

function tableOf(dtype: DType): Partial<Record<OpName, unknown>> {
  if (isWide(dtype)) return wides(dtype);
  if (isFloat(dtype)) return floats;
  if (isComplex(dtype)) return complexes;
  return dtype === "i1" ? booleans : integers(dtype);
}

/** What an elementwise operation does to one element of each operand; its result is not yet rounded or wrapped. */
export function functionOf(operation: Operation): ElementFunction {
  const dtype = operation.operands[0]!.type.dtype;
  if (is(operation, "compare")) {
    const { direction, total } = operation.attributes;
    return comparison(dtype, direction, total === true) as unknown as ElementFunction;
  }
  if (is(operation, "convert")) return conversion(dtype, operation.attributes.dtype) as (value: Scalar) => Scalar;
  if (operation.op === "select") return (predicate, yes, no) => (predicate === 0 ? no : yes);
  if (operation.op === "complex") return (real, imaginary) => [real as number, imaginary as number];
  if (operation.op === "nextAfter") return nextAfter(dtype) as unknown as ElementFunction;
  if (is(operation, "reducePrecision")) {
    return reducePrecision(operation.attributes) as unknown as ElementFunction;
  }
  const found = tableOf(dtype)[operation.op];
  if (!found) {
    const where = operation.origin === undefined ? "" : `${operation.origin}: `;
    throw new CerebroError("unsupported", `${where}${operation.op} has no meaning on ${dtype}`);
  }
  return found as ElementFunction;
}

/** An operation's function with its result rounded or wrapped. */
export function exactFunctionOf(operation: Operation): ElementFunction {
  const apply = functionOf(operation);
  const round = normalise[operation.results[0]!.type.dtype] as (value: Scalar) => Scalar;
  return (a, b, c) => round(apply(a, b, c));
}

/** Where a float stands in IEEE 754's total order; NaN counts as positive. */
function place(x: number): number {
  return Number.isNaN(x) ? Infinity : x;
}
function totalLess(a: number, b: number): boolean {
  if (Number.isNaN(b)) return !Number.isNaN(a);
  const [left, right] = [place(a), place(b)];
  return left < right || (left === 0 && right === 0 && Object.is(a, -0) && !Object.is(b, -0));
}

function comparison(dtype: DType, direction: Direction, total: boolean): (a: never, b: never) => number {
  if (isComplex(dtype)) {
    // By the real parts, then by the imaginary ones.
    const compare = comparisons[direction];
    if (direction === "EQ" || direction === "NE") {
      const equal = (a: Complex, b: Complex) => a[0] === b[0] && a[1] === b[1];
      return (a: Complex, b: Complex) => (equal(a, b) === (direction === "EQ") ? 1 : 0);
    }
    return (a: Complex, b: Complex) => (a[0] === b[0] ? compare(a[1], b[1]) : compare(a[0], b[0]));
  }
  if (total && isFloat(dtype)) {
    const tables: Record<Direction, (a: number, b: number) => boolean> = {
      EQ: (a, b) => Object.is(a, b),
      NE: (a, b) => !Object.is(a, b),
      LT: totalLess,
      LE: (a, b) => !totalLess(b, a),
      GT: (a, b) => totalLess(b, a),
      GE: (a, b) => !totalLess(a, b),
    };
    const compare = tables[direction];
    return (a: number, b: number) => (compare(a, b) ? 1 : 0);
  }
  return comparisons[direction];
}
export const comparisons: Record<Direction, (a: number, b: number) => number> = {
  EQ: (a, b) => (a === b ? 1 : 0),
  NE: (a, b) => (a !== b ? 1 : 0),
  LT: (a, b) => (a < b ? 1 : 0),
  LE: (a, b) => (a <= b ? 1 : 0),
  GT: (a, b) => (a > b ? 1 : 0),
  GE: (a, b) => (a >= b ? 1 : 0),
};

/** A double that rounds to the smaller float types as the bigint itself would: cut to 53 bits, the last one sticky. */
function stickyNumber(value: bigint): number {
  const size = value < 0n ? -value : value;
  if (size < 1n << 53n) return Number(value);
  const shift = BigInt(size.toString(2).length - 53);
  const kept = size >> shift;
  const sticky = kept << shift === size ? kept : kept | 1n;
  const number = Number(sticky) * 2 ** Number(shift);
  return value < 0n ? -number : number;
}

/**
 * From one type to another. Integers wrap; floats become integers towards zero, at most the type's extremes, and NaN
 * becomes 0, as XLA does; anything but 0 is true.
 */
export function conversion(from: DType, to: DType): (value: never) => Scalar {
  if (from === to) return (value: Scalar) => value;
  if (isComplex(from)) {
    if (isComplex(to)) return (value: Complex) => value;
    if (to === "i1") return ([real, imaginary]: Complex) => (real !== 0 || imaginary !== 0 ? 1 : 0);
    const rest = conversion(partOf(from), to) as (value: number) => Scalar;
    return ([real]: Complex) => rest(real);
  }
  if (isComplex(to)) {
    const first = conversion(from, partOf(to)) as (value: Scalar) => number;
    return (value: Scalar) => [first(value), 0];
  }
  const wide = isWide(from);
  if (to === "i1") return wide ? (value: bigint) => (value === 0n ? 0 : 1) : (value: number) => (value === 0 ? 0 : 1);
  if (isFloat(to)) {
    if (!wide) return (value: number) => value;
    return to === "f64" ? (value: bigint) => Number(value) : stickyNumber;
  }
  if (isFloat(from)) return isWide(to) ? saturatingWide(to) : saturating(to);
  if (isWide(to)) return wide ? (value: bigint) => value : (value: number) => BigInt(value);
  if (!wide) return (value: number) => value;
  const signed = kindOf(to) === "signed";
  const { bits } = dtypes[to];
  return (value: bigint) => Number(signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value));
}
const partOf = (dtype: DType): DType => (dtype === "c64" ? "f32" : "f64");

function saturating(to: DType): (value: number) => number {
  const range = integerRange(to);
  const [min, max] = [Number(range.min), Number(range.max)];
  return (value) => (Number.isNaN(value) ? 0 : Math.min(Math.max(Math.trunc(value), min), max));
}
function saturatingWide(to: DType): (value: number) => bigint {
  const { min, max } = integerRange(to);
  return (value) => {
    if (Number.isNaN(value)) return 0n;
    if (value <= Number(min)) return min;
    if (value >= Number(max)) return max;
    return BigInt(Math.trunc(value));
  };
}
