// A reading position in bytes: bounds-checked fixed-width reads whose errors say what was read, where and how much there is.

import { FormatError } from "./errors.ts";
import { hex } from "./text.ts";

/** Reads numbers and byte ranges. `what` opens every message ("ELF", "ar"). Nothing is copied: ranges are views. */
export class Cursor {
  readonly bytes: Uint8Array;
  readonly what: string;
  readonly littleEndian: boolean;
  position: number;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, what: string, options: { position?: number; bigEndian?: boolean } = {}) {
    this.bytes = bytes;
    this.what = what;
    this.position = options.position ?? 0;
    this.littleEndian = !options.bigEndian;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get remaining(): number {
    return this.bytes.length - this.position;
  }

  get atEnd(): boolean {
    return this.position >= this.bytes.length;
  }

  /** Moves to an absolute offset; the end itself is allowed. */
  seek(position: number): this {
    if (!(position >= 0 && position <= this.bytes.length)) {
      throw new FormatError(`${this.what}: offset ${hex(position)} is outside, file has ${hex(this.bytes.length)}`);
    }
    this.position = position;
    return this;
  }

  skip(count: number): this {
    this.#take(count);
    return this;
  }

  #take(count: number): number {
    const at = this.position;
    if (!(count >= 0 && count <= this.bytes.length - at)) {
      throw new FormatError(
        `${this.what}: ${hex(count)} bytes at ${hex(at)} end at ${hex(at + count)}, file has ${hex(this.bytes.length)}`,
      );
    }
    this.position = at + count;
    return at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }
  u16(): number {
    return this.#view.getUint16(this.#take(2), this.littleEndian);
  }
  u32(): number {
    return this.#view.getUint32(this.#take(4), this.littleEndian);
  }
  i32(): number {
    return this.#view.getInt32(this.#take(4), this.littleEndian);
  }
  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8), this.littleEndian);
  }
  i64(): bigint {
    return this.#view.getBigInt64(this.#take(8), this.littleEndian);
  }

  /** A 64-bit count or offset that has to be a number JavaScript can hold exactly. */
  size64(): number {
    const at = this.position;
    const value = this.u64();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new FormatError(`${this.what}: ${hex(value)} at ${hex(at)} is no sensible size or offset`);
    }
    return Number(value);
  }

  /** A view of the next `count` bytes. */
  take(count: number): Uint8Array {
    const at = this.#take(count);
    return this.bytes.subarray(at, at + count);
  }
}

/** A view of `bytes[offset, offset + length)`; `part` names it in the error ("section 3"). */
export function range(bytes: Uint8Array, offset: number, length: number, what: string, part: string): Uint8Array {
  if (!(offset >= 0 && length >= 0 && offset + length <= bytes.length)) {
    throw new FormatError(`${what}: ${part} ends at ${hex(offset + length)}, file has ${hex(bytes.length)}`);
  }
  return bytes.subarray(offset, offset + length);
}
