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

const nothing = new Int32Array(size);
for (let i = 0; i < registers; i++) nothing.set([1, 0, 1, 0, -1], i * words);
const emptyFacts = (): Int32Array => nothing.slice();

/** Unites an interval with another; keeps the new one when they do not make one. */
function unite(facts: Int32Array, at: number, low: number, high: number): void {
  if (!isEmpty(facts, at)) {
    const [l, h] = [Math.min(facts[at]!, low), Math.max(facts[at + 1]!, high)];
    if (h - l <= pageSize) [low, high] = [l, h];
  }
  facts[at] = low;
  facts[at + 1] = high;
}

interface Group {
  readonly check: Check;
  readonly item: number;
}

class Analysis {
  readonly nodes: Nodes;
  readonly items: Int32Array;
  readonly at: Int32Array;
  list: Check[] = [];
  private readonly pages: number[] = [];

  constructor(nodes: Nodes, items: Int32Array, length: number) {
    this.nodes = nodes;
    this.items = items;
    this.at = new Int32Array(length / itemWords).fill(-1);
  }

  private pageNumber(page: number): number {
    const known = this.pages.indexOf(page);
    if (known >= 0) return known;
    return this.pages.length < constantPages ? this.pages.push(page) - 1 : -1;
  }

  /** Decides the checks of a part, given the facts at its beginning; gives those at its end. */
  part(lowered: Lowered, before: Int32Array): Int32Array {
    const { nodes, items } = this;
    const roots = new Map<Node, Int32Array>();
    const groups = new Map<Node, Group>();
    const factsOf = (root: Node): Int32Array => {
      let facts = roots.get(root);
      if (facts === undefined) roots.set(root, (facts = Int32Array.of(1, 0, 1, 0, -1)));
      return facts;
    };
    const start = lowered.held[0]!;
    for (let r = 0; r < registers; r++)
      if (start[r]! >= 0) roots.set(start[r]!, before.slice(r * words, r * words + words));
    let readable = before[size - 2]!;
    let writable = before[size - 1]!;

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
        const facts = factsOf(root);
        this.at[i / itemWords] = facts[4] === residue ? -1 : 0;
        facts[4] = residue;
        continue;
      } else continue;
      const at = i / itemWords;
      this.at[at] = -1;
      const last = displacement + bytes - 1;
      const denied = write ? Denied.write : Denied.read;
      if (nodes.isConstant(root)) {
        const page = (nodes.a[root]! + last) >>> pageShift;
        const number = this.pageNumber(page);
        const bit = number < 0 ? 0 : 1 << number;
        if (((write ? writable : readable | writable) & bit) !== 0) continue;
        if (write) writable |= bit;
        else readable |= bit;
        this.at[at] = this.list.push({ root, low: last, high: last, denied, upper: true }) - 1;
        continue;
      }
      if (displacement < least || last > most) {
        this.at[at] = this.list.push({ root, low: last, high: last, denied, upper: true }) - 1;
        continue;
      }
      const facts = factsOf(root);
      if (last >= facts[2]! && last <= facts[3]!) continue;
      if (!write && last >= facts[0]! && last <= facts[1]!) continue;
      const open = groups.get(root);
      if (open !== undefined) {
        const low = Math.min(open.check.low, last);
        const high = Math.max(open.check.high, last);
        if (high - low <= pageSize) {
          open.check.low = low;
          open.check.high = high;
          open.check.denied |= denied;
          continue;
        }
        this.close(open.check, facts);
      }
      const upper = nodes.bits[root]! > 32 && isEmpty(facts, 0) && isEmpty(facts, 2);
      const check: Check = { root, low: last, high: last, denied, upper: upper };
      this.at[at] = this.list.push(check) - 1;
      groups.set(root, { check, item: at });
    }
    for (const [root, { check }] of groups) this.close(check, factsOf(root));

    const after = emptyFacts();
    for (let r = 0; r < registers; r++) {
      const node = lowered.final[r]!;
      if (node < 0) {
        if (lowered.held.length === 1) after.set(before.subarray(r * words, r * words + words), r * words);
        continue;
      }
      let shift = 0;
      let facts = roots.get(node);
      if (facts === undefined) {
        facts = roots.get(nodes.rootOf(node));
        shift = nodes.displacementOf(node);
      }
      if (facts === undefined || Math.abs(shift) > pageSize) continue;
      for (const k of [0, 2]) {
        if (isEmpty(facts, k)) continue;
        const [low, high] = [facts[k]! - shift, facts[k + 1]! - shift];
        if (low < least || high > most) continue;
        after[r * words + k] = low;
        after[r * words + k + 1] = high;
      }
      if (facts[4]! >= 0) after[r * words + 4] = (facts[4]! + shift) & 15;
    }
    after[size - 2] = readable;
    after[size - 1] = writable;
    return after;
  }

  /** What facts ask of whoever enters; undefined when nothing. */
  guard(facts: Int32Array): Guard | undefined {
    const at = Register.rsp * words;
    const pages = (bits: number) => this.pages.filter((_, i) => bits & (1 << i));
    const [readable, writable] = [facts[size - 2]!, facts[size - 1]!];
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

  private close(check: Check, facts: Int32Array): void {
    // What may be written may be read.
    if (check.denied & Denied.write) unite(facts, 2, check.low, check.high);
    else unite(facts, 0, check.low, check.high);
  }
}

/** Narrows `to` to what `from` says too; true when that changed it. */
function meet(to: Int32Array, from: Int32Array, drop: boolean): boolean {
  let changed = false;
  for (let r = 0; r < registers; r++) {
    const at = r * words;
    for (const k of [at, at + 2]) {
      if (isEmpty(to, k)) continue;
      const low = Math.max(to[k]!, from[k]!);
      const high = isEmpty(from, k) ? low - 1 : Math.min(to[k + 1]!, from[k + 1]!);
      if (low === to[k] && high === to[k + 1]) continue;
      changed = true;
      to[k] = drop ? 1 : low;
      to[k + 1] = drop ? 0 : high;
    }
    if (to[at + 4]! >= 0 && to[at + 4] !== from[at + 4]) {
      to[at + 4] = -1;
      changed = true;
    }
  }
  for (const k of [size - 2, size - 1]) {
    const both = to[k]! & from[k]!;
    if (both !== to[k]) changed = true;
    to[k] = both;
  }
  return changed;
}

/** Rounds after which facts that still shrink (a stack pointer going down a loop) are given up. */
const patience = 3;

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

/** Facts that an entry in the midst of a region can look after: the rest is too often not so. */
function guarded(facts: Int32Array): Int32Array {
  const kept = emptyFacts();
  const stack = Register.rsp * words;
  kept.set(facts.subarray(stack, stack + words), stack);
  kept[size - 2] = facts[size - 2]!;
  kept[size - 1] = facts[size - 1]!;
  return kept;
}

export function checksOf(
  nodes: Nodes,
  items: Int32Array,
  length: number,
  parts: readonly Lowered[],
  entries: readonly number[],
): Checks {
  const analysis = new Analysis(nodes, items, length);
  const before: (Int32Array | undefined)[] = parts.map(() => undefined);
  const isEntry = new Uint8Array(parts.length);
  for (const entry of entries) isEntry[entry] = 1;
  before[entries[0]!] = emptyFacts();
  const reached = [entries[0]!];
  /** Parts whose facts have changed since they were looked at. */
  const stale = new Uint8Array(parts.length).fill(1);
  const settle = (): void => {
    for (let round = 0, changed = true; changed; round++) {
      changed = false;
      for (let i = 0; i < reached.length; i++) {
        const at = reached[i]!;
        if (stale[at] === 0) continue;
        stale[at] = 0;
        const after = analysis.part(parts[at]!, before[at]!);
        for (const { part: to } of parts[at]!.part.ways) {
          if (to < 0) continue;
          const facts = before[to];
          if (facts === undefined) {
            before[to] = isEntry[to] ? guarded(after) : after.slice();
            reached.push(to);
            changed = true;
          } else if (meet(facts, after, round > patience)) {
            stale[to] = 1;
            changed = true;
          }
        }
      }
    }
  };
  settle();
  // Entries that are not reached from within know nothing when control comes.
  for (const entry of entries) {
    if (before[entry] !== undefined) continue;
    before[entry] = emptyFacts();
    reached.push(entry);
    settle();
  }
  // The last round's decisions were made with facts that hold; make them once more to have their checks only.
  analysis.list = [];
  for (const at of reached) analysis.part(parts[at]!, before[at]!);
  return { at: analysis.at, list: analysis.list, guards: entries.map((entry) => analysis.guard(before[entry]!)) };
}
