// A tokenizer: text to ids and back, as tokenizer.json describes it. Source: the `tokenizers` library's format 1.0.

import { FormatError } from "../../../base/errors.ts";
import { Config } from "../../import/transformer/config.ts";
import { type AddedToken, addedTokenOf, AddedTokens } from "./added.ts";
import { Aligned } from "./aligned.ts";
import { type Decoder, decoderOf } from "./decoders.ts";
import { emptyEncoding, type Encoding, pad, type Padding, part, truncate, type Truncation } from "./encoding.ts";
import { type TokenModel, tokenModelOf } from "./model.ts";
import { type Normalizer, normalizerOf } from "./normalizers.ts";
import { partOf, type PreTokenizer, pretokenizerOf } from "./pretokenizers.ts";
import { addedCount, assemble, plainTemplate, type PostProcessor, postprocessorOf, trimOffsets } from "./template.ts";
import { wellFormed } from "./unicode.ts";

export type { Encoding, Padding, Truncation };

export interface EncodeOptions {
  /** Special tokens around the text; true when absent. */
  readonly special?: boolean;
  readonly truncation?: Truncation;
}

/** A text, or two that the model takes together. */
export type TextInput = string | readonly [first: string, second: string];

/** The components of a tokenizer. */
export interface Parts {
  readonly normalizer?: Normalizer | undefined;
  readonly pretokenizer?: PreTokenizer | undefined;
  readonly model: TokenModel;
  readonly postprocessor?: PostProcessor | undefined;
  readonly decoder?: Decoder | undefined;
  readonly added: readonly AddedToken[];
  readonly truncation?: Truncation | undefined;
  readonly padding?: Padding | undefined;
}

export class Tokenizer {
  private readonly parts: Parts;
  private readonly template: PostProcessor;
  private readonly verbatim: AddedTokens;
  private readonly normalized: AddedTokens;
  private readonly addedById: ReadonlyMap<number, AddedToken>;
  private readonly addedByContent: ReadonlyMap<string, AddedToken>;

  constructor(parts: Parts) {
    this.parts = parts;
    this.template = parts.postprocessor ?? plainTemplate;
    const { added, normalizer } = parts;
    this.verbatim = new AddedTokens(added.filter(({ normalized, hidden }) => !normalized && !hidden));
    this.normalized = new AddedTokens(
      added.filter(({ normalized }) => normalized),
      (content) => (normalizer ? normalizer(new Aligned(content)).text : content),
    );
    this.addedById = new Map(added.map((token) => [token.id, token]));
    this.addedByContent = new Map(added.map((token) => [token.content, token]));
  }

  /** Ids are below this. */
  get size(): number {
    return this.parts.added.reduce((most, { id }) => Math.max(most, id + 1), this.parts.model.vocabulary.size);
  }

  /** A token's id; undefined when it is not known. */
  id(token: string): number | undefined {
    return this.addedByContent.get(token)?.id ?? this.parts.model.vocabulary.id(token);
  }

  /** The token of an id; undefined when there is none. */
  token(id: number): string | undefined {
    return this.addedById.get(id)?.content ?? this.parts.model.vocabulary.token(id);
  }

  isSpecial(id: number): boolean {
    return this.addedById.get(id)?.special ?? false;
  }

  /** How many special tokens are put around one text, or two. */
  specialCount(pair = false): number {
    return addedCount(pair ? this.template.pair : this.template.single);
  }

  /** Tokens of a text alone: nothing added, nothing cut. */
  tokens(text: string): Encoding {
    const result = emptyEncoding();
    const { normalizer, pretokenizer, model } = this.parts;
    let word = 0;
    const put = (id: number, start: number, end: number) => {
      result.ids.push(id);
      result.typeIds.push(0);
      result.starts.push(start);
      result.ends.push(end);
      result.words.push(word);
      result.sequences.push(0);
      result.mask.push(1);
    };
    const putToken = (token: AddedToken, at: Aligned) => {
      put(token.id, ...at.range(0, at.length));
      word++;
    };
    for (const segment of this.verbatim.split(new Aligned(wellFormed(text)))) {
      if (segment.token) {
        putToken(segment.token, segment.text);
        continue;
      }
      const normal = normalizer ? normalizer(segment.text) : segment.text;
      for (const inner of this.normalized.split(normal)) {
        if (inner.token) {
          putToken(inner.token, inner.text);
          continue;
        }
        if (inner.text.length === 0) continue;
        for (const piece of pretokenizer ? pretokenizer(inner.text) : [inner.text]) {
          if (piece.length === 0) continue;
          const { ids, from, to } = model.tokenize(piece.text);
          for (let i = 0; i < ids.length; i++) put(ids[i]!, ...piece.range(from[i]!, to[i]!));
          word++;
        }
      }
    }
    const { trim } = this.template;
    if (trim) trimOffsets(result, (id) => this.token(id) ?? "", trim);
    return result;
  }

  /** Special tokens around one or two tokenised texts. */
  around(first: Encoding, second?: Encoding): Encoding {
    return second ? assemble(this.template.pair, [first, second]) : assemble(this.template.single, [first]);
  }

  encode(input: TextInput, { special = true, truncation = this.parts.truncation }: EncodeOptions = {}): Encoding {
    const [one, two] = typeof input === "string" ? [input] : input;
    let first = this.tokens(one);
    let second = two === undefined ? undefined : this.tokens(two);
    if (truncation) {
      const room = truncation.length - (special ? this.specialCount(second !== undefined) : 0);
      [first, second] = truncate(first, second, Math.max(0, room), truncation);
    }
    if (special) return this.around(first, second);
    return second ? assemble(plainTemplate.pair, [first, second]) : first;
  }

  /** Several texts, filled up to one length. */
  encodeBatch(inputs: readonly TextInput[], options: EncodeOptions & { padding?: Padding } = {}): Encoding[] {
    const encodings = inputs.map((input) => this.encode(input, options));
    const padding = options.padding ?? this.parts.padding;
    return padding ? pad(encodings, padding) : encodings;
  }

  /**
   * A text in windows of at most `length` tokens, each with `stride` tokens of the one before; with a first text that
   * stands in front of each (a question before its context).
   */
  windows(text: string, { length, stride, before }: { length: number; stride: number; before?: string }): Encoding[] {
    const first = before === undefined ? undefined : this.tokens(before);
    const all = this.tokens(text);
    const room = length - this.specialCount(first !== undefined) - (first?.ids.length ?? 0);
    if (room < 1) throw new FormatError(`tokenizer: ${first?.ids.length ?? 0} tokens leave no room in ${length}`);
    const step = room > stride ? room - stride : room;
    const windows: Encoding[] = [];
    for (let from = 0; ; from += step) {
      const window = part(all, from, from + room);
      windows.push(first ? this.around(first, window) : this.around(window));
      if (from + room >= all.ids.length) return windows;
    }
  }

  /** Text of tokens; special ones are left out unless wanted. */
  decode(ids: readonly number[], { special = false } = {}): string {
    const tokens = ids
      .filter((id) => special || !this.isSpecial(id))
      .map((id) => this.token(id))
      .filter((token) => token !== undefined);
    const { decoder } = this.parts;
    return decoder ? decoder(tokens).join("") : tokens.join(" ");
  }
}

function truncationOf(config: Config | undefined): Truncation | undefined {
  if (!config) return undefined;
  const strategies = { LongestFirst: "longest-first", OnlyFirst: "only-first", OnlySecond: "only-second" } as const;
  const strategy = strategies[config.text("strategy", "LongestFirst") as keyof typeof strategies];
  const direction = config.text("direction", "Right") === "Left" ? "left" : "right";
  return { length: config.size("max_length"), direction, ...(strategy && { strategy }) };
}

function paddingOf(config: Config | undefined): Padding | undefined {
  if (!config) return undefined;
  const fixed = config.within("strategy")?.size("Fixed");
  return {
    ...(fixed !== undefined && { length: fixed }),
    ...(config.has("pad_to_multiple_of") && { multiple: config.size("pad_to_multiple_of") }),
    direction: config.text("direction", "Right") === "Left" ? "left" : "right",
    id: config.number("pad_id", 0),
    typeId: config.number("pad_type_id", 0),
  };
}

/** A tokenizer from what a tokenizer.json says. Throws FormatError. */
export function tokenizerOf(json: Readonly<Record<string, unknown>>): Tokenizer {
  const config = new Config(json, "tokenizer");
  const model = partOf(config, "model");
  if (!model) throw new FormatError('tokenizer: "model" is missing');
  const one = <T>(name: string, make: (config: Config) => T): T | undefined => {
    const described = partOf(config, name);
    return described && make(described);
  };
  return new Tokenizer({
    model: tokenModelOf(model),
    normalizer: one("normalizer", normalizerOf),
    pretokenizer: one("pre_tokenizer", pretokenizerOf),
    postprocessor: one("post_processor", postprocessorOf),
    decoder: one("decoder", decoderOf),
    added: config.has("added_tokens") ? config.objects("added_tokens").map(addedTokenOf) : [],
    truncation: truncationOf(partOf(config, "truncation")),
    padding: paddingOf(partOf(config, "padding")),
  });
}
