// Tokenizers of every kind against the `tokenizers` library over 2,000 sentences (test/models/nlp/make.py).

import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { type Encoding, Tokenizer, tokenizerOf } from "./tokenizer.ts";

const root = resolve(import.meta.dirname, "../../../..");
const folder = resolve(root, "test/models/nlp");
const unpack = (name: string) => gunzipSync(readFileSync(resolve(folder, name)));
const sentences: string[] = JSON.parse(unpack("sentences.json.gz").toString());

interface Golden {
  readonly hashes: number[];
  readonly offsets: number[];
  readonly words: number[];
  readonly ids: number[][];
  readonly sampleOffsets: [number, number][][];
  readonly pairs: { ids: number[]; types: number[] }[];
  readonly decoded: string[];
  readonly decodedHashes: number[];
}
const goldenOf = (name: string): Golden => JSON.parse(unpack(`${name}.ids.json.gz`).toString());

function fnv(numbers: readonly number[]): number {
  let value = 0x811c9dc5;
  for (const number of numbers)
    for (let i = 0; i < 4; i++) value = Math.imul(value ^ ((number >>> (8 * i)) & 255), 0x01000193);
  return value >>> 0;
}

/** Offsets in characters, as Python counts. */
function characterOffsets({ starts, ends }: Encoding, text: string): number[] {
  const counts = new Int32Array(text.length + 1);
  for (let i = 0; i < text.length; i++) counts[i + 1] = counts[i]! + (/[\udc00-\udfff]/.test(text[i]!) ? 0 : 1);
  return starts.flatMap((start, i) => [counts[start]!, counts[ends[i]!]!]);
}

function check(tokenizer: Tokenizer, golden: Golden, { offsets = true } = {}): void {
  const encodings = sentences.map((text) => tokenizer.encode(text));
  golden.ids.forEach((ids, i) => {
    expect(encodings[i * 100]!.ids, JSON.stringify(sentences[i * 100])).toEqual(ids);
    expect(fnv(encodings[i * 100]!.words.map((word) => (word < 0 ? 0xffffff : word)))).toBe(golden.words[i]);
    expect(tokenizer.decode(ids)).toBe(golden.decoded[i]);
  });
  const wrong = sentences.filter((_, i) => fnv(encodings[i]!.ids) !== golden.hashes[i]);
  expect(wrong, `${wrong.length} sentences`).toEqual([]);
  const decoded = sentences.filter(
    (_, i) =>
      fnv([...new TextEncoder().encode(tokenizer.decode(encodings[i]!.ids, { special: true }))]) !==
      golden.decodedHashes[i],
  );
  expect(decoded, `${decoded.length} sentences`).toEqual([]);
  golden.pairs.forEach(({ ids, types }, i) => {
    const encoding = tokenizer.encode([sentences[i * 100]!, sentences[50 + i * 100]!]);
    expect(encoding.ids).toEqual(ids);
    expect(encoding.typeIds).toEqual(types);
  });
  if (!offsets) return;
  // Where marks are composed or change places, ours covers all that a token is made of, the reference's only the first;
  // and a mask belongs to the spaces that it takes.
  const places = sentences.filter(
    (text, i) =>
      text.normalize("NFC") === text &&
      !text.includes("<mask>") &&
      fnv(characterOffsets(encodings[i]!, text)) !== golden.offsets[i],
  );
  expect(places, `offsets of ${places.length} sentences`).toEqual([]);
}

test.each([
  "wordpiece",
  "wordpiece-cased",
  "bpe-gpt2",
  "bpe-roberta",
  "bpe-split",
  "bpe-llama",
  "bpe-words",
  "unigram",
  "wordlevel",
  "precompiled",
])("%s gives the reference's ids", (name) => {
  const tokenizer = tokenizerOf(JSON.parse(unpack(`${name}.json.gz`).toString()));
  check(tokenizer, goldenOf(name), { offsets: !["bpe-words", "unigram", "precompiled"].includes(name) });
});

const minilm = resolve(root, ".cache/models/minilm/tokenizer.json");
test.skipIf(!existsSync(minilm))("MiniLM's tokenizer gives the reference's ids", () => {
  const { truncation: _, padding: __, ...json } = JSON.parse(readFileSync(minilm, "utf8"));
  check(tokenizerOf(json), goldenOf("minilm"));
});
