// The region compiler: hot guest addresses in, one WebAssembly module out.

import { ModuleBuilder } from "../../wasm/module.ts";
import { type } from "../../wasm/opcodes.ts";
import { defineHelper, type HelperName } from "../ir/emit.ts";
import { emitRegion, type RegionModule } from "./emitter.ts";
import { defaultLimits, formRegion, type Region, type RegionLimits } from "./region.ts";
import { importSurroundings, leaveFunction, regionType, registerCount, wordType } from "./support.ts";
import type { CodeSource, CompiledEntry, CompiledModule, RegionCompiler } from "./types.ts";

export interface CompilerOptions {
  readonly limits?: RegionLimits;
  /** Keeps function names in the module, for profilers. */
  readonly names?: boolean;
}

/** What was compiled for one source. */
interface Known {
  /** The latest region with an entry at an address. */
  readonly entries: Map<number, { readonly instructions: number; copies: number }>;
  /** The source, with a memory for where indirect branches went. */
  readonly source: CodeSource;
}

/** What is known of indirect branches lasts: once they are compiled nobody sees them any more. */
function remembering(source: CodeSource): CodeSource {
  const targets = new Map<number, readonly number[]>();
  return {
    long: source.long,
    block: (pc) => source.block(pc),
    executions: (pc) => source.executions(pc),
    slot: (pc) => source.slot(pc),
    targets: (pc) => {
      const known = targets.get(pc | 0);
      const seen = source.targets(pc).map((target) => target | 0);
      if (known === undefined && seen.length === 0) return seen;
      const all = [...new Set([...seen, ...(known ?? [])])];
      targets.set(pc | 0, all);
      return all;
    },
  };
}

/** Small regions are taken into later ones that lead to them, this often at most; others are jumped to. */
const copiesOf = (instructions: number): number => (instructions <= 48 ? Infinity : instructions <= 300 ? 3 : 0);

/** Makes a compiler of regions. */
export function regionCompiler({ limits = defaultLimits, names = false }: CompilerOptions = {}): RegionCompiler {
  const known = new WeakMap<CodeSource, Known>();
  return {
    compile(source: CodeSource, hot: readonly number[]): CompiledModule | undefined {
      let state = known.get(source);
      if (state === undefined) known.set(source, (state = { entries: new Map(), source: remembering(source) }));
      const { entries } = state;
      const stop = (pc: number) => {
        const entry = entries.get(pc);
        return entry !== undefined && entry.copies >= copiesOf(entry.instructions);
      };
      const regions: Region[] = [];
      const taken = new Set<number>();
      for (const pc of hot) {
        if (taken.has(pc | 0)) continue;
        const region = formRegion(state.source, pc, limits, stop);
        if (region === undefined) continue;
        regions.push(region);
        const absorbed = new Set(region.parts.flatMap((part) => entries.get(part.pc) ?? []));
        for (const entry of absorbed) entry.copies++;
        const record = { instructions: region.instructions, copies: 0 };
        for (const entry of region.entries) {
          taken.add(region.parts[entry]!.pc);
          entries.set(region.parts[entry]!.pc, record);
        }
      }
      return regions.length === 0 ? undefined : emitModule(state.source, regions, names);
    },
  };
}

function emitModule(source: CodeSource, regions: readonly Region[], names: boolean): CompiledModule {
  const to = new ModuleBuilder();
  const { long } = source;
  importSurroundings(to);
  const callout = to.importFunction("env", "callout", to.type([type.i32], [type.i32]));
  const signature = regionType(to, long);
  const count = registerCount(long);
  const many = to.type([...Array<number>(count).fill(wordType(long)), type.i32, type.i32], [type.i32]);
  const helpers = new Map<HelperName, number>();
  const helper = (name: HelperName): number => {
    let index = helpers.get(name);
    if (index === undefined) helpers.set(name, (index = defineHelper(to, name, helper)));
    return index;
  };

  const leave = leaveFunction(to, long);
  const functions = new Map<number, number>();
  const entries: CompiledEntry[] = [];
  const bodies = regions.map((region) => {
    const pcs = region.entries.map((entry) => region.parts[entry]!.pc);
    const name = (pc: number) => `x${(pc >>> 0).toString(16)}`;
    const isSingle = pcs.length === 1;
    const body = to.function(isSingle ? signature : many, name(pcs[0]!), 4096);
    pcs.forEach((pc, i) => {
      let { index } = body;
      if (!isSingle) {
        const wrapper = to.function(signature, `${name(pc)}_`, 64);
        for (let r = 0; r <= count; r++) wrapper.code.get(r);
        wrapper.code.i32(i).returnCall(body.index);
        index = wrapper.index;
      }
      // An address may be an entry of several regions: the one that was hot there comes first.
      if (functions.has(pc)) return;
      functions.set(pc, index);
      entries.push({ pc, slot: source.slot(pc) });
    });
    return body.code;
  });
  const module: RegionModule = { source, signature, callout, helper, leave, inside: (pc) => functions.get(pc) };
  regions.forEach((region, i) => emitRegion(region, module, bodies[i]!));
  for (const { pc, slot } of entries) to.fill(0, slot, [functions.get(pc)!]);
  return {
    bytes: to.finish({ names }),
    entries,
    ranges: rangesOf(regions),
    instructions: regions.reduce((sum, region) => sum + region.instructions, 0),
  };
}

/** The guest code that the regions were made from, as sorted, disjoint ranges. */
function rangesOf(regions: readonly Region[]): Int32Array {
  const blocks = regions.flatMap(({ parts }) =>
    parts.map(({ block }) => [block.pc >>> 0, (block.pc >>> 0) + block.length] as const),
  );
  blocks.sort((a, b) => a[0] - b[0]);
  const out: number[] = [];
  for (const [start, end] of blocks) {
    if (out.length > 0 && start <= out[out.length - 1]!) out[out.length - 1] = Math.max(out[out.length - 1]!, end);
    else out.push(start, end);
  }
  return Int32Array.from(out);
}
