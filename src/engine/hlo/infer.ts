// Result types of the operations, and the checks of their operands (StableHLO specification, "Constraints").

import { FormatError } from "../../base/errors.ts";
import { type DType, dtypes, isComplex, isInteger, partType } from "./dtype.ts";
import type { Region } from "./graph.ts";
import type {
  ConvolutionAttributes,
  DotAttributes,
  GatherAttributes,
  None,
  Pair,
  RequantizeAttributes,
  ScatterAttributes,
  WindowAttributes,
} from "./ops.ts";
import { elementCount, sameShape, sameType, type Tensor, type TensorType, typeText } from "./tensor.ts";

/** Operands or attributes that an operation cannot take. */
export class TypeMismatch extends FormatError {
  constructor(message: string) {
    super(message);
    this.name = "TypeMismatch";
  }
}

type Types = readonly TensorType[];

function check(condition: boolean, message: () => string): asserts condition {
  if (!condition) throw new TypeMismatch(message());
}
const shown = (types: Types) => types.map(typeText).join(", ");
const result = (dtype: DType, shape: readonly number[]): TensorType[] => {
  elementCount(shape, "result");
  return [{ dtype, shape }];
};

function axes(what: string, list: readonly number[], rank: number): void {
  check(
    list.every((axis) => Number.isInteger(axis) && axis >= 0 && axis < rank) && new Set(list).size === list.length,
    () => `${what}: dimensions [${list}] do not fit rank ${rank}`,
  );
}

/** All operands and the result are of one type. */
export function same(operands: Types): TensorType[] {
  const first = operands[0]!;
  check(
    operands.every((type) => sameType(type, first)),
    () => `operands differ: ${shown(operands)}`,
  );
  return [first];
}
/** Results are the operands, of any types. */
export const sameAll = (operands: Types): TensorType[] => [...operands];
export const secondOperand = (operands: Types): TensorType[] => [operands[1]!];

export const magnitude = ([x]: Types): TensorType[] => result(partType(x!.dtype), x!.shape);
export const part = magnitude;
export const predicate = ([x]: Types): TensorType[] => result("i1", x!.shape);
export const convert = ([x]: Types, { dtype }: { dtype: DType }): TensorType[] => result(dtype, x!.shape);
export const constant = (_: Types, { value }: { value: Tensor }): TensorType[] => result(value.dtype, value.shape);

export function complex(operands: Types): TensorType[] {
  const [{ dtype, shape }] = same(operands) as [TensorType];
  check(dtype === "f32" || dtype === "f64", () => `complex: parts are ${dtype}, must be f32 or f64`);
  return result(dtype === "f32" ? "c64" : "c128", shape);
}
export function compare(operands: Types): TensorType[] {
  return result("i1", same(operands)[0]!.shape);
}
export function clamp(operands: Types): TensorType[] {
  const [min, x, max] = operands as [TensorType, TensorType, TensorType];
  for (const bound of [min, max]) {
    check(
      bound.dtype === x.dtype && (bound.shape.length === 0 || sameShape(bound.shape, x.shape)),
      () => `clamp: bounds do not fit: ${shown(operands)}`,
    );
  }
  return [x];
}
export function select(operands: Types): TensorType[] {
  const [predicateType, yes, no] = operands as [TensorType, TensorType, TensorType];
  check(
    predicateType.dtype === "i1" &&
      sameType(yes, no) &&
      (predicateType.shape.length === 0 || sameShape(predicateType.shape, yes.shape)),
    () => `select: operands do not fit: ${shown(operands)}`,
  );
  return [yes];
}
export function requantize(operands: Types, { dtype, dimension }: RequantizeAttributes): TensorType[] {
  const [sums, multiplier, shift] = operands as [TensorType, TensorType, TensorType];
  const wanted = dimension === undefined ? [] : [sums.shape[dimension]!];
  check(
    (sums.dtype === "i32" || sums.dtype === "i64") &&
      multiplier.dtype === "i32" &&
      shift.dtype === "i32" &&
      sameShape(multiplier.shape, wanted) &&
      sameShape(shift.shape, wanted) &&
      isInteger(dtype),
    () => `requantize: operands do not fit: ${shown(operands)}`,
  );
  return result(dtype, sums.shape);
}
export function lookup(operands: Types): TensorType[] {
  const [x, table] = operands as [TensorType, TensorType];
  check(
    (x.dtype === "i8" || x.dtype === "u8") && sameShape(table.shape, [256]),
    () => `lookup: operands do not fit: ${shown(operands)}`,
  );
  return result(table.dtype, x.shape);
}

export function iota(
  _: Types,
  { dtype, shape, dimension }: { dtype: DType; shape: readonly number[]; dimension: number },
): TensorType[] {
  axes("iota", [dimension], shape.length);
  return result(dtype, shape);
}

export function bitcastConvert([x]: Types, { dtype }: { dtype: DType }): TensorType[] {
  const { bits: from } = dtypes[x!.dtype];
  const { bits: to } = dtypes[dtype];
  if (from === to) return result(dtype, x!.shape);
  if (from > to) return result(dtype, [...x!.shape, from / to]);
  check(x!.shape.at(-1) === to / from, () => `bitcastConvert: ${typeText(x!)} does not become ${dtype}`);
  return result(dtype, x!.shape.slice(0, -1));
}
export function broadcastInDim(
  [x]: Types,
  { shape, dimensions }: { shape: readonly number[]; dimensions: readonly number[] },
): TensorType[] {
  axes("broadcastInDim", dimensions, shape.length);
  check(
    dimensions.length === x!.shape.length &&
      dimensions.every((to, i) => x!.shape[i] === 1 || x!.shape[i] === shape[to]),
    () => `broadcastInDim: ${typeText(x!)} along [${dimensions}] does not fit [${shape}]`,
  );
  return result(x!.dtype, shape);
}
export function concatenate(operands: Types, { dimension }: { dimension: number }): TensorType[] {
  const first = operands[0];
  check(first !== undefined, () => "concatenate: no operands");
  axes("concatenate", [dimension], first.shape.length);
  const shape = [...first.shape];
  shape[dimension] = operands.reduce((sum, type) => sum + type.shape[dimension]!, 0);
  check(
    operands.every(
      ({ dtype, shape: each }) =>
        dtype === first.dtype &&
        each.length === shape.length &&
        each.every((n, i) => i === dimension || n === shape[i]),
    ),
    () => `concatenate: operands do not fit along ${dimension}: ${shown(operands)}`,
  );
  return result(first.dtype, shape);
}
function indices(what: string, list: Types, rank: number): void {
  check(
    list.length === rank && list.every(({ dtype, shape }) => shape.length === 0 && isInteger(dtype)),
    () => `${what}: needs ${rank} scalar indices, got ${shown(list)}`,
  );
}
export function dynamicSlice([x, ...at]: Types, { sizes }: { sizes: readonly number[] }): TensorType[] {
  indices("dynamicSlice", at, x!.shape.length);
  check(
    sizes.length === x!.shape.length && sizes.every((size, i) => size >= 0 && size <= x!.shape[i]!),
    () => `dynamicSlice: sizes [${sizes}] do not fit ${typeText(x!)}`,
  );
  return result(x!.dtype, sizes);
}
export function dynamicUpdateSlice([x, update, ...at]: Types): TensorType[] {
  indices("dynamicUpdateSlice", at, x!.shape.length);
  check(
    update!.dtype === x!.dtype &&
      update!.shape.length === x!.shape.length &&
      update!.shape.every((size, i) => size <= x!.shape[i]!),
    () => `dynamicUpdateSlice: ${typeText(update!)} does not fit ${typeText(x!)}`,
  );
  return [x!];
}
export function gather([x, starts]: Types, a: GatherAttributes): TensorType[] {
  const rank = x!.shape.length;
  axes("gather", [...a.collapsedSliceDims, ...a.operandBatchingDims], rank);
  check(
    a.sliceSizes.length === rank && a.sliceSizes.every((size, i) => size >= 0 && size <= x!.shape[i]!),
    () => `gather: slice sizes [${a.sliceSizes}] do not fit ${typeText(x!)}`,
  );
  const vector = a.indexVectorDim < starts!.shape.length ? starts!.shape[a.indexVectorDim] : 1;
  check(
    isInteger(starts!.dtype) && a.startIndexMap.length === vector,
    () => `gather: indices ${typeText(starts!)} do not fit the map [${a.startIndexMap}]`,
  );
  axes("gather", a.startIndexMap, rank);
  const batch = starts!.shape.filter((_, i) => i !== a.indexVectorDim);
  const offsets = a.sliceSizes.filter(
    (_, i) => !a.collapsedSliceDims.includes(i) && !a.operandBatchingDims.includes(i),
  );
  const shape: number[] = [];
  const total = batch.length + offsets.length;
  axes("gather", a.offsetDims, total);
  check(a.offsetDims.length === offsets.length, () => `gather: ${a.offsetDims.length} offset dimensions`);
  for (let i = 0, b = 0, o = 0; i < total; i++) shape.push(a.offsetDims.includes(i) ? offsets[o++]! : batch[b++]!);
  return result(x!.dtype, shape);
}
export function pad(
  [x, value]: Types,
  { low, high, interior }: { low: readonly number[]; high: readonly number[]; interior: readonly number[] },
): TensorType[] {
  const rank = x!.shape.length;
  check(
    value!.dtype === x!.dtype &&
      value!.shape.length === 0 &&
      [low, high, interior].every((list) => list.length === rank) &&
      interior.every((n) => n >= 0),
    () => `pad: ${shown([x!, value!])} with [${low}], [${high}], [${interior}]`,
  );
  return result(
    x!.dtype,
    x!.shape.map((n, i) => low[i]! + n + Math.max(0, n - 1) * interior[i]! + high[i]!),
  );
}
export function reshape([x]: Types, { shape }: { shape: readonly number[] }): TensorType[] {
  check(
    elementCount(shape) === elementCount(x!.shape),
    () => `reshape: ${typeText(x!)} has not the size of [${shape}]`,
  );
  return result(x!.dtype, shape);
}
/** The first n operands of 2n + extra. */
function inputsOf(what: string, operands: Types, extra: number): { inputs: Types; count: number } {
  const count = (operands.length - extra) / 2;
  check(Number.isInteger(count) && count > 0, () => `${what}: ${operands.length} operands`);
  return { inputs: operands.slice(0, count), count };
}
function body(what: string, region: Region, parameters: number): Types {
  check(
    region.parameters.length === parameters,
    () => `${what}: the region takes ${region.parameters.length} parameters, must take ${parameters}`,
  );
  return region.results.map(({ type }) => type);
}
export function scatter(operands: Types, a: ScatterAttributes, [region]: readonly Region[]): TensorType[] {
  const { inputs, count } = inputsOf("scatter", operands, 1);
  const indicesType = operands[count]!;
  const updates = operands.slice(count + 1);
  const rank = inputs[0]!.shape.length;
  axes("scatter", [...a.insertedWindowDims, ...a.inputBatchingDims], rank);
  axes("scatter", a.scatterDimsToOperandDims, rank);
  axes("scatter", a.updateWindowDims, updates[0]!.shape.length);
  const scattered = indicesType.shape.filter((_, i) => i !== a.indexVectorDim);
  const outer = updates[0]!.shape.filter((_, i) => !a.updateWindowDims.includes(i));
  check(
    isInteger(indicesType.dtype) &&
      sameShape(scattered, outer) &&
      a.updateWindowDims.length + a.insertedWindowDims.length + a.inputBatchingDims.length === rank,
    () => `scatter: operands do not fit: ${shown(operands)}`,
  );
  body("scatter", region!, 2 * count);
  return [...inputs];
}
export function slice(
  [x]: Types,
  { start, limit, strides }: { start: readonly number[]; limit: readonly number[]; strides: readonly number[] },
): TensorType[] {
  check(
    start.length === x!.shape.length &&
      x!.shape.every((n, i) => start[i]! >= 0 && start[i]! <= limit[i]! && limit[i]! <= n && strides[i]! > 0),
    () => `slice: [${start}] to [${limit}] by [${strides}] does not fit ${typeText(x!)}`,
  );
  return result(
    x!.dtype,
    start.map((from, i) => Math.ceil((limit[i]! - from) / strides[i]!)),
  );
}
export function transpose([x]: Types, { permutation }: { permutation: readonly number[] }): TensorType[] {
  axes("transpose", permutation, x!.shape.length);
  check(permutation.length === x!.shape.length, () => `transpose: [${permutation}] does not fit ${typeText(x!)}`);
  return result(
    x!.dtype,
    permutation.map((from) => x!.shape[from]!),
  );
}

/** How often a window fits: 0 when it is larger than the padded, dilated input. */
export function windowCount(
  extent: number,
  window: { size: number; stride: number; dilation: number; base: number; padding: Pair },
): number {
  const dilated = extent === 0 ? 0 : (extent - 1) * window.base + 1;
  const padded = dilated + window.padding[0] + window.padding[1];
  const reach = window.size === 0 ? 0 : (window.size - 1) * window.dilation + 1;
  return padded <= 0 || reach > padded ? 0 : Math.floor((padded - reach) / window.stride) + 1;
}

export function convolution([x, w]: Types, a: ConvolutionAttributes): TensorType[] {
  const rank = x!.shape.length;
  const spatial = rank - 2;
  const fits = [a.strides, a.padding, a.lhsDilation, a.rhsDilation, a.inputSpatial, a.kernelSpatial, a.outputSpatial];
  check(
    spatial >= 0 && w!.shape.length === rank && fits.every((list) => list.length === spatial),
    () => `convolution: attributes do not fit ${shown([x!, w!])}`,
  );
  axes("convolution input", [a.inputBatch, a.inputFeature, ...a.inputSpatial], rank);
  axes("convolution kernel", [a.kernelInputFeature, a.kernelOutputFeature, ...a.kernelSpatial], rank);
  axes("convolution output", [a.outputBatch, a.outputFeature, ...a.outputSpatial], rank);
  check(
    [...a.strides, ...a.lhsDilation, ...a.rhsDilation, a.featureGroups, a.batchGroups].every((n) => n >= 1),
    () => "convolution: strides, dilations and groups must be positive",
  );
  const features = w!.shape[a.kernelOutputFeature]!;
  check(
    w!.shape[a.kernelInputFeature]! * a.featureGroups === x!.shape[a.inputFeature]! &&
      features % a.featureGroups === 0 &&
      features % a.batchGroups === 0 &&
      x!.shape[a.inputBatch]! % a.batchGroups === 0,
    () => `convolution: features of ${shown([x!, w!])} do not fit ${a.featureGroups} groups`,
  );
  const shape: number[] = [];
  shape[a.outputBatch] = x!.shape[a.inputBatch]! / a.batchGroups;
  shape[a.outputFeature] = features;
  for (let i = 0; i < spatial; i++) {
    shape[a.outputSpatial[i]!] = windowCount(x!.shape[a.inputSpatial[i]!]!, {
      size: w!.shape[a.kernelSpatial[i]!]!,
      stride: a.strides[i]!,
      dilation: a.rhsDilation[i]!,
      base: a.lhsDilation[i]!,
      padding: a.padding[i]!,
    });
  }
  return result(a.dtype ?? x!.dtype, shape);
}
export function dotGeneral([x, y]: Types, a: DotAttributes): TensorType[] {
  axes("dotGeneral", [...a.lhsBatching, ...a.lhsContracting], x!.shape.length);
  axes("dotGeneral", [...a.rhsBatching, ...a.rhsContracting], y!.shape.length);
  const pairs = (left: readonly number[], right: readonly number[]) =>
    left.length === right.length && left.every((axis, i) => x!.shape[axis] === y!.shape[right[i]!]);
  check(
    pairs(a.lhsBatching, a.rhsBatching) && pairs(a.lhsContracting, a.rhsContracting),
    () => `dotGeneral: ${shown([x!, y!])} do not fit`,
  );
  const rest = (shape: readonly number[], used: readonly number[]) => shape.filter((_, i) => !used.includes(i));
  return result(a.dtype ?? x!.dtype, [
    ...a.lhsBatching.map((axis) => x!.shape[axis]!),
    ...rest(x!.shape, [...a.lhsBatching, ...a.lhsContracting]),
    ...rest(y!.shape, [...a.rhsBatching, ...a.rhsContracting]),
  ]);
}
export function map(operands: Types, _: { dimensions: readonly number[] }, [region]: readonly Region[]): TensorType[] {
  const [type] = body("map", region!, operands.length);
  check(operands.length > 0 && type !== undefined, () => "map: no operands or results");
  return result(type.dtype, operands[0]!.shape);
}
export function reduce(
  operands: Types,
  { dimensions }: { dimensions: readonly number[] },
  [region]: readonly Region[],
): TensorType[] {
  const { inputs, count } = inputsOf("reduce", operands, 0);
  const { shape } = inputs[0]!;
  axes("reduce", dimensions, shape.length);
  check(
    inputs.every((type) => sameShape(type.shape, shape)),
    () => `reduce: operands do not fit: ${shown(operands)}`,
  );
  const kept = shape.filter((_, i) => !dimensions.includes(i));
  return body("reduce", region!, 2 * count).map(({ dtype }) => ({ dtype, shape: kept }));
}
export function reduceWindow(operands: Types, a: WindowAttributes, [region]: readonly Region[]): TensorType[] {
  const { inputs, count } = inputsOf("reduceWindow", operands, 0);
  const { shape } = inputs[0]!;
  check(
    [a.windowDimensions, a.windowStrides, a.baseDilations, a.windowDilations, a.padding].every(
      (list) => list.length === shape.length,
    ) && [...a.windowStrides, ...a.baseDilations, ...a.windowDilations].every((n) => n >= 1),
    () => `reduceWindow: window [${a.windowDimensions}] does not fit ${shown(inputs)}`,
  );
  const counts = shape.map((extent, i) =>
    windowCount(extent, {
      size: a.windowDimensions[i]!,
      stride: a.windowStrides[i]!,
      dilation: a.windowDilations[i]!,
      base: a.baseDilations[i]!,
      padding: a.padding[i]!,
    }),
  );
  return body("reduceWindow", region!, 2 * count).flatMap(({ dtype }) => result(dtype, counts));
}
export const selectAndScatter = ([x]: Types): TensorType[] => [x!];
export function topK([x]: Types, { k }: { k: number }): TensorType[] {
  const last = x!.shape.at(-1);
  check(last !== undefined && k >= 0 && k <= last, () => `topK: ${k} of ${typeText(x!)}`);
  const shape = [...x!.shape.slice(0, -1), k];
  return [
    { dtype: x!.dtype, shape },
    { dtype: "i32", shape },
  ];
}
export function fft(
  [x]: Types,
  { kind, length }: { kind: "FFT" | "IFFT" | "RFFT" | "IRFFT"; length: readonly number[] },
): TensorType[] {
  const { dtype, shape } = x!;
  check(
    length.length >= 1 && length.length <= 3 && shape.length >= length.length,
    () => `fft: length [${length}] does not fit ${typeText(x!)}`,
  );
  check(kind === "RFFT" ? dtype === "f32" || dtype === "f64" : isComplex(dtype), () => `fft: ${kind} of ${dtype}`);
  const outer = shape.slice(0, shape.length - length.length);
  const inner = shape.slice(shape.length - length.length);
  const half = Math.floor(length.at(-1)! / 2) + 1;
  const wanted = kind === "IRFFT" ? [...length.slice(0, -1), half] : length;
  check(sameShape(inner, wanted), () => `fft: ${kind} of length [${length}] does not fit ${typeText(x!)}`);
  if (kind === "RFFT") return result(dtype === "f32" ? "c64" : "c128", [...outer, ...length.slice(0, -1), half]);
  return result(kind === "IRFFT" ? partType(dtype) : dtype, [...outer, ...length]);
}
export const rngBitGenerator = (
  [state]: Types,
  { dtype, shape }: { dtype: DType; shape: readonly number[] },
): TensorType[] => [state!, ...result(dtype, shape)];
export const rng = ([low]: Types, { shape }: { shape: readonly number[] }): TensorType[] => result(low!.dtype, shape);

export function branches([which]: Types, _: None, regions: readonly Region[]): TensorType[] {
  const first = regions[0];
  check(
    first !== undefined && which!.shape.length === 0 && (which!.dtype === "i1" || which!.dtype === "i32"),
    () => `branches: chosen by ${typeText(which!)} of ${regions.length}`,
  );
  const types = first.results.map(({ type }) => type);
  for (const region of regions) {
    check(
      region.results.length === types.length && region.results.every(({ type }, i) => sameType(type, types[i]!)),
      () => `branches: results differ: ${shown(types)} and ${shown(region.results.map(({ type }) => type))}`,
    );
  }
  return types;
}
