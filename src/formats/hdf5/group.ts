// Links of HDF5 groups: symbol tables of old files, link messages and heaps of links of new ones.

import type { Cursor } from "../../base/cursor.ts";
import { FormatError, UnsupportedFormat } from "../../base/errors.ts";
import { utf8 } from "../../base/text.ts";
import { FractalHeap } from "./fractal.ts";
import { type Message, messageData, messageTypes } from "./header.ts";
import { localHeap } from "./heap.ts";
import { plainUnsigned, type Storage } from "./storage.ts";
import { tree1, tree2 } from "./tree.ts";

/** Where a link leads: an object's header, or a path. */
export type Link = { readonly address: number } | { readonly path: string };

/** The links of a group by name; undefined when the object is no group. */
export function readLinks(storage: Storage, messages: readonly Message[]): Map<string, Link> | undefined {
  const links = new Map<string, Link>();
  let isGroup = false;
  for (const message of messages) {
    const { symbolTable, link, linkInfo } = messageTypes;
    if (message.type !== symbolTable && message.type !== link && message.type !== linkInfo) continue;
    isGroup = true;
    const cursor = messageData(storage, message, "group");
    if (message.type === symbolTable) {
      for (const [name, target] of symbols(storage, cursor)) links.set(name, target);
    } else if (message.type === link) {
      const [name, target] = readLink(storage, cursor);
      links.set(name, target);
    } else {
      for (const [name, target] of denseLinks(storage, cursor)) links.set(name, target);
    }
  }
  return isGroup ? links : undefined;
}

/** A link message (section IV.A.2.g). */
function readLink(storage: Storage, cursor: Cursor): [string, Link] {
  const version = cursor.u8();
  if (version !== 1) throw new UnsupportedFormat(`HDF5: link of version ${version}`);
  const flags = cursor.u8();
  const type = flags & 8 ? cursor.u8() : 0;
  if (flags & 4) cursor.skip(8);
  if (flags & 16) cursor.skip(1);
  const name = utf8(cursor.take(plainUnsigned(cursor, 1 << (flags & 3))));
  if (type === 0) return [name, { address: storage.definedAddress(cursor) }];
  if (type === 1) return [name, { path: utf8(cursor.take(cursor.u16())) }];
  throw new UnsupportedFormat(`HDF5: link ${name} leads to another file (type ${type})`);
}

/** Links of a large group: in a fractal heap, indexed by a tree of their names' hashes. */
function* denseLinks(storage: Storage, cursor: Cursor): Generator<[string, Link]> {
  cursor.skip(1);
  if (cursor.u8() & 1) cursor.skip(8);
  const heapAddress = storage.address(cursor);
  const tree = storage.address(cursor);
  if (heapAddress === undefined || tree === undefined) return;
  const heap = new FractalHeap(storage, heapAddress);
  for (const record of tree2(storage, tree)) {
    if (record.type !== 5) throw new FormatError(`HDF5: links are indexed by a tree of type ${record.type}`);
    yield readLink(storage, heap.object(record.cursor.skip(4).take(heap.idLength)));
  }
}

/** The entries of an old group (sections III.B and III.C). */
function* symbols(storage: Storage, cursor: Cursor): Generator<[string, Link]> {
  const tree = storage.definedAddress(cursor);
  const nameAt = localHeap(storage, storage.definedAddress(cursor));
  for (const { child } of tree1(storage, tree, 0, (at) => storage.length(at))) {
    const node = storage.signed(child, "SNOD", "symbol table").skip(2);
    for (let count = node.u16(); count > 0; count--) {
      const name = nameAt(plainUnsigned(node, storage.offsetSize));
      const address = storage.address(node);
      const cache = node.u32();
      node.skip(4);
      const scratch = node.u32();
      node.skip(12);
      // Cache type 2: a symbolic link, its path in the heap.
      if (cache === 2) yield [name, { path: nameAt(scratch) }];
      else if (address !== undefined) yield [name, { address }];
    }
  }
}
