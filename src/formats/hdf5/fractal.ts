// Fractal heaps of HDF5 files (section III.G): where new groups keep links and objects with many attributes keep those.

import { Cursor } from "../../base/cursor.ts";
import { FormatError, UnsupportedFormat } from "../../base/errors.ts";
import { hex } from "../../base/text.ts";
import { bytesFor, plainUnsigned, type Storage } from "./storage.ts";
import { tree2 } from "./tree.ts";

export class FractalHeap {
  private readonly storage: Storage;
  readonly idLength: number;
  private readonly hugeTree: number | undefined;
  private readonly width: number;
  private readonly startSize: number;
  private readonly maximumDirect: number;
  private readonly offsetBytes: number;
  private readonly lengthBytes: number;
  private readonly root: number | undefined;
  private readonly rootRows: number;

  constructor(storage: Storage, address: number) {
    const cursor = storage.signed(address, "FRHP", "fractal heap");
    const start = cursor.position - 4;
    this.storage = storage;
    cursor.skip(1);
    this.idLength = cursor.u16();
    const filters = cursor.u16();
    if (filters > 0) throw new UnsupportedFormat(`HDF5: fractal heap at ${hex(address)} is compressed`);
    cursor.skip(1);
    const maximumManaged = cursor.u32();
    storage.length(cursor);
    this.hugeTree = storage.address(cursor);
    storage.length(cursor);
    storage.address(cursor);
    for (let i = 0; i < 8; i++) storage.length(cursor);
    this.width = cursor.u16();
    this.startSize = storage.length(cursor);
    this.maximumDirect = storage.length(cursor);
    const maximumBits = cursor.u16();
    cursor.skip(2);
    this.root = storage.address(cursor);
    this.rootRows = cursor.u16();
    storage.checked(cursor, start);
    if (this.width === 0 || !(this.startSize > 0) || !(this.maximumDirect >= this.startSize) || maximumBits > 64) {
      throw new FormatError(`HDF5: fractal heap at ${hex(address)} has no sensible block sizes`);
    }
    this.offsetBytes = Math.ceil(maximumBits / 8);
    this.lengthBytes = Math.min(bytesFor(this.maximumDirect), bytesFor(maximumManaged));
  }

  /** The object that an id stands for. */
  object(id: Uint8Array): Cursor {
    const cursor = new Cursor(id, "HDF5: heap id");
    const flags = cursor.u8();
    const kind = (flags >> 4) & 3;
    if (kind === 0) {
      const offset = plainUnsigned(cursor, this.offsetBytes);
      const length = plainUnsigned(cursor, this.lengthBytes);
      return this.managed(offset, length);
    }
    if (kind === 1) return this.huge(cursor);
    if (kind !== 2) throw new FormatError(`HDF5: heap id of kind ${kind}`);
    const length = id.length <= 18 ? (flags & 15) + 1 : (((flags & 15) << 8) | cursor.u8()) + 1;
    return new Cursor(cursor.take(length), "HDF5: heap object");
  }

  private bytes(address: number, length: number): Cursor {
    return new Cursor(this.storage.at(address, "heap object").take(length), "HDF5: heap object");
  }

  private huge(id: Cursor): Cursor {
    const { storage } = this;
    // Ids that are long enough hold the place itself, others a key of the tree.
    if (id.remaining >= storage.offsetSize + storage.lengthSize) {
      const address = storage.definedAddress(id);
      return this.bytes(address, storage.length(id));
    }
    const key = plainUnsigned(id, Math.min(id.remaining, storage.lengthSize));
    if (this.hugeTree !== undefined) {
      for (const { cursor, type } of tree2(storage, this.hugeTree)) {
        if (type !== 1) throw new UnsupportedFormat(`HDF5: heap objects indexed by a tree of type ${type}`);
        const address = storage.definedAddress(cursor);
        const length = storage.length(cursor);
        if (storage.length(cursor) === key) return this.bytes(address, length);
      }
    }
    throw new FormatError(`HDF5: heap has no large object ${key}`);
  }

  /** Size of the blocks in a row of the doubling table: the first two rows are alike, then each is twice the last. */
  private rowSize(row: number): number {
    return row === 0 ? this.startSize : this.startSize * 2 ** (row - 1);
  }

  private managed(wanted: number, length: number): Cursor {
    const { storage, width } = this;
    let block = this.root;
    let rows = this.rootRows;
    let offset = wanted;
    const directRows = Math.round(Math.log2(this.maximumDirect / this.startSize)) + 2;
    // Every step goes to a block that is smaller.
    while (block !== undefined && rows > 0) {
      const covered = this.startSize * width;
      const row = offset < covered ? 0 : Math.floor(Math.log2(offset / covered)) + 1;
      if (row >= rows) break;
      const size = this.rowSize(row);
      const inRow = offset - (row === 0 ? 0 : covered * 2 ** (row - 1));
      const column = Math.floor(inRow / size);
      const place = row * width + column;
      const cursor = storage.signed(block, "FHIB", "heap block");
      cursor.skip(1 + storage.offsetSize + this.offsetBytes + place * storage.offsetSize);
      block = storage.address(cursor);
      offset = inRow - column * size;
      rows = row < directRows ? 0 : Math.round(Math.log2(size / covered)) + 1;
    }
    if (block === undefined || rows > 0) throw new FormatError(`HDF5: heap has no object at ${hex(wanted)}`);
    storage.signed(block, "FHDB", "heap block");
    return this.bytes(block + offset, length);
  }
}
