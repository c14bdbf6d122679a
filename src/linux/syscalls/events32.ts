// timerfd of 32-bit programs with 32-bit times.

import { address, int, uint } from "../kinds.ts";
import { syscall } from "../table.ts";
import { narrowTimer } from "./events.ts";

export const timerfd_settime = syscall({ i386: 325 }, [int, uint, address, address], narrowTimer.set);
export const timerfd_gettime = syscall({ i386: 326 }, [int, address], narrowTimer.get);
