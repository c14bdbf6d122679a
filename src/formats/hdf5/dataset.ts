// HDF5 datasets: their layout (compact, contiguous, chunked) and reading of all elements.

import type { Cursor } from "../../base/cursor.ts";
import { FormatError, UnsupportedFormat } from "../../base/errors.ts";
import { hex } from "../../base/text.ts";
import { elementsOf, type HdfArray } from "./attribute.ts";
import { type ChunkIndex, chunksOf, readIndex } from "./chunk.ts";
import { type Filter, readFilters, unfilter } from "./filter.ts";
import { type Message, messageData, messageTypes } from "./header.ts";
import { plainUnsigned, type Storage } from "./storage.ts";
import { type HdfType, readSpace, readType } from "./type.ts";

type Layout =
  | { readonly kind: "compact"; readonly bytes: Uint8Array }
  | { readonly kind: "contiguous"; readonly address: number | undefined }
  | {
      readonly kind: "chunked";
      /** Extents of a chunk, and last the size of an element. */
      readonly shape: readonly number[];
      readonly index: ChunkIndex;
      /** Chunks that reach over the edge are stored without filters. */
      readonly plainEdges: boolean;
    };

export interface HdfDataset {
  readonly type: HdfType;
  readonly shape: readonly number[] | undefined;
  /** All elements in row-major order; a view where the file has them like that. At most `limit` bytes. */
  read(limit: number): HdfArray;
}

/** The dataset that an object's messages describe; undefined when it is none. */
export function readDataset(storage: Storage, messages: readonly Message[], name: string): HdfDataset | undefined {
  const find = (type: number) => {
    const message = messages.find((each) => each.type === type);
    return message && messageData(storage, message, `dataset ${name}`);
  };
  const hasLayout = find(messageTypes.layout) !== undefined;
  const typeMessage = find(messageTypes.datatype);
  const spaceMessage = find(messageTypes.dataspace);
  if (!hasLayout || !typeMessage || !spaceMessage) return undefined;
  const type = readType(typeMessage);
  const shape = readSpace(storage, spaceMessage);
  return {
    type,
    shape,
    read(limit) {
      const size = elementsOf(shape) * type.size;
      if (!(size <= limit)) {
        throw new FormatError(`HDF5: dataset ${name} of shape [${shape}] has ${size} bytes, the limit is ${limit}`);
      }
      const layout = readLayout(storage, find(messageTypes.layout)!, name);
      const filterMessage = find(messageTypes.filters);
      const filters = filterMessage ? readFilters(filterMessage) : [];
      const fill = readFill(find(messageTypes.fillValue), find(messageTypes.oldFillValue), type.size);
      return { type, shape, bytes: readBytes(storage, { layout, filters, fill, type, shape, size, name, limit }) };
    },
  };
}

/** A data layout message (section IV.A.2.i). */
function readLayout(storage: Storage, cursor: Cursor, name: string): Layout {
  const version = cursor.u8();
  if (version === 1 || version === 2) return oldLayout(storage, cursor, name);
  if (version !== 3 && version !== 4) throw new UnsupportedFormat(`HDF5: ${name} has a layout of version ${version}`);
  const kind = cursor.u8();
  if (kind === 0) return { kind: "compact", bytes: cursor.take(cursor.u16()) };
  if (kind === 1) return { kind: "contiguous", address: storage.address(cursor) };
  if (kind !== 2) throw new UnsupportedFormat(`HDF5: ${name} has a ${kind === 3 ? "virtual" : "unknown"} layout`);
  if (version === 3) {
    const rank = cursor.u8();
    const index: ChunkIndex = { kind: "tree1", address: storage.address(cursor) };
    return { kind: "chunked", shape: extents(cursor, rank, 4), index, plainEdges: false };
  }
  const flags = cursor.u8();
  const rank = cursor.u8();
  const shape = extents(cursor, rank, cursor.u8());
  return { kind: "chunked", shape, index: readIndex(storage, cursor, flags), plainEdges: (flags & 1) !== 0 };
}

function oldLayout(storage: Storage, cursor: Cursor, name: string): Layout {
  const rank = cursor.u8();
  const kind = cursor.u8();
  cursor.skip(5);
  const address = kind === 0 ? undefined : storage.address(cursor);
  const shape = extents(cursor, rank, 4);
  if (kind === 0) return { kind: "compact", bytes: cursor.take(cursor.u32()) };
  if (kind === 1) return { kind: "contiguous", address };
  if (kind !== 2) throw new UnsupportedFormat(`HDF5: ${name} has an unknown layout`);
  return { kind: "chunked", shape, index: { kind: "tree1", address }, plainEdges: false };
}

function extents(cursor: Cursor, rank: number, width: number): number[] {
  if (rank > 33 || width < 1 || width > 8) throw new FormatError(`${cursor.what}: chunks of ${rank} dimensions`);
  return Array.from({ length: rank }, () => plainUnsigned(cursor, width));
}

/** The bytes of one element where nothing is stored; undefined: zeros (sections IV.A.2.e and f). */
function readFill(cursor: Cursor | undefined, old: Cursor | undefined, size: number): Uint8Array | undefined {
  if (cursor) {
    const version = cursor.u8();
    if (version === 3) {
      const flags = cursor.u8();
      if ((flags & 0x20) === 0) return undefined;
    } else {
      cursor.skip(2);
      const defined = cursor.u8();
      if (version >= 2 && defined === 0) return undefined;
    }
  }
  const from = cursor ?? old;
  if (!from) return undefined;
  const length = from.u32();
  return length === size ? from.take(length) : undefined;
}

interface Reading {
  readonly layout: Layout;
  readonly filters: readonly Filter[];
  readonly fill: Uint8Array | undefined;
  readonly type: HdfType;
  readonly shape: readonly number[] | undefined;
  readonly size: number;
  readonly name: string;
  readonly limit: number;
}

function filled(size: number, fill: Uint8Array | undefined): Uint8Array {
  const bytes = new Uint8Array(size);
  if (fill?.some((byte) => byte !== 0)) for (let at = 0; at < size; at += fill.length) bytes.set(fill, at);
  return bytes;
}

function readBytes(storage: Storage, reading: Reading): Uint8Array {
  const { layout, fill, size, name } = reading;
  if (size === 0) return new Uint8Array(0);
  if (layout.kind === "compact") {
    if (layout.bytes.length < size) {
      throw new FormatError(`HDF5: ${name} needs ${size} bytes, its message has ${layout.bytes.length}`);
    }
    return layout.bytes.subarray(0, size);
  }
  if (layout.kind === "contiguous") {
    if (layout.address === undefined) return filled(size, fill);
    return storage.at(layout.address, `dataset ${name}`).take(size);
  }
  return readChunks(storage, reading, layout);
}

function readChunks(storage: Storage, reading: Reading, layout: Layout & { kind: "chunked" }): Uint8Array {
  const { filters, fill, type, size, name, limit } = reading;
  const shape = reading.shape ?? [];
  const chunkShape = layout.shape.slice(0, -1);
  const chunkBytes = chunkShape.reduce((product, extent) => product * extent, type.size);
  if (chunkShape.length !== shape.length || chunkShape.includes(0) || !(chunkBytes <= Math.max(limit, 1 << 20))) {
    throw new FormatError(`HDF5: ${name} of shape [${shape}] has chunks of [${chunkShape}]`);
  }
  const counts = shape.map((extent, i) => Math.ceil(extent / chunkShape[i]!));
  const result = filled(size, fill);
  for (const { address, size: stored, mask, place } of chunksOf(storage, layout.index, {
    counts,
    chunkShape,
    chunkBytes,
  })) {
    if (place.some((at, i) => at >= counts[i]!)) continue;
    const packed = storage.at(address, `chunk of ${name}`).take(stored);
    const atEdge = place.some((at, i) => (at + 1) * chunkShape[i]! > shape[i]!);
    const plain = layout.plainEdges && atEdge ? packed : unfilter(packed, filters, mask, chunkBytes);
    if (plain.length !== chunkBytes) {
      throw new FormatError(
        `HDF5: chunk of ${name} at ${hex(address)} has ${plain.length} bytes, expected ${chunkBytes}`,
      );
    }
    copyChunk(result, plain, { shape, chunkShape, place, elementSize: type.size });
  }
  return result;
}

interface Placement {
  readonly shape: readonly number[];
  readonly chunkShape: readonly number[];
  readonly place: readonly number[];
  readonly elementSize: number;
}

/** Copies the part of a chunk that is inside the dataset, row by row. */
function copyChunk(to: Uint8Array, chunk: Uint8Array, { shape, chunkShape, place, elementSize }: Placement): void {
  const rank = shape.length;
  const origin = place.map((at, i) => at * chunkShape[i]!);
  const counts = chunkShape.map((extent, i) => Math.min(extent, shape[i]! - origin[i]!));
  const row = counts[rank - 1]! * elementSize;
  const rows = counts.slice(0, -1).reduce((product, count) => product * count, 1);
  const at = counts.map(() => 0);
  for (let i = 0; i < rows; i++) {
    let [from, into] = [0, 0];
    for (let axis = 0; axis < rank; axis++) {
      from = from * chunkShape[axis]! + at[axis]!;
      into = into * shape[axis]! + origin[axis]! + at[axis]!;
    }
    to.set(chunk.subarray(from * elementSize, from * elementSize + row), into * elementSize);
    for (let axis = rank - 2; axis >= 0; axis--) {
      if (++at[axis]! < counts[axis]!) break;
      at[axis] = 0;
    }
  }
}
