// The options of the operators: the fields of each table in the order of the schema, with their defaults.

import type { ScalarType, Table } from "../../../formats/flatbuffers.ts";

interface Field<T> {
  read(table: Table, index: number): T;
  readonly absent: T;
}

const number = (type: ScalarType, absent = 0): Field<number> => ({
  read: (table, index) => table.number(index, type, absent),
  absent,
});
const numbers = (type: ScalarType): Field<number[]> => ({
  read: (table, index) => table.numbers(index, type),
  absent: [],
});
const flag = (absent = false): Field<boolean> => ({ read: (table, index) => table.boolean(index, absent), absent });
const text: Field<string> = { read: (table, index) => table.string(index) ?? "", absent: "" };
const i8 = number("i8");
const i32 = number("i32");
const f32 = number("f32");
const one = number("i32", 1);
const yes = flag(true);
const no = flag();
const list = numbers("i64");

/** A table's fields by name. */
export type Record<F> = { readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never };
export type Fields = { readonly [name: string]: Field<unknown> };

/** All fields of a table; the defaults when there is no table. */
export function readOptions<F extends Fields>(fields: F, table: Table | undefined): Record<F> {
  const result: { [name: string]: unknown } = {};
  Object.entries(fields).forEach(([name, field], index) => {
    result[name] = table ? field.read(table, index) : field.absent;
  });
  return result as Record<F>;
}

const fused = { activation: i8 };
const axisOnly = { axis: i32 };
const bodyAnd = { condition: i32, body: i32 };

export const options = {
  conv2d: { padding: i8, strideW: i32, strideH: i32, activation: i8, dilationW: one, dilationH: one },
  conv3d: {
    padding: i8,
    strideD: i32,
    strideW: i32,
    strideH: i32,
    activation: i8,
    dilationD: one,
    dilationW: one,
    dilationH: one,
  },
  pool: { padding: i8, strideW: i32, strideH: i32, filterW: i32, filterH: i32, activation: i8 },
  depthwise: {
    padding: i8,
    strideW: i32,
    strideH: i32,
    multiplier: i32,
    activation: i8,
    dilationW: one,
    dilationH: one,
  },
  transposeConv: { padding: i8, strideW: i32, strideH: i32, activation: i8 },
  svdf: { rank: i32, activation: i8, asymmetric: no },
  rnn: { activation: i8, asymmetric: no },
  sequenceRnn: { timeMajor: no, activation: i8, asymmetric: no },
  bidirectionalRnn: { timeMajor: no, activation: i8, merge: no, asymmetric: no },
  fullyConnected: { activation: i8, format: i8, keepDims: no, asymmetric: no },
  softmax: { beta: f32 },
  concatenation: { axis: i32, activation: i8 },
  fused,
  add: { activation: i8, powerOfTwoScale: yes },
  localResponse: { radius: i32, bias: f32, alpha: f32, beta: f32 },
  lstm: { activation: i8, cellClip: f32, projectionClip: f32, kernel: i8, asymmetric: no },
  sequenceLstm: {
    activation: i8,
    cellClip: f32,
    projectionClip: f32,
    timeMajor: no,
    asymmetric: no,
    diagonal: no,
  },
  bidirectionalLstm: {
    activation: i8,
    cellClip: f32,
    projectionClip: f32,
    merge: no,
    timeMajor: yes,
    asymmetric: no,
  },
  resizeBilinear: { height: i32, width: i32, alignCorners: no, halfPixel: no },
  resizeNearest: { alignCorners: no, halfPixel: no },
  call: { subgraph: number("u32") },
  reshape: { shape: numbers("i32") },
  block: { size: i32 },
  gather: { axis: i32, batchDims: i32 },
  reducer: { keepDims: no },
  squeeze: { axes: numbers("i32") },
  stridedSlice: { begin: i32, end: i32, ellipsis: i32, newAxis: i32, shrink: i32, offset: no },
  cast: { from: i8, to: i8 },
  argument: { type: i8 },
  fakeQuant: { min: f32, max: f32, bits: i32, narrow: no },
  pack: { count: i32, axis: i32 },
  unpack: { count: i32, axis: i32 },
  oneHot: axisOnly,
  leakyRelu: { alpha: f32 },
  mirrorPad: { mode: i8 },
  reverseSequence: { sequence: i32, batch: i32 },
  if: { yes: i32, no: i32 },
  callOnce: { subgraph: i32 },
  while: bodyAnd,
  embeddingSparse: { combiner: i8 },
  batchMatMul: { adjointX: no, adjointY: no, asymmetric: no },
  cumsum: { exclusive: no, reverse: no },
  variable: { container: text, name: text },
  random: { seed: number("i64"), seed2: number("i64") },
  bucketize: { boundaries: numbers("f32") },
  gelu: { approximate: no },
  reduceWindow: { kind: i32 },
  stablehloConcatenate: { dimension: number("i64") },
  stablehloBroadcast: { dimensions: list },
  stablehloSlice: { start: list, limit: list, strides: list },
  stablehloConvolution: {
    strides: list,
    padding: list,
    lhsDilation: list,
    rhsDilation: list,
    reversal: numbers("u8"),
    inputBatch: number("i64"),
    inputFeature: number("i64"),
    inputSpatial: list,
    kernelInputFeature: number("i64"),
    kernelOutputFeature: number("i64"),
    kernelSpatial: list,
    outputBatch: number("i64"),
    outputFeature: number("i64"),
    outputSpatial: list,
    featureGroups: number("i64"),
    batchGroups: number("i64"),
  },
  stablehloCustomCall: { target: text },
  stablehloReduce: { dimensions: list, body: i32 },
  stablehloScatter: {
    sorted: no,
    updateWindowDims: list,
    insertedWindowDims: list,
    scatterDimsToOperandDims: list,
    indexVectorDim: number("i64"),
    unique: no,
    body: i32,
  },
  stablehloCompare: { direction: i8, type: i8 },
  stablehloDynamicSlice: { sizes: list },
  stablehloPad: { low: list, high: list, interior: list },
  stablehloIota: { dimension: number("i64") },
  stablehloDot: { lhsBatching: list, rhsBatching: list, lhsContracting: list, rhsContracting: list },
  stablehloReduceWindow: {
    windowDimensions: list,
    windowStrides: list,
    baseDilations: list,
    windowDilations: list,
    padding: list,
    body: i32,
  },
  stablehloSort: { dimension: number("i64"), stable: no, comparator: i32 },
  stablehloGather: {
    offsetDims: list,
    collapsedSliceDims: list,
    startIndexMap: list,
    indexVectorDim: number("i64"),
    sliceSizes: list,
    sorted: no,
  },
  stablehloTranspose: { permutation: list },
  stablehloRng: { algorithm: i8 },
  stablehloComposite: { name: text, subgraph: i32, attributes: numbers("u8"), format: i8, version: i32 },
  stablehloCase: { branches: numbers("i32") },
} as const satisfies { readonly [table: string]: Fields };
