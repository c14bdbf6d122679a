// A growable buffer of WebAssembly instructions: the body of one function, written forwards.

import { op, type } from "./opcodes.ts";

/** An open block, loop or if: what a branch names. */
export type Label = number;

/** Bytes with LEB128 numbers (WebAssembly Core Specification, section 5.2.2). */
export class ByteWriter {
  bytes: Uint8Array<ArrayBuffer>;
  length = 0;

  constructor(capacity = 256) {
    this.bytes = new Uint8Array(capacity);
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    const bytes = new Uint8Array(Math.max(this.bytes.length * 2, this.length + count));
    bytes.set(this.bytes.subarray(0, this.length));
    this.bytes = bytes;
  }

  byte(value: number): void {
    if (this.length === this.bytes.length) this.reserve(1);
    this.bytes[this.length++] = value;
  }

  raw(bytes: ArrayLike<number>): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** An unsigned 32-bit number. */
  u32(value: number): void {
    this.reserve(5);
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.bytes[this.length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.bytes[this.length++] = rest;
  }

  /** A signed 32-bit number. */
  s32(value: number): void {
    this.reserve(5);
    let rest = value | 0;
    while (rest > 0x3f || rest < -0x40) {
      this.bytes[this.length++] = (rest & 0x7f) | 0x80;
      rest >>= 7;
    }
    this.bytes[this.length++] = rest & 0x7f;
  }

  /** A signed 64-bit number from its halves. */
  s64(low: number, high: number): void {
    this.reserve(10);
    let l = low | 0;
    let h = high | 0;
    while (!(h === 0 && l >= 0 && l <= 0x3f) && !(h === -1 && l < 0 && l >= -0x40)) {
      this.bytes[this.length++] = (l & 0x7f) | 0x80;
      l = (l >>> 7) | (h << 25);
      h >>= 7;
    }
    this.bytes[this.length++] = l & 0x7f;
  }

  /** Four bytes, lowest first. */
  word(value: number): void {
    this.reserve(4);
    this.bytes[this.length++] = value;
    this.bytes[this.length++] = value >>> 8;
    this.bytes[this.length++] = value >>> 16;
    this.bytes[this.length++] = value >>> 24;
  }

  /** A name: its length and UTF-8 bytes. */
  name(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.u32(bytes.length);
    this.raw(bytes);
  }

  /** The bytes written so far, as a view. */
  view(): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(0, this.length);
  }
}

/**
 * The instructions of a function. `block`, `loop` and `if` give a label, branches take it: depths are counted here.
 * The function's own block is label 0, so `br(0)` returns.
 */
export class Code extends ByteWriter {
  private depth = 0;
  private readonly parameters: number;
  private readonly locals: number[] = [];

  constructor(parameters = 0, capacity = 256) {
    super(capacity);
    this.parameters = parameters;
  }

  /** Declares a local variable; gives its index. */
  local(valueType: number): number {
    return this.parameters + this.locals.push(valueType) - 1;
  }

  /** Types of the declared locals, in order. */
  get localTypes(): readonly number[] {
    return this.locals;
  }

  /** An instruction without immediates. */
  op(opcode: number): this {
    if (opcode < 0x100) this.byte(opcode);
    else if (opcode > 0xffff) {
      this.byte(opcode >>> 12);
      this.u32(opcode & 0xfff);
    } else {
      this.byte(opcode >>> 8);
      this.u32(opcode & 0xff);
    }
    return this;
  }

  i32(value: number): this {
    this.byte(op["i32.const"]);
    this.s32(value);
    return this;
  }
  i64(low: number, high: number = low < 0 ? -1 : 0): this {
    this.byte(op["i64.const"]);
    this.s64(low, high);
    return this;
  }
  /** An f64 constant from its bits. */
  f64(low: number, high: number): this {
    this.byte(op["f64.const"]);
    this.word(low);
    this.word(high);
    return this;
  }
  /** An f32 constant from its bits. */
  f32(bits: number): this {
    this.byte(op["f32.const"]);
    this.word(bits);
    return this;
  }
  v128(a: number, b: number, c: number, d: number): this {
    this.op(op["v128.const"]);
    for (const word of [a, b, c, d]) this.word(word);
    return this;
  }
  /** i8x16.shuffle with its 16 lanes packed in four words. */
  shuffle(a: number, b: number, c: number, d: number): this {
    this.op(op["i8x16.shuffle"]);
    for (const word of [a, b, c, d]) this.word(word);
    return this;
  }
  /** An extract_lane or replace_lane. */
  lane(opcode: number, lane: number): this {
    this.op(opcode);
    this.byte(lane);
    return this;
  }

  get(local: number): this {
    this.byte(op["local.get"]);
    this.u32(local);
    return this;
  }
  set(local: number): this {
    this.byte(op["local.set"]);
    this.u32(local);
    return this;
  }
  tee(local: number): this {
    this.byte(op["local.tee"]);
    this.u32(local);
    return this;
  }
  globalGet(index: number): this {
    this.byte(op["global.get"]);
    this.u32(index);
    return this;
  }
  globalSet(index: number): this {
    this.byte(op["global.set"]);
    this.u32(index);
    return this;
  }

  /** A load or store at a constant offset from the address on the stack; no alignment is promised. */
  memory(opcode: number, offset = 0): this {
    this.op(opcode);
    this.byte(0);
    this.u32(offset);
    return this;
  }
  memoryCopy(): this {
    this.op(op["memory.copy"]);
    this.byte(0);
    this.byte(0);
    return this;
  }
  memoryFill(): this {
    this.op(op["memory.fill"]);
    this.byte(0);
    return this;
  }

  /** `blockType` is a value type, `type.none`, or the index of a function type. */
  block(blockType: number = type.none): Label {
    return this.open(op.block, blockType);
  }
  loop(blockType: number = type.none): Label {
    return this.open(op.loop, blockType);
  }
  if(blockType: number = type.none): Label {
    return this.open(op.if, blockType);
  }
  else(): this {
    this.byte(op.else);
    return this;
  }
  /** Closes the innermost block. */
  end(): this {
    this.depth--;
    this.byte(op.end);
    return this;
  }
  br(label: Label): this {
    this.byte(op.br);
    this.u32(this.depth - label);
    return this;
  }
  brIf(label: Label): this {
    this.byte(op.br_if);
    this.u32(this.depth - label);
    return this;
  }
  brTable(labels: readonly Label[], otherwise: Label): this {
    this.byte(op.br_table);
    this.u32(labels.length);
    for (const label of labels) this.u32(this.depth - label);
    this.u32(this.depth - otherwise);
    return this;
  }

  call(functionIndex: number): this {
    this.byte(op.call);
    this.u32(functionIndex);
    return this;
  }
  returnCall(functionIndex: number): this {
    this.byte(op.return_call);
    this.u32(functionIndex);
    return this;
  }
  callIndirect(typeIndex: number, table = 0): this {
    this.byte(op.call_indirect);
    this.u32(typeIndex);
    this.u32(table);
    return this;
  }
  returnCallIndirect(typeIndex: number, table = 0): this {
    this.byte(op.return_call_indirect);
    this.u32(typeIndex);
    this.u32(table);
    return this;
  }

  private open(opcode: number, blockType: number): Label {
    this.byte(opcode);
    // Value types and the empty type are one byte that reads as a negative number; an index is a positive one.
    if (blockType >= type.none && blockType <= type.i32) this.byte(blockType);
    else this.s32(blockType);
    return ++this.depth;
  }
}
