// A repository's Packages file, tens of megabytes of stanzas: indexed by name and by what is provided, parsed only where asked.
// The file and its index are kept in the cache under the file's SHA-256, so that the next question reads but a few stanzas.

import { encodeUtf8, latin1, utf8 } from "../base/text.ts";
import { parseStanza, type Stanza } from "../formats/debcontrol.ts";
import type { PackageHost } from "../host/packages.ts";
import { isHostError, listDirectory, readFile, writeAtomically } from "./hostfiles.ts";

const newline = 0x0a;
const packageField = "Package: ";
const providesField = "Provides: ";
/** What has not been written for this long is removed when something new is kept: 30 days in nanoseconds. */
const keptFor = 2_592_000_000_000_000n;

/** What the cache holds beside the text. */
interface Kept {
  size: number;
  /** Where each stanza begins, and the package it is of. */
  starts: number[];
  names: string[];
  /** Name -> numbers of the stanzas that provide it. */
  provided: [name: string, stanzas: number[]][];
}

export class PackagesIndex {
  readonly #kept: Kept;
  readonly #read: (start: number, end: number) => Uint8Array;
  readonly #what: string;
  readonly #named = new Map<string, number[]>();
  readonly #providing: Map<string, number[]>;
  readonly #parsed = new Map<number, Stanza>();

  private constructor(kept: Kept, read: (start: number, end: number) => Uint8Array, what: string) {
    this.#kept = kept;
    this.#read = read;
    this.#what = what;
    for (const [i, name] of kept.names.entries()) add(this.#named, name, i);
    this.#providing = new Map(kept.provided);
  }

  /** Indexes a text. */
  static of(bytes: Uint8Array, what: string): PackagesIndex {
    return new PackagesIndex(scan(bytes), (start, end) => bytes.subarray(start, end), what);
  }

  /** The index of the text with this SHA-256, when it was kept. */
  static recall(host: PackageHost, sha256: string, what: string): PackagesIndex | undefined {
    const [text, index] = paths(host, sha256);
    const bytes = readFile(host.files, index);
    if (!bytes) return undefined;
    try {
      const kept = JSON.parse(utf8(bytes)) as Kept;
      if (host.files.stat(text, true).size !== kept.size) return undefined;
      return new PackagesIndex(kept, (start, end) => readRange(host, text, start, end), what);
    } catch (error) {
      if (error instanceof SyntaxError || isHostError(error, "ENOENT")) return undefined;
      throw error;
    }
  }

  /** Keeps a text and its index, and removes what is old. */
  keep(host: PackageHost, sha256: string, bytes: Uint8Array): void {
    const [text, index] = paths(host, sha256);
    try {
      writeAtomically(host, text, bytes);
      writeAtomically(host, index, encodeUtf8(JSON.stringify(this.#kept)));
      const directory = text.slice(0, text.lastIndexOf("/"));
      for (const name of listDirectory(host.files, directory)) {
        const path = `${directory}/${name}`;
        if (host.now() - host.files.stat(path, false).modified > keptFor) host.files.remove(path);
      }
    } catch (error) {
      // Without a cache the next question takes longer, nothing else.
      if (!isHostError(error)) throw error;
    }
  }

  named(name: string): Stanza[] {
    return (this.#named.get(name) ?? []).map((i) => this.#stanza(i));
  }

  providing(name: string): Stanza[] {
    return (this.#providing.get(name) ?? []).map((i) => this.#stanza(i));
  }

  #stanza(i: number): Stanza {
    let stanza = this.#parsed.get(i);
    if (!stanza) {
      const { starts, size } = this.#kept;
      stanza = parseStanza(utf8(this.#read(starts[i]!, starts[i + 1] ?? size)), this.#what);
      this.#parsed.set(i, stanza);
    }
    return stanza;
  }
}

function paths(host: PackageHost, sha256: string): [text: string, index: string] {
  const stem = `${host.cacheDirectory}/indexes/${sha256}`;
  return [`${stem}.packages`, `${stem}.json`];
}

function readRange(host: PackageHost, path: string, start: number, end: number): Uint8Array {
  const bytes = new Uint8Array(end - start);
  const file = host.files.open(path, { write: false });
  try {
    return bytes.subarray(0, file.read(bytes, start));
  } finally {
    file.close();
  }
}

/** Finds the stanzas, their names, and what they provide. */
function scan(bytes: Uint8Array): Kept {
  const kept: Kept = { size: bytes.length, starts: [], names: [], provided: [] };
  const provided = new Map<string, number[]>();
  let stanza = 0;
  for (let at = 0; at < bytes.length;) {
    let end = bytes.indexOf(newline, at);
    if (end < 0) end = bytes.length;
    if (end === at) stanza = end + 1;
    // "Pa" and "Pro": the two fields of interest, told apart before a text is made of the line.
    else if (bytes[at] === 0x50 && (bytes[at + 1] === 0x61 || bytes[at + 2] === 0x6f)) {
      const line = latin1(bytes.subarray(at, end));
      if (line.startsWith(packageField)) {
        kept.starts.push(stanza);
        kept.names.push(line.slice(packageField.length).trim());
      } else if (line.startsWith(providesField)) {
        for (const item of line.slice(providesField.length).split(",")) {
          const [name] = item.trim().split(/[\s(:]/);
          // Provides comes after Package in every archive's stanzas.
          if (name) add(provided, name, kept.names.length - 1);
        }
      }
    }
    at = end + 1;
  }
  kept.provided = [...provided];
  return kept;
}

function add(map: Map<string, number[]>, key: string, value: number): void {
  const values = map.get(key);
  if (!values) map.set(key, [value]);
  else if (values[values.length - 1] !== value) values.push(value);
}
