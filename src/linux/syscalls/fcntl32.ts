// fcntl(2) of 32-bit programs: the old call and the one with 64-bit locks.

import { int, uint } from "../kinds.ts";
import { syscall } from "../table.ts";
import { fcntl32 } from "./fcntl.ts";

export const fcntl = syscall({ i386: 55 }, [int, uint, uint], (task, fd, command, argument) =>
  fcntl32(task, fd, command, argument, false),
);
export const fcntl64 = syscall({ i386: 221 }, [int, uint, uint], (task, fd, command, argument) =>
  fcntl32(task, fd, command, argument, true),
);
