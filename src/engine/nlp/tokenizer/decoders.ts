// Decoders: how tokens become text again. One row for each kind that tokenizer.json knows.

import { UnsupportedFormat } from "../../../base/errors.ts";
import type { Config } from "../../import/transformer/config.ts";
import { byteCharacters } from "./normalizers.ts";
import { patternOf } from "./pattern.ts";
import { schemeOf } from "./pretokenizers.ts";

/** Parts of a text in, parts of a text out; in the end they are joined. */
export type Decoder = (parts: readonly string[]) => readonly string[];

const bytesOfCharacters = new Map(byteCharacters.map((character, byte) => [character, byte] as const));
const encoder = new TextEncoder();
const lossy = new TextDecoder("utf-8", { ignoreBOM: true });
const strict = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

/** Spaces that English text does not have before signs and within contractions. */
function cleaned(text: string): string {
  return text
    .replaceAll(" .", ".")
    .replaceAll(" ?", "?")
    .replaceAll(" !", "!")
    .replaceAll(" ,", ",")
    .replaceAll(" ' ", "'")
    .replaceAll(" n't", "n't")
    .replaceAll(" 'm", "'m")
    .replaceAll(" do not", " don't")
    .replaceAll(" 's", "'s")
    .replaceAll(" 've", "'ve")
    .replaceAll(" 're", "'re");
}

function byteLevel(parts: readonly string[]): readonly string[] {
  const bytes: number[] = [];
  for (const part of parts) {
    const found = [...part].map((character) => bytesOfCharacters.get(character));
    if (found.every((byte) => byte !== undefined)) for (const byte of found) bytes.push(byte);
    else for (const byte of encoder.encode(part)) bytes.push(byte);
  }
  return [lossy.decode(Uint8Array.from(bytes))];
}

function byteFallback(parts: readonly string[]): readonly string[] {
  const result: string[] = [];
  let bytes: number[] = [];
  const flush = () => {
    if (bytes.length === 0) return;
    try {
      result.push(strict.decode(Uint8Array.from(bytes)));
    } catch {
      result.push("\ufffd".repeat(bytes.length));
    }
    bytes = [];
  };
  for (const part of parts) {
    const byte = /^<0x([0-9a-fA-F]{2})>$/.exec(part);
    if (byte) bytes.push(Number.parseInt(byte[1]!, 16));
    else {
      flush();
      result.push(part);
    }
  }
  flush();
  return result;
}

/** Every decoder by its name in tokenizer.json. */
export const decoders = {
  WordPiece: (config) => {
    const prefix = config.text("prefix", "##");
    const clean = config.flag("cleanup", true);
    return (parts) =>
      parts.map((part, i) => {
        const joined = i === 0 ? part : part.startsWith(prefix) ? part.slice(prefix.length) : ` ${part}`;
        return clean ? cleaned(joined) : joined;
      });
  },
  ByteLevel: () => byteLevel,
  Metaspace: (config) => {
    const sign = config.text("replacement", "▁");
    const prefixed = schemeOf(config) !== "never";
    return (parts) => parts.map((part, i) => part.replaceAll(sign, i === 0 && prefixed ? "" : " "));
  },
  BPEDecoder: (config) => {
    const suffix = config.text("suffix", "</w>");
    return (parts) => parts.map((part, i) => part.replaceAll(suffix, i === parts.length - 1 ? "" : " "));
  },
  ByteFallback: () => byteFallback,
  Fuse: () => (parts) => [parts.join("")],
  Strip: (config) => {
    const sign = config.text("content", " ");
    const [first, last] = [config.number("start", 0), config.number("stop", 0)];
    return (parts) =>
      parts.map((part) => {
        let from = 0;
        let to = part.length;
        for (let i = 0; i < first && sign !== "" && part.startsWith(sign, from); i++) from += sign.length;
        for (let i = 0; i < last && sign !== "" && to > from && part.endsWith(sign, to); i++) to -= sign.length;
        return part.slice(from, to);
      });
  },
  Replace: (config) => {
    const pattern = patternOf(config);
    const content = config.text("content");
    return (parts) => parts.map((part) => part.replace(pattern, () => content));
  },
  /** Repeated tokens are one, the pad token is none (connectionist temporal classification). */
  CTC: (config) => {
    const padding = config.text("pad_token", "<pad>");
    const delimiter = config.text("word_delimiter_token", "|");
    const clean = config.flag("cleanup", true);
    return (parts) =>
      parts
        .filter((part, i) => part !== parts[i - 1])
        .map((part) => part.replaceAll(padding, ""))
        .map((part) => (clean ? cleaned(part).replaceAll(delimiter, " ") : part))
        .filter((part) => part !== "");
  },
  Sequence: (config) => {
    const steps = config.objects("decoders").map(decoderOf);
    return (parts) => steps.reduce((current, step) => step(current), parts);
  },
} as const satisfies Record<string, (config: Config) => Decoder>;

/** The decoder that a part of tokenizer.json describes. Throws FormatError. */
export function decoderOf(config: Config): Decoder {
  const type = config.text("type");
  const make = Object.hasOwn(decoders, type) ? decoders[type as keyof typeof decoders] : undefined;
  if (!make) throw new UnsupportedFormat(`tokenizer: the decoder "${type}" is not built`);
  return make(config);
}
