// Object headers of HDF5 files, versions 1 and 2: the messages that describe a group or dataset.

import type { Cursor } from "../../base/cursor.ts";
import { FormatError, UnsupportedFormat } from "../../base/errors.ts";
import { hex, latin1 } from "../../base/text.ts";
import { type Storage, Visited } from "./storage.ts";

/** Message types (section IV.A.2). */
export const messageTypes = {
  dataspace: 0x01,
  linkInfo: 0x02,
  datatype: 0x03,
  oldFillValue: 0x04,
  fillValue: 0x05,
  link: 0x06,
  layout: 0x08,
  filters: 0x0b,
  attribute: 0x0c,
  continuation: 0x10,
  symbolTable: 0x11,
  attributeInfo: 0x15,
} as const;

export interface Message {
  readonly type: number;
  /** Bit 1: the data is a reference to the message elsewhere. */
  readonly flags: number;
  /** Address and size of the data. */
  readonly address: number;
  readonly size: number;
}

/** More than any writer makes: what a loop of continuations could grow to. */
const maximumMessages = 1 << 20;

/** The messages of the object at an address, continuations followed. */
export function readHeader(storage: Storage, address: number): Message[] {
  const cursor = storage.at(address, "object header");
  const start = cursor.position;
  if (latin1(cursor.take(4)) === "OHDR") return version2(storage, cursor, start);
  cursor.seek(start);
  const version = cursor.u8();
  if (version !== 1) throw new FormatError(`HDF5: no object header at ${hex(address)}`);
  cursor.skip(1);
  const count = cursor.u16();
  cursor.skip(4);
  const size = cursor.u32();
  cursor.skip(4);
  return version1(storage, { address: cursor.position - storage.base, size }, count);
}

interface Block {
  readonly address: number;
  readonly size: number;
}

function continuation(storage: Storage, message: Message): Block {
  const cursor = storage.at(message.address, "continuation");
  return { address: storage.definedAddress(cursor), size: storage.length(cursor) };
}

function version1(storage: Storage, first: Block, count: number): Message[] {
  const messages: Message[] = [];
  const blocks = [first];
  const visited = new Visited("object header");
  for (let block = blocks.shift(); block; block = blocks.shift()) {
    visited.add(block.address);
    const cursor = storage.at(block.address, "object header");
    const end = cursor.position + block.size;
    while (cursor.position + 8 <= end && messages.length < count) {
      const [type, size, flags] = [cursor.u16(), cursor.u16(), cursor.u8()];
      cursor.skip(3);
      const message = { type, flags, address: cursor.position - storage.base, size };
      cursor.skip(size);
      messages.push(message);
      if (type === messageTypes.continuation) blocks.push(continuation(storage, message));
    }
  }
  return messages;
}

function version2(storage: Storage, cursor: Cursor, start: number): Message[] {
  const version = cursor.u8();
  if (version !== 2) throw new UnsupportedFormat(`HDF5: object header at ${hex(start)} has version ${version}`);
  const flags = cursor.u8();
  if (flags & 0x20) cursor.skip(16);
  if (flags & 0x10) cursor.skip(4);
  const sizeWidth = 1 << (flags & 3);
  const size =
    sizeWidth === 1 ? cursor.u8() : sizeWidth === 2 ? cursor.u16() : sizeWidth === 4 ? cursor.u32() : cursor.size64();
  const messages: Message[] = [];
  const blocks: Block[] = [];
  const visited = new Visited("object header");
  const read = (from: number, end: number) => {
    // What is left before the checksum is a gap when it is too small for a message.
    const smallest = flags & 4 ? 6 : 4;
    while (cursor.position + smallest <= end) {
      const [type, length, messageFlags] = [cursor.u8(), cursor.u16(), cursor.u8()];
      if (flags & 4) cursor.skip(2);
      const message = { type, flags: messageFlags, address: cursor.position - storage.base, size: length };
      cursor.skip(length);
      if (messages.push(message) > maximumMessages) throw new FormatError("HDF5: object header has too many messages");
      if (type === messageTypes.continuation) blocks.push(continuation(storage, message));
    }
    cursor.seek(end);
    storage.checked(cursor, from);
  };
  read(start, cursor.position + size);
  for (let block = blocks.shift(); block; block = blocks.shift()) {
    visited.add(block.address);
    if (block.size < 8) throw new FormatError(`HDF5: header block at ${hex(block.address)} has ${block.size} bytes`);
    const from = block.address + storage.base;
    cursor.seek(from);
    if (latin1(cursor.take(4)) !== "OCHK") throw new FormatError(`HDF5: no header block at ${hex(block.address)}`);
    read(from, from + block.size - 4);
  }
  return messages;
}

/** A cursor over a message's data: at the message itself, or where a shared one is kept. */
export function messageData(storage: Storage, message: Message, what: string): Cursor {
  if ((message.flags & 2) === 0) return storage.at(message.address, what);
  return sharedMessage(storage, storage.at(message.address, what), message.type, what);
}

/** Follows a reference to a message of another object: a committed datatype (section IV.A.2, "Shared Message"). */
export function sharedMessage(storage: Storage, cursor: Cursor, type: number, what: string): Cursor {
  const [version, kind] = [cursor.u8(), cursor.u8()];
  if (version === 1) cursor.skip(6);
  else if (version === 3 && kind === 1) {
    throw new UnsupportedFormat(`HDF5: ${what} is in the file's table of shared messages`);
  }
  const found = readHeader(storage, storage.definedAddress(cursor)).find(
    (message) => message.type === type && (message.flags & 2) === 0,
  );
  if (!found) throw new FormatError(`HDF5: ${what} refers to an object without one`);
  return storage.at(found.address, what);
}
