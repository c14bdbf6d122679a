// One mapping of an address space: a range of pages with one origin and one permission (proc_pid_maps(5)).

import type { OpenFile } from "./file.ts";
import type { SharedObject } from "./shared.ts";

/** What to map; `address` 0 lets the kernel choose. */
export interface MapRequest {
  address: number;
  length: number;
  access: number;
  /** Exactly at `address`: replaces what is there, or fails with EEXIST when `keep`. */
  fixed?: "replace" | "keep";
  maximum?: number;
  shared?: boolean;
  file?: OpenFile;
  object?: SharedObject;
  offset?: number;
  name?: string;
}

/** What a mapping is made of. */
export interface MappingParts {
  start: number;
  end: number;
  /** `Access` bits. */
  access: number;
  /** `Access` bits that mprotect may give: a read-only file can't become writable shared memory. */
  maximum: number;
  /** Whether MAP_SHARED. */
  shared: boolean;
  /** Where pages come from; undefined for private anonymous memory. The mapping holds a reference. */
  file: OpenFile | undefined;
  /** For shared mappings: the object behind all its copies. */
  object: SharedObject | undefined;
  /** Of `start` in the file or object. */
  offset: number;
  /** "[heap]", "[stack]", the name given by PR_SET_VMA. */
  name: string;
}

export class Mapping implements MappingParts {
  start: number;
  end: number;
  access: number;
  maximum: number;
  readonly shared: boolean;
  readonly file: OpenFile | undefined;
  readonly object: SharedObject | undefined;
  offset: number;
  name: string;
  /** `object.epoch` when the pages here were loaded. */
  epoch: number;
  /** MADV_DONTFORK and MADV_WIPEONFORK. */
  onFork: "copy" | "omit" | "wipe" = "copy";
  locked = false;

  constructor(parts: MappingParts) {
    this.start = parts.start;
    this.end = parts.end;
    this.access = parts.access;
    this.maximum = parts.maximum;
    this.shared = parts.shared;
    this.file = parts.file?.retain();
    this.object = parts.object;
    this.object?.attach();
    this.offset = parts.offset;
    this.name = parts.name;
    this.epoch = parts.object?.epoch ?? 0;
  }

  get length(): number {
    return this.end - this.start;
  }

  /** Whether untouched pages have to be loaded before they can be read. */
  get loads(): boolean {
    return this.file !== undefined || this.object !== undefined;
  }

  /** Gives back what the mapping holds. */
  release(): void {
    this.file?.release();
    this.object?.detach();
  }

  /** Fills zeroed `into` with the content at an address; returns how many bytes exist. */
  load(into: Uint8Array, address: number): number {
    const offset = this.offset + (address - this.start);
    if (this.object) return this.object.load(into, offset);
    return this.file?.mapRead(into, offset) ?? into.length;
  }

  /** Cuts at `address`: this one keeps the lower part, the upper part is returned. */
  split(address: number): Mapping {
    const upper = new Mapping({
      start: address,
      end: this.end,
      access: this.access,
      maximum: this.maximum,
      shared: this.shared,
      file: this.file,
      object: this.object,
      offset: this.offset + (address - this.start),
      name: this.name,
    });
    upper.epoch = this.epoch;
    upper.onFork = this.onFork;
    upper.locked = this.locked;
    this.end = address;
    return upper;
  }

  /** Whether `next`, which begins where this one ends, continues it. */
  continuedBy(next: Mapping): boolean {
    return (
      this.end === next.start &&
      this.access === next.access &&
      this.maximum === next.maximum &&
      this.shared === next.shared &&
      this.file === next.file &&
      this.object === next.object &&
      this.name === next.name &&
      this.onFork === next.onFork &&
      this.locked === next.locked &&
      this.epoch === next.epoch &&
      (!this.loads || this.offset + this.length === next.offset)
    );
  }
}
