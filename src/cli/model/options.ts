// What the model commands share: their options, opening a model, and words that may stand anywhere.

import { CerebroError } from "../../base/errors.ts";
import type { Model, ModelPort, Source } from "../../engine/model.ts";
import type { SessionOptions } from "../../engine/session.ts";
import { nodeEngineHost } from "../../hosts/node/engine.ts";
import { type Options, parse, type Values } from "../arguments.ts";
import { sourceOf } from "./files.ts";

/** One of `cerebro model NAME`. */
export interface ModelCommand<T extends Options = Options> {
  readonly summary: string;
  readonly usage: string;
  readonly options: T;
  run(values: Values<T>, words: readonly string[]): Promise<number>;
}

export function modelCommand<const T extends Options>(definition: ModelCommand<T>): ModelCommand<T> {
  return definition;
}

/** How a model is run. */
export const runOptions = {
  signature: { value: "NAME", help: "which of the model's signatures; the first when absent" },
  threads: { value: "N", help: "threads; as many as processors when absent" },
  relaxed: { help: "relaxed SIMD: a fifth faster, the last bits may differ" },
  backend: { value: "NAME", help: "wasm (the default) or interpreter" },
} as const satisfies Options;

/** Options and words in any order: `run FILE --input x=1`. */
export function parseAnywhere<const T extends Options>(table: T, words: readonly string[]): [Values<T>, string[]] {
  const found: string[] = [];
  let values: Record<string, unknown> = {};
  for (let rest: readonly string[] = words; ;) {
    const parsed = parse(table, rest);
    for (const [name, value] of Object.entries(parsed.values)) {
      const earlier = values[name];
      values = { ...values, [name]: Array.isArray(earlier) && Array.isArray(value) ? [...earlier, ...value] : value };
    }
    const [word, ...more] = parsed.rest;
    if (word === undefined) return [values as Values<T>, found];
    found.push(word);
    rest = more;
  }
}

/** The file that a command is about. */
export function onlyFile(words: readonly string[], name: string): string {
  const [file, extra] = words;
  if (file === undefined)
    throw new CerebroError("usage", `model ${name}: which file?`, { hint: `cerebro model ${name} FILE` });
  if (extra !== undefined) throw new CerebroError("usage", `model ${name}: one file, also got ${extra}`);
  return file;
}

/** Opens a model that the user named. */
export async function openModel(file: string): Promise<{ model: Model; source: Source }> {
  const { load } = await import("../../engine/load.ts");
  const source = sourceOf(file);
  return { model: await load(source), source };
}

function positive(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,3}$/.test(text))
    throw new CerebroError("usage", `--${name} ${text}: must be a positive whole number`);
  return Number(text);
}

/** The engine's options as the user gave them. */
export function sessionOptions(
  values: Values<typeof runOptions>,
): SessionOptions & { host: ReturnType<typeof nodeEngineHost> } {
  const { relaxed = false, backend = "wasm" } = values;
  if (backend !== "wasm" && backend !== "interpreter") {
    throw new CerebroError("usage", `--backend ${backend}: is wasm or interpreter`);
  }
  const host = nodeEngineHost({ relaxed });
  return { host, relaxed, backend, threads: positive(values.threads, "threads") ?? host.processors };
}

/** "f32[1,?,3]": a port's type as the file declares it. */
export function portText({ dtype, shape, quantization }: ModelPort): string {
  const extents = shape === null ? "…" : shape.map((extent) => extent ?? "?").join(",");
  const scaled = quantization
    ? ` = (q - ${quantization.zeroPoint}) * ${Number(quantization.scale.toPrecision(7))}`
    : "";
  return `${dtype}[${extents}]${scaled}`;
}
