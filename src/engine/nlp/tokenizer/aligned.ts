// Text on its way through a tokenizer that knows where in the original text each of its parts comes from.

import { FormatError } from "../../../base/errors.ts";

/** Longest normalized text: replacements may be longer than what they replace. */
const longestText = 2 ** 25;

/** A range of UTF-16 units of the original text. */
export type Range = readonly [start: number, end: number];

/**
 * Immutable. Positions are UTF-16 units. While nothing was changed no arrays are kept: unit i comes from `origin` + i.
 * Source of the rules: the alignments of `NormalizedString` in the `tokenizers` library.
 */
export class Aligned {
  readonly text: string;
  private readonly origin: number;
  private readonly starts: Int32Array | undefined;
  private readonly ends: Int32Array | undefined;

  constructor(text: string, origin = 0, starts?: Int32Array, ends?: Int32Array) {
    this.text = text;
    this.origin = origin;
    this.starts = starts;
    this.ends = ends;
  }

  get length(): number {
    return this.text.length;
  }

  /** Where the text begins in the original, with what was taken away before its first character. */
  get begin(): number {
    return this.origin;
  }

  /** Where units [from, to) come from. */
  range(from: number, to: number): Range {
    if (!this.starts || !this.ends) return [this.origin + from, this.origin + to];
    if (from < to) return [this.starts[from]!, this.ends[to - 1]!];
    const at = from < this.length ? this.starts[from]! : from > 0 ? this.ends[from - 1]! : this.origin;
    return [at, at];
  }

  /** Appends the places of units [from, to) to lists. */
  copyPlaces(from: number, to: number, starts: number[], ends: number[]): void {
    for (let i = from; i < to; i++) {
      starts.push(this.starts ? this.starts[i]! : this.origin + i);
      ends.push(this.ends ? this.ends[i]! : this.origin + i + 1);
    }
  }

  slice(from: number, to: number): Aligned {
    if (from === 0 && to === this.length) return this;
    const text = this.text.slice(from, to);
    if (!this.starts || !this.ends) return new Aligned(text, this.origin + from);
    const origin = from === 0 ? this.origin : this.range(from, from)[0];
    return new Aligned(text, origin, this.starts.subarray(from, to), this.ends.subarray(from, to));
  }

  /** The same places with other text of the same length. */
  withText(text: string): Aligned {
    return text === this.text ? this : new Aligned(text, this.origin, this.starts, this.ends);
  }

  /** Each match of a global pattern replaced; what comes in its place belongs to the whole of it. */
  replaced(pattern: RegExp, replacement: (match: string) => string): Aligned {
    const { text } = this;
    const edit = new Edit(this);
    let changed = false;
    let done = 0;
    pattern.lastIndex = 0;
    for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
      const [found] = match;
      if (found === "") {
        pattern.lastIndex++;
        continue;
      }
      const wanted = replacement(found);
      if (wanted === found) continue;
      edit.keep(done, match.index);
      done = match.index + found.length;
      edit.put(wanted, match.index, done);
      changed = true;
    }
    if (!changed) return this;
    edit.keep(done, text.length);
    return edit.finish();
  }

  /** Text before it, which belongs to the first character. */
  prepended(prefix: string): Aligned {
    if (this.text === "") return this;
    const edit = new Edit(this);
    const first = this.text.codePointAt(0)! > 0xffff ? 2 : 1;
    edit.put(prefix, 0, first);
    edit.keep(0, this.length);
    return edit.finish();
  }
}

/** Writes a new text from parts of an old one. */
export class Edit {
  private readonly from: Aligned;
  private text = "";
  private readonly starts: number[] = [];
  private readonly ends: number[] = [];

  constructor(from: Aligned) {
    this.from = from;
  }

  private room(length: number): void {
    if (this.starts.length + length > longestText) {
      throw new FormatError(`tokenizer: the normalized text has more than ${longestText} characters`);
    }
  }

  /** Units [from, to) as they are. */
  keep(from: number, to: number): void {
    this.room(to - from);
    this.from.copyPlaces(from, to, this.starts, this.ends);
    this.text += this.from.text.slice(from, to);
  }

  /** `text` in the place of units [from, to). */
  put(text: string, from: number, to: number): void {
    this.room(text.length);
    const [start, end] = this.from.range(from, to);
    for (let i = 0; i < text.length; i++) {
      this.starts.push(start);
      this.ends.push(end);
    }
    this.text += text;
  }

  finish(): Aligned {
    return new Aligned(this.text, this.from.begin, Int32Array.from(this.starts), Int32Array.from(this.ends));
  }
}
