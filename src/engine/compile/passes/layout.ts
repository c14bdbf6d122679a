// Layouts: convolutions give their features last, and transpositions move down through what does not care about the
// order of dimensions until they meet their inverses or something that can take them in.

import type { Builder } from "../../hlo/build.ts";
import { is, type Operation, type Value } from "../../hlo/graph.ts";
import { type ConvolutionAttributes, isElementwise } from "../../hlo/ops.ts";
import { capturesOf } from "../step.ts";
import { tensorOf } from "./fold.ts";
import type { Rewriting, Rule } from "./rewrite.ts";

const inverseOf = (permutation: readonly number[]): number[] => {
  const inverse: number[] = [];
  permutation.forEach((from, to) => (inverse[from] = to));
  return inverse;
};

/** What a value is the transposition of, and how; undefined for other values. */
function transposed(value: Value): { x: Value; permutation: readonly number[] } | undefined {
  const { producer } = value;
  return is(producer, "transpose")
    ? { x: producer.operands[0]!, permutation: producer.attributes.permutation }
    : undefined;
}

/** Convolutions: operands' transpositions become dimension numbers; the result has its features last. */
function convolution(operation: Operation<"convolution">, to: Builder): Value | undefined {
  const a = operation.attributes;
  let [x, kernel] = operation.operands as [Value, Value];
  let attributes: ConvolutionAttributes = a;
  const input = transposed(x);
  if (input) {
    x = input.x;
    const { permutation: p } = input;
    attributes = {
      ...attributes,
      inputBatch: p[a.inputBatch]!,
      inputFeature: p[a.inputFeature]!,
      inputSpatial: a.inputSpatial.map((i) => p[i]!),
    };
  }
  const weights = transposed(kernel);
  if (weights && !tensorOf(kernel)) {
    kernel = weights.x;
    const { permutation: p } = weights;
    attributes = {
      ...attributes,
      kernelInputFeature: p[a.kernelInputFeature]!,
      kernelOutputFeature: p[a.kernelOutputFeature]!,
      kernelSpatial: a.kernelSpatial.map((i) => p[i]!),
    };
  }
  const rank = a.outputSpatial.length + 2;
  const order = [a.outputBatch, ...a.outputSpatial, a.outputFeature];
  const last = order.every((dimension, i) => dimension === i);
  if (last && attributes === a) return undefined;
  const made = to.op("convolution", [x, kernel], {
    ...attributes,
    outputBatch: 0,
    outputSpatial: a.outputSpatial.map((_, i) => i + 1),
    outputFeature: rank - 1,
  });
  return to.transpose(made, inverseOf(order));
}

/** The operand before a transposition, if it can be had without moving anything. */
function before(value: Value, permutation: readonly number[], to: Builder): Value | undefined {
  const { producer } = value;
  const own = transposed(value);
  if (own) return own.permutation.every((from, i) => from === permutation[i]) ? own.x : undefined;
  if (value.type.shape.length === 0) return value;
  if (!is(producer, "broadcastInDim")) return undefined;
  const inverse = inverseOf(permutation);
  const [x] = producer.operands as [Value];
  return to.op("broadcastInDim", [x], {
    shape: inverse.map((from) => value.type.shape[from]!),
    dimensions: producer.attributes.dimensions.map((dimension) => permutation[dimension]!),
  });
}

function elementwise(operation: Operation, { to, usesOf }: Rewriting): Value | undefined {
  if (operation.results.length !== 1 || is(operation, "requantize") || is(operation, "lookup")) return undefined;
  // The one that decides must have no other use: else it would be moved for nothing.
  const deciding = operation.operands.find((value) => transposed(value) && usesOf(value) === 1);
  if (!deciding) return undefined;
  const { permutation } = transposed(deciding)!;
  const operands = operation.operands.map((value) => before(value, permutation, to));
  if (!operands.every((value) => value !== undefined)) return undefined;
  const [made] = to.all(operation.op, operands, operation.attributes);
  return to.transpose(made!, permutation);
}

function windows(operation: Operation, { to, usesOf }: Rewriting): Value | undefined {
  if (operation.operands.length !== 2) return undefined;
  const [x, start] = operation.operands as [Value, Value];
  const source = transposed(x);
  if (!source || usesOf(x) !== 1) return undefined;
  if (capturesOf(operation).length > 0) return undefined;
  const inverse = inverseOf(source.permutation);
  const moved = <T>(list: readonly T[]): T[] => inverse.map((from) => list[from]!);
  if (is(operation, "reduceWindow")) {
    const a = operation.attributes;
    const made = to.op(
      "reduceWindow",
      [source.x, start],
      {
        windowDimensions: moved(a.windowDimensions),
        windowStrides: moved(a.windowStrides),
        baseDilations: moved(a.baseDilations),
        windowDilations: moved(a.windowDilations),
        padding: moved(a.padding),
      },
      operation.regions,
    );
    return to.transpose(made, source.permutation);
  }
  if (is(operation, "pad")) {
    const { low, high, interior } = operation.attributes;
    const made = to.op("pad", [source.x, start], { low: moved(low), high: moved(high), interior: moved(interior) });
    return to.transpose(made, source.permutation);
  }
  if (is(operation, "reduce")) {
    const { permutation } = source;
    const dimensions = operation.attributes.dimensions.map((axis) => permutation[axis]!);
    const made = to.op("reduce", [source.x, start], { dimensions }, operation.regions);
    // What is left may be in another order.
    const kept = permutation.filter((axis) => !dimensions.includes(axis));
    const sorted = kept.toSorted((a, b) => a - b);
    return to.transpose(
      made,
      kept.map((axis) => sorted.indexOf(axis)),
    );
  }
  return undefined;
}

/** Moves transpositions towards the results. */
export const layout: Rule = (operation, rewriting) => {
  let value: Value | undefined;
  if (is(operation, "convolution")) value = convolution(operation, rewriting.to);
  else if (isElementwise(operation.op)) value = elementwise(operation, rewriting);
  else value = windows(operation, rewriting);
  return value && [value];
};

/**
 * Puts the features of convolutions' inputs last, where they are not: the last pass. The copy is a conversion to its
 * own type, which kernels do not look through.
 */
export const copyInputs: Rule = (operation, { to }) => {
  if (!is(operation, "convolution")) return undefined;
  const a = operation.attributes;
  const order = [a.inputBatch, ...a.inputSpatial, a.inputFeature];
  const last = order.length - 1;
  const [x, kernel] = operation.operands as [Value, Value];
  if (a.inputFeature === last || x.type.shape[a.inputFeature] === 1) return undefined;
  const copied = to.op("convert", [to.transpose(x, order)], { dtype: x.type.dtype });
  const attributes = { ...a, inputBatch: 0, inputFeature: last, inputSpatial: a.inputSpatial.map((_, i) => i + 1) };
  return to.all("convolution", [copied, kernel], attributes);
};
