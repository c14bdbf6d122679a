// The Linux personality: what happens when guest code stops, for x86-64 and i386 programs.

import { ExitKind, Vector } from "../cpu/state.ts";
import { EINTR } from "../kernel/errno.ts";
import { endProcess, killForMemory } from "../kernel/life.ts";
import type { Personality } from "../kernel/personality.ts";
import {
  ActionFlag,
  addSignal,
  Code,
  type SignalAction,
  SIGBUS,
  SIGFPE,
  SIGILL,
  type SignalInfo,
  SIGSEGV,
  SIGTRAP,
} from "../kernel/signal.ts";
import { actionOf, forceSignal, setMask, stop, takeSignal } from "../kernel/signals.ts";
import type { Task } from "../kernel/task.ts";
import { PageFault } from "../memory/guest.ts";
import { Access, layout } from "../memory/layout.ts";
import { enterHandler } from "./frames.ts";
import { CallTable, errorNumber, finish } from "./gate.ts";
import { cpu, offsets, Register, stateWord } from "./registers.ts";
import { connectProcessor } from "./tls.ts";
import { releaseRobustLocks } from "./robust.ts";
import { linuxProcess, linuxTask } from "./state.ts";
import type { CallModule } from "./table.ts";

/** Both system call instructions, and INT 0x80, have two bytes. */
const callLength = 2;

export class LinuxPersonality implements Personality {
  readonly name = "linux";
  readonly tables: { readonly x86_64: CallTable; readonly i386: CallTable };

  constructor(modules: readonly CallModule[]) {
    this.tables = { x86_64: new CallTable("x86_64", modules), i386: new CallTable("i386", modules) };
  }

  exit(task: Task, kind: number): void {
    if (kind === ExitKind.syscall) return this.tables.x86_64.enter(task);
    const detail = cpu(task).view.getUint32(offsets.exitDetail, true);
    if (kind === ExitKind.interrupt && detail === 0x80) return this.tables.i386.enter(task);
    if (kind === ExitKind.trap) return this.fault(task, detail);
    if (kind === ExitKind.interrupt && detail === Vector.breakpoint) return this.fault(task, detail);
    // Any other INT n, and SYSENTER without the vDSO that it needs, are refused by the processor.
    this.fault(task, Vector.generalProtection);
  }

  resume(task: Task, result: number): void {
    finish(task, cpu(task), result);
  }

  fail(task: Task, error: unknown): void {
    finish(task, cpu(task), errorNumber(error));
  }

  private fault(task: Task, vector: number): void {
    const view = cpu(task);
    const { process } = task;
    const { kernel } = process;
    if (vector === Vector.page) return this.pageFault(task);
    const info = { ...faultInfo(vector, view.pc, task), trap: vector, error: 0 };
    if (kernel.trace.wants("fault"))
      kernel.trace.emit({
        topic: "fault",
        time: kernel.now(),
        pid: process.pid,
        tid: task.tid,
        text: `vector ${vector} at 0x${view.pc.toString(16)}`,
      });
    forceSignal(task, info);
  }

  private pageFault(task: Task): void {
    const view = cpu(task);
    const { process } = task;
    const { kernel, memory } = process;
    const address = stateWord(view, offsets.faultAddress);
    const access = view.view.getUint32(offsets.faultAccess, true);
    if (address < layout.end && memory.guest.allows(address, access)) return;
    if (memory.exhausted) return killForMemory(process);
    if (kernel.trace.wants("fault"))
      kernel.trace.emit({
        topic: "fault",
        time: kernel.now(),
        pid: process.pid,
        tid: task.tid,
        text: `page 0x${address.toString(16)} access ${access} at 0x${view.pc.toString(16)}`,
      });
    // Addresses that are not sign-extended from 48 bits are a general protection fault (SDM volume 1, 3.3.7.1).
    const high = view.view.getInt32(offsets.faultAddress + 4, true) >> 15;
    if (high !== 0 && high !== -1)
      return forceSignal(task, {
        signo: SIGSEGV,
        code: Code.kernel,
        address: 0,
        trap: Vector.generalProtection,
        error: 0,
      });
    const mapped = address < layout.end && memory.find(address) !== undefined;
    const error = 4 | (mapped ? 1 : 0) | (access & Access.write ? 2 : 0) | (access === Access.execute ? 16 : 0);
    if (mapped && memory.isBeyondFile(address))
      return forceSignal(task, { signo: SIGBUS, code: Code.busAddress, address, trap: Vector.page, error });
    const code = mapped ? Code.segvAccessError : Code.segvMapError;
    forceSignal(task, { signo: SIGSEGV, code, address, trap: Vector.page, error });
  }

  deliverSignals(task: Task): void {
    const { process } = task;
    for (;;) {
      const info = takeSignal(task);
      if (!info) return;
      switch (actionOf(process, info.signo)) {
        case "ignore":
          break;
        case "stop":
          stop(process, info.signo);
          return;
        case "dump":
        case "terminate":
          endProcess(process, info.signo);
          return;
        default:
          this.handle(task, info, process.actions.get(info.signo));
          if (task.state === "dead") return;
      }
    }
  }

  private handle(task: Task, info: SignalInfo, action: SignalAction): void {
    interruptCall(task, action);
    try {
      enterHandler(task, info, action);
    } catch (error) {
      if (!(error instanceof PageFault)) throw error;
      if (task.process.memory.exhausted) return killForMemory(task.process);
      // No stack to run the handler on: SIGSEGV, and if that is what this is, the end (signal_setup_done).
      if (info.signo === SIGSEGV) endProcess(task.process, SIGSEGV);
      else forceSignal(task, { signo: SIGSEGV, code: Code.kernel, address: 0 });
      return;
    }
    const low = task.signalMask[0]! | action.mask[0]!;
    const high = task.signalMask[1]! | action.mask[1]!;
    const mask = Uint32Array.of(low, high);
    if ((action.flags & ActionFlag.noDefer) === 0) addSignal(mask, info.signo);
    if (action.flags & ActionFlag.resetHandler)
      task.process.actions.set(info.signo, { ...action, handler: 0, flags: action.flags & ~ActionFlag.signalInfo });
    setMask(task, mask[0]!, mask[1]!);
  }

  taskEnded(task: Task): void {
    const { memory, kernel } = task.process;
    const state = task.personal;
    if (state === undefined) return;
    try {
      releaseRobustLocks(task);
      const { clearChildTid } = task;
      if (clearChildTid !== 0 && (memory.shared || task.process.tasks.size > 1)) {
        memory.guest.writeU32(clearChildTid, 0);
        kernel.futexes.wake(memory.futexKey(clearChildTid), 1);
      }
    } catch (error) {
      // The guest gave an address that it has since unmapped.
      if (!(error instanceof PageFault)) throw error;
    }
    task.clearChildTid = 0;
    task.robustList = 0;
  }

  cloneTask(parent: Task, child: Task): void {
    child.personal = linuxTask(parent).clone();
    connectProcessor(child);
    if (child.process !== parent.process) child.process.personal = linuxProcess(parent.process).clone();
  }
}

/** Ends the wait of a call that a handler interrupts: it begins again, or says EINTR. */
function interruptCall(task: Task, action: SignalAction): void {
  const { blocked, process } = task;
  if (!blocked) return;
  const { wait } = blocked;
  let partial: number | undefined;
  try {
    partial = wait.interrupted?.();
  } catch (error) {
    partial = errorNumber(error);
  }
  process.kernel.scheduler.unblock(task);
  const view = cpu(task);
  if (partial !== undefined) return finish(task, view, partial);
  if (wait.onSignal === "interrupt" || (action.flags & ActionFlag.restart) === 0)
    return finish(task, view, -EINTR.number);
  linuxTask(task).traced = "";
  view.set(Register.rax, linuxTask(task).call);
  view.pc -= callLength;
}

/** The signal of a processor exception (arch/x86/kernel/traps.c tells which). */
function faultInfo(vector: number, pc: number, task: Task): SignalInfo {
  switch (vector) {
    case Vector.divide:
      return { signo: SIGFPE, code: Code.fpeIntegerDivide, address: pc };
    case Vector.debug:
      return { signo: SIGTRAP, code: Code.trapTrace, address: pc };
    case Vector.breakpoint:
      return { signo: SIGTRAP, code: Code.kernel, pid: 0, uid: 0 };
    case Vector.invalidOpcode:
      return { signo: SIGILL, code: Code.illegalOperand, address: pc };
    case Vector.alignment:
      return { signo: SIGBUS, code: Code.busAlign, address: 0 };
    case Vector.x87:
      return { signo: SIGFPE, code: floatCode(cpu(task).view.getUint16(offsets.x87Status, true)), address: pc };
    case Vector.simd: {
      const mxcsr = cpu(task).view.getUint32(offsets.mxcsr, true);
      return { signo: SIGFPE, code: floatCode(mxcsr & ~(mxcsr >>> 7)), address: pc };
    }
    default:
      return { signo: SIGSEGV, code: Code.kernel, address: 0 };
  }
}

/** si_code of the exception bits of the x87 status word or MXCSR. */
function floatCode(bits: number): number {
  if (bits & 1) return Code.fpeInvalid;
  if (bits & 4) return Code.fpeDivide;
  if (bits & 8) return Code.fpeOverflow;
  if (bits & 0x12) return Code.fpeUnderflow;
  return bits & 0x20 ? Code.fpeInexact : 0;
}
