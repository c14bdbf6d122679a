// What lifting functions are written in: operands, arithmetic of any operand size, flags, faults and control transfer,
// on top of the IR builder. Values of 8, 16 and 32 bits are i32, of 64 bits i64. Operands read as zero-extended; results
// of arithmetic may carry rubbish above their size, which every consumer ignores (`trim` and `signed` clean it).

import { BlockBuilder, type Value } from "../ir/builder.ts";
import { Flag, FlagKind, flagImmediate, type Size } from "../ir/flags.ts";
import { opNumber } from "../ir/ops.ts";
import { calloutNumber, type CalloutName } from "../callouts.ts";
import { ExitKind, offsets, Register, Vector } from "../state.ts";
import { Segment, type Instruction } from "./decode.ts";
import { immediateOperand, locate, type Operand } from "./operand.ts";
import type { OperandKind } from "./table.ts";

export type { Value } from "../ir/builder.ts";
export type { Size } from "../ir/flags.ts";
export type { Operand } from "./operand.ts";

/** Condition codes: the low four bits of Jcc, SETcc and CMOVcc. */
export const Condition = {
  overflow: 0,
  carry: 2,
  zero: 4,
  belowOrEqual: 6,
  sign: 8,
  parity: 10,
  less: 12,
  lessOrEqual: 14,
  /** Add to negate. */
  not: 1,
} as const;

const n = opNumber;
const pair = (name: string): readonly [number, number] => [n(`i32.${name}`), n(`i64.${name}`)];
const op = {
  get: [n("get8"), n("get16"), n("get32"), n("get64")],
  set: [n("set8"), n("set16"), n("set32"), n("set64")],
  get8h: n("get8h"),
  set8h: n("set8h"),
  getx: n("getx"),
  setx: n("setx"),
  load: [n("load8"), n("load16"), n("load32"), n("load64"), n("load128")],
  store: [n("store8"), n("store16"), n("store32"), n("store64"), n("store128")],
  loadf32: n("loadf32"),
  loadf64: n("loadf64"),
  storef32: n("storef32"),
  storef64: n("storef64"),
  probeWrite: n("probeWrite"),
  stateLoad: [n("state.load8"), n("state.load16"), n("state.load32"), n("state.load64")],
  stateStore: [n("state.store8"), n("state.store16"), n("state.store32"), n("state.store64")],
  ccSet: [n("cc.set32"), n("cc.set64")],
  ccBits: [n("cc.bits32"), n("cc.bits64")],
  ccGet: n("cc.get"),
  ccTest: n("cc.test"),
  trapif: n("trapif"),
  callout: n("callout"),
  jump: n("jump"),
  branch: n("branch"),
  call: n("call"),
  jumpIndirect: n("jumpIndirect"),
  callIndirect: n("callIndirect"),
  ret: n("ret"),
  exit: n("exit"),
  wrap: n("i32.wrap_i64"),
  extendU: n("i64.extend_i32_u"),
  extendS: n("i64.extend_i32_s"),
  extend8: pair("extend8_s"),
  extend16: pair("extend16_s"),
  extend32: n("i64.extend32_s"),
  select: pair("select"),
  eqz: pair("eqz"),
  lane64: n("i64x2.extract_lane"),
  laneF64: n("f64x2.extract_lane"),
  laneF32: n("f32x4.extract_lane"),
  lane32: n("i32x4.extract_lane"),
};

/** Two-operand operations that exist for i32 and i64. */
const binary = {
  add: pair("add"),
  sub: pair("sub"),
  mul: pair("mul"),
  and: pair("and"),
  or: pair("or"),
  xor: pair("xor"),
  shl: pair("shl"),
  shr_u: pair("shr_u"),
  shr_s: pair("shr_s"),
  rotl: pair("rotl"),
  rotr: pair("rotr"),
  div_u: pair("div_u"),
  div_s: pair("div_s"),
  rem_u: pair("rem_u"),
  rem_s: pair("rem_s"),
  eq: pair("eq"),
  ne: pair("ne"),
  lt_u: pair("lt_u"),
  lt_s: pair("lt_s"),
  gt_u: pair("gt_u"),
  gt_s: pair("gt_s"),
  le_u: pair("le_u"),
  ge_u: pair("ge_u"),
};
const unary = { clz: pair("clz"), ctz: pair("ctz"), popcnt: pair("popcnt"), eqz: pair("eqz") };

const names = new Map<string, number>();

export class Lift extends BlockBuilder {
  /** The instruction being lifted. */
  current!: Instruction;
  /** A terminator has been emitted. */
  ended = false;
  /** SSE arithmetic goes through callouts: MXCSR asks for more than rounding to nearest with everything masked. */
  directed = false;
  private addressValue: Value | undefined;
  private immediateSize: Size = 0;
  private immediateIndex = 0;

  private begin(instruction: Instruction): void {
    this.current = instruction;
    this.addressValue = undefined;
    this.instruction(instruction.pc);
  }

  /** Operand size in force. */
  get size(): Size {
    return this.current.size;
  }
  /** log2 of the bytes of a guest word: the stack pointer, pushed addresses. */
  get wordSize(): Size {
    return this.long ? 3 : 2;
  }
  /** Address of the next instruction. */
  get next(): number {
    return this.current.pc + this.current.length;
  }

  /** Any IR operation by its name in ir/ops.ts. */
  op(name: string, a?: Value, b?: Value, c?: Value, immediate?: number): Value {
    let number = names.get(name);
    if (number === undefined) names.set(name, (number = opNumber(name)));
    return this.emit(number, a, b, c, immediate);
  }

  // Operands.

  /** Reads a general register, memory or immediate operand, zero-extended; immediates in the operand's size. */
  read(operand: Operand): Value {
    const { kind, size } = operand;
    if (kind === "register")
      return operand.high ? this.emit(op.get8h, -1, -1, -1, operand.number) : this.get(size, operand.number);
    if (kind === "memory") return this.load(size, this.address());
    return this.literal(size, operand.low, operand.wordHigh);
  }

  /** Writes a general register or memory operand; bits above its size are ignored. */
  write(operand: Operand, value: Value): void {
    if (operand.kind === "memory") this.store(operand.size, this.address(), value);
    else if (operand.high) this.emit(op.set8h, value, -1, -1, operand.number);
    else this.set(operand.size, operand.number, value);
  }

  get(size: Size, register: number): Value {
    return this.emit(op.get[size]!, -1, -1, -1, register);
  }
  set(size: Size, register: number, value: Value): void {
    this.emit(op.set[size]!, value, -1, -1, register);
  }
  /** A register as an address word. */
  getWord(register: number): Value {
    return this.get(this.wordSize, register);
  }
  setWord(register: number, value: Value): void {
    this.set(this.wordSize, register, value);
  }
  load(size: Size | 4, address: Value): Value {
    return this.emit(op.load[size]!, address);
  }
  store(size: Size | 4, address: Value, value: Value): void {
    this.emit(op.store[size]!, address, value);
  }
  /** Faults unless `bytes` bytes at the address may be written. */
  probeWrite(address: Value, bytes: number): void {
    this.emit(op.probeWrite, address, -1, -1, bytes);
  }
  /** A field of the CPU state (cpu/state.ts offsets). */
  stateLoad(size: Size, offset: number): Value {
    return this.emit(op.stateLoad[size]!, -1, -1, -1, offset);
  }
  stateStore(size: Size, offset: number, value: Value): void {
    this.emit(op.stateStore[size]!, value, -1, -1, offset);
  }

  /** Linear address of the instruction's memory operand, with its segment's base. The same value each time. */
  address(): Value {
    return (this.addressValue ??= this.segmented(this.effectiveAddress(), this.current.segment));
  }

  /** Adds a segment's base to an address word. */
  segmented(address: Value, segment: number): Value {
    if (segment !== Segment.fs && segment !== Segment.gs) return address;
    const base = this.stateLoad(this.wordSize, segment === Segment.fs ? offsets.fsBase : offsets.gsBase);
    return this.add(this.wordSize, base, address);
  }

  /**
   * The memory operand's offset within its segment, as an address word: what LEA computes. `stack` is added to a base
   * register that is the stack pointer (POP computes its address after the pop).
   */
  effectiveAddress(stack = 0): Value {
    const { addressSize, base, index, scale } = this.current;
    let displacement = this.current.displacement;
    if (base === Register.rsp) displacement += stack;
    const size: Size = addressSize === 1 ? 2 : addressSize;
    let sum: Value | undefined;
    if (base >= 0) sum = this.get(size, base);
    if (index >= 0) {
      let scaled = this.get(size, index);
      if (scale > 0) scaled = this.shl(size, scaled, this.literal(size, scale));
      sum = sum === undefined ? scaled : this.add(size, sum, scaled);
    }
    const low = displacement | 0;
    if (sum === undefined) {
      if (addressSize === 1) return this.i32(low & 0xffff);
      return this.long
        ? this.i64(low, addressSize === 2 ? 0 : Math.floor(displacement / 0x1_0000_0000))
        : this.i32(low);
    }
    if (displacement !== 0) sum = this.add(size, sum, this.literal(size, low));
    if (addressSize === 1) return this.and(2, sum, this.i32(0xffff));
    return addressSize === 2 && this.long ? this.emit(op.extendU, sum) : sum;
  }

  /** An address word plus a constant. */
  offset(address: Value, bytes: number): Value {
    return bytes === 0 ? address : this.add(this.wordSize, address, this.word(bytes));
  }

  // Vector operands. `aligned` operands fault with #GP off their alignment.

  /** Reads 16 bytes of an XMM register or memory operand. */
  read128(operand: Operand): Value {
    if (operand.kind === "register") return this.getx(operand.number);
    this.checkAlignment(operand);
    return this.load(4, this.address());
  }
  write128(operand: Operand, value: Value): void {
    if (operand.kind === "register") return this.setx(operand.number, value);
    this.checkAlignment(operand);
    this.store(4, this.address(), value);
  }
  /** Low 64 bits of an XMM register, or 8 bytes of memory, as i64. */
  read64(operand: Operand): Value {
    if (operand.kind === "register") return this.emit(op.lane64, this.getx(operand.number), -1, -1, 0);
    return this.load(3, this.address());
  }
  /** Low 32 bits of an XMM register, or 4 bytes of memory, as i32. */
  read32(operand: Operand): Value {
    if (operand.kind === "register") return this.emit(op.lane32, this.getx(operand.number), -1, -1, 0);
    return this.load(2, this.address());
  }
  readF64(operand: Operand): Value {
    if (operand.kind === "register") return this.emit(op.laneF64, this.getx(operand.number), -1, -1, 0);
    return this.emit(op.loadf64, this.address());
  }
  readF32(operand: Operand): Value {
    if (operand.kind === "register") return this.emit(op.laneF32, this.getx(operand.number), -1, -1, 0);
    return this.emit(op.loadf32, this.address());
  }
  storeF32(address: Value, value: Value): void {
    this.emit(op.storef32, address, value);
  }
  storeF64(address: Value, value: Value): void {
    this.emit(op.storef64, address, value);
  }
  getx(register: number): Value {
    return this.emit(op.getx, -1, -1, -1, register);
  }
  setx(register: number, value: Value): void {
    this.emit(op.setx, value, -1, -1, register);
  }
  private checkAlignment(operand: Operand): void {
    if (!operand.aligned) return;
    const address = this.long ? this.emit(op.wrap, this.address()) : this.address();
    this.trapIf(this.and(2, address, this.i32(15)), Vector.generalProtection);
  }

  // Constants and conversions.

  /** A constant of an operand size. */
  literal(size: Size, low: number, high: number = low >> 31): Value {
    return size === 3 ? this.i64(low, high) : this.i32(size === 0 ? low & 0xff : size === 1 ? low & 0xffff : low);
  }
  /** Zeroes what is above the size in an i32; wider values stay as they are. */
  trim(size: Size, value: Value): Value {
    return size >= 2 ? value : this.and(2, value, this.i32(size === 0 ? 0xff : 0xffff));
  }
  /** Sign-extends 8 or 16 bits to the i32. */
  signed(size: Size, value: Value): Value {
    return size >= 2 ? value : this.emit((size === 0 ? op.extend8 : op.extend16)[0], value);
  }
  /** Changes the size of a value, `signed` or zero-extended when it widens (the value must be clean then). */
  resize(from: Size, to: Size, value: Value, signed = false): Value {
    if (to === 3 && from < 3) {
      const wide = this.emit(signed ? op.extendS : op.extendU, signed ? this.signed(from, value) : value);
      return wide;
    }
    if (to < 3 && from === 3) return this.emit(op.wrap, value);
    return signed && to > from ? this.signed(from, value) : value;
  }
  /** An i32 as a guest word, zero-extended. */
  toWord(value: Value): Value {
    return this.long ? this.emit(op.extendU, value) : value;
  }
  /** Low 32 bits of a guest word. */
  fromWord(value: Value): Value {
    return this.long ? this.emit(op.wrap, value) : value;
  }

  // Arithmetic of an operand size.

  private two(ops: readonly [number, number], size: Size, a: Value, b: Value): Value {
    return this.emit(ops[size === 3 ? 1 : 0], a, b);
  }
  add(size: Size, a: Value, b: Value): Value {
    return this.two(binary.add, size, a, b);
  }
  sub(size: Size, a: Value, b: Value): Value {
    return this.two(binary.sub, size, a, b);
  }
  mul(size: Size, a: Value, b: Value): Value {
    return this.two(binary.mul, size, a, b);
  }
  and(size: Size, a: Value, b: Value): Value {
    return this.two(binary.and, size, a, b);
  }
  or(size: Size, a: Value, b: Value): Value {
    return this.two(binary.or, size, a, b);
  }
  xor(size: Size, a: Value, b: Value): Value {
    return this.two(binary.xor, size, a, b);
  }
  not(size: Size, a: Value): Value {
    return this.two(binary.xor, size, a, this.literal(size === 3 ? 3 : 2, -1));
  }
  /** Shifts and rotates of the i32 or i64; the count is of the same type. */
  shl(size: Size, a: Value, count: Value): Value {
    return this.two(binary.shl, size, a, count);
  }
  shrU(size: Size, a: Value, count: Value): Value {
    return this.two(binary.shr_u, size, a, count);
  }
  shrS(size: Size, a: Value, count: Value): Value {
    return this.two(binary.shr_s, size, a, count);
  }
  /** Any two-operand operation by its WebAssembly name without the type. */
  binary(name: keyof typeof binary, size: Size, a: Value, b: Value): Value {
    return this.two(binary[name], size, a, b);
  }
  unary(name: keyof typeof unary, size: Size, a: Value): Value {
    return this.emit(unary[name][size === 3 ? 1 : 0], a);
  }
  isZero(size: Size, a: Value): Value {
    return this.emit(op.eqz[size === 3 ? 1 : 0], this.trim(size, a));
  }
  /** condition ? a : b, both of the operand size. */
  select(size: Size, condition: Value, a: Value, b: Value): Value {
    return this.emit(op.select[size === 3 ? 1 : 0], condition, a, b);
  }

  // Flags.

  /** Sets all arithmetic flags lazily; kinds and operands in ir/flags.ts. Operands are of the operand size. */
  setFlags(kind: number, size: Size, a: Value, b: Value = a, c: Value = a): void {
    this.compared = undefined;
    this.emit(op.ccSet[size === 3 ? 1 : 0]!, a, b, c, flagImmediate(kind, size));
  }
  /** EFLAGS bits that `setFlags` would give, as i32. */
  flagBits(kind: number, size: Size, a: Value, b: Value = a, c: Value = a): Value {
    return this.emit(op.ccBits[size === 3 ? 1 : 0]!, a, b, c, flagImmediate(kind, size));
  }
  /** Sets the arithmetic flags from EFLAGS bits. */
  setFlagBits(bits: Value): void {
    this.setFlags(FlagKind.bits, 2, bits);
  }
  /** The arithmetic flags as EFLAGS bits. */
  getFlagBits(): Value {
    return this.emit(op.ccGet);
  }
  /**
   * Sets the flags of a floating-point comparison (COMISD and its kin: ZF PF CF, the others clear). A condition that is
   * tested before other flags are set becomes one comparison of the operands, and the flags' bits are left unused.
   */
  setFloatFlags(type: "f32" | "f64", a: Value, b: Value): void {
    const compare = (name: string) => this.op(`${type}.${name}`, a, b);
    const [less, greater, notBelow] = [compare("lt"), compare("gt"), compare("ge")];
    const bit = (unless: Value, flag: number) => this.select(2, unless, this.i32(0), this.i32(flag));
    const zero = bit(this.or(2, less, greater), Flag.zero);
    const parity = bit(this.or(2, less, notBelow), Flag.parity);
    this.setFlagBits(this.or(2, this.or(2, zero, parity), bit(notBelow, Flag.carry)));
    this.compared = { type, a, b };
  }
  private compared: { type: "f32" | "f64"; a: Value; b: Value } | undefined;

  /** A condition right after `setFloatFlags`; undefined when it is not one comparison. */
  private testFloats(condition: number): Value | undefined {
    const { type, a, b } = this.compared!;
    const compare = (name: string, x = a, y = b) => this.op(`${type}.${name}`, x, y);
    switch (condition) {
      case Condition.carry:
        return this.isZero(2, compare("ge"));
      case Condition.carry | Condition.not:
        return compare("ge");
      case Condition.belowOrEqual:
        return this.isZero(2, compare("gt"));
      case Condition.belowOrEqual | Condition.not:
        return compare("gt");
      case Condition.zero:
        return this.isZero(2, this.or(2, compare("lt"), compare("gt")));
      case Condition.zero | Condition.not:
        return this.or(2, compare("lt"), compare("gt"));
      case Condition.parity:
        return this.or(2, compare("ne", a, a), compare("ne", b, b));
      case Condition.parity | Condition.not:
        return this.and(2, compare("eq", a, a), compare("eq", b, b));
      default:
        return undefined;
    }
  }

  /** 1 when the condition code (0-15) holds, else 0. */
  test(condition: number): Value {
    const value = this.compared && this.testFloats(condition);
    if (value !== undefined) return value;
    return this.emit(op.ccTest, -1, -1, -1, condition);
  }
  /** CF as a value of the operand size. */
  carry(size: Size = 2): Value {
    return this.resize(2, size, this.test(Condition.carry));
  }
  /** The current flags with those in `mask` taken from `bits`. */
  mergeFlags(mask: number, bits: Value): void {
    this.setFlagBits(this.or(2, this.and(2, this.getFlagBits(), this.i32(~mask & allFlags)), bits));
  }

  /** to += from with flags, and so on: read both, write the result, set flags. */
  addWithFlags(to: Operand, from: Operand): void {
    this.arithmetic(FlagKind.add, to, from);
  }
  subWithFlags(to: Operand, from: Operand): void {
    this.arithmetic(FlagKind.sub, to, from);
  }
  private arithmetic(kind: number, to: Operand, from: Operand): void {
    const a = this.read(to);
    const b = this.read(from);
    this.write(to, kind === FlagKind.add ? this.add(to.size, a, b) : this.sub(to.size, a, b));
    this.setFlags(kind, to.size, a, b);
  }

  // Faults and services.

  /** The instruction faults with the vector, nothing of it done, when the i32 is not zero. */
  trapIf(condition: Value, vector: number): void {
    this.emit(op.trapif, condition, -1, -1, vector);
  }
  /** Runs a row of cpu/callouts.ts; operands and result are i64. */
  callout(name: CalloutName, a?: Value, b?: Value, c?: Value): Value {
    return this.emit(op.callout, a, b, c, calloutNumber(name));
  }

  // Ends of a block. Targets are guest addresses.

  private end(number: number, a?: Value, b?: Value, c?: Value, immediate?: number): void {
    this.emit(number, a, b, c, immediate);
    this.ended = true;
  }
  jump(target: number): void {
    this.end(op.jump, target | 0);
  }
  branch(condition: Value, taken: number, otherwise: number): void {
    this.end(op.branch, condition, taken | 0, otherwise | 0);
  }
  /** A call whose return address has been pushed. */
  callTo(target: number): void {
    this.end(op.call, target | 0, this.next | 0);
  }
  jumpIndirect(target: Value): void {
    this.end(op.jumpIndirect, target);
  }
  callIndirect(target: Value): void {
    this.end(op.callIndirect, target, this.next | 0);
  }
  ret(target: Value): void {
    this.end(op.ret, target);
  }
  /** Leaves translated code with an ExitKind, to resume at an address. */
  exit(kind: number, resume: number, detail = 0): void {
    this.end(op.exit, resume | 0, detail, -1, kind);
  }
  /** The instruction faults always. */
  trap(vector: number): void {
    this.exit(ExitKind.trap, this.current.pc, vector);
  }

  // Operand resolution.

  /** Lifts an instruction by its row. Immediates get the first operand's size. */
  lift(instruction: Instruction): void {
    this.begin(instruction);
    const { kinds, lift } = instruction.row;
    this.immediateSize = instruction.size;
    this.immediateIndex = 0;
    if (kinds.length === 0) return lift(this);
    const first = this.operand(kinds[0]!);
    if (kinds.length === 1) return lift(this, first);
    if (first.size >= 0 && first.size <= 3 && first.kind !== "immediate") this.immediateSize = first.size;
    const second = this.operand(kinds[1]!);
    if (kinds.length === 2) return lift(this, first, second);
    lift(this, first, second, ...kinds.slice(2).map((kind) => this.operand(kind)));
  }

  private operand(kind: OperandKind): Operand {
    const { current } = this;
    switch (kind.place) {
      case "immediate": {
        const low = current.immediates[this.immediateIndex]!;
        const high = current.immediates[this.immediateIndex + 1]!;
        const width = current.row.immediates[this.immediateIndex / 2];
        this.immediateIndex += 2;
        const mask = kind.signed ? -1 : width === 1 ? 0xff : width === 2 ? 0xffff : -1;
        return immediateOperand(this.immediateSize, low & mask, mask === -1 ? high : 0);
      }
      case "relative": {
        const target = this.next + current.immediates[this.immediateIndex]!;
        this.immediateIndex += 2;
        const mask = !this.long && this.size === 1 ? 0xffff : -1;
        return immediateOperand(this.size, target & mask, Math.floor(target / 0x1_0000_0000));
      }
      case "one":
        return immediateOperand(this.immediateSize, 1, 0);
      default:
        return locate(current, kind);
    }
  }
}

const allFlags = Flag.carry | Flag.parity | Flag.adjust | Flag.zero | Flag.sign | Flag.overflow;
