// The arithmetic flags, kept lazily: the kind of operation that set them last and its operands. Shared by the
// interpreter, the region compiler and signal frames. Flag semantics: Intel SDM volume 1, section 3.4.3.1.

/** Bits of EFLAGS. */
export const Flag = { carry: 0x1, parity: 0x4, adjust: 0x10, zero: 0x40, sign: 0x80, overflow: 0x800 } as const;
export const arithmeticFlags = 0x8d5;

/**
 * What set the flags. Operands (a, b, c) by kind; r is the result truncated to the operand size:
 * bits: a = EFLAGS bits themselves. add: r = a + b. sub: r = a - b. adc: r = a + b + c, sbb: r = a - b - c (c is 0 or 1).
 * logic: a = r, CF = OF = AF = 0. inc: a = r, b = CF kept (0 or 1); dec likewise.
 * shl: a = r, b = operand before, c = count (not 0, already masked). shr and sar likewise.
 * mul: a = r (low half), b = 1 when CF and OF are set. Undefined flags (AF, SF, ZF, PF of mul) come from r as QEMU does.
 * Operands narrower than the slot are zero-extended; bits above the size are ignored.
 */
export const FlagKind = {
  bits: 0,
  add: 1,
  sub: 2,
  adc: 3,
  sbb: 4,
  logic: 5,
  inc: 6,
  dec: 7,
  shl: 8,
  shr: 9,
  sar: 10,
  mul: 11,
} as const;

/** Operand size as log2 of the bytes: 0 = 8 bits ... 3 = 64 bits. */
export type Size = 0 | 1 | 2 | 3;

/** The immediate of cc.set and cc.bits. Sizes 0-2 use the 32-bit forms, size 3 the 64-bit forms. */
export const flagImmediate = (kind: number, size: Size): number => kind | (size << 8);
