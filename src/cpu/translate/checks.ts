// Which memory accesses of a region need a look at the page table, and which are covered by one that was made before.
//
// A fact is an interval of displacements from a root (a value): the pages of all bytes in it allow the access. As an
// interval is at most a page long, its ends vouch for all of it. Facts about what a register holds follow it from part to
// part. Permissions only become wider while compiled code runs: whatever narrows them happens outside (system calls) or
// ends the run.

import { Denied, pageShift, pageSize } from "../../memory/layout.ts";
import { Register } from "../state.ts";
import { Item, itemWords, type Lowered } from "./lower.ts";
import { isLoad, ops, type Node, type Nodes } from "./nodes.ts";

/** A look at the page table, made at one item for all accesses that it covers. */
export interface Check {
  readonly root: Node;
  /** Displacements of the first and last byte whose pages are looked at. */
  low: number;
  high: number;
  /** `Denied` bits that must be clear. */
  denied: number;
  /** The upper half of the address must be looked at too. */
  upper: boolean;
}

/** What to do at an item: nothing, or this check. */
export interface Checks {
  /** Index into `list` for each item (by position / itemWords); -1 when nothing is checked there. */
  readonly at: Int32Array;
  readonly list: readonly Check[];
  /** For each entry of the region; the first one's is empty. */
  readonly guards: readonly (Guard | undefined)[];
}

/** Displacements for which a check of the wrapped address, and of the root's upper half, is exact: see `Check`. */
const least = -0x8000;
const most = 0x100000;

/** Bytes of the IR's loads, and of its stores, in their order. */
const widths = [1, 2, 4, 8, 4, 8, 16, 4, 8];

// Facts about one root: [readLow, readHigh, writeLow, writeHigh, residue of the root modulo 16 or -1].
const words = 5;
const registers = 16;
const constantPages = 32;
/** Facts at a part's border: of 16 registers, then the constant pages that may be read, and written (bits). */
const size = registers * words + 2;

const isEmpty = (facts: Int32Array, at: number): boolean => facts[at]! > facts[at + 1]!;

/** Nothing known of all registers and pages. */
const nothing = new Int32Array(size);
for (let i = 0; i < registers; i++) nothing.set([1, 0, 1, 0, -1], i * words);

/** Unites an interval with another; keeps the new one when they do not make one. */
function unite(facts: Int32Array, at: number, low: number, high: number): void {
  if (!isEmpty(facts, at)) {
    const l = Math.min(facts[at]!, low);
    const h = Math.max(facts[at + 1]!, high);
    if (h - l <= pageSize) {
      low = l;
      high = h;
    }
  }
  facts[at] = low;
  facts[at + 1] = high;
}

/** Words about a root while its part is looked at: facts, then the open check: low, high, denied bits, its index or -1. */
const rootWords = words + 4;
const open = { low: words, high: words + 1, denied: words + 2, check: words + 3 } as const;
const freshRoot = Int32Array.of(1, 0, 1, 0, -1, 0, 0, 0, -1);

class Analysis {
  readonly nodes: Nodes;
  readonly items: Int32Array;
  readonly at: Int32Array;
  /** The checks, when they are wanted: in the last round. */
  readonly list: Check[] = [];
  wanted = false;
  /** The facts at the end of the part that was looked at last. */
  readonly after = new Int32Array(size);
  private readonly pages: number[] = [];
  /** Place of each root in `roots`, valid when it is below `used` and its owner is the root. */
  private readonly place: Int32Array;
  private owner: number[] = [];
  private roots = new Int32Array(64 * rootWords);
  private used = 0;

  constructor(nodes: Nodes, items: Int32Array, length: number) {
    this.nodes = nodes;
    this.items = items;
    this.at = new Int32Array(length / itemWords).fill(-1);
    this.place = new Int32Array(nodes.count);
  }

  private pageNumber(page: number): number {
    const known = this.pages.indexOf(page);
    if (known >= 0) return known;
    return this.pages.length < constantPages ? this.pages.push(page) - 1 : -1;
  }

  /** Where the words about a root are; -1 when there are none. */
  private find(root: Node): number {
    const place = this.place[root]!;
    return place < this.used && this.owner[place] === root ? place * rootWords : -1;
  }
  private add(root: Node): number {
    const place = this.used++;
    if (this.used * rootWords > this.roots.length) {
      const roots = new Int32Array(this.roots.length * 2);
      roots.set(this.roots);
      this.roots = roots;
    }
    this.place[root] = place;
    this.owner[place] = root;
    this.roots.set(freshRoot, place * rootWords);
    return place * rootWords;
  }

  private check(at: number, root: Node, last: number, denied: number, upper: boolean): number {
    if (!this.wanted) return 0;
    this.at[at] = this.list.push({ root, low: last, high: last, denied, upper }) - 1;
    return this.list.length - 1;
  }

  /** Decides the checks of a part, given the facts at its beginning; leaves those at its end in `after`. */
  part(lowered: Lowered, all: Int32Array, from: number): void {
    const { nodes, items } = this;
    this.used = 0;
    const start = lowered.held[0]!;
    for (let r = 0; r < registers; r++) {
      if (start[r]! < 0) continue;
      const to = this.add(start[r]!);
      for (let k = 0; k < words; k++) this.roots[to + k] = all[from + r * words + k]!;
    }
    let readable = all[from + size - 2]!;
    let writable = all[from + size - 1]!;

    for (let i = lowered.from; i < lowered.to; i += itemWords) {
      const kind = items[i]!;
      let root: Node;
      let displacement: number;
      let bytes: number;
      const write = kind !== Item.load;
      if (kind === Item.load) {
        const node = items[i + 1]!;
        if (!isLoad(nodes.op[node]!)) continue;
        root = nodes.a[node]!;
        displacement = nodes.immediate[node]!;
        bytes = widths[nodes.op[node]! - ops.load8]!;
      } else if (kind === Item.store) {
        root = items[i + 2]!;
        displacement = items[i + 3]!;
        bytes = widths[items[i + 1]! - ops.store8]!;
      } else if (kind === Item.probe) {
        root = items[i + 1]!;
        displacement = items[i + 2]!;
        bytes = items[i + 3]!;
      } else if (kind === Item.align) {
        root = items[i + 1]!;
        const residue = -items[i + 2]! & 15;
        let facts = this.find(root);
        if (facts < 0) facts = this.add(root);
        this.at[i / itemWords] = this.roots[facts + 4] === residue ? -1 : 0;
        this.roots[facts + 4] = residue;
        continue;
      } else continue;
      const at = i / itemWords;
      this.at[at] = -1;
      const last = displacement + bytes - 1;
      const denied = write ? Denied.write : Denied.read;
      if (nodes.isConstant(root)) {
        const number = this.pageNumber((nodes.a[root]! + last) >>> pageShift);
        const bit = number < 0 ? 0 : 1 << number;
        if (((write ? writable : readable | writable) & bit) !== 0) continue;
        if (write) writable |= bit;
        else readable |= bit;
        this.check(at, root, last, denied, true);
        continue;
      }
      if (displacement < least || last > most) {
        this.check(at, root, last, denied, true);
        continue;
      }
      let facts = this.find(root);
      if (facts < 0) facts = this.add(root);
      const { roots } = this;
      if (last >= roots[facts + 2]! && last <= roots[facts + 3]!) continue;
      if (!write && last >= roots[facts]! && last <= roots[facts + 1]!) continue;
      if (roots[facts + open.check]! >= 0) {
        const low = Math.min(roots[facts + open.low]!, last);
        const high = Math.max(roots[facts + open.high]!, last);
        if (high - low <= pageSize) {
          roots[facts + open.low] = low;
          roots[facts + open.high] = high;
          roots[facts + open.denied]! |= denied;
          continue;
        }
        this.close(facts);
      }
      const upper = nodes.bits[root]! > 32 && isEmpty(roots, facts) && isEmpty(roots, facts + 2);
      roots[facts + open.low] = last;
      roots[facts + open.high] = last;
      roots[facts + open.denied] = denied;
      roots[facts + open.check] = this.check(at, root, last, denied, upper);
    }
    for (let i = 0; i < this.used; i++) if (this.roots[i * rootWords + open.check]! >= 0) this.close(i * rootWords);

    const { after, roots } = this;
    after.set(nothing);
    for (let r = 0; r < registers; r++) {
      const node = lowered.final[r]!;
      const to = r * words;
      if (node < 0) {
        if (lowered.held.length === 1) for (let k = to; k < to + words; k++) after[k] = all[from + k]!;
        continue;
      }
      let shift = 0;
      let facts = this.find(node);
      if (facts < 0) {
        facts = this.find(nodes.rootOf(node));
        shift = nodes.displacementOf(node);
      }
      if (facts < 0 || Math.abs(shift) > pageSize) continue;
      for (let k = 0; k <= 2; k += 2) {
        if (isEmpty(roots, facts + k)) continue;
        const low = roots[facts + k]! - shift;
        const high = roots[facts + k + 1]! - shift;
        if (low < least || high > most) continue;
        after[to + k] = low;
        after[to + k + 1] = high;
      }
      if (roots[facts + 4]! >= 0) after[to + 4] = (roots[facts + 4]! + shift) & 15;
    }
    after[size - 2] = readable;
    after[size - 1] = writable;
  }

  /** What facts ask of whoever enters; undefined when nothing. */
  guard(facts: Int32Array, from: number): Guard | undefined {
    const at = from + Register.rsp * words;
    const pages = (bits: number) => this.pages.filter((_, i) => bits & (1 << i));
    const readable = facts[from + size - 2]!;
    const writable = facts[from + size - 1]!;
    const residue = facts[at + 4]!;
    if (isEmpty(facts, at) && isEmpty(facts, at + 2) && residue < 0 && (readable | writable) === 0) return undefined;
    return {
      read: [facts[at]!, facts[at + 1]!],
      write: [facts[at + 2]!, facts[at + 3]!],
      residue,
      readPages: pages(readable & ~writable),
      writePages: pages(writable),
    };
  }

  /** The open check of a root is complete: its interval becomes a fact. */
  private close(facts: number): void {
    const { roots } = this;
    const low = roots[facts + open.low]!;
    const high = roots[facts + open.high]!;
    const denied = roots[facts + open.denied]!;
    // What may be written may be read.
    unite(roots, denied & Denied.write ? facts + 2 : facts, low, high);
    if (this.wanted) {
      const check = this.list[roots[facts + open.check]!]!;
      check.low = low;
      check.high = high;
      check.denied = denied;
    }
    roots[facts + open.check] = -1;
  }
}

/** Narrows the facts at `at` of `to` to what `from` says too; true when that changed them. */
function meet(to: Int32Array, at: number, from: Int32Array, drop: boolean): boolean {
  let changed = false;
  for (let r = 0; r < registers * words; r += words) {
    for (let k = r; k <= r + 2; k += 2) {
      if (isEmpty(to, at + k)) continue;
      const low = Math.max(to[at + k]!, from[k]!);
      const high = isEmpty(from, k) ? low - 1 : Math.min(to[at + k + 1]!, from[k + 1]!);
      if (low === to[at + k] && high === to[at + k + 1]) continue;
      changed = true;
      to[at + k] = drop ? 1 : low;
      to[at + k + 1] = drop ? 0 : high;
    }
    if (to[at + r + 4]! >= 0 && to[at + r + 4] !== from[r + 4]) {
      to[at + r + 4] = -1;
      changed = true;
    }
  }
  for (let k = size - 2; k < size; k++) {
    const both = to[at + k]! & from[k]!;
    if (both !== to[at + k]) changed = true;
    to[at + k] = both;
  }
  return changed;
}

/** Rounds after which facts that still shrink (a stack pointer going down a loop) are given up. */
const patience = 2;

/** What must hold of the stack pointer and of constant pages where the region is entered, beside the first entry. */
export interface Guard {
  /** Displacements from the stack pointer that must be readable, and writable; empty when low > high. */
  readonly read: readonly [number, number];
  readonly write: readonly [number, number];
  /** The stack pointer modulo 16, or -1. */
  readonly residue: number;
  readonly readPages: readonly number[];
  readonly writePages: readonly number[];
}

export function checksOf(
  nodes: Nodes,
  items: Int32Array,
  length: number,
  parts: readonly Lowered[],
  entries: readonly number[],
): Checks {
  const analysis = new Analysis(nodes, items, length);
  const { after } = analysis;
  const before = new Int32Array(parts.length * size);
  // Of each part: not reached yet, its facts are used up, or they have changed.
  const state = new Uint8Array(parts.length);
  const isEntry = new Uint8Array(parts.length);
  for (const entry of entries) isEntry[entry] = 1;
  const reached: number[] = [];
  const begin = (part: number, facts: Int32Array): void => {
    before.set(facts, part * size);
    state[part] = 2;
    reached.push(part);
  };
  const stack = Register.rsp * words;
  const settle = (): void => {
    for (let round = 0, changed = true; changed; round++) {
      changed = false;
      for (let i = 0; i < reached.length; i++) {
        const at = reached[i]!;
        if (state[at] !== 2) continue;
        state[at] = 1;
        analysis.part(parts[at]!, before, at * size);
        for (const { part: to } of parts[at]!.part.ways) {
          if (to < 0) continue;
          if (state[to] === 0) {
            begin(to, after);
            // An entry in the midst of a region can look after the stack and constant pages; the rest is too often not so.
            if (isEntry[to])
              for (let k = 0; k < size - 2; k++)
                if (k < stack || k >= stack + words) before[to * size + k] = nothing[k]!;
            changed = true;
          } else if (meet(before, to * size, after, round > patience)) {
            state[to] = 2;
            changed = true;
          }
        }
      }
    }
  };
  begin(entries[0]!, nothing);
  settle();
  // Entries that are not reached from within know nothing when control comes.
  for (const entry of entries) {
    if (state[entry] !== 0) continue;
    begin(entry, nothing);
    settle();
  }
  // All facts hold now: this time the checks are kept.
  analysis.wanted = true;
  for (const at of reached) analysis.part(parts[at]!, before, at * size);
  return { at: analysis.at, list: analysis.list, guards: entries.map((entry) => analysis.guard(before, entry * size)) };
}
