// poll and select of 32-bit programs with 32-bit times.

import { address, int, size, uint } from "../kinds.ts";
import { syscall } from "../table.ts";
import { narrowPpoll, narrowPselect, narrowSelect } from "./poll.ts";

export const ppoll = syscall({ i386: 309 }, [address, uint, address, address, size], narrowPpoll);
export const _newselect = syscall({ i386: 142 }, [int, address, address, address, address], narrowSelect);
export const pselect6 = syscall({ i386: 308 }, [int, address, address, address, address, address], narrowPselect);

/** The oldest form: one pointer to the five arguments. */
export const select = syscall({ i386: 82 }, [address], (task, at) => {
  const { guest } = task.process.memory;
  const [count, read, write, except, time] = [0, 4, 8, 12, 16].map((offset) => guest.readU32(at + offset));
  return narrowSelect(task, count! | 0, read!, write!, except!, time!);
});
