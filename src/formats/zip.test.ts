import fc from "fast-check";
import { zipSync } from "fflate";
import { describe, expect, it } from "vitest";
import { FormatError } from "../base/errors.ts";
import { encodeUtf8, utf8 } from "../base/text.ts";
import { isZip, zipContent, zipEntries } from "./zip.ts";

const files = {
  "config.json": [encodeUtf8('{"a":1}'), { level: 0 }],
  "a/weights.bin": [new Uint8Array(300_000).map((_, i) => (i * i) >> 5), { level: 6 }],
  "leer.txt": [new Uint8Array(0), { level: 0 }],
} as const;
const archive = zipSync({
  "config.json": [files["config.json"][0], { level: 0 }],
  "a/weights.bin": [files["a/weights.bin"][0], { level: 6 }],
  "leer.txt": [files["leer.txt"][0], { level: 0 }],
});
const limit = 1 << 20;
const contents = (bytes: Uint8Array) =>
  Object.fromEntries((zipEntries(bytes) ?? []).map((entry) => [entry.name, zipContent(bytes, entry, limit)]));

/** The same archive with ZIP64 records, as writers make them for streams of unknown size (APPNOTE 4.3.14, 4.3.15). */
function zip64(): Uint8Array {
  const name = encodeUtf8("x");
  const content = encodeUtf8("hello");
  const bytes = new Uint8Array(30 + 1 + 5 + 24 + 46 + 1 + 28 + 56 + 20 + 22);
  const view = new DataView(bytes.buffer);
  let at = 0;
  const put = (...fields: [size: 2 | 4 | 8, value: number][]) => {
    for (const [size, value] of fields) {
      if (size === 2) view.setUint16(at, value, true);
      else if (size === 4) view.setUint32(at, value, true);
      else view.setBigUint64(at, BigInt(value), true);
      at += size;
    }
  };
  const crc = 0x3610a686;
  // A data descriptor (flag 8) follows the content, its sizes are not in the header.
  put([4, 0x04034b50], [2, 45], [2, 8], [2, 0], [4, 0], [4, 0], [4, 0xffffffff], [4, 0xffffffff], [2, 1], [2, 0]);
  bytes.set(name, at);
  bytes.set(content, at + 1);
  at += 6;
  put([4, 0x08074b50], [4, crc], [8, 5], [8, 5]);
  const directory = at;
  put([4, 0x02014b50], [2, 45], [2, 45], [2, 8], [2, 0], [4, 0], [4, crc], [4, 0xffffffff], [4, 0xffffffff]);
  put([2, 1], [2, 28], [2, 0], [2, 0], [2, 0], [4, 0], [4, 0xffffffff]);
  bytes.set(name, at);
  at += 1;
  put([2, 1], [2, 24], [8, 5], [8, 5], [8, 0]);
  const end = at;
  put([4, 0x06064b50], [8, 44], [2, 45], [2, 45], [4, 0], [4, 0], [8, 1], [8, 1], [8, end - directory], [8, directory]);
  put([4, 0x07064b50], [4, 0], [8, end], [4, 1]);
  put([4, 0x06054b50], [2, 0xffff], [2, 0xffff], [2, 0xffff], [2, 0xffff], [4, 0xffffffff], [4, 0xffffffff], [2, 0]);
  return bytes.subarray(0, at);
}

describe("zip", () => {
  it("reads stored and deflated entries", () => {
    expect(isZip(archive)).toBe(true);
    const read = contents(archive);
    expect(Object.keys(read)).toEqual(Object.keys(files));
    for (const [name, [content]] of Object.entries(files)) expect(Buffer.compare(read[name]!, content)).toBe(0);
  });
  it("reads archives appended to other data", () => {
    const appended = new Uint8Array(1000 + archive.length + 3);
    appended.set(archive, 1000);
    expect(isZip(appended)).toBe(false);
    expect(Object.keys(contents(appended.subarray(0, 1000 + archive.length)))).toEqual(Object.keys(files));
    expect(zipEntries(new Uint8Array(1000))).toBeUndefined();
  });
  it("reads ZIP64 records and entries with data descriptors", () => {
    for (const front of [0, 77]) {
      const bytes = zip64();
      const moved = new Uint8Array(front + bytes.length);
      moved.set(bytes, front);
      expect(utf8(contents(moved)["x"]!)).toBe("hello");
    }
  });
  it("refuses bombs", () => {
    const bomb = zipSync({ zeros: [new Uint8Array(1 << 22), { level: 9 }] });
    const [entry] = zipEntries(bomb)!;
    expect(() => zipContent(bomb, entry!, 1 << 20)).toThrow("has 4194304 bytes, the limit is 1048576");
    expect(() => zipContent(bomb, { ...entry!, size: 1000 }, 1 << 20)).toThrow("limit of 1000 bytes");
  });
  it("checks the CRC", () => {
    const broken = archive.slice();
    broken[45]! ^= 1;
    expect(() => contents(broken)).toThrow(/CRC-32/);
  });
  it("throws only FormatError", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(archive.length - 1), fc.nat(255)), { maxLength: 4 }), (changes) => {
        const bytes = archive.slice();
        for (const [at, value] of changes) bytes[bytes.length - 1 - (at % 400)] = value;
        try {
          contents(bytes);
        } catch (error) {
          if (!(error instanceof FormatError)) throw error;
        }
      }),
      { numRuns: 100 },
    );
  });
});
