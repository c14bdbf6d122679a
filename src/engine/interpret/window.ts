// Reductions over windows, and their gradient.

import type { Operation, Region } from "../hlo/graph.ts";
import { elementCount, stridesOf, type Tensor } from "../hlo/tensor.ts";
import type { WindowAttributes } from "../hlo/ops.ts";
import {
  type Accumulator,
  accumulated,
  accumulateFor,
  accumulates,
  accumulatorFor,
  elementsOf,
  fillNeutral,
} from "./accumulate.ts";
import { readerOf, type Scalar, writerOf } from "./elements.ts";
import { reducerOf, type Run, scalarRegion } from "./run.ts";

export function reduceWindow(operation: Operation<"reduceWindow">, operands: readonly Tensor[], run: Run): Tensor[] {
  const count = operands.length / 2;
  const [inputs, starts] = [operands.slice(0, count), operands.slice(count)];
  const [x] = inputs as [Tensor];
  const op = reducerOf(operation.regions[0]!);
  const { shape, dtype } = operation.results[0]!.type;
  if (count === 1 && accumulates(op, x.dtype) && dtype === x.dtype) {
    const neutral = accumulatorFor(dtype, []);
    fillNeutral(op, dtype, neutral);
    const start = elementsOf(starts[0]!)[0]!;
    // Padding counts as the starting value: repeating it changes nothing in a maximum, but does in a sum.
    const idempotent = op !== "add" && op !== "multiply" && op !== "xor";
    if (idempotent || start === neutral[0]) {
      const accumulate = accumulateFor(op, dtype);
      let elements = elementsOf(x);
      let extents = [...x.shape];
      shape.forEach((extent, d) => {
        if (windowIsWhole(operation.attributes, d)) return;
        const to = extents.with(d, extent);
        elements = alongDimension(elements, extents, to, d, operation.attributes, (sums) => {
          fillNeutral(op, dtype, sums);
          return accumulate;
        });
        extents = to;
      });
      const sums = accumulatorFor(dtype, shape);
      (sums as Float64Array).fill(start as number);
      accumulate(sums, 0, 1, elements, 0, 1, sums.length);
      return [accumulated(dtype, shape, sums)];
    }
  }
  return general(operation, inputs, starts, run);
}

/** Whether a dimension stays as it is. */
function windowIsWhole(a: WindowAttributes, d: number): boolean {
  return (
    a.windowDimensions[d] === 1 &&
    a.windowStrides[d] === 1 &&
    a.baseDilations[d] === 1 &&
    a.padding[d]![0] === 0 &&
    a.padding[d]![1] === 0
  );
}

/** Windows are products of intervals, so that one dimension can be reduced after the other. */
function alongDimension(
  elements: Accumulator,
  from: readonly number[],
  to: readonly number[],
  d: number,
  attributes: WindowAttributes,
  prepare: (sums: Accumulator) => ReturnType<typeof accumulateFor>,
): Accumulator {
  const inner = elementCount(to.slice(d + 1));
  const outer = elementCount(to.slice(0, d));
  const Sums = elements instanceof Float32Array ? Float64Array : (elements.constructor as typeof Float64Array);
  const sums: Accumulator = new Sums(elementCount(to));
  const accumulate = prepare(sums);
  const [extent, count] = [from[d]!, to[d]!];
  const reader = placesOf(attributes, d, extent);
  const running = runningDirection(attributes, d, extent);
  for (let o = 0; o < outer; o++) {
    if (running) {
      let before = -1;
      for (let i = 0; i < extent; i++) {
        const at = (o * extent + (running > 0 ? i : extent - 1 - i)) * inner;
        if (before >= 0) accumulate(sums, at, 1, sums, before, 1, inner);
        accumulate(sums, at, 1, elements, at, 1, inner);
        before = at;
      }
      continue;
    }
    for (let c = 0; c < count; c++) {
      for (let w = 0; w < attributes.windowDimensions[d]!; w++) {
        const at = reader(c, w);
        if (at >= 0) accumulate(sums, (o * count + c) * inner, 1, elements, (o * extent + at) * inner, 1, inner);
      }
    }
  }
  return sums;
}

/** Windows from the begin (1) or to the end (-1) of a dimension: each is the one before and an element more. */
function runningDirection(a: WindowAttributes, d: number, extent: number): 1 | -1 | undefined {
  const plain = a.windowStrides[d] === 1 && a.windowDilations[d] === 1 && a.baseDilations[d] === 1;
  if (!plain || a.windowDimensions[d] !== extent) return undefined;
  const [low, high] = a.padding[d]!;
  if (low === extent - 1 && high === 0) return 1;
  return low === 0 && high === extent - 1 ? -1 : undefined;
}

/** Where place w of window c is in the input; -1 for padding and the holes of dilation. */
function placesOf(a: WindowAttributes, d: number, extent: number): (c: number, w: number) => number {
  const [stride, dilation, base, low] = [
    a.windowStrides[d]!,
    a.windowDilations[d]!,
    a.baseDilations[d]!,
    a.padding[d]![0],
  ];
  return (c, w) => {
    const place = c * stride + w * dilation - low;
    if (place < 0 || place % base !== 0) return -1;
    const at = place / base;
    return at < extent ? at : -1;
  };
}

/** Calls back with every index of a shape, in row-major order; the array is reused. */
function forEachIndex(shape: readonly number[], visit: (index: readonly number[], at: number) => void): void {
  if (shape.includes(0)) return;
  const index = shape.map(() => 0);
  for (let at = 0; ; at++) {
    visit(index, at);
    let d = shape.length - 1;
    for (; d >= 0; d--) {
      if (++index[d]! < shape[d]!) break;
      index[d] = 0;
    }
    if (d < 0) return;
  }
}

/** Any body: window by window in row-major order, padding included. */
function general(
  operation: Operation<"reduceWindow">,
  inputs: readonly Tensor[],
  starts: readonly Tensor[],
  run: Run,
): Tensor[] {
  const { attributes } = operation;
  const count = inputs.length;
  const body = scalarRegion(operation.regions[0]!, run);
  const { shape } = inputs[0]!;
  const strides = stridesOf(shape);
  const places = shape.map((extent, d) => placesOf(attributes, d, extent));
  const readers = inputs.map(readerOf);
  const padding = starts.map((start) => readerOf(start)(0));
  const writers = operation.results.map(({ type }) => writerOf(type.dtype, type.shape));
  const results: Scalar[] = [];
  forEachIndex(operation.results[0]!.type.shape, (position, out) => {
    const together: Scalar[] = [...padding, ...padding];
    forEachIndex(attributes.windowDimensions, (within) => {
      let at = 0;
      for (let d = 0; d < shape.length && at >= 0; d++) {
        const place = places[d]!(position[d]!, within[d]!);
        at = place < 0 ? -1 : at + place * strides[d]!;
      }
      for (let k = 0; k < count; k++) together[count + k] = at < 0 ? padding[k]! : readers[k]!(at);
      run.spend();
      body(together, results);
      for (let k = 0; k < count; k++) together[k] = results[k]!;
    });
    writers.forEach((writer, k) => writer.write(out, together[k]!));
  });
  return writers.map((writer) => writer.finish());
}

/** Of each window of the operand, the place that `select` prefers gets the source's element added by `scatter`. */
export function selectAndScatter(
  operation: Operation<"selectAndScatter">,
  [operand, source, start]: readonly Tensor[],
  run: Run,
): Tensor[] {
  const { windowDimensions, windowStrides, padding } = operation.attributes;
  const x = operand!;
  const ones = x.shape.map(() => 1);
  const attributes = { windowDimensions, windowStrides, padding, baseDilations: ones, windowDilations: ones };
  const places = x.shape.map((extent, d) => placesOf(attributes, d, extent));
  const strides = stridesOf(x.shape);
  const prefers = preference(operation.regions[0]!, x, run);
  const scatter = scalarRegion(operation.regions[1]!, run);
  const sums: Scalar[] = Array.from<Scalar>({ length: elementCount(x.shape) }).fill(readerOf(start!)(0));
  const sources = readerOf(source!);
  const results: Scalar[] = [];
  forEachIndex(source!.shape, (position, out) => {
    let chosen = -1;
    forEachIndex(windowDimensions, (within) => {
      let at = 0;
      for (let d = 0; d < strides.length && at >= 0; d++) {
        const place = places[d]!(position[d]!, within[d]!);
        at = place < 0 ? -1 : at + place * strides[d]!;
      }
      if (at < 0) return;
      run.spend();
      if (chosen < 0 || !prefers(chosen, at)) chosen = at;
    });
    if (chosen < 0) return;
    scatter([sums[chosen]!, sources(out)], results);
    sums[chosen] = results[0]!;
  });
  const writer = writerOf(x.dtype, x.shape);
  sums.forEach((sum, at) => writer.write(at, sum));
  return [writer.finish()];
}

/** Whether the select region holds on two places of the operand. */
function preference(region: Region, x: Tensor, run: Run): (chosen: number, at: number) => boolean {
  const body = scalarRegion(region, run);
  const read = readerOf(x);
  const results: Scalar[] = [];
  return (chosen, at) => {
    body([read(chosen), read(at)], results);
    return results[0] === 1;
  };
}
