// How a contraction is cut: register tiles, panels, blocks of rows that fit the cache, units for threads.

import type { Contraction } from "./contraction.ts";
import { spillBytes } from "./output.ts";
import { divide, type Division, panelsOf } from "./panels.ts";
import { stagedBytes } from "./stage.ts";
import { type Arithmetic, arithmetics, type TileShape } from "./tile.ts";

export interface Schedule {
  readonly tile: TileShape;
  /** A strided B is read where it is, not laid out in panels first: there are few rows. */
  readonly direct: boolean;
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
  /** Bytes of scratch memory, in this order: sums of a tile, the copy of A, panels of B laid out or widened. */
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

/**
 * Nanoseconds of a tile: what starting and storing it takes, and a step of the depth with so many sums. Measured with
 * and without relaxed SIMD (bench/kernels.ts); more sums than these leave no registers for what is multiplied.
 */
const tileCost = (rows: number, columns: number, steps: number) =>
  10 + steps * (0.47 + 0.094 * rows * Math.ceil(columns / 4));
const tiles = [
  ...[1, 2, 3, 4, 5, 6, 7].map((rows) => ({ rows, columns: 4 })),
  ...[1, 2, 3, 4].map((rows) => ({ rows, columns: 8 })),
  // Three rows are a little faster by themselves, and a quarter slower with anything after them.
  ...[1, 2].map((rows) => ({ rows, columns: 12 })),
  ...[1, 2].map((rows) => ({ rows, columns: 16 })),
  { rows: 1, columns: 24 },
];

/** The register tile that takes the least time, edges included. */
function tileFor(rows: number, columns: number, steps: number): TileShape {
  let best = tiles[0]!;
  let least = Infinity;
  for (const tile of tiles) {
    if (tile.rows > rows) continue;
    const down = { whole: Math.floor(rows / tile.rows), tail: rows % tile.rows };
    const across = { whole: Math.floor(columns / tile.columns), tail: columns % tile.columns };
    let cost = 0;
    for (const [count, height] of [
      [down.whole, tile.rows],
      [1, down.tail],
    ] as const) {
      if (height === 0) continue;
      cost += count * across.whole * tileCost(height, tile.columns, steps);
      if (across.tail > 0) cost += count * tileCost(height, across.tail, steps);
    }
    if (cost < least) {
      least = cost;
      best = tile;
    }
  }
  return { ...best, along: false };
}

/** Most sums of a tile along the depth. */
const mostAlong = 8;

/** The tile of a contraction, and whether it reads a strided B where it is. */
function tileOf(c: Contraction): { tile: TileShape; direct: boolean } {
  const rows = c.inner.extent;
  const few = rows < 4;
  const along = (columns: number) => ({ rows: Math.min(rows, Math.floor(mostAlong / columns)), columns, along: true });
  if (c.depth.a === 1) {
    if (c.columns <= 2 && c.b.kind === "constant" && c.depth.extent >= 4)
      return { tile: along(c.columns), direct: false };
    // Steps do not end where taps do.
    const whole = c.taps.length === 0 || c.depth.extent % 4 === 0;
    if (c.b.kind === "strided" && c.b.depth.stride === 1 && whole && (few || c.columns <= 2)) {
      return { tile: along(Math.min(c.columns, few ? Math.floor(mostAlong / rows) : c.columns)), direct: true };
    }
  }
  const direct = c.b.kind === "strided" && few && c.blocked === "inner" && c.b.column === 1 && c.b.depth.stride !== 0;
  const steps = (tapsOf(c) * c.depth.extent) / arithmetics[c.arithmetic].step;
  return { tile: tileFor(rows, c.columns, steps), direct };
}

/** Lines of the copy of A that `rows` rows need. */
export function linesFor({ bounds, taps, stage }: Contraction, rows: number): number {
  if (!stage) return 0;
  return bounds ? (rows - 1) * bounds.stride + ((taps[0]?.count ?? 1) - 1) * bounds.dilation + 1 : rows;
}

export function scheduleOf(c: Contraction): Schedule {
  const arithmetic: Arithmetic = arithmetics[c.arithmetic];
  const { tile, direct } = tileOf(c);
  const laidOut = c.b.kind === "constant" ? c.b.half !== undefined : !direct;
  const taps = tapsOf(c);
  const division = divide(c.columns, tile, taps, c.depth.extent, arithmetic);
  const panels = panelsOf(division);
  const byOuter = c.blocked === "outer";
  const rows = byOuter ? c.outer.extent : c.inner.extent;
  const multiple = byOuter ? 1 : tile.rows;
  const depth = taps * c.depth.extent;
  /** Multiplications of one row with one panel. */
  const rowWork = depth * (byOuter ? c.inner.extent : 1) * tile.columns;
  /** Bytes of A that a row adds: windows overlap. */
  const rowBytes = byOuter
    ? (c.stage?.pitch ?? c.inner.extent * c.inner.a) * (c.bounds?.stride ?? 1) * arithmetic.bytes
    : depth * arithmetic.bytes;
  const byCache = Math.max(1, Math.floor(cacheBytes / (division.panelBytes || 1)));
  // A copy of A is made for each group of panels: there must be enough work for it.
  const least = c.stage ? Math.ceil(workPerCopy / (taps * tile.columns)) : 1;
  let blockRows = Math.min(rows, Math.max(1, Math.floor(cacheBytes / rowBytes)));
  let groupPanels = Math.min(byCache, Math.max(least, Math.round(unitWork / (blockRows * rowWork))));
  // What lays out or widens B does it again for each block, so those are large; windows overlap, so blocks have some
  // rows.
  const smallest = laidOut ? 128 : byOuter ? 4 : 4 * multiple;
  if (blockRows < rows && c.b.kind === "constant") groupPanels = byCache;
  groupPanels = Math.min(panels, groupPanels);
  blockRows = Math.max(smallest, Math.min(blockRows, Math.round(unitWork / (groupPanels * rowWork))));
  groupPanels = evenly(panels, Math.max(1, groupPanels));
  blockRows = Math.ceil(evenly(rows, Math.min(rows, blockRows)) / multiple) * multiple;
  const blocks = Math.ceil(rows / blockRows);
  const groups = Math.ceil(panels / groupPanels);
  const tilesOfBlock = (byOuter ? blockRows : 1) * Math.floor((byOuter ? c.inner.extent : blockRows) / tile.rows);
  const lines = linesFor(c, Math.min(rows, blockRows));
  return {
    tile,
    direct,
    division,
    blockRows,
    blocks,
    groupPanels,
    groups,
    units: productOf(c.batches.map(({ extent }) => extent)) * blocks * groups,
    unitCost: 50 + Math.ceil((Math.min(rows, blockRows) * rowWork * groupPanels) / 20),
    touches: c.b.kind === "constant" && !laidOut ? touchesFor(division.panelBytes, tilesOfBlock) : 0,
    scratch: {
      spill: spillBytes(c.output),
      // Tiles of 16-bit elements read pairs: one element beyond the last.
      a: c.stage ? align(lines * c.stage.pitch * stagedBytes(c.stage) + 16) : 0,
      b: laidOut ? groupPanels * division.panelBytes : 0,
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
