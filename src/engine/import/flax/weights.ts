// Weights: named tensors, whatever file or directory they are in, decoded when they are asked for.

import { FormatError } from "../../../base/errors.ts";
import type { TensorData } from "../../hlo/dtype.ts";
import { elementCount, type Tensor, type TensorType } from "../../hlo/tensor.ts";

/** One array of a checkpoint. */
export interface Weight extends TensorType {
  /** Parts of a tree's path are joined with "/"; flat formats keep their names. */
  readonly name: string;
  /** Throws FormatError. */
  read(): Tensor;
}

/** Everything that a checkpoint holds. */
export interface Weights {
  /** "safetensors", "flax msgpack", "orbax", "npz", "pytorch". */
  readonly format: string;
  readonly list: readonly Weight[];
  /** What the file says of itself, and leaves that are no arrays. */
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * A tensor whose elements are read when someone looks at them: opening a model reads no weights. A plain object, so
 * that copying or comparing its properties sees the elements.
 */
export function lazyTensor({ dtype, shape }: TensorType, read: () => Tensor): Tensor {
  let data: TensorData | undefined;
  return {
    dtype,
    shape,
    get data() {
      return (data ??= read().data);
    },
  };
}

/** Numbers in all arrays. */
export function parameterCount(list: readonly TensorType[]): number {
  return list.reduce((sum, { shape }) => sum + elementCount(shape), 0);
}

/** A list without names that occur twice, sorted by nothing: as the file has them. */
export function weightsOf(format: string, list: readonly Weight[], metadata: ReadonlyMap<string, string>): Weights {
  const names = new Set<string>();
  for (const { name } of list) {
    if (names.has(name)) throw new FormatError(`${format}: "${name}" is there twice`);
    names.add(name);
  }
  return { format, list, metadata };
}
