// String instructions. One step is lifted in place; repeated forms are callouts that do a bounded run of steps, after
// which the instruction runs again while RCX says so.

import { FlagKind } from "../../ir/flags.ts";
import { offsets, Register } from "../../state.ts";
import { repeatControl } from "../strings.ts";
import type { CalloutName } from "../../callouts.ts";
import type { Lift, Size, Value } from "../lift.ts";
import { ins, type LiftRow, type Row } from "../table.ts";

const { rax, rsi, rdi } = Register;

/** Address in a string register, with the segment's base. */
function stringAddress(ir: Lift, register: number, segment: number): Value {
  const { addressSize } = ir.current;
  const offset = ir.get(addressSize, register);
  return ir.segmented(addressSize === ir.wordSize || !ir.long ? offset : ir.toWord(offset), segment);
}

const source = (ir: Lift): Value => stringAddress(ir, rsi, ir.current.segment);
const destination = (ir: Lift): Value => stringAddress(ir, rdi, -1);

/** Moves string registers by one element in the direction of DF. */
function advance(ir: Lift, size: Size, registers: readonly number[]): void {
  const { addressSize } = ir.current;
  const back = ir.shl(2, ir.stateLoad(2, offsets.direction), ir.i32(size + 1));
  const distance = ir.resize(2, addressSize, ir.sub(2, ir.i32(1 << size), back), true);
  for (const register of registers)
    ir.set(addressSize, register, ir.add(addressSize, ir.get(addressSize, register), distance));
}

/** The repeated form: a callout, then again or on. */
function repeated(ir: Lift, name: CalloutName, size: Size): void {
  const { addressSize, segment, repeat, pc } = ir.current;
  const control = ir.i64(repeatControl({ size, addressSize, whileEqual: repeat === 0xf3 }));
  const base = ir.resize(ir.wordSize, 3, ir.segmented(ir.word(0), segment));
  ir.branch(ir.resize(3, 2, ir.callout(name, control, base)), pc, ir.next);
}

const stringRow =
  (name: CalloutName, once: (ir: Lift, size: Size) => void) =>
  (byte: boolean): LiftRow =>
  (ir) => {
    const size: Size = byte ? 0 : ir.size;
    if (ir.current.repeat !== 0) repeated(ir, name, size);
    else once(ir, size);
  };

const move = stringRow("repeatMove", (ir, size) => {
  ir.store(size, destination(ir), ir.load(size, source(ir)));
  advance(ir, size, [rsi, rdi]);
});
const store = stringRow("repeatStore", (ir, size) => {
  ir.store(size, destination(ir), ir.get(size, rax));
  advance(ir, size, [rdi]);
});
const load = stringRow("repeatLoad", (ir, size) => {
  const value = ir.load(size, source(ir));
  ir.set(size, rax, value);
  advance(ir, size, [rsi]);
});
const compare = stringRow("repeatCompare", (ir, size) => {
  const b = ir.load(size, destination(ir));
  const a = ir.load(size, source(ir));
  advance(ir, size, [rsi, rdi]);
  ir.setFlags(FlagKind.sub, size, a, b);
});
const scan = stringRow("repeatScan", (ir, size) => {
  const b = ir.load(size, destination(ir));
  const a = ir.get(size, rax);
  advance(ir, size, [rdi]);
  ir.setFlags(FlagKind.sub, size, a, b);
});

export const stringRows: readonly Row[] = [
  ins("A4", "movs", [], move(true)),
  ins("A5", "movs", [], move(false)),
  ins("A6", "cmps", [], compare(true)),
  ins("A7", "cmps", [], compare(false)),
  ins("AA", "stos", [], store(true)),
  ins("AB", "stos", [], store(false)),
  ins("AC", "lods", [], load(true)),
  ins("AD", "lods", [], load(false)),
  ins("AE", "scas", [], scan(true)),
  ins("AF", "scas", [], scan(false)),
];
