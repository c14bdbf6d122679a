// The full instruction test: `npm run test:instructions -- [cases] [--only TEXT] [--part integer|simd|sequences] [--seed N]
// [--mode 32|64] [--engine straight|interpreted|compiled] [--verbose]`. TEXT is part of a row's name or notation. Prints
// the rows that differ, the most frequent first, with examples.

import { compiledEngine, interpreterEngine, straightEngine } from "./execute.ts";
import { compareCases, compareRows, take, type Difference } from "./instructions.ts";
import { native } from "./native.ts";
import { Random } from "./random.ts";
import { sequences } from "./sequence.ts";
import { rows } from "../../src/cpu/x86/instructions/index.ts";
import { simdRows } from "../../src/cpu/x86/instructions/simd.ts";
import type { Row } from "../../src/cpu/x86/table.ts";
import { testable } from "./generate.ts";

const words = process.argv.slice(2);
const option = (name: string): string | undefined => {
  const at = words.indexOf(`--${name}`);
  return at < 0 ? undefined : words[at + 1];
};
const total = Number(
  words.find((word) => /^\d+$/.test(word) && words[words.indexOf(word) - 1]?.startsWith("--") !== true) ?? 500_000,
);
const seed = Number(option("seed") ?? Date.now() % 1_000_000);
const only = option("only");
const modes = option("mode") ? [option("mode") === "64"] : [true, false];
const part = option("part");
const simd = new Set(simdRows);
const chosen = (row: Row): boolean =>
  (only === undefined || row.name.includes(only) || row.notation.includes(only)) &&
  (part === undefined || (part === "simd") === simd.has(row));
const countOf = (long: boolean) => rows.filter((row) => testable(row, long) && chosen(row)).length;
/** A tenth of the cases are sequences, unless something else is asked for. */
const inSequences = Math.ceil((part === "sequences" ? total : part || only ? 0 : total / 10) / modes.length);
const ofRows = part === "sequences" ? 0 : total - inSequences * modes.length;
const each = Math.ceil(ofRows / modes.reduce((sum, long) => sum + countOf(long), 0));

const engine = option("engine");
const wanted = (name: string): boolean => engine === undefined || engine === name;

let cases = 0;
const found: Difference[] = [];
for (const long of modes) {
  const machine = native(long);
  const engines = [
    ...(wanted("straight") ? [straightEngine(long)] : []),
    ...(wanted("interpreted") ? [interpreterEngine(long)] : []),
    ...(wanted("compiled") ? [compiledEngine(long)] : []),
  ];
  const verbose = words.includes("--verbose");
  const outcome = compareRows(machine, engines, { each, seed, long, chosen, verbose });
  const sequence = compareCases(machine, engines, take(sequences(long, new Random(seed)), inSequences), verbose);
  machine.dispose();
  cases += outcome.cases + sequence.cases;
  found.push(...outcome.differences, ...sequence.differences);
  for (const row of outcome.missed) console.log(`no case for ${long ? 64 : 32}-bit ${row}`);
}
const byRow = group(found);
for (const [row, list] of [...byRow].sort((a, b) => b[1].length - a[1].length)) {
  console.log(`${row.notation} ${row.name}: ${list.length} differences`);
  for (const { text } of list.slice(0, 2)) console.log(`  ${text}`);
}
console.log(`seed ${seed}: ${cases} cases, ${each} a row and mode, ${found.length} differences in ${byRow.size} rows`);
process.exitCode = found.length === 0 ? 0 : 1;

function group(list: readonly Difference[]): Map<Difference["row"], Difference[]> {
  const groups = new Map<Difference["row"], Difference[]>();
  for (const item of list) groups.set(item.row, [...(groups.get(item.row) ?? []), item]);
  return groups;
}
