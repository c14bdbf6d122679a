// The plainest way to run IR: each block becomes a WebAssembly function that does its operations one by one, every access
// checked in TypeScript. Slow to translate and without any optimisation, so a second opinion beside the interpreter
// and the region compiler.

import { callouts } from "../../src/cpu/callouts.ts";
import type { Block } from "../../src/cpu/ir/builder.ts";
import {
  defineHelper,
  emitConditionOfBits,
  emitPure,
  type EmitContext,
  type HelperName,
} from "../../src/cpu/ir/emit.ts";
import { arithmeticFlags, FlagKind } from "../../src/cpu/ir/flags.ts";
import { opRows, type ValueType } from "../../src/cpu/ir/ops.ts";
import { ExitKind, offsets, stateAddress } from "../../src/cpu/state.ts";
import { Trap } from "../../src/cpu/trap.ts";
import type { CpuView } from "../../src/cpu/view.ts";
import { Access } from "../../src/memory/layout.ts";
import type { Code } from "../../src/wasm/code.ts";
import { ModuleBuilder } from "../../src/wasm/module.ts";
import { op, type } from "../../src/wasm/opcodes.ts";

const wasmTypes: Record<ValueType, number> = {
  i32: type.i32,
  i64: type.i64,
  f32: type.f32,
  f64: type.f64,
  v128: type.v128,
  word: type.i64,
  none: type.none,
};

const loads: Record<string, [number, number]> = {
  load8: [op["i32.load8_u"], 1],
  load16: [op["i32.load16_u"], 2],
  load32: [op["i32.load"], 4],
  load64: [op["i64.load"], 8],
  loadf32: [op["f32.load"], 4],
  loadf64: [op["f64.load"], 8],
  load128: [op["v128.load"], 16],
  load32_zero: [op["v128.load32_zero"], 4],
  load64_zero: [op["v128.load64_zero"], 8],
};
const stores: Record<string, [number, number]> = {
  store8: [op["i32.store8"], 1],
  store16: [op["i32.store16"], 2],
  store32: [op["i32.store"], 4],
  store64: [op["i64.store"], 8],
  storef32: [op["f32.store"], 4],
  storef64: [op["f64.store"], 8],
  store128: [op["v128.store"], 16],
};

/** What a block ended with: an ExitKind, or -1 to go on at the state's pc. */
export const goOn = -1;

export interface Straight {
  /** Runs block `i`; PageFault and Trap come out as exceptions. */
  run(i: number): number;
}

/** Translates blocks to one module over the view's memory. */
export function straight(cpu: CpuView, blocks: readonly Block[], long: boolean): Straight {
  const to = new ModuleBuilder();
  to.importMemory("host", "memory");
  const imports = {
    check: to.importFunction("host", "check", to.type([type.i32, type.i32, type.i32, type.i32])),
    trap: to.importFunction("host", "trap", to.type([type.i32])),
    callout: to.importFunction("host", "callout", to.type([type.i32])),
  };
  const helpers = new Map<HelperName, number>();
  const helper = (name: HelperName): number => {
    let index = helpers.get(name);
    if (index === undefined) helpers.set(name, (index = defineHelper(to, name, helper)));
    return index;
  };
  for (const name of ["div128_u", "div128_s", "cc_bits"] as const) helper(name);
  for (const [i, block] of blocks.entries()) {
    const { index, code } = to.function(to.type([], [type.i32]));
    emitBlock(code, block, long, imports, helper);
    to.exportFunction(`${i}`, index);
  }
  const { memory } = cpu;
  const instance = new WebAssembly.Instance(new WebAssembly.Module(to.finish()), {
    host: {
      memory: memory.wasm,
      check(low: number, high: number, bytes: number, access: number) {
        memory.check((low >>> 0) + (high >>> 0) * 0x1_0000_0000, bytes, access);
      },
      trap(vector: number) {
        throw new Trap(vector);
      },
      callout(number: number) {
        callouts[number]!(cpu);
      },
    },
  });
  const functions = blocks.map((_, i) => instance.exports[`${i}`] as () => number);
  return { run: (i) => functions[i]!() };
}

function emitBlock(
  code: Code,
  block: Block,
  long: boolean,
  imports: { check: number; trap: number; callout: number },
  helper: (name: HelperName) => number,
): void {
  const locals = new Map<number, number>();
  const words = block.code;
  const state = (offset: number) => stateAddress(offset);
  for (let i = 0; i < words.length / 4; i++) {
    const opcode = words[i * 4]! & 0xffff;
    const immediate = words[i * 4]! >>> 16;
    const raw = [words[i * 4 + 1]!, words[i * 4 + 2]!, words[i * 4 + 3]!] as const;
    const row = opRows[opcode]!;
    const { name } = row;
    const push = (operand: number) => code.get(locals.get(raw[operand]!)!);
    const keep = (valueType: ValueType) => {
      const local = code.local(valueType === "word" && !long ? type.i32 : wasmTypes[valueType]);
      locals.set(i, local);
      code.set(local);
    };
    const address = () => {
      push(0);
      if (long) code.op(op["i32.wrap_i64"]);
    };
    const check = (bytes: number, access: number) => {
      address();
      if (long) {
        push(0);
        code.i64(32).op(op["i64.shr_u"]).op(op["i32.wrap_i64"]);
      } else code.i32(0);
      code.i32(bytes).i32(access).call(imports.check);
    };
    const flags = () => {
      code.i32(state(offsets.flagKind)).memory(op["i32.load"]);
      for (const at of [offsets.flagA, offsets.flagB, offsets.flagC]) code.i32(state(at)).memory(op["i64.load"]);
      code.call(helper("cc_bits"));
    };
    const setPc = (low: number) => {
      code.i32(state(offsets.pc)).i64(low, 0).memory(op["i64.store"]);
    };
    const load = (offset: number, opcode_: number) => {
      code.i32(state(offset)).memory(opcode_);
      keep(row.result);
    };
    const store = (offset: number, opcode_: number) => {
      code.i32(state(offset));
      push(0);
      code.memory(opcode_);
    };
    const registers = 8 * immediate;

    if (name === "i32.const") (code.i32(raw[0]), keep("i32"));
    else if (name === "i64.const") (code.i64(raw[0], raw[1]), keep("i64"));
    else if (name === "f64.const") (code.f64(raw[0], raw[1]), keep("f64"));
    else if (name === "v128.const") {
      const [a, b, c, d] = block.pool.subarray(raw[0], raw[0] + 4);
      code.v128(a!, b!, c!, d!);
      keep("v128");
    } else if (name === "get8") load(registers, op["i32.load8_u"]);
    else if (name === "get8h") load(registers + 1, op["i32.load8_u"]);
    else if (name === "get16") load(registers, op["i32.load16_u"]);
    else if (name === "get32") load(registers, op["i32.load"]);
    else if (name === "get64") load(registers, op["i64.load"]);
    else if (name === "set8") store(registers, op["i32.store8"]);
    else if (name === "set8h") store(registers + 1, op["i32.store8"]);
    else if (name === "set16") store(registers, op["i32.store16"]);
    else if (name === "set32") {
      code.i32(state(registers));
      push(0);
      code.op(op["i64.extend_i32_u"]).memory(op["i64.store"]);
    } else if (name === "set64") store(registers, op["i64.store"]);
    else if (name === "getx") load(offsets.xmm + 16 * immediate, op["v128.load"]);
    else if (name === "setx") store(offsets.xmm + 16 * immediate, op["v128.store"]);
    else if (name === "state.load8") load(immediate, op["i32.load8_u"]);
    else if (name === "state.load16") load(immediate, op["i32.load16_u"]);
    else if (name === "state.load32") load(immediate, op["i32.load"]);
    else if (name === "state.load64") load(immediate, op["i64.load"]);
    else if (name === "state.loadf64") load(immediate, op["f64.load"]);
    else if (name === "state.store8") store(immediate, op["i32.store8"]);
    else if (name === "state.store16") store(immediate, op["i32.store16"]);
    else if (name === "state.store32") store(immediate, op["i32.store"]);
    else if (name === "state.store64") store(immediate, op["i64.store"]);
    else if (name === "state.storef64") store(immediate, op["f64.store"]);
    else if (loads[name]) {
      const [access, bytes] = loads[name]!;
      check(bytes, Access.read);
      address();
      code.memory(access);
      keep(row.result);
    } else if (stores[name]) {
      const [access, bytes] = stores[name]!;
      check(bytes, Access.write);
      address();
      push(1);
      code.memory(access);
    } else if (name === "probeWrite") check(immediate, Access.write);
    else if (name === "cc.set32" || name === "cc.set64") {
      code.i32(state(offsets.flagKind)).i32(immediate).memory(op["i32.store"]);
      for (const [operand, at] of [offsets.flagA, offsets.flagB, offsets.flagC].entries()) {
        code.i32(state(at));
        push(operand);
        if (name === "cc.set32") code.op(op["i64.extend_i32_u"]);
        code.memory(op["i64.store"]);
      }
    } else if (name === "cc.get") {
      flags();
      keep("i32");
    } else if (name === "cc.test") {
      const bits = code.local(type.i32);
      flags();
      code.set(bits);
      emitConditionOfBits(code, bits, immediate);
      keep("i32");
    } else if (name === "trapif") {
      push(0);
      code.if();
      code.i32(immediate).call(imports.trap);
      code.end();
    } else if (name === "callout") {
      for (let operand = 0; operand < 3; operand++) {
        if (raw[operand] === -1) continue;
        code.i32(state(offsets.scratch + 8 * operand));
        push(operand);
        code.memory(op["i64.store"]);
      }
      code.i32(immediate).call(imports.callout);
      code.i32(state(offsets.scratch + 24)).memory(op["i64.load"]);
      keep("i64");
    } else if (name === "jump" || name === "call") {
      setPc(raw[0]);
      code.i32(goOn);
    } else if (name === "branch") {
      push(0);
      code.if();
      setPc(raw[1]);
      code.else();
      setPc(raw[2]);
      code.end();
      code.i32(goOn);
    } else if (row.effect === "terminator" && name !== "exit") {
      code.i32(state(offsets.pc));
      push(0);
      if (!long) code.op(op["i64.extend_i32_u"]);
      code.memory(op["i64.store"]);
      code.i32(goOn);
    } else if (name === "exit") {
      setPc(raw[0]);
      code.i32(state(offsets.exitDetail)).i32(raw[1]).memory(op["i32.store"]);
      code.i32(immediate);
    } else {
      const context: EmitContext = {
        code,
        operand: (operand) => void push(operand),
        scratch: (valueType) => code.local(valueType),
        helper,
      };
      emitPure(
        context,
        opcode,
        immediate,
        name === "i8x16.shuffle" ? block.pool.subarray(raw[2], raw[2] + 4) : undefined,
      );
      keep(row.result);
    }
  }
}

/** EFLAGS arithmetic bits into the lazy flags of a state. */
export function setFlags(cpu: CpuView, bits: number): void {
  cpu.words[offsets.flagKind / 4] = FlagKind.bits | (2 << 8);
  for (const at of [offsets.flagA, offsets.flagB, offsets.flagC])
    cpu.view.setBigUint64(at, BigInt(bits & arithmeticFlags), true);
}

/** The exits a test cares about. */
export { ExitKind };
