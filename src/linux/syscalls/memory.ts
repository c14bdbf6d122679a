// Memory: brk(2), mmap(2), mprotect(2), mremap(2), madvise(2) and their kin.

import { roundUp } from "../../kernel/addressspace.ts";
import { EACCES, EBADF, EINVAL, ENODEV, ENOMEM, EOPNOTSUPP, EOVERFLOW } from "../../kernel/errno.ts";
import { Limit } from "../../kernel/kernel.ts";
import type { SharedObject } from "../../kernel/shared.ts";
import type { Task } from "../../kernel/task.ts";
import { Type } from "../../kernel/vfs/vnode.ts";
import { Access, layout, pageMask, pageSize } from "../../memory/layout.ts";
import { address, int, size, uint } from "../kinds.ts";
import { type Result, syscall, unsupported } from "../table.ts";

/** PROT_ and MAP_ bits (mmap(2)). */
const Prot = { read: 1, write: 2, execute: 4, growsDown: 0x01000000, growsUp: 0x02000000 } as const;
const Map = {
  shared: 1,
  private: 2,
  sharedValidate: 3,
  typeMask: 0xf,
  fixed: 0x10,
  anonymous: 0x20,
  fixedNoReplace: 0x100000,
} as const;
/** The bits that MAP_SHARED_VALIDATE knows. */
const knownMapFlags = 0x1f_ffff;

export function accessOfProt(prot: number): number {
  return (
    (prot & Prot.read ? Access.read : 0) |
    (prot & Prot.write ? Access.write : 0) |
    (prot & Prot.execute ? Access.execute : 0)
  );
}

export const brk = syscall(
  { x86_64: 12, i386: 45 },
  [address],
  (task, wanted) => {
    const { process } = task;
    return process.memory.brk(wanted, process.limits[Limit.data]![0]);
  },
  "address",
);

/** mmap(2) with the offset in bytes. */
export function mapMemory(
  task: Task,
  hint: number,
  length: number,
  prot: number,
  flags: number,
  fd: number,
  offset: number,
): number {
  const { process } = task;
  const { memory, kernel } = process;
  if (length === 0 || (offset & pageMask) !== 0 || offset < 0) throw EINVAL;
  const type = flags & Map.typeMask;
  if (type !== Map.shared && type !== Map.private && type !== Map.sharedValidate) throw EINVAL;
  if (type === Map.sharedValidate && (flags & ~knownMapFlags) !== 0) throw EOPNOTSUPP;
  const fixed: "keep" | "replace" | undefined =
    flags & Map.fixedNoReplace ? "keep" : flags & Map.fixed ? "replace" : undefined;
  if (fixed && (hint & pageMask) !== 0) throw EINVAL;
  if (memory.mapped + length > process.limits[Limit.addressSpace]![0]) throw ENOMEM;
  const access = accessOfProt(prot);
  const shared = type !== Map.private;
  const place = { address: hint, length, access, ...(fixed ? { fixed } : {}) } as const;
  if (flags & Map.anonymous) return memory.map({ ...place, shared });

  const file = process.files.get(fd);
  if (!file) throw EBADF;
  if (!file.readable || (shared && prot & Prot.write && !file.writable)) throw EACCES;
  if (offset + length > Number.MAX_SAFE_INTEGER) throw EOVERFLOW;
  if (!isMappable(file.attributes().mode)) throw ENODEV;
  // /dev/zero is anonymous memory under another name.
  const zero = file.attributes().rdev === 0x105 && (file.attributes().mode & Type.mask) === Type.character;
  if (zero) return memory.map({ ...place, shared });
  const maximum = shared && !file.writable ? Access.read | Access.execute : Access.read | Access.write | Access.execute;
  let object: SharedObject | undefined;
  if (shared) object = kernel.sharedObjects.of(file);
  return memory.map({ ...place, shared, maximum, offset, file, ...(object ? { object } : {}) });
}

function isMappable(mode: number): boolean {
  const type = mode & Type.mask;
  return type === Type.regular || type === Type.character || type === Type.block;
}

export const mmap = syscall(
  { x86_64: 9 },
  [address, size, uint, uint, int, size],
  (task, hint, length, prot, flags, fd, offset) => mapMemory(task, hint, length, prot, flags, fd, offset),
  "address",
);

export const munmap = syscall({ x86_64: 11, i386: 91 }, [address, size], (task, start, length) => {
  if ((start & pageMask) !== 0 || length === 0 || start + length > layout.end) throw EINVAL;
  task.process.memory.unmap(start, start + roundUp(length));
});

export const mprotect = syscall({ x86_64: 10, i386: 125 }, [address, size, uint], (task, start, length, prot) => {
  if ((start & pageMask) !== 0) throw EINVAL;
  if ((prot & (Prot.growsDown | Prot.growsUp)) === (Prot.growsDown | Prot.growsUp)) throw EINVAL;
  const end = start + roundUp(length);
  if (end > layout.end) throw ENOMEM;
  let from = start;
  // PROT_GROWSDOWN: from the beginning of a stack.
  if (prot & Prot.growsDown) from = task.process.memory.find(start)?.start ?? start;
  task.process.memory.protect(from, end, accessOfProt(prot));
});

const Remap = { mayMove: 1, fixed: 2, dontUnmap: 4 } as const;

export const mremap = syscall(
  { x86_64: 25, i386: 163 },
  [address, size, size, uint, address],
  (task, start, oldSize, newSize, flags, target) => {
    const { memory } = task.process;
    if ((flags & ~7) !== 0 || (start & pageMask) !== 0 || newSize === 0) throw EINVAL;
    if (flags & Remap.dontUnmap) throw EINVAL;
    if ((flags & Remap.fixed) !== 0 && (flags & Remap.mayMove) === 0) throw EINVAL;
    const [oldLength, newLength] = [roundUp(oldSize), roundUp(newSize)];
    const to = flags & Remap.fixed ? target : undefined;
    if (to !== undefined) {
      if ((to & pageMask) !== 0 || to + newLength > layout.end) throw EINVAL;
      if (to < start + oldLength && start < to + newLength) throw EINVAL;
    }
    return memory.remap(start, oldLength, newLength, (flags & Remap.mayMove) !== 0, to);
  },
  "address",
);

const Advice = {
  normal: 0,
  random: 1,
  sequential: 2,
  willNeed: 3,
  dontNeed: 4,
  free: 8,
  remove: 9,
  dontFork: 10,
  doFork: 11,
  mergeable: 12,
  unmergeable: 13,
  hugePage: 14,
  noHugePage: 15,
  dontDump: 16,
  doDump: 17,
  wipeOnFork: 18,
  keepOnFork: 19,
  cold: 20,
  pageOut: 21,
  populateRead: 22,
  populateWrite: 23,
} as const;

export const madvise = syscall({ x86_64: 28, i386: 219 }, [address, size, int], (task, start, length, advice) => {
  const { memory } = task.process;
  if ((start & pageMask) !== 0) throw EINVAL;
  const end = start + roundUp(length);
  if (!Object.values(Advice).includes(advice as never)) throw EINVAL;
  if (length === 0) return;
  switch (advice) {
    case Advice.dontNeed:
    case Advice.free:
      if (!memory.covers(start, end)) throw ENOMEM;
      return memory.discard(start, end);
    case Advice.remove:
      throw EOPNOTSUPP;
    case Advice.dontFork:
      return memory.change(start, end, (mapping) => (mapping.onFork = "omit"));
    case Advice.doFork:
    case Advice.keepOnFork:
      return memory.change(start, end, (mapping) => (mapping.onFork = "copy"));
    case Advice.wipeOnFork:
      return memory.change(start, end, (mapping) => {
        if (mapping.loads) throw EINVAL;
        mapping.onFork = "wipe";
      });
    case Advice.populateRead:
    case Advice.populateWrite:
      return memory.guest.check(start, end - start, advice === Advice.populateRead ? Access.read : Access.write);
    default:
      if (!memory.covers(start, end)) throw ENOMEM;
  }
});

export const mincore = syscall({ x86_64: 27, i386: 218 }, [address, size, address], (task, start, length, into) => {
  const { memory } = task.process;
  if ((start & pageMask) !== 0) throw EINVAL;
  const end = start + roundUp(length);
  if (!memory.covers(start, end)) throw ENOMEM;
  const pages = (end - start) / pageSize;
  const bytes = new Uint8Array(pages);
  for (let i = 0; i < pages; i++) bytes[i] = memory.inCore(start / pageSize + i) ? 1 : 0;
  memory.guest.write(into, bytes);
});

const Sync = { async: 1, invalidate: 2, sync: 4 } as const;

export const msync = syscall({ x86_64: 26, i386: 144 }, [address, size, int], (task, start, length, flags) => {
  const { memory } = task.process;
  if ((start & pageMask) !== 0 || (flags & ~7) !== 0) throw EINVAL;
  if ((flags & Sync.async) !== 0 && (flags & Sync.sync) !== 0) throw EINVAL;
  const end = start + roundUp(length);
  memory.publish();
  if (!memory.covers(start, end)) throw ENOMEM;
});

function lock(task: Task, start: number, length: number, locked: boolean): void {
  const { memory, limits, credentials } = task.process;
  const from = start - (start % pageSize);
  const end = roundUp(start + length);
  if (locked && credentials.euid !== 0) {
    const held = memory.mappings.reduce((sum, mapping) => sum + (mapping.locked ? mapping.length : 0), 0);
    if (held + end - from > limits[Limit.lockedMemory]![0]) throw ENOMEM;
  }
  memory.change(from, end, (mapping) => (mapping.locked = locked));
}

export const mlock = syscall({ x86_64: 149, i386: 150 }, [address, size], (task, start, length) =>
  lock(task, start, length, true),
);
export const mlock2 = syscall({ x86_64: 325, i386: 376 }, [address, size, int], (task, start, length, flags) => {
  if ((flags & ~1) !== 0) throw EINVAL;
  lock(task, start, length, true);
});
export const munlock = syscall({ x86_64: 150, i386: 151 }, [address, size], (task, start, length) =>
  lock(task, start, length, false),
);
export const mlockall = syscall({ x86_64: 151, i386: 152 }, [int], (task, flags): Result => {
  if (flags === 0 || (flags & ~7) !== 0 || flags === 4) throw EINVAL;
  if (flags & 1) for (const mapping of task.process.memory.mappings) mapping.locked = true;
  return 0;
});
export const munlockall = syscall({ x86_64: 152, i386: 153 }, [], (task): Result => {
  for (const mapping of task.process.memory.mappings) mapping.locked = false;
  return 0;
});

/** membarrier(2): one task runs at a time, so every barrier is there already. */
const Barrier = { query: 0, all: 0x1ff, getRegistrations: 0x200 } as const;

export const membarrier = syscall({ x86_64: 324, i386: 375 }, [int, uint, int], (_task, command): Result => {
  if (command === Barrier.query) return 0x7f;
  if (command < 0 || command > 0x40 || (command & (command - 1)) !== 0) throw EINVAL;
  return 0;
});

/** Protection keys: the processor has none, which the call says with ENOSPC for allocation (pkey_alloc(2)). */
export const pkey_mprotect = syscall(
  { x86_64: 329, i386: 380 },
  [address, size, uint, int],
  (task, start, length, prot, key) => {
    if (key !== -1) throw EINVAL;
    if ((start & pageMask) !== 0) throw EINVAL;
    task.process.memory.protect(start, start + roundUp(length), accessOfProt(prot));
  },
);
export const pkey_alloc = unsupported({ x86_64: 330, i386: 381 }, "the processor has no protection keys");
export const pkey_free = unsupported({ x86_64: 331, i386: 382 }, "the processor has no protection keys");
export const remap_file_pages = unsupported({ x86_64: 216, i386: 257 }, "deprecated; use mmap");
export const userfaultfd = unsupported({ x86_64: 323, i386: 374 }, "faults are not handed to user space");
export const process_madvise = unsupported({ x86_64: 440, i386: 440 }, "advice for other processes");
export const process_mrelease = unsupported({ x86_64: 448, i386: 448 }, "memory goes with its process");
export const set_mempolicy_home_node = unsupported({ x86_64: 450, i386: 450 }, "there is one memory node");
export const move_pages = unsupported({ x86_64: 279, i386: 317 }, "there is one memory node");
export const migrate_pages = unsupported({ x86_64: 256, i386: 294 }, "there is one memory node");
export const mbind = unsupported({ x86_64: 237, i386: 274 }, "there is one memory node");
export const set_mempolicy = unsupported({ x86_64: 238, i386: 276 }, "there is one memory node");
export const get_mempolicy = unsupported({ x86_64: 239, i386: 275 }, "there is one memory node");
