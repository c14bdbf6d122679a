// Debian control data: stanzas of "Field: value" lines (deb822). Source: Debian Policy 5.1, deb822(5).

import { FormatError } from "../base/errors.ts";

/** One paragraph. Field names compare without case. */
export class Stanza {
  /** In the order of the file: lower-case name -> name as spelled and value. */
  readonly #fields = new Map<string, { name: string; value: string }>();

  /** Continuation lines are joined with newlines, each without its first blank. */
  get(name: string): string | undefined {
    return this.#fields.get(name.toLowerCase())?.value;
  }

  /** The value, or a FormatError that names what lacks it. */
  need(name: string, what: string): string {
    const value = this.get(name);
    if (!value) throw new FormatError(`${what}: field ${name} is missing`);
    return value;
  }

  has(name: string): boolean {
    return this.#fields.has(name.toLowerCase());
  }

  set(name: string, value: string): this {
    this.#fields.set(name.toLowerCase(), { name, value });
    return this;
  }

  delete(name: string): this {
    this.#fields.delete(name.toLowerCase());
    return this;
  }

  *entries(): Generator<[name: string, value: string]> {
    for (const { name, value } of this.#fields.values()) yield [name, value];
  }

  /** The lines of the stanza, with a newline at the end and no empty line. */
  toString(): string {
    return [...this.entries()]
      .map(([name, value]) => `${name}: ${value.replaceAll("\n", "\n ")}\n`.replace(": \n", ":\n"))
      .join("");
  }
}

const fieldLine = /^([!"$-,./-9;-~][!-9;-~]*)[ \t]*:[ \t]*(.*)$/;

/** The stanzas of a text. Lines beginning with # are comments. */
export function parseStanzas(text: string, what = "control data"): Stanza[] {
  const stanzas: Stanza[] = [];
  let stanza: Stanza | undefined;
  let last: string | undefined;
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trimEnd();
    if (line === "") {
      stanza = undefined;
      last = undefined;
      continue;
    }
    if (line.startsWith("#")) continue;
    if (line.startsWith(" ") || line.startsWith("\t")) {
      if (!stanza || last === undefined) throw new FormatError(`${what}: line ${index + 1} continues no field`);
      stanza.set(last, `${stanza.get(last)}\n${line.slice(1)}`);
      continue;
    }
    const [, name, value] = fieldLine.exec(line) ?? [];
    if (name === undefined)
      throw new FormatError(`${what}: line ${index + 1} is no "Field: value": ${JSON.stringify(line.slice(0, 60))}`);
    if (!stanza) stanzas.push((stanza = new Stanza()));
    if (stanza.has(name)) throw new FormatError(`${what}: line ${index + 1} repeats field ${name}`);
    stanza.set(name, value!);
    last = name;
  }
  return stanzas;
}

/** The only stanza of a text. */
export function parseStanza(text: string, what = "control data"): Stanza {
  const stanzas = parseStanzas(text, what);
  const [stanza] = stanzas;
  if (!stanza || stanzas.length !== 1) throw new FormatError(`${what}: has ${stanzas.length} stanzas, expected 1`);
  return stanza;
}
