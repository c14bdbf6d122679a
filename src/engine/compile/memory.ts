// Where every value lives: lifetimes over the steps in order, values that share a place, and addresses in one memory.

import { CerebroError } from "../../base/errors.ts";
import type { Value } from "../hlo/graph.ts";
import { byteSize, type Tensor } from "../hlo/tensor.ts";
import { type Block, capturesOf, type Step } from "./step.ts";

/** Places begin at multiples of this: a cache line. */
const alignment = 64;
const align = (bytes: number): number => Math.ceil(bytes / alignment) * alignment;
/** Kernels may read so many bytes past the end of an operand. */
const slack = 64;

/** Part of another value's place. */
interface Alias {
  readonly of: Value;
  readonly offset: number;
}

/** Which values are views of which. */
export class Aliases {
  private readonly map = new Map<Value, Alias>();

  /** The value's bytes are those of another one from an offset on. */
  set(value: Value, of: Value, offset = 0): void {
    const root = this.resolve(of);
    if (root.of === value) return;
    this.map.set(value, { of: root.of, offset: root.offset + offset });
  }
  resolve(value: Value): Alias {
    let offset = 0;
    let at = value;
    for (let next = this.map.get(at); next; next = this.map.get(at)) {
      offset += next.offset;
      at = next.of;
    }
    return { of: at, offset };
  }
}

export interface MemoryPlan {
  /** Bytes in all. */
  readonly size: number;
  readonly weightBytes: number;
  readonly activationBytes: number;
  addressOf(value: Value): number;
  /** Whether the value has a place at all. */
  has(value: Value): boolean;
}

interface Lifetime {
  readonly root: Value;
  readonly size: number;
  first: number;
  last: number;
}

export interface Layout {
  readonly block: Block;
  readonly aliases: Aliases;
  /** Values with contents from the start: constants, packed or not. */
  readonly constants: ReadonlyMap<Value, Tensor>;
  /** Parameters that keep their place from run to run. */
  readonly states: readonly Value[];
  readonly inputs: readonly Value[];
  /** Wanted at the end: outputs, then new states. */
  readonly results: readonly Value[];
  /** Bytes for kernels' own use, for every thread together. */
  readonly scratch: number;
  readonly limit: number;
}

/** Operands and results of a step itself, blocks within aside. */
function usesOf(step: Step): { reads: readonly Value[]; writes: readonly Value[] } {
  switch (step.kind) {
    case "kernel":
      return { reads: step.operands, writes: step.kernel.results };
    case "interpret":
      return {
        reads: [...step.operation.operands, ...capturesOf(step.operation)],
        writes: step.operation.results,
      };
    case "copy":
      return { reads: [step.from], writes: [step.to] };
    case "while":
    case "branch":
      return { reads: step.operation.operands, writes: step.operation.results };
  }
}

/** Plans the memory. Steps that may work in place do so when their operand is not used again. */
export function planMemory(layout: Layout): MemoryPlan {
  const { aliases, constants } = layout;
  const lifetimes = new Map<Value, Lifetime>();
  const fixed = new Set<Value>([...constants.keys(), ...layout.states]);
  let position = 0;

  const touches = new Map<Value, number[]>();
  const touch = (value: Value, at: number): void => {
    const { of: root } = aliases.resolve(value);
    const list = touches.get(root);
    if (list) list.push(at);
    else touches.set(root, [at]);
    const lifetime = lifetimes.get(root);
    if (!lifetime) lifetimes.set(root, { root, size: align(byteSize(root.type) + slack), first: at, last: at });
    else {
      lifetime.first = Math.min(lifetime.first, at);
      lifetime.last = Math.max(lifetime.last, at);
    }
  };
  const positions = new Map<Step, number>();
  const ends = new Map<Block, number>();
  /** Walks a block; values from outside stay alive to the end of a loop. */
  const walk = (block: Block): void => {
    for (const step of block.steps) {
      const start = position++;
      positions.set(step, start);
      const { reads, writes } = usesOf(step);
      for (const value of [...reads, ...writes]) touch(value, start);
      if (step.kind === "while") {
        // The condition's values are read when the body has run, and the body's results are copied at the end.
        inside([step.condition, step.body], start, true);
        for (const value of step.operation.results) touch(value, position - 1);
      } else if (step.kind === "branch") {
        inside(step.blocks, start, false);
        for (const value of step.operation.results) touch(value, position - 1);
      }
    }
  };
  const inside = (blocks: readonly Block[], start: number, loop: boolean): void => {
    for (const block of blocks) {
      walk(block);
      const end = position++;
      ends.set(block, end);
      for (const value of block.region.results) touch(value, end);
    }
    if (!loop) return;
    const end = position++;
    for (const lifetime of lifetimes.values()) {
      if (lifetime.first <= start && lifetime.last > start) lifetime.last = end;
    }
  };
  for (const value of layout.inputs) touch(value, position);
  position++;
  walk(layout.block);
  for (const value of layout.results) touch(value, position);
  const walked = { lifetimes, fixed, positions, end: position, ends, touches };
  updateInPlace(layout, walked);
  shareInPlace(layout, walked);

  // Weights first, then states, then what shares places.
  const addresses = new Map<Value, number>();
  let top = alignment;
  const place = (root: Value): void => {
    if (addresses.has(root)) return;
    addresses.set(root, top);
    top += align(byteSize(root.type) + slack);
  };
  for (const value of constants.keys()) if (lifetimes.has(value)) place(value);
  const weightBytes = top - alignment;
  for (const value of layout.states) place(value);
  const activations = [...lifetimes.values()].filter(({ root }) => !fixed.has(root));
  const activationBytes = bestFit(activations, addresses, top);
  const size = top + activationBytes + layout.scratch;
  if (size > layout.limit) {
    throw new CerebroError("limit", `model needs ${size} bytes of memory, the limit is ${layout.limit}`);
  }
  return {
    size,
    weightBytes,
    activationBytes,
    has: (value) => addresses.has(aliases.resolve(value).of),
    addressOf(value) {
      const { of, offset } = aliases.resolve(value);
      const address = addresses.get(of);
      if (address === undefined) throw new CerebroError("internal", `internal error: value ${value.id} has no address`);
      return address + offset;
    },
  };
}

/** What a walk over the steps has found. */
interface Walked {
  readonly lifetimes: Map<Value, Lifetime>;
  /** Places that nothing else may take. */
  readonly fixed: ReadonlySet<Value>;
  readonly positions: ReadonlyMap<Step, number>;
  /** The last position, where the results are read. */
  readonly end: number;
  /** Where blocks end. */
  readonly ends: ReadonlyMap<Block, number>;
  /** Every position where a place is read or written. */
  readonly touches: ReadonlyMap<Value, readonly number[]>;
}

/** Pairs of operand and result that a step can have in one place. */
function pairsOf(step: Step): readonly (readonly [Value, Value])[] {
  if (step.kind === "kernel") return step.inPlace;
  if (step.kind === "copy") return [[step.from, step.to]];
  if (step.kind === "while") return step.operation.operands.map((from, i) => [from, step.operation.results[i]!]);
  return [];
}

/** Whether a step may have an operand and a result in one place: no other operand is a view of that place. */
function mayShare(aliases: Aliases, step: Step, operand: Value, result: Value): boolean {
  if (step.kind !== "kernel") return true;
  const { of: root } = aliases.resolve(operand);
  return step.operands.every(
    (other) =>
      aliases.resolve(other).of !== root ||
      step.inPlace.some(([allowed, into]) => allowed === other && into === result),
  );
}

/**
 * Lets what a loop's body makes for the next round be made in the place of the loop's value, and what a run makes for
 * the next one in the place of the state, when the old one is not read after that.
 */
function updateInPlace(layout: Layout, walked: Walked): void {
  const { aliases, block } = layout;
  const { lifetimes, fixed, positions, ends, touches } = walked;
  const update = (inner: Block, value: Value, old: Value, [start, end]: readonly [number, number]): void => {
    const made = aliases.resolve(value);
    const kept = aliases.resolve(old).of;
    const lifetime = lifetimes.get(made.of);
    if (made.of === kept || made.offset !== 0 || !lifetime || fixed.has(made.of) || lifetime.last !== end) return;
    if (byteSize(made.of.type) > byteSize(kept.type)) return;
    const maker = inner.steps.find((step) => positions.get(step) === lifetime.first);
    if (!maker) return;
    const reads = (touches.get(kept) ?? []).filter((at) => at > start && at <= end);
    const latest = Math.max(-1, ...reads);
    const together = pairsOf(maker).find(([from, to]) => {
      const [source, target] = [aliases.resolve(from), aliases.resolve(to)];
      return source.of === kept && source.offset === 0 && target.of === made.of && target.offset === 0;
    });
    const fits =
      latest < lifetime.first ||
      (latest === lifetime.first && together && mayShare(aliases, maker, together[0], together[1]));
    if (!fits) return;
    aliases.set(made.of, kept);
    lifetimes.delete(made.of);
  };
  const visit = (outer: Block): void => {
    for (const step of outer.steps) {
      if (step.kind === "branch") step.blocks.forEach(visit);
      if (step.kind !== "while") continue;
      visit(step.condition);
      visit(step.body);
      const range = [ends.get(step.condition)!, ends.get(step.body)!] as const;
      step.body.region.results.forEach((value, i) => update(step.body, value, step.operation.results[i]!, range));
    }
  };
  visit(block);
  const outputs = layout.results.length - layout.states.length;
  layout.states.forEach((state, i) => update(block, layout.results[outputs + i]!, state, [-1, walked.end]));
}

/** Lets results take the place of operands that end there. */
function shareInPlace({ aliases, block }: Layout, { lifetimes, fixed, positions }: Walked): void {
  const visit = (inner: Block): void => {
    for (const step of inner.steps) {
      const at = positions.get(step)!;
      const taken = new Set<Value>();
      for (const [operand, result] of pairsOf(step)) {
        const from = aliases.resolve(operand);
        const to = aliases.resolve(result);
        const [source, target] = [lifetimes.get(from.of)!, lifetimes.get(to.of)!];
        // The place must end here as a whole, and the result must begin here.
        if (
          source === target ||
          taken.has(from.of) ||
          fixed.has(from.of) ||
          fixed.has(to.of) ||
          source.last !== at ||
          target.first !== at ||
          from.offset !== 0 ||
          to.offset !== 0 ||
          source.size < target.size ||
          !mayShare(aliases, step, operand, result)
        ) {
          continue;
        }
        aliases.set(to.of, from.of);
        taken.add(from.of);
        source.last = target.last;
        lifetimes.delete(to.of);
      }
      if (step.kind === "while") [step.condition, step.body].forEach(visit);
      if (step.kind === "branch") step.blocks.forEach(visit);
    }
  };
  visit(block);
}

/** Gives offsets from `base` on: the largest first, each in the tightest gap between those alive with it. */
function bestFit(lifetimes: Lifetime[], addresses: Map<Value, number>, base: number): number {
  lifetimes.sort((a, b) => b.size - a.size || a.first - b.first);
  const placed: { address: number; size: number; first: number; last: number }[] = [];
  let top = base;
  for (const { root, size, first, last } of lifetimes) {
    let best: number | undefined;
    let bestGap = Infinity;
    let at = base;
    // `placed` is in order of addresses.
    for (const other of placed) {
      if (other.last < first || other.first > last) continue;
      const gap = other.address - at;
      if (gap >= size && gap < bestGap) [best, bestGap] = [at, gap];
      at = Math.max(at, other.address + other.size);
    }
    const address = best ?? at;
    addresses.set(root, address);
    top = Math.max(top, address + size);
    const item = { address, size, first, last };
    let [low, high] = [0, placed.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (placed[middle]!.address <= address) low = middle + 1;
      else high = middle;
    }
    placed.splice(low, 0, item);
  }
  return top - base;
}
