// For tests of models: where the shared model files are, reading goldens, and how close numbers have to be.

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { expect } from "vitest";
import { FormatError } from "../../src/base/errors.ts";
import { type Tensor, toNumbers, typeText } from "../../src/engine/hlo/tensor.ts";
import { modelFormats } from "../../src/engine/import/index.ts";
import type { Model, ModelFiles, Source } from "../../src/engine/model.ts";

const folder = resolve(import.meta.dirname, "../../../shared/models");

/** The path of a file or folder of the shared models; undefined when they are not here. */
export function sharedModels(path = ""): string | undefined {
  const full = join(folder, path);
  return existsSync(full) ? full : undefined;
}

/** A file or a directory of the host as a model source. */
export function sourceOf(path: string): Source {
  if (!statSync(path).isDirectory()) return { name: basename(path), bytes: new Uint8Array(readFileSync(path)) };
  const files: ModelFiles = {
    list: (directory) =>
      statSync(join(path, directory), { throwIfNoEntry: false })?.isDirectory()
        ? readdirSync(join(path, directory)).sort()
        : undefined,
    read: (file) => (existsSync(join(path, file)) ? new Uint8Array(readFileSync(join(path, file))) : undefined),
  };
  return { name: basename(path), files };
}

/** Opens a model of any format, at once. */
export function openModel(source: Source): Model {
  const format = modelFormats.find((each) => each.matches(source));
  if (!format) throw new FormatError(`${source.name}: no format of ours`);
  return format.open(source);
}

export interface Tolerance {
  readonly relative?: number;
  readonly absolute?: number;
}

/** Expects a tensor's numbers to be those given; NaN equals NaN. By default f32's tolerance of the project's goldens. */
export function expectClose(
  actual: Tensor,
  expected: ArrayLike<number | bigint>,
  { relative = 1e-5, absolute = 1e-6 }: Tolerance = {},
  what = "",
): void {
  const numbers = toNumbers(actual);
  expect(numbers.length, `${what} ${typeText(actual)}: count`).toBe(expected.length);
  let worst = 0;
  let at = -1;
  for (let i = 0; i < numbers.length; i++) {
    const [got, wanted] = [numbers[i]!, Number(expected[i])];
    if (Object.is(got, wanted) || got === wanted || (Number.isNaN(got) && Number.isNaN(wanted))) continue;
    const difference = Math.abs(got - wanted) / (absolute + relative * Math.abs(wanted));
    const excess = Number.isNaN(difference) ? Infinity : difference;
    if (excess > worst) {
      worst = excess;
      at = i;
    }
  }
  if (worst > 1) {
    expect.fail(
      `${what} ${typeText(actual)}: element ${at} is ${numbers[at]}, expected ${String(expected[at])} (${worst} times the tolerance)`,
    );
  }
}
