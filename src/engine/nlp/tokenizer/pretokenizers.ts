// Pre-tokenizers: how text is cut into words. One row for each kind that tokenizer.json knows.

import { FormatError, UnsupportedFormat } from "../../../base/errors.ts";
import { isObject } from "../../../base/json.ts";
import { Config } from "../../import/transformer/config.ts";
import type { Aligned } from "./aligned.ts";
import { bytesAsCharacters } from "./normalizers.ts";
import { escaped, patternOf } from "./pattern.ts";
import { classes, punctuationSign } from "./unicode.ts";

export type PreTokenizer = (text: Aligned) => readonly Aligned[];

export const behaviours = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"] as const;
export type Behaviour = (typeof behaviours)[number];

interface Part {
  from: number;
  to: number;
  readonly match: boolean;
}

/** The text as matches and what lies between them. */
function parts(text: string, pattern: RegExp, invert: boolean): Part[] {
  const found: Part[] = [];
  let done = 0;
  pattern.lastIndex = 0;
  for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
    const { index } = match;
    const { length } = match[0];
    if (length === 0) {
      pattern.lastIndex += text.codePointAt(index)! > 0xffff ? 2 : 1;
      continue;
    }
    if (index > done) found.push({ from: done, to: index, match: invert });
    done = index + length;
    found.push({ from: index, to: done, match: !invert });
  }
  if (done < text.length) found.push({ from: done, to: text.length, match: invert });
  return found;
}

/** Cuts a text at a pattern's matches. Source: SplitDelimiterBehavior of `tokenizers`. */
export function split(text: Aligned, pattern: RegExp, behaviour: Behaviour, { invert = false } = {}): Aligned[] {
  const all = parts(text.text, pattern, invert);
  const cut = ({ from, to }: Part) => text.slice(from, to);
  if (behaviour === "Isolated") return all.map(cut);
  if (behaviour === "Removed") return all.filter(({ match }) => !match).map(cut);
  const kept: Part[] = [];
  let before = false;
  if (behaviour === "MergedWithNext") {
    for (const part of all.toReversed()) {
      const next = kept.at(-1);
      if (part.match && !before && next) next.from = part.from;
      else kept.push(part);
      before = part.match;
    }
    return kept.toReversed().map(cut);
  }
  for (const part of all) {
    const last = kept.at(-1);
    const merge = behaviour === "Contiguous" ? part.match === before : part.match && !before;
    if (merge && last) last.to = part.to;
    else kept.push(part);
    before = part.match;
  }
  return kept.map(cut);
}

function behaviourOf(config: Config, otherwise?: Behaviour): Behaviour {
  const name = config.text("behavior", otherwise);
  const found = behaviours.find((each) => each === name);
  if (!found) throw new FormatError(`tokenizer: the behaviour "${name}" is none of ${behaviours.join(", ")}`);
  return found;
}

const white = () => new RegExp(`[${classes.white}]+`, "gu");
const signs = () => new RegExp(punctuationSign, "gu");
/** A word or a sign: what is neither is dropped. */
const bertWords = () => new RegExp(`${punctuationSign}|(?:(?!${punctuationSign})[^${classes.white}])+`, "gu");
const plainBertWords = /[!-/:-@[-`{-~]|[a-zA-Z0-9]+/g;
const wordClass = String.raw`\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}`;

/** GPT-2's words: contractions, letters, digits and signs, each with the space before it. */
const gptWords = () =>
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** Every pre-tokenizer by its name in tokenizer.json. */
export const pretokenizers = {
  BertPreTokenizer: () => (text) => {
    const plain = !/[^\n\r\t -~]/.test(text.text);
    return split(text, plain ? plainBertWords : bertWords(), "Removed", { invert: true });
  },
  Whitespace: () => (text) =>
    split(text, new RegExp(`[${wordClass}]+|[^${wordClass}${classes.white}]+`, "gu"), "Removed", { invert: true }),
  WhitespaceSplit: () => (text) => split(text, white(), "Removed"),
  ByteLevel: (config) => {
    const prefix = config.flag("add_prefix_space", true);
    const words = config.flag("use_regex", true);
    return (text) => {
      const spaced = prefix && !text.text.startsWith(" ") ? text.prepended(" ") : text;
      return (words ? split(spaced, gptWords(), "Isolated") : [spaced]).map(bytesAsCharacters);
    };
  },
  Metaspace: (config) => {
    const replacement = config.text("replacement", "▁");
    const scheme = schemeOf(config);
    const cut = config.flag("split", true);
    const pattern = new RegExp(escaped(replacement), "gu");
    return (text) => {
      let x = text.withText(replacement.length === 1 ? text.text.replaceAll(" ", replacement) : text.text);
      if (replacement.length !== 1) x = text.replaced(/ /g, () => replacement);
      const wanted = scheme === "always" || (scheme === "first" && text.begin === 0);
      if (wanted && !x.text.startsWith(replacement)) x = x.prepended(replacement);
      return cut ? split(x, pattern, "MergedWithNext") : [x];
    };
  },
  Punctuation: (config) => {
    const behaviour = behaviourOf(config, "Isolated");
    return (text) => split(text, signs(), behaviour);
  },
  Digits: (config) => {
    const behaviour = config.flag("individual_digits", false) ? "Isolated" : "Contiguous";
    return (text) => split(text, /\p{N}/gu, behaviour);
  },
  Split: (config) => {
    const pattern = patternOf(config);
    const behaviour = behaviourOf(config);
    const invert = config.flag("invert", false);
    return (text) => split(text, pattern, behaviour, { invert });
  },
  CharDelimiterSplit: (config) => {
    const pattern = new RegExp(escaped(config.text("delimiter")), "gu");
    return (text) => split(text, pattern, "Removed");
  },
  FixedLength: (config) => {
    const pattern = new RegExp(`[^]{1,${config.size("length", 5)}}`, "gu");
    return (text) => split(text, pattern, "Isolated");
  },
  UnicodeScripts: () => splitByScript,
  Sequence: (config) => {
    const steps = config.objects("pretokenizers").map(pretokenizerOf);
    return (text) => steps.reduce<readonly Aligned[]>((all, step) => all.flatMap(step), [text]);
  },
} as const satisfies Record<string, (config: Config) => PreTokenizer>;

/** When a Metaspace puts its sign before the text: "always", "never" or "first". Older files have a flag. */
export function schemeOf(config: Config): string {
  return config.text("prepend_scheme", config.flag("add_prefix_space", true) ? "always" : "never");
}

/** The pre-tokenizer that a part of tokenizer.json describes. Throws FormatError. */
export function pretokenizerOf(config: Config): PreTokenizer {
  const type = config.text("type");
  const make = Object.hasOwn(pretokenizers, type) ? pretokenizers[type as keyof typeof pretokenizers] : undefined;
  if (!make) throw new UnsupportedFormat(`tokenizer: the pre-tokenizer "${type}" is not built`);
  return make(config);
}

/** An object that is a component, or nothing. */
export function partOf(config: Config, name: string): Config | undefined {
  const json = config.json[name];
  if (json === null || json === undefined) return undefined;
  if (!isObject(json)) throw new FormatError(`tokenizer: "${name}" is no object`);
  return new Config(json, `tokenizer: ${name}`);
}

const scripts =
  "Latin Han Cyrillic Greek Arabic Hebrew Devanagari Thai Hangul Common Inherited Bengali Gurmukhi Gujarati Oriya Tamil Telugu Kannada Malayalam Sinhala Lao Tibetan Myanmar Georgian Armenian Ethiopic Cherokee Canadian_Aboriginal Ogham Runic Khmer Mongolian Bopomofo Yi Thaana Syriac Old_Italic Gothic Deseret Tagalog Hanunoo Buhid Tagbanwa Limbu Tai_Le Linear_B Ugaritic Shavian Osmanya Cypriot Braille Buginese Coptic New_Tai_Lue Glagolitic Tifinagh Syloti_Nagri Old_Persian Kharoshthi Balinese Cuneiform Phoenician Phags_Pa Nko Sundanese Lepcha Ol_Chiki Vai Saurashtra Kayah_Li Rejang Cham Tai_Tham Tai_Viet Javanese Meetei_Mayek Lisu Samaritan".split(
    " ",
  );
const scriptPatterns = scripts.map((name) => new RegExp(`^\\p{Script=${name}}`, "u"));

const laterPictures = new RegExp(`[${classes.laterPictures}]`, "u");

/** Japanese is one script with its kana; a space belongs to any. */
function scriptOf(character: string): string {
  if (character === " " || laterPictures.test(character)) return "any";
  if (/[\p{Script=Hiragana}\p{Script=Katakana}\u30fc]/u.test(character)) return "Han";
  return scripts[scriptPatterns.findIndex((pattern) => pattern.test(character))] ?? "any";
}

/** Cuts where the script changes. What has no script and stands before all that has one is lost, as in the reference. */
function splitByScript(text: Aligned): Aligned[] {
  const known = new Map<string, string>();
  const cuts: number[] = [];
  let last: string | undefined;
  let at = 0;
  for (const character of text.text) {
    let script = known.get(character);
    if (script === undefined) known.set(character, (script = scriptOf(character)));
    if (script !== "any") {
      if (last !== script) cuts.push(at);
      last = script;
    }
    at += character.length;
  }
  return cuts.map((from, i) => text.slice(from, cuts[i + 1] ?? text.length));
}
