// The map of a guest's linear memory. Linear offset = low 32 bits of the guest address. The first 4 MiB belong to the
// kernel and the translator: no guest mapping may be placed there, and the page table refuses every access to it.

export const pageShift = 12;
export const pageSize = 1 << pageShift;
export const pageMask = pageSize - 1;

export const layout = {
  /** State of the running task (cpu/state.ts), at most 4 KiB. */
  state: 0x1000,
  /** Values of the interpreter's current block: one 16-byte slot an operation, 64 KiB. */
  slots: 0x10000,
  /** Indirect branch cache, 64 KiB (cpu/translate). */
  branchCache: 0x20000,
  /** Interpreter's block look-up cache and other translator data, 0x30000 to 0x100000. */
  translator: 0x30000,
  /** One byte for each of the 2^20 pages: which accesses are refused (`Denied`). */
  pageTable: 0x100000,
  /** The interpreter's code, 2 MiB. */
  code: 0x200000,
  /** First address a guest mapping may have. The page below stays unused. */
  guest: 0x400000,
  /** Where the interpreter keeps its code instead, as long as no mapping wants to be there: see GuestMemory.reserved. */
  arena: 0x2000000,
  arenaEnd: 0x2800000,
  /** End of the guest's range: the last 64 KiB are never mapped, so that no access runs past the end of memory. */
  end: 0xffff0000,
} as const;

/**
 * Bits of a page table byte; a set bit refuses the access on the fast path. `read` and `write` may be set for pages
 * that are in fact accessible but watched (translated code on a page sets `write`): the slow path asks `watched`.
 * Compiled code tests read and write only.
 */
export const Denied = { read: 1, write: 2, execute: 4, all: 7, watched: 8, unmapped: 16 } as const;

/** What was attempted. */
export const Access = { read: 1, write: 2, execute: 4 } as const;
