// Programs as text, much as StableHLO writes them: for people and for golden tests.

import { dtypes } from "./dtype.ts";
import type { Operation, Program, Region, Value } from "./graph.ts";
import { type Tensor, type TensorType, toNumbers } from "./tensor.ts";

/** Constants with more elements than this are shown by their type only. */
const shownElements = 16;

/** The text of a program. */
export function print(program: Program): string {
  const { body, inputs, states, outputs } = program;
  const lines: string[] = [];
  const names = [...inputs, ...states.map(({ name }) => ({ name: `state ${name}` }))];
  const parameters = body.parameters.map(
    (value, i) => `%${value.id}: ${typeOf(value.type)} ${quoted(names[i]?.name ?? "")}`,
  );
  lines.push(`func @${program.name.replace(/[^\w.$-]/g, "_")}(${parameters.join(", ")}) {`);
  operations(body, 1, lines);
  const results = body.results.map((value, i) => {
    const name =
      outputs[i]?.name ?? (states[i - outputs.length] ? `state ${states[i - outputs.length]!.name}` : `check ${i}`);
    return `%${value.id} ${quoted(name)}`;
  });
  lines.push(`  return ${results.join(", ")}`, "}");
  return `${lines.join("\n")}\n`;
}

const quoted = (name: string): string => JSON.stringify(name);

/** tensor<2x3xf32>. */
function typeOf({ dtype, shape }: TensorType): string {
  return `tensor<${[...shape, dtype].join("x")}>`;
}

function operations(region: Region, depth: number, lines: string[]): void {
  for (const operation of region.operations) write(operation, depth, lines);
}

function write(operation: Operation, depth: number, lines: string[]): void {
  const indent = "  ".repeat(depth);
  const { op, operands, attributes, regions, results } = operation;
  const made = results.map(({ id }) => `%${id}`).join(", ");
  const list = operands.map(({ id }) => `%${id}`).join(", ");
  const shown = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name} = ${attribute(value)}`);
  const types = results.map(({ type }) => typeOf(type)).join(", ");
  const head = `${indent}${made} = ${op}(${list})${shown.length > 0 ? ` {${shown.join(", ")}}` : ""}`;
  const origin = operation.origin === undefined ? "" : ` // ${operation.origin.replace(/\s+/g, " ")}`;
  if (regions.length === 0) {
    lines.push(`${head} : ${types}${origin}`);
    return;
  }
  regions.forEach((region, i) => {
    const parameters = region.parameters.map((value: Value) => `%${value.id}: ${typeOf(value.type)}`).join(", ");
    lines.push(i === 0 ? `${head} ({ (${parameters})` : `${indent}}, { (${parameters})`);
    operations(region, depth + 1, lines);
    lines.push(`${indent}  yield ${region.results.map(({ id }) => `%${id}`).join(", ")}`);
  });
  lines.push(`${indent}}) : ${types}${origin}`);
}

function attribute(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(attribute).join(", ")}]`;
  if (typeof value === "object" && value !== null && "data" in value) return constant(value as Tensor);
  return typeof value === "string" ? value : String(value);
}

function constant(value: Tensor): string {
  if (value.data.length > shownElements * dtypes[value.dtype].entries) return "...";
  const numbers =
    typeof value.data[0] === "bigint"
      ? Array.from(value.data, String)
      : Array.from(toNumbers(value), (number) => (Object.is(number, -0) ? "-0" : String(number)));
  return `[${numbers.join(", ")}]`;
}
