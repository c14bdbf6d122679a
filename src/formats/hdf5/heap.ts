// Local and global heaps of HDF5 files: names of old groups, strings of any length.

import { range } from "../../base/cursor.ts";
import { FormatError } from "../../base/errors.ts";
import { cString, hex } from "../../base/text.ts";
import type { Storage } from "./storage.ts";

/** The names of an old group: text at offsets of a local heap's data (section III.D). */
export function localHeap(storage: Storage, address: number): (offset: number) => string {
  const cursor = storage.signed(address, "HEAP", "local heap").skip(4);
  const size = storage.length(cursor);
  storage.length(cursor);
  const start = storage.definedAddress(cursor) + storage.base;
  const data = range(storage.bytes, start, size, "HDF5", `local heap at ${hex(address)}`);
  return (offset) => {
    if (offset >= data.length)
      throw new FormatError(`HDF5: name at ${hex(offset)} is outside the heap of ${size} bytes`);
    return cString(data.subarray(offset));
  };
}

/** Objects of the global heap (section III.E), each collection read once. */
export class GlobalHeap {
  private readonly storage: Storage;
  private readonly collections = new Map<number, Map<number, Uint8Array>>();

  constructor(storage: Storage) {
    this.storage = storage;
  }

  object(address: number, index: number): Uint8Array {
    let collection = this.collections.get(address);
    if (!collection) {
      collection = this.read(address);
      this.collections.set(address, collection);
    }
    const found = collection.get(index);
    if (!found) throw new FormatError(`HDF5: global heap at ${hex(address)} has no object ${index}`);
    return found;
  }

  private read(address: number): Map<number, Uint8Array> {
    const cursor = this.storage.signed(address, "GCOL", "global heap");
    const start = cursor.position - 4;
    cursor.skip(4);
    const end = start + this.storage.length(cursor);
    const objects = new Map<number, Uint8Array>();
    while (cursor.position + 8 + this.storage.lengthSize <= end) {
      const index = cursor.u16();
      cursor.skip(6);
      const size = this.storage.length(cursor);
      // Object 0 is the free space at the end.
      if (index === 0) break;
      objects.set(index, cursor.take(size));
      cursor.skip(Math.min((8 - (size % 8)) % 8, cursor.remaining));
    }
    return objects;
  }
}
