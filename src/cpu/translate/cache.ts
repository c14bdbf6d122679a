// Translations that the processes of one machine share: blocks and compiled modules, found by address and verified against
// the bytes they were made from. So a forked or executed process starts with what its relatives have learnt.

import type { Block } from "../ir/builder.ts";
import type { CompiledModule } from "./types.ts";

interface KnownBlock {
  readonly block: Block;
  readonly bytes: Uint8Array;
}

/** A compiled module and the bytes of its ranges, one after another. */
export interface KnownModule {
  readonly compiled: CompiledModule;
  readonly module: WebAssembly.Module;
  readonly bytes: Uint8Array;
}

/** First table slot given out. Slot 0 stays empty. */
const firstSlot = 1;

export class CodeCache {
  private readonly blocks = new Map<number, KnownBlock[]>();
  private readonly modules = new Map<number, KnownModule[]>();
  private readonly slots = new Map<number, number>();
  private slab = new Uint8Array(0x10000);
  private slabUsed = 0;

  /** A block at `pc` made from the bytes that are there now. */
  block(pc: number, memory: Uint8Array): Block | undefined {
    const known = this.blocks.get(pc);
    if (known === undefined) return undefined;
    for (const { block, bytes } of known) if (same(bytes, 0, memory, pc, bytes.length)) return block;
    return undefined;
  }

  keepBlock(pc: number, block: Block, memory: Uint8Array): void {
    const known = this.blocks.get(pc);
    const entry = { block, bytes: this.copy(memory, pc, block.length) };
    if (known === undefined) this.blocks.set(pc, [entry]);
    else keep(known, entry);
  }

  /** A copy of code bytes, in a buffer shared with others: small typed arrays of their own are costly. */
  private copy(memory: Uint8Array, at: number, length: number): Uint8Array {
    if (this.slabUsed + length > this.slab.length) {
      this.slab = new Uint8Array(Math.max(0x10000, length));
      this.slabUsed = 0;
    }
    const from = this.slabUsed;
    this.slabUsed += length;
    for (let i = 0; i < length; i++) this.slab[from + i] = memory[at + i]!;
    return this.slab.subarray(from, from + length);
  }

  /** A module with an entry at `pc` made from the bytes that are there now. */
  module(pc: number, memory: Uint8Array): KnownModule | undefined {
    return this.modules.get(pc)?.find((known) => matches(known, memory));
  }

  keepModule(compiled: CompiledModule, module: WebAssembly.Module, memory: Uint8Array): KnownModule {
    const { ranges } = compiled;
    let size = 0;
    for (let i = 0; i < ranges.length; i += 2) size += ranges[i + 1]! - ranges[i]!;
    const bytes = new Uint8Array(size);
    let at = 0;
    for (let i = 0; i < ranges.length; i += 2) {
      const part = memory.subarray(ranges[i]! >>> 0, ranges[i + 1]! >>> 0);
      bytes.set(part, at);
      at += part.length;
    }
    const known = { compiled, module, bytes };
    for (const { pc } of compiled.entries) {
      const list = this.modules.get(pc);
      if (list === undefined) this.modules.set(pc, [known]);
      else keep(list, known);
    }
    return known;
  }

  /** The table slot that a guest address owns. */
  slot(pc: number): number {
    let slot = this.slots.get(pc);
    if (slot === undefined) this.slots.set(pc, (slot = this.slots.size + firstSlot));
    return slot;
  }

  /** Number of slots a table needs. */
  get slotCount(): number {
    return this.slots.size + firstSlot;
  }
}

/** Versions of code at one address that are remembered, newest first. */
const versions = 4;

function keep<T>(list: T[], entry: T): void {
  list.unshift(entry);
  if (list.length > versions) list.length = versions;
}

function same(a: Uint8Array, from: number, b: Uint8Array, at: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (a[from + i] !== b[at + i]) return false;
  return true;
}

function matches({ compiled: { ranges }, bytes }: KnownModule, memory: Uint8Array): boolean {
  let from = 0;
  for (let i = 0; i < ranges.length; i += 2) {
    const start = ranges[i]! >>> 0;
    const length = (ranges[i + 1]! >>> 0) - start;
    if (!same(bytes, from, memory, start, length)) return false;
    from += length;
  }
  return true;
}
