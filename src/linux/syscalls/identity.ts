// Who a process is: pids, groups, sessions, users (credentials(7), setpgid(2), setuid(2)).

import { EACCES, EFAULT, EINVAL, EPERM, ESRCH } from "../../kernel/errno.ts";
import type { Credentials, Process } from "../../kernel/process.ts";
import type { Task } from "../../kernel/task.ts";
import { address, int, uint } from "../kinds.ts";
import { type Result, syscall } from "../table.ts";

export const getpid = syscall({ x86_64: 39, i386: 20 }, [], (task) => task.process.pid);
/** The parent's pid; 0 for what runs beside other programs of the machine. */
export const getppid = syscall({ x86_64: 110, i386: 64 }, [], (task) => task.process.parent?.pid ?? 0);
export const gettid = syscall({ x86_64: 186, i386: 224 }, [], (task) => task.tid);

function processOf(task: Task, pid: number): Process {
  const found = pid === 0 ? task.process : task.process.kernel.processes.get(pid);
  if (!found) throw ESRCH;
  return found;
}

export const getpgid = syscall({ x86_64: 121, i386: 132 }, [int], (task, pid) => processOf(task, pid).group);
export const getpgrp = syscall({ x86_64: 111, i386: 65 }, [], (task) => task.process.group);
export const getsid = syscall({ x86_64: 124, i386: 147 }, [int], (task, pid) => processOf(task, pid).session);

export const setpgid = syscall({ x86_64: 109, i386: 57 }, [int, int], (task, pid, wanted) => {
  if (wanted < 0) throw EINVAL;
  const { process } = task;
  const target = processOf(task, pid);
  if (target !== process) {
    if (target.parent !== process) throw ESRCH;
    if (target.session !== process.session) throw EPERM;
    if (target.executed && !target.borrowing) throw EACCES;
  }
  if (target.session === target.pid) throw EPERM;
  const group = wanted === 0 ? target.pid : wanted;
  if (group !== target.pid) {
    const members = [...process.kernel.processes.values()].filter((member) => member.group === group);
    if (!members.some((member) => member.session === process.session)) throw EPERM;
  }
  target.group = group;
});

export const setsid = syscall({ x86_64: 112, i386: 66 }, [], (task) => {
  const { process } = task;
  for (const member of process.kernel.processes.values()) if (member.group === process.pid) throw EPERM;
  process.group = process.session = process.pid;
  return process.pid;
});

export const getuid = syscall({ x86_64: 102, i386: 199 }, [], (task) => task.process.credentials.uid);
export const geteuid = syscall({ x86_64: 107, i386: 201 }, [], (task) => task.process.credentials.euid);
export const getgid = syscall({ x86_64: 104, i386: 200 }, [], (task) => task.process.credentials.gid);
export const getegid = syscall({ x86_64: 108, i386: 202 }, [], (task) => task.process.credentials.egid);

/** The id that is no id: "leave it". */
export const keep = 0xffff_ffff;

/** Stands in for CAP_SETUID and CAP_SETGID. */
const privileged = ({ euid }: Credentials) => euid === 0;

function use(task: Task, change: Partial<Credentials>): void {
  const { process } = task;
  const before = process.credentials;
  process.credentials = { ...before, ...change };
  // What was privileged is not dumpable any more (prctl(2), PR_SET_DUMPABLE).
  if (process.credentials.euid !== before.euid || process.credentials.egid !== before.egid) {
    process.flags.dumpable = 0;
    process.flags.parentDeathSignal = 0;
  }
}

export function setUser(task: Task, uid: number): void {
  if (uid === keep) throw EINVAL;
  const { credentials } = task.process;
  if (privileged(credentials)) return use(task, { uid, euid: uid, suid: uid, fsuid: uid });
  if (uid !== credentials.uid && uid !== credentials.suid) throw EPERM;
  use(task, { euid: uid, fsuid: uid });
}
export function setGroup(task: Task, gid: number): void {
  if (gid === keep) throw EINVAL;
  const { credentials } = task.process;
  if (privileged(credentials)) return use(task, { gid, egid: gid, sgid: gid, fsgid: gid });
  if (gid !== credentials.gid && gid !== credentials.sgid) throw EPERM;
  use(task, { egid: gid, fsgid: gid });
}
export const setuid = syscall({ x86_64: 105, i386: 213 }, [uint], setUser);
export const setgid = syscall({ x86_64: 106, i386: 214 }, [uint], setGroup);

export function setRealEffectiveUser(task: Task, real: number, effective: number): void {
  const old = task.process.credentials;
  const uid = real === keep ? old.uid : real;
  const euid = effective === keep ? old.euid : effective;
  if (!privileged(old)) {
    if (uid !== old.uid && uid !== old.euid) throw EPERM;
    if (euid !== old.uid && euid !== old.euid && euid !== old.suid) throw EPERM;
  }
  const suid = real !== keep || (effective !== keep && euid !== old.uid) ? euid : old.suid;
  use(task, { uid, euid, suid, fsuid: euid });
}
export function setRealEffectiveGroup(task: Task, real: number, effective: number): void {
  const old = task.process.credentials;
  const gid = real === keep ? old.gid : real;
  const egid = effective === keep ? old.egid : effective;
  if (!privileged(old)) {
    if (gid !== old.gid && gid !== old.egid) throw EPERM;
    if (egid !== old.gid && egid !== old.egid && egid !== old.sgid) throw EPERM;
  }
  const sgid = real !== keep || (effective !== keep && egid !== old.gid) ? egid : old.sgid;
  use(task, { gid, egid, sgid, fsgid: egid });
}
export const setreuid = syscall({ x86_64: 113, i386: 203 }, [uint, uint], setRealEffectiveUser);
export const setregid = syscall({ x86_64: 114, i386: 204 }, [uint, uint], setRealEffectiveGroup);

export function setAllUsers(task: Task, real: number, effective: number, saved: number): void {
  const old = task.process.credentials;
  const allowed = (id: number) => id === keep || id === old.uid || id === old.euid || id === old.suid;
  if (!privileged(old) && !(allowed(real) && allowed(effective) && allowed(saved))) throw EPERM;
  const uid = real === keep ? old.uid : real;
  const euid = effective === keep ? old.euid : effective;
  const suid = saved === keep ? old.suid : saved;
  use(task, { uid, euid, suid, fsuid: euid });
}
export function setAllGroups(task: Task, real: number, effective: number, saved: number): void {
  const old = task.process.credentials;
  const allowed = (id: number) => id === keep || id === old.gid || id === old.egid || id === old.sgid;
  if (!privileged(old) && !(allowed(real) && allowed(effective) && allowed(saved))) throw EPERM;
  const gid = real === keep ? old.gid : real;
  const egid = effective === keep ? old.egid : effective;
  const sgid = saved === keep ? old.sgid : saved;
  use(task, { gid, egid, sgid, fsgid: egid });
}
export const setresuid = syscall({ x86_64: 117, i386: 208 }, [uint, uint, uint], setAllUsers);
export const setresgid = syscall({ x86_64: 119, i386: 210 }, [uint, uint, uint], setAllGroups);

export const getresuid = syscall({ x86_64: 118, i386: 209 }, [address, address, address], (task, ...at) => {
  const { uid, euid, suid } = task.process.credentials;
  for (const [i, id] of [uid, euid, suid].entries()) task.process.memory.guest.writeU32(at[i]!, id);
});
export const getresgid = syscall({ x86_64: 120, i386: 211 }, [address, address, address], (task, ...at) => {
  const { gid, egid, sgid } = task.process.credentials;
  for (const [i, id] of [gid, egid, sgid].entries()) task.process.memory.guest.writeU32(at[i]!, id);
});

export function setFileUser(task: Task, fsuid: number): number {
  const old = task.process.credentials;
  const { uid, euid, suid } = old;
  if (fsuid !== keep && (privileged(old) || [uid, euid, suid, old.fsuid].includes(fsuid))) use(task, { fsuid });
  return old.fsuid;
}
export function setFileGroup(task: Task, fsgid: number): number {
  const old = task.process.credentials;
  const { gid, egid, sgid } = old;
  if (fsgid !== keep && (privileged(old) || [gid, egid, sgid, old.fsgid].includes(fsgid))) use(task, { fsgid });
  return old.fsgid;
}
export const setfsuid = syscall({ x86_64: 122, i386: 215 }, [uint], setFileUser);
export const setfsgid = syscall({ x86_64: 123, i386: 216 }, [uint], setFileGroup);

const mostGroups = 65536;

/** getgroups(2); `width` is the bytes of a gid. */
export function listGroups(task: Task, count: number, at: number, width: 2 | 4): number {
  const { groups } = task.process.credentials;
  if (count < 0) throw EINVAL;
  if (count === 0) return groups.length;
  if (count < groups.length) throw EINVAL;
  const { guest } = task.process.memory;
  for (const [i, gid] of groups.entries())
    if (width === 4) guest.writeU32(at + 4 * i, gid);
    else guest.writeU16(at + 2 * i, gid > 0xffff ? 0xfffe : gid);
  return groups.length;
}
export function replaceGroups(task: Task, count: number, at: number, width: 2 | 4): void {
  const { credentials, memory } = task.process;
  if (!privileged(credentials)) throw EPERM;
  if (count < 0 || count > mostGroups) throw EINVAL;
  const read = (i: number) => (width === 4 ? memory.guest.readU32(at + 4 * i) : memory.guest.readU16(at + 2 * i));
  use(task, { groups: Array.from({ length: count }, (_, i) => read(i)) });
}
export const getgroups = syscall({ x86_64: 115, i386: 205 }, [int, address], (task, count, at) =>
  listGroups(task, count, at, 4),
);
export const setgroups = syscall({ x86_64: 116, i386: 206 }, [int, address], (task, count, at) =>
  replaceGroups(task, count, at, 4),
);

/** Sizes of the capability sets by version of the header (capget(2)). */
const capabilityWords = new Map([
  [0x19980330, 1],
  [0x20071026, 2],
  [0x20080522, 2],
]);
const newestVersion = 0x20080522;
/** Every capability there is (CAP_LAST_CAP is 40). */
const allCapabilities = [0xffff_ffff, 0x1ff];

function capabilityHeader(task: Task, at: number): { words: number; pid: number } {
  const { guest } = task.process.memory;
  const words = capabilityWords.get(guest.readU32(at));
  if (words === undefined) {
    guest.writeU32(at, newestVersion);
    throw EINVAL;
  }
  return { words, pid: guest.readI32(at + 4) };
}

export const capget = syscall({ x86_64: 125, i386: 184 }, [address, address], (task, headerAt, at): Result => {
  const { guest } = task.process.memory;
  const version = guest.readU32(headerAt);
  if (at === 0 && !capabilityWords.has(version)) {
    guest.writeU32(headerAt, newestVersion);
    return 0;
  }
  const { words, pid } = capabilityHeader(task, headerAt);
  if (pid < 0) throw EINVAL;
  const target = pid === 0 ? task.process : task.process.kernel.tasks.get(pid)?.process;
  if (!target) throw ESRCH;
  if (at === 0) return 0;
  const { euid, uid, suid } = target.credentials;
  for (let i = 0; i < words; i++) {
    const all = allCapabilities[i]!;
    guest.writeU32(at + 12 * i, euid === 0 ? all : 0);
    guest.writeU32(at + 12 * i + 4, euid === 0 || uid === 0 || suid === 0 ? all : 0);
    guest.writeU32(at + 12 * i + 8, 0);
  }
  return 0;
});

/** Capabilities follow the user id: giving some up is accepted and changes nothing, gaining any is refused. */
export const capset = syscall({ x86_64: 126, i386: 185 }, [address, address], (task, headerAt, at) => {
  const { guest } = task.process.memory;
  const { words, pid } = capabilityHeader(task, headerAt);
  if (pid !== 0 && pid !== task.tid && pid !== task.process.pid) throw EPERM;
  if (at === 0) throw EFAULT;
  if (privileged(task.process.credentials)) return;
  for (let i = 0; i < words; i++) if (guest.readU32(at + 12 * i) | guest.readU32(at + 12 * i + 4)) throw EPERM;
});
