// What an architecture gives: its task, and signatures with the code that writes their programs.

import type { Value } from "../../hlo/graph.ts";
import type { TensorType } from "../../hlo/tensor.ts";
import type { ModelPort, Signature } from "../../model.ts";
import type { Config } from "./config.ts";
import type { Generation, Task } from "./contract.ts";
import type { Network } from "./network.ts";
import type { Parameters } from "./parameters.ts";

export type Values = Readonly<Record<string, Value>>;

/** Extents of the symbols in a signature's ports. */
export type Extents = Readonly<Record<string, number>>;

/** A state that begins as zeros. */
export interface StateType extends TensorType {
  readonly name: string;
}

/** One signature and how its program is written. */
export interface Entry {
  readonly signature: Signature;
  /** Symbols' largest extents, where positions end. */
  readonly limits?: Extents;
  states?(extents: Extents): readonly StateType[];
  /** Gives the outputs, and the states' new values, by name. */
  write(net: Network, inputs: Values, states: Values): { readonly outputs: Values; readonly states?: Values };
}

export interface Architecture {
  readonly task: Task;
  readonly entries: readonly Entry[];
  readonly generation?: Generation;
}

/** Makes an architecture from a configuration; parameters are asked for when an entry is written. */
export type Design = (config: Config, weights: Parameters) => Architecture;

export const ids = (name: string, ...shape: readonly (string | number)[]): ModelPort => ({ name, dtype: "i32", shape });
export const floats = (name: string, ...shape: readonly (string | number)[]): ModelPort => ({
  name,
  dtype: "f32",
  shape,
});

/** Most classes of a classifier. */
const mostLabels = 100_000;

/** Class names by index ("id2label"); Transformers' own default names when there are none. */
export function labelsOf(config: Config, otherwise: number): string[] {
  const names = config.within("id2label")?.json;
  const count = names ? Object.keys(names).length : config.size(["num_labels", "_num_labels"], otherwise, mostLabels);
  return Array.from({ length: count }, (_, i) => String(names?.[String(i)] ?? `LABEL_${i}`));
}

/** The class that was saved, without the libraries' prefixes: "BertForMaskedLM". */
export function savedClass(config: Config): string {
  const list = config.json["architectures"];
  const name = Array.isArray(list) && typeof list[0] === "string" ? list[0] : "";
  return name.replace(/^(Flax|TF)/, "");
}
