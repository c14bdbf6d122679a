// Short sequences of integer instructions as test cases: flags that one sets and another reads, registers written in parts
// and read whole, branches at the end. What the manual leaves undefined is not read.

import { Flag } from "../../src/cpu/ir/flags.ts";
import { decode } from "../../src/cpu/x86/block.ts";
import type { Instruction } from "../../src/cpu/x86/decode.ts";
import { rows } from "../../src/cpu/x86/instructions/index.ts";
import { OpcodeMap, type Row } from "../../src/cpu/x86/table.ts";
import { Register } from "../../src/cpu/state.ts";
import { Trap } from "../../src/cpu/trap.ts";
import { Environment, testable, type Case } from "./generate.ts";
import type { Random } from "./random.ts";
import { field, place } from "./record.ts";

const { carry, overflow, sign, zero, parity } = Flag;
/** Flags that the condition codes read, for each pair of codes. */
const conditionFlags = [overflow, carry, zero, carry | zero, sign, parity, sign | overflow, sign | overflow | zero];

const full = /^(add|sub|cmp|and|or|xor|test|neg|imul|popcnt|adc|sbb)$/;
const plain = /^(mov|movzx|movsx|movsxd|lea|xchg|not|bswap|cbw|cwd)$/;
const shifts = /^(shl|shr|sar|sal)$/;
const rotates = /^(rol|ror|rcl|rcr)$/;
const bits = /^bt[src]?$/;
const conditional = /^(cmov|set)/;

const usable = (row: Row): boolean =>
  row.kinds.every(
    ({ place, bank, text }) => place !== "moffs" && text !== "ah" && (bank === "general" || bank === "none"),
  ) &&
  [full, plain, shifts, rotates, bits, conditional, /^(inc|dec|cmc|clc|stc)$/].some((names) => names.test(row.name));

/** Flags that an instruction reads. */
function reads({ name, opcode }: Row): number {
  if (conditional.test(name)) return conditionFlags[(opcode >> 1) & 7]!;
  return /^(adc|sbb|rcl|rcr|cmc|inc|dec)$/.test(name) ? carry : 0;
}

/** Flags that are undefined after an instruction, given those before. */
function undefinedAfter(row: Row, before: number): number {
  const own = row.undefined ?? 0;
  const { name } = row;
  if (full.test(name)) return own;
  if (/^(inc|dec)$/.test(name)) return before & carry;
  if (/^(cmc|clc|stc)$/.test(name)) return before & ~carry;
  if (bits.test(name)) return (before & ~carry) | own;
  const once = row.kinds[1]?.place === "one";
  if (shifts.test(name)) return once ? own : before | own;
  if (rotates.test(name)) return once ? (before & ~(carry | overflow)) | own : before | own;
  return before;
}

/** Memory operands are off RSI, which nothing writes. */
const base = Register.rsi;

/** Encodes a row with registers, or memory off RSI; undefined when it did not come out. */
function encode(row: Row, long: boolean, random: Random): number[] | undefined {
  const bytes: number[] = [];
  const tagged = (row.mask & 3) === 3 ? row.value & 3 : 0;
  if (random.chance(0.15)) bytes.push(0x66);
  if (tagged) bytes.push([0, 0x66, 0xf3, 0xf2][tagged]!);
  const register = () => random.pick([0, 1, 2, 3, 4, 5, 7]);
  const memory = row.kinds.some((kind) => kind.place === "rm" && kind.memory) && random.chance(0.3);
  if (long && random.chance(0.7)) {
    const rex = (random.chance(0.5) ? 8 : 0) | (random.chance(0.3) ? 4 : 0) | (!memory && random.chance(0.3) ? 1 : 0);
    bytes.push(0x40 | rex);
  }
  if (row.map !== OpcodeMap.one) bytes.push(0x0f);
  if (row.map === OpcodeMap.three38) bytes.push(0x38);
  if (row.map === OpcodeMap.three3A) bytes.push(0x3a);
  bytes.push(row.opcodeRegister ? row.opcode + register() : row.opcode);
  if (row.modrm) {
    const fixed = (row.mask >> 3) & 0xff;
    let modrm = (register() << 3) | (memory ? base : register());
    modrm = (modrm & ~fixed) | ((row.value >> 3) & fixed);
    bytes.push(memory || row.value & 0x800 ? (modrm & 0x38) | 0x40 | base : modrm | 0xc0);
    if (memory || row.value & 0x800) bytes.push(random.below(256));
  }
  const encoded = bytes.length;
  for (let i = 0; i < 8; i++) bytes.push(random.byte());
  try {
    const instruction = decode((address) => bytes[address] ?? 0, 0, long);
    if (instruction.row !== row || instruction.length < encoded) return undefined;
    // A bit offset in a register would lead anywhere.
    if (bits.test(row.name) && memory && row.kinds[1]!.place === "reg") return undefined;
    return bytes.slice(0, instruction.length);
  } catch (refused) {
    if (refused instanceof Trap) return undefined;
    throw refused;
  }
}

/** Endless sequences of a mode. */
export function* sequences(long: boolean, random: Random): Generator<Case> {
  const candidates = rows.filter((row) => testable(row, long) && usable(row));
  const jumps = rows.filter((row) => row.name.startsWith("j") && row.notation.endsWith(" cb") && row.opcode >> 4 === 7);
  for (;;) {
    const code: number[] = [];
    let undefinedFlags = 0;
    for (let attempts = 0; attempts < 60 && code.length < field.codeSize - 12; attempts++) {
      const row = random.pick(candidates);
      if (reads(row) & undefinedFlags) continue;
      const bytes = encode(row, long, random);
      if (!bytes) continue;
      code.push(...bytes);
      undefinedFlags = undefinedAfter(row, undefinedFlags);
    }
    const jump = random.pick(jumps);
    if (random.chance(0.7) && (conditionFlags[(jump.opcode >> 1) & 7]! & undefinedFlags) === 0)
      code.push(jump.opcode, place.taken - place.code - code.length - 2);
    const row: Row = { ...candidates[0]!, notation: "", name: "sequence", kinds: [], undefined: undefinedFlags };
    const record = new Uint8Array(field.size);
    const view = new DataView(record.buffer);
    record.set(code, field.code);
    view.setUint32(field.length, code.length, true);
    const instruction: Instruction = { ...decode(() => 0x90, 0, long), row, length: code.length };
    const made = new Environment({ row, long, instruction, record, view }, -1, random).fill();
    if (!made) continue;
    view.setBigUint64(field.registers + 8 * base, BigInt(place.window + 300), true);
    yield made;
  }
}
