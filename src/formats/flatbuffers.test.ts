import { describe, expect, it } from "vitest";
import { FormatError } from "../base/errors.ts";
import { identifierOf, rootTable } from "./flatbuffers.ts";

/**
 * By hand, after the format's description: root { 0: u8 = 7, 1: string "hi", 2: [i16], 3: table { 0: i64 }, 4: absent,
 * 5: union type 2, 6: union value (the same table), 7: [string] }.
 */
function sample(): Uint8Array {
  const bytes = new Uint8Array(128);
  const view = new DataView(bytes.buffer);
  const u16 = (at: number, ...list: number[]) => list.forEach((n, i) => view.setUint16(at + 2 * i, n, true));
  const refer = (at: number, to: number) => view.setUint32(at, to - at, true);
  refer(0, 32);
  bytes.set(new TextEncoder().encode("TEST"), 4);
  // vtable at 8: length, size of the table, fields.
  u16(8, 20, 28, 4, 8, 12, 16, 0, 5, 20, 24);
  view.setInt32(32, 32 - 8, true);
  bytes[36] = 7;
  bytes[37] = 2;
  refer(40, 64);
  refer(44, 72);
  refer(48, 92);
  refer(52, 92);
  refer(56, 108);
  view.setUint32(64, 2, true);
  bytes.set(new TextEncoder().encode("hi"), 68);
  view.setUint32(72, 3, true);
  view.setInt16(76, -1, true);
  view.setInt16(78, 2, true);
  view.setInt16(80, 300, true);
  u16(84, 6, 12, 4);
  view.setInt32(92, 92 - 84, true);
  view.setBigInt64(96, -5n, true);
  view.setUint32(108, 1, true);
  refer(112, 116);
  view.setUint32(116, 1, true);
  bytes[120] = 0x21;
  return bytes;
}

describe("flatbuffers", () => {
  it("reads fields of every kind", () => {
    const root = rootTable(sample(), "sample");
    expect(identifierOf(sample())).toBe("TEST");
    expect(root.number(0, "u8")).toBe(7);
    expect(root.string(1)).toBe("hi");
    expect(root.numbers(2, "i16")).toEqual([-1, 2, 300]);
    expect(root.count(2)).toBe(3);
    expect(root.table(3)!.i64(0)).toBe(-5n);
    expect(root.has(4)).toBe(false);
    expect(root.number(4, "f32", 1.5)).toBe(1.5);
    expect(root.union(5)).toMatchObject({ type: 2 });
    expect(root.union(5)!.value.number(0, "i64")).toBe(-5);
    expect(root.strings(7)).toEqual(["!"]);
    expect(root.number(99, "i32", 3)).toBe(3);
    expect(root.tables(99)).toEqual([]);
  });

  it("reads buffers that begin with their size", () => {
    const bytes = new Uint8Array(132);
    bytes.set(sample(), 4);
    new DataView(bytes.buffer).setUint32(0, 128, true);
    expect(rootTable(bytes, "sample", { sizePrefixed: true }).string(1)).toBe("hi");
    new DataView(bytes.buffer).setUint32(0, 129, true);
    expect(() => rootTable(bytes, "sample", { sizePrefixed: true })).toThrow(FormatError);
  });

  it("ends in FormatError whatever bytes are changed or cut off", () => {
    const read = (bytes: Uint8Array) => {
      const root = rootTable(bytes, "sample");
      root.number(0, "u8");
      root.string(1);
      root.numbers(2, "i16");
      root.table(3)?.i64(0);
      root.union(5)?.value.i64(0);
      root.strings(7);
    };
    for (let at = 0; at < 128; at++) {
      for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
        const bytes = sample();
        bytes[at] = value;
        for (const part of [bytes, bytes.subarray(0, at)]) {
          try {
            read(part);
          } catch (error) {
            expect(error).toBeInstanceOf(FormatError);
          }
        }
      }
    }
  });
});
