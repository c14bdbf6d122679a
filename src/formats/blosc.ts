// Blosc 1 chunks, as zarr stores them: blocks of shuffled bytes under LZ4, zlib or zstd. Source: C-Blosc's description of
// its chunk format.

import { Cursor, range } from "../base/cursor.ts";
import { FormatError, UnsupportedFormat } from "../base/errors.ts";
import { lz4Block } from "./lz4.ts";
import { zlib } from "./zlib.ts";
import { zstd } from "./zstd.ts";

const what = "blosc";
const headerSize = 16;
const Flag = { shuffle: 1, copied: 2, bitShuffle: 4, whole: 16 } as const;
/** Elements wider than this, and blocks with fewer of them, are not split by bytes. */
const widestSplit = 16;
const fewestElements = 128;

const codecs: Readonly<Record<number, (bytes: Uint8Array, limit: number) => Uint8Array>> = {
  1: lz4Block,
  3: zlib,
  4: zstd,
};
const names = ["blosclz", "lz4", "snappy", "zlib", "zstd"];

/** Unpacks a chunk. More than `limit` bytes of output are refused. */
export function blosc(bytes: Uint8Array, limit: number): Uint8Array {
  const cursor = new Cursor(bytes, what);
  const version = cursor.u8();
  cursor.skip(1);
  const flags = cursor.u8();
  const width = cursor.u8() || 1;
  const [size, blockSize, packed] = [cursor.u32(), cursor.u32(), cursor.u32()];
  if (version > 2) throw new UnsupportedFormat(`${what}: version ${version} is not known`);
  if (size > limit) throw new FormatError(`${what}: unpacks to ${size} bytes, the limit is ${limit}`);
  if (packed !== bytes.length) throw new FormatError(`${what}: chunk of ${packed} bytes, there are ${bytes.length}`);
  if (flags & Flag.copied) return range(bytes, headerSize, size, what, "copied content");
  if (flags & Flag.bitShuffle) throw new UnsupportedFormat(`${what}: shuffled bits are not built`);
  if (size === 0) return new Uint8Array(0);
  if (blockSize === 0) throw new FormatError(`${what}: blocks have no bytes`);
  const codec = codecs[flags >> 5];
  if (!codec) throw new UnsupportedFormat(`${what}: compressor ${names[flags >> 5] ?? flags >> 5} is not built`);
  const count = Math.ceil(size / blockSize);
  if (count * 4 > cursor.remaining) throw new FormatError(`${what}: ${count} blocks in ${cursor.remaining} bytes`);
  const result = new Uint8Array(size);
  for (let i = 0; i < count; i++) {
    const length = Math.min(blockSize, size - i * blockSize);
    const split =
      !(flags & Flag.whole) && width <= widestSplit && blockSize / width >= fewestElements && length === blockSize;
    const block = new Uint8Array(length);
    const start = new Cursor(bytes, what, { position: headerSize + 4 * i }).u32();
    readBlock(new Cursor(bytes, what).seek(start), block, split ? width : 1, codec);
    if (flags & Flag.shuffle) unshuffle(block, result.subarray(i * blockSize, i * blockSize + length), width);
    else result.set(block, i * blockSize);
  }
  return result;
}

/** A block is one stream, or one for each byte of its elements. */
function readBlock(
  cursor: Cursor,
  block: Uint8Array,
  streams: number,
  codec: (bytes: Uint8Array, limit: number) => Uint8Array,
): void {
  const each = Math.floor(block.length / streams);
  for (let i = 0; i < streams; i++) {
    const stored = cursor.take(cursor.u32());
    const content = stored.length === each ? stored : codec(stored, each);
    if (content.length !== each) throw new FormatError(`${what}: stream of ${content.length} bytes, expected ${each}`);
    block.set(content, i * each);
  }
}

/** Puts the bytes of each element together: they are stored first bytes first; what is left over comes as it is. */
function unshuffle(from: Uint8Array, to: Uint8Array, width: number): void {
  const count = Math.floor(from.length / width);
  for (let k = 0; k < width; k++) for (let i = 0; i < count; i++) to[i * width + k] = from[k * count + i]!;
  to.set(from.subarray(count * width), count * width);
}
