// Ways to call a graph: from its signatures, or from its placeholders and what nothing else uses.

import { UnsupportedFormat } from "../../../base/errors.ts";
import type { Extent } from "../../model.ts";
import { edgeOfName, type Graph, type Library, type Node } from "./graph.ts";
import type { SignatureDef, TensorInfo } from "./messages.ts";
import type { Plan, PlannedPort } from "./model.ts";
import { declaredShape } from "./tensors.ts";
import { dtypeOf, isStringType, typeName } from "./types.ts";

function portOf(name: string, info: TensorInfo): PlannedPort {
  // TensorFlow.js leaves the type of outputs out; what is traced has its own.
  const dtype = isStringType(info.dtype) ? "string" : info.dtype === 0 ? "f32" : dtypeOf(info.dtype);
  if (!dtype) throw new UnsupportedFormat(`port ${name}: ${typeName(info.dtype)} is no type of tensors`);
  const tensor = info.name === "" ? (info.cooSparse?.valuesTensorName ?? "") : info.name;
  // Sparse and composite tensors are several; they are refused with strings.
  return {
    name,
    dtype: info.name === "" ? "string" : dtype,
    shape: declaredShape(info.tensorShape),
    edge: edgeOfName(tensor, `port ${name}`),
  };
}

/** The signatures that give something, the one for serving first. Inputs and outputs are sorted by name. */
export function plansOf(signatures: ReadonlyMap<string, SignatureDef>): Plan[] {
  const byName = <T>(entries: Iterable<[string, T]>) => [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
  const plans = byName(signatures)
    .filter(([name, { outputs }]) => !name.startsWith("__saved_model_") && outputs.size > 0)
    .map(([name, { inputs, outputs }]): Plan => ({
      name,
      inputs: byName(inputs).map(([port, info]) => portOf(port, info)),
      outputs: byName(outputs).map(([port, info]) => portOf(port, info)),
    }));
  const runnable = ({ inputs, outputs }: Plan) => [...inputs, ...outputs].every(({ dtype }) => dtype !== "string");
  const rank = (plan: Plan) => (plan.name === "serving_default" ? 0 : runnable(plan) ? 1 : 2);
  return plans.sort((a, b) => rank(a) - rank(b));
}

const sources = new Set(["Placeholder", "PlaceholderV2"]);
/** Nodes that nobody reads, but that are no results either. */
const plumbing =
  /^(NoOp|Const|Placeholder|Assert|Print|PrintV2|Assign.*|Save.*|Restore.*|ShardedFilename|MergeV2Checkpoints|VarIsInitializedOp|VarHandleOp|Variable|VariableV2|.*Summary.*|_Arg|ControlTrigger|.*TableV2|LookupTableImportV2|InitializeTable.*|Exit|RefExit|Switch|RefSwitch|NextIteration|TensorArrayCloseV3)$/;

function typeOf(node: Node): number {
  for (const name of ["dtype", "T", "DstT", "out_type", "output_type", "Tparams"]) {
    const value = node.attributes.get(name);
    if (value?.which === "type") return value.value;
  }
  return 1;
}
function shapeOf(node: Node): Extent[] | null {
  for (const name of ["shape", "_output_shapes"]) {
    const value = node.attributes.get(name);
    if (value?.which === "shape") return declaredShape(value.value);
    if (value?.which === "list") return declaredShape(value.value.shape[0]);
  }
  return null;
}
const placed = (node: Node): PlannedPort => ({
  name: node.name,
  dtype: isStringType(typeOf(node)) ? "string" : (dtypeOf(typeOf(node)) ?? "f32"),
  shape: shapeOf(node),
  edge: { node: node.name, output: 0 },
});

/** Placeholders in, what nothing else reads out. */
export function planOfGraph({ graph }: Library): Plan {
  const used = new Set<string>();
  const reads = new Set<string>();
  for (const node of graph.nodes.values()) {
    for (const { node: from } of node.inputs) used.add(from);
    for (const from of node.controls) reads.add(from);
  }
  const nodes = [...graph.nodes.values()];
  // A Switch behind an Identity only says when other nodes run.
  const pivot = ({ op, inputs }: Node) => op === "Identity" && graph.nodes.get(inputs[0]?.node ?? "")?.op === "Switch";
  const ends = nodes.filter((node) => !used.has(node.name) && !plumbing.test(node.op) && !pivot(node));
  const outputs = ends.filter(({ name }) => !reads.has(name));
  const some = outputs.length > 0 ? outputs : ends;
  // What depends on no input is there for saving or starting.
  const downstream = reachedFrom(
    graph,
    nodes.filter(({ op }) => sources.has(op)).map(({ name }) => name),
  );
  const fed = some.filter(({ name }) => downstream.has(name));
  const chosen = fed.length > 0 ? fed : some;
  return planOfOutputs(
    graph,
    chosen.map((node) => outputPort(node)),
  );
}

/** The placeholders that outputs need, and the outputs. */
export function planOfOutputs(graph: Graph, outputs: readonly PlannedPort[]): Plan {
  const needed = reachable(
    graph,
    outputs.map(({ edge }) => edge.node),
  );
  const inputs = [...graph.nodes.values()].filter(({ name, op }) => sources.has(op) && needed.has(name));
  return { name: "default", inputs: inputs.map(placed), outputs };
}

/** A result's type is often that of its node's attribute T; comparisons give truth values. */
function outputPort(node: Node): PlannedPort {
  const port = placed(node);
  const truth = /^(Equal|NotEqual|Less|LessEqual|Greater|GreaterEqual|Logical.*|Is(Nan|Inf|Finite))$/.test(node.op);
  const index = node.op === "ArgMax" || node.op === "ArgMin";
  const type = node.attributes.get("output_type");
  if (truth) return { ...port, dtype: "i1" };
  if (index) return { ...port, dtype: (type?.which === "type" ? dtypeOf(type.value) : undefined) ?? "i64" };
  return port;
}

/** What reads the values of nodes, directly or not. */
function reachedFrom(graph: Graph, starts: readonly string[]): Set<string> {
  const readers = new Map<string, string[]>();
  for (const { name, inputs } of graph.nodes.values()) {
    for (const { node } of inputs) {
      const list = readers.get(node);
      if (list) list.push(name);
      else readers.set(node, [name]);
    }
  }
  const seen = new Set<string>();
  const stack = [...starts];
  while (stack.length > 0) {
    const name = stack.pop()!;
    if (seen.has(name)) continue;
    seen.add(name);
    stack.push(...(readers.get(name) ?? []));
  }
  return seen;
}

function reachable(graph: Graph, starts: readonly string[]): Set<string> {
  const seen = new Set<string>();
  const stack = [...starts];
  while (stack.length > 0) {
    const name = stack.pop()!;
    const node = graph.nodes.get(name);
    if (seen.has(name) || !node) continue;
    seen.add(name);
    stack.push(...node.inputs.map((edge) => edge.node));
  }
  return seen;
}
