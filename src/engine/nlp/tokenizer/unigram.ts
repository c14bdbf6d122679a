// Unigram: of all ways to cut a word the one with the highest sum of scores (Viterbi).

import { FormatError } from "../../../base/errors.ts";
import type { Config } from "../../import/transformer/config.ts";
import { byteTokens } from "./bpe.ts";
import type { TokenModel, Tokens } from "./model.ts";
import { Trie } from "./trie.ts";
import { Vocabulary } from "./vocabulary.ts";

/** How much worse than the worst piece a character is that no piece has. */
const unknownPenalty = 10;

export function unigram(config: Config): TokenModel {
  const list = config.json["vocab"];
  if (!Array.isArray(list)) throw new FormatError('tokenizer: "vocab" is no list');
  const vocabulary = new Vocabulary();
  const trie = new Trie();
  const scores = new Float64Array(list.length);
  const matched = config.json["unmatched_ids"];
  const hidden = new Set(Array.isArray(matched) ? matched : []);
  list.forEach((entry: unknown, id) => {
    const [token, score] = Array.isArray(entry) ? entry : [];
    if (typeof token !== "string" || typeof score !== "number" || !Number.isFinite(score)) {
      throw new FormatError(`tokenizer: entry ${id} of the vocabulary is no piece with its score`);
    }
    scores[id] = score;
    vocabulary.add(token, id);
    if (!hidden.has(id)) trie.insert(token, id);
  });
  const unknown = config.has("unk_id") ? config.number("unk_id") : undefined;
  if (unknown !== undefined && !(unknown >= 0 && unknown < list.length)) {
    throw new FormatError(`tokenizer: the unknown piece is ${unknown}, there are ${list.length}`);
  }
  const bytes = config.flag("byte_fallback", false) ? byteTokens(vocabulary) : undefined;
  /** sentencepiece adds in single precision. */
  const round = config.flag("single_precision", false) ? Math.fround : (value: number) => value;
  const least = scores.reduce((low, score, id) => (hidden.has(id) ? low : Math.min(low, score)), Infinity);
  const unknownScore = round((list.length === 0 ? 0 : least) - unknownPenalty);

  return {
    vocabulary,
    tokenize(word) {
      const size = word.length;
      const best = new Float64Array(size + 1);
      const starts = new Int32Array(size + 1).fill(-1);
      const ids = new Int32Array(size + 1);
      const offer = (from: number, to: number, id: number, score: number) => {
        if (starts[to]! >= 0 && score <= best[to]!) return;
        best[to] = score;
        starts[to] = from;
        ids[to] = id;
      };
      for (let at = 0; at < size;) {
        const width = word.codePointAt(at)! > 0xffff ? 2 : 1;
        const here = best[at]!;
        let single = false;
        let node = 0;
        for (let i = at; i < size;) {
          node = trie.child(node, word.charCodeAt(i++));
          if (node < 0) break;
          const id = trie.value(node);
          if (id < 0) continue;
          offer(at, i, id, round(scores[id]! + here));
          if (i === at + width) single = true;
        }
        if (!single) {
          if (unknown === undefined) throw new FormatError("tokenizer: text has a character that no piece has");
          offer(at, at + width, unknown, round(unknownScore + here));
        }
        at += width;
      }
      const result: Tokens = { ids: [], from: [], to: [] };
      for (let end = size; end > 0;) {
        const id = ids[end]!;
        let from = starts[end]!;
        // Unknown characters side by side are one token.
        if (id === unknown) while (from > 0 && ids[from] === unknown) from = starts[from]!;
        const spelled = id === unknown ? (vocabulary.id(word.slice(from, end)) ?? bytes?.(word.slice(from, end))) : id;
        const found = spelled === undefined ? [id] : typeof spelled === "number" ? [spelled] : spelled;
        for (const each of found.toReversed()) {
          result.ids.push(each);
          result.from.push(from);
          result.to.push(end);
        }
        end = from;
      }
      result.ids.reverse();
      result.from.reverse();
      result.to.reverse();
      return result;
    },
  };
}
