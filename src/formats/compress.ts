// Decompression by name or by the bytes' own magic: gzip, xz, zstd, bzip2, lz4. Synchronous, with a limit on the output.

import { Gunzip } from "fflate";
import { Decompress as ZstdDecompress } from "fzstd";
import { Cursor } from "../base/cursor.ts";
import { FormatError, UnsupportedFormat, messageOf } from "../base/errors.ts";
import { hex } from "../base/text.ts";
import { bzip2, isBzip2 } from "./bzip2.ts";
import { crc32 } from "./crc.ts";
import { isLz4, lz4 } from "./lz4.ts";
import { Output, defaultOutputLimit } from "./output.ts";
import { isXz, xz } from "./xz.ts";

/** How bytes are packed. */
export type Compression = "none" | "gzip" | "xz" | "zstd" | "bzip2" | "lz4";

/** Input pieces: small enough that a bomb is noticed before much of it is unpacked. */
const piece = 1 << 16;
/** The largest window that a zstd frame may ask for: what `zstd -d` takes without `--long`. */
const zstdWindowLimit = 1 << 27;

/** What the first bytes say. */
export function compressionOf(bytes: Uint8Array): Compression {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return "gzip";
  if (isXz(bytes)) return "xz";
  if (bytes[0] === 0x28 && bytes[1] === 0xb5 && bytes[2] === 0x2f && bytes[3] === 0xfd) return "zstd";
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

/** Zstandard (RFC 8878), all frames. */
export function zstd(bytes: Uint8Array, limit = defaultOutputLimit): Uint8Array {
  const promised = checkZstdFrames(bytes);
  const out = new Output("zstd", limit, Math.min(promised, bytes.length * 64));
  guarded("zstd", () => {
    const stream = new ZstdDecompress((chunk) => out.append(chunk));
    for (let at = 0; at < bytes.length; at += piece) {
      stream.push(bytes.subarray(at, at + piece), at + piece >= bytes.length);
    }
  });
  if (out.length < promised) throw new FormatError(`zstd: has ${out.length} bytes, its frames promise ${promised}`);
  return out.finish();
}

/**
 * Walks the frame and block headers without decoding: refuses windows over the limit and a last frame that is cut short, which
 * the library does not. Gives the sum of the content sizes that frames promise.
 */
function checkZstdFrames(bytes: Uint8Array): number {
  const cursor = new Cursor(bytes, "zstd");
  let promised = 0;
  while (!cursor.atEnd) {
    const at = cursor.position;
    const magic = cursor.u32();
    if (magic >>> 4 === 0x184d2a5) {
      cursor.skip(cursor.u32());
      continue;
    }
    if (magic !== 0xfd2fb528)
      throw new FormatError(`zstd: frame at ${hex(at)} begins with ${hex(magic)}, not 0xfd2fb528`);
    const flags = cursor.u8();
    const single = flags & 0x20;
    let window = 0;
    if (!single) {
      const code = cursor.u8();
      const base = 2 ** (10 + (code >> 3));
      window = base + (base / 8) * (code & 7);
    }
    const dictionary = cursor.take([0, 1, 2, 4][flags & 3]!);
    if (dictionary.some((byte) => byte !== 0))
      throw new UnsupportedFormat("zstd: frames with a dictionary are not built");
    const sizeBytes = flags >> 6 ? 1 << (flags >> 6) : single ? 1 : 0;
    let size = 0;
    if (sizeBytes === 1) size = cursor.u8();
    else if (sizeBytes === 2) size = cursor.u16() + 256;
    else if (sizeBytes === 4) size = cursor.u32();
    else if (sizeBytes === 8) size = cursor.size64();
    if (single) window = size;
    promised += size;
    if (window > zstdWindowLimit)
      throw new FormatError(`zstd: window of ${window} bytes, the limit is ${zstdWindowLimit}`);
    for (let last = 0; !last;) {
      const header = cursor.u8() | (cursor.u16() << 8);
      last = header & 1;
      const type = (header >> 1) & 3;
      if (type === 3) throw new FormatError(`zstd: block at ${hex(cursor.position - 3)} has the reserved type 3`);
      cursor.skip(type === 1 ? 1 : header >>> 3);
    }
    if (flags & 4) cursor.skip(4);
  }
  return promised;
}
