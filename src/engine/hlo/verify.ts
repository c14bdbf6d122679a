// Checks of whole programs: that values are made before they are used, that types are what the operations give, and
// that inputs, states and outputs agree with the body.

import { FormatError } from "../../base/errors.ts";
import { type Operation, type Program, type Region, type Value } from "./graph.ts";
import { inferTypes } from "./ops.ts";
import { elementCount, sameType, type TensorType, typeText } from "./tensor.ts";
import { dtypes } from "./dtype.ts";

/** How deep regions may be within each other. */
const maximumDepth = 200;

/** Throws FormatError, naming the operation, when a program is not what the IR allows. */
export function verify(program: Program): void {
  const { body, inputs, outputs, states, checks = [] } = program;
  const fail = (message: string): never => {
    throw new FormatError(`${program.name}: ${message}`);
  };
  const agree = (what: string, expected: TensorType, value: Value | undefined) => {
    if (!value) fail(`${what} is missing in the body`);
    else if (!sameType(expected, value.type)) {
      fail(`${what} is ${typeText(expected)}, in the body ${typeText(value.type)}`);
    }
  };
  if (body.parameters.length !== inputs.length + states.length) {
    fail(`the body takes ${body.parameters.length} parameters for ${inputs.length} inputs, ${states.length} states`);
  }
  if (body.results.length < outputs.length + states.length) {
    fail(`the body gives ${body.results.length} results for ${outputs.length} outputs, ${states.length} states`);
  }
  inputs.forEach(({ name, type }, i) => agree(`input '${name}'`, type, body.parameters[i]));
  outputs.forEach(({ name, type }, i) => agree(`output '${name}'`, type, body.results[i]));
  states.forEach(({ name, initial }, i) => {
    agree(`state '${name}'`, initial, body.parameters[inputs.length + i]);
    agree(`new state '${name}'`, initial, body.results[outputs.length + i]);
  });
  for (const { actual, expected } of checks) {
    for (const place of [actual, expected]) {
      if (!body.results[place]) fail(`a check refers to result ${place} of ${body.results.length}`);
    }
  }
  verifyRegion(body, { visible: new Set(), ids: new Set(), depth: 0, fail });
}

interface Scope {
  /** Values that may be used here. */
  readonly visible: Set<Value>;
  /** Every id of the program so far. */
  readonly ids: Set<number>;
  readonly depth: number;
  readonly fail: (message: string) => never;
}

/** How an operation is called in messages. */
const nameOf = ({ op, origin, results }: Operation): string =>
  `${op}${results[0] ? ` %${results[0].id}` : ""}${origin === undefined ? "" : ` (${origin})`}`;

function verifyRegion(region: Region, { visible, ids, depth, fail }: Scope): void {
  if (depth > maximumDepth) fail(`regions are within each other more than ${maximumDepth} deep`);
  const own: Value[] = [];
  const define = (value: Value, producer: Operation | undefined, index: number, where: string) => {
    if (value.producer !== producer || value.index !== index) fail(`${where}: value ${value.id} is not its own`);
    if (ids.has(value.id)) fail(`${where}: value ${value.id} is made twice`);
    ids.add(value.id);
    visible.add(value);
    own.push(value);
  };
  region.parameters.forEach((parameter, i) => define(parameter, undefined, i, "region"));
  for (const operation of region.operations) {
    const name = nameOf(operation);
    for (const operand of operation.operands) {
      if (!visible.has(operand)) fail(`${name}: operand ${operand.id} is not made before it`);
    }
    for (const inner of operation.regions) verifyRegion(inner, { visible, ids, depth: depth + 1, fail });
    verifyTypes(operation, name, fail);
    verifyRegions(operation, name, fail);
    operation.results.forEach((result, i) => define(result, operation, i, name));
  }
  for (const result of region.results) {
    if (!visible.has(result)) fail(`result ${result.id} of a region is not made in it or around it`);
  }
  // What a region makes is not seen after it.
  if (depth > 0) for (const value of own) visible.delete(value);
}

function verifyTypes(operation: Operation, name: string, fail: Scope["fail"]): void {
  const { op, operands, attributes, regions, results } = operation;
  let types: TensorType[];
  try {
    types = inferTypes(op, operands, attributes, regions);
  } catch (error) {
    if (error instanceof FormatError) return fail(`${name}: ${error.message}`);
    throw error;
  }
  const wrong = types.findIndex((type, i) => !results[i] || !sameType(type, results[i].type));
  if (wrong >= 0 || types.length !== results.length) {
    const shown = (list: readonly TensorType[]) => list.map(typeText).join(", ");
    fail(`${name}: results are ${shown(results.map(({ type }) => type))}, must be ${shown(types)}`);
  }
  if (op === "constant") {
    const { value } = (operation as Operation<"constant">).attributes;
    const wanted = elementCount(value.shape) * dtypes[value.dtype].entries;
    if (value.data.length !== wanted || !(value.data instanceof dtypes[value.dtype].array)) {
      fail(`${name}: ${typeText(value)} has ${value.data.length} entries, must have ${wanted}`);
    }
  }
}

const scalars = (values: readonly Value[]): TensorType[] => values.map(({ type }) => ({ ...type, shape: [] }));

/** What each region of an operation takes and gives; undefined where inference has checked all there is to check. */
function signatures({ op, operands, results }: Operation): { takes: TensorType[]; gives: TensorType[] }[] | undefined {
  const predicate: TensorType = { dtype: "i1", shape: [] };
  switch (op) {
    case "while": {
      const types = operands.map(({ type }) => type);
      return [
        { takes: types, gives: [predicate] },
        { takes: types, gives: types },
      ];
    }
    case "sort":
      return [{ takes: scalars(operands.flatMap((operand) => [operand, operand])), gives: [predicate] }];
    case "map":
      return [{ takes: scalars(operands), gives: scalars(results) }];
    case "reduce":
    case "reduceWindow":
    case "scatter": {
      const given = scalars(results);
      return [{ takes: [...given, ...given], gives: given }];
    }
    case "selectAndScatter": {
      const element = scalars(operands.slice(0, 1));
      const pair = [...element, ...element];
      return [
        { takes: pair, gives: [predicate] },
        { takes: pair, gives: element },
      ];
    }
    default:
      return undefined;
  }
}

function verifyRegions(operation: Operation, name: string, fail: Scope["fail"]): void {
  const { op, regions } = operation;
  if (op === "if" || op === "case") {
    for (const { parameters } of regions) if (parameters.length > 0) fail(`${name}: a branch takes parameters`);
  }
  signatures(operation)?.forEach(({ takes, gives }, i) => {
    const compare = (what: string, wanted: readonly TensorType[], values: readonly Value[]) => {
      if (values.length === wanted.length && values.every(({ type }, k) => sameType(type, wanted[k]!))) return;
      const shown = (types: readonly TensorType[]) => `(${types.map(typeText).join(", ")})`;
      fail(`${name}: region ${i} ${what} ${shown(values.map(({ type }) => type))}, must be ${shown(wanted)}`);
    };
    compare("takes", takes, regions[i]!.parameters);
    compare("gives", gives, regions[i]!.results);
  });
}
