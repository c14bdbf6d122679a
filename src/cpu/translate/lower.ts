// Turns the IR of a region's parts into values (nodes) and the ordered actions on them (items): register reads and writes
// are resolved within a part, flags become the comparisons that are asked of them, addresses become root + displacement.

import { FlagKind } from "../ir/flags.ts";
import { opRows } from "../ir/ops.ts";
import { offsets } from "../state.ts";
import { condition } from "./conditions.ts";
import { exposedBit, shapeInMemory, type FlagsOf } from "./liveness.ts";
import { extra, isLoad, ops, type Node, type Nodes } from "./nodes.ts";
import type { Part } from "./region.ts";

/** Kinds of items. The fields of each are in the order of `Item`. */
export const Item = {
  /** a = home, b = value: the home's local takes the value. */
  set: 0,
  /** a = the node: its value is read from memory here, at the latest before memory changes. */
  load: 1,
  /** a = IR operation, b = root, c = displacement, d = value. */
  store: 2,
  /** a = IR operation, b = offset, c = value. */
  stateStore: 3,
  /** a = condition, b = vector. */
  trap: 4,
  /** a = the node of the result, its operands those of the call. */
  callout: 5,
  /** a = immediate of the cc.set, b, c, d = operands: the flags go to their locals. */
  flags: 6,
  /** a = root, b = displacement, c = bytes: the place must be writable. */
  probe: 7,
  /** a = root, b = displacement: the address must be a multiple of 16. c = vector. */
  align: 8,
  /** As `flags`, but into the state in memory. */
  spillFlags: 9,
} as const;

/** Words an item has: kind, a, b, c, d, and the guest instruction's address. */
export const itemWords = 6;

/** Homes: wasm locals with a fixed meaning. General registers, vector registers, operands of the lazy flags. */
export const home = { general: 0, vector: 16, flags: 32, count: 35 } as const;

/** One part, lowered. */
export interface Lowered {
  readonly part: Part;
  readonly flags: FlagsOf;
  /** Its items are words [from, to) of the shared list. */
  readonly from: number;
  to: number;
  /** What each general register holds at the end. */
  final: readonly number[];
  /** The terminator's value operand, or -1. */
  value: Node;
  /** The flags at the end: immediate and operands, when the part sets them (else shape -2). */
  shape: number;
  triple: [Node, Node, Node];
  /** The nodes that were in the homes at the part's beginning and after each callout; -1 where nobody asked. */
  held: readonly (readonly number[])[];
  /** The last instruction's address. */
  pc: number;
}

/** No node in any home. */
const empty: readonly number[] = Array<number>(home.count).fill(-1);

const isStateLoad = (op: number): boolean => op >= ops.stateLoad8 && op <= ops.stateLoadf64;
const isStateStore = (op: number): boolean => op >= ops.stateStore8 && op <= ops.stateStoref64;
const counts = Uint8Array.from(opRows, (row) => row.args.length);

export class Lowering {
  readonly nodes: Nodes;
  items: Int32Array = new Int32Array(6 * 2048);
  length = 0;
  private readonly long: boolean;
  private values = new Int32Array(2048);
  private readonly current = new Int32Array(home.count);
  private readonly dirty = new Uint8Array(home.count);
  private anyDirty = false;
  private pc = 0;
  private held: number[][] = [];
  private readonly stateFields = new Map<number, Node>();
  private shape = 0;
  private triple: [Node, Node, Node] = [-1, -1, -1];
  private set = false;

  constructor(nodes: Nodes) {
    this.nodes = nodes;
    this.long = nodes.long;
  }

  /** Forgets all items and nodes. */
  clear(): void {
    this.length = 0;
    this.nodes.clear();
  }

  private push(kind: number, a: number, b: number, c: number, d: number): void {
    if (this.length + itemWords > this.items.length) {
      const items = new Int32Array(this.items.length * 2);
      items.set(this.items);
      this.items = items;
    }
    const { items, length } = this;
    items[length] = kind;
    items[length + 1] = a;
    items[length + 2] = b;
    items[length + 3] = c;
    items[length + 4] = d;
    items[length + 5] = this.pc;
    this.length = length + itemWords;
  }

  /** The value in a home; a home that has not been set or read yet holds what it held when the part began. */
  private read(of: number): Node {
    const node = this.current[of]!;
    return node >= 0 ? node : (this.current[of] = this.homeNode(of));
  }
  /** A new node for what is in a home now. */
  private homeNode(of: number): Node {
    const { nodes } = this;
    let node: Node;
    if (of < home.vector) node = nodes.fresh(this.long ? ops.get64 : ops.get32, -1, -1, -1, of, this.long ? 64 : 32);
    else if (of < home.flags) node = nodes.fresh(ops.getx, -1, -1, -1, of - home.vector, 128);
    else node = nodes.fresh(extra.flagA + of - home.flags, -1, -1, -1, 0, 64);
    this.held.at(-1)![of] = node;
    return node;
  }
  private write(of: number, value: Node): void {
    this.current[of] = value;
    this.dirty[of] = 1;
    this.anyDirty = true;
  }
  /** Puts changed registers into their locals: before anything that may leave the region. */
  private settle(): void {
    if (!this.anyDirty) return;
    this.anyDirty = false;
    for (let of = 0; of < home.flags; of++) {
      if (!this.dirty[of]) continue;
      this.dirty[of] = 0;
      this.push(Item.set, of, this.current[of]!, 0, 0);
    }
  }

  private readGeneral(opcode: number, register: number): Node {
    const { nodes } = this;
    const full = this.read(register & 15);
    if (opcode === ops.get64) return full;
    const low = this.long ? nodes.make(ops.wrap, full) : full;
    switch (opcode) {
      case ops.get32:
        return low;
      case ops.get16:
        return nodes.make(ops.and32, low, nodes.i32(0xffff));
      case ops.get8:
        return nodes.make(ops.and32, low, nodes.i32(0xff));
      default:
        return nodes.make(ops.and32, nodes.make(ops.shrU32, low, nodes.i32(8)), nodes.i32(0xff));
    }
  }

  private writeGeneral(opcode: number, register: number, value: Node): void {
    const { nodes } = this;
    if (opcode === ops.set64) return this.write(register, value);
    if (opcode === ops.set32) return this.write(register, this.long ? nodes.make(ops.extendU, value) : value);
    const mask = opcode === ops.set8 ? 0xff : opcode === ops.set16 ? 0xffff : 0xff00;
    let part = nodes.make(ops.and32, value, nodes.i32(opcode === ops.set16 ? 0xffff : 0xff));
    if (opcode === ops.set8h) part = nodes.make(ops.shl32, part, nodes.i32(8));
    const old = this.read(register);
    if (this.long) {
      const kept = this.keep64(old, mask);
      this.write(register, nodes.make(ops.or64, kept, nodes.make(ops.extendU, part)));
    } else this.write(register, nodes.make(ops.or32, this.keep32(old, mask), part));
  }
  /** Whether a value (i32, or i64 extended from one) surely has no bits outside of the mask. */
  private isWithin(value: Node, mask: number): boolean {
    const { nodes } = this;
    const operation = nodes.op[value];
    if (operation === ops.extendU) return this.isWithin(nodes.a[value]!, mask);
    if (operation === ops.i32const) return (nodes.a[value]! & ~mask) === 0;
    if (operation === ops.i64const) return (nodes.a[value]! & ~mask) === 0 && nodes.b[value] === 0;
    if (operation === ops.shl32)
      return nodes.isNumber(nodes.b[value]!, 8) && this.isWithin(nodes.a[value]!, (mask >>> 8) & 0xffffff);
    const bits = operation === ops.and32 ? nodes.b[value]! : -1;
    return bits >= 0 && nodes.op[bits] === ops.i32const && (nodes.a[bits]! & ~mask) === 0;
  }

  /** The bits of an old value outside of the mask; parts that a former insertion put there are skipped. */
  private keep64(old: Node, mask: number): Node {
    const { nodes } = this;
    if (nodes.op[old] === ops.or64 && nodes.op[nodes.a[old]!] === ops.and64) {
      const constant = nodes.b[nodes.a[old]!]!;
      const isKept = nodes.op[constant] === ops.i64const && nodes.a[constant] === ~mask && nodes.b[constant] === -1;
      if (isKept && this.isWithin(nodes.b[old]!, mask)) return nodes.a[old]!;
    }
    return nodes.make(ops.and64, old, nodes.i64(~mask, -1));
  }
  private keep32(old: Node, mask: number): Node {
    const { nodes } = this;
    if (
      nodes.op[old] === ops.or32 &&
      nodes.op[nodes.a[old]!] === ops.and32 &&
      nodes.isNumber(nodes.b[nodes.a[old]!]!, ~mask) &&
      this.isWithin(nodes.b[old]!, mask)
    )
      return nodes.a[old]!;
    return nodes.make(ops.and32, old, nodes.i32(~mask));
  }

  /** The flags' operands as the conditions want them: i32, or i64 for size 3. */
  private flagOperands(): [Node, Node, Node] {
    if (this.set || this.shape === shapeInMemory) return this.triple;
    const { nodes } = this;
    const wide = this.shape >>> 8 === 3;
    const operand = (i: number) => (wide ? this.read(home.flags + i) : nodes.make(ops.wrap, this.read(home.flags + i)));
    return [operand(0), operand(1), operand(2)];
  }

  private test(code: number): Node {
    const { nodes } = this;
    if (this.shape === shapeInMemory) {
      const bits = this.flagBits();
      return condition(nodes, FlagKind.bits | (2 << 8), bits, bits, bits, code);
    }
    return condition(nodes, this.shape, ...this.flagOperands(), code);
  }
  private flagBits(): Node {
    const { nodes } = this;
    if (this.shape === shapeInMemory) {
      // Memory holds them until a callout or an exit: read once.
      let node = this.stateFields.get(offsets.flagKind);
      if (node === undefined) {
        node = nodes.fresh(ops.ccGet, -1, -1, -1, 0, 12);
        this.push(Item.load, node, 0, 0, 0);
        this.stateFields.set(offsets.flagKind, node);
      }
      return node;
    }
    const wide = this.shape >>> 8 === 3;
    return nodes.make(wide ? ops.ccBits64 : ops.ccBits32, ...this.flagOperands(), this.shape);
  }

  lower(part: Part, flags: FlagsOf): Lowered {
    const { nodes } = this;
    const { block, end } = part;
    const { code, instructions } = block;
    const count = code.length / 4;
    if (this.values.length < count) this.values = new Int32Array(count * 2);
    nodes.startBlock();
    this.current.fill(-1);
    this.held = [empty.slice()];
    this.dirty.fill(0);
    this.anyDirty = false;
    this.stateFields.clear();
    this.shape = flags.shapeIn;
    this.set = false;
    this.pc = part.pc;
    const from = this.length;
    let instruction = 0;
    for (let i = 0; i < end; i++) {
      while (instruction < instructions.length && instructions[instruction]! <= i) {
        this.pc = instructions[instruction + 1]!;
        instruction += 2;
      }
      if (flags.live[flags.base + i]) this.operation(i, code, block.pool, flags);
    }
    let pc = this.pc;
    while (instruction < instructions.length && instructions[instruction]! <= end && !part.cut) {
      pc = instructions[instruction + 1]!;
      instruction += 2;
    }
    this.pc = pc;
    this.settle();
    const opcode = code[end * 4]! & 0xffff;
    const value = part.cut || counts[opcode] === 0 ? -1 : this.values[code[end * 4 + 1]!]!;
    const final = empty.slice(0, 16);
    for (let of = 0; of < 16; of++) final[of] = this.current[of]!;
    return {
      part,
      flags,
      from,
      to: this.length,
      final,
      value,
      pc,
      held: this.held,
      shape: this.set ? this.shape : -2,
      triple: this.set ? this.triple : [-1, -1, -1],
    };
  }

  private operation(i: number, code: Int32Array, pool: Int32Array, flags: FlagsOf): void {
    const { nodes, values } = this;
    const opcode = code[i * 4]! & 0xffff;
    const immediate = code[i * 4]! >>> 16;
    const a = code[i * 4 + 1]!;
    const b = code[i * 4 + 2]!;
    const c = code[i * 4 + 3]!;
    const argument = (word: number): Node => (word >= 0 ? values[word]! : -1);
    switch (opcode) {
      case ops.i32const:
        values[i] = nodes.i32(a);
        return;
      case ops.i64const:
        values[i] = nodes.i64(a, b);
        return;
      case ops.f64const:
        values[i] = nodes.constant(opcode, a, b);
        return;
      case ops.v128const:
        values[i] = nodes.vector(pool[a]!, pool[a + 1]!, pool[a + 2]!, pool[a + 3]!);
        return;
      case ops.shuffle:
        values[i] = nodes.shuffle(values[a]!, values[b]!, pool[c]!, pool[c + 1]!, pool[c + 2]!, pool[c + 3]!);
        return;
      case ops.get8:
      case ops.get8h:
      case ops.get16:
      case ops.get32:
      case ops.get64:
        values[i] = this.readGeneral(opcode, immediate);
        return;
      case ops.set8:
      case ops.set8h:
      case ops.set16:
      case ops.set32:
      case ops.set64:
        this.writeGeneral(opcode, immediate, values[a]!);
        return;
      case ops.getx:
        values[i] = this.read(home.vector + immediate);
        return;
      case ops.setx:
        this.write(home.vector + immediate, values[a]!);
        return;
      case ops.probeWrite:
        this.settle();
        this.push(Item.probe, nodes.rootOf(values[a]!), nodes.displacementOf(values[a]!), immediate, 0);
        return;
      case ops.ccSet32:
      case ops.ccSet64: {
        const kept = nodes.i32(0);
        const live = flags.sets[flags.base + i]!;
        const kind = immediate & 0xff;
        // An operand that liveness left out (inc and dec whose carry nobody reads) has no value.
        const isKept = (kind === FlagKind.inc || kind === FlagKind.dec) && (live & 1) === 0;
        const second = isKept ? (opcode === ops.ccSet64 ? nodes.i64(0) : kept) : values[b]!;
        const third = isKept && c === b ? second : values[c]!;
        this.shape = immediate;
        this.triple = [values[a]!, second, third];
        this.set = true;
        this.stateFields.delete(offsets.flagKind);
        if (live & exposedBit) this.push(Item.flags, immediate, ...this.triple);
        return;
      }
      case ops.ccTest:
        values[i] = this.test(immediate);
        return;
      case ops.ccGet:
        values[i] = this.flagBits();
        return;
      case ops.trapif: {
        this.settle();
        const address = this.alignedAddress(values[a]!);
        if (address >= 0) this.push(Item.align, nodes.rootOf(address), nodes.displacementOf(address), immediate, 0);
        else if (!nodes.isNumber(values[a]!, 0)) this.push(Item.trap, values[a]!, immediate, 0, 0);
        return;
      }
      case ops.callout: {
        this.settle();
        const node = nodes.fresh(opcode, argument(a), argument(b), argument(c), immediate, 64);
        values[i] = node;
        if (this.shape !== shapeInMemory) this.push(Item.spillFlags, this.shape, ...this.flagOperands());
        this.push(Item.callout, node, 0, 0, 0);
        // Everything may be different from here on.
        this.held.push(empty.slice());
        this.current.fill(-1);
        this.stateFields.clear();
        this.shape = shapeInMemory;
        this.set = false;
        return;
      }
    }
    if (isLoad(opcode)) {
      this.settle();
      const bits = opcode === ops.load8 ? 8 : opcode === ops.load8 + 1 ? 16 : opcode === ops.load8 + 2 ? 32 : 64;
      const address = values[a]!;
      const node = nodes.fresh(opcode, nodes.rootOf(address), -1, -1, nodes.displacementOf(address), bits);
      values[i] = node;
      this.push(Item.load, node, 0, 0, 0);
    } else if (opcode >= ops.store8 && opcode <= ops.store128) {
      this.settle();
      const address = values[a]!;
      this.push(Item.store, opcode, nodes.rootOf(address), nodes.displacementOf(address), values[b]!);
    } else if (isStateLoad(opcode)) {
      const key = immediate | (opcode << 16);
      let node = this.stateFields.get(key);
      if (node === undefined) {
        const bits =
          opcode === ops.stateLoad8 ? 8 : opcode === ops.stateLoad8 + 1 ? 16 : opcode === ops.stateLoad8 + 2 ? 32 : 64;
        node = nodes.fresh(opcode, -1, -1, -1, immediate, bits);
        this.push(Item.load, node, 0, 0, 0);
        this.stateFields.set(key, node);
      }
      values[i] = node;
    } else if (isStateStore(opcode)) {
      this.push(Item.stateStore, opcode, immediate, values[a]!, 0);
      for (const key of [...this.stateFields.keys()]) if (key !== offsets.flagKind) this.stateFields.delete(key);
    } else values[i] = nodes.make(opcode, argument(a), argument(b), argument(c), immediate);
  }

  /** The address, if the value is `address & 15`; else -1. */
  private alignedAddress(value: Node): Node {
    const { nodes } = this;
    if (nodes.op[value] !== ops.and32 || !nodes.isNumber(nodes.b[value]!, 15)) return -1;
    const low = nodes.a[value]!;
    if (!this.long) return low;
    return nodes.op[low] === ops.wrap ? nodes.a[low]! : -1;
  }
}
