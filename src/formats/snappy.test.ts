// Against a block that Google's own encoder wrote, and against broken ones.

import { describe, expect, it } from "vitest";
import { FormatError } from "../base/errors.ts";
import { utf8 } from "../base/text.ts";
import { decodeBase64 } from "./prototext.ts";
import { decompressSnappy } from "./snappy.ts";

/** Repetitions, near and overlapping, and what repeats little. */
const written =
  "7AZMdGhlIHNvcnRlZCB0YWJsZSBvZiABFChjaGVja3BvaW50LAUQLiQAADtCEgD+NgD+NgD+NgD+NgD+NgD+NgB+NgBkYWJlanF6a3htZHdyb25v" +
  "cndkbXhrenFqZWL+GgAAAP4BAP4BAP4BAP4BAKoBAA==";
const squares = Array.from({ length: 90 }, (_, i) => String.fromCharCode(97 + ((i * i) % 26))).join("");

describe("snappy", () => {
  it("reads what snappy writes", () => {
    const text = utf8(decompressSnappy(decodeBase64(written, "test")));
    expect(text).toBe(
      `${"the sorted table of the checkpoint, the sorted table; ".repeat(9)}${squares}${"\0".repeat(300)}`,
    );
  });

  it("refuses broken blocks and lengths that cannot be", () => {
    const block = decodeBase64(written, "test");
    expect(() => decompressSnappy(block.subarray(0, 60))).toThrow(FormatError);
    expect(() => decompressSnappy(new Uint8Array([255, 255, 255, 255, 15, 0, 1]))).toThrow(
      "more than the block can hold",
    );
    let seed = 5;
    const next = () => (seed = (seed * 48271) % 2147483647);
    for (let i = 0; i < 5000; i++) {
      const bad = block.slice();
      for (let k = 0; k < 3; k++) bad[next() % bad.length] = next() & 255;
      try {
        decompressSnappy(bad);
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
      }
    }
  });
});
