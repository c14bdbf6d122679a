// Robust locks: what a thread that ends still holds is marked, so that the next owner learns of it (get_robust_list(2)).

import type { Task } from "../kernel/task.ts";
import { linuxTask } from "./state.ts";

/** Words of a robust futex (futex(2)). */
export const Owner = { waiters: 0x8000_0000, died: 0x4000_0000, tid: 0x3fff_ffff } as const;
/** A list longer than this is taken for a ring (ROBUST_LIST_LIMIT). */
const longest = 2048;

/** Walks the task's robust list. Throws PageFault when the list leads out of memory. */
export function releaseRobustLocks(task: Task): void {
  const head = task.robustList;
  if (head === 0) return;
  const { guest } = task.process.memory;
  const wide = linuxTask(task).mode === "x86_64";
  const pointer = (at: number) => (wide ? guest.readU64(at) : guest.readU32(at));
  const size = wide ? 8 : 4;
  const offset = wide ? guest.readI64(head + size) : guest.readI32(head + size);
  const pending = pointer(head + 2 * size);
  let at = pointer(head);
  // Bit 0 says that the lock is priority-inheriting.
  for (let i = 0; i < longest && at - (at % 2) !== head; i++) {
    const lock = at - (at % 2);
    const next = pointer(lock);
    if (at !== pending) markDead(task, lock + offset);
    at = next;
  }
  if (pending !== 0) markDead(task, pending - (pending % 2) + offset);
}

function markDead(task: Task, at: number): void {
  const { memory, kernel } = task.process;
  const word = memory.guest.readU32(at);
  if ((word & Owner.tid) !== task.tid) return;
  memory.guest.writeU32(at, ((word & Owner.waiters) | Owner.died) >>> 0);
  if (word & Owner.waiters) kernel.futexes.wake(memory.futexKey(at), 1);
}
