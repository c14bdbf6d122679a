// Kernels of clusters without sums: one loop over rows, four elements at a time.

import type { Code } from "../../wasm/code.ts";
import { op, type } from "../../wasm/opcodes.ts";
import { type DType, dtypes } from "../hlo/dtype.ts";
import type { Value } from "../hlo/graph.ts";
import { stridesOf } from "../hlo/tensor.ts";
import type { Cluster, Source } from "./cluster.ts";
import { ExpressionEmitter, expressionKey, type LeafExpression } from "./expression.ts";
import type { Expression, Kernel, KernelContext } from "./kernel.ts";
import { gatherLanes, isFloatLane, loadLanes, roundLanes, scatterLanes, splatI32 } from "./lanes.ts";
import { merge, type Walk } from "./map.ts";

/** Elements of one unit when a tensor is walked in one piece. */
const chunk = 8192;

/** A source with its place in the merged space. */
interface Placed {
  readonly source: Source;
  readonly walk: Walk;
  readonly dtype: DType;
}

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

/** Values in memory that sources are, each once. */
export function operandsOf(sources: readonly Source[]): Value[] {
  const values = new Set<Value>();
  for (const source of sources) if (source.kind === "memory" || source.kind === "table") values.add(source.value);
  return [...values];
}

const none: Walk = { offset: 0, strides: [] };
const walkOf = (source: Source): Walk => (source.kind === "memory" || source.kind === "index" ? source.walk : none);

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
  const places = sources
    .map(walkOf)
    .map((walk) => (walk === none ? { offset: 0, strides: cluster.space.map(() => 0) } : walk));
  const { space, walks } = merge(cluster.space, [target.walk, ...places]);
  if (space.length === 0) {
    space.push(1);
    for (const walk of walks) (walk.strides as number[]).push(0);
  }
  const [to, ...from] = walks as [Walk, ...Walk[]];
  const inner = space.pop()!;
  const operands = operandsOf(sources);
  const dtypeOf = new Map<number, DType>();
  collectTypes(expression, dtypeOf);
  const placed = sources.map((source, i): Placed => ({ source, walk: from[i]!, dtype: dtypeOf.get(i)! }));
  const chunks = space.length === 0 ? Math.max(1, Math.ceil(inner / chunk)) : 1;
  const rows = space.reduce((product, extent) => product * extent, 1);
  const length = chunks > 1 ? chunk : inner;
  const key = expressionKey([expression], (leaf) => {
    if (leaf.kind !== "operand") return "?";
    const { source, walk, dtype } = placed[leaf.index]!;
    const operand = source.kind === "memory" || source.kind === "table" ? operands.indexOf(source.value) : -1;
    return `${source.kind} ${operand} ${dtype} ${walk.offset} ${walk.strides.join()}`;
  });
  const { dtype } = target.value.type;
  const names = namesOf(expression);
  return {
    key: `loop ${space.join()}x${inner} ${dtype} ${to.offset} ${to.strides.join()} ${key}`,
    name: `${names || "copy"} [${[...space, inner].join("x")}]`,
    units: rows * chunks,
    unitCost: Math.ceil((costOf(expression) * length) / 4) + 5,
    operands,
    results: [target.value],
    packs: [],
    scratch: 0,
    emit: (code, context) =>
      new LoopEmitter(code, context, { expression, placed, operands, to, dtype, space, inner, chunks }).emit(),
  };
}

function collectTypes(expression: Expression, types: Map<number, DType>, seen = new Set<Expression>()): void {
  if (seen.has(expression)) return;
  seen.add(expression);
  if (expression.kind === "operand") types.set(expression.index, expression.dtype);
  if (expression.kind === "apply") for (const input of expression.inputs) collectTypes(input, types, seen);
}

interface Loop {
  readonly expression: Expression;
  readonly placed: readonly Placed[];
  readonly operands: readonly Value[];
  readonly to: Walk;
  readonly dtype: DType;
  /** Outer dimensions. */
  readonly space: readonly number[];
  readonly inner: number;
  readonly chunks: number;
}

class LoopEmitter {
  private readonly code: Code;
  private readonly loop: Loop;
  private readonly emitter: ExpressionEmitter;
  /** Locals: the address of each source's element, or the number that an index has. */
  private readonly pointers: (number | undefined)[] = [];
  private lanes = 4;

  constructor(code: Code, context: KernelContext, loop: Loop) {
    this.code = code;
    this.loop = loop;
    this.emitter = new ExpressionEmitter(code, context, [loop.expression], (leaf) => this.leaf(leaf));
  }

  emit(): void {
    const { code, emitter } = this;
    const { expression, placed, operands, to, dtype, space, inner, chunks } = this.loop;
    const result = 2 + operands.length;
    const { bytes } = dtypes[dtype];
    const output = code.local(type.i32);
    placed.forEach(({ source }, i) => {
      if (source.kind !== "table") this.pointers[i] = code.local(type.i32);
    });
    for (const constant of constantsOf(expression)) emitter.keep(constant);
    const out = code.block();
    const rows = code.loop();
    code.get(0).get(1).op(op["i32.ge_s"]).brIf(out);

    // Where the row begins for everybody.
    const left = code.local(type.i32);
    const start = (walk: Walk, base: number | undefined, size: number): void => {
      if (base === undefined) code.i32(walk.offset);
      else {
        code.get(base);
        if (walk.offset !== 0) code.i32(walk.offset * size).op(op["i32.add"]);
      }
    };
    start(to, result, bytes);
    code.set(output);
    placed.forEach(({ source, walk }, i) => {
      const pointer = this.pointers[i];
      if (pointer === undefined) return;
      if (source.kind === "memory")
        start(walk, 2 + operands.indexOf(source.value), dtypes[source.value.type.dtype].bytes);
      else start(walk, undefined, 1);
      code.set(pointer);
    });
    const advance = (local: number, index: number, step: number): void => {
      if (step === 0) return;
      code.get(local).get(index).i32(step).op(op["i32.mul"]).op(op["i32.add"]).set(local);
    };
    const stepOf = (i: number, k: number): number => {
      const { source, walk } = placed[i]!;
      return walk.strides[k]! * (source.kind === "memory" ? dtypes[source.value.type.dtype].bytes : 1);
    };
    if (chunks > 1) {
      code.get(0).i32(chunk).op(op["i32.mul"]).set(left);
      advance(output, left, to.strides[0]! * bytes);
      placed.forEach((_, i) => this.pointers[i] !== undefined && advance(this.pointers[i]!, left, stepOf(i, 0)));
      // How many elements there are from here on.
      code.i32(inner).get(left).op(op["i32.sub"]).set(left);
      code.get(left).i32(chunk).get(left).i32(chunk).op(op["i32.lt_s"]).op(op.select).set(left);
    } else if (space.length > 0) {
      const [rest, index] = [code.local(type.i32), code.local(type.i32)];
      code.get(0).set(rest);
      for (let k = space.length - 1; k >= 0; k--) {
        if (k === 0) code.get(rest).set(index);
        else {
          code.get(rest).get(rest).i32(space[k]!).op(op["i32.div_u"]).tee(rest);
          code.i32(space[k]!).op(op["i32.mul"]).op(op["i32.sub"]).set(index);
        }
        advance(output, index, to.strides[k]! * bytes);
        placed.forEach((_, i) => this.pointers[i] !== undefined && advance(this.pointers[i]!, index, stepOf(i, k)));
      }
    }

    // What is the same along the row.
    emitter.restart();
    const innermost = space.length;
    const fixed = (at: Expression): boolean => {
      if (at.kind === "constant") return true;
      if (at.kind === "operand") {
        const { source, walk } = placed[at.index]!;
        return source.kind !== "table" && (walk.strides[innermost] === 0 || inner === 1);
      }
      return at.kind === "apply" && at.op !== "lookup" && at.inputs.every(fixed);
    };
    if (inner > 1) for (const part of fixedParts(expression, fixed)) emitter.keep(part);

    const outputStep = to.strides[innermost]! * bytes;
    const body = (lanes: number): void => {
      emitter.restart();
      this.lanes = lanes;
      emitter.push(expression);
      if (dtype === "i1") splatI32(code, 1).op(op["v128.and"]);
      scatterLanes(code, dtype, output, { step: outputStep, count: lanes });
    };
    const forward = (): void => {
      code
        .get(output)
        .i32(4 * outputStep)
        .op(op["i32.add"])
        .set(output);
      placed.forEach((_, i) => {
        const step = this.pointers[i] === undefined ? 0 : 4 * stepOf(i, innermost);
        if (step !== 0) code.get(this.pointers[i]!).i32(step).op(op["i32.add"]).set(this.pointers[i]!);
      });
    };
    const tail = inner % 4;
    if (chunks > 1 || inner >= 8) {
      if (chunks === 1) code.i32(inner).set(left);
      const done = code.block();
      const again = code.loop();
      code.get(left).i32(4).op(op["i32.lt_s"]).brIf(done);
      body(4);
      forward();
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
        if (tail > 0) forward();
      }
      if (tail > 0) body(tail);
    }
    code.get(0).i32(1).op(op["i32.add"]).set(0).br(rows).end().end();
  }

  private leaf(leaf: LeafExpression): void {
    if (leaf.kind !== "operand") throw new Error("loops have no accumulator");
    const { code } = this;
    const { placed, operands, space } = this.loop;
    const { source, walk, dtype } = placed[leaf.index]!;
    const pointer = this.pointers[leaf.index];
    const stride = walk.strides[space.length]!;
    if (source.kind === "table") code.get(2 + operands.indexOf(source.value));
    else if (source.kind === "index") {
      code.get(pointer!).op(op["i32x4.splat"]);
      if (stride !== 0) code.v128(0, stride, 2 * stride, 3 * stride).op(op["i32x4.add"]);
      if (isFloatLane(dtype)) code.op(op["f32x4.convert_i32x4_s"]);
      roundLanes(code, dtype);
    } else if (stride === 0) loadLanes(code.get(pointer!), dtype, "splat");
    else if (stride === 1) loadLanes(code.get(pointer!), dtype, 4);
    else gatherLanes(code, dtype, pointer!, { step: stride * dtypes[dtype].bytes, count: this.lanes });
  }
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
