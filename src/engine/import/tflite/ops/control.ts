// Control flow and variables: branches, loops, calls, and what stays from one run to the next.

import { FormatError } from "../../../../base/errors.ts";
import type { Builder } from "../../../hlo/build.ts";
import type { Value } from "../../../hlo/graph.ts";
import { sameType, toNumbers, typeText } from "../../../hlo/tensor.ts";
import { type Bound, isRagged, isResource, type Lower, type Node, Unsupported } from "../node.ts";
import { options } from "../options.ts";

/** A value; anything else cannot leave a branch or loop. */
function valueOf(bound: Bound): Value {
  if (isResource(bound)) throw new Unsupported("variables' handles that depend on values");
  if (isRagged(bound)) throw new Unsupported("a slice whose size depends on values");
  return bound;
}
const bounds = (node: Node, from: number): Bound[] =>
  node.operator.inputs.slice(from).map((_, i) => node.bound(from + i));

/** One of several subgraphs by a value: inlined when it is known. */
function branches(node: Node, op: "if" | "case", which: Value, graphs: readonly number[], known: number | undefined) {
  const { b, importer } = node;
  const { depth } = node.scope;
  const args = bounds(node, 1);
  if (known !== undefined) return importer.run(graphs[known]!, b, args, depth + 1);
  const keys = [...new Set(graphs.flatMap((graph) => [...importer.assignedBy(graph, args)]))].filter((key) =>
    importer.currentOf(key),
  );
  // Handles that come out of every branch alike need no place among the results.
  let handles: (Bound | undefined)[] = [];
  const regions = graphs.map((graph) =>
    importer.region(
      b,
      graph,
      [],
      () => ({ args, variables: [] }),
      (_, results) => {
        handles = results.map((result) => (isResource(result) ? result : undefined));
        const values = results.filter((result) => !isResource(result)).map(valueOf);
        return [...values, ...keys.map((key) => importer.currentOf(key)!)];
      },
      [],
      depth,
    ),
  );
  const [first] = regions;
  for (const region of regions) {
    region.results.forEach((result, i) => {
      const other = first!.results[i];
      if (!other || !sameType(result.type, other.type)) {
        throw new Unsupported(
          `branches of different shapes: ${typeText(result.type)}, ${other ? typeText(other.type) : "none"}`,
        );
      }
    });
  }
  const values = [...b.all(op, [which], {}, regions)];
  keys.forEach((key, i) => importer.assign(key, values[values.length - keys.length + i]!));
  return handles.map((handle) => handle ?? values.shift()!);
}

const conditional: Lower = (node) => {
  const { yes, no } = node.options(options.if);
  const which = node.b.reshape(node.input(0), []);
  const known = node.known(0);
  return branches(node, "if", which, [yes, no], known && (toNumbers(known)[0] ? 0 : 1));
};

const chosen: Lower = (node) => {
  const graphs = node.options(options.stablehloCase).branches;
  if (graphs.length === 0) throw new FormatError(`${node.b.origin}: no branches`);
  const known = node.known(0);
  const index = known && toNumbers(known)[0]!;
  const last = graphs.length - 1;
  const at = index === undefined ? undefined : index < 0 || index > last ? last : index;
  return branches(node, "case", node.b.reshape(node.b.convert(node.input(0), "i32"), []), graphs, at);
};

/** Loop values that the body gives back as they are stay outside: what is made of them can be folded. */
const loop: Lower = (node) => {
  const { b, importer } = node;
  const { depth } = node.scope;
  const { condition, body } = node.options(options.while);
  const args = bounds(node, 0);
  const graph = importer.subgraph(body);
  if (graph.outputs.length !== args.length || graph.inputs.length !== args.length) {
    throw new FormatError(
      `${b.origin}: the body takes ${graph.inputs.length} and gives ${graph.outputs.length} values`,
    );
  }
  const fixed = graph.outputs.map((tensor, i) => tensor === graph.inputs[i] || isResource(args[i]!));
  const keys = [...importer.assignedBy(condition, args), ...importer.assignedBy(body, args)]
    .filter((key, i, all) => all.indexOf(key) === i)
    .filter((key) => importer.currentOf(key));
  const carried = args.flatMap((arg, i) => (fixed[i] ? [] : [valueOf(arg)]));
  const operands = [...carried, ...keys.map((key) => importer.currentOf(key)!)];
  const types = operands.map(({ type }) => type);
  const bind = (_: Builder, values: readonly Value[]) => {
    const moving = values.slice(0, carried.length);
    let next = 0;
    return { args: args.map((arg, i) => (fixed[i] ? arg : moving[next++]!)), variables: values.slice(carried.length) };
  };
  const test = importer.region(
    b,
    condition,
    types,
    bind,
    (inner, results) => [inner.reshape(valueOf(results[0]!), [])],
    keys,
    depth,
  );
  const step = importer.region(
    b,
    body,
    types,
    bind,
    (_, results) => {
      const values = results.flatMap((result, i) => (fixed[i] ? [] : [valueOf(result)]));
      return [...values, ...keys.map((key) => importer.currentOf(key)!)];
    },
    keys,
    depth,
  );
  step.results.forEach(({ type }, i) => {
    if (!sameType(type, types[i]!)) {
      throw new Unsupported(`a loop's value that changes from ${typeText(types[i]!)} to ${typeText(type)}`);
    }
  });
  const values = [...b.all("while", operands, {}, [test, step])];
  keys.forEach((key, i) => importer.assign(key, values[carried.length + i]!));
  return args.map((arg, i) => (fixed[i] ? arg : values.shift()!));
};

const call: Lower = (node) =>
  node.importer.run(node.options(options.call).subgraph, node.b, bounds(node, 0), node.scope.depth + 1);

/** Composites are computed by what they are composed of. */
const composite: Lower = (node) => {
  const { subgraph } = node.options(options.stablehloComposite);
  return node.importer.run(subgraph, node.b, bounds(node, 0), node.scope.depth + 1);
};

function handle(node: Node): string {
  const bound = node.bound(0);
  if (!isResource(bound)) throw new FormatError(`${node.b.origin}: input 0 is no variable`);
  return bound.resource;
}

export const control: Readonly<Record<string, Lower>> = {
  IF: conditional,
  WHILE: loop,
  CALL: call,
  /** Its subgraph was run before: the variables have its values. */
  CALL_ONCE: () => [],
  VAR_HANDLE: (node) => {
    const { container, name } = node.options(options.variable);
    return { resource: `${container}/${name}` };
  },
  READ_VARIABLE: (node) => node.importer.read(handle(node), node.result()),
  ASSIGN_VARIABLE: (node) => {
    node.importer.assign(handle(node), node.input(1));
    return [];
  },
  STABLEHLO_WHILE: loop,
  STABLEHLO_CASE: chosen,
  STABLEHLO_COMPOSITE: composite,
};
