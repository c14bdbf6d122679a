// Normalizers: what happens to text before it is cut. One row for each kind that tokenizer.json knows.

import { UnsupportedFormat } from "../../../base/errors.ts";
import type { Config } from "../../import/transformer/config.ts";
import type { Aligned } from "./aligned.ts";
import { Charsmap } from "./charsmap.ts";
import { base64 } from "./base64.ts";
import { patternOf } from "./pattern.ts";
import { accents, classes, controls } from "./unicode.ts";

export type Normalizer = (text: Aligned) => Aligned;

const isAscii = (text: string) => !/[^\0-\x7f]/.test(text);

/** Lower case, character by character: the final sigma is not told apart. */
function lowered(text: Aligned): Aligned {
  const lower = text.text.toLowerCase();
  if (lower === text.text) return text;
  if (lower.length === text.length && !text.text.includes("Σ")) return text.withText(lower);
  return text.replaced(/\p{Changes_When_Lowercased}/gu, (character) => character.toLowerCase());
}

/** Canonical or compatible decomposition: each character's parts belong to it. */
function decomposed(text: Aligned, form: "NFD" | "NFKD"): Aligned {
  if (isAscii(text.text)) return text;
  const whole = text.text.normalize(form);
  if (whole === text.text) return text;
  const apart = text.replaced(/[^\0-\x7f]/gu, (character) => character.normalize(form));
  if (apart.text === whole) return apart;
  // Marks changed places.
  return apart.replaced(/[^\p{M}]?\p{M}{2,}/gu, (cluster) => cluster.normalize(form));
}

/** Composition within clusters: a base with its marks, or the letters of a Hangul syllable. */
function composed(text: Aligned): Aligned {
  if (isAscii(text.text) || text.text.normalize("NFC") === text.text) return text;
  return text.replaced(/[^\p{M}]?[\p{M}\u1160-\u11ff]+|[^\0-\x7f]/gu, (cluster) => cluster.normalize("NFC"));
}

function strippedAccents(text: Aligned): Aligned {
  return isAscii(text.text) ? text : text.replaced(accents(), () => "");
}

function trimmed(text: Aligned, options: { left: boolean; right: boolean }): Aligned {
  const white = new RegExp(`^[${classes.white}]*`, "u");
  const from = options.left ? white.exec(text.text)![0].length : 0;
  let to = text.length;
  if (options.right) while (to > from && /\p{White_Space}/u.test(text.text[to - 1]!)) to--;
  return text.slice(from, to);
}

function bert(config: Config): Normalizer {
  const clean = config.flag("clean_text", true);
  const ideographs = config.flag("handle_chinese_chars", true);
  const lowercase = config.flag("lowercase", true);
  const strip = config.flag("strip_accents", lowercase);
  return (text) => {
    let x = text;
    if (clean) {
      x = x.replaced(controls(), () => "").replaced(/\p{White_Space}/gu, () => " ");
    }
    if (ideographs && !isAscii(x.text)) {
      x = x.replaced(new RegExp(`[${classes.ideographs}]`, "gu"), (sign) => ` ${sign} `);
    }
    if (strip) x = strippedAccents(decomposed(x, "NFD"));
    return lowercase ? lowered(x) : x;
  };
}

/** Every normalizer by its name in tokenizer.json. */
export const normalizers = {
  BertNormalizer: bert,
  NFC: () => composed,
  NFD: () => (text) => decomposed(text, "NFD"),
  NFKC: () => (text) => composed(decomposed(text, "NFKD")),
  NFKD: () => (text) => decomposed(text, "NFKD"),
  Lowercase: () => lowered,
  StripAccents: () => (text) => (isAscii(text.text) ? text : text.replaced(/\p{M}/gu, () => "")),
  Strip: (config) => {
    const options = { left: config.flag("strip_left", true), right: config.flag("strip_right", true) };
    return (text) => trimmed(text, options);
  },
  Replace: (config) => {
    const pattern = patternOf(config);
    const content = config.text("content");
    return (text) => text.replaced(pattern, () => content);
  },
  Prepend: (config) => {
    const prefix = config.text("prepend");
    return (text) => text.prepended(prefix);
  },
  /** Controls removed, other spaces to a space: as sentencepiece's nmt rule. */
  Nmt: () => (text) =>
    text
      .replaced(/[\x01-\x08\x0b\x0e-\x1f\x7f\x8f\x9f]/g, () => "")
      .replaced(/[\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]/g, () => " "),
  Precompiled: (config) => {
    const map = new Charsmap(base64(config.text("precompiled_charsmap"), "precompiled_charsmap"));
    return (text) => map.byClusters(text);
  },
  ByteLevel: () => (text) => bytesAsCharacters(text),
  Sequence: (config) => {
    const steps = config.objects("normalizers").map(normalizerOf);
    return (text) => steps.reduce((current, step) => step(current), text);
  },
} as const satisfies Record<string, (config: Config) => Normalizer>;

/** The normalizer that a part of tokenizer.json describes. Throws FormatError. */
export function normalizerOf(config: Config): Normalizer {
  const type = config.text("type");
  const make = Object.hasOwn(normalizers, type) ? normalizers[type as keyof typeof normalizers] : undefined;
  if (!make) throw new UnsupportedFormat(`tokenizer: the normalizer "${type}" is not built`);
  return make(config);
}

/** The characters that stand for bytes in byte-level vocabularies: printable ones for themselves (GPT-2). */
export const byteCharacters: readonly string[] = (() => {
  let other = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    return String.fromCharCode(printable ? byte : other++);
  });
})();

const plainBytes = /^[!-~]*$/;
const encoder = new TextEncoder();

/** Each byte of the UTF-8 text as the character that stands for it. */
export function bytesAsCharacters(text: Aligned): Aligned {
  if (plainBytes.test(text.text)) return text;
  if (isAscii(text.text)) return text.withText(text.text.replace(/[^!-~]/g, (c) => byteCharacters[c.charCodeAt(0)]!));
  return text.replaced(/[^!-~]/gu, (character) => {
    let characters = "";
    for (const byte of encoder.encode(character)) characters += byteCharacters[byte]!;
    return characters;
  });
}
