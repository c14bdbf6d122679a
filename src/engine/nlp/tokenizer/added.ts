// Added tokens: found in the text before anything else looks at it.

import { Config } from "../../import/transformer/config.ts";
import type { Aligned } from "./aligned.ts";
import { Trie } from "./trie.ts";

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Not within a word. */
  readonly singleWord: boolean;
  /** Takes the spaces before it, or after it. */
  readonly left: boolean;
  readonly right: boolean;
  /** Looked for in the normalized text. */
  readonly normalized: boolean;
  /** Left out when text is made of tokens again. */
  readonly special: boolean;
  /** Known by its id only: text that looks like it is text. */
  readonly hidden?: boolean;
}

export function addedTokenOf(config: Config): AddedToken {
  return {
    id: config.number("id"),
    content: config.text("content"),
    singleWord: config.flag("single_word", false),
    left: config.flag("lstrip", false),
    right: config.flag("rstrip", false),
    normalized: config.flag("normalized", true),
    special: config.flag("special", false),
  };
}

/** A part of a text: still text, or already a token. */
export interface Segment {
  readonly text: Aligned;
  readonly token?: AddedToken;
}

const word = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u;
const white = /\p{White_Space}/u;

/** Finds some of the added tokens: the leftmost, and of those the longest. */
export class AddedTokens {
  private readonly trie = new Trie();
  private readonly tokens: AddedToken[] = [];

  /** `spelling` is how a token looks in the text that is searched. */
  constructor(tokens: readonly AddedToken[], spelling: (content: string) => string = (content) => content) {
    for (const token of tokens) {
      const text = spelling(token.content);
      if (text === "") continue;
      this.trie.insert(text, this.tokens.length);
      this.tokens.push(token);
    }
  }

  split(text: Aligned): Segment[] {
    if (this.tokens.length === 0) return [{ text }];
    const segments: Segment[] = [];
    const { text: all } = text;
    let done = 0;
    for (let at = 0; at < all.length;) {
      const match = this.longest(all, at);
      if (!match) {
        at++;
        continue;
      }
      const { token } = match;
      let [from, to] = [at, match.end];
      at = to;
      if (token.singleWord && (word.test(lastCharacter(all, from)) || word.test(all.slice(to, to + 2)[0] ?? "")))
        continue;
      if (token.left) while (from > done && white.test(all[from - 1]!)) from--;
      if (token.right) while (to < all.length && white.test(all[to]!)) to++;
      if (from > done) segments.push({ text: text.slice(done, from) });
      segments.push({ text: text.slice(from, to), token });
      done = to;
      at = Math.max(at, to);
    }
    if (done < all.length) segments.push({ text: done === 0 ? text : text.slice(done, all.length) });
    return segments;
  }

  private longest(text: string, from: number): { token: AddedToken; end: number } | undefined {
    let node = 0;
    let found: { token: AddedToken; end: number } | undefined;
    for (let i = from; i < text.length;) {
      node = this.trie.child(node, text.charCodeAt(i++));
      if (node < 0) break;
      const value = this.trie.value(node);
      if (value >= 0) found = { token: this.tokens[value]!, end: i };
    }
    return found;
  }
}

function lastCharacter(text: string, end: number): string {
  return end > 0 ? text[end - 1]! : "";
}
