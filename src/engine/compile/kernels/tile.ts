// The innermost loops: a tile of sums in registers, rows of A times panels of B.

import type { Code } from "../../../wasm/code.ts";
import { op, type } from "../../../wasm/opcodes.ts";
import type { DType } from "../../hlo/dtype.ts";
import { type Amount, increase, push } from "./emit.ts";

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

export interface TileShape {
  readonly rows: number;
  readonly vectors: number;
}

/** Registers of a tile, reused by every tile of a function. */
export interface Registers {
  readonly sums: readonly number[];
  readonly b: readonly number[];
  readonly a: number;
  readonly end: number;
  readonly counters: readonly number[];
}

export function tileRegisters(code: Code, { rows, vectors }: TileShape, taps: number): Registers {
  const vector = () => code.local(type.v128);
  const integer = () => code.local(type.i32);
  return {
    sums: Array.from({ length: rows * vectors }, vector),
    b: Array.from({ length: vectors }, vector),
    a: vector(),
    end: integer(),
    counters: Array.from({ length: taps }, integer),
  };
}

/**
 * Sums of one tile, from zero. `a` and `b` are locals with the addresses of the first row's first element and of the
 * panel; both are moved. Rows of A are `rowStride` bytes apart.
 */
export function emitTile(
  code: Code,
  arithmetic: Arithmetic,
  { rows, vectors }: TileShape,
  summation: Summation,
  registers: Registers,
  a: number,
  b: number,
  rowStride: number,
): void {
  const { sums } = registers;
  for (let i = 0; i < rows * vectors; i++) code.v128(0, 0, 0, 0).set(sums[i]!);
  const rounds = Math.ceil(summation.depth / arithmetic.step);
  const advance = summation.stride * arithmetic.step;
  const depth = () => {
    const round = () => {
      for (let v = 0; v < vectors; v++)
        code
          .get(b)
          .memory(op["v128.load"], v * 16)
          .set(registers.b[v]!);
      for (let r = 0; r < rows; r++) {
        code
          .get(a)
          .memory(op["v128.load32_splat"], r * rowStride)
          .set(registers.a);
        for (let v = 0; v < vectors; v++) {
          arithmetic.accumulate(code, sums[r * vectors + v]!, registers.a, registers.b[v]!);
        }
      }
      increase(code, a, advance);
    };
    if (rounds === 1) {
      round();
      increase(code, b, vectors * 16);
      return;
    }
    code
      .get(b)
      .i32(rounds * vectors * 16)
      .op(op["i32.add"])
      .set(registers.end);
    const again = code.loop();
    round();
    code
      .get(b)
      .i32(vectors * 16)
      .op(op["i32.add"])
      .tee(b);
    code.get(registers.end).op(op["i32.ne"]).brIf(again);
    code.end();
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
}
