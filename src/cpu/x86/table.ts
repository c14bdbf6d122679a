// The form of an instruction table row: one line in the notation of the Intel manual (volume 2, section 3.1.1), the
// kinds of its operands and the function that lifts it. Parsed once, when the row is made.

import type { Lift, Operand } from "./lift.ts";

/** Lifts one instruction: reads operands, then traps and stores, then writes registers and flags. */
export type LiftRow = (ir: Lift, ...operands: Operand[]) => void;

/** Opcode maps, by the bytes that lead to them. */
export const OpcodeMap = { one: 0, two: 1, three38: 2, three3A: 3 } as const;

/** Operand size in force: `operand` from 66 and REX.W; `stack` is 64 bits by default in 64-bit mode; `branch` always so. */
export type SizeRule = "operand" | "stack" | "branch";

/** What an immediate field looks like: its width in bytes, or by operand size (`z` 2 or 4, `v` 2, 4 or 8). */
export type ImmediateWidth = 1 | 2 | 4 | 8 | "z" | "v";

export interface RowOptions {
  /** The only mode in which the encoding exists. */
  readonly mode?: 32 | 64;
  readonly size?: SizeRule;
  /** LOCK may precede it when the destination is memory. */
  readonly lock?: boolean;
  /** Arithmetic flags whose value after the instruction the manual leaves undefined: tests ignore them. */
  readonly undefined?: number;
  /** Bits of the x87 status word that the manual leaves undefined after the instruction. */
  readonly undefinedStatus?: number;
  /** Why the native test must leave the row out (control transfer, privileged, machine dependent). */
  readonly untested?: string;
}

export interface Row extends RowOptions {
  readonly notation: string;
  readonly name: string;
  readonly kinds: readonly OperandKind[];
  readonly lift: LiftRow;
  readonly map: number;
  readonly opcode: number;
  /** The low three bits of the opcode are a register number. */
  readonly opcodeRegister: boolean;
  readonly modrm: boolean;
  /** Selects the row among those that share an opcode: (key & mask) === value; see `rowKey`. */
  readonly mask: number;
  readonly value: number;
  readonly immediates: readonly ImmediateWidth[];
  /** An address follows the opcode (MOV with a memory offset). */
  readonly offset: boolean;
}

/** Where an operand comes from. */
export type Place = "reg" | "rm" | "opcode" | "immediate" | "relative" | "moffs" | "fixed" | "one";
/** What it is when it is not memory. */
export type Bank = "general" | "vector" | "mmx" | "x87" | "segment" | "none";

/** A parsed operand kind; sizes are log2 of the bytes or a rule: `v` operand size, `y` 32 or 64 by REX.W, `w` address word. */
export interface OperandKind {
  readonly text: string;
  readonly place: Place;
  readonly bank: Bank;
  readonly size: SizeClass;
  /** Size when it is memory. */
  readonly memorySize: SizeClass;
  readonly memory: boolean;
  readonly register: boolean;
  /** A 16-byte memory operand that must be aligned. */
  readonly aligned: boolean;
  readonly number: number;
  readonly signed: boolean;
}
export type SizeClass = 0 | 1 | 2 | 3 | 4 | "v" | "y" | "none";

/** Key of an encoding within its opcode: mandatory prefix (0 none, 1 66, 2 F3, 3 F2), REX.W, ModRM byte, memory form. */
export const rowKey = (prefix: number, wide: boolean, modrm: number, memory: boolean): number =>
  prefix | (wide ? 4 : 0) | (modrm << 3) | (memory ? 0x800 : 0);

const prefixes: Record<string, number> = { NP: 0, "66": 1, F3: 2, F2: 3 };
const immediateWidths: Record<string, ImmediateWidth> = {
  ib: 1,
  iw: 2,
  id: 4,
  io: 8,
  iz: "z",
  iv: "v",
  cb: 1,
  cw: 2,
  cd: 4,
  cz: "z",
};

/**
 * One instruction. `notation` is as in the manual: mandatory prefix or NP, `REX.W +`, opcode bytes, a fixed ModRM byte or
 * `/r` or `/digit`, immediates (`ib iw id io`, by operand size `iz iv`), branch offsets (`cb cd`, by operand size `cz`),
 * a register in the opcode (`+r`, `+i` in a fixed ModRM byte). Operand kinds:
 * `r rm r8 rm8 r16 … r64` general registers by ModRM.reg and ModRM.r/m (r: operand size, ry: 32 or 64 bits by REX.W),
 * `r:rm xmm:rm mm:rm` a register in ModRM.r/m, never memory, `m m8 … m64 m80 m128` memory only, `ry/m8 xmm/m64 mm/m32`
 * register or memory of another size, `xmm mm sreg` by ModRM.reg, `m128` and `xmm/m128` are aligned and `m128u` is not,
 * `imm` sign-extended to the operand size, `uimm` zero-extended, `rel` a branch target, `moffs`, `1`,
 * `al ah ax eax rax cl dx` and so on, `a` the accumulator, `xmm0`, `st0`, `st(i)` by ModRM.r/m.
 */
export function ins(
  notation: string,
  name: string,
  kinds: readonly string[],
  lift: LiftRow,
  options: RowOptions = {},
): Row {
  let prefix: number | undefined;
  let wide: boolean | undefined;
  let opcodeRegister = false;
  let modrm = false;
  let mask = 0;
  let value = 0;
  const opcode: number[] = [];
  const immediates: ImmediateWidth[] = [];
  const bad = (what: string) => new SyntaxError(`instruction table: ${what} in "${notation}" (${name})`);
  for (const token of notation.split(" ")) {
    const first = token.charCodeAt(0);
    if (token === "+") continue;
    if (opcode.length === 0 && prefix === undefined && token in prefixes) prefix = prefixes[token];
    else if (token === "REX.W") wide = true;
    else if (token in immediateWidths) immediates.push(immediateWidths[token]!);
    else if (token === "/r") modrm = true;
    else if (token.length === 2 && first === slash) {
      modrm = true;
      const digit = token.charCodeAt(1) - zero;
      if (!(digit >= 0 && digit < 8)) throw bad(`unknown token ${token}`);
      mask |= 0x38 << 3;
      value |= digit << 6;
    } else {
      const byte = bytes.get(token.length > 2 ? token.slice(0, 2) : token);
      const rest = token.slice(2);
      if (byte === undefined || !registerMarks.has(rest)) throw bad(`unknown token ${token}`);
      opcode.push(byte);
      if (rest !== "") opcodeRegister = true;
    }
  }
  let map: number = OpcodeMap.one;
  const [escape, second] = opcode;
  if (escape === 0x0f && opcode.length > 1) {
    const three = opcode.length > 2 && (second === 0x38 || second === 0x3a);
    map = !three ? OpcodeMap.two : second === 0x38 ? OpcodeMap.three38 : OpcodeMap.three3A;
    opcode.splice(0, three ? 2 : 1);
  }
  if (opcode.length === 0 || opcode.length > 2) throw bad("no opcode");
  if (opcode.length === 2) {
    // A fixed ModRM byte.
    modrm = true;
    const fixed = opcodeRegister ? 0xf8 : 0xff;
    mask |= (fixed << 3) | 0x800;
    value |= opcode[1]! << 3;
    if (opcode[1]! < 0xc0) throw bad("a fixed ModRM byte that is memory");
  }
  const fixedRegister = opcodeRegister && opcode.length === 1;
  const parsed = kinds.map((text) => operandKind(text, fixedRegister));
  for (const kind of parsed) {
    if (kind.place !== "rm") continue;
    if (!modrm) throw bad(`operand ${kind.text} without ModRM`);
    if (kind.memory && kind.register) continue;
    mask |= 0x800;
    if (kind.memory) value |= 0x800;
  }
  if (prefix !== undefined) {
    mask |= 3;
    value |= prefix;
  }
  if (wide !== undefined) {
    mask |= 4;
    value |= wide ? 4 : 0;
  }
  return {
    notation,
    name,
    kinds: parsed,
    lift,
    ...options,
    map,
    opcode: opcode[0]!,
    opcodeRegister: fixedRegister,
    modrm,
    mask,
    value,
    immediates,
    offset: parsed.some((kind) => kind.place === "moffs"),
  };
}

const slash = 0x2f;
const zero = 0x30;
/** Two upper-case hexadecimal digits, to the byte. */
const bytes = new Map(
  Array.from({ length: 256 }, (_, byte) => [byte.toString(16).toUpperCase().padStart(2, "0"), byte] as const),
);
/** What may follow an opcode byte whose low bits are a register. */
const registerMarks = new Set(["", "+r", "+rb", "+rw", "+rd", "+ro", "+i"]);

const kindCache = new Map<string, OperandKind>();

/** Parses an operand kind; `inOpcode` says that plain register kinds come from the opcode's low bits. */
function operandKind(text: string, inOpcode: boolean): OperandKind {
  const key = inOpcode ? `+${text}` : text;
  let kind = kindCache.get(key);
  if (!kind) kindCache.set(key, (kind = parseKind(text, inOpcode)));
  return kind;
}

const fixedRegisters = ["a", "c", "d", "b", "sp", "bp", "si", "di"];
const memorySizes: Record<string, SizeClass> = {
  "": "v",
  "8": 0,
  "16": 1,
  "32": 2,
  "64": 3,
  "128": 4,
  "80": "none",
  y: "y",
};

function parseKind(text: string, inOpcode: boolean): OperandKind {
  const kind = {
    text,
    place: "fixed" as Place,
    bank: "general" as Bank,
    size: "v" as SizeClass,
    memorySize: "none" as SizeClass,
    memory: false,
    register: true,
    aligned: false,
    number: 0,
    signed: false,
  };
  const sized = (bank: Bank): SizeClass => (bank === "vector" ? 4 : bank === "mmx" ? 3 : "none");
  let match: RegExpExecArray | null;
  if (text === "imm" || text === "uimm") return { ...kind, place: "immediate", bank: "none", signed: text === "imm" };
  if (text === "rel") return { ...kind, place: "relative", bank: "none" };
  if (text === "1") return { ...kind, place: "one", bank: "none" };
  if (text === "sreg") return { ...kind, place: "reg", bank: "segment", size: 1 };
  if (text === "st0") return { ...kind, bank: "x87", size: "none" };
  if (text === "st(i)") return { ...kind, place: "rm", bank: "x87", size: "none" };
  if (text === "xmm0") return { ...kind, bank: "vector", size: 4 };
  if ((match = /^moffs(8?)$/.exec(text)))
    return {
      ...kind,
      place: "moffs",
      bank: "none",
      memory: true,
      register: false,
      memorySize: memorySizes[match[1]!]!,
    };
  if ((match = /^(r)(8|16|32|64|y)?(:rm)?$/.exec(text)))
    return { ...kind, place: match[3] ? "rm" : inOpcode ? "opcode" : "reg", size: memorySizes[match[2] ?? ""]! };
  if ((match = /^rm(8|16|32|64|y)?$/.exec(text))) {
    const size = memorySizes[match[1] ?? ""]!;
    return { ...kind, place: "rm", size, memorySize: size, memory: true };
  }
  if ((match = /^m(8|16|32|64|80|128|y)?(u?)$/.exec(text))) {
    const size = memorySizes[match[1] ?? ""]!;
    const aligned = size === 4 && !match[2];
    return { ...kind, place: "rm", bank: "none", size, memorySize: size, memory: true, register: false, aligned };
  }
  if ((match = /^(xmm|mm)(:rm)?$/.exec(text))) {
    const bank = match[1] === "xmm" ? "vector" : "mmx";
    return { ...kind, place: match[2] ? "rm" : "reg", bank, size: sized(bank) };
  }
  if ((match = /^(r32|r64|ry|r|xmm|mm)\/m(8|16|32|64|128|y)(u?)$/.exec(text))) {
    const bank = match[1] === "xmm" ? "vector" : match[1] === "mm" ? "mmx" : "general";
    const size = bank === "general" ? memorySizes[match[1]!.slice(1)]! : sized(bank);
    const memorySize = memorySizes[match[2]!]!;
    return { ...kind, place: "rm", bank, size, memorySize, memory: true, aligned: memorySize === 4 && !match[3] };
  }
  if ((match = /^([abcd])([lh])$/.exec(text)))
    return { ...kind, size: 0, number: "acdb".indexOf(match[1]!) + (match[2] === "h" ? 4 : 0) };
  if (text === "a") return kind;
  if ((match = /^([er]?)(a|b|c|d|sp|bp|si|di)x?$/.exec(text))) {
    const size = match[1] === "e" ? 2 : match[1] === "r" ? 3 : 1;
    return { ...kind, size, number: fixedRegisters.indexOf(match[2]!) };
  }
  throw new SyntaxError(`instruction table: unknown operand kind ${text}`);
}

/** Rows of each opcode of each map for one mode: most specific first. Index is map << 8 | opcode. */
export type DecodeTable = readonly (readonly Row[] | undefined)[];

/** Builds the look-up table of a mode. Throws when two rows claim the same encoding. */
export function decodeTable(rows: readonly Row[], mode: 32 | 64): DecodeTable {
  const table: Row[][] = [];
  for (const row of rows) {
    if (row.mode !== undefined && row.mode !== mode) continue;
    for (let i = 0; i < (row.opcodeRegister ? 8 : 1); i++) {
      const at = (row.map << 8) | (row.opcode + i);
      (table[at] ??= []).push(row);
    }
  }
  for (const candidates of table) {
    if (!candidates || candidates.length < 2) continue;
    candidates.sort((a, b) => bitCount(b.mask) - bitCount(a.mask));
    for (const [i, a] of candidates.entries())
      for (const b of candidates.slice(i + 1)) {
        const overlap = ((a.value ^ b.value) & a.mask & b.mask) === 0;
        if (a.modrm !== b.modrm || (overlap && ((a.mask & b.mask) !== b.mask || a.mask === b.mask)))
          throw new SyntaxError(
            `instruction table: "${a.notation}" (${a.name}) clashes with "${b.notation}" (${b.name})`,
          );
      }
  }
  return table;
}

function bitCount(value: number): number {
  let count = 0;
  for (let rest = value; rest !== 0; rest &= rest - 1) count++;
  return count;
}
