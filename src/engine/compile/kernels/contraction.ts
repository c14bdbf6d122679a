// Sums of products: matrix products and convolutions as one loop nest around register tiles.

import type { Code } from "../../../wasm/code.ts";
import { op, type } from "../../../wasm/opcodes.ts";
import type { Value } from "../../hlo/graph.ts";
import type { Tensor } from "../../hlo/tensor.ts";
import type { Kernel, KernelContext } from "../kernel.ts";
import { type Bounds, emitBounds } from "./bounds.ts";
import { type Amount, increase, loopWhileBelow, minimum, scaled, split } from "./emit.ts";
import { type Destination, emitStore, operandsOf, type Output, outputKey, packsOf } from "./output.ts";
import { emitPack, emitWidening, packConstant, panelsOf, type Source, storedBytes } from "./panels.ts";
import { linesFor, productOf, type Schedule, scheduleOf, tapsOf } from "./schedule.ts";
import { emitStage, sourceBytes, type Stage, stagedBytes } from "./stage.ts";
import {
  type Arithmetic,
  arithmetics,
  emitTile,
  partsOf,
  type Registers,
  stepOf,
  tileRegisters,
  type TileShape,
  vectorsOf,
} from "./tile.ts";

/** One of the dimensions that rows of the result run along. Strides: elements of A, rows of the result. */
export interface Rows {
  readonly extent: number;
  readonly a: number;
  readonly row: number;
}

/** A dimension along which B, or the first column, may change too. */
export interface Batch extends Rows {
  /** In elements of a strided B; a constant one has one batch after the other. */
  readonly b: number;
  readonly column: number;
  /** In elements of A's copy. */
  readonly staged?: number;
}

/**
 * result[row, n] = sum over taps and depth of A[row, tap, depth] * B[tap, depth, n], where rows are batches, `outer`
 * and `inner`. A matrix product has no taps and its rows in `inner`; a convolution has an image's rows in `outer` and
 * its columns in `inner`. With a stage, all strides of A but those of batches are in its copy.
 */
export interface Contraction {
  readonly name: string;
  readonly arithmetic: "f32" | "i16";
  readonly a: Value;
  /** Of A's first element, in elements; below zero where padding comes first. */
  readonly offset: number;
  readonly stage?: Stage;
  readonly b: Source;
  readonly columns: number;
  readonly batches: readonly Batch[];
  /** Where the rows begin. */
  readonly firstRow: number;
  readonly outer: Rows;
  readonly inner: Rows;
  /** Which of the two is cut into blocks. */
  readonly blocked: "outer" | "inner";
  /** Taps of a window, outermost first. */
  readonly taps: readonly { readonly count: number; readonly a: number }[];
  /** Which of the first taps lie within A for a row of `outer`; all when absent. */
  readonly bounds?: Bounds;
  readonly depth: { readonly extent: number; readonly a: number };
  readonly output: Output;
}

/** What a contraction's code depends on but its output. */
function keyOf(c: Contraction): string {
  const b = c.b.kind === "constant" ? [c.b.batches.length, c.b.half] : [c.b.offset, c.b.depth, c.b.column];
  return JSON.stringify({ ...c, name: "", a: "", b, output: "" });
}

/** The kernel of contractions of the same operands, each a part of one output. */
export function contractionKernel(parts: readonly Contraction[]): Kernel {
  const [{ a, b, name, output }] = parts as [Contraction];
  const scheduled = parts.map((c) => ({ c, s: scheduleOf(c) }));
  const units = scheduled.reduce((sum, { s }) => sum + s.units, 0);
  const cost = scheduled.reduce((sum, { s }) => sum + s.units * s.unitCost, 0);
  const panels = { operand: 1, key: "", pack: (tensor: Tensor) => packParts(tensor, scheduled) };
  const packKey = ({ c, s }: Scheduled) =>
    c.b.kind === "constant" ? [c.b.key, s.tile.columns, s.tile.along, c.arithmetic, c.b.zeroPoint, c.b.half] : [];
  return {
    key: `contraction ${parts.map(keyOf).join()} ${outputKey(output)}`,
    name,
    units,
    unitCost: Math.ceil(cost / units),
    operands: [a, b.value, ...operandsOf(output)],
    results: [output.epilogue?.result ?? output.result],
    packs: [
      ...(b.kind === "constant" ? [{ ...panels, key: `panels ${JSON.stringify(scheduled.map(packKey))}` }] : []),
      ...packsOf(output, 2),
    ],
    scratch: Math.max(...scheduled.map(({ s: { scratch } }) => scratch.spill + scratch.a + scratch.b)),
    emit(code, context) {
      let firstUnit = 0;
      let bytes = 0;
      for (const { c, s } of scheduled) {
        emitPart(code, context, c, s, { firstUnit, units, bytes });
        firstUnit += s.units;
        bytes += packedBytes({ c, s });
      }
    },
  };
}

interface Scheduled {
  readonly c: Contraction;
  readonly s: Schedule;
}

/** Bytes of a part's panels among those of all parts. */
const packedBytes = ({ c: { b }, s }: Scheduled) =>
  b.kind === "constant" ? b.batches.length * storedBytes(s.division.bytes, b) : 0;

/** The panels of all parts, one after the other. */
function packParts(tensor: Tensor, parts: readonly Scheduled[]): Tensor {
  const packed = parts.flatMap(({ c, s }) =>
    c.b.kind === "constant" ? [packConstant(tensor, c.b, s.division, tapsOf(c), arithmetics[c.arithmetic])] : [],
  );
  const [first] = packed as [Tensor];
  if (packed.length === 1) return first;
  const total = packed.reduce((sum, { data }) => sum + data.length, 0);
  const all = first.dtype === "f32" ? new Float32Array(total) : new Int16Array(total);
  let at = 0;
  for (const { data } of packed) {
    all.set(data as Float32Array, at);
    at += data.length;
  }
  return { dtype: first.dtype, shape: [total], data: all };
}

/** What the parts of a function share: locals, but for what is said. */
interface Frame {
  readonly c: Contraction;
  readonly s: Schedule;
  readonly context: KernelContext;
  readonly arithmetic: Arithmetic;
  readonly destination: Destination;
  readonly registers: Registers;
  /** Rows of the block. */
  readonly first: number;
  readonly last: number;
  /** Address of the block's first element of A, and its first row of the result. */
  readonly aBlock: number;
  readonly row: number;
  /** The panel: its address, and its first column. */
  readonly bPanel: number;
  readonly column: number;
  /** Address of what is touched next of the panel to come. */
  readonly ahead: number;
}

/** One part: those units of the kernel's range that are its own. */
function emitPart(
  code: Code,
  context: KernelContext,
  c: Contraction,
  s: Schedule,
  { firstUnit, units, bytes }: { readonly firstUnit: number; readonly units: number; readonly bytes: number },
): void {
  const integer = () => code.local(type.i32);
  const [aAddress, bAddress] = [2, 3];
  let [unit, end] = [0, 1];
  if (s.units < units) {
    // From the part's first unit on, which counts as 0, to its last.
    [unit, end] = [integer(), integer()];
    code.get(0).i32(firstUnit).op(op["i32.sub"]).tee(unit).i32(0).get(unit).i32(0);
    code.op(op["i32.gt_s"]).op(op.select).set(unit);
    code.get(1).i32(firstUnit).op(op["i32.sub"]).set(end);
    minimum(code, { local: end }, s.units);
    code.set(end);
  }
  const extra = operandsOf(c.output).length;
  const scratch = 5 + extra;
  const frame: Frame = {
    c,
    s,
    context,
    arithmetic: arithmetics[c.arithmetic === "f32" && context.relaxed ? "relaxed" : c.arithmetic],
    destination: {
      ...c.output,
      result: c.output.epilogue?.result ?? c.output.result,
      address: 4 + extra,
      operands: Array.from({ length: extra }, (_, i) => 4 + i),
      spill: scratch,
    },
    registers: tileRegisters(code, s.tile, c.taps.length),
    first: integer(),
    last: integer(),
    aBlock: integer(),
    row: integer(),
    bPanel: integer(),
    column: integer(),
    ahead: integer(),
  };
  const { first, last, aBlock, row, bPanel, column, ahead } = frame;
  const [rest, bBatch, firstColumn, panel, panelEnd] = [integer(), integer(), integer(), integer(), integer()];
  const panels = panelsOf(s.division);
  const layout = layoutOf(c, s);
  const aBytes = c.stage ? sourceBytes(c.stage) : 4;
  const bBytes = frame.arithmetic.bytes;
  const [blocked, step] = c.blocked === "outer" ? [c.outer, c.outer.extent] : [c.inner, c.inner.extent];
  const add = (to: number, index: number, stride: number) => {
    if (stride === 0) return;
    code.get(to);
    scaled(code, index, stride);
    code.op(op["i32.add"]).set(to);
  };
  loopWhileBelow(code, unit, { local: end }, 1, () => {
    code.get(unit).set(rest);
    const indices = split(code, rest, [...c.batches.map(({ extent }) => extent), s.blocks, s.groups]);
    const group = indices.pop()!;
    const block = indices.pop()!;
    scaled(code, block, s.blockRows);
    code.tee(first).i32(s.blockRows).op(op["i32.add"]).set(last);
    minimum(code, { local: last }, step);
    code.set(last);
    const [aOffset, bOffset] = [c.offset * aBytes, c.b.kind === "strided" ? c.b.offset * bBytes : bytes];
    code.get(aAddress).i32(aOffset).op(op["i32.add"]).set(aBlock);
    code.get(bAddress).i32(bOffset).op(op["i32.add"]).set(bBatch);
    code.i32(0).set(firstColumn);
    scaled(code, first, blocked.row);
    code.i32(c.firstRow).op(op["i32.add"]).set(row);
    c.batches.forEach(({ extent, a, b, row: rows, column: columns }, i) => {
      if (extent === 1) return;
      const index = indices[i]!;
      add(aBlock, index, a * aBytes);
      add(bBatch, index, b * (c.b.kind === "strided" ? bBytes : storedBytes(s.division.bytes, c.b)));
      add(row, index, rows);
      add(firstColumn, index, columns);
    });
    if (c.stage) {
      emitCopy(code, frame, scratch);
      c.batches.forEach(({ staged = 0 }, i) => add(aBlock, indices[i]!, staged * bBytes));
    } else add(aBlock, first, blocked.a * aBytes);
    scaled(code, group, s.groupPanels);
    code.tee(panel).i32(s.groupPanels).op(op["i32.add"]).set(panelEnd);
    minimum(code, { local: panelEnd }, panels);
    code.set(panelEnd);
    if (s.scratch.b > 0) {
      code
        .get(scratch)
        .i32(s.scratch.spill + s.scratch.a)
        .op(op["i32.add"])
        .set(bPanel);
      if (c.b.kind === "strided") emitPack(code, c.b, s.division, panel, panelEnd, bBatch, bPanel);
      else emitWidening(code, c.b, s.division, panel, panelEnd, bBatch, bPanel);
    } else {
      code.get(bBatch).set(bPanel);
      add(bPanel, panel, layout.panel);
    }
    const sweep = (columns: number) => {
      scaled(code, panel, s.tile.columns);
      code.get(firstColumn).op(op["i32.add"]).set(column);
      // The next panel, if the unit has one.
      code.get(bPanel).get(panel).i32(1).op(op["i32.add"]).get(panelEnd).op(op["i32.lt_s"]);
      code.i32(s.division.panelBytes).op(op["i32.mul"]).op(op["i32.add"]).set(ahead);
      emitRows(code, frame, { ...s.tile, columns });
    };
    if (s.division.full > 0) {
      const limit = integer();
      minimum(code, { local: panelEnd }, s.division.full);
      code.set(limit);
      loopWhileBelow(code, panel, { local: limit }, 1, () => {
        sweep(s.tile.columns);
        increase(code, bPanel, layout.panel);
      });
    }
    if (s.division.tail > 0) {
      code.get(panelEnd).i32(s.division.full).op(op["i32.gt_s"]).if();
      sweep(s.division.tail);
      code.end();
    }
  });
}

/** Bytes from one panel to the next, and between the vectors of B within one. */
function layoutOf({ b }: Contraction, { tile, direct, division }: Schedule, columns = tile.columns) {
  if (b.kind === "constant" || !direct) {
    const advance = partsOf({ ...tile, columns }) * 16;
    return { panel: division.panelBytes, part: 16, advance, lastLanes: 4, exact: false };
  }
  const panel = tile.columns * b.column * 4;
  if (tile.along) return { panel, part: b.column * 4, advance: 16, lastLanes: 4, exact: true };
  return {
    panel,
    part: 16,
    advance: b.depth.stride * 4,
    lastLanes: columns - (Math.ceil(columns / 4) - 1) * 4,
    exact: false,
  };
}

/** Copies the lines that a block needs and lets A's block begin in the copy. */
function emitCopy(code: Code, { c, s, first, last, aBlock }: Frame, scratch: number): void {
  const stage = c.stage!;
  const [from, to, line, count] = Array.from({ length: 4 }, () => code.local(type.i32)) as [
    number,
    number,
    number,
    number,
  ];
  const lineBytes = stage.stride * sourceBytes(stage);
  code.get(scratch).i32(s.scratch.spill).op(op["i32.add"]).set(to);
  if (c.bounds) {
    // Lines above and below A are left out: their taps are skipped.
    const { stride, low, extent } = c.bounds;
    const top = code.local(type.i32);
    scaled(code, first, stride);
    code.i32(low).op(op["i32.sub"]).tee(top);
    code.i32(0).get(top).i32(0).op(op["i32.gt_s"]).op(op.select).set(line);
    code.get(last).get(first).op(op["i32.sub"]).set(count);
    scaled(code, count, stride);
    code
      .i32(linesFor(c, 1) - stride)
      .op(op["i32.add"])
      .get(top)
      .op(op["i32.add"])
      .set(count);
    minimum(code, { local: count }, extent);
    code.get(line).op(op["i32.sub"]).set(count);
    code.get(line).get(top).op(op["i32.sub"]).set(top);
    code.get(to);
    scaled(code, top, stage.pitch * stagedBytes(stage));
    code.op(op["i32.add"]).set(to);
  } else {
    code.get(first).set(line);
    code.get(last).get(first).op(op["i32.sub"]).set(count);
  }
  code.get(aBlock);
  scaled(code, line, lineBytes);
  code.op(op["i32.add"]).set(from);
  // Windows may lie beyond A altogether.
  code.get(count).i32(0).op(op["i32.gt_s"]).if();
  emitStage(code, stage, from, to, count);
  code.end();
  code.get(scratch).i32(s.scratch.spill).op(op["i32.add"]).set(aBlock);
}

/** All rows of a block against one panel. */
function emitRows(code: Code, frame: Frame, tile: TileShape): void {
  const { c, s, context, arithmetic, destination, registers, first, last, column } = frame;
  const integer = () => code.local(type.i32);
  const { bytes } = arithmetic;
  const [a, b, row, x, y, aRow, rowBase] = [
    integer(),
    integer(),
    integer(),
    integer(),
    integer(),
    integer(),
    integer(),
  ];
  const byOuter = c.blocked === "outer";
  let start = { a: aRow, b: frame.bPanel };
  let count: Amount = c.taps[0]?.count ?? 1;
  const [, ...innerTaps] = c.taps.map((tap) => tap.count);
  const layout = layoutOf(c, s, tile.columns);
  const steps = Math.ceil(c.depth.extent / stepOf(tile, arithmetic));
  const tapBytes = productOf(innerTaps) * steps * layout.advance;
  const vectors = vectorsOf(tile);
  const lastLanes = tile.columns - (vectors - 1) * 4;
  const tileAt = (rows: number) => {
    code.get(start.a);
    scaled(code, x, c.inner.a * bytes);
    code.op(op["i32.add"]).set(a);
    code.get(start.b).set(b);
    code.get(rowBase);
    scaled(code, x, c.inner.row);
    code.op(op["i32.add"]).set(row);
    const taps = c.taps.map((tap, i) => ({ count: i === 0 ? count : tap.count, stride: tap.a * bytes }));
    const summation = { taps, depth: c.depth.extent, stride: c.depth.a * bytes };
    emitTile(code, arithmetic, { ...tile, rows }, summation, layout, registers, a, b, c.inner.a * bytes);
    const region = { row, column, rows, rowStep: c.inner.row, vectors, lastLanes };
    emitStore(code, context, destination, region, registers.sums);
  };
  const line = () => {
    if (c.bounds) {
      const [skipped, present] = [integer(), integer()];
      emitBounds(code, c.bounds, c.taps[0]!.count, y, skipped, present);
      start = { a: integer(), b: integer() };
      count = { local: present };
      code.get(aRow);
      scaled(code, skipped, c.taps[0]!.a * bytes);
      code.op(op["i32.add"]).set(start.a).get(frame.bPanel);
      scaled(code, skipped, tapBytes);
      code.op(op["i32.add"]).set(start.b);
    }
    const tail = c.inner.extent % tile.rows;
    const whole = c.inner.extent - tail;
    const cut = !byOuter && s.blocks > 1;
    // x counts from the block's first row.
    const limit = integer();
    minimum(code, cut ? { local: last } : whole, whole);
    if (cut) code.get(first).op(op["i32.sub"]);
    code.set(limit);
    code.i32(0).set(x);
    if (whole > 0) {
      loopWhileBelow(code, x, { local: limit }, tile.rows, () => {
        tileAt(tile.rows);
        for (let i = 0; i < s.touches; i++)
          code
            .get(frame.ahead)
            .memory(op["i32.load8_u"], i * 64)
            .op(op.drop);
        increase(code, frame.ahead, s.touches * 64);
      });
    }
    if (tail === 0) return;
    if (cut) code.get(last).i32(whole).op(op["i32.gt_s"]).if();
    tileAt(tail);
    if (cut) code.end();
  };
  code.get(frame.aBlock).set(aRow);
  code.get(frame.row).set(rowBase);
  if (!byOuter) {
    code.i32(0).set(y);
    line();
    return;
  }
  code.get(first).set(y);
  loopWhileBelow(code, y, { local: last }, 1, () => {
    line();
    increase(code, aRow, c.outer.a * bytes);
    increase(code, rowBase, c.outer.row);
  });
}
