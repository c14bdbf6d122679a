// The operations of the IR: attributes, number of operands and regions, and the types of the results. The names and the
// meaning are those of StableHLO and CHLO (specifications of both), in camel case; what is ours says so.

import type { DType } from "./dtype.ts";
import * as infer from "./infer.ts";
import type { Region, Value } from "./graph.ts";
import type { Tensor, TensorType } from "./tensor.ts";

/** Gives the result types, or throws TypeMismatch. */
export type Infer<A> = (operands: readonly TensorType[], attributes: A, regions: readonly Region[]) => TensorType[];

interface Row<A> {
  /** What it is to the passes: one result element from the operands' elements at the same place, or something else. */
  readonly elementwise: boolean;
  /** How many operands; undefined for any number. */
  readonly operands: number | undefined;
  readonly regions: number | undefined;
  readonly infer: Infer<A>;
}

export type None = Readonly<Record<never, never>>;

function op<A = None>(operands: number | undefined, rule: Infer<A>, regions: number | undefined = 0): Row<A> {
  return { elementwise: false, operands, regions, infer: rule };
}
function each(operands: number, rule: Infer<None> = infer.same): Row<None> {
  return { elementwise: true, operands, regions: 0, infer: rule };
}
function eachWith<A>(operands: number, rule: Infer<A>): Row<A> {
  return { elementwise: true, operands, regions: 0, infer: rule };
}

export type Pair = readonly [low: number, high: number];
export type Direction = "EQ" | "NE" | "LT" | "LE" | "GT" | "GE";

export interface DotAttributes {
  readonly lhsBatching: readonly number[];
  readonly rhsBatching: readonly number[];
  readonly lhsContracting: readonly number[];
  readonly rhsContracting: readonly number[];
  /** Type of the sums and the result; the operands' when absent. */
  readonly dtype?: DType;
  /** Ours: subtracted from the operands' elements before they are multiplied. */
  readonly zeroPoints?: Pair;
}

export interface ConvolutionAttributes {
  readonly strides: readonly number[];
  readonly padding: readonly Pair[];
  readonly lhsDilation: readonly number[];
  readonly rhsDilation: readonly number[];
  /** Which spatial dimensions of the kernel are reversed. */
  readonly reversal?: readonly boolean[];
  readonly inputBatch: number;
  readonly inputFeature: number;
  readonly inputSpatial: readonly number[];
  readonly kernelInputFeature: number;
  readonly kernelOutputFeature: number;
  readonly kernelSpatial: readonly number[];
  readonly outputBatch: number;
  readonly outputFeature: number;
  readonly outputSpatial: readonly number[];
  readonly featureGroups: number;
  readonly batchGroups: number;
  /** Type of the sums and the result; the operands' when absent. */
  readonly dtype?: DType;
  /** Ours: subtracted from the operands' elements before they are multiplied; padding counts as the zero point. */
  readonly zeroPoints?: Pair;
}

export interface GatherAttributes {
  readonly offsetDims: readonly number[];
  readonly collapsedSliceDims: readonly number[];
  readonly operandBatchingDims: readonly number[];
  readonly startIndicesBatchingDims: readonly number[];
  readonly startIndexMap: readonly number[];
  readonly indexVectorDim: number;
  readonly sliceSizes: readonly number[];
}

export interface ScatterAttributes {
  readonly updateWindowDims: readonly number[];
  readonly insertedWindowDims: readonly number[];
  readonly inputBatchingDims: readonly number[];
  readonly scatterIndicesBatchingDims: readonly number[];
  readonly scatterDimsToOperandDims: readonly number[];
  readonly indexVectorDim: number;
}

export interface WindowAttributes {
  readonly windowDimensions: readonly number[];
  readonly windowStrides: readonly number[];
  readonly baseDilations: readonly number[];
  readonly windowDilations: readonly number[];
  readonly padding: readonly Pair[];
}

/** Ours: how fixed-point sums become small integers again (the arithmetic of TensorFlow Lite's kernels). */
export interface RequantizeAttributes {
  readonly dtype: DType;
  /** The dimension that multiplier and shift run along; undefined when they are scalars. */
  readonly dimension: number | undefined;
  readonly zeroPoint: number;
  readonly min: number;
  readonly max: number;
}

export const ops = {
  // One element from one.
  abs: each(1, infer.magnitude),
  acos: each(1),
  acosh: each(1),
  asin: each(1),
  asinh: each(1),
  atan: each(1),
  atanh: each(1),
  besselI1e: each(1),
  cbrt: each(1),
  ceil: each(1),
  cosine: each(1),
  cosh: each(1),
  countLeadingZeros: each(1),
  digamma: each(1),
  erf: each(1),
  erfInv: each(1),
  erfc: each(1),
  exponential: each(1),
  exponentialMinusOne: each(1),
  floor: each(1),
  imag: each(1, infer.part),
  isFinite: each(1, infer.predicate),
  isInf: each(1, infer.predicate),
  lgamma: each(1),
  log: each(1),
  logPlusOne: each(1),
  logistic: each(1),
  negate: each(1),
  not: each(1),
  populationCount: each(1),
  real: each(1, infer.part),
  /** Ties away from zero. */
  roundNearestAfz: each(1),
  roundNearestEven: each(1),
  rsqrt: each(1),
  sign: each(1),
  sine: each(1),
  sinh: each(1),
  sqrt: each(1),
  tan: each(1),
  tanh: each(1),
  convert: eachWith<{ dtype: DType }>(1, infer.convert),
  reducePrecision: eachWith<{ exponentBits: number; mantissaBits: number }>(1, infer.same),

  // One element from two; on i1, add is or, multiply is and.
  add: each(2),
  and: each(2),
  atan2: each(2),
  complex: each(2, infer.complex),
  divide: each(2),
  maximum: each(2),
  minimum: each(2),
  multiply: each(2),
  nextAfter: each(2),
  or: each(2),
  polygamma: each(2),
  power: each(2),
  /** Sign of the dividend, as C's fmod. */
  remainder: each(2),
  shiftLeft: each(2),
  shiftRightArithmetic: each(2),
  shiftRightLogical: each(2),
  subtract: each(2),
  xor: each(2),
  zeta: each(2),
  /** `total`: by IEEE 754's totalOrder instead of as floats compare. */
  compare: eachWith<{ direction: Direction; total?: boolean }>(2, infer.compare),

  // One element from three.
  /** Operands: minimum, operand, maximum; the bounds may be scalars. */
  clamp: each(3, infer.clamp),
  /** The predicate may be a scalar. */
  select: each(3, infer.select),

  // Ours: quantised arithmetic.
  /**
   * Operands: sums (i32 or i64), multiplier (i32, 31 fractional bits), shift (i32, positive to the left). Rounds as
   * TensorFlow Lite's MultiplyByQuantizedMultiplier does, adds the zero point and clamps to [min, max].
   */
  requantize: eachWith<RequantizeAttributes>(3, infer.requantize),
  /** Operands: i8 or u8 elements and a table of 256: element -> table[element - smallest of its type]. */
  lookup: eachWith<None>(2, infer.lookup),

  // Without operands.
  constant: op<{ value: Tensor }>(0, infer.constant),
  iota: op<{ dtype: DType; shape: readonly number[]; dimension: number }>(0, infer.iota),

  // Elements moved.
  bitcastConvert: op<{ dtype: DType }>(1, infer.bitcastConvert),
  /** Operand dimension i becomes result dimension dimensions[i]; extents of 1 are stretched. */
  broadcastInDim: op<{ shape: readonly number[]; dimensions: readonly number[] }>(1, infer.broadcastInDim),
  concatenate: op<{ dimension: number }>(undefined, infer.concatenate),
  /** Operands: operand, then one scalar index a dimension; indices are clamped. */
  dynamicSlice: op<{ sizes: readonly number[] }>(undefined, infer.dynamicSlice),
  /** Operands: operand, update, then one scalar index a dimension; indices are clamped. */
  dynamicUpdateSlice: op<None>(undefined, infer.dynamicUpdateSlice),
  /** Operands: operand, start indices. */
  gather: op<GatherAttributes>(2, infer.gather),
  /** Operands: operand, padding value. Negative low and high cut off. */
  pad: op<{ low: readonly number[]; high: readonly number[]; interior: readonly number[] }>(2, infer.pad),
  reshape: op<{ shape: readonly number[] }>(1, infer.reshape),
  reverse: op<{ dimensions: readonly number[] }>(1, infer.same),
  /** Operands: n inputs, indices, n updates. The region takes n old, then n new scalars. */
  scatter: op<ScatterAttributes>(undefined, infer.scatter, 1),
  slice: op<{ start: readonly number[]; limit: readonly number[]; strides: readonly number[] }>(1, infer.slice),
  /** Result dimension i is operand dimension permutation[i]. */
  transpose: op<{ permutation: readonly number[] }>(1, infer.transpose),

  // Sums and windows.
  convolution: op<ConvolutionAttributes>(2, infer.convolution),
  dotGeneral: op<DotAttributes>(2, infer.dotGeneral),
  map: op<{ dimensions: readonly number[] }>(undefined, infer.map, 1),
  /** Operands: n inputs, n starting values. The region takes n accumulated, then n new scalars. */
  reduce: op<{ dimensions: readonly number[] }>(undefined, infer.reduce, 1),
  reduceWindow: op<WindowAttributes>(undefined, infer.reduceWindow, 1),
  /** Operands: operand, source, starting value. Regions: select, scatter. */
  selectAndScatter: op<Pick<WindowAttributes, "windowDimensions" | "windowStrides" | "padding">>(
    3,
    infer.selectAndScatter,
    2,
  ),
  /** The region compares: two scalars of each operand in turn. */
  sort: op<{ dimension: number; stable: boolean }>(undefined, infer.sameAll, 1),
  /** The k largest along the last dimension, falling, and where they were (i32). */
  topK: op<{ k: number }>(1, infer.topK),

  // Linear algebra, transforms, random numbers.
  cholesky: op<{ lower: boolean }>(1, infer.same),
  fft: op<{ kind: "FFT" | "IFFT" | "RFFT" | "IRFFT"; length: readonly number[] }>(1, infer.fft),
  triangularSolve: op<{
    leftSide: boolean;
    lower: boolean;
    unitDiagonal: boolean;
    transposeA: "NO_TRANSPOSE" | "TRANSPOSE" | "ADJOINT";
  }>(2, infer.secondOperand),
  /** Operand: state. Results: new state, bits. */
  rngBitGenerator: op<{ algorithm: "DEFAULT" | "THREE_FRY" | "PHILOX"; dtype: DType; shape: readonly number[] }>(
    1,
    infer.rngBitGenerator,
  ),
  /** Operands: two scalars, low and high or mean and deviation. Not reproducible. */
  rng: op<{ distribution: "UNIFORM" | "NORMAL"; shape: readonly number[] }>(2, infer.rng),

  // Control flow. Regions see the values around them.
  /** Operand: index (i32, clamped to the last branch). */
  case: { ...op(1, infer.branches), regions: undefined },
  /** Operand: predicate. Regions: true, false. */
  if: op(1, infer.branches, 2),
  /** Operands are the loop's values. Regions: condition, body. */
  while: op<None>(undefined, infer.sameAll, 2),
} as const satisfies Record<string, Row<never>>;

export type OpName = keyof typeof ops;
export type AttributesOf<N extends OpName> = (typeof ops)[N] extends Row<infer A> ? A : never;

/** The result types of an operation. Throws TypeMismatch when the operands do not fit it. */
export function inferTypes<N extends OpName>(
  name: N,
  operands: readonly Value[],
  attributes: AttributesOf<N>,
  regions: readonly Region[],
): TensorType[] {
  const row = ops[name] as Row<AttributesOf<N>>;
  if (row.operands !== undefined && operands.length !== row.operands) {
    throw new infer.TypeMismatch(`${name}: takes ${row.operands} operands, got ${operands.length}`);
  }
  if (row.regions !== undefined && regions.length !== row.regions) {
    throw new infer.TypeMismatch(`${name}: takes ${row.regions} regions, got ${regions.length}`);
  }
  return row.infer(
    operands.map(({ type }) => type),
    attributes,
    regions,
  );
}

/** Whether each element of the result comes from the operands' elements at the same place. */
export const isElementwise = (name: OpName): boolean => ops[name].elementwise;
