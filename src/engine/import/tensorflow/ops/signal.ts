// Fourier transforms and linear algebra (tensorflow/core/ops/spectral_ops.cc, linalg_ops.cc, array_ops.cc).

import type { Builder } from "../../../hlo/build.ts";
import { isComplex } from "../../../hlo/dtype.ts";
import type { Value } from "../../../hlo/graph.ts";
import type { Call, Importer } from "../call.ts";
import { scatterRows } from "./gathers.ts";
import { part } from "./slices.ts";

const range = (n: number, from = 0) => Array.from({ length: n }, (_, i) => from + i);

/** The last dimensions cut or filled with zeros to these extents. */
function fit(b: Builder, x: Value, extents: readonly number[]): Value {
  const { shape } = x.type;
  const first = shape.length - extents.length;
  const high = shape.map((n, i) => (i < first ? 0 : extents[i - first]! - n));
  return b.pad(
    x,
    shape.map(() => 0),
    high,
  );
}
const fft =
  (kind: "FFT" | "IFFT", rank: number): Importer =>
  (c) => {
    const x = c.x(0);
    return c.b.op("fft", [x], { kind, length: x.type.shape.slice(x.type.shape.length - rank) });
  };
const realFft =
  (rank: number): Importer =>
  (c) => {
    const length = c.numbers(1);
    const x = c.b.op("fft", [fit(c.b, c.x(0), length.slice(-rank))], { kind: "RFFT", length });
    return c.b.convert(x, c.type("Tcomplex", "c64"));
  };
const inverseRealFft =
  (rank: number): Importer =>
  (c) => {
    const length = c.numbers(1).slice(-rank);
    const half = [...length.slice(0, -1), Math.floor(length.at(-1)! / 2) + 1];
    return c.b.op("fft", [fit(c.b, c.x(0), half)], { kind: "IRFFT", length });
  };

// Matrices.

/** Row and column of each element of the last two dimensions. */
function places(b: Builder, shape: readonly number[]): { row: Value; column: Value } {
  const iota = (dimension: number) => b.op("iota", [], { dtype: "i32", shape, dimension });
  return { row: iota(shape.length - 2), column: iota(shape.length - 1) };
}
function bandPart(c: Call): Value {
  const { b } = c;
  const x = c.x(0);
  const { row, column } = places(b, x.type.shape);
  const distance = b.subtract(row, column);
  const [lower, upper] = [c.number(1), c.number(2)];
  const always = b.full("i1", x.type.shape, 1);
  const below = lower < 0 ? always : b.compare("LE", distance, b.scalar("i32", lower));
  const above = upper < 0 ? always : b.compare("GE", distance, b.scalar("i32", -upper));
  return b.select(b.binary("and", below, above), x, b.scalar(x.type.dtype, 0));
}
function matrixDiag(c: Call): Value {
  const { b } = c;
  const x = c.x(0);
  const { shape } = x.type;
  // Later versions: offsets, extents, what fills the rest.
  const [k = 0, upper = k] = c.count > 1 ? c.numbers(1) : [0];
  if (k !== upper) c.unsupported("several diagonals at once");
  const length = shape.at(-1)!;
  let [rows, columns] = c.count > 1 ? [c.number(2), c.number(3)] : [-1, -1];
  // Square when nothing is said.
  if (rows === -1 && columns === -1) rows = columns = length + Math.abs(k);
  const height = rows === -1 ? length + Math.max(0, -k) : rows;
  const width = columns === -1 ? length + Math.max(0, k) : columns;
  const wide = [...shape.slice(0, -1), height, width];
  const { row, column } = places(b, wide);
  const on = b.compare("EQ", b.subtract(column, row), b.scalar("i32", k));
  // Element i stands at row i, or at column i below the main diagonal.
  const along = k >= 0 ? shape.length - 1 : shape.length;
  const extent = wide[along]!;
  const fitted = fit(b, x, [extent]);
  const stretched = b.op("broadcastInDim", [fitted], {
    shape: wide,
    dimensions: shape.map((_, i) => (i === shape.length - 1 ? along : i)),
  });
  const filling = c.count > 4 ? c.x(4) : b.scalar(x.type.dtype, 0);
  return b.select(on, stretched, filling);
}
function diagonalPart(c: Call, x: Value, k: number): Value {
  const { b } = c;
  const { shape } = x.type;
  const [height, width] = shape.slice(-2) as [number, number];
  const { row, column } = places(b, shape);
  const on = b.compare("EQ", b.subtract(column, row), b.scalar("i32", k));
  const kept = b.select(on, x, b.scalar(x.type.dtype, 0));
  const length = k >= 0 ? Math.min(height, width - k) : Math.min(height + k, width);
  if (length <= 0) c.fail(`diagonal ${k} of a matrix of ${height} by ${width}`);
  // Down each column for those above, along each row for those below.
  const sums = b.reduce("add", kept, [k >= 0 ? shape.length - 1 : shape.length - 2]);
  return part(b, sums, shape.length - 2, 0, length);
}
function matrixDiagPart(c: Call): Value {
  const [k = 0, upper = k] = c.count > 1 ? c.numbers(1) : [0];
  if (k !== upper) c.unsupported("several diagonals at once");
  return diagonalPart(c, c.x(0), k);
}
function setDiag(c: Call): Value {
  const { b } = c;
  const [x, given] = [c.x(0), c.x(1)];
  const { shape } = x.type;
  const [k = 0, upper = k] = c.count > 2 ? c.numbers(2) : [0];
  if (k !== upper) c.unsupported("several diagonals at once");
  const { row, column } = places(b, shape);
  const on = b.compare("EQ", b.subtract(column, row), b.scalar("i32", k));
  const along = k >= 0 ? shape.length - 2 : shape.length - 1;
  const fitted = fit(b, given, [shape[along]!]);
  const stretched = b.op("broadcastInDim", [fitted], {
    shape,
    dimensions: given.type.shape.map((_, i) => (i === given.type.shape.length - 1 ? along : i)),
  });
  return b.select(on, stretched, x);
}
/** A tensor of twice the rank with the elements where both halves of the index agree. */
function diag(c: Call): Value {
  const { b } = c;
  const x = c.x(0);
  const { shape, dtype } = x.type;
  const count = shape.reduce((a, n) => a * n, 1);
  const index = b.op("iota", [], { dtype: "i32", shape: [count, 2], dimension: 0 });
  const matrix = scatterRows(b, b.full(dtype, [count, count], 0), index, b.reshape(x, [count]), "replace");
  return b.reshape(matrix, [...shape, ...shape]);
}
function diagPart(c: Call): Value {
  const x = c.x(0);
  const half = x.type.shape.slice(0, x.type.shape.length / 2);
  const count = half.reduce((a, n) => a * n, 1);
  return c.b.reshape(diagonalPart(c, c.b.reshape(x, [count, count]), 0), half);
}

function triangularSolve(c: Call): Value {
  const { b } = c;
  const [a, right] = [c.x(0), c.x(1)];
  const outer = b.common(a.type.shape.slice(0, -2), right.type.shape.slice(0, -2));
  const stretch = (x: Value) => b.broadcast(x, [...outer, ...x.type.shape.slice(-2)]);
  return b.op("triangularSolve", [stretch(a), stretch(right)], {
    leftSide: true,
    lower: c.flag("lower", true),
    unitDiagonal: false,
    transposeA: c.flag("adjoint") ? "ADJOINT" : "NO_TRANSPOSE",
  });
}
/** The lower triangle of x, the rest zero: what factorisations leave undefined. */
function lowerTriangle(b: Builder, x: Value): Value {
  const { row, column } = places(b, x.type.shape);
  return b.select(b.compare("GE", row, column), x, b.scalar(x.type.dtype, 0));
}

/** Largest matrix that is eliminated row by row in the graph. */
const maximumElimination = 64;

/** Solves a x = y by elimination with pivots; also gives the determinant's factors. */
function eliminate(c: Call, a: Value, y: Value): { solution: Value; determinant: Value } {
  const { b } = c;
  const n = a.type.shape.at(-1)!;
  if (a.type.shape.at(-2) !== n) c.fail(`[${a.type.shape}] is not square`);
  if (n > maximumElimination) c.unsupported(`a matrix of ${n} rows (at most ${maximumElimination})`);
  if (isComplex(a.type.dtype)) c.unsupported("complex elimination");
  const { dtype } = a.type;
  const outer = a.type.shape.slice(0, -2);
  const rank = outer.length;
  let table = b.concatenate([a, y], rank + 1);
  const width = table.type.shape.at(-1)!;
  let determinant = b.full(dtype, outer, 1);
  const rows = b.op("iota", [], { dtype: "i32", shape: [...outer, n], dimension: rank });
  const spread = (x: Value, dimension: "row" | "column") =>
    b.op("broadcastInDim", [x], {
      shape: [...outer, n, width],
      dimensions: [...range(rank), dimension === "row" ? rank : rank + 1],
    });
  for (let i = 0; i < n; i++) {
    const column = b.reshape(part(b, table, rank + 1, i, i + 1), [...outer, n]);
    const usable = b.compare("GE", rows, b.scalar("i32", i));
    const magnitude = b.select(usable, b.plain("abs", column), b.scalar(dtype, -1));
    const pivot = b.argument("GT", magnitude, rank);
    const isPivot = b.compare(
      "EQ",
      rows,
      b.op("broadcastInDim", [pivot], { shape: [...outer, n], dimensions: range(rank) }),
    );
    const zero = b.scalar(dtype, 0);
    const pivotRow = b.reduce("add", b.select(spread(isPivot, "row"), table, zero), [rank]);
    const oldRow = b.reshape(part(b, table, rank, i, i + 1), [...outer, width]);
    // The rows change places.
    const isHere = b.compare("EQ", rows, b.scalar("i32", i));
    table = b.select(spread(isPivot, "row"), spread(oldRow, "column"), table);
    table = b.select(spread(isHere, "row"), spread(pivotRow, "column"), table);
    const value = b.reshape(part(b, pivotRow, rank, i, i + 1), outer);
    const swapped = b.compare("NE", pivot, b.scalar("i32", i));
    determinant = b.multiply(determinant, b.select(swapped, b.plain("negate", value), value));
    const scaled = b.divide(
      pivotRow,
      b.op("broadcastInDim", [value], { shape: [...outer, width], dimensions: range(rank) }),
    );
    const factors = b.reshape(part(b, table, rank + 1, i, i + 1), [...outer, n]);
    const reduced = b.subtract(table, b.multiply(spread(factors, "row"), spread(scaled, "column")));
    table = b.select(spread(isHere, "row"), spread(scaled, "column"), reduced);
  }
  return { solution: part(b, table, rank + 1, n, width), determinant };
}
function identity(b: Builder, like: Value): Value {
  const { row, column } = places(b, like.type.shape);
  return b.convert(b.compare("EQ", row, column), like.type.dtype);
}
function transposed(b: Builder, x: Value): Value {
  const rank = x.type.shape.length;
  return b.transpose(x, [...range(rank - 2), rank - 1, rank - 2]);
}

const current: Readonly<Record<string, Importer>> = {
  FFT: fft("FFT", 1),
  FFT2D: fft("FFT", 2),
  FFT3D: fft("FFT", 3),
  IFFT: fft("IFFT", 1),
  IFFT2D: fft("IFFT", 2),
  IFFT3D: fft("IFFT", 3),
  RFFT: realFft(1),
  RFFT2D: realFft(2),
  RFFT3D: realFft(3),
  IRFFT: inverseRealFft(1),
  IRFFT2D: inverseRealFft(2),
  IRFFT3D: inverseRealFft(3),

  MatrixBandPart: bandPart,
  MatrixDiag: matrixDiag,
  MatrixDiagV2: matrixDiag,
  MatrixDiagV3: matrixDiag,
  MatrixDiagPart: matrixDiagPart,
  MatrixDiagPartV2: matrixDiagPart,
  MatrixDiagPartV3: matrixDiagPart,
  MatrixSetDiag: setDiag,
  MatrixSetDiagV2: setDiag,
  MatrixSetDiagV3: setDiag,
  Diag: diag,
  DiagPart: diagPart,
  Cholesky: (c) => lowerTriangle(c.b, c.b.op("cholesky", [c.x(0)], { lower: true })),
  MatrixTriangularSolve: triangularSolve,
  MatrixInverse: (c) => {
    const x = c.flag("adjoint") ? transposed(c.b, c.x(0)) : c.x(0);
    return eliminate(c, x, identity(c.b, x)).solution;
  },
  MatrixSolve: (c) => eliminate(c, c.flag("adjoint") ? transposed(c.b, c.x(0)) : c.x(0), c.x(1)).solution,
  MatrixDeterminant: (c) => eliminate(c, c.x(0), identity(c.b, c.x(0))).determinant,
  LogMatrixDeterminant: (c) => {
    const { determinant } = eliminate(c, c.x(0), identity(c.b, c.x(0)));
    return [c.b.plain("sign", determinant), c.b.plain("log", c.b.plain("abs", determinant))];
  },
};

/** TensorFlow's first names for the same: BatchCholesky, BatchMatrixInverse. */
const batched = ["Cholesky", "MatrixTriangularSolve", "MatrixInverse", "MatrixSolve", "MatrixDeterminant"].concat(
  ["MatrixBandPart", "MatrixDiag", "MatrixDiagPart", "MatrixSetDiag"],
  ["FFT", "FFT2D", "FFT3D", "IFFT", "IFFT2D", "IFFT3D"],
);
export const signal: Readonly<Record<string, Importer>> = {
  ...current,
  ...Object.fromEntries(batched.map((name) => [`Batch${name}`, current[name]!])),
};
