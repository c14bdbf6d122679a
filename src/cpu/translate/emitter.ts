// Emits a region as one WebAssembly function with structured control flow (Ramsey, Beyond Relooper, 2022): each part is
// placed under its immediate dominator, loops become loops, joins become the ends of blocks.

import { layout } from "../../memory/layout.ts";
import type { Code, Label } from "../../wasm/code.ts";
import { op, type } from "../../wasm/opcodes.ts";
import type { HelperName } from "../ir/emit.ts";
import { ExitKind, offsets, stateAddress } from "../state.ts";
import { checksOf, type Checks } from "./checks.ts";
import { disentangle, flowOf, type Edge, type Flow, type Graph } from "./graph.ts";
import { shapeInMemory, flagsOf, vectorsOf, type VectorsOf } from "./liveness.ts";
import { Lowering, type Lowered } from "./lower.ts";
import { Nodes, ops, type Node } from "./nodes.ts";
import type { Region, Way } from "./region.ts";
import { registerCount } from "./support.ts";
import { BranchEntry, type CodeSource } from "./types.ts";
import { PartEmitter } from "./parts.ts";
import type { Surroundings } from "./values.ts";

/** The module a region is emitted into. */
export interface RegionModule {
  readonly source: CodeSource;
  /** Type of compiled functions. */
  readonly signature: number;
  readonly callout: number;
  helper(name: HelperName): number;
  /** The function that `leaveFunction` made. */
  readonly leave: number;
  /** The function in this module that enters at a guest address, if any. */
  inside(pc: number): number | undefined;
}

/** Indirect jumps with more known targets than this go through a table. */
const fewTargets = 3;

/**
 * Emits the region into `code`, a function whose parameters are the registers, the fuel and, when the region has several
 * entries, the number of the entry.
 */
export function emitRegion(region: Region, module: RegionModule, code: Code): void {
  new RegionEmitter(region, module, code).emit();
}

/** One region is emitted at a time: what it needs is used again for the next. */
const workspaces: (Lowering | undefined)[] = [];
function workspace(long: boolean): Lowering {
  const lowering = (workspaces[long ? 1 : 0] ??= new Lowering(new Nodes(long)));
  lowering.clear();
  return lowering;
}

class RegionEmitter {
  private readonly region: Region;
  private readonly module: RegionModule;
  private readonly code: Code;
  private readonly long: boolean;
  private readonly vectors: VectorsOf;
  private readonly lowered: Lowered[] = [];
  private readonly values: PartEmitter;
  private readonly checks: Checks;
  private readonly around: Surroundings;
  /** Node 0 is the root, node i + 1 is part i, later ones dispatch. */
  private readonly graph: Graph;
  private readonly flow: Flow;
  private readonly firstDispatch: number;
  private readonly children: number[][];
  private readonly isLoop: Uint8Array;
  private readonly isJoin: Uint8Array;
  private readonly loopLabels: Int32Array;
  private readonly joinLabels: Int32Array;

  private readonly fuel: number;
  private readonly kind: number;
  private readonly pc: number;
  private readonly slot: number;
  private readonly dirty: number;
  private readonly choice: number;
  private readonly target: number;
  private exit: Label = 0;
  private budget: Label = 0;
  private leaving: Label = 0;
  private indirect: Label = 0;
  private goesIndirectly = false;
  private leavesColdly = false;

  constructor(region: Region, module: RegionModule, code: Code) {
    this.region = region;
    this.module = module;
    this.code = code;
    const { source } = module;
    this.long = source.long;
    const count = registerCount(this.long);
    this.fuel = count;
    this.kind = code.local(type.i32);
    this.pc = code.local(type.i32);
    this.slot = code.local(type.i32);
    this.dirty = code.local(type.i32);
    this.choice = code.local(type.i32);
    this.target = code.local(this.long ? type.i64 : type.i32);

    const flags = flagsOf(region, source);
    this.vectors = vectorsOf(region, flags);
    const lowering = workspace(this.long);
    const { nodes } = lowering;
    region.parts.forEach((part, i) => this.lowered.push(lowering.lower(part, flags[i]!)));
    const checks = (this.checks = checksOf(nodes, lowering.items, lowering.length, this.lowered, region.entries));

    this.exit = code.block();
    this.budget = code.block();
    const slow = code.block();
    this.leaving = code.block();
    this.indirect = code.block();
    this.around = {
      code,
      slow,
      callout: module.callout,
      helper: (name) => module.helper(name),
      fuel: this.fuel,
      pc: this.pc,
      dirty: this.dirty,
      kind: this.kind,
    };
    this.values = new PartEmitter(nodes, lowering.items, checks, this.around);

    this.graph = [region.entries.map((part) => ({ to: part + 1, label: -1 }))];
    for (const part of region.parts)
      this.graph.push(part.ways.filter((way) => way.part >= 0).map((way) => ({ to: way.part + 1, label: -1 })));
    this.firstDispatch = disentangle(this.graph, (node) => region.parts[node - 1]?.executions ?? 0);
    this.flow = flowOf(this.graph);

    const nodeCount = this.graph.length;
    this.children = Array.from({ length: nodeCount }, () => []);
    this.isLoop = new Uint8Array(nodeCount);
    this.isJoin = new Uint8Array(nodeCount);
    this.loopLabels = new Int32Array(nodeCount);
    this.joinLabels = new Int32Array(nodeCount);
    this.classify();
  }

  /** Finds loop heads and joins, and orders the dominator tree's children: last in the order first. */
  private classify(): void {
    const { order, place, dominator, predecessors } = this.flow;
    for (const node of order) {
      let forward = 0;
      for (const from of predecessors[node]!) {
        if (place[from]! >= place[node]!) this.isLoop[node] = 1;
        else forward++;
      }
      if (forward > 1) this.isJoin[node] = 1;
      if (node !== 0) this.children[dominator[node]!]!.push(node);
    }
    for (const node of order) {
      const many = node === 0 || node >= this.firstDispatch ? 1 : fewTargets;
      if (this.graph[node]!.length > many && (many === 1 || this.isIndirect(node - 1)))
        for (const { to } of this.graph[node]!) this.isJoin[to] = 1;
    }
    for (const list of this.children) list.sort((a, b) => place[b]! - place[a]!);
  }

  private isIndirect(part: number): boolean {
    const { block, end, cut } = this.region.parts[part]!;
    const opcode = cut ? ops.jump : block.code[end * 4]! & 0xffff;
    return opcode === ops.jumpIndirect || opcode === ops.callIndirect || opcode === ops.ret;
  }

  emit(): void {
    const { code } = this;
    this.tree(0);
    code.op(op.unreachable).end();
    if (this.goesIndirectly) this.indirectTail();
    code.end();
    if (this.leavesColdly) this.leaveTail();
    code.end();
    code.i32(ExitKind.slow).set(this.kind).br(this.exit).end();
    code.i32(ExitKind.budget).set(this.kind).end();
    this.exitTail();
  }

  // Structure.

  private tree(node: number): void {
    const joins = this.children[node]!.filter((child) => this.isJoin[child]);
    if (!this.isLoop[node]) return this.within(node, joins, 0);
    this.loopLabels[node] = this.code.loop();
    this.within(node, joins, 0);
    this.code.end();
  }

  /** The node's own code inside the blocks whose ends are the joins it dominates. */
  private within(node: number, joins: readonly number[], i: number): void {
    const join = joins[i];
    if (join === undefined) return this.body(node);
    this.joinLabels[join] = this.code.block();
    this.within(node, joins, i + 1);
    this.code.end();
    this.tree(join);
  }

  private isBack(from: number, to: number): boolean {
    return this.flow.place[to]! <= this.flow.place[from]!;
  }
  /** The label to branch to, or -1 when the target is placed here. */
  private labelOf(from: number, to: number): Label {
    if (this.isBack(from, to)) return this.loopLabels[to]!;
    return this.isJoin[to] ? this.joinLabels[to]! : -1;
  }
  /** Goes along an edge; does not come back. */
  private follow(from: number, edge: Edge): void {
    const { code } = this;
    if (edge.label >= 0) code.i32(edge.label).set(this.choice);
    const label = this.labelOf(from, edge.to);
    if (label >= 0) code.br(label);
    else this.tree(edge.to);
  }
  /** Goes along an edge when the i32 on the stack is not zero. */
  private followIf(from: number, edge: Edge): void {
    const { code } = this;
    const label = edge.label < 0 ? this.labelOf(from, edge.to) : -1;
    if (label >= 0) {
      code.brIf(label);
      return;
    }
    code.if();
    this.follow(from, edge);
    code.end();
  }

  private body(node: number): void {
    if (node === 0) this.root();
    else if (node >= this.firstDispatch) this.dispatch(node);
    else this.part(node);
  }

  /** Spends fuel; leaves when there is none. `where` sets the locals that tell the exit where we are. */
  private spend(where: () => void, always: boolean): void {
    const { code, fuel } = this;
    if (always) where();
    code.get(fuel).i32(1).op(op["i32.sub"]).tee(fuel).i32(0).op(op["i32.lt_s"]);
    if (always) code.brIf(this.budget);
    else {
      code.if();
      where();
      code.br(this.budget).end();
    }
  }

  private root(): void {
    const { code, region } = this;
    const edges = this.graph[0]!;
    const index = this.fuel + 1;
    const only = edges.length === 1;
    this.spend(() => {
      code.i32(region.parts[region.entries[0]!]!.pc).set(this.pc);
      if (only) return;
      for (let i = 1; i < edges.length; i++) {
        code.i32(region.parts[region.entries[i]!]!.pc).get(this.pc).get(index).i32(i).op(op["i32.eq"]).op(op.select);
        code.set(this.pc);
      }
    }, false);
    if (this.checks.guards.some((guard) => guard !== undefined)) {
      code.get(index).if();
      this.checks.guards.forEach((guard, i) => {
        if (guard === undefined) return;
        code.get(index).i32(i).op(op["i32.eq"]).if();
        code.i32(region.parts[region.entries[i]!]!.pc).set(this.pc);
        this.values.guard(guard);
        code.end();
      });
      code.end();
    }
    for (let r = 0; r < 16; r++) if (this.vectors.loaded & (1 << r)) this.values.loadVector(r);
    if (only) return this.follow(0, edges[0]!);
    this.choose(0, edges, index);
  }

  private dispatch(node: number): void {
    const { code, region } = this;
    const edges = this.graph[node]!;
    if (this.isLoop[node]) {
      this.spend(() => {
        edges.forEach((edge, i) => {
          const part = this.partBehind(edge);
          code.get(this.choice).i32(i).op(op["i32.eq"]).if();
          code.i32(region.parts[part]!.pc).set(this.pc).i32(this.vectors.dirtyIn[part]!).set(this.dirty).end();
        });
      }, false);
    }
    this.choose(node, edges, this.choice);
  }
  /** The part an edge of a dispatch node leads to in the end. */
  private partBehind(edge: Edge): number {
    let { to, label } = edge;
    while (to >= this.firstDispatch) ({ to, label } = this.graph[to]![label]!);
    return to - 1;
  }

  /** Goes along the edge whose number is in a local. The first one is the likeliest. */
  private choose(node: number, edges: readonly Edge[], local: number): void {
    const { code } = this;
    if (edges.length <= 4) {
      for (let i = 0; i < edges.length - 1; i++) {
        code.get(local);
        if (i === 0) code.op(op["i32.eqz"]);
        else code.i32(i).op(op["i32.eq"]);
        this.followIf(node, edges[i]!);
      }
      this.follow(node, edges[edges.length - 1]!);
      return;
    }
    code.get(local).op(op["i32.eqz"]);
    this.followIf(node, edges[0]!);
    // Edges that hand on a choice need code of their own.
    const handing = edges.filter((edge) => edge.label >= 0);
    const own = new Map(handing.map((edge) => [edge, code.block()]));
    const labels = edges.map((edge) => own.get(edge) ?? this.labelOf(node, edge.to));
    code.get(local).brTable(labels, labels[0]!);
    for (const edge of handing.reverse()) {
      code.end();
      this.follow(node, edge);
    }
  }

  // Parts.

  private part(node: number): void {
    const { code, values } = this;
    const i = node - 1;
    const lowered = this.lowered[i]!;
    const { part } = lowered;
    values.dirty = this.vectors.dirtyIn[i]!;
    values.valid = this.vectors.validIn[i]!;
    values.forget();
    if (this.isLoop[node]) this.spend(() => values.leavable(part.pc), true);
    const opcode = part.cut ? ops.jump : part.block.code[part.end * 4]! & 0xffff;
    const spills = this.spills(i, opcode);
    const last: Node[] = [];
    if (lowered.value >= 0) last.push(lowered.value);
    const flagNodes = lowered.shape >= 0 ? values.flagNodes(lowered.shape, lowered.triple) : [];
    for (let k = 0; k < spills; k++) last.push(...flagNodes);
    values.part(lowered, last);
    if (spills > 0) for (const flag of flagNodes) values.pin(flag);
    if (this.mergesInMemory(i)) this.spill(lowered);

    const edges = this.graph[node]!;
    let next = 0;
    const ways = part.ways.map((way) => ({ way, edge: way.part >= 0 ? edges[next++] : undefined }));
    const go = ({ way, edge }: { way: Way; edge: Edge | undefined }) => {
      if (edge !== undefined) this.follow(node, edge);
      else this.leave(lowered, way.pc);
    };
    switch (opcode) {
      case ops.jump:
      case ops.call:
        return go(ways[0]!);
      case ops.branch: {
        const [taken, otherwise] = [ways[0]!, ways[1]!];
        const isPlain = ({ edge }: typeof taken) =>
          edge !== undefined && edge.label < 0 && this.labelOf(node, edge.to) >= 0;
        const inverted = isPlain(otherwise) && !isPlain(taken) ? true : !isPlain(taken) && otherwise.edge === undefined;
        const [first, second] = inverted ? [otherwise, taken] : [taken, otherwise];
        values.pushCondition(lowered.value, inverted);
        if (isPlain(first)) code.brIf(this.labelOf(node, first.edge!.to));
        else {
          code.if();
          const [dirty, valid] = [values.dirty, values.valid];
          go(first);
          [values.dirty, values.valid] = [dirty, valid];
          code.end();
        }
        return go(second);
      }
      case ops.exit:
        return this.leaveFor(lowered);
      default:
        return this.indirectly(
          node,
          lowered,
          ways.map(({ way, edge }) => ({ pc: way.pc, edge: edge! })),
        );
    }
  }

  /** How many places at the part's end store the flags to memory. */
  private spills(i: number, opcode: number): number {
    const lowered = this.lowered[i]!;
    let count = this.mergesInMemory(i) ? 1 : 0;
    const leaves = lowered.part.ways.filter((way) => way.part < 0).length;
    if (opcode === ops.jump || opcode === ops.branch || opcode === ops.call) {
      if (lowered.flags.outside !== 0) count += leaves;
    } else count++;
    return count;
  }

  /** True if a part that follows reads flags from memory which this one has in locals. */
  private mergesInMemory(i: number): boolean {
    const { flags, part } = this.lowered[i]!;
    if (flags.shapeOut === shapeInMemory) return false;
    return part.ways.some(({ part: to }) => {
      if (to < 0) return false;
      const next = this.lowered[to]!.flags;
      return next.liveIn !== 0 && next.shapeIn === shapeInMemory;
    });
  }

  private spill(lowered: Lowered): void {
    if (lowered.shape >= 0) this.values.spillFlags(lowered.shape, lowered.triple);
    else if (lowered.flags.shapeOut >= 0) this.values.spillKeptFlags(lowered.flags.shapeOut);
  }

  // Ways out.

  /** Goes to a guest address outside of the region. */
  private leave(lowered: Lowered, pc: number): void {
    const { code, values, module } = this;
    values.storeDirtyVectors();
    if (lowered.flags.outside !== 0) this.spill(lowered);
    const inside = module.inside(pc);
    if (inside !== undefined) {
      this.pushAll();
      code.returnCall(inside);
    } else if (module.source.executions(pc) > 0) {
      code.i32(0).i32(pc).memory(op["i32.store"], stateAddress(offsets.pc));
      this.pushAll();
      code.i32(module.source.slot(pc)).returnCallIndirect(module.signature);
    } else {
      this.leavesColdly = true;
      code.i32(pc).set(this.pc).i32(module.source.slot(pc)).set(this.slot).br(this.leaving);
    }
  }

  private pushAll(): void {
    for (let r = 0; r <= this.fuel; r++) this.code.get(r);
  }

  /** A system call, an interrupt or a certain fault. */
  private leaveFor(lowered: Lowered): void {
    const { code, values } = this;
    const { block, end } = lowered.part;
    const [word, resume, detail] = block.code.subarray(end * 4);
    this.spill(lowered);
    code.i32(0).set(values.shape);
    code.i32(0).i32(detail!).memory(op["i32.store"], stateAddress(offsets.exitDetail));
    code.i32(resume!).set(this.pc).i32(values.dirty).set(this.dirty);
    code
      .i32(word! >>> 16)
      .set(this.kind)
      .br(this.exit);
  }

  /** An indirect jump, call or return: to the known targets within the region, or out. */
  private indirectly(node: number, lowered: Lowered, known: readonly { pc: number; edge: Edge }[]): void {
    const { code, values } = this;
    const { value } = lowered;
    values.push(value);
    code.set(this.target);
    const equals = (pc: number) => {
      code.get(this.target);
      if (this.long) code.i64(pc, 0).op(op["i64.eq"]);
      else code.i32(pc).op(op["i32.eq"]);
    };
    if (known.length <= fewTargets) {
      for (const { pc, edge } of known) {
        equals(pc);
        const [dirty, valid] = [values.dirty, values.valid];
        this.followIf(node, edge);
        [values.dirty, values.valid] = [dirty, valid];
      }
    } else {
      const { multiplier, bits, slots } = perfectHash(known.map(({ pc }) => pc));
      const miss = code.block();
      const labels = known.map(() => code.block()).reverse();
      code.get(this.target);
      if (this.long) code.op(op["i32.wrap_i64"]);
      code
        .i32(multiplier)
        .op(op["i32.mul"])
        .i32(32 - bits)
        .op(op["i32.shr_u"]);
      code.brTable(
        [...slots].map((i) => (i < 0 ? miss : labels[i]!)),
        miss,
      );
      for (const { pc, edge } of known) {
        code.end();
        equals(pc);
        this.followIf(node, edge);
        code.br(miss);
      }
      code.end();
    }
    values.storeDirtyVectors();
    this.spill(lowered);
    this.goesIndirectly = true;
    code.br(this.indirect);
  }

  /** Looks the target up in the branch cache. */
  private indirectTail(): void {
    const { code, target, slot } = this;
    const low = () => {
      code.get(target);
      if (this.long) code.op(op["i32.wrap_i64"]);
    };
    const { branchCache } = layout;
    low();
    low();
    code
      .i32(12)
      .op(op["i32.shr_u"])
      .op(op["i32.xor"])
      .i32(BranchEntry.count - 1)
      .op(op["i32.and"]);
    code.i32(3).op(op["i32.shl"]).tee(slot);
    if (this.long)
      code
        .memory(op["i64.load32_u"], branchCache + BranchEntry.pc)
        .get(target)
        .op(op["i64.eq"]);
    else
      code
        .memory(op["i32.load"], branchCache + BranchEntry.pc)
        .get(target)
        .op(op["i32.eq"]);
    // A slot that has become empty needs the address.
    code.if();
    code
      .i32(0)
      .get(target)
      .memory(this.long ? op["i64.store"] : op["i32.store"], stateAddress(offsets.pc));
    this.pushAll();
    code
      .get(slot)
      .memory(op["i32.load"], branchCache + BranchEntry.slot)
      .returnCallIndirect(this.module.signature)
      .end();
    code
      .i32(0)
      .get(target)
      .memory(this.long ? op["i64.store"] : op["i32.store"], stateAddress(offsets.pc));
    low();
    code.set(this.pc).i32(0).set(this.dirty).i32(0).set(this.values.shape);
    code.i32(ExitKind.untranslated).set(this.kind).br(this.exit);
  }

  /** Goes to the slot in a local. */
  private leaveTail(): void {
    const { code } = this;
    code.i32(0).get(this.pc).memory(op["i32.store"], stateAddress(offsets.pc));
    this.pushAll();
    code.get(this.slot).returnCallIndirect(this.module.signature);
  }

  /** Puts everything into the state and answers the exit's kind. */
  private exitTail(): void {
    const { code, values } = this;
    for (let r = 0; r < 16; r++) {
      if ((this.vectors.changed & (1 << r)) === 0) continue;
      code
        .get(this.dirty)
        .i32(1 << r)
        .op(op["i32.and"])
        .if();
      values.storeVector(r);
      code.end();
    }
    code.get(values.shape).if();
    code.i32(0).get(values.shape).i32(1).op(op["i32.sub"]).memory(op["i32.store"], stateAddress(offsets.flagKind));
    for (let i = 0; i < 3; i++)
      code
        .i32(0)
        .get(values.flagLocal(i))
        .memory(op["i64.store"], stateAddress(offsets.flagA + 8 * i));
    code.end();
    this.pushAll();
    code.get(this.kind).get(this.pc).returnCall(this.module.leave);
  }
}

/** A multiplier under which the top bits of the products differ for all targets, and who is where (-1: nobody). */
export function perfectHash(targets: readonly number[]): { multiplier: number; bits: number; slots: Int16Array } {
  for (let bits = Math.ceil(Math.log2(targets.length)) + 1; ; bits++) {
    let multiplier = 0x9e3779b1 | 0;
    for (let attempt = 0; attempt < 200; attempt++) {
      const slots = new Int16Array(1 << bits).fill(-1);
      const fits = targets.every((target, i) => {
        const at = Math.imul(target, multiplier) >>> (32 - bits);
        if (slots[at]! >= 0) return false;
        slots[at] = i;
        return true;
      });
      if (fits) return { multiplier, bits, slots };
      multiplier = (Math.imul(multiplier, 0x19660d) + 0x3c6ef35f) | 1;
    }
  }
}
