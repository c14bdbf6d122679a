// Where everything of an HDF5 file is read from: addresses and lengths of the file's own widths, signatures, checksums.
// Source for this folder: HDF5 File Format Specification, version 3.0.

import { Cursor } from "../../base/cursor.ts";
import { FormatError } from "../../base/errors.ts";
import { hex, latin1 } from "../../base/text.ts";

/** Bytes with the widths of addresses and lengths that the superblock gives. */
export class Storage {
  readonly bytes: Uint8Array;
  readonly offsetSize: number;
  readonly lengthSize: number;
  /** Added to every address. */
  readonly base: number;

  constructor(bytes: Uint8Array, sizes: { offsetSize: number; lengthSize: number; base: number }) {
    this.bytes = bytes;
    this.offsetSize = sizes.offsetSize;
    this.lengthSize = sizes.lengthSize;
    this.base = sizes.base;
  }

  /** A cursor at an address; `what` opens its messages. */
  at(address: number, what: string): Cursor {
    return new Cursor(this.bytes, `HDF5: ${what}`).seek(address + this.base);
  }

  /** A cursor after the signature at an address, which must be there. */
  signed(address: number, signature: string, what: string): Cursor {
    const cursor = this.at(address, what);
    const found = latin1(cursor.take(4));
    if (found !== signature) {
      throw new FormatError(
        `HDF5: ${what} at ${hex(address)} begins with ${JSON.stringify(found)}, not "${signature}"`,
      );
    }
    return cursor;
  }

  /** An address; undefined when it is the undefined one. */
  address(cursor: Cursor): number | undefined {
    const at = cursor.position;
    const value = unsigned(cursor, this.offsetSize);
    if (value === undefined) return undefined;
    if (value + this.base > this.bytes.length) {
      throw new FormatError(
        `${cursor.what}: address ${hex(value)} at ${hex(at)} is outside, file has ${hex(this.bytes.length)}`,
      );
    }
    return value;
  }

  /** An address that has to be there. */
  definedAddress(cursor: Cursor): number {
    const value = this.address(cursor);
    if (value === undefined) throw new FormatError(`${cursor.what}: undefined address at ${hex(cursor.position)}`);
    return value;
  }

  /** A length; the undefined one (of unlimited extents) is Infinity. */
  length(cursor: Cursor): number {
    return unsigned(cursor, this.lengthSize) ?? Infinity;
  }

  /** Verifies the checksum (Jenkins' lookup3) that follows what was read from `start` (a position) to here. */
  checked(cursor: Cursor, start: number): void {
    const computed = lookup3(this.bytes.subarray(start, cursor.position));
    const stored = cursor.u32();
    if (computed !== stored) {
      throw new FormatError(`${cursor.what} at ${hex(start)} has checksum ${hex(computed)}, expected ${hex(stored)}`);
    }
  }
}

/** An unsigned number of 1 to 8 bytes; undefined when all bits are set. */
export function unsigned(cursor: Cursor, size: number): number | undefined {
  const at = cursor.position;
  const bytes = cursor.take(size);
  let value = 0;
  let ones = true;
  for (let i = size - 1; i >= 0; i--) {
    value = value * 256 + bytes[i]!;
    ones &&= bytes[i] === 255;
  }
  if (ones) return undefined;
  if (value > Number.MAX_SAFE_INTEGER) {
    throw new FormatError(`${cursor.what}: ${value} at ${hex(at)} is no sensible size or address`);
  }
  return value;
}

/** An unsigned number of 1 to 8 bytes in which no value is special. */
export function plainUnsigned(cursor: Cursor, size: number): number {
  return unsigned(cursor, size) ?? 2 ** (8 * size) - 1;
}

/** Bytes that hold any number up to `limit`. */
export function bytesFor(limit: number): number {
  return Math.floor(Math.log2(Math.max(1, limit)) / 8) + 1;
}

/** Remembers addresses that were visited: trees and chains of a broken file may come back to themselves. */
export class Visited {
  private readonly addresses = new Set<number>();
  private readonly what: string;
  constructor(what: string) {
    this.what = what;
  }
  add(address: number): void {
    if (this.addresses.has(address)) throw new FormatError(`HDF5: ${this.what} leads to ${hex(address)} twice`);
    this.addresses.add(address);
  }
}

const rotate = (x: number, by: number) => (x << by) | (x >>> (32 - by));

/** Jenkins' lookup3 hash with a starting value of 0: the checksum of HDF5's metadata. */
export function lookup3(bytes: Uint8Array): number {
  let a = (0xdeadbeef + bytes.length) | 0;
  let b = a;
  let c = a;
  const word = (at: number) => {
    let value = 0;
    for (let i = 3; i >= 0; i--) value = (value << 8) | (bytes[at + i] ?? 0);
    return value;
  };
  let at = 0;
  for (; bytes.length - at > 12; at += 12) {
    a = (a + word(at)) | 0;
    b = (b + word(at + 4)) | 0;
    c = (c + word(at + 8)) | 0;
    a = ((a - c) | 0) ^ rotate(c, 4);
    c = (c + b) | 0;
    b = ((b - a) | 0) ^ rotate(a, 6);
    a = (a + c) | 0;
    c = ((c - b) | 0) ^ rotate(b, 8);
    b = (b + a) | 0;
    a = ((a - c) | 0) ^ rotate(c, 16);
    c = (c + b) | 0;
    b = ((b - a) | 0) ^ rotate(a, 19);
    a = (a + c) | 0;
    c = ((c - b) | 0) ^ rotate(b, 4);
    b = (b + a) | 0;
  }
  if (at === bytes.length) return c >>> 0;
  a = (a + word(at)) | 0;
  b = (b + word(at + 4)) | 0;
  c = (c + word(at + 8)) | 0;
  c = ((c ^ b) - rotate(b, 14)) | 0;
  a = ((a ^ c) - rotate(c, 11)) | 0;
  b = ((b ^ a) - rotate(a, 25)) | 0;
  c = ((c ^ b) - rotate(b, 16)) | 0;
  a = ((a ^ c) - rotate(c, 4)) | 0;
  b = ((b ^ a) - rotate(a, 14)) | 0;
  c = ((c ^ b) - rotate(b, 24)) | 0;
  return c >>> 0;
}
