// Cyclic redundancy checks: CRC-32 (gzip, xz), CRC-32C (RFC 3720), CRC-64/XZ, and the most-significant-bit-first CRC-32 of bzip2.

const table32 = new Uint32Array(256);
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

/** CRC-32 as in gzip and xz; `before` continues an earlier one. */
export function crc32(bytes: Uint8Array, before = 0): number {
  let crc = ~before;
  for (let i = 0; i < bytes.length; i++) crc = (crc >>> 8) ^ table32[(crc ^ bytes[i]!) & 255]!;
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
