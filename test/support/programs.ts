// For tests of the compiler: programs that would be folded away otherwise.

import { Builder } from "../../src/engine/hlo/build.ts";
import { copyInto } from "../../src/engine/hlo/bind.ts";
import { is, type Operation, type Program, type Value } from "../../src/engine/hlo/graph.ts";
import type { Tensor } from "../../src/engine/hlo/tensor.ts";

/** A program whose constants are inputs (those that are no scalars), with every result as an output; and the inputs. */
export function withoutConstants(program: Program): { program: Program; inputs: Record<string, Tensor> } {
  const lifted = program.body.operations.filter(
    (operation): operation is Operation<"constant"> =>
      is(operation, "constant") && operation.attributes.value.shape.length > 0,
  );
  const { parameters } = program.body;
  const build = new Builder([...parameters, ...lifted.map(({ results }) => results[0]!)].map(({ type }) => type));
  const values = new Map<Value, Value>();
  parameters.forEach((parameter, i) => values.set(parameter, build.parameters[i]!));
  lifted.forEach(({ results }, i) => values.set(results[0]!, build.parameters[parameters.length + i]!));
  const rest = program.body.operations.filter((operation) => !lifted.includes(operation as Operation<"constant">));
  const results = copyInto(build, { ...program.body, operations: rest }, values);
  const name = (i: number) => `constant${i}`;
  return {
    program: {
      name: program.name,
      inputs: [...program.inputs, ...lifted.map(({ attributes: { value } }, i) => ({ name: name(i), type: value }))],
      outputs: results.map(({ type }, i) => ({ name: `result${i}`, type })),
      states: [],
      body: build.finish(results),
    },
    inputs: Object.fromEntries(lifted.map(({ attributes: { value } }, i) => [name(i), value])),
  };
}
