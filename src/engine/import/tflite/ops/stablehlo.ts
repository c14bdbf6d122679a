// StableHLO's operators as builtins: attributes by position, regions as subgraphs.

import { FormatError } from "../../../../base/errors.ts";
import type { Builder } from "../../../hlo/build.ts";
import type { Region, Value } from "../../../hlo/graph.ts";
import type { Direction, Pair } from "../../../hlo/ops.ts";
import { isRagged, isResource, type Lower, type Node, Unsupported } from "../node.ts";
import { options } from "../options.ts";

type Plain = Parameters<Builder["plain"]>[0];

/** Operators whose operands have the result's shape. */
const plain =
  (name: Plain): Lower =>
  (node) =>
    node.b.plain(name, ...node.inputs());

/** A subgraph as a region of scalars. */
function bodyOf(node: Node, graph: number, count: number, types: readonly Value[]): Region {
  const parameters = Array.from({ length: count }, (_, i) => ({
    dtype: types[i % types.length]!.type.dtype,
    shape: [] as number[],
  }));
  return node.importer.region(
    node.b,
    graph,
    parameters,
    (_, values) => ({ args: values, variables: [] }),
    (_, results) =>
      results.map((result) => {
        if (isResource(result) || isRagged(result)) throw new Unsupported("a body without values");
        return result;
      }),
    [],
    node.scope.depth,
  );
}

const pairsOf = (list: readonly number[]): Pair[] =>
  Array.from({ length: list.length / 2 }, (_, i) => [list[2 * i]!, list[2 * i + 1]!] as const);

const directions: readonly Direction[] = ["EQ", "NE", "GE", "GT", "LE", "LT"];

const convolution: Lower = (node) => {
  const o = node.options(options.stablehloConvolution);
  const { padding, reversal, ...attributes } = o;
  return node.b.op("convolution", node.inputs(), {
    ...attributes,
    padding: padding.length > 0 ? pairsOf(padding) : o.inputSpatial.map(() => [0, 0] as const),
    ...(reversal.length > 0 && { reversal: reversal.map((flag) => flag !== 0) }),
    dtype: node.dtype(),
  });
};

const reduce: Lower = (node) => {
  const { dimensions, body } = node.options(options.stablehloReduce);
  const inputs = node.inputs();
  const half = inputs.slice(0, inputs.length / 2);
  const starts = inputs.slice(half.length).map((x) => node.b.reshape(x, []));
  return node.b.all("reduce", [...half, ...starts], { dimensions }, [bodyOf(node, body, inputs.length, half)]);
};

const reduceWindow: Lower = (node) => {
  const { body, ...o } = node.options(options.stablehloReduceWindow);
  const inputs = node.inputs();
  const half = inputs.slice(0, inputs.length / 2);
  const ones = o.windowDimensions.map(() => 1);
  const list = (given: readonly number[]) => (given.length > 0 ? given : ones);
  const attributes = {
    windowDimensions: o.windowDimensions,
    windowStrides: list(o.windowStrides),
    baseDilations: list(o.baseDilations),
    windowDilations: list(o.windowDilations),
    padding: o.padding.length > 0 ? pairsOf(o.padding) : ones.map(() => [0, 0] as const),
  };
  const region = bodyOf(node, body, inputs.length, half);
  return node.b.all("reduceWindow", inputs, attributes, [region]);
};

const scatter: Lower = (node) => {
  const { body, updateWindowDims, insertedWindowDims, scatterDimsToOperandDims, indexVectorDim } = node.options(
    options.stablehloScatter,
  );
  const inputs = node.inputs();
  const count = (inputs.length - 1) / 2;
  const attributes = {
    updateWindowDims,
    insertedWindowDims,
    inputBatchingDims: [],
    scatterIndicesBatchingDims: [],
    scatterDimsToOperandDims,
    indexVectorDim,
  };
  return node.b.all("scatter", inputs, attributes, [bodyOf(node, body, 2 * count, inputs.slice(0, count))]);
};

const sort: Lower = (node) => {
  const { dimension, stable, comparator } = node.options(options.stablehloSort);
  const inputs = node.inputs();
  const pairs = inputs.flatMap((x) => [x, x]);
  const region = bodyOf(node, comparator, pairs.length, pairs);
  return node.b.all("sort", inputs, { dimension, stable }, [region]);
};

const gather: Lower = (node) => {
  const { sorted: _, ...attributes } = node.options(options.stablehloGather);
  return node.b.op("gather", node.inputs(), {
    ...attributes,
    operandBatchingDims: [],
    startIndicesBatchingDims: [],
  });
};

const scalars = (node: Node, from: number) => node.inputs(from).map((index) => node.b.reshape(index, []));

const algorithms = ["DEFAULT", "PHILOX", "THREE_FRY"] as const;

export const stablehlo: Readonly<Record<string, Lower>> = {
  STABLEHLO_LOGISTIC: plain("logistic"),
  STABLEHLO_ADD: plain("add"),
  STABLEHLO_DIVIDE: plain("divide"),
  STABLEHLO_MULTIPLY: plain("multiply"),
  STABLEHLO_MAXIMUM: plain("maximum"),
  STABLEHLO_MINIMUM: plain("minimum"),
  STABLEHLO_SUBTRACT: plain("subtract"),
  STABLEHLO_POWER: plain("power"),
  STABLEHLO_REMAINDER: plain("remainder"),
  STABLEHLO_AND: plain("and"),
  STABLEHLO_OR: plain("or"),
  STABLEHLO_SHIFT_LEFT: plain("shiftLeft"),
  STABLEHLO_ABS: plain("abs"),
  STABLEHLO_COSINE: plain("cosine"),
  STABLEHLO_EXPONENTIAL: plain("exponential"),
  STABLEHLO_FLOOR: plain("floor"),
  STABLEHLO_LOG: plain("log"),
  STABLEHLO_NEGATE: plain("negate"),
  STABLEHLO_RSQRT: plain("rsqrt"),
  STABLEHLO_TANH: plain("tanh"),
  STABLEHLO_CBRT: plain("cbrt"),
  STABLEHLO_SELECT: plain("select"),
  STABLEHLO_CLAMP: plain("clamp"),
  STABLEHLO_CONVERT: (node) => node.b.convert(node.input(0), node.dtype()),
  STABLEHLO_RESHAPE: (node) => node.b.reshape(node.input(0), node.result().shape),
  STABLEHLO_COMPARE: (node) => {
    const { direction, type } = node.options(options.stablehloCompare);
    const which = directions[direction];
    if (!which) throw new FormatError(`${node.b.origin}: comparison ${direction}`);
    return node.b.op("compare", node.inputs(), { direction: which, ...(type === 2 && { total: true }) });
  },
  STABLEHLO_CONCATENATE: (node) =>
    node.b.concatenate(node.inputs(), node.options(options.stablehloConcatenate).dimension),
  STABLEHLO_BROADCAST_IN_DIM: (node) => {
    const { dimensions } = node.options(options.stablehloBroadcast);
    return node.b.op("broadcastInDim", [node.input(0)], { shape: node.result().shape, dimensions });
  },
  STABLEHLO_SLICE: (node) => node.b.op("slice", node.inputs(), node.options(options.stablehloSlice)),
  STABLEHLO_DYNAMIC_SLICE: (node) => {
    const { sizes } = node.options(options.stablehloDynamicSlice);
    return node.b.op("dynamicSlice", [node.input(0), ...scalars(node, 1)], { sizes });
  },
  STABLEHLO_DYNAMIC_UPDATE_SLICE: (node) =>
    node.b.op("dynamicUpdateSlice", [node.input(0), node.input(1), ...scalars(node, 2)], {}),
  STABLEHLO_PAD: (node) =>
    node.b.op("pad", [node.input(0), node.b.reshape(node.input(1), [])], node.options(options.stablehloPad)),
  STABLEHLO_IOTA: (node) => {
    const { dimension } = node.options(options.stablehloIota);
    return node.b.op("iota", [], { dtype: node.dtype(), shape: node.result().shape, dimension });
  },
  STABLEHLO_TRANSPOSE: (node) => node.b.op("transpose", node.inputs(), node.options(options.stablehloTranspose)),
  STABLEHLO_DOT_GENERAL: (node) =>
    node.b.op("dotGeneral", node.inputs(), { ...node.options(options.stablehloDot), dtype: node.dtype() }),
  STABLEHLO_CONVOLUTION: convolution,
  STABLEHLO_REDUCE: reduce,
  STABLEHLO_REDUCE_WINDOW: reduceWindow,
  STABLEHLO_SCATTER: scatter,
  STABLEHLO_SORT: sort,
  STABLEHLO_GATHER: gather,
  STABLEHLO_RNG_BIT_GENERATOR: (node) => {
    const algorithm = algorithms[node.options(options.stablehloRng).algorithm] ?? "DEFAULT";
    const { shape } = node.result(1);
    return node.b.all("rngBitGenerator", [node.input(0)], { algorithm, dtype: node.dtype(1), shape });
  },
  STABLEHLO_CUSTOM_CALL: (node) => {
    throw new Unsupported(`call of ${node.options(options.stablehloCustomCall).target}`);
  },
};
