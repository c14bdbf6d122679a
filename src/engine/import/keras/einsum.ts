// Einstein summation over one or two tensors: what EinsumDense and attention are written in.

import { FormatError } from "../../../base/errors.ts";
import type { Builder } from "../../hlo/build.ts";
import type { DType } from "../../hlo/dtype.ts";
import type { Value } from "../../hlo/graph.ts";

interface Labelled {
  readonly value: Value;
  readonly labels: readonly string[];
}

/** Labels of a tensor: letters, where "..." stands for the dimensions that are left, named from the last one. */
function labelsOf(text: string, rank: number, what: string): string[] {
  const [before, after, more] = text.split("...");
  if (more !== undefined) throw new FormatError(`${what}: "${text}" has two ellipses`);
  if (after === undefined) {
    if (text.length !== rank) throw new FormatError(`${what}: "${text}" is for rank ${text.length}, not ${rank}`);
    return [...text];
  }
  const count = rank - before!.length - after.length;
  if (count < 0) throw new FormatError(`${what}: "${text}" does not fit rank ${rank}`);
  return [...before!, ...Array.from({ length: count }, (_, i) => `.${count - i}`), ...after];
}

/** Adds up dimensions that are in no other operand and not in the result. */
function reduced(b: Builder, { value, labels }: Labelled, kept: readonly string[]): Labelled {
  const gone = labels.map((_, i) => i).filter((i) => !kept.includes(labels[i]!));
  if (gone.length === 0) return { value, labels };
  return { value: b.reduce("add", value, gone), labels: labels.filter((_, i) => !gone.includes(i)) };
}

/** Stretches dimensions of 1 under an ellipsis and gives the labels' order to the value. */
function arranged(b: Builder, { value, labels }: Labelled, order: readonly string[], what: string): Value {
  const permutation = order.map((label) => labels.indexOf(label));
  if (permutation.includes(-1) || permutation.length !== labels.length) {
    throw new FormatError(`${what}: the result's dimensions are not those of the operands`);
  }
  return b.transpose(value, permutation);
}

/**
 * The dimensions of the first operand: those that are not in the result, and for the others where they are in it. For
 * equations whose result's ellipsis is as long as the operand's.
 */
export function keptLabels(
  equation: string,
  rank: number,
  what: string,
): { readonly reduced: readonly number[]; readonly places: readonly number[] } {
  const [inputs = "", output = ""] = equation.replaceAll(/\s/g, "").split("->");
  const labels = labelsOf(inputs.split(",")[0]!, rank, what);
  const dots = labels.filter((label) => label.startsWith(".")).length;
  const order = labelsOf(output, output.replace("...", "").length + dots, what);
  const reduced = labels.flatMap((label, i) => (order.includes(label) ? [] : [i]));
  return { reduced, places: labels.filter((label) => order.includes(label)).map((label) => order.indexOf(label)) };
}

export function einsum(b: Builder, equation: string, operands: readonly Value[], what: string, dtype?: DType): Value {
  const [inputs, output] = equation.replaceAll(/\s/g, "").split("->");
  const texts = inputs!.split(",");
  if (output === undefined || texts.length !== operands.length || operands.length < 1 || operands.length > 2) {
    throw new FormatError(`${what}: einsum "${equation}" of ${operands.length} operands`);
  }
  const all = operands.map((value, i): Labelled => ({
    value,
    labels: labelsOf(texts[i]!, value.type.shape.length, what),
  }));
  for (const { labels } of all) {
    if (new Set(labels).size !== labels.length) throw new FormatError(`${what}: einsum "${equation}" takes a diagonal`);
  }
  const dots = Math.max(...all.map(({ labels }) => labels.filter((label) => label.startsWith(".")).length));
  const [before, after] = output.split("...");
  const ellipsis = Array.from({ length: dots }, (_, i) => `.${dots - i}`);
  const order = after === undefined ? [...output] : [...before!, ...ellipsis, ...after];
  if (all.length === 1) return arranged(b, reduced(b, all[0]!, order), order, what);
  const left = reduced(b, all[0]!, [...order, ...all[1]!.labels]);
  const right = reduced(b, all[1]!, [...order, ...all[0]!.labels]);
  const shared = left.labels.filter((label) => right.labels.includes(label));
  const batch = shared.filter((label) => order.includes(label));
  const contracted = shared.filter((label) => !order.includes(label));
  const places = (operand: Labelled, labels: readonly string[]) => labels.map((label) => operand.labels.indexOf(label));
  const product = b.op("dotGeneral", [left.value, right.value], {
    lhsBatching: places(left, batch),
    rhsBatching: places(right, batch),
    lhsContracting: places(left, contracted),
    rhsContracting: places(right, contracted),
    ...(dtype && { dtype }),
  });
  const free = (operand: Labelled) => operand.labels.filter((label) => !shared.includes(label));
  return arranged(b, { value: product, labels: [...batch, ...free(left), ...free(right)] }, order, what);
}
