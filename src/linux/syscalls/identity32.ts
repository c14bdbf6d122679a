// The identity calls that i386 had when ids were 16 bits wide.

import type { Task } from "../../kernel/task.ts";
import { address, int, uint } from "../kinds.ts";
import { syscall } from "../table.ts";
import {
  keep,
  listGroups,
  replaceGroups,
  setAllGroups,
  setAllUsers,
  setFileGroup,
  setFileUser,
  setGroup,
  setRealEffectiveGroup,
  setRealEffectiveUser,
  setUser,
} from "./identity.ts";

/** A 16-bit id that stands for a wider one: overflowuid. */
const overflow = 0xfffe;
const narrow = (id: number) => (id > 0xffff ? overflow : id);
/** -1 stays "leave it". */
const widen = (id: number) => ((id & 0xffff) === 0xffff ? keep : id & 0xffff);

export const getuid16 = syscall({ i386: 24 }, [], (task) => narrow(task.process.credentials.uid));
export const geteuid16 = syscall({ i386: 49 }, [], (task) => narrow(task.process.credentials.euid));
export const getgid16 = syscall({ i386: 47 }, [], (task) => narrow(task.process.credentials.gid));
export const getegid16 = syscall({ i386: 50 }, [], (task) => narrow(task.process.credentials.egid));
export const setuid16 = syscall({ i386: 23 }, [uint], (task, uid) => setUser(task, widen(uid)));
export const setgid16 = syscall({ i386: 46 }, [uint], (task, gid) => setGroup(task, widen(gid)));
export const setreuid16 = syscall({ i386: 70 }, [uint, uint], (task, uid, euid) =>
  setRealEffectiveUser(task, widen(uid), widen(euid)),
);
export const setregid16 = syscall({ i386: 71 }, [uint, uint], (task, gid, egid) =>
  setRealEffectiveGroup(task, widen(gid), widen(egid)),
);
export const setresuid16 = syscall({ i386: 164 }, [uint, uint, uint], (task, uid, euid, suid) =>
  setAllUsers(task, widen(uid), widen(euid), widen(suid)),
);
export const setresgid16 = syscall({ i386: 170 }, [uint, uint, uint], (task, gid, egid, sgid) =>
  setAllGroups(task, widen(gid), widen(egid), widen(sgid)),
);
export const setfsuid16 = syscall({ i386: 138 }, [uint], (task, uid) => narrow(setFileUser(task, widen(uid))));
export const setfsgid16 = syscall({ i386: 139 }, [uint], (task, gid) => narrow(setFileGroup(task, widen(gid))));

function writeIds(task: Task, at: readonly number[], ids: readonly number[]): void {
  for (const [i, id] of ids.entries()) task.process.memory.guest.writeU16(at[i]!, narrow(id));
}
export const getresuid16 = syscall({ i386: 165 }, [address, address, address], (task, ...at) => {
  const { uid, euid, suid } = task.process.credentials;
  writeIds(task, at, [uid, euid, suid]);
});
export const getresgid16 = syscall({ i386: 171 }, [address, address, address], (task, ...at) => {
  const { gid, egid, sgid } = task.process.credentials;
  writeIds(task, at, [gid, egid, sgid]);
});
export const getgroups16 = syscall({ i386: 80 }, [int, address], (task, count, at) => listGroups(task, count, at, 2));
export const setgroups16 = syscall({ i386: 81 }, [int, address], (task, count, at) =>
  replaceGroups(task, count, at, 2),
);
