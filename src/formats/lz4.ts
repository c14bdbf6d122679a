// LZ4 frames, as APT keeps its downloaded indexes. Source: the LZ4 frame format 1.6.3 and block format descriptions.
// The frames' xxHash checksums are passed over: APT's indexes are verified by the SHA-256 that their signed release names.

import { Cursor } from "../base/cursor.ts";
import { FormatError, UnsupportedFormat } from "../base/errors.ts";
import { hex } from "../base/text.ts";
import { Output, defaultOutputLimit } from "./output.ts";

const magic = 0x184d2204;
const minMatch = 4;

export function isLz4(bytes: Uint8Array): boolean {
  return bytes[0] === 0x04 && bytes[1] === 0x22 && bytes[2] === 0x4d && bytes[3] === 0x18;
}

/** Unpacks all frames of `bytes`. More than `limit` bytes of output are refused. */
export function lz4(bytes: Uint8Array, limit = defaultOutputLimit): Uint8Array {
  const cursor = new Cursor(bytes, "lz4");
  const out = new Output("lz4", limit, bytes.length * 4);
  while (!cursor.atEnd) readFrame(cursor, out);
  return out.finish();
}

/** Unpacks one block without a frame, of at most `limit` bytes. */
export function lz4Block(bytes: Uint8Array, limit: number): Uint8Array {
  const out = new Output("lz4", limit, limit);
  readBlock(bytes, out, 0);
  return out.finish();
}

function readFrame(cursor: Cursor, out: Output): void {
  const at = cursor.position;
  const found = cursor.u32();
  if (found >>> 4 === 0x184d2a5) {
    cursor.skip(cursor.u32());
    return;
  }
  if (found !== magic) throw new FormatError(`lz4: frame at ${hex(at)} begins with ${hex(found)}, not ${hex(magic)}`);
  const flags = cursor.u8();
  if (flags >> 6 !== 1) throw new UnsupportedFormat(`lz4: frame version is ${flags >> 6}, known is 1`);
  if (flags & 1) throw new UnsupportedFormat("lz4: frames with a dictionary are not built");
  const [blockChecksums, hasSize, hasChecksum] = [flags & 0x10, flags & 8, flags & 4];
  cursor.skip(1 + (hasSize ? 8 : 0) + 1);
  const start = out.length;
  for (;;) {
    const header = cursor.u32();
    if (header === 0) break;
    const block = cursor.take(header & 0x7fffffff);
    if (header & 0x80000000) out.append(block);
    else readBlock(block, out, start);
    if (blockChecksums) cursor.skip(4);
  }
  if (hasChecksum) cursor.skip(4);
}

function readBlock(block: Uint8Array, out: Output, frameStart: number): void {
  let at = 0;
  const byte = () => {
    if (at >= block.length) throw new FormatError(`lz4: block ends at ${hex(at)} inside a sequence`);
    return block[at++]!;
  };
  const extended = (length: number) => {
    let total = length;
    if (length === 15) {
      let more: number;
      do total += more = byte();
      while (more === 255);
    }
    return total;
  };
  while (at < block.length) {
    const token = byte();
    const literals = extended(token >> 4);
    if (literals > block.length - at) throw new FormatError(`lz4: ${literals} literals pass the end of their block`);
    out.append(block.subarray(at, at + literals));
    at += literals;
    if (at >= block.length) return;
    const low = byte();
    const distance = low | (byte() << 8);
    if (distance === 0 || distance > out.length - frameStart) {
      throw new FormatError(`lz4: a match reaches ${distance} bytes back, there are ${out.length - frameStart}`);
    }
    const length = extended(token & 15) + minMatch;
    out.reserve(length);
    const { bytes } = out;
    for (let i = out.length, end = i + length; i < end; i++) bytes[i] = bytes[i - distance]!;
    out.length += length;
  }
}
