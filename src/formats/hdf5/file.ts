// HDF5 files: the superblock, groups and datasets by path, attributes, strings. The subset that Keras and h5py write, and more.

import { Cursor } from "../../base/cursor.ts";
import { FormatError, UnsupportedFormat } from "../../base/errors.ts";
import { cString, hex, utf8 } from "../../base/text.ts";
import { elementsOf, type HdfArray, readAttributes } from "./attribute.ts";
import { type HdfDataset, readDataset } from "./dataset.ts";
import { type Link, readLinks } from "./group.ts";
import { readHeader } from "./header.ts";
import { GlobalHeap } from "./heap.ts";
import { Storage } from "./storage.ts";

export type { HdfArray } from "./attribute.ts";
export type { HdfDataset } from "./dataset.ts";
export type { HdfType } from "./type.ts";

const signature = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a];
/** How many links one path may pass. */
const maximumDepth = 200;

/** Where the superblock is: at 0, 512, 1024, 2048 … (section II); undefined when there is none. */
function superblock(bytes: Uint8Array): number | undefined {
  for (let at = 0; at + 8 <= bytes.length; at = at === 0 ? 512 : at * 2) {
    if (signature.every((byte, i) => bytes[at + i] === byte)) return at;
  }
  return undefined;
}

/** Whether bytes are an HDF5 file. */
export const isHdf5 = (bytes: Uint8Array): boolean => superblock(bytes) !== undefined;

/** An object of the file: a group when it has `names`, a dataset when it has `dataset`. */
export interface HdfObject {
  /** Names of the objects in a group, as the file orders them; undefined when it is none. */
  readonly names: readonly string[] | undefined;
  readonly dataset: HdfDataset | undefined;
  readonly attributes: ReadonlyMap<string, HdfArray>;
  /** The object at a path from here ("a/b/c"); undefined when there is none. */
  get(path: string): HdfObject | undefined;
}

export interface HdfFile {
  readonly root: HdfObject;
  /** The strings of an array of text, fixed or variable; undefined when it is none. */
  texts(array: HdfArray): string[] | undefined;
}

/** Opens a file. Throws FormatError. */
export function openHdf5(bytes: Uint8Array): HdfFile {
  const at = superblock(bytes);
  if (at === undefined) throw new FormatError("HDF5: no signature");
  const { storage, root } = readSuperblock(bytes, at);
  const heap = new GlobalHeap(storage);
  const objects = new Map<number, HdfObject>();

  function object(address: number, path: string): HdfObject {
    let found = objects.get(address);
    if (!found) {
      const messages = readHeader(storage, address);
      const links = readLinks(storage, messages);
      let attributes: Map<string, HdfArray> | undefined;
      found = {
        names: links && [...links.keys()],
        dataset: links ? undefined : readDataset(storage, messages, path),
        get attributes() {
          return (attributes ??= readAttributes(storage, messages));
        },
        get: (rest) => follow(links, rest, path, 0),
      };
      objects.set(address, found);
    }
    return found;
  }

  /** Soft links are paths from the root, or from their group. */
  function follow(
    links: ReadonlyMap<string, Link> | undefined,
    path: string,
    from: string,
    depth: number,
  ): HdfObject | undefined {
    if (depth > maximumDepth) throw new FormatError(`HDF5: links of ${path} lead on and on`);
    const parts = path.split("/").filter((part) => part !== "" && part !== ".");
    const [first, ...rest] = parts;
    const link = first === undefined ? undefined : links?.get(first);
    if (!link) return undefined;
    const place = `${from}/${first}`;
    let target: HdfObject | undefined;
    if ("address" in link) target = object(link.address, place);
    else if (link.path.startsWith("/")) target = follow(linksAt(root), link.path, "", depth + 1);
    else target = follow(links, link.path, from, depth + 1);
    return rest.length === 0 ? target : target?.get(rest.join("/"));
  }
  const linksAt = (address: number) => readLinks(storage, readHeader(storage, address));

  return {
    root: object(root, ""),
    texts: ({ type, shape, bytes: data }) => {
      const count = elementsOf(shape);
      if (type.kind === "string") {
        return Array.from({ length: count }, (_, i) => {
          const text = data.subarray(i * type.size, (i + 1) * type.size);
          return type.padding === 2 ? utf8(text).trimEnd() : cString(text);
        });
      }
      if (type.kind !== "text") return undefined;
      const cursor = new Cursor(data, "HDF5: strings");
      return Array.from({ length: count }, (_, i) => {
        cursor.seek(i * type.size);
        const length = cursor.u32();
        const address = storage.address(cursor);
        const index = cursor.u32();
        if (address === undefined || address === 0 || length === 0) return "";
        return cString(heap.object(address, index).subarray(0, length));
      });
    },
  };
}

/** The superblock (section II): widths, base address, and the address of the root group's header. */
function readSuperblock(bytes: Uint8Array, at: number): { storage: Storage; root: number } {
  const cursor = new Cursor(bytes, "HDF5: superblock", { position: at + 8 });
  const version = cursor.u8();
  if (version > 3) throw new UnsupportedFormat(`HDF5: superblock of version ${version}`);
  if (version < 2) cursor.skip(4);
  const [offsetSize, lengthSize] = [cursor.u8(), cursor.u8()];
  for (const size of [offsetSize, lengthSize]) {
    if (size !== 2 && size !== 4 && size !== 8) {
      throw new FormatError(`HDF5: superblock at ${hex(at)} has widths ${offsetSize} and ${lengthSize}`);
    }
  }
  cursor.skip(version < 2 ? 9 : 1);
  if (version === 1) cursor.skip(4);
  // Addresses count from where the superblock is, whatever data was put in front of the file later.
  const storage = new Storage(bytes, { offsetSize, lengthSize, base: at });
  cursor.skip(offsetSize * (version < 2 ? 4 : 3));
  if (version < 2) cursor.skip(offsetSize);
  const root = storage.definedAddress(cursor);
  if (version >= 2) storage.checked(cursor, at);
  return { storage, root };
}
