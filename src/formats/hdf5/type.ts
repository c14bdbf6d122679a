// Datatype and dataspace messages of HDF5 files (sections IV.A.2.b and IV.A.2.d).

import type { Cursor } from "../../base/cursor.ts";
import { FormatError, UnsupportedFormat } from "../../base/errors.ts";
import type { Storage } from "./storage.ts";

/** What the elements of a dataset or attribute are. Those that are only skipped are "other". */
export type HdfType =
  | { readonly kind: "integer"; readonly size: number; readonly bigEndian: boolean; readonly signed: boolean }
  | {
      readonly kind: "float";
      readonly size: number;
      readonly bigEndian: boolean;
      readonly exponentBits: number;
      readonly mantissaBits: number;
    }
  /** `padding`: 0 ends with NUL, 1 is filled with NULs, 2 with spaces. */
  | { readonly kind: "string"; readonly size: number; readonly padding: number }
  /** Strings of any length, kept in the global heap. */
  | { readonly kind: "text"; readonly size: number }
  /** An enumeration of the two names FALSE and TRUE is how h5py keeps booleans. */
  | { readonly kind: "enumeration"; readonly size: number; readonly base: HdfType; readonly names: readonly string[] }
  | { readonly kind: "opaque"; readonly size: number }
  | { readonly kind: "other"; readonly size: number; readonly name: string };

const classNames = ["", "", "time", "", "bit field", "", "compound", "reference", "", "sequence", "array"];

/** A name that ends with NUL; old versions pad it to a multiple of 8. */
function paddedName(cursor: Cursor, padded: boolean): string {
  const start = cursor.position;
  let name = "";
  for (let byte = cursor.u8(); byte !== 0; byte = cursor.u8()) name += String.fromCharCode(byte);
  if (padded) cursor.skip((8 - ((cursor.position - start) % 8)) % 8);
  return name;
}

/** A datatype message. Types within types are followed one level: for the base of an enumeration. */
export function readType(cursor: Cursor, depth = 0): HdfType {
  const classAndVersion = cursor.u8();
  const [typeClass, version] = [classAndVersion & 15, classAndVersion >> 4];
  const bits = cursor.u8() | (cursor.u8() << 8) | (cursor.u8() << 16);
  const size = cursor.u32();
  if (size === 0) throw new FormatError(`${cursor.what}: elements of 0 bytes`);
  switch (typeClass) {
    case 0:
      cursor.skip(4);
      return { kind: "integer", size, bigEndian: (bits & 1) !== 0, signed: (bits & 8) !== 0 };
    case 1: {
      cursor.skip(5);
      const exponentBits = cursor.u8();
      cursor.skip(1);
      const mantissaBits = cursor.u8();
      cursor.skip(4);
      return { kind: "float", size, bigEndian: (bits & 1) !== 0, exponentBits, mantissaBits };
    }
    case 3:
      return { kind: "string", size, padding: bits & 15 };
    case 5:
      return { kind: "opaque", size };
    case 8: {
      if (depth > 0) return { kind: "other", size, name: "nested enumeration" };
      const count = bits & 0xffff;
      const base = readType(cursor, depth + 1);
      const names = Array.from({ length: count }, () => paddedName(cursor, version < 3));
      return { kind: "enumeration", size, base, names };
    }
    case 9:
      if ((bits & 15) === 1) return { kind: "text", size };
      break;
  }
  const name = classNames[typeClass];
  if (!name) throw new UnsupportedFormat(`${cursor.what}: datatype of class ${typeClass}`);
  return { kind: "other", size, name };
}

/** The extents of a dataspace; [] is a scalar, undefined no elements at all. */
export function readSpace(storage: Storage, cursor: Cursor): number[] | undefined {
  const version = cursor.u8();
  const rank = cursor.u8();
  cursor.skip(1);
  if (version === 1) cursor.skip(5);
  else if (version !== 2) throw new UnsupportedFormat(`${cursor.what}: dataspace of version ${version}`);
  else if (cursor.u8() === 2) return undefined;
  if (rank > 32) throw new FormatError(`${cursor.what}: ${rank} dimensions, at most 32 are allowed`);
  const shape = Array.from({ length: rank }, () => storage.length(cursor));
  if (!shape.every(Number.isSafeInteger)) throw new FormatError(`${cursor.what}: shape [${shape}]`);
  return shape;
}
