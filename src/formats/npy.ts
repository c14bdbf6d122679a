// NumPy's .npy files: one array with its type. Source: numpy.lib.format, versions 1.0 to 3.0.

import { Cursor } from "../base/cursor.ts";
import { FormatError, UnsupportedFormat } from "../base/errors.ts";
import { arraySize, type ElementType, elementSizes, rawArray, type RawArray, rowMajor, swapped } from "./array.ts";

const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
/** The largest header that is read: NumPy's own limit is 10,000 characters. */
const headerLimit = 1 << 16;
/** Headers are padded so that data begins at a multiple of this. */
const alignment = 64;

/** Types by NumPy's letter and size. "V2" is what `ml_dtypes.bfloat16` is saved as. */
const types: Readonly<Record<string, ElementType>> = {
  f8: "f64",
  f4: "f32",
  f2: "f16",
  V2: "bf16",
  b1: "i1",
  i1: "i8",
  i2: "i16",
  i4: "i32",
  i8: "i64",
  u1: "u8",
  u2: "u16",
  u4: "u32",
  u8: "u64",
  c8: "c64",
  c16: "c128",
};

const names = new Map(Object.entries(types).map(([name, type]) => [type, name]));

export function isNpy(bytes: Uint8Array): boolean {
  return magic.every((byte, i) => bytes[i] === byte);
}

interface Header {
  readonly descr: string;
  readonly fortran: boolean;
  readonly shape: readonly number[];
}

/** The header is the text of a Python dictionary with exactly three keys. */
function parseHeader(text: string, what: string): Header {
  const descr = /'descr'\s*:\s*'([^']*)'/.exec(text)?.[1];
  if (descr === undefined) {
    if (/'descr'\s*:\s*[[(]/.test(text)) throw new UnsupportedFormat(`${what}: records of several fields`);
    throw new FormatError(`${what}: header has no element type`);
  }
  const fortran = /'fortran_order'\s*:\s*(True|False)/.exec(text)?.[1];
  if (fortran === undefined) throw new FormatError(`${what}: header has no fortran_order`);
  const shape = /'shape'\s*:\s*\(([\d\s,L]*)\)/.exec(text)?.[1];
  if (shape === undefined) throw new FormatError(`${what}: header has no shape`);
  const extents = shape.split(",").map((extent) => extent.replace("L", "").trim());
  return { descr, fortran: fortran === "True", shape: extents.filter((extent) => extent !== "").map(Number) };
}

/** The array's type and byte order by NumPy's "descr": "<f4". */
export function elementOf(descr: string, what: string): { dtype: ElementType; bigEndian: boolean } {
  const [, order = "", name = ""] = /^([<>|=]?)(\w+)$/.exec(descr) ?? [];
  const dtype = types[name];
  if (!dtype) throw new UnsupportedFormat(`${what}: elements of NumPy type "${descr}" cannot be read`);
  return { dtype, bigEndian: order === ">" };
}

/** Elements in the file's order to ours: little-endian, row-major. Complex numbers turn round each part. */
export function normalOrder(
  bytes: Uint8Array,
  array: { dtype: ElementType; shape: readonly number[]; bigEndian: boolean; fortran: boolean },
): Uint8Array {
  const width = elementSizes[array.dtype];
  const part = array.dtype === "c64" || array.dtype === "c128" ? width / 2 : width;
  const little = array.bigEndian && part > 1 ? swapped(bytes, part) : bytes;
  return array.fortran ? rowMajor(little, array.shape, width) : little;
}

/** Reads one .npy. The array's bytes are a view of the file's where its order is ours. */
export function readNpy(bytes: Uint8Array, what = "npy"): RawArray {
  if (!isNpy(bytes)) throw new FormatError(`${what}: does not begin as .npy files do`);
  const cursor = new Cursor(bytes, what, { position: magic.length });
  const major = cursor.u8();
  cursor.u8();
  if (major < 1 || major > 3) throw new UnsupportedFormat(`${what}: version ${major} of .npy is not known`);
  const length = major === 1 ? cursor.u16() : cursor.u32();
  if (length > headerLimit) throw new FormatError(`${what}: header of ${length} bytes, at most ${headerLimit}`);
  const { descr, fortran, shape } = parseHeader(new TextDecoder("latin1").decode(cursor.take(length)), what);
  const { dtype, bigEndian } = elementOf(descr, what);
  const size = arraySize(dtype, shape, what);
  if (size > cursor.remaining) {
    throw new FormatError(
      `${what}: ${dtype}[${shape}] needs ${size} bytes, file has ${cursor.remaining} after its header`,
    );
  }
  return rawArray(dtype, shape, normalOrder(cursor.take(size), { dtype, shape, bigEndian, fortran }), what);
}

/** Writes one .npy, version 1.0. Types of fewer than 8 bits, which NumPy does not have, are written as bytes. */
export function writeNpy({ dtype, shape, bytes }: RawArray): Uint8Array {
  const name = names.get(dtype) ?? (dtype.startsWith("u") ? "u1" : "i1");
  const order = elementSizes[dtype] === 1 ? "|" : "<";
  const extents = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const text = `{'descr': '${order}${name}', 'fortran_order': False, 'shape': (${extents}), }`;
  const start = magic.length + 4;
  const end = Math.ceil((start + text.length + 1) / alignment) * alignment;
  const result = new Uint8Array(end + bytes.length);
  result.set([...magic, 1, 0, (end - start) & 0xff, (end - start) >> 8]);
  result.set(new TextEncoder().encode(`${text.padEnd(end - start - 1)}\n`), start);
  result.set(bytes, end);
  return result;
}
