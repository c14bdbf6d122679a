// Emits the values of parts as WebAssembly: expression trees where a value is used once, locals where it is used again,
// registers in locals of their own ("homes").

import { emitBits, emitCondition, emitPure, type EmitContext, type HelperName } from "../ir/emit.ts";
import type { Size } from "../ir/flags.ts";
import { opRows, type ValueType } from "../ir/ops.ts";
import type { Code, Label } from "../../wasm/code.ts";
import { op, type } from "../../wasm/opcodes.ts";
import { offsets, stateAddress } from "../state.ts";
import type { Checks } from "./checks.ts";
import { Item, home, itemWords, type Lowered } from "./lower.ts";
import { argumentCount, extra, isLoad, ops, type Node, type Nodes } from "./nodes.ts";
import { registerCount } from "./support.ts";

const wasmTypes: Partial<Record<ValueType, number>> = {
  i32: type.i32,
  i64: type.i64,
  f32: type.f32,
  f64: type.f64,
  v128: type.v128,
};

const loads = [
  op["i32.load8_u"],
  op["i32.load16_u"],
  op["i32.load"],
  op["i64.load"],
  op["f32.load"],
  op["f64.load"],
  op["v128.load"],
  op["v128.load32_zero"],
  op["v128.load64_zero"],
];
export const stores = [
  op["i32.store8"],
  op["i32.store16"],
  op["i32.store"],
  op["i64.store"],
  op["f32.store"],
  op["f64.store"],
  op["v128.store"],
];
const stateLoads = [op["i32.load8_u"], op["i32.load16_u"], op["i32.load"], op["i64.load"], op["f64.load"]];
export const stateStores = [op["i32.store8"], op["i32.store16"], op["i32.store"], op["i64.store"], op["f64.store"]];

/** Operands that the lazy flags of each FlagKind have. */
export const flagOperands = [1, 2, 2, 3, 3, 1, 2, 2, 3, 3, 3, 2];

/** Displacements that a check proves to lie above the address's root without passing the end of memory. */
export const foldable = (displacement: number): boolean => displacement >= 0 && displacement <= 0x100000;

/** Words about each node of the region that is being emitted. */
let scratch = { location: new Int32Array(4096), remaining: new Int32Array(4096), firstUse: new Int32Array(4096) };

/** What the parts' code needs from the function around it. */
export interface Surroundings {
  readonly code: Code;
  readonly callout: number;
  helper(name: HelperName): number;
  /** Label of the code that leaves with ExitKind.slow at `pc`. */
  readonly slow: Label;
  /** Locals that the cold exits read. */
  readonly fuel: number;
  readonly pc: number;
  readonly dirty: number;
  readonly kind: number;
}

/** Emits the values of one region's parts. Locals are shared by all of them. */
export class ValueEmitter {
  readonly nodes: Nodes;
  readonly code: Code;
  /** Vector registers whose locals are newer than memory, and those whose locals are right, at the current place. */
  dirty = 0;
  valid = 0;
  /** Local of the flags' shape + 1, 0 when memory has them. */
  readonly shape: number;
  protected readonly long: boolean;
  protected readonly around: Surroundings;
  protected readonly items: Int32Array;
  protected readonly checks: Checks;
  protected readonly location: Int32Array;
  protected readonly remaining: Int32Array;
  protected readonly firstUse: Int32Array;
  protected readonly homes = new Int32Array(home.count).fill(-1);
  protected readonly holder = new Int32Array(home.count).fill(-1);
  protected readonly free = new Map<number, number[]>();
  /** 1 for locals that are handed out and taken back. */
  protected readonly pooled: boolean[] = [];

  constructor(nodes: Nodes, items: Int32Array, checks: Checks, around: Surroundings) {
    this.nodes = nodes;
    this.code = around.code;
    this.long = nodes.long;
    this.around = around;
    this.items = items;
    this.checks = checks;
    if (scratch.location.length < nodes.count) {
      const size = nodes.count * 2;
      scratch = { location: new Int32Array(size), remaining: new Int32Array(size), firstUse: new Int32Array(size) };
    }
    this.location = scratch.location.fill(-1, 0, nodes.count);
    this.remaining = scratch.remaining.fill(0, 0, nodes.count);
    this.firstUse = scratch.firstUse;
    for (let i = 0; i < registerCount(this.long); i++) this.homes[i] = i;
    this.shape = this.code.local(type.i32);
    for (let i = 0; i < 3; i++) this.homes[home.flags + i] = this.code.local(type.i64);
  }

  /** The local of a vector register. */
  vector(register: number): number {
    const of = home.vector + register;
    if (this.homes[of]! < 0) this.homes[of] = this.code.local(type.v128);
    return this.homes[of]!;
  }
  flagLocal(i: number): number {
    return this.homes[home.flags + i]!;
  }
  loadVector(register: number): void {
    this.code
      .i32(0)
      .memory(op["v128.load"], stateAddress(offsets.xmm + 16 * register))
      .set(this.vector(register));
  }
  storeVector(register: number): void {
    this.code
      .i32(0)
      .get(this.vector(register))
      .memory(op["v128.store"], stateAddress(offsets.xmm + 16 * register));
  }
  /** Stores the vector registers that memory does not have yet. */
  storeDirtyVectors(): void {
    for (let r = 0; r < 16; r++) if (this.dirty & (1 << r)) this.storeVector(r);
  }

  // Locals for values.

  protected take(valueType: number): number {
    const list = this.free.get(valueType);
    const local = list?.pop() ?? this.code.local(valueType);
    this.pooled[local] = true;
    return local;
  }
  protected give(local: number, valueType: number): void {
    if (!this.pooled[local]) return;
    const list = this.free.get(valueType);
    if (list === undefined) this.free.set(valueType, [local]);
    else list.push(local);
  }
  protected wasmType(node: Node): number {
    return wasmTypes[this.nodes.type(node)]!;
  }
  protected consume(node: Node): void {
    if (--this.remaining[node]! === 0 && this.location[node]! >= 0)
      this.give(this.location[node]!, this.wasmType(node));
  }

  // Counting: how often each value is used, and where first.

  protected visit(node: Node, at: number): void {
    if (node < 0) return;
    if (this.remaining[node]!++ > 0) return;
    this.firstUse[node] = at;
    // The operands of a callout are used by its item.
    const opcode = this.nodes.op[node]!;
    const count = opcode === ops.callout ? 0 : argumentCount(opcode);
    if (count > 0) this.visit(this.nodes.a[node]!, at);
    if (count > 1) this.visit(this.nodes.b[node]!, at);
    if (count > 2) this.visit(this.nodes.c[node]!, at);
  }

  /** Counts the uses of a part's values; `last` are those used behind its items. */
  protected count(lowered: Lowered, last: readonly Node[]): void {
    const { items, nodes, checks } = this;
    for (let i = lowered.from; i < lowered.to; i += itemWords) {
      const check = checks.at[i / itemWords]!;
      const [a, b, c, d] = [items[i + 1]!, items[i + 2]!, items[i + 3]!, items[i + 4]!];
      switch (items[i]) {
        case Item.set:
          this.visit(b, i);
          break;
        case Item.load:
          if (check >= 0) this.visit(checks.list[check]!.root, i);
          break;
        case Item.store:
          if (check >= 0) this.visit(checks.list[check]!.root, i);
          this.visit(b, i);
          this.visit(d, i);
          break;
        case Item.stateStore:
          this.visit(c, i);
          break;
        case Item.trap:
          this.visit(a, i);
          break;
        case Item.align:
          if (check >= 0) this.visit(a, i);
          break;
        case Item.probe:
          if (check >= 0) this.visit(checks.list[check]!.root, i);
          break;
        case Item.callout:
          // Its result is no use of itself.
          for (const operand of [nodes.a[a]!, nodes.b[a]!, nodes.c[a]!]) this.visit(operand, i);
          break;
        case Item.flags:
        case Item.spillFlags: {
          const count = flagOperands[a & 0xff]!;
          [b, c, d].slice(0, count).forEach((node) => this.visit(node, i));
        }
      }
    }
    for (const node of last) this.visit(node, lowered.to);
  }

  // Values.

  /** Pushes a value; one use of it is spent. */
  push(node: Node): void {
    const { code } = this;
    const location = this.location[node]!;
    if (location >= 0) {
      code.get(location);
      this.consume(node);
      return;
    }
    this.compute(node);
    if (this.remaining[node]! > 1 && !this.isConstant(node)) {
      const local = this.take(this.wasmType(node));
      this.location[node] = local;
      code.tee(local);
    }
    this.consume(node);
  }

  /** Pushes an i32 condition, or its opposite. */
  pushCondition(node: Node, inverted: boolean): void {
    const { nodes, code } = this;
    if (inverted && nodes.op[node] === ops.eqz32 && this.location[node]! < 0 && this.remaining[node] === 1) {
      this.consume(node);
      return this.push(nodes.a[node]!);
    }
    const opposite = inverted ? nodes.opposite(node) : -1;
    if (opposite >= 0 && this.location[node]! < 0 && this.remaining[node] === 1) {
      this.consume(node);
      this.push(nodes.a[node]!);
      this.push(nodes.b[node]!);
      code.op(opRows[opposite]!.wasm!);
      return;
    }
    this.push(node);
    if (inverted) code.op(op["i32.eqz"]);
  }

  /** Makes a value readable any number of times until its uses are spent: by `peek`, then `consume`. */
  pin(node: Node): void {
    if (node < 0 || this.location[node]! >= 0 || this.isConstant(node)) return;
    this.compute(node);
    const local = this.take(this.wasmType(node));
    this.location[node] = local;
    this.code.set(local);
  }
  /** Pushes a pinned value without spending a use. */
  peek(node: Node): void {
    if (this.location[node]! >= 0) this.code.get(this.location[node]!);
    else this.compute(node);
  }

  protected isConstant(node: Node): boolean {
    const opcode = this.nodes.op[node]!;
    return opcode >= ops.i32const && opcode <= ops.v128const;
  }

  /** Pushes the value of a node that is in no local. */
  protected compute(node: Node): void {
    const { nodes, code } = this;
    const opcode = nodes.op[node]!;
    const immediate = nodes.immediate[node]!;
    switch (opcode) {
      case ops.i32const:
        code.i32(nodes.a[node]!);
        return;
      case ops.i64const:
        code.i64(nodes.a[node]!, nodes.b[node]!);
        return;
      case ops.f64const:
        code.f64(nodes.a[node]!, nodes.b[node]!);
        return;
      case ops.v128const: {
        const { pool } = nodes;
        code.v128(pool[immediate]!, pool[immediate + 1]!, pool[immediate + 2]!, pool[immediate + 3]!);
        return;
      }
      case ops.shuffle: {
        const { pool } = nodes;
        this.push(nodes.a[node]!);
        this.push(nodes.b[node]!);
        code.shuffle(pool[immediate]!, pool[immediate + 1]!, pool[immediate + 2]!, pool[immediate + 3]!);
        return;
      }
      case ops.ccGet:
        code.i32(0).memory(op["i32.load"], stateAddress(offsets.flagKind));
        for (const offset of [offsets.flagA, offsets.flagB, offsets.flagC])
          code.i32(0).memory(op["i64.load"], stateAddress(offset));
        code.call(this.around.helper("cc_bits"));
        return;
    }
    if (isLoad(opcode)) {
      const offset = this.pushAddress(nodes.a[node]!, immediate);
      code.memory(loads[opcode - ops.load8]!, offset);
      return;
    }
    if (opcode >= ops.stateLoad8 && opcode <= ops.stateLoadf64) {
      code.i32(0).memory(stateLoads[opcode - ops.stateLoad8]!, stateAddress(immediate));
      return;
    }
    if (opcode >= ops.select32 && opcode < ops.select32 + 5) {
      this.push(nodes.b[node]!);
      this.push(nodes.c[node]!);
      this.push(nodes.a[node]!);
      code.op(op.select);
      return;
    }
    const row = opRows[opcode];
    if (row?.wasm === undefined) return this.computeLong(node, opcode, immediate);
    const count = row.args.length;
    this.push(nodes.a[node]!);
    if (count > 1) this.push(nodes.b[node]!);
    if (count > 2) this.push(nodes.c[node]!);
    if (row.immediate === undefined) code.op(row.wasm);
    else code.lane(row.wasm, immediate);
  }

  /** Operations of several instructions: they may read an operand more than once. */
  protected computeLong(node: Node, opcode: number, immediate: number): void {
    const { nodes, code } = this;
    const operands = [nodes.a[node]!, nodes.b[node]!, nodes.c[node]!].slice(0, argumentCount(opcode));
    for (const operand of operands) this.pin(operand);
    const taken: [number, number][] = [];
    const context: EmitContext = {
      code,
      operand: (i) => this.peek(operands[i]!),
      scratch: (valueType) => {
        const local = this.take(valueType);
        taken.push([local, valueType]);
        return local;
      },
      helper: (name) => this.around.helper(name),
    };
    if (opcode === extra.test)
      emitCondition(context, immediate & 0xff, ((immediate >>> 8) & 3) as Size, (immediate >>> 12) & 15);
    else if (opcode === ops.ccBits32 || opcode === ops.ccBits64)
      emitBits(context, immediate & 0xff, ((immediate >>> 8) & 3) as Size);
    else emitPure(context, opcode, immediate);
    for (const operand of operands) this.consume(operand);
    for (const [local, valueType] of taken) this.give(local, valueType);
  }

  /** Pushes an address as i32; gives the offset that the access itself is to add. */
  protected pushAddress(root: Node, displacement: number): number {
    const { nodes, code } = this;
    if (nodes.isConstant(root)) {
      code.i32(nodes.a[root]! + displacement);
      this.consume(root);
      return 0;
    }
    this.push(root);
    if (this.long) code.op(op["i32.wrap_i64"]);
    if (foldable(displacement)) return displacement;
    code.i32(displacement).op(op["i32.add"]);
    return 0;
  }

  // Homes.

  /** The home's local is about to change: a value that lives there and is still needed moves. */
  protected vacate(of: number): void {
    const node = this.holder[of]!;
    if (node < 0) return;
    this.holder[of] = -1;
    if (this.remaining[node]! === 0 || this.location[node] !== this.homes[of]) return;
    const local = this.take(this.wasmType(node));
    this.code.get(this.homes[of]!).set(local);
    this.location[node] = local;
  }
  /** The homes hold these nodes now. */
  protected hold(nodes: readonly number[]): void {
    for (let of = 0; of < home.count; of++) {
      const node = nodes[of]!;
      if (node < 0) continue;
      if (of >= home.vector && of < home.flags) this.vector(of - home.vector);
      this.location[node] = this.homes[of]!;
      this.holder[of] = node;
    }
  }
}
