// The right side of a contraction as tiles read it: panels of a few columns, each in the order of the summation.
// Constants are laid out when a model is compiled, other values by the kernel itself.

import type { Code } from "../../../wasm/code.ts";
import { op, type } from "../../../wasm/opcodes.ts";
import type { Value } from "../../hlo/graph.ts";
import type { Tensor } from "../../hlo/tensor.ts";
import { increase, loadSome, loopWhileBelow, scaled, storeSome } from "./emit.ts";
import { bitsIn, emitWiden, type Half } from "./half.ts";
import { type Arithmetic, partsOf, stepOf, type TileShape } from "./tile.ts";

/** Where the elements of B are, in elements of `value`. */
export type Source =
  | {
      readonly kind: "constant";
      readonly value: Value;
      /** Says what the offsets below are made of. */
      readonly key: string;
      /** One for each batch, for each step of the summation, for each column. */
      readonly batches: readonly number[];
      readonly depth: readonly number[];
      readonly columns: readonly number[];
      /** Subtracted from the elements. */
      readonly zeroPoint: number;
      /** Elements of f32 are held as this, and widened by the kernel. */
      readonly half?: Half | undefined;
    }
  | {
      readonly kind: "strided";
      readonly value: Value;
      readonly offset: number;
      readonly depth: { readonly extent: number; readonly stride: number };
      readonly column: number;
    };

/** How columns are divided: `full` panels as wide as the tile, then one of `tail` columns, if that is not 0. */
export interface Division {
  readonly tile: TileShape;
  readonly full: number;
  readonly tail: number;
  /** Bytes of a full panel, and of all, when they are laid out: as tiles read them, but for halves. */
  readonly panelBytes: number;
  readonly bytes: number;
}

/** `taps` times `depth` elements are summed; each tap's depth is rounded up to whole steps. */
export function divide(
  columns: number,
  tile: TileShape,
  taps: number,
  depth: number,
  arithmetic: Arithmetic,
): Division {
  const full = Math.floor(columns / tile.columns);
  const tail = columns - full * tile.columns;
  const rounds = taps * Math.ceil(depth / stepOf(tile, arithmetic));
  const panelBytes = rounds * partsOf(tile) * 16;
  const tailBytes = tail > 0 ? rounds * partsOf({ ...tile, columns: tail }) * 16 : 0;
  return { tile, full, tail, panelBytes, bytes: full * panelBytes + tailBytes };
}

/** What so many bytes of panels take where a source has them. */
export const storedBytes = (bytes: number, source: Source): number =>
  source.kind === "constant" && source.half ? bytes / 2 : bytes;

export const panelsOf = ({ full, tail }: Division): number => full + (tail > 0 ? 1 : 0);

/** The panels of a constant: [batch][panel][tap][step][column][element of the step]. */
export function packConstant(
  tensor: Tensor,
  source: Source & { kind: "constant" },
  division: Division,
  taps: number,
  arithmetic: Arithmetic,
): Tensor {
  const { data } = tensor;
  const { batches, columns, zeroPoint, half } = source;
  const bits = half && bitsIn(tensor, half);
  const { tile } = division;
  const { bytes } = arithmetic;
  const step = stepOf(tile, arithmetic);
  const total = (batches.length * division.bytes) / bytes;
  const depth = Int32Array.from(source.depth);
  const perTap = depth.length / taps;
  /** Where the elements of a column go in a panel of so many columns. */
  const placesIn = (count: number) => {
    const width = (partsOf({ ...tile, columns: count }) * 16) / bytes;
    const steps = Math.ceil(perTap / step);
    return depth.map((_, i) => {
      const k = i % perTap;
      return (Math.floor(i / perTap) * steps + Math.floor(k / step)) * width + (k % step);
    });
  };
  const places = { full: placesIn(tile.columns), tail: placesIn(division.tail || 1) };
  const halves = new Uint16Array(half ? total : 0);
  const floats = new Float32Array(bytes === 4 && !half ? total : 0);
  const integers = new Int16Array(bytes === 4 ? 0 : total);
  batches.forEach((batch, index) => {
    for (let panel = 0; panel < panelsOf(division); panel++) {
      const first = panel * tile.columns;
      const present = Math.min(tile.columns, columns.length - first);
      const place = present === tile.columns ? places.full : places.tail;
      const start = (index * division.bytes + panel * division.panelBytes) / bytes;
      // A block of the depth at a time, so that cache lines are used by all columns.
      for (let block = 0; block < depth.length; block += blockDepth) {
        const offsets = depth.subarray(block, block + blockDepth);
        const blockPlaces = place.subarray(block, block + blockDepth);
        for (let column = 0; column < present; column++) {
          const to = start + column * step;
          const from = batch + columns[first + column]!;
          if (bits) fillHalves(halves, blockPlaces, to, bits, offsets, from);
          else if (bytes === 4) fillFloats(floats, blockPlaces, to, data as Float32Array, offsets, from);
          else fillIntegers(integers, blockPlaces, to, data as Int8Array, offsets, from, zeroPoint);
        }
      }
    }
  });
  if (half) return { dtype: half, shape: [total], data: halves };
  return { dtype: bytes === 4 ? "f32" : "i16", shape: [total], data: bytes === 4 ? floats : integers };
}

const blockDepth = 64;

// A column at a time, in small functions: what V8 has optimised by the second column.

function fillFloats(
  packed: Float32Array,
  places: Int32Array,
  to: number,
  numbers: Float32Array,
  offsets: Int32Array,
  from: number,
): void {
  for (let i = 0; i < offsets.length; i++) packed[to + places[i]!] = numbers[from + offsets[i]!]!;
}

function fillHalves(
  packed: Uint16Array,
  places: Int32Array,
  to: number,
  bits: (at: number) => number,
  offsets: Int32Array,
  from: number,
): void {
  for (let i = 0; i < offsets.length; i++) packed[to + places[i]!] = bits(from + offsets[i]!);
}

function fillIntegers(
  packed: Int16Array,
  places: Int32Array,
  to: number,
  numbers: Int8Array,
  offsets: Int32Array,
  from: number,
  zeroPoint: number,
): void {
  for (let i = 0; i < offsets.length; i++) packed[to + places[i]!] = numbers[from + offsets[i]!]! - zeroPoint;
}

/**
 * Lays out panels [first, limit) of a strided B of f32, in vectors of columns, at `to`, the first of them at its start. All but the tables are
 * locals; `b` holds the address of the batch's first element.
 */
export function emitPack(
  code: Code,
  source: Source & { kind: "strided" },
  division: Division,
  first: number,
  limit: number,
  b: number,
  to: number,
): void {
  const integer = () => code.local(type.i32);
  const [panel, from, at, k] = [integer(), integer(), integer(), integer()];
  const start = () => {
    code
      .get(b)
      .get(panel)
      .i32(division.tile.columns * 4 * source.column)
      .op(op["i32.mul"])
      .op(op["i32.add"])
      .set(from);
  };
  code.get(to).set(at);
  code.get(first).set(panel);
  const { full, tail, tile } = division;
  if (full > 0) {
    const last = integer();
    code.get(limit).i32(full).get(limit).i32(full).op(op["i32.lt_s"]).op(op.select).set(last);
    loopWhileBelow(code, panel, { local: last }, 1, () => {
      start();
      emitPanel(code, source, tile.columns, from, at, k);
    });
  }
  if (tail > 0) {
    code.get(limit).i32(full).op(op["i32.gt_s"]).if();
    code.i32(full).set(panel);
    start();
    emitPanel(code, source, tail, from, at, k);
    code.end();
  }
}

/** Widens panels [first, limit) of a constant held as halves to `to`. All but the tables are locals, as above. */
export function emitWidening(
  code: Code,
  source: Source & { kind: "constant" },
  { full, tail, panelBytes, bytes }: Division,
  first: number,
  limit: number,
  b: number,
  to: number,
): void {
  const [from, at, end] = [code.local(type.i32), code.local(type.i32), code.local(type.i32)];
  scaled(code, first, storedBytes(panelBytes, source));
  code.get(b).op(op["i32.add"]).set(from);
  code.get(to).tee(at).get(limit).get(first).op(op["i32.sub"]);
  code.i32(panelBytes).op(op["i32.mul"]).op(op["i32.add"]).set(end);
  if (tail > 0) {
    // The last panel is a smaller one.
    code
      .get(end)
      .i32((full + 1) * panelBytes - bytes)
      .op(op["i32.sub"])
      .get(end);
    code.get(limit).i32(full).op(op["i32.gt_s"]).op(op.select).set(end);
  }
  const together = [8, 4, 2].find((vectors) => [panelBytes, bytes].every((each) => each % (vectors * 16) === 0));
  emitWiden(code, source.half!, from, at, end, together ?? 1);
}

/** One panel, from `from` to `at`; both are moved. */
function emitPanel(
  code: Code,
  { depth, column }: Source & { kind: "strided" },
  columns: number,
  from: number,
  at: number,
  k: number,
): void {
  const vectors = Math.ceil(columns / 4);
  const width = vectors * 16;
  const lanesOf = (v: number) => Math.min(4, columns - v * 4);
  code.i32(0).set(k);
  if (column === 1) {
    const vector = code.local(type.v128);
    loopWhileBelow(code, k, depth.extent, 1, () => {
      for (let v = 0; v < vectors; v++) {
        loadSome(code, "f32", from, v * 16, lanesOf(v));
        code.set(vector);
        storeSome(code, "f32", at, v * 16, 4, vector);
      }
      increase(code, from, depth.stride * 4);
      increase(code, at, width);
    });
    return;
  }
  const scalars = (v: number, lane: number) => {
    if (lane < lanesOf(v))
      code
        .get(at)
        .get(from)
        .memory(op["f32.load"], (v * 4 + lane) * column * 4);
    else code.get(at).f32(0);
    code.memory(op["f32.store"], (v * 4 + lane) * 4);
  };
  if (depth.stride === 1) {
    const whole = depth.extent - (depth.extent % 4);
    const rows = Array.from({ length: 8 }, () => code.local(type.v128));
    if (whole > 0) {
      loopWhileBelow(code, k, whole, 4, () => {
        for (let v = 0; v < vectors; v++) {
          for (let lane = 0; lane < 4; lane++) {
            if (lane < lanesOf(v)) code.get(from).memory(op["v128.load"], (v * 4 + lane) * column * 4);
            else code.v128(0, 0, 0, 0);
            code.set(rows[lane]!);
          }
          transpose(code, rows);
          for (let row = 0; row < 4; row++) storeSome(code, "f32", at, v * 16 + row * width, 4, rows[row]!);
        }
        increase(code, from, 16);
        increase(code, at, width * 4);
      });
    }
    if (whole === depth.extent) return;
  }
  loopWhileBelow(code, k, depth.extent, 1, () => {
    for (let v = 0; v < vectors; v++) for (let lane = 0; lane < 4; lane++) scalars(v, lane);
    increase(code, from, depth.stride * 4);
    increase(code, at, width);
  });
}

/** Transposes the four by four elements of f32 in the first four of eight locals. */
function transpose(code: Code, [a, b, c, d, e, f, g, h]: readonly number[]): void {
  const low = [0x03020100, 0x13121110, 0x07060504, 0x17161514] as const;
  const high = [0x0b0a0908, 0x1b1a1918, 0x0f0e0d0c, 0x1f1e1d1c] as const;
  const lower = [0x03020100, 0x07060504, 0x13121110, 0x17161514] as const;
  const upper = [0x0b0a0908, 0x0f0e0d0c, 0x1b1a1918, 0x1f1e1d1c] as const;
  const mix = (x: number, y: number, lanes: readonly [number, number, number, number], to: number) =>
    code
      .get(x)
      .get(y)
      .shuffle(...lanes)
      .set(to);
  mix(a!, b!, low, e!);
  mix(c!, d!, low, f!);
  mix(a!, b!, high, g!);
  mix(c!, d!, high, h!);
  mix(e!, f!, lower, a!);
  mix(e!, f!, upper, b!);
  mix(g!, h!, lower, c!);
  mix(g!, h!, upper, d!);
}
