// LAPACK routines that JAX calls on the CPU, composed of operations and loops: same results up to rounding.

import type { Builder } from "../../hlo/build.ts";
import { type DType, isComplex } from "../../hlo/dtype.ts";
import type { Value } from "../../hlo/graph.ts";
import { integersOf, type Lowered, type Site } from "./site.ts";

/** Options are letters by their codes: "L", "U", "N", "T". */
export function letter(site: Site, name: string): string {
  const config = site.attributes.get("mhlo.backend_config") ?? site.attributes.get("backend_config");
  const value = config?.kind === "dictionary" ? config.entries.get(name) : undefined;
  const code = value && integersOf(value)?.[0];
  return code === undefined ? site.fail(`option '${name}' is missing`) : String.fromCharCode(code);
}

/** 1 for each matrix of a batch that has a NaN, else 0: LAPACK's "info". */
function failures(build: Builder, x: Value): Value {
  const rank = x.type.shape.length;
  const nan = build.compare("NE", x, x);
  return build.convert(build.reduce("or", nan, [rank - 2, rank - 1]), "i32");
}

/** Triangular solve: trsm. */
export function trsm(site: Site): readonly Lowered[] {
  const transpose = { N: "NO_TRANSPOSE", T: "TRANSPOSE", C: "ADJOINT" } as const;
  const kind = letter(site, "trans_x");
  return [
    site.build.op("triangularSolve", [site.operand(0), site.operand(1)], {
      leftSide: letter(site, "side") === "L",
      lower: letter(site, "uplo") === "L",
      unitDiagonal: letter(site, "diag") === "U",
      transposeA: kind === "N" || kind === "T" || kind === "C" ? transpose[kind] : site.fail(`trans_x '${kind}'`),
    }),
  ];
}

/** Cholesky factor: potrf. */
export function potrf(site: Site): readonly Lowered[] {
  const factor = site.build.op("cholesky", [site.operand(0)], { lower: letter(site, "uplo") === "L" });
  return [factor, failures(site.build, factor)];
}

/** What loops over the columns of matrices need: shapes, indices, masks. */
class Matrices {
  readonly build: Builder;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly rows: number;
  readonly columns: number;
  readonly batch: readonly number[];

  constructor(build: Builder, x: Value) {
    this.build = build;
    this.dtype = x.type.dtype;
    this.shape = x.type.shape;
    this.batch = this.shape.slice(0, -2);
    this.rows = this.shape.at(-2)!;
    this.columns = this.shape.at(-1)!;
  }

  /** Places along a dimension counted from the last one (-2: rows, -1: columns), as wide as a column or row. */
  places(axis: -2 | -1): Value {
    const extent = axis === -2 ? this.rows : this.columns;
    const line = this.build.op("iota", [], { dtype: "i32", shape: [extent], dimension: 0 });
    return axis === -2 ? this.build.reshape(line, [extent, 1]) : line;
  }
  /** Column k of every matrix: [..., rows, 1]. */
  column(x: Value, k: Value): Value {
    const { build } = this;
    const zero = build.scalar("i32", 0);
    const at = [...this.batch.map(() => zero), zero, k];
    return build.op("dynamicSlice", [x, ...at], { sizes: [...this.batch, x.type.shape.at(-2)!, 1] });
  }
  /** Row k of every matrix: [..., 1, columns]. */
  row(x: Value, k: Value): Value {
    const { build } = this;
    const zero = build.scalar("i32", 0);
    const at = [...this.batch.map(() => zero), k, zero];
    return build.op("dynamicSlice", [x, ...at], { sizes: [...this.batch, 1, x.type.shape.at(-1)!] });
  }
  sum(x: Value, axis: -2 | -1): Value {
    return this.build.reduce("add", x, [this.shape.length + axis], { keep: true });
  }
  zeroWhere(condition: Value, x: Value): Value {
    return this.build.select(condition, this.build.scalar(this.dtype, 0), x);
  }
}

/** A loop of so many turns that carries values; the body is given the turn. */
export function loop(
  build: Builder,
  turns: number,
  initial: readonly Value[],
  body: (build: Builder, turn: Value, values: readonly Value[]) => readonly Value[],
): readonly Value[] {
  const start = build.scalar("i32", 0);
  const types = [start, ...initial].map(({ type }) => type);
  const condition = build.region(types, (inner, turn) => [inner.compare("LT", turn!, inner.scalar("i32", turns))]);
  const step = build.region(types, (inner, turn, ...values) => [
    inner.plain("add", turn!, inner.scalar("i32", 1)),
    ...body(inner, turn!, values),
  ]);
  return build.all("while", [start, ...initial], {}, [condition, step]).slice(1);
}

/** Writes one entry of vectors [..., n, 1] or [n]-shaped places. */
function entry(build: Builder, vectors: Value, k: Value, value: Value): Value {
  const extent = vectors.type.shape.at(-1)!;
  const here = build.compare("EQ", build.op("iota", [], { dtype: "i32", shape: [extent], dimension: 0 }), k);
  return build.select(here, value, vectors);
}

/** LU factors with row exchanges: getrf. Results: factors in one matrix, exchanged rows from 1, info. */
export function getrf(site: Site): readonly Lowered[] {
  const a = site.operand(0);
  const m = new Matrices(site.build, a);
  if (isComplex(m.dtype)) return site.fail("complex LU factors");
  const turns = Math.min(m.rows, m.columns);
  const pivots = site.build.full("i32", [...m.batch, turns], 0);
  const info = site.build.full("i32", m.batch, 0);
  return loop(site.build, turns, [a, pivots, info], (build, k, [x, exchanged, bad]) => {
    const at = new Matrices(build, x!);
    const rows = at.places(-2);
    const size = build.select(
      build.compare("LT", rows, k),
      build.scalar(at.dtype, -1),
      build.plain("abs", at.column(x!, k)),
    );
    const largest = build.argument("GT", size, at.shape.length - 2);
    const pivot = build.reshape(largest, [...at.batch, 1, 1]);
    // Exchange rows k and pivot of each matrix.
    const chosen = build.compare("EQ", rows, pivot);
    const upper = at.row(x!, k);
    const lower = at.sum(build.select(chosen, x!, build.scalar(at.dtype, 0)), -2);
    const swapped = build.select(build.compare("EQ", rows, k), lower, build.select(chosen, upper, x!));
    // Divide the column below the pivot, subtract its multiples of the pivot's row.
    const below = build.compare("GT", rows, k);
    const right = build.compare("GT", at.places(-1), k);
    const divisor = at.column(lower, k);
    const none = build.compare("EQ", divisor, build.scalar(at.dtype, 0));
    const column = at.column(swapped, k);
    const factors = build.select(
      build.plain("or", ...both(build, build.plain("not", below), none)),
      column,
      build.divide(column, divisor),
    );
    const divided = build.select(build.compare("EQ", at.places(-1), k), factors, swapped);
    const step = build.multiply(
      at.zeroWhere(build.plain("not", below), factors),
      at.zeroWhere(build.plain("not", right), lower),
    );
    const next = build.subtract(divided, build.select(none, build.scalar(at.dtype, 0), step));
    const first = build.plain("and", build.compare("EQ", bad!, build.scalar("i32", 0)), build.reshape(none, at.batch));
    return [
      next,
      entry(build, exchanged!, k, build.with("add", build.reshape(largest, [...at.batch, 1]), 1)),
      build.select(first, build.with("add", k, 1), bad!),
    ];
  });
}

function both(build: Builder, a: Value, b: Value): [Value, Value] {
  const shape = build.common(a.type.shape, b.type.shape);
  return [build.broadcast(a, shape), build.broadcast(b, shape)];
}

/** Householder reflections: geqrf. Results: R above, reflectors below the diagonal; their factors. */
export function geqrf(site: Site): readonly Lowered[] {
  const a = site.operand(0);
  const m = new Matrices(site.build, a);
  if (isComplex(m.dtype)) return site.fail("complex QR factors");
  const turns = Math.min(m.rows, m.columns);
  const taus = site.build.full(m.dtype, [...m.batch, turns], 0);
  const [factors, scales] = loop(site.build, turns, [a, taus], (build, k, [x, tau]) => {
    const at = new Matrices(build, x!);
    const rows = at.places(-2);
    const column = at.column(x!, k);
    const below = build.compare("GT", rows, k);
    const zero = build.scalar(at.dtype, 0);
    const tail = build.select(below, column, zero);
    const squares = at.sum(build.multiply(tail, tail), -2);
    const alpha = at.sum(build.select(build.compare("EQ", rows, k), column, zero), -2);
    // beta = -sign(alpha) * norm; nothing to reflect when the tail is zero.
    const norm = build.plain("sqrt", build.add(build.multiply(alpha, alpha), squares));
    const positive = build.compare("GE", alpha, zero);
    const beta = build.select(positive, build.plain("negate", norm), norm);
    const none = build.compare("EQ", squares, zero);
    const one = build.scalar(at.dtype, 1);
    const scale = build.select(none, zero, build.divide(build.subtract(beta, alpha), beta));
    const divisor = build.select(none, one, build.subtract(alpha, beta));
    const reflector = build.divide(tail, divisor);
    const v = build.select(build.compare("EQ", rows, k), one, reflector);
    // x -= tau v (vT x) for the columns to the right.
    const product = at.sum(build.multiply(v, x!), -2);
    const right = build.compare("GT", at.places(-1), k);
    const update = build.multiply(build.multiply(scale, v), at.zeroWhere(build.plain("not", right), product));
    const reflected = build.subtract(x!, update);
    const newColumn = build.select(
      below,
      reflector,
      build.select(build.compare("EQ", rows, k), build.select(none, alpha, beta), column),
    );
    const next = build.select(build.compare("EQ", at.places(-1), k), newColumn, reflected);
    return [next, entry(build, tau!, k, build.reshape(scale, [...at.batch, 1]))];
  });
  return [factors, scales];
}

/** The first columns of the product of reflections: orgqr. */
export function orgqr(site: Site): readonly Lowered[] {
  const [a, tau] = [site.operand(0), site.operand(1)];
  const m = new Matrices(site.build, a);
  if (isComplex(m.dtype)) return site.fail("complex QR factors");
  const count = tau.type.shape.at(-1)!;
  const { build: outer } = site;
  const square = [m.rows, m.columns];
  const diagonal = outer.compare(
    "EQ",
    outer.op("iota", [], { dtype: "i32", shape: square, dimension: 0 }),
    outer.op("iota", [], { dtype: "i32", shape: square, dimension: 1 }),
  );
  const identity = outer.broadcast(outer.convert(diagonal, m.dtype), m.shape);
  const scales = outer.reshape(tau, [...m.batch, 1, count]);
  return loop(outer, count, [identity], (build, turn, [q]) => {
    const at = new Matrices(build, q!);
    const k = build.plain("subtract", build.scalar("i32", count - 1), turn);
    const rows = at.places(-2);
    const zero = build.scalar(at.dtype, 0);
    const below = build.compare("GT", rows, k);
    const one = build.select(build.compare("EQ", rows, k), build.scalar(at.dtype, 1), zero);
    const v = build.select(below, at.column(a, k), one);
    const product = at.sum(build.multiply(v, q!), -2);
    return [build.subtract(q!, build.multiply(build.multiply(at.column(scales, k), v), product))];
  });
}
