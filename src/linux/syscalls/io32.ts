// Reading and writing as 32-bit programs ask for it: narrow iovecs, 64-bit positions in two registers.

import { EINVAL, EOVERFLOW } from "../../kernel/errno.ts";
import { fileOf } from "../at.ts";
import { address, file, int, size, uint } from "../kinds.ts";
import { syscall } from "../table.ts";
import { narrow, preadvWith, pwritevWith, readInto, writeFrom } from "./io.ts";

/** A signed 64-bit value from two registers. */
export const pair = (low: number, high: number): number => (low >>> 0) + (high | 0) * 0x1_0000_0000;

function position(low: number, high: number): number {
  const value = pair(low, high);
  if (value < 0) throw EINVAL;
  return value;
}

export const readv = syscall({ i386: 145 }, [file, address, int], narrow.readv);
export const writev = syscall({ i386: 146 }, [file, address, int], narrow.writev);

export const pread64 = syscall({ i386: 180 }, [file, address, size, uint, uint], (task, from, at, count, low, high) => {
  from.seek(0, 1);
  return readInto(task, from, at, count, position(low, high));
});
export const pwrite64 = syscall({ i386: 181 }, [file, address, size, uint, uint], (task, to, at, count, low, high) => {
  to.seek(0, 1);
  return writeFrom(task, to, at, count, position(low, high));
});
export const preadv = syscall({ i386: 333 }, [file, address, int, uint, uint], (task, from, at, count, low, high) =>
  narrow.preadv(task, from, at, count, position(low, high)),
);
export const pwritev = syscall({ i386: 334 }, [file, address, int, uint, uint], (task, to, at, count, low, high) =>
  narrow.pwritev(task, to, at, count, position(low, high)),
);
export const preadv2 = syscall(
  { i386: 378 },
  [file, address, int, uint, uint, uint],
  (task, from, at, count, low, high, flags) => preadvWith(task, from, at, count, pair(low, high), flags, 32),
);
export const pwritev2 = syscall(
  { i386: 379 },
  [file, address, int, uint, uint, uint],
  (task, to, at, count, low, high, flags) => pwritevWith(task, to, at, count, pair(low, high), flags, 32),
);

export const lseek = syscall({ i386: 19 }, [int, int, int], (task, fd, offset, whence) => {
  const position = fileOf(task, fd).seek(offset, whence);
  if (position > 0x7fffffff) throw EOVERFLOW;
  return position;
});
export const _llseek = syscall({ i386: 140 }, [int, uint, uint, address, int], (task, fd, high, low, at, whence) => {
  const to = fileOf(task, fd).seek(pair(low, high), whence);
  task.process.memory.guest.writeU64(at, to);
  return 0;
});
