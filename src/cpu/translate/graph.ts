// Control-flow graphs of regions: orders, dominators, loops, and dispatch nodes that make every loop single-entry.

/** One way out of a node. */
export interface Edge {
  to: number;
  /** The choice handed to the dispatch node `to`: index of one of its edges; -1 when `to` is no dispatch node. */
  label: number;
}

/** Successors of each node. Node 0 is the root, from which every node must be reachable. */
export type Graph = Edge[][];

/** Order and dominators of a graph (Cooper, Harvey, Kennedy: A Simple, Fast Dominance Algorithm). */
export interface Flow {
  /** Nodes in reverse postorder. */
  readonly order: Int32Array;
  /** Place of each node in the order; -1 when unreachable. */
  readonly place: Int32Array;
  /** Immediate dominator of each node; the root's is itself. */
  readonly dominator: Int32Array;
  /** Predecessors of each node; once for each edge. */
  readonly predecessors: readonly (readonly number[])[];
}

export function flowOf(graph: Graph): Flow {
  const count = graph.length;
  const place = new Int32Array(count).fill(-1);
  const order = postorder(graph).reverse();
  order.forEach((node, i) => (place[node] = i));
  const predecessors: number[][] = Array.from({ length: count }, () => []);
  for (const node of order) for (const edge of graph[node]!) predecessors[edge.to]!.push(node);
  const dominator = new Int32Array(count).fill(-1);
  dominator[0] = 0;
  for (let changed = true; changed;) {
    changed = false;
    for (const node of order) {
      if (node === 0) continue;
      let common = -1;
      for (const from of predecessors[node]!) {
        if (dominator[from]! < 0) continue;
        if (common < 0) common = from;
        else {
          let other = from;
          while (common !== other) {
            while (place[common]! > place[other]!) common = dominator[common]!;
            while (place[other]! > place[common]!) other = dominator[other]!;
          }
        }
      }
      if (dominator[node] !== common) {
        dominator[node] = common;
        changed = true;
      }
    }
  }
  return { order, place, dominator, predecessors };
}

/** True if every way from the root to `node` passes `over`. */
export function dominates(flow: Flow, over: number, node: number): boolean {
  const limit = flow.place[over]!;
  while (flow.place[node]! > limit) node = flow.dominator[node]!;
  return node === over;
}

function postorder(graph: Graph): Int32Array {
  const out: number[] = [];
  const seen = new Uint8Array(graph.length);
  const stack = [0];
  const next = [0];
  seen[0] = 1;
  while (stack.length > 0) {
    const node = stack[stack.length - 1]!;
    const i = next[next.length - 1]!;
    const edges = graph[node]!;
    if (i < edges.length) {
      next[next.length - 1] = i + 1;
      const to = edges[i]!.to;
      if (seen[to]) continue;
      seen[to] = 1;
      stack.push(to);
      next.push(0);
    } else {
      out.push(node);
      stack.pop();
      next.pop();
    }
  }
  return Int32Array.from(out);
}

/** True if every loop is entered at its head alone. */
export function isReducible(graph: Graph, flow: Flow): boolean {
  for (const node of flow.order)
    for (const { to } of graph[node]!)
      if (flow.place[to]! <= flow.place[node]! && !dominates(flow, to, node)) return false;
  return true;
}

/**
 * Makes the graph reducible: in front of every loop with several entries goes a dispatch node, appended to the graph,
 * with one edge an entry; edges to the entries lead to it instead and carry the choice. The likeliest entry (by
 * `weight`) is choice 0. Returns the first dispatch node's number.
 */
export function disentangle(graph: Graph, weight: (node: number) => number): number {
  const first = graph.length;
  if (isReducible(graph, flowOf(graph))) return first;
  const redirected: { edge: Edge; from: number; target: number }[] = [];
  split(graph, allNodes(graph), weight, redirected);
  if (graph.length === first) return first;
  // An edge back to an entry that dominates where it comes from is a plain loop of its own.
  const flow = flowOf(graph);
  for (const { edge, from, target } of redirected) {
    if (flow.place[from]! >= 0 && dominates(flow, target, from)) {
      edge.to = target;
      edge.label = -1;
    }
  }
  return first;
}

const allNodes = (graph: Graph): number[] => graph.map((_, node) => node);

function split(
  graph: Graph,
  nodes: readonly number[],
  weight: (node: number) => number,
  redirected: { edge: Edge; from: number; target: number }[],
): void {
  for (const component of components(graph, nodes)) {
    const inside = new Set(component);
    const entries = new Set<number>();
    for (let from = 0; from < graph.length; from++) {
      if (inside.has(from)) continue;
      for (const { to } of graph[from]!) if (inside.has(to)) entries.add(to);
    }
    if (entries.size <= 1) {
      const [header] = entries.size === 1 ? entries : component;
      split(
        graph,
        component.filter((node) => node !== header),
        weight,
        redirected,
      );
      continue;
    }
    const choices = [...entries].sort((a, b) => weight(b) - weight(a));
    const dispatch = graph.length;
    for (let from = 0; from < dispatch; from++) {
      for (const edge of graph[from]!) {
        const label = choices.indexOf(edge.to);
        if (label < 0) continue;
        if (inside.has(from)) redirected.push({ edge, from, target: edge.to });
        edge.to = dispatch;
        edge.label = label;
      }
    }
    graph.push(choices.map((to) => ({ to, label: -1 })));
    split(graph, component, weight, redirected);
  }
}

/** Strongly connected components with a cycle, of the graph restricted to `nodes` (Tarjan). */
export function components(graph: Graph, nodes: readonly number[]): number[][] {
  const found: number[][] = [];
  // Of each node: -2 not allowed, -1 not seen, else the order in which it was seen.
  const index = new Int32Array(graph.length).fill(-2);
  const low = new Int32Array(graph.length);
  const isOpen = new Uint8Array(graph.length);
  for (const node of nodes) index[node] = -1;
  const open: number[] = [];
  const path: number[] = [];
  const next: number[] = [];
  let count = 0;
  const enter = (node: number): void => {
    index[node] = low[node] = count++;
    open.push(node);
    isOpen[node] = 1;
    path.push(node);
    next.push(0);
  };
  for (const start of nodes) {
    if (index[start] !== -1) continue;
    enter(start);
    while (path.length > 0) {
      const node = path[path.length - 1]!;
      const edge = graph[node]![next[next.length - 1]!++];
      if (edge !== undefined) {
        const { to } = edge;
        if (index[to] === -1) enter(to);
        else if (isOpen[to] === 1 && index[to]! < low[node]!) low[node] = index[to]!;
        continue;
      }
      path.pop();
      next.pop();
      const parent = path[path.length - 1];
      if (parent !== undefined && low[node]! < low[parent]!) low[parent] = low[node]!;
      if (low[node] !== index[node]) continue;
      const members: number[] = [];
      let member: number;
      do {
        member = open.pop()!;
        isOpen[member] = 0;
        members.push(member);
      } while (member !== node);
      if (members.length > 1 || graph[node]!.some(({ to }) => to === node)) found.push(members);
    }
  }
  return found;
}
