// Transfer of control: jumps, calls, returns, loops, interrupts and system calls.

import { ExitKind, Register, Vector } from "../../state.ts";
import { Condition, type Lift, type Operand, type Size, type Value } from "../lift.ts";
import { ins, type LiftRow, type Row } from "../table.ts";
import { conditional, push } from "./data.ts";
import { packFlags } from "./system.ts";

/** A guest address as a constant of the operand size. */
const addressConstant = (ir: Lift, size: Size, address: number): Value =>
  ir.literal(size, address | 0, Math.floor(address / 0x1_0000_0000));

/** A branch target operand as an address. */
const target = (to: Operand): number => (to.low >>> 0) + to.wordHigh * 0x1_0000_0000;

/** A target of the operand size as a guest word. */
const asWord = (ir: Lift, size: Size, value: Value): Value => (size === 3 ? value : ir.toWord(value));

const jumpIf =
  (condition: number): LiftRow =>
  (ir, to) =>
    ir.branch(ir.test(condition), target(to), ir.next);

const call: LiftRow = (ir, to) => {
  push(ir, ir.size, addressConstant(ir, ir.size, ir.next));
  ir.callTo(target(to));
};

const callIndirect: LiftRow = (ir, to) => {
  const address = asWord(ir, ir.size, ir.read(to));
  push(ir, ir.size, addressConstant(ir, ir.size, ir.next));
  ir.callIndirect(address);
};

const ret: LiftRow = (ir, extra?: Operand) => {
  const top = ir.getWord(Register.rsp);
  const address = asWord(ir, ir.size, ir.load(ir.size, top));
  ir.setWord(Register.rsp, ir.offset(top, (1 << ir.size) + (extra ? extra.low & 0xffff : 0)));
  ir.ret(address);
};

/** The counter of LOOP and JRCXZ: CX, ECX or RCX by address size. */
const counter = (ir: Lift): Size => ir.current.addressSize;

const loop =
  (condition: number | undefined): LiftRow =>
  (ir, to) => {
    const size = counter(ir);
    const left = ir.sub(size, ir.get(size, Register.rcx), ir.literal(size, 1));
    let again = ir.binary("ne", size, ir.trim(size, left), ir.literal(size, 0));
    if (condition !== undefined) again = ir.and(2, again, ir.test(condition));
    ir.set(size, Register.rcx, left);
    ir.branch(again, target(to), ir.next);
  };

const jumpIfCounterZero: LiftRow = (ir, to) => {
  const size = counter(ir);
  ir.branch(ir.isZero(size, ir.get(size, Register.rcx)), target(to), ir.next);
};

/** SYSCALL leaves the return address in RCX and RFLAGS in R11 (SDM volume 2). */
const systemCall: LiftRow = (ir) => {
  const flags = ir.resize(2, 3, packFlags(ir));
  ir.set(3, Register.rcx, addressConstant(ir, 3, ir.next));
  ir.set(3, 11, flags);
  ir.exit(ExitKind.syscall, ir.next);
};

const bound: LiftRow = (ir, index) => {
  const { size } = index;
  const at = ir.address();
  const value = ir.signed(size, ir.read(index));
  const low = ir.signed(size, ir.load(size, at));
  ir.trapIf(ir.binary("lt_s", size, value, low), Vector.bounds);
  const high = ir.signed(size, ir.load(size, ir.offset(at, 1 << size)));
  ir.trapIf(ir.binary("gt_s", size, value, high), Vector.bounds);
};

const trap =
  (vector: number): LiftRow =>
  (ir) =>
    ir.trap(vector);
const untested = "transfers control";
const branch = { size: "branch" } as const;
const refused = { untested: "privileged" } as const;
const only32 = { mode: 32, untested } as const;

export const controlRows: readonly Row[] = [
  ...conditional(0x70, (opcode) => `${opcode} cb`, "j", ["rel"], jumpIf, branch),
  ...conditional(0x80, (opcode) => `0F ${opcode} cz`, "j", ["rel"], jumpIf, branch),
  ins("EB cb", "jmp", ["rel"], (ir, to) => ir.jump(target(to)), branch),
  ins("E9 cz", "jmp", ["rel"], (ir, to) => ir.jump(target(to)), branch),
  ins("FF /4", "jmp", ["rm"], (ir, to) => ir.jumpIndirect(asWord(ir, ir.size, ir.read(to))), branch),
  ins("E8 cz", "call", ["rel"], call, branch),
  ins("FF /2", "call", ["rm"], callIndirect, branch),
  ins("C3", "ret", [], ret, branch),
  ins("C2 iw", "ret", ["uimm"], ret, branch),
  ins("E0 cb", "loopne", ["rel"], loop(Condition.zero | Condition.not), branch),
  ins("E1 cb", "loope", ["rel"], loop(Condition.zero), branch),
  ins("E2 cb", "loop", ["rel"], loop(undefined), branch),
  ins("E3 cb", "jrcxz", ["rel"], jumpIfCounterZero, branch),
  ins("0F 05", "syscall", [], systemCall, { mode: 64, untested }),
  ins("0F 34", "sysenter", [], (ir) => ir.exit(ExitKind.sysenter, ir.next), { untested }),
  ins("CC", "int3", [], (ir) => ir.exit(ExitKind.trap, ir.next, Vector.breakpoint)),
  ins("CD ib", "int", ["uimm"], (ir, number) => ir.exit(ExitKind.interrupt, ir.next, number.low & 0xff), { untested }),
  ins("F1", "int1", [], (ir) => ir.exit(ExitKind.trap, ir.next, Vector.debug), { untested }),
  ins("CE", "into", [], (ir) => ir.trapIf(ir.test(Condition.overflow), Vector.overflow), only32),
  ins("62 /r", "bound", ["r", "m"], bound, { mode: 32 }),
  ins("0F 0B", "ud2", [], trap(Vector.invalidOpcode)),
  // Far transfers need a change of code segment, which user programs here never have.
  ins("9A iz iw", "lcall", [], trap(Vector.generalProtection), only32),
  ins("EA iz iw", "ljmp", [], trap(Vector.generalProtection), only32),
  ins("FF /3", "lcall", ["m"], trap(Vector.generalProtection), refused),
  ins("FF /5", "ljmp", ["m"], trap(Vector.generalProtection), refused),
  ins("CA iw", "lret", [], trap(Vector.generalProtection), refused),
  ins("CB", "lret", [], trap(Vector.generalProtection), refused),
  ins("CF", "iret", [], trap(Vector.generalProtection), refused),
];
