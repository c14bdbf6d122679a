// The passes in order: a program becomes a simpler one with the same results.

import type { Program } from "../../hlo/graph.ts";
import { affine } from "./affine.ts";
import { common } from "./common.ts";
import { fold } from "./fold.ts";
import { rewrite } from "./rewrite.ts";
import { simplify } from "./simplify.ts";

/** Most times that the rules are applied: each finds work that the one before made. */
const rounds = 4;

/** Simplifies a program. */
export function optimise(program: Program): Program {
  let current = program;
  for (let round = 0; round < rounds; round++) {
    const next = rewrite(current, [fold, simplify, affine]);
    current = next.program;
    if (!next.changed) break;
  }
  return rewrite(current, [common()]).program;
}
