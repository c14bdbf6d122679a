// Where the state of a running task lives in its process's linear memory, so that compiled code reaches it at constant
// addresses. A task that is not running keeps the same bytes in a buffer of its own (cpu/registers.ts).

import { layout } from "../memory/layout.ts";

/** Byte offsets from `layout.state`. Registers are 8 bytes each in the order of their encoding. */
export const offsets = {
  registers: 0, // RAX RCX RDX RBX RSP RBP RSI RDI R8-R15
  pc: 128, // u64: next instruction when stopped between instructions, the faulting one after a fault
  flagKind: 136, // u32: FlagKind | size << 8 of the lazy flags
  direction: 140, // u32: DF, 0 or 1
  flagA: 144, // u64 operands of the lazy flags
  flagB: 152,
  flagC: 160,
  fsBase: 168, // u64
  gsBase: 176, // u64
  otherFlags: 184, // u32: EFLAGS bits that are neither arithmetic nor DF (TF, AC, ID), IF reads as set
  selectors: 188, // u16 x 6: ES CS SS DS FS GS
  xmm: 208, // 16 x 16 bytes
  mxcsr: 464, // u32
  x87Control: 468, // u16
  x87Status: 470, // u16, TOP in bits 11-13
  x87Tags: 472, // u16, two bits a physical register as FSTENV stores them
  x87Opcode: 474, // u16, last opcode
  x87Pc: 480, // u64, last instruction
  x87Data: 488, // u64, last operand
  x87: 496, // 8 physical registers x 16 bytes: 80-bit value, 6 bytes of padding. MMX register i is the significand of physical i
  exitKind: 640, // u32: ExitKind, set before compiled code returns
  exitDetail: 644, // u32: vector, interrupt number or callout
  faultAddress: 648, // u64: CR2 of the last refused access
  faultAccess: 656, // u32: Access of it
  scratch: 672, // 4 x u64: operands and result of a callout
  fuel: 704, // i32: what is left of the run's fuel when compiled code returned
  size: 768,
} as const;

/** Absolute address of a state field. */
export const stateAddress = (offset: number): number => layout.state + offset;

/** Why translated code stopped. */
export const ExitKind = {
  budget: 0, // fuel spent, at a block boundary
  syscall: 1, // SYSCALL (64-bit mode)
  interrupt: 2, // INT n: detail = n
  sysenter: 3,
  trap: 4, // processor fault or trap: detail = Vector; faultAddress and faultAccess for a page fault
  untranslated: 5, // next block has no translation yet
  slow: 6, // compiled code met a case that only the interpreter handles; pc is the instruction to redo
} as const;

/** Processor exception vectors (Intel SDM volume 3, table 6-1). */
export const Vector = {
  divide: 0,
  debug: 1,
  breakpoint: 3,
  overflow: 4,
  bounds: 5,
  invalidOpcode: 6,
  generalProtection: 13,
  page: 14,
  x87: 16,
  alignment: 17,
  simd: 19,
} as const;

export const Register = {
  rax: 0,
  rcx: 1,
  rdx: 2,
  rbx: 3,
  rsp: 4,
  rbp: 5,
  rsi: 6,
  rdi: 7,
  r8: 8,
  r9: 9,
  r10: 10,
  r11: 11,
  r12: 12,
  r13: 13,
  r14: 14,
  r15: 15,
} as const;
