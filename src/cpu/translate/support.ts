// The module every process instantiates once: the way from JavaScript into compiled code, and the stub in empty slots.

import { ModuleBuilder } from "../../wasm/module.ts";
import type { Code } from "../../wasm/code.ts";
import { op, type } from "../../wasm/opcodes.ts";
import { ExitKind, offsets, stateAddress } from "../state.ts";

/** Number of general registers, and the wasm type of one. */
export const registerCount = (long: boolean): number => (long ? 16 : 8);
export const wordType = (long: boolean): number => (long ? type.i64 : type.i32);

/** The type of every compiled function: the registers and the fuel, to the ExitKind. */
export function regionType(to: ModuleBuilder, long: boolean): number {
  return to.type([...Array<number>(registerCount(long)).fill(wordType(long)), type.i32], [type.i32]);
}

/** Imports common to all translated modules: table 0 and memory 0. */
export function importSurroundings(to: ModuleBuilder): void {
  to.importMemory("env", "memory");
  to.importTable("env", "table", type.funcref);
}

/** Pushes the registers from the state in memory. */
export function loadRegister(code: Code, long: boolean, register: number): void {
  code.i32(0).memory(long ? op["i64.load"] : op["i32.load"], stateAddress(offsets.registers + register * 8));
}

/** Stores a register's local to the state in memory. */
export function spillRegister(code: Code, long: boolean, register: number, local: number): void {
  code
    .i32(0)
    .get(local)
    .memory(long ? op["i64.store"] : op["i32.store"], stateAddress(offsets.registers + register * 8));
}

/**
 * Bytes of the support module. Imports `env.memory` and `env.table`. Exports `enter(slot: i32, fuel: i32) -> i32`, which
 * loads the registers from the state and runs the function in the slot, and `stub`, the function of every slot that has
 * no compiled code: whoever calls it has stored state.pc; it spills the registers and answers ExitKind.untranslated.
 */
export function supportModule(long: boolean): Uint8Array<ArrayBuffer> {
  const to = new ModuleBuilder();
  importSurroundings(to);
  const signature = regionType(to, long);
  const count = registerCount(long);
  const enter = to.function(to.type([type.i32, type.i32], [type.i32]), "enter");
  for (let register = 0; register < count; register++) loadRegister(enter.code, long, register);
  enter.code.get(1).get(0).callIndirect(signature);
  to.exportFunction("enter", enter.index);
  const stub = to.function(signature, "stub");
  for (let register = 0; register < count; register++) spillRegister(stub.code, long, register, register);
  stub.code.i32(0).get(count).memory(op["i32.store"], stateAddress(offsets.fuel));
  stub.code.i32(ExitKind.untranslated);
  to.exportFunction("stub", stub.index);
  return to.finish();
}

/** Defines the function that ends a run: registers, fuel, ExitKind and pc go to the state, the kind is the answer. */
export function leaveFunction(to: ModuleBuilder, long: boolean): number {
  const count = registerCount(long);
  const parameters = [...Array<number>(count).fill(wordType(long)), type.i32, type.i32, type.i32];
  const { index, code } = to.function(to.type(parameters, [type.i32]), "leave");
  const [fuel, kind, pc] = [count, count + 1, count + 2];
  for (let register = 0; register < count; register++) spillRegister(code, long, register, register);
  code.i32(0).get(pc).memory(op["i32.store"], stateAddress(offsets.pc));
  code.i32(0).get(kind).memory(op["i32.store"], stateAddress(offsets.exitKind));
  code.i32(0).get(fuel).memory(op["i32.store"], stateAddress(offsets.fuel));
  code.get(kind);
  return index;
}
