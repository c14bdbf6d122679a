// Patterns of tokenizer.json: Oniguruma's syntax written as JavaScript's. Source: Oniguruma's doc/RE.

import { FormatError, messageOf, UnsupportedFormat } from "../../../base/errors.ts";
import type { Config } from "../../import/transformer/config.ts";

/** Longest pattern that is taken, and its deepest sets. */
const longest = 20_000;
const deepest = 20;

/** A text as a pattern that matches it. */
export const escaped = (text: string) => text.replace(/[\^$\\.*+?()[\]{}|/]/g, "\\$&");

/** The global pattern of a component: {"String": …} or {"Regex": …}. Throws FormatError. */
export function patternOf(config: Config, name = "pattern"): RegExp {
  const plain = config.json[name];
  if (typeof plain === "string") return new RegExp(escaped(plain), "gu");
  const given = config.within(name);
  if (!given) throw new FormatError(`tokenizer: "${name}" is missing`);
  return given.has("String") ? new RegExp(escaped(given.text("String")), "gu") : translated(given.text("Regex"));
}

/** Letters after a backslash that mean a class, inside brackets and outside. */
const shorthands: Readonly<Record<string, readonly [inside: string, negated: string]>> = {
  s: ["\\p{White_Space}", "\\P{White_Space}"],
  d: ["\\p{Nd}", "\\P{Nd}"],
  h: ["0-9a-fA-F", ""],
  // Of the other numbers those in Latin-1 only.
  w: ["\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}²³¹¼½¾", ""],
};
const posix: Readonly<Record<string, string>> = {
  alpha: "\\p{Alphabetic}",
  digit: "\\p{Nd}",
  alnum: "\\p{Alphabetic}\\p{Nd}",
  upper: "\\p{Uppercase}",
  lower: "\\p{Lowercase}",
  space: "\\p{White_Space}",
  punct: "\\p{P}\\p{S}",
};
const controls = new Set(["t", "n", "r", "f", "v"]);

/** Translates a pattern of Oniguruma. Throws FormatError for what is wrong or has no counterpart. */
export function translated(source: string): RegExp {
  if (source.length > longest) {
    throw new FormatError(`tokenizer: a pattern has ${source.length} characters, at most ${longest}`);
  }
  const text = new Translation(source).result();
  try {
    return new RegExp(text, "gmu");
  } catch (error) {
    throw new FormatError(`tokenizer: pattern ${source}: ${messageOf(error)}`);
  }
}

class Translation {
  private readonly characters: readonly string[];
  private readonly source: string;
  private at = 0;
  private output = "";
  /** Open groups: where they begin in the output, and whether they hold a repetition without end. */
  private readonly groups: { start: number; repeats: boolean; ignoreCase: boolean; close: string }[] = [];
  private ignoreCase = false;
  private atomics = 0;
  private repeats = false;
  private depth = 0;

  constructor(source: string) {
    this.source = source;
    this.characters = [...source];
  }

  private refuse(what: string): never {
    throw new UnsupportedFormat(`tokenizer: pattern ${this.source}: ${what} is not built`);
  }

  result(): string {
    /** Where the last atom begins, for what repeats it. */
    let atom = 0;
    let atomRepeats = false;
    while (this.at < this.characters.length) {
      const c = this.characters[this.at]!;
      if (c === "(") {
        this.open();
        continue;
      }
      if (c === ")") {
        const group = this.groups.pop();
        if (!group) throw new FormatError(`tokenizer: pattern ${this.source}: ")" at ${this.at} closes nothing`);
        this.output += group.close;
        this.ignoreCase = group.ignoreCase;
        this.at++;
        atom = group.start;
        atomRepeats = this.repeats;
        this.repeats ||= group.repeats;
        continue;
      }
      const bound = "*+?{".includes(c) ? this.quantifier() : undefined;
      if (bound) {
        if (bound.endless && atomRepeats) this.refuse("a repetition of a repetition or a choice");
        if (bound.endless) this.repeats = true;
        this.output += bound.text;
        if (bound.possessive) {
          const name = `a${this.atomics++}`;
          this.output = `${this.output.slice(0, atom)}(?=(?<${name}>${this.output.slice(atom)}))\\k<${name}>`;
        }
        continue;
      }
      atom = this.output.length;
      atomRepeats = false;
      if (c === "[") this.output += this.brackets();
      else if (c === "\\") this.output += this.escape({ inside: false });
      else {
        this.at++;
        // Choices that are repeated may be made in too many ways, as repetitions may.
        if (c === "|" && this.groups.length > 0) this.repeats = true;
        if (c === ".") this.output += "[^\\n]";
        else if (c === "|" || c === "^" || c === "$") this.output += c;
        else this.output += this.cased(c);
      }
    }
    if (this.groups.length > 0) throw new FormatError(`tokenizer: pattern ${this.source}: a "(" is not closed`);
    return this.output;
  }

  private cased(c: string): string {
    const [lower, upper] = [c.toLowerCase(), c.toUpperCase()];
    if (!this.ignoreCase || lower === upper) return escaped(c);
    // The long s folds to s.
    return `[${lower}${upper}${lower === "s" ? "\u017f" : lower === "k" ? "\u212a" : ""}]`;
  }

  private open(): void {
    const rest = this.characters.slice(this.at, this.at + 12).join("");
    const push = (text: string, taken: number, close = ")") => {
      this.groups.push({ start: this.output.length, repeats: this.repeats, ignoreCase: this.ignoreCase, close });
      this.repeats = false;
      this.output += text;
      this.at += taken;
    };
    const plain = /^\((?:\?(?::|=|!|<=|<!))?/.exec(rest)![0];
    if (rest.startsWith("(?>")) {
      const name = `a${this.atomics++}`;
      push(`(?:(?=(?<${name}>`, 3, `))\\k<${name}>)`);
    } else if (/^\(\?[a-z]*-?[a-z]*:/.test(rest) && !rest.startsWith("(?:")) {
      const flags = /^\(\?([a-z]*)(-[a-z]*)?:/.exec(rest)!;
      if (flags[1] !== "i" || flags[2]) this.refuse(`the option "${flags[0]}"`);
      push("(?:", flags[0].length);
      this.ignoreCase = true;
    } else if (rest.startsWith("(?i)")) {
      this.ignoreCase = true;
      this.at += 4;
    } else if (plain === "(" && rest.startsWith("(?")) this.refuse(`"${rest}"`);
    else push(plain === "(" ? "(?:" : plain, plain.length);
  }

  private quantifier(): { text: string; endless: boolean; possessive: boolean } | undefined {
    const rest = this.characters.slice(this.at, this.at + 24).join("");
    const match = /^(?:[*+?]|\{\d*,?\d*\})/.exec(rest);
    if (!match || match[0] === "{}" || match[0] === "{,}") return undefined;
    let [text] = match;
    this.at += text.length;
    const interval = text.startsWith("{");
    const next = this.characters[this.at];
    const possessive = next === "+" && !interval;
    const lazy = next === "?";
    if (possessive || lazy) this.at++;
    if (interval && text.startsWith("{,")) text = `{0${text.slice(1)}`;
    const endless = text === "*" || text === "+" || text.endsWith(",}");
    return { text: lazy ? `${text}?` : text, endless, possessive };
  }

  private escape({ inside }: { inside: boolean }): string {
    const c = this.characters[this.at + 1];
    if (c === undefined) throw new FormatError(`tokenizer: pattern ${this.source}: ends in a backslash`);
    this.at += 2;
    const short = shorthands[c.toLowerCase()];
    if (short) {
      const negated = c !== c.toLowerCase();
      if (!negated) return inside ? short[0] : `[${short[0]}]`;
      if (!inside) return `[^${short[0]}]`;
      return short[1] === "" ? this.refuse(`\\${c} in brackets`) : short[1];
    }
    if (c === "p" || c === "P") return this.property(c);
    if (controls.has(c)) return `\\${c}`;
    if (c === "A" || c === "G") return inside ? c : "(?<![^])";
    if (c === "z" || c === "Z") return inside ? c : "(?![^])";
    if ((c === "b" || c === "B") && !inside) return `\\${c}`;
    if (c === "x" || c === "u") {
      const rest = this.characters.slice(this.at, this.at + 12).join("");
      const match = (c === "x" ? /^(?:\{([0-9a-fA-F]{1,6})\}|([0-9a-fA-F]{1,2}))/ : /^\{?([0-9a-fA-F]{4})\}?/).exec(
        rest,
      );
      if (!match) throw new FormatError(`tokenizer: pattern ${this.source}: \\${c} without digits`);
      this.at += match[0].length;
      return `\\u{${match[1] ?? match[2]}}`;
    }
    if (/[0-9a-zA-Z]/.test(c)) this.refuse(`\\${c}`);
    return inside && "-&!#%,:;<=>@`~'\" _".includes(c) ? (c === "-" ? "\\-" : c) : escaped(c);
  }

  private property(letter: string): string {
    const rest = this.characters.slice(this.at, this.at + 40).join("");
    const match = /^\{(\^?)([A-Za-z_ ]+)\}/.exec(rest);
    if (!match) throw new FormatError(`tokenizer: pattern ${this.source}: \\${letter} without a name`);
    this.at += match[0].length;
    const sign = (letter === "P") !== (match[1] === "^") ? "P" : "p";
    const name = match[2]!;
    const known = posix[name.toLowerCase()];
    if (known && !known.includes("}\\")) return known.replace("\\p", `\\${sign}`);
    for (const wanted of [name, `Script=${name}`]) {
      try {
        new RegExp(`\\p{${wanted}}`, "u");
        return `\\${sign}{${wanted}}`;
      } catch {
        continue;
      }
    }
    return this.refuse(`\\p{${name}}`);
  }

  /** A set; what is in one within it belongs to it. */
  private brackets({ within = false } = {}): string {
    if (within && ++this.depth > deepest) this.refuse("a set so deep");
    let text = "[";
    this.at++;
    if (this.characters[this.at] === "^") {
      text += "^";
      this.at++;
    }
    for (let first = true; ; first = false) {
      const c = this.characters[this.at];
      if (c === undefined) throw new FormatError(`tokenizer: pattern ${this.source}: a "[" is not closed`);
      const rest = this.characters.slice(this.at, this.at + 12).join("");
      if (c === "]" && !first) {
        this.at++;
        if (within) this.depth--;
        return `${text}]`;
      }
      const named = /^\[:(\w+):\]/.exec(rest);
      if (named) {
        const inside = posix[named[1]!];
        if (!inside) this.refuse(named[0]);
        text += inside;
        this.at += named[0].length;
      } else if (rest.startsWith("&&") || rest.startsWith("[^")) this.refuse("an intersection of sets");
      else if (c === "[") text += this.brackets({ within: true }).slice(1, -1);
      else if (c === "\\") text += this.escape({ inside: true });
      else {
        this.at++;
        const other = this.ignoreCase && c.toLowerCase() !== c.toUpperCase() && this.characters[this.at] !== "-";
        text +=
          other && !text.endsWith("-")
            ? `${c.toLowerCase()}${c.toUpperCase()}`
            : c === "-"
              ? this.dash(text)
              : escaped(c);
      }
    }
  }

  /** A dash that is no range is itself. */
  private dash(before: string): string {
    const next = this.characters[this.at];
    const edge = before === "[" || before === "[^" || next === "]";
    const classBefore = /\\[pP]\{[^}]*\}$/.test(before);
    return edge || classBefore || next === "\\" ? "\\-" : "-";
  }
}
