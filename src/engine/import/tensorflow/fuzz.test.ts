// Mutated models: opening and building them ends in a typed error or a program, and soon.

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CerebroError } from "../../../base/errors.ts";
import type { ModelFiles, ModelFormat } from "../../model.ts";
import { graphDef } from "./frozen.ts";
import { metaGraph } from "./meta.ts";
import { savedModel } from "./saved.ts";
import { tfjsGraph } from "./tfjs.ts";

const folder = join(import.meta.dirname, "../../../../test/models/tensorflow");
const rounds = Number(process.env["FUZZ_ROUNDS"] ?? 60);

/** The files of a fixture by path. */
function filesOf(path: string): Map<string, Uint8Array> {
  const full = join(folder, path);
  const names = statSync(full).isDirectory() ? (readdirSync(full, { recursive: true }) as string[]) : [""];
  const found = names.filter((name) => statSync(join(full, name)).isFile());
  return new Map(found.map((name) => [name, new Uint8Array(readFileSync(join(full, name)))]));
}
const asFiles = (files: ReadonlyMap<string, Uint8Array>): ModelFiles => ({
  list(directory) {
    const prefix = directory === "" ? "" : `${directory}/`;
    const below = [...files.keys()].filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
    return below.length > 0 ? [...new Set(below.map((name) => name.split("/")[0]!))].sort() : undefined;
  },
  read: (path) => files.get(path),
});

let seed = Number(process.env["FUZZ_SEED"] ?? 11);
const next = () => (seed = (seed * 48271) % 2147483647);

function mutate(bytes: Uint8Array): Uint8Array {
  const bad = bytes.slice();
  const kind = next() % 8;
  if (kind === 0) return bad.subarray(0, next() % bad.length);
  for (let k = 1 + (next() % 4); k > 0; k--) {
    const at = next() % bad.length;
    if (kind < 5) bad[at] = next() & 255;
    else if (kind === 5) bad[at] = [0, 1, 127, 128, 255][next() % 5]!;
    else bad.copyWithin(at, next() % bad.length, next() % bad.length);
  }
  return bad;
}

function attempt(format: ModelFormat, files: Map<string, Uint8Array>): void {
  const only = files.get("");
  const source = only ? { name: "bad", bytes: only } : { name: "bad", files: asFiles(files) };
  try {
    format.matches(source);
    const model = format.open(source);
    void model.parameters;
    for (const signature of model.signatures) model.program(signature.name);
  } catch (error) {
    if (!(error instanceof CerebroError)) throw error;
    expect(error.code).not.toBe("internal");
  }
}

describe("mutations", () => {
  const fixtures: [ModelFormat, string][] = [
    [savedModel, "cnn"],
    [savedModel, "control"],
    [savedModel, "stateful"],
    [savedModel, "session"],
    [graphDef, "frozen.pb"],
    [graphDef, "frozen.pbtxt"],
    [metaGraph, "checkpoint"],
    [tfjsGraph, "graphjs-u8"],
  ];
  for (const [format, name] of fixtures) {
    it(
      name,
      () => {
        const original = filesOf(name);
        const paths = [...original.keys()];
        for (let i = 0; i < rounds; i++) {
          const files = new Map(original);
          const path = paths[next() % paths.length]!;
          files.set(path, mutate(files.get(path)!));
          const before = seed;
          const start = Date.now();
          try {
            attempt(format, files);
          } catch (error) {
            throw new Error(`round ${i}, ${path}, seed ${before}: ${String(error)}`, { cause: error });
          }
          expect(Date.now() - start, `round ${i}, ${path}, seed ${before}`).toBeLessThan(5000);
        }
      },
      600_000,
    );
  }
});
