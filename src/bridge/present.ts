// Results for people and programs: tensors as lines and nested lists, answers as text.

import { type Tensor, toNumbers, typeText } from "../engine/hlo/tensor.ts";
import type { Outcome } from "../engine/steps/after.ts";

const shownNumbers = 8;

/** A tensor in a line: its type and first numbers. */
export function tensorText(tensor: Tensor): string {
  const numbers = toNumbers({ ...tensor, data: tensor.data.subarray(0, shownNumbers) });
  const more = tensor.data.length > shownNumbers ? ", …" : "";
  return `${typeText(tensor)} ${Array.from(numbers, (value) => Number(value.toPrecision(7))).join(", ")}${more}`;
}

/** A tensor as nested lists of numbers; a scalar as a number. */
export function nested(tensor: Tensor): unknown {
  const { shape } = tensor;
  let level: unknown[] = Array.from(toNumbers(tensor));
  if (shape.length === 0) return level[0];
  for (let axis = shape.length - 1; axis > 0; axis--) {
    const extent = shape[axis]!;
    const count = shape.slice(0, axis).reduce((product, each) => product * each, 1);
    const inner = level;
    level = Array.from({ length: count }, (_, i) => inner.slice(i * extent, (i + 1) * extent));
  }
  return level;
}

/** An answer of a step: a line for each class, the best first; anything else as JSON. */
export function answerText(answer: unknown): string {
  if (!Array.isArray(answer)) return typeof answer === "string" ? answer : JSON.stringify(answer);
  return answer
    .map((row) => {
      if (typeof row !== "object" || row === null || !("score" in row)) return JSON.stringify(row);
      const { index, label, score, ...rest } = row as { index?: number; label?: string; score: number };
      const others = Object.keys(rest).length > 0 ? `  ${JSON.stringify(rest)}` : "";
      return `${Number(score).toFixed(4)}  ${label ?? `class ${index}`}${others}`;
    })
    .join("\n");
}

/** What a run gave, as text for people. */
export function outcomeText({ answer, tensors }: Outcome): string {
  if (answer !== undefined) return answerText(answer);
  return Object.entries(tensors)
    .map(([name, tensor]) => `${name}: ${tensorText(tensor)}`)
    .join("\n");
}

/** What a run gave, as JSON: the answer when steps made one, the outputs by name otherwise. */
export function outcomeJson({ answer, tensors }: Outcome): string {
  if (answer !== undefined) return JSON.stringify(answer);
  return JSON.stringify(Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, nested(tensor)])));
}
