// Tasks of encoders: classes of a text, tagged parts, answers within a text, missing words, embeddings.
// Source of the conventions: the pipelines of the Transformers library.

import { CerebroError } from "../../../base/errors.ts";
import type { Encoding } from "../tokenizer/encoding.ts";
import { argmax, largest, rowOf, sigmoid, softmax, type TextModel } from "./textmodel.ts";

export interface Scored {
  readonly label: string;
  readonly score: number;
}

/** Classes of a text, or of two that belong together, the best first. Regression gives the number itself. */
export function classify(model: TextModel, text: string | readonly [string, string], { top = 5 } = {}): Scored[] {
  const { labels, problem } = model.model.task;
  const row = rowOf(model.run([model.encode(text)]).outputs["logits"]!, 0);
  const several = problem === "multi_label_classification" || row.length === 1;
  const scores =
    problem === "regression" ? Float64Array.from(row) : several ? Float64Array.from(row, sigmoid) : softmax(row);
  return largest(scores, top).map((i) => ({ label: labels[i] ?? `LABEL_${i}`, score: scores[i]! }));
}

/** A part of a text with its tag; positions in UTF-16 units. */
export interface Entity extends Scored {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

export const aggregations = ["none", "simple", "first", "max", "average"] as const;
export type Aggregation = (typeof aggregations)[number];

interface Tagged {
  readonly scores: Float64Array;
  readonly start: number;
  readonly end: number;
  readonly word: number;
}

/** How many tokens of a window the next one sees again: half of it at most. */
const overlap = 128;

/** Scores of every token of a text; a long text goes through in windows. */
function tagged(model: TextModel, text: string): Tagged[] {
  const length = model.maximumLength;
  const stride = Math.min(overlap, length >> 1);
  const result: Tagged[] = [];
  const windows = model.tokenizer.windows(text, { length, stride });
  for (const [number, window] of windows.entries()) {
    const logits = model.run([window]).outputs["logits"]!;
    // Each token counts in the window where it has more around it.
    if (number > 0) result.splice(Math.max(0, result.length - (stride >> 1)));
    const known = result.at(-1)?.end ?? -1;
    window.ids.forEach((_, i) => {
      const [start, end, word] = [window.starts[i]!, window.ends[i]!, window.words[i]!];
      if (word < 0 || (number > 0 && end <= known)) return;
      result.push({ scores: softmax(rowOf(logits, i)), start, end, word });
    });
  }
  return result;
}

/** Tagged parts of a text. "none": every token that has a tag; others join tokens to words and words to entities. */
export function tag(model: TextModel, text: string, { aggregation = "simple" as Aggregation } = {}): Entity[] {
  const { labels } = model.model.task;
  const label = (i: number) => labels[i] ?? `LABEL_${i}`;
  const tokens = tagged(model, text);
  const words = aggregation === "none" || aggregation === "simple" ? tokens : joinWords(tokens, aggregation);
  const parts = words.map(({ scores, start, end }) => {
    const best = argmax(scores);
    return { label: label(best), score: scores[best]!, start, end };
  });
  const entity = (label: string, group: readonly { score: number; start: number; end: number }[]): Entity => {
    const [start, end] = [group[0]!.start, group.at(-1)!.end];
    const score = group.reduce((sum, each) => sum + each.score, 0) / group.length;
    return { label, score, start, end, text: text.slice(start, end) };
  };
  if (aggregation === "none")
    return parts.filter((each) => each.label !== "O").map((each) => entity(each.label, [each]));
  const groups: { tag: string; parts: { score: number; start: number; end: number }[] }[] = [];
  for (const each of parts) {
    const [, begins, tag] = /^(?:(B|I)-)?(.*)$/s.exec(each.label)!;
    const last = groups.at(-1);
    if (last && last.tag === tag && begins !== "B") last.parts.push(each);
    else groups.push({ tag: tag!, parts: [each] });
  }
  return groups.filter(({ tag }) => tag !== "O").map(({ tag, parts: group }) => entity(tag, group));
}

/** One entry a word: scores of its first token, of its surest, or the mean. */
function joinWords(tokens: readonly Tagged[], how: "first" | "max" | "average"): Tagged[] {
  const words: Tagged[][] = [];
  for (const token of tokens) {
    const last = words.at(-1);
    if (last && last[0]!.word === token.word) last.push(token);
    else words.push([token]);
  }
  return words.map((parts) => {
    const [first] = parts as [Tagged, ...Tagged[]];
    let { scores } = first;
    if (how === "max") {
      const sure = parts.map(({ scores: each }) => each[argmax(each)]!);
      ({ scores } = parts[argmax(sure)]!);
    } else if (how === "average") {
      scores = scores.map((_, i) => parts.reduce((sum, part) => sum + part.scores[i]!, 0) / parts.length);
    }
    return { ...first, scores, end: parts.at(-1)!.end };
  });
}

export interface Answer {
  readonly answer: string;
  readonly score: number;
  readonly start: number;
  readonly end: number;
}

export interface AnswerOptions {
  readonly top?: number;
  /** Tokens of the longest answer; 15 when absent. */
  readonly longest?: number;
  /** Tokens that windows of a long context share; 128 when absent. */
  readonly stride?: number;
}

/** Parts of a context that answer a question, the best first. */
export function answer(
  model: TextModel,
  question: string,
  context: string,
  { top = 1, longest = 15, stride = 128 }: AnswerOptions = {},
): Answer[] {
  const length = Math.min(384, model.maximumLength);
  const windows = model.tokenizer.windows(context, {
    length,
    stride: Math.min(stride, length >> 1),
    before: question,
  });
  const found = windows.flatMap((window) => {
    const { outputs } = model.run([window]);
    // Several spans may become the same words.
    return spans(window, outputs["start_logits"]!.data, outputs["end_logits"]!.data, { top: top * 2 + 10, longest });
  });
  // The same words from several places or windows are one answer.
  const byText = new Map<string, Answer>();
  for (const { start, end, score } of found) {
    const text = context.slice(start, end);
    const same = byText.get(text.toLowerCase());
    byText.set(text.toLowerCase(), same ? { ...same, score: same.score + score } : { answer: text, score, start, end });
  }
  return [...byText.values()].toSorted((a, b) => b.score - a.score).slice(0, top);
}

type Span = Omit<Answer, "answer">;

/** The best spans of a window: from a start to an end not too far behind it, made of whole words. */
function spans(
  window: Encoding,
  starts: ArrayLike<number | bigint>,
  ends: ArrayLike<number | bigint>,
  { top, longest }: { top: number; longest: number },
): Span[] {
  const { ids, sequences, words } = window;
  // The first token stands for "no answer": it takes its share of the probability and is then left out.
  const probable = (logits: ArrayLike<number | bigint>) => {
    const scores = softmax(ids.map((_, i) => (sequences[i] === 1 || i === 0 ? Number(logits[i]) : -10_000)));
    scores[0] = 0;
    return scores;
  };
  const [start, end] = [probable(starts), probable(ends)];
  const best: { from: number; to: number; score: number }[] = [];
  for (let from = 0; from < ids.length; from++) {
    if (sequences[from] !== 1) continue;
    for (let to = from; to < Math.min(ids.length, from + longest) && sequences[to] === 1; to++) {
      const score = start[from]! * end[to]!;
      if (best.length >= top && score <= best.at(-1)!.score) continue;
      best.push({ from, to, score });
      best.sort((a, b) => b.score - a.score);
      best.splice(top);
    }
  }
  return best.map(({ from, to, score }) => {
    let [first, last] = [from, to];
    while (first > 0 && sequences[first - 1] === 1 && words[first - 1] === words[from]) first--;
    while (last + 1 < ids.length && sequences[last + 1] === 1 && words[last + 1] === words[to]) last++;
    return { start: window.starts[first]!, end: window.ends[last]!, score };
  });
}

export interface Filling {
  readonly token: string;
  readonly score: number;
  /** The text with the mask filled. */
  readonly text: string;
}

/** What may stand at each mask of a text ("[MASK]" or "<mask>"), the likeliest first. */
export function fillMask(model: TextModel, text: string, { top = 5 } = {}): Filling[][] {
  const mask = model.special("mask_token", ["[MASK]", "<mask>"]);
  if (!mask) throw new CerebroError("usage", `${model.model.name}: its tokenizer has no mask token`);
  const encoding = model.encode(text);
  const places = encoding.ids.flatMap((id, i) => (id === mask.id ? [i] : []));
  if (places.length === 0) {
    throw new CerebroError("usage", `the text has no mask`, { hint: `write ${mask.token} where a word is missing` });
  }
  const logits = model.run([encoding]).outputs["logits"]!;
  return places.map((place) => {
    const scores = softmax(rowOf(logits, place));
    return largest(scores, top).map((id) => {
      const token = model.tokenizer.decode([id], { special: true }).trim();
      const filled = encoding.ids.map((each, i) => (i === place ? id : each));
      return { token, score: scores[id]!, text: model.tokenizer.decode(filled) };
    });
  });
}

export interface EmbedOptions {
  /** How tokens become one vector, where the model itself does not say; "mean" when absent. */
  readonly pooling?: "mean" | "cls" | "max";
  /** To length 1; true when absent. */
  readonly normalize?: boolean;
}

/** One vector for each text. A Sentence Transformers directory pools as it says itself. */
export function embed(
  model: TextModel,
  texts: readonly string[],
  { pooling = "mean", normalize = true }: EmbedOptions = {},
): Float32Array[] {
  if (texts.length === 0) return [];
  const encodings = texts.map((text) => model.encode(text));
  const own = model.model.task.name === "sentence-embedding";
  const signature = model.model.signatures.find(({ outputs }) =>
    outputs.some(({ name }) => name === (own ? "sentence_embedding" : "last_hidden_state")),
  );
  if (!signature) throw new CerebroError("usage", `${model.model.name}: gives no features of a text`);
  const { outputs, length } = model.run(encodings, signature.name);
  if (own) return texts.map((_, i) => rowOf(outputs["sentence_embedding"]!, i).slice());
  const hidden = outputs["last_hidden_state"]!;
  return encodings.map(({ ids }, i) => {
    const rows = Array.from({ length: pooling === "cls" ? 1 : ids.length }, (_, j) => rowOf(hidden, i * length + j));
    const vector = rows[0]!.slice();
    for (const row of rows.slice(1)) {
      for (let k = 0; k < vector.length; k++)
        vector[k] = pooling === "max" ? Math.max(vector[k]!, row[k]!) : vector[k]! + row[k]!;
    }
    const scale = pooling === "mean" ? 1 / rows.length : 1;
    const size = normalize ? Math.max(1e-12, Math.hypot(...vector) * scale) : 1;
    return vector.map((value) => (value * scale) / size);
  });
}
