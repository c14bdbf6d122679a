// Memory that several mappings show: MAP_SHARED files and anonymous memory. Linear memories cannot alias, so every mapping
// has a copy of its own: what one address space wrote is stored here when the processor goes to another, which then drops
// its stale pages and loads them again on use. One task runs at a time, so this is exact between address spaces.

import { pageSize } from "../memory/layout.ts";
import { Errno } from "./errno.ts";
import type { OpenFile } from "./file.ts";

let nextId = 1;

export class SharedObject {
  /** Unique, for futex keys. */
  readonly id: number = nextId++;
  /** Where the bytes live; anonymous memory keeps `pages`. */
  readonly file: OpenFile | undefined;
  /** Grows when the content changed: mappings with an older number are stale. */
  epoch = 0;
  /** Mappings there are. */
  mappings = 0;
  private readonly pages = new Map<number, Uint8Array<ArrayBuffer>>();
  private readonly gone: (() => void) | undefined;

  constructor(file?: OpenFile, gone?: () => void) {
    this.file = file?.retain();
    this.gone = gone;
  }

  /** Fills zeroed `into` from `offset`; returns the bytes that exist there (the rest stays zero). */
  load(into: Uint8Array, offset: number): number {
    if (this.file) return this.file.mapRead(into, offset);
    for (let at = 0; at < into.length; at += pageSize) {
      const page = this.pages.get(offset + at);
      if (page) into.set(page, at);
    }
    return into.length;
  }

  /** Takes a written page. A file keeps its length: what lies behind its end is lost (mmap(2)). */
  store(page: Uint8Array, offset: number): void {
    if (this.file === undefined) {
      const kept = this.pages.get(offset);
      if (kept) kept.set(page);
      else this.pages.set(offset, page.slice());
      return;
    }
    const length = Math.min(page.length, this.file.attributes().size - offset);
    if (length <= 0) return;
    try {
      for (let at = 0; at < length;) at += this.file.write(page.subarray(at, length), offset + at) || length;
    } catch (error) {
      // A full or failed file system loses the page, as it does behind a real page cache.
      if (!(error instanceof Errno)) throw error;
    }
  }

  attach(): void {
    this.mappings++;
  }
  detach(): void {
    if (--this.mappings > 0) return;
    this.gone?.();
    this.file?.release();
  }
}

/** The shared objects of a kernel by file. */
export class SharedObjects {
  private readonly byFile = new Map<string, SharedObject>();

  /** The object of a file, one for all its openings. */
  of(file: OpenFile): SharedObject {
    const { device, inode } = file.attributes();
    const key = `${device}:${inode}`;
    let object = this.byFile.get(key);
    if (!object) this.byFile.set(key, (object = new SharedObject(file, () => this.byFile.delete(key))));
    return object;
  }

  /** True if any file is mapped shared. */
  get any(): boolean {
    return this.byFile.size !== 0;
  }

  /** A file was written by a system call: mappings of files are stale. */
  filesChanged(): void {
    for (const object of this.byFile.values()) object.epoch++;
  }
}
