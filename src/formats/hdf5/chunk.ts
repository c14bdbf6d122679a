// Where the chunks of a chunked HDF5 dataset are: the index kinds of layout versions 3 and 4 (sections III.A, VII).

import type { Cursor } from "../../base/cursor.ts";
import { FormatError, UnsupportedFormat } from "../../base/errors.ts";
import { hex } from "../../base/text.ts";
import { plainUnsigned, type Storage, unsigned } from "./storage.ts";
import { tree1, tree2 } from "./tree.ts";

/** A chunk that is stored. */
export interface Chunk {
  readonly address: number;
  /** Bytes as stored. */
  readonly size: number;
  /** Bit i: filter i was left out. */
  readonly mask: number;
  /** Its place in the grid of chunks. */
  readonly place: readonly number[];
}

export type ChunkIndex =
  | { readonly kind: "tree1" | "implicit" | "tree2" | "fixed" | "extensible"; readonly address: number | undefined }
  | { readonly kind: "single"; readonly address: number | undefined; readonly size?: number; readonly mask?: number };

interface Grid {
  /** Chunks along each dimension. */
  readonly counts: readonly number[];
  readonly chunkShape: readonly number[];
  /** Bytes of a chunk without filters. */
  readonly chunkBytes: number;
}

/** The stored chunks of a dataset. */
export function* chunksOf(storage: Storage, index: ChunkIndex, grid: Grid): Generator<Chunk> {
  const { address } = index;
  if (address === undefined) return;
  const { counts, chunkShape, chunkBytes } = grid;
  const rank = counts.length;
  const total = counts.reduce((product, count) => product * count, 1);
  const placeOf = (flat: number) => {
    const place: number[] = [];
    for (let i = rank - 1, rest = flat; i >= 0; i--) {
      place[i] = rest % counts[i]!;
      rest = Math.floor(rest / counts[i]!);
    }
    return place;
  };
  switch (index.kind) {
    case "single":
      yield { address, size: index.size ?? chunkBytes, mask: index.mask ?? 0, place: placeOf(0) };
      return;
    case "implicit":
      for (let i = 0; i < total; i++) {
        yield { address: address + i * chunkBytes, size: chunkBytes, mask: 0, place: placeOf(i) };
      }
      return;
    case "tree1": {
      const key = (cursor: Cursor) => {
        const [size, mask] = [cursor.u32(), cursor.u32()];
        const place = chunkShape.map((extent) => Math.floor(cursor.size64() / extent));
        cursor.skip(8);
        return { size, mask, place };
      };
      for (const { key: found, child } of tree1(storage, address, 1, key)) yield { ...found, address: child };
      return;
    }
    case "tree2":
      for (const { cursor, recordSize, type } of tree2(storage, address)) {
        const at = storage.definedAddress(cursor);
        const filtered = type === 11;
        if (!filtered && type !== 10) throw new FormatError(`HDF5: chunks are indexed by a tree of type ${type}`);
        const size = filtered ? plainUnsigned(cursor, recordSize - storage.offsetSize - 4 - 8 * rank) : chunkBytes;
        const mask = filtered ? cursor.u32() : 0;
        yield { address: at, size, mask, place: chunkShape.map(() => cursor.size64()) };
      }
      return;
    case "fixed":
    case "extensible": {
      const read = index.kind === "fixed" ? fixedArray : extensibleArray;
      let flat = 0;
      for (const { cursor, filtered, entrySize } of read(storage, address)) {
        if (flat >= total) return;
        const at = storage.address(cursor);
        const size = filtered ? (unsigned(cursor, entrySize - storage.offsetSize - 4) ?? 0) : chunkBytes;
        const mask = filtered ? cursor.u32() : 0;
        if (at !== undefined) yield { address: at, size, mask, place: placeOf(flat) };
        flat++;
      }
    }
  }
}

interface Entry {
  readonly cursor: Cursor;
  readonly filtered: boolean;
  readonly entrySize: number;
}

/** Entries one after another from a cursor. */
function* entriesAt(cursor: Cursor, count: number, kind: { filtered: boolean; entrySize: number }): Generator<Entry> {
  const start = cursor.position;
  for (let i = 0; i < count; i++) yield { cursor: cursor.seek(start + i * kind.entrySize), ...kind };
  cursor.seek(start + count * kind.entrySize);
}

/** The client and element size at the start of an array's header, checked. */
function arrayKind(cursor: Cursor, storage: Storage): { filtered: boolean; entrySize: number } {
  const version = cursor.u8();
  const client = cursor.u8();
  const entrySize = cursor.u8();
  if (version !== 0 || client > 1) throw new UnsupportedFormat(`${cursor.what}: version ${version}, client ${client}`);
  const smallest = storage.offsetSize + (client === 1 ? 5 : 0);
  if (entrySize < smallest || entrySize > smallest + 7) {
    throw new FormatError(`${cursor.what}: entries of ${entrySize} bytes`);
  }
  return { filtered: client === 1, entrySize };
}

/** The entries of a fixed array (section VII.C). */
function* fixedArray(storage: Storage, address: number): Generator<Entry> {
  const header = storage.signed(address, "FAHD", "fixed array");
  const start = header.position - 4;
  const kind = arrayKind(header, storage);
  const pageBits = header.u8();
  const count = storage.length(header);
  const block = storage.address(header);
  storage.checked(header, start);
  if (block === undefined) return;
  const cursor = storage.signed(block, "FADB", "fixed array block");
  cursor.skip(2 + storage.offsetSize);
  const page = 2 ** pageBits;
  if (count <= page) {
    yield* entriesAt(cursor, count, kind);
    return;
  }
  const pages = Math.ceil(count / page);
  const written = cursor.take(Math.ceil(pages / 8));
  cursor.skip(4);
  for (let i = 0; i < pages; i++) {
    const inPage = Math.min(page, count - i * page);
    // Bits of the map go from the highest down.
    if (written[i >> 3]! & (0x80 >> (i & 7))) yield* entriesAt(cursor, inPage, kind);
    else throw new UnsupportedFormat(`HDF5: fixed array at ${hex(address)} has pages that were never written`);
    cursor.skip(4);
  }
}

/** The entries of an extensible array (section VII.D), to the last one that was ever set. */
function* extensibleArray(storage: Storage, address: number): Generator<Entry> {
  const header = storage.signed(address, "EAHD", "extensible array");
  const start = header.position - 4;
  const kind = arrayKind(header, storage);
  const [maximumBits, inIndex, smallestBlock, smallestPointers, pageBits] = [
    header.u8(),
    header.u8(),
    header.u8(),
    header.u8(),
    header.u8(),
  ];
  for (let i = 0; i < 4; i++) storage.length(header);
  let left = storage.length(header);
  storage.length(header);
  const indexAddress = storage.address(header);
  storage.checked(header, start);
  if (indexAddress === undefined) return;
  if (smallestBlock === 0 || smallestPointers === 0 || maximumBits > 64) {
    throw new FormatError(`HDF5: extensible array at ${hex(address)} has no sensible block sizes`);
  }
  const offsetBytes = Math.ceil(maximumBits / 8);
  const page = 2 ** pageBits;
  const index = storage.signed(indexAddress, "EAIB", "extensible array index").skip(2 + storage.offsetSize);
  const first = Math.min(left, inIndex);
  yield* entriesAt(index, first, kind);
  index.skip((inIndex - first) * kind.entrySize);
  left -= first;

  function* block(at: number | undefined, size: number): Generator<Entry> {
    const wanted = Math.min(left, size);
    left -= wanted;
    if (wanted === 0) return;
    if (at === undefined) {
      throw new UnsupportedFormat(`HDF5: extensible array at ${hex(address)} has blocks that were never written`);
    }
    const cursor = storage.signed(at, "EADB", "extensible array block").skip(2 + storage.offsetSize + offsetBytes);
    if (size <= page) {
      yield* entriesAt(cursor, wanted, kind);
      return;
    }
    cursor.skip(4);
    for (let done = 0; done < wanted; done += page) {
      yield* entriesAt(cursor, Math.min(page, wanted - done), kind);
      cursor.skip(4);
    }
  }

  const inIndexBlocks = 2 * Math.round(Math.log2(smallestPointers));
  for (let group = 0; left > 0 && group < 1 + maximumBits - Math.round(Math.log2(smallestBlock)); group++) {
    const blocks = 2 ** Math.floor(group / 2);
    const size = 2 ** Math.floor((group + 1) / 2) * smallestBlock;
    let pointers = index;
    if (group >= inIndexBlocks) {
      const superBlock = storage.definedAddress(index);
      pointers = storage.signed(superBlock, "EASB", "extensible array").skip(2 + storage.offsetSize + offsetBytes);
      if (size > page) pointers.skip(blocks * Math.ceil(size / page / 8));
    }
    for (let i = 0; i < blocks && left > 0; i++) yield* block(storage.address(pointers), size);
  }
}

/** The index of a layout message of version 4, after the chunk's extents. */
export function readIndex(storage: Storage, cursor: Cursor, flags: number): ChunkIndex {
  const type = cursor.u8();
  switch (type) {
    case 1: {
      const filtered = (flags & 2) !== 0;
      const size = filtered ? storage.length(cursor) : undefined;
      const mask = filtered ? cursor.u32() : undefined;
      const address = storage.address(cursor);
      return size === undefined || mask === undefined
        ? { kind: "single", address }
        : { kind: "single", address, size, mask };
    }
    case 2:
      return { kind: "implicit", address: storage.address(cursor) };
    case 3:
      cursor.skip(1);
      return { kind: "fixed", address: storage.address(cursor) };
    case 4:
      cursor.skip(5);
      return { kind: "extensible", address: storage.address(cursor) };
    case 5:
      cursor.skip(6);
      return { kind: "tree2", address: storage.address(cursor) };
    default:
      throw new UnsupportedFormat(`HDF5: chunks indexed by type ${type}`);
  }
}
