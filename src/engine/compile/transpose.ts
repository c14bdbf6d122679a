// The kernel of transpositions of 32-bit elements: tiles of four by four in registers, lines of the cache read once.

import type { Code } from "../../wasm/code.ts";
import { op, type } from "../../wasm/opcodes.ts";
import { dtypes } from "../hlo/dtype.ts";
import type { Value } from "../hlo/graph.ts";
import type { Cluster } from "./cluster.ts";
import type { Kernel } from "./kernel.ts";
import type { Target } from "./loop.ts";
import { merge, type Walk } from "./map.ts";
import { repeat } from "./pointers.ts";

/** Rows of the result that a unit writes: a cache line of the source. */
const rows = 16;

interface Transposition {
  /** Dimensions that are neither, with strides in bytes. */
  readonly outer: readonly { readonly extent: number; readonly from: number; readonly to: number }[];
  /** The dimension along which the source's elements are side by side. */
  readonly row: { readonly extent: number; readonly to: number };
  /** The dimension along which the result's are. */
  readonly column: { readonly extent: number; readonly from: number };
  readonly from: number;
  readonly to: number;
}

/** The kernel of a cluster that does nothing but transpose; undefined for others. */
export function transposeKernel({ expression, sources, space }: Cluster, target: Target): Kernel | undefined {
  const [source] = sources;
  if (expression.kind !== "operand" || source?.kind !== "memory" || dtypes[expression.dtype].bytes !== 4)
    return undefined;
  const { space: extents, walks } = merge(space, [source.walk, target.walk]);
  const [read, written] = walks as [Walk, Walk];
  const last = extents.length - 1;
  const along = read.strides.findIndex((stride, k) => stride === 1 && k !== last && extents[k]! > 1);
  if (along < 0 || written.strides[last] !== 1 || read.strides[last] === 0) return undefined;
  if (extents[along]! < 4 || extents[last]! < 4 || [...read.strides, ...written.strides].some((n) => n < 0))
    return undefined;
  const transposition: Transposition = {
    outer: extents
      .map((extent, k) => ({ extent, from: read.strides[k]! * 4, to: written.strides[k]! * 4, k }))
      .filter(({ k }) => k !== along && k !== last)
      .map(({ extent, from, to }) => ({ extent, from, to })),
    row: { extent: extents[along]!, to: written.strides[along]! * 4 },
    column: { extent: extents[last]!, from: read.strides[last]! * 4 },
    from: read.offset * 4,
    to: written.offset * 4,
  };
  const operand: Value = source.value;
  const count = transposition.outer.reduce((product, { extent }) => product * extent, 1);
  return {
    key: `transpose ${JSON.stringify(transposition)}`,
    name: `transpose [${extents.join("x")}]`,
    units: count * Math.ceil(transposition.row.extent / rows),
    unitCost: transposition.column.extent * 8 + 20,
    operands: [operand],
    results: [target.value],
    packs: [],
    scratch: 0,
    emit: (code) => emitTranspose(code, transposition),
  };
}

/** Four bytes of a shuffle: the lane of two vectors side by side. */
const lane = (n: number) => 0x03020100 + 0x04040404 * n;

function emitTranspose(code: Code, { outer, row, column, from, to }: Transposition): void {
  const [source, target, rest, index] = [0, 0, 0, 0].map(() => code.local(type.i32)) as [
    number,
    number,
    number,
    number,
  ];
  const blocks = Math.ceil(row.extent / rows);
  const out = code.block();
  const units = code.loop();
  code.get(0).get(1).op(op["i32.ge_s"]).brIf(out);
  const split = (extent: number): void => {
    code.get(rest).i32(extent).op(op["i32.rem_u"]).set(index).get(rest).i32(extent).op(op["i32.div_u"]).set(rest);
  };
  const move = (local: number, step: number): void => {
    code.get(local).get(index).i32(step).op(op["i32.mul"]).op(op["i32.add"]).set(local);
  };
  code.get(0).set(rest).get(2).i32(from).op(op["i32.add"]).set(source).get(3).i32(to).op(op["i32.add"]).set(target);
  split(blocks);
  const block = code.local(type.i32);
  code.get(index).set(block);
  move(source, rows * 4);
  move(target, rows * row.to);
  for (const dimension of outer.toReversed()) {
    split(dimension.extent);
    move(source, dimension.from);
    move(target, dimension.to);
  }
  const step = (columns: number): void => {
    code
      .get(source)
      .i32(columns * column.from)
      .op(op["i32.add"])
      .set(source);
    code
      .get(target)
      .i32(columns * 4)
      .op(op["i32.add"])
      .set(target);
  };
  const single = (r: number, c: number): void => {
    code
      .get(target)
      .get(source)
      .memory(op["i32.load"], c * column.from + r * 4);
    code.memory(op["i32.store"], r * row.to + c * 4);
  };
  const part = (count: number): void => {
    repeat(code, Math.floor(column.extent / 4), () => {
      let r = 0;
      for (; r + 4 <= count; r += 4) emitTile(code, { source, target, row: row.to, column: column.from, r });
      for (; r < count; r++) for (let c = 0; c < 4; c++) single(r, c);
      step(4);
    });
    for (let c = 0; c < column.extent % 4; c++) for (let r = 0; r < count; r++) single(r, c);
  };
  const tail = row.extent % rows;
  if (tail === 0) part(rows);
  else if (blocks === 1) part(tail);
  else {
    code
      .get(block)
      .i32(blocks - 1)
      .op(op["i32.eq"])
      .if();
    part(tail);
    code.else();
    part(rows);
    code.end();
  }
  code.get(0).i32(1).op(op["i32.add"]).set(0).br(units).end().end();
}

function emitTile(
  code: Code,
  { source, target, row, column, r }: { source: number; target: number; row: number; column: number; r: number },
): void {
  const read = [0, 1, 2, 3].map((c) => {
    const vector = code.local(type.v128);
    code
      .get(source)
      .memory(op["v128.load"], c * column + r * 4)
      .set(vector);
    return vector;
  });
  const [a, b, c, d] = read as [number, number, number, number];
  const pair = (x: number, y: number, lanes: readonly [number, number, number, number]): number => {
    const vector = code.local(type.v128);
    const [i, j, k, l] = lanes;
    code.get(x).get(y).shuffle(lane(i), lane(j), lane(k), lane(l)).set(vector);
    return vector;
  };
  const [low, high] = [
    [pair(a, b, [0, 4, 1, 5]), pair(c, d, [0, 4, 1, 5])],
    [pair(a, b, [2, 6, 3, 7]), pair(c, d, [2, 6, 3, 7])],
  ] as const;
  [low, high].forEach(([x, y], half) => {
    for (const [i, lanes] of [
      [0, [0, 1, 4, 5]],
      [1, [2, 3, 6, 7]],
    ] as const) {
      code.get(target).get(pair(x, y, lanes));
      code.memory(op["v128.store"], (r + half * 2 + i) * row);
    }
  });
}
