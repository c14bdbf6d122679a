// Kernels of clusters without sums: one loop over rows, four elements at a time.

import type { Code } from "../../wasm/code.ts";
import { op, type } from "../../wasm/opcodes.ts";
import type { Value } from "../hlo/graph.ts";
import { stridesOf } from "../hlo/tensor.ts";
import type { Cluster } from "./cluster.ts";
import { ExpressionEmitter, expressionKey } from "./expression.ts";
import type { Expression, Kernel, KernelContext } from "./kernel.ts";
import { merge, type Walk } from "./map.ts";
import { operandsOf, type Output, type Placed, placedKey, Pointers, sourceTypes, sourceWalk } from "./pointers.ts";

/** Elements of one unit when a tensor is walked in one piece. */
const chunk = 8192;

/** Where a loop's results go: the whole of a value, or a part of it. */
export interface Target {
  readonly value: Value;
  /** Over the cluster's space. */
  readonly walk: Walk;
}

/** The row-major place of a whole value. */
export const whole = (value: Value): Target => ({
  value,
  walk: { offset: 0, strides: stridesOf(value.type.shape) },
});

/** Roughly how many nanoseconds four elements of an expression take. */
export function costOf(expression: Expression, seen = new Set<Expression>()): number {
  if (seen.has(expression)) return 0;
  seen.add(expression);
  if (expression.kind !== "apply") return expression.kind === "constant" ? 0 : 0.5;
  const own = slow.test(expression.op) ? 8 : 0.4;
  return expression.inputs.reduce((sum, input) => sum + costOf(input, seen), own);
}
const slow = /exp|log|tanh|erf|sin|cos|tan|power|requantize|remainder|lookup|cbrt/;

/** Names of an expression's operations, for profiles. */
export function namesOf(expression: Expression, most = 6): string {
  const names: string[] = [];
  const visit = (at: Expression): void => {
    if (at.kind !== "apply" || names.length > most) return;
    at.inputs.forEach(visit);
    names.push(at.op);
  };
  visit(expression);
  return names.length > most ? `${names.slice(0, most).join(" ")} …` : names.join(" ");
}

/** The kernel of a cluster without reductions. */
export function loopKernel(cluster: Cluster, target: Target = whole(cluster.root)): Kernel {
  const { sources, expression } = cluster;
  const walked = sources.map((source) => sourceWalk(source, cluster.space.length));
  const { space, walks } = merge(cluster.space, [target.walk, ...walked]);
  const [to, ...from] = walks as [Walk, ...Walk[]];
  const inner = space.pop() ?? 1;
  const operands = operandsOf(sources);
  const types = sourceTypes([expression]);
  const placed = sources.map((source, i): Placed => ({ source, walk: from[i]!, dtype: types.get(i)! }));
  const chunks = space.length === 0 ? Math.max(1, Math.ceil(inner / chunk)) : 1;
  const rows = space.reduce((product, extent) => product * extent, 1);
  const { dtype } = target.value.type;
  const key = expressionKey([expression], (leaf) =>
    leaf.kind === "operand" ? placedKey(placed[leaf.index]!, operands) : "",
  );
  const output = { walk: to, dtype, parameter: 2 + operands.length };
  return {
    key: `loop ${space.join()}x${inner} ${dtype} ${to.offset} ${to.strides.join()} ${key}`,
    name: `${namesOf(expression) || "copy"} [${[...space, inner].join("x")}]`,
    units: rows * chunks,
    unitCost: Math.ceil((costOf(expression) * (chunks > 1 ? chunk : inner)) / 4) + 5,
    operands,
    results: [target.value],
    packs: [],
    scratch: 0,
    emit: (code, context) => emitLoop(code, context, { expression, placed, operands, output, space, inner, chunks }),
  };
}

interface Loop {
  readonly expression: Expression;
  readonly placed: readonly Placed[];
  readonly operands: readonly Value[];
  readonly output: Output;
  /** Outer dimensions. */
  readonly space: readonly number[];
  readonly inner: number;
  readonly chunks: number;
}

function emitLoop(code: Code, context: KernelContext, loop: Loop): void {
  const { expression, placed, operands, output, space, inner, chunks } = loop;
  const innermost = space.length;
  const pointers = new Pointers(code, placed, operands, output);
  let lanes = 4;
  const emitter = new ExpressionEmitter(code, context, [expression], (leaf) => {
    if (leaf.kind === "operand") pointers.load(leaf.index, innermost, lanes);
  });
  for (const constant of constantsOf(expression)) emitter.keep(constant);
  const out = code.block();
  const rows = code.loop();
  code.get(0).get(1).op(op["i32.ge_s"]).brIf(out);
  const left = code.local(type.i32);
  pointers.start();
  if (chunks > 1) {
    code.get(0).i32(chunk).op(op["i32.mul"]).set(left);
    pointers.moveBy(0, left);
    // How many elements there are from here on.
    code.i32(inner).get(left).op(op["i32.sub"]).set(left);
    code.get(left).i32(chunk).get(left).i32(chunk).op(op["i32.lt_s"]).op(op.select).set(left);
  } else pointers.moveTo(0, space);

  emitter.restart();
  const fixed = isFixed((i) => pointers.stays(i, [innermost]));
  if (inner > 1) for (const part of fixedParts(expression, fixed)) emitter.keep(part);
  const body = (count: number): void => {
    emitter.restart();
    lanes = count;
    emitter.push(expression);
    pointers.store(innermost, count);
  };
  const tail = inner % 4;
  if (chunks > 1 || inner >= 8) {
    if (chunks === 1) code.i32(inner).set(left);
    const done = code.block();
    const again = code.loop();
    code.get(left).i32(4).op(op["i32.lt_s"]).brIf(done);
    body(4);
    pointers.move(innermost, 4);
    code.get(left).i32(4).op(op["i32.sub"]).set(left).br(again).end().end();
    if (tail > 0) {
      if (chunks > 1) {
        code.get(left).if();
        body(tail);
        code.end();
      } else body(tail);
    }
  } else {
    if (inner >= 4) {
      body(4);
      if (tail > 0) pointers.move(innermost, 4);
    }
    if (tail > 0) body(tail);
  }
  code.get(0).i32(1).op(op["i32.add"]).set(0).br(rows).end().end();
}

/** Whether an expression has one value wherever its sources stay; lookups are left where they are. */
export function isFixed(stays: (source: number) => boolean): (at: Expression) => boolean {
  const known = new Map<Expression, boolean>();
  const fixed = (at: Expression): boolean => {
    if (at.kind === "operand") return stays(at.index);
    if (at.kind !== "apply") return at.kind === "constant";
    let answer = known.get(at);
    if (answer === undefined) known.set(at, (answer = at.op !== "lookup" && at.inputs.every(fixed)));
    return answer;
  };
  return fixed;
}

/** The constants of an expression: at most eight, which are kept in registers. */
export function constantsOf(...roots: Expression[]): Expression[] {
  const found = new Map<string, Expression>();
  const seen = new Set<Expression>();
  const visit = (at: Expression): void => {
    if (seen.has(at)) return;
    seen.add(at);
    if (at.kind === "constant" && found.size < 8) found.set(`${String(at.value)} ${at.dtype} ${found.size}`, at);
    if (at.kind === "apply") at.inputs.forEach(visit);
  };
  roots.forEach(visit);
  return [...found.values()];
}

/** The largest parts of an expression that are fixed; constants aside. */
export function fixedParts(root: Expression, fixed: (at: Expression) => boolean): Expression[] {
  const parts = new Set<Expression>();
  const seen = new Set<Expression>();
  const visit = (at: Expression): void => {
    if (seen.has(at) || at.kind === "constant") return;
    seen.add(at);
    if (fixed(at)) parts.add(at);
    else if (at.kind === "apply") {
      at.inputs.forEach((input, i) => {
        if (at.op !== "lookup" || i === 0) visit(input);
      });
    }
  };
  visit(root);
  return [...parts];
}
