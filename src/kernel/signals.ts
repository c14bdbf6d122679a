// Sending, stopping, continuing: what happens to a signal until a personality delivers it (signal(7)).

import type { Kernel } from "./kernel.ts";
import { isOrphaned } from "./life.ts";
import type { Process } from "./process.ts";
import {
  ActionFlag,
  Code,
  defaultAction,
  hasSignal,
  jobStops,
  removeSignal,
  setOf,
  SIGCHLD,
  SIGCONT,
  SIGKILL,
  SIGSTOP,
  signalName,
  type SignalInfo,
  type SignalSet,
} from "./signal.ts";
import type { Task } from "./task.ts";

const continuation = setOf(SIGCONT);

/** Sends to a process as a whole: any task that does not block the signal may take it. */
export function sendToProcess(process: Process, info: SignalInfo): void {
  const main = process.mainTask;
  if (process.exitStatus !== undefined || !main || !prepare(process, main, info)) return;
  process.pending.add(info, process.limits[11]?.[0]);
  process.signalArrived.wake();
  let chosen: Task | undefined;
  for (const task of [main, ...process.tasks]) {
    if (hasSignal(task.signalMask, info.signo)) continue;
    task.signaled = true;
    // Running tasks look by themselves; among waiting ones only one is woken.
    if (task.state === "running" || task.state === "ready") chosen = task;
    else chosen ??= task;
  }
  if (chosen) wake(chosen, info.signo);
  if (info.signo === SIGKILL) for (const task of process.tasks) wake(task, SIGKILL);
}

/** Sends to one task. */
export function sendToTask(task: Task, info: SignalInfo): void {
  const { process } = task;
  if (task.state === "dead" || !prepare(process, task, info)) return;
  (info.signo === SIGKILL ? process.pending : task.pending).add(info, process.limits[11]?.[0]);
  process.signalArrived.wake();
  if (info.signo === SIGKILL) for (const each of process.tasks) each.signaled = true;
  if (hasSignal(task.signalMask, info.signo)) return;
  task.signaled = true;
  wake(task, info.signo);
}

/** Sends to every process of a group; returns how many there are. */
export function sendToGroup(kernel: Kernel, group: number, info: SignalInfo): number {
  const members = [...kernel.processes.values()].filter((process) => process.group === group);
  for (const process of members) sendToProcess(process, info);
  return members.length;
}

/** A fault of the task's own: cannot be blocked or ignored; if it is, the default action takes place. */
export function forceSignal(task: Task, info: SignalInfo): void {
  const { actions } = task.process;
  const action = actions.get(info.signo);
  if (hasSignal(task.signalMask, info.signo) || action.handler === 1) {
    actions.set(info.signo, { ...action, handler: 0 });
    removeSignal(task.signalMask, info.signo);
  }
  task.pending.add(info);
  task.signaled = true;
}

function wake(task: Task, signo: number): void {
  const { scheduler } = task.process.kernel;
  if (task.state === "stopped" && signo === SIGKILL) scheduler.enqueue(task);
  else scheduler.interrupt(task);
}

/** Effects of sending itself; false when the signal goes nowhere. */
function prepare(process: Process, target: Task, { signo, code, pid }: SignalInfo): boolean {
  const { kernel } = process;
  if (kernel.trace.wants("signal")) {
    const text = `${signalName(signo)} {si_code=${code}${pid === undefined ? "" : `, si_pid=${pid}`}}`;
    kernel.trace.emit({ topic: "signal", time: kernel.now(), pid: process.pid, tid: target.tid, text });
  }
  if (signo === SIGCONT || signo === SIGKILL) {
    discardPending(process, jobStops);
    resume(process, signo === SIGCONT);
  } else if (hasSignal(jobStops, signo)) discardPending(process, continuation);
  return hasSignal(target.signalMask, signo) || !process.actions.ignores(signo);
}

function discardPending(process: Process, signals: SignalSet): void {
  process.pending.discard(signals);
  for (const task of process.tasks) task.pending.discard(signals);
}

/** Forgets pending signals that a new action ignores (sigaction(2)). */
export function discardIgnored(process: Process, signo: number): void {
  if (process.actions.ignores(signo)) discardPending(process, setOf(signo));
}

/** The default action of a stop signal was taken. */
export function stop(process: Process, signo: number): void {
  if (process.stopSignal !== 0) return;
  // SIGTSTP and the like have no effect where no shell could continue the process.
  if (signo !== SIGSTOP && isOrphaned(process.kernel, process.group)) return;
  process.stopSignal = signo;
  process.news = "stopped";
  tellParent(process, Code.childStopped, signo);
}

/** Ends a stop; SIGKILL does it silently. */
function resume(process: Process, tell: boolean): void {
  if (process.stopSignal === 0) return;
  process.stopSignal = 0;
  if (tell) {
    process.news = "continued";
    tellParent(process, Code.childContinued, SIGCONT);
  } else process.news = undefined;
  for (const task of process.tasks) if (task.state === "stopped") process.kernel.scheduler.enqueue(task);
}

function tellParent(process: Process, code: number, status: number): void {
  const { parent } = process;
  if (!parent) return;
  if ((parent.actions.get(SIGCHLD).flags & ActionFlag.noChildStop) === 0)
    sendToProcess(parent, { signo: SIGCHLD, code, status, pid: process.pid, uid: process.credentials.uid });
  parent.childChanged.wake();
}

/** Sets the blocked signals; SIGKILL and SIGSTOP never are. */
export function setMask(task: Task, low: number, high: number): void {
  task.signalMask[0] = low;
  task.signalMask[1] = high;
  removeSignal(task.signalMask, SIGKILL);
  removeSignal(task.signalMask, SIGSTOP);
  refreshSignaled(task);
}

/** Recomputes `signaled` after the mask or the queues have changed. */
export function refreshSignaled(task: Task): void {
  const mask = task.signalMask;
  const mine = task.pending.set;
  const common = task.process.pending.set;
  task.signaled = ((mine[0]! | common[0]!) & ~mask[0]!) !== 0 || ((mine[1]! | common[1]!) & ~mask[1]!) !== 0;
}

/** Takes the next deliverable signal, the task's own first; undefined when there is none. */
export function takeSignal(task: Task): SignalInfo | undefined {
  const { pending, process, signalMask } = task;
  const own = pending.next(signalMask);
  const common = process.pending.next(signalMask);
  let info: SignalInfo | undefined;
  if (process.pending.has(SIGKILL)) info = process.pending.take(SIGKILL);
  else if (own !== 0) info = pending.take(own);
  else if (common !== 0) info = process.pending.take(common);
  refreshSignaled(task);
  return info;
}

/** What the default action of a signal is for this process: its tree's root survives nothing less than other processes. */
export function actionOf(process: Process, signo: number): "ignore" | "stop" | "dump" | "terminate" | "handler" {
  const { handler } = process.actions.get(signo);
  if (handler === 1) return "ignore";
  return handler === 0 ? defaultAction(signo) : "handler";
}
