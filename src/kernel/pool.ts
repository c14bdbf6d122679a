// Linear memories kept for the next process: making one costs a reservation of address space and a page table.

import { GuestMemory } from "../memory/guest.ts";

/** What a page holds. `clean` can be dropped and loaded again (or is zero if nothing is behind it). */
export const State = { untouched: 0, clean: 1, dirty: 2 } as const;

/** A linear memory and the `State` of each of its pages. */
export interface Frames {
  readonly guest: GuestMemory;
  readonly state: Uint8Array;
}

const mostKept = 8;
/** Larger ones are left to the host's garbage collector. */
const largestKept = 2 ** 28;

export class MemoryPool {
  private readonly free: Frames[] = [];

  take(): Frames {
    return this.free.pop() ?? { guest: new GuestMemory(), state: new Uint8Array(1 << 20) };
  }

  /** Takes back a memory in which every page is untouched and unmapped. */
  give(frames: Frames): void {
    const { guest } = frames;
    guest.pager = guest.codeWatcher = undefined;
    guest.grown.length = 0;
    if (this.free.length < mostKept && guest.u8.length <= largestKept) this.free.push(frames);
  }
}
