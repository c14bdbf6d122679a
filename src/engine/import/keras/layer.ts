// What a layer is to this importer: its configuration, weights and sublayers, and the call that writes its operations.

import { CerebroError, FormatError } from "../../../base/errors.ts";
import type { Builder } from "../../hlo/build.ts";
import { type DType, isFloat } from "../../hlo/dtype.ts";
import type { Value } from "../../hlo/graph.ts";
import type { Tensor } from "../../hlo/tensor.ts";
import { Config, type Json } from "./config.ts";

/** An argument or result of a call: tensors, literals, lists and dictionaries of these. */
export type Item = Value | null | boolean | number | string | readonly Item[] | { readonly [key: string]: Item };

export const isValue = (item: Item | undefined): item is Value =>
  typeof item === "object" && item !== null && "producer" in item;

/** A weight of the file, read when it is needed. */
export interface Weight {
  readonly name: string;
  readonly shape: readonly number[];
  load(): Tensor;
}

/** How one class of layers is built. */
export interface Row {
  /** Names of the layer's own variables in the order they are made; those that are not trained begin with "-". */
  readonly variables?: (config: Config, keras: 2 | 3) => readonly string[];
  /** Layers within, by the attribute that holds them: "cell", "layers/dense_1"; alternatives are parted by "|". */
  readonly children?: (config: Config, make: Make) => readonly Child[];
  /** Why this one cannot be built, if so. */
  readonly refuse?: (config: Config, keras: 2 | 3) => string | undefined;
  /** Whether masks of inputs stay on outputs; "stop" when absent. "own": the call sees to it. */
  readonly mask?: "keep" | "stop" | "own";
  readonly call: (call: Call, inputs: Item, kwargs: Arguments, rest: readonly Item[]) => Item;
  /** A model within a model. */
  readonly model?: true;
  /** Takes floats as they are instead of in the policy's type. */
  readonly plain?: true;
  /** What the compatibility table says of it. */
  readonly note?: string;
}

export type Arguments = { readonly [key: string]: Item };
export type Make = (json: Json | undefined, place: string) => Layer;

export interface Child {
  readonly attribute: string;
  readonly layer: Layer;
}

export interface Layer {
  readonly className: string;
  readonly name: string;
  readonly config: Config;
  readonly keras: 2 | 3;
  /** Undefined when the class is not known. */
  readonly row: Row | undefined;
  readonly variables: readonly string[];
  readonly children: readonly Child[];
  /** As many as variables, once they are bound. */
  weights: readonly Weight[];
  /** What floats are computed in. */
  readonly dtype: DType;
  /** "Conv2D 'block1'". */
  readonly what: string;
}

/** What one program is written with. */
export interface Run {
  readonly b: Builder;
  /** Which time steps of a value count. */
  readonly masks: Map<Value, Value>;
  /** Variables that stay from one run to the next: the value before this run, and what to set it to. */
  state(name: string, initial: Tensor): { readonly value: Value; set(next: Value): void };
  /** Weights already written. */
  readonly constants: Map<Weight, Value>;
}

/** One call of one layer. */
export class Call {
  readonly run: Run;
  readonly layer: Layer;

  constructor(run: Run, layer: Layer) {
    this.run = run;
    this.layer = layer;
  }
  get b(): Builder {
    return this.run.b;
  }
  get config(): Config {
    return this.layer.config;
  }
  get dtype(): DType {
    return this.layer.dtype;
  }

  fail(message: string): FormatError {
    return new FormatError(`${this.layer.what}: ${message}`);
  }
  unsupported(message: string): CerebroError {
    return new CerebroError("unsupported", `${this.layer.what}: ${message}`);
  }

  /** A variable as it is in the file; undefined when the layer has none of this name. */
  variable(name: string): Value | undefined {
    const index = this.layer.variables.findIndex((each) => each === name || each === `-${name}`);
    const weight = index < 0 ? undefined : this.layer.weights[index];
    if (!weight) return undefined;
    let value = this.run.constants.get(weight);
    if (!value) {
      value = this.b.constant(weight.load());
      this.run.constants.set(weight, value);
    }
    return value;
  }
  /** A variable that has to be there, in the type that is computed in. */
  weight(name: string): Value {
    const value = this.variable(name);
    if (!value) throw this.fail(`has no weight ${name}`);
    return this.cast(value);
  }
  optional(name: string): Value | undefined {
    const value = this.variable(name);
    return value && this.cast(value);
  }
  /** Floats in the type that is computed in; anything else as it is. */
  cast(x: Value): Value {
    return isFloat(x.type.dtype) ? this.b.convert(x, this.dtype) : x;
  }
  /** An input that has to be one tensor. */
  one(item: Item | undefined, what = "input"): Value {
    if (isValue(item)) return item;
    if (Array.isArray(item) && item.length === 1) return this.one(item[0] as Item, what);
    if (typeof item === "number") return this.b.scalar(this.dtype, item);
    throw this.fail(`${what} is no tensor`);
  }
  /** Inputs that have to be a list of tensors. */
  many(item: Item, what = "inputs"): Value[] {
    if (isValue(item)) return [item];
    if (!Array.isArray(item)) throw this.fail(`${what} is no list of tensors`);
    return (item as readonly Item[]).map((each) => this.one(each, what));
  }
  maskOf(item: Item | undefined): Value | undefined {
    return isValue(item) ? this.run.masks.get(item) : undefined;
  }
  setMask(value: Value, mask: Value | undefined): Value {
    if (mask) this.run.masks.set(value, mask);
    return value;
  }
  child(attribute: string): Layer {
    const found = this.layer.children.find((child) => child.attribute.split("|").includes(attribute));
    if (!found) throw this.fail(`has no ${attribute}`);
    return found.layer;
  }
  /** Calls a layer within. */
  invoke(layer: Layer, inputs: Item, kwargs: Arguments = {}, rest: readonly Item[] = []): Item {
    return callLayer(this.run, layer, inputs, kwargs, rest);
  }
}

/** Every tensor within an item. */
export function valuesOf(item: Item): Value[] {
  if (isValue(item)) return [item];
  if (typeof item !== "object" || item === null) return [];
  if (Array.isArray(item)) return (item as readonly Item[]).flatMap(valuesOf);
  // Keras orders dictionaries by their keys.
  return Object.entries(item as Arguments)
    .toSorted(([p], [q]) => (p < q ? -1 : 1))
    .flatMap(([, each]) => valuesOf(each));
}

/** The same structure with every tensor replaced. */
export function mapValues(item: Item, change: (value: Value) => Item): Item {
  if (isValue(item)) return change(item);
  if (typeof item !== "object" || item === null) return item;
  if (Array.isArray(item)) return (item as readonly Item[]).map((each) => mapValues(each, change));
  return Object.fromEntries(Object.entries(item as Arguments).map(([key, each]) => [key, mapValues(each, change)]));
}

/** Writes a call of a layer: floats cast as its policy says, masks carried on. */
export function callLayer(run: Run, layer: Layer, inputs: Item, kwargs: Arguments, rest: readonly Item[]): Item {
  const { row } = layer;
  if (!row) throw new CerebroError("unsupported", `${layer.what}: layer of class ${layer.className} is not built`);
  const call = new Call(run, layer);
  const before = run.b.origin;
  run.b.origin = layer.what;
  const cast = (value: Value) => {
    const result = call.cast(value);
    const mask = run.masks.get(value);
    if (mask && result !== value) run.masks.set(result, mask);
    return result;
  };
  const casting = !row.plain && layer.config.flag("autocast", true);
  const given = casting ? mapValues(inputs, cast) : inputs;
  const result = row.call(
    call,
    given,
    casting ? (mapValues(kwargs, cast) as Arguments) : kwargs,
    casting ? rest.map((item) => mapValues(item, cast)) : rest,
  );
  if (row.mask === "keep") {
    const mask = valuesOf(given)
      .map((value) => run.masks.get(value))
      .find((each) => each !== undefined);
    if (mask) for (const value of valuesOf(result)) run.masks.set(value, mask);
  } else if (row.mask !== "own") {
    for (const value of valuesOf(result)) if (!valuesOf(given).includes(value)) run.masks.delete(value);
  }
  run.b.origin = before;
  return result;
}
