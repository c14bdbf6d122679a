// Where loops are: one address for each source and each result, moved along as the loops go.

import type { Code } from "../../wasm/code.ts";
import { op, type } from "../../wasm/opcodes.ts";
import { type DType, dtypes } from "../hlo/dtype.ts";
import type { Value } from "../hlo/graph.ts";
import type { Source } from "./cluster.ts";
import type { Expression } from "./kernel.ts";
import { gatherLanes, isFloatLane, loadLanes, roundLanes, scatterLanes, splatI32 } from "./lanes.ts";
import type { Walk } from "./map.ts";

/** Values in memory that sources are, each once. */
export function operandsOf(sources: readonly Source[]): Value[] {
  const values = new Set<Value>();
  for (const source of sources) if (source.kind === "memory" || source.kind === "table") values.add(source.value);
  return [...values];
}

const none: Walk = { offset: 0, strides: [] };

/** How a source is walked; nowhere for tables and what rows are reduced to. */
export function sourceWalk(source: Source, rank: number): Walk {
  if (source.kind === "memory" || source.kind === "index") return source.walk;
  return rank === 0 ? none : { offset: 0, strides: Array.from({ length: rank }, () => 0) };
}

/** The types of the sources that expressions use, by index. */
export function sourceTypes(roots: readonly Expression[]): Map<number, DType> {
  const types = new Map<number, DType>();
  const seen = new Set<Expression>();
  const visit = (at: Expression): void => {
    if (seen.has(at)) return;
    seen.add(at);
    if (at.kind === "operand") types.set(at.index, at.dtype);
    if (at.kind === "apply") at.inputs.forEach(visit);
  };
  roots.forEach(visit);
  return types;
}

/** A source of a loop nest, walked along its dimensions. */
export interface Placed {
  readonly source: Source;
  readonly walk: Walk;
  readonly dtype: DType;
}

/** A result of a loop nest. */
export interface Output {
  readonly walk: Walk;
  readonly dtype: DType;
  /** Parameter with its address. */
  readonly parameter: number;
}

/** The text of what a source's code depends on. */
export function placedKey({ source, walk, dtype }: Placed, operands: readonly Value[]): string {
  const operand = source.kind === "memory" || source.kind === "table" ? operands.indexOf(source.value) : -1;
  return `${source.kind} ${operand} ${dtype} ${walk.offset} ${walk.strides.join()}`;
}

/** The addresses of a nest's sources and output. Operands' addresses are parameters from 2 on. */
export class Pointers {
  private readonly code: Code;
  private readonly placed: readonly Placed[];
  private readonly operands: readonly Value[];
  private readonly output: Output;
  /** Locals: the address of each source's element, or the number that an index has. */
  private readonly locals: (number | undefined)[];
  private readonly target: number;

  constructor(code: Code, placed: readonly Placed[], operands: readonly Value[], output: Output) {
    this.code = code;
    this.placed = placed;
    this.operands = operands;
    this.output = output;
    this.locals = placed.map(({ source }) =>
      source.kind === "memory" || source.kind === "index" ? code.local(type.i32) : undefined,
    );
    this.target = code.local(type.i32);
  }

  /** Sets everything to the first element. */
  start(): void {
    const { code, placed, operands, output } = this;
    const first = (parameter: number, offset: number): void => {
      code.get(parameter);
      if (offset !== 0) code.i32(offset).op(op["i32.add"]);
    };
    first(output.parameter, output.walk.offset * dtypes[output.dtype].bytes);
    code.set(this.target);
    placed.forEach(({ source, walk, dtype }, i) => {
      const local = this.locals[i];
      if (local === undefined) return;
      if (source.kind === "memory") first(2 + operands.indexOf(source.value), walk.offset * dtypes[dtype].bytes);
      else code.i32(walk.offset);
      code.set(local);
    });
  }

  /** Bytes from one element to the next along a dimension; for an index, how much it grows. */
  private step(i: number, dimension: number): number {
    const { source, walk, dtype } = this.placed[i]!;
    return (walk.strides[dimension] ?? 0) * (source.kind === "memory" ? dtypes[dtype].bytes : 1);
  }
  private outputStep(dimension: number): number {
    return (this.output.walk.strides[dimension] ?? 0) * dtypes[this.output.dtype].bytes;
  }

  /** Moves everything along a dimension by as many elements as a local says. */
  moveBy(dimension: number, local: number): void {
    const { code } = this;
    this.each(dimension, (pointer, step) => {
      code.get(pointer).get(local).i32(step).op(op["i32.mul"]).op(op["i32.add"]).set(pointer);
    });
  }
  /** Moves everything along a dimension by a number of elements. */
  move(dimension: number, count: number): void {
    if (count === 0) return;
    this.each(dimension, (pointer, step) => {
      this.code
        .get(pointer)
        .i32(step * count)
        .op(op["i32.add"])
        .set(pointer);
    });
  }
  private each(dimension: number, move: (pointer: number, step: number) => void): void {
    const step = this.outputStep(dimension);
    if (step !== 0) move(this.target, step);
    this.locals.forEach((local, i) => {
      if (local === undefined) return;
      const own = this.step(i, dimension);
      if (own !== 0) move(local, own);
    });
  }

  /** Moves along dimensions by the indices that a number in a local has in them, the last one fastest. */
  moveTo(unit: number, extents: readonly number[]): void {
    const { code } = this;
    if (extents.length === 0) return;
    const [rest, index] = [code.local(type.i32), code.local(type.i32)];
    code.get(unit).set(rest);
    for (let k = extents.length - 1; k >= 0; k--) {
      if (k === 0) code.get(rest).set(index);
      else {
        code.get(rest).get(rest).i32(extents[k]!).op(op["i32.div_u"]).tee(rest);
        code.i32(extents[k]!).op(op["i32.mul"]).op(op["i32.sub"]).set(index);
      }
      this.moveBy(k, index);
    }
  }

  /** Pushes a source's `lanes` neighbours along a dimension, the first `ahead` elements from here. */
  load(i: number, dimension: number, lanes: number, ahead = 0): void {
    const { code, operands } = this;
    const { source, walk, dtype } = this.placed[i]!;
    if (source.kind === "table") {
      code.get(2 + operands.indexOf(source.value));
      return;
    }
    const pointer = this.locals[i]!;
    const stride = walk.strides[dimension] ?? 0;
    if (source.kind === "index") {
      code.get(pointer).op(op["i32x4.splat"]);
      if (stride !== 0) {
        const at = ahead * stride;
        code.v128(at, at + stride, at + 2 * stride, at + 3 * stride).op(op["i32x4.add"]);
      }
      if (isFloatLane(dtype)) code.op(op["f32x4.convert_i32x4_s"]);
      roundLanes(code, dtype);
      return;
    }
    const { bytes } = dtypes[dtype];
    if (stride === 0) loadLanes(code.get(pointer), dtype, "splat");
    else if (stride === 1) loadLanes(code.get(pointer), dtype, 4, ahead * bytes);
    else gatherLanes(code, dtype, pointer, { step: stride * bytes, count: lanes, offset: ahead * stride * bytes });
  }

  /** Stores `lanes` of the vector on the stack along a dimension; i1 is a mask there. */
  store(dimension: number, lanes: number, ahead = 0): void {
    const { code } = this;
    const { dtype } = this.output;
    if (dtype === "i1") splatI32(code, 1).op(op["v128.and"]);
    const step = this.outputStep(dimension);
    scatterLanes(code, dtype, this.target, { step, count: lanes, offset: ahead * step });
  }

  /** Whether a source stays where it is along dimensions. */
  stays(i: number, dimensions: readonly number[]): boolean {
    const { source } = this.placed[i]!;
    return source.kind !== "table" && dimensions.every((dimension) => this.step(i, dimension) === 0);
  }
}

/** Repeats a body `count` times; short loops that need no counter are written once. */
export function repeat(code: Code, count: number, body: () => void): void {
  if (count <= 0) return;
  if (count === 1) {
    body();
    return;
  }
  const left = code.local(type.i32);
  code.i32(count).set(left);
  const again = code.loop();
  body();
  code.get(left).i32(1).op(op["i32.sub"]).tee(left).brIf(again).end();
}
