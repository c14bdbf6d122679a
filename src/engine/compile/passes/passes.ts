// The passes in order: a program becomes a simpler one with the same results.

import type { Program } from "../../hlo/graph.ts";
import { affine } from "./affine.ts";
import { common } from "./common.ts";
import { fold } from "./fold.ts";
import { copyInputs, layout } from "./layout.ts";
import { patches } from "./patches.ts";
import { rewrite } from "./rewrite.ts";
import { scan } from "./scan.ts";
import { simplify } from "./simplify.ts";
import { widen } from "./widen.ts";

/** Most times that the rules are applied: each finds work that the one before made. */
const rounds = 6;

/** Simplifies a program. */
export function optimise(program: Program): Program {
  let current = program;
  for (let round = 0; round < rounds; round++) {
    const next = rewrite(current, [fold, simplify, widen, affine, layout]);
    current = next.program;
    if (!next.changed) break;
  }
  current = rewrite(current, [patches, scan]).program;
  return rewrite(current, [copyInputs, common()]).program;
}
