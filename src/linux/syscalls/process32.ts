// Process calls that only i386 has, or that order their arguments differently there.

import type { Task } from "../../kernel/task.ts";
import { EINVAL } from "../../kernel/errno.ts";
import { address, int, uint } from "../kinds.ts";
import { linuxTask, firstTlsEntry } from "../state.ts";
import { syscall } from "../table.ts";
import { descriptorFromMemory, descriptorSize, setDescriptor } from "../tls.ts";
import { Clone, cloneWith, waitFor } from "./process.ts";

export const clone = syscall(
  { i386: 120 },
  [uint, address, address, address, address],
  (task, flags, stack, parentTid, tls, childTid) =>
    cloneWith(task, {
      flags: flags | 0,
      exitSignal: flags & Clone.signal,
      stack,
      parentTid,
      childTid,
      pidfd: parentTid,
      tls,
    }),
);

export const waitpid = syscall({ i386: 7 }, [int, address, int], (task, pid, statusAt, options) =>
  waitFor(task, pid, statusAt, options, 0),
);

export const set_thread_area = syscall({ i386: 243 }, [address], (task, at) => {
  const { guest } = task.process.memory;
  guest.check(at, descriptorSize, 2);
  guest.writeU32(at, setDescriptor(task, descriptorFromMemory(task, at)));
});

const emptyDescriptor = { base: 0, limit: 0, flags: 0b101000 };

export const get_thread_area = syscall({ i386: 244 }, [address], (task: Task, at: number) => {
  const { guest } = task.process.memory;
  const slot = guest.readI32(at) - firstTlsEntry;
  const { descriptors } = linuxTask(task);
  if (slot < 0 || slot >= descriptors.length) throw EINVAL;
  const { base, limit, flags } = descriptors[slot] ?? emptyDescriptor;
  guest.writeU32(at + 4, base);
  guest.writeU32(at + 8, limit);
  guest.writeU32(at + 12, flags);
});
