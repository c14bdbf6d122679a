// Inputs that become constants: weights that a program takes as inputs, joined with it.

import { FormatError } from "../../base/errors.ts";
import { Builder } from "./build.ts";
import type { Program, Region, Value } from "./graph.ts";
import { sameType, type Tensor, typeText } from "./tensor.ts";

/**
 * A program in which the inputs of these names are constants. Names that are no inputs are passed over; a tensor of
 * another type or shape throws FormatError.
 */
export function bindInputs(program: Program, tensors: Readonly<Record<string, Tensor>>): Program {
  const bound = program.inputs.map(({ name, type }) => {
    const tensor = Object.hasOwn(tensors, name) ? tensors[name] : undefined;
    if (tensor && !sameType(tensor, type)) {
      throw new FormatError(`input '${name}' is ${typeText(type)}, the tensor for it ${typeText(tensor)}`);
    }
    return tensor;
  });
  const { parameters } = program.body;
  const kept = parameters.filter((_, i) => bound[i] === undefined);
  const build = new Builder(kept.map(({ type }) => type));
  const values = new Map<Value, Value>();
  kept.forEach((parameter, i) => values.set(parameter, build.parameters[i]!));
  parameters.forEach((parameter, i) => {
    const tensor = bound[i];
    if (tensor) values.set(parameter, build.constant(tensor));
  });
  const results = copyInto(build, program.body, values);
  return {
    ...program,
    inputs: program.inputs.filter((_, i) => bound[i] === undefined),
    body: build.finish(results),
  };
}

/** Writes the operations of a region again, with other values in place of its parameters. */
export function copyInto(build: Builder, region: Region, values: Map<Value, Value>): Value[] {
  const valueOf = (value: Value): Value => {
    const copy = values.get(value);
    if (!copy) throw new FormatError(`value ${value.id} is used before it is made`);
    return copy;
  };
  for (const { op, operands, attributes, regions, results, origin } of region.operations) {
    build.origin = origin;
    const copies = regions.map((inner) =>
      build.region(
        inner.parameters.map(({ type }) => type),
        (within, ...given) => {
          inner.parameters.forEach((parameter, i) => values.set(parameter, given[i]!));
          return copyInto(within, inner, values);
        },
      ),
    );
    build.all(op, operands.map(valueOf), attributes, copies).forEach((copy, i) => values.set(results[i]!, copy));
  }
  return region.results.map(valueOf);
}
