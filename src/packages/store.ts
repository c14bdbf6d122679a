// The store of unpacked packages: for each .deb, by its SHA-256, the uncompressed data.tar and an index of it, so that a later
// start neither unpacks nor parses. Lives in the user's cache directory; in memory when that cannot be written.

import { FormatError } from "../base/errors.ts";
import { encodeUtf8, utf8 } from "../base/text.ts";
import { parseStanza, type Stanza } from "../formats/debcontrol.ts";
import type { HostFile } from "../host/host.ts";
import type { PackageHost } from "../host/packages.ts";
import type { ArchiveEntry, EntryType } from "./archive.ts";
import { isHostError, readFile, writeAtomically } from "./hostfiles.ts";
import { type Index, indexVersion, type Row } from "./storeindex.ts";

/** A package that was unpacked: its control data, and its files read on demand. */
export interface StoredPackage {
  /** Of the .deb. */
  readonly sha256: string;
  readonly control: Stanza;
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** Maintainer scripts, md5sums, conffiles, … by name, "control" left out. */
  readonly controlFiles: ReadonlyMap<string, { mode: number; bytes: Uint8Array }>;
  readonly entries: readonly ArchiveEntry[];
  /** What was left out and why. */
  readonly warnings: readonly string[];
}

const typeLetters: Readonly<Record<string, EntryType>> = {
  f: "file",
  h: "hardlink",
  s: "symlink",
  d: "directory",
  p: "fifo",
};

/** Where an unpacked tar's bytes come from. */
interface TarBytes {
  read(into: Uint8Array, position: number): number;
}

class TarEntryView implements ArchiveEntry {
  readonly path: string;
  readonly type: EntryType;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
  readonly size: number;
  readonly linkTarget?: string;
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
  readonly #offset: number;
  readonly #tar: TarBytes;

  constructor([path, type, mode, uid, gid, mtime, size, offset, linkTarget, xattrs]: Row, tar: TarBytes) {
    this.path = path;
    this.type = typeLetters[type]!;
    this.mode = mode;
    this.uid = uid;
    this.gid = gid;
    this.mtime = mtime;
    this.size = size;
    this.#offset = offset;
    this.#tar = tar;
    if (typeof linkTarget === "string") this.linkTarget = linkTarget;
    if (xattrs) this.xattrs = new Map(xattrs.map(([name, value]) => [name, fromLatin1(value)]));
  }

  content(): Uint8Array {
    const bytes = new Uint8Array(this.size);
    const count = this.read(bytes, 0);
    if (count < this.size)
      throw new FormatError(`package cache: ${this.path} has ${count} bytes, expected ${this.size}`);
    return bytes;
  }

  read(into: Uint8Array, position: number): number {
    const wanted = Math.min(into.length, this.size - position);
    if (wanted <= 0) return 0;
    const target = wanted === into.length ? into : into.subarray(0, wanted);
    let done = 0;
    while (done < wanted) {
      const count = this.#tar.read(done === 0 ? target : target.subarray(done), this.#offset + position + done);
      if (count === 0) break;
      done += count;
    }
    return done;
  }
}

function fromLatin1(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

export class PackageStore {
  readonly #host: PackageHost;
  readonly #directory: string;
  readonly #open = new Map<string, HostFile>();
  readonly #loaded = new Map<string, StoredPackage>();
  readonly #dataLimit: number | undefined;
  /** Told once when the cache directory cannot be written. */
  readonly #warn: (message: string) => void;
  #writable = true;

  constructor(host: PackageHost, options: { dataLimit?: number; warn?: (message: string) => void } = {}) {
    this.#host = host;
    this.#directory = `${host.cacheDirectory}/store`;
    this.#dataLimit = options.dataLimit;
    this.#warn = options.warn ?? (() => {});
  }

  /** The package with this SHA-256, if it was unpacked before. */
  get(sha256: string): StoredPackage | undefined {
    const loaded = this.#loaded.get(sha256);
    if (loaded) return loaded;
    const index = this.#readIndex(sha256);
    if (!index) return undefined;
    const path = this.#path(sha256, "tar");
    const tar: TarBytes = { read: (into, position) => this.#file(path).read(into, position) };
    return this.#keep(sha256, index, tar);
  }

  /** Unpacks a .deb, or finds it unpacked. */
  async put(deb: Uint8Array, sha256 = this.#host.sha256(deb)): Promise<StoredPackage> {
    const known = this.get(sha256);
    if (known) return known;
    // Loaded only here: a start from the cache needs no decompressor.
    const { unpack } = await import("./unpack.ts");
    const { index, tar } = unpack(deb, this.#host, this.#dataLimit);
    if (this.#save(sha256, index, tar)) return this.get(sha256)!;
    const inMemory: TarBytes = {
      read(into, position) {
        const part = tar.subarray(position, position + into.length);
        into.set(part);
        return part.length;
      },
    };
    return this.#keep(sha256, index, inMemory);
  }

  /** Closes the files that are open; entries cannot be read afterwards. */
  dispose(): void {
    for (const file of this.#open.values()) file.close();
    this.#open.clear();
    this.#loaded.clear();
  }

  #path(sha256: string, extension: "tar" | "json"): string {
    return `${this.#directory}/${sha256.slice(0, 2)}/${sha256}.${extension}`;
  }

  #file(path: string): HostFile {
    let file = this.#open.get(path);
    if (!file) this.#open.set(path, (file = this.#host.files.open(path, { write: false })));
    return file;
  }

  #readIndex(sha256: string): Index | undefined {
    const bytes = readFile(this.#host.files, this.#path(sha256, "json"));
    if (!bytes) return undefined;
    try {
      const index = JSON.parse(utf8(bytes)) as Index;
      if (index.version !== indexVersion) return undefined;
      return this.#host.files.stat(this.#path(sha256, "tar"), true).size === index.tarSize ? index : undefined;
    } catch (error) {
      // A damaged cache is made anew.
      if (error instanceof SyntaxError || isHostError(error, "ENOENT")) return undefined;
      throw error;
    }
  }

  /** The index goes last: where it is, the tar is whole. */
  #save(sha256: string, index: Index, tar: Uint8Array): boolean {
    if (!this.#writable) return false;
    try {
      writeAtomically(this.#host, this.#path(sha256, "tar"), tar);
      writeAtomically(this.#host, this.#path(sha256, "json"), encodeUtf8(JSON.stringify(index)));
      return true;
    } catch (error) {
      if (!isHostError(error)) throw error;
      this.#writable = false;
      this.#warn(`cannot write the package cache (${error.message}): packages are kept in memory for this run`);
      return false;
    }
  }

  #keep(sha256: string, index: Index, tar: TarBytes): StoredPackage {
    const control = parseStanza(index.control, "package cache");
    const stored: StoredPackage = {
      sha256,
      control,
      name: control.need("Package", "package cache"),
      version: control.need("Version", "package cache"),
      architecture: control.need("Architecture", "package cache"),
      controlFiles: new Map(index.controlFiles.map(([name, mode, text]) => [name, { mode, bytes: fromLatin1(text) }])),
      entries: index.rows.map((row) => new TarEntryView(row, tar)),
      warnings: index.warnings,
    };
    this.#loaded.set(sha256, stored);
    return stored;
  }
}
