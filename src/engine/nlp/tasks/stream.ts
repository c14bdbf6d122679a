// Text that grows token by token: pieces that are whole characters, and stop words that never show.

import type { Tokenizer } from "../tokenizer/tokenizer.ts";

export class TextStream {
  private readonly tokenizer: Tokenizer;
  private readonly stops: readonly string[];
  private readonly ids: number[] = [];
  /** Tokens before `prefix` are done; text up to `read` was given out. */
  private prefix = 0;
  private read = 0;
  /** Given out, and what may yet become a stop word. */
  private shown = "";
  private held = "";
  private ended = false;

  constructor(tokenizer: Tokenizer, stops: readonly string[] = []) {
    this.tokenizer = tokenizer;
    this.stops = stops.filter((stop) => stop !== "");
  }

  /** All that was given out. */
  get text(): string {
    return this.shown;
  }

  /** Whether a stop word was reached. */
  get stopped(): boolean {
    return this.ended;
  }

  /** One more token; gives the text that is certain now, often "". */
  push(id: number): string {
    if (this.ended) return "";
    this.ids.push(id);
    const before = this.tokenizer.decode(this.ids.slice(this.prefix, this.read));
    const after = this.tokenizer.decode(this.ids.slice(this.prefix));
    // A character may need more bytes than its tokens have so far.
    if (after.length <= before.length || after.endsWith("\ufffd")) return "";
    this.prefix = this.read;
    this.read = this.ids.length;
    return this.release(after.slice(before.length));
  }

  /** What is left at the end. */
  end(): string {
    if (this.ended) return "";
    const before = this.tokenizer.decode(this.ids.slice(this.prefix, this.read));
    const rest = this.tokenizer.decode(this.ids.slice(this.prefix)).slice(before.length);
    const piece = this.release(rest) + (this.ended ? "" : this.held);
    if (!this.ended) this.shown += this.held;
    this.ended = true;
    return piece;
  }

  private release(piece: string): string {
    const text = this.held + piece;
    const found = this.stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
    let certain = text.length;
    if (found.length > 0) {
      certain = Math.min(...found);
      this.ended = true;
    } else {
      const begins = (at: number) => this.stops.some((stop) => stop.startsWith(text.slice(at)));
      const longest = this.stops.reduce((most, { length }) => Math.max(most, length), 0);
      for (let at = Math.max(0, text.length - longest); at < text.length; at++) {
        if (!begins(at)) continue;
        certain = at;
        break;
      }
    }
    this.held = this.ended ? "" : text.slice(certain);
    const shown = text.slice(0, certain);
    this.shown += shown;
    return shown;
  }
}
