// Signal frames: what a handler finds on its stack and what sigreturn takes back (signal(7), sigreturn(2); layouts of
// asm/sigcontext.h, asm/ucontext.h and the kernel's sigframe for both word sizes).

import type { CpuView } from "../cpu/view.ts";
import { resetFloatingPoint } from "../cpu/x86/x87/unit.ts";
import { ActionFlag, type SignalAction, type SignalInfo } from "../kernel/signal.ts";
import { setMask } from "../kernel/signals.ts";
import type { Task } from "../kernel/task.ts";
import { PageFault } from "../memory/guest.ts";
import { Access, layout } from "../memory/layout.ts";
import {
  cpu,
  fxsaveSize,
  loadFxsave,
  offsets,
  readFlags,
  Register,
  Selector,
  selectors,
  setSelectors,
  storeFxsave,
  writeFlags,
} from "./registers.ts";
import { encodeSiginfo, siginfoSize } from "./siginfo.ts";
import { linuxProcess, linuxTask } from "./state.ts";

/** sigaltstack(2) flags. */
export const StackFlag = { onStack: 1, disable: 2, autoDisarm: 0x8000_0000 } as const;

/** Below the stack pointer, x86-64 functions may keep data (System V ABI). */
const redZone = 128;
/** Flags that a handler begins without: DF, TF, RF. */
const clearedFlags = 0x400 | 0x100 | 0x10000;
/** Flags that sigreturn may set. */
const restoredFlags = 0x40000 | 0x800 | 0x400 | 0x100 | 0x80 | 0x40 | 0x10 | 4 | 1;
/** UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS. */
const ucFlags = 6;

const context64 = {
  size: 256,
  flags: 136,
  selectors: 144,
  error: 152,
  trap: 160,
  oldMask: 168,
  cr2: 176,
  fpstate: 184,
};
/** Registers in the order of struct sigcontext_64. */
const order64 = [8, 9, 10, 11, 12, 13, 14, 15, 7, 6, 5, 3, 2, 0, 1, 4];
const uc64 = { flags: 0, link: 8, stack: 16, context: 40, mask: 296, size: 304 };
const frame64 = { uc: 8, info: 8 + uc64.size, size: 8 + uc64.size + siginfoSize };

const context32 = { size: 88, ip: 56, cs: 60, flags: 64, ss: 72, fpstate: 76, oldMask: 80, cr2: 84 };
const order32 = [7, 6, 5, 4, 3, 2, 1, 0];
const uc32 = { flags: 0, link: 4, stack: 8, context: 20, mask: 108, size: 116 };
const plain32 = { sig: 4, context: 8, extraMask: 96, size: 100 };
const frame32 = { sig: 4, infoAt: 8, ucAt: 12, info: 16, uc: 144, size: 144 + uc32.size };
const legacyFp = 112;

/** Whether an address is on the alternative stack. */
export function isOnStack({ signalStack: { base, size, flags } }: Task, stackPointer: number): boolean {
  if (flags & StackFlag.autoDisarm) return false;
  return stackPointer > base && stackPointer - base <= size;
}

function stackTop(task: Task, action: SignalAction, below: number): number {
  const { signalStack } = task;
  const now = cpu(task).get(Register.rsp);
  const usable = signalStack.size !== 0 && (signalStack.flags & StackFlag.disable) === 0;
  if ((action.flags & ActionFlag.onStack) !== 0 && usable && !isOnStack(task, now))
    return reachable(signalStack.base + signalStack.size);
  return reachable(now - below);
}

/** No place for a frame is beyond the address space, where doubles stop being exact. Throws PageFault. */
function reachable(top: number): number {
  if (top > layout.end) throw new PageFault(top, Access.write, false);
  return top;
}

/** SS_ flags as the guest sees them. */
export function stackFlags(task: Task): number {
  const { signalStack } = task;
  if (signalStack.size === 0) return StackFlag.disable;
  const on = isOnStack(task, cpu(task).get(Register.rsp)) ? StackFlag.onStack : 0;
  return ((signalStack.flags & StackFlag.autoDisarm) | on) >>> 0;
}

/** Makes the task enter a handler. Throws PageFault when the stack can't be written. */
export function enterHandler(task: Task, info: SignalInfo, action: SignalAction): void {
  if (linuxTask(task).mode === "x86_64") enter64(task, info, action);
  else if (action.flags & ActionFlag.signalInfo) enterRealtime32(task, info, action);
  else enterPlain32(task, info, action);
  // A handler starts with exceptions masked and none pending, whatever the frame keeps (fpu__clear_user_states).
  resetFloatingPoint(cpu(task));
  if (task.signalStack.flags & StackFlag.autoDisarm) task.signalStack = { base: 0, size: 0, flags: StackFlag.disable };
}

function enter64(task: Task, info: SignalInfo, action: SignalAction): void {
  const view = cpu(task);
  const { guest } = task.process.memory;
  const fpstate = Math.floor((stackTop(task, action, redZone) - fxsaveSize) / 64) * 64;
  const frame = Math.floor((fpstate - frame64.size) / 16) * 16 - 8;
  const bytes = guest.bytes(frame, fpstate + fxsaveSize - frame, Access.write);
  const out = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  bytes.fill(0);
  storeFxsave(view, new DataView(bytes.buffer, guest.u8.byteOffset + fpstate, fxsaveSize));
  const big = (at: number, value: number) => out.setBigUint64(at, BigInt(value), true);
  big(0, action.restorer);
  const uc = frame64.uc;
  big(uc + uc64.flags, ucFlags);
  big(uc + uc64.stack, task.signalStack.base);
  out.setUint32(uc + uc64.stack + 8, stackFlags(task), true);
  big(uc + uc64.stack + 16, task.signalStack.size);
  const context = uc + uc64.context;
  for (const [i, register] of order64.entries()) out.setBigUint64(context + 8 * i, view.getBig(register), true);
  big(context + 128, view.pc);
  big(context + context64.flags, readFlags(view));
  const { cs, gs, fs, ss } = selectors(view);
  for (const [i, selector] of [cs, gs, fs, ss].entries())
    out.setUint16(context + context64.selectors + 2 * i, selector, true);
  big(context + context64.error, info.error ?? 0);
  big(context + context64.trap, info.trap ?? 0);
  out.setUint32(context + context64.oldMask, task.signalMask[0]!, true);
  if (info.trap === 14) big(context + context64.cr2, info.address ?? 0);
  big(context + context64.fpstate, fpstate);
  out.setUint32(uc + uc64.mask, task.signalMask[0]!, true);
  out.setUint32(uc + uc64.mask + 4, task.signalMask[1]!, true);
  bytes.set(encodeSiginfo(info, 64), frame64.info);

  view.set(Register.rdi, info.signo);
  view.set(Register.rsi, frame + frame64.info);
  view.set(Register.rdx, frame + frame64.uc);
  begin(view, frame, action.handler);
}

function begin(view: CpuView, frame: number, handler: number): void {
  writeFlags(view, readFlags(view) & ~clearedFlags);
  view.set(Register.rsp, frame);
  view.set(Register.rax, 0);
  view.pc = handler;
}

/** Floating-point area of an i386 frame: an FSAVE image, then FXSAVE's. Returns its address. */
function placeFp32(task: Task, action: SignalAction): number {
  const fxsave = Math.floor((stackTop(task, action, 0) - fxsaveSize) / 64) * 64;
  const fpstate = fxsave - legacyFp;
  const view = cpu(task);
  const bytes = task.process.memory.guest.bytes(fpstate, legacyFp + fxsaveSize, Access.write);
  bytes.fill(0);
  const out = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  storeFxsave(view, new DataView(bytes.buffer, bytes.byteOffset + legacyFp, fxsaveSize));
  const { view: state } = view;
  out.setUint32(0, 0xffff0000 | state.getUint16(offsets.x87Control, true), true);
  out.setUint32(4, 0xffff0000 | state.getUint16(offsets.x87Status, true), true);
  out.setUint32(8, 0xffff0000 | state.getUint16(offsets.x87Tags, true), true);
  for (let i = 0; i < 8; i++) bytes.copyWithin(28 + 10 * i, legacyFp + 32 + 16 * i, legacyFp + 42 + 16 * i);
  out.setUint16(108, state.getUint16(offsets.x87Status, true), true);
  return fpstate;
}

function storeContext32(task: Task, out: DataView, at: number, info: SignalInfo, fpstate: number): void {
  const view = cpu(task);
  const { es, cs, ss, ds, fs, gs } = selectors(view);
  for (const [i, selector] of [gs, fs, es, ds].entries()) out.setUint32(at + 4 * i, selector, true);
  for (const [i, register] of order32.entries()) out.setInt32(at + 16 + 4 * i, view.low(register), true);
  out.setUint32(at + 48, info.trap ?? 0, true);
  out.setUint32(at + 52, info.error ?? 0, true);
  out.setUint32(at + context32.ip, view.pc, true);
  out.setUint32(at + context32.cs, cs, true);
  out.setUint32(at + context32.flags, readFlags(view), true);
  out.setInt32(at + 68, view.low(Register.rsp), true);
  out.setUint32(at + context32.ss, ss, true);
  out.setUint32(at + context32.fpstate, fpstate, true);
  out.setUint32(at + context32.oldMask, task.signalMask[0]!, true);
  if (info.trap === 14) out.setUint32(at + context32.cr2, info.address ?? 0, true);
}

const place32 = (below: number, size: number): number => Math.floor((below - size + 4) / 16) * 16 - 4;

function enterPlain32(task: Task, info: SignalInfo, action: SignalAction): void {
  const view = cpu(task);
  const fpstate = placeFp32(task, action);
  const frame = place32(fpstate, plain32.size);
  const bytes = task.process.memory.guest.bytes(frame, plain32.size, Access.write);
  const out = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  out.setUint32(0, restorer32(task, action, "plain"), true);
  out.setInt32(plain32.sig, info.signo, true);
  storeContext32(task, out, plain32.context, info, fpstate);
  out.setUint32(plain32.extraMask, task.signalMask[1]!, true);
  begin(view, frame, action.handler);
  view.set(Register.rax, info.signo);
  view.set(Register.rdx, 0);
  view.set(Register.rcx, 0);
  setSelectors(view, { ...selectors(view), ds: Selector.data, es: Selector.data, cs: Selector.code32 });
}

function enterRealtime32(task: Task, info: SignalInfo, action: SignalAction): void {
  const view = cpu(task);
  const fpstate = placeFp32(task, action);
  const frame = place32(fpstate, frame32.size);
  const bytes = task.process.memory.guest.bytes(frame, frame32.size, Access.write);
  bytes.fill(0);
  const out = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  out.setUint32(0, restorer32(task, action, "realtime"), true);
  out.setInt32(frame32.sig, info.signo, true);
  out.setUint32(frame32.infoAt, frame + frame32.info, true);
  out.setUint32(frame32.ucAt, frame + frame32.uc, true);
  bytes.set(encodeSiginfo(info, 32), frame32.info);
  const { uc } = frame32;
  out.setUint32(uc + uc32.stack, task.signalStack.base, true);
  out.setUint32(uc + uc32.stack + 4, stackFlags(task), true);
  out.setUint32(uc + uc32.stack + 8, task.signalStack.size, true);
  storeContext32(task, out, uc + uc32.context, info, fpstate);
  out.setUint32(uc + uc32.mask, task.signalMask[0]!, true);
  out.setUint32(uc + uc32.mask + 4, task.signalMask[1]!, true);
  begin(view, frame, action.handler);
  view.set(Register.rax, info.signo);
  view.set(Register.rdx, frame + frame32.info);
  view.set(Register.rcx, frame + frame32.uc);
  setSelectors(view, { ...selectors(view), ds: Selector.data, es: Selector.data, cs: Selector.code32 });
}

function restorer32(task: Task, action: SignalAction, kind: "plain" | "realtime"): number {
  if (action.flags & ActionFlag.restorer) return action.restorer;
  return linuxProcess(task.process).signalReturn[kind];
}

/** rt_sigreturn(2) on x86-64. Throws PageFault for a frame that can't be read. */
export function return64(task: Task): void {
  const view = cpu(task);
  const { guest } = task.process.memory;
  const uc = view.get(Register.rsp) - 8 + frame64.uc;
  guest.check(uc, uc64.size, Access.read);
  const { view: data } = guest;
  const context = uc + uc64.context;
  const fpstate = data.getBigUint64(context + context64.fpstate, true);
  restoreFp(task, Number(fpstate), 0);
  for (const [i, register] of order64.entries()) view.setBig(register, data.getBigUint64(context + 8 * i, true));
  view.view.setBigUint64(offsets.pc, data.getBigUint64(context + 128, true), true);
  restoreFlags(view, data.getUint32(context + context64.flags, true));
  setMask(task, data.getUint32(uc + uc64.mask, true), data.getUint32(uc + uc64.mask + 4, true));
  restoreStack(task, {
    base: Number(data.getBigUint64(uc + uc64.stack, true)),
    flags: data.getUint32(uc + uc64.stack + 8, true),
    size: Number(data.getBigUint64(uc + uc64.stack + 16, true)),
  });
}

/** rt_sigreturn(2) on i386. */
export function returnRealtime32(task: Task): void {
  const { guest } = task.process.memory;
  const uc = cpu(task).get(Register.rsp) - 4 + frame32.uc;
  guest.check(uc, uc32.size, Access.read);
  const { view: data } = guest;
  restoreContext32(task, uc + uc32.context);
  setMask(task, data.getUint32(uc + uc32.mask, true), data.getUint32(uc + uc32.mask + 4, true));
  restoreStack(task, {
    base: data.getUint32(uc + uc32.stack, true),
    flags: data.getUint32(uc + uc32.stack + 4, true),
    size: data.getUint32(uc + uc32.stack + 8, true),
  });
}

/** sigreturn(2) on i386. */
export function returnPlain32(task: Task): void {
  const { guest } = task.process.memory;
  const frame = cpu(task).get(Register.rsp) - 8;
  guest.check(frame, plain32.size, Access.read);
  const { view: data } = guest;
  const low = data.getUint32(frame + plain32.context + context32.oldMask, true);
  const high = data.getUint32(frame + plain32.extraMask, true);
  restoreContext32(task, frame + plain32.context);
  setMask(task, low, high);
}

function restoreContext32(task: Task, at: number): void {
  const view = cpu(task);
  const { view: data } = task.process.memory.guest;
  const fpstate = data.getUint32(at + context32.fpstate, true);
  restoreFp(task, fpstate, legacyFp);
  for (const [i, register] of order32.entries()) view.set(register, data.getUint32(at + 16 + 4 * i, true));
  view.pc = data.getUint32(at + context32.ip, true);
  restoreFlags(view, data.getUint32(at + context32.flags, true));
}

function restoreFp(task: Task, fpstate: number, before: number): void {
  if (fpstate === 0) return;
  const bytes = task.process.memory.guest.bytes(fpstate + before, fxsaveSize, Access.read);
  loadFxsave(cpu(task), new DataView(bytes.buffer, bytes.byteOffset, fxsaveSize));
}

function restoreFlags(view: CpuView, flags: number): void {
  writeFlags(view, (readFlags(view) & ~restoredFlags) | (flags & restoredFlags));
}

function restoreStack(task: Task, { base, flags, size }: { base: number; flags: number; size: number }): void {
  if (isOnStack(task, cpu(task).get(Register.rsp))) return;
  task.signalStack = flags & StackFlag.disable ? { base: 0, size: 0, flags: StackFlag.disable } : { base, flags, size };
}
