// A .tflite file's structure (TensorFlow Lite's schema.fbs, version 3): tables by field number, every index checked.

import { FormatError } from "../../../base/errors.ts";
import { identifierOf, rootTable, type Table } from "../../../formats/flatbuffers.ts";
import type { DType } from "../../hlo/dtype.ts";
import { builtinNames } from "./builtins.ts";

/** Element types by their number. 4-bit and 2-bit integers are unpacked and held as i8 (u8). */
const types: readonly (DType | "string" | "resource" | "variant" | undefined)[] = [
  "f32",
  "f16",
  "i32",
  "u8",
  "i64",
  "string",
  "i1",
  "i16",
  "c64",
  "i8",
  "f64",
  "c128",
  "u64",
  "resource",
  "variant",
  "u32",
  "u16",
  "i8",
  "bf16",
  "i8",
  "u8",
];
/** Bits of the packed types, by number. */
const packedBits: Readonly<Record<number, 2 | 4>> = { 17: 4, 19: 2, 20: 4 };

export type ElementType = DType | "string" | "resource" | "variant";

/** The element type of a TensorType number. */
export function elementType(number: number): ElementType {
  const type = types[number];
  if (type === undefined) throw new FormatError(`TFLite: tensor type ${number} is not known`);
  return type;
}

export interface TensorQuantization {
  /** One, or one per index of `axis`. */
  readonly scales: readonly number[];
  readonly zeroPoints: readonly number[];
  readonly axis: number;
}

export interface TensorInfo {
  readonly index: number;
  readonly name: string;
  readonly type: ElementType;
  /** Bits of packed elements in the buffer: 4 for int4; undefined when they are whole bytes. */
  readonly packed: 2 | 4 | undefined;
  readonly shape: readonly number[];
  /** The declared shape with -1 for what callers choose. */
  readonly signature: readonly number[];
  readonly buffer: number;
  readonly quantization: TensorQuantization | undefined;
  readonly variable: boolean;
  readonly sparsity: Table | undefined;
}

export interface OperatorInfo {
  /** "CONV_2D"; "custom:Name" for custom ones. */
  readonly name: string;
  readonly version: number;
  /** Tensors; -1 for an optional one that is not there. */
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly intermediates: readonly number[];
  /** The builtin options, whichever of the two unions they are in. */
  readonly options: Table | undefined;
  readonly custom: Uint8Array;
}

export interface SubgraphInfo {
  readonly index: number;
  readonly name: string;
  readonly tensors: readonly TensorInfo[];
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly operators: readonly OperatorInfo[];
}

export interface SignatureInfo {
  readonly key: string;
  readonly subgraph: number;
  readonly inputs: readonly (readonly [name: string, tensor: number])[];
  readonly outputs: readonly (readonly [name: string, tensor: number])[];
}

export interface ModelFile {
  readonly description: string;
  readonly subgraphs: readonly SubgraphInfo[];
  /** Bytes of a buffer; undefined for those without: tensors that are computed. */
  readonly buffers: readonly (Uint8Array | undefined)[];
  readonly metadata: ReadonlyMap<string, Uint8Array>;
  readonly signatures: readonly SignatureInfo[];
}

export const isTflite = (bytes: Uint8Array): boolean => identifierOf(bytes) === "TFL3";

function quantizationOf(table: Table | undefined): TensorQuantization | undefined {
  const scales = table?.numbers(2, "f32") ?? [];
  if (!table || scales.length === 0) return undefined;
  const zeroPoints = table.numbers(3, "i64");
  return {
    scales,
    zeroPoints: scales.map((_, i) => zeroPoints[i] ?? zeroPoints[0] ?? 0),
    axis: table.number(6, "i32"),
  };
}

function tensorOf(table: Table, index: number, where: string, bufferCount: number): TensorInfo {
  const shape = table.numbers(0, "i32");
  const name = table.string(3) ?? "";
  const what = `TFLite: tensor ${index} '${name}' of ${where}`;
  if (shape.length > 32 || shape.some((n) => n < -1)) throw new FormatError(`${what} has shape [${shape}]`);
  const signature = table.numbers(7, "i32");
  if (signature.length > 0 && signature.length !== shape.length) {
    throw new FormatError(`${what}: shape signature [${signature}] does not fit shape [${shape}]`);
  }
  const type = table.number(1, "i8");
  const buffer = table.number(2, "u32");
  if (buffer >= bufferCount) throw new FormatError(`${what}: buffer ${buffer} of ${bufferCount}`);
  return {
    index,
    name,
    type: elementType(type),
    packed: packedBits[type],
    shape: shape.map((extent) => (extent === -1 ? 1 : extent)),
    signature: signature.length > 0 ? signature : shape,
    buffer,
    quantization: quantizationOf(table.table(4)),
    variable: table.boolean(5),
    sparsity: table.table(6),
  };
}

interface Code {
  readonly name: string;
  readonly version: number;
}

/** The builtin number moved from a byte to an int: the larger of both counts (schema.fbs, "OperatorCode"). */
function codeOf(table: Table): Code {
  const number = Math.max(table.number(0, "i8"), table.number(3, "i32"));
  const name = builtinNames[number] ?? `operator ${number}`;
  return { name: name === "CUSTOM" ? `custom:${table.string(1) ?? ""}` : name, version: table.number(2, "i32", 1) };
}

function subgraphOf(table: Table, index: number, codes: readonly Code[], bufferCount: number, file: Uint8Array) {
  const name = table.string(4) ?? "";
  const where = `subgraph ${index}`;
  const tensors = table.tables(0).map((each, i) => tensorOf(each, i, where, bufferCount));
  const indices = (list: readonly number[], what: string, lowest = 0): readonly number[] => {
    for (const n of list) {
      if (n < lowest || n >= tensors.length) {
        throw new FormatError(`TFLite: ${what} of ${where} names tensor ${n} of ${tensors.length}`);
      }
    }
    return list;
  };
  const operators = table.tables(3).map((each, i): OperatorInfo => {
    const code = codes[each.number(0, "u32")];
    if (!code) throw new FormatError(`TFLite: operator ${i} of ${where} has code ${each.number(0, "u32")}`);
    const large = [each.number(9, "u64"), each.number(10, "u64")] as const;
    const what = `operator ${i} (${code.name})`;
    if (large[0] + large[1] > file.length) {
      throw new FormatError(`TFLite: options of ${what} end at ${large[0] + large[1]}, file has ${file.length}`);
    }
    return {
      ...code,
      inputs: indices(each.numbers(1, "i32"), `an input of ${what}`, -1),
      outputs: indices(each.numbers(2, "i32"), `an output of ${what}`),
      intermediates: indices(each.numbers(8, "i32"), `an intermediate of ${what}`, -1),
      options: (each.union(11) ?? each.union(3))?.value,
      custom: large[1] > 0 ? file.subarray(large[0], large[0] + large[1]) : (each.bytes(5) ?? new Uint8Array()),
    };
  });
  return {
    index,
    name,
    tensors,
    inputs: indices(table.numbers(1, "i32"), "an input"),
    outputs: indices(table.numbers(2, "i32"), "an output"),
    operators,
  } satisfies SubgraphInfo;
}

/** A buffer's bytes: in place, or (over 2 GB) at an offset of the file. */
function bufferOf(table: Table, index: number, file: Uint8Array): Uint8Array | undefined {
  const [offset, size] = [table.number(1, "u64"), table.number(2, "u64")];
  if (offset > 1) {
    if (offset + size > file.length) {
      throw new FormatError(`TFLite: buffer ${index} ends at ${offset + size}, file has ${file.length}`);
    }
    return file.subarray(offset, offset + size);
  }
  const bytes = table.bytes(0);
  return bytes && bytes.length > 0 ? bytes : undefined;
}

/** Reads the whole structure. Throws FormatError. */
export function readModelFile(bytes: Uint8Array): ModelFile {
  const root = rootTable(bytes, "TFLite");
  const version = root.number(0, "u32");
  if (version !== 3) throw new FormatError(`TFLite: schema version ${version}, only 3 is read`);
  const buffers = root.tables(4).map((table, i) => bufferOf(table, i, bytes));
  const codes = root.tables(1).map(codeOf);
  const subgraphs = root.tables(2).map((table, i) => subgraphOf(table, i, codes, buffers.length, bytes));
  if (subgraphs.length === 0) throw new FormatError("TFLite: the model has no subgraphs");
  const metadata = new Map<string, Uint8Array>();
  for (const table of root.tables(6)) {
    const data = buffers[table.number(1, "u32")];
    if (data) metadata.set(table.string(0) ?? "", data);
  }
  const signatures = root.tables(7).map((table): SignatureInfo => {
    const key = table.string(2) ?? "";
    const index = table.number(4, "u32");
    const subgraph = subgraphs[index];
    if (!subgraph) throw new FormatError(`TFLite: signature '${key}' names subgraph ${index} of ${subgraphs.length}`);
    const named = (field: number) =>
      table.tables(field).map((map) => {
        const tensor = map.number(1, "u32");
        if (tensor >= subgraph.tensors.length) {
          throw new FormatError(`TFLite: signature '${key}' names tensor ${tensor} of ${subgraph.tensors.length}`);
        }
        return [map.string(0) ?? "", tensor] as const;
      });
    return { key, subgraph: index, inputs: named(0), outputs: named(1) };
  });
  return { description: root.string(3) ?? "", subgraphs, buffers, metadata, signatures };
}
