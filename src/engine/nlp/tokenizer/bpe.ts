// Byte-pair encoding: the best known pair of neighbours is joined, again and again.

import { FormatError } from "../../../base/errors.ts";
import type { Config } from "../../import/transformer/config.ts";
import type { TokenModel, Tokens } from "./model.ts";
import { Vocabulary } from "./vocabulary.ts";

/** A pair of ids as one number: both stay exact. */
const pairFactor = 2 ** 25;
/** Longest word, in symbols: their places share a number with the rank. */
const placeFactor = 2 ** 24;

interface Merges {
  /** By pair: the rank, the smallest is joined first. */
  readonly ranks: ReadonlyMap<number, number>;
  /** By rank: what the pair becomes. */
  readonly results: readonly number[];
}

function mergesOf(config: Config, vocabulary: Vocabulary, prefix: string): Merges {
  const list = config.json["merges"];
  if (!Array.isArray(list)) throw new FormatError('tokenizer: "merges" is no list');
  const ranks = new Map<number, number>();
  const results: number[] = [];
  for (const [rank, entry] of list.entries()) {
    const [left, right, ...more] = Array.isArray(entry) ? entry : String(entry).split(" ");
    if (typeof left !== "string" || typeof right !== "string" || more.length > 0) {
      throw new FormatError(`tokenizer: merge ${rank} is no pair: ${JSON.stringify(entry)}`);
    }
    const joined = left + right.slice(prefix.length);
    const [a, b, c] = [left, right, joined].map((token) => vocabulary.id(token));
    if (a === undefined || b === undefined || c === undefined) {
      throw new FormatError(`tokenizer: merge ${rank}, ${left} ${right}: not all of it is in the vocabulary`);
    }
    ranks.set(a * pairFactor + b, rank);
    results.push(c);
  }
  return { ranks, results };
}

export function bpe(config: Config): TokenModel {
  const vocabulary = Vocabulary.of(config.json["vocab"]);
  const prefix = config.text("continuing_subword_prefix", "");
  const suffix = config.text("end_of_word_suffix", "");
  const unknownToken = config.has("unk_token") ? config.text("unk_token") : undefined;
  const unknown = unknownToken === undefined ? undefined : vocabulary.id(unknownToken);
  if (unknownToken !== undefined && unknown === undefined) {
    throw new FormatError(`tokenizer: the unknown token ${unknownToken} has no id`);
  }
  const fuse = config.flag("fuse_unk", false);
  const whole = config.flag("ignore_merges", false);
  const bytes = config.flag("byte_fallback", false) ? byteTokens(vocabulary) : undefined;
  const merges = mergesOf(config, vocabulary, prefix);

  /** The characters of a word as symbols. */
  function symbols(word: string): Tokens {
    const result: Tokens = { ids: [], from: [], to: [] };
    const push = (id: number, from: number, to: number) => {
      result.ids.push(id);
      result.from.push(from);
      result.to.push(to);
    };
    /** Where characters without an id began, while they last. */
    let pending: { from: number; to: number } | undefined;
    const flush = () => {
      if (pending) push(unknown!, pending.from, pending.to);
      pending = undefined;
    };
    for (let at = 0; at < word.length;) {
      const character = String.fromCodePoint(word.codePointAt(at)!);
      const end = at + character.length;
      const token = (at > 0 ? prefix : "") + character + (end === word.length ? suffix : "");
      const id = vocabulary.id(token);
      const fallback = id === undefined ? bytes?.(token) : undefined;
      if (id !== undefined) {
        flush();
        push(id, at, end);
      } else if (fallback) for (const each of fallback) push(each, at, end);
      else if (unknown !== undefined) {
        if (pending && fuse) pending.to = end;
        else {
          flush();
          pending = { from: at, to: end };
        }
      }
      at = end;
    }
    flush();
    return result;
  }

  return {
    vocabulary,
    tokenize(word) {
      if (whole) {
        const id = vocabulary.id(word);
        if (id !== undefined) return { ids: [id], from: [0], to: [word.length] };
      }
      return merge(symbols(word), merges);
    },
  };
}

const encoder = new TextEncoder();

/** The ids of a token's bytes, "<0x0A>" and so on; undefined when one is missing. */
export function byteTokens(vocabulary: Vocabulary): (token: string) => readonly number[] | undefined {
  const ids = Array.from({ length: 256 }, (_, byte) =>
    vocabulary.id(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`),
  );
  return (token) => {
    const found: number[] = [];
    for (const byte of encoder.encode(token)) {
      const id = ids[byte];
      if (id === undefined) return undefined;
      found.push(id);
    }
    return found;
  };
}

/**
 * Joins neighbours, the lowest rank first and of equal ones the leftmost. Candidates wait in a heap; those that were
 * overtaken are known by their rank being another now.
 */
function merge({ ids, from, to }: Tokens, { ranks, results }: Merges): Tokens {
  const count = ids.length;
  if (count < 2) return { ids, from, to };
  if (count >= placeFactor) throw new FormatError(`tokenizer: a word of ${count} characters is too long`);
  const next = new Int32Array(count);
  const before = new Int32Array(count);
  const gone = new Uint8Array(count);
  const heap = new Heap();
  const rankAt = (i: number): number | undefined => {
    const j = next[i]!;
    return j < 0 ? undefined : ranks.get(ids[i]! * pairFactor + ids[j]!);
  };
  const offer = (i: number) => {
    const rank = rankAt(i);
    if (rank !== undefined) heap.push(rank * placeFactor + i);
  };
  for (let i = 0; i < count; i++) {
    next[i] = i + 1 < count ? i + 1 : -1;
    before[i] = i - 1;
  }
  for (let i = 0; i < count; i++) offer(i);
  while (heap.size > 0) {
    const top = heap.pop();
    const i = top % placeFactor;
    const rank = (top - i) / placeFactor;
    if (gone[i] || rankAt(i) !== rank) continue;
    const j = next[i]!;
    ids[i] = results[rank]!;
    to[i] = to[j]!;
    gone[j] = 1;
    next[i] = next[j]!;
    if (next[i]! >= 0) before[next[i]!] = i;
    if (before[i]! >= 0) offer(before[i]!);
    offer(i);
  }
  const kept: Tokens = { ids: [], from: [], to: [] };
  for (let i = 0; i >= 0; i = next[i]!) {
    kept.ids.push(ids[i]!);
    kept.from.push(from[i]!);
    kept.to.push(to[i]!);
  }
  return kept;
}

/** A binary heap of numbers, the smallest on top. */
class Heap {
  private readonly items: number[] = [];

  get size(): number {
    return this.items.length;
  }

  push(value: number): void {
    const { items } = this;
    let at = items.length;
    items.push(value);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (items[parent]! <= value) break;
      items[at] = items[parent]!;
      at = parent;
    }
    items[at] = value;
  }

  /** Only when there is one. */
  pop(): number {
    const { items } = this;
    const top = items[0]!;
    const last = items.pop()!;
    const count = items.length;
    if (count === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= count) break;
      if (child + 1 < count && items[child + 1]! < items[child]!) child++;
      if (items[child]! >= last) break;
      items[at] = items[child]!;
      at = child;
    }
    items[at] = last;
    return top;
  }
}
