// The differential test of the instruction table: random cases of every row, run natively and by an engine.
//
// A new row is tested without further work: registers of all kinds are random, memory operands lie in a window that is
// filled with integers and floating-point numbers. To look at a family while writing it:
//   node scripts/run.js test/differential/full.ts 20000 --part simd --only pshuf --verbose
// What the manual leaves undefined is said beside the row: `undefined` (EFLAGS bits), `undefinedStatus` (x87 status bits);
// `untested` with a reason leaves a row out. Values that a row needs to be interesting are made in generate.ts (`shape`,
// `plant`, `fillFloating`), their distributions in random.ts.

import { rows } from "../../src/cpu/x86/instructions/index.ts";
import type { Row } from "../../src/cpu/x86/table.ts";
import { differences, load, type Engine } from "./execute.ts";
import { makeCase, testable, type Case } from "./generate.ts";
import type { Native } from "./native.ts";
import { Random } from "./random.ts";
import { field } from "./record.ts";

export interface Difference {
  readonly row: Row;
  readonly text: string;
}

export interface Outcome {
  readonly cases: number;
  readonly differences: Difference[];
  /** Rows of the mode for which no case could be made. */
  readonly missed: string[];
}

/** One line that identifies a case: mode, row, bytes. */
export function describeCase(made: Case): string {
  const bytes = [...made.record.subarray(0, made.instruction.length)].map((byte) => byte.toString(16).padStart(2, "0"));
  return `${made.long ? 64 : 32} "${made.row.notation}" ${made.row.name}: ${bytes.join(" ")}`;
}

export interface Options {
  /** Cases for each row. */
  readonly each: number;
  readonly seed: number;
  readonly long: boolean;
  /** Which rows of the table. */
  readonly chosen?: ((row: Row) => boolean) | undefined;
  /** Shows registers of wrong cases as well. */
  readonly verbose?: boolean;
}

/** Runs cases natively and by the engines, in batches. */
export function compareCases(
  native: Native,
  engines: readonly Engine[],
  cases: Iterable<Case>,
  verbose = false,
): { cases: number; differences: Difference[] } {
  const found: Difference[] = [];
  let count = 0;
  let batch: Case[] = [];
  const flush = () => {
    const results = native.run(batch);
    for (const engine of engines)
      engine.run(batch, (made, i, go) => {
        load(engine.cpu, made);
        const ending = go();
        const wrong = differences(made, ending, engine.cpu, results[i]!);
        if (wrong.length === 0) return;
        const state = verbose ? `\n      ${registers(made)}` : "";
        found.push({
          row: made.row,
          text: `${engine.name} ${describeCase(made)}\n    ${wrong.join("\n    ")}${state}`,
        });
      });
    count += batch.length;
    batch = [];
  };
  for (const made of cases) {
    batch.push(made);
    if (batch.length === 2000) flush();
  }
  if (batch.length > 0) flush();
  return { cases: count, differences: found };
}

/** The first `count` of an endless supply. */
export function* take<T>(from: Iterator<T>, count: number): Generator<T> {
  for (let i = 0; i < count; i++) {
    const { value, done } = from.next();
    if (done) return;
    yield value;
  }
}

/** Runs `each` cases of every testable row of a mode. */
export function compareRows(native: Native, engines: readonly Engine[], options: Options): Outcome {
  const { long, each, seed, chosen } = options;
  const missed: string[] = [];
  function* cases(): Generator<Case> {
    const random = new Random(seed);
    for (const row of rows) {
      if (!testable(row, long) || chosen?.(row) === false) continue;
      for (let i = 0; i < each; i++) {
        const made = makeCase(row, long, random);
        if (made) yield made;
        else if (i === 0) missed.push(`${row.notation} ${row.name}`);
      }
    }
  }
  return { ...compareCases(native, engines, cases(), options.verbose), missed };
}

function registers(made: Case): string {
  const values: string[] = [];
  for (let i = 0; i < (made.long ? 16 : 8); i++)
    values.push(made.view.getBigUint64(field.registers + 8 * i, true).toString(16));
  return `registers ${values.join(" ")} flags ${made.view.getUint32(field.flags, true).toString(16)}`;
}
