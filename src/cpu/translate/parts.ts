// Emits parts: their items in order, with access checks, flags and callouts.

import { Denied, layout, pageShift } from "../../memory/layout.ts";
import { op, type } from "../../wasm/opcodes.ts";
import { keepsRegisters } from "../callouts.ts";
import { Register, offsets, stateAddress } from "../state.ts";
import type { Check, Guard } from "./checks.ts";
import { Item, home, itemWords, type Lowered } from "./lower.ts";
import { ops, type Node } from "./nodes.ts";
import { loadRegister, registerCount, spillRegister } from "./support.ts";
import { ValueEmitter, flagOperands, foldable, stateStores, stores } from "./values.ts";

export class PartEmitter extends ValueEmitter {
  private knownPc = -1;
  private knownDirty = -1;

  // Items.

  /** Emits a part up to its terminator. `last` are the values its end will use. */
  part(lowered: Lowered, last: readonly Node[]): void {
    const { items } = this;
    this.holder.fill(-1);
    this.forget();
    this.count(lowered, last);
    this.hold(lowered.held[0]!);
    let epoch = 0;
    for (let i = lowered.from; i < lowered.to; i += itemWords) {
      const check = this.checks.at[i / itemWords]!;
      const [a, b, c, d] = [items[i + 1]!, items[i + 2]!, items[i + 3]!, items[i + 4]!];
      const pc = items[i + 5]!;
      switch (items[i]) {
        case Item.set:
          this.set(a, b);
          break;
        case Item.load:
          if (check >= 0) this.check(this.checks.list[check]!, pc);
          if (this.remaining[a]! > 0 && this.location[a]! < 0 && this.firstUse[a]! > this.clobber(i, lowered.to))
            this.pin(a);
          break;
        case Item.store: {
          if (check >= 0) this.check(this.checks.list[check]!, pc);
          const offset = this.pushAddress(b, c);
          this.push(d);
          this.code.memory(stores[a - ops.store8]!, offset);
          break;
        }
        case Item.stateStore:
          this.code.i32(0);
          this.push(c);
          this.code.memory(stateStores[a - ops.stateStore8]!, stateAddress(b));
          break;
        case Item.trap:
          this.leavable(pc);
          this.push(a);
          this.code.brIf(this.around.slow);
          break;
        case Item.align:
          if (check >= 0) this.align(a, b, pc);
          break;
        case Item.probe:
          if (check >= 0) this.check(this.checks.list[check]!, pc);
          break;
        case Item.callout:
          this.callout(a, pc, lowered.held[++epoch]!);
          break;
        case Item.flags:
          this.keepFlags(a, [b, c, d]);
          break;
        case Item.spillFlags:
          this.spillFlags(a, [b, c, d]);
      }
    }
  }

  /** The item from which on memory may have changed, so that a load must be done by then. */
  private clobber(from: number, end: number): number {
    for (let i = from + itemWords; i < end; i += itemWords) {
      const kind = this.items[i]!;
      if (kind === Item.store || kind === Item.stateStore || kind === Item.callout || kind === Item.spillFlags)
        return i;
    }
    return end;
  }

  private set(of: number, node: Node): void {
    const { code } = this;
    if (of >= home.vector) {
      this.vector(of - home.vector);
      const bit = 1 << (of - home.vector);
      this.dirty |= bit;
      this.valid |= bit;
    }
    const local = this.homes[of]!;
    if (this.location[node] === local) return this.consume(node);
    const fresh = this.location[node]! < 0 && !this.isConstant(node);
    if (fresh) this.compute(node);
    else this.peek(node);
    this.vacate(of);
    code.set(local);
    if (fresh) {
      this.location[node] = local;
      this.holder[of] = node;
    }
    this.consume(node);
  }

  /** Tells the cold exits where we are. */
  leavable(pc: number): void {
    const { code, around } = this;
    if (this.knownPc !== pc) {
      code.i32(pc).set(around.pc);
      this.knownPc = pc;
    }
    if (this.knownDirty !== this.dirty) {
      code.i32(this.dirty).set(around.dirty);
      this.knownDirty = this.dirty;
    }
  }
  /** What the locals of the cold exits hold is not known from here on. */
  forget(): void {
    this.knownPc = -1;
    this.knownDirty = -1;
  }

  private check(check: Check, pc: number): void {
    const { code, nodes } = this;
    const { root, low, high, denied } = check;
    this.leavable(pc);
    if (nodes.isConstant(root)) {
      const address = nodes.a[root]! + low;
      if (this.long && nodes.b[root] !== 0) code.i32(1);
      else
        code
          .i32(0)
          .memory(op["i32.load8_u"], layout.pageTable + (address >>> pageShift))
          .i32(denied)
          .op(op["i32.and"]);
      this.consume(root);
      code.brIf(this.around.slow);
      return;
    }
    this.pin(root);
    const page = (displacement: number) => {
      this.peek(root);
      if (this.long) code.op(op["i32.wrap_i64"]);
      if (displacement !== 0) code.i32(displacement).op(op["i32.add"]);
      code.i32(pageShift).op(op["i32.shr_u"]).memory(op["i32.load8_u"], layout.pageTable);
    };
    page(low);
    if (high !== low) {
      page(high);
      code.op(op["i32.or"]);
    }
    code.i32(denied).op(op["i32.and"]);
    if (check.upper && this.long) {
      this.peek(root);
      // Far displacements can carry into the upper half.
      if (!foldable(low) && low < -0x8000) code.i64(low).op(op["i64.add"]);
      else if (low > 0x100000) code.i64(low).op(op["i64.add"]);
      code.i64(32).op(op["i64.shr_u"]).op(op["i32.wrap_i64"]).op(op["i32.or"]);
    }
    this.consume(root);
    code.brIf(this.around.slow);
  }

  /** Leaves unless what the region knows at an entry is so. */
  guard({ read, write, residue, readPages, writePages }: Guard): void {
    const { code } = this;
    const stack = Register.rsp;
    const low = () => {
      code.get(stack);
      if (this.long) code.op(op["i32.wrap_i64"]);
    };
    for (const [[first, last], denied] of [
      [read, Denied.read],
      [write, Denied.write],
    ] as const) {
      if (first > last) continue;
      for (const displacement of first === last ? [first] : [first, last]) {
        low();
        code.i32(displacement).op(op["i32.add"]).i32(pageShift).op(op["i32.shr_u"]);
        code.memory(op["i32.load8_u"], layout.pageTable).i32(denied).op(op["i32.and"]).brIf(this.around.slow);
      }
      if (!this.long) continue;
      code.get(stack).i64(32).op(op["i64.shr_u"]).op(op["i32.wrap_i64"]).brIf(this.around.slow);
    }
    if (residue >= 0) {
      low();
      code.i32(15).op(op["i32.and"]).i32(residue).op(op["i32.ne"]).brIf(this.around.slow);
    }
    for (const [pages, denied] of [
      [readPages, Denied.read],
      [writePages, Denied.write],
    ] as const)
      for (const page of pages) {
        code
          .i32(0)
          .memory(op["i32.load8_u"], layout.pageTable + page)
          .i32(denied)
          .op(op["i32.and"]);
        code.brIf(this.around.slow);
      }
  }

  private align(root: Node, displacement: number, pc: number): void {
    const { code } = this;
    this.leavable(pc);
    this.push(root);
    if (this.long) code.op(op["i32.wrap_i64"]);
    if ((displacement & 15) !== 0) code.i32(displacement).op(op["i32.add"]);
    code.i32(15).op(op["i32.and"]).brIf(this.around.slow);
  }

  // Flags.

  private asLong(shape: number): void {
    if (shape >>> 8 !== 3) this.code.op(op["i64.extend_i32_u"]);
  }

  /** Puts the lazy flags into their locals. */
  private keepFlags(shape: number, operands: readonly Node[]): void {
    const count = flagOperands[shape & 0xff]!;
    for (let i = 0; i < count; i++) {
      const of = home.flags + i;
      this.push(operands[i]!);
      this.asLong(shape);
      this.vacate(of);
      this.code.set(this.homes[of]!);
    }
    this.code.i32(shape + 1).set(this.shape);
  }

  /** The nodes that `spillFlags` will use. */
  flagNodes(shape: number, operands: readonly Node[]): Node[] {
    return operands.slice(0, flagOperands[shape & 0xff]!);
  }

  /** Stores the lazy flags into the state; spends one use of each operand. */
  spillFlags(shape: number, operands: readonly Node[]): void {
    const { code } = this;
    const used = this.flagNodes(shape, operands);
    for (const node of used) this.pin(node);
    code.i32(0).i32(shape).memory(op["i32.store"], stateAddress(offsets.flagKind));
    used.forEach((node, i) => {
      code.i32(0);
      this.peek(node);
      this.asLong(shape);
      code.memory(op["i64.store"], stateAddress(offsets.flagA + 8 * i));
      this.consume(node);
    });
  }
  /** Stores the lazy flags that an earlier part left in the locals. */
  spillKeptFlags(shape: number): void {
    const { code } = this;
    code.i32(0).i32(shape).memory(op["i32.store"], stateAddress(offsets.flagKind));
    for (let i = 0; i < flagOperands[shape & 0xff]!; i++)
      code
        .i32(0)
        .get(this.flagLocal(i))
        .memory(op["i64.store"], stateAddress(offsets.flagA + 8 * i));
  }

  // Callouts.

  private callout(node: Node, pc: number, held: readonly number[]): void {
    const { code, nodes, around } = this;
    [nodes.a[node]!, nodes.b[node]!, nodes.c[node]!].forEach((operand, i) => {
      if (operand < 0) return;
      code.i32(0);
      this.push(operand);
      code.memory(op["i64.store"], stateAddress(offsets.scratch + 8 * i));
    });
    const count = registerCount(this.long);
    for (let r = 0; r < count; r++) spillRegister(code, this.long, r, this.homes[r]!);
    this.storeDirtyVectors();
    code.i32(0).i32(pc).memory(op["i32.store"], stateAddress(offsets.pc));
    code.i32(nodes.immediate[node]!).call(around.callout).tee(around.kind).i32(0).op(op["i32.gt_s"]).if();
    code.i32(0).get(around.kind).memory(op["i32.store"], stateAddress(offsets.exitKind));
    code.i32(0).get(around.fuel).memory(op["i32.store"], stateAddress(offsets.fuel));
    code.get(around.kind).op(op.return).end();
    code.get(around.fuel).get(around.kind).op(op["i32.or"]).set(around.fuel);
    for (let of = 0; of < home.count; of++) this.vacate(of);
    if (!keepsRegisters(nodes.immediate[node]!)) {
      for (let r = 0; r < count; r++) {
        loadRegister(code, this.long, r);
        code.set(this.homes[r]!);
      }
      for (let r = 0; r < 16; r++) if (this.valid & (1 << r)) this.loadVector(r);
    }
    this.dirty = 0;
    code.i32(0).set(this.shape);
    this.hold(held);
    if (this.remaining[node]! > 0) {
      const local = this.take(type.i64);
      code
        .i32(0)
        .memory(op["i64.load"], stateAddress(offsets.scratch + 24))
        .set(local);
      this.location[node] = local;
    }
  }
}
