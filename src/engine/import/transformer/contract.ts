// What those who use transformers have to know beyond a model's signatures: the task, its labels, and how to generate.

import type { Model } from "../../model.ts";

export type TaskName =
  | "features"
  | "sentence-embedding"
  | "sequence-classification"
  | "token-classification"
  | "question-answering"
  | "masked-lm"
  /** One number a token: was it replaced? (ELECTRA's discriminator) */
  | "replaced-token-detection"
  | "text-generation"
  | "text-to-text"
  | "image-classification"
  | "image-features";

export interface Task {
  readonly name: TaskName;
  /** By class index; empty when the task has no classes. "LABEL_0" and so on when the configuration has no names. */
  readonly labels: readonly string[];
  /** "multi_label_classification": classes are independent (sigmoid instead of softmax); "regression": numbers. */
  readonly problem: string | undefined;
  /** Most tokens of one input, special ones included; undefined when there is no limit or no text. */
  readonly maximumLength: number | undefined;
  /** For images: rows and columns that the network wants. */
  readonly imageSize: readonly [number, number] | undefined;
}

/**
 * How to generate with a decoder. All logits are f32.
 *
 * - "default": `input_ids` i32 [batch, sequence] -> `logits` [batch, sequence, vocabulary]. Without a cache.
 * - "prefill": `input_ids` i32 [batch, sequence], `length` i32 [] -> `logits` [batch, vocabulary] of token length - 1.
 *   The sequence may be padded at its end with any token up to a convenient length, so that few programs are compiled.
 * - "decode": `input_ids` i32 [batch, tokens], `position` i32 [] -> `logits` [batch, vocabulary] of the last token.
 *   `position` counts the tokens before these: after a prefill of length n it is n, then n + 1, and so on. With
 *   several tokens (a follow-up, not padded) all of them are appended.
 *
 * The caches are states of "prefill" and "decode" under the same names: a Session carries them over. Prefill begins
 * anew. position + tokens must not exceed `cacheLength`. Batch must be the same in both.
 */
export interface CausalGeneration {
  readonly kind: "causal";
  readonly vocabulary: number;
  /** Tokens that the network was made for. */
  readonly maximumLength: number;
  /** Tokens that the caches hold: never more than maximumLength. */
  readonly cacheLength: number;
  readonly startToken: number | undefined;
  readonly endTokens: readonly number[];
  readonly padToken: number | undefined;
  /** What the first generated token has to be ("forced_bos_token_id"), and the last one allowed ("forced_eos_token_id"). */
  readonly forcedFirst: number | undefined;
  readonly forcedLast: number | undefined;
}

/**
 * How to generate with an encoder and a decoder. All logits are f32.
 *
 * - "default": `input_ids` i32 [batch, sequence], `attention_mask` i32 [batch, sequence], `decoder_input_ids` i32
 *   [batch, target] -> `logits` [batch, target, vocabulary], `encoder_last_hidden_state`.
 * - "encode": `input_ids`, `attention_mask` -> `last_hidden_state` [batch, sequence, width]; fills the states that
 *   "decode" attends to. At most `cacheLength` tokens; padding at the end is masked.
 * - "decode": `decoder_input_ids` i32 [batch, 1], `position` i32 [] -> `logits` [batch, vocabulary]. Position 0 takes
 *   the start token. A Session carries the states from "encode"; another "encode" begins the next text.
 */
export interface EncoderDecoderGeneration extends Omit<CausalGeneration, "kind"> {
  readonly kind: "encoder-decoder";
}

export type Generation = CausalGeneration | EncoderDecoderGeneration;

/** Defaults of generation_config.json that were read; all others are left to the caller. */
export interface TransformerModel extends Model {
  readonly format: "transformer";
  readonly task: Task;
  readonly generation: Generation | undefined;
  /** config.json as it is. */
  readonly config: Readonly<Record<string, unknown>>;
}

export function isTransformer(model: Model): model is TransformerModel {
  return model.format === "transformer";
}
