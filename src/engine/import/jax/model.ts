// An MLIR module as a model: each public function is a signature, its parameters and results are the ports.

import { CerebroError, FormatError } from "../../../base/errors.ts";
import { Builder } from "../../hlo/build.ts";
import type { Port, Program } from "../../hlo/graph.ts";
import { isInteger } from "../../hlo/dtype.ts";
import { sameType, type TensorType, typeText } from "../../hlo/tensor.ts";
import type { InputShapes, Model, ModelPort, Signature, Tensors } from "../../model.ts";
import { parametersByValue } from "./byvalue.ts";
import { blockOf, functionsOf, Inliner, withChecks } from "./inline.ts";
import type { Operation, Type } from "./mlir/module.ts";
import { concrete, namesOf, parameterNames, partsOf, type PortFacts, resultNames, tensorPort } from "./ports.ts";
import { elementType, type Lowered, partsOf as valuesOf } from "./site.ts";
import { survey, type Survey } from "./survey.ts";

/** What is known of the main function besides its types: names and symbolic extents from a `jax.export` artifact. */
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

/** A public function. */
interface Entry {
  readonly name: string;
  readonly function: Operation;
  readonly signature: Signature;
  readonly survey: Survey;
  readonly fixed: ReadonlyMap<number, number>;
}

function entryOf(
  functions: ReadonlyMap<string, Operation>,
  name: string,
  operation: Operation,
  described: Partial<Described>,
): Entry {
  const { parameters } = blockOf(operation.regions[0], `function '${name}'`);
  const declared = operation.attributes.get("function_type");
  const resultTypes = declared?.kind === "type" && declared.type.kind === "function" ? declared.type.results : [];
  const fixed = described.fixed ?? new Map<number, number>();
  const given = parameters.filter((_, i) => !fixed.has(i));
  const inputNames = namesOf(
    parameterNames(functions, operation, given).map((known, i) => known ?? described.inputs?.[i]?.name),
    "input",
  );
  const outputNames = namesOf(
    resultNames(operation, resultTypes).map((known, i) => known ?? described.outputs?.[i]?.name),
    "output",
  );
  const deciding = parametersByValue(functions, operation);
  const byValue = parameters.flatMap(({ type }, i) => (fixed.has(i) ? [] : partsOf(type).map(() => deciding.has(i))));
  const inputs = given
    .flatMap(({ type }) => partsOf(type))
    .map((type, i): ModelPort => {
      const port = tensorPort(type, inputNames[i]!, described.inputs?.[i]);
      return byValue[i] && port.dtype !== "string" && isInteger(port.dtype) ? { ...port, byValue: true } : port;
    });
  const outputs = resultTypes
    .flatMap(partsOf)
    .map((type, i) => tensorPort(type, outputNames[i]!, described.outputs?.[i]));
  const signature: Signature = { name, inputs, outputs };
  return { name, function: operation, signature, survey: survey(functions, operation), fixed };
}

/** Public functions, the main one first; others than that are left out where their ports are no tensors. */
function entriesOf(functions: ReadonlyMap<string, Operation>, described: Described): Entry[] {
  const entries: Entry[] = [];
  const open = [...functions].filter(([, { attributes, regions }]) => {
    const visibility = attributes.get("sym_visibility");
    return regions[0]?.blocks.length && (visibility?.kind !== "string" || visibility.value === "public");
  });
  const main = functions.get("main");
  const ordered = main ? [["main", main] as const, ...open.filter(([name]) => name !== "main")] : open;
  for (const [name, operation] of ordered) {
    try {
      entries.push(entryOf(functions, name, operation, entries.length === 0 ? described : {}));
    } catch (error) {
      if (entries.length === 0 || !(error instanceof FormatError)) throw error;
    }
  }
  return entries;
}

/** A module as a model. Throws FormatError when it has no function that can be the main one. */
export function modelOf(module: Operation, described: Described): Model {
  const functions = functionsOf(module);
  const entries = entriesOf(functions, described);
  const [main] = entries;
  if (!main) throw new FormatError(`${described.name}: no public function`);
  return {
    format: described.format,
    name: described.name,
    signatures: entries.map(({ signature }) => signature),
    ...main.survey,
    attachments: new Map(),
    metadata: described.metadata ?? new Map(),
    program(name = main.name, shapes = {}, values = {}) {
      const entry = entries.find((each) => each.name === name);
      if (!entry) {
        const names = entries.map((each) => `'${each.name}'`).join(", ");
        throw new CerebroError("usage", `${described.name}: no signature '${name}', there are ${names}`);
      }
      const { missing } = entry.survey;
      if (missing.length > 0) {
        const list = missing.map(({ op, count: n, where }) => `${op} (${n}, first at ${where})`).join(", ");
        throw new CerebroError("unsupported", `${described.name}: not built: ${list}`);
      }
      return programOf(functions, entry, shapes, values, described.name);
    },
  };
}

function programOf(
  functions: ReadonlyMap<string, Operation>,
  { name, function: operation, signature: { inputs, outputs }, fixed }: Entry,
  shapes: InputShapes,
  values: Tensors,
  model: string,
): Program {
  const types = concrete(inputs, shapes, model);
  const builder = new Builder(types);
  let next = 0;
  const take = (type: Type): Lowered => {
    if (type.kind === "token") return undefined;
    if (type.kind === "tuple") return type.elements.map(take);
    const index = next++;
    const { name: input, byValue } = inputs[index]!;
    const tensor = byValue && Object.hasOwn(values, input) ? values[input] : undefined;
    if (!tensor) return builder.parameters[index];
    if (!sameType(tensor, types[index]!)) {
      throw new FormatError(`${model}: input '${input}' is ${typeText(types[index]!)}, not ${typeText(tensor)}`);
    }
    return builder.constant(tensor);
  };
  const { parameters } = blockOf(operation.regions[0], `function '${name}'`);
  const operands = parameters.map(({ type }, i): Lowered => {
    const number = fixed.get(i);
    if (number === undefined) return take(type);
    const element = type.kind === "tensor" ? elementType(type.element) : undefined;
    return builder.scalar(element ?? "i32", number);
  });
  const inliner = new Inliner(functions, builder);
  const results = inliner.call(name, operands).flatMap(valuesOf);
  if (results.length !== outputs.length) {
    throw new FormatError(`${model}: '${name}' returns ${results.length} values, says ${outputs.length}`);
  }
  const { all, checks } = withChecks(results, inliner.checks);
  const port = (declared: ModelPort, type: TensorType): Port => ({
    name: declared.name,
    type,
    ...(declared.quantization && { quantization: declared.quantization }),
  });
  return {
    name: model,
    inputs: inputs.map((each, i) => port(each, types[i]!)),
    outputs: outputs.map((each, i) => port(each, results[i]!.type)),
    states: [],
    body: builder.finish(all),
    ...(checks.length > 0 && { checks }),
  };
}
