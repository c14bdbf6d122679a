// Orders: elements as integers that compare as the elements do, and what a sort's comparator compares.

import { type DType, isComplex, isFloat } from "../hlo/dtype.ts";
import { is, type Region, type Value } from "../hlo/graph.ts";
import { type Tensor, toNumbers } from "../hlo/tensor.ts";

/** Integers (or bigints) in the order of the elements. */
export type Keys = Int32Array | Uint32Array | BigInt64Array | BigUint64Array | Uint8Array;

/** Keys of floats in IEEE 754's total order: negative numbers have their other bits turned round. */
export function totalOrderKeys({ dtype, data }: Tensor): Keys {
  const { buffer, byteOffset, length } = data;
  if (dtype === "f64") {
    const keys = new BigInt64Array(buffer, byteOffset, length).slice();
    for (let i = 0; i < length; i++) keys[i] = keys[i]! < 0n ? keys[i]! ^ 0x7fffffffffffffffn : keys[i]!;
    return keys;
  }
  if (dtype === "f32") {
    const keys = new Int32Array(buffer, byteOffset, length).slice();
    for (let i = 0; i < length; i++) keys[i]! ^= (keys[i]! >> 31) & 0x7fffffff;
    return keys;
  }
  const keys = Int32Array.from(new Int16Array(buffer, byteOffset, length));
  for (let i = 0; i < length; i++) keys[i]! ^= (keys[i]! >> 31) & 0x7fff;
  return keys;
}

/** One operand by which a sort orders. */
export interface SortKey {
  readonly operand: number;
  readonly falling: boolean;
  /** Floats by total order; otherwise zeros are equal, and NaN is to be left to the comparator. */
  readonly total: boolean;
  /** Both zeros count as one, every NaN as the positive one. */
  readonly zeros: boolean;
  readonly nans: boolean;
}

/**
 * What a comparator compares, most significant first: one comparison, or `a < b or (a = b and ...)` as JAX writes it,
 * of operands that may have their zeros and NaNs made equal first. Undefined for any other body.
 */
export function sortKeysOf(region: Region): SortKey[] | undefined {
  const [result] = region.results;
  return result && region.results.length === 1 ? keysOf(result, region) : undefined;
}

function keysOf(value: Value, region: Region): SortKey[] | undefined {
  const operation = value.producer;
  if (is(operation, "compare")) {
    const { direction } = operation.attributes;
    const key = direction === "LT" || direction === "GT" ? comparedKey(operation, region) : undefined;
    return key && [key];
  }
  if (!is(operation, "or")) return undefined;
  for (const [first, second] of [operation.operands, [...operation.operands].reverse()]) {
    const [key] = keysOf(first!, region) ?? [];
    const both = second!.producer;
    if (!key || !is(both, "and")) continue;
    for (const [equal, rest] of [both.operands, [...both.operands].reverse()]) {
      const tie = equal!.producer;
      if (!is(tie, "compare") || tie.attributes.direction !== "EQ") continue;
      const same = comparedKey(tie, region);
      if (!same || same.operand !== key.operand || same.zeros !== key.zeros || same.nans !== key.nans) continue;
      const further = keysOf(rest!, region);
      if (further) return [key, ...further];
    }
  }
  return undefined;
}

function comparedKey(
  { attributes, operands }: { attributes: { direction: string; total?: boolean }; operands: readonly Value[] },
  region: Region,
): SortKey | undefined {
  const left = canonical(operands[0]!, region);
  const right = canonical(operands[1]!, region);
  if (!left || !right || left.zeros !== right.zeros || left.nans !== right.nans) return undefined;
  const swapped = left.parameter === right.parameter + 1;
  const first = swapped ? right.parameter : left.parameter;
  if (first % 2 !== 0 || Math.abs(left.parameter - right.parameter) !== 1) return undefined;
  const falling = (attributes.direction === "GT") !== swapped;
  return { operand: first / 2, falling, total: attributes.total === true, zeros: left.zeros, nans: left.nans };
}

interface Canonical {
  readonly parameter: number;
  readonly zeros: boolean;
  readonly nans: boolean;
}

/** A parameter, perhaps with its zeros or NaNs replaced by one of them. */
function canonical(value: Value, region: Region): Canonical | undefined {
  const parameter = region.parameters.indexOf(value);
  if (parameter >= 0) return { parameter, zeros: false, nans: false };
  const operation = value.producer;
  if (!is(operation, "select")) return undefined;
  const [predicate, yes, no] = operation.operands;
  const inner = canonical(no!, region);
  const compare = predicate!.producer;
  if (!inner || !is(compare, "compare")) return undefined;
  const [x, y] = compare.operands;
  if (canonical(x!, region)?.parameter !== inner.parameter) return undefined;
  const { direction } = compare.attributes;
  if (direction === "EQ" && Object.is(scalarOf(yes!), 0) && scalarOf(y!) === 0) return { ...inner, zeros: true };
  if (direction === "NE" && x === y && Number.isNaN(scalarOf(yes!))) return { ...inner, nans: true };
  return undefined;
}

function scalarOf({ producer }: Value): number | undefined {
  return is(producer, "constant") && producer.attributes.value.shape.length === 0
    ? toNumbers(producer.attributes.value)[0]
    : undefined;
}

/** The keys of an operand; undefined when only the comparator itself can tell (NaN without total order, complex). */
export function keysFor(tensor: Tensor, { total, zeros, nans, falling }: SortKey): Keys | undefined {
  const { dtype } = tensor;
  if (isComplex(dtype)) return undefined;
  const keys = isFloat(dtype) ? floatKeys(tensor, { total, zeros, nans }) : integerKeys(tensor);
  if (!keys || !falling) return keys;
  const turned = keys.slice();
  if (turned instanceof BigInt64Array || turned instanceof BigUint64Array) {
    for (let i = 0; i < turned.length; i++) turned[i] = ~turned[i]!;
  } else for (let i = 0; i < turned.length; i++) turned[i] = ~turned[i]!;
  return turned;
}

function integerKeys({ dtype, data }: Tensor): Keys {
  if (dtype === "i64" || dtype === "u64") return data as BigInt64Array;
  return dtype === "u32" ? (data as Uint32Array) : Int32Array.from(data as Int8Array);
}

/** Keys of the quiet NaN and of infinity: their bits. */
const notable: Partial<Record<DType, { nan: number | bigint; infinity: number | bigint }>> = {
  f64: { nan: 0x7ff8000000000000n, infinity: 0x7ff0000000000000n },
  f32: { nan: 0x7fc00000, infinity: 0x7f800000 },
  f16: { nan: 0x7e00, infinity: 0x7c00 },
  bf16: { nan: 0x7fc0, infinity: 0x7f80 },
};

function floatKeys(tensor: Tensor, how: { total: boolean; zeros: boolean; nans: boolean }): Keys | undefined {
  const keys = totalOrderKeys(tensor) as { [index: number]: number | bigint; readonly length: number };
  const { nan, infinity } = notable[tensor.dtype]!;
  // Keys of negative numbers are the complements of the positive ones': -1 is that of -0.
  const [minusZero, zero, lowest] = typeof infinity === "bigint" ? [-1n, 0n, ~infinity] : [-1, 0, ~infinity];
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!;
    if (key > infinity || key < lowest) {
      if (!how.total) return undefined;
      if (how.nans) keys[i] = nan;
    } else if (key === minusZero && (how.zeros || !how.total)) keys[i] = zero;
  }
  return keys as Keys;
}
