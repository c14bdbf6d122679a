// Gather and scatter: blocks of elements at computed places (StableHLO specification, "gather" and "scatter").

import type { Operation } from "../hlo/graph.ts";
import { elementCount, stridesOf, type Tensor, type TensorType, zeros } from "../hlo/tensor.ts";
import {
  type Accumulate,
  accumulated,
  accumulateFor,
  accumulates,
  accumulatorFor,
  type Accumulator,
  elementsOf,
} from "./accumulate.ts";
import { indexOf, readerOf, type Scalar, writerOf } from "./elements.ts";
import { forwardedParameter, reducerOf, type Run, scalarRegion } from "./run.ts";
import { copier, forEachRow, unitsOf } from "./strided.ts";

/** How vectors of indices lead to places in an operand. */
interface Addressing {
  readonly indices: Tensor;
  readonly indexVectorDim: number;
  /** Operand dimension of each entry of an index vector. */
  readonly indexMap: readonly number[];
  /** Dimensions of the operand and of the indices that go together. */
  readonly operandBatching: readonly number[];
  readonly indicesBatching: readonly number[];
  /** Operand's shape, and the shape of the block at each place. */
  readonly shape: readonly number[];
  readonly block: readonly number[];
}

/**
 * The place in the operand of each index vector's block, in row-major order of the vectors; -1 where it is not all
 * inside. `clamp` moves it inside instead.
 */
function placesOf(a: Addressing, { clamp }: { clamp: boolean }): Float64Array {
  const { indices, indexVectorDim, shape, block } = a;
  const indexStrides = stridesOf(indices.shape);
  const batch = indices.shape.map((_, i) => i).filter((i) => i !== indexVectorDim);
  const batchShape = batch.map((i) => indices.shape[i]!);
  const batchStrides = stridesOf(batchShape);
  const strides = stridesOf(shape);
  const vectorStride = indexVectorDim < indices.shape.length ? indexStrides[indexVectorDim]! : 0;
  const places = new Float64Array(elementCount(batchShape));
  const room = shape.map((extent, i) => extent - block[i]!);
  for (let p = 0; p < places.length; p++) {
    let from = 0;
    let place = 0;
    for (let d = 0; d < batch.length; d++) {
      const along = Math.floor(p / batchStrides[d]!) % batchShape[d]!;
      from += along * indexStrides[batch[d]!]!;
      const paired = a.indicesBatching.indexOf(batch[d]!);
      if (paired >= 0) place += along * strides[a.operandBatching[paired]!]!;
    }
    for (let k = 0; k < a.indexMap.length; k++) {
      const d = a.indexMap[k]!;
      let index = indexOf(indices, from + k * vectorStride);
      if (clamp) index = Math.min(Math.max(index, 0), room[d]!);
      else if (index < 0 || index > room[d]!) {
        place = -1;
        break;
      }
      place += index * strides[d]!;
    }
    places[p] = place;
  }
  return places;
}

export function gather(
  { attributes }: Operation<"gather">,
  [operand, indices]: readonly Tensor[],
  { shape }: TensorType,
): Tensor {
  const x = operand!;
  const out = zeros(x.dtype, shape);
  const a = attributes;
  const places = placesOf(
    {
      indices: indices!,
      indexVectorDim: a.indexVectorDim,
      indexMap: a.startIndexMap,
      operandBatching: a.operandBatchingDims,
      indicesBatching: a.startIndicesBatchingDims,
      shape: x.shape,
      block: a.sliceSizes,
    },
    { clamp: true },
  );
  const strides = stridesOf(x.shape);
  const outStrides = stridesOf(shape);
  const kept = x.shape
    .map((_, i) => i)
    .filter((i) => !a.collapsedSliceDims.includes(i) && !a.operandBatchingDims.includes(i));
  const { units, width } = unitsOf(out);
  const { units: from } = unitsOf(x);
  const copy = copier(
    kept.map((i) => a.sliceSizes[i]!),
    a.offsetDims.map((axis) => outStrides[axis]!),
    kept.map((i) => strides[i]!),
    width,
  );
  forEachPlace(shape, a.offsetDims, (outAt, p) => copy(units, outAt * width, from, places[p]! * width));
  return out;
}

/** Calls back for each place of the dimensions that are not among `inner`, in row-major order. */
function forEachPlace(
  shape: readonly number[],
  inner: readonly number[],
  visit: (at: number, p: number) => void,
): void {
  const strides = stridesOf(shape);
  const outer = shape.map((_, i) => i).filter((i) => !inner.includes(i));
  let p = 0;
  // forEachRow leaves the last dimension to its caller: here one of extent 1.
  const outerStrides = [...outer.map((i) => strides[i]!), 0];
  forEachRow([...outer.map((i) => shape[i]!), 1], outerStrides, outerStrides, (at) => visit(at, p++));
}

export function scatter(operation: Operation<"scatter">, operands: readonly Tensor[], run: Run): Tensor[] {
  const count = (operands.length - 1) / 2;
  const [inputs, updates] = [operands.slice(0, count), operands.slice(count + 1)];
  const a = operation.attributes;
  const { shape } = inputs[0]!;
  const updateShape = updates[0]!.shape;
  const missing = new Set([...a.insertedWindowDims, ...a.inputBatchingDims]);
  const windowDims = shape.map((_, i) => i).filter((i) => !missing.has(i));
  const updateWindow = [...a.updateWindowDims].sort((p, q) => p - q);
  const block = shape.map(() => 1);
  windowDims.forEach((d, i) => (block[d] = updateShape[updateWindow[i]!]!));
  const places = placesOf(
    {
      indices: operands[count]!,
      indexVectorDim: a.indexVectorDim,
      indexMap: a.scatterDimsToOperandDims,
      operandBatching: a.inputBatchingDims,
      indicesBatching: a.scatterIndicesBatchingDims,
      shape,
      block,
    },
    { clamp: false },
  );
  const strides = stridesOf(shape);
  const updateStrides = stridesOf(updateShape);
  const work: Scattering = {
    inputs,
    updates,
    places,
    updateShape,
    updateWindow,
    block: windowDims.map((d) => block[d]!),
    outStrides: windowDims.map((d) => strides[d]!),
    fromStrides: updateWindow.map((d) => updateStrides[d]!),
  };
  const [region] = operation.regions;
  const op = reducerOf(region!);
  if (count === 1 && forwardedParameter(region!) === 1) return [scatterCopies(work)];
  if (count === 1 && accumulates(op, inputs[0]!.dtype)) {
    return [scatterSums(work, accumulateFor(op, inputs[0]!.dtype))];
  }
  return scatterAny(operation, work, run);
}

interface Scattering {
  readonly inputs: readonly Tensor[];
  readonly updates: readonly Tensor[];
  readonly places: Float64Array;
  readonly updateShape: readonly number[];
  readonly updateWindow: readonly number[];
  /** Shape of an update's window, and its strides in the result and in the updates. */
  readonly block: readonly number[];
  readonly outStrides: readonly number[];
  readonly fromStrides: readonly number[];
}

function scatterCopies({ inputs, updates, places, ...work }: Scattering): Tensor {
  const out: Tensor = { ...inputs[0]!, data: inputs[0]!.data.slice() };
  const { units, width } = unitsOf(out);
  const { units: from } = unitsOf(updates[0]!);
  const copy = copier(work.block, work.outStrides, work.fromStrides, width);
  forEachPlace(work.updateShape, work.updateWindow, (fromAt, p) => {
    if (places[p]! >= 0) copy(units, places[p]! * width, from, fromAt * width);
  });
  return out;
}

function scatterSums({ inputs, updates, places, ...work }: Scattering, accumulate: Accumulate): Tensor {
  const { dtype, shape } = inputs[0]!;
  const sums: Accumulator = accumulatorFor(dtype, shape);
  (sums as Float64Array).set(elementsOf(inputs[0]!) as Float64Array);
  const from = elementsOf(updates[0]!);
  const extents = work.block.length === 0 ? [1] : work.block;
  const [outStrides, fromStrides] = work.block.length === 0 ? [[1], [1]] : [work.outStrides, work.fromStrides];
  const last = extents.length - 1;
  forEachPlace(work.updateShape, work.updateWindow, (fromAt, p) => {
    const place = places[p]!;
    if (place < 0) return;
    forEachRow(extents, outStrides, fromStrides, (out, row) =>
      accumulate(sums, place + out, outStrides[last]!, from, fromAt + row, fromStrides[last]!, extents[last]!),
    );
  });
  return accumulated(dtype, shape, sums);
}

function scatterAny(operation: Operation<"scatter">, work: Scattering, run: Run): Tensor[] {
  const { inputs, updates, places, block } = work;
  const count = inputs.length;
  const body = scalarRegion(operation.regions[0]!, run);
  const values = inputs.map((input) => {
    const read = readerOf(input);
    return Array.from<unknown, Scalar>({ length: elementCount(input.shape) }, (_, i) => read(i));
  });
  const readers = updates.map(readerOf);
  const together: Scalar[] = [];
  const results: Scalar[] = [];
  const shape = [...block, 1];
  forEachPlace(work.updateShape, work.updateWindow, (fromAt, p) => {
    const place = places[p]!;
    if (place < 0) return;
    forEachRow(shape, [...work.outStrides, 0], [...work.fromStrides, 0], (out, from) => {
      for (let k = 0; k < count; k++) {
        together[k] = values[k]![place + out]!;
        together[count + k] = readers[k]!(fromAt + from);
      }
      run.spend();
      body(together, results);
      for (let k = 0; k < count; k++) values[k]![place + out] = results[k]!;
    });
  });
  return inputs.map(({ dtype, shape: extents }, k) => {
    const writer = writerOf(dtype, extents);
    values[k]!.forEach((value, i) => writer.write(i, value));
    return writer.finish();
  });
}
