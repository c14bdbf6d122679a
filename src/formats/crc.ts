// Cyclic redundancy checks: CRC-32 (gzip, xz), CRC-32C (RFC 3720), CRC-64/XZ, and the most-significant-bit-first CRC-32 of bzip2.

/** Eight tables: entry 256 k + b is byte b with k zero bytes after it, so that eight bytes go in one step. */
const table32 = new Uint32Array(8 * 256);
const table32c = new Uint32Array(256);
const table32msb = new Uint32Array(256);
const table64low = new Uint32Array(256);
const table64high = new Uint32Array(256);
for (let i = 0; i < 256; i++) {
  let crc = i;
  let castagnoli = i;
  let msb = i << 24;
  let [low, high] = [i, 0];
  for (let bit = 0; bit < 8; bit++) {
    crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    castagnoli = castagnoli & 1 ? (castagnoli >>> 1) ^ 0x82f63b78 : castagnoli >>> 1;
    msb = msb & 0x80000000 ? (msb << 1) ^ 0x04c11db7 : msb << 1;
    const carry = low & 1;
    low = (low >>> 1) | (high << 31);
    high >>>= 1;
    if (carry) {
      low ^= 0xd7870f42;
      high ^= 0xc96c5795;
    }
  }
  table32[i] = crc;
  table32c[i] = castagnoli;
  table32msb[i] = msb;
  table64low[i] = low;
  table64high[i] = high;
}

for (let i = 256; i < table32.length; i++) {
  const shorter = table32[i - 256]!;
  table32[i] = (shorter >>> 8) ^ table32[shorter & 255]!;
}

/** CRC-32 as in gzip and xz; `before` continues an earlier one. */
export function crc32(bytes: Uint8Array, before = 0): number {
  const table = table32;
  let crc = ~before;
  let i = 0;
  for (const end = bytes.length - 7; i < end; i += 8) {
    const low = crc ^ (bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24));
    crc =
      table[1792 + (low & 255)]! ^
      table[1536 + ((low >>> 8) & 255)]! ^
      table[1280 + ((low >>> 16) & 255)]! ^
      table[1024 + (low >>> 24)]! ^
      table[768 + bytes[i + 4]!]! ^
      table[512 + bytes[i + 5]!]! ^
      table[256 + bytes[i + 6]!]! ^
      table[bytes[i + 7]!]!;
  }
  for (; i < bytes.length; i++) crc = (crc >>> 8) ^ table[(crc ^ bytes[i]!) & 255]!;
  return ~crc >>> 0;
}

/** CRC-32C, Castagnoli's polynomial: TensorFlow's tables and records, OCDBT, zarr. `before` continues an earlier one. */
export function crc32c(bytes: Uint8Array, before = 0): number {
  let crc = ~before;
  for (let i = 0; i < bytes.length; i++) crc = (crc >>> 8) ^ table32c[(crc ^ bytes[i]!) & 255]!;
  return ~crc >>> 0;
}

/** CRC-32 of bzip2: the same polynomial, most significant bit first. */
export function crc32msb(bytes: Uint8Array): number {
  let crc = -1;
  for (let i = 0; i < bytes.length; i++) crc = (crc << 8) ^ table32msb[(crc >>> 24) ^ bytes[i]!]!;
  return ~crc >>> 0;
}

/** CRC-64/XZ, ECMA-182's polynomial reflected. */
export function crc64(bytes: Uint8Array): bigint {
  let low = -1;
  let high = -1;
  for (let i = 0; i < bytes.length; i++) {
    const index = (low ^ bytes[i]!) & 255;
    low = ((low >>> 8) | (high << 24)) ^ table64low[index]!;
    high = (high >>> 8) ^ table64high[index]!;
  }
  return (BigInt(~high >>> 0) << 32n) | BigInt(~low >>> 0);
}
