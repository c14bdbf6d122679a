// Filters of HDF5 chunks: deflate, shuffle, Fletcher's checksum (section IV.A.2.l).

import { unzlibSync } from "fflate";
import type { Cursor } from "../../base/cursor.ts";
import { FormatError, messageOf, UnsupportedFormat } from "../../base/errors.ts";
import { cString, hex } from "../../base/text.ts";

export interface Filter {
  readonly id: number;
  readonly values: readonly number[];
  /** A chunk may be stored without it. */
  readonly optional: boolean;
}

const names: Readonly<Record<number, string>> = { 4: "szip", 5: "n-bit", 6: "scale-offset", 32000: "LZF" };

/** A filter pipeline message. */
export function readFilters(cursor: Cursor): Filter[] {
  const version = cursor.u8();
  const count = cursor.u8();
  if (version === 1) cursor.skip(6);
  else if (version !== 2) throw new UnsupportedFormat(`HDF5: filter pipeline of version ${version}`);
  return Array.from({ length: count }, () => {
    const id = cursor.u16();
    const nameLength = version === 1 || id >= 256 ? cursor.u16() : 0;
    const flags = cursor.u16();
    const valueCount = cursor.u16();
    const name = cString(cursor.take(nameLength));
    const values = Array.from({ length: valueCount }, () => cursor.u32());
    if (version === 1 && valueCount % 2 === 1) cursor.skip(4);
    if (id < 1 || id > 3) throw new UnsupportedFormat(`HDF5: filter ${names[id] ?? (name || id)}`);
    return { id, values, optional: (flags & 1) !== 0 };
  });
}

/** Undoes the filters of a chunk of `size` bytes; bit i of `mask` says that filter i was left out. */
export function unfilter(stored: Uint8Array, filters: readonly Filter[], mask: number, size: number): Uint8Array {
  let bytes = stored;
  for (let i = filters.length - 1; i >= 0; i--) {
    const { id, values } = filters[i]!;
    if ((mask >>> i) & 1) continue;
    if (id === 1) bytes = inflate(bytes, size + 4 * filters.length);
    else if (id === 2) bytes = unshuffle(bytes, values[0] ?? 1);
    else bytes = verified(bytes);
  }
  if (bytes.length !== size) throw new FormatError(`HDF5: chunk has ${bytes.length} bytes, expected ${size}`);
  return bytes;
}

function inflate(packed: Uint8Array, limit: number): Uint8Array {
  // Deflate makes at most 1,032 bytes of one: a larger promise reserves nothing.
  const out = new Uint8Array(Math.min(limit, packed.length * 1032));
  try {
    return unzlibSync(packed, { out });
  } catch (error) {
    throw new FormatError(`HDF5: compressed chunk: ${messageOf(error)}`, { cause: error });
  }
}

/** Puts the bytes of each element together again: they are stored first bytes first. */
function unshuffle(bytes: Uint8Array, width: number): Uint8Array {
  const count = Math.floor(bytes.length / Math.max(1, width));
  if (width <= 1 || count === 0) return bytes;
  const result = new Uint8Array(bytes.length);
  for (let byte = 0; byte < width; byte++) {
    for (let i = 0, from = byte * count, to = byte; i < count; i++, to += width) result[to] = bytes[from + i]!;
  }
  result.set(bytes.subarray(count * width), count * width);
  return result;
}

/** Cuts off and checks the checksum at the end: Fletcher's, over 16-bit words with the high byte first. */
function verified(bytes: Uint8Array): Uint8Array {
  if (bytes.length < 4) throw new FormatError(`HDF5: chunk of ${bytes.length} bytes has no checksum`);
  const content = bytes.subarray(0, bytes.length - 4);
  let [low, high] = [0, 0];
  const words = content.length >> 1;
  for (let i = 0; i < words; i++) {
    low = (low + ((content[2 * i]! << 8) | content[2 * i + 1]!)) % 65535;
    high = (high + low) % 65535;
  }
  if (content.length & 1) {
    low = (low + (content.at(-1)! << 8)) % 65535;
    high = (high + low) % 65535;
  }
  const tail = bytes.subarray(bytes.length - 4);
  const [storedLow, storedHigh] = [tail[0]! | (tail[1]! << 8), tail[2]! | (tail[3]! << 8)];
  // 0 and 65535 are the same remainder.
  if (low % 65535 !== storedLow % 65535 || high % 65535 !== storedHigh % 65535) {
    const [got, wanted] = [high * 65536 + low, storedHigh * 65536 + storedLow];
    throw new FormatError(`HDF5: chunk has checksum ${hex(got)}, expected ${hex(wanted)}`);
  }
  return content;
}
