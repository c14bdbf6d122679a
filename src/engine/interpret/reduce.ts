// Reductions along dimensions.

import type { Operation } from "../hlo/graph.ts";
import { elementCount, stridesOf, type Tensor } from "../hlo/tensor.ts";
import { accumulated, accumulateFor, accumulates, accumulatorFor, elementsOf } from "./accumulate.ts";
import { argumentOf, keepArguments } from "./argument.ts";
import {
  domainOf,
  finish,
  type NumberArray,
  numbersFor,
  numbersOf,
  readerOf,
  type Scalar,
  writerOf,
} from "./elements.ts";
import { reducerOf, type Run, scalarRegion } from "./run.ts";
import { forEachRow } from "./strided.ts";

export function reduce(operation: Operation<"reduce">, operands: readonly Tensor[], run: Run): Tensor[] {
  const count = operands.length / 2;
  const [inputs, starts] = [operands.slice(0, count), operands.slice(count)];
  const { shape } = inputs[0]!;
  const { dimensions } = operation.attributes;
  // Strides of the result along the input's dimensions: 0 along those that are reduced.
  const kept = shape.filter((_, i) => !dimensions.includes(i));
  const keptStrides = stridesOf(kept);
  let next = 0;
  const outStrides = shape.map((_, i) => (dimensions.includes(i) ? 0 : keptStrides[next++]!));
  const strides = stridesOf(shape);

  const op = reducerOf(operation.regions[0]!);
  const { dtype } = inputs[0]!;
  const result = operation.results[0]!.type;
  if (count === 1 && accumulates(op, dtype) && result.dtype === dtype) {
    const sums = accumulatorFor(dtype, kept);
    const start = elementsOf(starts[0]!)[0]!;
    (sums as Float64Array).fill(start as number);
    const elements = elementsOf(inputs[0]!);
    const accumulate = accumulateFor(op, dtype);
    const last = shape.length - 1;
    if (last < 0) accumulate(sums, 0, 0, elements, 0, 0, 1);
    else {
      forEachRow(shape, outStrides, strides, (out, from) =>
        accumulate(sums, out, outStrides[last]!, elements, from, 1, shape[last]!),
      );
    }
    return [accumulated(dtype, kept, sums)];
  }
  const reduction = { inputs, starts, shape, kept, outStrides, strides };
  const which = count === 2 && shape.length > 0 ? argumentOf(operation.regions[0]!) : undefined;
  const plain = inputs.every((input, k) => {
    return domainOf(input.dtype) === "number" && operation.results[k]!.type.dtype === input.dtype;
  });
  return which && plain ? argumentsAlong(which, reduction) : general(operation, reduction, run);
}

/** Values and the places where they were. */
function argumentsAlong(which: "GT" | "LT", { inputs, starts, shape, kept, outStrides, strides }: Reduction): Tensor[] {
  const [values, places] = inputs.map(numbersOf) as [NumberArray, NumberArray];
  const [best, bestPlaces] = inputs.map(({ dtype }, k) => {
    return numbersFor(dtype, kept).fill(numbersOf(starts[k]!)[0]!);
  }) as [NumberArray, NumberArray];
  const last = shape.length - 1;
  const step = outStrides[last]!;
  forEachRow(shape, outStrides, strides, (out, from) =>
    keepArguments(
      which,
      { values: best, places: bestPlaces, at: out, step },
      { values, places, at: from, count: shape[last]! },
    ),
  );
  return [finish(inputs[0]!.dtype, kept, best), finish(inputs[1]!.dtype, kept, bestPlaces)];
}

interface Reduction {
  readonly inputs: readonly Tensor[];
  readonly starts: readonly Tensor[];
  readonly shape: readonly number[];
  readonly kept: readonly number[];
  readonly outStrides: readonly number[];
  readonly strides: readonly number[];
}

/** Any body, any number of inputs: the elements in row-major order. */
function general(operation: Operation<"reduce">, reduction: Reduction, run: Run): Tensor[] {
  const { inputs, starts, shape, kept, outStrides, strides } = reduction;
  const count = inputs.length;
  const body = scalarRegion(operation.regions[0]!, run);
  const readers = inputs.map(readerOf);
  const size = elementCount(kept);
  const sums: Scalar[][] = starts.map((start) => Array.from<Scalar>({ length: size }).fill(readerOf(start)(0)));
  const together: Scalar[] = [];
  const results: Scalar[] = [];
  const last = shape.length - 1;
  forEachRow(shape, outStrides, strides, (outRow, fromRow) => {
    const extent = last < 0 ? 1 : shape[last]!;
    for (let i = 0; i < extent; i++) {
      const out = outRow + (last < 0 ? 0 : i * outStrides[last]!);
      for (let k = 0; k < count; k++) {
        together[k] = sums[k]![out]!;
        together[count + k] = readers[k]!(fromRow + i);
      }
      run.spend();
      body(together, results);
      for (let k = 0; k < count; k++) sums[k]![out] = results[k]!;
    }
  });
  return sums.map((list, k) => {
    const { dtype } = operation.results[k]!.type;
    const writer = writerOf(dtype, kept);
    for (let i = 0; i < size; i++) writer.write(i, list[i]!);
    return writer.finish();
  });
}
