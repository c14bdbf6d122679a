// What the fast x87 functions are written in: expressions over the registers, the tag word and the control and status words.

import type { Code } from "../../../wasm/code.ts";
import { op, type } from "../../../wasm/opcodes.ts";
import { offsets, stateAddress } from "../../state.ts";

/** Pushes a value. */
export type Expression = () => void;
type Alu =
  | "add"
  | "sub"
  | "mul"
  | "and"
  | "or"
  | "xor"
  | "shl"
  | "shr_u"
  | "eq"
  | "ne"
  | "lt_s"
  | "lt_u"
  | "gt_u"
  | "ge_u";

const controlWord = stateAddress(offsets.x87Control);
const tagWord = stateAddress(offsets.x87Tags);
export const registers = stateAddress(offsets.x87);
export const scratch = stateAddress(offsets.scratch);

// Control word in the low half, status word in the high half of one i32.
export const summary = 0x80 << 16;
export const c1 = 0x200 << 16;
export const codes = 0x4700 << 16;
export const inexact = 0x20 << 16;
export const masks = 0x3f;
export const precision = 0x300;
export const rounding = 0xc00;
const topUnit = 1 << 27;
const topMask = 7 << 27;
export const least = [0, 0x80000000 | 0] as const;

/** Writes one function out of expressions; every fast function returns 1 when it has done the work, else 0. */
export class Writer {
  readonly code: Code;
  constructor(code: Code) {
    this.code = code;
  }
  i32(): number {
    return this.code.local(type.i32);
  }
  i64(): number {
    return this.code.local(type.i64);
  }
  n =
    (value: number): Expression =>
    () =>
      void this.code.i32(value);
  l =
    (low: number, high = low < 0 ? -1 : 0): Expression =>
    () =>
      void this.code.i64(low, high);
  $ =
    (local: number): Expression =>
    () =>
      void this.code.get(local);
  /** An i32 operation. */
  w =
    (name: Alu, a: Expression, b: Expression): Expression =>
    () => {
      a();
      b();
      this.code.op(op[`i32.${name}`]);
    };
  /** An i64 operation. */
  q =
    (name: Alu, a: Expression, b: Expression): Expression =>
    () => {
      a();
      b();
      this.code.op(op[`i64.${name}`]);
    };
  one =
    (opcode: number, a: Expression): Expression =>
    () => {
      a();
      this.code.op(opcode);
    };
  long = (a: Expression): Expression => this.one(op["i64.extend_i32_u"], a);
  short = (a: Expression): Expression => this.one(op["i32.wrap_i64"], a);
  zero = (a: Expression): Expression => this.one(op["i64.eqz"], a);
  load =
    (opcode: number, at: Expression, offset: number): Expression =>
    () => {
      at();
      this.code.memory(opcode, offset);
    };
  choose =
    (condition: Expression, a: Expression, b: Expression): Expression =>
    () => {
      a();
      b();
      condition();
      this.code.op(op.select);
    };

  set(local: number, value: Expression): void {
    value();
    this.code.set(local);
  }
  store(opcode: number, at: Expression, offset: number, value: Expression): void {
    at();
    value();
    this.code.memory(opcode, offset);
  }
  if(condition: Expression, then: () => void, otherwise?: () => void): void {
    condition();
    this.code.if();
    then();
    if (otherwise) {
      this.code.else();
      otherwise();
    }
    this.code.end();
  }
  return(value: Expression): void {
    value();
    this.code.op(op.return);
  }
  /** Leaves the case to the callout. */
  giveUpIf(condition: Expression): void {
    this.if(condition, () => this.return(this.n(0)));
  }
  call(index: number, ...values: Expression[]): Expression {
    return () => {
      for (const value of values) value();
      this.code.call(index);
    };
  }

  // The unit's state.

  /** Reads the control and status words; gives up unless `mask` of them is `value`. */
  begin(mask: number, value: number): number {
    const word = this.i32();
    this.set(word, this.load(op["i32.load"], this.n(0), controlWord));
    this.giveUpIf(this.w("ne", this.w("and", this.$(word), this.n(mask)), this.n(value)));
    return word;
  }
  /** 16 times the number of the physical register ST(i). */
  place(word: number, i: Expression): number {
    const at = this.i32();
    const number = this.w("add", this.w("shr_u", this.$(word), this.n(27)), i);
    this.set(at, this.w("shl", this.w("and", number, this.n(7)), this.n(4)));
    return at;
  }
  /** Whether the register at a place is empty. */
  empty(at: number): Expression {
    const tags = this.w(
      "shr_u",
      this.load(op["i32.load16_u"], this.n(0), tagWord),
      this.w("shr_u", this.$(at), this.n(3)),
    );
    return this.w("eq", this.w("and", tags, this.n(3)), this.n(3));
  }
  setTag(at: number, empty: boolean): void {
    const bits = this.w("shl", this.n(3), this.w("shr_u", this.$(at), this.n(3)));
    const old = this.load(op["i32.load16_u"], this.n(0), tagWord);
    const value = empty ? this.w("or", old, bits) : this.w("and", old, this.w("xor", bits, this.n(-1)));
    this.store(op["i32.store16"], this.n(0), tagWord, value);
  }
  significand = (at: number): Expression => this.load(op["i64.load"], this.$(at), registers);
  head = (at: number): Expression => this.load(op["i32.load16_u"], this.$(at), registers + 8);
  write(at: number, head: Expression, significand: Expression): void {
    this.store(op["i64.store"], this.$(at), registers, significand);
    this.store(op["i32.store16"], this.$(at), registers + 8, head);
  }
  /** Moves TOP by a number of registers. */
  turn(word: number, by: number): void {
    const moved = this.w("and", this.w("add", this.$(word), this.n(Math.imul(topUnit, by))), this.n(topMask));
    this.set(word, this.w("or", this.w("and", this.$(word), this.n(~topMask)), moved));
  }
  pop(word: number): void {
    const at = this.place(word, this.n(0));
    this.setTag(at, true);
    this.turn(word, 1);
  }
  /** Stores the words with C1 clear but for `bits`, and reports success. */
  done(word: number, bits: Expression = this.n(0), clear = c1): void {
    const value = this.w("or", this.w("and", this.$(word), this.n(~clear)), bits);
    this.store(op["i32.store"], this.n(0), controlWord, value);
    this.return(this.n(1));
  }
  exponent = (head: number): Expression => this.w("and", this.$(head), this.n(0x7fff));
  /** A normal number: integer bit set, exponent neither 0 nor the greatest. */
  abnormal = (head: number, significand: number): Expression =>
    this.w(
      "or",
      this.one(op["i32.eqz"], this.w("and", this.w("add", this.$(head), this.n(1)), this.n(0x7ffe))),
      this.q("ge_u", this.l(-1, 0x7fffffff), this.$(significand)),
    );
  zeroNumber = (head: number, significand: number): Expression =>
    this.zero(this.q("or", this.$(significand), this.long(this.exponent(head))));
  request = (): Expression => this.load(op["i32.load"], this.n(0), scratch);
  operand = (): Expression => this.load(op["i64.load"], this.n(0), scratch + 8);
}
