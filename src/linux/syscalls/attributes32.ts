// Changing files as 32-bit programs ask for it: 16-bit owners, 32-bit times, 64-bit sizes in two registers.

import { EINVAL } from "../../kernel/errno.ts";
import type { Task } from "../../kernel/task.ts";
import { changeOwner, targetOf } from "../../kernel/vfs/operations.ts";
import { walk } from "../../kernel/vfs/walk.ts";
import { fileOf } from "../at.ts";
import { address, directory, int, path, size, uint } from "../kinds.ts";
import { syscall } from "../table.ts";
import {
  advise,
  allocate,
  narrowFutimesat,
  narrowUtime,
  narrowUtimensat,
  narrowUtimes,
  truncateNamed,
  truncateOpen,
} from "./attributes.ts";
import { pair } from "./io32.ts";

/** A 16-bit id: 0xffff means "leave it". */
const identity = (id: number) => ((id & 0xffff) === 0xffff ? -1 : id & 0xffff);

const ownerOf = (follow: boolean) => (task: Task, text: string, uid: number, gid: number) => {
  const place = walk(task.process, task.process.fs.cwd, text, follow ? "always" : "beforeSlash");
  changeOwner(task.process, targetOf(place), identity(uid), identity(gid));
};

export const chown = syscall({ i386: 182 }, [path, uint, uint], ownerOf(true));
export const lchown = syscall({ i386: 16 }, [path, uint, uint], ownerOf(false));
export const fchown = syscall({ i386: 95 }, [int, uint, uint], (task, fd, uid, gid) => {
  changeOwner(task.process, fileOf(task, fd), identity(uid), identity(gid));
});

export const utime = syscall({ i386: 30 }, [path, address], narrowUtime);
export const utimes = syscall({ i386: 271 }, [path, address], narrowUtimes);
export const futimesat = syscall({ i386: 299 }, [directory, address, address], narrowFutimesat);
export const utimensat = syscall({ i386: 320 }, [directory, address, address, uint], narrowUtimensat);

export const truncate64 = syscall({ i386: 193 }, [path, uint, uint], (task, text, low, high) =>
  truncateNamed(task, text, pair(low, high)),
);
export const ftruncate64 = syscall({ i386: 194 }, [int, uint, uint], (task, fd, low, high) =>
  truncateOpen(task, fd, pair(low, high)),
);
export const fallocate = syscall(
  { i386: 324 },
  [int, uint, uint, uint, uint, uint],
  (task, fd, how, low, high, lengthLow, lengthHigh) =>
    allocate(task, fd, how, pair(low, high), pair(lengthLow, lengthHigh)),
);
export const fadvise64 = syscall(
  { i386: 250 },
  [int, uint, uint, size, int],
  (task, fd, _low, _high, _length, advice) => advise(task, fd, advice),
);
export const fadvise64_64 = syscall(
  { i386: 272 },
  [int, uint, uint, uint, uint, int],
  (task, fd, _low, _high, _lengthLow, _lengthHigh, advice) => advise(task, fd, advice),
);
export const readahead = syscall({ i386: 225 }, [int, uint, uint, size], (task, fd) => {
  fileOf(task, fd);
});
export const sync_file_range = syscall(
  { i386: 314 },
  [int, uint, uint, uint, uint, uint],
  (task, fd, _low, _high, _lengthLow, _lengthHigh, flags) => {
    if ((flags & ~7) !== 0) throw EINVAL;
    fileOf(task, fd).sync();
  },
);
