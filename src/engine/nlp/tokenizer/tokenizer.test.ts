// Tokenizers of every kind against the `tokenizers` library over 2,000 sentences (test/models/nlp/make.py).

import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { FormatError } from "../../../base/errors.ts";
import { tokenizerFrom } from "./open.ts";
import { sentencePiece } from "./sentencepiece.ts";
import { type Encoding, type Tokenizer, tokenizerOf, type Truncation } from "./tokenizer.ts";

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

test.each(["sp-unigram", "sp-bpe"])("%s, a sentencepiece model, gives sentencepiece's ids", (name) => {
  const tokenizer = sentencePiece(new Uint8Array(unpack(`${name}.model.gz`)));
  const golden = goldenOf(name);
  golden.ids.forEach((ids, i) => {
    expect(tokenizer.encode(sentences[i * 100]!).ids, JSON.stringify(sentences[i * 100])).toEqual(ids);
    expect(tokenizer.decode(ids)).toBe(golden.decoded[i]);
  });
  const wrong = sentences.filter((text, i) => fnv(tokenizer.encode(text).ids) !== golden.hashes[i]);
  expect(wrong, `${wrong.length} sentences`).toEqual([]);
});

test("older files of BERT and GPT-2 say the same as tokenizer.json", () => {
  const encode = (text: string) => new TextEncoder().encode(text);
  const json = (name: string) => JSON.parse(unpack(`${name}.json.gz`).toString());
  const { vocab } = json("wordpiece").model as { vocab: Record<string, number> };
  const lines = Object.entries(vocab).toSorted((a, b) => a[1] - b[1]);
  const bert = tokenizerFrom((name) =>
    name === "vocab.txt" ? encode(`${lines.map(([token]) => token).join("\n")}\n`) : undefined,
  );
  check(bert!, goldenOf("wordpiece"));
  const { model } = json("bpe-gpt2") as { model: { vocab: Record<string, number>; merges: [string, string][] } };
  const merges = model.merges.map((pair) => pair.join(" ")).join("\n");
  const files: Record<string, string> = {
    "vocab.json": JSON.stringify(model.vocab),
    "merges.txt": `#version: 0.2\n${merges}\n`,
  };
  const gpt = tokenizerFrom((name) => (files[name] === undefined ? undefined : encode(files[name])));
  check(gpt!, goldenOf("bpe-gpt2"));
});

test("texts are cut and filled up to a length as the reference does", () => {
  const tokenizer = tokenizerOf(JSON.parse(unpack("wordpiece.json.gz").toString()));
  interface Lengths {
    readonly truncated: (Truncation & { pair: [number, number]; ids: number[] })[];
    readonly padded: {
      length?: number;
      pad_to_multiple_of?: number;
      direction: "left" | "right";
      pad_id: number;
      pad_type_id: number;
      ids: number[][];
      mask: number[][];
      types: number[][];
    }[];
  }
  const lengths: Lengths = JSON.parse(unpack("lengths.json.gz").toString());
  for (const { pair, ids, ...truncation } of lengths.truncated) {
    const [a, b] = pair.map((at) => sentences[at]!) as [string, string];
    expect(tokenizer.encode([a, b], { truncation }).ids, JSON.stringify({ pair, ...truncation })).toEqual(ids);
  }
  for (const {
    ids,
    mask,
    types,
    length,
    pad_to_multiple_of: multiple,
    direction,
    pad_id: id,
    pad_type_id: typeId,
  } of lengths.padded) {
    const padding = {
      direction,
      id,
      typeId,
      ...(length !== undefined && { length }),
      ...(multiple !== undefined && { multiple }),
    };
    const batch = tokenizer.encodeBatch(sentences.slice(20, 24), { padding });
    expect(batch.map((each) => each.ids)).toEqual(ids);
    expect(batch.map((each) => each.mask)).toEqual(mask);
    expect(batch.map((each) => each.typeIds)).toEqual(types);
  }
});

test("hostile words take no longer than their length allows", () => {
  for (const name of ["wordpiece", "bpe-gpt2", "bpe-llama", "unigram", "precompiled"]) {
    const tokenizer = tokenizerOf(JSON.parse(unpack(`${name}.json.gz`).toString()));
    for (const word of ["ab".repeat(100_000), "the".repeat(70_000)]) {
      const start = performance.now();
      tokenizer.encode(word);
      expect(performance.now() - start, name).toBeLessThan(2000);
    }
  }
});

test("broken descriptions are refused with what is wrong", () => {
  const good = JSON.parse(unpack("bpe-llama.json.gz").toString());
  const broken: [string, Record<string, unknown>][] = [
    ["model", { model: null }],
    ["is not built", { normalizer: { type: "Strange" } }],
    ["merge 0", { model: { type: "BPE", vocab: { a: 0 }, merges: ["a b"] } }],
    ["id -1", { model: { type: "WordLevel", vocab: { a: -1 }, unk_token: "a" } }],
    ["repetition", { pre_tokenizer: { type: "Split", pattern: { Regex: "(a+)+$" }, behavior: "Isolated" } }],
    ["is no base64", { normalizer: { type: "Precompiled", precompiled_charsmap: "%%" } }],
    ["does not fit", { normalizer: { type: "Precompiled", precompiled_charsmap: "/////w==" } }],
  ];
  for (const [message, change] of broken) {
    expect(() => tokenizerOf({ ...good, ...change }), message).toThrow(FormatError);
    expect(() => tokenizerOf({ ...good, ...change })).toThrow(message);
  }
});
