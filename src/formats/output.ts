// The growing result of a decompressor, with a limit that turns a decompression bomb into an error.

import { FormatError } from "../base/errors.ts";

/** What decompressors may produce unless told otherwise: 4 GiB minus a page, the most that one buffer is used for. */
export const defaultOutputLimit = 0xfffff000;

/** Bytes appended one by one or in runs; earlier bytes can be read back, so it serves as the dictionary as well. */
export class Output {
  bytes: Uint8Array<ArrayBuffer>;
  length = 0;
  readonly #what: string;
  readonly #limit: number;

  /** `expected` is a guess at the size: only that much is reserved at first. */
  constructor(what: string, limit: number, expected: number) {
    this.#what = what;
    this.#limit = limit;
    this.bytes = new Uint8Array(Math.max(4096, Math.min(expected, limit)));
  }

  /** Makes room for `count` more bytes; `bytes` may be another array afterwards. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed > this.#limit) throw overLimit(this.#what, this.#limit);
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.min(this.#limit, Math.max(needed, this.bytes.length * 2)));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  append(run: Uint8Array): void {
    this.reserve(run.length);
    this.bytes.set(run, this.length);
    this.length += run.length;
  }

  /** What was written; a copy when much of the buffer is unused, so that a cached result does not hold twice its size. */
  finish(): Uint8Array<ArrayBuffer> {
    const written = this.bytes.subarray(0, this.length);
    return this.length * 4 < this.bytes.length * 3 ? written.slice() : written;
  }
}

function overLimit(what: string, limit: number): FormatError {
  return new FormatError(`${what}: unpacks to more than the limit of ${limit} bytes`);
}
