// A graph with ways to call it, as a model: what it needs that is not built, and programs for concrete shapes.

import { CerebroError, FormatError } from "../../../base/errors.ts";
import { Builder } from "../../hlo/build.ts";
import { type DType, kindOf } from "../../hlo/dtype.ts";
import type { Port, Program } from "../../hlo/graph.ts";
import type { TensorType } from "../../hlo/tensor.ts";
import type { Extent, InputShapes, Missing, Model, ModelPort, Signature, Tensors } from "../../model.ts";
import { decideShapes } from "./byvalue.ts";
import type { Item } from "./call.ts";
import { calledBy, type Edge, type Graph, type Library, type Node } from "./graph.ts";
import { isKnown, importers, reasonFor } from "./table.ts";
import { variableName } from "./ops/state.ts";
import { edgeKey, type Frame, Tracer, type Variables, valueOf } from "./tracer.ts";

/** A port and the edge it stands for. */
export interface PlannedPort extends ModelPort {
  readonly edge: Edge;
}
export interface Plan {
  readonly name: string;
  readonly inputs: readonly PlannedPort[];
  readonly outputs: readonly PlannedPort[];
}

export interface GraphModelParts {
  readonly format: string;
  readonly name: string;
  readonly library: Library;
  readonly variables: Variables;
  /** The first is the default. */
  readonly plans: readonly Plan[];
  readonly metadata: ReadonlyMap<string, string>;
  readonly attachments?: ReadonlyMap<string, Uint8Array>;
}

/** What one signature reaches. */
interface Reach {
  readonly operations: Map<string, number>;
  readonly missing: Missing[];
  readonly variables: Set<string>;
  readonly constants: number;
}

/** Only sizes are taken by value, not what a network computes with. */
const maySize = ({ dtype, shape }: ModelPort) =>
  dtype !== "string" && (kindOf(dtype) === "signed" || dtype === "i1" || shape?.length === 0);

const portOf = ({ name, dtype, shape }: PlannedPort): ModelPort => ({ name, dtype, shape });

const handles = /^(VarHandleOp|Variable|VariableV2)$/;
const exits = new Set(["Assert", "PrintV2", "NoOp"]);

/** Everything that computing a signature's outputs may run. Runs nothing. */
function reach(library: Library, plan: Plan): Reach {
  const operations = new Map<string, number>();
  const missing = new Map<string, { count: number; where: string; reason?: string }>();
  const variables = new Set<string>();
  let constants = 0;
  const visited = new Set<Graph>();
  const miss = (op: string, where: string, reason: string | undefined) => {
    const before = missing.get(op);
    if (before) before.count++;
    else missing.set(op, { count: 1, where, ...(reason !== undefined && { reason }) });
  };
  const queue: { graph: Graph; starts: string[]; fed: Set<string> }[] = [
    {
      graph: library.graph,
      starts: plan.outputs.map(({ edge }) => edge.node),
      fed: new Set(plan.inputs.map(({ edge }) => edge.node)),
    },
  ];
  const enterFunction = (name: string, node: Node) => {
    const graph = library.function(name);
    if (!graph) return miss(`function ${name}`, node.name, "not in the library");
    if (visited.has(graph)) return;
    visited.add(graph);
    queue.push({ graph, starts: [...graph.results.map((edge) => edge.node), ...graph.effects], fed: new Set() });
  };
  for (const { graph, starts, fed } of queue) {
    const seen = new Set<string>();
    const stack = starts;
    while (stack.length > 0) {
      const name = stack.pop()!;
      const node = graph.nodes.get(name);
      if (seen.has(name) || fed.has(name)) continue;
      seen.add(name);
      if (!node) {
        miss(`node ${name}`, graph.name, "not in the graph");
        continue;
      }
      if (exits.has(node.op)) {
        stack.push(...node.controls);
        continue;
      }
      if (node.op !== "_Arg") operations.set(node.op, (operations.get(node.op) ?? 0) + 1);
      if (handles.test(node.op)) variables.add(variableName(node));
      if (node.op === "Const") constants += weightCount(node);
      const own = library.function(node.op) ? [node.op] : [];
      if (!isKnown(node.op) && own.length === 0) miss(node.op, name, reasonFor(node.op));
      else for (const called of [...calledBy(node), ...own]) enterFunction(called, node);
      stack.push(...node.inputs.map((edge) => edge.node));
    }
  }
  for (const port of [...plan.inputs, ...plan.outputs]) {
    if (port.dtype === "string") miss(`port ${port.name}`, plan.name, "string tensors");
  }
  return {
    operations,
    variables,
    constants,
    missing: [...missing].map(([op, rest]) => ({ op, ...rest })),
  };
}

/** Elements of a constant that is a weight rather than a size. */
function weightCount(node: Node): number {
  const value = node.attributes.get("value");
  if (value?.which !== "tensor") return 0;
  const extents = value.value.tensorShape?.dim.map(({ size }) => size) ?? [];
  const integer = value.value.dtype === 3 || value.value.dtype === 9 || value.value.dtype === 7;
  return integer || extents.length === 0 ? 0 : extents.reduce((a, n) => a * Math.max(0, n), 1);
}

export class GraphModel implements Model {
  readonly format: string;
  readonly name: string;
  readonly signatures: readonly Signature[];
  readonly operations: ReadonlyMap<string, number>;
  readonly missing: readonly Missing[];
  readonly attachments: ReadonlyMap<string, Uint8Array>;
  readonly metadata: ReadonlyMap<string, string>;
  private readonly parts: GraphModelParts;
  private readonly reaches = new Map<string, Reach>();
  private counted: number | undefined;

  constructor(parts: GraphModelParts) {
    this.parts = parts;
    this.format = parts.format;
    this.name = parts.name;
    this.metadata = parts.metadata;
    this.attachments = parts.attachments ?? new Map();
    const deciding = decideShapes(parts.library);
    this.signatures = parts.plans.map(({ name, inputs, outputs }) => ({
      name,
      inputs: inputs.map((port) => ({
        ...portOf(port),
        ...(deciding.has(port.edge.node) && maySize(port) && { byValue: true }),
      })),
      outputs: outputs.map(portOf),
    }));
    const first = parts.plans[0];
    const found = first && this.reach(first);
    this.operations = new Map([...(found?.operations ?? [])].sort((a, b) => b[1] - a[1]));
    this.missing = found?.missing ?? [];
  }

  get parameters(): number {
    if (this.counted === undefined) {
      const [first] = this.parts.plans;
      const found = first && this.reach(first);
      let count = found?.constants ?? 0;
      for (const name of found?.variables ?? []) count += this.parts.variables.size(name);
      this.counted = count;
    }
    return this.counted;
  }

  private reach(plan: Plan): Reach {
    let found = this.reaches.get(plan.name);
    if (!found) this.reaches.set(plan.name, (found = reach(this.parts.library, plan)));
    return found;
  }

  program(signature?: string, shapes: InputShapes = {}, values: Tensors = {}): Program {
    const { plans } = this.parts;
    const plan = signature === undefined ? plans[0] : plans.find(({ name }) => name === signature);
    if (!plan) {
      throw new CerebroError("not-found", `${this.name}: no signature ${signature ?? ""}`, {
        hint: `it has ${plans.map(({ name }) => name).join(", ") || "none"}`,
      });
    }
    const { missing } = this.reach(plan);
    if (missing.length > 0) {
      const list = missing.map(
        ({ op, count, where, reason }) =>
          `${op} (${count}, first '${where}'${reason === undefined ? "" : `: ${reason}`})`,
      );
      throw new CerebroError("unsupported", `${this.name}: signature ${plan.name} needs ${list.join(", ")}`);
    }
    const types = plan.inputs.map((port) => concrete(port, values[port.name]?.shape ?? shapes[port.name]));
    // Once to find which variables are assigned to: those are states, the others constants.
    const trial = this.trace(plan, types, [], values);
    if (trial.written.size === 0) return trial.program;
    return this.trace(plan, types, [...trial.written], values).program;
  }

  private trace(
    plan: Plan,
    types: readonly TensorType[],
    states: readonly string[],
    values: Tensors,
  ): { program: Program; written: ReadonlySet<string> } {
    const { library, variables } = this.parts;
    const initial = states.map((name) => ({ name, initial: variables.initial(name) }));
    const root = new Builder([...types, ...initial.map(({ initial: { dtype, shape } }) => ({ dtype, shape }))]);
    const tracer = new Tracer(library, variables, importers, root);
    initial.forEach(({ name }, i) => tracer.environment.set(name, root.parameters[types.length + i]!));
    const feeds = new Map<string, Item>();
    plan.inputs.forEach(({ edge, name }, i) => {
      const known = values[name];
      feeds.set(edgeKey(edge), known ? root.constant(known) : root.parameters[i]!);
    });
    const frame: Frame = { graph: library.graph, known: new Map(), feeds, outer: undefined, bindings: new Map() };
    const items = tracer.evaluate(
      frame,
      plan.outputs.map(({ edge }) => edge),
    );
    root.origin = undefined;
    const results = items.map((item, i) => valueOf(item, tracer, `output ${plan.outputs[i]!.name}`));
    const after = states.map((name) => tracer.read({ kind: "variable", name }));
    const inputs = plan.inputs.map(({ name }, i): Port => ({ name, type: types[i]! }));
    const outputs = plan.outputs.map(({ name }, i): Port => ({ name, type: results[i]!.type }));
    const program = { name: this.name, inputs, outputs, states: initial, body: root.finish([...results, ...after]) };
    return { program, written: tracer.written };
  }
}

/** The type of an input for these shapes: unknown leading extents are 1 when nothing is said. */
function concrete(port: ModelPort, given: readonly number[] | undefined): TensorType {
  const dtype = port.dtype as DType;
  if (given) {
    const fits = (extent: Extent | undefined, n: number) => typeof extent !== "number" || extent === n;
    if (port.shape && (port.shape.length !== given.length || !given.every((n, i) => fits(port.shape![i], n)))) {
      throw new FormatError(`input ${port.name}: [${given}] does not fit [${shapeText(port.shape)}]`);
    }
    return { dtype, shape: given };
  }
  if (!port.shape) throw new FormatError(`input ${port.name}: its shape has to be given, the model does not say it`);
  const shape = port.shape.map((extent, i) => (typeof extent === "number" ? extent : i === 0 ? 1 : undefined));
  if (shape.includes(undefined)) {
    throw new FormatError(`input ${port.name}: its shape has to be given, the model says [${shapeText(port.shape)}]`);
  }
  return { dtype, shape: shape as number[] };
}
const shapeText = (shape: readonly Extent[]) => shape.map((extent) => extent ?? "?").join(",");
