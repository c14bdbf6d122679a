// Protocol buffers written as text (protobuf.dev, "Text Format") and as JSON ("ProtoJSON Format"), by the same descriptions.

import { FormatError } from "../base/errors.ts";
import { encodeUtf8, latin1, utf8 } from "../base/text.ts";
import {
  type Enumeration,
  type Field,
  maximumDepth,
  type MessageType,
  type OneOf,
  type Row,
  type Rows,
  type Type,
} from "./protobuf.ts";

/** What was written for fields: words and numbers as they stand, quoted text as bytes, messages as fields. */
type Raw = string | number | boolean | Uint8Array | Fields;
type Fields = Map<string, Raw[]>;

interface Context {
  readonly what: string;
  /** How bytes are written: as they are, or in base64. */
  readonly bytes: (raw: string | Uint8Array) => Uint8Array;
}

const fail = ({ what }: Context, problem: string): never => {
  throw new FormatError(`${what}: ${problem}`);
};

function scalarOf(type: Type<unknown>, raw: Raw, context: Context, name: string): unknown {
  if (raw instanceof Map) return fail(context, `${name} is a message, should be ${type.name}`);
  if ("values" in type) {
    const { values } = type as Enumeration;
    const number = typeof raw === "string" ? (values[raw] ?? Number(raw)) : Number(raw);
    return Number.isInteger(number) ? number : fail(context, `${name} is ${String(raw)}, which is no such name`);
  }
  const text = raw instanceof Uint8Array ? utf8(raw) : String(raw);
  switch (type.name) {
    case "string":
      return text;
    case "bytes":
      return context.bytes(raw instanceof Uint8Array ? raw : text);
    case "bool":
      return text === "true" || text === "t" || text === "True" || text === "1";
    case "int64":
    case "uint64":
    case "sint64":
    case "fixed64":
    case "sfixed64":
      if (!/^[-+]?(\d+|0x[\da-f]+)$/i.test(text)) return fail(context, `${name} is ${text}, which is no integer`);
      return text.startsWith("-") ? -BigInt(text.slice(1)) : BigInt(text.replace("+", ""));
    default:
      return numberOf(text, context, name);
  }
}

function numberOf(text: string, context: Context, name: string): number {
  const plain = text.toLowerCase().replace(/^([-+]?[\d.][\d.e+-]*)f$/, "$1");
  const sign = plain.startsWith("-") ? -1 : 1;
  const magnitude = plain.replace(/^[-+]/, "");
  if (magnitude === "inf" || magnitude === "infinity") return sign * Infinity;
  if (magnitude === "nan") return NaN;
  const number = magnitude === "" ? NaN : sign * Number(magnitude);
  return Number.isNaN(number) ? fail(context, `${name} is ${text}, which is no number`) : number;
}

function valueOf(type: Type<unknown>, raw: Raw, context: Context, place: { name: string; depth: number }): unknown {
  if (!("description" in type)) return scalarOf(type, raw, context, place.name);
  if (!(raw instanceof Map)) return fail(context, `${place.name} is ${String(raw)}, should be a message`);
  return messageOf(type as MessageType<unknown>, raw, context, place.depth + 1);
}

function fieldOf(
  field: Field,
  list: readonly Raw[],
  context: Context,
  place: { name: string; depth: number },
): unknown {
  if (!("rule" in field)) return valueOf(field, list.at(-1)!, context, place);
  if (field.rule === "optional") return valueOf(field.type, list.at(-1)!, context, place);
  if (field.rule === "repeated") return list.map((raw) => valueOf(field.type, raw, context, place));
  const entries = list.map((raw) => {
    const entry = valueOf(field.entry, raw, context, place) as { key: unknown; value: unknown };
    return [entry.key, entry.value ?? field.missing()] as const;
  });
  return new Map(entries);
}

function messageOf<T>(type: MessageType<T>, fields: Fields, context: Context, depth: number): T {
  if (depth > maximumDepth) fail(context, `more than ${maximumDepth} nested messages`);
  const target = type.empty() as Record<string, unknown>;
  for (const [name, row] of Object.entries(type.description) as [string, Row | OneOf<Rows>][]) {
    if (!("rule" in row)) {
      const list = fields.get(name);
      if (list && list.length > 0) target[name] = fieldOf(row[1], list, context, { name, depth });
      continue;
    }
    for (const [which, [, field]] of Object.entries(row.members)) {
      const list = fields.get(which);
      if (list && list.length > 0)
        target[name] = { which, value: fieldOf(field, list, context, { name: which, depth }) };
    }
  }
  return target as T;
}

// JSON.

const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** The bytes of base64, with either alphabet. Throws FormatError. */
export function decodeBase64(text: string, what: string): Uint8Array<ArrayBuffer> {
  const plain = text.replace(/=+$/, "").replaceAll("-", "+").replaceAll("_", "/");
  const bytes = new Uint8Array(Math.floor((plain.length * 3) / 4));
  let [bits, held, end] = [0, 0, 0];
  for (const character of plain) {
    const value = digits.indexOf(character);
    if (value < 0) throw new FormatError(`${what}: ${JSON.stringify(character)} is no base64`);
    bits = ((bits << 6) | value) & 0xffff;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes[end++] = bits >> held;
  }
  return bytes;
}

/** A JSON object's fields; those that are maps become entries of key and value. */
function fieldsOfJson(type: MessageType<unknown>, json: unknown, context: Context, depth: number): Fields {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    return fail(context, `${JSON.stringify(json)?.slice(0, 40)} should be an object`);
  }
  if (depth > maximumDepth) fail(context, `more than ${maximumDepth} nested messages`);
  const fields: Fields = new Map();
  const rows = Object.entries(type.description).flatMap(([name, row]: [string, Row | OneOf<Rows>]) =>
    "rule" in row ? Object.entries(row.members) : [[name, row] as const],
  );
  for (const [name, [, field]] of rows) {
    const value = (json as Record<string, unknown>)[name];
    if (value === undefined || value === null) continue;
    fields.set(name, rawOfJson(field, value, context, depth));
  }
  return fields;
}
function rawOfJson(field: Field, value: unknown, context: Context, depth: number): Raw[] {
  const one = (type: Type<unknown>, json: unknown): Raw => {
    if ("description" in type) return fieldsOfJson(type as MessageType<unknown>, json, context, depth + 1);
    if (typeof json === "object") return fail(context, `an object should be ${type.name}`);
    return json as string | number | boolean;
  };
  if (!("rule" in field)) return [one(field, value)];
  if (field.rule === "optional") return [one(field.type, value)];
  if (field.rule === "repeated") {
    return Array.isArray(value) ? value.map((each) => one(field.type, each)) : fail(context, "a list is no array");
  }
  if (typeof value !== "object" || value === null) return fail(context, "a map is no object");
  return Object.entries(value).map(([key, each]) => one(field.entry, { key, value: each as unknown }));
}

/** A message from parsed JSON. Throws FormatError. */
export function decodeJson<T>(type: MessageType<T>, json: unknown, what: string): T {
  const context: Context = {
    what,
    bytes: (raw) => (typeof raw === "string" ? decodeBase64(raw, what) : raw),
  };
  return messageOf(type, fieldsOfJson(type, json, context, 0), context, 0);
}

// Text.

const token =
  /\s*(?:#[^\n]*\s*)*([A-Za-z_][\w.]*|[-+]?\.?\d[\w.+-]*|-\s*inf(?:inity)?|-\s*nan|"(?:[^"\\]|\\[^])*"|'(?:[^'\\]|\\[^])*'|\[[^\]\s]*\]|[{}<>:;,[\]-])/y;

/** A message from its text form. Throws FormatError. */
export function decodeText<T>(type: MessageType<T>, text: string, what: string): T {
  const context: Context = { what, bytes: (raw) => (typeof raw === "string" ? encodeUtf8(raw) : raw) };
  const parser = new TextParser(text, context);
  const fields = parser.fields(undefined, 0);
  return messageOf(type, fields, context, 0);
}

/** "tensor_content" as descriptions spell it. */
const camelCase = (name: string) => name.replaceAll(/_([a-z\d])/g, (_, letter: string) => letter.toUpperCase());

class TextParser {
  private readonly text: string;
  private readonly context: Context;
  private at = 0;
  private current: string | undefined;

  constructor(text: string, context: Context) {
    this.text = text;
    this.context = context;
    this.advance();
  }

  private advance(): string | undefined {
    const before = this.current;
    token.lastIndex = this.at;
    const match = token.exec(this.text);
    if (match) {
      this.current = match[1]!;
      this.at = token.lastIndex;
    } else {
      const rest = this.text
        .slice(this.at)
        .replaceAll(/#[^\n]*/g, "")
        .trim();
      if (rest !== "") fail(this.context, `${JSON.stringify(rest.slice(0, 20))} at character ${this.at} is no token`);
      this.current = undefined;
    }
    return before;
  }

  private stands(token: string): boolean {
    return this.current === token;
  }

  fields(close: string | undefined, depth: number): Fields {
    if (depth > maximumDepth) fail(this.context, `more than ${maximumDepth} nested messages`);
    const fields: Fields = new Map();
    while (this.current !== close) {
      const name = this.advance() ?? fail(this.context, "the text ends within a message");
      if (!/^[A-Za-z_[]/.test(name)) fail(this.context, `${name} before character ${this.at} is no field`);
      const list = fields.get(camelCase(name)) ?? [];
      fields.set(camelCase(name), list);
      if (this.stands(":")) this.advance();
      if (this.stands("[")) {
        this.advance();
        while (!this.stands("]")) {
          list.push(this.value(depth));
          if (this.stands(",")) this.advance();
        }
        this.advance();
      } else list.push(this.value(depth));
      if (this.stands(";") || this.stands(",")) this.advance();
    }
    this.advance();
    return fields;
  }

  private value(depth: number): Raw {
    const first = this.advance() ?? fail(this.context, "the text ends before a value");
    if (first === "{" || first === "<") return this.fields(first === "{" ? "}" : ">", depth + 1);
    if (first.startsWith('"') || first.startsWith("'")) {
      let text = unescape(first);
      // Neighbours are one string.
      while (this.current?.startsWith('"') || this.current?.startsWith("'")) text += unescape(this.advance()!);
      return Uint8Array.from(text, (character) => character.charCodeAt(0));
    }
    return first.replaceAll(/\s/g, "");
  }
}

const escapes: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", a: "\x07", b: "\b", f: "\f", v: "\v" };

/** Quoted text as bytes, one a character. */
function unescape(quoted: string): string {
  const inner = latin1(encodeUtf8(quoted.slice(1, -1)));
  return inner.replaceAll(
    /\\(?:([0-7]{1,3})|[xX]([\da-fA-F]{1,2})|([^]))/g,
    (_, octal?: string, hex?: string, other?: string) => {
      if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8) & 0xff);
      if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
      return escapes[other!] ?? other!;
    },
  );
}
