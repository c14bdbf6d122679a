// The line protocol of /dev/cerebro: LOAD_MODEL, EXECUTE_MODEL, GET_RESULTS and what goes with them.

import { CerebroError } from "../../base/errors.ts";

/** A parsed line. */
export interface Command {
  readonly name: CommandName;
  /** Words without "=". */
  readonly words: readonly string[];
  /** key=value, in order. */
  readonly options: ReadonlyMap<string, string>;
}

interface Row {
  readonly usage: string;
  /** How many words it takes at least and at most. */
  readonly words: readonly [least: number, most: number];
  /** Options it knows; undefined: any (they name inputs). */
  readonly options: readonly string[] | undefined;
}

/** Every command. */
export const commands = {
  LOAD_MODEL: {
    usage: "LOAD_MODEL PATH [signature=NAME] [threads=N] [backend=NAME]",
    words: [1, 1],
    options: ["signature", "threads", "backend"],
  },
  EXECUTE_MODEL: { usage: "EXECUTE_MODEL [INPUT=PATH or JSON]…", words: [0, 1], options: undefined },
  GET_RESULTS: {
    usage: "GET_RESULTS [format=json|npy|raw|text] [output=NAME]",
    words: [0, 0],
    options: ["format", "output"],
  },
  RESET: { usage: "RESET", words: [0, 0], options: [] },
  UNLOAD: { usage: "UNLOAD", words: [0, 0], options: [] },
} as const satisfies Record<string, Row>;

export type CommandName = keyof typeof commands;

/** Words separated by blanks; quotes keep blanks together, and so do the brackets of JSON. */
function wordsOf(line: string): string[] {
  const words: string[] = [];
  let word = "";
  let begun = false;
  let quote = "";
  let depth = 0;
  for (let i = 0; i < line.length; i++) {
    const c = line[i]!;
    if (quote !== "") {
      if (c === quote) {
        quote = "";
        if (depth > 0) word += c;
      } else if (c === "\\" && quote === '"' && i + 1 < line.length) word += depth > 0 ? c + line[++i]! : line[++i]!;
      else word += c;
    } else if (c === '"' || (c === "'" && depth === 0)) {
      quote = c;
      begun = true;
      if (depth > 0) word += c;
    } else if (depth === 0 && /\s/.test(c)) {
      if (begun) words.push(word);
      word = "";
      begun = false;
    } else {
      if (c === "[" || c === "{") depth++;
      if ((c === "]" || c === "}") && depth > 0) depth--;
      word += c;
      begun = true;
    }
  }
  if (quote !== "") throw new CerebroError("usage", "a quote is not closed");
  if (begun) words.push(word);
  return words;
}

/** Parses a line; undefined for an empty one and for a comment. Throws CerebroError "usage". */
export function parseCommand(line: string): Command | undefined {
  const [first, ...rest] = wordsOf(line.trim());
  if (first === undefined || first.startsWith("#")) return undefined;
  const name = first.toUpperCase();
  if (!Object.hasOwn(commands, name)) {
    throw new CerebroError(
      "usage",
      `"${first.slice(0, 40)}" is no command: they are ${Object.keys(commands).join(", ")}`,
    );
  }
  const row: Row = commands[name as CommandName];
  const options = new Map<string, string>();
  const words: string[] = [];
  for (const word of rest) {
    const match = /^([\w.:/-]+)=(.*)$/s.exec(word);
    // A path may have a "=": only what could be an option's name is taken for one.
    if (match && (row.options === undefined || row.options.includes(match[1]!))) options.set(match[1]!, match[2]!);
    else words.push(word);
  }
  if (words.length < row.words[0] || words.length > row.words[1])
    throw new CerebroError("usage", `usage: ${row.usage}`);
  return { name: name as CommandName, words, options };
}
