// How IR operations that compute values become WebAssembly: what both the interpreter and the region compiler emit, each
// with its own idea of where operands come from.

import type { Code } from "../../wasm/code.ts";
import type { ModuleBuilder } from "../../wasm/module.ts";
import { op, type } from "../../wasm/opcodes.ts";
import { divideLong, divideLongSigned } from "./division.ts";
import { Flag, FlagKind, arithmeticFlags, type Size } from "./flags.ts";
import { opNumber, opRows } from "./ops.ts";

/** Functions that emitted code calls for its rare and long cases; `defineHelper` gives their bodies. */
export type HelperName = "div128_u" | "div128_s" | "cc_bits";

/** Where an operation is emitted: its operands and what it may use. */
export interface EmitContext {
  readonly code: Code;
  /** Pushes operand `i`. May be called again for the same operand, so the context keeps it somewhere cheap to read. */
  operand(i: number): void;
  /** A local of the wasm type that is free until the operation is done; another one at each call. */
  scratch(valueType: number): number;
  /** Index of a helper function in the module. */
  helper(name: HelperName): number;
}

/** Emits a pure operation: pushes its result. `lanes` are the four words of i8x16.shuffle. */
export function emitPure(context: EmitContext, opcode: number, immediate: number, lanes?: ArrayLike<number>): void {
  const { code } = context;
  const row = opRows[opcode]!;
  if (row.wasm !== undefined) {
    for (let i = 0; i < row.args.length; i++) context.operand(i);
    if (opcode === shuffle) code.shuffle(lanes![0]!, lanes![1]!, lanes![2]!, lanes![3]!);
    else if (row.immediate !== undefined) code.lane(row.wasm, immediate);
    else code.op(row.wasm);
    return;
  }
  const rule = rules.get(opcode);
  if (rule === undefined) throw new RangeError(`IR: ${row.name} is not a pure operation`);
  rule(context, immediate);
}

const shuffle = opNumber("i8x16.shuffle");

type Rule = (context: EmitContext, immediate: number) => void;

const choose: Rule = ({ code, operand }) => {
  for (const i of [1, 2, 0]) operand(i);
  code.op(op.select);
};

const rules = new Map<number, Rule>(
  Object.entries({
    "i32.select": choose,
    "i64.select": choose,
    "f32.select": choose,
    "f64.select": choose,
    "v128.select": choose,
    "i64.mulhi_u": (context) => multiplyHigh(context),
    "i64.mulhi_s": (context) => {
      const { code } = context;
      multiplyHigh(context);
      for (const [sign, other] of [
        [0, 1],
        [1, 0],
      ] as const) {
        context.operand(sign);
        code.i64(63).op(op["i64.shr_s"]);
        context.operand(other);
        code.op(op["i64.and"]).op(op["i64.sub"]);
      }
    },
    "i64.div128_u": (context) => divide(context, false),
    "i64.div128_s": (context) => divide(context, true),
    "i64.rem128_u": (context) => remainder(context, false),
    "i64.rem128_s": (context) => remainder(context, true),
    "cc.bits32": (context, immediate) => emitBits(context, immediate & 0xff, ((immediate >> 8) & 3) as Size),
    "cc.bits64": (context, immediate) => emitBits(context, immediate & 0xff, ((immediate >> 8) & 3) as Size),
  } satisfies Record<string, Rule>).map(([name, rule]) => [opNumber(name), rule]),
);

/** High half of the unsigned product, from four 32-bit products. */
function multiplyHigh(context: EmitContext): void {
  const { code } = context;
  const half = (i: number, high: boolean) => {
    context.operand(i);
    if (high) code.i64(32).op(op["i64.shr_u"]);
    else code.i64(-1, 0).op(op["i64.and"]);
  };
  const product = (a: boolean, b: boolean) => {
    half(0, a);
    half(1, b);
    code.op(op["i64.mul"]);
  };
  const middle = context.scratch(type.i64);
  product(true, true);
  product(false, false);
  code.i64(32).op(op["i64.shr_u"]);
  product(true, false);
  code.op(op["i64.add"]).tee(middle).i64(32).op(op["i64.shr_u"]).op(op["i64.add"]);
  product(false, true);
  code.get(middle).i64(-1, 0).op(op["i64.and"]).op(op["i64.add"]).i64(32).op(op["i64.shr_u"]).op(op["i64.add"]);
}

/** 128 by 64 bits: one instruction when the dividend is in fact 64 bits wide, else a helper. */
function divide(context: EmitContext, signed: boolean): void {
  const { code } = context;
  context.operand(0);
  if (signed) {
    context.operand(1);
    code.i64(63).op(op["i64.shr_s"]).op(op["i64.eq"]);
  } else code.op(op["i64.eqz"]);
  code.if(type.i64);
  context.operand(1);
  context.operand(2);
  code.op(signed ? op["i64.div_s"] : op["i64.div_u"]);
  code.else();
  for (let i = 0; i < 3; i++) context.operand(i);
  code.call(context.helper(signed ? "div128_s" : "div128_u"));
  code.end();
}

/** low - quotient * divisor, which is right modulo 2^64. */
function remainder(context: EmitContext, signed: boolean): void {
  context.operand(1);
  divide(context, signed);
  context.operand(2);
  context.code.op(op["i64.mul"]).op(op["i64.sub"]);
}

/** How wide flag operands are: their wasm type and the shift that moves their sign bit to the top of it. */
interface Width {
  readonly long: boolean;
  /** Pushes the shift; absent when it is 0. */
  readonly shift: (() => void) | undefined;
}

function widthOf({ code }: EmitContext, size: Size): Width {
  if (size >= 2) return { long: size === 3, shift: undefined };
  return { long: false, shift: () => code.i32(size === 0 ? 24 : 16) };
}

/** Emits flags of one kind of operation. "Top" values are shifted so that the operand's sign is the type's sign. */
class Flags {
  private readonly context: EmitContext;
  private readonly code: Code;
  private readonly kind: number;
  private readonly width: Width;

  constructor(context: EmitContext, kind: number, width: Width) {
    this.context = context;
    this.code = context.code;
    this.kind = kind;
    this.width = width;
  }

  /** An arithmetic instruction of the operands' type. */
  private alu(name: "add" | "sub" | "and" | "or" | "xor" | "shl" | "shr_s" | "shr_u"): Code {
    return this.code.op(op[`${this.width.long ? "i64" : "i32"}.${name}` as const]);
  }
  private compare(
    name: "eqz" | "eq" | "ne" | "lt_s" | "lt_u" | "le_s" | "le_u" | "gt_s" | "gt_u" | "ge_s" | "ge_u",
  ): Code {
    return this.code.op(op[`${this.width.long ? "i64" : "i32"}.${name}` as const]);
  }
  private constant(value: number): Code {
    return this.width.long ? this.code.i64(value) : this.code.i32(value);
  }
  private narrow(): Code {
    return this.width.long ? this.code.op(op["i32.wrap_i64"]) : this.code;
  }

  private raw(i: number): void {
    this.context.operand(i);
  }
  private up(): void {
    if (this.width.shift === undefined) return;
    this.width.shift();
    this.alu("shl");
  }
  private top(i: number): void {
    this.raw(i);
    this.up();
  }
  /** The result without regard to its size. */
  private result(): void {
    this.raw(0);
    switch (this.kind) {
      case FlagKind.add:
      case FlagKind.adc:
        this.raw(1);
        this.alu("add");
        break;
      case FlagKind.sub:
      case FlagKind.sbb:
        this.raw(1);
        this.alu("sub");
        break;
    }
    if (this.kind === FlagKind.adc || this.kind === FlagKind.sbb) {
      this.raw(2);
      this.alu(this.kind === FlagKind.adc ? "add" : "sub");
    }
  }
  private topResult(): void {
    this.result();
    this.up();
  }

  private isSubtraction(): boolean {
    return this.kind === FlagKind.sub || this.kind === FlagKind.sbb;
  }
  private isShift(): boolean {
    return this.kind === FlagKind.shl || this.kind === FlagKind.shr || this.kind === FlagKind.sar;
  }

  /** Pushes CF, PF, AF, ZF, SF or OF as 0 or 1. */
  flag(flag: number): void {
    if (this.kind === FlagKind.bits) {
      this.raw(0);
      this.narrow()
        .i32(31 - Math.clz32(flag))
        .op(op["i32.shr_u"])
        .i32(1)
        .op(op["i32.and"]);
      return;
    }
    switch (flag) {
      case Flag.carry:
        return this.carry();
      case Flag.parity:
        this.result();
        this.narrow().i32(0xff).op(op["i32.and"]).op(op["i32.popcnt"]);
        this.code.i32(1).op(op["i32.and"]).op(op["i32.eqz"]);
        return;
      case Flag.adjust:
        return this.adjust();
      case Flag.zero:
        if (this.kind === FlagKind.sub) this.equal();
        else {
          this.topResult();
          this.compare("eqz");
        }
        return;
      case Flag.sign:
        this.topResult();
        this.constant(0);
        this.compare("lt_s");
        return;
      case Flag.overflow:
        return this.overflow();
    }
    throw new RangeError(`flags: no flag has the bit ${flag}`);
  }

  private equal(): void {
    if (this.width.shift === undefined) {
      this.raw(0);
      this.raw(1);
      this.compare("eq");
    } else {
      this.raw(0);
      this.raw(1);
      this.alu("xor");
      this.up();
      this.compare("eqz");
    }
  }

  private carry(): void {
    const { code } = this;
    switch (this.kind) {
      case FlagKind.add:
      case FlagKind.adc:
        this.topResult();
        this.top(0);
        this.compare("lt_u");
        if (this.kind === FlagKind.add) return;
        this.topResult();
        this.top(0);
        this.compare("eq");
        this.raw(2);
        this.narrow().op(op["i32.and"]).op(op["i32.or"]);
        return;
      case FlagKind.sub:
      case FlagKind.sbb:
        this.top(0);
        this.top(1);
        this.compare("lt_u");
        if (this.kind === FlagKind.sub) return;
        this.top(0);
        this.top(1);
        this.compare("eq");
        this.raw(2);
        this.narrow().op(op["i32.and"]).op(op["i32.or"]);
        return;
      case FlagKind.logic:
        code.i32(0);
        return;
      case FlagKind.inc:
      case FlagKind.dec:
      case FlagKind.mul:
        this.raw(1);
        this.narrow();
        return;
      case FlagKind.shl:
        // The last bit shifted out is on top after all but one of the shifts.
        this.top(1);
        this.lessOne();
        this.alu("shl");
        this.constant(0);
        this.compare("lt_s");
        return;
      case FlagKind.shr:
      case FlagKind.sar: {
        const shift = this.kind === FlagKind.shr ? "shr_u" : "shr_s";
        this.top(1);
        if (this.width.shift !== undefined) {
          this.width.shift();
          this.alu(shift);
        }
        this.lessOne();
        this.alu(shift);
        this.narrow().i32(1).op(op["i32.and"]);
        return;
      }
    }
    throw new RangeError(`flags: there is no kind ${this.kind}`);
  }

  private lessOne(): void {
    this.raw(2);
    this.constant(1);
    this.alu("sub");
  }

  private adjust(): void {
    const { code } = this;
    if (this.kind === FlagKind.inc || this.kind === FlagKind.dec) {
      this.raw(0);
      this.narrow().i32(15).op(op["i32.and"]);
      if (this.kind === FlagKind.inc) code.op(op["i32.eqz"]);
      else code.i32(15).op(op["i32.eq"]);
    } else if (this.kind >= FlagKind.add && this.kind <= FlagKind.sbb) {
      this.raw(0);
      this.raw(1);
      this.alu("xor");
      this.result();
      this.alu("xor");
      this.narrow().i32(4).op(op["i32.shr_u"]).i32(1).op(op["i32.and"]);
    } else code.i32(0);
  }

  private overflow(): void {
    const { code } = this;
    if (this.kind >= FlagKind.add && this.kind <= FlagKind.sbb) {
      this.raw(0);
      this.raw(1);
      this.alu("xor");
      if (!this.isSubtraction()) {
        this.constant(-1);
        this.alu("xor");
      }
      this.raw(0);
      this.result();
      this.alu("xor");
      this.alu("and");
      this.up();
      this.constant(0);
      this.compare("lt_s");
    } else if (this.kind === FlagKind.inc || this.kind === FlagKind.dec) {
      // Overflow turned the largest number into the smallest, or back: the result, or one more, is only a sign bit.
      this.raw(0);
      if (this.kind === FlagKind.dec) {
        this.constant(1);
        this.alu("add");
      }
      this.up();
      if (this.width.long) code.i64(0, -0x80000000);
      else code.i32(-0x80000000);
      this.compare("eq");
    } else if (this.isShift()) {
      if (this.kind === FlagKind.shl) {
        this.carry();
        this.flag(Flag.sign);
        code.op(op["i32.xor"]);
      } else {
        this.raw(0);
        this.raw(1);
        this.alu("xor");
        this.up();
        this.constant(0);
        this.compare("lt_s");
      }
    } else if (this.kind === FlagKind.mul) this.carry();
    else code.i32(0);
  }

  /** Pushes condition code 0-15 as 0 or 1. */
  condition(condition: number): void {
    const negated = (condition & 1) !== 0;
    if (this.kind === FlagKind.sub && this.compared(condition)) return;
    if (this.kind === FlagKind.logic && this.tested(condition)) return;
    switch (condition >> 1) {
      case 0:
        this.flag(Flag.overflow);
        break;
      case 1:
        this.flag(Flag.carry);
        break;
      case 2:
        this.flag(Flag.zero);
        break;
      case 3:
        this.flag(Flag.carry);
        this.flag(Flag.zero);
        this.code.op(op["i32.or"]);
        break;
      case 4:
        this.flag(Flag.sign);
        break;
      case 5:
        this.flag(Flag.parity);
        break;
      default:
        this.flag(Flag.sign);
        this.flag(Flag.overflow);
        this.code.op(op["i32.xor"]);
        if (condition >> 1 === 7) {
          this.flag(Flag.zero);
          this.code.op(op["i32.or"]);
        }
    }
    if (negated) this.code.op(op["i32.eqz"]);
  }

  /** Conditions that are one comparison after CMP or SUB. */
  private compared(condition: number): boolean {
    const names = {
      2: "lt_u",
      3: "ge_u",
      6: "le_u",
      7: "gt_u",
      12: "lt_s",
      13: "ge_s",
      14: "le_s",
      15: "gt_s",
    } as const;
    if (condition === 5 && this.width.shift === undefined) {
      this.raw(0);
      this.raw(1);
      this.compare("ne");
      return true;
    }
    const name = names[condition as keyof typeof names];
    if (name === undefined) return false;
    this.top(0);
    this.top(1);
    this.compare(name);
    return true;
  }

  /** Conditions that compare the result with zero after TEST, AND, OR, XOR. */
  private tested(condition: number): boolean {
    const names = {
      5: "ne",
      7: "ne",
      9: "ge_s",
      12: "lt_s",
      13: "ge_s",
      14: "le_s",
      15: "gt_s",
    } as const;
    if (condition === 4 || condition === 6) {
      this.top(0);
      this.compare("eqz");
      return true;
    }
    if (condition <= 3) {
      this.code.i32(condition & 1);
      return true;
    }
    const name = names[condition as keyof typeof names];
    if (name === undefined) return false;
    this.top(0);
    this.constant(0);
    this.compare(name);
    return true;
  }

  /** Pushes the EFLAGS bits in `mask`. */
  bits(mask: number): void {
    const { code } = this;
    if (this.kind === FlagKind.bits) {
      this.raw(0);
      this.narrow()
        .i32(arithmeticFlags & mask)
        .op(op["i32.and"]);
      return;
    }
    let first = true;
    for (const flag of Object.values(Flag)) {
      if ((flag & mask) === 0) continue;
      this.flag(flag);
      if (flag > 1) code.i32(31 - Math.clz32(flag)).op(op["i32.shl"]);
      if (!first) code.op(op["i32.or"]);
      first = false;
    }
    if (first) code.i32(0);
  }
}

/**
 * Pushes condition code `condition` (tttn of the opcode, Intel SDM volume 2, appendix B.1) as 0 or 1, for flags set by a
 * known kind of operation whose operands are the context's: i32 for sizes 0-2, i64 for size 3.
 */
export function emitCondition(context: EmitContext, kind: number, size: Size, condition: number): void {
  new Flags(context, kind, widthOf(context, size)).condition(condition);
}

/** Pushes the EFLAGS bits of a known kind of operation; operands as in `emitCondition`. */
export function emitBits(context: EmitContext, kind: number, size: Size, mask: number = arithmeticFlags): void {
  new Flags(context, kind, widthOf(context, size)).bits(mask);
}

/** Pushes a condition code as 0 or 1, from EFLAGS bits in an i32 local. */
export function emitConditionOfBits(code: Code, bits: number, condition: number): void {
  const masks = [Flag.overflow, Flag.carry, Flag.zero, Flag.carry | Flag.zero, Flag.sign, Flag.parity] as const;
  const mask = masks[condition >> 1];
  if (mask !== undefined) {
    code.get(bits).i32(mask).op(op["i32.and"]).i32(0).op(op["i32.ne"]);
  } else {
    // SF is bit 7 and OF bit 11: they differ when bit 7 of bits ^ bits >> 4 is set.
    code.get(bits).get(bits).i32(4).op(op["i32.shr_u"]).op(op["i32.xor"]).i32(Flag.sign).op(op["i32.and"]);
    if (condition >> 1 === 7) code.get(bits).i32(Flag.zero).op(op["i32.and"]).op(op["i32.or"]);
    code.i32(0).op(op["i32.ne"]);
  }
  if (condition & 1) code.op(op["i32.eqz"]);
}

/** Defines a helper function in a module; gives its index. `helper` answers for those that it calls in turn. */
export function defineHelper(to: ModuleBuilder, name: HelperName, helper: (name: HelperName) => number): number {
  if (name === "cc_bits") return defineBits(to);
  const signature = to.type([type.i64, type.i64, type.i64], [type.i64]);
  if (name === "div128_u") {
    const { index, code } = to.function(signature, name);
    divideLong(code);
    return index;
  }
  const unsigned = helper("div128_u");
  const { index, code } = to.function(signature, name);
  divideLongSigned(code, unsigned);
  return index;
}

/** (FlagKind | size << 8, a, b, c) -> EFLAGS bits: the flags of a kind known only at run time. */
function defineBits(to: ModuleBuilder): number {
  const { index, code } = to.function(to.type([type.i32, type.i64, type.i64, type.i64], [type.i32]), "cc_bits");
  const shift = code.local(type.i64);
  code.i64(64).i64(8).get(0).i32(8).op(op["i32.shr_u"]).i32(3).op(op["i32.and"]);
  code.op(op["i64.extend_i32_u"]).op(op["i64.shl"]).op(op["i64.sub"]).set(shift);
  const context: EmitContext = {
    code,
    operand: (i) => void code.get(i + 1),
    scratch: (valueType) => code.local(valueType),
    helper: () => {
      throw new Error("flags need no helper");
    },
  };
  const kinds = Object.values(FlagKind);
  const labels = kinds.map(() => code.block()).reverse();
  code.get(0).i32(0xff).op(op["i32.and"]).brTable(labels, labels[0]!);
  for (const kind of kinds) {
    code.end();
    new Flags(context, kind, { long: true, shift: () => code.get(shift) }).bits(arithmeticFlags);
    code.op(op.return);
  }
  code.op(op.unreachable);
  return index;
}
