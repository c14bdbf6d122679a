// What pre- and postprocessing are made of: named steps with options, written "resize size=96x96 | normalise mean=127.5".

import { CerebroError } from "../../base/errors.ts";
import type { Image } from "../../formats/image.ts";
import type { Sound } from "../../formats/wav.ts";
import type { Tensor } from "../hlo/tensor.ts";
import type { ModelPort } from "../model.ts";

/** What flows through the steps before a model: media until something makes a tensor of them. */
export type Item =
  | { readonly kind: "image"; readonly image: Image }
  | { readonly kind: "sound"; readonly sound: Sound }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "tensor"; readonly tensor: Tensor };

/** What a step may ask for beside its item. */
export interface StepContext {
  /** A text or binary file that an option names: labels, a tokenizer. Throws when it is not there. */
  file(path: string): Uint8Array;
  /** The input that the item goes to. */
  readonly port?: ModelPort;
  /** The outputs that results come from. */
  readonly outputs?: readonly ModelPort[];
}

/** How an option's text becomes a value; throws CerebroError "usage" with what is wrong. */
export interface OptionKind<T> {
  readonly describe: string;
  parse(text: string): T;
}

function wrong(text: string, wanted: string): never {
  throw new CerebroError("usage", `"${text}" is no ${wanted}`);
}
const number = (text: string): number => {
  const value = Number(text);
  return text.trim() === "" || !Number.isFinite(value) ? wrong(text, "number") : value;
};

/** A finite number. */
export const real: OptionKind<number> = { describe: "number", parse: number };
/** A positive whole number. */
export const count: OptionKind<number> = {
  describe: "count",
  parse: (text) => (/^[1-9]\d{0,8}$/.test(text) ? Number(text) : wrong(text, "positive whole number")),
};
/** One number, or several with commas between. */
export const reals: OptionKind<readonly number[]> = {
  describe: "number,…",
  parse: (text) => text.split(",").map(number),
};
/** "96x96", or "96" for both: width, then height. */
export const size: OptionKind<readonly [width: number, height: number]> = {
  describe: "WxH",
  parse: (text) => {
    const match = /^([1-9]\d{0,5})(?:x([1-9]\d{0,5}))?$/.exec(text);
    return match ? [Number(match[1]), Number(match[2] ?? match[1])] : wrong(text, "size such as 96x96");
  },
};
/** "-1..1". */
export const range: OptionKind<readonly [number, number]> = {
  describe: "LOW..HIGH",
  parse: (text) => {
    const [low, high, ...more] = text.split("..");
    if (low === undefined || high === undefined || more.length > 0) return wrong(text, "range such as -1..1");
    return [number(low), number(high)];
  },
};
/** A path. */
export const path: OptionKind<string> = {
  describe: "PATH",
  parse: (text) => (text === "" || text.includes("\0") ? wrong(text, "path") : text),
};
/** One of some words. */
export function oneOf<const W extends readonly string[]>(...words: W): OptionKind<W[number]> {
  return {
    describe: words.join("|"),
    parse: (text) => words.find((word) => word === text) ?? wrong(text, `one of ${words.join(", ")}`),
  };
}
/** "yes" or "no". */
export const flag: OptionKind<boolean> = {
  describe: "yes|no",
  parse: (text) => (text === "yes" || text === "no" ? text === "yes" : wrong(text, "yes or no")),
};

export type OptionKinds = Readonly<Record<string, OptionKind<unknown>>>;
export type OptionsOf<K extends OptionKinds> = {
  readonly [N in keyof K]?: K[N] extends OptionKind<infer T> ? T : never;
};

/** A row of a step table. */
export interface Step<In, Out, K extends OptionKinds = OptionKinds> {
  readonly help: string;
  readonly options: K;
  apply(item: In, options: OptionsOf<K>, context: StepContext): Out;
}

/** Lets the types of the options flow into `apply`. */
export function stepOf<In, Out>() {
  return <const K extends OptionKinds>(row: Step<In, Out, K>): Step<In, Out> => row as unknown as Step<In, Out>;
}

/** A step of a chain: its row and its options' values. */
export interface Chosen<In, Out> {
  readonly name: string;
  readonly row: Step<In, Out>;
  readonly options: Readonly<Record<string, unknown>>;
}

/**
 * Parses a chain of steps: separated by "|" or line ends, each a name and key=value words; "" and "none" are no steps.
 * Throws CerebroError "usage" that names the step or option that is wrong.
 */
export function parseSteps<In, Out>(
  text: string,
  table: Readonly<Record<string, Step<In, Out>>>,
): readonly Chosen<In, Out>[] {
  if (text.trim() === "none") return [];
  return text
    .split(/[|\n]/)
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map((part) => {
      const [name = "", ...words] = part.split(/\s+/);
      const row = Object.hasOwn(table, name) ? table[name] : undefined;
      if (!row) {
        const hint = `steps are ${Object.keys(table).join(", ")}`;
        throw new CerebroError("usage", `no step is called "${name}"`, { hint });
      }
      const options: Record<string, unknown> = {};
      for (const word of words) {
        const at = word.indexOf("=");
        const key = at < 0 ? word : word.slice(0, at);
        const kind = Object.hasOwn(row.options, key) ? row.options[key] : undefined;
        if (!kind || at < 0) {
          const known = Object.entries(row.options).map(([option, { describe }]) => `${option}=${describe}`);
          throw new CerebroError("usage", `step ${name}: "${word}" is no option`, {
            hint: `options are ${known.join(" ")}`,
          });
        }
        try {
          options[key] = kind.parse(word.slice(at + 1));
        } catch (error) {
          if (error instanceof CerebroError)
            throw new CerebroError(error.code, `step ${name}, ${key}: ${error.message}`);
          throw error;
        }
      }
      return { name, row, options };
    });
}
