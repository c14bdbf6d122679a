// Element types of tensors (StableHLO specification, "Types"): sizes, kinds, and the arrays that hold them.

/** What the elements of a type are. */
export type Kind = "float" | "signed" | "unsigned" | "boolean" | "complex";

/** The arrays that hold elements. */
export type TensorData =
  | Float64Array
  | Float32Array
  | Uint16Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

interface Row {
  readonly kind: Kind;
  /** Bits of an element as the type defines it: 4 for i4. */
  readonly bits: number;
  /** Bytes of an element as tensors hold it. */
  readonly bytes: number;
  /** Array entries per element: 2 for complex numbers, real part first. */
  readonly entries: number;
  readonly array: {
    new (length: number): TensorData;
    new (buffer: ArrayBufferLike, offset?: number, length?: number): TensorData;
    readonly BYTES_PER_ELEMENT: number;
  };
}

const row = (kind: Kind, bits: number, array: Row["array"], entries = 1): Row => ({
  kind,
  bits,
  array,
  entries,
  bytes: array.BYTES_PER_ELEMENT * entries,
});

/**
 * Every element type. f16 and bf16 are held as their bits; i1 as 0 and 1; types of fewer than 8 bits one per byte;
 * complex numbers as pairs.
 */
export const dtypes = {
  f64: row("float", 64, Float64Array),
  f32: row("float", 32, Float32Array),
  f16: row("float", 16, Uint16Array),
  bf16: row("float", 16, Uint16Array),
  i1: row("boolean", 1, Uint8Array),
  i2: row("signed", 2, Int8Array),
  i4: row("signed", 4, Int8Array),
  i8: row("signed", 8, Int8Array),
  i16: row("signed", 16, Int16Array),
  i32: row("signed", 32, Int32Array),
  i64: row("signed", 64, BigInt64Array),
  u2: row("unsigned", 2, Uint8Array),
  u4: row("unsigned", 4, Uint8Array),
  u8: row("unsigned", 8, Uint8Array),
  u16: row("unsigned", 16, Uint16Array),
  u32: row("unsigned", 32, Uint32Array),
  u64: row("unsigned", 64, BigUint64Array),
  c64: row("complex", 64, Float32Array, 2),
  c128: row("complex", 128, Float64Array, 2),
} as const satisfies Record<string, Row>;

export type DType = keyof typeof dtypes;

export const kindOf = (dtype: DType): Kind => dtypes[dtype].kind;
export const isFloat = (dtype: DType): boolean => dtypes[dtype].kind === "float";
export const isComplex = (dtype: DType): boolean => dtypes[dtype].kind === "complex";
/** Signed or unsigned integers; not i1. */
export const isInteger = (dtype: DType): boolean => kindOf(dtype) === "signed" || kindOf(dtype) === "unsigned";
/** Whether elements are bigints in tensors. */
export const isWide = (dtype: DType): boolean => dtype === "i64" || dtype === "u64";

/** The float type of a complex type's parts; any other type itself. */
export function partType(dtype: DType): DType {
  return dtype === "c64" ? "f32" : dtype === "c128" ? "f64" : dtype;
}

/** The smallest and largest value of an integer type, as bigints. */
export function integerRange(dtype: DType): { min: bigint; max: bigint } {
  const { kind, bits } = dtypes[dtype];
  if (kind === "boolean") return { min: 0n, max: 1n };
  if (kind === "unsigned") return { min: 0n, max: (1n << BigInt(bits)) - 1n };
  return { min: -(1n << BigInt(bits - 1)), max: (1n << BigInt(bits - 1)) - 1n };
}
