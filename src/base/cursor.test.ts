import { describe, expect, it } from "vitest";
import { Cursor, range } from "./cursor.ts";
import { CerebroError, FormatError } from "./errors.ts";
import { hex, hexBytes, humanSize, latin1 } from "./text.ts";

describe("Cursor", () => {
  const bytes = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9);

  it("reads both byte orders and moves on", () => {
    const little = new Cursor(bytes, "x");
    expect([little.u8(), little.u16(), little.u32()]).toEqual([1, 0x0302, 0x07060504]);
    expect(little.remaining).toBe(2);
    const big = new Cursor(bytes, "x", { bigEndian: true });
    expect(big.u64()).toBe(0x0102030405060708n);
    expect([...big.seek(7).take(2)]).toEqual([8, 9]);
    expect(big.atEnd).toBe(true);
  });

  it("names what, where and both numbers when it ends early", () => {
    const cursor = new Cursor(bytes, "ELF", { position: 8 });
    expect(() => cursor.u32()).toThrow("ELF: 0x4 bytes at 0x8 end at 0xc, file has 0x9");
    expect(() => cursor.seek(10)).toThrow(FormatError);
    expect(() => cursor.seek(Number.NaN)).toThrow(FormatError);
    expect(() => cursor.take(-1)).toThrow(FormatError);
    expect(() => new Cursor(new Uint8Array(8).fill(255), "x").size64()).toThrow("no sensible size");
    expect(() => range(bytes, 4, 6, "ELF", "section 3")).toThrow("ELF: section 3 ends at 0xa, file has 0x9");
  });
});

describe("errors and text", () => {
  it("carry a code and a hint", () => {
    const error = new CerebroError("dependency", "no libc6", { hint: "give --pool DIR" });
    expect([error.code, error.hint, error.message]).toEqual(["dependency", "give --pool DIR", "no libc6"]);
    expect(new FormatError("x")).toBeInstanceOf(CerebroError);
  });

  it("show numbers and bytes", () => {
    expect([hex(255), hex(-16), hex(1n << 40n)]).toEqual(["0xff", "-0x10", "0x10000000000"]);
    expect(hexBytes(Uint8Array.of(0, 171))).toBe("00ab");
    expect(latin1(Uint8Array.of(0xe9, 0x41))).toBe("éA");
    expect([humanSize(999), humanSize(13_200_000), humanSize(456_000)]).toEqual(["999 B", "13.2 MB", "456 kB"]);
  });
});
