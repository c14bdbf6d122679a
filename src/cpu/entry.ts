// What the executor keeps of code: translated blocks, the place of their interpreter code, installed modules.

import { layout } from "../memory/layout.ts";
import type { KnownBlock, KnownModule } from "./translate/cache.ts";

/** Where encoded blocks may live in linear memory: a place that is always there, and a larger one. */
export interface Arena {
  readonly start: number;
  readonly end: number;
}
export const smallArena: Arena = { start: layout.code, end: layout.guest };
export const largeArena: Arena = { start: layout.arena, end: layout.arenaEnd };

/** A translated block of this address space. */
export interface Entry {
  readonly pc: number;
  readonly known: KnownBlock;
  /** Its interpreter code; 0 when it has none. */
  address: number;
  /** Executions counted by earlier encodings. */
  executions: number;
  /** Where its countdown started. */
  started: number;
}

/** A compiled module in its process. */
export interface Installed {
  readonly known: KnownModule;
  readonly instance: WebAssembly.Instance;
}
