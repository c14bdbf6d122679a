// Arrays of the weight formats as tensors, and tensors as .npy.

import { bytesOf, fromBytes, type Tensor } from "../hlo/tensor.ts";
import type { RawArray } from "../../formats/array.ts";
import { readNpy, writeNpy } from "../../formats/npy.ts";

/** A tensor over an array's bytes, copied only when they are not aligned. */
export function tensorOf({ dtype, shape, bytes }: RawArray, what?: string): Tensor {
  return fromBytes(dtype, shape, bytes, what);
}

export function arrayOf(tensor: Tensor): RawArray {
  return { dtype: tensor.dtype, shape: tensor.shape, bytes: bytesOf(tensor) };
}

/** The tensor of a .npy file. Throws FormatError. */
export function tensorOfNpy(bytes: Uint8Array, what?: string): Tensor {
  return tensorOf(readNpy(bytes, what), what);
}

/** A tensor as a .npy file. */
export function npyOfTensor(tensor: Tensor): Uint8Array {
  return writeNpy(arrayOf(tensor));
}
