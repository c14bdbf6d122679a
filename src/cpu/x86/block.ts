// Translates guest code into IR blocks: decodes and lifts instructions until one ends the block.

import { PageFault } from "../../memory/guest.ts";
import { Access } from "../../memory/layout.ts";
import { ExitKind } from "../state.ts";
import { Trap } from "../trap.ts";
import type { Block } from "../ir/builder.ts";
import { decoder, type Fetch, type Instruction } from "./decode.ts";
import { rows } from "./instructions/index.ts";
import { Lift } from "./lift.ts";

export const blockLimits = { instructions: 64, operations: 1500 } as const;

let shared: ((fetch: Fetch, pc: number, long: boolean) => Instruction) | undefined;

/** Decodes the instruction at `pc`. Throws PageFault from `fetch` and Trap for what the processor refuses. */
export function decode(fetch: Fetch, pc: number, long: boolean): Instruction {
  return (shared ??= decoder(rows))(fetch, pc, long);
}

/** Bits of a guest address that exist. */
const advance = (pc: number, length: number, long: boolean): number => (long ? pc + length : (pc + length) >>> 0);

/**
 * Translates the block at `pc` (a guest address, beyond 32 bits in 64-bit mode when its mapping is). `fetch` gives code bytes
 * and throws PageFault where execution is refused; that reaches the caller only when the first instruction is hit.
 * An invalid instruction becomes a block that ends in a trap. `directed` is needsDirected(MXCSR) (directed.ts): what changes
 * MXCSR ends its block with ExitKind.untranslated, so that the executor looks again.
 */
export function translateBlock(fetch: Fetch, pc: number, long: boolean, directed = false): Block {
  const lift = new Lift(long);
  lift.directed = directed;
  let at = pc;
  for (let count = 0; !lift.ended; count++) {
    if (count === blockLimits.instructions || lift.count > blockLimits.operations) {
      lift.jump(at);
      break;
    }
    let instruction: Instruction;
    try {
      instruction = decode(fetch, at, long);
    } catch (refused) {
      if (refused instanceof Trap) {
        lift.instruction(at);
        lift.exit(ExitKind.trap, at, refused.vector);
        break;
      }
      if (count === 0 || !(refused instanceof PageFault && refused.access === Access.execute)) throw refused;
      lift.jump(at);
      break;
    }
    lift.lift(instruction);
    at = advance(at, instruction.length, long);
  }
  return lift.finish(pc, at - pc);
}
