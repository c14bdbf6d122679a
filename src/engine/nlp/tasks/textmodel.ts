// A transformer with its tokenizer: encoded texts in, the outputs' rows out.

import { CerebroError, FormatError } from "../../../base/errors.ts";
import { fromNumbers, type Tensor } from "../../hlo/tensor.ts";
import { isTransformer, type TransformerModel } from "../../import/transformer/contract.ts";
import { isObject, parseObject } from "../../../base/json.ts";
import type { Tensors } from "../../model.ts";
import type { Session } from "../../session.ts";
import { type Encoding, pad } from "../tokenizer/encoding.ts";
import { tokenizerOfModel } from "../tokenizer/open.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

/** Longest text, in tokens, of a model that does not say. */
const usualLength = 512;

export class TextModel {
  readonly session: Session;
  readonly model: TransformerModel;
  readonly tokenizer: Tokenizer;
  /** Most tokens of one input, special ones included. */
  readonly maximumLength: number;

  /** Throws CerebroError when the model is none for text. The tokenizer is the model's own when absent. */
  constructor(session: Session, tokenizer?: Tokenizer) {
    const { model } = session;
    if (!isTransformer(model)) {
      throw new CerebroError(
        "usage",
        `${model.name}: text tasks need a directory with config.json, this is ${model.format}`,
      );
    }
    this.session = session;
    this.model = model;
    this.tokenizer = tokenizer ?? tokenizerOfModel(model);
    this.maximumLength = model.task.maximumLength ?? usualLength;
  }

  /** A special token by its role ("mask_token"): the first of its usual spellings when the files do not say. */
  special(role: string, usual: readonly string[]): { readonly id: number; readonly token: string } | undefined {
    for (const file of ["tokenizer_config.json", "special_tokens_map.json"]) {
      const bytes = this.model.attachments.get(file);
      const value = bytes && parseObject(bytes, file)[role];
      const token = isObject(value) ? value["content"] : value;
      const id = typeof token === "string" ? this.tokenizer.id(token) : undefined;
      if (id !== undefined) return { id, token: token as string };
    }
    for (const token of usual) {
      const id = this.tokenizer.id(token);
      if (id !== undefined) return { id, token };
    }
    return undefined;
  }

  private get paddingId(): number {
    const id = this.model.config["pad_token_id"];
    return typeof id === "number" ? id : 0;
  }

  /** Text for one input, cut to what the model takes. */
  encode(text: string | readonly [string, string]): Encoding {
    return this.tokenizer.encode(text, { truncation: { length: this.maximumLength } });
  }

  /**
   * Runs encodings as one batch, filled up to a length that many texts share: few programs are compiled. Ids that the
   * vocabulary of the network does not have are refused.
   */
  run(encodings: readonly Encoding[], signatureName?: string): { outputs: Tensors; length: number } {
    const longest = encodings.reduce((most, { ids }) => Math.max(most, ids.length), 1);
    const length = Math.min(this.maximumLength, sharedLength(longest));
    const rows = pad(encodings, { length, id: this.paddingId });
    const vocabulary = this.model.config["vocab_size"];
    for (const { ids } of rows) {
      const wrong = typeof vocabulary === "number" ? ids.find((id) => id >= vocabulary) : undefined;
      if (wrong !== undefined) throw new FormatError(`token ${wrong}: the network knows ${String(vocabulary)} tokens`);
    }
    const signature = this.session.signature(signatureName);
    const lists: Record<string, (row: Encoding) => readonly number[]> = {
      input_ids: ({ ids }) => ids,
      attention_mask: ({ mask }) => mask,
      token_type_ids: ({ typeIds }) => typeIds,
    };
    const inputs = signature.inputs.map(({ name }) => {
      const list = lists[name];
      if (!list) throw new CerebroError("unsupported", `${this.model.name}: input ${name} is not of a text`);
      return [name, fromNumbers("i32", [rows.length, length], rows.flatMap(list))] as const;
    });
    return { outputs: this.session.run(Object.fromEntries(inputs), { signature: signature.name }), length };
  }
}

/** The next of few lengths. */
export const sharedLength = (length: number) => {
  const step = length <= 128 ? 16 : 64;
  return Math.ceil(length / step) * step;
};

/** Row i of a tensor's last dimension. */
export function rowOf({ data, shape }: Tensor, i: number): Float32Array {
  const width = shape.at(-1)!;
  return (data as Float32Array).subarray(i * width, (i + 1) * width);
}

export function softmax(row: ArrayLike<number>): Float64Array {
  let most = -Infinity;
  for (let i = 0; i < row.length; i++) most = Math.max(most, row[i]!);
  const result = new Float64Array(row.length);
  let sum = 0;
  for (let i = 0; i < row.length; i++) sum += result[i] = Math.exp(row[i]! - most);
  for (let i = 0; i < row.length; i++) result[i]! /= sum;
  return result;
}

export const sigmoid = (value: number) => 1 / (1 + Math.exp(-value));

export function argmax(row: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < row.length; i++) if (row[i]! > row[best]!) best = i;
  return best;
}

/** The indices of the k largest numbers, the largest first. */
export function largest(row: ArrayLike<number>, k: number): number[] {
  return Array.from(row, (_, i) => i)
    .sort((a, b) => row[b]! - row[a]! || a - b)
    .slice(0, k);
}
