// Decompression by name or by the bytes' own magic: gzip, xz, zstd, bzip2, lz4. Synchronous, with a limit on the output.

import { Gunzip } from "fflate";
import { Cursor } from "../base/cursor.ts";
import { FormatError, messageOf } from "../base/errors.ts";
import { hex } from "../base/text.ts";
import { bzip2, isBzip2 } from "./bzip2.ts";
import { crc32 } from "./crc.ts";
import { isLz4, lz4 } from "./lz4.ts";
import { Output, defaultOutputLimit } from "./output.ts";
import { isXz, xz } from "./xz.ts";
import { isZstd, zstd } from "./zstd.ts";

/** How bytes are packed. */
export type Compression = "none" | "gzip" | "xz" | "zstd" | "bzip2" | "lz4";

/** Input pieces: small enough that a bomb is noticed before much of it is unpacked. */
const piece = 1 << 16;
/** What the first bytes say. */
export function compressionOf(bytes: Uint8Array): Compression {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return "gzip";
  if (isXz(bytes)) return "xz";
  if (isZstd(bytes)) return "zstd";
  if (isBzip2(bytes)) return "bzip2";
  return isLz4(bytes) ? "lz4" : "none";
}

/** The compression that a file name's end stands for: "data.tar.zst" is zstd. */
export function compressionOfName(name: string): Compression | undefined {
  const extension = /\.(gz|xz|zst|bz2|lz4|lzma|Z)$/.exec(name)?.[1];
  switch (extension) {
    case undefined:
      return "none";
    case "gz":
      return "gzip";
    case "xz":
      return "xz";
    case "zst":
      return "zstd";
    case "bz2":
      return "bzip2";
    case "lz4":
      return "lz4";
    default:
      return undefined;
  }
}

/** Unpacks `bytes`; only a FormatError is thrown. More than `limit` bytes of output are refused. */
export function decompress(
  bytes: Uint8Array,
  compression = compressionOf(bytes),
  limit = defaultOutputLimit,
): Uint8Array {
  switch (compression) {
    case "none":
      return bytes;
    case "gzip":
      return gunzip(bytes, limit);
    case "xz":
      return xz(bytes, limit);
    case "zstd":
      return zstd(bytes, limit);
    case "bzip2":
      return bzip2(bytes, limit);
    case "lz4":
      return lz4(bytes, limit);
  }
}

/** Runs a library that throws errors of its own. */
function guarded(what: string, run: () => void): void {
  try {
    run();
  } catch (error) {
    if (error instanceof FormatError) throw error;
    throw new FormatError(`${what}: ${messageOf(error)}`, { cause: error });
  }
}

/** gzip (RFC 1952), all members; each one's length and CRC-32 are verified. */
export function gunzip(bytes: Uint8Array, limit = defaultOutputLimit): Uint8Array {
  if (bytes.length < 18) throw new FormatError(`gzip: file has ${bytes.length} bytes, the smallest has 18`);
  const out = new Output("gzip", limit, bytes.length * 4);
  // The library tells of every member but the first.
  const members = [{ at: 0, outputStart: 0 }];
  let ended = false;
  guarded("gzip", () => {
    const stream = new Gunzip((chunk, final) => {
      out.append(chunk);
      ended ||= final;
    });
    stream.onmember = (at) => members.push({ at, outputStart: out.length });
    for (let at = 0; at < bytes.length; at += piece) {
      stream.push(bytes.subarray(at, at + piece), at + piece >= bytes.length);
    }
  });
  if (!ended) throw new FormatError(`gzip: ends at ${hex(bytes.length)} inside its data`);
  for (const [i, { outputStart }] of members.entries()) {
    const next = members[i + 1];
    const trailer = new Cursor(bytes, "gzip").seek(Math.max(0, (next?.at ?? bytes.length) - 8));
    const member = out.bytes.subarray(outputStart, next?.outputStart ?? out.length);
    const [crc, size, got] = [trailer.u32(), trailer.u32(), crc32(member)];
    if (size !== member.length >>> 0)
      throw new FormatError(`gzip: member ${i} has ${member.length} bytes, says ${size}`);
    if (crc !== got) throw new FormatError(`gzip: member ${i} has CRC-32 ${hex(got)}, expected ${hex(crc)}`);
  }
  return out.finish();
}
