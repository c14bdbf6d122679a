// Text and JSON forms of messages against the wire form's values.

import { describe, expect, it } from "vitest";
import { FormatError } from "../base/errors.ts";
import { bool, bytes, enumeration, float, int64, integer, map, message, oneof, repeated, string } from "./protobuf.ts";
import { decodeBase64, decodeJson, decodeText } from "./prototext.ts";

const Shape = message({ dim: [1, repeated(message({ size: [1, integer] }))], unknownRank: [2, bool] });
const Everything = message({
  name: [1, string],
  rawData: [2, bytes],
  numbers: [3, repeated(float)],
  kind: [4, enumeration({ DT_FLOAT: 1, DT_INT32: 3 })],
  shape: [5, Shape],
  table: [6, map(string, Shape)],
  choice: oneof({ text: [7, string], wide: [8, int64], on: [9, bool] }),
});

describe("text form", () => {
  const text = `# a comment
    name: "a\\tb" 'c'  raw_data: "\\000\\377\\x41\\n\\""
    numbers: 1 numbers: -inf numbers: [2.5e1, nan, 1.5f]
    kind: DT_INT32
    shape { dim { size: 4 } dim: < size: -1 >; unknown_rank: true }
    table { key: "k" value { dim { size: 2 } } }
    wide: -9007199254740993
    unheard_of { deep: [ { x: 1 }, { } ] }`;
  it("reads every kind of field", () => {
    const value = decodeText(Everything, text, "test");
    expect(value.name).toBe("a\tbc");
    expect([...value.rawData]).toEqual([0, 255, 65, 10, 34]);
    expect(value.numbers).toEqual([1, -Infinity, 25, NaN, 1.5]);
    expect(value.kind).toBe(3);
    expect(value.shape).toEqual({ dim: [{ size: 4 }, { size: -1 }], unknownRank: true });
    expect(value.table.get("k")).toEqual({ dim: [{ size: 2 }], unknownRank: false });
    expect(value.choice).toEqual({ which: "wide", value: -9007199254740993n });
  });

  it("refuses what is no text form", () => {
    for (const bad of ["name", "name: ", "shape {", 'name: "x', "shape: 4", "wide: x", "kind: DT_NONE", "}", "^"]) {
      expect(() => decodeText(Everything, bad, "test"), bad).toThrow(FormatError);
    }
    expect(() => decodeText(Everything, "shape{".repeat(5000), "test")).toThrow("nested messages");
  });

  it("throws nothing but FormatError for mutations", () => {
    let seed = 3;
    const next = () => (seed = (seed * 48271) % 2147483647);
    for (let i = 0; i < 3000; i++) {
      const at = next() % text.length;
      const bad = text.slice(0, at) + String.fromCharCode(next() % 128) + text.slice(at + (next() % 4));
      try {
        decodeText(Everything, bad, "test");
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
      }
    }
  });
});

describe("JSON form", () => {
  it("reads every kind of field", () => {
    const value = decodeJson(
      Everything,
      {
        name: "x",
        rawData: "AP9B",
        numbers: [1, "NaN", "-Infinity"],
        kind: "DT_FLOAT",
        shape: { dim: [{ size: "4" }] },
        table: { k: { unknownRank: true } },
        on: true,
        other: [1],
      },
      "test",
    );
    expect([...value.rawData]).toEqual([0, 255, 65]);
    expect(value.numbers).toEqual([1, NaN, -Infinity]);
    expect([value.kind, value.shape?.dim[0]?.size, value.table.get("k")?.unknownRank]).toEqual([1, 4, true]);
    expect(value.choice).toEqual({ which: "on", value: true });
    expect([...decodeBase64("_-8=", "test")]).toEqual([255, 239]);
  });

  it("refuses other shapes", () => {
    for (const bad of [4, [], null, { shape: 1 }, { numbers: 1 }, { table: 3 }, { rawData: "%" }, { name: {} }]) {
      expect(() => decodeJson(Everything, bad, "test"), JSON.stringify(bad)).toThrow(FormatError);
    }
  });
});
