// Memory of another process: process_vm_readv(2), process_vm_writev(2).

import { EFAULT, EINVAL, EPERM, ESRCH } from "../../kernel/errno.ts";
import type { Process } from "../../kernel/process.ts";
import type { Task } from "../../kernel/task.ts";
import { PageFault } from "../../memory/guest.ts";
import { Access } from "../../memory/layout.ts";
import { widthOf } from "../guest.ts";
import { address, int, size } from "../kinds.ts";
import { syscall } from "../table.ts";
import { readVectors } from "../vectors.ts";

const chunk = 0x10000;

function targetOf(task: Task, pid: number): Process {
  const target = task.process.kernel.processes.get(pid);
  if (!target || target.exitStatus !== undefined) throw ESRCH;
  const { euid, uid } = task.process.credentials;
  const other = target.credentials;
  if (euid !== 0 && (uid !== other.uid || uid !== other.euid || uid !== other.suid)) throw EPERM;
  return target;
}

/** Copies between the local and the remote pieces, in either direction, up to the first fault. */
function transfer(
  task: Task,
  [pid, localAt, localCount, remoteAt, remoteCount]: readonly [number, number, number, number, number],
  writes: boolean,
): number {
  const width = widthOf(task);
  const local = readVectors(task, localAt, localCount, width);
  const remote = readVectors(task, remoteAt, remoteCount, width);
  const target = targetOf(task, pid);
  task.process.memory.publish();
  target.memory.publish();
  target.memory.refresh();
  const [own, other] = [task.process.memory.guest, target.memory.guest];
  let done = 0;
  let [i, j, iDone, jDone] = [0, 0, 0, 0];
  while (i < local.length && j < remote.length) {
    const [here, there] = [local[i]!, remote[j]!];
    const count = Math.min(here.length - iDone, there.length - jDone, chunk);
    if (count > 0) {
      try {
        const theirs = other.bytes(there.address + jDone, count, writes ? Access.write : Access.read);
        const mine = own.bytes(here.address + iDone, count, writes ? Access.read : Access.write);
        if (writes) theirs.set(mine);
        else mine.set(theirs);
      } catch (error) {
        if (!(error instanceof PageFault)) throw error;
        if (done > 0) return done;
        throw EFAULT;
      }
      done += count;
      iDone += count;
      jDone += count;
    }
    if (iDone >= here.length) [i, iDone] = [i + 1, 0];
    if (jDone >= there.length) [j, jDone] = [j + 1, 0];
  }
  return done;
}

export const process_vm_readv = syscall(
  { x86_64: 310, i386: 347 },
  [int, address, size, address, size, size],
  (task, pid, local, localCount, remote, remoteCount, flags) => {
    if (flags !== 0) throw EINVAL;
    return transfer(task, [pid, local, localCount, remote, remoteCount], false);
  },
);
export const process_vm_writev = syscall(
  { x86_64: 311, i386: 348 },
  [int, address, size, address, size, size],
  (task, pid, local, localCount, remote, remoteCount, flags) => {
    if (flags !== 0) throw EINVAL;
    return transfer(task, [pid, local, localCount, remote, remoteCount], true);
  },
);
