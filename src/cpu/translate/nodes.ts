// Values of a region as a graph: one node a computation, equal ones shared within a block, simplified as they are made.
// Node numbers grow; the nodes of a block are those made since `startBlock`.

import { opNumber, opRows, type ValueType } from "../ir/ops.ts";

export type Node = number;

const n = opNumber;
/** Numbers of the operations that the compiler itself names. */
export const ops = {
  i32const: n("i32.const"),
  i64const: n("i64.const"),
  f64const: n("f64.const"),
  v128const: n("v128.const"),
  get8: n("get8"),
  get8h: n("get8h"),
  get16: n("get16"),
  get32: n("get32"),
  get64: n("get64"),
  set8: n("set8"),
  set8h: n("set8h"),
  set16: n("set16"),
  set32: n("set32"),
  set64: n("set64"),
  getx: n("getx"),
  setx: n("setx"),
  stateLoad8: n("state.load8"),
  stateLoadf64: n("state.loadf64"),
  stateStore8: n("state.store8"),
  stateStoref64: n("state.storef64"),
  load8: n("load8"),
  loadLast: n("load64_zero"),
  store8: n("store8"),
  store128: n("store128"),
  probeWrite: n("probeWrite"),
  ccSet32: n("cc.set32"),
  ccSet64: n("cc.set64"),
  ccBits32: n("cc.bits32"),
  ccBits64: n("cc.bits64"),
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
  select32: n("i32.select"),
  select64: n("i64.select"),
  shuffle: n("i8x16.shuffle"),
  eqz32: n("i32.eqz"),
  eq32: n("i32.eq"),
  ne32: n("i32.ne"),
  ltS32: n("i32.lt_s"),
  ltU32: n("i32.lt_u"),
  gtS32: n("i32.gt_s"),
  gtU32: n("i32.gt_u"),
  leS32: n("i32.le_s"),
  leU32: n("i32.le_u"),
  geS32: n("i32.ge_s"),
  geU32: n("i32.ge_u"),
  eqz64: n("i64.eqz"),
  eq64: n("i64.eq"),
  ne64: n("i64.ne"),
  ltS64: n("i64.lt_s"),
  ltU64: n("i64.lt_u"),
  gtS64: n("i64.gt_s"),
  gtU64: n("i64.gt_u"),
  leS64: n("i64.le_s"),
  leU64: n("i64.le_u"),
  geS64: n("i64.ge_s"),
  geU64: n("i64.ge_u"),
  clz32: n("i32.clz"),
  popcnt32: n("i32.popcnt"),
  add32: n("i32.add"),
  sub32: n("i32.sub"),
  mul32: n("i32.mul"),
  and32: n("i32.and"),
  or32: n("i32.or"),
  xor32: n("i32.xor"),
  shl32: n("i32.shl"),
  shrS32: n("i32.shr_s"),
  shrU32: n("i32.shr_u"),
  add64: n("i64.add"),
  sub64: n("i64.sub"),
  mul64: n("i64.mul"),
  and64: n("i64.and"),
  or64: n("i64.or"),
  xor64: n("i64.xor"),
  shl64: n("i64.shl"),
  shrS64: n("i64.shr_s"),
  shrU64: n("i64.shr_u"),
  wrap: n("i32.wrap_i64"),
  extendS: n("i64.extend_i32_s"),
  extendU: n("i64.extend_i32_u"),
  extend8: n("i32.extend8_s"),
  extend16: n("i32.extend16_s"),
  extract64: n("i64x2.extract_lane"),
  replace64: n("i64x2.replace_lane"),
  extractF64: n("f64x2.extract_lane"),
  replaceF64: n("f64x2.replace_lane"),
  extractF32: n("f32x4.extract_lane"),
  replaceF32: n("f32x4.replace_lane"),
  extract32: n("i32x4.extract_lane"),
  replace32: n("i32x4.replace_lane"),
} as const;

/**
 * Operations beyond the IR's: the operands of flags set in an earlier part of the region, always i64; and a condition of
 * flags with operands a, b, c: the immediate is that of cc.set and the condition code << 12.
 */
const first = opRows.length;
export const extra = { flagA: first, flagB: first + 1, flagC: first + 2, test: first + 3, count: 4 } as const;

const opCount = first + extra.count;
const resultTypes: ValueType[] = [...opRows.map((row) => row.result), "i64", "i64", "i64", "i32"];
const argumentCounts = Uint8Array.from(
  { length: opCount },
  (_, i) => opRows[i]?.args.length ?? (i === extra.test ? 3 : 0),
);

/** Number of value operands an operation takes. */
export const argumentCount = (op: number): number => argumentCounts[op]!;

const isLoadOp = new Uint8Array(opCount);
for (let op = ops.load8; op <= ops.loadLast; op++) isLoadOp[op] = 1;
export const isLoad = (op: number): boolean => isLoadOp[op] === 1;

// Operations whose result is 0 or 1.
const isBoolean = new Uint8Array(opCount);
opRows.forEach((row, op) => {
  if (row.result === "i32" && /^[if](32|64)\.(eq|ne|lt|gt|le|ge)|_true$/.test(row.name)) isBoolean[op] = 1;
});
isBoolean[extra.test] = 1;

// The opposite of each integer comparison, and of nothing else.
const opposites = new Int16Array(opCount).fill(-1);
for (const type of ["i32", "i64"]) {
  for (const [a, b] of [
    ["eq", "ne"],
    ["lt_s", "ge_s"],
    ["lt_u", "ge_u"],
    ["gt_s", "le_s"],
    ["gt_u", "le_u"],
  ]) {
    opposites[n(`${type}.${a}`)] = n(`${type}.${b}`);
    opposites[n(`${type}.${b}`)] = n(`${type}.${a}`);
  }
}

export class Nodes {
  readonly long: boolean;
  op = new Uint16Array(4096);
  a = new Int32Array(4096);
  b = new Int32Array(4096);
  c = new Int32Array(4096);
  /** The operation's immediate; of loads the displacement from the address in `a`. */
  immediate = new Int32Array(4096);
  /** How many low bits of an i32 or i64 can be other than zero. */
  bits = new Uint8Array(4096);
  count = 0;
  /** Words of v128 constants and shuffles; the immediates of those nodes point here. */
  readonly pool: number[] = [];
  private blockStart = 0;
  private table = new Int32Array(8192).fill(-1);
  /** Where the table has a node, or -1. An entry whose node is elsewhere is left over from another region. */
  private slots = new Int32Array(4096);

  constructor(long: boolean) {
    this.long = long;
  }

  /** Forgets all nodes. Entries that the table still has of them are told by `slots`. */
  clear(): void {
    this.count = 0;
    this.blockStart = 0;
    this.pool.length = 0;
  }
  startBlock(): void {
    this.blockStart = this.count;
  }

  type(node: Node): ValueType {
    const type = resultTypes[this.op[node]!]!;
    return type === "word" ? (this.long ? "i64" : "i32") : type;
  }

  /** A node of its own, equal to no other: loads, callouts. */
  fresh(op: number, a: Node, b: Node, c: Node, immediate: number, bits: number): Node {
    if (this.count === this.op.length) this.grow();
    const node = this.count++;
    this.op[node] = op;
    this.a[node] = a;
    this.b[node] = b;
    this.c[node] = c;
    this.immediate[node] = immediate;
    this.bits[node] = bits;
    this.slots[node] = -1;
    return node;
  }

  /** The node with these parts, shared when the block has it already. */
  private shared(op: number, a: number, b: number, c: number, immediate: number): Node {
    const mask = this.table.length - 1;
    let at =
      Math.imul(op, 0x9e3779b1) ^
      Math.imul(a, 0x85ebca6b) ^
      Math.imul(b, 0xc2b2ae35) ^
      Math.imul(c + immediate, 0x27d4eb2f);
    at = (at ^ (at >>> 15)) & mask;
    for (; ; at = (at + 1) & mask) {
      const node = this.table[at]!;
      if (node < this.blockStart || node >= this.count || this.slots[node] !== at) break;
      if (
        this.op[node] === op &&
        this.a[node] === a &&
        this.b[node] === b &&
        this.c[node] === c &&
        this.immediate[node] === immediate
      )
        return node;
    }
    const node = this.fresh(op, a, b, c, immediate, 0);
    this.bits[node] = this.bitsOf(node);
    this.table[at] = node;
    this.slots[node] = at;
    if ((this.count - this.blockStart) * 2 > this.table.length) this.rehash();
    return node;
  }

  private rehash(): void {
    // Long blocks get a larger table; nodes made so far are merely not found again.
    this.table = new Int32Array(this.table.length * 2).fill(-1);
    this.slots.fill(-1);
  }

  private grow(): void {
    const size = this.op.length * 2;
    const wider = (old: Int32Array) => {
      const array = new Int32Array(size);
      array.set(old);
      return array;
    };
    const op = new Uint16Array(size);
    op.set(this.op);
    const bits = new Uint8Array(size);
    bits.set(this.bits);
    [this.op, this.bits] = [op, bits];
    this.a = wider(this.a);
    this.b = wider(this.b);
    this.c = wider(this.c);
    this.immediate = wider(this.immediate);
    this.slots = wider(this.slots);
  }

  private bitsOf(node: Node): number {
    const op = this.op[node]!;
    const a = this.a[node]!;
    const b = this.b[node]!;
    if (isBoolean[op]) return 1;
    switch (op) {
      case ops.i32const:
        return 32 - Math.clz32(a);
      case ops.i64const:
        return b === 0 ? 32 - Math.clz32(a) : 64 - Math.clz32(b);
      case ops.and32:
      case ops.and64:
        return Math.min(this.bits[a]!, this.bits[b]!);
      case ops.or32:
      case ops.xor32:
      case ops.or64:
      case ops.xor64:
        return Math.max(this.bits[a]!, this.bits[b]!);
      case ops.select32:
      case ops.select64:
        return Math.max(this.bits[b]!, this.bits[this.c[node]!]!);
      case ops.shrU32:
        return this.op[b] === ops.i32const ? Math.max(0, this.bits[a]! - (this.a[b]! & 31)) : this.bits[a]!;
      case ops.shrU64:
        return this.op[b] === ops.i64const ? Math.max(0, this.bits[a]! - (this.a[b]! & 63)) : this.bits[a]!;
      case ops.shl32:
        return this.op[b] === ops.i32const ? Math.min(32, this.bits[a]! + (this.a[b]! & 31)) : 32;
      case ops.shl64:
        return this.op[b] === ops.i64const ? Math.min(64, this.bits[a]! + (this.a[b]! & 63)) : 64;
      case ops.wrap:
        return Math.min(32, this.bits[a]!);
      case ops.extendU:
        return this.bits[a]!;
      case ops.extendS:
        return this.bits[a]! < 32 ? this.bits[a]! : 64;
      case ops.clz32:
      case ops.clz32 + 1:
      case ops.popcnt32:
        return 6;
      default: {
        const type = this.type(node);
        return type === "i32" ? 32 : 64;
      }
    }
  }

  i32(value: number): Node {
    return this.shared(ops.i32const, value | 0, 0, 0, 0);
  }
  i64(low: number, high: number = low < 0 ? -1 : 0): Node {
    return this.shared(ops.i64const, low | 0, high | 0, 0, 0);
  }
  /** A constant of the guest's word, sign-extended. */
  word(value: number): Node {
    return this.long ? this.i64(value | 0) : this.i32(value);
  }
  /** A constant whose operand words are its bits. */
  constant(op: number, low: number, high: number): Node {
    return this.shared(op, low, high, 0, 0);
  }
  vector(w: number, x: number, y: number, z: number): Node {
    return this.shared(ops.v128const, -1, -1, -1, this.pooled(w, x, y, z));
  }
  /** i8x16.shuffle with its lanes packed in four words. */
  shuffle(a: Node, b: Node, w: number, x: number, y: number, z: number): Node {
    return this.shared(ops.shuffle, a, b, -1, this.pooled(w, x, y, z));
  }
  private pooled(w: number, x: number, y: number, z: number): number {
    const { pool } = this;
    for (let i = 0; i < pool.length; i += 4)
      if (pool[i] === w && pool[i + 1] === x && pool[i + 2] === y && pool[i + 3] === z) return i;
    return pool.push(w, x, y, z) - 4;
  }
  isConstant(node: Node): boolean {
    return this.op[node] === ops.i32const || this.op[node] === ops.i64const;
  }
  /** True for the i32 constant, or the i64 constant that is it sign-extended. */
  isNumber(node: Node, value: number): boolean {
    const op = this.op[node];
    return this.a[node] === value && (op === ops.i32const || (op === ops.i64const && this.b[node] === value >> 31));
  }

  /** A pure operation, simplified. */
  make(op: number, a: Node = -1, b: Node = -1, c: Node = -1, immediate = 0): Node {
    switch (op) {
      case ops.sub32:
      case ops.sub64:
        if (this.smallConstant(b)) return this.make(op === ops.sub32 ? ops.add32 : ops.add64, a, this.negated(b));
        break;
      case ops.add32:
      case ops.add64: {
        if (this.isConstant(a) && !this.isConstant(b)) [a, b] = [b, a];
        if (!this.smallConstant(b)) break;
        const constant = this.a[b]!;
        if (constant === 0) return a;
        if (this.smallConstant(a)) {
          const sum = this.a[a]! + constant;
          if (op === ops.add32) return this.i32(sum);
          return this.i64(sum | 0, Math.floor(sum / 0x1_0000_0000));
        }
        if (this.op[a] === op && this.smallConstant(this.b[a]!)) {
          const sum = this.a[this.b[a]!]! + constant;
          if (op === ops.add32) return this.make(op, this.a[a]!, this.i32(sum));
          if (sum === (sum | 0)) return this.make(op, this.a[a]!, this.i64(sum));
        }
        break;
      }
      case ops.and32: {
        if (this.isConstant(a)) [a, b] = [b, a];
        if (this.op[b] !== ops.i32const) break;
        const mask = this.a[b]!;
        if (this.op[a] === ops.i32const) return this.i32(this.a[a]! & mask);
        if (mask === 0) return b;
        if ((mask & (mask + 1)) === 0 && this.bits[a]! <= 32 - Math.clz32(mask)) return a;
        if (this.op[a] === ops.and32 && this.op[this.b[a]!] === ops.i32const)
          return this.make(op, this.a[a]!, this.i32(this.a[this.b[a]!]! & mask));
        break;
      }
      case ops.or32:
      case ops.or64:
      case ops.xor32:
      case ops.xor64:
        if (this.isConstant(a)) [a, b] = [b, a];
        if (this.isNumber(b, 0)) return a;
        if (a === b) {
          if (op === ops.or32 || op === ops.or64) return a;
          return op === ops.xor32 ? this.i32(0) : this.i64(0);
        }
        break;
      case ops.shl32:
      case ops.shrU32:
      case ops.shrS32:
        if (this.op[b] === ops.i32const) {
          if ((this.a[b]! & 31) === 0) return a;
          if (this.op[a] === ops.i32const) {
            const [value, count] = [this.a[a]!, this.a[b]!];
            return this.i32(op === ops.shl32 ? value << count : op === ops.shrU32 ? value >>> count : value >> count);
          }
        }
        break;
      case ops.shl64:
      case ops.shrU64:
      case ops.shrS64:
        if (this.op[b] === ops.i64const && (this.a[b]! & 63) === 0) return a;
        break;
      case ops.wrap:
        if (this.op[a] === ops.extendU || this.op[a] === ops.extendS) return this.a[a]!;
        if (this.op[a] === ops.i64const) return this.i32(this.a[a]!);
        // The low half of what was put together from parts.
        if (this.op[a] === ops.and64 && this.op[this.b[a]!] === ops.i64const)
          return this.make(ops.and32, this.make(ops.wrap, this.a[a]!), this.i32(this.a[this.b[a]!]!));
        if (this.op[a] === ops.or64)
          return this.make(ops.or32, this.make(ops.wrap, this.a[a]!), this.make(ops.wrap, this.b[a]!));
        break;
      case ops.extendU:
        if (this.op[a] === ops.i32const) return this.i64(this.a[a]!, 0);
        break;
      case ops.extendS:
        if (this.op[a] === ops.i32const) return this.i64(this.a[a]!);
        if (this.bits[a]! < 32) return this.make(ops.extendU, a);
        break;
      case ops.extend8:
        if (this.op[a] === ops.i32const) return this.i32((this.a[a]! << 24) >> 24);
        if (this.bits[a]! < 8) return a;
        if (this.op[a] === ops.and32 && this.isNumber(this.b[a]!, 0xff)) a = this.a[a]!;
        break;
      case ops.extend16:
        if (this.op[a] === ops.i32const) return this.i32((this.a[a]! << 16) >> 16);
        if (this.bits[a]! < 16) return a;
        if (this.op[a] === ops.and32 && this.isNumber(this.b[a]!, 0xffff)) a = this.a[a]!;
        break;
      case ops.eqz32:
        if (this.op[a] === ops.i32const) return this.i32(this.a[a] === 0 ? 1 : 0);
        if (opposites[this.op[a]!]! >= 0) return this.make(opposites[this.op[a]!]!, this.a[a]!, this.b[a]!);
        if (this.op[a] === ops.eqz32 && this.bits[this.a[a]!] === 1) return this.a[a]!;
        if (this.op[a] === ops.eqz64) return this.make(ops.ne64, this.a[a]!, this.i64(0));
        break;
      case ops.eq32:
      case ops.eq64:
      case ops.ne32: {
        if (!this.isNumber(b, 0)) break;
        if (op === ops.ne32 && this.bits[a] === 1) return a;
        if (op !== ops.ne32) return this.make(op === ops.eq32 ? ops.eqz32 : ops.eqz64, a);
        break;
      }
      case ops.select32:
      case ops.select64:
        if (this.op[a] === ops.i32const) return this.a[a] === 0 ? c : b;
        if (b === c) return b;
        break;
      case ops.extractF64:
        if (this.op[a] === ops.replaceF64)
          return this.immediate[a] === immediate ? this.b[a]! : this.make(op, this.a[a]!, -1, -1, immediate);
        break;
      case ops.extract64:
        if (this.op[a] === ops.replace64)
          return this.immediate[a] === immediate ? this.b[a]! : this.make(op, this.a[a]!, -1, -1, immediate);
        break;
      case ops.extractF32:
        if (this.op[a] === ops.replaceF32)
          return this.immediate[a] === immediate ? this.b[a]! : this.make(op, this.a[a]!, -1, -1, immediate);
        break;
      case ops.extract32:
        if (this.op[a] === ops.replace32)
          return this.immediate[a] === immediate ? this.b[a]! : this.make(op, this.a[a]!, -1, -1, immediate);
        break;
      case ops.replaceF64:
      case ops.replaceF32:
      case ops.replace64:
      case ops.replace32:
        // Two writes of one lane: the first is lost.
        if (this.op[a] === op && this.immediate[a] === immediate) return this.make(op, this.a[a]!, b, -1, immediate);
        break;
    }
    return this.shared(op, a, b, c, immediate);
  }

  /** The operation that gives the opposite of an integer comparison; -1 when the node is none. */
  opposite(node: Node): number {
    return opposites[this.op[node]!]!;
  }

  /** True for constants that fit in 32 bits signed. */
  private smallConstant(node: Node): boolean {
    return this.op[node] === ops.i32const || (this.op[node] === ops.i64const && this.b[node] === this.a[node]! >> 31);
  }
  private negated(node: Node): Node {
    const value = -this.a[node]!;
    return this.op[node] === ops.i32const ? this.i32(value) : this.i64(value | 0, Math.floor(value / 0x1_0000_0000));
  }

  /** Splits an address word into a root and a displacement of 32 bits signed: `root + displacement`. */
  rootOf(address: Node): Node {
    const op = this.op[address];
    if ((op === ops.add64 || op === ops.add32) && this.smallConstant(this.b[address]!)) return this.a[address]!;
    return address;
  }
  displacementOf(address: Node): number {
    const op = this.op[address];
    if ((op === ops.add64 || op === ops.add32) && this.smallConstant(this.b[address]!))
      return this.a[this.b[address]!]!;
    return 0;
  }
}
