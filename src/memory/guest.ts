// The linear memory of one guest process: bytes, page permissions, and checked access from the kernel's side.

import { Access, Denied, layout, pageShift, pageSize } from "./layout.ts";

/** A refused access: what the processor reports as a page fault. Thrown by checked accesses; built without a stack. */
export class PageFault {
  readonly address: number;
  readonly access: number;
  /** True when the page is mapped but does not allow the access (SEGV_ACCERR), false when nothing is there. */
  readonly mapped: boolean;
  constructor(address: number, access: number, mapped: boolean) {
    this.address = address;
    this.access = access;
    this.mapped = mapped;
  }
}

/** Told when a page that holds translated code is about to change; must drop the translations of `page`. */
export type CodeWatcher = (page: number) => void;

/**
 * Asked before an access that the page table refuses is refused: true when the page has now been readied for it. The kernel
 * fills file pages and counts touched ones this way.
 */
export type Pager = (page: number, access: number) => boolean;

const wasmPage = 0x10000;

export class GuestMemory {
  readonly wasm: WebAssembly.Memory;
  /** Views of the whole memory. Replaced when it grows: never keep one across anything that may map memory. */
  u8!: Uint8Array<ArrayBuffer>;
  i32!: Int32Array<ArrayBuffer>;
  view!: DataView<ArrayBuffer>;
  /** The page table: one byte of `Denied` bits a page. */
  table!: Uint8Array<ArrayBuffer>;
  /** Called after the views were replaced. */
  readonly grown: (() => void)[] = [];
  /** Set by the translator: called before a watched page's bytes change. */
  codeWatcher: CodeWatcher | undefined;
  /** Set by the translator while it uses [layout.arena, layout.arenaEnd): called before something is mapped there. */
  reserved: (() => void) | undefined;
  /** Set by the kernel: readies pages that are filled or counted on first use. */
  pager: Pager | undefined;

  constructor() {
    this.wasm = new WebAssembly.Memory({ initial: layout.guest / wasmPage, maximum: 0x10000 });
    this.refresh();
    this.table.fill(Denied.all | Denied.unmapped);
  }

  private refresh(): void {
    const buffer = this.wasm.buffer;
    this.u8 = new Uint8Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.view = new DataView(buffer);
    this.table = new Uint8Array(buffer, layout.pageTable, 1 << 20);
  }

  /** Makes the memory reach at least `end` bytes. Throws RangeError when the host has no room. */
  reach(end: number): void {
    const missing = end - this.u8.length;
    if (missing <= 0) return;
    this.wasm.grow(Math.ceil(missing / wasmPage));
    this.refresh();
    for (const tell of this.grown) tell();
  }

  /** Sets what is allowed (`Access` bits) on pages of [start, end), multiples of the page size; 0 allows nothing. */
  allow(start: number, end: number, access: number): void {
    if (this.reserved !== undefined && start < layout.arenaEnd && end > layout.arena) this.reserved();
    this.dropCode(start, end);
    this.table.fill(Denied.all & ~access, start >>> pageShift, Math.ceil(end / pageSize));
  }

  /** Marks [start, end) as unmapped. */
  forget(start: number, end: number): void {
    this.dropCode(start, end);
    this.table.fill(Denied.all | Denied.unmapped, start >>> pageShift, Math.ceil(end / pageSize));
  }

  /** True if `access` to the byte at `address` is allowed; readies the page when it is. */
  allows(address: number, access: number): boolean {
    const page = Math.floor(address / pageSize);
    const denied = this.table[page] ?? Denied.all;
    if ((denied & access) === 0) return true;
    if ((denied & access) === Access.write && (denied & Denied.watched) !== 0 && !this.readOnlyWatched.has(page))
      return true;
    return this.pager?.(page, access) ?? false;
  }

  /**
   * Checks [address, address + length) for the access and readies it: drops translations when it is a write.
   * Throws PageFault with the first refused address.
   */
  check(address: number, length: number, access: number): void {
    if (length === 0) return;
    const end = address + length;
    if (!(address >= 0 && end <= layout.end)) throw new PageFault(address, access, false);
    const last = (end - 1) >>> pageShift;
    for (let page = address >>> pageShift; page <= last; page++) {
      const denied = this.table[page]!;
      if ((denied & access) === 0) continue;
      const watchOnly = (denied & Denied.watched) !== 0 && (denied & access & ~Access.write) === 0;
      if (watchOnly && !this.readOnlyWatched.has(page)) this.unwatch(page);
      else if (!this.pager?.(page, access))
        throw new PageFault(Math.max(address, page * pageSize), access, (denied & Denied.unmapped) === 0);
    }
  }

  /** Checked bytes: a view of guest memory, valid until memory grows. */
  bytes(address: number, length: number, access: number): Uint8Array<ArrayBuffer> {
    this.check(address, length, access);
    return this.u8.subarray(address, address + length);
  }

  /** Pages that are watched and would refuse writes anyway. */
  private readonly readOnlyWatched = new Set<number>();

  /** Watches a page's code; keeps in mind whether it was writable. */
  watchCode(page: number): void {
    const denied = this.table[page]!;
    if (denied & Denied.watched) return;
    if (denied & Denied.write) this.readOnlyWatched.add(page);
    this.table[page] = denied | Denied.watched | Denied.write;
  }

  /** Ends the watch of a page whose code changes: its translations are dropped, its permissions restored. */
  unwatch(page: number): void {
    const denied = this.table[page]!;
    if (!(denied & Denied.watched)) return;
    this.table[page] =
      (denied & ~Denied.watched & ~Denied.write) | (this.readOnlyWatched.delete(page) ? Denied.write : 0);
    this.codeWatcher?.(page);
  }

  private dropCode(start: number, end: number): void {
    const last = Math.ceil(end / pageSize);
    for (let page = start >>> pageShift; page < last; page++)
      if (this.table[page]! & Denied.watched) this.unwatch(page);
  }

  readU8(address: number): number {
    this.check(address, 1, Access.read);
    return this.u8[address]!;
  }
  readU16(address: number): number {
    this.check(address, 2, Access.read);
    return this.view.getUint16(address, true);
  }
  readU32(address: number): number {
    this.check(address, 4, Access.read);
    return this.view.getUint32(address, true);
  }
  readI32(address: number): number {
    this.check(address, 4, Access.read);
    return this.view.getInt32(address, true);
  }
  /** An unsigned 64-bit value as a number; exact below 2^53, which every size and address is. */
  readU64(address: number): number {
    this.check(address, 8, Access.read);
    return this.view.getUint32(address, true) + this.view.getUint32(address + 4, true) * 0x1_0000_0000;
  }
  /** A signed 64-bit value as a number; exact within 2^53. */
  readI64(address: number): number {
    this.check(address, 8, Access.read);
    return this.view.getUint32(address, true) + this.view.getInt32(address + 4, true) * 0x1_0000_0000;
  }
  readBig64(address: number): bigint {
    this.check(address, 8, Access.read);
    return this.view.getBigUint64(address, true);
  }
  writeU8(address: number, value: number): void {
    this.check(address, 1, Access.write);
    this.u8[address] = value;
  }
  writeU16(address: number, value: number): void {
    this.check(address, 2, Access.write);
    this.view.setUint16(address, value, true);
  }
  writeU32(address: number, value: number): void {
    this.check(address, 4, Access.write);
    this.view.setUint32(address, value, true);
  }
  /** Writes a number, negative or not, as 64 bits two's complement; exact within 2^53. */
  writeU64(address: number, value: number): void {
    this.check(address, 8, Access.write);
    this.view.setUint32(address, value % 0x1_0000_0000, true);
    this.view.setInt32(address + 4, Math.floor(value / 0x1_0000_0000), true);
  }
  writeBig64(address: number, value: bigint): void {
    this.check(address, 8, Access.write);
    this.view.setBigUint64(address, value, true);
  }
  write(address: number, bytes: Uint8Array): void {
    this.bytes(address, bytes.length, Access.write).set(bytes);
  }

  /** Bytes up to a NUL (not included). Throws PageFault, or RangeError beyond `limit` bytes. */
  readCString(address: number, limit: number): Uint8Array<ArrayBuffer> {
    for (let at = address; ;) {
      this.check(at, 1, Access.read);
      const stop = Math.min((Math.floor(at / pageSize) + 1) * pageSize, address + limit);
      const found = this.u8.subarray(at, stop).indexOf(0);
      if (found >= 0) return this.u8.slice(address, at + found);
      at = stop;
      if (at >= address + limit) throw new RangeError(`string of more than ${limit} bytes`);
    }
  }
}
