// Graphs as the tracer walks them: nodes by name, edges with flat output numbers, functions in the same form.

import { FormatError } from "../../../base/errors.ts";
import type { Tensor } from "../../hlo/tensor.ts";
import type { AttrChoice, FunctionDef, GraphDef, NodeDef } from "./messages.ts";
import { outputNames } from "./outputs.ts";

/** An output of a node. */
export interface Edge {
  readonly node: string;
  readonly output: number;
}

export interface Node {
  readonly name: string;
  readonly op: string;
  readonly inputs: readonly Edge[];
  /** Nodes that have to run before. */
  readonly controls: readonly string[];
  readonly attributes: ReadonlyMap<string, AttrChoice | undefined>;
  /** The value of a constant that comes from elsewhere. */
  readonly tensor?: Tensor;
}

export interface Graph {
  readonly name: string;
  readonly nodes: ReadonlyMap<string, Node>;
  /** Of a function: the nodes (of op "_Arg") that stand for its arguments. */
  readonly parameters: readonly string[];
  readonly results: readonly Edge[];
  /** Nodes that run for what they do, although no result needs them. */
  readonly effects: readonly string[];
}

/** A graph and the functions it calls. */
export interface Library {
  readonly graph: Graph;
  function(name: string): Graph | undefined;
}

/** The graph and its functions; those are read when they are called. Throws FormatError. */
export function libraryOf(def: GraphDef, what: string): Library {
  const definitions = new Map<string, FunctionDef>();
  for (const each of def.library?.function ?? []) definitions.set(each.signature?.name ?? "", each);
  const outputsOf = (op: string) => definitions.get(op)?.signature?.outputArg.map(({ name }) => name);
  const read = new Map<string, Graph>();
  return {
    graph: graphOf(def.node, what, outputsOf),
    function(name) {
      const definition = definitions.get(name);
      if (!definition) return undefined;
      let graph = read.get(name);
      if (!graph) read.set(name, (graph = functionOf(name, definition, outputsOf)));
      return graph;
    },
  };
}

type OutputsOf = (op: string) => readonly string[] | undefined;

function graphOf(defs: readonly NodeDef[], what: string, outputsOf: OutputsOf): Graph {
  const nodes = new Map<string, Node>();
  addNodes(nodes, defs, what, outputsOf);
  return { name: what, nodes, parameters: [], results: [], effects: [] };
}

function functionOf(name: string, def: FunctionDef, outputsOf: OutputsOf): Graph {
  const what = `function ${name}`;
  const nodes = new Map<string, Node>();
  const parameters: string[] = [];
  for (const argument of def.signature?.inputArg ?? []) {
    if (argument.numberAttr !== "" || argument.typeListAttr !== "") {
      throw new FormatError(`${what}: argument ${argument.name} is a list`);
    }
    parameters.push(argument.name);
    nodes.set(argument.name, { name: argument.name, op: "_Arg", inputs: [], controls: [], attributes: new Map() });
  }
  addNodes(nodes, def.nodeDef, what, outputsOf);
  const results = (def.signature?.outputArg ?? []).map((result) => {
    const from = def.ret.get(result.name);
    if (from === undefined) throw new FormatError(`${what}: result ${result.name} comes from nowhere`);
    return parseEdge(from, (node) => nodes.get(node)?.op, what, outputsOf);
  });
  const effects = [...def.controlRet.values()].filter((each) => nodes.has(each));
  return { name, nodes, parameters, results, effects };
}

function addNodes(nodes: Map<string, Node>, defs: readonly NodeDef[], what: string, outputsOf: OutputsOf): void {
  const ops = new Map<string, string>();
  for (const { name, op } of defs) ops.set(name, op);
  for (const def of defs) {
    if (nodes.has(def.name)) throw new FormatError(`${what}: two nodes are called ${def.name}`);
    const inputs: Edge[] = [];
    const controls: string[] = [];
    for (const input of def.input) {
      if (input.startsWith("^")) controls.push(input.slice(1));
      else inputs.push(parseEdge(input, (name) => ops.get(name), what, outputsOf));
    }
    const attributes = new Map([...def.attr].map(([name, { value }]) => [name, value]));
    nodes.set(def.name, { name: def.name, op: def.op, inputs, controls, attributes });
  }
}

/** "name", "name:1" as graphs have them, "name:output:1" as functions have them. */
function parseEdge(text: string, opOf: (name: string) => string | undefined, what: string, outputsOf: OutputsOf): Edge {
  const [node = "", ...rest] = text.split(":");
  if (rest.length === 0) return { node, output: 0 };
  const number = Number(rest.at(-1));
  if (!Number.isSafeInteger(number) || number < 0 || rest.length > 2) {
    throw new FormatError(`${what}: ${text} is no output of a node`);
  }
  if (rest.length === 1) return { node, output: number };
  const op = opOf(node) ?? "";
  const names = outputsOf(op) ?? outputNames[op];
  if (!names) return { node, output: number };
  const at = names.indexOf(rest[0]!);
  if (at < 0) throw new FormatError(`${what}: ${text}: ${op} has no output ${rest[0]}`);
  return { node, output: at + number };
}

/** "name:1" of a signature as an edge. */
export function edgeOfName(text: string, what: string): Edge {
  return parseEdge(
    text,
    () => undefined,
    what,
    () => undefined,
  );
}

/** The functions that a node's attributes name. */
export function calledBy(node: Node): string[] {
  const names: string[] = [];
  for (const attribute of node.attributes.values()) {
    if (attribute?.which === "func") names.push(attribute.value.name);
    else if (attribute?.which === "list") for (const { name } of attribute.value.func) names.push(name);
  }
  return names;
}
