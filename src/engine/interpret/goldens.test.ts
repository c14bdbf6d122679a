// Every operation against JAX on CPU: test/models/interpret/make.py.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { DType } from "../hlo/dtype.ts";
import type { Program } from "../hlo/graph.ts";
import { Builder } from "../hlo/build.ts";
import type { AttributesOf, OpName } from "../hlo/ops.ts";
import { fromBytes, type Tensor, toNumbers, typeText } from "../hlo/tensor.ts";
import { evaluate } from "./interpret.ts";

type Packed = [dtype: DType, shape: number[], base64: string];
interface Case {
  readonly op: OpName;
  readonly operands: readonly number[];
  readonly results: readonly number[];
  readonly attributes?: object;
  readonly body?: "add" | "maximum" | "minimum" | "multiply";
  readonly close?: readonly [relative: number, absolute: number];
}
const file = new URL("../../../test/models/interpret/goldens.json", import.meta.url);
const { tensors: packed, cases } = JSON.parse(readFileSync(file, "utf8")) as { tensors: Packed[]; cases: Case[] };

function unpack(place: number): Tensor {
  const [dtype, shape, text] = packed[place]!;
  return fromBytes(dtype, shape, new Uint8Array(Buffer.from(text, "base64")));
}

function run({ op, operands, attributes, body }: Case): Tensor[] {
  const tensors = operands.map(unpack);
  const builder = new Builder(tensors);
  const type = { dtype: tensors[0]!.dtype, shape: [] };
  const regions = body ? [builder.region([type, type], (inner, a, b) => [inner.plain(body, a!, b!)])] : [];
  const results = builder.all(op, builder.parameters, (attributes ?? {}) as AttributesOf<typeof op>, regions);
  const program: Program = { name: op, inputs: [], outputs: [], states: [], body: builder.finish(results) };
  return evaluate(program, tensors);
}

/** The first place where two tensors differ by more than is allowed; undefined when there is none. */
function difference(actual: Tensor, expected: Tensor, close: Case["close"]): string | undefined {
  if (typeText(actual) !== typeText(expected)) return `${typeText(actual)} for ${typeText(expected)}`;
  if (typeof actual.data[0] === "bigint") {
    const at = [...actual.data].findIndex((value, i) => value !== expected.data[i]);
    return at < 0 ? undefined : `[${at}]: ${actual.data[at]} for ${expected.data[at]}`;
  }
  const [got, wanted] = [toNumbers(actual), toNumbers(expected)];
  for (let i = 0; i < got.length; i++) {
    const [a, b] = [got[i]!, wanted[i]!];
    if (Object.is(a, b) || (close && (a === b || Math.abs(a - b) <= close[1] + close[0] * Math.abs(b)))) continue;
    return `[${i}]: ${a} for ${b}`;
  }
  return undefined;
}

const names = [...new Set(cases.map(({ op }) => op))];
test.each(names)("%s", (name) => {
  const wrong: string[] = [];
  for (const one of cases) {
    if (one.op !== name) continue;
    const what = `${one.operands.map((place) => packed[place]![0]).join(",")} ${JSON.stringify(one.attributes ?? {})} ${one.body ?? ""}`;
    try {
      run(one).forEach((actual, k) => {
        const found = difference(actual, unpack(one.results[k]!), one.close);
        if (found !== undefined) wrong.push(`${what} ${found}`);
      });
    } catch (error) {
      wrong.push(`${what} ${String(error)}`);
    }
  }
  expect(wrong).toEqual([]);
});
