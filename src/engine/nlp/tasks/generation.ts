// Text generation: decoders with their caches, and encoders with decoders.

import { CerebroError } from "../../../base/errors.ts";
import { fromNumbers, scalar, type Tensor } from "../../hlo/tensor.ts";
import type { CausalGeneration, EncoderDecoderGeneration } from "../../import/transformer/contract.ts";
import type { Session } from "../../session.ts";
import { sampler, type SamplingOptions } from "./sampling.ts";
import { TextStream } from "./stream.ts";
import { sharedLength, type TextModel } from "./textmodel.ts";

export interface TokenOptions extends SamplingOptions {
  /** Most tokens that are made; 64 when absent. */
  readonly maxTokens?: number;
  /** Tokens that end the text; the model's own when absent. */
  readonly endTokens?: readonly number[];
}

export interface GenerateOptions extends TokenOptions {
  /** Words that end the text; they are not part of it. */
  readonly stop?: readonly string[];
  /** Called with each piece of text as soon as it is certain. */
  onText?(piece: string): void;
}

export interface Generated {
  readonly text: string;
  readonly tokens: readonly number[];
  /** Why it ended: an end token, a stop word, or the number of tokens. */
  readonly reason: "end" | "stop" | "length";
}

const usualTokens = 64;
const row = (logits: Tensor | undefined) => logits!.data as Float32Array;
const tokens = (ids: readonly number[]) => fromNumbers("i32", [1, ids.length], ids);

/** A list that is filled up to a length with its first element. */
const filled = (ids: readonly number[], length: number) => Array.from({ length }, (_, i) => ids[i] ?? ids[0]!);

/** The tokens that follow a prompt, one after another; an end token is the last one when it comes. */
export function* causalTokens(
  session: Session,
  generation: CausalGeneration,
  given: readonly number[],
  options: TokenOptions = {},
): Generator<number> {
  const { maxTokens = usualTokens, endTokens = generation.endTokens } = options;
  const prompt = given.length > 0 || generation.startToken === undefined ? given : [generation.startToken];
  if (prompt.length === 0) throw new CerebroError("usage", "the text to go on from is empty");
  if (prompt.length >= generation.cacheLength) {
    throw new CerebroError("limit", `the text has ${prompt.length} tokens, the model takes ${generation.cacheLength}`);
  }
  const choose = sampler(options);
  const all = [...prompt];
  const length = Math.min(generation.cacheLength, sharedLength(prompt.length));
  const inputs = { input_ids: tokens(filled(prompt, length)), length: scalar("i32", prompt.length) };
  let { logits } = session.run(inputs, { signature: "prefill" });
  for (let made = 1; made <= maxTokens; made++) {
    const token = choose(row(logits), all);
    all.push(token);
    yield token;
    if (endTokens.includes(token) || made === maxTokens || all.length >= generation.cacheLength) return;
    const step = { input_ids: tokens([token]), position: scalar("i32", all.length - 1) };
    ({ logits } = session.run(step, { signature: "decode" }));
  }
}

/** The tokens that answer an encoded text, without the start token. */
export function* answeringTokens(
  session: Session,
  generation: EncoderDecoderGeneration,
  given: readonly number[],
  options: TokenOptions = {},
): Generator<number> {
  const { maxTokens = usualTokens, endTokens = generation.endTokens } = options;
  if (generation.startToken === undefined) throw new CerebroError("usage", "the model names no token to begin with");
  const text = given.slice(0, generation.cacheLength);
  if (text.length === 0) throw new CerebroError("usage", "the text is empty");
  const length = Math.min(generation.cacheLength, sharedLength(text.length));
  const mask = Array.from({ length }, (_, i) => (i < text.length ? 1 : 0));
  session.run({ input_ids: tokens(filled(text, length)), attention_mask: tokens(mask) }, { signature: "encode" });
  const choose = sampler(options);
  const all = [generation.startToken];
  for (let made = 1; made <= maxTokens && all.length < generation.cacheLength; made++) {
    const step = { decoder_input_ids: tokens([all.at(-1)!]), position: scalar("i32", all.length - 1) };
    const { logits } = session.run(step, { signature: "decode" });
    const forced = made === 1 ? generation.forcedFirst : made === maxTokens ? generation.forcedLast : undefined;
    const token = forced ?? choose(row(logits), all);
    all.push(token);
    yield token;
    if (endTokens.includes(token)) return;
  }
}

/** Goes on from a text, or answers it where the model has an encoder. */
export function generate(model: TextModel, text: string, options: GenerateOptions = {}): Generated {
  const { generation } = model.model;
  if (!generation) throw new CerebroError("usage", `${model.model.name}: generates no text`);
  const prompt = model.tokenizer.encode(text).ids;
  const made =
    generation.kind === "causal"
      ? causalTokens(
          model.session,
          generation,
          withoutEnd(prompt, generation.endTokens, generation.startToken),
          options,
        )
      : answeringTokens(model.session, generation, prompt, options);
  const ends = options.endTokens ?? generation.endTokens;
  const stream = new TextStream(model.tokenizer, options.stop);
  const list: number[] = [];
  let reason: Generated["reason"] = "length";
  const show = (piece: string) => {
    if (piece !== "") options.onText?.(piece);
  };
  for (const token of made) {
    list.push(token);
    if (ends.includes(token)) {
      reason = "end";
      break;
    }
    show(stream.push(token));
    if (stream.stopped) {
      reason = "stop";
      break;
    }
  }
  const stopped = stream.stopped;
  show(stream.end());
  // The last piece may complete a stop word, too.
  if (
    !stopped &&
    reason === "length" &&
    (options.stop ?? []).some((stop) => stop !== "" && model.tokenizer.decode(list).includes(stop))
  ) {
    reason = "stop";
  }
  return { text: stream.text, tokens: list, reason };
}

/** A tokenizer may put an end token behind a text, which is not over yet. */
function withoutEnd(ids: readonly number[], ends: readonly number[], start: number | undefined): readonly number[] {
  const last = ids.at(-1);
  return last !== undefined && ids.length > 1 && ends.includes(last) && last !== start ? ids.slice(0, -1) : ids;
}
