// HLO's instructions as StableHLO operations: the name, and the attributes from the message's fields.

import { FormatError } from "../../../../base/errors.ts";
import { utf8 } from "../../../../base/text.ts";
import { parseAttribute } from "../mlir/attributes.ts";
import { Reader } from "../mlir/reader.ts";
import { type Attribute, type Attributes, i64 } from "../mlir/module.ts";
import type { InstructionMessage } from "./proto.ts";

const list = (values: readonly number[]): Attribute => ({ kind: "list", element: i64, values: values.map(BigInt) });
const integer = (value: number): Attribute => ({ kind: "integer", value: BigInt(value), type: i64 });
const flag = (value: boolean): Attribute => ({ kind: "boolean", value });
const word = (value: string): Attribute => ({ kind: "string", value });

/** A message of numbers and lists as an attribute with the same names. */
function record(name: string, fields: Readonly<Record<string, number | number[]>> | undefined): Attribute {
  const entries = Object.entries(fields ?? {}).map(
    ([key, value]) => [key, Array.isArray(value) ? list(value) : integer(value)] as const,
  );
  return { kind: "record", name, fields: new Map(entries) };
}

/** Windows of reductions and of convolutions; strides and dilations are 1 where they are not said. */
function window(from: InstructionMessage, names: Readonly<Record<"strides" | "base" | "dilation", string>>) {
  const dimensions = from.window?.dimensions ?? [];
  return {
    window_dimensions: list(dimensions.map(({ size }) => size)),
    [names.strides]: list(dimensions.map(({ stride }) => stride || 1)),
    [names.base]: list(dimensions.map(({ baseDilation }) => baseDilation || 1)),
    [names.dilation]: list(dimensions.map(({ windowDilation }) => windowDilation || 1)),
    padding: list(dimensions.flatMap(({ paddingLow, paddingHigh }) => [paddingLow, paddingHigh])),
  };
}

const batchNorm = ({ epsilon, featureIndex }: InstructionMessage) => ({
  epsilon: { kind: "float", value: epsilon, type: { kind: "float", name: "f32" } } satisfies Attribute,
  feature_index: integer(featureIndex),
});

/** The groups of devices: how many of how many. */
function groups({ replicaGroups }: InstructionMessage): Readonly<Record<string, Attribute>> {
  if (replicaGroups.length === 0) return {};
  const shape = [replicaGroups.length, Math.max(...replicaGroups.map(({ ids }) => ids.length))];
  const type = { kind: "tensor", shape, element: i64 } as const;
  return { replica_groups: { kind: "dense", type, splat: true, bytes: new Uint8Array(8) } };
}

/** Options of custom calls: MLIR's dictionary in text, or any text. */
function options(text: string): Attribute {
  if (!text.startsWith("{")) return word(text);
  try {
    return parseAttribute(new Reader(text));
  } catch (error) {
    if (error instanceof FormatError) return word(text);
    throw error;
  }
}

type Build = (from: InstructionMessage) => Readonly<Record<string, Attribute>>;
const fft = ["FFT", "IFFT", "RFFT", "IRFFT"];
const transposes = ["NO_TRANSPOSE", "NO_TRANSPOSE", "TRANSPOSE", "ADJOINT"];
const algorithms = ["DEFAULT", "THREE_FRY", "PHILOX"];

/** Attributes by opcode; instructions that are not here have none. */
const builds: Readonly<Record<string, Build>> = {
  "batch-norm-grad": batchNorm,
  "batch-norm-inference": batchNorm,
  "batch-norm-training": batchNorm,
  broadcast: ({ dimensions }) => ({ broadcast_dimensions: list(dimensions) }),
  cholesky: ({ cholesky }) => ({ lower: flag(cholesky?.lower ?? false) }),
  compare: ({ comparisonDirection, comparisonType }) => ({
    comparison_direction: word(comparisonDirection),
    compare_type: word(comparisonType),
  }),
  concatenate: ({ dimensions }) => ({ dimension: integer(dimensions[0] ?? 0) }),
  convolution: (from) => ({
    ...window(from, { strides: "window_strides", base: "lhs_dilation", dilation: "rhs_dilation" }),
    window_reversal: list((from.window?.dimensions ?? []).map(({ reversal }) => (reversal ? 1 : 0))),
    dimension_numbers: record("conv", from.convolution),
    feature_group_count: integer(from.featureGroups || 1),
    batch_group_count: integer(from.batchGroups || 1),
  }),
  "custom-call": ({ customCallTarget, backendConfig }) => ({
    call_target_name: word(customCallTarget),
    backend_config: options(utf8(backendConfig)),
  }),
  dot: ({ dot }) => ({ dot_dimension_numbers: record("dot", dot) }),
  "dynamic-slice": ({ dynamicSliceSizes }) => ({ slice_sizes: list(dynamicSliceSizes) }),
  fft: ({ fftType, fftLength }) => ({ fft_type: word(fft[fftType] ?? ""), fft_length: list(fftLength) }),
  gather: ({ gather, gatherSliceSizes }) => ({
    dimension_numbers: record("gather", gather),
    slice_sizes: list(gatherSliceSizes),
  }),
  "get-dimension-size": ({ dimensions }) => ({ dimension: integer(dimensions[0] ?? 0) }),
  "get-tuple-element": ({ tupleIndex }) => ({ index: integer(tupleIndex) }),
  iota: ({ dimensions }) => ({ iota_dimension: integer(dimensions[0] ?? 0) }),
  map: ({ dimensions }) => ({ dimensions: list(dimensions) }),
  pad: ({ padding }) => ({
    edge_padding_low: list((padding?.dimensions ?? []).map(({ low }) => low)),
    edge_padding_high: list((padding?.dimensions ?? []).map(({ high }) => high)),
    interior_padding: list((padding?.dimensions ?? []).map(({ interior }) => interior)),
  }),
  reduce: ({ dimensions }) => ({ dimensions: list(dimensions) }),
  "reduce-precision": ({ exponentBits, mantissaBits }) => ({
    exponent_bits: integer(exponentBits),
    mantissa_bits: integer(mantissaBits),
  }),
  "reduce-window": (from) =>
    window(from, { strides: "window_strides", base: "base_dilations", dilation: "window_dilations" }),
  reverse: ({ dimensions }) => ({ dimensions: list(dimensions) }),
  rng: ({ distribution }) => ({ rng_distribution: word(distribution === 1 ? "UNIFORM" : "NORMAL") }),
  "rng-bit-generator": ({ rngAlgorithm }) => ({ rng_algorithm: word(algorithms[rngAlgorithm] ?? "DEFAULT") }),
  scatter: ({ scatter }) => ({ scatter_dimension_numbers: record("scatter", scatter) }),
  "select-and-scatter": (from) =>
    window(from, { strides: "window_strides", base: "base_dilations", dilation: "window_dilations" }),
  slice: ({ slices }) => ({
    start_indices: list(slices.map(({ start }) => start)),
    limit_indices: list(slices.map(({ limit }) => limit)),
    strides: list(slices.map(({ stride }) => stride || 1)),
  }),
  sort: ({ dimensions, isStable }) => ({ dimension: integer(dimensions[0] ?? 0), is_stable: flag(isStable) }),
  topk: ({ k, largest }) => ({ k: integer(k), largest: flag(largest) }),
  transpose: ({ dimensions }) => ({ permutation: list(dimensions) }),
  "triangular-solve": ({ triangularSolve: options }) => ({
    left_side: flag(options?.leftSide ?? false),
    lower: flag(options?.lower ?? false),
    unit_diagonal: flag(options?.unitDiagonal ?? false),
    transpose_a: word(transposes[options?.transposeA ?? 0] ?? ""),
  }),
  "all-gather": groups,
  "all-reduce": groups,
  "all-to-all": groups,
  "reduce-scatter": groups,
  "collective-broadcast": groups,
};

/** Opcodes that StableHLO spells otherwise than with "_" for "-". */
const names: Readonly<Record<string, string>> = {
  broadcast: "broadcast_in_dim",
  conditional: "case",
  dot: "dot_general",
  domain: "optimization_barrier",
  "opt-barrier": "optimization_barrier",
};

export function operationName(opcode: string): string {
  return `stablehlo.${Object.hasOwn(names, opcode) ? names[opcode] : opcode.replaceAll("-", "_")}`;
}

export function attributesOf(from: InstructionMessage): Attributes {
  const build = Object.hasOwn(builds, from.opcode) ? builds[from.opcode] : undefined;
  return new Map(Object.entries(build?.(from) ?? {}));
}
