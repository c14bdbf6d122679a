// Memory calls of i386: mmap with its arguments in memory, mmap2 with the offset in pages.

import { pageSize } from "../../memory/layout.ts";
import { address, int, size, uint } from "../kinds.ts";
import { syscall } from "../table.ts";
import { mapMemory } from "./memory.ts";

export const mmap = syscall(
  { i386: 90 },
  [address],
  (task, at) => {
    const { guest } = task.process.memory;
    const field = (i: number) => guest.readU32(at + 4 * i);
    return mapMemory(task, field(0), field(1), field(2), field(3), field(4) | 0, field(5));
  },
  "address",
);

export const mmap2 = syscall(
  { i386: 192 },
  [address, size, uint, uint, int, uint],
  (task, hint, length, prot, flags, fd, pages) => mapMemory(task, hint, length, prot, flags, fd, pages * pageSize),
  "address",
);
