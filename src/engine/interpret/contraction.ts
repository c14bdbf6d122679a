// Matrix products and convolutions. Sums of floats in double precision, of integers modulo their width.

import { isComplex, isFloat, isWide, kindOf } from "../hlo/dtype.ts";
import type { Operation } from "../hlo/graph.ts";
import type { ConvolutionAttributes, Pair } from "../hlo/ops.ts";
import { elementCount, stridesOf, type Tensor, type TensorType } from "../hlo/tensor.ts";
import { type Complex, finish, type NumberArray, numbersFor, numbersOf, type Scalar, writerOf } from "./elements.ts";
import { conversion } from "./scalars.ts";
import { transpose } from "./movement.ts";

/**
 * Sums of products of two arrays, along `count` neighbours from two places. Each call starts anew; `to` ends it.
 * What is common to products and convolutions of one pair of types.
 */
interface Products {
  add(a: number, b: number, count: number): void;
  to(at: number): void;
  finish(): Tensor;
}

function productsOf(a: Tensor, b: Tensor, type: TensorType, zeroPoints: Pair | undefined): Products {
  const { dtype, shape } = type;
  const domain = [a.dtype, b.dtype, dtype];
  if (domain.some(isComplex)) return complexProducts(a, b, type);
  if (isWide(a.dtype) || isWide(b.dtype)) return wideProducts(a, b, type, zeroPoints);
  const [x, y] = [shifted(a, zeroPoints?.[0]), shifted(b, zeroPoints?.[1])];
  let sum = 0;
  if (isWide(dtype)) {
    // Products of up to 16 bits: exact in doubles up to 2^53 / 2^32 of them.
    const writer = writerOf(dtype, shape);
    const convert = conversion("f64", "i64") as (value: number) => bigint;
    return {
      add: (p, q, count) => {
        sum += floatProduct(x, p, y, q, count);
      },
      to: (at) => {
        writer.write(at, convert(sum));
        sum = 0;
      },
      finish: writer.finish,
    };
  }
  const out = numbersFor(dtype, shape);
  const boolean = kindOf(dtype) === "boolean";
  const product = boolean ? booleanProduct : isFloat(dtype) ? floatProduct : integerProduct;
  return {
    add: (p, q, count) => {
      const more = product(x, p, y, q, count);
      sum = boolean ? sum | more : product === integerProduct ? (sum + more) | 0 : sum + more;
    },
    to: (at) => {
      out[at] = sum;
      sum = 0;
    },
    finish: () => finish(dtype, shape, out),
  };
}

/** The elements less their zero point. */
function shifted(tensor: Tensor, zeroPoint = 0): NumberArray {
  const numbers = numbersOf(tensor);
  if (zeroPoint === 0) return numbers;
  const wider = new Int32Array(numbers.length);
  for (let i = 0; i < wider.length; i++) wider[i] = numbers[i]! - zeroPoint;
  return wider;
}

function floatProduct(x: NumberArray, p: number, y: NumberArray, q: number, count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += x[p + i]! * y[q + i]!;
  return sum;
}
function integerProduct(x: NumberArray, p: number, y: NumberArray, q: number, count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum = (sum + Math.imul(x[p + i]!, y[q + i]!)) | 0;
  return sum;
}
function booleanProduct(x: NumberArray, p: number, y: NumberArray, q: number, count: number): number {
  for (let i = 0; i < count; i++) if (x[p + i]! !== 0 && y[q + i]! !== 0) return 1;
  return 0;
}

function wideProducts(a: Tensor, b: Tensor, { dtype, shape }: TensorType, zeroPoints: Pair | undefined): Products {
  const widen = (tensor: Tensor, zeroPoint = 0) =>
    Array.from(tensor.data as ArrayLike<number | bigint>, (value) => BigInt(value) - BigInt(zeroPoint));
  const [x, y] = [widen(a, zeroPoints?.[0]), widen(b, zeroPoints?.[1])];
  const convert = conversion("i64", dtype) as (value: bigint) => Scalar;
  const writer = writerOf(dtype, shape);
  let sum = 0n;
  return {
    add: (p, q, count) => {
      for (let i = 0; i < count; i++) sum += x[p + i]! * y[q + i]!;
    },
    to: (at) => {
      writer.write(at, convert(sum));
      sum = 0n;
    },
    finish: writer.finish,
  };
}

function complexProducts(a: Tensor, b: Tensor, { dtype, shape }: TensorType): Products {
  const [x, y] = [numbersOf(a), numbersOf(b)];
  const convert = conversion("c128", dtype) as (value: Complex) => Scalar;
  const writer = writerOf(dtype, shape);
  let [real, imaginary] = [0, 0];
  return {
    add: (p, q, count) => {
      for (let i = 0; i < count; i++) {
        const [ar, ai, br, bi] = [x[2 * (p + i)]!, x[2 * (p + i) + 1]!, y[2 * (q + i)]!, y[2 * (q + i) + 1]!];
        real += ar * br - ai * bi;
        imaginary += ar * bi + ai * br;
      }
    },
    to: (at) => {
      writer.write(at, convert([real, imaginary]));
      [real, imaginary] = [0, 0];
    },
    finish: writer.finish,
  };
}

/** The tensor with its dimensions in this order; itself when they are. */
function arranged(x: Tensor, order: readonly number[]): Tensor {
  return order.every((from, to) => from === to) ? x : transpose(x, order);
}
const extent = (x: Tensor, axes: readonly number[]) => axes.reduce((product, axis) => product * x.shape[axis]!, 1);

export function dotGeneral({ attributes, results }: Operation<"dotGeneral">, [a, b]: readonly Tensor[]): Tensor {
  const [x, y] = [a!, b!];
  const { lhsBatching, rhsBatching, lhsContracting, rhsContracting, zeroPoints } = attributes;
  const rest = (tensor: Tensor, ...used: (readonly number[])[]) =>
    tensor.shape.map((_, i) => i).filter((i) => !used.some((list) => list.includes(i)));
  const rows = rest(x, lhsBatching, lhsContracting);
  const columns = rest(y, rhsBatching, rhsContracting);
  const batch = extent(x, lhsBatching);
  const depth = extent(x, lhsContracting);
  const [m, n] = [extent(x, rows), extent(y, columns)];
  const products = productsOf(
    arranged(x, [...lhsBatching, ...rows, ...lhsContracting]),
    arranged(y, [...rhsBatching, ...columns, ...rhsContracting]),
    results[0]!.type,
    zeroPoints,
  );
  let at = 0;
  for (let k = 0; k < batch; k++) {
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        products.add((k * m + i) * depth, (k * n + j) * depth, depth);
        products.to(at++);
      }
    }
  }
  return products.finish();
}

export function convolution({ attributes, results }: Operation<"convolution">, [a, b]: readonly Tensor[]): Tensor {
  const at = attributes;
  const input = arranged(a!, [at.inputBatch, ...at.inputSpatial, at.inputFeature]);
  const kernel = arranged(b!, [at.kernelOutputFeature, ...at.kernelSpatial, at.kernelInputFeature]);
  const { dtype, shape } = results[0]!.type;
  const out = [shape[at.outputBatch]!, ...at.outputSpatial.map((axis) => shape[axis]!), shape[at.outputFeature]!];
  const products = productsOf(input, kernel, { dtype, shape: out }, at.zeroPoints);

  const spatial = out.slice(1, -1);
  const kernelShape = kernel.shape.slice(1, -1);
  const [batches, features] = [out[0]!, out.at(-1)!];
  const [depth, channels] = [kernel.shape.at(-1)!, input.shape.at(-1)!];
  const positions = elementCount(spatial);
  const taps = elementCount(kernelShape);
  const image = elementCount(input.shape.slice(1));
  const places = new Int32Array(taps);
  const outStrides = stridesOf(spatial);
  const perGroup = features / at.featureGroups;
  const perBatchGroup = features / at.batchGroups;
  for (let position = 0; position < positions; position++) {
    fillPlaces(places, spatial, outStrides, kernelShape, position, input, at);
    for (let n = 0; n < batches; n++) {
      for (let feature = 0; feature < features; feature++) {
        const from = (n + Math.floor(feature / perBatchGroup) * batches) * image;
        const channel = Math.floor(feature / perGroup) * depth;
        for (let tap = 0; tap < taps; tap++) {
          const place = places[tap]!;
          if (place >= 0) products.add(from + place * channels + channel, (feature * taps + tap) * depth, depth);
        }
        products.to((n * positions + position) * features + feature);
      }
    }
  }
  const result = products.finish();
  const order: number[] = [];
  order[at.outputBatch] = 0;
  order[at.outputFeature] = out.length - 1;
  at.outputSpatial.forEach((axis, i) => (order[axis] = i + 1));
  return arranged(result, order);
}

/** For one output position, where each tap of the kernel is in the image; -1 for padding. */
function fillPlaces(
  places: Int32Array,
  spatial: readonly number[],
  outStrides: readonly number[],
  kernelShape: readonly number[],
  position: number,
  input: Tensor,
  at: ConvolutionAttributes,
): void {
  const windowStrides = stridesOf(kernelShape);
  for (let tap = 0; tap < places.length; tap++) {
    let place = 0;
    for (let d = 0; d < spatial.length && place >= 0; d++) {
      const o = Math.floor(position / outStrides[d]!) % spatial[d]!;
      const w = Math.floor(tap / windowStrides[d]!) % kernelShape[d]!;
      const reached = at.reversal?.[d] ? kernelShape[d]! - 1 - w : w;
      const dilated = o * at.strides[d]! + reached * at.rhsDilation[d]! - at.padding[d]![0];
      const i = dilated / at.lhsDilation[d]!;
      const size = input.shape[d + 1]!;
      place = i >= 0 && i < size && Number.isInteger(i) ? place * size + i : -1;
    }
    places[tap] = place;
  }
}
