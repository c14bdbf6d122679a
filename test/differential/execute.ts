// Runs instruction test cases in Cerebro's processor and compares the results with the native ones.

import { callouts } from "../../src/cpu/callouts.ts";
import type { Block } from "../../src/cpu/ir/builder.ts";
import { defineHelper } from "../../src/cpu/ir/emit.ts";
import { arithmeticFlags, FlagKind } from "../../src/cpu/ir/flags.ts";
import { Translations, X86Machine } from "../../src/cpu/executor.ts";
import { ExitKind, offsets, Vector } from "../../src/cpu/state.ts";
import { Trap } from "../../src/cpu/trap.ts";
import { CpuView } from "../../src/cpu/view.ts";
import { regionCompiler } from "../../src/cpu/translate/compiler.ts";
import { supportModule } from "../../src/cpu/translate/support.ts";
import { BranchEntry, type CodeSource } from "../../src/cpu/translate/types.ts";
import { translateBlock } from "../../src/cpu/x86/block.ts";
import { needsDirected } from "../../src/cpu/x86/directed.ts";
import { GuestMemory, PageFault } from "../../src/memory/guest.ts";
import { Access, layout } from "../../src/memory/layout.ts";
import { ModuleBuilder } from "../../src/wasm/module.ts";
import type { Case } from "./generate.ts";
import { field, fx, outcome, place } from "./record.ts";
import { goOn, straight } from "./straight.ts";

/** How a case ended: a vector, or one of `outcome`; the refused address of a page fault; where it stopped, if known. */
export interface Ending {
  readonly trap: number;
  readonly address: number;
  readonly pc?: number;
}

/** Runs cases one after the other; the state of each is looked at before the next. */
export interface Engine {
  readonly name: string;
  readonly cpu: CpuView;
  /** Makes cases ready, then calls `each` for one after the other; `go` runs the case from the state as loaded. */
  run(cases: readonly Case[], each: (made: Case, index: number, go: () => Ending) => void): void;
}

/** A guest memory with the pages that native.c maps. */
export function testMemory(): GuestMemory {
  const memory = new GuestMemory();
  memory.reach(place.code + 0x1000);
  memory.allow(place.scratch, place.readOnly, Access.read | Access.write);
  memory.allow(place.readOnly, place.readOnly + 0x1000, Access.read);
  memory.allow(place.last, place.end, Access.read | Access.write);
  memory.allow(place.code, place.code + 0x1000, Access.read | Access.write | Access.execute);
  return memory;
}

/** The engine over `straight`. */
export function straightEngine(long: boolean): Engine {
  const memory = testMemory();
  const cpu = new CpuView(memory);
  cpu.enter();
  return {
    name: "straight",
    cpu,
    run(cases, each) {
      const blocks = cases.map(blockOf);
      const translated = straight(cpu, blocks, long);
      for (const [i, made] of cases.entries()) {
        each(made, i, () => {
          try {
            for (let steps = 0; steps < 100; steps++) {
              const exit = translated.run(i);
              const pc = cpu.pc;
              if (exit === ExitKind.trap) return { trap: cpu.words[offsets.exitDetail / 4]!, address: 0 };
              if (exit !== goOn && exit !== ExitKind.untranslated) return { trap: -2 - exit, address: 0 };
              if (pc === place.taken) return { trap: outcome.jumped, address: 0 };
              if (pc !== place.code) return { trap: outcome.none, address: pc };
            }
            return { trap: -1, address: 0 };
          } catch (fault) {
            if (fault instanceof PageFault) return { trap: Vector.page, address: fault.address };
            if (fault instanceof Trap) return { trap: fault.vector, address: 0 };
            throw fault;
          }
        });
      }
    },
  };
}

/** The block of a case: its one instruction and a jump to the next. */
function blockOf({ record, view, instruction, long }: Case): Block {
  const fetch = (address: number): number => {
    const offset = address - place.code;
    if (offset >= instruction.length) throw new PageFault(address, Access.execute, true);
    return record[field.code + offset]!;
  };
  return translateBlock(fetch, place.code, long, needsDirected(view.getUint32(field.fx + fx.mxcsr, true)));
}

/** Interrupts behind the instruction and where taken branches go. */
const stops = { next: 0x81, taken: 0x82 };

/** The executor's interpreter over an engine's state, from wherever the state's pc is. */
function interpreter(cpu: CpuView, long: boolean): (made: Case) => Ending {
  const { memory } = cpu;
  const machine = new X86Machine(memory, new Translations({ long }));
  return (made) => {
    memory.check(place.code, 0x50, Access.write);
    memory.u8.set([0xcd, stops.next], place.code + made.instruction.length);
    memory.u8.set([0xcd, stops.taken], place.taken);
    const exit = machine.run(cpu, 1000);
    const detail = cpu.words[offsets.exitDetail / 4]!;
    if (exit === ExitKind.interrupt && detail === stops.taken) return { trap: outcome.jumped, address: 0 };
    if (exit === ExitKind.interrupt && detail === stops.next) return { trap: outcome.none, address: 0 };
    if (exit !== ExitKind.trap) return { trap: -2 - exit, address: 0 };
    const address = detail === Vector.page ? Number(cpu.view.getBigUint64(offsets.faultAddress, true)) : 0;
    return { trap: detail, address, pc: cpu.pc };
  };
}

export function interpreterEngine(long: boolean): Engine {
  const cpu = new CpuView(testMemory());
  cpu.enter();
  const interpret = interpreter(cpu, long);
  return {
    name: "interpreted",
    cpu,
    run(cases, each) {
      for (const [i, made] of cases.entries()) each(made, i, () => interpret(made));
    },
  };
}

/**
 * The region compiler: one module for a batch, whose blocks are given to it as if they lay at addresses of their own. What
 * compiled code leaves to the interpreter goes there, from the state as it was left.
 */
export function compiledEngine(long: boolean): Engine {
  const memory = testMemory();
  const cpu = new CpuView(memory);
  cpu.enter();
  const interpret = interpreter(cpu, long);
  const compiler = regionCompiler();
  const support = new WebAssembly.Module(supportModule(long));
  const first = 0x20000000;
  const callout = (number: number): number => {
    try {
      callouts[number]!(cpu);
      return 0;
    } catch (fault) {
      if (fault instanceof PageFault) {
        cpu.words[offsets.exitDetail / 4] = Vector.page;
        cpu.view.setBigUint64(offsets.faultAddress, BigInt(fault.address), true);
      } else if (fault instanceof Trap) cpu.words[offsets.exitDetail / 4] = fault.vector;
      else throw fault;
      return ExitKind.trap;
    }
  };
  return {
    name: "compiled",
    cpu,
    run(cases, each) {
      const blocks = cases.map(blockOf);
      // Slot 0 is for the addresses behind the blocks: nothing is there.
      const source: CodeSource = {
        long,
        block: (pc) => blocks[(pc >>> 0) - first],
        executions: () => 1000,
        targets: () => [],
        slot: (pc) => (blocks[(pc >>> 0) - first] ? (pc >>> 0) - first + 1 : 0),
      };
      const table = new WebAssembly.Table({ element: "anyfunc", initial: cases.length + 1 });
      const { enter, stub } = new WebAssembly.Instance(support, { env: { memory: memory.wasm, table } }).exports;
      for (let i = 0; i <= cases.length; i++) table.set(i, stub);
      const compiled = compiler.compile(
        source,
        blocks.map((_, i) => first + i),
      )!;
      new WebAssembly.Instance(new WebAssembly.Module(compiled.bytes), {
        env: { memory: memory.wasm, table, callout },
      });
      memory.u8.fill(0, layout.branchCache, layout.branchCache + BranchEntry.size * BranchEntry.count);
      for (const [i, made] of cases.entries())
        each(made, i, () => {
          for (let steps = 0; steps < 100; steps++) {
            const exit = (enter as (slot: number, fuel: number) => number)(i + 1, 1000);
            const { pc } = cpu;
            if (exit === ExitKind.slow) return interpret(made);
            if (exit === ExitKind.trap) {
              const trap = cpu.words[offsets.exitDetail / 4]!;
              const address = trap === Vector.page ? Number(cpu.view.getBigUint64(offsets.faultAddress, true)) : 0;
              return { trap, address, pc };
            }
            if (exit !== ExitKind.untranslated) return { trap: -2 - exit, address: 0 };
            if (pc === place.taken) return { trap: outcome.jumped, address: 0 };
            if (pc !== place.code) return { trap: outcome.none, address: 0 };
          }
          return { trap: -1, address: 0 };
        });
    },
  };
}

/** Loads a case's state and memory into an engine. */
export function load(cpu: CpuView, made: Case): void {
  const { view, record } = made;
  const { memory } = cpu;
  cpu.bytes.fill(0, 0, offsets.size);
  cpu.bytes.set(record.subarray(field.registers, field.registers + 128), offsets.registers);
  cpu.pc = place.code;
  const flags = view.getUint32(field.flags, true);
  cpu.words[offsets.flagKind / 4] = FlagKind.bits | (2 << 8);
  for (const at of [offsets.flagA, offsets.flagB, offsets.flagC]) cpu.view.setUint32(at, flags & arithmeticFlags, true);
  cpu.view.setUint32(offsets.direction, (flags >> 10) & 1, true);
  const at = field.fx;
  const status = view.getUint16(at + fx.status, true);
  const top = (status >> 11) & 7;
  cpu.view.setUint16(offsets.x87Control, view.getUint16(at + fx.control, true), true);
  cpu.view.setUint16(offsets.x87Status, status, true);
  cpu.view.setUint32(offsets.mxcsr, view.getUint32(at + fx.mxcsr, true), true);
  let tags = 0;
  for (let i = 0; i < 8; i++) {
    const physical = (top + i) & 7;
    const from = at + fx.st + 16 * i;
    cpu.bytes.set(record.subarray(from, from + 10), offsets.x87 + 16 * physical);
    const used = (view.getUint8(at + fx.tags) >> physical) & 1;
    const tag = used ? tagOf(view.getBigUint64(from, true), view.getUint16(from + 8, true)) : 3;
    tags |= tag << (2 * physical);
  }
  cpu.view.setUint16(offsets.x87Tags, tags, true);
  cpu.bytes.set(record.subarray(at + fx.xmm, at + fx.xmm + 256), offsets.xmm);
  memory.u8.set(record.subarray(field.code, field.code + field.codeSize), place.code);
  memory.u8.set(record.subarray(field.window, field.size), place.window);
  memory.u8.fill(0, place.readOnly - place.edge, place.readOnly);
  memory.u8.fill(0, place.end - place.edge, place.end);
}

/** Tag of a register that is not empty: valid, zero or special (Intel SDM volume 1, section 8.1.7). */
function tagOf(significand: bigint, exponent: number): number {
  if ((exponent & 0x7fff) === 0 && significand === 0n) return 1;
  return (exponent & 0x7fff) === 0x7fff || (exponent & 0x7fff) === 0 || significand >> 63n === 0n ? 2 : 0;
}

let bits: ((kind: number, a: bigint, b: bigint, c: bigint) => number) | undefined;

/** EFLAGS of a state: arithmetic flags and DF. */
export function flagsOf(cpu: CpuView): number {
  if (!bits) {
    const to = new ModuleBuilder();
    to.exportFunction(
      "bits",
      defineHelper(to, "cc_bits", () => 0),
    );
    bits = new WebAssembly.Instance(new WebAssembly.Module(to.finish())).exports.bits as typeof bits;
  }
  const operand = (at: number) => cpu.view.getBigInt64(at, true);
  const arithmetic = bits!(
    cpu.words[offsets.flagKind / 4]!,
    operand(offsets.flagA),
    operand(offsets.flagB),
    operand(offsets.flagC),
  );
  return arithmetic | (cpu.words[offsets.direction / 4]! << 10);
}

const names = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"];
const hex = (value: bigint | number): string => `0x${value.toString(16)}`;
const comparedFlags = arithmeticFlags | 0x400;

/** What differs between our state after a case and the native result; empty when nothing does. */
export function differences(made: Case, ending: Ending, cpu: CpuView, result: DataView): string[] {
  const wrong: string[] = [];
  const note = (what: string, ours: bigint | number, theirs: bigint | number) => {
    if (ours !== theirs) wrong.push(`${what}: ${hex(ours)}, natively ${hex(theirs)}`);
  };
  const trap = result.getUint32(field.trap, true);
  note("ending", ending.trap, trap);
  if (ending.trap !== trap) return wrong;
  const faulted = trap < 32;
  if (faulted && ending.pc !== undefined) note("pc", ending.pc, Number(result.getBigUint64(field.pc, true)));
  if (trap === Vector.page) note("fault address", ending.address, Number(result.getBigUint64(field.address, true)));
  const mask = made.long ? 64 : 32;
  for (let i = 0; i < (made.long ? 16 : 8); i++) {
    const ours = BigInt.asUintN(mask, cpu.getBig(i));
    note(names[i] ?? `r${i}`, ours, BigInt.asUintN(mask, result.getBigUint64(field.registers + 8 * i, true)));
  }
  const changed: string[] = [];
  for (let i = 0; i < place.windowSize; i++) {
    const ours = cpu.memory.u8[place.window + i]!;
    const theirs = result.getUint8(field.window + i);
    if (ours !== theirs) changed.push(`+${i}: ${hex(ours)}/${hex(theirs)}`);
  }
  if (changed.length > 0) wrong.push(`memory ${changed.slice(0, 16).join(" ")}`);
  if (faulted) return wrong;

  const undefinedFlags = made.row.undefined ?? 0;
  const compared = comparedFlags & ~undefinedFlags;
  note("flags", flagsOf(cpu) & compared, result.getUint32(field.resultFlags, true) & compared);
  const at = field.fx;
  // Exceptions leave their flags in MXCSR only when arithmetic is directed (docs/QUIRKS.md).
  const before = made.view.getUint32(at + fx.mxcsr, true);
  const mxcsrBits =
    needsDirected(before) || made.row.name === "ldmxcsr" || made.row.name === "fxrstor" ? 0xffff : 0xffc0;
  const mxcsr = cpu.view.getUint32(offsets.mxcsr, true);
  note("mxcsr", mxcsr & mxcsrBits, result.getUint32(at + fx.mxcsr, true) & mxcsrBits);
  for (let i = 0; i < (made.long ? 16 : 8); i++)
    for (let half = 0; half < 2; half++) {
      const ours = cpu.view.getBigUint64(offsets.xmm + 16 * i + 8 * half, true);
      note(`xmm${i}${half ? " high" : " low"}`, ours, result.getBigUint64(at + fx.xmm + 16 * i + 8 * half, true));
    }
  const status = cpu.view.getUint16(offsets.x87Status, true);
  const top = (status >> 11) & 7;
  const undefinedStatus = made.row.undefinedStatus ?? 0;
  note("x87 control", cpu.view.getUint16(offsets.x87Control, true), result.getUint16(at + fx.control, true));
  note("x87 status", status & ~undefinedStatus, result.getUint16(at + fx.status, true) & ~undefinedStatus);
  let tags = 0;
  const full = cpu.view.getUint16(offsets.x87Tags, true);
  for (let i = 0; i < 8; i++) {
    if (((full >> (2 * i)) & 3) !== 3) tags |= 1 << i;
    const ours = offsets.x87 + 16 * ((top + i) & 7);
    const theirs = at + fx.st + 16 * i;
    note(`st${i}`, cpu.view.getBigUint64(ours, true), result.getBigUint64(theirs, true));
    note(`st${i} exponent`, cpu.view.getUint16(ours + 8, true), result.getUint16(theirs + 8, true));
  }
  note("x87 tags", tags, result.getUint8(at + fx.tags));
  return wrong;
}
