// B-trees of HDF5 files: version 1 (old groups and chunks) and version 2 (new groups, attributes, chunks).

import type { Cursor } from "../../base/cursor.ts";
import { FormatError, UnsupportedFormat } from "../../base/errors.ts";
import { hex } from "../../base/text.ts";
import { bytesFor, plainUnsigned, type Storage, Visited } from "./storage.ts";

/**
 * The leaves of a version 1 tree (section III.A.1): the key before each child and the child's address. `readKey` reads a
 * key; `nodeType` is 0 for groups, 1 for chunks.
 */
export function* tree1<K>(
  storage: Storage,
  root: number,
  nodeType: number,
  readKey: (cursor: Cursor) => K,
): Generator<{ key: K; child: number }> {
  const visited = new Visited("B-tree");
  // Nodes to read, the next one last.
  const stack: { address: number; level: number | undefined }[] = [{ address: root, level: undefined }];
  for (let next = stack.pop(); next; next = stack.pop()) {
    visited.add(next.address);
    const cursor = storage.signed(next.address, "TREE", "B-tree");
    const [type, level, count] = [cursor.u8(), cursor.u8(), cursor.u16()];
    if (type !== nodeType || (next.level !== undefined && level !== next.level)) {
      throw new FormatError(`HDF5: B-tree node at ${hex(next.address)} has type ${type}, level ${level}`);
    }
    cursor.skip(2 * storage.offsetSize);
    const children: { address: number; level: number }[] = [];
    for (let i = 0; i < count; i++) {
      const key = readKey(cursor);
      const child = storage.definedAddress(cursor);
      if (level === 0) yield { key, child };
      else children.push({ address: child, level: level - 1 });
    }
    stack.push(...children.reverse());
  }
}

/** The records of a version 2 tree (section III.A.2): a cursor at each, and its size. Not in the order of the keys. */
export function* tree2(
  storage: Storage,
  address: number,
): Generator<{ cursor: Cursor; recordSize: number; type: number }> {
  const header = storage.signed(address, "BTHD", "B-tree");
  const start = header.position - 4;
  const version = header.u8();
  if (version !== 0) throw new UnsupportedFormat(`HDF5: B-tree at ${hex(address)} has version ${version}`);
  const type = header.u8();
  const [nodeSize, recordSize, depth] = [header.u32(), header.u16(), header.u16()];
  header.skip(2);
  const root = storage.address(header);
  const rootCount = header.u16();
  storage.length(header);
  storage.checked(header, start);
  if (root === undefined) return;
  if (recordSize === 0 || depth > 32) {
    throw new FormatError(`HDF5: B-tree at ${hex(address)} has records of ${recordSize} bytes, depth ${depth}`);
  }
  // Widths of the counts in pointers follow from how many records a node and what is below it can have.
  const leafRecords = Math.floor((nodeSize - 10) / recordSize);
  const countSize = bytesFor(leafRecords);
  const totalSizes = [0];
  let total = leafRecords;
  for (let level = 1; level <= depth; level++) {
    const pointer = storage.offsetSize + countSize + totalSizes[level - 1]!;
    const records = Math.floor((nodeSize - 10 - pointer) / (recordSize + pointer));
    total = (records + 1) * total + records;
    totalSizes.push(bytesFor(total));
  }
  const visited = new Visited("B-tree");
  const stack = [{ address: root, count: rootCount, level: depth }];
  for (let next = stack.pop(); next; next = stack.pop()) {
    visited.add(next.address);
    const cursor = storage.signed(next.address, next.level === 0 ? "BTLF" : "BTIN", "B-tree node");
    const from = cursor.position - 4;
    cursor.skip(2);
    const records = cursor.position;
    cursor.skip(next.count * recordSize);
    if (next.level > 0) {
      for (let i = 0; i <= next.count; i++) {
        const child = storage.definedAddress(cursor);
        const count = plainUnsigned(cursor, countSize);
        if (next.level > 1) cursor.skip(totalSizes[next.level - 1]!);
        stack.push({ address: child, count, level: next.level - 1 });
      }
    }
    storage.checked(cursor, from);
    for (let i = 0; i < next.count; i++) {
      yield { cursor: cursor.seek(records + i * recordSize), recordSize, type };
    }
  }
}
