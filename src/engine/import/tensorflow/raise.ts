// Control flow of TensorFlow 1 as loops and choices: Enter, Merge, Switch, NextIteration and Exit are found in the graph.

import { CerebroError, FormatError } from "../../../base/errors.ts";
import type { Value } from "../../hlo/graph.ts";
import { constantOf } from "../../interpret/interpret.ts";
import { isSpecial, type Item } from "./call.ts";
import type { Edge, Graph, Node } from "./graph.ts";
import { loop } from "./loop.ts";
import { edgeKey, type Frame, type Tracer, valueOf } from "./tracer.ts";

const enters = new Set(["Enter", "RefEnter"]);
const switches = new Set(["Switch", "RefSwitch"]);
const nexts = new Set(["NextIteration", "RefNextIteration"]);
const merges = new Set(["Merge", "RefMerge"]);
const exits = new Set(["Exit", "RefExit"]);

/** One loop variable: where it comes in, where it goes round, where it leaves. */
interface Going {
  readonly enter: Node;
  readonly merge: string;
  readonly next: Node;
  switch: string | undefined;
  exit: string | undefined;
}

export interface RaisedLoop {
  readonly name: string;
  readonly variables: readonly Going[];
  /** Enter nodes whose value stays. */
  readonly constants: readonly Node[];
  readonly condition: Edge;
  /** What comes from outside. */
  readonly outerInputs: readonly Edge[];
}

const found = new WeakMap<Graph, Map<string, RaisedLoop>>();

/** The loop that an Exit leaves. Throws FormatError. */
export function loopOf(graph: Graph, exit: Node): RaisedLoop {
  let loops = found.get(graph);
  if (!loops) found.set(graph, (loops = findLoops(graph)));
  const result = loops.get(exit.name);
  if (!result) throw new FormatError(`${graph.name}: ${exit.name} leaves no loop`);
  return result;
}

/** Loops by their Exit nodes. */
function findLoops(graph: Graph): Map<string, RaisedLoop> {
  const entering = new Map<string, Node>();
  for (const node of graph.nodes.values()) if (enters.has(node.op)) entering.set(node.name, node);
  const frameOf = (node: Node) => {
    const attribute = node.attributes.get("frame_name");
    return attribute?.which === "s" ? String.fromCharCode(...attribute.value) : "";
  };
  const byMerge = new Map<string, Going>();
  const frames = new Map<string, { variables: Going[]; constants: Node[]; condition: Edge | undefined }>();
  for (const enter of entering.values()) {
    const frame = frames.get(frameOf(enter)) ?? { variables: [], constants: [], condition: undefined };
    frames.set(frameOf(enter), frame);
    frame.constants.push(enter);
  }
  for (const node of graph.nodes.values()) {
    if (!merges.has(node.op)) continue;
    const sources = node.inputs.map((edge) => graph.nodes.get(edge.node));
    const enter = sources.find((source) => source && enters.has(source.op));
    const next = sources.find((source) => source && nexts.has(source.op));
    if (!enter || !next) continue;
    const going: Going = { enter, merge: node.name, next, switch: undefined, exit: undefined };
    byMerge.set(node.name, going);
    const frame = frames.get(frameOf(enter))!;
    frame.variables.push(going);
    frame.constants.splice(frame.constants.indexOf(enter), 1);
  }
  const bySwitch = new Map<string, Going>();
  for (const node of graph.nodes.values()) {
    if (!switches.has(node.op)) continue;
    const going = byMerge.get(node.inputs[0]?.node ?? "");
    const condition = graph.nodes.get(node.inputs[1]?.node ?? "");
    if (!going || condition?.op !== "LoopCond" || !condition.inputs[0]) continue;
    going.switch = node.name;
    bySwitch.set(node.name, going);
    frames.get(frameOf(going.enter))!.condition = condition.inputs[0];
  }
  const loops = new Map<string, RaisedLoop>();
  for (const node of graph.nodes.values()) {
    if (!exits.has(node.op)) continue;
    const going = bySwitch.get(node.inputs[0]?.node ?? "");
    if (going) going.exit = node.name;
  }
  for (const [name, { variables, constants, condition }] of frames) {
    if (!condition) continue;
    const bare = [...constants, ...variables.flatMap(({ enter, next }) => [enter, next])].find(
      ({ inputs }) => inputs.length === 0,
    );
    if (bare) throw new FormatError(`${graph.name}: ${bare.op} '${bare.name}' has no input`);
    const outerInputs = [...variables.map(({ enter }) => enter), ...constants].flatMap(({ inputs }) => inputs);
    const raised: RaisedLoop = { name, variables, constants, condition, outerInputs };
    for (const { exit } of variables) if (exit !== undefined) loops.set(exit, raised);
  }
  return loops;
}

/** Writes a loop; afterwards its Exit nodes are known in the frame. */
export function runLoop(tracer: Tracer, frame: Frame, raised: RaisedLoop): void {
  const { variables, constants, condition } = raised;
  const outer = (node: Node) => tracer.evaluate(frame, node.inputs.slice(0, 1))[0]!;
  const fixed = constants.map((node) => [node.name, [outer(node)]] as const);
  const inside = (items: readonly Item[], inBody: boolean): Frame => {
    const known = new Map<string, readonly Item[]>(fixed);
    variables.forEach((going, i) => {
      known.set(going.merge, [items[i]!, tracer.builder.scalar("i32", 0)]);
      if (inBody && going.switch !== undefined) known.set(going.switch, [items[i]!, items[i]!]);
    });
    return { ...frame, known, feeds: new Map(), outer: frame };
  };
  const results = loop(tracer, {
    what: `loop '${raised.name}'`,
    initial: variables.map(({ enter }) => outer(enter)),
    // Its source in the body is the loop variable itself.
    invariant: variables.map((going) => {
      const source = through(frame.graph, going.next.inputs[0]);
      return source !== undefined && (source.node === going.switch || source.node === going.merge);
    }),
    condition: (items) => tracer.evaluate(inside(items, false), [condition])[0]!,
    body: (items) =>
      tracer.evaluate(
        inside(items, true),
        variables.map(({ next }) => next.inputs[0]!),
      ),
  });
  variables.forEach(({ exit }, i) => {
    if (exit !== undefined) frame.known.set(exit, [results[i]!]);
  });
}

/** An edge's origin behind nodes that only pass on. */
function through(graph: Graph, edge: Edge | undefined): Edge | undefined {
  for (let at = edge, steps = 0; at && steps < 1000; steps++) {
    const node = graph.nodes.get(at.node);
    if (node?.op !== "Identity" && node?.op !== "RefIdentity") return at;
    at = node.inputs[0];
  }
  return undefined;
}

// Choices.

/** Most conditions that one node may stand under. */
const maximumConditions = 1000;

/** Under which outcome of which predicate a node runs: edge of the predicate -> 0 or 1. */
type Conditions = ReadonlyMap<string, number>;
const analysed = new WeakMap<Graph, Map<string, Conditions>>();

/** The value of a Merge: of the branch that is taken, or chosen when the model runs; both have no effects. */
export function chooseBranch(tracer: Tracer, frame: Frame, merge: Node): readonly Item[] {
  const index = (i: number) => tracer.builder.scalar("i32", i);
  const branches = merge.inputs.map((edge) => branchConditions(frame.graph, edge));
  const predicate = separates(branches);
  if (!predicate) {
    // Nothing decides: whichever comes first, as TensorFlow takes it.
    return [tracer.evaluate(frame, merge.inputs.slice(0, 1))[0]!, index(0)];
  }
  const [node = "", output = "0"] = predicate.split(/:(?=\d+$)/);
  const [item] = tracer.evaluate(frame, [{ node, output: Number(output) }]);
  const decides = tracer.builder.reshape(valueOf(item!, tracer, merge.name), []);
  const onTrue = branches.findIndex((conditions) => conditions.get(predicate) === 1);
  const onFalse = branches.findIndex((conditions) => conditions.get(predicate) === 0);
  const known = constantOf(decides);
  if (known) {
    const taken = Number(known.data[0]) === 0 ? onFalse : onTrue;
    return [tracer.evaluate(frame, [merge.inputs[taken]!])[0]!, index(taken)];
  }
  const [yes, no] = tracer.evaluate(frame, [merge.inputs[onTrue]!, merge.inputs[onFalse]!]) as [Item, Item];
  tracer.builder.origin = `Merge '${merge.name}'`;
  return [select(tracer, decides, yes, no, merge), tracer.builder.select(decides, index(onTrue), index(onFalse))];
}

function select(tracer: Tracer, predicate: Value, yes: Item, no: Item, merge: Node): Item {
  if (yes === no) return yes;
  if (isSpecial(yes) || isSpecial(no)) {
    throw new CerebroError("unsupported", `Merge '${merge.name}': a choice between what is no tensor`);
  }
  return tracer.builder.plain("select", predicate, yes, no);
}

/** A predicate under which one branch runs if it holds and another if it does not. */
function separates(branches: readonly Conditions[]): string | undefined {
  const [first, ...others] = branches;
  for (const [predicate, side] of first ?? []) {
    if (others.some((other) => other.get(predicate) === 1 - side)) return predicate;
  }
  return undefined;
}

function branchConditions(graph: Graph, edge: Edge): Conditions {
  let known = analysed.get(graph);
  if (!known) analysed.set(graph, (known = new Map()));
  const stack = [edge.node];
  const open = new Set<string>();
  while (stack.length > 0) {
    const name = stack.at(-1)!;
    const node = graph.nodes.get(name);
    if (known.has(name) || !node) {
      stack.pop();
      continue;
    }
    const before = nexts.has(node.op) ? [] : [...node.inputs.map((input) => input.node), ...node.controls];
    const missing = before.filter((each) => graph.nodes.has(each) && !known.has(each) && !open.has(each));
    if (missing.length > 0) {
      open.add(name);
      stack.push(...missing);
      continue;
    }
    known.set(name, conditionsOf(graph, node, known));
    stack.pop();
  }
  return withSwitch(graph, edge, known);
}

/** The conditions along an edge: those of the node, and the side of a Switch it leaves. */
function withSwitch(graph: Graph, edge: Edge, known: ReadonlyMap<string, Conditions>): Conditions {
  const conditions = known.get(edge.node) ?? new Map<string, number>();
  const node = graph.nodes.get(edge.node);
  if (!node || !switches.has(node.op)) return conditions;
  const predicate = through(graph, node.inputs[1]);
  if (!predicate || graph.nodes.get(predicate.node)?.op === "LoopCond") return conditions;
  return new Map([...conditions, [edgeKey(predicate), edge.output]]);
}

function conditionsOf(graph: Graph, node: Node, known: ReadonlyMap<string, Conditions>): Conditions {
  const edges = [...node.inputs, ...node.controls.map((name) => ({ node: name, output: 0 }))];
  const lists = edges.map((edge) => withSwitch(graph, edge, known));
  if (lists.reduce((sum, { size }) => sum + size, 0) > maximumConditions) {
    throw new CerebroError("limit", `${graph.name}: more than ${maximumConditions} conditions at node ${node.name}`);
  }
  if (!merges.has(node.op)) return new Map(lists.flatMap((list) => [...list]));
  const predicate = separates(lists);
  return new Map(lists.flatMap((list) => [...list].filter(([key]) => key !== predicate)));
}
