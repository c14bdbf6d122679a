// Attributes of HDF5 objects: in messages of the header, or in a heap when there are many.

import { Cursor } from "../../base/cursor.ts";
import { FormatError, UnsupportedFormat } from "../../base/errors.ts";
import { cString } from "../../base/text.ts";
import { FractalHeap } from "./fractal.ts";
import { type Message, messageData, messageTypes, sharedMessage } from "./header.ts";
import type { Storage } from "./storage.ts";
import { tree2 } from "./tree.ts";
import { type HdfType, readSpace, readType } from "./type.ts";

/** Elements as the file has them. */
export interface HdfArray {
  readonly type: HdfType;
  /** [] is a scalar; undefined where there are no elements at all. */
  readonly shape: readonly number[] | undefined;
  readonly bytes: Uint8Array;
}

export function elementsOf(shape: readonly number[] | undefined): number {
  return shape ? shape.reduce((product, extent) => product * extent, 1) : 0;
}

/** The attributes of an object by name. */
export function readAttributes(storage: Storage, messages: readonly Message[]): Map<string, HdfArray> {
  const attributes = new Map<string, HdfArray>();
  for (const message of messages) {
    if (message.type === messageTypes.attribute) {
      const [name, value] = readAttribute(storage, messageData(storage, message, "attribute"));
      attributes.set(name, value);
    } else if (message.type === messageTypes.attributeInfo) {
      for (const [name, value] of denseAttributes(storage, messageData(storage, message, "attributes"))) {
        attributes.set(name, value);
      }
    }
  }
  return attributes;
}

/** An attribute message (section IV.A.2.m). */
function readAttribute(storage: Storage, cursor: Cursor): [string, HdfArray] {
  const version = cursor.u8();
  const flags = cursor.u8();
  if (version < 1 || version > 3) throw new UnsupportedFormat(`HDF5: attribute of version ${version}`);
  const [nameSize, typeSize, spaceSize] = [cursor.u16(), cursor.u16(), cursor.u16()];
  if (version === 3) cursor.skip(1);
  // Version 1 pads each part to a multiple of 8.
  const part = (size: number): Cursor => {
    const from = cursor.position;
    cursor.skip(version === 1 ? Math.ceil(size / 8) * 8 : size);
    return new Cursor(cursor.bytes, cursor.what, { position: from });
  };
  const name = cString(part(nameSize).take(nameSize));
  const what = `attribute ${name}`;
  const shared = version > 1 ? flags : 0;
  const typePart = part(typeSize);
  const spacePart = part(spaceSize);
  const type = readType(shared & 1 ? sharedMessage(storage, typePart, messageTypes.datatype, what) : typePart);
  const shape = readSpace(
    storage,
    shared & 2 ? sharedMessage(storage, spacePart, messageTypes.dataspace, what) : spacePart,
  );
  const size = elementsOf(shape) * type.size;
  if (!(size <= cursor.remaining)) {
    throw new FormatError(`HDF5: ${what} of shape [${shape}] has ${size} bytes, there are ${cursor.remaining}`);
  }
  return [name, { type, shape, bytes: cursor.take(size) }];
}

function* denseAttributes(storage: Storage, cursor: Cursor): Generator<[string, HdfArray]> {
  cursor.skip(1);
  if (cursor.u8() & 1) cursor.skip(2);
  const heapAddress = storage.address(cursor);
  const tree = storage.address(cursor);
  if (heapAddress === undefined || tree === undefined) return;
  const heap = new FractalHeap(storage, heapAddress);
  for (const record of tree2(storage, tree)) {
    if (record.type !== 8) throw new FormatError(`HDF5: attributes are indexed by a tree of type ${record.type}`);
    const id = record.cursor.take(heap.idLength);
    if (record.cursor.u8() & 2) throw new UnsupportedFormat("HDF5: attribute in the file's table of shared messages");
    yield readAttribute(storage, heap.object(id));
  }
}
