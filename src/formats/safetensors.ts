// safetensors: a JSON directory of named arrays, then their bytes. Source: the format's description by Hugging Face.

import { Cursor } from "../base/cursor.ts";
import { FormatError, messageOf, UnsupportedFormat } from "../base/errors.ts";
import { arraySize, type ElementType } from "./array.ts";

/** The largest directory that readers take: the reference's own limit. */
const headerLimit = 100_000_000;

const types: Readonly<Record<string, ElementType | "f8e4m3" | "f8e5m2">> = {
  F64: "f64",
  F32: "f32",
  F16: "f16",
  BF16: "bf16",
  F8_E4M3: "f8e4m3",
  F8_E5M2: "f8e5m2",
  BOOL: "i1",
  I8: "i8",
  I16: "i16",
  I32: "i32",
  I64: "i64",
  U8: "u8",
  U16: "u16",
  U32: "u32",
  U64: "u64",
  C64: "c64",
};

export interface SafeTensor {
  readonly name: string;
  /** The 8-bit floats are widened by whoever reads them: no tensor of ours holds them. */
  readonly dtype: ElementType | "f8e4m3" | "f8e5m2";
  readonly shape: readonly number[];
  /** A view of the file. */
  readonly bytes: Uint8Array;
}

export interface SafeTensors {
  readonly tensors: readonly SafeTensor[];
  readonly metadata: ReadonlyMap<string, string>;
}

/** Whether bytes begin as the format does: a sensible length and a JSON object. */
export function isSafetensors(bytes: Uint8Array): boolean {
  if (bytes.length < 10) return false;
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  return length >= 2n && length <= BigInt(Math.min(headerLimit, bytes.length - 8)) && bytes[8] === 0x7b;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isNumbers = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((each) => Number.isSafeInteger(each) && each >= 0);

/** Reads the directory. Throws FormatError. */
export function readSafetensors(bytes: Uint8Array, what = "safetensors"): SafeTensors {
  const cursor = new Cursor(bytes, what);
  const length = cursor.size64();
  if (length > headerLimit) throw new FormatError(`${what}: directory of ${length} bytes, at most ${headerLimit}`);
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder().decode(cursor.take(length)));
  } catch (error) {
    if (error instanceof FormatError) throw error;
    throw new FormatError(`${what}: directory is not JSON: ${messageOf(error)}`);
  }
  if (!isRecord(header)) throw new FormatError(`${what}: directory is no JSON object`);
  const data = bytes.subarray(cursor.position);
  const tensors: SafeTensor[] = [];
  const metadata = new Map<string, string>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") {
      if (isRecord(entry)) for (const [key, value] of Object.entries(entry)) metadata.set(key, String(value));
      continue;
    }
    tensors.push(readEntry(name, entry, data, what));
  }
  return { tensors, metadata };
}

function readEntry(name: string, entry: unknown, data: Uint8Array, what: string): SafeTensor {
  if (!isRecord(entry)) throw new FormatError(`${what}: entry "${name}" is no JSON object`);
  const { dtype: type, shape, data_offsets: offsets } = entry;
  if (typeof type !== "string" || !isNumbers(shape) || !isNumbers(offsets) || offsets.length !== 2) {
    throw new FormatError(`${what}: entry "${name}" has no dtype, shape or data_offsets`);
  }
  const dtype = Object.hasOwn(types, type) ? types[type] : undefined;
  if (!dtype) throw new UnsupportedFormat(`${what}: "${name}" has elements of type ${type}`);
  const size = arraySize(dtype === "f8e4m3" || dtype === "f8e5m2" ? "u8" : dtype, shape, `${what}: "${name}"`);
  const [begin, end] = offsets as [number, number];
  if (end - begin !== size || end > data.length) {
    throw new FormatError(
      `${what}: "${name}" ${type}[${shape}] needs ${size} bytes, lies at ${begin} to ${end} of ${data.length}`,
    );
  }
  return { name, dtype, shape, bytes: data.subarray(begin, end) };
}
