// What the address spaces of one machine share about guest code of one mode.

import { interpreterModule } from "./interpreter/module.ts";
import { CodeCache } from "./translate/cache.ts";
import { supportModule } from "./translate/support.ts";
import type { RegionCompiler } from "./translate/types.ts";
import { fastModule } from "./x86/x87/fast.ts";

/**
 * Executions of a block before the region around it is compiled. Compiling a block takes milliseconds while the compiler is
 * young, interpreting it a tenth of a microsecond.
 */
export const hotThreshold = 10_000;
/** What all machines of one mode share: modules that never change, and what was translated. */
export class Translations {
  readonly long: boolean;
  /** Translations for the ordinary floating-point environment, and for all others (x86/directed.ts). */
  readonly caches: readonly [CodeCache, CodeCache];
  readonly interpreter: WebAssembly.Module;
  readonly support: WebAssembly.Module;
  /** Does the ordinary cases of x87 callouts (x86/x87/fast.ts); absent in 64-bit mode, where they are few. */
  readonly fast: WebAssembly.Module | undefined;
  readonly compiler: RegionCompiler | undefined;
  /** Executions that make a block hot. */
  readonly threshold: number;
  /** Counts for measurements. */
  readonly counts = { blocks: 0, instructions: 0, regions: 0, flushes: 0, invalidations: 0 };

  constructor(options: { long: boolean; compiler?: RegionCompiler; threshold?: number }) {
    this.long = options.long;
    this.caches = [new CodeCache(), new CodeCache()];
    this.compiler = options.compiler;
    this.threshold = options.threshold ?? hotThreshold;
    this.interpreter = new WebAssembly.Module(interpreterModule(options.long));
    this.support = new WebAssembly.Module(supportModule(options.long));
    this.fast = options.long ? undefined : new WebAssembly.Module(fastModule());
  }

  /**
   * Takes over what `save` gave in an earlier run; before anything is translated. `version` names the build: what another
   * build has translated is of no use. False when the data are not usable.
   */
  load(data: Uint8Array<ArrayBuffer>, version: string): boolean {
    return this.caches[0].load(data, `${version} ${this.long}`);
  }

  /** Translations for the next run; undefined when they would hardly differ from what was loaded. */
  save(version: string): Uint8Array<ArrayBuffer> | undefined {
    return this.caches[0].save(`${version} ${this.long}`);
  }
}
