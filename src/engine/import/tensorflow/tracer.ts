// Walks graphs from what is wanted and writes the operations that it takes: plumbing falls away, functions are inlined.

import { CerebroError, FormatError } from "../../../base/errors.ts";
import { Builder } from "../../hlo/build.ts";
import type { Value } from "../../hlo/graph.ts";
import type { Tensor } from "../../hlo/tensor.ts";
import { Call, type Importer, isSpecial, type Item, type Services, type Variable } from "./call.ts";
import { calledBy, type Edge, type Graph, type Library, type Node } from "./graph.ts";
import type { AttrChoice, NameAttrList } from "./messages.ts";
import { chooseBranch, loopOf, runLoop } from "./raise.ts";

/** Deepest nesting of calls, loops and choices. */
const maximumDepth = 400;
/** Most nodes that are looked at, those of functions as often as they are called. */
const maximumSteps = 1 << 21;

/** The first values of variables. */
export interface Variables {
  initial(name: string): Tensor;
  /** How many elements it has. */
  size(name: string): number;
}

/** One graph being walked. Frames of one loop share the graph and see what is known outside it. */
export interface Frame {
  readonly graph: Graph;
  readonly known: Map<string, readonly Item[]>;
  /** What takes the place of outputs: inputs of signatures, of functions, of loops. */
  readonly feeds: ReadonlyMap<string, Item>;
  readonly outer: Frame | undefined;
  /** Attributes that nodes of a generic function refer to. */
  readonly bindings: ReadonlyMap<string, AttrChoice | undefined>;
}

/** Most functions that call each other. */
const maximumFunctions = 1 << 14;

export const edgeKey = ({ node, output }: Edge): string => `${node}:${output}`;

/** Assign, AssignAddVariableOp, ResourceScatterUpdate, ScatterNdUpdate … */
const assignment = /^(Assign(Add|Sub)?(VariableOp)?|(Resource)?Scatter(Nd)?(Add|Sub|Mul|Max|Min|Update))$/;
/** Assignments and what reads variables: a read before an assignment has to stay before it. */
const touch =
  /^(Assign(Add|Sub)?(VariableOp)?|(Resource)?Scatter(Nd)?(Add|Sub|Mul|Max|Min|Update)|_?ReadVariables?Op|ResourceGather(Nd)?)$/;
/** Operations that are there for what they do to the user, not to the result. */
const ignored = new Set(["Assert", "Print", "PrintV2", "NoOp", "CheckNumericsV2"]);
const exits = new Set(["Exit", "RefExit"]);
const merges = new Set(["Merge", "RefMerge"]);

export class Tracer implements Services {
  readonly root: Builder;
  builder: Builder;
  environment = new Map<string, Value>();
  /** Variables that were assigned anywhere. */
  readonly written = new Set<string>();
  private readonly library: Library;
  private readonly variables: Variables;
  private readonly importers: ReadonlyMap<string, Importer>;
  private readonly constants = new Map<Tensor, Value>();
  private readonly initials = new Map<string, Value>();
  private readonly writing = new Map<Graph, boolean>();
  private readonly touching = new Map<Graph, boolean>();
  private depth = 0;
  private steps = 0;
  /** Choices being made. */
  private readonly choosing = new Set<Node>();

  constructor(
    library: Library,
    variables: Variables,
    importers: ReadonlyMap<string, Importer>,
    root: Builder = new Builder(),
  ) {
    this.library = library;
    this.variables = variables;
    this.importers = importers;
    this.root = root;
    this.builder = root;
  }

  // What the rows of the table may ask.

  read({ name }: Variable): Value {
    const current = this.environment.get(name);
    if (current) return current;
    let value = this.initials.get(name);
    if (!value) this.initials.set(name, (value = this.constant(this.variables.initial(name))));
    return value;
  }

  assign({ name }: Variable, value: Value): void {
    this.written.add(name);
    this.environment.set(name, value);
  }

  constant(tensor: Tensor): Value {
    let value = this.constants.get(tensor);
    if (!value) this.constants.set(tensor, (value = this.root.constant(tensor)));
    return value;
  }

  region(parameters: readonly Value["type"][], write: (parameters: readonly Value[]) => readonly Value[]) {
    const { builder, environment } = this;
    return builder.region(parameters, (inner, ...values) => {
      this.builder = inner;
      this.environment = new Map(environment);
      try {
        return write(values);
      } finally {
        this.builder = builder;
        this.environment = environment;
      }
    });
  }

  call({ name, attr }: NameAttrList, inputs: readonly Item[]): readonly Item[] {
    const graph = this.library.function(name);
    if (!graph) throw new FormatError(`function ${name} is called, but is not in the library`);
    if (inputs.length < graph.parameters.length) {
      throw new FormatError(
        `function ${name} takes ${graph.parameters.length} arguments, is called with ${inputs.length}`,
      );
    }
    const feeds = new Map(graph.parameters.map((parameter, i) => [`${parameter}:0`, inputs[i]!]));
    const bindings = new Map([...attr].map(([key, { value }]) => [key, value]));
    const frame: Frame = { graph, known: new Map(), feeds, outer: undefined, bindings };
    return this.evaluate(frame, graph.results, graph.effects);
  }

  passedThrough({ name }: NameAttrList): boolean[] {
    const graph = this.library.function(name);
    return (graph?.results ?? []).map((result, i) => {
      let edge: Edge | undefined = result;
      for (let steps = 0; edge && steps < 1000; steps++) {
        const node: Node | undefined = graph?.nodes.get(edge.node);
        if (node?.op === "_Arg") return edge.node === graph?.parameters[i];
        if (node?.op !== "Identity" && node?.op !== "IdentityN") return false;
        edge = node.inputs[edge.output];
      }
      return false;
    });
  }

  // Walking.

  /** What edges of a frame carry; everything they need is written first, in the order the graph asks for. */
  evaluate(frame: Frame, targets: readonly Edge[], effects: readonly string[] = []): Item[] {
    // Calls, loops and choices evaluate what is inside them.
    if (++this.depth > maximumDepth) throw new CerebroError("limit", `${frame.graph.name}: is nested too deeply`);
    try {
      for (const node of this.order(frame, targets, effects)) this.visit(frame, node);
    } finally {
      this.depth--;
    }
    return targets.map((edge) => this.item(frame, edge));
  }

  private lookup(frame: Frame, name: string): readonly Item[] | undefined {
    for (let at: Frame | undefined = frame; at; at = at.outer) {
      const known = at.known.get(name);
      if (known) return known;
    }
    return undefined;
  }

  private fed(frame: Frame, edge: Edge): Item | undefined {
    const key = edgeKey(edge);
    for (let at: Frame | undefined = frame; at; at = at.outer) {
      const item = at.feeds.get(key);
      if (item) return item;
    }
    return undefined;
  }

  private item(frame: Frame, edge: Edge): Item {
    const item = this.fed(frame, edge) ?? this.lookup(frame, edge.node)?.[edge.output];
    if (!item) throw new FormatError(`${frame.graph.name}: node ${edge.node} has no output ${edge.output}`);
    return item;
  }

  private node(frame: Frame, name: string): Node {
    const node = frame.graph.nodes.get(name);
    if (!node) throw new FormatError(`${frame.graph.name}: there is no node ${name}`);
    return node;
  }

  /** What has to be there before a node: loops and conditions stand for everything in them. */
  private needs(frame: Frame, node: Node): readonly Edge[] {
    if (exits.has(node.op)) return loopOf(frame.graph, node).outerInputs;
    if (merges.has(node.op)) return [];
    if (ignored.has(node.op)) return [];
    return node.inputs;
  }

  /**
   * The nodes to visit, what they need before them. Control edges are followed to find what touches variables; other
   * nodes that only control edges reach are passed over.
   */
  private order(frame: Frame, targets: readonly Edge[], effects: readonly string[]): Node[] {
    const order: Node[] = [];
    const withEffects = this.hasEffects(frame.graph);
    const data = new Map<string, "open" | "done">();
    const controls = new Set<string>();
    type Step = { readonly name: string; readonly mode: "data" | "control"; readonly leave: boolean };
    const stack: Step[] = [];
    const pushAll = (list: readonly Step[]) => {
      for (let i = list.length - 1; i >= 0; i--) stack.push(list[i]!);
    };
    const wanted = (edge: Edge) => !this.fed(frame, edge);
    const dataStep = ({ node }: Edge): Step => ({ name: node, mode: "data", leave: false });
    const controlStep = (name: string): Step => ({ name, mode: "control", leave: false });
    pushAll([...(withEffects ? effects.map(controlStep) : []), ...targets.filter(wanted).map(dataStep)]);
    while (stack.length > 0) {
      const { name, mode, leave } = stack.pop()!;
      if (mode === "control") {
        if (controls.has(name)) continue;
        controls.add(name);
        const node = frame.graph.nodes.get(name);
        if (!node) continue;
        if (this.touches(node)) stack.push(dataStep({ node: name, output: 0 }));
        else pushAll([...node.controls, ...node.inputs.map((edge) => edge.node)].map(controlStep));
        continue;
      }
      const node = this.node(frame, name);
      if (leave) {
        data.set(name, "done");
        order.push(node);
        continue;
      }
      const state = data.get(name);
      if (state === "done" || this.lookup(frame, name)) continue;
      if (state === "open") throw new FormatError(`${frame.graph.name}: node ${name} depends on itself`);
      data.set(name, "open");
      stack.push({ name, mode, leave: true });
      pushAll(this.needs(frame, node).filter(wanted).map(dataStep));
      if (withEffects) pushAll(node.controls.map(controlStep));
    }
    return order;
  }

  /** Whether a node assigns to variables or reads them: what control edges put in order. */
  private touches(node: Node): boolean {
    return this.reaches(node, this.touching, touch);
  }

  /** Whether anything in a graph assigns to variables. */
  private hasEffects(graph: Graph): boolean {
    return this.contains(graph, this.writing, assignment);
  }

  private reaches(node: Node, known: Map<Graph, boolean>, ops: RegExp): boolean {
    if (ops.test(node.op)) return true;
    return [...calledBy(node), node.op].some((name) => {
      const graph = this.library.function(name);
      return graph !== undefined && this.contains(graph, known, ops);
    });
  }

  /** Whether a graph or what it calls has such operations. */
  private contains(graph: Graph, known: Map<Graph, boolean>, ops: RegExp): boolean {
    const before = known.get(graph);
    if (before !== undefined) return before;
    if (known.size > maximumFunctions) throw new CerebroError("limit", `more than ${maximumFunctions} functions`);
    known.set(graph, false);
    const result = [...graph.nodes.values()].some((node) => this.reaches(node, known, ops));
    known.set(graph, result);
    return result;
  }

  private visit(frame: Frame, node: Node): void {
    if (this.lookup(frame, node.name)) return;
    if (++this.steps > maximumSteps) throw new CerebroError("limit", `more than ${maximumSteps} nodes are run`);
    this.builder.origin = `${node.op} '${node.name}'`;
    if (exits.has(node.op)) runLoop(this, frame, loopOf(frame.graph, node));
    else frame.known.set(node.name, this.import(frame, node));
  }

  private choose(frame: Frame, node: Node): readonly Item[] {
    if (this.choosing.has(node)) throw new FormatError(`${frame.graph.name}: node ${node.name} depends on itself`);
    this.choosing.add(node);
    try {
      return chooseBranch(this, frame, node);
    } finally {
      this.choosing.delete(node);
    }
  }

  private import(frame: Frame, node: Node): readonly Item[] {
    if (merges.has(node.op)) return this.choose(frame, node);
    if (ignored.has(node.op)) return [];
    if (node.op === "_Arg") throw new FormatError(`${frame.graph.name}: argument ${node.name} was not given`);
    const bound = bind(node, frame.bindings);
    const inputs = node.inputs.map((edge) => this.item(frame, edge));
    const row = this.importers.get(node.op);
    if (row) {
      const result = row(new Call(bound, inputs, this));
      return Array.isArray(result) ? (result as readonly Item[]) : [result as Item];
    }
    if (this.library.function(node.op)) return this.call({ name: node.op, attr: new Map() }, inputs);
    throw new CerebroError("unsupported", `operation ${node.op} '${node.name}' is not supported`);
  }
}

/** A node with the attributes of its function's call in the place of their names. */
function bind(node: Node, bindings: Frame["bindings"]): Node {
  if (bindings.size === 0 || ![...node.attributes.values()].some((each) => each?.which === "placeholder")) return node;
  const attributes = new Map(
    [...node.attributes].map(([name, value]) => [
      name,
      value?.which === "placeholder" ? bindings.get(value.value) : value,
    ]),
  );
  return { ...node, attributes };
}

/** A tensor that an item is. Throws where it is none. */
export function valueOf(item: Item, services: Services, what: string): Value {
  if (!isSpecial(item)) return item;
  if (item.kind === "variable") return services.read(item);
  throw new CerebroError("unsupported", `${what}: ${item.kind === "strings" ? "string tensors" : `a ${item.kind}`}`);
}
