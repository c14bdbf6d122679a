// stat(2) and statfs(2) of 32-bit programs, with 32-bit sizes.

import { address, int, path } from "../kinds.ts";
import { syscall } from "../table.ts";
import { narrowStat, narrowStatfs } from "./stat.ts";

export const stat = syscall({ i386: 106 }, [path, address], narrowStat.stat);
export const lstat = syscall({ i386: 107 }, [path, address], narrowStat.lstat);
export const fstat = syscall({ i386: 108 }, [int, address], narrowStat.fstat);
export const statfs = syscall({ i386: 99 }, [path, address], narrowStatfs.statfs);
export const fstatfs = syscall({ i386: 100 }, [int, address], narrowStatfs.fstatfs);
