// The wire-format reader against messages written by hand (protobuf.dev, "Encoding") and against mutations.

import { describe, expect, it } from "vitest";
import { FormatError } from "../base/errors.ts";
import {
  bool,
  bytes,
  decode,
  double,
  float,
  int32,
  int64,
  integer,
  lazy,
  map,
  message,
  type MessageType,
  oneof,
  optional,
  outline,
  recursive,
  repeated,
  sint32,
  sint64,
  string,
  uint64,
} from "./protobuf.ts";

interface Tree {
  label: string;
  children: Tree[];
}
const Tree: MessageType<Tree> = message({ label: [1, string], children: [2, repeated(recursive(() => Tree))] });
const Everything = message({
  number: [1, int32],
  name: [2, string],
  maybe: [3, optional(int32)],
  packed: [4, repeated(int32)],
  floats: [5, repeated(float)],
  tree: [6, Tree],
  table: [7, map(string, integer)],
  choice: oneof({ text: [8, string], wide: [9, int64], tree: [10, Tree] }),
  later: [11, lazy(Tree)],
  signed: [12, sint32],
  signedWide: [13, sint64],
  large: [14, uint64],
  flag: [15, bool],
  precise: [16, double],
  raw: [17, bytes],
});
const of = (...list: number[]) => new Uint8Array(list);
const text = (value: string) => {
  const encoded = new TextEncoder().encode(value);
  return [encoded.length, ...encoded];
};
const read = (...list: number[]) => decode(Everything, of(...list), "test");

describe("protobuf", () => {
  it("gives defaults for what is not there", () => {
    const empty = read();
    expect(empty).toMatchObject({ number: 0, name: "", packed: [], flag: false, large: 0n });
    expect([empty.maybe, empty.tree, empty.choice, empty.later]).toEqual([undefined, undefined, undefined, undefined]);
  });

  it("reads scalars", () => {
    expect(read(0x08, 0x96, 0x01).number).toBe(150);
    expect(read(0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01).number).toBe(-1);
    expect(read(0x12, ...text("grün")).name).toBe("grün");
    expect(read(0x18, 0).maybe).toBe(0);
    expect(read(0x60, 3).signed).toBe(-2);
    expect(read(0x68, 0xff, 0xff, 0xff, 0xff, 0x0f).signedWide).toBe(-2147483648n);
    expect(read(0x70, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01).large).toBe(2n ** 64n - 1n);
    expect(read(0x78, 1).flag).toBe(true);
    expect(read(0x81, 0x01, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f).precise).toBe(1);
    expect(read(0x8a, 0x01, 2, 7, 8).raw).toEqual(of(7, 8));
  });

  it("reads repeated fields packed, unpacked and mixed", () => {
    expect(read(0x22, 3, 1, 2, 3).packed).toEqual([1, 2, 3]);
    expect(read(0x20, 1, 0x22, 2, 2, 3, 0x20, 4).packed).toEqual([1, 2, 3, 4]);
    expect(read(0x2a, 8, 0, 0, 128, 63, 0, 0, 0, 64).floats).toEqual([1, 2]);
  });

  it("reads messages, maps, choices and lazy parts; merges a message given twice", () => {
    const leaf = [0x0a, ...text("a")];
    expect(read(0x32, leaf.length, ...leaf).tree).toEqual({ label: "a", children: [] });
    expect(read(0x32, leaf.length, ...leaf, 0x32, 2, 0x12, 0).tree).toEqual({
      label: "a",
      children: [{ label: "", children: [] }],
    });
    expect(read(0x3a, 5, 0x0a, ...text("k"), 0x10, 9).table).toEqual(new Map([["k", 9]]));
    expect(read(0x42, ...text("x"), 0x48, 5).choice).toEqual({ which: "wide", value: 5n });
    expect(read(0x5a, leaf.length, ...leaf).later?.()).toEqual({ label: "a", children: [] });
  });

  it("skips fields it does not know, groups too", () => {
    expect(read(0xa0, 0x06, 1, 0xa3, 0x06, 0x08, 1, 0xa4, 0x06, 0x08, 7).number).toBe(7);
  });

  it("refuses what is cut off, nested too deeply or inconsistent", () => {
    expect(() => read(0x08)).toThrow(FormatError);
    expect(() => read(0x12, 5, 65)).toThrow("test: a length of 0x5 does not fit at 0x1, message ends at 0x3");
    expect(() => read(0x08, ...Array.from({ length: 11 }, () => 0x80))).toThrow("more than 10 bytes");
    expect(() => read(0x00, 1)).toThrow("field has number 0");
    expect(() => read(0x0c)).toThrow(FormatError);
    let nested: number[] = [];
    for (let i = 0; i < 60; i++) nested = [0x12, nested.length, ...nested];
    expect(() => decode(Tree, of(...nested), "deep")).not.toThrow();
    let deep = new Uint8Array(0);
    for (let i = 0; i < 200; i++) {
      const size = deep.length < 128 ? [deep.length] : [(deep.length & 0x7f) | 0x80, deep.length >> 7];
      deep = of(0x12, ...size, ...deep);
    }
    expect(() => decode(Tree, deep, "deep")).toThrow("nested messages");
  });

  it("outlines the top of a message and says when it is none", () => {
    expect(outline(of(0x08, 1, 0x12, 1, 65))).toEqual([
      { field: 1, wire: 0 },
      { field: 2, wire: 2 },
    ]);
    expect(outline(new TextEncoder().encode("{ }"))).toBeUndefined();
  });

  it("throws nothing but FormatError for mutations", () => {
    const good = [
      0x32, 5, 0x0a, 1, 97, 0x12, 0, 0x22, 3, 1, 2, 3, 0x3a, 5, 0x0a, 1, 107, 0x10, 9, 0x5a, 3, 0x0a, 1, 97,
    ];
    let seed = 1;
    const next = () => (seed = (seed * 48271) % 2147483647);
    for (let i = 0; i < 5000; i++) {
      const bad = of(...good);
      for (let k = 0; k < 3; k++) bad[next() % bad.length] = next() & 255;
      try {
        decode(Everything, bad, "test").later?.();
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
      }
    }
  });
});
