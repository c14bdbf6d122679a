// Epilogues: elementwise operations on a template's result, done by the template's kernel before it stores.

import type { Operation, Value } from "../hlo/graph.ts";
import { elementCount, stridesOf } from "../hlo/tensor.ts";
import type { Cluster } from "./cluster.ts";
import type { Access, Epilogue, Expression, Kernel, Template } from "./kernel.ts";
import type { Walk } from "./map.ts";

/** Most operations and operands of an epilogue. */
const most = { nodes: 40, operands: 8 };

/** How a walk over a space indexes rows of `columns` elements; undefined when it does so in no way that epilogues know. */
function accessOf(walk: Walk, space: readonly number[], columns: number): Access | undefined {
  if (walk.offset !== 0) return undefined;
  const rowMajor = stridesOf(space);
  const moving = space.map((extent, k) => (extent === 1 ? 0 : walk.strides[k]!));
  if (moving.every((stride) => stride === 0)) return "scalar";
  if (moving.every((stride, k) => space[k] === 1 || stride === rowMajor[k])) return "element";
  // The first dimension of a row's columns.
  let first = space.length;
  for (let product = 1; first > 0 && product < columns;) product *= space[--first]!;
  const inner = space.slice(first).reduce((product, extent) => product * extent, 1);
  if (inner !== columns) return undefined;
  const within = moving.slice(first);
  const before = moving.slice(0, first);
  if (before.every((stride) => stride === 0)) {
    return within.every((stride, i) => space[first + i] === 1 || stride === rowMajor[first + i]) ? "column" : undefined;
  }
  if (within.some((stride) => stride !== 0)) return undefined;
  return before.every((stride, k) => space[k] === 1 || stride * columns === rowMajor[k]) ? "row" : undefined;
}

/** A template's kernel with a cluster as its epilogue, if the cluster is one on some template's result. */
export function withEpilogue(
  cluster: Cluster,
  templateOf: (value: Value) => Template | undefined,
  /** Whether only operations of the cluster use a value. */
  alone: (value: Value, cluster: ReadonlySet<Operation>) => boolean,
): { kernel: Kernel; template: Template } | undefined {
  const { sources, space, root } = cluster;
  if (cluster.reductions.length > 0 || sources.length > most.operands + 1) return undefined;
  // The template that comes last: the others' results are operands.
  for (let i = sources.length - 1; i >= 0; i--) {
    const source = sources[i]!;
    if (source.kind !== "memory") continue;
    const template = templateOf(source.value);
    if (!template || template.columns === undefined || template.columns === 0) continue;
    if (elementCount(source.value.type.shape) !== elementCount(root.type.shape)) continue;
    if (!alone(source.value, cluster.operations)) continue;
    const epilogue = epilogueOn(cluster, i, template.columns, space);
    if (epilogue) return { kernel: template.build(epilogue), template };
  }
  return undefined;
}

function epilogueOn(
  { sources, expression, root }: Cluster,
  accumulator: number,
  columns: number,
  space: readonly number[],
): Epilogue | undefined {
  const operands: { value: Value; access: Access }[] = [];
  const indices: number[] = [];
  for (let i = 0; i < sources.length; i++) {
    const source = sources[i]!;
    if (source.kind === "table") indices[i] = operands.push({ value: source.value, access: "table" }) - 1;
    else if (source.kind === "memory") {
      const access = accessOf(source.walk, space, columns);
      if (!access) return undefined;
      if (i === accumulator && access !== "element" && elementCount(space) !== 1) return undefined;
      // A second use of the template's result at other places cannot be served.
      const base = sources[accumulator]!;
      if (i !== accumulator && base.kind === "memory" && source.value === base.value) return undefined;
      if (i !== accumulator) indices[i] = operands.push({ value: source.value, access }) - 1;
    } else return undefined;
  }
  const known = new Map<Expression, Expression>();
  const rewrite = (at: Expression): Expression => {
    let made = known.get(at);
    if (!made) {
      if (at.kind === "operand") {
        made =
          at.index === accumulator ? { kind: "accumulator", dtype: at.dtype } : { ...at, index: indices[at.index]! };
      } else made = at.kind === "apply" ? { ...at, inputs: at.inputs.map(rewrite) } : at;
      known.set(at, made);
    }
    return made;
  };
  const rewritten = rewrite(expression);
  return treeSize(rewritten) > most.nodes ? undefined : { expression: rewritten, operands, result: root };
}

/** Nodes when shared parts are written out. */
function treeSize(expression: Expression, limit = most.nodes): number {
  let count = 1;
  if (expression.kind !== "apply") return count;
  for (const input of expression.inputs) {
    if (count > limit) break;
    count += treeSize(input, limit - count);
  }
  return count;
}
