// Tables written by hand from LevelDB's description, with plain and with compressed blocks.

import { describe, expect, it } from "vitest";
import { FormatError } from "../base/errors.ts";
import { encodeUtf8 } from "../base/text.ts";
import { isTable, readTable } from "./sstable.ts";

const u32 = (value: number) => [value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24];
const varint = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >> 7)]);
type Entry = readonly [shared: number, rest: string, value: readonly number[]];
const block = (entries: readonly Entry[]) => [
  ...entries.flatMap(([shared, rest, value]) => [
    ...varint(shared),
    ...varint(rest.length),
    ...varint(value.length),
    ...encodeUtf8(rest),
    ...value,
  ]),
  ...u32(0),
  ...u32(1),
];
/** One literal: compressed, although not smaller. */
const literal = (bytes: readonly number[]) => [...varint(bytes.length), 60 << 2, bytes.length - 1, ...bytes];

function table(compressed: boolean): Uint8Array {
  const data = block([
    [0, "alpha", [1]],
    [2, "one", [2, 3]],
    [0, "beta", []],
  ]);
  const file: number[] = [];
  const add = (content: number[]) => {
    const stored = compressed ? literal(content) : content;
    const handle = [...varint(file.length), ...varint(stored.length)];
    file.push(...stored, compressed ? 1 : 0, 0, 0, 0, 0);
    return handle;
  };
  const first = add(data);
  const meta = add(block([]));
  const index = add(block([[0, "beta", first]]));
  const footer = [...meta, ...index];
  while (footer.length < 40) footer.push(0);
  return new Uint8Array([...file, ...footer, 0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb]);
}

describe("sorted tables", () => {
  for (const compressed of [false, true]) {
    it(`reads ${compressed ? "compressed" : "plain"} blocks`, () => {
      const bytes = table(compressed);
      expect(isTable(bytes)).toBe(true);
      const entries = readTable(bytes);
      expect([...entries.keys()]).toEqual(["alpha", "alone", "beta"]);
      expect([...entries.get("alone")!]).toEqual([2, 3]);
    });
  }

  it("throws nothing but FormatError for mutations", () => {
    let seed = 7;
    const next = () => (seed = (seed * 48271) % 2147483647);
    for (let i = 0; i < 4000; i++) {
      const bad = table(i % 2 === 0);
      for (let k = 0; k < 2; k++) bad[next() % bad.length] = next() & 255;
      try {
        readTable(bad.subarray(0, i % 5 === 0 ? next() % bad.length : bad.length));
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
      }
    }
  });
});
