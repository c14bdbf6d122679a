// Index maps: which element of a value belongs to a point of an iteration space, as affine functions of its indices.

import { is, type Operation } from "../hlo/graph.ts";
import { stridesOf } from "../hlo/tensor.ts";

/** Index along a dimension of a value: `offset` plus `steps[k]` times the k-th index of the space. */
interface Index {
  readonly offset: number;
  readonly steps: readonly number[];
}

/** One index for each dimension of a value. */
export type IndexMap = readonly Index[];

/** Where a value's elements lie in memory, by the indices of a space: in elements. */
export interface Walk {
  readonly offset: number;
  readonly strides: readonly number[];
}

/**
 * The map of a value whose dimensions are the space's from `from` on. What has one element does not move: equal
 * elements have equal maps.
 */
export function identity(space: readonly number[], from: number, count: number): IndexMap {
  return Array.from({ length: count }, (_, i) => ({
    offset: 0,
    steps: space.map((extent, k) => (k === from + i && extent !== 1 ? 1 : 0)),
  }));
}

/** A map's place in memory: the value lies in row-major order. */
export function walkOf(map: IndexMap, shape: readonly number[], rank: number): Walk {
  const strides = stridesOf(shape);
  let offset = 0;
  const steps = Array.from({ length: rank }, () => 0);
  map.forEach((index, d) => {
    offset += index.offset * strides[d]!;
    index.steps.forEach((step, k) => (steps[k]! += step * strides[d]!));
  });
  return { offset, strides: steps };
}

/** The map of an operand from the map of the result; undefined when it is not affine or the operation moves nothing. */
export function operandMap(operation: Operation, map: IndexMap, space: readonly number[]): IndexMap | undefined {
  const zero: Index = { offset: 0, steps: space.map(() => 0) };
  const from = operation.operands[0]!.type.shape;
  if (is(operation, "transpose")) {
    const result: Index[] = [];
    operation.attributes.permutation.forEach((to, i) => (result[to] = map[i]!));
    return result;
  }
  if (is(operation, "broadcastInDim")) {
    return operation.attributes.dimensions.map((to, i) => (from[i] === 1 ? zero : map[to]!));
  }
  if (is(operation, "slice")) {
    const { start, strides } = operation.attributes;
    return map.map(({ offset, steps }, i) => ({
      offset: start[i]! + strides[i]! * offset,
      steps: steps.map((step) => step * strides[i]!),
    }));
  }
  if (is(operation, "reverse")) {
    return map.map((index, i) =>
      operation.attributes.dimensions.includes(i)
        ? { offset: from[i]! - 1 - index.offset, steps: index.steps.map((step) => (step === 0 ? 0 : -step)) }
        : index,
    );
  }
  if (is(operation, "reshape")) {
    return reshaped(walkOf(map, operation.results[0]!.type.shape, space.length), from, space);
  }
  return undefined;
}

/** Splits a walk over row-major elements into indices of a shape, if each index of the space moves along one of them. */
function reshaped(walk: Walk, shape: readonly number[], space: readonly number[]): IndexMap | undefined {
  const strides = stridesOf(shape);
  const offsets: number[] = [];
  let rest = walk.offset;
  for (let d = 0; d < shape.length; d++) {
    offsets[d] = shape[d] === 1 ? 0 : Math.floor(rest / strides[d]!);
    rest -= offsets[d]! * strides[d]!;
  }
  // Without an offset there are no carries as long as the steps along a dimension stay within it.
  const steps = shape.map(() => space.map(() => 0));
  const reach = shape.map((_, d) => ({ low: offsets[d]!, high: offsets[d]! }));
  for (let k = 0; k < space.length; k++) {
    const stride = walk.strides[k]!;
    if (stride === 0 || space[k] === 1) continue;
    // The outermost dimension whose stride divides this one.
    const d = shape.findIndex((extent, i) => extent > 1 && stride % strides[i]! === 0);
    if (d < 0) return undefined;
    const step = stride / strides[d]!;
    steps[d]![k] = step;
    const far = step * (space[k]! - 1);
    if (far > 0) reach[d]!.high += far;
    else reach[d]!.low += far;
  }
  if (reach.some(({ low, high }, d) => low < 0 || high >= Math.max(1, shape[d]!))) return undefined;
  return shape.map((_, d) => ({ offset: offsets[d]!, steps: steps[d]! }));
}

/** A space with as few dimensions as possible: those of extent 1 are left out, neighbours joined where all walks allow. */
export function merge(space: readonly number[], walks: readonly Walk[]): { space: number[]; walks: Walk[] } {
  const extents: number[] = [];
  const strides: number[][] = walks.map(() => []);
  space.forEach((extent, k) => {
    if (extent === 1) return;
    const joins = extents.length > 0 && walks.every((walk, i) => strides[i]!.at(-1)! === walk.strides[k]! * extent);
    if (joins) {
      extents[extents.length - 1]! *= extent;
      walks.forEach((walk, i) => (strides[i]![extents.length - 1] = walk.strides[k]!));
    } else {
      extents.push(extent);
      walks.forEach((walk, i) => strides[i]!.push(walk.strides[k]!));
    }
  });
  return { space: extents, walks: walks.map(({ offset }, i) => ({ offset, strides: strides[i]! })) };
}
