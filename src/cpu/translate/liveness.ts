// What lives between the parts of a region: arithmetic flags (by flag, and by what set them) and vector registers.

import type { Block } from "../ir/builder.ts";
import { Flag, FlagKind, arithmeticFlags } from "../ir/flags.ts";
import { opRows } from "../ir/ops.ts";
import { ops } from "./nodes.ts";
import type { Region } from "./region.ts";
import type { CodeSource } from "./types.ts";

const { carry, parity, zero, sign, overflow } = Flag;
/** The flags that each condition code (tttn) reads, by code >> 1. */
const conditionFlags = [overflow, carry, zero, carry | zero, sign, parity, sign | overflow, zero | sign | overflow];

const effects = opRows.map((row) => row.effect);
const counts = Uint8Array.from(opRows, (row) => row.args.length);
const isRoot = Uint8Array.from(effects, (effect) => (effect === "pure" || effect === "reads" ? 0 : 1));
const mayFault = Uint8Array.from(effects, (effect) => (effect === "faults" ? 1 : 0));

/** Bit of `Flags.sets`: the operands are needed in locals, for an exit or a later part. */
export const exposedBit = 0x8000;
/** Shapes of the flags at a part's start: the immediate of the cc.set that made them, or that they are in memory. */
export const shapeInMemory = -1;

export interface FlagsOf {
  /** Flags that are read after the part's start before they are set. */
  liveIn: number;
  /** Flags read after the part's end, within the region or outside. */
  liveOut: number;
  /** Flags that code outside the region reads after the part's direct ways out. */
  outside: number;
  /** What the flags look like at the start: `shapeInMemory`, or the immediate of the one cc.set that reaches. */
  shapeIn: number;
  shapeOut: number;
  /** For each cc.set its live flags and `exposedBit`; 0 when it is dead. At `base` + operation. */
  sets: Uint16Array;
  /** For each operation 1 when its value or effect is needed. At `base` + operation. */
  live: Uint8Array;
  readonly base: number;
}

/** Backward over [0, end]: marks what is live; gives the flags read before they are set. */
function scan(
  block: Block,
  end: number,
  liveOut: number,
  exposedOut: boolean,
  sets: Uint16Array,
  live: Uint8Array,
  base: number,
): number {
  const { code } = block;
  let flags = liveOut;
  let exposed = exposedOut;
  live.fill(0, base, base + block.code.length / 4);
  for (let i = end; i >= 0; i--) {
    const opcode = code[i * 4]! & 0xffff;
    let alive = live[base + i]! | isRoot[opcode]!;
    let skip = -1;
    if (opcode === ops.ccSet32 || opcode === ops.ccSet64) {
      const kind = (code[i * 4]! >>> 16) & 0xff;
      sets[base + i] = flags === 0 ? 0 : flags | (exposed ? exposedBit : 0);
      alive = flags === 0 ? 0 : 1;
      // The flag that inc and dec keep matters only when it is read.
      if ((kind === FlagKind.inc || kind === FlagKind.dec) && (flags & carry) === 0) skip = 1;
      flags = 0;
      exposed = false;
    } else if (mayFault[opcode]) {
      if (opcode === ops.callout) flags = arithmeticFlags;
      if (flags !== 0) exposed = true;
    }
    live[base + i] = alive;
    if (!alive) continue;
    if (opcode === ops.ccTest) flags |= conditionFlags[code[i * 4]! >>> 17]!;
    else if (opcode === ops.ccGet) flags = arithmeticFlags;
    for (let k = 0; k < counts[opcode]!; k++) {
      const from = code[i * 4 + 1 + k]!;
      if (k !== skip && from >= 0) live[base + from] = 1;
    }
  }
  return flags;
}

/** Where the parts' `sets` and `live` are, and how much of it the region at hand uses. */
let allSets = new Uint16Array(0x8000);
let allLive = new Uint8Array(0x8000);
let used = 0;
/** Operations that a block outside of the region may have, at most. */
const longest = 0x4000;

/** Flags that the code at an address outside the region reads before it sets them; all when that is not known. */
function readOutside(source: CodeSource, pc: number): number {
  if (source.executions(pc) === 0) return arithmeticFlags;
  const block = source.block(pc);
  if (block === undefined || block.code.length / 4 > longest) return arithmeticFlags;
  const count = block.code.length / 4;
  return scan(block, count - 1, arithmeticFlags, true, allSets, allLive, used);
}

function shapeAfter(block: Block, end: number, shape: number): number {
  for (let i = end - 1; i >= 0; i--) {
    const word = block.code[i * 4]!;
    const opcode = word & 0xffff;
    if (opcode === ops.ccSet32 || opcode === ops.ccSet64) return word >>> 16;
    if (opcode === ops.callout) return shapeInMemory;
  }
  return shape;
}

export function flagsOf(region: Region, source: CodeSource): FlagsOf[] {
  const { parts } = region;
  const outside = new Map<number, number>();
  const outsideAt = (pc: number): number => {
    let mask = outside.get(pc);
    if (mask === undefined) outside.set(pc, (mask = readOutside(source, pc)));
    return mask;
  };
  const last = (i: number): number => (parts[i]!.cut ? parts[i]!.end - 1 : parts[i]!.end);
  used = 0;
  const bases = parts.map(({ block }) => (used += block.code.length / 4) - block.code.length / 4);
  if (used + longest > allSets.length) {
    allSets = new Uint16Array((used + longest) * 2);
    allLive = new Uint8Array((used + longest) * 2);
  }
  const found: FlagsOf[] = bases.map((base) => ({
    liveIn: 0,
    liveOut: 0,
    outside: 0,
    shapeIn: -2,
    shapeOut: -2,
    sets: allSets,
    live: allLive,
    base,
  }));
  for (let changed = true; changed;) {
    changed = false;
    for (let i = parts.length - 1; i >= 0; i--) {
      const { block, end, cut, ways } = parts[i]!;
      const opcode = cut ? ops.jump : block.code[end * 4]! & 0xffff;
      let inside = 0;
      let away = 0;
      let liveOut = opcode === ops.jump || opcode === ops.branch || opcode === ops.call ? 0 : arithmeticFlags;
      for (const way of ways) {
        if (way.part >= 0) inside |= found[way.part]!.liveIn;
        else away |= outsideAt(way.pc);
      }
      liveOut |= inside | away;
      const flags = found[i]!;
      const liveIn = scan(block, last(i), liveOut, inside !== 0, allSets, allLive, flags.base);
      if (liveIn !== flags.liveIn || liveOut !== flags.liveOut) changed = true;
      flags.liveIn = liveIn;
      flags.liveOut = liveOut;
      flags.outside = away;
    }
  }
  for (const entry of region.entries) found[entry]!.shapeIn = shapeInMemory;
  for (let changed = true; changed;) {
    changed = false;
    parts.forEach(({ block, end, ways }, i) => {
      const flags = found[i]!;
      const shape = shapeAfter(block, end, flags.shapeIn);
      flags.shapeOut = shape;
      for (const way of ways) {
        if (way.part < 0) continue;
        const to = found[way.part]!;
        const met = to.shapeIn === -2 || to.shapeIn === shape ? shape : shape === -2 ? to.shapeIn : shapeInMemory;
        if (met !== to.shapeIn) changed = true;
        to.shapeIn = met;
      }
    });
  }
  for (const flags of found) {
    if (flags.shapeIn === -2) flags.shapeIn = shapeInMemory;
    if (flags.shapeOut === -2) flags.shapeOut = shapeInMemory;
  }
  return found;
}

/** Vector registers of a region, as bit masks. */
export interface VectorsOf {
  /** Registers that locals hold from the region's entry on. */
  readonly loaded: number;
  /** Registers that the region changes. */
  readonly changed: number;
  /** Per part: registers whose local may differ from memory at its start, and those whose local is right. */
  readonly dirtyIn: Uint16Array;
  readonly validIn: Uint16Array;
}

export function vectorsOf(region: Region, flags: readonly FlagsOf[]): VectorsOf {
  const { parts } = region;
  const count = parts.length;
  const use = new Uint16Array(count);
  const set = new Uint16Array(count);
  // Registers changed since the last callout, which leaves memory right.
  const dirties = new Uint16Array(count);
  const cleans = new Uint8Array(count);
  let changed = 0;
  parts.forEach(({ block, end }, i) => {
    for (let k = 0; k < end; k++) {
      if (!flags[i]!.live[flags[i]!.base + k]) continue;
      const opcode = block.code[k * 4]! & 0xffff;
      const bit = 1 << (block.code[k * 4]! >>> 16);
      if (opcode === ops.getx) use[i]! |= bit & ~set[i]!;
      else if (opcode === ops.setx) {
        set[i]! |= bit;
        dirties[i]! |= bit;
        changed |= bit;
      } else if (opcode === ops.callout) {
        dirties[i] = 0;
        cleans[i] = 1;
      }
    }
  });
  if (changed === 0 && use.every((mask) => mask === 0))
    return { loaded: 0, changed: 0, dirtyIn: set, validIn: new Uint16Array(count).fill(0xffff) };
  const liveIn = Uint16Array.from(use);
  for (let again = true; again;) {
    again = false;
    for (let i = count - 1; i >= 0; i--) {
      let out = 0;
      for (const way of parts[i]!.ways) if (way.part >= 0) out |= liveIn[way.part]!;
      const live = use[i]! | (out & ~set[i]!);
      if (live !== liveIn[i]) again = true;
      liveIn[i] = live;
    }
  }
  let loaded = 0;
  for (const entry of region.entries) loaded |= liveIn[entry]!;
  const dirtyIn = new Uint16Array(count);
  const validIn = new Uint16Array(count);
  for (;;) {
    dirtyIn.fill(0);
    validIn.fill(0xffff);
    for (const entry of region.entries) validIn[entry] = loaded;
    for (let again = true; again;) {
      again = false;
      parts.forEach(({ ways }, i) => {
        const dirty = (cleans[i] ? 0 : dirtyIn[i]!) | dirties[i]!;
        const valid = validIn[i]! | set[i]!;
        for (const { part } of ways) {
          if (part < 0) continue;
          const [d, v] = [dirtyIn[part]! | dirty, validIn[part]! & valid];
          if (d !== dirtyIn[part] || v !== validIn[part]) again = true;
          dirtyIn[part] = d;
          validIn[part] = v;
        }
      });
    }
    // A register that is perhaps changed must have a right value in its local on all ways: load it at the entry.
    let missing = 0;
    for (let i = 0; i < count; i++) missing |= dirtyIn[i]! & ~validIn[i]!;
    if ((missing & ~loaded) === 0) return { loaded, changed, dirtyIn, validIn };
    loaded |= missing;
  }
}
