// A reading position in MLIR text: literals, patterns, strings and lists, without a separate list of tokens.

import { FormatError } from "../../../../base/errors.ts";
import { maximumDepth } from "./module.ts";

const blank = /(?:[\s\0]|\/\/[^\n]*)*/y;
const wordCharacter = /[\w$.-]/;
const stringBody = /"((?:[^"\\\n]|\\.)*)"/y;

export class Scanner {
  readonly text: string;
  position = 0;
  private depth = 0;

  constructor(text: string) {
    this.text = text;
  }

  skip(): void {
    blank.lastIndex = this.position;
    blank.exec(this.text);
    this.position = blank.lastIndex;
  }

  get atEnd(): boolean {
    this.skip();
    return this.position >= this.text.length;
  }

  fail(message: string, at = this.position): never {
    const before = this.text.slice(0, at);
    const line = before.split("\n").length;
    const column = at - before.lastIndexOf("\n");
    throw new FormatError(`MLIR text, line ${line}, column ${column}: ${message}`);
  }

  /** What comes next, for messages. */
  get next(): string {
    this.skip();
    return this.position >= this.text.length
      ? "the end"
      : `'${this.text.slice(this.position, this.position + 20).replace(/\s[^]*$/, "")}'`;
  }

  /** Whether a literal comes next; words have to end there. */
  peek(literal: string): boolean {
    this.skip();
    if (!this.text.startsWith(literal, this.position)) return false;
    if (!wordCharacter.test(literal.at(-1)!) || literal.endsWith(".")) return true;
    const after = this.text[this.position + literal.length];
    return after === undefined || !/[\w$]/.test(after);
  }

  accept(literal: string): boolean {
    if (!this.peek(literal)) return false;
    this.position += literal.length;
    return true;
  }

  expect(literal: string): void {
    if (!this.accept(literal)) this.fail(`'${literal}' expected, found ${this.next}`);
  }

  /** Takes what a sticky pattern matches here. */
  match(pattern: RegExp): RegExpExecArray | undefined {
    this.skip();
    return this.matchHere(pattern);
  }

  /** As `match`, without skipping blanks first. */
  matchHere(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.position;
    const found = pattern.exec(this.text);
    if (!found) return undefined;
    this.position = pattern.lastIndex;
    return found;
  }

  need(pattern: RegExp, what: string): string {
    const found = this.match(pattern);
    return found ? found[0] : this.fail(`${what} expected, found ${this.next}`);
  }

  /** An identifier of letters, digits, '_', '$', '.' and '-'. */
  word(what = "a name"): string {
    return this.need(/[A-Za-z_][\w$.]*(?:-[A-Za-z_][\w$.]*)*/y, what);
  }

  /** A string literal as bytes that each are one character; undefined when there is none. */
  string(): string | undefined {
    const found = this.match(stringBody);
    return found && unescape(found[1]!);
  }

  integer(what = "an integer"): number {
    const at = this.position;
    const value = Number(this.need(/-?\d+/y, what));
    if (!Number.isSafeInteger(value)) this.fail(`${what} is too large`, at);
    return value;
  }

  /** Items up to a closing literal, separated by commas. */
  list<T>(close: string, item: () => T): T[] {
    const items: T[] = [];
    if (this.accept(close)) return items;
    do items.push(item());
    while (this.accept(","));
    this.expect(close);
    return items;
  }

  /** Runs a parser one level deeper. */
  nested<T>(run: () => T): T {
    if (++this.depth > maximumDepth) this.fail(`nested deeper than ${maximumDepth}`);
    try {
      return run();
    } finally {
      this.depth--;
    }
  }

  /** The text of balanced brackets from here, the opening one included; strings are passed over. */
  balanced(): string {
    this.skip();
    const start = this.position;
    const open: string[] = [];
    do {
      const character = this.text[this.position];
      if (character === undefined) this.fail("brackets are not closed", start);
      if (character === '"') {
        if (!this.matchHere(stringBody)) this.fail("a string is not closed");
        continue;
      }
      this.position++;
      if (character === "-" && this.text[this.position] === ">") this.position++;
      else if ("<([{".includes(character)) open.push(character);
      else if (">)]}".includes(character) && "<([{".indexOf(open.pop() ?? " ") !== ">)]}".indexOf(character)) {
        this.fail("brackets do not match", this.position - 1);
      }
    } while (open.length > 0);
    return this.text.slice(start, this.position);
  }
}

/** Escapes of MLIR strings: \\n, \\t, \\", \\\\ and two hexadecimal digits. */
function unescape(text: string): string {
  if (!text.includes("\\")) return text;
  const bytes = text.replace(/\\(?:([0-9A-Fa-f]{2})|(.))/g, (_, code: string | undefined, letter: string) => {
    if (code !== undefined) return String.fromCharCode(Number.parseInt(code, 16));
    return letter === "n" ? "\n" : letter === "t" ? "\t" : letter;
  });
  // Escaped bytes above 0x7f are UTF-8 when all of them together are.
  if (!/[\x80-\xff]/.test(bytes) || /[^\x00-\xff]/.test(bytes)) return bytes;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(bytes, (c) => c.charCodeAt(0)));
  } catch {
    return bytes;
  }
}
