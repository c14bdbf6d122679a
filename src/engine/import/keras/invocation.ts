// A call of a function in a Keras graph: its arguments by place or by any of their names, as tensors or literals.

import type { CerebroError, FormatError } from "../../../base/errors.ts";
import type { Builder } from "../../hlo/build.ts";
import { type DType, isFloat } from "../../hlo/dtype.ts";
import type { Value } from "../../hlo/graph.ts";
import { fromNumbers, toNumbers } from "../../hlo/tensor.ts";
import { constantOf } from "../../interpret/interpret.ts";
import { axisOf, type Json } from "./config.ts";
import { type Arguments, type Call, isValue, type Item } from "./layer.ts";
import { dtypeNamed } from "./policy.ts";

/** Numbers of nested lists, and how they nest; undefined when there is something else within. */
function nested(item: Item): { numbers: number[]; shape: number[] } | undefined {
  if (typeof item === "number" || typeof item === "boolean") return { numbers: [Number(item)], shape: [] };
  if (!Array.isArray(item)) return undefined;
  const parts = (item as readonly Item[]).map(nested);
  const first = parts[0];
  if (parts.some((part) => !part || part.shape.join() !== first!.shape.join())) return undefined;
  return { numbers: parts.flatMap((part) => part!.numbers), shape: [parts.length, ...(first?.shape ?? [])] };
}

export class Invocation {
  readonly call: Call;
  readonly name: string;
  private readonly positional: readonly Item[];
  private readonly named: Arguments;

  constructor(call: Call, name: string, positional: readonly Item[], kwargs: Arguments) {
    this.call = call;
    this.name = name;
    this.positional = positional;
    this.named = kwargs;
  }
  get b(): Builder {
    return this.call.b;
  }
  fail(message: string): FormatError {
    return this.call.fail(message);
  }
  unsupported(message: string): CerebroError {
    return this.call.unsupported(message);
  }

  /** An argument by its place or one of its names, of the call or of the configuration; undefined when absent or null. */
  item(place: number, ...names: readonly string[]): Item | undefined {
    for (const name of names) {
      const found = this.named[name] ?? (this.call.config.get(name) as Item | undefined);
      if (found !== undefined && found !== null) return found;
    }
    return this.positional[place] ?? undefined;
  }
  /** Something as a tensor; literals take the type given. */
  value(item: Item | undefined, dtype: DType = "f32", what = "argument"): Value {
    if (isValue(item)) return item;
    const literal = item === undefined ? undefined : nested(item);
    if (literal) return this.b.constant(fromNumbers(dtype, literal.shape, literal.numbers));
    // Lists that mix tensors and numbers are stacked.
    if (Array.isArray(item)) {
      const parts = (item as readonly Item[]).map((each) => this.value(each, dtype, what));
      return this.b.concatenate(
        parts.map((part) => this.b.reshape(part, [1, ...part.type.shape])),
        0,
      );
    }
    throw this.fail(`${what} is no tensor`);
  }
  tensor(place: number, ...names: readonly string[]): Value {
    return this.value(this.item(place, ...names), "f32", names[0] ?? `argument ${place}`);
  }
  list(place: number, ...names: readonly string[]): Value[] {
    const item = this.item(place, ...names);
    if (isValue(item)) return [item];
    if (!Array.isArray(item)) throw this.fail("needs a list of tensors");
    const first = (item as readonly Item[]).find((each) => isValue(each));
    return (item as readonly Item[]).map((each) => this.value(each, isValue(first) ? first.type.dtype : "f32"));
  }
  number(otherwise: number | undefined, place: number, ...names: readonly string[]): number {
    const item = this.item(place, ...names) ?? otherwise;
    if (typeof item !== "number") throw this.fail(`${names[0]} is no number`);
    return item;
  }
  flag(otherwise: boolean, place: number, ...names: readonly string[]): boolean {
    const item = this.item(place, ...names) ?? otherwise;
    return item === true || item === 1;
  }
  text(otherwise: string, place: number, ...names: readonly string[]): string {
    const item = this.item(place, ...names) ?? otherwise;
    if (typeof item !== "string") throw this.fail(`${names[0]} is no text`);
    return item;
  }
  /** Integers; one stands for a list of one. Undefined when absent. */
  integers(place: number, ...names: readonly string[]): number[] | undefined {
    const item = this.item(place, ...names);
    if (item === undefined) return undefined;
    const list: readonly Item[] = Array.isArray(item) ? item : [item];
    return list.flatMap((each) => {
      const known = isValue(each) ? constantOf(each) : undefined;
      const numbers = known ? [...toNumbers(known)] : [each];
      if (!numbers.every(Number.isSafeInteger)) {
        throw this.fail(`${names[0]} has to be known while the model is loaded`);
      }
      return numbers as number[];
    });
  }
  axis(otherwise: number, rank: number, place: number, ...names: readonly string[]): number {
    return axisOf(this.number(otherwise, place, ...names), rank, this.call.layer.what);
  }
  /** Dimensions to reduce; all when there is no argument. */
  axes(rank: number, place: number, ...names: readonly string[]): number[] {
    const given = this.integers(place, ...names);
    return given?.map((axis) => axisOf(axis, rank, this.call.layer.what)) ?? Array.from({ length: rank }, (_, i) => i);
  }
  dtype(place: number, ...names: readonly string[]): DType {
    const item = this.item(place, ...names);
    const dtype = typeof item === "string" ? dtypeNamed(item.replace(/^.*?(?:dtypes\.|<dtype: ')/, "")) : undefined;
    if (!dtype) throw this.unsupported(`type ${JSON.stringify(item as Json)}`);
    return dtype;
  }

  /** Two operands in one type: that of a tensor for literals, floats before integers. */
  pair(options: { float?: boolean } = {}): [Value, Value] {
    const left = this.item(0, "x1", "x");
    const right = this.item(this.positional.length > 1 ? 1 : 9, "x2", "y");
    const typeOf = (item: Item | undefined): DType | undefined => (isValue(item) ? item.type.dtype : undefined);
    const fraction = (item: Item | undefined) =>
      !isValue(item) && nested(item ?? null)?.numbers.some((n) => n % 1 !== 0);
    const known = [typeOf(left), typeOf(right)].filter((dtype) => dtype !== undefined);
    let dtype = known.find(isFloat) ?? known.find((each) => each !== "i1") ?? known[0] ?? "f32";
    if (!isFloat(dtype) && (options.float || fraction(left) || fraction(right))) dtype = "f32";
    const ready = (item: Item | undefined) => this.b.convert(this.value(item, dtype), dtype);
    return [ready(left), ready(right)];
  }
}
