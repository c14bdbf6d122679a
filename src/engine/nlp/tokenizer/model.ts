// What turns a word into tokens: the models WordPiece, BPE, Unigram and WordLevel, and the cache before them.

import { UnsupportedFormat } from "../../../base/errors.ts";
import type { Config } from "../../import/transformer/config.ts";
import { bpe } from "./bpe.ts";
import { unigram } from "./unigram.ts";
import type { Vocabulary } from "./vocabulary.ts";
import { wordLevel, wordPiece } from "./wordpiece.ts";

/** Tokens of one word: ids, and the range of UTF-16 units of each. */
export interface Tokens {
  readonly ids: number[];
  readonly from: number[];
  readonly to: number[];
}

export interface TokenModel {
  readonly vocabulary: Vocabulary;
  tokenize(word: string): Tokens;
}

/** Every model by its name in tokenizer.json. */
export const tokenModels = {
  WordPiece: wordPiece,
  BPE: bpe,
  Unigram: unigram,
  WordLevel: wordLevel,
} as const satisfies Record<string, (config: Config) => TokenModel>;

/** Older files do not say what their model is: its fields tell. */
function typeOf({ json }: Config): string {
  if (typeof json["type"] === "string") return json["type"];
  if ("merges" in json) return "BPE";
  if (Array.isArray(json["vocab"])) return "Unigram";
  return "continuing_subword_prefix" in json ? "WordPiece" : "WordLevel";
}

/** The model that a part of tokenizer.json describes. Throws FormatError. */
export function tokenModelOf(config: Config): TokenModel {
  const type = typeOf(config);
  const make = Object.hasOwn(tokenModels, type) ? tokenModels[type as keyof typeof tokenModels] : undefined;
  if (!make) throw new UnsupportedFormat(`tokenizer: the model "${type}" is not built`);
  return cached(make(config));
}

/** Words that are remembered, and how long such a word may be. */
const cacheSize = 30_000;
const cachedLength = 48;

function cached(model: TokenModel): TokenModel {
  const known = new Map<string, Tokens>();
  return {
    vocabulary: model.vocabulary,
    tokenize(word) {
      const before = known.get(word);
      if (before) return before;
      const tokens = model.tokenize(word);
      if (word.length <= cachedLength) {
        if (known.size >= cacheSize) known.clear();
        known.set(word, tokens);
      }
      return tokens;
    },
  };
}
