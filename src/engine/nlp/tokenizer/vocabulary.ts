// Tokens and their ids, both ways.

import { FormatError } from "../../../base/errors.ts";
import { isObject } from "../../../base/json.ts";

/** Largest id that is taken: ids index an array. */
const largestId = 1 << 24;

export class Vocabulary {
  readonly ids = new Map<string, number>();
  private readonly tokens: (string | undefined)[] = [];

  /** Throws FormatError for an id that is none. */
  add(token: string, id: number): void {
    if (!Number.isInteger(id) || id < 0 || id > largestId) {
      throw new FormatError(`tokenizer: token ${JSON.stringify(token)} has the id ${id}, must be 0 to ${largestId}`);
    }
    this.ids.set(token, id);
    this.tokens[id] = token;
  }

  id(token: string): number | undefined {
    return this.ids.get(token);
  }

  token(id: number): string | undefined {
    return this.tokens[id];
  }

  /** One more than the largest id. */
  get size(): number {
    return this.tokens.length;
  }

  /** From a JSON object of ids by token. */
  static of(json: unknown, what = "vocab"): Vocabulary {
    if (!isObject(json)) throw new FormatError(`tokenizer: "${what}" is no object`);
    const vocabulary = new Vocabulary();
    for (const [token, id] of Object.entries(json)) vocabulary.add(token, id as number);
    return vocabulary;
  }
}
