// FlexBuffers: a map of named scalars and strings, as TensorFlow Lite's custom operators keep their options (the
// format's "Schema-less version" page). Everything is found from the end, through offsets that point backwards.

import { FormatError } from "../base/errors.ts";
import { hex } from "../base/text.ts";

export type FlexValue = number | boolean | string | readonly number[];

const decoder = new TextDecoder();
/** Most entries of a map. */
const maximumEntries = 1 << 16;

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #what: string;

  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = what;
  }

  check(at: number, size: number): void {
    if (!(at >= 0 && size >= 0 && at + size <= this.#bytes.length)) {
      throw new FormatError(
        `${this.#what}: ${size} bytes at ${hex(Math.max(at, 0))}, the options have ${this.#bytes.length}`,
      );
    }
  }
  unsigned(at: number, width: number): number {
    this.check(at, width);
    if (width === 8) return Number(this.#view.getBigUint64(at, true));
    return width === 4
      ? this.#view.getUint32(at, true)
      : width === 2
        ? this.#view.getUint16(at, true)
        : this.#view.getUint8(at);
  }
  signed(at: number, width: number): number {
    this.check(at, width);
    if (width === 8) return Number(this.#view.getBigInt64(at, true));
    return width === 4
      ? this.#view.getInt32(at, true)
      : width === 2
        ? this.#view.getInt16(at, true)
        : this.#view.getInt8(at);
  }
  float(at: number, width: number): number {
    this.check(at, width);
    if (width !== 4 && width !== 8) throw new FormatError(`${this.#what}: a float of ${width} bytes at ${hex(at)}`);
    return width === 8 ? this.#view.getFloat64(at, true) : this.#view.getFloat32(at, true);
  }
  /** Where the offset at a place points: so many bytes before it. */
  back(at: number, width: number): number {
    const to = at - this.unsigned(at, width);
    this.check(to, 0);
    return to;
  }
  count(at: number, width: number): number {
    const count = this.unsigned(at - width, width);
    if (count > maximumEntries) throw new FormatError(`${this.#what}: ${count} entries at ${hex(at)}`);
    return count;
  }
  key(at: number): string {
    this.check(at, 1);
    const end = this.#bytes.indexOf(0, at);
    if (end < 0) throw new FormatError(`${this.#what}: name at ${hex(at)} does not end`);
    return decoder.decode(this.#bytes.subarray(at, end));
  }
  text(at: number, length: number): string {
    this.check(at, length);
    return decoder.decode(this.#bytes.subarray(at, at + length));
  }

  /** A value of a packed type (type and width of what it refers to); undefined for the kinds options do not have. */
  value(at: number, width: number, packed: number): FlexValue | undefined {
    const inner = 1 << (packed & 3);
    switch (packed >> 2) {
      case 1:
        return this.signed(at, width);
      case 2:
        return this.unsigned(at, width);
      case 3:
        return this.float(at, width);
      case 5: {
        const to = this.back(at, width);
        return this.text(to, this.unsigned(to - inner, inner));
      }
      case 6:
        return this.signed(this.back(at, width), inner);
      case 7:
        return this.unsigned(this.back(at, width), inner);
      case 8:
        return this.float(this.back(at, width), inner);
      case 11:
      case 12:
      case 13: {
        const to = this.back(at, width);
        const read = [this.signed, this.unsigned, this.float][(packed >> 2) - 11]!;
        return Array.from({ length: this.count(to, inner) }, (_, i) => read.call(this, to + i * inner, inner));
      }
      case 26:
        return this.unsigned(at, width) !== 0;
      default:
        return undefined;
    }
  }
}

/** Reads a map; entries of other kinds than numbers, booleans, strings and lists of numbers are left out. */
export function readFlexMap(bytes: Uint8Array, what: string): ReadonlyMap<string, FlexValue> {
  const reader = new Reader(bytes, what);
  if (bytes.length < 3) throw new FormatError(`${what}: options of ${bytes.length} bytes`);
  const width = bytes[bytes.length - 1]!;
  const packed = bytes[bytes.length - 2]!;
  if (![1, 2, 4, 8].includes(width) || packed >> 2 !== 9) {
    throw new FormatError(`${what}: options are no map (type ${packed >> 2}, width ${width})`);
  }
  const inner = 1 << (packed & 3);
  const values = reader.back(bytes.length - 2 - width, width);
  const count = reader.count(values, inner);
  const keyWidth = reader.unsigned(values - 2 * inner, inner);
  if (count > 0 && ![1, 2, 4, 8].includes(keyWidth)) throw new FormatError(`${what}: names of width ${keyWidth}`);
  const keys = reader.back(values - 3 * inner, inner);
  const map = new Map<string, FlexValue>();
  for (let i = 0; i < count; i++) {
    const name = reader.key(reader.back(keys + i * keyWidth, keyWidth));
    const value = reader.value(values + i * inner, inner, reader.unsigned(values + count * inner + i, 1));
    if (value !== undefined) map.set(name, value);
  }
  return map;
}
