// Builds the IR of one basic block. A value is the index of the operation that made it. Operations are four words:
// opcode | immediate << 16, a, b, c; so the whole block is one Int32Array that the interpreter reads as it is.

import { opNumber, opRows, type ValueType } from "./ops.ts";

/** Index of the operation that computes it, in its block. */
export type Value = number;

/** A finished block: operations, constants, and which guest instruction each operation belongs to. */
export interface Block {
  /** Guest address of the first instruction (low 32 bits) and the number of code bytes it covers. */
  readonly pc: number;
  readonly length: number;
  /** 4 words an operation; the last operation is a terminator. */
  readonly code: Int32Array;
  /** 32-bit words of v128 constants and shuffle patterns. */
  readonly pool: Int32Array;
  /** Pairs: index of the first operation of each guest instruction, and the instruction's address (low 32 bits). */
  readonly instructions: Int32Array;
}

const absent = -1;

export class BlockBuilder {
  /** True for 64-bit mode: `word` values are i64. */
  readonly long: boolean;
  private code: number[] = [];
  private pool: number[] = [];
  private starts: number[] = [];
  private constants = new Map<string, Value>();

  constructor(long: boolean) {
    this.long = long;
  }

  /** Number of operations so far. */
  get count(): number {
    return this.code.length >>> 2;
  }

  /** Says that the operations that follow belong to the guest instruction at `pc`. */
  instruction(pc: number): void {
    this.starts.push(this.count, pc | 0);
  }

  /** Appends an operation by number (see `op` for names); operands that the row lacks are left out. */
  emit(op: number, a: number = absent, b: number = absent, c: number = absent, immediate: number = 0): Value {
    return (this.code.push(op | (immediate << 16), a, b, c) >>> 2) - 1;
  }

  i32(value: number): Value {
    return this.constant(`i${value | 0}`, op.i32const, value | 0, 0);
  }
  i64(low: number, high: number = low < 0 ? -1 : 0): Value {
    return this.constant(`l${low | 0},${high | 0}`, op.i64const, low | 0, high | 0);
  }
  /** A constant of the guest's word: sign-extended in 64-bit mode. */
  word(value: number): Value {
    return this.long ? this.i64(value) : this.i32(value);
  }
  f64(value: number): Value {
    const words = new Int32Array(new Float64Array([value]).buffer);
    return this.emit(op.f64const, words[0]!, words[1]!);
  }
  /** A v128 constant from four 32-bit words, lowest first. */
  v128(words: readonly [number, number, number, number]): Value {
    return this.constant(`v${words.join()}`, op.v128const, this.pooled(words), absent);
  }
  /** i8x16.shuffle: lanes 0-15 are of `a`, 16-31 of `b`. */
  shuffle(a: Value, b: Value, lanes: readonly number[]): Value {
    const words = new Int32Array(new Uint8Array(lanes).buffer);
    return this.emit(op.shuffle, a, b, this.pooled([...words]));
  }

  /** Type of a value made by this builder. */
  type(value: Value): ValueType {
    const type = opRows[this.code[value * 4]! & 0xffff]!.result;
    return type === "word" ? (this.long ? "i64" : "i32") : type;
  }

  /** The low word of an i32 or i64 constant, or undefined when the value is not an i32/i64 constant. */
  constantOf(value: Value): { low: number; high: number } | undefined {
    const opcode = this.code[value * 4]! & 0xffff;
    if (opcode !== op.i32const && opcode !== op.i64const) return undefined;
    return { low: this.code[value * 4 + 1]!, high: this.code[value * 4 + 2]! };
  }

  finish(pc: number, length: number): Block {
    return {
      pc: pc | 0,
      length,
      code: Int32Array.from(this.code),
      pool: Int32Array.from(this.pool),
      instructions: Int32Array.from(this.starts),
    };
  }

  /** Drops everything after `count` operations: undoes an instruction that turned out not to fit the block. */
  rewind(count: number): void {
    this.code.length = count * 4;
    while (this.starts.length > 0 && this.starts.at(-2)! >= count) this.starts.length -= 2;
    for (const [key, value] of this.constants) if (value >= count) this.constants.delete(key);
  }

  private pooled(words: readonly number[]): number {
    return this.pool.push(...words.map((word) => word | 0)) - words.length;
  }

  private constant(key: string, opcode: number, a: number, b: number): Value {
    let value = this.constants.get(key);
    if (value === undefined) this.constants.set(key, (value = this.emit(opcode, a, b)));
    return value;
  }
}

const op = {
  i32const: opNumber("i32.const"),
  i64const: opNumber("i64.const"),
  f64const: opNumber("f64.const"),
  v128const: opNumber("v128.const"),
  shuffle: opNumber("i8x16.shuffle"),
};
