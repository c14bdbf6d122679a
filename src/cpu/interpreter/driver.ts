// The function that changes between compiled and interpreted code without JavaScript.

import { layout } from "../../memory/layout.ts";
import type { Code } from "../../wasm/code.ts";
import type { ModuleBuilder } from "../../wasm/module.ts";
import { op, type } from "../../wasm/opcodes.ts";
import { ExitKind, offsets, stateAddress } from "../state.ts";
import { loadRegister, registerCount, regionType } from "../translate/support.ts";
import { BranchEntry } from "../translate/types.ts";
import { environmentMask } from "../x86/directed.ts";
import { Header, blockCount, exitHot, map, startWeight } from "./format.ts";

/** Turns the pc on the stack, also in a local, into its offset in the table of blocks: see `blockEntry`. */
export function blockIndex(code: Code, pc: number): Code {
  code
    .get(pc)
    .i32(12)
    .op(op["i32.shr_u"])
    .op(op["i32.xor"])
    .i32(blockCount - 1)
    .op(op["i32.and"]);
  return code.i32(3).op(op["i32.shl"]);
}

/** The way between compiled and interpreted code: looks up where each of them stopped. */
export function defineDriver(to: ModuleBuilder, long: boolean, interpret: number): number {
  const i = type.i32;
  const signature = regionType(to, long);
  const { index, code } = to.function(to.type([i, i, i], [i]), "run");
  const [block, slot, fuel] = [0, 1, 2];
  const [kind, pc, at, left] = [code.local(i), code.local(i), code.local(i), code.local(i)];
  const state = (offset: number) => code.i32(0).memory(op["i32.load"], stateAddress(offset));
  const done = code.block();
  const again = code.loop();
  code.get(slot).if(type.i32);
  for (let register = 0; register < registerCount(long); register++) loadRegister(code, long, register);
  code.get(fuel).get(slot).callIndirect(signature);
  code.else();
  code.get(block).get(fuel).call(interpret);
  code.end().set(kind);
  state(offsets.fuel).set(fuel);
  const elsewhere = code.block();
  // A block whose countdown ran out may have compiled code.
  code.get(kind).i32(exitHot).op(op["i32.eq"]).if();
  code.i32(0).memory(op["i32.load"], map.block).memory(op["i32.load"], Header.slot).tee(slot).brIf(again);
  code.br(done).end();
  code.get(kind).i32(ExitKind.untranslated).op(op["i32.ne"]).brIf(done);
  code.get(fuel).i32(0).op(op["i32.lt_s"]).brIf(done);
  state(offsets.pc + 4).brIf(done);
  state(offsets.mxcsr).i32(environmentMask).op(op["i32.and"]);
  code.i32(0).memory(op["i32.load"], map.environment).op(op["i32.ne"]).brIf(done);
  state(offsets.pc).tee(pc);
  blockIndex(code, pc).tee(at);
  code.memory(op["i32.load"], map.blocks).get(pc).op(op["i32.ne"]).brIf(done);
  code
    .get(at)
    .memory(op["i32.load"], map.blocks + 4)
    .tee(block);
  code.memory(op["i32.load"], Header.slot).tee(slot).op(op["i32.eqz"]).brIf(elsewhere);
  // Compiled branches shall find it without coming here.
  code
    .get(pc)
    .get(pc)
    .i32(12)
    .op(op["i32.shr_u"])
    .op(op["i32.xor"])
    .i32(BranchEntry.count - 1)
    .op(op["i32.and"]);
  code.i32(Math.log2(BranchEntry.size)).op(op["i32.shl"]).tee(at);
  code.get(pc).memory(op["i32.store"], layout.branchCache + BranchEntry.pc);
  code
    .get(at)
    .get(slot)
    .memory(op["i32.store"], layout.branchCache + BranchEntry.slot);
  code.br(again).end();
  code.get(block).get(block).memory(op["i32.load"], Header.countdown).i32(startWeight).op(op["i32.sub"]).tee(left);
  code.memory(op["i32.store"], Header.countdown);
  code.get(left).i32(0).op(op["i32.ge_s"]).brIf(again);
  code.i32(exitHot).set(kind);
  code.end().end();
  code.get(kind);
  return index;
}
