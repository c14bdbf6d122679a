import { describe, expect, it } from "vitest";
import { PageFault } from "../../memory/guest.ts";
import { Access } from "../../memory/layout.ts";
import type { Block } from "../ir/builder.ts";
import { opRows } from "../ir/ops.ts";
import { translateBlock } from "./block.ts";

const at = 0x400000;

function fetchFrom(bytes: readonly number[]) {
  return (address: number): number => {
    const byte = bytes[address - at];
    if (byte === undefined) throw new PageFault(address, Access.execute, false);
    return byte;
  };
}

const code = (hex: string): number[] => hex.split(" ").map((byte) => Number.parseInt(byte, 16));

/** Names of a block's operations, constants left out. */
const shape = (block: Block): string[] =>
  Array.from({ length: block.code.length / 4 }, (_, i) => opRows[block.code[i * 4]! & 0xffff]!.name).filter(
    (name) => !name.endsWith(".const"),
  );

describe("translateBlock", () => {
  it("lifts common instructions to few operations", () => {
    // mov rax, rbx; add rax, rcx; ud2
    const block = translateBlock(fetchFrom(code("48 89 d8 48 01 c8 0f 0b")), at, true);
    expect(shape(block)).toEqual(["get64", "set64", "get64", "get64", "i64.add", "set64", "cc.set64", "exit"]);
  });

  it("stops before bytes that cannot be fetched, and reports them when they come first", () => {
    const block = translateBlock(fetchFrom(code("89 d8 48")), at, true);
    expect(shape(block)).toEqual(["get32", "set32", "jump"]);
    expect(block.length).toBe(2);
    expect(() => translateBlock(fetchFrom(code("48")), at, true)).toThrow();
    try {
      translateBlock(fetchFrom(code("48")), at, true);
    } catch (fault) {
      expect(fault).toMatchObject({ address: at + 1, access: Access.execute });
    }
  });

  it("makes a block of any bytes", () => {
    let seed = 1;
    const random = () => (seed = (Math.imul(seed, 1664525) + 1013904223) | 0) >>> 24;
    const bytes = new Uint8Array(4096);
    for (const long of [true, false])
      for (let round = 0; round < 12; round++) {
        for (let i = 0; i < bytes.length; i++) bytes[i] = random();
        for (let pc = 0; pc < 4000; pc += 3) {
          const block = translateBlock((address) => bytes[address - at]!, at + pc, long);
          expect(opRows[block.code.at(-4)! & 0xffff]!.effect).toBe("terminator");
        }
      }
  });

  it("turns invalid instructions into traps", () => {
    // VEX in 64-bit mode, LOCK on MOV, LOCK ADD on a register.
    for (const hex of ["c5 f8 77", "f0 89 08", "f0 01 c8"])
      expect(shape(translateBlock(fetchFrom(code(hex)), at, true))).toEqual(["exit"]);
  });
});
