// Copies between strided views: what every operation that only moves elements comes down to.

import { dtypes } from "../hlo/dtype.ts";
import type { Tensor } from "../hlo/tensor.ts";

/** Elements as units of 1, 2 or 4 bytes, so that three kinds of arrays carry every type. */
export type Units = Uint8Array | Uint16Array | Uint32Array;

/** A tensor's data as units, and how many of them an element has. */
export function unitsOf({ dtype, data }: Tensor): { units: Units; width: number } {
  const { bytes } = dtypes[dtype];
  const { buffer, byteOffset, byteLength } = data;
  if (bytes === 1) return { units: new Uint8Array(buffer, byteOffset, byteLength), width: 1 };
  if (bytes === 2) return { units: new Uint16Array(buffer, byteOffset, byteLength / 2), width: 1 };
  return { units: new Uint32Array(buffer, byteOffset, byteLength / 4), width: bytes / 4 };
}

/** Copies a block between places that are given in units. */
export type Copy = (out: Units, outAt: number, from: Units, fromAt: number) => void;

interface Dimension {
  extent: number;
  readonly out: number;
  readonly from: number;
}

/** A copy of a block of this shape with strides in elements, made ready once for any number of places. */
export function copier(
  shape: readonly number[],
  outStrides: readonly number[],
  fromStrides: readonly number[],
  width: number,
): Copy {
  if (shape.includes(0)) return () => {};
  // Dimensions that lie behind each other on both sides become one; elements of several units are a dimension more.
  const merged: Dimension[] = [];
  const push = (extent: number, out: number, from: number) => {
    if (extent === 1) return;
    const last = merged.at(-1);
    if (last && last.out === out * extent && last.from === from * extent) {
      merged[merged.length - 1] = { extent: last.extent * extent, out, from };
    } else merged.push({ extent, out, from });
  };
  shape.forEach((extent, i) => push(extent, outStrides[i]! * width, fromStrides[i]! * width));
  push(width, 1, 1);
  const inner = merged.pop();
  if (!inner) {
    return (out, outAt, from, fromAt) => {
      out[outAt] = from[fromAt]!;
    };
  }
  const { extent, out: outStep, from: fromStep } = inner;
  const row: Copy =
    outStep === 1 && fromStep === 1 && extent >= 16
      ? (out, outAt, from, fromAt) => out.set(from.subarray(fromAt, fromAt + extent), outAt)
      : outStep === 1 && fromStep === 0
        ? (out, outAt, from, fromAt) => void out.fill(from[fromAt]!, outAt, outAt + extent)
        : (out, outAt, from, fromAt) => copyRow(out, outAt, outStep, from, fromAt, fromStep, extent);
  if (merged.length === 0) return row;
  const counters = new Int32Array(merged.length);
  return (out, outAt, from, fromAt) => {
    counters.fill(0);
    let [outRow, fromRow] = [outAt, fromAt];
    for (;;) {
      row(out, outRow, from, fromRow);
      let d = merged.length - 1;
      for (; d >= 0; d--) {
        const dimension = merged[d]!;
        outRow += dimension.out;
        fromRow += dimension.from;
        if (++counters[d]! < dimension.extent) break;
        outRow -= dimension.out * dimension.extent;
        fromRow -= dimension.from * dimension.extent;
        counters[d] = 0;
      }
      if (d < 0) return;
    }
  };
}

function copyRow(
  out: Units,
  outAt: number,
  outStep: number,
  from: Units,
  fromAt: number,
  fromStep: number,
  extent: number,
): void {
  for (let i = 0, o = outAt, f = fromAt; i < extent; i++, o += outStep, f += fromStep) out[o] = from[f]!;
}

/** Copies a block of elements: places and strides in elements. */
export function copyBlock(
  shape: readonly number[],
  out: { readonly tensor: Tensor; readonly at: number; readonly strides: readonly number[] },
  from: { readonly tensor: Tensor; readonly at: number; readonly strides: readonly number[] },
): void {
  const { units, width } = unitsOf(out.tensor);
  copier(shape, out.strides, from.strides, width)(units, out.at * width, unitsOf(from.tensor).units, from.at * width);
}

/** Calls back with the places of every row along the last dimension, in row-major order. */
export function forEachRow(
  shape: readonly number[],
  stridesA: readonly number[],
  stridesB: readonly number[],
  row: (a: number, b: number) => void,
): void {
  if (shape.includes(0)) return;
  const outer = shape.length - 1;
  const counters = new Int32Array(Math.max(outer, 0));
  let [a, b] = [0, 0];
  for (;;) {
    row(a, b);
    let d = outer - 1;
    for (; d >= 0; d--) {
      a += stridesA[d]!;
      b += stridesB[d]!;
      if (++counters[d]! < shape[d]!) break;
      a -= stridesA[d]! * shape[d]!;
      b -= stridesB[d]! * shape[d]!;
      counters[d] = 0;
    }
    if (d < 0) return;
  }
}
