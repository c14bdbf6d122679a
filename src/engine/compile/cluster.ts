// Clusters: operations that one loop does. From a value backwards over everything that can be computed element by
// element, moved by index, or summed along rows.

import { dtypes } from "../hlo/dtype.ts";
import { is, type Operation, type Value } from "../hlo/graph.ts";
import { isElementwise, type OpName } from "../hlo/ops.ts";
import { elementCount, type Tensor } from "../hlo/tensor.ts";
import { canEmitOperation } from "./expression.ts";
import type { Expression } from "./kernel.ts";
import { isLaneType } from "./lanes.ts";
import { identity, type IndexMap, operandMap, type Walk, walkOf } from "./map.ts";

/** What a leaf of a cluster's expressions stands for; `operand` leaves of its expressions index a list of these. */
export type Source =
  | { readonly kind: "memory"; readonly value: Value; readonly walk: Walk }
  /** The table of a lookup: its address. */
  | { readonly kind: "table"; readonly value: Value }
  /** A number that counts along the space. */
  | { readonly kind: "index"; readonly walk: Walk }
  /** The combined value of a row. */
  | { readonly kind: "reduction"; readonly reduction: Reduction };

export interface Reduction {
  readonly reducer: Reducer;
  readonly input: Expression;
  /** What the combination starts with, when that is not neutral. */
  readonly start: Expression | undefined;
  readonly operation: Operation;
}

export type Reducer = "add" | "multiply" | "maximum" | "minimum" | "and" | "or";

export interface Cluster {
  /** Operations that the loop does; none of their results has a place but the root's. */
  readonly operations: ReadonlySet<Operation>;
  readonly root: Value;
  /** The root's dimensions, then those that rows have besides. */
  readonly space: readonly number[];
  /** The first dimension of rows; `space.length` when nothing is reduced. */
  readonly rowFrom: number;
  readonly expression: Expression;
  readonly sources: readonly Source[];
  readonly reductions: readonly Reduction[];
}

export interface ClusterOptions {
  readonly users: ReadonlyMap<Value, readonly Operation[]>;
  /** Results of the region, and what else must have a place. */
  readonly wanted: (value: Value) => boolean;
  /** Operations that may be taken: those of the region, that no template has. */
  readonly available: (operation: Operation) => boolean;
  /** Position of an operation in its region. */
  readonly order: ReadonlyMap<Operation, number>;
  /** Whether reductions may be taken. */
  readonly reductions: boolean;
  /** Operations that must not be taken. */
  readonly refused?: readonly Operation[];
  readonly most: number;
}

const moves = new Set<OpName>(["broadcastInDim", "reshape", "transpose", "slice", "reverse"]);
/** Operations that cost so little that they may be repeated for every row. */
const cheap = new Set<OpName>([
  ...(["add", "subtract", "multiply", "maximum", "minimum", "negate", "abs", "convert", "compare"] as const),
  ...(["select", "and", "or", "not", "xor", "clamp"] as const),
]);

/** The one operation a reduction's region does on one pair; undefined for any other body. */
export function reducerOf(operation: Operation): Reducer | undefined {
  if (operation.op !== "reduce" || operation.results.length !== 1) return undefined;
  const [region] = operation.regions;
  const [only] = region!.operations;
  if (region!.operations.length !== 1 || !only || region!.results[0] !== only.results[0]) return undefined;
  const [a, b] = region!.parameters;
  const [p, q] = only.operands;
  if (!((p === a && q === b) || (p === b && q === a))) return undefined;
  switch (only.op) {
    case "add":
    case "multiply":
    case "maximum":
    case "minimum":
    case "and":
    case "or":
      return only.op;
    default:
      return undefined;
  }
}

/** The single number of a constant; undefined for other values. f16 and bf16 constants are left in memory. */
export function scalarOf(value: Value): number | bigint | undefined {
  const { producer } = value;
  if (!is(producer, "constant")) return undefined;
  const { dtype, shape, data }: Tensor = producer.attributes.value;
  if (elementCount(shape) !== 1 || dtypes[dtype].entries !== 1 || dtype === "f16" || dtype === "bf16") return undefined;
  return data[0];
}

/** Whether a constant is what a reduction may start with without changing anything. */
function isNeutral(reducer: Reducer, value: Value): boolean {
  const number = scalarOf(value);
  if (number === undefined) return false;
  const { dtype } = value.type;
  const { kind, bits } = dtypes[dtype];
  const float = kind === "float";
  switch (reducer) {
    case "add":
    case "or":
      return number === 0;
    case "multiply":
      return number === 1;
    case "and":
      return number === (dtype === "i1" ? 1 : -1);
    case "maximum":
      if (float) return number === -Infinity;
      return number === (kind === "signed" ? -(2 ** (bits - 1)) : 0);
    case "minimum":
      if (float) return number === Infinity;
      return number === (kind === "signed" ? 2 ** (bits - 1) : 2 ** bits) - 1;
  }
}

/** Thrown when an operation cannot be in the cluster after all. */
class Unfit extends Error {
  readonly operation: Operation;
  constructor(operation: Operation) {
    super("unfit");
    this.operation = operation;
  }
}

/** The cluster that ends in a value. Its root's operation is always part of it; undefined when even that cannot be. */
export function clusterOf(root: Value, options: ClusterOptions): Cluster | undefined {
  const refused = new Set<Operation>(options.refused);
  for (let attempt = 0; attempt < 32; attempt++) {
    const operations = collect(root, options, refused);
    if (!operations) return undefined;
    try {
      return new ClusterBuilder(root, operations).finish();
    } catch (error) {
      if (!(error instanceof Unfit)) throw error;
      if (error.operation === root.producer) return undefined;
      refused.add(error.operation);
    }
  }
  return undefined;
}

/** Operations whose results are used nowhere but in the cluster, or are views. */
function collect(
  root: Value,
  { users, wanted, available, order, reductions, most }: ClusterOptions,
  refused: ReadonlySet<Operation>,
): Set<Operation> | undefined {
  const fits = (operation: Operation): boolean => {
    if (refused.has(operation) || !available(operation)) return false;
    if (!operation.results.every(({ type }) => isLaneType(type.dtype))) return false;
    if (isElementwise(operation.op)) return canEmitOperation(operation);
    if (moves.has(operation.op) || operation.op === "iota") return true;
    return reductions && reducerOf(operation) !== undefined && isLaneType(operation.operands[0]!.type.dtype);
  };
  const first = root.producer;
  if (!first || !fits(first)) return undefined;
  const taken = new Set<Operation>([first]);
  /** Views that others look through too: what is below has users elsewhere. */
  const open = new Set<Operation>();
  // In reverse order of the region: when an operation's turn comes, all of its users have been decided.
  const queue = new Set<Operation>();
  const enqueue = (operation: Operation): void => {
    const [x] = operation.operands;
    operation.operands.forEach((operand, i) => {
      // A lookup's table and a reduction's starting value are used as they are.
      if ((operation.op === "lookup" || operation.op === "reduce") && i > 0 && operand !== x) return;
      if (operand.producer && order.has(operand.producer)) queue.add(operand.producer);
    });
  };
  enqueue(first);
  while (queue.size > 0 && taken.size < most) {
    let next: Operation | undefined;
    for (const operation of queue) if (!next || order.get(operation)! > order.get(next)!) next = operation;
    queue.delete(next!);
    if (!fits(next!)) continue;
    const [result] = next!.results;
    const view = moves.has(next!.op) && next!.op !== "transpose" && next!.op !== "reverse";
    const alone = !wanted(result!) && (users.get(result!) ?? []).every((user) => taken.has(user) && !open.has(user));
    if (!alone && !view && next!.op !== "iota") continue;
    if (!alone) open.add(next!);
    taken.add(next!);
    enqueue(next!);
  }
  return taken;
}

class ClusterBuilder {
  private readonly root: Value;
  private readonly operations: ReadonlySet<Operation>;
  private readonly used = new Set<Operation>();
  private readonly space: number[];
  private readonly rowFrom: number;
  private readonly sources: Source[] = [];
  private readonly sourceKeys = new Map<string, Expression>();
  private readonly nodes = new Map<string, Expression>();
  private readonly reductions: Reduction[] = [];

  constructor(root: Value, operations: ReadonlySet<Operation>) {
    this.root = root;
    this.operations = operations;
    const { shape } = root.type;
    // Rows: the dimensions that the first reduction sums over; part of the root when that has them still.
    let row: Operation | undefined;
    for (const operation of operations) if (operation.op === "reduce") row ??= operation;
    this.space = [...shape];
    this.rowFrom = shape.length;
    if (is(row, "reduce")) {
      const source = row.operands[0]!.type.shape;
      const reduced = row.attributes.dimensions.toSorted((a, b) => a - b).map((axis) => source[axis]!);
      const from = shape.length - reduced.length;
      if (from >= 0 && reduced.every((extent, i) => extent === shape[from + i]) && this.reachesRows(row)) {
        this.rowFrom = from;
      } else this.space.push(...reduced);
    }
  }

  /** Whether the reduced dimensions come back: something that the root is made of has as many elements as the input. */
  private reachesRows(row: Operation): boolean {
    return elementCount(this.root.type.shape) === elementCount(row.operands[0]!.type.shape);
  }

  finish(): Cluster {
    const { root, space, rowFrom, sources, reductions } = this;
    const map = identity(space, 0, root.type.shape.length);
    const expression = this.node(root, map, true);
    return { operations: this.used, root, space, rowFrom, expression, sources, reductions };
  }

  private node(value: Value, map: IndexMap, first = false): Expression {
    const key = `${value.id} ${JSON.stringify(map)}`;
    let found = this.nodes.get(key);
    if (!found) {
      found = this.build(value, map, first);
      this.nodes.set(key, found);
    }
    return found;
  }

  private build(value: Value, map: IndexMap, first: boolean): Expression {
    const { producer } = value;
    const { dtype } = value.type;
    const number = scalarOf(value);
    if (number !== undefined) return { kind: "constant", value: number, dtype };
    if (!producer || !this.operations.has(producer)) return this.memory(value, map);
    if (!first && this.repeats(value, map, producer)) throw new Unfit(producer);
    const { space } = this;
    if (is(producer, "iota")) {
      this.used.add(producer);
      const { offset, steps } = map[producer.attributes.dimension]!;
      return this.source({ kind: "index", walk: { offset, strides: steps } }, dtype);
    }
    if (moves.has(producer.op)) {
      const [operand] = producer.operands;
      // Below a reshape of something in memory the elements are where they were.
      const inner = operandMap(producer, map, space);
      const last = !operand!.producer || !this.operations.has(operand!.producer);
      if (!inner && producer.op === "reshape" && last) {
        const walk = walkOf(map, value.type.shape, space.length);
        this.used.add(producer);
        return this.source({ kind: "memory", value: operand!, walk }, dtype);
      }
      if (!inner) throw new Unfit(producer);
      this.used.add(producer);
      return this.node(operand!, inner);
    }
    if (is(producer, "reduce")) return this.reduction(producer, map);
    this.used.add(producer);
    const inputs = producer.operands.map((operand, i) => {
      if (producer.op === "lookup" && i === 1)
        return this.source({ kind: "table", value: operand }, operand.type.dtype);
      return this.node(operand, this.elementMap(producer, operand, map));
    });
    return { kind: "apply", operation: producer, op: producer.op, inputs, dtype };
  }

  /** Scalars beside tensors: clamp's bounds, select's predicate; requantize's numbers along one dimension. */
  private elementMap(operation: Operation, operand: Value, map: IndexMap): IndexMap {
    if (is(operation, "requantize") && operand !== operation.operands[0]) {
      const { dimension } = operation.attributes;
      return dimension === undefined ? [] : [map[dimension]!];
    }
    return operand.type.shape.length === 0 ? [] : map;
  }

  private reduction(operation: Operation<"reduce">, map: IndexMap): Expression {
    const { space, rowFrom } = this;
    const [input, start] = operation.operands as [Value, Value];
    const { shape } = input.type;
    const { dimensions } = operation.attributes;
    const reduced = shape.map((_, axis) => axis).filter((axis) => dimensions.includes(axis));
    const fits =
      reduced.length === space.length - rowFrom &&
      reduced.every((axis, i) => shape[axis] === space[rowFrom + i]) &&
      map.every(({ steps }) => steps.every((step, k) => step === 0 || k < rowFrom)) &&
      // Not again and again for rows that have it in common.
      space.every((extent, k) => k >= rowFrom || extent === 1 || map.some(({ steps }) => steps[k] !== 0));
    if (!fits) throw new Unfit(operation);
    const rows = identity(space, rowFrom, reduced.length);
    let kept = 0;
    const inner = shape.map((_, axis) => {
      const at = reduced.indexOf(axis);
      return at < 0 ? map[kept++]! : rows[at]!;
    });
    this.used.add(operation);
    const reducer = reducerOf(operation)!;
    const reduction: Reduction = {
      reducer,
      input: this.node(input, inner),
      start: isNeutral(reducer, start) ? undefined : this.node(start, []),
      operation,
    };
    this.reductions.push(reduction);
    return this.source({ kind: "reduction", reduction }, operation.results[0]!.type.dtype);
  }

  /** Whether an operation would be repeated too often: it has fewer elements than the space, and is not cheap. */
  private repeats(value: Value, map: IndexMap, operation: Operation): boolean {
    if (moves.has(operation.op) || operation.op === "iota" || operation.op === "reduce" || cheap.has(operation.op)) {
      return false;
    }
    const moving = (k: number) => map.some(({ steps }) => steps[k] !== 0);
    // What is the same along rows is computed once for each.
    return this.space.some((extent, k) => extent > 1 && k < this.rowFrom && !moving(k)) && value.type.shape.length > 0;
  }

  private memory(value: Value, map: IndexMap): Expression {
    const walk = walkOf(map, value.type.shape, this.space.length);
    return this.source({ kind: "memory", value, walk }, value.type.dtype);
  }

  private source(source: Source, dtype: Expression["dtype"]): Expression {
    const key =
      source.kind === "memory"
        ? `${source.value.id} ${source.walk.offset} ${source.walk.strides.join()}`
        : source.kind === "index"
          ? `index ${dtype} ${source.walk.offset} ${source.walk.strides.join()}`
          : source.kind === "table"
            ? `table ${source.value.id}`
            : undefined;
    const known = key === undefined ? undefined : this.sourceKeys.get(key);
    if (known) return known;
    const expression: Expression = { kind: "operand", index: this.sources.push(source) - 1, dtype };
    if (key !== undefined) this.sourceKeys.set(key, expression);
    return expression;
  }
}
