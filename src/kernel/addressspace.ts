// The address space of a process: its mappings, and the pages of linear memory behind them. A page costs nothing until it
// is used: the page table refuses the first access, the pager fills or counts the page and lets it through.

import type { GuestMemory } from "../memory/guest.ts";
import { Access, Denied, layout, pageMask, pageShift, pageSize } from "../memory/layout.ts";
import type { Contract } from "./contract.ts";
import { EACCES, EEXIST, EINVAL, ENOMEM, Errno } from "./errno.ts";
import type { Context, Executor } from "./executor.ts";
import { type MapRequest, Mapping } from "./mapping.ts";
import { type MemoryPool, State } from "./pool.ts";
import { SharedObject } from "./shared.ts";

/** Where things go by default. Low, so that linear memories stay small; libraries and mmap grow upwards from `maps`. */
export const placement = {
  /** Position-independent programs. */
  image: 0x400000,
  stackEnd: layout.arena,
  stackSize: 0x800000,
  maps: layout.arenaEnd,
} as const;

/** Pages readied at once, a power of two. */
const cluster = 16;
const mostMappings = 65530;

export const roundUp = (value: number): number => Math.ceil(value / pageSize) * pageSize;

let nextId = 1;

export class AddressSpace {
  readonly id: number = nextId++;
  readonly guest: GuestMemory;
  readonly contract: Contract;
  /** Runs the tasks here; set by execve and fork. */
  executor: Executor | undefined;
  /** The task registers that are in linear memory now. */
  resident: Context | undefined;
  /** Ordered by address, without overlap. */
  readonly mappings: Mapping[] = [];
  brkStart = 0;
  brkEnd = 0;
  /** For /proc/self/stat, cmdline, environ and auxv. */
  readonly image = { codeStart: 0, codeEnd: 0, stack: 0, argStart: 0, argEnd: 0, envStart: 0, envEnd: 0 };
  auxiliary: Uint8Array = new Uint8Array(0);
  /** READ_IMPLIES_EXEC: i386 programs without PT_GNU_STACK. */
  readImpliesExecute = false;
  /** Set when a page was refused because the contract has no more memory: the process has to go. */
  exhausted = false;
  /** Pages in use, and the most there were. */
  resident4k = 0;
  peak4k = 0;
  /** Bytes mapped. */
  mapped = 0;
  private readonly pool: MemoryPool;
  private readonly state: Uint8Array;
  /** Shared pages written since they were last published. */
  private readonly written: number[] = [];
  /** Mappings with a shared object. */
  private sharing = 0;
  private beyondFile = -1;
  private users = 1;

  constructor(contract: Contract, pool: MemoryPool) {
    this.contract = contract;
    this.pool = pool;
    const { guest, state } = pool.take();
    this.guest = guest;
    this.state = state;
    this.guest.pager = (page, access) => this.ready(page, access);
  }

  /** Another process runs here (vfork, clone(CLONE_VM)). */
  retain(): this {
    this.users++;
    return this;
  }

  /** A process left; the last one frees everything. */
  release(): void {
    if (--this.users > 0) return;
    this.publish();
    this.executor?.dispose();
    this.executor = undefined;
    for (const mapping of this.mappings) {
      this.drop(mapping.start, mapping.end);
      this.guest.forget(mapping.start, mapping.end);
      mapping.release();
    }
    this.mappings.length = 0;
    this.contract.giveMapped(this.mapped);
    this.mapped = 0;
    this.resident = undefined;
    this.pool.give({ guest: this.guest, state: this.state });
  }

  /** How many processes run here. */
  get shared(): boolean {
    return this.users > 1;
  }

  /** Index of the first mapping that ends after `address`. */
  private indexOf(address: number): number {
    let low = 0;
    let high = this.mappings.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.mappings[middle]!.end > address) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** The mapping that holds an address. */
  find(address: number): Mapping | undefined {
    const mapping = this.mappings[this.indexOf(address)];
    return mapping && mapping.start <= address ? mapping : undefined;
  }

  /** Mappings that overlap [start, end). */
  overlapping(start: number, end: number): Mapping[] {
    const found: Mapping[] = [];
    for (let i = this.indexOf(start); i < this.mappings.length && this.mappings[i]!.start < end; i++)
      found.push(this.mappings[i]!);
    return found;
  }

  /** Whether all of [start, end) is mapped. */
  covers(start: number, end: number): boolean {
    let at = start;
    for (const mapping of this.overlapping(start, end)) {
      if (mapping.start > at) return false;
      at = mapping.end;
    }
    return at >= end;
  }

  /** First free range of this length at or above `from`. Throws ENOMEM. */
  findFree(length: number, from: number = placement.maps): number {
    let at = from;
    for (let i = this.indexOf(from); i < this.mappings.length; i++) {
      const mapping = this.mappings[i]!;
      if (mapping.start - at >= length) return at;
      at = Math.max(at, mapping.end);
    }
    if (layout.end - at >= length) return at;
    if (from > layout.guest) return this.findFree(length, layout.guest);
    throw ENOMEM;
  }

  /** Maps and returns the address. Throws EINVAL, ENOMEM, EEXIST. */
  map(request: MapRequest): number {
    const length = roundUp(request.length);
    if (length === 0) throw EINVAL;
    if (length > layout.end - layout.guest) throw ENOMEM;
    const start = this.place(request, length);
    const end = start + length;
    if (this.mappings.length >= mostMappings) throw ENOMEM;
    this.contract.takeMapped(length, "mmap");
    this.insert(
      new Mapping({
        start,
        end,
        access: this.normal(request.access),
        maximum: request.maximum ?? Access.read | Access.write | Access.execute,
        shared: request.shared ?? false,
        file: request.file,
        object: request.object ?? (request.shared ? new SharedObject() : undefined),
        offset: request.offset ?? 0,
        name: request.name ?? "",
      }),
    );
    this.mapped += length;
    return start;
  }

  private place(request: MapRequest, length: number): number {
    const { address, fixed } = request;
    if (fixed) {
      if ((address & pageMask) !== 0) throw EINVAL;
      if (address < layout.guest || address + length > layout.end) throw ENOMEM;
      if (fixed === "keep" && this.overlapping(address, address + length).length > 0) throw EEXIST;
      this.unmap(address, address + length);
      return address;
    }
    const wish = roundUp(address);
    const possible = wish >= layout.guest && wish + length <= layout.end;
    return possible && this.overlapping(wish, wish + length).length === 0 ? wish : this.findFree(length);
  }

  /** On x86 what can be written or executed can be read. */
  private normal(access: number): number {
    let wanted = access === 0 ? 0 : access | Access.read;
    if (this.readImpliesExecute && wanted & Access.read) wanted |= Access.execute;
    return wanted;
  }

  private insert(mapping: Mapping): void {
    this.mappings.splice(this.indexOf(mapping.start), 0, mapping);
    if (mapping.object) this.sharing++;
    this.tabulate(mapping, mapping.start, mapping.end);
    this.joinAt(mapping.end);
    this.joinAt(mapping.start);
  }

  /** Joins the two mappings that meet at an address if they are alike. */
  private joinAt(address: number): void {
    const i = this.indexOf(address);
    const upper = this.mappings[i];
    const lower = this.mappings[i - 1];
    if (!upper || !lower || upper.start !== address || !lower.continuedBy(upper)) return;
    lower.end = upper.end;
    this.mappings.splice(i, 1);
    if (upper.object) this.sharing--;
    upper.release();
  }

  private cut(address: number): void {
    const mapping = this.find(address);
    if (!mapping || mapping.start === address) return;
    this.mappings.splice(this.indexOf(address) + 1, 0, mapping.split(address));
    if (mapping.object) this.sharing++;
  }

  /** Writes the page table for a part of a mapping from its permission and the state of its pages. */
  private tabulate(mapping: Mapping, start: number, end: number): void {
    const { guest, state } = this;
    const { access } = mapping;
    guest.allow(start, end, access);
    if (access === 0) return;
    this.reach(end);
    const { table } = guest;
    const untouched = mapping.loads ? Denied.all : (Denied.all & ~access) | Denied.write;
    const clean = (Denied.all & ~access) | Denied.write;
    for (let page = start >>> pageShift, last = end / pageSize; page < last; page++) {
      const is = state[page];
      if (is !== State.dirty) table[page] = is === State.untouched ? untouched : clean;
    }
  }

  private reach(end: number): void {
    try {
      this.guest.reach(end);
    } catch (error) {
      if (error instanceof RangeError) throw ENOMEM;
      throw error;
    }
  }

  /** Unmaps [start, end), multiples of the page size; holes are fine. */
  unmap(start: number, end: number): void {
    const first = this.indexOf(start);
    if (first >= this.mappings.length || this.mappings[first]!.start >= end) return;
    this.cut(start);
    this.cut(end);
    const gone = this.overlapping(start, end);
    if (gone.length === 0) return;
    if (gone.some((mapping) => mapping.object)) this.publish();
    this.mappings.splice(this.indexOf(start), gone.length);
    for (const mapping of gone) {
      this.drop(mapping.start, mapping.end);
      this.guest.forget(mapping.start, mapping.end);
      this.contract.giveMapped(mapping.length);
      this.mapped -= mapping.length;
      if (mapping.object) this.sharing--;
      mapping.release();
    }
  }

  /** Makes pages untouched again: zeroes what was used. The page table is the caller's. */
  private drop(start: number, end: number): void {
    const { state } = this;
    const last = end / pageSize;
    let freed = 0;
    for (let page = start >>> pageShift; page < last; page++) {
      if (state[page] === State.untouched) continue;
      let stop = page;
      while (stop < last && state[stop] !== State.untouched) state[stop++] = State.untouched;
      this.guest.u8.fill(0, page * pageSize, stop * pageSize);
      freed += stop - page;
      page = stop;
    }
    this.resident4k -= freed;
    this.contract.giveMemory(freed * pageSize);
  }

  /** mprotect(2) over [start, end). Throws ENOMEM at a hole (what lies before it is changed), EACCES beyond the maximum. */
  protect(start: number, end: number, wanted: number): void {
    let at = start;
    const access = this.normal(wanted);
    while (at < end) {
      const mapping = this.find(at);
      if (!mapping) throw ENOMEM;
      const stop = Math.min(mapping.end, end);
      if ((access & ~mapping.maximum) !== 0) throw EACCES;
      if (mapping.access !== access) {
        this.cut(at);
        this.cut(stop);
        const part = this.find(at)!;
        part.access = access;
        this.tabulate(part, part.start, part.end);
      }
      at = stop;
    }
    this.joinRange(start, end);
  }

  private joinRange(start: number, end: number): void {
    for (const mapping of this.overlapping(start, end)) this.joinAt(mapping.start);
    this.joinAt(end);
  }

  /** Applies a change to the mappings of exactly [start, end), cut out where needed. Throws ENOMEM at a hole. */
  change(start: number, end: number, apply: (mapping: Mapping) => void): void {
    const whole = this.covers(start, end);
    this.cut(start);
    this.cut(end);
    for (const mapping of this.overlapping(start, end)) apply(mapping);
    this.joinRange(start, end);
    if (!whole) throw ENOMEM;
  }

  /** madvise(MADV_DONTNEED): private pages are fresh again on next use. */
  discard(start: number, end: number): void {
    for (const mapping of this.overlapping(start, end)) {
      const from = Math.max(start, mapping.start);
      const to = Math.min(end, mapping.end);
      if (mapping.object) this.publish();
      this.drop(from, to);
      this.tabulate(mapping, from, to);
    }
  }

  /** mremap(2) without its argument checks: `to` is undefined to stay or be placed anywhere. */
  remap(start: number, oldLength: number, newLength: number, mayMove: boolean, to?: number): number {
    const mapping = this.find(start);
    if (!mapping || mapping.end < start + oldLength) throw ENOMEM;
    if (to === undefined && newLength <= oldLength) {
      this.unmap(start + newLength, start + oldLength);
      return start;
    }
    const grown = start + newLength;
    if (to === undefined && start + oldLength === mapping.end && grown <= layout.end) {
      if (this.overlapping(mapping.end, grown).length === 0) {
        this.extend(mapping, grown);
        return start;
      }
    }
    if (!mayMove) throw ENOMEM;
    return this.move(start, oldLength, newLength, to);
  }

  /** Lets a mapping reach further up, into free space. */
  private extend(mapping: Mapping, end: number): void {
    const before = mapping.end;
    this.contract.takeMapped(end - before, "mremap");
    mapping.end = end;
    this.mapped += end - before;
    this.tabulate(mapping, before, end);
    this.joinAt(end);
  }

  private move(start: number, oldLength: number, newLength: number, to: number | undefined): number {
    this.publish();
    if (to !== undefined) this.unmap(to, to + newLength);
    const from = this.find(start)!;
    const target = this.map({
      address: to ?? 0,
      ...(to === undefined ? {} : { fixed: "replace" as const }),
      length: newLength,
      access: from.access,
      maximum: from.maximum,
      shared: from.shared,
      ...(from.file ? { file: from.file } : {}),
      ...(from.object ? { object: from.object } : {}),
      offset: from.offset + (start - from.start),
      name: from.name,
    });
    const kept = Math.min(oldLength, newLength);
    if (!from.object) this.copyPages(this, start, target, kept);
    this.tabulate(this.find(target)!, target, target + newLength);
    this.unmap(start, start + oldLength);
    return target;
  }

  /** Copies used pages and their states from `source`; the page table is the caller's. */
  private copyPages(source: AddressSpace, from: number, to: number, length: number): void {
    const shift = (to - from) / pageSize;
    const last = (from + length) / pageSize;
    let used = 0;
    for (let page = from >>> pageShift; page < last; page++) {
      if (source.state[page] === State.untouched) continue;
      let stop = page;
      for (; stop < last && source.state[stop] !== State.untouched; stop++)
        this.state[stop + shift] = source.state[stop]!;
      this.guest.reach((stop + shift) * pageSize);
      this.guest.u8.set(source.guest.u8.subarray(page * pageSize, stop * pageSize), (page + shift) * pageSize);
      used += stop - page;
      page = stop;
    }
    this.count(used);
  }

  /** Counts pages taken without asking: fork has asked for all at once, mremap gives the old ones back. */
  private count(pages: number): void {
    this.contract.used.memory += pages * pageSize;
    this.resident4k += pages;
    if (this.resident4k > this.peak4k) this.peak4k = this.resident4k;
  }

  /** Begins the heap at an address. */
  startHeap(at: number): void {
    this.brkStart = this.brkEnd = at;
  }

  /** brk(2): returns the new end, or the old one when it can't be. */
  brk(wanted: number, limit = Infinity): number {
    if (wanted < this.brkStart || wanted - this.brkStart > limit || wanted > layout.end) return this.brkEnd;
    const before = roundUp(this.brkEnd);
    const after = roundUp(wanted);
    if (after > before) {
      if (this.overlapping(before, after).length > 0) return this.brkEnd;
      try {
        this.map({
          address: before,
          fixed: "keep",
          length: after - before,
          access: Access.read | Access.write,
          name: "[heap]",
        });
      } catch (error) {
        if (error instanceof Errno) return this.brkEnd;
        throw error;
      }
    } else if (after < before) this.unmap(after, before);
    return (this.brkEnd = wanted);
  }

  /** A copy for a forked process. Throws ENOMEM when the contract has no room for the pages. */
  fork(): AddressSpace {
    this.publish();
    if (this.contract.used.memory + this.resident4k * pageSize > this.contract.limits.memory) {
      this.contract.refuse("memory", "fork");
      throw ENOMEM;
    }
    const copy = new AddressSpace(this.contract, this.pool);
    copy.brkStart = this.brkStart;
    copy.brkEnd = this.brkEnd;
    Object.assign(copy.image, this.image);
    copy.auxiliary = this.auxiliary;
    copy.readImpliesExecute = this.readImpliesExecute;
    for (const mapping of this.mappings) {
      if (mapping.onFork === "omit") continue;
      const own = new Mapping(mapping);
      own.onFork = mapping.onFork;
      copy.mappings.push(own);
      if (own.object) copy.sharing++;
      copy.mapped += own.length;
      if (!own.object && own.onFork === "copy") copy.copyPages(this, own.start, own.start, own.length);
      copy.tabulate(own, own.start, own.end);
    }
    copy.contract.used.mapped += copy.mapped;
    copy.executor = this.executor?.fork(copy.guest);
    return copy;
  }

  /** The pager: see GuestMemory.pager. */
  private ready(page: number, access: number): boolean {
    const at = page * pageSize;
    const mapping = this.find(at);
    if (!mapping || (mapping.access & access) !== access) return false;
    const { state, guest } = this;
    if (state[page] === State.untouched && mapping.loads && !this.fill(mapping, page)) return false;
    if (access & Access.write && state[page] !== State.dirty && !this.dirty(mapping, page)) return false;
    if (guest.table[page]! & Denied.watched) guest.unwatch(page);
    guest.table[page] = (Denied.all & ~mapping.access) | (state[page] === State.dirty ? 0 : Denied.write);
    return true;
  }

  /** The run of untouched pages around `page` within its cluster and mapping, charged to the contract. */
  private takeRun(mapping: Mapping, page: number): [first: number, last: number] | undefined {
    const { state } = this;
    let first = page;
    let last = page + 1;
    const low = Math.max(page & ~(cluster - 1), mapping.start >>> pageShift);
    const high = Math.min((page | (cluster - 1)) + 1, mapping.end / pageSize);
    while (first > low && state[first - 1] === State.untouched) first--;
    while (last < high && state[last] === State.untouched) last++;
    if (!this.contract.takeMemory((last - first) * pageSize)) {
      [first, last] = [page, page + 1];
      if (!this.contract.takeMemory(pageSize)) {
        this.exhausted = true;
        return undefined;
      }
    }
    this.resident4k += last - first;
    if (this.resident4k > this.peak4k) this.peak4k = this.resident4k;
    return [first, last];
  }

  /** Loads pages from the mapping's file or object. */
  private fill(mapping: Mapping, page: number): boolean {
    // The file may have to show what a shared mapping of it holds.
    this.publish();
    const run = this.takeRun(mapping, page);
    if (!run) return false;
    const [first, last] = run;
    const { guest, state } = this;
    const start = first * pageSize;
    let filled = 0;
    try {
      filled = mapping.load(guest.u8.subarray(start, last * pageSize), start);
    } catch (error) {
      if (!(error instanceof Errno)) throw error;
    }
    const stop = first + Math.ceil(filled / pageSize);
    for (let at = first; at < stop; at++) {
      state[at] = State.clean;
      guest.table[at] = (Denied.all & ~mapping.access) | Denied.write;
    }
    const unused = last - Math.max(stop, first);
    this.resident4k -= unused;
    this.contract.giveMemory(unused * pageSize);
    if (page < stop) return true;
    this.beyondFile = page;
    return false;
  }

  /** Lets pages be written from now on. */
  private dirty(mapping: Mapping, page: number): boolean {
    const { guest, state } = this;
    if (state[page] === State.clean) {
      state[page] = State.dirty;
      if (mapping.object) this.written.push(page);
      return true;
    }
    const run = this.takeRun(mapping, page);
    if (!run) return false;
    const open = Denied.all & ~mapping.access;
    for (let at = run[0]; at < run[1]; at++) {
      state[at] = State.dirty;
      if (guest.table[at]! & Denied.watched) guest.unwatch(at);
      guest.table[at] = open;
    }
    return true;
  }

  /** Whether the last refused access to this page was beyond the end of its file: SIGBUS, not SIGSEGV. */
  isBeyondFile(address: number): boolean {
    return Math.floor(address / pageSize) === this.beyondFile && this.find(address) !== undefined;
  }

  /** Whether it has shared mappings, so that switching to or from it has to publish and refresh. */
  get sharesMemory(): boolean {
    return this.sharing !== 0;
  }

  /** Stores what was written to shared mappings since the last time. */
  publish(): void {
    const { guest, state, written } = this;
    if (written.length === 0) return;
    for (const page of written) {
      const at = page * pageSize;
      const mapping = this.find(at);
      if (!mapping?.object || state[page] !== State.dirty) continue;
      const { object } = mapping;
      object.store(guest.u8.subarray(at, at + pageSize), mapping.offset + (at - mapping.start));
      if (mapping.epoch === object.epoch) mapping.epoch++;
      object.epoch++;
      state[page] = State.clean;
      guest.table[page] = guest.table[page]! | Denied.write;
    }
    written.length = 0;
  }

  /** Drops pages of shared mappings that others have changed. Everything of its own must be published. */
  refresh(): void {
    if (this.sharing === 0) return;
    for (const mapping of this.mappings) {
      if (!mapping.object || mapping.epoch === mapping.object.epoch) continue;
      mapping.epoch = mapping.object.epoch;
      this.drop(mapping.start, mapping.end);
      this.tabulate(mapping, mapping.start, mapping.end);
    }
  }

  /** What identifies the word at an address to every process that sees it: the key of a futex. */
  futexKey(address: number): number {
    if (this.sharing !== 0) {
      const mapping = this.find(address);
      if (mapping?.object) return -(mapping.object.id * 0x1_0000_0000 + mapping.offset + (address - mapping.start));
    }
    return this.id * 0x1_0000_0000 + address;
  }

  /** For mincore(2): whether the page is in memory. */
  inCore(page: number): boolean {
    return this.state[page] !== State.untouched;
  }
}
