// How the next token is chosen of the network's scores. Source of the rules: the logits processors of Transformers.

import { argmax, softmax } from "./textmodel.ts";

export interface SamplingOptions {
  /**
   * Above 0 tokens are drawn at random: flatter above 1, sharper below. 0: always the likeliest. When absent 0, or 1 where
   * `topK` or `topP` is given.
   */
  readonly temperature?: number;
  /** Only of the k likeliest. */
  readonly topK?: number;
  /** Only of the likeliest that together have this probability. */
  readonly topP?: number;
  /** Above 1: tokens that were there become less likely. */
  readonly repetitionPenalty?: number;
  /** No n tokens in a row twice. */
  readonly noRepeatNgram?: number;
  readonly seed?: number;
}

/** Scores of tokens that were there: divided when positive, else multiplied. */
export function penalizeRepetition(scores: Float32Array, tokens: readonly number[], penalty: number): void {
  for (const token of new Set(tokens)) {
    const score = scores[token];
    if (score !== undefined) scores[token] = score < 0 ? score * penalty : score / penalty;
  }
}

/** Forbids tokens that would repeat n tokens in a row. */
export function forbidRepeatedNgrams(scores: Float32Array, tokens: readonly number[], n: number): void {
  if (tokens.length + 1 < n) return;
  const last = tokens.slice(tokens.length - n + 1);
  for (let at = 0; at + n <= tokens.length; at++) {
    if (last.every((token, i) => tokens[at + i] === token)) scores[tokens[at + n - 1]!] = -Infinity;
  }
}

/** Forbids all but the k largest; what equals the smallest of them stays. */
export function keepTopK(scores: Float32Array, k: number): void {
  if (k >= scores.length) return;
  const limit = scores.toSorted()[scores.length - k]!;
  for (let i = 0; i < scores.length; i++) if (scores[i]! < limit) scores[i] = -Infinity;
}

/** Forbids the unlikely ones that together have less than 1 - p; one always stays. */
export function keepTopP(scores: Float32Array, p: number): void {
  const order = Array.from(scores, (_, i) => i).sort((a, b) => scores[a]! - scores[b]! || b - a);
  const probabilities = softmax(scores);
  let sum = 0;
  for (const i of order.slice(0, -1)) {
    sum += probabilities[i]!;
    if (sum > 1 - p) return;
    scores[i] = -Infinity;
  }
}

/** Random numbers from 0 to 1 that begin the same for the same seed (Vigna and Blackman's xoshiro128**). */
export function randomNumbers(seed: number): () => number {
  const state = new Uint32Array(4);
  let mixed = seed >>> 0;
  for (let i = 0; i < 4; i++) {
    mixed = (mixed + 0x9e3779b9) >>> 0;
    let z = mixed;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    state[i] = z ^ (z >>> 16);
  }
  const turn = (value: number, by: number) => (value << by) | (value >>> (32 - by));
  return () => {
    const [a, b, c, d] = state as unknown as [number, number, number, number];
    const result = Math.imul(turn(Math.imul(b, 5), 7), 9) >>> 0;
    const [c1, d1] = [c ^ a, d ^ b];
    state[1] = b ^ c1;
    state[0] = a ^ d1;
    state[2] = c1 ^ (b << 9);
    state[3] = turn(d1, 11);
    return result / 2 ** 32;
  };
}

/** Chooses tokens one after another. */
export function sampler(options: SamplingOptions): (logits: Float32Array, tokens: readonly number[]) => number {
  const { topK, topP, repetitionPenalty = 1, noRepeatNgram = 0 } = options;
  const { temperature = topK !== undefined || topP !== undefined ? 1 : 0 } = options;
  const random = randomNumbers(options.seed ?? 0);
  return (logits, tokens) => {
    const scores = logits.slice();
    if (repetitionPenalty !== 1) penalizeRepetition(scores, tokens, repetitionPenalty);
    if (noRepeatNgram > 0) forbidRepeatedNgrams(scores, tokens, noRepeatNgram);
    if (temperature <= 0) return argmax(scores);
    for (let i = 0; i < scores.length; i++) scores[i]! /= temperature;
    if (topK !== undefined) keepTopK(scores, topK);
    if (topP !== undefined && topP < 1) keepTopP(scores, topP);
    const probabilities = softmax(scores);
    let rest = random();
    for (let i = 0; i < probabilities.length; i++) {
      rest -= probabilities[i]!;
      if (rest < 0) return i;
    }
    return argmax(probabilities);
  };
}
