// Words by their prefixes: a trie over UTF-16 units whose edges are kept in one hash table.

import { FormatError } from "../../../base/errors.ts";

/** Longest word: a search may walk so far from each place of a text. */
const longestWord = 1000;

/** Nodes are numbers; the root is 0, and no edge is -1. Takes about 20 bytes a node. */
export class Trie {
  private parents = new Int32Array(1024);
  private units = new Uint16Array(1024);
  private values = new Int32Array(1024).fill(-1);
  /** Node numbers by the hash of parent and unit; 0 is free, since no edge leads to the root. */
  private slots = new Int32Array(4096);
  private count = 1;

  /** A word's value replaces an earlier one. Values are not negative. Throws FormatError for a word no search should follow. */
  insert(word: string, value: number): void {
    if (word.length > longestWord) {
      throw new FormatError(`tokenizer: a token has ${word.length} characters, at most ${longestWord}`);
    }
    let node = 0;
    for (let i = 0; i < word.length; i++) {
      const unit = word.charCodeAt(i);
      const next = this.child(node, unit);
      node = next < 0 ? this.add(node, unit) : next;
    }
    this.values[node] = value;
  }

  /** The node after one more unit; -1 when no word goes on so. */
  child(node: number, unit: number): number {
    const mask = this.slots.length - 1;
    for (let at = hash(node, unit) & mask; ; at = (at + 1) & mask) {
      const found = this.slots[at]!;
      if (found === 0) return -1;
      if (this.parents[found] === node && this.units[found] === unit) return found;
    }
  }

  /** The value of the word that ends here; -1 when none does. */
  value(node: number): number {
    return this.values[node]!;
  }

  /** The node that a text leads to; -1 when no word begins with it. */
  find(text: string): number {
    let node = 0;
    for (let i = 0; i < text.length && node >= 0; i++) node = this.child(node, text.charCodeAt(i));
    return node;
  }

  private add(parent: number, unit: number): number {
    const node = this.count++;
    if (node >= this.parents.length) this.grow();
    this.parents[node] = parent;
    this.units[node] = unit;
    this.place(node);
    return node;
  }

  private place(node: number): void {
    const mask = this.slots.length - 1;
    let at = hash(this.parents[node]!, this.units[node]!) & mask;
    while (this.slots[at] !== 0) at = (at + 1) & mask;
    this.slots[at] = node;
  }

  private grow(): void {
    const size = this.parents.length * 2;
    const { parents, units, values } = this;
    this.parents = new Int32Array(size);
    this.units = new Uint16Array(size);
    this.values = new Int32Array(size).fill(-1);
    this.parents.set(parents);
    this.units.set(units);
    this.values.set(values);
    this.slots = new Int32Array(size * 4);
    for (let node = 1; node < this.count - 1; node++) this.place(node);
  }
}

function hash(node: number, unit: number): number {
  const mixed = Math.imul(node, 0x9e3779b1) ^ Math.imul(unit + 1, 0x85ebca6b);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}
