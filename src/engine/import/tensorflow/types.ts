// TensorFlow's element types by number (tensorflow/core/framework/types.proto), and the ones they are here.

import type { DType } from "../../hlo/dtype.ts";

const names = {
  DT_INVALID: 0,
  DT_FLOAT: 1,
  DT_DOUBLE: 2,
  DT_INT32: 3,
  DT_UINT8: 4,
  DT_INT16: 5,
  DT_INT8: 6,
  DT_STRING: 7,
  DT_COMPLEX64: 8,
  DT_INT64: 9,
  DT_BOOL: 10,
  DT_QINT8: 11,
  DT_QUINT8: 12,
  DT_QINT32: 13,
  DT_BFLOAT16: 14,
  DT_QINT16: 15,
  DT_QUINT16: 16,
  DT_UINT16: 17,
  DT_COMPLEX128: 18,
  DT_HALF: 19,
  DT_RESOURCE: 20,
  DT_VARIANT: 21,
  DT_UINT32: 22,
  DT_UINT64: 23,
  DT_FLOAT8_E5M2: 24,
  DT_FLOAT8_E4M3FN: 25,
  DT_INT4: 29,
  DT_UINT4: 30,
} as const;

/** The numbers by name, references (100 more) included. */
export const dataTypes: Readonly<Record<string, number>> = {
  ...names,
  ...Object.fromEntries(Object.entries(names).map(([name, number]) => [`${name}_REF`, number + 100])),
};

const held: ReadonlyMap<number, DType> = new Map<number, DType>([
  [1, "f32"],
  [2, "f64"],
  [3, "i32"],
  [4, "u8"],
  [5, "i16"],
  [6, "i8"],
  [8, "c64"],
  [9, "i64"],
  [10, "i1"],
  [11, "i8"],
  [12, "u8"],
  [13, "i32"],
  [14, "bf16"],
  [15, "i16"],
  [16, "u16"],
  [17, "u16"],
  [18, "c128"],
  [19, "f16"],
  [22, "u32"],
  [23, "u64"],
  [29, "i4"],
  [30, "u4"],
]);

export const stringType = 7;

/** A reference's type is that of what it refers to. */
const plain = (type: number) => (type > 100 ? type - 100 : type);

/** How elements of a type are held; undefined for strings, resources, variants and 8-bit floats. */
export const dtypeOf = (type: number): DType | undefined => held.get(plain(type));

export const isStringType = (type: number): boolean => plain(type) === stringType;

/** "DT_STRING" as people write it: "string". */
export function typeName(type: number): string {
  const name = Object.keys(names).find((each) => names[each as keyof typeof names] === plain(type));
  return name ? name.slice(3).toLowerCase() : `type ${type}`;
}
