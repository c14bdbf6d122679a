// Numbers, strings and lists of MLIR bytecode (MLIR Bytecode Format, "Primitives"), and the dialects' reading position.

import { Cursor } from "../../../../base/cursor.ts";
import { FormatError } from "../../../../base/errors.ts";
import { utf8 } from "../../../../base/text.ts";
import type { Attribute, Type } from "./module.ts";

export const what = "MLIR bytecode";

/** A cursor with the variable-width integers: the number of trailing zero bits of the first byte says how many follow. */
export class Decoder extends Cursor {
  constructor(bytes: Uint8Array, position = 0) {
    super(bytes, what, { position });
  }

  fail(message: string): never {
    throw new FormatError(`${what}: ${message} (at ${this.position} of ${this.bytes.length})`);
  }

  varint64(): bigint {
    const first = this.u8();
    if (first & 1) return BigInt(first >> 1);
    if (first === 0) return this.u64();
    const more = 31 - Math.clz32(first & -first);
    let value = BigInt(first >> (more + 1));
    const bytes = this.take(more);
    for (let i = 0; i < more; i++) value |= BigInt(bytes[i]!) << BigInt(8 * i + 7 - more);
    return value;
  }

  varint(): number {
    const value = this.varint64();
    return value <= 0xffff_ffff_ffffn ? Number(value) : this.fail(`${value} is no sensible count or index`);
  }

  /** A number and a flag in its lowest bit. */
  flagged(): [value: number, flag: boolean] {
    const value = this.varint();
    return [Math.floor(value / 2), value % 2 === 1];
  }

  /** A number of things that each take a byte or more. */
  count(): number {
    const count = this.varint();
    return count <= this.remaining ? count : this.fail(`${count} things do not fit the ${this.remaining} bytes left`);
  }

  /** Zigzag encoding. */
  signed(): bigint {
    const value = this.varint64();
    return (value >> 1n) ^ -(value & 1n);
  }

  integers(): bigint[] {
    return Array.from({ length: this.count() }, () => this.signed());
  }

  /** Bytes up to a zero. */
  cString(): string {
    const end = this.bytes.indexOf(0, this.position);
    if (end < 0) this.fail("a string is not ended");
    const text = utf8(this.bytes.subarray(this.position, end));
    this.position = end + 1;
    return text;
  }

  /** Skips to a multiple of an alignment, counted from the start of the file. */
  align(alignment: number, base: number): void {
    if (alignment < 1 || alignment > 1 << 20 || (alignment & (alignment - 1)) !== 0) {
      this.fail(`alignment ${alignment}`);
    }
    const over = (base + this.position) % alignment;
    if (over > 0) this.skip(alignment - over);
  }
}

/** What dialects read attributes and types with. */
export interface DialectDecoder {
  readonly data: Decoder;
  attribute(): Attribute;
  /** One that may be missing. */
  type(): Type;
  types(): Type[];
  attributes(): Attribute[];
  string(): string;
  blob(): Uint8Array;
  /** The bytes of a resource. */
  resource(): Uint8Array;
}

/** An integer of so many bits. */
export function readInteger(data: Decoder, width: number): bigint {
  if (width <= 8) return BigInt(data.u8());
  if (width <= 64) return data.signed();
  const words = data.varint();
  if (words > 16) data.fail(`an integer of ${words} words`);
  let value = 0n;
  for (let i = 0; i < words; i++) value |= BigInt.asUintN(64, data.signed()) << BigInt(64 * i);
  return value;
}

/** A float by its bits. */
export function readFloat(data: Decoder, name: string): number {
  const view = new DataView(new ArrayBuffer(8));
  switch (name) {
    case "f64":
      view.setBigInt64(0, readInteger(data, 64));
      return view.getFloat64(0);
    case "f32":
      view.setInt32(0, Number(BigInt.asIntN(32, readInteger(data, 32))));
      return view.getFloat32(0);
    case "bf16":
      view.setInt32(0, Number(BigInt.asIntN(16, readInteger(data, 16))) << 16);
      return view.getFloat32(0);
    case "f16": {
      const bits = Number(BigInt.asUintN(16, readInteger(data, 16)));
      const [exponent, mantissa] = [(bits >> 10) & 31, bits & 1023];
      const magnitude =
        exponent === 31
          ? mantissa
            ? Number.NaN
            : Infinity
          : exponent === 0
            ? mantissa * 2 ** -24
            : (1024 + mantissa) * 2 ** (exponent - 25);
      return bits & 0x8000 ? -magnitude : magnitude;
    }
    default:
      return data.fail(`a float of type ${name}`);
  }
}
