// Kernels of clusters with reductions: sums along rows with what is before and after them (softmax, layer norm, means),
// and sums over outer dimensions, vectorised along the last one.

import type { Code } from "../../wasm/code.ts";
import { op, type } from "../../wasm/opcodes.ts";
import { type DType, integerRange } from "../hlo/dtype.ts";
import type { Value } from "../hlo/graph.ts";
import type { Cluster, Reducer, Reduction } from "./cluster.ts";
import { ExpressionEmitter, expressionKey, type LeafExpression, settle } from "./expression.ts";
import type { Expression, Kernel, KernelContext } from "./kernel.ts";
import { isFloatLane, isUnsigned, splatF32, splatI32 } from "./lanes.ts";
import { constantsOf, costOf, fixedParts, isFixed, namesOf, whole } from "./loop.ts";
import { merge, type Walk } from "./map.ts";
import {
  operandsOf,
  type Output,
  type Placed,
  placedKey,
  Pointers,
  repeat,
  sourceTypes,
  sourceWalk,
} from "./pointers.ts";

/** Columns that one unit of a column sum does: four vectors. */
const columnBlock = 16;
/** Longest row that is kept between passes, in elements, and how many of a row's expressions. */
const kept = { elements: 1 << 16, slots: 2 };

/** A cluster over merged dimensions: outer ones, then those of a row. */
interface Nest {
  readonly expression: Expression;
  readonly reductions: readonly Reduction[];
  readonly placed: readonly Placed[];
  readonly operands: readonly Value[];
  readonly output: Output;
  readonly outer: readonly number[];
  readonly inner: readonly number[];
  /** Whether the root has the rows' elements; else one for each row. */
  readonly byElement: boolean;
}

function nestOf(cluster: Cluster): Nest {
  const { sources, root, rowFrom, space } = cluster;
  const rank = space.length;
  const target = whole(root).walk;
  const walks: Walk[] = [
    { offset: target.offset, strides: space.map((_, k) => target.strides[k] ?? 0) },
    ...sources.map((source) => sourceWalk(source, rank)),
  ];
  const part = (from: number, to: number) =>
    merge(
      space.slice(from, to),
      walks.map(({ offset, strides }) => ({ offset, strides: strides.slice(from, to) })),
    );
  const outer = part(0, rowFrom);
  const inner = part(rowFrom, rank);
  const merged = walks.map(({ offset }, i) => ({
    offset,
    strides: [...outer.walks[i]!.strides, ...inner.walks[i]!.strides],
  }));
  const roots = [
    cluster.expression,
    ...cluster.reductions.flatMap(({ input, start }) => (start ? [input, start] : [input])),
  ];
  const types = sourceTypes(roots);
  const operands = operandsOf(sources);
  return {
    expression: cluster.expression,
    reductions: cluster.reductions,
    placed: sources.map((source, i) => ({ source, walk: merged[i + 1]!, dtype: types.get(i)! })),
    operands,
    output: { walk: merged[0]!, dtype: root.type.dtype, parameter: 2 + operands.length },
    outer: outer.space,
    inner: inner.space,
    byElement: rowFrom < root.type.shape.length,
  };
}

/** How a cluster's reductions are best done; undefined when its elements are too far apart for either way. */
export function reductionKernel(cluster: Cluster): Kernel | undefined {
  const nest = nestOf(cluster);
  const innermost = nest.outer.length + nest.inner.length - 1;
  const along = (dimension: number) =>
    nest.placed.filter(({ walk }) => walk.strides[dimension] === 1 || walk.strides[dimension] === -1).length;
  const rows = nest.inner.length > 0 ? along(innermost) : 0;
  const columns = nest.outer.length > 0 ? along(nest.outer.length - 1) : 0;
  const byColumns = !nest.byElement && nest.reductions.length === 1 && columns > 0 && nest.inner.length > 0;
  if (byColumns && columns > rows) return columnKernel(cluster, nest);
  // Elements that are apart are gathered, which pays for one pass but not for several.
  if (rows === 0 && nest.reductions.length > 1) return undefined;
  return rowKernel(cluster, nest);
}

/** Everything that a nest's code depends on. */
function keyOf(nest: Nest): string {
  const { reductions, placed, operands, output, outer, inner } = nest;
  const roots = [nest.expression, ...reductions.flatMap(({ input, start }) => (start ? [input, start] : [input]))];
  const order = reductions.map(({ reducer, start }) => `${reducer}${start ? "+" : ""}`).join();
  const key = expressionKey(roots, (leaf) => {
    if (leaf.kind !== "operand") return "";
    const at = placed[leaf.index]!;
    if (at.source.kind === "reduction") return `reduction ${reductions.indexOf(at.source.reduction)} ${at.dtype}`;
    return placedKey(at, operands);
  });
  return `${outer.join("x")}:${inner.join("x")} ${output.dtype} ${output.walk.strides.join()} ${order} ${key}`;
}

const productOf = (numbers: readonly number[]) => numbers.reduce((product, n) => product * n, 1);

function nameOf(nest: Nest): string {
  const reducers = nest.reductions.map(({ reducer, input }) => `${namesOf(input, 3)} reduce-${reducer}`.trim());
  return `${[...reducers, namesOf(nest.expression, 4)].filter(Boolean).join(", ")} [${nest.outer.join("x")}:${nest.inner.join("x")}]`;
}

/** The leaf that stands for a reduction's result. */
function leafOf(nest: Nest, reduction: Reduction): (leaf: LeafExpression) => boolean {
  return (leaf) => {
    const source = leaf.kind === "operand" ? nest.placed[leaf.index]!.source : undefined;
    return source?.kind === "reduction" && source.reduction === reduction;
  };
}

/** Every operand node of some expressions. */
function* leavesOf(roots: readonly Expression[]): Generator<LeafExpression> {
  const seen = new Set<Expression>();
  const stack = [...roots];
  for (let at = stack.pop(); at; at = stack.pop()) {
    if (seen.has(at)) continue;
    seen.add(at);
    if (at.kind === "apply") stack.push(...at.inputs);
    else if (at.kind === "operand") yield at;
  }
}

// Combining.

/** What a combination starts with without changing anything, in every lane. */
function pushNeutral(code: Code, reducer: Reducer, dtype: DType): void {
  if (isFloatLane(dtype)) {
    const neutral = { add: 0, multiply: 1, maximum: -Infinity, minimum: Infinity, and: 0, or: 0 };
    splatF32(code, neutral[reducer]);
    return;
  }
  if (dtype === "i1") {
    splatI32(code, reducer === "add" || reducer === "or" || reducer === "maximum" ? 0 : -1);
    return;
  }
  const { min, max } = integerRange(dtype);
  const neutral = { add: 0, multiply: 1, maximum: Number(min), minimum: Number(max), and: -1, or: 0 };
  splatI32(code, neutral[reducer] | 0);
}

/** Combines the two vectors on the stack. */
function combine(code: Code, reducer: Reducer, dtype: DType): void {
  if (dtype === "i1") {
    code.op(reducer === "add" || reducer === "or" || reducer === "maximum" ? op["v128.or"] : op["v128.and"]);
    return;
  }
  if (reducer === "and" || reducer === "or") code.op(op[`v128.${reducer}`]);
  else if (isFloatLane(dtype)) {
    const names = { add: "add", multiply: "mul", maximum: "max", minimum: "min" } as const;
    code.op(op[`f32x4.${names[reducer]}`]);
  } else if (reducer === "add") code.op(op["i32x4.add"]);
  else if (reducer === "multiply") code.op(op["i32x4.mul"]);
  else code.op(op[`i32x4.${reducer === "maximum" ? "max" : "min"}_${isUnsigned(dtype) ? "u" : "s"}`]);
}

/**
 * Combines the vectors on the stack, the sum below the elements. The largest or smallest of floats takes one instruction
 * when NaN is looked after elsewhere: `nan` gets a mask of where there was one.
 */
function accumulate(code: Code, reducer: Reducer, dtype: DType, nan: number | undefined): void {
  if (nan === undefined) {
    combine(code, reducer, dtype);
    return;
  }
  const element = code.local(type.v128);
  code.tee(element).op(op[reducer === "maximum" ? "f32x4.pmax" : "f32x4.pmin"]);
  code.get(nan).get(element).get(element).op(op["f32x4.ne"]).op(op["v128.or"]).set(nan);
}

/** A mask for `accumulate`, where the instruction that looks after NaN would be slow. */
function nanMask(code: Code, reducer: Reducer, dtype: DType): number | undefined {
  if (!isFloatLane(dtype) || (reducer !== "maximum" && reducer !== "minimum")) return undefined;
  const mask = code.local(type.v128);
  splatI32(code, 0);
  code.set(mask);
  return mask;
}

/** Combines a vector's lanes: the result is in all of them. */
function combineLanes(code: Code, vector: number, reducer: Reducer, dtype: DType): void {
  const swaps: readonly (readonly [number, number, number, number])[] = [
    [0x0b0a0908, 0x0f0e0d0c, 0x03020100, 0x07060504],
    [0x07060504, 0x03020100, 0x0f0e0d0c, 0x0b0a0908],
  ];
  for (const [a, b, c, d] of swaps) {
    code.get(vector).get(vector).get(vector).shuffle(a, b, c, d);
    combine(code, reducer, dtype);
    code.set(vector);
  }
}

// Rows.

/** Passes over a row: what each reduces, and what of it later passes read again. */
interface Schedule {
  readonly passes: readonly (readonly Reduction[])[];
  /** Expressions by the pass that stores them. */
  readonly stored: ReadonlyMap<Expression, number>;
}

/** The reductions that an expression has below it. */
function reductionsIn(nest: Nest, root: Expression): Reduction[] {
  const found: Reduction[] = [];
  for (const leaf of leavesOf([root])) {
    const source = leaf.kind === "operand" ? nest.placed[leaf.index]!.source : undefined;
    if (source?.kind === "reduction") found.push(source.reduction);
  }
  return found;
}

function scheduleOf(nest: Nest, fixed: (at: Expression) => boolean): Schedule {
  const depths = new Map<Reduction, number>();
  const depthOf = (reduction: Reduction): number => {
    let depth = depths.get(reduction);
    if (depth === undefined) {
      const below = reductionsIn(nest, reduction.input).map((inner) => depthOf(inner) + 1);
      depths.set(reduction, (depth = Math.max(0, ...below)));
    }
    return depth;
  };
  const passes: Reduction[][] = [];
  for (const reduction of nest.reductions) (passes[depthOf(reduction)] ??= []).push(reduction);
  // What a later pass would compute again at some cost is stored by the first one that has it.
  const stored = new Map<Expression, number>();
  const computed = new Map<Expression, number>();
  const roots = [
    ...passes.map((list) => list.map(({ input }) => input)),
    ...(nest.byElement ? [[nest.expression]] : []),
  ];
  const length = productOf(nest.inner);
  roots.forEach((list, pass) => {
    const seen = new Set<Expression>();
    const visit = (at: Expression): void => {
      if (at.kind !== "apply" || fixed(at) || seen.has(at)) return;
      seen.add(at);
      const before = computed.get(at);
      if (before !== undefined && before < pass && costOf(at) > 6) {
        if (stored.has(at)) return;
        if (stored.size < kept.slots && length <= kept.elements) {
          stored.set(at, before);
          return;
        }
      }
      if (before === undefined) computed.set(at, pass);
      at.inputs.forEach(visit);
    };
    list.forEach(visit);
  });
  return { passes, stored };
}

function rowKernel(cluster: Cluster, nest: Nest): Kernel {
  const length = productOf(nest.inner);
  const cost = nest.reductions.reduce((sum, { input }) => sum + costOf(input), 0) + costOf(nest.expression);
  const fixed = fixedIn(nest, (i, dimensions) => dimensions.every((k) => (nest.placed[i]!.walk.strides[k] ?? 0) === 0));
  const { stored } = scheduleOf(nest, fixed);
  return {
    key: `rows ${keyOf(nest)}`,
    name: nameOf(nest),
    units: productOf(nest.outer),
    unitCost: Math.ceil((cost * length) / 4) + 20,
    operands: nest.operands,
    results: [cluster.root],
    packs: [],
    scratch: stored.size > 0 ? stored.size * (length * 4 + 64) : 0,
    emit: (code, context) => emitRows(code, context, nest),
  };
}

/** Whether expressions are the same along a row; its reductions are. */
function fixedIn(nest: Nest, stays: (source: number, dimensions: readonly number[]) => boolean) {
  const dimensions = nest.inner.map((_, i) => nest.outer.length + i);
  return isFixed((i) => {
    const { kind } = nest.placed[i]!.source;
    return kind === "reduction" || (kind !== "table" && stays(i, dimensions));
  });
}

function emitRows(code: Code, context: KernelContext, nest: Nest): void {
  const { expression, reductions, placed, operands, output, outer, inner, byElement } = nest;
  const innermost = outer.length + inner.length - 1;
  const length = productOf(inner);
  const pointers = new Pointers(code, placed, operands, output);
  const fixed = fixedIn(nest, (i, dimensions) => pointers.stays(i, dimensions));
  const { passes, stored } = scheduleOf(nest, fixed);
  const scratch = output.parameter + 1;
  let lanes = 4;
  let ahead = 0;
  const roots = [
    expression,
    ...reductions.flatMap(({ input, start }) => (start ? [input, start] : [input])),
    ...stored.keys(),
  ];
  const emitter = new ExpressionEmitter(code, context, roots, (leaf) => {
    if (leaf.kind === "operand") pointers.load(leaf.index, inner.length > 0 ? innermost : -1, lanes, ahead);
  });
  for (const constant of constantsOf(...roots)) emitter.keep(constant);
  const out = code.block();
  const rows = code.loop();
  code.get(0).get(1).op(op["i32.ge_s"]).brIf(out);
  pointers.start();
  pointers.moveTo(0, outer);

  const slots = [...stored.keys()];
  const slot = slots.map(() => code.local(type.i32));
  /** Walks the row: vectors along the innermost dimension, the others around it. */
  const walk = (unroll: number, body: (lanes: number, vector: number) => void): void => {
    slot.forEach((local, i) => {
      code
        .get(scratch)
        .i32(i * (length * 4 + 64))
        .op(op["i32.add"])
        .set(local);
    });
    const count = inner.at(-1) ?? 1;
    const forwardSlots = (vectors: number): void => {
      slot.forEach((local) =>
        code
          .get(local)
          .i32(16 * vectors)
          .op(op["i32.add"])
          .set(local),
      );
    };
    const line = (): void => {
      const whole4 = Math.floor(count / 4);
      const big = unroll > 1 ? Math.floor(whole4 / unroll) : 0;
      repeat(code, big, () => {
        for (let u = 0; u < unroll; u++) {
          [lanes, ahead] = [4, u * 4];
          body(4, u);
        }
        pointers.move(innermost, 4 * unroll);
        forwardSlots(unroll);
      });
      ahead = 0;
      repeat(code, whole4 - big * unroll, () => {
        lanes = 4;
        body(4, 0);
        pointers.move(innermost, 4);
        forwardSlots(1);
      });
      if (count % 4 > 0) {
        lanes = count % 4;
        body(lanes, 0);
        forwardSlots(1);
      }
      lanes = 4;
      pointers.move(innermost, -4 * whole4);
    };
    const level = (k: number): void => {
      if (k >= inner.length - 1) {
        line();
        return;
      }
      repeat(code, inner[k]!, () => {
        level(k + 1);
        pointers.move(outer.length + k, 1);
      });
      pointers.move(outer.length + k, -inner[k]!);
    };
    level(0);
  };
  /** What the pass reads from memory because an earlier one stored it. */
  const loadStored = (pass: number): void => {
    slots.forEach((at, i) => {
      if (stored.get(at)! >= pass) return;
      const local = code.local(type.v128);
      code
        .get(slot[i]!)
        .memory(op["v128.load"], ahead * 4)
        .set(local);
      emitter.remember(at, local);
    });
  };
  const keepFixed = (list: readonly Expression[]): void => {
    emitter.restart();
    for (const root of list) for (const part of fixedParts(root, fixed)) emitter.keep(part);
  };

  passes.forEach((list, pass) => {
    keepFixed(list.map(({ input }) => input));
    const unroll = length >= 64 && list.every(({ input }) => costOf(input) < 6) ? 4 : 1;
    const sums = list.map(({ reducer, input: { dtype } }) =>
      Array.from({ length: unroll }, () => {
        const local = code.local(type.v128);
        pushNeutral(code, reducer, dtype);
        code.set(local);
        return local;
      }),
    );
    const masks = list.map(({ reducer, input }) => nanMask(code, reducer, input.dtype));
    walk(unroll, (count, vector) => {
      emitter.restart();
      loadStored(pass);
      list.forEach(({ reducer, input }, i) => {
        const sum = sums[i]![vector]!;
        code.get(sum);
        emitter.push(input);
        if (count < 4) {
          pushNeutral(code, reducer, input.dtype);
          const mask = [0, 1, 2, 3].map((lane) => (lane < count ? -1 : 0)) as [number, number, number, number];
          code.v128(...mask).op(op["v128.bitselect"]);
        }
        accumulate(code, reducer, input.dtype, masks[i]);
        code.set(sum);
      });
      slots.forEach((at, i) => {
        if (stored.get(at) !== pass) return;
        code.get(slot[i]!);
        emitter.push(at);
        code.memory(op["v128.store"], ahead * 4);
      });
    });
    list.forEach((reduction, i) => {
      const [sum] = sums[i]!;
      const mask = masks[i];
      // All bits set are a NaN.
      if (mask !== undefined) code.get(sum!).get(mask).op(op["v128.or"]).set(sum!);
      finish(code, emitter, nest, reduction, sums[i]!);
    });
  });
  ahead = 0;
  if (byElement) {
    keepFixed([expression]);
    walk(1, (count) => {
      emitter.restart();
      loadStored(passes.length);
      emitter.push(expression);
      pointers.store(innermost, count);
    });
  } else {
    emitter.restart();
    emitter.push(expression);
    pointers.store(-1, 1);
  }
  code.get(0).i32(1).op(op["i32.add"]).set(0).br(rows).end().end();
}

/** Joins partial sums and their lanes; the expressions' leaves for the reduction have the result from here on. */
function finish(
  code: Code,
  emitter: ExpressionEmitter,
  nest: Nest,
  reduction: Reduction,
  sums: readonly number[],
): void {
  const { reducer, input, start } = reduction;
  const [first, ...rest] = sums as [number, ...number[]];
  for (const sum of rest) {
    code.get(first).get(sum);
    combine(code, reducer, input.dtype);
    code.set(first);
  }
  combineLanes(code, first, reducer, input.dtype);
  emitter.restart();
  settled(code, emitter, nest, { reduction, start, local: first });
}

/** Adds what the combination starts with, rounds to the type, and makes it known to the expressions. */
function settled(
  code: Code,
  emitter: ExpressionEmitter,
  nest: Nest,
  { reduction, start, local }: { reduction: Reduction; start: Expression | undefined; local: number },
): void {
  const { reducer, input } = reduction;
  code.get(local);
  if (start) {
    emitter.push(start);
    combine(code, reducer, input.dtype);
  }
  settle(code, input.dtype);
  code.set(local);
  const isLeaf = leafOf(nest, reduction);
  const roots = [nest.expression, ...nest.reductions.map((other) => other.input)];
  for (const leaf of leavesOf(roots)) if (isLeaf(leaf)) emitter.remember(leaf, local);
}

// Columns.

function columnKernel(cluster: Cluster, nest: Nest): Kernel {
  const { outer, inner } = nest;
  const columns = outer.at(-1)!;
  const blocks = Math.ceil(columns / columnBlock);
  const cost = costOf(nest.reductions[0]!.input) * productOf(inner) + costOf(nest.expression);
  return {
    key: `columns ${keyOf(nest)}`,
    name: nameOf(nest),
    units: productOf(outer.slice(0, -1)) * blocks,
    unitCost: Math.ceil((cost * Math.min(columns, columnBlock)) / 4) + 20,
    operands: nest.operands,
    results: [cluster.root],
    packs: [],
    scratch: 0,
    emit: (code, context) => emitColumns(code, context, nest),
  };
}

function emitColumns(code: Code, context: KernelContext, nest: Nest): void {
  const { expression, placed, operands, output, outer, inner } = nest;
  const reduction = nest.reductions[0]!;
  const { reducer, input, start } = reduction;
  const last = outer.length - 1;
  const columns = outer[last]!;
  const blocks = Math.ceil(columns / columnBlock);
  const pointers = new Pointers(code, placed, operands, output);
  let lanes = 4;
  let ahead = 0;
  const emitter = new ExpressionEmitter(
    code,
    context,
    start ? [expression, input, start] : [expression, input],
    (leaf) => {
      if (leaf.kind === "operand") pointers.load(leaf.index, last, lanes, ahead);
    },
  );
  for (const constant of constantsOf(expression, input)) emitter.keep(constant);
  const out = code.block();
  const units = code.loop();
  code.get(0).get(1).op(op["i32.ge_s"]).brIf(out);
  pointers.start();
  const [row, block] = [code.local(type.i32), code.local(type.i32)];
  code.get(0).i32(blocks).op(op["i32.div_u"]).set(row);
  code.get(0).get(row).i32(blocks).op(op["i32.mul"]).op(op["i32.sub"]).i32(columnBlock).op(op["i32.mul"]).set(block);
  pointers.moveTo(row, outer.slice(0, -1));
  pointers.moveBy(last, block);
  /** Sums of `count` columns from here. */
  const sum = (count: number): void => {
    const sums = Array.from({ length: Math.ceil(count / 4) }, () => code.local(type.v128));
    for (const local of sums) {
      pushNeutral(code, reducer, input.dtype);
      code.set(local);
    }
    const each = (body: (local: number) => void): void => {
      sums.forEach((local, v) => {
        [lanes, ahead] = [Math.min(4, count - v * 4), v * 4];
        emitter.restart();
        body(local);
      });
      [lanes, ahead] = [4, 0];
    };
    const level = (k: number): void => {
      if (k === inner.length) {
        each((local) => {
          code.get(local);
          emitter.push(input);
          combine(code, reducer, input.dtype);
          code.set(local);
        });
        return;
      }
      repeat(code, inner[k]!, () => {
        level(k + 1);
        pointers.move(outer.length + k, 1);
      });
      pointers.move(outer.length + k, -inner[k]!);
    };
    level(0);
    each((local) => {
      settled(code, emitter, nest, { reduction, start, local });
      emitter.push(expression);
      pointers.store(last, lanes, ahead);
    });
  };
  const rest = columns % columnBlock;
  if (columns < columnBlock) sum(columns);
  else if (rest === 0) sum(columnBlock);
  else {
    code
      .get(block)
      .i32(columns - rest)
      .op(op["i32.eq"])
      .if();
    sum(rest);
    code.else();
    sum(columnBlock);
    code.end();
  }
  code.get(0).i32(1).op(op["i32.add"]).set(0).br(units).end().end();
}
