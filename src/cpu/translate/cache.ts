// Translations that the processes of one machine share: blocks and compiled modules, found by address and verified against
// the bytes they were made from. So a forked or executed process starts with what its relatives have learnt.

import type { Relocatable } from "../interpreter/encode.ts";
import type { Block } from "../ir/builder.ts";
import { Archive, pack, type ArchivedBlock, type ArchivedModule } from "./archive.ts";
import type { CompiledModule } from "./types.ts";

/** A block, the code bytes it was made from, and its interpreter code once that was wanted more than once. */
export class KnownBlock implements ArchivedBlock {
  readonly block: Block;
  readonly bytes: Uint8Array;
  /** It came from an archive. */
  readonly archived: boolean;
  encoded: Relocatable | undefined;
  /** How often it was encoded. */
  uses = 0;

  constructor({ block, bytes }: ArchivedBlock, archived: boolean) {
    this.block = block;
    this.bytes = bytes;
    this.archived = archived;
  }
}

/** A compiled module that may be instantiated where memory holds the code it was made from. */
export class KnownModule {
  readonly compiled: CompiledModule;
  /** The code bytes of its ranges, one after another. */
  readonly bytes: Uint8Array;
  private built: WebAssembly.Module | undefined;

  constructor({ compiled, bytes }: ArchivedModule) {
    this.compiled = compiled;
    this.bytes = bytes;
  }

  get module(): WebAssembly.Module {
    return (this.built ??= new WebAssembly.Module(this.compiled.bytes));
  }

  matches(memory: Uint8Array): boolean {
    const { ranges } = this.compiled;
    let from = 0;
    for (let i = 0; i < ranges.length; i += 2) {
      const start = ranges[i]! >>> 0;
      const length = (ranges[i + 1]! >>> 0) - start;
      if (!same(this.bytes, from, memory, start, length)) return false;
      from += length;
    }
    return true;
  }
}

/** First table slot given out. Slot 0 stays empty. */
const firstSlot = 1;
/** An archive beyond this size is not added to but replaced. */
const largestArchive = 64 << 20;

export class CodeCache {
  private readonly blocks = new Map<number, KnownBlock[]>();
  private readonly modules = new Map<number, KnownModule[]>();
  private slots = new Map<number, number>();
  private slab = new Uint8Array(0x10000);
  private slabUsed = 0;
  private archive: Archive | undefined;
  private newModules: KnownModule[] = [];
  /** Blocks kept since the archive was loaded. */
  private newBlocks = 0;

  /** A block at `pc` made from the bytes that are there now. */
  block(pc: number, memory: Uint8Array): KnownBlock | undefined {
    const known = this.blocks.get(pc);
    if (known !== undefined)
      for (const entry of known) if (same(entry.bytes, 0, memory, pc, entry.bytes.length)) return entry;
    const archived = this.archive?.block(pc, memory);
    return archived && this.remember(pc, new KnownBlock(archived, true));
  }

  keepBlock(pc: number, block: Block, memory: Uint8Array): KnownBlock {
    this.newBlocks++;
    return this.remember(pc, new KnownBlock({ block, bytes: this.copy(memory, pc, block.length) }, false));
  }

  private remember(pc: number, entry: KnownBlock): KnownBlock {
    const known = this.blocks.get(pc);
    if (known === undefined) this.blocks.set(pc, [entry]);
    else keep(known, entry);
    return entry;
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

  /** Whether there is a module with an entry at `pc`, made from whatever bytes. */
  mayHaveModule(pc: number): boolean {
    return this.modules.has(pc);
  }

  /** Modules with an entry at `pc`, newest first. */
  modulesAt(pc: number): readonly KnownModule[] {
    return this.modules.get(pc) ?? [];
  }

  keepModule(compiled: CompiledModule, memory: Uint8Array): KnownModule {
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
    const known = new KnownModule({ compiled, bytes });
    this.newModules.push(known);
    this.enter(known);
    return known;
  }

  private enter(known: KnownModule): void {
    for (const { pc } of known.compiled.entries) {
      const list = this.modules.get(pc);
      if (list === undefined) this.modules.set(pc, [known]);
      else keep(list, known);
    }
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

  /** Takes over what an earlier run has saved; before anything is translated. False when it is of no use. */
  load(data: Uint8Array<ArrayBuffer>, version: string): boolean {
    if (this.newBlocks > 0 || this.slots.size > 0) return false;
    this.archive = Archive.open(data, version);
    if (this.archive === undefined) return false;
    this.slots = this.archive.slots();
    for (const archived of this.archive.modules()) this.enter(new KnownModule(archived));
    return true;
  }

  /** What is known now, for `load`; undefined when there is little that the loaded archive lacks. */
  save(version: string): Uint8Array<ArrayBuffer> | undefined {
    if (this.newBlocks < worthSaving && this.newModules.length === 0) return undefined;
    const older = this.archive !== undefined && this.archive.size < largestArchive ? this.archive : undefined;
    return pack(
      { blocks: [...this.blocks.values()].flat(), modules: this.newModules, slots: this.slots },
      version,
      older,
    );
  }
}

/** Versions of code at one address that are remembered, newest first. */
const versions = 4;
/** New blocks that make saving worth its while. */
const worthSaving = 100;

function keep<T>(list: T[], entry: T): void {
  list.unshift(entry);
  if (list.length > versions) list.length = versions;
}

function same(a: Uint8Array, from: number, b: Uint8Array, at: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (a[from + i] !== b[at + i]) return false;
  return true;
}
