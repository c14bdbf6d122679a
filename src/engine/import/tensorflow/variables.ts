// First values of variables: what the graph's own restore and initialisation operations would assign to them.

import { CerebroError, FormatError } from "../../../base/errors.ts";
import { utf8 } from "../../../base/text.ts";
import { Builder } from "../../hlo/build.ts";
import { elementCount, type Tensor } from "../../hlo/tensor.ts";
import { constantOf } from "../../interpret/interpret.ts";
import { type Bundle, parseSlice, type Slice } from "./bundle.ts";
import { isSpecial, type Item } from "./call.ts";
import { calledBy, type Edge, type Graph, type Library, type Node } from "./graph.ts";
import { initialisers } from "./ops/random.ts";
import { variableName } from "./ops/state.ts";
import { importers } from "./table.ts";
import { readTensor } from "./tensors.ts";
import { Tracer, type Variables } from "./tracer.ts";

/** A graph as called: where its arguments come from. */
interface Scope {
  readonly graph: Graph;
  readonly from: { readonly scope: Scope; readonly inputs: readonly Edge[] } | undefined;
  readonly depth: number;
}
interface Reference {
  readonly scope: Scope;
  readonly edge: Edge;
}

const calls = new Set(["PartitionedCall", "StatefulPartitionedCall"]);
const passing = new Set(["Identity", "RefIdentity", "Snapshot", "StopGradient", "Enter"]);
const assigning = new Set(["Assign", "AssignVariableOp"]);
const maximumDepth = 100;
/** Most calls that are looked into for assignments. */
const maximumScopes = 20_000;
/** Most elements of a first value that is computed. */
const largestInitial = 1 << 24;

const starting = new Map([...importers, ...Object.entries(initialisers)]);

export class GraphVariables implements Variables {
  private readonly library: Library;
  private readonly bundle: Bundle | undefined;
  /** The last assignment to each counts. */
  private readonly sources = new Map<string, Reference>();
  private readonly read = new Map<string, Tensor>();
  private scopes = 0;

  /** `starts`: the nodes that restore and initialise, in order. */
  constructor(library: Library, bundle: Bundle | undefined, starts: readonly string[]) {
    this.library = library;
    this.bundle = bundle;
    for (const start of starts) {
      this.collect({ graph: library.graph, from: undefined, depth: 0 }, [start]);
    }
  }

  /** Finds the assignments that nodes run. */
  private collect(scope: Scope, starts: readonly string[]): void {
    if (++this.scopes > maximumScopes)
      throw new CerebroError("limit", `more than ${maximumScopes} calls to begin with`);
    const seen = new Set<string>();
    const stack = [...starts];
    while (stack.length > 0) {
      const name = stack.pop()!;
      const node = scope.graph.nodes.get(name);
      if (!node || seen.has(name)) continue;
      seen.add(name);
      stack.push(...node.controls, ...node.inputs.map((edge) => edge.node));
      if (assigning.has(node.op)) this.assignment(scope, node);
      if (!calls.has(node.op) || scope.depth >= maximumDepth) continue;
      for (const called of calledBy(node)) {
        const graph = this.library.function(called);
        if (!graph) continue;
        const inner: Scope = { graph, from: { scope, inputs: node.inputs }, depth: scope.depth + 1 };
        this.collect(inner, [...graph.effects, ...graph.results.map((edge) => edge.node)]);
      }
    }
  }

  private assignment(scope: Scope, node: Node): void {
    const [target, value] = node.inputs;
    if (!target || !value) return;
    const variable = this.resolve({ scope, edge: target });
    const handle = variable.scope.graph.nodes.get(variable.edge.node);
    if (handle && /^(VarHandleOp|Variable|VariableV2)$/.test(handle.op)) {
      this.sources.set(variableName(handle), { scope, edge: value });
    }
  }

  /** Where an edge's value comes from, behind what only passes on. */
  private resolve(reference: Reference): Reference {
    let at = reference;
    for (let steps = 0; steps < 10_000; steps++) {
      const { scope, edge } = at;
      const node = scope.graph.nodes.get(edge.node);
      if (node && passing.has(node.op) && node.inputs[0]) at = { scope, edge: node.inputs[0] };
      else if (node?.op === "_Arg" && scope.from) {
        const input = scope.from.inputs[scope.graph.parameters.indexOf(node.name)];
        if (!input) return at;
        at = { scope: scope.from.scope, edge: input };
      } else return at;
    }
    return at;
  }

  initial(name: string): Tensor {
    let value = this.read.get(name);
    if (!value) this.read.set(name, (value = this.find(name)));
    return value;
  }

  private find(name: string): Tensor {
    const source = this.sources.get(name);
    if (source) {
      const at = this.resolve(source);
      const node = at.scope.graph.nodes.get(at.edge.node);
      if (node?.op === "RestoreV2") return this.restore(at.scope, node, at.edge.output);
      return this.compute(name, at);
    }
    const key = this.bundle?.keyOfName(name) ?? this.bundle?.keyOfName(name.replace(/_\d+$/, ""));
    if (key !== undefined) return this.bundle!.read(key);
    throw new FormatError(`variable ${name} has no value: nothing in the file assigns to it`);
  }

  size(name: string): number {
    const source = this.sources.get(name);
    const at = source && this.resolve(source);
    const node = at?.scope.graph.nodes.get(at.edge.node);
    if (!at || node?.op !== "RestoreV2" || !this.bundle) return elementCount(this.initial(name).shape);
    const { key, slice } = this.restored(at.scope, node, at.edge.output);
    if (slice?.every(({ length }) => length !== undefined)) return elementCount(slice.map(({ length }) => length!));
    return this.bundle.size(key);
  }

  private restore(scope: Scope, node: Node, output: number): Tensor {
    const { key, slice } = this.restored(scope, node, output);
    if (!this.bundle) throw new FormatError(`${node.name} reads a checkpoint, but there is none`);
    return this.bundle.read(key, slice);
  }

  /** What one output of a restoring node reads. */
  private restored(scope: Scope, node: Node, output: number): { key: string; slice: Slice | undefined } {
    const texts = (i: number): readonly Uint8Array[] => {
      const at = node.inputs[i] && this.resolve({ scope, edge: node.inputs[i] });
      const constant = at?.scope.graph.nodes.get(at.edge.node);
      const value = constant?.attributes.get("value");
      const tensor = value?.which === "tensor" ? readTensor(value.value, constant!.name) : undefined;
      if (!tensor || !("kind" in tensor)) throw new FormatError(`${node.name}: its names are not constant`);
      return tensor.values;
    };
    const names = texts(1);
    const slices = texts(2);
    const key = names[output] ?? (names.length === 1 ? names[0] : undefined);
    if (!key) throw new FormatError(`${node.name}: restores ${names.length} tensors, number ${output} is wanted`);
    return { key: utf8(key), slice: parseSlice(slices[output] ?? slices[0], node.name) };
  }

  /** A first value that the graph computes: has to come out constant. */
  private compute(name: string, reference: Reference): Tensor {
    const tracer = new Tracer(this.library, this, starting, new Builder());
    const item = this.trace(tracer, reference, 0);
    const value = isSpecial(item) ? undefined : constantOf(item, largestInitial);
    if (!value) {
      throw new CerebroError("unsupported", `variable ${name} starts with a value that is computed each time`);
    }
    return value;
  }

  private trace(tracer: Tracer, { scope, edge }: Reference, depth: number): Item {
    if (depth > maximumDepth) throw new CerebroError("limit", "calls are nested too deeply");
    const feeds = new Map<string, Item>();
    scope.graph.parameters.forEach((parameter, i) => {
      const input = scope.from?.inputs[i];
      if (input && parameter === edge.node) {
        feeds.set(`${parameter}:0`, this.trace(tracer, { scope: scope.from!.scope, edge: input }, depth + 1));
      }
    });
    const frame = { graph: scope.graph, known: new Map(), feeds, outer: undefined, bindings: new Map() };
    return tracer.evaluate(frame, [edge])[0]!;
  }
}
