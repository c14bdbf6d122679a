// What a package or a root image gives to a file system: entries whose content is read on demand.

import { FormatError } from "../base/errors.ts";

export type EntryType = "file" | "hardlink" | "symlink" | "directory" | "fifo";

/** A node of a package's tree. The file system of kind `archive` is built from these. */
export interface ArchiveEntry {
  /** From the root, without a slash before or after: "usr/bin/hello"; "" is the root itself. */
  readonly path: string;
  readonly type: EntryType;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
  /** Of files; 0 for the rest. */
  readonly size: number;
  /** Text of a symbolic link; path of a hard link's other name, in the form of `path`. */
  readonly linkTarget?: string;
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
  /** The whole content. */
  content(): Uint8Array;
  /** Reads at a position; gives the number of bytes, 0 at the end. */
  read(into: Uint8Array, position: number): number;
}

const nameLimit = 255;
const pathLimit = 4096;

/**
 * A path of an archive as one below the root. Absolute paths count from the package's root; one that leaves it is refused, and so
 * are names that no file can have.
 */
export function confinedPath(path: string, what: string): string {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw new FormatError(`${what}: path ${JSON.stringify(path)} leaves the package by ".."`);
  const long = parts.find((part) => part.length > nameLimit);
  if (long) throw new FormatError(`${what}: a name of ${long.length} characters, at most ${nameLimit} are possible`);
  if (path.includes("\0")) throw new FormatError(`${what}: path ${JSON.stringify(path)} has a NUL`);
  const joined = parts.join("/");
  if (joined.length > pathLimit)
    throw new FormatError(`${what}: a path of ${joined.length} characters, at most ${pathLimit} are possible`);
  return joined;
}

/** An entry whose content is in memory: generated files, links and directories. */
export class MemoryEntry implements ArchiveEntry {
  readonly path: string;
  readonly type: EntryType;
  readonly mode: number;
  readonly uid = 0;
  readonly gid = 0;
  readonly mtime: number;
  readonly linkTarget?: string;
  readonly #bytes: Uint8Array;

  constructor(
    path: string,
    type: EntryType,
    mode: number,
    options: { bytes?: Uint8Array; linkTarget?: string; mtime?: number } = {},
  ) {
    this.path = path;
    this.type = type;
    this.mode = mode;
    this.mtime = options.mtime ?? 0;
    this.#bytes = options.bytes ?? new Uint8Array(0);
    if (options.linkTarget !== undefined) this.linkTarget = options.linkTarget;
  }
  get size(): number {
    return this.#bytes.length;
  }
  content(): Uint8Array {
    return this.#bytes;
  }
  read(into: Uint8Array, position: number): number {
    const part = this.#bytes.subarray(position, position + into.length);
    into.set(part);
    return part.length;
  }
}

/** The same node at another path or with another link target: a diverted file, or one reached through a link of the image. */
export function entryAt(entry: ArchiveEntry, path: string, linkTarget = entry.linkTarget): ArchiveEntry {
  if (path === entry.path && linkTarget === entry.linkTarget) return entry;
  return {
    path,
    type: entry.type,
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    mtime: entry.mtime,
    size: entry.size,
    ...(linkTarget !== undefined && { linkTarget }),
    ...(entry.xattrs && { xattrs: entry.xattrs }),
    content: () => entry.content(),
    read: (into, position) => entry.read(into, position),
  };
}
