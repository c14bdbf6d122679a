// Region formation: which blocks around a hot address are compiled together, and how they follow one another.

import type { Block } from "../ir/builder.ts";
import { components, flowOf, isReducible, type Graph } from "./graph.ts";
import { ops } from "./nodes.ts";
import type { CodeSource } from "./types.ts";

/** Where control can go: a part of the region, or (part -1) an address outside of it. */
export interface Way {
  readonly part: number;
  readonly pc: number;
}

/** A block of the region, or the beginning of one whose rest is another part. */
export interface Part {
  readonly pc: number;
  readonly block: Block;
  /** Operations before `end` belong to the part; the operation at `end` is its terminator unless `cut`. */
  readonly end: number;
  readonly cut: boolean;
  /** Jump, branch (taken, otherwise) and call: where to. Indirect: the known targets, likeliest first. */
  readonly ways: readonly Way[];
  readonly executions: number;
  /** Callees that are copies for this call alone; of an indirect call in place of those observed. */
  readonly callees?: readonly number[];
}

export interface Region {
  readonly parts: readonly Part[];
  /** Parts at which compiled code can be entered; the first is the hot address's, the last ones are heads of loops. */
  readonly entries: readonly number[];
  /** Guest instructions in all parts. */
  readonly instructions: number;
}

export interface RegionLimits {
  /** Guest instructions a region may have, at most. */
  readonly instructions: number;
  /** Known targets of one indirect jump that stay within the region, at most. */
  readonly targets: number;
  /** Those of all indirect jumps together, about. */
  readonly allTargets: number;
  /** Heads of loops that become entries, at most. */
  readonly heads: number;
  /** Instructions of a function without calls of which every call gets a copy, and of all copies together, at most. */
  readonly leaf: number;
  readonly copies: number;
}
export const defaultLimits: RegionLimits = {
  instructions: 1000,
  targets: 64,
  allTargets: 256,
  heads: 8,
  leaf: 40,
  copies: 400,
};

/** Says that a block, reached from the hot one, is to stay outside. */
export type Stop = (pc: number) => boolean;

const word = (block: Block, op: number, i: number): number => block.code[op * 4 + i]!;
const opcodeAt = (block: Block, op: number): number => word(block, op, 0) & 0xffff;
const lastOp = (block: Block): number => block.code.length / 4 - 1;

/** Addresses a block leads to directly: [jump], [taken, otherwise], [callee]; and the return address of a call. */
function successors(block: Block): { targets: number[]; returns: number | undefined; indirect: boolean } {
  const last = lastOp(block);
  const [a, b, c] = [word(block, last, 1), word(block, last, 2), word(block, last, 3)];
  switch (opcodeAt(block, last)) {
    case ops.jump:
      return { targets: [a], returns: undefined, indirect: false };
    case ops.branch:
      return { targets: [b, c], returns: undefined, indirect: false };
    case ops.call:
      return { targets: [a], returns: b, indirect: false };
    case ops.callIndirect:
      return { targets: [], returns: b, indirect: true };
    case ops.jumpIndirect:
    case ops.ret:
      return { targets: [], returns: undefined, indirect: true };
    case ops.exit:
      return { targets: [], returns: a, indirect: false };
    default:
      throw new Error(`region: block at 0x${(block.pc >>> 0).toString(16)} does not end in a terminator`);
  }
}

/** The region around a hot address; undefined when there is no code. */
export function formRegion(
  source: CodeSource,
  hot: number,
  limits: RegionLimits = defaultLimits,
  stop: Stop = () => false,
): Region | undefined {
  const chosen = choose(source, hot | 0, limits, stop);
  if (chosen === undefined) return undefined;
  const index = new Map([...chosen.keys()].map((pc, i) => [pc, i]));
  const way = (pc: number): Way => ({ part: index.get(pc) ?? -1, pc });

  const parts: Part[] = [];
  let instructions = 0;
  for (const [pc, block] of chosen) {
    let end = lastOp(block);
    let cut: Way | undefined;
    const starts = block.instructions;
    let count = starts.length / 2;
    for (let i = 2; i < starts.length; i += 2) {
      if (!index.has(starts[i + 1]!)) continue;
      end = starts[i]!;
      cut = way(starts[i + 1]!);
      count = i / 2;
      break;
    }
    instructions += count;
    const ways = cut === undefined ? successors(block).targets.map(way) : [cut];
    parts.push({ pc, block, end, cut: cut !== undefined, ways, executions: source.executions(pc) });
  }
  inlineLeaves(source, parts, index, limits);
  const complete = withReturns(source, parts, index, limits);
  const entries = entriesOf(complete, index, hot | 0);
  splitEntries(complete, entries, limits);
  for (const head of loopHeads(complete, entries, limits.heads)) if (!entries.includes(head)) entries.push(head);
  return { parts: complete, entries, instructions };
}

/** Parts that begin a loop which is in no other. Entering there leaves all loops single-entry. */
function loopHeads(parts: readonly Part[], entries: readonly number[], limit: number): number[] {
  const graph: Graph = [entries.map((part) => ({ to: part + 1, label: -1 }))];
  for (const { ways } of parts)
    graph.push(ways.filter(({ part }) => part >= 0).map(({ part }) => ({ to: part + 1, label: -1 })));
  const heads: number[] = [];
  const loops = components(
    graph,
    graph.map((_, node) => node),
  );
  for (const loop of loops) {
    const inside = new Set(loop);
    const doors = new Set<number>();
    graph.forEach((edges, node) => {
      if (!inside.has(node)) for (const { to } of edges) if (inside.has(to)) doors.add(to);
    });
    if (doors.size === 1) for (const door of doors) heads.push(door - 1);
  }
  return heads.slice(0, limit);
}

/** Picks blocks from the hot one along executed successors, the most executed first, up to the limit. */
function choose(source: CodeSource, hot: number, limits: RegionLimits, stop: Stop): Map<number, Block> | undefined {
  const chosen = new Map<number, Block>();
  const seen = new Set([hot]);
  const waiting = [{ pc: hot, executions: Infinity }];
  let size = 0;
  while (waiting.length > 0) {
    let best = 0;
    for (let i = 1; i < waiting.length; i++) if (waiting[i]!.executions > waiting[best]!.executions) best = i;
    const [{ pc } = { pc: hot }] = waiting.splice(best, 1);
    const block = source.block(pc);
    if (block === undefined) continue;
    const length = block.instructions.length / 2;
    if (chosen.size > 0 && size + length > limits.instructions) continue;
    size += length;
    chosen.set(pc, block);
    const { targets, returns, indirect } = successors(block);
    const next = [...targets];
    if (returns !== undefined) next.push(returns);
    if (indirect && opcodeAt(block, lastOp(block)) !== ops.ret)
      next.push(...source.targets(pc).slice(0, limits.targets));
    for (const target of next) {
      const to = target | 0;
      if (seen.has(to)) continue;
      const executions = source.executions(to);
      if (executions === 0 || stop(to)) continue;
      seen.add(to);
      waiting.push({ pc: to, executions });
    }
  }
  return chosen.size > 0 ? chosen : undefined;
}

const sizeOf = (part: Part): number => {
  const starts = part.block.instructions;
  let count = 0;
  while (count * 2 < starts.length && starts[count * 2]! < part.end) count++;
  return count;
};
const terminatorOf = (part: Part): number => (part.cut ? ops.jump : opcodeAt(part.block, part.end));
const isCall = (opcode: number): boolean => opcode === ops.call || opcode === ops.callIndirect;

/** Appends copies of some parts; ways between them stay among the copies. Gives the copy of each. */
function copyParts(parts: Part[], which: readonly number[], executions: number): Map<number, number> {
  const copies = new Map(which.map((at, i) => [at, parts.length + i]));
  for (const at of which) {
    const part = parts[at]!;
    const ways = part.ways.map((way) => ({ part: copies.get(way.part) ?? way.part, pc: way.pc }));
    parts.push({ ...part, ways, executions: Math.min(part.executions, executions) });
  }
  return copies;
}

/** Gives each call of a small function without calls a copy of its own, which then returns to one place. */
function inlineLeaves(source: CodeSource, parts: Part[], index: Map<number, number>, limits: RegionLimits): void {
  let room = limits.copies;
  const bodies = new Map<number, number[] | undefined>();
  const bodyOf = (callee: number): number[] | undefined => {
    const body = [callee];
    let size = 0;
    let returns = false;
    for (let i = 0; i < body.length; i++) {
      const part = parts[body[i]!]!;
      const opcode = terminatorOf(part);
      size += sizeOf(part);
      if (opcode === ops.ret) returns = true;
      else if ((opcode !== ops.jump && opcode !== ops.branch) || size > limits.leaf) return undefined;
      for (const { part: to } of part.ways) if (to >= 0 && !body.includes(to)) body.push(to);
    }
    return returns && size <= limits.leaf ? body : undefined;
  };
  const calls = parts.flatMap((part, at) => (isCall(terminatorOf(part)) ? [at] : []));
  calls.sort((a, b) => parts[b]!.executions - parts[a]!.executions);
  for (const at of calls) {
    const part = parts[at]!;
    if (index.get(word(part.block, part.end, 2)) === undefined) continue;
    const callees =
      terminatorOf(part) === ops.call
        ? part.ways.map((way) => way.part)
        : source
            .targets(part.pc)
            .flatMap((pc) => index.get(pc | 0) ?? [])
            .slice(0, 2);
    const copied = callees.map((callee) => {
      if (callee < 0) return callee;
      if (!bodies.has(callee)) bodies.set(callee, bodyOf(callee));
      const body = bodies.get(callee);
      const size = body?.reduce((sum, each) => sum + sizeOf(parts[each]!), 0) ?? 0;
      if (body === undefined || size > room) return callee;
      room -= size;
      return copyParts(parts, body, part.executions).get(callee)!;
    });
    if (callees.every((callee, i) => callee === copied[i])) continue;
    const ways = terminatorOf(part) === ops.call ? [{ part: copied[0]!, pc: part.ways[0]!.pc }] : part.ways;
    parts[at] = { ...part, ways, callees: copied };
  }
}

/**
 * Where a loop is entered elsewhere than at its head, the way from there to the head is copied, so that the loop has one
 * entry. What is too large for that is left to a dispatch node (graph.ts).
 */
function splitEntries(parts: Part[], entries: number[], limits: RegionLimits): void {
  let room = limits.copies;
  const graph: Graph = [entries.map((part) => ({ to: part + 1, label: -1 }))];
  for (const { ways } of parts)
    graph.push(ways.filter(({ part }) => part >= 0).map(({ part }) => ({ to: part + 1, label: -1 })));
  if (isReducible(graph, flowOf(graph))) return;
  const split = (nodes: readonly number[]): void => {
    for (const component of components(graph, nodes)) {
      const inside = new Set(component);
      const from = new Map<number, number[]>();
      graph.forEach((edges, node) => {
        if (inside.has(node)) return;
        for (const { to } of edges) {
          if (!inside.has(to)) continue;
          if (!from.has(to)) from.set(to, []);
          from.get(to)!.push(node);
        }
      });
      const doors = [...from.keys()].sort((a, b) => parts[b - 1]!.executions - parts[a - 1]!.executions);
      const head = doors[0] ?? component[0]!;
      for (const door of doors.slice(1)) {
        const way = [door];
        for (let i = 0; i < way.length; i++)
          for (const { to } of graph[way[i]!]!) if (inside.has(to) && to !== head && !way.includes(to)) way.push(to);
        const size = way.reduce((sum, node) => sum + sizeOf(parts[node - 1]!), 0);
        if (size > room) continue;
        room -= size;
        const copies = copyParts(
          parts,
          way.map((node) => node - 1),
          1,
        );
        const copy = copies.get(door - 1)!;
        for (const node of way)
          graph.push(graph[node]!.map(({ to }) => ({ to: (copies.get(to - 1) ?? to - 1) + 1, label: -1 })));
        for (const node of from.get(door)!) {
          for (const edge of graph[node]!) if (edge.to === door) edge.to = copy + 1;
          if (node === 0) entries.splice(entries.indexOf(door - 1), 1, copy);
          else {
            const part = parts[node - 1]!;
            const ways = part.ways.map(({ part: to, pc }) => ({ part: to === door - 1 ? copy : to, pc }));
            parts[node - 1] = { ...part, ways };
          }
        }
      }
      split(component.filter((node) => node !== head));
    }
  };
  split(graph.map((_, node) => node));
}

/** Adds the known targets of indirect jumps and of returns to functions of the region. */
function withReturns(source: CodeSource, parts: Part[], index: Map<number, number>, limits: RegionLimits): Part[] {
  const opcode = terminatorOf;
  const returnSite = (part: Part) => index.get(word(part.block, part.end, 2));
  // Callees called from within the region, and where they return to.
  const sites = new Map<number, Set<number>>();
  const seen = (part: Part): readonly number[] =>
    part.callees ?? [...new Set(source.targets(part.pc).flatMap((pc) => index.get(pc | 0) ?? []))];
  const jumps = parts.filter((part) => terminatorOf(part) === ops.jumpIndirect).length;
  const share = Math.min(limits.targets, Math.max(8, Math.floor(limits.allTargets / Math.max(jumps, 1))));
  const observed = (part: Part): readonly number[] => seen(part).slice(0, share);
  for (const part of parts) {
    const kind = opcode(part);
    if (!isCall(kind)) continue;
    const site = returnSite(part);
    if (site === undefined) continue;
    const callees = kind === ops.call ? part.ways.map((way) => way.part) : observed(part);
    for (const callee of callees) {
      if (callee < 0) continue;
      if (!sites.has(callee)) sites.set(callee, new Set());
      sites.get(callee)!.add(site);
    }
  }
  const returns = new Map<number, Set<number>>();
  for (const [callee, to] of sites) {
    const seen = new Set([callee]);
    const work = [callee];
    while (work.length > 0) {
      const at = work.pop()!;
      const part = parts[at]!;
      const kind = opcode(part);
      if (kind === ops.ret) {
        if (!returns.has(at)) returns.set(at, new Set());
        for (const site of to) returns.get(at)!.add(site);
        continue;
      }
      const next = isCall(kind)
        ? [returnSite(part) ?? -1]
        : kind === ops.jumpIndirect
          ? observed(part)
          : part.ways.map((way) => way.part);
      for (const to of next) {
        if (to < 0 || seen.has(to)) continue;
        seen.add(to);
        work.push(to);
      }
    }
  }
  return parts.map((part, i) => {
    const kind = opcode(part);
    let targets: readonly number[] | undefined;
    if (kind === ops.ret)
      targets = [...(returns.get(i) ?? [])]
        .sort((a, b) => parts[b]!.executions - parts[a]!.executions)
        .slice(0, limits.targets);
    else if (kind === ops.jumpIndirect || kind === ops.callIndirect) targets = observed(part);
    if (targets === undefined) return part;
    return { ...part, ways: targets.map((to) => ({ part: to, pc: parts[to]!.pc })) };
  });
}

/** The hot address, and where control comes back to after it left: behind calls out of the region and system calls. */
function entriesOf(parts: readonly Part[], index: Map<number, number>, hot: number): number[] {
  const entries = new Set([index.get(hot)!]);
  for (const part of parts) {
    if (part.cut) continue;
    const opcode = opcodeAt(part.block, part.end);
    let back: number | undefined;
    if (opcode === ops.exit) back = index.get(word(part.block, part.end, 1));
    else if (isCall(opcode) && !part.ways.some((to) => to.part >= 0)) back = index.get(word(part.block, part.end, 2));
    if (back !== undefined) entries.add(back);
  }
  return [...entries];
}
