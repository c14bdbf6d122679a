// How a contraction is cut: register tiles, panels, blocks of rows that fit the cache, units for threads.

import type { Contraction } from "./contraction.ts";
import { spillBytes } from "./output.ts";
import { divide, type Division } from "./panels.ts";
import { stagedBytes } from "./stage.ts";
import { type Arithmetic, arithmetics, type TileShape } from "./tile.ts";

export interface Schedule {
  readonly tile: TileShape;
  readonly division: Division;
  /** Rows of the dimension that is cut into blocks. */
  readonly blockRows: number;
  readonly blocks: number;
  /** Panels that a unit does one after the other. */
  readonly groupPanels: number;
  readonly groups: number;
  readonly units: number;
  readonly unitCost: number;
  /** Cache lines of the next panel that are loaded after each tile, so that memory is not waited for. */
  readonly touches: number;
  /** Bytes of scratch memory, in this order: sums of a tile, the copy of A, panels of B. */
  readonly scratch: { readonly spill: number; readonly a: number; readonly b: number };
}

/** Bytes of A or of B that a unit goes through again and again: some of the second-level cache. */
const cacheBytes = 512 * 1024;
/** Multiplications of a unit, so that starting it costs little and threads find enough of them. */
const unitWork = 1 << 20;
/** Multiplications for each element that is copied before: fewer would make the copy felt. */
const workPerCopy = 256;

export const productOf = (numbers: readonly number[]): number => numbers.reduce((product, n) => product * n, 1);
export const tapsOf = ({ taps }: Contraction): number => productOf(taps.map(({ count }) => count));

/** Rows and vectors of the register tile: measured by bench/kernels.ts. */
function tileFor(rows: number, columns: number): TileShape {
  const vectors = Math.ceil(columns / 4);
  if (rows === 1) return { rows: 1, vectors: Math.min(vectors, 8) };
  if (rows === 2) return { rows: 2, vectors: Math.min(vectors, 4) };
  if (vectors === 1) return { rows: Math.min(rows, 8), vectors: 1 };
  return { rows: Math.min(rows, 4), vectors: 2 };
}

/** Lines of the copy of A that `rows` rows need. */
export function linesFor({ bounds, taps, stage }: Contraction, rows: number): number {
  if (!stage) return 0;
  return bounds ? (rows - 1) * bounds.stride + ((taps[0]?.count ?? 1) - 1) * bounds.dilation + 1 : rows;
}

export function scheduleOf(c: Contraction): Schedule {
  const arithmetic: Arithmetic = arithmetics[c.arithmetic];
  const tile = tileFor(c.inner.extent, c.columns);
  const taps = tapsOf(c);
  const division = divide(c.columns, tile.vectors, taps, c.depth.extent, arithmetic);
  const panels = division.full + (division.tailVectors > 0 ? 1 : 0);
  const byOuter = c.blocked === "outer";
  const rows = byOuter ? c.outer.extent : c.inner.extent;
  const multiple = byOuter ? 1 : tile.rows;
  const depth = taps * c.depth.extent;
  /** Multiplications of one row with one panel. */
  const rowWork = depth * (byOuter ? c.inner.extent : 1) * tile.vectors * 4;
  /** Bytes of A that a row adds: windows overlap. */
  const rowBytes = byOuter
    ? (c.stage?.pitch ?? c.inner.extent * c.inner.a) * (c.bounds?.stride ?? 1) * arithmetic.bytes
    : depth * arithmetic.bytes;
  const byCache = Math.max(1, Math.floor(cacheBytes / (division.panelBytes || 1)));
  // A copy of A is made for each group of panels: there must be enough work for it.
  const least = c.stage ? Math.ceil(workPerCopy / (taps * tile.vectors * 4)) : 1;
  let blockRows = Math.min(rows, Math.max(1, Math.floor(cacheBytes / rowBytes)));
  let groupPanels = Math.min(byCache, Math.max(least, Math.round(unitWork / (blockRows * rowWork))));
  // A strided B is laid out again for each block, so those are large; windows overlap, so blocks have some rows.
  const smallest = c.b.kind === "strided" ? 128 : byOuter ? 4 : 4 * multiple;
  if (blockRows < rows && c.b.kind === "constant") groupPanels = byCache;
  groupPanels = Math.min(panels, groupPanels);
  blockRows = Math.max(smallest, Math.min(blockRows, Math.round(unitWork / (groupPanels * rowWork))));
  groupPanels = evenly(panels, Math.max(1, groupPanels));
  blockRows = Math.ceil(evenly(rows, Math.min(rows, blockRows)) / multiple) * multiple;
  const blocks = Math.ceil(rows / blockRows);
  const groups = Math.ceil(panels / groupPanels);
  const tiles = (byOuter ? blockRows : 1) * Math.floor((byOuter ? c.inner.extent : blockRows) / tile.rows);
  const lines = linesFor(c, Math.min(rows, blockRows));
  return {
    tile,
    division,
    blockRows,
    blocks,
    groupPanels,
    groups,
    units: productOf(c.batches.map(({ extent }) => extent)) * blocks * groups,
    unitCost: 50 + Math.ceil((Math.min(rows, blockRows) * rowWork * groupPanels) / 20),
    touches: c.b.kind === "constant" ? touchesFor(division.panelBytes, tiles) : 0,
    scratch: {
      spill: spillBytes(c.output),
      // Tiles of 16-bit elements read pairs: one element beyond the last.
      a: c.stage ? align(lines * c.stage.pitch * stagedBytes(c.stage) + 16) : 0,
      b: c.b.kind === "strided" ? groupPanels * division.panelBytes : 0,
    },
  };
}

/** Few tiles would have to touch much each, and panels of few lines are there soon. */
function touchesFor(panelBytes: number, tiles: number): number {
  const touches = Math.floor(panelBytes / 64 / tiles);
  return panelBytes >= 4096 && touches <= 64 ? touches : 0;
}

const align = (bytes: number) => (bytes + 15) & ~15;

/** The size of equal parts, each at most so large. */
function evenly(total: number, most: number): number {
  return Math.ceil(total / Math.ceil(total / most));
}
