// Tensors inside TensorFlow's messages (tensorflow/core/framework/tensor.proto): content as bytes or as a list of values.

import { FormatError, UnsupportedFormat } from "../../../base/errors.ts";
import { type DType, dtypes } from "../../hlo/dtype.ts";
import { byteSize, elementCount, fromBytes, fromNumbers, maximumBytes, type Tensor } from "../../hlo/tensor.ts";
import type { Extent } from "../../model.ts";
import type { ShapeProto, TensorProto } from "./messages.ts";
import { dtypeOf, isStringType, typeName } from "./types.ts";

/** Strings cannot be computed with; they are carried for the operations that only name things. */
export interface Strings {
  readonly kind: "strings";
  readonly shape: readonly number[];
  readonly values: readonly Uint8Array[];
}

/** A shape that has to be known. */
export function knownShape(shape: ShapeProto | undefined, what: string): number[] {
  const extents = (shape?.dim ?? []).map(({ size }) => size);
  if (shape?.unknownRank || extents.some((extent) => extent < 0)) {
    throw new FormatError(`${what}: shape [${extents}] is not known`);
  }
  return extents;
}

/** A shape as a port declares it. */
export function declaredShape(shape: ShapeProto | undefined): Extent[] | null {
  if (!shape || shape.unknownRank) return null;
  return shape.dim.map(({ size }) => (size < 0 ? null : size));
}

export function readTensor(proto: TensorProto, what: string): Tensor | Strings {
  const shape = knownShape(proto.tensorShape, what);
  if (isStringType(proto.dtype)) {
    const count = elementCount(shape, what);
    const { stringVal } = proto;
    // One value stands for all; they are not copied a million times for a hostile shape.
    if (stringVal.length !== count && stringVal.length > 1) {
      throw new FormatError(`${what}: ${stringVal.length} strings for shape [${shape}]`);
    }
    return { kind: "strings", shape, values: stringVal };
  }
  const dtype = dtypeOf(proto.dtype);
  if (!dtype) throw new UnsupportedFormat(`${what}: elements of ${typeName(proto.dtype)} are not supported`);
  if (proto.tensorContent.length > 0) return fromBytes(dtype, shape, proto.tensorContent, what);
  return fromValues(dtype, shape, proto, what);
}

function fromValues(dtype: DType, shape: readonly number[], proto: TensorProto, what: string): Tensor {
  const values = valuesOf(dtype, proto);
  const { entries } = dtypes[dtype];
  const wanted = elementCount(shape, what) * entries;
  if (values.length > wanted || values.length % entries !== 0) {
    throw new FormatError(`${what}: ${values.length} values for shape [${shape}]`);
  }
  if (byteSize({ dtype, shape }) > maximumBytes) throw new FormatError(`${what}: shape [${shape}] is too large`);
  if (dtype === "f16" || dtype === "bf16") {
    const data = new Uint16Array(wanted);
    data.set(values as number[]);
    return { dtype, shape, data: data.fill((values.at(-1) as number | undefined) ?? 0, values.length) };
  }
  if (values.length === wanted) return fromNumbers(dtype, shape, values);
  // The last value stands for all that follow.
  const rest = entries === 2 ? values.slice(-2) : values.slice(-1);
  const data = new dtypes[dtype].array(wanted) as { [index: number]: number | bigint };
  for (let i = 0; i < wanted && rest.length > 0; i++) {
    const value = i < values.length ? values[i]! : rest[i % entries]!;
    data[i] = dtype === "i64" || dtype === "u64" ? BigInt(value) : Number(value);
  }
  return { dtype, shape, data: data as unknown as Tensor["data"] };
}

function valuesOf(dtype: DType, proto: TensorProto): readonly (number | bigint)[] {
  switch (dtype) {
    case "f32":
      return proto.floatVal;
    case "f64":
      return proto.doubleVal;
    case "f16":
    case "bf16":
      return proto.halfVal;
    case "i1":
      return proto.boolVal.map(Number);
    case "i64":
      return proto.int64Val;
    case "u64":
      return proto.uint64Val;
    case "u32":
      return proto.uint32Val;
    case "c64":
      return proto.scomplexVal;
    case "c128":
      return proto.dcomplexVal;
    default:
      return proto.intVal;
  }
}
