// Sorting along a dimension, and the k largest.

import { isFloat } from "../hlo/dtype.ts";
import type { Operation } from "../hlo/graph.ts";
import { elementCount, stridesOf, type Tensor, zeros } from "../hlo/tensor.ts";
import { readerOf, type Scalar } from "./elements.ts";
import { type Run, scalarRegion } from "./run.ts";
import { totalLess } from "./scalars.ts";
import { copier, unitsOf } from "./strided.ts";

export function sort(operation: Operation<"sort">, operands: readonly Tensor[], run: Run): Tensor[] {
  const { shape } = operands[0]!;
  const { dimension } = operation.attributes;
  const results = operands.map(({ dtype }) => zeros(dtype, shape));
  if (elementCount(shape) === 0) return results;
  const extent = shape[dimension]!;
  const stride = stridesOf(shape)[dimension]!;
  const body = scalarRegion(operation.regions[0]!, run);
  const readers = operands.map(readerOf);
  const pair: Scalar[] = [];
  const verdict: Scalar[] = [];
  const order = new Int32Array(extent);
  const spare = new Int32Array(extent);
  forEachLine(shape, dimension, (base) => {
    for (let i = 0; i < extent; i++) order[i] = i;
    mergeSort(order, spare, (i, j) => {
      for (let k = 0; k < readers.length; k++) {
        pair[2 * k] = readers[k]!(base + i * stride);
        pair[2 * k + 1] = readers[k]!(base + j * stride);
      }
      run.spend();
      body(pair, verdict);
      return verdict[0] === 1;
    });
    operands.forEach((operand, k) => permute(results[k]!, operand, base, stride, order));
  });
  return results;
}

/** Moves the elements of a line into an order. */
function permute(out: Tensor, from: Tensor, base: number, stride: number, order: Int32Array): void {
  const { units, width } = unitsOf(out);
  const { units: source } = unitsOf(from);
  const copy = copier([], [], [], width);
  for (let i = 0; i < order.length; i++) {
    copy(units, (base + i * stride) * width, source, (base + order[i]! * stride) * width);
  }
}

/** Calls back with the first place of every line along a dimension. */
function forEachLine(shape: readonly number[], dimension: number, visit: (base: number) => void): void {
  const inner = elementCount(shape.slice(dimension + 1));
  const outer = elementCount(shape.slice(0, dimension));
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) visit(o * shape[dimension]! * inner + i);
  }
}

/** Sorts stably by merging runs; `spare` has the same length. */
export function mergeSort(order: Int32Array, spare: Int32Array, less: (a: number, b: number) => boolean): void {
  const { length } = order;
  let [from, to] = [order, spare];
  for (let width = 1; width < length; width *= 2) {
    for (let begin = 0; begin < length; begin += 2 * width) {
      const middle = Math.min(begin + width, length);
      const end = Math.min(begin + 2 * width, length);
      let [i, j] = [begin, middle];
      for (let k = begin; k < end; k++) {
        if (i < middle && (j >= end || !less(from[j]!, from[i]!))) to[k] = from[i++]!;
        else to[k] = from[j++]!;
      }
    }
    [from, to] = [to, from];
  }
  if (from !== order) order.set(from);
}

/** The k largest of each row, falling, NaN first; the earlier of equal ones first. */
export function topK(x: Tensor, k: number): Tensor[] {
  const extent = x.shape.at(-1)!;
  const shape = [...x.shape.slice(0, -1), k];
  const values = zeros(x.dtype, shape);
  const places = zeros("i32", shape);
  const rows = elementCount(x.shape.slice(0, -1));
  const read = readerOf(x) as (at: number) => number;
  const more = isFloat(x.dtype) ? (a: number, b: number) => totalLess(b, a) : (a: number, b: number) => a > b;
  const order = new Int32Array(extent);
  const spare = new Int32Array(extent);
  const { units, width } = unitsOf(values);
  const { units: source } = unitsOf(x);
  const copy = copier([], [], [], width);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < extent; i++) order[i] = i;
    mergeSort(order, spare, (i, j) => more(read(row * extent + i), read(row * extent + j)));
    for (let i = 0; i < k; i++) {
      (places.data as Int32Array)[row * k + i] = order[i]!;
      copy(units, (row * k + i) * width, source, (row * extent + order[i]!) * width);
    }
  }
  return [values, places];
}
