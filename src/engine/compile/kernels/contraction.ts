// Sums of products: matrix products and convolutions as one loop nest around register tiles.

import type { Code } from "../../../wasm/code.ts";
import { op, type } from "../../../wasm/opcodes.ts";
import type { Value } from "../../hlo/graph.ts";
import type { Kernel, KernelContext } from "../kernel.ts";
import { type Amount, increase, loopWhileBelow, push, scaled, split } from "./emit.ts";
import { type Destination, emitStore, operandsOf, type Output, outputKey, spillBytes } from "./output.ts";
import { divide, type Division, emitPack, packConstant, type Source } from "./panels.ts";
import { type Arithmetic, arithmetics, emitTile, type Summation, tileRegisters, type TileShape } from "./tile.ts";

/** One of the dimensions that rows of the result run along. Strides: elements of A, rows of the result. */
export interface Rows {
  readonly extent: number;
  readonly a: number;
  readonly row: number;
}

/**
 * result[row, n] = sum over taps and depth of A * B[tap, depth, n], where rows are batches, `outer` and `inner`. A
 * matrix product has one tap and its rows in `inner`; a convolution has an image's rows in `outer` and its columns in
 * `inner`.
 */
export interface Contraction {
  readonly name: string;
  readonly arithmetic: "f32" | "i16";
  readonly a: Value;
  /** Of A's first element, in elements; below zero where padding comes first. */
  readonly offset: number;
  readonly b: Source;
  /** B's stride is in elements of a strided B; a constant one has a batch for each index. */
  readonly batches: readonly (Rows & { readonly b: number })[];
  readonly outer: Rows;
  readonly inner: Rows;
  /** Taps of a window, outermost first. */
  readonly taps: readonly { readonly count: number; readonly a: number }[];
  /** Which of the first taps lie within A: those where 0 <= outer * stride + tap * dilation - low < extent. */
  readonly bounds?: {
    readonly stride: number;
    readonly dilation: number;
    readonly low: number;
    readonly extent: number;
  };
  readonly depth: { readonly extent: number; readonly a: number };
  readonly output: Output;
}

/** How a contraction is cut into tiles and units. */
interface Schedule {
  readonly tile: TileShape;
  readonly division: Division;
  /** Rows of `outer`, or of `inner` when that has more, in a block. */
  readonly blockRows: number;
  readonly blocks: number;
  /** Panels that a unit does one after the other. */
  readonly groupPanels: number;
  readonly groups: number;
  readonly units: number;
  readonly unitCost: number;
}

/** Second-level cache that a unit may fill with A and with B, in bytes. */
const cacheBytes = 512 * 1024;
/** Multiplications of a unit, so that starting it costs little and threads find enough of them. */
const unitWork = 1 << 20;

const productOf = (numbers: readonly number[]) => numbers.reduce((product, n) => product * n, 1);

/** Rows and vectors of the register tile: measured by bench/kernels.ts. */
function tileFor(rows: number, columns: number): TileShape {
  const vectors = Math.ceil(columns / 4);
  if (rows === 1) return { rows: 1, vectors: Math.min(vectors, 8) };
  if (rows === 2) return { rows: 2, vectors: Math.min(vectors, 4) };
  if (vectors === 1) return { rows: Math.min(rows, 8), vectors: 1 };
  return { rows: Math.min(rows, 4), vectors: 2 };
}

function scheduleOf(c: Contraction): Schedule {
  const arithmetic: Arithmetic = arithmetics[c.arithmetic];
  const { columns } = c.output;
  const tile = tileFor(c.inner.extent, columns);
  const taps = productOf(c.taps.map(({ count }) => count));
  const division = divide(columns, tile.vectors, taps, c.depth.extent, arithmetic);
  const panels = division.full + (division.tailVectors > 0 ? 1 : 0);
  const batches = productOf(c.batches.map(({ extent }) => extent));
  const depth = taps * c.depth.extent;
  const byOuter = c.outer.extent > 1;
  const rows = byOuter ? c.outer.extent : c.inner.extent;
  const rowElements = depth * (byOuter ? c.inner.extent : 1);
  // Rows until A's block is full; a strided B is laid out again for each block, so those are large.
  const most = Math.max(1, Math.floor(cacheBytes / (rowElements * arithmetic.bytes)));
  const least = c.b.kind === "strided" ? 128 : byOuter ? 1 : tile.rows * 4;
  const multiple = byOuter ? 1 : tile.rows;
  const fit = Math.max(least, most);
  const blocks = Math.ceil(rows / fit);
  const blockRows = Math.ceil(Math.ceil(rows / blocks) / multiple) * multiple;
  const panelWork = Math.min(blockRows, rows) * rowElements * tile.vectors * 4;
  const byCache = Math.max(1, Math.floor(cacheBytes / division.panelBytes || 1));
  const byWork = Math.max(1, Math.round(unitWork / panelWork));
  const groupPanels = Math.min(panels, byCache, byWork);
  const groups = Math.ceil(panels / groupPanels);
  return {
    tile,
    division,
    blockRows,
    blocks: Math.ceil(rows / blockRows),
    groupPanels,
    groups,
    units: batches * Math.ceil(rows / blockRows) * groups,
    unitCost: Math.ceil((panelWork * groupPanels * 2) / 40) + 50,
  };
}

/** The kernel of a contraction. */
export function contractionKernel(c: Contraction): Kernel {
  const schedule = scheduleOf(c);
  const arithmetic: Arithmetic = arithmetics[c.arithmetic];
  const { b } = c;
  const taps = productOf(c.taps.map(({ count }) => count));
  const shape = JSON.stringify([c.offset, c.batches, c.outer, c.inner, c.taps, c.bounds, c.depth, c.arithmetic]);
  const source = b.kind === "constant" ? "" : JSON.stringify([b.offset, b.depth, b.column]);
  return {
    key: `contraction ${shape} ${source} ${outputKey(c.output)}`,
    name: c.name,
    units: schedule.units,
    unitCost: schedule.unitCost,
    operands: [c.a, b.value, ...operandsOf(c.output)],
    results: [c.output.epilogue?.result ?? c.output.result],
    packs:
      b.kind === "constant"
        ? [
            {
              operand: 1,
              key: `panels ${b.key} ${schedule.tile.vectors} ${arithmetic.name} ${b.zeroPoint}`,
              pack: (tensor) => packConstant(tensor, b, schedule.division, taps, arithmetic),
            },
          ]
        : [],
    scratch: spillBytes(c.output) + (b.kind === "strided" ? schedule.groupPanels * schedule.division.panelBytes : 0),
    emit: (code, context) => emitContraction(code, context, c, schedule),
  };
}

/** Pushes the smaller of two. */
function minimum(code: Code, a: Amount, b: Amount): void {
  push(code, a);
  push(code, b);
  push(code, a);
  push(code, b);
  code.op(op["i32.lt_s"]).op(op.select);
}

function emitContraction(code: Code, context: KernelContext, c: Contraction, s: Schedule): void {
  const arithmetic: Arithmetic =
    c.arithmetic === "f32" && context.relaxed ? arithmetics.relaxed : arithmetics[c.arithmetic];
  const { bytes } = arithmetic;
  const { columns } = c.output;
  const integer = () => code.local(type.i32);
  const [unit, end, aAddress, bAddress] = [0, 1, 2, 3];
  const extra = operandsOf(c.output).length;
  const destination: Destination = {
    ...c.output,
    result: c.output.epilogue?.result ?? c.output.result,
    address: 4 + extra,
    operands: Array.from({ length: extra }, (_, i) => 4 + i),
    spill: 5 + extra,
  };
  const scratch = integer();
  const registers = tileRegisters(code, s.tile, c.taps.length);
  const panels = s.division.full + (s.division.tailVectors > 0 ? 1 : 0);
  const byOuter = c.outer.extent > 1;
  const [rest, aBlock, bBatch, blockRow, first, last, panel, panelEnd] = [
    integer(),
    integer(),
    integer(),
    integer(),
    integer(),
    integer(),
    integer(),
    integer(),
  ];

  if (c.b.kind === "strided") code.get(destination.spill).i32(spillBytes(c.output)).op(op["i32.add"]).set(scratch);
  loopWhileBelow(code, unit, { local: end }, 1, () => {
    code.get(unit).set(rest);
    const indices = split(code, rest, [...c.batches.map(({ extent }) => extent), s.blocks, s.groups]);
    const group = indices.pop()!;
    const block = indices.pop()!;
    // Where the block begins, in A and in the result, and the batch in B.
    code.get(block).i32(s.blockRows).op(op["i32.mul"]).set(first);
    code.get(first).i32(s.blockRows).op(op["i32.add"]).set(last);
    minimum(code, { local: last }, byOuter ? c.outer.extent : c.inner.extent);
    code.set(last);
    code
      .get(aAddress)
      .i32(c.offset * bytes)
      .op(op["i32.add"]);
    scaled(code, first, (byOuter ? c.outer.a : c.inner.a) * bytes);
    code.op(op["i32.add"]).set(aBlock);
    scaled(code, first, byOuter ? c.outer.row : c.inner.row);
    code.set(blockRow);
    code
      .get(bAddress)
      .i32(c.b.kind === "strided" ? c.b.offset * bytes : 0)
      .op(op["i32.add"])
      .set(bBatch);
    const add = (to: number, index: number, stride: number) => {
      if (stride === 0) return;
      code.get(to);
      scaled(code, index, stride);
      code.op(op["i32.add"]).set(to);
    };
    c.batches.forEach(({ extent, a, b, row }, i) => {
      if (extent === 1) return;
      add(aBlock, indices[i]!, a * bytes);
      add(bBatch, indices[i]!, c.b.kind === "strided" ? b * bytes : b * s.division.bytes);
      add(blockRow, indices[i]!, row);
    });
    code.get(group).i32(s.groupPanels).op(op["i32.mul"]).set(panel);
    code.get(panel).i32(s.groupPanels).op(op["i32.add"]).set(panelEnd);
    minimum(code, { local: panelEnd }, panels);
    code.set(panelEnd);
    const bPanel = integer();
    if (c.b.kind === "strided") {
      emitPack(code, c.b, s.division, panel, panelEnd, bBatch, scratch);
      code.get(scratch).set(bPanel);
    } else {
      code.get(bBatch);
      scaled(code, panel, s.division.panelBytes);
      code.op(op["i32.add"]).set(bPanel);
    }
    const column = integer();
    const sweep = (tile: TileShape, lastLanes: number) => {
      scaled(code, panel, s.tile.vectors * 4);
      code.set(column);
      emitPanelRows(code, context, c, arithmetic, destination, registers, {
        tile,
        lastLanes,
        byOuter,
        first,
        last,
        aBlock,
        blockRow,
        bPanel,
        column,
        single: s.blocks === 1,
      });
    };
    if (s.division.full > 0) {
      const limit = integer();
      minimum(code, { local: panelEnd }, s.division.full);
      code.set(limit);
      loopWhileBelow(code, panel, { local: limit }, 1, () => {
        sweep(s.tile, 4);
        increase(code, bPanel, s.division.panelBytes);
      });
    }
    if (s.division.tailVectors > 0) {
      code.get(panelEnd).i32(s.division.full).op(op["i32.gt_s"]).if();
      sweep({ rows: s.tile.rows, vectors: s.division.tailVectors }, s.division.tailLanes);
      code.end();
    }
  });
}

interface Sweep {
  readonly tile: TileShape;
  readonly lastLanes: number;
  readonly byOuter: boolean;
  /** The block is all of its dimension. */
  readonly single: boolean;
  /** Locals. */
  readonly first: number;
  readonly last: number;
  readonly aBlock: number;
  readonly blockRow: number;
  readonly bPanel: number;
  readonly column: number;
}

/** All rows of a block against one panel. */
function emitPanelRows(
  code: Code,
  context: KernelContext,
  c: Contraction,
  arithmetic: Arithmetic,
  destination: Destination,
  registers: ReturnType<typeof tileRegisters>,
  w: Sweep,
): void {
  const integer = () => code.local(type.i32);
  const { bytes } = arithmetic;
  const [a, b, row, aRow, rowBase] = [integer(), integer(), integer(), integer(), integer()];
  const steps = Math.ceil(c.depth.extent / arithmetic.step);
  const innerTaps = productOf(c.taps.slice(1).map(({ count }) => count));
  const tapBytes = innerTaps * steps * w.tile.vectors * 16;
  let firstCount: Amount = c.taps[0]?.count ?? 1;
  // A's address, and the panel's, at the first tap that lies within A.
  let aStart = aRow;
  let bStart = w.bPanel;
  const y = integer();
  if (c.bounds) {
    firstCount = { local: integer() };
    aStart = integer();
    bStart = integer();
  }
  const line = () => {
    if (c.bounds)
      emitBounds(code, c, y, (firstCount as { local: number }).local, aRow, aStart, w.bPanel, bStart, {
        a: c.taps[0]!.a * bytes,
        b: tapBytes,
      });
    const summation: Summation = {
      taps: c.taps.map(({ count, a: stride }, i) => ({ count: i === 0 ? firstCount : count, stride: stride * bytes })),
      depth: c.depth.extent,
      stride: c.depth.a * bytes,
    };
    const x = integer();
    const tileAt = (rows: number) => {
      code.get(aStart);
      scaled(code, x, c.inner.a * bytes);
      code.op(op["i32.add"]).set(a);
      code.get(bStart).set(b);
      code.get(rowBase);
      scaled(code, x, c.inner.row);
      code.op(op["i32.add"]).set(row);
      const tile = { rows, vectors: w.tile.vectors };
      emitTile(code, arithmetic, tile, summation, registers, a, b, c.inner.a * bytes);
      const region = {
        row,
        column: w.column,
        rows,
        rowStep: c.inner.row,
        vectors: tile.vectors,
        lastLanes: w.lastLanes,
      };
      emitStore(code, context, destination, region, registers.sums);
    };
    const tail = c.inner.extent % w.tile.rows;
    // Relative to the block when `inner` is what is cut into blocks.
    const whole = c.inner.extent - tail;
    code.i32(0).set(x);
    const limit = integer();
    if (w.byOuter || w.single) code.i32(whole).set(limit);
    else {
      minimum(code, { local: w.last }, whole);
      code.get(w.first).op(op["i32.sub"]).set(limit);
    }
    if (whole > 0) loopWhileBelow(code, x, { local: limit }, w.tile.rows, () => tileAt(w.tile.rows));
    if (tail > 0) {
      if (w.byOuter || w.single) tileAt(tail);
      else {
        code.get(w.last).i32(whole).op(op["i32.gt_s"]).if();
        tileAt(tail);
        code.end();
      }
    }
  };
  code.get(w.aBlock).set(aRow);
  code.get(w.blockRow).set(rowBase);
  if (!w.byOuter) {
    code.i32(0).set(y);
    line();
    return;
  }
  code.get(w.first).set(y);
  loopWhileBelow(code, y, { local: w.last }, 1, () => {
    line();
    increase(code, aRow, c.outer.a * bytes);
    increase(code, rowBase, c.outer.row);
  });
}

/** How many of the first taps lie within A for row y of `outer`, and the addresses at the first of them. */
function emitBounds(
  code: Code,
  { bounds, taps }: Contraction,
  y: number,
  count: number,
  aRow: number,
  aStart: number,
  bPanel: number,
  bStart: number,
  tap: { readonly a: number; readonly b: number },
): void {
  const { stride, dilation, low, extent } = bounds!;
  const [skipped, above] = [code.local(type.i32), code.local(type.i32)];
  /** Pushes how many steps of the dilation it is to `distance`, at least none, at most all taps. */
  const stepsTo = (distance: number) => {
    const local = code.local(type.i32);
    code.i32(distance);
    scaled(code, y, stride);
    code.op(op["i32.sub"]).set(local);
    code.get(local).i32(0).get(local).i32(0).op(op["i32.gt_s"]).op(op.select);
    if (dilation > 1)
      code
        .i32(dilation - 1)
        .op(op["i32.add"])
        .i32(dilation)
        .op(op["i32.div_u"]);
    code.set(local);
    minimum(code, { local }, taps[0]!.count);
  };
  stepsTo(low);
  code.set(skipped);
  stepsTo(low + extent);
  code.set(above);
  code.get(above).get(skipped).op(op["i32.sub"]).set(count);
  code.get(aRow);
  scaled(code, skipped, tap.a);
  code.op(op["i32.add"]).set(aStart);
  code.get(bPanel);
  scaled(code, skipped, tap.b);
  code.op(op["i32.add"]).set(bStart);
}
