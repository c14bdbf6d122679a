// Structures in memory from one description: offsets as a C compiler lays them out, reading, writing, and their C text.

/** A field's type: its size and alignment in bytes, how it is read and written, and its name in C. */
export interface FieldType<T> {
  readonly size: number;
  readonly alignment: number;
  read(view: DataView, at: number): T;
  write(view: DataView, at: number, value: T): void;
  /** The declaration of a field of this type. */
  c(name: string): string;
}

function integer<T extends number | bigint>(
  size: number,
  c: string,
  read: (view: DataView, at: number) => T,
  write: (view: DataView, at: number, value: T) => void,
): FieldType<T> {
  return { size, alignment: size, read, write, c: (name) => `${c} ${name}` };
}

export const u32 = integer<number>(
  4,
  "uint32_t",
  (view, at) => view.getUint32(at, true),
  (view, at, value) => view.setUint32(at, value, true),
);
export const i32 = integer<number>(
  4,
  "int32_t",
  (view, at) => view.getInt32(at, true),
  (view, at, value) => view.setInt32(at, value, true),
);
/** 64 bits; fields of this type have to be at multiples of 8, which 32-bit compilers do not see to. */
export const u64 = integer<bigint>(
  8,
  "uint64_t",
  (view, at) => view.getBigUint64(at, true),
  (view, at, value) => view.setBigUint64(at, value, true),
);
export const f32 = integer<number>(
  4,
  "float",
  (view, at) => view.getFloat32(at, true),
  (view, at, value) => view.setFloat32(at, value, true),
);

/** Several of one type, one after another. */
export function array<T>(of: FieldType<T>, length: number): FieldType<readonly T[]> {
  return {
    size: of.size * length,
    alignment: of.alignment,
    read: (view, at) => Array.from({ length }, (_, i) => of.read(view, at + i * of.size)),
    write: (view, at, values) => values.forEach((value, i) => of.write(view, at + i * of.size, value)),
    c: (name) => of.c(`${name}[${length}]`),
  };
}

/** Text that ends with a NUL, within a field of this many bytes; longer text is cut off. */
export function text(length: number): FieldType<string> {
  return {
    size: length,
    alignment: 1,
    read(view, at) {
      const bytes = new Uint8Array(view.buffer, view.byteOffset + at, length);
      const end = bytes.indexOf(0);
      return new TextDecoder().decode(bytes.slice(0, end < 0 ? length : end));
    },
    write(view, at, value) {
      const bytes = new Uint8Array(view.buffer, view.byteOffset + at, length);
      bytes.fill(0);
      bytes.set(new TextEncoder().encode(value).subarray(0, length - 1));
    },
    c: (name) => `char ${name}[${length}]`,
  };
}

type Fields = Readonly<Record<string, FieldType<unknown>>>;
export type StructOf<F extends Fields> = { -readonly [N in keyof F]: F[N] extends FieldType<infer T> ? T : never };

/** A structure's layout. */
export interface Struct<F extends Fields> {
  readonly size: number;
  readonly offsets: Readonly<Record<keyof F, number>>;
  read(bytes: Uint8Array): StructOf<F>;
  /** Writes the fields that are given, leaves the others. */
  write(bytes: Uint8Array, values: Partial<StructOf<F>>): void;
  /** The C declaration. */
  c(name: string): string;
}

/** Lays fields out in order, each at a multiple of its alignment. Throws when padding would be needed. */
export function struct<const F extends Fields>(fields: F): Struct<F> {
  const rows = Object.entries(fields) as [keyof F & string, FieldType<unknown>][];
  const offsets = {} as Record<keyof F, number>;
  let size = 0;
  for (const [name, { size: bytes, alignment }] of rows) {
    // Compilers for 32 bits align differently; without padding all agree.
    if (size % alignment !== 0) throw new Error(`struct: ${name} at ${size} needs padding`);
    offsets[name] = size;
    size += bytes;
  }
  const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    size,
    offsets,
    read(bytes) {
      const view = viewOf(bytes);
      return Object.fromEntries(rows.map(([name, type]) => [name, type.read(view, offsets[name])])) as StructOf<F>;
    },
    write(bytes, values) {
      const view = viewOf(bytes);
      for (const [name, type] of rows) {
        const value = (values as Record<string, unknown>)[name];
        if (value !== undefined) type.write(view, offsets[name], value);
      }
    },
    c: (name) => `struct ${name} {\n${rows.map(([field, type]) => `    ${type.c(field)};\n`).join("")}};`,
  };
}
