// Kernels that move windows of elements to and from places known only at run time: gather (embeddings), dynamicSlice
// and dynamicUpdateSlice, on every element type.

import type { Code } from "../../wasm/code.ts";
import { op, type } from "../../wasm/opcodes.ts";
import { type DType, dtypes } from "../hlo/dtype.ts";
import { is, type Operation, type Value } from "../hlo/graph.ts";
import { elementCount, stridesOf } from "../hlo/tensor.ts";
import type { Kernel } from "./kernel.ts";
import { merge, type Walk } from "./map.ts";
import { repeat } from "./pointers.ts";

/** An index: where it is read and what it moves. */
interface Place {
  /** Which operand of the kernel. */
  readonly operand: number;
  readonly dtype: DType;
  /** Elements from one unit's index to the next, along the units' dimensions; and of the first one. */
  readonly strides: readonly number[];
  readonly offset: number;
  /** Largest allowed: indices are clamped. */
  readonly limit: number;
  /** Elements that the window moves for one. */
  readonly step: number;
}

/** A window for each unit, from `from` to `to` (parameters). Strides are in elements. */
interface Move {
  readonly name: string;
  readonly operands: readonly Value[];
  readonly result: Value;
  /** Bytes of an element. */
  readonly bytes: number;
  /** Which parameter is read and which is written. */
  readonly from: number;
  readonly to: number;
  /** Dimensions of the units, with strides. */
  readonly units: {
    readonly extents: readonly number[];
    readonly from: readonly number[];
    readonly to: readonly number[];
  };
  readonly window: {
    readonly extents: readonly number[];
    readonly from: readonly number[];
    readonly to: readonly number[];
  };
  readonly places: readonly Place[];
  /** The side that indices move. */
  readonly moved: "from" | "to";
}

const productOf = (numbers: readonly number[]) => numbers.reduce((product, n) => product * n, 1);

/** The kernel of a gather; undefined for other operations. */
export function gatherKernel(operation: Operation): Kernel | undefined {
  if (!is(operation, "gather")) return undefined;
  const a = operation.attributes;
  const [x, starts] = operation.operands as [Value, Value];
  const result = operation.results[0]!;
  const { bytes } = dtypes[x.type.dtype];
  const source = stridesOf(x.type.shape);
  const index = stridesOf(starts.type.shape);
  const target = stridesOf(result.type.shape);
  const batchDims = result.type.shape.map((_, i) => i).filter((i) => !a.offsetDims.includes(i));
  const indexDims = starts.type.shape.map((_, i) => i).filter((i) => i !== a.indexVectorDim);
  const extents = indexDims.map((i) => starts.type.shape[i]!);
  const windowDims = x.type.shape
    .map((_, i) => i)
    .filter((i) => !a.collapsedSliceDims.includes(i) && !a.operandBatchingDims.includes(i));
  const fromUnits = indexDims.map((i) => {
    const at = a.startIndicesBatchingDims.indexOf(i);
    return at < 0 ? 0 : source[a.operandBatchingDims[at]!]!;
  });
  return moveKernel({
    name: "gather",
    operands: [x, starts],
    result,
    bytes,
    from: 2,
    to: 4,
    units: { extents, from: fromUnits, to: batchDims.map((i) => target[i]!) },
    window: {
      extents: windowDims.map((i) => a.sliceSizes[i]!),
      from: windowDims.map((i) => source[i]!),
      to: a.offsetDims.map((i) => target[i]!),
    },
    places: a.startIndexMap.map((axis, k) => ({
      operand: 1,
      dtype: starts.type.dtype,
      strides: indexDims.map((i) => index[i]!),
      offset: a.indexVectorDim < starts.type.shape.length ? k * index[a.indexVectorDim]! : 0,
      limit: x.type.shape[axis]! - a.sliceSizes[axis]!,
      step: source[axis]!,
    })),
    moved: "from",
  });
}

/** The kernel of a dynamicSlice, or of a dynamicUpdateSlice on a result that has the operand's elements already. */
export function sliceKernel(operation: Operation): Kernel | undefined {
  const result = operation.results[0]!;
  const update = is(operation, "dynamicUpdateSlice");
  if (!update && !is(operation, "dynamicSlice")) return undefined;
  const whole = update ? result : operation.operands[0]!;
  const part = update ? operation.operands[1]! : result;
  const indices = operation.operands.slice(update ? 2 : 1);
  const { shape, dtype } = whole.type;
  const strides = { whole: stridesOf(shape), part: stridesOf(part.type.shape) };
  const operands = [update ? part : whole, ...indices];
  return moveKernel({
    name: operation.op,
    operands,
    result,
    bytes: dtypes[dtype].bytes,
    from: 2,
    to: 2 + operands.length,
    units: { extents: [], from: [], to: [] },
    window: {
      extents: part.type.shape,
      from: update ? strides.part : strides.whole,
      to: update ? strides.whole : strides.part,
    },
    places: indices.map((index, i) => ({
      operand: 1 + i,
      dtype: index.type.dtype,
      strides: [],
      offset: 0,
      limit: shape[i]! - part.type.shape[i]!,
      step: strides.whole[i]!,
    })),
    moved: update ? "to" : "from",
  });
}

/**
 * The kernel of a move along strides, of any element type: to a part of `result`, from a value walked along the part's
 * dimensions.
 */
export function copyKernel(
  source: Value,
  result: Value,
  { extents, from, to }: { extents: readonly number[]; from: Walk; to: Walk },
): Kernel {
  const { bytes } = dtypes[source.type.dtype];
  // The outer dimensions are units, the innermost ones the window.
  const merged = merge(extents, [from, to]);
  const [read, written] = merged.walks as [Walk, Walk];
  const split = Math.max(0, merged.space.length - 1);
  const part = (begin: number, end?: number) => ({
    extents: merged.space.slice(begin, end),
    from: read.strides.slice(begin, end),
    to: written.strides.slice(begin, end),
  });
  return moveKernel({
    name: "copy",
    operands: [source],
    result,
    bytes,
    from: 2,
    to: 3,
    units: part(0, split),
    window: part(split),
    places: [],
    moved: "from",
  });
}

function moveKernel(move: Move): Kernel {
  const { name, operands, result, units, window, bytes } = move;
  const { extents } = window;
  const size = productOf(extents) * bytes;
  const { operands: _, result: __, ...rest } = move;
  return {
    key: `move ${JSON.stringify(rest)}`,
    name: `${name} [${[...units.extents, ...extents].join("x")}]`,
    units: productOf(units.extents),
    unitCost: Math.ceil(size / 8) + 20,
    operands,
    results: [result],
    packs: [],
    scratch: 0,
    emit: (code) => emitMove(code, move),
  };
}

/** Pushes an index as an i32 between 0 and its limit. */
function pushIndex(code: Code, { dtype, limit }: Place): void {
  const { bytes, kind } = dtypes[dtype];
  const sign = kind === "signed" ? "s" : "u";
  const loads = { 1: `i64.load8_${sign}`, 2: `i64.load16_${sign}`, 4: `i64.load32_${sign}`, 8: "i64.load" } as const;
  const value = code.local(type.i64);
  code.memory(op[loads[bytes as 1 | 2 | 4 | 8]]).set(value);
  // Unsigned indices of 64 bits that look negative are too large.
  if (dtype === "u64") {
    code.i64(limit).get(value).i64(limit).get(value).op(op["i64.lt_u"]).op(op.select).op(op["i32.wrap_i64"]);
    return;
  }
  code.i64(0).get(value).get(value).i64(0).op(op["i64.lt_s"]).op(op.select).set(value);
  code.i64(limit).get(value).get(value).i64(limit).op(op["i64.gt_s"]).op(op.select).op(op["i32.wrap_i64"]);
}

function emitMove(code: Code, move: Move): void {
  const { units, window, bytes, places } = move;
  const [from, to, at] = [code.local(type.i32), code.local(type.i32), code.local(type.i32)];
  const out = code.block();
  const loop = code.loop();
  code.get(0).get(1).op(op["i32.ge_s"]).brIf(out);
  code.get(move.from).set(from).get(move.to).set(to);
  // The unit's indices along its dimensions.
  const indices = units.extents.map(() => code.local(type.i32));
  const rest = code.local(type.i32);
  code.get(0).set(rest);
  for (let k = units.extents.length - 1; k >= 0; k--) {
    if (k === 0) code.get(rest).set(indices[k]!);
    else {
      code.get(rest).get(rest).i32(units.extents[k]!).op(op["i32.div_u"]).tee(rest);
      code.i32(units.extents[k]!).op(op["i32.mul"]).op(op["i32.sub"]).set(indices[k]!);
    }
  }
  const add = (local: number, strides: readonly number[], size: number): void => {
    strides.forEach((stride, k) => {
      if (stride === 0) return;
      code
        .get(local)
        .get(indices[k]!)
        .i32(stride * size)
        .op(op["i32.mul"])
        .op(op["i32.add"])
        .set(local);
    });
  };
  add(from, units.from, bytes);
  add(to, units.to, bytes);
  const moved = move.moved === "from" ? from : to;
  for (const place of places) {
    const size = dtypes[place.dtype].bytes;
    code
      .get(2 + place.operand)
      .i32(place.offset * size)
      .op(op["i32.add"])
      .set(at);
    add(at, place.strides, size);
    code.get(moved).get(at);
    pushIndex(code, place);
    code
      .i32(place.step * bytes)
      .op(op["i32.mul"])
      .op(op["i32.add"])
      .set(moved);
  }
  const merged = merge(window.extents, [
    { offset: 0, strides: window.from },
    { offset: 0, strides: window.to },
  ]);
  const [source, target] = merged.walks as [Walk, Walk];
  const level = (k: number): void => {
    const extent = merged.space[k];
    if (extent === undefined) {
      copyRun(code, from, to, bytes);
      return;
    }
    const [a, b] = [source.strides[k]! * bytes, target.strides[k]! * bytes];
    if (k === merged.space.length - 1 && a === bytes && b === bytes) {
      copyRun(code, from, to, extent * bytes);
      return;
    }
    repeat(code, extent, () => {
      level(k + 1);
      code.get(from).i32(a).op(op["i32.add"]).set(from).get(to).i32(b).op(op["i32.add"]).set(to);
    });
    code
      .get(from)
      .i32(a * extent)
      .op(op["i32.sub"])
      .set(from)
      .get(to)
      .i32(b * extent)
      .op(op["i32.sub"])
      .set(to);
  };
  level(0);
  code.get(0).i32(1).op(op["i32.add"]).set(0).br(loop).end().end();
}

/** Copies bytes that lie side by side; few of them by loads and stores. */
function copyRun(code: Code, from: number, to: number, size: number): void {
  if (size > 256) {
    code.get(to).get(from).i32(size).memoryCopy();
    return;
  }
  const widths = [
    [16, op["v128.load"], op["v128.store"]],
    [8, op["i64.load"], op["i64.store"]],
    [4, op["i32.load"], op["i32.store"]],
    [2, op["i32.load16_u"], op["i32.store16"]],
    [1, op["i32.load8_u"], op["i32.store8"]],
  ] as const;
  let at = 0;
  for (const [width, load, store] of widths) {
    for (; size - at >= width; at += width) code.get(to).get(from).memory(load, at).memory(store, at);
  }
}

/** Whether there is anything to move. */
export const movesNothing = (operation: Operation): boolean =>
  operation.operands.some((value) => elementCount(value.type.shape) === 0);
