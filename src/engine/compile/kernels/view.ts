// Strided views: which elements of which tensor a value's elements are, seen through reshapes, transposes and slices.

import { is, type Operation, type Value } from "../../hlo/graph.ts";
import { stridesOf } from "../../hlo/tensor.ts";

export interface View {
  /** The value in memory. */
  readonly base: Value;
  /** One for each dimension of the viewed value, in elements; 0 where elements repeat. */
  readonly strides: readonly number[];
  readonly offset: number;
  /** The operations that were seen through, last one first. */
  readonly through: readonly Operation[];
}

/** A value seen as it is in memory. */
export const plainView = (value: Value): View => ({
  base: value,
  strides: stridesOf(value.type.shape),
  offset: 0,
  through: [],
});

/** The view of a value that reaches furthest up. */
export function viewOf(value: Value): View {
  const operation = value.producer;
  if (operation === undefined) return plainView(value);
  const [operand] = operation.operands;
  if (is(operation, "transpose")) {
    const inner = viewOf(operand!);
    return seen(
      inner,
      operation,
      operation.attributes.permutation.map((from) => inner.strides[from]!),
    );
  }
  if (is(operation, "reshape")) {
    const inner = viewOf(operand!);
    const strides = reshaped(operand!.type.shape, inner.strides, value.type.shape);
    return strides ? seen(inner, operation, strides) : plainView(value);
  }
  if (is(operation, "broadcastInDim")) {
    const inner = viewOf(operand!);
    const { dimensions } = operation.attributes;
    return seen(
      inner,
      operation,
      value.type.shape.map((_, i) => {
        const from = dimensions.indexOf(i);
        return from < 0 || operand!.type.shape[from] === 1 ? 0 : inner.strides[from]!;
      }),
    );
  }
  if (is(operation, "slice")) {
    const inner = viewOf(operand!);
    const { start, strides } = operation.attributes;
    const offset = start.reduce((sum, at, i) => sum + at * inner.strides[i]!, 0);
    return seen(
      inner,
      operation,
      strides.map((step, i) => step * inner.strides[i]!),
      offset,
    );
  }
  return plainView(value);
}

function seen(inner: View, operation: Operation, strides: readonly number[], offset = 0): View {
  return { base: inner.base, strides, offset: inner.offset + offset, through: [operation, ...inner.through] };
}

/** Strides of a reshaped view, when its elements still lie at fixed distances. */
function reshaped(
  from: readonly number[],
  strides: readonly number[],
  to: readonly number[],
): readonly number[] | undefined {
  const dims = merged(from.map((extent, i) => ({ extent, strides: [strides[i]!] })));
  const result = to.map(() => 0);
  let at = dims.length - 1;
  let left = at >= 0 ? dims[at]!.extent : 1;
  let stride = at >= 0 ? dims[at]!.strides[0]! : 1;
  for (let i = to.length - 1; i >= 0; i--) {
    const extent = to[i]!;
    if (extent === 0) return undefined;
    if (extent === 1) continue;
    if (left === 1 && at > 0) {
      at--;
      left = dims[at]!.extent;
      stride = dims[at]!.strides[0]!;
    }
    if (left % extent !== 0) return undefined;
    result[i] = stride;
    stride *= extent;
    left /= extent;
  }
  return result;
}

/** A dimension that several tensors are walked along, each with its own stride. */
export interface Dimension {
  readonly extent: number;
  readonly strides: readonly number[];
}

/** The same walk with as few dimensions as possible: those of extent 1 left out, neighbours joined where they fit. */
export function merged(dimensions: readonly Dimension[]): Dimension[] {
  const result: Dimension[] = [];
  for (const { extent, strides } of dimensions) {
    if (extent === 1) continue;
    const last = result.at(-1);
    if (last && last.strides.every((stride, i) => stride === strides[i]! * extent)) {
      result[result.length - 1] = { extent: last.extent * extent, strides };
    } else result.push({ extent, strides });
  }
  return result;
}
