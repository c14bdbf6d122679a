// Translations as bytes, so that the next run of a program starts with them. Blocks are found through an index and made
// into objects when they are asked for; what an archive holds is used only where memory holds the same code.

import type { Block } from "../ir/builder.ts";
import type { CompiledModule } from "./types.ts";

/** A translated block and the code bytes it was made from. */
export interface ArchivedBlock {
  readonly block: Block;
  readonly bytes: Uint8Array;
}

/** A compiled module and the code bytes of its ranges, one after another. */
export interface ArchivedModule {
  readonly compiled: CompiledModule;
  readonly bytes: Uint8Array;
}

export interface Contents {
  readonly blocks: readonly ArchivedBlock[];
  readonly modules: readonly ArchivedModule[];
  /** Table slots by guest address. */
  readonly slots: ReadonlyMap<number, number>;
}

/** Words of the head. */
const Head = { magic: 0, version: 1, index: 2, mask: 3, slots: 4, modules: 5, sum: 6, size: 8 } as const;
const magic = 0x43727432;
/** Words of a block's record before its operations: pc, length, and the lengths of the three parts. */
const recordHead = 5;

const spread = (pc: number): number => Math.imul(pc, 0x9e3779b1) >>> 12;
const bytesToWords = (length: number): number => (length + 3) >>> 2;

/** Writes words one after another. */
class Words {
  words = new Int32Array(0x10000);
  length = 0;

  reserve(count: number): void {
    if (this.length + count <= this.words.length) return;
    const words = new Int32Array(Math.max(this.words.length * 2, this.length + count));
    words.set(this.words.subarray(0, this.length));
    this.words = words;
  }
  put(...values: number[]): void {
    this.reserve(values.length);
    for (const value of values) this.words[this.length++] = value;
  }
  append(values: Int32Array): void {
    this.reserve(values.length);
    this.words.set(values, this.length);
    this.length += values.length;
  }
  bytes(values: Uint8Array): void {
    const count = bytesToWords(values.length);
    this.reserve(count);
    new Uint8Array(this.words.buffer).set(values, this.length * 4);
    this.length += count;
  }
}

function hash(text: string): number {
  let sum = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) sum = Math.imul(sum ^ text.charCodeAt(i), 0x01000193);
  return sum | 0;
}

function sumOf(words: Int32Array): number {
  let sum = words.length;
  for (let i = Head.size; i < words.length; i++) sum = (Math.imul(sum, 31) + words[i]!) | 0;
  return sum;
}

/**
 * Packs translations, together with those of an older archive. `version` names whatever the translations depend on: the
 * build of the translator, and the mode.
 */
export function pack({ blocks, modules, slots }: Contents, version: string, older?: Archive): Uint8Array<ArrayBuffer> {
  const to = new Words();
  to.length = Head.size;
  const records: number[] = [];
  older?.copyRecords((record) => {
    records.push(to.length);
    to.append(record);
  });
  for (const { block, bytes } of blocks) {
    records.push(to.length);
    to.put(block.pc, block.length, block.code.length, block.pool.length, block.instructions.length);
    to.append(block.code);
    to.append(block.pool);
    to.append(block.instructions);
    to.bytes(bytes);
  }
  const moduleRecords = [...(older?.modules() ?? []), ...modules];
  const moduleStart = to.length;
  to.put(moduleRecords.length);
  for (const { compiled, bytes } of moduleRecords) {
    const { entries, ranges } = compiled;
    to.put(entries.length, ranges.length, compiled.instructions, compiled.bytes.length, bytes.length);
    for (const { pc, slot } of entries) to.put(pc, slot);
    to.append(ranges);
    to.bytes(compiled.bytes);
    to.bytes(bytes);
  }
  const slotStart = to.length;
  to.put(slots.size);
  for (const [pc, slot] of slots) to.put(pc, slot);
  let capacity = 1024;
  while (capacity < records.length * 2) capacity *= 2;
  const index = new Int32Array(capacity);
  for (const at of records) {
    let probe = spread(to.words[at]!) & (capacity - 1);
    while (index[probe] !== 0) probe = (probe + 1) & (capacity - 1);
    index[probe] = at;
  }
  const indexStart = to.length;
  to.append(index);
  const words = to.words.subarray(0, to.length);
  words.set([magic, hash(version), indexStart, capacity - 1, slotStart, moduleStart]);
  words[Head.sum] = sumOf(words);
  return new Uint8Array(words.buffer, 0, words.length * 4);
}

/** An archive that was read. */
export class Archive {
  private readonly words: Int32Array<ArrayBuffer>;
  private readonly octets: Uint8Array<ArrayBuffer>;

  private constructor(words: Int32Array<ArrayBuffer>) {
    this.words = words;
    this.octets = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
  }

  /** Opens an archive; undefined when it is damaged or of another version. */
  static open(data: Uint8Array<ArrayBuffer>, version: string): Archive | undefined {
    if (data.length < Head.size * 4 || data.length % 4 !== 0) return undefined;
    const aligned = data.byteOffset % 4 === 0 ? data : data.slice();
    const words = new Int32Array(aligned.buffer, aligned.byteOffset, aligned.length >>> 2);
    if (words[Head.magic] !== magic || words[Head.version] !== hash(version)) return undefined;
    return words[Head.sum] === sumOf(words) ? new Archive(words) : undefined;
  }

  /** Bytes of the whole. */
  get size(): number {
    return this.octets.length;
  }

  /** The block at `pc` whose code is what `memory` holds. */
  block(pc: number, memory: Uint8Array): ArchivedBlock | undefined {
    const { words, octets } = this;
    const [index, mask] = [words[Head.index]!, words[Head.mask]!];
    for (let probe = spread(pc | 0) & mask; ; probe = (probe + 1) & mask) {
      const at = words[index + probe]!;
      if (at === 0) return undefined;
      if (words[at] !== (pc | 0)) continue;
      const length = words[at + 1]!;
      const code = at + recordHead;
      const pool = code + words[at + 2]!;
      const instructions = pool + words[at + 3]!;
      const end = instructions + words[at + 4]!;
      let i = 0;
      while (i < length && octets[end * 4 + i] === memory[pc + i]) i++;
      if (i < length) continue;
      return {
        block: {
          pc: pc | 0,
          length,
          code: words.subarray(code, pool),
          pool: words.subarray(pool, instructions),
          instructions: words.subarray(instructions, end),
        },
        bytes: octets.subarray(end * 4, end * 4 + length),
      };
    }
  }

  /** Gives each block's record. */
  copyRecords(give: (record: Int32Array) => void): void {
    const { words } = this;
    const end = words[Head.modules]!;
    for (let at: number = Head.size; at < end;) {
      const size = recordHead + words[at + 2]! + words[at + 3]! + words[at + 4]! + bytesToWords(words[at + 1]!);
      give(words.subarray(at, at + size));
      at += size;
    }
  }

  modules(): ArchivedModule[] {
    const { words, octets } = this;
    let at = words[Head.modules]!;
    const take = (count: number) => words.subarray(at, (at += count));
    const takeBytes = (length: number) => {
      const from = at * 4;
      at += bytesToWords(length);
      return octets.subarray(from, from + length);
    };
    return Array.from({ length: take(1)[0]! }, () => {
      const [entryCount, rangeCount, instructions, size, codeSize] = take(5) as unknown as number[];
      const pairs = take(entryCount! * 2);
      const entries = Array.from({ length: entryCount! }, (_, i) => ({
        pc: pairs[i * 2]! >>> 0,
        slot: pairs[i * 2 + 1]!,
      }));
      const ranges = take(rangeCount!);
      const bytes = takeBytes(size!);
      return { compiled: { bytes, entries, ranges, instructions: instructions! }, bytes: takeBytes(codeSize!) };
    });
  }

  slots(): Map<number, number> {
    const { words } = this;
    const at = words[Head.slots]!;
    const slots = new Map<number, number>();
    for (let i = 0; i < words[at]!; i++) slots.set(words[at + 1 + i * 2]! >>> 0, words[at + 2 + i * 2]!);
    return slots;
  }
}
