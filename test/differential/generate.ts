// Makes instruction test cases from the rows of the instruction table: a random encoding of a row, and registers, flags
// and memory that lead its memory operands into the test's window (or, now and then, to where they must fault).

import { decode } from "../../src/cpu/x86/block.ts";
import type { Instruction } from "../../src/cpu/x86/decode.ts";
import { OpcodeMap, type Row } from "../../src/cpu/x86/table.ts";
import { Register } from "../../src/cpu/state.ts";
import { Trap } from "../../src/cpu/trap.ts";
import type { Random } from "./random.ts";
import { field, fx, place } from "./record.ts";

export interface Case {
  readonly row: Row;
  readonly long: boolean;
  readonly instruction: Instruction;
  /** The input record. */
  readonly record: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
}

const { rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi } = Register;

/** True when the row can be tested in the mode. */
export const testable = (row: Row, long: boolean): boolean =>
  row.untested === undefined &&
  (row.mode === undefined || row.mode === (long ? 64 : 32)) &&
  (long || (row.mask & row.value & 4) === 0);

/** Makes a case of a row; undefined when the row has no encoding in this mode after all. */
export function makeCase(row: Row, long: boolean, random: Random): Case | undefined {
  for (let attempt = 0; attempt < 40; attempt++) {
    const encoded = encode(row, long, random);
    let instruction: Instruction;
    try {
      instruction = decode((address) => encoded.bytes[address - place.code] ?? 0, place.code, long);
    } catch (refused) {
      if (refused instanceof Trap) continue;
      throw refused;
    }
    if (instruction.row !== row || instruction.length < encoded.minimum) continue;
    const record = new Uint8Array(field.size);
    const view = new DataView(record.buffer);
    record.set(encoded.bytes.slice(0, instruction.length), field.code);
    view.setUint32(field.length, instruction.length, true);
    const made = new Environment({ row, long, instruction, record, view }, encoded.displacement, random).fill();
    if (made) return made;
  }
  return undefined;
}

/** Encodes a row with random prefixes, operands and trailing bytes to be cut to the decoded length. */
function encode(row: Row, long: boolean, random: Random): { bytes: number[]; displacement: number; minimum: number } {
  const tagged = (row.mask & 3) === 3 ? row.value & 3 : undefined;
  const prefixes: number[] = [];
  if (random.chance(0.25) && tagged !== 0 && tagged !== 1) prefixes.push(0x66);
  if (random.chance(0.08)) prefixes.push(0x67);
  if (random.chance(0.05)) prefixes.push(random.pick(long ? [0x26, 0x2e, 0x36, 0x3e] : [0x26, 0x36, 0x3e]));
  if (isString(row) && random.chance(0.6)) prefixes.push(random.pick([0xf2, 0xf3]));
  else if (tagged === undefined && !isString(row) && random.chance(0.04)) prefixes.push(random.pick([0xf2, 0xf3]));
  if (row.lock && random.chance(0.2)) prefixes.push(0xf0);
  if (tagged) prefixes.push([0, 0x66, 0xf3, 0xf2][tagged]!);
  prefixes.sort(() => random.below(3) - 1);
  const bytes = [...prefixes];

  let rex = 0;
  if (long) {
    rex = random.below(16) & random.below(16);
    if (row.mask & 4) rex = (rex & 7) | (row.value & 4 ? 8 : 0);
    else if (random.chance(0.3)) rex |= 8;
    if (rex !== 0 || random.chance(0.2)) bytes.push(0x40 | rex);
  }
  if (row.map !== OpcodeMap.one) bytes.push(0x0f);
  if (row.map === OpcodeMap.three38) bytes.push(0x38);
  if (row.map === OpcodeMap.three3A) bytes.push(0x3a);
  bytes.push(row.opcodeRegister ? row.opcode + random.below(8) : row.opcode);

  let displacement = -1;
  if (row.modrm) {
    const fixed = (row.mask >> 3) & 0xff;
    let modrm = (random.below(256) & ~fixed) | ((row.value >> 3) & fixed);
    const form = (row.mask & 0x800) === 0 ? random.chance(0.55) : (row.value & 0x800) !== 0;
    if (!form) modrm |= 0xc0;
    else if (modrm >> 6 === 3) modrm &= 0x3f | (random.below(3) << 6);
    bytes.push(modrm);
    const mod = modrm >> 6;
    const short = !long && prefixes.includes(0x67);
    if (mod !== 3 && !short) {
      let wide = mod === 2 || (mod === 0 && (modrm & 7) === 5);
      if ((modrm & 7) === 4) {
        const sib = random.below(256);
        bytes.push(sib);
        wide ||= mod === 0 && (sib & 7) === 5;
      }
      if (wide) {
        displacement = bytes.length;
        const small = random.below(0x1000) - 0x800;
        bytes.push(small & 0xff, (small >> 8) & 0xff, (small >> 16) & 0xff, small >>> 24);
      }
    }
  }
  const minimum = bytes.length;
  if (row.kinds.some((kind) => kind.place === "moffs")) displacement = bytes.length;
  for (let i = 0; i < 12; i++) bytes.push(random.byte());
  return { bytes, displacement, minimum };
}

const isString = (row: Row): boolean => /^(movs|cmps|stos|lods|scas)$/.test(row.name) && row.kinds.length === 0;

/** Fills in what an instruction runs in. */
export class Environment {
  private readonly made: Case;
  private readonly displacementAt: number;
  private readonly random: Random;

  constructor(made: Case, displacementAt: number, random: Random) {
    this.made = made;
    this.displacementAt = displacementAt;
    this.random = random;
  }

  private set(register: number, value: bigint | number): void {
    const { view, long } = this.made;
    const bits = BigInt.asUintN(long ? 64 : 32, BigInt(value));
    view.setBigUint64(field.registers + 8 * register, bits, true);
  }
  private get(register: number): bigint {
    return this.made.view.getBigUint64(field.registers + 8 * register, true);
  }
  /** An address in the window, away from its ends. */
  private inside(): number {
    return place.window + 128 + this.random.below(place.windowSize - 384);
  }
  /** An address in the middle, from where small steps in either direction stay inside. */
  private middle(): number {
    return place.window + 288 + this.random.below(192);
  }

  fill(): Case | undefined {
    const { made, random } = this;
    const { row, record, view, instruction } = made;
    const registers = made.long ? 16 : 8;
    for (let i = 0; i < registers; i++) this.set(i, random.word());
    for (let i = 0; i < place.windowSize; i += 4) {
      const value = random.chance(0.15) ? random.single() : random.next();
      view.setInt32(field.window + i, value, true);
    }
    view.setUint32(field.flags, (random.next() & 0x8d5) | 0x202 | (random.chance(0.3) ? 0x400 : 0), true);
    this.fillFloating();
    this.set(rsp, random.chance(0.9) ? this.middle() & ~7 : this.middle());
    this.shape();
    if (!this.steer()) return undefined;
    if (!this.steerBranch()) return undefined;
    if (row.name === "popf") {
      // TF and AC would trap in the harness itself, and nested tasks do not exist.
      const at = field.window + Number(this.get(rsp)) - place.window;
      view.setUint32(at, view.getUint32(at, true) & ~0x44100, true);
    }
    record.fill(0, instruction.length, field.codeSize);
    return made;
  }

  /** XMM registers, MXCSR and the x87 state. */
  private fillFloating(): void {
    const { random } = this;
    const { view } = this.made;
    const at = field.fx;
    const masked = random.chance(0.9);
    view.setUint16(
      at + fx.control,
      (masked ? 0x3f : random.below(64)) |
        0x40 |
        (random.chance(0.7) ? 0x300 : random.pick([0, 0x200, 0x300]) | (random.below(4) << 10)),
      true,
    );
    const top = random.chance(0.5) ? 0 : random.below(8);
    view.setUint16(at + fx.status, (top << 11) | (random.below(8) << 8) | (random.below(2) << 14), true);
    view.setUint8(at + fx.tags, random.chance(0.8) ? 0xff : random.below(256));
    view.setUint32(
      at + fx.mxcsr,
      random.chance(0.7) ? 0x1f80 : 0x1f80 | (random.below(8) << 13) | (random.below(2) << 6),
      true,
    );
    for (let i = 0; i < 8; i++) {
      const { exponent, significand } = random.extended();
      view.setBigUint64(at + fx.st + 16 * i, significand, true);
      view.setUint16(at + fx.st + 16 * i + 8, exponent, true);
    }
    for (let i = 0; i < (this.made.long ? 16 : 8); i++) {
      const kind = random.below(4);
      for (let j = 0; j < 2; j++) {
        const to = at + fx.xmm + 16 * i + 8 * j;
        if (kind === 0) view.setBigUint64(to, random.double(), true);
        else if (kind === 1) {
          view.setUint32(to, random.single(), true);
          view.setUint32(to + 4, random.single(), true);
        } else view.setBigUint64(to, random.word(), true);
      }
    }
  }

  /** Registers that an instruction uses without naming them. */
  private shape(): void {
    const { random } = this;
    const { row, instruction } = this.made;
    const { name } = row;
    if (isString(row)) {
      const truncated = instruction.addressSize === 2 && this.made.long ? BigInt(random.next()) << 32n : 0n;
      const at = (value: number) => BigInt(value) | BigInt.asUintN(64, truncated);
      this.set(rsi, at(this.middle()));
      this.set(rdi, at(this.middle()));
      this.set(rcx, at(random.below(12)));
      if (random.chance(0.5) && (name === "cmps" || name === "scas")) {
        // Runs of equal elements.
        const value = random.below(256);
        for (let i = 0; i < place.windowSize; i++)
          if (!random.chance(0.05)) this.made.view.setUint8(field.window + i, value);
        if (random.chance(0.7)) this.set(rax, BigInt(value) * 0x0101010101010101n);
      }
    }
    if (name.startsWith("maskmov")) {
      const high = instruction.addressSize === 2 && this.made.long ? BigInt(random.next()) << 32n : 0n;
      this.set(rdi, BigInt(this.middle()) | BigInt.asUintN(64, high));
    }
    if (/^pcmp[ei]str/.test(name) && random.chance(0.8)) {
      // Few different bytes, terminators among them.
      const letter = () => (random.chance(0.06) ? 0 : 0x61 + random.below(4));
      for (let i = 0; i < 256; i++) this.made.view.setUint8(field.fx + fx.xmm + i, letter());
      for (let i = 0; i < place.windowSize; i++) this.made.view.setUint8(field.window + i, letter());
    }
    if (name === "enter" || name === "leave") {
      this.set(rbp, this.middle());
      if (name === "enter") {
        const at = field.code + instruction.length - 3;
        this.made.record.set([random.below(64), 0, random.below(5)], at);
        this.redecode();
      }
    }
    if (name === "xlat") {
      const high =
        instruction.addressSize === 2 && this.made.long ? BigInt.asUintN(64, BigInt(random.next()) << 32n) : 0n;
      this.set(rbx, BigInt(place.window + random.below(500)) | high);
    }
    if (/^i?div$/.test(name)) {
      const small = random.chance(0.8);
      if (small) this.set(rdx, random.chance(0.5) ? random.below(3) : BigInt.asIntN(64, this.get(rax)) < 0n ? -1n : 0n);
      if (small && row.kinds[0]!.size === 0) this.set(rax, random.below(1 << 14) - (1 << 13));
    }
    if (name === "loop" || name === "loope" || name === "loopne" || name === "jrcxz")
      if (random.chance(0.5)) this.set(rcx, random.below(3));
  }

  private redecode(): void {
    const { record, long } = this.made;
    const made = this.made as { instruction: Instruction };
    made.instruction = decode((address) => record[field.code + address - place.code] ?? 0, place.code, long);
  }

  /** Makes the memory operand's address lead somewhere chosen. False when the encoding does not allow it. */
  private steer(): boolean {
    const { random } = this;
    const { row, instruction, record, view, long } = this.made;
    const moffs = row.kinds.find((kind) => kind.place === "moffs");
    const operand = moffs ?? row.kinds.find((kind) => kind.place === "rm" && kind.memory);
    if (!operand || (!moffs && instruction.mod === 3)) return true;
    if (row.name === "lea" || row.name === "nop" || row.name.startsWith("prefetch")) return true;

    const choice = random.below(40);
    const aligned = operand.aligned || row.name === "cmpxchg16b";
    let target =
      choice < 38
        ? this.inside()
        : choice === 38
          ? place.readOnly - 8 + random.below(16)
          : place.end - 20 + random.below(24);
    if (aligned && random.chance(0.93)) target &= ~15;
    // ARPL that changes nothing does not write; ours does.
    if (row.name === "arpl") target = this.inside();
    // LOCK and segments ask nothing of alignment, but unaligned atomics across cache lines are slow natively.
    if (instruction.lock) target &= ~15;

    // A bit offset in a register moves the address: keep it near.
    if (/^bt[src]?$/.test(row.name) && row.kinds[1]!.place === "reg") {
      if (instruction.reg === instruction.base || instruction.reg === instruction.index) return false;
      const near = random.below(1600) - 800;
      if (instruction.reg === rsp) return false;
      const wide =
        instruction.size === 3
          ? BigInt(near)
          : (this.get(instruction.reg) & ~(instruction.size === 1 ? 0xffffn : 0xffffffffn)) |
            BigInt.asUintN(instruction.size === 1 ? 16 : 32, BigInt(near));
      this.set(instruction.reg, wide);
    }
    const { base, index, scale, addressSize } = instruction;
    if (addressSize === 1) return true;
    if (base >= 0 && base === index) return false;
    const usesImplicit = isString(row) || row.name === "xlat";
    if (usesImplicit) return true;
    const truncated = long && addressSize === 2;
    const rubbish = truncated ? BigInt(random.next()) << 32n : 0n;
    const place64 = (value: bigint) => (truncated ? BigInt.asUintN(32, value) | BigInt.asUintN(64, rubbish) : value);
    let sum = 0n;
    if (index >= 0) {
      const step = BigInt(random.below(512) - 256);
      this.set(index, place64(step));
      sum += step << BigInt(scale);
    }
    if (base >= 0) {
      // POP computes its address after the stack pointer has moved.
      const moved = base === rsp && row.name === "pop" ? BigInt(1 << instruction.size) : 0n;
      this.set(base, place64(BigInt(target) - sum - BigInt(instruction.displacement) - moved));
      if (base === rsp && (row.size === "stack" || row.size === "branch")) {
        const value = Number(this.get(rsp));
        if (truncated || value < place.window + 128 || value > place.window + place.windowSize - 128) return false;
      }
    } else {
      if (this.displacementAt < 0) return false;
      const relative = long && index < 0 && !moffs && (record[field.code + this.displacementAt - 1]! & 0xc7) === 5;
      const value = BigInt(target) - sum - (relative ? BigInt(place.code + instruction.length) : 0n);
      view.setInt32(field.code + this.displacementAt, Number(BigInt.asIntN(32, value)), true);
      if (moffs && addressSize === 3) view.setInt32(field.code + this.displacementAt + 4, 0, true);
      this.redecode();
    }
    this.plant(target);
    return true;
  }

  /** Puts a telling value where the memory operand is. */
  private plant(target: number): void {
    const { random } = this;
    const { view, row } = this.made;
    const at = field.window + target - place.window;
    if (at < field.window || at + 16 > field.size) return;
    if (random.chance(0.4))
      view.setBigUint64(
        at,
        random.pick([() => random.word(), () => random.double(), () => BigInt(random.single())])(),
        true,
      );
    if (row.kinds.some((kind) => kind.text === "m80") && random.chance(0.8)) {
      const { exponent, significand } = random.extended();
      view.setBigUint64(at, significand, true);
      view.setUint16(at + 8, exponent, true);
    }
    if (row.name.startsWith("cmpxchg") && random.chance(0.5)) {
      const { base, index } = this.made.instruction;
      const half = row.name === "cmpxchg8b" ? 4 : 8;
      if (base !== rax && index !== rax) this.set(rax, view.getBigUint64(at, true));
      if (row.name !== "cmpxchg" && base !== rdx && index !== rdx) this.set(rdx, view.getBigUint64(at + half, true));
    }
  }

  /** Leads branches, calls and returns to the place where taken branches go. */
  private steerBranch(): boolean {
    const { row, instruction, record, view } = this.made;
    if (row.size !== "branch") return true;
    // 16-bit targets lead nowhere.
    if (instruction.size === 1) return false;
    const relative = row.immediates[0];
    if (row.kinds[0]?.place === "relative") {
      const width = relative === 1 ? 1 : 4;
      const distance = place.taken - place.code - instruction.length;
      if (width === 1) record[field.code + instruction.length - 1] = distance;
      else view.setInt32(field.code + instruction.length - 4, distance, true);
      this.redecode();
      return true;
    }
    const plant = (address: number): boolean => {
      const at = field.window + address - place.window;
      if (at < field.window || at + 8 > field.size) return false;
      view.setBigUint64(at, BigInt(place.taken), true);
      return true;
    };
    if (row.name === "ret") return plant(Number(this.get(rsp)));
    if (instruction.mod === 3) {
      this.set(instruction.rm, place.taken);
      return instruction.rm !== rsp;
    }
    if (instruction.base < 0 && instruction.index < 0) return plant(instruction.displacement);
    const { base, index, scale, displacement } = instruction;
    let address = BigInt(displacement);
    if (base >= 0) address += BigInt.asIntN(64, this.get(base));
    if (index >= 0) address += BigInt.asIntN(64, this.get(index)) << BigInt(scale);
    return plant(Number(BigInt.asUintN(32, address)));
  }
}
