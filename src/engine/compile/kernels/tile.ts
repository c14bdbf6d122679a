// The innermost loops: a tile of sums in registers, rows of A times panels of B.

import type { Code } from "../../../wasm/code.ts";
import { op, type } from "../../../wasm/opcodes.ts";
import type { DType } from "../../hlo/dtype.ts";
import { type Amount, increase, loadSome, push } from "./emit.ts";

/** How products are added up, four columns at a time. */
export interface Arithmetic {
  readonly name: string;
  /** Type of the sums. */
  readonly sum: DType;
  /** Bytes of an element of A and of B as the loops read them. */
  readonly bytes: number;
  /** Elements along the depth that one instruction takes: B has them side by side. */
  readonly step: number;
  /** Pops nothing: sum += a * b, all locals. */
  accumulate(code: Code, sum: number, a: number, b: number): void;
}

const multiplyAdd = (code: Code, sum: number, a: number, b: number): void => {
  code.get(sum).get(a).get(b).op(op["f32x4.mul"]).op(op["f32x4.add"]).set(sum);
};
const fused = (code: Code, sum: number, a: number, b: number): void => {
  code.get(a).get(b).get(sum).op(op["f32x4.relaxed_madd"]).set(sum);
};
const dot = (code: Code, sum: number, a: number, b: number): void => {
  code.get(sum).get(a).get(b).op(op["i32x4.dot_i16x8_s"]).op(op["i32x4.add"]).set(sum);
};

export const arithmetics = {
  f32: { name: "f32", sum: "f32", bytes: 4, step: 1, accumulate: multiplyAdd },
  relaxed: { name: "relaxed", sum: "f32", bytes: 4, step: 1, accumulate: fused },
  /** Integers of 8 bits, widened to 16 with their zero points subtracted. */
  i16: { name: "i16", sum: "i32", bytes: 2, step: 2, accumulate: dot },
} as const satisfies Record<string, Arithmetic>;

/** Loops over what is summed: taps of a window, outermost first, then the depth. A's strides are in bytes. */
export interface Summation {
  readonly taps: readonly { readonly count: Amount; readonly stride: number }[];
  readonly depth: number;
  readonly stride: number;
}

/**
 * A register tile: rows of A times columns of B. Its sums are vectors of four columns, to which an element of A is
 * multiplied in all lanes; or, `along` the depth, a vector for every column that neighbouring products are added to.
 */
export interface TileShape {
  readonly rows: number;
  readonly columns: number;
  readonly along: boolean;
}

/** Vectors of four columns. */
export const vectorsOf = ({ columns }: TileShape): number => Math.ceil(columns / 4);
/** Vectors of B that a step of the depth takes. */
export const partsOf = (tile: TileShape): number => (tile.along ? tile.columns : vectorsOf(tile));
/** Elements of the depth that a step takes. */
export const stepOf = ({ along }: TileShape, { step, bytes }: Arithmetic): number => (along ? 16 / bytes : step);

/** Where the vectors of B are: bytes from one to the next, and to those of the next step. */
export interface PanelLayout {
  readonly part: number;
  readonly advance: number;
  /** Lanes of the last vector of a step that may be read; along the depth, whether B ends with A. */
  readonly lastLanes: number;
  readonly exact: boolean;
}

/** Registers of a tile, reused by every tile of a function. */
export interface Registers {
  readonly sums: readonly number[];
  readonly b: readonly number[];
  readonly a: number;
  readonly end: number;
  readonly counters: readonly number[];
}

export function tileRegisters(code: Code, tile: TileShape, taps: number): Registers {
  const vector = () => code.local(type.v128);
  const integer = () => code.local(type.i32);
  return {
    sums: Array.from({ length: tile.rows * partsOf(tile) }, vector),
    b: Array.from({ length: partsOf(tile) }, vector),
    a: vector(),
    end: integer(),
    counters: Array.from({ length: taps }, integer),
  };
}

/**
 * Sums of one tile, from zero: `sums[row * vectors + vector]`. `a` and `b` are locals with the addresses of the first
 * row's first element and of the panel; both are moved. Rows of A are `rowStride` bytes apart.
 */
export function emitTile(
  code: Code,
  arithmetic: Arithmetic,
  tile: TileShape,
  summation: Summation,
  layout: PanelLayout,
  registers: Registers,
  a: number,
  b: number,
  rowStride: number,
): void {
  const { sums } = registers;
  const parts = partsOf(tile);
  for (let i = 0; i < tile.rows * parts; i++) code.v128(0, 0, 0, 0).set(sums[i]!);
  const step = stepOf(tile, arithmetic);
  // Floats beyond A's depth may be NaN: the last step reads what is there. Integers are multiplied by zeros of B.
  const rest = tile.along && arithmetic.sum === "f32" ? summation.depth % step : 0;
  const rounds = rest > 0 ? Math.floor(summation.depth / step) : Math.ceil(summation.depth / step);
  const advance = summation.stride * step;
  const products = (lanes: number) => {
    for (let v = 0; v < parts; v++) {
      const bLanes = tile.along ? (layout.exact ? lanes : 4) : v === parts - 1 ? layout.lastLanes : 4;
      loadSome(code, "f32", b, v * layout.part, bLanes);
      code.set(registers.b[v]!);
    }
    for (let r = 0; r < tile.rows; r++) {
      if (tile.along) loadSome(code, "f32", a, r * rowStride, lanes);
      else code.get(a).memory(op["v128.load32_splat"], r * rowStride);
      code.set(registers.a);
      for (let v = 0; v < parts; v++) arithmetic.accumulate(code, sums[r * parts + v]!, registers.a, registers.b[v]!);
    }
  };
  const depth = () => {
    if (rounds === 1) {
      products(4);
      increase(code, a, advance);
      increase(code, b, layout.advance);
    } else if (rounds > 1) {
      code
        .get(b)
        .i32(rounds * layout.advance)
        .op(op["i32.add"])
        .set(registers.end);
      const again = code.loop();
      products(4);
      increase(code, a, advance);
      code.get(b).i32(layout.advance).op(op["i32.add"]).tee(b);
      code.get(registers.end).op(op["i32.ne"]).brIf(again);
      code.end();
    }
    if (rest === 0) return;
    products(rest);
    increase(code, b, layout.advance);
  };
  // Inside the taps, what the inner loop has moved A by is taken back.
  const nest = (level: number, body: () => void): void => {
    const tap = summation.taps[level];
    if (!tap) {
      body();
      return;
    }
    const inner = summation.taps[level + 1];
    const moved = inner ? (inner.count as number) * inner.stride : rounds * advance;
    const counter = registers.counters[level]!;
    push(code, tap.count);
    code.tee(counter).if();
    const again = code.loop();
    nest(level + 1, body);
    increase(code, a, tap.stride - moved);
    code.get(counter).i32(1).op(op["i32.sub"]).tee(counter).brIf(again);
    code.end().end();
  };
  nest(0, depth);
  if (tile.along) addAcross(code, arithmetic, tile, sums);
}

/** The sums of every four columns become one vector. */
function addAcross(code: Code, { sum }: Arithmetic, tile: TileShape, sums: readonly number[]): void {
  const add = sum === "f32" ? op["f32x4.add"] : op["i32x4.add"];
  const [pair, other] = [code.local(type.v128), code.local(type.v128)];
  const vectors = vectorsOf(tile);
  for (let r = 0; r < tile.rows; r++) {
    for (let v = 0; v < vectors; v++) {
      const column = (c: number) => sums[r * tile.columns + Math.min(v * 4 + c, tile.columns - 1)]!;
      for (const [c, to] of [
        [0, pair],
        [2, other],
      ] as const) {
        // Lanes 0 and 2, 1 and 3 of two columns, in turn.
        code
          .get(column(c))
          .get(column(c + 1))
          .shuffle(0x03020100, 0x13121110, 0x07060504, 0x17161514);
        code
          .get(column(c))
          .get(column(c + 1))
          .shuffle(0x0b0a0908, 0x1b1a1918, 0x0f0e0d0c, 0x1f1e1d1c);
        code.op(add).set(to);
      }
      code.get(pair).get(other).shuffle(0x03020100, 0x07060504, 0x13121110, 0x17161514);
      code.get(pair).get(other).shuffle(0x0b0a0908, 0x0f0e0d0c, 0x1b1a1918, 0x1f1e1d1c);
      code.op(add).set(sums[r * vectors + v]!);
    }
  }
}
