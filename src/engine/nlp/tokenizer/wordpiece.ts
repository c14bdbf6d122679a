// WordPiece: the longest known piece first, again and again. And WordLevel: whole words.

import { FormatError } from "../../../base/errors.ts";
import type { Config } from "../../import/transformer/config.ts";
import type { TokenModel, Tokens } from "./model.ts";
import { Trie } from "./trie.ts";
import { Vocabulary } from "./vocabulary.ts";

const one = (id: number, length: number): Tokens => ({ ids: [id], from: [0], to: [length] });

export function wordPiece(config: Config): TokenModel {
  const vocabulary = Vocabulary.of(config.json["vocab"]);
  const prefix = config.text("continuing_subword_prefix", "##");
  const limit = config.size("max_input_chars_per_word", 100);
  const unknownToken = config.text("unk_token", "[UNK]");
  const unknown = vocabulary.id(unknownToken);
  const trie = new Trie();
  for (const [token, id] of vocabulary.ids) trie.insert(token, id);
  const inner = trie.find(prefix);
  return {
    vocabulary,
    tokenize(word) {
      const unknownWord = () => {
        if (unknown === undefined) throw new FormatError(`tokenizer: the unknown token ${unknownToken} has no id`);
        return one(unknown, word.length);
      };
      if (word.length > limit && characterCount(word) > limit) return unknownWord();
      const tokens: Tokens = { ids: [], from: [], to: [] };
      for (let at = 0; at < word.length;) {
        let node = at === 0 ? 0 : inner;
        let end = 0;
        let id = -1;
        for (let i = at; i < word.length && node >= 0;) {
          node = trie.child(node, word.charCodeAt(i++));
          if (node < 0 || trie.value(node) < 0) continue;
          id = trie.value(node);
          end = i;
        }
        if (id < 0) return unknownWord();
        tokens.ids.push(id);
        tokens.from.push(at);
        tokens.to.push(end);
        at = end;
      }
      return tokens;
    },
  };
}

function characterCount(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

export function wordLevel(config: Config): TokenModel {
  const vocabulary = Vocabulary.of(config.json["vocab"]);
  const unknown = vocabulary.id(config.text("unk_token", "<unk>"));
  return {
    vocabulary,
    tokenize(word) {
      const id = vocabulary.id(word) ?? unknown;
      if (id === undefined) throw new FormatError("tokenizer: the unknown token has no id");
      return one(id, word.length);
    },
  };
}
