// Making, replacing, ending and awaiting processes: fork(2), clone(2), execve(2), exit(2), wait(2).

import { EBADF, ECHILD, EINVAL, ENOENT, EPERM, ESRCH } from "../../kernel/errno.ts";
import type { Process } from "../../kernel/process.ts";
import { Open } from "../../kernel/file.ts";
import { descriptorLimit } from "../../kernel/filetable.ts";
import {
  childNews,
  type ChildNews,
  clone as cloneTask,
  type CloneOptions,
  describeEnd,
  endProcess,
  endTask,
} from "../../kernel/life.ts";
import { PidFile } from "../../kernel/pidfile.ts";
import { execute } from "../../kernel/program.ts";
import { Code, SIGCHLD, SIGCONT, signalCount } from "../../kernel/signal.ts";
import type { Task } from "../../kernel/task.ts";
import { Type } from "../../kernel/vfs/vnode.ts";
import { walk } from "../../kernel/vfs/walk.ts";
import type { Wait } from "../../kernel/wait.ts";
import { Access } from "../../memory/layout.ts";
import { At, atCwd, placeOf } from "../at.ts";
import { readStrings, widthOf } from "../guest.ts";
import { address, int, path, size, uint } from "../kinds.ts";
import { cpu, offsets, Register, setStateWord } from "../registers.ts";
import { encodeSiginfo, siginfoSize } from "../siginfo.ts";
import { linuxTask } from "../state.ts";
import { noResult, type Result, syscall } from "../table.ts";
import { descriptorFromMemory, setDescriptor } from "../tls.ts";
import { writeUsage } from "../usage.ts";

/** CLONE_ flags (clone(2)). */
export const Clone = {
  signal: 0xff,
  vm: 0x100,
  fs: 0x200,
  files: 0x400,
  sighand: 0x800,
  pidfd: 0x1000,
  vfork: 0x4000,
  parent: 0x8000,
  thread: 0x10000,
  newNs: 0x20000,
  sysvsem: 0x40000,
  settls: 0x80000,
  parentSetTid: 0x100000,
  childClearTid: 0x200000,
  untraced: 0x800000,
  childSetTid: 0x1000000,
  newCgroup: 0x2000000,
  newUts: 0x4000000,
  newIpc: 0x8000000,
  newUser: 0x10000000,
  newPid: 0x20000000,
  newNet: 0x40000000,
  io: 0x80000000,
  clearSighand: 0x1_0000_0000,
} as const;
const namespaces =
  Clone.newNs | Clone.newCgroup | Clone.newUts | Clone.newIpc | Clone.newUser | Clone.newPid | Clone.newNet | 0x80;

export interface CloneRequest {
  readonly flags: number;
  readonly exitSignal: number;
  /** Stack pointer of the child; 0 keeps the parent's. */
  readonly stack: number;
  readonly parentTid: number;
  readonly childTid: number;
  readonly pidfd: number;
  readonly tls: number;
  readonly clearActions?: boolean;
}

/** What fork, vfork, clone and clone3 have in common. */
export function cloneWith(task: Task, request: CloneRequest): Result {
  const { flags } = request;
  const { process } = task;
  const has = (flag: number) => (flags & flag) !== 0;
  if (has(namespaces & ~0x80)) throw EPERM;
  if (has(Clone.thread) && !has(Clone.sighand)) throw EINVAL;
  if (has(Clone.sighand) && !has(Clone.vm)) throw EINVAL;
  if (has(Clone.thread) && has(Clone.pidfd)) throw EINVAL;
  if (request.exitSignal > signalCount) throw EINVAL;
  if (has(Clone.parent) && process.root === process) throw EINVAL;
  if (has(Clone.thread) && (!has(Clone.files) || !has(Clone.fs)))
    process.kernel.logOnce(
      "clone: threads that do not share descriptors or the working directory share them all the same",
    );
  const { guest } = process.memory;
  if (has(Clone.parentSetTid)) guest.check(request.parentTid, 4, Access.write);
  const options: CloneOptions = {
    thread: has(Clone.thread),
    memory: has(Clone.vm),
    files: has(Clone.files),
    fs: has(Clone.fs),
    actions: has(Clone.sighand),
    sibling: has(Clone.parent),
    clearActions: request.clearActions ?? false,
    borrow: has(Clone.vfork),
    exitSignal: request.exitSignal,
  };
  const child = cloneTask(task, options);
  const view = cpu(child);
  view.set(Register.rax, 0);
  if (request.stack !== 0) view.set(Register.rsp, request.stack);
  if (has(Clone.settls)) setThreadArea(child, request.tls);
  if (has(Clone.parentSetTid)) guest.writeU32(request.parentTid, child.tid);
  if (has(Clone.childSetTid)) child.process.memory.guest.writeU32(request.childTid, child.tid);
  if (has(Clone.childClearTid)) child.clearChildTid = request.childTid;
  if (has(Clone.pidfd)) {
    const file = new PidFile(child.process, 0);
    guest.writeU32(request.pidfd, process.files.add(file, true, descriptorLimit(process)));
  }
  const { tid } = child;
  process.kernel.scheduler.enqueue(child);
  return has(Clone.vfork) ? released(child.process, tid) : tid;
}

/** vfork's parent waits until the child has a memory of its own, or none; only death interrupts that. */
function released(child: Process, tid: number): Wait<number> {
  return {
    attempt: () => (child.borrowing ? undefined : tid),
    queues: [child.released],
    onSignal: "restart",
    uninterruptible: true,
  };
}

function setThreadArea(child: Task, tls: number): void {
  if (linuxTask(child).callMode === "x86_64") setStateWord(cpu(child), offsets.fsBase, tls);
  else setDescriptor(child, descriptorFromMemory(child, tls));
}

const none = { stack: 0, parentTid: 0, childTid: 0, pidfd: 0, tls: 0 };

export const fork = syscall({ x86_64: 57, i386: 2 }, [], (task) =>
  cloneWith(task, { flags: 0, exitSignal: SIGCHLD, ...none }),
);
export const vfork = syscall({ x86_64: 58, i386: 190 }, [], (task) =>
  cloneWith(task, { flags: Clone.vfork | Clone.vm, exitSignal: SIGCHLD, ...none }),
);
export const clone = syscall(
  { x86_64: 56 },
  [size, address, address, address, address],
  (task, flags, stack, parentTid, childTid, tls) =>
    cloneWith(task, {
      flags: flags | 0,
      exitSignal: flags & Clone.signal,
      stack,
      parentTid,
      childTid,
      pidfd: parentTid,
      tls,
    }),
);

const cloneArgsSize = 64;

export const clone3 = syscall({ x86_64: 435, i386: 435 }, [address, size], (task, at, length) => {
  if (length < cloneArgsSize || length > 4096) throw EINVAL;
  const { guest } = task.process.memory;
  const field = (i: number) => guest.readU64(at + 8 * i);
  const [flags, pidfd, childTid, parentTid, exitSignal, stack, stackSize, tls] = [0, 1, 2, 3, 4, 5, 6, 7].map(
    field,
  ) as [number, number, number, number, number, number, number, number];
  if ((stack === 0) !== (stackSize === 0) || (flags & Clone.signal) !== 0) throw EINVAL;
  if (length >= 80 && field(9) !== 0) throw EPERM;
  const clearActions = Math.floor(flags / Clone.clearSighand) % 2 === 1;
  if (clearActions && (flags & Clone.sighand) !== 0) throw EINVAL;
  if ((flags & (Clone.thread | Clone.parent)) !== 0 && exitSignal !== 0) throw EINVAL;
  return cloneWith(task, {
    flags: flags | 0,
    exitSignal,
    stack: stack + stackSize,
    parentTid,
    childTid,
    pidfd,
    tls,
    clearActions,
  });
});

export const execve = syscall({ x86_64: 59, i386: 11 }, [path, address, address], (task, name, argv, envp) => {
  const { process } = task;
  const found = walk(process, process.fs.cwd, name);
  execute(task, {
    path: found,
    name,
    arguments: readStrings(task, argv),
    environment: readStrings(task, envp),
    depth: 0,
  });
  return noResult;
});

export const execveat = syscall(
  { x86_64: 322, i386: 358 },
  [int, path, address, address, uint],
  (task, fd, name, argv, envp, flags) => {
    if ((flags & ~(At.emptyPath | At.noFollow)) !== 0) throw EINVAL;
    if (name === "" && (flags & At.emptyPath) === 0) throw ENOENT;
    const found = placeOf(task, fd, name, flags);
    if ((found.vnode.attributes().mode & Type.mask) === Type.link) throw EPERM;
    const shown = name.startsWith("/") || fd === atCwd ? name : `/dev/fd/${fd}${name === "" ? "" : `/${name}`}`;
    execute(task, {
      path: found,
      name: shown,
      arguments: readStrings(task, argv),
      environment: readStrings(task, envp),
      depth: 0,
    });
    return noResult;
  },
);

export const exit = syscall(
  { x86_64: 60, i386: 1 },
  [int],
  (task, status) => {
    endTask(task, (status & 0xff) << 8);
    return noResult;
  },
  "none",
);
export const exit_group = syscall(
  { x86_64: 231, i386: 252 },
  [int],
  (task, status) => {
    endProcess(task.process, (status & 0xff) << 8);
    return noResult;
  },
  "none",
);

/** wait(2) options. */
const Option = {
  noHang: 1,
  stopped: 2,
  exited: 4,
  continued: 8,
  noWait: 0x1000000,
  noThread: 0x20000000,
  all: 0x40000000,
  clone: 0x80000000,
} as const;

type Matcher = (child: Process) => boolean;

/** Whether the options admit a child by how it was made: "clone" children do not send SIGCHLD. */
function admits(options: number, child: Process): boolean {
  if ((options & Option.all) !== 0) return true;
  return ((options & Option.clone) !== 0) === (child.exitSignal !== SIGCHLD);
}

function waitForNews(
  task: Task,
  matches: Matcher,
  options: number,
  want: { exited: boolean; stopped: boolean },
  report: (news: ChildNews | undefined) => number,
): Result {
  const { process } = task;
  const wanted = {
    ...want,
    continued: (options & Option.continued) !== 0,
    keep: (options & Option.noWait) !== 0,
  };
  const attempt = () => {
    const news = childNews(process, (child) => admits(options, child) && matches(child), wanted);
    return news ? report(news) : undefined;
  };
  if ((options & Option.noHang) !== 0) return attempt() ?? report(undefined);
  return { attempt, queues: [process.childChanged], onSignal: "restart" };
}

/** wait4(2), and waitpid(2) without usage. */
export function waitFor(task: Task, pid: number, statusAt: number, options: number, usageAt: number): Result {
  const allowed = Option.noHang | Option.stopped | Option.continued | Option.noThread | Option.all | Option.clone;
  if ((options & ~allowed) !== 0) throw EINVAL;
  if (pid === -0x8000_0000) throw ECHILD;
  const { process } = task;
  const matches: Matcher = (child) => {
    if (pid > 0) return child.pid === pid;
    if (pid === -1) return true;
    return child.group === (pid === 0 ? process.group : -pid);
  };
  const want = { exited: true, stopped: (options & Option.stopped) !== 0 };
  return waitForNews(task, matches, options, want, (news) => {
    if (!news) return 0;
    if (statusAt !== 0) process.memory.guest.writeU32(statusAt, news.status);
    if (usageAt !== 0) writeUsage(task, usageAt, news.child, "all");
    return news.child.pid;
  });
}

export const wait4 = syscall({ x86_64: 61, i386: 114 }, [int, address, int, address], waitFor);

const IdType = { all: 0, pid: 1, group: 2, pidfd: 3 } as const;

export const waitid = syscall(
  { x86_64: 247, i386: 284 },
  [int, int, address, int, address],
  (task, type, id, infoAt, options, usageAt) => {
    const kinds = Option.exited | Option.stopped | Option.continued;
    const allowed = kinds | Option.noHang | Option.noWait | Option.noThread | Option.all | Option.clone;
    if ((options & ~allowed) !== 0 || (options & kinds) === 0) throw EINVAL;
    const want = { exited: (options & Option.exited) !== 0, stopped: (options & Option.stopped) !== 0 };
    return waitForNews(task, idMatcher(task, type, id), options, want, (news) => {
      if (infoAt !== 0) task.process.memory.guest.write(infoAt, newsInfo(task, news));
      if (usageAt !== 0 && news) writeUsage(task, usageAt, news.child, "all");
      return 0;
    });
  },
);

function idMatcher(task: Task, type: number, id: number): Matcher {
  const { process } = task;
  switch (type) {
    case IdType.all:
      return () => true;
    case IdType.pid:
      if (id <= 0) throw EINVAL;
      return (child) => child.pid === id;
    case IdType.group:
      if (id < 0) throw EINVAL;
      return (child) => child.group === (id === 0 ? process.group : id);
    case IdType.pidfd: {
      const file = process.files.get(id);
      if (!(file instanceof PidFile)) throw EBADF;
      return (child) => child === file.process;
    }
    default:
      throw EINVAL;
  }
}

function newsInfo(task: Task, news: ChildNews | undefined): Uint8Array {
  if (!news) return new Uint8Array(siginfoSize);
  const { child, status } = news;
  const stopped = (status & 0xff) === 0x7f;
  const described =
    status === 0xffff
      ? { code: Code.childContinued, status: SIGCONT }
      : stopped
        ? { code: Code.childStopped, status: status >> 8 }
        : describeEnd(status);
  const info = { signo: SIGCHLD, pid: child.pid, uid: child.credentials.uid, ...described };
  return encodeSiginfo(info, widthOf(task));
}

export const set_tid_address = syscall({ x86_64: 218, i386: 258 }, [address], (task, at) => {
  task.clearChildTid = at;
  return task.tid;
});

export const pidfd_open = syscall({ x86_64: 434, i386: 434 }, [int, uint], (task, pid, flags) => {
  if ((flags & ~Open.nonBlock) !== 0 || pid <= 0) throw EINVAL;
  const { process } = task;
  const target = process.kernel.processes.get(pid);
  if (!target) throw process.kernel.tasks.has(pid) ? EINVAL : ESRCH;
  return process.files.add(new PidFile(target, flags), true, descriptorLimit(process));
});

export const arch_prctl = syscall({ x86_64: 158, i386: 384 }, [int, address], (task, code, value) => {
  const view = cpu(task);
  const { guest } = task.process.memory;
  const long = linuxTask(task).callMode === "x86_64";
  switch (long ? code : 0) {
    case 0x1001:
      return setBase(task, offsets.gsBase, value);
    case 0x1002:
      return setBase(task, offsets.fsBase, value);
    case 0x1003:
      return guest.writeBig64(value, view.view.getBigUint64(offsets.fsBase, true));
    case 0x1004:
      return guest.writeBig64(value, view.view.getBigUint64(offsets.gsBase, true));
    default:
      throw EINVAL;
  }
});

const userEnd = 0x7fff_ffff_f000;

function setBase(task: Task, offset: number, value: number): void {
  if (value >= userEnd) throw EPERM;
  setStateWord(cpu(task), offset, value);
}
