// Parameters and results of functions as ports: names, symbolic extents, concrete types.

import { CerebroError, FormatError } from "../../../base/errors.ts";
import type { TensorType } from "../../hlo/tensor.ts";
import type { Extent, InputShapes, ModelPort } from "../../model.ts";
import { extentValue, isName } from "./dims.ts";
import { type Attribute, type Operation, showType, type Type, type Value } from "./mlir/module.ts";
import { quantizationOf } from "./quantized.ts";
import { elementType } from "./site.ts";

/** What is known of a port besides its type. */
export interface PortFacts {
  readonly name?: string;
  readonly shape?: readonly Extent[];
}

/** Tensors that a type consists of: itself, or the parts of a tuple; none for tokens. */
export function partsOf(type: Type): Type[] {
  if (type.kind === "tuple") return type.elements.flatMap(partsOf);
  return type.kind === "token" ? [] : [type];
}

export function tensorPort(type: Type, name: string, facts: PortFacts | undefined): ModelPort {
  if (type.kind === "unranked") {
    return { name, dtype: elementType(type.element) ?? "f32", shape: null };
  }
  if (type.kind !== "tensor") throw new FormatError(`port '${name}': type ${showType(type)}`);
  const quantization = quantizationOf(type);
  return {
    name,
    // Types that we have not are in `missing`; the port is there all the same.
    dtype: elementType(type.element) ?? "f32",
    shape: facts?.shape ?? type.shape,
    ...(quantization && { quantization }),
  };
}

/** A name for a port: what the tracer called it, without what is not needed; unique. */
export function namesOf(list: readonly (string | undefined)[], otherwise: string): string[] {
  const taken = new Set<string>();
  return list.map((wanted, i) => {
    let name = wanted === undefined || wanted === "" ? (list.length === 1 ? otherwise : `${otherwise}${i}`) : wanted;
    while (taken.has(name)) name = `${name}_${i}`;
    taken.add(name);
    return name;
  });
}

/** "params['dense']['kernel']" and ".params.dense" become "params.dense.kernel". */
function portName(path: string): string {
  return path
    .replaceAll(/\[(?:<flat index (\d+)>|'([^']*)'|"([^"]*)"|([^\]]*))\]/g, (_, flat, single, double, plain) => {
      const key: string = flat ?? single ?? double ?? plain ?? "";
      return `.${key}`;
    })
    .replaceAll(/\.{2,}/g, ".")
    .replace(/^\./, "");
}

function attributeText(attributes: Attribute | undefined, index: number, key: string): string | undefined {
  const each = attributes?.kind === "array" ? attributes.elements[index] : undefined;
  const value = each?.kind === "dictionary" ? each.entries.get(key) : undefined;
  return value?.kind === "string" ? value.value : undefined;
}

/** Names of parameters: the tracer's, from attributes or locations, here or in a function that they are handed to. */
export function parameterNames(
  functions: ReadonlyMap<string, Operation>,
  main: Operation,
  parameters: readonly Value[],
): (string | undefined)[] {
  const attributes = main.attributes.get("arg_attrs");
  const inner = new Map<Value, string>();
  for (const { name, operands, attributes: of } of main.regions[0]?.blocks[0]?.operations ?? []) {
    const callee = name === "func.call" ? of.get("callee") : undefined;
    const called = callee?.kind === "symbol" ? functions.get(callee.value) : undefined;
    const taken = called?.regions[0]?.blocks[0]?.parameters ?? [];
    operands.forEach((operand, i) => {
      const given = taken[i]?.location?.name;
      if (given !== undefined) inner.set(operand, given);
    });
  }
  return parameters.flatMap((parameter, i) => {
    const written = attributeText(attributes, i, "jax.arg_info") ?? parameter.location?.name ?? inner.get(parameter);
    // "jit(f)/…" is where the function was traced, no name.
    const name = written === undefined || written.includes("(") ? undefined : portName(written);
    const parts = partsOf(parameter.type);
    return parts.length === 1 ? [name] : parts.map((_, j) => name && `${name}.${j}`);
  });
}

export function resultNames(main: Operation, results: readonly Type[]): (string | undefined)[] {
  const attributes = main.attributes.get("res_attrs");
  return results.flatMap((type, i) => {
    const text = attributeText(attributes, i, "jax.result_info");
    // "result[0]" is what newer versions write where older ones write "[0]".
    const name = text === undefined ? undefined : portName(text.replace(/^result\b/, ""));
    const parts = partsOf(type);
    return parts.length === 1 ? [name && /^\d/.test(name) ? `output.${name}` : name] : parts.map(() => undefined);
  });
}

/** The types of inputs for concrete shapes. Symbolic extents of one name have to agree; what is not given is 1. */
export function concrete(ports: readonly ModelPort[], shapes: InputShapes, model: string): TensorType[] {
  const bound = new Map<string, number>();
  for (const { name, shape } of ports) {
    const wanted = shapes[name];
    if (wanted && shape && wanted.length !== shape.length) {
      throw new CerebroError("usage", `${model}: input '${name}' has ${shape.length} dimensions, not ${wanted.length}`);
    }
    shape?.forEach((extent, i) => {
      const number = wanted?.[i];
      if (typeof extent !== "string" || !isName(extent) || number === undefined) return;
      const known = bound.get(extent);
      if (known !== undefined && known !== number) {
        throw new CerebroError("usage", `${model}: '${extent}' is ${known} and, in input '${name}', ${number}`);
      }
      bound.set(extent, number);
    });
  }
  return ports.map(({ name, dtype, shape }) => {
    if (dtype === "string") throw new FormatError(`${model}: input '${name}' is text`);
    const wanted = shapes[name];
    if (shape === null) {
      if (!wanted) throw new CerebroError("usage", `${model}: the shape of input '${name}' has to be given`);
      return { dtype, shape: wanted };
    }
    const actual = shape.map((extent, i) => {
      const number = wanted?.[i];
      const declared = typeof extent === "string" ? extentValue(extent, bound) : extent;
      // Extents that are computed from others may be given before those are known.
      if (number === undefined || typeof extent === "string") return number ?? declared ?? 1;
      if (extent !== null && number !== extent) {
        throw new CerebroError(
          "usage",
          `${model}: input '${name}' is [${shape.join(",")}], not [${wanted!.join(",")}]`,
        );
      }
      return number;
    });
    return { dtype, shape: actual };
  });
}
