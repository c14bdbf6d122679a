// The records that go to native.c and come back, and the guest addresses both sides agree on.

/** Places in the address space; equal to those in native.c. */
export const place = {
  scratch: 0x10000000,
  /** Bytes of the scratch area that each case fills and compares; a page boundary lies in its middle. */
  window: 0x10000e80,
  windowSize: 768,
  /** A page that may only be read, all zero, after the scratch area. */
  readOnly: 0x10003000,
  /** A page that may be written, with nothing after it. */
  last: 0x10005000,
  end: 0x10006000,
  /** Bytes before `readOnly` and before `end` that are zero when a case starts. */
  edge: 64,
  code: 0x10010000,
  /** Where branches that are taken go. */
  taken: 0x10010040,
} as const;

/** Byte offsets within a record. */
export const field = {
  code: 0,
  codeSize: 48,
  length: 48,
  flags: 52,
  registers: 64,
  fx: 192,
  window: 704,
  size: 704 + place.windowSize,
  // Results only.
  trap: 0,
  resultFlags: 4,
  address: 8,
  pc: 16,
} as const;

/** Values of `trap` that are no vector. */
export const outcome = { none: 0xffffffff, jumped: 0xfffffffe } as const;

/** Byte offsets within an FXSAVE image (Intel SDM volume 1, section 10.5.1). */
export const fx = { control: 0, status: 2, tags: 4, mxcsr: 24, st: 32, xmm: 160 } as const;
