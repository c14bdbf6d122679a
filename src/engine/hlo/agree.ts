// Whether two results agree as a self-checking program demands: equal, within a distance, or within some steps between
// representable numbers.

import { dtypes, isComplex, isFloat, partType } from "./dtype.ts";
import type { Check } from "./graph.ts";
import { sameType, type Tensor, toNumbers, typeText } from "./tensor.ts";

/** Floats as integers that count representable numbers from zero: neighbours differ by one. */
function orderOf({ dtype, data }: Tensor): bigint[] {
  const bits = BigInt(dtypes[partType(dtype)].bits);
  const unsigned =
    bits === 64n
      ? new BigUint64Array(data.buffer, data.byteOffset, data.length)
      : bits === 32n
        ? new Uint32Array(data.buffer, data.byteOffset, data.length)
        : new Uint16Array(data.buffer, data.byteOffset, data.length);
  const sign = 1n << (bits - 1n);
  return Array.from(unsigned as ArrayLike<number | bigint>, (each) => {
    const value = BigInt(each);
    return value & sign ? sign - value : value;
  });
}

/** Why two results do not agree; undefined when they do. NaN agrees with NaN. */
export function disagreement({ exact, tolerance }: Check, actual: Tensor, expected: Tensor): string | undefined {
  if (!sameType(actual, expected)) return `types ${typeText(actual)} and ${typeText(expected)} differ`;
  const [got, wanted] = [toNumbers(actual), toNumbers(expected)];
  const inexact = !exact && (isFloat(actual.dtype) || isComplex(actual.dtype));
  const ulps = tolerance && "ulps" in tolerance ? BigInt(tolerance.ulps) : undefined;
  const orders = inexact && ulps !== undefined ? [orderOf(actual), orderOf(expected)] : undefined;
  for (let i = 0; i < got.length; i++) {
    const [a, b] = [got[i]!, wanted[i]!];
    if (actual.data[i] === expected.data[i] || a === b || (Number.isNaN(a) && Number.isNaN(b))) {
      // Numbers of 64 bits may be equal as floats only.
      if (typeof actual.data[i] !== "bigint" || actual.data[i] === expected.data[i]) continue;
    }
    if (orders) {
      const distance = orders[0]![i]! - orders[1]![i]!;
      if (!Number.isNaN(a) && !Number.isNaN(b) && distance <= ulps! && distance >= -ulps!) continue;
      return `element ${i} is ${a}, expected ${b}: ${distance} steps apart`;
    }
    if (inexact) {
      const limit = tolerance && "absolute" in tolerance ? tolerance.absolute : 1e-6 + 1e-5 * Math.abs(b);
      if (Math.abs(a - b) <= limit) continue;
    }
    return `element ${i} is ${String(actual.data[i])} (${a}), expected ${String(expected.data[i])} (${b})`;
  }
  return undefined;
}
