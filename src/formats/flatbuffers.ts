// FlatBuffers: tables read in place by field number, every offset checked before it is followed (the format's
// "Internals" page). References only point forward, so what is read is a graph without cycles.

import { FormatError } from "../base/errors.ts";
import { hex } from "../base/text.ts";

interface Buffer {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Opens every message: "TFLite". */
  readonly what: string;
}

const scalarSizes = { i8: 1, u8: 1, i16: 2, u16: 2, i32: 4, u32: 4, f32: 4, i64: 8, u64: 8, f64: 8 } as const;

/** Types of numbers in fields and vectors. */
export type ScalarType = keyof typeof scalarSizes;

const decoder = new TextDecoder();

function checked(buffer: Buffer, offset: number, size: number, part: string): number {
  if (!(offset >= 0 && offset + size <= buffer.bytes.length)) {
    throw new FormatError(
      `${buffer.what}: ${part} at ${hex(offset)} ends at ${hex(offset + size)}, file has ${hex(buffer.bytes.length)}`,
    );
  }
  return offset;
}

/** Where the reference at `offset` points: always further on in the file. */
function follow(buffer: Buffer, offset: number, part: string): number {
  checked(buffer, offset, 4, part);
  const distance = buffer.view.getUint32(offset, true);
  if (distance < 4) throw new FormatError(`${buffer.what}: ${part} at ${hex(offset)} refers ${distance} bytes ahead`);
  return checked(buffer, offset + distance, 4, part);
}

function scalarAt({ view }: Buffer, offset: number, type: ScalarType): number {
  switch (type) {
    case "i8":
      return view.getInt8(offset);
    case "u8":
      return view.getUint8(offset);
    case "i16":
      return view.getInt16(offset, true);
    case "u16":
      return view.getUint16(offset, true);
    case "i32":
      return view.getInt32(offset, true);
    case "u32":
      return view.getUint32(offset, true);
    case "f32":
      return view.getFloat32(offset, true);
    case "f64":
      return view.getFloat64(offset, true);
    case "i64":
      return Number(view.getBigInt64(offset, true));
    case "u64":
      return Number(view.getBigUint64(offset, true));
  }
}

/** A vector: where its elements start and how many of a size there are. */
function vectorAt(buffer: Buffer, offset: number, size: number, part: string): { start: number; count: number } {
  const at = follow(buffer, offset, part);
  const count = buffer.view.getUint32(at, true);
  checked(buffer, at + 4, count * size, part);
  return { start: at + 4, count };
}

function textAt(buffer: Buffer, offset: number, part: string): string {
  const { start, count } = vectorAt(buffer, offset, 1, part);
  return decoder.decode(buffer.bytes.subarray(start, start + count));
}

/** A table. Fields go by their number in the schema (a union takes two: its type, then its value). */
export class Table {
  readonly #buffer: Buffer;
  readonly #position: number;
  readonly #vtable: number;
  readonly #fields: number;
  readonly #size: number;

  constructor(buffer: Buffer, position: number) {
    this.#buffer = buffer;
    this.#position = checked(buffer, position, 4, "table");
    const vtable = position - buffer.view.getInt32(position, true);
    this.#vtable = checked(buffer, vtable, 4, "vtable");
    const length = buffer.view.getUint16(vtable, true);
    this.#size = buffer.view.getUint16(vtable + 2, true);
    if (length < 4 || length % 2 !== 0 || this.#size < 4) {
      throw new FormatError(
        `${buffer.what}: vtable at ${hex(vtable)} has ${length} bytes for tables of ${this.#size} bytes`,
      );
    }
    checked(buffer, vtable, length, "vtable");
    checked(buffer, position, this.#size, "table");
    this.#fields = (length - 4) / 2;
  }

  /** Where in the file the table is: for messages. */
  get position(): number {
    return this.#position;
  }

  /** Position of a field's value; 0 when it is not there. */
  #field(index: number, size: number): number {
    if (index >= this.#fields) return 0;
    const offset = this.#buffer.view.getUint16(this.#vtable + 4 + 2 * index, true);
    if (offset === 0) return 0;
    if (offset < 4 || offset + size > this.#size) {
      throw new FormatError(
        `${this.#buffer.what}: field ${index} of the table at ${hex(this.#position)} ends at ${offset + size}, ` +
          `the table has ${this.#size} bytes`,
      );
    }
    return this.#position + offset;
  }

  has(index: number): boolean {
    return this.#field(index, 1) !== 0;
  }
  /** A number, 64-bit ones rounded to what a double holds. */
  number(index: number, type: ScalarType, absent = 0): number {
    const at = this.#field(index, scalarSizes[type]);
    return at === 0 ? absent : scalarAt(this.#buffer, at, type);
  }
  boolean(index: number, absent = false): boolean {
    return this.number(index, "u8", absent ? 1 : 0) !== 0;
  }
  i64(index: number, absent = 0n): bigint {
    const at = this.#field(index, 8);
    return at === 0 ? absent : this.#buffer.view.getBigInt64(at, true);
  }
  u64(index: number, absent = 0n): bigint {
    const at = this.#field(index, 8);
    return at === 0 ? absent : this.#buffer.view.getBigUint64(at, true);
  }
  string(index: number): string | undefined {
    const at = this.#field(index, 4);
    return at === 0 ? undefined : textAt(this.#buffer, at, `string in field ${index}`);
  }
  table(index: number): Table | undefined {
    const at = this.#field(index, 4);
    return at === 0 ? undefined : new Table(this.#buffer, follow(this.#buffer, at, `table in field ${index}`));
  }
  /** A union by the number of its type field; undefined when it is absent or its type is 0 (NONE). */
  union(index: number): { type: number; value: Table } | undefined {
    const type = this.number(index, "u8");
    const value = type === 0 ? undefined : this.table(index + 1);
    return value && { type, value };
  }
  /** A struct's bytes: fixed layout, the caller knows which. */
  struct(index: number, size: number): Uint8Array | undefined {
    const at = this.#field(index, size);
    return at === 0 ? undefined : this.#buffer.bytes.subarray(at, at + size);
  }
  /** A vector of bytes, as a view. */
  bytes(index: number): Uint8Array | undefined {
    const at = this.#field(index, 4);
    if (at === 0) return undefined;
    const { start, count } = vectorAt(this.#buffer, at, 1, `bytes in field ${index}`);
    return this.#buffer.bytes.subarray(start, start + count);
  }
  /** A vector of numbers (64-bit ones rounded to what a double holds); empty when absent. */
  numbers(index: number, type: ScalarType): number[] {
    const at = this.#field(index, 4);
    if (at === 0) return [];
    const size = scalarSizes[type];
    const { start, count } = vectorAt(this.#buffer, at, size, `numbers in field ${index}`);
    return Array.from({ length: count }, (_, i) => scalarAt(this.#buffer, start + i * size, type));
  }
  /** A vector of tables; empty when absent. */
  tables(index: number): Table[] {
    const at = this.#field(index, 4);
    if (at === 0) return [];
    const part = `tables in field ${index}`;
    const { start, count } = vectorAt(this.#buffer, at, 4, part);
    return Array.from(
      { length: count },
      (_, i) => new Table(this.#buffer, follow(this.#buffer, start + 4 * i, `${part}, entry ${i},`)),
    );
  }
  /** How many elements a vector of any kind has; 0 when absent. */
  count(index: number): number {
    const at = this.#field(index, 4);
    return at === 0 ? 0 : vectorAt(this.#buffer, at, 1, `vector in field ${index}`).count;
  }
  /** A vector of strings; empty when absent. */
  strings(index: number): string[] {
    const at = this.#field(index, 4);
    if (at === 0) return [];
    const part = `strings in field ${index}`;
    const { start, count } = vectorAt(this.#buffer, at, 4, part);
    return Array.from({ length: count }, (_, i) => textAt(this.#buffer, start + 4 * i, `${part}, entry ${i},`));
  }
}

/** The file identifier: four characters after the root's offset ("TFL3"); "" in shorter files. */
export function identifierOf(bytes: Uint8Array, start = 0): string {
  return bytes.length < start + 8 ? "" : String.fromCharCode(...bytes.subarray(start + 4, start + 8));
}

/** The root table. With `sizePrefixed` the buffer's length comes before it. Throws FormatError. */
export function rootTable(bytes: Uint8Array, what: string, options: { sizePrefixed?: boolean } = {}): Table {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const whole: Buffer = { bytes, view, what };
  if (!options.sizePrefixed) return new Table(whole, follow(whole, 0, "root"));
  const size = view.getUint32(checked(whole, 0, 4, "size"), true);
  checked(whole, 4, size, "buffer");
  return rootTable(bytes.subarray(4, 4 + size), what);
}
