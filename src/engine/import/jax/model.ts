// An MLIR module as a model: its main function's parameters and results as ports, and programs for concrete shapes.

import { CerebroError, FormatError } from "../../../base/errors.ts";
import { Builder } from "../../hlo/build.ts";
import type { Port, Program } from "../../hlo/graph.ts";
import { elementCount, type TensorType } from "../../hlo/tensor.ts";
import type { Extent, InputShapes, Missing, Model, ModelPort, Signature } from "../../model.ts";
import { knowsCall } from "./customcall.ts";
import { extentValue, isName } from "./dims.ts";
import { blockOf, functionsOf, Inliner, withChecks } from "./inline.ts";
import { type Attribute, type Operation, operationsIn, showType, type Type, type Value } from "./mlir/module.ts";
import { ruleOf } from "./ops.ts";
import { quantizationOf } from "./quantized.ts";
import { elementType, type Lowered, originOf, partsOf as valuesOf } from "./site.ts";

/** What is known of the ports besides their types: names and symbolic extents from a `jax.export` artifact. */
export interface Described {
  readonly format: string;
  readonly name: string;
  /** For each tensor parameter and result, in order. */
  readonly inputs?: readonly PortFacts[];
  readonly outputs?: readonly PortFacts[];
  readonly metadata?: ReadonlyMap<string, string>;
  /** Operands that callers do not give: by index of the parameter. */
  readonly fixed?: ReadonlyMap<number, number>;
}

export interface PortFacts {
  readonly name?: string;
  readonly shape?: readonly Extent[];
}

/** Tensors that a type consists of: itself, or the parts of a tuple; none for tokens. */
function partsOf(type: Type): Type[] {
  if (type.kind === "tuple") return type.elements.flatMap(partsOf);
  return type.kind === "token" ? [] : [type];
}

function tensorPort(type: Type, name: string, facts: PortFacts | undefined): ModelPort {
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
function namesOf(list: readonly (string | undefined)[], otherwise: string): string[] {
  const taken = new Set<string>();
  return list.map((wanted, i) => {
    let name = wanted === undefined || wanted === "" ? (list.length === 1 ? otherwise : `${otherwise}${i}`) : wanted;
    while (taken.has(name)) name = `${name}_${i}`;
    taken.add(name);
    return name;
  });
}

/** "params['dense']['kernel']" and ".params.dense" become "params.dense.kernel". */
export function portName(path: string): string {
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
function parameterNames(
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

function resultNames(main: Operation, results: readonly Type[]): (string | undefined)[] {
  const attributes = main.attributes.get("res_attrs");
  return results.flatMap((type, i) => {
    const text = attributeText(attributes, i, "jax.result_info");
    // "result[0]" is what newer versions write where older ones write "[0]".
    const name = text === undefined ? undefined : portName(text.replace(/^result\b/, ""));
    const parts = partsOf(type);
    return parts.length === 1 ? [name && /^\d/.test(name) ? `output.${name}` : name] : parts.map(() => undefined);
  });
}

/** Operations that can be reached from main, and what of them is not built. */
function survey(functions: ReadonlyMap<string, Operation>, main: Operation) {
  const counts = new Map<string, number>();
  const missing = new Map<string, { count: number; where: string; reason?: string }>();
  const lacks = (op: string, operation: Operation, reason?: string) => {
    const known = missing.get(op);
    if (known) known.count++;
    else missing.set(op, { count: 1, where: originOf(operation), ...(reason !== undefined && { reason }) });
  };
  const seen = new Set<Operation>();
  const queue = [main];
  let parameters = 0;
  for (let next = queue.pop(); next; next = queue.pop()) {
    if (seen.has(next)) continue;
    seen.add(next);
    for (const region of next.regions) {
      for (const operation of operationsIn(region)) {
        const { name, attributes } = operation;
        if (name.endsWith(".return")) continue;
        counts.set(name, (counts.get(name) ?? 0) + 1);
        for (const key of ["callee", "decomposition"]) {
          const target = attributes.get(key);
          const called = target?.kind === "symbol" ? functions.get(target.value) : undefined;
          if (called) queue.push(called);
        }
        const value = attributes.get("value");
        if (name.endsWith(".constant") && value?.kind === "dense" && !value.splat) {
          parameters += elementCount(value.type.shape.map((n) => n ?? 0));
        }
        const quantizing = /\.uniform_(?:de)?quantize$/.test(name);
        if (!ruleOf(name) && !quantizing) lacks(name, operation);
        const target = attributes.get("call_target_name");
        if (name.endsWith(".custom_call") && target?.kind === "string" && !knowsCall(target.value)) {
          lacks(`custom_call:${target.value}`, operation);
        }
        for (const { type } of operation.results) {
          const element = type.kind === "tensor" ? type.element : undefined;
          if (element && !elementType(element)) lacks(`type:${showType(element)}`, operation, "element type");
        }
      }
    }
  }
  const list: Missing[] = [...missing].map(([op, found]) => ({ op, ...found }));
  const sorted = [...counts].sort((a, b) => b[1] - a[1]);
  return { operations: new Map(sorted), missing: list, parameters };
}

/** A module as a model. Throws FormatError when it has no function that can be the main one. */
export function modelOf(module: Operation, described: Described): Model {
  const functions = functionsOf(module);
  const main =
    functions.get("main") ??
    [...functions.values()].find(({ attributes }) => {
      const visibility = attributes.get("sym_visibility");
      return visibility?.kind !== "string" || visibility.value === "public";
    });
  if (!main) throw new FormatError(`${described.name}: no public function`);
  const { parameters } = blockOf(main.regions[0], `${described.name}: main function`);
  const declared = main.attributes.get("function_type");
  const resultTypes = declared?.kind === "type" && declared.type.kind === "function" ? declared.type.results : [];

  const fixed = described.fixed ?? new Map<number, number>();
  const given = parameters.filter((_, i) => !fixed.has(i));
  const inputTypes = given.flatMap(({ type }) => partsOf(type));
  const inputNames = namesOf(
    parameterNames(functions, main, given).map((name, i) => name ?? described.inputs?.[i]?.name),
    "input",
  );
  const outputTypes = resultTypes.flatMap(partsOf);
  const outputNames = namesOf(
    resultNames(main, resultTypes).map((name, i) => name ?? described.outputs?.[i]?.name),
    "output",
  );
  const inputs = inputTypes.map((type, i) => tensorPort(type, inputNames[i]!, described.inputs?.[i]));
  const outputs = outputTypes.map((type, i) => tensorPort(type, outputNames[i]!, described.outputs?.[i]));
  const signature: Signature = { name: "main", inputs, outputs };
  const { operations, missing, parameters: count } = survey(functions, main);

  return {
    format: described.format,
    name: described.name,
    signatures: [signature],
    operations,
    parameters: count,
    missing,
    attachments: new Map(),
    metadata: described.metadata ?? new Map(),
    program(name, shapes = {}) {
      if (name !== undefined && name !== "main") throw new CerebroError("usage", `no signature '${name}', only 'main'`);
      if (missing.length > 0) {
        const list = missing.map(({ op, count: n, where }) => `${op} (${n}, first at ${where})`).join(", ");
        throw new CerebroError("unsupported", `${described.name}: not built: ${list}`);
      }
      return build(inputs, shapes);
    },
  };

  function build(ports: readonly ModelPort[], shapes: InputShapes): Program {
    const types = concrete(ports, shapes, described.name);
    const builder = new Builder(types);
    let next = 0;
    const take = (type: Type): Lowered => {
      if (type.kind === "token") return undefined;
      return type.kind === "tuple" ? type.elements.map(take) : builder.parameters[next++];
    };
    const operands = parameters.map(({ type }, i): Lowered => {
      const number = fixed.get(i);
      if (number === undefined) return take(type);
      const element = type.kind === "tensor" ? elementType(type.element) : undefined;
      return builder.scalar(element ?? "i32", number);
    });
    const inliner = new Inliner(new Map([...functions, ["main", main!]]), builder);
    const results = inliner.call("main", operands).flatMap(valuesOf);
    if (results.length !== outputs.length) {
      throw new FormatError(`${described.name}: main returns ${results.length} values, says ${outputs.length}`);
    }
    const { all, checks } = withChecks(results, inliner.checks);
    const port = (declaredPort: ModelPort, type: TensorType): Port => ({
      name: declaredPort.name,
      type,
      ...(declaredPort.quantization && { quantization: declaredPort.quantization }),
    });
    return {
      name: described.name,
      inputs: ports.map((each, i) => port(each, types[i]!)),
      outputs: outputs.map((each, i) => port(each, results[i]!.type)),
      states: [],
      body: builder.finish(all),
      ...(checks.length > 0 && { checks }),
    };
  }
}

/** The types of inputs for concrete shapes. Symbolic extents of one name have to agree; what is not given is 1. */
function concrete(ports: readonly ModelPort[], shapes: InputShapes, model: string): TensorType[] {
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
