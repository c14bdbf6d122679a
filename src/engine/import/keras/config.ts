// The configurations of Keras objects: JSON whose members are checked when they are asked for.

import { FormatError, messageOf } from "../../../base/errors.ts";
import { utf8 } from "../../../base/text.ts";

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

export const isObject = (json: Json | undefined): json is JsonObject =>
  typeof json === "object" && json !== null && !Array.isArray(json);
export const isList = (json: Json | undefined): json is readonly Json[] => Array.isArray(json);

/** Deeper than any model is nested; what follows here may then use recursion. */
const maximumDepth = 400;

function checkDepth(json: Json, what: string): void {
  let level: readonly Json[] = [json];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > maximumDepth) throw new FormatError(`${what}: nested more than ${maximumDepth} deep`);
    level = level.flatMap((each) => (typeof each === "object" && each !== null ? Object.values(each) : []));
  }
}

/** JSON text of a file. Python writes NaN and Infinity, which JSON does not have: they become null. */
export function parseJson(source: Uint8Array | string, what: string): Json {
  const text = typeof source === "string" ? source : utf8(source);
  const parse = (given: string): Json => {
    const json = JSON.parse(given) as Json;
    checkDepth(json, what);
    return json;
  };
  try {
    return parse(text);
  } catch (error) {
    if (error instanceof FormatError) throw error;
    try {
      return parse(text.replace(/([[,:]\s*)(?:NaN|-?Infinity)(?=\s*[\],}])/g, "$1null"));
    } catch {
      throw new FormatError(`${what}: ${messageOf(error)}`, { cause: error });
    }
  }
}

/** Members of a configuration, by name. `what` opens every message: "Conv2D 'block1'". */
export class Config {
  readonly json: JsonObject;
  readonly what: string;

  constructor(json: Json | undefined, what: string) {
    if (json !== undefined && !isObject(json)) throw new FormatError(`${what}: configuration is no object`);
    this.json = json ?? {};
    this.what = what;
  }

  private wrong(key: string, wanted: string): FormatError {
    return new FormatError(
      `${this.what}: ${key} is ${JSON.stringify(this.json[key])?.slice(0, 80)}, must be ${wanted}`,
    );
  }

  /** A member; undefined when it is absent or null. */
  get(key: string): Json | undefined {
    return Object.hasOwn(this.json, key) ? (this.json[key] ?? undefined) : undefined;
  }
  has(key: string): boolean {
    return this.get(key) !== undefined;
  }
  number(key: string, otherwise?: number): number {
    const value = this.get(key) ?? otherwise;
    if (typeof value !== "number") throw this.wrong(key, "a number");
    return value;
  }
  integer(key: string, otherwise?: number): number {
    const value = this.number(key, otherwise);
    if (!Number.isSafeInteger(value)) throw this.wrong(key, "an integer");
    return value;
  }
  flag(key: string, otherwise: boolean): boolean {
    const value = this.get(key) ?? otherwise;
    // Python takes numbers for truth, and so do models in the wild.
    if (typeof value !== "boolean" && typeof value !== "number") throw this.wrong(key, "true or false");
    return Boolean(value);
  }
  text(key: string, otherwise?: string): string {
    const value = this.get(key) ?? otherwise;
    if (typeof value !== "string") throw this.wrong(key, "text");
    return value;
  }
  /** A list of integers; a single one stands for a list of one. */
  integers(key: string, otherwise?: readonly number[]): readonly number[] {
    const value = this.get(key) ?? otherwise;
    const list = typeof value === "number" ? [value] : value;
    if (!isList(list) || !list.every(Number.isSafeInteger)) throw this.wrong(key, "a list of integers");
    return list as readonly number[];
  }
  /** As many positive integers as `rank`; a single one stands for all. */
  sizes(key: string, rank: number, otherwise?: number): readonly number[] {
    const list = this.integers(key, otherwise === undefined ? undefined : [otherwise]);
    const sizes = list.length === 1 ? Array.from({ length: rank }, () => list[0]!) : list;
    if (sizes.length !== rank || sizes.some((size) => size < 1)) throw this.wrong(key, `${rank} positive integers`);
    return sizes;
  }
  numbers(key: string): readonly number[] {
    const value = this.get(key);
    const list = isList(value) ? (value.flat(8) as readonly Json[]) : [value];
    if (!list.every((each) => typeof each === "number")) throw this.wrong(key, "a list of numbers");
    return list as readonly number[];
  }
  object(key: string): JsonObject {
    const value = this.get(key);
    if (!isObject(value)) throw this.wrong(key, "an object");
    return value;
  }
  list(key: string): readonly Json[] {
    const value = this.get(key);
    if (!isList(value)) throw this.wrong(key, "a list");
    return value;
  }
}

/** An axis counted from the end when it is negative. Throws when there is no such dimension. */
export function axisOf(axis: number, rank: number, what: string): number {
  const at = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(at) || at < 0 || at >= rank) throw new FormatError(`${what}: axis ${axis} of rank ${rank}`);
  return at;
}

/** Most parts that something is cut into or repeated: each is an operation, or an entry of a table. */
const maximumParts = 1 << 16;

/** A count of parts from a file, checked. */
export function countOf(count: number, what: string): number {
  if (!Number.isSafeInteger(count) || count < 1 || count > maximumParts) {
    throw new FormatError(`${what}: ${count} is no count of at most ${maximumParts}`);
  }
  return count;
}
