import { describe, expect, it } from "vitest";
import { FormatError } from "../base/errors.ts";
import { readFlexMap } from "./flexbuffers.ts";

const bytesOf = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));

/** Options that flatbuffers' own builder wrote for operators of tflite-micro. */
const shift = bytesOf("shift\x00\x01\x07\x01\x01\x01\x0c\x04\x02$\x01");
const energy = bytesOf(
  "end_index\x00start_index\x00\x02\x17\x0e\x00\x03\x00\x01\x00\x02\x00\xf1\x00\x05\x00\x05\x05\x06%\x01",
);

describe("flexbuffers", () => {
  it("reads maps of numbers", () => {
    expect([...readFlexMap(shift, "test")]).toEqual([["shift", 12]]);
    expect([...readFlexMap(energy, "test")]).toEqual([
      ["end_index", 241],
      ["start_index", 5],
    ]);
    expect(readFlexMap(bytesOf("\x00\x00\x01\x00\x00$\x01"), "test").size).toBe(0);
  });

  it("ends in FormatError whatever bytes are changed or cut off", () => {
    for (const original of [shift, energy]) {
      for (let at = 0; at < original.length; at++) {
        for (const value of [0, 1, 0x24, 0x7f, 0xff]) {
          const bytes = original.slice();
          bytes[at] = value;
          for (const part of [bytes, bytes.subarray(0, at), bytes.subarray(at)]) {
            try {
              readFlexMap(part, "test");
            } catch (error) {
              expect(error).toBeInstanceOf(FormatError);
            }
          }
        }
      }
    }
  });
});
