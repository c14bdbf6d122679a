// Tokenizers from sentencepiece's own model files. Source: sentencepiece_model.proto, normalizer.cc, bpe_model.cc.

import { FormatError, UnsupportedFormat } from "../../../base/errors.ts";
import {
  bool,
  bytes,
  decode,
  enumeration,
  float,
  int32,
  message,
  optional,
  repeated,
  string,
} from "../../../formats/protobuf.ts";
import { Config } from "../../import/transformer/config.ts";
import { type AddedToken, AddedTokens } from "./added.ts";
import { type Aligned, Edit } from "./aligned.ts";
import { Charsmap } from "./charsmap.ts";
import { decoders } from "./decoders.ts";
import { type TokenModel, tokenModelOf } from "./model.ts";
import type { Normalizer } from "./normalizers.ts";
import type { PreTokenizer } from "./pretokenizers.ts";
import { split } from "./pretokenizers.ts";
import { plainTemplate, type PostProcessor } from "./template.ts";
import { Tokenizer } from "./tokenizer.ts";

const pieceTypes = { normal: 1, unknown: 2, control: 3, user: 4, unused: 5, byte: 6 } as const;
const modelTypes = { unigram: 1, bpe: 2, word: 3, character: 4 } as const;

const Piece = message({ piece: [1, string], score: [2, float], type: [3, optional(enumeration(pieceTypes))] });
const TrainerSpec = message({
  modelType: [3, optional(enumeration(modelTypes))],
  whitespaceAsSuffix: [24, bool],
  byteFallback: [35, bool],
  unknownId: [40, optional(int32)],
  unknownSurface: [44, optional(string)],
});
const NormalizerSpec = message({
  charsmap: [2, bytes],
  dummyPrefix: [3, optional(bool)],
  removeExtraSpaces: [4, optional(bool)],
  escapeSpaces: [5, optional(bool)],
});
const ModelProto = message({
  pieces: [1, repeated(Piece)],
  trainer: [2, TrainerSpec],
  normalizer: [3, NormalizerSpec],
});

const space = "▁";
/** Longer pieces are not looked for: trainers make pieces of some 16 characters. */
const longestMerged = 256;

export interface SentencePieceOptions {
  /** Names of pieces put around a text. */
  readonly begin?: readonly string[];
  readonly end?: readonly string[];
}

/** A tokenizer from a sentencepiece model. Throws FormatError. */
export function sentencePiece(file: Uint8Array, options: SentencePieceOptions = {}): Tokenizer {
  const { pieces, trainer, normalizer } = decode(ModelProto, file, "sentencepiece model");
  if (pieces.length === 0) throw new FormatError("sentencepiece model: has no pieces");
  if (trainer?.whitespaceAsSuffix) throw new UnsupportedFormat("sentencepiece model: spaces as suffixes are not built");
  const typeOf = (id: number) => pieces[id]!.type ?? pieceTypes.normal;
  const idsOf = (type: number) => pieces.flatMap((_, id) => (typeOf(id) === type ? [id] : []));
  const user = idsOf(pieceTypes.user).map((id): AddedToken => addedToken(id, pieces[id]!.piece, false));
  const unknown = idsOf(pieceTypes.unknown)[0];
  const prefix = normalizer?.dummyPrefix ?? true;
  const parts = { pieces, typeOf, unknown, byteFallback: trainer?.byteFallback ?? false };
  const modelType = trainer?.modelType ?? modelTypes.unigram;
  if (modelType !== modelTypes.unigram && modelType !== modelTypes.bpe) {
    throw new UnsupportedFormat(`sentencepiece model: models of type ${modelType} (words, characters) are not built`);
  }
  const model = modelType === modelTypes.unigram ? unigramModel(parts) : bpeModel(parts);
  // In Unigram models the sums run over the whole text, in single precision: cutting it could change the last bit.
  const inner =
    modelType === modelTypes.unigram ||
    pieces.some(({ piece }, id) => typeOf(id) === pieceTypes.normal && piece.indexOf(space, 1) > 0);
  const placeIds = (names: readonly string[] = []) =>
    names.flatMap((name) => {
      const id = model.vocabulary.id(name);
      return id === undefined ? [] : [{ ids: [id], typeId: 0 }];
    });
  const [begin, end] = [placeIds(options.begin), placeIds(options.end)];
  const postprocessor: PostProcessor = {
    single: [...begin, { sequence: 0, typeId: 0 }, ...end],
    pair: [...begin, { sequence: 0, typeId: 0 }, ...end, { sequence: 1, typeId: 0 }, ...end],
    trim: undefined,
  };
  const control = [...idsOf(pieceTypes.control), ...(unknown === undefined ? [] : [unknown])];
  return new Tokenizer({
    normalizer: normalizerOf(normalizer, prefix),
    pretokenizer: cutting(user, { words: !inner }),
    model: withUser(model, user),
    postprocessor: begin.length + end.length > 0 ? postprocessor : plainTemplate,
    decoder: (tokens) => {
      const surface = trainer?.unknownSurface ?? " ⁇ ";
      const name = unknown === undefined ? undefined : pieces[unknown]!.piece;
      const spelled = decoders.ByteFallback()(tokens.map((token) => (token === name ? surface : token)));
      const text = spelled.join("").replaceAll(space, " ");
      return [prefix && text.startsWith(" ") && !text.startsWith(surface) ? text.slice(1) : text];
    },
    added: control.map((id) => ({ ...addedToken(id, pieces[id]!.piece, id !== unknown), hidden: true })),
  });
}

function addedToken(id: number, content: string, special: boolean): AddedToken {
  return { id, content, singleWord: false, left: false, right: false, normalized: false, special };
}

interface Pieces {
  readonly pieces: readonly { readonly piece: string; readonly score: number }[];
  typeOf(id: number): number;
  readonly unknown: number | undefined;
  readonly byteFallback: boolean;
}

function unigramModel({ pieces, typeOf, unknown, byteFallback }: Pieces): TokenModel {
  const matched: readonly number[] = [pieceTypes.normal, pieceTypes.user, pieceTypes.unused];
  const json = {
    type: "Unigram",
    vocab: pieces.map(({ piece, score }) => [piece, score]),
    unmatched_ids: pieces.flatMap((_, id) => (matched.includes(typeOf(id)) ? [] : [id])),
    byte_fallback: byteFallback,
    single_precision: true,
    unk_id: unknown ?? null,
  };
  return tokenModelOf(new Config(json, "sentencepiece model"));
}

/** Every way to cut a piece in two known ones is a merge; the piece's score says how early. */
function bpeModel({ pieces, typeOf, unknown, byteFallback }: Pieces): TokenModel {
  const vocab = Object.fromEntries(pieces.map(({ piece }, id) => [piece, id]));
  const normal = pieces.flatMap(({ piece }, id) => (typeOf(id) === pieceTypes.normal ? [{ piece, id }] : []));
  const known = new Set(normal.map(({ piece }) => piece));
  const merges = normal
    .toSorted((a, b) => pieces[b.id]!.score - pieces[a.id]!.score || a.id - b.id)
    .flatMap(({ piece }) => {
      const cuts: [string, string][] = [];
      if (piece.length > longestMerged) return cuts;
      for (let at = 1; at < piece.length; at++) {
        const [left, right] = [piece.slice(0, at), piece.slice(at)];
        if (known.has(left) && known.has(right)) cuts.push([left, right]);
      }
      return cuts;
    });
  const json = {
    type: "BPE",
    vocab,
    merges,
    fuse_unk: true,
    byte_fallback: byteFallback,
    unk_token: unknown === undefined ? null : pieces[unknown]!.piece,
  };
  return tokenModelOf(new Config(json, "sentencepiece model"));
}

/** Pieces that users defined are never cut. */
function withUser(model: TokenModel, user: readonly AddedToken[]): TokenModel {
  if (user.length === 0) return model;
  const ids = new Map(user.map(({ content, id }) => [content, id] as const));
  return {
    vocabulary: model.vocabulary,
    tokenize(word) {
      const id = ids.get(word);
      return id === undefined ? model.tokenize(word) : { ids: [id], from: [0], to: [word.length] };
    },
  };
}

/** Cuts at the users' pieces, and before each space where no piece goes over one: words can then be remembered. */
function cutting(user: readonly AddedToken[], { words }: { words: boolean }): PreTokenizer {
  const pieces = new AddedTokens(user);
  return (text) =>
    pieces
      .split(text)
      .flatMap((segment) => (segment.token || !words ? [segment.text] : split(segment.text, /▁/g, "MergedWithNext")));
}

function normalizerOf(
  spec: { charsmap: Uint8Array; removeExtraSpaces: boolean | undefined; escapeSpaces: boolean | undefined } | undefined,
  prefix: boolean,
): Normalizer {
  const map = spec && spec.charsmap.length > 0 ? new Charsmap(spec.charsmap) : undefined;
  const remove = spec?.removeExtraSpaces ?? true;
  const sign = (spec?.escapeSpaces ?? true) ? space : " ";
  return (text) => {
    let x = map ? map.byLongest(text) : text;
    if (remove) x = withoutExtraSpaces(x);
    if (x.length === 0) return x;
    if (prefix) x = x.prepended(" ");
    return x.withText(x.text.replaceAll(" ", sign));
  };
}

/** One space between words, none at the ends. */
function withoutExtraSpaces(text: Aligned): Aligned {
  const edit = new Edit(text);
  const end = text.text.replace(/ +$/, "").length;
  let done = 0;
  for (const match of text.text.slice(0, end).matchAll(/^ +| {2,}/g)) {
    edit.keep(done, match.index + (match.index === 0 ? 0 : 1));
    done = match.index + match[0].length;
  }
  edit.keep(done, end);
  return edit.finish();
}
