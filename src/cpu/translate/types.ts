// The seam between the executor, which decides what is hot and runs it, and the region compiler, which turns hot guest
// code into WebAssembly modules.

import { layout } from "../../memory/layout.ts";
import type { Block } from "../ir/builder.ts";

/** What the compiler asks about guest code. One for each set of processes that share translations. */
export interface CodeSource {
  /** 64-bit mode: registers are i64 x 16; otherwise i32 x 8. */
  readonly long: boolean;
  /** The block that starts at a guest address, translated if need be; undefined when no code can be run there. */
  block(pc: number): Block | undefined;
  /** How often the interpreter has started the block at `pc`; 0 when it never has (or has never seen it). */
  executions(pc: number): number;
  /**
   * Targets that the indirect jump, indirect call or return ending the block at `pc` was seen to take, most frequent
   * first, as far as known. (Cheap way to know: the interpreter logs (block, target) pairs into a ring.)
   */
  targets(pc: number): readonly number[];
  /** The table slot that the guest address owns, allocated on first request; the same in all processes that share modules. */
  slot(pc: number): number;
}

/** One guest address at which compiled code may be entered. */
export interface CompiledEntry {
  readonly pc: number;
  /** Its slot in the process's function table. */
  readonly slot: number;
}

/**
 * A compiled module. Instantiating it with `{ env: { memory, table, callout } }` puts the functions of all entries into
 * their slots: `callout(number: i32) -> i32` answers 0 when done, -1 when done but the run must stop soon (code was
 * invalidated, a signal waits), else the ExitKind to leave with (state.pc is the callout's instruction then).
 * To invalidate it, put the stub into each entry's slot and drop its branch cache entries.
 */
export interface CompiledModule {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly entries: readonly CompiledEntry[];
  /** Pairs: first guest address and the one behind the last, of the code it was made from; sorted, disjoint. */
  readonly ranges: Int32Array;
  /** Guest instructions in it, for statistics and limits. */
  readonly instructions: number;
}

export interface RegionCompiler {
  /** Compiles the region around each hot address, together in one module. Undefined when nothing can be run there. */
  compile(source: CodeSource, hot: readonly number[]): CompiledModule | undefined;
}

/**
 * The indirect branch cache at layout.branchCache: 8,192 entries of 8 bytes that compiled code looks up by target and
 * the executor fills when compiled code leaves with ExitKind.untranslated at an address that has compiled code.
 * An entry is empty when its pc is 0.
 */
export const BranchEntry = {
  size: 8,
  count: 8192,
  /** u32 guest address. */
  pc: 0,
  /** u32 slot of its function. */
  slot: 4,
} as const;

/** Address of the branch cache entry for a target. */
export function branchEntry(pc: number): number {
  return layout.branchCache + (((pc ^ (pc >>> 12)) & (BranchEntry.count - 1)) << 3);
}
