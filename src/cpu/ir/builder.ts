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
  private code: Int32Array<ArrayBuffer>;
  /** Number of operations so far. */
  count = 0;
  private pool: number[] = [];
  private starts: number[] = [];
  /** Constants so far, which are shared by all who need the same one. */
  private constants: Value[] = [];

  constructor(long: boolean) {
    this.long = long;
    this.code = spare ?? new Int32Array(0x2000);
    spare = undefined;
  }

  /** Says that the operations that follow belong to the guest instruction at `pc`. */
  instruction(pc: number): void {
    this.starts.push(this.count, pc | 0);
  }

  /** Appends an operation by number (see `op` for names); operands that the row lacks are left out. */
  emit(op: number, a: number = absent, b: number = absent, c: number = absent, immediate: number = 0): Value {
    let { code } = this;
    const at = this.count * 4;
    if (at === code.length) {
      this.code = new Int32Array(code.length * 2);
      this.code.set(code);
      ({ code } = this);
    }
    code[at] = op | (immediate << 16);
    code[at + 1] = a;
    code[at + 2] = b;
    code[at + 3] = c;
    return this.count++;
  }

  i32(value: number): Value {
    return this.constant(op.i32const, value | 0, 0);
  }
  i64(low: number, high: number = low < 0 ? -1 : 0): Value {
    return this.constant(op.i64const, low | 0, high | 0);
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
    for (const value of this.constants) {
      if (this.code[value * 4] !== op.v128const) continue;
      const at = this.code[value * 4 + 1]!;
      if (words.every((word, i) => this.pool[at + i] === (word | 0))) return value;
    }
    const value = this.emit(op.v128const, this.pooled(words));
    this.constants.push(value);
    return value;
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
    spare = this.code;
    this.code = keep(this.code, this.count * 4);
    return {
      pc: pc | 0,
      length,
      code: this.code,
      pool: this.pool.length === 0 ? noPool : keep(this.pool, this.pool.length),
      instructions: keep(this.starts, this.starts.length),
    };
  }

  /** Drops everything after `count` operations: undoes an instruction that turned out not to fit the block. */
  rewind(count: number): void {
    this.count = count;
    while (this.starts.length > 0 && this.starts.at(-2)! >= count) this.starts.length -= 2;
    this.constants = this.constants.filter((value) => value < count);
  }

  private pooled(words: readonly number[]): number {
    return this.pool.push(...words.map((word) => word | 0)) - words.length;
  }

  private constant(opcode: number, a: number, b: number): Value {
    const { code, constants } = this;
    for (let i = 0; i < constants.length; i++) {
      const at = constants[i]! * 4;
      if (code[at + 1] === a && code[at + 2] === b && code[at] === opcode) return constants[i]!;
    }
    const value = this.emit(opcode, a, b);
    constants.push(value);
    return value;
  }
}

const noPool = new Int32Array(0);

/** Blocks share buffers: a small typed array of its own costs more than all else about a block. */
let slab = new Int32Array(0x10000);
let slabUsed = 0;

/** A copy of the first `length` words. */
function keep(words: ArrayLike<number>, length: number): Int32Array<ArrayBuffer> {
  if (slabUsed + length > slab.length) {
    slab = new Int32Array(Math.max(0x10000, length));
    slabUsed = 0;
  }
  const start = slabUsed;
  for (let i = 0; i < length; i++) slab[slabUsed++] = words[i]!;
  return slab.subarray(start, slabUsed);
}

/** The buffer of the builder that finished last: most blocks are built one after another. */
let spare: Int32Array<ArrayBuffer> | undefined;

const op = {
  i32const: opNumber("i32.const"),
  i64const: opNumber("i64.const"),
  f64const: opNumber("f64.const"),
  v128const: opNumber("v128.const"),
  shuffle: opNumber("i8x16.shuffle"),
};
