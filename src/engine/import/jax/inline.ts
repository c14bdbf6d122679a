// Functions of a module as one body: calls are inlined, tuples taken apart, tokens dropped, quantised types computed.

import { CerebroError, FormatError } from "../../../base/errors.ts";
import { Builder } from "../../hlo/build.ts";
import type { Check, Region, Value } from "../../hlo/graph.ts";
import { type TensorType, typeText } from "../../hlo/tensor.ts";
import {
  type Block,
  type Operation,
  type Region as MlirRegion,
  showType,
  type Type,
  type Value as MlirValue,
} from "./mlir/module.ts";
import { ruleOf } from "./ops.ts";
import { dequantize, expressed, quantize, quantizedElement } from "./quantized.ts";
import { type Agreement, elementType, isValue, type Lowered, partsOf, originOf, Site, type Walker } from "./site.ts";

/** Deepest nesting of calls, and most calls altogether. */
const maximumDepth = 100;
const maximumCalls = 100_000;

/** Operations that take quantised elements as they are stored. */
const stored = new Set(
  (
    "constant reshape transpose slice broadcast broadcast_in_dim concatenate reverse gather dynamic_slice " +
    "dynamic_update_slice dynamic_reshape dynamic_broadcast_in_dim tuple get_tuple_element optimization_barrier " +
    "custom_call composite get_dimension_size select pad bitcast_convert"
  ).split(" "),
);

type Values = Map<MlirValue, Lowered>;

/** A check whose values are not results yet. */
export interface FoundCheck {
  readonly actual: Value;
  readonly expected: Value;
  readonly agreement: Agreement;
}

/** The functions of a module by name. */
export function functionsOf(module: Operation): Map<string, Operation> {
  const functions = new Map<string, Operation>();
  for (const { operations } of module.regions[0]?.blocks ?? []) {
    for (const operation of operations) {
      const name = operation.attributes.get("sym_name");
      if (operation.name === "func.func" && name?.kind === "string") functions.set(name.value, operation);
    }
  }
  return functions;
}

/** The one block of a function or region. */
export function blockOf(region: MlirRegion | undefined, what: string): Block {
  const block = region?.blocks[0];
  if (block === undefined) throw new FormatError(`${what}: has no body`);
  if (region!.blocks.length > 1) throw new FormatError(`${what}: has ${region!.blocks.length} blocks, must have one`);
  return block;
}

/** Walks the functions of a module and writes what they do. */
export class Inliner implements Walker {
  build: Builder;
  readonly checks: FoundCheck[] = [];
  private readonly functions: ReadonlyMap<string, Operation>;
  private readonly outermost: Builder;
  private values: Values = new Map();
  private depth = 0;
  private calls = 0;

  constructor(functions: ReadonlyMap<string, Operation>, build: Builder) {
    this.functions = functions;
    this.build = build;
    this.outermost = build;
  }

  call(name: string, operands: readonly Lowered[]): readonly Lowered[] {
    const target = this.functions.get(name) ?? this.functions.get(name.split("::").at(-1)!);
    if (!target) throw new FormatError(`function '${name}' is not defined`);
    if (++this.calls > maximumCalls) throw new CerebroError("limit", `model makes more than ${maximumCalls} calls`);
    if (++this.depth > maximumDepth) {
      throw new FormatError(`function '${name}': calls are nested deeper than ${maximumDepth}`);
    }
    const { values } = this;
    this.values = new Map();
    const block = blockOf(target.regions[0], `function '${name}'`);
    if (block.parameters.length !== operands.length) {
      throw new FormatError(
        `function '${name}': takes ${block.parameters.length} arguments, is given ${operands.length}`,
      );
    }
    block.parameters.forEach((parameter, i) => this.values.set(parameter, operands[i]));
    const results = this.block(block);
    this.values = values;
    this.depth--;
    return results;
  }

  check(actual: Value, expected: Value, agreement: Agreement): void {
    if (this.build !== this.outermost) throw new FormatError("a check within a loop or branch");
    this.checks.push({ actual, expected, agreement });
  }

  region(operation: Operation, index: number, parameters: readonly TensorType[]): Region {
    const block = blockOf(operation.regions[index], `${originOf(operation)}: region ${index}`);
    const outer = this.build;
    const region = outer.region(parameters, (inner, ...given) => {
      this.build = inner;
      let next = 0;
      const take = (type: Type): Lowered => {
        if (type.kind === "token") return undefined;
        if (type.kind === "tuple") return type.elements.map(take);
        const value = given[next++];
        if (!value) throw new FormatError(`${originOf(operation)}: region takes more than ${given.length} values`);
        return value;
      };
      for (const parameter of block.parameters) this.values.set(parameter, take(parameter.type));
      return this.block(block).flatMap(partsOf);
    });
    this.build = outer;
    return region;
  }

  computation(name: string, parameters: readonly TensorType[]): Region {
    const outer = this.build;
    const region = outer.region(parameters, (inner, ...given) => {
      this.build = inner;
      return this.call(name, given).flatMap(partsOf);
    });
    this.build = outer;
    return region;
  }

  inline(operation: Operation, index: number): readonly Lowered[] {
    return this.block(blockOf(operation.regions[index], `${originOf(operation)}: region ${index}`));
  }

  /** The operations of a block; gives what its last one returns. */
  private block({ operations }: Block): readonly Lowered[] {
    for (const operation of operations) {
      const operands = operation.operands.map((value) => {
        if (!this.values.has(value)) throw new FormatError(`${originOf(operation)}: uses a value before it is made`);
        return this.values.get(value);
      });
      if (operation.name.endsWith(".return")) return operands;
      const results = this.operation(operation, operands);
      if (results.length !== operation.results.length) {
        throw new FormatError(
          `${originOf(operation)}: has ${operation.results.length} results, must have ${results.length}`,
        );
      }
      operation.results.forEach((value, i) => {
        this.agree(operation, value.type, results[i]);
        this.values.set(value, results[i]);
      });
    }
    throw new FormatError("a block returns nothing");
  }

  /** What a file declares has to be what its operations give. */
  private agree(operation: Operation, type: Type, result: Lowered): void {
    if (type.kind !== "tensor" || !isValue(result)) return;
    const { dtype, shape } = result.type;
    const fits =
      elementType(type.element) === dtype &&
      type.shape.length === shape.length &&
      type.shape.every((extent, i) => extent === null || extent === shape[i]);
    if (!fits) {
      throw new FormatError(`${originOf(operation)}: gives ${typeText(result.type)}, declared as ${showType(type)}`);
    }
  }

  private operation(operation: Operation, operands: readonly Lowered[]): readonly Lowered[] {
    this.build.origin = originOf(operation);
    const quantized = [...operation.operands, ...operation.results].some(({ type }) => quantizedElement(type));
    const rule = ruleOf(operation.name);
    const short = operation.name.slice(operation.name.indexOf(".") + 1);
    if (quantized && !stored.has(short) && operation.regions.length === 0 && !operation.name.startsWith("func.")) {
      return this.quantized(operation, operands);
    }
    if (!rule) throw new CerebroError("unsupported", `${originOf(operation)} is not built`);
    return rule(new Site(operation, operands, this));
  }

  /** Computes on what the elements stand for. */
  private quantized(operation: Operation, operands: readonly Lowered[]): readonly Lowered[] {
    const { build } = this;
    const real = operands.map((x, i) => {
      const element = quantizedElement(operation.operands[i]!.type);
      return element && isValue(x) ? dequantize(build, x, element) : x;
    });
    const retyped = (value: MlirValue): MlirValue => ({ ...value, type: expressed(value.type) });
    const direct = operation.name.endsWith(".uniform_quantize") || operation.name.endsWith(".uniform_dequantize");
    const rule = ruleOf(operation.name);
    if (!direct && !rule) throw new CerebroError("unsupported", `${originOf(operation)} is not built`);
    const results = direct
      ? real
      : rule!(
          new Site(
            { ...operation, operands: operation.operands.map(retyped), results: operation.results.map(retyped) },
            real,
            this,
          ),
        );
    return results.map((x, i) => {
      const element = quantizedElement(operation.results[i]?.type ?? ({ kind: "none" } satisfies Type));
      return element && isValue(x) ? quantize(build, x, element) : x;
    });
  }
}

/** The results of a body with those that checks need behind them. */
export function withChecks(results: readonly Value[], found: readonly FoundCheck[]): { all: Value[]; checks: Check[] } {
  const all = [...results];
  const checks = found.map(({ actual, expected, agreement }): Check => {
    all.push(actual, expected);
    return { actual: all.length - 2, expected: all.length - 1, ...agreement };
  });
  return { all, checks };
}
