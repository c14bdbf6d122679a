// What a process tree may use, and the account of what it uses. One contract is shared by a process and its descendants.

import { ENOMEM, ENOSPC } from "./errno.ts";

/** Limits of a contract; Infinity where there is none. */
export interface Limits {
  /** Bytes of memory that were touched, in all processes of the tree. */
  readonly memory: number;
  /** Bytes of memory that were mapped, touched or not. */
  readonly mapped: number;
  /** Tasks (threads and processes) alive at once. */
  readonly tasks: number;
  /** Open descriptors of one process: the hard RLIMIT_NOFILE. */
  readonly files: number;
  /** CPU time in nanoseconds. */
  readonly cpuTime: number;
  /** Share of the processor, 0 to 1. */
  readonly cpuShare: number;
  /** Bytes kept in memory file systems. */
  readonly disk: number;
  /** Wall time in nanoseconds from the start. */
  readonly deadline: number;
}

/** Limits that stop a fork bomb, a memory hog and a disk filler and let everything else be. */
export const defaultLimits: Limits = {
  memory: 2 * 2 ** 30,
  mapped: 64 * 2 ** 30,
  tasks: 512,
  files: 4096,
  cpuTime: Infinity,
  cpuShare: 1,
  disk: 2 * 2 ** 30,
  deadline: Infinity,
};

/** What was asked for beyond the contract. */
export type Resource = keyof Limits;

export class Contract {
  readonly limits: Limits;
  /** In use now, by resource. */
  readonly used = { memory: 0, mapped: 0, tasks: 0, cpuTime: 0, disk: 0 };
  /** How often each limit refused something. */
  readonly refusals = new Map<Resource, number>();
  /** Told of refusals: the first, tenth, hundredth … of each resource. */
  private readonly warn: (message: string, resource: Resource) => void;

  constructor(limits: Partial<Limits>, warn: (message: string, resource: Resource) => void) {
    this.limits = { ...defaultLimits, ...limits };
    this.warn = warn;
  }

  /** Notes a refusal; tells of some. */
  refuse(resource: Resource, who: string): void {
    const count = (this.refusals.get(resource) ?? 0) + 1;
    this.refusals.set(resource, count);
    if (!Number.isInteger(Math.log10(count))) return;
    const often = count === 1 ? "" : `; refused ${count} times`;
    this.warn(`${who}: contract allows ${describe(resource, this.limits[resource])}${often}`, resource);
  }

  /** Takes bytes of touched memory; false when the contract has no more. */
  takeMemory(bytes: number): boolean {
    if (this.used.memory + bytes > this.limits.memory) return false;
    this.used.memory += bytes;
    return true;
  }
  giveMemory(bytes: number): void {
    this.used.memory -= bytes;
  }
  /** Takes bytes of address space. Throws ENOMEM. */
  takeMapped(bytes: number, who: string): void {
    if (this.used.mapped + bytes > this.limits.mapped) {
      this.refuse("mapped", who);
      throw ENOMEM;
    }
    this.used.mapped += bytes;
  }
  giveMapped(bytes: number): void {
    this.used.mapped -= bytes;
  }
  /** Takes bytes of a memory file system. Throws ENOSPC. */
  takeDisk(bytes: number, who = "file system"): void {
    if (this.used.disk + bytes > this.limits.disk) {
      this.refuse("disk", who);
      throw ENOSPC;
    }
    this.used.disk += bytes;
  }
  giveDisk(bytes: number): void {
    this.used.disk -= bytes;
  }
}

function describe(resource: Resource, limit: number): string {
  switch (resource) {
    case "memory":
    case "mapped":
    case "disk":
      return `${Math.round(limit / 2 ** 20)} MiB of ${resource === "mapped" ? "address space" : resource}`;
    case "cpuTime":
      return `${limit / 1e9} s of processor time`;
    case "deadline":
      return `${limit / 1e9} s from start to end`;
    case "cpuShare":
      return `${limit * 100}% of the processor`;
    default:
      return `${limit} ${resource}`;
  }
}
