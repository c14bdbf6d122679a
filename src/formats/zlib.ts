// zlib streams (RFC 1950) of a known largest size.

import { unzlibSync } from "fflate";
import { FormatError, messageOf } from "../base/errors.ts";

/** Unpacks a stream. More than `limit` bytes of output are refused. */
export function zlib(bytes: Uint8Array, limit: number): Uint8Array {
  // Deflate makes at most 1,032 bytes of one: a larger promise reserves nothing.
  const out = new Uint8Array(Math.min(limit, bytes.length * 1032));
  try {
    return unzlibSync(bytes, { out });
  } catch (error) {
    throw new FormatError(`zlib: ${messageOf(error)}`, { cause: error });
  }
}
