// JSON whose top is an object: what configuration files are.

import { FormatError, messageOf } from "./errors.ts";
import { utf8 } from "./text.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Parses a file; `what` names it. Throws FormatError when it is no JSON, or no object. */
export function parseObject(bytes: Uint8Array, what: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(utf8(bytes));
  } catch (error) {
    throw new FormatError(`${what}: is not JSON: ${messageOf(error)}`);
  }
  if (!isObject(value)) throw new FormatError(`${what}: is no JSON object`);
  return value;
}
