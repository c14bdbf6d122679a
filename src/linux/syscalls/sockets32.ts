// Sockets of 32-bit programs: narrow message headers, and all calls in one (socketcall(2)).

import { EINVAL } from "../../kernel/errno.ts";
import type { Task } from "../../kernel/task.ts";
import { address, int, uint } from "../kinds.ts";
import { type Result, syscall } from "../table.ts";
import { narrowMessages } from "./messages.ts";
import { narrow } from "./sockets.ts";

export const sendmsg = syscall({ i386: 370 }, [int, address, uint], narrowMessages.sendMessage);
export const recvmsg = syscall({ i386: 372 }, [int, address, uint], narrowMessages.receiveMessage);
export const sendmmsg = syscall({ i386: 345 }, [int, address, uint, uint], narrowMessages.sendMany);
export const recvmmsg = syscall({ i386: 337 }, [int, address, uint, uint, address], narrowMessages.receiveMany);
export const setsockopt = syscall({ i386: 366 }, [int, int, int, address, int], narrow.setOption);
export const getsockopt = syscall({ i386: 365 }, [int, int, int, address, address], narrow.getOption);

type Call = (task: Task, ...values: number[]) => Result;

/** By number of linux/net.h: how many arguments, and the call. Descriptors and lengths are signed, addresses are not. */
const calls: readonly (readonly [count: number, signed: readonly number[], call: Call] | undefined)[] = [
  undefined,
  [3, [0, 1, 2], narrow.open],
  [3, [0, 2], narrow.bind],
  [3, [0, 2], narrow.connect],
  [2, [0, 1], narrow.listen],
  [3, [0], (task, fd, at, lengthAt) => narrow.accept(task, fd!, at!, lengthAt!, 0)],
  [3, [0], narrow.name],
  [3, [0], narrow.peer],
  [4, [0, 1, 2], narrow.openPair],
  [4, [0], (task, fd, at, length, flags) => narrowMessages.sendTo(task, fd!, at!, length!, flags!, 0, 0)],
  [4, [0], (task, fd, at, length, flags) => narrowMessages.receiveFrom(task, fd!, at!, length!, flags!, 0, 0)],
  [6, [0, 5], narrowMessages.sendTo],
  [6, [0], narrowMessages.receiveFrom],
  [2, [0, 1], narrow.shutdown],
  [5, [0, 1, 2, 4], narrow.setOption],
  [5, [0, 1, 2], narrow.getOption],
  [3, [0], narrowMessages.sendMessage],
  [3, [0], narrowMessages.receiveMessage],
  [4, [0], narrow.accept],
  [5, [0], narrowMessages.receiveMany],
  [4, [0], narrowMessages.sendMany],
] as const;

export const socketcall = syscall({ i386: 102 }, [uint, address], (task, number, at) => {
  const row = calls[number];
  if (!row) throw EINVAL;
  const [count, signed, call] = row;
  const { guest } = task.process.memory;
  const values = Array.from({ length: count }, (_, i) =>
    signed.includes(i) ? guest.readI32(at + i * 4) : guest.readU32(at + i * 4),
  );
  return call(task, ...values);
});
