// The command line's options: one table for parsing and for help. Options end at the first word that is not one; what follows
// belongs to the guest.

import { parseArgs } from "node:util";
import { CerebroError } from "../base/errors.ts";

/** One option. `value` names its argument in the help; without it the option is a switch. */
export interface Option {
  readonly value?: string;
  readonly short?: string;
  readonly repeat?: boolean;
  /** What it means when no value is given by "=". */
  readonly bare?: string;
  readonly help: string;
}

export type Options = Readonly<Record<string, Option>>;

/** Values by option: text, a list for repeated ones, true for switches. */
export type Values<T extends Options> = {
  readonly [K in keyof T]?: T[K] extends { value: string }
    ? T[K] extends { repeat: true }
      ? readonly string[]
      : string
    : boolean;
};

export interface Parsed<T extends Options> {
  readonly values: Values<T>;
  /** The first word that is not an option, and everything after it. */
  readonly rest: readonly string[];
}

/** Parses options up to the first other word, or to "--". Throws a usage error. */
export function parse<const T extends Options>(table: T, given: readonly string[]): Parsed<T> {
  const words = given.map((word) => {
    const bare = word.startsWith("--") ? table[word.slice(2)]?.bare : undefined;
    return bare === undefined ? word : `${word}=${bare}`;
  });
  const options = Object.fromEntries(
    Object.entries(table).map(([name, { value, short, repeat }]) => [
      name,
      { type: value ? ("string" as const) : ("boolean" as const), multiple: repeat ?? false, ...(short && { short }) },
    ]),
  );
  const { tokens } = parseArgs({ args: [...words], options, strict: false, allowPositionals: true, tokens: true });
  const end = tokens.find(({ kind }) => kind !== "option");
  const ours = words.slice(0, end?.index ?? words.length);
  try {
    const { values } = parseArgs({ args: ours, options, strict: true, allowPositionals: false });
    return {
      values: values as Values<T>,
      rest: end ? given.slice(end.index + (end.kind === "option-terminator" ? 1 : 0)) : [],
    };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const [first] = error.message.split(". ");
    throw new CerebroError("usage", first!.replace(/^Option/, "option").replace(/^Unknown/, "unknown"), {
      hint: "cerebro --help lists the options",
    });
  }
}

/** The options as lines of help. */
export function describe(table: Options): string {
  const rows = Object.entries(table).map(([name, { value, short, help, bare }]) => {
    const long = name.length === 1 ? `-${name}` : `--${name}`;
    return [
      `${short ? `-${short}, ` : ""}${long}${!value ? "" : bare === undefined ? ` ${value}` : `[=${value}]`}`,
      help,
    ] as const;
  });
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  return rows
    .map(([left, help]) => `  ${left.padEnd(width)}${help.replaceAll("\n", `\n  ${" ".repeat(width)}`)}`)
    .join("\n");
}
