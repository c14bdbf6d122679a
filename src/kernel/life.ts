// The life of tasks and processes: fork and clone, exit, what parents learn of their children.

import { EAGAIN, ECHILD } from "./errno.ts";
import type { Contract, Resource } from "./contract.ts";
import type { Kernel } from "./kernel.ts";
import { Limit } from "./kernel.ts";
import { Process } from "./process.ts";
import { ActionFlag, Code, PendingSignals, SIGCHLD, SIGCONT, SIGHUP, SIGKILL } from "./signal.ts";
import { sendToProcess } from "./signals.ts";
import { Task } from "./task.ts";

/** A tree that goes on forking at its limit so often is a fork bomb, and ends. */
const mostForkFailures = 1000;

/** What a new task shares with its parent (clone(2)). */
export interface CloneOptions {
  /** A thread of the same process. */
  readonly thread?: boolean;
  readonly memory?: boolean;
  readonly files?: boolean;
  readonly fs?: boolean;
  readonly actions?: boolean;
  /** CLONE_PARENT: a sibling, not a child. */
  readonly sibling?: boolean;
  /** CLONE_CLEAR_SIGHAND. */
  readonly clearActions?: boolean;
  /** CLONE_VFORK: marks the child so that `released` is told. */
  readonly borrow?: boolean;
  readonly exitSignal?: number;
}

/** Makes a task, and a process for it unless it is a thread. The caller sets its registers and enqueues it. */
export function clone(parent: Task, options: CloneOptions): Task {
  const { process } = parent;
  const { kernel, contract } = process;
  if (contract.used.tasks >= contract.limits.tasks) {
    contract.refuse("tasks", `process ${process.pid} (${process.name})`);
    if (contract.refusals.get("tasks")! >= mostForkFailures) killContract(kernel, contract, "tasks");
    throw EAGAIN;
  }
  if (!options.thread && userTasks(kernel, process) >= process.limits[Limit.processes]![0]) throw EAGAIN;
  const tid = kernel.allocatePid();
  const owner = options.thread ? process : fork(parent, tid, options);
  const task = new Task(tid, owner, parent.context.clone(owner.memory.guest), new PendingSignals());
  task.signalMask = parent.signalMask.slice();
  task.name = parent.name;
  task.nice = parent.nice;
  task.policy = { ...parent.policy };
  task.virtualTime = parent.virtualTime;
  if (!options.memory || options.borrow) task.signalStack = { ...parent.signalStack };
  kernel.addTask(owner, task);
  owner.personality.cloneTask(parent, task);
  kernel.forks++;
  if (kernel.trace.wants("process"))
    kernel.trace.emit({
      topic: "process",
      time: kernel.now(),
      pid: process.pid,
      tid: parent.tid,
      text: options.thread ? `thread ${tid}` : `fork ${tid}`,
    });
  return task;
}

function userTasks(kernel: Kernel, { credentials }: Process): number {
  if (credentials.uid === 0) return 0;
  let count = 0;
  for (const { process } of kernel.tasks.values()) if (process.credentials.uid === credentials.uid) count++;
  return count;
}

function fork(parent: Task, pid: number, options: CloneOptions): Process {
  const { process } = parent;
  const memory = options.memory ? process.memory.retain() : process.memory.fork();
  const above = options.sibling ? process.parent : process;
  const actions = options.actions ? process.actions : process.actions.clone();
  if (options.clearActions) actions.reset();
  const child = new Process({
    kernel: process.kernel,
    pid,
    parent: process,
    personality: process.personality,
    memory,
    files: options.files ? process.files.retain() : process.files.clone(),
    fs: options.fs ? process.fs : { ...process.fs },
    credentials: { ...process.credentials, groups: [...process.credentials.groups] },
    actions,
    pending: new PendingSignals(),
    contract: process.contract,
  });
  child.parent = above;
  above?.children.add(child);
  child.name = process.name;
  child.executable = process.executable;
  child.arguments = process.arguments;
  child.environment = process.environment;
  child.flags.noNewPrivileges = process.flags.noNewPrivileges;
  child.flags.dumpable = process.flags.dumpable;
  child.exitSignal = options.exitSignal ?? SIGCHLD;
  child.borrowing = options.borrow ?? false;
  return child;
}

/** exit(2): one task ends; the last one ends its process with `status` (wait(2)). */
export function endTask(task: Task, status: number): void {
  const { process } = task;
  if (task.state === "dead") return;
  process.personality.taskEnded(task);
  removeTask(task);
  if (process.tasks.size === 0) finish(process, status);
}

/** Takes a task out of the tables without telling the guest. */
export function removeTask(task: Task): void {
  const { process } = task;
  const { kernel, memory, usage } = process;
  memory.executor?.release(task);
  if (memory.resident === task.context) memory.resident = undefined;
  kernel.scheduler.remove(task);
  process.tasks.delete(task);
  kernel.tasks.delete(task.tid);
  process.contract.used.tasks--;
  usage.userTime += task.userTime;
  usage.systemTime += task.systemTime;
  usage.voluntarySwitches += task.voluntarySwitches;
  usage.involuntarySwitches += task.involuntarySwitches;
}

/** exit_group(2), a fatal signal: every task ends. */
export function endProcess(process: Process, status: number): void {
  if (process.exitStatus !== undefined) return;
  for (const task of Array.from(process.tasks)) {
    process.personality.taskEnded(task);
    removeTask(task);
  }
  finish(process, status);
}

/** The process lets go of its memory: it ended or has a new image. */
export function leaveMemory(process: Process): void {
  const { memory, kernel } = process;
  process.usage.peakMemory = Math.max(process.usage.peakMemory, memory.peak4k);
  if (!memory.shared) {
    memory.publish();
    kernel.scheduler.leaveSpace(memory);
  }
  memory.release();
  if (!process.borrowing) return;
  process.borrowing = false;
  process.released.wake();
}

function finish(process: Process, status: number): void {
  const { kernel, parent } = process;
  process.exitStatus = status;
  if (kernel.trace.wants("process")) {
    const text = (status & 0x7f) === 0 ? `exited with ${status >> 8}` : `killed by signal ${status & 0x7f}`;
    kernel.trace.emit({ topic: "process", time: kernel.now(), pid: process.pid, tid: process.pid, text });
  }
  for (const tell of kernel.observers) tell(process);
  const orphans = groupsOf(process);
  leaveMemory(process);
  process.files.release(process);
  abandonChildren(process);
  if (process.root === process) killTree(process);
  hangUpOrphans(kernel, process, orphans);
  process.ended.wake();
  if (!parent || parent.exitStatus !== undefined) return reap(process);
  notifyParent(process);
}

/** Groups that may become orphaned by this exit: its own and those of its children. */
function groupsOf(process: Process): Set<number> {
  const groups = new Set([process.group]);
  for (const child of process.children) if (child.session === process.session) groups.add(child.group);
  return groups;
}

/** setpgid(2), POSIX 3.264: nobody in the group has a parent in another group of the same session. */
export function isOrphaned(kernel: Kernel, group: number, leaving?: Process): boolean {
  for (const member of kernel.processes.values()) {
    if (member.group !== group || member.exitStatus !== undefined || member === leaving) continue;
    const { parent } = member;
    if (parent && parent !== leaving && parent.session === member.session && parent.group !== group) return false;
  }
  return true;
}

function hangUpOrphans(kernel: Kernel, leaving: Process, groups: Set<number>): void {
  for (const group of groups) {
    const members = [...kernel.processes.values()].filter(
      (member) => member.group === group && member.exitStatus === undefined,
    );
    if (!members.some((member) => member.stopSignal !== 0) || !isOrphaned(kernel, group, leaving)) continue;
    for (const member of members) {
      sendToProcess(member, { signo: SIGHUP, code: Code.kernel });
      sendToProcess(member, { signo: SIGCONT, code: Code.kernel });
    }
  }
}

/** Children go to the nearest subreaper, or to the root of the tree. */
function abandonChildren(process: Process): void {
  if (process.children.size === 0) return;
  let heir = process.parent;
  while (heir && heir !== process.root && !heir.flags.subreaper) heir = heir.parent;
  if (heir?.exitStatus !== undefined) heir = undefined;
  for (const child of process.children) {
    if (child.flags.parentDeathSignal !== 0 && child.exitStatus === undefined)
      sendToProcess(child, { signo: child.flags.parentDeathSignal, code: Code.kernel });
    child.parent = heir;
    heir?.children.add(child);
    child.exitSignal = SIGCHLD;
    if (child.exitStatus === undefined) continue;
    if (heir) notifyParent(child);
    else reap(child);
  }
  process.children.clear();
}

function killTree(root: Process): void {
  for (const process of Array.from(root.kernel.processes.values()))
    if (process.root === root && process !== root) sendToProcess(process, { signo: SIGKILL, code: Code.kernel });
}

/** Ends every process of a contract that went over a limit, and says so. */
export function killContract(kernel: Kernel, contract: Contract, resource: Resource): void {
  const victims = [...kernel.processes.values()].filter(
    (process) => process.contract === contract && process.exitStatus === undefined && !kernel.isKilled(process),
  );
  if (victims.length === 0) return;
  contract.refuse(
    resource,
    `killed ${victims
      .map(({ pid, name }) => `${pid} (${name})`)
      .slice(0, 8)
      .join(", ")}`,
  );
  for (const process of victims) sendToProcess(process, { signo: SIGKILL, code: Code.kernel });
}

/** Ends a process whose contract has no more memory, and says so. */
export function killForMemory(process: Process): void {
  process.contract.refuse("memory", `killed ${process.pid} (${process.name})`);
  endProcess(process, SIGKILL);
}

/** Sends the exit signal and wakes waiters; a parent that ignores children has them reaped at once. */
function notifyParent(child: Process): void {
  const parent = child.parent!;
  const status = child.exitStatus!;
  const { handler, flags } = parent.actions.get(SIGCHLD);
  const unwanted = child.exitSignal === SIGCHLD && (handler === 1 || (flags & ActionFlag.noChildWait) !== 0);
  if (child.exitSignal !== 0 && !(unwanted && handler === 1)) {
    sendToProcess(parent, {
      signo: child.exitSignal,
      ...describeEnd(status),
      pid: child.pid,
      uid: child.credentials.uid,
    });
  }
  if (unwanted) reap(child);
  parent.childChanged.wake();
}

/** si_code and si_status of a wait status. */
export function describeEnd(status: number): { code: number; status: number } {
  if ((status & 0x7f) === 0) return { code: Code.childExited, status: status >> 8 };
  return { code: (status & 0x80) === 0 ? Code.childKilled : Code.childDumped, status: status & 0x7f };
}

/** Forgets a zombie; its usage goes to its parent. */
export function reap(process: Process): void {
  const { kernel, parent, usage } = process;
  kernel.processes.delete(process.pid);
  if (!parent) return;
  parent.children.delete(process);
  const into = parent.usage;
  into.childUserTime += usage.userTime + usage.childUserTime;
  into.childSystemTime += usage.systemTime + usage.childSystemTime;
  into.childPeakMemory = Math.max(into.childPeakMemory, usage.peakMemory, usage.childPeakMemory);
}

/** Which news of children a wait asks for (waitid(2)). */
export interface WaitOptions {
  readonly exited: boolean;
  readonly stopped: boolean;
  readonly continued: boolean;
  /** WNOWAIT: the child can be waited for again. */
  readonly keep: boolean;
}

/** News of a child. `status` is the wait status of wait4. */
export interface ChildNews {
  readonly child: Process;
  readonly status: number;
}

/** Takes news of a child; undefined when there is none yet. Throws ECHILD when there never will be. */
export function childNews(
  parent: Process,
  matches: (child: Process) => boolean,
  options: WaitOptions,
): ChildNews | undefined {
  let any = false;
  for (const child of parent.children) {
    if (!matches(child)) continue;
    any = true;
    if (child.exitStatus !== undefined) {
      if (!options.exited) continue;
      const news = { child, status: child.exitStatus };
      if (!options.keep) reap(child);
      return news;
    }
    if (options.stopped && child.news === "stopped") {
      if (!options.keep) child.news = undefined;
      return { child, status: (child.stopSignal << 8) | 0x7f };
    }
    if (options.continued && child.news === "continued") {
      if (!options.keep) child.news = undefined;
      return { child, status: 0xffff };
    }
  }
  if (!any) throw ECHILD;
  return undefined;
}
