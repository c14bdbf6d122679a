// The operations of StableHLO, CHLO and MHLO (specifications of the first two), each as builder calls.

import type {
  ConvolutionAttributes,
  Direction,
  GatherAttributes,
  OpName,
  Pair,
  ScatterAttributes,
} from "../../hlo/ops.ts";
import { type DType, dtypes, isComplex, isFloat, isInteger, kindOf, partType } from "../../hlo/dtype.ts";
import { is, type Value } from "../../hlo/graph.ts";
import { scalar, type TensorType } from "../../hlo/tensor.ts";
import { constantOf } from "../../interpret/interpret.ts";
import { customCall } from "./customcall.ts";
import { einsum } from "./einsum.ts";
import type { Type } from "./mlir/module.ts";
import { type Agreement, likewise, type Lowered, type Site } from "./site.ts";

const group = (names: string) => new Set(names.split(" "));

/** What the elements of elementwise operations have to be (specification, "Inputs"); others take any numbers. */
const bitwise = group("and or xor not");
const integral = group("shift_left shift_right_arithmetic shift_right_logical popcnt count_leading_zeros");
const fractional = group(
  "bessel_i1e ceil digamma erf erf_inv erfc floor is_finite is_inf lgamma next_after polygamma round_nearest_afz " +
    "round_nearest_even zeta",
);
const continuous = group(
  "acos acosh asin asinh atan atan2 atanh cbrt cosh cosine exponential exponential_minus_one log log_plus_one logistic " +
    "rsqrt sine sinh sqrt tan tanh",
);
const ordered = group("abs negate sign power divide remainder subtract");

function checkElements(name: string, site: Site): void {
  const { dtype } = site.operand(0).type;
  const kind = kindOf(dtype);
  const whole = kind === "signed" || kind === "unsigned";
  const fits =
    (!bitwise.has(name) || whole || kind === "boolean") &&
    (!integral.has(name) || whole) &&
    (!fractional.has(name) || kind === "float") &&
    (!continuous.has(name) || kind === "float" || kind === "complex") &&
    (!ordered.has(name) || kind !== "boolean");
  if (!fits) site.fail(`elements of type ${dtype}`);
}

/** What one operation becomes: its results. */
export type Rule = (site: Site) => readonly Lowered[];

const one =
  (rule: (site: Site) => Value): Rule =>
  (site) => [rule(site)];

const element = ({ type }: Value): TensorType => ({ dtype: type.dtype, shape: [] });
const elements = (values: readonly Value[]): TensorType[] => values.map(element);

/** Names of operations that have operands only. */
type Elementwise = {
  [N in OpName]: N;
}[OpName];

/** Operations that are ours by another spelling. */
const elementwise = {
  abs: "abs",
  acos: "acos",
  acosh: "acosh",
  add: "add",
  and: "and",
  asin: "asin",
  asinh: "asinh",
  atan: "atan",
  atan2: "atan2",
  atanh: "atanh",
  bessel_i1e: "besselI1e",
  cbrt: "cbrt",
  ceil: "ceil",
  clamp: "clamp",
  complex: "complex",
  cosh: "cosh",
  cosine: "cosine",
  count_leading_zeros: "countLeadingZeros",
  digamma: "digamma",
  divide: "divide",
  erf: "erf",
  erf_inv: "erfInv",
  erfc: "erfc",
  exponential: "exponential",
  exponential_minus_one: "exponentialMinusOne",
  floor: "floor",
  is_finite: "isFinite",
  is_inf: "isInf",
  lgamma: "lgamma",
  log: "log",
  log_plus_one: "logPlusOne",
  logistic: "logistic",
  maximum: "maximum",
  minimum: "minimum",
  multiply: "multiply",
  negate: "negate",
  next_after: "nextAfter",
  not: "not",
  or: "or",
  polygamma: "polygamma",
  popcnt: "populationCount",
  power: "power",
  remainder: "remainder",
  round_nearest_afz: "roundNearestAfz",
  round_nearest_even: "roundNearestEven",
  rsqrt: "rsqrt",
  select: "select",
  shift_left: "shiftLeft",
  shift_right_arithmetic: "shiftRightArithmetic",
  shift_right_logical: "shiftRightLogical",
  sign: "sign",
  sine: "sine",
  sinh: "sinh",
  sqrt: "sqrt",
  subtract: "subtract",
  tan: "tan",
  tanh: "tanh",
  xor: "xor",
  zeta: "zeta",
} as const satisfies Record<string, Elementwise>;

/** CHLO's operations that stretch their operands first (numpy's rule, or along `broadcast_dimensions`). */
const stretching = {
  broadcast_add: "add",
  broadcast_and: "and",
  broadcast_atan2: "atan2",
  broadcast_complex: "complex",
  broadcast_divide: "divide",
  broadcast_maximum: "maximum",
  broadcast_minimum: "minimum",
  broadcast_multiply: "multiply",
  broadcast_next_after: "nextAfter",
  broadcast_or: "or",
  broadcast_polygamma: "polygamma",
  broadcast_power: "power",
  broadcast_remainder: "remainder",
  broadcast_shift_left: "shiftLeft",
  broadcast_shift_right_arithmetic: "shiftRightArithmetic",
  broadcast_shift_right_logical: "shiftRightLogical",
  broadcast_subtract: "subtract",
  broadcast_xor: "xor",
  broadcast_zeta: "zeta",
} as const;

/** The two operands of a stretching operation, of one shape. */
function stretched(site: Site): [Value, Value] {
  const { build } = site;
  const [a, b] = [site.operand(0), site.operand(1)];
  const shape = build.common(a.type.shape, b.type.shape);
  const dimensions = site.attributes.has("broadcast_dimensions") ? site.integers("broadcast_dimensions") : undefined;
  if (dimensions && a.type.shape.length !== b.type.shape.length) {
    const [small, large] = a.type.shape.length < b.type.shape.length ? [a, b] : [b, a];
    const wide = build.op("broadcastInDim", [small], { shape: large.type.shape, dimensions });
    return small === a ? [wide, large] : [large, wide];
  }
  return [build.broadcast(a, shape), build.broadcast(b, shape)];
}

function constant(site: Site): Value {
  const { build } = site;
  const { tensor, splat } = site.tensor("value");
  const shape = site.shape();
  return splat && shape.length > 0 ? build.broadcast(build.constant(tensor), shape) : build.constant(tensor);
}

const directions: readonly Direction[] = ["EQ", "NE", "LT", "LE", "GT", "GE"];

const compare = (site: Site, a: Value, b: Value) =>
  site.build.op("compare", [a, b], {
    direction: site.choice("comparison_direction", directions),
    ...(site.word("compare_type", "") === "TOTALORDER" && isFloat(a.type.dtype) && { total: true }),
  });

const pairs = (flat: readonly number[]): Pair[] =>
  Array.from({ length: flat.length / 2 }, (_, i): Pair => [flat[2 * i]!, flat[2 * i + 1]!]);

function convolution(site: Site, padding?: readonly number[]): Value {
  const numbers = site.fields("dimension_numbers");
  const spatial = site.integers("input_spatial_dimensions", undefined, numbers);
  const ones = spatial.map(() => 1);
  const flat = padding ?? site.integers("padding", [...ones, ...ones].fill(0));
  const reversal = site.integers("window_reversal", [...ones].fill(0));
  const number = (name: string) => site.integer(name, undefined, numbers);
  const attributes: ConvolutionAttributes = {
    strides: site.integers("window_strides", ones),
    padding: pairs(flat),
    lhsDilation: site.integers("lhs_dilation", ones),
    rhsDilation: site.integers("rhs_dilation", ones),
    inputBatch: number("input_batch_dimension"),
    inputFeature: number("input_feature_dimension"),
    inputSpatial: spatial,
    kernelInputFeature: number("kernel_input_feature_dimension"),
    kernelOutputFeature: number("kernel_output_feature_dimension"),
    kernelSpatial: site.integers("kernel_spatial_dimensions", undefined, numbers),
    outputBatch: number("output_batch_dimension"),
    outputFeature: number("output_feature_dimension"),
    outputSpatial: site.integers("output_spatial_dimensions", undefined, numbers),
    featureGroups: site.integer("feature_group_count", 1),
    batchGroups: site.integer("batch_group_count", 1),
    ...(reversal.some((flag) => flag !== 0) && { reversal: reversal.map((flag) => flag !== 0) }),
  };
  const [x, kernel] = sameElements(site);
  return site.build.op("convolution", [x, kernel], withType(site, x, attributes));
}

/** Operands of mixed types as the type of the result, where that holds both. */
function sameElements(site: Site): [Value, Value] {
  const [a, b] = [site.operand(0), site.operand(1)];
  if (a.type.dtype === b.type.dtype) return [a, b];
  return [site.build.convert(a, site.dtype()), site.build.convert(b, site.dtype())];
}

function withType<A extends object>(site: Site, x: Value, attributes: A): A {
  const dtype = site.dtype();
  return dtype === x.type.dtype ? attributes : { ...attributes, dtype };
}

function dotGeneral(site: Site): Value {
  const numbers = site.fields("dot_dimension_numbers");
  const list = (name: string) => site.integers(name, [], numbers);
  const [a, b] = sameElements(site);
  return site.build.op(
    "dotGeneral",
    [a, b],
    withType(site, a, {
      lhsBatching: list("lhs_batching_dimensions"),
      rhsBatching: list("rhs_batching_dimensions"),
      lhsContracting: list("lhs_contracting_dimensions"),
      rhsContracting: list("rhs_contracting_dimensions"),
    }),
  );
}

/** The product of vectors and matrices: the last dimension of the first, the first of the second. */
function dot(site: Site): Value {
  const [a, b] = sameElements(site);
  return site.build.op(
    "dotGeneral",
    [a, b],
    withType(site, a, {
      lhsBatching: [],
      rhsBatching: [],
      lhsContracting: [a.type.shape.length - 1],
      rhsContracting: [0],
    }),
  );
}

function gather(site: Site, sliceSizes: readonly number[]): Value {
  const numbers = site.fields("dimension_numbers");
  const list = (name: string) => site.integers(name, [], numbers);
  const attributes: GatherAttributes = {
    offsetDims: list("offset_dims"),
    collapsedSliceDims: list("collapsed_slice_dims"),
    operandBatchingDims: list("operand_batching_dims"),
    startIndicesBatchingDims: list("start_indices_batching_dims"),
    startIndexMap: list("start_index_map"),
    indexVectorDim: site.integer("index_vector_dim", 0, numbers),
    sliceSizes,
  };
  return site.build.op("gather", [site.operand(0), site.operand(1)], attributes);
}

/** Operands of which there have to be some. */
function atLeast(site: Site, count: number): Value[] {
  const { operands } = site;
  return operands.length < count ? site.fail(`has ${operands.length} operands, needs ${count}`) : operands;
}

function scatter(site: Site): readonly Value[] {
  const numbers = site.fields("scatter_dimension_numbers");
  const list = (name: string) => site.integers(name, [], numbers);
  const attributes: ScatterAttributes = {
    updateWindowDims: list("update_window_dims"),
    insertedWindowDims: list("inserted_window_dims"),
    inputBatchingDims: list("input_batching_dims"),
    scatterIndicesBatchingDims: list("scatter_indices_batching_dims"),
    scatterDimsToOperandDims: list("scatter_dims_to_operand_dims"),
    indexVectorDim: site.integer("index_vector_dim", 0, numbers),
  };
  const operands = atLeast(site, 3);
  const inputs = operands.slice(0, (operands.length - 1) / 2);
  const updates = operands.slice((operands.length + 1) / 2);
  return site.build.all("scatter", operands, attributes, [site.region(0, [...elements(inputs), ...elements(updates)])]);
}

function reduce(site: Site): readonly Value[] {
  const { operands } = site;
  const inputs = operands.slice(0, operands.length / 2);
  const starts = operands.slice(operands.length / 2);
  const region = site.region(0, [...elements(starts), ...elements(inputs)]);
  return site.build.all("reduce", operands, { dimensions: site.integers("dimensions") }, [region]);
}

function reduceWindow(site: Site): readonly Value[] {
  const { operands } = site;
  const inputs = operands.slice(0, operands.length / 2);
  const windowDimensions = site.integers("window_dimensions");
  const ones = windowDimensions.map(() => 1);
  const zeros = [...ones, ...ones].fill(0);
  const starts = operands.slice(operands.length / 2);
  return site.build.all(
    "reduceWindow",
    operands,
    {
      windowDimensions,
      windowStrides: site.integers("window_strides", ones),
      baseDilations: site.integers("base_dilations", ones),
      windowDilations: site.integers("window_dilations", ones),
      padding: pairs(site.integers("padding", zeros)),
    },
    [site.region(0, [...elements(starts), ...elements(inputs)])],
  );
}

function selectAndScatter(site: Site): Value {
  const operand = site.operand(0);
  const windowDimensions = site.integers(
    "window_dimensions",
    operand.type.shape.map(() => 1),
  );
  const ones = windowDimensions.map(() => 1);
  const pair = [element(operand), element(operand)];
  return site.build.op(
    "selectAndScatter",
    site.operands,
    {
      windowDimensions,
      windowStrides: site.integers("window_strides", ones),
      padding: pairs(site.integers("padding", [...ones, ...ones].fill(0))),
    },
    [site.region(0, pair), site.region(1, pair)],
  );
}

function sort(site: Site): readonly Value[] {
  const operands = atLeast(site, 1);
  const rank = operands[0]?.type.shape.length ?? 0;
  const dimension = site.integer("dimension", -1);
  const pairTypes = operands.flatMap((value) => [element(value), element(value)]);
  const attributes = { dimension: dimension < 0 ? dimension + rank : dimension, stable: site.flag("is_stable") };
  return site.build.all("sort", operands, attributes, [site.region(0, pairTypes)]);
}

/** Loop values keep the types that they have before the first turn. */
function loop(site: Site): readonly Lowered[] {
  const { lowered, operands } = site;
  const types = operands.map(({ type }) => type);
  const results = site.build.all("while", operands, {}, [site.region(0, types), site.region(1, types)]);
  return likewise(lowered, results);
}

/** A branch that is known while loading (the platform's) is inlined, the others are left out. */
function branches(op: "case" | "if"): Rule {
  return (site) => {
    const count = site.operation.regions.length;
    const which = constantOf(site.operand(0), 1)?.data[0];
    if (which !== undefined) {
      const index =
        op === "if" ? (which ? 0 : 1) : Number(which) >= 0 && Number(which) < count ? Number(which) : count - 1;
      return site.walker.inline(site.operation, index);
    }
    const regions = site.operation.regions.map((_, i) => site.region(i));
    const results = site.build.all(op, [site.operand(0)], {}, regions);
    let next = 0;
    const place = (type: Type): Lowered =>
      type.kind === "token" ? undefined : type.kind === "tuple" ? type.elements.map(place) : results[next++];
    return site.operation.results.map(({ type }) => place(type));
  };
}

/** Normalisation by statistics along one dimension: inference, training and the gradient (StableHLO specification). */
function batchNorm(site: Site): {
  shape: readonly number[];
  along: (x: Value) => Value;
  others: number[];
  feature: number;
} {
  const { shape } = site.operand(0).type;
  const feature = site.integer("feature_index");
  const others = shape.map((_, i) => i).filter((i) => i !== feature);
  return { shape, feature, others, along: (x) => site.build.along(x, shape, feature) };
}

function normalise(site: Site, mean: Value, variance: Value): Value {
  const { build } = site;
  const { along } = batchNorm(site);
  const [x, scale, offset] = [site.operand(0), site.operand(1), site.operand(2)];
  const deviation = build.plain("sqrt", build.with("add", along(variance), site.float("epsilon")));
  const normal = build.divide(build.subtract(x, along(mean)), deviation);
  return build.add(build.multiply(normal, along(scale)), along(offset));
}

function batchNormTraining(site: Site): readonly Value[] {
  const { build } = site;
  const { others, along } = batchNorm(site);
  const x = site.operand(0);
  const mean = build.mean(x, others);
  const centred = build.subtract(x, along(mean));
  const variance = build.mean(build.multiply(centred, centred), others);
  return [normalise(site, mean, variance), mean, variance];
}

function batchNormGrad(site: Site): readonly Value[] {
  const { build } = site;
  const { others, along, shape } = batchNorm(site);
  const [x, scale, mean, variance, gradient] = [0, 1, 2, 3, 4].map((i) => site.operand(i)) as Value[];
  const count = others.reduce((product, i) => product * shape[i]!, 1);
  const centred = build.subtract(x!, along(mean!));
  const shifted = build.with("add", along(variance!), site.float("epsilon"));
  const i1 = build.with("multiply", gradient!, count);
  const i2 = along(build.reduce("add", gradient!, others));
  const i3 = along(build.reduce("add", build.multiply(gradient!, centred), others));
  const i5 = build.divide(build.multiply(i3, centred), shifted);
  const outer = build.with("divide", build.divide(along(scale!), build.plain("sqrt", shifted)), count);
  const operand = build.multiply(outer, build.subtract(build.subtract(i1, i2), i5));
  const normal = build.divide(centred, build.plain("sqrt", shifted));
  return [
    operand,
    build.reduce("add", build.multiply(gradient!, normal), others),
    build.reduce("add", gradient!, others),
  ];
}

function slice(site: Site, start: readonly number[], limit: readonly number[], strides: readonly number[]): Value {
  return site.build.op("slice", [site.operand(0)], { start, limit, strides });
}

/** Bounds that are operands. Those that depend on data are a start and, as JAX writes it, the start plus a known size. */
function realDynamicSlice(site: Site): Value {
  const { build } = site;
  const [x, start, limit] = [site.operand(0), site.operand(1), site.operand(2)];
  const strides = site.known(3);
  const sum = limit.producer;
  const size = is(sum, "add") && sum.operands.includes(start) ? sum.operands.find((each) => each !== start) : undefined;
  const sizes = size && constantOf(size);
  if (constantOf(start) || !sizes || strides.some((n) => n !== 1))
    return slice(site, site.known(1), site.known(2), strides);
  const indices = x.type.shape.map((_, i) => build.reshape(build.slice(start, [i], [i + 1]), []));
  return build.op("dynamicSlice", [x, ...indices], { sizes: Array.from(sizes.data as ArrayLike<number>, Number) });
}

function topK(site: Site): readonly Value[] {
  const { build } = site;
  const x = site.operand(0);
  if (!site.flag("largest", true)) site.fail("the smallest elements");
  return build.all("topK", [x], { k: site.integer("k") });
}

/** Operand rows by index along one dimension, after `batch_dims` dimensions that both have. */
function torchIndexSelect(site: Site): Value {
  const [x, index] = [site.operand(0), site.operand(1)];
  const batch = site.integer("batch_dims", 0);
  const dimension = site.integer("dim");
  const rank = x.type.shape.length;
  const inner = index.type.shape.length - batch;
  const batching = Array.from({ length: batch }, (_, i) => i);
  const result = rank - 1 + inner;
  const isBatch = (i: number) => i < batch || (i >= dimension && i < dimension + inner);
  return site.build.op("gather", [x, index], {
    offsetDims: Array.from({ length: result }, (_, i) => i).filter((i) => !isBatch(i)),
    collapsedSliceDims: [dimension],
    operandBatchingDims: batching,
    startIndicesBatchingDims: batching,
    startIndexMap: [dimension],
    indexVectorDim: index.type.shape.length,
    sliceSizes: x.type.shape.map((n, i) => (i === dimension || i < batch ? 1 : n)),
  });
}

const pass: Rule = ({ lowered }) => lowered;
const token: Rule = ({ operation }) => operation.results.map(() => undefined);
const first: Rule = ({ lowered }) => [lowered[0]];

/** Every operation by its name without the dialect. */
export const hlo = {
  ...(Object.fromEntries(
    Object.entries(elementwise).map(([name, op]) => [
      name,
      one((site) => {
        checkElements(name, site);
        return site.build.op(op as "abs", site.operands, {});
      }),
    ]),
  ) as Record<keyof typeof elementwise, Rule>),
  ...(Object.fromEntries(
    Object.entries(stretching).map(([name, op]) => [name, one((site) => site.build.plain(op, ...stretched(site)))]),
  ) as Record<keyof typeof stretching, Rule>),

  // Constants.
  constant: one(constant),
  constant_like: one((site) => {
    const { build } = site;
    const value = site.attributes.get("value");
    const number =
      value?.kind === "integer" || value?.kind === "float" ? value.value : site.fail("the value is no number");
    const x = site.operand(0);
    return build.full(x.type.dtype, x.type.shape, number);
  }),
  iota: one((site) =>
    site.build.op("iota", [], { dtype: site.dtype(), shape: site.shape(), dimension: site.integer("iota_dimension") }),
  ),
  dynamic_iota: one((site) =>
    site.build.op("iota", [], { dtype: site.dtype(), shape: site.known(0), dimension: site.integer("iota_dimension") }),
  ),
  get_dimension_size: one((site) => {
    const extent = site.operand(0).type.shape[site.integer("dimension")];
    return site.build.constant(scalar("i32", extent ?? site.fail("no such dimension")));
  }),
  /** Only where the size is the whole extent. */
  set_dimension_size: (site) => {
    const extent = site.operand(0).type.shape[site.integer("dimension")];
    return site.known(1)[0] === extent ? [site.operand(0)] : site.fail("shapes that depend on data");
  },
  partition_id: one((site) => site.build.scalar("u32", 0)),
  replica_id: one((site) => site.build.scalar("u32", 0)),

  // Elementwise with attributes or by way of others.
  compare: one((site) => compare(site, site.operand(0), site.operand(1))),
  broadcast_compare: one((site) => compare(site, ...stretched(site))),
  broadcast_select: one((site) => site.build.select(site.operand(0), site.operand(1), site.operand(2))),
  convert: one((site) => site.build.convert(site.operand(0), site.dtype())),
  conj: one((site) => {
    const { build } = site;
    const x = site.operand(0);
    if (!isComplex(x.type.dtype)) return x;
    return build.plain("complex", build.plain("real", x), build.plain("negate", build.plain("imag", x)));
  }),
  /** Of a real number: itself, and zero. */
  real: one((site) =>
    isComplex(site.operand(0).type.dtype) ? site.build.plain("real", site.operand(0)) : site.operand(0),
  ),
  imag: one((site) => {
    const x = site.operand(0);
    return isComplex(x.type.dtype)
      ? site.build.plain("imag", x)
      : site.build.full(partType(x.type.dtype), x.type.shape, 0);
  }),
  is_neg_inf: one((site) => {
    const x = site.operand(0);
    return site.build.compare("EQ", x, site.build.scalar(x.type.dtype, -Infinity));
  }),
  is_pos_inf: one((site) => {
    const x = site.operand(0);
    return site.build.compare("EQ", x, site.build.scalar(x.type.dtype, Infinity));
  }),
  /** The upper half of a product: by way of a type that holds all of it. */
  mulhi: one((site) => {
    const { build } = site;
    const { dtype } = site.operand(0).type;
    const { bits, kind } = dtypes[dtype];
    if (!isInteger(dtype) || bits > 32) return site.fail(`elements of type ${dtype}`);
    const wide: DType = kind === "signed" ? "i64" : "u64";
    const [a, b] = [build.convert(site.operand(0), wide), build.convert(site.operand(1), wide)];
    const shift = build.full(wide, a.type.shape, bits);
    return build.convert(build.plain("shiftRightArithmetic", build.plain("multiply", a, b), shift), dtype);
  }),
  square: one((site) => site.build.plain("multiply", site.operand(0), site.operand(0))),
  reduce_precision: one((site) =>
    site.build.op("reducePrecision", [site.operand(0)], {
      exponentBits: site.integer("exponent_bits"),
      mantissaBits: site.integer("mantissa_bits"),
    }),
  ),

  // Shapes.
  bitcast_convert: one((site) => site.build.op("bitcastConvert", [site.operand(0)], { dtype: site.dtype() })),
  broadcast: one((site) => {
    const x = site.operand(0);
    return site.build.broadcast(x, [...site.integers("broadcast_sizes"), ...x.type.shape]);
  }),
  broadcast_in_dim: one((site) =>
    site.build.op("broadcastInDim", [site.operand(0)], {
      shape: site.shape(),
      dimensions: site.integers("broadcast_dimensions"),
    }),
  ),
  dynamic_broadcast_in_dim: one((site) =>
    site.build.op("broadcastInDim", [site.operand(0)], {
      shape: site.known(1),
      dimensions: site.integers("broadcast_dimensions"),
    }),
  ),
  concatenate: one((site) => site.build.op("concatenate", site.operands, { dimension: site.integer("dimension") })),
  reshape: one((site) => site.build.op("reshape", [site.operand(0)], { shape: site.shape() })),
  dynamic_reshape: one((site) => site.build.op("reshape", [site.operand(0)], { shape: site.known(1) })),
  reverse: one((site) => site.build.op("reverse", [site.operand(0)], { dimensions: site.integers("dimensions") })),
  transpose: one((site) =>
    site.build.op("transpose", [site.operand(0)], { permutation: site.integers("permutation") }),
  ),
  slice: one((site) => {
    const start = site.integers("start_indices");
    return slice(
      site,
      start,
      site.integers("limit_indices"),
      site.integers(
        "strides",
        start.map(() => 1),
      ),
    );
  }),
  real_dynamic_slice: one(realDynamicSlice),
  dynamic_slice: one((site) =>
    site.build.op("dynamicSlice", atLeast(site, 1), { sizes: site.integers("slice_sizes") }),
  ),
  dynamic_update_slice: one((site) => site.build.op("dynamicUpdateSlice", atLeast(site, 2), {})),
  pad: one((site) => {
    const low = site.integers("edge_padding_low");
    const attributes = {
      low,
      high: site.integers("edge_padding_high"),
      interior: site.integers(
        "interior_padding",
        low.map(() => 0),
      ),
    };
    return site.build.op("pad", [site.operand(0), site.operand(1)], attributes);
  }),
  dynamic_pad: one((site) =>
    site.build.op("pad", [site.operand(0), site.operand(1)], {
      low: site.known(2),
      high: site.known(3),
      interior: site.known(4),
    }),
  ),
  gather: one((site) => gather(site, site.integers("slice_sizes"))),
  dynamic_gather: one((site) => gather(site, site.known(2))),
  scatter,
  torch_index_select: one(torchIndexSelect),

  // Sums, windows, order.
  convolution: one((site) => convolution(site)),
  dynamic_conv: one((site) => convolution(site, site.known(2))),
  dot: one(dot),
  dot_general: one(dotGeneral),
  einsum: one(einsum),
  unary_einsum: one(einsum),
  map: one((site) =>
    site.build.op("map", site.operands, { dimensions: site.integers("dimensions", []) }, [
      site.region(0, elements(site.operands)),
    ]),
  ),
  reduce,
  reduce_window: reduceWindow,
  select_and_scatter: one(selectAndScatter),
  sort,
  top_k: topK,
  topk: topK,
  batch_norm_grad: batchNormGrad,
  batch_norm_inference: one((site) => normalise(site, site.operand(3), site.operand(4))),
  batch_norm_training: batchNormTraining,

  // Linear algebra, transforms, random numbers.
  cholesky: one((site) => site.build.op("cholesky", [site.operand(0)], { lower: site.flag("lower") })),
  fft: one((site) =>
    site.build.op("fft", [site.operand(0)], {
      kind: site.choice("fft_type", ["FFT", "IFFT", "RFFT", "IRFFT"]),
      length: site.integers("fft_length"),
    }),
  ),
  triangular_solve: one((site) =>
    site.build.op("triangularSolve", [site.operand(0), site.operand(1)], {
      leftSide: site.flag("left_side"),
      lower: site.flag("lower"),
      unitDiagonal: site.flag("unit_diagonal"),
      transposeA: site.choice("transpose_a", ["NO_TRANSPOSE", "TRANSPOSE", "ADJOINT"], "NO_TRANSPOSE"),
    }),
  ),
  rng: one((site) =>
    site.build.op("rng", [site.operand(0), site.operand(1)], {
      distribution: site.choice("rng_distribution", ["UNIFORM", "NORMAL"]),
      shape: site.known(2),
    }),
  ),
  rng_bit_generator: (site) =>
    site.build.all("rngBitGenerator", [site.operand(0)], {
      algorithm: site.choice("rng_algorithm", ["DEFAULT", "THREE_FRY", "PHILOX"]),
      dtype: site.dtype(1),
      shape: site.shape(1),
    }),

  // Control flow.
  case: branches("case"),
  if: branches("if"),
  while: loop,
  composite: (site) => site.walker.call(site.word("decomposition"), site.lowered),
  custom_call: customCall,

  // Values that are passed on.
  tuple: ({ lowered }) => [lowered],
  get_tuple_element: (site) => {
    const parts = site.lowered[0];
    const index = site.integer("index");
    if (!Array.isArray(parts) || index >= parts.length) return site.fail(`operand has no element ${index}`);
    return [(parts as readonly Lowered[])[index]];
  },
  optimization_barrier: pass,
  create_token: token,
  after_all: token,
  add_dependency: first,
  domain: first,
  copy: first,
  /** Sums over one replica: what is there. */
  "cross-replica-sum": pass,
  all_reduce: alone,
  all_gather: alone,
  reduce_scatter: alone,
  all_to_all: alone,
  collective_permute: alone,
  collective_broadcast: alone,
} satisfies Record<string, Rule>;

/** Collective operations among one participant. */
function alone(site: Site): readonly Lowered[] {
  const groups = site.attributes.get("replica_groups") ?? site.attributes.get("source_target_pairs");
  const members = groups && groups.kind === "dense" ? groups.type.shape : [];
  const isPairs = site.attributes.has("source_target_pairs");
  if (isPairs ? members[0] === 1 : members.every((extent) => extent === 1)) return site.lowered;
  return site.fail("several devices");
}

/** Operations of the check dialect: two values, or one and a constant, have to agree. */
function checked(agreement: (site: Site) => Agreement): Rule {
  return (site) => {
    const expected = site.attributes.has("value") ? expectedValue(site) : site.operand(1);
    site.walker.check(site.operand(0), expected, agreement(site));
    return [];
  };
}

function expectedValue(site: Site): Value {
  const { tensor, splat } = site.tensor("value");
  const { shape } = site.operand(0).type;
  return splat ? site.build.broadcast(site.build.constant(tensor), shape) : site.build.constant(tensor);
}

const equal = checked(() => ({ exact: true }));
const almostEqual = checked((site) => {
  const tolerance = site.attributes.has("tolerance") ? site.float("tolerance") : 1e-4;
  return { exact: false, tolerance: { absolute: tolerance } };
});

/** Operations of other dialects, by their full names. */
export const others = {
  "func.call": (site) => site.walker.call(site.word("callee"), site.lowered),
  "sdy.sharding_constraint": first,
  "sdy.propagation_barrier": first,
  "arith.constant": one(constant),
  "check.almost_eq": almostEqual,
  "check.eq": equal,
  "check.expect_almost_eq": almostEqual,
  "check.expect_almost_eq_const": almostEqual,
  "check.expect_close": checked((site) => ({
    exact: false,
    tolerance: { ulps: site.integer("max_ulp_difference", 3) },
  })),
  "check.expect_eq": equal,
  "check.expect_eq_const": equal,
} satisfies Record<string, Rule>;

const dialects = new Set(["stablehlo", "mhlo", "chlo"]);

/** The rule of an operation; undefined when there is none. */
export function ruleOf(name: string): Rule | undefined {
  if (Object.hasOwn(others, name)) return others[name as keyof typeof others];
  const point = name.indexOf(".");
  const short = name.slice(point + 1);
  return dialects.has(name.slice(0, point)) && Object.hasOwn(hlo, short) ? hlo[short as keyof typeof hlo] : undefined;
}
