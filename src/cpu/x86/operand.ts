// Operands of a decoded instruction: which register or memory an operand kind of its row stands for.

import type { Size } from "../ir/flags.ts";
import type { Instruction } from "./decode.ts";
import type { Bank, OperandKind, SizeClass } from "./table.ts";

/** An operand of the instruction being lifted. */
export interface Operand {
  readonly kind: "register" | "memory" | "immediate";
  /** Register file, when it is a register. */
  readonly bank: Bank;
  /** Register number; AH CH DH BH are 0-3 with `high`. */
  readonly number: number;
  readonly high: boolean;
  /** log2 of the bytes, 0 to 4; -1 when it has no such size. */
  readonly size: Size;
  /** Memory that must be aligned to its 16 bytes. */
  readonly aligned: boolean;
  /** Immediate value, or a branch target (low and high 32 bits). */
  readonly low: number;
  readonly wordHigh: number;
}

/** Operands that have been made: there are few different ones. */
const memoryOperands: Operand[] = [];
const registerOperands: Record<Bank, Operand[]> = { general: [], vector: [], mmx: [], x87: [], segment: [], none: [] };

export function immediateOperand(size: Size, low: number, wordHigh: number): Operand {
  return { kind: "immediate", bank: "none", number: 0, high: false, size, aligned: false, low, wordHigh };
}

/** The register or memory operand of a kind. */
export function locate(instruction: Instruction, kind: OperandKind): Operand {
  const { mod, reg, rm, opcodeRegister, rex } = instruction;
  const { place, bank } = kind;
  if (place === "moffs" || (place === "rm" && mod !== 3)) {
    const size = sizeOf(instruction, kind.memorySize);
    return (memoryOperands[(size + 1) * 2 + (kind.aligned ? 1 : 0)] ??= {
      kind: "memory",
      bank: "none",
      number: 0,
      high: false,
      size,
      aligned: kind.aligned,
      low: 0,
      wordHigh: 0,
    });
  }
  let number = place === "reg" ? reg : place === "rm" ? rm : place === "opcode" ? opcodeRegister : kind.number;
  const size = sizeOf(instruction, kind.size);
  let high = false;
  if (bank === "general" && size === 0 && number >= 4 && number < 8 && (!rex || place === "fixed")) {
    high = true;
    number -= 4;
  } else if (bank === "mmx" || bank === "x87") number &= 7;
  return (registerOperands[bank][((size + 1) << 5) | (high ? 16 : 0) | number] ??= {
    kind: "register",
    bank,
    number,
    high,
    size,
    aligned: false,
    low: 0,
    wordHigh: 0,
  });
}

function sizeOf({ size: operandSize, wide }: Instruction, size: SizeClass): Size {
  if (size === "v") return operandSize;
  if (size === "y") return wide ? 3 : 2;
  return (size === "none" ? -1 : size) as Size;
}
