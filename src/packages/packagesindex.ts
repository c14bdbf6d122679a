// A repository's Packages file, tens of megabytes of stanzas: indexed by name and by what is provided, parsed only where asked.

import { latin1, utf8 } from "../base/text.ts";
import { parseStanza, type Stanza } from "../formats/debcontrol.ts";

const newline = 0x0a;
const packageField = "Package: ";
const providesField = "Provides: ";

export class PackagesIndex {
  readonly #bytes: Uint8Array;
  /** Where the stanzas of a name begin. */
  readonly #named = new Map<string, number[]>();
  readonly #providing = new Map<string, number[]>();
  readonly #parsed = new Map<number, Stanza>();
  readonly #what: string;

  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#what = what;
    let stanza = 0;
    for (let at = 0; at < bytes.length;) {
      let end = bytes.indexOf(newline, at);
      if (end < 0) end = bytes.length;
      // "Pa" and "Pro": the two fields of interest, told apart before a text is made of the line.
      if (end === at) stanza = end + 1;
      else if (bytes[at] === 0x50 && (bytes[at + 1] === 0x61 || bytes[at + 2] === 0x6f)) {
        this.#line(latin1(bytes.subarray(at, end)), stanza);
      }
      at = end + 1;
    }
  }

  named(name: string): Stanza[] {
    return (this.#named.get(name) ?? []).map((at) => this.#stanza(at));
  }

  providing(name: string): Stanza[] {
    return (this.#providing.get(name) ?? []).map((at) => this.#stanza(at));
  }

  #line(line: string, stanza: number): void {
    if (line.startsWith(packageField)) add(this.#named, line.slice(packageField.length).trim(), stanza);
    else if (line.startsWith(providesField)) {
      for (const item of line.slice(providesField.length).split(",")) {
        const [name] = item.trim().split(/[\s(:]/);
        if (name) add(this.#providing, name, stanza);
      }
    }
  }

  #stanza(at: number): Stanza {
    let stanza = this.#parsed.get(at);
    if (!stanza) {
      let end = at;
      do {
        const next = this.#bytes.indexOf(newline, end);
        end = next < 0 ? this.#bytes.length : next + 1;
      } while (end < this.#bytes.length && this.#bytes[end] !== newline);
      stanza = parseStanza(utf8(this.#bytes.subarray(at, end)), this.#what);
      this.#parsed.set(at, stanza);
    }
    return stanza;
  }
}

function add(map: Map<string, number[]>, key: string, value: number): void {
  const values = map.get(key);
  if (!values) map.set(key, [value]);
  else if (values[values.length - 1] !== value) values.push(value);
}
