// Patterns of Oniguruma against the reference's splits (test/models/nlp/make.py).

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { FormatError } from "../../../base/errors.ts";
import { Aligned } from "./aligned.ts";
import { translated } from "./pattern.ts";
import { split } from "./pretokenizers.ts";

const folder = resolve(import.meta.dirname, "../../../../test/models/nlp");
const read = (name: string) => JSON.parse(gunzipSync(readFileSync(resolve(folder, name))).toString());
const sentences: string[] = read("sentences.json.gz").filter((_: string, i: number) => i % 10 === 0);
const golden: { pattern: string; hashes: number[] }[] = read("patterns.json.gz");

function fnv(numbers: readonly number[]): number {
  let value = 0x811c9dc5;
  for (const number of numbers)
    for (let i = 0; i < 4; i++) value = Math.imul(value ^ ((number >>> (8 * i)) & 255), 0x01000193);
  return value >>> 0;
}

test.each(golden)("$pattern cuts where the reference does", ({ pattern, hashes }) => {
  const compiled = translated(pattern);
  const wrong = sentences.filter((text, i) => {
    let at = 0;
    const places = split(new Aligned(text), compiled, "Isolated").flatMap((piece) => {
      const start = at;
      at += [...piece.text].length;
      return [start, at];
    });
    return fnv(places) !== hashes[i];
  });
  expect(wrong).toEqual([]);
});

test("what has no counterpart is refused", () => {
  for (const pattern of [
    "(a+)+",
    "(?:a|a)*b",
    "(?<name>a)\\k<name>",
    "[a&&b]",
    "(a",
    "a)",
    "[a",
    "\\p{Nothing}",
    "a\\",
    "(?x)a",
    "\\1",
  ]) {
    expect(() => translated(pattern), pattern).toThrow(FormatError);
  }
});
