// Tokenizers from the files that come with a model, whatever their kind.

import { CerebroError, FormatError } from "../../../base/errors.ts";
import { utf8 } from "../../../base/text.ts";
import { isObject, parseObject } from "../../../base/json.ts";
import { Config } from "../../import/transformer/config.ts";
import { sentencePiece, type SentencePieceOptions } from "./sentencepiece.ts";
import { type Tokenizer, tokenizerOf } from "./tokenizer.ts";

type Json = Readonly<Record<string, unknown>>;

/** Gives a file by name; undefined when there is none. */
export type Files = (name: string) => Uint8Array | undefined;

const pieceFiles = ["spiece.model", "tokenizer.model", "sentencepiece.bpe.model"];

/** The tokenizer of a directory as Transformers saves it; undefined when it has none. Throws FormatError. */
export function tokenizerFrom(files: Files, modelType = ""): Tokenizer | undefined {
  const whole = files("tokenizer.json");
  if (whole) return tokenizerOf(parseObject(whole, "tokenizer.json"));
  const settings = readJson(files, "tokenizer_config.json") ?? {};
  for (const name of pieceFiles) {
    const bytes = files(name);
    if (bytes) return sentencePiece(bytes, pieceOptions(modelType));
  }
  const [vocab, merges] = [files("vocab.json"), files("merges.txt")];
  if (vocab && merges) return byteLevel(parseObject(vocab, "vocab.json"), utf8(merges), settings, modelType);
  const words = files("vocab.txt");
  return words ? bert(utf8(words), settings) : undefined;
}

/** Made once for the same bytes. */
const made = new WeakMap<Uint8Array, Tokenizer>();

/** A tokenizer from one file: tokenizer.json, a sentencepiece model or vocab.txt, told apart by content. */
export function tokenizerFile(bytes: Uint8Array, name: string): Tokenizer {
  const before = made.get(bytes);
  if (before) return before;
  const tokenizer = fromContent(bytes, name);
  made.set(bytes, tokenizer);
  return tokenizer;
}

function fromContent(bytes: Uint8Array, name: string): Tokenizer {
  // A sentencepiece model begins with its first piece: field 1, a message.
  if (bytes[0] === 0x0a && bytes.includes(0)) return sentencePiece(bytes);
  if (/^\s*\{/.test(utf8(bytes.subarray(0, 64)))) return tokenizerOf(parseObject(bytes, name));
  const text = utf8(bytes);
  if (/^\[(?:PAD|UNK|CLS)\]$/m.test(text)) return bert(text, {});
  throw new FormatError(`${name}: is no tokenizer`, {
    hint: "known are tokenizer.json, sentencepiece models, vocab.txt",
  });
}

/** As tokenizerFrom, of a model's attachments; an error when there is none. */
export function tokenizerOfModel(model: {
  readonly name: string;
  readonly attachments: ReadonlyMap<string, Uint8Array>;
  readonly metadata: ReadonlyMap<string, string>;
}): Tokenizer {
  const found = tokenizerFrom((name) => model.attachments.get(name), model.metadata.get("architecture"));
  if (found) return found;
  throw new CerebroError("not-found", `${model.name}: has no tokenizer`, {
    hint: "put tokenizer.json, vocab.txt, or vocab.json with merges.txt, beside config.json",
  });
}

function readJson(files: Files, name: string): Json | undefined {
  const bytes = files(name);
  return bytes && parseObject(bytes, name);
}

/** A token's text, which may stand alone or in an object. */
function contentOf(value: unknown, otherwise: string): string {
  if (isObject(value)) return contentOf(value["content"], otherwise);
  return typeof value === "string" ? value : otherwise;
}

function special(id: number | undefined, content: string, options: { lstrip?: boolean } = {}): Json[] {
  return id === undefined ? [] : [{ id, content, special: true, normalized: false, ...options }];
}

/** BERT's vocab.txt: one token a line. */
function bert(text: string, settings: Json): Tokenizer {
  const lines = text.replace(/\r?\n$/, "").split(/\r?\n/);
  const vocab = Object.fromEntries(lines.map((token, id) => [token, id]));
  const config = new Config(settings, "tokenizer_config.json");
  const name = (role: string, otherwise: string) => contentOf(settings[role], otherwise);
  const [unknown, end, padding, begin, mask] = [
    name("unk_token", "[UNK]"),
    name("sep_token", "[SEP]"),
    name("pad_token", "[PAD]"),
    name("cls_token", "[CLS]"),
    name("mask_token", "[MASK]"),
  ];
  const lowercase = config.flag("do_lower_case", true);
  const both = [begin, end].every((token) => vocab[token] !== undefined);
  return tokenizerOf({
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: config.flag("tokenize_chinese_chars", true),
      strip_accents: settings["strip_accents"] ?? null,
      lowercase,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: both ? { type: "BertProcessing", sep: [end, vocab[end]], cls: [begin, vocab[begin]] } : null,
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: { type: "WordPiece", vocab, unk_token: unknown, continuing_subword_prefix: "##" },
    added_tokens: [padding, unknown, begin, end, mask].flatMap((token) => special(vocab[token], token)),
  });
}

/** The byte-level vocab.json and merges.txt of GPT-2, and of RoBERTa with its special tokens around a text. */
function byteLevel(vocab: Json, text: string, settings: Json, modelType: string): Tokenizer {
  const merges = text.split(/\r?\n/).filter((line) => line !== "" && !line.startsWith("#version"));
  const id = (token: string) => (typeof vocab[token] === "number" ? vocab[token] : undefined);
  const config = new Config(settings, "tokenizer_config.json");
  const prefix = config.flag("add_prefix_space", false);
  const around =
    modelType === "roberta" || contentOf(settings["tokenizer_class"], "").startsWith("Roberta")
      ? [contentOf(settings["cls_token"], "<s>"), contentOf(settings["sep_token"], "</s>")]
      : [];
  const [begin, end] = around;
  const known = ["<s>", "<pad>", "</s>", "<unk>", "<|endoftext|>"].flatMap((token) => special(id(token), token));
  return tokenizerOf({
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: prefix, use_regex: true },
    post_processor:
      begin !== undefined && end !== undefined
        ? {
            type: "RobertaProcessing",
            sep: [end, id(end)],
            cls: [begin, id(begin)],
            add_prefix_space: prefix,
            trim_offsets: true,
          }
        : { type: "ByteLevel", trim_offsets: false },
    decoder: { type: "ByteLevel" },
    model: { type: "BPE", vocab, merges },
    added_tokens: [...known, ...special(id("<mask>"), "<mask>", { lstrip: true })],
  });
}

/** What architectures put around a text whose tokenizer is a sentencepiece model. Vocabularies that are shifted are refused. */
function pieceOptions(modelType: string): SentencePieceOptions {
  if (["t5", "mt5", "pegasus"].includes(modelType)) return { end: ["</s>"] };
  if (["albert", "xlnet"].includes(modelType)) return { begin: ["[CLS]"], end: ["[SEP]"] };
  if (["llama", "mistral", "gemma"].includes(modelType)) return { begin: ["<s>"] };
  if (["xlm-roberta", "camembert", "mbart", "roberta"].includes(modelType)) {
    throw new FormatError(`the ids of ${modelType} are not those of its sentencepiece model`, {
      hint: "save its tokenizer.json beside it",
    });
  }
  return {};
}
