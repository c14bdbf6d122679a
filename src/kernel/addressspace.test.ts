import { beforeEach, describe, expect, test } from "vitest";
import { PageFault } from "../memory/guest.ts";
import { Access, pageSize } from "../memory/layout.ts";
import { AddressSpace, placement } from "./addressspace.ts";
import { Contract } from "./contract.ts";
import { EACCES, EEXIST, ENOMEM } from "./errno.ts";
import { MemoryPool } from "./pool.ts";
import { SharedObject } from "./shared.ts";

const readWrite = Access.read | Access.write;
let words: string[];
let contract: Contract;
let space: AddressSpace;

beforeEach(() => {
  words = [];
  contract = new Contract({ memory: 64 * 2 ** 20 }, (message) => words.push(message));
  space = new AddressSpace(contract, new MemoryPool());
});

const at = (pages: number) => placement.maps + pages * pageSize;
const map = (pages: number, options = {}) =>
  space.map({ address: 0, length: pages * pageSize, access: readWrite, ...options });

describe("mappings", () => {
  test("are placed first-fit and joined when alike", () => {
    expect(map(2)).toBe(at(0));
    expect(map(3)).toBe(at(2));
    expect(space.mappings).toHaveLength(1);
    space.unmap(at(1), at(2));
    expect(space.mappings.map(({ start, end }) => [start, end])).toEqual([
      [at(0), at(1)],
      [at(2), at(5)],
    ]);
    expect(map(2)).toBe(at(5));
    expect(map(1)).toBe(at(1));
    expect(space.mappings).toHaveLength(1);
  });

  test("fixed ones replace, or refuse with EEXIST", () => {
    map(4);
    space.guest.writeU8(at(1), 7);
    expect(() => space.map({ address: at(1), length: pageSize, access: 0, fixed: "keep" })).toThrow(EEXIST);
    space.map({ address: at(1), length: pageSize, access: readWrite, fixed: "replace" });
    expect(space.guest.readU8(at(1))).toBe(0);
  });

  test("protect splits, keeps content, and stops at a hole", () => {
    map(4);
    space.guest.writeU8(at(1) + 5, 9);
    space.protect(at(1), at(2), 0);
    expect(() => space.guest.readU8(at(1) + 5)).toThrow(PageFault);
    space.protect(at(1), at(2), Access.read);
    expect(space.guest.readU8(at(1) + 5)).toBe(9);
    expect(() => space.guest.writeU8(at(1), 1)).toThrow(PageFault);
    space.unmap(at(3), at(4));
    expect(() => space.protect(at(2), at(4), Access.read)).toThrow(ENOMEM);
    expect(space.find(at(2))?.access).toBe(Access.read);
  });

  test("more than the maximum is refused", () => {
    map(1, { maximum: Access.read, access: Access.read });
    expect(() => space.protect(at(0), at(1), readWrite)).toThrow(EACCES);
  });
});

describe("pages", () => {
  test("cost nothing until they are written, and are zero again when mapped anew", () => {
    map(10_000);
    expect(contract.used.memory).toBe(0);
    expect(space.guest.readU8(at(5000))).toBe(0);
    expect(contract.used.memory).toBe(0);
    space.guest.writeU8(at(5000), 1);
    expect(contract.used.memory).toBeGreaterThan(0);
    expect(contract.used.memory).toBeLessThanOrEqual(16 * pageSize);
    space.unmap(at(0), at(10_000));
    expect(contract.used.memory).toBe(0);
    map(10_000);
    expect(space.guest.readU8(at(5000))).toBe(0);
  });

  test("beyond the contract are refused", () => {
    map(20_000);
    expect(() => space.guest.bytes(at(0), 20_000 * pageSize, Access.write)).toThrow(PageFault);
    expect(space.exhausted).toBe(true);
    expect(contract.used.memory).toBeLessThanOrEqual(contract.limits.memory);
  });

  test("move with mremap", () => {
    map(2);
    map(1, { access: Access.read });
    space.guest.write(at(1), Uint8Array.of(1, 2, 3));
    const moved = space.remap(at(0), 2 * pageSize, 8 * pageSize, true);
    expect(moved).not.toBe(at(0));
    expect(space.guest.bytes(moved + pageSize, 3, Access.read)).toEqual(Uint8Array.of(1, 2, 3));
    expect(space.find(at(0))).toBeUndefined();
    expect(() => space.remap(moved, 8 * pageSize, 2 ** 32, true)).toThrow(ENOMEM);
  });

  test("are discarded by MADV_DONTNEED", () => {
    map(3);
    space.guest.writeU8(at(1), 1);
    space.discard(at(1), at(2));
    expect(space.guest.readU8(at(1))).toBe(0);
    expect(contract.used.memory).toBeLessThan(3 * pageSize);
  });
});

describe("the heap", () => {
  test("grows, shrinks and comes back zeroed", () => {
    space.startHeap(0x600000);
    expect(space.brk(0)).toBe(0x600000);
    expect(space.brk(0x603210)).toBe(0x603210);
    space.guest.writeU8(0x603000, 5);
    expect(space.brk(0x601000)).toBe(0x601000);
    expect(space.brk(0x604000)).toBe(0x604000);
    expect(space.guest.readU8(0x603000)).toBe(0);
    space.map({ address: 0x605000, length: pageSize, access: 0, fixed: "keep" });
    expect(space.brk(0x607000)).toBe(0x604000);
  });
});

describe("fork", () => {
  test("copies what was used and shares nothing", () => {
    map(100);
    space.guest.writeU8(at(3), 1);
    const child = space.fork();
    child.guest.writeU8(at(3), 2);
    child.guest.writeU8(at(50), 3);
    expect([space.guest.readU8(at(3)), child.guest.readU8(at(3))]).toEqual([1, 2]);
    expect(space.guest.readU8(at(50))).toBe(0);
    child.release();
    space.release();
    expect(contract.used).toMatchObject({ memory: 0, mapped: 0 });
  });

  test("a memory that is used again holds nothing of the last process", () => {
    map(100);
    space.guest.writeU8(at(3), 1);
    const child = space.fork();
    const { guest } = child;
    child.release();
    const next = space.fork();
    expect(next.guest).toBe(guest);
    next.unmap(at(0), at(100));
    next.map({ address: at(0), length: 100 * pageSize, access: readWrite, fixed: "keep" });
    expect(next.guest.readU8(at(3))).toBe(0);
  });
});

describe("shared memory", () => {
  test("is the same to both sides of a fork once the processor has changed over", () => {
    map(4, { object: new SharedObject(), shared: true });
    space.guest.writeU8(at(0), 1);
    const child = space.fork();
    expect(child.guest.readU8(at(0))).toBe(1);
    child.guest.writeU8(at(0), 2);
    child.guest.writeU8(at(2), 3);
    child.publish();
    space.refresh();
    expect([space.guest.readU8(at(0)), space.guest.readU8(at(2))]).toEqual([2, 3]);
    space.guest.writeU8(at(2), 4);
    space.publish();
    child.refresh();
    expect(child.guest.readU8(at(2))).toBe(4);
    expect(child.futexKey(at(1))).toBe(space.futexKey(at(1)));
  });
});
