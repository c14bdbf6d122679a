// Sorting along a dimension, and the k largest.

import { CerebroError } from "../../base/errors.ts";
import type { Operation } from "../hlo/graph.ts";
import { elementCount, stridesOf, type Tensor, zeros } from "../hlo/tensor.ts";
import { readerOf, type Scalar } from "./elements.ts";
import { type Keys, keysFor, sortKeysOf } from "./order.ts";
import { type Run, scalarRegion } from "./run.ts";
import { copier, unitsOf } from "./strided.ts";

export function sort(operation: Operation<"sort">, operands: readonly Tensor[], run: Run): Tensor[] {
  const { shape } = operands[0]!;
  const { dimension } = operation.attributes;
  const results = operands.map(({ dtype }) => zeros(dtype, shape));
  if (elementCount(shape) === 0) return results;
  const extent = shape[dimension]!;
  const stride = stridesOf(shape)[dimension]!;
  const arrange = byKeys(operation, operands, extent, stride) ?? byComparing(operation, operands, stride, run);
  const order = new Int32Array(extent);
  forEachLine(shape, dimension, (base) => {
    for (let i = 0; i < extent; i++) order[i] = i;
    arrange(order, base);
    operands.forEach((operand, k) => permute(results[k]!, operand, base, stride, order));
  });
  return results;
}

/** Puts the places of the line that begins at `base` into order. */
type Arrange = (order: Int32Array, base: number) => void;

/** Sorts stably by integer keys, the least significant first, when the comparator is of a known kind. */
function byKeys(
  operation: Operation<"sort">,
  operands: readonly Tensor[],
  extent: number,
  stride: number,
): Arrange | undefined {
  const wanted = sortKeysOf(operation.regions[0]!);
  if (!wanted) return undefined;
  const columns: Keys[] = [];
  for (const key of wanted) {
    const keys = keysFor(operands[key.operand]!, key);
    if (!keys) return undefined;
    columns.unshift(keys);
  }
  const spare = new Int32Array(extent);
  const line = new Int32Array(extent);
  return (order, base) => {
    for (const keys of columns) {
      if (extent >= radixFrom && (keys instanceof Int32Array || keys instanceof Uint32Array)) {
        // The sign bit turned round makes the order of signed numbers that of unsigned ones.
        const turn = keys instanceof Int32Array ? -0x80000000 : 0;
        for (let i = 0; i < extent; i++) line[i] = keys[base + i * stride]! ^ turn;
        radixSort(order, spare, line);
      } else mergeSort(order, spare, (i, j) => keys[base + i * stride]! < keys[base + j * stride]!);
    }
  };
}

function byComparing(operation: Operation<"sort">, operands: readonly Tensor[], stride: number, run: Run): Arrange {
  const body = scalarRegion(operation.regions[0]!, run);
  const readers = operands.map(readerOf);
  const pair: Scalar[] = [];
  const verdict: Scalar[] = [];
  let spare = new Int32Array(0);
  return (order, base) => {
    if (spare.length !== order.length) spare = new Int32Array(order.length);
    mergeSort(order, spare, (i, j) => {
      for (let k = 0; k < readers.length; k++) {
        pair[2 * k] = readers[k]!(base + i * stride);
        pair[2 * k + 1] = readers[k]!(base + j * stride);
      }
      run.spend();
      body(pair, verdict);
      return verdict[0] === 1;
    });
  };
}

/** From this length on counting digits is faster than comparing. */
const radixFrom = 512;

/** Sorts places stably by their unsigned keys, eleven bits at a time. */
function radixSort(order: Int32Array, spare: Int32Array, keys: Int32Array): void {
  const { length } = order;
  const starts = new Int32Array(2048);
  let [from, to] = [order, spare];
  for (const shift of [0, 11, 22]) {
    starts.fill(0);
    for (let i = 0; i < length; i++) starts[(keys[i]! >>> shift) & 2047]!++;
    if (starts[(keys[0]! >>> shift) & 2047] === length) continue;
    for (let digit = 0, sum = 0; digit < 2048; digit++) {
      const count = starts[digit]!;
      starts[digit] = sum;
      sum += count;
    }
    for (let i = 0; i < length; i++) {
      const place = from[i]!;
      to[starts[(keys[place]! >>> shift) & 2047]!++] = place;
    }
    [from, to] = [to, from];
  }
  if (from !== order) order.set(from);
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
function mergeSort(order: Int32Array, spare: Int32Array, less: (a: number, b: number) => boolean): void {
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
  const key = { operand: 0, falling: true, total: true, zeros: false, nans: true };
  const keys = keysFor(x, key);
  if (!keys) throw new CerebroError("unsupported", `topK has no meaning on ${x.dtype}`);
  const { units, width } = unitsOf(values);
  const { units: source } = unitsOf(x);
  const copy = copier([], [], [], width);
  const order = new Int32Array(extent);
  const spare = new Int32Array(extent);
  for (let row = 0; row < rows; row++) {
    const base = row * extent;
    const chosen = k <= 64 ? smallest(keys, base, extent, k) : order;
    if (chosen === order) {
      for (let i = 0; i < extent; i++) order[i] = i;
      mergeSort(order, spare, (i, j) => keys[base + i]! < keys[base + j]!);
    }
    for (let i = 0; i < k; i++) {
      (places.data as Int32Array)[row * k + i] = chosen[i]!;
      copy(units, (row * k + i) * width, source, (base + chosen[i]!) * width);
    }
  }
  return [values, places];
}

/** The places of the k smallest keys of a row, rising: few enough to keep in order while the row is read. */
function smallest(keys: Keys, base: number, extent: number, k: number): Int32Array {
  const chosen = new Int32Array(k);
  let count = 0;
  for (let i = 0; i < extent && k > 0; i++) {
    const key = keys[base + i]!;
    if (count === k && !(key < keys[base + chosen[k - 1]!]!)) continue;
    let at = count < k ? count++ : k - 1;
    for (; at > 0 && key < keys[base + chosen[at - 1]!]!; at--) chosen[at] = chosen[at - 1]!;
    chosen[at] = i;
  }
  return chosen;
}
