// Constants of a .tflite file as tensors: 4-bit elements unpacked, sparse ones made dense.

import { FormatError } from "../../../base/errors.ts";
import type { Table } from "../../../formats/flatbuffers.ts";
import { type DType, dtypes } from "../../hlo/dtype.ts";
import { byteSize, elementCount, fromBytes, maximumBytes, type Tensor, typeText } from "../../hlo/tensor.ts";
import type { TensorInfo } from "./schema.ts";

/** Signed (or not) elements of so many bits, lowest first, as one byte each. */
function unpack(bytes: Uint8Array, count: number, bits: 2 | 4, signed: boolean, what: string): Uint8Array {
  const perByte = 8 / bits;
  if (bytes.length < Math.ceil(count / perByte)) {
    throw new FormatError(`${what}: ${count} elements of ${bits} bits need more than ${bytes.length} bytes`);
  }
  const result = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const raw = (bytes[Math.floor(i / perByte)]! >> ((i % perByte) * bits)) & ((1 << bits) - 1);
    result[i] = signed ? (raw << (32 - bits)) >> (32 - bits) : raw;
  }
  return result;
}

const indexTypes = { 1: "i32", 2: "u16", 3: "u8" } as const;

/** A vector of indices: a union of three widths. */
function indices(table: Table, field: number, what: string): readonly number[] {
  const vector = table.union(field);
  const type = vector && indexTypes[vector.type as 1 | 2 | 3];
  if (!type) throw new FormatError(`${what}: sparse dimension without indices`);
  return vector.value.numbers(0, type);
}

interface Level {
  readonly size: number;
  readonly segments?: readonly number[];
  readonly indices?: readonly number[];
}

/**
 * The dense elements of a sparse tensor (TACO's format, as in schema.fbs "SparsityParameters"): dimensions in the order
 * they are traversed, each dense or compressed; the last ones may be blocks of the ones in the block map.
 */
function densify(values: Uint8Array, width: number, info: TensorInfo, sparsity: Table, what: string): Uint8Array {
  const rank = info.shape.length;
  const order = sparsity.numbers(0, "i32");
  const blockMap = sparsity.numbers(1, "i32");
  const levels = sparsity.tables(2).map((table): Level => {
    const size = table.number(1, "i32");
    if (table.number(0, "i8") === 0) return { size };
    return { size, segments: indices(table, 2, what), indices: indices(table, 4, what) };
  });
  const all = rank + blockMap.length;
  const isOrder = order.length === all && new Set(order).size === all && order.every((n) => n >= 0 && n < all);
  if (levels.length !== all || !isOrder || blockMap.some((n) => n < 0 || n >= rank)) {
    throw new FormatError(
      `${what}: sparse with order [${order}], blocks [${blockMap}] and ${levels.length} dimensions`,
    );
  }
  // What one step along each traversed dimension is worth in the dense tensor.
  const strides = Array.from({ length: rank }, () => 1);
  for (let i = rank - 2; i >= 0; i--) strides[i] = strides[i + 1]! * info.shape[i + 1]!;
  const blockSizes = Array.from({ length: rank }, () => 1);
  order.forEach((dimension, level) => {
    if (dimension >= rank) blockSizes[blockMap[dimension - rank]!] = levels[level]!.size;
  });
  const steps = order.map((dimension) =>
    dimension < rank ? strides[dimension]! * blockSizes[dimension]! : strides[blockMap[dimension - rank]!]!,
  );
  const total = elementCount(info.shape, what);
  const result = new Uint8Array(total * width);
  const count = values.length / width;
  let used = 0;
  let turns = 0;
  const walk = (level: number, position: number, offset: number): void => {
    // A traversal visits each element at most once at each level.
    if (++turns > (all + 1) * (total + 1)) throw new FormatError(`${what}: sparse dimensions go on without elements`);
    if (level === all) {
      if (used >= count || offset >= total) {
        throw new FormatError(`${what}: sparse element ${used} of ${count} lies at ${offset} of ${total}`);
      }
      result.set(values.subarray(used * width, (used + 1) * width), offset * width);
      used++;
      return;
    }
    const { size, segments, indices: at } = levels[level]!;
    if (!segments || !at) {
      if (size < 0 || size > total) throw new FormatError(`${what}: sparse dimension of ${size}`);
      for (let i = 0; i < size; i++) walk(level + 1, position * size + i, offset + i * steps[level]!);
      return;
    }
    const [from, to] = [segments[position], segments[position + 1]];
    if (from === undefined || to === undefined || from < 0 || to < from || to > at.length) {
      throw new FormatError(`${what}: sparse segment ${position} is ${from} to ${to} of ${at.length}`);
    }
    for (let i = from; i < to; i++) walk(level + 1, i, offset + at[i]! * steps[level]!);
  };
  walk(0, 0, 0);
  return result;
}

/** A constant. Throws FormatError when the buffer does not fit the shape. */
export function readConstant(info: TensorInfo, dtype: DType, bytes: Uint8Array): Tensor {
  const what = `TFLite: tensor ${info.index} '${info.name}'`;
  if (byteSize({ dtype, shape: info.shape }) > maximumBytes) {
    throw new FormatError(`${what} is too large: ${typeText({ dtype, shape: info.shape })}`);
  }
  const width = dtypes[dtype].bytes;
  const count = elementCount(info.shape, what);
  const signed = dtypes[dtype].kind === "signed";
  if (info.sparsity) {
    const values = info.packed ? unpack(bytes, (bytes.length * 8) / info.packed, info.packed, signed, what) : bytes;
    return fromBytes(dtype, info.shape, densify(values, width, info, info.sparsity, what), what);
  }
  if (info.packed) return fromBytes(dtype, info.shape, unpack(bytes, count, info.packed, signed, what), what);
  // Buffers may be longer than their tensor: padded by some converters.
  const wanted = count * width;
  return fromBytes(dtype, info.shape, bytes.length > wanted ? bytes.subarray(0, wanted) : bytes, what);
}
